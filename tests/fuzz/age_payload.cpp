// The input is a script that cuts a good payload of several chunks up and joins the pieces anew: whatever comes out
// opens if and only if it is the payload it was.
#include <fuzzer/FuzzedDataProvider.h>

#include "crypto/identity.hpp"
#include "tests/fuzz/age_fuzz.hpp"

namespace pli::crypto {
namespace {

constexpr std::size_t sealed_chunk = age_chunk_bytes + age_tag_bytes;

struct Sealed {
  Bytes header;
  Bytes payload;
};

/// Two whole chunks and a short one; and two whole chunks only, whose last is full.
const Sealed& sealed(bool short_last) {
  const auto make = [](std::size_t size) {
    const FileKey file_key = fuzz_file_key();
    const AgePublic recipient{x25519_public(fuzz_secret())};
    return Sealed{*make_age_header(file_key, std::span(&recipient, 1)), seal_payload(file_key, Bytes(size, 'x'))};
  };
  static const Sealed with_short = make(2 * age_chunk_bytes + 100);
  static const Sealed full = make(2 * age_chunk_bytes);
  return short_last ? with_short : full;
}

}  // namespace
}  // namespace pli::crypto

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::crypto;
  FuzzedDataProvider script(data, size);
  const Sealed& good = sealed(script.ConsumeBool());
  Bytes payload;
  for (int pieces = 0; pieces < 8 && script.remaining_bytes() > 0; ++pieces) {
    const auto border = [&] {
      const auto chunk = script.ConsumeIntegralInRange<std::size_t>(0, 3);
      const auto beside = script.ConsumeIntegralInRange<int>(-20, 20);
      const auto at = static_cast<std::ptrdiff_t>(chunk == 0 ? 0 : 16 + (chunk - 1) * sealed_chunk) + beside;
      return static_cast<std::size_t>(
          std::clamp<std::ptrdiff_t>(at, 0, static_cast<std::ptrdiff_t>(good.payload.size())));
    };
    const bool to_the_end = script.ConsumeBool();
    const std::size_t from = border();
    const std::size_t to = to_the_end ? good.payload.size() : border();
    if (from < to) append(payload, ByteView(good.payload).subspan(from, to - from));
    if (script.ConsumeBool() && !payload.empty()) {
      std::uint8_t& byte = payload[script.ConsumeIntegralInRange<std::size_t>(0, payload.size() - 1)];
      byte = static_cast<std::uint8_t>(byte ^ script.ConsumeIntegral<std::uint8_t>());
    }
  }
  Bytes file = good.header;
  append(file, payload);
  const auto opened = open_both_ways(file, SIZE_MAX);
  PLI_INVARIANT(opened.has_value() == (payload == good.payload));
  return 0;
}
