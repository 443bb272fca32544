// pli-witness: its command line. What it does is in witness_programs.cpp.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>

#include "base/command_line.hpp"
#include "base/version.hpp"
#include "witness/witness_programs.hpp"

namespace {

constexpr const char* footer =
    R"(Exit codes: 0 done, 2 usage, 4 verification failed (do not restart unlooked), 5 local error.

Example, of a witness for one log of Pli's, all its years:
  pli-witness init --folder w1 --name witness.example/w1
  pli-witness add-log --folder w1 --log-name broker.example/pli/89 --log-key <64 hex digits>
  pli-witness run --folder w1 --listen 127.0.0.1:8089
  pli-witness show --folder w1 --json)";

int run_command(int argc, char** argv) {
  CLI::App app{"A witness of transparency logs: cosigns what only grows (C2SP tlog-witness).", "pli-witness"};
  app.footer(footer);
  app.set_version_flag("--version", pli::version_line("pli-witness"), "the program's version");
  app.require_subcommand(1);
  pli::witness::ProgramOptions options;
  const auto add = [&](const char* name, const char* description, const char* example) {
    CLI::App* command = app.add_subcommand(name, description);
    command->footer(std::string("Example:\n  pli-witness ") + example);
    command->add_option("--folder", options.folder, "the witness's folder")->required();
    command->add_flag("--json", options.json, "JSON instead of text");
    return command;
  };
  CLI::App* init = add("init", "make a witness, once: its key and an empty state; prints the vkey others trust it by",
                       "init --folder w1 --name witness.example/w1");
  init->add_option("--name", options.name, "its name, as a URL without scheme")->required();
  CLI::App* add_log =
      add("add-log", "watch one log more; a running witness reads the list on SIGHUP, and at its next start",
          "add-log --folder w1 --vkey broker.example/pli/89/2026-1+1f2e3d4c+AX…\n"
          "  pli-witness add-log --folder w1 --log-name broker.example/pli/89 --log-key <64 hex digits>");
  CLI::Option* vkey = add_log->add_option("--vkey", options.vkey,
                                          "the vkey of a log with one origin; of a log of Pli's, one shard only");
  CLI::Option* log_name = add_log->add_option("--log-name", options.log_name,
                                              "a log of Pli's, without a shard: every shard <log name>/<year>-<n>");
  CLI::Option* log_key = add_log->add_option("--log-key", options.log_key,
                                             "its Ed25519 key, in hexadecimal, or the vkey of it or of one shard");
  log_name->needs(log_key)->excludes(vkey);
  log_key->needs(log_name);
  CLI::App* run =
      add("run", "serve until SIGTERM; one line says when it is ready, and where; SIGHUP: read the list of logs again",
          "run --folder w1 --listen 127.0.0.1:8089 --prefix /witness");
  run->add_option("--listen", options.listen, "numeric address:port; port 0 takes a free one")
      ->capture_default_str()
      ->default_val("127.0.0.1:8089");
  run->add_option("--prefix", options.prefix, "path before /add-checkpoint and /<hex>/checkpoint; none by default");
  CLI::App* show = add("show", "vkey, what was cosigned last of each origin, evidence of logs that signed two trees",
                       "show --folder w1 --json");
  try {
    app.parse(argc, argv);
    if (add_log->parsed() && options.vkey.empty() && options.log_name.empty())
      throw CLI::RequiredError("--vkey, or --log-name and --log-key");
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const auto parsed = app.get_subcommands();
    std::cerr << pli::misused("pli-witness", error.what(), parsed.empty() ? "" : parsed.front()->get_name(),
                              app.remaining(true));
    return pli::witness::exit_usage;
  }
  if (init->parsed()) return pli::witness::init_witness(options);
  if (add_log->parsed()) return pli::witness::add_log(options);
  if (run->parsed()) return pli::witness::run_witness(options);
  if (show->parsed()) return pli::witness::show_witness(options);
  return pli::witness::exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run_command(argc, argv);
    const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.flush();
    return written ? code : pli::witness::exit_local_error;  // a report nobody can read is none
  } catch (const std::exception& error) {
    std::cerr << "pli-witness: " << error.what() << "\n";
    return pli::witness::exit_local_error;
  }
}
