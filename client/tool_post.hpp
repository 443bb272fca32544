// A tool of another volet in few lines: it posts informations and receives what is answered. Outbox, session, inbox and
// opening in one; whoever needs more of them uses them. docs/architecture.md, "Posting from another tool".
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "client/outbox.hpp"

namespace pli::client {

/// What came in, opened: a retour, a demand for more. Its case is the information it answers.
struct Answer {
  const InboxItem& header;
  const protocol::Form& form;  ///< to_json() as it was typed, to_french_text() for people
};

/// Owner: one program. A profile may serve several, one after another. Not thread-safe.
class ToolPost {
 public:
  /// The profile of a tool that was enrolled. Errors: wrong_passphrase, no_identity, local_store…
  [[nodiscard]] static Outcome<std::unique_ptr<ToolPost>> open(const std::filesystem::path& folder,
                                                               const crypto::SecretKey& passphrase);
  /// The same with the first line of a file of ours that nobody else may read. Errors: also file_missing,
  /// passphrase_file_open, usage (longer than passphrase_bytes_max).
  [[nodiscard]] static Outcome<std::unique_ptr<ToolPost>> open(const std::filesystem::path& folder,
                                                               const std::filesystem::path& passphrase_file);

  /// Durable once the form is found right, and sent if the broker can be reached; what cannot leave now does at the
  /// next call of either function. The item says which (is_receipted()), and `exchange` names it for ever once sealed.
  /// Errors: those of the form; refusals; what did not verify; local_store. A form posted twice is two informations:
  /// its `reference` is what a tool knows its own by.
  [[nodiscard]] Outcome<OutboxItem> post(std::string_view json, const std::string& queue);

  /// Opens whatever has come since and hands it over; each opening is recorded. At least once: an answer counts as
  /// received when `on_answer` has returned without an error, and comes again until then. What carries no form, or is
  /// erased, is passed over. How many were handed over. Errors: that of `on_answer`; unreachable, refusals, alarms
  /// (inbox.hpp), local_store; and, once all the others were handed over, why the first did not open (it comes again),
  /// or what its author saw of the log and we did not, either reported to the auditors where it is an anomaly.
  using OnAnswer = std::function<Outcome<void>(const Answer&)>;
  [[nodiscard]] Outcome<std::size_t> receive(const OnAnswer& on_answer);

 private:
  ToolPost(Profile profile, Keys keys) : profile_(std::move(profile)), keys_(std::move(keys)) {}
  SystemClock clock_;
  Profile profile_;
  Keys keys_;
};

}  // namespace pli::client
