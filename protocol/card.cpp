#include "protocol/card.hpp"

#include <algorithm>

#include "audit/text_lines.hpp"
#include "audit/witness_policy.hpp"
#include "crypto/base64.hpp"
#include "crypto/bech32.hpp"
#include "crypto/hash.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

constexpr std::string_view card_line = "pli-card/1";
constexpr std::string_view invitation_line = "pli-invitation/1";
constexpr std::size_t host_bytes_max = 253;

Error invalid(const char* what) { return {Errc::invalid_input, what}; }

void put_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ' ';
  out += value;
  out += '\n';
}

std::optional<std::string_view> take_value(std::string_view& rest, std::string_view name) {
  auto line = audit::take_line(rest);
  if (!line || !audit::take_prefix(*line, name) || !audit::take_prefix(*line, " ")) return std::nullopt;
  return *line;
}

template <std::size_t N>
std::optional<ByteArray<N>> parse_hex(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  const auto bytes = from_hex(*text);
  return bytes ? to_array<N>(*bytes) : std::nullopt;
}

std::optional<crypto::Signature> parse_signature(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  const auto bytes = crypto::from_base64(*text);
  return bytes ? to_array<64>(*bytes) : std::nullopt;
}

std::optional<std::uint64_t> parse_number(const std::optional<std::string_view>& text) {
  return text ? audit::parse_decimal(*text) : std::nullopt;
}

/// What both signatures of a card cover.
std::string signed_lines(const Card& card) {
  std::string out(card_line);
  out += '\n';
  put_line(out, "curve", to_hex(card.keys.curve.bytes));
  put_line(out, "sign", to_hex(card.keys.sign.bytes));
  put_line(out, "age", crypto::to_recipient_text(card.keys.age));
  put_line(out, "created", std::to_string(card.created.value));
  if (card.renews) put_line(out, "renews", to_hex(card.renews->bytes));
  return out;
}

/// "tcp://" host ":" port; the host a name, an IPv4 address or an IPv6 one in brackets.
bool is_endpoint(std::string_view text) {
  if (!audit::take_prefix(text, "tcp://")) return false;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = text.substr(0, colon);
  const auto port = audit::parse_decimal(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return false;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto allowed = [&](char c) {
    if (bracketed) return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == ':' || c == '.';
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  return !host.empty() && host.size() <= host_bytes_max && std::all_of(host.begin(), host.end(), allowed);
}

}  // namespace

Card make_card(const crypto::Identity& identity, UnixMillis now, const crypto::Identity* renews) {
  PLI_INVARIANT(now.value >= 0);
  Card card;
  card.keys = identity.public_identity();
  card.created = now;
  if (renews != nullptr) card.renews = renews->public_identity().sign;
  const std::string lines = signed_lines(card);
  card.proof = crypto::sign_statement(identity.signing_key(), crypto::StatementName::card, as_bytes(lines));
  if (renews != nullptr)
    card.renewal = crypto::sign_statement(renews->signing_key(), crypto::StatementName::renewal, as_bytes(lines));
  return card;
}

std::string to_text(const Card& card) {
  std::string out = signed_lines(card);
  put_line(out, "proof", crypto::to_base64(card.proof));
  if (card.renewal) put_line(out, "renewal", crypto::to_base64(*card.renewal));
  return out;
}

Result<Card> parse_card(std::string_view text) {
  if (text.size() > card_bytes_max) return Error{Errc::over_limit, "card"};
  std::string_view rest = text;
  const auto first = audit::take_line(rest);
  if (!first || *first != card_line) return invalid("card");
  const auto curve = parse_hex<32>(take_value(rest, "curve"));
  const auto sign = parse_hex<32>(take_value(rest, "sign"));
  const auto age_text = take_value(rest, "age");
  if (!curve || !sign || !age_text) return invalid("card");
  const Result<crypto::AgePublic> age = crypto::parse_recipient(*age_text);
  const auto created = parse_number(take_value(rest, "created"));
  if (!age || !created || *created >> 63 != 0) return invalid("card");

  Card card;
  card.keys = {{*curve}, {*sign}, *age};
  card.created.value = static_cast<std::int64_t>(*created);
  if (rest.substr(0, 7) == "renews ") {
    const auto renews = parse_hex<32>(take_value(rest, "renews"));
    if (!renews) return invalid("card");
    card.renews = crypto::SignPublic{*renews};
  }
  const auto proof = parse_signature(take_value(rest, "proof"));
  if (!proof) return invalid("card");
  card.proof = *proof;
  if (card.renews) {
    card.renewal = parse_signature(take_value(rest, "renewal"));
    if (!card.renewal) return invalid("card");
  }
  // One spelling: an upper-case age recipient, for one, reads as the same key under another fingerprint.
  if (!rest.empty() || to_text(card) != text) return invalid("card");
  // A key nobody can seal to would make every sealing to its roster fail.
  if (!crypto::is_usable_x25519(*curve) || !crypto::is_usable_x25519(age->bytes)) return invalid("card");
  // One key, one use.
  if (*curve == age->bytes || *curve == *sign || *sign == age->bytes) return invalid("card");
  if (card.renews == card.keys.sign) return invalid("card");

  const std::string lines = signed_lines(card);
  if (auto held = crypto::verify_statement(card.keys.sign, crypto::StatementName::card, as_bytes(lines), card.proof);
      !held)
    return held.error();
  if (card.renews) {
    if (auto held =
            crypto::verify_statement(*card.renews, crypto::StatementName::renewal, as_bytes(lines), *card.renewal);
        !held)
      return held.error();
  }
  return card;
}

std::string fingerprint(std::string_view text) {
  const Digest digest = crypto::sha256({as_bytes("pli-fingerprint/1"), as_bytes(text)});
  ByteReader in{ByteView(digest)};
  std::string out;
  for (int group = 0; group < 6; ++group) {
    const std::string digits = std::to_string(in.u32() % 100000);
    if (group > 0) out += ' ';
    out.append(5 - digits.size(), '0');
    out += digits;
  }
  return out;
}

std::string to_text(const Invitation& invitation) {
  std::string out(invitation_line);
  out += '\n';
  put_line(out, "contract", invitation.contract);
  put_line(out, "member", invitation.member);
  if (invitation.sign) put_line(out, "sign", to_hex(invitation.sign->bytes));
  put_line(out, "log", invitation.log);
  put_line(out, "log-key", to_hex(invitation.log_key.bytes));
  put_line(out, "endpoint", invitation.endpoint);
  put_line(out, "broker", to_hex(invitation.broker.bytes));
  put_line(out, "threshold", std::to_string(invitation.authorities.threshold));
  for (const audit::VerifierKey& key : invitation.authorities.keys) put_line(out, "authority", audit::to_text(key));
  put_line(out, "directory", std::to_string(invitation.directory.value));
  out += invitation.witnesses;
  return out;
}

Result<Invitation> parse_invitation(std::string_view text) {
  if (text.size() > invitation_bytes_max) return Error{Errc::over_limit, "invitation"};
  std::string_view rest = text;
  const auto first = audit::take_line(rest);
  if (!first || *first != invitation_line) return invalid("invitation");
  const auto contract = take_value(rest, "contract");
  const auto member = take_value(rest, "member");
  std::optional<crypto::SignPublic> sign;
  if (rest.substr(0, 5) == "sign ") {
    const auto key = parse_hex<32>(take_value(rest, "sign"));
    if (!key) return invalid("invitation");
    sign = crypto::SignPublic{*key};
  }
  const auto log = take_value(rest, "log");
  const auto log_key = parse_hex<32>(take_value(rest, "log-key"));
  const auto endpoint = take_value(rest, "endpoint");
  const auto broker = parse_hex<32>(take_value(rest, "broker"));
  const auto threshold = parse_number(take_value(rest, "threshold"));
  if (!contract || !member || !log || !log_key || !endpoint || !broker || !threshold) return invalid("invitation");
  Invitation invitation;
  while (rest.substr(0, 10) == "authority ") {
    const auto key_text = take_value(rest, "authority");
    if (!key_text) return invalid("authority");
    Result<audit::VerifierKey> key = audit::parse_verifier_key(*key_text);
    if (!key) return invalid("authority");
    invitation.authorities.keys.push_back(*std::move(key));
  }
  const auto directory = parse_number(take_value(rest, "directory"));
  if (!directory) return invalid("invitation");
  if (!rest.empty()) {
    // Comments, other spacing and log lines would be a second spelling of the same policy.
    const Result<std::string> lines = audit::witness_lines(rest);
    if (!lines || *lines != rest) return invalid("witnesses");
    invitation.witnesses = rest;
    for (const audit::VerifierKey& witness : audit::WitnessPolicy::parse(rest)->witness_keys()) {
      const bool of_the_log = witness.key.bytes == *log_key;
      const auto& signers = invitation.authorities.keys;
      if (of_the_log || std::any_of(signers.begin(), signers.end(),
                                    [&](const audit::VerifierKey& signer) { return signer.key == witness.key; }))
        return invalid("witnesses");
    }
  }
  if (!is_token(*contract)) return invalid("contract");
  if (!is_token(*member)) return invalid("member");
  if (!is_log_name(*log)) return invalid("log");
  if (!is_endpoint(*endpoint)) return invalid("endpoint");
  if (*directory == 0 || *directory >> 63 != 0) return invalid("directory");
  invitation.contract = *contract;
  invitation.member = *member;
  invitation.sign = sign;
  invitation.log = *log;
  invitation.log_key.bytes = *log_key;
  invitation.endpoint = *endpoint;
  invitation.broker.bytes = *broker;
  invitation.authorities.threshold = *threshold;
  invitation.directory.value = *directory;
  if (!is_usable(invitation.authorities)) return invalid("authority");
  return invitation;
}

}  // namespace pli::protocol
