// What a peer may push against the part of the broker that faces the network: each limit is reached at the value the
// broker starts with, and one above it is refused by its code or held back.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <mutex>

#include "base/file.hpp"
#include "broker/config.hpp"
#include "broker/gate.hpp"
#include "broker/gate_session.hpp"
#include "broker/log.hpp"
#include "broker/spool.hpp"
#include "protocol/limits.hpp"
#include "tests/broker/front_world.hpp"

namespace pli::broker {
namespace {

using protocol::Code;
using testing::RawClient;
using namespace std::chrono_literals;

constexpr auto patience = 20s;

protocol::Reply expect_reply(RawClient& client) {
  auto reply = client.receive(patience);
  if (!reply) {
    ADD_FAILURE() << "no reply in time";
    return {};
  }
  return *std::move(reply);
}

std::string refusal_in(const protocol::Reply& reply) {
  const auto* refusal = std::get_if<protocol::Refusal>(&reply.body);
  return refusal == nullptr ? "" : protocol::to_text(*refusal);
}

bool said_hello(const protocol::Reply& reply) { return std::holds_alternative<protocol::HelloReply>(reply.body); }

// ---- the transport -----------------------------------------------------------------------------------------------

TEST(TransportLimits, TheLargestMessageTheTransportTakesIsAnsweredAndOneByteMoreEndsItsConnection) {
  // The limit is of what travels, and CURVE adds its command's name, nonce, tag and flags.
  constexpr std::size_t curve_bytes = 8 + 8 + 16 + 1;
  World world;
  RunningBroker running(world);
  auto client = running.connect(world.referent);
  client.send_frames({Bytes(protocol::transport_bytes_max - curve_bytes)});
  EXPECT_EQ(refusal_in(expect_reply(client)), "TOO_LARGE(request)");
  EXPECT_EQ(running.core.forgotten(), 0U);
  ASSERT_TRUE(client.ask(protocol::Hello{})) << "the connection still serves";

  client.send_frames({Bytes(protocol::transport_bytes_max - curve_bytes + 1)});
  EXPECT_TRUE(eventually([&] { return running.core.forgotten() == 1; })) << "the disconnection was noticed";
}

TEST(TransportLimits, AMessageThatIsTooLargeIsAnsweredUnderTheLongestIdThereIs) {
  World world;
  RunningBroker running(world);
  auto client = running.connect(world.referent);
  Bytes largest = {0x08};  // field 1, and the ten bytes of the largest number
  largest.insert(largest.end(), 9, 0xff);
  Bytes longer = largest;
  largest.push_back(0x01);
  longer.insert(longer.end(), {0xff, 0x01});
  for (Bytes* message : {&largest, &longer}) message->resize(protocol::message_bytes_max + 1);
  client.send_frames({largest});
  protocol::Reply reply = expect_reply(client);
  EXPECT_EQ(reply.id, UINT64_MAX);
  EXPECT_EQ(refusal_in(reply), "TOO_LARGE(request)");
  client.send_frames({longer});
  reply = expect_reply(client);
  EXPECT_EQ(reply.id, 0U) << "a number of eleven bytes is none";
  EXPECT_EQ(refusal_in(reply), "TOO_LARGE(request)");
}

TEST(TransportLimits, AnIdentityHasTwoHundredAndFiftySixRequestsUnderWayAndTheNextIsBusy) {
  World world;
  RunningBroker running(world);
  auto client = running.connect(world.referent);
  ASSERT_TRUE(client.ask(protocol::Hello{}));
  running.core.hold();
  for (std::uint64_t id = 1; id <= protocol::in_flight_max; ++id) client.send(protocol::Request{id, protocol::Hello{}});
  ASSERT_TRUE(eventually([&] { return running.broker->counts().under_way == protocol::in_flight_max; }));
  client.send(protocol::Request{999, protocol::Hello{}});
  const protocol::Reply busy = expect_reply(client);
  EXPECT_EQ(busy.id, 999U);
  EXPECT_EQ(std::get<protocol::Refusal>(busy.body).code, Code::busy);
  running.core.release();
  for (std::uint64_t id = 1; id <= protocol::in_flight_max; ++id) EXPECT_TRUE(said_hello(expect_reply(client)));
}

TEST(TransportLimits, TheGateHoldsFourThousandAndNinetySixRequestsAndTheNextIsBusy) {
  World world;
  BrokerSettings settings = RunningBroker::settings();
  settings.transport.in_flight_max = 2 * protocol::gate_queue_max;
  settings.transport.backlog_messages_max = 2 * protocol::gate_queue_max;
  RunningBroker running(world, settings);
  auto client = running.connect(world.referent);
  ASSERT_TRUE(client.ask(protocol::Hello{}));
  running.core.hold();
  for (std::uint64_t id = 1; id <= protocol::gate_queue_max; ++id)
    client.send(protocol::Request{id, protocol::Hello{}});
  ASSERT_TRUE(eventually([&] { return running.broker->counts().under_way == protocol::gate_queue_max; }));
  client.send(protocol::Request{9999, protocol::Hello{}});
  const protocol::Reply busy = expect_reply(client);
  EXPECT_EQ(busy.id, 9999U);
  EXPECT_EQ(std::get<protocol::Refusal>(busy.body).code, Code::busy);
  running.core.release();
  for (std::uint64_t id = 1; id <= protocol::gate_queue_max; ++id) ASSERT_TRUE(said_hello(expect_reply(client)));
}

// ---- the gate ----------------------------------------------------------------------------------------------------

TEST(GateLimits, OneIdentityHasATurnOfSixteenAndThenItIsTheOthers) {
  World world;
  TestFolder folder;
  ManualClock clock(world_time);
  DirectoryInForce directory(world.directory);
  auto spool = Spool::open(folder.path() / "spool", {}).value();
  Verifier verifier(directory, world.release_keys(), *spool, clock, protocol::exchange_bytes_max);
  std::mutex mutex;
  std::vector<std::pair<crypto::CurvePublic, std::size_t>> turns;
  GateSinks sinks;
  sinks.to_core = [&](std::vector<VerifiedRequest> requests) {
    std::lock_guard lock(mutex);
    turns.emplace_back(requests.front().peer.key, requests.size());
  };
  sinks.answer = [](const std::vector<Outgoing>&) { ADD_FAILURE() << "nothing here is answered by the gate"; };
  const auto greedy = world.referent.public_identity().curve;
  const auto modest = world.other.public_identity().curve;
  std::vector<Incoming> messages;
  const auto add = [&](const crypto::CurvePublic& key) {
    Incoming message;
    message.peer = {{0, 0, 0, 0, 1}, key};
    message.frames = {protocol::encode(protocol::Request{1, protocol::Hello{}})};
    messages.push_back(std::move(message));
  };
  for (std::size_t i = 0; i < gate_turn_messages_max + 1; ++i) add(greedy);
  for (std::size_t i = 0; i < gate_turn_messages_max; ++i) add(modest);
  Gate gate(verifier, std::move(sinks), 1);
  gate.push(std::move(messages));
  gate.finish();
  EXPECT_EQ(turns, (std::vector<std::pair<crypto::CurvePublic, std::size_t>>{
                       {greedy, gate_turn_messages_max}, {modest, gate_turn_messages_max}, {greedy, 1}}));
}

TEST(GateLimits, OneIdentityHasThirtyTwoRequestsUnansweredAndItsNextWaitsForAnAnswer) {
  World world;
  TestFolder folder;
  ManualClock clock(world_time);
  DirectoryInForce directory(world.directory);
  auto spool = Spool::open(folder.path() / "spool", {}).value();
  Verifier verifier(directory, world.release_keys(), *spool, clock, protocol::exchange_bytes_max);
  std::mutex mutex;
  std::map<crypto::CurvePublic, std::size_t> given;
  GateSinks sinks;
  sinks.to_core = [&](const std::vector<VerifiedRequest>& requests) {
    std::lock_guard lock(mutex);
    for (const VerifiedRequest& request : requests) ++given[request.peer.key];
  };
  sinks.answer = [](const std::vector<Outgoing>&) { ADD_FAILURE() << "nothing here is answered by the gate"; };
  const auto greedy = world.referent.public_identity().curve;
  const auto modest = world.other.public_identity().curve;
  const auto given_of = [&](const crypto::CurvePublic& key) {
    std::lock_guard lock(mutex);
    return given[key];
  };
  const auto message_of = [](const crypto::CurvePublic& key) {
    Incoming message;
    message.peer = {{0, 0, 0, 0, 1}, key};
    message.frames = {protocol::encode(protocol::Request{1, protocol::Hello{}})};
    return message;
  };
  Gate gate(verifier, std::move(sinks), 1);
  std::vector<Incoming> messages;
  for (std::size_t i = 0; i < gate_unanswered_max + 2; ++i) messages.push_back(message_of(greedy));
  gate.push(std::move(messages));
  ASSERT_TRUE(eventually([&] { return given_of(greedy) == gate_unanswered_max; }));
  std::vector<Incoming> late;
  late.push_back(message_of(modest));
  gate.push(std::move(late));  // behind all of the other's, and served first
  ASSERT_TRUE(eventually([&] { return given_of(modest) == 1; }));
  EXPECT_EQ(given_of(greedy), gate_unanswered_max);
  gate.answered({greedy});
  ASSERT_TRUE(eventually([&] { return given_of(greedy) == gate_unanswered_max + 1; }));
  gate.finish();
  EXPECT_EQ(given_of(greedy), gate_unanswered_max + 2) << "finish() leaves nothing behind";
}

TEST(GateLimits, TheSharedKeysOfFourThousandAndNinetySixSessionsAreKept) {
  std::size_t computed = 0;
  const crypto::BoxPair broker = crypto::BoxPair::generate();
  const crypto::BoxPair client = crypto::BoxPair::generate();
  ReleaseKeys keys;
  keys.shared = [&](std::uint32_t, const crypto::BoxPublic&) {
    ++computed;
    return client.shared_with(broker.public_key());
  };
  keys.public_key = [&](std::uint32_t) { return std::optional(broker.public_key()); };
  SessionKeys sessions(keys);
  const auto hear_from = [&](std::size_t number) {
    crypto::BoxPublic session{};
    session.bytes[0] = static_cast<std::uint8_t>(number);
    session.bytes[1] = static_cast<std::uint8_t>(number >> 8);
    EXPECT_TRUE(sessions.shared(world_epoch, session));
    return computed;
  };
  for (std::size_t i = 0; i < sessions_kept_max; ++i) EXPECT_EQ(hear_from(i), i + 1);
  EXPECT_EQ(hear_from(0), sessions_kept_max) << "known, and now the most recent";
  EXPECT_EQ(hear_from(sessions_kept_max), sessions_kept_max + 1) << "one more";
  EXPECT_EQ(hear_from(0), sessions_kept_max + 1) << "still known";
  EXPECT_EQ(hear_from(1), sessions_kept_max + 2) << "the one unheard from for longest made room";
}

TEST(GateLimits, TheCoreIsGivenTwoHundredAndFiftySixRequestsAtOnceAndTheRestWaits) {
  HandOver<std::size_t> inbox;
  for (std::size_t i = 0; i <= protocol::batch_requests_max; ++i) inbox.give(i);
  const auto now = std::chrono::steady_clock::now();
  const std::vector<std::size_t> batch = inbox.take(protocol::batch_requests_max, now);
  ASSERT_EQ(batch.size(), protocol::batch_requests_max);
  EXPECT_EQ(batch.back(), protocol::batch_requests_max - 1) << "oldest first";
  EXPECT_EQ(inbox.take(protocol::batch_requests_max, now), (std::vector<std::size_t>{protocol::batch_requests_max}));
}

// ---- the spool ---------------------------------------------------------------------------------------------------

class SpoolLimit : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    rlimit limit{};  // each part is an open file
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  /// The first chunk of a part that exists nowhere else.
  static protocol::PutChunk first_chunk(std::size_t number, std::uint64_t size) {
    protocol::PutChunk chunk;
    chunk.part[0] = static_cast<std::uint8_t>(number);
    chunk.part[1] = static_cast<std::uint8_t>(number >> 8);
    chunk.part_size = size;
    chunk.bytes = Bytes(std::min<std::uint64_t>(size, protocol::chunk_bytes_max));
    return chunk;
  }
  std::string put(std::uint8_t owner, const protocol::PutChunk& chunk) {
    const auto out = spool_->put({{owner}}, chunk, protocol::exchange_bytes_max, now_);
    const auto* refusal = std::get_if<protocol::Refusal>(&out);
    if (refusal != nullptr) return std::string(protocol::text_of(refusal->code));
    stored_ = std::get<protocol::ChunkStored>(out);
    return "";
  }
  TestFolder folder_;
  std::unique_ptr<Spool> spool_ = Spool::open(folder_.path() / "spool", {}).value();
  SteadyTime now_ = std::chrono::steady_clock::now();
  protocol::ChunkStored stored_;
};

TEST_F(SpoolLimit, HoldsFiveHundredAndTwelvePartsOfEverybodyAndTheNextIsBusy) {
  const std::size_t parts_max = SpoolLimits().parts_max;
  for (std::size_t i = 0; i < parts_max; ++i) {
    const auto owner = static_cast<std::uint8_t>(i / protocol::spool_parts_per_identity_max);
    ASSERT_EQ(put(owner, first_chunk(i, 10)), "") << i;
  }
  EXPECT_EQ(put(200, first_chunk(parts_max, 10)), "BUSY") << "though this one holds none";
  spool_->drop({{0}}, first_chunk(0, 10).part);
  EXPECT_EQ(put(200, first_chunk(parts_max, 10)), "");
}

TEST_F(SpoolLimit, ReservesFourExchangesForOneIdentityAndNotAByteMore) {
  for (std::size_t i = 0; i < 3; ++i) ASSERT_EQ(put(1, first_chunk(i, protocol::exchange_bytes_max)), "");
  ASSERT_EQ(put(1, first_chunk(3, protocol::exchange_bytes_max - 1)), "");
  EXPECT_EQ(put(1, first_chunk(4, 2)), "BUSY");
  EXPECT_EQ(put(1, first_chunk(4, 1)), "");
  EXPECT_EQ(spool_->reserved_bytes(), protocol::spool_bytes_per_identity_max);
}

TEST_F(SpoolLimit, TakesAPartOfAnExchangesSizeAndNoLargerOne) {
  EXPECT_EQ(put(1, first_chunk(0, protocol::exchange_bytes_max + 1)), "TOO_LARGE");
  EXPECT_EQ(put(1, first_chunk(0, protocol::exchange_bytes_max)), "");
}

TEST_F(SpoolLimit, GivesCreditForWhatIsMissingAndForEightChunksAtMost) {
  const auto credit_for = [&](std::size_t missing) {
    EXPECT_EQ(put(1, first_chunk(missing, (missing + 1) * protocol::chunk_bytes_max)), "");
    return stored_.credit;
  };
  EXPECT_EQ(credit_for(protocol::chunk_credit - 1), protocol::chunk_credit - 1);
  EXPECT_EQ(credit_for(protocol::chunk_credit), protocol::chunk_credit);
  EXPECT_EQ(credit_for(protocol::chunk_credit + 1), protocol::chunk_credit);
}

// ---- the configuration -------------------------------------------------------------------------------------------

class ConfigLimit : public ::testing::Test {
 protected:
  /// "" or the failure's code.
  std::string load(const std::string& more, std::size_t bytes = 0) {
    std::string text = R"(endpoint = "tcp://127.0.0.1:7789"
log = "pli.essai.example/pli/89"
shard = "2026-1"
data_folder = "data"
key_folder = "keys"
leases = "keys/leases"
leases_copy = "copy/leases"
outside_checkpoint = "copy/checkpoint"
)" + more + "\n";
    if (bytes != 0) text.resize(bytes, '\n');
    std::ofstream(folder_.path() / "broker.toml") << text;
    const auto config = load_config(folder_.path() / "broker.toml");
    return config ? "" : name_of(config.error().code);
  }
  TestFolder folder_;
};

TEST_F(ConfigLimit, EachNumberIsTakenAtBothItsEndsAndRefusedBeyond) {
  struct Range {
    const char* key;
    std::uint64_t low;
    std::uint64_t high;
  };
  for (const Range& range : {Range{"threads", 0, 256}, Range{"limits.exchange_bytes_max", 1024, 8 * 1024 * 1024},
                             Range{"limits.in_flight_max", 1, protocol::in_flight_max},
                             Range{"limits.refusals_per_minute_max", 1, protocol::refusals_per_minute_max},
                             Range{"limits.spool_bytes_max", 2 * protocol::exchange_bytes_max, std::uint64_t{1} << 40},
                             Range{"limits.log_unavailable_seconds", 0, 3600}}) {
    const auto with = [&](std::uint64_t value) { return load(std::string(range.key) + " = " + std::to_string(value)); };
    EXPECT_EQ(with(range.low), "") << range.key;
    EXPECT_EQ(with(range.high), "") << range.key;
    EXPECT_EQ(with(range.high + 1), "invalid_input") << range.key;
    if (range.low == 0) continue;
    EXPECT_EQ(with(range.low - 1), "invalid_input") << range.key;
  }
}

TEST_F(ConfigLimit, AFileOfSixtyFourKibibytesIsReadAndALargerOneIsNot) {
  EXPECT_EQ(load("", 64 * 1024), "");
  EXPECT_EQ(load("", 64 * 1024 + 1), "over_limit");
}

// ---- the log -----------------------------------------------------------------------------------------------------

class LogFile : public ::testing::Test {
 protected:
  ~LogFile() override { close_log(); }
  void open(bool quiet = false) { ASSERT_TRUE(open_log({folder(), quiet})); }
  [[nodiscard]] std::filesystem::path folder() const { return folder_.path() / "log"; }
  /// Every line written, after closing.
  std::vector<std::string> lines() {
    close_log();
    std::ifstream in(folder() / "pli-broker.log");
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  TestFolder folder_;
};

TEST_F(LogFile, HoldsOneLineOfJsonForEachEvent) {
  open();
  log(LogLevel::info, "started", {{"endpoint", LocalText{"tcp://127.0.0.1:1"}}, {"threads", std::uint64_t{4}}});
  log(LogLevel::error, "failed", {{"code", Errc::io_error}, {"where", "store"}});
  const auto written = lines();
  ASSERT_EQ(written.size(), 2U);
  EXPECT_NE(written[0].find(R"("level":"info","event":"started","endpoint":"tcp://127.0.0.1:1","threads":4})"),
            std::string::npos)
      << written[0];
  EXPECT_NE(written[1].find(R"("level":"error","event":"failed","code":"io_error","where":"store"})"),
            std::string::npos)
      << written[1];
  log(LogLevel::error, "nobody listens");
  EXPECT_EQ(lines().size(), 2U) << "closed";
}

TEST_F(LogFile, OneEventIsOneLineWhateverALocalTextHolds) {
  open();
  log(LogLevel::info, "path", {{"path", LocalText{"a\n{\"event\":\"forged\"}\"\\\x1b[31m"}}});
  const auto written = lines();
  ASSERT_EQ(written.size(), 1U);
  EXPECT_NE(written[0].find(R"(a\u000a{\"event\":\"forged\"}\"\\\u001b[31m)"), std::string::npos) << written[0];
}

/// Whether a value of this type can stand in a log line.
template <class T>
concept Loggable = requires(Word key, T value) {
  LogField(key, value);
};

TEST_F(LogFile, TakesNothingAPeerCouldHaveWritten) {
  // Text becomes a field only as a literal of ours, or where its call says that it comes from this machine.
  static_assert(Loggable<std::uint64_t> && Loggable<Errc> && Loggable<LocalText>);
  static_assert(!Loggable<std::string> && !Loggable<std::string_view> && !Loggable<const char*>);
  static_assert(!Loggable<Bytes> && !Loggable<ByteView> && !Loggable<Digest> && !Loggable<crypto::CurvePublic>);

  open();
  World world;
  const std::string marked = "Xyzzy-of-a-peer";
  {
    RunningBroker running(world);
    RawClient::Options options;
    options.routing_id = marked;
    auto client = running.connect(world.referent, options);
    client.send_frames({to_bytes(marked)});
    EXPECT_EQ(refusal_in(expect_reply(client)), "INVALID(request)");
    protocol::Submit submit{world.seal(world.referent, "a.martin")};
    append(submit.envelope.address, as_bytes(marked));
    client.send(protocol::Request{1, submit});
    EXPECT_NE(refusal_in(expect_reply(client)), "");
    auto stranger = running.connect(world.stranger, options);
    EXPECT_EQ(stranger.handshake(patience), RawClient::Handshake::refused);
    running.core.fail_from_now_on();
    client.send(protocol::Request{2, protocol::List{"ged/89", {}, 1}});
    EXPECT_EQ(refusal_in(expect_reply(client)), "LOG_UNAVAILABLE");
  }
  const auto written = lines();
  ASSERT_FALSE(written.empty());
  const std::string key = to_hex(world.referent.public_identity().curve.bytes);
  for (const std::string& line : written) {
    EXPECT_EQ(line.find(marked), std::string::npos) << line;
    EXPECT_EQ(line.find(key), std::string::npos) << line;
    EXPECT_EQ(line.find("a.martin"), std::string::npos) << line;
  }
}

TEST_F(LogFile, IsEightFilesOfSixteenMebibytesAtMost) {
  open();
  constexpr std::size_t file_bytes_max = 16 * 1024 * 1024;
  constexpr std::size_t files_max = 8;
  const std::string text(1024 * 1024, 'x');
  const auto files = [&] {
    std::vector<std::uintmax_t> sizes;
    for (const auto& entry : std::filesystem::directory_iterator(folder())) sizes.push_back(entry.file_size());
    return sizes;
  };
  // A little more than all of them hold. The thousand lines that may wait are never reached: each is seen on disk
  // first.
  std::uintmax_t last = 0;
  for (std::size_t i = 0; i < (files_max + 1) * file_bytes_max / text.size(); ++i) {
    log(LogLevel::info, "filled", {{"text", LocalText{text}}});
    ASSERT_TRUE(eventually([&] {
      std::error_code ignored;
      const auto size = std::filesystem::file_size(folder() / "pli-broker.log", ignored);
      return !ignored && size != 0 && std::exchange(last, size) != size;
    }));
  }
  close_log();
  const auto sizes = files();
  EXPECT_EQ(sizes.size(), files_max);
  for (const auto size : sizes) EXPECT_LE(size, file_bytes_max);
}

TEST_F(LogFile, QuietKeepsWarningsAndErrors) {
  open(true);
  log(LogLevel::info, "unheard");
  log(LogLevel::warning, "heard");
  log(LogLevel::error, "heard too");
  EXPECT_EQ(lines().size(), 2U);
}

}  // namespace
}  // namespace pli::broker
