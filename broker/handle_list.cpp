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
  items.head = state->shown_head();
  const auto pending = batch.cursors.find({caller.member.id, state->key});
  items.acknowledged = pending != batch.cursors.end() ? pending->second : store_.cursor(caller.member.id, state->key);
  const std::size_t wanted = std::clamp<std::size_t>(request.items_max, 1, protocol::list_items_max);
  std::size_t bytes = 0;
  for (const ExchangeRow& row : store_.links(state->key, request.after, wanted + 1)) {
    if (row.head.number > items.head.number) break;
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
  const auto sits = [&](std::string_view queue) {
    return std::find(member.seats.begin(), member.seats.end(), queue) != member.seats.end();
  };
  ExchangeNumber after;
  if (request.after != Digest{}) {
    asked.case_id = request.after;
    const auto first = store_.find_exchange(request.after);
    const auto row = first ? store_.case_file(first->number) : std::nullopt;
    const bool own = row && row->organisation == member.organisation && row->origin.value == 0;
    if (!row || (!own && !sits(queue_name(row->queue)))) return not_found();
    after = row->number;
  }
  // My organisation's cases and those of every instance I sit in, merged in order. As far as each source was read, all
  // of them were; what is not shown to me counts as well, or a newcomer would have the core read every case there is.
  std::vector<const QueueState*> instances;
  for (const std::string& seat : member.seats)
    if (const QueueState* state = find_queue(seat)) instances.push_back(state);
  const std::size_t each = std::max<std::size_t>(1, protocol::case_rows_scanned_max / (instances.size() + 1));
  std::vector<CaseRow> rows = store_.cases_of_party(member.organisation, after, each);
  ExchangeNumber complete_through{rows.size() == each ? rows.back().number.value : UINT64_MAX};
  for (const QueueState* instance : instances) {
    std::vector<CaseRow> more = store_.cases_of_instance(instance->key, after, each);
    if (more.size() == each) complete_through = std::min(complete_through, more.back().number);
    rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  std::sort(rows.begin(), rows.end(), [](const CaseRow& a, const CaseRow& b) { return a.number < b.number; });
  rows.erase(
      std::unique(rows.begin(), rows.end(), [](const CaseRow& a, const CaseRow& b) { return a.number == b.number; }),
      rows.end());

  const std::size_t wanted = std::clamp<std::size_t>(request.items_max, 1, protocol::list_items_max);
  protocol::Cases cases;
  for (CaseRow& row : rows) {
    if (row.number > complete_through) break;
    const auto first = store_.exchange(row.number);
    if (!first) continue;
    if (cases.items.size() == wanted) {
      cases.more = true;
      return Answer{std::move(cases), {}, {}, {}, {}};
    }
    cases.next = first->id;
    const ExchangeFacts facts = facts_of(*first);
    const protocol::Relations standing = relations(member, facts);
    const protocol::Decision decision = decide(Act::follow_case, member, facts, standing);
    if (!decision) continue;
    const bool commune = decision.rule == "suivi.partie";
    // The instance's view is for those to whom the case was sealed, or given since.
    if (!commune && !decide(Act::deliver, member, facts, standing)) continue;
    protocol::CaseItem item;
    item.case_id = first->id;
    item.kind = row.kind;
    item.queue = queue_name(row.queue);
    item.commune = commune;
    const auto state = static_cast<protocol::CaseState>(row.state);
    item.state = commune ? protocol::text_of(view_of(row, batch.now)) : protocol::text_of(state);
    item.opened_at = row.opened_at;
    item.updated_at = commune ? row.party_updated_at : row.updated_at;
    item.exchanges = commune ? row.party_exchanges : row.exchanges;
    if (!first->erased)
      if (const auto address = protocol::decode_address(first->address)) item.urgency = address->urgency;
    // Whether it was read, and when it was answered, is how the instance did: a collectivité has its own copy to go by.
    if (!commune) {
      item.read = row.opened;
      item.answered_at = row.told_at;
      show_links(row, item);
    }
    show_terms(row, batch.now, item);
    cases.items.push_back(std::move(item));
  }
  cases.more = complete_through.value != UINT64_MAX;
  if (!cases.more) cases.next = {};
  return Answer{std::move(cases), {}, {}, {}, {}};
}

void CoreState::show_links(const CaseRow& row, protocol::CaseItem& item) const {
  if (row.origin.value != 0) {
    const auto origin = store_.case_file(row.origin);
    const auto first = store_.exchange(row.origin);
    if (origin && first) {
      item.origin = first->id;
      item.origin_queue = queue_name(origin->queue);
    }
  }
  for (const CaseRow& linked : linked_to(row))
    if (const auto first = store_.exchange(linked.number))
      item.transmitted.push_back({std::string(queue_name(linked.queue)), first->id, linked.opened_at});
}

Outcome CoreState::acknowledge(Batch& batch, const Caller& caller, const protocol::Acknowledge& request, Asked& asked) {
  asked.queue = request.queue;
  if (auto refused = refuse_queue(caller.member, request.queue, batch.now)) return *std::move(refused);
  const QueueState* state = find_queue(request.queue);
  if (state == nullptr || request.number > state->shown_head().number) return deny(Code::invalid, "number");
  // Cumulative, and never back: written once for each batch.
  auto& cursor = batch.cursors[{caller.member.id, state->key}];
  if (cursor.value == 0) cursor = store_.cursor(caller.member.id, state->key);
  cursor = std::max(cursor, request.number);
  return Answer{protocol::Acknowledged{cursor}, {}, {}, {}, {}};
}

}  // namespace pli::broker
