#include "client/open_exchange.hpp"

#include <algorithm>
#include <deque>

#include "client/client_store.hpp"
#include "client/inbox.hpp"
#include "client/link_hints.hpp"
#include "crypto/age_open.hpp"
#include "crypto/age_seal.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/random.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "protocol/retention.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

constexpr std::size_t chunks_in_flight = 8;

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

/// Clear text leaves memory with the call that made it.
struct Wiped {
  Bytes bytes;
  explicit Wiped(Bytes clear) : bytes(std::move(clear)) {}
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { crypto::wipe(bytes); }
};

// ---- the checks ------------------------------------------------------------------------------------------------

/// A header, read and authentic; with the way in that came with it, if any.
struct Part {
  const protocol::AccessPart* wire = nullptr;
  Bytes address_bytes;
  protocol::Address address;
  protocol::Seal seal;
  crypto::Signature signature{};
  const protocol::Member* sender = nullptr;  ///< null: a stranger to the directory
};
/// What is to be thought of a sender of whom the directory shows neither key nor name.
enum class Stranger { refused, to_be_vouched_for };

bool is_instance_queue(std::string_view queue) {
  const auto kind = protocol::queue_kind_of(queue);
  return kind == protocol::QueueKind::ged || kind == protocol::QueueKind::clir || kind == protocol::QueueKind::cpraf;
}

/// By which a header is judged.
struct Frame {
  const protocol::Invitation& invitation;
  const KnownDirectory& directory;
};

Outcome<Part> read_header(const protocol::ExchangeId& exchange, const Bytes& address_bytes, const Bytes& seal_bytes,
                          const crypto::Signature& signature, const Frame& frame,
                          Stranger stranger = Stranger::refused) {
  auto address = protocol::decode_address(address_bytes);
  auto seal = protocol::decode_seal(seal_bytes);
  if (!address || !seal || protocol::exchange_id(address_bytes, seal_bytes) != exchange)
    return Failure(LocalCode::address_mismatch, "address and seal are not this exchange's");
  // Signed for another contract or log it is genuine there, and a replay here.
  if (address->contract != frame.invitation.contract || address->log != frame.invitation.log)
    return Failure(LocalCode::address_mismatch, "an exchange of another contract or log");
  const bool authentic =
      crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, exchange, signature)
          .has_value();
  if (!authentic) return Failure(LocalCode::sender_unproven, "the signature does not verify");
  const protocol::Member* sender = frame.directory.member_by_sign(address->sender_key);
  const bool unknown = sender == nullptr && frame.directory.member(address->sender) == nullptr;
  if (unknown ? stranger == Stranger::refused : sender == nullptr || sender->id != address->sender)
    return Failure(LocalCode::sender_unproven, "the directory shows no such key for this sender");
  return Part{nullptr, address_bytes, std::move(*address), *seal, signature, sender};
}

bool was_in_force(SenderStatus status) { return status == SenderStatus::current || status == SenderStatus::former_key; }

/// `arrival`: of the part, if this profile has received it. One proven then stays so once its signer is shown no more:
/// the exchange id commits to his key.
Outcome<Part> read_part(const protocol::AccessPart& wire, const Frame& frame, const Arrival* arrival = nullptr) {
  const bool was_proven = arrival != nullptr && was_in_force(arrival->sender_status);
  auto part = read_header(wire.exchange, wire.address, wire.seal, wire.signature, frame,
                          was_proven ? Stranger::to_be_vouched_for : Stranger::refused);
  if (part) part->wire = &wire;
  return part;
}

/// Whether the signer of a part may speak for a sender whom the directory does not show: a secretariat, in force when
/// the part was accepted, into an instance the reader sits in and the exchange was not sent to.
bool may_vouch(const Part& part, const Arrival* arrival, const Part& original, const Frame& frame) {
  const protocol::Member* reader = frame.directory.member(frame.invitation.member);
  if (reader == nullptr || arrival == nullptr) return false;
  const std::string& queue = part.address.queue;
  const bool sits = std::find(reader->seats.begin(), reader->seats.end(), queue) != reader->seats.end();
  if (!sits || queue == original.address.queue || !is_instance_queue(queue)) return false;
  if (part.sender == nullptr)  // proven on arrival
    return arrival->former_signer && arrival->former_signer->id == part.address.sender &&
           arrival->former_signer->roles.has(protocol::Role::secretariat);
  return part.sender->roles.has(protocol::Role::secretariat) &&
         was_in_force(
             frame.directory.sender_status(part.address.sender, part.address.sender_key, arrival->accepted_at));
}

/// The file key, if this way in has one for us.
Outcome<crypto::FileKey> enter(const Part& part, const protocol::Seal& original, const Keys& keys,
                               const KnownDirectory& directory, ReleaseSession& release) {
  const protocol::AccessPart& wire = *part.wire;
  if (wire.locked.size() != part.seal.locked_size || crypto::sha256(wire.locked) != part.seal.locked)
    return Failure(LocalCode::payload_mismatch, "the locked header is not the one that was signed");
  auto release_key = release.open_grant(wire.release_key, wire.grant);
  if (!release_key) return Failure(LocalCode::release_mismatch, "the grant does not open");
  const Digest address_digest = protocol::address_digest(wire.address);
  if (crypto::release_commitment(address_digest, *release_key) != part.seal.release_commitment)
    return Failure(LocalCode::release_mismatch, "this is not the release key the sender promised");
  auto header = crypto::opening::unlock_header(wire.locked, *release_key, {address_digest, part.seal.payload});
  if (!header) return Failure(LocalCode::release_mismatch, "the header was not locked under the promised key");

  auto shape = crypto::opening::header_shape(*header);
  if (!shape || !shape->only_x25519)
    return Failure(LocalCode::no_stanza_for_me, "a header of another kind than exchanges have");
  // One stanza for each key of the roster (decision 3). A roster changed since cannot be counted any more.
  const protocol::Queue* queue = directory.queue(part.address.queue);
  if (queue != nullptr && protocol::roster_digest(*queue) == part.address.roster &&
      shape->x25519_stanzas != queue->keys.size())
    return Failure(LocalCode::no_stanza_for_me, "more or fewer stanzas than the roster has keys");
  std::optional<crypto::FileKey> file_key;
  const auto try_key = [&](const crypto::SecretKey& secret) -> Outcome<void> {
    auto opened = crypto::opening::unwrap_file_key(*header, {{&secret, 1}, nullptr});
    if (!opened) {
      if (opened.error() == crypto::opening::AgeFailure::no_match) return {};
      return Failure(LocalCode::file_key_mismatch, "the header contradicts itself");
    }
    if (file_key) return Failure(LocalCode::no_stanza_for_me, "two of our keys have a stanza");
    file_key = std::move(*opened);
    return {};
  };
  if (auto tried = try_key(keys.current.age_secret()); !tried) return tried.error();
  for (const crypto::Identity& former : keys.former)
    if (auto tried = try_key(former.age_secret()); !tried) return tried.error();
  if (!file_key) return Failure(LocalCode::no_stanza_for_me, "none of our keys has a stanza");
  if (crypto::file_key_commitment(*file_key) != original.file_key_commitment ||
      part.seal.file_key_commitment != original.file_key_commitment)
    return Failure(LocalCode::file_key_mismatch, "this is not the file key the sender promised");
  return std::move(*file_key);
}

Outcome<protocol::Plaintext> read_payload(const Part& original, ByteView payload, const crypto::FileKey& file_key) {
  if (payload.size() != original.seal.payload_size || crypto::sha256(payload) != original.seal.payload)
    return Failure(LocalCode::payload_mismatch, "the payload is not the one that was signed");
  auto opened = crypto::opening::open_payload(file_key, payload);
  if (!opened) return Failure(LocalCode::payload_mismatch, "the payload does not open under the promised key");
  const Wiped padded(std::move(*opened));
  auto unpadded = crypto::unpad(padded.bytes);
  if (!unpadded) return Failure(LocalCode::bad_padding, "padding that is not zero or too short");
  const Wiped clear(std::move(*unpadded));
  const auto kind = static_cast<protocol::Kind>(original.address.kind);
  if (protocol::bucket_for(kind, clear.bytes.size()) != padded.bytes.size())
    return Failure(LocalCode::bad_padding, "not the bucket this size belongs to");
  auto plaintext = protocol::decode_plaintext(clear.bytes);
  if (!plaintext) return Failure(LocalCode::payload_mismatch, "a plaintext that cannot be read");
  if (!equal(plaintext->address, original.address_bytes)) {
    crypto::wipe(plaintext->content);
    return Failure(LocalCode::address_mismatch, "the address inside is not the one outside");
  }
  return std::move(*plaintext);
}

// ---- the request -----------------------------------------------------------------------------------------------

Outcome<Bytes> seal_note(const Session& session, const std::string& text) {
  if (text.empty()) return Bytes();
  if (text.size() > protocol::note_text_bytes_max) return Failure(LocalCode::usage, "the note is too long");
  const protocol::Member* self = session.directory().member(session.member_id());
  std::vector<crypto::AgePublic> auditors;
  if (self != nullptr)
    for (const protocol::Queue* queue : session.directory().queues_of(protocol::QueueKind::audit, self->territory))
      auditors.insert(auditors.end(), queue->keys.begin(), queue->keys.end());
  std::sort(auditors.begin(), auditors.end());
  auditors.erase(std::unique(auditors.begin(), auditors.end()), auditors.end());
  if (auditors.empty()) return Failure(LocalCode::directory_unproven, "no auditor to seal the note to");
  auto padded = crypto::pad_to(as_bytes(text), protocol::note_bucket_bytes);
  if (!padded) return local(LocalCode::usage, padded.error());
  auto sealed = crypto::seal_bytes(*padded, auditors);
  crypto::wipe(*padded);
  if (!sealed) return local(LocalCode::directory_unproven, sealed.error());
  if (sealed->size() > protocol::sealed_note_bytes_max)
    return Failure(LocalCode::usage, "too many auditors for a note");
  return std::move(*sealed);
}

protocol::Open make_request(Session& session, const protocol::ExchangeId& exchange, protocol::Motif motif,
                            const Bytes& note) {
  protocol::OpeningRequest request;
  request.log = session.invitation().log;
  request.exchange = exchange;
  request.opener = session.member_id();
  request.opener_key = session.keys().current.public_identity().sign;
  request.directory = session.directory().number();
  request.motif = static_cast<std::uint8_t>(motif);
  if (!note.empty()) request.note = crypto::sha256(note);
  request.session = session.release().public_key();
  request.created_at = session.clock().now();
  request.nonce = crypto::random_array<16>();
  protocol::Open open;
  open.request = protocol::encode(request);
  open.signature =
      crypto::sign_statement(session.keys().current.signing_key(), crypto::StatementName::open, open.request);
  open.note = note;
  return open;
}

/// The proof has to show this very request, granted: the proof of a refusal, or of another opening, proves nothing.
Outcome<VerifiedReceipt> verify_recorded(Session& session, const protocol::Open& request,
                                         const protocol::ExchangeId& exchange, const protocol::LeafProof& proof) {
  auto receipt = verify_leaf_proof(proof, session.invitation().log, session.invitation().log_key);
  if (!receipt) return receipt.error();
  const audit::Disclosure& record = receipt->receipt.record;
  const auto shows = [&](std::string_view field, ByteView value) {
    const Bytes* shown = record.find(field);
    return shown != nullptr && equal(*shown, value);
  };
  const bool ours = receipt->receipt.leaf.type == audit::LeafType::consultation && shows("act", as_bytes("open")) &&
                    shows("outcome", as_bytes("ok")) && shows("exchange", exchange) &&
                    shows("statement", request.request) && shows("signature", request.signature);
  if (!ours) return Failure(LocalCode::receipt_invalid, "the log does not show this opening");
  return std::move(*receipt);
}

/// Tells how far the parts that did not ride inside the reply have come, all together.
struct Fetched {
  const std::function<void(std::uint64_t, std::uint64_t)>& progress;
  std::uint64_t got = 0;
  std::uint64_t total = 0;
  void add(std::uint64_t bytes) {
    got += bytes;
    if (progress) progress(std::min(got, total), total);
  }
};

Outcome<Bytes> fetch_part(Session& session, const protocol::OpeningId& opening, protocol::PartKind kind,
                          std::uint32_t access, std::uint64_t size, Fetched& fetched) {
  if (size == 0 || size > protocol::exchange_bytes_max)
    return Failure(LocalCode::payload_mismatch, "a part larger than an exchange may be");
  Bytes out;
  out.reserve(size);
  const auto count = static_cast<std::uint32_t>((size + protocol::chunk_bytes_max - 1) / protocol::chunk_bytes_max);
  Connection& connection = session.connection();
  std::deque<std::uint64_t> flying;
  std::uint32_t asked = 0;
  const auto collect = [&]() -> Outcome<void> {
    for (std::uint32_t index = 0; index < count; ++index) {
      while (asked < count && flying.size() < chunks_in_flight) {
        auto number = connection.post(protocol::GetChunk{opening, kind, access, asked});
        if (!number) return number.error();
        flying.push_back(*number);
        ++asked;
      }
      const std::uint64_t number = flying.front();
      flying.pop_front();
      auto reply = connection.take(number, reply_within);
      if (!reply) return reply.error();
      if (const auto* refusal = std::get_if<protocol::Refusal>(&*reply)) return Failure(*refusal);
      const auto* chunk = std::get_if<protocol::Chunk>(&*reply);
      const std::uint64_t expected = std::min<std::uint64_t>(protocol::chunk_bytes_max, size - out.size());
      if (chunk == nullptr || chunk->index != index || chunk->bytes.size() != expected)
        return Failure(LocalCode::payload_mismatch, "not the chunk asked for");
      append(out, chunk->bytes);
      fetched.add(chunk->bytes.size());
    }
    return {};
  };
  auto collected = collect();
  for (const std::uint64_t number : flying)
    static_cast<void>(connection.take(number, std::chrono::milliseconds::zero()));
  if (!collected) return collected.error();
  return out;
}

Outcome<void> fetch_missing(Session& session, const protocol::OpeningId& opening, protocol::Opened& opened,
                            const OpenOptions& options) {
  if (opened.access.empty() || opened.access.size() > protocol::access_parts_max)
    return Failure(LocalCode::payload_mismatch, "no way in");
  Fetched fetched{options.progress};
  for (const protocol::AccessPart& part : opened.access)
    if (auto seal = protocol::decode_seal(part.seal); seal && part.locked.empty()) fetched.total += seal->locked_size;
  if (auto seal = protocol::decode_seal(opened.access.front().seal); seal && opened.payload.empty())
    fetched.total += seal->payload_size;
  for (std::size_t i = 0; i < opened.access.size(); ++i) {
    protocol::AccessPart& part = opened.access[i];
    if (!part.locked.empty()) continue;
    auto seal = protocol::decode_seal(part.seal);
    if (!seal) continue;  // refused by the checks, with its own words
    auto locked = fetch_part(session, opening, protocol::PartKind::locked, static_cast<std::uint32_t>(i),
                             seal->locked_size, fetched);
    if (!locked) return locked.error();
    part.locked = std::move(*locked);
  }
  if (!opened.payload.empty()) return {};
  auto seal = protocol::decode_seal(opened.access.front().seal);
  if (!seal) return {};
  auto payload = fetch_part(session, opening, protocol::PartKind::payload, 0, seal->payload_size, fetched);
  if (!payload) return payload.error();
  opened.payload = std::move(*payload);
  return {};
}

/// Whether it stands in a queue that is none of ours: then only the reply can bring its header.
bool is_through_door(const Session& session, const protocol::Opened& opened) {
  if (!opened.header) return false;
  const auto address = protocol::decode_address(opened.header->address);
  const auto seats = session.seats();
  return address && std::find(seats.begin(), seats.end(), address->queue) == seats.end();
}

/// The exchange's own header where only ways in that others added came with the reply: to a member who was given access
/// later, the queue shows it now.
Outcome<std::optional<protocol::QueueItem>> find_header(Session& session, const protocol::ExchangeId& exchange,
                                                        const protocol::Opened& opened,
                                                        std::vector<Failure>& warnings) {
  const auto is_own = [&](const protocol::AccessPart& part) { return part.exchange == exchange; };
  if (std::any_of(opened.access.begin(), opened.access.end(), is_own)) return std::optional<protocol::QueueItem>();
  ClientStore& store = session.profile().store();
  auto found = store.find_received(exchange);
  if (found && !*found && !is_through_door(session, opened)) {
    auto view = Inbox(session).look();
    if (!view) return view.error();
    warnings = std::move(view->alarms);  // another queue's troubles do not keep this exchange shut
    found = store.find_received(exchange);
  }
  if (!found) return store_failure(found.error());
  if (!*found) return std::optional<protocol::QueueItem>();
  if ((*found)->item.visible) return std::optional<protocol::QueueItem>((*found)->item);
  const protocol::QueueItem& place = (*found)->item;
  auto shown = session.ask<protocol::Items>(protocol::List{place.queue, QueueNumber{place.head.number.value - 1}, 1});
  if (!shown) return shown.error();
  if (shown->items.empty() || shown->items[0].exchange != exchange || !shown->items[0].visible)
    return std::optional<protocol::QueueItem>();
  shown->items[0].queue = place.queue;
  shown->items[0].head = place.head;
  return std::optional<protocol::QueueItem>(std::move(shown->items[0]));
}

/// What is recorded of the ways in that others added. Each stands in a queue of ours: one not received yet is looked
/// for.
Outcome<Arrivals> find_arrivals(Session& session, const protocol::ExchangeId& exchange, const protocol::Opened& opened,
                                std::vector<Failure>& warnings) {
  ClientStore& store = session.profile().store();
  Arrivals out;
  bool looked = false;
  for (const protocol::AccessPart& part : opened.access) {
    if (part.exchange == exchange) continue;
    auto found = store.find_received(part.exchange);
    if (found && !*found && !looked) {
      looked = true;
      auto view = Inbox(session).look();
      if (!view) return view.error();
      warnings.insert(warnings.end(), view->alarms.begin(), view->alarms.end());
      found = store.find_received(part.exchange);
    }
    if (!found) return store_failure(found.error());
    if (!*found || !(*found)->item.visible) continue;
    Arrival arrival{(*found)->item.accepted_at, (*found)->sender, std::nullopt};
    const auto address = protocol::decode_address(part.address);
    if (address && session.directory().member(address->sender) == nullptr) {
      auto former = store.former_secretariat(address->sender);
      if (!former) return store_failure(former.error());
      arrival.former_signer = std::move(*former);
    }
    out.emplace(part.exchange, std::move(arrival));
  }
  return out;
}

std::string describe(const protocol::ExchangeId& exchange, const protocol::Opened& opened, const Failure& failure) {
  std::string text = "pli-evidence/1\nfound " + code_text(failure) + "\nwhy " + failure.detail + "\nexchange " +
                     to_hex(exchange) + "\npayload-sha256 " + to_hex(crypto::sha256(opened.payload)) + "\n";
  if (opened.header)
    text += "header\naddress " + to_hex(opened.header->address) + "\nseal " + to_hex(opened.header->seal) +
            "\nsignature " + to_hex(opened.header->signature) + "\n";
  for (const protocol::AccessPart& part : opened.access)
    text += "part " + to_hex(part.exchange) + "\naddress " + to_hex(part.address) + "\nseal " + to_hex(part.seal) +
            "\nsignature " + to_hex(part.signature) + "\nlocked-sha256 " + to_hex(crypto::sha256(part.locked)) + "\n";
  text += "opening\n" + opened.proof.checkpoint;
  return text;
}

// ---- gossip ----------------------------------------------------------------------------------------------------

/// Whether a sender's checkpoint is of what an order gave up: the places it names may be lost, and nobody is to blame.
Outcome<bool> saw_what_was_given_up(const Session& session, const std::string& checkpoint) {
  auto theirs = verify_log_note(checkpoint, session.invitation().log, session.invitation().log_key);
  if (!theirs) return false;
  auto closed = session.profile().store().closed_shard(theirs->head().origin);
  if (!closed) return store_failure(closed.error());
  return *closed && (*closed)->last && theirs->size() > (*closed)->closed.size;
}

/// What the sender saw against what we are shown. What cannot be compared now is compared by the next sitting.
Outcome<void> compare_gossip(Session& session, OpenedExchange& opened) {
  const protocol::Plaintext& plaintext = opened.content.plaintext;
  if (!plaintext.checkpoint.empty()) {
    auto noted = session.log().note_foreign(plaintext.checkpoint, session.clock().now());
    // A note the log never signed tells of its sender only.
    if (!noted && is(noted.error(), LocalCode::local_store)) return noted.error();
  }
  if (auto checked = session.check_log(); !checked) {
    const bool alarm = is(checked.error(), LocalCode::log_forked) || is(checked.error(), LocalCode::log_shrunk);
    if (alarm) opened.gossip_alarm = checked.error();
    if (is(checked.error(), LocalCode::local_store)) return checked.error();
  }
  const std::string& sender = opened.content.address.sender;
  const protocol::Member* who = session.directory().member(sender);
  if (who == nullptr) return {};
  const std::vector<std::string> seats = session.seats();
  const auto in = [](const std::vector<std::string>& queues, const std::string& queue) {
    return std::find(queues.begin(), queues.end(), queue) != queues.end();
  };
  auto gone = saw_what_was_given_up(session, plaintext.checkpoint);
  if (!gone) return gone.error();
  if (*gone) return {};
  Inbox inbox(session);
  for (const protocol::GossipHead& gossip : plaintext.heads) {
    // Nobody learns a head but who sits in the queue, a receipt does not show it (design §8): from anybody else the
    // claim is made up, and would set every member against the broker.
    if (gossip.head.number.value == 0 || !in(seats, gossip.queue) || !in(who->seats, gossip.queue)) continue;
    if (auto kept = session.profile().store().add_claim({gossip, opened.exchange, sender}); !kept)
      return store_failure(kept.error());
    auto compared = inbox.compare_claims(gossip.queue);
    if (!compared) {
      if (is(compared.error(), LocalCode::local_store)) return compared.error();
      if (is(compared.error(), LocalCode::queue_withheld) && !opened.gossip_alarm)
        opened.gossip_alarm = compared.error();
      continue;
    }
    if (*compared && !opened.gossip_alarm) {
      opened.gossip_alarm = (*compared)->failure;
      opened.gossip_claimed = true;
    }
  }
  return {};
}

/// What the form says otherwise than its address, which the broker decided by; null when they agree.
const char* difference(const protocol::Form& form, const protocol::Address& address) {
  if (static_cast<std::uint16_t>(form.kind()) != address.kind)
    return "the form inside is of another kind than the address says";
  if (const auto named = form.named_exchange(); named && *named != address.in_reply_to)
    return "the form inside names another exchange than the address does";
  if (form.attributes() != address.attributes) return "the form inside says otherwise than the address's attribute";
  return nullptr;
}

/// The case that an opened exchange belongs to for its reader. Through a door it is the one that is linked, in that
/// queue, to the case its access part names.
Outcome<Digest> case_as_read(const Profile& profile, const protocol::ExchangeId& exchange,
                             const VerifiedContent& content) {
  const protocol::Address& address = content.address;
  if (!content.way_in || content.way_in->queue == address.queue || protocol::is_party_queue(content.way_in->queue))
    return address.case_id == Digest{} ? exchange : address.case_id;
  auto items = received(profile, content.way_in->queue);
  if (!items) return items.error();
  Digest out{};
  for (const InboxItem& item : *items)
    if (is_transfer(item) && item.address.case_id == content.way_in->case_id) out = item.exchange;
  return out;
}

/// ERASED is also answered where the broker cannot read its own key ("cle"): then nothing is erased.
bool is_erased(const Failure& failure) {
  const auto* refusal = std::get_if<protocol::Refusal>(&failure.cause);
  return refusal != nullptr && refusal->code == protocol::Code::erased && refusal->subject != "cle";
}

}  // namespace

Outcome<VerifiedContent> verify_opened(const protocol::Opened& opened, const protocol::ExchangeId& exchange,
                                       const std::optional<protocol::QueueItem>& header, const Keys& keys,
                                       const protocol::Invitation& invitation, const KnownDirectory& directory,
                                       ReleaseSession& release, const Arrivals& arrivals) {
  const Frame frame{invitation, directory};
  const auto own = std::find_if(opened.access.begin(), opened.access.end(),
                                [&](const protocol::AccessPart& part) { return part.exchange == exchange; });
  if (own == opened.access.end() && !header && !opened.header)
    return Failure(LocalCode::address_mismatch, "the exchange's own header is missing");
  const auto read_original = [&] {
    if (own != opened.access.end()) return read_part(*own, frame);
    if (header) return read_header(exchange, header->address, header->seal, header->signature, frame);
    return read_header(exchange, opened.header->address, opened.header->seal, opened.header->signature, frame,
                       Stranger::to_be_vouched_for);
  };
  auto original = read_original();
  if (!original) return original.error();

  std::optional<Failure> first;
  std::optional<crypto::FileKey> file_key;
  std::optional<protocol::Address> way_in;
  const auto remember = [&](const Failure& failure) {
    if (!first || is(*first, LocalCode::no_stanza_for_me)) first = failure;
  };
  const auto try_part = [&](const Part& part) {
    auto entered = enter(part, original->seal, keys, directory, release);
    if (entered)
      file_key = std::move(*entered);
    else
      remember(entered.error());
  };
  if (original->wire != nullptr) try_part(*original);
  for (const protocol::AccessPart& wire : opened.access) {
    if (file_key) break;
    if (wire.exchange == exchange) continue;
    const auto arrived = arrivals.find(wire.exchange);
    const Arrival* arrival = arrived == arrivals.end() ? nullptr : &arrived->second;
    auto part = read_part(wire, frame, arrival);
    if (!part) {
      remember(part.error());  // a way in that contradicts itself is said to be one, unless another way leads in
      continue;
    }
    const bool gives_access = part->address.kind == static_cast<std::uint16_t>(protocol::Kind::acces) &&
                              part->address.in_reply_to == exchange && part->seal.payload == original->seal.payload &&
                              part->seal.payload_size == original->seal.payload_size;
    // In the queue it was sent to, whoever sent it is shown to its members: there nobody else's word counts.
    const bool speaks_for_sender = original->sender != nullptr || may_vouch(*part, arrival, *original, frame);
    if (!gives_access || !speaks_for_sender) continue;
    try_part(*part);
    if (file_key) way_in = std::move(part->address);
  }
  if (!file_key && original->sender == nullptr && !first)
    return Failure(LocalCode::sender_unproven, "the directory shows no such sender, and nobody speaks for him");
  if (!file_key && !first) return Failure(LocalCode::no_stanza_for_me, "no way in that names this exchange");
  if (!file_key) return std::move(*first);

  auto plaintext = read_payload(*original, opened.payload, *file_key);
  if (!plaintext) return plaintext.error();
  VerifiedContent out;
  out.address = std::move(original->address);
  out.seal = original->seal;
  out.signature = original->signature;
  out.vouched = original->sender == nullptr;
  if (original->sender != nullptr) out.sender_label = original->sender->label;
  out.way_in = std::move(way_in);
  out.file_key = std::move(*file_key);
  out.plaintext = std::move(*plaintext);
  return out;
}

Outcome<protocol::ExchangeId> opens(const Profile& profile, const protocol::ExchangeId& id) {
  auto found = find_received(profile, id);
  if (!found) return found.error();
  const bool gives_access =
      *found && (*found)->visible && (*found)->address.kind == static_cast<std::uint16_t>(protocol::Kind::acces);
  return gives_access ? (*found)->address.in_reply_to : id;
}

Outcome<OpenedExchange> open_exchange(Session& session, const protocol::ExchangeId& exchange,
                                      const OpenOptions& options) {
  auto note = seal_note(session, options.note);
  if (!note) return note.error();
  protocol::Open request = make_request(session, exchange, options.motif, *note);
  auto opened = session.ask<protocol::Opened>(request);
  if (!opened && is(opened.error(), protocol::Code::stale_directory)) {
    if (auto refreshed = session.refresh(); !refreshed) return refreshed.error();
    request = make_request(session, exchange, options.motif, *note);
    opened = session.ask<protocol::Opened>(request);
  }
  if (!opened) {
    // What is erased there leaves here too; where the disk does not let it, the next list of cases tries again.
    if (is_erased(opened.error())) static_cast<void>(forget_erased(session.profile(), session.keys(), exchange));
    return opened.error();
  }
  if (opened->exchange != exchange) return Failure(LocalCode::receipt_invalid, "another exchange than asked for");
  auto recorded = verify_recorded(session, request, exchange, opened->proof);
  if (!recorded) return recorded.error();
  // Recorded from here: what follows shows the content or says what is wrong with the exchange.
  OpenedExchange out;
  out.exchange = exchange;
  const auto warn = [&](const Failure& failure) { out.warnings.push_back(failure); };
  if (auto noted = session.log().note_foreign(opened->proof.checkpoint, session.clock().now()); !noted)
    warn(noted.error());
  if (auto fetched = fetch_missing(session, protocol::opening_id(request.request), *opened, options); !fetched)
    return fetched.error();
  auto header = find_header(session, exchange, *opened, out.warnings);
  if (!header) return header.error();
  auto arrivals = find_arrivals(session, exchange, *opened, out.warnings);
  if (!arrivals) return arrivals.error();
  auto content = verify_opened(*opened, exchange, *header, session.keys(), session.invitation(), session.directory(),
                               session.release(), *arrivals);
  if (content) {
    auto form = protocol::Form::decode(content->plaintext.content);
    const char* differs = form ? difference(*form, content->address) : nullptr;
    if (differs != nullptr)
      content = Failure(LocalCode::address_mismatch, differs);
    else if (form)
      out.form = std::move(*form);
  }
  if (!content) {
    Failure failure = content.error();
    failure.evidence = session.profile().keep_evidence("exchange", describe(exchange, *opened, failure));
    return failure;
  }
  out.content = std::move(*content);
  out.opening = std::move(*recorded);
  ClientStore& store = session.profile().store();
  const auto status_at = [&](UnixMillis at) {
    return session.directory().sender_status(out.content.address.sender, out.content.address.sender_key, at);
  };
  auto received = store.find_received(exchange);
  const bool dated = received && *received && (*received)->item.visible;
  const UnixMillis accepted = *header          ? (*header)->accepted_at
                              : dated          ? (*received)->item.accepted_at
                              : opened->header ? opened->header->accepted_at
                                               : out.content.address.created_at;
  out.sender_status = out.content.vouched ? SenderStatus::vouched : status_at(accepted);
  auto of_case = case_as_read(session.profile(), exchange, out.content);
  if (of_case)
    out.case_id = *of_case;
  else
    warn(of_case.error());
  if (*header)
    if (auto kept = store.set_visible((*header)->queue, **header, out.sender_status); !kept)
      warn(store_failure(kept.error()));
  if (auto marked = store.mark_opened(exchange); !marked) warn(store_failure(marked.error()));
  if (auto compared = compare_gossip(session, out); !compared) warn(compared.error());
  return out;
}

std::string anomaly_code(const Failure& failure) {
  if (!std::holds_alternative<LocalCode>(failure.cause)) return {};
  const std::string code =
      is(failure, LocalCode::log_shrunk) ? std::string(protocol::text_of(LocalCode::log_forked)) : code_text(failure);
  const auto codes = protocol::anomaly_codes();
  return std::find(codes.begin(), codes.end(), code) == codes.end() ? std::string() : code;
}

}  // namespace pli::client
