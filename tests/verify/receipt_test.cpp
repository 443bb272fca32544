#include <nlohmann/json.hpp>

#include "tests/verify/sitting.hpp"

namespace pli::verify::test {
namespace {

class ReceiptCommand : public Desk {
 protected:
  const MadeLog log_{21};
  const std::string policy_ = put("policy", log_.policy());

  [[nodiscard]] Ended check(const std::string& text, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"receipt", put("receipt", text)};
    if (more.empty()) more = {"--policy", policy_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_at(arguments);
  }
};

TEST_F(ReceiptCommand, AcceptsAReceiptUnderAPolicyAVerifierKeyOrABareKey) {
  const std::string text = to_text(log_.receipt(11));
  expect_verified(check(text));
  expect_verified(check(text, {"--policy", policy_, "--max-age", "99"}));
  expect_verified(check(text, {"--log-key", to_text(log_.log_key())}));
  expect_verified(check(text, {"--log-key=" + to_hex(log_.log_key().key.bytes)}));
}

TEST_F(ReceiptCommand, ShowsTheDisclosedFieldsAndNothingThatSteersATerminal) {
  const Ended ended = check(to_text(log_.receipt(11)));
  EXPECT_NE(ended.out.find("field.act             \"open\""), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("\"Cérilly\""), std::string::npos);
  EXPECT_NE(ended.out.find("field.steering.hex    1b5b324a"), std::string::npos);
  EXPECT_EQ(ended.out.find('\x1b'), std::string::npos);
  EXPECT_NE(ended.out.find("fields.hidden         1"), std::string::npos);
}

TEST_F(ReceiptCommand, SaysTheSameAsOneJsonObject) {
  const Ended ended = check(to_text(log_.receipt(11)), {"--policy", policy_, "--json"});
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["command"], "receipt");
  EXPECT_EQ(json["verdict"], "verified");
  EXPECT_EQ(json["leaf.index"], 11);
  EXPECT_EQ(json["checkpoint.size"], 21);
  EXPECT_EQ(json["checkpoint.cosigned"], 2);
  EXPECT_EQ(json["checkpoint.age"], 99);
  EXPECT_EQ(json["field.place"], "Cérilly");
  EXPECT_EQ(json["field.steering.hex"], "1b5b324a");
  const auto refused = nlohmann::json::parse(check("nothing", {"--policy", policy_, "--json"}).out);
  EXPECT_EQ(refused["verdict"], "failed");
  EXPECT_EQ(refused["check"], "receipt");
}

TEST_F(ReceiptCommand, NamesWhatIsWrong) {
  const audit::Receipt good = log_.receipt(11);
  const auto with = [&good](const std::function<void(audit::Receipt&)>& change) {
    audit::Receipt receipt = good;
    change(receipt);
    return to_text(receipt);
  };
  const std::string origin(made_origin);
  struct Case {
    std::string name;
    std::string text;
    std::string check;
  };
  for (const Case& one : {
           Case{"nothing", "", "receipt"},
           Case{"another version", replaced(to_text(good), "@v1", "@v2"), "receipt"},
           Case{"cut", to_text(good).substr(0, 400), "receipt"},
           Case{"no leaf", to_text(audit::ProofFile{std::nullopt, good.index, good.proof, good.checkpoint}), "receipt"},
           Case{"a shown value", with([](auto& r) { r.record.fields[0].opening->field.value[0] ^= 1; }), "receipt"},
           Case{"a shown salt", with([](auto& r) { r.record.fields[0].opening->salt[3] ^= 1; }), "receipt"},
           Case{"a hidden field", with([](auto& r) { r.record.fields[1].commitment[0] ^= 1; }), "record"},
           Case{"a field dropped", with([](auto& r) { r.record.fields.pop_back(); }), "record"},
           Case{"the leaf's record", with([](auto& r) { r.leaf.record[0] ^= 1; }), "record"},
           Case{"the leaf's time", with([](auto& r) { r.leaf.time.value += 1; }), "inclusion"},
           Case{"the leaf's type", with([](auto& r) { r.leaf.type = audit::LeafType::refus; }), "inclusion"},
           Case{"its index", with([](auto& r) { r.index.value += 1; }), "inclusion"},
           Case{"an index beyond the tree", with([](auto& r) { r.index.value = 21; }), "inclusion"},
           Case{"a hash of the proof", with([](auto& r) { r.proof[2][5] ^= 1; }), "inclusion"},
           Case{"a proof too short", with([](auto& r) { r.proof.pop_back(); }), "inclusion"},
           Case{"a proof too long", with([](auto& r) { r.proof.push_back(r.proof[0]); }), "inclusion"},
           Case{"an older tree", with([this](auto& r) { r.checkpoint = log_.checkpoint(20); }), "inclusion"},
           Case{"the size", with([](auto& r) { r.checkpoint = replaced(r.checkpoint, "\n21\n", "\n22\n"); }),
                "checkpoint signature"},
           Case{"the origin", with([](auto& r) { r.checkpoint = replaced(r.checkpoint, "/89/", "/21/"); }),
                "checkpoint signature"},
           Case{"the signature", with([&](auto& r) { r.checkpoint = with_bad_line_of(r.checkpoint, origin); }),
                "checkpoint signature"},
           Case{"no signature", with([&](auto& r) { r.checkpoint = without_lines_of(r.checkpoint, origin); }),
                "checkpoint signature"},
           Case{"a cosignature",
                with([](auto& r) { r.checkpoint = with_bad_line_of(r.checkpoint, "witness.example/w1"); }),
                "checkpoint witnesses"},
           Case{"one witness too few",
                with([](auto& r) { r.checkpoint = without_lines_of(r.checkpoint, "witness.example/w2"); }),
                "checkpoint witnesses"},
       })
    expect_failed(check(one.text), one.check, one.name);
}

TEST_F(ReceiptCommand, RefusesAnotherLogsKeyAndACheckpointTooOld) {
  const std::string text = to_text(log_.receipt(11));
  const audit::VerifierKey other{std::string(made_origin), audit::KeyType::ed25519, made_key(9).public_key()};
  expect_failed(check(text, {"--log-key", to_text(other)}), "checkpoint signature", "another key");
  expect_failed(check(text, {"--log-key", to_hex(other.key.bytes)}), "checkpoint signature", "another bare key");
  const audit::VerifierKey renamed{"other.example/log", audit::KeyType::ed25519, log_.log_key().key};
  expect_failed(check(text, {"--log-key", to_text(renamed)}), "checkpoint signature", "another origin");
  expect_verified(check(text, {"--policy", policy_, "--max-age", "99"}));
  expect_failed(check(text, {"--policy", policy_, "--max-age", "98"}), "checkpoint age", "a second too old");
  expect_failed(check(text, {"--policy", policy_, "--max-age", "99", "--now", "1767230101000"}), "checkpoint age",
                "a second later");
  const std::string nobody = put("nobody", "log " + to_text(log_.log_key()) + "\nquorum none\n");
  expect_verified(check(text, {"--policy", nobody}));
  expect_failed(check(text, {"--policy", nobody, "--max-age", "99"}), "checkpoint age", "nobody said when");
}

class CheckpointCommand : public Desk {};

TEST_F(CheckpointCommand, AcceptsWhatTheLogAndItsWitnessesSigned) {
  const MadeLog log(21);
  const std::string file = put("checkpoint", log.checkpoint(21));
  const std::string policy = put("policy", log.policy());
  expect_verified(run_at({"checkpoint", file, "--policy", policy, "--max-age", "99"}));
  const Ended alone = run_at({"checkpoint", file, "--log-key", to_text(log.log_key())});
  expect_verified(alone);
  EXPECT_NE(alone.out.find("no witness was asked"), std::string::npos);
  const std::string nobody = put("nobody", "log " + to_text(log.log_key()) + "\nquorum none\n");
  EXPECT_NE(run_at({"checkpoint", file, "--policy", nobody}).out.find("no witness was asked"), std::string::npos)
      << "a policy that demands nobody";
}

TEST_F(CheckpointCommand, IsAsOldAsTheQuorumAndNotAsItsNewestLine) {
  const MadeLog log(21);
  const std::string policy = put("policy", log.policy());
  audit::Note note = audit::parse_note(without_lines_of(log.checkpoint(21), "witness.example/w2")).value();
  note.signatures.push_back(audit::cosign(note.text, "witness.example/w2", made_key(12), {cosigned_at.value + 90}));
  const std::string file = put("checkpoint", to_text(note));
  expect_verified(run_at({"checkpoint", file, "--policy", policy, "--max-age", "99"}));
  expect_failed(run_at({"checkpoint", file, "--policy", policy, "--max-age", "98"}), "checkpoint age",
                "one witness of two is fresh");
}

TEST_F(CheckpointCommand, NamesWhatIsWrong) {
  const MadeLog log(21);
  const std::string policy = put("policy", log.policy());
  const std::string good = log.checkpoint(21);
  const std::string origin(made_origin);
  const auto cosigned_late = [&] {
    audit::Note note = audit::parse_note(without_lines_of(good, "witness.example/w1")).value();
    note.signatures.push_back(audit::cosign(note.text, "witness.example/w1", made_key(11), {cosigned_at.value + 9999}));
    return to_text(note);
  };
  struct Case {
    std::string name;
    std::string note;
    std::string check;
  };
  for (const Case& one : {
           Case{"nothing", "", "checkpoint"},
           Case{"cut", good.substr(0, good.size() - 1), "checkpoint"},
           Case{"no empty line", replaced(good, "\n\n", "\n"), "checkpoint"},
           Case{"a control character", replaced(good, "\n21\n", "\n21\r\n"), "checkpoint"},
           Case{"a leading zero", replaced(good, "\n21\n", "\n021\n"), "checkpoint"},
           Case{"an extension line", replaced(good, "\n\n", "\nextension\n\n"), "checkpoint"},
           Case{"the size", replaced(good, "\n21\n", "\n20\n"), "checkpoint signature"},
           Case{"the origin", replaced(good, "/2026-1\n", "/2026-2\n"), "checkpoint signature"},
           Case{"the signature", with_bad_line_of(good, origin), "checkpoint signature"},
           Case{"no signature of the log", without_lines_of(good, origin), "checkpoint signature"},
           Case{"a cosignature", with_bad_line_of(good, "witness.example/w2"), "checkpoint witnesses"},
           Case{"no cosignature of one", without_lines_of(good, "witness.example/w1"), "checkpoint witnesses"},
           Case{"a cosignature of the future", cosigned_late(), "checkpoint witnesses"},
       })
    expect_failed(run_at({"checkpoint", put("note", one.note), "--policy", policy}), one.check, one.name);
}

}  // namespace
}  // namespace pli::verify::test
