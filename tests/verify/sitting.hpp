// Runs a command of pli-verify on files in a folder of its own, at a time that stands still.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/temporary_folder.hpp"
#include "tests/verify/made_log.hpp"
#include "verify/commands.hpp"

namespace pli::verify::test {

/// A minute and forty seconds after the first cosignature.
inline constexpr UnixMillis now{1767230100000};

class Desk : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(std::string_view name) const { return (folder_.path() / name).string(); }
  /// A fresh folder or file of that name.
  std::string put(std::string_view name, const Files& files) const {
    std::filesystem::remove_all(folder_.path() / name);
    std::filesystem::create_directories(folder_.path() / name);
    write_files(folder_.path() / name, files);
    return path(name);
  }
  std::string put(std::string_view name, const std::string& bytes) const {
    write_files(folder_.path(), {{std::string(name), bytes}});
    return path(name);
  }
  [[nodiscard]] static Ended run_at(std::vector<std::string> arguments) { return run(arguments, ManualClock(now), {}); }
  static void expect_verified(const Ended& ended) {
    EXPECT_EQ(ended.exit, Exit::verified) << ended.out << ended.err;
    EXPECT_EQ(ended.out.substr(0, 9), "verified:");
    EXPECT_EQ(ended.err, "");
  }
  /// And says that it was this check.
  static void expect_failed(const Ended& ended, const std::string& check, const std::string& damage) {
    EXPECT_EQ(ended.exit, Exit::failed) << damage << ": " << ended.out << ended.err;
    const std::string wanted = "FAILED: " + check + ":";
    EXPECT_EQ(ended.out.substr(0, wanted.size()), wanted) << damage << ": " << ended.out;
    EXPECT_EQ(ended.err, "") << damage;
  }

 private:
  testing::TemporaryFolder folder_;
};

/// One thing wrong with a folder, and the check that must find it.
struct Damage {
  std::string name;
  std::function<void(Files&)> apply;
  std::string check;
};

[[nodiscard]] inline std::string flipped(std::string bytes, std::size_t at) {
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 0x01);
  return bytes;
}
[[nodiscard]] inline std::string replaced(std::string text, std::string_view old, std::string_view fresh) {
  const std::size_t at = text.find(old);
  PLI_INVARIANT(at != std::string::npos);
  return text.replace(at, old.size(), fresh);
}
/// Without the signature lines of this name.
[[nodiscard]] inline std::string without_lines_of(std::string_view note, std::string_view name) {
  audit::Note parsed = audit::parse_note(note).value();
  std::vector<audit::NoteSignature> kept;
  for (const audit::NoteSignature& line : parsed.signatures)
    if (line.name != name) kept.push_back(line);
  parsed.signatures = kept;
  return to_text(parsed);
}
/// The signature of this name with a bit changed.
[[nodiscard]] inline std::string with_bad_line_of(std::string_view note, std::string_view name) {
  audit::Note parsed = audit::parse_note(note).value();
  for (audit::NoteSignature& line : parsed.signatures)
    if (line.name == name) line.signature[20] ^= 0x01;
  return to_text(parsed);
}

}  // namespace pli::verify::test
