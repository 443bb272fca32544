#include "broker/spool.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "tests/broker/front_world.hpp"

namespace pli::broker {
namespace {

using protocol::ChunkStored;
using protocol::Code;
using protocol::PutChunk;
using protocol::Refusal;

constexpr std::uint64_t part_max = protocol::exchange_bytes_max;

Bytes random_part(std::size_t size) {
  Bytes out(size);
  crypto::random_bytes(out);
  return out;
}

class SpoolOf : public ::testing::Test {
 protected:
  explicit SpoolOf(SpoolLimits limits = {}) : spool_(Spool::open(folder_.path() / "spool", limits).value()) {}

  ChunkStored store(const PutChunk& chunk) { return store_for(me_, chunk); }
  ChunkStored store_for(const crypto::CurvePublic& owner, const PutChunk& chunk) {
    auto out = spool_->put(owner, chunk, part_max, now_);
    if (auto* refusal = std::get_if<Refusal>(&out)) {
      ADD_FAILURE() << protocol::to_text(*refusal);
      return {};
    }
    return std::get<ChunkStored>(out);
  }
  Code refused(const PutChunk& chunk, std::uint64_t size_max = part_max) {
    auto out = spool_->put(me_, chunk, size_max, now_);
    return std::holds_alternative<Refusal>(out) ? std::get<Refusal>(out).code : Code::unknown_key;
  }

  TestFolder folder_;
  std::unique_ptr<Spool> spool_;
  crypto::CurvePublic me_{{1}};
  crypto::CurvePublic other_{{2}};
  SteadyTime now_ = std::chrono::steady_clock::now();
};

TEST_F(SpoolOf, TakesChunksInAnyOrderAndAnyNumberOfTimes) {
  const Bytes part = random_part(3 * protocol::chunk_bytes_max + 17);
  const auto chunks = chunks_of(part);
  ASSERT_EQ(chunks.size(), 4U);
  EXPECT_EQ(store(chunks[3]).received_bytes, 17U);
  EXPECT_EQ(store(chunks[1]).received_bytes, protocol::chunk_bytes_max + 17);
  EXPECT_EQ(store(chunks[1]).received_bytes, protocol::chunk_bytes_max + 17) << "a chunk sent twice counts once";
  EXPECT_FALSE(store(chunks[2]).complete);
  EXPECT_EQ(spool_->read(me_, chunks[0].part, part.size()).error().code, Errc::not_found) << "one chunk is missing";
  const ChunkStored last = store(chunks[0]);
  EXPECT_TRUE(last.complete);
  EXPECT_EQ(last.received_bytes, part.size());
  EXPECT_EQ(last.credit, 0U);
  EXPECT_EQ(spool_->read(me_, chunks[0].part, part.size()).value(), part);
}

TEST_F(SpoolOf, SaysHowMuchItHasSoThatAClientResumes) {
  const Bytes part = random_part(20 * protocol::chunk_bytes_max);
  const auto chunks = chunks_of(part);
  for (std::size_t i = 0; i < 9; ++i) (void)store(chunks[i]);
  const ChunkStored resumed = store(chunks[0]);  // after a broken connection it asks by sending any chunk again
  EXPECT_EQ(resumed.received_bytes, 9 * protocol::chunk_bytes_max);
  EXPECT_EQ(resumed.credit, protocol::chunk_credit);
  for (std::size_t i = 9; i < chunks.size(); ++i) (void)store(chunks[i]);
  EXPECT_EQ(spool_->read(me_, chunks[0].part, part.size()).value(), part);
}

TEST_F(SpoolOf, RefusesAPartOneByteTooLarge) {
  PutChunk chunk{{}, part_max + 1, 0, Bytes(protocol::chunk_bytes_max)};
  EXPECT_EQ(refused(chunk), Code::too_large);
  chunk.part_size = 1001;
  chunk.bytes.resize(1001);
  EXPECT_EQ(refused(chunk, 1000), Code::too_large);
  EXPECT_EQ(refused(chunk, 1001), Code::unknown_key) << "taken";
}

TEST_F(SpoolOf, RefusesChunksThatDoNotFitTheirPart) {
  const auto chunks = chunks_of(random_part(protocol::chunk_bytes_max + 10));
  for (auto [index, bytes] : std::vector<std::pair<std::uint32_t, std::size_t>>{
           {0, protocol::chunk_bytes_max - 1}, {1, 9}, {1, 11}, {2, 10}, {1, 0}, {0xffffffff, 10}}) {
    PutChunk chunk = chunks[0];
    chunk.index = index;
    chunk.bytes.resize(bytes);
    EXPECT_EQ(refused(chunk), Code::invalid) << index << " " << bytes;
  }
  PutChunk empty = chunks[0];
  empty.part_size = 0;
  EXPECT_EQ(refused(empty), Code::invalid);
  (void)store(chunks[0]);
  PutChunk other_size = chunks[1];
  other_size.part_size += 1;
  other_size.bytes.push_back(0);
  EXPECT_EQ(refused(other_size), Code::invalid) << "one part has one size";
}

TEST_F(SpoolOf, KeepsOwnersApart) {
  const Bytes part = random_part(100);
  (void)store(chunks_of(part)[0]);
  EXPECT_EQ(spool_->read(other_, crypto::sha256(part), part.size()).error().code, Errc::not_found);
  EXPECT_FALSE(spool_->holds_any(other_));
  spool_->drop(other_, crypto::sha256(part));
  EXPECT_TRUE(spool_->read(me_, crypto::sha256(part), part.size()));
}

TEST_F(SpoolOf, RefusesOnePartOverTheQuota) {
  for (std::size_t i = 0; i < protocol::spool_parts_per_identity_max; ++i) (void)store(chunks_of(random_part(10))[0]);
  EXPECT_EQ(refused(chunks_of(random_part(10))[0]), Code::busy);
  (void)store_for(other_, chunks_of(random_part(10))[0]);  // another owner has a quota of its own
}

TEST_F(SpoolOf, RefusesOneByteOverTheQuotaAndCountsDeclaredSizes) {
  const auto declared = [](std::uint8_t name, std::uint64_t size) {
    return PutChunk{{name}, size, 0, Bytes(std::min<std::uint64_t>(size, protocol::chunk_bytes_max))};
  };
  for (std::uint8_t i = 1; i <= 3; ++i) (void)store(declared(i, part_max));
  (void)store(declared(4, part_max - 1000));
  EXPECT_EQ(spool_->reserved_bytes(), protocol::spool_bytes_per_identity_max - 1000);
  EXPECT_EQ(refused(declared(5, 1001)), Code::busy);
  (void)store(declared(5, 1000));
  spool_->drop(me_, {1});
  (void)store(declared(6, part_max));
}

TEST(SpoolReserve, NothingIsStagedInTheDisksReserve) {
  TestFolder folder;
  std::uint64_t free = 0;
  SpoolLimits limits;
  limits.free_bytes = [&] { return free; };
  auto spool = Spool::open(folder.path() / "spool", limits).value();
  const Bytes bytes(1000, 7);
  const protocol::PutChunk chunk{crypto::sha256(bytes), bytes.size(), 0, bytes};
  const auto put = [&] { return spool->put({}, chunk, protocol::exchange_bytes_max, SteadyTime{}); };
  free = protocol::disk_reserve_bytes + bytes.size() - 1;
  const auto refused = put();
  ASSERT_TRUE(std::holds_alternative<protocol::Refusal>(refused));
  EXPECT_EQ(std::get<protocol::Refusal>(refused).code, protocol::Code::log_unavailable);
  EXPECT_EQ(spool->reserved_bytes(), 0U);
  EXPECT_FALSE(spool->holds_any({}));
  free = protocol::disk_reserve_bytes + bytes.size();
  EXPECT_TRUE(std::holds_alternative<protocol::ChunkStored>(put()));
}

class SmallSpool : public SpoolOf {
 protected:
  SmallSpool() : SpoolOf({.bytes_max = 1000, .parts_max = 4, .owner_bytes_max = 600, .owner_parts_max = 2}) {}
};

TEST_F(SmallSpool, RefusesWhatAllOwnersTogetherHaveNoRoomFor) {
  (void)store(chunks_of(random_part(600))[0]);
  (void)store_for(other_, chunks_of(random_part(400))[0]);
  const crypto::CurvePublic third{{3}};
  auto out = spool_->put(third, chunks_of(random_part(1))[0], part_max, now_);
  EXPECT_EQ(std::get<Refusal>(out).code, Code::busy);
  EXPECT_FALSE(spool_->holds_any(third));
}

TEST_F(SmallSpool, WhatLiesIdleMakesRoom) {
  const Bytes old = random_part(300);
  (void)store(chunks_of(old)[0]);
  (void)store(chunks_of(random_part(300))[0]);
  EXPECT_EQ(refused(chunks_of(random_part(300))[0]), Code::busy);
  now_ += std::chrono::minutes(10);
  (void)store(chunks_of(random_part(300))[0]);
  now_ += std::chrono::minutes(10);
  spool_->expire(now_);
  EXPECT_EQ(spool_->reserved_bytes(), 0U);
  EXPECT_FALSE(spool_->holds_any(me_));
}

TEST_F(SpoolOf, LeavesNoNamesInItsFolder) {
  (void)store(chunks_of(random_part(200'000))[0]);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "spool"));
}

}  // namespace
}  // namespace pli::broker
