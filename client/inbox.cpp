#include "client/inbox.hpp"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "client/alarm.hpp"
#include "client/client_store.hpp"
#include "client/receipts.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;
using std::chrono::milliseconds;

/// How often another program of this profile may move a queue between our reading and writing it.
constexpr int attempts_max = 8;
constexpr std::size_t walk_pages_max = 1024;  ///< of list_items_max headers, in one refresh of one queue

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

std::string describe(const audit::QueueHead& head) {
  return std::to_string(head.number.value) + " " + to_hex(head.head) + "\n";
}

Failure queue_alarm(const Profile& profile, LocalCode code, const std::string& queue, const char* words,
                    const audit::QueueHead& known, const audit::QueueHead& shown, std::string_view more) {
  std::string text = "pli-evidence/1\n";
  text += words;
  text += "\nqueue " + queue + "\nknown " + describe(known) + "shown " + describe(shown);
  text += more;
  return raise_alarm(profile, {code, words, profile.keep_evidence("queue", text)}, {queue, false, {}});
}

Failure withheld(const Profile& profile, const std::string& queue, const char* words, const audit::QueueHead& known,
                 const audit::QueueHead& shown, std::string_view more = {}) {
  return queue_alarm(profile, LocalCode::queue_withheld, queue, words, known, shown, more);
}

Failure reordered(const Profile& profile, const std::string& queue, const audit::QueueHead& known,
                  const audit::QueueHead& shown, std::string_view more = {}) {
  return queue_alarm(profile, LocalCode::queue_reordered, queue, "one number, two heads", known, shown, more);
}

Failure hidden(const Profile& profile, const protocol::QueueItem& item, const char* words, std::string_view more = {}) {
  const std::string exchange = "exchange " + to_hex(item.exchange) + "\n";
  return queue_alarm(profile, LocalCode::queue_hidden, item.queue, words, item.head, item.head,
                     exchange + std::string(more));
}

/// Whether this member, holding these keys, is one of those an exchange was sealed to.
bool is_among(const std::vector<crypto::AgePublic>& roster, const protocol::Member& self, const Keys& keys) {
  const auto has = [&](const crypto::AgePublic& key) {
    return std::find(roster.begin(), roster.end(), key) != roster.end();
  };
  const auto holds = [&](const crypto::Identity& identity) { return has(identity.public_identity().age); };
  return has(self.keys.age) || std::any_of(self.former_age.begin(), self.former_age.end(), has) ||
         holds(keys.current) || std::any_of(keys.former.begin(), keys.former.end(), holds);
}

bool is_instance(std::string_view queue) {
  const auto kind = protocol::queue_kind_of(queue);
  return kind == protocol::QueueKind::ged || kind == protocol::QueueKind::clir || kind == protocol::QueueKind::cpraf;
}

/// Sent by whoever opened its case, or by his organisation, and nobody else (protocol.md, "Policy").
bool is_of_the_party(protocol::Kind kind) {
  return protocol::row_of(kind)->opens_case || kind == protocol::Kind::complement || kind == protocol::Kind::retrait ||
         kind == protocol::Kind::rectification;
}

std::string text_in(const audit::Disclosure& record, std::string_view field) {
  const Bytes* shown = record.find(field);
  return shown == nullptr ? std::string() : std::string(as_text(*shown));
}

/// Whose cases are one party's (protocol.md, "Policy").
bool same_party(const protocol::Member& sender, const protocol::Member& self) {
  return sender.organisation == self.organisation || sender.person == self.person;
}

/// Whether there can be a case whose author he is: he reports himself, or a colleague of his whom the directory shows.
bool sends_reports(const protocol::Member& self, const KnownDirectory& directory) {
  const auto is_sender = [](const protocol::Member& member) {
    return member.roles.has(protocol::Role::referent) || member.roles.has(protocol::Role::maire) ||
           member.roles.has(protocol::Role::outil);
  };
  const auto& members = directory.members();
  return is_sender(self) || std::any_of(members.begin(), members.end(), [&](const protocol::Member* member) {
           return same_party(*member, self) && is_sender(*member);
         });
}

/// Whether it was signed by this member's organisation or person. Whose the record says it is, is the broker's word.
bool is_signed_by_own(const audit::Disclosure& record, const protocol::ExchangeId& exchange,
                      const protocol::Member& self, const KnownDirectory& directory) {
  const Bytes* shown_key = record.find("key");
  const Bytes* shown_signature = record.find("signature");
  const auto key = shown_key == nullptr ? std::nullopt : to_array<32>(*shown_key);
  const auto signature = shown_signature == nullptr ? std::nullopt : to_array<64>(*shown_signature);
  if (!key || !signature) return false;
  const protocol::Member* sender = directory.member_by_sign(crypto::SignPublic{*key});
  return sender != nullptr && same_party(*sender, self) &&
         crypto::verify_statement_digest(crypto::SignPublic{*key}, crypto::StatementName::exchange, exchange,
                                         *signature);
}

/// Whether the record says that it is, and that its kind is the party's: what keeps it from them in an instance.
bool is_called_own(const audit::Disclosure& record, const std::string& queue, const protocol::Member& self) {
  const auto kind = protocol::kind_of(text_in(record, "kind"));
  const bool ours = (record.find("organisation") != nullptr && text_in(record, "organisation") == self.organisation) ||
                    (record.find("person") != nullptr && text_in(record, "person") == self.person);
  return kind && ours && is_instance(queue) && is_of_the_party(*kind);
}

/// Whether a rule keeps the header from `self`, on its roster or not, going by what the record shows.
bool is_hidden_by_rule(const audit::Disclosure& record, const protocol::Member& self, const std::string& queue) {
  const auto text = [&](std::string_view field) { return text_in(record, field); };
  const auto asked = protocol::handling_of_text(text("handling"));
  if (protocol::conditions_of(asked, self.organisation).has(protocol::Condition::no_copy)) return true;
  const auto kind = protocol::kind_of(text("kind"));
  if (!kind) return false;
  protocol::Question question;
  question.act = protocol::Act::deliver;
  question.roles = self.roles;
  question.queue = protocol::queue_kind_of(queue);
  question.kind = kind;
  // Whatever could speak for him: what is still not shown is shown to nobody of his roles.
  for (const auto relation : {protocol::Relation::seated, protocol::Relation::addressee_org,
                              protocol::Relation::same_territory, protocol::Relation::case_instance})
    question.relations.add(relation);
  return !protocol::decide(question).allowed;
}

/// Its proof would tell a member what he may not know of a case (protocol.md, "Hidden places"): that there is a case of
/// his is proven instead.
constexpr std::string_view author_rule = "interdit.auteur";
/// That he has recused himself is what such a place is shown by.
constexpr std::string_view recused_rule = "interdit.recuse";

/// A header that contradicts itself cannot come from an honest broker: it checks all of this before it accepts.
const char* flaw_of(const protocol::QueueItem& item, const std::string& queue, const protocol::Invitation& invitation) {
  if (item.queue != queue) return "a header of another queue";
  if (!item.visible) return nullptr;
  auto address = protocol::decode_address(item.address);
  if (!address) return "an address that cannot be read";
  if (!protocol::decode_seal(item.seal)) return "a seal that cannot be read";
  if (protocol::exchange_id(item.address, item.seal) != item.exchange) return "an id that is not this exchange's";
  if (address->queue != queue) return "an exchange addressed to another queue";
  if (address->contract != invitation.contract || address->log != invitation.log)
    return "an exchange of another contract or log";
  if (!crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, item.exchange,
                                       item.signature))
    return "a signature that does not verify";
  return nullptr;
}

SenderStatus status_of(const protocol::QueueItem& item, const KnownDirectory& directory) {
  if (!item.visible) return SenderStatus::unproven;
  auto address = protocol::decode_address(item.address);
  if (!address) return SenderStatus::unproven;
  return directory.sender_status(address->sender, address->sender_key, item.accepted_at);
}

/// Whether these places follow on without a gap; those we have already do not count.
bool continues(const std::vector<protocol::QueueItem>& items, QueueNumber known) {
  std::uint64_t next = known.value + 1;
  for (const protocol::QueueItem& item : items) {
    if (item.head.number.value < next) continue;
    if (item.head.number.value != next) return false;
    ++next;
  }
  return true;
}

Outcome<InboxItem> to_item(const ClientStore::Received& row) {
  InboxItem item;
  item.queue = row.item.queue;
  item.head = row.item.head;
  item.exchange = row.item.exchange;
  item.visible = row.item.visible;
  item.sender_proven = row.sender != SenderStatus::unproven;
  item.sender_status = row.sender;
  item.signature = row.item.signature;
  item.accepted_at = row.item.accepted_at;
  item.acknowledged = row.acknowledged;
  item.opened = row.opened;
  item.hidden = row.hidden;
  if (!row.item.visible) return item;
  auto address = protocol::decode_address(row.item.address);
  auto seal = protocol::decode_seal(row.item.seal);
  if (!address || !seal) return Failure(LocalCode::local_store, "a received header cannot be read");
  item.address = std::move(*address);
  item.seal = *seal;
  return item;
}

Outcome<std::vector<InboxItem>> to_items(const Result<std::vector<ClientStore::Received>>& rows) {
  if (!rows) return store_failure(rows.error());
  std::vector<InboxItem> out;
  for (const ClientStore::Received& row : *rows) {
    auto item = to_item(row);
    if (!item) return item.error();
    out.push_back(std::move(*item));
  }
  return out;
}

/// The record went at the journal's term, or cannot be read: the others of the queue are none the worse for it.
bool is_erased(const Failure& failure) { return is(failure, protocol::Code::erased); }

/// Where the broker cannot read its own key ("cle") it may later.
bool is_erased_for_good(const Failure& failure) {
  const auto* refusal = std::get_if<protocol::Refusal>(&failure.cause);
  return is_erased(failure) && refusal->subject != "cle";
}

/// The broker's word that it has no certificate for us: the exchange stands, or was none of ours to see.
bool is_shown_no_erasure(const Failure& failure) {
  return is(failure, protocol::Code::invalid) || is(failure, protocol::Code::not_found);
}

bool is_verification(const Failure& failure) { return exit_class(failure) == ExitClass::verification_failed; }

}  // namespace

std::string_view text_of(HiddenProof proof) {
  switch (proof) {
    case HiddenProof::none: return "unproven";
    case HiddenProof::proven: return "proven";
    case HiddenProof::claimed: return "claimed";
    case HiddenProof::own: return "own";
    case HiddenProof::erased: return "erased";
  }
  return {};
}

/// How long a follower has waited, and since when nobody has looked.
struct Inbox::Waiting {
  milliseconds idle{};
  milliseconds waited{};
  milliseconds unchecked{};
  milliseconds pause = redial_after_first;
};

Outcome<audit::QueueHead> Inbox::known_head(const std::string& queue) const {
  auto state = session_.profile().store().queue(queue);
  if (!state) return store_failure(state.error());
  if (*state) return (*state)->head;
  return audit::queue_start(session_.invitation().log, queue);
}

Outcome<void> Inbox::take_in(const std::string& queue, const std::vector<protocol::QueueItem>& shown) {
  const Profile& profile = session_.profile();
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    auto known = known_head(queue);
    if (!known) return known.error();
    std::vector<protocol::QueueItem> fresh;
    std::vector<SenderStatus> statuses;
    audit::QueueHead head = *known;
    for (const protocol::QueueItem& item : shown) {
      if (item.head.number <= known->number) {  // again: it has to be what it was
        auto before = profile.store().head_at(queue, item.head.number);
        if (!before) return store_failure(before.error());
        if (*before && **before != item.head.head)
          return reordered(profile, queue, {item.head.number, **before}, item.head,
                           "exchange " + to_hex(item.exchange) + "\n");
        continue;
      }
      if (const char* flaw = flaw_of(item, queue, session_.invitation()))
        return withheld(profile, queue, flaw, head, item.head);
      if (!audit::verify_link(head, item.exchange, item.head))
        return withheld(profile, queue, "a header does not follow from the one before", head, item.head,
                        "exchange " + to_hex(item.exchange) + "\n");
      head = item.head;
      fresh.push_back(item);
      statuses.push_back(status_of(item, session_.directory()));
    }
    auto kept = profile.store().add_received(queue, *known, fresh, statuses);
    if (kept) return demand_directory(queue, fresh);
    if (kept.error().code != Errc::conflict) return store_failure(kept.error());
  }
  return Failure(LocalCode::local_store, "another program keeps moving the queue");
}

Outcome<void> Inbox::demand_directory(const std::string& queue, const std::vector<protocol::QueueItem>& items) {
  DirectoryNumber newest{};
  const protocol::QueueItem* where = nullptr;
  for (const protocol::QueueItem& item : items) {
    auto address = item.visible ? protocol::decode_address(item.address) : Result<protocol::Address>(Error{});
    if (!address || address->directory <= newest) continue;
    newest = address->directory;
    where = &item;
  }
  if (newest <= session_.directory().number()) return {};
  if (auto refreshed = session_.refresh(); !refreshed) return refreshed;
  if (newest <= session_.directory().number()) return {};
  // The broker took it under that version, and shows it to others.
  const std::string text = "pli-evidence/1\nA header names a directory version the broker does not show.\nqueue " +
                           queue + "\nexchange " + to_hex(where->exchange) + "\naddress " + to_hex(where->address) +
                           "\nseal " + to_hex(where->seal) + "\nsignature " + to_hex(where->signature) + "\nshown " +
                           std::to_string(session_.directory().number().value) + "\n";
  return raise_alarm(session_.profile(),
                     {LocalCode::directory_stale, "a header names a directory version the broker does not show",
                      session_.profile().keep_evidence("directory-stale", text)},
                     {queue, false, where->exchange});
}

Outcome<void> Inbox::prove(const std::string& queue) {
  const Profile& profile = session_.profile();
  auto newest = profile.store().newest_unproven(queue);
  if (!newest) return store_failure(newest.error());
  if (!*newest) return {};  // nothing of ours: the next one of ours proves the chain so far
  const protocol::QueueItem& item = (*newest)->item;
  auto proven = session_.ask<protocol::Proven>(protocol::Prove{item.exchange});
  if (!proven && is(proven.error(), protocol::Code::not_found))
    return withheld(profile, queue, "the log does not know an exchange the queue shows", item.head, item.head,
                    "exchange " + to_hex(item.exchange) + "\n");
  if (!proven && is_erased(proven.error())) {
    unproven_.push_back({queue, item.head.number, item.exchange, proven.error()});
    return {};
  }
  if (!proven) return proven.error();
  auto receipt = session_.verify_proof(proven->proof);
  if (!receipt) return receipt.error();
  const audit::Disclosure& record = receipt->receipt.record;
  const auto shows = [&](std::string_view field, ByteView value) {
    const Bytes* shown = record.find(field);
    return shown != nullptr && equal(*shown, value);
  };
  const bool same = receipt->exchange == item.exchange && shows("queue", as_bytes(queue)) &&
                    shows("number", as_bytes(std::to_string(item.head.number.value))) && shows("head", item.head.head);
  if (!same)
    return withheld(profile, queue, "the log commits to another place in the queue", item.head, item.head,
                    audit::to_text(receipt->receipt));
  if (auto kept = profile.store().set_proven(queue, item.head.number); !kept) return store_failure(kept.error());
  return {};
}

Outcome<bool> Inbox::has_own_before(const protocol::QueueItem& item, const protocol::Member& self) const {
  const ClientStore& store = session_.profile().store();
  auto hidden = store.has_hidden_own_before(item.queue, item.head.number);
  if (!hidden) return store_failure(hidden.error());
  if (*hidden) return true;
  // Seen when it could be: who joins an organisation is its colleagues' colleague from then on.
  auto all = store.received(item.queue);
  if (!all) return store_failure(all.error());
  for (const ClientStore::Received& row : *all) {
    if (!row.item.visible || row.item.head.number >= item.head.number) continue;
    const auto address = protocol::decode_address(row.item.address);
    const protocol::KindRow* kind = address ? protocol::row_of_number(address->kind) : nullptr;
    if (kind == nullptr || !is_of_the_party(kind->kind)) continue;
    const protocol::Member* sender = session_.directory().member_by_sign(address->sender_key);
    if (sender != nullptr && same_party(*sender, self)) return true;
  }
  return false;
}

Outcome<bool> Inbox::has_recused(const std::string& queue, const protocol::Member& self) const {
  auto all = session_.profile().store().received(queue);
  if (!all) return store_failure(all.error());
  return std::any_of(all->begin(), all->end(), [&](const ClientStore::Received& row) {
    const auto address = row.item.visible ? protocol::decode_address(row.item.address)
                                          : Result<protocol::Address>(Error{Errc::not_found, {}});
    if (!address || address->kind != static_cast<std::uint16_t>(protocol::Kind::recusation)) return false;
    const protocol::Member* sender = session_.directory().member_by_sign(address->sender_key);
    return sender != nullptr && sender->person == self.person;
  });
}

Outcome<bool> Inbox::has_recused_elsewhere(const std::string& queue, const protocol::Member& self) {
  for (const std::string& other : session_.seats()) {
    if (other == queue || !is_instance(other)) continue;
    // It may have been looked at before he withdrew.
    if (auto taken = take_all(other); !taken) return taken;
    auto recused = has_recused(other, self);
    if (!recused || *recused) return recused;
  }
  return false;
}

Outcome<bool> Inbox::is_proven_erased(const protocol::QueueItem& item) const {
  auto certificate = fetch_certificate(session_, item.exchange);
  if (certificate) return true;
  if (is(certificate.error(), LocalCode::receipt_invalid))
    return hidden(session_.profile(), item, "a hidden place whose certificate of erasure does not hold");
  if (is_shown_no_erasure(certificate.error())) return false;
  return certificate.error();
}

Outcome<HiddenProof> Inbox::ask_why_hidden(const protocol::QueueItem& item, const protocol::Member& self) {
  const Profile& profile = session_.profile();
  auto proven = session_.ask<protocol::Proven>(protocol::Prove{item.exchange});
  if (!proven) {
    const auto* refusal = std::get_if<protocol::Refusal>(&proven.error().cause);
    const bool claimed = refusal != nullptr && refusal->code == protocol::Code::forbidden && is_instance(item.queue) &&
                         refusal->subject == author_rule;
    // Its acceptance is past the journal's term; its erasure is kept for ever.
    if (is_erased(proven.error())) {
      // Not for good before the broker has said that there is no certificate.
      auto erased = is_proven_erased(item);
      if (!erased) return erased.error();
      if (*erased) return HiddenProof::proven;
    }
    if (claimed) {
      auto own = has_own_before(item, self);
      if (!own) return own.error();
      // Of a case that was passed on here nothing of ours stands in this queue; who sends none has none.
      if (*own || sends_reports(self, session_.directory())) return HiddenProof::claimed;
      return hidden(profile, item, "hidden as part of a case of ours, and no exchange of ours stands before it",
                    code_text(proven.error()) + "\n");
    }
    if (refusal != nullptr && refusal->code == protocol::Code::forbidden && refusal->subject == recused_rule &&
        is_instance(item.queue)) {
      auto recused = has_recused(item.queue, self);
      if (recused && !*recused) recused = has_recused_elsewhere(item.queue, self);
      if (!recused) return recused.error();
      if (*recused) return HiddenProof::claimed;
      // His recusal went with the case, before he was ever shown it. A certificate that is refused proves no place.
      auto erased = is_proven_erased(item);
      if (!erased && !is(erased.error(), protocol::Code::forbidden)) return erased.error();
      if (erased && *erased) return HiddenProof::proven;
    }
    const bool unexplained = is(proven.error(), protocol::Code::not_found) ||
                             (is(proven.error(), protocol::Code::forbidden) && refusal->subject != "annuaire.expire");
    if (unexplained)
      return hidden(profile, item, "a hidden place the broker does not prove", code_text(proven.error()) + "\n");
    return proven.error();
  }
  auto receipt = session_.verify_proof(proven->proof);
  if (!receipt && is(receipt.error(), LocalCode::receipt_invalid))
    return hidden(profile, item, "a hidden place whose proof does not hold");
  if (!receipt) return receipt.error();
  const audit::Disclosure& record = receipt->receipt.record;
  const auto shows = [&](std::string_view field, ByteView value) {
    const Bytes* shown = record.find(field);
    return shown != nullptr && equal(*shown, value);
  };
  const std::string text = audit::to_text(receipt->receipt);
  const bool same = receipt->exchange == item.exchange && shows("queue", as_bytes(item.queue)) &&
                    shows("number", as_bytes(std::to_string(item.head.number.value))) && shows("head", item.head.head);
  if (!same) return hidden(profile, item, "the log commits to another place than the one hidden", text);
  if (is_called_own(record, item.queue, self) && is_signed_by_own(record, item.exchange, self, session_.directory()))
    return HiddenProof::own;
  if (is_hidden_by_rule(record, self, item.queue)) return HiddenProof::proven;
  // What his organisation sent about a case that he has recused himself from is proven to him as its sender's.
  if (is_signed_by_own(record, item.exchange, self, session_.directory())) {
    auto recused = has_recused(item.queue, self);
    if (!recused) return recused.error();
    if (*recused) return HiddenProof::claimed;
  }
  if (proven->roster.empty()) {
    // It stands open to us, and nothing is there: erased at its term, which is a leaf like any other.
    auto certificate = fetch_certificate(session_, item.exchange);
    if (certificate) return HiddenProof::proven;
    const bool stands = is_shown_no_erasure(certificate.error()) || is(certificate.error(), LocalCode::receipt_invalid);
    if (!stands) return certificate.error();
  }
  if (is_called_own(record, item.queue, self) && proven->roster.empty())
    return hidden(profile, item, "hidden as sent by our organisation, which did not sign it", text);
  if (proven->roster.empty()) return hidden(profile, item, "a hidden place without the keys it was sealed to", text);
  protocol::Queue sealed_to;
  sealed_to.id = item.queue;
  sealed_to.keys = proven->roster;
  if (!shows("recipients", protocol::roster_digest(sealed_to)))
    return hidden(profile, item, "other keys than the log commits to", text);
  if (is_among(proven->roster, self, session_.keys()))
    return hidden(profile, item, "a place hidden from one it was sealed to", text);
  return HiddenProof::proven;
}

Outcome<void> Inbox::prove_hidden(const std::string& queue) {
  const ClientStore& store = session_.profile().store();
  const protocol::Member* self = session_.directory().member(session_.invitation().member);
  // To an auditor and to an operator no header is shown at all; the journal shows an auditor all there is.
  if (self == nullptr || self->roles.has(protocol::Role::auditeur) || self->roles.has(protocol::Role::operateur))
    return {};
  auto places = store.unproven_hidden(queue, hidden_proofs_max);
  if (!places) return store_failure(places.error());
  for (const ClientStore::Received& place : *places) {
    auto proof = ask_why_hidden(place.item, *self);
    // Refusals count: the rest waits for the next look.
    if (!proof && is(proof.error(), protocol::Code::busy)) return {};
    if (!proof && is_erased(proof.error())) {
      unproven_.push_back({queue, place.item.head.number, place.item.exchange, proof.error()});
      if (!is_erased_for_good(proof.error())) continue;
      proof = HiddenProof::erased;
    }
    if (!proof) return proof.error();
    if (auto kept = session_.profile().store().set_hidden(queue, place.item.head.number, *proof); !kept)
      return store_failure(kept.error());
  }
  return {};
}

Outcome<void> Inbox::settle_rollback(const std::string& queue) {
  const ClientStore& store = session_.profile().store();
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    auto state = store.queue(queue);
    if (!state) return store_failure(state.error());
    if (!*state || !(*state)->walk_from) return {};
    if (auto settled = settle_rollback(queue, **state); !settled) return settled;
  }
  return Failure(LocalCode::local_store, "another program keeps moving the queue");
}

Outcome<void> Inbox::settle_rollback(const std::string& queue, const QueueState& state) {
  const Profile& profile = session_.profile();
  audit::QueueHead at = audit::queue_start(session_.invitation().log, queue);
  if (state.walk_from->value != 0) {
    auto head = profile.store().head_at(queue, *state.walk_from);
    if (!head) return store_failure(head.error());
    if (!*head) return Failure(LocalCode::local_store, "a place the queue must stand at is gone");
    at = {*state.walk_from, **head};
  }
  bool same = true;
  for (std::size_t pages = 0; same && at.number < state.head.number; ++pages) {
    if (pages == walk_pages_max) return Failure(LocalCode::unreachable, "a queue without end");
    auto page = session_.ask<protocol::Items>(
        protocol::List{queue, at.number, static_cast<std::uint32_t>(protocol::list_items_max)});
    if (!page) return page.error();
    if (page->head.number < *state.walk_from)
      return withheld(profile, queue, "places that stand in the log are missing", state.head, page->head);
    for (const protocol::QueueItem& item : page->items) {
      if (item.head.number > state.head.number) break;
      if (item.queue != queue || !audit::verify_link(at, item.exchange, item.head))
        return withheld(profile, queue, "a header does not follow from the one before", at, item.head,
                        "exchange " + to_hex(item.exchange) + "\n");
      auto ours = profile.store().head_at(queue, item.head.number);
      if (!ours) return store_failure(ours.error());
      same = *ours && **ours == item.head.head;
      if (!same) break;
      at = item.head;
    }
    if (!same || page->head.number == at.number) break;
    if (page->items.empty() || (!page->more && at.number < state.head.number))
      return withheld(profile, queue, "headers are missing up to the head shown", at, page->head);
  }
  auto cut = profile.store().cut_queue(queue, state.head, at);
  if (!cut && cut.error().code != Errc::conflict) return store_failure(cut.error());
  return {};
}

Outcome<bool> Inbox::walk(const std::string& queue) {
  auto caught_up = take_all(queue);
  if (!caught_up) return caught_up;
  if (auto proven = prove(queue); !proven) return proven.error();
  if (auto proven = prove_hidden(queue); !proven) return proven.error();
  return caught_up;
}

Outcome<bool> Inbox::take_all(const std::string& queue) {
  const Profile& profile = session_.profile();
  if (auto settled = settle_rollback(queue); !settled) return settled.error();
  // A broker can make headers without end; what is taken in at once has one. The next refresh goes on from there.
  bool caught_up = false;
  for (std::size_t pages = 0; pages < walk_pages_max && !caught_up; ++pages) {
    auto known = known_head(queue);
    if (!known) return known.error();
    auto page = session_.ask<protocol::Items>(
        protocol::List{queue, known->number, static_cast<std::uint32_t>(protocol::list_items_max)});
    if (!page) return page.error();
    if (auto taken = take_in(queue, page->items); !taken) return taken.error();
    auto now_known = known_head(queue);
    if (!now_known) return now_known.error();
    if (page->head.number < known->number)
      return withheld(profile, queue, "the queue is shorter than it was", *known, page->head);
    if (page->head.number.value != 0 && page->head.number == now_known->number && page->head.head != now_known->head)
      return reordered(profile, queue, *now_known, page->head);
    const bool moved = now_known->number > known->number;
    if (!page->more && page->head.number > now_known->number)
      return withheld(profile, queue, "headers are missing up to the head shown", *now_known, page->head);
    if (page->more && !moved)
      return withheld(profile, queue, "more is announced and nothing shown", *now_known, page->head);
    if (auto kept = profile.store().set_acknowledged(queue, page->acknowledged); !kept)
      return store_failure(kept.error());
    caught_up = !page->more;
  }
  return caught_up;
}

Outcome<std::optional<ClaimedAlarm>> Inbox::compare_kept_claims(const std::string& queue, bool caught_up) {
  const Profile& profile = session_.profile();
  auto claims = profile.store().claims(queue);
  if (!claims) return store_failure(claims.error());
  for (const ClaimedHead& claim : *claims) {
    const audit::QueueHead& theirs = claim.gossip.head;
    auto ours = profile.store().head_at(queue, theirs.number);
    if (!ours) return store_failure(ours.error());
    if (!*ours && !caught_up) continue;
    if (auto dropped = profile.store().forget_claim(claim); !dropped) return store_failure(dropped.error());
    if (*ours && **ours == theirs.head) continue;
    const std::string text =
        "pli-evidence/1\nA member says that it was shown another place in a queue than we are. "
        "Its word alone: heads in an exchange are signed by its sender, not by the log.\nsender " +
        claim.sender + "\nexchange " + to_hex(claim.exchange) + "\nqueue " + queue + "\nclaimed " + describe(theirs) +
        "ours " + (*ours ? to_hex(**ours) : "none") + "\n";
    return std::optional<ClaimedAlarm>({{LocalCode::queue_withheld, "a member says it was shown another queue",
                                         profile.keep_evidence("queue-claim", text)},
                                        claim.exchange});
  }
  return std::optional<ClaimedAlarm>();
}

Outcome<std::optional<ClaimedAlarm>> Inbox::compare_claims(const std::string& queue) {
  auto found = compare_kept_claims(queue, false);
  if (!found || *found) return found;
  auto further = session_.profile().store().claims(queue);
  if (!further) return store_failure(further.error());
  if (further->empty()) return found;
  // The sender has seen further than we have: what is missing has to come now.
  auto caught_up = walk(queue);
  if (!caught_up) return caught_up.error();
  return compare_kept_claims(queue, *caught_up);
}

Outcome<std::vector<InboxItem>> Inbox::not_handed_over(const std::string& queue) const {
  return to_items(session_.profile().store().not_handed_over(queue));
}

Outcome<std::vector<InboxItem>> Inbox::refresh(const std::string& queue) {
  auto caught_up = walk(queue);
  if (!caught_up) return caught_up.error();
  while (true) {
    auto claimed = compare_kept_claims(queue, *caught_up);
    if (!claimed) return claimed.error();
    if (!*claimed) break;
    static_cast<void>(
        raise_alarm(session_.profile(), std::move((*claimed)->failure), {queue, true, (*claimed)->exchange}));
  }
  auto standing = alarms(session_.profile(), queue);
  if (!standing) return standing.error();
  if (!standing->empty()) return std::move(standing->front());
  return not_handed_over(queue);
}

Outcome<InboxView> Inbox::look() {
  InboxView out;
  unproven_.clear();
  for (const std::string& queue : session_.seats()) {
    auto fresh = refresh(queue);
    if (!fresh && !is_verification(fresh.error())) return fresh.error();
    if (!fresh) {
      out.alarms.push_back(fresh.error());
      continue;
    }
    for (InboxItem& item : *fresh) out.items.push_back(std::move(item));
  }
  out.unproven = std::exchange(unproven_, {});
  if (auto checked = session_.check_log(); !checked) {
    if (!is_verification(checked.error())) return checked.error();
    out.alarms.push_back(checked.error());
  }
  auto standing = alarms(session_.profile());
  if (!standing) return standing.error();
  for (Failure& alarm : *standing) {
    const auto same = [&](const Failure& other) { return other.cause == alarm.cause && other.detail == alarm.detail; };
    if (std::none_of(out.alarms.begin(), out.alarms.end(), same)) out.alarms.push_back(std::move(alarm));
  }
  // Whether the broker takes it now or later: it waits in the outbox, and nothing here depends on it.
  Outbox outbox(session_.profile(), session_.clock());
  static_cast<void>(outbox.present_again(session_));
  if (!out.alarms.empty()) {
    if (auto reported = report_alarms(outbox, session_); reported && *reported != 0)
      static_cast<void>(outbox.flush(session_));
  }
  return out;
}

Outcome<std::vector<InboxItem>> Inbox::refresh() {
  auto view = look();
  if (!view) return view.error();
  if (!view->alarms.empty()) return std::move(view->alarms.front());
  return std::move(view->items);
}

Outcome<void> Inbox::handed_over(const std::vector<InboxItem>& items) {
  std::map<std::string, QueueNumber> up_to;
  for (const InboxItem& item : items)
    if (!item.superseded) up_to[item.queue] = std::max(up_to[item.queue], item.head.number);
  for (const auto& [queue, number] : up_to)
    if (auto kept = session_.profile().store().set_handed_over(queue, number); !kept)
      return store_failure(kept.error());
  return {};
}

Outcome<bool> Inbox::hand_over(const std::vector<InboxItem>& items, const OnItem& on_item, Waiting& waiting) {
  for (const InboxItem& item : items) {
    waiting.waited = milliseconds::zero();
    if (!on_item(item)) return false;  // not taken, as when it could not be written: it stays new
    if (auto kept = handed_over({item}); !kept) return kept.error();
  }
  return true;
}

Outcome<void> Inbox::follow(const OnItem& on_item, milliseconds idle, const Pause& pause) {
  Waiting waiting;
  waiting.idle = idle;
  auto ended = sit(on_item, waiting);
  while (!ended) {
    if (exit_class(ended.error()) != ExitClass::unreachable_or_queued || waiting.waited >= idle) return ended.error();
    const milliseconds away = std::min(waiting.pause, idle - waiting.waited);
    if (pause)
      pause(away);
    else
      std::this_thread::sleep_for(away);
    waiting.waited += away;
    waiting.pause = std::min(waiting.pause * 2, redial_after_most);
    auto back = session_.reconnect();
    ended = back ? sit(on_item, waiting) : Outcome<bool>(back.error());
  }
  return {};
}

Outcome<std::uint32_t> Inbox::subscribe() {
  protocol::Follow request;
  request.credit = follow_credit;
  for (const std::string& queue : session_.seats()) {
    auto known = known_head(queue);
    if (!known) return known.error();
    request.queues.push_back({queue, known->number});
  }
  auto first = session_.ask<protocol::Pushed>(std::move(request));
  if (!first) return first.error();
  std::uint32_t credit = follow_credit;
  if (auto taken = take_push(*first, credit); !taken) return taken.error();
  return credit;
}

Outcome<bool> Inbox::sit(const OnItem& on_item, Waiting& waiting) {
  const auto new_items = [&]() -> Outcome<bool> {
    for (const std::string& queue : session_.seats()) {
      auto items = not_handed_over(queue);
      if (!items) return items.error();
      auto on = hand_over(*items, on_item, waiting);
      if (!on || !*on) return on;
    }
    return true;
  };
  std::uint32_t credit = 0;
  bool first = true;
  while (true) {
    if (credit < follow_credit / 2 || waiting.unchecked >= follow_check_every) {
      if (!first)
        if (auto refreshed = session_.refresh(); !refreshed) return refreshed.error();
      first = false;
      // What came before goes through the list, whose head tells that nothing is missing.
      if (auto listed = refresh(); !listed) return listed.error();
      waiting.unchecked = milliseconds::zero();
      auto subscribed = subscribe();
      if (!subscribed) return subscribed.error();
      credit = *subscribed;
      waiting.pause = redial_after_first;
      auto on = new_items();
      if (!on) return on.error();
      if (!*on) return true;
    }
    const milliseconds slice = std::min<milliseconds>(waiting.idle - waiting.waited, follow_check_every);
    const auto since = std::chrono::steady_clock::now();
    auto push = session_.connection().take_push(slice);
    if (!push) return push.error();
    if (!*push) {
      waiting.waited += slice;
      waiting.unchecked += slice;
      if (waiting.waited >= waiting.idle) return true;
      continue;
    }
    waiting.unchecked += std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - since);
    if (auto taken = take_push(**push, credit); !taken) return taken.error();
    auto on = new_items();
    if (!on) return on.error();
    if (!*on) return true;
  }
}

Outcome<void> Inbox::take_push(const protocol::Pushed& push, std::uint32_t& credit) {
  credit -= static_cast<std::uint32_t>(std::min<std::size_t>(credit, push.items.size()));
  std::map<std::string, std::vector<protocol::QueueItem>> by_queue;
  const std::vector<std::string> seats = session_.seats();
  for (const protocol::QueueItem& item : push.items) {
    if (std::find(seats.begin(), seats.end(), item.queue) == seats.end())
      return withheld(session_.profile(), item.queue, "a header of a queue not asked for", {}, item.head);
    by_queue[item.queue].push_back(item);
  }
  for (const auto& [queue, items] : by_queue) {
    auto known = known_head(queue);
    if (!known) return known.error();
    // A push may leave out what we are not on the roster of, or come before one it follows: the list shows every place.
    const bool follows = continues(items, known->number);
    if (follows) {
      if (auto taken = take_in(queue, items); !taken) return taken;
    } else if (auto walked = walk(queue); !walked) {
      return walked.error();
    }
    if (!follows) continue;
    if (auto proven = prove(queue); !proven) return proven;
    if (auto proven = prove_hidden(queue); !proven) return proven;
  }
  return {};
}

Outcome<void> Inbox::acknowledge(const protocol::ExchangeId& exchange) {
  const Profile& profile = session_.profile();
  auto found = profile.store().find_received(exchange);
  if (!found) return store_failure(found.error());
  if (!*found) return Failure(LocalCode::usage, "not received in any queue of this profile");
  const protocol::QueueItem& item = (*found)->item;
  auto done = session_.ask<protocol::Acknowledged>(protocol::Acknowledge{item.queue, item.head.number});
  if (!done) return done.error();
  if (auto kept = profile.store().set_acknowledged(item.queue, done->number); !kept) return store_failure(kept.error());
  return {};
}

Outcome<std::vector<InboxItem>> received(const Profile& profile, const std::string& queue) {
  auto lost = to_items(profile.store().superseded(queue));
  auto items = to_items(profile.store().received(queue));
  if (!lost) return lost;
  if (!items) return items;
  for (InboxItem& item : *lost) {
    item.superseded = true;
    items->push_back(std::move(item));
  }
  std::stable_sort(items->begin(), items->end(),
                   [](const InboxItem& a, const InboxItem& b) { return a.accepted_at < b.accepted_at; });
  return items;
}

Outcome<std::optional<InboxItem>> find_received(const Profile& profile, const protocol::ExchangeId& exchange) {
  auto row = profile.store().find_received(exchange);
  if (!row) return store_failure(row.error());
  if (!*row) return std::optional<InboxItem>();
  auto item = to_item(**row);
  if (!item) return item.error();
  return std::optional<InboxItem>(std::move(*item));
}

}  // namespace pli::client
