// open and get_chunk: R and the sealed parts leave only behind a durable record of who asked, with which motif (P3,
// P4).
#include <algorithm>
#include <set>
#include <utility>

#include "broker/core_state.hpp"
#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;
using protocol::Kind;
using protocol::Relation;

namespace {

/// How many keys a member's note is sealed to: those of the audit queues it is shown (docs/protocol.md, "Opening").
std::size_t auditor_keys(const protocol::Directory& directory, const protocol::Member& member) {
  std::vector<crypto::AgePublic> keys;
  for (const protocol::Queue* queue : directory.queues()) {
    const bool near =
        protocol::covers(queue->territory, member.territory) || protocol::covers(member.territory, queue->territory);
    if (queue->kind == protocol::QueueKind::audit && near)
      keys.insert(keys.end(), queue->keys.begin(), queue->keys.end());
  }
  std::sort(keys.begin(), keys.end());
  return static_cast<std::size_t>(std::unique(keys.begin(), keys.end()) - keys.begin());
}

}  // namespace

Outcome CoreState::open(Batch& batch, const Caller& caller, VerifiedOpen& request, Asked& asked) {
  const protocol::OpeningRequest& wanted = request.request;
  const protocol::Member& member = caller.member;
  asked.exchange = wanted.exchange;
  if (const auto motif = protocol::motif_of_number(wanted.motif)) asked.motif = protocol::text_of(*motif);

  if (wanted.opener != member.id) return deny(Code::invalid, "opener");
  if (wanted.opener_key != member.keys.sign) {
    const auto& former = member.former_sign;
    const bool was = std::find(former.begin(), former.end(), wanted.opener_key) != former.end();
    return was ? deny(Code::revoked) : deny(Code::invalid, "opener_key");
  }
  if (wanted.log != settings_.log) return deny(Code::invalid, "log");
  if (wanted.directory.value == 0 || wanted.directory > directory_->number()) return deny(Code::invalid, "directory");
  // One bucket to the auditors, no more: the log is no place to keep things in.
  if (!request.note.empty() && request.note.size() != protocol::sealed_note_bytes(auditor_keys(*directory_, member)))
    return wanted.directory == directory_->number() ? deny(Code::invalid, "note") : deny(Code::stale_directory);
  // Said to this log by this member: from here on the record holds what was signed, whatever becomes of it.
  asked.key = wanted.opener_key;
  asked.statement = request.bytes;
  asked.signature = &request.signature;
  asked.note = request.note;
  if (wanted.motif == 0) return deny(Code::motif_required);
  if (asked.motif.empty()) return deny(Code::invalid, "motif");

  // By the log's time: after the clock went back a request is as old as its leaf would make it look to an auditor, and
  // one that was granted before is not granted twice.
  const UnixMillis now = std::max(batch.now, last_leaf_time_);
  // A repeated request gets the answer it had, a stale one none. What was granted once is decided anew all the same.
  std::optional<OpeningRow> granted;
  if (const auto known = openings_.find(request.id); known != openings_.end()) granted = store_.opening(known->second);
  if (granted && now - granted->at > protocol::opening_replay_window) granted.reset();
  if (wanted.created_at > now + protocol::clock_skew_max) return deny(Code::clock_skew);
  if (!granted && wanted.created_at < now - protocol::opening_age_max) return deny(Code::clock_skew);
  if (directory_expired(batch.now)) return deny(Code::forbidden, "annuaire.expire");

  if (!granted)
    if (auto refused = refuse_for_quota(batch, member, 0)) return *std::move(refused);

  // A stranger is answered as if nothing stood there, after the same work; the record says which it was.
  const std::optional<ExchangeRow> row = store_.find_exchange(wanted.exchange);
  const ExchangeFacts facts = facts_for(member, row.value_or(ExchangeRow{}), Act::open);
  const protocol::Relations standing = relations(member, facts);
  const protocol::Decision decision = decide(Act::open, member, facts, standing);
  if (!row || !may_know(member, *row, facts) || (facts.withheld && !decision))
    return not_found(row ? decision.rule : std::string_view{});
  // Where he opens it: of another instance's report, the queue and the case that it was passed on to.
  asked.queue = queue_name(facts.opens_in);
  asked.case_id = case_id_of(*row);
  if (facts.case_row && facts.case_row->number != row->case_number)
    if (const auto first = store_.exchange(facts.case_row->number)) asked.case_id = first->id;
  if (facts.kind) asked.kind = protocol::row_of(*facts.kind)->name;
  if (facts.rosters.front()) asked.recipients = facts.rosters.front()->digest;
  if (!decision) return deny(Code::forbidden, decision.rule);
  if (row->erased) return deny(Code::erased, "terme");
  // What was taken back before anybody had read it, nobody reads; but for the word that says so.
  const bool retired =
      facts.case_row && facts.case_row->state == static_cast<std::uint8_t>(protocol::CaseState::retire);
  if (retired && facts.kind != Kind::retrait) return deny(Code::erased, "retrait");
  // An access part is a way into another exchange, which it names.
  if (facts.kind == Kind::acces) return deny(Code::invalid, "exchange");
  if (auto refused = refuse_nominative_opening(member, *row, facts, now)) return *std::move(refused);

  ReleaseOrder order;
  order.exchange = row->number;
  order.epoch = request.release_epoch;
  order.release_key = request.release_key;
  order.session = std::move(request.session);
  bool key_lost = false;
  std::set<std::pair<QueueKey, ExchangeNumber>> read_in;  // and as part of which case
  for (Part& part : parts_of(*row)) {
    read_in.insert({part.exchange.queue, part.exchange.case_number});
    if (!lets_in(member, part, facts)) continue;
    // Proven to open before the reading is recorded: after that nothing may fail but the disk.
    if (release_key_of(part.access))
      order.parts.push_back(std::move(part.access));
    else
      key_lost = true;
  }
  if (order.parts.empty() && key_lost) return deny(Code::erased, "cle");
  if (order.parts.empty()) return deny(Code::forbidden, "acces.absent");

  protocol::Opened opened;
  opened.exchange = row->id;
  if (order.parts.front().number != row->number)
    opened.header = protocol::OriginalHeader{row->address, row->seal, row->signature, row->accepted_at};
  if (granted) {
    auto proof = stored_proof(granted->leaf, Shown::opener);
    if (!proof) return deny(Code::erased, "journal");
    opened.proof = *std::move(proof);
    return Answer{std::move(opened), granted->leaf, {}, std::move(order), {}};
  }

  const Decided decided{"ok", decision.rule, directory_->number(), {}, {}, {}};
  const audit::Record record = make_record(&member, asked, decided);
  const Logged logged = log(batch, audit::LeafType::consultation, record);
  batch.tx.add_opening({logged.place, request.id, row->number, member.id, now});
  openings_.emplace(request.id, logged.place);
  opening_times_.emplace_back(now, request.id);
  // No decision without a recorded opening by the instance (protocol/case_life.hpp).
  if (protocol::says_what_is_reported(*facts.kind)) {
    mark_opened(batch, standing, facts);
    // Who sits in an instance that it was passed on to as well has read it there too.
    for (const auto& [queue, of_case] : read_in) {
      if (facts.case_row && queue == facts.opens_in && of_case == facts.case_row->number) continue;
      const ExchangeFacts there = facts_in(*row, queue, of_case);
      const protocol::Relations as_there = relations(member, there);
      if (decide(Act::open, member, there, as_there)) mark_opened(batch, as_there, there);
    }
  }
  opened.proof = proof_of(logged, record, Shown::opener);
  return Answer{std::move(opened), logged.place, {}, std::move(order), {}};
}

void CoreState::mark_opened(Batch& batch, const protocol::Relations& standing, const ExchangeFacts& facts) {
  if (!facts.case_row || facts.case_row->opened || !standing.has(Relation::case_instance)) return;
  CaseRow changed = *facts.case_row;
  changed.opened = true;
  batch.tx.update_case(changed);
}

Outcome CoreState::get_chunk(Batch& batch, const Caller& caller, const protocol::GetChunk& request, Asked& asked) {
  const protocol::Member& member = caller.member;
  const auto known = openings_.find(request.opening);
  std::optional<OpeningRow> granted;
  if (known != openings_.end()) granted = store_.opening(known->second);
  const UnixMillis now = std::max(batch.now, last_leaf_time_);
  if (!granted || granted->opener != member.id || now - granted->at > protocol::opening_replay_window)
    return not_found();
  const std::optional<ExchangeRow> row = store_.exchange(granted->exchange);
  if (!row) return not_found();
  asked.exchange = row->id;
  if (directory_expired(batch.now)) return deny(Code::forbidden, "annuaire.expire");
  // Revoked or recused, or the charter lapsed since: what was granted is no longer handed out.
  const ExchangeFacts facts = facts_for(member, *row, Act::open);
  const protocol::Decision decision = decide(Act::open, member, facts, relations(member, facts));
  if (!decision) return deny(Code::forbidden, decision.rule);
  if (row->erased) return deny(Code::erased, "terme");
  if (auto refused = refuse_nominative_opening(member, *row, facts, now)) return *std::move(refused);
  const auto seal = protocol::decode_seal(row->seal);
  if (!seal) return not_found();

  ExchangeNumber body = row->number;
  std::uint64_t start = seal->locked_size;
  std::uint64_t size = seal->payload_size;
  if (request.part == protocol::PartKind::locked) {
    std::uint32_t position = 0;
    bool found = false;
    for (const Part& part : parts_of(*row)) {
      if (!lets_in(member, part, facts) || position++ != request.access) continue;
      const auto its_seal = protocol::decode_seal(part.exchange.seal);
      if (!its_seal) return not_found();
      body = part.access.number;
      start = 0;
      size = its_seal->locked_size;
      found = true;
      break;
    }
    if (!found) return deny(Code::invalid, "access");
  }
  const std::uint64_t offset = std::uint64_t{request.index} * protocol::chunk_bytes_max;
  if (offset >= size) return deny(Code::invalid, "index");
  protocol::Chunk chunk;
  chunk.index = request.index;
  chunk.part_size = size;
  chunk.bytes = store_.body(body, start + offset, std::min<std::uint64_t>(protocol::chunk_bytes_max, size - offset));
  return Answer{std::move(chunk), {}, {}, {}, {}};
}

}  // namespace pli::broker
