// What the log's tests share: RFC 6962's definitions taken literally, the vectors, and a small log with its key.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.hpp"
#include "audit/proof_file.hpp"
#include "audit/tree.hpp"

namespace pli::audit::test {

/// Hashes of `count` leaves that differ from each other.
[[nodiscard]] std::vector<Digest> some_leaves(std::size_t count);

/// The recursive definitions of RFC 6962, section 2.1, sharing no code with the audit room. Slow on purpose.
using Leaves = std::span<const Digest>;
[[nodiscard]] Digest naive_root(Leaves leaves);
[[nodiscard]] std::vector<Digest> naive_path(std::size_t index, Leaves leaves);
[[nodiscard]] std::vector<Digest> naive_proof(std::size_t older, Leaves leaves);

/// On which sides the elements of a proof stand: what a proof binds of its index and sizes.
[[nodiscard]] std::string path_shape(std::uint64_t index, std::uint64_t size);
[[nodiscard]] std::string proof_shape(std::uint64_t older, std::uint64_t newer);

[[nodiscard]] std::string vector_file(std::string_view name);
/// "name hex" lines; a name may stand on several.
[[nodiscard]] std::multimap<std::string, Bytes> vector_lines(std::string_view name);
[[nodiscard]] Bytes own_format(const std::string& name);
[[nodiscard]] Digest digest_of(std::string_view hex);

[[nodiscard]] crypto::SigningKey key_of(std::uint8_t seed_byte);
[[nodiscard]] VerifierKey verifier_of(std::string_view name, const crypto::SigningKey& key);

/// The eight leaves of the classic vectors.
[[nodiscard]] std::vector<Bytes> eight_leaves();

inline constexpr std::string_view log_origin = "broker.example/pli/89/2026-1";

/// A record with fields of every kind of length.
[[nodiscard]] Record some_record();
/// A receipt for some_record() showing `shown`, leaf 11 of 21, signed by key_of(1) as log_origin.
[[nodiscard]] Receipt some_receipt(const std::vector<std::string_view>& shown);

}  // namespace pli::audit::test
