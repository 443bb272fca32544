// Passing a case on to another instance (docs/protocol.md, "Linked cases"): what opens a case of its own there, then an
// access part for each exchange of the case that the other instance lacks. For the secretariat of an instance, and for
// any program that acts for it. What was passed on is known from the receipts of this profile and from the queues it
// sits in, so that the same call again passes on only what has come since.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "client/outbox.hpp"
#include "client/session.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

/// Whether a header is of this case, as who is shown the case sees it: of a linked case also what was passed on with
/// it, under the number it has where it came from; of a case that was passed on also what the other instance answers.
[[nodiscard]] bool belongs_to(const protocol::CaseItem& item, const InboxItem& header);

/// Something reported that another instance can be given.
struct Reported {
  protocol::ExchangeId exchange{};
  std::vector<std::string> handling;  ///< what its sender asked for; of what came through a door, what its part says
};
/// What was reported in a case, oldest first: the exchanges of those who sent them, or, of a linked case, what was
/// passed on with it. Pure.
[[nodiscard]] std::vector<Reported> reported_in(const protocol::CaseItem& item, std::span<const InboxItem> headers);

/// What a sender asked for that keeps an exchange from another instance.
enum class KeptBack : std::uint8_t {
  no,
  stays_in_ged,   ///< "ged-only"
  first_readers,  ///< "eyes-only"
  not_for_us,     ///< "no-copy-to:" our own organisation, which does not open it
  to_be_agreed,   ///< "ask-before-transfer", and its sender has not agreed
};
/// `agreed`: the sender's agreement stands, as far as the headers show. The broker decides; this says what not to open
/// in vain.
[[nodiscard]] KeptBack kept_back(std::span<const std::string> handling, std::string_view organisation, bool agreed);
/// Whether the last word of the case's senders on this exchange is an agreement.
[[nodiscard]] bool is_agreed(const protocol::ExchangeId& exchange, std::span<const InboxItem> headers);

struct TransferPlan {
  std::optional<Digest> linked;           ///< the case that stands there for this one
  std::optional<std::int64_t> under_way;  ///< the outbox item that is to open it, not receipted yet
  std::vector<std::int64_t> waiting;      ///< access parts in the outbox that are not receipted yet
  std::vector<Reported> lacking;          ///< in the order they were sent
  struct Withheld {
    protocol::ExchangeId exchange{};
    KeptBack why = KeptBack::no;
  };
  std::vector<Withheld> withheld;
};
/// Of the profile alone: look into the inbox first. Errors: local_store.
[[nodiscard]] Outcome<TransferPlan> plan_transfer(const Profile& profile, const protocol::CaseItem& item,
                                                  const std::string& queue, std::string_view organisation);
/// What this profile has given `queue` access to, or is about to: by its outbox, whose receipts say what they are
/// about and when, and by what it is shown of that queue. Errors: no_invitation, local_store.
[[nodiscard]] Outcome<std::set<protocol::ExchangeId>> given_to(const Profile& profile, const std::string& queue);

/// What became of access parts that were put into the outbox.
struct PassedOn {
  std::size_t receipted = 0;
  std::size_t waiting = 0;
  std::size_t refused = 0;
};
/// Errors: local_store.
[[nodiscard]] Outcome<PassedOn> passed_on(const Outbox& outbox, std::span<const std::int64_t> ids);

/// Who of an organisation sits in a queue, as far as the directory shows: he finds there that something of its own was
/// passed on, though he is shown nothing of it. Pure.
[[nodiscard]] std::vector<std::string> seated_there(const KnownDirectory& directory, std::string_view organisation,
                                                    std::string_view queue, UnixMillis now);

/// Opens an exchange for the motif of a transmission, wraps its key for the roster of `queue` and puts the access part
/// into the outbox, durable when it returns. `case_id`: the case it is passed on from. Nothing is sent.
/// Errors: as open_exchange(), seal_access(), Session::check_sealing().
[[nodiscard]] Outcome<OutboxItem> give_access(Session& session, Outbox& outbox, const protocol::ExchangeId& exchange,
                                              const Digest& case_id, const std::string& queue,
                                              const OpenOptions& options);

}  // namespace pli::client
