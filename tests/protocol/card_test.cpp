#include "protocol/card.hpp"

#include "crypto/base64.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::authorities;
using test::code_of_failure;
using test::failure;
using test::filled;
using test::identity_of;

constexpr UnixMillis now{1'767'225'600'000};

Invitation some_invitation() {
  Invitation invitation;
  invitation.contract = "csi-yonne";
  invitation.member = "m.durand";
  invitation.log = "pli.example/pli/89";
  invitation.log_key = {filled<32>(1)};
  invitation.endpoint = "tcp://pli.example:7777";
  invitation.broker = {filled<32>(2)};
  invitation.authorities = authorities(2, {1, 2, 3});
  invitation.directory = {3};
  return invitation;
}

/// Every cut and every flipped bit is refused, or prints to the very text that was read.
template <class Parse>
void expect_canonical(const std::string& text, Parse parse) {
  const auto original = parse(text);
  ASSERT_TRUE(original) << failure(original);
  EXPECT_EQ(to_text(*original), text);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(parse(std::string_view(text).substr(0, size))) << size;
  EXPECT_FALSE(parse(text + "\n"));
  EXPECT_FALSE(parse(" " + text));
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto other = parse(flipped);
    if (!other) continue;
    EXPECT_NE(*other, *original);
    EXPECT_EQ(to_text(*other), flipped);
  }
}

TEST(Card, ReadsBackAsItWasPrinted) {
  const crypto::Identity identity = identity_of(1);
  const Card card = make_card(identity, now, nullptr);
  const auto read = parse_card(to_text(card));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, card);
  EXPECT_EQ(read->keys, identity.public_identity());
  EXPECT_EQ(read->created, now);
  EXPECT_FALSE(read->renews);
}

TEST(Card, RefusesEveryAlteration) {
  const std::string text = to_text(make_card(identity_of(1), now, nullptr));
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(parse_card(flipped)) << bit;
  }
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(parse_card(std::string_view(text).substr(0, size))) << size;
  EXPECT_FALSE(parse_card(text + "\n"));
}

TEST(Card, IsRefusedAboveItsLimit) {
  EXPECT_EQ(code_of_failure(parse_card(std::string(card_bytes_max + 1, 'x'))), "over_limit");
  EXPECT_EQ(code_of_failure(parse_card(std::string(card_bytes_max, 'x'))), "invalid_input");
}

TEST(Card, ProvesPossessionOfItsOwnSignKey) {
  // Somebody else's keys with one's own proof: the lines are the victim's, the signature is not.
  const Card victim = make_card(identity_of(1), now, nullptr);
  Card stolen = victim;
  stolen.proof = make_card(identity_of(2), now, nullptr).proof;
  EXPECT_EQ(code_of_failure(parse_card(to_text(stolen))), "authentication_failed");
}

TEST(Card, RenewsOnlyWithTheOldKey) {
  const crypto::Identity old = identity_of(1);
  const crypto::Identity fresh = identity_of(2);
  const Card card = make_card(fresh, now, &old);
  const auto read = parse_card(to_text(card));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(read->renews, old.public_identity().sign);

  Card forged = card;
  forged.renewal = forged.proof;
  EXPECT_EQ(code_of_failure(parse_card(to_text(forged))), "authentication_failed");
  Card unsigned_renewal = card;
  unsigned_renewal.renewal.reset();
  EXPECT_EQ(code_of_failure(parse_card(to_text(unsigned_renewal))), "invalid_input");
  Card unnamed = make_card(fresh, now, nullptr);
  unnamed.renewal = card.renewal;
  EXPECT_EQ(code_of_failure(parse_card(to_text(unnamed))), "invalid_input");
  EXPECT_EQ(code_of_failure(parse_card(to_text(make_card(old, now, &old)))), "invalid_input");
}

TEST(Card, TakesOneKeyForOneUse) {
  const crypto::Identity identity = identity_of(1);
  Card card = make_card(identity, now, nullptr);
  card.keys.curve.bytes = card.keys.age.bytes;
  EXPECT_EQ(code_of_failure(parse_card(to_text(card))), "invalid_input");
}

TEST(Card, HoldsNoKeyNobodyCanSealTo) {
  for (const std::uint8_t point : std::array<std::uint8_t, 2>{0, 1}) {
    Card card = make_card(identity_of(1), now, nullptr);
    card.keys.age.bytes = {point};
    EXPECT_EQ(failure(parse_card(to_text(card))), "invalid_input card") << +point;
    card = make_card(identity_of(1), now, nullptr);
    card.keys.curve.bytes = {point};
    EXPECT_EQ(failure(parse_card(to_text(card))), "invalid_input card") << +point;
  }
}

TEST(Card, HasOneSpelling) {
  std::string text = to_text(make_card(identity_of(1), now, nullptr));
  const std::size_t at = text.find("age age1");
  const std::size_t end = text.find('\n', at);
  for (std::size_t i = at + 4; i < end; ++i)
    if (text[i] >= 'a' && text[i] <= 'z') text[i] = static_cast<char>(text[i] - 'a' + 'A');
  EXPECT_EQ(code_of_failure(parse_card(text)), "invalid_input");
}

TEST(Invitation, ReadsBackAsItWasPrinted) {
  const auto read = parse_invitation(to_text(some_invitation()));
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, some_invitation());
  expect_canonical(to_text(some_invitation()), parse_invitation);
}

TEST(Invitation, NamesTheCardItAnswersOnOneLineOrNot) {
  Invitation invitation = some_invitation();
  invitation.sign = crypto::SignPublic{filled<32>(7)};
  const std::string text = to_text(invitation);
  const auto read = parse_invitation(text);
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, invitation);
  const auto line = text.find("\nsign ");
  ASSERT_NE(line, std::string::npos);
  EXPECT_EQ(text.find("\nlog ", line + 1), text.find('\n', line + 1)) << "between member and log";
  expect_canonical(text, parse_invitation);
  EXPECT_EQ(parse_invitation(to_text(some_invitation()))->sign, std::nullopt);
  for (const char* other : {"sign 07\n", "sign \n", "sign zz\n"}) {
    std::string damaged = text;
    damaged.replace(line + 1, text.find('\n', line + 1) - line, other);
    EXPECT_EQ(code_of_failure(parse_invitation(damaged)), "invalid_input") << other;
  }
  std::string twice = text;
  twice.insert(line + 1, text.substr(line + 1, text.find('\n', line + 1) - line));
  EXPECT_EQ(code_of_failure(parse_invitation(twice)), "invalid_input");
}

TEST(Invitation, HoldsItsFieldsToTheirShape) {
  const auto with = [](auto change) {
    Invitation invitation = some_invitation();
    change(invitation);
    return failure(parse_invitation(to_text(invitation)));
  };
  EXPECT_EQ(with([](Invitation& i) { i.contract = "CSI"; }), "invalid_input contract");
  EXPECT_EQ(with([](Invitation& i) { i.member = "m durand"; }), "invalid_input member");
  EXPECT_EQ(with([](Invitation& i) { i.log = "pli.example"; }), "invalid_input log");
  EXPECT_EQ(with([](Invitation& i) { i.directory = {0}; }), "invalid_input directory");
  EXPECT_EQ(with([](Invitation& i) { i.authorities.threshold = 4; }), "invalid_input authority");
  EXPECT_EQ(with([](Invitation& i) { i.authorities.keys.clear(); }), "invalid_input authority");
  EXPECT_EQ(with([](Invitation& i) { i.authorities.keys.push_back(i.authorities.keys[0]); }),
            "invalid_input authority");
  for (const char* good : {"tcp://127.0.0.1:1", "tcp://[::1]:65535", "tcp://a-b.example:7777"})
    EXPECT_EQ(with([&](Invitation& i) { i.endpoint = good; }), "") << good;
  for (const char* bad : {"", "pli.example:7777", "ipc:///run/pli", "tcp://pli.example", "tcp://:7777", "tcp://a:0",
                          "tcp://a:65536", "tcp://a:07", "tcp://a b:7", "tcp://*:7777", "tcp://A:7", "tcp://[]:7"})
    EXPECT_EQ(with([&](Invitation& i) { i.endpoint = bad; }), "invalid_input endpoint") << bad;
  EXPECT_EQ(code_of_failure(parse_invitation(std::string(invitation_bytes_max + 1, 'x'))), "over_limit");
}

std::string witness_line(const std::string& name, std::uint8_t seed) {
  const audit::VerifierKey key{name + ".example/w", audit::KeyType::cosignature,
                               crypto::SigningKey::from_seed(filled<32>(seed)).public_key()};
  return "witness " + name + " " + audit::to_text(key) + "\n";
}

TEST(Invitation, CarriesWhoHasToHaveCosignedTheLog) {
  Invitation invitation = some_invitation();
  invitation.witnesses =
      witness_line("cnil", 21) + witness_line("region", 22) + "group deux all cnil region\nquorum deux\n";
  const std::string text = to_text(invitation);
  const auto read = parse_invitation(text);
  ASSERT_TRUE(read) << failure(read);
  EXPECT_EQ(*read, invitation);
  EXPECT_EQ(to_text(*read), text);
  // Cut before the witnesses it is an invitation too, with another fingerprint; cut anywhere else it is none.
  const std::string without = to_text(some_invitation());
  EXPECT_NE(fingerprint(text), fingerprint(without));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(parse_invitation(std::string_view(text).substr(0, size)).has_value(), size == without.size()) << size;
}

TEST(Invitation, TakesWitnessLinesInOneSpellingAlone) {
  const std::string good = witness_line("cnil", 21) + "quorum cnil\n";
  const auto with = [](const std::string& lines) {
    return failure(parse_invitation(to_text(some_invitation()) + lines));
  };
  EXPECT_EQ(with(good), "");
  EXPECT_EQ(with("quorum none\n"), "");
  const audit::VerifierKey log{"pli.example/pli/89/2026-1", audit::KeyType::ed25519,
                               crypto::SigningKey::from_seed(filled<32>(7)).public_key()};
  for (const std::string& bad :
       {witness_line("cnil", 21), "log " + audit::to_text(log) + "\n" + good, "# qui\n" + good, "\n" + good,
        good + "\n", " " + good, "witness  " + good.substr(8), good + "quorum cnil\n", good.substr(0, good.size() - 1),
        std::string("quorum region\n")})
    EXPECT_EQ(with(bad), "invalid_input witnesses") << bad;
}

TEST(Invitation, LetsNeitherTheLogNorAnAuthorityWitnessItself) {
  Invitation invitation = some_invitation();
  invitation.log_key = crypto::SigningKey::from_seed(filled<32>(21)).public_key();
  invitation.witnesses = witness_line("cnil", 21) + "quorum cnil\n";
  EXPECT_EQ(failure(parse_invitation(to_text(invitation))), "invalid_input witnesses");
  invitation = some_invitation();
  invitation.witnesses =
      "witness cnil " +
      audit::to_text(audit::VerifierKey{"w.example", audit::KeyType::cosignature, invitation.authorities.keys[1].key}) +
      "\nquorum cnil\n";
  EXPECT_EQ(failure(parse_invitation(to_text(invitation))), "invalid_input witnesses");
}

TEST(Fingerprint, IsSixGroupsOfFiveDigits) {
  const std::string text = to_text(make_card(identity_of(1), now, nullptr));
  const std::string print = fingerprint(text);
  ASSERT_EQ(print.size(), 35U);
  for (std::size_t i = 0; i < print.size(); ++i) {
    if (i % 6 == 5)
      EXPECT_EQ(print[i], ' ') << print;
    else
      EXPECT_TRUE(print[i] >= '0' && print[i] <= '9') << print;
  }
  EXPECT_NE(fingerprint(text), fingerprint(text + "\n"));
}

TEST(Fingerprint, KeepsLeadingZeros) {
  bool seen = false;
  for (int i = 0; i < 1000 && !seen; ++i) {
    const std::string print = fingerprint(std::to_string(i));
    ASSERT_EQ(print.size(), 35U);
    seen = print[0] == '0';
  }
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace pli::protocol
