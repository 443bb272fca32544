// What a process of the broker holds beside core and store, without a network: the gate's checks.
#pragma once

#include <memory>

#include "broker/gate_verify.hpp"
#include "tests/support/broker_house.hpp"

namespace pli::testing {

struct HouseFront {
  /// The house must be open, and outlive it.
  explicit HouseFront(BrokerHouse& house);
  ManualClock clock;
  broker::DirectoryInForce directory;
  std::unique_ptr<broker::Spool> spool;
  broker::Verifier verifier;
};

}  // namespace pli::testing
