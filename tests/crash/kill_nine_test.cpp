// kill -9 of the real broker in the middle of ten thousand submissions, five times (P2, P8).
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "audit/inclusion.hpp"
#include "audit/proof_file.hpp"
#include "audit/tile.hpp"
#include "base/file.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/real_broker.hpp"

namespace pli::testing {
namespace {

using std::chrono::seconds;

constexpr std::size_t senders = 4;
constexpr std::size_t submissions = 10'000;
constexpr std::size_t kills = 5;

/// What the senders hold in their hands: receipts and the checkpoints that came with them.
struct Held {
  std::mutex mutex;
  std::map<protocol::ExchangeId, LeafIndex> receipts;
  std::map<std::uint64_t, std::string> checkpoints;  ///< by size, verbatim
  std::atomic<std::size_t> count{0};
  std::atomic<std::size_t> contradictions{0};

  void take(const protocol::Accepted& accepted) {
    const std::lock_guard lock(mutex);
    auto [place, fresh] = receipts.emplace(accepted.exchange, accepted.proof.index);
    if (!fresh && place->second != accepted.proof.index) ++contradictions;
    std::string_view note = accepted.proof.checkpoint;
    if (auto head = audit::parse_tree_head(note.substr(0, note.find("\n\n") + 1))) {
      auto [seen, first] = checkpoints.emplace(head->size.value, std::string(note));
      if (!first && seen->second != note) ++contradictions;  // Ed25519 is deterministic: one size, one note
    }
    count = receipts.size();
  }
};

class KillNine : public ::testing::Test {
 protected:
  KillNine()
      : department_([] {
          DepartmentOptions options;
          options.now = SystemClock().now();
          options.senders = senders;
          return options;
        }()),
        broker_(department_, PLI_BROKER_PROGRAM) {}

  RawClient connect(const std::string& member) {
    return RawClient(broker_.endpoint(), broker_.curve(), department_.identity(member).curve_secret());
  }

  std::vector<protocol::Submit> load(const std::string& sender, std::size_t count) {
    RawClient client = connect(sender);
    auto reply = client.ask(protocol::Hello{});
    const auto& hello = std::get<protocol::HelloReply>(*reply);
    auto session = crypto::BoxPair::generate();
    std::vector<protocol::Submit> out;
    Draft draft;
    draft.sender = sender;
    draft.content = Bytes(600, 1);
    draft.openable = false;
    for (std::size_t i = 0; i < count; ++i)
      out.push_back(Department::wire_submit(department_.seal(draft), hello.release_epoch, hello.release_key, session));
    return out;
  }

  /// Whoever has only the files finds the whole log in them, whenever their writer was killed.
  void expect_whole_tiles(const audit::VerifierKey& key) const {
    const auto read = [&](const std::string& name) {
      return read_file(broker_.tiles() / Department::shard() / name, audit::bundle_bytes_max);
    };
    const auto served = read("checkpoint");
    ASSERT_TRUE(served);
    const auto checkpoint = audit::verify_checkpoint(as_text(*served), key);
    ASSERT_TRUE(checkpoint);
    EXPECT_GT(checkpoint->size().value, submissions);
    auto tiles = audit::CheckedTiles::open(checkpoint->size(), checkpoint->root(),
                                           [&](const audit::TileId& id) { return read(audit::to_path(id)); });
    ASSERT_TRUE(tiles) << tiles.error().detail;
    const std::vector<audit::TileId> all = audit::tiles_between({0}, checkpoint->size()).value();
    for (const audit::TileId& id : all) EXPECT_TRUE(tiles->read(id)) << audit::to_path(id);
    const auto range = audit::hash_bundles(checkpoint->size(), {0, audit::bundle_count(checkpoint->size())},
                                           [&](const audit::BundleId& id) { return read(audit::to_path(id)); }, {});
    ASSERT_TRUE(range) << range.error().detail;
    EXPECT_TRUE(audit::verify_log({{*range}}, checkpoint->size(), checkpoint->root()));
  }

  /// As an outbox does: the same bytes again on a new connection until each has its receipt.
  void send_all(const std::string& sender, const std::vector<protocol::Submit>& submits, Held& held) {
    constexpr std::size_t in_flight = 32;
    std::vector<bool> done(submits.size(), false);
    std::size_t left = submits.size();
    while (left > 0) {
      RawClient client = connect(sender);
      std::size_t next = 0;
      std::size_t waiting = 0;
      auto send = [&] {
        while (next < submits.size() && done[next]) ++next;
        if (next == submits.size()) return;
        client.send(protocol::Request{next, submits[next]});
        ++next;
        ++waiting;
      };
      for (std::size_t i = 0; i < in_flight; ++i) send();
      while (waiting > 0) {
        auto reply = client.receive(seconds(2));
        if (!reply) break;  // the broker died with our requests: all that have no receipt go again
        --waiting;
        const auto* accepted = std::get_if<protocol::Accepted>(&reply->body);
        if (accepted != nullptr && !done[reply->id]) {
          held.take(*accepted);
          done[reply->id] = true;
          --left;
        }
        send();
      }
    }
  }

  /// The leaf of every acceptance in the journal, read through, by exchange.
  static std::map<protocol::ExchangeId, std::vector<LeafIndex>> acceptances(RawClient& auditor) {
    std::map<protocol::ExchangeId, std::vector<LeafIndex>> out;
    // Reading makes leaves of its own: the end is where it stood at first.
    std::uint64_t size = UINT64_MAX;
    if (auto reply = auditor.ask(protocol::GetHealth{}); reply && std::holds_alternative<protocol::Health>(*reply))
      size = std::get<protocol::Health>(*reply).tree_size;
    else
      ADD_FAILURE() << "no health";
    for (LeafIndex from{}; from.value < size;) {
      auto reply = auditor.ask(protocol::GetRecords{from, protocol::records_items_max});
      const auto* records = reply ? std::get_if<protocol::Records>(&*reply) : nullptr;
      if (records == nullptr || records->items.empty()) {
        ADD_FAILURE() << "the journal stops at " << from.value;
        break;
      }
      for (const protocol::RecordItem& item : records->items) {
        EXPECT_EQ(item.index, from);
        ++from.value;
        const auto record = audit::decode_disclosure(item.disclosure);
        if (!record) {
          ADD_FAILURE() << "no record at " << item.index.value;
          continue;
        }
        const auto is = [&](const char* field, std::string_view value) {
          const Bytes* found = record->find(field);
          return found != nullptr && as_text(*found) == value;
        };
        const Bytes* exchange = record->find("exchange");
        if (is("act", "submit") && is("outcome", "ok") && exchange != nullptr)
          out[to_array<32>(*exchange).value()].push_back(item.index);
      }
    }
    return out;
  }

  Department department_;
  RealBroker broker_;
};

TEST_F(KillNine, P2AcceptedMeansDurableP8NothingLostNothingTwice) {
  broker_.start();
  std::vector<std::vector<protocol::Submit>> loads;
  for (std::size_t i = 0; i < senders; ++i)
    loads.push_back(load("referent." + std::to_string(i), submissions / senders));

  Held held;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < senders; ++i)
    threads.emplace_back([&, i] { send_all("referent." + std::to_string(i), loads[i], held); });
  for (std::size_t kill = 1; kill <= kills; ++kill) {
    while (held.count < kill * submissions / (kills + 1)) std::this_thread::yield();
    broker_.kill_nine();
    broker_.start();
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(held.count, submissions);
  EXPECT_EQ(held.contradictions, 0U) << "one exchange, two leaves; or one size, two checkpoints";

  // Every receipt held is in the restarted broker, at the same leaf, and sending it again makes no second one.
  for (std::size_t i = 0; i < senders; ++i) {
    RawClient client = connect("referent." + std::to_string(i));
    for (const protocol::Submit& submit : loads[i]) {
      auto again = client.ask(submit);
      ASSERT_TRUE(again);
      const auto* accepted = std::get_if<protocol::Accepted>(&*again);
      ASSERT_NE(accepted, nullptr);
      EXPECT_TRUE(accepted->duplicate);
      EXPECT_EQ(accepted->proof.index, held.receipts.at(accepted->exchange));
    }
  }
  // The log extends every checkpoint seen.
  RawClient auditor = connect("auditeur");
  const audit::VerifierKey key{department_.origin(), audit::KeyType::ed25519, broker_.log_key()};
  std::size_t checked = 0;
  for (const auto& [size, note] : held.checkpoints) {
    auto older = audit::verify_checkpoint(note, key);
    ASSERT_TRUE(older);
    auto reply = auditor.ask(protocol::GetCheckpoint{TreeSize{size}});
    ASSERT_TRUE(reply);
    const auto* answer = std::get_if<protocol::CheckpointReply>(&*reply);
    ASSERT_NE(answer, nullptr);
    auto newer = audit::verify_checkpoint(answer->checkpoint, key);
    ASSERT_TRUE(newer);
    EXPECT_TRUE(
        audit::verify_consistency(older->size(), older->root(), newer->size(), newer->root(), answer->consistency));
    ++checked;
  }
  EXPECT_GT(checked, kills);
  // Each exchange was accepted once: the journal has no acceptance beyond those receipted, and none has two leaves.
  const std::map<protocol::ExchangeId, std::vector<LeafIndex>> logged = acceptances(auditor);
  std::map<protocol::ExchangeId, std::vector<LeafIndex>> receipted;
  for (const auto& [exchange, leaf] : held.receipts) receipted[exchange] = {leaf};
  EXPECT_EQ(logged.size(), submissions);
  EXPECT_TRUE(logged == receipted) << "an exchange under two leaves, or a leaf nobody holds a receipt of";
  broker_.stop();
  EXPECT_EQ(broker_.check(), 0) << "pli-broker check: every invariant of the store";
  expect_whole_tiles(key);
}

}  // namespace
}  // namespace pli::testing
