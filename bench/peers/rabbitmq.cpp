// AMQP 0-9-1: quorum queues, persistent messages, publisher confirms; fan-out by an exchange to as many queues. Each
// delivery is acknowledged on its own. No audit row: the protocol has nothing that would write one in the same act.
#include <algorithm>
#include <stdexcept>
#include <vector>

#include "bench/peers/peer.hpp"

namespace pli::bench {
namespace {

constexpr std::size_t frame_head = 7;
constexpr char frame_end = '\xCE';
constexpr std::uint32_t frame_bytes_wanted = 131072;
constexpr std::uint16_t prefetch = 256;
enum Frame : std::uint8_t { method = 1, header = 2, body = 3 };

/// Class and method numbers of the specification.
struct Method {
  std::uint16_t group;
  std::uint16_t number;
  bool operator==(const Method&) const = default;
};
constexpr Method start{10, 10}, start_ok{10, 11}, tune{10, 30}, tune_ok{10, 31}, open{10, 40}, open_ok{10, 41};
constexpr Method connection_close{10, 50}, channel_open{20, 10}, channel_open_ok{20, 11}, channel_close{20, 40};
constexpr Method exchange_declare{40, 10}, exchange_declare_ok{40, 11};
constexpr Method queue_declare{50, 10}, queue_declare_ok{50, 11}, queue_bind{50, 20}, queue_bind_ok{50, 21};
constexpr Method queue_delete{50, 40}, queue_delete_ok{50, 41};
constexpr Method qos{60, 10}, qos_ok{60, 11}, consume{60, 20}, consume_ok{60, 21}, publish_{60, 40}, deliver{60, 60};
constexpr Method acknowledge{60, 80}, negative{60, 120}, confirm_select{85, 10}, confirm_select_ok{85, 11};

class RabbitMq final : public Peer {
 public:
  using Peer::Peer;

  void introduce(const std::string&) override {
    line().start_tls();
    line().out.append("AMQP\0\0\x09\x01", 8);
    wait_for(start);
    std::string arguments;
    put32(arguments, 0);  // no client properties
    put_short(arguments, "PLAIN");
    put32(arguments, 12);
    arguments.append("\0guest\0guest", 12);
    put_short(arguments, "en_US");
    send(0, start_ok, arguments);
    const std::string offer = wait_for(tune);
    if (const std::uint32_t most = get32(offer, 2); most != 0) frame_bytes_ = std::min(frame_bytes_, most);
    arguments.clear();
    put16(arguments, 1);
    put32(arguments, frame_bytes_);
    put16(arguments, 0);  // no heartbeat
    send(0, tune_ok, arguments);
    send(0, open, std::string("\x01/\0\0", 4));
    wait_for(open_ok);
    send(1, channel_open, std::string(1, '\0'));
    wait_for(channel_open_ok);
  }

  void clear() override {
    for (int i = 0; i < queues_max; ++i) call(queue_delete, short_words({queue(i)}, 2) + '\0', queue_delete_ok);
    std::string arguments = short_words({"everyone", "fanout"}, 2);
    put8(arguments, 2);   // durable
    put32(arguments, 0);  // no arguments
    call(exchange_declare, arguments, exchange_declare_ok);
    for (int i = 0; i < setup().fan_out; ++i) {
      std::string kind;
      put_short(kind, "x-queue-type");
      kind.push_back('S');
      put32(kind, 6);
      kind += "quorum";
      arguments = short_words({queue(i)}, 2);
      put8(arguments, 2);
      put32(arguments, kind.size());
      call(queue_declare, arguments + kind, queue_declare_ok);
      arguments = short_words({queue(i), "everyone", ""}, 2);
      put8(arguments, 0);
      put32(arguments, 0);
      call(queue_bind, arguments, queue_bind_ok);
    }
  }

  void become_sender() override { call(confirm_select, std::string(1, '\0'), confirm_select_ok); }

  void become_receiver(int number) override {
    std::string arguments;
    put32(arguments, 0);
    put16(arguments, prefetch);
    put8(arguments, 0);
    call(qos, arguments, qos_ok);
    arguments = short_words({queue(number), ""}, 2);
    put8(arguments, 0);
    put32(arguments, 0);
    call(consume, arguments, consume_ok);
  }

  void publish(std::uint64_t, std::string_view bytes) override {
    static const std::string to_everyone = short_words({"everyone", ""}, 2) + '\0';
    send(1, publish_, to_everyone);
    const std::size_t at = begin(header, 1);
    put16(line().out, publish_.group);
    put16(line().out, 0);
    put64(line().out, bytes.size());
    put16(line().out, 0x1000);  // one property: the delivery mode
    put8(line().out, 2);        // persistent
    end(at);
    for (std::size_t from = 0; from < bytes.size(); from += frame_bytes_ - frame_head - 1) {
      const std::size_t part = begin(body, 1);
      line().out += bytes.substr(from, frame_bytes_ - frame_head - 1);
      end(part);
    }
  }

  void understand(Told& told) override {
    for (std::string_view frame = whole_frame(); !frame.empty(); frame = whole_frame()) {
      const std::string_view payload = frame.substr(frame_head, frame.size() - frame_head - 1);
      if (frame[0] == method)
        understand_method({get16(payload, 0), get16(payload, 2)}, payload.substr(4), told);
      else if (frame[0] == header)
        expected_ = get64(payload, 4);
      else if (frame[0] == body)
        arriving_ += payload;
      if (frame[0] != method && arriving_.size() >= expected_) {
        told.delivered(arriving_);
        arriving_.clear();
        std::string arguments;
        put64(arguments, tag_);
        put8(arguments, 0);
        send(1, acknowledge, arguments);
        told.acknowledged(1);
      }
      line().take(frame.size());
    }
  }

 private:
  static constexpr int queues_max = 10;

  static std::string queue(int number) { return "q" + std::to_string(number); }
  static void put_short(std::string& out, std::string_view word) {
    put8(out, word.size());
    out += word;
  }
  /// Short strings after `reserved` bytes of zeros, as most methods begin.
  static std::string short_words(const std::vector<std::string>& words, std::size_t reserved) {
    std::string out(reserved, '\0');
    for (const std::string& word : words) put_short(out, word);
    return out;
  }

  std::size_t begin(Frame kind, std::uint16_t channel) {
    put8(line().out, kind);
    put16(line().out, channel);
    put32(line().out, 0);
    return line().out.size();
  }
  void end(std::size_t at) {
    std::string size;
    put32(size, line().out.size() - at);
    line().out.replace(at - size.size(), size.size(), size);
    line().out.push_back(frame_end);
  }
  void send(std::uint16_t channel, Method what, std::string_view arguments) {
    const std::size_t at = begin(method, channel);
    put16(line().out, what.group);
    put16(line().out, what.number);
    line().out += arguments;
    end(at);
  }
  void call(Method what, std::string_view arguments, Method answer) {
    send(1, what, arguments);
    wait_for(answer);
  }

  /// Empty while the next frame is not all there.
  std::string_view whole_frame() {
    const std::string_view all = line().received();
    if (all.size() < frame_head) return {};
    const std::size_t size = frame_head + get32(all, 3) + 1;
    return all.size() < size ? std::string_view() : all.substr(0, size);
  }

  /// Blocking; the arguments of that method.
  std::string wait_for(Method wanted) {
    line().send_all();
    for (;;) {
      const std::size_t size = frame_head + get32(line().wait(frame_head), 3) + 1;
      const std::string frame(line().wait(size).substr(0, size));
      line().take(frame.size());
      const Method got{get16(frame, frame_head), get16(frame, frame_head + 2)};
      refuse_closing(got, std::string_view(frame).substr(frame_head + 4));
      if (got == wanted) return frame.substr(frame_head + 4);
    }
  }
  static void refuse_closing(Method got, std::string_view arguments) {
    if (got == connection_close || got == channel_close)
      throw std::runtime_error("RabbitMQ closed: " + std::string(arguments.substr(3, get16(arguments, 2) >> 8)));
  }

  void understand_method(Method what, std::string_view arguments, Told& told) {
    refuse_closing(what, arguments);
    if (what == deliver) {
      tag_ = get64(arguments, 1 + static_cast<unsigned char>(arguments[0]));
    } else if (what == acknowledge || what == negative) {
      const std::uint64_t tag = get64(arguments, 0);
      const bool with_all_before = (arguments[8] & 1) != 0;
      for (std::uint64_t each = with_all_before ? confirmed_to_ + 1 : tag; each <= tag; ++each) {
        if (what == acknowledge)
          told.confirmed(each);
        else
          told.refused(each, "nack");
      }
      if (with_all_before) confirmed_to_ = tag;
    }
  }

  std::uint32_t frame_bytes_ = frame_bytes_wanted;
  std::uint64_t tag_ = 0;
  std::uint64_t confirmed_to_ = 0;  ///< by a confirm that covered all before it
  std::uint64_t expected_ = 0;
  std::string arriving_;
};

}  // namespace

std::unique_ptr<Peer> connect_rabbitmq(const PeerSetup& setup) { return std::make_unique<RabbitMq>(setup); }

}  // namespace pli::bench
