#include "client/inbox.hpp"

#include <algorithm>
#include <map>

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
  return {LocalCode::queue_withheld, words, profile.keep_evidence("queue", text)};
}

/// A header that contradicts itself cannot come from an honest broker: it checks all of this before it accepts.
const char* flaw_of(const protocol::QueueItem& item, const std::string& queue) {
  if (item.queue != queue) return "a header of another queue";
  if (!item.visible) return nullptr;
  auto address = protocol::decode_address(item.address);
  if (!address) return "an address that cannot be read";
  if (!protocol::decode_seal(item.seal)) return "a seal that cannot be read";
  if (protocol::exchange_id(item.address, item.seal) != item.exchange) return "an id that is not this exchange's";
  if (address->queue != queue) return "an exchange addressed to another queue";
  if (!crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, item.exchange,
                                       item.signature))
    return "a signature that does not verify";
  return nullptr;
}

bool is_sender_proven(const protocol::QueueItem& item, const KnownDirectory& directory) {
  if (!item.visible) return false;
  auto address = protocol::decode_address(item.address);
  if (!address) return false;
  const protocol::Member* member = directory.member_by_sign(address->sender_key);
  return member != nullptr && member->id == address->sender;
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
  item.sender_proven = row.sender_proven;
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

}  // namespace

Outcome<audit::QueueHead> Inbox::known_head(const std::string& queue) const {
  auto state = session_.profile().store().queue(queue);
  if (!state) return store_failure(state.error());
  if (*state) return (*state)->head;
  return audit::queue_start(session_.invitation().log, queue);
}

Outcome<std::vector<InboxItem>> Inbox::take_in(const std::string& queue,
                                               const std::vector<protocol::QueueItem>& shown) {
  const Profile& profile = session_.profile();
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    auto known = known_head(queue);
    if (!known) return known.error();
    std::vector<protocol::QueueItem> fresh;
    std::vector<bool> proven;
    audit::QueueHead head = *known;
    for (const protocol::QueueItem& item : shown) {
      if (item.head.number <= known->number) {  // again: it has to be what it was
        auto before = profile.store().head_at(queue, item.head.number);
        if (!before) return store_failure(before.error());
        if (*before && **before != item.head.head)
          return withheld(profile, queue, "one number, two heads", {item.head.number, **before}, item.head);
        continue;
      }
      if (const char* flaw = flaw_of(item, queue)) return withheld(profile, queue, flaw, head, item.head);
      if (!audit::verify_link(head, item.exchange, item.head))
        return withheld(profile, queue, "a header does not follow from the one before", head, item.head,
                        "exchange " + to_hex(item.exchange) + "\n");
      head = item.head;
      fresh.push_back(item);
      proven.push_back(is_sender_proven(item, session_.directory()));
    }
    auto kept = profile.store().add_received(queue, *known, fresh, proven);
    if (!kept && kept.error().code == Errc::conflict) continue;
    if (!kept) return store_failure(kept.error());
    std::vector<InboxItem> out;
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      auto item = to_item({fresh[i], proven[i], false, false});
      if (!item) return item.error();
      out.push_back(std::move(*item));
    }
    return out;
  }
  return Failure(LocalCode::local_store, "another program keeps moving the queue");
}

Outcome<void> Inbox::prove(const std::string& queue, const std::vector<InboxItem>& batch) {
  const auto newest = std::find_if(batch.rbegin(), batch.rend(), [](const InboxItem& item) { return item.visible; });
  if (newest == batch.rend()) return {};  // nothing of ours among them: the next one of ours proves the chain so far
  auto proven = session_.ask<protocol::Proven>(protocol::Prove{newest->exchange});
  if (!proven) return proven.error();
  auto receipt = session_.verify_proof(proven->proof);
  if (!receipt) return receipt.error();
  const audit::Disclosure& record = receipt->receipt.record;
  const auto shows = [&](std::string_view field, ByteView value) {
    const Bytes* shown = record.find(field);
    return shown != nullptr && equal(*shown, value);
  };
  const bool same = receipt->exchange == newest->exchange && shows("queue", as_bytes(queue)) &&
                    shows("number", as_bytes(std::to_string(newest->head.number.value))) &&
                    shows("head", newest->head.head);
  if (!same)
    return withheld(session_.profile(), queue, "the log commits to another place in the queue", newest->head,
                    newest->head, audit::to_text(receipt->receipt));
  return {};
}

Outcome<std::vector<InboxItem>> Inbox::refresh(const std::string& queue) {
  std::vector<InboxItem> out;
  while (true) {
    auto known = known_head(queue);
    if (!known) return known.error();
    auto page = session_.ask<protocol::Items>(
        protocol::List{queue, known->number, static_cast<std::uint32_t>(protocol::list_items_max)});
    if (!page) return page.error();
    auto taken = take_in(queue, page->items);
    if (!taken) return taken.error();
    auto now_known = known_head(queue);
    if (!now_known) return now_known.error();
    const Profile& profile = session_.profile();
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
    for (InboxItem& item : *taken) out.push_back(std::move(item));
    if (!page->more) break;
  }
  if (!out.empty())
    if (auto proven = prove(queue, out); !proven) return proven.error();
  return out;
}

Outcome<std::vector<InboxItem>> Inbox::refresh() {
  std::vector<InboxItem> out;
  for (const std::string& queue : session_.seats()) {
    auto fresh = refresh(queue);
    if (!fresh) return fresh.error();
    for (InboxItem& item : *fresh) out.push_back(std::move(item));
  }
  if (auto checked = session_.check_log(); !checked) return checked.error();
  return out;
}

Outcome<void> Inbox::follow(const OnItem& on_item, milliseconds idle) {
  const auto hand_over = [&](const std::vector<InboxItem>& items) {
    return std::all_of(items.begin(), items.end(), on_item);
  };
  // What came before goes through the list, whose head tells that nothing is missing.
  auto waiting = refresh();
  if (!waiting) return waiting.error();
  if (!hand_over(*waiting)) return {};
  std::uint32_t credit = 0;
  while (true) {
    if (credit < follow_credit / 2) {
      protocol::Follow request;
      request.credit = follow_credit;
      for (const std::string& queue : session_.seats()) {
        auto known = known_head(queue);
        if (!known) return known.error();
        request.queues.push_back({queue, known->number});
      }
      auto first = session_.ask<protocol::Pushed>(std::move(request));
      if (!first) return first.error();
      credit = follow_credit;
      auto more = take_push(*first, credit);
      if (!more) return more.error();
      if (!hand_over(*more)) return {};
    }
    auto push = session_.connection().take_push(idle);
    if (!push) return push.error();
    if (!*push) return {};
    auto more = take_push(**push, credit);
    if (!more) return more.error();
    if (!hand_over(*more)) return {};
  }
}

Outcome<std::vector<InboxItem>> Inbox::take_push(const protocol::Pushed& push, std::uint32_t& credit) {
  credit -= static_cast<std::uint32_t>(std::min<std::size_t>(credit, push.items.size()));
  std::map<std::string, std::vector<protocol::QueueItem>> by_queue;
  const std::vector<std::string> seats = session_.seats();
  for (const protocol::QueueItem& item : push.items) {
    if (std::find(seats.begin(), seats.end(), item.queue) == seats.end())
      return withheld(session_.profile(), item.queue, "a header of a queue not asked for", {}, item.head);
    by_queue[item.queue].push_back(item);
  }
  std::vector<InboxItem> out;
  for (const auto& [queue, items] : by_queue) {
    auto known = known_head(queue);
    if (!known) return known.error();
    // A push may leave out what we are not on the roster of, or come before one it follows: the list shows every place.
    auto taken = continues(items, known->number) ? take_in(queue, items) : refresh(queue);
    if (!taken) return taken.error();
    if (!taken->empty())
      if (auto proven = prove(queue, *taken); !proven) return proven.error();
    for (InboxItem& item : *taken) out.push_back(std::move(item));
  }
  return out;
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
  auto rows = profile.store().received(queue);
  if (!rows) return store_failure(rows.error());
  std::vector<InboxItem> out;
  for (const ClientStore::Received& row : *rows) {
    auto item = to_item(row);
    if (!item) return item.error();
    out.push_back(std::move(*item));
  }
  return out;
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
