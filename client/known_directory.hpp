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

class KnownDirectory {
 public:
  /// Checks each proof against the head's root. Errors: directory_unproven.
  [[nodiscard]] static Outcome<KnownDirectory> build(protocol::VerifiedDirectory verified,
                                                     std::vector<ProvenEntry> entries);

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
  [[nodiscard]] const protocol::Queue* queue(std::string_view id) const;
  [[nodiscard]] const protocol::Contract* contract() const { return contract_ ? &*contract_ : nullptr; }
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
