// pli directory enrol|extend|invitation|revoke|charter|sign|authorities|suspend|rollback|publish|show|history: the
// authority's gestures, offline but for publish. Contract and tools: verb_contract.cpp; séances: verb_seances.cpp.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/file.hpp"
#include "client/authority.hpp"
#include "client/command/contract_screen.hpp"
#include "client/command/passphrase.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/command/tool_options.hpp"
#include "client/upload_part.hpp"
#include "crypto/age_open.hpp"
#include "protocol/contract.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::Language;
using protocol::LocalCode;
using protocol::Role;

constexpr std::int64_t day_ms = 24LL * 3600 * 1000;

int failed(const Sitting& sitting, const Failure& failure) { return report(sitting, failure, Language::english); }
int misused(const Sitting& sitting, std::string_view words) { return usage_error(sitting, words, Language::english); }

struct EnrolOptions {
  fs::path authority;
  fs::path card;
  std::string id, person, organisation, territory, label;
  std::vector<std::string> roles, seats;
  ToolOptions tool;
  std::optional<std::int64_t> days;  ///< 365 for somebody new; a renewal leaves the term alone without it
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
  if (roles.has(Role::membre_cpraf) || roles.has(Role::secretariat)) at("cpraf/");
  if (roles.has(Role::auditeur)) at("audit/");
  if (roles.has(Role::referent) || roles.has(Role::maire) || roles.has(Role::outil))
    out.push_back("org/" + options.organisation);
  return out;
}

constexpr std::int64_t enrolment_days_default = 365;

/// Why the authority cannot enrol somebody there, for that organisation; empty when it can. A référent and a maire send
/// in the name of a party; members of instances and tools may be of whoever the contract does not name.
Outcome<std::string> why_not(const Enrolment& who, const protocol::Contract& contract) {
  auto known = is_known_territory(who.territory);
  if (!known) return known.error();
  if (!*known) return "INSEE knows no such département or commune (2A and 2B are written 2a and 2b): " + who.territory;
  if (!who.roles.has(Role::referent) && !who.roles.has(Role::maire)) return std::string();
  if (!protocol::is_within(contract, who.territory))
    return "the contract does not cover " + who.territory + ": pli directory contract --commune";
  if (!protocol::is_party(contract, who.organisation).value_or(true))
    return who.organisation + " is no party of the contract: pli directory contract --party \"SIREN Name\"";
  return std::string();
}

UnixMillis today(const Sitting& sitting) { return {sitting.clock().now().value / day_ms * day_ms}; }

/// Never shortens a term: that is what revoking is for.
Outcome<void> extend(Authority& authority, std::string_view id, UnixMillis not_after) {
  const protocol::Member* member = authority.directory().member(id);
  if (member == nullptr) return Failure(LocalCode::usage, "no such member");
  if (member->revoked_at) return Failure(LocalCode::usage, "a revoked member is not extended");
  if (not_after <= member->not_after) return Failure(LocalCode::usage, "the enrolment lasts longer already");
  return authority.draft().change_validity(id, member->not_before, not_after);
}

int not_confirmed(const Sitting& sitting, Answer answer) {
  if (answer == Answer::nobody) return failed(sitting, Failure(LocalCode::no_terminal, "--yes once it was checked"));
  return misused(sitting, "not confirmed; nothing was changed");
}

int enrol(Sitting& sitting, const EnrolOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  auto bytes = read_file(options.card, protocol::card_bytes_max);
  if (!bytes) return report_file(sitting, options.card, bytes.error(), LocalCode::usage, Language::english);
  auto card = protocol::parse_card(as_text(*bytes));
  if (!card) return misused(sitting, "this is not a sound card: " + card.error().detail);
  std::string print = protocol::fingerprint(as_text(*bytes));
  if (!options.yes) {
    warn("Card fingerprint: " + print);
    if (Answer answer = confirm("Has its holder read you these digits? [y/N] "); answer != Answer::yes)
      return not_confirmed(sitting, answer);
  }
  std::string member = options.id;
  if (card->renews) {
    const protocol::Member* holder = authority->directory().member_by_sign(*card->renews);
    if (holder == nullptr) return misused(sitting, "no member holds the key this card renews");
    member = holder->id;
    if (auto done = authority->draft().renew(*card); !done) return failed(sitting, done.error());
    if (options.days)
      if (auto done = extend(*authority, member, {today(sitting).value + *options.days * day_ms}); !done)
        return failed(sitting, done.error());
  } else {
    Enrolment who;
    for (const std::string& name : options.roles) {
      auto role = protocol::role_of(name);
      if (!role)
        return misused(sitting,
                       "unknown role; one of referent, maire, secretariat, membre_ged, membre_clir, "
                       "membre_cpraf, parquet, service, auditeur, operateur, outil");
      who.roles.add(*role);
    }
    if (options.id.empty() || who.roles.empty() || options.organisation.empty())
      return misused(sitting, "--id, --role and --organisation are needed for a new member");
    for (const std::string& token : {options.id, options.organisation})
      if (!protocol::is_token(token))
        return misused(sitting, "--id and --organisation take small letters, digits, point, - and _: " + token);
    const protocol::Contract* contract = authority->directory().contract();
    if (contract == nullptr) return misused(sitting, "this directory has no contract");
    const std::string departement = contract->territory;
    const bool tool = who.roles.has(Role::outil);
    if (!tool && options.tool.given()) return misused(sitting, "--volet, --kind and --post are a tool's: --role outil");
    who.id = options.id;
    who.person = options.person.empty() ? options.id : options.person;
    who.organisation = options.organisation;
    who.territory = options.territory.empty() ? departement : options.territory;
    who.seats = options.seats.empty() ? seats_of(options, who.roles, departement) : options.seats;
    who.label = options.label.empty() ? options.id : options.label;
    who.not_before = today(sitting);
    who.not_after = {who.not_before.value + options.days.value_or(enrolment_days_default) * day_ms};
    auto refused = why_not(who, *contract);
    if (!refused) return failed(sitting, refused.error());
    if (!refused->empty()) return misused(sitting, *refused);
    protocol::Member its_member;
    its_member.id = who.id;
    its_member.seats = who.seats;
    const auto registration = tool ? tool_of(options.tool, its_member, *contract) : Result<protocol::Tool>(Error{});
    if (tool && !registration) return misused(sitting, registration.error().detail);
    for (const std::string& seat : who.seats) {
      if (authority->directory().queue(seat) != nullptr) continue;
      bool own = seat.rfind("org/", 0) == 0;
      if (auto added = authority->draft().add_queue(seat, who.territory, own ? who.organisation : ""); !added)
        return failed(sitting, added.error());
    }
    if (auto done = authority->draft().enrol(who, *card); !done) return failed(sitting, done.error());
    if (tool)
      if (auto done = authority->draft().register_tool(*registration); !done) return failed(sitting, done.error());
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
  const protocol::Member* entered = authority->directory().member(member);
  if (entered != nullptr && entered->seats.empty() && !entered->roles.has(Role::operateur))
    warn("He sits in no queue and will be shown nothing: enrol him with --seat.");
  const auto queues = authority->directory().queues();
  if (entered != nullptr && std::none_of(queues.begin(), queues.end(), [&](const protocol::Queue* queue) {
        return queue->kind == protocol::QueueKind::audit && (protocol::covers(queue->territory, entered->territory) ||
                                                             protocol::covers(entered->territory, queue->territory));
      }))
    warn("Nobody of territory " + entered->territory +
         " can use the directory before it names auditors for it: enrol an auditeur with --seat audit/" +
         entered->territory + " --territory " + entered->territory + ".");
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

/// The invitation once more: the same text, and so the same fingerprint, as long as the facts are the same.
int reprint_invitation(Sitting& sitting, const fs::path& folder, const std::string& member) {
  auto authority = Authority::open(folder);
  if (!authority) return failed(sitting, authority.error());
  auto invitation = authority->invitation(member);
  if (!invitation) return failed(sitting, invitation.error());
  std::string text = to_text(*invitation);
  std::string print = protocol::fingerprint(text);
  if (sitting.json()) {
    JsonObject().text("member", member).text("invitation", text).text("invitation_fingerprint", print).print();
    return 0;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  warn("Fingerprint, to be read aloud: " + print);
  return 0;
}

// ---- signing ---------------------------------------------------------------------------------------------------

std::string date_of(std::string_view milliseconds) {
  std::int64_t value = 0;
  auto [end, problem] = std::from_chars(milliseconds.data(), milliseconds.data() + milliseconds.size(), value);
  if (problem != std::errc() || end != milliseconds.data() + milliseconds.size()) return std::string(milliseconds);
  return iso_time({value});
}

/// An attribute as a signer can read it: keys in hexadecimal, times as dates.
std::string attribute_text(const std::pair<std::string, Bytes>& attribute) {
  static constexpr std::array<std::string_view, 5> times = {"not-before", "not-after", "revoked", "starts", "ends"};
  const auto& [name, value] = attribute;
  std::string_view text = as_text(value);
  if (std::find(times.begin(), times.end(), name) != times.end()) return name + " " + date_of(text);
  const bool readable =
      protocol::count_characters(text).has_value() &&
      std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; });
  return name + " " + (readable ? protocol::printable(text) : to_hex(value));
}

bool holds(const std::vector<std::pair<std::string, Bytes>>& attributes, std::string_view name) {
  return std::any_of(attributes.begin(), attributes.end(), [&](const auto& each) { return each.first == name; });
}

std::string_view act_of(const EntryDifference& difference) {
  if (difference.type != protocol::EntryType::member) return difference.added ? "added" : "changed";
  if (difference.added) return "enrolled";
  if (holds(difference.come, "revoked")) return "revoked";
  return holds(difference.come, "former-sign") ? "keys renewed" : "changed";
}

std::string authorities_text(std::size_t threshold, const std::vector<audit::VerifierKey>& keys) {
  std::string out = std::to_string(threshold) + " of " + std::to_string(keys.size());
  for (const audit::VerifierKey& key : keys) out += ", " + key.name + " " + to_hex(key.key.bytes).substr(0, 16);
  return out;
}

void show_review(const Sitting& sitting, const VersionReview& review) {
  const protocol::DirectoryHead& head = review.head;
  const protocol::AuthoritySet after = protocol::authorities_of(head);
  const bool new_authorities = !(after == review.authorities_before);
  if (sitting.json()) {
    for (const EntryDifference& difference : review.differences) {
      std::vector<std::string> gone;
      std::vector<std::string> come;
      for (const auto& attribute : difference.gone) gone.push_back(attribute_text(attribute));
      for (const auto& attribute : difference.come) come.push_back(attribute_text(attribute));
      JsonObject()
          .text("change", act_of(difference))
          .text("type", text_of(difference.type))
          .text("id", difference.id)
          .texts("before", gone)
          .texts("after", come)
          .print();
    }
    if (new_authorities)
      JsonObject()
          .text("change", "authorities")
          .text("after", authorities_text(head.threshold, head.authorities))
          .print();
    return;
  }
  warn("Version " + std::to_string(head.number.value) + " of " + head.contract + ", in force until " +
       iso_time(head.not_after) + (review.previous ? " (before: " + iso_time(review.previous->not_after) + ")" : "") +
       ".");
  warn("Authorities: " + authorities_text(head.threshold, head.authorities) + (new_authorities ? "" : " (unchanged)"));
  if (new_authorities)
    warn("  THEY CHANGE. Before: " +
         authorities_text(review.authorities_before.threshold, review.authorities_before.keys));
  if (review.differences.empty()) warn("No entry changes: this version only renews the term.");
  for (const EntryDifference& difference : review.differences) {
    warn("  " + std::string(text_of(difference.type)) + " " + protocol::printable(difference.id) + ": " +
         std::string(act_of(difference)));
    for (const auto& attribute : difference.gone) warn("    - " + attribute_text(attribute));
    for (const auto& attribute : difference.come) warn("    + " + attribute_text(attribute));
  }
}

struct SignOptions {
  fs::path authority;
  std::optional<fs::path> key;
  std::int64_t days = 30;
  bool yes = false;
};

/// A key of the folder that signs no more, or not yet: the others are asked.
bool is_left_out(const fs::path& key, const Failure& failure) {
  if (failure.detail != not_an_authority) return false;
  warn(key.filename().string() + " is " + failure.detail + ": left out.");
  return true;
}

int sign(Sitting& sitting, const SignOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  auto waiting = authority->pending();
  if (!waiting) return failed(sitting, waiting.error());
  if (!*waiting) {
    UnixMillis now = sitting.clock().now();
    auto prepared = authority->prepare(now, {now.value + options.days * day_ms});
    if (!prepared) return failed(sitting, prepared.error());
  }
  auto review = authority->review();
  if (!review) return failed(sitting, review.error());
  show_review(sitting, *review);
  if (!options.yes)
    if (Answer answer = confirm("Sign this? [y/N] "); answer != Answer::yes) return not_confirmed(sitting, answer);
  std::vector<fs::path> keys = options.key ? std::vector<fs::path>{*options.key} : authority->key_files();
  std::optional<PendingVersion> version;
  for (const fs::path& key : keys) {
    std::string prompt = "Passphrase of " + key.filename().string() + ": ";
    auto passphrase = read_passphrase(sitting.options().passphrase_file, prompt.c_str());
    if (!passphrase) return failed(sitting, passphrase.error());
    auto signed_version = authority->sign(key, *passphrase);
    if (!signed_version && !options.key && is_left_out(key, signed_version.error())) continue;
    if (!signed_version) return failed(sitting, signed_version.error());
    version = std::move(*signed_version);
    if (version->complete()) break;
  }
  if (!version) return misused(sitting, "no authority key in this folder: name one with --key");
  if (sitting.json()) {
    JsonObject()
        .number("number", static_cast<std::int64_t>(version->head.number.value))
        .number("signatures", static_cast<std::int64_t>(version->signed_by.size()))
        .number("threshold", static_cast<std::int64_t>(version->head.threshold))
        .text("not_after", iso_time(version->head.not_after))
        .boolean("complete", version->complete())
        .print();
    return 0;
  }
  say("Version " + std::to_string(version->head.number.value) + ": " + std::to_string(version->signed_by.size()) +
      " of " + std::to_string(version->head.threshold) + " signatures, valid until " +
      paris_minute(version->head.not_after) + " (Paris time).");
  say(version->complete() ? "Complete: pli directory publish" : "Another key holder must sign.");
  return 0;
}

// ---- who signs ---------------------------------------------------------------------------------------------------

struct AuthoritiesOptions {
  fs::path authority;
  std::vector<std::string> make, add, remove;
  std::optional<std::size_t> threshold;
  int work_factor = crypto::opening::scrypt_work_factor_default;
};

void show_authorities(const Sitting& sitting, std::string_view when, const protocol::AuthoritySet& set) {
  std::vector<std::string> keys;
  for (const audit::VerifierKey& key : set.keys) keys.push_back(audit::to_text(key));
  if (sitting.json()) {
    JsonObject()
        .text("authorities", when)
        .number("threshold", static_cast<std::int64_t>(set.threshold))
        .texts("keys", keys)
        .print();
    return;
  }
  say(std::string(when) + ": " + std::to_string(set.threshold) + " of these " + std::to_string(keys.size()));
  for (const std::string& key : keys) say("  " + key);
}

int change_authorities(Sitting& sitting, const AuthoritiesOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  auto in_force = authority->authorities_in_force();
  if (!in_force) return failed(sitting, in_force.error());
  auto next = authority->authorities_next();
  if (!next) return failed(sitting, next.error());
  const bool changes = !options.make.empty() || !options.add.empty() || !options.remove.empty() || options.threshold;
  if (changes) {
    protocol::AuthoritySet wanted = *next;
    for (const std::string& name : options.remove) {
      const auto named = [&](const audit::VerifierKey& key) { return key.name == name; };
      const auto found = std::find_if(wanted.keys.begin(), wanted.keys.end(), named);
      if (found == wanted.keys.end()) return misused(sitting, "no authority of that name: " + name);
      wanted.keys.erase(found);
    }
    for (const std::string& text : options.add) {
      auto key = audit::parse_verifier_key(text);
      if (!key || key->type != audit::KeyType::ed25519)
        return misused(sitting,
                       "--add takes a verifier key, name+id+base64, "
                       "as this command prints them");
      wanted.keys.push_back(std::move(*key));
    }
    for (const std::string& name : options.make) {
      const std::string prompt = "Passphrase of the new authority key " + name + ": ";
      auto passphrase = read_new_passphrase(sitting.options().passphrase_file, prompt.c_str());
      if (!passphrase) return failed(sitting, passphrase.error());
      auto key = authority->make_key({name, std::move(*passphrase)}, options.work_factor);
      if (!key) return failed(sitting, key.error());
      wanted.keys.push_back(std::move(*key));
    }
    wanted.threshold = options.threshold.value_or(wanted.threshold);
    if (auto asked = authority->change_authorities(wanted); !asked) return failed(sitting, asked.error());
    next = std::move(wanted);
  }
  show_authorities(sitting, "in force", *in_force);
  if (*next == *in_force) return 0;
  show_authorities(sitting, "next", *next);
  if (!sitting.json())
    say("In force with the next version, which " + std::to_string(in_force->threshold) + " of the first and " +
        std::to_string(next->threshold) + " of the second have to sign: pli directory sign");
  return 0;
}

// ---- publishing ------------------------------------------------------------------------------------------------

int carry(Sitting& sitting, Session& session, const PublishedVersion& version) {
  auto note = read_file(version.note, audit::note_bytes_max);
  auto bundle = read_file(version.bundle, protocol::directory_bundle_bytes_max);
  if (!note) return failed(sitting, local(LocalCode::local_store, note.error()));
  if (!bundle) return failed(sitting, local(LocalCode::local_store, bundle.error()));
  auto published = publish_directory(session, std::string(as_text(*note)), *bundle);
  if (!published) return failed(sitting, published.error());
  if (sitting.json())
    JsonObject()
        .number("number", static_cast<std::int64_t>(published->number.value))
        .number("leaf", static_cast<std::int64_t>(published->proof.index.value))
        .boolean("already", false)
        .print();
  else
    say("Version " + std::to_string(version.number.value) + " is in force; leaf " +
        std::to_string(published->proof.index.value) + " of the log says so.");
  return 0;
}

struct SuspendOptions {
  fs::path authority;
  std::string member;
  std::optional<fs::path> key;
  bool yes = false;
};

int suspend(Sitting& sitting, const SuspendOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  const std::vector<fs::path> keys = options.key ? std::vector<fs::path>{*options.key} : authority->key_files();
  if (keys.empty()) return misused(sitting, "no authority key in this folder: name one with --key");
  if (!options.yes) {
    warn("One key takes every right of " + options.member + " away for seven days, from when it is carried.");
    if (Answer answer = confirm("Sign this? [y/N] "); answer != Answer::yes) return not_confirmed(sitting, answer);
  }
  std::optional<SignedSuspension> suspended;
  for (const fs::path& key : keys) {
    const std::string prompt = "Passphrase of " + key.filename().string() + ": ";
    auto passphrase = read_passphrase(sitting.options().passphrase_file, prompt.c_str());
    if (!passphrase) return failed(sitting, passphrase.error());
    auto done = authority->suspend(options.member, key, *passphrase, sitting.clock().now());
    if (!done && !options.key && is_left_out(key, done.error())) continue;
    if (!done) return failed(sitting, done.error());
    suspended = *std::move(done);
    break;
  }
  if (!suspended) return misused(sitting, "no key of this folder is an authority's: name one with --key");
  const UnixMillis lapses = suspended->suspension.lapses_at();
  if (sitting.json()) {
    JsonObject()
        .text("member", suspended->suspension.member)
        .text("suspension", suspended->file.string())
        .text("lapses", iso_time(lapses))
        .print();
    return 0;
  }
  say("Signed: " + suspended->file.string() + ", until " + paris_minute(lapses) + " (Paris time).");
  say("In force once carried, by anybody enrolled: pli directory publish --suspension " + suspended->file.string());
  say("It lapses unless a version revokes the member: pli directory revoke " + suspended->suspension.member);
  return 0;
}

struct RollbackOptions {
  fs::path authority;
  fs::path request;
  std::optional<fs::path> key;
  bool yes = false;
};

void show_rollback(const protocol::RollbackRequest& request) {
  const protocol::RollbackOrder& order = request.order;
  const std::uint64_t lost = order.last.size.value - order.restored.size.value;
  warn("The broker's database was put back to an older copy.");
  warn("  " + order.closes + ": " + std::to_string(order.last.size.value) +
       " acts were published, the copy holds the first " + std::to_string(order.restored.size.value) + ".");
  if (request.newest.value != 0)
    warn("  The newest act it holds is of " + paris_minute(request.newest) + ", the request of " +
         paris_minute(order.created) + " (Paris time).");
  warn("  THE LAST " + std::to_string(lost) +
       " PUBLISHED ACTS ARE LOST, and any that followed them: exchanges, readings, "
       "refusals, versions of the directory.");
  warn("Signing gives them up for good: " + order.closes + " ends there and " + order.opens + " begins.");
  warn("Whoever sent what was lost sends it again; every client and auditor is shown this order.");
  warn(
      "Ask first whether a newer copy of the database is to be found. Compare the figures with a member's or an "
      "auditor's: a broker could lie here.");
}

int order_rollback(Sitting& sitting, const RollbackOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  auto request = authority->rollback_request(options.request);
  if (!request) return failed(sitting, request.error());
  if (!sitting.json()) show_rollback(*request);
  if (!options.yes)
    if (Answer answer = confirm("Sign this? [y/N] "); answer != Answer::yes) return not_confirmed(sitting, answer);
  const std::vector<fs::path> keys = options.key ? std::vector<fs::path>{*options.key} : authority->key_files();
  std::optional<SignedOrder> order;
  for (const fs::path& key : keys) {
    const std::string prompt = "Passphrase of " + key.filename().string() + ": ";
    auto passphrase = read_passphrase(sitting.options().passphrase_file, prompt.c_str());
    if (!passphrase) return failed(sitting, passphrase.error());
    auto signed_order =
        authority->order_rollback(order ? order->file : options.request, key, *passphrase, sitting.clock().now());
    if (!signed_order && !options.key && is_left_out(key, signed_order.error())) continue;
    if (!signed_order) return failed(sitting, signed_order.error());
    order = *std::move(signed_order);
    if (order->complete()) break;
  }
  if (!order) return misused(sitting, "no authority key in this folder: name one with --key");
  const std::uint64_t lost = order->order.last.size.value - order->order.restored.size.value;
  if (sitting.json()) {
    JsonObject()
        .text("closes", order->order.closes)
        .text("opens", order->order.opens)
        .number("lost", static_cast<std::int64_t>(lost))
        .number("signatures", static_cast<std::int64_t>(order->signed_by.size()))
        .number("threshold", static_cast<std::int64_t>(order->threshold))
        .boolean("complete", order->complete())
        .text("order", order->file.string())
        .print();
    return 0;
  }
  say("Signed: " + order->file.string() + ", " + std::to_string(order->signed_by.size()) + " of " +
      std::to_string(order->threshold) + " signatures.");
  say(order->complete() ? "Complete: pli-broker run --accept-rollback " + order->file.string()
                        : "Another key holder must sign this file: pli directory rollback " + order->file.string());
  return 0;
}

int carry_suspension(Sitting& sitting, const fs::path& file) {
  auto note = read_file(file, protocol::suspension_bytes_max);
  if (!note) return report_file(sitting, file, note.error(), LocalCode::file_missing, Language::english);
  auto session = sitting.session();
  if (!session) return failed(sitting, session.error());
  auto published = publish_suspension(**session, std::string(as_text(*note)));
  if (!published) return failed(sitting, published.error());
  if (sitting.json())
    JsonObject()
        .boolean("suspended", true)
        .number("leaf", static_cast<std::int64_t>(published->proof.index.value))
        .print();
  else
    say("The suspension is in force; leaf " + std::to_string(published->proof.index.value) + " of the log says so.");
  return 0;
}

int publish_offline(const Sitting& sitting, const PublishedVersion& version) {
  if (sitting.json())
    JsonObject()
        .number("number", static_cast<std::int64_t>(version.number.value))
        .text("note", version.note.string())
        .text("bundle", version.bundle.string())
        .print();
  else
    say("Version " + std::to_string(version.number.value) + " is in " + version.note.string() + " and " +
        version.bundle.string() + ".");
  return 0;
}

int publish(Sitting& sitting, const fs::path& folder, bool offline) {
  auto authority = Authority::open(folder);
  if (!authority) return failed(sitting, authority.error());
  auto waiting = authority->pending();
  if (!waiting) return failed(sitting, waiting.error());
  if (*waiting && (*waiting)->complete())
    if (auto moved = authority->publish(); !moved) return failed(sitting, moved.error());
  const bool unsigned_left = *waiting && !(*waiting)->complete();
  auto versions = authority->history();
  if (!versions) return failed(sitting, versions.error());
  const char* too_few = "not enough authorities have signed the pending version: pli directory sign";
  if (versions->empty())
    return misused(sitting, unsigned_left ? too_few : "nothing to publish: pli directory sign first");
  if (offline) return unsigned_left ? misused(sitting, too_few) : publish_offline(sitting, versions->back());

  auto session = sitting.session();
  if (!session) return failed(sitting, session.error());
  // The broker takes versions one after another: whatever an earlier publish did not bring goes first.
  const audit::DirectoryReference held = (*session)->announced_directory();
  const std::uint64_t number = held.number.value;
  if (number == 0 || number > versions->size())
    return failed(sitting, Failure(LocalCode::directory_unproven,
                                   "the broker holds a later version than this folder: another copy of it was used"));
  if ((*versions)[number - 1].digest != held.digest)
    return failed(sitting, Failure(LocalCode::directory_unproven,
                                   "the broker holds another version under this number than the folder's history"));
  for (std::uint64_t next = number; next < versions->size(); ++next)
    if (int code = carry(sitting, **session, (*versions)[next]); code != 0) return code;
  if (unsigned_left) return misused(sitting, too_few);
  if (number == versions->size()) {
    if (sitting.json())
      JsonObject().number("number", static_cast<std::int64_t>(number)).boolean("already", true).print();
    else
      say("Version " + std::to_string(number) + " is in force already.");
  }
  return 0;
}

/// `directory`: the authority's whole one, or what a member may see of it.
template <class AnyDirectory>
void show_members(const Sitting& sitting, const AnyDirectory& directory, UnixMillis now) {
  const std::vector<const protocol::Member*> members = directory.members();
  if (!sitting.json() && directory.contract() != nullptr) show_contract(sitting, *directory.contract(), now);
  std::vector<ShownTool> tools;
  std::vector<std::vector<std::string>> rows;
  for (const protocol::Member* member : members) {
    std::vector<std::string> roles;
    for (std::size_t i = 0; i < protocol::role_count; ++i)
      if (member->roles.has(static_cast<Role>(i))) roles.emplace_back(protocol::text_of(static_cast<Role>(i)));
    const char* state = member->revoked_at ? "revoked" : member->valid_at(now) ? "valid" : "not valid now";
    const protocol::Tool* tool = directory.tool(member->id);
    if (member->roles.has(Role::outil)) tools.push_back({member, tool});
    if (sitting.json()) {
      JsonObject line;
      if (tool != nullptr) {
        std::vector<std::string> kinds;
        for (const protocol::Kind kind : tool->kinds) kinds.emplace_back(protocol::row_of(kind)->name);
        line.text("volet", text_of(tool->volet)).texts("kinds", kinds).texts("posts", tool->posts);
        line.texts("reads", tool->reads);
      }
      line.text("member", member->id)
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
  if (!sitting.json()) show_tools(tools);
}

int show(Sitting& sitting, const std::optional<fs::path>& folder) {
  UnixMillis now = sitting.clock().now();
  if (folder) {
    auto authority = Authority::open(*folder);
    if (!authority) return failed(sitting, authority.error());
    show_members(sitting, authority->directory(), now);
    return 0;
  }
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  const KnownDirectory& directory = (*session)->directory();
  if (!sitting.json())
    say("Annuaire n° " + std::to_string(directory.number().value) + ", valable jusqu'au " +
        paris_minute(directory.not_after()) + " ; ce que vous pouvez en voir :");
  show_members(sitting, directory, now);
  return 0;
}

/// What this member's client verified, with what proves it: no authority's folder, no connection.
int own_history(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto versions = directory_history(**profile);
  if (!versions) return report(sitting, versions.error());
  std::vector<std::vector<std::string>> rows;
  bool all_proven = true;
  std::uint64_t last = 0;
  for (const HistoricVersion& version : *versions) {
    all_proven = all_proven && version.proven && (version.follows || version.number.value != last + 1);
    if (sitting.json()) {
      JsonObject()
          .number("number", static_cast<std::int64_t>(version.number.value))
          .text("digest", to_hex(version.digest))
          .text("not_after", iso_time(version.not_after))
          .text("verified_at", iso_time(version.verified_at))
          .text("log", version.origin)
          .number("leaf", static_cast<std::int64_t>(version.leaf.value))
          .number("tree_size", static_cast<std::int64_t>(version.size.value))
          .boolean("proven", version.proven)
          .boolean("follows", version.follows)
          .print();
    } else {
      if (last != 0 && version.number.value != last + 1)
        rows.push_back({"…", "versions jamais montrées à ce poste", "", "", "", ""});
      const char* state = !version.proven                                       ? "NON PROUVÉE"
                          : version.follows || version.number.value != last + 1 ? "prouvée"
                                                                                : "NE SUIT PAS";
      rows.push_back({std::to_string(version.number.value), to_hex(version.digest), paris_minute(version.verified_at),
                      version.origin, std::to_string(version.leaf.value), state});
    }
    last = version.number.value;
  }
  print_table({{"n°"}, {"empreinte"}, {"vérifiée le"}, {"journal"}, {"feuille"}, {"preuve"}}, rows);
  if (all_proven) return 0;
  return report(sitting, Failure(LocalCode::directory_unproven, "a version kept in this profile does not verify"));
}

int history(Sitting& sitting, const fs::path& folder) {
  if (folder.empty()) return own_history(sitting);
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
      rows.push_back({std::to_string(version.number.value), to_hex(version.digest), paris_minute(version.not_after),
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
  verb->add_option(
      "--organisation", who->organisation,
      "SIREN or another token of the organisation; needed for a new member. Of a référent or maire: a party's");
  verb->add_option("--role", who->roles, "Role; may be given several times")->allow_extra_args(false);
  verb->add_option("--seat", who->seats,
                   "Queue he sits in (default: by role; a service and a parquet have none: --seat ged/89); may be "
                   "given several times")
      ->allow_extra_args(false);
  verb->add_option("--territory", who->territory,
                   "Département or commune code that INSEE knows (default: the contract's)");
  add_tool_options(*verb, who->tool);
  verb->add_option("--label", who->label, "How colleagues recognise him (default: the id)");
  verb->add_option("--days", who->days, "Days his enrolment is valid from today (365; with a renewal: unchanged)")
      ->check(CLI::Range(1, 1830));
  verb->add_option("--invitation", who->invitation, "Where to write the invitation");
  verb->add_flag("--yes", who->yes, "The card's fingerprint was compared already");
  verb->callback([&sitting, &verdict, who] { verdict.exit_code = enrol(sitting, *who); });

  struct Extension {
    fs::path authority;
    std::string member;
    std::int64_t days = 0;
  };
  auto extended = std::make_shared<Extension>();
  verb = group->add_subcommand("extend", "Let a member's enrolment last longer");
  verb->footer("Example: pli directory extend m.durand --days 365 --authority yonne/authority");
  verb->add_option("member", extended->member, "Member id")->required();
  with_folder(verb, extended->authority);
  verb->add_option("--days", extended->days, "Days it is valid from today")->check(CLI::Range(1, 1830))->required();
  verb->callback([&sitting, &verdict, extended] {
    UnixMillis until{today(sitting).value + extended->days * day_ms};
    verdict.exit_code = edit(
        sitting, extended->authority, [&](Authority& authority) { return extend(authority, extended->member, until); },
        "Extended " + extended->member + " until " + iso_time(until) + ".");
  });

  auto invited = std::make_shared<std::pair<fs::path, std::string>>();
  verb = group->add_subcommand("invitation", "Print a member's invitation again, with its fingerprint");
  verb->footer("Example: pli directory invitation m.durand --authority yonne/authority > invitation.txt");
  verb->add_option("member", invited->second, "Member id")->required();
  with_folder(verb, invited->first);
  verb->callback([&sitting, &verdict, invited] {
    verdict.exit_code = reprint_invitation(sitting, invited->first, invited->second);
  });

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

  add_directory_contract(*group, sitting, verdict);
  add_directory_seances(*group, sitting, verdict);

  auto charter = std::make_shared<std::pair<fs::path, protocol::Charter>>();
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
    auto known = is_known_territory(charter->second.territory);
    if (!known || !*known) {
      verdict.exit_code = known ? misused(sitting, "INSEE knows no such commune: " + charter->second.territory)
                                : failed(sitting, known.error());
      return;
    }
    charter->second.not_before = today(sitting);
    charter->second.not_after = {charter->second.not_before.value + *charter_days * day_ms};
    verdict.exit_code = edit(
        sitting, charter->first, [&](Authority& authority) { return authority.draft().add_charter(charter->second); },
        "Charter entered.");
  });

  auto signing = std::make_shared<SignOptions>();
  verb = group->add_subcommand("sign", "Show what the next version changes and sign it; repeat until enough keys have");
  verb->footer(
      "Example: pli directory sign --authority yonne/authority --key yonne/authority/keys/authority-1.age\n"
      "What is shown is rebuilt from the history and from the entries that will be carried, and compared with the "
      "note.");
  with_folder(verb, signing->authority);
  verb->add_option("--key", signing->key, "Authority key (default: those in the folder, until enough have signed)");
  verb->add_option("--days", signing->days, "Days the version is valid, at most 30")->check(CLI::Range(1, 30));
  verb->add_flag("--yes", signing->yes, "The changes were read before; do not ask");
  verb->callback([&sitting, &verdict, signing] { verdict.exit_code = sign(sitting, *signing); });

  auto signers = std::make_shared<AuthoritiesOptions>();
  verb = group->add_subcommand("authorities", "Show who signs versions, or change it from the next version on");
  verb->footer(
      "Example: pli directory authorities --authority yonne/authority "
      "--make pli.example/autorite/4 "
      "--remove pli.example/autorite/1\n"
      "The version that changes them takes k of the keys before and k "
      "of the keys after.");
  with_folder(verb, signers->authority);
  verb->add_option("--make", signers->make,
                   "Make a key of this name in the folder, and add it; may be "
                   "given several times")
      ->allow_extra_args(false);
  verb->add_option("--add", signers->add, "Add a verifier key made elsewhere; may be given several times")
      ->allow_extra_args(false);
  verb->add_option("--remove", signers->remove, "Name of a key that no longer signs; may be given several times")
      ->allow_extra_args(false);
  verb->add_option("--threshold", signers->threshold, "How many of them sign a version")
      ->check(CLI::Range(std::size_t{1}, protocol::authorities_max));
  verb->add_option("--work-factor", signers->work_factor, "scrypt work factor of keys made (18; lower only for trials)")
      ->check(CLI::Range(1, 20));
  verb->callback([&sitting, &verdict, signers] { verdict.exit_code = change_authorities(sitting, *signers); });

  auto suspending = std::make_shared<SuspendOptions>();
  verb = group->add_subcommand("suspend", "Take a member's rights away at once, for seven days at most, with one key");
  verb->footer(
      "Example: pli directory suspend m.durand --authority yonne/authority\n"
      "Then, from any profile: pli directory publish --suspension yonne/authority/suspensions/000003-m.durand.note");
  verb->add_option("member", suspending->member, "Member id")->required();
  with_folder(verb, suspending->authority);
  verb->add_option("--key", suspending->key, "Authority key file (default: the first of the folder)");
  verb->add_flag("--yes", suspending->yes, "Do not ask");
  verb->callback([&sitting, &verdict, suspending] { verdict.exit_code = suspend(sitting, *suspending); });

  auto rolling_back = std::make_shared<RollbackOptions>();
  verb = group->add_subcommand("rollback", "Order the broker to go on from an older copy of its database");
  verb->footer(
      "Example: pli directory rollback request.txt --authority yonne/authority\n"
      "The request is what `pli-broker rollback-request` prints; the next key holder signs the note this one wrote.");
  verb->add_option("request", rolling_back->request, "The broker's request, or the order others have signed")
      ->required();
  with_folder(verb, rolling_back->authority);
  verb->add_option("--key", rolling_back->key,
                   "Authority key file (default: those in the folder, until enough have signed)");
  verb->add_flag("--yes", rolling_back->yes, "The loss was read before; do not ask");
  verb->callback([&sitting, &verdict, rolling_back] { verdict.exit_code = order_rollback(sitting, *rolling_back); });

  auto publishing = std::make_shared<std::pair<fs::path, bool>>();
  auto carried = std::make_shared<std::optional<fs::path>>();
  verb = group->add_subcommand("publish",
                               "Carry the signed versions the broker lacks to it, in order (an operator's profile)");
  verb->footer("Example: pli --home operateur directory publish --authority yonne/authority");
  auto* folder = verb->add_option("--authority", publishing->first, "The authority's folder");
  verb->add_flag("--offline", publishing->second, "Only say which files hold the newest")->needs(folder);
  verb->add_option("--suspension", *carried, "Carry this suspension instead")->excludes(folder);
  verb->callback([&sitting, &verdict, publishing, carried] {
    if (*carried)
      verdict.exit_code = carry_suspension(sitting, **carried);
    else if (publishing->first.empty())
      verdict.exit_code = misused(sitting, "--authority FOLDER or --suspension FILE is needed");
    else
      verdict.exit_code = publish(sitting, publishing->first, publishing->second);
  });

  auto shown = std::make_shared<std::optional<fs::path>>();
  verb = group->add_subcommand("show", "Show members: the authority's draft, or what your profile may see");
  verb->footer("Example: pli directory show --authority yonne/authority");
  verb->add_option("--authority", *shown, "The authority's folder");
  verb->callback([&sitting, &verdict, shown] { verdict.exit_code = show(sitting, *shown); });

  auto past = std::make_shared<fs::path>();
  verb = group->add_subcommand("history", "Versions published, oldest first");
  verb->footer(
      "With an authority's folder, what was published from it; without, what this profile verified, each with its "
      "proof.\nExample: pli directory history --authority yonne/authority");
  verb->add_option("--authority", *past, "The authority's folder");
  verb->callback([&sitting, &verdict, past] { verdict.exit_code = history(sitting, *past); });
}

}  // namespace pli::client::command
