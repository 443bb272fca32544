// What an auditor is told in words.
#include <gtest/gtest.h>

#include "client/command/audit_verbs.hpp"

namespace pli::client::command {
namespace {

TEST(AuditWords, SayHowManyRecordsHadTheirValuesErasedAtTerm) {
  EXPECT_EQ(erased_words(0), "");
  EXPECT_EQ(erased_words(1),
            "Valeurs effacées à leur terme : 1 enregistrement, dont la feuille et la place ont été vérifiées.");
  EXPECT_EQ(erased_words(1204),
            "Valeurs effacées à leur terme : 1204 enregistrements, dont les feuilles et les places ont été vérifiées.");
}

TEST(AuditWords, APlaceIsWrittenWithItsShardWhereThereAreSeveral) {
  EXPECT_EQ(place_text(LeafIndex{1204}, ""), "1204");
  EXPECT_EQ(place_text(LeafIndex{1204}, "2026-1"), "2026-1/1204");
  EXPECT_EQ(place_text(LeafIndex{0}, "2026\x1b[1m").find('\x1b'), std::string::npos);
}

TEST(AuditWords, EveryShardIsToldWithItsSizeInTheirOrder) {
  AuditReport report;
  report.shards.push_back({"pli.example/pli/89/2026-1", TreeSize{1200}, {}, {}, true});
  report.shards.push_back({"pli.example/pli/89/2026-2", TreeSize{7}, {}, {}, false});
  EXPECT_EQ(lines_of_shards(report),
            (std::vector<std::string>{"pli.example/pli/89/2026-1 1200", "pli.example/pli/89/2026-2 7"}));
}

TEST(AuditWords, EveryProblemHasWordsOfItsOwn) {
  for (int i = 0; !text_of(static_cast<Problem>(i)).empty(); ++i)
    EXPECT_NE(french(static_cast<Problem>(i)), "anomalie") << text_of(static_cast<Problem>(i));
}

}  // namespace
}  // namespace pli::client::command
