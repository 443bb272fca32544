// What a contract says, beyond its entry's layout (protocol/directory.hpp): its parties by SIREN, its engagements by
// name, and how a day, a place and a volet stand to it. Pure. docs/protocol.md, "Contract"; docs/decisions/0017.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "protocol/directory.hpp"

namespace pli::protocol {

/// Nine figures. Shape, not existence.
[[nodiscard]] bool is_siren(std::string_view text);
/// A party's line: "<SIREN> <name>", or the name alone of one that sends nothing itself.
struct Party {
  std::string siren;  ///< empty: not told
  std::string name;
  bool operator==(const Party&) const = default;
};
[[nodiscard]] Party party_of(std::string_view line);
/// Whether a party has that SIREN. Nothing where no party's SIREN is told: then nobody can say.
[[nodiscard]] std::optional<bool> is_party(const Contract& contract, std::string_view organisation);

/// An engagement of the closed list; days, within which it is kept.
struct EngagementRow {
  std::string_view name;
  std::string_view french;  ///< what is done within the days, or at least as often
  std::uint64_t days_max;   ///< what the texts allow at most
};
[[nodiscard]] std::span<const EngagementRow> engagement_table();
struct Engagement {
  std::string name;
  std::uint64_t days = 0;
};
/// Of a line that read_contract() took.
[[nodiscard]] std::optional<Engagement> engagement_of(std::string_view line);

/// Why an authority may not write this contract, in English; empty when it may. Stricter than read_contract(), which
/// must go on reading what was signed earlier: engagements are of the list and within its bounds, each once, a SIREN
/// once.
[[nodiscard]] std::string flaw_of(const Contract& contract);

enum class ContractState : std::uint8_t { to_come, in_force, over };
[[nodiscard]] ContractState state_at(const Contract& contract, UnixMillis now);
/// Whether a case may be opened in a queue of `queue_territory` by somebody of `sender_territory`.
[[nodiscard]] bool is_within(const Contract& contract, std::string_view sender_territory,
                             std::string_view queue_territory);
/// Whether it covers a commune, or the département; codes in lower case.
[[nodiscard]] bool is_within(const Contract& contract, std::string_view territory);
[[nodiscard]] bool has_volet(const Contract& contract, Volet volet);

}  // namespace pli::protocol
