// The list of logs a witness watches: whatever is read, an origin's keys bear its name and are of a log.
#include "tests/fuzz/audit_fuzz.hpp"
#include "witness/watched_logs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  const auto logs = witness::WatchedLogs::parse(as_text({data, size}));
  if (!logs) return 0;
  PLI_INVARIANT(logs->size() <= witness::watched_logs_max);
  for (const char* origin : {"broker.example/pli/89/2026-1", "example.com/foo", "broker.example/audit", ""}) {
    const auto keys = logs->keys_of(origin);
    PLI_INVARIANT(keys.size() <= logs->size());
    for (const auto& key : keys) PLI_INVARIANT(key.name == origin && key.type == audit::KeyType::ed25519);
  }
  return 0;
}
