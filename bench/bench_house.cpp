#include "bench/bench_house.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "base/clock.hpp"

namespace pli::bench {
namespace {

using std::chrono::seconds;

testing::DepartmentOptions department_options(const HouseOptions& house) {
  testing::DepartmentOptions options;
  options.now = SystemClock().now();
  options.senders = house.senders;
  return options;
}

}  // namespace

BenchHouse::BenchHouse(const HouseOptions& options)
    : options_(options),
      department_(department_options(options)),
      broker_(department_, PLI_BROKER_PROGRAM, options.with_tiles) {
  broker_.start();
  idle_bytes_ = broker_.resident_bytes();
}

std::vector<std::string> BenchHouse::ged_members() {
  std::vector<std::string> out = {"secretariat"};
  for (int m = 1; m <= 9; ++m) out.push_back("ged." + std::to_string(m));
  return out;
}

testing::RawClient BenchHouse::connect(const std::string& member) const {
  testing::RawClient::Options options;
  options.receive_queue = 100'000;
  testing::RawClient client(broker_.endpoint(), broker_.curve(), department_.identity(member).curve_secret(), options);
  if (client.handshake(seconds(20)) != testing::RawClient::Handshake::succeeded)
    throw std::runtime_error("no handshake");
  return client;
}

protocol::Open BenchHouse::opening(const std::string& member, const protocol::ExchangeId& exchange) const {
  auto opening = department_.open(member, exchange, SystemClock().now());
  return {std::move(opening.bytes), opening.signature, {}};
}

double cpu_per_10k(const testing::RealBroker& broker, double before, std::uint64_t count) {
  return count == 0 ? 0 : (broker.cpu_seconds() - before) * 10'000 / static_cast<double>(count);
}

void end_on_refusal(const protocol::Refusal& refusal) {
  std::fprintf(stderr, "pli-bench: refused: %s\n", protocol::to_text(refusal).c_str());
  std::exit(1);
}

}  // namespace pli::bench
