#include "broker/store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "broker/store_tail.hpp"
#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "protocol/exchange.hpp"
#include "tests/support/faulty_disk.hpp"
#include "tests/support/store_surgery.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::broker {
namespace {

using testing::TemporaryFolder;

Digest digest_of(std::uint64_t number, const char* what) {
  ByteWriter out;
  out.u64(number);
  out.raw(as_bytes(what));
  return crypto::sha256(out.bytes());
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { crypto::initialise(); }
  std::unique_ptr<Store> open(StoreOptions options = {}) {
    options.create = true;
    auto store = Store::open(file, options);
    EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().detail);
    return store ? *std::move(store) : nullptr;
  }
  static Transaction begin(Store& store) {
    auto tx = store.begin();
    EXPECT_TRUE(tx.has_value());
    return *std::move(tx);
  }
  /// Writes queue and roster, which exchanges refer to.
  static void found(Store& store) {
    Transaction tx = begin(store);
    EXPECT_EQ(tx.add_queue("ged/89").value, 1U);
    EXPECT_EQ(tx.add_roster(digest_of(1, "roster"), {{}}).value, 1U);
    ASSERT_TRUE(tx.commit().has_value());
  }
  static ExchangeRow row(std::uint64_t number) {
    ExchangeRow out;
    out.number = {number};
    out.id = digest_of(number, "id");
    out.nonce = digest_of(number, "nonce");
    out.leaf = {{number}, {}};
    out.queue = {1};
    out.head = {{number}, digest_of(number, "head")};
    out.kind = 1;
    out.case_number = {number};
    out.roster = {1};
    protocol::Seal seal;
    seal.locked_size = 10;
    seal.payload_size = 20;
    seal.payload = digest_of(number, "payload");
    out.seal = protocol::encode(seal);
    out.address = Bytes(300, 1);
    out.body_bytes = 30;
    return out;
  }
  static void add(Transaction& tx, std::uint64_t number) {
    tx.add_exchange(row(number), digest_of(number, "payload"));
    CaseRow opened;
    opened.number = {number};
    opened.queue = {1};
    opened.organisation = number % 2 == 0 ? "even" : "odd";
    tx.add_case(opened);
  }
  void expect_all_found(const Store& store, std::uint64_t count) {
    ASSERT_EQ(store.exchange_count(), count);
    for (std::uint64_t n = 1; n <= count; ++n) {
      const auto by_id = store.find_exchange(digest_of(n, "id"));
      ASSERT_TRUE(by_id.has_value()) << n;
      ASSERT_EQ(by_id->number.value, n);
      ASSERT_EQ(store.find_nonce(digest_of(n, "nonce")), digest_of(n, "id"));
      ASSERT_EQ(store.find_payload(digest_of(n, "payload")), digest_of(n, "id"));
    }
    EXPECT_FALSE(store.find_exchange(digest_of(count + 1, "id")).has_value());
    EXPECT_FALSE(store.fault().has_value());
  }
  TemporaryFolder folder;
  std::filesystem::path file = folder.path() / "pli.db";
};

TEST_F(StoreTest, IsMadeForItsOwnerAloneWithTheLayoutPromised) {
  auto store = open();
  EXPECT_EQ(std::filesystem::status(file).permissions() & std::filesystem::perms::mask, std::filesystem::perms(0600));
  EXPECT_EQ(testing::query_number(file, "PRAGMA page_size"), 8192);
  EXPECT_TRUE(std::filesystem::exists(file.string() + "-wal"));
  EXPECT_EQ(testing::query_number(file,
                                  "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND "
                                  "strict = 0 AND name NOT LIKE 'sqlite_%'"),
            0);
}

TEST_F(StoreTest, IsNotMadeUnlessToldSo) {
  EXPECT_EQ(Store::open(file, {}).error().code, Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(StoreTest, KeepsWhatTheRoadOfACaseNeedsAndWhoTakesNoPartInIt) {
  CaseRow changed;
  {
    auto store = open();
    found(*store);
    Transaction tx = begin(*store);
    add(tx, 1);
    ASSERT_TRUE(tx.commit().has_value());
    changed = *store->case_file({1});
    EXPECT_EQ(changed.told_at, UnixMillis{0});
    EXPECT_EQ(changed.recused, 0U);
    changed.resumes = 5;
    changed.out_of_scope = true;
    changed.session_at = {1};
    changed.decided_at = {2};
    changed.review_at = {3};
    changed.told_at = {4};
    changed.closed_at = {5};
    changed.recused = 2;
    changed.noticed_at = {6};
    changed.term_at = {7};
    changed.held_until = {8};
    Transaction more = begin(*store);
    more.update_case(changed);
    more.add_recusal({1}, "a.martin");
    more.add_recusal({1}, "b.petit");
    more.withhold({{1}, {86'400'000}});
    ASSERT_TRUE(more.commit().has_value());
  }
  auto store = open();
  const auto kept = store->case_file({1});
  ASSERT_TRUE(kept);
  EXPECT_EQ(
      std::tie(kept->resumes, kept->out_of_scope, kept->session_at, kept->decided_at, kept->review_at, kept->told_at),
      std::tie(changed.resumes, changed.out_of_scope, changed.session_at, changed.decided_at, changed.review_at,
               changed.told_at));
  EXPECT_EQ(std::tie(kept->closed_at, kept->recused, kept->noticed_at, kept->term_at, kept->held_until),
            std::tie(changed.closed_at, changed.recused, changed.noticed_at, changed.term_at, changed.held_until));
  EXPECT_EQ(store->recused({1}), (std::vector<std::string>{"a.martin", "b.petit"}));
  EXPECT_EQ(store->recused({2}), std::vector<std::string>{});
  ASSERT_EQ(store->withheld().size(), 1U);
  EXPECT_EQ(store->withheld().front().until, UnixMillis{86'400'000});
  Transaction tx = begin(*store);
  tx.release_withheld({1});
  ASSERT_TRUE(tx.commit().has_value());
  EXPECT_TRUE(store->withheld().empty());
}

TEST_F(StoreTest, RefusesAFileThatIsNotItsOwn) {
  { auto store = open(); }
  testing::run_sql(file, "PRAGMA user_version = 7");
  EXPECT_EQ(Store::open(file, {}).error().code, Errc::conflict) << "a newer program's";
  testing::run_sql(file, "PRAGMA application_id = 1");
  EXPECT_EQ(Store::open(file, {}).error().code, Errc::corruption);
}

TEST_F(StoreTest, KeepsWhatWasCommittedAndNothingElse) {
  {
    auto store = open();
    found(*store);
    Transaction tx = begin(*store);
    add(tx, 1);
    ASSERT_TRUE(tx.commit().has_value());
    {
      Transaction dropped = begin(*store);
      add(dropped, 2);
      EXPECT_TRUE(store->find_exchange(digest_of(2, "id")).has_value());
    }
    EXPECT_FALSE(store->find_exchange(digest_of(2, "id")).has_value());
    EXPECT_FALSE(store->find_nonce(digest_of(2, "nonce")).has_value());
    EXPECT_TRUE(store->cases_of_party("even", {}, 10).empty());
    Transaction again = begin(*store);
    add(again, 2);
    ASSERT_TRUE(again.commit().has_value());
  }
  expect_all_found(*open(), 2);
}

TEST_F(StoreTest, AnOlderWriterCanCommitNothing) {
  auto older = open();
  found(*older);
  auto newer = open();
  EXPECT_EQ(older->begin().error().code, Errc::conflict);
  EXPECT_TRUE(older->fault().has_value());
  Transaction tx = begin(*newer);
  add(tx, 1);
  EXPECT_TRUE(tx.commit().has_value());
  // Closed for good: reads find nothing any more.
  EXPECT_FALSE(older->find_exchange(digest_of(1, "id")).has_value());
}

TEST_F(StoreTest, FindsEverythingWhileTheIndexIsWrittenBehind) {
  // Enough that the tail freezes twice and is being written when the store is closed.
  constexpr std::uint64_t count = 12'000;
  {
    auto store = open();
    found(*store);
    for (std::uint64_t next = 1; next <= count;) {
      Transaction tx = begin(*store);
      for (int i = 0; i < 240 && next <= count; ++i) add(tx, next++);
      ASSERT_TRUE(tx.commit().has_value());
      if (next % 2400 != 1) continue;
      for (std::uint64_t n = 1; n < next; n += 97)
        ASSERT_TRUE(store->find_exchange(digest_of(n, "id")).has_value()) << n;
    }
    expect_all_found(*store, count);
  }
  auto store = open();
  expect_all_found(*store, count);
  // Lists are whole and in order across what is written and what is not.
  std::vector<std::uint64_t> odd;
  ExchangeNumber after;
  while (true) {
    const auto page = store->cases_of_party("odd", after, 500);
    if (page.empty()) break;
    for (const CaseRow& each : page) odd.push_back(each.number.value);
    after = page.back().number;
  }
  ASSERT_EQ(odd.size(), count / 2);
  EXPECT_TRUE(std::is_sorted(odd.begin(), odd.end()));
  EXPECT_EQ(store->cases_of_instance({1}, {count - 3}, 500).size(), 3U);
  EXPECT_GT(testing::query_number(file, "SELECT indexed_through FROM meta"), 0);
  EXPECT_LT(testing::query_number(file, "SELECT indexed_through FROM meta"), static_cast<std::int64_t>(count));
}

TEST_F(StoreTest, TheTailForgetsADroppedTransactionOnly) {
  FingerTail tail(100);
  tail.add({Finger::id, 5, 1});
  tail.mark();
  tail.add({Finger::id, 5, 2});
  tail.add({Finger::nonce, 5, 2});
  EXPECT_EQ(tail.find(Finger::id, 5), (std::vector<std::uint64_t>{1, 2}));
  tail.forget_since_mark();
  EXPECT_EQ(tail.find(Finger::id, 5), (std::vector<std::uint64_t>{1}));
  EXPECT_TRUE(tail.find(Finger::nonce, 5).empty());
}

TEST_F(StoreTest, ABodyComesBackWholeAndInAnyPart) {
  auto store = open();
  found(*store);
  std::uint64_t number = 0;
  for (const std::size_t locked_size : {1UL, 1350UL, 1351UL, 5000UL}) {
    for (const std::size_t payload_size : {0UL, 1UL, 1349UL, 1350UL, 2700UL, 40'000UL, 200'000UL}) {
      Bytes locked(locked_size);
      Bytes payload(payload_size);
      crypto::random_bytes(locked);
      crypto::random_bytes(payload);
      Transaction tx = begin(*store);
      add(tx, ++number);
      tx.add_body({number}, locked, payload);
      ASSERT_TRUE(tx.commit().has_value());
      Bytes whole = locked;
      append(whole, payload);
      EXPECT_EQ(store->body({number}, 0, whole.size()), whole);
      EXPECT_EQ(store->body({number}, locked_size, payload_size), payload);
      for (const std::size_t at : {0UL, 1UL, 1349UL, 1350UL, 1351UL, 49'151UL, 49'152UL, 100'000UL}) {
        if (at >= whole.size()) continue;
        const std::size_t size = std::min<std::size_t>(whole.size() - at, 777);
        EXPECT_TRUE(equal(store->body({number}, at, size), ByteView(whole).subspan(at, size))) << at;
      }
    }
  }
  ASSERT_FALSE(store->fault().has_value());
  // Asked for more than there is: something is missing, and the store says so for good.
  (void)store->body({1}, 0, 1'000'000);
  EXPECT_EQ(store->fault()->code, Errc::corruption);
}

TEST_F(StoreTest, TheWalStaysBoundedUnderSteadyWork) {
  for (const bool background : {true, false}) {
    file = folder.path() / (background ? "background.db" : "inline.db");
    StoreOptions options;
    options.background_writeback = background;
    options.wal_pages_max = 2048;
    auto store = open(options);
    found(*store);
    std::uintmax_t largest = 0;
    Bytes payload(200'000);
    crypto::random_bytes(payload);
    constexpr std::uint64_t count = 400;
    for (std::uint64_t n = 1; n <= count; ++n) {
      Transaction tx = begin(*store);
      add(tx, n);
      tx.add_body({n}, Bytes(10, 1), payload);
      ASSERT_TRUE(tx.commit().has_value());
      largest = std::max(largest, std::filesystem::file_size(file.string() + "-wal"));
    }
    EXPECT_LT(largest, 8192U * 2300U);
    EXPECT_EQ(store->body({1}, 10, payload.size()), payload);
    ASSERT_TRUE(store->write_back_all().has_value());
    EXPECT_EQ(std::filesystem::file_size(file.string() + "-wal"), 0U);
    EXPECT_GT(std::filesystem::file_size(file), payload.size() * count);
    EXPECT_EQ(store->body({count}, 10, payload.size()), payload);
  }
}

TEST_F(StoreTest, AnIdleStoreSyncsNothing) {
  testing::FaultyDisk disk;
  StoreOptions options;
  options.vfs = disk.name();
  options.background_writeback = false;
  auto store = open(options);
  found(*store);
  const std::uint64_t syncs = disk.syncs();
  Transaction tx = begin(*store);
  EXPECT_FALSE(tx.dirty());
  ASSERT_TRUE(tx.commit().has_value());
  EXPECT_EQ(disk.syncs(), syncs);
  Transaction dirty = begin(*store);
  add(dirty, 1);
  ASSERT_TRUE(dirty.commit().has_value());
  EXPECT_GT(disk.syncs(), syncs);
}

/// Each write and each sync of a commit fails in turn, leaving what was written before or not.
TEST_F(StoreTest, P2AnyFailedWriteOrSyncClosesTheStoreAndLosesNothingReceipted) {
  for (const bool written_anyway : {false, true}) {
    for (std::uint64_t at = 0;; ++at) {
      TemporaryFolder each;
      file = each.path() / "pli.db";
      testing::FaultyDisk disk;
      StoreOptions options;
      options.vfs = disk.name();
      options.background_writeback = false;
      auto store = open(options);
      found(*store);
      Transaction first = begin(*store);
      add(first, 1);
      first.add_body({1}, Bytes(10, 1), Bytes(20'000, 2));
      ASSERT_TRUE(first.commit().has_value());
      disk.fail({.at = at, .done_anyway = written_anyway, .lasting = true});
      // Beginning may write too: the WAL starts anew there.
      const auto committed = [&]() -> Result<void> {
        auto tx = store->begin();
        if (!tx) return tx.error();
        add(*tx, 2);
        tx->add_body({2}, Bytes(10, 1), Bytes(20'000, 2));
        return tx->commit();
      }();
      const bool reached = disk.failed();
      disk.heal();
      if (!reached) {
        ASSERT_TRUE(committed.has_value());
        ASSERT_GT(at, 3U);  // there was something to fail
        break;
      }
      ASSERT_FALSE(committed.has_value()) << at;
      EXPECT_EQ(committed.error().code, Errc::io_error);
      // Retrying is unsafe, so it is refused; only open() recovers.
      EXPECT_FALSE(store->begin().has_value());
      store.reset();
      auto recovered = Store::open(file, options);
      ASSERT_TRUE(recovered.has_value()) << recovered.error().detail;
      EXPECT_TRUE((*recovered)->find_exchange(digest_of(1, "id")).has_value()) << at;
      EXPECT_EQ((*recovered)->body({1}, 0, 20'010).size(), 20'010U);
      const bool second = (*recovered)->find_exchange(digest_of(2, "id")).has_value();
      EXPECT_EQ((*recovered)->exchange_count(), second ? 2U : 1U);
      // All of it or nothing. (Asking the store for a body that is not there would close it.)
      if (second) {
        EXPECT_EQ((*recovered)->body({2}, 0, 20'010).size(), 20'010U);
      } else {
        EXPECT_EQ(testing::query_number(file, "SELECT count(*) FROM piece WHERE key >> 12 = 2", disk.name()), 0) << at;
      }
      Transaction next = begin(**recovered);
      add(next, second ? 3 : 2);
      EXPECT_TRUE(next.commit().has_value());
    }
  }
}

/// What is taken away under an open database would take receipts with it: the store closes at the next transaction,
/// and at the commit of the one under way.
TEST_F(StoreTest, P2AFileOfTheDatabaseRemovedReplacedOrCutWhileItIsOpenClosesTheStore) {
  const auto replace = [](const std::filesystem::path& path) {
    std::filesystem::copy_file(path, path.string() + ".copy");
    std::filesystem::rename(path.string() + ".copy", path);
  };
  const auto remove = [](const std::filesystem::path& path) { std::filesystem::remove(path); };
  const auto empty = [](const std::filesystem::path& path) { std::filesystem::resize_file(path, 0); };
  const auto shorten = [](const std::filesystem::path& path) {
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  };
  struct Damage {
    const char* suffix;
    std::function<void(const std::filesystem::path&)> make;
  };
  const std::vector<Damage> damages = {{"", replace},     {"", remove},     {"", empty},     {"", shorten},
                                       {"-wal", replace}, {"-wal", remove}, {"-wal", empty}, {"-wal", shorten},
                                       {"-shm", replace}, {"-shm", remove}};
  for (std::size_t i = 0; i < damages.size(); ++i) {
    for (const bool in_the_middle : {false, true}) {
      TemporaryFolder each;
      file = each.path() / "pli.db";
      auto store = open();
      found(*store);
      Transaction first = begin(*store);
      add(first, 1);
      ASSERT_TRUE(first.commit().has_value());
      const std::string path = file.string() + damages[i].suffix;
      const auto committed = [&]() -> Result<void> {
        if (!in_the_middle) damages[i].make(path);
        auto tx = store->begin();
        if (!tx) return tx.error();
        if (in_the_middle) damages[i].make(path);
        add(*tx, 2);
        return tx->commit();
      }();
      ASSERT_FALSE(committed.has_value()) << i;
      EXPECT_EQ(committed.error().code, Errc::corruption) << i;
      EXPECT_FALSE(store->begin().has_value());
    }
  }
}

TEST_F(StoreTest, AWalThatBeginsAnewIsNotTakenForOneThatWasCut) {
  auto store = open();
  found(*store);
  for (std::uint64_t n = 1; n <= 3; ++n) {
    Transaction tx = begin(*store);
    add(tx, n);
    tx.add_body({n}, Bytes(10, 1), Bytes(200'000, 2));
    ASSERT_TRUE(tx.commit().has_value());
    ASSERT_TRUE(store->truncate_wal());
    EXPECT_EQ(std::filesystem::file_size(file.string() + "-wal"), 0U);
  }
  EXPECT_EQ(store->exchange_count(), 3U);
}

}  // namespace
}  // namespace pli::broker
