// Statements: what a person or a tool signs, each in a domain of its own, so that a signature made for one
// purpose never serves another. Signed bytes: "pli/" name "/1" 0x00 ‖ SHA-256(bytes). docs/protocol.md.
#pragma once

#include "crypto/sign.hpp"

namespace pli::crypto {

enum class StatementName {
  exchange,  ///< address ‖ seal
  open,      ///< opening request
  card,      ///< proof of possession on an enrolment card
  renewal,   ///< the old key presents the new card
};

[[nodiscard]] const char* text_of(StatementName name);

[[nodiscard]] Signature sign_statement(const SigningKey& key, StatementName name, ByteView bytes);
/// Errors: authentication_failed, alike for another name, another key or altered bytes.
[[nodiscard]] Result<void> verify_statement(const SignPublic& key, StatementName name, ByteView bytes,
                                            const Signature& signature);

/// The same when only SHA-256(bytes) is at hand (an exchange id is that digest): an auditor checks the act
/// long after the bytes are erased. Errors: authentication_failed.
[[nodiscard]] Result<void> verify_statement_digest(const SignPublic& key, StatementName name, const Digest& digest,
                                                   const Signature& signature);

}  // namespace pli::crypto
