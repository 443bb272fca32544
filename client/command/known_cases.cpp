#include "client/command/known_cases.hpp"

#include "client/case_list.hpp"
#include "client/client_store.hpp"
#include "client/command/screen.hpp"
#include "client/inbox.hpp"
#include "client/transfer.hpp"

namespace pli::client::command {
namespace {

Failure not_found() { return Failure(protocol::Refusal{protocol::Code::not_found, "", 0}); }

const protocol::CaseItem* find(const std::vector<protocol::CaseItem>& cases, const Digest& id) {
  for (const protocol::CaseItem& item : cases)
    if (item.case_id == id) return &item;
  return nullptr;
}

/// The case, of those listed, that an exchange of this profile belongs to; else the one it names, or opened.
Outcome<Digest> case_of(const Profile& profile, const std::vector<protocol::CaseItem>& cases, const Digest& id) {
  auto items = received(profile);
  if (!items) return items.error();
  for (const InboxItem& item : *items) {
    // What came through a door is known by the access part that leads to it.
    const bool leads = item.visible && item.address.kind == static_cast<std::uint16_t>(protocol::Kind::acces) &&
                       item.address.in_reply_to == id;
    if (item.exchange != id && !leads) continue;
    for (const protocol::CaseItem& each : cases)
      if (belongs_to(each, item)) return each.case_id;
    if (item.exchange == id && item.visible && item.address.case_id != Digest{}) return item.address.case_id;
  }
  auto sent = profile.store().outbox();
  if (!sent) return local(protocol::LocalCode::local_store, sent.error());
  for (const OutboxItem& row : *sent)
    if (row.exchange == id && row.case_id != Digest{}) return row.case_id;
  return id;
}

}  // namespace

Outcome<protocol::CaseItem> find_case(Session& session, const std::string& text) {
  auto cases = list_cases(session);
  if (!cases) return cases.error();
  auto candidates = known_ids(session.profile());
  if (!candidates) return candidates.error();
  for (const protocol::CaseItem& item : *cases) candidates->push_back(item.case_id);
  auto id = resolve_id(text, *candidates);
  if (!id) return id.error();
  if (const auto* named = find(*cases, *id)) return *named;
  auto own = case_of(session.profile(), *cases, *id);
  if (!own) return own.error();
  if (const auto* of_exchange = find(*cases, *own)) return *of_exchange;
  return not_found();
}

Outcome<Digest> resolve_known(Sitting& sitting, const std::string& text) {
  auto profile = sitting.profile();
  if (!profile) return profile.error();
  auto ids = known_ids(**profile);
  if (!ids) return ids.error();
  auto id = resolve_id(text, *ids);
  if (id || !is(id.error(), protocol::Code::not_found)) return id;
  auto session = sitting.session();
  if (!session) return id.error();
  auto cases = list_cases(**session);
  if (!cases) return id.error();
  for (const protocol::CaseItem& item : *cases) ids->push_back(item.case_id);
  return resolve_id(text, *ids);
}

Outcome<std::string> queue_of_case(Sitting& sitting, const Digest& case_id) {
  auto profile = sitting.profile();
  if (!profile) return profile.error();
  auto sent = (*profile)->store().outbox();
  if (!sent) return local(protocol::LocalCode::local_store, sent.error());
  for (const OutboxItem& row : *sent)
    if (row.exchange == case_id) return row.queue;
  auto received = find_received(**profile, case_id);
  if (!received) return received.error();
  if (*received && (*received)->visible) return (*received)->queue;
  auto session = sitting.session();
  if (!session) return session.error();
  auto cases = list_cases(**session);
  if (!cases) return cases.error();
  if (const auto* found = find(*cases, case_id)) return found->queue;
  return not_found();
}

}  // namespace pli::client::command
