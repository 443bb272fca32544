// Enrolment (design §4): a person hands over a card; the authority answers with an invitation. Both are short texts
// with a fingerprint read aloud; the client trusts nothing else on first contact.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "crypto/identity.hpp"
#include "protocol/directory.hpp"

namespace pli::protocol {

///   pli-card/1
///   curve <hex>
///   sign <hex>
///   age <age1…>
///   created <ms>
///   [renews <hex of the old sign key>]
///   proof <base64 signature, statement `card`, over all lines above>
///   [renewal <base64 signature by the old sign key, statement `renewal`, over the same lines>]
struct Card {
  crypto::PublicIdentity keys;
  UnixMillis created{};
  std::optional<crypto::SignPublic> renews;
  crypto::Signature proof{};
  std::optional<crypto::Signature> renewal;
  bool operator==(const Card&) const = default;
};
[[nodiscard]] Card make_card(const crypto::Identity& identity, UnixMillis now, const crypto::Identity* renews);
[[nodiscard]] std::string to_text(const Card& card);
/// Checks the proof (and the renewal); whose card it is, the fingerprint tells. The proof is of the sign key: that the
/// curve and age keys are held too shows at the first connection and the first opening.
/// What parses prints to the same text. Errors: invalid_input, over_limit, authentication_failed.
[[nodiscard]] Result<Card> parse_card(std::string_view text);
/// Six groups of five digits, one space between: the first six u32 of SHA-256("pli-fingerprint/1" ‖ text), each modulo
/// 100,000. Of a card's or an invitation's whole text; read aloud in ten seconds.
[[nodiscard]] std::string fingerprint(std::string_view text);

///   pli-invitation/1
///   contract <id>
///   member <id>
///   [sign <hex>             the sign key of the card it answers]
///   log <name>
///   log-key <hex>
///   endpoint <tcp://…>
///   broker <curve key, hex>
///   threshold <k>
///   authority <vkey>        one line each
///   directory <n>           the first version in which the member stands
///   [witness …, group …, quorum …: who has to have cosigned the log, as lines of a tlog-policy file]
/// Not signed: its fingerprint, read aloud by the authority, is what makes it trusted.
struct Invitation {
  std::string contract;
  std::string member;
  std::string log;
  crypto::SignPublic log_key;
  std::string endpoint;
  crypto::CurvePublic broker;
  AuthoritySet authorities;
  DirectoryNumber directory{};
  std::string witnesses;                     ///< as audit::witness_lines spells them; empty: none are named
  std::optional<crypto::SignPublic> sign{};  ///< none: it does not say for which keys it was made
  bool operator==(const Invitation&) const = default;
};
[[nodiscard]] std::string to_text(const Invitation& invitation);
/// What parses prints to the same text. Errors: invalid_input, over_limit.
[[nodiscard]] Result<Invitation> parse_invitation(std::string_view text);

}  // namespace pli::protocol
