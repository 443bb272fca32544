#include <nlohmann/json.hpp>

#include "tests/verify/sitting.hpp"

namespace pli::verify::test {
namespace {

class CommandLine : public Desk {
 protected:
  const std::string key_ = to_text(MadeLog(1).log_key());
};

TEST_F(CommandLine, IsExplainedForTheProgramAndForEachCommandWithAnExample) {
  const Ended all = run_at({"--help"});
  EXPECT_EQ(all.exit, Exit::verified);
  for (const char* command : {"receipt", "checkpoint", "log", "consistency", "export", "evidence"}) {
    const Ended one = run_at({command, "--help"});
    EXPECT_EQ(one.exit, Exit::verified);
    const std::string usage = std::string("pli-verify ") + command + ' ';
    const std::size_t first = one.out.find(usage);
    ASSERT_NE(first, std::string::npos) << command;
    EXPECT_NE(one.out.find(usage, first + 1), std::string::npos) << "no example of " << command;
    EXPECT_NE(all.out.find(usage), std::string::npos) << command;
  }
}

TEST_F(CommandLine, IsRefusedWithTwoAndAReason) {
  struct Case {
    std::vector<std::string> words;
    std::string why;
  };
  for (const Case& one : {
           Case{{}, "no command"},
           Case{{"verify", "x", "--log-key", key_}, "unknown command \"verify\""},
           Case{{"receipt", "--log-key", key_}, "receipt takes FILE"},
           Case{{"receipt", "a", "b", "--log-key", key_}, "receipt takes FILE"},
           Case{{"receipt", "a"}, "one of --log-key and --policy"},
           Case{{"receipt", "a", "--log-key", key_, "--policy", "p"}, "one of --log-key and --policy"},
           Case{{"receipt", "a", "--log-key"}, "\"--log-key\" has no value"},
           Case{{"receipt", "a", "--log-key="}, "--log-key is empty"},
           Case{{"receipt", "a", "--log-key", key_, "--log-key", key_}, "--log-key is given twice"},
           Case{{"receipt", "a", "--log-key", key_, "--color", "x"}, "unknown option \"--color\""},
           Case{{"receipt", "a", "--log-key", key_, "--max-age", "5"}, "--max-age needs the witnesses"},
           Case{{"receipt", "a", "--policy", "p", "--max-age", "-5"}, "--max-age is not a number"},
           Case{{"receipt", "a", "--policy", "p", "--max-age", "05"}, "--max-age is not a number"},
           Case{{"receipt", "a", "--policy", "p", "--now", "9223372036854775808"}, "--now is not a number"},
           Case{{"receipt", "a", "--policy", "p", "--now", "1", "--now", "1"}, "--now is given twice"},
           Case{{"receipt", "a", "--log-key", key_, "--tiles", "t"}, "--tiles is for consistency"},
           Case{{"consistency", "a", "b", "--log-key", key_}, "consistency needs --tiles"},
           Case{{"receipt", "a", "--log-key", "abcd"}, "32 bytes"},
           Case{{"receipt", "a", "--log-key", "name+00000000+AAAA"}, "verifier key"},
           Case{{"receipt", "a", "--log-key", "\x1b[2J"}, "verifier key"},
           Case{{"\x1b[2J", "a", "--log-key", key_}, "unknown command \"?[2J\""},
       }) {
    const Ended ended = run_at(one.words);
    EXPECT_EQ(ended.exit, Exit::usage) << one.why << ": " << ended.out << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.err.find(one.why), std::string::npos) << ended.err;
    EXPECT_EQ(ended.err.find('\x1b'), std::string::npos);
  }
}

TEST_F(CommandLine, TakesALastMomentAndRefusesThePolicyThatIsNone) {
  const std::string file = put("checkpoint", MadeLog(3).checkpoint(3));
  expect_verified(run_at({"checkpoint", file, "--log-key", key_, "--now", "9223372036854775807"}));
  const Ended ended = run_at({"checkpoint", file, "--policy", put("policy", std::string("quorum\n"))});
  EXPECT_EQ(ended.exit, Exit::usage);
  EXPECT_NE(ended.err.find("policy line 1"), std::string::npos) << ended.err;
  const Ended nobody = run_at({"checkpoint", file, "--policy", put("nobody", std::string("quorum none\n"))});
  EXPECT_EQ(nobody.exit, Exit::usage) << nobody.out;
  EXPECT_NE(nobody.err.find("the policy names no log"), std::string::npos) << nobody.err;
  const audit::VerifierKey witness{"w", audit::KeyType::cosignature, made_key(1).public_key()};
  EXPECT_EQ(run_at({"checkpoint", file, "--log-key", to_text(witness)}).exit, Exit::usage);
}

TEST_F(CommandLine, SaysThatAFileOfOursIsMissingWithFive) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"receipt", path("none"), "--log-key", key_},
                                                {"checkpoint", path("none"), "--log-key", key_},
                                                {"checkpoint", path("none"), "--policy", path("none")},
                                                {"log", path("none"), "--log-key", key_},
                                                {"log", put("file", std::string("x")), "--log-key", key_},
                                                {"export", path("none"), "--log-key", key_},
                                                {"evidence", path("none"), "--log-key", key_},
                                                {"checkpoint", put("folder", Files{}), "--log-key", key_},
                                                // Somebody else's folder: nothing of a log was found in it.
                                                {"log", put("papers", Files{}), "--log-key", key_},
                                                {"export", put("papers", Files{}), "--log-key", key_}}) {
    const Ended ended = run_at(words);
    EXPECT_EQ(ended.exit, Exit::local) << words[0] << ended.out;
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.err, "");
  }
}

TEST_F(CommandLine, SaysEveryVerdictAsJsonWhenAsked) {
  const auto verdict = [](const std::vector<std::string>& words) {
    const Ended ended = run_at(words);
    EXPECT_EQ(ended.err, "");
    return nlohmann::json::parse(ended.out)["verdict"].get<std::string>();
  };
  const std::string file = put("checkpoint", MadeLog(3).checkpoint(3));
  EXPECT_EQ(verdict({"checkpoint", file, "--log-key", key_, "--json"}), "verified");
  EXPECT_EQ(verdict({"checkpoint", put("bad", std::string("x")), "--log-key", key_, "--json"}), "failed");
  EXPECT_EQ(verdict({"checkpoint", path("no\"ne\n"), "--log-key", key_, "--json"}), "local error");
  EXPECT_EQ(verdict({"--json"}), "usage");
}

TEST(Quoted, LeavesHarmlessTextAndRefusesWhatSteersOrIsNotUtf8) {
  EXPECT_EQ(quoted("Cérilly \"€\" \\ 😀"), "\"Cérilly \\\"€\\\" \\\\ 😀\"");
  EXPECT_EQ(quoted(""), "\"\"");
  for (const char* text : {"\x1b[2J", "a\nb", "\x7f", "\xc2\x85", "\xe2\x80\xae", "\xe2\x80\x8e", "\xef\xbb\xbf",
                           "\xf3\xa0\x80\xa1", "\xe2\x81\xa6", "\xd8\x9c"})
    EXPECT_FALSE(quoted(text)) << to_hex(as_bytes(text));
  for (const char* text : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82"})
    EXPECT_FALSE(quoted(text)) << to_hex(as_bytes(text));
}

}  // namespace
}  // namespace pli::verify::test
