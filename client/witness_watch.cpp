#include "client/witness_watch.hpp"

#include <algorithm>
#include <chrono>

#include "client/client_store.hpp"
#include "client/log_watch.hpp"
#include "protocol/limits.hpp"
#include "protocol/shard_order.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

/// What our clock and the witnesses' may differ by; a broker is not accused for that.
constexpr std::chrono::seconds clocks_apart_max{audit::cosignature_ahead_seconds_max};

UnixMillis to_millis(audit::UnixSeconds time) { return {static_cast<std::int64_t>(time.value) * 1000}; }

Failure stale(const char* words) { return {LocalCode::log_stale, words}; }
Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

}  // namespace

Outcome<Cosignatures> read_cosignatures(std::string_view note, const audit::VerifierKey& log,
                                        const audit::WitnessPolicy& policy, UnixMillis now) {
  const auto cosigned = audit::verify_cosigned_checkpoint(note, log, policy.witness_keys(), audit::to_seconds(now));
  if (!cosigned) return local(LocalCode::receipt_invalid, cosigned.error());
  Cosignatures out;
  for (const audit::Cosigner& cosigner : cosigned->cosigners())
    out.by.push_back({policy.witnesses()[cosigner.witness].name, to_millis(cosigner.time)});
  if (const auto time = audit::quorum_time(policy, cosigned->cosigners())) out.quorum_at = to_millis(*time);
  return out;
}

Standing standing_at(std::optional<UnixMillis> quorum_at, UnixMillis now) {
  if (!quorum_at || now - *quorum_at > protocol::cosigned_age_max) return Standing::stale;
  return now - *quorum_at > protocol::cosigned_age_warned ? Standing::ageing : Standing::fresh;
}

WitnessWatch::WitnessWatch(const Profile& profile, const protocol::Invitation& invitation)
    : profile_(profile), log_(invitation.log), log_key_(invitation.log_key), lines_(invitation.witnesses) {}

Outcome<void> WitnessWatch::load(UnixMillis now) {
  kept_.reset();
  if (lines_.empty()) return {};
  auto policy = audit::WitnessPolicy::parse(lines_);
  if (!policy) return local(LocalCode::no_invitation, policy.error());
  policy_ = std::move(*policy);
  auto note = profile_.store().cosigned_checkpoint();
  if (!note) return store_failure(note.error());
  if (!*note) return {};
  auto checkpoint = verify_log_note(**note, log_, log_key_);
  if (!checkpoint) return Failure(LocalCode::local_store, "the cosigned checkpoint kept in state.db does not verify");
  const std::string& origin = checkpoint->head().origin;
  auto cosignatures = read_cosignatures(**note, log_verifier(origin, log_key_), *policy_, now);
  // Another policy may know a witness the former one did not, and take its line for a bad one.
  if (cosignatures && cosignatures->quorum_at)
    kept_ = CosignedHead{origin, checkpoint->size(), *cosignatures->quorum_at};
  return {};
}

Standing WitnessWatch::standing(UnixMillis now) const {
  if (!demanded()) return Standing::unwitnessed;
  return standing_at(kept_ ? std::optional(kept_->at) : std::nullopt, now);
}

Outcome<Cosignatures> WitnessWatch::read(const audit::VerifiedCheckpoint& checkpoint, UnixMillis now) const {
  if (!policy_) return Cosignatures{};
  auto read = read_cosignatures(checkpoint.note(), log_verifier(checkpoint.head().origin, log_key_), *policy_, now);
  if (!read) {
    Failure failure = read.error();
    failure.evidence = profile_.keep_evidence("cosignature", checkpoint.note());
    return failure;
  }
  return read;
}

Outcome<void> WitnessWatch::take(const audit::VerifiedCheckpoint& checkpoint, const Cosignatures& cosignatures) {
  shown_.reset();
  if (!cosignatures.quorum_at) return {};
  shown_ = CosignedHead{checkpoint.head().origin, checkpoint.size(), *cosignatures.quorum_at};
  const bool newer = !kept_ || shown_->at > kept_->at || (shown_->at == kept_->at && shown_->size > kept_->size);
  if (!newer) return {};
  if (auto written = profile_.store().set_cosigned_checkpoint(shown_->at, checkpoint.note()); !written)
    return store_failure(written.error());
  kept_ = shown_;
  return {};
}

Outcome<void> WitnessWatch::check_shown(std::chrono::milliseconds age_max, UnixMillis now) const {
  if (!demanded()) return {};
  if (!shown_) return stale("the witnesses' quorum has not cosigned the newest published checkpoint");
  if (now - shown_->at > age_max) return stale("the newest published checkpoint was cosigned too long ago");
  return {};
}

bool WitnessWatch::published_after(UnixMillis time) const {
  return !demanded() || (shown_ && shown_->at > time + clocks_apart_max);
}

Outcome<void> WitnessWatch::check_sealing(const std::optional<DirectoryPlace>& place, UnixMillis now) const {
  if (!demanded()) return {};
  if (!kept_) return stale("the witnesses' quorum never cosigned a checkpoint we were shown");
  if (standing(now) == Standing::stale) return stale("the last checkpoint the witnesses' quorum cosigned is too old");
  if (!place) return stale("the directory's place in the log is not known");
  if (protocol::shard_of(place->origin, log_) > protocol::shard_of(kept_->origin, log_))
    return stale("the witnesses' quorum has cosigned nothing yet of the shard that holds the directory's version");
  // An earlier shard's last tree is named in the first leaf of the one the witnesses cosign.
  if (place->origin == kept_->origin && place->leaf.value >= kept_->size.value)
    return stale("the witnesses' quorum has cosigned no checkpoint that holds the directory's version yet");
  auto waiting = profile_.store().foreign_checkpoints();
  if (!waiting) return store_failure(waiting.error());
  if (std::any_of(waiting->begin(), waiting->end(), [&](const ForeignCheckpoint& foreign) {
        return foreign.size == place->size && foreign.root == place->root;
      }))
    return stale("the checkpoint that proves the directory's version has not been compared with the log yet");
  return {};
}

}  // namespace pli::client
