#include "witness/witness_key.hpp"

#include <sys/stat.h>

#include "base/file.hpp"

namespace pli::witness {
namespace {

constexpr std::size_t seed_bytes = 32;
constexpr std::size_t vkey_bytes_max = 256;

std::filesystem::path seed_path(const std::filesystem::path& folder) { return folder / "seed"; }
std::filesystem::path vkey_path(const std::filesystem::path& folder) { return folder / "vkey"; }

}  // namespace

audit::VerifierKey verifier_of(const audit::Witness& witness) {
  return {witness.name, audit::KeyType::cosignature, witness.key.public_key()};
}

Result<audit::VerifierKey> create_witness_key(const std::filesystem::path& folder, std::string_view name) {
  if (!audit::is_key_name(name)) return Error{Errc::invalid_input, "a name is 1 to 100 of a-z 0-9 . _ / -"};
  if (auto made = create_private_folder(folder); !made) return made.error();
  std::error_code problem;
  for (const auto& path : {seed_path(folder), vkey_path(folder)})
    if (std::filesystem::exists(path, problem) || problem)
      return Error{Errc::conflict, path.string() + " is there already"};
  const crypto::SecretKey seed = crypto::SecretKey::random(seed_bytes);
  const audit::Witness witness{std::string(name), crypto::SigningKey::from_seed(seed.expose())};
  if (auto put = write_file_durably(seed_path(folder), seed.expose(), FileMode::owner_only); !put) return put.error();
  audit::VerifierKey key = verifier_of(witness);
  const std::string line = audit::to_text(key) + '\n';
  if (auto put = write_file_durably(vkey_path(folder), as_bytes(line), FileMode::world_readable); !put)
    return put.error();
  return key;
}

Result<audit::VerifierKey> load_verifier_key(const std::filesystem::path& folder) {
  auto bytes = read_file(vkey_path(folder), vkey_bytes_max);
  if (!bytes && bytes.error().code == Errc::not_found) return Error{Errc::not_found, "no witness's folder: no vkey"};
  if (!bytes) return bytes.error();
  std::string_view text = as_text(*bytes);
  if (!text.ends_with('\n')) return Error{Errc::corruption, "vkey is damaged"};
  text.remove_suffix(1);
  auto key = audit::parse_verifier_key(text);
  if (!key || key->type != audit::KeyType::cosignature) return Error{Errc::corruption, "vkey is damaged"};
  return *std::move(key);
}

Result<audit::Witness> load_witness(const std::filesystem::path& folder) {
  auto key = load_verifier_key(folder);
  if (!key) return key.error();
  struct stat status {};
  if (::stat(seed_path(folder).c_str(), &status) != 0) return Error{Errc::not_found, "no seed beside vkey"};
  if ((status.st_mode & 077) != 0) return Error{Errc::authentication_failed, "others than its owner may use seed"};
  auto bytes = read_file(seed_path(folder), seed_bytes);
  if (!bytes && bytes.error().code != Errc::over_limit) return bytes.error();
  if (!bytes || bytes->size() != seed_bytes) return Error{Errc::corruption, "seed is not 32 bytes"};
  audit::Witness witness{key->name, crypto::SigningKey::from_seed(*bytes)};
  crypto::wipe(*bytes);
  if (verifier_of(witness) != *key) return Error{Errc::corruption, "seed is another key's than vkey"};
  return witness;
}

}  // namespace pli::witness
