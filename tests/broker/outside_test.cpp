#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "audit/tree.hpp"
#include "broker/outside_file.hpp"
#include "tests/broker/front_world.hpp"

namespace pli::broker {
namespace {

constexpr const char* origin = "pli.essai.example/pli/89/2026-1";

class OutsideCheckpoint : public ::testing::Test {
 protected:
  OutsideCheckpoint() {
    for (int i = 0; i < 20; ++i) tree_.append(as_bytes("leaf " + std::to_string(i)));
  }
  [[nodiscard]] std::string note(std::uint64_t size) const {
    return audit::sign_checkpoint({origin, {size}, audit::root_at({size}, tree_.source()).value()}, key_);
  }
  [[nodiscard]] audit::VerifierKey verifier() const { return {origin, audit::KeyType::ed25519, key_.public_key()}; }
  [[nodiscard]] Result<void> demand(const std::string& outside, std::uint64_t stored,
                                    const audit::MemoryTree& tree) const {
    return demand_extension({1, outside}, verifier(), {stored},
                            [&](TreeSize size) { return audit::root_at(size, tree.source()); });
  }
  void overwrite(std::size_t offset, std::size_t count) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    for (std::size_t i = 0; i < count; ++i) file.put('x');
  }

  TestFolder folder_;
  std::filesystem::path path_ = folder_.path() / "checkpoint";
  crypto::SigningKey key_ = crypto::SigningKey::generate();
  audit::MemoryTree tree_;
};

TEST_F(OutsideCheckpoint, IsCreatedOnceAndReadBack) {
  {
    auto file = OutsideFile::create(path_, note(1));
    ASSERT_TRUE(file) << file.error().detail;
    ASSERT_TRUE(file->write(note(2)));
    ASSERT_TRUE(file->write(note(3)));
  }
  EXPECT_EQ(std::filesystem::file_size(path_), 2 * audit::outside_slot_bytes);
  EXPECT_EQ(OutsideFile::open(path_)->newest(), (audit::OutsideSlot{3, note(3)}));
  EXPECT_EQ(OutsideFile::create(path_, note(1)).error().code, Errc::conflict);
}

TEST_F(OutsideCheckpoint, ATornWriteCostsTheSlotBeingWrittenAndNoOther) {
  for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) {
    std::filesystem::remove(path_);
    {
      auto file = OutsideFile::create(path_, note(1));
      for (std::uint64_t size = 2; size <= sequence + 1; ++size) ASSERT_TRUE(file->write(note(size)));
    }
    // The write of the newest slot was cut short.
    overwrite((sequence + 1) % 2 * audit::outside_slot_bytes + 100, 200);
    auto file = OutsideFile::open(path_);
    ASSERT_TRUE(file);
    EXPECT_EQ(file->newest().sequence, sequence);
    EXPECT_EQ(file->newest().note, note(sequence));
    ASSERT_TRUE(file->write(note(9)));
  }
}

TEST_F(OutsideCheckpoint, IsRefusedWhenMissingOrWhollyDamaged) {
  EXPECT_EQ(OutsideFile::open(path_).error().code, Errc::not_found);
  { ASSERT_TRUE(OutsideFile::create(path_, note(1))); }
  overwrite(0, 2 * audit::outside_slot_bytes);
  EXPECT_EQ(OutsideFile::open(path_).error().code, Errc::corruption);
  overwrite(0, 2 * audit::outside_slot_bytes + 1);
  EXPECT_EQ(OutsideFile::open(path_).error().code, Errc::corruption);
}

TEST_F(OutsideCheckpoint, IsHeldByOneBrokerAtATime) {
  auto file = OutsideFile::create(path_, note(1));
  ASSERT_TRUE(file);
  EXPECT_EQ(OutsideFile::open(path_).error().code, Errc::unavailable);
}

TEST_F(OutsideCheckpoint, P10RollbackIsNoticedAtStart) {
  EXPECT_TRUE(demand(note(12), 12, tree_));
  EXPECT_TRUE(demand(note(12), 20, tree_));
  auto behind = demand(note(12), 11, tree_);
  ASSERT_FALSE(behind);
  EXPECT_EQ(behind.error().code, Errc::conflict);
  EXPECT_NE(behind.error().detail.find("11 leaves"), std::string::npos);
  EXPECT_EQ(demand(note(12), 0, tree_).error().code, Errc::conflict);
}

TEST_F(OutsideCheckpoint, P10AnotherHistoryIsNoticedAtStart) {
  audit::MemoryTree other;
  for (int i = 0; i < 20; ++i) other.append(as_bytes("leaf " + std::to_string(i == 5 ? 99 : i)));
  EXPECT_TRUE(demand(note(5), 20, other)) << "it differs only later";
  EXPECT_EQ(demand(note(6), 20, other).error().code, Errc::conflict);
  EXPECT_EQ(demand(note(12), 20, other).error().code, Errc::conflict);
}

TEST_F(OutsideCheckpoint, P10AnotherLogsCheckpointIsNotAccepted) {
  const auto stranger = crypto::SigningKey::generate();
  const audit::TreeHead head{origin, {12}, audit::root_at({12}, tree_.source()).value()};
  EXPECT_EQ(demand(audit::sign_checkpoint(head, stranger), 20, tree_).error().code, Errc::corruption);
  audit::TreeHead other_shard = head;
  other_shard.origin = "pli.essai.example/pli/89/2026-2";
  EXPECT_EQ(demand(audit::sign_checkpoint(other_shard, key_), 20, tree_).error().code, Errc::corruption);
}

TEST_F(OutsideCheckpoint, P10RemovedWhileRunningIsMadeAnewWithTheNewest) {
  for (const bool moved : {false, true}) {
    std::filesystem::remove(path_);
    OutsideFile file = OutsideFile::create(path_, note(1)).value();
    if (moved)
      std::filesystem::rename(path_, folder_.path() / "aside");
    else
      std::filesystem::remove(path_);
    ASSERT_TRUE(file.write(note(2)));
    EXPECT_EQ(OutsideFile::read(path_).value(), (audit::OutsideSlot{2, note(2)}));
    EXPECT_EQ(OutsideFile::open(path_).error().code, Errc::unavailable) << "nobody else may hold the new one";
    ASSERT_TRUE(file.write(note(3)));
    EXPECT_EQ(OutsideFile::read(path_)->note, note(3));
    EXPECT_EQ(std::filesystem::file_size(path_), 2 * audit::outside_slot_bytes);
  }
}

TEST_F(OutsideCheckpoint, IsNotWrittenWhereNoStartWouldFindIt) {
  {
    OutsideFile file = OutsideFile::create(path_, note(1)).value();
    std::filesystem::rename(path_, folder_.path() / "aside");
    std::filesystem::copy(folder_.path() / "aside", path_);
    EXPECT_EQ(file.write(note(2)).error().code, Errc::io_error) << "that one may be of another broker";
    EXPECT_EQ(OutsideFile::read(path_)->note, note(1));
    std::filesystem::remove(path_);
  }
  OutsideFile file = OutsideFile::create(path_, note(1)).value();
  std::filesystem::resize_file(path_, audit::outside_slot_bytes);
  EXPECT_EQ(file.write(note(2)).error().code, Errc::io_error);
}

}  // namespace
}  // namespace pli::broker
