#include "audit/witness_policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "audit/shard_name.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

constexpr UnixSeconds seen{1700000000};

std::string log_key(std::uint8_t seed, std::string_view name = log_origin) {
  return to_text(verifier_of(name, key_of(seed)));
}
std::string witness_key(std::uint8_t seed, std::string_view name = "w.example") {
  return to_text(VerifierKey{std::string(name), KeyType::cosignature, key_of(seed).public_key()});
}
std::string witness_line(const std::string& name, std::uint8_t seed) {
  return "witness " + name + " " + witness_key(seed) + "\n";
}

/// The example of tlog-policy.md, with our keys.
std::string example_policy() {
  std::string text = "# two levels of groups\nlog " + log_key(1) + "\n\n";
  for (std::uint8_t i = 1; i <= 3; ++i)
    text += witness_line("X" + std::to_string(i), static_cast<std::uint8_t>(10 + i));
  text += "group X-witnesses 2 X1 X2 X3\n";
  for (std::uint8_t i = 1; i <= 3; ++i)
    text += witness_line("Y" + std::to_string(i), static_cast<std::uint8_t>(20 + i));
  text += "group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";
  return text;
}

void expect_refused(const std::string& text, const std::string& because, Errc code = Errc::invalid_input) {
  const auto policy = WitnessPolicy::parse(text);
  ASSERT_FALSE(policy) << because;
  EXPECT_EQ(policy.error().code, code) << because;
  EXPECT_NE(policy.error().detail.find(because), std::string::npos) << policy.error().detail;
}

TEST(WitnessPolicy, OfTheSpecificationWantsTwoOfXAndOneOfY) {
  const auto policy = WitnessPolicy::parse(example_policy());
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_EQ(policy->logs().size(), 1U);
  EXPECT_EQ(policy->witnesses().size(), 6U);
  const std::vector<std::string> names = {"X1", "X2", "X3", "Y1", "Y2", "Y3"};
  for (unsigned set = 0; set < 64; ++set) {
    WitnessNames cosigned;
    for (std::size_t i = 0; i < 6; ++i)
      if ((set >> i & 1U) != 0) cosigned.insert(names[i]);
    const auto of = [&](char group) {
      return std::count_if(cosigned.begin(), cosigned.end(), [&](const auto& name) { return name[0] == group; });
    };
    EXPECT_EQ(policy->is_satisfied_by(cosigned), of('X') >= 2 && of('Y') >= 1) << set;
  }
}

TEST(WitnessPolicy, CountsNoNameItDoesNotDefineAndNoGroupByItsName) {
  const auto policy = WitnessPolicy::parse(example_policy());
  ASSERT_TRUE(policy);
  EXPECT_FALSE(policy->is_satisfied_by({"X1", "x2", "X4", "Y1"}));
  EXPECT_FALSE(policy->is_satisfied_by({"X-witnesses", "Y-witnesses", "X-and-Y"}));
  EXPECT_TRUE(policy->is_satisfied_by({"X1", "X2", "Y1", "stranger"}));
}

TEST(WitnessPolicy, MayAskForNoWitnessAtAll) {
  const auto policy = WitnessPolicy::parse("quorum none\n");
  ASSERT_TRUE(policy);
  EXPECT_TRUE(policy->is_satisfied_by({}));
  EXPECT_TRUE(policy->logs().empty());
}

TEST(WitnessPolicy, MayAskForOneWitnessByName) {
  const auto policy = WitnessPolicy::parse(witness_line("a", 11) + witness_line("b", 12) + "quorum b\n");
  ASSERT_TRUE(policy);
  EXPECT_TRUE(policy->is_satisfied_by({"b"}));
  EXPECT_FALSE(policy->is_satisfied_by({"a"}));
}

TEST(WitnessPolicy, TakesSpacesTabsCommentsUrlsAndAnyOrder) {
  const std::string text = " \t# a comment, accentué\n\t\n\t witness\t a \t" + witness_key(11) +
                           "  https://a.example/ \t\n  quorum   a\nwitness \xC3\xA9\xFF " + witness_key(12) + "\nlog " +
                           log_key(1) + " broker.example\n";
  const auto policy = WitnessPolicy::parse(text);
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_EQ(policy->witnesses()[0].url, "https://a.example/");
  EXPECT_EQ(policy->witnesses()[1].name, "\xC3\xA9\xFF");
  EXPECT_EQ(policy->witnesses()[1].url, "");
  EXPECT_EQ(policy->logs()[0].url, "broker.example");
  EXPECT_EQ(policy->witness_keys()[1].key, key_of(12).public_key());
}

TEST(WitnessPolicy, WithOneRuleBrokenIsRefusedByItsName) {
  const std::string a = witness_line("a", 11);
  const std::string b = witness_line("b", 12);
  const std::string c = witness_line("c", 13);
  expect_refused("", "without a quorum");
  expect_refused(a, "without a quorum");
  expect_refused(a + "quorum a", "line 2: does not end in a line feed");
  expect_refused(a + "quorum a\nquorum a\n", "line 3: a second quorum");
  expect_refused("quorum none\nquorum none\n", "a second quorum");
  expect_refused("quorum a\n" + a, "line 1: a name that is not defined above");
  expect_refused("quorum\n", "quorum <name | none>");
  expect_refused(a + "quorum a a\n", "quorum <name | none>");
  expect_refused(a + "group g all a none\nquorum g\n", "not defined above");
  expect_refused("group none all a\nquorum none\n", "the name none is taken");
  expect_refused("witness none " + witness_key(11) + "\nquorum none\n", "the name none is taken");
  expect_refused(a + "group g any a h\ngroup h any a\nquorum g\n", "not defined above");
  expect_refused(a + "group g any g\nquorum g\n", "not defined above");
  expect_refused(a + witness_line("a", 12) + "quorum a\n", "a name defined twice");
  expect_refused(a + b + "group a any b\nquorum a\n", "a name defined twice");
  expect_refused(a + b + "group g any a\ngroup g any b\nquorum g\n", "a name defined twice");
  expect_refused(a + b + "group g any a b a\nquorum g\n", "a member of two groups");
  expect_refused(a + b + c + "group g any a b\ngroup h any a c\nquorum h\n", "a member of two groups");
  expect_refused(a + b + "group g any a\ngroup h any g\ngroup i any g b\nquorum h\n", "a member of two groups");
  for (const char* k : {"0", "3", "-1", "+1", "01", "1.0", "1e0", "ANY", "each", "18446744073709551617"})
    expect_refused(a + b + "group g " + k + " a b\nquorum g\n", "k is none of 1 to n, any, all");
  expect_refused(a + "group g any\nquorum none\n", "group <name>");
  expect_refused(a + "group g\nquorum none\n", "group <name>");
  expect_refused("witness a\nquorum none\n", "witness <name>");
  expect_refused("witness a " + witness_key(11) + " url more\nquorum none\n", "witness <name>");
  expect_refused("log\nquorum none\n", "log <vkey>");
  expect_refused("log " + log_key(1) + " url more\nquorum none\n", "log <vkey>");
  expect_refused("Quorum none\n", "line 1: unknown word");
  expect_refused("quorum none # not a comment\n", "quorum <name | none>");
}

TEST(WitnessPolicy, WithOneKeyUnderTwoNamesIsRefused) {
  expect_refused(witness_line("a", 11) + "witness b " + witness_key(11, "other.example") + "\nquorum a\n",
                 "the key of another witness");
  expect_refused("log " + log_key(1) + "\nlog " + log_key(1, "other.example/log") + "\nquorum none\n",
                 "the key of another log");
  expect_refused("log " + log_key(1) + "\nlog " + log_key(1) + "\nquorum none\n", "the key of another log");
  // Two keys of one log are two logs, and a log's key may be a witness's.
  EXPECT_TRUE(
      WitnessPolicy::parse("log " + log_key(1) + "\nlog " + log_key(2) + "\n" + witness_line("a", 1) + "quorum a\n"));
}

TEST(WitnessPolicy, WithAKeyOfTheOtherTypeOrDamagedIsRefused) {
  expect_refused("log " + witness_key(1) + "\nquorum none\n", "a key of the wrong type");
  expect_refused("witness a " + log_key(1) + "\nquorum none\n", "a key of the wrong type");
  std::string key = log_key(1);
  key.back() = key.back() == 'c' ? 'd' : 'c';
  expect_refused("log " + key + "\nquorum none\n", "line 1: ");
}

TEST(WitnessPolicy, WithAByteOutsideItsSetIsRefused) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = "# " + std::string(1, static_cast<char>(byte)) + "\nquorum none\n";
    const bool allowed = byte == '\t' || byte == '\n' || (byte >= 0x20 && byte != 0x7F);
    EXPECT_EQ(WitnessPolicy::parse(text).has_value(), allowed) << byte;
  }
}

std::string many_witnesses(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += witness_line("w" + std::to_string(i), static_cast<std::uint8_t>(i));
  return text;
}
std::string many_logs(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "log " + log_key(static_cast<std::uint8_t>(i)) + "\n";
  return text;
}
std::string many_groups(std::size_t count) {
  std::string text = witness_line("g", 1);
  for (std::size_t i = 0; i < count; ++i)
    text += "group g" + std::to_string(i) + " any g" + (i == 0 ? "" : std::to_string(i - 1)) + "\n";
  return text;
}

TEST(WitnessPolicy, AtItsLimitsIsReadAndOneAboveRefused) {
  static_assert(policy_logs_max >= 32 && policy_witnesses_max >= 32 && policy_groups_max >= 32);
  const std::string none = "quorum none\n";
  EXPECT_TRUE(WitnessPolicy::parse(many_witnesses(policy_witnesses_max) + none));
  expect_refused(many_witnesses(policy_witnesses_max + 1) + none, "too many witnesses", Errc::over_limit);
  EXPECT_TRUE(WitnessPolicy::parse(many_logs(policy_logs_max) + none));
  expect_refused(many_logs(policy_logs_max + 1) + none, "too many logs", Errc::over_limit);
  EXPECT_TRUE(WitnessPolicy::parse(many_groups(policy_groups_max) + none));
  expect_refused(many_groups(policy_groups_max + 1) + none, "too many groups", Errc::over_limit);

  const std::string name(policy_field_bytes_max, 'n');
  EXPECT_TRUE(WitnessPolicy::parse(witness_line(name, 1) + "quorum " + name + "\n"));
  expect_refused(witness_line(name + 'n', 1) + none, "field too long", Errc::over_limit);
  const std::string padding = "#" + std::string(policy_bytes_max - none.size() - 2, '.') + "\n";
  EXPECT_TRUE(WitnessPolicy::parse(padding + none));
  expect_refused("#" + padding + none, "policy too long", Errc::over_limit);
}

/// A random policy beside the rule it spells, evaluated by its definition.
class RandomPolicy {
 public:
  explicit RandomPolicy(unsigned seed) : random_(seed) {
    const std::size_t witnesses = 1 + random_() % 12;
    for (std::size_t i = 0; i < witnesses; ++i) {
      text_ += witness_line("w" + std::to_string(i), static_cast<std::uint8_t>(i));
      nodes_.push_back({"w" + std::to_string(i), 0, {}});
      free_.push_back(i);
    }
    const std::size_t groups = random_() % 8;
    for (std::size_t g = 0; g < groups && !free_.empty(); ++g) add_group(g);
    quorum_ = random_() % nodes_.size();
    text_ += "quorum " + nodes_[quorum_].name + "\n";
  }
  const std::string& text() const { return text_; }
  WitnessNames some_witnesses() {
    WitnessNames names;
    for (const Node& node : nodes_)
      if (node.members.empty() && random_() % 2 == 0) names.insert(node.name);
    return names;
  }
  bool satisfied_by(const WitnessNames& names) const { return satisfied(quorum_, names); }
  WitnessNames all_witnesses() const {
    WitnessNames names;
    for (const Node& node : nodes_)
      if (node.members.empty()) names.insert(node.name);
    return names;
  }

 private:
  struct Node {
    std::string name;
    std::size_t threshold;
    std::vector<std::size_t> members;
  };
  void add_group(std::size_t number) {
    std::shuffle(free_.begin(), free_.end(), random_);
    const std::size_t count = 1 + random_() % free_.size();
    Node group{
        "g" + std::to_string(number), 1 + random_() % count, {free_.end() - static_cast<long>(count), free_.end()}};
    free_.resize(free_.size() - count);
    std::string k = std::to_string(group.threshold);
    if (group.threshold == 1 && random_() % 2 == 0) k = "any";
    if (group.threshold == count && random_() % 2 == 0) k = "all";
    text_ += "group " + group.name + " " + k;
    for (const std::size_t member : group.members) text_ += " " + nodes_[member].name;
    text_ += "\n";
    free_.push_back(nodes_.size());
    nodes_.push_back(std::move(group));
  }
  bool satisfied(std::size_t at, const WitnessNames& names) const {
    const Node& node = nodes_[at];
    if (node.members.empty()) return names.count(node.name) == 1;
    std::size_t reached = 0;
    for (const std::size_t member : node.members) reached += satisfied(member, names) ? 1 : 0;
    return reached >= node.threshold;
  }
  std::mt19937 random_;
  std::string text_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> free_;  // not yet a member
  std::size_t quorum_ = 0;
};

TEST(WitnessPolicyProperty, AnyPolicyIsWhatItsDefinitionSaysAndMoreWitnessesNeverHurt) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomPolicy random(seed);
    const auto policy = WitnessPolicy::parse(random.text());
    ASSERT_TRUE(policy) << random.text() << policy.error().detail;
    EXPECT_FALSE(policy->is_satisfied_by({}));
    EXPECT_TRUE(policy->is_satisfied_by(random.all_witnesses()));
    for (int i = 0; i < 20; ++i) {
      const WitnessNames cosigned = random.some_witnesses();
      const bool satisfied = policy->is_satisfied_by(cosigned);
      EXPECT_EQ(satisfied, random.satisfied_by(cosigned)) << random.text();
      for (const std::string& more : random.all_witnesses()) {
        WitnessNames larger = cosigned;
        larger.insert(more);
        EXPECT_TRUE(!satisfied || policy->is_satisfied_by(larger));
      }
    }
  }
}

/// A checkpoint signed by key_of(1), and cosigned by X1, X2 and Y1.
Note checkpoint_note() {
  MemoryTree tree;
  tree.append(as_bytes("a leaf"));
  Note note = parse_note(sign_checkpoint({std::string(log_origin), tree.size(), tree.root()}, key_of(1))).value();
  for (const std::uint8_t seed : {std::uint8_t{11}, std::uint8_t{12}, std::uint8_t{21}})
    note.signatures.push_back(cosign(note.text, "w.example", key_of(seed), seen));
  return note;
}

TEST(CheckpointByPolicy, WithItsLogAndItsQuorumIsAccepted) {
  const WitnessPolicy policy = WitnessPolicy::parse(example_policy()).value();
  const auto checkpoint = verify_checkpoint_by(policy, to_text(checkpoint_note()), seen);
  ASSERT_TRUE(checkpoint) << checkpoint.error().detail;
  EXPECT_EQ(checkpoint->cosigners(), (std::vector<Cosigner>{{0, seen}, {1, seen}, {3, seen}}));
}

TEST(CheckpointByPolicy, WithoutOneOfTheNecessaryIsRefused) {
  const WitnessPolicy policy = WitnessPolicy::parse(example_policy()).value();
  for (std::size_t line = 0; line < 4; ++line) {
    Note note = checkpoint_note();
    note.signatures.erase(note.signatures.begin() + static_cast<long>(line));
    EXPECT_EQ(verify_checkpoint_by(policy, to_text(note), seen).error().code, Errc::authentication_failed) << line;
    note = checkpoint_note();
    note.signatures[line].signature[12] ^= 1;
    EXPECT_EQ(verify_checkpoint_by(policy, to_text(note), seen).error().code, Errc::authentication_failed) << line;
  }
  const UnixSeconds early{seen.value - cosignature_ahead_seconds_max - 1};
  EXPECT_EQ(verify_checkpoint_by(policy, to_text(checkpoint_note()), early).error().code, Errc::authentication_failed);
}

TEST(CheckpointByPolicy, OfAnyListedLogIsAcceptedAndOfAnotherRefused) {
  const std::string note = to_text(checkpoint_note());
  const auto by = [&](const std::string& text) {
    return verify_checkpoint_by(WitnessPolicy::parse(text).value(), note, seen).has_value();
  };
  EXPECT_TRUE(
      by("log " + log_key(5, "other.example/log") + "\nlog " + log_key(6) + "\nlog " + log_key(1) + "\nquorum none\n"));
  EXPECT_FALSE(by("log " + log_key(6) + "\nquorum none\n"));
  EXPECT_FALSE(by("quorum none\n"));
  // Signed by two listed logs, of which it is the second's.
  Note twice = checkpoint_note();
  sign_note(twice, "other.example/log", key_of(5));
  EXPECT_TRUE(verify_checkpoint_by(
      WitnessPolicy::parse("log " + log_key(5, "other.example/log") + "\nlog " + log_key(1) + "\nquorum none\n")
          .value(),
      to_text(twice), seen));
  // Signed by a listed log, which is not the one it speaks of.
  Note foreign = checkpoint_note();
  foreign.signatures.clear();
  sign_note(foreign, "other.example/log", key_of(5));
  const auto policy = WitnessPolicy::parse("log " + log_key(5, "other.example/log") + "\nquorum none\n").value();
  EXPECT_EQ(verify_checkpoint_by(policy, to_text(foreign), seen).error().code, Errc::authentication_failed);
}

TEST(CheckpointByPolicy, OfEveryShardOfAListedLogIsAcceptedAndOfNoOtherLog) {
  MemoryTree tree;
  tree.append(as_bytes("a leaf"));
  const auto signed_as = [&](std::string_view origin, std::uint8_t seed) {
    return sign_checkpoint({std::string(origin), tree.size(), tree.root()}, key_of(seed));
  };
  const auto by = [&](std::string_view listed, const std::string& note) {
    const std::string text =
        "log " + log_key(1, listed) + "\nlog " + log_key(2, "log.example/2026-1") + "\nquorum none\n";
    return verify_checkpoint_by(WitnessPolicy::parse(text).value(), note, seen).has_value();
  };
  const std::string shard = "broker.example/pli/89/2026-1";
  for (const char* sibling : {"broker.example/pli/89/2026-1", "broker.example/pli/89/2026-2",
                              "broker.example/pli/89/1000-1", "broker.example/pli/89/9999-9999"}) {
    EXPECT_TRUE(by(shard, signed_as(sibling, 1))) << sibling;
    EXPECT_FALSE(by(shard, signed_as(sibling, 2))) << "the key of another log: " << sibling;
    EXPECT_FALSE(by(shard, signed_as(sibling, 3))) << "nobody's key: " << sibling;
  }
  for (const char* other : {"broker.example/pli/90/2026-1", "broker.example/pli/89", "broker.example/pli/89/2026-0",
                            "broker.example/pli/89/2026-1/2026-1", "broker.example/pli/89/x", "2026-1"})
    EXPECT_FALSE(by(shard, signed_as(other, 1))) << other;
  // A log that is not named as ours are has the one origin.
  EXPECT_TRUE(by("other.example/log", signed_as("other.example/log", 1)));
  EXPECT_FALSE(by("other.example/log", signed_as("other.example/log/2026-1", 1)));
  // The line of a name is checked under that name: a signature made for one shard is not another's.
  Note moved = parse_note(signed_as("broker.example/pli/89/2026-2", 1)).value();
  moved.text.replace(moved.text.find("2026-2"), 6, "2026-3");
  EXPECT_FALSE(by(shard, to_text(moved)));
  moved.signatures.front().name = "broker.example/pli/89/2026-3";
  EXPECT_FALSE(by(shard, to_text(moved)));
}

TEST(ShardName, IsAYearAndANumberInOneSpelling) {
  EXPECT_EQ(parse_shard_name("2026-12"), (ShardName{2026, 12}));
  for (const char* wrong :
       {"", "2026", "2026-", "-1", "999-1", "10000-1", "2026-0", "2026-10000", "2026-01", "2026-1 "})
    EXPECT_FALSE(parse_shard_name(wrong)) << wrong;
  EXPECT_EQ(log_of_shard("broker.example/pli/89/2026-1"), "broker.example/pli/89");
  EXPECT_FALSE(log_of_shard("/2026-1"));
  EXPECT_FALSE(log_of_shard("broker.example/pli/89"));
}

TEST(WitnessLines, AreThePolicyWithoutLogCommentsAndOtherSpaces) {
  const std::string text = "# who watches\n\nlog " + log_key(1) + " https://log.example\n \twitness \t W1  " +
                           witness_key(11) + "\thttps://w1.example \n#\nwitness W2 " + witness_key(12) +
                           "\ngroup both  all W1 W2\nquorum  both\n";
  const auto lines = witness_lines(text);
  ASSERT_TRUE(lines) << lines.error().detail;
  EXPECT_EQ(*lines, "witness W1 " + witness_key(11) + " https://w1.example\nwitness W2 " + witness_key(12) +
                        "\ngroup both all W1 W2\nquorum both\n");
  EXPECT_EQ(witness_lines(*lines).value(), *lines);
  const WitnessPolicy policy = WitnessPolicy::parse(*lines).value();
  EXPECT_TRUE(policy.logs().empty());
  EXPECT_TRUE(policy.demands_witnesses());
  EXPECT_TRUE(policy.is_satisfied_by({"W1", "W2"}));
  EXPECT_FALSE(policy.is_satisfied_by({"W1"}));
  EXPECT_FALSE(witness_lines("witness W1 " + witness_key(11) + "\n")) << "a policy without a quorum";
  EXPECT_FALSE(WitnessPolicy::parse("quorum none\n")->demands_witnesses());
}

TEST(QuorumTime, IsTheLatestAtWhichEnoughHadCosigned) {
  const auto policy_of = [](const std::string& quorum) {
    return WitnessPolicy::parse(witness_line("A", 11) + witness_line("B", 12) + witness_line("C", 13) + quorum).value();
  };
  const WitnessPolicy two = policy_of("group g 2 A B C\nquorum g\n");
  // C's clock is a day ahead: the quorum is no younger for it.
  EXPECT_EQ(quorum_time(two, {{0, {100}}, {1, {200}}, {2, {90000}}}), UnixSeconds{200});
  EXPECT_EQ(quorum_time(two, {{2, {300}}, {0, {300}}}), UnixSeconds{300});
  EXPECT_EQ(quorum_time(two, {{1, {300}}}), std::nullopt);
  EXPECT_EQ(quorum_time(two, {}), std::nullopt);
  EXPECT_EQ(quorum_time(policy_of("quorum B\n"), {{0, {500}}, {1, {200}}}), UnixSeconds{200});
  EXPECT_EQ(quorum_time(policy_of("quorum none\n"), {{0, {500}}}), std::nullopt);
}

}  // namespace
}  // namespace pli::audit::test
