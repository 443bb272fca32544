#include "tests/support/broker_house.hpp"

#include <cstdio>
#include <cstdlib>

#include "base/file.hpp"
#include "crypto/boxed_key.hpp"
#include "protocol/limits.hpp"

namespace pli::testing {
namespace {

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "broker house: %s: %s: %s\n", what, name_of(result.error().code),
                 result.error().detail.c_str());
    std::abort();
  }
  return *std::move(result);
}

void must(const Result<void>& result, const char* what) {
  if (result) return;
  std::fprintf(stderr, "broker house: %s: %s: %s\n", what, name_of(result.error().code), result.error().detail.c_str());
  std::abort();
}

}  // namespace

crypto::SecretKey test_startup_secret() {
  crypto::SecretKey out(crypto::startup_secret_bytes);
  for (std::uint8_t& byte : out.expose_for_writing()) byte = 7;
  return out;
}

broker::KeyPaths make_test_keys(const std::filesystem::path& folder, UnixMillis now) {
  broker::KeyPaths paths{folder / "keys", folder / "keys" / "leases", folder / "leases-copy"};
  must(create_private_folder(paths.folder), "key folder");
  for (const char* name : {"curve", "log"}) {
    const std::string boxed = crypto::box_key(name, crypto::SecretKey::random(32), test_startup_secret());
    must(write_file_durably(paths.folder / (std::string(name) + ".key"), as_bytes(boxed), FileMode::owner_only), name);
  }
  must(broker::KeyRing::create(paths, test_startup_secret(), now), "key ring");
  return paths;
}

BrokerHouse::BrokerHouse(const Department& department, broker::StoreOptions options,
                         std::function<void(broker::CoreSettings&)> adjust)
    : now(department.now()), department_(department), options_(std::move(options)), adjust_(std::move(adjust)) {
  key_paths_ = make_test_keys(folder_.path(), now);
  must(create_private_folder(database().parent_path()), "data folder");
  {
    broker::StoreOptions create = options_;
    create.create = true;
    auto keys = must(broker::KeyRing::open(key_paths_, test_startup_secret(), now), "keys");
    auto store = must(broker::Store::open(database(), create), "store");
    must(broker::initialise_store(*store, *keys, settings(), department.first_version(), department.authorities(), now),
         "initialise");
  }
  must(open(), "open");
}

broker::CoreSettings BrokerHouse::settings() const {
  broker::CoreSettings out;
  out.log = department_.log();
  out.shard = Department::shard();
  out.exchange_bytes_max = protocol::exchange_bytes_max;
  if (adjust_) adjust_(out);
  return out;
}

audit::VerifierKey BrokerHouse::log_key() const {
  return {store_->origin(), audit::KeyType::ed25519, keys_->log_key().public_key()};
}

Result<broker::BatchOutcome> BrokerHouse::apply(std::vector<broker::VerifiedRequest> batch) {
  return core_->apply(std::move(batch), now);
}

broker::VerifiedRequest BrokerHouse::request(const std::string& member, broker::VerifiedBody body, int connection) {
  broker::VerifiedRequest out;
  out.peer = department_.peer(member, connection);
  out.request_id = next_request_++;
  out.body = std::move(body);
  return out;
}

protocol::ReplyBody BrokerHouse::ask(const std::string& member, broker::VerifiedBody body) {
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(request(member, std::move(body)));
  const std::uint64_t id = batch.front().request_id;
  broker::BatchOutcome outcome = must(apply(std::move(batch)), "apply");
  for (broker::Outgoing& out : outcome.outgoing)
    if (out.answers && out.reply.id == id) return std::move(out.reply.body);
  std::fprintf(stderr, "broker house: no answer\n");
  std::abort();
}

broker::BatchOutcome BrokerHouse::tick() { return must(core_->tick(now), "tick"); }

void BrokerHouse::close() {
  core_.reset();
  store_.reset();
  keys_.reset();
}

Result<void> BrokerHouse::open() {
  auto keys = broker::KeyRing::open(key_paths_, test_startup_secret(), now);
  if (!keys) return keys.error();
  keys_ = *std::move(keys);
  auto store = broker::Store::open(database(), options_);
  if (!store) {
    close();
    return store.error();
  }
  store_ = *std::move(store);
  auto core = broker::Core::open(*store_, *keys_, settings());
  if (!core) {
    const Error error = core.error();
    close();
    return error;
  }
  core_ = *std::move(core);
  return {};
}

void BrokerHouse::restart() {
  close();
  must(open(), "restart");
}

void BrokerHouse::close_core() { core_.reset(); }

std::string refusal_in(const protocol::ReplyBody& body) {
  const auto* refusal = std::get_if<protocol::Refusal>(&body);
  return refusal == nullptr ? std::string() : protocol::to_text(*refusal);
}

}  // namespace pli::testing
