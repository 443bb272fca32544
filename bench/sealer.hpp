// One référent's load: exchanges sealed under the broker's release key, submitted whole or in chunks.
#pragma once

#include "bench/bench_house.hpp"

namespace pli::bench {

class Sealer {
 public:
  /// Asks the broker once for its release key.
  Sealer(BenchHouse& house, std::string sender);

  /// A payload of about so many bytes; it rides inside up to protocol::inline_bytes_max.
  [[nodiscard]] protocol::Submit next(std::size_t bytes);

 private:
  BenchHouse* house_;
  std::string sender_;
  std::uint32_t epoch_ = 0;
  crypto::BoxPublic release_;
  crypto::BoxPair session_ = crypto::BoxPair::generate();
};

/// Uploads the payload by chunks, protocol::chunk_credit at once, then submits. False when the broker refused.
[[nodiscard]] bool submit_in_chunks(testing::RawClient& client, protocol::Submit submit, std::uint64_t& last_request);

}  // namespace pli::bench
