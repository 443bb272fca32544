// pli-broker: its command line. What it does is in program_*.cpp.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>

#include "base/clock.hpp"
#include "base/command_line.hpp"
#include "base/version.hpp"
#include "broker/broker_programs.hpp"
#include "broker/watched_clock.hpp"

namespace {

constexpr const char* footer =
    R"(Exit codes: 0 done, 2 usage or configuration, 4 verification failed (do not restart unlooked), 5 local error.

Example, for a folder that `pli init` made:
  pli-broker init --config broker/broker.toml --directory 000001.note --bundle 000001.bundle
  pli-broker run --config broker/broker.toml --startup-secret-fd 3 3</run/pli/startup.secret)";

int run_command(int argc, char** argv) {
  CLI::App app{"One département's broker: accepts sealed exchanges, keeps their queues and their log.", "pli-broker"};
  app.footer(footer);
  app.set_version_flag("--version", pli::version_line("pli-broker"), "the program's version");
  app.require_subcommand(1);
  pli::broker::ProgramOptions options;
  const auto add = [&](const char* name, const char* description, const char* example) {
    CLI::App* command = app.add_subcommand(name, description);
    command->footer(std::string("Example:\n  pli-broker ") + example);
    command->add_option("--config", options.config, "the configuration, TOML (config/examples/broker.example.toml)")
        ->required();
    command->add_option("--startup-secret-fd", options.startup_secret_fd,
                        "an open descriptor with the 32-byte start-up secret, instead of the configured one");
    command->add_flag("--json", options.json, "one JSON object instead of text");
    return command;
  };
  // Typed, so that whoever vouches for the machine's date has read it: keys are destroyed by it.
  const auto accept_clock = [&options](CLI::App* command) {
    const auto take = [&options](const std::string& date) {
      if (date != pli::broker::utc_date(pli::SystemClock().now()))
        throw CLI::ValidationError("--accept-clock", "that is not today's date by this machine's clock, in UTC");
      options.accept_clock = true;
    };
    command
        ->add_option_function<std::string>(
            "--accept-clock", take,
            "today's date in UTC, read from another clock: go on although this machine's is far from the newest key "
            "and "
            "leaf. Under a wrong date that destroys keys for ever, and what they open with them (CLOCK_AHEAD counts "
            "them)")
        ->type_name("YYYY-MM-DD");
  };
  CLI::App* run = add("run", "serve until SIGTERM; one line says when it is ready",
                      "run --config broker/broker.toml --startup-secret-fd 3 3</run/pli/startup.secret");
  accept_clock(run);
  run->add_option("--accept-rollback", options.accept_rollback,
                  "the authority's signed order: give up what the database has lost, close the shard, open the next");
  CLI::App* rollback = add(
      "rollback-request", "print what the authority is to sign (pli directory rollback) when the database was put back",
      "rollback-request --config broker/broker.toml > request.txt");
  CLI::App* shard = add("next-shard", "close the shard, at the turn of the year or when asked, and open the next one",
                        "next-shard --config broker/broker.toml");
  accept_clock(shard);
  CLI::App* init = add("init", "make database, leases and outside checkpoint, once, from the first directory version",
                       "init --config broker/broker.toml --directory 000001.note --bundle 000001.bundle");
  init->add_option("--directory", options.directory, "the first version's signed note")->required();
  init->add_option("--bundle", options.bundle, "its entries")->required();
  CLI::App* check = add("check", "read everything and compare it with the log; changes nothing",
                        "check --config broker/broker.toml --json");
  CLI::App* backup = add("backup", "write a verified copy of the database to a file, or into a folder, while it runs",
                         "backup --config broker/broker.toml /mnt/other-disk/pli/");
  backup->add_option("target", options.backup, "a file that is not there yet, or a folder on another disk")->required();
  CLI::App* health = add("health", "how the running broker does, from its page (health_listen)",
                         "health --config broker/broker.toml --json");
  CLI::App* restore = add("restore", "put a backup in place of the database, with the broker stopped",
                          "restore --config broker/broker.toml /mnt/other-disk/pli/FILE");
  restore->add_option("file", options.backup, "what `backup` wrote, or a database that was kept aside")->required();
  restore->add_flag("--over-newer", options.over_newer,
                    "although the database there is whole and holds more: it is kept aside");
  CLI::App* erase =
      add("erase-due", "erase the cases whose term has come, as a running broker does by itself; or list them",
          "erase-due --config broker/broker.toml --dry-run");
  erase->add_flag("--dry-run", options.dry_run,
                  "list those announced and due; changes nothing, and runs beside the broker");
  accept_clock(erase);
  CLI::App* statistics =
      add("statistics", "the monthly statistics the log has stated, and when the next are due; changes nothing",
          "statistics --config broker/broker.toml --month 2026-11");
  statistics->add_option("--month", options.month,
                         "show the text of this month, YYYY-MM, UTC; two of it where a shard was closed within");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const auto parsed = app.get_subcommands();
    std::cerr << pli::misused("pli-broker", error.what(), parsed.empty() ? "" : parsed.front()->get_name(),
                              app.remaining(true));
    return pli::broker::exit_usage;
  }
  if (run->parsed()) return pli::broker::run_broker(options);
  if (init->parsed()) return pli::broker::init_broker(options);
  if (rollback->parsed()) return pli::broker::request_rollback(options);
  if (shard->parsed()) return pli::broker::open_next_shard(options);
  if (check->parsed()) return pli::broker::check_broker(options);
  if (backup->parsed()) return pli::broker::back_up(options);
  if (health->parsed()) return pli::broker::print_health(options);
  if (restore->parsed()) return pli::broker::restore(options);
  if (erase->parsed()) return pli::broker::erase_due(options);
  if (statistics->parsed()) return pli::broker::show_statistics(options);
  return pli::broker::exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run_command(argc, argv);
    const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.flush();
    return written ? code : pli::broker::exit_local_error;  // a report nobody can read is none
  } catch (const std::exception& error) {
    std::cerr << "pli-broker: " << error.what() << "\n";
    return pli::broker::exit_local_error;
  }
}
