// The broker's secrets while it runs (design §4, §9): CURVE and log keys, the release keys of the months, the weekly
// lease keys and the monthly record keys. On disk each is boxed under the start-up secret, in a key folder outside the
// data folder; the lease file is kept twice, on two media where there are two.
// Release keys are read by the gate's and the health page's threads too, and `for_checking` by the self-audit's;
// everything else is the core's.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "crypto/boxed_key.hpp"
#include "crypto/release_share.hpp"
#include "crypto/sign.hpp"

namespace pli::broker {

struct KeyPaths {
  std::filesystem::path folder;       ///< "curve.key" (X25519 secret), "log.key" (Ed25519 seed), "release-YYYYMM.key":
                                      ///< 32 bytes each, boxed as "curve", "log", "release-YYYYMM"; an empty
                                      ///< "release-YYYYMM.gone" for each destroyed
  std::filesystem::path leases;       ///< first copy
  std::filesystem::path leases_copy;  ///< second copy
};

/// Reads exactly 32 bytes from a file descriptor or file and closes it. Errors: invalid_input, io_error.
[[nodiscard]] Result<crypto::SecretKey> read_startup_secret(int fd);

/// year·100 + month, UTC.
[[nodiscard]] std::uint32_t month_of(UnixMillis time);

/// u8 1 ‖ u64 generation ‖ u16 n × (u32 id ‖ u64 made-at ms ‖ key 32) leases ‖ u16 n × (u32 month ‖ key 32) record keys
/// ‖ u32 n × (exchange id 32 ‖ u64 erased-at ms): boxed whole as "leases" (crypto/boxed_key.hpp).
/// Erasures that a lease file names, at most. With so many it has 11 MB, and none of more than 16 MiB is read.
inline constexpr std::size_t erasures_named_max = 200'000;

struct LeaseFile {
  struct Lease {
    std::uint32_t id = 0;
    UnixMillis made_at{};
    crypto::SecretKey key;
  };
  struct RecordKey {
    std::uint32_t month = 0;
    crypto::SecretKey key;
  };
  struct Erased {
    Digest exchange{};
    UnixMillis at{};
  };
  std::uint64_t generation = 0;
  std::vector<Lease> leases;
  std::vector<RecordKey> record_keys;
  std::vector<Erased> erased;
  [[nodiscard]] std::optional<ByteView> lease(std::uint32_t id) const;
  [[nodiscard]] std::optional<ByteView> record_key(std::uint32_t month) const;
  /// Of a month before this one the key was destroyed at the journal's term, or there never was one.
  [[nodiscard]] std::uint32_t oldest_record_month() const;
};

/// What the rows of a store are checked under.
struct CheckKeys {
  std::shared_ptr<const LeaseFile> leases;
  crypto::SignPublic log;
};
[[nodiscard]] crypto::SecretKey encode(const LeaseFile& file);
[[nodiscard]] Result<LeaseFile> decode_lease_file(ByteView bytes);

class KeyRing {
 public:
  /// Makes the lease file and the first release key. The CURVE and log keys are there already (`pli init`).
  [[nodiscard]] static Result<void> create(const KeyPaths& paths, const crypto::SecretKey& startup, UnixMillis now);
  /// The newer of the two lease copies wins. Changes nothing on disk: whoever only looks on stops here
  /// (`pli-broker check`). Errors: not_found, authentication_failed (another start-up secret), corruption, conflict (a
  /// file named like a release key is none of this broker's; it is named).
  [[nodiscard]] static Result<std::unique_ptr<KeyRing>> read(const KeyPaths& paths, crypto::SecretKey startup);
  /// Before a broker's first batch: mends a missing, damaged or older lease copy and makes the month's release key.
  /// Errors: io_error.
  [[nodiscard]] Result<void> prepare(UnixMillis now);
  /// Both, one after the other.
  [[nodiscard]] static Result<std::unique_ptr<KeyRing>> open(const KeyPaths& paths, crypto::SecretKey startup,
                                                             UnixMillis now);

  [[nodiscard]] const crypto::SecretKey& curve_secret() const { return curve_; }
  [[nodiscard]] const crypto::SigningKey& log_key() const { return log_; }
  /// As both copies on disk have them. Thread-safe.
  [[nodiscard]] CheckKeys for_checking() const;

  struct ReleasePair {
    std::uint32_t epoch = 0;
    crypto::BoxPublic public_key;
  };
  /// The month's pair, made and fsynced when it is the first of the month. A number whose key was destroyed is never
  /// used again: what was sealed under it is STALE_DIRECTORY, never opened with another key.
  [[nodiscard]] Result<ReleasePair> current_release(UnixMillis now);
  /// X25519 with the epoch's secret. Errors: not_found when the epoch is gone, invalid_input for a bad key.
  /// Thread-safe.
  [[nodiscard]] Result<crypto::BoxKey> release_shared(std::uint32_t epoch, const crypto::BoxPublic& session) const;
  [[nodiscard]] std::optional<crypto::BoxPublic> release_public(std::uint32_t epoch) const;
  /// When the newest release key will be destroyed; 0 when there is none. Thread-safe.
  [[nodiscard]] UnixMillis newest_release_ends_at() const;

  struct LeaseRef {
    std::uint32_t id = 0;
    ByteView key;
  };
  /// A new key is on both copies before it is used. One made more than clock_back_max ahead of `now` is replaced.
  [[nodiscard]] Result<LeaseRef> current_lease(UnixMillis now);
  [[nodiscard]] UnixMillis newest_lease_made_at() const { return leases_.leases.back().made_at; }
  [[nodiscard]] std::optional<ByteView> lease(std::uint32_t id) const { return leases_.lease(id); }
  [[nodiscard]] std::uint32_t newest_lease() const { return leases_.leases.back().id; }
  struct RecordKeyRef {
    std::uint32_t month = 0;
    ByteView key;
  };
  [[nodiscard]] Result<RecordKeyRef> current_record_key(UnixMillis now);
  [[nodiscard]] std::optional<ByteView> record_key(std::uint32_t month) const { return leases_.record_key(month); }
  [[nodiscard]] std::uint32_t oldest_record_month() const { return leases_.oldest_record_month(); }
  /// Destroys, in both copies, the keys of all months before this one. Errors: io_error, after which they may be gone
  /// from one copy and not the other.
  [[nodiscard]] Result<void> drop_record_keys_before(std::uint32_t month);

  /// On both copies before the erasure itself: whatever stops in between, `restore` and the next start know of it. One
  /// is forgotten once no lease made before it is alive: then no backup that holds it opens. Errors: io_error,
  /// over_limit (more than there is room for: nothing is written).
  [[nodiscard]] Result<void> record_erased(const std::vector<Digest>& exchanges, UnixMillis now);
  /// How many more it takes; room comes back as leases are destroyed.
  [[nodiscard]] std::size_t erasure_room() const;
  [[nodiscard]] const std::vector<LeaseFile::Erased>& erased() const { return leases_.erased; }

  /// Destroys what has had its time: release secrets five weeks after their month's end, lease keys five weeks after
  /// they were made. A lease with an id from `lease_still_used` on stays whatever its age: a broker that was down for
  /// longer re-encrypts first. So does one of `kept`. Errors: io_error, after which the keys may be gone from one copy
  /// and not the other.
  [[nodiscard]] Result<void> retire(UnixMillis now, std::uint32_t lease_still_used,
                                    const std::set<std::uint32_t>& kept = {});

 private:
  KeyRing() = default;
  [[nodiscard]] Result<void> write_leases();
  void share_leases();
  void forget_erased();
  [[nodiscard]] Result<void> destroy_release(std::uint32_t epoch) const;
  KeyPaths paths_;
  crypto::SecretKey startup_;
  crypto::SecretKey curve_;
  crypto::SigningKey log_ = crypto::SigningKey::generate();
  mutable std::mutex release_mutex_;
  std::map<std::uint32_t, crypto::BoxPair> release_;
  std::set<std::uint32_t> gone_;  ///< months whose release key was destroyed
  LeaseFile leases_;
  mutable std::mutex shared_mutex_;
  std::shared_ptr<const LeaseFile> shared_;  ///< a copy, never changed
  bool copies_agree_ = false;
};

}  // namespace pli::broker
