// Who a witness is: `vkey`, its name and public key for others to know it by, and `seed`, 32 bytes that only its owner
// may read (docs/storage.md, "A witness's folder").
#pragma once

#include <filesystem>

#include "audit/witness.hpp"

namespace pli::witness {

[[nodiscard]] audit::VerifierKey verifier_of(const audit::Witness& witness);

/// Draws the key. Never over one that is there: whoever trusts it would lose its witness.
/// Errors: invalid_input (name), conflict (a key is there), io_error.
[[nodiscard]] Result<audit::VerifierKey> create_witness_key(const std::filesystem::path& folder, std::string_view name);
/// Errors: not_found (no witness's folder), authentication_failed (others may use the seed), corruption (not what
/// create_witness_key writes, or two halves of different keys), io_error.
[[nodiscard]] Result<audit::Witness> load_witness(const std::filesystem::path& folder);
/// The public half alone. Errors: not_found, corruption, io_error.
[[nodiscard]] Result<audit::VerifierKey> load_verifier_key(const std::filesystem::path& folder);

}  // namespace pli::witness
