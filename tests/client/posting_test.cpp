#include <gtest/gtest.h>

#include "base/file.hpp"
#include "client/passphrase_file.hpp"
#include "client/tool_post.hpp"
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

/// One who posts, over a real socket.
class Posting : public ::testing::Test {
 protected:
  Posting() {
    world_.endpoint = socket_.endpoint();
    static_cast<void>(world_.profile(folder_, "ged.un"));
  }
  static SmallWorld& peopled(SmallWorld& world) {
    people_it(world);
    return world;
  }

  const std::string json_ =
      R"({"type": "signalement_individuel", "emetteur": {"service": "Police municipale", "origine": "habitant"},)"
      R"( "personnes": [{"categorie": "personne_signalee", "nom": "Corvelle", "commune": "89024"}],)"
      R"( "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";
  const SystemClock clock_;  // what ToolPost uses
  SmallWorld world_;
  MemoryBroker broker_{peopled(world_), clock_, world_.sign_version(clock_.now())};
  SocketBroker socket_{broker_, world_.broker_curve, {world_.identity("ged.un").public_identity().curve}};
  const ScratchFolder folder_;
};

TEST_F(Posting, PostsAndReceivesOverARealSocket) {
  for (std::size_t posted = 1; posted <= 2; ++posted) {
    auto received = post_and_receive(folder_.path(), passphrase(), json_);
    ASSERT_TRUE(received.has_value()) << client::code_text(received.error()) << ": " << received.error().detail;
    EXPECT_EQ(*received, 1U) << "each header once";
    socket_.with_broker([&](MemoryBroker& held) { EXPECT_EQ(held.exchange_count(), posted); });
  }
}

TEST_F(Posting, P7IsToldOfAReceiptThatDoesNotHold) {
  socket_.with_broker([](MemoryBroker& held) {
    held.bend = [](const protocol::Request&, protocol::ReplyBody& body) {
      if (auto* accepted = std::get_if<protocol::Accepted>(&body)) ++accepted->proof.index.value;
    };
  });
  auto post = client::ToolPost::open(folder_.path(), passphrase());
  ASSERT_TRUE(post.has_value());
  const auto sent = (*post)->post(json_, "ged/89");
  ASSERT_FALSE(sent.has_value());
  EXPECT_TRUE(client::is(sent.error(), protocol::LocalCode::receipt_invalid)) << client::code_text(sent.error());
  const auto received = (*post)->receive([](const client::Answer&) -> client::Outcome<void> { return {}; });
  ASSERT_FALSE(received.has_value()) << "it goes again, and is receipted as badly";
  EXPECT_TRUE(client::is(received.error(), protocol::LocalCode::receipt_invalid))
      << client::code_text(received.error());
}

TEST_F(Posting, OneThatDoesNotOpenHoldsUpNoOtherAndIsReported) {
  auto post = client::ToolPost::open(folder_.path(), passphrase());
  ASSERT_TRUE(post.has_value());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE((*post)->post(json_, "ged/89").has_value());
  std::optional<protocol::ExchangeId> spoilt;
  socket_.with_broker([&](MemoryBroker& held) {
    held.bend = [&spoilt](const protocol::Request&, protocol::ReplyBody& body) {
      auto* opened = std::get_if<protocol::Opened>(&body);
      if (opened == nullptr) return;
      if (!spoilt) spoilt = opened->exchange;
      if (opened->exchange == *spoilt && !opened->payload.empty()) opened->payload.back() ^= 1U;
    };
  });
  std::vector<protocol::ExchangeId> came;
  const auto take = [&](const client::Answer& answer) -> client::Outcome<void> {
    came.push_back(answer.header.exchange);
    return {};
  };
  const auto received = (*post)->receive(take);
  ASSERT_FALSE(received.has_value());
  EXPECT_TRUE(client::is(received.error(), protocol::LocalCode::payload_mismatch))
      << client::code_text(received.error());
  EXPECT_EQ(came.size(), 2U) << "the others";
  socket_.with_broker([&](MemoryBroker& held) {
    EXPECT_EQ(held.exchange_count(), 4U) << "and the report of it";
    held.bend = {};
  });
  came.clear();
  ASSERT_TRUE((*post)->receive(take).has_value());
  ASSERT_EQ(came.size(), 1U);
  EXPECT_EQ(came[0], *spoilt) << "once it opens";
}

TEST_F(Posting, ThePassphraseComesFromAFileOfOursThatNobodyElseMayRead) {
  const auto file = folder_.path() / "phrase";
  const auto refusal = [&] { return client::code_text(client::ToolPost::open(folder_.path(), file).error()); };
  EXPECT_EQ(refusal(), client::code_text(client::Failure(protocol::LocalCode::file_missing, "")));
  const auto written = [&](const std::string& text) {
    ASSERT_TRUE(write_file_durably(file, as_bytes(text), FileMode::owner_only).has_value());
  };
  written("another passphrase\n");
  EXPECT_EQ(refusal(), client::code_text(client::Failure(protocol::LocalCode::wrong_passphrase, "")));
  written(std::string(client::passphrase_bytes_max + 1, 'x'));
  EXPECT_EQ(refusal(), client::code_text(client::Failure(protocol::LocalCode::usage, "")));
  std::filesystem::permissions(file, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  EXPECT_EQ(refusal(), client::code_text(client::Failure(protocol::LocalCode::passphrase_file_open, "")));
}

}  // namespace
}  // namespace pli::testing
