// Erasure of cases (P9): at their term, early, delayed and held; in the live store at once, in a backup with its lease.
#include <algorithm>
#include <filesystem>

#include "base/file.hpp"
#include "broker/record_fields.hpp"
#include "broker/store_copy.hpp"
#include "broker/store_terms.hpp"
#include "crypto/age_open.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/secret_box.hpp"
#include "protocol/case_life.hpp"
#include "protocol/statistics.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;
using protocol::month_start;

constexpr std::chrono::milliseconds day = 24h;
/// Of a closed case, what its instance holds: report, finding, agenda, evaluation, decision, closing.
constexpr std::size_t of_the_instance = 6;

class Terms : public CoreTest {
 protected:
  Terms() : CoreTest(with_parquet()) {}
  static DepartmentOptions with_parquet() {
    DepartmentOptions options = small();
    options.ged_members = 2;
    return options;
  }

  std::string org() const { return department.organisation_queue("referent.auxerre"); }

  /// A whole case, 12 January 2026: report, decision, retour.
  struct Case {
    Sealed report, decision, retour;
  };
  Case answered(bool in_scope = true) {
    Case out{accept({}), {}, {}};
    EXPECT_EQ(refusal_in(open("secretariat", out.report.id)), "");
    out.decision = decide(out.report.id, "ged/89", in_scope);
    Draft retour = step(Kind::retour, "secretariat", org(), out.report.id);
    retour.content = Bytes(100);
    out.retour = accept_retour(retour);
    return out;
  }
  Sealed accept_retour(Draft draft) { return accept(draft); }
  broker::ExchangeNumber number_of(const Digest& id) { return house.store().find_exchange(id)->number; }
  /// Out of scope by its finding, the others by what their closing says.
  Case closed(protocol::TermClass term = protocol::TermClass::bref) {
    const bool in_scope = term != protocol::TermClass::bref;
    Case out = answered(in_scope);
    Draft closing = step(Kind::cloture, "secretariat", "ged/89", out.report.id);
    closing.attributes = {{"terme", in_scope ? std::string(protocol::text_of(term)) : "ordinaire"}};
    accept(closing);
    return out;
  }
  /// A tick at that time; the directory is kept in force.
  void at(UnixMillis time) {
    // By steps that leave no clock behind: leases are made each week.
    while (house.now + 7 * day < time) {
      house.now = house.now + 7 * day;
      house.tick();
    }
    house.now = time;
    house.tick();
    EXPECT_EQ(refusal_in(publish(department.renew_term(house.now + 29 * day))), "");
  }
  bool is_erased(const Digest& id) {
    const auto row = house.store().find_exchange(id);
    EXPECT_TRUE(row.has_value()) << "the tombstone stays";
    if (!row || !row->erased) return false;
    EXPECT_TRUE(row->address.empty() && row->seal.empty());
    EXPECT_TRUE(house.store().access(row->number).empty());
    return true;
  }
  /// What stands in the data folder: database, WAL, whatever else.
  static bool holds(const std::filesystem::path& folder, const Sealed& sealed) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      const auto bytes = read_file(entry.path(), 64U << 20U);
      EXPECT_TRUE(bytes.has_value());
      const ByteView needle = ByteView(sealed.envelope.payload).subspan(32, 48);
      const ByteView sign = sealed.envelope.signature;
      for (const ByteView what : {needle, sign, ByteView(sealed.envelope.seal)})
        if (std::search(bytes->begin(), bytes->end(), what.begin(), what.end()) != bytes->end()) return true;
    }
    return false;
  }
  bool live_store_holds(const Sealed& sealed) { return holds(house.database().parent_path(), sealed); }

  protocol::ReplyBody certificate(const std::string& member, const Digest& exchange) {
    return house.ask(member, protocol::Prove{exchange, std::nullopt, {}, false, true});
  }
  std::optional<protocol::CaseItem> listed(const std::string& member, const Digest& id) {
    const auto reply = house.ask(member, protocol::ListCases{});
    EXPECT_EQ(refusal_in(reply), "");
    for (const protocol::CaseItem& item : std::get<protocol::Cases>(reply).items)
      if (item.case_id == id) return item;
    return std::nullopt;
  }
  static std::string text(const audit::Disclosure& record, const char* field) {
    const Bytes* value = record.find(field);
    return value == nullptr ? std::string() : std::string(as_text(*value));
  }
};

TEST_F(Terms, P9AtTheTermItIsDeadAtOnceInTheLiveStoreAndTheTombstoneStays) {
  const Case dossier = closed();
  const Case other = closed(protocol::TermClass::court);
  at(month_start(202604) - 15 * day);
  EXPECT_FALSE(listed("secretariat", dossier.report.id)->noticed);
  at(month_start(202604) - 14 * day);
  EXPECT_TRUE(listed("secretariat", dossier.report.id)->noticed);
  EXPECT_EQ(listed("secretariat", dossier.report.id)->term, month_start(202604));
  EXPECT_FALSE(listed("secretariat", other.report.id)->noticed);
  EXPECT_EQ(house.core().health(house.now).terms_noticed, 1U);
  at(month_start(202604) - 1ms);
  EXPECT_FALSE(is_erased(dossier.report.id));
  ASSERT_TRUE(live_store_holds(dossier.report)) << "the search is one that finds";
  at(month_start(202604));
  EXPECT_TRUE(is_erased(dossier.report.id));
  EXPECT_TRUE(is_erased(dossier.decision.id));
  EXPECT_FALSE(is_erased(other.report.id));
  EXPECT_FALSE(live_store_holds(dossier.report));
  EXPECT_FALSE(live_store_holds(dossier.decision));
  EXPECT_TRUE(live_store_holds(other.report));
  EXPECT_EQ(listed("secretariat", dossier.report.id)->state, "efface");
  EXPECT_EQ(house.core().health(house.now).terms_noticed, 0U);
  EXPECT_EQ(refusal_in(open("ged.1", dossier.report.id)), "ERASED(terme)");
  expect_whole();
  house.restart();
  house.tick();
  expect_whole();

  // Its copy at the commune's follows the commune's schedule.
  EXPECT_FALSE(is_erased(dossier.retour.id));
  at(month_start(202607));
  EXPECT_TRUE(is_erased(dossier.retour.id));
  EXPECT_TRUE(is_erased(other.retour.id));
  EXPECT_TRUE(is_erased(other.report.id));
  expect_whole();
}

TEST_F(Terms, P9TheCertificateVerifiesWithTheLogsKeyAloneAndHasBothDates) {
  const Case dossier = closed();
  EXPECT_EQ(refusal_in(certificate("ged.1", dossier.report.id)), "INVALID(erasure)");
  at(month_start(202604) - 14 * day);
  at(month_start(202604));
  const auto reply = certificate("ged.1", dossier.report.id);
  ASSERT_EQ(refusal_in(reply), "");
  const audit::Receipt receipt = verified(std::get<protocol::Proven>(reply).proof);
  EXPECT_EQ(receipt.leaf.type, audit::LeafType::effacement);
  EXPECT_EQ(text(receipt.record, "act"), "erase_exchange");
  EXPECT_EQ(text(receipt.record, "outcome"), "ok");
  ASSERT_NE(receipt.record.find("exchange"), nullptr);
  EXPECT_TRUE(equal(*receipt.record.find("exchange"), dossier.report.id));
  EXPECT_EQ(text(receipt.record, "erased"), std::to_string(month_start(202604).value));
  EXPECT_EQ(text(receipt.record, "backups"), std::to_string((month_start(202604) + 35 * day).value));
  EXPECT_EQ(receipt.leaf.time, month_start(202604));
  // Whom it was not sealed to, whoever sent it, and whoever is no party: no certificate, and all alike.
  EXPECT_EQ(refusal_in(certificate("referent.auxerre", dossier.report.id)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(certificate("clir.1", dossier.report.id)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(certificate("ged.1", Digest{})), "NOT_FOUND");
}

TEST_F(Terms, P9WhatASenderIsAnsweredDoesNotTellThatTheInstanceErasedIt) {
  const Case brief = closed(protocol::TermClass::bref);
  const Case long_kept = closed(protocol::TermClass::ordinaire);
  at(month_start(202604) - 14 * day);
  at(month_start(202604));
  ASSERT_TRUE(is_erased(brief.report.id));
  ASSERT_FALSE(is_erased(long_kept.report.id));
  const auto answers = [&](const Case& dossier, const std::string& member) {
    std::vector<std::string> out;
    out.push_back(refusal_in(house.ask(member, protocol::Prove{dossier.report.id})));
    out.push_back(refusal_in(certificate(member, dossier.report.id)));
    out.push_back(refusal_in(open(member, dossier.report.id)));
    out.push_back(refusal_in(house.ask(member, dossier.report.verified())));
    broker::GateRefusal stale{{protocol::Code::stale_directory, {}, 0}, "submit", dossier.report.id};
    out.push_back(refusal_in(house.ask(member, stale)));
    Draft complement = step(Kind::complement, member, "ged/89", dossier.report.id);
    complement.in_reply_to = dossier.report.id;
    out.push_back(refusal_in(house.ask(member, department.seal(complement).verified())));
    const auto item = listed(member, dossier.report.id);
    if (item) {
      out.push_back(item->state + " " + std::to_string(item->term.value) + " " + std::to_string(item->noticed) + " " +
                    std::to_string(item->held) + " " + std::to_string(item->exchanges) + " " +
                    std::to_string(item->updated_at.value));
    }
    return out;
  };
  for (const char* member : {"referent.auxerre", "maire.auxerre"})
    EXPECT_EQ(answers(brief, member), answers(long_kept, member)) << member;
  EXPECT_EQ(answers(brief, "referent.auxerre").front(), "") << "what he sent is proven on";
  EXPECT_EQ(listed("referent.auxerre", brief.report.id)->term, month_start(202607));
}

TEST_F(Terms, AMemberIsProvenThatAPlaceIsEmptyBecauseItWasErased) {
  const Case dossier = closed();
  at(month_start(202604) - 14 * day);
  at(month_start(202604));
  const auto reply = house.ask("ged.2", protocol::List{"ged/89", {}, 10});
  ASSERT_EQ(refusal_in(reply), "");
  const auto& items = std::get<protocol::Items>(reply).items;
  ASSERT_EQ(items.size(), of_the_instance);
  EXPECT_FALSE(items[0].visible);
  EXPECT_EQ(items[0].exchange, dossier.report.id);
  EXPECT_EQ(refusal_in(house.ask("ged.2", protocol::Prove{dossier.report.id})), "") << "its place is in the log";
  EXPECT_EQ(refusal_in(certificate("ged.2", dossier.report.id)), "");
}

TEST_F(Terms, P8WhoRecusedHimselfIsProvenTheErasureThatTookHisRecusalAlong) {
  const Sealed report = accept({});
  const Sealed recusal = accept(step(Kind::recusation, "ged.1", "ged/89", report.id));
  EXPECT_EQ(refusal_in(certificate("ged.1", report.id)), "INVALID(erasure)");
  accept(step(Kind::retrait, "referent.auxerre", "ged/89", report.id));
  house.tick();
  ASSERT_TRUE(is_erased(recusal.id));
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Prove{report.id})), "FORBIDDEN(interdit.recuse)");
  EXPECT_EQ(refusal_in(certificate("ged.1", report.id)), "");
  EXPECT_EQ(refusal_in(certificate("clir.1", report.id)), "NOT_FOUND");
}

TEST_F(Terms, P9UnreadItWaitsThirtyDaysFromTheNotice) {
  // No road closes what nobody has read; the delay is there for whatever a broker of before has closed.
  Case dossier{accept({}), {}, {}};
  {
    auto tx = house.store().begin();
    ASSERT_TRUE(tx.has_value());
    const auto number = number_of(dossier.report.id);
    broker::CaseRow row = house.store().case_file(number).value();
    row.state = static_cast<std::uint8_t>(protocol::CaseState::clos);
    row.out_of_scope = true;
    tx->update_case(row);
    broker::CaseTermRow end = house.store().case_term(number);
    end.closed_at = house.now;
    tx->set_case_term(end);
    ASSERT_TRUE(tx->commit().has_value());
  }
  at(month_start(202604) - 14 * day);
  const UnixMillis noticed = house.now;
  EXPECT_EQ(listed("secretariat", dossier.report.id)->term, noticed + 30 * day);
  at(month_start(202604));
  at(noticed + 30 * day - 1ms);
  EXPECT_FALSE(is_erased(dossier.report.id));
  at(noticed + 30 * day);
  EXPECT_TRUE(is_erased(dossier.report.id));
}

TEST_F(Terms, P9TwoPersonsHoldItAndOneAloneDoesNot) {
  const Case alone = closed();
  const Case held = closed();
  at(month_start(202604) - 14 * day);
  EXPECT_EQ(refusal_in(publish(department.enrol("procureur", "tj.auxerre", {protocol::Role::parquet}, {"ged/89"}))),
            "");
  const auto hold = [&](const Case& dossier, const char* member) {
    Draft draft = step(Kind::maintien, member, "ged/89", dossier.report.id);
    draft.attributes = {{"code", "procedure"}};
    return accept(draft);
  };
  hold(alone, "secretariat");
  hold(held, "secretariat");
  house.now = house.now + 1h;
  hold(held, "procureur");
  EXPECT_TRUE(listed("secretariat", held.report.id)->held);
  EXPECT_FALSE(listed("secretariat", alone.report.id)->held);
  at(month_start(202604));
  EXPECT_TRUE(is_erased(alone.report.id));
  EXPECT_FALSE(is_erased(held.report.id));
  const UnixMillis until = month_start(202604) - 14 * day + 90 * day;
  at(until - 1ms);
  EXPECT_FALSE(is_erased(held.report.id));
  at(until);
  EXPECT_TRUE(is_erased(held.report.id)) << "not renewed";
  EXPECT_TRUE(is_erased(held.retour.id) == false || house.now >= month_start(202607))
      << "the commune's goes its own way";
  expect_whole();
}

TEST_F(Terms, P9TwoPersonsEraseItEarlyWithEverythingThatWasSent) {
  const Case dossier = answered();
  EXPECT_EQ(refusal_in(publish(department.enrol("procureur", "tj.auxerre", {protocol::Role::parquet}, {"ged/89"}))),
            "");
  const auto request = [&](const char* member) {
    Draft draft = step(Kind::demande_effacement, member, "ged/89", dossier.report.id);
    draft.attributes = {{"code", "droit_des_personnes"}};
    return department.seal(draft);
  };
  EXPECT_EQ(refusal_in(submit(request("ged.1"))), "FORBIDDEN(defaut)");
  EXPECT_EQ(refusal_in(submit(request("referent.auxerre"))), "FORBIDDEN(interdit.auteur)");
  const Sealed first = request("secretariat");
  EXPECT_EQ(refusal_in(submit(first)), "");
  EXPECT_EQ(refusal_in(submit(request("secretariat"))), "") << "again, and still one person";
  house.tick();
  EXPECT_FALSE(is_erased(dossier.report.id));
  EXPECT_EQ(refusal_in(submit(request("procureur"))), "");
  house.tick();
  EXPECT_TRUE(is_erased(dossier.report.id));
  EXPECT_TRUE(is_erased(dossier.decision.id));
  EXPECT_TRUE(is_erased(dossier.retour.id)) << "whoever holds it";
  EXPECT_TRUE(is_erased(first.id));
  EXPECT_FALSE(live_store_holds(dossier.report));
  EXPECT_EQ(refusal_in(open("referent.auxerre", dossier.retour.id)), "ERASED(terme)");
  EXPECT_EQ(refusal_in(certificate("referent.auxerre", dossier.retour.id)), "");
  EXPECT_EQ(refusal_in(certificate("referent.auxerre", dossier.report.id)), "NOT_FOUND");
  // Nothing is added to what is gone.
  Draft late = step(Kind::maintien, "secretariat", "ged/89", dossier.report.id);
  late.attributes = {{"code", "recours"}};
  EXPECT_EQ(refusal_in(submit(department.seal(late))), "ILLEGAL_TRANSITION(efface,maintien)");
  expect_whole();
}

TEST_F(Terms, P9WhatWasTakenBackUnreadGoesAtTheNextTickAndAHoldStandsBeforeIt) {
  EXPECT_EQ(refusal_in(publish(department.enrol("procureur", "tj.auxerre", {protocol::Role::parquet}, {"ged/89"}))),
            "");
  const Sealed report = accept({});
  const Sealed held = accept({});
  for (const char* member : {"secretariat", "procureur"}) {
    Draft draft = step(Kind::maintien, member, "ged/89", held.id);
    draft.attributes = {{"code", "procedure"}};
    accept(draft);
  }
  const Sealed retrait = accept(step(Kind::retrait, "referent.auxerre", "ged/89", report.id));
  accept(step(Kind::retrait, "referent.auxerre", "ged/89", held.id));
  EXPECT_EQ(listed("referent.auxerre", report.id)->term, house.now);
  EXPECT_EQ(broker::read_terms(house.database(), {}, house.now)->lines.size(), 2U);
  house.tick();
  EXPECT_TRUE(is_erased(report.id));
  EXPECT_TRUE(is_erased(retrait.id));
  EXPECT_FALSE(is_erased(held.id));
  EXPECT_FALSE(live_store_holds(report));
  EXPECT_EQ(refusal_in(certificate("ged.1", report.id)), "");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "ERASED(terme)");
  EXPECT_EQ(listed("secretariat", report.id)->state, "efface");
  at(month_start(202604));
  EXPECT_FALSE(is_erased(held.id));
  at(month_start(202605));
  EXPECT_TRUE(is_erased(held.id)) << "not renewed";
  expect_whole();
}

TEST_F(Terms, P9WhatIsClosedWithoutARetourIsCountedFromItsClosingAndItsCopiesFromTheErasure) {
  const Sealed report = accept({});
  EXPECT_EQ(refusal_in(open("secretariat", report.id)), "");
  const Sealed demand = accept(step(Kind::demande_de_complement, "secretariat", org(), report.id));
  decide(report.id);
  accept(step(Kind::report_du_retour, "secretariat", "ged/89", report.id));
  Draft closing = step(Kind::cloture, "secretariat", "ged/89", report.id);
  closing.attributes = {{"terme", "court"}};
  accept(closing);
  EXPECT_EQ(listed("referent.auxerre", report.id)->term, UnixMillis{}) << "it is told of no closing";
  EXPECT_EQ(listed("referent.auxerre", report.id)->state, "en_cours_d_examen");
  at(month_start(202607) - 14 * day);
  at(month_start(202607));
  EXPECT_TRUE(is_erased(report.id));
  EXPECT_EQ(listed("referent.auxerre", report.id)->state, "examen_termine");
  EXPECT_EQ(listed("referent.auxerre", report.id)->term, month_start(202701));
  EXPECT_FALSE(is_erased(demand.id));
  at(month_start(202701));
  EXPECT_TRUE(is_erased(demand.id));
  expect_whole();
}

TEST_F(Terms, P9AHoldStandsBeforeAnEarlyErasure) {
  const Case dossier = answered();
  EXPECT_EQ(refusal_in(publish(department.enrol("procureur", "tj.auxerre", {protocol::Role::parquet}, {"ged/89"}))),
            "");
  for (const Kind kind : {Kind::maintien, Kind::demande_effacement})
    for (const char* member : {"secretariat", "procureur"}) {
      Draft draft = step(kind, member, "ged/89", dossier.report.id);
      draft.attributes = {{"code", kind == Kind::maintien ? "recours" : "droit_des_personnes"}};
      accept(draft);
    }
  house.tick();
  EXPECT_FALSE(is_erased(dossier.report.id));
}

TEST_F(Terms, P9AtTheCeilingEverythingGoesClosedOrNot) {
  Case dossier{accept({}), {}, {}};
  const UnixMillis ceiling = month_start(203101);
  at(ceiling - 14 * day);
  EXPECT_TRUE(listed("secretariat", dossier.report.id)->noticed);
  at(ceiling - 1ms);
  EXPECT_FALSE(is_erased(dossier.report.id));
  at(ceiling);
  EXPECT_TRUE(is_erased(dossier.report.id)) << "unread as it is";
}

TEST_F(Terms, P9AnomaliesGoAYearAfter) {
  const Case dossier = answered();
  Draft draft = step(Kind::anomalie, "ged.1", "audit/89", {});
  draft.in_reply_to = dossier.report.id;
  draft.attributes = {{"code", "address_mismatch"}};
  const Sealed anomaly = accept(draft);
  at(month_start(202701) - 1ms);
  EXPECT_FALSE(is_erased(anomaly.id));
  at(month_start(202701));
  EXPECT_TRUE(is_erased(anomaly.id));
  EXPECT_FALSE(is_erased(dossier.report.id)) << "that case is open";
  expect_whole();
}

TEST_F(Terms, P9APointDeSituationGoesAYearAfter) {
  const Sealed point =
      accept(step(Kind::point_de_situation, "secretariat", department.organisation_queue("referent.auxerre"), {}));
  at(month_start(202701) - 1ms);
  EXPECT_FALSE(is_erased(point.id));
  at(month_start(202701));
  EXPECT_TRUE(is_erased(point.id));
  EXPECT_EQ(refusal_in(certificate("referent.auxerre", point.id)), "");
  EXPECT_EQ(refusal_in(certificate("referent.sens", point.id)), "NOT_FOUND");
  expect_whole();
}

TEST_F(Terms, TheDefaultTermsNeedNoRecord) {
  house.tick();
  const std::uint64_t before = house.store().tree_size().value;
  house.restart();
  house.tick();
  EXPECT_EQ(house.store().tree_size().value, before) << "the defaults need no record";
}

TEST(TermRules, AChangeIsRecordedOnceWithItsLegalAct) {
  DepartmentOptions options;
  options.ged_members = 1;
  Department department(options);
  protocol::Terms terms{3, 6, 24, 6};
  BrokerHouse house(department, {}, [&](broker::CoreSettings& out) {
    out.terms = terms;
    out.legal_act = "arrete 2026-12";
  });
  const auto newest = [&] {
    const auto row = house.store().leaf({{house.store().tree_size().value - 1}, {}});
    const auto record = broker::unpack(row->record);
    const Bytes* said = record ? record->find("terms") : nullptr;
    return said == nullptr ? std::string() : std::string(as_text(*said));
  };
  house.tick();
  EXPECT_EQ(newest(), "bref 3 court 6 ordinaire 24 party 6 act arrete 2026-12");
  const std::uint64_t size = house.store().tree_size().value;
  house.restart();
  house.tick();
  EXPECT_EQ(house.store().tree_size().value, size);
  terms = {3, 6, 12, 6};
  house.restart();
  house.tick();
  EXPECT_EQ(newest(), "bref 3 court 6 ordinaire 12 party 6 act arrete 2026-12") << "a return too";
}

/// What is left of an erased exchange to a thief of everything: a backup from before, the whole disk of now with the
/// start-up secret, and a member with his identity and his stored ciphertext.
TEST_F(Terms, P9ABackupFromBeforeIsDeadOnceItsLeaseIsGone) {
  const Case dossier = closed();
  at(month_start(202604) - 14 * day);
  house.now = month_start(202604) - 1h;
  house.tick();
  const std::filesystem::path backup = house.folder() / "backup.db";
  ASSERT_TRUE(broker::copy_store(house.database(), backup).has_value());
  at(month_start(202604));
  ASSERT_TRUE(is_erased(dossier.report.id));

  const auto opens = [&](broker::KeyRing& keys) {
    auto store = broker::Store::open(backup, {});
    EXPECT_TRUE(store.has_value());
    const auto access = (*store)->access((*store)->find_exchange(dossier.report.id)->number);
    EXPECT_EQ(access.size(), 1U);
    const auto lease = keys.lease(access[0].lease);
    if (!lease) return false;
    const auto release_key = crypto::unlease_release_key(access[0].leased, dossier.report.id, *lease);
    if (!release_key) return false;
    const crypto::LockBinding binding{protocol::address_digest(dossier.report.envelope.address),
                                      dossier.report.seal.payload};
    const auto header = crypto::opening::unlock_header(dossier.report.envelope.locked, *release_key, binding);
    if (!header) return false;
    std::vector<crypto::SecretKey> member_keys;
    member_keys.push_back(department.identity("ged.1").age_secret().clone());
    return crypto::opening::unwrap_file_key(*header, {member_keys, nullptr}).has_value();
  };
  EXPECT_TRUE(opens(house.keys())) << "that is why five weeks are said, and no sooner";
  // The member alone, with what he kept.
  std::vector<crypto::SecretKey> member_keys;
  member_keys.push_back(department.identity("ged.1").age_secret().clone());
  EXPECT_FALSE(crypto::opening::unwrap_file_key(dossier.report.envelope.locked, {member_keys, nullptr}));

  at(month_start(202604) + 35 * day);
  EXPECT_FALSE(opens(house.keys()));
  for (const auto& path : {house.key_paths().leases, house.key_paths().leases_copy}) {
    // Either copy, taken alone.
    broker::KeyPaths alone = house.key_paths();
    alone.leases = alone.leases_copy = path;
    auto keys = broker::KeyRing::read(alone, test_startup_secret());
    ASSERT_TRUE(keys.has_value());
    EXPECT_FALSE(opens(**keys));
  }
  EXPECT_TRUE(house.keys().erased().empty()) << "no backup that held it opens: nothing is to be erased again";
}

TEST_F(Terms, P9ARestoredYoungerBackupDoesNotBringItBackAndTheLogSaysSoAgain) {
  const Case dossier = closed();
  at(month_start(202604) - 14 * day);
  house.now = month_start(202604) - 1h;
  house.tick();
  const std::filesystem::path backup = house.folder() / "backup.db";
  ASSERT_TRUE(broker::copy_store(house.database(), backup).has_value());
  at(month_start(202604));
  ASSERT_TRUE(is_erased(dossier.report.id));
  const UnixMillis erased = house.now;

  // As `restore` does with what the lease file names.
  std::vector<Digest> named;
  for (const auto& gone : house.keys().erased()) named.push_back(gone.exchange);
  ASSERT_EQ(named.size(), of_the_instance);
  house.close();
  ASSERT_EQ(broker::erase_again(backup, named).value(), of_the_instance);
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(house.database().string() + suffix);
  std::filesystem::rename(backup, house.database());
  ASSERT_TRUE(house.open().has_value());
  expect_whole();
  EXPECT_TRUE(is_erased(dossier.report.id));
  EXPECT_EQ(refusal_in(certificate("ged.1", dossier.report.id)), "INVALID(erasure)") << "its leaf went with the log";
  house.now = house.now + 1h;
  house.tick();
  const auto reply = certificate("ged.1", dossier.report.id);
  ASSERT_EQ(refusal_in(reply), "");
  const auto receipt = verified(std::get<protocol::Proven>(reply).proof);
  EXPECT_EQ(text(receipt.record, "erased"), std::to_string(erased.value)) << "of the first time";
  expect_whole();
  house.tick();
  EXPECT_EQ(listed("secretariat", dossier.report.id)->state, "efface");
  expect_whole();
}

TEST_F(Terms, P9AnErasureBegunIsFinishedByTheNextStart) {
  const Case dossier = closed();
  // Named in the lease file, and the broker stops before its commit.
  ASSERT_TRUE(house.keys().record_erased({dossier.report.id}, house.now).has_value());
  house.restart();
  EXPECT_FALSE(is_erased(dossier.report.id));
  house.tick();
  EXPECT_TRUE(is_erased(dossier.report.id));
  EXPECT_FALSE(live_store_holds(dossier.report));
  EXPECT_EQ(house.keys().erased().size(), 1U) << "once";
  expect_whole();
}

TEST_F(Terms, P9ManyErasuresBegunAreFinishedSomeAtATick) {
  const Case dossier = closed();
  std::vector<Digest> named;
  for (int i = 0; i < 260; ++i) {  // more than one tick erases
    Draft draft = step(Kind::maintien, "secretariat", "ged/89", dossier.report.id);
    draft.attributes = {{"code", "controle"}};
    draft.openable = false;
    named.push_back(accept(draft).id);
  }
  ASSERT_TRUE(house.keys().record_erased(named, house.now).has_value());
  const auto left = [&] {
    return std::count_if(named.begin(), named.end(),
                         [&](const Digest& id) { return !house.store().find_exchange(id)->erased; });
  };
  house.restart();
  house.tick();
  EXPECT_EQ(left(), 4);
  house.restart();
  house.tick();
  EXPECT_EQ(left(), 0) << "another start goes on";
  EXPECT_FALSE(is_erased(dossier.report.id));
  EXPECT_EQ(query_number(house.database(), "SELECT count(*) FROM erasure"), 260) << "each is said once";
  expect_whole();
}

TEST_F(Terms, P9LosingOneCopyOfTheLeaseFileLosesNothing) {
  const Case dossier = closed();
  const Case kept = answered();
  at(month_start(202604) - 14 * day);
  at(month_start(202604));
  ASSERT_TRUE(is_erased(dossier.report.id));
  for (const auto& path : {house.key_paths().leases, house.key_paths().leases_copy}) {
    std::filesystem::remove(path);
    house.restart();
    house.tick();
    EXPECT_EQ(house.keys().erased().size(), of_the_instance) << "what was erased stays named";
    EXPECT_EQ(refusal_in(open("ged.1", kept.report.id)), "");
    EXPECT_TRUE(std::filesystem::exists(path)) << "made anew from the other";
  }
}

TEST_F(Terms, P9WhatTheLeaseFileHasNoRoomToNameIsErasedOnceThereIs) {
  const Case dossier = closed();
  at(month_start(202604) - 14 * day);
  at(month_start(202604) - 1 * day);
  ASSERT_TRUE(house.keys().record_erased(std::vector<Digest>(broker::erasures_named_max - 1), house.now).has_value());
  const auto left = [&] {
    return query_number(house.database(),
                        "SELECT count(*) FROM exchange WHERE address IS NOT NULL AND queue = (SELECT id FROM queue "
                        "WHERE name = 'ged/89')");
  };
  at(month_start(202604));
  house.tick();
  EXPECT_EQ(left(), static_cast<int>(of_the_instance) - 1);
  EXPECT_EQ(listed("secretariat", dossier.report.id)->state, "clos");
  expect_whole();
  at(month_start(202604) + 7 * 7 * day);
  house.tick();
  EXPECT_EQ(left(), 0);
  EXPECT_EQ(listed("secretariat", dossier.report.id)->state, "efface");
  expect_whole();
}

TEST_F(Terms, ManyGoSomeAtATick) {
  std::vector<Case> dossiers;
  dossiers.push_back(closed());
  constexpr int complements = 300;  // more than one tick erases
  for (int i = 0; i < complements; ++i) {
    Draft draft = step(Kind::maintien, "secretariat", "ged/89", dossiers.front().report.id);
    draft.attributes = {{"code", "controle"}};
    draft.openable = false;
    accept(draft);
  }
  at(month_start(202604) - 14 * day);
  at(month_start(202604));
  const auto left = [&] {
    return query_number(house.database(), "SELECT count(*) FROM exchange WHERE address IS NOT NULL AND kind <> 11");
  };
  EXPECT_EQ(left(), complements + static_cast<int>(of_the_instance) - 256);
  EXPECT_EQ(listed("secretariat", dossiers.front().report.id)->state, "clos");
  expect_whole();
  house.tick();
  EXPECT_EQ(left(), 0);
  EXPECT_EQ(listed("secretariat", dossiers.front().report.id)->state, "efface");
  expect_whole();
}

}  // namespace
}  // namespace pli::testing
