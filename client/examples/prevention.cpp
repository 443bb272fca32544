// The tool of the volet « prévention de la délinquance »: writes an information on a place from what it holds itself,
// posts it to the CLIR under its own reference, prints every answer that has come.
//   pli-example-prevention PROFILE PASSPHRASE_FILE [REFERENCE DAY COMMUNE PLACE WHAT_WAS_SEEN]
// Its profile is made by `pli identity new`, and `pli directory enrol … --role outil --volet prevention_delinquance
// --post clir/89` lets it in.
#include <iostream>
#include <nlohmann/json.hpp>

#include "client/tool_post.hpp"

namespace {

int failed(const pli::client::Failure& failure) {
  const auto words = explain(failure, pli::protocol::Language::french);
  std::cerr << code_text(failure) << ": " << words.cause << " " << words.next_step << "\n";
  return static_cast<int>(exit_class(failure));
}

/// What the tool knows of it, as a form (config/forms/README.md).
std::string information(char** words) {
  const nlohmann::json fact = {{"date", words[1]},
                               {"commune", words[2]},
                               {"lieu", words[3]},
                               {"connaissance", "constate_directement"},
                               {"description", words[4]}};
  return nlohmann::json{{"type", "information_de_volet"},
                        {"volet", "prevention_delinquance"},
                        {"objet", "Constat sur un lieu"},
                        {"reference", words[0]},
                        {"commune", words[2]},
                        {"faits", {fact}}}
      .dump();
}

}  // namespace

int main(int argc, char** argv) {
  using namespace pli;
  if (argc != 3 && argc != 8) return static_cast<int>(client::ExitClass::usage);
  auto post = client::ToolPost::open(argv[1], std::filesystem::path(argv[2]));
  if (!post) return failed(post.error());
  if (argc == 8) {
    const auto sent = (*post)->post(information(argv + 3), "clir/89");
    if (!sent) return failed(sent.error());
    std::cout << "posted " << (sent->exchange ? to_hex(*sent->exchange) : "later") << "\n";
  }
  const auto received = (*post)->receive([](const client::Answer& answer) -> client::Outcome<void> {
    std::cout << "answer " << to_hex(answer.header.address.case_id) << " " << answer.form.to_json() << "\n";
    return {};
  });
  return received ? 0 : failed(received.error());
}
