#include "client/failure.hpp"

namespace pli::client {

bool is(const Failure& failure, protocol::LocalCode code) {
  const auto* local_code = std::get_if<protocol::LocalCode>(&failure.cause);
  return local_code != nullptr && *local_code == code;
}

bool is(const Failure& failure, protocol::Code code) {
  const auto* refusal = std::get_if<protocol::Refusal>(&failure.cause);
  return refusal != nullptr && refusal->code == code;
}

std::string code_text(const Failure& failure) {
  if (const auto* refusal = std::get_if<protocol::Refusal>(&failure.cause)) return protocol::to_text(*refusal);
  return std::string(protocol::text_of(std::get<protocol::LocalCode>(failure.cause)));
}

protocol::Explanation explain(const Failure& failure, protocol::Language language) {
  return std::visit([&](const auto& cause) { return protocol::explain(cause, language); }, failure.cause);
}

ExitClass exit_class(const Failure& failure) {
  using protocol::LocalCode;
  if (const auto* refusal = std::get_if<protocol::Refusal>(&failure.cause)) {
    // Nothing was decided about what was asked: the same words may be answered otherwise in a moment.
    const bool later = refusal->code == protocol::Code::busy || refusal->code == protocol::Code::log_unavailable ||
                       refusal->code == protocol::Code::stopped;
    return later ? ExitClass::unreachable_or_queued : ExitClass::refused;
  }
  switch (std::get<LocalCode>(failure.cause)) {
    case LocalCode::unreachable:
    case LocalCode::queue_vacant:
    case LocalCode::awaits_case:
    case LocalCode::queued: return ExitClass::unreachable_or_queued;
    case LocalCode::usage:
    case LocalCode::no_invitation:
    case LocalCode::bad_form:
    case LocalCode::unknown_commune:
    case LocalCode::missing_dated_fact:
    case LocalCode::file_missing:
    case LocalCode::no_terminal:
    case LocalCode::passphrases_differ:
    case LocalCode::passphrase_short:
    case LocalCode::queue_unknown:
    case LocalCode::departement_unknown:
    case LocalCode::invitation_other_keys:
    case LocalCode::id_malformed:
    case LocalCode::id_ambiguous:
    case LocalCode::invitation_other_contract: return ExitClass::usage;
    case LocalCode::no_identity:
    case LocalCode::wrong_passphrase:
    case LocalCode::passphrase_file_open:
    case LocalCode::local_store:
    case LocalCode::profile_later: return ExitClass::local_error;
    case LocalCode::fingerprint_differs:
    case LocalCode::wrong_broker_key:
    case LocalCode::receipt_invalid:
    case LocalCode::log_forked:
    case LocalCode::log_shrunk:
    case LocalCode::queue_withheld:
    case LocalCode::queue_reordered:
    case LocalCode::queue_hidden:
    case LocalCode::log_rolled_back:
    case LocalCode::log_stale:
    case LocalCode::directory_stale:
    case LocalCode::address_mismatch:
    case LocalCode::no_stanza_for_me:
    case LocalCode::bad_padding:
    case LocalCode::release_mismatch:
    case LocalCode::file_key_mismatch:
    case LocalCode::payload_mismatch:
    case LocalCode::sender_unproven:
    case LocalCode::directory_unproven: return ExitClass::verification_failed;
  }
  return ExitClass::local_error;
}

Failure local(protocol::LocalCode code, const Error& error) {
  return {code, std::string(name_of(error.code)) + ": " + error.detail};
}

}  // namespace pli::client
