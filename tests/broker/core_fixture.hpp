// What the core's tests share: a department, its broker without a network, and the steps of a case.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "audit/proof_file.hpp"
#include "broker/check_store.hpp"
#include "tests/support/broker_house.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::testing {

/// One record of the journal, as the auditor is given it.
struct JournalLine {
  LeafIndex index{};
  audit::Leaf leaf;
  audit::Disclosure record;
  [[nodiscard]] std::string text(std::string_view field) const {
    const Bytes* value = record.find(field);
    return value == nullptr ? std::string() : std::string(as_text(*value));
  }
};

class CoreTest : public ::testing::Test {
 protected:
  explicit CoreTest(DepartmentOptions options = small(), std::function<void(broker::CoreSettings&)> adjust = {})
      : department(options), house(department, {}, std::move(adjust)) {}

  static DepartmentOptions small() {
    DepartmentOptions options;
    options.ged_members = 3;
    options.clir_members = 2;
    return options;
  }

  protocol::ReplyBody submit(const Sealed& sealed) { return house.ask(sealed.address.sender, sealed.verified()); }
  /// Seals, submits, and expects it to be accepted.
  Sealed accept(const Draft& draft) {
    Sealed sealed = department.seal(draft);
    EXPECT_EQ(refusal_in(submit(sealed)), "");
    return sealed;
  }
  protocol::ReplyBody open(const std::string& member, const Digest& exchange) {
    return house.ask(member, department.open(member, exchange, house.now));
  }
  Draft step(protocol::Kind kind, const std::string& sender, const std::string& queue, const Digest& case_id) {
    Draft draft;
    draft.sender = sender;
    draft.kind = kind;
    draft.queue = queue;
    draft.case_id = case_id;
    draft.created_at = house.now;
    if (kind == protocol::Kind::recevabilite) draft.attributes = {{"avis", "recevable"}};
    if (kind == protocol::Kind::inscription) draft.attributes = {{"date", "2026-12-03"}};
    if (kind == protocol::Kind::cloture) draft.attributes = {{"terme", "ordinaire"}};
    if (kind == protocol::Kind::information_nominative) draft.attributes = {{"date", "2026-02-15"}};
    if (kind == protocol::Kind::agrement) draft.attributes = {{"avis", "accord"}};
    if (kind == protocol::Kind::report_du_retour) draft.attributes = {{"date", "2026-12-31"}};
    return draft;
  }
  /// What leads a case that somebody has opened from its receipt to the decision. The decision.
  Sealed decide(const Digest& case_id, const std::string& instance = "ged/89", bool in_scope = true) {
    for (const protocol::Kind kind :
         {protocol::Kind::recevabilite, protocol::Kind::inscription, protocol::Kind::mise_en_evaluation}) {
      Draft draft = step(kind, "secretariat", instance, case_id);
      if (!in_scope && kind == protocol::Kind::recevabilite) draft.attributes = {{"avis", "hors_perimetre"}};
      accept(draft);
    }
    return accept(step(protocol::Kind::decision, "secretariat", instance, case_id));
  }
  protocol::ReplyBody publish(broker::VerifiedPublish version) { return house.ask("operateur", std::move(version)); }

  /// The proof verified as a receipt is, with the log's key alone.
  audit::Receipt verified(const protocol::LeafProof& proof) {
    audit::Receipt receipt;
    receipt.leaf = audit::decode_leaf(proof.leaf).value();
    receipt.record = audit::decode_disclosure(proof.disclosure).value();
    receipt.index = proof.index;
    receipt.proof = proof.proof;
    receipt.checkpoint = proof.checkpoint;
    const auto checkpoint = audit::verify_receipt(receipt, house.log_key());
    EXPECT_TRUE(checkpoint.has_value()) << (checkpoint ? "" : checkpoint.error().detail);
    return receipt;
  }

  /// The journal from one leaf on, read by the auditor. Makes a leaf itself.
  std::vector<JournalLine> journal(LeafIndex from = {}) {
    std::vector<JournalLine> lines;
    const std::uint64_t size = house.store().tree_size().value;
    while (from.value < size) {
      const auto reply = house.ask("auditeur", protocol::GetRecords{from, 64});
      const auto* records = std::get_if<protocol::Records>(&reply);
      if (records == nullptr || records->items.empty()) {
        ADD_FAILURE() << "the journal stops: " << refusal_in(reply);
        break;
      }
      for (const protocol::RecordItem& item : records->items) {
        EXPECT_EQ(item.index, from);
        ++from.value;
        if (item.index.value >= size) break;
        JournalLine line{item.index, audit::decode_leaf(item.leaf).value(),
                         audit::decode_disclosure(item.disclosure).value()};
        EXPECT_EQ(audit::record_digest(line.record), line.leaf.record);
        lines.push_back(std::move(line));
      }
    }
    return lines;
  }
  JournalLine last_line() {
    const std::uint64_t size = house.store().tree_size().value;
    return journal({size - 1}).front();
  }

  /// Nothing is wrong with the store.
  void expect_whole() {
    broker::CheckOptions options;
    options.log = department.log();
    const auto report = broker::check_store(house.database(), house.keys(), options);
    ASSERT_TRUE(report.has_value()) << report.error().detail;
    for (const broker::StoreProblem& problem : report->problems) ADD_FAILURE() << problem.name << " " << problem.where;
  }

  Department department;
  BrokerHouse house;
};

}  // namespace pli::testing
