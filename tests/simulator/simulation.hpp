// A whole département in one thread: the real gate's verification, core and store under a network, a disk, a clock,
// members and an adversary that one seed decides (docs/simulator.md). No wall clock, no sleep, no thread.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulator/dice.hpp"
#include "tests/simulator/model.hpp"
#include "tests/simulator/plan.hpp"
#include "tests/support/broker_house.hpp"
#include "tests/support/faulty_disk.hpp"
#include "tests/support/house_front.hpp"

namespace pli::testing {

/// What happened, for whoever asks whether enough did.
struct Tally {
  std::uint64_t steps = 0;
  std::uint64_t batches = 0;
  std::uint64_t messages = 0;
  std::uint64_t crashes = 0;
  std::uint64_t cut_in_commit = 0;  ///< crashes inside a batch
  std::uint64_t unsure = 0;         ///< of them, those whose batch stood there all the same
  std::uint64_t accepted = 0;
  std::uint64_t receipted = 0;
  std::uint64_t openings = 0;
  std::uint64_t read = 0;  ///< of them, those whose plaintext a member read
  std::uint64_t refusals = 0;
  std::uint64_t versions = 0;
  std::uint64_t shards = 0;
  void add(const Tally& more);
};

class Simulation {
 public:
  /// `trace` is told each event as a line; null = nobody.
  explicit Simulation(std::uint64_t seed, std::ostream* trace = nullptr);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  void perform(const Step& step);
  /// All faults end; whatever waits is answered, or somebody was let down.
  void settle();
  [[nodiscard]] const std::optional<Breach>& breach() const { return model_.breach(); }
  [[nodiscard]] Tally tally() const;
  /// Of all that happened: two runs of one plan have the same.
  [[nodiscard]] std::uint64_t trace_digest() const { return trace_digest_; }

 private:
  /// Before anything is drawn.
  struct Seeded {
    explicit Seeded(std::uint64_t seed);
  };
  /// What somebody wants an answer to.
  struct Ask {
    broker::Peer peer;
    std::string member;
    Bytes bytes;
    protocol::RequestBody body;
    int attempts = 0;
    bool kept = false;  ///< in an outbox: asked until there is an answer
    bool done = false;
    bool must_hold = false;  ///< nothing that may happen excuses a refusal
    std::function<void()> seal_anew;
  };
  struct Flying {
    broker::Peer peer;
    std::string member;
    Bytes bytes;
  };

  // Time and the network.
  void say(const std::string& line);
  void at(std::int64_t when, std::function<void()> what);
  void run_until(std::int64_t when);
  [[nodiscard]] UnixMillis broker_now() const { return {time_ + offset_}; }
  [[nodiscard]] std::int64_t delay(Dice& dice) const;
  void post(std::uint64_t ask);
  void fly_to_broker(const Flying& what, std::uint64_t fate);
  void fly_to_member(const broker::Peer& peer, protocol::Reply reply);
  void take_at_member(const broker::Peer& peer, const protocol::Reply& reply);
  void read_opened(Ask& ask, const protocol::Opened& opened);
  void refused(std::uint64_t number, Ask& ask, const protocol::Refusal& refusal);

  // The broker.
  void arrive(const Flying& what);
  void run_batch();
  void tick();
  void absorb();
  void tell(const broker::Outgoing& out, bool by_gate, std::int64_t after);
  void die(bool in_batch);
  void start();
  void stop_cleanly();
  void close_shard();
  void open_front();
  void follow_up(broker::BatchOutcome& outcome, std::int64_t after);
  [[nodiscard]] bool up() const { return front_ != nullptr; }
  /// A cut that was prepared has come.
  [[nodiscard]] bool power_is_gone() const { return cut_armed_ && disk_.failed(); }

  // Members.
  std::uint64_t ask(const std::string& member, protocol::RequestBody body, bool kept = false, int connection = 0);
  std::uint64_t ask_as(const broker::Peer& peer, const std::string& member, protocol::RequestBody body, bool kept);
  void submit(const std::string& member, Sealed sealed, bool kept, bool must_hold, std::function<void()> seal_anew,
              const Bytes& content);
  void send_draft(Draft draft, bool must_hold);
  [[nodiscard]] protocol::Open signed_open(const std::string& member, const std::string& signer,
                                           const protocol::ExchangeId& exchange, Dice& dice) const;
  void publish(broker::VerifiedPublish version);
  [[nodiscard]] std::vector<std::string> seated(const std::string& queue) const;
  [[nodiscard]] std::optional<protocol::ExchangeId> some_exchange(Dice& dice) const;
  [[nodiscard]] std::optional<protocol::ExchangeId> some_case(Dice& dice) const;

  void member_act(const Step& step, Dice& dice);
  void authority_act(const Step& step, Dice& dice);
  void hostile_act(const Step& step, Dice& dice);
  void world_act(const Step& step, Dice& dice);
  void look_with_real_clients();

  const std::uint64_t seed_;
  Seeded seeded_;
  std::ostream* trace_;
  std::uint64_t trace_digest_ = 0xCBF29CE484222325U;
  std::int64_t time_ = monday_morning.value;
  std::int64_t offset_ = 0;  ///< of the broker's clock
  std::map<std::pair<std::int64_t, std::uint64_t>, std::function<void()>> events_;
  std::uint64_t event_number_ = 0;
  std::uint64_t fate_ = 0;
  bool calm_ = false;
  std::int64_t waited_for_ = 0;  ///< in the calm, the time that the log has come to
  std::set<std::string> parted_;

  Department department_;
  FaultyDisk disk_;
  std::uint64_t free_bytes_ = 0;
  std::unique_ptr<BrokerHouse> house_;
  std::unique_ptr<HouseFront> front_;
  Model model_;
  std::uint64_t incarnation_ = 1;
  bool cut_armed_ = false;
  bool cut_before_reply_ = false;
  bool batch_due_ = false;
  std::int64_t free_at_ = 0;
  std::int64_t latency_ = 1;
  std::vector<broker::VerifiedRequest> inbox_;
  std::vector<broker::Outgoing> owed_;  ///< told before the power went, with nothing read back yet
  UnixMillis unsure_now_{};
  std::map<std::pair<broker::Peer, std::uint64_t>, std::shared_ptr<const protocol::Request>> asked_;

  std::map<std::uint64_t, Ask> asks_;
  std::uint64_t last_request_ = 0;
  std::vector<Flying> captured_;
  std::map<protocol::ExchangeId, Sealed> sealed_;
  std::map<protocol::ExchangeId, Bytes> contents_;
  std::map<std::string, std::pair<std::string, TreeSize>> known_;
  crypto::BoxPair session_;
  std::uint32_t release_epoch_ = 0;
  crypto::BoxPublic release_key_;
  std::uint64_t publishing_ = 0;  ///< the ask that carries a version; 0 = none
  int enrolled_ = 0;
  Tally tally_;
};

/// What became of one plan.
struct Outcome {
  std::optional<Breach> breach;
  Tally tally;
  std::uint64_t trace_digest = 0;
};
[[nodiscard]] Outcome simulate(std::uint64_t seed, const Plan& plan, std::ostream* trace = nullptr);

/// The smallest plan found that still breaks a promise: steps are left out greedily, halves first, one by one last.
/// `runs_max` simulations at most.
[[nodiscard]] Plan shrink(std::uint64_t seed, Plan plan, std::size_t runs_max = 400);

}  // namespace pli::testing
