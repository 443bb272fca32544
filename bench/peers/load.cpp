#include "bench/peers/load.hpp"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bench/histogram.hpp"
#include "crypto/random.hpp"
#include "crypto/statement.hpp"

namespace pli::bench {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view mark = "PLIPEER1";
constexpr std::size_t signature_at = 32;
constexpr std::size_t head_bytes = 96;  ///< mark, sender, sequence, intended time, signature of what follows
constexpr std::size_t bodies_in_pool = 64;
constexpr std::uint64_t lag_max = 2048;            ///< sent and not yet acknowledged by the slowest receiver
constexpr std::size_t unsent_bytes_max = 4 << 20;  ///< of one connection, before it waits
constexpr milliseconds ask_again_every{5};
constexpr milliseconds blocked_wait{1};
constexpr milliseconds idle_wait{50};
constexpr seconds answer_patience{60};
constexpr seconds quiet_is_all{4};

double seconds_of(clock::duration time) { return std::chrono::duration<double>(time).count(); }
clock::duration ticks_of(std::chrono::duration<double> time) {
  return std::chrono::duration_cast<clock::duration>(time);
}

double thread_cpu_seconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

/// Random bytes, so that nobody's compression helps, signed before the clock starts.
class Bodies {
 public:
  explicit Bodies(std::size_t bytes) : key_(crypto::SigningKey::generate()) {
    for (std::size_t i = 0; i < bodies_in_pool; ++i) {
      Bytes random(std::max(bytes, head_bytes + 1));
      crypto::random_bytes(random);
      std::string body(as_text(random));
      body.replace(0, mark.size(), mark);
      const auto signature = crypto::sign_statement(key_, crypto::StatementName::exchange, signed_part(body));
      std::memcpy(body.data() + signature_at, signature.data(), signature.size());
      pool_.push_back(std::move(body));
    }
  }

  std::string_view fill(std::uint32_t sender, std::uint64_t sequence, clock::time_point intended) {
    std::string& body = pool_[sequence % pool_.size()];
    const std::int64_t time = intended.time_since_epoch().count();
    std::memcpy(body.data() + 8, &sender, sizeof sender);
    std::memcpy(body.data() + 16, &sequence, sizeof sequence);
    std::memcpy(body.data() + 24, &time, sizeof time);
    return body;
  }

  [[nodiscard]] bool verify(std::string_view body) const {
    crypto::Signature signature{};
    std::memcpy(signature.data(), body.data() + signature_at, signature.size());
    return crypto::verify_statement(key_.public_key(), crypto::StatementName::exchange, signed_part(body), signature)
        .has_value();
  }

 private:
  static ByteView signed_part(std::string_view body) { return as_bytes(body.substr(head_bytes)); }
  crypto::SigningKey key_;
  std::vector<std::string> pool_;
};

struct Head {
  std::uint32_t sender = 0;
  std::uint64_t sequence = 0;
};
Head head_of(std::string_view body) {
  if (body.size() < head_bytes || body.substr(0, mark.size()) != mark)
    throw std::runtime_error("the peer delivered what was not sent");
  Head head;
  std::memcpy(&head.sender, body.data() + 8, sizeof head.sender);
  std::memcpy(&head.sequence, body.data() + 16, sizeof head.sequence);
  return head;
}

/// What the two threads tell each other.
struct Course {
  clock::time_point begin = clock::time_point::max();
  clock::time_point end = clock::time_point::max();
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> acknowledged{0};  ///< by the slowest receiver
  std::atomic<bool> stop{false};
};

class Sender final : public Told {
 public:
  Sender(std::unique_ptr<Peer> peer, std::uint32_t number, const Course& course)
      : peer_(std::move(peer)), number_(number), course_(course) {}

  void publish(Bodies& bodies, clock::time_point intended) {
    intended_.push_back(intended);
    waiting_.push_back(true);
    peer_->publish(intended_.size(), bodies.fill(number_, intended_.size(), intended));
    ++in_flight_;
  }

  void confirmed(std::uint64_t sequence) override {
    const std::size_t place = static_cast<std::size_t>(sequence) - 1;
    if (place >= waiting_.size() || !waiting_[place]) return;  // a confirm that covers earlier ones repeats them
    waiting_[place] = false;
    --in_flight_;
    ++confirmed_;
    const auto now = clock::now();
    if (now < course_.begin || now >= course_.end) return;
    ++confirmed_in_window_;
    latencies_.add(now - intended_[place]);
  }
  void refused(std::uint64_t, std::string_view why) override {
    throw std::runtime_error("the peer refused a message: " + std::string(why.substr(0, 200)));
  }
  void delivered(std::string_view) override { throw std::runtime_error("a sender received a message"); }
  void acknowledged(std::uint64_t) override {}

  [[nodiscard]] Peer& peer() { return *peer_; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] std::uint64_t confirmed_count() const { return confirmed_; }
  [[nodiscard]] std::uint64_t confirmed_in_window() const { return confirmed_in_window_; }
  [[nodiscard]] const Histogram& latencies() const { return latencies_; }
  [[nodiscard]] bool is_confirmed(std::uint64_t sequence) const {
    return sequence >= 1 && sequence <= waiting_.size() && !waiting_[static_cast<std::size_t>(sequence) - 1];
  }

 private:
  std::unique_ptr<Peer> peer_;
  std::uint32_t number_;
  const Course& course_;
  std::vector<clock::time_point> intended_;
  std::vector<bool> waiting_;
  std::size_t in_flight_ = 0;
  std::uint64_t confirmed_ = 0;
  std::uint64_t confirmed_in_window_ = 0;
  Histogram latencies_;
};

class Receiver final : public Told {
 public:
  Receiver(std::unique_ptr<Peer> peer, const Bodies* verifier) : peer_(std::move(peer)), verifier_(verifier) {}

  void confirmed(std::uint64_t) override {}
  void refused(std::uint64_t, std::string_view) override {}
  void delivered(std::string_view body) override {
    const Head head = head_of(body);
    if (verifier_ != nullptr && !verifier_->verify(body)) throw std::runtime_error("a signature does not verify");
    if (seen) seen(head);
  }
  void acknowledged(std::uint64_t count) override { acknowledged_ += count; }

  [[nodiscard]] Peer& peer() { return *peer_; }
  [[nodiscard]] std::uint64_t acknowledged_count() const { return acknowledged_; }
  std::function<void(const Head&)> seen;

 private:
  std::unique_ptr<Peer> peer_;
  const Bodies* verifier_;
  std::uint64_t acknowledged_ = 0;
};

/// The connections of one thread.
class Connections {
 public:
  Connections() : poll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  ~Connections() { ::close(poll_); }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  void add(Peer& peer, Told& told) {
    members_.push_back({&peer, &told, true, false});
    peer.line().stop_blocking();
    control(EPOLL_CTL_ADD, members_.back());
    peer.understand(told);  // what came with the last answer of the introduction
  }

  /// Sends what is there, waits for something until `until` at most, and reads it.
  void turn(clock::time_point until) {
    for (Member& each : members_) flush(each);
    const auto left = std::max<clock::duration>(until - clock::now(), clock::duration::zero());
    const timespec timeout{std::chrono::duration_cast<seconds>(left).count(), (left % seconds(1)).count()};
    std::vector<epoll_event> events(members_.size());
    const int ready = ::epoll_pwait2(poll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    for (int i = 0; i < ready; ++i) {
      Member& member = *static_cast<Member*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (member.alive && (events[static_cast<std::size_t>(i)].events & ~static_cast<unsigned>(EPOLLOUT)) != 0) {
        const bool open = member.peer->line().read_some();
        member.peer->understand(*member.told);
        if (!open) lose(member);
      }
    }
  }

  [[nodiscard]] std::size_t lost() const { return lost_; }
  [[nodiscard]] bool is_alive(const Peer& peer) const {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const Member& each) { return each.peer == &peer && each.alive; });
  }

 private:
  struct Member {
    Peer* peer;
    Told* told;
    bool alive;
    bool wants_to_send;
  };

  void control(int what, Member& member) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (member.wants_to_send) event.events |= EPOLLOUT;
    event.data.ptr = &member;
    ::epoll_ctl(poll_, what, member.peer->line().descriptor(), &event);
  }
  void flush(Member& member) {
    if (!member.alive || (member.peer->line().out.empty() && !member.wants_to_send)) return;
    if (!member.peer->line().send_some()) return lose(member);
    if (const bool more = !member.peer->line().out.empty(); more != member.wants_to_send) {
      member.wants_to_send = more;
      control(EPOLL_CTL_MOD, member);
    }
  }
  void lose(Member& member) {
    member.alive = false;
    ++lost_;
    ::epoll_ctl(poll_, EPOLL_CTL_DEL, member.peer->line().descriptor(), nullptr);
  }

  int poll_;
  std::deque<Member> members_;  // their addresses stay
  std::size_t lost_ = 0;
};

std::unique_ptr<Peer> sign_in(const LoadOptions& options, const std::string& name) {
  auto peer = connect_peer(options.peer,
                           {options.port, std::max(static_cast<int>(options.receivers), 1), options.receivers > 0});
  if (!peer) throw std::runtime_error("no such peer: " + options.peer);
  peer->introduce(name);
  return peer;
}

std::vector<std::unique_ptr<Sender>> make_senders(const LoadOptions& options, const Course& course) {
  std::vector<std::unique_ptr<Sender>> senders;
  for (std::uint32_t i = 0; i < options.senders; ++i) {
    auto peer = sign_in(options, "sender" + std::to_string(i));
    peer->become_sender();
    senders.push_back(std::make_unique<Sender>(std::move(peer), i, course));
  }
  return senders;
}

std::unique_ptr<Receiver> make_receiver(const LoadOptions& options, int number, const Bodies* verifier) {
  auto peer = sign_in(options, "receiver" + std::to_string(number));
  peer->become_receiver(number);
  return std::make_unique<Receiver>(std::move(peer), verifier);
}

/// A server that signs in may still be looking for its queues.
std::unique_ptr<Receiver> make_receiver_after_crash(const LoadOptions& options) {
  for (const auto end = clock::now() + answer_patience;;) {
    try {
      return make_receiver(options, 0, nullptr);
    } catch (const std::runtime_error&) {
      if (clock::now() > end) throw;
      std::this_thread::sleep_for(blocked_wait);
    }
  }
}

/// Keeps each sender's requests in flight, or sends when due.
class SendersLoop {
 public:
  SendersLoop(const LoadOptions& options, Course& course, Bodies& bodies)
      : options_(options), course_(course), bodies_(bodies), senders_(make_senders(options, course)) {
    for (auto& sender : senders_) connections_.add(sender->peer(), *sender);
  }

  /// The clock starts; before the receivers' thread does, which reads it too.
  void start() {
    start_ = clock::now();
    due_ = start_;
    const bool by_count = options_.count > 0;
    course_.begin = by_count ? start_ : start_ + ticks_of(options_.warm_up);
    course_.end = by_count ? start_ + answer_patience : course_.begin + ticks_of(options_.window);
  }

  void run(const std::function<void()>& begins) {
    const bool by_count = options_.count > 0;
    bool has_begun = false;
    for (;;) {
      const auto now = clock::now();
      if (!has_begun && now >= course_.begin) {
        has_begun = true;
        cpu_before_ = thread_cpu_seconds();
        begins();
      }
      if (now >= course_.end || course_.stop) break;
      if (by_count && confirmed() >= options_.count) break;
      if (connections_.lost() > 0) throw std::runtime_error("the peer closed a sender's connection");
      connections_.turn(send_more(now));
    }
    if (by_count && confirmed() < options_.count && !course_.stop) throw std::runtime_error("not confirmed in time");
    cpu_ = thread_cpu_seconds() - cpu_before_;
    seconds_ = seconds_of(std::min(clock::now(), course_.end) - course_.begin);
    if (options_.receivers > 0) wait_for_receivers();
  }

  /// Until every connection is gone.
  void run_to_the_death() {
    const auto end = clock::now() + answer_patience;
    while (connections_.lost() < senders_.size()) {
      if (clock::now() > end) throw std::runtime_error("nobody killed the peer");
      connections_.turn(send_more(clock::now()));
    }
  }

  [[nodiscard]] std::uint64_t confirmed() const {
    std::uint64_t total = 0;
    for (const auto& sender : senders_) total += sender->confirmed_count();
    return total;
  }
  [[nodiscard]] bool is_confirmed(const Head& head) const {
    return head.sender < senders_.size() && senders_[head.sender]->is_confirmed(head.sequence);
  }

  [[nodiscard]] nlohmann::json figures() const {
    Histogram latencies;
    std::uint64_t in_window = 0;
    for (const auto& sender : senders_) {
      latencies.add(sender->latencies());
      in_window += sender->confirmed_in_window();
    }
    nlohmann::json out = {{"confirmed", in_window},
                          {"seconds", seconds_},
                          {"per_second", static_cast<double>(in_window) / seconds_},
                          {"latency_us", latencies.steps()},
                          {"sender_cpu_s", cpu_}};
    if (options_.receivers > 0) out["completed_per_second"] = static_cast<double>(course_.sent) / completed_seconds_;
    return out;
  }

 private:
  /// From the first message sent to the last acknowledged by everybody: some brokers deliver in bursts of seconds.
  void wait_for_receivers() {
    const auto end = clock::now() + answer_patience;
    while (course_.acknowledged < course_.sent && !course_.stop) {
      if (clock::now() > end) throw std::runtime_error("not acknowledged in time");
      connections_.turn(clock::now() + blocked_wait);
    }
    completed_seconds_ = seconds_of(clock::now() - start_);
  }

  /// When there may next be something to send.
  clock::time_point send_more(clock::time_point now) {
    if (options_.rate > 0) {
      for (; due_ <= now; due_ += ticks_of(std::chrono::duration<double>(1 / options_.rate))) {
        senders_.front()->publish(bodies_, due_);
        ++course_.sent;
      }
      return due_;
    }
    bool is_held_back = false;
    for (auto& sender : senders_) {
      if (!connections_.is_alive(sender->peer())) continue;
      while (sender->in_flight() < options_.in_flight && sender->peer().line().out.size() < unsent_bytes_max) {
        if (options_.count > 0 && course_.sent >= options_.count) break;
        if (options_.receivers > 0 && course_.sent - course_.acknowledged >= lag_max) {
          is_held_back = true;
          break;
        }
        sender->publish(bodies_, clock::now());
        ++course_.sent;
      }
    }
    return now + (is_held_back ? blocked_wait : idle_wait);
  }

  const LoadOptions& options_;
  Course& course_;
  Bodies& bodies_;
  std::vector<std::unique_ptr<Sender>> senders_;
  Connections connections_;
  clock::time_point start_{};
  clock::time_point due_{};
  double cpu_before_ = 0;
  double cpu_ = 0;
  double seconds_ = 0;
  double completed_seconds_ = 0;
};

class ReceiversLoop {
 public:
  ReceiversLoop(const LoadOptions& options, Course& course, const Bodies& bodies) : course_(course) {
    for (int i = 0; i < static_cast<int>(options.receivers); ++i)
      receivers_.push_back(make_receiver(options, i, options.verify && i == 0 ? &bodies : nullptr));
    for (auto& receiver : receivers_) connections_.add(receiver->peer(), *receiver);
  }

  void run() {
    bool has_begun = false;
    for (auto asked = clock::now(); !course_.stop;) {
      const auto now = clock::now();
      if (!has_begun && now >= course_.begin) {
        has_begun = true;
        cpu_before_ = thread_cpu_seconds();
      }
      if (now < course_.end) cpu_ = thread_cpu_seconds() - cpu_before_;
      if (connections_.lost() > 0) throw std::runtime_error("the peer closed a receiver's connection");
      if (now - asked >= ask_again_every) {
        for (auto& receiver : receivers_) receiver->peer().ask_again();
        asked = now;
      }
      connections_.turn(now + ask_again_every);
      std::uint64_t slowest = receivers_.front()->acknowledged_count();
      for (const auto& receiver : receivers_) slowest = std::min(slowest, receiver->acknowledged_count());
      course_.acknowledged = slowest;
    }
  }

  [[nodiscard]] double cpu_seconds() const { return cpu_; }

 private:
  Course& course_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  Connections connections_;
  double cpu_before_ = 0;
  double cpu_ = 0;
};

}  // namespace

std::unique_ptr<Peer> connect_peer(std::string_view name, const PeerSetup& setup) {
  if (name == "rabbitmq") return connect_rabbitmq(setup);
  if (name == "redis") return connect_redis(setup);
  if (name == "postgresql") return connect_postgresql(setup);
  if (name == "nats") return connect_nats(setup);
  if (name == "mosquitto") return connect_mosquitto(setup);
  return nullptr;
}

void run_load(const LoadOptions& options, const std::function<void()>& begins,
              const std::function<void(const nlohmann::json&)>& ends) {
  sign_in(options, "clerk")->clear();
  Course course;
  Bodies bodies(options.bytes);
  std::unique_ptr<ReceiversLoop> receivers;
  if (options.receivers > 0) receivers = std::make_unique<ReceiversLoop>(options, course, bodies);
  SendersLoop senders(options, course, bodies);
  std::exception_ptr problem;
  std::thread receiving;
  senders.start();
  if (receivers)
    receiving = std::thread([&] {
      try {
        receivers->run();
      } catch (...) {
        problem = std::current_exception();
        course.stop = true;
      }
    });
  std::exception_ptr other;
  try {
    senders.run(begins);
  } catch (...) {
    other = std::current_exception();
  }
  course.stop = true;
  if (receiving.joinable()) receiving.join();
  if (problem) std::rethrow_exception(problem);
  if (other) std::rethrow_exception(other);
  nlohmann::json out = senders.figures();
  if (receivers) out["receiver_cpu_s"] = receivers->cpu_seconds();
  ends(out);
}

nlohmann::json run_crash_trial(const LoadOptions& options, const std::function<void(std::uint64_t)>& dead) {
  sign_in(options, "clerk")->clear();
  Course course;
  Bodies bodies(options.bytes);
  SendersLoop senders(options, course, bodies);
  senders.run_to_the_death();
  const std::uint64_t confirmed = senders.confirmed();
  dead(confirmed);

  std::vector<std::vector<bool>> seen(options.senders);
  std::uint64_t found = 0;
  std::uint64_t unconfirmed = 0;
  std::uint64_t twice = 0;
  auto last = clock::now();
  auto receiver = make_receiver_after_crash(options);
  receiver->seen = [&](const Head& head) {
    last = clock::now();
    if (head.sender >= seen.size()) throw std::runtime_error("the peer delivered what was not sent");
    std::vector<bool>& of_sender = seen[head.sender];
    if (of_sender.size() <= head.sequence) of_sender.resize(static_cast<std::size_t>(head.sequence) * 2);
    if (of_sender[static_cast<std::size_t>(head.sequence)]) {
      ++twice;
      return;
    }
    of_sender[static_cast<std::size_t>(head.sequence)] = true;
    ++(senders.is_confirmed(head) ? found : unconfirmed);
  };
  Connections connections;
  connections.add(receiver->peer(), *receiver);
  while (found < confirmed && clock::now() - last < quiet_is_all && connections.lost() == 0) {
    receiver->peer().ask_again();
    connections.turn(clock::now() + ask_again_every);
  }
  return {{"confirmed", confirmed}, {"lost", confirmed - found}, {"stored_unconfirmed", unconfirmed}, {"twice", twice}};
}

bool wait_ready(const std::string& peer, int port, std::chrono::duration<double> patience) {
  LoadOptions options;
  options.peer = peer;
  options.port = port;
  for (const auto end = clock::now() + ticks_of(patience); clock::now() < end;) {
    try {
      auto ready = sign_in(options, "clerk");
      if (peer == "mosquitto") ready->become_sender();  // MQTT signs in with a session's name
      return true;
    } catch (const std::runtime_error&) {
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  return false;
}

}  // namespace pli::bench
