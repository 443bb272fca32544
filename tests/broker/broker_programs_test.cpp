// The real pli-broker: init, run, check, and what makes it refuse to start.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "audit/tile.hpp"
#include "base/file.hpp"
#include "broker/key_ring.hpp"
#include "broker/log.hpp"
#include "broker/outside_file.hpp"
#include "broker/program_opening.hpp"
#include "broker/watched_clock.hpp"
#include "crypto/boxed_key.hpp"
#include "crypto/hash.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/statistics.hpp"
#include "tests/broker/front_world.hpp"
#include "tests/support/store_surgery.hpp"
#include "tests/support/witness_house.hpp"

extern char** environ;

namespace pli::broker {
namespace {

using nlohmann::json;

/// A user who is nobody, and may read nothing of ours.
constexpr uid_t nobody = 65534;

/// One child whose standard output is read line by line.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments, uid_t user = ::geteuid()) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::vector<std::string> words = {PLI_BROKER_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (user != ::geteuid()) {
      pid_ = ::fork();
      if (pid_ == 0) {
        if (::dup2(ends[1], STDOUT_FILENO) < 0 || ::setgid(user) != 0 || ::setuid(user) != 0) ::_exit(127);
        ::execve(PLI_BROKER_PROGRAM, argv.data(), environ);
        ::_exit(127);
      }
    } else if (::posix_spawn(&pid_, PLI_BROKER_PROGRAM, &actions, nullptr, argv.data(), environ) != 0) {
      std::abort();
    }
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
    ::close(out_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The next line of its output; empty at its end.
  [[nodiscard]] std::string line() {
    std::string out;
    for (char c = 0; ::read(out_, &c, 1) == 1 && c != '\n';) out += c;
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

/// One that was free a moment ago.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    ADD_FAILURE() << "no port";
  ::close(fd);
  return ::ntohs(at.sin_port);
}

class BrokerProgram : public ::testing::Test {
 protected:
  BrokerProgram() {
    for (const char* name : {"data", "keys", "copy", "log"}) std::filesystem::create_directory(folder_.path() / name);
    write("startup.secret", startup_.expose());
    write("keys/curve.key", as_bytes(crypto::box_key("curve", world_.curve, startup_)));
    write("keys/log.key", as_bytes(crypto::box_key("log", log_seed_, startup_)));
    write("broker.toml", as_bytes("endpoint = \"tcp://127.0.0.1:*\"\n"
                                  "log = \"" +
                                  std::string(world_log) +
                                  "\"\n"
                                  "shard = \"2026-1\"\n"
                                  "data_folder = \"data\"\nkey_folder = \"keys\"\nleases = \"keys/leases\"\n"
                                  "leases_copy = \"copy/leases\"\noutside_checkpoint = \"copy/checkpoint\"\n"
                                  "log_folder = \"log\"\nstartup_secret = \"startup.secret\"\n"));
    std::vector<Bytes> entries;
    for (std::size_t i = 0; i < world_.directory->entries().size(); ++i)
      entries.push_back(world_.directory->entry_bytes(i));
    write("directory.note", as_bytes(world_.directory->verified()->note()));
    write("directory.bundle", protocol::encode_bundle(entries));
  }

  void write(const std::string& name, ByteView bytes) {
    if (auto written = write_file_durably(folder_.path() / name, bytes, FileMode::owner_only); !written)
      ADD_FAILURE() << written.error().detail;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] std::vector<std::string> words(const std::string& verb) const {
    std::vector<std::string> out = {verb, "--json", "--config", path("broker.toml")};
    if (verb == "init")
      out.insert(out.end(), {"--directory", path("directory.note"), "--bundle", path("directory.bundle")});
    return out;
  }
  struct Answer {
    int code = 0;
    json said;
  };
  [[nodiscard]] Answer call(const std::string& verb, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = words(verb);
    all.insert(all.end(), more.begin(), more.end());
    Program program(all);
    return answer_of(program);
  }
  /// Who is served: another user than root, where root runs this.
  static uid_t service_user() { return ::geteuid() == 0 ? nobody : ::geteuid(); }
  void give_all_to_service(std::initializer_list<const char*> folders) const {
    const auto give = [](const std::string& file) {
      EXPECT_EQ(::chown(file.c_str(), service_user(), ::geteuid() == 0 ? nobody : ::getegid()), 0) << file;
    };
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
    for (const char* file : {"startup.secret", "broker.toml"}) give(path(file));
    for (const char* name : folders) {
      give(path(name));
      for (const auto& entry : std::filesystem::directory_iterator(path(name))) give(entry.path().string());
    }
  }
  static Answer answer_of(Program& program) {
    Answer out;
    out.said = json::parse(program.line(), nullptr, false);
    out.code = program.wait();
    return out;
  }
  void expect_refused(const char* verb, int code, const char* state) const {
    expect_refused_with(verb, {}, code, state);
  }
  void expect_refused_with(const char* verb, const std::vector<std::string>& more, int code, const char* state) const {
    const Answer answer = call(verb, more);
    EXPECT_EQ(answer.code, code);
    ASSERT_TRUE(answer.said.is_object());
    EXPECT_EQ(answer.said["state"], state) << answer.said.dump();
    EXPECT_FALSE(answer.said["next"].get<std::string>().empty());
  }

  /// A running broker and its endpoint.
  struct Run {
    std::unique_ptr<Program> program;
    json ready;
  };
  [[nodiscard]] Run run(const std::vector<std::string>& more = {}) const {
    Run out;
    std::vector<std::string> all = words("run");
    all.insert(all.end(), more.begin(), more.end());
    out.program = std::make_unique<Program>(all);
    out.ready = json::parse(out.program->line(), nullptr, false);
    if (!out.ready.is_object() || out.ready["state"] != "ready") ADD_FAILURE() << out.ready.dump();
    return out;
  }
  /// SHA-256 of each file below, by its path: what a program that changes nothing leaves as it was.
  [[nodiscard]] std::map<std::string, std::string> files_in(std::initializer_list<const char*> folders) const {
    std::map<std::string, std::string> out;
    for (const char* name : folders)
      for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() / name)) {
        // SQLite's shared memory is an index of the WAL, made anew by whoever opens a database nobody has open.
        if (!entry.is_regular_file() || entry.path().extension() == ".db-shm") continue;
        const auto bytes = read_file(entry.path(), 64 << 20);
        if (!bytes) {
          ADD_FAILURE() << entry.path();
          continue;
        }
        if (entry.path().extension() == ".db-wal" && bytes->empty()) continue;
        out.emplace(entry.path().string(), to_hex(crypto::sha256(*bytes)));
      }
    return out;
  }
  static int stop(Run& run) {
    run.program->signal(SIGTERM);
    return run.program->wait();
  }
  [[nodiscard]] testing::RawClient connect(const Run& run, const crypto::Identity& identity) const {
    return testing::RawClient(run.ready["endpoint"].get<std::string>(), world_.curve_public, identity.curve_secret());
  }
  /// Says hello and learns the release key.
  [[nodiscard]] protocol::HelloReply greet(testing::RawClient& client) {
    auto body = client.ask(protocol::Hello{});
    if (!body || !std::holds_alternative<protocol::HelloReply>(*body)) {
      ADD_FAILURE() << "no hello";
      return {};
    }
    auto hello = std::get<protocol::HelloReply>(*body);
    world_.share_key = hello.release_key;
    world_.share_epoch = hello.release_epoch;
    return hello;
  }
  [[nodiscard]] protocol::Accepted submit(testing::RawClient& client, const protocol::Envelope& envelope) {
    auto body = client.ask(protocol::Submit{envelope});
    if (!body || !std::holds_alternative<protocol::Accepted>(*body)) {
      ADD_FAILURE() << (body ? protocol::to_text(refusal_of(body)) : "no answer");
      return {};
    }
    return std::get<protocol::Accepted>(*body);
  }

  [[nodiscard]] audit::VerifierKey log_key() const {
    return {std::string(world_log) + "/2026-1", audit::KeyType::ed25519,
            crypto::SigningKey::from_seed(log_seed_.expose()).public_key()};
  }
  [[nodiscard]] std::string text_of(const std::string& name) const {
    const auto bytes = read_file(folder_.path() / name, 1 << 20);
    return bytes ? std::string(as_text(*bytes)) : std::string();
  }
  /// Adds lines to the configuration; before init.
  void configure(const std::string& more) { write("broker.toml", as_bytes(text_of("broker.toml") + more)); }
  void witnessed_by(const testing::WitnessHouse& witness) {
    write("policy", as_bytes("log " + audit::to_text(log_key()) + "\nwitness temoin " + witness.vkey() + " " +
                             witness.url() + "\nquorum temoin\n"));
    configure("[witnesses]\npolicy = \"policy\"\n");
  }
  void back_up(const std::string& name) const {
    std::filesystem::copy(path(name), path(name + ".backup"), std::filesystem::copy_options::recursive);
  }
  void bring_back(const std::string& name) const {
    std::filesystem::remove_all(path(name));
    std::filesystem::copy(path(name + ".backup"), path(name), std::filesystem::copy_options::recursive);
  }
  /// Stands for the data folder as it was: yesterday's backup put back in place of the newest database.
  void put_back(const char* backup) const {
    std::filesystem::remove_all(path("data"));
    std::filesystem::copy(path(backup), path("data"), std::filesystem::copy_options::recursive);
  }
  void keep(const char* backup) const {
    std::filesystem::copy(path("data"), path(backup), std::filesystem::copy_options::recursive);
  }
  /// What the broker asks for, signed by the authority, or by `key`; `change` makes another order of it.
  void write_order(const std::function<void(protocol::RollbackOrder&)>& change = {},
                   const crypto::SigningKey* key = nullptr) {
    const Answer asked = call("rollback-request");
    ASSERT_EQ(asked.code, 0) << asked.said.dump();
    auto request = protocol::parse_rollback_request(asked.said["request"].get<std::string>());
    ASSERT_TRUE(request.has_value());
    if (change) change(request->order);
    audit::Note note{protocol::to_text(request->order), {}};
    audit::sign_note(note, "autorite-1", key != nullptr ? *key : world_.authority);
    write("order.note", as_bytes(audit::to_text(note)));
  }
  [[nodiscard]] std::string state_of_run_with_order() const {
    const Answer answer = call("run", {"--accept-rollback", path("order.note")});
    EXPECT_NE(answer.code, 0);
    EXPECT_FALSE(answer.said["next"].get<std::string>().empty());
    return answer.said["state"];
  }

  TestFolder folder_;
  World world_{SystemClock().now()};
  crypto::SecretKey startup_ = crypto::SecretKey::random(32);
  crypto::SecretKey log_seed_ = crypto::SecretKey::random(32);
};

TEST_F(BrokerProgram, IsInitialisedOnceThenRunsStopsAndChecks) {
  const Answer made = call("init");
  ASSERT_EQ(made.code, 0) << made.said.dump();
  EXPECT_EQ(made.said["state"], "initialised");
  EXPECT_EQ(made.said["authorities"].size(), 1U);
  expect_refused("init", 5, "ALREADY_INITIALISED");

  Run running = run();
  EXPECT_EQ(running.ready["origin"], std::string(world_log) + "/2026-1");
  EXPECT_EQ(running.ready["directory"], 1);
  expect_refused("run", 5, "ALREADY_RUNNING");
  auto client = connect(running, world_.referent);
  const protocol::HelloReply hello = greet(client);
  EXPECT_EQ(hello.member, "a.martin");
  EXPECT_NE(hello.checkpoint.find(std::string(world_log) + "/2026-1\n"), std::string::npos);
  const protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  EXPECT_FALSE(submit(client, envelope).duplicate);
  EXPECT_TRUE(submit(client, envelope).duplicate) << "the same id again is the same leaf";
  EXPECT_EQ(stop(running), 0);
  EXPECT_EQ(call("check").code, 0);

  Run again = run();
  EXPECT_GE(again.ready["leaves"].get<std::uint64_t>(), running.ready["leaves"].get<std::uint64_t>() + 2);
  auto later = connect(again, world_.referent);
  EXPECT_TRUE(submit(later, envelope).duplicate) << "accepted means durable";
  EXPECT_EQ(stop(again), 0);
}

TEST_F(BrokerProgram, ALargeExchangeTravelsInChunksIntoTheRealStore) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin", 1'500'000);
  const Bytes payload = std::exchange(envelope.payload, {});
  for (const protocol::PutChunk& chunk : chunks_of(payload)) {
    auto body = client.ask(chunk);
    ASSERT_TRUE(body && std::holds_alternative<protocol::ChunkStored>(*body));
  }
  EXPECT_FALSE(submit(client, envelope).duplicate);
  // Its staged part is gone by now; the exchange is answered all the same.
  EXPECT_TRUE(submit(client, envelope).duplicate);
  EXPECT_EQ(stop(running), 0);
}

TEST_F(BrokerProgram, P10ARolledBackDatabaseDoesNotStart) {
  ASSERT_EQ(call("init").code, 0);
  std::filesystem::copy(path("data"), path("backup"), std::filesystem::copy_options::recursive);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  for (int i = 0; i < 5; ++i) (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);

  std::filesystem::rename(path("data"), path("newest"));
  std::filesystem::copy(path("backup"), path("data"), std::filesystem::copy_options::recursive);
  expect_refused("run", 4, "ROLLED_BACK");
  expect_refused("check", 4, "ROLLED_BACK");
  std::filesystem::remove_all(path("data"));
  std::filesystem::rename(path("newest"), path("data"));
  Run again = run();
  EXPECT_EQ(stop(again), 0);
}

TEST_F(BrokerProgram, P10AnOrderAcceptsALossOnceAndWhatWasLostIsTakenAgain) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  const protocol::Envelope standing = world_.seal(world_.referent, "a.martin");
  const protocol::Accepted receipt = submit(client, standing);
  EXPECT_EQ(stop(running), 0);
  keep("backup");
  running = run();
  auto later = connect(running, world_.referent);
  (void)greet(later);
  const protocol::Envelope lost = world_.seal(world_.referent, "a.martin");
  (void)submit(later, lost);
  EXPECT_EQ(stop(running), 0);

  put_back("backup");
  expect_refused("run", 4, "ROLLED_BACK");
  expect_refused("check", 4, "ROLLED_BACK");
  expect_refused("next-shard", 4, "ROLLED_BACK");
  write_order();
  std::filesystem::copy(path("copy/checkpoint"), path("checkpoint-before"));
  Run accepted = run({"--accept-rollback", path("order.note")});
  EXPECT_EQ(accepted.ready["origin"], std::string(world_log) + "/2026-2");
  auto again = connect(accepted, world_.referent);
  const protocol::HelloReply hello = greet(again);
  EXPECT_NE(hello.checkpoint.find(std::string(world_log) + "/2026-2\n"), std::string::npos);
  const protocol::Accepted same = submit(again, standing);
  EXPECT_TRUE(same.duplicate);
  EXPECT_EQ(same.proof.index, receipt.proof.index);
  EXPECT_FALSE(submit(again, lost).duplicate);
  auto shard = again.ask(protocol::GetShard{std::string(world_log) + "/2026-1", {}});
  ASSERT_TRUE(shard && std::holds_alternative<protocol::ShardReply>(*shard));
  EXPECT_EQ(as_bytes(std::get<protocol::ShardReply>(*shard).order).size(),
            std::filesystem::file_size(path("order.note")));
  EXPECT_EQ(stop(accepted), 0);
  EXPECT_EQ(call("check").code, 0);
  const auto outside = OutsideFile::read(path("copy/checkpoint"));
  EXPECT_NE(outside->note.find("/2026-2\n"), std::string::npos);

  // The order has done its work: it is not asked for again, and fits nothing any more.
  EXPECT_EQ(state_of_run_with_order(), "NO_ROLLBACK");
  expect_refused("rollback-request", 5, "NO_ROLLBACK");
  keep("second");
  put_back("backup");
  EXPECT_EQ(state_of_run_with_order(), "ROLLED_BACK");
  expect_refused("rollback-request", 4, "ROLLED_BACK");
  put_back("second");
  // Stopped between the commit and the outside file: the next start needs no order and goes on where it was.
  std::filesystem::copy(path("checkpoint-before"), path("copy/checkpoint"),
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(call("check").code, 0);
  Run on = run();
  EXPECT_EQ(on.ready["origin"], std::string(world_log) + "/2026-2");
  EXPECT_EQ(stop(on), 0);
}

TEST_F(BrokerProgram, P10RefusesTheWrongOrderByName) {
  ASSERT_EQ(call("init").code, 0);
  keep("backup");
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  expect_refused("rollback-request", 5, "ALREADY_RUNNING");
  EXPECT_EQ(stop(running), 0);
  put_back("backup");
  const crypto::SigningKey stranger = crypto::SigningKey::generate();
  write_order({}, &stranger);
  EXPECT_EQ(state_of_run_with_order(), "ORDER_NOT_SIGNED");
  write_order([](protocol::RollbackOrder& order) { ++order.last.size.value; });
  EXPECT_EQ(state_of_run_with_order(), "ORDER_OF_ANOTHER_ROLLBACK");
  write("order.note", as_bytes("pli-order/1\n"));
  EXPECT_EQ(state_of_run_with_order(), "ORDER");
  write("order.note", Bytes(protocol::order_bytes_max + 1, 'x'));
  EXPECT_EQ(state_of_run_with_order(), "ORDER");
  std::filesystem::remove(path("order.note"));
  EXPECT_EQ(state_of_run_with_order(), "ORDER");
  // None of it changed anything: the right one still opens.
  write_order();
  Run accepted = run({"--accept-rollback", path("order.note")});
  EXPECT_EQ(accepted.ready["origin"], std::string(world_log) + "/2026-2");
  EXPECT_EQ(stop(accepted), 0);
  EXPECT_EQ(call("check").code, 0);
}

TEST_F(BrokerProgram, AShardIsClosedCompleteWhenTheOperatorAsks) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  const protocol::Envelope old = world_.seal(world_.referent, "a.martin");
  (void)submit(client, old);
  expect_refused("next-shard", 5, "ALREADY_RUNNING");
  EXPECT_EQ(stop(running), 0);
  const auto year = static_cast<std::uint32_t>(month_of(SystemClock().now()) / 100);
  protocol::ShardName name{2026, 1};
  std::filesystem::copy(path("copy/checkpoint"), path("checkpoint-before"));
  for (int i = 0; i < 2; ++i) {
    name = protocol::shard_after(name, year).value();
    const Answer opened = call("next-shard");
    ASSERT_EQ(opened.code, 0) << opened.said.dump();
    EXPECT_EQ(opened.said["origin"], std::string(world_log) + "/" + protocol::to_text(name));
    EXPECT_EQ(call("check").code, 0);
  }
  Run on = run();
  EXPECT_EQ(on.ready["origin"], std::string(world_log) + "/" + protocol::to_text(name));
  auto later = connect(on, world_.referent);
  (void)greet(later);
  EXPECT_TRUE(submit(later, old).duplicate);
  EXPECT_EQ(stop(on), 0);
  // An outside checkpoint of a shard closed since is extended too: the program may stop before it writes the new one.
  std::filesystem::copy(path("checkpoint-before"), path("copy/checkpoint"),
                        std::filesystem::copy_options::overwrite_existing);
  Run after = run();
  EXPECT_EQ(stop(after), 0);
}

TEST_F(BrokerProgram, ListsTheStatisticsStatedAndShowsThoseOfAMonth) {
  ASSERT_EQ(call("init").code, 0);
  const std::uint32_t now = month_of(SystemClock().now());
  Answer listed = call("statistics");
  ASSERT_EQ(listed.code, 0) << listed.said.dump();
  EXPECT_TRUE(listed.said["months"].empty());
  EXPECT_EQ(listed.said["next"]["month"], protocol::month_text(now));
  EXPECT_EQ(listed.said["next"]["late"], false);
  EXPECT_EQ(listed.said["next"]["due"], protocol::month_start(protocol::month_after(now)).value);

  // Its shard is closed: what the month has of it is stated by the next one's first tick, beside which this reads.
  ASSERT_EQ(call("next-shard").code, 0);
  Run running = run();
  const auto first = std::string(world_log) + "/2026-1";
  for (int i = 0; i < 600 && call("statistics").said["months"].empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  listed = call("statistics");
  ASSERT_EQ(listed.said["months"].size(), 1U) << listed.said.dump();
  EXPECT_EQ(listed.said["months"][0]["origin"], first);
  EXPECT_NE(listed.said["months"][0]["stated_in"], first);
  const Answer shown = call("statistics", {"--month", protocol::month_text(now)});
  ASSERT_EQ(shown.code, 0) << shown.said.dump();
  ASSERT_EQ(shown.said["parts"].size(), 1U);
  EXPECT_EQ(shown.said["parts"][0]["text"].get<std::string>().find("pli-statistics/1\nlog " + first + "\n"), 0U);
  EXPECT_EQ(stop(running), 0);

  const Answer none = call("statistics", {"--month", "2001-01"});
  EXPECT_EQ(none.code, 5);
  EXPECT_EQ(none.said["state"], "NOT_STATED");
  for (const char* bad : {"2026", "2026-13", "202611", "x"})
    EXPECT_EQ(call("statistics", {"--month", bad}).code, 2) << bad;
}

TEST_F(BrokerProgram, P10AMissingOrDamagedOutsideCheckpointDoesNotStart) {
  ASSERT_EQ(call("init").code, 0);
  std::filesystem::rename(path("copy/checkpoint"), path("aside"));
  expect_refused("run", 4, "OUTSIDE_CHECKPOINT_MISSING");
  write("copy/checkpoint", Bytes(2 * audit::outside_slot_bytes, 1));
  expect_refused("run", 4, "OUTSIDE_CHECKPOINT_DAMAGED");
  std::filesystem::rename(path("aside"), path("copy/checkpoint"));
  Run running = run();
  EXPECT_EQ(stop(running), 0);
}

TEST_F(BrokerProgram, P7WritesTilesThatAnybodyCanVerify) {
  configure("tiles_folder = \"tiles\"\n");
  ASSERT_EQ(call("init").code, 0);
  std::string published;
  for (int start = 0; start < 2; ++start) {
    Run running = run();
    auto client = connect(running, world_.referent);
    (void)greet(client);
    for (int i = 0; i < 5; ++i) (void)submit(client, world_.seal(world_.referent, "a.martin"));
    EXPECT_EQ(stop(running), 0);
    const std::string before = std::exchange(published, text_of("tiles/2026-1/checkpoint"));
    EXPECT_NE(published, before);
    const auto checkpoint = audit::verify_checkpoint(published, log_key());
    ASSERT_TRUE(checkpoint);
    const auto read = [&](const audit::TileId& id) {
      return read_file(folder_.path() / "tiles/2026-1" / audit::to_path(id), audit::tile_bytes_max);
    };
    EXPECT_TRUE(audit::CheckedTiles::open(checkpoint->size(), checkpoint->root(), read));
  }
  EXPECT_EQ(call("check").code, 0);
  write("tiles/2026-1/checkpoint", as_bytes("other bytes\n"));
  expect_refused("run", 4, "TILES_DIFFER");
  std::filesystem::remove_all(path("tiles"));
  Run again = run();
  EXPECT_EQ(stop(again), 0);
  EXPECT_EQ(text_of("tiles/2026-1/checkpoint").substr(0, 30), published.substr(0, 30)) << "made anew";
}

TEST_F(BrokerProgram, ALeafTheDatabaseHasLostIsNotTheTilesFault) {
  configure("tiles_folder = \"tiles\"\n");
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  for (int i = 0; i < 5; ++i) (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  testing::run_sql(path("data/pli.db"), "DELETE FROM leaf WHERE key = 1");
  const Answer refused = call("run");
  EXPECT_EQ(refused.code, 4);
  EXPECT_EQ(refused.said["state"], "DATABASE_UNREADABLE") << refused.said.dump();
  const std::string next = refused.said["next"];
  EXPECT_NE(next.find("pli-broker check"), std::string::npos) << next;
  EXPECT_NE(next.find("pli-broker restore"), std::string::npos) << next;
}

TEST_F(BrokerProgram, P7TilesOfAClosedShardLeftShortAreCompletedAtTheNextStart) {
  configure("tiles_folder = \"tiles\"\n");
  ASSERT_EQ(call("init").code, 0);
  Run first = run();
  EXPECT_EQ(stop(first), 0);
  back_up("tiles");
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  for (int i = 0; i < 5; ++i) (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  bring_back("tiles");  // as a broker leaves them that is killed before it has written these
  const Answer opened = call("next-shard");
  ASSERT_EQ(opened.code, 0);
  Run again = run();
  EXPECT_TRUE(eventually([&] {
    const auto served = audit::verify_checkpoint(text_of("tiles/2026-1/checkpoint"), log_key());
    return served && served->size().value == opened.said["leaves"].get<std::uint64_t>();
  }));
  EXPECT_EQ(stop(again), 0);
  const auto served = audit::verify_checkpoint(text_of("tiles/2026-1/checkpoint"), log_key());
  ASSERT_TRUE(served);
  EXPECT_TRUE(audit::CheckedTiles::open(served->size(), served->root(), [&](const audit::TileId& id) {
    return read_file(folder_.path() / "tiles/2026-1" / audit::to_path(id), audit::tile_bytes_max);
  }));
}

TEST_F(BrokerProgram, P10TilesOfALargerTreeDoNotStart) {
  configure("tiles_folder = \"tiles\"\n");
  ASSERT_EQ(call("init").code, 0);
  for (const char* name : {"data", "copy"}) back_up(name);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  for (const char* name : {"data", "copy"}) bring_back(name);
  expect_refused("run", 4, "ROLLED_BACK");
}

/// A virtual machine put back whole: database and outside checkpoint agree, and only what lies elsewhere knows more.
TEST_F(BrokerProgram, P10AnOrderGivesUpWhatOnlyTheTilesFolderKnowsOf) {
  configure("tiles_folder = \"tiles\"\n");
  ASSERT_EQ(call("init").code, 0);
  for (const char* name : {"data", "copy"}) back_up(name);
  expect_refused("rollback-request", 5, "NO_ROLLBACK");
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  const protocol::Envelope lost = world_.seal(world_.referent, "a.martin");
  (void)submit(client, lost);
  EXPECT_EQ(stop(running), 0);
  const auto published = audit::verify_checkpoint(text_of("tiles/2026-1/checkpoint"), log_key());
  ASSERT_TRUE(published);
  for (const char* name : {"data", "copy"}) bring_back(name);
  expect_refused("run", 4, "ROLLED_BACK");
  write_order([&](protocol::RollbackOrder& order) { EXPECT_EQ(order.last.size, published->size()); });
  Run accepted = run({"--accept-rollback", path("order.note")});
  EXPECT_EQ(accepted.ready["origin"], std::string(world_log) + "/2026-2");
  auto again = connect(accepted, world_.referent);
  (void)greet(again);
  EXPECT_FALSE(submit(again, lost).duplicate);
  EXPECT_EQ(stop(accepted), 0);
  EXPECT_EQ(call("check").code, 0);
  Run on = run();
  EXPECT_EQ(stop(on), 0);
}

TEST_F(BrokerProgram, P10WhatOnlyAWitnessKnowsOfIsGivenUpOnceItsCheckpointIsBrought) {
  testing::WitnessHouse witness(testing::WitnessHouse::every_shard(world_log, log_key().key), "witness.example/w1");
  witnessed_by(witness);
  ASSERT_EQ(call("init").code, 0);
  for (const char* name : {"data", "copy"}) back_up(name);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_TRUE(eventually([&] {
    auto body = client.ask(protocol::Hello{});
    return body && std::get<protocol::HelloReply>(*body).checkpoint.find("witness.example/w1") != std::string::npos;
  }));
  EXPECT_EQ(stop(running), 0);
  const std::string newest = text_of("data/published.note");
  for (const char* name : {"data", "copy"}) bring_back(name);
  expect_refused("run", 4, "ROLLED_BACK");
  const Answer refused = call("rollback-request");
  EXPECT_EQ(refused.code, 4);
  EXPECT_EQ(refused.said["state"], "ROLLED_BACK") << refused.said.dump();
  EXPECT_NE(refused.said["next"].get<std::string>().find(path("data/published.note")), std::string::npos)
      << refused.said.dump();
  write("data/published.note", as_bytes(newest));
  expect_refused("run", 4, "ROLLED_BACK");
  write_order();
  Run accepted = run({"--accept-rollback", path("order.note")});
  EXPECT_EQ(accepted.ready["origin"], std::string(world_log) + "/2026-2");
  EXPECT_EQ(stop(accepted), 0);
  EXPECT_EQ(call("check").code, 0);
}

TEST_F(BrokerProgram, P10TilesOfALaterShardDoNotStart) {
  configure("tiles_folder = \"tiles\"\n");
  ASSERT_EQ(call("init").code, 0);
  for (const char* name : {"data", "copy"}) back_up(name);
  ASSERT_EQ(call("next-shard").code, 0);
  Run running = run();
  EXPECT_EQ(stop(running), 0);
  Run again = run();
  EXPECT_EQ(stop(again), 0) << "the shard it stands in is no later one";
  for (const char* name : {"data", "copy"}) bring_back(name);
  expect_refused("run", 4, "ROLLED_BACK");
}

TEST_F(BrokerProgram, P10AWitnessThatKnowsMoreDoesNotLetItStart) {
  testing::WitnessHouse witness({log_key()}, "witness.example/w1");
  witnessed_by(witness);
  ASSERT_EQ(call("init").code, 0);
  for (const char* name : {"data", "copy"}) back_up(name);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_TRUE(eventually([&] {
    auto body = client.ask(protocol::Hello{});
    return body && std::get<protocol::HelloReply>(*body).checkpoint.find("witness.example/w1") != std::string::npos;
  }));
  EXPECT_EQ(stop(running), 0);
  // Somebody puts back everything the machine holds.
  for (const char* name : {"data", "copy"}) bring_back(name);
  expect_refused("run", 4, "ROLLED_BACK");
  // Unreachable, it cannot say so before the first answer: then it ends what was started.
  witness.stop();
  Run unnoticed = run();
  witness.start();
  const json said = json::parse(unnoticed.program->line(), nullptr, false);
  EXPECT_EQ(unnoticed.program->wait(), 4);
  ASSERT_TRUE(said.is_object());
  EXPECT_EQ(said["state"], "ROLLED_BACK");
  EXPECT_NE(said["cause"].get<std::string>().find("temoin"), std::string::npos) << said.dump();
}

TEST_F(BrokerProgram, P10AWitnessThatKnowsALaterShardDoesNotLetItStart) {
  testing::WitnessHouse witness(testing::WitnessHouse::every_shard(world_log, log_key().key), "witness.example/w1");
  witnessed_by(witness);
  ASSERT_EQ(call("init").code, 0);
  for (const char* name : {"data", "copy"}) back_up(name);
  const Answer opened = call("next-shard");
  ASSERT_EQ(opened.code, 0) << opened.said.dump();
  const std::string later = opened.said["origin"];
  {
    Run running = run();
    EXPECT_TRUE(eventually([&] { return witness.checkpoint(later).has_value(); }));
    EXPECT_EQ(stop(running), 0);
    Run again = run();
    EXPECT_EQ(stop(again), 0) << "the shard it stands in is no later one";
  }
  // Database and outside checkpoint of before that shard, together: the machine alone cannot tell.
  for (const char* name : {"data", "copy"}) bring_back(name);
  const Answer refused = call("run");
  EXPECT_EQ(refused.code, 4);
  EXPECT_EQ(refused.said["state"], "ROLLED_BACK");
  EXPECT_NE(refused.said["cause"].get<std::string>().find(later), std::string::npos) << refused.said.dump();
  expect_refused("next-shard", 4, "ROLLED_BACK");
  EXPECT_EQ(call("check").code, 0) << "and nothing was opened: the copy is whole, and old";
  witness.stop();
  Run unnoticed = run();
  witness.start();
  const json said = json::parse(unnoticed.program->line(), nullptr, false);
  EXPECT_EQ(unnoticed.program->wait(), 4);
  ASSERT_TRUE(said.is_object());
  EXPECT_EQ(said["state"], "ROLLED_BACK");
}

TEST_F(BrokerProgram, P10AShardIsNotClosedShortOfWhatAWitnessSaw) {
  testing::WitnessHouse witness({log_key()}, "witness.example/w1");
  witnessed_by(witness);
  ASSERT_EQ(call("init").code, 0);
  for (const char* name : {"data", "copy"}) back_up(name);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_TRUE(eventually([&] {
    auto body = client.ask(protocol::Hello{});
    return body && std::get<protocol::HelloReply>(*body).checkpoint.find("witness.example/w1") != std::string::npos;
  }));
  EXPECT_EQ(stop(running), 0);
  for (const char* name : {"data", "copy"}) bring_back(name);
  expect_refused("next-shard", 4, "ROLLED_BACK");
  // Away it cannot say so; the shard is closed, and the broker hears it when it asks about that end.
  witness.stop();
  ASSERT_EQ(call("next-shard").code, 0);
  Run unnoticed = run();
  witness.start();
  const json said = json::parse(unnoticed.program->line(), nullptr, false);
  EXPECT_EQ(unnoticed.program->wait(), 4);
  ASSERT_TRUE(said.is_object());
  EXPECT_EQ(said["state"], "ROLLED_BACK");
}

TEST_F(BrokerProgram, P7HowAShardEndedIsCosignedBeforeItOrAsSoonAsTheWitnessesAnswer) {
  testing::WitnessHouse witness(testing::WitnessHouse::every_shard(world_log, log_key().key), "witness.example/w1");
  witnessed_by(witness);
  ASSERT_EQ(call("init").code, 0);
  const Answer first = call("next-shard");
  ASSERT_EQ(first.code, 0) << first.said.dump();
  EXPECT_EQ(first.said["cosigned"], true);
  witness.stop();
  const Answer second = call("next-shard");
  ASSERT_EQ(second.code, 0) << second.said.dump();
  EXPECT_EQ(second.said["cosigned"], false);
  const auto is_cosigned = [&](testing::RawClient& client, const Answer& closed) {
    auto body = client.ask(protocol::GetShard{closed.said["closed"].get<std::string>(), {}});
    return body && std::get<protocol::ShardReply>(*body).closed.find("witness.example/w1") != std::string::npos;
  };
  {
    Run running = run();
    auto client = connect(running, world_.referent);
    (void)greet(client);
    EXPECT_TRUE(is_cosigned(client, first));
    EXPECT_FALSE(is_cosigned(client, second));
    witness.start();
    EXPECT_TRUE(eventually([&] { return is_cosigned(client, second); }));
    EXPECT_EQ(stop(running), 0);
  }
  witness.stop();
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  EXPECT_TRUE(is_cosigned(client, first) && is_cosigned(client, second)) << "and kept";
  EXPECT_EQ(stop(running), 0);
  EXPECT_EQ(call("check").code, 0);
}

TEST_F(BrokerProgram, WithoutItsWitnessesReceiptsLeaveAndNothingNewerIsPublished) {
  testing::WitnessHouse witness({log_key()}, "witness.example/w1");
  witnessed_by(witness);
  ASSERT_EQ(call("init").code, 0);
  std::string before;
  {
    Run running = run();
    auto client = connect(running, world_.referent);
    const auto cosigned = [&] {
      before = std::get<protocol::HelloReply>(*client.ask(protocol::Hello{})).checkpoint;
      return before.find("witness.example/w1") != std::string::npos;
    };
    EXPECT_TRUE(eventually(cosigned));
    EXPECT_EQ(stop(running), 0);
    before = text_of("data/published.note");
    EXPECT_NE(before.find("witness.example/w1"), std::string::npos);
  }
  witness.stop();
  Run running = run();
  auto client = connect(running, world_.referent);
  EXPECT_EQ(greet(client).checkpoint, before) << "publication resumes from the last published";
  EXPECT_FALSE(submit(client, world_.seal(world_.referent, "a.martin")).duplicate);
  auto watching = connect(running, world_.operateur);
  const auto health = [&] { return std::get<protocol::Health>(*watching.ask(protocol::GetHealth{})); };
  EXPECT_TRUE(eventually([&] { return health().state == "WITNESSES_MISSING"; }));
  EXPECT_EQ(health().published_at.value, 0);
  EXPECT_EQ(greet(client).checkpoint, before);
  witness.start();
  EXPECT_TRUE(eventually([&] { return health().state == "ok"; }));
  EXPECT_GE(health().published_at, world_.now);
  EXPECT_NE(greet(client).checkpoint, before);
  EXPECT_EQ(stop(running), 0);
}

TEST_F(BrokerProgram, APolicyThatIsNotThisLogsOrCannotBeAskedDoesNotStart) {
  testing::WitnessHouse witness({log_key()}, "witness.example/w1");
  witnessed_by(witness);
  ASSERT_EQ(call("init").code, 0);
  const std::string good = text_of("policy");
  const std::string ours = audit::to_text(log_key());
  audit::VerifierKey other = log_key();
  other.key = crypto::SigningKey::generate().public_key();
  std::string foreign = good;
  foreign.replace(foreign.find(ours), ours.size(), audit::to_text(other));
  std::string silent = good;
  silent.replace(silent.find(witness.url()), witness.url().size(), "https://witness.example");
  audit::VerifierKey elsewhere = log_key();
  elsewhere.name = "pli.example/pli/21/2026-1";
  std::string another = good;
  another.replace(another.find(ours), ours.size(), audit::to_text(elsewhere));
  for (const std::string& policy :
       {foreign, silent, another, std::string("quorum none\n"), std::string("nonsense\n")}) {
    write("policy", as_bytes(policy));
    expect_refused("run", 5, "WITNESS_POLICY");
  }
  audit::VerifierKey shard_before = log_key();
  shard_before.name = shard_before.name.substr(0, shard_before.name.rfind('/')) + "/2020-1";
  std::string older = good;
  older.replace(older.find(ours), ours.size(), audit::to_text(shard_before));
  for (const std::string& policy : {older, good}) {
    write("policy", as_bytes(policy));
    Run running = run();
    EXPECT_EQ(stop(running), 0);
  }
}

TEST_F(BrokerProgram, AClockFarFromTheNewestKeyDoesNotStartUnlessAccepted) {
  ASSERT_EQ(call("init").code, 0);
  // What a start under the year 2099 would have left.
  const UnixMillis year_2099{4'070'908'800'000};
  LeaseFile leases;
  {
    const auto boxed = read_file(path("keys/leases"), 1 << 20);
    const auto opened = crypto::unbox_key("leases", as_text(*boxed), startup_);
    leases = decode_lease_file(opened->expose()).value();
  }
  leases.leases.back().made_at = year_2099;
  ++leases.generation;
  for (const char* copy : {"keys/leases", "copy/leases"})
    write(copy, as_bytes(crypto::box_key("leases", encode(leases), startup_)));
  const auto before = files_in({"keys", "copy"});
  expect_refused("run", 5, "CLOCK_BEHIND");
  EXPECT_EQ(files_in({"keys", "copy"}), before) << "no key is made by a clock nobody vouched for";
  EXPECT_EQ(call("check").code, 0);

  for (const char* unread : {"--accept-clock", "--accept-clock=2099-01-01", "--accept-clock="}) {
    EXPECT_EQ(call("run", {unread}).code, 2) << unread;
    EXPECT_EQ(call("next-shard", {unread}).code, 2) << unread;
    EXPECT_EQ(call("erase-due", {unread}).code, 2) << unread;
  }
  EXPECT_EQ(files_in({"keys", "copy"}), before);
  std::vector<std::string> accepting = words("run");
  accepting.push_back("--accept-clock=" + utc_date(SystemClock().now()));
  Run running;
  running.program = std::make_unique<Program>(accepting);
  running.ready = json::parse(running.program->line(), nullptr, false);
  EXPECT_EQ(running.ready["state"], "ready") << running.ready.dump();
  EXPECT_EQ(stop(running), 0);
  Run again = run();  // the lease was replaced: once is enough
  EXPECT_EQ(stop(again), 0);
}

TEST_F(BrokerProgram, AClockFarAheadSaysHowFarAndWhatItWouldDestroy) {
  // A log begun seven months and more ago: to it, today is a clock that far ahead.
  const UnixMillis now = SystemClock().now();
  const UnixMillis then = now - std::chrono::hours(230 * 24 + 1);
  configure("[limits]\njournal_months = 6\n");
  const KeyPaths paths{path("keys"), path("keys/leases"), path("copy/leases")};
  const auto config = load_config(path("broker.toml"));
  ASSERT_TRUE(config.has_value()) << config.error().detail;
  ASSERT_TRUE(KeyRing::create(paths, startup_, then).has_value());
  const auto keys = KeyRing::read(paths, crypto::SecretKey::copy_of(startup_.expose()));
  ASSERT_TRUE(keys.has_value()) << keys.error().detail;
  StoreOptions options;
  options.create = true;
  const auto store = Store::open(path("data/pli.db"), options);
  ASSERT_TRUE(store.has_value()) << store.error().detail;
  const auto refused = demand_clock(now, **keys, **store, *config, false);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().state, "CLOCK_AHEAD");
  const std::string& cause = refused.error().cause;
  for (const std::string& said :
       {utc_date(now), std::string("230 days ahead"), std::string("for ever"), std::string("1 lease keys"),
        std::string("record keys of 1 months"), std::string("release keys of 1 months"), std::string("cases")})
    EXPECT_NE(cause.find(said), std::string::npos) << said << ": " << cause;
  EXPECT_NE(refused.error().next.find("NTP"), std::string_view::npos);
  ASSERT_TRUE(open_log({path("log"), false}).has_value());
  EXPECT_TRUE(demand_clock(now, **keys, **store, *config, true).has_value());
  EXPECT_TRUE((*keys)->current_lease(now).has_value());
  EXPECT_TRUE((*keys)->current_record_key(now).has_value());
  EXPECT_TRUE((*keys)->retire(now, (*keys)->newest_lease()).has_value());
  EXPECT_TRUE((*keys)->drop_record_keys_before(month_of(now)).has_value());
  close_log();
  const std::string log = text_of("log/pli-broker.log");
  for (const char* said : {"\"clock accepted\"", "\"days\":230", "lease keys destroyed", "record keys destroyed",
                           "release keys destroyed"})
    EXPECT_NE(log.find(said), std::string::npos) << said << ": " << log;
}

TEST_F(BrokerProgram, AReserveThatIsReachedIsALineOfTheLog) {
  constexpr std::uint64_t reserve_most = 1ULL << 40;
  // Where the disk has more room than any reserve may be, it is not reached, and the log must not say so.
  const bool reached = std::filesystem::space(path("data")).available < reserve_most;
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  EXPECT_EQ(stop(running), 0);
  EXPECT_EQ(text_of("log/pli-broker.log").find("health changed"), std::string::npos);
  configure("[limits]\ndisk_reserve_bytes = " + std::to_string(reserve_most) + "\n");
  running = run();
  EXPECT_EQ(stop(running), 0);
  const std::string log = text_of("log/pli-broker.log");
  EXPECT_EQ(log.find("\"health changed\",\"state\":\"DISK_RESERVE\"") != std::string::npos, reached) << log;
}

TEST_F(BrokerProgram, ARefusalToStartNamesTheOperatorsFileOrAddress) {
  ASSERT_EQ(call("init").code, 0);
  const auto cause = [&](const char* state) {
    const Answer answer = call("run");
    EXPECT_EQ(answer.said["state"], state) << answer.said.dump();
    return answer.said["cause"].get<std::string>();
  };
  std::filesystem::rename(path("keys/curve.key"), path("aside"));
  EXPECT_NE(cause("KEYS").find(path("keys/curve.key")), std::string::npos);
  std::filesystem::rename(path("aside"), path("keys/curve.key"));
  const std::string good = text_of("broker.toml");
  const std::string taken = "tcp://192.0.2.1:7410";  // of no machine
  std::string elsewhere = good;
  elsewhere.replace(elsewhere.find("tcp://127.0.0.1:*"), 17, taken);
  write("broker.toml", as_bytes(elsewhere));
  EXPECT_NE(cause("ENDPOINT").find(taken), std::string::npos);
  write("broker.toml", as_bytes(good + "nonsense = 1\n"));
  EXPECT_NE(cause("CONFIGURATION").find(path("broker.toml")), std::string::npos);
}

TEST_F(BrokerProgram, AnotherStartupSecretOpensNothing) {
  ASSERT_EQ(call("init").code, 0);
  write("startup.secret", crypto::SecretKey::random(32).expose());
  expect_refused("run", 5, "KEYS");
  write("startup.secret", crypto::SecretKey::random(31).expose());
  expect_refused("run", 5, "STARTUP_SECRET");
  write("startup.secret", startup_.expose());
  std::filesystem::permissions(path("startup.secret"), std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  expect_refused("run", 5, "STARTUP_SECRET");
}

/// A disk changed one bit of a stopped broker's database. It starts, looks its store over, and stops itself.
TEST_F(BrokerProgram, ABitThatTheDiskChangedIsFoundByTheSweepNamedAndEndsAllWriting) {
  configure("[limits]\nlog_unavailable_seconds = 4\n");
  ASSERT_EQ(call("init").code, 0);
  Run first = run();
  auto sender = connect(first, world_.referent);
  (void)greet(sender);
  for (int i = 0; i < 3; ++i) (void)submit(sender, world_.seal(world_.referent, "a.martin", 4'000));
  EXPECT_EQ(stop(first), 0);
  keep("whole");
  struct Damage {
    const char* value;
    const char* invariant;
    const char* where;
  };
  const std::array<Damage, 3> damages = {{
      {"SELECT bytes FROM piece WHERE key = (2 << 12) + 1", "body.payload", "exchange 2"},
      {"SELECT digest FROM leaf WHERE key = 2", "record.digest", "leaf 2"},
      {"SELECT record FROM leaf WHERE key = 2", "record.box", "leaf 2"},
  }};
  for (const Damage& damage : damages) {
    put_back("whole");
    std::filesystem::remove_all(path("log"));
    std::filesystem::create_directory(path("log"));
    testing::flip_bit(path("data/pli.db"), damage.value);
    Run running = run();
    auto watching = connect(running, world_.operateur);
    protocol::Health health;
    EXPECT_TRUE(eventually([&] {
      auto body = watching.ask(protocol::GetHealth{});
      if (body && std::holds_alternative<protocol::Health>(*body)) health = std::get<protocol::Health>(*body);
      return health.state == "DAMAGED";
    })) << damage.invariant;
    EXPECT_EQ(health.damage, damage.invariant);
    EXPECT_EQ(health.swept_at.value, 0);
    auto client = connect(running, world_.referent);
    auto refused = client.ask(protocol::Submit{world_.seal(world_.referent, "a.martin")});
    EXPECT_EQ(protocol::to_text(refusal_of(refused)), "LOG_UNAVAILABLE");
    const json said = json::parse(running.program->line(), nullptr, false);
    EXPECT_EQ(running.program->wait(), 4);
    ASSERT_TRUE(said.is_object());
    EXPECT_EQ(said["state"], "DAMAGED");
    std::string logged;
    for (const auto& file : std::filesystem::directory_iterator(path("log")))
      logged += text_of("log/" + file.path().filename().string());
    EXPECT_NE(logged.find(damage.invariant), std::string::npos) << logged;
    EXPECT_NE(logged.find(damage.where), std::string::npos) << logged;
    const Answer checked = call("check");
    EXPECT_EQ(checked.code, 4);
    const json& problems = checked.said["problems"];
    EXPECT_NE(std::find(problems.begin(), problems.end(), json{{"name", damage.invariant}, {"where", damage.where}}),
              problems.end())
        << checked.said.dump();
  }
}

TEST_F(BrokerProgram, AStrayReleaseKeyIsNamedWithWhatToDo) {
  ASSERT_EQ(call("init").code, 0);
  write("keys/release-202512.key", as_bytes("somebody else's"));
  const Answer refused = call("run");
  EXPECT_EQ(refused.code, 5);
  EXPECT_EQ(refused.said["state"], "RELEASE_KEY") << refused.said.dump();
  EXPECT_NE(refused.said["cause"].get<std::string>().find("release-202512.key"), std::string::npos);
  std::filesystem::remove(path("keys/release-202512.key"));
  Run running = run();
  EXPECT_EQ(stop(running), 0);
}

TEST_F(BrokerProgram, P2ADatabaseTakenAwayWhileItRunsGetsNoReceiptAndEndsDamaged) {
  configure("[limits]\nlog_unavailable_seconds = 4\n");
  ASSERT_EQ(call("init").code, 0);
  for (const char* taken : {"data/pli.db", "data/pli.db-wal"}) {
    Run running = run();
    auto client = connect(running, world_.referent);
    (void)greet(client);
    (void)submit(client, world_.seal(world_.referent, "a.martin"));
    std::filesystem::copy_file(path(taken), path("aside"), std::filesystem::copy_options::overwrite_existing);
    std::filesystem::remove(path(taken));
    auto body = client.ask(protocol::Submit{world_.seal(world_.referent, "a.martin")});
    ASSERT_TRUE(body.has_value());
    EXPECT_EQ(protocol::to_text(refusal_of(*body)), "LOG_UNAVAILABLE");
    auto watching = connect(running, world_.operateur);
    const auto health = watching.ask(protocol::GetHealth{});
    ASSERT_TRUE(health && std::holds_alternative<protocol::Health>(*health));
    EXPECT_EQ(std::get<protocol::Health>(*health).state, "DAMAGED");
    EXPECT_EQ(std::get<protocol::Health>(*health).damage, "store");
    const json said = json::parse(running.program->line(), nullptr, false);
    EXPECT_EQ(running.program->wait(), 4);
    ASSERT_TRUE(said.is_object());
    EXPECT_EQ(said["state"], "DAMAGED");
    std::filesystem::rename(path("aside"), path(taken));
  }
  Run again = run();
  EXPECT_EQ(stop(again), 0);
  EXPECT_EQ(call("check").code, 0);
}

TEST_F(BrokerProgram, SurvivesBeingKilledWithEveryReceiptItGave) {
  ASSERT_EQ(call("init").code, 0);
  std::vector<protocol::Envelope> accepted;
  for (int round = 0; round < 3; ++round) {
    Run running = run();
    auto client = connect(running, world_.referent);
    (void)greet(client);
    for (const protocol::Envelope& before : accepted) EXPECT_TRUE(submit(client, before).duplicate);
    for (int i = 0; i < 10; ++i) {
      accepted.push_back(world_.seal(world_.referent, "a.martin"));
      EXPECT_FALSE(submit(client, accepted.back()).duplicate);
    }
    running.program->signal(SIGKILL);
    EXPECT_EQ(running.program->wait(), -1);
  }
  EXPECT_EQ(call("check").code, 0);
}

TEST_F(BrokerProgram, CheckCountsAWholeStoreAndChangesNothing) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  for (int i = 0; i < 3; ++i) (void)submit(client, world_.seal(world_.referent, "a.martin"));
  running.program->signal(SIGKILL);  // the WAL is left behind: a checker must read it, and must not write it back
  EXPECT_EQ(running.program->wait(), -1);
  std::filesystem::remove(path("copy/leases"));  // and a lease copy is lost, which a start would mend

  const auto before = files_in({"data", "keys", "copy"});
  EXPECT_TRUE(before.contains(path("data/pli.db-wal")));
  const Answer whole = call("check");
  EXPECT_EQ(whole.code, 0);
  EXPECT_EQ(whole.said["state"], "whole") << whole.said.dump();
  EXPECT_EQ(whole.said["problems"], json::array());
  EXPECT_EQ(whole.said["exchanges"], 3);
  EXPECT_EQ(files_in({"data", "keys", "copy"}), before);
  EXPECT_EQ(whole.said["leaves"].get<std::int64_t>(),
            testing::query_number(path("data/pli.db"), "SELECT count(*) FROM leaf"));
}

TEST_F(BrokerProgram, CheckNamesWhatIsBrokenAndFails) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  testing::run_sql(path("data/pli.db"), "UPDATE exchange SET head = zeroblob(32) WHERE number = 1");
  testing::run_sql(path("data/pli.db"), "UPDATE access_part SET lease = 99 WHERE number = 1");
  const Answer broken = call("check");
  EXPECT_EQ(broken.code, 4);
  EXPECT_EQ(broken.said["state"], "broken") << broken.said.dump();
  const auto named = [&](const char* name, const char* where) {
    const json& problems = broken.said["problems"];
    return std::find(problems.begin(), problems.end(), json{{"name", name}, {"where", where}}) != problems.end();
  };
  EXPECT_TRUE(named("queue.chain", "exchange 1")) << broken.said.dump();
  EXPECT_TRUE(named("access.lease", "access 1")) << broken.said.dump();

  Program plain({"check", "--config", path("broker.toml")});
  std::vector<std::string> lines;
  for (std::string line = plain.line(); !line.empty(); line = plain.line()) lines.push_back(line);
  EXPECT_NE(std::find(lines.begin(), lines.end(), "queue.chain: exchange 1"), lines.end());
  EXPECT_EQ(plain.wait(), 4);
}

TEST_F(BrokerProgram, CheckRunsBesideABrokerWithoutDisturbingIt) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  for (int round = 1; round <= 3; ++round) {
    (void)submit(client, world_.seal(world_.referent, "a.martin"));
    const Answer beside = call("check");
    EXPECT_EQ(beside.code, 0) << beside.said.dump();
    EXPECT_EQ(beside.said["exchanges"], round);
  }
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  EXPECT_EQ(call("check").said["exchanges"], 4);
}

TEST_F(BrokerProgram, CheckSaysWhatItCannotRead) {
  ASSERT_EQ(call("init").code, 0);
  std::filesystem::rename(path("data/pli.db"), path("aside.db"));
  expect_refused("check", 5, "DATABASE");
  write("data/pli.db", as_bytes("not a database at all, whatever its name may say about it"));
  expect_refused("check", 4, "DATABASE_UNREADABLE");
  std::filesystem::rename(path("aside.db"), path("data/pli.db"));
  write("startup.secret", crypto::SecretKey::random(32).expose());
  expect_refused("check", 5, "KEYS");
  write("startup.secret", startup_.expose());
  EXPECT_EQ(call("check").code, 0);
}

TEST_F(BrokerProgram, ALostDatabaseLeadsToRestoreAndNeverToANewBroker) {
  configure("tiles_folder = \"tiles\"\n");
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  ASSERT_EQ(call("backup", {path("whole.db")}).code, 0);
  const auto keys = files_in({"keys", "copy", "tiles"});
  const auto expect_restore = [&](const char* verb, int code, const char* state) {
    const Answer refused = call(verb);
    EXPECT_EQ(refused.code, code) << verb;
    ASSERT_TRUE(refused.said.is_object());
    EXPECT_EQ(refused.said["state"], state) << refused.said.dump();
    const std::string next = refused.said["next"];
    EXPECT_NE(next.find("pli-broker restore"), std::string::npos) << refused.said.dump();
    EXPECT_EQ(next.find("pli-broker init"), std::string::npos) << refused.said.dump();
  };
  write("data/pli.db", {});
  expect_restore("run", 4, "DATABASE_UNREADABLE");
  write("data/pli.db", Bytes(40'960, 'x'));
  expect_restore("run", 4, "DATABASE_UNREADABLE");
  expect_restore("check", 4, "DATABASE_UNREADABLE");
  std::filesystem::remove(path("data/pli.db"));
  expect_restore("run", 5, "DATABASE");
  std::filesystem::remove_all(path("data"));
  expect_restore("run", 5, "DATABASE");
  // Any one of what it has left is enough.
  const auto expect_no_init = [&](const char* what) {
    const Answer refused = call("init");
    EXPECT_EQ(refused.said["state"], "ALREADY_INITIALISED") << what;
    const std::string next = refused.said["next"];
    EXPECT_NE(next.find("restore"), std::string::npos) << next;
    EXPECT_EQ(next.find("remove"), std::string::npos) << next;
  };
  expect_no_init("all but the database");
  const std::array<const char*, 4> traces = {"copy/checkpoint", "keys/leases", "copy/leases", "tiles"};
  for (std::size_t left = 0; left < traces.size(); ++left) {
    const auto move_others = [&](bool away) {
      for (std::size_t i = 0; i < traces.size(); ++i) {
        const std::string here = path(traces.at(i));
        const std::string aside = path("aside-" + std::to_string(i));
        if (i != left) std::filesystem::rename(away ? here : aside, away ? aside : here);
      }
    };
    move_others(true);
    expect_no_init(traces.at(left));
    move_others(false);
  }
  EXPECT_EQ(files_in({"keys", "copy", "tiles"}), keys);
  const Answer restored = call("restore", {path("whole.db")});
  ASSERT_EQ(restored.code, 0) << restored.said.dump();
  Run again = run();
  EXPECT_EQ(stop(again), 0);
}

TEST_F(BrokerProgram, AnInitThatFailsLeavesNothingInTheWayOfTheNext) {
  const std::string bundle = text_of("directory.bundle");
  write("directory.bundle", protocol::encode_bundle({}));
  expect_refused("init", 5, "DIRECTORY");
  for (const char* name : {"data/pli.db", "keys/leases", "copy/leases", "copy/checkpoint"})
    EXPECT_FALSE(std::filesystem::exists(path(name))) << name;
  write("directory.bundle", as_bytes(bundle));
  EXPECT_EQ(call("init").code, 0);
}

TEST_F(BrokerProgram, ABackupUnderOtherLeasesIsToldFromADamagedOne) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  ASSERT_EQ(call("backup", {path("whole.db")}).code, 0);
  for (const char* name : {"data/pli.db", "keys/leases", "copy/leases", "copy/checkpoint"})
    std::filesystem::rename(path(name), path(std::string(name) + ".first"));
  ASSERT_EQ(call("init").code, 0);
  expect_refused_with("restore", {path("whole.db")}, 4, "BACKUP_OF_OTHER_KEYS");
  for (const char* name : {"data/pli.db", "keys/leases", "copy/leases", "copy/checkpoint"})
    std::filesystem::rename(path(std::string(name) + ".first"), path(name));
  std::filesystem::copy(path("whole.db"), path("damaged.db"));
  testing::flip_bit(path("damaged.db"), "SELECT record FROM leaf WHERE key = 2");
  expect_refused_with("restore", {path("damaged.db")}, 4, "BACKUP_DAMAGED");
  EXPECT_EQ(call("restore", {path("whole.db")}).code, 0);
}

TEST_F(BrokerProgram, ADatabaseOfAnotherUserIsSaidToBeSo) {
  ASSERT_EQ(call("init").code, 0);
  give_all_to_service({"keys", "copy", "log", "data"});
  ASSERT_EQ(::chown(path("data/pli.db").c_str(), ::geteuid(), ::getegid()), 0);
  ASSERT_EQ(::chmod(path("data/pli.db").c_str(), 0), 0);  // root reads it all the same
  Program program(words("run"), service_user());
  const Answer refused = answer_of(program);
  EXPECT_EQ(refused.code, 5);
  EXPECT_EQ(refused.said["state"], "DATABASE") << refused.said.dump();
  EXPECT_NE(refused.said["cause"].get<std::string>().find("Permission denied"), std::string::npos);
  EXPECT_NE(refused.said["next"].get<std::string>().find("chown"), std::string::npos) << refused.said.dump();
}

TEST_F(BrokerProgram, WhatRootWritesIsTheServicesOwn) {
  std::filesystem::create_directory(path("backups"));
  give_all_to_service({"keys", "copy", "log", "data", "backups"});
  const auto expect_given = [&] {
    for (const char* folder : {"keys", "copy", "data", "backups"}) {
      struct stat there {};
      EXPECT_TRUE(::stat(path(folder).c_str(), &there) == 0 && there.st_uid == service_user()) << folder;
      for (const auto& entry : std::filesystem::directory_iterator(path(folder)))
        EXPECT_TRUE(::stat(entry.path().c_str(), &there) == 0 && there.st_uid == service_user()) << entry.path();
    }
  };
  const auto expect_served = [&] {
    Program service(words("run"), service_user());
    EXPECT_EQ(json::parse(service.line(), nullptr, false)["state"], "ready");
    service.signal(SIGTERM);
    EXPECT_EQ(service.wait(), 0);
  };
  ASSERT_EQ(call("init").code, 0);
  expect_given();
  expect_served();
  const Answer made = call("backup", {path("backups")});
  ASSERT_EQ(made.code, 0) << made.said.dump();
  expect_given();
  const std::string file = made.said["file"];
  ASSERT_EQ(call("restore", {file}).code, 0);
  expect_given();
  std::filesystem::remove_all(path("data"));
  ASSERT_EQ(call("restore", {file}).code, 0);
  expect_given();
  expect_served();
}

// ---- backup and restore --------------------------------------------------------------------------------------------

TEST_F(BrokerProgram, ABackupMadeUnderLoadIsWholeAndIsPutBackOnAnEmptyFolder) {
  ASSERT_EQ(call("init").code, 0);
  std::filesystem::create_directory(path("backups"));
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  const protocol::Envelope first = world_.seal(world_.referent, "a.martin");
  (void)submit(client, first);
  std::vector<protocol::Envelope> envelopes;
  envelopes.reserve(200);
  for (int i = 0; i < 200; ++i) envelopes.push_back(world_.seal(world_.referent, "a.martin"));
  std::atomic<bool> enough{false};
  std::size_t sent = 0;
  std::thread load([&] {
    for (; sent < envelopes.size() && !enough; ++sent) (void)submit(client, envelopes[sent]);
  });
  const Answer made = call("backup", {path("backups")});
  enough = true;
  load.join();
  ASSERT_EQ(made.code, 0) << made.said.dump();
  EXPECT_EQ(made.said["state"], "backed_up");
  const std::filesystem::path file = made.said["file"].get<std::string>();
  EXPECT_EQ(file.parent_path(), path("backups"));
  EXPECT_EQ(std::filesystem::status(file).permissions() & std::filesystem::perms::mask, std::filesystem::perms(0600));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path("backups")), {}), 1) << "nothing else is left there";
  // One more than any backup under load can hold.
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  expect_refused_with("restore", {file.string()}, 5, "ALREADY_RUNNING");
  EXPECT_EQ(stop(running), 0);

  std::filesystem::remove_all(path("data"));
  const Answer restored = call("restore", {file.string()});
  ASSERT_EQ(restored.code, 0) << restored.said.dump();
  EXPECT_EQ(restored.said["standing"], "rolled_back");
  EXPECT_EQ(restored.said["leaves"], made.said["leaves"]);
  EXPECT_EQ(restored.said["aside"], "");
  EXPECT_FALSE(std::filesystem::exists(path("data/pli.db.restoring")));
  expect_refused("run", 4, "ROLLED_BACK");
  write_order();
  Run again = run({"--accept-rollback", path("order.note")});
  auto later = connect(again, world_.referent);
  (void)greet(later);
  EXPECT_TRUE(submit(later, first).duplicate) << "what the backup holds";
  for (std::size_t i = 0; i < sent; ++i) (void)submit(later, envelopes[i]);
  EXPECT_EQ(stop(again), 0);
  EXPECT_EQ(call("check").said["exchanges"], sent + 1) << "what it lacks is taken again, and nothing is there twice";
}

TEST_F(BrokerProgram, ABackupOfTheLastStateIsServedAgainAndWhatStoodThereIsKept) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  const protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  (void)submit(client, envelope);
  EXPECT_EQ(stop(running), 0);
  ASSERT_EQ(call("backup", {path("whole.db")}).code, 0);
  expect_refused_with("backup", {path("whole.db")}, 5, "BACKUP_EXISTS");
  write("data/pli.db", as_bytes("what a broken disk has left of it"));
  const Answer restored = call("restore", {path("whole.db")});
  ASSERT_EQ(restored.code, 0) << restored.said.dump();
  EXPECT_EQ(restored.said["standing"], "extends");
  const auto aside = read_file(restored.said["aside"].get<std::string>(), 1024);
  ASSERT_TRUE(aside.has_value());
  EXPECT_EQ(as_text(*aside), "what a broken disk has left of it");
  EXPECT_EQ(call("check").code, 0);
  Run again = run();
  auto later = connect(again, world_.referent);
  EXPECT_TRUE(submit(later, envelope).duplicate);
  EXPECT_EQ(stop(again), 0);
}

TEST_F(BrokerProgram, ABackupIsNotPutOverANewerDatabaseUnaskedAndEachOneKeptAsideComesBack) {
  ASSERT_EQ(call("init").code, 0);
  const auto submit_one = [&] {
    Run running = run();
    auto client = connect(running, world_.referent);
    (void)greet(client);
    (void)submit(client, world_.seal(world_.referent, "a.martin"));
    running.program->signal(SIGKILL);  // what is newest is in the WAL
    EXPECT_EQ(running.program->wait(), -1);
  };
  submit_one();
  ASSERT_EQ(call("backup", {path("old.db")}).code, 0);
  submit_one();
  const auto before = files_in({"data"});
  expect_refused_with("restore", {path("old.db")}, 5, "DATABASE_NEWER");
  EXPECT_EQ(files_in({"data"}), before);
  const std::int64_t newest = call("check").said["leaves"];

  const Answer over = call("restore", {path("old.db"), "--over-newer"});
  ASSERT_EQ(over.code, 0) << over.said.dump();
  EXPECT_EQ(over.said["standing"], "rolled_back");
  const std::string aside = over.said["aside"];
  EXPECT_NE(over.said["next"].get<std::string>().find("restore " + aside), std::string::npos) << over.said.dump();
  const Answer refused = call("run");
  EXPECT_EQ(refused.said["state"], "ROLLED_BACK");
  EXPECT_NE(refused.said["next"].get<std::string>().find("restore " + aside), std::string::npos) << refused.said.dump();
  // As fast as they go, many within one second: no name is used again.
  const Bytes kept = *read_file(aside, 64 << 20);
  std::set<std::string> names = {aside};
  for (int i = 0; i < 8; ++i) names.insert(call("restore", {path("old.db")}).said["aside"]);
  EXPECT_EQ(names.size(), 9U);
  EXPECT_EQ(*read_file(aside, 64 << 20), kept);

  const Answer back = call("restore", {aside});
  ASSERT_EQ(back.code, 0) << back.said.dump();
  EXPECT_EQ(back.said["standing"], "extends");
  EXPECT_EQ(call("check").said["leaves"], newest);
}

TEST_F(BrokerProgram, ABackupIsNotPutOverADatabaseOfAnotherSchemaUnasked) {
  ASSERT_EQ(call("init").code, 0);
  ASSERT_EQ(call("backup", {path("old.db")}).code, 0);
  for (const bool older : {true, false}) {
    if (older)
      testing::put_back_to_schema(path("data/pli.db"), "broker-1.sql", 1);
    else
      testing::run_sql(path("data/pli.db"), "PRAGMA user_version = 1000");
    const auto before = files_in({"data", "keys", "copy"});
    expect_refused_with("restore", {path("old.db")}, 5, "DATABASE_NEWER");
    EXPECT_EQ(files_in({"data", "keys", "copy"}), before);
    const Answer over = call("restore", {path("old.db"), "--over-newer"});
    EXPECT_EQ(over.code, 0) << over.said.dump();
    EXPECT_TRUE(std::filesystem::exists(over.said["aside"].get<std::string>()));
    EXPECT_EQ(call("check").code, 0);
  }
}

TEST_F(BrokerProgram, ADamagedBackupIsRefusedAndNothingIsChanged) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  for (int i = 0; i < 3; ++i) (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  ASSERT_EQ(call("backup", {path("whole.db")}).code, 0);
  const Bytes whole = *read_file(path("whole.db"), 64 << 20);
  const auto before = files_in({"data", "keys", "copy"});
  const auto expect_damaged = [&](const char* what) {
    SCOPED_TRACE(what);
    expect_refused_with("restore", {path("damaged.db")}, 4, "BACKUP_DAMAGED");
    EXPECT_EQ(files_in({"data", "keys", "copy"}), before);
  };
  write("damaged.db", ByteView(whole).first(whole.size() / 2));
  expect_damaged("cut in half");
  write("damaged.db", ByteView(whole).first(whole.size() - 8192));
  expect_damaged("without its last page");
  write("damaged.db", {});
  expect_damaged("empty");
  write("damaged.db", as_bytes("not a database at all, whatever its name may say about it"));
  expect_damaged("another file");
  for (const char* sql : {"UPDATE piece SET bytes = zeroblob(length(bytes)) WHERE key = (SELECT max(key) FROM piece)",
                          "UPDATE leaf SET digest = zeroblob(32) WHERE key = 1",
                          "DELETE FROM leaf WHERE key = (SELECT max(key) FROM leaf)",
                          "UPDATE meta SET checkpoint = replace(checkpoint, '2026-1', '2026-2')"}) {
    write("damaged.db", whole);
    testing::run_sql(path("damaged.db"), sql);
    expect_damaged(sql);
  }
  write("damaged.db", whole);
  testing::run_sql(path("damaged.db"), "PRAGMA user_version = 99");
  expect_refused_with("restore", {path("damaged.db")}, 5, "DATABASE_SCHEMA");
  expect_refused_with("restore", {path("absent.db")}, 5, "BACKUP_MISSING");
  EXPECT_EQ(files_in({"data", "keys", "copy"}), before);
}

TEST_F(BrokerProgram, ABackupThatHasOutlivedItsLeasesIsPutBackAndSaysHowManyOpenForNobody) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  for (int i = 0; i < 2; ++i) (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  ASSERT_EQ(call("backup", {path("old.db")}).code, 0);
  testing::run_sql(path("old.db"), "UPDATE access_part SET lease = 99");
  std::filesystem::copy(path("old.db"), path("damaged.db"));
  testing::run_sql(path("damaged.db"), "INSERT INTO finger VALUES (0, 5, 99)");
  expect_refused_with("restore", {path("damaged.db")}, 4, "BACKUP_DAMAGED");
  const Answer restored = call("restore", {path("old.db")});
  ASSERT_EQ(restored.code, 0) << restored.said.dump();
  EXPECT_EQ(restored.said["unreadable"], 2);
  EXPECT_EQ(restored.said["standing"], "extends");
}

TEST_F(BrokerProgram, ABackupThatCannotBeRememberedIsThereAndSaidSo) {
  ASSERT_EQ(call("init").code, 0);
  std::filesystem::create_directory(path("data/backup.last"));
  expect_refused_with("backup", {path("whole.db")}, 5, "BACKUP_NOT_REMEMBERED");
  EXPECT_EQ(call("restore", {path("whole.db")}).said["standing"], "extends");
}

TEST_F(BrokerProgram, ABackupOfAnOlderSchemaIsBroughtUpToDate) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  ASSERT_EQ(call("backup", {path("old.db")}).code, 0);
  testing::put_back_to_schema(path("old.db"), "broker-1.sql", 1);
  const Bytes before = *read_file(path("old.db"), 64 << 20);
  const Answer restored = call("restore", {path("old.db")});
  ASSERT_EQ(restored.code, 0) << restored.said.dump();
  EXPECT_EQ(restored.said["standing"], "extends");
  EXPECT_EQ(*read_file(path("old.db"), 64 << 20), before) << "the backup stays as it is";
  for (const auto& entry : std::filesystem::directory_iterator(path("data")))
    EXPECT_EQ(entry.path().string().find("schema-1"), std::string::npos) << entry.path();
  EXPECT_EQ(call("check").code, 0);
  Run again = run();
  EXPECT_EQ(stop(again), 0);
}

TEST_F(BrokerProgram, P9WhatWasErasedSinceTheBackupStaysErased) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  const protocol::Envelope erased = world_.seal(world_.referent, "a.martin");
  const protocol::Envelope kept = world_.seal(world_.referent, "a.martin");
  (void)submit(client, erased);
  (void)submit(client, kept);
  EXPECT_EQ(stop(running), 0);
  ASSERT_EQ(call("backup", {path("whole.db")}).code, 0);
  const auto holds = [&](const std::string& name, const protocol::Envelope& envelope) {
    const Bytes bytes = *read_file(path(name), 64 << 20);
    // A piece holds 1,350 bytes of locked and payload together.
    const ByteView sealed = ByteView(envelope.locked).first(64);
    return std::search(bytes.begin(), bytes.end(), sealed.begin(), sealed.end()) != bytes.end();
  };
  ASSERT_TRUE(holds("whole.db", erased));

  // What its erasure leaves in the lease file, which is in no backup.
  auto boxed = crypto::unbox_key("leases", text_of("keys/leases"), startup_);
  ASSERT_TRUE(boxed.has_value());
  auto leases = decode_lease_file(boxed->expose());
  ASSERT_TRUE(leases.has_value());
  ++leases->generation;
  leases->erased.push_back({protocol::exchange_id(erased.address, erased.seal), SystemClock().now()});
  for (const char* copy : {"keys/leases", "copy/leases"})
    write(copy, as_bytes(crypto::box_key("leases", encode(*leases), startup_)));

  const Answer restored = call("restore", {path("whole.db")});
  ASSERT_EQ(restored.code, 0) << restored.said.dump();
  EXPECT_EQ(restored.said["erased_again"], 1);
  EXPECT_EQ(restored.said["standing"], "extends") << "the log holds no content";
  EXPECT_FALSE(holds("data/pli.db", erased));
  EXPECT_TRUE(holds("data/pli.db", kept));
  const Answer checked = call("check");
  EXPECT_EQ(checked.code, 0) << checked.said.dump();
  Run again = run();
  auto later = connect(again, world_.referent);
  (void)greet(later);
  EXPECT_TRUE(submit(later, erased).duplicate) << "its leaf stands, and its content is not taken again";
  EXPECT_TRUE(submit(later, kept).duplicate);
  EXPECT_EQ(stop(again), 0);
  EXPECT_FALSE(holds("data/pli.db", erased));
}

TEST_F(BrokerProgram, P9EraseDueListsWithoutAChangeAndErasesWhatIsDueOnce) {
  expect_refused_with("erase-due", {"--dry-run"}, 5, "DATABASE");
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  const protocol::Envelope old = world_.seal(world_.referent, "a.martin");
  const protocol::Envelope young = world_.seal(world_.referent, "a.martin");
  (void)submit(client, old);
  (void)submit(client, young);
  const auto listed = [&] {
    const Answer answer = call("erase-due", {"--dry-run"});
    EXPECT_EQ(answer.code, 0) << answer.said.dump();
    EXPECT_EQ(answer.said["state"], "terms");
    return answer.said;
  };
  EXPECT_EQ(listed()["cases"], 2) << "beside a running broker";
  expect_refused("erase-due", 5, "ALREADY_RUNNING");
  EXPECT_EQ(stop(running), 0);

  EXPECT_EQ(listed()["due"], 0);
  EXPECT_EQ(listed()["announced"].size(), 0U);
  Answer erased = call("erase-due");
  EXPECT_EQ(erased.code, 0) << erased.said.dump();
  EXPECT_EQ(erased.said["state"], "erased");
  EXPECT_EQ(erased.said["exchanges"], 0) << "nothing is due";
  EXPECT_EQ(erased.said["left"], false);

  // Five years ago, and the broker stood still since: it goes without an announcement.
  testing::run_sql(path("data/pli.db"),
                   "UPDATE case_file SET opened_at = 1000 WHERE number = (SELECT min(number) FROM case_file)");
  const auto before = files_in({"data", "keys", "copy"});
  const json due = listed();
  EXPECT_EQ(due["due"], 1);
  ASSERT_EQ(due["announced"].size(), 1U);
  EXPECT_EQ(due["announced"][0]["case"], to_hex(protocol::exchange_id(old.address, old.seal)));
  EXPECT_EQ(due["announced"][0]["exchanges"], 1);
  EXPECT_EQ(files_in({"data", "keys", "copy"}), before) << "a dry run changes nothing";
  std::vector<std::string> in_words = {"erase-due", "--dry-run", "--config", path("broker.toml")};
  Program shown(in_words);
  EXPECT_EQ(shown.line(), to_hex(protocol::exchange_id(old.address, old.seal)).substr(0, 8) +
                              "  ged/89  exchanges 1  erased from 1975-01-01  (to be announced)");
  EXPECT_EQ(shown.line(),
            "pli-broker: 2 cases kept, 1 announced, 1 due; a running broker erases what is due within its next "
            "minutes");
  EXPECT_EQ(shown.wait(), 0);

  erased = call("erase-due");
  EXPECT_EQ(erased.code, 0) << erased.said.dump();
  EXPECT_EQ(erased.said["exchanges"], 1);
  EXPECT_EQ(testing::query_number(path("data/pli.db"), "SELECT count(*) FROM exchange WHERE address IS NULL"), 1);
  EXPECT_EQ(listed()["cases"], 1) << "of which something is left";
  EXPECT_EQ(call("erase-due").said["exchanges"], 0) << "once";

  // What two persons have asked to be erased early is due too.
  const std::string now = std::to_string(SystemClock().now().value);
  const auto ask = [&](const char* person) {
    testing::run_sql(path("data/pli.db"), "INSERT INTO case_voice SELECT max(number), 2, '" + std::string(person) +
                                              "', " + now + " FROM case_file");
  };
  ask("un");
  EXPECT_EQ(listed()["announced"].size(), 0U);
  ask("deux");
  EXPECT_EQ(listed()["due"], 1);
  EXPECT_EQ(call("erase-due").said["exchanges"], 1);
  const Answer checked = call("check");
  EXPECT_EQ(checked.code, 0) << checked.said.dump();
  Run again = run();
  EXPECT_EQ(stop(again), 0);
}

TEST_F(BrokerProgram, P9NoKeyIsInABackup) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  ASSERT_EQ(call("backup", {path("whole.db")}).code, 0);
  EXPECT_EQ(stop(running), 0);
  const Bytes bytes = *read_file(path("whole.db"), 64 << 20);
  const auto expect_absent = [&](ByteView secret, const char* what) {
    ASSERT_EQ(secret.size(), 32U);
    EXPECT_EQ(std::search(bytes.begin(), bytes.end(), secret.begin(), secret.end()), bytes.end()) << what;
  };
  expect_absent(startup_.expose(), "start-up secret");
  expect_absent(log_seed_.expose(), "log key");
  expect_absent(world_.curve.expose(), "CURVE key");
  const auto leases = decode_lease_file(crypto::unbox_key("leases", text_of("keys/leases"), startup_)->expose());
  ASSERT_FALSE(leases->leases.empty());
  for (const auto& lease : leases->leases) expect_absent(lease.key.expose(), "lease");
  for (const auto& record : leases->record_keys) expect_absent(record.key.expose(), "record key");
  int release_keys = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path("keys"))) {
    const std::string name = entry.path().stem().string();
    if (!name.starts_with("release-")) continue;
    ++release_keys;
    expect_absent(crypto::unbox_key(name, text_of("keys/" + entry.path().filename().string()), startup_)->expose(),
                  "release key");
  }
  EXPECT_GT(release_keys, 0);
}

TEST_F(BrokerProgram, ABackupGoesWhereItBelongsOrNowhere) {
  ASSERT_EQ(call("init").code, 0);
  for (const char* target : {"data/whole.db", "data", "keys/whole.db", "keys", "copy/whole.db", "copy"})
    expect_refused_with("backup", {path(target)}, 5, "BACKUP_TARGET");
  std::filesystem::create_directory_symlink(path("data"), path("elsewhere"));
  expect_refused_with("backup", {path("elsewhere")}, 5, "BACKUP_TARGET");
  expect_refused_with("backup", {path("absent/whole.db")}, 5, "BACKUP_TARGET");
  EXPECT_FALSE(std::filesystem::exists(path("data/backup.last")));
  // A disk that has not this much beside the copy.
  configure("[limits]\ndisk_reserve_bytes = 1099511627776\n");
  expect_refused_with("backup", {path("whole.db")}, 5, "BACKUP_NO_SPACE");
  EXPECT_FALSE(std::filesystem::exists(path("whole.db")));
}

TEST_F(BrokerProgram, ABrokenDatabaseIsNotBackedUp) {
  ASSERT_EQ(call("init").code, 0);
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  EXPECT_EQ(stop(running), 0);
  testing::run_sql(path("data/pli.db"), "UPDATE leaf SET digest = zeroblob(32) WHERE key = 1");
  expect_refused_with("backup", {path("whole.db")}, 4, "BACKUP_BROKEN");
  // Looked at twice, and a descriptor gives the secret once.
  const int secret = ::open(path("startup.secret").c_str(), O_RDONLY);
  expect_refused_with("backup", {path("whole.db"), "--startup-secret-fd", std::to_string(secret)}, 4, "BACKUP_BROKEN");
  ::close(secret);
  EXPECT_FALSE(std::filesystem::exists(path("whole.db")));
  EXPECT_FALSE(std::filesystem::exists(path("whole.db.unverified")));
}

TEST_F(BrokerProgram, TellsHowItDoesOnItsPage) {
  expect_refused("health", 5, "HEALTH_LISTEN");
  configure("health_listen = \"127.0.0.1:" + std::to_string(free_port()) + "\"\n");
  ASSERT_EQ(call("init").code, 0);
  expect_refused("health", 5, "NOT_ANSWERING");
  Run running = run();
  auto client = connect(running, world_.referent);
  (void)greet(client);
  (void)submit(client, world_.seal(world_.referent, "a.martin"));
  Answer told = call("health");
  EXPECT_EQ(told.code, 0);
  EXPECT_EQ(told.said["state"], "ok") << told.said.dump();
  EXPECT_EQ(told.said["connections"], 1);
  EXPECT_EQ(told.said["accepted"], 1);
  EXPECT_EQ(told.said["unread"]["ged"]["cases"], 1);
  EXPECT_GE(told.said["unread"]["ged"]["oldest_seconds"].get<int>(), 0);
  EXPECT_EQ(told.said["unread"]["clir"]["oldest_seconds"], -1);
  EXPECT_EQ(told.said["backup_age_seconds"], -1);
  EXPECT_GE(told.said["lease_age_seconds"].get<int>(), 0);
  // Of this month: what it opens ends with the month and five weeks.
  EXPECT_GE(told.said["release_key_left_seconds"].get<int>(), 35 * 86'400);
  EXPECT_LE(told.said["release_key_left_seconds"].get<int>(), (31 + 35) * 86'400);
  EXPECT_TRUE(eventually([&] {
    told = call("health");
    return told.said["self_audit_age_seconds"] != -1;
  }));
  EXPECT_GE(told.said["self_audit_rows"].get<int>(), 2) << "as many as there were when it began";
  EXPECT_GE(told.said["self_audit_rows_looked_at"], told.said["self_audit_rows"]);
  EXPECT_GT(told.said["disk_free_bytes"].get<std::uint64_t>(), 0U);
  EXPECT_GT(told.said["wal_bytes"].get<std::uint64_t>(), 0U);
  ASSERT_EQ(call("backup", {path("whole.db")}).code, 0);
  told = call("health");
  EXPECT_GE(told.said["backup_age_seconds"].get<int>(), 0);
  for (const char* name : {"a.martin", "ged/89", "org/"})
    EXPECT_EQ(told.said.dump().find(name), std::string::npos) << name;
  EXPECT_EQ(stop(running), 0);
  expect_refused("health", 5, "NOT_ANSWERING");
}

TEST_F(BrokerProgram, AWrongConfigurationIsNotTriedAgainAndNamesTheMisspeltKeysLine) {
  std::string wrong = text_of("broker.toml");
  wrong.replace(wrong.find("data_folder"), 11, "data_foldr");
  write("broker.toml", as_bytes(wrong));
  const Answer refused = call("run");
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.said["state"], "CONFIGURATION");
  EXPECT_EQ(refused.said["cause"], path("broker.toml") + ": data_foldr: unknown key, line 4; data_folder: is missing");
}

TEST_F(BrokerProgram, AnotherFirstShardInTheConfigurationIsToldFromADamagedDatabase) {
  ASSERT_EQ(call("init").code, 0);
  std::string wrong = text_of("broker.toml");
  wrong.replace(wrong.find("2026-1"), 6, "2026-2");
  write("broker.toml", as_bytes(wrong));
  for (const char* verb : {"run", "check", "next-shard", "rollback-request"}) {
    const Answer refused = call(verb);
    EXPECT_EQ(refused.code, 2) << verb;
    EXPECT_EQ(refused.said["state"], "CONFIGURATION") << refused.said.dump();
    EXPECT_NE(refused.said["cause"].get<std::string>().find("shard"), std::string::npos);
  }
}

TEST_F(BrokerProgram, WrongUsageIsItsOwnClassOfExitCode) {
  EXPECT_EQ(Program({"run"}).wait(), 2);
  EXPECT_EQ(Program({"dance"}).wait(), 2);
  EXPECT_EQ(Program(std::vector<std::string>{}).wait(), 2);
  EXPECT_EQ(Program({"run", "--help"}).wait(), 0);
  Program missing({"run", "--json", "--config", path("absent.toml")});
  EXPECT_EQ(json::parse(missing.line())["state"], "CONFIGURATION");
  EXPECT_EQ(missing.wait(), 5);
}

}  // namespace
}  // namespace pli::broker
