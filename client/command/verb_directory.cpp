// pli directory enrol|revoke|charter|sign|publish|show|history: the authority's gestures, offline but for publish.
#include <CLI/CLI.hpp>

#include <unistd.h>
#include <algorithm>

#include "base/file.hpp"
#include "client/authority.hpp"
#include "client/command/passphrase.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/upload_part.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::Language;
using protocol::LocalCode;
using protocol::Role;

constexpr std::int64_t day_ms = 24LL * 3600 * 1000;

int failed(const Sitting& sitting, const Failure& failure) { return report(sitting, failure, Language::english); }

struct EnrolOptions {
  fs::path authority;
  fs::path card;
  std::string id, person, organisation, territory, label;
  std::vector<std::string> roles, seats;
  std::int64_t days = 365;
  std::optional<fs::path> invitation;
  bool yes = false;
};

/// Where a role sits when nobody says otherwise.
std::vector<std::string> seats_of(const EnrolOptions& options, const protocol::Roles& roles,
                                  std::string_view departement) {
  std::vector<std::string> out;
  auto at = [&](const char* kind) { out.push_back(kind + std::string(departement)); };
  if (roles.has(Role::membre_ged) || roles.has(Role::secretariat)) at("ged/");
  if (roles.has(Role::membre_clir) || roles.has(Role::secretariat)) at("clir/");
  if (roles.has(Role::membre_cpraf)) at("cpraf/");
  if (roles.has(Role::auditeur)) at("audit/");
  if (roles.has(Role::referent) || roles.has(Role::maire) || roles.has(Role::outil))
    out.push_back("org/" + options.organisation);
  return out;
}

bool confirm(const char* question) {
  if (::isatty(STDIN_FILENO) != 1) return false;
  std::fputs(question, stderr);
  char answer[16] = {};
  return std::fgets(answer, sizeof answer, stdin) != nullptr && (answer[0] == 'y' || answer[0] == 'Y');
}

int enrol(Sitting& sitting, const EnrolOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  auto bytes = read_file(options.card, protocol::card_bytes_max);
  if (!bytes) return usage_error(sitting, "the card cannot be read: " + bytes.error().detail);
  auto card = protocol::parse_card(as_text(*bytes));
  if (!card) return usage_error(sitting, "this is not a sound card: " + card.error().detail);
  std::string print = protocol::fingerprint(as_text(*bytes));
  if (!options.yes) {
    warn("Card fingerprint: " + print);
    if (!confirm("Has its holder read you these digits? [y/N] "))
      return usage_error(sitting, "not confirmed; nothing was changed (--yes when the digits were compared before)");
  }
  std::string member = options.id;
  if (card->renews) {
    const protocol::Member* holder = authority->directory().member_by_sign(*card->renews);
    if (holder == nullptr) return usage_error(sitting, "no member holds the key this card renews");
    member = holder->id;
    if (auto done = authority->draft().renew(*card); !done) return failed(sitting, done.error());
  } else {
    Enrolment who;
    for (const std::string& name : options.roles) {
      auto role = protocol::role_of(name);
      if (!role)
        return usage_error(sitting,
                           "unknown role; one of referent, maire, secretariat, membre_ged, membre_clir, "
                           "membre_cpraf, parquet, service, auditeur, operateur, outil");
      who.roles.add(*role);
    }
    if (options.id.empty() || who.roles.empty())
      return usage_error(sitting, "--id and --role are needed for a new member");
    std::string departement =
        authority->directory().contract() != nullptr ? authority->directory().contract()->territory : "";
    who.id = options.id;
    who.person = options.person.empty() ? options.id : options.person;
    who.organisation = options.organisation;
    who.territory = options.territory.empty() ? departement : options.territory;
    who.seats = options.seats.empty() ? seats_of(options, who.roles, departement) : options.seats;
    who.label = options.label;
    who.not_before = {sitting.clock().now().value / day_ms * day_ms};
    who.not_after = {who.not_before.value + options.days * day_ms};
    for (const std::string& seat : who.seats) {
      if (authority->directory().queue(seat) != nullptr) continue;
      bool own = seat.rfind("org/", 0) == 0;
      if (auto added = authority->draft().add_queue(seat, who.territory, own ? who.organisation : ""); !added)
        return failed(sitting, added.error());
    }
    if (auto done = authority->draft().enrol(who, *card); !done) return failed(sitting, done.error());
  }
  if (auto saved = authority->save(); !saved) return failed(sitting, saved.error());
  auto invitation = authority->invitation(member);
  if (!invitation) return failed(sitting, invitation.error());
  std::string text = to_text(*invitation);
  fs::path path = options.invitation.value_or(options.authority / "invitations" / (member + ".txt"));
  if (!options.invitation)
    if (auto made = create_private_folder(path.parent_path()); !made)
      return failed(sitting, local(LocalCode::local_store, made.error()));
  if (auto written = write_file_durably(path, as_bytes(text), FileMode::world_readable); !written)
    return failed(sitting, local(LocalCode::local_store, written.error()));
  if (sitting.json()) {
    JsonObject()
        .text("member", member)
        .text("card_fingerprint", print)
        .text("invitation", path.string())
        .text("invitation_fingerprint", protocol::fingerprint(text))
        .print();
    return 0;
  }
  say((card->renews ? "Renewed " : "Enrolled ") + member + ".");
  say("Invitation: " + path.string() + ", fingerprint " + protocol::fingerprint(text) + " (to be read aloud)");
  say("In force once signed and published: pli directory sign, then pli directory publish");
  return 0;
}

int edit(Sitting& sitting, const fs::path& folder, const std::function<Outcome<void>(Authority&)>& change,
         const std::string& done) {
  auto authority = Authority::open(folder);
  if (!authority) return failed(sitting, authority.error());
  if (auto changed = change(*authority); !changed) return failed(sitting, changed.error());
  if (auto saved = authority->save(); !saved) return failed(sitting, saved.error());
  if (sitting.json())
    JsonObject().boolean("done", true).print();
  else
    say(done + " In force once signed and published.");
  return 0;
}

int sign(Sitting& sitting, const fs::path& folder, const std::optional<fs::path>& key_file, std::int64_t days) {
  auto authority = Authority::open(folder);
  if (!authority) return failed(sitting, authority.error());
  auto waiting = authority->pending();
  if (!waiting) return failed(sitting, waiting.error());
  if (!*waiting) {
    UnixMillis now = sitting.clock().now();
    auto prepared = authority->prepare(now, {now.value + days * day_ms});
    if (!prepared) return failed(sitting, prepared.error());
  }
  std::vector<fs::path> keys = key_file ? std::vector<fs::path>{*key_file} : authority->key_files();
  std::optional<PendingVersion> version;
  for (const fs::path& key : keys) {
    std::string prompt = "Passphrase of " + key.filename().string() + ": ";
    auto passphrase = read_passphrase(sitting.options().passphrase_file, prompt.c_str());
    if (!passphrase) return failed(sitting, passphrase.error());
    auto signed_version = authority->sign(key, *passphrase);
    if (!signed_version) return failed(sitting, signed_version.error());
    version = std::move(*signed_version);
    if (version->complete()) break;
  }
  if (!version) return usage_error(sitting, "no authority key in this folder: name one with --key");
  if (sitting.json()) {
    JsonObject()
        .number("number", static_cast<std::int64_t>(version->head.number.value))
        .number("signatures", static_cast<std::int64_t>(version->signed_by.size()))
        .number("threshold", static_cast<std::int64_t>(version->head.threshold))
        .boolean("complete", version->complete())
        .print();
    return 0;
  }
  say("Version " + std::to_string(version->head.number.value) + ": " + std::to_string(version->signed_by.size()) +
      " of " + std::to_string(version->head.threshold) + " signatures, valid until " +
      local_time(version->head.not_after) + ".");
  say(version->complete() ? "Complete: pli directory publish" : "Another key holder must sign.");
  return 0;
}

int publish(Sitting& sitting, const fs::path& folder, bool offline) {
  auto authority = Authority::open(folder);
  if (!authority) return failed(sitting, authority.error());
  auto waiting = authority->pending();
  if (!waiting) return failed(sitting, waiting.error());
  std::optional<PublishedVersion> version;
  if (*waiting) {
    auto moved = authority->publish();
    if (!moved) return failed(sitting, moved.error());
    version = std::move(*moved);
  } else {  // an earlier publish that did not reach the broker is carried again
    auto versions = authority->history();
    if (!versions) return failed(sitting, versions.error());
    if (versions->empty()) return usage_error(sitting, "nothing to publish: pli directory sign first");
    version = versions->back();
  }
  std::string number = std::to_string(version->number.value);
  if (offline) {
    if (sitting.json())
      JsonObject()
          .number("number", static_cast<std::int64_t>(version->number.value))
          .text("note", version->note.string())
          .text("bundle", version->bundle.string())
          .print();
    else
      say("Version " + number + " is in " + version->note.string() + " and " + version->bundle.string() + ".");
    return 0;
  }
  auto note = read_file(version->note, audit::note_bytes_max);
  auto bundle = read_file(version->bundle, protocol::directory_bundle_bytes_max);
  if (!note) return failed(sitting, local(LocalCode::local_store, note.error()));
  if (!bundle) return failed(sitting, local(LocalCode::local_store, bundle.error()));
  auto session = sitting.session();
  if (!session) return failed(sitting, session.error());
  auto published = publish_directory(**session, std::string(as_text(*note)), *bundle);
  if (!published) return failed(sitting, published.error());
  if (sitting.json())
    JsonObject()
        .number("number", static_cast<std::int64_t>(published->number.value))
        .number("leaf", static_cast<std::int64_t>(published->proof.index.value))
        .print();
  else
    say("Version " + number + " is in force; leaf " + std::to_string(published->proof.index.value) +
        " of the log says so.");
  return 0;
}

void show_members(const Sitting& sitting, const std::vector<const protocol::Member*>& members, UnixMillis now) {
  std::vector<std::vector<std::string>> rows;
  for (const protocol::Member* member : members) {
    std::vector<std::string> roles;
    for (std::size_t i = 0; i < protocol::role_count; ++i)
      if (member->roles.has(static_cast<Role>(i))) roles.emplace_back(protocol::text_of(static_cast<Role>(i)));
    const char* state = member->revoked_at ? "revoked" : member->valid_at(now) ? "valid" : "not valid now";
    if (sitting.json()) {
      JsonObject()
          .text("member", member->id)
          .texts("roles", roles)
          .text("organisation", member->organisation)
          .text("territory", member->territory)
          .texts("seats", member->seats)
          .text("label", member->label)
          .text("not_after", iso_time(member->not_after))
          .text("state", state)
          .print();
      continue;
    }
    std::string joined;
    for (const std::string& role : roles) joined += (joined.empty() ? "" : ",") + role;
    std::string seats;
    for (const std::string& seat : member->seats) seats += (seats.empty() ? "" : " ") + seat;
    rows.push_back({member->id, joined, member->organisation, member->territory, seats, state,
                    protocol::printable(member->label)});
  }
  print_table({{"member"}, {"roles"}, {"organisation"}, {"territory"}, {"seats"}, {"state"}, {"label"}}, rows);
}

int show(Sitting& sitting, const std::optional<fs::path>& folder) {
  UnixMillis now = sitting.clock().now();
  if (folder) {
    auto authority = Authority::open(*folder);
    if (!authority) return failed(sitting, authority.error());
    show_members(sitting, authority->directory().members(), now);
    return 0;
  }
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  const KnownDirectory& directory = (*session)->directory();
  if (!sitting.json())
    say("Annuaire n° " + std::to_string(directory.number().value) + ", valable jusqu'au " +
        local_time(directory.not_after()) + " ; ce que vous pouvez en voir :");
  show_members(sitting, directory.members(), now);
  return 0;
}

int history(Sitting& sitting, const fs::path& folder) {
  auto authority = Authority::open(folder);
  if (!authority) return failed(sitting, authority.error());
  auto versions = authority->history();
  if (!versions) return failed(sitting, versions.error());
  std::vector<std::vector<std::string>> rows;
  for (const PublishedVersion& version : *versions) {
    if (sitting.json())
      JsonObject()
          .number("number", static_cast<std::int64_t>(version.number.value))
          .text("digest", to_hex(version.digest))
          .text("not_after", iso_time(version.not_after))
          .number("entries", static_cast<std::int64_t>(version.entries))
          .text("note", version.note.string())
          .print();
    else
      rows.push_back({std::to_string(version.number.value), to_hex(version.digest), local_time(version.not_after),
                      std::to_string(version.entries)});
  }
  print_table({{"number"}, {"digest"}, {"valid until"}, {"entries"}}, rows);
  return 0;
}

}  // namespace

void add_directory(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("directory", "The directory (annuaire): enrol, revoke, sign, publish (authorities)");
  group->require_subcommand(1);
  group->footer(
      "Example: pli directory enrol card.txt --authority yonne/authority --id m.durand --role referent "
      "--organisation 218900249 --territory 89024");
  auto with_folder = [](CLI::App* verb, fs::path& folder) {
    verb->add_option("--authority", folder, "The authority's folder")->required();
  };

  auto who = std::make_shared<EnrolOptions>();
  auto* verb = group->add_subcommand("enrol", "Enrol the holder of a card, or renew his keys");
  verb->footer(
      "Example: pli directory enrol card.txt --authority yonne/authority --id m.durand --role referent "
      "--organisation 218900249 --territory 89024 --label \"M. Durand, référent, Auxerre\"");
  verb->add_option("card", who->card, "Card file")->required();
  with_folder(verb, who->authority);
  verb->add_option("--id", who->id, "Member id: small letters, digits, dots, dashes");
  verb->add_option("--person", who->person, "Natural person behind it, one id for one person (default: the member id)");
  verb->add_option("--organisation", who->organisation, "SIREN or another token of the organisation");
  verb->add_option("--role", who->roles, "Role; may be given several times")->allow_extra_args(false);
  verb->add_option("--seat", who->seats, "Queue he sits in (default: by role); may be given several times")
      ->allow_extra_args(false);
  verb->add_option("--territory", who->territory, "Département or INSEE commune code (default: the contract's)");
  verb->add_option("--label", who->label, "How colleagues recognise him");
  verb->add_option("--days", who->days, "Days his enrolment is valid")->check(CLI::Range(1, 1830));
  verb->add_option("--invitation", who->invitation, "Where to write the invitation");
  verb->add_flag("--yes", who->yes, "The card's fingerprint was compared already");
  verb->callback([&sitting, &verdict, who] { verdict.exit_code = enrol(sitting, *who); });

  auto revoked = std::make_shared<std::pair<fs::path, std::string>>();
  verb = group->add_subcommand("revoke", "Take a member's rights away, for ever");
  verb->footer("Example: pli directory revoke m.durand --authority yonne/authority");
  verb->add_option("member", revoked->second, "Member id")->required();
  with_folder(verb, revoked->first);
  verb->callback([&sitting, &verdict, revoked] {
    verdict.exit_code = edit(
        sitting, revoked->first,
        [&](Authority& authority) { return authority.draft().revoke(revoked->second, sitting.clock().now()); },
        "Revoked " + revoked->second + ".");
  });

  auto charter = std::make_shared<std::pair<fs::path, Charter>>();
  auto charter_days = std::make_shared<std::int64_t>(365);
  verb = group->add_subcommand("charter", "Enter a charter signed by préfet, maire and procureur");
  verb->footer(
      "Example: pli directory charter charte-auxerre --authority yonne/authority --territory 89024 "
      "--party prefecture --party maire-auxerre --party parquet");
  verb->add_option("id", charter->second.id, "Charter id")->required();
  with_folder(verb, charter->first);
  verb->add_option("--territory", charter->second.territory, "INSEE commune code")->required();
  verb->add_option("--party", charter->second.parties, "Signatory; at least three")
      ->allow_extra_args(false)
      ->required();
  verb->add_option("--days", *charter_days, "Days it is in force")->check(CLI::Range(1, 1830));
  verb->callback([&sitting, &verdict, charter, charter_days] {
    charter->second.not_before = {sitting.clock().now().value / day_ms * day_ms};
    charter->second.not_after = {charter->second.not_before.value + *charter_days * day_ms};
    verdict.exit_code = edit(
        sitting, charter->first, [&](Authority& authority) { return authority.draft().add_charter(charter->second); },
        "Charter entered.");
  });

  auto signing = std::make_shared<std::pair<fs::path, std::optional<fs::path>>>();
  auto days = std::make_shared<std::int64_t>(30);
  verb = group->add_subcommand("sign", "Sign the next version; repeat with other keys until enough have");
  verb->footer("Example: pli directory sign --authority yonne/authority --key yonne/authority/keys/1.age");
  with_folder(verb, signing->first);
  verb->add_option("--key", signing->second, "Authority key (default: those in the folder, until enough have signed)");
  verb->add_option("--days", *days, "Days the version is valid, at most 30")->check(CLI::Range(1, 30));
  verb->callback([&sitting, &verdict, signing, days] {
    verdict.exit_code = sign(sitting, signing->first, signing->second, *days);
  });

  auto publishing = std::make_shared<std::pair<fs::path, bool>>();
  verb = group->add_subcommand("publish", "Carry the signed version to the broker (an operator's profile)");
  verb->footer("Example: pli --home operateur directory publish --authority yonne/authority");
  with_folder(verb, publishing->first);
  verb->add_flag("--offline", publishing->second, "Only say which files to carry");
  verb->callback([&sitting, &verdict, publishing] {
    verdict.exit_code = publish(sitting, publishing->first, publishing->second);
  });

  auto shown = std::make_shared<std::optional<fs::path>>();
  verb = group->add_subcommand("show", "Show members: the authority's draft, or what your profile may see");
  verb->footer("Example: pli directory show --authority yonne/authority");
  verb->add_option("--authority", *shown, "The authority's folder");
  verb->callback([&sitting, &verdict, shown] { verdict.exit_code = show(sitting, *shown); });

  auto past = std::make_shared<fs::path>();
  verb = group->add_subcommand("history", "Versions published, oldest first");
  verb->footer("Example: pli directory history --authority yonne/authority");
  with_folder(verb, *past);
  verb->callback([&sitting, &verdict, past] { verdict.exit_code = history(sitting, *past); });
}

}  // namespace pli::client::command
