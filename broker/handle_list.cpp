// list, list_cases, acknowledge: what stands in a member's queues and cases. Headers only; no leaf.
#include <algorithm>

#include "broker/core_state.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;
using protocol::Relation;

Outcome CoreState::list(Batch& batch, const Caller& caller, const protocol::List& request, Asked& asked) {
  asked.queue = request.queue;
  if (auto refused = refuse_queue(caller.member, request.queue, batch.now)) return *std::move(refused);
  protocol::Items items;
  const QueueState* state = find_queue(request.queue);
  if (state == nullptr) {  // nothing was ever sent to it
    items.head = audit::queue_start(settings_.log, request.queue);
    return Answer{std::move(items), {}, {}, {}, {}};
  }
  items.head = state->head;
  const auto pending = batch.cursors.find({caller.member.id, state->key});
  items.acknowledged = pending != batch.cursors.end() ? pending->second : store_.cursor(caller.member.id, state->key);
  const std::size_t wanted = std::clamp<std::size_t>(request.items_max, 1, protocol::list_items_max);
  std::size_t bytes = 0;
  for (const ExchangeRow& row : store_.links(state->key, request.after, wanted + 1)) {
    const ExchangeFacts facts = facts_of(row);
    const bool visible = decide(Act::deliver, caller.member, facts, relations(caller.member, facts)).allowed;
    protocol::QueueItem item = item_of(row, request.queue, visible);
    bytes += header_bytes(item);
    items.more = items.items.size() == wanted || (bytes > protocol::list_bytes_max && !items.items.empty());
    if (items.more) break;
    items.items.push_back(std::move(item));
  }
  return Answer{std::move(items), {}, {}, {}, {}};
}

Outcome CoreState::list_cases(Batch& batch, const Caller& caller, const protocol::ListCases& request, Asked& asked) {
  const protocol::Member& member = caller.member;
  if (directory_expired(batch.now)) return deny(Code::forbidden, "annuaire.expire");
  constexpr std::size_t page = 128;
  ExchangeNumber after;
  if (request.after != Digest{}) {
    asked.case_id = request.after;
    const auto first = store_.find_exchange(request.after);
    if (!first) return not_found();
    after = first->number;
  }
  const std::size_t wanted = std::clamp<std::size_t>(request.items_max, 1, protocol::list_items_max);
  protocol::Cases cases;
  while (true) {
    // My organisation's cases and those of every instance I sit in, merged in order.
    std::vector<CaseRow> rows = store_.cases_of_party(member.organisation, after, page);
    bool cut = rows.size() == page;
    ExchangeNumber complete_through{cut ? rows.back().number.value : UINT64_MAX};
    for (const std::string& seat : member.seats) {
      const QueueState* state = find_queue(seat);
      if (state == nullptr) continue;
      std::vector<CaseRow> more = store_.cases_of_instance(state->key, after, page);
      if (more.size() == page) {
        cut = true;
        complete_through = std::min(complete_through, more.back().number);
      }
      rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
    std::sort(rows.begin(), rows.end(), [](const CaseRow& a, const CaseRow& b) { return a.number < b.number; });
    rows.erase(
        std::unique(rows.begin(), rows.end(), [](const CaseRow& a, const CaseRow& b) { return a.number == b.number; }),
        rows.end());
    for (const CaseRow& row : rows) {
      if (row.number > complete_through) break;
      const auto first = store_.exchange(row.number);
      if (!first) continue;
      const ExchangeFacts facts = facts_of(*first);
      const protocol::Relations standing = relations(member, facts);
      const protocol::Decision decision = decide(Act::follow_case, member, facts, standing);
      if (!decision) continue;
      const bool commune = decision.rule == "suivi.partie";
      // The instance's view is for those to whom the case was sealed, or given since.
      if (!commune && !decide(Act::deliver, member, facts, standing)) continue;
      if (cases.items.size() == wanted) {
        cases.more = true;
        return Answer{std::move(cases), {}, {}, {}, {}};
      }
      protocol::CaseItem item;
      item.case_id = first->id;
      item.kind = row.kind;
      item.queue = queue_name(row.queue);
      item.commune = commune;
      const auto state = static_cast<protocol::CaseState>(row.state);
      item.state = commune ? protocol::text_of(protocol::commune_view(state)) : protocol::text_of(state);
      item.opened_at = row.opened_at;
      item.updated_at = commune ? row.party_updated_at : row.updated_at;
      item.exchanges = commune ? row.party_exchanges : row.exchanges;
      cases.items.push_back(std::move(item));
    }
    if (!cut) break;
    after = complete_through;
  }
  return Answer{std::move(cases), {}, {}, {}, {}};
}

Outcome CoreState::acknowledge(Batch& batch, const Caller& caller, const protocol::Acknowledge& request, Asked& asked) {
  asked.queue = request.queue;
  if (auto refused = refuse_queue(caller.member, request.queue, batch.now)) return *std::move(refused);
  const QueueState* state = find_queue(request.queue);
  if (state == nullptr || request.number > state->head.number) return deny(Code::invalid, "number");
  // Cumulative, and never back: written once for each batch.
  auto& cursor = batch.cursors[{caller.member.id, state->key}];
  if (cursor.value == 0) cursor = store_.cursor(caller.member.id, state->key);
  cursor = std::max(cursor, request.number);
  return Answer{protocol::Acknowledged{cursor}, {}, {}, {}, {}};
}

}  // namespace pli::broker
