// P1: the broker's binary links no opening code. Reads the unstripped program with binutils and looks for every strong
// symbol of the library that opens; a broker linked with that library on purpose must be caught by the same look.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <set>
#include <sstream>
#include <string>

namespace pli::broker {
namespace {

std::string output_of(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  if (!pipe) return {};
  std::string out;
  std::array<char, 65536> block{};
  for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), pipe.get())) > 0;)
    out.append(block.data(), got);
  return out;
}

std::string in_quotes(const std::string& path) { return "'" + path + "'"; }

/// Mangled names, so that no two overloads are taken for one. `kinds`: nm's letters to keep; empty keeps all.
std::set<std::string> symbols_of(const std::string& file, const std::string& kinds) {
  std::set<std::string> out;
  std::istringstream lines(output_of("nm --defined-only " + in_quotes(file)));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string address;
    std::string kind;
    std::string name;
    if (!(words >> address >> kind >> name) || kind.size() != 1) continue;
    if (kinds.empty() || kinds.find(kind) != std::string::npos) out.insert(name);
  }
  return out;
}

/// Strong definitions: code, data, read-only data, zeroed data, common.
std::set<std::string> opening_symbols() { return symbols_of(PLI_OPENING_LIBRARY, "TDRBC"); }

std::set<std::string> opening_symbols_in(const std::string& program) {
  const std::set<std::string> there = symbols_of(program, "");
  std::set<std::string> out;
  for (const std::string& symbol : opening_symbols())
    if (there.count(symbol) != 0) out.insert(symbol);
  return out;
}

TEST(P1BlindBroker, TheOpeningLibraryIsWhatItShouldBe) {
  const auto symbols = opening_symbols();
  EXPECT_GE(symbols.size(), 10U);
  const std::string names = output_of("nm -C --defined-only " + in_quotes(PLI_OPENING_LIBRARY));
  for (const char* wanted : {"opening::open_payload(", "opening::unwrap_file_key(", "opening::unlock_header(",
                             "opening::open_grant(", "opening::read_identity_file("})
    EXPECT_NE(names.find(wanted), std::string::npos) << wanted;
}

TEST(P1BlindBroker, TheBrokerIsNotStripped) {
  const auto symbols = symbols_of(PLI_BROKER_PROGRAM, "");
  EXPECT_GT(symbols.size(), 1000U) << "a stripped program would pass for a blind one";
  const std::string names = output_of("nm -C --defined-only " + in_quotes(PLI_BROKER_PROGRAM));
  EXPECT_NE(names.find("pli::crypto::open_share("), std::string::npos) << "what the broker does link is seen";
}

TEST(P1BlindBroker, TheBrokerLinksNothingThatOpens) {
  const auto found = opening_symbols_in(PLI_BROKER_PROGRAM);
  EXPECT_TRUE(found.empty()) << found.size() << " symbols of the opening library, the first " << *found.begin();
}

TEST(P1BlindBroker, NothingInTheBrokerBearsTheOpeningName) {
  // Inlined or local copies too: everything that opens lives in one namespace.
  const std::string names = output_of("nm -C " + in_quotes(PLI_BROKER_PROGRAM));
  EXPECT_EQ(names.find("crypto::opening::"), std::string::npos);
}

TEST(P1BlindBroker, NoSharedLibraryOfOursHidesIt) {
  const std::string needed = output_of("readelf -d " + in_quotes(PLI_BROKER_PROGRAM));
  EXPECT_NE(needed.find("(NEEDED)"), std::string::npos);
  EXPECT_EQ(needed.find("libpli"), std::string::npos);
}

TEST(P1BlindBroker, NoPasswordHashingIsAskedOfLibsodium) {
  const std::string names = output_of("nm -D --undefined-only " + in_quotes(PLI_BROKER_PROGRAM));
  EXPECT_NE(names.find("crypto_box_open_easy_afternm"), std::string::npos) << "release shares";
  EXPECT_EQ(names.find("crypto_pwhash"), std::string::npos) << "no scrypt in the broker";
}

TEST(P1BlindBroker, ABrokerThatLinksTheOpeningLibraryIsCaught) {
  const auto found = opening_symbols_in(PLI_SEEING_BROKER_PROGRAM);
  EXPECT_EQ(found, opening_symbols()) << "the control build holds all of it, and the same look finds all of it";
  EXPECT_FALSE(found.empty());
  const std::string names = output_of("nm -C " + in_quotes(PLI_SEEING_BROKER_PROGRAM));
  EXPECT_NE(names.find("crypto::opening::"), std::string::npos);
}

}  // namespace
}  // namespace pli::broker
