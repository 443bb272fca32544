// Public keys that cannot be mixed up, and signatures.
#pragma once

#include <compare>

#include "base/bytes.hpp"

namespace pli::crypto {

template <class Tag>
struct PublicKey {
  ByteArray<32> bytes{};
  auto operator<=>(const PublicKey&) const = default;
};

using SignPublic = PublicKey<struct SignTag>;    ///< Ed25519, statements, notes or cosignatures
using AgePublic = PublicKey<struct AgeTag>;      ///< X25519, an age recipient
using CurvePublic = PublicKey<struct CurveTag>;  ///< X25519, ZeroMQ CURVE transport
using BoxPublic = PublicKey<struct BoxTag>;      ///< X25519, release and session keys (crypto_box)

/// Ed25519 signature, RFC 8032.
using Signature = ByteArray<64>;

}  // namespace pli::crypto
