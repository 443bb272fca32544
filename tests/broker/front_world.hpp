// A small département for the tests of transport and gate: members, a signed directory, exchanges sealed as a client
// seals them, and a core that remembers what reached it. All names are invented.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "broker/broker.hpp"
#include "crypto/identity.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/raw_client.hpp"

namespace pli::broker {

using testing::eventually;

inline constexpr UnixMillis world_time{1'795'000'000'000};  // 18 November 2026
inline constexpr std::uint32_t world_epoch = 202611;
inline constexpr const char* world_log = "pli.essai.example/pli/89";

/// A folder of its own that goes with the test.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct World {
  explicit World(UnixMillis time = world_time);

  UnixMillis now;

  crypto::Identity referent = crypto::Identity::generate();   ///< "a.martin"
  crypto::Identity other = crypto::Identity::generate();      ///< "b.bernard", another organisation's référent
  crypto::Identity ged = crypto::Identity::generate();        ///< "c.petit", sits in ged/89
  crypto::Identity operateur = crypto::Identity::generate();  ///< "d.moreau"
  crypto::Identity auditeur = crypto::Identity::generate();   ///< "g.roux", the one who may not publish
  crypto::Identity revoked = crypto::Identity::generate();    ///< "e.ancien"
  crypto::Identity renewed = crypto::Identity::generate();    ///< "f.neuf", whose former key is `former`
  crypto::Identity former = crypto::Identity::generate();
  crypto::Identity stranger = crypto::Identity::generate();  ///< in no directory
  crypto::SigningKey authority = crypto::SigningKey::generate();
  crypto::BoxPair release = crypto::BoxPair::generate();  ///< the broker's, of world_epoch
  crypto::BoxPublic share_key;  ///< what seal() boxes the share to: of `release`, or what `hello` said
  std::uint32_t share_epoch = world_epoch;
  crypto::BoxPair session = crypto::BoxPair::generate();    ///< a client's
  crypto::SecretKey curve = crypto::SecretKey::random(32);  ///< the broker's
  crypto::CurvePublic curve_public;
  std::vector<protocol::Entry> entries;
  std::shared_ptr<const protocol::Directory> directory;  ///< number 1

  [[nodiscard]] std::string sign_note(const protocol::DirectoryHead& head, const crypto::SigningKey& key) const;
  /// Head of the version after number 1, with these entries.
  [[nodiscard]] protocol::DirectoryHead next_head(const protocol::Directory& unsigned_entries) const;
  [[nodiscard]] ReleaseKeys release_keys() const;

  /// A signalement of `sender` to ged/89 with so many bytes of content.
  [[nodiscard]] protocol::Envelope seal(const crypto::Identity& sender, const std::string& member,
                                        std::size_t content_bytes = 600) const;
  /// Signs address ‖ seal again after a test has changed them.
  static void sign(protocol::Envelope& envelope, const crypto::Identity& sender);
  [[nodiscard]] protocol::Open opening(const protocol::OpeningRequest& request, const crypto::Identity& opener,
                                       Bytes note = {}) const;
  [[nodiscard]] protocol::OpeningRequest opening_request(const Digest& exchange) const;  ///< by `ged`
};

/// Chunks of a part, as a client cuts them.
[[nodiscard]] std::vector<protocol::PutChunk> chunks_of(ByteView part);

/// Answers everything at once with the least there is to say. Everything here is thread-safe.
class FakeCore final : public Core {
 public:
  explicit FakeCore(const World& world) : directory_(world.directory) {}

  [[nodiscard]] Result<BatchOutcome> apply(std::vector<VerifiedRequest> batch, UnixMillis now) override;
  [[nodiscard]] Result<BatchOutcome> tick(UnixMillis now) override;
  void forget(const Peer& peer, std::optional<std::uint64_t> follow) override;
  [[nodiscard]] bool behind() const override { return false; }
  [[nodiscard]] Result<std::vector<Outgoing>> catch_up(UnixMillis /*now*/) override { return std::vector<Outgoing>(); }
  void published(const std::string& checkpoint) override;
  [[nodiscard]] Result<void> confirm_ended(const std::string& /*closed*/) override { return {}; }
  [[nodiscard]] std::shared_ptr<const protocol::Directory> directory() const override { return directory_; }
  [[nodiscard]] std::string newest_checkpoint() const override;
  [[nodiscard]] protocol::Health health(UnixMillis now) const override;

  void hold();     ///< The next batch waits…
  void release();  ///< …until here.
  void fail_from_now_on() { failing_ = true; }
  void become(std::shared_ptr<const protocol::Directory> next);  ///< by the next batch

  [[nodiscard]] std::set<Digest> accepted() const;
  [[nodiscard]] std::vector<GateRefusal> refusals() const;
  [[nodiscard]] std::uint64_t strays(Unattributed::Reason reason) const;
  [[nodiscard]] std::size_t followers() const;
  [[nodiscard]] std::size_t forgotten() const;
  [[nodiscard]] std::size_t ticks() const;
  [[nodiscard]] std::vector<std::string> published_checkpoints() const;
  [[nodiscard]] Bytes last_payload() const;

 private:
  [[nodiscard]] protocol::ReplyBody answer(const VerifiedRequest& request);
  void push_to_followers(std::vector<Outgoing>& out, std::size_t headers);

  mutable std::mutex mutex_;
  std::condition_variable released_;
  bool held_ = false;
  std::atomic<bool> failing_{false};
  std::shared_ptr<const protocol::Directory> directory_;
  std::shared_ptr<const protocol::Directory> next_directory_;
  std::set<Digest> accepted_;
  std::vector<GateRefusal> refusals_;
  std::map<Unattributed::Reason, std::uint64_t> strays_;
  std::map<Peer, std::uint64_t> followers_;
  std::size_t forgotten_ = 0;
  std::size_t ticks_ = 0;
  std::uint64_t size_ = 1;
  std::vector<std::string> published_;
  Bytes last_payload_;
};

/// A broker over a FakeCore on a port of its own.
class RunningBroker {
 public:
  explicit RunningBroker(const World& around) : RunningBroker(around, settings()) {}
  RunningBroker(const World& around, BrokerSettings wanted);
  ~RunningBroker() { core.release(); }

  /// What every test starts from: any port, one gate thread for each core, no minute in which refusals run out.
  [[nodiscard]] static BrokerSettings settings();
  [[nodiscard]] testing::RawClient connect(const crypto::Identity& identity,
                                           testing::RawClient::Options options = {}) const;

  const World& world;
  TestFolder folder;
  ManualClock clock{world_time};
  FakeCore core;
  std::unique_ptr<Broker> broker;
};

/// The refusal in a reply, or a failure.
[[nodiscard]] protocol::Refusal refusal_of(const std::optional<protocol::ReplyBody>& body);

}  // namespace pli::broker
