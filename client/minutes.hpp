// The relevé de décisions of a séance: what a secrétariat files and sends on, sealed to the secrétariat alone. Pure:
// what was opened goes in, one text comes out, and its seal; docs/protocol.md, "Relevé de décisions";
// docs/decisions/0021.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/paris_time.hpp"
#include "client/agenda.hpp"
#include "client/known_directory.hpp"
#include "protocol/form.hpp"

namespace pli::client {

/// A decision as it was sealed.
struct SealedDecision {
  std::string outcome;  ///< of the closed list
  std::string reason;
  UnixMillis accepted_at{};
};
/// Of a form of kind decision; nothing for another.
[[nodiscard]] std::optional<SealedDecision> read_decision(const protocol::Form& form, UnixMillis accepted_at);
/// On which séance a case was taken up, by a form of kind mise_en_evaluation; nothing for another.
[[nodiscard]] std::optional<Day> read_evaluation(const protocol::Form& form);

enum class Answered : std::uint8_t { nothing_due, due, put_off, given };
[[nodiscard]] std::string_view text_of(Answered answered);

/// One case of the séance. Nobody it concerns is named, and no fact told.
struct MinutesCase {
  Digest case_id{};
  std::uint16_t kind = 0;
  bool urgent = false;
  UnixMillis opened_at{};
  std::optional<Day> taken_up;            ///< on which séance
  std::optional<SealedDecision> decided;  ///< none where it was put off: it is of the later séance
  std::optional<Day> moved_to;            ///< put off to another séance
  Answered answered = Answered::nothing_due;
  UnixMillis shown_at{};                    ///< of a retour given: from when on its collectivité is shown it
  std::optional<Day> review;                ///< of a retour put off
  std::string answered_to;                  ///< of a case that another instance passed on: that one's queue
  std::vector<std::string> transmitted_to;  ///< instances it was passed on to
  std::vector<std::string> recused;         ///< members, as the directory calls them
};
/// What stands in clear of it, and the retour as its state and headers have it: `decided` and `taken_up` are the
/// caller's to add, from what it opens.
[[nodiscard]] MinutesCase minutes_of(const protocol::CaseItem& item, const CaseCourse& course, Day seance,
                                     const KnownDirectory& directory);

/// On which séance it was taken up; of a case put off, not when that was a later one.
void set_taken_up(MinutesCase& each, std::optional<Day> on, Day seance);

struct Minutes {
  std::string contract;  ///< its title
  std::string instance;
  Day seance{};
  DirectoryNumber directory{};
  UnixMillis drawn_at{};
  std::string drawn_by;          ///< as the directory calls him
  bool recused_himself = false;  ///< from a case of the instance: what he is not shown is not here
  std::vector<MinutesCase> cases;
};
inline constexpr std::string_view minutes_format = "pli-releve/1";
/// For people first, then one line of JSON, the last: docs/protocol.md. What somebody wrote stands behind "| ".
[[nodiscard]] std::string to_text(const Minutes& minutes);

/// To whom it is sealed: the members with the role secretariat who sit in the instance and are in force, by the
/// directory; none who withdrew from one of its cases (`recused`: member ids), under another id neither, and none of an
/// organisation that sent one (`authors`), since the broker gives neither of them R of it. Ascending, each once.
[[nodiscard]] std::vector<crypto::AgePublic> secretariat_keys(const KnownDirectory& directory,
                                                              std::string_view instance, UnixMillis now,
                                                              std::span<const std::string> recused = {},
                                                              std::span<const std::string> authors = {});
/// An age v1 file. Errors: directory_unproven (nobody to seal it to).
[[nodiscard]] Outcome<Bytes> seal_minutes(const Minutes& minutes, std::span<const crypto::AgePublic> recipients);

}  // namespace pli::client
