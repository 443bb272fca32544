#include "client/outbox.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "client/alarm.hpp"
#include "client/case_list.hpp"
#include "client/client_store.hpp"
#include "client/inbox.hpp"
#include "client/receipts.hpp"
#include "client/upload_part.hpp"
#include "crypto/age_open.hpp"
#include "crypto/age_seal.hpp"
#include "crypto/random.hpp"
#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"

namespace pli::client {
namespace {

using protocol::Code;
using protocol::LocalCode;
using std::chrono::milliseconds;

/// Submissions on their way at once: enough to fill the broker's batches, few enough to keep in memory.
constexpr std::size_t window = 32;
/// A roster can change again while we seal; a broker that calls every sealing stale is not waited for.
constexpr int reseals_max = 3;
constexpr milliseconds busy_wait_max{5000};
/// Receipts asked for at once, and refusals after which the rest waits for the next flush: together they stay below
/// refusals_per_minute_max, past which an identity is not heard.
constexpr std::size_t upgrades_asked_max = 16;
constexpr std::size_t upgrades_refused_max = 8;
/// How long a directory version just published is waited for under a cosigned checkpoint.
constexpr milliseconds witness_patience{5000};
/// The broker's rule while no version of the directory is in force.
constexpr std::string_view expired_directory_rule = "annuaire.expire";

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

/// year·100 + month, UTC: how release epochs are named (protocol/exchange.hpp).
std::uint32_t month_of(UnixMillis time) {
  const auto day = std::chrono::floor<std::chrono::days>(std::chrono::sys_time<milliseconds>(milliseconds(time.value)));
  const std::chrono::year_month_day date(day);
  return static_cast<std::uint32_t>(static_cast<int>(date.year())) * 100 + static_cast<unsigned>(date.month());
}

Outcome<Bytes> seal_to_self(const Draft& draft, const Keys& keys) {
  Bytes clear = encode(draft);
  const crypto::AgePublic self = keys.current.public_identity().age;
  auto sealed = crypto::seal_bytes(clear, {&self, 1});
  crypto::wipe(clear);
  if (!sealed) return local(LocalCode::local_store, sealed.error());
  return std::move(*sealed);
}

Outcome<Draft> open_own(const Bytes& form, const Keys& keys) {
  std::vector<crypto::SecretKey> identities;
  identities.push_back(keys.current.age_secret().clone());
  for (const crypto::Identity& former : keys.former) identities.push_back(former.age_secret().clone());
  auto clear = crypto::opening::open_bytes(form, {identities, nullptr});
  if (!clear) return Failure(LocalCode::local_store, "a form in the outbox is not sealed to this identity");
  auto draft = decode_draft(*clear);
  crypto::wipe(*clear);
  if (!draft) return store_failure(draft.error());
  return std::move(*draft);
}

Outcome<std::vector<protocol::GossipHead>> head_of(const Profile& profile, const std::string& queue) {
  auto state = profile.store().queue(queue);
  if (!state) return store_failure(state.error());
  std::vector<protocol::GossipHead> heads;
  // Of a queue not walked since a rollback we may have seen what nobody else will.
  if (*state && (*state)->head.number.value != 0 && !(*state)->walk_from) heads.push_back({queue, (*state)->head});
  return heads;
}

void put_sealing(OutboxRow& row, SealedExchange sealed) {
  row.item.state = OutboxState::sealed;
  row.item.exchange = sealed.id;
  row.item.bytes = sealed.envelope.locked.size() + sealed.envelope.payload.size();
  row.envelope = std::move(sealed.envelope);
}

/// A sealing the broker refused: its id stays as a link, the form is sealed again.
void forget_sealing(OutboxRow& row) {
  if (row.item.exchange) row.item.replaced.push_back(*row.item.exchange);
  row.item.exchange.reset();
  row.envelope.reset();
  row.item.bytes = 0;
  row.item.state = OutboxState::queued;
}

/// Whether a case may yet come to where an exchange of this kind is possible: what must come before it was lost with
/// the end of a shard. By "from,to", whose states a collectivité is not told.
bool may_become_possible(protocol::Kind kind, std::string_view from_to) {
  const auto from = protocol::case_state_of(from_to.substr(0, from_to.find(',')));
  const auto& table = protocol::case_table();
  return from && std::any_of(table.begin(), table.end(), [&](const protocol::CaseRow& row) {
           return row.kind == kind &&
                  (row.from > *from || (row.from == *from && row.need == protocol::CaseNeed::opening));
         });
}

/// A refusal that something missing explains.
bool lacks_something(protocol::Kind kind, const protocol::Refusal& refusal) {
  return refusal.code == Code::not_found ||
         (refusal.code == Code::illegal_transition && may_become_possible(kind, refusal.subject));
}

/// Whether the log had it once: its receipt, or that of an earlier sealing, is still there.
bool was_receipted(const Profile& profile, const OutboxItem& item) {
  const auto has_receipt = [&](const protocol::ExchangeId& id) {
    std::error_code ignored;
    return std::filesystem::exists(receipt_path(profile, id), ignored);
  };
  return (item.exchange && has_receipt(*item.exchange)) ||
         std::any_of(item.replaced.begin(), item.replaced.end(), has_receipt);
}

/// What has to leave before what: by the cases items name, and the one each opens.
class Dependencies {
 public:
  /// An item that is in this outbox, waiting or not: earlier ids of its sealings lead to the one it has now.
  void note_ids(const OutboxItem& item) {
    if (item.exchange)
      for (const protocol::ExchangeId& before : item.replaced) renamed_[before] = *item.exchange;
  }
  void add(const OutboxItem& item) {
    unfinished_[item.id] = item;
    if (item.case_id != Digest{}) of_case_[item.case_id].insert(item.id);
    add_opener(item);
  }
  /// It goes on under another id.
  void resealed(const OutboxItem& item) {
    note_ids(item);
    if (const auto found = unfinished_.find(item.id); found != unfinished_.end()) {
      found->second.exchange = item.exchange;
      found->second.replaced = item.replaced;
      add_opener(item);
    }
  }
  enum class End { received, refused, waits };
  void finish(std::int64_t id, End end) {
    const auto found = unfinished_.find(id);
    if (found == unfinished_.end()) return;
    const OutboxItem item = found->second;
    unfinished_.erase(found);
    if (item.case_id != Digest{}) of_case_[item.case_id].erase(id);
    const auto settle = [&](const protocol::ExchangeId& opened) {
      openers_.erase(opened);
      if (end == End::received) received_.insert(opened);
      if (end == End::waits) missing_.insert(opened);
    };
    if (item.exchange) settle(*item.exchange);
    for (const protocol::ExchangeId& before : item.replaced) settle(before);
  }
  /// Whether something that is still to leave, or on its way, has to come first.
  [[nodiscard]] bool blocked(std::int64_t id) const {
    const auto found = unfinished_.find(id);
    if (found == unfinished_.end() || found->second.case_id == Digest{}) return false;
    const Digest& of = found->second.case_id;
    if (openers_.count(of) != 0) return true;
    const auto same = of_case_.find(of);
    return same != of_case_.end() && !same->second.empty() && *same->second.begin() < id;
  }
  void miss(const Digest& case_id) {
    if (case_id != Digest{}) missing_.insert(case_id);
  }
  [[nodiscard]] bool is_missing(const Digest& case_id) const { return missing_.count(case_id) != 0; }
  [[nodiscard]] bool is_received(const Digest& case_id) const { return received_.count(case_id) != 0; }
  /// The id an exchange of this outbox has now.
  [[nodiscard]] Digest current(const Digest& id) const {
    const auto found = renamed_.find(id);
    return found == renamed_.end() ? id : found->second;
  }

 private:
  void add_opener(const OutboxItem& item) {
    if (!protocol::row_of(item.kind)->opens_case) return;
    if (item.exchange) openers_.insert(*item.exchange);
    openers_.insert(item.replaced.begin(), item.replaced.end());
  }
  std::map<std::int64_t, OutboxItem> unfinished_;
  std::map<Digest, std::set<std::int64_t>> of_case_;
  std::set<Digest> openers_;   ///< ids of what opens a case and is still to be received
  std::set<Digest> missing_;   ///< cases the broker does not have, as far as this flush has found
  std::set<Digest> received_;  ///< in this flush
  std::map<Digest, Digest> renamed_;
};

/// Receipts that the published, cosigned log has caught up with, exchanged for the same proofs under its checkpoint.
class ReceiptUpgrade {
 public:
  ReceiptUpgrade(const Profile& profile, const Clock& clock, Session& session)
      : profile_(profile), store_(profile.store()), clock_(clock), session_(session) {}
  ~ReceiptUpgrade() {
    for (const auto& [number, waiting] : asked_)
      static_cast<void>(session_.connection().take(number, milliseconds::zero()));
  }
  ReceiptUpgrade(const ReceiptUpgrade&) = delete;
  ReceiptUpgrade& operator=(const ReceiptUpgrade&) = delete;

  Outcome<std::vector<OutboxItem>> run() {
    std::vector<OutboxItem> done;
    if (!session_.log().witnesses().demanded() || !session_.log().last()) return done;
    auto waiting = store_.uncosigned_receipts();
    if (!waiting) return store_failure(waiting.error());
    for (const UncosignedReceipt& receipt : *waiting) {
      auto due = is_due(receipt);
      if (!due) return due.error();
      if (*due) to_ask_.push_back(receipt);
    }
    if (to_ask_.empty()) return done;
    if (auto answered = ask_all(); !answered) return answered.error();
    if (to_keep_.empty()) return done;
    if (auto checked = session_.check_log(); !checked) return checked.error();
    auto foreign = store_.foreign_checkpoints();
    if (!foreign) return store_failure(foreign.error());
    for (const Kept& kept : to_keep_) {
      // Of a checkpoint newer than the one just shown: at a later flush.
      if (std::any_of(foreign->begin(), foreign->end(),
                      [&](const ForeignCheckpoint& each) { return each.size == kept.size && each.root == kept.root; }))
        continue;
      auto item = keep(kept);
      if (!item) return item.error();
      if (*item) done.push_back(std::move(**item));
    }
    return done;
  }

 private:
  struct Kept {
    UncosignedReceipt waiting;
    audit::Receipt receipt;
    TreeSize size{};
    Digest root{};
  };

  /// Whether the quorum has cosigned a tree that holds it. Asked for too early it is a refusal, and those are counted.
  Outcome<bool> is_due(const UncosignedReceipt& receipt) {
    const auto& shown = session_.log().witnesses().shown();
    if (!receipt.leaf || receipt.shard.empty()) return shown.has_value();
    if (receipt.shard == session_.log().last()->head().origin)
      return shown && shown->origin == receipt.shard && *receipt.leaf < LeafIndex{shown->size.value};
    auto known = ended_.find(receipt.shard);
    if (known == ended_.end()) {
      auto size = confirmed_end(receipt.shard);
      if (!size) return size.error();
      known = ended_.emplace(receipt.shard, *size).first;
    }
    return *receipt.leaf < LeafIndex{known->second.value};
  }

  /// The size of an ended shard's last tree where the quorum has cosigned it, else zero.
  Outcome<TreeSize> confirmed_end(const std::string& origin) {
    const protocol::Invitation& invitation = session_.invitation();
    auto reply = session_.ask<protocol::ShardReply>(protocol::GetShard{origin, {}});
    if (!reply && std::holds_alternative<protocol::Refusal>(reply.error().cause)) return TreeSize{};
    if (!reply) return reply.error();
    auto closed = verify_log_note(reply->closed, invitation.log, invitation.log_key);
    if (!closed) return closed.error();
    if (closed->head().origin != origin) return Failure(LocalCode::receipt_invalid, "the end of another shard");
    auto cosigned = session_.log().witnesses().read(*closed, clock_.now());
    if (!cosigned) return cosigned.error();
    return cosigned->quorum_at ? closed->size() : TreeSize{};
  }

  Outcome<void> ask_all() {
    std::size_t refused = 0;
    while (!asked_.empty() || (refused < upgrades_refused_max && !to_ask_.empty())) {
      while (refused < upgrades_refused_max && !to_ask_.empty() && asked_.size() < upgrades_asked_max) {
        const UncosignedReceipt next = to_ask_.front();
        to_ask_.pop_front();
        auto number = session_.connection().post(protocol::Prove{next.exchange, std::nullopt, {}, true});
        if (!number) return number.error();
        asked_.emplace_back(*number, next);
      }
      const auto [number, waiting] = asked_.front();
      asked_.pop_front();
      auto reply = session_.connection().take(number, reply_within);
      if (!reply) return reply.error();
      if (auto* proven = std::get_if<protocol::Proven>(&*reply)) {
        if (auto taken = take(waiting, proven->proof); !taken) return taken;
      } else if (std::holds_alternative<protocol::Refusal>(*reply)) {
        ++refused;  // not yet, or no more: it stays as it is
      } else {
        return Failure(LocalCode::unreachable, "a reply to something else");
      }
    }
    return {};
  }

  Outcome<void> take(const UncosignedReceipt& waiting, const protocol::LeafProof& leaf_proof) {
    auto proof = session_.verify_proof(leaf_proof);
    if (!proof) return proof.error();
    const audit::VerifierKey log = log_verifier(proof->origin, session_.invitation().log_key);
    auto cosigned = read_cosignatures(leaf_proof.checkpoint, log, *session_.log().witnesses().policy(), clock_.now());
    if (!cosigned) {
      Failure failure = cosigned.error();
      failure.evidence = profile_.keep_evidence("cosignature", leaf_proof.checkpoint);
      return failure;
    }
    if (!cosigned->quorum_at) return {};
    audit::Receipt receipt = proof->receipt;
    const auto present = read_file(receipt_path(profile_, waiting.exchange), protocol::receipt_bytes_max);
    const std::string before(present ? as_text(*present) : std::string_view());
    // A file that is gone or damaged is written anew.
    if (auto held = audit::parse_receipt(before); held) {
      if (held->index != receipt.index || !(held->leaf == receipt.leaf))
        return contradicted(before, "another leaf for an exchange receipted already", receipt);
      // What the sender was shown of the record stays: a member of the queue would be shown other fields now.
      receipt.record = std::move(held->record);
    }
    if (proof->exchange != waiting.exchange) return contradicted(before, "a receipt for something else", receipt);
    if (!audit::verify_receipt(receipt, log)) receipt.record = proof->receipt.record;  // the file's was damaged
    to_keep_.push_back({waiting, std::move(receipt), proof->size, proof->root});
    return {};
  }

  Failure contradicted(std::string_view held, const char* words, const audit::Receipt& shown) const {
    std::string both(held);
    both += "\n---- and\n" + audit::to_text(shown);
    return {LocalCode::receipt_invalid, words, profile_.keep_evidence("receipt", both)};
  }

  Outcome<std::optional<OutboxItem>> keep(const Kept& kept) {
    auto path = write_receipt(profile_, kept.waiting.exchange, kept.receipt);
    if (!path) return path.error();
    auto marked = store_.set_cosigned(kept.waiting.outbox, clock_.now());
    if (!marked) return store_failure(marked.error());
    if (!*marked) return std::optional<OutboxItem>();
    auto row = store_.outbox_row(kept.waiting.outbox);
    if (!row) return store_failure(row.error());
    if (!*row) return std::optional<OutboxItem>();
    OutboxItem item = std::move((*row)->item);
    item.receipt = std::move(*path);
    return std::optional<OutboxItem>(std::move(item));
  }

  const Profile& profile_;
  ClientStore& store_;
  const Clock& clock_;
  Session& session_;
  std::map<std::string, TreeSize> ended_;  ///< by origin: confirmed_end()
  std::deque<UncosignedReceipt> to_ask_;
  std::deque<std::pair<std::uint64_t, UncosignedReceipt>> asked_;
  std::vector<Kept> to_keep_;
};

Outcome<std::vector<OutboxItem>> upgrade_receipts(const Profile& profile, const Clock& clock, Session& session) {
  auto upgraded = ReceiptUpgrade(profile, clock, session).run();
  if (!upgraded) return upgraded;
  const UnixMillis before = clock.now() - protocol::cosigned_envelope_life;
  if (auto dropped = profile.store().drop_envelopes_cosigned_before(before); !dropped)
    return store_failure(dropped.error());
  return upgraded;
}

/// One flush: what is waiting, what is on its way, what has become of it.
class Flush {
 public:
  Flush(const Profile& profile, const Clock& clock, Session& session, const Outbox::Progress& progress)
      : profile_(profile), store_(profile.store()), clock_(clock), session_(session), progress_(progress) {}
  ~Flush() {
    for (const Sent& each : flying_) static_cast<void>(session_.connection().take(each.number, milliseconds::zero()));
  }
  Flush(const Flush&) = delete;
  Flush& operator=(const Flush&) = delete;

  Outcome<FlushReport> run() {
    auto items = store_.outbox();
    if (!items) return store_failure(items.error());
    std::deque<Waiting> refused_before;
    for (const OutboxItem& item : *items) {
      order_.note_ids(item);
      const bool waits =
          item.state == OutboxState::queued || item.state == OutboxState::sealed || item.state == OutboxState::sent;
      if (!waits) continue;
      order_.add(item);
      const bool depends = !protocol::row_of(item.kind)->opens_case && was_receipted(profile_, item);
      (awaits_case(item) ? refused_before : waiting_).push_back({item.id, 0, depends});
      total_ += item.bytes;
    }
    // Last, and not always from the same one on: no few of them hold the others up for ever.
    if (!refused_before.empty()) {
      const auto drawn = crypto::random_array<2>();
      const std::size_t first = (std::size_t{drawn[0]} << 8 | drawn[1]) % refused_before.size();
      std::rotate(refused_before.begin(), refused_before.begin() + static_cast<std::ptrdiff_t>(first),
                  refused_before.end());
      waiting_.insert(waiting_.end(), refused_before.begin(), refused_before.end());
    }
    const bool any = !waiting_.empty();
    if (any && session_.directory_behind()) {
      report_.stopped = Failure(LocalCode::directory_unproven,
                                "the log was rolled back to an older directory: it has to be published again");
      return std::move(report_);
    }
    while (!report_.stopped && !(waiting_.empty() && flying_.empty())) {
      while (!report_.stopped && flying_.size() < window) {
        const bool room = has_room();
        const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& each) {
          return (room || !each.depends) && !order_.blocked(each.id);
        });
        if (next == waiting_.end()) break;  // all of it depends on what is on its way, or on how that is answered
        const Waiting ready = *next;
        waiting_.erase(next);
        if (auto sent = send(ready); !sent) report_.stopped = sent.error();
      }
      if (!report_.stopped && !flying_.empty())
        if (auto taken = take_one(); !taken) report_.stopped = taken.error();
    }
    // Receipts convince only when their checkpoints are part of the log everybody sees: until then the forms stay, and
    // what was receipted by another log waits again.
    if (!report_.stopped && any)
      if (auto checked = session_.check_log(); !checked) {
        report_.stopped = checked.error();
        take_back();
      }
    if (!report_.stopped) {
      if (auto upgraded = upgrade_receipts(profile_, clock_, session_))
        report_.cosigned = std::move(*upgraded);
      else
        report_.stopped = upgraded.error();
    }
    if (auto shredded = store_.shred(); !shredded && !report_.stopped)
      report_.stopped = store_failure(shredded.error());
    return std::move(report_);
  }

 private:
  /// Says of what was done in this flush where it stands after a log that is not what it was.
  void take_back() {
    for (Flushed& done : report_.done) {
      auto row = store_.outbox_row(done.item.id);
      if (done.item.state != OutboxState::receipted || !row || !*row) continue;
      if ((*row)->item.state == OutboxState::receipted) continue;
      done.item = std::move((*row)->item);
      done.failure = report_.stopped;
    }
  }

  struct Waiting {
    std::int64_t id = 0;
    int reseals = 0;
    bool depends = false;  ///< receipted once, and on what may have been lost since: a refusal is not its end
  };
  struct Sent {
    Waiting waiting;
    std::uint64_t number = 0;
    OutboxItem item;
    protocol::Envelope envelope;  ///< as sent: parts that were staged are empty
    int busy = 0;
  };

  [[nodiscard]] bool asked_enough() const { return awaiting_refused_ >= awaiting_refused_max; }
  /// Whether one more that depends may be taken up: were all of them on their way refused, it would not be one too
  /// many. After so many refusals they are no longer asked for.
  [[nodiscard]] bool has_room() const {
    const auto on_their_way =
        std::count_if(flying_.begin(), flying_.end(), [](const Sent& each) { return each.waiting.depends; });
    return asked_enough() || awaiting_refused_ + static_cast<std::size_t>(on_their_way) < awaiting_refused_max;
  }

  /// Errors stop the flush; what concerns this item alone is in the report.
  Outcome<void> send(const Waiting& waiting) {
    auto found = store_.outbox_row(waiting.id);
    if (!found) return store_failure(found.error());
    if (!*found) {  // discarded meanwhile
      order_.finish(waiting.id, Dependencies::End::refused);
      return {};
    }
    OutboxRow row = std::move(**found);
    if (waiting.depends && asked_enough()) {
      note(std::move(row.item), waiting, Failure(LocalCode::awaits_case, "asked for at the next flush"));
      return {};
    }
    auto possible = has_what_it_needs(row.item, waiting);
    if (!possible) return possible.error();
    if (!*possible) {
      order_.miss(order_.current(row.item.case_id));
      return wait_for_case(std::move(row.item), waiting, {Code::not_found, "", 0});
    }
    // The exchange that opened its case was sealed again since, and has another id.
    const Digest of_case = order_.current(row.item.case_id);
    if (of_case != row.item.case_id && !row.form.empty()) {
      if (row.envelope) forget_sealing(row);
      row.item.case_id = of_case;
    }
    if (!row.envelope) {
      auto sealed = seal(row);
      if (!sealed) {
        note(row.item, waiting, sealed.error());
        return {};
      }
      total_ += row.item.bytes;
      if (auto kept = store_.update_outbox(row); !kept) return store_failure(kept.error());
      order_.resealed(row.item);
    }
    Sent sent;
    sent.waiting = waiting;
    sent.envelope = std::move(*row.envelope);
    if (auto staged = stage(sent.envelope); !staged) {
      const auto* refusal = std::get_if<protocol::Refusal>(&staged.error().cause);
      if (refusal == nullptr) return staged;
      return refused(row.item, waiting, *refusal);
    }
    if (row.item.state != OutboxState::sent) {
      if (auto kept = store_.set_outbox_state(waiting.id, OutboxState::sent, row.item.last_refusal); !kept)
        return store_failure(kept.error());
      row.item.state = OutboxState::sent;
    }
    sent.item = std::move(row.item);
    return post(std::move(sent));
  }

  /// Whether what an item depends on is there, as far as that can be known without a refusal, which would be recorded.
  Outcome<bool> has_what_it_needs(const OutboxItem& item, const Waiting& waiting) {
    const Digest of_case = order_.current(item.case_id);
    if (of_case == Digest{} || order_.is_received(of_case)) return true;
    if (order_.is_missing(of_case)) return false;
    if (!waiting.depends) return true;
    if (!shown_cases_) {
      auto cases = list_cases(session_);
      if (!cases) return cases.error();
      shown_cases_.emplace();
      for (const protocol::CaseItem& each : *cases) shown_cases_->insert(each.case_id);
    }
    return shown_cases_->count(of_case) != 0;
  }

  /// It stays as it is, for a later flush.
  Outcome<void> wait_for_case(OutboxItem item, const Waiting& waiting, const protocol::Refusal& refusal) {
    const OutboxState state = item.exchange ? OutboxState::sealed : OutboxState::queued;
    if (item.state != state || item.last_refusal != refusal)
      if (auto kept = store_.set_outbox_state(item.id, state, refusal); !kept) return store_failure(kept.error());
    item.state = state;
    item.last_refusal = refusal;
    note(std::move(item), waiting, Failure(LocalCode::awaits_case, to_text(refusal)));
    return {};
  }

  Outcome<void> seal(OutboxRow& row) {
    if (!may_seal_) may_seal_ = session_.check_sealing(witness_patience);
    if (!*may_seal_) return may_seal_->error();
    if (row.form.empty()) return Failure(LocalCode::local_store, "an outbox item without form and envelope");
    auto draft = open_own(row.form, session_.keys());
    if (!draft) return draft.error();
    draft->case_id = order_.current(draft->case_id);
    draft->in_reply_to = order_.current(draft->in_reply_to);
    auto heads = head_of(profile_, draft->queue);
    if (!heads) return heads.error();
    const SealContext context{session_.keys().current,
                              session_.invitation(),
                              session_.directory(),
                              session_.release(),
                              session_.log().last() ? session_.log().last()->note() : std::string(),
                              std::move(*heads),
                              clock_.now()};
    auto sealed = seal_exchange(*draft, context);
    if (!sealed) return sealed.error();
    put_sealing(row, std::move(*sealed));
    return {};
  }

  /// Large parts go ahead in chunks. The payload of an access part is the original's, which the broker has.
  Outcome<void> stage(protocol::Envelope& envelope) {
    if (envelope.locked.size() + envelope.payload.size() <= protocol::inline_bytes_max) return {};
    const std::uint64_t before = sent_bytes_;
    const auto progress = [&](std::uint64_t sent) { tell(before + sent); };
    if (!envelope.payload.empty()) {
      if (auto staged = upload_part(session_, envelope.payload, progress); !staged) return staged;
      envelope.payload.clear();
    }
    if (envelope.locked.size() > protocol::inline_bytes_max) {
      if (auto staged = upload_part(session_, envelope.locked); !staged) return staged;
      envelope.locked.clear();
    }
    return {};
  }

  Outcome<void> post(Sent sent) {
    auto number = session_.connection().post(protocol::Submit{sent.envelope});
    if (!number) return number.error();
    sent.number = *number;
    flying_.push_back(std::move(sent));
    return {};
  }

  Outcome<void> take_one() {
    Sent sent = std::move(flying_.front());
    flying_.pop_front();
    auto reply = session_.connection().take(sent.number, reply_within);
    if (!reply) return reply.error();
    if (const auto* accepted = std::get_if<protocol::Accepted>(&*reply))
      return receipted(sent.item, sent.waiting, accepted->exchange, accepted->proof, accepted->duplicate);
    const auto* refusal = std::get_if<protocol::Refusal>(&*reply);
    if (refusal == nullptr) return Failure(LocalCode::unreachable, "a reply to something else");
    if (refusal->code == Code::busy && sent.busy < busy_waits_max) {
      ++sent.busy;
      std::this_thread::sleep_for(std::min(milliseconds(refusal->retry_after_ms), busy_wait_max));
      return post(std::move(sent));
    }
    return refused(sent.item, sent.waiting, *refusal);
  }

  Outcome<void> receipted(const OutboxItem& item, const Waiting& waiting, const protocol::ExchangeId& accepted,
                          const protocol::LeafProof& leaf_proof, bool duplicate) {
    auto proof = session_.verify_proof(leaf_proof);
    if (!proof) return proof.error();
    if (accepted != *item.exchange || proof->exchange != item.exchange)
      return Failure(LocalCode::receipt_invalid, "a receipt for something else",
                     profile_.keep_evidence("receipt", audit::to_text(proof->receipt)));
    const std::string text = audit::to_text(proof->receipt);
    if (auto same = check_conditions(item, proof->receipt); !same) return same;
    const auto before = read_file(receipt_path(profile_, *item.exchange), protocol::receipt_bytes_max);
    if (before && as_text(*before) != text)
      if (auto kept = keep_replaced(*item.exchange, as_text(*before), proof->origin); !kept) return kept;
    auto written = write_receipt(profile_, *item.exchange, proof->receipt);
    if (!written) return written.error();
    const UnixMillis now = clock_.now();
    auto checkpoint = verify_log_note(leaf_proof.checkpoint, session_.invitation().log, session_.invitation().log_key);
    if (!checkpoint) return checkpoint.error();
    const ForeignCheckpoint foreign{checkpoint->size(), checkpoint->root(), checkpoint->note(), now};
    if (auto kept = store_.set_receipted(item.id, now, {proof->origin, proof->receipt.index}, foreign); !kept)
      return store_failure(kept.error());
    Flushed done;
    done.item = item;
    done.item.state = OutboxState::receipted;
    done.item.receipted_at = now;
    done.item.receipt = std::move(*written);
    done.item.last_refusal.reset();
    done.resealed = waiting.reseals != 0;
    done.duplicate = duplicate;
    sent_bytes_ += item.bytes;
    tell(sent_bytes_);
    order_.finish(item.id, Dependencies::End::received);
    report_.done.push_back(std::move(done));
    return {};
  }

  /// The receipt of a shard since rolled back stays beside the new one. One of a log that was not what everybody sees
  /// is evidence: it still proves that.
  Outcome<void> keep_replaced(const protocol::ExchangeId& exchange, std::string_view text, const std::string& origin) {
    const auto before = audit::parse_receipt(text);
    const auto note =
        before ? verify_log_note(before->checkpoint, session_.invitation().log, session_.invitation().log_key)
               : Outcome<audit::VerifiedCheckpoint>(Failure(LocalCode::receipt_invalid, ""));
    if (!note || note->head().origin == origin) {
      static_cast<void>(profile_.keep_evidence("receipt-replaced", text));
      return {};
    }
    const auto path = receipt_path_in(profile_, exchange, note->head().origin);
    if (auto written = write_file_durably(path, as_bytes(text), FileMode::owner_only); !written)
      return store_failure(written.error());
    return {};
  }

  /// Whether these are the conditions an exchange was sent under. What passes a case on is bound by those of the case
  /// too: of what our queues show of it, and of the one it was passed on from.
  bool is_bound_by(std::string_view recorded, const protocol::Address& address, protocol::Kind kind) {
    if (recorded == protocol::handling_text(address.handling)) return true;
    if (!protocol::is_transmission(kind)) return false;
    auto headers = received(profile_);
    if (!headers) return false;
    std::set<Digest> cases{address.case_id};
    for (std::size_t i = 0; i < protocol::transfers_chain_max; ++i)
      for (const InboxItem& header : *headers)
        if (is_transfer(header) && cases.count(header.exchange) != 0) cases.insert(header.address.case_id);
    std::set<std::string, std::less<>> may(address.handling.begin(), address.handling.end());
    for (const InboxItem& header : *headers)
      if (header.visible && (cases.count(header.exchange) != 0 || cases.count(header.address.case_id) != 0))
        may.insert(header.address.handling.begin(), header.address.handling.end());
    const std::vector<std::string> bound = protocol::handling_of_text(recorded);
    const auto listed = [&](const std::string& own) {
      return std::find(bound.begin(), bound.end(), own) != bound.end();
    };
    return std::all_of(bound.begin(), bound.end(), [&](const std::string& each) { return may.count(each) != 0; }) &&
           std::all_of(address.handling.begin(), address.handling.end(), listed);
  }

  /// The log must say of it what was sent, by whom, and under no other conditions: places are hidden by all of these.
  Outcome<void> check_conditions(const OutboxItem& item, const audit::Receipt& receipt) {
    const Bytes* recorded = receipt.record.find("handling");
    // One who also sits in the queue may be shown its place instead, and an access part has the original's conditions.
    if (receipt.record.find("number") != nullptr || item.kind == protocol::Kind::acces) return {};
    auto row = store_.outbox_row(item.id);
    if (!row) return store_failure(row.error());
    if (!*row || !(*row)->envelope) return {};
    auto address = protocol::decode_address((*row)->envelope->address);
    const auto says = [&](std::string_view field, std::string_view value) {
      const Bytes* shown = receipt.record.find(field);
      return shown != nullptr && as_text(*shown) == value;
    };
    const protocol::Member* self = session_.directory().member(session_.invitation().member);
    const bool ours = self == nullptr || (says("person", self->person) && says("organisation", self->organisation));
    if (address && recorded != nullptr && is_bound_by(as_text(*recorded), *address, item.kind) && ours &&
        says("actor", address->sender) && says("queue", address->queue) &&
        says("kind", protocol::row_of(item.kind)->name))
      return {};
    return Failure(LocalCode::receipt_invalid, "a receipt that says otherwise than was sent, or by whom",
                   profile_.keep_evidence("receipt", audit::to_text(receipt)));
  }

  /// Whether an item was sealed before the member's keys were renewed.
  Outcome<bool> signed_by_former_key(const OutboxItem& item) {
    auto row = store_.outbox_row(item.id);
    if (!row) return store_failure(row.error());
    if (!*row || !(*row)->envelope) return false;
    auto address = protocol::decode_address((*row)->envelope->address);
    return address && address->sender_key != session_.keys().current.public_identity().sign;
  }

  /// The broker takes nothing signed by a key since replaced, not even what it has: its log says whether it has it.
  Outcome<void> settle_former(OutboxItem item, const Waiting& waiting, const protocol::Refusal& refusal) {
    auto proven = session_.ask<protocol::Proven>(protocol::Prove{*item.exchange});
    if (proven) return receipted(item, waiting, *item.exchange, proven->proof, true);
    if (!is(proven.error(), Code::not_found)) return proven.error();
    return reseal(std::move(item), waiting, refusal);
  }

  Outcome<void> refused(OutboxItem item, Waiting waiting, const protocol::Refusal& refusal) {
    switch (refusal.code) {
      case Code::stale_directory: return reseal(std::move(item), waiting, refusal);
      case Code::invalid:
        // The month's release key was lost and made anew: nothing is wrong with the form.
        if (refusal.subject == "release" && waiting.reseals == 0) return reseal(std::move(item), waiting, refusal);
        break;
      case Code::revoked:
        if (auto ours = signed_by_former_key(item); !ours)
          return ours.error();
        else if (*ours)
          return settle_former(std::move(item), waiting, refusal);
        [[fallthrough]];
      case Code::busy:
      case Code::log_unavailable:
      case Code::stopped:
      case Code::unknown_key:
        // Nothing about this exchange; the next one would meet the same.
        if (auto kept = store_.set_outbox_state(item.id, OutboxState::sealed, refusal); !kept)
          return store_failure(kept.error());
        return Failure(refusal);
      case Code::forbidden:
        if (refusal.subject != expired_directory_rule) break;
        // The authority is late, not the sender wrong.
        if (auto kept = store_.set_outbox_state(item.id, OutboxState::sealed, refusal); !kept)
          return store_failure(kept.error());
        return Failure(refusal);
      case Code::clock_skew:
        return drop_sealing(std::move(item), waiting, refusal);  // sealed anew, and dated anew, at the next flush
      case Code::not_found:
      case Code::illegal_transition:
        if (!lacks_something(item.kind, refusal) || !was_receipted(profile_, item)) break;
        ++awaiting_refused_;
        if (refusal.code == Code::not_found) order_.miss(order_.current(item.case_id));
        return wait_for_case(std::move(item), waiting, refusal);
      default: break;
    }
    if (auto kept = store_.set_outbox_state(item.id, OutboxState::refused, refusal); !kept)
      return store_failure(kept.error());
    item.state = OutboxState::refused;
    item.last_refusal = refusal;
    note(std::move(item), waiting, Failure(refusal));
    return {};
  }

  /// The broker refused this sealing and does not have it, so it will not be accepted: the form is sealed again.
  Outcome<void> reseal(OutboxItem item, Waiting waiting, const protocol::Refusal& refusal) {
    if (waiting.reseals >= reseals_max) return drop_sealing(std::move(item), waiting, refusal);
    auto row = store_.outbox_row(item.id);
    if (!row) return store_failure(row.error());
    if (!*row || (*row)->form.empty()) {
      if (auto kept = store_.set_outbox_state(item.id, OutboxState::refused, refusal); !kept)
        return store_failure(kept.error());
      item.state = OutboxState::refused;
      item.last_refusal = refusal;
      note(std::move(item), waiting, Failure(refusal));
      return {};
    }
    if (auto replaced = forget(**row, refusal); !replaced) return replaced;
    if (auto refreshed = session_.refresh(); !refreshed) return refreshed;
    may_seal_.reset();  // perhaps another version
    total_ -= std::min(total_, item.bytes);
    ++waiting.reseals;
    waiting_.push_front(waiting);
    return {};
  }

  Outcome<void> drop_sealing(OutboxItem item, const Waiting& waiting, const protocol::Refusal& refusal) {
    auto row = store_.outbox_row(item.id);
    if (!row) return store_failure(row.error());
    if (*row && !(*row)->form.empty())
      if (auto replaced = forget(**row, refusal); !replaced) return replaced;
    item.last_refusal = refusal;
    item.state = OutboxState::queued;
    note(std::move(item), waiting, Failure(refusal));
    return {};
  }

  Outcome<void> forget(OutboxRow& row, const protocol::Refusal& refusal) {
    forget_sealing(row);
    row.item.last_refusal = refusal;
    if (auto kept = store_.update_outbox(row); !kept) return store_failure(kept.error());
    return {};
  }

  void note(OutboxItem item, const Waiting& waiting, Failure failure) {
    Flushed done;
    done.item = std::move(item);
    done.resealed = waiting.reseals != 0;
    done.failure = std::move(failure);
    const bool refused = done.item.state == OutboxState::refused;
    order_.finish(done.item.id, refused ? Dependencies::End::refused : Dependencies::End::waits);
    report_.done.push_back(std::move(done));
  }
  void tell(std::uint64_t sent) const {
    if (progress_) progress_(std::min(sent, total_), total_);
  }

  const Profile& profile_;
  ClientStore& store_;
  const Clock& clock_;
  Session& session_;
  const Outbox::Progress& progress_;
  FlushReport report_;
  std::optional<Outcome<void>> may_seal_;
  Dependencies order_;
  std::optional<std::set<Digest>> shown_cases_;  ///< by the broker's list, asked for once
  std::size_t awaiting_refused_ = 0;
  std::deque<Waiting> waiting_;
  std::deque<Sent> flying_;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t total_ = 0;
};

/// By what the profile keeps.
Outcome<void> may_seal_offline(const Profile& profile, const protocol::Invitation& invitation, UnixMillis now) {
  WitnessWatch witnesses(profile, invitation);
  if (auto loaded = witnesses.load(now); !loaded) return loaded;
  auto stored = profile.store().directory();
  if (!stored) return store_failure(stored.error());
  return witnesses.check_sealing(*stored ? (*stored)->place : std::nullopt, now);
}

/// A sealing made without a connection, from what was last verified. Nothing when the profile does not know enough.
Outcome<std::optional<SealedExchange>> seal_offline(const Profile& profile, const Draft& draft, const Keys& keys,
                                                    UnixMillis now) {
  const std::optional<SealedExchange> later;
  auto invitation = profile.invitation();
  if (!invitation) return later;
  auto epoch = profile.store().release_epoch();
  if (!epoch) return store_failure(epoch.error());
  if (!*epoch || (*epoch)->epoch != month_of(now)) return later;
  auto directory = last_directory(profile);
  if (!directory) {
    if (is(directory.error(), LocalCode::directory_unproven)) return later;
    return directory.error();
  }
  auto allowed = may_seal_offline(profile, *invitation, now);
  if (!allowed && is(allowed.error(), LocalCode::log_stale)) return later;
  if (!allowed) return allowed.error();
  ReleaseSession release;
  if (auto used = release.use((*epoch)->epoch, (*epoch)->key); !used) return later;
  auto checkpoint = profile.store().checkpoint();
  if (!checkpoint) return store_failure(checkpoint.error());
  auto heads = head_of(profile, draft.queue);
  if (!heads) return heads.error();
  auto sealed = seal_exchange(draft, {keys.current, *invitation, *directory, release,
                                      checkpoint->value_or(std::string()), std::move(*heads), now});
  if (sealed) return std::optional<SealedExchange>(std::move(*sealed));
  // A queue nobody sits in yet, or that we know nothing of, a directory run out: the next connection tells. A bad form
  // never gets better.
  for (const auto code : {LocalCode::directory_unproven, LocalCode::queue_unknown, LocalCode::queue_vacant})
    if (is(sealed.error(), code)) return later;
  return sealed.error();
}

}  // namespace

std::string_view text_of(OutboxState state) {
  switch (state) {
    case OutboxState::queued: return "queued";
    case OutboxState::sealed: return "sealed";
    case OutboxState::sent: return "sent";
    case OutboxState::receipted: return "receipted";
    case OutboxState::refused: return "refused";
    case OutboxState::cosigned: return "cosigned";
  }
  return {};
}

OutboxItem Outbox::with_path(OutboxItem item) const {
  if (is_receipted(item.state) && item.exchange) item.receipt = receipt_path(profile_, *item.exchange);
  return item;
}

Outcome<OutboxItem> Outbox::put(const Draft& draft, const Keys& keys) {
  if (auto checked = check_draft(draft); !checked) return checked.error();
  const UnixMillis now = clock_.now();
  OutboxRow row;
  row.item.kind = draft.kind;
  row.item.queue = draft.queue;
  row.item.case_id = draft.case_id;
  row.item.created_at = now;
  auto form = seal_to_self(draft, keys);
  if (!form) return form.error();
  row.form = std::move(*form);
  auto sealed = seal_offline(profile_, draft, keys, now);
  if (!sealed) return sealed.error();
  if (*sealed) put_sealing(row, std::move(**sealed));
  auto id = profile_.store().add_outbox(row);
  if (!id) return store_failure(id.error());
  row.item.id = *id;
  return std::move(row.item);
}

Outcome<OutboxItem> Outbox::put_sealed(const SealedExchange& sealed) {
  const protocol::KindRow* kind = protocol::row_of_number(sealed.address.kind);
  if (kind == nullptr) return Failure(LocalCode::usage, "unknown kind");
  OutboxRow row;
  row.item.kind = kind->kind;
  row.item.queue = sealed.address.queue;
  row.item.case_id = sealed.address.case_id;
  row.item.created_at = clock_.now();
  put_sealing(row, sealed);
  auto id = profile_.store().add_outbox(row);
  if (!id) return store_failure(id.error());
  row.item.id = *id;
  return std::move(row.item);
}

Outcome<std::vector<OutboxItem>> Outbox::list() const {
  auto items = profile_.store().outbox();
  if (!items) return store_failure(items.error());
  std::vector<OutboxItem> out;
  for (OutboxItem& item : *items) out.push_back(with_path(std::move(item)));
  return out;
}

Outcome<std::optional<OutboxItem>> Outbox::find(std::int64_t id) const {
  auto row = profile_.store().outbox_row(id);
  if (!row) return store_failure(row.error());
  if (!*row) return std::optional<OutboxItem>();
  return std::optional<OutboxItem>(with_path(std::move((*row)->item)));
}

Outcome<FlushReport> Outbox::flush(Session& session, const Progress& progress) {
  auto held = profile_.try_lock();
  if (!held) return held.error();
  if (!*held) return Failure(LocalCode::queued, "another program is sending from this profile");
  // What the broker did wrong goes to the auditors with whatever is sent next.
  if (auto reported = report_alarms(*this, session); !reported && is(reported.error(), LocalCode::local_store))
    return reported.error();
  return Flush(profile_, clock_, session, progress).run();
}

bool awaits_case(const OutboxItem& item) {
  const bool waits = item.state == OutboxState::sealed || item.state == OutboxState::queued;
  return waits && item.last_refusal && lacks_something(item.kind, *item.last_refusal);
}

Outcome<FlushReport> Outbox::present_again(Session& session) {
  auto items = profile_.store().outbox();
  if (!items) return store_failure(items.error());
  if (std::none_of(items->begin(), items->end(), awaits_case)) return FlushReport{};
  return flush(session);
}

Outcome<std::size_t> Outbox::kept_from_a_rollback() const {
  const ClientStore& store = profile_.store();
  auto waiting = store.uncosigned_receipts();
  if (!waiting) return store_failure(waiting.error());
  std::size_t count = 0;
  for (const UncosignedReceipt& receipt : *waiting) {
    auto ended = store.closed_shard(receipt.shard);
    if (!ended) return store_failure(ended.error());
    if (*ended && (*ended)->last) ++count;
  }
  return count;
}

Outcome<std::vector<OutboxItem>> Outbox::upgrade(Session& session) {
  auto held = profile_.try_lock();
  if (!held) return held.error();
  if (!*held) return Failure(LocalCode::queued, "another program is sending from this profile");
  if (auto checked = session.check_log(); !checked) return checked.error();
  auto upgraded = upgrade_receipts(profile_, clock_, session);
  if (!upgraded) return upgraded;
  if (auto shredded = profile_.store().shred(); !shredded) return store_failure(shredded.error());
  return upgraded;
}

Outcome<OutboxItem> Outbox::retry(std::int64_t id) {
  auto held = profile_.lock();
  if (!held) return held.error();
  auto row = profile_.store().outbox_row(id);
  if (!row) return store_failure(row.error());
  if (!*row || (*row)->item.state != OutboxState::refused || (*row)->form.empty())
    return Failure(LocalCode::usage, "only a refused item with its form can be tried again");
  OutboxRow again = std::move(**row);
  forget_sealing(again);
  if (auto kept = profile_.store().update_outbox(again); !kept) return store_failure(kept.error());
  return std::move(again.item);
}

Outcome<void> Outbox::discard(std::int64_t id) {
  auto held = profile_.lock();
  if (!held) return held.error();
  auto row = profile_.store().outbox_row(id);
  if (!row) return store_failure(row.error());
  const bool never_accepted = *row && ((*row)->item.state == OutboxState::refused ||
                                       (*row)->item.state == OutboxState::queued || awaits_case((*row)->item));
  if (!never_accepted) return Failure(LocalCode::usage, "only what was refused or not sealed yet can be discarded");
  if (auto removed = profile_.store().remove_outbox(id); !removed) return store_failure(removed.error());
  if (auto shredded = profile_.store().shred(); !shredded) return store_failure(shredded.error());
  return {};
}

}  // namespace pli::client
