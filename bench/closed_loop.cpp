#include "bench/closed_loop.hpp"

#include <algorithm>
#include <thread>

#include "bench/sealer.hpp"

namespace pli::bench {
namespace {

using std::chrono::seconds;

constexpr std::size_t openers = 8;
constexpr std::uint32_t follow_credit = 2048;
constexpr const char* queue = "ged/89";

double since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

struct Senders {
  std::vector<std::vector<protocol::Submit>> loads;
  std::vector<testing::RawClient> clients;
  std::vector<Histogram> times;
  std::vector<std::vector<protocol::ExchangeId>> accepted;

  Senders(BenchHouse& house, std::size_t senders, std::size_t count, std::size_t bytes)
      : times(senders), accepted(senders) {
    for (std::size_t i = 0; i < senders; ++i) {
      Sealer sealer(house, BenchHouse::sender(i));
      auto& load = loads.emplace_back();
      while (load.size() < count / senders) load.push_back(sealer.next(bytes));
    }
    for (std::size_t i = 0; i < senders; ++i) clients.push_back(house.connect(BenchHouse::sender(i)));
  }
  void launch(std::vector<std::thread>& threads, std::size_t in_flight) {
    for (std::size_t i = 0; i < clients.size(); ++i)
      threads.emplace_back([this, i, in_flight] { drive(clients[i], loads[i], in_flight, times[i], accepted[i]); });
  }
};

ClosedLoopResult result_of(BenchHouse& house, clock::time_point start, double cpu, std::vector<Histogram>& times,
                           std::vector<std::vector<protocol::ExchangeId>>& accepted) {
  ClosedLoopResult out;
  out.seconds = since(start);
  for (const Histogram& part : times) out.times.add(part);
  out.cpu_per_10k = cpu_per_10k(house.broker(), cpu, out.times.count());
  for (const auto& list : accepted) out.accepted.insert(out.accepted.end(), list.begin(), list.end());
  return out;
}

/// Follows from a place, acknowledges what comes, until `last` is acknowledged.
void follow_until(testing::RawClient& client, QueueNumber from, std::uint64_t last) {
  std::uint64_t request = 1;
  client.send(protocol::Request{request, protocol::Follow{{{queue, from}}, follow_credit}});
  std::uint64_t seen = from.value;
  std::uint64_t acknowledged = seen;
  std::uint64_t granted = seen + follow_credit;
  while (acknowledged < last) {
    const auto reply = client.receive(seconds(30));
    if (!reply) throw std::runtime_error("a follower waited 30 s");
    if (const auto* pushed = std::get_if<protocol::Pushed>(&reply->body)) {
      for (const auto& item : pushed->items) seen = std::max(seen, item.head.number.value);
      if (!pushed->items.empty())
        client.send(protocol::Request{++request, protocol::Acknowledge{queue, QueueNumber{seen}}});
      if (granted - seen < follow_credit / 2) {
        client.send(protocol::Request{++request, protocol::Follow{{{queue, QueueNumber{seen}}}, follow_credit}});
        granted = seen + follow_credit;
      }
    } else if (const auto* done = std::get_if<protocol::Acknowledged>(&reply->body)) {
      acknowledged = std::max(acknowledged, done->number.value);
    } else if (const auto* refusal = std::get_if<protocol::Refusal>(&reply->body)) {
      end_on_refusal(*refusal);
    }
  }
}

}  // namespace

ClosedLoopResult submit_all(BenchHouse& house, std::size_t senders, std::size_t count, std::size_t in_flight,
                            std::size_t bytes) {
  Senders load(house, senders, count, bytes);
  const double cpu = house.broker().cpu_seconds();
  const auto start = clock::now();
  std::vector<std::thread> threads;
  load.launch(threads, in_flight);
  for (auto& thread : threads) thread.join();
  return result_of(house, start, cpu, load.times, load.accepted);
}

ClosedLoopResult open_all(BenchHouse& house, const std::vector<protocol::ExchangeId>& exchanges,
                          std::size_t in_flight) {
  std::vector<Histogram> times(openers);
  std::vector<std::vector<protocol::ExchangeId>> none(openers);
  std::vector<testing::RawClient> clients;
  std::vector<std::vector<protocol::Open>> requests(openers);
  for (std::size_t m = 0; m < openers; ++m) {
    const std::string who = "ged." + std::to_string(m + 1);
    clients.push_back(house.connect(who));
    for (std::size_t i = m; i < exchanges.size(); i += openers) requests[m].push_back(house.opening(who, exchanges[i]));
  }
  const double cpu = house.broker().cpu_seconds();
  const auto start = clock::now();
  std::vector<std::thread> threads;
  for (std::size_t m = 0; m < openers; ++m)
    threads.emplace_back([&, m] { drive(clients[m], requests[m], in_flight, times[m], none[m]); });
  for (auto& thread : threads) thread.join();
  return result_of(house, start, cpu, times, none);
}

ClosedLoopResult submit_followed(BenchHouse& house, std::size_t senders, std::size_t count, std::size_t in_flight,
                                 std::size_t bytes, std::size_t followers) {
  Senders load(house, senders, count, bytes);
  const std::size_t total = count / senders * senders;
  const auto names = BenchHouse::ged_members();
  std::vector<testing::RawClient> members;
  std::vector<QueueNumber> from;
  for (std::size_t f = 0; f < std::min(followers, names.size()); ++f) {
    members.push_back(house.connect(names[f]));
    const auto list = members.back().ask(protocol::List{queue, {}, 1});
    if (!list || !std::holds_alternative<protocol::Items>(*list)) throw std::runtime_error("no list");
    from.push_back(std::get<protocol::Items>(*list).head.number);
  }
  const double cpu = house.broker().cpu_seconds();
  const auto start = clock::now();
  std::vector<std::thread> threads;
  for (std::size_t f = 0; f < members.size(); ++f)
    threads.emplace_back([&, f] { follow_until(members[f], from[f], from[f].value + total); });
  load.launch(threads, in_flight);
  for (auto& thread : threads) thread.join();
  return result_of(house, start, cpu, load.times, load.accepted);
}

}  // namespace pli::bench
