// Where another test of this room has only what is above a limit, here is what stands at it.
#include <gtest/gtest.h>

#include "audit/leaf.hpp"
#include "audit/proof_file.hpp"

namespace pli::audit::test {
namespace {

TEST(AuditLimits, AProofFileOfTheLimitIsReadAndALargerOneIsNot) {
  EXPECT_EQ(parse_proof_file(std::string(proof_file_bytes_max, 'x')).error().code, Errc::invalid_input);
  EXPECT_EQ(parse_proof_file(std::string(proof_file_bytes_max + 1, 'x')).error().code, Errc::over_limit);
}

TEST(AuditLimits, AStatementOfSevenHundredBytesIsReadAndALongerOneIsNot) {
  const auto with = [](std::size_t bytes) {
    return decode_leaf("pli-leaf/1 registre\ntime 5\nrecord " + std::string(64, 'a') + "\nstatement " +
                       std::string(bytes, 'x') + "\n");
  };
  EXPECT_TRUE(with(leaf_statement_bytes_max));
  EXPECT_FALSE(with(leaf_statement_bytes_max + 1));
}

}  // namespace
}  // namespace pli::audit::test
