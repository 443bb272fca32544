// publish_directory with a suspension in place of a version: one authority takes a member's rights away (design §4).
#include "broker/core_state.hpp"
#include "protocol/limits.hpp"
#include "protocol/suspension.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;

Outcome CoreState::suspend(Batch& batch, const Caller& caller, VerifiedSuspension& request, Asked& asked) {
  const protocol::Decision decision = decide(Act::publish_directory, caller.member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  const protocol::DirectoryHead& head = directory_->verified()->head();
  // The gate checked against the version it had; the authorities in force are those of this one.
  const auto suspension = protocol::verify_suspension_note(request.note, protocol::authorities_of(head));
  if (!suspension) {
    const bool unsigned_note = suspension.error().code == Errc::authentication_failed;
    return unsigned_note ? deny(Code::bad_signature) : deny(Code::invalid, "note");
  }
  const protocol::Member* member = directory_->member(suspension->member);
  if (suspension->contract != head.contract) return deny(Code::invalid, "contract");
  if (member == nullptr) return deny(Code::invalid, "member");
  asked.member = member->id;
  asked.statement = as_bytes(request.note);

  // The very suspension that stands: its proof again.
  for (const SuspensionRow& row : store_.suspensions())
    if (row.member == member->id && row.directory == suspension->directory) {
      if (row.note != request.note) return deny(Code::conflict);
      auto proof = stored_proof(row.leaf, Shown::directory_holder);
      if (!proof) return deny(Code::erased, "journal");
      return Answer{protocol::Published{row.directory, *std::move(proof)}, row.leaf, {}, {}, {}};
    }
  if (suspension->directory != head.number || member->revoked_at) return deny(Code::conflict);
  if (suspension->from > batch.now + protocol::clock_skew_max) return deny(Code::clock_skew);
  if (suspension->lapses_at() <= batch.now) return deny(Code::invalid, "from");

  const Decided decided{"ok", decision.rule, head.number, {}, {}, {}};
  const audit::Record record = make_record(&caller.member, asked, decided);
  const Logged logged = log(batch, audit::LeafType::habilitation, record);
  batch.tx.add_suspension({member->id, head.number, request.note, logged.place});
  // From the next request on; followers are dropped with the next header that would reach them.
  suspended_[member->id] = {head.number, suspension->lapses_at()};
  protocol::Published published{head.number, proof_of(logged, record, Shown::directory_holder)};
  return Answer{std::move(published), logged.place, {}, {}, {}};
}

bool CoreState::is_suspended(const protocol::Member& member, UnixMillis now) const {
  const auto found = suspended_.find(member.id);
  if (found == suspended_.end() || now >= found->second.lapses_at) return false;
  // A version that wrote the member's entry since has taken the matter over.
  const auto written = entry_versions_.find({static_cast<std::uint8_t>(protocol::EntryType::member), member.id});
  return written == entry_versions_.end() || written->second <= found->second.directory;
}

}  // namespace pli::broker
