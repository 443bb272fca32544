#include "client/inbox.hpp"

#include <algorithm>
#include <map>
#include <thread>

#include "client/alarm.hpp"
#include "client/client_store.hpp"
#include "client/receipts.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;
using std::chrono::milliseconds;

/// How often another program of this profile may move a queue between our reading and writing it.
constexpr int attempts_max = 8;
constexpr std::size_t walk_pages_max = 1024;  ///< of list_items_max headers, in one refresh of one queue

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

std::string describe(const audit::QueueHead& head) {
  return std::to_string(head.number.value) + " " + to_hex(head.head) + "\n";
}

Failure withheld(const Profile& profile, const std::string& queue, const char* words, const audit::QueueHead& known,
                 const audit::QueueHead& shown, std::string_view more = {}) {
  std::string text = "pli-evidence/1\n";
  text += words;
  text += "\nqueue " + queue + "\nknown " + describe(known) + "shown " + describe(shown);
  text += more;
  return raise_alarm(profile, {LocalCode::queue_withheld, words, profile.keep_evidence("queue", text)},
                     {queue, false, {}});
}

/// A header that contradicts itself cannot come from an honest broker: it checks all of this before it accepts.
const char* flaw_of(const protocol::QueueItem& item, const std::string& queue, const protocol::Invitation& invitation) {
  if (item.queue != queue) return "a header of another queue";
  if (!item.visible) return nullptr;
  auto address = protocol::decode_address(item.address);
  if (!address) return "an address that cannot be read";
  if (!protocol::decode_seal(item.seal)) return "a seal that cannot be read";
  if (protocol::exchange_id(item.address, item.seal) != item.exchange) return "an id that is not this exchange's";
  if (address->queue != queue) return "an exchange addressed to another queue";
  if (address->contract != invitation.contract || address->log != invitation.log)
    return "an exchange of another contract or log";
  if (!crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, item.exchange,
                                       item.signature))
    return "a signature that does not verify";
  return nullptr;
}

SenderStatus status_of(const protocol::QueueItem& item, const KnownDirectory& directory) {
  if (!item.visible) return SenderStatus::unproven;
  auto address = protocol::decode_address(item.address);
  if (!address) return SenderStatus::unproven;
  return directory.sender_status(address->sender, address->sender_key, item.accepted_at);
}

/// Whether these places follow on without a gap; those we have already do not count.
bool continues(const std::vector<protocol::QueueItem>& items, QueueNumber known) {
  std::uint64_t next = known.value + 1;
  for (const protocol::QueueItem& item : items) {
    if (item.head.number.value < next) continue;
    if (item.head.number.value != next) return false;
    ++next;
  }
  return true;
}

Outcome<InboxItem> to_item(const ClientStore::Received& row) {
  InboxItem item;
  item.queue = row.item.queue;
  item.head = row.item.head;
  item.exchange = row.item.exchange;
  item.visible = row.item.visible;
  item.sender_proven = row.sender != SenderStatus::unproven;
  item.sender_status = row.sender;
  item.signature = row.item.signature;
  item.accepted_at = row.item.accepted_at;
  item.acknowledged = row.acknowledged;
  item.opened = row.opened;
  if (!row.item.visible) return item;
  auto address = protocol::decode_address(row.item.address);
  auto seal = protocol::decode_seal(row.item.seal);
  if (!address || !seal) return Failure(LocalCode::local_store, "a received header cannot be read");
  item.address = std::move(*address);
  item.seal = *seal;
  return item;
}

Outcome<std::vector<InboxItem>> to_items(const Result<std::vector<ClientStore::Received>>& rows) {
  if (!rows) return store_failure(rows.error());
  std::vector<InboxItem> out;
  for (const ClientStore::Received& row : *rows) {
    auto item = to_item(row);
    if (!item) return item.error();
    out.push_back(std::move(*item));
  }
  return out;
}

bool is_verification(const Failure& failure) { return exit_class(failure) == ExitClass::verification_failed; }

}  // namespace

/// How long a follower has waited, and since when nobody has looked.
struct Inbox::Waiting {
  milliseconds idle{};
  milliseconds waited{};
  milliseconds unchecked{};
  milliseconds pause = redial_after_first;
};

Outcome<audit::QueueHead> Inbox::known_head(const std::string& queue) const {
  auto state = session_.profile().store().queue(queue);
  if (!state) return store_failure(state.error());
  if (*state) return (*state)->head;
  return audit::queue_start(session_.invitation().log, queue);
}

Outcome<void> Inbox::take_in(const std::string& queue, const std::vector<protocol::QueueItem>& shown) {
  const Profile& profile = session_.profile();
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    auto known = known_head(queue);
    if (!known) return known.error();
    std::vector<protocol::QueueItem> fresh;
    std::vector<SenderStatus> statuses;
    audit::QueueHead head = *known;
    for (const protocol::QueueItem& item : shown) {
      if (item.head.number <= known->number) {  // again: it has to be what it was
        auto before = profile.store().head_at(queue, item.head.number);
        if (!before) return store_failure(before.error());
        if (*before && **before != item.head.head)
          return withheld(profile, queue, "one number, two heads", {item.head.number, **before}, item.head);
        continue;
      }
      if (const char* flaw = flaw_of(item, queue, session_.invitation()))
        return withheld(profile, queue, flaw, head, item.head);
      if (!audit::verify_link(head, item.exchange, item.head))
        return withheld(profile, queue, "a header does not follow from the one before", head, item.head,
                        "exchange " + to_hex(item.exchange) + "\n");
      head = item.head;
      fresh.push_back(item);
      statuses.push_back(status_of(item, session_.directory()));
    }
    auto kept = profile.store().add_received(queue, *known, fresh, statuses);
    if (kept) return {};
    if (kept.error().code != Errc::conflict) return store_failure(kept.error());
  }
  return Failure(LocalCode::local_store, "another program keeps moving the queue");
}

Outcome<void> Inbox::prove(const std::string& queue) {
  const Profile& profile = session_.profile();
  auto newest = profile.store().newest_unproven(queue);
  if (!newest) return store_failure(newest.error());
  if (!*newest) return {};  // nothing of ours: the next one of ours proves the chain so far
  const protocol::QueueItem& item = (*newest)->item;
  auto proven = session_.ask<protocol::Proven>(protocol::Prove{item.exchange});
  if (!proven && is(proven.error(), protocol::Code::not_found))
    return withheld(profile, queue, "the log does not know an exchange the queue shows", item.head, item.head,
                    "exchange " + to_hex(item.exchange) + "\n");
  if (!proven) return proven.error();
  auto receipt = session_.verify_proof(proven->proof);
  if (!receipt) return receipt.error();
  const audit::Disclosure& record = receipt->receipt.record;
  const auto shows = [&](std::string_view field, ByteView value) {
    const Bytes* shown = record.find(field);
    return shown != nullptr && equal(*shown, value);
  };
  const bool same = receipt->exchange == item.exchange && shows("queue", as_bytes(queue)) &&
                    shows("number", as_bytes(std::to_string(item.head.number.value))) && shows("head", item.head.head);
  if (!same)
    return withheld(profile, queue, "the log commits to another place in the queue", item.head, item.head,
                    audit::to_text(receipt->receipt));
  if (auto kept = profile.store().set_proven(queue, item.head.number); !kept) return store_failure(kept.error());
  return {};
}

Outcome<bool> Inbox::walk(const std::string& queue) {
  const Profile& profile = session_.profile();
  // A broker can make headers without end; what is taken in at once has one. The next refresh goes on from there.
  bool caught_up = false;
  for (std::size_t pages = 0; pages < walk_pages_max && !caught_up; ++pages) {
    auto known = known_head(queue);
    if (!known) return known.error();
    auto page = session_.ask<protocol::Items>(
        protocol::List{queue, known->number, static_cast<std::uint32_t>(protocol::list_items_max)});
    if (!page) return page.error();
    if (auto taken = take_in(queue, page->items); !taken) return taken.error();
    auto now_known = known_head(queue);
    if (!now_known) return now_known.error();
    if (page->head.number < known->number)
      return withheld(profile, queue, "the queue is shorter than it was", *known, page->head);
    if (page->head.number.value != 0 && page->head.number == now_known->number && page->head.head != now_known->head)
      return withheld(profile, queue, "one number, two heads", *now_known, page->head);
    const bool moved = now_known->number > known->number;
    if (!page->more && page->head.number > now_known->number)
      return withheld(profile, queue, "headers are missing up to the head shown", *now_known, page->head);
    if (page->more && !moved)
      return withheld(profile, queue, "more is announced and nothing shown", *now_known, page->head);
    if (auto kept = profile.store().set_acknowledged(queue, page->acknowledged); !kept)
      return store_failure(kept.error());
    caught_up = !page->more;
  }
  if (auto proven = prove(queue); !proven) return proven.error();
  return caught_up;
}

Outcome<std::optional<ClaimedAlarm>> Inbox::compare_kept_claims(const std::string& queue, bool caught_up) {
  const Profile& profile = session_.profile();
  auto claims = profile.store().claims(queue);
  if (!claims) return store_failure(claims.error());
  for (const ClaimedHead& claim : *claims) {
    const audit::QueueHead& theirs = claim.gossip.head;
    auto ours = profile.store().head_at(queue, theirs.number);
    if (!ours) return store_failure(ours.error());
    if (!*ours && !caught_up) continue;
    if (auto dropped = profile.store().forget_claim(claim); !dropped) return store_failure(dropped.error());
    if (*ours && **ours == theirs.head) continue;
    const std::string text =
        "pli-evidence/1\nA member says that it was shown another place in a queue than we are. "
        "Its word alone: heads in an exchange are signed by its sender, not by the log.\nsender " +
        claim.sender + "\nexchange " + to_hex(claim.exchange) + "\nqueue " + queue + "\nclaimed " + describe(theirs) +
        "ours " + (*ours ? to_hex(**ours) : "none") + "\n";
    return std::optional<ClaimedAlarm>({{LocalCode::queue_withheld, "a member says it was shown another queue",
                                         profile.keep_evidence("queue-claim", text)},
                                        claim.exchange});
  }
  return std::optional<ClaimedAlarm>();
}

Outcome<std::optional<ClaimedAlarm>> Inbox::compare_claims(const std::string& queue) {
  auto found = compare_kept_claims(queue, false);
  if (!found || *found) return found;
  auto further = session_.profile().store().claims(queue);
  if (!further) return store_failure(further.error());
  if (further->empty()) return found;
  // The sender has seen further than we have: what is missing has to come now.
  auto caught_up = walk(queue);
  if (!caught_up) return caught_up.error();
  return compare_kept_claims(queue, *caught_up);
}

Outcome<std::vector<InboxItem>> Inbox::not_handed_over(const std::string& queue) const {
  return to_items(session_.profile().store().not_handed_over(queue));
}

Outcome<std::vector<InboxItem>> Inbox::refresh(const std::string& queue) {
  auto caught_up = walk(queue);
  if (!caught_up) return caught_up.error();
  while (true) {
    auto claimed = compare_kept_claims(queue, *caught_up);
    if (!claimed) return claimed.error();
    if (!*claimed) break;
    static_cast<void>(
        raise_alarm(session_.profile(), std::move((*claimed)->failure), {queue, true, (*claimed)->exchange}));
  }
  auto standing = alarms(session_.profile(), queue);
  if (!standing) return standing.error();
  if (!standing->empty()) return std::move(standing->front());
  return not_handed_over(queue);
}

Outcome<InboxView> Inbox::look() {
  InboxView out;
  for (const std::string& queue : session_.seats()) {
    auto fresh = refresh(queue);
    if (!fresh && !is_verification(fresh.error())) return fresh.error();
    if (!fresh) {
      out.alarms.push_back(fresh.error());
      continue;
    }
    for (InboxItem& item : *fresh) out.items.push_back(std::move(item));
  }
  if (auto checked = session_.check_log(); !checked) {
    if (!is_verification(checked.error())) return checked.error();
    out.alarms.push_back(checked.error());
  }
  auto standing = alarms(session_.profile());
  if (!standing) return standing.error();
  for (Failure& alarm : *standing) {
    const auto same = [&](const Failure& other) { return other.cause == alarm.cause && other.detail == alarm.detail; };
    if (std::none_of(out.alarms.begin(), out.alarms.end(), same)) out.alarms.push_back(std::move(alarm));
  }
  if (!out.alarms.empty()) {
    // Whether the broker takes it now or later: it waits in the outbox, and nothing here depends on it.
    Outbox outbox(session_.profile(), session_.clock());
    if (auto reported = report_alarms(outbox, session_); reported && *reported != 0)
      static_cast<void>(outbox.flush(session_));
  }
  return out;
}

Outcome<std::vector<InboxItem>> Inbox::refresh() {
  auto view = look();
  if (!view) return view.error();
  if (!view->alarms.empty()) return std::move(view->alarms.front());
  return std::move(view->items);
}

Outcome<void> Inbox::handed_over(const std::vector<InboxItem>& items) {
  std::map<std::string, QueueNumber> up_to;
  for (const InboxItem& item : items) up_to[item.queue] = std::max(up_to[item.queue], item.head.number);
  for (const auto& [queue, number] : up_to)
    if (auto kept = session_.profile().store().set_handed_over(queue, number); !kept)
      return store_failure(kept.error());
  return {};
}

Outcome<bool> Inbox::hand_over(const std::vector<InboxItem>& items, const OnItem& on_item, Waiting& waiting) {
  for (const InboxItem& item : items) {
    waiting.waited = milliseconds::zero();
    const bool on = on_item(item);
    if (auto kept = handed_over({item}); !kept) return kept.error();
    if (!on) return false;
  }
  return true;
}

Outcome<void> Inbox::follow(const OnItem& on_item, milliseconds idle, const Pause& pause) {
  Waiting waiting;
  waiting.idle = idle;
  auto ended = sit(on_item, waiting);
  while (!ended) {
    if (exit_class(ended.error()) != ExitClass::unreachable_or_queued || waiting.waited >= idle) return ended.error();
    const milliseconds away = std::min(waiting.pause, idle - waiting.waited);
    if (pause)
      pause(away);
    else
      std::this_thread::sleep_for(away);
    waiting.waited += away;
    waiting.pause = std::min(waiting.pause * 2, redial_after_most);
    auto back = session_.reconnect();
    ended = back ? sit(on_item, waiting) : Outcome<bool>(back.error());
  }
  return {};
}

Outcome<std::uint32_t> Inbox::subscribe() {
  protocol::Follow request;
  request.credit = follow_credit;
  for (const std::string& queue : session_.seats()) {
    auto known = known_head(queue);
    if (!known) return known.error();
    request.queues.push_back({queue, known->number});
  }
  auto first = session_.ask<protocol::Pushed>(std::move(request));
  if (!first) return first.error();
  std::uint32_t credit = follow_credit;
  if (auto taken = take_push(*first, credit); !taken) return taken.error();
  return credit;
}

Outcome<bool> Inbox::sit(const OnItem& on_item, Waiting& waiting) {
  const auto new_items = [&]() -> Outcome<bool> {
    for (const std::string& queue : session_.seats()) {
      auto items = not_handed_over(queue);
      if (!items) return items.error();
      auto on = hand_over(*items, on_item, waiting);
      if (!on || !*on) return on;
    }
    return true;
  };
  std::uint32_t credit = 0;
  bool first = true;
  while (true) {
    if (credit < follow_credit / 2 || waiting.unchecked >= follow_check_every) {
      if (!first)
        if (auto refreshed = session_.refresh(); !refreshed) return refreshed.error();
      first = false;
      // What came before goes through the list, whose head tells that nothing is missing.
      if (auto listed = refresh(); !listed) return listed.error();
      waiting.unchecked = milliseconds::zero();
      auto subscribed = subscribe();
      if (!subscribed) return subscribed.error();
      credit = *subscribed;
      waiting.pause = redial_after_first;
      auto on = new_items();
      if (!on) return on.error();
      if (!*on) return true;
    }
    const milliseconds slice = std::min<milliseconds>(waiting.idle - waiting.waited, follow_check_every);
    const auto since = std::chrono::steady_clock::now();
    auto push = session_.connection().take_push(slice);
    if (!push) return push.error();
    if (!*push) {
      waiting.waited += slice;
      waiting.unchecked += slice;
      if (waiting.waited >= waiting.idle) return true;
      continue;
    }
    waiting.unchecked += std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - since);
    if (auto taken = take_push(**push, credit); !taken) return taken.error();
    auto on = new_items();
    if (!on) return on.error();
    if (!*on) return true;
  }
}

Outcome<void> Inbox::take_push(const protocol::Pushed& push, std::uint32_t& credit) {
  credit -= static_cast<std::uint32_t>(std::min<std::size_t>(credit, push.items.size()));
  std::map<std::string, std::vector<protocol::QueueItem>> by_queue;
  const std::vector<std::string> seats = session_.seats();
  for (const protocol::QueueItem& item : push.items) {
    if (std::find(seats.begin(), seats.end(), item.queue) == seats.end())
      return withheld(session_.profile(), item.queue, "a header of a queue not asked for", {}, item.head);
    by_queue[item.queue].push_back(item);
  }
  for (const auto& [queue, items] : by_queue) {
    auto known = known_head(queue);
    if (!known) return known.error();
    // A push may leave out what we are not on the roster of, or come before one it follows: the list shows every place.
    const bool follows = continues(items, known->number);
    if (follows) {
      if (auto taken = take_in(queue, items); !taken) return taken;
    } else if (auto walked = walk(queue); !walked) {
      return walked.error();
    }
    if (follows)
      if (auto proven = prove(queue); !proven) return proven;
  }
  return {};
}

Outcome<void> Inbox::acknowledge(const protocol::ExchangeId& exchange) {
  const Profile& profile = session_.profile();
  auto found = profile.store().find_received(exchange);
  if (!found) return store_failure(found.error());
  if (!*found) return Failure(LocalCode::usage, "not received in any queue of this profile");
  const protocol::QueueItem& item = (*found)->item;
  auto done = session_.ask<protocol::Acknowledged>(protocol::Acknowledge{item.queue, item.head.number});
  if (!done) return done.error();
  if (auto kept = profile.store().set_acknowledged(item.queue, done->number); !kept) return store_failure(kept.error());
  return {};
}

Outcome<std::vector<InboxItem>> received(const Profile& profile, const std::string& queue) {
  return to_items(profile.store().received(queue));
}

Outcome<std::optional<InboxItem>> find_received(const Profile& profile, const protocol::ExchangeId& exchange) {
  auto row = profile.store().find_received(exchange);
  if (!row) return store_failure(row.error());
  if (!*row) return std::optional<InboxItem>();
  auto item = to_item(**row);
  if (!item) return item.error();
  return std::optional<InboxItem>(std::move(*item));
}

}  // namespace pli::client
