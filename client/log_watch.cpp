#include "client/log_watch.hpp"

#include <algorithm>
#include <utility>

#include "audit/evidence.hpp"
#include "audit/inclusion.hpp"
#include "audit/text_lines.hpp"
#include "client/alarm.hpp"
#include "client/client_store.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

/// How often another program of this profile may move the checkpoint between our reading and writing it.
constexpr int attempts_max = 8;

std::string evidence(std::string_view first, std::string_view second) {
  return audit::to_text(audit::Evidence{std::string(first), std::string(second)});
}

}  // namespace

bool is_shard_of(std::string_view origin, std::string_view log) {
  if (!audit::take_prefix(origin, log) || !audit::take_prefix(origin, "/")) return false;
  const std::size_t dash = origin.find('-');
  if (dash == std::string_view::npos) return false;
  const auto year = audit::parse_decimal(origin.substr(0, dash));
  const auto number = audit::parse_decimal(origin.substr(dash + 1));
  return year && number && *year >= 2000 && *year <= 9999 && *number >= 1;
}

audit::VerifierKey log_verifier(std::string_view origin, const crypto::SignPublic& log_key) {
  return {std::string(origin), audit::KeyType::ed25519, log_key};
}

Outcome<audit::VerifiedCheckpoint> verify_log_note(std::string_view note, std::string_view log,
                                                   const crypto::SignPublic& log_key) {
  auto shape = audit::parse_note(note);
  if (!shape) return local(LocalCode::receipt_invalid, shape.error());
  auto head = audit::parse_tree_head(shape->text);
  if (!head) return local(LocalCode::receipt_invalid, head.error());
  if (!is_shard_of(head->origin, log)) return Failure(LocalCode::receipt_invalid, "a checkpoint of another log");
  auto verified = audit::verify_checkpoint(note, log_verifier(head->origin, log_key));
  if (!verified) return local(LocalCode::receipt_invalid, verified.error());
  return std::move(*verified);
}

LogWatch::LogWatch(const Profile& profile, const protocol::Invitation& invitation)
    : profile_(profile), log_(invitation.log), log_key_(invitation.log_key), witnesses_(profile, invitation) {}

Outcome<void> LogWatch::load(UnixMillis now) {
  if (auto loaded = witnesses_.load(now); !loaded) return loaded;
  auto stored = profile_.store().checkpoint();
  if (!stored) return local(LocalCode::local_store, stored.error());
  if (!*stored) {
    last_.reset();
    return {};
  }
  auto verified = verify_log_note(**stored, log_, log_key_);
  if (!verified) return Failure(LocalCode::local_store, "the checkpoint kept in state.db does not verify");
  last_ = std::move(*verified);
  return {};
}

Failure LogWatch::forked(std::string_view first, std::string_view second, const char* words) const {
  return raise_alarm(profile_,
                     {LocalCode::log_forked, words, profile_.keep_evidence("log-forked", evidence(first, second))});
}

Failure LogWatch::shrunk(std::string_view first, std::string_view second) const {
  return raise_alarm(profile_, {LocalCode::log_shrunk, "the log is smaller than it was",
                                profile_.keep_evidence("log-shrunk", evidence(first, second))});
}

Outcome<void> LogWatch::advance(std::string_view note, TreeSize from, std::span<const Digest> consistency,
                                UnixMillis now) {
  auto verified = verify_log_note(note, log_, log_key_);
  if (!verified) return verified.error();
  auto cosignatures = witnesses_.read(*verified, now);
  if (!cosignatures) return cosignatures.error();
  auto compared = extend(*verified, from, consistency, now);
  if (!compared) return compared.error();
  if (!*compared) return {};
  auto taken = witnesses_.take(*verified, *cosignatures);
  shown_ = std::move(*verified);
  return taken;
}

Outcome<bool> LogWatch::extend(const audit::VerifiedCheckpoint& verified, TreeSize from,
                               std::span<const Digest> consistency, UnixMillis now) {
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    if (last_) {
      const audit::VerifiedCheckpoint& last = *last_;
      if (verified.head().origin != last.head().origin)
        return forked(last.note(), verified.note(),
                      "another shard of the log without an order to close the one before");
      if (verified.size() < from) return shrunk(last.note(), verified.note());
      // Another program of this profile may have gone further than the size we asked from, or than this note.
      if (last.size() == from) {
        if (!audit::verify_consistency(last.size(), last.root(), verified.size(), verified.root(), consistency))
          return forked(last.note(), verified.note(), "the log does not extend what it was");
      } else if (last.size() == verified.size()) {
        if (last.root() != verified.root()) return forked(last.note(), verified.note(), "two roots of one size");
        return true;
      } else {
        // To be compared with the proof it needs.
        if (auto noted = note_foreign(verified, now); !noted) return noted.error();
        return false;
      }
      if (last.size() == verified.size()) return true;  // nothing new
    } else if (from.value != 0) {
      return Failure(LocalCode::local_store, "the checkpoint asked from is gone");
    }
    const auto previous = last_ ? std::optional<std::string>(last_->note()) : std::nullopt;
    auto written = profile_.store().set_checkpoint(previous, verified.note());
    if (written) {
      last_ = verified;
      return true;
    }
    if (written.error().code != Errc::conflict) return local(LocalCode::local_store, written.error());
    if (auto reloaded = load(now); !reloaded) return reloaded.error();
  }
  return Failure(LocalCode::local_store, "another program keeps moving the checkpoint");
}

Outcome<void> LogWatch::note_foreign(std::string_view note, UnixMillis now) {
  auto verified = verify_log_note(note, log_, log_key_);
  if (!verified) return verified.error();
  return note_foreign(*verified, now);
}

Outcome<void> LogWatch::note_foreign(const audit::VerifiedCheckpoint& verified, UnixMillis now) {
  if (last_ && verified.size() == last_->size() && verified.root() == last_->root() &&
      verified.head().origin == last_->head().origin)
    return {};
  if (verified.size().value == 0) return {};  // every log extends the empty one
  auto added = profile_.store().add_foreign({verified.size(), verified.root(), verified.note(), now});
  if (!added) return local(LocalCode::local_store, added.error());
  return {};
}

Outcome<void> LogWatch::compare_foreign(const Ask& ask, UnixMillis now) {
  auto waiting = profile_.store().foreign_checkpoints();
  if (!waiting) return local(LocalCode::local_store, waiting.error());
  for (const ForeignCheckpoint& foreign : *waiting) {
    // It stands as evidence now. Kept among those to compare it would close every later session to us, and with it the
    // way to the auditors.
    const auto condemn = [&](Failure failure) {
      if (auto dropped = profile_.store().condemn_foreign(foreign); !dropped)
        return local(LocalCode::local_store, dropped.error());
      return failure;
    };
    auto theirs = verify_log_note(foreign.note, log_, log_key_);
    if (!theirs) return Failure(LocalCode::local_store, "a checkpoint kept in state.db does not verify");
    if (last_ && theirs->head().origin != last_->head().origin)
      return condemn(
          forked(last_->note(), theirs->note(), "another shard of the log without an order to close the one before"));
    if (!last_ || theirs->size() > last_->size()) {
      // Receipts leave before their checkpoint is published: only time tells a late log from a rolled back one.
      const bool late =
          now - foreign.seen_at > foreign_grace && witnesses_.published_after(foreign.seen_at + foreign_grace);
      if (last_ && late) return condemn(shrunk(theirs->note(), last_->note()));
      continue;
    }
    if (theirs->size() == last_->size()) {
      if (theirs->root() != last_->root())
        return condemn(forked(last_->note(), theirs->note(), "two roots of one size"));
    } else {
      auto answer = ask(theirs->size());
      if (!answer) return answer.error();
      auto now_shown = verify_log_note(answer->checkpoint, log_, log_key_);
      if (!now_shown) return now_shown.error();
      if (now_shown->size() < last_->size()) return shrunk(last_->note(), now_shown->note());
      if (now_shown->head().origin != last_->head().origin ||
          !audit::verify_consistency(theirs->size(), theirs->root(), now_shown->size(), now_shown->root(),
                                     answer->consistency))
        return condemn(
            forked(theirs->note(), now_shown->note(), "a checkpoint the log signed is no part of what it shows now"));
      // What it shows now has to extend ours too, or two proofs of two logs would pass for one.
      if (!(now_shown->size() == last_->size() && now_shown->root() == last_->root()))
        if (auto extended = extend_to(*now_shown, ask, now); !extended) return extended;
    }
    if (auto dropped = profile_.store().forget_foreign(foreign); !dropped)
      return local(LocalCode::local_store, dropped.error());
  }
  return {};
}

Outcome<void> LogWatch::extend_to(const audit::VerifiedCheckpoint& shown, const Ask& ask, UnixMillis now) {
  if (shown.size() == last_->size()) return forked(last_->note(), shown.note(), "two roots of one size");
  // The log may have grown once more meanwhile: then that larger checkpoint becomes ours, and `shown` is compared with
  // it the next time round.
  const TreeSize from = last_->size();
  auto answer = ask(from);
  if (!answer) return answer.error();
  if (auto advanced = advance(answer->checkpoint, from, answer->consistency, now); !advanced) return advanced;
  if (last_->size() == shown.size()) {
    if (last_->root() != shown.root()) return forked(last_->note(), shown.note(), "two roots of one size");
    return {};
  }
  return note_foreign(shown, now);
}

}  // namespace pli::client
