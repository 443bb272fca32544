#include "broker/program_publication.hpp"

#include "audit/note.hpp"
#include "audit/tree.hpp"
#include "base/file.hpp"
#include "broker/store_reader.hpp"
#include "protocol/shard_order.hpp"

namespace pli::broker {
namespace {

/// Years after the store's shard whose first one witnesses are asked about at a start.
constexpr std::uint32_t later_years_asked_max = 8;

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
    return Failure{exit_local_error, state, "no log line of it is this log's: log " + audit::to_text(own),
                   std::string(next)};
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

/// Where the newest published checkpoint of the store's shard is kept.
std::filesystem::path published_file(const Config& config, const Store& store) {
  return config.tiles_folder.empty()
             ? config.published_note()
             : config.tiles_folder / store.origin().substr(config.log.size() + 1) / "checkpoint";
}

Result<LogSource> source_of(const Config& config, const std::string& origin) {
  auto opened = StoreReader::open(config.database(), origin);
  if (!opened) return opened.error();
  const std::shared_ptr<StoreReader> reader = *std::move(opened);
  return LogSource{[reader](LeafIndex first, std::size_t count) { return reader->leaves(first, count); },
                   [reader](audit::NodeId id) { return reader->node(id); }};
}

/// What the store cannot give is the store's fault, whatever the folder holds.
Outcome<TileFolder> open_tiles(const Config& config, const audit::VerifierKey& key, TreeSize size,
                               const LogSource& source) {
  const auto fault = std::make_shared<std::optional<Error>>();
  const auto noting = [fault](auto given) {
    if (!given) *fault = given.error();
    return given;
  };
  LogSource noted{[source, noting](LeafIndex first, std::size_t count) { return noting(source.leaves(first, count)); },
                  [source, noting](audit::NodeId id) { return noting(source.nodes(id)); }};
  auto tiles =
      TileFolder::open({config.tiles_folder / key.name.substr(config.log.size() + 1), key, {}}, size, std::move(noted));
  if (tiles) return *std::move(tiles);
  if (*fault) return unreadable(**fault);
  if (tiles.error().code == Errc::conflict) return rolled_back(tiles.error().detail);
  if (tiles.error().code == Errc::corruption) return tiles_differ(tiles.error().detail);
  return failure(exit_local_error, "TILES_FOLDER", tiles.error(), "Check `tiles_folder`, its disk and its owner.");
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
    auto tiles = open_tiles(config, key, head->size(), *source);
    // What was published of its lost end is the last that is known of it.
    if (!tiles && tiles.error().state == "ROLLED_BACK" && !row.end.last_known.empty()) continue;
    if (!tiles) return tiles.error();
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

}  // namespace

Outcome<Publication> prepare_publication(const Config& config, const KeyRing& keys, const Store& store,
                                         OutsideFile outside, const Clock& clock) {
  Publication out{std::move(outside)};
  if (config.tiles_folder.empty() && config.witnesses_policy.empty()) return out;
  const audit::VerifierKey own = verifier_key(keys, store);
  const auto source = source_of(config, store.origin());
  if (!source) return database_failure(source.error(), config.database());
  const audit::NodeSource& nodes = source->nodes;
  const TreeSize tree = store.tree_size();
  if (!config.tiles_folder.empty()) {
    if (knows_later_shard(config.tiles_folder, config.log, own))
      return rolled_back("the tiles folder holds a later shard of this log");
    auto tiles = open_tiles(config, own, tree, *source);
    if (!tiles) return tiles.error();
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

Outcome<std::string> last_known(const Config& config, const KeyRing& keys, const Store& store,
                                const OutsideFile& outside, const Clock& clock) {
  const audit::VerifierKey own = verifier_key(keys, store);
  std::vector<std::string> kept = {outside.newest().note};
  const auto file = published_file(config, store);
  if (const auto note = read_file(file, audit::note_bytes_max)) kept.emplace_back(as_text(*note));
  std::string out;
  TreeSize largest = store.tree_size();
  for (const std::string& note : kept) {
    const auto checkpoint = audit::verify_checkpoint(note, own);
    if (!checkpoint) continue;  // of a shard before, or nothing that can be given up
    if (checkpoint->size() > largest) {
      largest = checkpoint->size();
      out = note;
    } else if (checkpoint->size() <= store.tree_size()) {
      const auto root = audit::root_at(checkpoint->size(), store.nodes(store.shard()));
      if (!root) return unreadable(root.error());
      if (*root != checkpoint->root()) return rolled_back("what was published is not the start of the database's tree");
    }
  }
  if (auto none = demand_no_later_shard(config, keys, store, clock); !none) return none.error();
  if (!out.empty()) return out;
  if (!config.witnesses_policy.empty() && audit::verify_checkpoint(outside.newest().note, own)) {
    auto policy = read_policy(config, own);
    if (!policy) return policy.error();
    const auto source = source_of(config, store.origin());
    if (!source) return database_failure(source.error(), config.database());
    auto witnesses = make_witnesses(*std::move(policy), source->nodes, clock);
    if (!witnesses) return witnesses.error();
    if (const auto alarm = (*witnesses)->compare(outside.newest().note, store.tree_size(), {})) {
      Failure failed = rolled_back(to_text(*alarm));
      if (alarm->what == audit::WitnessAlarm::rolled_back)
        failed.next =
            "Bring back the newest database. If it is lost: an order names the last checkpoint known, and this machine "
            "holds none beyond its database. Bring it from whoever kept one (an auditor, a mirror of the tiles, a "
            "member's client, a newer outside checkpoint), put it there as " +
            file.string() + ", and ask again.";
      return failed;
    }
  }
  return Failure{exit_local_error, "NO_ROLLBACK", "the database holds all that was published",
                 "Start without --accept-rollback, and if that refuses do as it says. An order is accepted once."};
}

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
  if (const auto note = read_file(published_file(config, store), audit::note_bytes_max);
      note && is_cosigned(as_text(*note)))
    out.note = with_cosignatures(out.note, std::string(as_text(*note)));
  // Even where it needs nobody's word any more: P10, a shard must not be closed short of what a witness has seen.
  const auto source = source_of(config, store.origin());
  if (!source) return database_failure(source.error(), config.database());
  auto witnesses = make_witnesses(*policy, source->nodes, clock);
  if (!witnesses) return witnesses.error();
  const Witnesses::Round round = (*witnesses)->gather(store.checkpoint(), store.tree_size(), ended_round_max);
  if (round.alarm) return rolled_back(to_text(*round.alarm));
  out.note = with_cosignatures(out.note, round.note);
  out.cosigned = is_cosigned(out.note);
  return out;
}

}  // namespace pli::broker
