// What a rectification shows to whoever may open both what it says and what it corrects.
#include "client/rectification.hpp"

#include "client/seal_exchange.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

class RectificationTest : public Sitting {
 protected:
  /// The author's correction of `corrected`, whose content in JSON is `content`, in the case `case_id`.
  protocol::ExchangeId rectify(const protocol::ExchangeId& corrected, const Digest& case_id,
                               const std::string& content) {
    auto form = protocol::Form::from_json(R"({"type": "rectification", "motif": "identite_erronee", "echange": ")" +
                                              to_hex(corrected) + "\", " + content + "}",
                                          nullptr, nullptr);
    PLI_INVARIANT(form.has_value());
    auto desk = connected("r.bellerive");
    client::Outbox outbox(desk->profile, clock_);
    client::Draft draft = client::draft_of(*form, "ged/89");
    draft.case_id = case_id;
    auto item = outbox.put(draft, desk->keys);
    EXPECT_TRUE(item.has_value()) << why(item);
    auto flushed = outbox.flush(*desk->session);
    EXPECT_TRUE(flushed.has_value() && !flushed->stopped);
    return outbox.find(item->id)->value().exchange.value_or(protocol::ExchangeId{});
  }

  /// The content of report(name), as a rectification carries it.
  static std::string report_content(const std::string& name) {
    return R"("signalement_individuel": {"emetteur": {"service": "Police municipale", "origine": "habitant"},)"
           R"( "personnes": [{"categorie": "personne_signalee", "nom": ")" +
           name +
           R"(", "commune": "89024"}],)"
           R"( "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";
  }

  static Outcome<client::OpenedExchange> open(Desk& desk, const protocol::ExchangeId& exchange) {
    return client::open_exchange(*desk.session, exchange, {});
  }
};

TEST_F(RectificationTest, ShowsWhatItChangesByASecondRecordedOpening) {
  const auto first = somebody_sends("r.bellerive", report("Corvelle"));
  const auto id = rectify(first, first, report_content("Corveille"));
  auto desk = connected("ged.un");
  auto opened = open(*desk, id);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_EQ(opened->content.address.in_reply_to, first);
  const auto size = broker_.size().value;
  auto corrected = client::open_corrected(*desk->session, *opened, {});
  ASSERT_TRUE(corrected.has_value()) << why(corrected);
  EXPECT_EQ(broker_.size().value, size + 1);
  EXPECT_EQ(corrected->before.exchange, first);
  EXPECT_EQ(corrected->before.form, report("Corvelle"));
  ASSERT_EQ(corrected->changes.size(), 1U);
  EXPECT_EQ(corrected->changes[0],
            (protocol::FormChange{"personnes[0].nom", "Personnes 1, Nom", "Corvelle", "Corveille"}));
}

TEST_F(RectificationTest, MayCorrectAnEarlierOne) {
  const auto first = somebody_sends("r.bellerive", report("Corvelle"));
  const auto second = rectify(first, first, report_content("Corveille"));
  const auto third = rectify(second, first, report_content("Corvelles"));
  auto desk = connected("ged.deux");
  auto opened = open(*desk, third);
  ASSERT_TRUE(opened.has_value()) << why(opened);
  auto corrected = client::open_corrected(*desk->session, *opened, {});
  ASSERT_TRUE(corrected.has_value()) << why(corrected);
  ASSERT_EQ(corrected->changes.size(), 1U);
  EXPECT_EQ(corrected->changes[0].before, "Corveille");
}

TEST_F(RectificationTest, IsOfAFormOfItsTypeInItsCase) {
  const auto first = somebody_sends("r.bellerive", report());
  const auto other = somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  auto plain = open(*desk, first);
  ASSERT_TRUE(plain.has_value()) << why(plain);
  EXPECT_FAILS_WITH(client::open_corrected(*desk->session, *plain, {}), LocalCode::bad_form);
  auto elsewhere = open(*desk, rectify(other, first, report_content("Corveille")));
  ASSERT_TRUE(elsewhere.has_value()) << why(elsewhere);
  EXPECT_FAILS_WITH(client::open_corrected(*desk->session, *elsewhere, {}), LocalCode::bad_form);
  auto otherwise = open(
      *desk,
      rectify(first, first,
              R"("complement": {"faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "x"}]})"));
  ASSERT_TRUE(otherwise.has_value()) << "the corrected content stands alone: " << why(otherwise);
  EXPECT_FAILS_WITH(client::open_corrected(*desk->session, *otherwise, {}), LocalCode::bad_form);
}

}  // namespace
}  // namespace pli::testing
