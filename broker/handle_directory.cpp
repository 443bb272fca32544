// directory and publish_directory: each sees what it may of the version in force; a new version is a leaf before it
// rules.
#include <algorithm>

#include "broker/core_state.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;

Outcome CoreState::get_directory(Batch& /*batch*/, const Caller& caller, const protocol::GetDirectory& request,
                                 Asked& /*asked*/) {
  const protocol::Decision decision = decide(Act::connect, caller.member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  const protocol::Directory& directory = *directory_;
  protocol::DirectoryPage page;
  page.note = directory.verified()->note();
  auto proof = stored_proof(directory_leaf_, Shown::directory_holder);
  if (!proof) return deny(Code::erased, "journal");
  page.leaf = *std::move(proof);

  // Whose own entry has changed may see entries he could not see before: he is given their bytes again.
  const auto own = directory.position_of(protocol::EntryType::member, caller.member.id);
  const bool knows = own && request.known >= entry_changed_[*own];
  std::size_t bytes = page.note.size() + page.leaf.leaf.size() + page.leaf.disclosure.size();
  std::size_t scanned = 0;
  for (std::size_t at = static_cast<std::size_t>(request.after_position); at < directory.entries().size(); ++at) {
    if (scanned++ == protocol::entries_scanned_max) {
      page.more = true;
      page.next = at;
      break;
    }
    if (!protocol::may_see_entry(directory, caller.member, directory.entries()[at])) continue;
    protocol::DirectoryItem item;
    item.position = at;
    if (!knows || request.known < entry_changed_[at]) item.entry = directory.entry_bytes(at);
    auto path = directory.prove(at);
    if (!path) return deny(Code::log_unavailable);
    item.proof = *std::move(path);
    bytes += 16 + item.entry.size() + item.proof.size() * 34;
    if (bytes > protocol::directory_bytes_max && !page.items.empty()) {
      page.more = true;
      page.next = at;
      break;
    }
    page.items.push_back(std::move(item));
  }
  return Answer{std::move(page), directory_leaf_, {}, {}, {}};
}

Outcome CoreState::publish(Batch& batch, const Caller& caller, VerifiedPublish& request, Asked& asked) {
  const protocol::Decision decision = decide(Act::publish_directory, caller.member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  const protocol::VerifiedDirectory& current = *directory_->verified();

  // The very version in force: its proof again.
  if (request.note == current.note()) {
    auto proof = stored_proof(directory_leaf_, Shown::directory_holder);
    if (!proof) return deny(Code::erased, "journal");
    return Answer{protocol::Published{current.head().number, *std::move(proof)}, directory_leaf_, {}, {}, {}};
  }
  // Signature lines of nobody may stand in a note; but everybody is sent it with each page, which has to hold it.
  if (request.note.size() > protocol::directory_note_bytes_max) return deny(Code::too_large, "note");
  // The gate checked against the version it had; this is the one the new version must follow.
  auto verified = protocol::verify_directory_note(request.note, protocol::authorities_of(current.head()), &current);
  if (!verified) {
    switch (verified.error().code) {
      case Errc::conflict: return deny(Code::conflict);
      case Errc::authentication_failed: return deny(Code::bad_signature);
      default: return deny(Code::invalid, "note");
    }
  }
  const protocol::DirectoryHead head = verified->head();
  // No version is skipped: the log names them all.
  if (head.number.value != current.head().number.value + 1) return deny(Code::conflict);
  if (head.not_after <= batch.now ||
      head.not_after > batch.now + protocol::directory_validity_max + protocol::clock_skew_max)
    return deny(Code::invalid, "not_after");
  auto entries = protocol::apply_bundle(directory_->entries(), request.changed);
  if (!entries)
    return entries.error().code == Errc::over_limit ? deny(Code::too_large, "bundle") : deny(Code::invalid, "bundle");
  const Digest digest = verified->digest();
  auto built = protocol::Directory::build(*std::move(entries), *std::move(verified));
  if (!built) {
    switch (built.error().code) {
      case Errc::conflict: return deny(Code::conflict);
      case Errc::over_limit: return deny(Code::too_large, "bundle");
      // The note is signed; what came with it is not what it signs, whichever entry is missing or altered.
      default: return deny(Code::invalid, "bundle");
    }
  }

  const Decided decided{"ok", decision.rule, head.number, {}, {}, {}};
  const audit::Record record = make_record(&caller.member, asked, decided);
  const Logged logged =
      log(batch, audit::LeafType::habilitation, record, audit::DirectoryReference{head.number, digest});
  std::vector<DirectoryEntryRow> changed;
  for (const Bytes& bytes : request.changed) {
    const auto entry = protocol::decode_entry(bytes);
    PLI_INVARIANT(entry.has_value());  // apply_bundle read it
    changed.push_back({static_cast<std::uint8_t>(entry->type), entry->id, bytes});
  }
  batch.tx.add_directory({head.number, request.note, logged.place}, changed);

  // It rules from the next request on: `caller` points into the version that ruled until now.
  batch.new_directory = *built;
  protocol::Published published{head.number, proof_of(logged, record, Shown::directory_holder)};
  batch.ruled.push_back(directory_);
  take_directory(*std::move(built), logged.place, changed);
  return Answer{std::move(published), logged.place, {}, {}, {}};
}

}  // namespace pli::broker
