#include "client/tool_post.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "client/anomaly.hpp"
#include "client/passphrase_file.hpp"

namespace pli::client {
namespace {

namespace fs = std::filesystem;

bool goes_later(const Failure& failure) { return exit_class(failure) == ExitClass::unreachable_or_queued; }

/// What did not verify is told, whatever has become of the post itself.
Outcome<void> told(const FlushReport& sent) {
  if (sent.stopped && exit_class(*sent.stopped) == ExitClass::verification_failed) return *sent.stopped;
  return {};
}

/// Of an opening that failed: whether the others may still open.
bool concerns_one(const Failure& failure) { return is_anomaly(failure) || exit_class(failure) == ExitClass::refused; }

}  // namespace

Outcome<std::unique_ptr<ToolPost>> ToolPost::open(const fs::path& folder, const crypto::SecretKey& passphrase) {
  auto profile = Profile::open(folder);
  if (!profile) return profile.error();
  auto keys = profile->unlock(passphrase);
  if (!keys) return keys.error();
  return std::unique_ptr<ToolPost>(new ToolPost(std::move(*profile), std::move(*keys)));
}

Outcome<std::unique_ptr<ToolPost>> ToolPost::open(const fs::path& folder, const fs::path& passphrase_file) {
  auto passphrase = read_passphrase_file(passphrase_file);
  if (!passphrase) return passphrase.error();
  return open(folder, *passphrase);
}

Outcome<OutboxItem> ToolPost::post(std::string_view json, const std::string& queue) {
  auto form = protocol::Form::from_json(json, nullptr, nullptr);
  if (!form) return Failure(form.error().front().code, form.error().front().field);
  Outbox outbox(profile_, clock_);
  auto item = outbox.put(draft_of(*form, queue), keys_);
  if (!item) return item.error();
  // Durable from here: whatever fails now, the next flush goes on with it.
  auto session = Session::open(profile_, keys_, clock_);
  if (!session && !goes_later(session.error())) return session.error();
  if (!session) return item;
  auto sent = outbox.flush(**session);
  if (!sent && !goes_later(sent.error())) return sent.error();
  if (!sent) return item;
  if (auto verified = told(*sent); !verified) return verified.error();
  for (const Flushed& flushed : sent->done) {
    if (flushed.item.id != item->id) continue;
    if (flushed.failure && flushed.item.state == OutboxState::refused) return *flushed.failure;
    return flushed.item;
  }
  return item;
}

Outcome<std::size_t> ToolPost::receive(const OnAnswer& on_answer) {
  auto session = Session::open(profile_, keys_, clock_);
  if (!session) return session.error();
  Outbox outbox(profile_, clock_);
  auto sent = outbox.flush(**session);
  if (!sent && !goes_later(sent.error())) return sent.error();
  if (sent)
    if (auto verified = told(*sent); !verified) return verified.error();
  Inbox inbox(**session);
  auto headers = inbox.refresh();
  if (!headers) return headers.error();
  // Those that came with others and did not open: the cursor has passed them.
  auto unopened = received(profile_);
  if (!unopened) return unopened.error();
  const auto is_new = [&](const InboxItem& item) {
    return std::any_of(headers->begin(), headers->end(),
                       [&](const InboxItem& header) { return header.exchange == item.exchange; });
  };
  unopened->erase(std::remove_if(unopened->begin(), unopened->end(),
                                 [&](const InboxItem& item) {
                                   return !item.visible || item.opened || item.superseded || is_new(item);
                                 }),
                  unopened->end());
  headers->insert(headers->begin(), std::make_move_iterator(unopened->begin()),
                  std::make_move_iterator(unopened->end()));
  std::size_t handed_over = 0;
  std::optional<Failure> first;  // told once everything that can be handed over has been
  const auto remember = [&](const protocol::ExchangeId& exchange, const Failure& failure) {
    if (!first) first = failure;
    // A report that cannot be kept must not hide what it would have reported.
    if (is_anomaly(failure)) static_cast<void>(report_anomaly(outbox, **session, exchange, failure));
  };
  for (const InboxItem& header : *headers) {
    if (header.visible) {
      auto opened = open_exchange(**session, header.exchange, {protocol::Motif::lecture_du_retour});
      if (!opened && !is(opened.error(), protocol::Code::erased)) {
        if (!concerns_one(opened.error())) return opened.error();
        remember(header.exchange, opened.error());
        continue;
      }
      if (opened && opened->gossip_alarm) remember(header.exchange, *opened->gossip_alarm);
      if (opened && opened->form) {
        if (auto taken = on_answer({header, *opened->form}); !taken) return taken.error();
        ++handed_over;
      }
    }
    if (auto kept = inbox.handed_over({header}); !kept) return kept.error();  // until then it comes again
  }
  if (!first) return handed_over;
  if (auto reported = outbox.flush(**session); !reported && !goes_later(reported.error())) return reported.error();
  return *first;
}

}  // namespace pli::client
