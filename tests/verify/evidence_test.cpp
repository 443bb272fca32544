#include "audit/evidence.hpp"

#include <nlohmann/json.hpp>

#include "tests/verify/sitting.hpp"

namespace pli::verify::test {
namespace {

class EvidenceCommand : public Desk {
 protected:
  const MadeLog log_{21};
  const MadeLog fork_{21, {{5, "another past"}}};

  [[nodiscard]] Ended check(const std::string& text, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"evidence", put("evidence", text)};
    if (more.empty()) more = {"--log-key", to_text(log_.log_key())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_at(arguments);
  }
  [[nodiscard]] static std::string of(const std::string& first, const std::string& second) {
    return to_text(audit::Evidence{first, second});
  }
};

TEST_F(EvidenceCommand, ProvesTwoTreesOfOneSizeWhateverTheWitnessesSay) {
  const std::string text = of(log_.checkpoint(21), fork_.checkpoint(21));
  const std::string bare =
      without_lines_of(without_lines_of(fork_.checkpoint(21), "witness.example/w1"), "witness.example/w2");
  for (const Ended& ended : {check(text), check(text, {"--policy", put("policy", log_.policy())}),
                             check(text, {"--log-key", to_hex(log_.log_key().key.bytes)}),
                             check(of(log_.checkpoint(21), bare), {"--policy", put("policy", log_.policy())})}) {
    EXPECT_EQ(ended.exit, Exit::verified) << ended.out;
    EXPECT_NE(ended.out.find("proven: the log signed two trees"), std::string::npos);
  }
}

TEST_F(EvidenceCommand, SaysWhatTheNotesAloneDoNotProve) {
  struct Case {
    std::string text;
    std::string not_proven;
  };
  for (const Case& one : {Case{of(log_.checkpoint(21), log_.checkpoint(21)), "both notes are of one tree"},
                          Case{of(log_.checkpoint(21), log_.checkpoint(20)), "was shown after the larger one"},
                          Case{of(log_.checkpoint(20), fork_.checkpoint(21)), "does not extend the smaller one"}}) {
    const Ended ended = check(one.text);
    EXPECT_EQ(ended.exit, Exit::not_proven);
    EXPECT_EQ(ended.out.substr(0, 11), "not proven:");
    EXPECT_NE(ended.out.find(one.not_proven), std::string::npos) << ended.out;
    EXPECT_NE(ended.out.find("the log's key signed both notes"), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(check(one.text, {"--log-key", to_text(log_.log_key()), "--json"}).out)["verdict"],
              "not proven");
  }
}

TEST_F(EvidenceCommand, SaysWhatToTypeNextWithTheKeyItWasGiven) {
  const std::string text = of(log_.checkpoint(20), fork_.checkpoint(21));
  EXPECT_NE(
      check(text).out.find("pli-verify consistency FIRST SECOND --tiles DIR --log-key " + to_text(log_.log_key())),
      std::string::npos);
  const std::string policy = put("policy", log_.policy());
  EXPECT_NE(check(text, {"--policy", policy}).out.find("--tiles DIR --policy " + policy), std::string::npos);
}

TEST_F(EvidenceCommand, SaysThatTwoShardsAreTwoTrees) {
  const MadeLog next(3, {}, "broker.example/pli/89/2026-2");
  const Ended ended =
      check(of(log_.checkpoint(21), next.checkpoint(3)), {"--log-key", to_hex(log_.log_key().key.bytes)});
  EXPECT_EQ(ended.exit, Exit::not_proven);
  EXPECT_NE(ended.out.find("two shards"), std::string::npos);
}

TEST_F(EvidenceCommand, NamesWhatIsWrong) {
  const std::string first = log_.checkpoint(21);
  const std::string second = fork_.checkpoint(21);
  const std::string good = of(first, second);
  const MadeLog elsewhere(21, {}, "broker.example/pli/21/2026-1");
  struct Case {
    std::string name;
    std::string text;
    std::string check;
  };
  for (const Case& one : {
           Case{"nothing", "", "evidence"},
           Case{"another version", replaced(good, "/1\n", "/2\n"), "evidence"},
           Case{"evidence of a queue", "pli-evidence/1\nA member says that it was shown another place.\n", "evidence"},
           Case{"other words", replaced(good, "cannot both be true", "are both true"), "evidence"},
           Case{"no second note", good.substr(0, good.find("\n---- second")), "evidence"},
           Case{"a cut second note", good.substr(0, good.size() - 1), "evidence"},
           Case{"no first note", of("", second), "evidence"},
           Case{"a first note of something else", of(replaced(first, "\n21\n", "\nx\n"), second), "evidence"},
           Case{"an extension line", of(replaced(first, "\n\n", "\nmore\n\n"), second), "evidence"},
           Case{"a first note nobody signed", of(with_bad_line_of(first, made_origin), second), "first signature"},
           Case{"a second note nobody signed", of(first, with_bad_line_of(second, made_origin)), "second signature"},
           Case{"another size", of(first, replaced(second, "\n21\n", "\n22\n")), "second signature"},
           Case{"a note with witnesses only", of(first, without_lines_of(second, made_origin)), "second signature"},
           Case{"a note of another log", of(first, elsewhere.checkpoint(21)), "second signature"},
       })
    expect_failed(check(one.text), one.check, one.name);
}

}  // namespace
}  // namespace pli::verify::test
