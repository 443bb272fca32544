#include "protocol/error_catalogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/policy.hpp"

namespace pli::protocol {
namespace {

std::vector<Code> all_codes() {
  std::vector<Code> out;
  for (int number = 0; number < 256; ++number)
    if (const auto code = code_of_number(static_cast<std::uint8_t>(number))) out.push_back(*code);
  return out;
}

std::vector<LocalCode> all_local_codes() {
  std::vector<LocalCode> out;
  for (int i = 0; i <= static_cast<int>(LocalCode::usage); ++i) out.push_back(static_cast<LocalCode>(i));
  return out;
}

/// Every refusal with a text of its own, and one without for each code.
std::vector<Refusal> all_refusals() {
  std::vector<Refusal> out;
  for (Code code : all_codes()) out.push_back({code, "", 0});
  for (const char* rule : {"defaut", "interdit.auteur", "interdit.recuse", "interdit.auditeur", "interdit.operateur",
                           "acces.absent", "annuaire.expire"})
    out.push_back({Code::forbidden, rule, 0});
  for (const char* field : {"address", "sender", "contract", "roster", "kind", "case", "release", "motif", "note",
                            "handling", "queue", "directory", "exchange", "index"})
    out.push_back({Code::invalid, field, 0});
  for (const char* step : {"recu,decide,demande_de_complement", "recu,retour", "clos,complement", "recu,recevable",
                           "recu,a_l_ordre_du_jour", "recevable,en_evaluation", "decide,clos,retour",
                           "decide,complement_demande", "en_cours_d_examen,examen_termine,complement", "clos,clos",
                           "recu,transmission", "recu,information_nominative,recevabilite"})
    out.push_back({Code::illegal_transition, step, 0});
  out.push_back({Code::agreement_missing, "interdit.sans.accord", 0});
  out.push_back({Code::agreement_missing, "accord.servi", 0});
  out.push_back({Code::too_large, "transfers", 0});
  out.push_back({Code::erased, "journal", 0});
  out.push_back({Code::revoked, "suspension", 0});
  out.push_back({Code::erased, "cle", 0});
  out.push_back({Code::erased, "retrait", 0});
  return out;
}

/// Words of a text, without what stands between « and », which is typed and not read.
std::vector<std::string> words_of(std::string text) {
  for (std::size_t from = text.find("«"); from != std::string::npos; from = text.find("«", from)) {
    const std::size_t to = text.find("»", from);
    EXPECT_NE(to, std::string::npos) << text;
    if (to == std::string::npos) break;
    text.erase(from, to + 2 - from);
  }
  std::vector<std::string> words;
  std::string word;
  for (char c : text + " ") {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80) {
      word += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

void expect_french(const std::string& text) {
  static const std::set<std::string> english = {
      "the",  "of",    "to",   "and",     "is",   "are",       "was",    "be",       "your", "you",
      "this", "that",  "with", "from",    "not",  "again",     "try",    "key",      "keys", "broker",
      "log",  "queue", "send", "receipt", "case", "directory", "roster", "exchange", "a",    "an",
      "does", "its",   "by",   "no",      "or",   "in",        "it",     "at",       "must"};
  static const std::set<std::string> also_french = {"a", "or"};  // "elle a", "or"
  for (const std::string& word : words_of(text))
    EXPECT_FALSE(english.count(word) == 1 && also_french.count(word) == 0) << '"' << word << "\" in: " << text;
}

void expect_english(const std::string& text) {
  static const std::set<std::string> french = {"le",   "les", "des", "une",  "est", "votre",
                                               "vous", "pas", "que", "dans", "avec"};
  for (const std::string& word : words_of(text)) EXPECT_EQ(french.count(word), 0U) << '"' << word << "\" in: " << text;
}

/// A sentence or more: begins as one and ends in a full stop.
void expect_sentence(const std::string& text) {
  ASSERT_FALSE(text.empty());
  EXPECT_TRUE(text.back() == '.') << text;
  const auto first = static_cast<unsigned char>(text.front());
  EXPECT_TRUE((first >= 'A' && first <= 'Z') || first >= 0x80 || text.find("created_at") == 0) << text;
  EXPECT_EQ(text.find("  "), std::string::npos) << text;
}

TEST(ErrorCatalogue, NumbersAndNamesEveryCodeForEver) {
  const std::vector<std::string_view> names = {"UNKNOWN_KEY",
                                               "REVOKED",
                                               "FORBIDDEN",
                                               "STALE_DIRECTORY",
                                               "INVALID",
                                               "BAD_SIGNATURE",
                                               "CONFLICT",
                                               "TOO_LARGE",
                                               "BUSY",
                                               "MOTIF_REQUIRED",
                                               "ILLEGAL_TRANSITION",
                                               "CHARTER_REQUIRED",
                                               "AGREEMENT_MISSING",
                                               "CLOCK_SKEW",
                                               "NOT_FOUND",
                                               "ERASED",
                                               "LOG_UNAVAILABLE",
                                               "STOPPED"};
  const std::vector<Code> codes = all_codes();
  ASSERT_EQ(codes.size(), names.size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(codes[i]), i + 1);
    EXPECT_EQ(text_of(codes[i]), names[i]);
    EXPECT_EQ(code_of(names[i]), codes[i]);
  }
  EXPECT_EQ(code_of("OK"), std::nullopt);
  EXPECT_EQ(code_of_number(0), std::nullopt);
}

TEST(ErrorCatalogue, NamesEveryLocalCodeDifferently) {
  std::set<std::string_view> names;
  for (LocalCode code : all_local_codes()) names.insert(text_of(code));
  EXPECT_EQ(names.size(), all_local_codes().size());
  EXPECT_EQ(names.count(""), 0U);
}

TEST(ErrorCatalogue, GivesEveryRefusalACauseAndANextStepInBothLanguages) {
  for (const Refusal& refusal : all_refusals()) {
    SCOPED_TRACE(to_text(refusal));
    const Explanation french = explain(refusal, Language::french);
    const Explanation english = explain(refusal, Language::english);
    for (const std::string& text : {french.cause, french.next_step}) {
      expect_sentence(text);
      expect_french(text);
    }
    for (const std::string& text : {english.cause, english.next_step}) {
      expect_sentence(text);
      expect_english(text);
    }
    EXPECT_NE(french.cause, french.next_step);
    EXPECT_NE(french.cause, english.cause);
  }
}

TEST(ErrorCatalogue, GivesEveryLocalFailureACauseAndANextStepInBothLanguages) {
  for (LocalCode code : all_local_codes()) {
    SCOPED_TRACE(text_of(code));
    const Explanation french = explain(code, Language::french);
    const Explanation english = explain(code, Language::english);
    for (const std::string& text : {french.cause, french.next_step}) {
      expect_sentence(text);
      expect_french(text);
    }
    for (const std::string& text : {english.cause, english.next_step}) {
      expect_sentence(text);
      expect_english(text);
    }
  }
}

TEST(ErrorCatalogue, TellsTheCommonestMistakesApartByNamesScriptsCanRelyOn) {
  const std::vector<std::pair<LocalCode, std::string_view>> names = {
      {LocalCode::no_identity, "no_identity"},
      {LocalCode::file_missing, "file_missing"},
      {LocalCode::passphrase_file_open, "passphrase_file_open"},
      {LocalCode::no_terminal, "no_terminal"},
      {LocalCode::passphrases_differ, "passphrases_differ"},
      {LocalCode::id_malformed, "id_malformed"},
      {LocalCode::id_ambiguous, "id_ambiguous"},
      {LocalCode::invitation_other_contract, "invitation_other_contract"},
      {LocalCode::fingerprint_differs, "fingerprint_differs"},
      {LocalCode::queue_unknown, "queue_unknown"},
      {LocalCode::queue_vacant, "queue_vacant"},
      {LocalCode::awaits_case, "awaits_case"},
      {LocalCode::passphrase_short, "passphrase_short"},
      {LocalCode::profile_later, "profile_later"},
      {LocalCode::invitation_other_keys, "invitation_other_keys"},
      {LocalCode::departement_unknown, "departement_unknown"},
  };
  for (const auto& [code, name] : names) EXPECT_EQ(text_of(code), name);
}

TEST(ErrorCatalogue, TellsWhatToTypeWhenThereIsNoIdentity) {
  for (Language language : {Language::french, Language::english})
    EXPECT_NE(explain(LocalCode::no_identity, language).next_step.find("pli identity new"), std::string::npos);
}

TEST(ErrorCatalogue, TellsNoTwoCausesAlike) {
  for (Language language : {Language::french, Language::english}) {
    std::set<std::string> causes;
    std::size_t count = 0;
    for (const Refusal& refusal : all_refusals()) {
      causes.insert(explain(refusal, language).cause);
      ++count;
    }
    for (LocalCode code : all_local_codes()) {
      causes.insert(explain(code, language).cause);
      ++count;
    }
    EXPECT_EQ(causes.size(), count);
  }
}

TEST(ErrorCatalogue, TellsWhomToCallWhenAccessIsAtStake) {
  for (Code code : {Code::unknown_key, Code::revoked})
    EXPECT_NE(explain({code, "", 0}, Language::french).next_step.find("l'interlocuteur à la préfecture"),
              std::string::npos)
        << text_of(code);
}

TEST(ErrorCatalogue, TellsOfTheEmergencyNumbersWhenNothingLeaves) {
  for (Code code : {Code::log_unavailable, Code::stopped})
    EXPECT_NE(explain({code, "", 0}, Language::french).next_step.find("112"), std::string::npos);
  for (LocalCode code : {LocalCode::unreachable, LocalCode::queued, LocalCode::queue_vacant})
    EXPECT_NE(explain(code, Language::french).next_step.find("112"), std::string::npos);
}

TEST(ErrorCatalogue, HasATextForEveryRuleThatForbids) {
  const std::string general = explain({Code::forbidden, "", 0}, Language::french).cause;
  for (const Rule& rule : rules()) {
    if (!rule.forbid) continue;
    EXPECT_NE(explain({Code::forbidden, std::string(rule.id), 0}, Language::french).cause, general) << rule.id;
  }
}

TEST(ErrorCatalogue, HasATextForEveryFieldTheBrokerCallsInvalid) {
  const std::string general = explain({Code::invalid, "", 0}, Language::french).cause;
  for (const char* field :
       {"access",    "address",  "attributes", "bundle",      "case",       "contract", "directory", "erasure",
        "exchange",  "handling", "index",      "in_reply_to", "kind",       "locked",   "log",       "motif",
        "not_after", "note",     "number",     "opener",      "opener_key", "payload",  "queue",     "release",
        "request",   "roster",   "seal",       "sender",      "sender_key", "session",  "version"})
    EXPECT_NE(explain({Code::invalid, field, 0}, Language::french).cause, general) << field;
}

TEST(ErrorCatalogue, SaysOfAnErasedRecordThatTheReceiptStillStands) {
  EXPECT_NE(explain({Code::erased, "journal", 0}, Language::french).cause,
            explain({Code::erased, "terme", 0}, Language::french).cause);
}

TEST(ErrorCatalogue, OfAStepTakenTwiceSaysThatItIsDone) {
  for (const char* step : {"clos,clos", "retour_effectue,retour_effectue,cloture", "recevable,recevable"})
    EXPECT_NE(explain({Code::illegal_transition, step, 0}, Language::french).cause.find("déjà fait"), std::string::npos)
        << step;
  EXPECT_EQ(explain({Code::illegal_transition, "decide,clos", 0}, Language::french).cause.find("déjà fait"),
            std::string::npos);
}

TEST(ErrorCatalogue, ExplainsASubjectItDoesNotKnowInGeneral) {
  for (Code code : {Code::forbidden, Code::invalid, Code::illegal_transition, Code::erased})
    EXPECT_EQ(explain({code, "nouveau.mot", 0}, Language::french).cause,
              explain({code, "", 0}, Language::french).cause);
}

TEST(ErrorCatalogue, SaysHowLongToWait) {
  EXPECT_NE(explain({Code::busy, "", 1}, Language::french).next_step.find("1 seconde."), std::string::npos);
  EXPECT_NE(explain({Code::busy, "", 1001}, Language::french).next_step.find("2 secondes."), std::string::npos);
  EXPECT_NE(explain({Code::busy, "", 60000}, Language::english).next_step.find("60 seconds."), std::string::npos);
  EXPECT_NE(explain({Code::busy, "", UINT32_MAX}, Language::english).next_step.find("4294968 seconds."),
            std::string::npos);
}

TEST(ErrorCatalogue, PrintsACodeWithItsArgument) {
  EXPECT_EQ(to_text({Code::forbidden, "interdit.auteur", 0}), "FORBIDDEN(interdit.auteur)");
  EXPECT_EQ(to_text({Code::illegal_transition, "recu,retour", 0}), "ILLEGAL_TRANSITION(recu,retour)");
  EXPECT_EQ(to_text({Code::busy, "", 1500}), "BUSY(1500)");
  EXPECT_EQ(to_text({Code::not_found, "", 0}), "NOT_FOUND");
}

TEST(ErrorCatalogue, NeverPrintsASubjectThatIsNotAToken) {
  for (const char* subject : {"\x1b[2J", "Mme X", "a\nb", "<b>", "é"}) {
    EXPECT_FALSE(is_subject(subject));
    EXPECT_EQ(to_text({Code::invalid, subject, 0}), "INVALID");
  }
  EXPECT_TRUE(is_subject(std::string(refusal_subject_bytes_max, 'a')));
  EXPECT_FALSE(is_subject(std::string(refusal_subject_bytes_max + 1, 'a')));
  EXPECT_FALSE(is_subject(""));
}

}  // namespace
}  // namespace pli::protocol
