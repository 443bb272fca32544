#include "broker/broker_programs.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.hpp"
#include "broker/backup.hpp"
#include "broker/broker.hpp"
#include "broker/disk_space.hpp"
#include "broker/health_page.hpp"
#include "broker/log.hpp"
#include "broker/program_opening.hpp"
#include "broker/program_publication.hpp"
#include "broker/self_audit.hpp"
#include "broker/store_vitals.hpp"
#include "broker/watched_clock.hpp"
#include "crypto/random.hpp"
#include "protocol/shard_order.hpp"

namespace pli::broker {
namespace {

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
      return failure(exit_local_error, "ENDPOINT",
                     {broker.error().code, config.endpoint + ": " + broker.error().detail},
                     "Check `endpoint` and what else listens there.");
    default:
      return failure(exit_local_error, "LOG_UNAVAILABLE",
                     {broker.error().code, config.database().native() + ": " + broker.error().detail},
                     "Check the disks and run `pli-broker check`.");
  }
}

/// A broker at rest holds about 60; below this it would meet the limit before a department's clients are connected, and
/// libzmq ends a process that cannot make its own.
constexpr rlim_t descriptors_min = 256;

/// What the system lets this process have at most is what the transport will ask for.
Outcome<void> demand_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= descriptors_min) return {};
  return Failure{exit_local_error, "DESCRIPTORS",
                 "the system allows this process " + std::to_string(limit.rlim_max) + " descriptors; it needs " +
                     std::to_string(descriptors_min) + " at least, one for each connection among them",
                 "Raise LimitNOFILE= of the service, or `ulimit -Hn`."};
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

/// The end of the shard is given up by the authority's order; the next one begins.
Outcome<void> accept_rollback(const Config& config, const Opened& opened, const std::filesystem::path& file,
                              const Clock& clock) {
  const auto last = last_known(config, *opened.keys, *opened.store, opened.outside, clock);
  if (!last) return last.error();
  const auto order = read_file(file, protocol::order_bytes_max);
  if (!order) return order_failure({Errc::invalid_input, "the order cannot be read"}, config.database());
  const Rollback rollback{*last, std::string(as_text(*order))};
  auto accepted = broker::accept_rollback(*opened.store, *opened.keys, core_settings(config), rollback, clock.now());
  if (!accepted) return order_failure(accepted.error(), config.database());
  log(LogLevel::warning, "rollback accepted by order: a new shard is open, make a backup");
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
HealthSources health_sources(const Config& config, const Broker& broker, const KeyRing& keys, const SelfAudit& audit,
                             const Clock& clock) {
  const auto store = std::make_shared<StoreVitals>(config.database());
  const auto free_bytes = free_bytes_beside(config.database());
  const Clock* now = &clock;
  const auto look = [=, &config, &broker, &keys, &audit] {
    Vitals vitals = broker.vitals();
    vitals.lease_made_at = keys.for_checking().leases->leases.back().made_at;
    vitals.release_ends_at = keys.newest_release_ends_at();
    const SweepProgress progress = audit.progress();
    vitals.audit_rows = progress.rows;
    vitals.audit_rows_looked_at = progress.looked_at;
    vitals.disk_free_bytes = free_bytes();
    // The core tells each minute; a disk is full sooner.
    if (vitals.disk_free_bytes < config.limits.disk_reserve_bytes && is_serving(vitals, now->now()))
      vitals.state = "DISK_RESERVE";
    std::error_code none;
    const auto wal = std::filesystem::file_size(config.database().string() + "-wal", none);
    vitals.wal_bytes = none ? 0 : wal;
    if (const auto backup = last_backup(config)) vitals.backup_at = backup->at;
    vitals.unread = store->unread();
    vitals.life = store->life(vitals.delays, config.terms, now->now());
    return vitals;
  };
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
  if (auto enough = demand_descriptors(); !enough) return report(enough.error(), options.json);
  auto opened = open_compared(config, accepting ? Standing::rolled_back : Standing::extends);
  if (!opened) return report(opened.error(), options.json);
  auto& [outside, keys, store] = *opened;
  if (auto plausible = demand_clock(clock.now(), *keys, *store, config, options.accept_clock); !plausible)
    return report(plausible.error(), options.json);
  if (auto ready = keys->prepare(clock.now()); !ready) return report(keys_failure(ready.error()), options.json);
  if (accepting)
    if (auto accepted = accept_rollback(config, *opened, options.accept_rollback, clock); !accepted)
      return report(accepted.error(), options.json);
  if (auto forward = bring_forward(outside, *store); !forward) return report(forward.error(), options.json);
  auto core = Core::open(*store, *keys, core_settings(config));
  if (!core) return report(database_failure(core.error(), config.database()), options.json);
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
    auto listening = HealthPage::start(*config.health_listen, health_sources(config, **broker, *keys, *audit, clock));
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
      return report({exit_local_error, "LOG_UNAVAILABLE",
                     config.database().native() + ": the log could not be written; nothing was done since",
                     "Free or mend the disk, then start again: a start recovers what was committed."},
                    options.json);
    case Ending::damaged:
      return report({exit_verification_failed, "DAMAGED",
                     "the store is not what was written: the log names what was found, and where",
                     "Do not start again before `pli-broker check` has shown how much is broken; then bring back the "
                     "newest whole backup: `pli-broker restore FILE`."},
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

}  // namespace pli::broker
