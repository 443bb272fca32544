// The directory (annuaire): who may do what with which keys, version by version, signed by k of n authority keys
// (design §4). A version is a signed note over the RFC 6962 root of its salted entries. docs/protocol.md, "Directory".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note.hpp"
#include "audit/tree.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "crypto/identity.hpp"
#include "protocol/seances.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

/// Entry types: new ones are new rows, not layouts.
enum class EntryType : std::uint8_t { contrat = 1, queue = 2, member = 3, charte = 4, policy = 5, outil = 6 };
[[nodiscard]] std::string_view text_of(EntryType type);

/// u8 1 ‖ salt (16) ‖ u8 type ‖ string8 id ‖ u16 n ‖ n × (string8 name, u16-prefixed value), in the writer's order.
/// Ids: contrat: the contract id; queue: "ged/89"; member: a token; outil: that of its member.
struct Entry {
  ByteArray<16> salt{};
  EntryType type = EntryType::member;
  std::string id;
  std::vector<std::pair<std::string, Bytes>> attributes;

  void add(std::string name, ByteView value) { attributes.emplace_back(std::move(name), to_bytes(value)); }
  void add(std::string name, std::string_view value) { attributes.emplace_back(std::move(name), to_bytes(value)); }
  [[nodiscard]] const Bytes* find(std::string_view name) const;
  [[nodiscard]] std::string text(std::string_view name) const;  ///< empty when absent
  [[nodiscard]] std::vector<std::string> texts(std::string_view name) const;
  bool operator==(const Entry&) const = default;
};
[[nodiscard]] Bytes encode(const Entry& entry);
/// Names are [a-z0-9-]{1,32}. Errors: invalid_input, over_limit. Whatever decodes encodes to the same bytes.
[[nodiscard]] Result<Entry> decode_entry(ByteView bytes);
/// SHA-256("pli-entry/1" ‖ entry bytes): the data of its tree leaf.
[[nodiscard]] Digest entry_commitment(ByteView entry_bytes);

/// The text of a version's note:
///   pli-directory/1
///   contract <id>
///   number <n>
///   previous <hex>          digest of the version before; zeros for the first
///   not-after <ms>
///   threshold <k>
///   authority <vkey>        one line each, 1 to 16
///   entries <count>
///   root <hex>
struct DirectoryHead {
  std::string contract;
  DirectoryNumber number{};
  Digest previous{};
  UnixMillis not_after{};
  std::size_t threshold = 1;
  std::vector<audit::VerifierKey> authorities;
  std::uint64_t entries = 0;
  Digest root{};
  bool operator==(const DirectoryHead&) const = default;
};
[[nodiscard]] std::string to_text(const DirectoryHead& head);
/// What parses prints to the same text. Errors: invalid_input, over_limit.
[[nodiscard]] Result<DirectoryHead> parse_directory_head(std::string_view note_text);
/// SHA-256 of the note's text: what the next version and the log name.
[[nodiscard]] Digest directory_digest(std::string_view note_text);

/// What a client starts from: the invitation's authorities, or the version it last verified.
struct AuthoritySet {
  std::size_t threshold = 1;
  std::vector<audit::VerifierKey> keys;
  bool operator==(const AuthoritySet&) const = default;
};
/// 1 to authorities_max Ed25519 keys, each once, and 1 ≤ threshold ≤ their number.
[[nodiscard]] bool is_usable(const AuthoritySet& authorities);
[[nodiscard]] AuthoritySet authorities_of(const DirectoryHead& head);  ///< what the next version must be signed by

/// A version whose k signatures were checked. Only verify_directory_note makes one.
class VerifiedDirectory {
 public:
  [[nodiscard]] const DirectoryHead& head() const { return head_; }
  [[nodiscard]] const Digest& digest() const { return digest_; }
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  VerifiedDirectory() = default;
  friend Result<VerifiedDirectory> verify_directory_note(std::string_view, const AuthoritySet&,
                                                         const VerifiedDirectory*);
  DirectoryHead head_;
  Digest digest_{};
  std::string note_;
};
/// Checks k of `trusted`, and, where the authorities or k change, k of the new ones too. With `previous`, the number
/// must be greater; when it is the next one, `previous` must be its digest. Nothing is said about time: `not_after` is
/// the caller's to compare. Who missed a change of authorities must be shown the versions between.
/// Errors: invalid_input, over_limit, authentication_failed, conflict.
[[nodiscard]] Result<VerifiedDirectory> verify_directory_note(std::string_view note, const AuthoritySet& trusted,
                                                              const VerifiedDirectory* previous);
/// One entry as a client receives it: proven against the version's root, then decoded. `position` is its place in the
/// order (type, id). Errors: invalid_input, authentication_failed.
[[nodiscard]] Result<Entry> verify_entry(const VerifiedDirectory& directory, std::uint64_t position, ByteView entry,
                                         std::span<const Digest> proof);

/// A member entry, read. Attributes: person, organisation, role*, territory, seat* (queue ids), label, not-before,
/// not-after (ms), curve, sign, age (32 bytes each), former-curve*, former-sign*, former-age*, revoked (ms).
/// Times are decimal text. Attributes a reader does not know are skipped, here and in the other entries.
struct Member {
  std::string id;
  std::string person;  ///< one natural person; for a tool, the person who answers for it
  std::string organisation;
  Roles roles;
  std::string territory;  ///< département or commune code, lower case
  std::vector<std::string> seats;
  std::string label;  ///< how people recognise the holder; never a person concerned
  UnixMillis not_before{};
  UnixMillis not_after{};
  crypto::PublicIdentity keys;
  std::vector<crypto::CurvePublic> former_curve;
  std::vector<crypto::SignPublic> former_sign;
  std::vector<crypto::AgePublic> former_age;
  std::optional<UnixMillis> revoked_at;

  [[nodiscard]] bool valid_at(UnixMillis now) const { return !revoked_at && not_before <= now && now < not_after; }
  bool operator==(const Member&) const = default;
};
/// Errors: invalid_input (missing attribute, an auditor with another role, a seat that is no queue…).
[[nodiscard]] Result<Member> read_member(const Entry& entry);
[[nodiscard]] Entry write_member(const Member& member, const ByteArray<16>& salt);

/// A queue entry, read. Attributes: territory, organisation (org queues), key* (32 bytes each, sorted, distinct); of an
/// instance seance-from, seance-every, seance-added*, seance-struck* (protocol/seances.hpp): the first two or none.
struct Queue {
  std::string id;
  QueueKind kind = QueueKind::ged;
  std::string territory;
  std::string organisation;
  std::vector<crypto::AgePublic> keys;
  std::optional<SeanceCalendar> seances = std::nullopt;  ///< of an instance whose authority has set its days
  bool operator==(const Queue&) const = default;
};
[[nodiscard]] Result<Queue> read_queue(const Entry& entry);
[[nodiscard]] Entry write_queue(const Queue& queue, const ByteArray<16>& salt);
/// SHA-256("pli-roster/1" ‖ string8 queue id ‖ u16 n ‖ n × key). Keys sorted.
[[nodiscard]] Digest roster_digest(const Queue& queue);

/// The contract entry. Attributes: title, party*, territory (and, where communes limit it, once more for each), starts,
/// ends (ms, excluded), engagement* ("name days"), volet*, referent*. What each means: protocol/contract.hpp.
struct Contract {
  std::string id;
  std::string title;
  std::vector<std::string> parties;
  std::string territory;
  UnixMillis starts{};
  UnixMillis ends{};
  std::vector<std::string> engagements;
  std::vector<std::string> communes = {};   ///< of `territory`, to which it is limited; empty: all of it
  std::vector<Volet> volets = {};           ///< empty: written before volets were named; limits nothing
  std::vector<std::string> referents = {};  ///< whom to call: one line each, for people
  bool operator==(const Contract&) const = default;
};
[[nodiscard]] Result<Contract> read_contract(const Entry& entry);
[[nodiscard]] Entry write_contract(const Contract& contract, const ByteArray<16>& salt);

/// A tool entry, read: what a member with the role `outil` may post, where, and what it may read. A tool without one
/// has no right to either. Attributes: volet, kind*, post*, read* (queue ids).
struct Tool {
  std::string id;  ///< of its member entry
  Volet volet = Volet::transport;
  std::vector<Kind> kinds;
  std::vector<std::string> posts;
  std::vector<std::string> reads;
  bool operator==(const Tool&) const = default;
};
[[nodiscard]] Result<Tool> read_tool(const Entry& entry);
[[nodiscard]] Entry write_tool(const Tool& tool, const ByteArray<16>& salt);

/// A charter entry, read: what préfet, maire and procureur signed for a commune, without which nothing nominative is
/// given to its maire (design §10). Attributes: territory, party*, not-before, not-after (ms, excluded).
struct Charter {
  std::string id;
  std::string territory;
  std::vector<std::string> parties;
  UnixMillis not_before{};
  UnixMillis not_after{};

  [[nodiscard]] bool in_force_at(UnixMillis now) const { return not_before <= now && now < not_after; }
  bool operator==(const Charter&) const = default;
};
[[nodiscard]] Result<Charter> read_charter(const Entry& entry);
[[nodiscard]] Entry write_charter(const Charter& charter, const ByteArray<16>& salt);

/// One whole version in memory, indexed: what the broker decides by and the authority edits.
/// Immutable once built; share it by shared_ptr.
class Directory {
 public:
  /// `entries` in any order; sorted here by (type, id). Checks every entry, that no public key stands in two entries,
  /// and that each queue's roster is exactly the age keys of the members seated there and not revoked.
  /// An audit queue seats auditors alone, and auditors sit nowhere else. Every seat's queue has an entry. A tool's
  /// entry is of a member with that role, which sits only where it may read. Errors: invalid_input, conflict,
  /// over_limit.
  [[nodiscard]] static Result<std::shared_ptr<const Directory>> build(std::vector<Entry> entries);
  /// The same, and the root and count must be the verified head's, the contract entry its contract's, and no authority
  /// key a member's. Errors: also authentication_failed.
  [[nodiscard]] static Result<std::shared_ptr<const Directory>> build(std::vector<Entry> entries,
                                                                      VerifiedDirectory verified);

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] const Bytes& entry_bytes(std::size_t position) const { return encoded_[position]; }
  [[nodiscard]] Digest root() const { return tree_.root(); }
  [[nodiscard]] Result<std::vector<Digest>> prove(std::size_t position) const;  ///< inclusion of one entry
  [[nodiscard]] const std::optional<VerifiedDirectory>& verified() const { return verified_; }
  [[nodiscard]] DirectoryNumber number() const;  ///< 0 when unsigned

  [[nodiscard]] const Member* member(std::string_view id) const;
  [[nodiscard]] const Member* member_by_curve(const crypto::CurvePublic& key) const;  ///< current or former key
  [[nodiscard]] const Member* member_by_sign(const crypto::SignPublic& key) const;
  [[nodiscard]] const Queue* queue(std::string_view id) const;
  [[nodiscard]] const Contract* contract() const;
  [[nodiscard]] const Tool* tool(std::string_view id) const;
  [[nodiscard]] const Charter* charter(std::string_view id) const;
  [[nodiscard]] std::vector<const Charter*> charters() const;
  [[nodiscard]] std::vector<const Member*> members() const;
  [[nodiscard]] std::vector<const Queue*> queues() const;
  [[nodiscard]] std::vector<const Member*> seated(std::string_view queue_id) const;  ///< not revoked
  [[nodiscard]] std::optional<std::size_t> position_of(EntryType type, std::string_view id) const;

 private:
  Directory() = default;
  std::vector<Entry> entries_;
  std::vector<Bytes> encoded_;
  audit::MemoryTree tree_;
  std::map<std::string, Member, std::less<>> members_;
  std::map<std::string, Queue, std::less<>> queues_;
  std::map<std::string, Tool, std::less<>> tools_;
  std::map<std::string, Charter, std::less<>> charters_;
  std::map<std::string, std::vector<const Member*>, std::less<>> seated_;  // into members_
  std::map<crypto::CurvePublic, std::string> by_curve_;
  std::map<crypto::SignPublic, std::string> by_sign_;
  std::optional<Contract> contract_;
  std::optional<VerifiedDirectory> verified_;
};

/// A version as it travels to the broker: u32 n ‖ n × u32-prefixed entry bytes. Entries not in it stay as they were;
/// an entry never disappears (a revoked member keeps its keys out of reach for ever).
[[nodiscard]] Bytes encode_bundle(const std::vector<Bytes>& entries);
[[nodiscard]] Result<std::vector<Bytes>> decode_bundle(ByteView bytes);
/// Applies changed entries to a version. A member entry keeps its person and every key it ever held, and a revocation
/// stands for ever. Errors: invalid_input, over_limit.
[[nodiscard]] Result<std::vector<Entry>> apply_bundle(const std::vector<Entry>& current,
                                                      const std::vector<Bytes>& changed);

}  // namespace pli::protocol
