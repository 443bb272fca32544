#include "client/transfer.hpp"

#include <algorithm>
#include <chrono>

#include "client/client_store.hpp"
#include "client/receipts.hpp"
#include "protocol/case_life.hpp"

namespace pli::client {
namespace {

using protocol::Kind;
using protocol::LocalCode;

/// How long a directory version just published is waited for under a cosigned checkpoint.
constexpr std::chrono::milliseconds witness_patience{5000};

bool is_kind(const InboxItem& header, Kind kind) {
  return header.visible && header.address.kind == static_cast<std::uint16_t>(kind);
}

const protocol::Transmitted* standing_in(const protocol::CaseItem& item, const std::string& queue) {
  for (const protocol::Transmitted& passed : item.transmitted)
    if (passed.queue == queue) return &passed;
  return nullptr;
}

/// Which access parts count.
struct Counted {
  const protocol::CaseItem* of = nullptr;           ///< null: whatever case they are of
  const protocol::Transmitted* standing = nullptr;  ///< what an earlier linked case had ended with it
  [[nodiscard]] bool is_of(const Digest& case_id) const {
    return of == nullptr || case_id == of->case_id || (standing != nullptr && case_id == standing->case_id);
  }
  [[nodiscard]] bool is_accepted(UnixMillis at) const {
    return of == nullptr || (standing != nullptr && at >= standing->at);
  }
};

struct GivenAccess {
  std::set<protocol::ExchangeId> exchanges;
  std::vector<std::int64_t> waiting;
};

/// What an access part in the outbox is about, whatever became of its envelope since; nothing if it does not count.
Outcome<std::optional<protocol::ExchangeId>> given_by(const Profile& profile, const protocol::Invitation& invitation,
                                                      const OutboxItem& item, const Counted& counted) {
  using Given = std::optional<protocol::ExchangeId>;
  if (!is_receipted(item.state)) {
    auto row = profile.store().outbox_row(item.id);
    if (!row) return local(LocalCode::local_store, row.error());
    if (!*row || !(*row)->envelope) return Given();
    const auto address = protocol::decode_address((*row)->envelope->address);
    return address ? Given(address->in_reply_to) : Given();
  }
  auto receipt = verify_receipt_file(receipt_path(profile, *item.exchange), invitation.log, invitation.log_key);
  if (!receipt) return Given();  // `pli receipt verify` says what is wrong with it; it is given once more
  if (!counted.is_accepted(receipt->receipt.leaf.time)) return Given();
  const Bytes* about = receipt->receipt.record.find("reply_to");
  const auto id = about == nullptr ? std::nullopt : to_array<32>(*about);
  return id ? Given(*id) : Given();
}

Outcome<GivenAccess> given_access(const Profile& profile, const std::string& queue, const Counted& counted) {
  GivenAccess out;
  auto invitation = profile.invitation();
  if (!invitation) return invitation.error();
  auto sent = profile.store().outbox();
  if (!sent) return local(LocalCode::local_store, sent.error());
  for (const OutboxItem& item : *sent) {
    const bool counts = item.kind == Kind::acces && item.queue == queue && item.exchange.has_value() &&
                        item.state != OutboxState::refused && counted.is_of(item.case_id);
    if (!counts) continue;
    auto given = given_by(profile, *invitation, item, counted);
    if (!given) return given.error();
    if (!*given) continue;
    out.exchanges.insert(**given);
    if (!is_receipted(item.state)) out.waiting.push_back(item.id);
  }
  auto shown = received(profile, queue);
  if (!shown) return shown.error();
  for (const InboxItem& header : *shown)
    if (is_kind(header, Kind::acces) && !header.superseded && counted.is_of(header.address.case_id) &&
        counted.is_accepted(header.accepted_at))
      out.exchanges.insert(header.address.in_reply_to);
  return out;
}

}  // namespace

bool belongs_to(const protocol::CaseItem& item, const InboxItem& header) {
  if (header.exchange == item.case_id) return true;
  if (!header.visible) return false;
  const Digest& of = header.address.case_id;
  // What passes it on stands in the other queue, under the number the case has here.
  if (of == item.case_id) return header.queue == item.queue || standing_in(item, header.queue) == nullptr;
  if (header.queue != item.queue) return false;
  if (item.origin != Digest{} && of == item.origin) return true;
  return std::any_of(item.transmitted.begin(), item.transmitted.end(),
                     [&](const protocol::Transmitted& passed) { return passed.case_id == of; });
}

std::vector<Reported> reported_in(const protocol::CaseItem& item, std::span<const InboxItem> headers) {
  std::vector<Reported> out;
  const auto add = [&](const protocol::ExchangeId& exchange, const std::vector<std::string>& handling) {
    const bool known =
        std::any_of(out.begin(), out.end(), [&](const Reported& each) { return each.exchange == exchange; });
    if (!known) out.push_back({exchange, handling});
  };
  for (const InboxItem& header : headers) {
    if (!header.visible || header.superseded || header.queue != item.queue || !belongs_to(item, header)) continue;
    const protocol::KindRow* row = protocol::row_of_number(header.address.kind);
    if (row == nullptr) continue;
    if (protocol::says_what_is_reported(row->kind)) add(header.exchange, header.address.handling);
    // Not what was made here for a newcomer: that leads to what stands in this queue already.
    if (row->kind != Kind::acces || item.origin == Digest{}) continue;
    const bool here = std::any_of(headers.begin(), headers.end(), [&](const InboxItem& other) {
      return other.queue == item.queue && other.exchange == header.address.in_reply_to;
    });
    if (!here) add(header.address.in_reply_to, header.address.handling);
  }
  return out;
}

KeptBack kept_back(std::span<const std::string> handling, std::string_view organisation, bool agreed) {
  KeptBack out = KeptBack::no;
  for (const std::string_view condition : handling) {
    if (condition == "ged-only") return KeptBack::stays_in_ged;
    if (condition == "eyes-only") return KeptBack::first_readers;
    if (condition.starts_with("no-copy-to:") && condition.substr(condition.find(':') + 1) == organisation)
      return KeptBack::not_for_us;
    if (condition == "ask-before-transfer" && !agreed) out = KeptBack::to_be_agreed;
  }
  return out;
}

bool is_agreed(const protocol::ExchangeId& exchange, std::span<const InboxItem> headers) {
  bool agreed = false;
  for (const InboxItem& header : headers) {
    if (!is_kind(header, Kind::agrement) || header.superseded || header.address.in_reply_to != exchange) continue;
    const auto& said = header.address.attributes;
    agreed = std::any_of(said.begin(), said.end(), [](const auto& attribute) {
      return attribute.first == "avis" && attribute.second == "accord";
    });
  }
  return agreed;
}

Outcome<std::set<protocol::ExchangeId>> given_to(const Profile& profile, const std::string& queue) {
  auto given = given_access(profile, queue, {});
  if (!given) return given.error();
  return std::move(given->exchanges);
}

Outcome<PassedOn> passed_on(const Outbox& outbox, std::span<const std::int64_t> ids) {
  PassedOn out;
  for (const std::int64_t id : ids) {
    auto row = outbox.find(id);
    if (!row) return row.error();
    if (!*row || (*row)->state == OutboxState::refused)
      ++out.refused;
    else if (is_receipted((*row)->state))
      ++out.receipted;
    else
      ++out.waiting;
  }
  return out;
}

std::vector<std::string> seated_there(const KnownDirectory& directory, std::string_view organisation,
                                      std::string_view queue, UnixMillis now) {
  std::vector<std::string> out;
  for (const protocol::Member* member : directory.members()) {
    const bool sits = std::find(member->seats.begin(), member->seats.end(), queue) != member->seats.end();
    const bool in_force = now < member->not_after && (!member->revoked_at || now < *member->revoked_at);
    if (sits && in_force && !organisation.empty() && member->organisation == organisation) out.push_back(member->id);
  }
  return out;
}

Outcome<TransferPlan> plan_transfer(const Profile& profile, const protocol::CaseItem& item, const std::string& queue,
                                    std::string_view organisation) {
  TransferPlan plan;
  const protocol::Transmitted* standing = standing_in(item, queue);
  if (standing != nullptr) plan.linked = standing->case_id;
  auto sent = profile.store().outbox();
  if (!sent) return local(LocalCode::local_store, sent.error());
  if (!plan.linked)
    for (const OutboxItem& row : *sent) {
      const bool opens = protocol::is_transmission(row.kind);
      if (opens && row.queue == queue && row.case_id == item.case_id && row.state != OutboxState::refused &&
          !is_receipted(row.state))
        plan.under_way = row.id;
    }
  auto headers = received(profile);
  if (!headers) return headers.error();
  GivenAccess given;
  // What waits behind nothing that opens a case there will be refused.
  if (plan.linked || plan.under_way) {
    auto found = given_access(profile, queue, {&item, standing});
    if (!found) return found.error();
    given = std::move(*found);
  }
  plan.waiting = std::move(given.waiting);
  for (Reported& each : reported_in(item, *headers)) {
    if (given.exchanges.count(each.exchange) != 0) continue;
    const KeptBack why = kept_back(each.handling, organisation, is_agreed(each.exchange, *headers));
    if (why == KeptBack::no)
      plan.lacking.push_back(std::move(each));
    else
      plan.withheld.push_back({each.exchange, why});
  }
  return plan;
}

Outcome<OutboxItem> give_access(Session& session, Outbox& outbox, const protocol::ExchangeId& exchange,
                                const Digest& case_id, const std::string& queue, const OpenOptions& options) {
  if (auto may = session.check_sealing(witness_patience); !may) return may.error();
  // Known before anything is read: a reading that leads to nothing is recorded all the same.
  const protocol::Queue* roster = session.directory().queue(queue);
  if (roster == nullptr) return Failure(LocalCode::queue_unknown, "this queue is not among the proven entries");
  if (roster->keys.empty()) return Failure(LocalCode::queue_vacant, "nobody would be able to read it");
  auto opened = open_exchange(session, exchange, options);
  if (!opened) return opened.error();
  Draft draft;
  draft.kind = Kind::acces;
  draft.queue = queue;
  draft.case_id = case_id;
  draft.in_reply_to = exchange;
  draft.handling = opened->content.address.handling;
  const SealContext context{
      session.keys().current, session.invitation(), session.directory(), session.release(), {}, {},
      session.clock().now()};
  auto sealed = seal_access(draft, opened->content.seal, opened->content.file_key, context);
  if (!sealed) return sealed.error();
  return outbox.put_sealed(*sealed);
}

}  // namespace pli::client
