// What came in: headers of the queues this member sits in, each queue a hash chain walked from the last known head, so
// that nothing is withheld, reordered or shown twice (P8).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/session.hpp"

namespace pli::client {

/// Headers the broker may push before it is asked for more.
inline constexpr std::uint32_t follow_credit = 1024;

/// One header, checked: digests, chain, signature.
struct InboxItem {
  std::string queue;
  audit::QueueHead head;
  protocol::ExchangeId exchange{};
  bool visible = true;         ///< false: not on its roster; only its place in the chain is known
  bool sender_proven = false;  ///< the directory shows this signing key as this sender's
  protocol::Address address;   ///< of a visible item
  protocol::Seal seal;
  crypto::Signature signature{};
  UnixMillis accepted_at{};
  bool acknowledged = false;
  bool opened = false;  ///< by this profile
};

class Inbox {
 public:
  /// `session` must outlive it.
  explicit Inbox(Session& session) : session_(session) {}

  /// Brings one queue up to date and returns what is new; the cursor and head are kept before it returns, so the same
  /// header is never new twice. Has the newest header's number and head proven in the log.
  /// Errors: queue_withheld (chain broken, shorter than known, proof with another number or head; evidence kept),
  /// bad signature or digest of a header likewise; refusals, unreachable, local_store.
  [[nodiscard]] Outcome<std::vector<InboxItem>> refresh(const std::string& queue);
  /// All seats, one after another. Stops at the first error.
  [[nodiscard]] Outcome<std::vector<InboxItem>> refresh();

  /// Waits for headers and hands each new one over once, until `on_item` returns false, or `idle` has passed without
  /// any.
  using OnItem = std::function<bool(const InboxItem&)>;
  [[nodiscard]] Outcome<void> follow(const OnItem& on_item, std::chrono::milliseconds idle);

  /// Everything up to this item has been dealt with. Cumulative. Errors: usage (not in any queue of mine), refusals.
  [[nodiscard]] Outcome<void> acknowledge(const protocol::ExchangeId& exchange);

 private:
  [[nodiscard]] Outcome<audit::QueueHead> known_head(const std::string& queue) const;
  /// Checks headers against the chain and keeps those that are new.
  [[nodiscard]] Outcome<std::vector<InboxItem>> take_in(const std::string& queue,
                                                        const std::vector<protocol::QueueItem>& shown);
  [[nodiscard]] Outcome<std::vector<InboxItem>> take_push(const protocol::Pushed& push, std::uint32_t& credit);
  /// The newest of ours in a batch, its number and head, as the log committed to them.
  [[nodiscard]] Outcome<void> prove(const std::string& queue, const std::vector<InboxItem>& batch);
  Session& session_;
};

/// What the profile has received so far, newest last, without a connection. An empty queue means every queue.
[[nodiscard]] Outcome<std::vector<InboxItem>> received(const Profile& profile, const std::string& queue = {});
[[nodiscard]] Outcome<std::optional<InboxItem>> find_received(const Profile& profile,
                                                              const protocol::ExchangeId& exchange);

}  // namespace pli::client
