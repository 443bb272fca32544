// Cosigned checkpoints: nobody but the corpus's witness has cosigned, nothing but the corpus's checkpoint, at no other
// time; and a payload that decodes encodes to the same bytes.
#include "audit/cosignature.hpp"
#include "tests/fuzz/audit_witness_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  static const VerifierKey log_key = fuzz_key("broker.example/audit");
  static const std::vector<VerifierKey> witnesses = {fuzz_witness_key()};
  const ByteView bytes{data, size};
  if (const auto payload = decode_cosignature(bytes)) PLI_INVARIANT(equal(encode(*payload), bytes));

  const auto cosigned = verify_cosigned_checkpoint(as_text(bytes), log_key, witnesses, UnixSeconds{1700000000});
  const auto checkpoint = verify_checkpoint(as_text(bytes), log_key);
  if (!checkpoint) PLI_INVARIANT(!cosigned);
  if (!cosigned) return 0;
  PLI_INVARIANT(cosigned->checkpoint().head() == checkpoint->head());
  for (const Cosigner& cosigner : cosigned->cosigners()) {
    PLI_INVARIANT(cosigner.witness == 0 && cosigner.time.value == 1700000000);
    PLI_INVARIANT(checkpoint->size().value == 8);
  }
  return 0;
}
