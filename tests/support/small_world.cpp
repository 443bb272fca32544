#include "tests/support/small_world.hpp"

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "base/file.hpp"
#include "crypto/random.hpp"

namespace pli::testing {
namespace {

constexpr int quick_work_factor = 2;
constexpr std::chrono::milliseconds in_force = std::chrono::hours(24 * 30);

template <class T>
T must(client::Outcome<T> outcome) {
  if (!outcome) throw std::logic_error(client::code_text(outcome.error()) + ": " + outcome.error().detail);
  return std::move(*outcome);
}
void must(client::Outcome<void> outcome) {
  if (!outcome) throw std::logic_error(client::code_text(outcome.error()) + ": " + outcome.error().detail);
}

std::string authority_name(std::size_t i) { return "prefecture-89.exemple.fr/" + std::to_string(i + 1); }

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "pli-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch folder");
  path_ = pattern;
}
ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

crypto::SecretKey passphrase() { return crypto::SecretKey::copy_of(as_bytes("quatre mots au hasard")); }

SmallWorld::SmallWorld(UnixMillis since) : since_(since) {
  crypto::initialise();
  broker_public.bytes = crypto::x25519_public(broker_curve);
  for (int i = 0; i < 3; ++i) authorities.push_back(crypto::SigningKey::generate());
  protocol::Contract facts;
  facts.id = contract;
  facts.title = "Contrat de sécurité intégrée";
  facts.parties = {"Préfecture", "Bellerive", "Clairval"};
  facts.territory = "89";
  facts.starts = since_ - std::chrono::hours(24 * 365);
  facts.ends = since_ + std::chrono::hours(24 * 365 * 4);
  draft_ = std::make_unique<client::DirectoryDraft>(must(client::DirectoryDraft::start(facts)));
}

const crypto::Identity& SmallWorld::enrol(const std::string& id, std::initializer_list<protocol::Role> roles,
                                          const std::string& organisation, const std::string& territory,
                                          const std::vector<std::string>& seats) {
  const auto [person, fresh] = people_.emplace(id, crypto::Identity::generate());
  client::Enrolment enrolment;
  enrolment.id = id;
  enrolment.person = id;
  enrolment.organisation = organisation;
  for (const protocol::Role role : roles) enrolment.roles.add(role);
  enrolment.territory = territory;
  enrolment.seats = seats;
  enrolment.label = "Le poste de " + id;
  enrolment.not_before = since_ - std::chrono::hours(24);
  enrolment.not_after = since_ + std::chrono::hours(24 * 365);
  must(draft_->enrol(enrolment, protocol::make_card(person->second, since_, nullptr)));
  return person->second;
}

client::Keys SmallWorld::keys(const std::string& id) const {
  return {crypto::Identity::from_seed(people_.at(id).seed().clone()), {}};
}

protocol::AuthoritySet SmallWorld::authority_set() const {
  protocol::AuthoritySet set;
  set.threshold = 2;
  for (std::size_t i = 0; i < authorities.size(); ++i)
    set.keys.push_back({authority_name(i), audit::KeyType::ed25519, authorities[i].public_key()});
  return set;
}

SignedVersion SmallWorld::sign_version(UnixMillis now, std::size_t signers) {
  const protocol::Directory& directory = draft_->directory();
  protocol::DirectoryHead head;
  head.contract = contract;
  head.number = DirectoryNumber{++number_};
  head.previous = previous_;
  head.not_after = now + in_force;
  const protocol::AuthoritySet set = authority_set();
  head.threshold = set.threshold;
  head.authorities = set.keys;
  head.entries = directory.entries().size();
  head.root = directory.root();
  audit::Note note{protocol::to_text(head), {}};
  for (std::size_t i = 0; i < signers; ++i) audit::sign_note(note, authority_name(i), authorities[i]);
  SignedVersion out{audit::to_text(note), draft_->changed_since(published_)};
  previous_ = protocol::directory_digest(note.text);
  published_ = directory.entries();
  return out;
}

std::string SmallWorld::sign_order(const protocol::RollbackOrder& order, std::size_t signers) const {
  audit::Note note{protocol::to_text(order), {}};
  for (std::size_t i = 0; i < signers; ++i) audit::sign_note(note, authority_name(i), authorities[i]);
  return audit::to_text(note);
}

protocol::Invitation SmallWorld::invitation(const std::string& member) const {
  protocol::Invitation invitation;
  invitation.contract = contract;
  invitation.member = member;
  invitation.log = log;
  invitation.log_key = log_key.public_key();
  invitation.endpoint = endpoint;
  invitation.broker = broker_public;
  invitation.authorities = authority_set();
  invitation.directory = DirectoryNumber{1};
  invitation.witnesses = witness_lines();
  return invitation;
}

void SmallWorld::add_witnesses(std::size_t count, std::size_t needed) {
  for (std::size_t i = 0; i < count; ++i)
    witnesses.push_back({"w" + std::to_string(witnesses.size() + 1), crypto::SigningKey::generate()});
  quorum = needed;
}

std::string SmallWorld::witness_lines() const {
  if (witnesses.empty()) return {};
  std::string lines;
  std::string group = "group assez " + std::to_string(quorum);
  for (const Witness& witness : witnesses) {
    const audit::VerifierKey key{"temoin.exemple.fr/" + witness.name, audit::KeyType::cosignature,
                                 witness.key.public_key()};
    lines += "witness " + witness.name + " " + audit::to_text(key) + "\n";
    group += " " + witness.name;
  }
  return lines + group + "\nquorum assez\n";
}

client::Profile SmallWorld::profile(const ScratchFolder& folder, const std::string& member) const {
  return write_profile(folder.path(), member);
}

client::Profile SmallWorld::write_profile(const std::filesystem::path& folder, const std::string& member) const {
  client::Profile profile = must(client::Profile::open(folder));
  const crypto::Identity identity = crypto::Identity::from_seed(people_.at(member).seed().clone());
  must(profile.write_identity(identity, passphrase(), quick_work_factor));
  must(profile.accept_invitation(protocol::to_text(invitation(member))));
  return profile;
}

void people_it(SmallWorld& world) {
  using protocol::Role;
  for (const char* queue : {"ged/89", "clir/89", "audit/89"}) must(world.draft().add_queue(queue, "89", ""));
  must(world.draft().add_queue("org/219900001", "89024", "bellerive"));
  must(world.draft().add_queue("org/219900002", "89025", "clairval"));
  world.enrol("r.bellerive", {Role::referent}, "bellerive", "89024", {"org/219900001"});
  world.enrol("m.bellerive", {Role::maire}, "bellerive", "89024", {"org/219900001"});
  world.enrol("r.clairval", {Role::referent}, "clairval", "89025", {"org/219900002"});
  world.enrol("secretariat", {Role::secretariat}, "prefecture-89", "89", {"ged/89", "clir/89"});
  world.enrol("ged.un", {Role::membre_ged}, "police-89", "89", {"ged/89"});
  world.enrol("ged.deux", {Role::membre_ged}, "gendarmerie-89", "89", {"ged/89"});
  world.enrol("clir.un", {Role::membre_clir}, "finances-89", "89", {"clir/89"});
  world.enrol("auditeur", {Role::auditeur}, "inspection", "89", {"audit/89"});
  world.enrol("operateur", {Role::operateur}, "prefecture-89", "89", {});
}

}  // namespace pli::testing
