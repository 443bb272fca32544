// What more than one of pli-broker's programs begins with: configuration, secret, keys and store, compared with what
// was published before anything is decided on them.
#pragma once

#include <filesystem>
#include <memory>

#include "audit/outside_checkpoint.hpp"
#include "broker/check_store.hpp"
#include "broker/config.hpp"
#include "broker/failure.hpp"
#include "broker/key_ring.hpp"
#include "broker/outside_file.hpp"
#include "broker/standing.hpp"
#include "broker/store.hpp"

namespace pli::broker {

[[nodiscard]] Outcome<Config> read_config(const ProgramOptions& options);
/// Once: a descriptor is closed when it has been read.
[[nodiscard]] Outcome<crypto::SecretKey> read_secret(const Config& config);

[[nodiscard]] KeyPaths key_paths(const Config& config);
[[nodiscard]] CoreSettings core_settings(const Config& config);
/// Of whoever opens it: a conflict is one of schemas.
[[nodiscard]] Failure opening_failure(const Error& error, const std::filesystem::path& database);
[[nodiscard]] Outcome<std::unique_ptr<Store>> open_store(const Config& config, bool create);

/// Everything a broker's store needs. Holds the outside file: nobody else runs meanwhile. The keys are read, not yet
/// prepared: nothing is made by a clock that has not been judged.
struct Opened {
  OutsideFile outside;
  std::unique_ptr<KeyRing> keys;
  std::unique_ptr<Store> store;
};
/// For the operator of a database that is too old, amid a sentence: where a newer one may be, kept aside by a restore.
[[nodiscard]] std::string asides_next(const Config& config);
/// P10: nothing is decided on a store that lacks what was published, unless `wanted` is rolled_back: then it may, and
/// last_known() (program_publication.hpp) says whether it does.
[[nodiscard]] Outcome<Opened> open_compared(const Config& config, Standing wanted);
/// Where `accepted`, a clock far from the log is gone by all the same, and a warning logged.
[[nodiscard]] Outcome<void> demand_clock(UnixMillis now, const KeyRing& keys, const Store& store, const Config& config,
                                         bool accepted);

struct Checked {
  CheckReport found;
  std::shared_ptr<const KeyRing> keys;
  Result<Compared> compared;  ///< to the outside checkpoint; of a broken store it says nothing
};
/// A store's file, this one or a copy of it, under the keys there are when its snapshot is taken.
[[nodiscard]] Outcome<Checked> check_file(const Config& config, const std::filesystem::path& file,
                                          crypto::SecretKey secret, const audit::OutsideSlot& outside,
                                          CheckOptions wanted = {});

}  // namespace pli::broker
