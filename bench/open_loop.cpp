#include "bench/open_loop.hpp"

#include <numeric>
#include <random>
#include <stdexcept>
#include <thread>
#include <unordered_map>

#include "protocol/error_catalogue.hpp"
#include "protocol/limits.hpp"

namespace pli::bench {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr auto last_answers_wait = seconds(30);

/// When acts of one kind or several fall due, phase by phase.
class Arrivals {
 public:
  Arrivals(const std::vector<Phase>& phases, double per_second, std::uint64_t seed, clock::time_point start)
      : phases_(phases), per_second_(per_second), random_(seed), at_(start), phase_end_(start + phases[0].length) {
    step();
  }
  [[nodiscard]] bool done() const { return phase_ >= phases_.size(); }
  [[nodiscard]] clock::time_point due() const { return at_; }
  [[nodiscard]] std::size_t phase() const { return phase_; }
  [[nodiscard]] std::mt19937_64& random() { return random_; }
  void step() {
    while (!done()) {
      const double rate = per_second_ * phases_[phase_].times;
      const double gap = rate > 0 ? std::exponential_distribution<double>(rate)(random_) : 1e9;
      const auto next = at_ + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(gap));
      if (next < phase_end_) {
        at_ = next;
        return;
      }
      at_ = phase_end_;  // arrivals have no memory: the next phase begins anew
      if (++phase_ < phases_.size()) phase_end_ += phases_[phase_].length;
    }
  }

 private:
  const std::vector<Phase>& phases_;
  double per_second_;
  std::mt19937_64 random_;
  clock::time_point at_;
  clock::time_point phase_end_;
  std::size_t phase_ = 0;
};

struct Waiting {
  clock::time_point due;
  std::size_t phase = 0;
  const QuickAct* act = nullptr;
};

}  // namespace

std::uint64_t LoadReport::errors() const {
  return std::accumulate(refusals.begin(), refusals.end(), unanswered,
                         [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
}

std::uint64_t LoadReport::acts() const {
  return std::accumulate(times.begin(), times.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& entry) { return sum + entry.second.count(); });
}

void LoadReport::add(const LoadReport& other) {
  for (const auto& [name, histogram] : other.times) times[name].add(histogram);
  for (const auto& [name, count] : other.refusals) refusals[name] += count;
  skipped += other.skipped;
  unanswered += other.unanswered;
}

OpenLoop::OpenLoop(BenchHouse& house, std::vector<Phase> phases, std::uint64_t seed)
    : house_(house), phases_(std::move(phases)), seed_(seed) {}

void OpenLoop::add(const std::string& member, std::vector<QuickAct> acts) {
  clients_.push_back({member, std::move(acts)});
}

void OpenLoop::add(SlowAct act) { slow_.push_back(std::move(act)); }

void OpenLoop::run_client(const Client& client, std::uint64_t seed, clock::time_point start,
                          std::vector<LoadReport>& out) {
  auto connection = house_.connect(client.member);
  std::vector<double> rates;
  for (const QuickAct& act : client.acts) rates.push_back(act.per_second);
  Arrivals arrivals(phases_, std::accumulate(rates.begin(), rates.end(), 0.0), seed, start);
  std::discrete_distribution<std::size_t> choose(rates.begin(), rates.end());
  std::unordered_map<std::uint64_t, Waiting> waiting;
  std::uint64_t last_request = 0;

  const auto take = [&](const protocol::Reply& reply) {
    const auto found = waiting.find(reply.id);
    if (found == waiting.end()) return;
    const Waiting asked = found->second;
    waiting.erase(found);
    const auto* refusal = std::get_if<protocol::Refusal>(&reply.body);
    if (refusal != nullptr && !asked.act->refused_by_right) {
      ++out[asked.phase].refusals[asked.act->name + ": " + std::string(protocol::text_of(refusal->code))];
      return;
    }
    out[asked.phase].times[asked.act->name].add(clock::now() - asked.due);
    if (const auto* done = std::get_if<protocol::Accepted>(&reply.body)) accepted(done->exchange);
  };

  while (!arrivals.done()) {
    const QuickAct& act = client.acts[choose(arrivals.random())];
    auto body = act.make();  // ahead of time, so that sealing is not counted
    while (clock::now() < arrivals.due() || waiting.size() >= protocol::in_flight_max) {
      const auto rest = waiting.size() >= protocol::in_flight_max ? clock::duration(last_answers_wait)
                                                                  : arrivals.due() - clock::now();
      if (rest.count() <= 0) break;
      if (const auto reply = connection.receive(std::chrono::duration_cast<microseconds>(rest))) take(*reply);
    }
    if (!body) {
      ++out[arrivals.phase()].skipped;
    } else {
      waiting[++last_request] = {arrivals.due(), arrivals.phase(), &act};
      connection.send({last_request, *std::move(body)});
    }
    arrivals.step();
  }
  const auto deadline = clock::now() + last_answers_wait;
  while (!waiting.empty() && clock::now() < deadline)
    if (const auto reply = connection.receive(seconds(1))) take(*reply);
  for (const auto& [id, asked] : waiting) ++out[asked.phase].unanswered;
}

void OpenLoop::run_slow(const SlowAct& act, std::uint64_t seed, clock::time_point start,
                        std::vector<LoadReport>& out) const {
  for (Arrivals arrivals(phases_, act.per_second, seed, start); !arrivals.done(); arrivals.step()) {
    std::this_thread::sleep_until(arrivals.due());
    if (act.perform())
      out[arrivals.phase()].times[act.name].add(clock::now() - arrivals.due());
    else
      ++out[arrivals.phase()].refusals[act.name];
  }
}

std::vector<LoadReport> OpenLoop::run(const std::function<void(std::size_t)>& each_second) {
  std::vector<std::vector<LoadReport>> parts(clients_.size() + slow_.size(), std::vector<LoadReport>(phases_.size()));
  const auto start = clock::now() + seconds(1);
  std::vector<std::thread> threads;
  std::vector<std::string> problems(parts.size());
  const auto launch = [&](auto work) {
    const std::size_t i = threads.size();
    threads.emplace_back([this, i, work, &problems, &parts] {
      try {
        work(seed_ + i, parts[i]);
      } catch (const std::exception& problem) {
        problems[i] = problem.what();
      }
    });
  };
  for (const Client& client : clients_)
    launch([this, &client, start](std::uint64_t seed, auto& out) { run_client(client, seed, start, out); });
  for (const SlowAct& act : slow_)
    launch([this, &act, start](std::uint64_t seed, auto& out) { run_slow(act, seed, start, out); });
  std::size_t length = 0;
  for (const Phase& phase : phases_) length += static_cast<std::size_t>(phase.length.count());
  for (std::size_t second = 1; second <= length; ++second) {
    std::this_thread::sleep_until(start + seconds(second));
    each_second(second);
  }
  for (auto& thread : threads) thread.join();
  for (const std::string& problem : problems)
    if (!problem.empty()) throw std::runtime_error(problem);
  std::vector<LoadReport> out(phases_.size());
  for (const auto& part : parts)
    for (std::size_t i = 0; i < out.size(); ++i) out[i].add(part[i]);
  return out;
}

}  // namespace pli::bench
