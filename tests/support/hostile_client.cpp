// pli-hostile: a client that does not behave, for the demo and the end-to-end tests. With an enrolled profile it seals
// an exchange to a file and submits it later, again, or altered; or says what the broker answers to an opening out of
// rights. Prints one JSON line: {"result": "accepted" | code, …}. Exit code 0 whatever the broker answered.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "client/command/passphrase.hpp"
#include "client/seal_exchange.hpp"
#include "client/session.hpp"
#include "crypto/random.hpp"
#include "crypto/statement.hpp"
#include "protocol/form.hpp"
#include "protocol/limits.hpp"
#include "protocol/opening_request.hpp"

namespace {

using namespace pli;
using namespace pli::client;

int fail(const Failure& failure) {
  std::printf("{\"result\": \"%s\"}\n", code_text(failure).c_str());
  return 0;
}

int misuse() {
  std::fputs(
      "usage: pli-hostile HOME PASSPHRASE_FILE seal FORM.json QUEUE OUT\n"
      "       pli-hostile HOME PASSPHRASE_FILE submit FILE [address|seal|signature|locked|payload|release]\n"
      "       pli-hostile HOME PASSPHRASE_FILE open EXCHANGE_ID\n",
      stderr);
  return 2;
}

int seal(Session& session, const Profile& profile, const Keys& keys, const std::string& form_path,
         const std::string& queue, const std::string& out) {
  auto json = read_file(form_path, protocol::form_bytes_max);
  if (!json) return misuse();
  auto form = protocol::Form::from_json(as_text(*json), nullptr, nullptr);
  if (!form) return misuse();
  std::string checkpoint = session.log().last() ? session.log().last()->note() : "";
  auto invitation = profile.invitation();
  SystemClock clock;
  auto sealed =
      seal_exchange(draft_of(*form, queue),
                    {keys.current, *invitation, session.directory(), session.release(), checkpoint, {}, clock.now()});
  if (!sealed) return fail(sealed.error());
  Bytes request = protocol::encode(protocol::Request{1, protocol::Submit{sealed->envelope}});
  if (!write_file_durably(out, request, FileMode::owner_only)) return misuse();
  std::printf("{\"result\": \"sealed\", \"exchange\": \"%s\"}\n", to_hex(sealed->id).c_str());
  return 0;
}

int submit(Session& session, const std::string& path, const std::string& part) {
  auto bytes = read_file(path, protocol::message_bytes_max);
  if (!bytes) return misuse();
  auto request = protocol::decode_request(*bytes);
  if (!request) return misuse();
  auto submit = std::get<protocol::Submit>(request->body);
  auto flip = [](auto& field) { field[field.size() / 2] = static_cast<std::uint8_t>(field[field.size() / 2] ^ 1U); };
  if (part == "address") flip(submit.envelope.address);
  if (part == "seal") flip(submit.envelope.seal);
  if (part == "signature") flip(submit.envelope.signature);
  if (part == "locked") flip(submit.envelope.locked);
  if (part == "payload") flip(submit.envelope.payload);
  if (part == "release") flip(submit.envelope.release);
  auto answer = session.ask<protocol::Accepted>(std::move(submit));
  if (!answer) return fail(answer.error());
  std::printf("{\"result\": \"accepted\", \"exchange\": \"%s\", \"leaf\": %llu, \"duplicate\": %s}\n",
              to_hex(answer->exchange).c_str(), static_cast<unsigned long long>(answer->proof.index.value),
              answer->duplicate ? "true" : "false");
  return 0;
}

/// A well-formed, well-signed request for something the caller may have no right to.
int open(Session& session, const Keys& keys, const std::string& hex) {
  auto bytes = from_hex(hex);
  auto id = bytes ? to_array<32>(*bytes) : std::nullopt;
  if (!id) return misuse();
  SystemClock clock;
  protocol::OpeningRequest request;
  request.log = session.invitation().log;
  request.exchange = *id;
  request.opener = session.member_id();
  request.opener_key = keys.current.signing_key().public_key();
  request.directory = session.directory().number();
  request.motif = static_cast<std::uint8_t>(protocol::Motif::evaluation);
  request.session = session.release().public_key();
  request.created_at = clock.now();
  request.nonce = crypto::random_array<16>();
  Bytes encoded = protocol::encode(request);
  auto signature = crypto::sign_statement(keys.current.signing_key(), crypto::StatementName::open, encoded);
  auto answer = session.ask<protocol::Opened>(protocol::Open{encoded, signature, {}});
  if (!answer) return fail(answer.error());
  std::printf("{\"result\": \"opened\"}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  crypto::initialise();
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 4) return misuse();
  auto profile = Profile::open(words[0]);
  if (!profile) return fail(profile.error());
  auto passphrase = command::read_passphrase(words[1], "");
  if (!passphrase) return fail(passphrase.error());
  auto keys = profile->unlock(*passphrase);
  if (!keys) return fail(keys.error());
  SystemClock clock;
  auto session = Session::open(*profile, *keys, clock);
  if (!session) return fail(session.error());
  if (words[2] == "seal" && words.size() == 6) return seal(**session, *profile, *keys, words[3], words[4], words[5]);
  if (words[2] == "submit") return submit(**session, words[3], words.size() > 4 ? words[4] : "");
  if (words[2] == "open") return open(**session, *keys, words[3]);
  return misuse();
}
