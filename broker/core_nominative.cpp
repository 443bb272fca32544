// Agreements, and what they open: an information nominative given to a maire in person (docs/decisions/0019), a report
// passed on whose sender asked to be asked.
#include <algorithm>
#include <map>
#include <tuple>

#include "broker/core_state.hpp"
#include "protocol/retention.hpp"

namespace pli::broker {
namespace {

using protocol::Code;
using protocol::Kind;
using protocol::Role;

bool holds(const AgreementRow& row, Capacity capacity) {
  return (row.quality & static_cast<std::uint8_t>(capacity)) != 0;
}

}  // namespace

UnixMillis nominative_ends(const ExchangeRow& information) {
  const auto address = protocol::decode_address(information.address);
  if (!address) return {};
  for (const auto& [name, value] : address->attributes)
    if (name == "date") return protocol::nominative_until(value);
  return {};
}

std::uint8_t capacities_of(const protocol::Member& member, protocol::CaseSide side) {
  using protocol::CaseSide;
  std::uint8_t out = 0;
  // A tool posts for its organisation, and agrees to nothing in its name.
  for (const auto& [of, role, capacity] : {std::tuple{CaseSide::partie, Role::referent, Capacity::sender},
                                           std::tuple{CaseSide::partie, Role::maire, Capacity::sender},
                                           std::tuple{CaseSide::instance, Role::service, Capacity::service},
                                           std::tuple{CaseSide::instance, Role::parquet, Capacity::parquet}})
    if (of == side && member.roles.has(role))
      out = static_cast<std::uint8_t>(out | static_cast<std::uint8_t>(capacity));
  return out;
}

std::optional<Denial> CoreState::refuse_agreement(const protocol::Member& member,
                                                  const std::optional<ExchangeRow>& about,
                                                  protocol::CaseSide side) const {
  if (!about) return deny(Code::invalid, "in_reply_to");
  if (about->erased) return deny(Code::erased, "terme");
  bool asked = static_cast<Kind>(about->kind) == Kind::information_nominative;
  if (side == protocol::CaseSide::partie) {
    const auto handling = handling_of(*about);
    asked = protocol::says_what_is_reported(static_cast<Kind>(about->kind)) &&
            sent_by_organisation_of(member, *about) &&
            std::find(handling.begin(), handling.end(), "ask-before-transfer") != handling.end();
  }
  if (!asked) return deny(Code::invalid, "in_reply_to");
  return std::nullopt;
}

std::optional<Denial> CoreState::refuse_nominative(const ExchangeRow& about, const CaseRow& of_case,
                                                   const protocol::Queue& to, UnixMillis now) const {
  if (static_cast<Kind>(about.kind) != Kind::information_nominative) return deny(Code::invalid, "in_reply_to");
  // His own queue, and nobody else in it: what is sealed to it is sealed to the person.
  const protocol::Member* maire = nullptr;
  for (const protocol::Member* seated : directory_->seated(to.id)) {
    if (seated->person != protocol::queue_subject(to.id)) return deny(Code::invalid, "queue");
    const bool is_his =
        seated->roles.has(Role::maire) && seated->organisation == of_case.organisation && seated->valid_at(now);
    if (is_his && !is_suspended(*seated, now)) maire = seated;
  }
  if (maire == nullptr) return deny(Code::invalid, "queue");
  if (now >= nominative_ends(about)) return deny(Code::forbidden, "interdit.delai");
  if (!has_charter(maire->territory, now)) return deny(Code::charter_required);
  // Each agreement serves once.
  if (store_.nominative_release(about.number)) return deny(Code::agreement_missing, "accord.servi");
  if (!has_both_agreements(about, queue_name(of_case.queue), now)) return deny(Code::agreement_missing);
  return std::nullopt;
}

std::optional<Denial> CoreState::refuse_nominative_opening(const protocol::Member& member, const ExchangeRow& row,
                                                           const ExchangeFacts& facts, UnixMillis now) const {
  if (facts.kind != Kind::information_nominative || facts.queue == nullptr ||
      facts.queue->kind != protocol::QueueKind::person)
    return std::nullopt;
  // Of another commune since.
  if (!facts.case_row || facts.case_row->organisation != member.organisation)
    return deny(Code::forbidden, "acces.absent");
  if (now >= nominative_ends(row)) return deny(Code::forbidden, "interdit.delai");
  if (!has_charter(member.territory, now)) return deny(Code::charter_required);
  // Taken back since.
  if (is_refused(last_words(row))) return deny(Code::agreement_missing);
  return std::nullopt;
}

bool CoreState::has_charter(std::string_view commune, UnixMillis now) const {
  const auto charters = directory_->charters();
  return std::any_of(charters.begin(), charters.end(), [&](const protocol::Charter* charter) {
    return charter->territory == commune && charter->in_force_at(now);
  });
}

CoreState::LastWords CoreState::last_words(const ExchangeRow& about) const {
  LastWords last;
  for (AgreementRow& row : store_.agreements(about.number))
    if (!holds(row, Capacity::sender)) last.insert_or_assign(row.person, std::move(row));
  // Whoever takes no further part has no say any more.
  for (const std::string& person : store_.recused(about.case_number)) last.erase(person);
  return last;
}

bool CoreState::is_refused(const LastWords& last) {
  return std::any_of(last.begin(), last.end(), [](const auto& each) { return !each.second.accord; });
}

bool CoreState::is_accord(const AgreementRow& row, Capacity capacity, std::string_view instance, UnixMillis now) const {
  if (!row.accord || !holds(row, capacity) || (row.until.value != 0 && now >= row.until)) return false;
  const bool of_sender = capacity == Capacity::sender;
  const auto side = of_sender ? protocol::CaseSide::partie : protocol::CaseSide::instance;
  const auto members = of_sender ? directory_->members() : directory_->seated(instance);
  return std::any_of(members.begin(), members.end(), [&](const protocol::Member* member) {
    return member->person == row.person && member->organisation == row.organisation &&
           (capacities_of(*member, side) & static_cast<std::uint8_t>(capacity)) != 0 && member->valid_at(now) &&
           !is_suspended(*member, now);
  });
}

bool CoreState::has_both_agreements(const ExchangeRow& about, std::string_view instance, UnixMillis now) const {
  const protocol::Member* author = sender_of(about);
  if (author == nullptr) return false;
  const LastWords last = last_words(about);
  if (is_refused(last)) return false;
  const auto counts = [&](const AgreementRow& row, Capacity capacity) {
    return row.person != author->person && row.organisation != author->organisation &&
           is_accord(row, capacity, instance, now);
  };
  for (const auto& [service, one] : last) {
    if (!counts(one, Capacity::service)) continue;
    for (const auto& [prosecutor, other] : last)
      if (service != prosecutor && one.organisation != other.organisation && counts(other, Capacity::parquet))
        return true;
  }
  return false;
}

bool CoreState::has_party_agreement(const ExchangeRow& about, UnixMillis now) const {
  bool agreed = false;  // its organisation's last word
  for (const AgreementRow& row : store_.agreements(about.number))
    if (holds(row, Capacity::sender)) agreed = is_accord(row, Capacity::sender, {}, now);
  return agreed;
}

}  // namespace pli::broker
