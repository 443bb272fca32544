// Reading age v1 files (formats §2): armor, header, X25519 and scrypt unwrapping, payload.
// In pli_crypto_open, which the broker never links (P1). Everything here is in `opening`.
#pragma once

#include <optional>
#include <string_view>

#include "crypto/age_seal.hpp"

namespace pli::crypto::opening {

/// Where reading stopped; the order of formats §2.7. Towards a remote party 2-6 look alike.
enum class AgeFailure {
  armor,
  header,
  no_match,
  hmac,
  payload,
  output,  ///< the sink refused; nothing is wrong with the file
  input,   ///< the source failed
  memory,  ///< scrypt's memory (1 KiB × 2^work factor) was not to be had
};

[[nodiscard]] const char* name_of(AgeFailure failure);

template <class T>
using AgeResult = Result<T, AgeFailure>;

inline constexpr std::size_t age_header_bytes_max = 64 * 1024;
inline constexpr std::size_t age_stanzas_max = 512;
inline constexpr std::size_t age_argument_line_bytes_max = 4096;
inline constexpr int scrypt_work_factor_max = 20;
inline constexpr int scrypt_work_factor_default = 18;

/// Keys to try. A passphrase is tried on scrypt stanzas only.
struct AgeKeys {
  std::span<const SecretKey> identities;  ///< X25519 secrets
  const SecretKey* passphrase = nullptr;  ///< the passphrase's bytes
};

/// Unwraps the file key from a whole header (through the LF of `---`), and checks the header's MAC.
[[nodiscard]] AgeResult<FileKey> unwrap_file_key(ByteView age_header, const AgeKeys& keys);

/// How many X25519 stanzas a header has, and whether it has any other type (exchanges allow none).
struct HeaderShape {
  std::size_t x25519_stanzas = 0;
  bool only_x25519 = true;
};
[[nodiscard]] AgeResult<HeaderShape> header_shape(ByteView age_header);

/// Opens nonce ‖ chunks in memory; releases nothing unless the whole payload verifies.
[[nodiscard]] AgeResult<Bytes> open_payload(const FileKey& file_key, ByteView payload);

/// `age -d`: a whole file, streamed, armored or not. What reached `out` before a payload failure was authentic.
[[nodiscard]] AgeResult<void> open_file(const Source& in, const Sink& out, const AgeKeys& keys);
[[nodiscard]] AgeResult<Bytes> open_bytes(ByteView age_file, const AgeKeys& keys);

/// `age -p`: a file under a passphrase (scrypt), streamed.
[[nodiscard]] Result<void> seal_file_with_passphrase(const Source& in, const Sink& out, const SecretKey& passphrase,
                                                     int work_factor, bool armor);

}  // namespace pli::crypto::opening
