// Any text as the statement of a month's statistics.
#include "protocol/statistics.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  expect_one_spelling(
      {data, size}, [](ByteView bytes) { return parse_statistics_statement(as_text(bytes)); },
      [](const StatisticsStatement& statement) { return to_bytes(to_text(statement)); });
  return 0;
}
