// The text form: what is written, what is taken, what is refused as armor before anything else.
#include "tests/crypto/age_support.hpp"

namespace pli::crypto {
namespace {

const std::string begin_line = "-----BEGIN AGE ENCRYPTED FILE-----\n";
const std::string end_line = "-----END AGE ENCRYPTED FILE-----\n";

class AgeArmor : public ::testing::Test {
 protected:
  std::string outcome(const std::string& text) const {
    const auto opened = opening::open_bytes(as_bytes(text), pair_.keys());
    for (const std::size_t step : {SIZE_MAX, std::size_t{1}, std::size_t{67}}) {
      EXPECT_EQ(stream_open(as_bytes(text), pair_.keys(), step).outcome, outcome_of(opened)) << step;
    }
    if (opened) {
      EXPECT_EQ(*opened, plaintext_);
    }
    return outcome_of(opened);
  }
  /// Between the two labels.
  std::string wrapped(const std::string& lines) const { return outcome(begin_line + lines + end_line); }
  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
      text.replace(at, what.size(), by);
    }
    return text;
  }

  AgePair pair_;
  Bytes plaintext_ = to_bytes("a short text");  // 200 + 12 bytes: five lines, the last one padded
  Bytes file_ = sealed_file(plaintext_, pair_.recipients());
  std::string text_{as_text(sealed_file(plaintext_, pair_.recipients(), true))};
  std::string lines_ = text_.substr(begin_line.size(), text_.size() - begin_line.size() - end_line.size());
};

TEST_F(AgeArmor, HasLinesOf64ColumnsBetweenItsLabels) {
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string text(as_text(sealed_file(counted_bytes(size), pair_.recipients(), true)));
    ASSERT_TRUE(text.starts_with(begin_line) && text.ends_with("\n" + end_line)) << size;
    std::string_view lines = std::string_view(text).substr(begin_line.size());
    lines.remove_suffix(end_line.size());
    while (lines.size() > 65) {
      ASSERT_EQ(lines.find('\n'), 64U) << size;
      lines.remove_prefix(65);
    }
    EXPECT_GE(lines.size(), 2U) << size;
    EXPECT_EQ(lines.find('\n'), lines.size() - 1) << size;
    const auto opened = opening::open_bytes(as_bytes(text), pair_.keys());
    ASSERT_TRUE(opened) << size << ": " << outcome_of(opened);
    EXPECT_EQ(*opened, counted_bytes(size));
  }
}

TEST_F(AgeArmor, IsTheSameInLinesAndCrlfLines) {
  EXPECT_EQ(outcome(text_), "success");
  EXPECT_EQ(outcome(replaced(text_, "\n", "\r\n")), "success");
  EXPECT_EQ(outcome(text_.substr(0, text_.size() - 1)), "success") << "no last line end";
  EXPECT_EQ(outcome(text_.substr(0, text_.size() - 1) + "\r"), "success");
}

TEST_F(AgeArmor, MayHaveSomeWhiteSpaceAround) {
  EXPECT_EQ(outcome("\n \t\r\n\n" + text_ + "\n \t\r\n"), "success");
  EXPECT_EQ(outcome(std::string(1024, '\n') + text_ + std::string(1024, '\n')), "success");
  EXPECT_EQ(outcome(std::string(1025, '\n') + text_), "armor failure");
  EXPECT_EQ(outcome(text_ + std::string(1025, ' ')), "armor failure");
  EXPECT_EQ(outcome(" " + text_), "armor failure") << "on the label's own line";
}

TEST_F(AgeArmor, RefusesAnythingElseAround) {
  EXPECT_EQ(outcome("x\n" + text_), "armor failure");
  EXPECT_EQ(outcome(text_ + "x"), "armor failure");
  EXPECT_EQ(outcome(text_ + "\n\nx\n"), "armor failure");
  EXPECT_EQ(outcome(text_ + text_), "armor failure");
  EXPECT_EQ(outcome(text_ + std::string(1, '\0')), "armor failure");
}

TEST_F(AgeArmor, RefusesOtherLabels) {
  EXPECT_EQ(outcome("-----BEGIN AGE ENCRYPTED MESSAGE-----\n" + lines_ + end_line), "armor failure");
  EXPECT_EQ(outcome("-----begin age encrypted file-----\n" + lines_ + end_line), "armor failure");
  EXPECT_EQ(outcome("-----BEGIN AGE ENCRYPTED FILE----\n" + lines_ + end_line), "armor failure");
  EXPECT_EQ(outcome("-----BEGIN AGE ENCRYPTED FILE----- \n" + lines_ + end_line), "armor failure");
  EXPECT_EQ(outcome("-----BEGIN AGE ENCRYPTED FILE-----" + lines_ + end_line), "armor failure");
  EXPECT_EQ(outcome(begin_line + lines_ + "-----END AGE ENCRYPTED MESSAGE-----\n"), "armor failure");
  EXPECT_EQ(outcome(begin_line + lines_ + "-----end age encrypted file-----\n"), "armor failure");
  EXPECT_EQ(outcome(begin_line + lines_ + " " + end_line), "armor failure");
  EXPECT_EQ(outcome(begin_line + lines_ + begin_line), "armor failure");
  EXPECT_EQ(outcome(begin_line + lines_), "armor failure") << "no end";
  EXPECT_EQ(outcome(begin_line), "armor failure");
  EXPECT_EQ(outcome(begin_line.substr(0, 20)), "armor failure");
}

TEST_F(AgeArmor, RefusesHeadersBlankLinesAndChecksums) {
  EXPECT_EQ(wrapped("Comment: x\n\n" + lines_), "armor failure");
  EXPECT_EQ(wrapped("\n" + lines_), "armor failure");
  EXPECT_EQ(wrapped(lines_ + "\n"), "armor failure");
  EXPECT_EQ(wrapped(lines_.substr(0, 65) + "\n" + lines_.substr(65)), "armor failure");
  EXPECT_EQ(wrapped(lines_ + "=twTO\n"), "armor failure");
}

TEST_F(AgeArmor, RefusesLinesThatAreTooLongTooShortOrDirty) {
  const std::string joined = replaced(lines_, "\n", "");
  EXPECT_EQ(wrapped(joined + "\n"), "armor failure") << "one long line";
  EXPECT_EQ(wrapped(joined.substr(0, 68) + "\n" + joined.substr(68) + "\n"), "armor failure");
  EXPECT_EQ(wrapped(joined.substr(0, 60) + "\n" + joined.substr(60, 64) + "\n" + joined.substr(124, 64) + "\n" +
                    joined.substr(188, 64) + "\n" + joined.substr(252) + "\n"),
            "armor failure")
      << "a short line that is not the last";
  EXPECT_EQ(wrapped(" " + lines_), "armor failure");
  EXPECT_EQ(wrapped(replaced(lines_, "\n", " \n")), "armor failure");
  EXPECT_EQ(wrapped(replaced(lines_, "\n", "\r\r\n")), "armor failure");
  EXPECT_EQ(wrapped(replaced(lines_, "\n", "\r")), "armor failure") << "CR alone ends no line";
  for (const char bad : {'-', '_', '*', ' ', '\t', '\x80', '\0', '='}) {
    std::string changed = lines_;
    changed[10] = bad;
    EXPECT_EQ(wrapped(changed), "armor failure") << static_cast<int>(bad);
  }
}

TEST_F(AgeArmor, RefusesBase64ThatIsNotCanonical) {
  const std::size_t pad = lines_.find('=');
  ASSERT_NE(pad, std::string::npos);
  EXPECT_EQ(wrapped(replaced(lines_, "=", "")), "armor failure");
  EXPECT_EQ(wrapped(lines_.substr(0, pad) + "\n" + lines_.substr(pad)), "armor failure") << "padding on its own line";
  EXPECT_EQ(wrapped(lines_.substr(0, lines_.size() - 1) + "=\n"), "armor failure");
  std::string spare = lines_;
  // 'A', 'Q', 'g', 'w' before "==" have no spare bits, and every fourth letter before "="; the next letter has one.
  spare[pad - 1] = static_cast<char>(spare[pad - 1] == 'Z' ? 'b' : spare[pad - 1] + 1);
  EXPECT_EQ(wrapped(spare), "armor failure");
}

TEST_F(AgeArmor, LeavesWhatIsInsideToTheHeader) {
  EXPECT_EQ(wrapped(""), "header failure") << "nothing inside";
  const std::string crlf = replaced(std::string(as_text(ByteView(file_).first(168))), "\n", "\r\n");
  std::string inside;
  for (std::size_t at = 0; at < crlf.size(); at += 48) inside += to_base64(as_bytes(crlf.substr(at, 48))) + "\n";
  EXPECT_EQ(wrapped(inside), "header failure");
}

TEST_F(AgeArmor, FailsBeforeTheHeaderDoes) {
  EXPECT_EQ(wrapped("AAAA\n*\n"), "armor failure");
  EXPECT_EQ(wrapped("AAAA\n"), "header failure");
}

TEST_F(AgeArmor, StreamsLargeFilesAndReleasesNothingWrongBeforeItFails) {
  const Bytes plaintext = counted_bytes(3 * 1024 * 1024 + 5);
  Bytes text = sealed_file(plaintext, pair_.recipients(), true);
  EXPECT_EQ(stream_open(text, pair_.keys()).released, plaintext);
  EXPECT_EQ(stream_open(text, pair_.keys(), 4093).released, plaintext);
  EXPECT_EQ(*opening::open_bytes(text, pair_.keys()), plaintext);
  text[text.size() - 100] = '*';
  const Streamed damaged = stream_open(text, pair_.keys());
  EXPECT_EQ(damaged.outcome, "armor failure");
  EXPECT_LT(damaged.released.size(), plaintext.size());
  EXPECT_TRUE(equal(damaged.released, ByteView(plaintext).first(damaged.released.size())));
}

}  // namespace
}  // namespace pli::crypto
