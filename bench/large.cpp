// pli-bench large: what does not ride inside a request: staged in chunks, submitted, opened, fetched.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/scenarios.hpp"
#include "bench/sealer.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"

namespace pli::bench {
namespace {

/// Opens, then fetches the payload chunk by chunk, several in flight. Throws when it is not what was sent.
void fetch(testing::RawClient& client, const BenchHouse& house, const protocol::ExchangeId& exchange,
           const Digest& part, std::size_t size) {
  protocol::Open open = house.opening("ged.1", exchange);
  const Digest opening = crypto::sha256(open.request);
  const auto opened = client.ask(std::move(open));
  if (!opened || !std::holds_alternative<protocol::Opened>(*opened)) throw std::runtime_error("not opened");
  const auto chunks = static_cast<std::uint32_t>((size + protocol::chunk_bytes_max - 1) / protocol::chunk_bytes_max);
  constexpr std::uint64_t first_request = 1ULL << 32;
  std::vector<Bytes> got(chunks);
  std::uint32_t asked = 0;
  const auto ask = [&] {
    client.send({first_request + asked, protocol::GetChunk{opening, protocol::PartKind::payload, 0, asked}});
    ++asked;
  };
  while (asked < std::min<std::uint32_t>(chunks, protocol::chunk_credit)) ask();
  for (std::uint32_t done = 0; done < chunks; ++done) {
    auto reply = client.receive(std::chrono::seconds(30));
    if (!reply) throw std::runtime_error("no chunk in 30 s");
    if (const auto* refusal = std::get_if<protocol::Refusal>(&reply->body)) end_on_refusal(*refusal);
    got.at(reply->id - first_request) = std::move(std::get<protocol::Chunk>(reply->body).bytes);
    if (asked < chunks) ask();
  }
  Bytes whole;
  for (const Bytes& chunk : got) whole.insert(whole.end(), chunk.begin(), chunk.end());
  if (crypto::sha256(whole) != part) throw std::runtime_error("what was fetched is not what was sent");
}

}  // namespace

nlohmann::json measure_large(std::size_t bytes, std::size_t count, const ScenarioOptions& options) {
  BenchHouse house({1, bytes, true});
  Sealer sealer(house, BenchHouse::sender(0));
  std::vector<protocol::Submit> load;
  struct Sent {
    protocol::ExchangeId exchange;
    Digest part;
    std::size_t size;
  };
  std::vector<Sent> sent;
  for (std::size_t i = 0; i < count; ++i) {
    load.push_back(sealer.next(bytes));
    const protocol::Envelope& envelope = load.back().envelope;
    sent.push_back({protocol::exchange_id(envelope.address, envelope.seal), crypto::sha256(envelope.payload),
                    envelope.payload.size()});
  }
  auto sender = house.connect(BenchHouse::sender(0));
  auto member = house.connect("ged.1");
  Histogram sending;
  Histogram fetching;
  std::uint64_t last_request = 0;
  std::uint64_t peak = house.idle_bytes();
  double sending_s = 0;
  double fetching_s = 0;
  const auto timed = [&](Histogram& times, double& total, auto work) {
    const auto start = clock::now();
    work();
    const auto took = clock::now() - start;
    times.add(took);
    total += std::chrono::duration<double>(took).count();
    peak = std::max(peak, house.broker().resident_bytes());
  };
  for (protocol::Submit& submit : load)
    timed(sending, sending_s, [&] {
      if (!submit_in_chunks(sender, std::move(submit), last_request))
        throw std::runtime_error("a large one was refused");
    });
  for (const Sent& each : sent)
    timed(fetching, fetching_s, [&] { fetch(member, house, each.exchange, each.part, each.size); });
  const double total = static_cast<double>(bytes * count) / bytes_per_mib;
  if (!options.json) {
    std::printf("%zu exchanges of %.1f MiB\n", count, static_cast<double>(bytes) / bytes_per_mib);
    std::printf("  accepted   %6.1f MiB/s   %s\n", total / sending_s, sending.to_text().c_str());
    std::printf("  fetched    %6.1f MiB/s   %s\n", total / fetching_s, fetching.to_text().c_str());
    std::printf("  broker resident: %.0f MiB idle, %.0f MiB at most\n",
                static_cast<double>(house.idle_bytes()) / bytes_per_mib, static_cast<double>(peak) / bytes_per_mib);
  }
  return {{"bytes", bytes},
          {"count", count},
          {"accepted_mib_per_s", total / sending_s},
          {"accepted", sending.to_json()},
          {"fetched_mib_per_s", total / fetching_s},
          {"fetched", fetching.to_json()},
          {"resident_idle_mib", static_cast<double>(house.idle_bytes()) / bytes_per_mib},
          {"resident_peak_mib", static_cast<double>(peak) / bytes_per_mib}};
}

}  // namespace pli::bench
