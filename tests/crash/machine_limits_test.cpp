// The real broker at the limits that its machine sets it: descriptors taken away, memory that an enrolled client eats,
// a disk that is full. It names what is wrong, loses no receipt (P2, P8), and goes on when there is enough again.
#include <gtest/gtest.h>
#include <netinet/in.h>
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
#include "tests/support/eventually.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/real_broker.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

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

/// They are taken from it while it runs: libzmq finds the two that are left, and the broker spares them.
TEST_F(Descriptors, P8WithoutThemItServesWhoIsConnectedAndTakesTheOthersOnceThereAreSomeAgain) {
  broker_.start();
  auto client = connect("referent.auxerre");
  greet(client);
  std::vector<protocol::Submit> sealed;
  for (int i = 0; i < 20; ++i) sealed.push_back(seal());
  const rlim_t before = allow(broker_.descriptors() + 2);
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

}  // namespace
}  // namespace pli::testing
