#include "crypto/bech32.hpp"

#include <algorithm>
#include <array>

namespace pli::crypto {
namespace {

constexpr std::string_view alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::string_view recipient_prefix = "age";
constexpr std::string_view identity_prefix = "age-secret-key-";  // written in upper case
constexpr std::size_t key_groups = 52;                           // 32 bytes in groups of 5 bits
constexpr std::size_t checksum_groups = 6;

using Groups = ByteArray<key_groups + checksum_groups>;

enum class LetterCase { lower, upper };

char in_case(char c, LetterCase wanted) {
  if (wanted == LetterCase::upper && c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 'A');
  return c;
}

class Checksum {
 public:
  explicit Checksum(std::string_view lower_prefix) {
    for (char c : lower_prefix) add(static_cast<std::uint8_t>(static_cast<unsigned char>(c) >> 5));
    add(0);
    for (char c : lower_prefix) add(static_cast<std::uint8_t>(static_cast<unsigned char>(c) & 31));
  }
  void add(std::uint8_t group) {
    static constexpr std::array<std::uint32_t, 5> generator = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                                               0x2a1462b3};
    const std::uint32_t top = value_ >> 25;
    value_ = ((value_ & 0x1ffffff) << 5) ^ group;
    for (std::size_t i = 0; i < generator.size(); ++i) {
      if ((top >> i & 1) != 0) value_ ^= generator[i];
    }
  }
  [[nodiscard]] std::uint32_t value() const { return value_; }

 private:
  std::uint32_t value_ = 1;
};

std::string encode(std::string_view lower_prefix, LetterCase letter_case, ByteView key) {
  Groups groups{};
  for (std::size_t bit = 0; bit < key.size() * 8; ++bit) {
    const unsigned value = key[bit / 8] >> (7 - bit % 8) & 1U;
    groups[bit / 5] = static_cast<std::uint8_t>(groups[bit / 5] | value << (4 - bit % 5));
  }
  Checksum checksum(lower_prefix);
  for (std::uint8_t group : groups) checksum.add(group);  // the last six are still zero, as BIP 173 wants
  const std::uint32_t sum = checksum.value() ^ 1;
  for (std::size_t i = 0; i < checksum_groups; ++i) {
    groups[key_groups + i] = static_cast<std::uint8_t>(sum >> (5 * (checksum_groups - 1 - i)) & 31);
  }
  std::string out;
  out.reserve(lower_prefix.size() + 1 + groups.size());
  for (char c : lower_prefix) out.push_back(in_case(c, letter_case));
  out.push_back('1');
  for (std::uint8_t group : groups) out.push_back(in_case(alphabet[group], letter_case));
  wipe(groups);
  return out;
}

/// Only the one case is taken: age itself refuses "AGE1…" and "age-secret-key-1…".
bool decode(std::string_view text, std::string_view lower_prefix, LetterCase letter_case, std::span<std::uint8_t> key) {
  if (text.size() != lower_prefix.size() + 1 + key_groups + checksum_groups) return false;
  for (std::size_t i = 0; i < lower_prefix.size(); ++i) {
    if (text[i] != in_case(lower_prefix[i], letter_case)) return false;
  }
  if (text[lower_prefix.size()] != '1') return false;
  Groups groups{};
  Checksum checksum(lower_prefix);
  bool known = true;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const char c = text[lower_prefix.size() + 1 + i];
    const auto at =
        std::find_if(alphabet.begin(), alphabet.end(), [&](char letter) { return in_case(letter, letter_case) == c; });
    known = known && at != alphabet.end();
    groups[i] = known ? static_cast<std::uint8_t>(at - alphabet.begin()) : std::uint8_t{0};
    checksum.add(groups[i]);
  }
  std::fill(key.begin(), key.end(), std::uint8_t{0});
  for (std::size_t bit = 0; bit < key.size() * 8; ++bit) {
    const unsigned value = groups[bit / 5] >> (4 - bit % 5) & 1U;
    key[bit / 8] = static_cast<std::uint8_t>(key[bit / 8] | value << (7 - bit % 8));
  }
  // 52 groups are 260 bits: the four spare ones must be zero, or one key would have sixteen spellings.
  const bool canonical = (groups[key_groups - 1] & 15) == 0;
  wipe(groups);
  return known && canonical && checksum.value() == 1;
}

}  // namespace

std::string to_recipient_text(const AgePublic& key) { return encode(recipient_prefix, LetterCase::lower, key.bytes); }

Result<AgePublic> parse_recipient(std::string_view text) {
  AgePublic key;
  if (!decode(text, recipient_prefix, LetterCase::lower, key.bytes)) {
    return Error{Errc::invalid_input, "not an age X25519 recipient"};
  }
  return key;
}

std::string to_identity_text(const SecretKey& age_secret) {
  PLI_INVARIANT(age_secret.size() == 32);
  return encode(identity_prefix, LetterCase::upper, age_secret.expose());
}

Result<SecretKey> parse_identity(std::string_view text) {
  SecretKey key(32);
  if (!decode(text, identity_prefix, LetterCase::upper, key.expose_for_writing())) {
    return Error{Errc::invalid_input, "not an age X25519 identity"};
  }
  return key;
}

}  // namespace pli::crypto
