// bench-self-audit: what the broker's look at its own store costs the acceptance of exchanges, and how long it takes.
// A core and a store in the temporary folder, batches committed with their sync; no network. Batches without a sweep,
// at the sweep's pace and without its pauses take turns in one run, so that the ratio is of the same disk and hour.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bench/median.hpp"
#include "broker/self_audit.hpp"
#include "crypto/random.hpp"
#include "tests/support/broker_house.hpp"

namespace {

using namespace pli;
using namespace pli::testing;
using pli::bench::median;
using clock = std::chrono::steady_clock;

constexpr std::size_t batch_requests = 64;

enum class Sweep { off, paced, unpaced };

class SelfAuditBench {
 public:
  SelfAuditBench()
      : house_(department_, {}, [](broker::CoreSettings& settings) {
          settings.acts_per_day_max = 1'000'000'000;
          settings.bytes_per_day_max = std::uint64_t{1} << 40U;
        }) {}

  /// Exchanges accepted in a second; what is sealed ahead does not count.
  double accept(std::size_t batches, Sweep sweep) {
    std::vector<std::vector<broker::VerifiedRequest>> ahead(batches);
    for (auto& batch : ahead)
      for (std::size_t i = 0; i < batch_requests; ++i) {
        Draft draft;
        draft.openable = false;
        Sealed sealed = department_.seal(draft);
        batch.push_back(house_.request(sealed.address.sender, sealed.verified()));
      }
    std::atomic<bool> stop = false;
    std::thread beside;
    if (sweep != Sweep::off) beside = std::thread([&] { sweep_until(stop, sweep); });
    const auto start = clock::now();
    for (auto& batch : ahead)
      if (auto done = house_.apply(std::move(batch)); !done) throw std::runtime_error(done.error().detail);
    const double took = std::chrono::duration<double>(clock::now() - start).count();
    stop = true;
    if (beside.joinable()) beside.join();
    return static_cast<double>(batches * batch_requests) / took;
  }

  /// Of the whole store without pauses, in seconds; with them it takes that long and a pause a step.
  double whole_sweep() {
    const auto start = clock::now();
    steps_ = 0;
    const auto sweep = open();
    for (;; ++steps_)
      if (step(*sweep)) break;
    return std::chrono::duration<double>(clock::now() - start).count();
  }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t rows() { return open()->rows().value(); }
  std::uint64_t exchanges() { return house_.store().exchange_count(); }

 private:
  std::unique_ptr<broker::StoreSweep> open() {
    auto sweep = broker::StoreSweep::open(
        house_.database(), [this] { return house_.keys().for_checking(); }, department_.log());
    if (!sweep) throw std::runtime_error(sweep.error().detail);
    return *std::move(sweep);
  }
  static bool step(broker::StoreSweep& sweep) {
    const auto step = sweep.step(broker::self_audit_rows, broker::self_audit_bytes);
    if (!step) throw std::runtime_error(step.error().detail);
    if (step->problem) throw std::runtime_error(step->problem->name + " " + step->problem->where);
    return step->done;
  }
  void sweep_until(const std::atomic<bool>& stop, Sweep how) {
    while (!stop) {
      const auto sweep = open();
      const auto pause = how == Sweep::paced ? broker::self_audit_pause(std::chrono::hours(24), sweep->rows().value())
                                             : std::chrono::milliseconds(0);
      for (bool done = false; !done && !stop;) {
        done = step(*sweep);
        for (const auto until = clock::now() + pause; !stop && clock::now() < until;)
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
  }

  Department department_;
  BrokerHouse house_;
  std::uint64_t steps_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::size_t rounds = 7;
  std::size_t batches = 100;
  bool json = false;
  CLI::App app{"What the self-audit costs. Example: bench-self-audit --rounds 7 --batches 100 --json"};
  app.add_option("--rounds", rounds, "of each: without a sweep, at its pace, without its pauses")
      ->check(CLI::Range(1, 99));
  app.add_option("--batches", batches, "of 64 exchanges in a round")->check(CLI::Range(1, 10000));
  app.add_flag("--json", json, "one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& asked) {
    return app.exit(asked) == 0 ? 0 : 2;
  }
  pli::crypto::initialise();
  try {
    SelfAuditBench bench;
    std::vector<double> off;
    std::vector<double> paced;
    std::vector<double> unpaced;
    std::vector<double> paced_ratio;
    std::vector<double> unpaced_ratio;
    (void)bench.accept(batches, Sweep::off);
    for (std::size_t round = 0; round < rounds; ++round) {
      off.push_back(bench.accept(batches, Sweep::off));
      paced.push_back(bench.accept(batches, Sweep::paced));
      unpaced.push_back(bench.accept(batches, Sweep::unpaced));
      paced_ratio.push_back(paced.back() / off.back());
      unpaced_ratio.push_back(unpaced.back() / off.back());
    }
    const double whole = bench.whole_sweep();
    const std::uint64_t rows = bench.rows();
    const double paced_whole =
        whole + static_cast<double>(bench.steps()) *
                    std::chrono::duration<double>(broker::self_audit_pause(std::chrono::hours(24), rows)).count();
    if (json) {
      std::printf("%s\n",
                  nlohmann::json{{"accepted_per_second",
                                  {{"off", median(off)}, {"paced", median(paced)}, {"unpaced", median(unpaced)}}},
                                 {"paced_to_off", median(paced_ratio)},
                                 {"unpaced_to_off", median(unpaced_ratio)},
                                 {"exchanges", bench.exchanges()},
                                 {"rows", rows},
                                 {"sweep_unpaced_s", whole},
                                 {"sweep_paced_s", paced_whole}}
                      .dump(1)
                      .c_str());
    } else {
      std::printf(
          "accepted/s without %.0f, beside a sweep at its pace %.0f (x %.3f), without its pauses %.0f (x %.3f)\n",
          median(off), median(paced), median(paced_ratio), median(unpaced), median(unpaced_ratio));
      std::printf("a sweep of %llu exchanges, %llu rows: %.2f s without pauses, %.0f s at its pace\n",
                  static_cast<unsigned long long>(bench.exchanges()), static_cast<unsigned long long>(rows), whole,
                  paced_whole);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench-self-audit: %s\n", e.what());
    return 1;
  }
  return 0;
}
