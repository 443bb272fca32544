// From what somebody wrote to a sealed, signed envelope (design §5). Pure but for random numbers: no disk, no network.
#pragma once

#include <string>
#include <vector>

#include "client/failure.hpp"
#include "client/known_directory.hpp"
#include "client/release_session.hpp"
#include "crypto/identity.hpp"
#include "crypto/secret.hpp"
#include "protocol/card.hpp"
#include "protocol/exchange.hpp"
#include "protocol/form.hpp"

namespace pli::client {

/// What somebody wants sent, before it is sealed. `content` is in clear and wiped at the end; keep it short-lived.
struct Draft {
  Draft() = default;
  Draft(const Draft&) = default;
  Draft(Draft&&) = default;
  Draft& operator=(const Draft&) = default;
  Draft& operator=(Draft&&) = default;
  ~Draft() { crypto::wipe(content); }

  protocol::Kind kind = protocol::Kind::signalement_individuel;
  Bytes content;         ///< Form::encode()
  std::string queue;     ///< "ged/89"
  Digest case_id{};      ///< zeros when the kind opens a case
  Digest in_reply_to{};  ///< zeros when none
  protocol::Urgency urgency = protocol::Urgency::normale;
  std::vector<std::string> handling;
  std::vector<std::pair<std::string, std::string>> attributes;
  bool operator==(const Draft&) const = default;
};
/// With what the form says that stands in the address too: urgency, the exchange it names, its attribute.
[[nodiscard]] Draft draft_of(const protocol::Form& form, std::string queue);
/// The copy the outbox keeps under the sender's own key. u8 1, then the fields in order.
[[nodiscard]] Bytes encode(const Draft& draft);
[[nodiscard]] Result<Draft> decode_draft(ByteView bytes);

/// Whether it could ever be sealed: what needs no directory. Errors: bad_form.
[[nodiscard]] Outcome<void> check_draft(const Draft& draft);

/// Who seals, by which directory, with which news of the log.
struct SealContext {
  const crypto::Identity& identity;
  const protocol::Invitation& invitation;
  const KnownDirectory& directory;
  const ReleaseSession& release;  ///< ready
  std::string checkpoint;         ///< last verified, verbatim; empty when none
  /// Head of the destination queue, where the sender sits in it too: what its readers can compare, and nothing of
  /// queues that are not theirs.
  std::vector<protocol::GossipHead> heads;
  UnixMillis now{};
};

struct SealedExchange {
  protocol::ExchangeId id{};
  protocol::Address address;
  protocol::Seal seal;
  protocol::Envelope envelope;
};

/// Errors: queue_unknown, queue_vacant, directory_unproven (an expired directory), bad_form
/// (case missing or not allowed for the kind, content too large, unknown handling). File key and R are wiped.
[[nodiscard]] Outcome<SealedExchange> seal_exchange(const Draft& draft, const SealContext& context);

/// An access part: a new header around the same file key for the roster of `draft.queue`, under a fresh R.
/// `original` is the exchange it gives access to (draft.in_reply_to); its payload is not sent again.
/// Errors: as above; file_key_mismatch when the key is not the one the original promised.
[[nodiscard]] Outcome<SealedExchange> seal_access(const Draft& draft, const protocol::Seal& original,
                                                  const crypto::FileKey& file_key, const SealContext& context);

}  // namespace pli::client
