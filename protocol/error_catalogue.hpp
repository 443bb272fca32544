// The closed list of what a broker answers when it does not do what was asked (design §6), each with its cause and
// next step, in French for officers and in English for operators; and the client's own errors likewise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pli::protocol {

enum class Code : std::uint8_t {
  unknown_key = 1,
  revoked,
  forbidden,
  stale_directory,
  invalid,
  bad_signature,
  conflict,
  too_large,
  busy,
  motif_required,
  illegal_transition,
  charter_required,
  agreement_missing,
  clock_skew,
  not_found,
  erased,
  log_unavailable,
  stopped,
};
[[nodiscard]] std::string_view text_of(Code code);  ///< "UNKNOWN_KEY"
[[nodiscard]] std::optional<Code> code_of(std::string_view text);
[[nodiscard]] std::optional<Code> code_of_number(std::uint8_t number);

/// What travels: a code and its closed arguments, never free text.
/// `subject` is the rule (FORBIDDEN), the field (INVALID) or "from,to,possible,…" (ILLEGAL_TRANSITION); our own tokens
/// only.
struct Refusal {
  Code code = Code::invalid;
  std::string subject;
  std::uint32_t retry_after_ms = 0;  ///< BUSY only
  bool operator==(const Refusal&) const = default;
};

/// What a subject may be: [a-z0-9._,-]{1,96}. Anything else never came from us.
[[nodiscard]] bool is_subject(std::string_view text);

enum class Language { french, english };
struct Explanation {
  std::string cause;
  std::string next_step;
};
[[nodiscard]] Explanation explain(const Refusal& refusal, Language language);
[[nodiscard]] std::string to_text(const Refusal& refusal);  ///< "FORBIDDEN(interdit.auteur)", "BUSY(1500)"

/// The client's own failures, by the same catalogue.
enum class LocalCode : std::uint8_t {
  unreachable,
  wrong_broker_key,
  queued,
  no_invitation,
  wrong_passphrase,
  bad_form,
  unknown_commune,
  missing_dated_fact,
  receipt_invalid,
  log_forked,
  log_shrunk,
  queue_withheld,
  queue_reordered,
  queue_hidden,
  log_rolled_back,
  log_stale,
  directory_stale,
  address_mismatch,
  no_stanza_for_me,
  bad_padding,
  release_mismatch,
  file_key_mismatch,
  payload_mismatch,
  sender_unproven,
  directory_unproven,
  queue_unknown,
  queue_vacant,
  awaits_case,
  local_store,
  profile_later,
  no_identity,
  file_missing,
  passphrase_file_open,
  no_terminal,
  passphrases_differ,
  passphrase_short,
  id_malformed,
  id_ambiguous,
  invitation_other_contract,
  invitation_other_keys,
  fingerprint_differs,
  departement_unknown,
  usage,
};
[[nodiscard]] std::string_view text_of(LocalCode code);
[[nodiscard]] Explanation explain(LocalCode code, Language language);

}  // namespace pli::protocol
