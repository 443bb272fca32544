#include "tests/client/posting_example.hpp"

#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "client/outbox.hpp"
#include "protocol/form.hpp"

namespace pli::testing {

client::Outcome<std::size_t> post_and_receive(const std::filesystem::path& folder, const crypto::SecretKey& passphrase,
                                              const std::string& json) {
  using namespace client;
  // docs/architecture.md begins
  auto profile = Profile::open(folder);
  if (!profile) return profile.error();
  auto keys = profile->unlock(passphrase);
  if (!keys) return keys.error();
  SystemClock clock;
  Outbox outbox(*profile, clock);
  auto form = protocol::Form::from_json(json, nullptr, nullptr);
  if (!form) return Failure(form.error().front().code, form.error().front().field);
  auto item = outbox.put(draft_of(*form, "ged/89"), *keys);  // durable from here
  if (!item) return item.error();

  auto session = Session::open(*profile, *keys, clock);
  if (!session) return session.error();  // not now; nothing is lost, the next flush sends it
  auto sent = outbox.flush(**session);
  if (!sent) return sent.error();
  if (sent->stopped) return *sent->stopped;

  Inbox inbox(**session);
  auto headers = inbox.refresh();
  if (!headers) return headers.error();
  for (const InboxItem& header : *headers)
    if (header.visible)
      if (auto opened = open_exchange(**session, header.exchange, {}); !opened) return opened.error();
  if (auto kept = inbox.handed_over(*headers); !kept) return kept.error();  // until then they come again
  // docs/architecture.md ends
  return headers->size();
}

}  // namespace pli::testing
