// pli-bench hostile: fifty offices that send now and then, alone and then beside each kind of peer that does not
// behave. What counts is the quiet ones' time, and that the broker's memory stays bounded.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "bench/open_loop.hpp"
#include "bench/scenarios.hpp"
#include "bench/sealer.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"

namespace pli::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t quiet_offices = 50;
constexpr double quiet_per_second = 0.5;  ///< each
constexpr std::size_t ordinary_bytes = 2048;
constexpr std::size_t greedy_load = 4000;  ///< sealed once, then sent again and again
constexpr std::size_t half_open_sockets = 400;

const char* const phases[] = {"alone",     "greedy office",      "unknown keys",
                              "half-open", "garbage and giants", "followers that never read"};

/// A TCP connection that owes ZeroMQ nothing.
class PlainSocket {
 public:
  explicit PlainSocket(const std::string& endpoint) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    if (fd_ >= 0 && ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) close();
  }
  ~PlainSocket() { close(); }
  PlainSocket(PlainSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  PlainSocket& operator=(PlainSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] bool send(ByteView bytes) const {
    return fd_ >= 0 && ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
  }
  [[nodiscard]] bool ended() const {
    std::uint8_t byte = 0;
    return fd_ < 0 || ::recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
  }

 private:
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd_;
};

/// Everybody who does not behave; each acts in the phase of his number.
class Crowd {
 public:
  explicit Crowd(BenchHouse& house) : house_(house) {
    Sealer sealer(house, BenchHouse::sender(quiet_offices));
    for (std::size_t i = 0; i < greedy_load; ++i) greedy_.push_back(sealer.next(ordinary_bytes));
    start(1, [this] { be_greedy(); });
    start(2, [this] { knock_as_a_stranger(); });
    start(3, [this] { hold_half_open(); });
    start(4, [this] { send_garbage(); });
    start(4, [this] { send_giants(); });
    for (const char* who : {"ged.1", "ged.2", "ged.3"}) start(5, [this, who] { follow_without_reading(who); });
    start(5, [this] { be_greedy(); });  // something for them to leave unread
  }
  ~Crowd() {
    phase_ = -1;
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }
  void enter(int phase) { phase_ = phase; }
  [[nodiscard]] std::uint64_t done(std::size_t phase) const { return done_[phase]; }

 private:
  void start(int phase, const std::function<void()>& act) {
    threads_.emplace_back([this, phase, act] {
      while (!over_) {
        if (phase_ != phase) {
          std::this_thread::sleep_for(milliseconds(20));
          continue;
        }
        mine_ = phase;
        try {
          act();
        } catch (const std::exception&) {  // turned away: comes again
          std::this_thread::sleep_for(milliseconds(20));
        }
      }
    });
  }
  [[nodiscard]] bool still() const { return phase_ == mine_; }
  void count() { ++done_[static_cast<std::size_t>(mine_)]; }

  void be_greedy() {
    auto client = house_.connect(BenchHouse::sender(quiet_offices));
    std::uint64_t sent = 0;
    std::size_t in_flight = 0;
    while (still() || in_flight > 0) {
      while (still() && in_flight < protocol::in_flight_max) {
        client.send(protocol::Request{sent, greedy_[sent % greedy_.size()]});
        ++sent;
        ++in_flight;
      }
      if (!client.receive(seconds(10))) return;
      --in_flight;
      count();
    }
  }

  void knock_as_a_stranger() {
    // One who is let in holds the I/O thread they share: of one refused again and again nobody would read the events.
    const auto first = house_.connect(BenchHouse::sender(quiet_offices + 1));
    while (still()) {
      testing::RawClient::Options options;
      options.beside = &first;
      testing::RawClient other(house_.broker().endpoint(), house_.broker().curve(), crypto::SecretKey::random(32),
                               options);
      (void)other.handshake(seconds(1));
      count();
    }
  }

  void hold_half_open() {
    std::vector<PlainSocket> held;
    while (still()) {
      while (held.size() < half_open_sockets) {
        held.emplace_back(house_.broker().endpoint());
        count();
      }
      for (PlainSocket& socket : held)
        if (socket.ended()) {
          socket = PlainSocket(house_.broker().endpoint());
          count();
        }
      std::this_thread::sleep_for(milliseconds(10));
    }
  }

  void send_garbage() {
    Bytes bytes(4096);
    while (still()) {
      const PlainSocket socket(house_.broker().endpoint());
      crypto::random_bytes(bytes);
      if (bytes[0] % 2 == 0) {  // half the time, a ZMTP greeting that goes wrong later
        std::fill(bytes.begin(), bytes.begin() + 10, std::uint8_t{0});
        bytes[0] = 0xff;
        bytes[9] = 0x7f;
      }
      (void)socket.send(bytes);
      count();
    }
  }

  void send_giants() {
    auto client = house_.connect(BenchHouse::sender(quiet_offices + 1));
    std::vector<Bytes> many(64, Bytes(1));
    while (still()) {
      client.send_frames({Bytes(protocol::message_bytes_max + 1)});
      client.send_frames(many);
      client.send_frames({Bytes(protocol::transport_bytes_max + 1)});
      (void)client.receive(milliseconds(20));
      count();
    }
  }

  void follow_without_reading(const std::string& who) {
    testing::RawClient::Options options;
    options.receive_queue = 1;
    options.receive_buffer = 4096;
    testing::RawClient client(house_.broker().endpoint(), house_.broker().curve(),
                              house_.department().identity(who).curve_secret(), options);
    if (client.handshake(seconds(5)) != testing::RawClient::Handshake::succeeded) return;
    for (std::uint64_t request = 1; still(); ++request) {
      client.send(protocol::Request{request, protocol::Follow{{{"ged/89", {}}}, protocol::follow_credit_max}});
      client.send(protocol::Request{++request, protocol::List{"ged/89", {}, protocol::list_items_max}});
      count();
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

  BenchHouse& house_;
  std::vector<protocol::Submit> greedy_;
  std::vector<std::thread> threads_;
  std::atomic<int> phase_{-1};
  std::atomic<bool> over_{false};
  std::array<std::atomic<std::uint64_t>, std::size(phases)> done_{};
  static thread_local int mine_;
};

thread_local int Crowd::mine_ = -1;

}  // namespace

nlohmann::json measure_hostile(std::size_t seconds_each, const ScenarioOptions& options) {
  BenchHouse house({quiet_offices + 2, ordinary_bytes, true});
  std::vector<Phase> plan;
  for (const char* name : phases) plan.push_back({name, seconds(seconds_each), 1});
  OpenLoop load(house, plan, options.seed);
  std::vector<Sealer> sealers;
  for (std::size_t i = 0; i < quiet_offices; ++i) sealers.emplace_back(house, BenchHouse::sender(i));
  for (std::size_t i = 0; i < quiet_offices; ++i)
    load.add(BenchHouse::sender(i), {{"submit", quiet_per_second, [&sealers, i] {
                                        return std::optional<protocol::RequestBody>(sealers[i].next(ordinary_bytes));
                                      }}});
  Crowd crowd(house);
  std::vector<std::uint64_t> resident(std::size(phases));
  const auto reports = load.run([&](std::size_t second) {
    const std::size_t now = (second - 1) / seconds_each;
    resident[now] = std::max(resident[now], house.broker().resident_bytes());
    crowd.enter(static_cast<int>(second / seconds_each));
  });
  crowd.enter(-1);
  nlohmann::json out = nlohmann::json::array();
  const auto alone = reports[0].times.at("submit").percentile(0.99);
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const Histogram& times = reports[i].times.at("submit");
    const double ratio = static_cast<double>(times.percentile(0.99).count()) / static_cast<double>(alone.count());
    if (!options.json)
      std::printf("%-28s %5.2f x   %s\n%-28s %llu errors; broker resident at most %.0f MiB; %llu acts of theirs\n",
                  phases[i], ratio, times.to_text().c_str(), "", static_cast<unsigned long long>(reports[i].errors()),
                  static_cast<double>(resident[i]) / bytes_per_mib, static_cast<unsigned long long>(crowd.done(i)));
    out.push_back({{"phase", phases[i]},
                   {"p99_ratio", ratio},
                   {"submit", times.to_json()},
                   {"errors", reports[i].errors()},
                   {"refusals", reports[i].refusals},
                   {"resident_peak_mib", static_cast<double>(resident[i]) / bytes_per_mib},
                   {"hostile_acts", crowd.done(i)}});
  }
  return {{"seconds_each", seconds_each}, {"phases", out}};
}

}  // namespace pli::bench
