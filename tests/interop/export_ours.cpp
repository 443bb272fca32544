// Makes an auditor's export folder, for tlog_export_theirs.go and for pli-verify to read: DIR/folder, the whole log in
// DIR/log, and what a reader has from elsewhere: DIR/vkey, DIR/witnesses, DIR/policy.
//   export_ours DIR [ORIGIN]
#include <cstdio>

#include "crypto/random.hpp"
#include "tests/verify/made_log.hpp"

int main(int count, char** arguments) {
  using namespace pli::verify::test;
  if (count != 2 && count != 3) {
    std::fprintf(stderr, "usage: export_ours DIR [ORIGIN]\n");
    return 2;
  }
  pli::crypto::initialise();
  const std::filesystem::path dir = arguments[1];
  std::filesystem::remove_all(dir);
  // Three levels of tiles, and a period within two bundles.
  const MadeLog log(66000, {}, count == 3 ? arguments[2] : made_origin);
  write_files(dir / "folder", log.exported(300, 700, true));
  write_files(dir / "log", log.log());
  const auto policy = pli::audit::WitnessPolicy::parse(log.policy()).value();
  std::string witnesses;
  for (const auto& key : policy.witness_keys()) witnesses += to_text(key) + '\n';
  write_files(dir, {{"vkey", to_text(log.log_key()) + '\n'}, {"witnesses", witnesses}, {"policy", log.policy()}});
  return 0;
}
