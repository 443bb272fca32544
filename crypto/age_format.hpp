// What the writer and the reader of age v1 files share: constants, key derivations, the sealing of one chunk
// and of a stream. formats §2. Private to crypto/.
#pragma once

#include <string_view>

#include "crypto/age_seal.hpp"

namespace pli::crypto {

inline constexpr std::string_view age_version_line = "age-encryption.org/v1";
inline constexpr std::string_view age_mac_mark = "---";
inline constexpr std::string_view age_x25519_type = "X25519";
inline constexpr std::string_view age_x25519_info = "age-encryption.org/v1/X25519";
inline constexpr std::string_view age_scrypt_type = "scrypt";
inline constexpr std::string_view age_scrypt_salt_prefix = "age-encryption.org/v1/scrypt";
inline constexpr std::string_view armor_begin = "-----BEGIN AGE ENCRYPTED FILE-----";
inline constexpr std::string_view armor_end = "-----END AGE ENCRYPTED FILE-----";
inline constexpr std::size_t armor_line_bytes = 48;
inline constexpr std::size_t armor_columns = 64;
inline constexpr std::size_t age_payload_nonce_bytes = 16;
inline constexpr std::size_t age_wrapped_key_bytes = 16 + age_tag_bytes;
inline constexpr std::size_t age_sealed_chunk_bytes = age_chunk_bytes + age_tag_bytes;

/// What is read, worked on and written at once when a file is streamed: 512 KiB of plaintext.
inline constexpr std::size_t age_batch_chunks = 8;

using ChunkNonce = ByteArray<12>;

/// 11 bytes big-endian counter ‖ 1 for the last chunk, else 0.
[[nodiscard]] ChunkNonce chunk_nonce(std::uint64_t counter, bool last);

[[nodiscard]] BoxKey derive_payload_key(const FileKey& file_key, ByteView payload_nonce);
/// `authenticated` runs from the first byte of the header through the third dash of its last line.
[[nodiscard]] Digest age_header_mac(const FileKey& file_key, ByteView authenticated);

/// One stanza: `arguments` with its type first, separated by single spaces, then the body.
void append_stanza(Bytes& header, std::string_view arguments, ByteView body);
/// `--- mac`, which ends a header.
void append_header_end(Bytes& header, const FileKey& file_key);
/// The file key under a key used once (so the nonce is zero): the body of X25519 and scrypt stanzas.
[[nodiscard]] ByteArray<age_wrapped_key_bytes> wrap_file_key(const FileKey& file_key, const Transient<32>& wrap_key);

/// Fills `out` from `in` as far as there is anything. Errors: those of `in`.
[[nodiscard]] Result<std::size_t> fill_from(const Source& in, std::span<std::uint8_t> out);

/// Header, payload nonce and chunks to `out`, armored or not. Errors: those of `in` and `out`.
[[nodiscard]] Result<void> seal_stream(const FileKey& file_key, ByteView header, const Source& in, const Sink& out,
                                       bool armor);

}  // namespace pli::crypto
