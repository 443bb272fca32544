// RESP: one stream, a group for each receiver. Message and audit row are added in one MULTI, so they reach the
// append-only file together. A batch read is acknowledged by one XACK.
#include <charconv>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/peers/peer.hpp"

namespace pli::bench {
namespace {

constexpr std::size_t replies_per_publish = 4;  ///< MULTI, twice QUEUED, EXEC
constexpr const char* batch = "64";
constexpr const char* block_ms = "1000";

long number_after(std::string_view text, std::size_t at) {
  long value = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), value);
  return value;
}

/// Bytes of the reply that starts at `at`; 0 while it is not all there.
std::size_t reply_size(std::string_view all, std::size_t at) {
  const std::size_t line_end = all.find('\n', at);
  if (line_end == std::string_view::npos) return 0;
  std::size_t size = line_end + 1 - at;
  const long count = number_after(all, at + 1);
  if (all[at] == '$' && count >= 0) size += static_cast<std::size_t>(count) + 2;
  if (all[at] == '*')
    for (long i = 0; i < count; ++i) {
      const std::size_t inner = reply_size(all, at + size);
      if (inner == 0) return 0;
      size += inner;
    }
  return at + size <= all.size() ? size : 0;
}

class Redis final : public Peer {
 public:
  using Peer::Peer;

  void introduce(const std::string&) override {
    line().start_tls();
    command({"PING"});
    // While it loads its file it answers every command with an error.
    if (const std::string answer = wait_reply(); answer.rfind("+PONG", 0) != 0) throw std::runtime_error(answer);
  }

  void clear() override {
    command({"DEL", "messages", "audit"});
    expect_no_error();
    for (int i = 0; i < setup().fan_out; ++i) {
      command({"XGROUP", "CREATE", "messages", group(i), "0", "MKSTREAM"});
      expect_no_error();
    }
  }

  void become_sender() override {}

  void become_receiver(int number) override {
    group_ = group(number);
    read_more();
    line().send_all();
  }

  void publish(std::uint64_t sequence, std::string_view body) override {
    command({"MULTI"});
    command({"XADD", "messages", "*", "body", body});
    command({"XADD", "audit", "*", "actor", "sender", "action", "accepted", "message", std::to_string(sequence)});
    command({"EXEC"});
  }

  void understand(Told& told) override {
    for (;;) {
      const std::string_view all = line().received();
      const std::size_t size = all.empty() ? 0 : reply_size(all, 0);
      if (size == 0) return;
      if (group_.empty())
        understand_confirm(all.substr(0, size), told);
      else
        understand_batch(all.substr(0, size), told);
      line().take(size);
    }
  }

 private:
  static std::string group(int number) { return "g" + std::to_string(number); }

  void command(const std::vector<std::string_view>& words) {
    std::string& out = line().out;
    out += "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string_view word : words) {
      out += "$" + std::to_string(word.size()) + "\r\n";
      out += word;
      out += "\r\n";
    }
  }
  std::string wait_reply() {
    line().send_all();
    for (std::size_t have = 1;; ++have) {
      const std::string_view all = line().wait(have);
      if (const std::size_t size = reply_size(all, 0); size != 0) {
        std::string reply(all.substr(0, size));
        line().take(size);
        return reply;
      }
      have = all.size();
    }
  }
  void expect_no_error() {
    if (const std::string reply = wait_reply(); reply[0] == '-') throw std::runtime_error(reply);
  }
  void read_more() {
    command({"XREADGROUP", "GROUP", group_, "reader", "COUNT", batch, "BLOCK", block_ms, "STREAMS", "messages", ">"});
  }

  void understand_confirm(std::string_view reply, Told& told) {
    if (reply[0] == '-') failed_ = true;
    if (++replies_ % replies_per_publish != 0) return;
    ++confirmed_;
    if (std::exchange(failed_, false))
      told.refused(confirmed_, reply);
    else
      told.confirmed(confirmed_);
  }

  /// Either the count an XACK answers, or: one stream, its name, entries of an id and one field.
  void understand_batch(std::string_view reply, Told& told) {
    if (reply[0] == ':') {
      told.acknowledged(acknowledging_.front());
      acknowledging_.pop_front();
      return;
    }
    if (reply[0] == '-') throw std::runtime_error(std::string(reply));
    std::vector<std::string_view> ids;
    std::size_t at = 0;
    auto count = [&] {
      const long value = number_after(reply, at + 1);
      at = reply.find('\n', at) + 1;
      return value;
    };
    auto text = [&] {
      const auto size = static_cast<std::size_t>(count());
      const std::string_view value = reply.substr(at, size);
      at += size + 2;
      return value;
    };
    if (count() > 0) {
      count();
      text();
      for (long entries = count(); entries > 0; --entries) {
        count();
        ids.push_back(text());
        count();
        text();
        told.delivered(text());
      }
      std::vector<std::string_view> words = {"XACK", "messages", group_};
      words.insert(words.end(), ids.begin(), ids.end());
      command(words);
      acknowledging_.push_back(ids.size());
    }
    read_more();
  }

  std::string group_;  ///< empty: a sender
  std::uint64_t replies_ = 0;
  std::uint64_t confirmed_ = 0;
  bool failed_ = false;
  std::deque<std::uint64_t> acknowledging_;
};

}  // namespace

std::unique_ptr<Peer> connect_redis(const PeerSetup& setup) { return std::make_unique<Redis>(setup); }

}  // namespace pli::bench
