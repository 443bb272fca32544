#include "crypto/secret.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<SecretKey> && !std::is_copy_assignable_v<SecretKey>);
static_assert(!std::is_copy_constructible_v<FileKey> && !std::is_copy_assignable_v<FileKey>);
static_assert(std::is_nothrow_move_constructible_v<SecretKey> && std::is_nothrow_move_assignable_v<SecretKey>);
static_assert(std::is_nothrow_move_constructible_v<FileKey> && std::is_nothrow_move_assignable_v<FileKey>);

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

TEST(SecretKey, BeginsAsZeros) {
  const SecretKey key(100);
  EXPECT_EQ(key.size(), 100U);
  EXPECT_TRUE(all_zero(key.expose()));
}

TEST(SecretKey, MayBeEmpty) {
  const SecretKey none;
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(none.expose().empty());
  EXPECT_TRUE(SecretKey(0).empty());
  EXPECT_TRUE(SecretKey::copy_of({}).empty());
  EXPECT_TRUE(none.clone().empty());
}

TEST(SecretKey, MovesItsBytesAndLeavesNothingBehind) {
  const Bytes bytes = {1, 2, 3, 4, 5};
  SecretKey first = SecretKey::copy_of(bytes);
  SecretKey second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT: what a moved-from key holds is the point
  EXPECT_EQ(first.expose().data(), nullptr);
  EXPECT_TRUE(equal(second.expose(), bytes));
  SecretKey third(9);
  third = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT
  EXPECT_TRUE(equal(third.expose(), bytes));
  SecretKey& same = third;
  third = std::move(same);
  EXPECT_TRUE(equal(third.expose(), bytes));
}

TEST(SecretKey, ClonesOnlyWhenAsked) {
  SecretKey first = SecretKey::copy_of(as_bytes("secret"));
  SecretKey second = first.clone();
  second.expose_for_writing()[0] = 'S';
  EXPECT_EQ(as_text(first.expose()), "secret");
  EXPECT_EQ(as_text(second.expose()), "Secret");
}

TEST(SecretKey, IsRandomWhenAsked) {
  const SecretKey first = SecretKey::random(32);
  const SecretKey second = SecretKey::random(32);
  EXPECT_FALSE(all_zero(first.expose()));
  EXPECT_FALSE(same_secret(first.expose(), second.expose()));
}

// Reads through volatile, so that the compiler neither drops nor foresees it.
std::uint8_t read_at(const std::uint8_t* at) { return *const_cast<const volatile std::uint8_t*>(at); }

TEST(SecretKeyDeathTest, ReadingPastItsEndCrashes) {
  const SecretKey key(32);
  const auto end = reinterpret_cast<std::uintptr_t>(key.expose().data()) + key.size();
  EXPECT_DEATH((void)read_at(reinterpret_cast<const std::uint8_t*>(end)), "");
}

TEST(SecretKeyDeathTest, ReadingItAfterItsEndOfLifeCrashes) {
  auto key = std::make_unique<SecretKey>(32);
  const auto at = reinterpret_cast<std::uintptr_t>(key->expose().data());
  key.reset();
  EXPECT_DEATH((void)read_at(reinterpret_cast<const std::uint8_t*>(at)), "");
}

TEST(SecretKeyDeathTest, WritingBeforeItsBeginningIsFoundWhenItIsFreed) {
  EXPECT_DEATH(
      {
        SecretKey key(32);
        const auto before = reinterpret_cast<std::uintptr_t>(key.expose().data()) - 1;
        volatile auto* at = reinterpret_cast<volatile std::uint8_t*>(before);
        *at = static_cast<std::uint8_t>(*at + 1);
      },
      "");
}

TEST(Transient, WipesItselfAtTheEndOfItsLife) {
  alignas(FileKey) ByteArray<sizeof(FileKey)> place;
  place.fill(0x55);
  auto* key = new (place.data()) FileKey(hex_array<16>("00112233445566778899aabbccddeeff"));
  ASSERT_EQ(to_hex(key->expose()), "00112233445566778899aabbccddeeff");
  ASSERT_EQ(to_hex(place), "00112233445566778899aabbccddeeff");
  std::destroy_at(key);
  EXPECT_EQ(to_hex(place), "00000000000000000000000000000000");
}

TEST(Transient, WipesWhatItMovesFrom) {
  FileKey first(hex_array<16>("00112233445566778899aabbccddeeff"));
  FileKey second = std::move(first);
  EXPECT_TRUE(all_zero(first.expose()));  // NOLINT: what a moved-from key holds is the point
  FileKey third;
  third = std::move(second);
  EXPECT_TRUE(all_zero(second.expose()));  // NOLINT
  EXPECT_EQ(to_hex(third.expose()), "00112233445566778899aabbccddeeff");
  FileKey& same = third;
  third = std::move(same);
  EXPECT_EQ(to_hex(third.expose()), "00112233445566778899aabbccddeeff");
  EXPECT_EQ(to_hex(third.clone().expose()), "00112233445566778899aabbccddeeff");
}

TEST(Wipe, ClearsEveryByte) {
  Bytes bytes(1000, 7);
  wipe(bytes);
  EXPECT_TRUE(all_zero(bytes));
  wipe({});
}

TEST(SameSecret, ComparesLengthAndContent) {
  EXPECT_TRUE(same_secret(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(same_secret(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(same_secret(as_bytes("abc"), as_bytes("ab")));
  EXPECT_TRUE(same_secret({}, {}));
}

}  // namespace
}  // namespace pli::crypto
