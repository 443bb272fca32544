// MQTT 3.1.1 at QoS 2, to subscribers whose sessions the server keeps while they are away. It answers from memory and
// writes its state now and then, so an acknowledgement says nothing of the disk. No audit row.
#include <stdexcept>

#include "bench/peers/peer.hpp"

namespace pli::bench {
namespace {

constexpr const char* topic = "messages/all";
constexpr std::uint64_t packet_ids = 65535;  ///< 1 to that
constexpr int sessions_max = 10;
enum Packet : std::uint8_t {
  connect = 1,
  connected,
  publish_,
  published,
  received,
  release,
  completed,
  subscribe,
  subscribed,
  disconnect = 14
};

class Mosquitto final : public Peer {
 public:
  using Peer::Peer;

  void introduce(const std::string& name) override {
    line().start_tls();
    name_ = name;
  }

  void clear() override {
    for (int i = 0; i < sessions_max; ++i) {
      Mosquitto old(setup());
      old.line().start_tls();
      old.start_session(session(i), true);
      old.leave();
      if (i >= setup().fan_out) continue;
      Mosquitto kept(setup());
      kept.line().start_tls();
      kept.start_session(session(i), false);
      kept.subscribe_to_all();
      kept.leave();
    }
  }

  void become_sender() override { start_session(name_, true); }
  void become_receiver(int number) override { start_session(session(number), false); }

  void publish(std::uint64_t sequence, std::string_view body) override {
    std::string start;
    put_text(start, topic);
    put16(start, sequence % packet_ids + 1);
    head(publish_, 4, start.size() + body.size());  // QoS 2
    line().out += start;
    line().out += body;
    newest_ = sequence;
  }

  void understand(Told& told) override {
    for (;;) {
      const std::string_view all = line().received();
      std::size_t at = 1;
      std::size_t size = 0;
      if (!read_size(all, at, size) || all.size() < at + size) return;
      const std::string_view body = all.substr(at, size);
      const unsigned kind = static_cast<unsigned char>(all[0]) >> 4;
      if (kind == received) {
        answer(release, 2, get16(body, 0));
      } else if (kind == completed) {
        told.confirmed(sequence_of(get16(body, 0)));
      } else if (kind == publish_) {
        const std::size_t name = 2 + get16(body, 0);
        told.delivered(body.substr(name + 2));
        answer(received, 0, get16(body, name));
      } else if (kind == release) {
        answer(completed, 0, get16(body, 0));
        told.acknowledged(1);
      }
      line().take(at + size);
    }
  }

 private:
  static std::string session(int number) { return "receiver" + std::to_string(number); }
  static void put_text(std::string& out, std::string_view text) {
    put16(out, text.size());
    out += text;
  }

  void head(Packet kind, unsigned flags, std::size_t size) {
    put8(line().out, static_cast<unsigned>(kind) << 4 | flags);
    do {
      put8(line().out, (size & 127) | (size > 127 ? 128 : 0));
      size >>= 7;
    } while (size > 0);
  }
  void answer(Packet kind, unsigned flags, std::uint16_t id) {
    head(kind, flags, 2);
    put16(line().out, id);
  }
  /// False while the length is not all there.
  static bool read_size(std::string_view all, std::size_t& at, std::size_t& size) {
    for (unsigned shift = 0; at < all.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(all[at++]);
      size |= static_cast<std::size_t>(byte & 127) << shift;
      if (byte < 128) return true;
    }
    return false;
  }

  void start_session(const std::string& name, bool clean) {
    std::string body;
    put_text(body, "MQTT");
    put8(body, 4);
    put8(body, clean ? 2 : 0);
    put16(body, 0);  // no keep-alive
    put_text(body, name);
    head(connect, 0, body.size());
    line().out += body;
    line().send_all();
    const std::string_view answer = line().wait(4);
    if (static_cast<unsigned char>(answer[0]) >> 4 != connected || answer[3] != 0)
      throw std::runtime_error("Mosquitto refuses the session");
    line().take(4);
  }
  void subscribe_to_all() {
    std::string body;
    put16(body, 1);
    put_text(body, topic);
    put8(body, 2);
    head(subscribe, 2, body.size());
    line().out += body;
    line().send_all();
    if (static_cast<unsigned char>(line().wait(5)[4]) != 2) throw std::runtime_error("Mosquitto refuses QoS 2");
    line().take(5);
  }
  void leave() {
    head(disconnect, 0, 0);
    line().send_all();
  }

  /// The newest sequence that bears that packet id.
  [[nodiscard]] std::uint64_t sequence_of(std::uint16_t id) const {
    const std::uint64_t found = newest_ - newest_ % packet_ids + id - 1;
    return found > newest_ ? found - packet_ids : found;
  }

  std::string name_;
  std::uint64_t newest_ = 0;
};

}  // namespace

std::unique_ptr<Peer> connect_mosquitto(const PeerSetup& setup) { return std::make_unique<Mosquitto>(setup); }

}  // namespace pli::bench
