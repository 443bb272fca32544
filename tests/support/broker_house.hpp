// A broker without a network: keys, store and core of a department, in a folder of its own, asked directly.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core.hpp"
#include "tests/support/department.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::testing {

/// Another start-up secret than this one opens nothing.
[[nodiscard]] crypto::SecretKey test_startup_secret();
/// Writes curve.key and log.key and makes the lease file, as `pli init` and `pli-broker init` do.
[[nodiscard]] broker::KeyPaths make_test_keys(const std::filesystem::path& folder, UnixMillis now);

class BrokerHouse {
 public:
  /// Initialised with the department's first version, and open. `adjust` changes what a deployment may configure.
  explicit BrokerHouse(const Department& department, broker::StoreOptions options = {},
                       std::function<void(broker::CoreSettings&)> adjust = {});

  UnixMillis now;

  [[nodiscard]] broker::Store& store() { return *store_; }
  [[nodiscard]] broker::Core& core() { return *core_; }
  [[nodiscard]] broker::KeyRing& keys() { return *keys_; }
  [[nodiscard]] const broker::KeyPaths& key_paths() const { return key_paths_; }
  [[nodiscard]] std::filesystem::path database() const { return folder_.path() / "data" / "pli.db"; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  [[nodiscard]] broker::CoreSettings settings() const;
  [[nodiscard]] audit::VerifierKey log_key() const;  ///< under the current shard's origin

  /// One batch. An error is returned as it is.
  [[nodiscard]] Result<broker::BatchOutcome> apply(std::vector<broker::VerifiedRequest> batch);
  [[nodiscard]] broker::VerifiedRequest request(const std::string& member, broker::VerifiedBody body,
                                                int connection = 0);
  /// A batch of one request; its answer. A batch that fails aborts the test.
  [[nodiscard]] protocol::ReplyBody ask(const std::string& member, broker::VerifiedBody body);
  broker::BatchOutcome tick();

  /// Closes store and core, and opens them again as any start does.
  void restart();
  void close_core();  ///< store and keys stay open: what a start does before there is a core
  void close();
  /// Errors leave it closed.
  [[nodiscard]] Result<void> open();
  [[nodiscard]] bool is_open() const { return core_ != nullptr; }

 private:
  const Department& department_;
  broker::StoreOptions options_;
  std::function<void(broker::CoreSettings&)> adjust_;
  TemporaryFolder folder_;
  broker::KeyPaths key_paths_;
  std::unique_ptr<broker::KeyRing> keys_;
  std::unique_ptr<broker::Store> store_;
  std::unique_ptr<broker::Core> core_;
  std::uint64_t next_request_ = 1;
};

/// The refusal in an answer, as text: "FORBIDDEN(interdit.auteur)"; "" for an answer that is none.
[[nodiscard]] std::string refusal_in(const protocol::ReplyBody& body);

}  // namespace pli::testing
