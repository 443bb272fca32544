#include "verify/trust.hpp"

#include <algorithm>

#include "audit/shard_name.hpp"
#include "crypto/base64.hpp"
#include "verify/folder.hpp"

namespace pli::verify {
namespace {

Refusal usage(std::string why) { return {Exit::usage, "whom to trust", std::move(why)}; }

/// Who cosigned when, and whether that is recent enough.
Outcome<void> check_cosigners(const Trust& trust, const std::string& name, const audit::CosignedCheckpoint& checkpoint,
                              Report& report) {
  const audit::WitnessPolicy& policy = *trust.policy();
  report.count(name + ".cosigned", checkpoint.cosigners().size());
  std::uint64_t seen = 0;  // by the quorum; by the last of them where none is demanded
  for (std::size_t i = 0; i < checkpoint.cosigners().size(); ++i) {
    const audit::Cosigner& cosigner = checkpoint.cosigners()[i];
    seen = std::max(seen, cosigner.time.value);
    report.say(name + ".cosigned." + std::to_string(i + 1),
               policy.witnesses()[cosigner.witness].key.name + " at " + utc_of_seconds(cosigner.time.value));
  }
  // One witness alone, however fresh, makes a quorum of two no younger.
  if (policy.demands_witnesses())
    seen = audit::quorum_time(policy, checkpoint.cosigners()).value_or(audit::UnixSeconds{}).value;
  const std::uint64_t now = audit::to_seconds(trust.now).value;
  const std::uint64_t age = now > seen ? now - seen : 0;
  if (seen != 0) report.count(name + ".age", age);
  if (!trust.max_age) return {};
  if (seen == 0) return Refusal{Exit::failed, name + " age", "no witness of the policy says when it saw it"};
  if (age > *trust.max_age) return Refusal{Exit::failed, name + " age", "the witnesses' quorum is too old"};
  return {};
}

/// What to add, where nobody the reader trusts signs for this log. The key is not for the note to say.
std::string no_key_for(const Trust& trust, const std::string& origin) {
  if (trust.policy() != nullptr)
    return "no log line of the policy is for this log: add `log " + origin + "+<id>+<key>`, its verifier key";
  return "the key given is another log's: this one's verifier key begins with " + origin + "+";
}

}  // namespace

std::vector<audit::VerifierKey> Trust::log_keys(const std::string& origin) const {
  if (const auto* bare = std::get_if<crypto::SignPublic>(&whom)) return {{origin, audit::KeyType::ed25519, *bare}};
  if (const auto* named = std::get_if<audit::VerifierKey>(&whom)) {
    const auto key = audit::log_key_for(*named, origin);
    return key ? std::vector{*key} : std::vector<audit::VerifierKey>();
  }
  return policy()->log_keys_for(origin);
}

Outcome<Trust> read_trust(const Options& options, const Clock& clock) {
  const UnixMillis now = options.now ? UnixMillis{static_cast<std::int64_t>(*options.now)} : clock.now();
  if (!options.policy.empty()) {
    auto text = read_named(options.policy, audit::policy_bytes_max);
    if (!text) return text.error();
    auto policy = audit::WitnessPolicy::parse(as_text(*text));
    if (!policy) return usage(policy.error().detail);
    if (policy->log_keys().empty()) return usage("the policy names no log");
    return Trust{*std::move(policy), now, options.max_age};
  }
  if (const auto hex = from_hex(options.log_key)) {
    const auto key = to_array<32>(*hex);
    if (!key) return usage("a log's key has 32 bytes");
    return Trust{crypto::SignPublic{*key}, now, options.max_age};
  }
  auto key = audit::parse_verifier_key(options.log_key);
  if (!key) return usage(key.error().detail);
  if (key->type != audit::KeyType::ed25519) return usage("the key of a witness, not of a log");
  return Trust{*std::move(key), now, options.max_age};
}

Outcome<audit::VerifiedCheckpoint> check_signature(const Trust& trust, const std::string& name, std::string_view note) {
  const auto parsed = audit::parse_note(note);
  if (!parsed) return refuse(name, parsed.error());
  const auto head = audit::parse_tree_head(parsed->text);
  if (!head) return refuse(name, head.error());
  Refusal refusal{Exit::failed, name + " signature", no_key_for(trust, head->origin)};
  for (const audit::VerifierKey& key : trust.log_keys(head->origin)) {
    auto checkpoint = audit::verify_checkpoint(note, key);
    if (checkpoint) return *std::move(checkpoint);
    refusal.why = checkpoint.error().detail;
  }
  return refusal;
}

Outcome<audit::VerifiedCheckpoint> check_checkpoint(const Trust& trust, const std::string& name, std::string_view note,
                                                    Report& report) {
  auto checkpoint = check_signature(trust, name, note);
  if (!checkpoint) return checkpoint;
  report.say(name + ".origin", checkpoint->head().origin);
  report.count(name + ".size", checkpoint->size().value);
  report.say(name + ".root", crypto::to_base64(checkpoint->root()));
  if (trust.policy() == nullptr) return checkpoint;
  const auto cosigned = audit::verify_checkpoint_by(*trust.policy(), note, audit::to_seconds(trust.now));
  if (!cosigned) return refuse(name + " witnesses", cosigned.error());
  if (auto recent = check_cosigners(trust, name, *cosigned, report); !recent) return recent.error();
  return cosigned->checkpoint();
}

}  // namespace pli::verify
