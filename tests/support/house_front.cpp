#include "tests/support/house_front.hpp"

#include "protocol/limits.hpp"

namespace pli::testing {

HouseFront::HouseFront(BrokerHouse& house)
    : clock(house.now),
      directory(house.core().directory()),
      spool(broker::Spool::open(house.folder() / "spool", {}).value()),
      verifier(directory,
               {[&house](std::uint32_t month, const crypto::BoxPublic& key) {
                  return house.keys().release_shared(month, key);
                },
                [&house](std::uint32_t month) { return house.keys().release_public(month); }},
               *spool, clock, protocol::exchange_bytes_max) {}

}  // namespace pli::testing
