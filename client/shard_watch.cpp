#include "client/shard_watch.hpp"

#include "audit/inclusion.hpp"
#include "client/log_watch.hpp"
#include "client/receipts.hpp"

namespace pli::client {
namespace {

Failure forked(const char* words) { return {protocol::LocalCode::log_forked, words}; }

}  // namespace

Outcome<ShardStep> verify_shard_step(const protocol::ShardReply& reply, std::string_view origin,
                                     const protocol::Invitation& invitation,
                                     const protocol::AuthoritySet& authorities) {
  auto closed = verify_log_note(reply.closed, invitation.log, invitation.log_key);
  if (!closed || closed->head().origin != origin) return forked("a shard closed without its checkpoint");
  std::optional<audit::VerifiedCheckpoint> last_known;
  if (!reply.last_known.empty()) {
    auto lost = verify_log_note(reply.last_known, invitation.log, invitation.log_key);
    if (!lost) return forked("a shard rolled back without its last checkpoint");
    last_known = std::move(*lost);
  }
  auto first = verify_leaf_proof(reply.first, invitation.log, invitation.log_key);
  if (!first || first->receipt.index.value != 0) return forked("a shard whose first leaf is not proven");
  auto opened = verify_log_note(reply.first.checkpoint, invitation.log, invitation.log_key);
  if (!opened) return forked("a shard whose first leaf is not proven");
  const audit::Leaf& leaf = first->receipt.leaf;
  protocol::ShardChange change;
  change.closed = closed->head();
  if (last_known) change.last_known = last_known->head();
  change.order = reply.order;
  change.first = leaf;
  change.opened = opened->head().origin;
  const auto opening = protocol::verify_shard_change(change, invitation.contract, invitation.log, authorities);
  if (!opening)
    return local(protocol::LocalCode::log_forked, {opening.error().code, "a shard's end: " + opening.error().detail});
  return ShardStep{std::move(*closed), std::move(last_known), reply.order, std::move(*opened), *leaf.directory};
}

AtItsEnd compare_with_end(const ShardStep& step, TreeSize size, const Digest& root,
                          std::span<const Digest> consistency) {
  const audit::VerifiedCheckpoint& closed = step.closed;
  if (size <= closed.size()) {
    const bool prefix =
        size.value == 0 ||
        (size == closed.size()
             ? root == closed.root()
             : audit::verify_consistency(size, root, closed.size(), closed.root(), consistency).has_value());
    return prefix ? AtItsEnd::stands : AtItsEnd::contradicts;
  }
  if (!step.last_known || size > step.last_known->size()) return AtItsEnd::contradicts;
  if (size == step.last_known->size() && root != step.last_known->root()) return AtItsEnd::contradicts;
  return AtItsEnd::given_up;
}

}  // namespace pli::client
