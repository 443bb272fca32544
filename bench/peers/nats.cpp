// NATS with JetStream: one stream on file, publish with acknowledgement, one durable push consumer for each receiver,
// explicit acknowledgements. It answers once it has written, without waiting for the disk: 2.9 has no setting for that.
// A receiver's acknowledgement is not answered. No audit row.
#include <unistd.h>

#include <charconv>
#include <stdexcept>
#include <vector>

#include "bench/peers/peer.hpp"

namespace pli::bench {
namespace {

constexpr int acknowledgements_pending_max = 256;

std::size_t size_in(std::string_view digits) {
  std::size_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

class Nats final : public Peer {
 public:
  using Peer::Peer;

  void introduce(const std::string& name) override {
    (void)line().wait_line();  // INFO, in clear
    line().start_tls();
    inbox_ = "answer." + std::to_string(::getpid()) + "." + name;
    line().out += R"(CONNECT {"verbose":false,"pedantic":false,"lang":"c","version":"1","protocol":1,"headers":true,)"
                  R"("no_responders":true,"tls_required":true})"
                  "\r\n";
    wait_pong();
    ask("$JS.API.INFO", "");
  }

  void clear() override {
    (void)request("$JS.API.STREAM.DELETE.MESSAGES", "");  // there may be none
    ask("$JS.API.STREAM.CREATE.MESSAGES",
        std::string(R"({"name":"MESSAGES","subjects":["messages.>"],"storage":"file","num_replicas":1,"max_msgs":-1,)"
                    R"("max_bytes":-1,"max_age":0,"max_consumers":-1,"discard":"old","retention":")") +
            (setup().is_consumed ? "interest" : "limits") + "\"}");
    if (setup().is_consumed)
      for (int i = 0; i < setup().fan_out; ++i) make_consumer(i);
  }

  void become_sender() override {
    line().out += "SUB " + inbox_ + ".* 1\r\n";
    wait_pong();
  }

  void become_receiver(int number) override {
    is_receiver_ = true;
    line().out += "SUB to." + consumer(number) + " 1\r\n";
    wait_pong();
    if (!setup().is_consumed) make_consumer(number);
  }

  void publish(std::uint64_t sequence, std::string_view body) override {
    std::string& out = line().out;
    out += "PUB messages.all " + inbox_ + "." + std::to_string(sequence) + " " + std::to_string(body.size()) + "\r\n";
    out += body;
    out += "\r\n";
  }

  void understand(Told& told) override {
    for (;;) {
      const std::string_view all = line().received();
      const std::size_t end = all.find('\n');
      if (end == std::string_view::npos) return;
      const std::string_view head = all.substr(0, end > 0 ? end - 1 : 0);
      if (head.rfind("MSG", 0) != 0 && head.rfind("HMSG", 0) != 0) {
        if (head.rfind("PING", 0) == 0) line().out += "PONG\r\n";
        if (head.rfind("-ERR", 0) == 0) throw std::runtime_error("NATS: " + std::string(head));
        line().take(end + 1);
        continue;
      }
      const std::vector<std::string_view> words = words_of(head);
      const std::size_t size = size_in(words.back());
      if (all.size() < end + 1 + size + 2) return;
      const std::string_view body = all.substr(end + 1, size);
      if (is_receiver_) {
        told.delivered(body);
        line().out += "PUB " + std::string(words[3]) + " 0\r\n\r\n";
        told.acknowledged(1);
      } else {
        const std::uint64_t sequence = size_in(words[1].substr(words[1].rfind('.') + 1));
        if (is_error(head, body))
          told.refused(sequence, body);
        else
          told.confirmed(sequence);
      }
      line().take(end + 1 + size + 2);
    }
  }

 private:
  static std::string consumer(int number) { return "r" + std::to_string(number); }
  /// A message with headers in the place of an answer says that nobody answers.
  static bool is_error(std::string_view head, std::string_view body) {
    return head[0] == 'H' || body.find("\"error\"") != std::string_view::npos;
  }

  void wait_pong() {
    line().out += "PING\r\n";
    line().send_all();
    for (std::string answer; answer != "PONG"; answer = line().wait_line())
      if (answer.rfind("-ERR", 0) == 0) throw std::runtime_error("NATS: " + answer);
  }
  /// Whether it was done, and what was said.
  std::pair<bool, std::string> request(const std::string& subject, const std::string& body) {
    const std::string number = std::to_string(1000 + ++requests_);
    line().out += "SUB " + inbox_ + ".r" + number + " " + number + "\r\nPUB " + subject + " " + inbox_ + ".r" + number +
                  " " + std::to_string(body.size()) + "\r\n" + body + "\r\nUNSUB " + number + " 1\r\n";
    line().send_all();
    for (;;) {
      const std::string head = line().wait_line();
      if (head == "PING") {
        line().out += "PONG\r\n";
        line().send_all();
      }
      if (head.rfind("-ERR", 0) == 0) throw std::runtime_error("NATS: " + head);
      if (head.rfind("MSG", 0) != 0 && head.rfind("HMSG", 0) != 0) continue;
      const std::size_t size = size_in(words_of(head).back());
      const std::string answer(line().wait(size + 2).substr(0, size));
      line().take(size + 2);
      return {!is_error(head, answer), answer};
    }
  }
  void ask(const std::string& subject, const std::string& body) {
    if (auto [done, answer] = request(subject, body); !done) throw std::runtime_error("NATS: " + answer);
  }
  void make_consumer(int number) {
    const std::string name = consumer(number);
    ask("$JS.API.CONSUMER.DURABLE.CREATE.MESSAGES." + name,
        R"({"stream_name":"MESSAGES","config":{"durable_name":")" + name + R"(","deliver_subject":"to.)" + name +
            R"(","deliver_policy":"all","ack_policy":"explicit","ack_wait":60000000000,"max_ack_pending":)" +
            std::to_string(acknowledgements_pending_max) + R"(,"replay_policy":"instant"}})");
  }

  std::string inbox_;
  int requests_ = 0;
  bool is_receiver_ = false;
};

}  // namespace

std::unique_ptr<Peer> connect_nats(const PeerSetup& setup) { return std::make_unique<Nats>(setup); }

}  // namespace pli::bench
