// The HTTP side, over loopback: C2SP tlog-witness's answers, and what peers that do not behave may cost.
#include "witness/witness_server.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>
#include <thread>

#include "tests/support/witness_house.hpp"
#include "tests/witness/growing_log.hpp"
#include "tests/witness/http_talk.hpp"

namespace pli::witness {
namespace {

using pli::testing::GrowingLog;
using pli::testing::HttpAnswer;
using pli::testing::HttpTalk;
using pli::testing::key_of;
using pli::testing::post_of;
using pli::testing::WitnessHouse;

constexpr const char* path = "/add-checkpoint";
constexpr const char* note_type = "text/plain; charset=utf-8";

class WitnessOverHttp : public ::testing::Test {
 protected:
  WitnessOverHttp() { log_.grow(20); }
  HttpAnswer post(const std::string& body) {
    auto answer = HttpTalk(house_.port()).post(path, body);
    EXPECT_TRUE(answer);
    return answer.value_or(HttpAnswer{});
  }
  std::optional<HttpAnswer> monitor(const std::string& origin) {
    return HttpTalk(house_.port()).get('/' + audit::monitoring_path(origin));
  }
  static void expect(const HttpAnswer& answer, int status, const char* type = note_type) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), type);
    EXPECT_TRUE(answer.body.ends_with('\n'));
  }
  GrowingLog log_;
  WitnessHouse house_{{log_.key()}};
};

// ---- tlog-witness's answers
// ------------------------------------------------------------------------------------------

TEST_F(WitnessOverHttp, AnswersEachRequestWithItsStatus) {
  expect(post("neither\n"), 400);
  expect(post(""), 400);
  GrowingLog unknown("log.example/unknown");
  expect(post(unknown.body(0, 0)), 404);
  GrowingLog other_key(log_.origin(), 9);
  expect(post(other_key.body(0, 0)), 403);
  audit::AddCheckpoint above = log_.request(0, 7);
  above.old = TreeSize{8};
  expect(post(audit::to_text(above)), 400);
  const HttpAnswer good = post(log_.body(0, 7));
  expect(good, 200);
  EXPECT_TRUE(good.body.starts_with("\xE2\x80\x94 witness.example/w1 "));
  const HttpAnswer elsewhere = post(log_.body(0, 9));
  expect(elsewhere, 409, "text/x.tlog.size");
  EXPECT_EQ(elsewhere.body, "7\n");
  audit::AddCheckpoint unproven = log_.request(7, 9);
  unproven.proof.pop_back();
  expect(post(audit::to_text(unproven)), 422);
  expect(post(log_.body(7, 9)), 200);
  expect(post(log_.body(9, 9)), 200);
}

TEST_F(WitnessOverHttp, ServesAtItsMonitoringPrefixWhatItCosignedLast) {
  EXPECT_EQ(monitor(log_.origin())->status, 404);
  for (const auto& [old, size] : {std::pair<std::uint64_t, std::uint64_t>{0, 7}, {7, 9}, {9, 9}}) {
    const HttpAnswer good = post(log_.body(old, size));
    const auto served = monitor(log_.origin());
    ASSERT_TRUE(served);
    expect(*served, 200);
    EXPECT_EQ(served->body, log_.checkpoint(size) + good.body);
    const std::vector<audit::VerifierKey> witnesses = {house_.key()};
    const auto verified =
        audit::verify_cosigned_checkpoint(served->body, log_.key(), witnesses, audit::to_seconds(SystemClock().now()));
    ASSERT_TRUE(verified) << verified.error().detail;
    EXPECT_EQ(verified->cosigners().size(), 1U);
  }
  EXPECT_EQ(monitor("log.example/unknown")->status, 404);
}

TEST_F(WitnessOverHttp, HasNothingElsewhereAndOtherMethodsAreRefused) {
  HttpTalk talk(house_.port());
  const std::string monitored = '/' + audit::monitoring_path(log_.origin());
  for (const std::string& nowhere :
       {std::string("/"), std::string("/add-checkpoint/"), std::string("/x/add-checkpoint"),
        std::string("//add-checkpoint"), monitored + '/', std::string("/checkpoint"),
        '/' + std::string(64, 'G') + "/checkpoint", '/' + std::string(63, 'a') + "/checkpoint",
        '/' + std::string(64, 'A') + "/checkpoint", std::string("/sign-subtree")}) {
    EXPECT_EQ(talk.get(nowhere)->status, 404) << nowhere;
    EXPECT_EQ(HttpTalk(house_.port()).post(nowhere, log_.body(0, 7))->status, 404) << nowhere;
  }
  const auto read = talk.get(path);
  EXPECT_EQ(read->status, 405);
  EXPECT_EQ(read->headers.at("allow"), "POST");
  const auto posted = HttpTalk(house_.port()).post(monitored, log_.body(0, 7));
  EXPECT_EQ(posted->status, 405);
  EXPECT_EQ(posted->headers.at("allow"), "GET, HEAD");
  for (const char* method : {"PUT", "DELETE", "PATCH", "OPTIONS"}) {
    HttpTalk other(house_.port());
    ASSERT_TRUE(other.send(std::string(method) + ' ' + path + " HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_EQ(other.answer()->status, 405) << method;
  }
  EXPECT_EQ(house_.asked(), 0U);
}

TEST_F(WitnessOverHttp, AnswersHeadWithoutABody) {
  expect(post(log_.body(0, 7)), 200);
  HttpTalk talk(house_.port());
  ASSERT_TRUE(talk.send("HEAD /" + audit::monitoring_path(log_.origin()) + " HTTP/1.1\r\n\r\n"));
  const auto head = talk.answer(false);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(talk.get(path)->status, 405) << "the next answer follows at once";
}

TEST_F(WitnessOverHttp, KeepsTheConnectionForOneRequestAfterAnother) {
  HttpTalk talk(house_.port());
  EXPECT_EQ(talk.post(path, log_.body(0, 1))->status, 200);
  for (std::uint64_t size = 1; size < 20; ++size) EXPECT_EQ(talk.post(path, log_.body(size, size + 1))->status, 200);
  // Two in one go.
  ASSERT_TRUE(talk.send(post_of(path, log_.body(20, 20)) + post_of(path, log_.body(0, 7))));
  EXPECT_EQ(talk.answer()->status, 200);
  EXPECT_EQ(talk.answer()->status, 409);
}

TEST_F(WitnessOverHttp, AConnectionServesRequestsMaxAndIsThenClosed) {
  HttpTalk talk(house_.port());
  for (std::size_t i = 1; i < requests_of_a_connection_max; ++i) ASSERT_EQ(talk.get("/")->status, 404) << i;
  const auto last = talk.get("/");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->headers.at("connection"), "close");
  EXPECT_TRUE(talk.is_closed_by_peer());
}

TEST_F(WitnessOverHttp, TakesABodyInChunks) {
  const std::string body = log_.body(0, 7);
  HttpTalk talk(house_.port());
  std::string request = std::string("POST ") + path + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 100) {
    const std::string chunk = body.substr(at, 100);
    std::array<char, 16> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", chunk.size());
    request += size.data() + chunk + "\r\n";
  }
  ASSERT_TRUE(talk.send(request + "0\r\n\r\n"));
  EXPECT_EQ(talk.answer()->status, 200);
  EXPECT_TRUE(talk.is_closed_by_peer()) << "where chunks end is told by two rules at once only by mistake";
}

TEST_F(WitnessOverHttp, OfRacingLogsTheLargestAnsweredTreeStandsInTheEnd) {
  log_.grow(200);
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::atomic<std::uint64_t> largest{0};
  std::vector<std::thread> crew;
  for (std::size_t t = 0; t < 12; ++t)
    crew.emplace_back([&, t] {
      std::mt19937_64 random(seed + t);
      HttpTalk talk(house_.port());
      std::uint64_t old = 0;
      for (int i = 0; i < 10; ++i) {
        const std::uint64_t size = old + random() % (201 - old);
        const auto answer = talk.post(path, log_.body(old, size));
        ASSERT_TRUE(answer);
        if (answer->status == 409) {
          const std::uint64_t stands = std::stoull(answer->body);
          EXPECT_GT(stands, old);
          old = stands;
          continue;
        }
        ASSERT_EQ(answer->status, 200);
        old = size;
        std::uint64_t seen = largest;
        while (seen < size && !largest.compare_exchange_weak(seen, size)) {
        }
        // Whoever asks now is told of nothing older.
        const auto served = talk.get('/' + audit::monitoring_path(log_.origin()));
        EXPECT_GE(audit::verify_checkpoint(served->body, log_.key())->size().value, size);
      }
    });
  for (std::thread& thread : crew) thread.join();
  const std::string kept = monitor(log_.origin())->body;
  EXPECT_EQ(audit::verify_checkpoint(kept, log_.key())->size().value, largest);
  house_.stop();
  house_.start();
  EXPECT_EQ(monitor(log_.origin())->body, kept);
}

// ---- peers that do not behave ---------------------------------------------------------------------------------------

/// A server over handlers of the test's own.
class BareServer {
 public:
  explicit BareServer(ServerSettings settings = {}) {
    auto server =
        WitnessServer::start(settings, {[this](std::string_view body) {
                                          size_seen = body.size();
                                          ++asked;
                                          return audit::WitnessAnswer{200, note_type, "taken\n"};
                                        },
                                        [](std::string_view) { return std::optional<std::string>("kept\n"); }});
    if (!server) std::abort();
    server_ = *std::move(server);
  }
  [[nodiscard]] int port() const { return server_->port(); }
  [[nodiscard]] std::string url() const { return server_->url(); }
  void stop() { server_->stop(); }
  std::atomic<std::size_t> asked{0};
  std::atomic<std::size_t> size_seen{0};

 private:
  std::unique_ptr<WitnessServer> server_;
};

ServerSettings hurried(unsigned threads) {
  ServerSettings settings;
  settings.threads = threads;
  settings.request_time = std::chrono::milliseconds(200);
  return settings;
}

TEST(WitnessServerTest, TakesABodyOfItsLimitAndRefusesOneByteMore) {
  BareServer server;
  const auto at = HttpTalk(server.port()).post(path, std::string(audit::add_checkpoint_bytes_max, 'x'));
  EXPECT_EQ(at->status, 200);
  EXPECT_EQ(server.size_seen, audit::add_checkpoint_bytes_max);
  const auto above = HttpTalk(server.port()).post(path, std::string(audit::add_checkpoint_bytes_max + 1, 'x'));
  ASSERT_TRUE(above);
  EXPECT_EQ(above->status, 413);
  EXPECT_EQ(above->headers.at("connection"), "close");
  EXPECT_EQ(server.asked, 1U);
}

TEST(WitnessServerTest, RefusesAnEndlessBodyInChunksAtTheSameLimit) {
  BareServer server;
  HttpTalk talk(server.port());
  ASSERT_TRUE(talk.send(std::string("POST ") + path + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  for (int i = 0; i < 40 && talk.send(chunk); ++i) {
  }
  const auto answer = talk.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(server.asked, 0U);
}

TEST(WitnessServerTest, TakesARequestOfItsLimitWhateverFramesItAndRefusesOneByteMore) {
  BareServer server;
  const std::string head = std::string("POST ") + path + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;";
  const std::string tail = "\r\nx\r\n0\r\n\r\n";
  const auto ask_with = [&](std::size_t size) {
    HttpTalk talk(server.port());
    (void)talk.send(head + std::string(size - head.size() - tail.size(), 'e') + tail);
    const auto answer = talk.answer();
    return answer ? answer->status : 0;
  };
  EXPECT_EQ(ask_with(http_request_bytes_max), 200);
  EXPECT_EQ(server.size_seen, 1U);
  EXPECT_EQ(ask_with(http_request_bytes_max + 1), 400);
  EXPECT_EQ(server.asked, 1U);
}

TEST(WitnessServerTest, RefusesABodyThatGrowsAboveTheLimitWhenUnpacked) {
  // gzip.compress(bytes(1 << 20), 9, mtime=0), of Python.
  std::ifstream file(std::string(PLI_SOURCE_DIR) + "/tests/witness/mebibyte.gz", std::ios::binary);
  const std::string packed{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(packed.empty());
  BareServer server;
  HttpTalk talk(server.port());
  ASSERT_TRUE(talk.send(std::string("POST ") + path + " HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: " +
                        std::to_string(packed.size()) + "\r\n\r\n" + packed));
  EXPECT_EQ(talk.answer()->status, 413);
  EXPECT_EQ(server.asked, 0U);
}

TEST(WitnessServerTest, TakesAHeadOfItsLimitAndRefusesOneByteMore) {
  BareServer server;
  const std::string start = "GET /" + std::string(64, 'a') + "/checkpoint HTTP/1.1\r\n";
  for (const bool in_one_line : {true, false}) {
    const auto head_of = [&](std::size_t size) {
      std::string head = start;
      if (!in_one_line)
        while (head.size() + 200 < size) head += "a: b\r\n";
      head += "x: ";
      head += std::string(size - head.size() - 4, 'y');
      return head + "\r\n\r\n";
    };
    ASSERT_EQ(head_of(http_head_bytes_max).size(), http_head_bytes_max);
    HttpTalk talk(server.port());
    ASSERT_TRUE(talk.send(head_of(http_head_bytes_max)));
    EXPECT_EQ(talk.answer()->status, 200);
    ASSERT_TRUE(talk.send(head_of(http_head_bytes_max + 1)));
    const auto answer = talk.answer();
    EXPECT_TRUE(!answer || answer->status == 400);
    EXPECT_FALSE(talk.answer()) << "and no other after it";
  }
}

TEST(WitnessServerTest, OutlivesTheWorstHeadersOfThatLength) {
  BareServer server;
  const auto ask_with = [&](const std::string& header) {
    HttpTalk talk(server.port());
    (void)talk.send("GET /" + std::string(64, 'a') + "/checkpoint HTTP/1.1\r\n" + header + "\r\n\r\n");
    (void)talk.answer();
  };
  std::string ranges = "Range: bytes=0-0";
  while (ranges.size() < 3900) ranges += ",0-0";
  ask_with(ranges);
  ask_with("Range: bytes=" + std::string(3900, '1') + "-");
  ask_with("Range: bytes=0-0," + std::string(3900, ' ') + "0-0");
  ask_with("Content-Type: multipart/form-data; boundary=" + std::string(3800, 'b'));
  ask_with("Content-Length: " + std::string(3900, '9'));
  ask_with(std::string(3900, ':'));
  ask_with("x: " + std::string(3900, '%'));
  (void)HttpTalk(server.port()).get('/' + std::string(3900, '%'));
  (void)HttpTalk(server.port()).get("/?" + std::string(3900, '&'));
  EXPECT_EQ(HttpTalk(server.port()).get('/' + std::string(64, 'a') + "/checkpoint")->body, "kept\n");
}

TEST(WitnessServerTest, ABodyOfAFormOrCutShortIsNotARequest) {
  BareServer server;
  HttpTalk form(server.port());
  ASSERT_TRUE(
      form.send(std::string("POST ") + path +
                " HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5\r\n\r\n--b--"));
  EXPECT_EQ(form.answer()->status, 400);
  EXPECT_EQ(server.asked, 0U);
}

TEST(WitnessServerTest, WhatFollowsABodyThatWasNotReadIsNotARequest) {
  BareServer server;
  const std::string inner = post_of(path, "smuggled");
  for (const std::string& outer :
       {"POST /nowhere HTTP/1.1\r\nContent-Length: " + std::to_string(inner.size()) + "\r\n\r\n" + inner,
        "GET /nowhere HTTP/1.1\r\nContent-Length: " + std::to_string(inner.size()) + "\r\n\r\n" + inner,
        "GET /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + inner,
        std::string("POST ") + path + " HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n" + inner,
        std::string("POST ") + path + " HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
            inner,
        "BREW / HTTP/1.1\r\n\r\n" + inner}) {
    HttpTalk talk(server.port());
    ASSERT_TRUE(talk.send(outer));
    EXPECT_TRUE(talk.answer()) << outer;
    EXPECT_FALSE(talk.answer()) << outer;
    EXPECT_NE(server.size_seen, 8U) << outer;
  }
}

TEST(WitnessServerTest, ASlowRequestIsDroppedAtItsTimeHoweverItDrips) {
  BareServer server(hurried(1));
  for (const std::string& begun : {std::string("P"), std::string("POST /add-checkpoint HTTP/1.1\r\nx: "),
                                   std::string("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nx")}) {
    HttpTalk talk(server.port());
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(talk.send(begun));
    talk.drip('y', std::chrono::milliseconds(20));
    const auto answer = talk.answer();
    EXPECT_TRUE(!answer || answer->status == 400);
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(150));
  }
  EXPECT_EQ(server.asked, 0U);
}

TEST(WitnessServerTest, SlowOnesDoNotKeepOthersWaitingWhileAThreadIsFree) {
  ServerSettings settings;
  settings.threads = 4;
  BareServer server(settings);
  std::vector<std::unique_ptr<HttpTalk>> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(std::make_unique<HttpTalk>(server.port()));
    ASSERT_TRUE(slow.back()->send("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nx"));
  }
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(HttpTalk(server.port()).post(path, "quick")->status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - start, settings.request_time / 2);
}

TEST(WitnessServerTest, SlowOnesOnEveryThreadKeepOthersWaitingForTheirTimeAndNoLonger) {
  BareServer server(hurried(2));
  std::vector<std::unique_ptr<HttpTalk>> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(std::make_unique<HttpTalk>(server.port()));
    ASSERT_TRUE(slow.back()->send("P"));
  }
  EXPECT_EQ(HttpTalk(server.port()).post(path, "patient")->status, 200);
}

TEST(WitnessServerTest, AnIdleConnectionGivesItsThreadToOneThatWaits) {
  ServerSettings settings;
  settings.threads = 1;
  settings.idle_time = std::chrono::hours(1);
  BareServer server(settings);
  HttpTalk idle(server.port());
  EXPECT_EQ(idle.post(path, "first")->status, 200);
  EXPECT_EQ(HttpTalk(server.port()).post(path, "second")->status, 200);
  EXPECT_TRUE(idle.is_closed_by_peer());
}

TEST(WitnessServerTest, AnIdleConnectionIsClosedAfterItsTime) {
  ServerSettings settings;
  settings.idle_time = std::chrono::milliseconds(100);
  BareServer server(settings);
  HttpTalk idle(server.port());
  EXPECT_EQ(idle.post(path, "first")->status, 200);
  EXPECT_TRUE(idle.is_closed_by_peer());
}

TEST(WitnessServerTest, StopsAtOnceWhateverIsOpen) {
  ServerSettings settings;
  settings.idle_time = std::chrono::hours(1);
  settings.request_time = std::chrono::hours(1);
  BareServer server(settings);
  HttpTalk idle(server.port());
  EXPECT_EQ(idle.post(path, "first")->status, 200);
  HttpTalk slow(server.port());
  ASSERT_TRUE(slow.send("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nx"));
  server.stop();
  EXPECT_FALSE(HttpTalk(server.port()).post(path, "late"));
  server.stop();
}

TEST(WitnessServerTest, StandsUnderAPrefixAndAtAnAddressOfItsOwn) {
  ServerSettings settings;
  settings.prefix = "/witness/w1";
  BareServer server(settings);
  EXPECT_EQ(server.url(), "http://127.0.0.1:" + std::to_string(server.port()) + "/witness/w1");
  EXPECT_EQ(HttpTalk(server.port()).post("/witness/w1/add-checkpoint", "x")->status, 200);
  EXPECT_EQ(HttpTalk(server.port()).get("/witness/w1/" + std::string(64, 'a') + "/checkpoint")->status, 200);
  EXPECT_EQ(HttpTalk(server.port()).post(path, "x")->status, 404);

  settings.port = server.port();
  EXPECT_EQ(WitnessServer::start(settings, {}).error().code, Errc::unavailable) << "taken";
  for (const std::string& prefix : {std::string("/"), std::string("w"), std::string("/w/"), std::string("/w?"),
                                    std::string("/W"), '/' + std::string(prefix_bytes_max, 'w')}) {
    ServerSettings wrong;
    wrong.prefix = prefix;
    EXPECT_EQ(WitnessServer::start(wrong, {}).error().code, Errc::invalid_input) << prefix;
  }
  ServerSettings longest;
  longest.prefix = '/' + std::string(prefix_bytes_max - 1, 'w');
  EXPECT_TRUE(WitnessServer::start(longest, {}));
  for (const char* host : {"", "localhost", "300.0.0.1", "127.0.0.1 "}) {
    ServerSettings wrong;
    wrong.host = host;
    EXPECT_EQ(WitnessServer::start(wrong, {}).error().code, Errc::invalid_input) << host;
  }
  ServerSettings six;
  six.host = "::1";
  if (auto started = WitnessServer::start(six, {})) {
    EXPECT_EQ((*started)->url(), "http://[::1]:" + std::to_string((*started)->port()));
  }
}

}  // namespace
}  // namespace pli::witness
