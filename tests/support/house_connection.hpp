// A client's connection into a broker without a network: the real gate, core and store, asked directly. And what its
// member brings: keys, and a profile as after enrolment.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "client/connection.hpp"
#include "client/profile.hpp"
#include "tests/support/broker_house.hpp"

namespace pli::testing {

struct HouseFront;

class HouseConnection final : public client::Connection {
 public:
  /// All three must outlive it. What is committed is published at once.
  HouseConnection(BrokerHouse& house, const Department& department, std::string member);
  ~HouseConnection() override;

  client::Outcome<std::uint64_t> post(protocol::RequestBody body) override;
  client::Outcome<protocol::ReplyBody> take(std::uint64_t request, std::chrono::milliseconds within) override;
  client::Outcome<std::optional<protocol::Pushed>> take_push(std::chrono::milliseconds within) override;

 private:
  BrokerHouse& house_;
  broker::Peer peer_;
  std::unique_ptr<HouseFront> front_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, protocol::ReplyBody> replies_;
};

[[nodiscard]] client::Keys keys_of(const Department& department, const std::string& member);
[[nodiscard]] client::Outcome<client::Profile> enrolled_profile(const std::filesystem::path& folder, BrokerHouse& house,
                                                                const Department& department,
                                                                const std::string& member);

}  // namespace pli::testing
