#include "broker/store_vitals.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <string>

#include "protocol/case_life.hpp"

namespace pli::broker {
namespace {

constexpr int busy_timeout_ms = 100;

std::string number_of(protocol::CaseState state) { return std::to_string(static_cast<unsigned>(state)); }

}  // namespace

struct StoreVitals::State {
  explicit State(const std::filesystem::path& file)
      : database(file.string(), SQLite::OPEN_READONLY, busy_timeout_ms),
        unread(database,
               "SELECT q.name, count(*), min(e.accepted_at) FROM case_file AS c JOIN queue AS q ON q.id = c.queue JOIN "
               "exchange AS e ON e.number = c.number WHERE c.opened = 0 AND c.state NOT IN (" +
                   number_of(protocol::CaseState::retire) + ", " + number_of(protocol::CaseState::efface) +
                   ") GROUP BY q.id") {
    sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  SQLite::Database database;
  SQLite::Statement unread;
};

StoreVitals::StoreVitals(std::filesystem::path file) : file_(std::move(file)) {}
StoreVitals::~StoreVitals() = default;

std::optional<std::array<Unread, instance_kinds.size()>> StoreVitals::unread() {
  try {
    if (!state_) state_ = std::make_unique<State>(file_);
    std::array<Unread, instance_kinds.size()> out{};
    while (state_->unread.executeStep()) {
      const auto kind = protocol::queue_kind_of(state_->unread.getColumn(0).getString());
      const auto cases = static_cast<std::uint64_t>(state_->unread.getColumn(1).getInt64());
      const UnixMillis oldest{state_->unread.getColumn(2).getInt64()};
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (kind != instance_kinds[i]) continue;
        if (out[i].cases == 0 || oldest.value < out[i].oldest.value) out[i].oldest = oldest;
        out[i].cases += cases;
      }
    }
    state_->unread.reset();
    return out;
  } catch (const SQLite::Exception&) {
    state_.reset();
    return std::nullopt;
  }
}

}  // namespace pli::broker
