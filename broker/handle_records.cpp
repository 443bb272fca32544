// prove, records and shard: what the log holds, as far as each may see it. Reading the journal is itself recorded.
#include <algorithm>

#include "broker/core_state.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;
using protocol::Relation;

namespace {

/// When what is newest may be published, if nothing holds it up.
constexpr std::chrono::milliseconds published_by = std::chrono::seconds(1);
/// Of one leaf, so that a path and a checkpoint as long as there are fit the message beside it. Only a note sealed to
/// hundreds of auditors takes more, and then stays behind its commitment; `records` shows it.
constexpr std::size_t proven_disclosure_bytes_max = 44 * 1024;

/// Nothing was judged: it is there, and will be published.
Denial not_published_yet() {
  Denial denial = deny(Code::busy, "publication");
  denial.refusal.retry_after_ms = static_cast<std::uint32_t>(published_by.count());
  return denial;
}
std::string range_text(std::uint64_t from, std::uint64_t to) { return std::to_string(from) + "," + std::to_string(to); }

}  // namespace

Outcome CoreState::prove(Batch& batch, const Caller& caller, const protocol::Prove& request, Asked& asked) {
  const protocol::Member& member = caller.member;
  if (request.leaf) return prove_leaf(batch, caller, request, asked);
  asked.exchange = request.exchange;
  const protocol::Decision connect = decide(Act::connect, member, {}, {});
  if (!connect) return deny(Code::forbidden, connect.rule);
  const std::optional<ExchangeRow> row = store_.find_exchange(request.exchange);
  const ExchangeFacts facts = facts_of(row.value_or(ExchangeRow{}));
  const protocol::Relations standing = relations(member, facts);
  const protocol::Decision delivered = decide(Act::deliver, member, facts, standing);
  const protocol::Decision reads = decide(Act::read_records, member, {}, {});
  if (!row) return not_found();
  // Its sender is proven it, and the journal's readers; whom it waits for, nothing.
  if (facts.withheld && !reads && !sent_by_organisation_of(member, *row)) return not_found(delivered.rule);

  if (request.erasure) {
    // Who was of its readers and has recused himself is proven it too: the recusal that shows why the place is hidden
    // goes with the case.
    const bool may_ask = delivered || (delivered.rule == "interdit.recuse" && standing.has(Relation::seated));
    if (!may_ask || directory_expired(batch.now)) return not_found(delivered.rule);
    return prove_erasure(*row, request.published);
  }

  std::optional<Shown> shown;
  std::string_view rule = reads.rule;
  // Who sits in the queue it was sent to needs its place there, even when it was sent by himself, and even when its
  // header is hidden from him. That is delivery, and ends with the directory's term; what one has sent, and the
  // journal, are proven on.
  const bool expired = directory_expired(batch.now);
  const bool seated = facts.queue != nullptr && sits_in(member, facts.queue->id);
  std::vector<crypto::AgePublic> sealed_to;
  if (delivered && !expired) {
    shown = Shown::queue_member;
  } else if (seated && !reads && !expired) {
    const bool own = sent_by_party_of(member, *row);
    if (!standing.has(Relation::seated)) {
      shown = own ? Shown::hidden_from_sender : Shown::hidden;
      if (const auto readers = roster(row->roster)) sealed_to = readers->keys;
    } else if (own) {
      shown = Shown::hidden_from_sender;
    } else if (delivered.rule == "interdit.recuse") {
      return deny(Code::forbidden, delivered.rule);  // his recusal shows that it is rightly so
    } else if (delivered.rule == "interdit.copie") {
      shown = Shown::hidden_by_condition;
    } else if (delivered.rule == "defaut") {
      shown = Shown::hidden_by_kind;
    } else {
      // What proves that he is an author would tell him what the instance does with the case (design §10).
      return deny(Code::forbidden, delivered.rule);
    }
  } else if (sent_by_organisation_of(member, *row)) {
    shown = Shown::sender;
  } else if ((delivered || seated) && !reads) {
    return deny(Code::forbidden, "annuaire.expire");
  } else if (!reads) {
    return not_found(delivered.rule);
  }
  if (request.published && is_unpublished(row->leaf)) return not_published_yet();
  if (!shown) {
    if (auto refused = refuse_for_room(batch, 0)) return *std::move(refused);
    if (auto refused = refuse_for_quota(batch, member, 0)) return *std::move(refused);
  }
  auto proof = stored_proof(row->leaf, shown);
  if (!proof) return deny(Code::erased, "journal");
  if (!shown) {
    const Decided decided{
        "ok", rule, directory_->number(), {}, range_text(row->leaf.index.value, row->leaf.index.value + 1), {}};
    asked.shard = name_of_closed(row->leaf.shard);
    log(batch, audit::LeafType::verification, make_record(&member, asked, decided));
  }
  return Answer{protocol::Proven{*std::move(proof), std::move(sealed_to)}, row->leaf, {}, {}, {}, request.published};
}

/// A certificate: for who was shown the exchange while it stood. Its sender is not among them: the day on which an
/// instance's own copy went would tell him what the case came to.
Outcome CoreState::prove_erasure(const ExchangeRow& row, bool published) const {
  const auto place = store_.erasure(row.number);
  if (!place) return deny(Code::invalid, "erasure");
  if (published && is_unpublished(*place)) return not_published_yet();
  auto proof = stored_proof(*place, Shown::erasure);
  if (!proof) return deny(Code::erased, "journal");
  return Answer{protocol::Proven{*std::move(proof)}, *place, {}, {}, {}, published};
}

/// A closed shard is proven under its closing checkpoint.
bool CoreState::is_unpublished(const LeafPlace& place) const {
  return place.shard == shard_ && place.index.value >= published_size_.value;
}

Outcome CoreState::prove_leaf(Batch& batch, const Caller& caller, const protocol::Prove& request, Asked& asked) {
  const protocol::Member& member = caller.member;
  const protocol::Decision decision = decide(Act::read_records, member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  const std::optional<ShardNumber> shard = shard_named(request.shard);
  if (!shard || request.leaf->value >= size_of(*shard).value) return not_found();
  const LeafPlace place{*request.leaf, *shard};
  if (request.published && is_unpublished(place)) return not_published_yet();
  if (auto refused = refuse_for_room(batch, 0)) return *std::move(refused);
  if (auto refused = refuse_for_quota(batch, member, 0)) return *std::move(refused);
  auto proof = stored_proof(place, std::nullopt);
  if (proof && proof->disclosure.size() > proven_disclosure_bytes_max) proof = stored_proof(place, Shown::opener);
  if (!proof) return deny(Code::erased, "journal");
  asked.shard = name_of_closed(*shard);
  const std::string range = range_text(place.index.value, place.index.value + 1);
  log(batch, audit::LeafType::verification,
      make_record(&member, asked, {"ok", decision.rule, directory_->number(), {}, range, {}}));
  return Answer{protocol::Proven{*std::move(proof)}, place, {}, {}, {}, request.published};
}

Outcome CoreState::get_records(Batch& batch, const Caller& caller, const protocol::GetRecords& request, Asked& asked) {
  const protocol::Member& member = caller.member;
  const protocol::Decision decision = decide(Act::read_records, member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  // Reading is a leaf too, and must neither fill the disk nor take what is kept for openings.
  if (auto refused = refuse_for_room(batch, 0)) return *std::move(refused);
  if (auto refused = refuse_for_quota(batch, member, 0)) return *std::move(refused);

  const std::optional<ShardNumber> shard = shard_named(request.shard);
  if (!shard) return not_found();

  protocol::Records records;
  records.size = size_of(*shard);
  const std::size_t wanted = std::clamp<std::size_t>(request.items_max, 1, protocol::records_items_max);
  std::size_t bytes = 0;
  bool others = false;  // anything but the caller's own reading
  for (LeafIndex index = request.from; index.value < records.size.value && records.items.size() < wanted;
       ++index.value) {
    const std::optional<LeafRow> row = store_.leaf({index, *shard});
    if (!row) break;
    protocol::RecordItem item;
    item.index = index;
    item.leaf = audit::encode(row->leaf);
    const std::optional<audit::Record> record = stored_record(*row);
    if (record) item.disclosure = audit::encode(audit::disclose_all(*record));
    bytes += 32 + item.leaf.size() + item.disclosure.size();
    if (bytes > protocol::records_bytes_max && !records.items.empty()) break;
    const Bytes* actor = record ? record->find("actor") : nullptr;
    others =
        others || row->leaf.type != audit::LeafType::verification || actor == nullptr || as_text(*actor) != member.id;
    records.items.push_back(std::move(item));
  }
  // Reading one's own last reading makes no leaf, or reading to the end would never end.
  if (others) {
    const std::uint64_t to = request.from.value + records.items.size();
    asked.shard = name_of_closed(*shard);
    const Decided decided{"ok", decision.rule, directory_->number(), {}, range_text(request.from.value, to), {}};
    log(batch, audit::LeafType::verification, make_record(&member, asked, decided));
  }
  return Answer{std::move(records), {}, {}, {}, {}};
}

Outcome CoreState::get_shard(Batch& /*batch*/, const Caller& caller, const protocol::GetShard& request,
                             Asked& /*asked*/) {
  const protocol::Decision decision = decide(Act::connect, caller.member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  const std::optional<ShardNumber> shard = shard_named(request.origin);
  if (!shard || *shard == shard_) return not_found();
  const Closed& closed = closed_[shard->value];
  const LeafPlace next{{0}, {shard->value + 1}};
  auto first = stored_proof(next, Shown::directory_holder);
  if (!first) return deny(Code::erased, "journal");
  protocol::ShardReply reply;
  reply.closed = closed.row.end.closed;
  reply.last_known = closed.row.end.last_known;
  reply.order = closed.row.end.order;
  if (request.known_size <= closed.head.size) {
    auto path = audit::consistency_proof(request.known_size, closed.head.size, store_.nodes(*shard));
    if (!path) return deny(Code::log_unavailable);
    reply.consistency = *std::move(path);
  }
  reply.first = *std::move(first);
  return Answer{std::move(reply), next, {}, {}, {}, true};
}

std::string_view CoreState::name_of_closed(ShardNumber shard) const {
  return shard == shard_ ? std::string_view() : std::string_view(closed_[shard.value].row.origin);
}

}  // namespace pli::broker
