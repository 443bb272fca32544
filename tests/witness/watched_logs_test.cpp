#include "witness/watched_logs.hpp"

#include <gtest/gtest.h>

#include "tests/witness/growing_log.hpp"

namespace pli::witness {
namespace {

using pli::testing::GrowingLog;
using pli::testing::key_of;
using pli::testing::watched_log;

std::size_t keys_in(std::string_view text, std::string_view origin) {
  const auto logs = WatchedLogs::parse(text);
  EXPECT_TRUE(logs) << logs.error().detail;
  return logs->keys_of(origin).size();
}

TEST(WatchedLogsTest, ALogLineWatchesOneOriginAndSeveralItsSeveralKeys) {
  const GrowingLog one("log.example/one", 1);
  const GrowingLog again("log.example/one", 2);
  const std::string text = "# ours\n\n" + log_line(one.key()) + log_line(again.key());
  const auto keys = WatchedLogs::parse(text)->keys_of("log.example/one");
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0], one.key());
  EXPECT_EQ(keys[1], again.key());
  EXPECT_EQ(keys_in(text, "log.example/two"), 0U);
  EXPECT_EQ(keys_in(text, ""), 0U);
}

TEST(WatchedLogsTest, ALogKeyLineWatchesEveryShardAndNothingElse) {
  const std::string text = log_key_line(watched_log, key_of(1).public_key());
  for (const char* shard : {"/2026-1", "/2026-12", "/1000-1", "/9999-9999"})
    EXPECT_EQ(keys_in(text, std::string(watched_log) + shard), 1U) << shard;
  for (const char* other : {"", "/", "/2026", "/2026-", "/2026-0", "/2026-01", "/999-1", "/10000-1", "/2026-10000",
                            "/2026-1/", "/x-1", "/2026-1-1", "0/2026-1", "//2026-1", "/2026-1 "})
    EXPECT_EQ(keys_in(text, std::string(watched_log) + other), 0U) << other;
  const auto key = WatchedLogs::parse(text)->keys_of(std::string(watched_log) + "/2026-1").front();
  EXPECT_EQ(key.name, std::string(watched_log) + "/2026-1");
  EXPECT_EQ(key.key, key_of(1).public_key());
}

TEST(WatchedLogsTest, OneKeyFromTwoLinesCountsOnce) {
  const GrowingLog log;
  const std::string text = log_line(log.key()) + log_key_line(watched_log, log.key().key);
  EXPECT_EQ(keys_in(text, log.origin()), 1U);
}

TEST(WatchedLogsTest, WhatIsNoLineOfALogIsRefusedAndNamed) {
  const GrowingLog log;
  const std::string good = log_line(log.key());
  const std::string witness =
      "log " + audit::to_text({"witness.example/w1", audit::KeyType::cosignature, key_of(2).public_key()}) + '\n';
  const std::string hex = to_hex(key_of(1).public_key().bytes);
  std::string other_id = good;
  other_id[other_id.find('+') + 1] ^= 1;
  for (const std::string& line :
       {std::string("logs x\n"), std::string("log\n"), std::string("log \n"), witness, other_id, ' ' + good,
        good.substr(0, good.size() - 1) + " \n", "log-key a " + hex.substr(2) + '\n', "log-key a " + hex + "00\n",
        "log-key  " + hex + '\n', "log-key a+b " + hex + '\n', std::string("log-key a\n"), "log-key A " + hex + '\n',
        good}) {
    const auto logs = WatchedLogs::parse(good + line);
    ASSERT_FALSE(logs) << line;
    EXPECT_EQ(logs.error().code, Errc::invalid_input) << line;
    EXPECT_NE(logs.error().detail.find("line 2"), std::string::npos) << logs.error().detail;
  }
  EXPECT_FALSE(WatchedLogs::parse(good.substr(0, good.size() - 1))) << "no line end";
  EXPECT_TRUE(WatchedLogs::parse(""));
}

TEST(WatchedLogsTest, LimitsHoldAtTheirValueAndRefuseOneMore) {
  std::string text;
  for (std::size_t i = 0; i < watched_logs_max; ++i)
    text += log_key_line("log.example/" + std::to_string(i), key_of(1).public_key());
  EXPECT_EQ(WatchedLogs::parse(text)->size(), watched_logs_max);
  EXPECT_EQ(WatchedLogs::parse(text + log_key_line("log.example/x", key_of(1).public_key())).error().code,
            Errc::over_limit);
  std::string long_one = "#" + std::string(logs_bytes_max - 2, 'x') + "\n";
  EXPECT_TRUE(WatchedLogs::parse(long_one));
  EXPECT_EQ(WatchedLogs::parse('#' + long_one).error().code, Errc::over_limit);
}

}  // namespace
}  // namespace pli::witness
