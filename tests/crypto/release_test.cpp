// What hides R and what R hides: shares, grants, leases, the header lock, the seal's commitments.
#include "crypto/grant.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_lock.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/random.hpp"
#include "crypto/release_share.hpp"
#include "crypto/secret_box.hpp"
#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

const Digest address = sha256(as_bytes("address"));
const Digest payload = sha256(as_bytes("payload"));

ReleaseKey vector_release_key() { return ReleaseKey(hex_array<32>(seam_vector("release_key"))); }

BoxPair pair_of(const std::string& name) {
  return BoxPair::from_secret(SecretKey::copy_of(hex(seam_vector(name + "_secret"))));
}

template <class Container>
Container with_bit_flipped(Container bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
  return bytes;
}

bool same_key(const ReleaseKey& a, const ReleaseKey& b) { return same_secret(a.expose(), b.expose()); }

TEST(BoxPair, HasOneSharedKeyForBothEnds) {
  const BoxPair broker = pair_of("broker");
  const BoxPair client = pair_of("client");
  EXPECT_EQ(to_hex(broker.public_key().bytes), seam_vector("broker_public"));
  EXPECT_EQ(to_hex(client.public_key().bytes), seam_vector("client_public"));
  EXPECT_TRUE(same_secret(broker.shared_with(client.public_key())->expose(),
                          client.shared_with(broker.public_key())->expose()));
}

TEST(BoxPair, RefusesLowOrderKeys) {
  // The seven points of small order whose encodings the curve's clamped scalars send to zero.
  const char* const low_order[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                   "0100000000000000000000000000000000000000000000000000000000000000",
                                   "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                   "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                                   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                   "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                   "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
  for (const char* point : low_order) {
    const auto shared = BoxPair::generate().shared_with(BoxPublic{hex_array<32>(point)});
    ASSERT_FALSE(shared) << point;
    EXPECT_EQ(shared.error().code, Errc::invalid_input);
  }
}

TEST(ReleaseShare, OpensTheVectorsOnEachSide) {
  const BoxKey at_broker = *pair_of("broker").shared_with(pair_of("client").public_key());
  const BoxKey at_client = *pair_of("client").shared_with(pair_of("broker").public_key());
  const auto share = open_share(hex_array<73>(seam_vector("share")), at_broker);
  ASSERT_TRUE(share);
  EXPECT_TRUE(same_key(*share, vector_release_key()));
  const auto grant = opening::open_grant(hex_array<73>(seam_vector("grant")), at_client);
  ASSERT_TRUE(grant);
  EXPECT_TRUE(same_key(*grant, vector_release_key()));
}

TEST(ReleaseShare, RoundTripsAndIsNeverTwiceTheSame) {
  const BoxPair broker = BoxPair::generate();
  const BoxPair client = BoxPair::generate();
  const BoxKey at_broker = *broker.shared_with(client.public_key());
  const BoxKey at_client = *client.shared_with(broker.public_key());
  const auto release_key = ReleaseKey::random();
  EXPECT_TRUE(same_key(*open_share(box_share(release_key, at_client), at_broker), release_key));
  EXPECT_TRUE(same_key(*opening::open_grant(box_grant(release_key, at_broker), at_client), release_key));
  EXPECT_NE(box_share(release_key, at_client), box_share(release_key, at_client));
}

TEST(ReleaseShare, IsNoGrantAndAGrantIsNoShare) {
  const BoxKey session = BoxKey::random();
  const auto release_key = ReleaseKey::random();
  const auto as_grant = opening::open_grant(box_share(release_key, session), session);
  const auto as_share = open_share(box_grant(release_key, session), session);
  ASSERT_FALSE(as_grant);
  ASSERT_FALSE(as_share);
  EXPECT_EQ(as_grant.error().code, Errc::authentication_failed);
  EXPECT_EQ(as_share.error().code, Errc::authentication_failed);
}

TEST(ReleaseShare, OpensInItsOwnSessionOnly) {
  const BoxPair broker = BoxPair::generate();
  const BoxPair client = BoxPair::generate();
  const BoxPair other = BoxPair::generate();
  const auto share = box_share(ReleaseKey::random(), *client.shared_with(broker.public_key()));
  EXPECT_FALSE(open_share(share, *broker.shared_with(other.public_key())));
  EXPECT_FALSE(open_share(share, *other.shared_with(broker.public_key())));
  EXPECT_FALSE(open_share(share, BoxKey{}));
  EXPECT_TRUE(open_share(share, *broker.shared_with(client.public_key())));
}

TEST(ReleaseShare, RefusesEveryFlippedBit) {
  const BoxKey session = BoxKey::random();
  const auto share = box_share(ReleaseKey::random(), session);
  const auto grant = box_grant(ReleaseKey::random(), session);
  for (std::size_t bit = 0; bit < share.size() * 8; ++bit) {
    const auto opened = open_share(with_bit_flipped(share, bit), session);
    ASSERT_FALSE(opened) << bit;
    EXPECT_EQ(opened.error().code, Errc::authentication_failed);
    EXPECT_EQ(opened.error().detail, open_share(grant, session).error().detail) << "tells one failure from another";
    EXPECT_FALSE(opening::open_grant(with_bit_flipped(grant, bit), session)) << bit;
  }
}

TEST(Commitment, MatchesTheVectorsAndTellsKeysAndAddressesApart) {
  EXPECT_EQ(to_hex(release_commitment(address, vector_release_key())), seam_vector("release_commitment"));
  EXPECT_EQ(to_hex(file_key_commitment(FileKey(hex_array<16>(seam_vector("file_key"))))),
            seam_vector("file_key_commitment"));
  EXPECT_NE(release_commitment(address, vector_release_key()), release_commitment(payload, vector_release_key()));
  EXPECT_NE(release_commitment(address, vector_release_key()), release_commitment(address, ReleaseKey::random()));
  EXPECT_NE(file_key_commitment(FileKey::random()), file_key_commitment(FileKey::random()));
}

TEST(SecretBox, RoundTripsAtManySizes) {
  Seeded random;
  const auto key = SecretKey::random(32);
  for (const std::size_t size : {0U, 1U, 31U, 32U, 64U, 1000U, 70000U}) {
    const Bytes plaintext = random.bytes(size);
    const Bytes bound = random.bytes(random.below(100));
    const Bytes sealed = seal_box(plaintext, AssociatedData{bound}, key.expose());
    EXPECT_EQ(sealed.size(), size + secret_box_overhead_bytes);
    const auto opened = open_box(sealed, AssociatedData{bound}, key.expose());
    ASSERT_TRUE(opened);
    EXPECT_EQ(*opened, plaintext);
  }
}

TEST(SecretBox, RefusesAnotherKeyAnotherBindingEveryFlipAndEveryTruncation) {
  const auto key = SecretKey::random(32);
  const AssociatedData bound{as_bytes("month 2027-03")};
  const Bytes sealed = seal_box(as_bytes("value"), bound, key.expose());
  ASSERT_TRUE(open_box(sealed, bound, key.expose()));
  const auto refused = [&](const Result<Bytes>& opened) {
    return !opened && opened.error().code == Errc::authentication_failed;
  };
  EXPECT_TRUE(refused(open_box(sealed, bound, SecretKey::random(32).expose())));
  EXPECT_TRUE(refused(open_box(sealed, AssociatedData{as_bytes("month 2027-04")}, key.expose())));
  EXPECT_TRUE(refused(open_box(sealed, AssociatedData{}, key.expose())));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    EXPECT_TRUE(refused(open_box(with_bit_flipped(sealed, bit), bound, key.expose()))) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_TRUE(refused(open_box(ByteView(sealed).first(size), bound, key.expose()))) << size;
  }
}

TEST(SecretBoxDeathTest, TakesKeysOf32BytesOnly) {
  EXPECT_DEATH((void)seal_box({}, {}, SecretKey(31).expose()), "broken invariant");
  EXPECT_DEATH((void)open_box(Bytes(40), {}, SecretKey(33).expose()), "broken invariant");
}

TEST(Lease, OpensTheVector) {
  const auto released = unlease_release_key(hex(seam_vector("leased")), address, hex(seam_vector("lease_key")));
  ASSERT_TRUE(released);
  EXPECT_TRUE(same_key(*released, vector_release_key()));
}

TEST(Lease, HoldsForOneExchangeUnderOneLeaseKey) {
  const auto lease_key = SecretKey::random(32);
  const auto release_key = ReleaseKey::random();
  const Bytes leased = lease_release_key(release_key, address, lease_key.expose());
  EXPECT_EQ(leased.size(), 72U);
  EXPECT_TRUE(same_key(*unlease_release_key(leased, address, lease_key.expose()), release_key));
  EXPECT_FALSE(unlease_release_key(leased, payload, lease_key.expose()));
  EXPECT_FALSE(unlease_release_key(leased, address, SecretKey::random(32).expose()));
  for (std::size_t bit = 0; bit < leased.size() * 8; ++bit) {
    EXPECT_FALSE(unlease_release_key(with_bit_flipped(leased, bit), address, lease_key.expose())) << bit;
  }
}

TEST(Lease, RefusesABoxOfAnotherSize) {
  const auto lease_key = SecretKey::random(32);
  for (const std::size_t size : {0U, 31U, 33U}) {
    const Bytes sealed = seal_box(Bytes(size), AssociatedData{address}, lease_key.expose());
    EXPECT_FALSE(unlease_release_key(sealed, address, lease_key.expose())) << size;
  }
  EXPECT_FALSE(unlease_release_key({}, address, lease_key.expose()));
}

TEST(HeaderLock, OpensTheVector) {
  const auto header = opening::unlock_header(hex(seam_vector("locked")), vector_release_key(), {address, payload});
  ASSERT_TRUE(header);
  EXPECT_EQ(as_text(*header), "an age header");
}

TEST(HeaderLock, BindsAddressThenPayload) {
  const Bytes bound = lock_associated_data({address, payload});
  EXPECT_EQ(to_hex(bound), to_hex(as_bytes("pli-lock/1")) + to_hex(address) + to_hex(payload));
}

TEST(HeaderLock, RefusesAnotherReleaseKeyAddressOrPayload) {
  const auto release_key = ReleaseKey::random();
  const Bytes locked = lock_header(as_bytes("an age header"), release_key, {address, payload});
  ASSERT_TRUE(opening::unlock_header(locked, release_key, {address, payload}));
  const Digest other = sha256(as_bytes("other"));
  EXPECT_FALSE(opening::unlock_header(locked, ReleaseKey::random(), {address, payload}));
  EXPECT_FALSE(opening::unlock_header(locked, release_key, {other, payload}));
  EXPECT_FALSE(opening::unlock_header(locked, release_key, {address, other}));
  EXPECT_FALSE(opening::unlock_header(locked, release_key, {payload, address}));
  EXPECT_EQ(opening::unlock_header(locked, release_key, {payload, address}).error().code, Errc::authentication_failed);
}

TEST(HeaderLock, RefusesEveryFlippedBitAndEveryTruncation) {
  const auto release_key = ReleaseKey::random();
  const auto recipient = AgePublic{BoxPair::generate().public_key().bytes};
  const Bytes header = *make_age_header(FileKey::random(), std::span(&recipient, 1));
  const Bytes locked = lock_header(header, release_key, {address, payload});
  ASSERT_EQ(*opening::unlock_header(locked, release_key, {address, payload}), header);
  for (std::size_t bit = 0; bit < locked.size() * 8; ++bit) {
    const auto unlocked = opening::unlock_header(with_bit_flipped(locked, bit), release_key, {address, payload});
    ASSERT_FALSE(unlocked) << bit;
    EXPECT_EQ(unlocked.error().code, Errc::authentication_failed);
  }
  for (std::size_t size = 0; size < locked.size(); ++size) {
    EXPECT_FALSE(opening::unlock_header(ByteView(locked).first(size), release_key, {address, payload})) << size;
  }
}

}  // namespace
}  // namespace pli::crypto
