// Pli's side of the exchange with tlog_theirs.go, in the same folder layout: makes a log for Go to verify, and verifies
// the one Go made, with both proof verifiers.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "audit/proof_file.hpp"
#include "audit/tree.hpp"
#include "crypto/base64.hpp"
#include "crypto/random.hpp"

namespace pli::audit {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  if (!in || out.str().empty()) fail("cannot read " + path.string());
  return out.str();
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) fail("cannot write " + path.string());
}

std::string proof_line(const char* kind, std::uint64_t first, std::uint64_t size, const std::vector<Digest>& proof) {
  std::string line = std::string(kind) + ' ' + std::to_string(first) + ' ' + std::to_string(size);
  for (const Digest& hash : proof) line += ' ' + crypto::to_base64(hash);
  return line + '\n';
}

void make(const fs::path& dir) {
  fs::remove_all(dir / "checkpoints");
  fs::create_directories(dir / "checkpoints");
  const std::string origin = "broker.example/pli/89/2026-1";
  const crypto::SigningKey key = crypto::SigningKey::generate();
  write(dir / "vkey", to_text(VerifierKey{origin, KeyType::ed25519, key.public_key()}) + '\n');

  MemoryTree tree;
  std::string leaves;
  std::string proofs;
  Receipt receipt;
  constexpr std::uint64_t receipt_index = 33;
  for (std::uint64_t size = 1; size <= 130; ++size) {
    Record record = new_record();
    record.add("act", "collecte");
    record.add("object", "exchange " + std::to_string(size));
    const Leaf leaf{LeafType::collecte, UnixMillis{1700000000000 + static_cast<std::int64_t>(size)},
                    record_digest(record), std::nullopt, std::nullopt};
    if (tree.size().value == receipt_index) {
      receipt.leaf = leaf;
      receipt.record = disclose(record, {"act"});
    }
    const std::string bytes = encode(leaf);
    tree.append(as_bytes(bytes));
    leaves += to_hex(as_bytes(bytes)) + '\n';
    // Every pair of the smaller sizes, and some of the larger.
    if (size > 70 && size < 127) continue;
    receipt.checkpoint = sign_checkpoint({origin, tree.size(), tree.root()}, key);
    write(dir / "checkpoints" / std::to_string(size), receipt.checkpoint);
    for (std::uint64_t i = 0; i < size; ++i)
      proofs += proof_line("inclusion", i, size, *inclusion_proof(LeafIndex{i}, TreeSize{size}, tree.source()));
    for (std::uint64_t i = 1; i <= size; ++i)
      if (i <= 70 || i >= 127)
        proofs += proof_line("consistency", i, size, *consistency_proof(TreeSize{i}, TreeSize{size}, tree.source()));
  }
  write(dir / "leaves", leaves);
  write(dir / "proofs", proofs);
  receipt.index = LeafIndex{receipt_index};
  receipt.proof = *inclusion_proof(receipt.index, tree.size(), tree.source());
  write(dir / "leaf.tlog-proof", to_text(receipt));
}

struct Counts {
  int accepted = 0;
  int refused = 0;
};

/// Every proof that is one element short, one too long, or has a bit changed in one element.
template <class Try>
void damaged(const std::vector<Digest>& proof, const Try& attempt) {
  std::vector<Digest> changed = proof;
  changed.emplace_back();
  attempt(changed);
  if (!proof.empty()) attempt({proof.begin(), proof.end() - 1});
  for (std::size_t i = 0; i < proof.size(); ++i) {
    changed = proof;
    changed[i][i % 32] ^= 0x20;
    attempt(changed);
  }
}

void verify(const fs::path& dir) {
  std::string vkey = read(dir / "vkey");
  vkey.pop_back();
  const auto key = parse_verifier_key(vkey);
  if (!key) fail("their verifier key is refused");
  std::vector<Digest> leaves;
  std::istringstream leaf_lines(read(dir / "leaves"));
  for (std::string line; std::getline(leaf_lines, line);) leaves.push_back(leaf_hash(from_hex(line).value()));

  Counts counts;
  const auto expect = [&](bool accepted, bool wanted, const std::string& what) {
    if (accepted != wanted) fail((wanted ? "refused: " : "accepted though damaged: ") + what);
    ++(wanted ? counts.accepted : counts.refused);
  };

  std::map<std::uint64_t, Digest> roots;
  MemoryTree tree;
  for (const Digest& leaf : leaves) {
    tree.append_hash(leaf);
    const std::uint64_t size = tree.size().value;
    const std::string note = read(dir / "checkpoints" / std::to_string(size));
    const auto checkpoint = verify_checkpoint(note, *key);
    expect(checkpoint && checkpoint->size() == tree.size() && checkpoint->root() == tree.root(), true,
           "checkpoint " + std::to_string(size));
    roots[size] = checkpoint->root();
    for (std::size_t i = 0; i < note.size(); ++i) {
      std::string changed = note;
      changed[i] = static_cast<char>(changed[i] ^ 0x01);
      expect(verify_checkpoint(changed, *key).has_value(), false, "checkpoint " + std::to_string(size));
    }
  }

  std::istringstream proof_lines(read(dir / "proofs"));
  for (std::string line; std::getline(proof_lines, line);) {
    std::istringstream fields(line);
    std::string kind;
    std::uint64_t first = 0;
    std::uint64_t size = 0;
    fields >> kind >> first >> size;
    std::vector<Digest> proof;
    for (std::string text; fields >> text;) proof.push_back(to_array<32>(crypto::from_base64(text).value()).value());
    const auto check = [&](std::uint64_t position, const std::vector<Digest>& elements, const Digest& start) {
      const bool inclusion = kind == "inclusion";
      const Digest& root = roots.at(size);
      const auto walk = inclusion ? verify_inclusion(root, TreeSize{size}, LeafIndex{position}, start, elements)
                                  : verify_consistency(TreeSize{position}, start, TreeSize{size}, root, elements);
      const auto closed_form =
          inclusion ? second::verify_inclusion(root, TreeSize{size}, LeafIndex{position}, start, elements)
                    : second::verify_consistency(TreeSize{position}, start, TreeSize{size}, root, elements);
      if (walk.has_value() != closed_form.has_value()) fail("the two verifiers disagree: " + line);
      return walk.has_value();
    };
    const Digest start = kind == "inclusion" ? leaves.at(first) : roots.at(first);
    expect(check(first, proof, start), true, line);
    damaged(proof, [&](const std::vector<Digest>& changed) { expect(check(first, changed, start), false, line); });
    expect(check(first, proof, Digest{}), false, "another start, " + line);
    expect(check(first + 1, proof, start), false, "another position, " + line);
  }

  const auto file = parse_proof_file(read(dir / "leaf.tlog-proof"));
  if (!file) fail("their proof file is refused");
  const auto checkpoint = verify_checkpoint(file->checkpoint, *key);
  expect(checkpoint && verify_inclusion(*checkpoint, file->index, leaves.at(file->index.value), file->proof), true,
         "proof file");
  if (counts.accepted < 1000 || counts.refused < 1000) fail("too little to tell");
  std::printf("%d accepted, %d damaged ones refused\n", counts.accepted, counts.refused);
}

}  // namespace
}  // namespace pli::audit

int main(int count, char** arguments) {
  pli::crypto::initialise();
  const std::string_view verb = count == 3 ? arguments[1] : "";
  if (verb == "make") {
    pli::audit::make(arguments[2]);
  } else if (verb == "verify") {
    pli::audit::verify(arguments[2]);
  } else {
    std::fprintf(stderr, "usage: tlog_ours make|verify DIR\n");
    return 2;
  }
  return 0;
}
