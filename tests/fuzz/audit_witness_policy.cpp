// Policy files: what is read keeps its promises (limits, no key twice), and a quorum holds for everybody if it holds
// for anybody, and for nobody only when it is none.
#include <set>
#include <vector>

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

  // What an invitation carries of it: one spelling, the same witnesses, no log.
  const auto lines = witness_lines(as_text({data, size}));
  PLI_INVARIANT(lines && witness_lines(*lines).value() == *lines);
  const auto again = WitnessPolicy::parse(*lines);
  PLI_INVARIANT(again && again->logs().empty() && again->witness_keys() == policy->witness_keys());
  PLI_INVARIANT(again->demands_witnesses() == policy->demands_witnesses());

  // The quorum is never younger than the youngest of its witnesses, and there is one when all have signed.
  std::vector<Cosigner> cosigners;
  for (std::size_t i = 0; i < policy->witnesses().size(); ++i) cosigners.push_back({i, UnixSeconds{i + 1}});
  const auto time = quorum_time(*policy, cosigners);
  PLI_INVARIANT(time.has_value() == policy->demands_witnesses());
  PLI_INVARIANT(!time || (time->value >= 1 && time->value <= cosigners.size()));
  return 0;
}
