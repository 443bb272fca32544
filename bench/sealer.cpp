#include "bench/sealer.hpp"

#include <algorithm>
#include <stdexcept>

#include "base/clock.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"

namespace pli::bench {

using std::chrono::seconds;

Sealer::Sealer(BenchHouse& house, std::string sender) : house_(&house), sender_(std::move(sender)) {
  auto client = house.connect(sender_);
  const auto hello = client.ask(protocol::Hello{});
  const auto* reply = hello ? std::get_if<protocol::HelloReply>(&*hello) : nullptr;
  if (reply == nullptr) throw std::runtime_error("no hello");
  epoch_ = reply->release_epoch;
  release_ = reply->release_key;
}

protocol::Submit Sealer::next(std::size_t bytes) {
  testing::Draft draft;
  draft.sender = sender_;
  draft.content = Bytes(bytes > 1024 ? bytes - 1024 : 64, 1);  // the plaintext holds the address besides
  draft.created_at = SystemClock().now();
  draft.openable = false;
  return testing::Department::wire_submit(house_->department().seal(draft), epoch_, release_, session_);
}

bool submit_in_chunks(testing::RawClient& client, protocol::Submit submit, std::uint64_t& last_request) {
  const Bytes payload = std::exchange(submit.envelope.payload, {});
  const Digest part = crypto::sha256(payload);
  std::size_t offset = 0;
  std::uint32_t index = 0;
  std::size_t in_flight = 0;
  const auto answered = [&] {
    const auto reply = client.receive(seconds(30));
    if (!reply) throw std::runtime_error("no reply in 30 s");
    return !std::holds_alternative<protocol::Refusal>(reply->body);
  };
  while (offset < payload.size() || in_flight > 0) {
    if (offset < payload.size() && in_flight < protocol::chunk_credit) {
      const ByteView chunk =
          ByteView(payload).subspan(offset, std::min(payload.size() - offset, protocol::chunk_bytes_max));
      client.send({++last_request, protocol::PutChunk{part, payload.size(), index++, to_bytes(chunk)}});
      offset += chunk.size();
      ++in_flight;
      continue;
    }
    if (!answered()) return false;
    --in_flight;
  }
  client.send({++last_request, std::move(submit)});
  return answered();
}

}  // namespace pli::bench
