#include "tests/broker/front_world.hpp"

#include <cstdlib>

#include "crypto/age_seal.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_lock.hpp"
#include "crypto/statement.hpp"

namespace pli::broker {
namespace {

constexpr const char* contract_id = "csi-89";

protocol::Member member(const std::string& id, const std::string& organisation, protocol::Role role,
                        const crypto::Identity& identity, UnixMillis now) {
  protocol::Member out;
  out.id = id;
  out.person = id;
  out.organisation = organisation;
  out.roles.add(role);
  out.territory = "89";
  out.label = "Personne inventée";
  out.not_before = now - std::chrono::hours(1);
  out.not_after = now + std::chrono::hours(24 * 90);
  out.keys = identity.public_identity();
  return out;
}

template <class T>
T expect(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().detail;
    std::abort();
  }
  return *std::move(result);
}

}  // namespace

TestFolder::TestFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "pli-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

World::World(UnixMillis time) : now(time), share_key(release.public_key()) {
  curve_public.bytes = crypto::x25519_public(curve);
  auto add = [&](protocol::Member who) { entries.push_back(protocol::write_member(who, crypto::random_array<16>())); };
  add(member("a.martin", "210890240", protocol::Role::referent, referent, now));
  add(member("b.bernard", "210890241", protocol::Role::referent, other, now));
  protocol::Member petit = member("c.petit", "prefecture-89", protocol::Role::membre_ged, ged, now);
  petit.seats = {"ged/89"};
  add(petit);
  add(member("d.moreau", "prefecture-89", protocol::Role::operateur, operateur, now));
  add(member("g.roux", "controle-89", protocol::Role::auditeur, auditeur, now));
  protocol::Member ancien = member("e.ancien", "210890242", protocol::Role::referent, revoked, now);
  ancien.revoked_at = now - std::chrono::milliseconds(1);
  add(ancien);
  protocol::Member neuf = member("f.neuf", "210890243", protocol::Role::referent, renewed, now);
  neuf.former_curve = {former.public_identity().curve};
  neuf.former_sign = {former.public_identity().sign};
  neuf.former_age = {former.public_identity().age};
  add(neuf);

  protocol::Queue queue;
  queue.id = "ged/89";
  queue.kind = protocol::QueueKind::ged;
  queue.territory = "89";
  queue.keys = {ged.public_identity().age};
  entries.push_back(protocol::write_queue(queue, crypto::random_array<16>()));
  protocol::Contract contract;
  contract.id = contract_id;
  contract.title = "Contrat d'essai";
  contract.parties = {"prefecture-89"};
  contract.territory = "89";
  contract.starts = now - std::chrono::hours(1);
  contract.ends = now + std::chrono::hours(24 * 12);
  entries.push_back(protocol::write_contract(contract, crypto::random_array<16>()));

  const auto unsigned_entries = expect(protocol::Directory::build(entries));
  protocol::DirectoryHead head;
  head.contract = contract_id;
  head.number = {1};
  head.not_after = now + std::chrono::hours(24 * 12);
  head.threshold = 1;
  head.authorities = {{"autorite-1", audit::KeyType::ed25519, authority.public_key()}};
  head.entries = entries.size();
  head.root = unsigned_entries->root();
  const auto verified =
      expect(protocol::verify_directory_note(sign_note(head, authority), {1, head.authorities}, nullptr));
  directory = expect(protocol::Directory::build(entries, verified));
}

std::string World::sign_note(const protocol::DirectoryHead& head, const crypto::SigningKey& key) const {
  audit::Note note;
  note.text = protocol::to_text(head);
  audit::sign_note(note, "autorite-1", key);
  return audit::to_text(note);
}

protocol::DirectoryHead World::next_head(const protocol::Directory& unsigned_entries) const {
  protocol::DirectoryHead head = directory->verified()->head();
  head.number = {2};
  head.previous = directory->verified()->digest();
  head.entries = unsigned_entries.entries().size();
  head.root = unsigned_entries.root();
  return head;
}

ReleaseKeys World::release_keys() const {
  ReleaseKeys keys;
  keys.public_key = [this](std::uint32_t epoch) -> std::optional<crypto::BoxPublic> {
    if (epoch != world_epoch) return std::nullopt;
    return release.public_key();
  };
  keys.shared = [this](std::uint32_t epoch, const crypto::BoxPublic& client) -> Result<crypto::BoxKey> {
    if (epoch != world_epoch) return Error{Errc::not_found, "no such epoch"};
    return release.shared_with(client);
  };
  return keys;
}

protocol::Envelope World::seal(const crypto::Identity& sender, const std::string& member_id,
                               std::size_t content_bytes) const {
  protocol::Address address;
  address.contract = contract_id;
  address.log = world_log;
  address.kind = static_cast<std::uint16_t>(protocol::Kind::signalement_individuel);
  address.sender = member_id;
  address.sender_key = sender.public_identity().sign;
  address.queue = "ged/89";
  address.directory = {1};
  address.roster = protocol::roster_digest(*directory->queue("ged/89"));
  address.created_at = now;
  address.nonce = crypto::random_array<16>();
  protocol::Envelope out;
  out.address = protocol::encode(address);

  protocol::Plaintext plaintext;
  plaintext.address = out.address;
  plaintext.content = Bytes(content_bytes);
  crypto::random_bytes(plaintext.content);
  const Bytes clear = protocol::encode(plaintext);
  const Bytes padded =
      expect(crypto::pad_to(clear, protocol::bucket_for(protocol::Kind::signalement_individuel, clear.size())));
  const auto file_key = crypto::FileKey::random();
  const auto release_key = crypto::ReleaseKey::random();
  const std::vector<crypto::AgePublic> recipients = {ged.public_identity().age};
  const Bytes header = expect(crypto::make_age_header(file_key, recipients));
  out.payload = crypto::seal_payload(file_key, padded);
  const Digest address_digest = protocol::address_digest(out.address);
  out.locked = crypto::lock_header(header, release_key, {address_digest, crypto::sha256(out.payload)});

  protocol::Seal seal;
  seal.locked_size = out.locked.size();
  seal.locked = crypto::sha256(out.locked);
  seal.payload_size = out.payload.size();
  seal.payload = crypto::sha256(out.payload);
  seal.release_commitment = crypto::release_commitment(address_digest, release_key);
  seal.file_key_commitment = crypto::file_key_commitment(file_key);
  out.seal = protocol::encode(seal);
  sign(out, sender);

  const auto shared = expect(session.shared_with(share_key));
  protocol::Release share;
  share.shares = {{"broker", share_epoch, session.public_key(), crypto::box_share(release_key, shared)}};
  out.release = protocol::encode(share);
  return out;
}

void World::sign(protocol::Envelope& envelope, const crypto::Identity& sender) {
  Bytes both = envelope.address;
  append(both, envelope.seal);
  envelope.signature = crypto::sign_statement(sender.signing_key(), crypto::StatementName::exchange, both);
}

protocol::OpeningRequest World::opening_request(const Digest& exchange) const {
  protocol::OpeningRequest request;
  request.log = world_log;
  request.exchange = exchange;
  request.opener = "c.petit";
  request.opener_key = ged.public_identity().sign;
  request.directory = {1};
  request.motif = static_cast<std::uint8_t>(protocol::Motif::evaluation);
  request.session = session.public_key();
  request.created_at = now;
  request.nonce = crypto::random_array<16>();
  return request;
}

protocol::Open World::opening(const protocol::OpeningRequest& request, const crypto::Identity& opener,
                              Bytes note) const {
  protocol::Open out;
  out.request = protocol::encode(request);
  out.signature = crypto::sign_statement(opener.signing_key(), crypto::StatementName::open, out.request);
  out.note = std::move(note);
  return out;
}

std::vector<protocol::PutChunk> chunks_of(ByteView part) {
  std::vector<protocol::PutChunk> out;
  const Digest name = crypto::sha256(part);
  for (std::size_t offset = 0; offset < part.size(); offset += protocol::chunk_bytes_max) {
    const ByteView rest = part.subspan(offset);
    out.push_back({name, part.size(), static_cast<std::uint32_t>(out.size()),
                   to_bytes(rest.first(std::min(rest.size(), protocol::chunk_bytes_max)))});
  }
  return out;
}

// ---- FakeCore ----------------------------------------------------------------------------------------------------

Result<BatchOutcome> FakeCore::apply(std::vector<VerifiedRequest> batch, UnixMillis /*now*/) {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [this] { return !held_; });
  if (failing_) return Error{Errc::io_error, "the disk of this test is gone"};
  BatchOutcome out;
  const std::uint64_t size_before = size_;
  std::size_t headers = 0;
  for (const VerifiedRequest& request : batch) {
    if (const auto* stray = std::get_if<Unattributed>(&request.body)) {
      ++strays_[stray->reason];
      continue;
    }
    if (std::holds_alternative<VerifiedSubmit>(request.body)) ++headers;
    out.outgoing.push_back({request.peer, {request.request_id, answer(request)}, true});
  }
  push_to_followers(out.outgoing, headers);
  if (size_ != size_before) out.checkpoint = "checkpoint " + std::to_string(size_);
  if (next_directory_) {
    directory_ = next_directory_;
    out.new_directory = std::exchange(next_directory_, nullptr);
  }
  return out;
}

protocol::ReplyBody FakeCore::answer(const VerifiedRequest& request) {
  return std::visit(
      [&](const auto& body) -> protocol::ReplyBody {
        using T = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<T, VerifiedSubmit>) {
          ++size_;
          protocol::Accepted accepted;
          accepted.exchange = body.id;
          accepted.duplicate = !accepted_.insert(body.id).second;
          last_payload_ = body.envelope.payload;
          return accepted;
        } else if constexpr (std::is_same_v<T, GateRefusal>) {
          refusals_.push_back(body);
          return body.refusal;
        } else if constexpr (std::is_same_v<T, protocol::Follow>) {
          followers_[request.peer] = request.request_id;
          return protocol::Pushed{};
        } else if constexpr (std::is_same_v<T, protocol::GetHealth>) {
          protocol::Health health;
          health.state = "ok";
          return health;
        } else if constexpr (std::is_same_v<T, protocol::Hello>) {
          protocol::HelloReply hello;
          hello.member = directory_->member_by_curve(request.peer.key)->id;
          hello.checkpoint = published_.empty() ? "" : published_.back();
          return hello;
        } else {
          return protocol::Acknowledged{};
        }
      },
      request.body);
}

void FakeCore::push_to_followers(std::vector<Outgoing>& out, std::size_t headers) {
  if (headers == 0) return;
  protocol::Pushed pushed;
  protocol::QueueItem item;
  item.queue = "ged/89";
  item.address = Bytes(1500, 7);
  item.seal = Bytes(protocol::seal_bytes, 7);
  pushed.items.assign(1, item);
  for (std::size_t i = 0; i < headers; ++i)
    for (const auto& [peer, request] : followers_) out.push_back({peer, {request, pushed}, false});
}

Result<BatchOutcome> FakeCore::tick(UnixMillis /*now*/) {
  std::lock_guard lock(mutex_);
  ++ticks_;
  return BatchOutcome{};
}

void FakeCore::forget(const Peer& peer, std::optional<std::uint64_t> follow) {
  std::lock_guard lock(mutex_);
  const auto found = followers_.find(peer);
  if (found != followers_.end() && follow.value_or(found->second) == found->second) followers_.erase(found);
  ++forgotten_;
}

void FakeCore::published(const std::string& checkpoint) {
  std::lock_guard lock(mutex_);
  published_.push_back(checkpoint);
}

std::string FakeCore::newest_checkpoint() const {
  std::lock_guard lock(mutex_);
  return "checkpoint " + std::to_string(size_);
}

protocol::Health FakeCore::health(UnixMillis /*now*/) const { return {}; }

void FakeCore::hold() {
  std::lock_guard lock(mutex_);
  held_ = true;
}

void FakeCore::release() {
  {
    std::lock_guard lock(mutex_);
    held_ = false;
  }
  released_.notify_all();
}

void FakeCore::become(std::shared_ptr<const protocol::Directory> next) {
  std::lock_guard lock(mutex_);
  next_directory_ = std::move(next);
}

std::set<Digest> FakeCore::accepted() const {
  std::lock_guard lock(mutex_);
  return accepted_;
}
std::vector<GateRefusal> FakeCore::refusals() const {
  std::lock_guard lock(mutex_);
  return refusals_;
}
std::uint64_t FakeCore::strays(Unattributed::Reason reason) const {
  std::lock_guard lock(mutex_);
  const auto found = strays_.find(reason);
  return found == strays_.end() ? 0 : found->second;
}
std::size_t FakeCore::followers() const {
  std::lock_guard lock(mutex_);
  return followers_.size();
}
std::size_t FakeCore::forgotten() const {
  std::lock_guard lock(mutex_);
  return forgotten_;
}
std::size_t FakeCore::ticks() const {
  std::lock_guard lock(mutex_);
  return ticks_;
}
std::vector<std::string> FakeCore::published_checkpoints() const {
  std::lock_guard lock(mutex_);
  return published_;
}
Bytes FakeCore::last_payload() const {
  std::lock_guard lock(mutex_);
  return last_payload_;
}

// ---- RunningBroker -----------------------------------------------------------------------------------------------

BrokerSettings RunningBroker::settings() {
  BrokerSettings out;
  out.transport.endpoint = "tcp://127.0.0.1:*";
  out.transport.refusals_per_minute_max = 1'000'000;
  out.threads = 2;
  out.self_test = std::chrono::seconds(20);
  return out;
}

RunningBroker::RunningBroker(const World& around, BrokerSettings wanted) : world(around), core(around) {
  wanted.spool = folder.path() / "spool";
  auto outside = OutsideFile::create(folder.path() / "checkpoint", "checkpoint 0");
  if (!outside) {
    ADD_FAILURE() << outside.error().detail;
    return;
  }
  auto started =
      Broker::start(std::move(wanted), core, world.release_keys(), {*std::move(outside)}, world.curve, clock);
  if (started)
    broker = *std::move(started);
  else
    ADD_FAILURE() << started.error().detail;
}

testing::RawClient RunningBroker::connect(const crypto::Identity& identity, testing::RawClient::Options options) const {
  return testing::RawClient(broker->endpoint(), world.curve_public, identity.curve_secret(), std::move(options));
}

protocol::Refusal refusal_of(const std::optional<protocol::ReplyBody>& body) {
  if (!body) {
    ADD_FAILURE() << "no answer";
    return {};
  }
  const auto* refusal = std::get_if<protocol::Refusal>(&*body);
  if (refusal == nullptr) {
    ADD_FAILURE() << "answered, not refused";
    return {};
  }
  return *refusal;
}

}  // namespace pli::broker
