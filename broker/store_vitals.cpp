#include "broker/store_vitals.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <string>

#include "broker/store_terms.hpp"
#include "protocol/case_life.hpp"
#include "protocol/exchange.hpp"

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

namespace {

/// One open case, as its row tells it.
protocol::CaseRoad road_of(SQLite::Statement& row) {
  const auto time = [&](int column) { return UnixMillis{row.getColumn(column).getInt64()}; };
  protocol::CaseRoad road;
  road.received.at = time(1);
  if (row.getColumn(2).getInt() != 0) road.opened.emplace();
  if (time(3).value != 0) road.decided = protocol::Moment{time(3), {}};
  if (time(4).value != 0) road.deferrals.push_back({time(3), protocol::end_of_day(time(4))});
  const SQLite::Column bytes = row.getColumn(5);
  if (bytes.isNull()) return road;
  const auto address = protocol::decode_address(
      ByteView(static_cast<const std::uint8_t*>(bytes.getBlob()), static_cast<std::size_t>(bytes.getBytes())));
  if (address) road.urgency = static_cast<protocol::Urgency>(address->urgency);
  return road;
}

CaseLife count_owed(SQLite::Database& database, const protocol::Delays& delays, UnixMillis now) {
  CaseLife out;
  SQLite::Statement row(database,
                        "SELECT q.name, e.accepted_at, c.opened, c.decided_at, c.review_at, CASE c.opened WHEN 0 THEN "
                        "e.address END FROM case_file AS c JOIN queue AS q ON q.id = c.queue JOIN exchange AS e ON "
                        "e.number = c.number WHERE c.told_at = 0 AND c.state NOT IN (?, ?)");
  row.bind(1, static_cast<int>(protocol::CaseState::retire));
  row.bind(2, static_cast<int>(protocol::CaseState::efface));
  while (row.executeStep()) {
    const auto kind = protocol::queue_kind_of(row.getColumn(0).getString());
    const auto at = std::find(instance_kinds.begin(), instance_kinds.end(), kind);
    if (at == instance_kinds.end()) continue;
    CaseLife::Owed& owed = out.owed[static_cast<std::size_t>(at - instance_kinds.begin())];
    const auto deadlines = protocol::case_deadlines(road_of(row), delays, now);
    const auto any = [&](auto which) { return std::any_of(deadlines.begin(), deadlines.end(), which); };
    if (any([](const protocol::Deadline& each) { return each.state == protocol::DutyState::late; })) ++owed.late;
    if (any([&](const protocol::Deadline& each) { return protocol::is_escalated(each, now); })) ++owed.escalated;
  }
  return out;
}

}  // namespace

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

std::optional<CaseLife> StoreVitals::life(const protocol::Delays& delays, const protocol::Terms& terms,
                                          UnixMillis now) {
  if (life_ && now >= looked_at_ && now - looked_at_ < case_life_every) return life_;
  life_.reset();
  const auto listed = read_terms(file_, terms, now);
  if (!listed) return life_;
  try {
    if (!state_) state_ = std::make_unique<State>(file_);
    life_ = count_owed(state_->database, delays, now);
    life_->erasures_due = static_cast<std::uint64_t>(
        std::count_if(listed->lines.begin(), listed->lines.end(), [](const TermLine& each) { return each.due; }));
    looked_at_ = now;
  } catch (const SQLite::Exception&) {
    state_.reset();
  }
  return life_;
}

}  // namespace pli::broker
