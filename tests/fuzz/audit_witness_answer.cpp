// Answers of a witness: "<status>" LF and the body, to the corpus's request from 6 to 8. Only the corpus's cosignature
// counts as one.
#include "audit/text_lines.hpp"
#include "audit/witness.hpp"
#include "tests/fuzz/audit_witness_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  static const AddCheckpoint request = parse_add_checkpoint(corpus_file("audit_add_checkpoint/6_to_8")).value();
  std::string_view body = as_text({data, size});
  const auto first = take_line(body);
  const auto status = first ? parse_decimal(*first) : std::nullopt;
  if (!status || *status > 999) return 0;
  const WitnessAnswer answer{static_cast<int>(*status), "", std::string(body)};
  const auto reply = read_witness_answer(request, TreeSize{12}, answer, fuzz_witness_key(), UnixSeconds{1700000000});
  if (!reply) return 0;
  if (const auto* cosigned = std::get_if<Cosigned>(&*reply)) {
    PLI_INVARIANT(answer.status == 200 && cosigned->time.value == 1700000000);
    PLI_INVARIANT(cosigned->line.name == "witness.example/w1");
  } else if (const auto* stands = std::get_if<StandsAt>(&*reply)) {
    PLI_INVARIANT(answer.status == 409 && stands->size.value <= 12 && stands->size != request.old);
  } else {
    PLI_INVARIANT(answer.status == 409 || answer.status == 422);
  }
  return 0;
}
