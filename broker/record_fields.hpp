// What a record says and to whom: the names, their order, and which fields each party is shown. docs/storage.md,
// "Records".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/queue_chain.hpp"
#include "audit/record.hpp"
#include "broker/leaf_place.hpp"
#include "protocol/directory.hpp"

namespace pli::broker {

/// What was asked, as far as it is known: the same whether it is done or refused. Views into the request.
struct Asked {
  std::string_view act;
  std::optional<Digest> exchange;
  std::optional<Digest> case_id;
  std::optional<Digest> reply_to;
  std::string_view queue;
  std::string_view kind;
  std::string_view motif;
  std::string_view code;
  ByteView note;
  std::string_view urgency;              ///< of an urgent exchange; empty = normale
  std::string_view date;                 ///< the day in its attributes
  std::optional<UnixMillis> created_at;  ///< by its sender's word
  std::string handling;                  ///< its conditions joined by `,`, or `-`; empty = not known, no field
  std::optional<Digest> recipients;
  std::optional<crypto::SignPublic> key;
  std::string_view member;  ///< who is suspended
  std::string_view shard;   ///< whose journal was read, when it is not the current one's
  ByteView statement;
  std::string_view statistics;          ///< of a month, the text
  std::string terms;                    ///< how long cases are kept, and by which act
  std::optional<UnixMillis> erased_at;  ///< of an exchange: in the store; and no backup opens it from `backups_at` on
  std::optional<UnixMillis> backups_at;
  std::optional<UnixMillis> shown_at;  ///< of what is withheld from the queue it was sent to
  const crypto::Signature* signature = nullptr;
};

/// What became of it.
struct Decided {
  std::string_view outcome = "ok";
  std::string_view rule;
  DirectoryNumber directory{};
  std::optional<audit::QueueHead> head;
  std::string range;  ///< "from,to"
  std::optional<std::uint64_t> count;
};

/// `actor` may be null: input from nobody, and the broker's own first leaf.
[[nodiscard]] audit::Record make_record(const protocol::Member* actor, const Asked& asked, const Decided& decided);

/// The fields each party is shown. Who sits in the queue and is not shown a header is shown what tells him that it is
/// hidden rightly: whom it was sealed to, what its sender asked for, its kind, or that his own side sent it.
enum class Shown {
  sender,
  queue_member,
  hidden,
  hidden_by_condition,
  hidden_by_kind,
  hidden_from_sender,
  opener,
  directory_holder,
  erasure
};
[[nodiscard]] const std::vector<std::string_view>& shown_to(Shown party);

/// As the store keeps it: names as one byte, short lengths as one.
///   u8 1 ‖ seed (32) ‖ u8 count ‖ count × (u8 name, its position in the list of names from 1, or 0 ‖ string8 name;
///   u8 length, or 255 ‖ u32 length; value)
[[nodiscard]] Bytes pack(const audit::Record& record);
/// Errors: corruption.
[[nodiscard]] Result<audit::Record> unpack(ByteView packed);

/// What is kept in clear of a record whose month is erased: some fields shown, the rest behind their commitments.
///   u8 2 ‖ disclosure (audit/record.hpp)
[[nodiscard]] Bytes pack(const audit::Disclosure& disclosure);
/// Nothing for what is none. Every shown field was checked against its commitment.
[[nodiscard]] std::optional<audit::Disclosure> unpack_disclosure(ByteView packed);

/// In place of the month whose key a stored record is boxed under: it stands packed, in clear.
inline constexpr std::uint32_t record_in_clear = 0;
/// The record as it stands in the store. Errors: not_found (its month's key is not there), authentication_failed,
/// corruption.
[[nodiscard]] Result<audit::Record> open_record(std::uint32_t month, ByteView bound, ByteView stored,
                                                const std::optional<ByteView>& key);

/// Acts of nobody, whose records hold no personal data and are kept in clear for as long as their leaf: what was
/// erased, how long cases are kept, what a month came to and how a shard begins must be readable when the journal's
/// records are gone. A shard's first leaf is proven to whoever comes from the shard before, however late.
inline constexpr std::string_view act_init = "init";
inline constexpr std::string_view act_erase = "erase";
inline constexpr std::string_view act_erase_exchange = "erase_exchange";
inline constexpr std::string_view act_terms = "terms";
inline constexpr std::string_view act_statistics = "statistics";
[[nodiscard]] bool is_kept_in_clear(const audit::Record& record);

/// The associated data a record is boxed with: "pli-record/1" ‖ u64 leaf key. Moved under another leaf it does not
/// open.
[[nodiscard]] Bytes record_binding(const LeafPlace& place);

}  // namespace pli::broker
