// The tool of the volet « transport »: posts the information it is given to the GED, prints every answer that has come.
//   pli-example-transport PROFILE PASSPHRASE_FILE [FORM.json]
// Its profile is made by `pli identity new`, and `pli directory enrol … --role outil --volet transport` lets it in.
#include <iostream>

#include "base/file.hpp"
#include "client/tool_post.hpp"
#include "protocol/limits.hpp"

namespace {

int failed(const pli::client::Failure& failure) {
  const auto words = explain(failure, pli::protocol::Language::french);
  std::cerr << code_text(failure) << ": " << words.cause << " " << words.next_step << "\n";
  return static_cast<int>(exit_class(failure));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace pli;
  if (argc < 3) return static_cast<int>(client::ExitClass::usage);
  auto post = client::ToolPost::open(argv[1], std::filesystem::path(argv[2]));
  if (!post) return failed(post.error());
  if (argc > 3) {
    const auto form = read_file(argv[3], protocol::form_bytes_max);
    if (!form) return static_cast<int>(client::ExitClass::usage);
    const auto sent = (*post)->post(as_text(*form), "ged/89");
    if (!sent) return failed(sent.error());
    std::cout << "posted " << (sent->exchange ? to_hex(*sent->exchange) : "later") << "\n";
  }
  const auto received = (*post)->receive([](const client::Answer& answer) -> client::Outcome<void> {
    std::cout << "answer " << to_hex(answer.header.address.case_id) << " " << answer.form.to_json() << "\n";
    return {};
  });
  return received ? 0 : failed(received.error());
}
