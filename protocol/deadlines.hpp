// What a contract promises, counted on the acts of each case: when each duty began, by when it was owed, and what shows
// that it was kept (design §8, §10). Pure: members, auditors and the broker's health page count alike.
// docs/protocol.md, "Deadlines"; docs/decisions/0018.
//
// A delay is in whole days of Paris (base/paris_time.hpp), working or not: the day it begins on does not count, and it
// is over with the last day's midnight. Of months the last day bears the number of the first, or is the month's last.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

enum class Duty : std::uint8_t {
  accuse_de_reception,  ///< from when its sender says he sent it to the broker's leaf
  premiere_lecture,     ///< to the first opening by anybody of the instance
  decision,             ///< from the receipt: a case that waits for its evaluation waits in its commune's eyes too
  retour,               ///< from the decision, or to the day to which it was put off
  examen,               ///< the collectivité's own view of the two above, from the receipt
  point_de_situation,   ///< one after the other
  charte,               ///< that one is in force
};
[[nodiscard]] std::string_view text_of(Duty duty);
[[nodiscard]] std::string_view french(Duty duty);

/// Zeros: none is set.
struct Delay {
  std::uint32_t days = 0;
  std::uint32_t months = 0;  ///< with days: whichever is over first
  bool promised = false;     ///< by the contract; else ours or the texts'
  bool operator==(const Delay&) const = default;
};
/// The first moment that is too late. With no delay set, 0.
[[nodiscard]] UnixMillis late_from(UnixMillis start, const Delay& delay);
/// The midnight that ends the day of this moment, or of a date in clear, which is a day's midnight in UTC.
[[nodiscard]] UnixMillis end_of_day(UnixMillis moment);

/// What holds where a contract says nothing:
/// - first opening and retour, one séance of the GED, 15 days (circular of 14 December 2018: at least every 15 days);
/// no
///   text gives a number for either, the instruction of 13 November 2018 says that the retour is systematic;
/// - an urgent case is opened by the end of the next day: no text has a number; to be set by the contract;
/// - the decision, four months: what the doctrine allows the service that evaluates, at most. We count them from the
///   receipt, and no contract lengthens them;
/// - no point de situation: the instruction of 13 November 2018 has a mayor who asks informed at least twice a year, by
///   whatever way; where a contract promises it by Pli, within six months of the last one at most.
struct Delays {
  Delay accuse_de_reception{};
  Delay premiere_lecture{15};
  Delay premiere_lecture_urgente{1};
  Delay decision{0, decision_months_max};
  Delay retour{15};
  Delay point_de_situation{};

  static constexpr std::uint32_t decision_months_max = 4;
  static constexpr std::uint32_t situation_months_max = 6;
  bool operator==(const Delays&) const = default;
};
/// What a contract may write; a longer line was never read.
inline constexpr std::uint32_t engagement_days_max = 3650;
/// Of a contract's lines "name days" (directory.hpp). Names it does not know are passed over; of one that stands twice
/// the shorter. An urgent case is never opened later than any other.
[[nodiscard]] Delays delays_of(std::span<const std::string> engagements);

/// Where the log has an act.
struct LogPlace {
  std::string shard;
  LeafIndex leaf{};
  bool operator==(const LogPlace&) const = default;
};
/// When something was. Without a place in the log it is somebody's word; at 0, nobody told when.
struct Moment {
  UnixMillis at{};
  std::optional<LogPlace> leaf{};
  bool operator==(const Moment&) const = default;
};

enum class DutyState : std::uint8_t {
  running,
  late,  ///< running, and over its time
  kept,
  missed,  ///< done, too late
  done,    ///< done; when is not shown to who asks
  lapsed,  ///< nothing is owed any more, and it was not late by then
};
[[nodiscard]] std::string_view text_of(DutyState state);
[[nodiscard]] std::string_view french(DutyState state);

struct Deadline {
  Duty duty = Duty::premiere_lecture;
  Moment started;
  UnixMillis due{};             ///< the first moment that is too late
  bool promised = false;        ///< by the contract
  UnixMillis escalates{};       ///< from when on a second person is called (second_person()); 0: never
  std::optional<Moment> ended;  ///< what kept it, or ended it
  DutyState state = DutyState::running;
  bool operator==(const Deadline&) const = default;
};
/// Whether a second person has to see to it.
[[nodiscard]] bool is_escalated(const Deadline& deadline, UnixMillis now);

/// One act of a case, as far as it is known to who counts.
struct CaseAct {
  Kind kind = Kind::signalement_individuel;
  bool opening = false;  ///< not an exchange: the opening of one, by somebody of the instance
  Moment moment;
  std::string date{};  ///< of a report_du_retour
};
/// What an instance's duties towards one case are counted from. A Moment at 0 is done, and nobody told when.
struct CaseRoad {
  Urgency urgency = Urgency::normale;
  UnixMillis sent_at{};  ///< by its sender's word; 0: not known
  Moment received;
  std::optional<Moment> opened, decided, answered;
  std::optional<Moment> opened_by;  ///< the first act that nobody could have done before it was opened
  std::optional<Moment> withdrawn;  ///< taken back, or erased: nothing is owed from then on
  struct Deferral {
    UnixMillis at{};
    UnixMillis until{};
  };
  std::vector<Deferral> deferrals;  ///< in order of `at`
};
/// Of its acts in any order: of each sort the first. Urgency and `sent_at` are in no act: the caller's to add.
[[nodiscard]] CaseRoad road_of(std::span<const CaseAct> acts);
/// For the instance and for auditors. Where nobody told when it was opened, an act that needed it shows that it was in
/// time, and never that it was not. A retour is put off only while it is not late yet; a complement that is waited
/// for stops nothing, or who is late would ask for one.
[[nodiscard]] std::vector<Deadline> case_deadlines(const CaseRoad& road, const Delays& delays, UnixMillis now);

/// What a collectivité's view is counted from, and nothing else is: what it sent, and when it was told that the
/// examination has ended. No outcome, no step, no deferral comes in, so that none can be read off what comes out.
struct PartyRoad {
  UnixMillis sent_at{};
  Moment received;
  std::optional<Moment> told, withdrawn;
};
[[nodiscard]] std::vector<Deadline> party_deadlines(const PartyRoad& road, const Delays& delays, UnixMillis now);

/// Towards one collectivité, of what it was sent between `from` and the contract's end: one duty for each point and one
/// that runs. Nothing where the contract promises none.
[[nodiscard]] std::vector<Deadline> situation_deadlines(UnixMillis from, UnixMillis ends, std::vector<Moment> points,
                                                        const Delays& delays, UnixMillis now);

struct CharterTerm {
  std::string territory;
  UnixMillis from{};
  UnixMillis to{};
};
/// For each territory that ever had one, in their order: since when one has been in force without a gap, and until
/// when; `late` where none is.
struct CharterDeadline {
  std::string territory;
  Deadline deadline;
};
[[nodiscard]] std::vector<CharterDeadline> charter_deadlines(std::vector<CharterTerm> charters, UnixMillis now);

/// Of those who may open a case, the one before whom it is brought when it was escalated: the same one for whoever
/// asks, another one for another case. `persons` in any order; empty when there is none.
[[nodiscard]] std::string second_person(std::vector<std::string> persons, const Digest& case_id);

}  // namespace pli::protocol
