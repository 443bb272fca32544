// Each queue is a hash chain its members compare, so a withheld or reordered exchange shows (design §8, P8).
#pragma once

#include <string_view>

#include "base/bytes.hpp"
#include "base/id.hpp"
#include "base/result.hpp"

namespace pli::audit {

struct QueueHead {
  QueueNumber number{};
  Digest head{};
  bool operator==(const QueueHead&) const = default;
};

/// h_0 = SHA-256("pli-queue-start/1" ‖ log ‖ 0x00 ‖ queue): number 0. `log` is the origin without its shard.
[[nodiscard]] QueueHead queue_start(std::string_view log, std::string_view queue);
/// h_n = SHA-256("pli-queue/1" ‖ h_{n-1} ‖ u64 n ‖ exchange id).
[[nodiscard]] QueueHead queue_next(const QueueHead& previous, const Digest& exchange_id);
/// Errors: authentication_failed when `next` does not follow from `previous` by this exchange.
[[nodiscard]] Result<void> verify_link(const QueueHead& previous, const Digest& exchange_id, const QueueHead& next);

}  // namespace pli::audit
