// Writing age v1 files (C2SP age.md v1.1.0; formats §2): header with X25519 stanzas, STREAM payload, armor.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

inline constexpr std::size_t age_chunk_bytes = 65536;
inline constexpr std::size_t age_tag_bytes = 16;

/// Fills the span as far as it can; 0 means the end.
using Source = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
using Sink = std::function<Result<void>(ByteView)>;

/// The whole header through the LF of its `---` line: one fresh X25519 stanza for each recipient, in that order.
/// Errors: invalid_input for no recipient, more than 512, or a low-order recipient key.
[[nodiscard]] Result<Bytes> make_age_header(const FileKey& file_key, std::span<const AgePublic> recipients);

/// The rest of the file: payload nonce (16) and chunks. For what fits in memory.
[[nodiscard]] Bytes seal_payload(const FileKey& file_key, ByteView plaintext);

/// Streams a payload in bounded memory: nonce first, then chunks; never emits one before it knows whether more follows.
class PayloadSealer {
 public:
  explicit PayloadSealer(const FileKey& file_key);
  ~PayloadSealer();
  PayloadSealer(const PayloadSealer&) = delete;
  PayloadSealer& operator=(const PayloadSealer&) = delete;
  void update(ByteView plaintext, Bytes& out);  ///< Appends what is ready to `out`.
  void finish(Bytes& out);                      ///< Once.

 private:
  void seal_chunk(ByteView plaintext, bool last, Bytes& out);
  BoxKey key_;
  Bytes pending_;
  std::uint64_t counter_ = 0;
  bool nonce_written_ = false;
  bool finished_ = false;
  ByteArray<16> nonce_{};
};

/// `age -r`: a whole file, streamed. `armor` writes the PEM form.
[[nodiscard]] Result<void> seal_file(const Source& in, const Sink& out, std::span<const AgePublic> recipients,
                                     bool armor);

/// age through memory (sealed notes, copies to oneself).
[[nodiscard]] Result<Bytes> seal_bytes(ByteView plaintext, std::span<const AgePublic> recipients);

/// Padding: u32 real length ‖ data ‖ zeros up to `bucket`. Errors: over_limit when it does not fit.
[[nodiscard]] Result<Bytes> pad_to(ByteView data, std::size_t bucket);
/// The bucket for `size` bytes of data: at least 1,024, then Padmé (waste at most 12 %).
[[nodiscard]] std::size_t padding_bucket(std::size_t size);
/// Errors: invalid_input for a length beyond the bucket, a non-zero filler, or too few bytes.
[[nodiscard]] Result<Bytes> unpad(ByteView padded);

}  // namespace pli::crypto
