#include <gtest/gtest.h>

#include "base/file.hpp"
#include "tests/client/posting_example.hpp"
#include "tests/support/small_world.hpp"
#include "tests/support/socket_broker.hpp"

namespace pli::testing {
namespace {

constexpr std::size_t text_bytes_max = 1 << 20;

std::string text_of(const std::filesystem::path& file) {
  auto bytes = read_file(std::filesystem::path(PLI_SOURCE_DIR) / file, text_bytes_max);
  EXPECT_TRUE(bytes.has_value()) << file;
  return bytes ? std::string(as_text(*bytes)) : std::string();
}

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  const std::size_t to = from == std::string::npos ? from : text.find(end, from + begin.size());
  EXPECT_NE(to, std::string::npos) << begin;
  return to == std::string::npos ? std::string() : text.substr(from + begin.size(), to - from - begin.size());
}

/// Without the indentation of the function it stands in.
std::string outdented(const std::string& lines) {
  std::string out;
  for (std::size_t at = 0, end = 0; at < lines.size(); at = end + 1) {
    end = std::min(lines.find('\n', at), lines.size());
    std::string line = lines.substr(at, end - at);
    out += (line.compare(0, 2, "  ") == 0 ? line.substr(2) : line) + "\n";
  }
  return out;
}

TEST(PostingExample, IsWhatTheDocumentShows) {
  const std::string code = between(text_of("tests/client/posting_example.cpp"), "  // docs/architecture.md begins\n",
                                   "  // docs/architecture.md ends");
  const std::string section = between(text_of("docs/architecture.md"), "## Posting from another tool\n", "\n## ");
  EXPECT_EQ(between(section, "```cpp\n", "```"), outdented(code));
}

TEST(PostingExample, PostsAndReceivesOverARealSocket) {
  const std::string json =
      R"({"type": "signalement_individuel", "emetteur": {"service": "Police municipale", "origine": "habitant"},)"
      R"( "personnes": [{"categorie": "personne_signalee", "nom": "Corvelle", "commune": "89024"}],)"
      R"( "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";
  SmallWorld world;
  people_it(world);
  const SystemClock clock;  // what the example uses
  MemoryBroker broker(world, clock, world.sign_version(clock.now()));
  SocketBroker socket(broker, world.broker_curve, {world.identity("ged.un").public_identity().curve});
  world.endpoint = socket.endpoint();
  const ScratchFolder folder;
  static_cast<void>(world.profile(folder, "ged.un"));
  for (std::size_t posted = 1; posted <= 2; ++posted) {
    auto received = post_and_receive(folder.path(), passphrase(), json);
    ASSERT_TRUE(received.has_value()) << client::code_text(received.error()) << ": " << received.error().detail;
    EXPECT_EQ(*received, 1U) << "each header once";
    socket.with_broker([&](MemoryBroker& held) { EXPECT_EQ(held.exchange_count(), posted); });
  }
}

}  // namespace
}  // namespace pli::testing
