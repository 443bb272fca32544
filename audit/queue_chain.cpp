#include "audit/queue_chain.hpp"

#include <limits>

#include "crypto/hash.hpp"

namespace pli::audit {

QueueHead queue_start(std::string_view log, std::string_view queue) {
  // The zero byte ends the log's name, which cannot hold one, so that no two pairs of names run together.
  static constexpr ByteArray<1> zero = {0x00};
  PLI_INVARIANT(log.find('\0') == std::string_view::npos);
  return {QueueNumber{0},
          crypto::sha256({as_bytes("pli-queue-start/1"), as_bytes(log), ByteView(zero), as_bytes(queue)})};
}

QueueHead queue_next(const QueueHead& previous, const Digest& exchange_id) {
  PLI_INVARIANT(previous.number.value < std::numeric_limits<std::uint64_t>::max());
  const std::uint64_t number = previous.number.value + 1;
  ByteArray<8> encoded{};
  for (std::size_t i = 0; i < encoded.size(); ++i) encoded[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  return {QueueNumber{number},
          crypto::sha256({as_bytes("pli-queue/1"), ByteView(previous.head), ByteView(encoded), ByteView(exchange_id)})};
}

Result<void> verify_link(const QueueHead& previous, const Digest& exchange_id, const QueueHead& next) {
  if (previous.number.value == std::numeric_limits<std::uint64_t>::max() || queue_next(previous, exchange_id) != next)
    return Error{Errc::authentication_failed, "queue head does not follow"};
  return {};
}

}  // namespace pli::audit
