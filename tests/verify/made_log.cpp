#include "tests/verify/made_log.hpp"

#include <fstream>

namespace pli::verify::test {

namespace fs = std::filesystem;

constexpr std::array<std::uint8_t, 2> witness_numbers = {1, 2};

void write_files(const fs::path& folder, const Files& files) {
  for (const auto& [name, bytes] : files) {
    const fs::path path = folder / name;
    fs::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    out << bytes;
    out.close();
    PLI_INVARIANT(out.good());
  }
}

crypto::SigningKey made_key(std::uint8_t seed_byte) { return crypto::SigningKey::from_seed(Bytes(32, seed_byte)); }

UnixMillis leaf_time(std::uint64_t index) {
  return first_leaf_time + std::chrono::milliseconds(leaf_interval_ms * static_cast<std::int64_t>(index));
}

MadeLog::MadeLog(std::uint64_t size, const Changes& changes, std::string_view origin) : origin_(origin) {
  for (std::uint64_t i = 0; i < size; ++i) {
    const auto change = changes.find(i);
    leaves_.push_back(change == changes.end() ? encode(leaf(i)) : change->second);
    tree_.append(as_bytes(leaves_.back()));
  }
}

audit::VerifierKey MadeLog::log_key() const { return {origin_, audit::KeyType::ed25519, made_key(1).public_key()}; }

std::string MadeLog::policy() const {
  std::string text = "log " + to_text(log_key()) + "\n";
  for (const std::uint8_t i : witness_numbers) {
    const std::string name = "witness.example/w" + std::to_string(i);
    const audit::VerifierKey key{name, audit::KeyType::cosignature,
                                 made_key(static_cast<std::uint8_t>(10 + i)).public_key()};
    text += "witness w" + std::to_string(i) + " " + to_text(key) + "\n";
  }
  return text + "group both all w1 w2\nquorum both\n";
}

audit::Record MadeLog::record(std::uint64_t index) const {
  audit::Record record;
  for (std::size_t i = 0; i < record.seed.size(); ++i) record.seed[i] = static_cast<std::uint8_t>(index * 7 + i);
  record.add("act", index % 2 == 0 ? "submit" : "open");
  record.add("queue", "ged/89");
  record.add("place", "Cérilly");
  record.add("object", audit::leaf_hash(as_bytes(std::to_string(index))));
  record.add("steering", "\x1b[2J");
  return record;
}

audit::Leaf MadeLog::leaf(std::uint64_t index) const {
  audit::Leaf leaf;
  leaf.type = index == 0       ? audit::LeafType::registre
              : index % 2 == 0 ? audit::LeafType::collecte
                               : audit::LeafType::consultation;
  leaf.time = leaf_time(index);
  leaf.record = record_digest(record(index));
  return leaf;
}

std::string MadeLog::checkpoint(std::uint64_t size) const {
  const Digest root = audit::root_at(TreeSize{size}, tree_.source()).value();
  audit::Note note = audit::parse_note(audit::sign_checkpoint({origin_, TreeSize{size}, root}, made_key(1))).value();
  for (const std::uint8_t i : witness_numbers)
    note.signatures.push_back(audit::cosign(note.text, "witness.example/w" + std::to_string(i),
                                            made_key(static_cast<std::uint8_t>(10 + i)), {cosigned_at.value + i}));
  return to_text(note);
}

audit::Receipt MadeLog::receipt(std::uint64_t index) const {
  audit::Receipt receipt;
  receipt.leaf = leaf(index);
  receipt.record = disclose(record(index), {"act", "place", "object", "steering"});
  receipt.index = LeafIndex{index};
  receipt.proof = audit::inclusion_proof(receipt.index, tree_.size(), tree_.source()).value();
  receipt.checkpoint = checkpoint(size());
  return receipt;
}

std::string MadeLog::bundle(std::uint64_t index) const {
  std::vector<ByteView> entries;
  for (std::uint64_t i = index * audit::tile_width; i < std::min(size(), (index + 1) * audit::tile_width); ++i)
    entries.push_back(as_bytes(leaves_[static_cast<std::size_t>(i)]));
  return std::string(as_text(audit::encode_bundle(entries).value()));
}

Files MadeLog::log() const {
  Files files;
  files["checkpoint"] = checkpoint(size());
  const std::vector<audit::TileId> tiles = audit::tiles_between(TreeSize{0}, tree_.size()).value();
  for (const audit::TileId& tile : tiles) {
    files[to_path(tile)] = as_text(audit::make_tile(tile, tree_.source()).value());
    if (tile.level == 0) files[to_path(audit::BundleId{tile.index, tile.width})] = bundle(tile.index);
  }
  return files;
}

Files MadeLog::exported(std::uint64_t from, std::uint64_t to, bool with_neighbours) const {
  Files files = log();
  const std::uint64_t first = with_neighbours && from > 0 ? from - 1 : from;
  const std::uint64_t end = with_neighbours ? std::min(to + 1, size()) : to;
  for (std::uint64_t index = 0; index < audit::bundle_count(tree_.size()); ++index) {
    const std::uint64_t begins = index * audit::tile_width;
    if (begins >= end || begins + audit::tile_width <= first)
      files.erase(to_path(audit::bundle_of(tree_.size(), index)));
  }
  files["policy"] = policy();
  files["period"] = to_text(audit::ExportPeriod{LeafIndex{from}, TreeSize{to}, leaf_time(from), leaf_time(to)});
  std::string records(audit::export_records_first_line);
  for (std::uint64_t i = from; i < to; ++i) {
    audit::ExportRecord entry{LeafIndex{i}, std::nullopt};
    if (i % 5 != 0) entry.disclosure = disclose(record(i), {"act", "queue"});
    records += as_text(encode(entry));
  }
  files["records"] = records;
  files["LISEZMOI.txt"] = "Dossier de contrôle.\n";
  return files;
}

}  // namespace pli::verify::test
