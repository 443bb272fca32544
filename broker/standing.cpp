#include "broker/standing.hpp"

#include <algorithm>

#include "audit/checkpoint.hpp"
#include "broker/outside_file.hpp"
#include "protocol/shard_order.hpp"

namespace pli::broker {
namespace {

Result<audit::TreeHead> head_of(std::string_view note) {
  const auto parsed = audit::parse_note(note);
  if (!parsed) return parsed.error();
  return audit::parse_tree_head(parsed->text);
}

/// Of a closed shard; zero for the current one, which counts its own.
TreeSize closing_size(const ShardRow& row) {
  const auto head = head_of(row.end.closed);
  return head ? head->size : TreeSize{};
}

}  // namespace

Result<Compared> compare_with_outside(const audit::OutsideSlot& outside, std::string_view log,
                                      const crypto::SignPublic& log_key, std::span<const StoredShard> shards,
                                      const std::function<Result<Digest>(ShardNumber, TreeSize)>& root_at) {
  const Compared foreign{Standing::foreign, "the outside checkpoint is not signed by this log"};
  const auto claimed = head_of(outside.note);
  if (!claimed || shards.empty()) return foreign;
  const auto name = protocol::shard_of(claimed->origin, log);
  const audit::VerifierKey key{claimed->origin, audit::KeyType::ed25519, log_key};
  if (!name || !audit::verify_checkpoint(outside.note, key)) return foreign;

  const auto found = std::find_if(shards.begin(), shards.end(),
                                  [&](const StoredShard& shard) { return shard.row.origin == claimed->origin; });
  if (found == shards.end()) {
    const auto newest = protocol::shard_of(shards.back().row.origin, log);
    if (newest && *name < *newest) return foreign;
    return Compared{Standing::before_its_shard, "the database ends with " + shards.back().row.origin +
                                                    " and was copied before " + claimed->origin +
                                                    " was opened, which was published since"};
  }
  if (!found->row.end.last_known.empty()) {
    const auto given_up = head_of(found->row.end.last_known);
    if (given_up && *given_up == *claimed) return Compared{};
  }
  auto extends =
      demand_extension(outside, key, found->size, [&](TreeSize size) { return root_at(found->row.number, size); });
  if (extends) return Compared{};
  if (extends.error().code != Errc::conflict) return extends.error();
  const bool current = found + 1 == shards.end();
  const bool shorter = found->size < claimed->size;
  return Compared{current && shorter ? Standing::rolled_back : Standing::other_history, extends.error().detail};
}

Result<Compared> compare_with_outside(const audit::OutsideSlot& outside, std::string_view log,
                                      const crypto::SignPublic& log_key, const Store& store) {
  std::vector<StoredShard> shards;
  for (ShardRow& row : store.shards()) {
    const TreeSize size = row.number == store.shard() ? store.tree_size() : closing_size(row);
    shards.push_back({std::move(row), size});
  }
  return compare_with_outside(outside, log, log_key, shards, [&](ShardNumber shard, TreeSize size) {
    return audit::root_at(size, store.nodes(shard));
  });
}

}  // namespace pli::broker
