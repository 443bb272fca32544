#include "protocol/directory.hpp"

#include <set>

#include "audit/inclusion.hpp"
#include "crypto/hash.hpp"
#include "protocol/contract.hpp"
#include "protocol/limits.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::authorities;
using test::authority;
using test::code_of_failure;
using test::expect_strict;
using test::failure;
using test::filled;
using test::identity_of;
using test::sign_directory;
using test::some_world;
using test::World;

Entry some_entry() { return write_member(some_world().members[0], filled<16>(1)); }

DirectoryHead some_head() {
  DirectoryHead head;
  head.contract = "csi-yonne";
  head.number = {1};
  head.not_after = {1'800'000'000'000};
  head.threshold = 2;
  head.authorities = authorities(2, {1, 2, 3}).keys;
  head.entries = 4;
  head.root = filled<32>(5);
  return head;
}

DirectoryHead head_of(const Directory& directory) {
  DirectoryHead head = some_head();
  head.entries = directory.entries().size();
  head.root = directory.root();
  return head;
}

VerifiedDirectory verified(const DirectoryHead& head) {
  auto out = verify_directory_note(sign_directory(head, {1, 2}), authorities_of(head), nullptr);
  EXPECT_TRUE(out) << failure(out);
  return *std::move(out);
}

std::string build_failure(const World& world) { return failure(Directory::build(world.entries())); }

// ---- entries -----------------------------------------------------------------------------------------------------

TEST(Entry, IsReadStrictly) {
  expect_strict(encode(some_entry()), decode_entry);
  expect_strict(encode(write_queue(some_world().queues[0], filled<16>(1))), decode_entry);
}

TEST(Entry, IsRefusedAboveItsLimits) {
  Entry entry;
  entry.id = "m.durand";
  for (std::size_t i = 0; i < entry_attributes_max; ++i) entry.add("a", "");
  EXPECT_EQ(failure(decode_entry(encode(entry))), "");
  entry.add("a", "");
  EXPECT_EQ(failure(decode_entry(encode(entry))), "over_limit attributes");

  entry.attributes.clear();
  const std::size_t frame = encode(entry).size() + 4;
  entry.add("a", std::string(entry_bytes_max - frame, 'x'));
  ASSERT_EQ(encode(entry).size(), entry_bytes_max);
  EXPECT_EQ(failure(decode_entry(encode(entry))), "");
  entry.attributes[0].second.push_back(0);
  EXPECT_EQ(failure(decode_entry(encode(entry))), "over_limit entry");
}

TEST(Entry, TakesOnlyIdsAndNamesOfItsType) {
  const auto failure_with = [](EntryType type, std::string id, std::string name) {
    Entry entry;
    entry.type = type;
    entry.id = std::move(id);
    entry.add(std::move(name), "");
    return failure(decode_entry(encode(entry)));
  };
  EXPECT_EQ(failure_with(EntryType::member, "m.durand", "former-curve"), "");
  EXPECT_EQ(failure_with(EntryType::queue, "ged/89", "key"), "");
  EXPECT_EQ(failure_with(EntryType::charte, "charte-1", "a"), "");
  EXPECT_EQ(failure_with(EntryType::outil, "outil.transport", "a"), "");
  EXPECT_EQ(failure_with(EntryType::member, "ged/89", "a"), "invalid_input id");
  EXPECT_EQ(failure_with(EntryType::queue, "m.durand", "a"), "invalid_input id");
  EXPECT_EQ(failure_with(static_cast<EntryType>(0), "m.durand", "a"), "invalid_input type");
  EXPECT_EQ(failure_with(static_cast<EntryType>(7), "m.durand", "a"), "invalid_input type");
  for (const char* name : {"", "Role", "a b", "a_b"})
    EXPECT_EQ(failure_with(EntryType::member, "m.durand", name), "invalid_input attributes") << name;
  EXPECT_EQ(failure_with(EntryType::member, "m.durand", std::string(32, 'a')), "");
  EXPECT_EQ(failure_with(EntryType::member, "m.durand", std::string(33, 'a')), "invalid_input attributes");
}

TEST(Entry, IsCommittedToWithItsSalt) {
  Entry entry = some_entry();
  const Digest before = entry_commitment(encode(entry));
  ++entry.salt[0];
  EXPECT_NE(entry_commitment(encode(entry)), before);
  EXPECT_EQ(before, crypto::sha256({as_bytes("pli-entry/1"), encode(some_entry())}));
}

TEST(Member, ReadsBackAsItWasWritten) {
  Member member = some_world().members[0];
  member.roles.add(Role::maire);
  member.former_curve = {{filled<32>(0x51)}, {filled<32>(0x52)}};
  member.former_sign = {{filled<32>(0x53)}};
  member.former_age = {{filled<32>(0x54)}};
  member.revoked_at = UnixMillis{1'750'000'000'000};
  const Entry entry = write_member(member, filled<16>(7));
  const auto read = read_member(entry);
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, member);
  EXPECT_EQ(write_member(*read, filled<16>(7)), entry);
}

TEST(Member, NeedsEveryAttributeOnceAndWellFormed) {
  const Entry good = some_entry();
  for (const char* name :
       {"person", "organisation", "role", "territory", "label", "not-before", "not-after", "curve", "sign", "age"}) {
    SCOPED_TRACE(name);
    const Bytes value = *good.find(name);
    Entry without = good;
    without.attributes.erase(std::remove_if(without.attributes.begin(), without.attributes.end(),
                                            [&](const auto& each) { return each.first == name; }),
                             without.attributes.end());
    EXPECT_EQ(code_of_failure(read_member(without)), "invalid_input");
    Entry twice = good;
    twice.add(name, value);
    EXPECT_EQ(code_of_failure(read_member(twice)), "invalid_input");
    Entry damaged = good;
    for (auto& [each, bytes] : damaged.attributes)
      if (each == name) bytes = to_bytes("\n?");
    EXPECT_EQ(code_of_failure(read_member(damaged)), "invalid_input");
  }
  for (const char* name : {"seat", "revoked", "former-curve", "former-sign", "former-age"}) {
    Entry damaged = good;
    damaged.add(name, "\n?");
    EXPECT_EQ(code_of_failure(read_member(damaged)), "invalid_input") << name;
  }
  EXPECT_EQ(code_of_failure(read_member(write_queue(some_world().queues[0], filled<16>(1)))), "invalid_input");
}

TEST(Member, SkipsWhatALaterVersionMayAdd) {
  Entry entry = some_entry();
  entry.add("telephone-interne", "12 34");
  const auto read = read_member(entry);
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, some_world().members[0]);
}

TEST(Member, IsValidFromItsFirstToBeforeItsLastMomentUnlessRevoked) {
  Member member = some_world().members[0];
  EXPECT_FALSE(member.valid_at(member.not_before - std::chrono::milliseconds(1)));
  EXPECT_TRUE(member.valid_at(member.not_before));
  EXPECT_TRUE(member.valid_at(member.not_after - std::chrono::milliseconds(1)));
  EXPECT_FALSE(member.valid_at(member.not_after));
  member.revoked_at = member.not_after;
  EXPECT_FALSE(member.valid_at(member.not_before));
}

TEST(Member, WhoAuditsIsNothingElseAndSitsNowhereElse) {
  Member auditor = some_world().member("v.noir");
  ASSERT_TRUE(read_member(write_member(auditor, filled<16>(1))));
  for (std::size_t i = 0; i < role_count; ++i) {
    if (static_cast<Role>(i) == Role::auditeur) continue;
    Member both = auditor;
    both.roles.add(static_cast<Role>(i));
    EXPECT_EQ(code_of_failure(read_member(write_member(both, filled<16>(1)))), "invalid_input") << i;
  }
  Member elsewhere = auditor;
  elsewhere.seats.emplace_back("ged/89");
  EXPECT_EQ(code_of_failure(read_member(write_member(elsewhere, filled<16>(1)))), "invalid_input");
  Member intruder = some_world().member("g.petit");
  intruder.seats.emplace_back("audit/89");
  EXPECT_EQ(code_of_failure(read_member(write_member(intruder, filled<16>(1)))), "invalid_input");
}

TEST(Member, HoldsNoKeyNobodyCanSealTo) {
  const Member good = some_world().members[0];
  for (const std::uint8_t point : std::array<std::uint8_t, 2>{0, 1}) {
    Member bad = good;
    bad.keys.age.bytes = {point};
    EXPECT_EQ(code_of_failure(read_member(write_member(bad, filled<16>(1)))), "invalid_input") << +point;
    bad = good;
    bad.keys.curve.bytes = {point};
    EXPECT_EQ(code_of_failure(read_member(write_member(bad, filled<16>(1)))), "invalid_input") << +point;
  }
}

TEST(Queue, HoldsNoKeyNobodyCanSealTo) {
  Queue queue = some_world().queue("ged/89");
  queue.keys = {{ByteArray<32>{0}}, {filled<32>(2)}};
  EXPECT_EQ(code_of_failure(read_queue(write_queue(queue, filled<16>(1)))), "invalid_input");
}

TEST(Queue, ReadsBackAsItWasWritten) {
  for (const Queue& queue : some_world().queues) {
    const Entry entry = write_queue(queue, filled<16>(7));
    const auto read = read_queue(entry);
    ASSERT_TRUE(read) << failure(read);
    EXPECT_EQ(*read, queue);
  }
}

TEST(Queue, NamesAnOrganisationExactlyWhenItIsOne) {
  Queue queue = some_world().queue("org/210890240");
  queue.organisation.clear();
  EXPECT_EQ(code_of_failure(read_queue(write_queue(queue, filled<16>(1)))), "invalid_input");
  queue = some_world().queue("ged/89");
  queue.organisation = "prefecture";
  EXPECT_EQ(code_of_failure(read_queue(write_queue(queue, filled<16>(1)))), "invalid_input");
}

TEST(Queue, KeepsItsKeysSortedAndDistinctUpToTheLimit) {
  Queue queue = some_world().queue("ged/89");
  queue.keys = {{filled<32>(1)}, {filled<32>(2)}};
  EXPECT_TRUE(read_queue(write_queue(queue, filled<16>(1))));
  std::swap(queue.keys[0], queue.keys[1]);
  EXPECT_EQ(code_of_failure(read_queue(write_queue(queue, filled<16>(1)))), "invalid_input");
  queue.keys = {{filled<32>(1)}, {filled<32>(1)}};
  EXPECT_EQ(code_of_failure(read_queue(write_queue(queue, filled<16>(1)))), "invalid_input");
  queue.keys.clear();
  for (std::size_t i = 0; i < recipients_max; ++i) {
    ByteArray<32> key{};
    key[0] = static_cast<std::uint8_t>(i >> 8);
    key[1] = static_cast<std::uint8_t>(i);
    key[2] = 2;  // none of them of small order
    queue.keys.push_back({key});
  }
  const Bytes largest = encode(write_queue(queue, filled<16>(1)));
  ASSERT_TRUE(decode_entry(largest));
  EXPECT_EQ(failure(read_queue(*decode_entry(largest))), "");
  queue.keys.push_back({filled<32>(0xFF)});
  EXPECT_EQ(code_of_failure(read_queue(write_queue(queue, filled<16>(1)))), "over_limit");
}

SeanceCalendar some_calendar() {
  return {
      *parse_day("2026-12-03"), 15, {*parse_day("2026-12-22")}, {*parse_day("2026-12-18"), *parse_day("2027-01-02")}};
}

TEST(Queue, ReadsBackWithTheDaysItsInstanceSitsOn) {
  Queue queue = some_world().queue("ged/89");
  const Digest roster = roster_digest(queue);
  queue.seances = some_calendar();
  auto read = read_queue(write_queue(queue, filled<16>(7)));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, queue);
  EXPECT_EQ(roster_digest(queue), roster) << "what was sealed to the roster is not stale for another day";
  queue.seances->added.clear();
  queue.seances->struck.clear();
  read = read_queue(write_queue(queue, filled<16>(7)));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, queue);
}

TEST(Queue, RefusesACalendarThatIsHalfSetOrMalformed) {
  const Queue plain = some_world().queue("ged/89");
  const auto with = [&](std::vector<std::pair<std::string, std::string>> attributes) {
    Entry entry = write_queue(plain, filled<16>(1));
    for (const auto& [name, value] : attributes) entry.add(name, value);
    return code_of_failure(read_queue(entry));
  };
  EXPECT_EQ(with({{"seance-from", "2026-12-03"}, {"seance-every", "15"}}), "");
  EXPECT_EQ(with({{"seance-from", "2026-12-03"}, {"seance-every", "366"}}), "");
  EXPECT_EQ(with({{"seance-from", "2026-12-03"}}), "invalid_input");
  EXPECT_EQ(with({{"seance-every", "15"}}), "invalid_input");
  EXPECT_EQ(with({{"seance-added", "2026-12-22"}}), "invalid_input") << "an exception to nothing";
  for (const char* every : {"0", "367", "015", "15 ", "-15", "", "4294967311", "18446744073709551616"})
    EXPECT_EQ(with({{"seance-from", "2026-12-03"}, {"seance-every", every}}), "invalid_input") << every;
  for (const char* from : {"2026-02-29", "2026-12-3", "03/12/2026", "1969-12-31", "2200-01-01", ""})
    EXPECT_EQ(with({{"seance-from", from}, {"seance-every", "15"}}), "invalid_input") << from;
  EXPECT_EQ(with({{"seance-from", "2026-12-03"}, {"seance-from", "2026-12-04"}, {"seance-every", "15"}}),
            "invalid_input");
  EXPECT_EQ(with({{"seance-from", "2026-12-03"}, {"seance-every", "15"}, {"seance-struck", "2026-12-04"}}),
            "invalid_input");
  EXPECT_EQ(with({{"seance-from", "2026-12-03"}, {"seance-every", "15"}, {"seance-added", "2026-12-18"}}),
            "invalid_input");
}

TEST(Queue, OfNoInstanceHasNoCalendar) {
  for (const char* id : {"org/210890240", "person/a.lemoine", "audit/89"}) {
    Queue queue = some_world().queue(id);
    queue.seances = some_calendar();
    EXPECT_EQ(code_of_failure(read_queue(write_queue(queue, filled<16>(1)))), "invalid_input") << id;
  }
}

TEST(Queue, HoldsAsManyKeysAndDaysAsBothMayBe) {
  Queue queue = some_world().queue("ged/89");
  queue.keys.clear();
  for (std::size_t i = 0; i < recipients_max; ++i) {
    ByteArray<32> key{};
    key[0] = static_cast<std::uint8_t>(i >> 8);
    key[1] = static_cast<std::uint8_t>(i);
    key[2] = 2;  // none of them of small order
    queue.keys.push_back({key});
  }
  queue.seances = SeanceCalendar{*parse_day("2026-12-03"), 2};
  for (std::size_t i = 0; i < seances_added_max; ++i)
    add_seance(*queue.seances, queue.seances->first + std::chrono::days(2 * static_cast<int>(i) + 1));
  for (std::size_t i = 0; i < seances_struck_max; ++i)
    strike_seance(*queue.seances, queue.seances->first + std::chrono::days(2 * static_cast<int>(i)));
  const Bytes largest = encode(write_queue(queue, filled<16>(1)));
  EXPECT_LE(largest.size(), entry_bytes_max);
  ASSERT_TRUE(decode_entry(largest));
  EXPECT_EQ(failure(read_queue(*decode_entry(largest))), "");
}

TEST(Roster, HasADigestOfItsQueueAndItsKeys) {
  Queue queue = some_world().queue("ged/89");
  ByteWriter out;
  out.raw(as_bytes("pli-roster/1"));
  out.string8("ged/89");
  out.u16(2);
  for (const auto& key : queue.keys) out.raw(key.bytes);
  EXPECT_EQ(roster_digest(queue), crypto::sha256(out.bytes()));
  const Digest before = roster_digest(queue);
  queue.id = "ged/90";
  EXPECT_NE(roster_digest(queue), before);
  queue.id = "ged/89";
  queue.keys.pop_back();
  EXPECT_NE(roster_digest(queue), before);
}

TEST(Contract, ReadsBackAsItWasWritten) {
  const Contract contract = some_world().contract;
  const auto read = read_contract(write_contract(contract, filled<16>(1)));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, contract);
}

TEST(Contract, RefusesMalformedCommitmentsAndDates) {
  for (const char* engagement :
       {"retour", "retour 0", "retour 030", "retour 3651", "Retour 30", "retour 30 jours", " 30"}) {
    Contract contract = some_world().contract;
    contract.engagements = {engagement};
    EXPECT_EQ(code_of_failure(read_contract(write_contract(contract, filled<16>(1)))), "invalid_input") << engagement;
  }
  Contract contract = some_world().contract;
  contract.ends = contract.starts;
  EXPECT_EQ(code_of_failure(read_contract(write_contract(contract, filled<16>(1)))), "invalid_input");
}

TEST(Contract, OfAnEarlierSoftwareReadsAsOneThatLimitsNothing) {
  const Contract earlier = some_world().contract;
  const Entry entry = write_contract(earlier, filled<16>(1));
  for (const char* later : {"volet", "referent"}) EXPECT_EQ(entry.find(later), nullptr) << later;
  EXPECT_EQ(entry.texts("territory").size(), 1U);
  EXPECT_TRUE(earlier.communes.empty() && earlier.volets.empty() && earlier.referents.empty());
}

Contract full_contract() {
  Contract contract = some_world().contract;
  contract.parties = {"Préfecture", "210890240 Commune de Valbrune"};
  contract.communes = {"89024", "89387"};
  contract.volets = {Volet::radicalisation_separatisme, Volet::transport};
  contract.engagements = {"accuse_de_reception 1", "decision 120"};
  contract.referents = {"Préfecture : Mme Inventée, 03 00 00 00 00"};
  return contract;
}

TEST(Contract, ReadsBackWithItsCommunesVoletsAndReferents) {
  const auto read = read_contract(write_contract(full_contract(), filled<16>(1)));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, full_contract());
}

std::string said_of(Contract contract) { return failure(read_contract(write_contract(contract, filled<16>(1)))); }

TEST(Contract, IsLimitedToCommunesOfItsDepartementAndHasTheVoletPliIsFor) {
  const auto with = [](auto change) {
    Contract contract = full_contract();
    change(contract);
    return said_of(contract).substr(0, 13);
  };
  EXPECT_EQ(with([](Contract&) {}), "");
  EXPECT_EQ(with([](Contract& c) { c.communes = {"21231"}; }), "invalid_input");
  EXPECT_EQ(with([](Contract& c) { c.communes = {"89"}; }), "invalid_input");
  EXPECT_EQ(with([](Contract& c) { c.communes = {"89024", "89024"}; }), "invalid_input");
  EXPECT_EQ(with([](Contract& c) { c.territory = "89024"; }), "invalid_input");
  EXPECT_EQ(with([](Contract& c) { c.volets = {Volet::transport}; }), "invalid_input");
  Entry entry = write_contract(full_contract(), filled<16>(1));
  entry.add("volet", "voirie");
  EXPECT_EQ(code_of_failure(read_contract(entry)), "invalid_input");
}

TEST(Contract, HoldsItsListsToTheirLimits) {
  Contract contract = full_contract();
  const auto lines = [](std::size_t count, const std::string& more) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back("l" + std::to_string(i) + more);
    return out;
  };
  contract.parties = lines(contract_parties_max, "");
  contract.engagements = lines(contract_engagements_max, " 30");
  contract.referents = lines(contract_referents_max, "");
  contract.communes.clear();
  for (std::size_t i = 0; i < contract_communes_max; ++i) contract.communes.push_back("89" + std::to_string(100 + i));
  EXPECT_EQ(said_of(contract), "");
  for (auto list : {&Contract::parties, &Contract::engagements, &Contract::referents, &Contract::communes}) {
    Contract more = contract;
    (more.*list).push_back(list == &Contract::communes ? "89999" : list == &Contract::engagements ? "retour 1" : "un");
    EXPECT_EQ(said_of(more), "over_limit contract");
  }
}

TEST(Contract, KnowsItsPartiesByTheSirenThatBeginsTheirLine) {
  EXPECT_EQ(party_of("210890240 Commune de Valbrune"), (Party{"210890240", "Commune de Valbrune"}));
  for (const char* line :
       {"Commune de Valbrune", "210890240", "210890240 ", "21089024 Valbrune", "2108902400 Valbrune"})
    EXPECT_EQ(party_of(line), (Party{"", line}));
  EXPECT_EQ(is_party(full_contract(), "210890240"), true);
  EXPECT_EQ(is_party(full_contract(), "210890241"), false);
  EXPECT_EQ(is_party(some_world().contract, "210890240"), std::nullopt) << "no SIREN is told";
}

TEST(Contract, AnAuthorityWritesEngagementsOfTheListAndWithinTheTextsAlone) {
  const auto with = [](std::vector<std::string> engagements) {
    Contract contract = full_contract();
    contract.engagements = std::move(engagements);
    return flaw_of(contract);
  };
  for (const EngagementRow& row : engagement_table()) {
    const std::string name(row.name);
    EXPECT_EQ(with({name + " " + std::to_string(row.days_max)}), "");
    EXPECT_NE(with({name + " " + std::to_string(row.days_max + 1)}), "");
    EXPECT_NE(with({name + " 1", name + " 2"}), "");
  }
  EXPECT_EQ(with({}), "");
  EXPECT_NE(with({"chef_de_file 3"}), "");
  Contract contract = full_contract();
  contract.parties = {"Préfecture"};
  EXPECT_NE(flaw_of(contract), "");
  contract.parties = {"210890240 Valbrune", "210890240 Valbrune bis"};
  EXPECT_NE(flaw_of(contract), "");
}

TEST(Contract, CoversItsCommunesAndTheDepartementTheyLieIn) {
  EXPECT_TRUE(is_within(full_contract(), "89024"));
  EXPECT_FALSE(is_within(full_contract(), "89025"));
  EXPECT_TRUE(is_within(full_contract(), "89"));
  EXPECT_FALSE(is_within(full_contract(), "21"));
  EXPECT_TRUE(is_within(some_world().contract, "89025"));
}

// ---- tools -------------------------------------------------------------------------------------------------------

Tool some_tool() {
  return {"outil.transport",
          Volet::transport,
          {Kind::information_de_volet, Kind::complement},
          {"ged/89", "clir/89"},
          {"org/210890240"}};
}

std::vector<Entry> world_with(const Tool& tool, Role role = Role::outil,
                              std::vector<std::string> seats = {"org/210890240"}) {
  test::World world = some_world();
  world.add_member("outil.transport", role, std::move(seats), 7);
  world.fill_rosters();
  std::vector<Entry> entries = world.entries();
  entries.push_back(write_tool(tool, filled<16>(4)));
  return entries;
}

TEST(Tool, ReadsBackAsItWasWritten) {
  const auto read = read_tool(write_tool(some_tool(), filled<16>(4)));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, some_tool());
  const auto built = Directory::build(world_with(some_tool()));
  ASSERT_TRUE(built) << failure(built);
  ASSERT_NE((*built)->tool("outil.transport"), nullptr);
  EXPECT_EQ(*(*built)->tool("outil.transport"), some_tool());
  EXPECT_EQ((*built)->tool("m.durand"), nullptr);
}

TEST(Tool, RefusesWhatIsNoVoletKindOrQueue) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"volet", "transport"}, {"kind", "rumeur"}, {"kind", "complement"}, {"post", "ged"}, {"read", "ged/89/"}};
  for (const auto& [name, value] : wrong) {
    Entry entry = write_tool(some_tool(), filled<16>(4));
    entry.add(name, value);
    EXPECT_EQ(code_of_failure(read_tool(entry)), "invalid_input") << name << " " << value;
  }
  Entry without = write_tool(some_tool(), filled<16>(4));
  without.attributes.erase(without.attributes.begin());
  EXPECT_EQ(code_of_failure(read_tool(without)), "invalid_input");
}

TEST(Tool, HasSoManyQueuesAndNoMore) {
  for (auto list : {&Tool::posts, &Tool::reads}) {
    Tool tool = some_tool();
    (tool.*list).clear();
    for (std::size_t i = 0; i < tool_queues_max; ++i) (tool.*list).push_back("org/" + std::to_string(i));
    EXPECT_EQ(failure(read_tool(write_tool(tool, filled<16>(4)))), "");
    (tool.*list).push_back("org/more");
    EXPECT_EQ(code_of_failure(read_tool(write_tool(tool, filled<16>(4)))), "over_limit");
  }
}

TEST(Tool, StandsWithItsMemberOfThatRoleSeatedWhereItReads) {
  EXPECT_EQ(failure(Directory::build(world_with(some_tool()))), "");
  EXPECT_EQ(code_of_failure(Directory::build(world_with(some_tool(), Role::referent))), "invalid_input");
  Tool other = some_tool();
  other.id = "outil.justice";
  EXPECT_EQ(code_of_failure(Directory::build(world_with(other))), "invalid_input");
  Tool blind = some_tool();
  blind.reads.clear();
  EXPECT_EQ(code_of_failure(Directory::build(world_with(blind))), "invalid_input");
  EXPECT_EQ(failure(Directory::build(world_with(blind, Role::outil, {}))), "");
  Tool lost = some_tool();
  lost.posts = {"ged/21"};
  EXPECT_EQ(code_of_failure(Directory::build(world_with(lost))), "invalid_input");
}

// ---- charters ----------------------------------------------------------------------------------------------------

Charter some_charter() { return {"charte-auxerre", "89024", {"Préfet", "Maire", "Procureur"}, {1000}, {2000}}; }

TEST(Charter, ReadsBackAsItWasWrittenAndIsInForceBetweenItsDays) {
  const auto read = read_charter(write_charter(some_charter(), filled<16>(5)));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, some_charter());
  std::vector<Entry> entries = some_world().entries();
  entries.push_back(write_charter(some_charter(), filled<16>(5)));
  const auto built = Directory::build(std::move(entries));
  ASSERT_TRUE(built) << failure(built);
  ASSERT_EQ((*built)->charters().size(), 1U);
  EXPECT_EQ(*(*built)->charter("charte-auxerre"), some_charter());
  EXPECT_EQ((*built)->charter("charte-sens"), nullptr);
  EXPECT_FALSE(some_charter().in_force_at({999}));
  EXPECT_TRUE(some_charter().in_force_at({1000}));
  EXPECT_TRUE(some_charter().in_force_at({1999}));
  EXPECT_FALSE(some_charter().in_force_at({2000}));
}

TEST(Charter, RefusesWhatIsNoPlaceNoLineAndNoTime) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"territory", "89024"}, {"party", ""}, {"party", "Maire"}, {"not-before", "1000"}, {"not-after", "demain"}};
  for (const auto& [name, value] : wrong) {
    Entry entry = write_charter(some_charter(), filled<16>(5));
    entry.add(name, value);
    EXPECT_EQ(code_of_failure(read_charter(entry)), "invalid_input") << name << " " << value;
    std::vector<Entry> entries = some_world().entries();
    entries.push_back(entry);
    EXPECT_EQ(code_of_failure(Directory::build(std::move(entries))), "invalid_input") << name << " " << value;
  }
  Charter never = some_charter();
  never.not_after = never.not_before;
  EXPECT_EQ(code_of_failure(read_charter(write_charter(never, filled<16>(5)))), "invalid_input");
  Charter nowhere = some_charter();
  nowhere.territory = "yonne";
  EXPECT_EQ(code_of_failure(read_charter(write_charter(nowhere, filled<16>(5)))), "invalid_input");
}

TEST(Charter, HasThreeSignatoriesAtLeastAndSoManyAtMost) {
  const auto with = [](std::size_t count) {
    Charter charter = some_charter();
    charter.parties.clear();
    for (std::size_t i = 0; i < count; ++i) charter.parties.push_back("Signataire " + std::to_string(i));
    return code_of_failure(read_charter(write_charter(charter, filled<16>(5))));
  };
  EXPECT_EQ(with(charter_parties_min - 1), "invalid_input");
  EXPECT_EQ(with(charter_parties_min), "");
  EXPECT_EQ(with(charter_parties_max), "");
  EXPECT_EQ(with(charter_parties_max + 1), "over_limit");
}

// ---- the note ----------------------------------------------------------------------------------------------------

TEST(DirectoryHead, PrintsAndParsesToTheSameText) {
  const std::string text = to_text(some_head());
  const auto head = parse_directory_head(text);
  ASSERT_TRUE(head) << failure(head);
  EXPECT_EQ(*head, some_head());
  EXPECT_EQ(to_text(*head), text);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(parse_directory_head(std::string_view(text).substr(0, size))) << size;
  EXPECT_FALSE(parse_directory_head(text + "\n"));
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto other = parse_directory_head(flipped);
    if (!other) continue;
    EXPECT_NE(*other, some_head());
    EXPECT_EQ(to_text(*other), flipped);
  }
}

TEST(DirectoryHead, HoldsItsFieldsToTheirBounds) {
  const auto with = [](auto change) {
    DirectoryHead head = some_head();
    change(head);
    return failure(parse_directory_head(to_text(head)));
  };
  EXPECT_EQ(with([](DirectoryHead&) {}), "");
  EXPECT_EQ(with([](DirectoryHead& h) { h.contract = "CSI"; }), "invalid_input contract");
  EXPECT_EQ(with([](DirectoryHead& h) { h.number = {0}; }), "invalid_input number");
  EXPECT_EQ(with([](DirectoryHead& h) { h.number = {2}; }), "invalid_input previous");
  EXPECT_EQ(with([](DirectoryHead& h) { h.previous = filled<32>(1); }), "invalid_input previous");
  EXPECT_EQ(with([](DirectoryHead& h) { h.not_after = {-1}; }), "invalid_input not-after");
  EXPECT_EQ(with([](DirectoryHead& h) { h.threshold = 0; }), "invalid_input authority");
  EXPECT_EQ(with([](DirectoryHead& h) { h.threshold = 4; }), "invalid_input authority");
  EXPECT_EQ(with([](DirectoryHead& h) { h.authorities.clear(); }), "invalid_input authority");
  EXPECT_EQ(with([](DirectoryHead& h) { h.authorities.push_back(h.authorities[0]); }), "invalid_input authority");
  EXPECT_EQ(with([](DirectoryHead& h) { h.authorities[0].type = audit::KeyType::cosignature; }),
            "invalid_input authority");
  EXPECT_EQ(with([](DirectoryHead& h) {
              h.authorities = authorities(2, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}).keys;
            }),
            "");
  EXPECT_EQ(with([](DirectoryHead& h) {
              h.authorities = authorities(2, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}).keys;
            }),
            "invalid_input authority");
  EXPECT_EQ(with([](DirectoryHead& h) { h.entries = directory_entries_max; }), "");
  EXPECT_EQ(with([](DirectoryHead& h) { h.entries = directory_entries_max + 1; }), "over_limit entries");
}

/// Every subset of authority keys 1 to `count`.
std::vector<std::vector<std::uint8_t>> subsets(std::uint8_t count) {
  std::vector<std::vector<std::uint8_t>> out;
  for (unsigned mask = 0; mask < 1U << count; ++mask) {
    std::vector<std::uint8_t> subset;
    for (std::uint8_t i = 0; i < count; ++i)
      if ((mask >> i & 1U) != 0) subset.push_back(static_cast<std::uint8_t>(i + 1));
    out.push_back(subset);
  }
  return out;
}
std::size_t count_in(const std::vector<std::uint8_t>& signers, const std::set<int>& keys) {
  return static_cast<std::size_t>(
      std::count_if(signers.begin(), signers.end(), [&](std::uint8_t signer) { return keys.count(signer) == 1; }));
}

TEST(DirectoryNote, NeedsTwoOfThree) {
  for (const auto& signers : subsets(4)) {
    if (signers.empty()) continue;  // no note without a signature line
    const std::string note = sign_directory(some_head(), signers);
    const auto result = verify_directory_note(note, authorities(2, {1, 2, 3}), nullptr);
    const std::string trace = note.substr(note.find("\n\n"));
    if (count_in(signers, {1, 2, 3}) >= 2) {
      ASSERT_TRUE(result) << trace;
      EXPECT_EQ(result->head(), some_head());
      EXPECT_EQ(result->note(), note);
      EXPECT_EQ(result->digest(), directory_digest(to_text(some_head())));
    } else {
      EXPECT_EQ(code_of_failure(result), "authentication_failed") << trace;
    }
  }
}

TEST(DirectoryNote, CountsOneKeyOnceHoweverOftenItSigns) {
  const std::string note = sign_directory(some_head(), {1, 1, 1});
  EXPECT_EQ(code_of_failure(verify_directory_note(note, authorities(2, {1, 2, 3}), nullptr)), "authentication_failed");
  AuthoritySet twice = authorities(2, {1});
  twice.keys.push_back({"authority.example/again", audit::KeyType::ed25519, twice.keys[0].key});
  EXPECT_FALSE(is_usable(twice));
  audit::Note two_names{to_text(some_head()), {}};
  audit::sign_note(two_names, twice.keys[0].name, test::authority_key(1));
  audit::sign_note(two_names, twice.keys[1].name, test::authority_key(1));
  EXPECT_EQ(code_of_failure(verify_directory_note(audit::to_text(two_names), twice, nullptr)), "invalid_input");
}

TEST(DirectoryNote, IsRefusedWholeForOneBadSignature) {
  const std::string good = sign_directory(some_head(), {1, 2, 3});
  DirectoryHead other = some_head();
  ++other.root[0];
  audit::Note mixed = *audit::parse_note(good);
  mixed.signatures[2] = audit::parse_note(sign_directory(other, {3}))->signatures[0];
  EXPECT_EQ(code_of_failure(verify_directory_note(audit::to_text(mixed), authorities(2, {1, 2, 3}), nullptr)),
            "authentication_failed");
}

TEST(DirectoryNote, ChangesAuthoritiesOnlyWithEnoughOfTheOldAndOfTheNew) {
  DirectoryHead head = some_head();
  head.authorities = authorities(2, {2, 3, 4}).keys;
  for (const auto& signers : subsets(4)) {
    if (signers.empty()) continue;
    const auto result = verify_directory_note(sign_directory(head, signers), authorities(2, {1, 2, 3}), nullptr);
    const bool enough = count_in(signers, {1, 2, 3}) >= 2 && count_in(signers, {2, 3, 4}) >= 2;
    EXPECT_EQ(static_cast<bool>(result), enough) << ::testing::PrintToString(signers);
    if (!enough) {
      EXPECT_EQ(code_of_failure(result), "authentication_failed");
    }
  }
}

TEST(DirectoryNote, ChangesTheThresholdOnlyWithEnoughOfTheOldAndOfTheNew) {
  for (std::size_t before = 1; before <= 3; ++before) {
    for (std::size_t after = 1; after <= 3; ++after) {
      DirectoryHead head = some_head();
      head.threshold = after;
      for (const auto& signers : subsets(3)) {
        if (signers.empty()) continue;
        const auto result =
            verify_directory_note(sign_directory(head, signers), authorities(before, {1, 2, 3}), nullptr);
        EXPECT_EQ(static_cast<bool>(result), signers.size() >= std::max(before, after))
            << before << " to " << after << " by " << ::testing::PrintToString(signers);
      }
    }
  }
}

TEST(DirectoryNote, MayListTheSameAuthoritiesInAnotherOrder) {
  DirectoryHead head = some_head();
  std::reverse(head.authorities.begin(), head.authorities.end());
  EXPECT_TRUE(verify_directory_note(sign_directory(head, {1, 2}), authorities(2, {1, 2, 3}), nullptr));
}

TEST(DirectoryNote, FollowsTheVersionHeld) {
  const VerifiedDirectory first = verified(some_head());
  const auto result_of = [&](std::uint64_t number, const Digest& previous, std::string contract = "csi-yonne") {
    DirectoryHead head = some_head();
    head.number = {number};
    head.previous = previous;
    head.contract = std::move(contract);
    return code_of_failure(verify_directory_note(sign_directory(head, {1, 2}), authorities(2, {1, 2, 3}), &first));
  };
  EXPECT_EQ(result_of(2, first.digest()), "");
  EXPECT_EQ(result_of(2, filled<32>(1)), "conflict");  // another history
  EXPECT_EQ(result_of(1, Digest{}), "conflict");       // the same number again
  EXPECT_EQ(result_of(7, filled<32>(1)), "");          // versions missed: nothing to compare with
  EXPECT_EQ(result_of(2, first.digest(), "csi-aube"), "conflict");
  DirectoryHead third = some_head();
  third.number = {3};
  third.previous = filled<32>(1);
  const VerifiedDirectory held = verified(third);
  DirectoryHead stale = some_head();
  stale.number = {2};
  stale.previous = first.digest();
  EXPECT_EQ(code_of_failure(verify_directory_note(sign_directory(stale, {1, 2}), authorities(2, {1, 2, 3}), &held)),
            "conflict");
}

TEST(DirectoryNote, IsNotReadWithoutUsableAuthorities) {
  const std::string note = sign_directory(some_head(), {1, 2});
  EXPECT_EQ(code_of_failure(verify_directory_note(note, AuthoritySet{}, nullptr)), "invalid_input");
  EXPECT_EQ(code_of_failure(verify_directory_note(note, authorities(0, {1, 2, 3}), nullptr)), "invalid_input");
  EXPECT_EQ(code_of_failure(verify_directory_note(note, authorities(4, {1, 2, 3}), nullptr)), "invalid_input");
  EXPECT_EQ(code_of_failure(verify_directory_note("not a note", authorities(2, {1, 2, 3}), nullptr)), "invalid_input");
}

// ---- the whole ---------------------------------------------------------------------------------------------------

TEST(Directory, IsBuiltAndFoundAgain) {
  const World world = some_world();
  std::vector<Entry> entries = world.entries();
  std::reverse(entries.begin(), entries.end());
  const auto built = Directory::build(entries);
  ASSERT_TRUE(built) << failure(built);
  const Directory& directory = **built;
  EXPECT_EQ(directory.number(), DirectoryNumber{0});
  EXPECT_EQ(*directory.contract(), world.contract);
  EXPECT_EQ(directory.members().size(), world.members.size());
  EXPECT_EQ(directory.queues().size(), world.queues.size());
  for (const Member& member : world.members) {
    ASSERT_NE(directory.member(member.id), nullptr);
    EXPECT_EQ(*directory.member(member.id), member);
    EXPECT_EQ(directory.member_by_curve(member.keys.curve), directory.member(member.id));
    EXPECT_EQ(directory.member_by_sign(member.keys.sign), directory.member(member.id));
    EXPECT_TRUE(directory.position_of(EntryType::member, member.id));
  }
  for (const Queue& queue : world.queues) EXPECT_EQ(*directory.queue(queue.id), queue);
  EXPECT_EQ(directory.member("personne"), nullptr);
  EXPECT_EQ(directory.member_by_curve({filled<32>(0xEE)}), nullptr);
  EXPECT_EQ(directory.member_by_sign({filled<32>(0xEE)}), nullptr);
  EXPECT_EQ(directory.queue("ged/90"), nullptr);
  EXPECT_EQ(directory.position_of(EntryType::member, "personne"), std::nullopt);
  EXPECT_EQ(directory.position_of(EntryType::queue, "m.durand"), std::nullopt);
  ASSERT_EQ(directory.seated("ged/89").size(), 2U);
  EXPECT_EQ(directory.seated("ged/89")[0]->id, "g.petit");
  EXPECT_TRUE(directory.seated("ged/90").empty());
}

TEST(Directory, IsNotBuiltWithACalendarThatCannotBe) {
  World world = some_world();
  world.queue("ged/89").seances = some_calendar();
  const auto built = Directory::build(world.entries());
  ASSERT_TRUE(built) << failure(built);
  EXPECT_EQ((*built)->queue("ged/89")->seances, some_calendar());
  world.queue("ged/89").seances->struck = {*parse_day("2026-12-19")};
  EXPECT_EQ(code_of_failure(Directory::build(world.entries())), "invalid_input");
}

TEST(Directory, FindsAMemberByAKeyItNoLongerUses) {
  World world = some_world();
  world.member("g.petit").former_curve = {{filled<32>(0x61)}};
  world.member("g.petit").former_sign = {{filled<32>(0x62)}};
  const auto built = Directory::build(world.entries());
  ASSERT_TRUE(built) << failure(built);
  EXPECT_EQ((*built)->member_by_curve({filled<32>(0x61)})->id, "g.petit");
  EXPECT_EQ((*built)->member_by_sign({filled<32>(0x62)})->id, "g.petit");
}

TEST(Directory, OrdersEntriesByTypeAndId) {
  const auto built = Directory::build(some_world().entries());
  ASSERT_TRUE(built);
  const std::vector<Entry>& entries = (*built)->entries();
  for (std::size_t i = 1; i < entries.size(); ++i)
    EXPECT_LT(std::pair(entries[i - 1].type, entries[i - 1].id), std::pair(entries[i].type, entries[i].id));
  for (std::size_t i = 0; i < entries.size(); ++i) EXPECT_EQ((*built)->entry_bytes(i), encode(entries[i]));
}

TEST(Directory, RefusesTwoEntriesInOnePlace) {
  std::vector<Entry> entries = some_world().entries();
  entries.push_back(entries.back());
  entries.back().salt = filled<16>(9);
  EXPECT_EQ(code_of_failure(Directory::build(entries)), "conflict");
  World world = some_world();
  entries = world.entries();
  world.contract.id = "csi-autre";
  entries.push_back(write_contract(world.contract, filled<16>(9)));
  EXPECT_EQ(code_of_failure(Directory::build(entries)), "conflict");
}

TEST(Directory, RefusesOneKeyInTwoEntriesWhateverItsUse) {
  const World good = some_world();
  const crypto::PublicIdentity taken = good.members[3].keys;  // g.petit
  const std::vector<std::pair<const char*, void (*)(Member&, const crypto::PublicIdentity&)>> thefts = {
      {"curve", [](Member& m, const crypto::PublicIdentity& k) { m.keys.curve = k.curve; }},
      {"sign", [](Member& m, const crypto::PublicIdentity& k) { m.keys.sign = k.sign; }},
      {"age", [](Member& m, const crypto::PublicIdentity& k) { m.keys.age = k.age; }},
      {"former curve", [](Member& m, const crypto::PublicIdentity& k) { m.former_curve = {k.curve}; }},
      {"former sign", [](Member& m, const crypto::PublicIdentity& k) { m.former_sign = {k.sign}; }},
      {"former age", [](Member& m, const crypto::PublicIdentity& k) { m.former_age = {k.age}; }},
      {"age as curve", [](Member& m, const crypto::PublicIdentity& k) { m.keys.curve.bytes = k.age.bytes; }},
      {"curve as former age", [](Member& m, const crypto::PublicIdentity& k) { m.former_age = {{k.curve.bytes}}; }},
  };
  for (const auto& [name, steal] : thefts) {
    for (bool revoked : {false, true}) {
      World world = good;
      if (revoked) world.member("g.petit").revoked_at = UnixMillis{1'750'000'000'000};
      steal(world.member("m.durand"), taken);
      world.fill_rosters();
      EXPECT_EQ(code_of_failure(Directory::build(world.entries())), "conflict") << name << ", revoked: " << revoked;
    }
  }
  World world = good;
  world.member("m.durand").former_age = {world.member("m.durand").keys.age};
  EXPECT_EQ(code_of_failure(Directory::build(world.entries())), "invalid_input");
}

TEST(Directory, RefusesARosterThatIsNotItsMembers) {
  World world = some_world();
  world.queue("ged/89").keys.pop_back();
  EXPECT_EQ(build_failure(world), "invalid_input a queue's keys are not those of the members seated there");
  world = some_world();
  world.queue("ged/89").keys.push_back({filled<32>(0xFF)});  // a ghost reader
  EXPECT_EQ(build_failure(world), "invalid_input a queue's keys are not those of the members seated there");
  world = some_world();
  world.member("g.petit").revoked_at = UnixMillis{1'750'000'000'000};  // revoked, yet still sealed to
  EXPECT_EQ(build_failure(world), "invalid_input a queue's keys are not those of the members seated there");
  world = some_world();
  world.member("v.noir").seats.clear();
  EXPECT_EQ(build_failure(world), "invalid_input a queue's keys are not those of the members seated there");
  world = some_world();
  world.member("g.petit").seats = {"ged/90"};
  world.fill_rosters();
  EXPECT_EQ(build_failure(world), "invalid_input a seat in a queue that has no entry");
}

TEST(Directory, MayHoldAQueueWhereNobodySits) {
  World world = some_world();
  world.add_queue("cpraf/89");
  EXPECT_EQ(build_failure(world), "");
}

TEST(Directory, RefusesMoreEntriesThanItsLimit) {
  EXPECT_EQ(code_of_failure(Directory::build(std::vector<Entry>(directory_entries_max + 1))), "over_limit");
}

TEST(Directory, RefusesAnEntryThatDoesNotFitItsLayout) {
  World world = some_world();
  world.member("m.durand").id = std::string(300, 'a');
  EXPECT_EQ(code_of_failure(Directory::build(world.entries())), "invalid_input");
}

TEST(Directory, IsTheOneTheAuthoritiesSigned) {
  const auto plain = Directory::build(some_world().entries());
  ASSERT_TRUE(plain);
  const VerifiedDirectory signed_head = verified(head_of(**plain));
  const auto built = Directory::build(some_world().entries(), signed_head);
  ASSERT_TRUE(built) << failure(built);
  EXPECT_EQ((*built)->number(), DirectoryNumber{1});
  ASSERT_TRUE((*built)->verified());
  EXPECT_EQ((*built)->verified()->digest(), signed_head.digest());

  World changed = some_world();
  changed.member("m.durand").label = "Autre personne inventée";
  EXPECT_EQ(code_of_failure(Directory::build(changed.entries(), signed_head)), "authentication_failed");
  DirectoryHead miscounted = head_of(**plain);
  ++miscounted.entries;
  EXPECT_EQ(code_of_failure(Directory::build(some_world().entries(), verified(miscounted))), "authentication_failed");
}

TEST(Directory, BelongsToTheContractItHolds) {
  World world = some_world();
  world.contract.id = "csi-aube";
  const auto plain = Directory::build(world.entries());
  ASSERT_TRUE(plain);
  EXPECT_EQ(code_of_failure(Directory::build(world.entries(), verified(head_of(**plain)))), "invalid_input");
}

TEST(Directory, HoldsNoAuthorityKeyAsAMemberKey) {
  for (bool former : {false, true}) {
    World world = some_world();
    if (former)
      world.member("m.durand").former_sign = {authority(3).key};
    else
      world.member("m.durand").keys.sign = authority(3).key;
    const auto plain = Directory::build(world.entries());
    ASSERT_TRUE(plain) << failure(plain);
    EXPECT_EQ(code_of_failure(Directory::build(world.entries(), verified(head_of(**plain)))), "conflict");
  }
}

TEST(Directory, ProvesEachEntryAgainstTheSignedRoot) {
  const auto built = Directory::build(some_world().entries());
  ASSERT_TRUE(built);
  const Directory& directory = **built;
  const VerifiedDirectory signed_head = verified(head_of(directory));
  for (std::size_t position = 0; position < directory.entries().size(); ++position) {
    const auto proof = directory.prove(position);
    ASSERT_TRUE(proof);
    const Bytes& bytes = directory.entry_bytes(position);
    const auto entry = verify_entry(signed_head, position, bytes, *proof);
    ASSERT_TRUE(entry) << failure(entry);
    EXPECT_EQ(*entry, directory.entries()[position]);

    EXPECT_FALSE(verify_entry(signed_head, position + 1, bytes, *proof));
    Bytes altered = bytes;
    altered.back() ^= 1;
    EXPECT_EQ(code_of_failure(verify_entry(signed_head, position, altered, *proof)), "authentication_failed");
    std::vector<Digest> shorter(proof->begin(), proof->end() - 1);
    EXPECT_FALSE(verify_entry(signed_head, position, bytes, shorter));
  }
  EXPECT_FALSE(directory.prove(directory.entries().size()));
}

// ---- from one version to the next --------------------------------------------------------------------------------

TEST(Bundle, IsReadStrictly) {
  const std::vector<Bytes> entries = {encode(some_entry()), to_bytes("x"), {}};
  const Bytes bytes = encode_bundle(entries);
  EXPECT_EQ(*decode_bundle(bytes), entries);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_bundle(ByteView(bytes).first(size))) << size;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << (bit % 8));
    const auto other = decode_bundle(flipped);
    if (!other) continue;
    EXPECT_EQ(encode_bundle(*other), flipped);
    EXPECT_NE(*other, entries);
  }
}

TEST(Bundle, IsRefusedAboveItsLimits) {
  EXPECT_EQ(failure(decode_bundle(encode_bundle({Bytes(entry_bytes_max)}))), "");
  EXPECT_EQ(failure(decode_bundle(encode_bundle({Bytes(entry_bytes_max + 1)}))), "over_limit entry");
  EXPECT_EQ(failure(decode_bundle(encode_bundle(std::vector<Bytes>(directory_entries_max)))), "");
  EXPECT_EQ(failure(decode_bundle(encode_bundle(std::vector<Bytes>(directory_entries_max + 1)))), "over_limit bundle");
  std::vector<Bytes> large(directory_bundle_bytes_max / (16384 + 4), Bytes(16384));
  large.emplace_back(directory_bundle_bytes_max - encode_bundle(large).size() - 4);
  ASSERT_EQ(encode_bundle(large).size(), directory_bundle_bytes_max);
  EXPECT_EQ(failure(decode_bundle(encode_bundle(large))), "");
  large.back().push_back(0);
  EXPECT_EQ(failure(decode_bundle(encode_bundle(large))), "over_limit bundle");
  ByteWriter lying;
  lying.u32(directory_entries_max);
  EXPECT_EQ(failure(decode_bundle(lying.bytes())), "invalid_input bundle");
}

TEST(Bundle, ChangesAndAddsEntriesAndTouchesNoOther) {
  World world = some_world();
  const std::vector<Entry> before = world.entries();
  world.member("g.petit").label = "Autre personne inventée";
  World grown = world;
  grown.add_member("n.vert", Role::membre_ged, {"ged/89"}, 9);
  grown.fill_rosters();
  const auto after = apply_bundle(before, {encode(write_member(grown.member("g.petit"), filled<16>(3))),
                                           encode(write_member(grown.member("n.vert"), filled<16>(3))),
                                           encode(write_queue(grown.queue("ged/89"), filled<16>(2)))});
  ASSERT_TRUE(after) << failure(after);
  const auto built = Directory::build(*after);
  ASSERT_TRUE(built) << failure(built);
  EXPECT_EQ((*built)->root(), (*Directory::build(grown.entries()))->root());
  EXPECT_EQ(*apply_bundle(before, {}), before);
}

TEST(Bundle, RefusesWhatIsNoEntryOrComesTwice) {
  const std::vector<Entry> before = some_world().entries();
  EXPECT_EQ(code_of_failure(apply_bundle(before, {to_bytes("x")})), "invalid_input");
  const Bytes entry = encode(some_entry());
  EXPECT_EQ(code_of_failure(apply_bundle(before, {entry, entry})), "invalid_input");
}

TEST(Bundle, LetsNoMemberEntryLoseAKeyOrChangeHands) {
  World world = some_world();
  world.member("g.petit").former_curve = {{filled<32>(0x61)}};
  world.member("g.petit").former_sign = {{filled<32>(0x62)}};
  world.member("g.petit").former_age = {{filled<32>(0x63)}};
  const std::vector<Entry> before = world.entries();
  const Member old = world.member("g.petit");
  const auto result_of = [&](auto change) {
    Member member = old;
    change(member);
    return code_of_failure(apply_bundle(before, {encode(write_member(member, filled<16>(4)))}));
  };
  const crypto::PublicIdentity fresh = identity_of(0x70).public_identity();
  EXPECT_EQ(result_of([&](Member& m) {  // a renewal
              m.former_curve.push_back(m.keys.curve);
              m.former_sign.push_back(m.keys.sign);
              m.former_age.push_back(m.keys.age);
              m.keys = fresh;
            }),
            "");
  EXPECT_EQ(result_of([&](Member& m) { m.keys.curve = fresh.curve; }), "invalid_input");
  EXPECT_EQ(result_of([&](Member& m) { m.keys.sign = fresh.sign; }), "invalid_input");
  EXPECT_EQ(result_of([&](Member& m) { m.keys.age = fresh.age; }), "invalid_input");
  EXPECT_EQ(result_of([](Member& m) { m.former_curve.clear(); }), "invalid_input");
  EXPECT_EQ(result_of([](Member& m) { m.former_sign.clear(); }), "invalid_input");
  EXPECT_EQ(result_of([](Member& m) { m.former_age.clear(); }), "invalid_input");
  EXPECT_EQ(result_of([](Member& m) { m.person = "c.blanc"; }), "invalid_input");
}

TEST(Bundle, NeverUndoesARevocation) {
  World world = some_world();
  world.member("g.petit").revoked_at = UnixMillis{1'750'000'000'000};
  const std::vector<Entry> before = world.entries();
  Member member = world.member("g.petit");
  member.label = "Autre personne inventée";
  EXPECT_EQ(code_of_failure(apply_bundle(before, {encode(write_member(member, filled<16>(4)))})), "");
  member.revoked_at.reset();
  EXPECT_EQ(code_of_failure(apply_bundle(before, {encode(write_member(member, filled<16>(4)))})), "invalid_input");
  member.revoked_at = UnixMillis{1'760'000'000'000};
  EXPECT_EQ(code_of_failure(apply_bundle(before, {encode(write_member(member, filled<16>(4)))})), "invalid_input");
}

/// Design, lesson 10: a change of membership must never widen who is sealed to.
TEST(Bundle, NeverWidensARosterByRemovingMembers) {
  test::Seeded random;
  const std::vector<std::string> places = {"ged/89", "clir/89", "cpraf/89", "org/210890240", "person/p"};
  for (int round = 0; round < 40; ++round) {
    World world;
    world.contract = some_world().contract;
    for (const std::string& place : places) world.add_queue(place, place.substr(0, 3) == "org" ? "210890240" : "");
    const std::size_t count = 2 + random.below(10);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::string> seats;
      for (const std::string& place : places)
        if (random.below(2) == 0) seats.push_back(place);
      world.add_member("m" + std::to_string(i), Role::membre_ged, seats, static_cast<std::uint8_t>(i + 1));
    }
    world.fill_rosters();
    auto held = Directory::build(world.entries());
    ASSERT_TRUE(held) << failure(held);

    std::vector<std::size_t> order(count);
    for (std::size_t i = 0; i < count; ++i) order[i] = i;
    for (std::size_t i = count; i-- > 1;) std::swap(order[i], order[random.below(i + 1)]);
    for (std::size_t leaving : order) {
      Member& member = world.members[leaving];
      member.revoked_at = UnixMillis{1'750'000'000'000 + round};
      const World unfilled = world;
      world.fill_rosters();
      std::vector<Bytes> changed = {encode(write_member(member, random.array<16>()))};
      for (const std::string& seat : member.seats)
        changed.push_back(encode(write_queue(world.queue(seat), random.array<16>())));
      const auto next = Directory::build(*apply_bundle((*held)->entries(), changed));
      ASSERT_TRUE(next) << failure(next);
      for (const Queue* after : (*next)->queues()) {
        const Queue* before = (*held)->queue(after->id);
        EXPECT_TRUE(std::includes(before->keys.begin(), before->keys.end(), after->keys.begin(), after->keys.end()));
        EXPECT_EQ(std::count(after->keys.begin(), after->keys.end(), member.keys.age), 0);
        const bool sat_there = std::count(member.seats.begin(), member.seats.end(), after->id) != 0;
        EXPECT_EQ(after->keys.size() + (sat_there ? 1 : 0), before->keys.size());
      }

      // Nor can a version say otherwise: one key too many or too few anywhere, and it is no directory.
      World forged = world;
      Queue& queue = forged.queues[random.below(forged.queues.size())];
      if (queue.keys.empty() || random.below(2) == 0)
        queue.keys.push_back(member.keys.age);
      else
        queue.keys.erase(queue.keys.begin() + static_cast<std::ptrdiff_t>(random.below(queue.keys.size())));
      std::sort(queue.keys.begin(), queue.keys.end());
      EXPECT_FALSE(Directory::build(forged.entries()));
      if (!member.seats.empty()) {
        EXPECT_FALSE(Directory::build(unfilled.entries()));
      }
      held = next;
    }
  }
}

}  // namespace
}  // namespace pli::protocol
