#include "tests/client/posting_example.hpp"

#include <iostream>

#include "client/tool_post.hpp"

namespace pli::testing {

client::Outcome<std::size_t> post_and_receive(const std::filesystem::path& folder, const crypto::SecretKey& passphrase,
                                              const std::string& json) {
  using namespace client;
  // docs/architecture.md begins
  auto post = ToolPost::open(folder, passphrase);
  if (!post) return post.error();

  auto sent = (*post)->post(json, "ged/89");  // durable when it returns; what cannot leave now leaves next time
  if (!sent) return sent.error();

  return (*post)->receive([](const Answer& answer) -> Outcome<void> {
    std::cout << to_hex(answer.header.address.case_id) << " " << answer.form.to_json() << "\n";
    return {};  // received; with an error it would come again
  });
  // docs/architecture.md ends
}

}  // namespace pli::testing
