#include "crypto/statement.hpp"

#include "crypto/hash.hpp"

namespace pli::crypto {
namespace {

/// "pli/" name "/1" 0x00 ‖ SHA-256(bytes). The NUL ends the name, so that no name is the beginning of
/// another.
Bytes signed_bytes(StatementName name, const Digest& digest) {
  Bytes out = to_bytes("pli/");
  append(out, text_of(name));
  append(out, "/1");
  out.push_back(0);
  append(out, digest);
  return out;
}

}  // namespace

const char* text_of(StatementName name) {
  switch (name) {
    case StatementName::exchange: return "exchange";
    case StatementName::open: return "open";
    case StatementName::card: return "card";
    case StatementName::renewal: return "renewal";
  }
  PLI_INVARIANT(false);  // only a cast makes another name
  return "";
}

Signature sign_statement(const SigningKey& key, StatementName name, ByteView bytes) {
  return sign_raw(key, signed_bytes(name, sha256(bytes)));
}

Result<void> verify_statement(const SignPublic& key, StatementName name, ByteView bytes, const Signature& signature) {
  return verify_statement_digest(key, name, sha256(bytes), signature);
}

Result<void> verify_statement_digest(const SignPublic& key, StatementName name, const Digest& digest,
                                     const Signature& signature) {
  return verify_raw(key, signed_bytes(name, digest), signature);
}

}  // namespace pli::crypto
