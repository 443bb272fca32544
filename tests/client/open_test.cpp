#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "base/file.hpp"
#include "client/anomaly.hpp"
#include "client/seal_exchange.hpp"
#include "crypto/age_open.hpp"
#include "crypto/age_seal.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_lock.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

class OpenTest : public Sitting {
 protected:
  Outcome<client::OpenedExchange> open(Desk& desk, const protocol::ExchangeId& exchange, const std::string& note = {}) {
    client::OpenOptions options;
    options.note = note;
    return client::open_exchange(*desk.session, exchange, options);
  }
  void bend_opened(std::function<void(protocol::Opened&)> lie) {
    broker_.bend = [lie = std::move(lie)](const protocol::Request&, protocol::ReplyBody& reply) {
      if (auto* opened = std::get_if<protocol::Opened>(&reply)) lie(*opened);
    };
  }
  /// Refused with this code, with evidence, and reported to the auditors under it.
  void refused_and_reported(const protocol::ExchangeId& exchange, LocalCode code,
                            const std::string& reader = "ged.un") {
    auto desk = connected(reader);
    auto opened = open(*desk, exchange);
    EXPECT_FAILS_WITH(opened, code);
    if (opened) return;
    EXPECT_TRUE(std::filesystem::exists(opened.error().evidence));
    ASSERT_TRUE(client::is_anomaly(opened.error()));
    broker_.bend = {};
    client::Outbox outbox(desk->profile, clock_);
    auto reported = client::report_anomaly(outbox, *desk->session, exchange, opened.error());
    ASSERT_TRUE(reported.has_value()) << why(reported);
    auto flushed = outbox.flush(*desk->session);
    ASSERT_TRUE(flushed.has_value()) << why(flushed);
    ASSERT_FALSE(flushed->stopped) << why(*flushed->stopped);
    const audit::Record& record = broker_.record(broker_.size().value - 1);
    ASSERT_NE(record.find("code"), nullptr);
    EXPECT_EQ(as_text(*record.find("code")), protocol::text_of(code));
    EXPECT_EQ(*record.find("reply_to"), to_bytes(exchange));
  }
};

TEST_F(OpenTest, ReadsWhatWasSent) {
  const protocol::Form form = report();
  const auto id = somebody_sends("r.bellerive", form);
  for (const char* reader : {"ged.un", "ged.deux", "secretariat"}) {
    auto desk = connected(reader);
    auto opened = open(*desk, id);
    ASSERT_TRUE(opened.has_value()) << why(opened);
    ASSERT_TRUE(opened->form.has_value());
    EXPECT_EQ(*opened->form, form);
    EXPECT_EQ(opened->content.address.sender, "r.bellerive");
    EXPECT_EQ(opened->content.sender_label, "Le poste de r.bellerive");
    EXPECT_EQ(opened->sender_status, client::SenderStatus::current);
    EXPECT_TRUE(opened->warnings.empty());
    EXPECT_FALSE(opened->gossip_alarm);
    EXPECT_EQ(opened->opening.receipt.leaf.type, audit::LeafType::consultation);
  }
}

TEST_F(OpenTest, MarksItOpenedAndKeepsNothingInClear) {
  const auto id = somebody_sends("r.bellerive", report("Nomtresreconnaissable"));
  auto desk = connected("ged.un");
  ASSERT_TRUE(client::Inbox(*desk->session).refresh("ged/89").has_value());
  ASSERT_TRUE(open(*desk, id).has_value());
  auto item = client::find_received(desk->profile, id);
  ASSERT_TRUE(item.has_value() && *item);
  EXPECT_TRUE((*item)->opened);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(desk->folder.path())) {
    if (!entry.is_regular_file()) continue;
    auto bytes = read_file(entry.path(), 64 << 20);
    ASSERT_TRUE(bytes.has_value());
    EXPECT_EQ(as_text(*bytes).find("Nomtresreconnaissable"), std::string_view::npos) << entry.path();
  }
}

TEST_F(OpenTest, TheNoteIsForTheAuditorsAlone) {
  const auto id = somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  ASSERT_TRUE(open(*desk, id, "réunion de jeudi").has_value());
  const Bytes* note = nullptr;
  for (std::size_t i = 0; i < broker_.size().value; ++i)
    if (const Bytes* found = broker_.record(i).find("note")) note = found;
  ASSERT_NE(note, nullptr);
  EXPECT_EQ(as_text(*note).find("jeudi"), std::string_view::npos);
  const crypto::SecretKey& auditor = world_.identity("auditeur").age_secret();
  auto clear = crypto::opening::open_bytes(*note, {{&auditor, 1}, nullptr});
  ASSERT_TRUE(clear.has_value());
  EXPECT_EQ(clear->size(), protocol::note_bucket_bytes);
  EXPECT_EQ(as_text(*crypto::unpad(*clear)), "réunion de jeudi");
}

TEST_F(OpenTest, ANoteHasALargestSize) {
  const auto id = somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  EXPECT_TRUE(open(*desk, id, std::string(protocol::note_text_bytes_max, 'a')).has_value());
  EXPECT_FAILS_WITH(open(*desk, id, std::string(protocol::note_text_bytes_max + 1, 'a')), LocalCode::usage);
}

TEST_F(OpenTest, ReadsWithAFormerKey) {
  const auto id = somebody_sends("r.bellerive", report());
  auto desk = this->desk("ged.un");
  crypto::Identity renewed = crypto::Identity::generate();
  ASSERT_TRUE(world_.draft().renew(protocol::make_card(renewed, spring, &desk->keys.current)).has_value());
  broker_.publish(world_.sign_version(spring));
  desk->keys.former.push_back(std::move(desk->keys.current));
  desk->keys.current = std::move(renewed);
  ASSERT_TRUE(connect(*desk).has_value());
  auto opened = open(*desk, id);
  EXPECT_TRUE(opened.has_value()) << why(opened);
}

TEST_F(OpenTest, SaysThatTheSenderWasRevokedOrHasAnotherKeySince) {
  const auto id = somebody_sends("r.bellerive", report());
  auto sender = this->desk("r.bellerive");
  ASSERT_TRUE(world_.draft()
                  .renew(protocol::make_card(crypto::Identity::generate(), spring, &sender->keys.current))
                  .has_value());
  broker_.publish(world_.sign_version(spring));
  auto desk = connected("ged.un");
  auto opened = open(*desk, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_EQ(opened->sender_status, client::SenderStatus::former_key);
  ASSERT_TRUE(world_.draft().revoke("r.bellerive", spring).has_value());
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(connect(*desk).has_value());
  opened = open(*desk, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_EQ(opened->sender_status, client::SenderStatus::revoked);
}

/// No more room for files of this process until it goes away; the signal that comes with it is ignored.
class FullDisk {
 public:
  FullDisk() : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(OpenTest, P3ShowsWhatTheLogSaysWasReadThoughTheDiskIsFull) {
  const auto id = somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  ASSERT_TRUE(client::Inbox(*desk->session).refresh("ged/89").has_value());
  std::optional<FullDisk> full;
  bend_opened([&](protocol::Opened&) { full.emplace(); });
  auto opened = open(*desk, id);
  full.reset();
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_TRUE(opened->form.has_value());
  ASSERT_FALSE(opened->warnings.empty());
  for (const Failure& warning : opened->warnings) EXPECT_TRUE(client::is(warning, LocalCode::local_store));
  EXPECT_FALSE((*client::find_received(desk->profile, id))->opened);
}

TEST_F(OpenTest, PassesOnTheBrokersRefusal) {
  auto desk = connected("ged.un");
  EXPECT_FAILS_WITH(open(*desk, Digest{1}), Code::not_found);
}

TEST_F(OpenTest, AsksAgainUnderTheNewestDirectory) {
  const auto id = somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  int asked = 0;
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Open>(request.body) && asked++ == 0)
      return protocol::Refusal{Code::stale_directory, {}, 0};
    return std::nullopt;
  };
  auto opened = open(*desk, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{2});
}

// ---- accountable opening: no proof, no reading -----------------------------------------------------------------

TEST_F(OpenTest, P4ShowsNothingUnlessThisVeryOpeningIsProvenRecorded) {
  const auto id = somebody_sends("r.bellerive", report());
  const auto other = somebody_sends("r.clairval", report());
  auto desk = connected("ged.un");
  std::optional<protocol::LeafProof> of_another;
  bend_opened([&](protocol::Opened& opened) { of_another = opened.proof; });
  ASSERT_TRUE(open(*desk, other).has_value());
  const std::vector<std::function<void(protocol::Opened&)>> lies = {
      [&](protocol::Opened& opened) { opened.proof = *of_another; },  // another opening's
      [](protocol::Opened& opened) { opened.proof.disclosure.back() ^= 1; },
      [](protocol::Opened& opened) { opened.proof.proof.pop_back(); },
      [](protocol::Opened& opened) { opened.proof.checkpoint[3] ^= 1; },
      [&](protocol::Opened& opened) {
        opened.proof = broker_.prove(opened.proof.index, {"act", "outcome", "exchange"});
      },
      [&](protocol::Opened& opened) {  // a record of a refusal
        audit::Record refusal = broker_.record(opened.proof.index.value);
        for (audit::Field& field : refusal.fields)
          if (field.name == "outcome") field.value = to_bytes("FORBIDDEN");
        opened.proof = broker_.prove(broker_.add_record(audit::LeafType::refus, refusal),
                                     {"act", "outcome", "exchange", "statement", "signature"});
      },
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    bend_opened(lies[i]);
    EXPECT_FAILS_WITH(open(*desk, id), LocalCode::receipt_invalid) << i;
  }
}

// ---- what a broker can bend ------------------------------------------------------------------------------------

TEST_F(OpenTest, RefusesAnotherReleaseKey) {
  const auto id = somebody_sends("r.bellerive", report());
  const auto other = somebody_sends("r.clairval", report());
  auto desk = connected("ged.deux");
  std::optional<crypto::BoxedRelease> grant;
  bend_opened([&](protocol::Opened& opened) {
    // A broker that swaps R: a grant that opens, of another exchange's release key.
    grant = opened.access[0].grant;
  });
  ASSERT_TRUE(open(*desk, other).has_value());
  bend_opened([&](protocol::Opened& opened) { opened.access[0].grant = *grant; });
  auto opened = open(*desk, id);  // the same session, so the grant itself opens
  EXPECT_FAILS_WITH(opened, LocalCode::release_mismatch);
}

TEST_F(OpenTest, RefusesAGrantThatDoesNotOpen) {
  const auto id = somebody_sends("r.bellerive", report());
  bend_opened([](protocol::Opened& opened) { opened.access[0].grant[40] ^= 1; });
  refused_and_reported(id, LocalCode::release_mismatch);
}

TEST_F(OpenTest, RefusesEveryAlteredPart) {
  const auto id = somebody_sends("r.bellerive", report());
  bend_opened([](protocol::Opened& opened) { opened.payload[20] ^= 1; });
  refused_and_reported(id, LocalCode::payload_mismatch);
  bend_opened([](protocol::Opened& opened) { opened.payload.pop_back(); });
  refused_and_reported(id, LocalCode::payload_mismatch);
  bend_opened([](protocol::Opened& opened) { opened.access[0].locked[30] ^= 1; });
  refused_and_reported(id, LocalCode::payload_mismatch);
  bend_opened([](protocol::Opened& opened) { opened.access[0].seal[60] ^= 1; });
  refused_and_reported(id, LocalCode::address_mismatch);
  bend_opened([](protocol::Opened& opened) { opened.access[0].address[60] ^= 1; });
  refused_and_reported(id, LocalCode::address_mismatch);
  bend_opened([](protocol::Opened& opened) { opened.access[0].signature[10] ^= 1; });
  refused_and_reported(id, LocalCode::sender_unproven);
}

TEST_F(OpenTest, RefusesAnExchangeWithoutItsOwnHeader) {
  const auto id = somebody_sends("r.bellerive", report());
  bend_opened([](protocol::Opened& opened) { opened.access[0].exchange[0] ^= 1; });
  refused_and_reported(id, LocalCode::address_mismatch);
}

TEST_F(OpenTest, RefusesAPayloadOfAnotherExchange) {
  const auto id = somebody_sends("r.bellerive", report());
  const auto other = somebody_sends("r.clairval", report());
  auto desk = connected("ged.deux");
  Bytes payload;
  bend_opened([&](protocol::Opened& opened) { payload = opened.payload; });
  ASSERT_TRUE(open(*desk, other).has_value());
  bend_opened([&](protocol::Opened& opened) { opened.payload = payload; });
  refused_and_reported(id, LocalCode::payload_mismatch);
}

TEST_F(OpenTest, P5RefusesAnAuthorTheDirectoryDoesNotShow) {
  const auto id = somebody_sends("r.bellerive", report());
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* page = std::get_if<protocol::DirectoryPage>(&reply);
    if (page == nullptr) return;
    page->items.erase(std::remove_if(page->items.begin(), page->items.end(),
                                     [](const protocol::DirectoryItem& item) {
                                       auto entry = protocol::decode_entry(item.entry);
                                       return entry && entry->id == "r.bellerive";
                                     }),
                      page->items.end());
  };
  refused_and_reported(id, LocalCode::sender_unproven);
}

// ---- what a sender can craft -----------------------------------------------------------------------------------

/// An exchange made by hand, honest but for one thing.
struct Crafted {
  std::function<void(protocol::Address&)> address;
  std::function<void(protocol::Plaintext&)> plaintext;
  std::function<void(Bytes& padded)> padded;
  std::function<void(std::vector<crypto::AgePublic>&)> recipients;
  std::function<void(protocol::Seal&)> seal;
  std::function<void(Bytes& header)> header;
  bool wrong_lock = false;
};

class CraftedTest : public OpenTest {
 protected:
  protocol::ExchangeId send(const Crafted& craft) {
    auto desk = connected("r.bellerive");
    const crypto::Identity& identity = desk->keys.current;
    const protocol::Queue& queue = *desk->session->directory().queue("ged/89");
    protocol::Address address;
    address.contract = world_.contract;
    address.log = world_.log;
    address.kind = static_cast<std::uint16_t>(protocol::Kind::signalement_individuel);
    address.sender = "r.bellerive";
    address.sender_key = identity.public_identity().sign;
    address.queue = queue.id;
    address.directory = desk->session->directory().number();
    address.roster = protocol::roster_digest(queue);
    address.created_at = clock_.now();
    address.nonce = crypto::random_array<16>();
    if (craft.address) craft.address(address);
    protocol::Envelope envelope;
    envelope.address = protocol::encode(address);
    protocol::Plaintext plaintext{envelope.address, report().encode(), {}, {}};
    if (craft.plaintext) craft.plaintext(plaintext);
    const Bytes clear = protocol::encode(plaintext);
    Bytes padded = *crypto::pad_to(clear, crypto::padding_bucket(clear.size()));
    if (craft.padded) craft.padded(padded);
    const crypto::FileKey file_key = crypto::FileKey::random();
    envelope.payload = crypto::seal_payload(file_key, padded);
    std::vector<crypto::AgePublic> recipients = queue.keys;
    if (craft.recipients) craft.recipients(recipients);
    Bytes header = *crypto::make_age_header(file_key, recipients);
    if (craft.header) craft.header(header);
    const Digest digest = protocol::address_digest(envelope.address);
    const crypto::ReleaseKey release_key = crypto::ReleaseKey::random();
    protocol::Seal seal;
    seal.payload_size = envelope.payload.size();
    seal.payload = crypto::sha256(envelope.payload);
    envelope.locked = crypto::lock_header(header, craft.wrong_lock ? crypto::ReleaseKey::random() : release_key.clone(),
                                          {digest, seal.payload});
    seal.locked_size = envelope.locked.size();
    seal.locked = crypto::sha256(envelope.locked);
    seal.release_commitment = crypto::release_commitment(digest, release_key);
    seal.file_key_commitment = crypto::file_key_commitment(file_key);
    if (craft.seal) craft.seal(seal);
    envelope.seal = protocol::encode(seal);
    envelope.release = protocol::encode(desk->session->release().share(release_key));
    Bytes statement = envelope.address;
    append(statement, envelope.seal);
    envelope.signature = crypto::sign_statement(identity.signing_key(), crypto::StatementName::exchange, statement);
    auto accepted = desk->session->ask<protocol::Accepted>(protocol::Submit{envelope});
    EXPECT_TRUE(accepted.has_value()) << why(accepted);
    return protocol::exchange_id(envelope.address, envelope.seal);
  }
};

TEST_F(CraftedTest, TheHonestOneOpens) {
  const auto id = send({});
  auto desk = connected("ged.un");
  auto opened = open(*desk, id);
  EXPECT_TRUE(opened.has_value()) << why(opened);
}

TEST_F(CraftedTest, RefusesAnInnerAddressThatDiffers) {
  Crafted craft;
  craft.plaintext = [](protocol::Plaintext& plaintext) { plaintext.address.back() ^= 1; };
  refused_and_reported(send(craft), LocalCode::address_mismatch);
}

TEST_F(CraftedTest, RefusesAnExchangeOfAnotherContractOrLog) {
  Crafted craft;
  craft.address = [](protocol::Address& address) { address.contract = "csi-21"; };
  refused_and_reported(send(craft), LocalCode::address_mismatch);
  craft.address = [](protocol::Address& address) { address.log = "pli.exemple.fr/pli/21"; };
  const auto id = send(craft);
  refused_and_reported(id, LocalCode::address_mismatch);
  // An honest broker takes none of them in.
  auto desk = connected("ged.deux");
  EXPECT_FAILS_WITH(client::Inbox(*desk->session).refresh("ged/89"), LocalCode::queue_withheld);
}

TEST_F(CraftedTest, RefusesAFormOfAnotherKindThanTheAddressSays) {
  Crafted craft;
  craft.plaintext = [](protocol::Plaintext& plaintext) {
    plaintext.content = protocol::Form::retour(protocol::retour_codes().front())->encode();
  };
  refused_and_reported(send(craft), LocalCode::address_mismatch);
}

TEST_F(CraftedTest, RefusesAFormThatSaysOtherwiseThanItsAddress) {
  const auto named = somebody_sends("r.bellerive", report());
  const auto other = somebody_sends("r.bellerive", report());
  const auto form_of = [](const std::string& json) {
    auto form = protocol::Form::from_json(json, nullptr, nullptr);
    PLI_INVARIANT(form.has_value());
    return *std::move(form);
  };
  const protocol::Form agreement =
      form_of(R"({"type": "agrement", "qualite": "parquet", "avis": "accord", "echange": ")" + to_hex(named) + "\"}");
  const protocol::Form inscription = form_of(R"({"type": "inscription", "instance": "ged", "seance": "2199-03-12"})");
  const auto crafted = [&named](const protocol::Form& form, const Digest& reply_to, const std::string& value) {
    Crafted craft;
    craft.address = [&form, &named, reply_to, value](protocol::Address& address) {
      address.kind = static_cast<std::uint16_t>(form.kind());
      address.case_id = named;
      address.in_reply_to = reply_to;
      if (!value.empty()) address.attributes = {{std::string(protocol::attribute_name(form.kind())), value}};
    };
    craft.plaintext = [&form](protocol::Plaintext& plaintext) { plaintext.content = form.encode(); };
    return craft;
  };
  auto desk = connected("ged.un");
  auto opened = open(*desk, send(crafted(agreement, named, "accord")));
  EXPECT_TRUE(opened.has_value()) << why(opened);
  refused_and_reported(send(crafted(agreement, other, "accord")), LocalCode::address_mismatch);
  refused_and_reported(send(crafted(agreement, named, "refus")), LocalCode::address_mismatch);
  const protocol::Form termed =
      form_of(R"({"type": "agrement", "qualite": "parquet", "avis": "accord", "jusqu_au": "2199-03-12", "echange": ")" +
              to_hex(named) + "\"}");
  refused_and_reported(send(crafted(termed, named, "accord")), LocalCode::address_mismatch);
  const protocol::Form information =
      form_of(R"({"type": "information_nominative", "cas": ")" +
              std::string(protocol::choices_of(protocol::Kind::information_nominative, "cas").front()) +
              R"(", "valable_jusqu_au": "2199-03-12", "personnes": [{"categorie": "personne_signalee"}],
        "faits": [{"date": "2025-01-01", "connaissance": "rapporte", "description": "x"}]})");
  opened = open(*desk, send(crafted(information, Digest{}, "2199-03-12")));
  EXPECT_TRUE(opened.has_value()) << why(opened);
  refused_and_reported(send(crafted(information, Digest{}, "2199-03-13")), LocalCode::address_mismatch);
  opened = open(*desk, send(crafted(inscription, Digest{}, "2199-03-12")));
  EXPECT_TRUE(opened.has_value()) << why(opened);
  refused_and_reported(send(crafted(inscription, Digest{}, "2199-03-13")), LocalCode::address_mismatch);
}

TEST_F(CraftedTest, RefusesWhenThereIsNoStanzaForUs) {
  Crafted craft;
  craft.recipients = [&](std::vector<crypto::AgePublic>& recipients) {
    std::replace(recipients.begin(), recipients.end(), world_.identity("ged.un").public_identity().age,
                 crypto::Identity::generate().public_identity().age);
  };
  const auto id = send(craft);
  refused_and_reported(id, LocalCode::no_stanza_for_me);
  auto other = connected("ged.deux");
  EXPECT_TRUE(open(*other, id).has_value()) << "who has a stanza reads it";
}

TEST_F(CraftedTest, RefusesAReaderSlippedIn) {
  Crafted craft;
  craft.recipients = [](std::vector<crypto::AgePublic>& recipients) {
    recipients.push_back(crypto::Identity::generate().public_identity().age);
  };
  refused_and_reported(send(craft), LocalCode::no_stanza_for_me);
}

TEST_F(CraftedTest, RefusesAStanzaThatIsNotX25519) {
  Crafted craft;
  craft.header = [](Bytes& header) {
    const std::string text(as_text(header));
    header = to_bytes(text.substr(0, text.find('\n') + 1) + "-> grease x\nAAAA\n" + text.substr(text.find('\n') + 1));
  };
  refused_and_reported(send(craft), LocalCode::no_stanza_for_me);
}

TEST_F(CraftedTest, RefusesAHeaderThatContradictsItself) {
  Crafted craft;
  craft.header = [](Bytes& header) { header[header.size() - 5] = header[header.size() - 5] == 'A' ? 'B' : 'A'; };
  auto desk = connected("ged.un");
  auto opened = open(*desk, send(craft));
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(client::is_anomaly(opened.error())) << why(opened);
}

TEST_F(CraftedTest, RefusesBadPadding) {
  Crafted craft;
  craft.padded = [](Bytes& padded) { padded.back() = 1; };
  refused_and_reported(send(craft), LocalCode::bad_padding);
  craft.padded = [](Bytes& padded) { padded.resize(padded.size() + 64); };  // another bucket than the size's
  refused_and_reported(send(craft), LocalCode::bad_padding);
  craft.padded = [](Bytes& padded) { padded[0] = 0x7F; };  // a length beyond the bucket
  refused_and_reported(send(craft), LocalCode::bad_padding);
}

TEST_F(CraftedTest, RefusesAnotherFileKeyThanPromised) {
  Crafted craft;
  craft.seal = [](protocol::Seal& seal) { seal.file_key_commitment[0] ^= 1; };
  refused_and_reported(send(craft), LocalCode::file_key_mismatch);
}

TEST_F(CraftedTest, RefusesAHeaderLockedUnderAnotherKeyThanPromised) {
  Crafted craft;
  craft.wrong_lock = true;
  refused_and_reported(send(craft), LocalCode::release_mismatch);
}

TEST_F(CraftedTest, RefusesAPlaintextThatCannotBeRead) {
  Crafted craft;
  craft.padded = [](Bytes& padded) { padded[7] ^= 1; };  // the inner address's length
  refused_and_reported(send(craft), LocalCode::payload_mismatch);
}

// ---- access parts ----------------------------------------------------------------------------------------------

TEST_F(OpenTest, AMemberGivesANewcomerAccess) {
  const auto id = somebody_sends("r.bellerive", report());
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  auto newcomer = connected("ged.trois");
  EXPECT_FAILS_WITH(open(*newcomer, id), Code::forbidden);
  ASSERT_TRUE(client::Inbox(*newcomer->session).refresh("ged/89").has_value());
  EXPECT_FALSE((*client::find_received(newcomer->profile, id))->visible);

  auto giver = connected("ged.un");
  auto opened = open(*giver, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  client::Draft draft;
  draft.kind = protocol::Kind::acces;
  draft.queue = "ged/89";
  draft.case_id = id;
  draft.in_reply_to = id;
  const client::SealContext context{
      giver->keys.current, giver->session->invitation(), giver->session->directory(), giver->session->release(), {}, {},
      clock_.now()};
  auto sealed = client::seal_access(draft, opened->content.seal, opened->content.file_key, context);
  ASSERT_TRUE(sealed.has_value()) << why(sealed);
  client::Outbox outbox(giver->profile, clock_);
  ASSERT_TRUE(outbox.put_sealed(*sealed).has_value());
  auto flushed = outbox.flush(*giver->session);
  ASSERT_TRUE(flushed.has_value() && !flushed->stopped);
  ASSERT_EQ(flushed->done.at(0).item.state, client::OutboxState::receipted);

  auto read = open(*newcomer, id);
  ASSERT_TRUE(read.has_value()) << why(read);
  EXPECT_EQ(read->content.address.sender, "r.bellerive") << "the author's signature stays";
  EXPECT_TRUE((*client::find_received(newcomer->profile, id))->visible);
  // Another who has never looked into the queue.
  auto again = connected("ged.trois");
  auto directly = open(*again, id);
  EXPECT_TRUE(directly.has_value()) << why(directly);
  // Whose other queue is withheld meanwhile: it is told so, and reads.
  ASSERT_TRUE(world_.draft().change_seats("ged.trois", {"clir/89", "ged/89"}).has_value());
  broker_.publish(world_.sign_version(spring));
  auto in_both = connected("ged.trois");
  broker_.bend = [](const protocol::Request& request, protocol::ReplyBody& reply) {
    const auto* list = std::get_if<protocol::List>(&request.body);
    if (list != nullptr && list->queue == "clir/89") std::get<protocol::Items>(reply).head.number = QueueNumber{3};
  };
  auto in_spite = open(*in_both, id);
  ASSERT_TRUE(in_spite.has_value()) << why(in_spite);
  ASSERT_EQ(in_spite->warnings.size(), 1U);
  EXPECT_TRUE(client::is(in_spite->warnings[0], LocalCode::queue_withheld));
}

TEST_F(OpenTest, RefusesAWayInThatLeadsElsewhere) {
  const auto id = somebody_sends("r.bellerive", report());
  const auto other = somebody_sends("r.clairval", report());
  auto desk = connected("ged.un");
  std::optional<protocol::AccessPart> part;
  bend_opened([&](protocol::Opened& opened) { part = opened.access[0]; });
  ASSERT_TRUE(open(*desk, other).has_value());
  // Its own header comes from the queue, the way in is another exchange's.
  bend_opened([&](protocol::Opened& opened) { opened.access = {*part}; });
  EXPECT_FAILS_WITH(open(*desk, id), LocalCode::no_stanza_for_me);
}

TEST_F(OpenTest, RefusesToWrapAnotherKey) {
  const auto id = somebody_sends("r.bellerive", report());
  auto giver = connected("ged.un");
  auto opened = open(*giver, id);
  ASSERT_TRUE(opened.has_value());
  client::Draft draft;
  draft.kind = protocol::Kind::acces;
  draft.queue = "ged/89";
  draft.case_id = id;
  draft.in_reply_to = id;
  const client::SealContext context{
      giver->keys.current, giver->session->invitation(), giver->session->directory(), giver->session->release(), {}, {},
      clock_.now()};
  EXPECT_FAILS_WITH(client::seal_access(draft, opened->content.seal, crypto::FileKey::random(), context),
                    LocalCode::file_key_mismatch);
}

// ---- gossip ----------------------------------------------------------------------------------------------------

/// Seals a decision to the GED as the secretariat, which carries its news of log and queue.
protocol::ExchangeId send_decision(Desk& desk, const Clock& clock, const protocol::ExchangeId& case_id) {
  client::Outbox outbox(desk.profile, clock);
  client::Draft draft =
      client::draft_of(*protocol::Form::decision(protocol::decision_outcomes().front(), "Vu en séance."), "ged/89");
  draft.case_id = case_id;
  auto item = outbox.put(draft, desk.keys);
  EXPECT_TRUE(item.has_value());
  auto flushed = outbox.flush(*desk.session);
  EXPECT_TRUE(flushed.has_value() && !flushed->stopped);
  return *item->exchange;
}

TEST_F(OpenTest, P7HearsFromASenderThatTheLogForked) {
  const auto id = somebody_sends("r.bellerive", report());
  auto reader = connected("ged.un");
  // The secretariat is shown another log; its exchange is carried over, as a broker that lies to both would.
  MemoryBroker other = broker_;
  for (int i = 0; i < 3; ++i) other.add_noise_leaf();
  shown_ = &other;
  auto secretariat = connected("secretariat");
  shown_ = &broker_;
  for (int i = 0; i < 9; ++i) broker_.add_noise_leaf();
  client::Draft draft =
      client::draft_of(*protocol::Form::decision(protocol::decision_outcomes().front(), "Vu en séance."), "ged/89");
  draft.case_id = id;
  const client::SealContext context{secretariat->keys.current,
                                    secretariat->session->invitation(),
                                    secretariat->session->directory(),
                                    secretariat->session->release(),
                                    secretariat->session->log().last()->note(),
                                    {},
                                    clock_.now()};
  auto sealed = client::seal_exchange(draft, context);
  ASSERT_TRUE(sealed.has_value()) << why(sealed);
  auto carried =
      broker_.handle(secretariat->keys.current.public_identity().curve, {1, protocol::Submit{sealed->envelope}});
  ASSERT_TRUE(std::holds_alternative<protocol::Accepted>(carried));

  auto opened = open(*reader, sealed->id);
  ASSERT_TRUE(opened.has_value()) << "the content is genuine: " << why(opened);
  ASSERT_TRUE(opened->gossip_alarm.has_value());
  EXPECT_TRUE(client::is(*opened->gossip_alarm, LocalCode::log_forked)) << why(*opened->gossip_alarm);
  auto evidence = read_file(opened->gossip_alarm->evidence, 1 << 20);
  ASSERT_TRUE(evidence.has_value());
  EXPECT_NE(as_text(*evidence).find(secretariat->session->log().last()->note()), std::string_view::npos);
}

TEST_F(OpenTest, P8HearsFromASenderThatAHeaderWasWithheld) {
  const auto id = somebody_sends("r.bellerive", report());
  auto secretariat = connected("secretariat");
  ASSERT_TRUE(client::Inbox(*secretariat->session).refresh("ged/89").has_value());
  const auto decision = send_decision(*secretariat, clock_, id);
  // The reader is shown an empty queue, and told of the decision some other way.
  auto reader = connected("ged.un");
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* items = std::get_if<protocol::Items>(&reply)) {
      items->items.clear();
      items->head = audit::queue_start(world_.log, "ged/89");
    }
  };
  auto opened = open(*reader, decision);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  ASSERT_TRUE(opened->gossip_alarm.has_value());
  EXPECT_TRUE(client::is(*opened->gossip_alarm, LocalCode::queue_withheld)) << why(*opened->gossip_alarm);
  EXPECT_TRUE(opened->gossip_claimed) << "heads are the sender's word";
  auto evidence = read_file(opened->gossip_alarm->evidence, 1 << 20);
  ASSERT_TRUE(evidence.has_value());
  EXPECT_NE(as_text(*evidence).find("sender secretariat\nexchange " + to_hex(decision)), std::string_view::npos);
}

TEST_F(OpenTest, P8ComparesAtTheNextSittingWhatCouldNotBeComparedAtOnce) {
  const auto id = somebody_sends("r.bellerive", report());
  auto secretariat = connected("secretariat");
  ASSERT_TRUE(client::Inbox(*secretariat->session).refresh("ged/89").has_value());
  const auto decision = send_decision(*secretariat, clock_, id);
  const auto open_while_busy = [&](Desk& reader) {
    broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
      if (std::holds_alternative<protocol::List>(request.body)) return protocol::Refusal{Code::busy, {}, 1};
      return std::nullopt;
    };
    auto opened = open(reader, decision);
    EXPECT_TRUE(opened.has_value()) << why(opened);
    EXPECT_TRUE(!opened || !opened->gossip_alarm);
    broker_.instead = {};
    ASSERT_TRUE(connect(reader).has_value());
  };
  auto honest = connected("ged.un");
  open_while_busy(*honest);
  EXPECT_TRUE(client::Inbox(*honest->session).refresh("ged/89").has_value());
  EXPECT_TRUE(honest->profile.store().claims("ged/89")->empty());

  auto misled = connected("ged.deux");
  open_while_busy(*misled);
  broker_.bend = [&](const protocol::Request& request, protocol::ReplyBody& reply) {
    auto* items = std::get_if<protocol::Items>(&reply);
    if (items == nullptr || std::get<protocol::List>(request.body).queue != "ged/89") return;
    items->items.clear();
    items->head = audit::queue_start(world_.log, "ged/89");
  };
  auto view = client::Inbox(*misled->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  ASSERT_EQ(view->alarms.size(), 1U);
  EXPECT_TRUE(client::is(view->alarms[0], LocalCode::queue_withheld));
  EXPECT_EQ(anomalies(), std::vector<std::string>{"queue_withheld"});
  EXPECT_EQ(*broker_.record(broker_.size().value - 1).find("reply_to"), to_bytes(decision)) << "names who said it";
}

TEST_F(CraftedTest, P8NobodySetsAMemberAgainstTheBrokerWithAHeadHeCannotKnow) {
  Crafted craft;
  craft.plaintext = [](protocol::Plaintext& plaintext) { plaintext.heads = {{"ged/89", {QueueNumber{7}, Digest{9}}}}; };
  const auto id = send(craft);  // a référent's, who does not sit in the GED
  auto desk = connected("ged.un");
  auto opened = open(*desk, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_FALSE(opened->gossip_alarm) << why(*opened->gossip_alarm);
  EXPECT_TRUE(desk->profile.store().claims("ged/89")->empty());
}

TEST_F(OpenTest, AgreesWithAnHonestSendersNews) {
  const auto id = somebody_sends("r.bellerive", report());
  auto secretariat = connected("secretariat");
  ASSERT_TRUE(client::Inbox(*secretariat->session).refresh("ged/89").has_value());
  const auto decision = send_decision(*secretariat, clock_, id);
  auto reader = connected("ged.un");
  auto opened = open(*reader, decision);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_FALSE(opened->content.plaintext.checkpoint.empty());
  ASSERT_EQ(opened->content.plaintext.heads.size(), 1U);
  EXPECT_EQ(opened->content.plaintext.heads[0].queue, "ged/89");
  EXPECT_FALSE(opened->gossip_alarm) << why(*opened->gossip_alarm);
}

TEST_F(CraftedTest, ASendersGarbageForACheckpointIsNoAlarm) {
  Crafted craft;
  craft.plaintext = [](protocol::Plaintext& plaintext) { plaintext.checkpoint = "not a note at all"; };
  const auto id = send(craft);
  auto desk = connected("ged.un");
  auto opened = open(*desk, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_FALSE(opened->gossip_alarm);
}

// ---- large and retour ------------------------------------------------------------------------------------------

TEST_F(OpenTest, FetchesALargePayloadInChunksAndRefusesABentOne) {
  const auto id = somebody_sends("r.bellerive", report("Corvelle", 400'000));
  auto desk = connected("ged.un");
  auto opened = open(*desk, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* chunk = std::get_if<protocol::Chunk>(&reply); chunk && chunk->index == 3) chunk->bytes[7] ^= 1;
  };
  EXPECT_FAILS_WITH(open(*desk, id), LocalCode::payload_mismatch);
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* chunk = std::get_if<protocol::Chunk>(&reply)) chunk->index = 0;
  };
  EXPECT_FAILS_WITH(open(*desk, id), LocalCode::payload_mismatch);
}

TEST_F(OpenTest, TellsHowFarALargeOneHasCome) {
  const auto id = somebody_sends("r.bellerive", report("Corvelle", 400'000));
  auto desk = connected("ged.un");
  std::vector<std::uint64_t> seen;
  std::uint64_t whole = 0;
  client::OpenOptions options;
  options.progress = [&](std::uint64_t got, std::uint64_t total) {
    seen.push_back(got);
    whole = total;
  };
  auto opened = client::open_exchange(*desk->session, id, options);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  ASSERT_GT(seen.size(), 5U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), whole);
  EXPECT_EQ(whole, opened->content.seal.payload_size);
}

TEST_F(OpenTest, EveryRetourHasOneSize) {
  const auto id = somebody_sends("r.bellerive", report());
  auto secretariat = connected("secretariat");
  std::set<std::uint64_t> sizes;
  for (const std::string_view code : protocol::retour_codes()) {
    client::Draft draft = client::draft_of(*protocol::Form::retour(code), "org/219900001");
    draft.case_id = id;
    const client::SealContext context{secretariat->keys.current,
                                      secretariat->session->invitation(),
                                      secretariat->session->directory(),
                                      secretariat->session->release(),
                                      secretariat->session->log().last()->note(),
                                      {},
                                      clock_.now()};
    auto sealed = client::seal_exchange(draft, context);
    ASSERT_TRUE(sealed.has_value()) << why(sealed);
    sizes.insert(sealed->seal.payload_size);
  }
  EXPECT_EQ(sizes.size(), 1U);
}

}  // namespace
}  // namespace pli::testing
