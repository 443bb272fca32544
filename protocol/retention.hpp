// How long what was exchanged in a case is kept, from what stands in clear alone (design §9, §10). Pure: the broker,
// and whoever checks it, computes the same. docs/storage.md, "Erasure of cases"; docs/decisions/0014.
//
// Terms count calendar months, UTC, and fall on the first of a month: never later than the day they are counted to. So
// what ends in one month goes together, and the day of a closing cannot be read off the day of an erasure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "protocol/limits.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

/// What a closing says of its case: how long, not why. Numbers are stored: never change them.
enum class TermClass : std::uint8_t {
  ordinaire = 0,  ///< what a closing that says nothing means
  court = 1,      ///< no follow-up was given
  bref = 2,       ///< out of scope
};
[[nodiscard]] std::string_view text_of(TermClass term);
[[nodiscard]] std::optional<TermClass> term_class_of(std::string_view text);
[[nodiscard]] std::optional<TermClass> term_class_of_number(std::uint8_t number);

inline constexpr std::uint32_t term_months_max = 60;  ///< the ceiling, from a case's first exchange: nothing passes it
inline constexpr std::chrono::milliseconds term_notice = std::chrono::hours(14 * 24);        ///< before an erasure
inline constexpr std::chrono::milliseconds term_unread_delay = std::chrono::hours(30 * 24);  ///< at most, from notice
inline constexpr std::chrono::milliseconds hold_life = std::chrono::hours(90 * 24);          ///< of one person's word
/// How long a collectivité may add to a case, or put it right, after it was told the outcome. Nothing is erased before,
/// and it is shorter than any term: or a refusal would tell that it was, or which term the case has.
inline constexpr std::chrono::milliseconds party_adds_time = std::chrono::hours(30 * 24);
/// The fewest months that are that long whatever the day they are counted from; from a 31 January two are 28 days.
inline constexpr std::uint32_t party_months_min = 3;
/// How long one person's request for an early erasure waits for a second one's.
inline constexpr std::chrono::milliseconds erasure_request_life = std::chrono::hours(30 * 24);

/// Months from a case's closing; `party` from the end of its examination, for what was sent to a collectivité.
struct Terms {
  std::uint32_t bref = 3;
  std::uint32_t court = 6;
  std::uint32_t ordinaire = 12;
  std::uint32_t party = 6;
  bool operator==(const Terms&) const = default;
};
/// Whether one of them is longer than the default: that takes a legal act.
[[nodiscard]] bool is_lengthened(const Terms& terms);
/// As the log records them: "bref 3 court 6 ordinaire 12 party 6".
[[nodiscard]] std::string text_of(const Terms& terms);

/// What stands in clear of one case. A time of 0 is one that has not come.
struct CaseTimes {
  UnixMillis opened_at{};    ///< its first exchange
  UnixMillis examined_at{};  ///< since when a collectivité is told `examen_termine`
  UnixMillis closed_at{};
  TermClass term = TermClass::ordinaire;
  UnixMillis noticed_at{};    ///< when its erasure was announced
  bool read = false;          ///< by somebody of the instance
  UnixMillis withdrawn_at{};  ///< taken back before that: all of it is due at once, unannounced
};

/// Whether what stands in a queue of this name is a collectivité's copy; all else is the instance's.
[[nodiscard]] bool is_party_queue(std::string_view queue);

/// Whether it goes by the schedule of what was sent to a collectivité. What its maire was given in person does not: it
/// goes with what the instance holds, unless its own day takes it before.
[[nodiscard]] bool is_party_copy(std::string_view queue, Kind kind);
/// From when on an information nominative is good no more: the midnight, UTC, that ends the day in its address.
[[nodiscard]] UnixMillis nominative_until(std::string_view date);
/// How far ahead that may lie: the end of the form's last day, wherever on Earth it was typed.
inline constexpr std::chrono::milliseconds nominative_ahead_max = nominative_life_max + std::chrono::hours(2 * 24);

/// The first of the month that is so many months after the one `from` lies in.
[[nodiscard]] UnixMillis months_later(UnixMillis from, std::uint32_t months);
[[nodiscard]] UnixMillis ceiling_of(UnixMillis opened_at);

/// Of what the instance holds: from the closing, or from when its collectivité was told where that came later. The
/// ceiling while the case is open.
[[nodiscard]] UnixMillis term_of(const CaseTimes& times, const Terms& terms);
/// Of what was sent to a collectivité: one schedule, whatever the case came to and whoever holds it. 0 = not counted
/// yet; the ceiling stands all the same.
[[nodiscard]] UnixMillis party_term_of(const CaseTimes& times, const Terms& terms);
[[nodiscard]] bool is_party_due(const CaseTimes& times, const Terms& terms, UnixMillis now);
/// What stands outside any case: an anomaly, a point de situation.
[[nodiscard]] UnixMillis loose_term_of(UnixMillis accepted_at, const Terms& terms);

/// Whether the erasure is to be announced now; and whether an announcement made is void, its term having moved away.
[[nodiscard]] bool is_notice_due(const CaseTimes& times, const Terms& terms, UnixMillis now);
[[nodiscard]] bool is_notice_void(const CaseTimes& times, const Terms& terms, UnixMillis now);
/// When what the instance holds is erased, as things stand: after the notice, later while nobody has read it or while
/// it is held, never past the ceiling. Before the notice, the earliest it can be.
[[nodiscard]] UnixMillis erased_at(const CaseTimes& times, const Terms& terms, UnixMillis held_until);

/// One person's word on a case, the newest of each person.
struct Voice {
  std::string person;
  UnixMillis at{};
};
/// Until when two distinct persons hold it; 0 when they do not.
[[nodiscard]] UnixMillis held_until(std::span<const Voice> holds);
/// Whether two distinct persons have asked for its early erasure, neither longer ago than erasure_request_life.
[[nodiscard]] bool is_erasure_agreed(std::span<const Voice> requests, UnixMillis now);

}  // namespace pli::protocol
