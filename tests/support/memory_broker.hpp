// A broker in memory that keeps the promises clients check: signed log, proven directory, queue chains, recorded
// openings. It is not the broker: it decides almost nothing (no policy, no quotas), so that what clients are shown can
// be bent at will. Copying it copies its whole past: a copy that goes its own way is a fork, an old copy a restored
// backup. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "audit/leaf.hpp"
#include "audit/record.hpp"
#include "audit/tree.hpp"
#include "base/clock.hpp"
#include "client/connection.hpp"
#include "crypto/release_share.hpp"
#include "protocol/directory.hpp"
#include "protocol/opening_request.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/wire.hpp"
#include "tests/support/small_world.hpp"

namespace pli::testing {

class MemoryBroker {
 public:
  /// `world` and `clock` must outlive it. The log starts with its first leaf and `first`, the directory's version 1.
  MemoryBroker(const SmallWorld& world, const Clock& clock, const SignedVersion& first);

  [[nodiscard]] protocol::ReplyBody handle(const crypto::CurvePublic& peer, const protocol::Request& request);
  /// What is to be pushed to this peer since last asked.
  [[nodiscard]] std::vector<protocol::Reply> take_pushes(const crypto::CurvePublic& peer);

  void publish(const SignedVersion& version);
  /// The month is over and its secret gone: `hello` tells the key of the next one (design §9).
  void drop_release_key() {
    release_.clear();
    ++epoch_;
  }
  void add_noise_leaf();  ///< an act of nobody in particular: the log grows

  /// Bends each reply before it leaves.
  std::function<void(const protocol::Request&, protocol::ReplyBody&)> bend;
  /// Answers instead of the broker, where it returns something.
  std::function<std::optional<protocol::ReplyBody>(const protocol::Request&)> instead;
  std::size_t entries_a_page = 4;
  std::size_t items_a_page = protocol_items;
  bool pushes_invisible = true;  ///< headers a follower may not see are pushed with their place

  /// Of the world's witnesses, the first so many cosign what is published; when none does, what was published last is
  /// shown on. Their clock is so much ahead.
  std::size_t witnesses_answering = 64;
  std::chrono::milliseconds witnesses_ahead{};
  /// Leaves made from now on are dated so much ahead.
  std::chrono::milliseconds leaves_ahead{};

  [[nodiscard]] TreeSize size() const { return tree_.size(); }
  [[nodiscard]] Digest root() const { return tree_.root(); }
  [[nodiscard]] std::string checkpoint() const;  ///< of the newest tree, by the log alone: what receipts are under
  struct Publication {
    TreeSize size{};
    std::string note;
  };
  /// What `hello` and `checkpoint` show. Where no witness is named: the newest tree.
  [[nodiscard]] const Publication& published();
  [[nodiscard]] std::string origin() const { return world_->log + "/" + shard_; }
  /// A year's end: the shard is closed whole, and the log goes on in `next`.
  void end_shard(const std::string& next);
  /// So many witnesses as answer have cosigned how each shard ended.
  void cosign_ended();
  /// This copy is a backup restored: `lost` is the last checkpoint known outside. The authority's order, if any, closes
  /// the shard at what stands, and the log goes on in `next`.
  void roll_back(const std::string& lost, const std::string& order, const std::string& next);
  /// What an order over this copy says.
  [[nodiscard]] protocol::RollbackOrder order_over(const std::string& lost, const std::string& next) const;
  [[nodiscard]] std::size_t accepted(const protocol::ExchangeId& id) const;  ///< how many times: 0 or 1
  [[nodiscard]] std::size_t exchange_count() const { return exchanges_.size(); }
  [[nodiscard]] std::size_t staged_bytes(const Digest& part) const;
  void forget_staged() { staged_.clear(); }
  [[nodiscard]] const std::string& leaf(std::size_t index) const { return leaves_[index]; }
  [[nodiscard]] audit::Record& record(std::size_t index) { return records_[index]; }
  /// Under the newest tree, or under a publication.
  [[nodiscard]] protocol::LeafProof prove(LeafIndex index, const std::vector<std::string_view>& shown,
                                          const Publication* under = nullptr) const;
  LeafIndex add_record(audit::LeafType type, audit::Record record,
                       std::optional<audit::DirectoryReference> directory = std::nullopt,
                       std::optional<std::string> statement = std::nullopt);
  /// Says what is refused although it is sound and sealed to the roster.
  std::function<std::optional<protocol::Refusal>(const protocol::Address&)> refuse_submit;
  std::size_t submits = 0;  ///< requests seen, of these verbs
  std::size_t case_lists = 0;
  std::size_t chunks = 0;
  std::size_t upgrades = 0;  ///< `prove` with `published`

 private:
  inline static constexpr std::size_t protocol_items = 64;
  struct Stored {
    protocol::Envelope envelope;
    protocol::Address address;
    protocol::Seal seal;
    std::shared_ptr<const crypto::ReleaseKey> release_key;
    std::vector<crypto::AgePublic> roster;
    audit::QueueHead head;
    LeafIndex leaf{};
    std::string origin;  ///< of the shard of that leaf
    UnixMillis at{};
  };
  struct Opening {
    protocol::Opened whole;  ///< with all parts
  };
  struct Staged {
    std::uint64_t size = 0;
    std::map<std::uint32_t, Bytes> chunks;
  };
  struct Subscription {
    std::uint64_t request = 0;
    std::map<std::string, std::uint64_t> after;
  };
  struct EndedShard {
    std::string origin;
    std::string closed;
    std::string last_known;
    std::string order;
    std::string next;  ///< origin
    std::vector<std::string> leaves;
    std::vector<audit::Record> records;
    audit::MemoryTree tree;
  };
  using Peer = crypto::CurvePublic;

  [[nodiscard]] std::string cosigned(const std::string& checkpoint) const;
  /// What stands of the present shard is put away, and the next one begins.
  void open_shard(const std::string& next, const std::string& lost, const std::string& order);
  /// The proof of a leaf of any shard.
  [[nodiscard]] protocol::LeafProof prove_in(const std::string& origin, LeafIndex index,
                                             const std::vector<std::string_view>& shown) const;
  [[nodiscard]] const protocol::Member& member(const Peer& peer) const;
  [[nodiscard]] std::optional<Bytes> take_staged(const Digest& part) const;
  [[nodiscard]] audit::Record act(const protocol::Member& member, std::string_view verb) const;
  [[nodiscard]] std::vector<Digest> consistency(TreeSize known, TreeSize shown) const;
  [[nodiscard]] static bool on_roster(const Stored& part, const protocol::Member& member);
  [[nodiscard]] std::vector<protocol::ExchangeId> ways_in(const protocol::ExchangeId& id) const;
  [[nodiscard]] bool may_read(const protocol::ExchangeId& id, const protocol::Member& member) const;
  [[nodiscard]] protocol::QueueItem item(const Stored& stored, const protocol::ExchangeId& id,
                                         const protocol::Member& viewer) const;
  [[nodiscard]] std::vector<protocol::QueueItem> items_after(const std::string& queue, std::uint64_t after,
                                                             const protocol::Member& viewer) const;

  protocol::ReplyBody on(const Peer& peer, const protocol::Hello& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::PutChunk& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::Submit& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::List& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::ListCases& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::Open& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::GetChunk& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::Acknowledge& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::Follow& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::GetDirectory& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::PublishDirectory& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::GetCheckpoint& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::Prove& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::GetRecords& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::GetHealth& body);
  protocol::ReplyBody on(const Peer& peer, const protocol::GetShard& body);

  const SmallWorld* world_;
  const Clock* clock_;
  std::uint32_t epoch_ = 202603;  ///< of `spring`
  std::map<std::uint32_t, std::shared_ptr<const crypto::BoxPair>> release_;
  std::shared_ptr<const protocol::Directory> directory_;
  std::map<std::pair<protocol::EntryType, std::string>, std::uint64_t> changed_in_;
  LeafIndex directory_leaf_{};
  std::optional<Publication> published_;
  std::string shard_ = "2026-1";
  std::vector<EndedShard> ended_;
  std::vector<std::string> leaves_;
  std::vector<audit::Record> records_;
  audit::MemoryTree tree_;
  std::map<std::string, std::vector<protocol::ExchangeId>> queues_;
  std::map<protocol::ExchangeId, Stored> exchanges_;
  std::map<Digest, Staged> staged_;
  std::map<protocol::OpeningId, Opening> openings_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> cursors_;
  std::map<Peer, Subscription> following_;
  std::uint64_t request_ = 0;  ///< number of the request being handled
};

/// A connection that ends in a MemoryBroker, through the same encoding as a real one.
class MemoryConnection final : public client::Connection {
 public:
  /// `broker` must outlive it; `broker_pointer` may be pointed at another one between calls.
  MemoryConnection(MemoryBroker*& broker_pointer, crypto::CurvePublic peer) : broker_(broker_pointer), peer_(peer) {}

  client::Outcome<std::uint64_t> post(protocol::RequestBody body) override;
  client::Outcome<protocol::ReplyBody> take(std::uint64_t request, std::chrono::milliseconds within) override;
  client::Outcome<std::optional<protocol::Pushed>> take_push(std::chrono::milliseconds within) override;

  /// The connection is lost after so many more requests: the last one reaches the broker, its reply does not arrive.
  void lose_after(std::size_t requests) { left_ = requests; }
  /// Called when a push is waited for and none is there: the test makes something happen, or nothing.
  std::function<void()> while_waiting;
  std::size_t in_flight_most = 0;

 private:
  MemoryBroker*& broker_;
  crypto::CurvePublic peer_;
  std::uint64_t last_ = 0;
  std::optional<std::size_t> left_;
  bool lost_ = false;
  std::map<std::uint64_t, protocol::ReplyBody> replies_;
  std::vector<protocol::Pushed> pushes_;
};

}  // namespace pli::testing
