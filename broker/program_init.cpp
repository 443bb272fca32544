#include "broker/broker_programs.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "audit/note.hpp"
#include "base/file.hpp"
#include "broker/backup.hpp"
#include "broker/core.hpp"
#include "broker/owner.hpp"
#include "broker/program_opening.hpp"
#include "crypto/random.hpp"
#include "protocol/shard_order.hpp"

namespace pli::broker {
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

Failure already_initialised(const std::filesystem::path& path) {
  return {
      exit_local_error, "ALREADY_INITIALISED", path.string() + " is there already",
      "This broker has served. If its database is lost, bring back the newest backup: `pli-broker restore FILE`; it "
      "opens only with the leases and the outside checkpoint there are. A broker that is really new takes new "
      "folders: name them in the configuration."};
}

/// Of whatever a broker leaves where it has served, any one is enough: the database alone may be what was lost.
Outcome<void> demand_nothing_there(const Config& config) {
  std::error_code problem;
  for (const auto& path : {config.database(), config.outside_checkpoint, config.leases, config.leases_copy}) {
    const auto there = std::filesystem::symlink_status(path, problem);
    if (!std::filesystem::status_known(there) || std::filesystem::exists(there)) return already_initialised(path);
  }
  if (config.tiles_folder.empty()) return {};
  for (std::filesystem::directory_iterator at(config.tiles_folder, problem), end; !problem && at != end;
       at.increment(problem))
    if (protocol::parse_shard_name(at->path().filename().string())) return already_initialised(at->path());
  return {};
}

/// What this init makes where nothing was; it goes again unless all of it was made, so that a mended init can follow.
class Begun {
 public:
  explicit Begun(const Config& config) : config_(config) {}
  ~Begun() {
    if (whole_) return;
    std::error_code ignored;
    for (const auto& path : {config_.outside_checkpoint, config_.leases, config_.leases_copy})
      std::filesystem::remove(path, ignored);
    for (const char* suffix : database_suffixes) std::filesystem::remove(config_.database().string() + suffix, ignored);
  }
  Begun(const Begun&) = delete;
  Begun& operator=(const Begun&) = delete;
  void keep() { whole_ = true; }

 private:
  const Config& config_;
  bool whole_ = false;
};

/// The keys that were made among them: those that were there are somebody's already.
Result<void> give_what_was_made(const Config& config) {
  std::vector<std::filesystem::path> made = {config.leases, config.leases_copy, config.outside_checkpoint};
  for (const char* suffix : database_suffixes) made.emplace_back(config.database().string() + suffix);
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(config.key_folder, problem))
    if (entry.path().filename().string().starts_with("release-")) made.push_back(entry.path());
  for (const auto& file : made)
    if (auto given = give_to_owner_of(file.parent_path(), file); !given) return given;
  return {};
}

Outcome<void> initialise(const Config& config, const FirstVersion& first) {
  const UnixMillis now = SystemClock().now();
  for (const auto& folder : {config.key_folder, config.data_folder, config.leases.parent_path(),
                             config.leases_copy.parent_path(), config.outside_checkpoint.parent_path()}) {
    std::error_code problem;
    const bool is_new = !std::filesystem::exists(folder, problem);
    auto made = create_private_folder(folder);
    if (made && is_new) made = give_to_owner_of(config.key_folder, folder);
    if (!made) return failure(exit_local_error, "FOLDER", made.error(), "Check the folders' owner and their disks.");
  }
  {
    auto secret = read_secret(config);
    if (!secret) return secret.error();
    const auto made = KeyRing::create(key_paths(config), *secret, now);
    if (!made && made.error().code == Errc::conflict) return already_initialised(config.leases);
    Begun begun(config);
    if (!made) {
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
      return database_failure(written.error(), config.database());
    if (auto given = give_what_was_made(config); !given)
      return failure(exit_local_error, "FOLDER", given.error(), "Check the folders' owner and their disks.");
    begun.keep();
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

}  // namespace pli::broker
