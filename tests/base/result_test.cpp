#include "base/result.hpp"

#include <gtest/gtest.h>

namespace pli {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error{Errc::invalid_input, "odd"};
  return n / 2;
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*half(4), 2);
  EXPECT_EQ(half(3).error().code, Errc::invalid_input);
}

TEST(ResultDeathTest, ReadingTheValueOfAFailureTerminates) { EXPECT_DEATH((void)*half(3), ""); }

TEST(ResultDeathTest, ABrokenInvariantTerminatesAndNamesItself) {
  EXPECT_DEATH(PLI_INVARIANT(1 == 2), "broken invariant: 1 == 2");
}

}  // namespace
}  // namespace pli
