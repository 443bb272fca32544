// What a member may ask of the core at most, and how much of what it holds goes into one answer: each limit is reached,
// and one above it is refused by its code or begins the next page.
#include <algorithm>
#include <functional>

#include "base/file.hpp"
#include "broker/core_state.hpp"
#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

constexpr std::size_t condition_bytes = 11;  // of "no-copy-to:"

class CoreLimits : public CoreTest {
 protected:
  /// So many exchanges to ged/89, in one batch. `shape` may change each before it is signed.
  void fill(BrokerHouse& broker, std::size_t count, const std::function<void(std::size_t, Draft&)>& shape = {}) {
    std::vector<broker::VerifiedRequest> batch;
    for (std::size_t i = 0; i < count; ++i) {
      Draft draft;
      draft.openable = false;
      if (shape) shape(i, draft);
      batch.push_back(broker.request(draft.sender, department.seal(draft).verified()));
    }
    auto outcome = broker.apply(std::move(batch));
    ASSERT_TRUE(outcome.has_value());
    for (const broker::Outgoing& each : outcome->outgoing) ASSERT_EQ(refusal_in(each.reply.body), "");
  }
  static protocol::Items list(BrokerHouse& broker, QueueNumber after = {}) {
    const auto reply = broker.ask("ged.1", protocol::List{"ged/89", after, protocol::list_items_max});
    EXPECT_EQ(refusal_in(reply), "");
    EXPECT_LE(protocol::encode(protocol::Reply{1, reply}).size(), protocol::message_bytes_max);
    return std::get<protocol::Items>(reply);
  }
  /// How many headers the first message of a catch-up holds.
  static std::size_t first_pushed(BrokerHouse& broker) {
    protocol::Follow follow{{{"ged/89", {}}}, 1000};
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(broker.request("ged.1", follow));
    auto outcome = broker.apply(std::move(batch));
    EXPECT_TRUE(outcome.has_value());
    const protocol::Reply& reply = outcome->outgoing.front().reply;
    EXPECT_LE(protocol::encode(reply).size(), protocol::message_bytes_max);
    return std::get<protocol::Pushed>(reply.body).items.size();
  }
  /// Eight conditions of so many bytes in all.
  static std::vector<std::string> conditions(std::size_t bytes) {
    std::vector<std::string> out;
    for (std::size_t left = protocol::handling_max; left > 0; --left) {
      const std::size_t size = bytes / left;
      bytes -= size;
      out.push_back("no-copy-to:" + std::string(1, static_cast<char>('a' + left)) +
                    std::string(size - condition_bytes - 1, 'x'));
    }
    return out;
  }
};

TEST_F(CoreLimits, APageOfHeadersHoldsSixtyFourAndTheSixtyFifthBeginsTheNext) {
  fill(house, protocol::list_items_max);
  EXPECT_EQ(list(house).items.size(), protocol::list_items_max);
  EXPECT_FALSE(list(house).more);
  EXPECT_EQ(first_pushed(house), protocol::list_items_max);
  const auto cases = [&] {
    return std::get<protocol::Cases>(house.ask("secretariat", protocol::ListCases{{}, protocol::list_items_max}));
  };
  EXPECT_EQ(cases().items.size(), protocol::list_items_max);
  EXPECT_FALSE(cases().more);

  fill(house, 1);
  EXPECT_EQ(list(house).items.size(), protocol::list_items_max);
  EXPECT_TRUE(list(house).more);
  EXPECT_EQ(first_pushed(house), protocol::list_items_max);
  EXPECT_EQ(cases().items.size(), protocol::list_items_max);
  EXPECT_TRUE(cases().more);
}

TEST_F(CoreLimits, APageOfHeadersIsFilledToItsLastByteAndOneByteMoreBeginsTheNext) {
  constexpr std::size_t headers = 49;
  const auto size_with = [&](std::size_t bytes) {
    Draft draft;
    draft.openable = false;
    draft.handling = conditions(bytes);
    const Sealed sealed = department.seal(draft);
    protocol::QueueItem item;
    item.queue = "ged/89";
    item.address = sealed.envelope.address;
    item.seal = sealed.envelope.seal;
    return broker::header_bytes(item);
  };
  constexpr std::size_t some = protocol::handling_max * 40;
  const std::size_t around = size_with(some) - some;
  const std::size_t each = protocol::list_bytes_max / headers - around;
  ASSERT_LE(each, protocol::handling_max * (condition_bytes + 64)) << "the longest eight conditions";
  const auto shape = [&](std::size_t more) {
    return [=](std::size_t i, Draft& draft) {
      const bool is_last = i + 1 == headers;
      draft.handling = conditions(is_last ? each + protocol::list_bytes_max % headers + more : each);
    };
  };
  fill(house, headers, shape(0));
  EXPECT_EQ(list(house).items.size(), headers);
  EXPECT_FALSE(list(house).more);
  EXPECT_EQ(first_pushed(house), headers);

  BrokerHouse other(department);
  fill(other, headers, shape(1));
  EXPECT_EQ(list(other).items.size(), headers - 1);
  EXPECT_TRUE(list(other).more);
  EXPECT_EQ(list(other, {headers - 1}).items.size(), 1U);
  EXPECT_EQ(first_pushed(other), headers - 1);
}

TEST_F(CoreLimits, AFollowMayNameSixtyFourQueuesAndTakeTheWholeCredit) {
  protocol::Follow follow;
  follow.queues.resize(protocol::follow_queues_max, {"ged/89", {}});
  follow.credit = protocol::follow_credit_max;
  EXPECT_EQ(refusal_in(house.ask("ged.1", follow)), "");
  follow.queues.push_back(follow.queues.front());
  EXPECT_EQ(refusal_in(house.ask("ged.1", follow)), "TOO_LARGE(queues)");
  follow.queues.pop_back();
  ++follow.credit;
  EXPECT_EQ(refusal_in(house.ask("ged.1", follow)), "TOO_LARGE(credit)");
}

TEST_F(CoreLimits, APageOfTheDirectoryIsFilledAsFarAsItsBytesGo) {
  DepartmentOptions options = small();
  options.senders = 300;
  const Department large(options);
  BrokerHouse other(large);
  std::vector<protocol::DirectoryPage> pages;
  do {
    const std::uint64_t after = pages.empty() ? 0 : pages.back().items.back().position + 1;
    const auto reply = other.ask("auditeur", protocol::GetDirectory{{}, after});
    ASSERT_EQ(refusal_in(reply), "");
    pages.push_back(std::get<protocol::DirectoryPage>(reply));
  } while (pages.back().more);
  ASSERT_GT(pages.size(), 2U);
  const auto cost = [](const protocol::DirectoryItem& item) { return 16 + item.entry.size() + item.proof.size() * 34; };
  for (std::size_t i = 0; i + 1 < pages.size(); ++i) {
    const protocol::DirectoryPage& page = pages[i];
    std::size_t bytes = page.note.size() + page.leaf.leaf.size() + page.leaf.disclosure.size();
    for (const protocol::DirectoryItem& item : page.items) bytes += cost(item);
    EXPECT_LE(bytes, protocol::directory_bytes_max);
    EXPECT_GT(bytes + cost(pages[i + 1].items.front()), protocol::directory_bytes_max) << "the next had room";
  }
}

TEST_F(CoreLimits, APageOfRecordsHoldsSixtyFour) {
  const Sealed report = accept({});
  // Proofs shown to an auditor make the shortest records.
  for (std::size_t i = 0; i <= protocol::records_items_max; ++i)
    ASSERT_EQ(refusal_in(house.ask("auditeur", protocol::Prove{report.id})), "");
  const TreeSize size = house.store().tree_size();
  const auto from = [&](std::uint64_t index) {
    const auto reply = house.ask("auditeur", protocol::GetRecords{{index}, protocol::records_items_max});
    return std::get<protocol::Records>(reply).items.size();
  };
  EXPECT_EQ(from(size.value - protocol::records_items_max + 1), protocol::records_items_max - 1);
  EXPECT_EQ(from(size.value - protocol::records_items_max), protocol::records_items_max);
  EXPECT_EQ(from(size.value - protocol::records_items_max - 1), protocol::records_items_max) << "and not one more";
}

TEST_F(CoreLimits, APageOfRecordsIsFilledAsFarAsItsBytesGo) {
  fill(house, protocol::records_items_max);
  const auto page = [&](std::uint64_t from, std::uint32_t items) {
    const auto reply = house.ask("auditeur", protocol::GetRecords{{from}, items});
    EXPECT_LE(protocol::encode(protocol::Reply{1, reply}).size(), protocol::message_bytes_max);
    std::size_t bytes = 0;
    const auto& records = std::get<protocol::Records>(reply);
    for (const auto& item : records.items) bytes += 32 + item.leaf.size() + item.disclosure.size();
    return std::pair(records.items.size(), bytes);
  };
  const auto [items, bytes] = page(0, protocol::records_items_max);
  EXPECT_LT(items, protocol::records_items_max);
  EXPECT_LE(bytes, protocol::records_bytes_max);
  EXPECT_GT(bytes + page(items, 1).second, protocol::records_bytes_max) << "the next had room";
}

TEST_F(CoreLimits, SixteenWaysIntoAnExchangeAreGivenAndNotASeventeenth) {
  DepartmentOptions options = small();
  options.ged_members = protocol::access_parts_max;
  const Department large(options);
  BrokerHouse other(large);
  const Sealed report = large.seal({});
  ASSERT_EQ(refusal_in(other.ask(report.address.sender, report.verified())), "");
  const auto give_way_in = [&](std::size_t from) {
    const Sealed way_in = large.seal_access("ged." + std::to_string(from), report);
    return refusal_in(other.ask(way_in.address.sender, way_in.verified()));
  };
  for (std::size_t from = 1; from < protocol::access_parts_max; ++from) ASSERT_EQ(give_way_in(from), "") << from;
  const auto opened = other.ask("secretariat", large.open("secretariat", report.id, other.now));
  ASSERT_EQ(refusal_in(opened), "");
  EXPECT_EQ(std::get<protocol::Opened>(opened).access.size(), protocol::access_parts_max);
  EXPECT_TRUE(protocol::decode_reply(protocol::encode(protocol::Reply{1, opened})));
  EXPECT_EQ(give_way_in(protocol::access_parts_max), "TOO_LARGE(recipients)");
}

TEST_F(CoreLimits, AnOpeningMayBeFiveMinutesAheadAndNotAMillisecondMore) {
  const Sealed report = accept({});
  const auto at = [&](std::chrono::milliseconds ahead) {
    return refusal_in(house.ask("ged.1", department.open("ged.1", report.id, house.now + ahead)));
  };
  EXPECT_EQ(at(protocol::clock_skew_max), "");
  EXPECT_EQ(at(protocol::clock_skew_max + 1ms), "CLOCK_SKEW");
  EXPECT_EQ(at(-protocol::opening_age_max), "");
  EXPECT_EQ(at(-protocol::opening_age_max - 1ms), "CLOCK_SKEW");
}

TEST_F(CoreLimits, ADirectoryRulesThirtyDaysAtMost) {
  const auto version = [&](std::chrono::milliseconds life) {
    return department.sign_version(department.directory()->entries(), {2}, department.directory()->verified()->digest(),
                                   house.now + life, 2);
  };
  // An authority's clock may be as far ahead as anybody's.
  const auto longest = protocol::directory_validity_max + protocol::clock_skew_max;
  EXPECT_EQ(refusal_in(publish(version(longest + 1ms))), "INVALID(not_after)");
  EXPECT_EQ(refusal_in(publish(version(longest))), "");
}

TEST_F(CoreLimits, WhatRidesInsideAnOpeningIsAllThatFitsAndTheRestIsFetched) {
  // The broker looks into no part, so these are of any size a test likes.
  const auto opened_with = [&](std::size_t locked, std::size_t payload) {
    Draft draft;
    draft.openable = false;
    draft.created_at = house.now;
    Sealed sealed = department.seal(draft);
    sealed.envelope.locked.resize(locked);
    sealed.envelope.payload.resize(payload);
    crypto::random_bytes(sealed.envelope.payload);
    sealed.seal.locked_size = locked;
    sealed.seal.locked = crypto::sha256(sealed.envelope.locked);
    sealed.seal.payload_size = payload;
    sealed.seal.payload = crypto::sha256(sealed.envelope.payload);
    department.sign(sealed);
    EXPECT_EQ(refusal_in(submit(sealed)), "");
    const auto reply = open("ged.1", sealed.id);
    EXPECT_EQ(refusal_in(reply), "");
    const Bytes wire = protocol::encode(protocol::Reply{1, reply});
    EXPECT_TRUE(protocol::decode_reply(wire));
    const auto& opened = std::get<protocol::Opened>(reply);
    EXPECT_TRUE(opened.access.at(0).locked == sealed.envelope.locked || opened.access.at(0).locked.empty());
    EXPECT_TRUE(opened.payload == sealed.envelope.payload || opened.payload.empty());
    return std::pair(opened.access.at(0).locked.size(), opened.payload.size());
  };
  // Alone, a part rides up to what `submit` carries.
  constexpr std::size_t inline_max = protocol::inline_bytes_max;
  EXPECT_EQ(opened_with(700, inline_max), std::pair(std::size_t{700}, inline_max));
  EXPECT_EQ(opened_with(700, inline_max + 1), std::pair(std::size_t{700}, std::size_t{0}));
  EXPECT_EQ(opened_with(inline_max, 700), std::pair(inline_max, std::size_t{700}));
  EXPECT_EQ(opened_with(inline_max + 1, 700), std::pair(std::size_t{0}, std::size_t{700}));
  // Together they leave the message room for the rest, headers and proof.
  EXPECT_EQ(opened_with(28 * 1024, 48 * 1024), std::pair(std::size_t{28 * 1024}, std::size_t{0}));
  EXPECT_EQ(opened_with(28 * 1024, 24 * 1024), std::pair(std::size_t{28 * 1024}, std::size_t{24 * 1024}));
}

TEST_F(CoreLimits, ABodyIsReadBackAlikeOnBothSidesOfWhatIsKeptInSmallPieces) {
  for (const std::size_t bytes : {32U * 1024, 32U * 1024 + 1}) {
    Draft draft;
    draft.openable = false;
    Sealed sealed = department.seal(draft);
    sealed.envelope.payload.resize(bytes - sealed.envelope.locked.size());
    crypto::random_bytes(sealed.envelope.payload);
    sealed.seal.payload_size = sealed.envelope.payload.size();
    sealed.seal.payload = crypto::sha256(sealed.envelope.payload);
    department.sign(sealed);
    ASSERT_EQ(refusal_in(submit(sealed)), "");
    house.restart();
    const auto reply = open("ged.1", sealed.id);
    ASSERT_EQ(refusal_in(reply), "");
    EXPECT_EQ(std::get<protocol::Opened>(reply).payload, sealed.envelope.payload) << bytes;
    EXPECT_EQ(std::get<protocol::Opened>(reply).access.at(0).locked, sealed.envelope.locked) << bytes;
  }
}

TEST_F(CoreLimits, AnExchangeOfEightMebibytesIsKeptAndOneByteMoreIsNot) {
  const auto refusal_with = [&](std::size_t whole) {
    Draft draft;
    draft.openable = false;
    Sealed sealed = department.seal(draft);
    sealed.envelope.payload.assign(whole - sealed.envelope.locked.size(), static_cast<std::uint8_t>(whole));
    sealed.seal.payload_size = sealed.envelope.payload.size();
    sealed.seal.payload = crypto::sha256(sealed.envelope.payload);
    department.sign(sealed);
    return refusal_in(submit(sealed));
  };
  EXPECT_EQ(refusal_with(protocol::exchange_bytes_max), "");
  EXPECT_EQ(refusal_with(protocol::exchange_bytes_max + 1), "TOO_LARGE(payload_size)");
}

TEST_F(CoreLimits, ARosterOfFiveHundredAndTwelveIsSealedToAndNoLargerOneIsPublished) {
  DepartmentOptions options = small();
  options.ged_members = protocol::recipients_max - 1;  // and the secretariat
  Department large(options);
  BrokerHouse other(large);
  ASSERT_EQ(large.directory()->queue("ged/89")->keys.size(), protocol::recipients_max);
  const Sealed sealed = large.seal({});
  EXPECT_LE(sealed.envelope.locked.size(), protocol::locked_bytes_max);
  EXPECT_EQ(refusal_in(other.ask(sealed.address.sender, sealed.verified())), "");
  EXPECT_EQ(refusal_in(other.ask("ged.1", large.open("ged.1", sealed.id, other.now))), "");

  // No authority's program signs what nobody could seal to; whoever signs it all the same is refused here.
  broker::VerifiedPublish version = large.revoke("ged.1", other.now);
  protocol::Queue crowd = *large.directory()->queue("ged/89");
  while (crowd.keys.size() <= protocol::recipients_max) crowd.keys.push_back({crypto::random_array<32>()});
  std::sort(crowd.keys.begin(), crowd.keys.end());
  version.changed = {protocol::encode(protocol::write_queue(crowd, {}))};
  EXPECT_EQ(refusal_in(other.ask("operateur", std::move(version))), "TOO_LARGE(bundle)");
}

TEST_F(CoreLimits, AKeyFileOfItsLimitIsReadAndALargerOneIsNot) {
  house.close();
  const auto boxed = house.key_paths().folder / "log.key";
  const auto opened_with = [&](std::size_t bytes) {
    EXPECT_TRUE(write_file_durably(boxed, Bytes(bytes, 'x'), FileMode::owner_only));
    return house.open().error().code;
  };
  constexpr std::size_t key_file_bytes_max = 4096;
  EXPECT_NE(opened_with(key_file_bytes_max), Errc::over_limit) << "read, and found to be no key";
  EXPECT_EQ(opened_with(key_file_bytes_max + 1), Errc::over_limit);
}

TEST_F(CoreLimits, ACheckNamesAsManyProblemsAsItIsAskedForAndNoMore) {
  accept({});
  house.close();
  const auto problems = [&](std::size_t most) {
    broker::CheckOptions options;
    options.log = "pli.nievre.exemple/pli/58";  // another log: wrong in more than one place
    options.problems_max = most;
    auto keys = broker::KeyRing::open(house.key_paths(), test_startup_secret(), house.now);
    EXPECT_TRUE(keys.has_value());
    const auto report = broker::check_store(house.database(), **keys, options);
    EXPECT_TRUE(report.has_value());
    return report->problems.size();
  };
  const std::size_t all = problems(1000);
  ASSERT_GT(all, 1U);
  EXPECT_EQ(problems(all), all);
  EXPECT_EQ(problems(all - 1), all - 1);
}

}  // namespace
}  // namespace pli::testing
