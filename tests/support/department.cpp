#include "tests/support/department.hpp"

#include <algorithm>
#include <set>

#include "crypto/age_open.hpp"
#include "crypto/age_seal.hpp"
#include "crypto/grant.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_lock.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/random.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"

namespace pli::testing {
namespace {

using protocol::Kind;
using protocol::Role;

constexpr std::int64_t day = 24LL * 3600 * 1000;
constexpr const char* prefecture = "110089001";
constexpr const char* auxerre = "210890016";
constexpr const char* sens = "210890024";
constexpr const char* avallon = "210890032";
constexpr const char* carrier = "310890040";

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "department: %s: %s\n", name_of(result.error().code), result.error().detail.c_str());
    std::abort();
  }
  return *std::move(result);
}

protocol::Roles roles_of(const std::vector<Role>& list) {
  protocol::Roles out;
  for (Role role : list) out.add(role);
  return out;
}

std::string authority_name(std::size_t i) { return "prefecture-89.exemple/" + std::to_string(i + 1); }

}  // namespace

broker::VerifiedSubmit Sealed::verified() const {
  broker::VerifiedSubmit out;
  out.envelope = envelope;
  out.address = address;
  out.seal = seal;
  out.id = id;
  out.release_key = release_key.clone();
  return out;
}

Sealed Sealed::clone() const {
  Sealed out;
  out.envelope = envelope;
  out.address = address;
  out.seal = seal;
  out.id = id;
  out.release_key = release_key.clone();
  out.file_key = file_key.clone();
  return out;
}

Department::Department(DepartmentOptions options) : options_(options) {
  crypto::initialise();
  for (std::size_t i = 0; i < options_.authorities; ++i) authority_keys_.push_back(crypto::SigningKey::generate());
  contract_.id = "csi-89-2026";
  contract_.title = "Contrat de sécurité intégrée de l'Yonne";
  contract_.parties = {"Préfecture de l'Yonne", "Ville d'Auxerre", "Ville de Sens", "Ville d'Avallon"};
  contract_.territory = "89";
  contract_.starts = {options_.now.value - 30 * day};
  contract_.ends = {options_.now.value + 5 * 365 * day};
  contract_.engagements = {"retour 30", "decision 120"};

  for (const char* id : {"ged/89", "clir/89", "cpraf/89", "audit/89"}) add_queue(id, "89", {});
  const auto organisation = [&](const char* siren, const char* territory) {
    add_queue(std::string("org/") + siren, territory, siren);
  };
  organisation(prefecture, "89");
  organisation(auxerre, "89024");
  organisation(sens, "89387");
  organisation(avallon, "89025");
  organisation(carrier, "89");
  const auto seat = [](const char* siren) { return std::string("org/") + siren; };
  add_member("secretariat", prefecture, {Role::secretariat}, {"ged/89", "clir/89", "cpraf/89", seat(prefecture)}, "89");
  for (std::size_t i = 1; i <= options_.ged_members; ++i)
    add_member("ged." + std::to_string(i), "service-" + std::to_string(i), {Role::membre_ged}, {"ged/89"}, "89");
  for (std::size_t i = 1; i <= options_.clir_members; ++i)
    add_member("clir." + std::to_string(i), "bureau-" + std::to_string(i), {Role::membre_clir}, {"clir/89"}, "89");
  add_member("referent.auxerre", auxerre, {Role::referent}, {seat(auxerre)}, "89024");
  add_member("maire.auxerre", auxerre, {Role::maire}, {seat(auxerre)}, "89024");
  add_member("referent.sens", sens, {Role::referent}, {seat(sens)}, "89387");
  add_member("maire.sens", sens, {Role::maire}, {seat(sens)}, "89387");
  add_member("referent.avallon", avallon, {Role::referent}, {seat(avallon)}, "89025");
  add_member("outil.transport", carrier, {Role::outil}, {seat(carrier)}, "89");
  tools_["outil.transport"] = {"outil.transport",
                               protocol::Volet::transport,
                               {Kind::information_de_volet, Kind::complement, Kind::rectification, Kind::retrait},
                               {"ged/89", "clir/89"},
                               {seat(carrier)}};
  add_member("auditeur", "inspection", {Role::auditeur}, {"audit/89"}, "89");
  for (std::size_t i = 0; i < options_.auditors; ++i)
    add_member("auditeur." + std::to_string(i), "inspection", {Role::auditeur}, {"audit/89"}, "89");
  add_member("operateur", "exploitant", {Role::operateur}, {}, "89");
  for (std::size_t i = 0; i < options_.senders; ++i)
    add_member("referent." + std::to_string(i), auxerre, {Role::referent}, {seat(auxerre)}, "89024");
  for (std::size_t i = 0; i < options_.strangers; ++i) {
    protocol::Member stranger = members_.at("referent.avallon");
    stranger.id = "elsewhere." + std::to_string(i);
    stranger.person = "p." + stranger.id;
    stranger.organisation = "bureau-" + stranger.id;
    stranger.seats.clear();
    stranger.keys.curve.bytes = crypto::random_array<32>();
    stranger.keys.sign.bytes = crypto::random_array<32>();
    stranger.keys.age.bytes = crypto::random_array<32>();
    members_.emplace(stranger.id, std::move(stranger));
  }
  first_ = publish({options_.now.value + 29 * day});
}

const std::string& Department::shard() {
  static const std::string name = "2026-1";
  return name;
}

protocol::AuthoritySet Department::authorities() const {
  protocol::AuthoritySet out;
  out.threshold = options_.threshold;
  for (std::size_t i = 0; i < authority_keys_.size(); ++i)
    out.keys.push_back({authority_name(i), audit::KeyType::ed25519, authority_keys_[i].public_key()});
  return out;
}

const crypto::Identity& Department::identity(std::string_view member) const {
  const auto found = identities_.find(member);
  if (found == identities_.end()) std::abort();
  return found->second;
}

broker::Peer Department::peer(std::string_view member, int connection) const {
  broker::Peer out;
  out.routing_id = to_bytes(std::string(member) + "#" + std::to_string(connection));
  out.key = identity(member).public_identity().curve;
  return out;
}

const protocol::Member& Department::member(std::string_view id) const {
  const protocol::Member* found = directory_->member(id);
  if (found == nullptr) std::abort();
  return *found;
}

std::string Department::organisation_queue(std::string_view id) const { return "org/" + member(id).organisation; }

std::vector<std::string> Department::member_ids() const {
  std::vector<std::string> out;
  for (const auto& [id, member] : members_) out.push_back(id);
  return out;
}

void Department::add_queue(const std::string& id, const std::string& territory, const std::string& organisation) {
  protocol::Queue queue;
  queue.id = id;
  queue.kind = *protocol::queue_kind_of(id);
  queue.territory = territory;
  queue.organisation = organisation;
  queues_.emplace(id, std::move(queue));
}

void Department::add_member(const std::string& id, const std::string& organisation, std::vector<Role> roles,
                            std::vector<std::string> seats, const std::string& territory) {
  protocol::Member member;
  member.id = id;
  // "x.bis" is the person of "x", under an entry of another organisation.
  constexpr std::string_view again = ".bis";
  const bool second = id.size() > again.size() && id.compare(id.size() - again.size(), again.size(), again) == 0;
  member.person = "p." + (second ? id.substr(0, id.size() - again.size()) : id);
  member.organisation = organisation;
  member.roles = roles_of(roles);
  member.territory = territory;
  member.seats = std::move(seats);
  member.label = "Agent invented for a test";
  member.not_before = {options_.now.value - 30 * day};
  member.not_after = {options_.now.value + 5 * 365 * day};
  identities_.insert_or_assign(id, crypto::Identity::generate());
  member.keys = identity(id).public_identity();
  members_.insert_or_assign(id, std::move(member));
}

std::vector<protocol::Entry> Department::entries() const {
  const auto salt = [&](const std::string& id) {
    const auto found = salts_.find(id);
    return found == salts_.end() ? ByteArray<16>{} : found->second;
  };
  std::vector<protocol::Entry> out;
  out.push_back(protocol::write_contract(contract_, salt(contract_.id)));
  for (auto [id, queue] : queues_) {
    for (const auto& [member_id, member] : members_) {
      const bool seated = std::find(member.seats.begin(), member.seats.end(), id) != member.seats.end();
      if (seated && !member.revoked_at) queue.keys.push_back(member.keys.age);
    }
    std::sort(queue.keys.begin(), queue.keys.end());
    out.push_back(protocol::write_queue(queue, salt(id)));
  }
  for (const auto& [id, member] : members_) out.push_back(protocol::write_member(member, salt(id)));
  for (const auto& [id, tool] : tools_) out.push_back(protocol::write_tool(tool, salt("tool " + id)));
  for (const auto& [id, charter] : charters_) out.push_back(protocol::write_charter(charter, salt("charter " + id)));
  return out;
}

broker::VerifiedPublish Department::sign_version(std::vector<protocol::Entry> all, DirectoryNumber number,
                                                 const Digest& previous, UnixMillis not_after,
                                                 std::size_t signers) const {
  const auto built = must(protocol::Directory::build(all));
  protocol::DirectoryHead head;
  head.contract = contract_.id;
  head.number = number;
  head.previous = previous;
  head.not_after = not_after;
  head.threshold = options_.threshold;
  head.authorities = authorities().keys;
  head.entries = all.size();
  head.root = built->root();
  audit::Note note{protocol::to_text(head), {}};
  for (std::size_t i = 0; i < signers; ++i) audit::sign_note(note, authority_name(i), authority_keys_[i]);
  broker::VerifiedPublish out;
  out.note = audit::to_text(note);
  // Only what differs from the newest travels.
  std::set<Bytes> known;
  if (directory_)
    for (std::size_t i = 0; i < directory_->entries().size(); ++i) known.insert(directory_->entry_bytes(i));
  for (const protocol::Entry& entry : all) {
    Bytes bytes = protocol::encode(entry);
    if (known.count(bytes) == 0) out.changed.push_back(std::move(bytes));
  }
  return out;
}

broker::VerifiedPublish Department::publish(UnixMillis not_after) {
  const auto draw = [&](const std::string& id) { salts_.emplace(id, crypto::random_array<16>()); };
  draw(contract_.id);
  for (const auto& [id, queue] : queues_) draw(id);
  for (const auto& [id, member] : members_) draw(id);
  for (const auto& [id, tool] : tools_) draw("tool " + id);
  const DirectoryNumber number{directory_ ? directory_->number().value + 1 : 1};
  const Digest previous = directory_ ? directory_->verified()->digest() : Digest{};
  broker::VerifiedPublish version = sign_version(entries(), number, previous, not_after, options_.threshold);
  auto verified = must(
      protocol::verify_directory_note(version.note, authorities(), directory_ ? &*directory_->verified() : nullptr));
  directory_ = must(protocol::Directory::build(entries(), std::move(verified)));
  return version;
}

broker::VerifiedPublish Department::first_version() const { return *first_; }

broker::VerifiedPublish Department::enrol(const std::string& id, const std::string& organisation,
                                          std::vector<Role> roles, std::vector<std::string> seats,
                                          const std::string& territory) {
  add_member(id, organisation, std::move(roles), std::move(seats), territory);
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::revoke(const std::string& id, UnixMillis now) {
  members_.find(id)->second.revoked_at = now;
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::seat(const std::string& id, std::vector<std::string> seats) {
  members_.at(id).seats = std::move(seats);
  return publish({directory_->verified()->head().not_after});
}

broker::VerifiedPublish Department::renew(const std::string& id) {
  protocol::Member& member = members_.find(id)->second;
  member.former_curve.push_back(member.keys.curve);
  member.former_sign.push_back(member.keys.sign);
  member.former_age.push_back(member.keys.age);
  auto held = identities_.extract(id);
  former_.insert_or_assign(id, std::move(held.mapped()));
  identities_.emplace(id, crypto::Identity::generate());
  member.keys = identity(id).public_identity();
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::change_contract(UnixMillis starts, UnixMillis ends, const std::string& territory) {
  contract_.starts = starts;
  contract_.ends = ends;
  contract_.territory = territory;
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::change_contract(const protocol::Contract& contract) {
  contract_ = contract;
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::register_tool(const protocol::Tool& tool) {
  salts_["tool " + tool.id] = crypto::random_array<16>();
  tools_[tool.id] = tool;
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::give_own_queue(const std::string& id) {
  protocol::Member& member = members_.at(id);
  add_queue("person/" + member.person, member.territory, {});
  member.seats.push_back("person/" + member.person);
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::enter_charter(const protocol::Charter& charter) {
  salts_["charter " + charter.id] = crypto::random_array<16>();
  charters_[charter.id] = charter;
  return publish(directory_->verified()->head().not_after);
}

broker::VerifiedPublish Department::renew_term(UnixMillis not_after) { return publish(not_after); }

void Department::sign(Sealed& sealed) const {
  sealed.envelope.address = protocol::encode(sealed.address);
  sealed.envelope.seal = protocol::encode(sealed.seal);
  sealed.id = protocol::exchange_id(sealed.envelope.address, sealed.envelope.seal);
  Bytes signed_bytes = sealed.envelope.address;
  append(signed_bytes, sealed.envelope.seal);
  sealed.envelope.signature = crypto::sign_statement(identity(sealed.address.sender).signing_key(),
                                                     crypto::StatementName::exchange, signed_bytes);
}

void Department::commit_and_sign(Sealed& sealed) const {
  const Digest address = protocol::address_digest(protocol::encode(sealed.address));
  sealed.seal.release_commitment = crypto::release_commitment(address, sealed.release_key);
  sign(sealed);
}

std::string Department::sign_suspension(const protocol::Suspension& suspension, std::size_t authority) const {
  audit::Note note{protocol::to_text(suspension), {}};
  audit::sign_note(note, authority_name(authority), authority_keys_[authority]);
  return audit::to_text(note);
}

std::string Department::sign_order(const protocol::RollbackOrder& order, std::size_t signers) const {
  audit::Note note{protocol::to_text(order), {}};
  for (std::size_t i = 0; i < (signers == 0 ? options_.threshold : signers); ++i)
    audit::sign_note(note, authority_name(i), authority_keys_[i]);
  return audit::to_text(note);
}

Sealed Department::seal(const Draft& draft) const {
  Sealed out;
  const protocol::Queue* queue = directory_->queue(draft.queue);
  protocol::Address& address = out.address;
  address.contract = contract_.id;
  address.log = log_;
  address.kind = static_cast<std::uint16_t>(draft.kind);
  address.sender = draft.sender;
  address.sender_key = identity(draft.sender).public_identity().sign;
  address.queue = draft.queue;
  address.case_id = draft.case_id;
  address.in_reply_to = draft.in_reply_to;
  address.handling = draft.handling;
  address.attributes = draft.attributes;
  address.urgency = draft.urgency;
  address.directory = directory_->number();
  if (queue != nullptr) address.roster = protocol::roster_digest(*queue);
  address.created_at = draft.created_at.value != 0 ? draft.created_at : options_.now;
  address.nonce = crypto::random_array<16>();
  const Bytes address_bytes = protocol::encode(address);
  out.release_key = crypto::ReleaseKey::random();
  out.file_key = crypto::FileKey::random();

  protocol::Plaintext plaintext;
  plaintext.address = address_bytes;
  plaintext.content = draft.content;
  const Bytes inner = protocol::encode(plaintext);
  const Bytes padded = must(crypto::pad_to(inner, protocol::bucket_for(draft.kind, inner.size())));
  const std::size_t readers = queue != nullptr && !queue->keys.empty() ? queue->keys.size() : 1;
  if (draft.openable && queue != nullptr && !queue->keys.empty()) {
    out.envelope.payload = crypto::seal_payload(out.file_key, padded);
    const Bytes header = must(crypto::make_age_header(out.file_key, queue->keys));
    out.envelope.locked = crypto::lock_header(
        header, out.release_key, {protocol::address_digest(address_bytes), crypto::sha256(out.envelope.payload)});
  } else {
    out.envelope.payload.resize(16 + padded.size() + 16);
    out.envelope.locked.resize(40 + 22 + 98 * readers + 48);
    crypto::random_bytes(out.envelope.payload);
    crypto::random_bytes(out.envelope.locked);
  }
  out.seal.locked_size = out.envelope.locked.size();
  out.seal.locked = crypto::sha256(out.envelope.locked);
  out.seal.payload_size = out.envelope.payload.size();
  out.seal.payload = crypto::sha256(out.envelope.payload);
  out.seal.release_commitment = crypto::release_commitment(protocol::address_digest(address_bytes), out.release_key);
  out.seal.file_key_commitment = crypto::file_key_commitment(out.file_key);
  sign(out);
  return out;
}

Sealed Department::seal_access(const std::string& sender, const Sealed& original, UnixMillis created_at) const {
  const Digest of_case = original.address.case_id == Digest{} ? original.id : original.address.case_id;
  return seal_access_to(original.address.queue, of_case, sender, original, created_at);
}

Sealed Department::seal_access_to(const std::string& queue_id, const Digest& case_id, const std::string& sender,
                                  const Sealed& original, UnixMillis created_at) const {
  Sealed out;
  const protocol::Queue& queue = *directory_->queue(queue_id);
  out.address = original.address;
  out.address.kind = static_cast<std::uint16_t>(Kind::acces);
  out.address.sender = sender;
  out.address.sender_key = identity(sender).public_identity().sign;
  out.address.queue = queue_id;
  out.address.attributes.clear();
  out.address.case_id = case_id;
  out.address.in_reply_to = original.id;
  out.address.directory = directory_->number();
  out.address.roster = protocol::roster_digest(queue);
  out.address.created_at = created_at.value != 0 ? created_at : options_.now;
  out.address.nonce = crypto::random_array<16>();
  out.release_key = crypto::ReleaseKey::random();
  out.file_key = original.file_key.clone();
  const Digest address_digest = protocol::address_digest(protocol::encode(out.address));
  const Bytes header = must(crypto::make_age_header(out.file_key, queue.keys));
  out.envelope.locked = crypto::lock_header(header, out.release_key, {address_digest, original.seal.payload});
  out.seal = original.seal;
  out.seal.locked_size = out.envelope.locked.size();
  out.seal.locked = crypto::sha256(out.envelope.locked);
  out.seal.release_commitment = crypto::release_commitment(address_digest, out.release_key);
  sign(out);
  return out;
}

crypto::BoxKey Department::session_key() const { return must(opener_session_.shared_with(release_pair_.public_key())); }

broker::VerifiedOpen Department::open(const std::string& member, const Digest& exchange, UnixMillis now,
                                      protocol::Motif motif) const {
  broker::VerifiedOpen out;
  out.request.log = log_;
  out.request.exchange = exchange;
  out.request.opener = member;
  out.request.opener_key = identity(member).public_identity().sign;
  out.request.directory = directory_->number();
  out.request.motif = static_cast<std::uint8_t>(motif);
  out.request.session = opener_session_.public_key();
  out.request.created_at = now;
  out.request.nonce = crypto::random_array<16>();
  out.bytes = protocol::encode(out.request);
  out.id = protocol::opening_id(out.bytes);
  out.signature = crypto::sign_statement(identity(member).signing_key(), crypto::StatementName::open, out.bytes);
  out.release_epoch = 202601;
  out.release_key = release_pair_.public_key();
  out.session = session_key();
  return out;
}

broker::VerifiedOpen Department::open_again(const broker::VerifiedOpen& first) const {
  broker::VerifiedOpen out;
  out.bytes = first.bytes;
  out.request = first.request;
  out.id = first.id;
  out.signature = first.signature;
  out.note = first.note;
  out.release_epoch = first.release_epoch;
  out.release_key = first.release_key;
  out.session = session_key();
  return out;
}

protocol::Submit Department::wire_submit(const Sealed& sealed, std::uint32_t epoch, const crypto::BoxPublic& release,
                                         const crypto::BoxPair& session) {
  protocol::Submit out;
  out.envelope = sealed.envelope;
  protocol::ReleaseShare share;
  share.trustee = "broker";
  share.epoch = epoch;
  share.session = session.public_key();
  share.box = crypto::box_share(sealed.release_key, must(session.shared_with(release)));
  out.envelope.release = protocol::encode(protocol::Release{1, {share}});
  return out;
}

std::optional<protocol::Plaintext> Department::read(const std::string& member, const protocol::Opened& opened) const {
  const crypto::BoxKey session = session_key();
  for (const protocol::AccessPart& part : opened.access) {
    const auto seal = protocol::decode_seal(part.seal);
    const auto address = protocol::decode_address(part.address);
    if (!seal || !address) return std::nullopt;
    const auto release_key = crypto::opening::open_grant(part.grant, session);
    if (!release_key) return std::nullopt;
    const Digest address_digest = protocol::address_digest(part.address);
    if (crypto::release_commitment(address_digest, *release_key) != seal->release_commitment) return std::nullopt;
    const auto header = crypto::opening::unlock_header(part.locked, *release_key, {address_digest, seal->payload});
    if (!header) return std::nullopt;
    std::vector<crypto::SecretKey> secrets;
    secrets.push_back(identity(member).age_secret().clone());
    if (const auto former = former_.find(member); former != former_.end())
      secrets.push_back(former->second.age_secret().clone());
    const auto file_key = crypto::opening::unwrap_file_key(*header, {secrets, nullptr});
    if (!file_key) continue;
    if (crypto::file_key_commitment(*file_key) != seal->file_key_commitment) return std::nullopt;
    const auto padded = crypto::opening::open_payload(*file_key, opened.payload);
    if (!padded) return std::nullopt;
    const auto inner = crypto::unpad(*padded);
    if (!inner) return std::nullopt;
    auto plaintext = protocol::decode_plaintext(*inner);
    if (!plaintext) return std::nullopt;
    return *std::move(plaintext);
  }
  return std::nullopt;
}

}  // namespace pli::testing
