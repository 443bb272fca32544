// Shards: one log in several trees, one after the other (design §8). How they are named, what the first leaf of one
// says of the end of the one before, and the authority's signed order without which none ends short of what was
// published. Pure; safe on hostile input. docs/protocol.md, "Shards".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/checkpoint.hpp"
#include "audit/leaf.hpp"
#include "audit/shard_name.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "protocol/directory.hpp"

namespace pli::protocol {

using audit::parse_shard_name;
using audit::ShardName;
[[nodiscard]] std::string to_text(const ShardName& name);
/// The shard of `origin`, which is log "/" shard. Nothing for another log's.
[[nodiscard]] std::optional<ShardName> shard_of(std::string_view origin, std::string_view log);
/// The first of `year` when that is later than the one before, else the next of the same year. Nothing past 9999.
[[nodiscard]] std::optional<ShardName> shard_after(const ShardName& before, std::uint32_t year);

/// A tree as notes and leaves name it within a shard they name beside it.
struct TreeMark {
  TreeSize size{};
  Digest root{};
  bool operator==(const TreeMark&) const = default;
};

/// The text of an order's note:
///   pli-order/1
///   contract <id>
///   log <name>
///   closes <origin>
///   last <size> <root hex>        the last known checkpoint: the broker's outside file's
///   restored <size> <root hex>    what stands of it: smaller
///   opens <origin>                the next number of the same year
///   created <ms>
struct RollbackOrder {
  std::string contract;
  std::string log;
  std::string closes;
  TreeMark last;
  TreeMark restored;
  std::string opens;
  UnixMillis created{};
  bool operator==(const RollbackOrder&) const = default;
};
[[nodiscard]] std::string to_text(const RollbackOrder& order);
/// What parses prints to the same text. Errors: invalid_input.
[[nodiscard]] Result<RollbackOrder> parse_rollback_order(std::string_view note_text);
/// SHA-256 of the note's text: what the first leaf names.
[[nodiscard]] Digest order_digest(std::string_view note_text);

/// An order whose k signatures were checked. Only verify_order_note makes one.
class VerifiedOrder {
 public:
  [[nodiscard]] const RollbackOrder& order() const { return order_; }
  [[nodiscard]] const Digest& digest() const { return digest_; }

 private:
  VerifiedOrder() = default;
  friend Result<VerifiedOrder> verify_order_note(std::string_view note, const AuthoritySet& authorities);
  RollbackOrder order_;
  Digest digest_{};
};
/// Checks that k of `authorities` signed, and none of them wrongly. It has no term: it names two trees, and fits
/// nothing else. Errors: invalid_input, over_limit (order_bytes_max), authentication_failed.
[[nodiscard]] Result<VerifiedOrder> verify_order_note(std::string_view note, const AuthoritySet& authorities);

/// What the broker writes for the authority to sign; unsigned, and proves nothing:
///   pli-order-request/1, the order's lines from `contract` to `opens`, then
///   newest <ms>     time of the newest leaf that stands
///   created <ms>    when it was written
struct RollbackRequest {
  RollbackOrder order;  ///< `created` is the request's; the signed order has its own
  UnixMillis newest{};
  bool operator==(const RollbackRequest&) const = default;
};
[[nodiscard]] std::string to_text(const RollbackRequest& request);
/// What parses prints to the same text. Errors: invalid_input.
[[nodiscard]] Result<RollbackRequest> parse_rollback_request(std::string_view text);

/// The statement of a shard's first leaf, other than the log's very first:
///   shard <origin before> <size> <root hex>[ last <size> <root hex> order <hex>]
struct ShardOpening {
  struct Lost {
    TreeMark last;   ///< the last known checkpoint beyond `closed`
    Digest order{};  ///< order_digest
    bool operator==(const Lost&) const = default;
  };
  std::string previous;
  TreeMark closed;           ///< all that stands of it
  std::optional<Lost> lost;  ///< of one rolled back
  bool operator==(const ShardOpening&) const = default;
};
[[nodiscard]] std::string to_text(const ShardOpening& opening);
/// What parses prints to the same text. Errors: invalid_input.
[[nodiscard]] Result<ShardOpening> parse_shard_opening(std::string_view statement);

/// The end of one shard and the beginning of the next, as `shard` answers it (ShardReply).
struct ShardChange {
  audit::TreeHead closed;                     ///< its checkpoint verified under the log's key
  std::optional<audit::TreeHead> last_known;  ///< likewise; of a shard rolled back
  std::string order;                          ///< note; empty when nothing was rolled back
  audit::Leaf first;                          ///< proven as leaf 0 of…
  std::string opened;                         ///< …this origin
};
/// Checks that leaf, checkpoints and order say the same: the leaf follows `closed`, and what was lost beyond it was
/// given up by k of `authorities`. The log's signatures and the leaf's proof are the caller's to check before.
/// Errors: invalid_input, over_limit, authentication_failed (the order), conflict (they contradict each other).
[[nodiscard]] Result<ShardOpening> verify_shard_change(const ShardChange& change, std::string_view contract,
                                                       std::string_view log, const AuthoritySet& authorities);

}  // namespace pli::protocol
