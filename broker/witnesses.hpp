// The witnesses of the operator's policy, asked side by side, each by a thread of its own: one that is dead or slow
// keeps nobody from the others. What they answer is judged by audit/witness.hpp, whether it is enough by the policy.
// Thread: one owner (before it runs the publisher, whoever starts the broker).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "audit/witness.hpp"
#include "audit/witness_policy.hpp"
#include "base/clock.hpp"
#include "broker/hand_over.hpp"
#include "broker/witness_line.hpp"

namespace pli::broker {

struct WitnessTimes {
  WitnessLineTimes line;
  std::chrono::milliseconds compare = std::chrono::seconds(3);  ///< at start, all of them together
  /// One that failed is left alone for so long, twice as long each time.
  std::chrono::milliseconds pause = std::chrono::seconds(1);
  std::chrono::milliseconds pause_max = std::chrono::seconds(32);
};

class Witnesses {
 public:
  /// The proof that the tree of `newer` leaves extends that of `older`. Called by any of the threads.
  using Proofs = std::function<Result<std::vector<Digest>>(TreeSize older, TreeSize newer)>;

  /// A witness has cosigned what cannot stand beside our tree: stop and ask people.
  struct Alarm {
    std::string name;  ///< as the policy calls it
    audit::WitnessAlarm what{};
    std::string later;  ///< the origin of a shard after ours that it has cosigned, when that is what it knows
  };
  struct Round {
    std::string note;      ///< the checkpoint asked for, with the cosignatures there are so far
    bool quorum = false;   ///< they are those the policy demands
    bool settled = false;  ///< nobody who was asked has still to answer
    std::optional<Alarm> alarm;
  };

  /// `clock` outlives it. Errors: invalid_input (a witness without a URL, or with one that parse_witness_url refuses).
  [[nodiscard]] static Result<std::unique_ptr<Witnesses>> create(audit::WitnessPolicy policy, Proofs proofs,
                                                                 const Clock& clock, WitnessTimes times = {});
  ~Witnesses();
  Witnesses(const Witnesses&) = delete;
  Witnesses& operator=(const Witnesses&) = delete;

  /// P10: does any of them know a larger tree than ours of `own` leaves, or a leaf of a shard after ours? Says nothing
  /// of the log that is new: `checkpoint` is the one last written outside, each of `later` that of an empty tree.
  /// Waits for all, or for times.compare; who has not answered is told at its first answer. Once, before the first
  /// ask().
  [[nodiscard]] std::optional<Alarm> compare(const std::string& checkpoint, TreeSize own,
                                             std::vector<std::string> later);

  /// The same of `later` alone: before a store that is known to be short, or about to end its shard, is given a next
  /// one.
  [[nodiscard]] std::optional<Alarm> compare_later(std::vector<std::string> later);

  /// The tree has so many leaves now: a witness that knows no more than that has not seen us rolled back. Told before
  /// the receipts leave, whose checkpoint anybody may have cosigned. Any thread.
  void committed(TreeSize size);
  /// Called whenever a round has changed, from any of the threads. Before the first ask().
  void set_progress(std::function<void()> progress);
  /// Begins a round: asks for cosignatures of `checkpoint`, the newest of a tree of `size` leaves. What an earlier
  /// round has brought for the same one counts on, unless `anew` wants new times. Who failed and pauses is not asked.
  void ask(const std::string& checkpoint, TreeSize size, bool anew);
  [[nodiscard]] Round round() const;
  /// A round from its beginning to the quorum, to its last answer or to an alarm, at most `within`. Waits.
  [[nodiscard]] Round gather(const std::string& checkpoint, TreeSize size, std::chrono::milliseconds within);
  void hang_up();  ///< What is under way fails soon, and so does everything after. Any thread.
  /// Who does not cosign is not logged: whoever asks anew every time says it once. Before the first ask().
  void keep_quiet();

 private:
  struct Job {
    std::uint64_t round = 0;  ///< 0: compare
    std::string checkpoint;   ///< empty: nothing but what is later
    TreeSize size{};
    TreeSize own{};
  };
  struct Asked {
    explicit Asked(const WitnessUrl& url, WitnessLineTimes times) : line(url, times) {}
    WitnessLine line;
    std::thread thread;
    // Under the mutex:
    std::optional<Job> job;
    std::uint64_t pending = 0;  ///< the round it has still to answer in
    bool compared = false;
    std::optional<audit::NoteSignature> cosigned;  ///< of checkpoint_
    bool failing = false;
    std::chrono::milliseconds pause{};
    SteadyTime next_try{};
    // The thread's own:
    TreeSize stands_at{};  ///< as far as we know
    std::size_t later_asked = 0;
  };

  Witnesses(audit::WitnessPolicy policy, Proofs proofs, const Clock& clock, WitnessTimes times);
  [[nodiscard]] std::optional<Alarm> compare(const Job& job, std::vector<std::string> later);
  [[nodiscard]] bool is_quorum(const std::string& checkpoint) const;
  void run(std::size_t which);
  [[nodiscard]] Result<audit::WitnessReply> talk(Asked& witness, const audit::VerifierKey& key, const Job& job) const;
  /// The first of later_ it has cosigned a leaf of; each is asked about until it has been answered.
  [[nodiscard]] Result<std::optional<std::string>> find_later(Asked& witness, const audit::VerifierKey& key) const;
  void take(std::size_t which, const Job& job, const Result<audit::WitnessReply>& reply);

  const audit::WitnessPolicy policy_;
  const Proofs proofs_;
  const Clock& clock_;
  const WitnessTimes times_;
  std::vector<std::unique_ptr<Asked>> asked_;  ///< in the order of policy_.witnesses()

  mutable std::mutex mutex_;
  std::condition_variable wake_;    ///< of the threads
  std::condition_variable answer_;  ///< of compare() and gather()
  std::atomic<std::uint64_t> committed_{0};
  std::function<void()> progress_;
  bool ending_ = false;
  bool quiet_ = false;
  std::uint64_t answers_ = 0;
  std::uint64_t round_ = 0;
  std::string checkpoint_;
  std::optional<Alarm> alarm_;
  std::vector<std::string> later_;  ///< set before the first job, and no more after
};

/// For the operator.
[[nodiscard]] std::string to_text(const Witnesses::Alarm& alarm);

}  // namespace pli::broker
