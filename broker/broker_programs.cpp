#include "broker/broker_programs.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "audit/note.hpp"
#include "audit/tree.hpp"
#include "base/file.hpp"
#include "broker/backup.hpp"
#include "broker/broker.hpp"
#include "broker/check_store.hpp"
#include "broker/config.hpp"
#include "broker/disk_space.hpp"
#include "broker/ended_shards.hpp"
#include "broker/health_page.hpp"
#include "broker/key_ring.hpp"
#include "broker/log.hpp"
#include "broker/self_audit.hpp"
#include "broker/standing.hpp"
#include "broker/startup_secret.hpp"
#include "broker/store.hpp"
#include "broker/store_copy.hpp"
#include "broker/store_migrations.hpp"
#include "broker/store_reader.hpp"
#include "broker/store_schema.hpp"
#include "broker/store_statistics.hpp"
#include "broker/store_vitals.hpp"
#include "broker/watched_clock.hpp"
#include "crypto/random.hpp"
#include "protocol/shard_order.hpp"

namespace pli::broker {
namespace {

/// Years after the store's shard whose first one witnesses are asked about at a start.
constexpr std::uint32_t later_years_asked_max = 8;

/// What went wrong in a program's words: a state to search for, a cause, and what to do.
struct Failure {
  int code = exit_local_error;
  std::string_view state;
  std::string cause;
  std::string_view next;
};

template <class T>
using Outcome = Result<T, Failure>;

Failure failure(int code, std::string_view state, const Error& error, std::string_view next) {
  return {code, state, error.detail, next};
}

int report(const Failure& failure, bool json) {
  log(LogLevel::error, "not started", {{"state", LocalText{failure.state}}, {"cause", LocalText{failure.cause}}});
  if (json) {
    std::cout << nlohmann::json{{"state", failure.state},
                                {"code", failure.code},
                                {"cause", failure.cause},
                                {"next", failure.next}}
                     .dump()
              << std::endl;
  } else {
    std::cerr << "pli-broker: " << failure.state << ": " << failure.cause << "\n  next: " << failure.next << std::endl;
  }
  return failure.code;
}

Failure outside_failure(const Error& error) {
  switch (error.code) {
    case Errc::not_found:
      return failure(exit_verification_failed, "OUTSIDE_CHECKPOINT_MISSING", error,
                     "Bring the file back from its disk. Without it a rollback cannot be noticed; a new broker is "
                     "started with `pli-broker init`.");
    case Errc::unavailable: return failure(exit_local_error, "ALREADY_RUNNING", error, "Stop the other broker first.");
    case Errc::corruption:
      return failure(exit_verification_failed, "OUTSIDE_CHECKPOINT_DAMAGED", error,
                     "Bring the file back from its disk's mirror. The members' clients hold checkpoints too.");
    default:
      return failure(exit_local_error, "OUTSIDE_CHECKPOINT_UNREADABLE", error, "Check the disk and the file's owner.");
  }
}

Failure rolled_back(std::string cause) {
  return {exit_verification_failed, "ROLLED_BACK", std::move(cause),
          "Bring back the newest database and outside checkpoint: older ones, or others, stand in their place."};
}

Failure tiles_differ(std::string cause) {
  return {exit_verification_failed, "TILES_DIFFER", std::move(cause),
          "Keep the folder for whoever investigates, then give `tiles_folder` an empty one: it is made anew from the "
          "database."};
}

Failure standing_failure(const Compared& compared) {
  switch (compared.standing) {
    case Standing::rolled_back:
      return {
          exit_verification_failed, "ROLLED_BACK", compared.cause,
          "Bring back the newest database: an older backup stands in its place. If it is lost, "
          "`pli-broker rollback-request` writes what the authority is asked to sign (`pli directory rollback`), and "
          "`run --accept-rollback` takes its order."};
    case Standing::before_its_shard:
      return {exit_verification_failed, "ROLLED_BACK", compared.cause,
              "Bring back a database copied since then. No order accepts this one, for a whole shard would be missing; "
              "if there is no newer copy, this log has ended: docs/decisions/0010-no-order-gives-up-a-whole-shard.md "
              "says what remains."};
    case Standing::other_history:
      return {
          exit_verification_failed, "OTHER_HISTORY", compared.cause,
          "Bring back the database that was served last, or a backup of it: this one was written to apart from it."};
    default:
      return {exit_verification_failed, "FOREIGN_CHECKPOINT", compared.cause,
              "Check `log`, `key_folder` and `outside_checkpoint` in the configuration."};
  }
}

Failure unreadable(const Error& error) {
  return failure(exit_local_error, "DATABASE_UNREADABLE", error, "Run `pli-broker check`.");
}

Outcome<Config> read_config(const ProgramOptions& options) {
  auto config = load_config(options.config);
  if (!config)
    return failure(exit_local_error, "CONFIGURATION", config.error(),
                   "Compare the file with config/examples/broker.example.toml.");
  if (options.startup_secret_fd) config->startup_secret = SecretDescriptor{*options.startup_secret_fd};
  return *std::move(config);
}

Outcome<crypto::SecretKey> read_secret(const Config& config) {
  constexpr std::string_view next = "Set `startup_secret`, or give `--startup-secret-fd N`: 32 bytes.";
  if (!config.startup_secret)
    return Failure{exit_local_error, "STARTUP_SECRET", "no start-up secret is configured", next};
  auto secret = load_startup_secret(*config.startup_secret);
  if (!secret) return failure(exit_local_error, "STARTUP_SECRET", secret.error(), next);
  return *std::move(secret);
}

KeyPaths key_paths(const Config& config) { return {config.key_folder, config.leases, config.leases_copy}; }

CoreSettings core_settings(const Config& config) {
  return {config.log,
          config.shard,
          config.limits.exchange_bytes_max,
          config.limits.disk_reserve_bytes,
          config.limits.bytes_per_day_max,
          config.limits.acts_per_day_max,
          config.limits.journal_months};
}

Failure keys_failure(const Error& error) {
  if (error.code == Errc::conflict)
    return failure(exit_local_error, "RELEASE_KEY", error,
                   "Bring the file back from its copy. If it is lost or does not belong there, move it out of "
                   "`key_folder`: what was sealed under that month and not yet accepted is sealed anew by its sender.");
  return failure(exit_local_error, "KEYS", error,
                 "Check `key_folder`, `leases` and that the start-up secret is the one they were made under.");
}

/// Read, not yet prepared: nothing is made by a clock that has not been judged.
Outcome<std::unique_ptr<KeyRing>> read_keys(const Config& config) {
  auto secret = read_secret(config);
  if (!secret) return secret.error();
  auto keys = KeyRing::read(key_paths(config), *std::move(secret));
  if (!keys) return keys_failure(keys.error());
  return *std::move(keys);
}

Failure schema_failure(const Error& error) {
  return failure(exit_local_error, "DATABASE_SCHEMA", error,
                 "Use the program that wrote it, or a newer one: `run` brings an older schema up to date, and nothing "
                 "goes back.");
}

Outcome<std::unique_ptr<Store>> open_store(const Config& config, bool create) {
  StoreOptions options;
  options.create = create;
  auto store = Store::open(config.database(), options);
  if (!store && store.error().code == Errc::conflict) return schema_failure(store.error());
  if (!store)
    return failure(exit_local_error, "DATABASE", store.error(),
                   "Check `data_folder` and its disk. A new broker is started with `pli-broker init`.");
  return *std::move(store);
}

/// P10: nothing is decided on a store that stands otherwise than `wanted` to what was published.
Outcome<void> demand_standing(Standing wanted, const Config& config, const KeyRing& keys, const Store& store,
                              const OutsideFile& outside) {
  const auto compared = compare_with_outside(outside.newest(), config.log, keys.log_key().public_key(), store);
  if (!compared) return unreadable(compared.error());
  if (compared->standing == wanted) return {};
  if (compared->standing != Standing::extends) return standing_failure(*compared);
  return Failure{exit_local_error, "NO_ROLLBACK", "the database holds all that was published",
                 "Start without --accept-rollback. An order is accepted once."};
}

/// Everything a broker's store needs, opened and compared with what was published. Holds the outside file: nobody else
/// runs meanwhile.
struct Opened {
  OutsideFile outside;
  std::unique_ptr<KeyRing> keys;
  std::unique_ptr<Store> store;
};
Outcome<Opened> open_compared(const Config& config, Standing wanted) {
  auto outside = OutsideFile::open(config.outside_checkpoint);
  if (!outside) return outside_failure(outside.error());
  auto keys = read_keys(config);
  if (!keys) return keys.error();
  auto store = open_store(config, false);
  if (!store) return store.error();
  if (auto stands = demand_standing(wanted, config, **keys, **store, *outside); !stands) return stands.error();
  return Opened{*std::move(outside), *std::move(keys), *std::move(store)};
}

/// Of the current shard.
audit::VerifierKey verifier_key(const KeyRing& keys, const Store& store) {
  return {store.origin(), audit::KeyType::ed25519, keys.log_key().public_key()};
}

Outcome<audit::WitnessPolicy> read_policy(const Config& config, const audit::VerifierKey& own) {
  constexpr std::string_view state = "WITNESS_POLICY";
  constexpr std::string_view next = "Mend the file that `policy` names: docs/protocol.md, \"Witness policy\".";
  auto bytes = read_file(config.witnesses_policy, audit::policy_bytes_max);
  if (!bytes) return failure(exit_local_error, state, bytes.error(), next);
  auto policy = audit::WitnessPolicy::parse(as_text(*bytes));
  if (!policy) return failure(exit_local_error, state, policy.error(), next);
  // The line of any of our shards: the key is one, and the next shard must not wait for its file.
  const auto is_ours = [&](const audit::VerifierKey& log) {
    return log.type == own.type && log.key == own.key && protocol::shard_of(log.name, config.log);
  };
  const auto logs = policy->log_keys();
  if (std::none_of(logs.begin(), logs.end(), is_ours))
    return Failure{exit_local_error, state, "no log line of it is this log's: log " + audit::to_text(own), next};
  return *std::move(policy);
}

/// Has a shard after the store's been published from here? Then the store was put back to before it was opened, even
/// where the outside checkpoint was put back with it.
bool knows_later_shard(const std::filesystem::path& tiles, const std::string& log, const audit::VerifierKey& own) {
  std::error_code problem;
  const auto current = protocol::shard_of(own.name, log);
  for (std::filesystem::directory_iterator at(tiles, problem), end; !problem && at != end; at.increment(problem)) {
    const audit::VerifierKey key{log + "/" + at->path().filename().string(), own.type, own.key};
    const auto shard = protocol::shard_of(key.name, log);
    if (!shard || !current || !(*shard > *current)) continue;
    const auto note = read_file(at->path() / "checkpoint", audit::note_bytes_max);
    if (note && audit::verify_checkpoint(as_text(*note), key)) return true;
  }
  return false;
}

Result<LogSource> source_of(const Config& config, const std::string& origin) {
  auto opened = StoreReader::open(config.database(), origin);
  if (!opened) return opened.error();
  const std::shared_ptr<StoreReader> reader = *std::move(opened);
  return LogSource{[reader](LeafIndex first, std::size_t count) { return reader->leaves(first, count); },
                   [reader](audit::NodeId id) { return reader->node(id); }};
}

/// Those of the shards before: a broker that was killed has left them short of the end, and no later one would write
/// them.
Outcome<std::vector<ClosedTiles>> open_closed_tiles(const Config& config, const audit::VerifierKey& own,
                                                    const Store& store) {
  std::vector<ClosedTiles> out;
  for (const ShardRow& row : store.shards()) {
    const audit::VerifierKey key{row.origin, own.type, own.key};
    if (row.number == store.shard()) break;
    const auto head = audit::verify_checkpoint(row.end.closed, key);
    auto source = source_of(config, row.origin);
    if (!head || !source) return unreadable(head ? source.error() : head.error());
    auto tiles = TileFolder::open({config.tiles_folder / row.origin.substr(config.log.size() + 1), key, {}},
                                  head->size(), *std::move(source));
    if (!tiles && tiles.error().code == Errc::conflict) {
      // What was published of its lost end is the last that is known of it.
      if (!row.end.last_known.empty()) continue;
      return rolled_back(tiles.error().detail);
    }
    if (!tiles && tiles.error().code == Errc::corruption) return tiles_differ(tiles.error().detail);
    if (!tiles)
      return failure(exit_local_error, "TILES_FOLDER", tiles.error(), "Check `tiles_folder`, its disk and its owner.");
    out.push_back({*std::move(tiles), head->size(), row.end.closed});
  }
  return out;
}

TreeSize size_of(std::string_view note) {
  const auto parsed = audit::parse_note(note);
  const auto head = parsed ? audit::parse_tree_head(parsed->text) : Result<audit::TreeHead>(parsed.error());
  return head ? head->size : TreeSize{};
}

/// Every shard before the current one: whether the witnesses have confirmed how it ended is judged by who asks them.
EndedShardsSettings ended_shards(const Config& config, const audit::WitnessPolicy& policy,
                                 const audit::VerifierKey& own, const Store& store) {
  EndedShardsSettings out{{},
                          policy,
                          own.key,
                          [config](const std::string& origin) { return source_of(config, origin); },
                          config.tiles_folder};
  for (const ShardRow& row : store.shards()) {
    if (row.number == store.shard()) continue;
    const TreeSize size = size_of(row.end.closed);
    out.shards.push_back({row.origin, row.end.closed, size, std::max(size, size_of(row.end.last_known))});
  }
  return out;
}

/// Of each shard that may have followed the store's, the checkpoint of its empty tree: true of a shard nobody opened,
/// and refused with its size by a witness that has cosigned a leaf of it.
std::vector<std::string> later_shards(const Config& config, const KeyRing& keys, const Store& store, UnixMillis now) {
  std::vector<std::string> out;
  const auto current = protocol::shard_of(store.origin(), config.log);
  if (!current) return out;
  const std::uint32_t last_year =
      std::min(std::max(month_of(now) / 100, current->year) + 1, current->year + later_years_asked_max);
  for (std::uint32_t year = current->year; year <= last_year; ++year)
    if (const auto name = protocol::shard_after(*current, year)) {
      const std::string origin = config.log + "/" + protocol::to_text(*name);
      out.push_back(audit::sign_checkpoint({origin, {}, audit::empty_root()}, keys.log_key()));
    }
  return out;
}

Outcome<std::unique_ptr<Witnesses>> make_witnesses(audit::WitnessPolicy policy, audit::NodeSource nodes,
                                                   const Clock& clock) {
  auto witnesses = Witnesses::create(
      std::move(policy),
      [nodes = std::move(nodes)](TreeSize older, TreeSize newer) {
        return audit::consistency_proof(older, newer, nodes);
      },
      clock);
  if (!witnesses)
    return failure(exit_local_error, "WITNESS_POLICY", witnesses.error(), "Give each witness its http:// URL.");
  return *std::move(witnesses);
}

/// P10: what the tiles folder and the witnesses know must be the start of this tree; then what an earlier process has
/// published is where publication resumes.
Outcome<Publication> prepare_publication(const Config& config, const KeyRing& keys, const Store& store,
                                         OutsideFile outside, const Clock& clock) {
  Publication out{std::move(outside)};
  if (config.tiles_folder.empty() && config.witnesses_policy.empty()) return out;
  const audit::VerifierKey own = verifier_key(keys, store);
  const auto source = source_of(config, store.origin());
  if (!source) return failure(exit_local_error, "DATABASE", source.error(), "Run `pli-broker check`.");
  const audit::NodeSource& nodes = source->nodes;
  const TreeSize tree = store.tree_size();
  if (!config.tiles_folder.empty()) {
    if (knows_later_shard(config.tiles_folder, config.log, own))
      return rolled_back("the tiles folder holds a later shard of this log");
    auto tiles =
        TileFolder::open({config.tiles_folder / store.origin().substr(config.log.size() + 1), own, {}}, tree, *source);
    if (!tiles && tiles.error().code == Errc::conflict) return rolled_back(tiles.error().detail);
    if (!tiles && tiles.error().code == Errc::corruption) return tiles_differ(tiles.error().detail);
    if (!tiles)
      return failure(exit_local_error, "TILES_FOLDER", tiles.error(), "Check `tiles_folder`, its disk and its owner.");
    out.last_published = tiles->published();
    out.tiles.emplace(*std::move(tiles));
    auto closed = open_closed_tiles(config, own, store);
    if (!closed) return closed.error();
    out.closed_tiles = *std::move(closed);
  } else {
    out.note_file = config.published_note();
    if (const auto note = read_file(out.note_file, audit::note_bytes_max)) {
      const audit::OutsideSlot kept{0, std::string(as_text(*note))};
      const auto extends =
          demand_extension(kept, own, tree, [&](TreeSize size) { return audit::root_at(size, nodes); });
      if (!extends && extends.error().code == Errc::conflict) return rolled_back(extends.error().detail);
      if (extends) out.last_published = kept.note;  // what cannot be read is written anew
    }
  }
  if (config.witnesses_policy.empty()) return out;
  auto policy = read_policy(config, own);
  if (!policy) return policy.error();
  auto witnesses = make_witnesses(*policy, nodes, clock);
  if (!witnesses) return witnesses.error();
  if (const auto alarm =
          (*witnesses)->compare(out.outside.newest().note, tree, later_shards(config, keys, store, clock.now())))
    return rolled_back(to_text(*alarm));
  out.witnesses = *std::move(witnesses);
  out.ended = ended_shards(config, *policy, own, store);
  return out;
}

/// P10, before a store is given a next shard: had one been opened after it already, there would be two.
Outcome<void> demand_no_later_shard(const Config& config, const KeyRing& keys, const Store& store, const Clock& clock) {
  const audit::VerifierKey own = verifier_key(keys, store);
  if (!config.tiles_folder.empty() && knows_later_shard(config.tiles_folder, config.log, own))
    return rolled_back("the tiles folder holds a later shard of this log");
  if (config.witnesses_policy.empty()) return {};
  auto policy = read_policy(config, own);
  if (!policy) return policy.error();
  auto witnesses = make_witnesses(*std::move(policy), {}, clock);
  if (!witnesses) return witnesses.error();
  if (const auto alarm = (*witnesses)->compare_later(later_shards(config, keys, store, clock.now())))
    return rolled_back(to_text(*alarm));
  return {};
}

Outcome<void> demand_clock(UnixMillis now, const KeyRing& keys, const Store& store) {
  constexpr std::string_view next =
      "Compare `date` with another clock and set it right. If it is right, because the broker stood still for long or "
      "ran under a wrong clock before, start once with --accept-clock.";
  UnixMillis newest_leaf;
  if (const std::uint64_t leaves = store.tree_size().value; leaves > 0)
    if (const auto last = store.leaf({{leaves - 1}, store.shard()})) newest_leaf = last->leaf.time;
  auto plausible = demand_plausible_clock(now, keys.newest_lease_made_at(), newest_leaf);
  if (plausible) return {};
  const bool ahead = plausible.error().code == Errc::over_limit;
  return failure(exit_local_error, ahead ? "CLOCK_AHEAD" : "CLOCK_BEHIND", plausible.error(), next);
}

BrokerSettings broker_settings(const Config& config) {
  BrokerSettings settings;
  settings.transport.endpoint = config.endpoint;
  settings.transport.in_flight_max = config.limits.in_flight_max;
  settings.transport.refusals_per_minute_max = config.limits.refusals_per_minute_max;
  settings.threads = config.threads != 0 ? config.threads : std::max(1U, std::thread::hardware_concurrency());
  settings.exchange_bytes_max = config.limits.exchange_bytes_max;
  settings.spool = config.spool();
  settings.spool_limits.bytes_max = config.limits.spool_bytes_max;
  settings.spool_limits.disk_reserve_bytes = config.limits.disk_reserve_bytes;
  settings.log_unavailable = config.limits.log_unavailable;
  return settings;
}

ReleaseKeys release_keys(const KeyRing& keys) {
  ReleaseKeys out;
  out.shared = [&keys](std::uint32_t epoch, const crypto::BoxPublic& session) {
    return keys.release_shared(epoch, session);
  };
  out.public_key = [&keys](std::uint32_t epoch) { return keys.release_public(epoch); };
  return out;
}

Outcome<std::unique_ptr<Broker>> start(const Config& config, Core& core, const KeyRing& keys, Publication publication,
                                       const Clock& clock) {
  auto broker = Broker::start(broker_settings(config), core, release_keys(keys), std::move(publication),
                              keys.curve_secret(), clock);
  if (broker) return *std::move(broker);
  switch (broker.error().code) {
    case Errc::authentication_failed:
      return failure(exit_verification_failed, "SELF_TEST_FAILED", broker.error(),
                     "Do not serve: this libzmq admits unknown keys. Install Debian's libzmq5 4.3.4 or newer.");
    case Errc::unavailable:
      return failure(exit_local_error, "ENDPOINT", broker.error(), "Check `endpoint` and what else listens there.");
    default:
      return failure(exit_local_error, "LOG_UNAVAILABLE", broker.error(),
                     "Check the disks and run `pli-broker check`.");
  }
}

/// SIGTERM and SIGINT as a descriptor. Before the first thread, so that none takes them.
int block_signals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  return ::signalfd(-1, &ends, SFD_CLOEXEC);
}

void wait_for_end(int signals, int ended) {
  std::array<pollfd, 2> fds = {{{signals, POLLIN, 0}, {ended, POLLIN, 0}}};
  while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
}

Failure order_failure(const Error& error) {
  switch (error.code) {
    case Errc::authentication_failed:
      return failure(exit_verification_failed, "ORDER_NOT_SIGNED", error,
                     "Have as many authorities sign it as a directory version needs: `pli directory rollback`.");
    case Errc::conflict:
      return failure(exit_verification_failed, "ORDER_OF_ANOTHER_ROLLBACK", error,
                     "Write a request for this database with `pli-broker rollback-request` and have that signed.");
    case Errc::invalid_input:
    case Errc::over_limit:
      return failure(exit_local_error, "ORDER", error, "Give the note that `pli directory rollback` wrote.");
    default: return failure(exit_verification_failed, "DATABASE", error, "Run `pli-broker check`.");
  }
}

/// The end of the shard is given up by the authority's order; the next one begins.
Outcome<void> accept_rollback(const Config& config, const Opened& opened, const std::filesystem::path& file,
                              UnixMillis now) {
  const auto order = read_file(file, protocol::order_bytes_max);
  if (!order) return order_failure({Errc::invalid_input, "the order cannot be read"});
  const Rollback rollback{opened.outside.newest().note, std::string(as_text(*order))};
  auto accepted = broker::accept_rollback(*opened.store, *opened.keys, core_settings(config), rollback, now);
  if (!accepted) return order_failure(accepted.error());
  log(LogLevel::warning, "rollback accepted by order: a new shard is open");
  return {};
}

/// What the outside file holds of an older shard makes way for the current one, which extends it: before anything is
/// asked about it, and before anything is served.
Outcome<void> bring_forward(OutsideFile& outside, const Store& store) {
  const std::string first_line = store.origin() + "\n";
  if (outside.newest().note.compare(0, first_line.size(), first_line) == 0) return {};
  if (auto written = outside.write(store.checkpoint()); !written) return outside_failure(written.error());
  return {};
}

/// What the page tells: of the broker, of the machine, and of the database beside it.
HealthSources health_sources(const Config& config, const Broker& broker, const KeyRing& keys, const Clock& clock) {
  const auto store = std::make_shared<StoreVitals>(config.database());
  const auto free_bytes = free_bytes_beside(config.database());
  const auto look = [=, &config, &broker, &keys] {
    Vitals vitals = broker.vitals();
    vitals.lease_made_at = keys.for_checking().leases->leases.back().made_at;
    vitals.disk_free_bytes = free_bytes();
    std::error_code none;
    const auto wal = std::filesystem::file_size(config.database().string() + "-wal", none);
    vitals.wal_bytes = none ? 0 : wal;
    if (const auto backup = last_backup(config)) vitals.backup_at = backup->at;
    vitals.unread = store->unread();
    return vitals;
  };
  const Clock* now = &clock;
  return {[=] {
            const Vitals vitals = look();
            return HealthAnswer{is_serving(vitals, now->now()), to_json(vitals, now->now())};
          },
          [=] { return to_metrics(look(), now->now()); }};
}

void print_ready(const Core& core, const Store& store, const Broker& broker, bool json) {
  const std::uint64_t leaves = store.tree_size().value;
  const std::uint64_t directory = core.directory()->number().value;
  if (json) {
    std::cout << nlohmann::json{
        {"state", "ready"},
        {"endpoint", broker.endpoint()},
        {"origin", store.origin()},
        {"leaves", leaves},
        {"directory",
         directory}}.dump();
  } else {
    std::cout << "pli-broker ready: " << broker.endpoint() << " log " << store.origin() << " leaves " << leaves
              << " directory " << directory;
  }
  std::cout << std::endl;
}

int serve(const Config& config, const ProgramOptions& options, int signals) {
  const SystemClock machine;
  const WatchedClock clock(machine);
  const bool accepting = !options.accept_rollback.empty();
  auto opened = open_compared(config, accepting ? Standing::rolled_back : Standing::extends);
  if (!opened) return report(opened.error(), options.json);
  auto& [outside, keys, store] = *opened;
  if (auto plausible = demand_clock(clock.now(), *keys, *store); !plausible && !options.accept_clock)
    return report(plausible.error(), options.json);
  if (auto ready = keys->prepare(clock.now()); !ready) return report(keys_failure(ready.error()), options.json);
  if (accepting) {
    if (auto none = demand_no_later_shard(config, *keys, *store, clock); !none)
      return report(none.error(), options.json);
    if (auto accepted = accept_rollback(config, *opened, options.accept_rollback, clock.now()); !accepted)
      return report(accepted.error(), options.json);
  }
  if (auto forward = bring_forward(outside, *store); !forward) return report(forward.error(), options.json);
  auto core = Core::open(*store, *keys, core_settings(config));
  if (!core)
    return report(failure(exit_verification_failed, "DATABASE", core.error(), "Run `pli-broker check`."), options.json);
  auto publication = prepare_publication(config, *keys, *store, std::move(outside), clock);
  if (!publication) return report(publication.error(), options.json);
  auto broker = start(config, **core, *keys, *std::move(publication), clock);
  if (!broker) return report(broker.error(), options.json);

  const KeyRing& ring = *keys;
  std::optional<SelfAudit> audit;
  audit.emplace(
      SelfAuditSettings{config.database(), config.log, config.limits.self_audit, {}},
      [&] { return ring.for_checking(); }, clock,
      SelfAuditSinks{[&](UnixMillis at) { (*broker)->swept(at); },
                     [&](const StoreProblem& problem) { (*broker)->damaged(problem); },
                     [](const Error& error) {
                       log(LogLevel::warning, "self-audit put off", {{"reason", error.code}});
                     }});

  std::unique_ptr<HealthPage> page;
  if (config.health_listen) {
    auto listening = HealthPage::start(*config.health_listen, health_sources(config, **broker, *keys, clock));
    if (!listening)
      return report(failure(exit_local_error, "HEALTH_LISTEN", listening.error(),
                            "Check `health_listen` and what else listens there."),
                    options.json);
    page = *std::move(listening);
  }

  print_ready(**core, *store, **broker, options.json);
  log(LogLevel::info, "ready", {{"endpoint", LocalText{(*broker)->endpoint()}}});
  wait_for_end(signals, (*broker)->ended_fd());
  page.reset();
  audit.reset();
  (*broker)->stop();
  switch ((*broker)->ending()) {
    case Ending::none: break;
    case Ending::log_unavailable:
      return report({exit_local_error, "LOG_UNAVAILABLE", "the log could not be written; nothing was done since",
                     "Free or mend the disk, then start again: a start recovers what was committed."},
                    options.json);
    case Ending::damaged:
      return report({exit_verification_failed, "DAMAGED",
                     "the store is not what was written: the log names what was found, and where",
                     "Do not start again before `pli-broker check` has shown how much is broken; then bring back the "
                     "newest whole backup: docs/storage.md, \"Self-audit\"."},
                    options.json);
    case Ending::transport_failed:
      return report({exit_local_error, "TRANSPORT", "the transport stopped", "Start again."}, options.json);
    case Ending::rolled_back: return report(rolled_back((*broker)->ending_detail()), options.json);
    case Ending::tiles_differ: return report(tiles_differ((*broker)->ending_detail()), options.json);
  }
  if (auto written = store->write_back_all(); !written)
    log(LogLevel::warning, "database left with its write-ahead log", {{"reason", written.error().code}});
  log(LogLevel::info, "stopped");
  return exit_done;
}

}  // namespace

int run_broker(const ProgramOptions& options) {
  const int signals = block_signals();
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  if (auto opened = open_log({config->log_folder, false}); !opened) {
    return report(failure(exit_local_error, "LOG_FOLDER", opened.error(), "Check `log_folder` and its owner."),
                  options.json);
  }
  const int code = serve(*config, options, signals);
  close_log();
  return code;
}

// ---- init --------------------------------------------------------------------------------------------------------

namespace {

struct FirstVersion {
  VerifiedPublish publish;
  protocol::AuthoritySet trusted;
};

Outcome<FirstVersion> read_first_version(const ProgramOptions& options) {
  constexpr std::string_view next = "Give the note and the bundle that `pli directory sign` wrote.";
  auto note = read_file(options.directory, audit::note_bytes_max);
  if (!note) return failure(exit_local_error, "DIRECTORY", note.error(), next);
  auto bundle = read_file(options.bundle, protocol::directory_bundle_bytes_max);
  if (!bundle) return failure(exit_local_error, "BUNDLE", bundle.error(), next);
  FirstVersion out;
  out.publish.note = std::string(as_text(*note));
  auto changed = protocol::decode_bundle(*bundle);
  if (!changed) return failure(exit_local_error, "BUNDLE", changed.error(), next);
  out.publish.changed = *std::move(changed);
  // The first version vouches for itself; the operator compares the authority keys printed below with the authority's.
  auto parsed = audit::parse_note(out.publish.note);
  if (!parsed) return failure(exit_local_error, "DIRECTORY", parsed.error(), next);
  auto head = protocol::parse_directory_head(parsed->text);
  if (!head) return failure(exit_local_error, "DIRECTORY", head.error(), next);
  out.trusted = {head->threshold, head->authorities};
  return out;
}

Outcome<void> demand_nothing_there(const Config& config) {
  std::error_code problem;
  for (const auto& path : {config.database(), config.outside_checkpoint, config.leases, config.leases_copy}) {
    if (std::filesystem::exists(path, problem) || problem) {
      return Failure{exit_local_error, "ALREADY_INITIALISED", path.string() + " is there already",
                     "A broker is initialised once. If an earlier init was cut short, remove what it left: database, "
                     "leases, their copy and the outside checkpoint."};
    }
  }
  return {};
}

Outcome<void> initialise(const Config& config, const FirstVersion& first) {
  const UnixMillis now = SystemClock().now();
  for (const auto& folder : {config.data_folder, config.key_folder, config.leases.parent_path(),
                             config.leases_copy.parent_path(), config.outside_checkpoint.parent_path()}) {
    if (auto made = create_private_folder(folder); !made)
      return failure(exit_local_error, "FOLDER", made.error(), "Check the folders' owner and their disks.");
  }
  {
    auto secret = read_secret(config);
    if (!secret) return secret.error();
    if (auto made = KeyRing::create(key_paths(config), *secret, now); !made) {
      return failure(exit_local_error, "KEYS", made.error(),
                     "curve.key and log.key must lie in `key_folder`: `pli init` makes them.");
    }
    auto keys = KeyRing::open(key_paths(config), *std::move(secret), now);
    if (!keys) return failure(exit_local_error, "KEYS", keys.error(), "Check the key folder.");
    auto store = open_store(config, true);
    if (!store) return store.error();
    auto stored = initialise_store(**store, **keys, core_settings(config), first.publish, first.trusted, now);
    if (!stored) {
      return failure(exit_local_error, "DIRECTORY", stored.error(),
                     "The note must be the first version, signed by its own authorities, over this bundle.");
    }
    auto outside = OutsideFile::create(config.outside_checkpoint, (*store)->checkpoint());
    if (!outside) return failure(exit_local_error, "OUTSIDE_CHECKPOINT", outside.error(), "Check its folder and disk.");
    if (auto written = (*store)->write_back_all(); !written)
      return failure(exit_local_error, "DATABASE", written.error(), "Check the data folder's disk.");
  }
  return {};
}

void print_initialised(const Config& config, const FirstVersion& first, bool json) {
  std::vector<std::string> authorities;
  for (const audit::VerifierKey& key : first.trusted.keys) authorities.push_back(audit::to_text(key));
  if (json) {
    std::cout << nlohmann::json{{"state", "initialised"},
                                {"origin", config.first_origin()},
                                {"threshold", first.trusted.threshold},
                                {"authorities", authorities}}
                     .dump()
              << std::endl;
    return;
  }
  std::cout << "pli-broker: initialised " << config.first_origin() << "\n  directory versions need "
            << first.trusted.threshold << " of these keys; compare them with the authority's own:\n";
  for (const std::string& key : authorities) std::cout << "    " << key << "\n";
  std::cout << std::flush;
}

}  // namespace

int init_broker(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto first = read_first_version(options);
  if (!first) return report(first.error(), options.json);
  if (auto nothing = demand_nothing_there(*config); !nothing) return report(nothing.error(), options.json);
  if (auto done = initialise(*config, *first); !done) return report(done.error(), options.json);
  print_initialised(*config, *first, options.json);
  return exit_done;
}

// ---- shards ------------------------------------------------------------------------------------------------------

int request_rollback(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto opened = open_compared(*config, Standing::rolled_back);
  if (!opened) return report(opened.error(), options.json);
  if (auto none = demand_no_later_shard(*config, *opened->keys, *opened->store, SystemClock()); !none)
    return report(none.error(), options.json);
  auto request = rollback_request(*opened->store, *opened->keys, core_settings(*config), opened->outside.newest().note,
                                  SystemClock().now());
  if (!request) return report(order_failure(request.error()), options.json);
  const std::string text = protocol::to_text(*request);
  if (options.json)
    std::cout << nlohmann::json{{"state", "rolled_back"}, {"request", text}}.dump() << std::endl;
  else
    std::cout << text << std::flush;
  return exit_done;
}

namespace {

/// The newest checkpoint, with the cosignatures of whoever answers in time; or those it was published with.
struct Closing {
  std::string note;
  bool demanded = false;
  bool cosigned = false;
};
Outcome<Closing> gather_closing(const Config& config, const KeyRing& keys, const Store& store) {
  Closing out{store.checkpoint()};
  if (config.witnesses_policy.empty()) return out;
  const SystemClock clock;
  auto policy = read_policy(config, verifier_key(keys, store));
  if (!policy) return policy.error();
  out.demanded = policy->demands_witnesses();
  const auto is_cosigned = [&](std::string_view note) {
    return audit::verify_checkpoint_by(*policy, note, audit::to_seconds(clock.now())).has_value();
  };
  const auto published = config.tiles_folder.empty()
                             ? config.published_note()
                             : config.tiles_folder / store.origin().substr(config.log.size() + 1) / "checkpoint";
  if (const auto note = read_file(published, audit::note_bytes_max); note && is_cosigned(as_text(*note)))
    out.note = with_cosignatures(out.note, std::string(as_text(*note)));
  // Even where it needs nobody's word any more: P10, a shard must not be closed short of what a witness has seen.
  const auto source = source_of(config, store.origin());
  if (!source) return failure(exit_local_error, "DATABASE", source.error(), "Run `pli-broker check`.");
  auto witnesses = make_witnesses(*policy, source->nodes, clock);
  if (!witnesses) return witnesses.error();
  const Witnesses::Round round = (*witnesses)->gather(store.checkpoint(), store.tree_size(), ended_round_max);
  if (round.alarm) return rolled_back(to_text(*round.alarm));
  out.note = with_cosignatures(out.note, round.note);
  out.cosigned = is_cosigned(out.note);
  return out;
}

void print_next_shard(std::string_view closed, std::uint64_t leaves, const Closing& closing, const Store& store,
                      bool json) {
  if (json) {
    nlohmann::json out = {
        {"state", "shard_opened"}, {"closed", closed}, {"leaves", leaves}, {"origin", store.origin()}};
    if (closing.demanded) out["cosigned"] = closing.cosigned;
    std::cout << out.dump() << std::endl;
    return;
  }
  std::cout << "pli-broker: closed " << closed << " at " << leaves << " leaves, opened " << store.origin();
  if (closing.demanded)
    std::cout << (closing.cosigned ? "\n  the witnesses' quorum has cosigned how it ended"
                                   : "\n  too few witnesses answered: `pli-broker run` goes on asking them");
  std::cout << "\n  next: make a backup: no copy from before can be put back and accepted." << std::endl;
}

}  // namespace

int open_next_shard(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto opened = open_compared(*config, Standing::extends);
  if (!opened) return report(opened.error(), options.json);
  auto& [outside, keys, store] = *opened;
  const UnixMillis now = SystemClock().now();
  if (auto plausible = demand_clock(now, *keys, *store); !plausible && !options.accept_clock)
    return report(plausible.error(), options.json);
  if (auto ready = keys->prepare(now); !ready) return report(keys_failure(ready.error()), options.json);
  if (auto none = demand_no_later_shard(*config, *keys, *store, SystemClock()); !none)
    return report(none.error(), options.json);
  const std::string closed = store->origin();
  const std::uint64_t leaves = store->tree_size().value;
  const auto closing = gather_closing(*config, *keys, *store);
  if (!closing) return report(closing.error(), options.json);
  if (auto open = open_next_shard(*store, *keys, core_settings(*config), closing->note, now); !open)
    return report(failure(exit_verification_failed, "DATABASE", open.error(), "Run `pli-broker check`."), options.json);
  // Cut short here, the outside checkpoint is one of the shard that was closed, which the store extends.
  if (auto written = outside.write(store->checkpoint()); !written)
    return report(outside_failure(written.error()), options.json);
  if (auto written = store->write_back_all(); !written)
    return report(failure(exit_local_error, "DATABASE", written.error(), "Check the data folder's disk."),
                  options.json);
  print_next_shard(closed, leaves, *closing, *store, options.json);
  return exit_done;
}

// ---- check -------------------------------------------------------------------------------------------------------

namespace {

/// The list of what is broken, by the names of docs/storage.md, "Invariants".
void print_checked(const CheckReport& found, bool more, bool json) {
  const std::string& origin = found.shards.back().row.origin;
  const std::string_view state = found.problems.empty() ? "whole" : "broken";
  if (json) {
    nlohmann::json problems = nlohmann::json::array();
    for (const StoreProblem& problem : found.problems)
      problems.push_back({{"name", problem.name}, {"where", problem.where}});
    nlohmann::json out = {{"state", state},
                          {"origin", origin},
                          {"leaves", found.leaves},
                          {"exchanges", found.exchanges},
                          {"problems", std::move(problems)}};
    if (more) out["more"] = true;
    std::cout << out.dump() << std::endl;
    return;
  }
  for (const StoreProblem& problem : found.problems) std::cout << problem.name << ": " << problem.where << "\n";
  if (more) std::cout << "and more\n";
  std::cout << "pli-broker: " << state << ": " << origin << " leaves " << found.leaves << " exchanges "
            << found.exchanges << " problems " << found.problems.size() << std::endl;
}

Failure check_failure(const Error& error) {
  if (error.code == Errc::conflict) return schema_failure(error);
  if (error.code == Errc::corruption)
    return failure(exit_verification_failed, "DATABASE_UNREADABLE", error, "Keep the files; compare with a backup.");
  return failure(exit_local_error, "DATABASE", error, "Check `data_folder`, its disk and its owner.");
}

}  // namespace

namespace {

struct Checked {
  CheckReport found;
  std::shared_ptr<const KeyRing> keys;
  Result<Compared> compared;  ///< to the outside checkpoint; of a broken store it says nothing
};

/// A store's file, this one or a copy of it, under the keys there are when its snapshot is taken.
Outcome<Checked> check_file(const Config& config, const std::filesystem::path& file, crypto::SecretKey secret,
                            const audit::OutsideSlot& outside) {
  CheckOptions wanted;
  wanted.log = config.log;
  if (const auto note = audit::parse_note(outside.note))
    if (const auto head = audit::parse_tree_head(note->text)) {
      wanted.origin_wanted = head->origin;
      wanted.root_wanted = head->size;
    }
  std::shared_ptr<const KeyRing> keys;
  std::optional<Failure> no_keys;
  const auto read_keys = [&]() -> Result<std::shared_ptr<const KeyRing>> {
    auto ring = KeyRing::read(key_paths(config), std::move(secret));
    if (!ring) {
      no_keys = keys_failure(ring.error());
      return ring.error();
    }
    keys = *std::move(ring);
    return keys;
  };
  auto found = check_store(file, read_keys, wanted);
  if (no_keys) return *no_keys;
  if (!found) return check_failure(found.error());
  const auto root_at = [&](ShardNumber, TreeSize) {
    return found->root ? Result<Digest>(*found->root) : Result<Digest>(Error{Errc::corruption, "no such tree"});
  };
  std::vector<StoredShard> shards;
  for (const CheckReport::Shard& shard : found->shards) shards.push_back({shard.row, shard.size});
  auto compared = compare_with_outside(outside, config.log, keys->log_key().public_key(), shards, root_at);
  return Checked{*std::move(found), keys, std::move(compared)};
}

}  // namespace

int check_broker(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto secret = read_secret(*config);
  if (!secret) return report(secret.error(), options.json);
  // Before the database, which only grows: what a broker publishes meanwhile is then no rollback.
  auto outside = OutsideFile::read(config->outside_checkpoint);
  if (!outside) return report(outside_failure(outside.error()), options.json);
  auto checked = check_file(*config, config->database(), *std::move(secret), *outside);
  if (!checked) return report(checked.error(), options.json);
  const CheckReport& found = checked->found;
  // What is broken is named first: a tree that is not whole extends nothing.
  if (found.problems.empty()) {
    if (!checked->compared) return report(unreadable(checked->compared.error()), options.json);
    if (checked->compared->standing != Standing::extends)
      return report(standing_failure(*checked->compared), options.json);
  }
  print_checked(found, found.problems.size() == CheckOptions().problems_max, options.json);
  return found.problems.empty() ? exit_done : exit_verification_failed;
}

// ---- health ------------------------------------------------------------------------------------------------------

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
            << "\n  self-audit         " << age("self_audit_age_seconds") << "\n  backup             "
            << age("backup_age_seconds") << "\n  newest lease key   " << age("lease_age_seconds")
            << "\n  disk free          " << number("disk_free_bytes") / (1024 * 1024) << " MiB, WAL "
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

// ---- backup ------------------------------------------------------------------------------------------------------

namespace {

/// A file that goes again unless it is kept.
class Unkept {
 public:
  explicit Unkept(std::filesystem::path path) : path_(std::move(path)) {}
  ~Unkept() {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"})
      std::filesystem::remove(path_.string() + suffix, ignored);
  }
  Unkept(const Unkept&) = delete;
  Unkept& operator=(const Unkept&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Failure target_failure(const Error& error) {
  if (error.code == Errc::conflict)
    return failure(exit_local_error, "BACKUP_EXISTS", error, "Name a file that is not there yet, or a folder.");
  return failure(exit_local_error, "BACKUP_TARGET", error,
                 "Name a folder that is there, on another disk: not the data's, the keys' or the tiles' own.");
}

Failure copy_failure(const Error& error) {
  if (error.code == Errc::corruption)
    return failure(exit_verification_failed, "DATABASE_UNREADABLE", error, "Run `pli-broker check`.");
  if (error.code == Errc::not_found) return failure(exit_local_error, "DATABASE", error, "Check `data_folder`.");
  return failure(exit_local_error, "BACKUP_FAILED", error,
                 "Check the target's disk and owner; nothing was left there.");
}

Outcome<void> demand_room(const std::filesystem::path& source, const std::filesystem::path& target,
                          const Config& config) {
  const auto bytes = store_bytes(source);
  if (!bytes) return copy_failure(bytes.error());
  const std::uint64_t free = free_bytes_beside(target.parent_path())();
  if (free >= *bytes + config.limits.disk_reserve_bytes) return {};
  return Failure{exit_local_error, "BACKUP_NO_SPACE",
                 std::to_string(*bytes) + " bytes and the reserve are needed beside " + target.string() + ", " +
                     std::to_string(free) + " are free",
                 "Make room, or name another disk. Nothing was written."};
}

std::string names_of(const CheckReport& found) {
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.problems.size(), 3); ++i)
    out += (i == 0 ? "" : ", ") + found.problems[i].name + " (" + found.problems[i].where + ")";
  return out;
}

/// Twice: a key that was retired between the copy and the look at the keys is no damage, and not there the second time.
Outcome<CheckReport> copy_verified(const Config& config, const std::filesystem::path& unverified) {
  for (int look = 0;; ++look) {
    auto secret = read_secret(config);
    if (!secret) return secret.error();
    auto outside = OutsideFile::read(config.outside_checkpoint);
    if (!outside) return outside_failure(outside.error());
    if (auto copied = copy_store(config.database(), unverified); !copied) return copy_failure(copied.error());
    auto checked = check_file(config, unverified, *std::move(secret), *outside);
    if (!checked) return checked.error();
    if (!checked->found.problems.empty()) {
      if (look == 0) continue;
      return Failure{exit_verification_failed, "BACKUP_BROKEN", names_of(checked->found),
                     "Nothing was kept of it. Run `pli-broker check`: what is broken is broken in the database."};
    }
    if (!checked->compared) return unreadable(checked->compared.error());
    if (checked->compared->standing != Standing::extends) return standing_failure(*checked->compared);
    return std::move(checked->found);
  }
}

}  // namespace

int back_up(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  const UnixMillis now = SystemClock().now();
  auto file = backup_file(options.backup, *config, now);
  if (!file) return report(target_failure(file.error()), options.json);
  if (auto room = demand_room(config->database(), *file, *config); !room) return report(room.error(), options.json);
  const Unkept unverified(file->string() + ".unverified");
  auto found = copy_verified(*config, unverified.path());
  if (!found) return report(found.error(), options.json);
  if (auto named = rename_durably(unverified.path(), *file); !named)
    return report(copy_failure(named.error()), options.json);
  // The backup is there from here on; what is remembered of it is for `health` alone.
  if (auto remembered = remember_backup(*config, {now, found->leaves}); !remembered)
    return report(failure(exit_local_error, "BACKUP_NOT_REMEMBERED", remembered.error(),
                          "The backup is whole, but `health` does not know of it: check `data_folder`."),
                  options.json);
  if (options.json)
    std::cout << nlohmann::json{{"state", "backed_up"},
                                {"file", file->string()},
                                {"origin", found->shards.back().row.origin},
                                {"leaves", found->leaves},
                                {"exchanges", found->exchanges}}
                     .dump()
              << std::endl;
  else
    std::cout << "pli-broker: backed up " << found->shards.back().row.origin << " leaves " << found->leaves
              << " exchanges " << found->exchanges << " to " << file->string() << std::endl;
  return exit_done;
}

namespace {

Failure damaged_backup(std::string cause) {
  return {exit_verification_failed, "BACKUP_DAMAGED", std::move(cause),
          "Nothing was changed. Try an older backup: `pli-broker restore`."};
}

struct Restored {
  Compared compared;
  std::uint64_t leaves = 0;
  std::uint64_t erased_again = 0;
  std::uint64_t unreadable = 0;  ///< whose lease has been destroyed since
  std::filesystem::path aside;   ///< empty: nothing stood there
};

/// Whether the copy may be put in place: all of it is whole, but for R under leases that have had their time.
Outcome<Restored> judge(const Checked& checked) {
  Restored out;
  for (const StoreProblem& problem : checked.found.problems) {
    if (problem.name != "access.lease") return damaged_backup(names_of(checked.found));
    ++out.unreadable;
  }
  if (!checked.compared) return damaged_backup(checked.compared.error().detail);
  out.compared = *checked.compared;
  if (out.compared.standing != Standing::extends && out.compared.standing != Standing::rolled_back)
    return standing_failure(out.compared);
  out.leaves = checked.found.leaves;
  return out;
}

/// What stands in the database's place, under another name beside it.
Outcome<std::filesystem::path> keep_aside(const std::filesystem::path& database, UnixMillis now) {
  std::error_code problem;
  if (!std::filesystem::exists(database, problem)) return std::filesystem::path();
  const std::filesystem::path aside = database.string() + ".aside-" + time_stamp(now);
  for (const char* suffix : {"-shm", "-wal", ""}) {
    const std::filesystem::path from = database.string() + suffix;
    if (!std::filesystem::exists(from, problem)) continue;
    std::filesystem::rename(from, aside.string() + suffix, problem);
    if (problem)
      return Failure{exit_local_error, "RESTORE_FAILED", "what stands there cannot be kept aside",
                     "Check `data_folder`, its disk and its owner, then restore again."};
  }
  return aside;
}

/// Holds the outside file: no broker runs meanwhile.
Outcome<Restored> put_in_place(const Config& config, const std::filesystem::path& backup, const OutsideFile& outside,
                               crypto::SecretKey secret, UnixMillis now) {
  if (auto room = demand_room(backup, config.database(), config); !room) {
    Failure failure = room.error();
    return failure.state == "DATABASE_UNREADABLE" ? damaged_backup(failure.cause) : failure;
  }
  const Unkept working(config.database().string() + ".restoring");
  if (auto copied = copy_store(backup, working.path()); !copied)
    return copied.error().code == Errc::corruption ? damaged_backup(copied.error().detail)
                                                   : copy_failure(copied.error());
  auto migrated = migrate_store(working.path());
  std::error_code ignored;  // the backup itself is the copy of before
  for (std::int64_t schema = 1; schema < store_schema_version; ++schema)
    std::filesystem::remove(kept_copy(working.path(), schema), ignored);
  if (!migrated)
    return migrated.error().code == Errc::conflict ? schema_failure(migrated.error())
                                                   : damaged_backup(migrated.error().detail);
  auto checked = check_file(config, working.path(), std::move(secret), outside.newest());
  if (!checked)
    return checked.error().state == "DATABASE_UNREADABLE" ? damaged_backup(checked.error().cause) : checked.error();
  auto restored = judge(*checked);
  if (!restored) return restored;
  std::vector<Digest> erased;
  for (const LeaseFile::Erased& gone : checked->keys->for_checking().leases->erased) erased.push_back(gone.exchange);
  auto again = erase_again(working.path(), erased);
  if (!again) return copy_failure(again.error());
  restored->erased_again = *again;
  auto aside = keep_aside(config.database(), now);
  if (!aside) return aside.error();
  restored->aside = *aside;
  // Cut short before this there is no database, and no start: the same command goes on.
  if (auto named = rename_durably(working.path(), config.database()); !named) return copy_failure(named.error());
  return restored;
}

}  // namespace

int restore(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  std::error_code problem;
  if (!std::filesystem::is_regular_file(options.backup, problem))
    return report({exit_local_error, "BACKUP_MISSING", options.backup.string() + " is no file",
                   "Give the file that `pli-broker backup` wrote."},
                  options.json);
  auto secret = read_secret(*config);
  if (!secret) return report(secret.error(), options.json);
  auto outside = OutsideFile::open(config->outside_checkpoint);
  if (!outside) return report(outside_failure(outside.error()), options.json);
  if (auto made = create_private_folder(config->data_folder); !made)
    return report(failure(exit_local_error, "FOLDER", made.error(), "Check `data_folder` and its disk."), options.json);
  auto done = put_in_place(*config, options.backup, *outside, *std::move(secret), SystemClock().now());
  if (!done) return report(done.error(), options.json);
  const bool extends = done->compared.standing == Standing::extends;
  const std::string_view next =
      extends ? "Start the broker: it holds all that was published."
              : "It is older than what was published, and no start serves it so. Bring a newer backup if there is one; "
                "else write `pli-broker rollback-request`, have the authority sign it (`pli directory rollback`), and "
                "start with `run --accept-rollback`.";
  if (options.json) {
    std::cout << nlohmann::json{{"state", "restored"},
                                {"standing", extends ? "extends" : "rolled_back"},
                                {"leaves", done->leaves},
                                {"erased_again", done->erased_again},
                                {"unreadable", done->unreadable},
                                {"aside", done->aside.string()},
                                {"next", next}}
                     .dump()
              << std::endl;
    return exit_done;
  }
  std::cout << "pli-broker: restored leaves " << done->leaves << " erased again " << done->erased_again
            << " unreadable for ever " << done->unreadable << "\n";
  if (!done->aside.empty()) std::cout << "  what stood there is kept: " << done->aside.string() << "\n";
  std::cout << "  next: " << next << std::endl;
  return exit_done;
}

// ---- statistics ----------------------------------------------------------------------------------------------------

namespace {

std::string day_text(UnixMillis time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time.value))));
  const auto number = static_cast<unsigned>(day.day());
  return protocol::month_text(month_of(time)) + (number < 10 ? "-0" : "-") + std::to_string(number);
}

/// The month whose statistics the current shard makes next. A month without a leaf has none, and is passed over.
std::uint32_t next_month_of(const StatedMonths& stated) {
  std::uint32_t next = month_of(stated.first);
  for (const StatedMonth& month : stated.months)
    if (month.origin == stated.origin) next = std::max(next, protocol::month_after(month.statement.month));
  return next;
}

int print_months(const StatedMonths& stated, UnixMillis now, bool json) {
  const std::uint32_t next = next_month_of(stated);
  const UnixMillis due = protocol::month_start(protocol::month_after(next));
  if (json) {
    nlohmann::json months = nlohmann::json::array();
    for (const StatedMonth& month : stated.months)
      months.push_back({{"month", protocol::month_text(month.statement.month)},
                        {"origin", month.origin},
                        {"from", month.statement.from.value},
                        {"to", month.statement.to.value},
                        {"stated_in", month.stated_in},
                        {"leaf", month.leaf.value},
                        {"stated_at", month.at.value}});
    std::cout << nlohmann::json{{"state", "statistics"},
                                {"months", std::move(months)},
                                {"next",
                                 {{"month", protocol::month_text(next)}, {"due", due.value}, {"late", now >= due}}}}
                     .dump()
              << std::endl;
    return exit_done;
  }
  for (const StatedMonth& month : stated.months)
    std::cout << protocol::month_text(month.statement.month) << "  " << month.origin << "  leaves "
              << month.statement.from.value << " to " << month.statement.to.value << "  stated " << day_text(month.at)
              << " at leaf " << month.leaf.value << (month.stated_in == month.origin ? "" : " of " + month.stated_in)
              << "\n";
  std::cout << "pli-broker: " << stated.months.size() << " stated; next " << protocol::month_text(next) << ", due "
            << day_text(due)
            << (now >= due ? ", which has passed: made by a running broker's next minutes, none if it had no act" : "")
            << std::endl;
  return exit_done;
}

int print_month(const StatedMonths& stated, std::uint32_t month, bool json) {
  nlohmann::json parts = nlohmann::json::array();
  std::string texts;
  for (const StatedMonth& one : stated.months) {
    if (one.statement.month != month) continue;
    parts.push_back(
        {{"origin", one.origin}, {"leaf", one.leaf.value}, {"stated_in", one.stated_in}, {"text", one.text}});
    texts += (texts.empty() ? "" : "\n") + one.text;
  }
  if (texts.empty())
    return report({exit_local_error, "NOT_STATED", "nothing is stated of " + protocol::month_text(month),
                   "`pli-broker statistics` lists the months that are, and when the next is due."},
                  json);
  if (json)
    std::cout
        << nlohmann::json{{"state", "statistics"}, {"month", protocol::month_text(month)}, {"parts", parts}}.dump()
        << std::endl;
  else
    std::cout << texts << std::flush;
  return exit_done;
}

}  // namespace

int show_statistics(const ProgramOptions& options) {
  const auto month = options.month.empty() ? std::nullopt : protocol::month_of_text(options.month);
  if (!options.month.empty() && !month)
    return report({exit_misused, "USAGE", "--month is not YYYY-MM", "For example --month 2026-11."}, options.json);
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto stated = read_stated_months(config->database());
  if (!stated) return report(check_failure(stated.error()), options.json);
  return month ? print_month(*stated, *month, options.json) : print_months(*stated, SystemClock().now(), options.json);
}

}  // namespace pli::broker
