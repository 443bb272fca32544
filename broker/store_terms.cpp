#include "broker/store_terms.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>
#include <set>

#include "broker/store.hpp"
#include "broker/store_schema.hpp"
#include "protocol/case_life.hpp"

namespace pli::broker {
namespace {

constexpr int busy_timeout_ms = 5000;

}  // namespace

Result<TermList> read_terms(const std::filesystem::path& file, const protocol::Terms& terms, UnixMillis now) {
  try {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY, busy_timeout_ms);
    sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    if (database.execAndGet("PRAGMA user_version").getInt64() != store_schema_version)
      return Error{Errc::conflict, "store: of another schema than this program's"};
    TermList out;
    SQLite::Statement rows(
        database,
        "SELECT e.id, q.name, c.opened_at, c.told_at, coalesce(t.closed_at, 0), c.out_of_scope, "
        "coalesce(t.term, 0), coalesce(t.noticed_at, 0), c.opened, coalesce(t.held_until, 0), "
        "c.exchanges, c.number, c.state, c.updated_at, coalesce(o.origin, 0) FROM "
        "case_file AS c JOIN exchange AS e ON e.number = c.number JOIN queue AS q ON q.id = c.queue "
        "LEFT JOIN case_term AS t ON t.number = c.number LEFT JOIN case_origin AS o ON o.number = c.number "
        "WHERE c.state <> ? ORDER BY c.number DESC");
    rows.bind(1, static_cast<int>(protocol::CaseState::efface));
    SQLite::Statement requests(database, "SELECT person, at FROM case_voice WHERE case_number = ? AND what = ?");
    requests.bind(2, static_cast<int>(VoiceOn::erasure));
    const auto is_asked_for = [&](std::int64_t number) {
      std::vector<protocol::Voice> voices;
      requests.reset();
      requests.bind(1, number);
      while (requests.executeStep())
        voices.push_back({requests.getColumn(0).getString(), {requests.getColumn(1).getInt64()}});
      return protocol::is_erasure_agreed(voices, now);
    };
    // Of the cases linked to one, which come after it: until when they and those linked to them stand, and until when
    // one of them is held.
    struct Linked {
      UnixMillis erased_at{};
      UnixMillis held_until{};
    };
    std::map<std::int64_t, Linked> linked_to;
    // What goes early, or is past its ceiling, takes those with it.
    struct Taken {
      std::int64_t origin = 0;
      TermLine line;
      bool listed = false;
    };
    std::map<std::int64_t, Taken> taken;
    std::set<std::int64_t> takes_along;
    while (rows.executeStep()) {
      ++out.cases;
      const auto time = [&](int column) { return UnixMillis{rows.getColumn(column).getInt64()}; };
      const std::int64_t number = rows.getColumn(11).getInt64();
      const std::int64_t origin = rows.getColumn(14).getInt64();
      protocol::CaseTimes times;
      times.opened_at = time(2);
      times.examined_at = time(3);
      times.closed_at = time(4);
      const auto said = protocol::term_class_of_number(static_cast<std::uint8_t>(rows.getColumn(6).getInt()));
      times.term =
          rows.getColumn(5).getInt() != 0 ? protocol::TermClass::bref : said.value_or(protocol::TermClass::ordinaire);
      times.noticed_at = time(7);
      times.read = rows.getColumn(8).getInt() != 0;
      const bool withdrawn = rows.getColumn(12).getInt() == static_cast<int>(protocol::CaseState::retire);
      if (withdrawn) times.withdrawn_at = time(13);
      const auto linked = linked_to.find(number);
      const bool waits = linked != linked_to.end();
      const UnixMillis held_until = std::max(time(9), waits ? linked->second.held_until : UnixMillis{});
      const UnixMillis own = protocol::erased_at(times, terms, time(9));
      const UnixMillis ceiling = protocol::ceiling_of(times.opened_at);
      const UnixMillis term = waits ? std::min(std::max(own, linked->second.erased_at), ceiling) : own;
      if (origin != 0) {
        Linked& of_origin = linked_to[origin];
        of_origin.erased_at = std::max(of_origin.erased_at, term);
        of_origin.held_until = std::max(of_origin.held_until, held_until);
      }
      const bool early = now >= held_until && is_asked_for(number);
      if (early || now >= ceiling) takes_along.insert(number);
      const bool listed =
          times.noticed_at.value != 0 || early || withdrawn || protocol::is_notice_due(times, terms, now);
      if (!listed && origin == 0) continue;
      const SQLite::Column id = rows.getColumn(0);
      const auto digest = to_array<32>(
          ByteView(static_cast<const std::uint8_t*>(id.getBlob()), static_cast<std::size_t>(id.getBytes())));
      if (!digest) return Error{Errc::corruption, "store: an exchange id of another length"};
      const UnixMillis erased_at = early ? std::min(term, now) : term;
      const bool due = early || (!waits && (withdrawn || times.noticed_at.value != 0) && now >= term) || now >= ceiling;
      TermLine line{*digest,
                    rows.getColumn(1).getString(),
                    erased_at,
                    times.noticed_at,
                    time(9),
                    due,
                    static_cast<std::uint64_t>(rows.getColumn(10).getInt64())};
      if (origin == 0)
        out.lines.push_back(std::move(line));
      else
        taken[number] = {origin, std::move(line), listed};
    }
    for (auto& [number, each] : taken) {  // ascending: an origin before what is linked to it
      if (takes_along.contains(each.origin)) {
        takes_along.insert(number);
        each.line.erased_at = std::min(each.line.erased_at, now);
        each.line.due = each.listed = true;
      }
      if (each.listed) out.lines.push_back(std::move(each.line));
    }
    std::sort(out.lines.begin(), out.lines.end(),
              [](const TermLine& a, const TermLine& b) { return a.erased_at < b.erased_at; });
    return out;
  } catch (const SQLite::Exception& e) {
    const bool missing = e.getErrorCode() == SQLITE_CANTOPEN;
    return Error{missing ? Errc::not_found : Errc::io_error, std::string("store: ") + e.getErrorStr()};
  }
}

}  // namespace pli::broker
