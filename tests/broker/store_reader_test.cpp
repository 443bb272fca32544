#include "broker/store_reader.hpp"

#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

class StoreBeside : public CoreTest {};

TEST_F(StoreBeside, LeavesAndNodesAreReadWhileTheCoreWrites) {
  for (int i = 0; i < 20; ++i) accept({});
  const auto reader = broker::StoreReader::open(house.database(), department.origin());
  ASSERT_TRUE(reader) << reader.error().detail;
  for (int i = 0; i < 20; ++i) accept({});  // a transaction after it was opened
  const std::uint64_t size = house.store().tree_size().value;
  const auto leaves = (*reader)->leaves({0}, static_cast<std::size_t>(size));
  ASSERT_TRUE(leaves) << leaves.error().detail;
  ASSERT_EQ(leaves->size(), size);
  for (std::uint64_t i = 0; i < size; ++i) EXPECT_EQ((*leaves)[i], audit::encode(house.store().leaf({{i}})->leaf));
  for (std::uint8_t level = 0; level < 5; ++level)
    for (std::uint64_t index = 0; index < size >> level; ++index)
      EXPECT_EQ((*reader)->node({level, index}).value(), house.store().node({level, index}).value());
}

TEST_F(StoreBeside, WhatIsNotThereIsAnError) {
  EXPECT_EQ(broker::StoreReader::open(house.database(), "pli.essai.example/pli/89/2031-7").error().code,
            Errc::not_found);
  EXPECT_EQ(broker::StoreReader::open(house.folder() / "absent.db", department.origin()).error().code, Errc::not_found);
  const auto reader = broker::StoreReader::open(house.database(), department.origin());
  const std::uint64_t size = house.store().tree_size().value;
  EXPECT_EQ((*reader)->leaves({size}, 1).error().code, Errc::corruption);
  EXPECT_EQ((*reader)->leaves({size - 1}, 2).error().code, Errc::corruption);
  EXPECT_TRUE((*reader)->leaves({size}, 0));
  EXPECT_EQ((*reader)->node({0, size}).error().code, Errc::corruption);
  EXPECT_EQ((*reader)->node({63, 0}).error().code, Errc::corruption);
  EXPECT_EQ((*reader)->node({20, 0}).error().code, Errc::corruption);
}

}  // namespace
}  // namespace pli::testing
