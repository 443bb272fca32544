#include "broker/broker_programs.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/health_page.hpp"
#include "broker/program_opening.hpp"

namespace pli::broker {
namespace {

void print_vitals(const nlohmann::json& page) {
  const auto number = [&](const char* name) { return page.value(name, std::int64_t{-1}); };
  const auto age = [&](const char* name) {
    const std::int64_t seconds = number(name);
    if (seconds < 0) return std::string("never");
    if (seconds < 7200) return std::to_string(seconds / 60) + " min ago";
    return std::to_string(seconds / 3600) + " h ago";
  };
  std::cout << "pli-broker: " << page.value("state", "?") << (page.value("serving", false) ? "" : " (not serving)")
            << "\n";
  if (page.contains("damage")) std::cout << "  broken invariant   " << page.value("damage", "") << "\n";
  std::cout << "  exchanges          " << number("exchanges") << ", leaves of this shard " << number("leaves")
            << "\n  directory          " << number("directory") << ", ends in "
            << number("directory_left_seconds") / 86400 << " d\n  published          " << age("published_age_seconds")
            << "\n  self-audit         " << age("self_audit_age_seconds") << ", at row "
            << number("self_audit_rows_looked_at") << " of " << number("self_audit_rows") << "\n  backup             "
            << age("backup_age_seconds") << "\n  newest lease key   " << age("lease_age_seconds")
            << "\n  newest release key gone in " << number("release_key_left_seconds") / 86400
            << " d\n  disk free          " << number("disk_free_bytes") / (1024 * 1024) << " MiB, WAL "
            << number("wal_bytes") / (1024 * 1024) << " MiB\n  connections        " << number("connections")
            << ", requests under way " << number("under_way") << "\n  since the start    accepted "
            << number("accepted") << ", opened " << number("opened") << ", refused " << number("refused") << "\n";
  if (page.contains("unread"))
    for (const auto& [kind, unread] : page["unread"].items())
      std::cout << "  unread, " << kind << std::string(11 - std::min<std::size_t>(kind.size(), 10), ' ')
                << unread.value("cases", std::int64_t{0}) << " cases\n";
  std::cout << "  what a state asks for: docs/operations.md, \"States\"" << std::endl;
}

}  // namespace

int print_health(const ProgramOptions& options) {
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  if (!config->health_listen)
    return report({exit_local_error, "HEALTH_LISTEN", "no page is configured", "Set `health_listen`, then start anew."},
                  options.json);
  auto body = fetch_health(*config->health_listen);
  const auto page = body ? nlohmann::json::parse(*body, nullptr, false) : nlohmann::json();
  if (!page.is_object())
    return report({exit_local_error, "NOT_ANSWERING", body ? "what answers there is no page" : body.error().detail,
                   "Look whether the broker runs (`systemctl status pli-broker`) and what its last lines say."},
                  options.json);
  if (options.json)
    std::cout << page.dump() << std::endl;
  else
    print_vitals(page);
  return page.value("serving", false) ? exit_done : exit_local_error;
}

}  // namespace pli::broker
