// Whom the reader believes: given on the command line, never found in what is verified.
#pragma once

#include <variant>

#include "audit/witness_policy.hpp"
#include "verify/options.hpp"

namespace pli::verify {

struct Trust {
  /// A bare key is believed under any origin, a named one for every shard of its log.
  std::variant<crypto::SignPublic, audit::VerifierKey, audit::WitnessPolicy> whom;
  UnixMillis now;
  std::optional<std::uint64_t> max_age;  ///< seconds

  [[nodiscard]] const audit::WitnessPolicy* policy() const { return std::get_if<audit::WitnessPolicy>(&whom); }
  /// The keys a note of `origin` may be signed by, named after it.
  [[nodiscard]] std::vector<audit::VerifierKey> log_keys(const std::string& origin) const;
};

/// Errors: usage (a key or policy that is none), local.
[[nodiscard]] Outcome<Trust> read_trust(const Options& options, const Clock& clock);

/// The log's signature alone, whoever else signed: enough to hold the log to it.
[[nodiscard]] Outcome<audit::VerifiedCheckpoint> check_signature(const Trust& trust, const std::string& name,
                                                                 std::string_view note);
/// The log's signature; with a policy its witnesses' quorum, and the age of their newest line. What is found goes into
/// the report, under `name`.
[[nodiscard]] Outcome<audit::VerifiedCheckpoint> check_checkpoint(const Trust& trust, const std::string& name,
                                                                  std::string_view note, Report& report);

}  // namespace pli::verify
