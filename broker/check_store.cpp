#include "broker/check_store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "audit/checkpoint.hpp"
#include "audit/leaf.hpp"
#include "audit/note.hpp"
#include "audit/queue_chain.hpp"
#include "audit/tree.hpp"
#include "broker/record_fields.hpp"
#include "broker/store_schema.hpp"
#include "broker/store_tail.hpp"
#include "crypto/hash.hpp"
#include "crypto/secret_box.hpp"
#include "crypto/statement.hpp"
#include "protocol/case_life.hpp"
#include "protocol/exchange.hpp"
#include "protocol/policy.hpp"
#include "protocol/retention.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/statistics.hpp"
#include "protocol/suspension.hpp"

namespace pli::broker {
namespace {

using protocol::Kind;

ByteView blob_at(SQLite::Statement& row, int column) {
  const SQLite::Column value = row.getColumn(column);
  return {static_cast<const std::uint8_t*>(value.getBlob()), static_cast<std::size_t>(value.getBytes())};
}
std::uint64_t number_at(SQLite::Statement& row, int column) {
  return static_cast<std::uint64_t>(row.getColumn(column).getInt64());
}
Digest digest_at(SQLite::Statement& row, int column) { return to_array<32>(blob_at(row, column)).value_or(Digest{}); }
std::string decimal(std::uint64_t value) { return std::to_string(value); }

struct QueueSeen {
  std::string name;
  audit::QueueHead head;
};
struct RosterSeen {
  Digest digest{};
  std::vector<crypto::AgePublic> keys;
};

/// What a look at some rows leaves to the next.
struct Carried {
  std::size_t shard = 0;
  audit::TreeEdge edge;
  std::int64_t last_time = 0;
  std::uint64_t leaves = 0;     ///< looked at, of all shards
  std::uint64_t exchange = 0;   ///< the last looked at
  std::uint64_t last_leaf = 0;  ///< key of its acceptance
  std::map<std::uint64_t, QueueSeen> queues;
  std::map<std::uint64_t, RosterSeen> rosters;
};

class Checker {
 public:
  Checker(SQLite::Database& database, const CheckKeys& keys, const CheckOptions& options, Carried carried = {})
      : db_(database), keys_(*keys.leases), log_key_(keys.log), options_(options), at_(std::move(carried)) {}

  /// Some rows more, from where `carried` stands; false once there were no more.
  bool look_at_leaves(std::size_t rows_max) {
    meta();
    return some_leaves(rows_max);
  }
  bool look_at_exchanges(std::size_t rows_max, std::uint64_t bytes_max) {
    follow_cases_ = false;
    queues_and_rosters();
    const std::uint64_t before = at_.exchange;
    const bool more = some_exchanges(rows_max, bytes_max);
    access(before, at_.exchange);
    return more;
  }
  [[nodiscard]] Carried carried() { return std::move(at_); }
  [[nodiscard]] const std::vector<StoreProblem>& problems() const { return report_.problems; }

  CheckReport run() {
    pages();
    meta();
    leaves();
    directory();
    shards();
    queues_and_rosters();
    exchanges();
    twice();
    cases();
    agreements();
    access(0, INT64_MAX);
    index();
    pieces();
    cursors();
    openings();
    return std::move(report_);
  }

 private:
  void problem(std::string name, std::string where) {
    if (report_.problems.size() < options_.problems_max)
      report_.problems.push_back({std::move(name), std::move(where)});
  }
  void expect(bool holds, const char* name, const std::string& where) {
    if (!holds) problem(name, where);
  }
  void none(const char* name, const std::string& what, const char* query) {
    SQLite::Statement rows(db_, query);
    while (rows.executeStep()) problem(name, what + " " + decimal(number_at(rows, 0)));
  }

  void pages() {
    SQLite::Statement rows(db_, "PRAGMA integrity_check(10)");
    while (rows.executeStep())
      if (rows.getColumn(0).getString() != "ok") problem("pages", "database file");
    SQLite::Statement foreign(db_, "PRAGMA foreign_key_check");
    while (foreign.executeStep()) problem("pages.references", foreign.getColumn(0).getString());
  }

  void meta() {
    SQLite::Statement row(db_, "SELECT shard, checkpoint, indexed_through FROM meta");
    if (!row.executeStep()) return problem("meta", "no row");
    const std::uint64_t current = number_at(row, 0);
    indexed_through_ = number_at(row, 2);

    SQLite::Statement rows(db_, "SELECT id, origin, closed, last_known, order_note FROM shard ORDER BY id");
    std::optional<protocol::ShardName> before;
    while (rows.executeStep()) {
      ShardSeen seen;
      const std::string where = "shard " + decimal(shards_.size());
      seen.row.number = {number_at(rows, 0)};
      seen.row.origin = rows.getColumn(1).getString();
      seen.row.end = {rows.getColumn(2).getString(), rows.getColumn(3).getString(), rows.getColumn(4).getString()};
      expect(seen.row.number.value == shards_.size(), "shard.order", where);
      const auto name = protocol::shard_of(seen.row.origin, options_.log);
      expect(name.has_value(), "meta.origin", where);
      if (name && before) expect(name == protocol::shard_after(*before, name->year), "shard.order", where);
      before = name;
      const bool open = shards_.size() == current;
      expect(open == seen.row.end.closed.empty(), "shard.closed", where);
      if (open) seen.row.end.closed = row.getColumn(1).getString();
      shards_.push_back(std::move(seen));
    }
    expect(shards_.size() == current + 1, "shard.order", "shard " + decimal(current));
  }

  void leaves() {
    some_leaves(no_limit);
    for (const ShardSeen& seen : shards_) report_.shards.push_back({seen.row, seen.size});
  }

  bool some_leaves(std::size_t rows_max) {
    if (shards_.empty()) shards_.emplace_back();
    audit::TreeEdge& edge = at_.edge;
    std::size_t& shard = at_.shard;
    std::int64_t& last_time = at_.last_time;
    SQLite::Statement rows(db_,
                           "SELECT key, type, time, digest, nodes, extra, month, record FROM leaf WHERE key >= ? "
                           "ORDER BY key LIMIT ?");
    rows.bind(1, static_cast<std::int64_t>(leaf_key({{edge.size().value}, {shard}})));
    rows.bind(2, static_cast<std::int64_t>(rows_max));
    std::vector<audit::Node> written;
    std::size_t looked_at = 0;
    while (rows.executeStep()) {
      ++looked_at;
      ++at_.leaves;
      // A key of a later shard ends this one, wherever it stands.
      for (; leaf_place(number_at(rows, 0)).shard.value > shard && shard + 1 < shards_.size(); ++shard) {
        end_of_shard(shard, edge);
        edge = {};
      }
      const std::uint64_t index = edge.size().value;
      const LeafPlace place{{index}, {shard}};
      const std::string where = name_of(place);
      if (shards_[shard].row.origin == options_.origin_wanted && index == options_.root_wanted.value)
        report_.root = edge.root();
      expect(number_at(rows, 0) == leaf_key(place), "leaf.order", where);
      audit::Leaf plain;
      plain.type = static_cast<audit::LeafType>(rows.getColumn(1).getInt());
      plain.time.value = rows.getColumn(2).getInt64();
      plain.record = digest_at(rows, 3);
      std::string text;
      if (audit::is_encodable(plain)) text = audit::encode(plain);
      if (!rows.isColumnNull(5)) text += rows.getColumn(5).getString();
      const auto leaf = audit::decode_leaf(text);
      expect(leaf.has_value(), "leaf.layout", where);
      expect(plain.time.value >= last_time, "leaf.time", where);
      last_time = std::max(last_time, plain.time.value);
      written.clear();
      edge.append(audit::leaf_hash(as_bytes(text)), written);
      Bytes closed;
      for (const audit::Node& node : written)
        if (node.id.level > 0) append(closed, node.hash);
      expect(equal(closed, rows.isColumnNull(4) ? ByteView() : blob_at(rows, 4)), "leaf.nodes", where);
      if (index == 0 && leaf)
        shards_[shard].first = *leaf;
      else if (leaf && leaf->directory)
        directory_leaves_[leaf_key(place)] = *leaf->directory;
      const auto month = static_cast<std::uint32_t>(number_at(rows, 6));
      if (rows.isColumnNull(7) || is_dropped(month)) {
        ++dropped_records_;
        expect(is_dropped(month), "record.missing", where);
      } else if (month == record_in_clear && kept_of_directory(leaf ? *leaf : plain, blob_at(rows, 7), where)) {
        ++dropped_records_;
      } else {
        record(place, leaf ? *leaf : plain, month, blob_at(rows, 7));
      }
    }
    if (looked_at == rows_max) return true;
    for (; shard < shards_.size(); ++shard) {
      end_of_shard(shard, edge);
      edge = {};
    }
    return false;
  }

  /// The checkpoint that ends a shard, or the newest, is the log's and over exactly these leaves.
  void end_of_shard(std::size_t shard, const audit::TreeEdge& edge) {
    ShardSeen& seen = shards_[shard];
    seen.size = edge.size();
    report_.leaves += edge.size().value;
    if (seen.row.origin == options_.origin_wanted && edge.size() == options_.root_wanted) report_.root = edge.root();
    const bool newest = shard + 1 == shards_.size();
    const std::string where = newest ? "newest" : "shard " + decimal(shard);
    const auto checkpoint = signed_by_log(seen.row.end.closed, seen.row.origin);
    if (!checkpoint) return problem(newest ? "checkpoint.signature" : "shard.closed", where);
    expect(checkpoint->size() == edge.size() && checkpoint->root() == edge.root(),
           newest ? "checkpoint.tree" : "shard.closed", where);
    seen.head = checkpoint->head();
  }

  Result<audit::VerifiedCheckpoint> signed_by_log(const std::string& note, const std::string& origin) const {
    if (!audit::is_key_name(origin)) return Error{Errc::invalid_input, "origin"};
    return audit::verify_checkpoint(note, {origin, audit::KeyType::ed25519, log_key_});
  }

  static std::string name_of(const LeafPlace& place) {
    const std::string index = "leaf " + decimal(place.index.value);
    return place.shard.value == 0 ? index : "shard " + decimal(place.shard.value) + " " + index;
  }

  /// Each later shard begins where the one before ended, names the version then in force, and an order where there was
  /// a loss.
  void shards() {
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      const std::string where = "shard " + decimal(shard);
      const std::optional<audit::Leaf>& first = shards_[shard].first;
      if (!first || first->type != audit::LeafType::registre || !first->statement) {
        problem("shard.first", where);
        continue;
      }
      if (shard == 0) {
        expect(!first->directory && first->statement == "first leaf of " + shards_[0].row.origin, "shard.first", where);
        continue;
      }
      const ShardSeen& before = shards_[shard - 1];
      const auto opening = protocol::parse_shard_opening(*first->statement);
      const auto version = versions_.find(first->directory ? first->directory->number.value : 0);
      expect(opening && opening->previous == before.row.origin && before.head &&
                 opening->closed == protocol::TreeMark{before.head->size, before.head->root},
             "shard.first", where);
      expect(version != versions_.end() && version->second.digest == first->directory->digest &&
                 version->second.leaf < leaf_key({{0}, {shard}}) &&
                 (std::next(version) == versions_.end() || std::next(version)->second.leaf > leaf_key({{0}, {shard}})),
             "shard.first", where);
      rollback(shard, opening ? opening->lost : std::nullopt, version == versions_.end() ? nullptr : &version->second);
    }
  }

  struct VersionSeen {
    Digest digest{};
    std::uint64_t leaf = 0;
    protocol::DirectoryHead head;
  };
  void rollback(std::size_t shard, const std::optional<protocol::ShardOpening::Lost>& lost,
                const VersionSeen* version) {
    const ShardSeen& before = shards_[shard - 1];
    const ShardEnd& end = before.row.end;
    const std::string where = "shard " + decimal(shard - 1);
    expect(lost.has_value() == !end.last_known.empty() && lost.has_value() == !end.order.empty(), "shard.rollback",
           where);
    if (end.last_known.empty() || version == nullptr || !before.head) return;
    const auto last = signed_by_log(end.last_known, before.row.origin);
    if (!last) return problem("shard.rollback", where);
    const protocol::ShardChange change{*before.head, last->head(), end.order, *shards_[shard].first,
                                       shards_[shard].row.origin};
    expect(protocol::verify_shard_change(change, version->head.contract, options_.log,
                                         protocol::authorities_of(version->head))
               .has_value(),
           "shard.rollback", where);
  }

  /// At the journal's term: keys go from the oldest on, records after their key.
  [[nodiscard]] bool is_dropped(std::uint32_t month) const {
    return month != record_in_clear && month < keys_.oldest_record_month();
  }

  /// The record of a leaf, opened; nothing and a named problem when it does not.
  std::optional<audit::Record> open_record(const LeafPlace& place, std::uint32_t month, ByteView boxed,
                                           bool name_problems) {
    const std::string where = name_of(place);
    const auto key = keys_.record_key(month);
    auto record = broker::open_record(month, record_binding(place), boxed, key);
    if (record) return *std::move(record);
    if (name_problems) problem(month == record_in_clear ? "record.clear" : key ? "record.box" : "record.key", where);
    return std::nullopt;
  }

  /// What stays of a directory version's record, so that whoever holds the version can prove it: nothing of who
  /// published it.
  bool kept_of_directory(const audit::Leaf& leaf, ByteView stored, const std::string& where) {
    const auto kept = unpack_disclosure(stored);
    if (!kept) return false;
    expect(leaf.directory && kept->find("actor") == nullptr && kept->find("person") == nullptr, "record.clear", where);
    expect(audit::record_digest(*kept) == leaf.record, "record.digest", where);
    return true;
  }

  void record(const LeafPlace& place, const audit::Leaf& leaf, std::uint32_t month, ByteView boxed) {
    const std::string where = name_of(place);
    const auto record = open_record(place, month, boxed, true);
    if (!record) return;
    expect(audit::record_digest(*record) == leaf.record, "record.digest", where);
    const auto stated = leaf.statement ? protocol::parse_statistics_statement(*leaf.statement)
                                       : Result<protocol::StatisticsStatement>(Error{Errc::not_found, "statement"});
    const bool states = text_in(*record, "act") == act_statistics;
    expect(states == stated.has_value() &&
               (!states || crypto::sha256(as_bytes(text_in(*record, "statistics"))) == stated->text),
           "record.statistics", where);
    if (text_in(*record, "outcome") != "ok")
      expect(leaf.type == audit::LeafType::refus, "record.type", where);
    else if (text_in(*record, "act") == "submit")
      ++submissions_;
  }

  static std::string text_in(const audit::Record& record, const char* name) {
    const Bytes* value = record.find(name);
    return value == nullptr ? std::string() : std::string(as_text(*value));
  }

  /// Whether the leaf of an exchange records its acceptance, with the very same place in its queue.
  /// That record, where it still stands.
  std::optional<audit::Record> check_acceptance(const LeafPlace& leaf, const Digest& id, const QueueSeen& queue,
                                                const std::optional<std::string>& handling, const std::string& where) {
    SQLite::Statement row(db_, "SELECT month, record FROM leaf WHERE key = ?");
    row.bind(1, static_cast<std::int64_t>(leaf_key(leaf)));
    if (!row.executeStep()) {
      problem("exchange.leaf", where);
      return std::nullopt;
    }
    if (is_dropped(static_cast<std::uint32_t>(number_at(row, 0)))) return std::nullopt;
    auto record = open_record(leaf, static_cast<std::uint32_t>(number_at(row, 0)), blob_at(row, 1), false);
    const Bytes* exchange = record ? record->find("exchange") : nullptr;
    const Bytes* head = record ? record->find("head") : nullptr;
    const bool same = exchange != nullptr && equal(*exchange, id) && head != nullptr && equal(*head, queue.head.head) &&
                      text_in(*record, "act") == "submit" && text_in(*record, "outcome") == "ok" &&
                      text_in(*record, "number") == decimal(queue.head.number.value) &&
                      text_in(*record, "queue") == queue.name &&
                      (!handling || text_in(*record, "handling") == *handling);
    expect(same, "exchange.record", where);
    return record;
  }

  /// Accepted at its leaf's time; earlier only while a clock that went back held the log at the leaf before.
  void accepted_when(const LeafPlace& leaf, std::int64_t accepted_at, const std::string& where) {
    SQLite::Statement times(db_,
                            "SELECT time, (SELECT time FROM leaf WHERE key = l.key - 1) FROM leaf AS l WHERE key = ?");
    times.bind(1, static_cast<std::int64_t>(leaf_key(leaf)));
    if (!times.executeStep()) return;  // named above
    const std::int64_t logged_at = times.getColumn(0).getInt64();
    expect(accepted_at == logged_at || (accepted_at < logged_at && times.getColumn(1).getInt64() == logged_at),
           "exchange.time", where);
  }

  /// The case is the one the address names, or none, or its own.
  void of_case(std::uint64_t number, std::uint64_t case_number, const protocol::Address& address,
               const std::string& where) {
    if (address.case_id == Digest{}) {
      const protocol::KindRow* row = protocol::row_of(static_cast<Kind>(address.kind));
      return expect(case_number == (row != nullptr && row->opens_case ? number : 0), "exchange.case", where);
    }
    SQLite::Statement first(db_, "SELECT id FROM exchange WHERE number = ?");
    const auto is_named = [&](std::uint64_t named) {
      first.reset();
      first.bind(1, static_cast<std::int64_t>(named));
      return first.executeStep() && digest_at(first, 0) == address.case_id;
    };
    // A transmission names the case it passes on, and begins another; an access part, that one or one linked to it.
    const auto kind = static_cast<Kind>(address.kind);
    const bool holds = protocol::is_transmission(kind)
                           ? case_number == number && is_named(origin_of(number))
                           : is_named(case_number) || (kind == Kind::acces && is_named(origin_of(case_number)));
    expect(holds, "exchange.case", where);
  }

  void directory() {
    SQLite::Statement rows(db_, "SELECT number, note, leaf FROM directory_version ORDER BY number");
    std::uint64_t number = 0;
    Digest previous{};
    std::string newest;
    while (rows.executeStep()) {
      const std::string where = "directory " + decimal(number_at(rows, 0));
      expect(number_at(rows, 0) == ++number, "directory.order", where);
      newest = rows.getColumn(1).getString();
      const auto note = audit::parse_note(newest);
      const auto head =
          note ? protocol::parse_directory_head(note->text) : Result<protocol::DirectoryHead>(note.error());
      if (!head) {
        problem("directory.note", where);
        continue;
      }
      expect(head->number.value == number && head->previous == previous, "directory.chain", where);
      previous = protocol::directory_digest(note->text);
      versions_[number] = {previous, number_at(rows, 2), *head};
      const auto leaf = directory_leaves_.find(number_at(rows, 2));
      const audit::DirectoryReference reference{{number}, previous};
      expect(leaf != directory_leaves_.end() && leaf->second == reference, "directory.leaf", where);
      if (leaf != directory_leaves_.end()) directory_leaves_.erase(leaf);
    }
    for (const auto& [key, reference] : directory_leaves_) problem("directory.missing", name_of(leaf_place(key)));

    suspensions();

    auto entries = entries_of_each_version();
    if (!entries) return;
    const auto note = audit::parse_note(newest);
    const auto head = note ? protocol::parse_directory_head(note->text) : Result<protocol::DirectoryHead>(note.error());
    if (!head) return;
    auto verified = protocol::verify_directory_note(newest, protocol::authorities_of(*head), nullptr);
    auto built = verified ? protocol::Directory::build(*std::move(entries), *std::move(verified))
                          : Result<std::shared_ptr<const protocol::Directory>>(verified.error());
    if (!built) return problem("directory.root", "directory " + decimal(number));
    directory_ = *built;
  }

  /// Every row of an entry is under the root of the version that brought it, and of those after: what stands in the
  /// newest, or nothing when a row is not what was signed.
  std::optional<std::vector<protocol::Entry>> entries_of_each_version() {
    struct Standing {
      protocol::Entry entry;
      Digest leaf;
    };
    std::map<std::pair<std::uint64_t, std::string>, Standing> standing;  // in the tree's order
    SQLite::Statement rows(db_, "SELECT changed, type, id, bytes FROM directory_entry ORDER BY changed, type, id");
    bool more = rows.executeStep();
    const auto wrong = [&](const char* name, std::uint64_t version) {
      problem(name, "version " + decimal(version));
      return std::nullopt;
    };
    for (const auto& [number, version] : versions_) {
      for (; more && number_at(rows, 0) == number; more = rows.executeStep()) {
        const ByteView bytes = blob_at(rows, 3);
        auto entry = protocol::decode_entry(bytes);
        if (!entry || static_cast<std::uint64_t>(entry->type) != number_at(rows, 1) ||
            entry->id != rows.getColumn(2).getString())
          return wrong("directory.entry", number);
        const std::pair place(number_at(rows, 1), entry->id);
        standing.insert_or_assign(place,
                                  Standing{*std::move(entry), audit::leaf_hash(protocol::entry_commitment(bytes))});
      }
      audit::TreeEdge edge;
      std::vector<audit::Node> closed;
      for (const auto& [at, each] : standing) {
        closed.clear();
        edge.append(each.leaf, closed);
      }
      if (standing.size() != version.head.entries || edge.root() != version.head.root)
        return wrong("directory.root", number);
    }
    if (more) return wrong("directory.entry", number_at(rows, 0));
    std::vector<protocol::Entry> entries;
    for (auto& [place, each] : standing) entries.push_back(std::move(each.entry));
    return entries;
  }

  /// Each stands under a leaf whose record holds the very note, signed by an authority of its version.
  void suspensions() {
    SQLite::Statement rows(db_,
                           "SELECT s.member, s.directory, s.note, s.leaf, d.note FROM suspension AS s "
                           "LEFT JOIN directory_version AS d ON d.number = s.directory ORDER BY s.member, s.directory");
    while (rows.executeStep()) {
      const std::string where = "suspension under directory " + decimal(number_at(rows, 1));
      const std::string note = rows.getColumn(2).getString();
      const auto version = audit::parse_note(rows.getColumn(4).getString());
      const auto head =
          version ? protocol::parse_directory_head(version->text) : Result<protocol::DirectoryHead>(version.error());
      const auto suspension = head ? protocol::verify_suspension_note(note, protocol::authorities_of(*head))
                                   : Result<protocol::Suspension>(head.error());
      expect(suspension && suspension->member == rows.getColumn(0).getString() &&
                 suspension->directory.value == number_at(rows, 1),
             "suspension.note", where);
      const LeafPlace leaf = leaf_place(number_at(rows, 3));
      SQLite::Statement row(db_, "SELECT month, record FROM leaf WHERE key = ?");
      row.bind(1, static_cast<std::int64_t>(leaf_key(leaf)));
      if (!row.executeStep()) {
        problem("suspension.leaf", where);
        continue;
      }
      if (is_dropped(static_cast<std::uint32_t>(number_at(row, 0)))) continue;
      const auto record = open_record(leaf, static_cast<std::uint32_t>(number_at(row, 0)), blob_at(row, 1), false);
      expect(record && text_in(*record, "statement") == note && text_in(*record, "outcome") == "ok", "suspension.leaf",
             where);
    }
  }

  void queues_and_rosters() {
    SQLite::Statement queues(db_, "SELECT id, name FROM queue WHERE id > ? ORDER BY id");
    queues.bind(1, static_cast<std::int64_t>(at_.queues.empty() ? 0 : at_.queues.rbegin()->first));
    while (queues.executeStep()) {
      const std::uint64_t id = number_at(queues, 0);
      QueueSeen seen;
      seen.name = queues.getColumn(1).getString();
      seen.head = audit::queue_start(options_.log, seen.name);
      expect(protocol::queue_kind_of(seen.name).has_value(), "queue.name", "queue " + decimal(id));
      at_.queues.emplace(id, std::move(seen));
    }
    SQLite::Statement rosters(db_, "SELECT id, digest, keys FROM roster WHERE id > ? ORDER BY id");
    rosters.bind(1, static_cast<std::int64_t>(at_.rosters.empty() ? 0 : at_.rosters.rbegin()->first));
    while (rosters.executeStep()) {
      protocol::Queue roster;
      const ByteView keys = blob_at(rosters, 2);
      for (std::size_t at = 0; at + 32 <= keys.size(); at += 32)
        roster.keys.push_back({*to_array<32>(keys.subspan(at, 32))});
      const std::string where = "roster " + decimal(number_at(rosters, 0));
      expect(keys.size() % 32 == 0 && std::is_sorted(roster.keys.begin(), roster.keys.end()), "roster.keys", where);
      at_.rosters[number_at(rosters, 0)] = {digest_at(rosters, 1), std::move(roster.keys)};
    }
  }

  /// The index finds one row for an id and one for a nonce; a second one would hide behind it.
  void twice() {
    none("exchange.twice", "exchange",
         "SELECT max(number) FROM exchange GROUP BY id HAVING count(*) > 1 UNION "
         "SELECT max(number) FROM exchange GROUP BY nonce HAVING count(*) > 1");
  }

  void exchanges() {
    some_exchanges(no_limit, UINT64_MAX);
    report_.exchanges = at_.exchange;
    expect(submissions_ == at_.exchange || (dropped_records_ != 0 && submissions_ < at_.exchange), "leaf.exchange",
           "log");
  }

  bool some_exchanges(std::size_t rows_max, std::uint64_t bytes_max) {
    SQLite::Statement rows(
        db_,
        "SELECT number, id, nonce, shard, leaf, accepted_at, queue, queue_number, head, kind, case_number, "
        "roster, body, signature, seal, address FROM exchange WHERE number > ? ORDER BY number LIMIT ?");
    rows.bind(1, static_cast<std::int64_t>(at_.exchange));
    rows.bind(2, static_cast<std::int64_t>(rows_max));
    std::uint64_t& number = at_.exchange;
    std::uint64_t& last_leaf = at_.last_leaf;
    std::size_t looked_at = 0;
    std::uint64_t bytes = 0;
    while (rows.executeStep()) {
      if (bytes >= bytes_max) return true;
      bytes += number_at(rows, 12);
      ++looked_at;
      const std::string where = "exchange " + decimal(number_at(rows, 0));
      expect(number_at(rows, 0) == ++number, "exchange.order", where);
      const Digest id = digest_at(rows, 1);
      const LeafPlace leaf{{number_at(rows, 4)}, {number_at(rows, 3)}};

      const auto queue = at_.queues.find(number_at(rows, 6));
      if (queue == at_.queues.end()) {
        problem("exchange.queue", where);
        continue;
      }
      QueueSeen& seen = queue->second;
      seen.head = audit::queue_next(seen.head, id);
      expect(number_at(rows, 7) == seen.head.number.value && digest_at(rows, 8) == seen.head.head, "queue.chain",
             where);

      // Its acceptance is in the log, and says the same; no other exchange is proven by the same leaf.
      expect(number == 1 || leaf_key(leaf) > last_leaf, "exchange.leaf", where);
      last_leaf = leaf_key(leaf);
      const auto kind = static_cast<Kind>(rows.getColumn(9).getInt());
      // What passes something on has its record say what the senders of that asked for.
      std::optional<std::string> handling;
      if (!rows.isColumnNull(15) && kind != Kind::acces && !protocol::is_transmission(kind))
        if (const auto asked = protocol::decode_address(blob_at(rows, 15)))
          handling = protocol::handling_text(asked->handling);
      const auto record = check_acceptance(leaf, id, seen, handling, where);
      accepted_when(leaf, rows.getColumn(5).getInt64(), where);

      const std::uint64_t case_number = number_at(rows, 10);
      if (case_number != 0 && follow_cases_) {
        CaseSeen& dossier = cases_[case_number];
        ++dossier.exchanges;
        if (case_number == number) {
          dossier.queue = number_at(rows, 6);
          dossier.linked = protocol::is_transmission(kind);
          if (record && !dossier.linked) dossier.party = {text_in(*record, "person"), text_in(*record, "organisation")};
          if (record) dossier.named = text_in(*record, "case");
        }
        if (kind == Kind::recusation) {
          ++dossier.recusals;
          if (record) dossier.recused.insert(text_in(*record, "person"));
        }
        const protocol::KindRow* row = protocol::row_of(kind);
        if (row != nullptr && (row->opens_case || row->names_case)) {
          // A transmission is a step of the case it comes from, and the beginning of another.
          const std::uint64_t from = protocol::is_transmission(kind) ? origin_of(number) : case_number;
          if (from != case_number) dossier.state = protocol::linked_case_begins;
          if (from != 0)
            take_step(cases_[from], kind, rows, side_of(kind, number, record), where);
          else
            problem("case.origin", where);
        }
      }

      const bool erased = rows.isColumnNull(15);
      expect(erased == rows.isColumnNull(14) && erased == rows.isColumnNull(13), "exchange.erased", where);
      const auto said = erasure_said(number);
      expect(said ? erased && *said == id : !erased || is_erased_again(id), "exchange.erased", where);
      if (case_number != 0 && follow_cases_ && !erased && !protocol::is_party_copy(seen.name, kind))
        ++held_by(case_number, number_at(rows, 6)).held;
      if (erased) continue;
      const ByteView address_bytes = blob_at(rows, 15);
      const ByteView seal_bytes = blob_at(rows, 14);
      expect(protocol::exchange_id(address_bytes, seal_bytes) == id, "exchange.id", where);
      const auto address = protocol::decode_address(address_bytes);
      const auto seal = protocol::decode_seal(seal_bytes);
      if (!address || !seal) {
        problem("exchange.layout", where);
        continue;
      }
      ByteWriter nonce;
      nonce.raw(as_bytes("pli-nonce/1"));
      nonce.string8(address->sender);
      nonce.raw(address->nonce);
      expect(crypto::sha256(nonce.bytes()) == digest_at(rows, 2), "exchange.nonce", where);
      expect(address->kind == static_cast<std::uint16_t>(kind) && address->queue == seen.name, "exchange.columns",
             where);
      of_case(number, case_number, *address, where);
      const auto roster = at_.rosters.find(number_at(rows, 11));
      protocol::Queue named;
      named.id = address->queue;
      if (roster != at_.rosters.end()) named.keys = roster->second.keys;
      expect(roster != at_.rosters.end() && roster->second.digest == address->roster &&
                 protocol::roster_digest(named) == address->roster,
             "exchange.roster", where);
      if (options_.signatures) {
        const auto signature = to_array<64>(blob_at(rows, 13));
        expect(signature && crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, id,
                                                            *signature),
               "exchange.signature", where);
      }
      const std::uint64_t own_payload = kind == Kind::acces ? 0 : seal->payload_size;
      expect(number_at(rows, 12) == seal->locked_size + own_payload, "exchange.size", where);
      body(number, *seal, own_payload, where);
    }
    return looked_at == rows_max;
  }

  /// Of whom the log says that he was erased, by the leaf that the row names.
  std::optional<Digest> erasure_said(std::uint64_t number) {
    SQLite::Statement row(
        db_,
        "SELECT l.key, l.month, l.record FROM erasure AS e LEFT JOIN leaf AS l ON l.key = e.leaf WHERE e.number = ?");
    row.bind(1, static_cast<std::int64_t>(number));
    if (!row.executeStep()) return std::nullopt;
    if (row.isColumnNull(0)) return Digest{};
    const auto record = open_record(leaf_place(number_at(row, 0)), static_cast<std::uint32_t>(number_at(row, 1)),
                                    blob_at(row, 2), false);
    const Bytes* exchange = record ? record->find("exchange") : nullptr;
    const auto id = exchange == nullptr ? std::nullopt : to_array<32>(*exchange);
    return record && text_in(*record, "act") == act_erase_exchange && id ? *id : Digest{};
  }

  /// In a copy put back, until the next start says so in the log again.
  [[nodiscard]] bool is_erased_again(const Digest& id) const {
    return std::any_of(keys_.erased.begin(), keys_.erased.end(),
                       [&](const LeaseFile::Erased& named) { return named.exchange == id; });
  }

  void body(std::uint64_t number, const protocol::Seal& seal, std::uint64_t own_payload, const std::string& where) {
    SQLite::Statement rows(db_, "SELECT key, bytes FROM piece WHERE key >= ? AND key < ? ORDER BY key");
    rows.bind(1, static_cast<std::int64_t>(number << piece_key_shift));
    rows.bind(2, static_cast<std::int64_t>((number + 1) << piece_key_shift));
    crypto::Sha256 locked;
    crypto::Sha256 payload;
    std::uint64_t position = 0;
    std::uint64_t read = 0;
    std::size_t first_size = 0;
    std::size_t last_size = 0;
    bool even = true;
    while (rows.executeStep()) {
      const ByteView bytes = blob_at(rows, 1);
      expect(number_at(rows, 0) == (number << piece_key_shift | position), "body.pieces", where);
      if (position++ == 0)
        first_size = bytes.size();
      else
        even = even && last_size == first_size;
      last_size = bytes.size();
      const std::uint64_t to_locked =
          read >= seal.locked_size ? 0 : std::min<std::uint64_t>(seal.locked_size - read, bytes.size());
      locked.update(bytes.first(to_locked));
      payload.update(bytes.subspan(to_locked));
      read += bytes.size();
    }
    expect(even && last_size <= first_size, "body.pieces", where);
    expect(read == seal.locked_size + own_payload, "body.size", where);
    expect(locked.finish() == seal.locked, "body.locked", where);
    if (own_payload != 0) expect(payload.finish() == seal.payload, "body.payload", where);
  }

  /// The case that a transmission passed on, by its row; 0 = none.
  std::uint64_t origin_of(std::uint64_t case_number) {
    SQLite::Statement row(db_, "SELECT origin FROM case_origin WHERE number = ?");
    row.bind(1, static_cast<std::int64_t>(case_number));
    return row.executeStep() ? number_at(row, 0) : 0;
  }

  struct CaseSeen {
    bool linked = false;  ///< a transmission began it
    std::string named;    ///< the case that its first record names, as bytes
    std::uint64_t queue = 0;
    std::uint64_t exchanges = 0;
    std::uint64_t held = 0;  ///< by the instance, and not erased
    protocol::CaseState state = protocol::CaseState::none;
    protocol::CaseState resumes = protocol::CaseState::none;
    std::optional<std::pair<std::string, std::string>> party;  ///< person and organisation, as the log has them
    std::uint64_t recusals = 0;
    std::set<std::string> recused;  ///< whose recusal's record still stands
    bool answered = false;
    bool finding_unknown = false;  ///< the newest finding was erased before the rest of the case: either may have been
  };

  /// Whose instance holds an exchange of the case in that queue: what a linked case answered, the one it came from.
  CaseSeen& held_by(std::uint64_t case_number, std::uint64_t queue) {
    CaseSeen& own = cases_[case_number];
    const auto origin = own.linked ? cases_.find(origin_of(case_number)) : cases_.end();
    return origin != cases_.end() && origin->second.queue == queue ? origin->second : own;
  }

  /// Whose an agreement is: by its row, and of an erased one by its record.
  std::optional<protocol::CaseSide> side_of(Kind kind, std::uint64_t number,
                                            const std::optional<audit::Record>& record) {
    if (kind != Kind::agrement) return std::nullopt;
    SQLite::Statement row(db_, "SELECT quality FROM agreement WHERE exchange = ?");
    row.bind(1, static_cast<std::int64_t>(number));
    const bool partie = row.executeStep() ? number_at(row, 0) == static_cast<std::uint64_t>(Capacity::sender)
                                          : !record || text_in(*record, "rule") == "depot.accord";
    return partie ? protocol::CaseSide::partie : protocol::CaseSide::instance;
  }

  /// What headers alone decide: openings and days were looked at when it was accepted.
  void take_step(CaseSeen& dossier, Kind kind, SQLite::Statement& rows, std::optional<protocol::CaseSide> side,
                 const std::string& where) {
    protocol::CaseFacts facts;
    facts.state = dossier.state;
    facts.opened = kind != Kind::retrait;
    facts.resumes = dossier.resumes;
    facts.deferred = true;
    facts.answered = dossier.answered;
    std::string finding;
    if (kind == Kind::recevabilite && !rows.isColumnNull(15))
      if (const auto address = protocol::decode_address(blob_at(rows, 15)); address && !address->attributes.empty())
        finding = address->attributes.front().second;
    const protocol::CaseRow* step = protocol::step_of(facts, kind, finding, side);
    if (kind == Kind::recevabilite) {
      const bool unsure = dossier.finding_unknown;
      dossier.finding_unknown = rows.isColumnNull(15);
      if (dossier.finding_unknown)
        step = any_finding(facts);
      else if (step == nullptr && unsure)
        step = protocol::step_of(other_finding(facts), kind, finding);
    }
    const bool before = step == nullptr && protocol::was_a_step(dossier.state, kind);
    expect(step != nullptr || before, "case.step", where);
    if (step == nullptr) {
      if (before) dossier.state = protocol::CaseState::decide;
      return;
    }
    if (step->effect == protocol::CaseEffect::asks) dossier.resumes = dossier.state;
    if (step->effect == protocol::CaseEffect::answers) dossier.answered = true;
    dossier.state = step->to;
  }

  static const protocol::CaseRow* any_finding(const protocol::CaseFacts& facts) {
    for (const protocol::CaseRow& row : protocol::case_table())
      if (row.kind == Kind::recevabilite)
        if (const auto* step = protocol::step_of(facts, row.kind, row.finding); step != nullptr) return step;
    return nullptr;
  }
  static protocol::CaseState other_finding(protocol::CaseState state) {
    if (state == protocol::CaseState::recevable) return protocol::CaseState::hors_perimetre;
    return state == protocol::CaseState::hors_perimetre ? protocol::CaseState::recevable : state;
  }
  static protocol::CaseFacts other_finding(protocol::CaseFacts facts) {
    facts.state = other_finding(facts.state);
    facts.resumes = other_finding(facts.resumes);
    return facts;
  }
  static bool may_be(const CaseSeen& seen, std::uint64_t state) {
    const auto is = [&](protocol::CaseState one) { return static_cast<std::uint64_t>(one) == state; };
    return is(seen.state) || (seen.finding_unknown && is(other_finding(seen.state)));
  }

  void cases() {
    SQLite::Statement rows(db_,
                           "SELECT c.number, c.queue, c.state, c.exchanges, c.party_exchanges, c.person, "
                           "c.organisation, c.recused, o.origin, e.id, b.person, b.organisation FROM case_file AS c "
                           "LEFT JOIN case_origin AS o ON o.number = c.number LEFT JOIN exchange AS e ON e.number = "
                           "o.origin LEFT JOIN case_file AS b ON b.number = o.origin ORDER BY c.number");
    while (rows.executeStep()) {
      const std::string where = "case " + decimal(number_at(rows, 0));
      const auto seen = cases_.find(number_at(rows, 0));
      if (seen == cases_.end()) {
        problem("case.exchange", where);
        continue;
      }
      expect(seen->second.queue == number_at(rows, 1), "case.queue", where);
      // After its erasure no exchange takes a step.
      const bool erased = number_at(rows, 2) == static_cast<std::uint64_t>(protocol::CaseState::efface);
      expect(erased ? seen->second.held == 0 : may_be(seen->second, number_at(rows, 2)), "case.state", where);
      expect(seen->second.exchanges == number_at(rows, 3) && number_at(rows, 4) <= number_at(rows, 3), "case.count",
             where);
      expect(!seen->second.party ||
                 *seen->second.party == std::pair(rows.getColumn(5).getString(), rows.getColumn(6).getString()),
             "case.party", where);
      expect(is_origin(seen->second, rows), "case.origin", where);
      if (seen->second.linked)
        expect(rows.getColumn(5).getString() == rows.getColumn(10).getString() &&
                   rows.getColumn(6).getString() == rows.getColumn(11).getString(),
               "case.party", where);
      expect(seen->second.recusals == number_at(rows, 7) && are_recused(number_at(rows, 0), seen->second),
             "case.recused", where);
      cases_.erase(seen);
    }
    SQLite::Statement held(db_,
                           "SELECT w.number FROM withheld w LEFT JOIN exchange e ON e.number = w.number LEFT JOIN "
                           "case_file c ON c.number = e.case_number WHERE e.kind IS NOT ? OR c.told_at IS NOT w.until");
    held.bind(1, static_cast<std::int64_t>(Kind::retour));
    while (held.executeStep()) problem("case.withheld", "exchange " + decimal(number_at(held, 0)));
    for (const auto& [number, seen] : cases_) problem("case.missing", "case " + decimal(number));
  }

  /// Each agreement that stands has a row that says what its address and its record say; so has each information that a
  /// maire was given, and no other has one.
  void agreements() {
    none("agreement.missing", "exchange",
         ("SELECT number FROM exchange WHERE kind = " + decimal(static_cast<std::uint64_t>(Kind::agrement)) +
          " AND address IS NOT NULL AND number NOT IN (SELECT exchange FROM agreement)")
             .c_str());
    SQLite::Statement rows(
        db_,
        "SELECT a.exchange, a.person, a.organisation, a.quality, a.accord, e.kind, e.address, o.id, "
        "o.case_number = e.case_number, l.key, l.month, l.record, a.until FROM agreement a LEFT JOIN exchange "
        "e ON e.number = a.exchange LEFT JOIN exchange o ON o.number = a.about LEFT JOIN leaf l ON "
        "l.key = e.shard << ? | e.leaf ORDER BY a.exchange");
    rows.bind(1, static_cast<int>(leaf_key_shard_shift));
    while (rows.executeStep()) {
      const std::string where = "exchange " + decimal(number_at(rows, 0));
      const auto address = rows.isColumnNull(6) ? Result<protocol::Address>(Error{Errc::invalid_input, "address"})
                                                : protocol::decode_address(blob_at(rows, 6));
      const auto kind = static_cast<Kind>(rows.getColumn(5).getInt());
      const bool accord = rows.getColumn(4).getInt() != 0;
      const std::uint64_t quality = number_at(rows, 3);
      bool same = address && kind == Kind::agrement && !rows.isColumnNull(7) &&
                  address->in_reply_to == digest_at(rows, 7) && rows.getColumn(8).getInt() == 1 && quality >= 1 &&
                  quality <= static_cast<std::uint64_t>(Capacity::sender) &&
                  says(*address, accord, number_at(rows, 12));
      if (same && !rows.isColumnNull(9) && !is_dropped(static_cast<std::uint32_t>(number_at(rows, 10)))) {
        const auto record = open_record(leaf_place(number_at(rows, 9)), static_cast<std::uint32_t>(number_at(rows, 10)),
                                        blob_at(rows, 11), false);
        same = record && text_in(*record, "person") == rows.getColumn(1).getString() &&
               text_in(*record, "organisation") == rows.getColumn(2).getString();
      }
      expect(same, "agreement.row", where);
    }
    given();
  }

  static bool says(const protocol::Address& agreement, bool accord, std::uint64_t until) {
    bool agrees = false;
    UnixMillis last{};
    for (const auto& [name, value] : agreement.attributes) {
      if (name == "avis") agrees = value == protocol::opinion_words().front();
      if (name == "date") last = protocol::nominative_until(value);
    }
    return agrees == accord && last.value == static_cast<std::int64_t>(until);
  }

  void given() {
    none("nominative.missing", "exchange",
         ("SELECT e.number FROM exchange e JOIN queue q ON q.id = e.queue WHERE e.kind = " +
          decimal(static_cast<std::uint64_t>(Kind::acces)) +
          " AND e.address IS NOT NULL AND q.name LIKE 'person/%' AND e.number NOT IN (SELECT part FROM "
          "nominative_release)")
             .c_str());
    SQLite::Statement rows(db_,
                           "SELECT r.part, r.until, p.kind, p.address, q.name, a.of = r.about, o.kind, o.address FROM "
                           "nominative_release r LEFT JOIN exchange p ON p.number = r.part LEFT JOIN queue q ON q.id = "
                           "p.queue LEFT JOIN access_part a ON a.number = r.part LEFT JOIN exchange o ON o.number = "
                           "r.about ORDER BY r.part");
    while (rows.executeStep()) {
      const auto is = [&](int column, Kind kind) { return rows.getColumn(column).getInt() == static_cast<int>(kind); };
      bool same = !rows.isColumnNull(3) && is(2, Kind::acces) && is(6, Kind::information_nominative) &&
                  rows.getColumn(5).getInt() == 1 &&
                  protocol::queue_kind_of(rows.getColumn(4).getString()) == protocol::QueueKind::person;
      if (same && !rows.isColumnNull(7)) {
        const auto address = protocol::decode_address(blob_at(rows, 7));
        same = address && address->attributes.size() == 1 &&
               protocol::nominative_until(address->attributes.front().second).value == rows.getColumn(1).getInt64();
      }
      expect(same, "nominative.row", "exchange " + decimal(number_at(rows, 0)));
    }
  }

  /// A case has an origin where a transmission began it: an earlier one, which the log names.
  static bool is_origin(const CaseSeen& seen, SQLite::Statement& rows) {
    if (rows.isColumnNull(8)) return !seen.linked;
    const bool named = seen.named.empty() || equal(as_bytes(seen.named), blob_at(rows, 9));
    return seen.linked && number_at(rows, 8) < number_at(rows, 0) && named;
  }

  /// As many stand recused as have recused themselves, and each whom the log still names is among them.
  bool are_recused(std::uint64_t number, const CaseSeen& seen) {
    SQLite::Statement rows(db_, "SELECT person FROM recusal WHERE case_number = ?");
    rows.bind(1, static_cast<std::int64_t>(number));
    std::set<std::string> standing;
    while (rows.executeStep()) standing.insert(rows.getColumn(0).getString());
    return standing.size() == seen.recusals &&
           std::includes(standing.begin(), standing.end(), seen.recused.begin(), seen.recused.end());
  }

  /// Ways in of the exchanges after `from`, through `to`.
  void access(std::uint64_t from, std::uint64_t to) {
    SQLite::Statement rows(
        db_,
        "SELECT a.number, a.of, a.lease, a.leased, e.id, e.kind, e.seal, e.address, o.id FROM access_part a "
        "LEFT JOIN exchange e ON e.number = a.number LEFT JOIN exchange o ON o.number = a.of "
        "WHERE a.number > ? AND a.number <= ?");
    rows.bind(1, static_cast<std::int64_t>(from));
    rows.bind(2, static_cast<std::int64_t>(to));
    while (rows.executeStep()) {
      const std::string where = "access " + decimal(number_at(rows, 0));
      if (rows.isColumnNull(6) || rows.isColumnNull(8)) {
        problem("access.exchange", where);
        continue;
      }
      const bool own = number_at(rows, 0) == number_at(rows, 1);
      const auto address = protocol::decode_address(blob_at(rows, 7));
      const auto seal = protocol::decode_seal(blob_at(rows, 6));
      if (!address || !seal) continue;  // named above
      expect(
          own ? address->kind != static_cast<std::uint16_t>(Kind::acces) : address->in_reply_to == digest_at(rows, 8),
          "access.of", where);
      const auto lease = keys_.lease(static_cast<std::uint32_t>(number_at(rows, 2)));
      if (!lease) {
        if (options_.leases_may_be_gone)
          ++report_.leases_gone;
        else
          problem("access.lease", where);
        continue;
      }
      const auto release_key = crypto::unlease_release_key(blob_at(rows, 3), digest_at(rows, 4), *lease);
      expect(release_key && crypto::release_commitment(protocol::address_digest(blob_at(rows, 7)), *release_key) ==
                                seal->release_commitment,
             "access.release", where);
    }
    SQLite::Statement missing(db_,
                              "SELECT number FROM exchange WHERE number > ? AND number <= ? AND address IS NOT NULL "
                              "AND number NOT IN (SELECT number FROM access_part)");
    missing.bind(1, static_cast<std::int64_t>(from));
    missing.bind(2, static_cast<std::int64_t>(to));
    while (missing.executeStep()) problem("access.missing", "exchange " + decimal(number_at(missing, 0)));
  }

  void index() {
    SQLite::Statement exchanges(db_,
                                "SELECT number, id, nonce, seal, kind, case_number FROM exchange WHERE number <= ?");
    exchanges.bind(1, static_cast<std::int64_t>(indexed_through_));
    SQLite::Statement finger(db_, "SELECT 1 FROM finger WHERE what = ? AND key = ? AND number = ?");
    const auto has = [&](Finger what, std::int64_t key, std::uint64_t number) {
      finger.reset();
      finger.bind(1, static_cast<int>(what));
      finger.bind(2, key);
      finger.bind(3, static_cast<std::int64_t>(number));
      return finger.executeStep();
    };
    while (exchanges.executeStep()) {
      const std::uint64_t number = number_at(exchanges, 0);
      const std::string where = "exchange " + decimal(number);
      expect(has(Finger::id, finger_key(digest_at(exchanges, 1)), number), "index.id", where);
      expect(has(Finger::nonce, finger_key(digest_at(exchanges, 2)), number), "index.nonce", where);
      if (const std::uint64_t case_number = number_at(exchanges, 5); case_number != number)
        expect(has(Finger::of_case, static_cast<std::int64_t>(case_number), number), "index.case", where);
      if (exchanges.isColumnNull(3) || static_cast<Kind>(exchanges.getColumn(4).getInt()) == Kind::acces) continue;
      const auto seal = protocol::decode_seal(blob_at(exchanges, 3));
      if (seal) expect(has(Finger::payload, finger_key(seal->payload), number), "index.payload", where);
    }
    SQLite::Statement cases(db_,
                            "SELECT number, organisation, queue, number IN (SELECT number FROM case_origin) FROM "
                            "case_file WHERE number <= ?");
    cases.bind(1, static_cast<std::int64_t>(indexed_through_));
    while (cases.executeStep()) {
      const std::uint64_t number = number_at(cases, 0);
      // A collectivité finds none of those that its report was passed on as.
      const bool linked = cases.getColumn(3).getInt() != 0;
      expect(has(Finger::party, finger_key(cases.getColumn(1).getString()), number) != linked, "index.party",
             "case " + decimal(number));
      expect(has(Finger::instance, cases.getColumn(2).getInt64(), number), "index.instance", "case " + decimal(number));
    }
    none("index.orphan", "exchange", "SELECT number FROM finger WHERE number NOT IN (SELECT number FROM exchange)");
  }

  void pieces() {
    none("body.orphan", "exchange",
         "SELECT DISTINCT key >> 12 FROM piece WHERE key >> 12 NOT IN (SELECT number FROM exchange WHERE address IS "
         "NOT NULL)");
  }

  void cursors() {
    SQLite::Statement rows(db_, "SELECT member, queue, number FROM cursor");
    while (rows.executeStep()) {
      const auto queue = at_.queues.find(number_at(rows, 1));
      const std::string where = "queue " + decimal(number_at(rows, 1));
      expect(queue != at_.queues.end() && number_at(rows, 2) <= queue->second.head.number.value, "cursor.range", where);
      expect(directory_ && directory_->member(rows.getColumn(0).getString()) != nullptr, "cursor.member", where);
    }
  }

  void openings() {
    none("opening.leaf", "leaf", "SELECT leaf FROM opening WHERE leaf NOT IN (SELECT key FROM leaf)");
    none("opening.exchange", "leaf", "SELECT leaf FROM opening WHERE exchange NOT IN (SELECT number FROM exchange)");
    SQLite::Statement rows(db_,
                           "SELECT o.leaf, o.opener, e.id, l.month, l.record FROM opening AS o JOIN exchange AS e ON "
                           "e.number = o.exchange JOIN leaf AS l ON l.key = o.leaf WHERE l.record IS NOT NULL");
    while (rows.executeStep()) {
      const LeafPlace leaf = leaf_place(number_at(rows, 0));
      const auto month = static_cast<std::uint32_t>(number_at(rows, 3));
      if (is_dropped(month)) continue;
      const auto record = open_record(leaf, month, blob_at(rows, 4), false);
      const Bytes* exchange = record ? record->find("exchange") : nullptr;
      expect(exchange != nullptr && equal(*exchange, digest_at(rows, 2)) && text_in(*record, "act") == "open" &&
                 text_in(*record, "outcome") == "ok" && text_in(*record, "actor") == rows.getColumn(1).getString(),
             "opening.record", name_of(leaf));
    }
  }

  static constexpr std::size_t no_limit = INT64_MAX;
  SQLite::Database& db_;
  const LeaseFile& keys_;
  const crypto::SignPublic log_key_;
  const CheckOptions& options_;
  Carried at_;
  bool follow_cases_ = true;
  CheckReport report_;
  std::uint64_t indexed_through_ = 0;
  struct ShardSeen {
    ShardRow row;  ///< of the current one, `closed` is the newest checkpoint
    TreeSize size{};
    std::optional<audit::TreeHead> head;  ///< as `closed` signs it, once verified
    std::optional<audit::Leaf> first;
  };
  std::vector<ShardSeen> shards_;

  std::uint64_t submissions_ = 0;      ///< acceptances in the log whose record still stands
  std::uint64_t dropped_records_ = 0;  ///< at the journal's term
  std::map<std::uint64_t, audit::DirectoryReference> directory_leaves_;  ///< by leaf key
  std::map<std::uint64_t, VersionSeen> versions_;                        ///< by number
  std::shared_ptr<const protocol::Directory> directory_;
  std::map<std::uint64_t, CaseSeen> cases_;
};

}  // namespace

Result<CheckReport> check_store(const std::filesystem::path& file, const KeyRing& keys, const CheckOptions& options) {
  const auto lent = [&]() -> Result<std::shared_ptr<const KeyRing>> {
    return std::shared_ptr<const KeyRing>(std::shared_ptr<void>(), &keys);
  };
  return check_store(file, lent, options);
}

Result<CheckReport> check_store(const std::filesystem::path& file, const KeySource& read_keys,
                                const CheckOptions& options) {
  std::error_code problem;
  if (!std::filesystem::exists(file, problem)) return Error{Errc::not_found, "check: no database file"};
  try {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY, 5000, options.vfs);
    database.exec(store_connection_pragmas);
    sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    if (database.execAndGet("PRAGMA application_id").getInt64() != store_application_id)
      return Error{Errc::corruption, "check: not a database of ours"};
    if (const auto schema = database.execAndGet("PRAGMA user_version").getInt64(); schema != store_schema_version)
      return Error{Errc::conflict, schema < store_schema_version ? "check: of an older schema, which a start migrates"
                                                                 : "check: of a later schema than this program's"};
    database.exec("BEGIN");
    // The first read takes the snapshot; keys made before it are all its rows can stand under.
    (void)database.execAndGet("SELECT count(*) FROM meta");
    auto keys = read_keys();
    if (!keys) return keys.error();
    const CheckKeys under = (*keys)->for_checking();
    CheckReport report = Checker(database, under, options).run();
    database.exec("COMMIT");
    return report;
  } catch (const SQLite::Exception& e) {
    const bool damaged = e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB;
    return Error{damaged ? Errc::corruption : Errc::io_error, std::string("check: ") + e.getErrorStr()};
  }
}

// ---- some rows at a time -------------------------------------------------------------------------------------------

struct StoreSweep::State {
  State(const std::filesystem::path& file, Keys keys_source, std::string log, const std::string& vfs)
      : database(file.string(), SQLite::OPEN_READONLY, 5000, vfs), keys(std::move(keys_source)) {
    options.log = std::move(log);
    options.problems_max = 1;
  }
  SQLite::Database database;
  Keys keys;
  CheckOptions options;
  Carried at;
  bool leaves_done = false;
};

namespace {

Error read_error(const SQLite::Exception& e) {
  const bool damaged = e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB;
  return {damaged ? Errc::corruption : Errc::io_error, std::string("self-audit: ") + e.getErrorStr()};
}

}  // namespace

StoreSweep::StoreSweep(std::unique_ptr<State> state) : state_(std::move(state)) {}
StoreSweep::~StoreSweep() = default;

Result<std::unique_ptr<StoreSweep>> StoreSweep::open(const std::filesystem::path& file, Keys keys, std::string log,
                                                     const std::string& vfs) {
  try {
    auto state = std::make_unique<State>(file, std::move(keys), std::move(log), vfs);
    state->database.exec(store_connection_pragmas);
    state->database.exec("PRAGMA cache_size = -256");
    sqlite3_db_config(state->database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    return std::unique_ptr<StoreSweep>(new StoreSweep(std::move(state)));
  } catch (const SQLite::Exception& e) {
    return read_error(e);
  }
}

Result<std::uint64_t> StoreSweep::rows() {
  try {
    std::uint64_t rows = 0;
    SQLite::Statement shards(state_->database,
                             "SELECT (SELECT max(key) - (s.id << 44) + 1 FROM leaf WHERE key >= s.id << 44 AND "
                             "key < (s.id + 1) << 44) FROM shard AS s");
    while (shards.executeStep()) rows += number_at(shards, 0);
    SQLite::Statement exchanges(state_->database, "SELECT coalesce(max(number), 0) FROM exchange");
    if (exchanges.executeStep()) rows += number_at(exchanges, 0);
    return rows;
  } catch (const SQLite::Exception& e) {
    return read_error(e);
  }
}

std::uint64_t StoreSweep::looked_at() const { return state_->at.leaves + state_->at.exchange; }

Result<StoreSweep::Step> StoreSweep::step(std::size_t rows_max, std::uint64_t bytes_max) {
  State& state = *state_;
  try {
    // A row may have gone under a newer key between the snapshot and the look at the keys: what is not found again in
    // another snapshot was no breach.
    for (int look = 0;; ++look) {
      SQLite::Transaction snapshot(state.database);
      (void)state.database.execAndGet("SELECT count(*) FROM meta");
      const CheckKeys keys = state.keys();
      Checker checker(state.database, keys, state.options, state.at);
      const bool leaves = !state.leaves_done;
      const bool more = leaves ? checker.look_at_leaves(rows_max) : checker.look_at_exchanges(rows_max, bytes_max);
      if (!checker.problems().empty()) {
        if (look != 0) return Step{false, checker.problems().front()};
        continue;
      }
      state.at = checker.carried();
      if (leaves) state.leaves_done = !more;
      return Step{!leaves && !more, std::nullopt};
    }
  } catch (const SQLite::Exception& e) {
    return read_error(e);
  }
}

}  // namespace pli::broker
