// Policy files: what is read keeps its promises (limits, no key twice), and a quorum holds for everybody if it holds
// for anybody, and for nobody only when it is none.
#include <set>

#include "audit/witness_policy.hpp"
#include "tests/fuzz/audit_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  const auto policy = WitnessPolicy::parse(as_text({data, size}));
  if (!policy) return 0;
  PLI_INVARIANT(policy->logs().size() <= policy_logs_max && policy->witnesses().size() <= policy_witnesses_max);
  std::set<ByteArray<32>> keys;
  WitnessNames everybody;
  for (const auto& witness : policy->witnesses()) {
    PLI_INVARIANT(witness.key.type == KeyType::cosignature && keys.insert(witness.key.key.bytes).second);
    PLI_INVARIANT(!witness.name.empty() && everybody.insert(witness.name).second);
  }
  keys.clear();
  for (const auto& log : policy->logs())
    PLI_INVARIANT(log.key.type == KeyType::ed25519 && keys.insert(log.key.key.bytes).second);

  PLI_INVARIANT(policy->is_satisfied_by(everybody));
  const bool none = policy->is_satisfied_by({});
  for (const std::string& name : everybody) {
    PLI_INVARIANT(!none || policy->is_satisfied_by({name}));
    WitnessNames others = everybody;
    others.erase(name);
    PLI_INVARIANT(policy->is_satisfied_by(others) || !policy->is_satisfied_by({}));
  }
  return 0;
}
