// Who must have signed a checkpoint: policy files (C2SP tlog-policy.md; formats §9). Pure; safe on hostile input.
//   log <vkey> [<url>]
//   witness <name> <vkey> [<url>]
//   group <name> <k | any | all> <name>...
//   quorum <name | none>
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "audit/cosignature.hpp"

namespace pli::audit {

inline constexpr std::size_t policy_bytes_max = 256 * 1024;
inline constexpr std::size_t policy_logs_max = 64;
/// One note holds a line of the log and of every witness.
inline constexpr std::size_t policy_witnesses_max = note_signatures_max - 1;
inline constexpr std::size_t policy_groups_max = 64;
/// Names are opaque bytes, and so are URLs.
inline constexpr std::size_t policy_field_bytes_max = 1024;

using WitnessNames = std::set<std::string, std::less<>>;

class WitnessPolicy {
 public:
  struct Log {
    VerifierKey key;  ///< type 0x01; its name is an origin of the log's
    std::string url;  ///< empty when none is given
  };
  struct Witness {
    std::string name;  ///< means something in this file only
    VerifierKey key;   ///< type 0x04
    std::string url;
  };

  /// tlog-policy, "Policy file syntax and structure". Each name stands once among witnesses and groups, above its use,
  /// and is a member once at most; no key twice among the logs, nor among the witnesses, whatever the names.
  /// Errors: invalid_input, naming the line; over_limit.
  [[nodiscard]] static Result<WitnessPolicy> parse(std::string_view text);

  [[nodiscard]] const std::vector<Log>& logs() const { return logs_; }
  [[nodiscard]] const std::vector<Witness>& witnesses() const { return witnesses_; }
  [[nodiscard]] std::vector<VerifierKey> log_keys() const;
  /// The keys a checkpoint of `origin` may be signed by, named after it: a log line stands for every shard of its log
  /// (audit/shard_name.hpp).
  [[nodiscard]] std::vector<VerifierKey> log_keys_for(std::string_view origin) const;
  [[nodiscard]] std::vector<VerifierKey> witness_keys() const;                  ///< in the order of witnesses()
  [[nodiscard]] bool demands_witnesses() const { return quorum_.has_value(); }  ///< false for `quorum none`

  /// Do these witnesses, named as in this file, make the quorum (tlog-policy, "Defining a witness group")? Unknown
  /// names count for nothing. Cannot fail.
  [[nodiscard]] bool is_satisfied_by(const WitnessNames& cosigned) const;

 private:
  /// A witness (place in witnesses_) or a group (k of its members, which stand before it).
  struct Signer {
    std::string name;
    std::optional<std::size_t> witness;
    std::size_t threshold = 0;
    std::vector<std::size_t> members;
    bool is_member = false;
  };
  WitnessPolicy() = default;
  friend class PolicyParser;

  std::vector<Log> logs_;
  std::vector<Witness> witnesses_;
  std::vector<Signer> signers_;        ///< in the order of the file
  std::optional<std::size_t> quorum_;  ///< place in signers_; nothing for `none`
};

/// The witness, group and quorum lines of a policy file, in its order: one space between fields, no comment, no log
/// line. What an invitation carries; parses to the same witnesses and quorum. Errors: as WitnessPolicy::parse.
[[nodiscard]] Result<std::string> witness_lines(std::string_view policy_text);

/// The latest time at or after which so many of them cosigned that they make the quorum: one witness alone, however
/// fresh or wrong its clock, makes a quorum of two no younger. `cosigners` are places in policy.witnesses(). Nothing
/// where they are too few, or none is demanded.
[[nodiscard]] std::optional<UnixSeconds> quorum_time(const WitnessPolicy& policy,
                                                     const std::vector<Cosigner>& cosigners);

/// A checkpoint signed by one of the policy's logs, whose origin is that log's name or another shard of it, and
/// cosigned by its quorum (tlog-policy, "What is a policy?"). Cosigners are places in policy.witnesses(). Errors:
/// invalid_input (shape), authentication_failed (a signature, or too few of them).
[[nodiscard]] Result<CosignedCheckpoint> verify_checkpoint_by(const WitnessPolicy& policy, std::string_view note,
                                                              UnixSeconds now);

}  // namespace pli::audit
