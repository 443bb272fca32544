#include "broker/config.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/broker/front_world.hpp"

namespace pli::broker {
namespace {

class ConfigFile : public ::testing::Test {
 protected:
  Result<Config> load(const std::string& text) {
    std::ofstream(folder_.path() / "broker.toml") << text;
    return load_config(folder_.path() / "broker.toml");
  }
  /// The least there must be, without the line of one key, and with more lines.
  static std::string minimal(const std::string& without = "", const std::string& more = "") {
    const std::vector<std::pair<std::string, std::string>> lines = {
        {"endpoint", "\"tcp://127.0.0.1:7789\""},
        {"log", "\"pli.essai.example/pli/89\""},
        {"shard", "\"2026-1\""},
        {"data_folder", "\"data\""},
        {"key_folder", "\"keys\""},
        {"leases", "\"keys/leases\""},
        {"leases_copy", "\"copy/leases\""},
        {"outside_checkpoint", "\"copy/checkpoint\""},
    };
    std::string out;
    for (const auto& [key, value] : lines)
      if (key != without) out += key + " = " + value + "\n";
    return out + more;
  }
  static std::string detail(const Result<Config>& config) { return config ? "" : config.error().detail; }
  TestFolder folder_;
};

TEST_F(ConfigFile, TheExampleLoadsAndNamesEveryDefault) {
  auto example = load_config(std::string(PLI_SOURCE_DIR) + "/config/examples/broker.example.toml");
  ASSERT_TRUE(example) << example.error().detail;
  const ConfigLimits defaults;
  EXPECT_EQ(example->limits.exchange_bytes_max, defaults.exchange_bytes_max);
  EXPECT_EQ(example->limits.in_flight_max, defaults.in_flight_max);
  EXPECT_EQ(example->limits.refusals_per_minute_max, defaults.refusals_per_minute_max);
  EXPECT_EQ(example->limits.spool_bytes_max, defaults.spool_bytes_max);
  EXPECT_EQ(example->limits.disk_reserve_bytes, defaults.disk_reserve_bytes);
  EXPECT_EQ(example->limits.bytes_per_day_max, defaults.bytes_per_day_max);
  EXPECT_EQ(example->limits.acts_per_day_max, defaults.acts_per_day_max);
  EXPECT_EQ(example->limits.log_unavailable, defaults.log_unavailable);
  EXPECT_EQ(example->limits.journal_months, defaults.journal_months);
  EXPECT_EQ(example->limits.self_audit, defaults.self_audit);
  EXPECT_EQ(example->terms, protocol::Terms());
  EXPECT_EQ(example->legal_act, "");
  EXPECT_EQ(example->retour_hour, Config().retour_hour);
  EXPECT_EQ(Config().retour_hour, retour_hour_default);
  EXPECT_EQ(example->threads, Config().threads);
  EXPECT_EQ(example->tiles_folder, "/var/lib/pli-tiles");
  EXPECT_TRUE(example->witnesses_policy.empty()) << "none is named that would be there to ask";
  EXPECT_EQ(example->first_origin(), "pli.prefecture-89.example/pli/89/2026-1");
  EXPECT_EQ(example->health_listen, (LoopbackAddress{false, 7790}));
  EXPECT_EQ(example->startup_secret, SecretSource(SecretCredential{"pli-startup"}));
}

TEST_F(ConfigFile, TheHealthPageIsForThisMachineAlone) {
  EXPECT_FALSE(load(minimal())->health_listen.has_value()) << "none unless asked for";
  EXPECT_EQ(load(minimal("", "health_listen = \"[::1]:80\"\n"))->health_listen, (LoopbackAddress{true, 80}));
  for (const char* address : {"0.0.0.0:80", "127.0.0.1", "example.org:80"})
    EXPECT_EQ(detail(load(minimal("", "health_listen = \"" + std::string(address) + "\"\n"))),
              "health_listen: must be 127.0.0.1:port or [::1]:port");
}

TEST_F(ConfigFile, ATermIsShortenedFreelyAndLengthenedByALegalActAlone) {
  const auto config = load(minimal("", "[terms]\nbref_months = 1\ncourt_months = 2\nparty_months = 6\n"));
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->terms, (protocol::Terms{1, 2, 12, 6}));
  for (const char* longer : {"bref_months = 4", "court_months = 7", "ordinaire_months = 13", "party_months = 7"}) {
    const std::string terms = std::string("[terms]\n") + longer + "\n";
    EXPECT_EQ(detail(load(minimal("", terms))),
              "terms.legal_act: is missing: by which act a term is longer than its default");
    const auto allowed = load(minimal("", terms + "legal_act = \"arrêté n° 2026-12\"\n"));
    ASSERT_TRUE(allowed) << allowed.error().detail;
    EXPECT_EQ(allowed->legal_act, "arrêté n° 2026-12");
  }
  const std::string act(200, 'a');
  const std::string longest = "[terms]\ncourt_months = 60\nlegal_act = \"";
  EXPECT_TRUE(load(minimal("", longest + act + "\"\n")));
  EXPECT_FALSE(load(minimal("", longest + act + "a\"\n")));
}

TEST_F(ConfigFile, ACollectivitesCopiesOutliveTheTimeInWhichItMayAddToItsCase) {
  const auto with = [&](int months) { return load(minimal("", "[terms]\nparty_months = " + std::to_string(months))); };
  EXPECT_EQ(with(3)->terms.party, 3U);
  for (const int months : {1, 2})
    EXPECT_EQ(detail(with(months)),
              "terms.party_months: must be 3 at least: a collectivité may add to a case for 30 days after its retour");
}

TEST_F(ConfigFile, TheHourOfTheRetoursIsOneOfTheDayOrNone) {
  EXPECT_EQ(load(minimal("", "retour_hour = 0\n"))->retour_hour, 0);
  EXPECT_EQ(load(minimal("", "retour_hour = 23\n"))->retour_hour, 23);
  EXPECT_EQ(load(minimal("", "retour_hour = 24\n"))->retour_hour, std::nullopt);
}

TEST_F(ConfigFile, PathsAreRelativeToTheFile) {
  auto config = load(minimal());
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->data_folder, folder_.path() / "data");
  EXPECT_EQ(config->leases_copy, folder_.path() / "copy/leases");
  EXPECT_TRUE(config->log_folder.empty());
  EXPECT_FALSE(config->startup_secret);
}

TEST_F(ConfigFile, AnUnknownKeyIsRefusedAndNamed) {
  EXPECT_NE(detail(load(minimal("", "endpont = \"x\"\n"))).find("endpont"), std::string::npos);
  EXPECT_NE(detail(load(minimal("", "[limits]\nexchange_byte_max = 5000\n"))).find("limits.exchange_byte_max"),
            std::string::npos);
  EXPECT_NE(detail(load(minimal("", "[quotas]\n"))).find("quotas"), std::string::npos);
}

TEST_F(ConfigFile, EachRequiredKeyIsMissed) {
  for (const char* key :
       {"endpoint", "log", "shard", "data_folder", "key_folder", "leases", "leases_copy", "outside_checkpoint"}) {
    auto config = load(minimal(key));
    ASSERT_FALSE(config) << key;
    EXPECT_EQ(config.error().code, Errc::invalid_input);
    EXPECT_EQ(config.error().detail, std::string(key) + ": is missing");
  }
}

TEST_F(ConfigFile, ValuesOutOfRangeAreRefused) {
  for (const char* line : {"retour_hour = 25",
                           "retour_hour = -1",
                           "threads = 257",
                           "threads = -1",
                           "threads = \"2\"",
                           "threads = 1.5",
                           "startup_secret = 2",
                           "startup_secret = \"credential:../key\"",
                           "startup_secret = true",
                           "[limits]\nexchange_bytes_max = 8388609",
                           "[limits]\nexchange_bytes_max = 1023",
                           "[limits]\nin_flight_max = 0",
                           "[limits]\nin_flight_max = 257",
                           "[limits]\nrefusals_per_minute_max = 31",
                           "[limits]\nspool_bytes_max = 16777215",
                           "[limits]\ndisk_reserve_bytes = 134217727",
                           "[limits]\nbytes_per_day_max = 8388607",
                           "[limits]\nacts_per_day_max = 99",
                           "[limits]\nlog_unavailable_seconds = 3601",
                           "[limits]\njournal_months = 5",
                           "[limits]\njournal_months = 61",
                           "[limits]\nself_audit_hours = 0",
                           "[limits]\nself_audit_hours = 169",
                           "[terms]\nbref_months = 0",
                           "[terms]\nordinaire_months = 61\nlegal_act = \"arrêté\"",
                           "[terms]\nlegal_act = \"deux\\nlignes\"",
                           "limits = 3"}) {
    auto config = load(minimal("", std::string(line) + "\n"));
    ASSERT_FALSE(config) << line;
    EXPECT_EQ(config.error().code, Errc::invalid_input) << line;
  }
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{{"endpoint", "ipc:///tmp/x"},
                                                                                   {"log", "Pli/89"},
                                                                                   {"shard", "2026"},
                                                                                   {"shard", "2026-0"},
                                                                                   {"shard", "26-1"},
                                                                                   {"data_folder", ""}}) {
    EXPECT_FALSE(load(minimal(key, key + " = \"" + value + "\"\n"))) << key << " " << value;
  }
}

TEST_F(ConfigFile, WhatOutlivesABackupMustLieOutsideTheDataFolder) {
  for (const char* key : {"key_folder", "leases", "leases_copy", "outside_checkpoint"}) {
    for (const char* inside : {"data/x", "data", "copy/../data/x"}) {
      auto config = load(minimal(key, std::string(key) + " = \"" + inside + "\"\n"));
      ASSERT_FALSE(config) << key << " in " << inside;
    }
  }
  EXPECT_TRUE(load(minimal("leases", "leases = \"data-leases\"\n")));
  EXPECT_FALSE(load(minimal("data_folder", "data_folder = \"keys/data\"\n")));
  EXPECT_FALSE(load(minimal("leases_copy", "leases_copy = \"copy/../keys/leases\"\n")));
}

TEST_F(ConfigFile, TheTilesFolderIsForAnybodyToReadAndHoldsNothingElse) {
  EXPECT_TRUE(load(minimal())->tiles_folder.empty());
  EXPECT_EQ(load(minimal("", "tiles_folder = \"tiles\"\n"))->tiles_folder, folder_.path() / "tiles");
  for (const char* inside : {"data", "data/tiles", "keys", "keys/tiles", "copy/../keys/x"})
    EXPECT_NE(detail(load(minimal("", std::string("tiles_folder = \"") + inside + "\"\n"))).find("tiles_folder"),
              std::string::npos)
        << inside;
  for (const char* key : {"data_folder", "key_folder", "leases", "leases_copy", "outside_checkpoint"}) {
    const std::string lines = std::string(key) + " = \"tiles/x\"\ntiles_folder = \"tiles\"\n";
    EXPECT_NE(detail(load(minimal(key, lines))).find("must lie outside"), std::string::npos) << key;
  }
}

TEST_F(ConfigFile, WitnessesAreNamedByAPolicyFile) {
  EXPECT_TRUE(load(minimal())->witnesses_policy.empty());
  EXPECT_EQ(load(minimal("", "[witnesses]\npolicy = \"witnesses.policy\"\n"))->witnesses_policy,
            folder_.path() / "witnesses.policy");
  EXPECT_EQ(detail(load(minimal("", "[witnesses]\n"))), "witnesses.policy: is missing");
  EXPECT_NE(detail(load(minimal("", "[witnesses]\npolicy = \"p\"\nquorum = 2\n"))).find("witnesses.quorum"),
            std::string::npos);
  EXPECT_NE(detail(load(minimal("", "witnesses = 3\n"))).find("must be a table"), std::string::npos);
}

TEST_F(ConfigFile, TheStartupSecretComesFromADescriptorACredentialOrAFile) {
  EXPECT_EQ(load(minimal("", "startup_secret = 3\n"))->startup_secret, SecretSource(SecretDescriptor{3}));
  EXPECT_EQ(load(minimal("", "startup_secret = \"credential:pli\"\n"))->startup_secret,
            SecretSource(SecretCredential{"pli"}));
  EXPECT_EQ(load(minimal("", "startup_secret = \"secret\"\n"))->startup_secret,
            SecretSource(SecretFile{folder_.path() / "secret"}));
}

TEST_F(ConfigFile, BrokenTomlNamesItsLine) {
  EXPECT_NE(detail(load("endpoint = \"tcp://127.0.0.1:1\"\nlog = \n")).find("line 2"), std::string::npos);
  EXPECT_EQ(load_config(folder_.path() / "absent.toml").error().code, Errc::not_found);
}

}  // namespace
}  // namespace pli::broker
