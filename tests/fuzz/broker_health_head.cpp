// The request line of the operator's page: one of five answers, whatever comes.
#include "broker/health_page.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), size);
  const auto path = pli::broker::health_path_of(head);
  if (path == pli::broker::HealthPath::health && head.substr(0, 12) != "GET /health ") __builtin_trap();
  if (path == pli::broker::HealthPath::metrics && head.substr(0, 13) != "GET /metrics ") __builtin_trap();
  (void)pli::broker::parse_loopback(head);
  return 0;
}
