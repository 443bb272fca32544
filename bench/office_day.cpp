// pli-bench office-day and spike: what a préfecture's broker lives through, by chance arrivals.
//
// The average is the whole country's on one broker at a hundred times today's volume (domain study: a million
// signalements a year, 0.16/s in office hours, and 50 to 100 log records for each): far beyond one département, so
// that what is shown here is room, not need.
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>

#include "bench/median.hpp"
#include "bench/open_loop.hpp"
#include "bench/scenarios.hpp"
#include "bench/sealer.hpp"

namespace pli::bench {
namespace {

using protocol::RequestBody;

constexpr std::size_t senders = 8;
constexpr std::size_t ordinary_bytes = 2048;
constexpr std::size_t attachment_bytes = 400'000;  ///< a scanned page or two
constexpr std::size_t remembered = 4096;           ///< accepted exchanges that members go on opening

// A second of the average day.
constexpr double submits = 0.20;
constexpr double attachments = 0.02;
constexpr double openings = 4.0;
constexpr double refused_openings = 0.05;  ///< by référents, of what others sent; few enough a minute for each
constexpr double lists = 2.0;
constexpr double acknowledgements = 2.0;
constexpr double record_readings = 0.5;
constexpr double connections = 0.3;

/// What was accepted lately; any thread.
class Lately {
 public:
  void add(const protocol::ExchangeId& id) {
    std::lock_guard lock(mutex_);
    if (ids_.size() < remembered)
      ids_.push_back(id);
    else
      ids_[overwritten_++ % remembered] = id;
  }
  std::optional<protocol::ExchangeId> any(std::mt19937_64& random) const {
    std::lock_guard lock(mutex_);
    if (ids_.empty()) return std::nullopt;
    return ids_[random() % ids_.size()];
  }
  std::size_t size() const {  // of all there were
    std::lock_guard lock(mutex_);
    return ids_.size() + overwritten_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<protocol::ExchangeId> ids_;
  std::size_t overwritten_ = 0;
};

/// The people of the day and what they do.
class Day {
 public:
  Day(BenchHouse& house, OpenLoop& load, std::uint64_t seed) : house_(house), seed_(seed) {
    load.accepted = [this](const protocol::ExchangeId& id) { lately_.add(id); };
    for (std::size_t i = 0; i < senders; ++i) sealers_.emplace_back(house, BenchHouse::sender(i));
    for (std::size_t i = 0; i < senders; ++i)
      load.add(BenchHouse::sender(i),
               {{"submit", submits / senders,
                 [this, i]() -> std::optional<RequestBody> { return sealers_[i].next(ordinary_bytes); }},
                {"refused opening", refused_openings / senders, opening(BenchHouse::sender(i)), true}});
    const auto members = BenchHouse::ged_members();
    const double each = 1 / static_cast<double>(members.size());
    for (const std::string& member : members)
      load.add(member, {{"open", openings * each, opening(member)},
                        {"list", lists * each,
                         []() -> std::optional<RequestBody> {
                           return protocol::List{"ged/89", {}, 64};
                         }},
                        {"acknowledge", acknowledgements * each, [this]() -> std::optional<RequestBody> {
                           return protocol::Acknowledge{"ged/89", QueueNumber{lately_.size()}};
                         }}});
    load.add("auditeur", {{"read records", record_readings, []() -> std::optional<RequestBody> {
                             return protocol::GetRecords{{}, 64, {}};
                           }}});
    for (std::size_t i = 0; i < senders; ++i)
      load.add(SlowAct{"connect and hello", connections / senders, [this, i] {
                         auto client = house_.connect(BenchHouse::sender(i));
                         const auto hello = client.ask(protocol::Hello{});
                         return hello && std::holds_alternative<protocol::HelloReply>(*hello);
                       }});
    carrier_.emplace(house.connect(BenchHouse::sender(1)));
    load.add(SlowAct{"submit with attachment", attachments, [this] {
                       return submit_in_chunks(*carrier_, sealers_[1].next(attachment_bytes), last_request_);
                     }});
    // Something to open and to acknowledge from the first second.
    auto first = house.connect(BenchHouse::sender(0));
    const auto reply = first.ask(sealers_[0].next(ordinary_bytes));
    const auto* accepted = reply ? std::get_if<protocol::Accepted>(&*reply) : nullptr;
    if (accepted == nullptr) throw std::runtime_error("the first exchange was not accepted");
    lately_.add(accepted->exchange);
  }

 private:
  std::function<std::optional<RequestBody>()> opening(const std::string& member) {
    auto random = std::make_shared<std::mt19937_64>(seed_ + std::hash<std::string>{}(member));
    return [this, member, random]() -> std::optional<RequestBody> {
      const auto exchange = lately_.any(*random);
      if (!exchange) return std::nullopt;
      return house_.opening(member, *exchange);
    };
  }

  BenchHouse& house_;
  std::uint64_t seed_;
  Lately lately_;
  std::vector<Sealer> sealers_;
  std::optional<testing::RawClient> carrier_;
  std::uint64_t last_request_ = 0;
};

nlohmann::json to_json(const LoadReport& report) {
  nlohmann::json acts = nlohmann::json::object();
  for (const auto& [name, times] : report.times) acts[name] = times.to_json();
  return {
      {"acts", acts}, {"refusals", report.refusals}, {"errors", report.errors()}, {"unanswered", report.unanswered}};
}

void print(const std::string& title, const LoadReport& report) {
  std::printf("%s\n", title.c_str());
  for (const auto& [name, times] : report.times)
    std::printf("  %-24s %9llu   %s\n", name.c_str(), static_cast<unsigned long long>(times.count()),
                times.to_text().c_str());
  for (const auto& [what, count] : report.refusals)
    std::printf("  refused: %-40s %llu\n", what.c_str(), static_cast<unsigned long long>(count));
  if (report.unanswered > 0) std::printf("  unanswered: %llu\n", static_cast<unsigned long long>(report.unanswered));
}

}  // namespace

nlohmann::json measure_office_day(std::size_t minutes, double times, const ScenarioOptions& options) {
  BenchHouse house({senders, ordinary_bytes, true});
  OpenLoop load(house, {{"day", std::chrono::minutes(minutes), times}}, options.seed);
  const Day day(house, load, options.seed);
  std::vector<double> resident;
  const double cpu = house.broker().cpu_seconds();
  const LoadReport report = load.run([&](std::size_t second) {
    if (second % 10 != 0) return;
    resident.push_back(static_cast<double>(house.broker().resident_bytes()) / bytes_per_mib);
    if (second % 60 == 0)
      std::fprintf(stderr, "minute %zu of %zu: broker resident %.1f MiB\n", second / 60, minutes, resident.back());
  })[0];
  // Flat: the last quarter beside the second one, after the caches have filled.
  const auto quarter = [&](std::size_t n) {
    const auto at = [&](std::size_t i) {
      return resident.begin() + static_cast<std::ptrdiff_t>(resident.size() * i / 4);
    };
    return median({at(n), at(n + 1)});
  };
  const double second_quarter = quarter(1);
  const double last_quarter = quarter(3);
  const double per_10k = cpu_per_10k(house.broker(), cpu, report.acts());
  if (!options.json) {
    char title[160];
    std::snprintf(title, sizeof title, "office day, %.0f times the average, %zu minutes: %llu acts, %llu errors", times,
                  minutes, static_cast<unsigned long long>(report.acts()),
                  static_cast<unsigned long long>(report.errors()));
    print(title, report);
    std::printf(
        "resident: %.1f MiB in the second quarter, %.1f MiB in the last (%.3f x); broker CPU %.2f s per 10,000\n",
        second_quarter, last_quarter, last_quarter / second_quarter, per_10k);
  }
  nlohmann::json out = to_json(report);
  out["times"] = times;
  out["minutes"] = minutes;
  out["resident_mib"] = resident;
  out["resident_ratio_last_to_second_quarter"] = last_quarter / second_quarter;
  out["cpu_s_per_10k"] = per_10k;
  return out;
}

nlohmann::json measure_spike(std::size_t seconds_each, double average, const ScenarioOptions& options) {
  constexpr double spike = 20;  // domain study: reports after an attack
  BenchHouse house({senders, ordinary_bytes, true});
  const std::chrono::seconds length(seconds_each);
  OpenLoop load(house, {{"before", length, average}, {"spike", length, average * spike}, {"after", length, average}},
                options.seed);
  const Day day(house, load, options.seed);
  const auto reports = load.run([](std::size_t) {});
  nlohmann::json out = nlohmann::json::object();
  const char* names[] = {"before", "spike", "after"};
  for (std::size_t i = 0; i < reports.size(); ++i) {
    out[names[i]] = to_json(reports[i]);
    if (!options.json) print(names[i], reports[i]);
  }
  return out;
}

}  // namespace pli::bench
