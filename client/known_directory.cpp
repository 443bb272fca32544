#include "client/known_directory.hpp"

#include <algorithm>

#include "audit/inclusion.hpp"
#include "audit/tree.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"

namespace pli::client {
namespace {

Failure unproven(const char* words) { return {protocol::LocalCode::directory_unproven, words}; }

bool same_registration(const protocol::Tool* before, const protocol::Tool* now) {
  return before == nullptr || now == nullptr ? before == now : *before == *now;
}

}  // namespace

Outcome<KnownDirectory> KnownDirectory::build(protocol::VerifiedDirectory verified, std::vector<ProvenEntry> entries) {
  KnownDirectory out(std::move(verified));
  const protocol::DirectoryHead& head = out.verified_.head();
  std::sort(entries.begin(), entries.end(),
            [](const ProvenEntry& a, const ProvenEntry& b) { return a.position < b.position; });
  std::optional<std::uint64_t> previous;
  for (const ProvenEntry& proven : entries) {
    if (previous && *previous == proven.position) return unproven("two entries at one position");
    previous = proven.position;
    const Digest commitment = protocol::entry_commitment(proven.entry);
    if (!audit::verify_inclusion(head.root, TreeSize{head.entries}, LeafIndex{proven.position},
                                 audit::leaf_hash(commitment), proven.proof))
      return unproven("an entry is not in the signed version");
    auto entry = protocol::decode_entry(proven.entry);
    if (!entry) return unproven("a proven entry cannot be read");
    switch (entry->type) {
      case protocol::EntryType::member: {
        auto member = protocol::read_member(*entry);
        if (!member) return unproven("a proven member entry cannot be read");
        out.by_sign_.emplace(member->keys.sign, member->id);
        for (const crypto::SignPublic& former : member->former_sign) out.by_sign_.emplace(former, member->id);
        if (!out.members_.emplace(member->id, *member).second) return unproven("a member stands twice");
        break;
      }
      case protocol::EntryType::queue: {
        auto queue = protocol::read_queue(*entry);
        if (!queue) return unproven("a proven queue entry cannot be read");
        if (!out.queues_.emplace(queue->id, *queue).second) return unproven("a queue stands twice");
        break;
      }
      case protocol::EntryType::contrat: {
        auto contract = protocol::read_contract(*entry);
        if (!contract) return unproven("the proven contract entry cannot be read");
        out.contract_ = std::move(*contract);
        break;
      }
      case protocol::EntryType::outil: {
        auto tool = protocol::read_tool(*entry);
        if (!tool) return unproven("a proven tool entry cannot be read");
        if (!out.tools_.emplace(tool->id, *tool).second) return unproven("a tool stands twice");
        break;
      }
      case protocol::EntryType::charte: {
        auto charter = protocol::read_charter(*entry);
        if (!charter) return unproven("a proven charter entry cannot be read");
        out.charters_.push_back(*std::move(charter));
        break;
      }
      case protocol::EntryType::policy: break;  // proven and kept; nothing here decides by it yet
    }
  }
  out.entries_ = std::move(entries);
  return out;
}

std::string_view text_of(SenderStatus status) {
  switch (status) {
    case SenderStatus::unproven: return "unproven";
    case SenderStatus::current: return "current";
    case SenderStatus::former_key: return "former_key";
    case SenderStatus::expired: return "expired";
    case SenderStatus::revoked: return "revoked";
    case SenderStatus::vouched: return "vouched";
  }
  return {};
}

Outcome<void> KnownDirectory::check_shows(std::string_view id, const std::vector<crypto::SignPublic>& keys) const {
  const protocol::Member* self = member(id);
  if (self == nullptr) return unproven("our own entry is not shown");
  const auto ours = [&](const crypto::SignPublic& key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if (!ours(self->keys.sign) && std::none_of(self->former_sign.begin(), self->former_sign.end(), ours))
    return unproven("our own entry has none of our keys");
  for (const std::string& seat : self->seats)
    if (queue(seat) == nullptr) return unproven("a queue we sit in is not shown");
  const bool reports = !self->roles.has(protocol::Role::operateur);
  if (reports && queues_of(protocol::QueueKind::audit, self->territory).empty())
    return unproven("no auditors' queue is shown");
  return {};
}

SenderStatus KnownDirectory::sender_status(std::string_view id, const crypto::SignPublic& key, UnixMillis at) const {
  const protocol::Member* who = member_by_sign(key);
  if (who == nullptr || who->id != id) return SenderStatus::unproven;
  if (who->revoked_at && at >= *who->revoked_at) return SenderStatus::revoked;
  if (at < who->not_before || at >= who->not_after) return SenderStatus::expired;
  return who->keys.sign == key ? SenderStatus::current : SenderStatus::former_key;
}

bool KnownDirectory::expires_soon_at(UnixMillis now) const {
  return now >= not_after() - protocol::directory_alarm_before;
}

const protocol::Member* KnownDirectory::member(std::string_view id) const {
  const auto found = members_.find(id);
  return found == members_.end() ? nullptr : &found->second;
}

const protocol::Member* KnownDirectory::member_by_sign(const crypto::SignPublic& key) const {
  const auto found = by_sign_.find(key);
  return found == by_sign_.end() ? nullptr : member(found->second);
}

const protocol::Queue* KnownDirectory::queue(std::string_view id) const {
  const auto found = queues_.find(id);
  return found == queues_.end() ? nullptr : &found->second;
}

std::vector<const protocol::Member*> KnownDirectory::members() const {
  std::vector<const protocol::Member*> out;
  for (const auto& [id, member] : members_) out.push_back(&member);
  return out;
}

const protocol::Tool* KnownDirectory::tool(std::string_view id) const {
  const auto found = tools_.find(id);
  return found == tools_.end() ? nullptr : &found->second;
}

std::vector<const protocol::Queue*> KnownDirectory::queues() const {
  std::vector<const protocol::Queue*> out;
  for (const auto& [id, queue] : queues_) out.push_back(&queue);
  return out;
}

std::vector<const protocol::Queue*> KnownDirectory::queues_of(protocol::QueueKind kind,
                                                              std::string_view territory) const {
  std::vector<const protocol::Queue*> out;
  for (const auto& [id, queue] : queues_)
    if (queue.kind == kind &&
        (protocol::covers(queue.territory, territory) || protocol::covers(territory, queue.territory)))
      out.push_back(&queue);
  return out;
}

std::vector<DirectoryChange> changes_between(const KnownDirectory& older, const KnownDirectory& newer) {
  using What = DirectoryChange::What;
  std::vector<DirectoryChange> out;
  const auto add = [&](What what, protocol::EntryType type, const std::string& id) {
    out.push_back({what, type, id, newer.number()});
  };
  for (const protocol::Member* now : newer.members()) {
    const protocol::Member* before = older.member(now->id);
    if (before == nullptr)
      add(What::appeared, protocol::EntryType::member, now->id);
    else if (!before->revoked_at && now->revoked_at)
      add(What::revoked, protocol::EntryType::member, now->id);
    else if (!(*before == *now) || !same_registration(older.tool(now->id), newer.tool(now->id)))
      add(What::changed, protocol::EntryType::member, now->id);
  }
  for (const protocol::Member* before : older.members())
    if (newer.member(before->id) == nullptr) add(What::gone, protocol::EntryType::member, before->id);
  if (older.contract() != nullptr && newer.contract() != nullptr && !(*older.contract() == *newer.contract()))
    add(What::changed, protocol::EntryType::contrat, newer.contract()->id);
  for (const protocol::Queue* now : newer.queues()) {
    const protocol::Queue* before = older.queue(now->id);
    if (before == nullptr)
      add(What::appeared, protocol::EntryType::queue, now->id);
    else if (!(*before == *now))
      add(What::changed, protocol::EntryType::queue, now->id);
  }
  for (const protocol::Queue* before : older.queues())
    if (newer.queue(before->id) == nullptr) add(What::gone, protocol::EntryType::queue, before->id);
  return out;
}

}  // namespace pli::client
