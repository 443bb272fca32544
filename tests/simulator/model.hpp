// What must be true, kept in plain maps beside the broker and written without its code: what was sent and by whom, what
// the log has said since, who may read what. Each leaf and each reply is held against it before anybody is told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/checkpoint.hpp"
#include "audit/leaf.hpp"
#include "audit/queue_chain.hpp"
#include "audit/record.hpp"
#include "audit/tree.hpp"
#include "broker/leaf_place.hpp"
#include "protocol/directory.hpp"
#include "protocol/exchange.hpp"
#include "protocol/vocabulary.hpp"
#include "protocol/wire.hpp"

namespace pli::testing {

/// A promise broken (design §2), and how.
struct Breach {
  std::string promise;
  std::string what;
};

class Model {
 public:
  Model(std::string log, crypto::SignPublic log_key, std::shared_ptr<const protocol::Directory> first)
      : log_(std::move(log)), log_key_(log_key) {
    versions_.emplace(first->number().value, first);
    views_.push_back({std::move(first), {}, {}});
  }

  [[nodiscard]] const std::optional<Breach>& breach() const { return breach_; }
  void trust(const crypto::SignPublic& log_key) { log_key_ = log_key; }
  void broke(const char* promise, std::string what);

  // ---- what its makers have signed, whether or not the broker has heard of it ------------------------------------
  void sent(const protocol::ExchangeId& id, const protocol::Envelope& envelope);
  void asked_to_open(const Digest& opening, const std::string& opener) { signed_openings_[opening] = opener; }
  void signed_version(std::shared_ptr<const protocol::Directory> version) {
    versions_.emplace(version->number().value, version);
  }

  // ---- what the log says ----------------------------------------------------------------------------------------
  /// From here until the next call is one batch: replies without a leaf are judged by every state it went through.
  void begin_batch(UnixMillis now);
  void open_shard(std::string origin);
  /// The next leaf, with its record.
  void take_leaf(const std::string& leaf, const audit::Record& record);
  [[nodiscard]] TreeSize size() const { return shards_.back().tree.size(); }
  [[nodiscard]] UnixMillis last_leaf_time() const { return last_leaf_time_; }
  [[nodiscard]] std::size_t shards() const { return shards_.size(); }
  [[nodiscard]] Digest root() const { return shards_.back().tree.root(); }

  // ---- what the broker tells ------------------------------------------------------------------------------------
  struct Told {
    std::string member;  ///< whose transport key it is; empty = nobody's
    crypto::CurvePublic key;
    const protocol::RequestBody* request = nullptr;  ///< what was asked; null where it was no request at all
    const protocol::ReplyBody* reply = nullptr;
    bool by_gate = false;  ///< answered before the core: nothing is recorded
    bool pushed = false;
    std::uint64_t follow = 0;  ///< which follow a push belongs to
  };
  void take_reply(const Told& told);
  /// All replies of the batch were told: each refusal has its leaf.
  void end_batch();
  /// A receipt has reached its sender: what it says must stand from here on.
  void receipted(const protocol::ExchangeId& id);
  void forget_followers() { follows_.clear(); }
  /// A batch is about to set it, and may be cut off before anybody knows whether it did.
  void may_move_cursor(const std::string& member, const std::string& queue, QueueNumber number);
  /// Whenever there is time: nothing receipted is missing.
  void check_receipts();
  /// Nothing that was taken back outlives the tick.
  void check_erased();

  // ---- what members know, for the simulation to choose from ------------------------------------------------------
  struct Case {
    std::string queue;
    std::string person;
    std::string organisation;
    bool opened = false;
    std::string state = "recu";
    std::string resumes{};  ///< where an awaited complement leads back to
    UnixMillis answered{};
    UnixMillis review{};  ///< of a deferred retour
  };
  struct Exchange {
    protocol::ExchangeId id{};
    protocol::Address address;
    std::string queue;
    audit::QueueHead head;
    broker::LeafPlace leaf;
    protocol::Kind kind{};
    std::optional<protocol::ExchangeId> case_id;
    std::set<crypto::AgePublic> readers;  ///< of all its access parts
    std::size_t parts = 1;
    bool erased = false;
  };
  [[nodiscard]] const std::map<protocol::ExchangeId, Exchange>& accepted() const { return accepted_; }
  [[nodiscard]] const std::vector<protocol::ExchangeId>& order() const { return order_; }
  [[nodiscard]] const std::map<protocol::ExchangeId, Case>& cases() const { return cases_; }
  [[nodiscard]] const std::map<std::string, std::vector<protocol::ExchangeId>>& queues() const { return links_; }
  [[nodiscard]] std::shared_ptr<const protocol::Directory> directory() const { return views_.back().directory; }
  [[nodiscard]] bool is_receipted(const protocol::ExchangeId& id) const { return receipted_.count(id) != 0; }
  [[nodiscard]] std::size_t openings() const { return openings_.size(); }
  [[nodiscard]] std::size_t refusals() const { return refusals_; }
  /// A case taken back before anybody had read it opens no more.
  [[nodiscard]] bool is_taken_back(const protocol::ExchangeId& id) const;
  /// As the newest state has it.
  [[nodiscard]] bool may_read(const std::string& member, const protocol::ExchangeId& id, UnixMillis now) const {
    return may_read(views_.back(), member, id, now);
  }
  [[nodiscard]] bool in_force(const std::string& member, UnixMillis now) const {
    return in_force(views_.back(), member, now) != nullptr;
  }

 private:
  struct Suspended {
    DirectoryNumber directory{};
    UnixMillis lapses_at{};
  };
  /// What rights are judged by.
  struct View {
    std::shared_ptr<const protocol::Directory> directory;
    std::map<std::string, Suspended> suspended;
    std::set<std::pair<protocol::ExchangeId, std::string>> recused;  ///< case and person
  };
  struct Sent {
    protocol::Address address;
    protocol::Seal seal;
  };
  struct Opening {
    broker::LeafPlace leaf;
    std::string opener;
    protocol::ExchangeId exchange{};
    UnixMillis at{};
  };
  struct Shard {
    std::string origin;
    audit::MemoryTree tree;
    std::vector<std::string> leaves;
  };
  struct RefusalLeaf {
    std::string actor;
    std::string outcome;
    bool matched = false;
  };

  [[nodiscard]] static bool expired(const View& view, UnixMillis now);
  [[nodiscard]] static const protocol::Member* in_force(const View& view, const std::string& member, UnixMillis now);
  [[nodiscard]] bool may_read(const View& view, const std::string& member, const protocol::ExchangeId& id,
                              UnixMillis now) const;
  [[nodiscard]] bool in_some_view(const std::function<bool(const View&)>& holds) const;
  void take_submit(const audit::Record& record, const broker::LeafPlace& place);
  void take_open(const audit::Record& record, const broker::LeafPlace& place);
  void take_directory(const audit::Leaf& leaf, const audit::Record& record);
  void take_erasure(const audit::Record& record, const broker::LeafPlace& place);
  using Wrong = std::function<void(const char*)>;
  void check_step(const protocol::Member& sender, const Exchange& exchange, Case* of_case);
  void senders_step(protocol::Kind kind, Case& of_case, const Wrong& wrong);
  void instances_step(const Exchange& exchange, Case& of_case, const Wrong& wrong);
  [[nodiscard]] std::optional<broker::LeafPlace> check_proof(const protocol::LeafProof& proof);
  void check_checkpoint(std::string_view note, TreeSize known, std::string_view known_origin,
                        const std::vector<Digest>& consistency);
  [[nodiscard]] std::optional<std::pair<std::size_t, audit::TreeHead>> checkpoint(std::string_view note);
  void check_items(const Told& told, const std::string& queue, const std::vector<protocol::QueueItem>& items,
                   std::uint64_t& after);
  void check_opened(const Told& told, const protocol::Opened& opened);
  void check_cases(const Told& told, const protocol::Cases& cases);

  const std::string log_;
  crypto::SignPublic log_key_;
  std::optional<Breach> breach_;
  UnixMillis now_{};

  std::map<protocol::ExchangeId, Sent> sent_;
  std::map<Digest, std::string> signed_openings_;
  std::map<std::uint64_t, std::shared_ptr<const protocol::Directory>> versions_;

  std::vector<View> views_;  ///< of the running batch, in order; the last is the newest
  std::vector<Shard> shards_;
  UnixMillis last_leaf_time_{};
  std::map<protocol::ExchangeId, Exchange> accepted_;
  std::vector<protocol::ExchangeId> order_;
  std::map<protocol::ExchangeId, Case> cases_;
  std::map<std::string, std::vector<protocol::ExchangeId>> links_;
  std::map<std::string, std::vector<audit::QueueHead>> heads_;
  std::set<std::pair<std::string, ByteArray<16>>> nonces_;
  std::set<Digest> payloads_;
  std::map<Digest, Opening> openings_;
  std::set<protocol::ExchangeId> receipted_;
  std::vector<RefusalLeaf> refused_;  ///< of the running batch
  std::map<std::string, std::size_t> reading_leaves_;
  std::size_t refusals_ = 0;
  std::map<std::uint64_t, std::map<std::string, std::uint64_t>>
      follows_;  ///< by follow and queue: the last number told
  std::map<std::string, std::pair<std::size_t, audit::TreeHead>> verified_notes_;
  struct Cursor {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
  };
  std::map<std::pair<std::string, std::string>, Cursor> cursors_;  ///< by member and queue
};

}  // namespace pli::testing
