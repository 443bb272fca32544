#include "witness/witness_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "audit/evidence.hpp"
#include "audit/text_lines.hpp"
#include "base/file.hpp"
#include "crypto/hash.hpp"

namespace pli::witness {
namespace {

constexpr std::string_view magic = "pli-witness-state/1\n";
constexpr std::string_view checkpoint_word = "checkpoint ";
constexpr std::string_view hash_word = "sha256 ";
/// A clock put back must not make a witness's own lines look wrong to it.
constexpr audit::UnixSeconds end_of_time{audit::cosignature_time_limit - 1};

std::filesystem::path state_path(const std::filesystem::path& folder) { return folder / "state"; }
std::filesystem::path evidence_folder(const std::filesystem::path& folder) { return folder / "evidence"; }

std::string hash_line(std::string_view before) {
  return std::string(hash_word) + to_hex(crypto::sha256(as_bytes(before))) + '\n';
}

/// Ours, by its cosignature.
Result<CosignedTree> parse_cosigned_tree(std::string_view text, const audit::VerifierKey& witness) {
  auto note = audit::parse_note(text);
  if (!note) return note.error();
  auto head = audit::parse_tree_head(note->text);
  if (!head) return head.error();
  const auto id = audit::key_id(witness);
  const auto line = std::find_if(note->signatures.begin(), note->signatures.end(),
                                 [&](const audit::NoteSignature& s) { return s.id == id && s.name == witness.name; });
  if (line == note->signatures.end()) return Error{Errc::authentication_failed, "not cosigned by this witness"};
  const auto time = audit::verify_cosignature(note->text, *line, witness, end_of_time);
  if (!time) return time.error();
  return CosignedTree{std::move(head->origin), {head->size, head->root}, *time, std::string(text)};
}

/// First 16 hex digits of the origin's hash: evidence is counted by origin from the names alone.
std::string evidence_prefix(std::string_view origin) { return audit::monitoring_path(origin).substr(0, 16) + '-'; }

bool is_evidence_name(std::string_view name) {
  return name.size() == 49 && name[16] == '-' && from_hex(name.substr(0, 16)) && from_hex(name.substr(17));
}

}  // namespace

std::string to_text(const CosignedTrees& trees) {
  std::string out(magic);
  for (const auto& [path, tree] : trees) {
    out += checkpoint_word;
    out += std::to_string(tree.checkpoint.size());
    out += '\n';
    out += tree.checkpoint;
  }
  out += hash_line(out);
  return out;
}

Result<CosignedTrees> parse_cosigned_trees(std::string_view text, const audit::VerifierKey& witness) {
  const Error damaged{Errc::corruption, "the witness's state is damaged"};
  const std::size_t hash_bytes = hash_line({}).size();
  if (text.size() < magic.size() + hash_bytes) return damaged;
  std::string_view rest = text.substr(0, text.size() - hash_bytes);
  if (text.substr(rest.size()) != hash_line(rest) || !audit::take_prefix(rest, magic)) return damaged;
  CosignedTrees trees;
  while (!rest.empty()) {
    auto line = audit::take_line(rest);
    if (!line || !audit::take_prefix(*line, checkpoint_word)) return damaged;
    const auto size = audit::parse_decimal(*line);
    if (!size || *size > rest.size() || trees.size() == origins_max) return damaged;
    auto tree = parse_cosigned_tree(rest.substr(0, *size), witness);
    if (!tree) return Error{Errc::corruption, "a checkpoint in the state is not one this witness cosigned"};
    rest.remove_prefix(*size);
    std::string path = audit::monitoring_path(tree->origin);
    if (!trees.empty() && path <= trees.rbegin()->first) return damaged;
    trees.emplace_hint(trees.end(), std::move(path), *std::move(tree));
  }
  return trees;
}

Result<void> WitnessStore::create(const std::filesystem::path& folder) {
  std::error_code problem;
  if (std::filesystem::exists(state_path(folder), problem) || problem)
    return Error{Errc::conflict, "a witness's state is there already"};
  if (auto made = create_private_folder(evidence_folder(folder)); !made) return made.error();
  return write_file_durably(state_path(folder), as_bytes(to_text(CosignedTrees{})), FileMode::owner_only);
}

Result<CosignedTrees> WitnessStore::read(const std::filesystem::path& folder, const audit::VerifierKey& witness) {
  auto bytes = read_file(state_path(folder), state_bytes_max);
  if (!bytes && bytes.error().code == Errc::not_found)
    return Error{Errc::not_found, "the state is missing; a witness that forgot what it cosigned must not go on"};
  if (!bytes && bytes.error().code == Errc::over_limit) return Error{Errc::corruption, "the state is too long"};
  if (!bytes) return bytes.error();
  return parse_cosigned_trees(as_text(*bytes), witness);
}

Result<WitnessStore> WitnessStore::open(const std::filesystem::path& folder, const audit::VerifierKey& witness) {
  const int lock = ::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return Error{Errc::io_error, "the lock file cannot be opened"};
  WitnessStore store(folder, lock, witness, {});
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) return Error{Errc::unavailable, "another process runs this witness"};
  auto trees = read(folder, witness);
  if (!trees) return trees.error();
  store.trees_ = *std::move(trees);
  return store;
}

WitnessStore::WitnessStore(std::filesystem::path folder, int lock, audit::VerifierKey witness, CosignedTrees trees)
    : folder_(std::move(folder)), lock_(lock), witness_(std::move(witness)), trees_(std::move(trees)) {}

WitnessStore::WitnessStore(WitnessStore&& other) noexcept
    : folder_(std::move(other.folder_)),
      lock_(std::exchange(other.lock_, -1)),
      witness_(std::move(other.witness_)),
      trees_(std::move(other.trees_)),
      failed_(other.failed_) {}

WitnessStore::~WitnessStore() {
  if (lock_ >= 0) ::close(lock_);
}

audit::WitnessState WitnessStore::last(std::string_view origin) const {
  const auto found = trees_.find(audit::monitoring_path(origin));
  return found != trees_.end() ? found->second.state : audit::first_witness_state();
}

Result<void> WitnessStore::advance(std::string_view origin, const audit::WitnessState& from,
                                   const audit::WitnessDecision::Update& update) {
  if (failed_) return Error{Errc::io_error, "the state could not be written before"};
  const bool goes_on = update.state.size > from.size || update.state == from;
  if (last(origin) != from || !goes_on) return Error{Errc::conflict, "the origin stands elsewhere"};
  auto tree = parse_cosigned_tree(update.checkpoint, witness_);
  PLI_INVARIANT(tree && tree->origin == origin && tree->state == update.state);
  CosignedTrees next = trees_;
  next.insert_or_assign(audit::monitoring_path(origin), *std::move(tree));
  const std::string text = to_text(next);
  if (next.size() > origins_max || text.size() > state_bytes_max)
    return Error{Errc::over_limit, "no room for another origin"};
  if (auto written = write_file_durably(state_path(folder_), as_bytes(text), FileMode::owner_only); !written) {
    failed_ = true;
    return written.error();
  }
  // Durable from here: a crash now is answered with 409 and this size at the next request.
  trees_ = std::move(next);
  return {};
}

std::vector<std::filesystem::path> WitnessStore::list_evidence(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(evidence_folder(folder), problem))
    if (is_evidence_name(entry.path().filename().string())) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

Result<bool> WitnessStore::keep_evidence(std::string_view origin, std::string_view request) {
  const auto parsed = audit::parse_add_checkpoint(request);
  const auto note = parsed ? audit::parse_note(parsed->checkpoint) : Result<audit::Note>(parsed.error());
  PLI_INVARIANT(note);
  // By the tree head: the same two trees under other proofs or foreign signatures tell nothing new.
  const std::string prefix = evidence_prefix(origin);
  const std::string name = prefix + to_hex(crypto::sha256(as_bytes(note->text))).substr(0, 32);
  const auto kept = list_evidence(folder_);
  std::size_t of_this_origin = 0;
  for (const auto& path : kept) {
    if (path.filename().string() == name) return false;
    if (path.filename().string().starts_with(prefix)) ++of_this_origin;
  }
  if (kept.size() >= evidence_max || of_this_origin >= evidence_of_an_origin_max) return false;

  // An empty tree with another root proves it alone; any other second tree, beside the one cosigned.
  const auto found = trees_.find(audit::monitoring_path(origin));
  const bool alone = !audit::parse_tree_head(note->text) || found == trees_.end();
  const std::string text =
      alone ? parsed->checkpoint : audit::to_text(audit::Evidence{found->second.checkpoint, parsed->checkpoint});
  if (auto made = create_private_folder(evidence_folder(folder_)); !made) return made.error();
  auto written = write_file_durably(evidence_folder(folder_) / name, as_bytes(text), FileMode::owner_only);
  if (!written) return written.error();
  return true;
}

}  // namespace pli::witness
