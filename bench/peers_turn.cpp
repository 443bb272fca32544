// What bench/peers/run asks of Pli: a turn among other brokers' turns, a kill under load, and a trickle to be traced.
#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <thread>

#include "bench/closed_loop.hpp"
#include "bench/scenarios.hpp"
#include "bench/sealer.hpp"
#include "protocol/limits.hpp"

namespace pli::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t one_in_flight_count = 2000;
constexpr std::size_t followed_part = 4;  ///< of what is accepted, so many times less is followed
constexpr std::size_t kill_senders = 4;
constexpr std::size_t kill_count = 40'000;  ///< more than is accepted before the broker is killed
constexpr milliseconds quiet_is_dead{300};
constexpr const char* queue = "ged/89";

nlohmann::json to_json(const ClosedLoopResult& result) {
  return {{"confirmed", result.times.count()},
          {"seconds", result.seconds},
          {"per_second", result.per_second()},
          {"cpu_s_per_10k", result.cpu_per_10k},
          {"latency_us", result.times.steps()}};
}

/// Until somebody is signed in and answered, since `start`.
double seconds_to_first_answer(BenchHouse& house, clock::time_point start) {
  (void)Sealer(house, BenchHouse::sender(0));  // says hello
  return std::chrono::duration<double>(clock::now() - start).count();
}

double restart_seconds(BenchHouse& house) {
  const auto start = clock::now();
  house.broker().start();
  return seconds_to_first_answer(house, start);
}

/// One sender, each exchange sent when it is due, answered or not; times count from then.
ClosedLoopResult submit_when_due(BenchHouse& house, std::size_t per_second, std::size_t count, std::size_t bytes) {
  Sealer sealer(house, BenchHouse::sender(0));
  std::vector<protocol::Submit> submits;
  while (submits.size() < count) submits.push_back(sealer.next(bytes));
  auto client = house.connect(BenchHouse::sender(0));
  const clock::duration gap = clock::duration(seconds(1)) / static_cast<clock::rep>(per_second);
  ClosedLoopResult out;
  const double cpu = house.broker().cpu_seconds();
  const auto start = clock::now();
  const auto due = [&](std::uint64_t i) { return start + gap * static_cast<clock::rep>(i); };
  for (std::size_t next = 0; out.times.count() < count;) {
    for (; next < count && due(next) <= clock::now(); ++next)
      client.send(protocol::Request{next, std::move(submits[next])});
    const clock::duration patience = next < count ? std::max(due(next) - clock::now(), clock::duration()) : seconds(30);
    const auto reply = client.receive(std::chrono::ceil<std::chrono::microseconds>(patience));
    if (!reply && next == count) throw std::runtime_error("no reply in 30 s");
    if (!reply) continue;
    if (const auto* refusal = std::get_if<protocol::Refusal>(&reply->body)) end_on_refusal(*refusal);
    out.times.add(clock::now() - due(reply->id));
  }
  out.seconds = std::chrono::duration<double>(clock::now() - start).count();
  out.cpu_per_10k = cpu_per_10k(house.broker(), cpu, count);
  return out;
}

protocol::Items page(testing::RawClient& reader, QueueNumber after) {
  auto items = reader.ask(protocol::List{queue, after, protocol::list_items_max});
  if (!items || !std::holds_alternative<protocol::Items>(*items)) throw std::runtime_error("no list");
  return std::get<protocol::Items>(*std::move(items));
}

/// One header as a member is sent it, the message around several shared out.
std::size_t header_bytes(BenchHouse& house) {
  auto reader = house.connect("secretariat");
  auto items = page(reader, QueueNumber{}).items;
  const std::size_t count = std::max<std::size_t>(items.size(), 1);
  return protocol::encode(protocol::Reply{1, protocol::Pushed{std::move(items)}}).size() / count;
}

/// Keeps requests going until the broker is killed and what it had answered has been read.
std::vector<protocol::ExchangeId> drive_until(const std::atomic<bool>& killed, testing::RawClient client,
                                              std::vector<protocol::Submit>& submits, std::size_t in_flight) {
  std::vector<protocol::ExchangeId> confirmed;
  std::size_t next = 0;
  const auto send = [&] {
    if (next == submits.size()) return;
    client.send(protocol::Request{next, std::move(submits[next])});
    ++next;
  };
  for (std::size_t i = 0; i < in_flight; ++i) send();
  for (;;) {
    const auto reply = client.receive(quiet_is_dead);
    if (!reply && killed) return confirmed;
    if (!reply) continue;
    if (const auto* refusal = std::get_if<protocol::Refusal>(&reply->body)) end_on_refusal(*refusal);
    if (const auto* accepted = std::get_if<protocol::Accepted>(&reply->body)) confirmed.push_back(accepted->exchange);
    send();
  }
}

}  // namespace

nlohmann::json measure_peers_turn(const FloorOptions& floors) {
  constexpr std::size_t sitting = 10;
  BenchHouse house({floors.senders, floors.bytes, floors.with_tiles});
  nlohmann::json out;
  out["resident_idle_bytes"] = house.idle_bytes();
  house.broker().stop();
  out["start_s"] = restart_seconds(house);
  const std::uint64_t disk = house.broker().disk_bytes();
  const ClosedLoopResult accepted = submit_all(house, floors.senders, floors.count, floors.in_flight, floors.bytes);
  out["accepted"] = to_json(accepted);
  out["resident_after_bytes"] = house.broker().resident_bytes();
  out["disk_bytes_per_message"] =
      static_cast<double>(house.broker().disk_bytes() - disk) / static_cast<double>(accepted.times.count());
  house.broker().stop();
  out["restart_s"] = restart_seconds(house);
  out["one_in_flight"] = to_json(submit_all(house, 1, std::min(one_in_flight_count, floors.count), 1, floors.bytes));
  out["paced"] = to_json(
      submit_when_due(house, floors.paced_per_second, floors.paced_per_second * floors.paced_seconds, floors.bytes));
  for (const std::size_t members : {std::size_t{1}, sitting})
    out["delivered_to_" + std::to_string(members)] =
        to_json(submit_followed(house, floors.senders, std::max(floors.count / followed_part, floors.senders),
                                floors.in_flight, floors.bytes, members));
  out["header_bytes"] = header_bytes(house);
  return out;
}

nlohmann::json measure_kill(std::chrono::duration<double> after, const FloorOptions& floors) {
  BenchHouse house({floors.senders, floors.bytes, floors.with_tiles});
  std::vector<std::vector<protocol::Submit>> loads(kill_senders);
  for (std::size_t i = 0; i < kill_senders; ++i) {
    Sealer sealer(house, BenchHouse::sender(i));
    while (loads[i].size() < kill_count / kill_senders) loads[i].push_back(sealer.next(floors.bytes));
  }
  std::vector<std::vector<protocol::ExchangeId>> confirmed(kill_senders);
  std::atomic<bool> killed{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kill_senders; ++i)
    threads.emplace_back([&, i] {
      confirmed[i] = drive_until(killed, house.connect(BenchHouse::sender(i)), loads[i], floors.in_flight);
    });
  std::this_thread::sleep_for(after);
  house.broker().kill_nine();
  killed = true;
  for (auto& thread : threads) thread.join();

  const double restart = restart_seconds(house);
  std::set<protocol::ExchangeId> stored;
  auto reader = house.connect("secretariat");
  for (protocol::Items items = page(reader, QueueNumber{});; items = page(reader, items.items.back().head.number)) {
    for (const auto& item : items.items) stored.insert(item.exchange);
    if (!items.more) break;
  }
  std::size_t lost = 0;
  std::size_t total = 0;
  for (const auto& list : confirmed) {
    total += list.size();
    lost += static_cast<std::size_t>(
        std::count_if(list.begin(), list.end(), [&](const auto& id) { return !stored.contains(id); }));
  }
  return {{"confirmed", total}, {"lost", lost}, {"restart_s", restart}};
}

nlohmann::json measure_trickle(const FloorOptions& floors) {
  BenchHouse house({floors.senders, floors.bytes, floors.with_tiles});
  return to_json(submit_all(house, 1, floors.count, 1, floors.bytes));
}

}  // namespace pli::bench
