// pli-lying-broker: a broker of an invented contract that breaks one promise, to try a client against. Other clients
// than ours too: what each lie must be answered with is in the list. Loopback only. The contract's people are invented,
// their identity files open with the passphrase beside them.
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "tests/support/lies.hpp"
#include "tests/support/socket_broker.hpp"

namespace {

using namespace pli;
using namespace pli::testing;

int misuse(const char* problem) {
  std::fprintf(
      stderr,
      "pli-lying-broker: %s\n"
      "usage: pli-lying-broker list [--json]\n"
      "       pli-lying-broker run LIE FOLDER\n"
      "\n"
      "list  the lies: whose client meets each, doing what, and the code it must answer with\n"
      "run   makes FOLDER with the member's profile (identity, invitation) and its passphrase file, listens on\n"
      "      a free port of the loopback, and says in one JSON line where. Honest until it reads the line `lie`\n"
      "      on standard input, so that the client has a past; ends with its input.\n"
      "\n"
      "Example: (sleep 5; echo lie; sleep 60) | pli-lying-broker run rewind trial\n"
      "         pli --home trial/ged.un --passphrase-file trial/passphrase inbox\n",
      problem);
  return 2;
}

int list(bool json) {
  for (const Lie& lie : lies()) {
    if (json)
      std::cout << nlohmann::json{{"lie", lie.name},
                                  {"what", lie.what},
                                  {"promise", lie.promise},
                                  {"member", lie.member},
                                  {"gesture", text_of(lie.gesture)},
                                  {"answer", lie.code}}
                       .dump()
                << "\n";
    else
      std::printf("%-20.*s %-3.*s %-12.*s %-8.*s %-22.*s %.*s\n", static_cast<int>(lie.name.size()), lie.name.data(),
                  static_cast<int>(lie.promise.size()), lie.promise.data(), static_cast<int>(lie.member.size()),
                  lie.member.data(), static_cast<int>(text_of(lie.gesture).size()), text_of(lie.gesture).data(),
                  static_cast<int>(lie.code.size()), lie.code.data(), static_cast<int>(lie.what.size()),
                  lie.what.data());
  }
  return 0;
}

constexpr std::chrono::milliseconds contract_age = std::chrono::hours(24 * 7);

int run(const Lie& lie, const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder)) return misuse("FOLDER must not exist yet");
  SystemClock clock;
  LyingBroker liar(lie, clock, clock.now() - contract_age);
  std::set<crypto::CurvePublic> admitted;
  const std::string member(lie.member);
  admitted.insert(liar.world().identity(member).public_identity().curve);
  SocketBroker socket(liar.broker(), liar.world().broker_curve, std::move(admitted));
  liar.world().endpoint = socket.endpoint();
  const std::filesystem::path home = folder / member;
  std::filesystem::create_directories(home);
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
  liar.world().write_profile(home, member);
  const std::filesystem::path passphrase_file = folder / "passphrase";
  if (!write_file_durably(passphrase_file, passphrase().expose(), FileMode::owner_only))
    return misuse("FOLDER cannot be written");
  std::cout << nlohmann::json{{"endpoint", socket.endpoint()},
                              {"profile", home.string()},
                              {"passphrase_file", passphrase_file.string()},
                              {"member", member},
                              {"gesture", text_of(lie.gesture)},
                              {"answer", lie.code}}
                   .dump()
            << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line != "lie") return misuse("the only word on standard input is `lie`");
    socket.with_broker([&](MemoryBroker&) { liar.start_lying(); });
    std::cout << R"({"lying": true})" << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc >= 2 && std::strcmp(argv[1], "list") == 0 &&
        (argc == 2 || (argc == 3 && std::strcmp(argv[2], "--json") == 0)))
      return list(argc == 3);
    if (argc == 4 && std::strcmp(argv[1], "run") == 0) {
      const Lie* lie = find_lie(argv[2]);
      return lie == nullptr ? misuse("no such lie; see `list`") : run(*lie, argv[3]);
    }
    return misuse("what shall it do?");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pli-lying-broker: %s\n", error.what());
    return 5;
  }
}
