#include "client/log_watch.hpp"

#include <algorithm>
#include <utility>

#include "audit/evidence.hpp"
#include "audit/inclusion.hpp"
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

/// A refusal that is about the shard. One that is about us, or only about now, says nothing of the log.
bool shows_no_end(const Failure& failure) {
  return exit_class(failure) == ExitClass::refused && !is(failure, protocol::Code::revoked) &&
         !is(failure, protocol::Code::unknown_key);
}

/// Witnesses sign what is published and nothing else. Without any it cannot be told.
bool was_published(std::string_view note) {
  const auto shape = audit::parse_note(note);
  return shape && shape->signatures.size() > 1;
}

std::string end_of(std::string_view known, const protocol::ShardReply& reply) {
  std::string text =
      "pli-evidence/1\nHow a shard of the log was ended, as it was shown, and what was verified of it.\n";
  const auto part = [&](const char* name, std::string_view note) {
    text += "\n---- ";
    text += name;
    text += "\n";
    text += note;
  };
  part("known", known);
  part("closed", reply.closed);
  if (!reply.last_known.empty()) part("last known", reply.last_known);
  if (!reply.order.empty()) part("order", reply.order);
  part("first leaf", reply.first.leaf);
  part("opened", reply.first.checkpoint);
  return text;
}

}  // namespace

bool is_shard_of(std::string_view origin, std::string_view log) { return protocol::shard_of(origin, log).has_value(); }

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
    : profile_(profile),
      invitation_(invitation),
      log_(invitation.log),
      log_key_(invitation.log_key),
      witnesses_(profile, invitation) {}

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

bool LogWatch::is_of_this_shard(std::string_view note) const {
  if (!last_) return true;
  auto verified = verify_log_note(note, log_, log_key_);
  return verified && verified->head().origin == last_->head().origin;
}

Outcome<std::vector<ShardPassed>> LogWatch::pass_shards(std::string_view shown, const AskShard& ask,
                                                        const protocol::AuthoritySet& authorities, UnixMillis now) {
  auto target = verify_log_note(shown, log_, log_key_);
  if (!target) return target.error();
  const auto goal = protocol::shard_of(target->head().origin, log_);
  std::vector<ShardPassed> passed;
  for (std::size_t steps = 0; last_ && last_->head().origin != target->head().origin; ++steps) {
    const audit::VerifiedCheckpoint ours = *last_;
    const std::string origin = ours.head().origin;
    if (steps == shards_passed_max)
      return Failure(LocalCode::unreachable, "more shards than one session passes: the next goes on from here");
    if (protocol::shard_of(origin, log_) >= goal)
      return forked(ours.note(), shown, "another shard of the log without an order to close the one before");
    auto reply = ask(origin, ours.size());
    if (!reply && !shows_no_end(reply.error())) return reply.error();
    if (!reply) return forked(ours.note(), shown, "another shard of the log without an order to close the one before");
    const std::string evidence = end_of(ours.note(), *reply);
    const auto contradiction = [&](const std::string& words) {
      return raise_alarm(profile_, {LocalCode::log_forked, words, profile_.keep_evidence("log-forked", evidence)});
    };
    auto step = verify_shard_step(*reply, origin, invitation_, authorities);
    if (!step) return contradiction(step.error().detail);
    if (compare_with_end(*step, ours.size(), ours.root(), reply->consistency) == AtItsEnd::contradicts)
      return contradiction("a shard that did not end with what was verified of it");
    if (step->rolled_back())
      static_cast<void>(raise_alarm(profile_, {LocalCode::log_rolled_back, "the log was rolled back by order",
                                               profile_.keep_evidence("log-rolled-back", evidence)}));
    ClosedShard closed;
    closed.origin = origin;
    closed.closed = {step->closed.size(), step->closed.root()};
    if (step->last_known) closed.last = protocol::TreeMark{step->last_known->size(), step->last_known->root()};
    closed.order = step->order;
    closed.opened = step->opened.head().origin;
    closed.directory = step->directory;
    closed.passed_at = now;
    auto kept = profile_.store().pass_shard(ours.note(), closed, step->opened.note());
    if (!kept && kept.error().code != Errc::conflict) return local(LocalCode::local_store, kept.error());
    if (!kept) {  // another program of this profile was faster
      if (auto reloaded = load(now); !reloaded) return reloaded.error();
      continue;
    }
    last_ = step->opened;
    passed.push_back({closed.origin, closed.opened, step->rolled_back()});
  }
  return passed;
}

Outcome<LogWatch::Past> LogWatch::compare_past(const audit::VerifiedCheckpoint& theirs, UnixMillis seen_at,
                                               const AskShard& ask_shard, const protocol::AuthoritySet& authorities,
                                               UnixMillis now) {
  const std::string& origin = theirs.head().origin;
  if (!last_ || protocol::shard_of(origin, log_) > protocol::shard_of(last_->head().origin, log_)) {
    // Who showed it may have been the first to pass.
    if (!last_ || now - seen_at <= foreign_grace) return Past::waits;
    return forked(last_->note(), theirs.note(), "a later shard than the log shows");
  }
  auto reply = ask_shard(origin, theirs.size());
  if (!reply && !shows_no_end(reply.error())) return reply.error();
  if (!reply) return forked(last_->note(), theirs.note(), "a shard of which the log shows no end");
  const auto contradiction = [&](const std::string& words) {
    return raise_alarm(
        profile_, {LocalCode::log_forked, words, profile_.keep_evidence("log-forked", end_of(theirs.note(), *reply))});
  };
  auto step = verify_shard_step(*reply, origin, invitation_, authorities);
  if (!step) return contradiction(step.error().detail);
  auto known = profile_.store().closed_shard(origin);
  if (!known) return local(LocalCode::local_store, known.error());
  if (*known && (*known)->closed != protocol::TreeMark{step->closed.size(), step->closed.root()})
    return contradiction("a shard that ends in two ways");
  // Of a shard from before our time: the next one is to be ours, or lead there.
  if (!*known)
    if (auto noted = note_foreign(step->opened, now); !noted) return noted.error();
  switch (compare_with_end(*step, theirs.size(), theirs.root(), reply->consistency)) {
    case AtItsEnd::stands: return Past::agrees;
    case AtItsEnd::given_up: return Past::given_up;
    case AtItsEnd::contradicts: break;
  }
  // What a broker committed in its last second has left in receipts, and stands nowhere outside its database: no honest
  // order can name it. A published checkpoint it must name.
  if (step->last_known && theirs.size() > step->last_known->size() && !was_published(theirs.note())) {
    static_cast<void>(
        raise_alarm(profile_, {LocalCode::log_rolled_back, "the log had signed more than the order names",
                               profile_.keep_evidence("log-rolled-back", end_of(theirs.note(), *reply))}));
    return Past::given_up;
  }
  return contradiction("a checkpoint the log signed is no part of the shard it ended");
}

Outcome<void> LogWatch::compare_foreign(const Ask& ask, const AskShard& ask_shard,
                                        const protocol::AuthoritySet& authorities, UnixMillis now) {
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
    if (last_ && theirs->head().origin != last_->head().origin) {
      auto past = compare_past(*theirs, foreign.seen_at, ask_shard, authorities, now);
      if (!past && is(past.error(), LocalCode::log_forked)) return condemn(past.error());
      if (!past) return past.error();
      if (*past == Past::waits) continue;
      // What was receipted under a checkpoint given up is sent again; nobody is to blame.
      auto settled =
          *past == Past::agrees ? profile_.store().forget_foreign(foreign) : profile_.store().condemn_foreign(foreign);
      if (!settled) return local(LocalCode::local_store, settled.error());
      continue;
    }
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
      // The log may just have gone on in its next shard: the next connection passes to it, and compares there. Or,
      // asked from what is published, it shows that until it has published more: ours is held against the log by what
      // is asked from ours, and this is compared once it can be.
      const bool behind = now_shown->head().origin != last_->head().origin || now_shown->size() < last_->size();
      if (behind && now - foreign.seen_at <= foreign_grace) continue;
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
