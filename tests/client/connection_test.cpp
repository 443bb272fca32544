#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/client/sitting.hpp"
#include "tests/support/socket_broker.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;

/// The loopback, a real socket, and everybody admitted.
class ConnectionTest : public Sitting {
 protected:
  ConnectionTest() : socket_(std::make_unique<SocketBroker>(broker_, world_.broker_curve, everybody())) {
    world_.endpoint = socket_->endpoint();
  }
  std::set<crypto::CurvePublic> everybody() const {
    std::set<crypto::CurvePublic> keys;
    for (const char* who : {"r.bellerive", "ged.un", "secretariat", "auditeur"})
      keys.insert(world_.identity(who).public_identity().curve);
    return keys;
  }
  static Outcome<std::unique_ptr<client::Connection>> dial(const std::string& endpoint,
                                                           const crypto::CurvePublic& broker,
                                                           const crypto::Identity& identity,
                                                           std::chrono::milliseconds within = 5s) {
    return client::dial(endpoint, broker, identity.curve_secret(), identity.public_identity().curve, within);
  }
  std::unique_ptr<client::Connection> good() {
    auto connection = dial(socket_->endpoint(), world_.broker_public, world_.identity("ged.un"));
    EXPECT_TRUE(connection.has_value()) << why(connection);
    return connection ? std::move(*connection) : nullptr;
  }
  std::unique_ptr<SocketBroker> socket_;
};

/// A TCP port that accepts and then does what it is told.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~Listener() { close(); }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] int accept() const { return ::accept(socket_, nullptr, nullptr); }
  void close() {
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR), ::close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
  std::string endpoint_;
};

TEST_F(ConnectionTest, CarriesAWholeSitting) {
  Desk desk(world_, "r.bellerive");
  auto session = client::Session::open(desk.profile, desk.keys, clock_);
  ASSERT_TRUE(session.has_value()) << why(session);
  desk.session = std::move(*session);
  const auto id = send_report(desk, report("Corvelle", 200'000));
  Desk reader(world_, "ged.un");
  auto reading = client::Session::open(reader.profile, reader.keys, clock_);
  ASSERT_TRUE(reading.has_value()) << why(reading);
  auto opened = client::open_exchange(**reading, id, {});
  ASSERT_TRUE(opened.has_value()) << why(opened);
}

TEST_F(ConnectionTest, TellsAKeyTheBrokerDoesNotKnow) {
  const auto stranger = crypto::Identity::generate();
  EXPECT_FAILS_WITH(dial(socket_->endpoint(), world_.broker_public, stranger), Code::unknown_key);
}

TEST_F(ConnectionTest, TellsABrokerWithAnotherKey) {
  crypto::CurvePublic other;
  other.bytes = crypto::x25519_public(crypto::SecretKey::random(32));
  EXPECT_FAILS_WITH(dial(socket_->endpoint(), other, world_.identity("ged.un")), LocalCode::wrong_broker_key);
}

TEST_F(ConnectionTest, TellsWhenNobodyListens) {
  Listener gone;
  const std::string endpoint = gone.endpoint();
  gone.close();
  EXPECT_FAILS_WITH(dial(endpoint, world_.broker_public, world_.identity("ged.un")), LocalCode::unreachable);
}

TEST_F(ConnectionTest, TellsWhenSomebodyElseListens) {
  Listener silent;  // accepts in the kernel, never says a word
  EXPECT_FAILS_WITH(dial(silent.endpoint(), world_.broker_public, world_.identity("ged.un"), 300ms),
                    LocalCode::unreachable);
  Listener rude;
  std::thread closer([&] {
    for (int i = 0; i < 2; ++i) {
      const int peer = rude.accept();
      if (peer >= 0) ::close(peer);
    }
  });
  EXPECT_FAILS_WITH(dial(rude.endpoint(), world_.broker_public, world_.identity("ged.un")),
                    LocalCode::wrong_broker_key);
  rude.close();
  closer.join();
}

TEST_F(ConnectionTest, TellsAnEndpointThatIsNone) {
  EXPECT_FAILS_WITH(dial("not an endpoint", world_.broker_public, world_.identity("ged.un")), LocalCode::unreachable);
}

TEST_F(ConnectionTest, MatchesRepliesToRequestsInAnyOrder) {
  auto connection = good();
  ASSERT_NE(connection, nullptr);
  auto first = connection->post(protocol::Hello{});
  auto second = connection->post(protocol::GetHealth{});
  ASSERT_TRUE(first.has_value() && second.has_value());
  auto health = connection->take(*second, 5s);
  ASSERT_TRUE(health.has_value()) << why(health);
  EXPECT_TRUE(std::holds_alternative<protocol::Health>(*health));
  auto hello = connection->take(*first, 5s);
  ASSERT_TRUE(hello.has_value()) << why(hello);
  EXPECT_TRUE(std::holds_alternative<protocol::HelloReply>(*hello));
  EXPECT_FAILS_WITH(connection->take(*first, 5s), LocalCode::unreachable) << "each once";
}

TEST_F(ConnectionTest, GivesUpOnAReplyThatDoesNotComeAndDropsItWhenLate) {
  auto connection = good();
  ASSERT_NE(connection, nullptr);
  socket_->answer_nothing(true);
  auto lost = connection->post(protocol::GetHealth{});
  ASSERT_TRUE(lost.has_value());
  EXPECT_FAILS_WITH(connection->take(*lost, 50ms), LocalCode::unreachable);
  socket_->answer_nothing(false);
  auto next = connection->post(protocol::GetHealth{});
  ASSERT_TRUE(next.has_value());
  EXPECT_TRUE(connection->take(*next, 5s).has_value());
}

TEST_F(ConnectionTest, HoldsNoMoreInFlightThanAllowed) {
  auto connection = good();
  ASSERT_NE(connection, nullptr);
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i < client::requests_in_flight_max; ++i) {
    auto number = connection->post(protocol::GetHealth{});
    ASSERT_TRUE(number.has_value());
    numbers.push_back(*number);
  }
  EXPECT_FAILS_WITH(connection->post(protocol::GetHealth{}), LocalCode::unreachable);
  for (const std::uint64_t number : numbers) EXPECT_TRUE(connection->take(number, 5s).has_value());
  EXPECT_TRUE(connection->post(protocol::GetHealth{}).has_value());
}

TEST_F(ConnectionTest, NoticesThatTheBrokerIsGone) {
  auto connection = good();
  ASSERT_NE(connection, nullptr);
  auto number = connection->post(protocol::GetHealth{});
  ASSERT_TRUE(number.has_value());
  ASSERT_TRUE(connection->take(*number, 5s).has_value());
  socket_.reset();
  EXPECT_FAILS_WITH(connection->take_push(5s), LocalCode::unreachable);
  EXPECT_FAILS_WITH(connection->post(protocol::GetHealth{}), LocalCode::unreachable);
}

TEST_F(ConnectionTest, BringsPushesToAFollower) {
  Desk reader(world_, "ged.un");
  auto reading = client::Session::open(reader.profile, reader.keys, clock_);
  ASSERT_TRUE(reading.has_value()) << why(reading);
  Desk sender(world_, "r.bellerive");
  auto sending = client::Session::open(sender.profile, sender.keys, clock_);
  ASSERT_TRUE(sending.has_value()) << why(sending);
  sender.session = std::move(*sending);
  std::vector<protocol::ExchangeId> sent = {send_report(sender, report())};
  std::vector<protocol::ExchangeId> seen;
  auto followed = client::Inbox(**reading).follow(
      [&](const client::InboxItem& item) {
        seen.push_back(item.exchange);
        if (seen.size() == 3) return false;
        sent.push_back(send_report(sender, report()));
        return true;
      },
      10s);
  ASSERT_TRUE(followed.has_value()) << why(followed);
  EXPECT_EQ(seen, sent);
}

TEST_F(ConnectionTest, FollowsAgainFromWhereTheBrokerEndedItsSubscriptionForSlowness) {
  Desk sender(world_, "r.bellerive");
  auto sending = client::Session::open(sender.profile, sender.keys, clock_);
  ASSERT_TRUE(sending.has_value()) << why(sending);
  sender.session = std::move(*sending);
  auto connection = good();
  ASSERT_NE(connection, nullptr);
  auto asked = connection->post(protocol::Follow{{{"ged/89", {}}}, 100});
  ASSERT_TRUE(asked.has_value());
  ASSERT_TRUE(connection->take(*asked, 5s).has_value());
  std::uint64_t number = 0;
  const auto expect_next = [&] {
    (void)send_report(sender, report());
    auto push = connection->take_push(5s);
    ASSERT_TRUE(push.has_value()) << why(push);
    ASSERT_TRUE(push->has_value());
    ASSERT_EQ((*push)->items.size(), 1U);
    EXPECT_EQ((*push)->items[0].head.number.value, ++number);
  };
  expect_next();
  // The next two pushes are lost to BUSY, as those of a broker that found no room for them.
  socket_->with_broker([](MemoryBroker& broker) {
    broker.bend = [left = 2](const protocol::Request& request, protocol::ReplyBody& body) mutable {
      const auto* pushed = std::get_if<protocol::Pushed>(&body);
      if (pushed == nullptr || pushed->items.empty() || left == 0) return;
      --left;
      EXPECT_TRUE(std::holds_alternative<protocol::Follow>(request.body));
      body = protocol::Refusal{protocol::Code::busy, "", 5};
    };
  });
  expect_next();
  expect_next();
}

TEST_F(ConnectionTest, TellsWhyASubscriptionEnded) {
  auto connection = good();
  ASSERT_NE(connection, nullptr);
  auto asked = connection->post(protocol::Follow{{{"ged/89", {}}}, 100});
  ASSERT_TRUE(asked.has_value());
  ASSERT_TRUE(connection->take(*asked, 5s).has_value());
  socket_->with_broker([](MemoryBroker& broker) {
    broker.bend = [](const protocol::Request& request, protocol::ReplyBody& body) {
      if (std::holds_alternative<protocol::Follow>(request.body))
        body = protocol::Refusal{protocol::Code::revoked, "", 0};
    };
  });
  Desk sender(world_, "r.bellerive");
  auto sending = client::Session::open(sender.profile, sender.keys, clock_);
  ASSERT_TRUE(sending.has_value()) << why(sending);
  sender.session = std::move(*sending);
  (void)send_report(sender, report());
  EXPECT_FAILS_WITH(connection->take_push(5s), Code::revoked);
}

TEST_F(ConnectionTest, ReturnsFromWaitingWhenNothingIsPushed) {
  auto connection = good();
  ASSERT_NE(connection, nullptr);
  auto push = connection->take_push(20ms);
  ASSERT_TRUE(push.has_value()) << why(push);
  EXPECT_FALSE(push->has_value());
}

// P8 with the sender killed again and again: nothing lost, nothing twice, over a real socket.
TEST_F(ConnectionTest, P8EveryItemArrivesOnceThoughTheSenderIsKilled) {
  constexpr std::size_t items = 30;
  Desk desk(world_, "r.bellerive");
  std::vector<std::int64_t> ids;
  {
    client::Outbox outbox(desk.profile, clock_);
    for (std::size_t i = 0; i < items; ++i) {
      auto item = outbox.put(client::draft_of(report(), "ged/89"), desk.keys);
      ASSERT_TRUE(item.has_value()) << why(item);
      ids.push_back(item->id);
    }
  }
  std::size_t killed = 0;
  for (std::size_t round = 1; round <= 6; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto profile = client::Profile::open(desk.folder.path());
      auto session = client::Session::open(*profile, desk.keys, clock_);
      if (session) static_cast<void>(client::Outbox(*profile, clock_).flush(**session));
      ::_exit(0);
    }
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    const std::size_t enough = round * items / 8;
    int status = 0;
    bool over = false;
    while (!over && std::chrono::steady_clock::now() < deadline) {
      std::size_t accepted = 0;
      socket_->with_broker([&](MemoryBroker& broker) { accepted = broker.exchange_count(); });
      if (accepted >= enough) break;
      over = ::waitpid(child, &status, WNOHANG) == child;
    }
    if (over) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++killed;
  }
  EXPECT_GE(killed, 1U);
  auto session = client::Session::open(desk.profile, desk.keys, clock_);
  ASSERT_TRUE(session.has_value()) << why(session);
  client::Outbox outbox(desk.profile, clock_);
  auto last = outbox.flush(**session);
  ASSERT_TRUE(last.has_value()) << why(last);
  ASSERT_FALSE(last->stopped) << why(*last->stopped);
  socket_->with_broker([&](MemoryBroker& broker) {
    EXPECT_EQ(broker.exchange_count(), items);
    for (const std::int64_t id : ids) {
      auto item = outbox.find(id);
      ASSERT_TRUE(item.has_value() && *item);
      EXPECT_EQ((*item)->state, client::OutboxState::receipted);
      EXPECT_EQ(broker.accepted(*(*item)->exchange), 1U);
      EXPECT_TRUE(client::verify_receipt_file((*item)->receipt, world_.log, world_.log_key.public_key()).has_value());
    }
  });
}

}  // namespace
}  // namespace pli::testing
