#include "client/directory_draft.hpp"

#include <algorithm>
#include <map>

#include "crypto/random.hpp"
#include "protocol/contract.hpp"

namespace pli::client {
namespace {

using protocol::Entry;
using protocol::EntryType;
using protocol::LocalCode;

Failure usage(const char* words) { return {LocalCode::usage, words}; }

/// A changed entry gets a fresh salt, so that two versions of it cannot be recognised by its commitment.
ByteArray<16> new_salt() { return crypto::random_array<16>(); }

bool stands_at(const Entry& entry, EntryType type, std::string_view id) { return entry.type == type && entry.id == id; }

/// Each queue's keys are the age keys of those seated there and not revoked.
Result<void> rebuild_rosters(std::vector<Entry>& entries) {
  std::map<std::string, std::vector<crypto::AgePublic>> rosters;
  for (const Entry& entry : entries) {
    if (entry.type != EntryType::member) continue;
    auto member = protocol::read_member(entry);
    if (!member) return member.error();
    if (member->revoked_at) continue;
    for (const std::string& seat : member->seats) rosters[seat].push_back(member->keys.age);
  }
  for (Entry& entry : entries) {
    if (entry.type != EntryType::queue) continue;
    auto queue = protocol::read_queue(entry);
    if (!queue) return queue.error();
    std::vector<crypto::AgePublic> keys = std::move(rosters[entry.id]);
    std::sort(keys.begin(), keys.end());
    if (keys == queue->keys) continue;
    queue->keys = std::move(keys);
    entry = protocol::write_queue(*queue, new_salt());
  }
  return {};
}

}  // namespace

std::vector<EntryDifference> differences(const std::vector<Entry>& before, const std::vector<Entry>& after) {
  std::map<std::pair<EntryType, std::string>, std::pair<const Entry*, const Entry*>> pairs;
  for (const Entry& entry : before) pairs[{entry.type, entry.id}].first = &entry;
  for (const Entry& entry : after) pairs[{entry.type, entry.id}].second = &entry;
  std::vector<EntryDifference> out;
  for (const auto& [place, both] : pairs) {
    EntryDifference difference{place.first, place.second, both.first == nullptr, {}, {}};
    if (both.first != nullptr) difference.gone = both.first->attributes;
    if (both.second != nullptr) difference.come = both.second->attributes;
    // What stands in both cancels out, once for each time it stands there.
    for (auto gone = difference.gone.begin(); gone != difference.gone.end();) {
      const auto same = std::find(difference.come.begin(), difference.come.end(), *gone);
      if (same == difference.come.end()) {
        ++gone;
        continue;
      }
      difference.come.erase(same);
      gone = difference.gone.erase(gone);
    }
    if (difference.added || !difference.gone.empty() || !difference.come.empty()) out.push_back(std::move(difference));
  }
  return out;
}

Outcome<DirectoryDraft> DirectoryDraft::start(const protocol::Contract& contract) {
  return of({protocol::write_contract(contract, new_salt())});
}

Outcome<DirectoryDraft> DirectoryDraft::of(std::vector<Entry> entries) {
  auto directory = protocol::Directory::build(std::move(entries));
  if (!directory) return local(LocalCode::usage, directory.error());
  return DirectoryDraft(std::move(*directory));
}

Outcome<void> DirectoryDraft::replace(std::vector<Entry> entries) {
  if (auto rebuilt = rebuild_rosters(entries); !rebuilt) return local(LocalCode::usage, rebuilt.error());
  auto directory = protocol::Directory::build(std::move(entries));
  if (!directory) return local(LocalCode::usage, directory.error());
  directory_ = std::move(*directory);
  return {};
}

Outcome<protocol::Member> DirectoryDraft::find_member(std::string_view id) const {
  const protocol::Member* found = directory_->member(id);
  if (found == nullptr) return usage("no such member");
  return *found;
}

Outcome<void> DirectoryDraft::put(std::vector<Entry> changed) {
  std::vector<Entry> entries = directory_->entries();
  for (Entry& entry : changed) {
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [&](const Entry& each) { return stands_at(each, entry.type, entry.id); });
    if (found == entries.end())
      entries.push_back(std::move(entry));
    else
      *found = std::move(entry);
  }
  return replace(std::move(entries));
}

Outcome<void> DirectoryDraft::put_seated(protocol::Member member) {
  std::vector<Entry> changed;
  if (member.roles.has(protocol::Role::maire)) {
    const std::string own = "person/" + member.person;
    if (std::find(member.seats.begin(), member.seats.end(), own) == member.seats.end()) member.seats.push_back(own);
    if (directory_->queue(own) == nullptr)
      changed.push_back(
          protocol::write_queue({own, protocol::QueueKind::person, member.territory, {}, {}}, new_salt()));
  }
  changed.push_back(protocol::write_member(member, new_salt()));
  return put(std::move(changed));
}

Outcome<void> DirectoryDraft::add_queue(std::string_view id, std::string_view territory,
                                        std::string_view organisation) {
  const auto kind = protocol::queue_kind_of(id);
  if (!kind) return usage("not a queue id");
  if (directory_->queue(id) != nullptr) return usage("the queue is there already");
  protocol::Queue queue;
  queue.id = std::string(id);
  queue.kind = *kind;
  queue.territory = std::string(territory);
  queue.organisation = std::string(organisation);
  std::vector<Entry> entries = directory_->entries();
  entries.push_back(protocol::write_queue(queue, new_salt()));
  return replace(std::move(entries));
}

Outcome<void> DirectoryDraft::enrol(const Enrolment& enrolment, const protocol::Card& card) {
  if (directory_->member(enrolment.id) != nullptr) return usage("the member is there already");
  if (card.renews) return usage("this card renews the keys of somebody enrolled");
  protocol::Member member;
  member.id = enrolment.id;
  member.person = enrolment.person;
  member.organisation = enrolment.organisation;
  member.roles = enrolment.roles;
  member.territory = enrolment.territory;
  member.seats = enrolment.seats;
  member.label = enrolment.label;
  member.not_before = enrolment.not_before;
  member.not_after = enrolment.not_after;
  member.keys = card.keys;
  return put_seated(std::move(member));
}

Outcome<void> DirectoryDraft::renew(const protocol::Card& card) {
  if (!card.renews) return usage("this card renews nothing");
  const protocol::Member* found = directory_->member_by_sign(*card.renews);
  if (found == nullptr || found->keys.sign != *card.renews) return usage("nobody holds the key this card renews");
  if (found->revoked_at) return usage("a revoked member is not renewed");
  protocol::Member member = *found;
  member.former_curve.push_back(member.keys.curve);
  member.former_sign.push_back(member.keys.sign);
  member.former_age.push_back(member.keys.age);
  member.keys = card.keys;
  return put({protocol::write_member(member, new_salt())});
}

Outcome<void> DirectoryDraft::revoke(std::string_view id, UnixMillis now) {
  auto member = find_member(id);
  if (!member) return member.error();
  if (member->revoked_at) return usage("revoked already");
  member->revoked_at = now;
  return put({protocol::write_member(*member, new_salt())});
}

Outcome<void> DirectoryDraft::change_seats(std::string_view id, const std::vector<std::string>& seats) {
  auto member = find_member(id);
  if (!member) return member.error();
  member->seats = seats;
  return put({protocol::write_member(*member, new_salt())});
}

Outcome<void> DirectoryDraft::change_validity(std::string_view id, UnixMillis not_before, UnixMillis not_after) {
  auto member = find_member(id);
  if (!member) return member.error();
  member->not_before = not_before;
  member->not_after = not_after;
  return put_seated(*std::move(member));
}

Outcome<void> DirectoryDraft::add_charter(const protocol::Charter& charter) {
  Entry entry = protocol::write_charter(charter, new_salt());
  if (const auto read = protocol::read_charter(entry); !read) return local(LocalCode::usage, read.error());
  if (directory_->charter(charter.id) != nullptr) return usage("the charter is there already");
  return put({std::move(entry)});
}

Outcome<void> DirectoryDraft::change_contract(const protocol::Contract& contract) {
  const protocol::Contract* current = directory_->contract();
  if (current == nullptr || current->id != contract.id) return usage("the contract of another directory");
  if (const std::string flaw = protocol::flaw_of(contract); !flaw.empty()) return Failure(LocalCode::usage, flaw);
  return put({protocol::write_contract(contract, new_salt())});
}

Outcome<void> DirectoryDraft::register_tool(const protocol::Tool& tool) {
  if (const auto read = protocol::read_tool(protocol::write_tool(tool, {})); !read)
    return local(LocalCode::usage, read.error());
  auto member = find_member(tool.id);
  if (!member) return member.error();
  member->seats = tool.reads;
  return put({protocol::write_member(*member, new_salt()), protocol::write_tool(tool, new_salt())});
}

Outcome<void> DirectoryDraft::set_seances(std::string_view id, std::optional<protocol::SeanceCalendar> calendar) {
  const protocol::Queue* found = directory_->queue(id);
  if (found == nullptr) return usage("no such queue");
  if (!protocol::has_seances(found->kind)) return usage("only an instance has séances: ged/, clir/, cpraf/");
  if (calendar)
    if (const std::string flaw = protocol::flaw_of(*calendar); !flaw.empty()) return Failure(LocalCode::usage, flaw);
  protocol::Queue queue = *found;
  queue.seances = std::move(calendar);
  return put({protocol::write_queue(queue, new_salt())});
}

std::vector<Bytes> DirectoryDraft::changed_since(const std::vector<Entry>& base) const {
  std::map<std::pair<EntryType, std::string>, const Entry*> before;
  for (const Entry& entry : base) before[{entry.type, entry.id}] = &entry;
  std::vector<Bytes> changed;
  for (std::size_t i = 0; i < directory_->entries().size(); ++i) {
    const Entry& entry = directory_->entries()[i];
    const auto found = before.find({entry.type, entry.id});
    if (found == before.end() || !(*found->second == entry)) changed.push_back(directory_->entry_bytes(i));
  }
  return changed;
}

}  // namespace pli::client
