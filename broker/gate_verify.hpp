// What the gate checks of one message: shape, sizes, digests, signatures, the release share (design §5-§7). It decides
// nothing about rights beyond "this is who you say you are"; the core does.
// Thread-safe: one for all the gate's threads.
#pragma once

#include <atomic>
#include <optional>

#include "base/clock.hpp"
#include "broker/gate_directory.hpp"
#include "broker/gate_session.hpp"
#include "broker/request.hpp"
#include "broker/spool.hpp"

namespace pli::broker {

/// Where one message goes: to the core, back to its sender, or both (undecodable: answered here, counted there).
struct Verdict {
  std::optional<VerifiedRequest> to_core;
  std::optional<Outgoing> answer;
};

/// Staged parts read back into memory and not yet written by the core; beyond it the next is BUSY.
inline constexpr std::uint64_t staged_bytes_under_way_max = 64 * 1024 * 1024;

class Verifier {
 public:
  Verifier(const DirectoryInForce& directory, ReleaseKeys keys, Spool& spool, const Clock& clock,
           std::uint64_t exchange_bytes_max)
      : directory_(directory),
        sessions_(std::move(keys)),
        spool_(spool),
        clock_(clock),
        exchange_bytes_max_(exchange_bytes_max) {}

  /// Safe on hostile input. Order of a submit's checks: shape, sizes, sender, signature, release share, parts.
  [[nodiscard]] Verdict verify(Incoming message);
  /// What a request sent to the core holds of staged_bytes_under_way_max, and giving it back once the core is done.
  [[nodiscard]] static std::uint64_t staged_bytes_of(const VerifiedRequest& request);
  void give_back(std::uint64_t staged_bytes) { staged_bytes_ -= staged_bytes; }

 private:
  struct Caller;
  using Outcome = std::variant<VerifiedBody, protocol::ReplyBody>;  ///< for the core, or answered here
  [[nodiscard]] Outcome decide(const Caller& caller, protocol::RequestBody&& body);
  [[nodiscard]] Outcome put_chunk(const Caller& caller, const protocol::PutChunk& chunk);
  [[nodiscard]] Outcome submit(const Caller& caller, protocol::Submit&& request);
  [[nodiscard]] Outcome open(const Caller& caller, protocol::Open&& request);
  [[nodiscard]] Outcome publish(const Caller& caller, protocol::PublishDirectory&& request);
  [[nodiscard]] std::optional<protocol::Refusal> fetch_part(const Caller& caller, const char* name, std::uint64_t size,
                                                            const Digest& digest, Bytes& part);

  const DirectoryInForce& directory_;
  SessionKeys sessions_;
  Spool& spool_;
  const Clock& clock_;
  const std::uint64_t exchange_bytes_max_;
  std::atomic<std::uint64_t> staged_bytes_{0};
};

}  // namespace pli::broker
