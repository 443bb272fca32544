// A bit flipped anywhere in the database or its WAL is harmless, or named: by a start, by the store that closes, by the
// comparison with the outside checkpoint, or by `pli-broker check`. No opening hands out other bytes than were sealed.
#include <algorithm>
#include <random>

#include "broker/standing.hpp"
#include "tests/crash/scripted_broker.hpp"
#include "tests/support/faulty_disk.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::testing {
namespace {

constexpr std::size_t page_bytes = 8192;
constexpr std::size_t file_header_bytes = 100;
constexpr std::size_t wal_header_bytes = 32;
constexpr std::size_t frame_bytes = page_bytes + 24;

struct OnItsDisk {
  FaultyDisk disk_{seed()};
};

class FlippedBits : protected OnItsDisk, public ScriptedBroker {
 protected:
  enum class Found { harmless, at_start, served_nothing, by_check, rolled_back };

  FlippedBits() : ScriptedBroker(disk_.name()) {
    house_.close();
    EXPECT_TRUE(run_script());
    checkpoint_ = house_.core().newest_checkpoint();
    in_wal_ = disk_.image();
    house_.close();
    // Pages that are free, as after an erasure.
    run_sql(house_.database(),
            "CREATE TABLE gone (x BLOB); INSERT INTO gone VALUES (zeroblob(60000)); DROP TABLE gone;", disk_.name());
    disk_.kill_process();
    EXPECT_TRUE(house_.open().has_value());
    EXPECT_TRUE(house_.store().write_back_all().has_value());
    house_.close();
    written_back_ = disk_.image();
    tables_ = tables_now();
  }

  std::map<std::string, Digest> tables_now() {
    // Earlier than its leaf an exchange may have been taken: by how much, nothing else says.
    run_sql(house_.database(), "UPDATE exchange SET accepted_at = 0", disk_.name());
    std::map<std::string, Digest> tables = table_digests(house_.database(), disk_.name());
    tables.erase("meta");  // each start takes a writer epoch; what it holds besides is checked
    return tables;
  }

  /// Opens what there is, and compares every byte that comes with what was sealed.
  bool serve() {
    const std::uint64_t before = served_;
    for (int again = 0; again < 2; ++again) {
      std::vector<broker::VerifiedRequest> batch;
      batch.push_back(house_.request("ged.2", department_.open("ged.2", first_.id, house_.now)));
      const auto outcome = house_.apply(std::move(batch));
      if (!outcome) return false;
      for (const broker::Outgoing& out : outcome->outgoing) {
        const auto* opened = std::get_if<protocol::Opened>(&out.reply.body);
        if (opened == nullptr) continue;
        ++served_;
        EXPECT_TRUE(opened->payload == first_.envelope.payload);
        EXPECT_EQ(opened->access.size(), 1U);
        for (const protocol::AccessPart& part : opened->access) {
          EXPECT_TRUE(part.locked == first_.envelope.locked);
          EXPECT_TRUE(part.address == first_.envelope.address);
          EXPECT_TRUE(part.seal == first_.envelope.seal);
        }
      }
    }
    return served_ == before + 2;
  }

  Found look(const DiskImage& image) {
    house_.close();
    disk_.put(image);
    if (const auto opened = house_.open(); !opened) {
      EXPECT_NE(opened.error().detail, "");
      return Found::at_start;
    }
    const auto compared = broker::compare_with_outside({1, checkpoint_}, department_.log(),
                                                       house_.keys().log_key().public_key(), house_.store());
    if (!compared) return Found::at_start;
    if (compared->standing != broker::Standing::extends) return Found::rolled_back;
    if (!is_whole()) return Found::by_check;
    // Beyond what check looks at there is nothing that differs.
    for (const auto& [table, digest] : tables_now()) EXPECT_TRUE(digest == tables_.at(table)) << table;
    return serve() ? Found::harmless : Found::served_nothing;
  }

  /// Before anybody has looked for damage, what a member is given is right or nothing.
  void serve_unchecked(const DiskImage& image) {
    house_.close();
    disk_.put(image);
    if (house_.open()) (void)serve();
  }

  bool is_whole() {
    const auto report = checked();
    EXPECT_TRUE(report || !report.error().detail.empty());
    return report && report->problems.empty();
  }

  /// One bit at each of these places in turn; how many were found in which way.
  std::map<Found, std::size_t> flip_each(const DiskImage& whole, const std::string& file,
                                         const std::vector<std::size_t>& places) {
    std::map<Found, std::size_t> counts;
    std::mt19937_64 random(seed());
    for (const std::size_t place : places) {
      DiskImage image = whole;
      const auto bit = static_cast<std::uint8_t>(1U << random() % 8);
      image.at(file)[place] ^= bit;
      SCOPED_TRACE("bit " + std::to_string(bit) + " of byte " + std::to_string(place) + ", page " +
                   std::to_string(place / page_bytes + 1) + ", seed " + std::to_string(seed()));
      ++counts[look(image)];
      serve_unchecked(image);
      if (HasFailure()) return counts;
    }
    std::cout << places.size() << " bits: " << counts[Found::harmless] << " harmless, " << counts[Found::at_start]
              << " refused at start, " << counts[Found::rolled_back] << " ROLLED_BACK, " << counts[Found::by_check]
              << " found by check, " << counts[Found::served_nothing] << " closed the store\n";
    return counts;
  }

  std::string checkpoint_;
  DiskImage in_wal_;        ///< as a running broker leaves it
  DiskImage written_back_;  ///< as a stop leaves it
  std::map<std::string, Digest> tables_;
  std::uint64_t served_ = 0;
};

/// PLI_FLIPS=n: so many in each page, drawn by PLI_SEED.
TEST_F(FlippedBits, InAnyPageAreHarmlessOrNamedAndNothingElseIsOpened) {
  const std::string file = house_.database().string();
  const std::size_t size = written_back_.at(file).size();
  ASSERT_EQ(size % page_bytes, 0U);
  const char* wanted = std::getenv("PLI_FLIPS");
  const std::size_t each = wanted == nullptr ? 8 : std::strtoull(wanted, nullptr, 10);
  std::mt19937_64 random(seed());
  std::vector<std::size_t> places;
  for (std::size_t page = 0; page < size / page_bytes; ++page)
    for (std::size_t i = 0; i < each; ++i) {
      // Half of them where a page keeps its own order.
      const std::size_t range = i % 2 == 0 ? page_bytes : 64;
      places.push_back(page * page_bytes + random() % range);
    }
  for (std::size_t i = 0; i < file_header_bytes; ++i) places.push_back(i);
  std::cout << size / page_bytes << " pages, ";
  auto counts = flip_each(written_back_, file, places);
  EXPECT_GT(counts[Found::at_start], 0U);
  EXPECT_GT(counts[Found::by_check], 0U);
}

/// The content of one exchange, wherever it stands in its page.
TEST_F(FlippedBits, InTheBodyOfAnExchangeItIsNotOpened) {
  const std::string file = house_.database().string();
  const Bytes& database = written_back_.at(file);
  std::vector<std::size_t> places;
  for (const Bytes* part : {&first_.envelope.payload, &first_.envelope.locked, &first_.envelope.address}) {
    const std::size_t wanted = std::min<std::size_t>(part->size(), 64);
    const auto found =
        std::search(database.begin(), database.end(), part->end() - static_cast<std::ptrdiff_t>(wanted), part->end());
    ASSERT_NE(found, database.end());
    for (std::size_t i = 0; i < wanted; i += 8)
      places.push_back(static_cast<std::size_t>(found - database.begin()) + i);
  }
  for (const std::size_t place : places) {
    SCOPED_TRACE("byte " + std::to_string(place));
    DiskImage image = written_back_;
    image.at(file)[place] ^= 1;
    house_.close();
    disk_.put(image);
    ASSERT_TRUE(house_.open().has_value()) << "no start reads it";
    EXPECT_FALSE(serve()) << "other bytes than were sealed were handed out";
    EXPECT_FALSE(is_whole());
  }
}

/// A frame of the WAL with another bit ends it: what comes after was receipted and is gone, which the outside
/// checkpoint tells.
TEST_F(FlippedBits, InTheWalAreNamedByTheOutsideCheckpoint) {
  const std::string file = house_.database().string() + "-wal";
  const std::size_t size = in_wal_.at(file).size();
  std::mt19937_64 random(seed());
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < wal_header_bytes; ++i) places.push_back(i);
  for (std::size_t frame = wal_header_bytes; frame + frame_bytes <= size; frame += frame_bytes)
    for (const std::size_t at : {random() % 24, 24 + random() % page_bytes}) places.push_back(frame + at);
  tables_.clear();
  house_.close();
  disk_.put(in_wal_);
  tables_ = tables_now();
  auto counts = flip_each(in_wal_, file, places);
  EXPECT_GT(counts[Found::rolled_back], places.size() / 2);
  EXPECT_EQ(counts[Found::by_check] + counts[Found::served_nothing], 0U) << "what is left is whole";
}

}  // namespace
}  // namespace pli::testing
