#include "protocol/shard_order.hpp"

#include "protocol/limits.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {

// What expect_strict compares with.
static Bytes encode(const RollbackOrder& order) { return to_bytes(to_text(order)); }
static Bytes encode(const RollbackRequest& request) { return to_bytes(to_text(request)); }

namespace {

using test::authorities;
using test::authority;
using test::authority_key;
using test::filled;

constexpr const char* log_name = "pli.example/pli/89";
constexpr std::size_t log_bytes_longest = 80;  // docs/protocol.md, "Tokens"

RollbackOrder some_order() {
  RollbackOrder order;
  order.contract = "csi-yonne";
  order.log = log_name;
  order.closes = "pli.example/pli/89/2026-1";
  order.last = {{1234}, filled<32>(0x5a)};
  order.restored = {{1200}, filled<32>(0x3c)};
  order.opens = "pli.example/pli/89/2026-2";
  order.created = {1'790'000'000'000};
  return order;
}

ShardOpening some_opening() {
  return {"pli.example/pli/89/2026-1", some_order().restored,
          ShardOpening::Lost{some_order().last, order_digest(to_text(some_order()))}};
}

std::string sign(const RollbackOrder& order, std::initializer_list<std::uint8_t> signers) {
  audit::Note note{to_text(order), {}};
  for (const std::uint8_t signer : signers) audit::sign_note(note, authority(signer).name, authority_key(signer));
  return audit::to_text(note);
}

Errc error_of(std::string_view note) {
  const auto verified = verify_order_note(note, authorities(2, {1, 2, 3}));
  return verified ? Errc{} : verified.error().code;
}

TEST(ShardName, IsAYearAndANumberInOneSpelling) {
  EXPECT_EQ(parse_shard_name("2026-1"), (ShardName{2026, 1}));
  EXPECT_EQ(parse_shard_name("9999-9999"), (ShardName{9999, 9999}));
  for (const char* bad : {"", "2026", "2026-", "2026-0", "2026-01", "02026-1", "999-1", "10000-1", "2026-10000", "-1",
                          "2026-1-1", "2026 1", "2026-1 ", "2026-+1"})
    EXPECT_FALSE(parse_shard_name(bad)) << bad;
  EXPECT_EQ(shard_of("pli.example/pli/89/2026-3", log_name), (ShardName{2026, 3}));
  EXPECT_FALSE(shard_of("pli.example/pli/8/2026-3", log_name));
  EXPECT_FALSE(shard_of("pli.example/pli/892026-3", log_name));
  EXPECT_FALSE(shard_of(log_name, log_name));
}

TEST(ShardName, IsFollowedByTheNextOfItsYearOrTheFirstOfALaterOne) {
  EXPECT_EQ(shard_after({2026, 1}, 2026), (ShardName{2026, 2}));
  EXPECT_EQ(shard_after({2026, 7}, 2027), (ShardName{2027, 1}));
  EXPECT_EQ(shard_after({2026, 7}, 2029), (ShardName{2029, 1}));
  // A clock behind the shard's year does not turn the log back.
  EXPECT_EQ(shard_after({2026, 7}, 2025), (ShardName{2026, 8}));
  EXPECT_EQ(shard_after({2026, 9998}, 2026), (ShardName{2026, 9999}));
  EXPECT_FALSE(shard_after({2026, 9999}, 2026));
}

TEST(ShardOrder, IsReadStrictly) {
  const std::string text = to_text(some_order());
  ASSERT_TRUE(parse_rollback_order(text)) << test::failure(parse_rollback_order(text));
  EXPECT_EQ(*parse_rollback_order(text), some_order());
  test::expect_strict(to_bytes(text), [](ByteView bytes) { return parse_rollback_order(as_text(bytes)); });
  const auto refuses = [](const std::string& field, void (*change)(RollbackOrder&)) {
    RollbackOrder order = some_order();
    change(order);
    const auto parsed = parse_rollback_order(to_text(order));
    ASSERT_FALSE(parsed) << field;
    EXPECT_EQ(parsed.error().detail, field);
  };
  refuses("contract", [](RollbackOrder& order) { order.contract = "CSI"; });
  refuses("log", [](RollbackOrder& order) { order.log = "pli.example"; });
  refuses("closes", [](RollbackOrder& order) { order.closes = "pli.example/pli/58/2026-1"; });
  refuses("last", [](RollbackOrder& order) { order.last.size = {0}; });
  refuses("last", [](RollbackOrder& order) { order.last.size = {std::uint64_t{1} << 63}; });
  refuses("restored", [](RollbackOrder& order) { order.restored.size = {0}; });
  refuses("restored", [](RollbackOrder& order) { order.restored.size = order.last.size; });
  refuses("opens", [](RollbackOrder& order) { order.opens = order.closes; });
  refuses("opens", [](RollbackOrder& order) { order.opens = "pli.example/pli/89/2026-3"; });
  refuses("opens", [](RollbackOrder& order) { order.opens = "pli.example/pli/89/2027-1"; });
  refuses("created", [](RollbackOrder& order) { order.created = {0}; });
}

TEST(ShardOrder, NeedsKOfTheAuthoritiesAndNoneOfThemWrongly) {
  const auto verified = verify_order_note(sign(some_order(), {1, 3}), authorities(2, {1, 2, 3}));
  ASSERT_TRUE(verified) << test::failure(verified);
  EXPECT_EQ(verified->order(), some_order());
  EXPECT_EQ(verified->digest(), order_digest(to_text(some_order())));
  EXPECT_EQ(error_of(sign(some_order(), {1, 2, 3})), Errc{});
  EXPECT_EQ(error_of(sign(some_order(), {1, 4})), Errc::authentication_failed);
  EXPECT_EQ(error_of(sign(some_order(), {1, 1})), Errc::authentication_failed);
  EXPECT_EQ(error_of(sign(some_order(), {2})), Errc::authentication_failed);
  EXPECT_EQ(error_of(to_text(some_order())), Errc::invalid_input);
  std::string note = sign(some_order(), {1, 2, 3});
  const std::size_t last = note.size() - 10;
  note[last] = note[last] == 'A' ? 'B' : 'A';
  EXPECT_EQ(error_of(note), Errc::authentication_failed);
}

TEST(ShardOrder, IsRefusedOneByteAboveItsLimit) {
  const std::string note = sign(some_order(), {1, 2});
  // A signature of a key nobody knows fills it up.
  const auto filled_to = [&](std::size_t size) {
    const std::size_t rest = size - note.size() - std::string("— ").size() - 2;
    const std::string name(rest % 4 == 0 ? 4 : rest % 4, 'x');
    return note + "— " + name + " " + std::string(rest - name.size(), 'A') + "\n";
  };
  ASSERT_EQ(filled_to(order_bytes_max).size(), order_bytes_max);
  EXPECT_EQ(error_of(filled_to(order_bytes_max)), Errc{});
  EXPECT_EQ(error_of(filled_to(order_bytes_max + 1)), Errc::over_limit);
}

TEST(ShardOrder, HasRoomForAllAuthoritiesUnderNamesOfFullLength) {
  RollbackOrder order = some_order();
  order.contract = std::string(64, 'c');
  order.log = "p" + std::string(log_bytes_longest - 8, 'l') + "/pli/89";
  for (std::size_t at = 40; at < order.log.size() - 7; at += 40) order.log[at] = '.';
  ASSERT_TRUE(is_log_name(order.log)) << order.log;
  order.closes = order.log + "/2026-9998";
  order.opens = order.log + "/2026-9999";
  order.last.size = {(std::uint64_t{1} << 63) - 1};
  order.restored.size = {order.last.size.value - 1};
  audit::Note note{to_text(order), {}};
  AuthoritySet all{authorities_max, {}};
  for (std::uint8_t i = 0; i < authorities_max; ++i) {
    std::string name = authority(i).name;
    name += std::string(audit::key_name_bytes_max - name.size(), 'x');
    all.keys.push_back({name, audit::KeyType::ed25519, authority_key(i).public_key()});
    audit::sign_note(note, name, authority_key(i));
  }
  EXPECT_LE(audit::to_text(note).size(), order_bytes_max);
  EXPECT_TRUE(verify_order_note(audit::to_text(note), all));
}

TEST(ShardOrder, IsNoVersionOfTheDirectory) {
  EXPECT_FALSE(verify_directory_note(sign(some_order(), {1, 2}), authorities(2, {1, 2, 3}), nullptr));
}

TEST(RollbackRequest, IsReadStrictlyAndIsNoOrder) {
  const RollbackRequest request{some_order(), {1'789'999'000'000}};
  const std::string text = to_text(request);
  ASSERT_TRUE(parse_rollback_request(text)) << test::failure(parse_rollback_request(text));
  EXPECT_EQ(*parse_rollback_request(text), request);
  test::expect_strict(to_bytes(text), [](ByteView bytes) { return parse_rollback_request(as_text(bytes)); });
  EXPECT_FALSE(parse_rollback_order(text));
  EXPECT_FALSE(parse_rollback_request(to_text(some_order())));
}

TEST(ShardOpening, IsReadStrictlyAndFitsALeaf) {
  for (const bool lost : {true, false}) {
    ShardOpening opening = some_opening();
    if (!lost) opening.lost.reset();
    const std::string text = to_text(opening);
    ASSERT_TRUE(parse_shard_opening(text)) << test::failure(parse_shard_opening(text));
    EXPECT_EQ(*parse_shard_opening(text), opening);
    for (const char* tail : {" ", " last", " order", "  ", " x"})
      EXPECT_FALSE(parse_shard_opening(text + tail)) << tail;
  }
  const std::string text = to_text(some_opening());
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto cut = parse_shard_opening(std::string_view(text).substr(0, size));
    EXPECT_EQ(cut.has_value(), size == text.find(" last")) << size;
  }
  ShardOpening bad = some_opening();
  bad.lost->last.size = bad.closed.size;
  EXPECT_FALSE(parse_shard_opening(to_text(bad)));
  bad = some_opening();
  bad.closed.size = {0};
  EXPECT_FALSE(parse_shard_opening(to_text(bad)));

  ShardOpening longest = some_opening();
  longest.previous = std::string(audit::key_name_bytes_max, 'x');
  longest.closed.size = {(std::uint64_t{1} << 63) - 2};
  longest.lost->last.size = {(std::uint64_t{1} << 63) - 1};
  EXPECT_TRUE(parse_shard_opening(to_text(longest)));
  EXPECT_LE(to_text(longest).size(), audit::leaf_statement_bytes_max);
}

class ShardChangeTest : public ::testing::Test {
 protected:
  ShardChangeTest() {
    change.closed = {some_order().closes, some_order().restored.size, some_order().restored.root};
    change.last_known = audit::TreeHead{some_order().closes, some_order().last.size, some_order().last.root};
    change.order = sign(some_order(), {1, 3});
    change.first.type = audit::LeafType::registre;
    change.first.directory = audit::DirectoryReference{{4}, filled<32>(9)};
    change.first.statement = to_text(some_opening());
    change.opened = some_order().opens;
  }
  Errc verify() const {
    const auto verified = verify_shard_change(change, "csi-yonne", log_name, authorities(2, {1, 2, 3}));
    return verified ? Errc{} : verified.error().code;
  }
  /// The leaf says what the change says, whatever that is.
  void restate(const RollbackOrder& order) {
    change.order = sign(order, {1, 3});
    change.first.statement = to_text(ShardOpening{
        change.closed.origin,
        {change.closed.size, change.closed.root},
        ShardOpening::Lost{{change.last_known->size, change.last_known->root}, order_digest(to_text(order))}});
  }
  ShardChange change;
};

TEST_F(ShardChangeTest, IsBelievedWhenLeafCheckpointsAndOrderSayTheSame) {
  const auto verified = verify_shard_change(change, "csi-yonne", log_name, authorities(2, {1, 2, 3}));
  ASSERT_TRUE(verified) << test::failure(verified);
  EXPECT_EQ(*verified, some_opening());
}

TEST_F(ShardChangeTest, NeedsNoOrderWhereNothingWasLost) {
  change.last_known.reset();
  change.order.clear();
  ShardOpening whole = some_opening();
  whole.lost.reset();
  change.first.statement = to_text(whole);
  EXPECT_EQ(verify(), Errc{});
  change.opened = "pli.example/pli/89/2027-1";
  EXPECT_EQ(verify(), Errc{});
  for (const char* other : {"pli.example/pli/89/2026-3", "pli.example/pli/89/2027-2", "pli.example/pli/89/2025-1",
                            "pli.example/pli/89/2026-1", "pli.example/pli/58/2026-2"}) {
    change.opened = other;
    EXPECT_EQ(verify(), Errc::invalid_input) << other;
  }
}

TEST_F(ShardChangeTest, RefusesALossWithoutTheOrderOfKAuthorities) {
  change.order.clear();
  EXPECT_EQ(verify(), Errc::conflict);
  change.order = sign(some_order(), {1});
  EXPECT_EQ(verify(), Errc::authentication_failed);
  // Nor may the broker keep quiet about what was lost.
  change.order.clear();
  change.last_known.reset();
  EXPECT_EQ(verify(), Errc::conflict);
}

TEST_F(ShardChangeTest, RefusesTheOrderOfAnotherRollback) {
  RollbackOrder other = some_order();
  other.created = {1'790'000'000'001};
  change.order = sign(other, {1, 3});
  EXPECT_EQ(verify(), Errc::conflict) << "the leaf names another order's digest";
  restate(other);
  EXPECT_EQ(verify(), Errc{});
  other = some_order();
  other.restored.size = {1199};
  restate(other);
  EXPECT_EQ(verify(), Errc::conflict);
  other = some_order();
  other.restored.root = filled<32>(1);
  restate(other);
  EXPECT_EQ(verify(), Errc::conflict);
  other = some_order();
  other.last.root = filled<32>(1);
  restate(other);
  EXPECT_EQ(verify(), Errc::conflict);
  other = some_order();
  other.contract = "csi-58";
  restate(other);
  EXPECT_EQ(verify(), Errc::conflict);
  other = some_order();
  other.closes = "pli.example/pli/89/2026-2";
  other.opens = "pli.example/pli/89/2026-3";
  restate(other);
  EXPECT_EQ(verify(), Errc::conflict);
}

TEST_F(ShardChangeTest, RefusesALeafThatFollowsSomethingElse) {
  const ShardChange good = change;
  change.closed.size = {1201};
  EXPECT_EQ(verify(), Errc::conflict);
  change = good;
  change.closed.root = filled<32>(1);
  EXPECT_EQ(verify(), Errc::conflict);
  change = good;
  change.last_known->size = {1233};
  EXPECT_EQ(verify(), Errc::conflict);
  change = good;
  change.last_known->origin = change.opened;
  EXPECT_EQ(verify(), Errc::conflict);
  change = good;
  change.first.type = audit::LeafType::habilitation;
  EXPECT_EQ(verify(), Errc::invalid_input);
  change = good;
  change.first.directory.reset();
  EXPECT_EQ(verify(), Errc::invalid_input);
  change = good;
  change.first.statement = "first leaf of pli.example/pli/89/2026-2";
  EXPECT_EQ(verify(), Errc::invalid_input);
}

}  // namespace
}  // namespace pli::protocol
