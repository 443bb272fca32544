// Requests to a witness: what is read writes back the same; a witness at size 6 of the corpus's tree answers each with
// one of its statuses, and cosigns nothing but the checkpoint its log signed.
#include "audit/witness.hpp"
#include "tests/fuzz/audit_witness_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  static const std::vector<VerifierKey> logs = {fuzz_key("broker.example/audit")};
  static const Witness witness{"witness.example/w1", fuzz_witness()};
  static const WitnessState six{
      TreeSize{6},
      to_array<32>(from_hex("76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef").value()).value()};
  static const TreeHead signed_head =
      parse_tree_head(parse_note(corpus_file("audit_cosignature/checkpoint")).value().text).value();
  const std::string_view body = as_text({data, size});
  const auto parsed = parse_add_checkpoint(body);
  if (parsed) PLI_INVARIANT(to_text(*parsed) == body);
  const auto request = verify_add_checkpoint(body, logs);
  if (!request) {
    const int status = request.error().status;
    PLI_INVARIANT(status == 400 || status == 404 || status == 403);
    PLI_INVARIANT(parsed || status == 400);
    return 0;
  }
  PLI_INVARIANT(parsed && request->origin() == "broker.example/audit");
  const WitnessDecision decision = decide_add_checkpoint(*request, six, witness, UnixSeconds{1700000000});
  const int status = decision.answer.status;
  PLI_INVARIANT(status == 200 || status == 409 || status == 422);
  PLI_INVARIANT(decision.update.has_value() == (status == 200) && !decision.is_evidence);
  if (status == 200) PLI_INVARIANT(decision.update->state == (WitnessState{signed_head.size, signed_head.root}));
  return 0;
}
