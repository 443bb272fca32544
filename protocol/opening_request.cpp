#include "protocol/opening_request.hpp"

#include "crypto/hash.hpp"
#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

constexpr std::uint8_t format = 1;

Error invalid(const char* field) { return {Errc::invalid_input, field}; }

}  // namespace

Bytes encode(const OpeningRequest& request) {
  ByteWriter out;
  out.u8(format);
  out.string8(request.log);
  out.raw(request.exchange);
  out.string8(request.opener);
  out.raw(request.opener_key.bytes);
  out.u64(request.directory.value);
  out.u8(request.motif);
  out.raw(request.note);
  out.raw(request.session.bytes);
  out.u64(static_cast<std::uint64_t>(request.created_at.value));
  out.raw(request.nonce);
  return out.take();
}

Result<OpeningRequest> decode_opening_request(ByteView bytes) {
  if (bytes.size() > opening_bytes_max) return invalid("opening");
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  OpeningRequest request;
  request.log = in.string8();
  request.exchange = in.array<32>();
  request.opener = in.string8();
  request.opener_key.bytes = in.array<32>();
  request.directory.value = in.u64();
  request.motif = in.u8();
  request.note = in.array<32>();
  request.session.bytes = in.array<32>();
  const std::uint64_t created = in.u64();
  request.nonce = in.array<16>();
  if (!in.at_end() || version != format) return invalid("opening");

  if (!is_log_name(request.log)) return invalid("log");
  if (!is_token(request.opener)) return invalid("opener");
  if (request.directory.value == 0 || request.directory.value >> 63 != 0) return invalid("directory");
  // No motif at all is a question of its own (MOTIF_REQUIRED); one outside the list is not.
  if (request.motif != 0 && !motif_of_number(request.motif)) return invalid("motif");
  if (created >> 63 != 0) return invalid("created_at");
  request.created_at.value = static_cast<std::int64_t>(created);
  return request;
}

OpeningId opening_id(ByteView request) { return crypto::sha256(request); }

}  // namespace pli::protocol
