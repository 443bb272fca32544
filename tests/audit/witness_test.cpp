#include "audit/witness.hpp"

#include <gtest/gtest.h>

#include <random>

#include "audit/tree.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

constexpr UnixSeconds now{1700000000};
constexpr std::string_view witness_name = "witness.example/w1";

/// A log, its witness, and the state the witness keeps for it.
class Scene {
 public:
  explicit Scene(std::uint64_t size) { grow(size); }
  void grow(std::uint64_t size) {
    while (tree_.size().value < size) tree_.append(as_bytes("leaf " + std::to_string(tree_.size().value)));
  }
  TreeSize size() const { return tree_.size(); }
  std::string checkpoint() const { return checkpoint_of({std::string(log_origin), tree_.size(), tree_.root()}); }
  static std::string checkpoint_of(const TreeHead& head) { return sign_checkpoint(head, key_of(1)); }
  /// What an honest log asks.
  AddCheckpoint request(std::uint64_t old) const {
    return {TreeSize{old}, consistency_proof(TreeSize{old}, size(), tree_.source()).value(), checkpoint()};
  }
  WitnessState state(std::uint64_t at) const { return {TreeSize{at}, root_at(TreeSize{at}, tree_.source()).value()}; }
  const MemoryTree& tree() const { return tree_; }

 private:
  MemoryTree tree_;
};

Witness some_witness() { return {std::string(witness_name), key_of(2)}; }
VerifierKey witness_key() { return {std::string(witness_name), KeyType::cosignature, key_of(2).public_key()}; }
std::vector<VerifierKey> known_logs() { return {verifier_of(log_origin, key_of(1))}; }

WitnessDecision decide(const std::string& body, const WitnessState& last,
                       const std::vector<VerifierKey>& logs = known_logs()) {
  const auto request = verify_add_checkpoint(body, logs);
  if (!request) return {request.error(), std::nullopt, false};
  return decide_add_checkpoint(*request, last, some_witness(), now);
}

void expect_status(const WitnessDecision& decision, int status, const std::string& body = {}) {
  EXPECT_EQ(decision.answer.status, status) << decision.answer.body;
  EXPECT_EQ(decision.update.has_value(), status == 200);
  EXPECT_FALSE(decision.answer.body.empty());
  EXPECT_EQ(decision.answer.body.back(), '\n');
  EXPECT_TRUE(body.empty() || decision.answer.body == body) << decision.answer.body;
  EXPECT_EQ(decision.answer.content_type, status == 409 ? tlog_size_content_type : note_lines_content_type);
}

TEST(AddCheckpoint, OfTheVectorIsReadWrittenAndCosignedAsInTheVector) {
  const std::string note = vector_file("checkpoint.note");
  Note by_log = parse_note(note).value();
  by_log.signatures.pop_back();
  const std::string body =
      "old 6\nDrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=\nyoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=\n"
      "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=\n\n" +
      to_text(by_log);
  const auto request = parse_add_checkpoint(body);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->old.value, 6U);
  EXPECT_EQ(request->proof.size(), 3U);
  EXPECT_EQ(to_text(*request), body);

  const auto leaves = vector_lines("eight-leaves.txt");
  const WitnessState six{TreeSize{6}, to_array<32>(leaves.find("root_6")->second).value()};
  const WitnessDecision decision = decide(body, six, {verifier_of("broker.example/audit", key_of(1))});
  expect_status(decision, 200, note.substr(note.rfind("\xE2\x80\x94")));
  EXPECT_EQ(decision.update->state, (WitnessState{TreeSize{8}, parse_tree_head(by_log.text)->root}));
  EXPECT_EQ(decision.update->checkpoint, note);
}

TEST(AddCheckpoint, WithoutItsShapeIsRefused) {
  const Scene scene(9);
  const std::string good = to_text(scene.request(5));
  ASSERT_TRUE(parse_add_checkpoint(good));
  const std::string rest = good.substr(good.find('\n') + 1);
  for (const char* first : {"", "old", "old ", "old 05", "old -5", "old 5 ", "old  5", "Old 5", "new 5", "5",
                            "old 9223372036854775808", "old 18446744073709551616"})
    EXPECT_EQ(parse_add_checkpoint(first + std::string("\n") + rest).error().code, Errc::invalid_input) << first;
  EXPECT_TRUE(parse_add_checkpoint("old 9223372036854775807\n" + rest));
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto cut = parse_add_checkpoint(good.substr(0, size));
    EXPECT_FALSE(cut) << size;
    const auto answer = verify_add_checkpoint(good.substr(0, size), known_logs());
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().status, 400) << size;
  }
  for (const char* line : {"AAAA", "not base64", "\r", " "})
    EXPECT_EQ(parse_add_checkpoint("old 5\n" + std::string(line) + "\n" + rest).error().code, Errc::invalid_input);
}

TEST(AddCheckpoint, AtItsLimitsIsReadAndOneAboveRefused) {
  const Scene scene(9);
  AddCheckpoint request{TreeSize{1}, std::vector<Digest>(proof_hashes_max), scene.checkpoint()};
  EXPECT_EQ(parse_add_checkpoint(to_text(request)).value(), request);
  request.proof.emplace_back();
  EXPECT_EQ(parse_add_checkpoint(to_text(request)).error().code, Errc::over_limit);
  // The largest note fits whatever the proof: the limit of the request is never met before that of its parts.
  request.proof.assign(proof_hashes_max, Digest{});
  request.old = TreeSize{tree_size_limit - 1};
  Note note{std::string(100, 'x') + '\n', {}};
  sign_note(note, log_origin, key_of(1));
  note.text.insert(0, note_bytes_max - to_text(note).size(), 'x');
  request.checkpoint = to_text(note);
  ASSERT_EQ(request.checkpoint.size(), note_bytes_max);
  const std::string largest = to_text(request);
  ASSERT_LE(largest.size(), add_checkpoint_bytes_max);
  EXPECT_TRUE(parse_add_checkpoint(largest));
  EXPECT_EQ(parse_add_checkpoint(std::string(add_checkpoint_bytes_max + 1, 'x')).error().code, Errc::over_limit);
  EXPECT_EQ(parse_add_checkpoint(std::string(add_checkpoint_bytes_max, 'x')).error().code, Errc::invalid_input);
}

TEST(WitnessDecides, ToCosignWhateverExtendsWhatItSaw) {
  for (std::uint64_t size = 0; size <= 20; ++size) {
    const Scene scene(size);
    for (std::uint64_t old = 0; old <= size; ++old) {
      const WitnessDecision decision = decide(to_text(scene.request(old)), scene.state(old));
      expect_status(decision, 200);
      EXPECT_EQ(decision.update->state, scene.state(size));
      const auto cosigned = verify_cosigned_checkpoint(decision.update->checkpoint, known_logs()[0],
                                                       std::vector<VerifierKey>{witness_key()}, now);
      ASSERT_TRUE(cosigned);
      EXPECT_EQ(cosigned->cosigners(), (std::vector<Cosigner>{{0, now}}));
      EXPECT_EQ(decision.update->checkpoint, scene.checkpoint() + decision.answer.body);
    }
  }
}

TEST(WitnessDecides, InThisOrderParseOriginSignatureSizesConflictProof) {
  // One request with everything wrong, mended from the first check to the last.
  const Scene scene(9);
  const WitnessState at_five = scene.state(5);
  AddCheckpoint request{TreeSize{10}, {Digest{}}, scene.checkpoint()};
  std::string body = to_text(request);
  const std::vector<VerifierKey> others = {verifier_of("other.example/log", key_of(1))};
  const std::vector<VerifierKey> wrong_key = {verifier_of(log_origin, key_of(7))};
  expect_status(decide("x" + body, at_five, others), 400, "malformed request\n");
  expect_status(decide(body, at_five, others), 404, "unknown origin\n");
  expect_status(decide(body, at_five, wrong_key), 403, "no signature of this log\n");
  expect_status(decide(body, at_five), 400, "old size above the checkpoint's\n");
  request.old = TreeSize{4};
  expect_status(decide(to_text(request), at_five), 409, "5\n");
  request.old = TreeSize{5};
  expect_status(decide(to_text(request), at_five), 422);
  request.proof = scene.request(5).proof;
  expect_status(decide(to_text(request), at_five), 200);
}

TEST(WitnessDecides, With404ForAnOriginItDoesNotKnow) {
  const Scene scene(3);
  expect_status(decide(to_text(scene.request(0)), first_witness_state(), {}), 404);
  // Its key as a witness's is not a log's.
  VerifierKey cosigner = known_logs()[0];
  cosigner.type = KeyType::cosignature;
  expect_status(decide(to_text(scene.request(0)), first_witness_state(), {cosigner}), 404);
}

TEST(WitnessDecides, With403WhenTheLogsKeyHasNotSignedOrNotThis) {
  const Scene scene(3);
  AddCheckpoint request = scene.request(0);
  Note note = parse_note(request.checkpoint).value();
  note.signatures[0].signature[5] ^= 1;
  request.checkpoint = to_text(note);
  expect_status(decide(to_text(request), first_witness_state()), 403);
  // Even beside a good signature by another of the log's keys.
  sign_note(note, log_origin, key_of(6));
  request.checkpoint = to_text(note);
  const std::vector<VerifierKey> both = {verifier_of(log_origin, key_of(1)), verifier_of(log_origin, key_of(6))};
  expect_status(decide(to_text(request), first_witness_state(), both), 403);
  expect_status(decide(to_text(request), first_witness_state(), {both[1]}), 200);
}

TEST(WitnessDecides, With409AndItsOwnSizeForAnyOtherOldSize) {
  const Scene scene(20);
  for (std::uint64_t mine = 0; mine <= 25; ++mine)
    for (const std::uint64_t old : {0U, 5U, 19U, 20U})
      if (old != mine) {
        const WitnessState last{TreeSize{mine}, mine <= 20 ? scene.state(mine).root : Digest{}};
        expect_status(decide(to_text(scene.request(old)), last), 409, std::to_string(mine) + "\n");
      }
}

TEST(WitnessDecides, With422ForAProofThatDoesNotLeadFromWhatItSaw) {
  const Scene scene(20);
  const AddCheckpoint good = scene.request(7);
  expect_status(decide(to_text(good), scene.state(7)), 200);
  std::vector<std::vector<Digest>> proofs = {{}, scene.request(8).proof, good.proof, good.proof};
  proofs[2].pop_back();
  proofs[3].emplace_back();
  for (std::size_t i = 0; i < good.proof.size(); ++i) {
    proofs.push_back(good.proof);
    proofs.back()[i][i] ^= 1;
  }
  for (const auto& proof : proofs) {
    const WitnessDecision decision = decide(to_text({TreeSize{7}, proof, good.checkpoint}), scene.state(7));
    expect_status(decision, 422);
    EXPECT_FALSE(decision.is_evidence) << "anyone could have sent it";
  }
  expect_status(decide(to_text({TreeSize{0}, {Digest{}}, good.checkpoint}), first_witness_state()), 422);
  WitnessState other = scene.state(7);
  other.root[0] ^= 1;
  expect_status(decide(to_text(good), other), 422);
}

TEST(WitnessDecides, With422AndEvidenceForASecondRootOfOneSize) {
  const Scene scene(20);
  WitnessState other = scene.state(20);
  other.root[3] ^= 1;
  const WitnessDecision decision = decide(to_text(scene.request(20)), other);
  expect_status(decision, 422);
  EXPECT_TRUE(decision.is_evidence);
  EXPECT_FALSE(decide(to_text({TreeSize{20}, {Digest{}}, scene.checkpoint()}), scene.state(20)).is_evidence);
}

TEST(WitnessDecides, With422ForAnEmptyTreeWithAnotherRoot) {
  Note note{std::string(log_origin) + "\n0\n" + "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n", {}};
  const auto body = [&] { return to_text({TreeSize{0}, {}, to_text(note)}); };
  note.signatures.push_back({std::string(log_origin), {1, 2, 3, 4}, Bytes(64, 1)});
  expect_status(decide(body(), first_witness_state()), 403);
  sign_note(note, log_origin, key_of(1));
  const WitnessDecision decision = decide(body(), first_witness_state());
  expect_status(decision, 422, "empty tree with another root\n");
  EXPECT_TRUE(decision.is_evidence);
  expect_status(decide(body(), Scene(3).state(3)), 409, "3\n");
}

TEST(WitnessDecides, With400ForACheckpointThatIsNone) {
  const std::string root = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n";
  const std::string origin(log_origin);
  for (const std::string& text :
       {origin + "\n", origin + "\n8\n", origin + "\n08\n" + root, origin + "\n8\n" + root + "extension\n",
        origin + "\n0\nAAAA\n", origin + "\n0\n" + root + "extension\n", origin + "\n9223372036854775808\n" + root,
        "An origin\n0\n" + root, "An origin\n8\n" + root}) {
    Note note{text, {}};
    sign_note(note, log_origin, key_of(1));
    expect_status(decide(to_text({TreeSize{0}, {}, to_text(note)}), first_witness_state()), 400,
                  "malformed checkpoint\n");
  }
}

TEST(WitnessDecides, AnyNumberOfTheLogsKeysButLeavesRoomForItsOwn) {
  const Scene scene(3);
  const auto with_keys = [&](std::size_t count) {
    std::vector<VerifierKey> keys;
    AddCheckpoint request = scene.request(0);
    Note note = parse_note(request.checkpoint).value();
    note.signatures.clear();
    for (std::size_t i = 0; i < count; ++i) {
      sign_note(note, log_origin, key_of(static_cast<std::uint8_t>(i)));
      keys.push_back(verifier_of(log_origin, key_of(static_cast<std::uint8_t>(i))));
    }
    request.checkpoint = to_text(note);
    return decide(to_text(request), first_witness_state(), keys);
  };
  const WitnessDecision most = with_keys(note_signatures_max - 1);
  expect_status(most, 200);
  EXPECT_EQ(parse_note(most.update->checkpoint)->signatures.size(), note_signatures_max);
  expect_status(with_keys(note_signatures_max), 400, "too many signatures\n");
}

TEST(WitnessDecides, ToServeOnlyTheLogsLinesAndItsOwn) {
  const Scene scene(3);
  AddCheckpoint request = scene.request(0);
  Note note = parse_note(request.checkpoint).value();
  note.signatures.insert(note.signatures.begin(), cosign(note.text, "other.example/w", key_of(8), now));
  request.checkpoint = to_text(note);
  const WitnessDecision decision = decide(to_text(request), first_witness_state());
  expect_status(decision, 200);
  EXPECT_EQ(decision.update->checkpoint, scene.checkpoint() + decision.answer.body);
}

TEST(WitnessDecides, NeverTwoHistoriesOfOneLog) {
  // Two logs with one key that part at leaf 10, and one witness that keeps its state: after any sequence of requests,
  // honest or not, all it cosigned is one history.
  const Scene one(30);
  MemoryTree other;
  for (int i = 0; i < 30; ++i) other.append(as_bytes((i < 10 ? "leaf " : "fork ") + std::to_string(i)));
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    WitnessState state = first_witness_state();
    std::vector<WitnessState> cosigned;
    for (int i = 0; i < 60; ++i) {
      const MemoryTree& tree = random() % 2 == 0 ? one.tree() : other;
      const TreeSize size{random() % 31};
      const TreeSize old{random() % 3 == 0 ? random() % (size.value + 1) : std::min(state.size.value, size.value)};
      const TreeHead head{std::string(log_origin), size, root_at(size, tree.source()).value()};
      const AddCheckpoint request{old, consistency_proof(old, size, tree.source()).value(), Scene::checkpoint_of(head)};
      const WitnessDecision decision = decide(to_text(request), state);
      if (!decision.update) continue;
      state = decision.update->state;
      cosigned.push_back(state);
    }
    std::uint64_t last = 0;
    bool on_one = true;
    bool on_other = true;
    for (const WitnessState& seen : cosigned) {
      EXPECT_GE(seen.size.value, last);
      last = seen.size.value;
      on_one = on_one && seen.root == root_at(seen.size, one.tree().source()).value();
      on_other = on_other && seen.root == root_at(seen.size, other.source()).value();
    }
    EXPECT_TRUE(on_one || on_other);
  }
}

TEST(MonitoringPath, IsTheHashOfTheOrigin) {
  EXPECT_EQ(monitoring_path("broker.example/audit"),
            "47e881e953625e0da51c0e6904663e38027cadadee9bae1e17b0a770e4815178/checkpoint");
}

Result<WitnessReply> reply(const AddCheckpoint& request, std::uint64_t own, int status, std::string body,
                           UnixSeconds at = now) {
  return read_witness_answer(request, TreeSize{own}, {status, "", std::move(body)}, witness_key(), at);
}

TEST(WitnessReply, OfACosigningWitnessIsItsLineForTheCheckpoint) {
  const Scene scene(9);
  const AddCheckpoint request = scene.request(5);
  const WitnessDecision decision = decide(to_text(request), scene.state(5));
  const std::string stranger = to_text(Note{"", {cosign("x\n", "other.example/w", key_of(8), now)}}).substr(1);
  for (const std::string& body : {decision.answer.body, stranger + decision.answer.body + stranger}) {
    const auto read = reply(request, 9, 200, body);
    ASSERT_TRUE(read);
    ASSERT_TRUE(std::holds_alternative<Cosigned>(*read));
    Note note = parse_note(request.checkpoint).value();
    note.signatures.push_back(std::get<Cosigned>(*read).line);
    EXPECT_EQ(to_text(note), decision.update->checkpoint);
    EXPECT_EQ(std::get<Cosigned>(*read).time, now);
  }
  EXPECT_EQ(reply(request, 9, 200, decision.answer.body, UnixSeconds{now.value - 301}).error().code, Errc::unavailable);
  EXPECT_TRUE(reply(request, 9, 200, decision.answer.body, UnixSeconds{now.value - 300}));
}

TEST(WitnessReply, OfTwoHundredWithoutItsGoodLineIsRefused) {
  const Scene scene(9);
  const AddCheckpoint request = scene.request(5);
  const std::string good = decide(to_text(request), scene.state(5)).answer.body;
  const std::string for_another = decide(to_text(scene.request(0)), first_witness_state()).answer.body;
  const std::string stranger = to_text(Note{"", {cosign("x\n", "other.example/w", key_of(8), now)}}).substr(1);
  EXPECT_EQ(good, for_another) << "the proof is no part of what is signed";
  for (const std::string& body : {std::string(), std::string("\n"), std::string("ok\n"), "\n" + good, good + "\n",
                                  good + "\n" + good, good.substr(0, good.size() - 1), good + "more\n"})
    EXPECT_EQ(reply(request, 9, 200, body).error().code, Errc::invalid_input) << body;
  EXPECT_EQ(reply(request, 9, 200, stranger).error().code, Errc::authentication_failed);
  Scene larger(10);
  EXPECT_EQ(reply(larger.request(5), 10, 200, good).error().code, Errc::authentication_failed);
  std::string many;
  for (std::size_t i = 0; i <= note_signatures_max; ++i) many += good;
  EXPECT_EQ(reply(request, 9, 200, many).error().code, Errc::invalid_input);
  EXPECT_TRUE(reply(request, 9, 200, many.substr(good.size())));
}

TEST(WitnessReply, OfAConflictTellsWhereToGoOnFrom) {
  const Scene scene(9);
  const AddCheckpoint request = scene.request(5);
  for (const std::uint64_t size : {0U, 4U, 6U, 9U, 12U}) {
    const auto read = reply(request, 12, 409, std::to_string(size) + "\n");
    ASSERT_TRUE(read) << size;
    ASSERT_TRUE(std::holds_alternative<StandsAt>(*read));
    EXPECT_EQ(std::get<StandsAt>(*read).size.value, size);
  }
  for (const char* body : {"", "6", "06\n", " 6\n", "6\n6\n", "-1\n", "9223372036854775808\n", "six\n", "5\n"})
    EXPECT_EQ(reply(request, 12, 409, body).error().code, Errc::invalid_input) << body;
}

TEST(WitnessReply, OfALargerTreeThanOursIsAnAlarm) {
  const Scene scene(9);
  for (const char* body : {"13\n", "9223372036854775807\n"})
    EXPECT_EQ(std::get<WitnessAlarm>(reply(scene.request(5), 12, 409, body).value()), WitnessAlarm::rolled_back);
  EXPECT_EQ(std::get<WitnessAlarm>(reply(scene.request(9), 12, 409, "13\n").value()), WitnessAlarm::rolled_back);
}

TEST(WitnessReply, ThatItSawAnotherTreeIsAnAlarmInBothVersionsWords) {
  const Scene scene(9);
  EXPECT_EQ(std::get<WitnessAlarm>(reply(scene.request(5), 9, 422, "no\n").value()), WitnessAlarm::two_trees);
  EXPECT_EQ(std::get<WitnessAlarm>(reply(scene.request(9), 9, 422, "").value()), WitnessAlarm::two_trees);
  EXPECT_EQ(std::get<WitnessAlarm>(reply(scene.request(9), 9, 409, "9\n").value()), WitnessAlarm::two_trees);
  EXPECT_EQ(std::get<WitnessAlarm>(reply(scene.request(9), 9, 409, "").value()), WitnessAlarm::two_trees);
  EXPECT_TRUE(std::holds_alternative<StandsAt>(reply(scene.request(9), 9, 409, "3\n").value()));
}

TEST(WitnessReply, OfAnyOtherStatusIsAnErrorOfItsKind) {
  const AddCheckpoint request = Scene(9).request(5);
  EXPECT_EQ(reply(request, 9, 400, "").error().code, Errc::invalid_input);
  EXPECT_EQ(reply(request, 9, 403, "").error().code, Errc::authentication_failed);
  EXPECT_EQ(reply(request, 9, 404, "").error().code, Errc::not_found);
  for (const int status : {0, 100, 201, 204, 301, 429, 500, 503, -1})
    EXPECT_EQ(reply(request, 9, status, "").error().code, Errc::unavailable) << status;
}

TEST(Witnessing, FromScratchConvergesThroughTheConflict) {
  Scene scene(40);
  WitnessState state = scene.state(17);
  AddCheckpoint request = scene.request(0);
  auto read = read_witness_answer(request, scene.size(), decide(to_text(request), state).answer, witness_key(), now);
  ASSERT_TRUE(read && std::holds_alternative<StandsAt>(*read));
  request = scene.request(std::get<StandsAt>(*read).size.value);
  read = read_witness_answer(request, scene.size(), decide(to_text(request), state).answer, witness_key(), now);
  EXPECT_TRUE(read && std::holds_alternative<Cosigned>(*read));
}

}  // namespace
}  // namespace pli::audit::test
