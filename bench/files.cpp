// pli-bench files: a large file through `pli seal` and `pli unseal`, through Debian's age, and through the cipher
// alone.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "bench/bench_house.hpp"
#include "bench/median.hpp"
#include "bench/raw_cipher.hpp"
#include "bench/scenarios.hpp"
#include "crypto/random.hpp"
#include "tests/support/temporary_folder.hpp"

extern char** environ;

namespace pli::bench {
namespace {

constexpr std::size_t rounds = 3;

double seconds_of(const std::string& command) {
  const auto start = clock::now();
  std::vector<std::string> words = {"/bin/sh", "-c", command};
  std::vector<char*> argv = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = -1;
  int status = 0;
  if (::posix_spawn(&pid, "/bin/sh", nullptr, nullptr, argv.data(), environ) != 0 ||
      ::waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("failed: " + command);
  return std::chrono::duration<double>(clock::now() - start).count();
}

std::string first_line_with(const std::filesystem::path& file, const std::string& prefix) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (const auto at = line.find(prefix); at != std::string::npos) return line.substr(at);
  throw std::runtime_error("age-keygen wrote no recipient");
}

}  // namespace

nlohmann::json measure_files(std::size_t mib, const std::filesystem::path& pli, const ScenarioOptions& options) {
  const testing::TemporaryFolder folder;
  const auto in_folder = [&](const char* name) { return "'" + (folder.path() / name).string() + "'"; };
  {
    std::ofstream out(folder.path() / "plain", std::ios::binary);
    std::vector<std::uint8_t> block(1 << 20);
    for (std::size_t i = 0; i < mib; ++i) {
      crypto::random_bytes(block);
      out.write(reinterpret_cast<const char*>(block.data()), static_cast<std::streamsize>(block.size()));
    }
  }
  (void)seconds_of("age-keygen -o " + in_folder("key") + " 2> " + in_folder("key.said"));
  const std::string recipient = first_line_with(folder.path() / "key", "age1");
  const std::string program = "'" + pli.string() + "'";
  const struct {
    const char* name;
    std::string command;
  } commands[] = {
      {"pli_seal", program + " seal -r " + recipient + " < " + in_folder("plain") + " > " + in_folder("by-pli")},
      {"age_seal", "age -r " + recipient + " < " + in_folder("plain") + " > " + in_folder("by-age")},
      {"pli_open", program + " unseal -i " + in_folder("key") + " < " + in_folder("by-age") + " > " + in_folder("out")},
      {"age_open", "age -d -i " + in_folder("key") + " < " + in_folder("by-pli") + " > " + in_folder("out")},
  };
  std::vector<double> cipher;
  std::map<std::string, std::vector<double>> times;
  for (std::size_t round = 0; round < rounds; ++round) {
    cipher.push_back(seal_by_cipher_alone(mib));
    for (const auto& each : commands) times[each.name].push_back(seconds_of(each.command));
  }
  (void)seconds_of("cmp " + in_folder("plain") + " " + in_folder("out"));
  const double alone = median(cipher);
  nlohmann::json out = {{"mib", mib}, {"cipher_alone_mib_per_s", static_cast<double>(mib) / alone}};
  if (!options.json)
    std::printf("%zu MiB, median of %zu\ncipher alone, one core, in memory   %6.0f MiB/s\n", mib, rounds,
                static_cast<double>(mib) / alone);
  for (const auto& each : commands) {
    const double took = median(times[each.name]);
    out[std::string(each.name) + "_mib_per_s"] = static_cast<double>(mib) / took;
    if (!options.json)
      std::printf("%-10s %6.0f MiB/s   %.2f x the cipher alone\n", each.name, static_cast<double>(mib) / took,
                  alone / took);
  }
  return out;
}

}  // namespace pli::bench
