// What the wire, the layouts and the files people hand over hold at most: each limit is reached, and refused one above
// by the code that tells its reader so. The limits that belong to one subject stand with it, in its own test.
#include "protocol/limits.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "audit/leaf.hpp"
#include "protocol/card.hpp"
#include "protocol/form.hpp"
#include "protocol/wire.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::failure;
using test::filled;

template <class Body>
std::string said_of_request(const Body& body) {
  return failure(decode_request(encode(Request{1, body})));
}

template <class Body>
std::string said_of_reply(const Body& body) {
  return failure(decode_reply(encode(Reply{1, body})));
}

std::string text_of(std::size_t size) { return std::string(size, 'x'); }

// ---- requests ----------------------------------------------------------------------------------------------------

TEST(RequestLimits, ACountAskedForMayBeTheLimitAndNoMore) {
  const auto one_more = [](std::size_t limit) { return static_cast<std::uint32_t>(limit + 1); };
  const auto just = [](std::size_t limit) { return static_cast<std::uint32_t>(limit); };
  EXPECT_EQ(said_of_request(List{"ged/89", {}, just(list_items_max)}), "");
  EXPECT_EQ(said_of_request(List{"ged/89", {}, one_more(list_items_max)}), "over_limit items_max");
  EXPECT_EQ(said_of_request(ListCases{{}, just(list_items_max)}), "");
  EXPECT_EQ(said_of_request(ListCases{{}, one_more(list_items_max)}), "over_limit items_max");
  EXPECT_EQ(said_of_request(GetRecords{{}, just(records_items_max)}), "");
  EXPECT_EQ(said_of_request(GetRecords{{}, one_more(records_items_max)}), "over_limit items_max");
  Follow follow;
  follow.queues.assign(follow_queues_max, {"ged/89", {}});
  follow.credit = just(follow_credit_max);
  EXPECT_EQ(said_of_request(follow), "");
  follow.credit = one_more(follow_credit_max);
  EXPECT_EQ(said_of_request(follow), "over_limit credit");
  follow.credit = just(follow_credit_max);
  follow.queues.push_back(follow.queues.front());
  EXPECT_EQ(said_of_request(follow), "over_limit queues");
}

TEST(RequestLimits, AnOpeningIsReadWithTheLargestRequestAndTheLargestNote) {
  Open open;
  open.request = Bytes(opening_bytes_max, 1);
  open.note = Bytes(sealed_note_bytes_max, 1);
  EXPECT_EQ(said_of_request(open), "");
  open.request.push_back(1);
  EXPECT_EQ(said_of_request(open), "over_limit request");
  open.request.pop_back();
  open.note.push_back(1);
  EXPECT_EQ(said_of_request(open), "over_limit note");
}

TEST(RequestLimits, AReleaseHasRoomForEveryShareAndNoMore) {
  // Count, threshold, and eight shares with the longest names their layout can print.
  const std::size_t largest = 2 + release_shares_max * (1 + 255 + 4 + 32 + 73);
  Submit submit;
  submit.envelope.seal = Bytes(seal_bytes, 1);
  submit.envelope.release = Bytes(largest, 1);
  EXPECT_EQ(said_of_request(submit), "");
  submit.envelope.release.push_back(1);
  EXPECT_EQ(said_of_request(submit), "over_limit release");
}

TEST(RequestLimits, ADirectoryIsAnnouncedUpToTheLargestBundle) {
  PublishDirectory publish;
  publish.bundle_size = directory_bundle_bytes_max;
  ASSERT_EQ(said_of_request(publish), "");
  publish.bundle_size = directory_bundle_bytes_max + 1;
  EXPECT_EQ(said_of_request(publish), "over_limit bundle_size");
  publish = {};
  publish.bundle = Bytes(inline_bytes_max, 1);
  EXPECT_EQ(said_of_request(publish), "");
  publish.bundle.push_back(1);
  EXPECT_EQ(said_of_request(publish), "over_limit bundle");
}

TEST(RequestLimits, AQueueIdIsReadUpToTheLongestPerson) {
  const std::string longest = "person/" + text_of(64);
  EXPECT_EQ(said_of_request(Acknowledge{longest, {}}), "");
  EXPECT_EQ(said_of_request(Acknowledge{longest + "x", {}}), "over_limit queue");
  Follow follow;
  follow.queues = {{longest + "x", {}}};
  EXPECT_EQ(said_of_request(follow), "over_limit queue");
}

TEST(RequestLimits, ANumberMayBeTheLargestSQLiteKeepsAndNoLarger) {
  const auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(said_of_request(GetCheckpoint{{largest}}), "");
  EXPECT_EQ(said_of_request(GetCheckpoint{{largest + 1}}), "invalid_input known_size");
}

// ---- replies -----------------------------------------------------------------------------------------------------

TEST(ReplyLimits, AListMayHoldItsLimitAndNoMore) {
  QueueItem hidden;
  hidden.queue = "ged/89";
  hidden.visible = false;
  Items items;
  items.items.assign(list_items_max, hidden);
  EXPECT_EQ(said_of_reply(items), "");
  EXPECT_EQ(said_of_reply(Pushed{items.items}), "");
  items.items.push_back(hidden);
  EXPECT_EQ(said_of_reply(items), "over_limit items");
  EXPECT_EQ(said_of_reply(Pushed{items.items}), "over_limit items");

  Cases cases;
  cases.items.assign(list_items_max,
                     {{}, static_cast<std::uint16_t>(Kind::signalement_individuel), "ged/89", "recu", {}, {}, 1, true});
  EXPECT_EQ(said_of_reply(cases), "");
  cases.items.push_back(cases.items.front());
  EXPECT_EQ(said_of_reply(cases), "over_limit items");
  // All of a page, each passed on as often as can be, with the longest names of instances: still one message.
  CaseItem passed{{}, static_cast<std::uint16_t>(Kind::signalement_individuel), "cpraf/971", "complement_demande"};
  passed.opened_at = passed.updated_at = passed.term = passed.answered_at = {1'893'456'000'000};
  passed.noticed = passed.held = passed.read = true;
  passed.origin.fill(1);
  passed.origin_queue = "cpraf/971";
  passed.transmitted.assign(case_transmissions_max, {"cpraf/971", {}, {1'893'456'000'000}});
  cases.items.assign(list_items_max, passed);
  EXPECT_EQ(said_of_reply(cases), "");
  cases.items[0].transmitted.push_back(passed.transmitted[0]);
  EXPECT_EQ(said_of_reply(cases), "over_limit transmitted");

  Records records;
  records.items.resize(records_items_max);
  EXPECT_EQ(said_of_reply(records), "");
  records.items.emplace_back();
  EXPECT_EQ(said_of_reply(records), "over_limit items");

  Opened opened;
  AccessPart part;
  part.seal = Bytes(seal_bytes, 1);
  opened.access.assign(access_parts_max, part);
  EXPECT_EQ(said_of_reply(opened), "");
  opened.access.push_back(part);
  EXPECT_EQ(said_of_reply(opened), "over_limit access");
}

TEST(ReplyLimits, AProofIsAsTallAsTheTallestTreeAndItsCheckpointAsLongAsANoteMayBe) {
  CheckpointReply reply;
  reply.consistency.resize(proof_digests_max);
  reply.checkpoint = text_of(checkpoint_bytes_max);
  EXPECT_EQ(said_of_reply(reply), "");
  reply.consistency.emplace_back();
  EXPECT_EQ(said_of_reply(reply), "over_limit consistency");
  reply.consistency.pop_back();
  reply.checkpoint += 'x';
  EXPECT_EQ(said_of_reply(reply), "over_limit checkpoint");

  Proven proven;
  proven.proof.proof.resize(proof_digests_max);
  proven.proof.checkpoint = text_of(checkpoint_bytes_max);
  proven.proof.leaf = text_of(audit::leaf_bytes_max);
  EXPECT_EQ(said_of_reply(proven), "");
  proven.proof.leaf += 'x';
  EXPECT_EQ(said_of_reply(proven), "over_limit leaf");
  proven.proof.leaf.pop_back();
  proven.proof.proof.emplace_back();
  EXPECT_EQ(said_of_reply(proven), "over_limit proof");
  proven.proof.proof.pop_back();
  proven.proof.checkpoint += 'x';
  EXPECT_EQ(said_of_reply(proven), "over_limit checkpoint");
}

TEST(ReplyLimits, AShardsOrderIsAsLongAsAllAuthoritiesMaySignAndARosterAsLongAsAQueues) {
  ShardReply shard;
  shard.order = text_of(order_bytes_max);
  EXPECT_EQ(said_of_reply(shard), "");
  shard.order += 'x';
  EXPECT_EQ(said_of_reply(shard), "over_limit order");
  Proven proven;
  proven.roster.resize(recipients_max);
  EXPECT_EQ(said_of_reply(proven), "");
  proven.roster.emplace_back();
  EXPECT_EQ(said_of_reply(proven), "over_limit roster");
}

TEST(ReplyLimits, PartsAndEntriesMayFillTheirLimits) {
  Chunk chunk;
  chunk.bytes = Bytes(chunk_bytes_max, 1);
  EXPECT_EQ(said_of_reply(chunk), "");
  chunk.bytes.push_back(1);
  EXPECT_EQ(said_of_reply(chunk), "over_limit bytes");

  Opened opened;
  opened.payload = Bytes(inline_bytes_max, 1);
  EXPECT_EQ(said_of_reply(opened), "");
  opened.payload.push_back(1);
  EXPECT_EQ(said_of_reply(opened), "over_limit payload");
  opened.payload.clear();
  opened.access.resize(1);
  opened.access[0].seal = Bytes(seal_bytes, 1);
  opened.access[0].locked = Bytes(inline_bytes_max, 1);
  EXPECT_EQ(said_of_reply(opened), "");
  opened.access[0].locked.push_back(1);
  EXPECT_EQ(said_of_reply(opened), "over_limit locked");
  opened.access[0].locked.clear();
  opened.access[0].address = Bytes(address_bytes_max, 1);
  EXPECT_EQ(said_of_reply(opened), "");
  opened.access[0].address.push_back(1);
  EXPECT_EQ(said_of_reply(opened), "over_limit address");

  DirectoryPage page;
  page.items.resize(1);
  page.items[0].entry = Bytes(entry_bytes_max, 1);
  page.items[0].proof.resize(proof_digests_max);
  EXPECT_EQ(said_of_reply(page), "");
  page.items[0].entry.push_back(1);
  EXPECT_EQ(said_of_reply(page), "over_limit entry");
}

TEST(ReplyLimits, WhatIsShownOfARefusalOrOfHealthIsShort) {
  EXPECT_EQ(said_of_reply(Refusal{Code::invalid, text_of(refusal_subject_bytes_max), 0}), "");
  EXPECT_EQ(said_of_reply(Refusal{Code::invalid, text_of(refusal_subject_bytes_max + 1), 0}), "over_limit subject");
  constexpr std::size_t state_bytes_max = 64;
  EXPECT_EQ(said_of_reply(Health{text_of(state_bytes_max), 0, 0, {}, {}, {}, 0, {}, {}, {}}), "");
  EXPECT_EQ(said_of_reply(Health{text_of(state_bytes_max + 1), 0, 0, {}, {}, {}, 0, {}, {}, {}}), "over_limit state");
}

// ---- layouts -----------------------------------------------------------------------------------------------------

TEST(LayoutLimits, AnAddressCarriesTwoAttributesInClearAndNeverThree) {
  Address address = test::some_address();
  address.kind = static_cast<std::uint16_t>(Kind::agrement);
  address.attributes = {{"avis", "accord"}, {"date", "2026-03-12"}};
  static_assert(attributes_max == 2);
  EXPECT_EQ(failure(decode_address(encode(address))), "");
  address.attributes.emplace_back("date", "2026-03-12");
  EXPECT_EQ(failure(decode_address(encode(address))), "invalid_input attributes");
}

TEST(LayoutLimits, AnAuthorityInvitesInTheNameOfSixteenAndNotOfSeventeen) {
  Invitation invitation;
  invitation.contract = "csi-yonne";
  invitation.member = "m.durand";
  invitation.log = "pli.example/pli/89";
  invitation.log_key = {filled<32>(1)};
  invitation.endpoint = "tcp://pli.example:7777";
  invitation.broker = {filled<32>(2)};
  invitation.directory = {3};
  std::vector<std::uint8_t> seeds(authorities_max);
  for (std::size_t i = 0; i < seeds.size(); ++i) seeds[i] = static_cast<std::uint8_t>(i);
  invitation.authorities = test::authorities(2, seeds);
  EXPECT_EQ(failure(parse_invitation(to_text(invitation))), "");
  seeds.push_back(static_cast<std::uint8_t>(seeds.size()));
  invitation.authorities = test::authorities(2, seeds);
  EXPECT_EQ(failure(parse_invitation(to_text(invitation))), "invalid_input authority");
}

TEST(LayoutLimits, AnInvitationOfTheLimitIsReadAndOneByteMoreIsNot) {
  // Bytes enough, of no meaning: at the limit it is their meaning that is refused.
  EXPECT_EQ(failure(parse_invitation(text_of(invitation_bytes_max))), "invalid_input invitation");
  EXPECT_EQ(failure(parse_invitation(text_of(invitation_bytes_max + 1))), "over_limit invitation");
}

TEST(LayoutLimits, TheWitnessesOfAnInvitationFillItToItsLimit) {
  const auto of_size = [](std::size_t size) {
    const audit::VerifierKey key{"w.example", audit::KeyType::cosignature, test::authority_key(9).public_key()};
    Invitation invitation;
    invitation.contract = "csi-yonne";
    invitation.member = "m.durand";
    invitation.log = "pli.example/pli/89";
    invitation.log_key = {filled<32>(1)};
    invitation.endpoint = "tcp://pli.example:7777";
    invitation.broker = {filled<32>(2)};
    invitation.authorities = test::authorities(1, {1});
    invitation.directory = {3};
    const std::string quorum = "quorum w\n";
    invitation.witnesses = "witness w " + audit::to_text(key) + "\n";
    std::size_t missing = size - to_text(invitation).size() - quorum.size();
    // Witnesses nobody asks for, with addresses as long as it takes.
    for (std::size_t i = 0; missing != 0; ++i) {
      const audit::VerifierKey other{"w.example", audit::KeyType::cosignature,
                                     test::authority_key(static_cast<std::uint8_t>(10 + i)).public_key()};
      const std::string head = "witness x" + std::to_string(i) + " " + audit::to_text(other) + " ";
      const std::size_t room = std::min<std::size_t>(missing, 1100);
      const std::size_t rest = missing - room;
      const std::size_t line = rest != 0 && rest < 200 ? room - 200 : room;
      invitation.witnesses += head + std::string(line - head.size() - 1, 'u') + "\n";
      missing -= line;
    }
    invitation.witnesses += quorum;
    EXPECT_EQ(to_text(invitation).size(), size);
    return failure(parse_invitation(to_text(invitation)));
  };
  EXPECT_EQ(of_size(invitation_bytes_max), "");
  EXPECT_EQ(of_size(invitation_bytes_max + 1), "over_limit invitation");
}

TEST(LayoutLimits, AnEndpointNamesAHostOfTwoHundredAndFiftyThreeBytes) {
  const auto with_host = [](std::size_t size) {
    std::string text = "pli-invitation/1\ncontract csi-yonne\nmember m.durand\nlog pli.example/pli/89\nlog-key " +
                       std::string(64, '1') + "\nendpoint tcp://" + std::string(size, 'a') + ":7777\nbroker " +
                       std::string(64, '2') + "\nthreshold 1\nauthority " + audit::to_text(test::authority(1)) +
                       "\ndirectory 1\n";
    return failure(parse_invitation(text));
  };
  EXPECT_EQ(with_host(253), "");
  EXPECT_EQ(with_host(254), "invalid_input endpoint");
}

TEST(LayoutLimits, ALineOfTheDirectoryIsTwoHundredBytes) {
  test::World world = test::some_world();
  Member& member = world.member("m.durand");
  Contract& contract = world.contract;
  const auto read = [&] {
    const auto of_member = failure(read_member(write_member(member, filled<16>(1))));
    const auto of_contract = failure(read_contract(write_contract(contract, filled<16>(1))));
    return std::pair(of_member.empty(), of_contract.empty());
  };
  member.label = text_of(200);
  contract.title = text_of(200);
  contract.parties = {text_of(200)};
  EXPECT_EQ(read(), std::pair(true, true));
  member.label = text_of(201);
  contract.title = text_of(201);
  EXPECT_EQ(read(), std::pair(false, false));
  contract.title = text_of(200);
  contract.parties = {text_of(201)};
  EXPECT_EQ(read(), std::pair(false, false));
}

TEST(LayoutLimits, AnEngagementIsForTenYearsAtMost) {
  test::World world = test::some_world();
  world.contract.engagements = {"retour 3650"};
  EXPECT_EQ(failure(read_contract(write_contract(world.contract, filled<16>(1)))), "");
  world.contract.engagements = {"retour 3651"};
  EXPECT_NE(failure(read_contract(write_contract(world.contract, filled<16>(1)))), "");
}

// ---- forms -------------------------------------------------------------------------------------------------------

std::vector<FormProblem> problems_of(const std::string& json) {
  auto form = Form::from_json(json, nullptr, nullptr, std::nullopt);
  return form ? std::vector<FormProblem>{} : form.error();
}

std::string information(const std::string& service, const std::string& reference) {
  return R"({"type": "information_de_volet", "volet": "transport", "objet": "Repérages", "reference": ")" + reference +
         R"(", "commune": "89025", "service": ")" + service +
         R"(", "faits": [{"date": "2025-04-17", "connaissance": "rapporte", "description": "Un fait."}]})";
}

std::string only_field_at_fault(const std::string& json) {
  const auto problems = problems_of(json);
  if (problems.empty()) return "";
  return problems.size() == 1 ? problems[0].field : "several";
}

TEST(FormLimits, ALineIsOfTwoHundredCharactersAndAReferenceOfSixtyFour) {
  std::string service;
  for (std::size_t i = 0; i < line_chars_max; ++i) service += "é";
  EXPECT_EQ(only_field_at_fault(information(service, "TR-1")), "");
  EXPECT_EQ(only_field_at_fault(information(service + "é", "TR-1")), "service");
  EXPECT_EQ(only_field_at_fault(information("Gare", text_of(64))), "");
  EXPECT_EQ(only_field_at_fault(information("Gare", text_of(65))), "reference");
}

TEST(FormLimits, AFormMayFillItsLimitAsJsonAndIsReadWithinItAsProtobuf) {
  std::string json = information("Gare", "TR-1");
  json.resize(form_bytes_max, ' ');
  EXPECT_TRUE(problems_of(json).empty());
  json += ' ';
  ASSERT_EQ(problems_of(json).size(), 1U);
  EXPECT_EQ(problems_of(json)[0].field, "");
  EXPECT_NE(problems_of(json)[0].french.find("256 Kio"), std::string::npos);

  // No valid form is as long as its protobuf may be: the limit bounds the work of reading, and says so.
  const auto content = [](std::size_t size) {
    ByteWriter out;
    out.u8(1);
    out.u16(static_cast<std::uint16_t>(Kind::retour));
    out.bytes32(Bytes(size, 0x08));
    out.u8(0);
    return out.take();
  };
  EXPECT_EQ(failure(Form::decode(content(form_bytes_max))), "invalid_input form of a newer program, or damaged");
  EXPECT_EQ(failure(Form::decode(content(form_bytes_max + 1))), "invalid_input form too large");
}

TEST(FormLimits, ObjectsNestEightDeepAndAreRefusedForItOneDeeper) {
  const auto nested = [](int objects) {
    std::string json;
    for (int i = 0; i < objects; ++i) json += R"({"x":)";
    return json + "1" + std::string(static_cast<std::size_t>(objects), '}');
  };
  ASSERT_EQ(problems_of(nested(8)).size(), 1U);
  EXPECT_EQ(problems_of(nested(8))[0].field, "type") << "read, and found to be no form";
  ASSERT_EQ(problems_of(nested(9)).size(), 1U);
  EXPECT_EQ(problems_of(nested(9))[0].field, "") << "not read";
}

TEST(FormLimits, AMediaTypeIsOfAHundredBytes) {
  const std::string longest = "a/" + text_of(media_type_bytes_max - 2);
  auto form = Form::retour("examen_termine");
  ASSERT_TRUE(form);
  const auto above = form->attach({"a.txt", longest + "x", {}});
  EXPECT_EQ(failure(above), "invalid_input attachment media type");
  ASSERT_TRUE(form->attach({"a.txt", longest, {}}));
  EXPECT_TRUE(Form::decode(form->encode()));
  // What arrives is held to it as well: one `x` more in the type, and its length says so.
  Bytes bytes = form->encode();
  const auto at = std::search(bytes.begin(), bytes.end(), longest.begin(), longest.end());
  ASSERT_NE(at, bytes.end());
  ++*(at - 1);
  bytes.insert(at + static_cast<std::ptrdiff_t>(longest.size()), 'x');
  EXPECT_EQ(failure(Form::decode(bytes)), "invalid_input attachment media type");
}

TEST(FormLimits, FiveAttachmentsAreReadAndSixAreNot) {
  const auto content = [](std::size_t count) {
    ByteWriter out;
    out.u8(1);
    out.u16(static_cast<std::uint16_t>(Kind::retour));
    out.bytes32(Bytes{0x08, 0x01});
    out.u8(static_cast<std::uint8_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      out.string8("piece-" + std::to_string(i));
      out.string8("text/plain");
      out.bytes32(Bytes{});
    }
    return out.take();
  };
  EXPECT_EQ(failure(Form::decode(content(attachments_max))), "");
  EXPECT_EQ(failure(Form::decode(content(attachments_max + 1))), "invalid_input form");
}

}  // namespace
}  // namespace pli::protocol
