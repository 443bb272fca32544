#include "client/export_journal.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "audit/tile.hpp"
#include "audit/witness_policy.hpp"
#include "base/file.hpp"
#include "client/log_watch.hpp"
#include "client/motif_note.hpp"
#include "client/tile_folder.hpp"
#include "crypto/age_seal.hpp"
#include "protocol/limits.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t file_bytes_max = std::size_t{64} * 1024 * 1024;

Bytes file(const fs::path& path) {
  auto bytes = read_file(path, file_bytes_max);
  EXPECT_TRUE(bytes.has_value()) << path;
  return bytes ? *bytes : Bytes();
}

/// Every file of a folder, by its name in it.
std::map<std::string, Bytes> files_in(const fs::path& folder) {
  std::map<std::string, Bytes> out;
  if (!fs::exists(folder)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) out[fs::relative(entry.path(), folder).string()] = file(entry.path());
  return out;
}

class ExportTest : public Sitting {
 protected:
  ExportTest() { clock_.set(noon("2026-03-20")); }
  static Day day(const char* text) { return parse_day(text).value(); }
  static UnixMillis noon(const char* date) { return paris_midnight(day(date)) + 12h; }
  void acts_on(const char* date, std::size_t count) {
    clock_.set(noon(date));
    for (std::size_t i = 0; i < count; ++i) broker_.add_noise_leaf();
  }
  Outcome<client::ExportOutcome> export_to(const fs::path& folder, const char* from, const char* to) {
    auto desk = connected("auditeur");
    return client::export_journal(*desk->session, {folder, day(from), day(to)}, {}, 0ms);
  }

  Outcome<client::ExportOutcome> export_shard(const fs::path& folder, const std::string& shard) {
    auto desk = connected("auditeur");
    return client::export_journal(*desk->session, {folder, day("2026-03-21"), day("2026-03-31"), shard}, {}, 0ms);
  }

  /// What docs/protocol.md asks of a reader, with the log's key alone. Returns the indexes of the records.
  std::vector<std::uint64_t> verify(const fs::path& folder) {
    const auto text = [&](std::string_view name) { return std::string(as_text(file(folder / name))); };
    const auto checkpoint = client::verify_log_note(text("checkpoint"), world_.log, world_.log_key.public_key());
    EXPECT_TRUE(checkpoint.has_value()) << why(checkpoint);
    EXPECT_TRUE(audit::WitnessPolicy::parse(text("policy")).has_value());
    const auto period = audit::parse_export_period(text("period"));
    EXPECT_TRUE(period.has_value());
    if (!checkpoint || !period) return {};
    const TreeSize size = checkpoint->size();
    auto tiles = audit::CheckedTiles::open(size, checkpoint->root(), [&](const audit::TileId& tile) {
      return read_file(folder / audit::to_path(tile), audit::tile_bytes_max);
    });
    EXPECT_TRUE(tiles.has_value());
    for (std::uint8_t level = 0; level < audit::tile_levels_max; ++level) {
      const audit::TileRow row = audit::tile_row(size, level);
      for (std::uint64_t i = 0; i < row.full; ++i) EXPECT_TRUE(tiles->read({level, i, audit::tile_width}).has_value());
      if (row.partial != 0) {
        EXPECT_TRUE(tiles->read({level, row.full, row.partial}).has_value());
      }
    }
    std::map<std::uint64_t, audit::Leaf> leaves;
    std::size_t bundles = 0;
    for (std::uint64_t i = 0; i < audit::bundle_count(size); ++i) {
      const audit::BundleId id = audit::bundle_of(size, i);
      const auto bytes = read_file(folder / audit::to_path(id), audit::bundle_bytes_max);
      if (!bytes) continue;
      ++bundles;
      const auto entries = audit::decode_bundle(*bytes, id.width);
      EXPECT_TRUE(entries.has_value());
      std::vector<Digest> hashes;
      for (ByteView entry : *entries) hashes.push_back(audit::leaf_hash(entry));
      EXPECT_TRUE(audit::check_leaves(hashes, *tiles->read({0, i, id.width})).has_value());
      for (std::size_t k = 0; k < entries->size(); ++k) {
        const LeafIndex index{i * audit::tile_width + k};
        const auto leaf = audit::decode_leaf(as_text((*entries)[k]));
        EXPECT_TRUE(leaf.has_value());
        EXPECT_TRUE(audit::check_leaf_time(*period, index, *leaf).has_value()) << index.value;
        leaves[index.value] = *leaf;
      }
    }
    // Every leaf of the period is there, and both neighbours; and no bundle more than that takes.
    const std::uint64_t first = period->from.value == 0 ? 0 : period->from.value - 1;
    const std::uint64_t last = std::min(period->to.value, size.value - 1);
    for (std::uint64_t i = first; i <= last; ++i) EXPECT_EQ(leaves.count(i), 1U) << i;
    EXPECT_EQ(bundles, last / audit::tile_width - first / audit::tile_width + 1);

    std::ifstream in(folder / "records", std::ios::binary);
    auto records = audit::ExportRecords::open(*period, [&](std::span<std::uint8_t> out) -> Result<std::size_t> {
      in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
      return static_cast<std::size_t>(in.gcount());
    });
    EXPECT_TRUE(records.has_value());
    std::vector<std::uint64_t> indexes;
    while (true) {
      auto record = records->next();
      EXPECT_TRUE(record.has_value());
      if (!record || !*record) break;
      EXPECT_TRUE(audit::check_record(**record, leaves.at((*record)->index.value)).has_value());
      indexes.push_back((*record)->index.value);
    }
    EXPECT_EQ(indexes.size(), period->to.value - period->from.value);
    return indexes;
  }
};

TEST_F(ExportTest, APeriodIsTakenAwayAndProvesItself) {
  somebody_sends("r.bellerive", report());
  acts_on("2026-03-21", 700);
  acts_on("2026-03-22", 3);
  acts_on("2026-03-23", 600);
  const ScratchFolder scratch;
  const auto done = export_to(scratch.path() / "export", "2026-03-22", "2026-03-22");
  ASSERT_TRUE(done.has_value()) << why(done);
  EXPECT_TRUE(done->report.clean());
  const auto indexes = verify(scratch.path() / "export");
  ASSERT_EQ(indexes.size(), 3U);
  EXPECT_EQ(indexes.front(), done->period.from.value);
  const std::string read_me(as_text(file(scratch.path() / "export" / "LISEZMOI.txt")));
  EXPECT_NE(read_me.find("Actes        3 : places"), std::string::npos) << read_me;
  EXPECT_EQ(read_me.find("ATTENTION"), std::string::npos);
}

TEST_F(ExportTest, WhereverThePeriodLiesAmongTheBundlesItsNeighboursComeAlong) {
  // The first leaves of the log and of the directory are of spring; then two days, cut at each place around a bundle.
  const std::uint64_t begun = broker_.size().value;
  for (const std::uint64_t cut : {255U, 256U, 257U, 512U}) {
    MemoryBroker other = broker_;
    shown_ = &other;
    clock_.set(noon("2026-03-21"));
    while (other.size().value < cut) other.add_noise_leaf();
    clock_.set(noon("2026-03-22"));
    while (other.size().value < 600) other.add_noise_leaf();
    const ScratchFolder scratch;
    struct Row {
      const char* from;
      const char* to;
      std::uint64_t count;
    };
    clock_.set(noon("2026-03-23"));
    for (const Row& row : {Row{"2026-03-21", "2026-03-21", cut - begun}, Row{"2026-03-22", "2026-03-22", 600 - cut},
                           Row{"2025-01-01", "2026-12-31", 600}, Row{"2020-01-01", "2020-01-01", 0},
                           Row{"2026-03-24", "2026-03-24", 0}}) {
      const fs::path folder = scratch.path() / (std::string(row.from) + row.to);
      // The reading itself is recorded, and so is part of no export it makes.
      const auto done = export_to(folder, row.from, row.to);
      ASSERT_TRUE(done.has_value()) << why(done);
      const auto indexes = verify(folder);
      if (std::string(row.from) != "2025-01-01") {
        EXPECT_EQ(indexes.size(), row.count) << cut << " " << row.from;
      }
    }
    shown_ = &broker_;
  }
}

TEST_F(ExportTest, LeavesAFolderWithSomethingInItAlone) {
  const ScratchFolder scratch;
  ASSERT_TRUE(write_file_durably(scratch.path() / "mine", as_bytes("x"), FileMode::owner_only).has_value());
  EXPECT_FAILS_WITH(export_to(scratch.path(), "2026-03-01", "2026-03-31"), LocalCode::usage);
  EXPECT_FAILS_WITH(export_to(scratch.path() / "mine", "2026-03-01", "2026-03-31"), LocalCode::usage);
  EXPECT_FAILS_WITH(export_to(scratch.path() / "new", "2026-03-20", "2026-03-01"), LocalCode::usage);
  EXPECT_EQ(files_in(scratch.path()).size(), 1U);
}

TEST_F(ExportTest, NothingStaysOfAnExportThatCannotBeProven) {
  acts_on("2026-03-21", 300);
  const auto lie = [&](const std::function<void(protocol::RecordItem&)>& about) {
    const ScratchFolder scratch;
    broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
      if (auto* records = std::get_if<protocol::Records>(&reply))
        for (protocol::RecordItem& item : records->items) about(item);
    };
    const auto done = export_to(scratch.path() / "export", "2026-03-01", "2026-03-31");
    broker_.bend = {};
    EXPECT_FAILS_WITH(done, LocalCode::receipt_invalid);
    EXPECT_TRUE(files_in(scratch.path() / "export").empty());
  };
  lie([](protocol::RecordItem& item) {
    if (item.index.value == 290) item.leaf[item.leaf.find("time ") + 5] = '2';  // a leaf, but not the log's
  });
  lie([](protocol::RecordItem& item) {
    if (item.index.value == 290) item.leaf = "not a leaf";
  });
  lie([](protocol::RecordItem& item) {
    if (item.index.value == 290) item.disclosure.back() ^= 1;
  });
  lie([](protocol::RecordItem& item) {
    if (item.index.value >= 290) ++item.index.value;
  });
}

TEST_F(ExportTest, SaysWhatItWasMadeTooEarlyFor) {
  world_.add_witnesses(2, 2);
  acts_on("2026-03-21", 3);
  const ScratchFolder scratch;
  const auto read_me = [&](const char* name) {
    return std::string(as_text(file(scratch.path() / name / "LISEZMOI.txt")));
  };
  broker_.witnesses_answering = 1;
  const auto early = export_to(scratch.path() / "early", "2026-03-21", "2026-03-21");
  ASSERT_TRUE(early.has_value()) << why(early);
  EXPECT_FALSE(early->period_over);
  EXPECT_FALSE(early->confirmed);
  EXPECT_NE(read_me("early").find("n'était pas terminée"), std::string::npos);
  EXPECT_NE(read_me("early").find("n'avait pas confirmé"), std::string::npos);
  EXPECT_NE(read_me("early").find("--policy"), std::string::npos);
  broker_.witnesses_answering = 2;
  clock_.set(paris_midnight(day("2026-03-22")) - 1ms);
  EXPECT_FALSE(export_to(scratch.path() / "last moment", "2026-03-21", "2026-03-21")->period_over);
  clock_.advance(1ms);
  const auto done = export_to(scratch.path() / "done", "2026-03-21", "2026-03-21");
  ASSERT_TRUE(done.has_value()) << why(done);
  EXPECT_TRUE(done->period_over);
  EXPECT_TRUE(done->confirmed);
  EXPECT_EQ(read_me("done").find("ATTENTION"), std::string::npos);
}

TEST_F(ExportTest, WhatIsWrongWithTheLogIsSaidInTheFolder) {
  audit::Record record = audit::new_record();
  record.add("act", "open");
  record.add("outcome", "ok");
  broker_.add_record(audit::LeafType::consultation, record);  // nobody signed it
  const ScratchFolder scratch;
  const auto done = export_to(scratch.path() / "export", "2026-03-01", "2026-12-31");
  ASSERT_TRUE(done.has_value()) << why(done);
  EXPECT_FALSE(done->report.clean());
  verify(scratch.path() / "export");
  EXPECT_NE(as_text(file(scratch.path() / "export" / "LISEZMOI.txt")).find("ATTENTION"), std::string_view::npos);
}

// ---- tiles -----------------------------------------------------------------------------------------------------

class TilesTest : public ExportTest {
 protected:
  Outcome<client::TilesOutcome> write(const fs::path& folder) {
    auto desk = connected("auditeur");
    return client::write_tiles(*desk->session, folder, {});
  }
  /// Against the memory broker's own leaves.
  void expect_whole(const fs::path& folder) {
    const auto note =
        client::verify_log_note(as_text(file(folder / "checkpoint")), world_.log, world_.log_key.public_key());
    ASSERT_TRUE(note.has_value());
    const auto range = audit::hash_bundles(
        note->size(), {0, audit::bundle_count(note->size())},
        [&](const audit::BundleId& id) { return read_file(folder / audit::to_path(id), audit::bundle_bytes_max); },
        [&](const audit::BundleId& id, std::span<const ByteView> entries, std::span<const Digest> hashes) {
          for (std::size_t i = 0; i < entries.size(); ++i)
            EXPECT_EQ(as_text(entries[i]), broker_.leaf(id.index * audit::tile_width + i));
          const auto tile =
              read_file(folder / audit::to_path(audit::TileId{0, id.index, id.width}), audit::tile_bytes_max);
          if (!tile) return Result<void>(tile.error());
          return audit::check_leaves(hashes, *tile);
        });
    ASSERT_TRUE(range.has_value());
    EXPECT_TRUE(audit::verify_log({&*range, 1}, note->size(), note->root()).has_value());
  }
};

TEST_F(TilesTest, AreTheWholeLogAndAreContinued) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "tiles";
  std::uint64_t before = 0;
  for (const std::size_t more : {3U, 100U, 151U, 1U, 256U, 700U}) {
    acts_on("2026-03-21", more);
    const std::uint64_t size = broker_.size().value;
    const auto done = write(folder);
    ASSERT_TRUE(done.has_value()) << why(done);
    EXPECT_EQ(done->before.value, before);
    EXPECT_EQ(done->size.value, size);
    EXPECT_EQ(done->differing_file, "");
    before = size;
    expect_whole(folder);
  }
  // Written at once they are the same files; grown, the partial ones of before stand beside them.
  ASSERT_TRUE(write(scratch.path() / "at once").has_value());
  auto at_once = files_in(scratch.path() / "at once");
  const auto grown = files_in(folder);
  EXPECT_EQ(at_once.erase("checkpoint"), 1U);
  std::size_t common = 0;
  for (const auto& [name, bytes] : at_once) {
    const auto found = grown.find(name);
    if (found == grown.end()) continue;  // partial: this log has grown by the reading
    EXPECT_EQ(found->second, bytes) << name;
    ++common;
  }
  EXPECT_GE(common, 8U);
}

TEST_F(TilesTest, AFileWithOtherBytesIsNotReplacedAndNothingElseStays) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "tiles";
  acts_on("2026-03-21", 10);
  ASSERT_TRUE(write(folder).has_value());
  const auto before = files_in(folder);
  acts_on("2026-03-21", 600);
  const std::string place = audit::to_path(audit::BundleId{1, audit::tile_width});
  fs::create_directories((folder / place).parent_path());
  ASSERT_TRUE(write_file_durably(folder / place, as_bytes("something else"), FileMode::owner_only).has_value());
  const auto done = write(folder);
  ASSERT_TRUE(done.has_value()) << why(done);
  EXPECT_EQ(done->differing_file, place);
  auto after = files_in(folder);
  EXPECT_EQ(after.erase(place), 1U);
  EXPECT_EQ(after, before);
  fs::remove(folder / place);
  ASSERT_TRUE(write(folder).has_value());
  expect_whole(folder);
}

TEST_F(TilesTest, AreNotWrittenIntoAFolderOfSomethingElse) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "papers";
  fs::create_directories(folder);
  ASSERT_TRUE(write_file_durably(folder / "letter.txt", as_bytes("mine"), FileMode::owner_only).has_value());
  EXPECT_TRUE(client::is_foreign_to_tiles(folder));
  EXPECT_FAILS_WITH(write(folder), protocol::LocalCode::usage);
  EXPECT_EQ(files_in(folder).size(), 1U);
  EXPECT_TRUE(client::is_foreign_to_tiles(folder / "letter.txt"));
  EXPECT_FAILS_WITH(write(folder / "letter.txt"), protocol::LocalCode::usage);
  // Interrupted before their checkpoint, they go on.
  const fs::path begun = scratch.path() / "begun";
  acts_on("2026-03-21", 10);
  ASSERT_TRUE(write(begun).has_value());
  fs::remove(begun / "checkpoint");
  EXPECT_FALSE(client::is_foreign_to_tiles(begun));
  ASSERT_TRUE(write(begun).has_value());
  expect_whole(begun);
}

TEST_F(TilesTest, ARefusalLeavesNoFolder) {
  const ScratchFolder scratch;
  acts_on("2026-03-21", 300);
  const auto refuse = [&] {
    broker_.bend = [](const protocol::Request&, protocol::ReplyBody& body) {
      if (std::holds_alternative<protocol::Records>(body))
        body = protocol::Refusal{protocol::Code::forbidden, "journal.lecture", 0};
    };
  };
  refuse();
  const fs::path folder = scratch.path() / "tiles";
  EXPECT_FAILS_WITH(write(folder), Code::forbidden);
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_FAILS_WITH(export_to(scratch.path() / "export", "2026-03-20", "2026-03-22"), Code::forbidden);
  EXPECT_FALSE(fs::exists(scratch.path() / "export"));
  // A folder that was there stays, as empty as it was; one that held tiles keeps those and nothing more.
  fs::create_directories(folder);
  EXPECT_FAILS_WITH(write(folder), Code::forbidden);
  ASSERT_TRUE(fs::exists(folder));
  EXPECT_TRUE(fs::is_empty(folder));
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& body) {
    if (auto* records = std::get_if<protocol::Records>(&body))
      for (protocol::RecordItem& item : records->items)
        if (item.index.value == 290) item.leaf[14] ^= 1;
  };
  EXPECT_FALSE(write(folder).has_value()) << "tiles were made, and their folders";
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(TilesTest, ADamagedFolderIsNotContinued) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "tiles";
  acts_on("2026-03-21", 300);
  ASSERT_TRUE(write(folder).has_value());
  for (const auto& [name, bytes] : files_in(folder)) {
    if (name.find("000") != std::string::npos && name.find(".p/") == std::string::npos)
      continue;  // full, behind the edge
    Bytes damaged = bytes;
    damaged[damaged.size() / 2] ^= 1;
    ASSERT_TRUE(write_file_durably(folder / name, damaged, FileMode::owner_only).has_value());
    acts_on("2026-03-21", 1);
    EXPECT_FALSE(write(folder).has_value()) << name;
    ASSERT_TRUE(write_file_durably(folder / name, bytes, FileMode::owner_only).has_value());
  }
  ASSERT_TRUE(write(folder).has_value());
  expect_whole(folder);
}

TEST_F(TilesTest, LeavesThatAreNotTheLogsLeaveNothingBehind) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "tiles";
  acts_on("2026-03-21", 600);
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* records = std::get_if<protocol::Records>(&reply))
      for (protocol::RecordItem& item : records->items)
        if (item.index.value == 400) item.leaf.back() = ' ';
  };
  EXPECT_FAILS_WITH(write(folder), LocalCode::receipt_invalid);
  broker_.bend = {};
  EXPECT_TRUE(files_in(folder).empty());
}

TEST_F(TilesTest, AnotherLogThanTheFoldersIsAFork) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "tiles";
  MemoryBroker other = broker_;
  acts_on("2026-03-21", 300);
  ASSERT_TRUE(write(folder).has_value());
  clock_.set(noon("2026-03-22"));
  for (int i = 0; i < 400; ++i) other.add_noise_leaf();
  shown_ = &other;
  EXPECT_FAILS_WITH(write(folder), LocalCode::log_forked);
  shown_ = &broker_;
}

// ---- one record, and its note ------------------------------------------------------------------------------------

class ShowTest : public ExportTest {};

TEST_F(ShowTest, ARecordIsProvenAndAnyOfItsFieldsMayBeKeptBack) {
  const auto id = somebody_sends("r.bellerive", report());
  auto reader = connected("ged.un");
  client::OpenOptions options;
  options.note = "réunion de jeudi";
  ASSERT_TRUE(client::open_exchange(*reader->session, id, options).has_value());
  const LeafIndex place{broker_.size().value - 1};
  auto desk = connected("auditeur");
  auto proven = client::prove_record(*desk->session, place, "");
  ASSERT_TRUE(proven.has_value()) << why(proven);
  EXPECT_EQ(proven->receipt.index, place);
  audit::Receipt receipt = proven->receipt;
  const Bytes* note = receipt.record.find("note");
  ASSERT_NE(note, nullptr);
  const client::MotifNote read = client::open_motif_note(*note, desk->keys);
  EXPECT_EQ(read.state, client::NoteState::opened);
  EXPECT_EQ(read.text, "réunion de jeudi");

  client::show_only(receipt.record, {"actor", "motif"});
  const std::string text = audit::to_text(receipt);
  const auto parsed = audit::parse_receipt(text);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_TRUE(
      audit::verify_receipt(*parsed, client::log_verifier(proven->origin, world_.log_key.public_key())).has_value());
  EXPECT_EQ(as_text(*parsed->record.find("actor")), "ged.un");
  std::size_t shown = 0;
  for (const audit::DisclosedField& field : parsed->record.fields) shown += field.opening ? 1U : 0U;
  EXPECT_EQ(shown, 2U);
  EXPECT_EQ(parsed->record.fields.size(), proven->receipt.record.fields.size());
  // Nothing of a hidden value is in the file.
  EXPECT_EQ(text.find("ged/89"), std::string::npos);
}

TEST_F(ShowTest, TheProofOfAnotherLeafIsRefused) {
  acts_on("2026-03-21", 5);
  auto desk = connected("auditeur");
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr) return std::nullopt;
    return protocol::Proven{broker_.prove(LeafIndex{prove->leaf->value + 1}, {"act"})};
  };
  EXPECT_FAILS_WITH(client::prove_record(*desk->session, LeafIndex{2}, ""), LocalCode::receipt_invalid);
  broker_.instead = {};
  EXPECT_TRUE(client::prove_record(*desk->session, LeafIndex{2}, "").has_value());
  EXPECT_TRUE(client::prove_record(*desk->session, LeafIndex{2}, broker_.origin()).has_value());
  EXPECT_FAILS_WITH(client::prove_record(*desk->session, LeafIndex{2}, world_.log + "/2025-1"),
                    LocalCode::receipt_invalid);
  EXPECT_FAILS_WITH(client::prove_record(*desk->session, LeafIndex{100'000}, ""), Code::not_found);
  auto member = connected("ged.un");
  EXPECT_FAILS_WITH(client::prove_record(*member->session, LeafIndex{2}, ""), Code::forbidden);
}

TEST_F(ShowTest, WhatIsNotPublishedYetIsAskedForAgain) {
  acts_on("2026-03-21", 5);
  auto desk = connected("auditeur");
  std::uint32_t pause = 1;
  int refusals = 0;
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Prove>(request.body) || refusals == 0) return std::nullopt;
    --refusals;
    return protocol::Refusal{Code::busy, "publication", pause};
  };
  refusals = 2;
  EXPECT_TRUE(client::prove_record(*desk->session, LeafIndex{2}, "").has_value());
  EXPECT_EQ(refusals, 0);
  // A day's quota is not waited for.
  pause = 3'600'000;
  refusals = 1;
  EXPECT_FAILS_WITH(client::prove_record(*desk->session, LeafIndex{2}, ""), Code::busy);
}

TEST_F(ShowTest, ANoteForOthersOrDamagedIsSaidToBe) {
  const auto keys = world_.keys("auditeur");
  const auto seal = [](ByteView text, const crypto::AgePublic& to) {
    const auto padded = crypto::pad_to(text, protocol::note_bucket_bytes);
    return crypto::seal_bytes(*padded, {&to, 1}).value();
  };
  const auto ours = keys.current.public_identity().age;
  const Bytes good = seal(as_bytes("urgent"), ours);
  EXPECT_EQ(client::open_motif_note(good, keys).text, "urgent");
  EXPECT_EQ(client::open_motif_note(good, world_.keys("ged.un")).state, client::NoteState::not_ours);
  Bytes damaged = good;
  damaged.back() ^= 1;
  EXPECT_EQ(client::open_motif_note(damaged, keys).state, client::NoteState::damaged);
  EXPECT_EQ(client::open_motif_note(as_bytes("not an age file"), keys).state, client::NoteState::damaged);
  EXPECT_EQ(client::open_motif_note(Bytes(), keys).state, client::NoteState::damaged);
  EXPECT_EQ(client::open_motif_note(crypto::seal_bytes(as_bytes("no padding"), {&ours, 1}).value(), keys).state,
            client::NoteState::damaged);
  // What was sealed to the key one had before still reads.
  client::Keys renewed{crypto::Identity::generate(), {}};
  renewed.former.push_back(world_.keys("auditeur").current);
  EXPECT_EQ(client::open_motif_note(good, renewed).text, "urgent");
}

TEST_F(ExportTest, AFolderHoldsOneShardAndSaysWhatThePeriodHasInOthers) {
  const ScratchFolder scratch;
  acts_on("2026-03-21", 3);
  broker_.end_shard("2026-2");
  acts_on("2026-03-22", 2);
  const std::string older = world_.log + "/2026-1";
  const std::string current = world_.log + "/2026-2";
  auto newest = export_shard(scratch.path() / "2026-2", "");
  ASSERT_TRUE(newest.has_value()) << why(newest);
  EXPECT_TRUE(newest->report.clean());
  EXPECT_EQ(newest->shard.origin, current);
  ASSERT_EQ(newest->elsewhere.size(), 1U);
  EXPECT_EQ(newest->elsewhere[0], (std::pair<std::string, std::uint64_t>{older, 3}));
  EXPECT_GE(verify(scratch.path() / "2026-2").size(), 3U) << "its first leaf and two acts";
  auto before = export_shard(scratch.path() / "2026-1", older);
  ASSERT_TRUE(before.has_value()) << why(before);
  EXPECT_EQ(before->shard.size, before->report.shards.front().size);
  ASSERT_EQ(before->elsewhere.size(), 1U);
  EXPECT_EQ(before->elsewhere[0].first, current);
  EXPECT_EQ(verify(scratch.path() / "2026-1").size(), 3U);
  EXPECT_FAILS_WITH(export_shard(scratch.path() / "none", world_.log + "/2025-1"), LocalCode::usage);
  EXPECT_FALSE(fs::exists(scratch.path() / "none" / "records"));
}

TEST_F(ExportTest, AnEndedShardIsTakenAwayUnderItsWitnessesOnceTheyHaveCosignedItsEnd) {
  const ScratchFolder scratch;
  world_.add_witnesses(3, 2);
  broker_.witnesses_answering = 2;
  acts_on("2026-03-21", 3);
  broker_.end_shard("2026-2");
  acts_on("2026-03-22", 2);
  const std::string older = world_.log + "/2026-1";
  const auto by_its_policy = [&](const fs::path& folder) {
    const auto policy = audit::WitnessPolicy::parse(as_text(file(folder / "policy")));
    return std::pair(
        policy->demands_witnesses(),
        audit::verify_checkpoint_by(*policy, as_text(file(folder / "checkpoint")), audit::to_seconds(clock_.now()))
            .has_value());
  };
  auto alone = export_shard(scratch.path() / "alone", older);
  ASSERT_TRUE(alone.has_value()) << why(alone);
  EXPECT_EQ(by_its_policy(scratch.path() / "alone"), std::pair(false, true)) << "it promises nobody's word";
  broker_.cosign_ended();
  auto cosigned = export_shard(scratch.path() / "cosigned", older);
  ASSERT_TRUE(cosigned.has_value()) << why(cosigned);
  EXPECT_EQ(by_its_policy(scratch.path() / "cosigned"), std::pair(true, true));
  ASSERT_EQ(cosigned->report.shards.size(), 2U);
  EXPECT_TRUE(cosigned->report.shards[0].cosigned);
  auto newest = export_shard(scratch.path() / "newest", "");
  ASSERT_TRUE(newest.has_value()) << why(newest);
  EXPECT_EQ(by_its_policy(scratch.path() / "newest"), std::pair(true, true));
  // The current shard's policy is good for the one before.
  const auto policy = audit::WitnessPolicy::parse(as_text(file(scratch.path() / "newest" / "policy")));
  EXPECT_TRUE(audit::verify_checkpoint_by(*policy, as_text(file(scratch.path() / "cosigned" / "checkpoint")),
                                          audit::to_seconds(clock_.now()))
                  .has_value());
}

TEST_F(ExportTest, TilesAreOfTheCurrentShardAndTheFolderOfOneTakesNoOther) {
  const ScratchFolder scratch;
  auto desk = connected("auditeur");
  ASSERT_TRUE(client::write_tiles(*desk->session, scratch.path() / "2026-1", {}).has_value());
  broker_.end_shard("2026-2");
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_FAILS_WITH(client::write_tiles(*desk->session, scratch.path() / "2026-1", {}), LocalCode::usage);
  auto written = client::write_tiles(*desk->session, scratch.path() / "2026-2", {});
  ASSERT_TRUE(written.has_value()) << why(written);
  EXPECT_EQ(written->size, desk->session->log().known_size());
}

}  // namespace
}  // namespace pli::testing
