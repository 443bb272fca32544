#include "broker/witness_line.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace pli::broker {
namespace {

using namespace std::chrono_literals;

/// Says one thing to whoever connects, at once or one byte at a time, and then nothing more.
class Talker {
 public:
  explicit Talker(std::string says, std::chrono::milliseconds between_bytes = 0ms)
      : says_(std::move(says)), between_(between_bytes), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 8) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      std::abort();
    url_.host = "127.0.0.1";
    url_.port = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Talker() {
    ending_ = true;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  [[nodiscard]] const WitnessUrl& url() const { return url_; }

 private:
  void run() {
    while (!ending_) {
      const int peer = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) return;
      char request[4096];
      (void)!::recv(peer, request, sizeof request, 0);
      for (std::size_t i = 0; i < says_.size() && !ending_; i += step()) {
        if (::send(peer, says_.data() + i, std::min(step(), says_.size() - i), MSG_NOSIGNAL) < 0) break;
        if (between_ > 0ms) std::this_thread::sleep_for(between_);
      }
      while (!ending_ && ::recv(peer, request, sizeof request, 0) > 0) {
      }
      ::close(peer);
    }
  }
  [[nodiscard]] std::size_t step() const { return between_ > 0ms ? 1 : says_.size(); }

  const std::string says_;
  const std::chrono::milliseconds between_;
  const int fd_;
  WitnessUrl url_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

std::string answer_of(std::size_t bytes) {
  std::string head = "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: ";
  std::string body;
  while (head.size() + std::to_string(body.size()).size() + 4 + body.size() < bytes) body += '1';
  return head + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(WitnessUrlTest, IsAnHttpPrefix) {
  EXPECT_EQ(*parse_witness_url("http://witness.example"), (WitnessUrl{"witness.example", 80, ""}));
  EXPECT_EQ(*parse_witness_url("http://witness.example:8080/"), (WitnessUrl{"witness.example", 8080, ""}));
  EXPECT_EQ(*parse_witness_url("http://10.0.0.9:1/a/b/"), (WitnessUrl{"10.0.0.9", 1, "/a/b"}));
  EXPECT_EQ(*parse_witness_url("http://[::1]:65535/w"), (WitnessUrl{"::1", 65535, "/w"}));
  for (const char* text : {"", "https://witness.example", "witness.example", "http://", "http://:80", "http://a:0",
                           "http://a:65536", "http://a:08", "http://a:", "http://a b", "http://a/b c", "http://a/?q",
                           "http://[::1", "http://[::1]x", "http://u@a/"})
    EXPECT_EQ(parse_witness_url(text).error().code, Errc::invalid_input) << text;
}

TEST(WitnessLineTest, GivesWhatTheWitnessSays) {
  Talker talker("HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 3\r\n\r\n12\n");
  WitnessLine line(talker.url());
  const auto answer = line.add_checkpoint("old 0\n");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(*answer, (audit::WitnessAnswer{409, "text/x.tlog.size", "12\n"}));
}

TEST(WitnessLineTest, TakesAnAnswerOfTheLongestSizeAndNoneOneByteLonger) {
  {
    const std::string longest = answer_of(witness_answer_bytes_max);
    ASSERT_EQ(longest.size(), witness_answer_bytes_max);
    Talker talker(longest);
    EXPECT_TRUE(WitnessLine(talker.url()).add_checkpoint("old 0\n"));
  }
  const std::string longer = answer_of(witness_answer_bytes_max + 1);
  ASSERT_EQ(longer.size(), witness_answer_bytes_max + 1);
  Talker talker(longer);
  EXPECT_EQ(WitnessLine(talker.url()).add_checkpoint("old 0\n").error().code, Errc::over_limit);
  Talker endless("HTTP/1.1 200 OK\r\nX: " + std::string(2 * witness_answer_bytes_max, 'x'));
  EXPECT_EQ(WitnessLine(endless.url()).add_checkpoint("old 0\n").error().code, Errc::over_limit) << "a head counts too";
}

TEST(WitnessLineTest, WaitsNoLongerHoweverSlowlyItIsAnswered) {
  Talker talker(answer_of(4000), 5ms);
  WitnessLine line(talker.url(), {2s, 200ms});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(line.add_checkpoint("old 0\n").error().code, Errc::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST(WitnessLineTest, NobodyThereIsUnavailable) {
  WitnessUrl url;
  {
    Talker talker("");
    url = talker.url();
  }
  EXPECT_EQ(WitnessLine(url).add_checkpoint("old 0\n").error().code, Errc::unavailable);
}

TEST(WitnessLineTest, HangingUpEndsWhatIsUnderWayAndWhatComesAfter) {
  Talker talker("");
  WitnessLine line(talker.url(), {2s, 60s});
  std::thread hanging_up([&] {
    std::this_thread::sleep_for(50ms);
    line.hang_up();
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(line.add_checkpoint("old 0\n").error().code, Errc::unavailable);
  hanging_up.join();
  EXPECT_EQ(line.add_checkpoint("old 0\n").error().code, Errc::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
}

}  // namespace
}  // namespace pli::broker
