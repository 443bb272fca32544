// The core: a batch of verified requests and a time go in, writes on one open transaction and replies come out
// (design §3, §7). No socket, no clock, no thread of its own; one thread owns it. One file for each verb: handle_*.cpp.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "audit/checkpoint.hpp"
#include "base/clock.hpp"
#include "broker/key_ring.hpp"
#include "broker/request.hpp"
#include "broker/store.hpp"
#include "protocol/limits.hpp"
#include "protocol/retention.hpp"
#include "protocol/shard_order.hpp"

namespace pli::broker {

/// How long a record's values are kept (docs/storage.md, "Erasure of the journal"); configurable between the two.
inline constexpr std::uint32_t journal_months_default = 36;
/// When in the day, Paris time, a collectivité is shown the retours of the day before (design §10).
inline constexpr int retour_hour_default = 17;
inline constexpr std::uint32_t journal_months_min = 6;
inline constexpr std::uint32_t journal_months_max = 60;

struct CoreSettings {
  std::string log;                       ///< origin without the shard
  std::string shard;                     ///< the log's first: "2026-1". Which one is open now, the store knows
  std::uint64_t exchange_bytes_max = 0;  ///< at most protocol::exchange_bytes_max
  std::uint64_t disk_reserve_bytes = protocol::disk_reserve_bytes;
  std::uint64_t bytes_per_day_max = protocol::bytes_per_day_max;  ///< accepted of one identity
  std::uint64_t acts_per_day_max = protocol::acts_per_day_max;    ///< leaves that one identity causes
  std::uint32_t journal_months = journal_months_default;  ///< a record is kept for so many, and at most one more
  protocol::Terms terms;                                  ///< how long cases are kept
  std::string legal_act;                                  ///< by which one of them is longer than its default
  std::optional<int> retour_hour;                         ///< 0 to 23; nothing: each is shown as it is accepted
};

/// What one batch did. `outgoing` may leave only because the commit has returned.
struct BatchOutcome {
  std::vector<Outgoing> outgoing;
  std::optional<std::string> checkpoint;                     ///< the batch's signed checkpoint, when leaves were added
  std::shared_ptr<const protocol::Directory> new_directory;  ///< when a version was accepted: for the gate and ZAP
  LeafIndex first_leaf{};                                    ///< of `leaves`
  std::vector<std::string> leaves;      ///< the batch's own, encoded: what its checkpoint adds to the one before
  std::uint64_t erased = 0;             ///< exchanges, by a tick
  bool terms_left = false;              ///< a tick has not looked at every case, or had no room for all that is due
  std::vector<ExchangeNumber> damaged;  ///< whose R was just found to open under no lease: for the operator's log
};

class Core {
 public:
  /// Reads tree edge, directory and counters. Errors: io_error, corruption.
  [[nodiscard]] static Result<std::unique_ptr<Core>> open(Store& store, KeyRing& keys, CoreSettings settings);
  virtual ~Core() = default;

  /// Decides, writes and commits one batch. After an error the store is closed for good: no reply may leave, and the
  /// broker answers LOG_UNAVAILABLE until it is opened anew. Thread: core only.
  [[nodiscard]] virtual Result<BatchOutcome> apply(std::vector<VerifiedRequest> batch, UnixMillis now) = 0;
  /// Minute work: counts of unattributed input become a leaf, key ring rotates, spent replay rows go. Once a minute and
  /// at start.
  [[nodiscard]] virtual Result<BatchOutcome> tick(UnixMillis now) = 0;
  /// A connection is gone; or it reads too slowly for this follow, which ends unless a newer one has replaced it.
  virtual void forget(const Peer& peer, std::optional<std::uint64_t> follow) = 0;
  /// A follower has credit and more to read than one batch gives: call catch_up() when there is nothing better to do.
  [[nodiscard]] virtual bool behind() const = 0;
  /// The next slice for those who are behind, in turn. Reads only. Errors: as apply().
  [[nodiscard]] virtual Result<std::vector<Outgoing>> catch_up(UnixMillis now) = 0;
  /// This checkpoint is published (design §8): durable outside, its tiles too, cosigned as the policy demands. `hello`
  /// and `checkpoint` serve the newest told here, or newest_checkpoint() to a client whose known size is beyond it and
  /// before anything was published; `prove` proves under it where it is asked to.
  virtual void published(const std::string& checkpoint) = 0;
  /// The closing checkpoint of an ended shard, cosigned: what stands there is proven under it from now on. Durable when
  /// it returns. Errors: as apply(); conflict (how no shard of this log ended), and nothing was written.
  [[nodiscard]] virtual Result<void> confirm_ended(const std::string& closed) = 0;

  [[nodiscard]] virtual std::shared_ptr<const protocol::Directory> directory() const = 0;
  [[nodiscard]] virtual std::string newest_checkpoint() const = 0;  ///< of the last commit, signed
  [[nodiscard]] virtual protocol::Health health(UnixMillis now) const = 0;
};

/// What is put to a store that is older than what was published.
struct Rollback {
  std::string last_known;  ///< the outside checkpoint, signed
  std::string order;       ///< the authority's, a note
};
/// What the authority is asked to sign. Errors: conflict (nothing was lost, or `last_known` is of another shard or
/// key), io_error, corruption.
[[nodiscard]] Result<protocol::RollbackRequest> rollback_request(Store& store, KeyRing& keys,
                                                                 const CoreSettings& settings,
                                                                 std::string_view last_known, UnixMillis now);
/// Closes the shard where the store stands and opens the next one, in one transaction: after a crash the loss is either
/// not accepted yet or the new shard is there whole. Open the core anew afterwards.
/// Errors: as rollback_request(); invalid_input, over_limit (not an order), authentication_failed (fewer than k of the
/// authorities in the store's directory signed it), conflict (an order of another rollback).
[[nodiscard]] Result<void> accept_rollback(Store& store, KeyRing& keys, const CoreSettings& settings,
                                           const Rollback& rollback, UnixMillis now);
/// Closes the shard complete and opens the next one: of this year. One transaction; open the core anew afterwards.
/// `closing` is the store's newest checkpoint, with the cosignatures there are. Errors: io_error, corruption,
/// over_limit (9,999 shards in a year), conflict (another checkpoint than the newest).
[[nodiscard]] Result<void> open_next_shard(Store& store, KeyRing& keys, const CoreSettings& settings,
                                           const std::string& closing, UnixMillis now);

/// First start of a log: first leaf, first directory version, first checkpoint, in one transaction.
[[nodiscard]] Result<void> initialise_store(Store& store, KeyRing& keys, const CoreSettings& settings,
                                            const VerifiedPublish& directory, const protocol::AuthoritySet& trusted,
                                            UnixMillis now);

}  // namespace pli::broker
