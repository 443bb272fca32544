#include "crypto/boxed_key.hpp"

#include "crypto/base64.hpp"
#include "crypto/secret_box.hpp"

namespace pli::crypto {
namespace {

std::string first_line(std::string_view name) { return "pli-key/1 " + std::string(name); }

}  // namespace

std::string box_key(std::string_view name, const SecretKey& secret, const SecretKey& startup_secret) {
  PLI_INVARIANT(startup_secret.size() == startup_secret_bytes);
  std::string bound = first_line(name);
  Bytes sealed = seal_box(secret.expose(), {as_bytes(bound)}, startup_secret.expose());
  return bound + "\n" + to_base64(sealed) + "\n";
}

Result<SecretKey> unbox_key(std::string_view name, std::string_view file, const SecretKey& startup_secret) {
  PLI_INVARIANT(startup_secret.size() == startup_secret_bytes);
  std::string bound = first_line(name);
  std::size_t line_end = file.find('\n');
  if (line_end == std::string_view::npos || file.substr(0, line_end) != bound)
    return Error{Errc::invalid_input, "not the key file of this name"};
  std::string_view body = file.substr(line_end + 1);
  if (!body.ends_with('\n')) return Error{Errc::invalid_input, "key file is cut short"};
  body.remove_suffix(1);
  auto sealed = from_base64(body);
  if (!sealed) return Error{Errc::invalid_input, "key file is not base64"};
  auto opened = open_box(*sealed, {as_bytes(bound)}, startup_secret.expose());
  if (!opened) return opened.error();
  SecretKey secret = SecretKey::copy_of(*opened);
  wipe(*opened);
  return secret;
}

}  // namespace pli::crypto
