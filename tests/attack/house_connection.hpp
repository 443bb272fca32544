// A client's connection into a broker without a network: the real gate, core and store, asked directly.
#pragma once

#include <map>
#include <memory>

#include "broker/gate_verify.hpp"
#include "client/connection.hpp"
#include "tests/support/broker_house.hpp"

namespace pli::testing {

class HouseConnection final : public client::Connection {
 public:
  /// All three must outlive it. What is committed is published at once.
  HouseConnection(BrokerHouse& house, const Department& department, std::string member);
  ~HouseConnection() override;

  client::Outcome<std::uint64_t> post(protocol::RequestBody body) override;
  client::Outcome<protocol::ReplyBody> take(std::uint64_t request, std::chrono::milliseconds within) override;
  client::Outcome<std::optional<protocol::Pushed>> take_push(std::chrono::milliseconds within) override;

 private:
  struct Front;
  BrokerHouse& house_;
  broker::Peer peer_;
  std::unique_ptr<Front> front_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, protocol::ReplyBody> replies_;
};

}  // namespace pli::testing
