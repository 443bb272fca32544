#include "client/auditor.hpp"

#include <algorithm>
#include <functional>

#include "base/file.hpp"
#include "client/record_filter.hpp"
#include "crypto/hash.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "protocol/suspension.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using client::Problem;

class AuditorTest : public Sitting {
 protected:
  AuditorTest() {
    id_ = somebody_sends("r.bellerive", report());
    static_cast<void>(somebody_sends("r.clairval", report()));
    auto reader = connected("ged.un");
    client::OpenOptions options;
    options.note = "réunion de jeudi";
    auto opened = client::open_exchange(*reader->session, id_, options);
    EXPECT_TRUE(opened.has_value()) << why(opened);
  }
  client::AuditReport audit() {
    auto desk = connected("auditeur");
    // This broker publishes at once: what it has not shown it will not show.
    auto report = client::audit_log(*desk->session, {}, std::chrono::milliseconds(0));
    EXPECT_TRUE(report.has_value()) << why(report);
    return report ? std::move(*report) : client::AuditReport{};
  }
  static bool has(const client::AuditReport& report, Problem problem) {
    for (const client::Finding& finding : report.findings)
      if (finding.problem == problem) return true;
    return false;
  }
  static std::string list(const client::AuditReport& report) {
    std::string out;
    for (const client::Finding& finding : report.findings)
      out += std::string(client::text_of(finding.problem)) + "(" + finding.subject + ") ";
    return out;
  }
  /// The newest record of this act, to be played with.
  audit::Record record_of(std::string_view act, audit::LeafType* type = nullptr) {
    for (std::uint64_t i = broker_.size().value; i-- > 0;) {
      const Bytes* found = broker_.record(i).find("act");
      if (found == nullptr || as_text(*found) != act) continue;
      if (type != nullptr) *type = audit::decode_leaf(broker_.leaf(i))->type;
      return broker_.record(i);
    }
    ADD_FAILURE() << "no such act";
    return audit::new_record();
  }
  static void set(audit::Record& record, std::string_view name, ByteView value) {
    for (audit::Field& field : record.fields)
      if (field.name == name) field.value = to_bytes(value);
  }
  static void drop(audit::Record& record, std::string_view name) {
    std::vector<audit::Field> kept;
    for (audit::Field& field : record.fields)
      if (field.name != name) kept.push_back(std::move(field));
    record.fields = std::move(kept);
  }
  /// A fresh opening, signed by this member, of this exchange, as the record a broker would make of it.
  audit::Record opening_by(const std::string& member, const crypto::Identity& signer) {
    audit::Record record = record_of("open");
    protocol::OpeningRequest request = *protocol::decode_opening_request(*record.find("statement"));
    request.opener = member;
    request.opener_key = signer.public_identity().sign;
    request.nonce = crypto::random_array<16>();
    request.created_at = clock_.now();
    const Bytes statement = protocol::encode(request);
    set(record, "actor", as_bytes(member));
    set(record, "person", as_bytes(member));
    set(record, "key", request.opener_key.bytes);
    set(record, "statement", statement);
    set(record, "signature", crypto::sign_statement(signer.signing_key(), crypto::StatementName::open, statement));
    return record;
  }
  protocol::ExchangeId id_{};
};

TEST_F(AuditorTest, FindsNothingInAnHonestLog) {
  const auto report = audit();
  EXPECT_TRUE(report.clean()) << list(report);
  EXPECT_EQ(report.records, report.size.value);
  EXPECT_EQ(report.signatures, 3U);  // two exchanges, one opening
  const auto again = audit();        // which has also read the records of the first reading
  EXPECT_TRUE(again.clean()) << list(again);
  EXPECT_GT(again.records, report.records);
}

TEST_F(AuditorTest, HandsOverEachRecordAndListsSome) {
  auto desk = connected("auditeur");
  std::vector<std::string> acts;
  ASSERT_TRUE(client::audit_log(*desk->session, [&](const client::AuditedRecord& record) {
                acts.emplace_back(as_text(*record.record.find("act")));
              }).has_value());
  EXPECT_EQ(acts, (std::vector<std::string>{"init", "publish_directory", "submit", "submit", "open"}));
  auto some = client::read_records(*desk->session, LeafIndex{2}, 2);
  ASSERT_TRUE(some.has_value()) << why(some);
  ASSERT_EQ(some->size(), 2U);
  EXPECT_EQ((*some)[0].index, LeafIndex{2});
}

TEST_F(AuditorTest, TakesARecordForErasedOnlyWhenTheLogSaysSoAndItWasDue) {
  auto desk = connected("auditeur");
  const std::uint64_t size = broker_.size().value;
  const UnixMillis last = audit::decode_leaf(broker_.leaf(size - 1))->time;
  const auto read = [&](std::chrono::hours later, const std::string& range) {
    client::LogAuditor auditor(desk->session->invitation().log, desk->session->directory());
    for (std::uint64_t i = 0; i < size; ++i) auditor.add({LeafIndex{i}, broker_.leaf(i), {}});
    audit::Record erasure = audit::new_record();
    erasure.add("act", "erase");
    erasure.add("outcome", "ok");
    erasure.add("range", range);
    audit::Leaf leaf;
    leaf.type = audit::LeafType::effacement;
    leaf.time = last + later;
    leaf.record = audit::record_digest(erasure);
    auditor.add({LeafIndex{size}, audit::encode(leaf), audit::encode(audit::disclose_all(erasure))});
    return auditor.finish(*desk->session->log().last());
  };
  const std::string all = "0," + std::to_string(size);
  const client::AuditReport due = read(std::chrono::hours(24 * 220), all);
  EXPECT_FALSE(has(due, Problem::record_withheld)) << list(due);
  EXPECT_EQ(due.erased, size);
  EXPECT_EQ(due.records, size + 1);
  EXPECT_TRUE(has(read(std::chrono::hours(24 * 150), all), Problem::record_withheld)) << "too early";
  EXPECT_TRUE(has(read(std::chrono::hours(24 * 220), "0,1"), Problem::record_withheld)) << "another range";
  EXPECT_TRUE(has(read(std::chrono::hours(24 * 220), "1"), Problem::record_incomplete));
}

TEST_F(AuditorTest, FindsARecordThatIsNotHandedOver) {
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& body) {
    if (auto* records = std::get_if<protocol::Records>(&body))
      for (protocol::RecordItem& item : records->items)
        if (item.index.value == 2) item.disclosure.clear();
  };
  EXPECT_TRUE(has(audit(), Problem::record_withheld));
}

TEST_F(AuditorTest, ListsARecordThatWasErasedWithoutAField) {
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& body) {
    if (auto* records = std::get_if<protocol::Records>(&body))
      for (protocol::RecordItem& item : records->items) item.disclosure.clear();
  };
  auto desk = connected("auditeur");
  auto listed = client::read_records(*desk->session, LeafIndex{0}, 3);
  ASSERT_TRUE(listed.has_value()) << why(listed);
  ASSERT_EQ(listed->size(), 3U);
  client::RecordFilter by_type;
  by_type.type = audit::LeafType::habilitation;
  client::RecordFilter by_person;
  by_person.person = "auditeur";
  for (const client::AuditedRecord& record : *listed) {
    EXPECT_TRUE(record.record.fields.empty());
    EXPECT_EQ(client::RecordFilter().matches(record), true);
    EXPECT_EQ(by_type.matches(record), record.index.value == 1) << "the leaf's type is in clear";
    EXPECT_FALSE(by_person.matches(record));
  }
}

TEST_F(AuditorTest, OnlyAnAuditorReads) {
  auto desk = connected("secretariat");
  EXPECT_FAILS_WITH(client::audit_log(*desk->session, {}), Code::forbidden);
}

// ---- P5: a broker that forges an act ---------------------------------------------------------------------------

TEST_F(AuditorTest, P5FindsAForgedOpening) {
  audit::Record forged = opening_by("ged.deux", crypto::Identity::generate());  // somebody else's key
  broker_.add_record(audit::LeafType::consultation, forged);
  EXPECT_TRUE(has(audit(), Problem::signer_unknown));
}

TEST_F(AuditorTest, P5FindsAnOpeningSignedOverSomethingElse) {
  audit::Record forged = opening_by("ged.un", world_.identity("ged.un"));
  Bytes statement = *forged.find("statement");
  statement.back() ^= 1;
  set(forged, "statement", statement);
  broker_.add_record(audit::LeafType::consultation, forged);
  EXPECT_TRUE(has(audit(), Problem::statement_forged));
}

TEST_F(AuditorTest, P5FindsAnOpeningPutIntoAnotherMembersName) {
  audit::Record forged = opening_by("ged.un", world_.identity("ged.un"));
  set(forged, "actor", as_bytes("ged.deux"));
  broker_.add_record(audit::LeafType::consultation, forged);
  EXPECT_TRUE(has(audit(), Problem::statement_contradicts));
}

TEST_F(AuditorTest, P8FindsARecordThatNamesAnotherOrganisationThanItsSenders) {
  audit::LeafType type{};
  audit::Record forged = record_of("submit", &type);
  set(forged, "organisation", as_bytes("police-89"));
  broker_.add_record(type, forged);
  const auto report = audit();
  const auto named = [](const client::Finding& finding) {
    return finding.problem == Problem::statement_contradicts && finding.subject == "organisation";
  };
  EXPECT_TRUE(std::any_of(report.findings.begin(), report.findings.end(), named)) << list(report);
}

TEST_F(AuditorTest, P5FindsARecordThatSaysSomethingElseThanWasSigned) {
  const std::vector<std::pair<std::string, Bytes>> lies = {{"motif", to_bytes("suivi")},
                                                           {"exchange", Bytes(32, 7)},
                                                           {"note", to_bytes("another note")},
                                                           {"directory", to_bytes("0")},
                                                           {"person", to_bytes("somebody")}};
  for (const auto& [field, value] : lies) {
    MemoryBroker honest = broker_;
    audit::Record forged = opening_by("ged.un", world_.identity("ged.un"));
    set(forged, field, value);
    broker_.add_record(audit::LeafType::consultation, forged);
    EXPECT_TRUE(has(audit(), Problem::statement_contradicts)) << field;
    broker_ = honest;
  }
}

TEST_F(AuditorTest, P5FindsASuspensionNoAuthoritySigned) {
  const protocol::Suspension suspension{world_.contract, "ged.un", {1}, spring};
  const auto recorded = [&](const crypto::SigningKey& key, const std::string& member) {
    audit::Note note{protocol::to_text(suspension), {}};
    audit::sign_note(note, world_.authority_set().keys[0].name, key);
    audit::Record record = audit::new_record();
    record.add("act", "publish_directory");
    record.add("outcome", "ok");
    record.add("directory", "1");
    record.add("member", member);
    record.add("statement", audit::to_text(note));
    return record;
  };
  MemoryBroker honest = broker_;
  broker_.add_record(audit::LeafType::habilitation, recorded(world_.authorities[0], "ged.un"));
  EXPECT_TRUE(audit().clean());
  broker_ = honest;
  broker_.add_record(audit::LeafType::habilitation, recorded(crypto::SigningKey::generate(), "ged.un"));
  EXPECT_TRUE(has(audit(), Problem::statement_forged));
  broker_ = honest;
  broker_.add_record(audit::LeafType::habilitation, recorded(world_.authorities[0], "ged.deux"));
  EXPECT_TRUE(has(audit(), Problem::statement_contradicts));
}

TEST_F(AuditorTest, WhatAnAuthorityOfAnEarlierVersionSignedStaysSigned) {
  auto desk = connected("auditeur");
  const crypto::SigningKey former = crypto::SigningKey::generate();
  const protocol::AuthoritySet then{1, {{"exemple.fr/ancien", audit::KeyType::ed25519, former.public_key()}}};
  audit::Note note{protocol::to_text(protocol::Suspension{world_.contract, "ged.un", {1}, spring}), {}};
  audit::sign_note(note, "exemple.fr/ancien", former);
  audit::Record record = audit::new_record();
  record.add("act", "publish_directory");
  record.add("outcome", "ok");
  record.add("directory", "1");
  record.add("member", "ged.un");
  record.add("statement", audit::to_text(note));
  broker_.add_record(audit::LeafType::habilitation, record);
  const auto forged = [&](std::vector<protocol::AuthoritySet> known) {
    client::LogAuditor auditor(desk->session->invitation().log, desk->session->directory());
    auditor.trust_authorities(std::move(known));
    for (std::uint64_t i = 0; i < broker_.size().value; ++i)
      auditor.add({LeafIndex{i}, broker_.leaf(i), audit::encode(audit::disclose_all(broker_.record(i)))});
    return has(auditor.finish(*desk->session->log().last()), Problem::statement_forged);
  };
  EXPECT_TRUE(forged({}));
  EXPECT_FALSE(forged({then}));
}

TEST_F(AuditorTest, P5FindsAnOpeningPlayedBack) {
  broker_.add_record(audit::LeafType::consultation, record_of("open"));
  EXPECT_TRUE(has(audit(), Problem::act_twice));
}

TEST_F(AuditorTest, P5FindsAnOpeningPlayedBackLater) {
  clock_.advance(std::chrono::hours(1));
  broker_.add_record(audit::LeafType::consultation, record_of("open"));
  EXPECT_TRUE(has(audit(), Problem::statement_contradicts));
}

TEST_F(AuditorTest, P5FindsAnInventedExchange) {
  audit::LeafType type{};
  audit::Record forged = record_of("submit", &type);
  set(forged, "exchange", Bytes(32, 9));
  set(forged, "number", as_bytes("3"));
  const auto last = *to_array<32>(*record_of("submit").find("head"));
  set(forged, "head", audit::queue_next({QueueNumber{2}, last}, *to_array<32>(Bytes(32, 9))).head);
  broker_.add_record(type, forged);
  const auto report = audit();
  EXPECT_TRUE(has(report, Problem::statement_forged)) << list(report);
  EXPECT_FALSE(has(report, Problem::queue_broken));
}

TEST_F(AuditorTest, P5FindsAnActOfARevokedMember) {
  ASSERT_TRUE(world_.draft().revoke("ged.un", spring + std::chrono::hours(1)).has_value());
  clock_.advance(std::chrono::hours(1));
  broker_.publish(world_.sign_version(clock_.now()));
  const auto before = audit();
  EXPECT_TRUE(before.clean()) << "what was read before the revocation: " << list(before);
  audit::Record late = opening_by("ged.un", world_.identity("ged.un"));
  broker_.add_record(audit::LeafType::consultation, late);
  EXPECT_TRUE(audit().clean()) << "the broker did not know yet, under the version before";
  late = opening_by("ged.un", world_.identity("ged.un"));
  set(late, "directory", as_bytes("2"));
  broker_.add_record(audit::LeafType::consultation, late);
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(clock_.now()));  // and version 2 is one of the past
  const auto report = audit();
  ASSERT_EQ(report.findings.size(), 1U) << list(report);
  EXPECT_EQ(report.findings[0].problem, Problem::signer_not_in_force);
  EXPECT_EQ(report.findings[0].subject, "revoked");
}

TEST_F(AuditorTest, P5FindsAKeyUsedAfterItWasReplaced) {
  const auto renewed = crypto::Identity::generate();
  ASSERT_TRUE(world_.draft().renew(protocol::make_card(renewed, spring, &world_.identity("ged.un"))).has_value());
  broker_.publish(world_.sign_version(spring));
  EXPECT_TRUE(audit().clean()) << "what was signed before the renewal";
  MemoryBroker honest = broker_;
  audit::Record under_ours = opening_by("ged.un", world_.identity("ged.un"));
  set(under_ours, "directory", as_bytes("2"));
  broker_.add_record(audit::LeafType::consultation, under_ours);
  EXPECT_TRUE(has(audit(), Problem::signer_not_in_force));
  // Under a version we do not hold, the order of the keys tells.
  broker_ = honest;
  broker_.add_record(audit::LeafType::consultation, opening_by("ged.un", renewed));
  EXPECT_TRUE(audit().clean());
  broker_.add_record(audit::LeafType::consultation, opening_by("ged.un", world_.identity("ged.un")));
  const auto report = audit();
  ASSERT_EQ(report.findings.size(), 1U) << list(report);
  EXPECT_EQ(report.findings[0].subject, "former_key");
}

TEST_F(AuditorTest, P5FindsAnActOfAMemberWhoseTimeIsOver) {
  clock_.advance(std::chrono::hours(24 * 366));
  broker_.add_record(audit::LeafType::consultation, opening_by("ged.un", world_.identity("ged.un")));
  const auto report = audit();
  ASSERT_EQ(report.findings.size(), 1U) << list(report);
  EXPECT_EQ(report.findings[0].subject, "expired");
}

TEST_F(AuditorTest, FindsAnActWithoutWhatItMustHave) {
  for (const char* field : {"key", "statement", "signature", "outcome", "act"}) {
    MemoryBroker honest = broker_;
    audit::Record forged = opening_by("ged.un", world_.identity("ged.un"));
    drop(forged, field);
    broker_.add_record(audit::LeafType::consultation, forged);
    const auto report = audit();
    EXPECT_TRUE(has(report, Problem::record_incomplete)) << field << ": " << list(report);
    broker_ = honest;
  }
}

TEST_F(AuditorTest, FindsAReadingHiddenUnderAnotherType) {
  broker_.add_record(audit::LeafType::connexion, opening_by("ged.un", world_.identity("ged.un")));
  EXPECT_TRUE(has(audit(), Problem::statement_contradicts));
}

TEST_F(AuditorTest, FindsARefusalRecordedAsGranted) {
  audit::Record refusal = opening_by("ged.un", world_.identity("ged.un"));
  set(refusal, "outcome", as_bytes("FORBIDDEN"));
  broker_.add_record(audit::LeafType::consultation, refusal);
  EXPECT_TRUE(has(audit(), Problem::statement_contradicts));
}

TEST_F(AuditorTest, AcceptsAnHonestRefusal) {
  audit::Record refusal = opening_by("ged.un", world_.identity("ged.un"));
  set(refusal, "outcome", as_bytes("FORBIDDEN"));
  broker_.add_record(audit::LeafType::refus, refusal);
  const auto report = audit();
  EXPECT_TRUE(report.clean()) << list(report);
}

// ---- P8: queues ------------------------------------------------------------------------------------------------

TEST_F(AuditorTest, P8FindsTwoRecordsWithOneNumber) {
  audit::LeafType type{};
  broker_.add_record(type, [&] {
    audit::Record twice = record_of("submit", &type);
    return twice;
  }());
  const auto report = audit();
  EXPECT_TRUE(has(report, Problem::queue_number_twice)) << list(report);
  EXPECT_TRUE(has(report, Problem::act_twice)) << list(report);
}

TEST_F(AuditorTest, P8FindsAGapAndABrokenChain) {
  for (const char* number : {"7", "3"}) {
    MemoryBroker honest = broker_;
    audit::LeafType type{};
    audit::Record record = record_of("submit", &type);
    set(record, "number", as_bytes(number));
    broker_.add_record(type, record);
    const auto report = audit();
    EXPECT_TRUE(has(report, std::string_view(number) == "7" ? Problem::queue_gap : Problem::queue_broken))
        << list(report);
    broker_ = honest;
  }
}

// ---- P7: the tree ----------------------------------------------------------------------------------------------

TEST_F(AuditorTest, P7FindsARecordThatIsNotTheLeafs) {
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* records = std::get_if<protocol::Records>(&reply);
    if (records == nullptr || records->items.size() < 3) return;
    std::swap(records->items[1].disclosure, records->items[2].disclosure);
  };
  EXPECT_TRUE(has(audit(), Problem::record_mismatch));
}

TEST_F(AuditorTest, P7FindsAFieldThatDoesNotMatchItsCommitment) {
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* records = std::get_if<protocol::Records>(&reply);
    if (records != nullptr && records->items.size() > 2) records->items[2].disclosure.back() ^= 1;
  };
  EXPECT_TRUE(has(audit(), Problem::disclosure_malformed));
}

TEST_F(AuditorTest, P7FindsALeafReplacedByAnother) {
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* records = std::get_if<protocol::Records>(&reply);
    if (records == nullptr || records->items.size() < 3) return;
    audit::Record other = audit::new_record();
    other.add("act", "hello");
    other.add("outcome", "ok");
    const audit::Leaf leaf{audit::LeafType::connexion, audit::decode_leaf(records->items[2].leaf)->time,
                           audit::record_digest(other), std::nullopt, std::nullopt};
    records->items[2].leaf = audit::encode(leaf);
    records->items[2].disclosure = audit::encode(audit::disclose_all(other));
  };
  const auto report = audit();
  EXPECT_TRUE(has(report, Problem::tree_mismatch)) << list(report);
}

TEST_F(AuditorTest, P7FindsALeafLeftOut) {
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* records = std::get_if<protocol::Records>(&reply);
    if (records != nullptr && records->items.size() > 2) records->items.erase(records->items.begin() + 2);
  };
  EXPECT_TRUE(has(audit(), Problem::leaf_missing));
}

TEST_F(AuditorTest, P7FindsALogCutShort) {
  broker_.bend = [](const protocol::Request& request, protocol::ReplyBody& reply) {
    auto* records = std::get_if<protocol::Records>(&reply);
    if (records != nullptr && std::get<protocol::GetRecords>(request.body).from.value >= 3)
      records->items.clear();
    else if (records != nullptr && records->items.size() > 3)
      records->items.resize(3);
  };
  EXPECT_TRUE(has(audit(), Problem::leaf_missing));
}

TEST_F(AuditorTest, FindsAClockThatWentBack) {
  clock_.set(spring - std::chrono::hours(1));
  broker_.add_noise_leaf();
  EXPECT_TRUE(has(audit(), Problem::time_reversed));
}

class DatedAheadTest : public AuditorTest {
 protected:
  /// An erasure of the first report's record, dated `ahead` of the clock.
  void erase(std::chrono::milliseconds ahead) {
    audit::Record erasure = audit::new_record();
    erasure.add("act", "erase");
    erasure.add("outcome", "ok");
    erasure.add("range", "2,3");
    broker_.leaves_ahead = ahead;
    broker_.add_record(audit::LeafType::effacement, std::move(erasure));
    broker_.leaves_ahead = {};
    broker_.bend = [](const protocol::Request&, protocol::ReplyBody& body) {
      if (auto* records = std::get_if<protocol::Records>(&body))
        for (protocol::RecordItem& item : records->items)
          if (item.index.value == 2) item.disclosure.clear();
    };
  }
  static const client::Finding* ahead_in(const client::AuditReport& report) {
    for (const client::Finding& finding : report.findings)
      if (finding.problem == Problem::time_ahead) return &finding;
    return nullptr;
  }
};

TEST_F(DatedAheadTest, P7AnErasureDatedAheadOfTheAuditorsClockIsNotDue) {
  erase(std::chrono::hours(24 * 220));
  const auto report = audit();
  const client::Finding* finding = ahead_in(report);
  ASSERT_NE(finding, nullptr) << list(report);
  EXPECT_EQ(finding->subject, "own");
  EXPECT_EQ(finding->ahead->latest, spring + protocol::clock_skew_max);
  EXPECT_TRUE(has(report, Problem::record_withheld)) << list(report);
  EXPECT_TRUE(report.evidence.empty()) << "no one else's clock says so";
}

TEST_F(DatedAheadTest, ALeafMayBeAheadByTheSkewAndNoMore) {
  broker_.leaves_ahead = protocol::clock_skew_max;
  broker_.add_noise_leaf();
  EXPECT_EQ(ahead_in(audit()), nullptr);
  broker_.leaves_ahead += std::chrono::milliseconds(1);
  broker_.add_noise_leaf();
  broker_.add_noise_leaf();
  const auto report = audit();
  EXPECT_EQ(report.findings.size(), 1U) << "those after it cannot but be: " << list(report);
}

TEST_F(DatedAheadTest, P7ALeafIsHeldAgainstWhenTheWitnessesCosignedIt) {
  world_.add_witnesses(2, 2);
  erase(std::chrono::hours(24 * 220));
  ASSERT_NE(ahead_in(audit()), nullptr);
  // The auditor comes when the date has come. What was cosigned then bears the witnesses' time, and this is the tree.
  broker_.witnesses_answering = 0;
  clock_.advance(std::chrono::hours(24 * 221));
  auto desk = connected("auditeur");
  const auto read = client::audit_log(*desk->session, {}, std::chrono::milliseconds(0));
  ASSERT_TRUE(read.has_value()) << why(read);
  const client::AuditReport& report = *read;
  const client::Finding* finding = ahead_in(report);
  ASSERT_NE(finding, nullptr) << list(report);
  EXPECT_EQ(finding->subject, "witnesses");
  EXPECT_EQ(finding->ahead->latest, spring + protocol::clock_skew_max);
  EXPECT_TRUE(has(report, Problem::record_withheld)) << list(report);
  const auto evidence = read_file(report.evidence, 1 << 20);
  ASSERT_TRUE(evidence.has_value());
  EXPECT_NE(as_text(*evidence).find(broker_.published().note), std::string_view::npos);
  EXPECT_NE(as_text(*evidence).find("pli-leaf/1 effacement\n"), std::string_view::npos);
}

TEST_F(DatedAheadTest, ALaterShardsCosignatureHoldsForThoseBeforeIt) {
  auto desk = connected("auditeur");
  const std::string log = desk->session->invitation().log;
  const auto first_problem = [&](const std::string& cosigned, TreeSize size) {
    client::LogAuditor auditor(log, desk->session->directory());
    auditor.witnessed_by({{{cosigned, size, spring - std::chrono::hours(1)}, "note"}});
    auditor.begin_shard(log + "/2026-1", client::LogAuditor::Begins::the_log);
    for (std::uint64_t i = 0; i < broker_.size().value; ++i)
      auditor.add({LeafIndex{i}, broker_.leaf(i), audit::encode(audit::disclose_all(broker_.record(i)))});
    const auto report = auditor.finish(*desk->session->log().last());
    const client::Finding* finding = ahead_in(report);
    return finding == nullptr ? std::optional<LeafIndex>() : finding->leaf;
  };
  EXPECT_EQ(first_problem(log + "/2026-2", {1}), LeafIndex{0});
  EXPECT_EQ(first_problem(log + "/2026-2", {0}), std::nullopt) << "an empty tree names no shard before it";
  EXPECT_EQ(first_problem(log + "/2025-1", {1}), std::nullopt);
  EXPECT_EQ(first_problem(log + "/2026-1", {1}), LeafIndex{0});
  EXPECT_EQ(first_problem(log + "/2026-1", {0}), std::nullopt);
}

TEST_F(AuditorTest, P8FindsARefusalThatNamesAnAuthorWhoIsNone) {
  const auto refuse = [&](const std::string& actor, const std::string& organisation) {
    audit::Record refusal = audit::new_record();
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"actor", actor},
                                                                                      {"person", actor},
                                                                                      {"organisation", organisation},
                                                                                      {"act", "prove"},
                                                                                      {"outcome", "FORBIDDEN"},
                                                                                      {"rule", "interdit.auteur"}})
      refusal.add(name, value);
    refusal.add("exchange", id_);
    broker_.add_record(audit::LeafType::refus, std::move(refusal));
    return has(audit(), Problem::refusal_unfounded);
  };
  EXPECT_FALSE(refuse("r.bellerive", "bellerive"));
  EXPECT_FALSE(refuse("m.bellerive", "bellerive")) << "his organisation's";
  EXPECT_TRUE(refuse("ged.un", "police-89"));
  EXPECT_TRUE(refuse("ged.un", "bellerive")) << "the directory says whose he is";
}

TEST_F(AuditorTest, P8FindsARefusalForARecusalThatNeverWas) {
  audit::Record refusal = audit::new_record();
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"actor", "ged.un"},
                                                                                    {"person", "ged.un"},
                                                                                    {"organisation", "police-89"},
                                                                                    {"act", "open"},
                                                                                    {"outcome", "FORBIDDEN"},
                                                                                    {"rule", "interdit.recuse"}})
    refusal.add(name, value);
  refusal.add("exchange", id_);
  broker_.add_record(audit::LeafType::refus, std::move(refusal));
  EXPECT_TRUE(has(audit(), Problem::refusal_unfounded));
}

TEST_F(AuditorTest, P8ARefusalInALinkedCaseIsComparedWithTheCaseThatItCameFrom) {
  const Digest linked{7};
  const auto accepted = [&](const Digest& exchange, const Digest& case_id, std::string_view kind,
                            const std::string& person, const std::string& organisation) {
    audit::Record record = record_of("submit");
    set(record, "exchange", exchange);
    drop(record, "case");
    record.add("case", case_id);
    set(record, "kind", as_bytes(kind));
    set(record, "person", as_bytes(person));
    set(record, "organisation", as_bytes(organisation));
    broker_.add_record(audit::LeafType::transfert, std::move(record));
  };
  const auto refuse = [&](const std::string& actor, const std::string& rule, const Digest& exchange) {
    const MemoryBroker before = broker_;
    audit::Record refusal = audit::new_record();
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"actor", actor}, {"person", actor}, {"act", "open"}, {"outcome", "FORBIDDEN"}, {"rule", rule}})
      refusal.add(name, value);
    refusal.add("exchange", exchange);
    refusal.add("case", linked);
    broker_.add_record(audit::LeafType::refus, std::move(refusal));
    const bool found = has(audit(), Problem::refusal_unfounded);
    broker_ = before;
    return found;
  };
  accepted(linked, id_, "transmission", "secretariat", "prefecture-89");
  EXPECT_FALSE(refuse("m.bellerive", "interdit.auteur", linked));
  EXPECT_FALSE(refuse("m.bellerive", "interdit.auteur", id_));
  EXPECT_TRUE(refuse("ged.un", "interdit.auteur", linked));
  EXPECT_TRUE(refuse("secretariat", "interdit.auteur", linked)) << "who passed it on is not its author";
  EXPECT_TRUE(refuse("ged.deux", "interdit.recuse", id_));
  accepted(Digest{8}, id_, "recusation", "ged.deux", "gendarmerie-89");
  EXPECT_FALSE(refuse("ged.deux", "interdit.recuse", linked)) << "from where it came from";
  accepted(Digest{9}, linked, "recusation", "clir.un", "finances-89");
  EXPECT_FALSE(refuse("clir.un", "interdit.recuse", id_)) << "of the report, asked for there";
  EXPECT_TRUE(refuse("ged.un", "interdit.recuse", linked));
}

TEST_F(AuditorTest, FindsADirectoryThatSkipsRepeatsOrContradicts) {
  audit::Record record = audit::new_record();
  record.add("act", "publish_directory");
  record.add("outcome", "ok");
  MemoryBroker honest = broker_;
  broker_.add_record(audit::LeafType::habilitation, record, audit::DirectoryReference{DirectoryNumber{3}, Digest{1}});
  EXPECT_TRUE(has(audit(), Problem::directory_discontinuous));
  broker_ = honest;
  broker_.add_record(audit::LeafType::habilitation, record, audit::DirectoryReference{DirectoryNumber{1}, Digest{1}});
  EXPECT_TRUE(has(audit(), Problem::directory_discontinuous));
  EXPECT_TRUE(has(audit(), Problem::directory_contradicts));
}

// ---- P8, P10: several shards -------------------------------------------------------------------------------------

class AuditedShardsTest : public AuditorTest {
 protected:
  /// `backup` is brought back in place of broker_, by the authorities' order.
  void restore(MemoryBroker& backup) {
    const std::string lost = broker_.checkpoint();
    backup.roll_back(lost, world_.sign_order(backup.order_over(lost, "2026-2")), "2026-2");
    shown_ = &backup;
  }
  client::AuditReport audit_by(Desk& desk) {
    auto connected_again = connect(desk);
    EXPECT_TRUE(connected_again.has_value()) << why(connected_again);
    auto report = client::audit_log(*desk.session, {}, std::chrono::milliseconds(0));
    EXPECT_TRUE(report.has_value()) << why(report);
    return report ? std::move(*report) : client::AuditReport{};
  }
};

TEST_F(AuditedShardsTest, P8ReadsEveryShardFromTheFirstAndTheQueuesGoOn) {
  auto desk = connected("auditeur");
  for (const char* next : {"2027-1", "2027-2"}) {
    broker_.end_shard(next);
    static_cast<void>(somebody_sends("r.bellerive", report()));
  }
  const auto fresh = audit();
  EXPECT_TRUE(fresh.clean()) << list(fresh);
  ASSERT_EQ(fresh.shards.size(), 3U);
  EXPECT_EQ(fresh.shards[0].origin, world_.log + "/2026-1");
  EXPECT_EQ(fresh.shards[1].origin, world_.log + "/2027-1");
  EXPECT_EQ(fresh.shards[2].size, fresh.size);
  EXPECT_EQ(fresh.shards[2].checkpoint, fresh.checkpoint);
  EXPECT_FALSE(fresh.shards[0].rolled_back);
  EXPECT_EQ(fresh.records, fresh.shards[0].size.value + fresh.shards[1].size.value + fresh.size.value);
  EXPECT_EQ(fresh.signatures, 5U);
  const auto known = audit_by(*desk);
  EXPECT_TRUE(known.clean()) << list(known);
}

TEST_F(AuditedShardsTest, NamesTheShardOfEachRecordAndFinding) {
  audit::LeafType type{};
  const audit::Record twice = record_of("submit", &type);
  broker_.end_shard("2027-1");
  broker_.add_record(type, twice);
  const auto report = audit();
  ASSERT_TRUE(has(report, Problem::act_twice)) << "accepted in the shard before, and again: " << list(report);
  for (const client::Finding& finding : report.findings) EXPECT_EQ(finding.shard, world_.log + "/2027-1");
  auto desk = connected("auditeur");
  std::vector<std::string> shards;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  ASSERT_TRUE(client::audit_log(
                  *desk->session, [&](const client::AuditedRecord& record) { shards.push_back(record.shard); },
                  std::chrono::milliseconds(0), {},
                  [&](std::uint64_t read, std::uint64_t all) {
                    done = read;
                    total = all;
                  })
                  .has_value());
  EXPECT_EQ(shards.front(), "2026-1");
  EXPECT_EQ(shards.back(), "2027-1");
  EXPECT_EQ(done, shards.size());
  EXPECT_EQ(done, total);
}

TEST_F(AuditedShardsTest, P10WhatARollbackGaveUpIsTakenAgainAndIsNoFinding) {
  auto sender = connected("r.clairval");
  auto auditor = connected("auditeur");
  MemoryBroker backup = broker_;
  const auto lost = send_report(*sender, report());
  broker_.publish(world_.sign_version(spring));
  const auto before = audit_by(*auditor);
  EXPECT_TRUE(before.clean()) << list(before);
  restore(backup);
  const auto behind = audit_by(*auditor);
  EXPECT_TRUE(behind.clean()) << "under the version before, by order: " << list(behind);
  ASSERT_TRUE(connect(*sender).has_value());
  ASSERT_TRUE(client::Outbox(sender->profile, clock_).flush(*sender->session).has_value());
  ASSERT_EQ(backup.accepted(lost), 1U);
  for (const bool fresh : {false, true}) {
    auto other = desk("auditeur");
    const auto report = audit_by(fresh ? *other : *auditor);
    EXPECT_TRUE(report.clean()) << list(report);
    ASSERT_EQ(report.shards.size(), 2U);
    EXPECT_TRUE(report.shards[0].rolled_back);
    EXPECT_FALSE(report.shards[1].rolled_back);
  }
}

TEST_F(AuditedShardsTest, P10FindsAShardThatIsNotShown) {
  broker_.end_shard("2027-1");
  static_cast<void>(somebody_sends("r.bellerive", report()));
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::GetShard>(request.body)) return std::nullopt;
    return protocol::ReplyBody(protocol::Refusal{Code::not_found, "", 0});
  };
  const auto unended = audit();
  ASSERT_EQ(unended.findings.size(), 1U) << "and no queue is blamed for it: " << list(unended);
  EXPECT_EQ(unended.findings[0].problem, Problem::shard_missing);
  EXPECT_EQ(unended.findings[0].shard, world_.log + "/2026-1");
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* records = std::get_if<protocol::GetRecords>(&request.body);
    if (records == nullptr || records->shard != world_.log + "/2026-1") return std::nullopt;
    return protocol::ReplyBody(protocol::Refusal{Code::not_found, "", 0});
  };
  const auto unread = audit();
  EXPECT_TRUE(has(unread, Problem::shard_missing)) << list(unread);
  EXPECT_TRUE(has(unread, Problem::leaf_missing)) << list(unread);
}

TEST_F(AuditedShardsTest, P10FindsAShardDeniedByWhatComesAfterIt) {
  auto seen = connected("auditeur");
  broker_.end_shard("2027-1");
  ASSERT_TRUE(connect(*seen).has_value());
  // The log's key signs a tree of its own beginning: only who has seen the shard before can tell.
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* records = std::get_if<protocol::Records>(&reply);
    if (records == nullptr || records->items.empty() || records->items[0].index.value != 0) return;
    auto leaf = *audit::decode_leaf(records->items[0].leaf);
    if (leaf.statement && leaf.statement->starts_with("shard ")) {
      leaf.statement = "first leaf of " + world_.log + "/2027-1";
      records->items[0].leaf = audit::encode(leaf);
    }
  };
  const auto report = audit_by(*seen);
  EXPECT_TRUE(has(report, Problem::shard_step_broken)) << list(report);
}

TEST_F(AuditedShardsTest, P10FindsALogThatBeginsWithoutSayingSo) {
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* records = std::get_if<protocol::Records>(&reply);
    if (records == nullptr || records->items.empty() || records->items[0].index.value != 0) return;
    auto leaf = *audit::decode_leaf(records->items[0].leaf);
    leaf.statement.reset();
    records->items[0].leaf = audit::encode(leaf);
  };
  EXPECT_TRUE(has(audit(), Problem::shard_missing));
}

TEST_F(AuditedShardsTest, P10FindsEveryForgedStep) {
  using Lie = std::function<void(MemoryBroker & backup, protocol::ShardReply & reply)>;
  const std::vector<std::pair<const char*, Lie>> lies = {
      {"no order", [](MemoryBroker&, protocol::ShardReply& reply) { reply.order.clear(); }},
      {"nothing lost",
       [](MemoryBroker&, protocol::ShardReply& reply) {
         reply.order.clear();
         reply.last_known.clear();
       }},
      {"too few signatures",
       [&](MemoryBroker&, protocol::ShardReply& reply) {
         const auto order = protocol::parse_rollback_order(audit::parse_note(reply.order)->text);
         reply.order = world_.sign_order(*order, 1);
       }},
      {"a closing checkpoint of another tree",
       [&](MemoryBroker&, protocol::ShardReply& reply) {
         const TreeSize size = audit::parse_tree_head(audit::parse_note(reply.closed)->text)->size;
         reply.closed = audit::sign_checkpoint({world_.log + "/2026-1", size, Digest{7}}, world_.log_key);
       }},
      {"a closing checkpoint nobody signed",
       [](MemoryBroker&, protocol::ShardReply& reply) { reply.closed[reply.closed.size() - 9] ^= 1; }},
      {"another leaf than the first",
       [](MemoryBroker& backup, protocol::ShardReply& reply) {
         backup.add_noise_leaf();
         reply.first = backup.prove(LeafIndex{1}, {"act"});
       }},
  };
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  restore(backup);
  for (const auto& [name, lie] : lies) {
    backup.bend = [&, lie = lie](const protocol::Request&, protocol::ReplyBody& reply) {
      if (auto* shard = std::get_if<protocol::ShardReply>(&reply)) lie(backup, *shard);
    };
    const auto report = audit();
    EXPECT_TRUE(has(report, Problem::shard_step_broken)) << name << ": " << list(report);
  }
  backup.bend = {};
  const auto report = audit();
  EXPECT_TRUE(report.clean()) << list(report);
}

TEST_F(AuditedShardsTest, P10FindsAShardThatEndsOtherwiseThanWasSeen) {
  auto seen = connected("auditeur");
  MemoryBroker other = broker_;
  broker_.end_shard("2027-1");
  other.add_noise_leaf();
  other.end_shard("2027-1");
  ASSERT_TRUE(connect(*seen).has_value());
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::GetShard>(request.body)) return std::nullopt;
    return other.handle(seen->keys.current.public_identity().curve, request);
  };
  auto report = client::audit_log(*seen->session, {}, std::chrono::milliseconds(0));
  // Its signed first leaf is another one under the same index: the log has forked, and that is an alarm besides.
  EXPECT_FAILS_WITH(report, LocalCode::log_forked);
}

TEST_F(AuditedShardsTest, P10AnOrderIsOfThoseWhoWereAuthoritiesThen) {
  auto present = connected("auditeur");
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  restore(backup);
  EXPECT_TRUE(audit_by(*present).clean());
  const auto names = world_.authority_set();
  const std::vector<crypto::SigningKey> before = std::move(world_.authorities);
  world_.authorities.clear();
  for (std::size_t i = 0; i < before.size(); ++i) world_.authorities.push_back(crypto::SigningKey::generate());
  SignedVersion version = world_.sign_version(clock_.now());
  audit::Note note = *audit::parse_note(version.note);
  for (std::size_t i = 0; i < names.threshold; ++i) audit::sign_note(note, names.keys[i].name, before[i]);
  version.note = audit::to_text(note);
  backup.publish(version);
  const auto known = audit_by(*present);
  EXPECT_TRUE(known.clean()) << list(known);
  EXPECT_EQ(present->session->directory().number(), DirectoryNumber{2});
  auto newcomer = desk("auditeur");
  const auto unknown = audit_by(*newcomer);
  ASSERT_EQ(unknown.findings.size(), 1U) << list(unknown);
  EXPECT_EQ(unknown.findings[0].problem, Problem::shard_step_broken);
  EXPECT_EQ(unknown.findings[0].shard, world_.log + "/2026-2");
}

TEST_F(AuditedShardsTest, P10ComparesAnEndWithTheOneThisProfileSaw) {
  auto seen = connected("auditeur");
  broker_.end_shard("2027-1");
  ASSERT_TRUE(connect(*seen).has_value());
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* shard = std::get_if<protocol::ShardReply>(&reply);
    if (shard == nullptr) return;
    const TreeSize size = audit::parse_tree_head(audit::parse_note(shard->closed)->text)->size;
    shard->closed = audit::sign_checkpoint({world_.log + "/2026-1", size, Digest{7}}, world_.log_key);
  };
  const auto report = audit_by(*seen);
  const auto told = [&](std::string_view subject) {
    return std::any_of(report.findings.begin(), report.findings.end(), [&](const client::Finding& finding) {
      return finding.problem == Problem::shard_step_broken && finding.subject == subject;
    });
  };
  EXPECT_TRUE(told("step")) << list(report);
  EXPECT_TRUE(told("closed")) << list(report);
  EXPECT_TRUE(has(report, Problem::tree_mismatch)) << list(report);
}

TEST_F(AuditedShardsTest, FindsAnErasureOfAnOlderShardBySayingWhich) {
  auto desk = connected("auditeur");
  const std::string older = broker_.origin();
  const std::uint64_t size = broker_.size().value;
  const UnixMillis last = audit::decode_leaf(broker_.leaf(size - 1))->time;
  const auto checkpoint = *desk->session->log().last();
  const auto read = [&](const std::optional<std::string>& shard) {
    client::LogAuditor auditor(desk->session->invitation().log, desk->session->directory());
    auditor.begin_shard(older, client::LogAuditor::Begins::the_log);
    for (std::uint64_t i = 0; i < size; ++i) auditor.add({LeafIndex{i}, broker_.leaf(i), {}});
    auditor.end_shard(checkpoint, false);
    auditor.begin_shard(world_.log + "/2027-1", client::LogAuditor::Begins::unknown);
    audit::Record erasure = audit::new_record();
    erasure.add("act", "erase");
    erasure.add("outcome", "ok");
    erasure.add("range", "0," + std::to_string(size));
    if (shard) erasure.add("shard", *shard);
    audit::Leaf leaf;
    leaf.type = audit::LeafType::effacement;
    leaf.time = last + std::chrono::hours(24 * 220);
    leaf.record = audit::record_digest(erasure);
    auditor.add({LeafIndex{0}, audit::encode(leaf), audit::encode(audit::disclose_all(erasure))});
    return auditor.finish(checkpoint);
  };
  EXPECT_FALSE(has(read(older), Problem::record_withheld));
  EXPECT_TRUE(has(read(std::nullopt), Problem::record_withheld)) << "the places of its own shard";
  EXPECT_TRUE(has(read(world_.log + "/2027-1"), Problem::record_withheld)) << "another shard's";
}

TEST_F(AuditedShardsTest, ALogHasSoManyShardsAndNoMore) {
  const auto end = [&](std::size_t year) { broker_.end_shard(std::to_string(2027 + year) + "-1"); };
  for (std::size_t year = 0; year + 1 < client::shards_audited_max; ++year) end(year);
  const auto report = audit();
  EXPECT_TRUE(report.clean()) << list(report);
  EXPECT_EQ(report.shards.size(), client::shards_audited_max);
  end(client::shards_audited_max);
  auto desk = connected("auditeur");
  EXPECT_FAILS_WITH(client::audit_log(*desk->session, {}, std::chrono::milliseconds(0)), LocalCode::receipt_invalid);
}

}  // namespace
}  // namespace pli::testing
