// The one function that decides (P6): at submit, at delivery, at opening, and for reading the log. Pure.
// Nothing is allowed unless a rule says so; any forbid wins; every decision names its rule.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/directory.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

enum class Act : std::uint8_t {
  submit,             ///< post an exchange of this kind to this queue
  deliver,            ///< be shown the header of such an exchange in this queue
  open,               ///< receive R and the sealed parts
  follow_case,        ///< be shown where one's own case stands (commune_view)
  see_entry,          ///< be shown a directory entry
  publish_directory,  ///< carry a new signed version to the broker
  read_records,       ///< read the journal
  connect,            ///< say hello, ask for checkpoints and proofs of one's own acts
  read_health,
};
inline constexpr std::size_t act_count = 9;

/// How the subject stands to the object. The core computes it; several can hold at once.
enum class Relation : std::uint8_t {
  seated,          ///< sits in the destination queue now, and its key is in the exchange's roster
  addressee_org,   ///< the queue is its own organisation's or its own
  case_party,      ///< its organisation sent the case's first exchange
  case_instance,   ///< sits in the instance that holds the case
  author,          ///< same person or same organisation as the first sender of the case
  recused,         ///< withdrew from this case
  same_territory,  ///< its territory covers or lies in the queue's
  self,            ///< the entry is its own
  colleague,       ///< the entry is of a member of an instance it sits in, or of that instance
  correspondent,   ///< the entry is of a queue it may write to, or of a member it may hear from or write to
  linked,          ///< the case came to its instance by a transmission (docs/decisions/0020)
};
inline constexpr std::size_t relation_count = 11;
struct Relations {
  std::uint16_t bits = 0;
  [[nodiscard]] bool has(Relation relation) const { return (bits >> static_cast<unsigned>(relation) & 1U) != 0; }
  void add(Relation relation) { bits = static_cast<std::uint16_t>(bits | 1U << static_cast<unsigned>(relation)); }
  bool operator==(const Relations&) const = default;
};

/// What can only forbid. The first three are what the exchange's sender asked for in its address (`is_handling`), as
/// far as it bears on the subject; the last two, what the senders of what is passed on to another instance asked for
/// (`passing_conditions`). An access part inherits that of the exchange it opens. The others are how the day and the
/// places stand to the contract, and the act to a tool's entry.
enum class Condition : std::uint8_t {
  no_copy,            ///< "no-copy-to:" the subject's own organisation
  eyes_only,          ///< nobody is added to its readers
  ged_only,           ///< it stays in the GED
  contract_to_come,   ///< the contract has not begun
  contract_over,      ///< its last day has passed
  outside_territory,  ///< it covers neither the queue's place nor the sender's
  outside_volets,     ///< it has not the volet of this tool
  outside_registry,   ///< the tool's entry does not name this kind or this queue, or there is none
  withheld,           ///< it was sent to a collectivité, and its hour has not come
  stays,              ///< "ged-only": it leaves its instance for no other
  unagreed,           ///< "ask-before-transfer", and its sender has not agreed
};
inline constexpr std::size_t condition_count = 11;
struct Conditions {
  std::uint16_t bits = 0;
  [[nodiscard]] bool has(Condition condition) const { return (bits >> static_cast<unsigned>(condition) & 1U) != 0; }
  void add(Condition condition) { bits = static_cast<std::uint16_t>(bits | 1U << static_cast<unsigned>(condition)); }
  void add(const Conditions& others) { bits = static_cast<std::uint16_t>(bits | others.bits); }
  bool operator==(const Conditions&) const = default;
};
[[nodiscard]] Conditions conditions_of(std::span<const std::string> handling, std::string_view organisation);
/// What an exchange asks of whoever passes it on to another instance; `agreed`: its sender's agreement to that stands.
[[nodiscard]] Conditions passing_conditions(std::span<const std::string> handling, bool agreed);
/// How an exchange from `sender` to `queue`, arriving now, stands to the contract; for Act::submit.
[[nodiscard]] Conditions contract_conditions(const Contract& contract, const Member& sender, const Queue& queue,
                                             UnixMillis now);
/// What the registry says of an act of this member; nothing of one who is no tool. `queue`: the exchange's, or for
/// Act::follow_case that of the instance which holds the case.
[[nodiscard]] Conditions tool_conditions(const Directory& directory, const Member& member, Act act,
                                         std::optional<Kind> kind, std::string_view queue);
/// As a record has them: joined by `,`; `-` for none.
[[nodiscard]] std::string handling_text(std::span<const std::string> handling);
/// Whatever stands between commas; for what handling_text() made.
[[nodiscard]] std::vector<std::string> handling_of_text(std::string_view text);

struct Question {
  Act act = Act::connect;
  Roles roles;
  Relations relations;
  std::optional<Kind> kind;        ///< submit, deliver, open
  std::optional<QueueKind> queue;  ///< submit, deliver, open
  Conditions conditions{};         ///< submit, deliver, open; a tool's for follow_case too
};

struct Decision {
  bool allowed = false;
  std::string_view rule;  ///< a literal: "depot.signalement", "interdit.auteur", "defaut"
  explicit operator bool() const { return allowed; }
};

[[nodiscard]] Decision decide(const Question& question);

/// The rules as data, for the table test and for `docs/protocol.md`.
struct Rule {
  std::string_view id;
  bool forbid = false;
  Act act = Act::connect;
  Roles roles;                    ///< any of them
  Relations needs;                ///< all of them
  std::vector<Kind> kinds;        ///< any of them; empty = every kind
  std::vector<QueueKind> queues;  ///< any of them; empty = every queue
  Conditions conditions{};        ///< all of them; only a forbid has any
};
[[nodiscard]] const std::vector<Rule>& rules();

/// Whether one territory covers the other ("89" covers "89024"); codes in lower case, "2a" included.
[[nodiscard]] bool covers(std::string_view departement_or_commune, std::string_view inner);

/// The relations of a viewer to a directory entry, for Act::see_entry.
[[nodiscard]] Relations relations_to_entry(const Directory& directory, const Member& viewer, const Entry& entry);
[[nodiscard]] bool may_see_entry(const Directory& directory, const Member& viewer, const Entry& entry);

}  // namespace pli::protocol
