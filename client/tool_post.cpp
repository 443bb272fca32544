#include "client/tool_post.hpp"

#include <algorithm>

#include "base/file.hpp"

namespace pli::client {
namespace {

namespace fs = std::filesystem;
using protocol::LocalCode;

constexpr std::size_t passphrase_file_bytes_max = 1024 + 1;  // the longest passphrase and its end of line

Outcome<crypto::SecretKey> read_passphrase_file(const fs::path& file) {
  std::error_code problem;
  const fs::perms perms = fs::status(file, problem).permissions();
  if (problem || !fs::exists(file, problem)) return Failure(LocalCode::file_missing, file.string());
  if ((perms & (fs::perms::group_all | fs::perms::others_all)) != fs::perms::none)
    return Failure(LocalCode::passphrase_file_open, file.string());
  auto bytes = read_file(file, passphrase_file_bytes_max);
  if (!bytes) return local(LocalCode::local_store, bytes.error());
  const std::size_t end = std::min(as_text(*bytes).find_first_of("\r\n"), bytes->size());
  auto secret = crypto::SecretKey::copy_of(ByteView(*bytes).first(end));
  crypto::wipe(*bytes);
  return secret;
}

bool goes_later(const Failure& failure) { return exit_class(failure) == ExitClass::unreachable_or_queued; }

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
  if (auto sent = Outbox(profile_, clock_).flush(**session); !sent && !goes_later(sent.error())) return sent.error();
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
