#include "support.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "crypto/hash.hpp"
#include "crypto/random.hpp"

namespace pli::audit::test {
namespace {

class CryptoStarted : public ::testing::Environment {
 public:
  void SetUp() override { crypto::initialise(); }
};
[[maybe_unused]] ::testing::Environment* const crypto_started = ::testing::AddGlobalTestEnvironment(new CryptoStarted);

Digest naive_node(const Digest& left, const Digest& right) {
  Bytes bytes = {0x01};
  append(bytes, left);
  append(bytes, right);
  return crypto::sha256(ByteView(bytes));
}

/// The largest power of two strictly less than `size`.
std::uint64_t split(std::uint64_t size) {
  std::uint64_t k = 1;
  while (size - k > k) k *= 2;
  return k;
}

std::vector<Digest> naive_subproof(std::size_t older, Leaves leaves, bool whole) {
  if (older == leaves.size()) return whole ? std::vector<Digest>{} : std::vector<Digest>{naive_root(leaves)};
  const auto k = static_cast<std::size_t>(split(leaves.size()));
  std::vector<Digest> proof;
  if (older <= k) {
    proof = naive_subproof(older, leaves.first(k), whole);
    proof.push_back(naive_root(leaves.subspan(k)));
  } else {
    proof = naive_subproof(older - k, leaves.subspan(k), false);
    proof.push_back(naive_root(leaves.first(k)));
  }
  return proof;
}

std::string subproof_shape(std::uint64_t older, std::uint64_t newer, bool whole) {
  if (older == newer) return whole ? "root " : "first ";
  const std::uint64_t k = split(newer);
  return older <= k ? subproof_shape(older, k, whole) + "R" : subproof_shape(older - k, newer - k, false) + "L";
}

}  // namespace

std::vector<Digest> some_leaves(std::size_t count) {
  std::vector<Digest> leaves;
  for (std::size_t i = 0; i < count; ++i) leaves.push_back(crypto::sha256(as_bytes("leaf " + std::to_string(i))));
  return leaves;
}

Digest naive_root(Leaves leaves) {
  if (leaves.empty()) return crypto::sha256(as_bytes(""));
  if (leaves.size() == 1) return leaves.front();
  const auto k = static_cast<std::size_t>(split(leaves.size()));
  return naive_node(naive_root(leaves.first(k)), naive_root(leaves.subspan(k)));
}

std::vector<Digest> naive_path(std::size_t index, Leaves leaves) {
  if (leaves.size() == 1) return {};
  const auto k = static_cast<std::size_t>(split(leaves.size()));
  std::vector<Digest> path;
  if (index < k) {
    path = naive_path(index, leaves.first(k));
    path.push_back(naive_root(leaves.subspan(k)));
  } else {
    path = naive_path(index - k, leaves.subspan(k));
    path.push_back(naive_root(leaves.first(k)));
  }
  return path;
}

std::vector<Digest> naive_proof(std::size_t older, Leaves leaves) { return naive_subproof(older, leaves, true); }

std::string path_shape(std::uint64_t index, std::uint64_t size) {
  if (size == 1) return "";
  const std::uint64_t k = split(size);
  return index < k ? path_shape(index, k) + "R" : path_shape(index - k, size - k) + "L";
}

std::string proof_shape(std::uint64_t older, std::uint64_t newer) { return subproof_shape(older, newer, true); }

std::string vector_file(std::string_view name) {
  std::ifstream in(std::string(PLI_SOURCE_DIR) + "/tests/audit/vectors/" + std::string(name), std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  EXPECT_FALSE(out.str().empty()) << "vector missing: " << name;
  return out.str();
}

std::multimap<std::string, Bytes> vector_lines(std::string_view name) {
  std::multimap<std::string, Bytes> lines;
  std::istringstream in(vector_file(name));
  std::string key;
  std::string hex;
  while (in >> key >> hex) lines.emplace(key, from_hex(hex).value());
  return lines;
}

Bytes own_format(const std::string& name) {
  const auto lines = vector_lines("own-formats.txt");
  const auto line = lines.find(name);
  EXPECT_NE(line, lines.end()) << name;
  return line == lines.end() ? Bytes{} : line->second;
}

Digest digest_of(std::string_view hex) { return to_array<32>(from_hex(hex).value()).value(); }

crypto::SigningKey key_of(std::uint8_t seed_byte) {
  ByteArray<32> seed{};
  seed.fill(seed_byte);
  return crypto::SigningKey::from_seed(seed);
}

VerifierKey verifier_of(std::string_view name, const crypto::SigningKey& key) {
  return {std::string(name), KeyType::ed25519, key.public_key()};
}

std::vector<Bytes> eight_leaves() {
  std::vector<Bytes> leaves;
  for (const char* hex :
       {"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"})
    leaves.push_back(from_hex(hex).value());
  return leaves;
}

Record some_record() {
  Record record;
  for (std::size_t i = 0; i < record.seed.size(); ++i) record.seed[i] = static_cast<std::uint8_t>(200 - i);
  record.add("act", "collecte");
  record.add("person", "p-1f0c");
  record.add("role", "referent");
  record.add("organisation", "org-89024");
  record.add("object", Bytes(32, 0xA7));
  record.add("queue", "ged/89");
  record.add("queue_number", Bytes{0, 0, 0, 0, 0, 0, 1, 4});
  record.add("recipients", Bytes(32, 0x5E));
  record.add("rule", "submit.collectivite.ged");
  record.add("note", "");
  record.add("statement", Bytes(300, 0xC3));
  return record;
}

Receipt some_receipt(const std::vector<std::string_view>& shown) {
  const Record record = some_record();
  Receipt receipt;
  receipt.leaf = Leaf{LeafType::collecte, UnixMillis{1700000000123}, record_digest(record), std::nullopt, std::nullopt};
  receipt.record = disclose(record, shown);
  receipt.index = LeafIndex{11};
  MemoryTree tree;
  for (int i = 0; i < 21; ++i)
    tree.append(as_bytes(i == 11 ? encode(receipt.leaf) : "another leaf " + std::to_string(i)));
  receipt.proof = inclusion_proof(receipt.index, tree.size(), tree.source()).value();
  receipt.checkpoint = sign_checkpoint({std::string(log_origin), tree.size(), tree.root()}, key_of(1));
  return receipt;
}

}  // namespace pli::audit::test
