// Load that waits for its answers: so many in flight a connection, sent again as fast as answers come. Times are those
// of an answer, not of a queue in front of the sender; rates are what this is for.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <vector>

#include "bench/bench_house.hpp"

namespace pli::bench {

struct ClosedLoopResult {
  Histogram times;
  double seconds = 0;
  double cpu_per_10k = 0;  ///< the broker's CPU seconds
  std::vector<protocol::ExchangeId> accepted;
  [[nodiscard]] double per_second() const { return static_cast<double>(times.count()) / seconds; }
};

/// Keeps `in_flight` requests going until all are answered; a refusal ends the bench.
template <class Body>
void drive(testing::RawClient& client, std::vector<Body>& bodies, std::size_t in_flight, Histogram& times,
           std::vector<protocol::ExchangeId>& accepted) {
  std::vector<clock::time_point> sent(bodies.size());
  std::size_t next = 0;
  const auto send = [&] {
    sent[next] = clock::now();
    client.send(protocol::Request{next, std::move(bodies[next])});
    ++next;
  };
  while (next < std::min(in_flight, bodies.size())) send();
  for (std::size_t done = 0; done < bodies.size(); ++done) {
    const auto reply = client.receive(std::chrono::seconds(30));
    if (!reply) throw std::runtime_error("no reply in 30 s");
    if (const auto* refusal = std::get_if<protocol::Refusal>(&reply->body)) end_on_refusal(*refusal);
    if (const auto* done_one = std::get_if<protocol::Accepted>(&reply->body)) accepted.push_back(done_one->exchange);
    times.add(clock::now() - sent[reply->id]);
    if (next < bodies.size()) send();
  }
}

/// `count` exchanges of `bytes` by `senders` référents, sealed before the clock starts.
[[nodiscard]] ClosedLoopResult submit_all(BenchHouse& house, std::size_t senders, std::size_t count,
                                          std::size_t in_flight, std::size_t bytes);
/// Each exchange opened once, shared out over eight members of the GED.
[[nodiscard]] ClosedLoopResult open_all(BenchHouse& house, const std::vector<protocol::ExchangeId>& exchanges,
                                        std::size_t in_flight);
/// As submit_all, while `followers` members of the GED follow its queue; the clock stops when all have acknowledged
/// all.
[[nodiscard]] ClosedLoopResult submit_followed(BenchHouse& house, std::size_t senders, std::size_t count,
                                               std::size_t in_flight, std::size_t bytes, std::size_t followers);

}  // namespace pli::bench
