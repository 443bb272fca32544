#include "protocol/suspension.hpp"

#include "protocol/limits.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::authorities;
using test::authority;
using test::authority_key;

Suspension some_suspension() { return {"csi-yonne", "ged.1", {7}, {1'790'000'000'000}}; }

/// Signed by authorities of these numbers, named as in authorities().
std::string sign(const Suspension& suspension, std::initializer_list<std::uint8_t> signers) {
  audit::Note note{to_text(suspension), {}};
  for (const std::uint8_t signer : signers) audit::sign_note(note, authority(signer).name, authority_key(signer));
  return audit::to_text(note);
}

Errc error_of(std::string_view note) {
  const auto verified = verify_suspension_note(note, authorities(2, {1, 2, 3}));
  return verified ? Errc{} : verified.error().code;
}

TEST(Suspension, IsReadStrictly) {
  const std::string text = to_text(some_suspension());
  ASSERT_TRUE(parse_suspension(text).has_value());
  EXPECT_EQ(*parse_suspension(text), some_suspension());
  for (std::size_t cut = 0; cut < text.size(); ++cut)
    EXPECT_FALSE(parse_suspension(std::string_view(text).substr(0, cut))) << cut;
  for (const char* bad : {"pli-suspension/2\ncontract c\nmember m\ndirectory 1\nfrom 1\n",
                          "pli-suspension/1\ncontract C\nmember m\ndirectory 1\nfrom 1\n",
                          "pli-suspension/1\ncontract c\nmember \ndirectory 1\nfrom 1\n",
                          "pli-suspension/1\ncontract c\nmember m m\ndirectory 1\nfrom 1\n",
                          "pli-suspension/1\ncontract c\nmember m\ndirectory 0\nfrom 1\n",
                          "pli-suspension/1\ncontract c\nmember m\ndirectory 01\nfrom 1\n",
                          "pli-suspension/1\ncontract c\nmember m\ndirectory 1\nfrom -1\n",
                          "pli-suspension/1\ncontract c\nmember m\ndirectory 1\nfrom 9223372036854775807\n",
                          "pli-suspension/1\ncontract c\nmember m\ndirectory 1\nfrom 1\n\n",
                          "pli-suspension/1\nmember m\ncontract c\ndirectory 1\nfrom 1\n"})
    EXPECT_FALSE(parse_suspension(bad)) << bad;
}

TEST(Suspension, NeedsOneAuthorityAndAnyOne) {
  for (std::uint8_t signer = 1; signer <= 3; ++signer) {
    const auto verified = verify_suspension_note(sign(some_suspension(), {signer}), authorities(2, {1, 2, 3}));
    ASSERT_TRUE(verified.has_value());
    EXPECT_EQ(*verified, some_suspension());
  }
  EXPECT_EQ(error_of(sign(some_suspension(), {1, 2, 3})), Errc{});
  EXPECT_EQ(error_of(sign(some_suspension(), {4})), Errc::authentication_failed);
  // One good signature does not carry a bad one of a known key.
  std::string note = sign(some_suspension(), {1, 2});
  const std::size_t last = note.size() - 10;
  note[last] = note[last] == 'A' ? 'B' : 'A';
  EXPECT_EQ(error_of(note), Errc::authentication_failed);
}

TEST(Suspension, IsNotAVersionOfTheDirectoryNorTheOtherWay) {
  EXPECT_FALSE(verify_directory_note(sign(some_suspension(), {1, 2}), authorities(2, {1, 2, 3}), nullptr));
  audit::Note other{"pli-directory/1\n", {}};
  audit::sign_note(other, authority(1).name, authority_key(1));
  EXPECT_EQ(error_of(audit::to_text(other)), Errc::invalid_input);
}

TEST(Suspension, LastsSevenDays) {
  EXPECT_EQ(some_suspension().lapses_at() - some_suspension().from, std::chrono::hours(24 * 7));
}

TEST(Suspension, IsRefusedOneByteAboveItsLimit) {
  const std::string note = sign(some_suspension(), {1});
  // A signature of a key nobody knows fills it up.
  const auto filled = [&](std::size_t size) {
    const std::size_t rest = size - note.size() - std::string("— ").size() - 2;
    const std::string name(rest % 4 == 0 ? 4 : rest % 4, 'x');
    return note + "— " + name + " " + std::string(rest - name.size(), 'A') + "\n";
  };
  const std::string within = filled(suspension_bytes_max);
  ASSERT_EQ(within.size(), suspension_bytes_max);
  EXPECT_EQ(error_of(within), Errc{});
  EXPECT_EQ(error_of(filled(suspension_bytes_max + 1)), Errc::over_limit);
}

}  // namespace
}  // namespace pli::protocol
