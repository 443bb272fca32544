#include "client/tool_post.hpp"

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
  auto sent = Outbox(profile_, clock_).flush(**session);
  if (!sent && !goes_later(sent.error())) return sent.error();
  if (sent)
    if (auto verified = told(*sent); !verified) return verified.error();
  Inbox inbox(**session);
  auto headers = inbox.refresh();
  if (!headers) return headers.error();
  std::size_t handed_over = 0;
  for (const InboxItem& header : *headers) {
    if (header.visible) {
      auto opened = open_exchange(**session, header.exchange, {protocol::Motif::lecture_du_retour});
      if (!opened && !is(opened.error(), protocol::Code::erased)) return opened.error();
      if (opened && opened->form) {
        if (auto taken = on_answer({header, *opened->form}); !taken) return taken.error();
        ++handed_over;
      }
    }
    if (auto kept = inbox.handed_over({header}); !kept) return kept.error();  // until then it comes again
  }
  return handed_over;
}

}  // namespace pli::client
