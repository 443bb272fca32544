// pli-bench: accepted/s, one in flight, opened/s, followed/s, beside this machine's limits (design §13). Starts a
// broker of its own on loopback and ends it. Everything is on: CURVE, each signature verified, fsync, leaf and tree,
// recorded openings.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/machine_limits.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/real_broker.hpp"

namespace {

using namespace pli;
using namespace pli::testing;
using clock = std::chrono::steady_clock;
using std::chrono::seconds;

double elapsed(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

double percentile(std::vector<double>& values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<std::size_t>(p * static_cast<double>(values.size())))];
}

struct Figures {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_per_10k = 0;
};

class Bench {
 public:
  Bench(std::size_t senders, std::size_t count, std::size_t bytes, bool with_tiles)
      : senders_(senders),
        count_(count),
        bytes_(bytes),
        department_([&] {
          DepartmentOptions options;
          options.now = SystemClock().now();
          options.senders = senders;
          return options;
        }()),
        broker_(department_, PLI_BROKER_PROGRAM, with_tiles) {
    broker_.start();
    idle_bytes_ = broker_.resident_bytes();
  }

  RealBroker& broker() { return broker_; }
  std::uint64_t idle_bytes() const { return idle_bytes_; }

  RawClient connect(const std::string& member) {
    RawClient::Options options;
    options.receive_queue = 100000;
    RawClient client(broker_.endpoint(), broker_.curve(), department_.identity(member).curve_secret(), options);
    if (client.handshake(seconds(10)) != RawClient::Handshake::succeeded) throw std::runtime_error("no handshake");
    return client;
  }

  /// `count` submits of one sender, sealed ahead; locked part and payload of the right size that nobody will open.
  std::vector<protocol::Submit> load(const std::string& sender, std::size_t count) {
    RawClient client = connect(sender);
    auto hello = client.ask(protocol::Hello{});
    if (!hello || !std::holds_alternative<protocol::HelloReply>(*hello)) throw std::runtime_error("no hello");
    const auto& reply = std::get<protocol::HelloReply>(*hello);
    auto session = crypto::BoxPair::generate();
    std::vector<protocol::Submit> out;
    Draft draft;
    draft.sender = sender;
    draft.content = Bytes(bytes_ > 1024 ? bytes_ - 1024 : 64, 1);  // the plaintext holds the address besides
    draft.openable = false;
    for (std::size_t i = 0; i < count; ++i)
      out.push_back(Department::wire_submit(department_.seal(draft), reply.release_epoch, reply.release_key, session));
    return out;
  }

  /// 16 × 64 by default. Ids of what was accepted are kept for the openings.
  Figures accept(std::size_t in_flight) {
    std::vector<std::vector<protocol::Submit>> loads;
    for (std::size_t i = 0; i < senders_; ++i) loads.push_back(load(sender(i), count_ / senders_));
    std::vector<std::vector<double>> times(senders_);
    std::vector<std::vector<protocol::ExchangeId>> ids(senders_);
    std::vector<RawClient> clients;
    for (std::size_t i = 0; i < senders_; ++i) clients.push_back(connect(sender(i)));
    double cpu = broker_.cpu_seconds();
    auto start = clock::now();
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < senders_; ++i)
      threads.emplace_back([&, i] { drive(clients[i], loads[i], in_flight, times[i], ids[i]); });
    for (auto& thread : threads) thread.join();
    Figures out = figures(start, times, cpu);
    for (auto& list : ids) accepted_.insert(accepted_.end(), list.begin(), list.end());
    return out;
  }

  Figures one_in_flight(std::size_t count) {
    auto submits = load(sender(0), count);
    RawClient client = connect(sender(0));
    std::vector<std::vector<double>> times(1);
    std::vector<protocol::ExchangeId> ids;
    double cpu = broker_.cpu_seconds();
    auto start = clock::now();
    drive(client, submits, 1, times[0], ids);
    return figures(start, times, cpu);
  }

  Figures open(std::size_t members, std::size_t in_flight) {
    std::vector<std::vector<double>> times(members);
    std::vector<RawClient> clients;
    std::vector<std::vector<protocol::Open>> requests(members);
    UnixMillis now = SystemClock().now();
    for (std::size_t m = 0; m < members; ++m) {
      std::string who = "ged." + std::to_string(m + 1);
      clients.push_back(connect(who));
      for (std::size_t i = m; i < accepted_.size(); i += members) {
        auto opening = department_.open(who, accepted_[i], now);
        requests[m].push_back({opening.bytes, opening.signature, {}});
      }
    }
    double cpu = broker_.cpu_seconds();
    auto start = clock::now();
    std::vector<std::thread> threads;
    for (std::size_t m = 0; m < members; ++m)
      threads.emplace_back([&, m] {
        std::vector<protocol::ExchangeId> ids;
        drive(clients[m], requests[m], in_flight, times[m], ids);
      });
    for (auto& thread : threads) thread.join();
    return figures(start, times, cpu);
  }

  /// Exchanges a second that all ten members of the GED have followed and acknowledged.
  Figures follow(std::size_t in_flight) {
    std::vector<std::vector<protocol::Submit>> loads;
    for (std::size_t i = 0; i < senders_; ++i) loads.push_back(load(sender(i), count_ / senders_));
    std::size_t total = 0;
    for (const auto& list : loads) total += list.size();
    std::vector<std::string> names = {"secretariat"};
    for (int m = 1; m <= 9; ++m) names.push_back("ged." + std::to_string(m));
    std::vector<RawClient> followers;
    std::vector<QueueNumber> from;
    for (const std::string& name : names) {
      followers.push_back(connect(name));
      auto list = followers.back().ask(protocol::List{"ged/89", {}, 1});
      from.push_back(std::get<protocol::Items>(*list).head.number);
    }
    std::vector<RawClient> clients;
    for (std::size_t i = 0; i < senders_; ++i) clients.push_back(connect(sender(i)));
    std::vector<std::vector<double>> times(senders_);
    double cpu = broker_.cpu_seconds();
    auto start = clock::now();
    std::vector<std::thread> threads;
    for (std::size_t f = 0; f < followers.size(); ++f)
      threads.emplace_back([&, f] { follow_until(followers[f], from[f], from[f].value + total); });
    for (std::size_t i = 0; i < senders_; ++i)
      threads.emplace_back([&, i] {
        std::vector<protocol::ExchangeId> ids;
        drive(clients[i], loads[i], in_flight, times[i], ids);
      });
    for (auto& thread : threads) thread.join();
    return figures(start, times, cpu);
  }

 private:
  static std::string sender(std::size_t i) { return "referent." + std::to_string(i); }

  /// Keeps `in_flight` requests going until all are answered; anything but what was asked for ends the bench.
  template <class Body>
  static void drive(RawClient& client, std::vector<Body>& bodies, std::size_t in_flight, std::vector<double>& times,
                    std::vector<protocol::ExchangeId>& ids) {
    std::vector<clock::time_point> sent(bodies.size());
    std::size_t next = 0;
    std::size_t done = 0;
    auto send = [&] {
      sent[next] = clock::now();
      client.send(protocol::Request{next, std::move(bodies[next])});
      ++next;
    };
    while (next < std::min(in_flight, bodies.size())) send();
    while (done < bodies.size()) {
      auto reply = client.receive(seconds(30));
      if (!reply) throw std::runtime_error("no reply in 30 s");
      if (const auto* refusal = std::get_if<protocol::Refusal>(&reply->body)) {
        std::fprintf(stderr, "pli-bench: refused: %s\n", protocol::to_text(*refusal).c_str());
        std::exit(1);
      }
      if (const auto* accepted = std::get_if<protocol::Accepted>(&reply->body)) ids.push_back(accepted->exchange);
      times.push_back(std::chrono::duration<double, std::micro>(clock::now() - sent[reply->id]).count());
      ++done;
      if (next < bodies.size()) send();
    }
  }

  static void follow_until(RawClient& client, QueueNumber from, std::uint64_t last) {
    constexpr std::uint32_t credit = 2048;
    std::uint64_t request = 1;
    client.send(protocol::Request{request, protocol::Follow{{{"ged/89", from}}, credit}});
    std::uint64_t seen = from.value;
    std::uint64_t acknowledged = seen;
    std::uint64_t granted = seen + credit;
    while (acknowledged < last) {
      auto reply = client.receive(seconds(30));
      if (!reply) throw std::runtime_error("a follower waited 30 s");
      if (const auto* pushed = std::get_if<protocol::Pushed>(&reply->body)) {
        for (const auto& item : pushed->items) seen = std::max(seen, item.head.number.value);
        if (!pushed->items.empty())
          client.send(protocol::Request{++request, protocol::Acknowledge{"ged/89", QueueNumber{seen}}});
        if (granted - seen < credit / 2) {
          client.send(protocol::Request{++request, protocol::Follow{{{"ged/89", QueueNumber{seen}}}, credit}});
          granted = seen + credit;
        }
      } else if (const auto* done = std::get_if<protocol::Acknowledged>(&reply->body)) {
        acknowledged = std::max(acknowledged, done->number.value);
      } else if (const auto* refusal = std::get_if<protocol::Refusal>(&reply->body)) {
        std::fprintf(stderr, "pli-bench: follower refused: %s\n", protocol::to_text(*refusal).c_str());
        std::exit(1);
      }
    }
  }

  Figures figures(clock::time_point start, std::vector<std::vector<double>>& times, double cpu_before) const {
    double time = elapsed(start);
    std::vector<double> all;
    for (const auto& list : times) all.insert(all.end(), list.begin(), list.end());
    double count = static_cast<double>(all.size());
    Figures out;
    out.per_second = count / time;
    out.p50_us = percentile(all, 0.50);
    out.p99_us = percentile(all, 0.99);
    out.cpu_per_10k = (broker_.cpu_seconds() - cpu_before) * 10000 / count;
    return out;
  }

  std::size_t senders_;
  std::size_t count_;
  std::size_t bytes_;
  Department department_;
  RealBroker broker_;
  std::uint64_t idle_bytes_ = 0;
  std::vector<protocol::ExchangeId> accepted_;
};

void print(const char* what, const Figures& f) {
  std::printf("%-34s %9.0f/s   p50 %8.0f us   p99 %8.0f us   broker CPU %5.2f s per 10,000\n", what, f.per_second,
              f.p50_us, f.p99_us, f.cpu_per_10k);
}

nlohmann::json to_json(const Figures& f) {
  return {{"per_second", f.per_second}, {"p50_us", f.p50_us}, {"p99_us", f.p99_us}, {"cpu_s_per_10k", f.cpu_per_10k}};
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 16000;
  std::size_t senders = 16;
  std::size_t in_flight = 64;
  std::size_t bytes = 2048;
  bool json = false;
  bool no_tiles = false;
  CLI::App app{"Measures a broker of its own on loopback, beside this machine's limits"};
  app.footer("Example: pli-bench --count 16000 --json");
  app.add_option("--count", count, "Exchanges in each throughput measure")->check(CLI::Range(16, 1000000));
  app.add_option("--senders", senders, "Senders at once")->check(CLI::Range(1, 64));
  app.add_option("--in-flight", in_flight, "Requests each keeps in flight")->check(CLI::Range(1, 256));
  app.add_option("--bytes", bytes, "Sealed payload of an exchange, about")->check(CLI::Range(512, 40000));
  app.add_flag("--no-tiles", no_tiles, "Without the log's tiles on disk: what they cost");
  app.add_flag("--json", json, "One JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& asked) {
    return app.exit(asked) == 0 ? 0 : 2;
  }
  pli::crypto::initialise();
  try {
    Bench bench(senders, count, bytes, !no_tiles);
    auto limits = pli::bench::measure_machine(bench.broker().data());
    std::uint64_t disk = bench.broker().disk_bytes();
    Figures one = bench.one_in_flight(2000);
    Figures accepted = bench.accept(in_flight);
    double per_exchange = static_cast<double>(bench.broker().disk_bytes() - disk) / static_cast<double>(count + 2000);
    Figures opened = bench.open(8, in_flight);
    Figures followed = bench.follow(in_flight);
    double one_floor = limits.fdatasync_us + limits.ed25519_verify_us + limits.curve_round_trip_us;
    double resident = static_cast<double>(bench.broker().resident_bytes()) / 1048576;
    double idle = static_cast<double>(bench.idle_bytes()) / 1048576;
    if (json) {
      nlohmann::json out = {{"limits",
                             {{"fdatasync_p50_us", limits.fdatasync_us},
                              {"ed25519_verify_us", limits.ed25519_verify_us},
                              {"curve_round_trip_p50_us", limits.curve_round_trip_us}}},
                            {"one_in_flight", to_json(one)},
                            {"one_in_flight_ratio", one.p50_us / one_floor},
                            {"accepted", to_json(accepted)},
                            {"opened", to_json(opened)},
                            {"followed_by_10", to_json(followed)},
                            {"resident_idle_mib", idle},
                            {"resident_after_mib", resident},
                            {"disk_bytes_per_exchange", per_exchange}};
      std::printf("%s\n", out.dump().c_str());
      return 0;
    }
    std::printf("machine: append + fdatasync %.0f us, Ed25519 verification %.1f us, CURVE round trip %.0f us\n",
                limits.fdatasync_us, limits.ed25519_verify_us, limits.curve_round_trip_us);
    print("accepted, one in flight", one);
    std::printf("%-34s %.2f x (fdatasync + verification + round trip)\n", "", one.p50_us / one_floor);
    print("accepted, senders x in flight", accepted);
    std::printf("%-34s %.2f x one core's verification rate\n", "",
                accepted.per_second * limits.ed25519_verify_us / 1e6);
    print("opened and recorded", opened);
    print("followed by 10, acknowledged", followed);
    std::printf("resident %.0f MiB idle, %.0f MiB after; disk %.0f bytes per exchange, sealed bytes included\n", idle,
                resident, per_exchange);
    return 0;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "pli-bench: %s\n", problem.what());
    return 1;
  }
}
