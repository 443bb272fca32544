// A witness's state, whose last line is made to fit: what is read it would write the same, and every checkpoint is its
// own.
#include "crypto/hash.hpp"
#include "tests/fuzz/audit_witness_fuzz.hpp"
#include "witness/witness_store.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  std::string text(as_text({data, size}));
  text += "sha256 " + to_hex(crypto::sha256(ByteView{data, size})) + '\n';
  const auto trees = witness::parse_cosigned_trees(text, audit::fuzz_witness_key());
  if (!trees) return 0;
  PLI_INVARIANT(witness::to_text(*trees) == text);
  for (const auto& [path, tree] : *trees) {
    PLI_INVARIANT(path == audit::monitoring_path(tree.origin));
    PLI_INVARIANT(tree.checkpoint.find("\xE2\x80\x94 witness.example/w1 ") != std::string::npos);
  }
  return 0;
}
