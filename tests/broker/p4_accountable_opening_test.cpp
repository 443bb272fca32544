// P4: what a thief of the broker's disk can and cannot open, with one member's identity file and its passphrase.
#include <algorithm>
#include <filesystem>

#include "base/file.hpp"
#include "crypto/age_open.hpp"
#include "crypto/age_seal.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/identity_file.hpp"
#include "crypto/release_share.hpp"
#include "crypto/secret_box.hpp"
#include "protocol/exchange.hpp"
#include "tests/broker/core_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::testing {
namespace {

namespace fs = std::filesystem;

/// Everything the thief carried away, and the one member who helps him.
class P4AccountableOpening : public CoreTest {
 protected:
  static constexpr std::size_t file_bytes_max = 64U << 20U;

  P4AccountableOpening() {
    // The exchange was released to others; never to the member whose identity was stolen.
    EXPECT_EQ(refusal_in(open("ged.2", report.id)), "");
    // A copy of the running broker's data folder, WAL and all: what any backup is. Then the whole disk.
    fs::copy(house.database().parent_path(), stolen.path() / "backup", fs::copy_options::recursive);
    house.close();
    fs::copy(house.folder(), stolen.path() / "disk", fs::copy_options::recursive);

    const crypto::SecretKey passphrase = crypto::SecretKey::copy_of(as_bytes("trois-clefs-sous-le-paillasson"));
    const auto written = crypto::opening::write_identity_file(department.identity("ged.1"), passphrase, 2);
    EXPECT_TRUE(written.has_value());
    auto read = crypto::opening::read_identity_file(*written, passphrase);
    EXPECT_TRUE(read.has_value());
    if (read) member_keys.push_back(read->age_secret().clone());
  }

  broker::KeyPaths stolen_keys() const {
    const fs::path disk = stolen.path() / "disk";
    return {disk / "keys", disk / "keys" / "leases", disk / "leases-copy"};
  }
  std::unique_ptr<broker::Store> stolen_store(const char* data) const {
    auto store = broker::Store::open(stolen.path() / data / "pli.db", {});
    EXPECT_TRUE(store.has_value());
    return store ? *std::move(store) : nullptr;
  }

  /// The content, if this R is the one.
  std::optional<Bytes> read_with(const crypto::ReleaseKey& release_key, ByteView locked, ByteView payload) const {
    const auto header = crypto::opening::unlock_header(
        locked, release_key, {protocol::address_digest(report.envelope.address), report.seal.payload});
    if (!header) return std::nullopt;
    const auto file_key = crypto::opening::unwrap_file_key(*header, {member_keys, nullptr});
    if (!file_key) return std::nullopt;
    const auto padded = crypto::opening::open_payload(*file_key, payload);
    if (!padded) return std::nullopt;
    const auto inner = crypto::unpad(*padded);
    if (!inner) return std::nullopt;
    const auto plaintext = protocol::decode_plaintext(*inner);
    return plaintext ? std::optional<Bytes>(plaintext->content) : std::nullopt;
  }

  /// Takes every 32 bytes that stand anywhere in the folder for R, and for the lease key that opens R.
  std::size_t keys_found_in(const fs::path& folder, ByteView leased) const {
    const Bytes& locked = report.envelope.locked;
    const crypto::LockBinding binding{protocol::address_digest(report.envelope.address), report.seal.payload};
    std::size_t found = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      const auto bytes = read_file(entry.path(), file_bytes_max);
      EXPECT_TRUE(bytes.has_value()) << entry.path();
      if (!bytes) continue;
      for (std::size_t at = 0; at + 32 <= bytes->size(); ++at) {
        const ByteView guess = ByteView(*bytes).subspan(at, 32);
        if (std::all_of(guess.begin(), guess.end(), [](std::uint8_t byte) { return byte == 0; })) continue;
        if (const auto as_lease = crypto::unlease_release_key(leased, report.id, guess)) ++found;
        crypto::ReleaseKey as_release;
        std::copy(guess.begin(), guess.end(), as_release.expose_for_writing().begin());
        if (crypto::opening::unlock_header(locked, as_release, binding)) ++found;
      }
    }
    return found;
  }

  Sealed report = accept({});
  TemporaryFolder stolen;
  std::vector<crypto::SecretKey> member_keys;
};

TEST_F(P4AccountableOpening, AMemberAloneOpensNothing) {
  EXPECT_FALSE(crypto::opening::unwrap_file_key(report.envelope.locked, {member_keys, nullptr}));
  Bytes joined = report.envelope.locked;
  append(joined, report.envelope.payload);
  EXPECT_FALSE(crypto::opening::open_bytes(joined, {member_keys, nullptr}));
}

TEST_F(P4AccountableOpening, TheDataFolderTheBackupsAndAMemberOpenNothing) {
  for (const char* data : {"backup", "disk/data"}) {
    SCOPED_TRACE(data);
    const auto store = stolen_store(data);
    ASSERT_NE(store, nullptr);
    const auto row = store->find_exchange(report.id);
    ASSERT_TRUE(row.has_value());
    // The whole ciphertext is there.
    EXPECT_EQ(store->body(row->number, 0, report.envelope.locked.size()), report.envelope.locked);
    EXPECT_EQ(store->body(row->number, report.seal.locked_size, report.seal.payload_size), report.envelope.payload);
    const auto access = store->access(row->number);
    ASSERT_EQ(access.size(), 1U);
    EXPECT_EQ(keys_found_in(stolen.path() / data, access[0].leased), 0U);
  }
}

TEST_F(P4AccountableOpening, TheWholeDiskWithoutTheStartupSecretAndAMemberOpenNothing) {
  const auto store = stolen_store("disk/data");
  ASSERT_NE(store, nullptr);
  const auto access = store->access(store->find_exchange(report.id)->number);
  ASSERT_EQ(access.size(), 1U);
  EXPECT_EQ(keys_found_in(stolen.path(), access[0].leased), 0U);
  crypto::SecretKey other = test_startup_secret();
  other.expose_for_writing()[31] ^= 1;
  const auto keys = broker::KeyRing::open(stolen_keys(), std::move(other), house.now);
  ASSERT_FALSE(keys.has_value());
  EXPECT_EQ(keys.error().code, Errc::authentication_failed);

  // The search is one that finds: the lease key, were it left on the disk, is seen.
  auto true_keys = broker::KeyRing::open(stolen_keys(), test_startup_secret(), house.now);
  ASSERT_TRUE(true_keys.has_value());
  const auto lease = (*true_keys)->lease(access[0].lease);
  ASSERT_TRUE(lease.has_value());
  const fs::path forgotten = stolen.path() / "forgotten";
  fs::create_directory(forgotten);
  ASSERT_TRUE(write_file_durably(forgotten / "note", *lease, FileMode::owner_only));
  EXPECT_EQ(keys_found_in(forgotten, access[0].leased), 1U);
}

// The threat model says so: this is why the start-up secret must not lie on the disk it protects.
TEST_F(P4AccountableOpening, TheWholeDiskWithTheStartupSecretAndAMemberOpens) {
  const auto keys = broker::KeyRing::open(stolen_keys(), test_startup_secret(), house.now);
  ASSERT_TRUE(keys.has_value());
  const auto store = stolen_store("backup");
  ASSERT_NE(store, nullptr);
  const auto row = store->find_exchange(report.id);
  ASSERT_TRUE(row.has_value());
  const auto access = store->access(row->number);
  ASSERT_EQ(access.size(), 1U);
  const auto lease = (*keys)->lease(access[0].lease);
  ASSERT_TRUE(lease.has_value());
  const auto release_key = crypto::unlease_release_key(access[0].leased, report.id, *lease);
  ASSERT_TRUE(release_key.has_value());
  const auto content = read_with(*release_key, store->body(row->number, 0, report.seal.locked_size),
                                 store->body(row->number, report.seal.locked_size, report.seal.payload_size));
  ASSERT_TRUE(content.has_value());
  EXPECT_EQ(*content, Draft{}.content);
}

}  // namespace
}  // namespace pli::testing
