#include "crypto/identity_file.hpp"

#include <algorithm>
#include <string>

#include "crypto/bech32.hpp"

namespace pli::crypto::opening {
namespace {

constexpr std::string_view first_line = "# pli identity, format 1";
constexpr std::string_view seed_mark = "# seed ";
constexpr std::size_t seed_bytes = 32;

void wipe_text(std::string& text) { wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}); }

Error no_identity() { return {Errc::invalid_input, "file holds no pli identity"}; }

/// Takes one line off `text`; nothing when it does not end in LF.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

Result<Identity> parse_plaintext(std::string_view text) {
  const auto format = take_line(text);
  const auto seed_line = take_line(text);
  const auto key_line = take_line(text);
  if (format != first_line || !seed_line || !seed_line->starts_with(seed_mark) || !key_line || !text.empty()) {
    return no_identity();
  }
  auto seed = from_hex(seed_line->substr(seed_mark.size()));
  if (!seed) return no_identity();
  SecretKey kept = SecretKey::copy_of(*seed);
  wipe(*seed);
  if (kept.size() != seed_bytes) return no_identity();
  Identity identity = Identity::from_seed(std::move(kept));
  // The age line is for age alone; one that says otherwise than the seed means the file was made by hand.
  const auto age_secret = parse_identity(*key_line);
  if (!age_secret || !same_secret(age_secret->expose(), identity.age_secret().expose())) return no_identity();
  return identity;
}

}  // namespace

Result<Bytes> write_identity_file(const Identity& identity, const SecretKey& passphrase, int work_factor) {
  std::string seed = to_hex(identity.seed().expose());
  std::string age_line = to_identity_text(identity.age_secret());
  std::string text;
  text.reserve(256);  // never grows beyond, so no copy is left behind
  text.append(first_line).append("\n").append(seed_mark).append(seed).append("\n").append(age_line).append("\n");
  wipe_text(seed);
  wipe_text(age_line);
  Bytes out;
  ByteView rest = as_bytes(text);
  const Source in = [&rest](std::span<std::uint8_t> into) -> Result<std::size_t> {
    const std::size_t size = std::min(into.size(), rest.size());
    std::copy_n(rest.begin(), size, into.begin());
    rest = rest.subspan(size);
    return size;
  };
  const Sink sink = [&out](ByteView bytes) -> Result<void> {
    append(out, bytes);
    return {};
  };
  const auto sealed = seal_file_with_passphrase(in, sink, passphrase, work_factor, false);
  wipe_text(text);
  if (!sealed) return sealed.error();
  return out;
}

Result<Identity> read_identity_file(ByteView file, const SecretKey& passphrase) {
  AgeKeys keys;
  keys.passphrase = &passphrase;
  auto plaintext = open_bytes(file, keys);
  if (!plaintext) {
    if (plaintext.error() == AgeFailure::memory) return Error{Errc::unavailable, "not enough memory for scrypt"};
    return Error{Errc::authentication_failed, "wrong passphrase or damaged identity file"};
  }
  auto identity = parse_plaintext(as_text(*plaintext));
  wipe(*plaintext);
  return identity;
}

Result<std::vector<SecretKey>> parse_age_identity_file(std::string_view text) {
  std::vector<SecretKey> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    auto identity = parse_identity(line);
    if (!identity) return identity.error();
    out.push_back(std::move(*identity));
  }
  if (out.empty()) return Error{Errc::invalid_input, "no age identity in this file"};
  return out;
}

}  // namespace pli::crypto::opening
