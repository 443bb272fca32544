// Makes a log as a stranger meets it, for tlog_theirs.go to verify: tiles and bundles in C2SP's paths, checkpoints that
// two witnesses cosigned after checking each against what they had seen.
//   tiles_ours DIR
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "audit/leaf.hpp"
#include "audit/tile.hpp"
#include "audit/witness.hpp"
#include "crypto/random.hpp"

namespace pli::audit {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

void write(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  out.close();
  if (!out) fail("cannot write " + path.string());
}

struct Seen {
  Witness witness;
  WitnessState state = first_witness_state();
};

/// Asks the witness as a log does, and gives its line.
NoteSignature ask(Seen& seen, const MemoryTree& tree, const std::string& checkpoint, const VerifierKey& log_key,
                  UnixSeconds now) {
  const AddCheckpoint request{seen.state.size, consistency_proof(seen.state.size, tree.size(), tree.source()).value(),
                              checkpoint};
  const auto verified = verify_add_checkpoint(to_text(request), {&log_key, 1});
  if (!verified) fail("the witness refuses the request");
  const WitnessDecision decision = decide_add_checkpoint(*verified, seen.state, seen.witness, now);
  if (!decision.update) fail("the witness refuses the tree");
  seen.state = decision.update->state;
  const VerifierKey key{seen.witness.name, KeyType::cosignature, seen.witness.key.public_key()};
  const auto reply = read_witness_answer(request, tree.size(), decision.answer, key, now);
  if (!reply || !std::holds_alternative<Cosigned>(*reply)) fail("no cosignature");
  return std::get<Cosigned>(*reply).line;
}

void make(const fs::path& dir) {
  fs::remove_all(dir);
  const std::string origin = "broker.example/pli/89/2026-1";
  const crypto::SigningKey key = crypto::SigningKey::generate();
  const VerifierKey log_key{origin, KeyType::ed25519, key.public_key()};
  write(dir / "vkey", to_text(log_key) + '\n');
  std::vector<Seen> witnesses;
  std::string witness_keys;
  for (const char* name : {"witness.example/w1", "witness.example/w2"}) {
    witnesses.push_back({{name, crypto::SigningKey::generate()}});
    witness_keys += to_text(VerifierKey{name, KeyType::cosignature, witnesses.back().witness.key.public_key()}) + '\n';
  }
  write(dir / "witnesses", witness_keys);

  MemoryTree tree;
  std::vector<std::string> leaves;
  TreeSize published{};
  UnixSeconds now{1700000000};
  for (const std::uint64_t size : {1U, 2U, 200U, 255U, 256U, 257U, 700U, 65535U, 65536U, 65537U, 70000U}) {
    while (tree.size().value < size) {
      Leaf leaf{LeafType::collecte, UnixMillis{1700000000000}, {}, std::nullopt, std::nullopt};
      leaf.record = leaf_hash(as_bytes(std::to_string(size)));
      leaf.time = leaf.time + std::chrono::milliseconds(tree.size().value);
      leaves.push_back(encode(leaf));
      tree.append(as_bytes(leaves.back()));
    }
    const std::vector<TileId> tiles = tiles_between(published, tree.size()).value();
    for (const TileId& tile : tiles) {
      write(dir / to_path(tile), as_text(make_tile(tile, tree.source()).value()));
      if (tile.level != 0) continue;
      std::vector<ByteView> entries;
      for (std::size_t i = 0; i < tile.width; ++i)
        entries.push_back(as_bytes(leaves[static_cast<std::size_t>(tile.index * tile_width + i)]));
      write(dir / to_path(BundleId{tile.index, tile.width}), as_text(encode_bundle(entries).value()));
    }
    published = tree.size();
    const std::string checkpoint = sign_checkpoint({origin, tree.size(), tree.root()}, key);
    Note note = parse_note(checkpoint).value();
    for (Seen& witness : witnesses) note.signatures.push_back(ask(witness, tree, checkpoint, log_key, now));
    now.value += 60;
    write(dir / "checkpoints" / std::to_string(size), to_text(note));
  }
}

}  // namespace
}  // namespace pli::audit

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: tiles_ours DIR\n");
    return 2;
  }
  pli::crypto::initialise();
  pli::audit::make(arguments[1]);
  return 0;
}
