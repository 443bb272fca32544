#include "client/auditor.hpp"

#include <algorithm>
#include <thread>

#include "audit/text_lines.hpp"
#include "client/client_store.hpp"
#include "client/shard_watch.hpp"
#include "crypto/hash.hpp"
#include "crypto/statement.hpp"
#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"
#include "protocol/opening_request.hpp"
#include "protocol/statistics.hpp"
#include "protocol/suspension.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

ByteArray<16> short_id(const Digest& id) {
  ByteArray<16> out{};
  std::copy_n(id.begin(), out.size(), out.begin());
  return out;
}

std::string_view text_in(const audit::Disclosure& record, std::string_view field) {
  const Bytes* value = record.find(field);
  return value == nullptr ? std::string_view() : as_text(*value);
}

template <std::size_t N>
std::optional<ByteArray<N>> array_in(const audit::Disclosure& record, std::string_view field) {
  const Bytes* value = record.find(field);
  return value == nullptr ? std::nullopt : to_array<N>(*value);
}

std::optional<ByteArray<16>> short_id_in(const audit::Disclosure& record, std::string_view field) {
  const auto id = array_in<32>(record, field);
  return id ? std::optional(short_id(*id)) : std::nullopt;
}

std::optional<AuditedRecord> read_record(const protocol::RecordItem& item, Problem& problem) {
  auto leaf = audit::decode_leaf(item.leaf);
  if (!leaf) {
    problem = Problem::leaf_malformed;
    return std::nullopt;
  }
  // Erased at the journal's term: the leaf alone.
  auto record = item.disclosure.empty() ? Result<audit::Disclosure>(audit::Disclosure{})
                                        : audit::decode_disclosure(item.disclosure);
  if (!record) {
    problem = Problem::disclosure_malformed;
    return std::nullopt;
  }
  if (!item.disclosure.empty() && audit::record_digest(*record) != leaf->record) {
    problem = Problem::record_mismatch;
    return std::nullopt;
  }
  return AuditedRecord{item.index, std::move(*leaf), std::move(*record), {}};
}

/// What leaf 0 of a log's very first shard says.
std::string first_statement(std::string_view origin) { return "first leaf of " + std::string(origin); }

/// The first moment after the month, UTC.
UnixMillis end_of_month(UnixMillis time) {
  const auto day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time.value)));
  const std::chrono::year_month_day date(day);
  return protocol::month_start(protocol::month_after(static_cast<std::uint32_t>(static_cast<int>(date.year())) * 100 +
                                                     static_cast<unsigned>(date.month())));
}

}  // namespace

std::string_view text_of(Problem problem) {
  switch (problem) {
    case Problem::leaf_malformed: return "leaf_malformed";
    case Problem::disclosure_malformed: return "disclosure_malformed";
    case Problem::record_mismatch: return "record_mismatch";
    case Problem::record_incomplete: return "record_incomplete";
    case Problem::time_reversed: return "time_reversed";
    case Problem::time_ahead: return "time_ahead";
    case Problem::leaf_missing: return "leaf_missing";
    case Problem::tree_mismatch: return "tree_mismatch";
    case Problem::statement_forged: return "statement_forged";
    case Problem::statement_contradicts: return "statement_contradicts";
    case Problem::signer_unknown: return "signer_unknown";
    case Problem::signer_not_in_force: return "signer_not_in_force";
    case Problem::queue_broken: return "queue_broken";
    case Problem::queue_gap: return "queue_gap";
    case Problem::queue_number_twice: return "queue_number_twice";
    case Problem::refusal_unfounded: return "refusal_unfounded";
    case Problem::act_twice: return "act_twice";
    case Problem::directory_discontinuous: return "directory_discontinuous";
    case Problem::directory_contradicts: return "directory_contradicts";
    case Problem::record_withheld: return "record_withheld";
    case Problem::shard_missing: return "shard_missing";
    case Problem::shard_step_broken: return "shard_step_broken";
  }
  return {};
}

std::string shard_name_of(std::string_view origin) { return std::string(origin.substr(origin.rfind('/') + 1)); }

LogAuditor::LogAuditor(std::string log, const KnownDirectory& directory)
    : log_(std::move(log)), directory_(directory) {}

void LogAuditor::find(Problem problem, std::optional<LeafIndex> leaf, std::string_view subject) {
  take({problem, leaf, std::string(subject), origin_});
}

void LogAuditor::take(Finding finding) {
  if (findings_.size() < findings_max) findings_.push_back(std::move(finding));
}

void LogAuditor::begin_shard(std::string_view origin, Begins begins, const std::string& first) {
  origin_ = origin;
  begins_ = begins;
  first_ = first;
  from_the_middle_ = from_the_middle_ || begins == Begins::unknown;
  ahead_in_shard_ = false;
  edge_ = {};
}

void LogAuditor::check_first(const protocol::RecordItem& item) {
  if (begins_ == Begins::as_shown && item.leaf != first_) find(Problem::shard_step_broken, item.index, "first");
  if (begins_ != Begins::the_log) return;
  const auto leaf = audit::decode_leaf(item.leaf);
  if (!leaf || leaf->statement != first_statement(origin_)) find(Problem::shard_missing, item.index, "first");
}

void LogAuditor::end_shard(const audit::VerifiedCheckpoint& checkpoint, bool rolled_back) {
  if (edge_.size() != checkpoint.size())
    find(Problem::leaf_missing, LeafIndex{edge_.size().value}, "");
  else if (edge_.root() != checkpoint.root())
    find(Problem::tree_mismatch, std::nullopt, "root");
  shards_.push_back({checkpoint.head().origin, checkpoint.size(), checkpoint.root(), checkpoint.note(), rolled_back});
}

void LogAuditor::add(const protocol::RecordItem& item) {
  last_.reset();
  const LeafIndex expected{edge_.size().value};
  if (item.index != expected) find(Problem::leaf_missing, expected, "");
  if (expected.value == 0) check_first(item);
  scratch_.clear();
  edge_.append(audit::leaf_hash(as_bytes(item.leaf)), scratch_);
  ++records_;
  Problem problem{};
  auto record = read_record(item, problem);
  if (!record) {
    find(problem, item.index, "");
    return;
  }
  if (time_ && record->leaf.time < *time_) find(Problem::time_reversed, item.index, "time");
  time_ = record->leaf.time;
  check_time(*record);
  check_directory(*record);
  if (item.disclosure.empty())
    add_erased(*record);
  else
    check_act(*record);
  record->shard = shard_name_of(origin_);
  last_ = std::move(*record);
}

LogAuditor::Latest LogAuditor::latest_time_of(LeafIndex index) const {
  Latest latest;
  const auto bound = [&](UnixMillis time, std::string_view clock, const CosignedNote* cosigned) {
    if (time + protocol::clock_skew_max < latest.time) latest = {time + protocol::clock_skew_max, clock, cosigned};
  };
  const auto here = protocol::shard_of(origin_, log_);
  for (const CosignedNote& cosigned : cosigned_) {
    const CosignedHead& head = cosigned.head;
    // A later shard's first leaf names how this one ended.
    const bool later = here && here < protocol::shard_of(head.origin, log_) && head.size.value != 0;
    if (head.origin == origin_ ? index.value < head.size.value : later) bound(head.at, "witnesses", &cosigned);
  }
  if (now_) bound(*now_, "own", nullptr);
  return latest;
}

void LogAuditor::check_time(const AuditedRecord& record) {
  const Latest latest = latest_time_of(record.index);
  if (record.leaf.time <= latest.time) return;
  // Times never decrease: what follows is ahead too, and one finding says it. An erasure is what it may be done for.
  if (ahead_in_shard_ && record.leaf.type != audit::LeafType::effacement) return;
  ahead_in_shard_ = true;
  take({Problem::time_ahead, record.index, std::string(latest.clock), origin_,
        DatedAhead{record.leaf.time, latest.time, audit::encode(record.leaf),
                   latest.cosigned == nullptr ? std::string() : latest.cosigned->note}});
}

void LogAuditor::add_erased(const AuditedRecord& record) {
  ++erased_;
  const std::uint64_t index = record.index.value;
  const UnixMillis month_end = end_of_month(record.leaf.time);
  if (!unexplained_.empty() && unexplained_.back().to == index && unexplained_.back().month_end == month_end &&
      unexplained_.back().shard == origin_)
    ++unexplained_.back().to;
  else
    unexplained_.push_back({index, index + 1, month_end, origin_});
}

/// Whoever erases says so in the log, which leaves, of which shard where it is not the one it is said in, and not
/// before their term.
void LogAuditor::check_erasure(const AuditedRecord& record) {
  if (record.leaf.type != audit::LeafType::effacement) return;
  const Bytes* elsewhere = record.record.find("shard");
  const std::string_view shard = elsewhere == nullptr ? std::string_view(origin_) : as_text(*elsewhere);
  const std::string_view range = text_in(record.record, "range");
  const std::size_t comma = range.find(',');
  const auto from = audit::parse_decimal(range.substr(0, comma));
  const auto to = comma == std::string_view::npos ? std::nullopt : audit::parse_decimal(range.substr(comma + 1));
  if (!from || !to) return find(Problem::record_incomplete, record.index, "range");
  const UnixMillis time = std::min(record.leaf.time, latest_time_of(record.index).time);
  std::erase_if(unexplained_, [&](const Erased& erased) {
    return erased.shard == shard && erased.from >= *from && erased.to <= *to &&
           time - erased.month_end >= record_kept_min;
  });
}

const Bytes* LogAuditor::required(const AuditedRecord& record, std::string_view field) {
  const Bytes* value = record.record.find(field);
  if (value == nullptr) find(Problem::record_incomplete, record.index, field);
  return value;
}

void LogAuditor::check_act(const AuditedRecord& record) {
  const bool complete = required(record, "act") != nullptr && required(record, "outcome") != nullptr;
  if (!complete) return;
  const std::string_view act = text_in(record.record, "act");
  const bool ok = text_in(record.record, "outcome") == "ok";
  if (act == "submit") check_submission(record, ok);
  if (act == "open") check_opening(record, ok);
  if (act == "erase" && ok) check_erasure(record);
  if (ok && record.record.find("member") != nullptr) check_suspension(record);
  if (!ok) check_author(record);
  // What the leaf says in clear of an act has to be what the record says of it: neither may pass for the other.
  const bool refusal = record.leaf.type == audit::LeafType::refus;
  if (act != "input" && refusal == ok) find(Problem::statement_contradicts, record.index, "outcome");
  if ((record.leaf.type == audit::LeafType::consultation) != (act == "open" && ok))
    find(Problem::statement_contradicts, record.index, "act");
}

/// The key that signed, if it is the named member's, now or formerly.
std::optional<crypto::SignPublic> LogAuditor::signer_of(const AuditedRecord& record) {
  const auto key = array_in<32>(record.record, "key");
  if (!key) {
    find(Problem::record_incomplete, record.index, "key");
    return std::nullopt;
  }
  const crypto::SignPublic signer{*key};
  const protocol::Member* member = directory_.member_by_sign(signer);
  if (member == nullptr) {
    find(Problem::signer_unknown, record.index, "key");
    return std::nullopt;
  }
  if (member->id != text_in(record.record, "actor")) {
    find(Problem::statement_contradicts, record.index, "actor");
    return std::nullopt;
  }
  if (const Bytes* person = record.record.find("person"); person != nullptr && as_text(*person) != member->person)
    find(Problem::statement_contradicts, record.index, "person");
  if (const Bytes* named = record.record.find("organisation");
      named != nullptr && as_text(*named) != member->organisation)
    find(Problem::statement_contradicts, record.index, "organisation");
  return signer;
}

/// Whether who signed was entitled to, under the version the act was recorded with. Of versions before ours we know
/// what ours remembers (revocation, keys in their order) and when each was published.
void LogAuditor::check_in_force(const AuditedRecord& record, const crypto::SignPublic& signer) {
  const auto find_it = [&](std::string_view subject) { find(Problem::signer_not_in_force, record.index, subject); };
  const protocol::Member& member = *directory_.member_by_sign(signer);
  const auto under = audit::parse_decimal(text_in(record.record, "directory"));
  if (!under) return find(Problem::record_incomplete, record.index, "directory");
  const UnixMillis time = record.leaf.time;
  const auto published = published_.find(*under);
  const bool ours = *under == directory_.number().value;
  // A version published after the revocation holds it, or its authority has to say why not.
  const bool holds = member.revoked_at && published != published_.end() && published->second >= *member.revoked_at;
  if (member.revoked_at && time >= *member.revoked_at && (ours || holds)) find_it("revoked");
  if (time >= member.not_after || (ours && time < member.not_before)) find_it("expired");
  // Keys are replaced in one direction: after the newer, the older is not used again.
  const auto& former = member.former_sign;
  const auto rank = static_cast<std::size_t>(std::find(former.begin(), former.end(), signer) - former.begin());
  std::size_t& newest = keys_used_[member.id];
  if (rank < newest || (ours && rank < former.size())) find_it("former_key");
  newest = std::max(newest, rank);
}

void LogAuditor::check_submission(const AuditedRecord& record, bool accepted) {
  const auto exchange = array_in<32>(record.record, "exchange");
  const auto signature = array_in<64>(record.record, "signature");
  // A refusal may be of something that could not be read, or whose signature is the very reason.
  if (!accepted && (!exchange || !signature || text_in(record.record, "outcome") == "BAD_SIGNATURE")) return;
  if (!exchange) return find(Problem::record_incomplete, record.index, "exchange");
  if (!signature) return find(Problem::record_incomplete, record.index, "signature");
  const auto signer = signer_of(record);
  if (signer) {
    if (crypto::verify_statement_digest(*signer, crypto::StatementName::exchange, *exchange, *signature))
      ++signatures_;
    else
      find(Problem::statement_forged, record.index, "exchange");
  }
  if (!accepted) return;
  if (signer) check_in_force(record, *signer);
  const auto kind = protocol::kind_of(text_in(record.record, "kind"));
  if (!kind || protocol::row_of(*kind)->act != record.leaf.type)
    find(Problem::statement_contradicts, record.index, "kind");
  note_case(record, short_id(*exchange));
  check_queue(record, *exchange);
}

void LogAuditor::note_case(const AuditedRecord& record, const ShortId& exchange) {
  const ShortId case_id = short_id_in(record.record, "case").value_or(exchange);
  if (!accepted_.emplace(exchange, case_id).second) find(Problem::act_twice, record.index, "exchange");
  const auto kind = protocol::kind_of(text_in(record.record, "kind"));
  if (kind && protocol::is_transmission(*kind)) {
    // It names the case that it passes on, and begins one whose author is the same.
    accepted_[exchange] = exchange;
    origins_.try_emplace(exchange, case_id);
    if (const auto author = authors_.find(case_id); author != authors_.end())
      authors_.try_emplace(exchange, author->second);
    return;
  }
  if (kind == protocol::Kind::recusation) recused_.insert({case_id, std::string(text_in(record.record, "person"))});
  // A case is named by the exchange that opened it. Whose that is was compared with its signature (signer_of()).
  if (case_id == exchange)
    authors_.try_emplace(case_id, Author{std::string(text_in(record.record, "person")),
                                         std::string(text_in(record.record, "organisation"))});
}

std::vector<LogAuditor::ShortId> LogAuditor::chain_of(const ShortId& case_id) const {
  std::vector<ShortId> out{case_id};
  for (auto origin = origins_.find(case_id); origin != origins_.end() && out.size() <= protocol::transfers_chain_max;
       origin = origins_.find(out.back()))
    out.push_back(origin->second);
  return out;
}

/// Who is refused as a case's author is told nothing that could prove it to him (protocol.md, "Hidden places"): here it
/// is compared with who signed the first exchange of that case; and who is refused for having recused himself, with the
/// recusals before it.
void LogAuditor::check_author(const AuditedRecord& record) {
  const std::string_view rule = text_in(record.record, "rule");
  if (rule != "interdit.auteur" && rule != "interdit.recuse") return;
  const auto exchange = short_id_in(record.record, "exchange");
  const auto known = exchange ? accepted_.find(*exchange) : accepted_.end();
  const auto named = short_id_in(record.record, "case");
  auto case_id = known == accepted_.end() ? named : std::optional(known->second);
  // What was passed on is refused as part of the linked case that it was asked for in.
  if (case_id && named) {
    const auto chain = chain_of(*named);
    if (std::find(chain.begin(), chain.end(), *case_id) != chain.end()) case_id = named;
  }
  const auto author = case_id ? authors_.find(*case_id) : authors_.end();
  if (rule == "interdit.recuse") {
    const protocol::Member* recused = directory_.member(text_in(record.record, "actor"));
    const std::string_view who = recused == nullptr ? text_in(record.record, "person") : recused->person;
    if (author == authors_.end()) return;
    const auto chain = chain_of(*case_id);
    if (std::none_of(chain.begin(), chain.end(), [&](const ShortId& each) {
          return recused_.contains({each, std::string(who)});
        }))
      find(Problem::refusal_unfounded, record.index, "interdit.recuse");
    return;
  }
  if (author == authors_.end()) return;  // erased, or given up in a rollback
  const protocol::Member* member = directory_.member(text_in(record.record, "actor"));
  const std::string_view person = member == nullptr ? text_in(record.record, "person") : member->person;
  const std::string_view organisation =
      member == nullptr ? text_in(record.record, "organisation") : member->organisation;
  if (author->second.person != person && author->second.organisation != organisation)
    find(Problem::refusal_unfounded, record.index, "interdit.auteur");
}

void LogAuditor::check_suspension(const AuditedRecord& record) {
  const Bytes* note = required(record, "statement");
  if (note == nullptr) return;
  // By the authorities of the version held, or of one before: they change only when k of the old and k of the new sign.
  auto suspension =
      protocol::verify_suspension_note(as_text(*note), protocol::authorities_of(directory_.verified().head()));
  for (std::size_t i = 0; !suspension && i < authorities_.size(); ++i)
    suspension = protocol::verify_suspension_note(as_text(*note), authorities_[i]);
  if (!suspension) return find(Problem::statement_forged, record.index, "statement");
  ++signatures_;
  const auto contradicts = [&](std::string_view field) { find(Problem::statement_contradicts, record.index, field); };
  if (suspension->member != text_in(record.record, "member")) contradicts("member");
  if (suspension->contract != directory_.verified().head().contract) contradicts("contract");
  if (std::to_string(suspension->directory.value) != text_in(record.record, "directory")) contradicts("directory");
  if (record.leaf.type != audit::LeafType::habilitation) contradicts("act");
}

void LogAuditor::check_opening(const AuditedRecord& record, bool granted) {
  const Bytes* statement = record.record.find("statement");
  const auto signature = array_in<64>(record.record, "signature");
  if (!granted && (statement == nullptr || !signature || text_in(record.record, "outcome") == "BAD_SIGNATURE")) return;
  if (statement == nullptr) return find(Problem::record_incomplete, record.index, "statement");
  if (!signature) return find(Problem::record_incomplete, record.index, "signature");
  auto request = protocol::decode_opening_request(*statement);
  if (!request) return find(Problem::statement_forged, record.index, "statement");
  const auto signer = signer_of(record);
  if (!signer) return;
  if (!crypto::verify_statement(*signer, crypto::StatementName::open, *statement, *signature))
    return find(Problem::statement_forged, record.index, "statement");
  ++signatures_;

  const auto contradicts = [&](std::string_view field) { find(Problem::statement_contradicts, record.index, field); };
  if (request->opener_key != *signer) contradicts("key");
  if (request->log != log_) contradicts("log");
  if (request->opener != text_in(record.record, "actor")) contradicts("actor");
  if (array_in<32>(record.record, "exchange") != request->exchange) contradicts("exchange");
  const auto motif = protocol::motif_of_number(request->motif);
  if ((motif ? protocol::text_of(*motif) : std::string_view()) != text_in(record.record, "motif")) contradicts("motif");
  const Bytes* note = record.record.find("note");
  if ((note == nullptr || note->empty() ? Digest{} : crypto::sha256(*note)) != request->note) contradicts("note");
  // The opener's version may be older than the one the decision was taken under, never newer.
  const auto decided_under = audit::parse_decimal(text_in(record.record, "directory"));
  if (!decided_under || request->directory.value > *decided_under) contradicts("directory");
  if (!granted) return;
  check_in_force(record, *signer);
  // A signed request is granted once, soon: later, or again, somebody else plays it back.
  const UnixMillis time = record.leaf.time;
  if (request->created_at > time + protocol::clock_skew_max || request->created_at < time - protocol::opening_age_max)
    contradicts("time");
  const auto too_old = time - protocol::opening_age_max - protocol::clock_skew_max;
  for (; !granted_order_.empty() && granted_order_.front().first < too_old; granted_order_.pop_front())
    granted_.erase(granted_order_.front().second);
  const protocol::OpeningId id = protocol::opening_id(*statement);
  if (!granted_.insert(id).second) return find(Problem::act_twice, record.index, "statement");
  granted_order_.emplace_back(time, id);
}

void LogAuditor::check_queue(const AuditedRecord& record, const Digest& exchange) {
  const auto head = array_in<32>(record.record, "head");
  const auto number = audit::parse_decimal(text_in(record.record, "number"));
  const std::string queue(text_in(record.record, "queue"));
  if (!head || !number || queue.empty()) return find(Problem::record_incomplete, record.index, "queue");
  auto [known, fresh] = queues_.try_emplace(queue, QueueAt{audit::queue_start(log_, queue), 0});
  audit::QueueHead& last = known->second.head;
  const bool may_be_erased = known->second.erased != erased_ || (fresh && from_the_middle_);
  known->second.erased = erased_;
  if (*number <= last.number.value) return find(Problem::queue_number_twice, record.index, queue);
  const audit::QueueHead shown{QueueNumber{*number}, *head};
  if (*number != last.number.value + 1 && may_be_erased) {
    // Its links up to here went with their records: what follows is compared from this one on.
  } else if (*number != last.number.value + 1)
    find(Problem::queue_gap, record.index, queue);
  else if (!audit::verify_link(last, exchange, shown))
    find(Problem::queue_broken, record.index, queue);
  last = shown;
}

void LogAuditor::check_directory(const AuditedRecord& record) {
  if (!record.leaf.directory) return;
  const audit::DirectoryReference& version = *record.leaf.directory;
  // The first leaf of a later shard repeats the version then in force.
  const bool repeats = record.index.value == 0 && begins_ != Begins::the_log && version_ && version == *version_;
  const bool first_of_later = record.index.value == 0 && !shards_.empty();
  const bool follows = !version_ || repeats || (!first_of_later && version.number.value == version_->number.value + 1);
  if (!follows) find(Problem::directory_discontinuous, record.index, "directory");
  const auto& ours = directory_.verified();
  if (version.number == ours.head().number && version.digest != ours.digest())
    find(Problem::directory_contradicts, record.index, "directory");
  // Ours names the digest of the one before it.
  if (version.number.value + 1 == ours.head().number.value && version.digest != ours.head().previous)
    find(Problem::directory_contradicts, record.index, "directory");
  version_ = version;
  published_.try_emplace(version.number.value, record.leaf.time);
}

bool LogAuditor::knows_directory() const {
  return version_ && (older_directory_ || version_->number >= directory_.number());
}

AuditReport LogAuditor::finish(const audit::VerifiedCheckpoint& checkpoint) {
  end_shard(checkpoint, false);
  AuditReport report;
  report.size = checkpoint.size();
  report.root = checkpoint.root();
  report.checkpoint = checkpoint.note();
  report.records = records_;
  report.erased = erased_;
  for (const Erased& erased : unexplained_)
    take({Problem::record_withheld, LeafIndex{erased.from}, "record", erased.shard});
  if (!knows_directory()) find(Problem::directory_contradicts, std::nullopt, "directory");
  report.signatures = signatures_;
  report.findings = findings_;
  report.shards = shards_;
  return report;
}

Outcome<void> read_items(Session& session, const std::string& origin, LeafIndex from, TreeSize end,
                         const OnItem& on_item) {
  std::uint64_t next = from.value;
  while (next < end.value) {
    const auto wanted = std::min<std::uint64_t>(end.value - next, protocol::records_items_max);
    auto page = session.ask<protocol::Records>(
        protocol::GetRecords{LeafIndex{next}, static_cast<std::uint32_t>(wanted), origin});
    if (!page) return page.error();
    if (page->items.empty()) return {};
    for (const protocol::RecordItem& item : page->items) {
      if (next == end.value) break;
      if (auto taken = on_item(item); !taken) return taken.error();
      ++next;
    }
  }
  return {};
}

namespace {

/// What a leaf 0 says was before its shard. Nothing where it says that nothing was, or cannot be read: reading the
/// whole shard finds that.
struct Before {
  std::string previous;
  bool first = false;
};
Outcome<Before> read_before(Session& session, const std::string& origin, std::vector<Finding>& findings) {
  Before before;
  auto page = session.ask<protocol::Records>(protocol::GetRecords{LeafIndex{0}, 1, origin});
  if (!page && is(page.error(), protocol::Code::not_found)) {
    findings.push_back({Problem::shard_missing, std::nullopt, "records", origin});
    return before;
  }
  if (!page) return page.error();
  if (page->items.empty()) return before;
  const auto leaf = audit::decode_leaf(page->items.front().leaf);
  if (!leaf || !leaf->statement) {
    before.first = true;  // which reading it will not confirm
    return before;
  }
  const auto opening = protocol::parse_shard_opening(*leaf->statement);
  if (opening)
    before.previous = opening->previous;
  else
    before.first = true;
  return before;
}

Outcome<ShardStep> verify_step(const protocol::ShardReply& reply, const std::string& origin,
                               const protocol::Invitation& invitation,
                               const std::vector<protocol::AuthoritySet>& authorities) {
  auto step = verify_shard_step(reply, origin, invitation, authorities.front());
  // An order is signed by those who were authorities then.
  for (std::size_t i = 1; !step && i < authorities.size(); ++i)
    step = verify_shard_step(reply, origin, invitation, authorities[i]);
  return step;
}

/// Of the tree we hold the log to, the note with the newest cosignatures.
const audit::VerifiedCheckpoint& newest_of(const LogWatch& log) {
  return log.shown() && log.shown()->head() == log.last()->head() ? *log.shown() : *log.last();
}

Outcome<AuditReport> with_cosigners(Session& session, AuditReport report) {
  const protocol::Invitation& invitation = session.invitation();
  for (AuditedShard& shard : report.shards) {
    auto checkpoint = verify_log_note(shard.checkpoint, invitation.log, invitation.log_key);
    if (!checkpoint) return checkpoint.error();
    auto cosigned = session.log().witnesses().read(*checkpoint, session.clock().now());
    if (!cosigned) return cosigned.error();
    shard.cosigned = cosigned->quorum_at.has_value();
  }
  return report;
}

}  // namespace

Outcome<ShardChain> find_shards(Session& session) {
  if (!session.log().last()) return Failure(LocalCode::receipt_invalid, "no checkpoint to compare with");
  const protocol::Invitation& invitation = session.invitation();
  const ClientStore& store = session.profile().store();
  auto authorities = session.authorities_known();
  if (!authorities) return authorities.error();
  ShardChain chain;
  bool noted = false;
  std::vector<ShardSpan>& shards = chain.shards;  // newest first until the end
  shards.push_back(
      {session.log().last()->head().origin, newest_of(session.log()), LogAuditor::Begins::unknown, {}, false});
  for (;;) {
    const std::string origin = shards.back().origin;
    auto before = read_before(session, origin, chain.findings);
    if (!before) return before.error();
    auto remembered = store.shard_before(origin);
    if (!remembered) return local(LocalCode::local_store, remembered.error());
    const std::string previous = *remembered ? (*remembered)->origin : before->previous;
    if (previous.empty()) {
      if (before->first) shards.back().begins = LogAuditor::Begins::the_log;
      break;
    }
    const auto broken = [&](const char* subject) {
      chain.findings.push_back({Problem::shard_step_broken, std::nullopt, subject, origin});
    };
    // They come one after the other, so that going back ends.
    const auto name = protocol::shard_of(previous, invitation.log);
    if (!name || name >= protocol::shard_of(origin, invitation.log)) {
      broken("previous");
      break;
    }
    if (shards.size() == shards_audited_max) return Failure(LocalCode::receipt_invalid, "more shards than one log has");
    auto reply = session.ask<protocol::ShardReply>(protocol::GetShard{previous, TreeSize{}});
    if (!reply && is(reply.error(), protocol::Code::not_found)) {
      chain.findings.push_back({Problem::shard_missing, std::nullopt, "end", previous});
      break;
    }
    if (!reply) return reply.error();
    auto step = verify_step(*reply, previous, invitation, *authorities);
    if (step && step->opened.head().origin != origin) step = Failure(LocalCode::log_forked, "another shard follows");
    if (step) {
      shards.back().begins = LogAuditor::Begins::as_shown;
      shards.back().first = reply->first.leaf;
      const audit::VerifiedCheckpoint& known = shards.back().checkpoint;
      if (step->opened.size() != known.size() || step->opened.root() != known.root()) {
        noted = true;
        if (auto kept = session.log().note_foreign(step->opened.note(), session.clock().now()); !kept)
          return kept.error();
      }
    } else {
      broken("step");
    }
    // What the log signed as the end is read all the same.
    auto closed = verify_log_note(reply->closed, invitation.log, invitation.log_key);
    if (!closed || closed->head().origin != previous) break;
    auto seen = store.closed_shard(previous);
    if (!seen) return local(LocalCode::local_store, seen.error());
    if (*seen && (*seen)->closed != protocol::TreeMark{closed->size(), closed->root()}) broken("closed");
    shards.push_back({previous, std::move(*closed), LogAuditor::Begins::unknown, {}, step && step->rolled_back()});
  }
  std::reverse(shards.begin(), shards.end());
  // A checkpoint that proved a first leaf is of the tree that is read, or the log has forked.
  if (noted)
    if (auto checked = session.check_log(); !checked) return checked.error();
  return chain;
}

namespace {

/// What the witnesses' quorum cosigned of these shards, and the newest it was ever seen to cosign. Errors: local_store.
Outcome<std::vector<CosignedNote>> cosigned_notes(Session& session, const std::vector<ShardSpan>& shards) {
  std::vector<CosignedNote> out;
  const WitnessWatch& witnesses = session.log().witnesses();
  if (!witnesses.policy()) return out;
  if (witnesses.kept()) {
    auto note = session.profile().store().cosigned_checkpoint();
    if (!note) return local(LocalCode::local_store, note.error());
    if (*note) out.push_back({*witnesses.kept(), **note});
  }
  for (const ShardSpan& shard : shards) {
    // An older shard's witnesses may be others, whose lines say nothing here.
    const std::string& note = shard.checkpoint.note();
    const auto read = read_cosignatures(note, log_verifier(shard.origin, session.invitation().log_key),
                                        *witnesses.policy(), session.clock().now());
    if (read && read->quorum_at) out.push_back({{shard.origin, shard.checkpoint.size(), *read->quorum_at}, note});
  }
  return out;
}

/// What a stranger needs to see it: the leaf, and what the witnesses cosigned. Empty where none is ahead of these.
std::filesystem::path keep_time_evidence(const Profile& profile, const std::vector<Finding>& findings) {
  const auto found = std::find_if(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.problem == Problem::time_ahead && !finding.ahead->checkpoint.empty();
  });
  if (found == findings.end()) return {};
  return profile.keep_evidence(
      "leaf-time", "pli-evidence/1\nA leaf is dated later than the witnesses cosigned a tree that holds it.\nshard " +
                       found->shard + "\nplace " + std::to_string(found->leaf->value) + "\nlatest " +
                       std::to_string(found->ahead->latest.value) + "\n\n" + found->ahead->leaf + "\n" +
                       found->ahead->checkpoint);
}

}  // namespace

Outcome<AuditReport> audit_log(Session& session, const OnRecord& on_record, std::chrono::milliseconds patience,
                               const OnLeaf& on_leaf, const OnProgress& progress) {
  constexpr std::chrono::milliseconds pause{100};
  if (auto refreshed = session.refresh(); !refreshed) return refreshed.error();
  auto chain = find_shards(session);
  if (!chain) return chain.error();
  LogAuditor auditor(session.invitation().log, session.directory());
  auto authorities = session.authorities_known();
  if (!authorities) return authorities.error();
  auditor.trust_authorities(std::move(*authorities));
  for (Finding& finding : chain->findings) auditor.take(std::move(finding));
  std::uint64_t total = 0;
  bool given_up = false;
  for (const ShardSpan& shard : chain->shards) {
    total += shard.checkpoint.size().value;
    given_up = given_up || shard.rolled_back;
  }
  if (given_up && session.directory_behind()) auditor.excuse_older_directory();

  auto cosigned = cosigned_notes(session, chain->shards);
  if (!cosigned) return cosigned.error();
  auditor.witnessed_by(std::move(*cosigned));

  std::uint64_t done = 0;
  const auto read = [&](const std::string& origin, LeafIndex from, TreeSize end) {
    return read_items(session, origin, from, end, [&](const protocol::RecordItem& item) -> Outcome<void> {
      auditor.read_at(session.clock().now());
      auditor.add(item);
      if (progress) progress(++done, std::max(done, total));
      if (on_leaf)
        if (auto taken = on_leaf(origin, item); !taken) return taken.error();
      if (on_record && auditor.last()) on_record(*auditor.last());
      return {};
    });
  };
  for (const ShardSpan& shard : chain->shards) {
    auditor.begin_shard(shard.origin, shard.begins, shard.first);
    if (shard.origin == chain->shards.back().origin) break;
    auto closed = read(shard.origin, LeafIndex{}, shard.checkpoint.size());
    // What is missing is a finding.
    if (!closed && is(closed.error(), protocol::Code::not_found))
      auditor.take({Problem::shard_missing, std::nullopt, "records", shard.origin});
    else if (!closed)
      return closed.error();
    auditor.end_shard(shard.checkpoint, shard.rolled_back);
  }
  const std::string& origin = chain->shards.back().origin;
  audit::VerifiedCheckpoint checkpoint = chain->shards.back().checkpoint;
  for (LeafIndex next{};; patience -= pause) {
    // The log may go on in another shard meanwhile: that is for the next reading.
    if (session.log().last()->head().origin == origin) checkpoint = newest_of(session.log());
    total = done + checkpoint.size().value - std::min(next.value, checkpoint.size().value);
    // What is missing at the end is a finding.
    if (auto read_on = read(origin, next, checkpoint.size()); !read_on) return read_on.error();
    next = auditor.next();
    if (auditor.knows_directory() || patience <= std::chrono::milliseconds::zero()) {
      AuditReport report = auditor.finish(checkpoint);
      report.evidence = keep_time_evidence(session.profile(), report.findings);
      return with_cosigners(session, std::move(report));
    }
    std::this_thread::sleep_for(pause);
    if (auto checked = session.check_log(); !checked) return checked.error();
  }
}

Outcome<UnprovenTail> read_unproven(Session& session) {
  if (!session.log().last()) return Failure(LocalCode::receipt_invalid, "no checkpoint to compare with");
  const std::uint64_t from = session.log().known_size().value;
  const std::string& origin = session.log().last()->head().origin;
  auto page = session.ask<protocol::Records>(
      protocol::GetRecords{LeafIndex{from}, static_cast<std::uint32_t>(protocol::records_items_max), origin});
  if (!page) return page.error();
  UnprovenTail out;
  out.count = page->size.value > from ? page->size.value - from : 0;
  for (const protocol::RecordItem& item : page->items) {
    Problem problem{};
    auto record = read_record(item, problem);
    if (!record || item.index.value != from + out.records.size())
      return Failure(LocalCode::receipt_invalid, "a record that is not what its leaf says");
    out.records.push_back(std::move(*record));
  }
  return out;
}

Outcome<std::vector<AuditedRecord>> read_records(Session& session, LeafIndex from, std::uint64_t count,
                                                 const std::string& origin) {
  std::vector<AuditedRecord> out;
  std::uint64_t next = from.value;
  const std::uint64_t end = from.value + std::min(count, std::uint64_t{1} << 32);
  while (next < end) {
    const auto wanted = std::min<std::uint64_t>(end - next, protocol::records_items_max);
    auto page = session.ask<protocol::Records>(
        protocol::GetRecords{LeafIndex{next}, static_cast<std::uint32_t>(wanted), origin});
    if (!page) return page.error();
    if (page->items.empty()) break;
    for (const protocol::RecordItem& item : page->items) {
      Problem problem{};
      auto record = read_record(item, problem);
      if (!record || item.index.value != next)
        return Failure(LocalCode::receipt_invalid, "a record that is not what its leaf says");
      record->shard = shard_name_of(origin);
      out.push_back(std::move(*record));
      if (++next == end) break;
    }
  }
  return out;
}

Outcome<VerifiedReceipt> prove_record(Session& session, LeafIndex place, const std::string& shard) {
  if (!session.log().last()) return Failure(LocalCode::receipt_invalid, "no checkpoint to compare with");
  protocol::Prove request;
  request.leaf = place;
  request.shard = shard;
  request.published = true;
  auto proven = session.ask<protocol::Proven>(request);
  // What was recorded a moment ago is published in a moment.
  for (auto patience = publication_patience; !proven && is(proven.error(), protocol::Code::busy);) {
    const std::chrono::milliseconds pause(std::get<protocol::Refusal>(proven.error().cause).retry_after_ms);
    if (pause > patience || pause <= std::chrono::milliseconds::zero()) break;
    patience -= pause;
    std::this_thread::sleep_for(pause);
    proven = session.ask<protocol::Proven>(request);
  }
  if (!proven) return proven.error();
  auto receipt = session.verify_proof(proven->proof);
  if (!receipt) return receipt.error();
  const std::string expected = shard.empty() ? session.log().last()->head().origin : shard;
  if (receipt->receipt.index != place || receipt->origin != expected)
    return Failure(LocalCode::receipt_invalid, "the proof is of another leaf than the one asked for");
  if (auto checked = session.check_log(); !checked) return checked.error();
  return receipt;
}

void show_only(audit::Disclosure& record, const std::vector<std::string>& shown) {
  for (audit::DisclosedField& field : record.fields)
    if (field.opening && std::find(shown.begin(), shown.end(), field.opening->field.name) == shown.end())
      field.opening.reset();
}

}  // namespace pli::client
