// The envelope (design §5): address and seal in clear and signed, the locked header, the payload, the release shares,
// and the plaintext that only recipients see. Fixed binary layouts; docs/protocol.md is their home.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/queue_chain.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "crypto/release_share.hpp"
#include "crypto/sign.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

using ExchangeId = Digest;  ///< SHA-256(address ‖ seal)

/// u8 1 ‖ string8 contract ‖ string8 log ‖ u16 kind ‖ string8 sender ‖ sender key (32) ‖ string8 queue ‖ case (32) ‖
/// in-reply-to (32) ‖ u8 urgency ‖ u8 n, n × string8 handling ‖ u8 n, n × (string8 name, string8 value) attributes ‖
/// u64 directory ‖ roster digest (32) ‖ u64 created-at ms ‖ nonce (16).
struct Address {
  std::string contract;
  std::string log;
  std::uint16_t kind = 0;  ///< a number, so that an unknown kind is refused and not misread
  std::string sender;      ///< member id
  crypto::SignPublic sender_key;
  std::string queue;     ///< destination
  Digest case_id{};      ///< zeros when the exchange opens a case
  Digest in_reply_to{};  ///< zeros when none; for `acces`, the exchange it gives access to
  std::uint8_t urgency = 0;
  std::vector<std::string> handling;
  std::vector<std::pair<std::string, std::string>> attributes;  ///< closed list for each kind (is_attribute), each once
  DirectoryNumber directory{};
  Digest roster{};
  UnixMillis created_at{};
  ByteArray<16> nonce{};
  bool operator==(const Address&) const = default;
};
[[nodiscard]] Bytes encode(const Address& address);
/// Shape and bounds; not rights. `Error::detail` is the name of the field at fault, as INVALID(field) shows it.
/// Whatever decodes encodes to the same bytes. Errors: invalid_input.
[[nodiscard]] Result<Address> decode_address(ByteView bytes);

/// u8 1 ‖ u64 locked size ‖ SHA-256 ‖ u64 payload size ‖ SHA-256 ‖ release commitment (32) ‖ file key commitment (32).
struct Seal {
  std::uint64_t locked_size = 0;
  Digest locked{};
  std::uint64_t payload_size = 0;
  Digest payload{};
  Digest release_commitment{};
  Digest file_key_commitment{};
  bool operator==(const Seal&) const = default;
};
inline constexpr std::size_t seal_bytes = 1 + 2 * (8 + 32) + 32 + 32;
[[nodiscard]] Bytes encode(const Seal& seal);
/// Errors: invalid_input, or over_limit (TOO_LARGE) for sizes beyond locked_bytes_max or exchange_bytes_max; `detail`
/// names the field. A configured lower limit is the caller's to check.
[[nodiscard]] Result<Seal> decode_seal(ByteView bytes);

/// One trustee's share of R: string8 trustee ‖ u32 epoch (year·100 + month) ‖ session key (32) ‖ box (73).
struct ReleaseShare {
  std::string trustee;  ///< "broker" today
  std::uint32_t epoch = 0;
  crypto::BoxPublic session;
  crypto::BoxedRelease box{};
  bool operator==(const ReleaseShare&) const = default;
};
/// u8 threshold ‖ u8 n ‖ n × share. Today 1 of 1; the format has room for more.
struct Release {
  std::uint8_t threshold = 1;
  std::vector<ReleaseShare> shares;
  bool operator==(const Release&) const = default;
};
[[nodiscard]] Bytes encode(const Release& release);
/// Shape: 1 ≤ threshold ≤ n ≤ release_shares_max, trustees distinct. Errors: invalid_input, `detail` "release".
[[nodiscard]] Result<Release> decode_release(ByteView bytes);

/// The four parts of an exchange as they travel. Locked and payload may be staged as chunks instead (empty here).
struct Envelope {
  Bytes address;
  Bytes seal;
  crypto::Signature signature{};
  Bytes locked;
  Bytes payload;
  Bytes release;
  bool operator==(const Envelope&) const = default;
};

[[nodiscard]] Digest address_digest(ByteView address);
[[nodiscard]] ExchangeId exchange_id(ByteView address, ByteView seal);

/// What recipients find inside, before padding:
/// u32 length ‖ address ‖ u32 length ‖ content ‖ u16 length ‖ checkpoint note ‖
/// u8 n ‖ n × (string8 queue, u64 number, head (32)).
struct GossipHead {
  std::string queue;
  audit::QueueHead head;
  bool operator==(const GossipHead&) const = default;
};
struct Plaintext {
  Bytes address;           ///< must equal the outer address
  Bytes content;           ///< a form, as protocol/form.hpp encodes it
  std::string checkpoint;  ///< the sender's last verified checkpoint, verbatim; empty when it has none
  std::vector<GossipHead> heads;
  bool operator==(const Plaintext&) const = default;
};
[[nodiscard]] Bytes encode(const Plaintext& plaintext);
/// Errors: invalid_input; `detail` names the part. The address inside is compared as bytes, not decoded here.
[[nodiscard]] Result<Plaintext> decode_plaintext(ByteView bytes);

/// The bucket a plaintext of this kind is padded to: fixed for `retour`, else padding_bucket(size).
[[nodiscard]] std::size_t bucket_for(Kind kind, std::size_t size);

}  // namespace pli::protocol
