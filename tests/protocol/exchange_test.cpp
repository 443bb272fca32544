#include "protocol/exchange.hpp"

#include "crypto/age_seal.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::expect_strict;
using test::failure;
using test::filled;
using test::some_address;

std::string failure_of(const Address& address) { return failure(decode_address(encode(address))); }

Seal some_seal() { return {208, filled<32>(1), 1056, filled<32>(2), filled<32>(3), filled<32>(4)}; }

Release some_release() {
  Release release;
  release.shares = {{"broker", 202601, {filled<32>(1)}, filled<73>(2)}};
  return release;
}

Plaintext some_plaintext() {
  Plaintext plaintext;
  plaintext.address = encode(some_address());
  plaintext.content = to_bytes("contenu inventé");
  plaintext.checkpoint = "pli.example/pli/89/2026-1\n0\n";
  plaintext.heads = {{"org/210890240", {{4}, filled<32>(8)}}, {"person/a.lemoine", {{0}, filled<32>(9)}}};
  return plaintext;
}

TEST(Address, IsReadStrictly) { expect_strict(encode(some_address()), decode_address); }

TEST(Address, NamesTheFieldAtFault) {
  const auto with = [](auto change) {
    Address address = some_address();
    change(address);
    return failure_of(address);
  };
  EXPECT_EQ(with([](Address& a) { a.contract = "CSI"; }), "invalid_input contract");
  EXPECT_EQ(with([](Address& a) { a.contract.clear(); }), "invalid_input contract");
  EXPECT_EQ(with([](Address& a) { a.log = "pli.example/pli/89/2026-1"; }), "invalid_input log");
  EXPECT_EQ(with([](Address& a) { a.sender = "M. Durand"; }), "invalid_input sender");
  EXPECT_EQ(with([](Address& a) { a.queue = "ged"; }), "invalid_input queue");
  EXPECT_EQ(with([](Address& a) { a.urgency = 2; }), "invalid_input urgency");
  EXPECT_EQ(with([](Address& a) { a.handling = {"secret"}; }), "invalid_input handling");
  EXPECT_EQ(with([](Address& a) { a.handling = {"ged-only", "ged-only"}; }), "invalid_input handling");
  EXPECT_EQ(with([](Address& a) { a.directory = {0}; }), "invalid_input directory");
  EXPECT_EQ(with([](Address& a) { a.directory = {std::uint64_t{1} << 63}; }), "invalid_input directory");
  EXPECT_EQ(with([](Address& a) { a.created_at = {-1}; }), "invalid_input created_at");
}

TEST(Address, LeavesAnUnknownKindToWhoeverDecides) {
  Address address = some_address();
  address.kind = 999;
  const auto decoded = decode_address(encode(address));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->kind, 999);
}

TEST(Address, TakesEightConditionsAndNotNine) {
  Address address = some_address();
  address.handling.clear();
  for (std::size_t i = 0; i < handling_max; ++i) address.handling.push_back("no-copy-to:" + std::to_string(i));
  EXPECT_EQ(failure_of(address), "");
  address.handling.push_back("no-copy-to:last");
  EXPECT_EQ(failure_of(address), "invalid_input handling");
}

TEST(Address, CarriesTheCauseOfAnAnomalyAndNothingElseInClear) {
  Address address = some_address();
  address.kind = static_cast<std::uint16_t>(Kind::anomalie);
  EXPECT_EQ(failure_of(address), "invalid_input attributes");  // a cause must be named
  for (Kind kind : {Kind::recevabilite, Kind::inscription, Kind::report_du_retour}) {
    Address bare = address;
    bare.kind = static_cast<std::uint16_t>(kind);
    EXPECT_EQ(failure_of(bare), "invalid_input attributes") << row_of(kind)->name;
  }
  address.attributes = {{"code", "bad_padding"}};
  EXPECT_EQ(failure_of(address), "");
  expect_strict(encode(address), decode_address);
  for (std::size_t i = address.attributes.size(); i < attributes_max + 1; ++i) {
    address.attributes.emplace_back("code", "bad_padding");
    EXPECT_EQ(failure_of(address), "invalid_input attributes");
  }
  address.attributes = {{"code", "Mme X"}};
  EXPECT_EQ(failure_of(address), "invalid_input attributes");
  address.kind = 999;
  address.attributes = {{"code", "bad_padding"}};
  EXPECT_EQ(failure_of(address), "invalid_input attributes");
}

TEST(Address, OfAnAgreementMayHaveATermAfterAnAccord) {
  Address address = some_address();
  address.kind = static_cast<std::uint16_t>(Kind::agrement);
  const std::pair<std::string, std::string> accord = {"avis", "accord"};
  const std::pair<std::string, std::string> refusal = {"avis", "refus"};
  const std::pair<std::string, std::string> term = {"date", "2026-03-12"};
  for (const auto& good : {std::vector{accord}, std::vector{refusal}, std::vector{accord, term}}) {
    address.attributes = good;
    EXPECT_EQ(failure_of(address), "");
    expect_strict(encode(address), decode_address);
  }
  for (const auto& bad : {std::vector{term}, std::vector{term, accord}, std::vector{refusal, term},
                          std::vector{accord, refusal}, std::vector{accord, term, term}}) {
    address.attributes = bad;
    EXPECT_EQ(failure_of(address), "invalid_input attributes");
  }
}

TEST(Address, OfAnyOtherKindTakesNoAttributeInClear) {
  Address address = some_address();
  address.attributes = {{"objet", "texte libre"}};
  EXPECT_EQ(failure_of(address), "invalid_input attributes");
  for (std::size_t i = 0; i < attributes_max; ++i) address.attributes.emplace_back("a" + std::to_string(i), "");
  EXPECT_EQ(failure_of(address), "invalid_input attributes");
}

TEST(Address, IsRefusedOneByteAboveItsLimitUnread) {
  Address address = some_address();
  address.attributes.emplace_back("a", "");
  const auto grow = [&](std::size_t target) {
    address.attributes.resize(1);
    Bytes bytes = encode(address);
    while (bytes.size() + 257 < target) {
      address.attributes.emplace_back("b", std::string(200, 'x'));
      bytes = encode(address);
    }
    address.attributes.emplace_back("c", std::string(target - bytes.size() - 3, 'x'));
    return encode(address);
  };
  const Bytes at_limit = grow(address_bytes_max);
  const Bytes above = grow(address_bytes_max + 1);
  ASSERT_EQ(at_limit.size(), address_bytes_max);
  ASSERT_EQ(above.size(), address_bytes_max + 1);
  EXPECT_EQ(failure(decode_address(at_limit)), "invalid_input attributes");  // read, then refused for its attributes
  EXPECT_EQ(failure(decode_address(above)), "invalid_input address");
}

TEST(Address, RefusesAnotherFormat) {
  Bytes bytes = encode(some_address());
  bytes[0] = 2;
  EXPECT_EQ(failure(decode_address(bytes)), "invalid_input address");
}

TEST(Seal, IsReadStrictly) {
  const Bytes bytes = encode(some_seal());
  EXPECT_EQ(bytes.size(), seal_bytes);
  expect_strict(bytes, decode_seal);
}

TEST(Seal, HoldsSizesToTheirLimits) {
  Seal seal = some_seal();
  seal.locked_size = 0;
  EXPECT_EQ(failure(decode_seal(encode(seal))), "invalid_input locked_size");
  seal.locked_size = locked_bytes_max;
  EXPECT_EQ(failure(decode_seal(encode(seal))), "");
  seal.locked_size = locked_bytes_max + 1;
  EXPECT_EQ(failure(decode_seal(encode(seal))), "over_limit locked_size");
  seal = some_seal();
  seal.payload_size = 0;
  EXPECT_EQ(failure(decode_seal(encode(seal))), "invalid_input payload_size");
  seal.payload_size = exchange_bytes_max - seal.locked_size;
  EXPECT_EQ(failure(decode_seal(encode(seal))), "");
  ++seal.payload_size;
  EXPECT_EQ(failure(decode_seal(encode(seal))), "over_limit payload_size");
  seal.payload_size = UINT64_MAX;
  EXPECT_EQ(failure(decode_seal(encode(seal))), "over_limit payload_size");
}

TEST(Release, IsReadStrictly) {
  Release release = some_release();
  release.threshold = 2;
  release.shares.push_back({"standby", 202512, {filled<32>(3)}, filled<73>(4)});
  expect_strict(encode(release), decode_release);
}

TEST(Release, TakesOneToEightTrusteesEachOnce) {
  Release release = some_release();
  EXPECT_EQ(failure(decode_release(encode(release))), "");
  const ReleaseShare share = release.shares.front();
  release.shares.clear();
  EXPECT_EQ(failure(decode_release(encode(release))), "invalid_input release");
  for (std::size_t i = 0; i < release_shares_max; ++i) {
    release.shares.push_back(share);
    release.shares.back().trustee = "t" + std::to_string(i);
  }
  EXPECT_EQ(failure(decode_release(encode(release))), "");
  release.shares.push_back(share);
  EXPECT_EQ(failure(decode_release(encode(release))), "invalid_input release");
  release.shares = {share, share};
  EXPECT_EQ(failure(decode_release(encode(release))), "invalid_input release");
}

TEST(Release, TakesAThresholdThatCanBeReached) {
  Release release = some_release();
  for (int threshold : {0, 2, 255}) {
    release.threshold = static_cast<std::uint8_t>(threshold);
    EXPECT_EQ(failure(decode_release(encode(release))), "invalid_input release") << threshold;
  }
}

TEST(Release, TakesEpochsThatAreMonths) {
  for (std::uint32_t epoch : {200001U, 202612U, 999912U}) {
    Release release = some_release();
    release.shares[0].epoch = epoch;
    EXPECT_EQ(failure(decode_release(encode(release))), "") << epoch;
  }
  for (std::uint32_t epoch : {0U, 202600U, 202613U, 199912U, 1000001U, UINT32_MAX}) {
    Release release = some_release();
    release.shares[0].epoch = epoch;
    EXPECT_EQ(failure(decode_release(encode(release))), "invalid_input release") << epoch;
  }
}

TEST(ExchangeId, CoversAddressAndSeal) {
  const Bytes address = encode(some_address());
  const Bytes seal = encode(some_seal());
  Bytes joined = address;
  append(joined, seal);
  EXPECT_EQ(exchange_id(address, seal), crypto::sha256(joined));
  Seal other = some_seal();
  ++other.payload[0];
  EXPECT_NE(exchange_id(address, encode(other)), exchange_id(address, seal));
  EXPECT_EQ(address_digest(address), crypto::sha256(address));
}

TEST(Plaintext, IsReadStrictly) { expect_strict(encode(some_plaintext()), decode_plaintext); }

TEST(Plaintext, MayHoldNoCheckpointAndNoHead) {
  Plaintext plaintext = some_plaintext();
  plaintext.checkpoint.clear();
  plaintext.heads.clear();
  const auto decoded = decode_plaintext(encode(plaintext));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, plaintext);
}

TEST(Plaintext, HoldsPartsToTheirLimits) {
  Plaintext plaintext = some_plaintext();
  plaintext.address = Bytes(address_bytes_max, 1);
  EXPECT_EQ(failure(decode_plaintext(encode(plaintext))), "");
  plaintext.address.push_back(1);
  EXPECT_EQ(failure(decode_plaintext(encode(plaintext))), "invalid_input address");
  plaintext = some_plaintext();
  plaintext.content = Bytes(exchange_bytes_max + 1, 1);
  EXPECT_EQ(failure(decode_plaintext(encode(plaintext))), "invalid_input content");
  plaintext = some_plaintext();
  plaintext.heads.resize(gossip_heads_max, plaintext.heads[0]);
  EXPECT_EQ(failure(decode_plaintext(encode(plaintext))), "");
  plaintext.heads.push_back(plaintext.heads[0]);
  EXPECT_EQ(failure(decode_plaintext(encode(plaintext))), "invalid_input heads");
  plaintext = some_plaintext();
  plaintext.heads[0].queue = "ged";
  EXPECT_EQ(failure(decode_plaintext(encode(plaintext))), "invalid_input heads");
}

TEST(Plaintext, DoesNotBelieveALengthThatLies) {
  ByteWriter out;
  out.u32(UINT32_MAX);
  out.raw(Bytes(16, 0));
  EXPECT_EQ(failure(decode_plaintext(out.bytes())), "invalid_input plaintext");
}

TEST(Plaintext, OfARetourAlwaysFillsOneBucket) {
  for (std::size_t size : {0U, 100U, 3000U, 4092U}) EXPECT_EQ(bucket_for(Kind::retour, size), retour_bucket_bytes);
  for (std::size_t size : {0U, 100U, 3000U, 100000U})
    EXPECT_EQ(bucket_for(Kind::signalement_individuel, size), crypto::padding_bucket(size));
  EXPECT_TRUE(crypto::pad_to(Bytes(4092), bucket_for(Kind::retour, 4092)));
  EXPECT_FALSE(crypto::pad_to(Bytes(4093), bucket_for(Kind::retour, 4093)));
}

}  // namespace
}  // namespace pli::protocol
