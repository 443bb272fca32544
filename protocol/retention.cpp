#include "protocol/retention.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "protocol/vocabulary.hpp"

namespace pli::protocol {
namespace {

constexpr std::array<std::string_view, 3> class_names = {"ordinaire", "court", "bref"};

std::uint32_t months_of(TermClass term, const Terms& terms) {
  switch (term) {
    case TermClass::ordinaire: return terms.ordinaire;
    case TermClass::court: return terms.court;
    case TermClass::bref: return terms.bref;
  }
  return terms.ordinaire;
}

/// Newest first, one of each person.
std::vector<UnixMillis> newest_first(std::span<const Voice> voices) {
  std::vector<UnixMillis> out;
  for (const Voice& voice : voices) {
    const bool newer = std::any_of(voices.begin(), voices.end(), [&](const Voice& other) {
      return other.person == voice.person && (other.at > voice.at || (other.at == voice.at && &other < &voice));
    });
    if (!newer) out.push_back(voice.at);
  }
  std::sort(out.begin(), out.end(), [](UnixMillis a, UnixMillis b) { return a > b; });
  return out;
}

}  // namespace

std::string_view text_of(TermClass term) {
  const auto position = static_cast<std::size_t>(term);
  return position < class_names.size() ? class_names[position] : std::string_view{};
}

std::optional<TermClass> term_class_of(std::string_view text) {
  const auto found = std::find(class_names.begin(), class_names.end(), text);
  if (found == class_names.end()) return std::nullopt;
  return static_cast<TermClass>(found - class_names.begin());
}

std::optional<TermClass> term_class_of_number(std::uint8_t number) {
  if (number >= class_names.size()) return std::nullopt;
  return static_cast<TermClass>(number);
}

bool is_lengthened(const Terms& terms) {
  const Terms usual;
  return terms.bref > usual.bref || terms.court > usual.court || terms.ordinaire > usual.ordinaire ||
         terms.party > usual.party;
}

std::string text_of(const Terms& terms) {
  return "bref " + std::to_string(terms.bref) + " court " + std::to_string(terms.court) + " ordinaire " +
         std::to_string(terms.ordinaire) + " party " + std::to_string(terms.party);
}

bool is_party_queue(std::string_view queue) {
  const auto kind = queue_kind_of(queue);
  return kind == QueueKind::org || kind == QueueKind::person;
}

bool is_party_copy(std::string_view queue, Kind kind) { return is_party_queue(queue) && kind != Kind::acces; }

UnixMillis nominative_until(std::string_view date) {
  const auto day = day_of(date);
  return day ? *day + std::chrono::hours(24) : UnixMillis{};
}

UnixMillis months_later(UnixMillis from, std::uint32_t months) {
  using namespace std::chrono;
  const year_month_day day(floor<days>(sys_time<milliseconds>(milliseconds(from.value))));
  const year_month_day first = day.year() / day.month() / 1;
  const year_month_day later = first + std::chrono::months(static_cast<int>(months));
  return {duration_cast<milliseconds>(sys_days(later).time_since_epoch()).count()};
}

UnixMillis ceiling_of(UnixMillis opened_at) { return months_later(opened_at, term_months_max); }

UnixMillis term_of(const CaseTimes& times, const Terms& terms) {
  if (times.withdrawn_at.value != 0) return times.withdrawn_at;
  const UnixMillis ceiling = ceiling_of(times.opened_at);
  if (times.closed_at.value == 0) return ceiling;
  const UnixMillis from = std::max(times.closed_at, times.examined_at);
  const UnixMillis term = months_later(from, months_of(times.term, terms));
  const UnixMillis earliest = times.examined_at.value == 0 ? UnixMillis{} : times.examined_at + party_adds_time;
  return std::min(std::max(term, earliest), ceiling);
}

UnixMillis party_term_of(const CaseTimes& times, const Terms& terms) {
  if (times.withdrawn_at.value != 0) return times.withdrawn_at;
  // Not from its closing, which a collectivité is not told of.
  if (times.examined_at.value == 0) return {};
  return std::min(months_later(times.examined_at, terms.party), ceiling_of(times.opened_at));
}

bool is_party_due(const CaseTimes& times, const Terms& terms, UnixMillis now) {
  const UnixMillis term = party_term_of(times, terms);
  return now >= (term.value != 0 ? term : ceiling_of(times.opened_at));
}

UnixMillis loose_term_of(UnixMillis accepted_at, const Terms& terms) {
  return months_later(accepted_at, std::min(terms.ordinaire, term_months_max));
}

bool is_notice_due(const CaseTimes& times, const Terms& terms, UnixMillis now) {
  return times.withdrawn_at.value == 0 && times.noticed_at.value == 0 && now >= term_of(times, terms) - term_notice;
}

bool is_notice_void(const CaseTimes& times, const Terms& terms, UnixMillis now) {
  if (times.noticed_at.value == 0) return false;
  return times.withdrawn_at.value != 0 || now < term_of(times, terms) - term_notice;
}

UnixMillis erased_at(const CaseTimes& times, const Terms& terms, UnixMillis held_until) {
  const UnixMillis term = term_of(times, terms);
  UnixMillis at = std::max(term, held_until);
  if (times.noticed_at.value != 0) at = std::max(at, times.noticed_at + (times.read ? term_notice : term_unread_delay));
  return std::min(at, ceiling_of(times.opened_at));
}

UnixMillis held_until(std::span<const Voice> holds) {
  const std::vector<UnixMillis> newest = newest_first(holds);
  return newest.size() < 2 ? UnixMillis{} : newest[1] + hold_life;
}

bool is_erasure_agreed(std::span<const Voice> requests, UnixMillis now) {
  const std::vector<UnixMillis> newest = newest_first(requests);
  return newest.size() >= 2 && now - newest[1] <= erasure_request_life;
}

}  // namespace pli::protocol
