// pli init: an authority, a broker's keys, a contract and a configuration for a département.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "audit/witness_policy.hpp"
#include "base/file.hpp"
#include "client/authority.hpp"
#include "client/command/contract_file.hpp"
#include "client/command/contract_screen.hpp"
#include "client/command/passphrase.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "crypto/age_open.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::Language;
using protocol::LocalCode;

struct InitOptions {
  fs::path folder;
  std::optional<fs::path> contract_file;
  std::string departement;
  std::string domain = "pli.example";
  std::string endpoint = "tcp://127.0.0.1:7410";
  std::size_t authorities = 3;
  std::size_t threshold = 2;
  std::optional<fs::path> witness_policy;
  int work_factor = crypto::opening::scrypt_work_factor_default;
};

constexpr std::int64_t day_ms = 24LL * 3600 * 1000;

/// Five years from the first of this month: what a contract lasts when nobody says otherwise.
ContractFile default_contract(const InitOptions& options, UnixMillis now) {
  ContractFile file;
  std::int64_t today = now.value / day_ms * day_ms;
  file.contract.id = "csi-" + options.departement;
  file.contract.title = "Contrat de sécurité intégrée, département " + options.departement;
  file.contract.parties = {"Préfecture", "Collectivités signataires"};
  file.contract.territory = options.departement;
  file.contract.starts = {today};
  file.contract.ends = {today + 5 * 365 * day_ms};
  file.contract.engagements = {"accuse_de_reception 1", "premiere_lecture 2", "decision 120", "retour 15",
                               "point_de_situation 182"};
  for (std::size_t i = 0; i < protocol::volet_count; ++i)
    file.contract.volets.push_back(static_cast<protocol::Volet>(i));
  file.log = options.domain + "/pli/" + options.departement;
  file.endpoint = options.endpoint;
  for (const char* kind : {"ged/", "clir/", "cpraf/", "audit/"}) file.queues.push_back(kind + options.departement);
  return file;
}

int run_init(Sitting& sitting, const InitOptions& options) {
  ContractFile file;
  UnixMillis now = sitting.clock().now();
  if (options.contract_file) {
    auto loaded = load_contract_file(*options.contract_file);
    if (!loaded)
      return usage_error(sitting, "the contract cannot be read: " + loaded.error().detail, Language::english);
    file = std::move(*loaded);
  } else {
    file = default_contract(options, now);
  }
  auto known = is_known_territory(file.contract.territory);
  if (!known) return report(sitting, known.error(), Language::english);
  if (!*known)
    return report(sitting, Failure(LocalCode::departement_unknown, file.contract.territory), Language::english);
  for (const std::string& commune : file.contract.communes) {
    auto there = is_known_territory(commune);
    if (!there) return report(sitting, there.error(), Language::english);
    if (!*there) return usage_error(sitting, "INSEE knows no such commune: " + commune, Language::english);
  }
  InitRequest request;
  request.contract = file.contract;
  request.log = file.log;
  request.endpoint = file.endpoint;
  request.threshold = options.threshold;
  request.work_factor = options.work_factor;
  request.queues = file.queues;
  if (options.witness_policy) {
    auto policy = read_file(*options.witness_policy, audit::policy_bytes_max);
    if (!policy)
      return report_file(sitting, *options.witness_policy, policy.error(), LocalCode::usage, Language::english);
    if (auto lines = audit::witness_lines(as_text(*policy)); !lines)
      return usage_error(sitting, "the witness policy cannot be read: " + lines.error().detail, Language::english);
    request.witness_policy = as_text(*policy);
  }
  request.now = now;
  std::string domain = file.log.substr(0, file.log.find("/pli/"));
  for (std::size_t i = 1; i <= options.authorities; ++i) {
    std::string name = domain + "/autorite/" + std::to_string(i);
    std::string prompt = "Passphrase of authority key " + name + ": ";
    auto passphrase = read_new_passphrase(sitting.options().passphrase_file, prompt.c_str());
    if (!passphrase) return report(sitting, passphrase.error(), Language::english);
    request.authorities.push_back({name, std::move(*passphrase)});
  }
  auto made = init_contract(options.folder, std::move(request));
  if (!made) return report(sitting, made.error(), Language::english);
  std::string contract = to_toml(file);
  if (auto written = write_file_durably(options.folder / "contrat.toml", as_bytes(contract), FileMode::owner_only);
      !written)
    return report(sitting, local(LocalCode::local_store, written.error()), Language::english);
  if (sitting.json()) {
    JsonObject()
        .text("authority", made->authority.string())
        .text("broker", made->broker.string())
        .text("contract", (options.folder / "contrat.toml").string())
        .text("log", file.log)
        .text("log_key", to_hex(made->log_key.bytes))
        .text("broker_key", to_hex(made->broker_curve.bytes))
        .print();
    return 0;
  }
  say("Made " + options.folder.string() + ":");
  say("  authority/    keys of the authority (" + std::to_string(options.threshold) + " of " +
      std::to_string(options.authorities) + "), directory. Keep it off the broker's machine.");
  say("  broker/       broker.toml, keys");
  say("  startup/      the start-up secret. Move it off the broker's disk (systemd credential, tmpfs): whoever holds "
      "both can");
  say("                release what the broker keeps.");
  say("  contrat.toml  the contract as it was read");
  if (options.witness_policy)
    say("  witnesses.policy in authority/ (for invitations) and broker/ (with the log's key)");
  say("Next:");
  std::string authority = made->authority.string();
  say("  pli directory enrol CARD --authority " + authority +
      " --id ... --role ... --organisation ...   (each member)");
  say("  pli directory sign --authority " + authority + " --key KEY    (" + std::to_string(options.threshold) +
      " times, one key each; without --key those in the folder sign)");
  say("  pli directory publish --authority " + authority + " --offline");
  if (options.witness_policy)
    say("  pli-witness add-log --folder FOLDER --log-name " + file.log + " --log-key " + to_hex(made->log_key.bytes) +
        "    (at each witness: it then watches every shard of the log)");
  say("  pli-broker init --config " + (made->broker / "broker.toml").string() + " --directory NOTE --bundle FILE");
  return 0;
}

}  // namespace

void add_init(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<InitOptions>();
  auto* verb = app.add_subcommand("init", "Make an authority, a broker's keys and a configuration (operators)");
  verb->footer("Example: pli init yonne --contract contrat.toml --authorities 3 --threshold 2");
  verb->add_option("folder", options->folder, "New folder")->required();
  auto* from_file =
      verb->add_option("--contract", options->contract_file, "Contract file (config/examples/contrat.example.toml)");
  verb->add_option("--departement", options->departement, "Without a contract file: the département, 89, 2a, 971")
      ->excludes(from_file);
  verb->add_option("--dns", options->domain, "Without a contract file: the domain that names the log")
      ->excludes(from_file);
  verb->add_option("--endpoint", options->endpoint, "Without a contract file: where members reach the broker")
      ->excludes(from_file);
  verb->add_option("--authorities", options->authorities, "Authority keys to make")->check(CLI::Range(1, 16));
  verb->add_option("--threshold", options->threshold, "How many of them sign a version")->check(CLI::Range(1, 16));
  verb->add_option("--witness-policy", options->witness_policy,
                   "Who has to cosign the log: the witness, group and quorum lines of a C2SP tlog-policy file");
  verb->add_option("--work-factor", options->work_factor,
                   "scrypt work factor of the authority keys (18; lower only for trials)")
      ->check(CLI::Range(1, 20));
  verb->callback([&sitting, &verdict, options] {
    if (!options->contract_file && options->departement.empty()) {
      verdict.exit_code = usage_error(sitting, "--contract FILE or --departement NUMBER is needed", Language::english);
      return;
    }
    verdict.exit_code = run_init(sitting, *options);
  });
}

}  // namespace pli::client::command
