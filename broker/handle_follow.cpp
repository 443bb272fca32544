// follow: headers as they arrive, under the follower's credit.
#include <algorithm>

#include "broker/core_state.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;

/// Cuts what is to be sent into messages; the first answers the request where there is one to answer.
class CoreState::PushWriter {
 public:
  PushWriter(const Peer& peer, std::uint64_t request_id, bool answers, std::vector<Outgoing>& out)
      : peer_(peer), request_id_(request_id), answers_(answers), out_(out) {}
  void add(protocol::QueueItem item) {
    const std::size_t size = header_bytes(item);
    if (pushed_.items.size() == protocol::list_items_max ||
        (bytes_ + size > protocol::list_bytes_max && !pushed_.items.empty()))
      send();
    bytes_ += size;
    pushed_.items.push_back(std::move(item));
  }
  void finish() {
    if (answers_ || !pushed_.items.empty()) send();
  }

 private:
  void send() {
    out_.push_back({peer_, {request_id_, std::move(pushed_)}, answers_});
    answers_ = false;
    pushed_ = {};
    bytes_ = 0;
  }
  const Peer& peer_;
  std::uint64_t request_id_;
  bool answers_;
  std::vector<Outgoing>& out_;
  protocol::Pushed pushed_;
  std::size_t bytes_ = 0;
};

std::size_t header_bytes(const protocol::QueueItem& item) {
  constexpr std::size_t framing = 200;  // ids, head, signature, numbers, and protobuf's own bytes
  return framing + item.queue.size() + item.address.size() + item.seal.size();
}

Outcome CoreState::follow(Batch& batch, const Caller& caller, protocol::Follow& request, Asked& asked) {
  if (request.queues.size() > protocol::follow_queues_max) return deny(Code::too_large, "queues");
  if (request.credit > protocol::follow_credit_max) return deny(Code::too_large, "credit");
  for (const protocol::FollowFrom& from : request.queues) {
    asked.queue = from.queue;
    if (auto refused = refuse_queue(caller.member, from.queue, batch.now)) return *std::move(refused);
  }
  return Answer{protocol::Pushed{}, {}, {}, {}, std::move(request)};
}

void CoreState::start_following(const Pending& pending, const protocol::Follow& request, UnixMillis now,
                                std::size_t& headers_left, std::vector<Outgoing>& out) {
  forget(pending.peer, std::nullopt);
  PushWriter writer(pending.peer, pending.request_id, true, out);
  Follower follower;
  follower.request_id = pending.request_id;
  follower.credit = request.credit;
  for (const protocol::FollowFrom& from : request.queues) follower.after[from.queue] = from.after;
  const protocol::Member* member = reader(pending.peer, follower, now);
  if (member == nullptr) {
    writer.finish();
    return;
  }
  for (const auto& [queue, after] : follower.after) followed_[queue].insert(pending.peer);
  // One page with the answer; catch_up() brings the rest.
  headers_left -= read_on(*member, follower, std::min(headers_left, protocol::list_items_max), writer);
  writer.finish();
  if (has_backlog(follower)) behind_.insert(pending.peer);
  followers_.emplace(pending.peer, std::move(follower));
}

std::size_t CoreState::read_on(const protocol::Member& member, Follower& follower, std::size_t headers,
                               PushWriter& writer) {
  std::size_t left = std::min<std::size_t>(headers, follower.credit);
  const std::size_t wanted = left;
  for (auto& [queue, after] : follower.after) {
    const QueueState* state = find_queue(queue);
    while (state != nullptr && left > 0 && after < state->shown_head().number) {
      const auto rows = store_.links(state->key, after, std::min(left, protocol::list_items_max));
      if (rows.empty()) break;
      for (const ExchangeRow& row : rows) {
        if (row.head.number > state->shown_head().number) break;
        const ExchangeFacts facts = facts_of(row);
        const bool visible = decide(Act::deliver, member, facts, relations(member, facts)).allowed;
        writer.add(item_of(row, queue, visible));
        after = row.head.number;
        --left;
      }
    }
  }
  const std::size_t read = wanted - left;
  follower.credit -= static_cast<std::uint32_t>(read);
  return read;
}

bool CoreState::has_backlog(const Follower& follower) const {
  if (follower.credit == 0) return false;
  return std::any_of(follower.after.begin(), follower.after.end(), [&](const auto& place) {
    const QueueState* state = find_queue(place.first);
    return state != nullptr && place.second < state->shown_head().number;
  });
}

const protocol::Member* CoreState::seated(const Peer& peer, const std::string& queue, UnixMillis now) const {
  const protocol::Member* member = directory_->member_by_curve(peer.key);
  if (member == nullptr || member->keys.curve != peer.key || !member->valid_at(now)) return nullptr;
  if (is_suspended(*member, now)) return nullptr;
  return sits_in(*member, queue) && may_read(*member, queue) ? member : nullptr;
}

const protocol::Member* CoreState::reader(const Peer& peer, const Follower& follower, UnixMillis now) const {
  if (directory_expired(now)) return nullptr;
  const protocol::Member* member = nullptr;
  for (const auto& [queue, after] : follower.after) {
    member = seated(peer, queue, now);
    if (member == nullptr) break;
  }
  return member;
}

Result<std::vector<Outgoing>> CoreState::catch_up(UnixMillis now) {
  if (dead_) return *dead_;
  std::vector<Outgoing> out;
  std::size_t headers_left = protocol::follow_batch_headers_max;
  for (std::size_t turns = behind_.size(); turns > 0 && headers_left > 0; --turns) {
    auto next = last_caught_up_ ? behind_.upper_bound(*last_caught_up_) : behind_.begin();
    if (next == behind_.end()) next = behind_.begin();
    const Peer peer = *next;
    last_caught_up_ = peer;
    Follower& follower = followers_.find(peer)->second;
    const protocol::Member* member = reader(peer, follower, now);
    if (member == nullptr) {
      forget(peer, std::nullopt);
      continue;
    }
    PushWriter writer(peer, follower.request_id, false, out);
    const std::size_t read = read_on(*member, follower, std::min(headers_left, protocol::list_items_max), writer);
    writer.finish();
    headers_left -= read;
    // Nothing read: the store has failed, which the next batch tells.
    if (read == 0 || !has_backlog(follower)) behind_.erase(peer);
  }
  if (auto failed = store_.fault()) return *failed;
  return out;
}

void CoreState::push_arrived(Batch& batch, std::vector<Outgoing>& out) {
  std::vector<Peer> gone;
  for (const auto& [queue, items] : batch.arrived) {
    const auto followed = followed_.find(queue);
    if (followed == followed_.end()) continue;
    for (const Peer& peer : followed->second) {
      Follower& follower = followers_.find(peer)->second;
      // Rights are those of this moment: a version accepted in this very batch counts.
      const protocol::Member* member = seated(peer, queue, batch.now);
      if (member == nullptr) {
        gone.push_back(peer);
        continue;
      }
      QueueNumber& after = follower.after.find(queue)->second;
      PushWriter writer(peer, follower.request_id, false, out);
      for (const NewItem& arrived : items) {
        // Only what comes next: who is behind gets it in its turn, and whose credit ran out asks again.
        if (follower.credit == 0 || arrived.item.head.number.value != after.value + 1) continue;
        if (decide(Act::deliver, *member, arrived.facts, relations(*member, arrived.facts)).allowed) {
          writer.add(arrived.item);
        } else {
          protocol::QueueItem hidden;
          hidden.queue = arrived.item.queue;
          hidden.head = arrived.item.head;
          hidden.exchange = arrived.item.exchange;
          hidden.visible = false;
          writer.add(std::move(hidden));
        }
        after = arrived.item.head.number;
        --follower.credit;
      }
      writer.finish();
    }
  }
  for (const Peer& peer : gone) forget(peer, std::nullopt);
}

void CoreState::forget(const Peer& peer, std::optional<std::uint64_t> follow) {
  const auto follower = followers_.find(peer);
  if (follower == followers_.end() || follow.value_or(follower->second.request_id) != follower->second.request_id)
    return;
  for (const auto& [queue, after] : follower->second.after) {
    const auto followed = followed_.find(queue);
    followed->second.erase(peer);
    if (followed->second.empty()) followed_.erase(followed);
  }
  followers_.erase(follower);
  behind_.erase(peer);
}

}  // namespace pli::broker
