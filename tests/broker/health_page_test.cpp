#include "broker/health_page.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "broker/vitals.hpp"
#include "tests/broker/front_world.hpp"

namespace pli::broker {
namespace {

using namespace std::chrono_literals;

constexpr UnixMillis noon{1772366400000};

Vitals well() {
  Vitals out;
  out.state = "ok";
  out.told_at = noon;
  out.started_at = noon - 1h;
  out.published_at = noon - 2s;
  out.backup_at = noon - 10h;
  out.directory_not_after = noon + 20 * 24h;
  out.audit_rows = 5'000;
  out.audit_rows_looked_at = 640;
  out.release_ends_at = noon + 40 * 24h;
  out.unread.emplace();
  (*out.unread)[0] = {2, noon - 3h};
  out.life.emplace();
  out.life->owed[0] = {4, 1};
  out.life->erasures_due = 3;
  return out;
}

/// A connection that says what it is told to, and what it hears until the peer's end.
class Caller {
 public:
  explicit Caller(std::uint16_t port) : Caller() { connect(port); }
  Caller() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Caller() { ::close(fd_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  void connect(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    at.sin_port = ::htons(port);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] bool hears_within(std::chrono::milliseconds time) const {
    pollfd own = {fd_, POLLIN, 0};
    return ::poll(&own, 1, static_cast<int>(time.count())) == 1;
  }
  void say(const std::string& text) const { (void)::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  [[nodiscard]] std::string hear() const {
    std::string out;
    std::array<char, 4096> block{};
    for (ssize_t got = 0; (got = ::recv(fd_, block.data(), block.size(), 0)) > 0;)
      out.append(block.data(), static_cast<std::size_t>(got));
    return out;
  }
  [[nodiscard]] std::string ask(const std::string& text) const {
    say(text);
    return hear();
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::unique_ptr<HealthPage> page_of(Vitals vitals, std::chrono::milliseconds time = health_request_time) {
  auto page = HealthPage::start({false, 0},
                                {[vitals] {
                                   return HealthAnswer{is_serving(vitals, noon), to_json(vitals, noon)};
                                 },
                                 [vitals] { return to_metrics(vitals, noon); }},
                                time);
  EXPECT_TRUE(page.has_value());
  return page ? *std::move(page) : nullptr;
}

TEST(HealthPage, AnswersItsTwoPathsAndNothingElse) {
  const auto page = page_of(well());
  const auto ask = [&](const std::string& line) { return Caller(page->port()).ask(line + "\r\n\r\n"); };
  EXPECT_EQ(ask("GET /health HTTP/1.1").substr(0, 17), "HTTP/1.1 200 OK\r\n");
  EXPECT_NE(ask("GET /metrics HTTP/1.0").find("\npli_serving 1\n"), std::string::npos);
  EXPECT_EQ(ask("GET / HTTP/1.1").substr(9, 3), "404");
  EXPECT_EQ(ask("GET /health/ HTTP/1.1").substr(9, 3), "404");
  EXPECT_EQ(ask("GET /health?x HTTP/1.1").substr(9, 3), "404");
  EXPECT_EQ(ask("POST /health HTTP/1.1").substr(9, 3), "405");
  EXPECT_EQ(ask("GET /health").substr(9, 3), "400");
  EXPECT_EQ(ask("GET /health HTTP/2").substr(9, 3), "400");
  EXPECT_EQ(ask("").substr(9, 3), "400");
  const auto fetched = fetch_health({false, page->port()});
  ASSERT_TRUE(fetched.has_value());
  EXPECT_EQ(nlohmann::json::parse(*fetched)["state"], "ok");
}

TEST(HealthPage, AStateThatServesNobodyIs503AndStillTold) {
  Vitals vitals = well();
  vitals.state = "DAMAGED";
  vitals.damage = "leaf.nodes";
  const auto page = page_of(vitals);
  EXPECT_EQ(Caller(page->port()).ask("GET /health HTTP/1.1\r\n\r\n").substr(9, 3), "503");
  const auto told = nlohmann::json::parse(*fetch_health({false, page->port()}));
  EXPECT_EQ(told["state"], "DAMAGED");
  EXPECT_EQ(told["damage"], "leaf.nodes");
  EXPECT_EQ(told["serving"], false);
}

TEST(HealthPage, AHeadOneByteTooLongIsRefused) {
  const auto page = page_of(well());
  const std::string start = "GET /health HTTP/1.1\r\nX: ";
  const auto head = [&](std::size_t bytes) { return start + std::string(bytes - start.size() - 4, 'x') + "\r\n\r\n"; };
  EXPECT_EQ(Caller(page->port()).ask(head(health_head_bytes_max)).substr(9, 3), "200");
  // Cut at the limit, its end is not there.
  EXPECT_EQ(Caller(page->port()).ask(head(health_head_bytes_max + 1)).substr(9, 3), "431");
}

TEST(HealthPage, WhoSaysNothingHoldsItForAMomentAlone) {
  const auto page = page_of(well(), 200ms);
  const Caller silent(page->port());
  const Caller dribbling(page->port());
  dribbling.say("GET /hea");
  EXPECT_EQ(Caller(page->port()).ask("GET /health HTTP/1.1\r\n\r\n").substr(9, 3), "200");
  EXPECT_EQ(silent.hear(), "");
  EXPECT_EQ(dribbling.hear(), "");
}

TEST(HealthPage, ItsAnswerIsFetchedUpToSixtyFourKibibytesAndNotCut) {
  std::atomic<std::size_t> body{10'000};
  const auto page = HealthPage::start({false, 0}, {[&] {
                                                     return HealthAnswer{true, std::string(body, '0')};
                                                   },
                                                   [] { return std::string(); }});
  ASSERT_TRUE(page.has_value());
  const std::size_t head = Caller((*page)->port()).ask("GET /health HTTP/1.1\r\n\r\n").size() - body;
  body = health_page_bytes_max - head;
  EXPECT_EQ(fetch_health({false, (*page)->port()})->size(), body);
  ++body;
  EXPECT_EQ(fetch_health({false, (*page)->port()}).error().code, Errc::invalid_input);
}

TEST(HealthPage, WhoCannotBeLetInIsNotWaitedForBeyondTheTimeThereIs) {
  const Caller listener;  // lets one wait and takes nobody
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(listener.fd(), 0), 0);
  ASSERT_EQ(::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&at), &size), 0);
  const std::uint16_t port = ::ntohs(at.sin_port);
  const Caller waiting(port);
  ASSERT_TRUE(waiting.connected());
  const auto began = std::chrono::steady_clock::now();
  const auto fetched = fetch_health({false, port}, 200ms);
  ASSERT_FALSE(fetched.has_value());
  EXPECT_EQ(fetched.error().code, Errc::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

TEST(HealthPage, WithoutADescriptorLeftItRestsAndServesOnceThereIsOne) {
  const auto page = page_of(well());
  Caller caller;
  rlimit there{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &there), 0);
  const rlimit none{3, there.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::clock_t before = std::clock();
  caller.connect(page->port());
  caller.say("GET /health HTTP/1.1\r\n\r\n");
  const bool heard = caller.hears_within(400ms);
  const auto took = std::chrono::milliseconds(1000 * (std::clock() - before) / CLOCKS_PER_SEC);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &there), 0);
  EXPECT_FALSE(heard);
  EXPECT_LT(took, 100ms) << "of the processor";
  EXPECT_EQ(caller.hear().substr(9, 3), "200");
}

TEST(HealthPage, ServesOneConnectionAtATimeAndEndsWhileOneIsOpen) {
  std::atomic<int> under_way{0};
  std::atomic<int> most{0};
  auto page = HealthPage::start({false, 0}, {[&] {
                                               most = std::max<int>(most, ++under_way);
                                               std::this_thread::yield();
                                               --under_way;
                                               return HealthAnswer{true, "{}"};
                                             },
                                             [] { return std::string(); }});
  ASSERT_TRUE(page.has_value());
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back([&] {
      for (int j = 0; j < 10; ++j) (void)Caller((*page)->port()).ask("GET /health HTTP/1.1\r\n\r\n");
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(most, 1);
  const Caller open((*page)->port());
  EXPECT_TRUE(open.connected());
  page->reset();
  EXPECT_EQ(open.hear(), "");
}

TEST(HealthPage, APortThatIsTakenIsSaid) {
  const auto page = page_of(well());
  const auto second = HealthPage::start({false, page->port()}, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_EQ(fetch_health({true, page->port()}, 200ms).error().code, Errc::unavailable) << "nobody is there";
}

TEST(HealthPage, ListensOnLoopbackOnly) {
  EXPECT_EQ(parse_loopback("127.0.0.1:7790"), (LoopbackAddress{false, 7790}));
  EXPECT_EQ(parse_loopback("[::1]:65535"), (LoopbackAddress{true, 65535}));
  for (const char* other : {"0.0.0.0:7790", "*:7790", "localhost:7790", "192.168.0.1:7790", "[::]:7790", "127.0.0.1",
                            "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x", "127.0.0.2:80", ""})
    EXPECT_FALSE(parse_loopback(other).has_value()) << other;
}

// ---- what it tells -------------------------------------------------------------------------------------------------

TEST(Vitals, MetricsNameNobodyAndNoCase) {
  Vitals vitals = well();
  vitals.batch_requests.add(3, batch_request_bounds);
  vitals.batch_micros.add(700, batch_micros_bounds);
  const std::string metrics = to_metrics(vitals, noon);
  const std::set<std::string> kinds = {"ged", "clir", "cpraf"};
  const auto all_of = [](std::string_view text, std::string_view allowed) {
    return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
  };
  constexpr std::string_view name_chars = "abcdefghijklmnopqrstuvwxyz_";
  constexpr std::string_view digits = "0123456789";
  std::istringstream lines(metrics);
  std::set<std::string> labels;
  std::size_t count = 0;
  for (std::string text; std::getline(lines, text);) {
    if (text.starts_with("# HELP pli_") || text.starts_with("# TYPE pli_")) continue;
    // pli_name 7, or pli_name{label="value"} 7: at most one label, and nothing else on the line.
    const std::size_t space = text.rfind(' ');
    ASSERT_NE(space, std::string::npos) << text;
    std::string_view number = std::string_view(text).substr(space + 1);
    if (number.starts_with('-')) number.remove_prefix(1);
    ASSERT_TRUE(all_of(number, digits)) << text;
    ++count;
    const std::string series = text.substr(0, space);
    const std::size_t brace = series.find('{');
    ASSERT_TRUE(series.starts_with("pli_") && all_of(series.substr(0, brace), name_chars)) << text;
    if (brace == std::string::npos) continue;
    const std::size_t quote = series.find("=\"", brace);
    ASSERT_TRUE(quote != std::string::npos && series.ends_with("\"}") && quote + 4 < series.size()) << text;
    const std::string label = series.substr(brace + 1, quote - brace - 1);
    const std::string value = series.substr(quote + 2, series.size() - quote - 4);
    ASSERT_TRUE(all_of(label, name_chars)) << text;
    labels.insert(label);
    if (label == "instance_kind")
      EXPECT_TRUE(kinds.contains(value)) << text;
    else
      EXPECT_TRUE(value == "+Inf" || all_of(value, digits)) << text;
  }
  EXPECT_EQ(labels, (std::set<std::string>{"instance_kind", "le"}));
  EXPECT_GT(count, 40U);
  EXPECT_NE(metrics.find("\npli_unread_cases{instance_kind=\"ged\"} 2\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_oldest_unread_seconds{instance_kind=\"ged\"} 10800\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_oldest_unread_seconds{instance_kind=\"clir\"} -1\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_late_cases{instance_kind=\"ged\"} 4\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_escalated_cases{instance_kind=\"ged\"} 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_escalated_cases{instance_kind=\"cpraf\"} 0\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_erasures_due 3\n"), std::string::npos);
  const auto told = nlohmann::json::parse(to_json(well(), noon));
  EXPECT_EQ(told["late"]["ged"]["cases"], 4);
  EXPECT_EQ(told["late"]["ged"]["escalated"], 1);
  EXPECT_EQ(told["erasures_due"], 3);
  EXPECT_NE(metrics.find("\npli_batch_requests_bucket{le=\"2\"} 0\npli_batch_requests_bucket{le=\"4\"} 1\n"),
            std::string::npos);
  EXPECT_NE(metrics.find("\npli_batch_microseconds_sum 700\n"), std::string::npos);
}

TEST(Vitals, TellHowFarTheSelfAuditIsAndWhenTheReleaseKeyEnds) {
  Vitals vitals = well();
  const std::string metrics = to_metrics(vitals, noon);
  EXPECT_NE(metrics.find("\npli_self_audit_rows 5000\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_self_audit_rows_looked_at 640\n"), std::string::npos);
  EXPECT_NE(metrics.find("\npli_release_key_left_seconds 3456000\n"), std::string::npos);
  const auto told = nlohmann::json::parse(to_json(vitals, noon));
  EXPECT_EQ(told["self_audit_rows"], 5000);
  EXPECT_EQ(told["self_audit_rows_looked_at"], 640);
  EXPECT_EQ(told["release_key_left_seconds"], 3'456'000);
  vitals.release_ends_at = noon - 3s;
  EXPECT_NE(to_metrics(vitals, noon).find("\npli_release_key_left_seconds -3\n"), std::string::npos);
  vitals.release_ends_at = {};
  EXPECT_NE(to_metrics(vitals, noon).find("\npli_release_key_left_seconds -1\n"), std::string::npos);
}

TEST(Vitals, TheStateIsTheWorstThatIsKnown) {
  EXPECT_EQ(state_of(Vitals(), noon), "STARTING");
  EXPECT_FALSE(is_serving(Vitals(), noon));
  Vitals vitals = well();
  EXPECT_EQ(state_of(vitals, noon), "ok");
  vitals.backup_at = noon - backup_age_max;
  EXPECT_EQ(state_of(vitals, noon), "ok");
  vitals.backup_at = noon - backup_age_max - 1ms;
  EXPECT_EQ(state_of(vitals, noon), "BACKUP_LATE");
  EXPECT_TRUE(is_serving(vitals, noon));
  vitals.backup_at = {};
  EXPECT_EQ(state_of(vitals, noon), "ok") << "it runs for an hour";
  vitals.directory_not_after = noon + directory_left_min;
  EXPECT_EQ(state_of(vitals, noon), "ok");
  vitals.directory_not_after = noon + directory_left_min - 1ms;
  EXPECT_EQ(state_of(vitals, noon), "DIRECTORY_ENDS");
  vitals.told_at = noon - core_quiet_max;
  EXPECT_EQ(state_of(vitals, noon), "DIRECTORY_ENDS");
  vitals.told_at = noon - core_quiet_max - 1ms;
  EXPECT_EQ(state_of(vitals, noon), "CORE_STALLED");
  EXPECT_FALSE(is_serving(vitals, noon));
  vitals.state = "DISK_RESERVE";
  EXPECT_EQ(state_of(vitals, noon), "DISK_RESERVE");
  EXPECT_FALSE(is_serving(vitals, noon));
  // A state that serves says nothing of a core that hangs, nor of a directory under which all is refused.
  for (const char* state : {"RELEASE_DAMAGED 3", "WITNESSES_MISSING"}) {
    vitals = well();
    vitals.state = state;
    EXPECT_EQ(state_of(vitals, noon), state);
    EXPECT_TRUE(is_serving(vitals, noon));
    vitals.directory_not_after = noon + 1ms;
    EXPECT_TRUE(is_serving(vitals, noon));
    vitals.directory_not_after = noon;
    EXPECT_EQ(state_of(vitals, noon), "DIRECTORY_ENDED");
    EXPECT_FALSE(is_serving(vitals, noon));
    vitals.told_at = noon - core_quiet_max - 1ms;
    EXPECT_EQ(state_of(vitals, noon), "CORE_STALLED");
    EXPECT_FALSE(is_serving(vitals, noon));
  }
}

TEST(Vitals, AreToldThoughTheCoreIsHeldAndWhenItsLogFails) {
  World world;
  BrokerSettings settings = RunningBroker::settings();
  settings.log_unavailable = 1h;
  RunningBroker running(world, settings);
  auto client = running.connect(world.referent);
  ASSERT_TRUE(client.ask(protocol::Hello{}).has_value());
  EXPECT_EQ(running.broker->vitals().connections, 1U);
  // Counted after the answer has left.
  EXPECT_TRUE(eventually([&] { return running.broker->vitals().batch_requests.count > 0; }));
  running.core.hold();
  client.send(protocol::Request{7, protocol::Hello{}});
  EXPECT_NE(running.broker->vitals().state, "STARTING") << "without waiting for the core";
  running.core.fail_from_now_on();
  running.core.release();
  EXPECT_EQ(refusal_of(client.ask(protocol::Hello{})).code, protocol::Code::log_unavailable);
  EXPECT_EQ(running.broker->vitals().state, "LOG_UNAVAILABLE");
}

}  // namespace
}  // namespace pli::broker
