// The part of a directory version this member may see: a verified head and the entries proven under it.
// Immutable once built. What a sender seals by, and what tells a recipient who signed.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "client/failure.hpp"
#include "protocol/directory.hpp"

namespace pli::client {

/// An entry with its place in the version and the proof that it stands there.
struct ProvenEntry {
  std::uint64_t position = 0;
  Bytes entry;
  std::vector<Digest> proof;
  bool operator==(const ProvenEntry&) const = default;
};

/// Where the log names a directory version, and the checkpoint that proved it. That one is part of the log everybody
/// sees once it is no foreign checkpoint any more.
struct DirectoryPlace {
  std::string origin;
  LeafIndex leaf{};
  TreeSize size{};
  Digest root{};
  bool operator==(const DirectoryPlace&) const = default;
};

/// What a version says of who signed something at some time. The log may have taken it rightly, under an older version:
/// this is what a reader has to know, not an accusation.
enum class SenderStatus : std::uint8_t {
  unproven,    ///< no such key for this member
  current,     ///< the member's key, in force then
  former_key,  ///< a key this member has since replaced
  expired,     ///< outside the member's validity
  revoked,     ///< the member was revoked by then
  vouched,     ///< not among the entries we are shown: a member who is signed for it when he passed it on
};
[[nodiscard]] std::string_view text_of(SenderStatus status);

class KnownDirectory {
 public:
  /// Checks each proof against the head's root. Errors: directory_unproven.
  [[nodiscard]] static Outcome<KnownDirectory> build(protocol::VerifiedDirectory verified,
                                                     std::vector<ProvenEntry> entries);
  /// Whether a member can work by it: its own entry with one of its `keys`, an entry for each queue it sits in and,
  /// unless it merely operates the broker, an audit queue to report to. A broker that leaves one of these out would
  /// otherwise silence an inbox without a word. Errors: directory_unproven.
  [[nodiscard]] Outcome<void> check_shows(std::string_view member, const std::vector<crypto::SignPublic>& keys) const;

  [[nodiscard]] const protocol::VerifiedDirectory& verified() const { return verified_; }
  [[nodiscard]] DirectoryNumber number() const { return verified_.head().number; }
  [[nodiscard]] UnixMillis not_after() const { return verified_.head().not_after; }
  [[nodiscard]] bool expired_at(UnixMillis now) const { return now >= not_after(); }
  /// From directory_alarm_before the end on.
  [[nodiscard]] bool expires_soon_at(UnixMillis now) const;

  [[nodiscard]] const std::vector<ProvenEntry>& entries() const { return entries_; }
  [[nodiscard]] const protocol::Member* member(std::string_view id) const;
  /// By current or former signing key: what was signed before a renewal stays proven.
  [[nodiscard]] const protocol::Member* member_by_sign(const crypto::SignPublic& key) const;
  [[nodiscard]] SenderStatus sender_status(std::string_view member, const crypto::SignPublic& key, UnixMillis at) const;
  [[nodiscard]] const protocol::Queue* queue(std::string_view id) const;
  [[nodiscard]] const protocol::Tool* tool(std::string_view id) const;  ///< what it may post and read
  [[nodiscard]] const protocol::Contract* contract() const { return contract_ ? &*contract_ : nullptr; }
  [[nodiscard]] const std::vector<protocol::Charter>& charters() const { return charters_; }
  [[nodiscard]] std::vector<const protocol::Member*> members() const;
  [[nodiscard]] std::vector<const protocol::Queue*> queues() const;
  /// Queues of one kind that cover or lie in a territory: where a form goes, whose auditors a note is sealed to.
  [[nodiscard]] std::vector<const protocol::Queue*> queues_of(protocol::QueueKind kind,
                                                              std::string_view territory) const;

 private:
  KnownDirectory(protocol::VerifiedDirectory verified) : verified_(std::move(verified)) {}
  protocol::VerifiedDirectory verified_;
  std::vector<ProvenEntry> entries_;
  std::map<std::string, protocol::Member, std::less<>> members_;
  std::map<crypto::SignPublic, std::string> by_sign_;
  std::map<std::string, protocol::Queue, std::less<>> queues_;
  std::map<std::string, protocol::Tool, std::less<>> tools_;
  std::vector<protocol::Charter> charters_;
  std::optional<protocol::Contract> contract_;
};

/// What differs between two versions for this member ("members see changes of their instances until acknowledged").
struct DirectoryChange {
  enum class What { appeared, changed, revoked, gone } what = What::changed;
  protocol::EntryType type = protocol::EntryType::member;
  std::string id;
  DirectoryNumber number{};
};
[[nodiscard]] std::vector<DirectoryChange> changes_between(const KnownDirectory& older, const KnownDirectory& newer);

}  // namespace pli::client
