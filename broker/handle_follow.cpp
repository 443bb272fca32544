// follow: headers as they arrive, under the follower's credit.
#include <algorithm>

#include "broker/core_state.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;

namespace {

/// Cuts what is to be sent into messages; the first answers the request where there is one to answer.
class PushWriter {
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

}  // namespace

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
                                std::vector<Outgoing>& out) {
  forget(pending.peer);
  PushWriter writer(pending.peer, pending.request_id, true, out);
  const protocol::Member* member = directory_->member_by_curve(pending.peer.key);
  // A version accepted later in this very batch may have taken the key or a seat: rights are those of this moment.
  if (member == nullptr || member->keys.curve != pending.peer.key || !member->valid_at(now)) {
    writer.finish();
    return;
  }
  Follower follower;
  follower.member = member->id;
  follower.request_id = pending.request_id;
  follower.credit = request.credit;
  for (const protocol::FollowFrom& from : request.queues) {
    if (std::find(member->seats.begin(), member->seats.end(), from.queue) == member->seats.end()) continue;
    QueueNumber& after = follower.after[from.queue];
    after = from.after;
    const QueueState* state = find_queue(from.queue);
    while (state != nullptr && follower.credit > 0 && after < state->head.number) {
      const auto rows =
          store_.links(state->key, after, std::min<std::size_t>(follower.credit, protocol::list_items_max));
      if (rows.empty()) break;
      for (const ExchangeRow& row : rows) {
        const ExchangeFacts facts = facts_of(row);
        const bool visible = decide(Act::deliver, *member, facts, relations(*member, facts)).allowed;
        writer.add(item_of(row, from.queue, visible));
        after = row.head.number;
        --follower.credit;
      }
    }
  }
  writer.finish();
  if (follower.after.empty()) return;
  for (const auto& [queue, after] : follower.after) followed_[queue].insert(pending.peer);
  followers_.emplace(pending.peer, std::move(follower));
}

void CoreState::push_arrived(Batch& batch, std::vector<Outgoing>& out) {
  std::vector<Peer> gone;
  for (const auto& [queue, items] : batch.arrived) {
    const auto followed = followed_.find(queue);
    if (followed == followed_.end()) continue;
    for (const Peer& peer : followed->second) {
      Follower& follower = followers_.find(peer)->second;
      // Rights are those of this moment: a version accepted in this very batch counts.
      const protocol::Member* member = directory_->member_by_curve(peer.key);
      const bool seated = member != nullptr && member->keys.curve == peer.key && member->valid_at(batch.now) &&
                          std::find(member->seats.begin(), member->seats.end(), queue) != member->seats.end();
      if (!seated) {
        gone.push_back(peer);
        continue;
      }
      QueueNumber& after = follower.after.find(queue)->second;
      PushWriter writer(peer, follower.request_id, false, out);
      for (const NewItem& arrived : items) {
        // Only what comes next: a follower whose credit ran out asks again from where it stands.
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
  for (const Peer& peer : gone) forget(peer);
}

void CoreState::forget(const Peer& peer) {
  const auto follower = followers_.find(peer);
  if (follower == followers_.end()) return;
  for (const auto& [queue, after] : follower->second.after) {
    const auto followed = followed_.find(queue);
    followed->second.erase(peer);
    if (followed->second.empty()) followed_.erase(followed);
  }
  followers_.erase(follower);
}

}  // namespace pli::broker
