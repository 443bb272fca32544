// What is owed in the cases that this profile is shown (protocol/deadlines.hpp), counted on what it has received and
// sent and on the broker's list of cases. docs/protocol.md, "Deadlines".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/session.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

/// An exchange of a case that this profile received or sent.
struct KnownAct {
  protocol::ExchangeId exchange{};
  Digest case_id{};  ///< its own where it opens one
  std::uint16_t kind = 0;
  std::string sender;  ///< member id
  std::string queue;
  std::string date{};  ///< in clear, of a kind that has one
  UnixMillis created_at{};
  protocol::Moment accepted{};  ///< by the broker's word until its leaf is proven
};
/// Of the profile alone: headers as they were shown, and what was sent as its receipts prove it. A header whose place
/// was lost in a rollback, or which is hidden, is none. Errors: no_invitation, local_store.
[[nodiscard]] Outcome<std::vector<KnownAct>> known_acts(const Profile& profile);
/// Has the log prove when each was accepted; one the broker proves no more (ERASED, NOT_FOUND) stays its word. One
/// request for each that is not proven yet. Errors: receipt_invalid, refusals, unreachable.
[[nodiscard]] Outcome<void> prove_acts(Session& session, std::span<KnownAct> acts);

struct CaseDuties {
  protocol::CaseItem item;
  std::vector<protocol::Deadline> deadlines;
  std::string
      called;  ///< before whom an escalated case is brought, a member id; empty of others, or when nobody is there
  [[nodiscard]] bool escalated(UnixMillis now) const;
};
/// Pure. A collectivité's duties are counted by protocol::party_deadlines() alone. An erased case has none. Escalated
/// cases come first, then by what is due soonest.
[[nodiscard]] std::vector<CaseDuties> duties_of(const std::vector<protocol::CaseItem>& cases,
                                                std::span<const KnownAct> acts, const KnownDirectory& directory,
                                                UnixMillis now);
/// Of a collectivité, the points de situation that its own queue received; of anybody else none. Pure.
[[nodiscard]] std::vector<protocol::Deadline> own_situation(std::span<const KnownAct> acts,
                                                            const KnownDirectory& directory, std::string_view member,
                                                            UnixMillis now);
/// From when on a contract and an organisation's first member were in force.
[[nodiscard]] UnixMillis owed_from(const protocol::Contract& contract,
                                   const std::vector<const protocol::Member*>& members, std::string_view organisation);

/// Whether it is late, or a second person has been called.
[[nodiscard]] bool needs_somebody(const protocol::Deadline& deadline, UnixMillis now);

}  // namespace pli::client
