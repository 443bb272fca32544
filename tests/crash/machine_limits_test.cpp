// The real broker at the limits that its machine sets it: descriptors taken away, memory that an enrolled client eats,
// a disk that is full. It names what is wrong, loses no receipt (P2, P8), and goes on when there is enough again.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "broker/health_page.hpp"
#include "tests/support/endless_message.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/real_broker.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

/// Sanitizers make everything several times slower, and need more of everything.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// What the broker's unit says after `name`.
std::string setting_of_unit(const std::string& name) {
  std::istringstream unit(text_of(std::filesystem::path(PLI_SOURCE_DIR) / "config/systemd/pli-broker.service.in"));
  for (std::string line; std::getline(unit, line);)
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  ADD_FAILURE() << "the unit has no " << name;
  return "0";
}

class BrokerLimits : public ::testing::Test {
 protected:
  explicit BrokerLimits(const std::string& limits = "")
      : department_([] {
          DepartmentOptions options;
          options.now = SystemClock().now();
          return options;
        }()),
        broker_(department_, PLI_BROKER_PROGRAM, true, {limits, true}) {}

  RawClient connect(const std::string& member) {
    return RawClient(broker_.endpoint(), broker_.curve(), department_.identity(member).curve_secret());
  }
  /// Says hello, for the release key of what is sealed next.
  void greet(RawClient& client) {
    auto reply = client.ask(protocol::Hello{});
    ASSERT_TRUE(reply && std::holds_alternative<protocol::HelloReply>(*reply));
    hello_ = std::get<protocol::HelloReply>(*std::move(reply));
  }
  [[nodiscard]] protocol::Submit seal(std::size_t bytes = 600) {
    Draft draft;
    draft.content = Bytes(bytes, 1);
    draft.openable = false;
    return Department::wire_submit(department_.seal(draft), hello_.release_epoch, hello_.release_key, session_);
  }
  /// Whether it was receipted; the refusal stays in refused_.
  bool submit(RawClient& client, const protocol::Submit& submit) {
    auto reply = client.ask(submit);
    if (const auto* accepted = reply ? std::get_if<protocol::Accepted>(&*reply) : nullptr) {
      held_.emplace_back(submit, accepted->proof.index);
      return true;
    }
    const auto* refusal = reply ? std::get_if<protocol::Refusal>(&*reply) : nullptr;
    refused_ = refusal != nullptr ? protocol::to_text(*refusal) : "no answer";
    return false;
  }
  /// Each receipt names the same leaf still.
  void expect_every_receipt_stands(RawClient& client) {
    for (const auto& [submit, leaf] : held_) {
      auto reply = client.ask(submit);
      const auto* again = reply ? std::get_if<protocol::Accepted>(&*reply) : nullptr;
      ASSERT_NE(again, nullptr);
      EXPECT_TRUE(again->duplicate);
      EXPECT_EQ(again->proof.index, leaf);
    }
  }
  [[nodiscard]] json health() const {
    const auto page = broker::fetch_health({false, broker_.health_port()});
    return page ? json::parse(*page, nullptr, false) : json{{"state", "nobody answers"}};
  }
  [[nodiscard]] json try_start(const std::string& before = "true") {
    return json::parse(broker_.try_start(before), nullptr, false);
  }
  [[nodiscard]] static std::string state_of(const json& said) {
    return said.is_object() ? said.value("state", "") : "nothing said";
  }

  Department department_;
  RealBroker broker_;
  protocol::HelloReply hello_;
  crypto::BoxPair session_ = crypto::BoxPair::generate();
  std::vector<std::pair<protocol::Submit, LeafIndex>> held_;
  std::string refused_;
};

// ---- descriptors -------------------------------------------------------------------------------------------------

/// A stranger's, who says nothing on it.
class SilentConnection {
 public:
  explicit SilentConnection(const std::string& endpoint) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    at.sin_port = ::htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) ADD_FAILURE() << "no connection";
  }
  ~SilentConnection() { ::close(fd_); }
  SilentConnection(const SilentConnection&) = delete;
  SilentConnection& operator=(const SilentConnection&) = delete;

 private:
  int fd_;
};

class Descriptors : public BrokerLimits {
 protected:
  /// From now on; the hard limit stays. The one before.
  rlim_t allow(rlim_t count) const {
    rlimit limit{};
    EXPECT_EQ(::prlimit(broker_.pid(), RLIMIT_NOFILE, nullptr, &limit), 0);
    const rlim_t before = std::exchange(limit.rlim_cur, count);
    EXPECT_EQ(::prlimit(broker_.pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
    return before;
  }
};

TEST_F(Descriptors, TwoHundredAndFiftySixAreEnoughAndOneFewerIsNamedAtTheStart) {
  EXPECT_EQ(state_of(try_start("ulimit -n 255")), "DESCRIPTORS");
  EXPECT_EQ(broker_.wait_for_end(20s), 5);
  EXPECT_EQ(state_of(try_start("ulimit -n 256")), "ready");
  EXPECT_LT(broker_.descriptors(), 100U) << "most of them are for clients";
  broker_.stop();
}

TEST_F(Descriptors, P8TheLastOfThemGoToNoConnection) {
  constexpr std::size_t limit = 256;
  constexpr std::size_t spare = limit / 8;
  ASSERT_EQ(state_of(try_start("ulimit -n " + std::to_string(limit))), "ready");
  auto client = connect("referent.auxerre");
  greet(client);
  {
    std::vector<std::unique_ptr<SilentConnection>> strangers;
    for (std::size_t i = 0; i < limit; ++i) strangers.push_back(std::make_unique<SilentConnection>(broker_.endpoint()));
    EXPECT_TRUE(eventually([&] { return broker_.descriptors() > limit - spare - 5; }));
    EXPECT_TRUE(submit(client, seal())) << refused_;
    EXPECT_EQ(health()["state"], "ok") << "the page has one";
    EXPECT_TRUE(eventually([&] { return broker_.descriptors() <= limit - spare; }));
    EXPECT_GT(health()["turned_away"], 0);
  }
  auto later = connect("ged.2");
  greet(later);
  expect_every_receipt_stands(client);
  broker_.stop();
}

/// UBSan looks at an object's type through a pipe, and takes it for a wrong one where there are no descriptors for it.
constexpr rlim_t descriptors_left = sanitized ? 12 : 2;

/// They are taken from it while it runs: libzmq finds the few that are left, and the broker spares them.
TEST_F(Descriptors, P8WithoutThemItServesWhoIsConnectedAndTakesTheOthersOnceThereAreSomeAgain) {
  broker_.start();
  auto client = connect("referent.auxerre");
  greet(client);
  std::vector<protocol::Submit> sealed;
  for (int i = 0; i < 20; ++i) sealed.push_back(seal());
  const rlim_t before = allow(broker_.descriptors() + descriptors_left);
  {
    std::vector<RawClient> others;
    for (int i = 0; i < 6; ++i) {
      others.push_back(connect("ged.1"));
      others.back().send(protocol::Request{1, protocol::Hello{}});
    }
    for (const protocol::Submit& each : sealed) ASSERT_TRUE(submit(client, each)) << refused_;
    expect_every_receipt_stands(client);
    EXPECT_TRUE(eventually([&] { return health()["serving"] == true; })) << health().dump();
    const double cpu = broker_.cpu_seconds();
    std::this_thread::sleep_for(1s);
    EXPECT_LT(broker_.cpu_seconds() - cpu, 0.5) << "of a second: it does not spin";
  }
  allow(before);
  auto later = connect("ged.2");
  greet(later);
  broker_.stop();
  EXPECT_EQ(broker_.check(), 0);
}

// ---- memory ------------------------------------------------------------------------------------------------------

constexpr std::uint64_t mebibyte = 1 << 20;

/// A control group of our own with so much memory and no swap, where the kernel has one and we may make it.
class MemoryGroup {
 public:
  static std::unique_ptr<MemoryGroup> make(std::uint64_t bytes) {
    const std::string name = "pli-test-" + std::to_string(::getpid());
    const std::filesystem::path root = "/sys/fs/cgroup";
    for (auto& [kind, group, limit, swap, no_swap] : std::array<Kind, 2>{{
             {"cgroup v2", root / name, "memory.max", "memory.swap.max", "0"},
             {"cgroup v1", root / "memory" / name, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
              std::to_string(bytes)},
         }}) {
      std::error_code problem;
      if (!std::filesystem::create_directory(group, problem)) continue;
      std::unique_ptr<MemoryGroup> made(new MemoryGroup(kind, group));
      if (std::filesystem::exists(group / limit, problem) && write(group / limit, std::to_string(bytes)) &&
          std::filesystem::exists(group / "cgroup.procs", problem)) {
        write(group / swap, no_swap);
        return made;
      }
    }
    return nullptr;
  }
  ~MemoryGroup() {
    std::error_code problem;
    // Not before the kernel has taken leave of the last process.
    EXPECT_TRUE(eventually([&] { return ::rmdir(group_.c_str()) == 0 || errno == ENOENT; })) << group_;
  }
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;
  [[nodiscard]] const std::string& kind() const { return kind_; }
  /// What a shell does to belong to it.
  [[nodiscard]] std::string join() const { return "echo $$ > " + (group_ / "cgroup.procs").string(); }

 private:
  struct Kind {
    std::string kind;
    std::filesystem::path group;
    std::string limit;
    std::string swap;
    std::string no_swap;
  };
  MemoryGroup(std::string kind, std::filesystem::path group) : kind_(std::move(kind)), group_(std::move(group)) {}
  static bool write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out(file);
    out << text << std::flush;
    return out.good();
  }
  std::string kind_;
  std::filesystem::path group_;
};

class Memory : public BrokerLimits {
 protected:
  void receipt_some(RawClient& client) {
    greet(client);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(submit(client, seal())) << refused_;
  }
  /// Whatever became of the broker, it serves and nothing is lost.
  void expect_whole() {
    auto client = connect("referent.auxerre");
    greet(client);
    EXPECT_TRUE(submit(client, seal())) << refused_;
    expect_every_receipt_stands(client);
    broker_.stop();
    EXPECT_EQ(broker_.check(), 0);
  }
  [[nodiscard]] std::unique_ptr<EndlessMessage> enrolled() {
    return std::make_unique<EndlessMessage>(broker_.endpoint(), broker_.curve(),
                                            department_.identity("referent.sens").curve_secret());
  }
};

TEST_F(Memory, SixteenMebibytesOfAnUnfinishedMessageAreKeptAndMoreEndsItsConnection) {
  broker_.start();
  auto client = connect("referent.auxerre");
  receipt_some(client);
  const std::uint64_t before = broker_.resident_bytes();
  auto short_of_it = enrolled();
  EXPECT_FALSE(short_of_it->send(15 * mebibyte, 20s).cut);
  auto endless = enrolled();
  const auto sent = endless->send(1024 * mebibyte, 60s);
  EXPECT_TRUE(sent.cut);
  EXPECT_GT(sent.bytes, 15 * mebibyte);
  EXPECT_TRUE(eventually([&] { return health()["endless"] == 1; })) << health().dump();
  // A sanitizer keeps what was given back.
  EXPECT_TRUE(sanitized || eventually([&] { return broker_.resident_bytes() < before + 512 * mebibyte; }));
  // Two more looks, a second each, at the one that stopped short of it; then it goes on.
  std::this_thread::sleep_for(2500ms);
  EXPECT_EQ(health()["endless"], 1);
  EXPECT_TRUE(short_of_it->send(1024 * mebibyte, 60s).cut);
  EXPECT_TRUE(eventually([&] { return health()["endless"] == 2; })) << health().dump();
  expect_whole();
}

/// As systemd would have it, by the figures of the broker's unit; an enrolled client has many connections, and on each
/// a message that is not long enough to end it.
TEST_F(Memory, P8ManyUnfinishedMessagesMeetTheUnitsLimitAndTheBrokerIsBackWithinASecond) {
  const std::string limit = setting_of_unit("MemoryMax");
  ASSERT_TRUE(limit.ends_with("G")) << limit;
  const std::uint64_t bytes = std::stoull(limit) << 30;
  const std::string pause = setting_of_unit("RestartSec");
  ASSERT_TRUE(pause.ends_with("ms")) << pause;
  EXPECT_EQ(setting_of_unit("Restart"), "on-failure");
  const auto group = MemoryGroup::make(bytes);
  if (group == nullptr) {
    std::cout << "no control group can be made here: the next test, under a limit of addresses, stands alone\n";
    return;
  }
  std::cout << "under " << group->kind() << ", " << limit << "\n";
  ASSERT_EQ(state_of(try_start(group->join())), "ready");
  auto client = connect("referent.auxerre");
  receipt_some(client);

  const auto began = steady_clock::now();
  std::vector<std::unique_ptr<EndlessMessage>> held;
  std::uint64_t sent = 0;
  try {
    for (bool cut = false; !cut && sent < 2 * bytes;) {
      held.push_back(enrolled());
      const auto more = held.back()->send(15 * mebibyte, 20s);
      sent += more.bytes;
      cut = more.cut;
    }
  } catch (const std::runtime_error&) {
    // It ended in the middle of a handshake.
  }
  const auto ended = broker_.wait_for_end(20s);
  const auto killed = steady_clock::now();
  EXPECT_EQ(ended, -SIGKILL);
  std::this_thread::sleep_for(std::chrono::milliseconds(std::stoll(pause)));
  ASSERT_EQ(state_of(try_start(group->join())), "ready");
  const auto back = steady_clock::now() - killed;
  EXPECT_LT(back, sanitized ? 10s : 1s);
  std::cout << "killed after " << (sent / mebibyte) << " MiB and "
            << std::chrono::duration_cast<std::chrono::milliseconds>(killed - began).count() << " ms, ready "
            << std::chrono::duration_cast<std::chrono::milliseconds>(back).count() << " ms later\n";
  expect_whole();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they take their addresses beforehand
/// Where no group can be made. A limit of addresses kills nobody: libzmq ends the connection for which it finds no
/// memory, or whoever asks at that moment ends the broker.
TEST_F(Memory, P8UnderALimitOfAddressesAnEndlessMessageCostsItsConnectionOrARestart) {
  broker_.start();
  auto client = connect("referent.auxerre");
  receipt_some(client);
  std::istringstream statm(text_of("/proc/" + std::to_string(broker_.pid()) + "/statm"));
  rlim_t pages = 0;
  statm >> pages;
  rlimit before{};
  ASSERT_EQ(::prlimit(broker_.pid(), RLIMIT_AS, nullptr, &before), 0);
  rlimit limit = before;
  limit.rlim_cur = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + 64 * mebibyte;
  ASSERT_EQ(::prlimit(broker_.pid(), RLIMIT_AS, &limit, nullptr), 0);

  const auto sent = enrolled()->send(1024 * mebibyte, 60s);
  EXPECT_TRUE(sent.cut);
  if (const auto ended = broker_.wait_for_end(2s)) {
    std::cout << "ended by signal " << -*ended << " after " << (sent.bytes / mebibyte) << " MiB\n";
    EXPECT_LT(*ended, 0);
    broker_.start();
  } else {
    std::cout << "the connection was ended after " << (sent.bytes / mebibyte) << " MiB\n";
    ASSERT_EQ(::prlimit(broker_.pid(), RLIMIT_AS, &before, nullptr), 0);
  }
  expect_whole();
}
#endif

// ---- room on the disk --------------------------------------------------------------------------------------------

class Room : public BrokerLimits {
 protected:
  Room() : BrokerLimits("disk_reserve_bytes = 134217728\nlog_unavailable_seconds = 3\n") {}
  ~Room() override {
    if (mounted_) (void)::umount2(broker_.data().c_str(), MNT_DETACH);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  /// Moves the data folder onto a filesystem of its own of this size, which goes with the test's thread whatever
  /// becomes of it. False where the kernel does not let us.
  bool move_to_small_disk(const std::string& size) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    const std::filesystem::path data = broker_.data();
    const std::filesystem::path aside = data.string() + ".aside";
    std::filesystem::rename(data, aside);
    std::filesystem::create_directory(data);
    mounted_ = ::mount("pli-test", data.c_str(), "tmpfs", 0, ("mode=0700,size=" + size).c_str()) == 0;
    std::filesystem::copy(aside, data, std::filesystem::copy_options::recursive);
    return mounted_;
  }
  void fill() {
    std::ofstream out(filler(), std::ios::binary);
    const std::string block(64 * 1024, 'x');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
    EXPECT_LT(std::filesystem::space(broker_.data()).available, block.size());
  }
  [[nodiscard]] std::filesystem::path filler() const { return broker_.data() / "somebody-elses-file"; }
  /// The log cannot be written: named on the page and to clients, and the broker ends so that it is started again.
  void expect_log_unavailable(RawClient& client) {
    EXPECT_TRUE(eventually([&] {
      (void)submit(client, seal());
      return health()["state"] == "LOG_UNAVAILABLE";
    })) << health().dump();
    EXPECT_EQ(health()["serving"], false);
    EXPECT_FALSE(submit(client, seal()));
    EXPECT_EQ(refused_, "LOG_UNAVAILABLE");
    EXPECT_EQ(health()["state"], "LOG_UNAVAILABLE") << "the page answers all the while";
    EXPECT_EQ(state_of(json::parse(broker_.line(), nullptr, false)), "LOG_UNAVAILABLE");
    EXPECT_EQ(broker_.wait_for_end(20s), 5);
  }
  void expect_it_goes_on() {
    broker_.start();
    auto client = connect("referent.auxerre");
    greet(client);
    expect_every_receipt_stands(client);
    EXPECT_TRUE(submit(client, seal())) << refused_;
    EXPECT_EQ(health()["state"], "ok");
    broker_.stop();
    EXPECT_EQ(broker_.check(), 0);
  }
  bool mounted_ = false;
};

TEST_F(Room, P2OnAFullDiskTheLogIsUnavailableByNameAndNoReceiptIsLostOnceThereIsRoom) {
  if (!move_to_small_disk("192m")) {
    std::cout << "no filesystem can be mounted here: the next test, under a limit of file sizes, stands alone\n";
    return;
  }
  broker_.start();
  auto client = connect("referent.auxerre");
  greet(client);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(submit(client, seal(20'000))) << refused_;
  // First the reserve: nothing more is taken, and what is there is read.
  std::ofstream(filler()).close();
  std::filesystem::resize_file(filler(), 0);
  while (std::filesystem::space(broker_.data()).available > (100U << 20)) {
    std::ofstream out(filler(), std::ios::binary | std::ios::app);
    out << std::string(1 << 20, 'x');
  }
  EXPECT_FALSE(submit(client, seal()));
  EXPECT_EQ(refused_, "LOG_UNAVAILABLE");
  EXPECT_TRUE(eventually([&] { return health()["state"] == "DISK_RESERVE"; })) << health().dump();
  expect_every_receipt_stands(client);
  // Then the reserve itself.
  fill();
  expect_log_unavailable(client);
  const json said = try_start();
  EXPECT_EQ(state_of(said), "DATABASE") << said.dump();
  EXPECT_NE(said.value("cause", "").find("disk is full"), std::string::npos) << said.dump();
  EXPECT_EQ(broker_.wait_for_end(20s), 5) << said.dump();
  std::filesystem::remove(filler());
  expect_it_goes_on();
}

/// Where nothing can be mounted: the files themselves may grow no further.
TEST_F(Room, P2WhenItsFilesMayNotGrowTheLogIsUnavailableByNameAndNoReceiptIsLost) {
  ASSERT_EQ(state_of(try_start("trap '' XFSZ")), "ready");
  auto client = connect("referent.auxerre");
  greet(client);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(submit(client, seal(20'000))) << refused_;
  rlimit limit{};
  ASSERT_EQ(::prlimit(broker_.pid(), RLIMIT_FSIZE, nullptr, &limit), 0);
  limit.rlim_cur = std::filesystem::file_size(broker_.data() / "pli.db-wal");
  ASSERT_EQ(::prlimit(broker_.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  expect_log_unavailable(client);
  expect_it_goes_on();
}

}  // namespace
}  // namespace pli::testing
