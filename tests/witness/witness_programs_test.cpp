// The real pli-witness: init, add-log, run, show, what makes it refuse to start, and kill -9.
#include "witness/witness_programs.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <nlohmann/json.hpp>
#include <random>

#include "base/file.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/witness/growing_log.hpp"
#include "tests/witness/http_talk.hpp"

extern char** environ;

namespace pli::witness {
namespace {

using nlohmann::json;
using pli::testing::GrowingLog;
using pli::testing::HttpTalk;
using pli::testing::key_of;
using pli::testing::post_of;
using pli::testing::watched_log;

/// One child whose standard output is read line by line.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    std::vector<std::string> words = {PLI_WITNESS_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (::posix_spawn(&pid_, PLI_WITNESS_PROGRAM, &actions, nullptr, argv.data(), environ) != 0) std::abort();
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Program() {
    if (pid_ > 0) {
      signal(SIGKILL);
      (void)wait();
    }
    ::close(out_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] std::string line() {
    std::string out;
    for (char c = 0; ::read(out_, &c, 1) == 1 && c != '\n';) out += c;
    return out;
  }
  [[nodiscard]] std::string rest() {
    std::string out;
    for (char c = 0; ::read(out_, &c, 1) == 1;) out += c;
    return out;
  }
  void signal(int number) const { ::kill(pid_, number); }
  /// Its exit code; -1 when a signal ended it.
  [[nodiscard]] int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

/// A running witness.
struct Running {
  explicit Running(const std::string& folder)
      : program({"run", "--json", "--folder", folder, "--listen", "127.0.0.1:0", "--prefix", "/w1"}) {
    ready = json::parse(program.line(), nullptr, false);
    if (ready.is_discarded() || ready.value("state", "") != "ready") {
      ADD_FAILURE() << ready;
      return;
    }
    const std::string url = ready["url"];
    port = std::stoi(url.substr(url.rfind(':') + 1));
  }
  Program program;
  json ready;
  int port = 0;
};

constexpr const char* path = "/w1/add-checkpoint";

class WitnessProgram : public ::testing::Test {
 protected:
  struct Answer {
    int code = -1;
    std::string text;
  };
  static Answer run(const std::vector<std::string>& words) {
    Program program(words);
    std::string text = program.rest();
    return {program.wait(), std::move(text)};
  }
  Answer on_folder(const std::string& verb, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {verb, "--json", "--folder", folder()};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  void init() {
    const Answer made = on_folder("init", {"--name", "witness.example/w1"});
    ASSERT_EQ(made.code, exit_done) << made.text;
    key_ = audit::parse_verifier_key(json::parse(made.text)["vkey"].get<std::string>()).value();
    const Answer added = on_folder(
        "add-log", {"--log-name", std::string(watched_log), "--log-key", to_hex(key_of(1).public_key().bytes)});
    ASSERT_EQ(added.code, exit_done) << added.text;
    log_.grow(500);
  }
  [[nodiscard]] std::string folder() const { return (folder_.path() / "w1").string(); }
  [[nodiscard]] static std::string state_in(const Answer& answer) {
    const json said = json::parse(answer.text, nullptr, false);
    return said.is_object() ? said.value("state", "") : answer.text;
  }

  pli::testing::TemporaryFolder folder_;
  audit::VerifierKey key_;
  GrowingLog log_;
};

TEST_F(WitnessProgram, CosignsIsStoppedAndShowsWhatItCosigned) {
  init();
  {
    Running running(folder());
    EXPECT_EQ(running.ready["logs"], 1);
    EXPECT_EQ(HttpTalk(running.port).post(path, log_.body(0, 7))->status, 200);
    const std::string served = HttpTalk(running.port).get("/w1/" + audit::monitoring_path(log_.origin()))->body;
    const std::vector<audit::VerifierKey> witnesses = {key_};
    EXPECT_EQ(audit::verify_cosigned_checkpoint(served, log_.key(), witnesses, audit::to_seconds(SystemClock().now()))
                  ->cosigners()
                  .size(),
              1U);
    EXPECT_EQ(on_folder("show").code, exit_done) << "beside a running one";
    running.program.signal(SIGTERM);
    EXPECT_EQ(running.program.wait(), exit_done);
  }
  const Answer shown = on_folder("show");
  ASSERT_EQ(shown.code, exit_done);
  const json said = json::parse(shown.text);
  EXPECT_EQ(said["vkey"], audit::to_text(key_));
  EXPECT_EQ(said["logs"], 1);
  ASSERT_EQ(said["origins"].size(), 1U);
  EXPECT_EQ(said["origins"][0]["origin"], log_.origin());
  EXPECT_EQ(said["origins"][0]["size"], 7);
  EXPECT_TRUE(said["evidence"].empty());
  const Answer text = run({"show", "--folder", folder()});
  EXPECT_NE(text.text.find("size    7\n"), std::string::npos) << text.text;

  Running again(folder());
  EXPECT_EQ(again.ready["origins"], 1);
  EXPECT_EQ(HttpTalk(again.port).post(path, log_.body(0, 9))->body, "7\n");
  EXPECT_EQ(HttpTalk(again.port).post(path, log_.body(7, 9))->status, 200);
}

TEST_F(WitnessProgram, SaysWhenALogHasSignedTwoTrees) {
  init();
  Running running(folder());
  ASSERT_EQ(HttpTalk(running.port).post(path, log_.body(0, 7))->status, 200);
  GrowingLog forked(log_.origin(), 1, "other leaf ");
  forked.grow(7);
  EXPECT_EQ(HttpTalk(running.port).post(path, forked.body(7, 7))->status, 422);
  EXPECT_EQ(json::parse(running.program.line())["state"], "EVIDENCE_KEPT");
  EXPECT_EQ(json::parse(on_folder("show").text)["evidence"].size(), 1U);
}

TEST_F(WitnessProgram, KilledAtAnyMomentItKnowsWhateverItAnswered) {
  init();
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uint64_t answered = 0;
  int unanswered_but_kept = 0;
  for (int kill = 0; kill < 40; ++kill) {
    Running running(folder());
    HttpTalk talk(running.port);
    std::uint64_t asked = answered;
    const std::uint64_t before_the_kill = random() % 4;
    for (std::uint64_t i = 0; i < before_the_kill; ++i) {
      asked = answered + 1;
      ASSERT_EQ(talk.post(path, log_.body(answered, asked))->status, 200);
      answered = asked;
    }
    // The kill meets this one somewhere between its arrival and its answer, or before, or after.
    asked = answered + 1;
    ASSERT_TRUE(talk.send(post_of(path, log_.body(answered, asked))));
    const auto moment = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 4000);
    while (std::chrono::steady_clock::now() < moment) {
    }
    running.program.signal(SIGKILL);
    EXPECT_EQ(running.program.wait(), -1);
    const auto late = talk.answer();
    if (late && late->status == 200) answered = asked;

    Running again(folder());
    HttpTalk asking(again.port);
    const auto repeated = asking.post(path, log_.body(answered, asked));
    ASSERT_TRUE(repeated);
    if (repeated->status == 409) {
      EXPECT_EQ(repeated->body, std::to_string(asked) + '\n');
      ++unanswered_but_kept;
      EXPECT_EQ(asking.post(path, log_.body(asked, asked))->status, 200);
    } else {
      EXPECT_EQ(repeated->status, 200);
    }
    answered = asked;
    const auto served = asking.get("/w1/" + audit::monitoring_path(log_.origin()));
    EXPECT_EQ(audit::verify_checkpoint(served->body, log_.key())->size().value, answered);
    again.program.signal(SIGTERM);
    EXPECT_EQ(again.program.wait(), exit_done);
  }
  RecordProperty("unanswered_but_kept", unanswered_but_kept);
}

TEST_F(WitnessProgram, RefusesToStartOnWhatItCannotTrust) {
  init();
  const auto state = std::filesystem::path(folder()) / "state";
  const std::vector<std::string> listen = {"--listen", "127.0.0.1:0"};
  const Bytes good = read_file(state, 1 << 20).value();

  Bytes torn = good;
  torn.resize(torn.size() / 2);
  ASSERT_TRUE(write_file_durably(state, torn, FileMode::owner_only));
  Answer answer = on_folder("run", listen);
  EXPECT_EQ(answer.code, exit_verification_failed);
  EXPECT_EQ(state_in(answer), "STATE_DAMAGED");
  EXPECT_EQ(on_folder("show").code, exit_verification_failed);

  std::filesystem::remove(state);
  answer = on_folder("run", listen);
  EXPECT_EQ(answer.code, exit_verification_failed);
  EXPECT_EQ(state_in(answer), "STATE_MISSING");
  ASSERT_TRUE(write_file_durably(state, good, FileMode::owner_only));

  ASSERT_EQ(::chmod((folder() + "/seed").c_str(), 0644), 0);
  answer = on_folder("run", listen);
  EXPECT_EQ(answer.code, exit_local_error);
  EXPECT_EQ(state_in(answer), "SEED_EXPOSED");
  ASSERT_TRUE(write_file_durably(folder() + "/seed", Bytes(32, 1), FileMode::owner_only));
  answer = on_folder("run", listen);
  EXPECT_EQ(answer.code, exit_verification_failed);
  EXPECT_EQ(state_in(answer), "KEY_DAMAGED");
}

TEST_F(WitnessProgram, RunsOnceForAFolderAndAnAddress) {
  init();
  const Running running(folder());
  Answer answer = on_folder("run", {"--listen", "127.0.0.1:0"});
  EXPECT_EQ(answer.code, exit_local_error);
  EXPECT_EQ(state_in(answer), "ALREADY_RUNNING");
  const std::string other = (folder_.path() / "w2").string();
  ASSERT_EQ(run({"init", "--folder", other, "--name", "witness.example/w2"}).code, exit_done);
  answer = run({"run", "--json", "--folder", other, "--listen", "127.0.0.1:" + std::to_string(running.port)});
  EXPECT_EQ(answer.code, exit_local_error);
  EXPECT_EQ(state_in(answer), "ADDRESS");
}

TEST_F(WitnessProgram, IsMadeOnce) {
  init();
  const Answer again = on_folder("init", {"--name", "witness.example/w2"});
  EXPECT_EQ(again.code, exit_local_error);
  EXPECT_EQ(state_in(again), "ALREADY_INITIALISED");
  EXPECT_EQ(json::parse(on_folder("show").text)["vkey"], audit::to_text(key_));
}

TEST_F(WitnessProgram, RefusesWhatIsNoLogNoNameAndNoAddress) {
  init();
  const std::string hex = to_hex(key_of(1).public_key().bytes);
  const std::string name(watched_log);
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"--vkey", "x"},
      {"--vkey", audit::to_text(key_)},  // a witness's
      {"--log-name", name},
      {"--log-key", hex},
      {"--log-name", name, "--log-key", hex},  // there already
      {"--log-name", "A", "--log-key", hex},
      {"--log-name", "a", "--log-key", hex + "\nlog-key b " + hex},
      {"--log-name", "a", "--log-key", hex, "--vkey", audit::to_text(log_.key())},
  };
  for (const auto& words : wrong) EXPECT_EQ(on_folder("add-log", words).code, exit_usage) << json(words);
  EXPECT_EQ(json::parse(on_folder("show").text)["logs"], 1);
  EXPECT_EQ(on_folder("add-log", {"--vkey", audit::to_text(log_.key())}).code, exit_done);
  EXPECT_EQ(json::parse(on_folder("show").text)["logs"], 2);

  for (const char* listen : {"", "8089", "127.0.0.1", "localhost:0", "127.0.0.1:65536", "127.0.0.1:-1"})
    EXPECT_EQ(on_folder("run", {"--listen", listen}).code, exit_usage) << listen;
  EXPECT_EQ(on_folder("run", {"--listen", "127.0.0.1:0", "--prefix", "w/"}).code, exit_usage);
  EXPECT_EQ(run({"init", "--folder", (folder_.path() / "w3").string(), "--name", "W 3"}).code, exit_usage);
  EXPECT_EQ(run({}).code, exit_usage);
  EXPECT_EQ(run({"run"}).code, exit_usage);
  EXPECT_EQ(run({"show", "--folder", (folder_.path() / "nowhere").string()}).code, exit_local_error);
}

TEST_F(WitnessProgram, TakesTheKeyOfALogFromTheVkeyOfAShardAndWarnsWhereOneShardIsAllItWatches) {
  init();
  const std::string log(watched_log);
  const crypto::SignPublic key = key_of(2).public_key();
  const auto vkey = [&](const std::string& name) {
    return audit::to_text(audit::VerifierKey{name, audit::KeyType::ed25519, key});
  };
  for (const std::string& wrong : {vkey("other.example/pli/89/2026-1"), vkey(log) + "x", audit::to_text(key_)})
    EXPECT_EQ(on_folder("add-log", {"--log-name", log + "b", "--log-key", wrong}).code, exit_usage) << wrong;
  for (const std::string& name : {std::string("second.example/pli/89"), std::string("third.example/pli/89")}) {
    const std::string named = name.starts_with("second") ? name : name + "/2026-1";
    EXPECT_EQ(on_folder("add-log", {"--log-name", name, "--log-key", vkey(named)}).code, exit_done);
    const auto logs = read_file(folder_.path() / "w1" / "logs", 4096);
    ASSERT_TRUE(logs.has_value());
    EXPECT_NE(as_text(*logs).find("log-key " + name + " " + to_hex(key.bytes) + "\n"), std::string_view::npos)
        << as_text(*logs);
  }
  const Answer one = on_folder("add-log", {"--vkey", vkey("fourth.example/pli/89/2026-1")});
  EXPECT_EQ(one.code, exit_done);
  EXPECT_NE(one.text.find("--log-name fourth.example/pli/89 --log-key " + to_hex(key.bytes)), std::string::npos)
      << one.text;
}

TEST_F(WitnessProgram, TakesNoShardForALogAndNamesTheLog) {
  init();
  const Answer refused = on_folder("add-log", {"--log-name", std::string(watched_log) + "/2026-1", "--log-key",
                                               to_hex(key_of(2).public_key().bytes)});
  EXPECT_EQ(refused.code, exit_usage) << refused.text;
  EXPECT_EQ(state_in(refused), "LOG");
  EXPECT_NE(refused.text.find("`--log-name " + std::string(watched_log) + "`"), std::string::npos) << refused.text;
  EXPECT_EQ(json::parse(on_folder("show").text)["logs"], 1);
}

TEST_F(WitnessProgram, ManyLinesAddedAtOnceAreAllThere) {
  init();
  constexpr int added = 12;
  std::vector<std::unique_ptr<Program>> programs;
  for (int i = 0; i < added; ++i)
    programs.push_back(std::make_unique<Program>(std::vector<std::string>{
        "add-log", "--json", "--folder", folder(), "--log-name", "log.example/" + std::to_string(i), "--log-key",
        to_hex(key_of(1).public_key().bytes)}));
  for (const auto& program : programs) EXPECT_EQ(program->wait(), exit_done);
  EXPECT_EQ(json::parse(on_folder("show").text)["logs"], 1 + added);
}

TEST_F(WitnessProgram, ReadsTheListOfLogsAgainOnSighupAndKeepsTheOneItHasWhereItCannot) {
  init();
  GrowingLog other("log.example/other", 3);
  other.grow(10);
  Running witness(folder());
  EXPECT_EQ(HttpTalk(witness.port).post(path, other.body(0, 10))->status, 404);
  ASSERT_EQ(on_folder("add-log", {"--vkey", audit::to_text(other.key())}).code, exit_done);
  witness.program.signal(SIGHUP);
  EXPECT_EQ(json::parse(witness.program.line()), (json{{"state", "logs_read"}, {"logs", 2}}));
  EXPECT_EQ(HttpTalk(witness.port).post(path, other.body(0, 10))->status, 200);
  ASSERT_TRUE(write_file_durably(folder_.path() / "w1" / "logs", as_bytes("nonsense\n"), FileMode::owner_only));
  witness.program.signal(SIGHUP);
  const json said = json::parse(witness.program.line());
  EXPECT_EQ(said["state"], "LOGS");
  EXPECT_NE(said["cause"].get<std::string>().find("line 1"), std::string::npos);
  EXPECT_EQ(HttpTalk(witness.port).post(path, other.body(10, 10))->status, 200) << "it goes on";
  witness.program.signal(SIGTERM);
  EXPECT_EQ(witness.program.wait(), exit_done);
}

TEST_F(WitnessProgram, HelpsWithAnExampleOfEachVerb) {
  for (const char* verb : {"init", "add-log", "run", "show"}) {
    const Answer help = run({verb, "--help"});
    EXPECT_EQ(help.code, exit_done);
    EXPECT_NE(help.text.find(std::string("Example:\n  pli-witness ") + verb), std::string::npos) << help.text;
  }
  EXPECT_NE(run({"--help"}).text.find("Example, "), std::string::npos);
}

}  // namespace
}  // namespace pli::witness
