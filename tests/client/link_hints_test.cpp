#include "client/link_hints.hpp"

#include "base/file.hpp"
#include "tests/client/sitting.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::testing {
namespace {

using client::JudgedHint;
using client::LinkEntry;
using client::LinkHints;
using client::LinkReason;
using client::LinkVerdict;

/// A report of an invented person, with a witness nobody indexes.
protocol::Form report_on(const std::string& family, const std::string& given, const std::string& birth) {
  const std::string json =
      R"({"type": "signalement_individuel", "emetteur": {"service": "Police municipale", "origine": "habitant"},)"
      R"( "personnes": [{"categorie": "personne_signalee", "nom": ")" +
      family + R"(", "prenoms": ")" + given + R"(", "date_naissance": ")" + birth +
      R"(", "commune": "89387"}, {"categorie": "temoin", "nom": "Temoinquivoit", "prenoms": "Anne", "commune": "89024"}],)"
      R"( "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";
  auto form = protocol::Form::from_json(json, nullptr, nullptr);
  EXPECT_TRUE(form.has_value());
  return std::move(*form);
}

protocol::Form report_on_structure(const std::string& siren) {
  const std::string json =
      R"({"type": "signalement_de_structure", "emetteur": {"service": "Police municipale"},)"
      R"( "structure": {"nom": "SARL Le Ring d'Essai", "nature": "etablissement_sportif", "adresse": "3 bd de l'Yonne",)"
      R"( "commune": "89024", "siren": ")" +
      siren +
      R"("}, "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";
  auto form = protocol::Form::from_json(json, nullptr, nullptr);
  EXPECT_TRUE(form.has_value());
  return std::move(*form);
}

class LinkHintsTest : public Sitting {
 protected:
  /// Opens and indexes, as `pli open` does.
  Digest index(Desk& desk, const protocol::ExchangeId& exchange) {
    auto opened = client::open_exchange(*desk.session, exchange, {});
    EXPECT_TRUE(opened.has_value()) << why(opened);
    const auto entry = client::link_entry_of(*opened);
    EXPECT_TRUE(entry.has_value());
    auto hints = load(desk);
    EXPECT_TRUE(hints.add(*entry).has_value());
    return entry->case_id;
  }
  LinkHints load(Desk& desk) {
    auto hints = LinkHints::load(desk.profile, desk.keys);
    EXPECT_TRUE(hints.has_value()) << why(hints);
    return std::move(*hints);
  }
  /// Two reports of one person, opened by the secretariat.
  client::CasePair two_cases(Desk& desk) {
    const auto first = somebody_sends("r.bellerive", report_on("Nomtresreconnaissable", "Corentin", "2008-02-14"));
    const auto second = somebody_sends("r.clairval", report_on("NOMTRESRECONAISSABLE", "Corentin", "2008-02-14"));
    return client::pair_of(index(desk, first), index(desk, second));
  }
  static std::filesystem::path state(const Desk& desk) { return desk.profile.folder() / "state.db"; }
  static void expect_nothing_readable(const Desk& desk) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(desk.folder.path())) {
      if (!entry.is_regular_file()) continue;
      auto bytes = read_file(entry.path(), 64 << 20);
      ASSERT_TRUE(bytes.has_value());
      std::string text(as_text(*bytes));
      for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      for (const char* needle : {"nomtresreconnaissable", "nomtresreconaissable", "corentin", "temoinquivoit",
                                 "20080214", "2008-02-14", "89387"})
        EXPECT_EQ(text.find(needle), std::string::npos) << needle << " in " << entry.path();
      const Bytes birth = {0x01, 0x32, 0x66, 0x56};  // 20080214 + 0, as the layout writes it
      EXPECT_EQ(std::search(bytes->begin(), bytes->end(), birth.begin(), birth.end()), bytes->end()) << entry.path();
    }
  }
};

TEST_F(LinkHintsTest, TwoReportsOfOnePersonAreHintedWithTheReason) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  const LinkHints hints = load(*desk);
  for (const Digest& one : {pair.first, pair.second}) {
    const auto found = hints.hints_of(one);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].pair, pair);
    EXPECT_EQ(found[0].reasons, std::vector<LinkReason>{LinkReason::same_birth_near_name});
    EXPECT_FALSE(found[0].decision);
  }
  EXPECT_EQ(hints.all().size(), 1U) << "each pair once";
}

TEST_F(LinkHintsTest, StructuresAreHintedByTheirNumber) {
  auto desk = connected("secretariat");
  const auto one = somebody_sends("r.bellerive", report_on_structure("732829320"));
  const auto other = somebody_sends("r.clairval", report_on_structure("732829320"));
  index(*desk, one);
  const Digest second = index(*desk, other);
  const auto found = load(*desk).hints_of(second);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].reasons, std::vector<LinkReason>{LinkReason::same_siren});
}

TEST_F(LinkHintsTest, OnlyThePersonReportedIsIndexed) {
  const auto subjects = client::subjects_of(report_on("Corvelle", "Yann", "2008-02-14"));
  ASSERT_EQ(subjects.persons.size(), 1U);
  EXPECT_EQ(subjects.persons[0].family, "corvelle");
  EXPECT_EQ(subjects.persons[0].birth, 20080214U);
  EXPECT_EQ(subjects.persons[0].commune, "89387");
}

TEST_F(LinkHintsTest, OfARectificationWhatItCorrectsToIsIndexed) {
  std::string corrected = report_on("Kermorvan", "Yann", "2008-02-14").to_json();
  constexpr std::string_view type = R"("type": "signalement_individuel",)";
  ASSERT_NE(corrected.find(type), std::string::npos);
  corrected.erase(corrected.find(type), type.size());
  auto form =
      protocol::Form::from_json(R"({"type": "rectification", "echange": ")" + to_hex(Digest{7}) +
                                    R"(", "motif": "identite_erronee", "signalement_individuel": )" + corrected + "}",
                                nullptr, nullptr);
  ASSERT_TRUE(form.has_value()) << form.error().front().field;
  const auto subjects = client::subjects_of(*form);
  ASSERT_EQ(subjects.persons.size(), 1U);
  EXPECT_EQ(subjects.persons[0].family, "kermorvan");
}

TEST_F(LinkHintsTest, WhatIsUnknownIsNotIndexedAsAName) {
  EXPECT_TRUE(client::subjects_of(report_on("inconnu", "inconnu", "inconnu")).empty());
  auto desk = connected("secretariat");
  const auto id = somebody_sends("r.bellerive", report_on("inconnu", "inconnu", "inconnu"));
  auto opened = client::open_exchange(*desk->session, id, {});
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_FALSE(client::link_entry_of(*opened).has_value());
}

TEST_F(LinkHintsTest, OnlyTheSecretariatSeesThem) {
  EXPECT_TRUE(client::sees_link_hints(*connected("secretariat")->session));
  for (const char* who : {"ged.un", "ged.deux", "r.bellerive", "auditeur"})
    EXPECT_FALSE(client::sees_link_hints(*connected(who)->session)) << who;
}

TEST_F(LinkHintsTest, NothingReadableStandsOnTheDisk) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  ASSERT_TRUE(load(*desk).decide(pair, LinkVerdict::accepted, "secretariat", spring).has_value());
  expect_nothing_readable(*desk);
  EXPECT_EQ(query_number(state(*desk), "SELECT count(*) FROM link_entry"), 2);
  EXPECT_EQ(query_number(state(*desk), "SELECT count(DISTINCT length(sealed)) FROM link_entry"), 1) << "one size";
}

TEST_F(LinkHintsTest, NoOtherIdentityReadsThem) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  ASSERT_TRUE(load(*desk).decide(pair, LinkVerdict::accepted, "secretariat", spring).has_value());
  const client::Keys others{crypto::Identity::generate(), {}};
  auto hints = LinkHints::load(desk->profile, others);
  ASSERT_TRUE(hints.has_value());
  EXPECT_EQ(hints->index().size(), 0U);
  EXPECT_TRUE(hints->decisions().empty());
  EXPECT_EQ(hints->unreadable(), 3U);
}

TEST_F(LinkHintsTest, WhatAFormerIdentitySealedIsSealedAnew) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  ASSERT_TRUE(load(*desk).decide(pair, LinkVerdict::rejected, "secretariat", spring).has_value());
  desk->keys.former.push_back(std::move(desk->keys.current));
  desk->keys.current = crypto::Identity::generate();
  EXPECT_EQ(load(*desk).all().size(), 1U);
  desk->keys.former.clear();
  const LinkHints hints = load(*desk);
  EXPECT_EQ(hints.unreadable(), 0U);
  ASSERT_EQ(hints.all().size(), 1U);
  EXPECT_EQ(hints.all()[0].decision->verdict, LinkVerdict::rejected);
}

TEST_F(LinkHintsTest, ARecordPutUnderAnotherCaseDoesNotOpen) {
  auto desk = connected("secretariat");
  two_cases(*desk);
  run_sql(state(*desk),
          "UPDATE link_entry SET case_id = zeroblob(32) WHERE exchange = (SELECT min(exchange) FROM link_entry)");
  const LinkHints hints = load(*desk);
  EXPECT_EQ(hints.unreadable(), 1U);
  EXPECT_EQ(hints.index().size(), 1U);
}

TEST_F(LinkHintsTest, ADecisionStaysWithWhoWhenAndWhyAndCanBeTakenBack) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  ASSERT_TRUE(load(*desk).decide(pair, LinkVerdict::accepted, "secretariat", spring).has_value());
  const UnixMillis later{spring.value + 1000};
  ASSERT_TRUE(load(*desk).decide(pair, LinkVerdict::rejected, "secretariat", later).has_value());
  const LinkHints hints = load(*desk);
  ASSERT_EQ(hints.decisions().size(), 2U) << "the first stays on record";
  EXPECT_EQ(hints.decisions()[0].verdict, LinkVerdict::accepted);
  EXPECT_EQ(hints.decisions()[0].decided_at, spring);
  EXPECT_EQ(hints.decisions()[0].decided_by, "secretariat");
  EXPECT_EQ(hints.decisions()[0].reasons, std::vector<LinkReason>{LinkReason::same_birth_near_name});
  const auto found = hints.hints_of(pair.first);
  ASSERT_EQ(found.size(), 1U);
  ASSERT_TRUE(found[0].decision);
  EXPECT_EQ(found[0].decision->verdict, LinkVerdict::rejected);
  EXPECT_EQ(found[0].decision->decided_at, later);
}

TEST_F(LinkHintsTest, APersonMayLinkWhatNoRuleSpeaksOf) {
  auto desk = connected("secretariat");
  const Digest one = index(*desk, somebody_sends("r.bellerive", report_on("Corvelle", "Yann", "2008-02-14")));
  const Digest other = index(*desk, somebody_sends("r.clairval", report_on("Diallo", "Awa", "1999-05-01")));
  LinkHints hints = load(*desk);
  EXPECT_TRUE(hints.hints_of(one).empty());
  ASSERT_TRUE(hints.decide(client::pair_of(one, other), LinkVerdict::accepted, "secretariat", spring).has_value());
  ASSERT_EQ(hints.hints_of(one).size(), 1U);
  EXPECT_TRUE(hints.hints_of(one)[0].reasons.empty());
  EXPECT_EQ(load(*desk).all().size(), 1U);
}

TEST_F(LinkHintsTest, NoCaseIsLinkedWithItselfOrWithOneNeverOpened) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  LinkHints hints = load(*desk);
  EXPECT_FAILS_WITH(hints.decide({pair.first, pair.first}, LinkVerdict::accepted, "secretariat", spring),
                    LocalCode::usage);
  EXPECT_FAILS_WITH(hints.decide({pair.first, Digest{9}}, LinkVerdict::accepted, "secretariat", spring),
                    LocalCode::usage);
}

TEST_F(LinkHintsTest, AnErasedCaseLeavesTheIndexWithItsDecisions) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  ASSERT_TRUE(load(*desk).decide(pair, LinkVerdict::accepted, "secretariat", spring).has_value());
  std::string subject = "cle";
  broker_.bend = [&subject](const protocol::Request& request, protocol::ReplyBody& reply) {
    if (std::holds_alternative<protocol::Open>(request.body)) reply = protocol::Refusal{Code::erased, subject, 0};
  };
  EXPECT_FAILS_WITH(client::open_exchange(*desk->session, pair.first, {}), Code::erased);
  EXPECT_EQ(load(*desk).index().size(), 2U) << "a key the broker cannot read erases nothing";
  subject = "sans_suite";
  EXPECT_FAILS_WITH(client::open_exchange(*desk->session, pair.first, {}), Code::erased);
  const LinkHints hints = load(*desk);
  EXPECT_FALSE(hints.index().has_case(pair.first));
  EXPECT_TRUE(hints.index().has_case(pair.second));
  EXPECT_TRUE(hints.decisions().empty());
  EXPECT_EQ(query_number(state(*desk), "SELECT count(*) FROM link_entry"), 1);
  EXPECT_EQ(query_number(state(*desk), "SELECT count(*) FROM link_decision"), 0);
}

TEST_F(LinkHintsTest, ACaseListedNoMoreOrAsErasedLeavesTheIndex) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  const auto listed = [](const Digest& id, const char* state) {
    protocol::CaseItem item;
    item.case_id = id;
    item.state = state;
    return item;
  };
  const auto settle = [&](const std::vector<protocol::CaseItem>& cases) {
    EXPECT_TRUE(client::forget_unlisted(desk->profile, desk->keys, cases).has_value());
    return load(*desk).index().cases();
  };
  EXPECT_EQ(settle({listed(pair.first, "recu"), listed(pair.second, "clos")}).size(), 2U);
  EXPECT_EQ(settle({listed(pair.first, "efface"), listed(pair.second, "clos")}), std::vector<Digest>{pair.second});
  EXPECT_TRUE(settle({}).empty());
}

TEST_F(LinkHintsTest, CasesErasedAtOneTermLeaveTogetherWithWhatWasDecidedOfAny) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  const Digest third = index(*desk, somebody_sends("r.bellerive", report_on("Corvelle", "Yann", "2008-02-14")));
  LinkHints hints = load(*desk);
  ASSERT_TRUE(hints.decide(pair, LinkVerdict::accepted, "secretariat", spring).has_value());
  ASSERT_TRUE(
      hints.decide(client::pair_of(pair.first, third), LinkVerdict::rejected, "secretariat", spring).has_value());
  protocol::CaseItem open_still;
  open_still.case_id = third;
  open_still.state = "recu";
  ASSERT_TRUE(client::forget_unlisted(desk->profile, desk->keys, {open_still}).has_value());
  EXPECT_EQ(load(*desk).index().cases(), std::vector<Digest>{third});
  EXPECT_EQ(query_number(state(*desk), "SELECT count(*) FROM link_entry"), 1);
  EXPECT_EQ(query_number(state(*desk), "SELECT count(*) FROM link_decision"), 0);
}

TEST_F(LinkHintsTest, WhoIsNoSecretariatAnyMoreKeepsNothing) {
  auto desk = connected("secretariat");
  const client::CasePair pair = two_cases(*desk);
  ASSERT_TRUE(load(*desk).decide(pair, LinkVerdict::accepted, "secretariat", spring).has_value());
  ASSERT_TRUE(client::forget_link_hints(desk->profile).has_value());
  EXPECT_EQ(load(*desk).index().size(), 0U);
  EXPECT_EQ(query_number(state(*desk), "SELECT count(*) FROM link_decision"), 0);
}

// ---- the layouts ----------------------------------------------------------------------------------------------------

LinkEntry some_entry(std::size_t name_bytes = 8) {
  LinkEntry out;
  out.exchange = Digest{1};
  out.case_id = Digest{2};
  out.territory = "89";
  out.subjects.persons.push_back(client::link_person(std::string(name_bytes, 'a'), "Yann", 20080214, "89024"));
  out.subjects.structures.push_back(
      client::link_structure("Le Ring", "3 bd de l'Yonne", "89024", "732829320", "W891000123"));
  return out;
}

TEST(LinkRecord, ComesBackAsItWasSealed) {
  const crypto::SecretKey key = crypto::SecretKey::random(32);
  const LinkEntry entry = some_entry();
  const auto opened = client::open_link_entry(client::seal_link_entry(entry, key), entry.exchange, entry.case_id, key);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(client::encode_link_entry(*opened), client::encode_link_entry(entry));
  EXPECT_EQ(opened->exchange, entry.exchange);
  EXPECT_EQ(client::reason_to_link(opened->subjects.persons[0], entry.subjects.persons[0]),
            LinkReason::same_birth_same_name);
  EXPECT_FALSE(client::open_link_entry(client::seal_link_entry(entry, key), Digest{9}, entry.case_id, key).has_value());
}

TEST(LinkRecord, HasTheSizeOfItsBucket) {
  const std::size_t bucket = client::link_record_bucket_bytes;
  EXPECT_EQ(client::encode_link_entry(some_entry(1)).size(), bucket);
  const std::size_t fixed = [&] {
    Bytes bytes = client::encode_link_entry(some_entry(1));
    while (bytes.back() == 0) bytes.pop_back();
    return bytes.size();
  }();
  EXPECT_EQ(client::encode_link_entry(some_entry(1 + bucket - 1 - fixed)).size(), bucket);
  EXPECT_EQ(client::encode_link_entry(some_entry(1 + bucket - fixed)).size(), 2 * bucket);
}

TEST(LinkRecord, HoldsATextOfTheLongestAndNoLonger) {
  const std::size_t longest = client::link_text_bytes_max;
  for (const std::size_t size : {longest, longest + 1}) {
    const auto cut = client::decode_link_entry(client::encode_link_entry(some_entry(size)));
    ASSERT_TRUE(cut.has_value()) << size;
    EXPECT_EQ(cut->subjects.persons[0].family, std::string(longest, 'a')) << size;
  }
  const auto of_territory = [](std::size_t size) {
    ByteWriter out;
    out.u8(1);
    out.bytes16(as_bytes(std::string(size, '8')));
    Bytes bytes = out.take();  // neither persons nor structures
    bytes.resize((bytes.size() + 2) / client::link_record_bucket_bytes * client::link_record_bucket_bytes +
                 client::link_record_bucket_bytes);
    return bytes;
  };
  EXPECT_TRUE(client::decode_link_entry(of_territory(longest)).has_value());
  EXPECT_FALSE(client::decode_link_entry(of_territory(longest + 1)).has_value());
}

TEST(LinkRecord, RefusesWhatItDoesNotWrite) {
  const Bytes good = client::encode_link_entry(some_entry());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(client::decode_link_entry(ByteView(good).first(size)).has_value()) << size;
  Bytes other_version = good;
  other_version[0] = 2;
  EXPECT_FALSE(client::decode_link_entry(other_version).has_value());
  Bytes noise_in_padding = good;
  noise_in_padding.back() = 1;
  EXPECT_FALSE(client::decode_link_entry(noise_in_padding).has_value());

  client::LinkDecision decision{
      client::pair_of(Digest{1}, Digest{2}), LinkVerdict::accepted, spring, "secretariat", {LinkReason::same_siren}};
  const Bytes decided = client::encode_link_decision(decision);
  ASSERT_TRUE(client::decode_link_decision(decided).has_value());
  Bytes other_verdict = decided;
  other_verdict[65] = 3;
  EXPECT_FALSE(client::decode_link_decision(other_verdict).has_value());
}

}  // namespace
}  // namespace pli::testing
