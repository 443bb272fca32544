// Editing a directory: pure, no disk, no key. Rosters are never typed: a queue's keys follow from who is seated there.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "client/failure.hpp"
#include "protocol/card.hpp"
#include "protocol/directory.hpp"

namespace pli::client {

/// What the authority says of somebody; the keys come from the card.
struct Enrolment {
  std::string id;
  std::string person;
  std::string organisation;
  protocol::Roles roles;
  std::string territory;
  std::vector<std::string> seats;
  std::string label;
  UnixMillis not_before{};
  UnixMillis not_after{};
};

/// What became of one entry between two versions, attribute by attribute: also those this software does not know.
struct EntryDifference {
  protocol::EntryType type = protocol::EntryType::member;
  std::string id;
  bool added = false;
  std::vector<std::pair<std::string, Bytes>> gone;  ///< attributes of the earlier one that the later lacks
  std::vector<std::pair<std::string, Bytes>> come;
  bool operator==(const EntryDifference&) const = default;
};
/// In the order of (type, id); a new salt alone is no difference.
[[nodiscard]] std::vector<EntryDifference> differences(const std::vector<protocol::Entry>& before,
                                                       const std::vector<protocol::Entry>& after);

class DirectoryDraft {
 public:
  /// A new directory with its contract entry.
  [[nodiscard]] static Outcome<DirectoryDraft> start(const protocol::Contract& contract);
  /// A version as it stands. Errors: usage.
  [[nodiscard]] static Outcome<DirectoryDraft> of(std::vector<protocol::Entry> entries);

  /// Errors of all of these: usage (unknown or repeated id, a key that stands elsewhere, an auditor with another role,
  /// a seat that is no queue…); the draft is then as it was.
  [[nodiscard]] Outcome<void> add_queue(std::string_view id, std::string_view territory, std::string_view organisation);
  /// A maire is given a queue of his own besides, `person/<person>`, and the seat in it.
  [[nodiscard]] Outcome<void> enrol(const Enrolment& enrolment, const protocol::Card& card);
  /// A card that renews a member's keys: the old ones stay his to read with and leave all rosters.
  [[nodiscard]] Outcome<void> renew(const protocol::Card& card);
  [[nodiscard]] Outcome<void> revoke(std::string_view member, UnixMillis now);
  [[nodiscard]] Outcome<void> change_seats(std::string_view member, const std::vector<std::string>& seats);
  /// A maire enrolled without a queue of his own is given it.
  [[nodiscard]] Outcome<void> change_validity(std::string_view member, UnixMillis not_before, UnixMillis not_after);
  [[nodiscard]] Outcome<void> add_charter(const protocol::Charter& charter);
  /// Under the id it has. Errors: also usage with what protocol::flaw_of() says.
  [[nodiscard]] Outcome<void> change_contract(const protocol::Contract& contract);
  /// What a tool enrolled may post and read, in place of what it could before; it sits where it reads.
  [[nodiscard]] Outcome<void> register_tool(const protocol::Tool& tool);

  /// When an instance sits; without one, it has no calendar. Errors: also usage with what protocol::flaw_of() says.
  [[nodiscard]] Outcome<void> set_seances(std::string_view queue, std::optional<protocol::SeanceCalendar> calendar);

  [[nodiscard]] const protocol::Directory& directory() const { return *directory_; }
  /// Entries that differ from `base`: what travels to the broker. In the directory's order.
  [[nodiscard]] std::vector<Bytes> changed_since(const std::vector<protocol::Entry>& base) const;

 private:
  explicit DirectoryDraft(std::shared_ptr<const protocol::Directory> directory) : directory_(std::move(directory)) {}
  [[nodiscard]] Outcome<void> replace(std::vector<protocol::Entry> entries);
  [[nodiscard]] Outcome<void> put(std::vector<protocol::Entry> changed);  ///< each in place of the one there
  [[nodiscard]] Outcome<void> put_seated(protocol::Member member);        ///< with what a maire has of his own
  [[nodiscard]] Outcome<protocol::Member> find_member(std::string_view id) const;
  std::shared_ptr<const protocol::Directory> directory_;
};

}  // namespace pli::client
