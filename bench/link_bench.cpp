// bench-links: what link hints add to the opening of a case, with ten thousand indexed. "opened_case" is all of it: the
// sealed index read from a profile on disk and opened, the new entry sealed and made durable, its case looked up.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "client/client_store.hpp"
#include "client/link_hints.hpp"
#include "crypto/random.hpp"
#include "tests/support/invented_persons.hpp"

namespace pli::client {
namespace {

constexpr std::uint64_t seed = 20260320;
constexpr std::size_t asked = 64;  ///< persons beyond those indexed, one after another

LinkEntry entry_of(const testing::InventedPerson& person) {
  LinkEntry out;
  crypto::random_bytes(out.exchange);
  out.case_id = out.exchange;
  out.territory = "89";
  out.subjects.persons.push_back(link_person(person.family, person.given, person.birth, person.commune));
  return out;
}

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << "bench-links: " << why << "\n";
  std::exit(1);
}

/// A profile whose index holds `indexed` cases; the folder goes with it.
class Desk {
 public:
  explicit Desk(std::size_t indexed) {
    std::string folder = (std::filesystem::temp_directory_path() / "bench-links-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) give_up("no folder");
    folder_ = folder;
    auto opened = Profile::open(folder_ / "profile");
    if (!opened) give_up(opened.error().detail);
    profile_ = std::make_unique<Profile>(std::move(*opened));
    const auto persons = testing::invent_persons(seed, indexed + asked, indexed / 10);
    const crypto::SecretKey key = keys_.current.links_key();
    for (std::size_t i = 0; i < indexed; ++i) {
      const LinkEntry entry = entry_of(persons[i]);
      if (auto kept = profile_->store().put_link_entry({entry.exchange, entry.case_id, seal_link_entry(entry, key)});
          !kept)
        give_up(kept.error().detail);
    }
    for (std::size_t i = indexed; i < persons.size(); ++i) next_.push_back(entry_of(persons[i]));
  }
  ~Desk() {
    profile_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  [[nodiscard]] LinkHints load() const {
    auto hints = LinkHints::load(*profile_, keys_);
    if (!hints) give_up(hints.error().detail);
    return std::move(*hints);
  }
  [[nodiscard]] const LinkEntry& next(std::size_t i) const { return next_[i % next_.size()]; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Profile> profile_;
  Keys keys_{crypto::Identity::generate(), {}};
  std::vector<LinkEntry> next_;
};

void opened_case(benchmark::State& state) {
  const Desk desk(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    LinkHints hints = desk.load();
    const LinkEntry& entry = desk.next(i++);
    if (!hints.add(entry)) give_up("not kept");
    benchmark::DoNotOptimize(hints.hints_of(entry.case_id));
  }
}

/// The index read already: one after another of `pli open ID ID…`.
void next_case(benchmark::State& state) {
  const Desk desk(static_cast<std::size_t>(state.range(0)));
  LinkHints hints = desk.load();
  std::size_t i = 0;
  std::size_t compared = 0;
  for (auto _ : state) {
    const LinkEntry& entry = desk.next(i++);
    if (!hints.add(entry)) give_up("not kept");
    benchmark::DoNotOptimize(hints.hints_of(entry.case_id));
    compared += hints.index().compared();
  }
  state.counters["compared"] = static_cast<double>(compared) / static_cast<double>(i);
}

void every_pair(benchmark::State& state) {
  const Desk desk(static_cast<std::size_t>(state.range(0)));
  const LinkHints hints = desk.load();
  for (auto _ : state) benchmark::DoNotOptimize(hints.all());
}

BENCHMARK(opened_case)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(next_case)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(every_pair)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pli::client

int main(int argc, char** argv) {
  pli::crypto::initialise();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
