#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/verify/sitting.hpp"

namespace pli::verify::test {
namespace {

class LogCommand : public Desk {
 protected:
  [[nodiscard]] Ended check(const Files& files, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"log", put("log", files), "--policy", put("policy", log_.policy())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_at(arguments);
  }
  const MadeLog log_{700};
};

TEST_F(LogCommand, AcceptsLogsOfEverySizeAroundATile) {
  for (const std::uint64_t size : {0U, 1U, 2U, 255U, 256U, 257U, 511U, 512U, 513U, 700U}) {
    SCOPED_TRACE(size);
    expect_verified(check(MadeLog(size).log()));
  }
}

TEST_F(LogCommand, CountsTheLeavesByTypeAndSaysWhichTimesTheySpan) {
  const auto json = nlohmann::json::parse(check(log_.log(), {"--json"}).out);
  EXPECT_EQ(json["verdict"], "verified");
  EXPECT_EQ(json["checkpoint.size"], 700);
  EXPECT_EQ(json["leaves.registre"], 1);
  EXPECT_EQ(json["leaves.collecte"], 349);
  EXPECT_EQ(json["leaves.consultation"], 350);
  EXPECT_EQ(json["time.first"], "2026-01-01T00:00:00Z");
  EXPECT_EQ(json["time.last"], "2026-01-01T00:11:39Z");
}

TEST_F(LogCommand, TellsPeopleHowFarItIsAndMachinesNothing) {
  std::vector<std::uint64_t> told;
  const Progress progress = [&told](std::uint64_t leaves) { told.push_back(leaves); };
  std::vector<std::string> words = {"log", put("log", log_.log()), "--log-key", to_text(log_.log_key())};
  EXPECT_EQ(run(words, ManualClock(now), progress).exit, Exit::verified);
  ASSERT_FALSE(told.empty());
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), 700U);
  told.clear();
  words.push_back("--json");
  EXPECT_EQ(run(words, ManualClock(now), progress).exit, Exit::verified);
  EXPECT_TRUE(told.empty());
}

TEST_F(LogCommand, CutsThePartialTilesAndBundlesThatAreGoneFromTheFullOnes) {
  Files files = MadeLog(768).log();
  files["checkpoint"] = log_.checkpoint(700);
  files["tile/1/000.p/2"] = log_.log()["tile/1/000.p/2"];
  expect_verified(check(files));
  Files cut = files;
  cut["tile/entries/002"].resize(1000);
  expect_failed(check(cut), "entries", "a full bundle cut short of the partial one");
  cut = files;
  cut["tile/0/002"].pop_back();
  expect_failed(check(cut), "tiles", "a full tile cut");
}

TEST_F(LogCommand, NamesWhatIsWrong) {
  const std::string partial_bundle = "tile/entries/002.p/188";
  const auto second_leaf = [](const std::string& bundle) { return 2 + bundle.find("pli-leaf/1", 20) - 2; };
  for (const Damage& damage : {
           Damage{"no checkpoint", [](Files& f) { f.erase("checkpoint"); }, "checkpoint"},
           {"a checkpoint that is none", [](Files& f) { f["checkpoint"] = "hello\n"; }, "checkpoint"},
           {"the log's signature", [](Files& f) { f["checkpoint"] = with_bad_line_of(f["checkpoint"], made_origin); },
            "checkpoint signature"},
           {"a witness", [](Files& f) { f["checkpoint"] = without_lines_of(f["checkpoint"], "witness.example/w1"); },
            "checkpoint witnesses"},
           {"another log's checkpoint",
            [](Files& f) {
              f["checkpoint"] = MadeLog(700, {{5, "x"}}).checkpoint(700);
            },
            "tiles"},
           {"a hash of the edge", [](Files& f) { f["tile/0/002.p/188"] = flipped(f["tile/0/002.p/188"], 40); },
            "tiles"},
           {"the edge gone", [](Files& f) { f.erase("tile/0/002.p/188"); }, "tiles"},
           {"the edge of level 1", [](Files& f) { f["tile/1/000.p/2"] = flipped(f["tile/1/000.p/2"], 0); }, "tiles"},
           {"a hash inside", [](Files& f) { f["tile/0/001"] = flipped(f["tile/0/001"], 4000); }, "entries"},
           {"two tiles exchanged", [](Files& f) { std::swap(f["tile/0/000"], f["tile/0/001"]); }, "entries"},
           {"a tile gone", [](Files& f) { f.erase("tile/0/001"); }, "entries"},
           {"a tile cut", [](Files& f) { f["tile/0/001"].pop_back(); }, "entries"},
           {"a byte of a leaf",
            [&](Files& f) {
              std::string& bundle = f["tile/entries/001"];
              bundle = flipped(bundle, second_leaf(bundle));
            },
            "entries"},
           {"the length of a leaf", [](Files& f) { f["tile/entries/000"] = flipped(f["tile/entries/000"], 1); },
            "entries"},
           {"a bundle gone", [](Files& f) { f.erase("tile/entries/000"); }, "entries"},
           {"a bundle cut", [&](Files& f) { f[partial_bundle].pop_back(); }, "entries"},
           {"a bundle with more", [&](Files& f) { f[partial_bundle] += std::string(2, '\0'); }, "entries"},
           {"two bundles exchanged", [](Files& f) { std::swap(f["tile/entries/000"], f["tile/entries/001"]); },
            "entries"},
           {"a leaf and its hash, both",
            [](Files& f) {
              const MadeLog other(700, {{300, encode(MadeLog(1).leaf(300)).replace(11, 1, "X")}});
              f["tile/entries/001"] = other.log()["tile/entries/001"];
              f["tile/0/001"] = other.log()["tile/0/001"];
            },
            "entries"},
       }) {
    Files files = log_.log();
    damage.apply(files);
    expect_failed(check(files), damage.check, damage.name);
  }
}

TEST_F(LogCommand, TellsADamagedTileFromADamagedBundle) {
  Files files = log_.log();
  files["tile/0/001"] = flipped(files["tile/0/001"], 4000);
  EXPECT_NE(check(files).out.find("tile/0/001: not the tile that the one above names"), std::string::npos);
  files = log_.log();
  files["tile/entries/001"] = flipped(files["tile/entries/001"], 30);
  EXPECT_NE(check(files).out.find("tile/entries/001: entries that are not the tile's"), std::string::npos);
}

// The log itself signed these: no hash is wrong, what it says is.
TEST_F(LogCommand, RefusesASignedLogWhoseLeavesAreNoneOrGoBackInTime) {
  expect_failed(check(MadeLog(700, {{399, "hello"}}).log()), "entries", "no leaf");
  audit::Leaf early = log_.leaf(400);
  early.time = leaf_time(398);
  const Ended ended = check(MadeLog(700, {{400, encode(early)}}).log());
  expect_failed(ended, "entries", "a time that decreases");
  EXPECT_NE(ended.out.find("leaf 400"), std::string::npos);
  // Where one thread's half meets the other's.
  early = log_.leaf(256);
  early.time = leaf_time(254);
  expect_failed(check(MadeLog(700, {{256, encode(early)}}).log()), "entries", "a time that decreases in the middle");
  early.time = leaf_time(255);
  expect_verified(check(MadeLog(700, {{256, encode(early)}}).log()));
}

class ConsistencyCommand : public Desk {
 protected:
  const MadeLog log_{700};
  const std::string policy_ = put("policy", log_.policy());

  [[nodiscard]] Ended check(const std::string& older, const std::string& newer, const Files& files) const {
    return run_at(
        {"consistency", put("old", older), put("new", newer), "--tiles", put("tiles", files), "--policy", policy_});
  }
};

TEST_F(ConsistencyCommand, AcceptsEveryOlderCheckpointOfTheLog) {
  for (const std::uint64_t older : {0U, 1U, 255U, 256U, 300U, 512U, 699U, 700U}) {
    SCOPED_TRACE(older);
    expect_verified(check(log_.checkpoint(older), log_.checkpoint(700), log_.log()));
  }
}

TEST_F(ConsistencyCommand, NamesWhatIsWrong) {
  const std::string older = log_.checkpoint(300);
  const std::string newer = log_.checkpoint(700);
  const MadeLog rewritten(700, {{200, "another past"}});
  const MadeLog elsewhere(700, {}, "broker.example/pli/21/2026-1");
  const audit::VerifierKey other = elsewhere.log_key();
  const auto damaged = [&](const std::function<void(Files&)>& change) {
    Files files = log_.log();
    change(files);
    return files;
  };
  const Files whole = log_.log();
  expect_failed(check(rewritten.checkpoint(300), newer, whole), "consistency", "another past");
  expect_failed(check(rewritten.checkpoint(700), newer, whole), "consistency", "two roots of one size");
  expect_failed(check(older, rewritten.checkpoint(700), whole), "tiles", "the tiles of another tree");
  expect_failed(check(newer, older, whole), "sizes", "exchanged");
  expect_failed(check(with_bad_line_of(older, made_origin), newer, whole), "old signature", "the old one's signature");
  expect_failed(check(older, with_bad_line_of(newer, made_origin), whole), "new signature", "the new one's signature");
  expect_failed(check(without_lines_of(older, "witness.example/w2"), newer, whole), "old witnesses", "a witness");
  expect_failed(check("", newer, whole), "old", "no old one");
  expect_failed(check(older, elsewhere.checkpoint(700), whole), "new signature", "another log");
  expect_failed(check(older, newer, damaged([](Files& f) { f.erase("tile/0/001"); })), "tiles", "a tile gone");
  expect_failed(check(older, newer, damaged([](Files& f) { f["tile/0/001"] = flipped(f["tile/0/001"], 100); })),
                "tiles", "a hash inside");
  expect_failed(check(older, newer, damaged([](Files& f) { f["tile/1/000.p/2"].pop_back(); })), "tiles", "a tile cut");
  expect_failed(check(older, newer, {}), "tiles", "no tiles");
  const std::string bare = to_hex(other.key.bytes);
  expect_failed(run_at({"consistency", put("old", older), put("new", elsewhere.checkpoint(700)), "--tiles",
                        put("tiles", elsewhere.log()), "--log-key", bare}),
                "origins", "two logs under one key");
}

}  // namespace
}  // namespace pli::verify::test
