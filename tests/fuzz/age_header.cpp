// Any lines under a right MAC, so that the fuzzer gets past it: header, shape and whole file must agree.
#include "crypto/base64.hpp"
#include "crypto/hash.hpp"
#include "tests/fuzz/age_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::crypto;
  const FileKey file_key = fuzz_file_key();
  Bytes header(data, data + size);
  append(header, "---");
  const auto mac_key = hkdf_sha256(file_key.expose(), {}, "header");
  const Digest mac = hmac_sha256(mac_key.expose(), {header});
  append(header, " " + to_base64_unpadded(mac) + "\n");

  const auto shape = opening::header_shape(header);
  const auto unwrapped = opening::unwrap_file_key(header, fuzz_keys());
  if (!shape) PLI_INVARIANT(!unwrapped && unwrapped.error() == opening::AgeFailure::header);
  if (unwrapped) PLI_INVARIANT(shape && shape->x25519_stanzas > 0);

  // Lines that hold a mac line of their own end the header early; the rest is then payload to the whole file.
  Bytes file = header;
  append(file, seal_payload(file_key, as_bytes("age")));
  const auto opened = open_both_ways(file, SIZE_MAX);
  if (unwrapped) PLI_INVARIANT(opened && as_text(*opened) == "age");
  return 0;
}
