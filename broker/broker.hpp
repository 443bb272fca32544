// The running broker: transport, gate, core and publisher, and what passes between them (design §3, §7).
// The loop in broker.cpp reads in the order of "Life of an exchange" (docs/architecture.md).
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "broker/check_store.hpp"
#include "broker/core.hpp"
#include "broker/gate.hpp"
#include "broker/hand_over.hpp"
#include "broker/publisher.hpp"
#include "broker/spool.hpp"
#include "broker/transport.hpp"
#include "broker/vitals.hpp"

namespace pli::broker {

struct BrokerSettings {
  TransportSettings transport;
  std::size_t threads = 1;  ///< of the gate
  std::uint64_t exchange_bytes_max = protocol::exchange_bytes_max;
  std::filesystem::path spool;
  SpoolLimits spool_limits;
  PublisherTimes publisher;
  std::chrono::milliseconds tick = std::chrono::minutes(1);
  std::chrono::milliseconds log_unavailable = std::chrono::minutes(1);  ///< how long it goes on saying so
  std::chrono::milliseconds self_test = std::chrono::seconds(5);
};

/// Why a broker cannot go on.
enum class Ending { none, log_unavailable, transport_failed, rolled_back, tiles_differ, damaged };

class Broker {
 public:
  /// Writes the core's newest checkpoint outside, binds, tests itself with an unknown key, serves, publishes. What is
  /// outside must have been compared with the store (demand_extension, TileFolder::open, Witnesses::compare). `core`
  /// and `clock` outlive it; the core is its alone. Errors: io_error, unavailable, authentication_failed (an unknown
  /// key got in); nothing was served then.
  [[nodiscard]] static Result<std::unique_ptr<Broker>> start(BrokerSettings settings, Core& core, ReleaseKeys keys,
                                                             Publication publication,
                                                             const crypto::SecretKey& curve_secret, const Clock& clock);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return transport_->endpoint(); }
  [[nodiscard]] TransportCounts counts() const { return transport_->counts(); }

  /// Of core and transport, for the operator's page: what the core last told, without asking it. Any thread.
  [[nodiscard]] Vitals vitals() const;

  /// Finishes what is under way, answers the rest STOPPED, publishes the last checkpoint.
  void stop();
  /// What the self-audit tells (self_audit.hpp); thread-safe. Of a breach the first counts: nothing is written any
  /// more, and the broker ends as after a failed log.
  void swept(UnixMillis at) { swept_at_ = at.value; }
  void damaged(const StoreProblem& problem) { inbox_.give(Damaged{problem}); }
  /// Readable when the broker cannot go on: stop() it and see ending().
  [[nodiscard]] int ended_fd() const { return ended_.fd(); }
  [[nodiscard]] Ending ending() const { return ending_; }
  [[nodiscard]] std::string ending_detail() const;  ///< of rolled_back and tiles_differ: what was found, and by whom

 private:
  struct Gone {
    Peer peer;
    std::optional<std::uint64_t> follow;  ///< this one alone
  };
  struct Published {
    std::string checkpoint;
  };
  struct Confirmed {
    std::string closed;
  };
  struct Strays {};  ///< look at strays_
  struct Damaged {
    StoreProblem problem;
  };
  using Event = std::variant<VerifiedRequest, Gone, Published, Confirmed, Strays, Damaged>;

  /// Whom a batch owes an answer, for when the log fails under it.
  struct Asked {
    Peer peer;
    std::uint64_t request = 0;
    bool health = false;
  };
  /// Parts of a submit that wait in the spool until it is accepted.
  struct Staged {
    crypto::CurvePublic owner;
    std::uint64_t request = 0;
    Digest locked{};
    Digest payload{};
  };

  Broker(BrokerSettings settings, Core& core, const Clock& clock, WakeFd ended);
  [[nodiscard]] Result<void> open(ReleaseKeys keys, Publication publication, const crypto::SecretKey& curve_secret);
  [[nodiscard]] std::unique_ptr<Publisher> make_publisher(Publication publication, std::string newest);
  [[nodiscard]] std::unique_ptr<EndedShards> make_ended(EndedShardsSettings settings);
  void count_stray(Unattributed::Reason reason);
  void end(Ending why);
  void end(Ending why, std::string detail);

  // The core's thread.
  void run();
  void add_strays(std::vector<VerifiedRequest>& batch);
  void apply(std::vector<VerifiedRequest> batch);
  void hand_out(BatchOutcome outcome, const std::vector<Staged>& staged);
  void complete_health(protocol::Health& health) const;
  [[nodiscard]] protocol::Health own_health() const;  ///< of the process alone: the core may contradict the disk now
  void tell();                                        ///< what vitals() gives from here on
  void fail(const Error& error);
  void stop_for(const StoreProblem& problem);
  void refuse_all(const std::vector<Asked>& asked);
  [[nodiscard]] protocol::ReplyBody health_of_the_process(const crypto::CurvePublic& asker) const;

  const BrokerSettings settings_;
  Core& core_;
  const Clock& clock_;
  const UnixMillis started_at_;
  const WakeFd ended_;
  std::atomic<Ending> ending_{Ending::none};
  mutable std::mutex ending_mutex_;
  std::string ending_detail_;  ///< under it
  std::atomic<std::int64_t> swept_at_{0};
  mutable std::mutex vitals_mutex_;
  Vitals vitals_;                                       ///< under it
  std::array<std::atomic<std::uint64_t>, 2> strays_{};  ///< by reason: counted, not yet given to the core

  HandOver<Event> inbox_;
  std::unique_ptr<DirectoryInForce> directory_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Verifier> verifier_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<EndedShards> ended_shards_;  ///< null where no ended shard is to be confirmed
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Transport> transport_;
  std::thread thread_;

  UnixMillis published_at_{};  ///< the core's thread's, like what follows
  bool log_failed_ = false;
  SteadyTime log_failed_at_{};
  std::string damage_;  ///< the broken invariant, when that is why
};

}  // namespace pli::broker
