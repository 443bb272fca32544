#include <nlohmann/json.hpp>

#include "tests/verify/sitting.hpp"

namespace pli::verify::test {
namespace {

class ExportCommand : public Desk {
 protected:
  const MadeLog log_{700};
  const std::string policy_ = put("policy", log_.policy());

  [[nodiscard]] Ended check(const Files& files, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"export", put("export", files)};
    if (more.empty()) more = {"--policy", policy_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_at(arguments);
  }
};

TEST_F(ExportCommand, AcceptsPeriodsThatBeginAndEndAnywhere) {
  for (const auto& [from, to] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 700},
                                                                                     {0, 1},
                                                                                     {0, 256},
                                                                                     {255, 257},
                                                                                     {256, 512},
                                                                                     {300, 303},
                                                                                     {512, 700},
                                                                                     {699, 700},
                                                                                     {0, 0},
                                                                                     {256, 256},
                                                                                     {300, 300},
                                                                                     {700, 700}}) {
    for (const bool with_neighbours : {false, true}) {
      SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
      expect_verified(check(log_.exported(from, to, with_neighbours)));
    }
  }
}

TEST_F(ExportCommand, OfTwoShardsOfOneLogAreAcceptedUnderOnePolicyOrOneKey) {
  const MadeLog next(300, {}, "broker.example/pli/89/2027-1");
  const std::string key = to_text(log_.log_key());
  for (const MadeLog* shard : {&log_, &next})
    for (const auto& trust :
         {std::vector<std::string>{"--policy", policy_}, std::vector<std::string>{"--log-key", key}}) {
      const Ended ended = check(shard->exported(10, 20, true), trust);
      expect_verified(ended);
      EXPECT_NE(ended.out.find(shard->log_key().name), std::string::npos) << "whose tree it is, is said";
    }
}

TEST_F(ExportCommand, OfALogThePolicyDoesNotNameSaysWhichLineToAdd) {
  const MadeLog elsewhere(30, {}, "broker.example/pli/21/2026-1");
  const Ended ended = check(elsewhere.exported(10, 20, true));
  expect_failed(ended, "checkpoint signature", "another log of the same key");
  EXPECT_NE(ended.out.find("add `log broker.example/pli/21/2026-1+"), std::string::npos) << ended.out;
  const Ended by_key = check(elsewhere.exported(10, 20, true), {"--log-key", to_text(log_.log_key())});
  expect_failed(by_key, "checkpoint signature", "another log of the same key");
  EXPECT_NE(by_key.out.find("begins with broker.example/pli/21/2026-1+"), std::string::npos) << by_key.out;
}

TEST_F(ExportCommand, CountsWhatIsShownAndWhatWasErased) {
  const auto json = nlohmann::json::parse(check(log_.exported(300, 600, true), {"--policy", policy_, "--json"}).out);
  EXPECT_EQ(json["verdict"], "verified");
  EXPECT_EQ(json["period.from"], 300);
  EXPECT_EQ(json["period.to"], 600);
  EXPECT_EQ(json["records.shown"], 240);
  EXPECT_EQ(json["records.erased"], 60);
  EXPECT_EQ(json["leaves.collecte"], 150);
  EXPECT_EQ(json["policy"], "names the log and the witnesses you trust");
}

TEST_F(ExportCommand, SaysWhereTheEndsOfThePeriodAreNotShown) {
  const auto ends = [this](std::uint64_t from, std::uint64_t to, bool with_neighbours) {
    const auto json =
        nlohmann::json::parse(check(log_.exported(from, to, with_neighbours), {"--policy", policy_, "--json"}).out);
    return std::pair(json["period.first"] == "the leaf before it is earlier",
                     json["period.last"] == "the leaf after it is later");
  };
  EXPECT_EQ(ends(300, 600, false), std::pair(true, true));
  EXPECT_EQ(ends(256, 512, false), std::pair(false, false));
  EXPECT_EQ(ends(256, 512, true), std::pair(true, true));
  const auto whole = nlohmann::json::parse(check(log_.exported(0, 700, false), {"--policy", policy_, "--json"}).out);
  EXPECT_EQ(whole["period.first"], "the log begins with it");
  EXPECT_EQ(whole["period.last"], "the tree of this checkpoint ends with it") << "what came later nobody shows here";
}

TEST_F(ExportCommand, TakesNoTrustFromTheFolderAndSaysWhenItNamesOtherWitnesses) {
  Files files = log_.exported(300, 303, true);
  const auto said = [this](const Files& folder, std::vector<std::string> trust) {
    trust.push_back("--json");
    return nlohmann::json::parse(check(folder, trust).out)["policy"].get<std::string>();
  };
  const std::string key = to_text(log_.log_key());
  EXPECT_EQ(said(files, {"--log-key", key}), "names the log's key; its witnesses were not asked");
  files["policy"] = "log " + key + "\nquorum none\n";
  EXPECT_EQ(said(files, {"--policy", policy_}),
            "names other witnesses than those you trust, which were the ones asked");
  // Whoever made the folder asks for no witness; we do.
  files["checkpoint"] = without_lines_of(files["checkpoint"], "witness.example/w2");
  expect_failed(check(files), "checkpoint witnesses", "a folder that asks for less");
}

TEST_F(ExportCommand, NamesWhatIsWrong) {
  const auto period = [](const audit::ExportPeriod& other) {
    return [other](Files& f) { f["period"] = to_text(other); };
  };
  const LeafIndex from{300};
  const TreeSize to{600};
  const UnixMillis after = leaf_time(300);
  const UnixMillis before = leaf_time(600);
  const auto record_at = [this](std::uint64_t index, const audit::Disclosure& disclosure) {
    const std::string old(
        as_text(encode(audit::ExportRecord{{index}, disclose(log_.record(index), {"act", "queue"})})));
    const std::string fresh(as_text(encode(audit::ExportRecord{{index}, disclosure})));
    return [old, fresh](Files& f) { f["records"] = replaced(f["records"], old, fresh); };
  };
  audit::Disclosure other_field = disclose(log_.record(301), {"act", "queue"});
  other_field.fields[0].opening->field.value[0] ^= 0x01;
  audit::Disclosure other_hidden = disclose(log_.record(301), {"act", "queue"});
  other_hidden.fields[3].commitment[0] ^= 0x01;
  for (const Damage& damage : {
           Damage{"no checkpoint", [](Files& f) { f.erase("checkpoint"); }, "checkpoint"},
           {"the log's signature", [](Files& f) { f["checkpoint"] = with_bad_line_of(f["checkpoint"], made_origin); },
            "checkpoint signature"},
           {"a cosignature",
            [](Files& f) { f["checkpoint"] = with_bad_line_of(f["checkpoint"], "witness.example/w1"); },
            "checkpoint witnesses"},
           {"an older checkpoint", [this](Files& f) { f["checkpoint"] = log_.checkpoint(650); }, "tiles"},
           {"no policy", [](Files& f) { f.erase("policy"); }, "policy"},
           {"a policy that is none", [](Files& f) { f["policy"] = "trust me\n"; }, "policy"},
           {"a policy with another key",
            [](Files& f) {
              const audit::VerifierKey other{std::string(made_origin), audit::KeyType::ed25519,
                                             made_key(9).public_key()};
              f["policy"] = "log " + to_text(other) + "\nquorum none\n";
            },
            "policy"},
           {"no period", [](Files& f) { f.erase("period"); }, "period"},
           {"a period that is none", [](Files& f) { f["period"] += "\n"; }, "period"},
           {"a period beyond the tree", period({from, {701}, after, leaf_time(701)}), "period"},
           {"a period begun a leaf late", period({{301}, to, after, before}), "period"},
           {"a period ended a leaf early", period({from, {599}, after, before}), "period"},
           {"a period of fewer times", period({from, to, after, leaf_time(500)}), "period"},
           {"a period of later times", period({from, to, leaf_time(301), before}), "period"},
           {"a period of more leaves", period({{299}, to, leaf_time(299), before}), "records"},
           {"a period of fewer leaves", period({from, {599}, after, leaf_time(599)}), "records"},
           {"a tile gone", [](Files& f) { f.erase("tile/0/000"); }, "tiles"},
           {"a hash of a tile out of the period", [](Files& f) { f["tile/0/000"] = flipped(f["tile/0/000"], 77); },
            "tiles"},
           {"a hash of the edge", [](Files& f) { f["tile/0/002.p/188"] = flipped(f["tile/0/002.p/188"], 0); }, "tiles"},
           {"a tile cut", [](Files& f) { f["tile/0/001"].resize(8160); }, "tiles"},
           {"a bundle gone", [](Files& f) { f.erase("tile/entries/001"); }, "entries"},
           {"a byte of a leaf", [](Files& f) { f["tile/entries/001"] = flipped(f["tile/entries/001"], 40); },
            "entries"},
           {"a bundle cut", [](Files& f) { f["tile/entries/001"].pop_back(); }, "entries"},
           {"another bundle in its place", [](Files& f) { f["tile/entries/002.p/188"] = f["tile/entries/001"]; },
            "entries"},
           {"no records", [](Files& f) { f.erase("records"); }, "records"},
           {"records of another version", [](Files& f) { f["records"][12] = '2'; }, "records"},
           {"a record less", [](Files& f) { f["records"].resize(f["records"].size() - 12 - 300); }, "records"},
           {"a byte more", [](Files& f) { f["records"] += 'x'; }, "records"},
           {"the index of a record", [](Files& f) { f["records"] = flipped(f["records"], 14 + 7); }, "records"},
           {"a shown field", record_at(301, other_field), "records"},
           {"a hidden field", record_at(301, other_hidden), "records"},
           {"another leaf's record", record_at(301, disclose(log_.record(302), {"act", "queue"})), "records"},
       }) {
    Files files = log_.exported(300, 600, true);
    damage.apply(files);
    expect_failed(check(files), damage.check, damage.name);
  }
}

// Signed by the log, so only the times tell.
TEST_F(ExportCommand, RefusesLeavesOfThePeriodWhoseTimeIsNot) {
  audit::Leaf odd = log_.leaf(450);
  odd.time = leaf_time(100);
  const MadeLog lying(700, {{450, encode(odd)}});
  const Ended ended = check(lying.exported(300, 600, true));
  expect_failed(ended, "entries", "a time before the leaf before");
  EXPECT_NE(ended.out.find("leaf 450"), std::string::npos);
}

}  // namespace
}  // namespace pli::verify::test
