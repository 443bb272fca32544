#include "client/authority.hpp"

#include <algorithm>
#include <functional>

#include "audit/witness_policy.hpp"
#include "base/file.hpp"
#include "crypto/boxed_key.hpp"
#include "protocol/limits.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using client::Authority;

crypto::SecretKey secret(std::string_view text) { return crypto::SecretKey::copy_of(as_bytes(text)); }

class AuthorityTest : public ::testing::Test {
 protected:
  AuthorityTest() { crypto::initialise(); }

  static client::InitRequest request() {
    client::InitRequest out;
    out.contract.id = "csi-89";
    out.contract.title = "Contrat de sécurité intégrée";
    out.contract.parties = {"Préfecture", "Bellerive"};
    out.contract.territory = "89";
    out.contract.starts = spring;
    out.contract.ends = spring + std::chrono::hours(24 * 365);
    out.log = "pli.exemple.fr/pli/89";
    out.endpoint = "tcp://pli.exemple.fr:7789";
    out.threshold = 2;
    for (const char* name : {"prefet", "procureur", "maire"})
      out.authorities.push_back({"exemple.fr/" + std::string(name), secret(name)});
    out.work_factor = 2;
    out.queues = {"ged/89", "clir/89", "audit/89"};
    out.now = spring;
    return out;
  }
  client::InitResult init() {
    auto result = client::init_contract(folder_.path() / "csi", request());
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().detail);
    return result ? *result : client::InitResult{};
  }
  static Authority open(const client::InitResult& made) {
    auto authority = Authority::open(made.authority);
    EXPECT_TRUE(authority.has_value()) << (authority ? "" : authority.error().detail);
    return std::move(*authority);
  }
  static client::Enrolment enrolment(const std::string& id) {
    client::Enrolment out;
    out.id = id;
    out.person = id;
    out.organisation = "police-89";
    out.roles.add(protocol::Role::membre_ged);
    out.territory = "89";
    out.seats = {"ged/89"};
    out.label = "Poste";
    out.not_before = spring;
    out.not_after = spring + std::chrono::hours(24 * 365);
    return out;
  }
  static protocol::Card card(const crypto::Identity& identity) {
    return protocol::make_card(identity, spring, nullptr);
  }
  static UnixMillis in(int days) { return spring + std::chrono::hours(24 * days); }
  /// Signs with the first two keys and publishes.
  static client::PublishedVersion publish(Authority& authority, UnixMillis now = spring) {
    EXPECT_TRUE(authority.prepare(now, now + std::chrono::hours(24 * 30)).has_value());
    EXPECT_TRUE(authority.sign(authority.key_files()[0], secret("prefet")).has_value());
    EXPECT_TRUE(authority.sign(authority.key_files()[1], secret("procureur")).has_value());
    auto out = authority.publish();
    EXPECT_TRUE(out.has_value()) << (out ? "" : out.error().detail);
    return out ? *out : client::PublishedVersion{};
  }
  ScratchFolder folder_;
};

TEST_F(AuthorityTest, MakesKeysABrokerCanUnboxAndNobodyElseReads) {
  const auto made = init();
  auto startup = read_file(made.startup_secret, 64);
  ASSERT_TRUE(startup.has_value());
  ASSERT_EQ(startup->size(), crypto::startup_secret_bytes);
  const crypto::SecretKey unlocking = crypto::SecretKey::copy_of(*startup);
  auto curve_file = read_file(made.broker / "keys" / "curve.key", 4096);
  auto log_file = read_file(made.broker / "keys" / "log.key", 4096);
  ASSERT_TRUE(curve_file.has_value() && log_file.has_value());
  auto curve = crypto::unbox_key("curve", as_text(*curve_file), unlocking);
  auto log = crypto::unbox_key("log", as_text(*log_file), unlocking);
  ASSERT_TRUE(curve.has_value() && log.has_value());
  EXPECT_EQ(crypto::x25519_public(*curve), made.broker_curve.bytes);
  EXPECT_EQ(crypto::SigningKey::from_seed(log->expose()).public_key(), made.log_key);
  EXPECT_FALSE(crypto::unbox_key("curve", as_text(*curve_file), crypto::SecretKey::random(32)).has_value());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
    EXPECT_EQ(entry.status().permissions() & (std::filesystem::perms::group_all | std::filesystem::perms::others_all),
              std::filesystem::perms::none)
        << entry.path();
}

TEST_F(AuthorityTest, ANameThatIsNoAuthoritysFolderIsToldWithTheFileThatIsMissingOrWrong) {
  const auto made = init();
  const auto missing = Authority::open(folder_.path() / "csi");
  ASSERT_FALSE(missing.has_value());
  EXPECT_TRUE(client::is(missing.error(), protocol::LocalCode::file_missing));
  EXPECT_EQ(missing.error().detail, (folder_.path() / "csi" / "contract.txt").string());
  ASSERT_TRUE(write_file_durably(made.authority / "contract.txt", as_bytes("zut\n"), FileMode::owner_only).has_value());
  const auto wrong = Authority::open(made.authority);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_TRUE(client::is(wrong.error(), protocol::LocalCode::usage));
  EXPECT_NE(wrong.error().detail.find((made.authority / "contract.txt").string()), std::string::npos);
}

TEST_F(AuthorityTest, AnInvitationNamesTheKeyOfTheCardItAnswersAndAfterARenewalTheNewOne) {
  auto authority = open(init());
  const auto before = crypto::Identity::generate();
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(before)).has_value());
  EXPECT_EQ(authority.invitation("ged.un")->sign, before.public_identity().sign);
  const auto after = crypto::Identity::generate();
  ASSERT_TRUE(authority.draft().renew(protocol::make_card(after, spring, &before)).has_value());
  EXPECT_EQ(authority.invitation("ged.un")->sign, after.public_identity().sign);
}

// ---- contract and tools --------------------------------------------------------------------------------------------

TEST_F(AuthorityTest, ChangesWhatTheContractSaysUnderTheIdItHas) {
  auto authority = open(init());
  protocol::Contract contract = *authority.directory().contract();
  contract.communes = {"89024"};
  contract.engagements = {"decision 120"};
  contract.volets = {protocol::Volet::radicalisation_separatisme, protocol::Volet::justice};
  ASSERT_TRUE(authority.draft().change_contract(contract).has_value());
  EXPECT_EQ(*authority.directory().contract(), contract);
  protocol::Contract wrong = contract;
  wrong.engagements = {"decision 121"};
  EXPECT_FAILS_WITH(authority.draft().change_contract(wrong), LocalCode::usage);
  wrong = contract;
  wrong.id = "csi-21";
  EXPECT_FAILS_WITH(authority.draft().change_contract(wrong), LocalCode::usage);
  EXPECT_EQ(*authority.directory().contract(), contract) << "as it was";
}

TEST_F(AuthorityTest, RegistersAToolThatThenSitsWhereItReads) {
  auto authority = open(init());
  for (const char* queue : {"org/regie", "org/autre"})
    ASSERT_TRUE(authority.draft().add_queue(queue, "89", std::string_view(queue).substr(4)).has_value());
  client::Enrolment who = enrolment("outil.transport");
  who.roles = {};
  who.roles.add(protocol::Role::outil);
  who.seats = {"org/regie"};
  protocol::Tool tool{
      "outil.transport", protocol::Volet::transport, {protocol::Kind::information_de_volet}, {"ged/89"}, {"org/regie"}};
  EXPECT_FAILS_WITH(authority.draft().register_tool(tool), LocalCode::usage);
  ASSERT_TRUE(authority.draft().enrol(who, card(crypto::Identity::generate())).has_value());
  ASSERT_TRUE(authority.draft().register_tool(tool).has_value());
  EXPECT_EQ(*authority.directory().tool("outil.transport"), tool);
  tool.reads = {"org/autre"};
  ASSERT_TRUE(authority.draft().register_tool(tool).has_value());
  EXPECT_EQ(authority.directory().member("outil.transport")->seats, tool.reads);
  tool.posts = {"ged/21"};
  EXPECT_FAILS_WITH(authority.draft().register_tool(tool), LocalCode::usage);
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(crypto::Identity::generate())).has_value());
  tool = {"ged.un", protocol::Volet::transport, {}, {}, {"ged/89"}};
  EXPECT_FAILS_WITH(authority.draft().register_tool(tool), LocalCode::usage);
}

// ---- witnesses ---------------------------------------------------------------------------------------------------

std::string witness_line(const std::string& name, const crypto::SigningKey& key) {
  return "witness " + name + " " +
         audit::to_text(audit::VerifierKey{name + ".exemple.fr/w", audit::KeyType::cosignature, key.public_key()});
}

TEST_F(AuthorityTest, PutsTheWitnessesItWasGivenIntoInvitationsAndTheBrokersFolder) {
  const std::string lines = witness_line("cnil", crypto::SigningKey::generate()) + "\n" +
                            witness_line("region", crypto::SigningKey::generate()) + " https://region.exemple.fr\n" +
                            "group deux all cnil region\nquorum deux\n";
  auto with = request();
  with.witness_policy = "# de la préfecture\n\n" + lines;
  auto made = client::init_contract(folder_.path() / "csi", std::move(with));
  ASSERT_TRUE(made.has_value()) << made.error().detail;

  auto config = read_file(made->broker / "broker.toml", 64 * 1024);
  ASSERT_TRUE(config.has_value());
  EXPECT_NE(as_text(*config).find("\n[witnesses]\npolicy = \"witnesses.policy\"\n"), std::string_view::npos);
  EXPECT_NE(as_text(*config).find("\nhealth_listen = \"127.0.0.1:7790\"\n"), std::string_view::npos);
  auto text = read_file(made->broker / "witnesses.policy", audit::policy_bytes_max);
  ASSERT_TRUE(text.has_value());
  auto policy = audit::WitnessPolicy::parse(as_text(*text));
  ASSERT_TRUE(policy.has_value()) << policy.error().detail;
  ASSERT_EQ(policy->logs().size(), 1U);
  EXPECT_EQ(policy->logs()[0].key.name, "pli.exemple.fr/pli/89/2026-1");
  EXPECT_EQ(policy->logs()[0].key.key, made->log_key);
  EXPECT_EQ(audit::witness_lines(as_text(*text)).value(), lines);

  Authority authority = open(*made);
  const crypto::Identity somebody = crypto::Identity::generate();
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(somebody)).has_value());
  auto invitation = authority.invitation("ged.un");
  ASSERT_TRUE(invitation.has_value());
  EXPECT_EQ(invitation->witnesses, lines);
  EXPECT_TRUE(protocol::parse_invitation(protocol::to_text(*invitation)).has_value());
  ASSERT_TRUE(authority.save().has_value());

  // Another policy in the file is what later invitations say.
  const std::string one = witness_line("cnil", crypto::SigningKey::generate()) + "\nquorum cnil\n";
  ASSERT_TRUE(
      write_file_durably(made->authority / "witnesses.policy", as_bytes(one), FileMode::owner_only).has_value());
  EXPECT_EQ(open(*made).invitation("ged.un")->witnesses, one);
}

TEST_F(AuthorityTest, RefusesAWitnessPolicyThatNoInvitationCanCarry) {
  const auto with = [&](const std::string& policy) {
    auto wrong = request();
    wrong.witness_policy = policy;
    auto made = client::init_contract(folder_.path() / "csi", std::move(wrong));
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "csi")) << "nothing was made";
    return made;
  };
  EXPECT_FAILS_WITH(with("nonsense\n"), LocalCode::usage);
  EXPECT_FAILS_WITH(with(witness_line("cnil", crypto::SigningKey::generate()) + "\n"), LocalCode::usage);
  std::string many;
  for (int i = 0; i < 16; ++i)
    many += witness_line("w" + std::to_string(i), crypto::SigningKey::generate()) + " " + std::string(1000, 'u') + "\n";
  EXPECT_FAILS_WITH(with(many + "quorum w1\n"), LocalCode::usage);
}

TEST_F(AuthorityTest, NeverOverwritesAContract) {
  static_cast<void>(init());
  EXPECT_FAILS_WITH(client::init_contract(folder_.path() / "csi", request()), LocalCode::usage);
}

TEST_F(AuthorityTest, RefusesARequestThatCannotBe) {
  const std::vector<std::function<void(client::InitRequest&)>> mistakes = {
      [](client::InitRequest& r) { r.threshold = 4; },
      [](client::InitRequest& r) { r.threshold = 0; },
      [](client::InitRequest& r) { r.authorities.clear(); },
      [](client::InitRequest& r) { r.authorities[1].name = r.authorities[0].name; },
      [](client::InitRequest& r) { r.authorities[0].name = "Préfet"; },
      [](client::InitRequest& r) { r.authorities[0].passphrase = {}; },
      [](client::InitRequest& r) { r.log = "not a log"; },
      [](client::InitRequest& r) { r.endpoint = "http://exemple.fr"; },
      [](client::InitRequest& r) { r.listen = "tcp://\"\nthreads = 0"; },
      [](client::InitRequest& r) { r.queues = {"nowhere"}; },
      [](client::InitRequest& r) { r.contract.id = "Le contrat"; },
  };
  for (std::size_t i = 0; i < mistakes.size(); ++i) {
    auto wrong = request();
    mistakes[i](wrong);
    EXPECT_FAILS_WITH(client::init_contract(folder_.path() / std::to_string(i), std::move(wrong)), LocalCode::usage)
        << i;
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / std::to_string(i) / "authority" / "contract.txt")) << i;
  }
}

TEST_F(AuthorityTest, EnrolsSignsAndPublishes) {
  const auto made = init();
  Authority authority = open(made);
  const auto identity = crypto::Identity::generate();
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(identity)).has_value());
  ASSERT_TRUE(authority.save().has_value());

  auto again = open(made);  // another day
  ASSERT_NE(again.directory().member("ged.un"), nullptr);
  EXPECT_EQ(again.directory().queue("ged/89")->keys.size(), 1U);
  EXPECT_EQ(again.invitation("ged.un")->directory, DirectoryNumber{1});
  const auto published = publish(again);
  EXPECT_EQ(published.number, DirectoryNumber{1});

  // What a broker and a client then make of it.
  auto note = read_file(published.note, audit::note_bytes_max);
  auto bundle = read_file(published.bundle, protocol::directory_bundle_bytes_max);
  ASSERT_TRUE(note.has_value() && bundle.has_value());
  auto invitation = again.invitation("ged.un");
  ASSERT_TRUE(invitation.has_value());
  auto verified = protocol::verify_directory_note(as_text(*note), invitation->authorities, nullptr);
  ASSERT_TRUE(verified.has_value());
  auto entries = protocol::apply_bundle({}, *protocol::decode_bundle(*bundle));
  ASSERT_TRUE(entries.has_value());
  EXPECT_TRUE(protocol::Directory::build(std::move(*entries), *verified).has_value());
}

TEST_F(AuthorityTest, ALaterVersionCarriesOnlyWhatChanged) {
  const auto made = init();
  Authority authority = open(made);
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(crypto::Identity::generate())).has_value());
  ASSERT_TRUE(authority.save().has_value());
  static_cast<void>(publish(authority));
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.deux"), card(crypto::Identity::generate())).has_value());
  ASSERT_TRUE(authority.save().has_value());
  EXPECT_EQ(authority.invitation("ged.deux")->directory, DirectoryNumber{2});
  EXPECT_EQ(authority.invitation("ged.un")->directory, DirectoryNumber{1});
  const auto second = publish(authority, in(3));
  auto bundle = read_file(second.bundle, protocol::directory_bundle_bytes_max);
  ASSERT_TRUE(bundle.has_value());
  EXPECT_EQ(protocol::decode_bundle(*bundle)->size(), 2U);  // the member and the queue
  auto history = open(made).history();
  ASSERT_TRUE(history.has_value());
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ((*history)[1].number, DirectoryNumber{2});
  EXPECT_EQ((*history)[1].not_after, in(33));
}

TEST_F(AuthorityTest, FewerThanKSignaturesPublishNothing) {
  Authority authority = open(init());
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  auto once = authority.sign(authority.key_files()[2], secret("maire"));
  ASSERT_TRUE(once.has_value());
  EXPECT_FALSE(once->complete());
  EXPECT_FAILS_WITH(authority.publish(), LocalCode::usage);
  EXPECT_FAILS_WITH(authority.sign(authority.key_files()[2], secret("maire")), LocalCode::usage)
      << "the same key twice";
  auto pending = authority.pending();
  ASSERT_TRUE(pending.has_value() && *pending);
  EXPECT_EQ((*pending)->signed_by, std::vector<std::string>{"exemple.fr/maire"});
}

TEST_F(AuthorityTest, AWrongPassphraseSignsNothing) {
  Authority authority = open(init());
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  EXPECT_FAILS_WITH(authority.sign(authority.key_files()[0], secret("maire")), LocalCode::wrong_passphrase);
}

TEST_F(AuthorityTest, AnotherContractsKeySignsNothing) {
  Authority authority = open(init());
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  auto other = client::init_contract(folder_.path() / "other", request());
  ASSERT_TRUE(other.has_value());
  EXPECT_FAILS_WITH(authority.sign(open(*other).key_files()[0], secret("prefet")), LocalCode::usage);
}

TEST_F(AuthorityTest, AnEditThrowsAwayWhatWasBeingSigned) {
  Authority authority = open(init());
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  ASSERT_TRUE(authority.sign(authority.key_files()[0], secret("prefet")).has_value());
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(crypto::Identity::generate())).has_value());
  ASSERT_TRUE(authority.save().has_value());
  auto pending = authority.pending();
  ASSERT_TRUE(pending.has_value());
  EXPECT_FALSE(pending->has_value());
  EXPECT_FAILS_WITH(authority.sign(authority.key_files()[1], secret("procureur")), LocalCode::usage);
}

TEST_F(AuthorityTest, ReviewsAVersionByItsEntriesAlone) {
  const auto made = init();
  Authority authority = open(made);
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(crypto::Identity::generate())).has_value());
  ASSERT_TRUE(authority.save().has_value());
  EXPECT_FAILS_WITH(authority.review(), LocalCode::usage) << "nothing is pending";
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  auto first = authority.review();
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(first->previous.has_value());
  EXPECT_EQ(first->head.not_after, in(30));
  EXPECT_EQ(first->authorities_before, authority.facts().authorities);
  EXPECT_TRUE(std::all_of(first->differences.begin(), first->differences.end(),
                          [](const client::EntryDifference& each) { return each.added; }));
  static_cast<void>(publish(authority));

  ASSERT_TRUE(authority.draft().revoke("ged.un", in(1)).has_value());
  ASSERT_TRUE(authority.save().has_value());
  ASSERT_TRUE(authority.prepare(in(1), in(31)).has_value());
  auto second = authority.review();
  ASSERT_TRUE(second.has_value());
  ASSERT_TRUE(second->previous.has_value());
  EXPECT_EQ(second->previous->number, DirectoryNumber{1});
  ASSERT_EQ(second->differences.size(), 2U);  // the queue lost a key, the member his rights
  EXPECT_EQ(second->differences[0].id, "ged/89");
  EXPECT_TRUE(second->differences[0].come.empty());
  EXPECT_EQ(second->differences[0].gone.size(), 1U);
  EXPECT_EQ(second->differences[1].id, "ged.un");
  ASSERT_EQ(second->differences[1].come.size(), 1U);
  EXPECT_EQ(second->differences[1].come[0].first, "revoked");
}

TEST_F(AuthorityTest, SignsNothingWhoseBundleMakesOtherEntries) {
  const auto made = init();
  Authority authority = open(made);
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(crypto::Identity::generate())).has_value());
  ASSERT_TRUE(authority.save().has_value());
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  // Somebody on the way puts one more reader into what is carried, or into what is signed.
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.deux"), card(crypto::Identity::generate())).has_value());
  std::vector<Bytes> entries;
  for (std::size_t i = 0; i < authority.directory().entries().size(); ++i)
    entries.push_back(authority.directory().entry_bytes(i));
  const auto honest = read_file(made.authority / "pending.bundle", protocol::directory_bundle_bytes_max);
  ASSERT_TRUE(honest.has_value());
  ASSERT_TRUE(
      write_file_durably(made.authority / "pending.bundle", protocol::encode_bundle(entries), FileMode::owner_only)
          .has_value());
  EXPECT_FAILS_WITH(authority.review(), LocalCode::directory_unproven);
  EXPECT_FAILS_WITH(authority.sign(authority.key_files()[0], secret("prefet")), LocalCode::directory_unproven);
  ASSERT_TRUE(write_file_durably(made.authority / "pending.bundle", *honest, FileMode::owner_only).has_value());
  EXPECT_TRUE(authority.sign(authority.key_files()[0], secret("prefet")).has_value());
}

TEST_F(AuthorityTest, SignsNothingThatDoesNotFollowTheHistory) {
  const auto made = init();
  Authority authority = open(made);
  auto pending = authority.prepare(spring, in(30));
  ASSERT_TRUE(pending.has_value());
  const std::vector<std::function<void(protocol::DirectoryHead&)>> changes = {
      [](protocol::DirectoryHead& head) {
        head.number = DirectoryNumber{2};
        head.previous[0] ^= 1;  // only the first version has none
      },
      [](protocol::DirectoryHead& head) { head.contract = "csi-21"; },
      [](protocol::DirectoryHead& head) { head.root[0] ^= 1; },
      [](protocol::DirectoryHead& head) { ++head.entries; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto head = pending->head;
    changes[i](head);
    ASSERT_TRUE(
        write_file_durably(made.authority / "pending.note", as_bytes(protocol::to_text(head)), FileMode::owner_only)
            .has_value());
    EXPECT_FAILS_WITH(authority.sign(authority.key_files()[0], secret("prefet")), LocalCode::directory_unproven) << i;
  }
}

TEST_F(AuthorityTest, OneKeySuspendsAMemberOfThePublishedVersion) {
  Authority authority = open(init());
  const crypto::Identity person = crypto::Identity::generate();
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(person)).has_value());
  ASSERT_TRUE(authority.save().has_value());
  const auto key = authority.key_files()[2];
  // Enrolled but not published: there is nothing to take away.
  EXPECT_FALSE(authority.suspend("ged.un", key, secret("maire"), in(1)).has_value());
  publish(authority);
  EXPECT_TRUE(fails_with(authority.suspend("ged.un", key, secret("faux"), in(1)), LocalCode::wrong_passphrase));
  EXPECT_TRUE(fails_with(authority.suspend("personne", key, secret("maire"), in(1)), LocalCode::usage));
  const auto suspended = authority.suspend("ged.un", key, secret("maire"), in(1));
  ASSERT_TRUE(suspended.has_value()) << suspended.error().detail;
  const auto verified = protocol::verify_suspension_note(suspended->note, authority.facts().authorities);
  ASSERT_TRUE(verified.has_value());
  EXPECT_EQ(*verified, (protocol::Suspension{"csi-89", "ged.un", {1}, in(1)}));
  EXPECT_EQ(as_text(*read_file(suspended->file, 4096)), suspended->note);
  // Revoked is revoked for ever.
  ASSERT_TRUE(authority.draft().revoke("ged.un", in(2)).has_value());
  ASSERT_TRUE(authority.save().has_value());
  publish(authority, in(2));
  EXPECT_TRUE(fails_with(authority.suspend("ged.un", key, secret("maire"), in(2)), LocalCode::usage));
}

protocol::RollbackRequest rollback_request(const client::ContractFacts& facts) {
  protocol::RollbackRequest request;
  request.order.contract = facts.contract;
  request.order.log = facts.log;
  request.order.closes = facts.log + "/2026-1";
  request.order.last = {{1234}, Digest{1}};
  request.order.restored = {{1200}, Digest{2}};
  request.order.opens = facts.log + "/2026-2";
  request.order.created = spring + std::chrono::hours(24);
  request.newest = spring;
  return request;
}

TEST_F(AuthorityTest, P10KOfNKeysOrderWhatABrokerAskedForAfterARollback) {
  const auto made = init();
  Authority authority = open(made);
  publish(authority);
  const auto keys = authority.key_files();
  const protocol::RollbackRequest request = rollback_request(authority.facts());
  const auto file = made.authority / "request.txt";
  const auto asks = [&](const protocol::RollbackRequest& asked) {
    EXPECT_TRUE(write_file_durably(file, as_bytes(protocol::to_text(asked)), FileMode::owner_only).has_value());
  };
  asks(request);
  EXPECT_EQ(*authority.rollback_request(file), request);
  EXPECT_TRUE(fails_with(authority.order_rollback(file, keys[0], secret("faux"), in(1)), LocalCode::wrong_passphrase));
  const auto first = authority.order_rollback(file, keys[0], secret("prefet"), in(2));
  ASSERT_TRUE(first.has_value()) << first.error().detail;
  EXPECT_FALSE(first->complete());
  EXPECT_EQ(first->order.created, in(2));
  EXPECT_EQ(first->file.filename(), "2026-2.note");
  EXPECT_TRUE(fails_with(authority.order_rollback(file, keys[0], secret("prefet"), in(3)), LocalCode::usage));
  EXPECT_FALSE(protocol::verify_order_note(first->note, authority.facts().authorities).has_value());
  // The second signs the same order, from the request or from the note the first one wrote.
  const auto second = authority.order_rollback(first->file, keys[2], secret("maire"), in(3));
  ASSERT_TRUE(second.has_value()) << second.error().detail;
  EXPECT_TRUE(second->complete());
  EXPECT_EQ(second->order, first->order);
  const auto verified = protocol::verify_order_note(as_text(*read_file(second->file, protocol::order_bytes_max)),
                                                    authority.facts().authorities);
  ASSERT_TRUE(verified.has_value());
  EXPECT_EQ(verified->order(), second->order);
}

TEST_F(AuthorityTest, SignsNoOrderOfAnotherContractOrLogNorTwoForOneShard) {
  const auto made = init();
  Authority authority = open(made);
  publish(authority);
  const auto file = made.authority / "request.txt";
  const auto sign = [&](const protocol::RollbackRequest& asked, std::size_t key, const char* word) {
    EXPECT_TRUE(write_file_durably(file, as_bytes(protocol::to_text(asked)), FileMode::owner_only).has_value());
    return authority.order_rollback(file, authority.key_files()[key], secret(word), in(2));
  };
  protocol::RollbackRequest other = rollback_request(authority.facts());
  other.order.contract = "csi-21";
  EXPECT_TRUE(fails_with(sign(other, 0, "prefet"), LocalCode::usage));
  other = rollback_request(authority.facts());
  other.order.log = "pli.ailleurs.example/pli/21";
  other.order.closes = other.order.log + "/2026-1";
  other.order.opens = other.order.log + "/2026-2";
  EXPECT_TRUE(fails_with(sign(other, 0, "prefet"), LocalCode::usage));
  const auto good = sign(rollback_request(authority.facts()), 0, "prefet");
  ASSERT_TRUE(good.has_value()) << good.error().detail;
  other = rollback_request(authority.facts());
  other.order.restored.size = {1199};
  EXPECT_TRUE(fails_with(sign(other, 2, "maire"), LocalCode::usage));
  ASSERT_TRUE(write_file_durably(file, as_bytes("pli-order/1\n"), FileMode::owner_only).has_value());
  EXPECT_TRUE(fails_with(authority.rollback_request(file), LocalCode::usage));
  EXPECT_TRUE(fails_with(authority.rollback_request(made.authority / "absent"), LocalCode::file_missing));
}

// ---- who signs ---------------------------------------------------------------------------------------------------

TEST_F(AuthorityTest, P5WhoSignsChangesBySignaturesOfThoseBeforeAndOfThoseAfter) {
  const auto made = init();
  Authority authority = open(made);
  ASSERT_TRUE(authority.draft().enrol(enrolment("ged.un"), card(crypto::Identity::generate())).has_value());
  ASSERT_TRUE(authority.save().has_value());
  static_cast<void>(publish(authority));
  const protocol::AuthoritySet before = authority.facts().authorities;
  EXPECT_EQ(*authority.authorities_next(), before);

  auto key = authority.make_key({"exemple.fr/sous-prefet", secret("sous-prefet")}, 2);
  ASSERT_TRUE(key.has_value()) << (key ? "" : key.error().detail);
  const protocol::AuthoritySet after{2, {before.keys[1], *key}};
  ASSERT_TRUE(authority.change_authorities(after).has_value());
  EXPECT_EQ(*authority.authorities_in_force(), before);
  EXPECT_EQ(*authority.authorities_next(), after);
  EXPECT_EQ(authority.invitation("ged.un")->authorities, before) << "of the version it names";

  ASSERT_TRUE(authority.prepare(in(1), in(31)).has_value());
  const auto keys = authority.key_files();
  ASSERT_EQ(keys.size(), 4U);
  ASSERT_TRUE(authority.sign(keys[1], secret("procureur")).has_value());
  auto enough_after = authority.sign(keys[3], secret("sous-prefet"));
  ASSERT_TRUE(enough_after.has_value()) << (enough_after ? "" : enough_after.error().detail);
  EXPECT_FALSE(enough_after->complete()) << "two of those after, one of those before";
  EXPECT_FAILS_WITH(authority.publish(), LocalCode::usage);
  EXPECT_EQ(authority.review()->authorities_before, before);
  auto enough_before = authority.sign(keys[0], secret("prefet"));
  ASSERT_TRUE(enough_before.has_value());
  EXPECT_TRUE(enough_before->complete());
  auto second = authority.publish();
  ASSERT_TRUE(second.has_value()) << (second ? "" : second.error().detail);

  Authority again = open(made);  // the history verifies from the contract's own authorities on
  EXPECT_EQ(*again.authorities_in_force(), after);
  EXPECT_EQ(*again.authorities_next(), after);
  EXPECT_EQ(again.invitation("ged.un")->authorities, after);
  ASSERT_TRUE(again.prepare(in(2), in(32)).has_value());
  auto gone = again.sign(keys[0], secret("prefet"));
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().detail, client::not_an_authority);
  EXPECT_FALSE(again.suspend("ged.un", keys[0], secret("prefet"), in(2)).has_value());
  EXPECT_TRUE(again.suspend("ged.un", keys[3], secret("sous-prefet"), in(2)).has_value());
  ASSERT_TRUE(again.sign(keys[1], secret("procureur")).has_value());
  ASSERT_TRUE(again.sign(keys[3], secret("sous-prefet")).has_value());
  EXPECT_TRUE(again.publish().has_value());
}

TEST_F(AuthorityTest, AsksForNoAuthoritiesThatCannotBe) {
  Authority authority = open(init());
  const protocol::AuthoritySet before = authority.facts().authorities;
  EXPECT_FAILS_WITH(authority.make_key({before.keys[0].name, secret("x")}, 2), LocalCode::usage);
  EXPECT_FAILS_WITH(authority.make_key({"no name", secret("x")}, 2), LocalCode::usage);
  const auto with = [&](auto change) {
    protocol::AuthoritySet wanted = before;
    change(wanted);
    return authority.change_authorities(wanted);
  };
  EXPECT_FAILS_WITH(with([](auto& set) { set.threshold = 0; }), LocalCode::usage);
  EXPECT_FAILS_WITH(with([](auto& set) { set.threshold = set.keys.size() + 1; }), LocalCode::usage);
  EXPECT_FAILS_WITH(with([](auto& set) { set.keys.push_back(set.keys[0]); }), LocalCode::usage);
  EXPECT_FAILS_WITH(with([](auto& set) { set.keys[0].key = crypto::SigningKey::generate().public_key(); }),
                    LocalCode::usage);
  const auto as_many_as = [&](std::size_t count) {
    return with([&](auto& set) {
      for (std::size_t i = set.keys.size(); i < count; ++i)
        set.keys.push_back({"exemple.fr/autorite/" + std::to_string(i), audit::KeyType::ed25519,
                            crypto::SigningKey::generate().public_key()});
    });
  };
  EXPECT_FAILS_WITH(as_many_as(protocol::authorities_max + 1), LocalCode::usage);
  EXPECT_EQ(*authority.authorities_next(), before);
  EXPECT_TRUE(as_many_as(protocol::authorities_max).has_value());
  EXPECT_EQ(authority.authorities_next()->keys.size(), protocol::authorities_max);
}

TEST_F(AuthorityTest, AskingForOtherAuthoritiesThrowsAwayWhatWasBeingSigned) {
  Authority authority = open(init());
  protocol::AuthoritySet wanted = authority.facts().authorities;
  wanted.threshold = wanted.keys.size();
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  ASSERT_TRUE(authority.sign(authority.key_files()[0], secret("prefet")).has_value());
  ASSERT_TRUE(authority.change_authorities(wanted).has_value());
  auto pending = authority.pending();
  ASSERT_TRUE(pending.has_value());
  EXPECT_FALSE(pending->has_value()) << "it names those before, and published it would end what was asked for";
  ASSERT_TRUE(authority.prepare(spring, in(30)).has_value());
  EXPECT_EQ((*authority.pending())->head.threshold, wanted.threshold);
}

TEST_F(AuthorityTest, AVersionLastsThirtyDaysAtMost) {
  Authority authority = open(init());
  EXPECT_FAILS_WITH(authority.prepare(spring, spring + protocol::directory_validity_max + std::chrono::milliseconds(1)),
                    LocalCode::usage);
  EXPECT_FAILS_WITH(authority.prepare(spring, spring), LocalCode::usage);
  EXPECT_TRUE(authority.prepare(spring, spring + protocol::directory_validity_max).has_value());
}

// ---- the draft alone -------------------------------------------------------------------------------------------

class DraftTest : public AuthorityTest {
 protected:
  DraftTest() : draft_(std::move(*client::DirectoryDraft::start(request().contract))) {
    EXPECT_TRUE(draft_.add_queue("ged/89", "89", "").has_value());
    EXPECT_TRUE(draft_.add_queue("audit/89", "89", "").has_value());
    EXPECT_TRUE(draft_.enrol(enrolment("ged.un"), card(identity_)).has_value());
  }
  crypto::Identity identity_ = crypto::Identity::generate();
  client::DirectoryDraft draft_;
};

TEST_F(DraftTest, RevokingLeavesTheRosterAndKeepsTheKeys) {
  ASSERT_TRUE(draft_.revoke("ged.un", spring).has_value());
  EXPECT_TRUE(draft_.directory().queue("ged/89")->keys.empty());
  EXPECT_EQ(draft_.directory().member("ged.un")->revoked_at, spring);
  EXPECT_FAILS_WITH(draft_.revoke("ged.un", spring), LocalCode::usage);
  EXPECT_FAILS_WITH(draft_.revoke("nobody", spring), LocalCode::usage);
}

TEST_F(DraftTest, RenewingMovesTheOldKeysAside) {
  const auto renewed = crypto::Identity::generate();
  ASSERT_TRUE(draft_.renew(protocol::make_card(renewed, spring, &identity_)).has_value());
  const protocol::Member& member = *draft_.directory().member("ged.un");
  EXPECT_EQ(member.keys, renewed.public_identity());
  EXPECT_EQ(member.former_age, std::vector<crypto::AgePublic>{identity_.public_identity().age});
  EXPECT_EQ(draft_.directory().queue("ged/89")->keys, std::vector<crypto::AgePublic>{renewed.public_identity().age});
  EXPECT_FAILS_WITH(draft_.renew(protocol::make_card(crypto::Identity::generate(), spring, &identity_)),
                    LocalCode::usage)
      << "by a key no longer held";
  EXPECT_FAILS_WITH(draft_.renew(card(crypto::Identity::generate())), LocalCode::usage);
}

TEST_F(DraftTest, AKeyStandsInOneEntryOnlyForEver) {
  EXPECT_FAILS_WITH(draft_.enrol(enrolment("ged.deux"), card(identity_)), LocalCode::usage);
  ASSERT_TRUE(draft_.revoke("ged.un", spring).has_value());
  EXPECT_FAILS_WITH(draft_.enrol(enrolment("ged.deux"), card(identity_)), LocalCode::usage);
  EXPECT_EQ(draft_.directory().member("ged.deux"), nullptr) << "the draft is as it was";
}

TEST_F(DraftTest, RefusesWhatNoDirectoryMayHold) {
  auto auditor = enrolment("auditeur");
  auditor.roles.add(protocol::Role::auditeur);  // besides membre_ged
  EXPECT_FAILS_WITH(draft_.enrol(auditor, card(crypto::Identity::generate())), LocalCode::usage);
  auto lost = enrolment("ged.deux");
  lost.seats = {"clir/89"};  // no such queue
  EXPECT_FAILS_WITH(draft_.enrol(lost, card(crypto::Identity::generate())), LocalCode::usage);
  EXPECT_FAILS_WITH(draft_.enrol(enrolment("ged.un"), card(crypto::Identity::generate())), LocalCode::usage);
  EXPECT_FAILS_WITH(draft_.add_queue("ged/89", "89", ""), LocalCode::usage);
  EXPECT_FAILS_WITH(draft_.change_seats("ged.un", {"clir/89"}), LocalCode::usage);
  EXPECT_EQ(draft_.directory().queue("ged/89")->keys.size(), 1U);
}

TEST_F(DraftTest, RemovingAMemberNeverWidensARoster) {
  std::vector<std::string> members;
  for (int i = 0; i < 12; ++i) {
    members.push_back("ged.n" + std::to_string(i));
    ASSERT_TRUE(draft_.enrol(enrolment(members.back()), card(crypto::Identity::generate())).has_value());
  }
  for (const std::string& member : members) {
    const auto before = draft_.directory().queue("ged/89")->keys;
    ASSERT_TRUE(
        (members.front() == member ? draft_.change_seats(member, {}) : draft_.revoke(member, spring)).has_value());
    const auto after = draft_.directory().queue("ged/89")->keys;
    EXPECT_EQ(after.size() + 1, before.size());
    EXPECT_TRUE(std::includes(before.begin(), before.end(), after.begin(), after.end()));
  }
}

TEST_F(DraftTest, TellsEveryAttributeThatDiffersAndNoSalt) {
  const auto before = draft_.directory().entries();
  EXPECT_TRUE(client::differences(before, before).empty());
  ASSERT_TRUE(draft_.change_validity("ged.un", spring, in(700)).has_value());
  auto changed = client::differences(before, draft_.directory().entries());
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_FALSE(changed[0].added);
  ASSERT_EQ(changed[0].gone.size(), 1U);
  ASSERT_EQ(changed[0].come.size(), 1U);
  EXPECT_EQ(changed[0].come[0].first, "not-after");
  ASSERT_TRUE(draft_.change_validity("ged.un", spring, in(365)).has_value());
  EXPECT_TRUE(client::differences(before, draft_.directory().entries()).empty()) << "the salt alone is another";
  auto with_more = before;
  with_more.back().add("unheard-of", std::string_view("1"));
  changed = client::differences(before, with_more);
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0].come[0].first, "unheard-of");
}

TEST_F(DraftTest, KeepsTheDaysAnInstanceSitsOnThroughEveryChangeOfItsRoster) {
  const protocol::SeanceCalendar calendar{*parse_day("2026-12-03"), 15, {}, {*parse_day("2026-12-18")}};
  ASSERT_TRUE(draft_.set_seances("ged/89", calendar).has_value());
  ASSERT_TRUE(draft_.revoke("ged.un", spring).has_value());
  EXPECT_TRUE(draft_.directory().queue("ged/89")->keys.empty()) << "its entry was written anew";
  EXPECT_EQ(draft_.directory().queue("ged/89")->seances, calendar);
  protocol::SeanceCalendar wrong = calendar;
  wrong.every_days = protocol::seance_cadence_days_max + 1;
  EXPECT_FAILS_WITH(draft_.set_seances("ged/89", wrong), LocalCode::usage);
  EXPECT_FAILS_WITH(draft_.set_seances("audit/89", calendar), LocalCode::usage);
  EXPECT_FAILS_WITH(draft_.set_seances("ged/21", calendar), LocalCode::usage);
  EXPECT_EQ(draft_.directory().queue("ged/89")->seances, calendar);
  ASSERT_TRUE(draft_.set_seances("ged/89", std::nullopt).has_value());
  EXPECT_EQ(draft_.directory().queue("ged/89")->seances, std::nullopt);
}

TEST_F(DraftTest, KeepsACharter) {
  protocol::Charter charter;
  charter.id = "charte-bellerive";
  charter.territory = "89024";
  charter.parties = {"Le préfet", "Le maire", "Le procureur"};
  charter.not_before = spring;
  charter.not_after = in(365);
  ASSERT_TRUE(draft_.add_charter(charter).has_value());
  EXPECT_TRUE(draft_.directory().position_of(protocol::EntryType::charte, "charte-bellerive").has_value());
  EXPECT_FAILS_WITH(draft_.add_charter(charter), LocalCode::usage);
  charter.id = "charte-2";
  charter.parties.pop_back();
  EXPECT_FAILS_WITH(draft_.add_charter(charter), LocalCode::usage);
}

TEST_F(DraftTest, GivesAMaireAQueueOfHisOwnAndNobodyElse) {
  auto maire = enrolment("m.bellerive");
  maire.roles = {};
  maire.roles.add(protocol::Role::maire);
  maire.person = "p.bellerive";
  maire.seats = {"ged/89"};
  maire.territory = "89024";
  ASSERT_TRUE(draft_.enrol(maire, card(crypto::Identity::generate())).has_value());
  const protocol::Queue* own = draft_.directory().queue("person/p.bellerive");
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->territory, "89024");
  EXPECT_EQ(own->keys.size(), 1U);
  // Enrolled before there were any, he is given it when his enrolment is extended; once given it stays one.
  ASSERT_TRUE(draft_.change_seats("m.bellerive", {"ged/89"}).has_value());
  EXPECT_TRUE(draft_.directory().queue("person/p.bellerive")->keys.empty());
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(draft_.change_validity("m.bellerive", spring, in(700 + round)).has_value());
    EXPECT_EQ(draft_.directory().member("m.bellerive")->seats,
              (std::vector<std::string>{"ged/89", "person/p.bellerive"}));
    EXPECT_EQ(draft_.directory().queue("person/p.bellerive")->keys.size(), 1U);
  }
  ASSERT_TRUE(draft_.enrol(enrolment("ged.deux"), card(crypto::Identity::generate())).has_value());
  for (const protocol::Queue* queue : draft_.directory().queues())
    EXPECT_TRUE(queue->kind != protocol::QueueKind::person || queue->id == "person/p.bellerive") << queue->id;
}

}  // namespace
}  // namespace pli::testing
