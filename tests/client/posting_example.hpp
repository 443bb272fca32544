// The program of docs/architecture.md, "Posting from another tool": what stands in the document is what is compiled
// here.
#pragma once

#include <filesystem>
#include <string>

#include "client/failure.hpp"
#include "crypto/secret.hpp"

namespace pli::testing {

/// Posts one report to the GED and hands over what has come in meanwhile; how many headers that was.
[[nodiscard]] client::Outcome<std::size_t> post_and_receive(const std::filesystem::path& folder,
                                                            const crypto::SecretKey& passphrase,
                                                            const std::string& json);

}  // namespace pli::testing
