#include "client/authority.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <system_error>

#include "audit/witness_policy.hpp"
#include "base/file.hpp"
#include "crypto/age_open.hpp"
#include "crypto/boxed_key.hpp"
#include "crypto/identity.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

constexpr std::size_t key_file_bytes_max = 64 * 1024;
constexpr std::size_t entries_bytes_max = std::size_t{256} << 20;
constexpr std::size_t seed_bytes = 32;
constexpr std::string_view key_file_first_line = "# pli authority key, format 1";

Failure usage(std::string words) { return {LocalCode::usage, std::move(words)}; }
Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

// ---- files -----------------------------------------------------------------------------------------------------

Outcome<void> write(const std::filesystem::path& path, ByteView bytes, FileMode mode = FileMode::owner_only) {
  if (auto written = write_file_durably(path, bytes, mode); !written) return store_failure(written.error());
  return {};
}

Outcome<std::optional<Bytes>> read_if_there(const std::filesystem::path& path, std::size_t bytes_max) {
  auto bytes = read_file(path, bytes_max);
  if (bytes) return std::optional<Bytes>(std::move(*bytes));
  if (bytes.error().code == Errc::not_found) return std::optional<Bytes>();
  return store_failure(bytes.error());
}

std::string version_stem(DirectoryNumber number) {
  char text[32];
  std::snprintf(text, sizeof text, "%06llu", static_cast<unsigned long long>(number.value));
  return text;
}

bool is_free(const std::filesystem::path& folder) {
  std::error_code failed;
  return !std::filesystem::exists(folder, failed) || (std::filesystem::is_empty(folder, failed) && !failed);
}

// ---- authority key files ---------------------------------------------------------------------------------------

crypto::Source source_of(ByteView bytes) {
  return [rest = bytes](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    const std::size_t size = std::min(out.size(), rest.size());
    std::copy_n(rest.begin(), size, out.begin());
    rest = rest.subspan(size);
    return size;
  };
}

/// "# pli authority key, format 1" LF "name " name LF "seed " hex LF, in an age file under a passphrase.
Outcome<Bytes> write_key_file(const std::string& name, const crypto::SigningKey& key,
                              const crypto::SecretKey& passphrase, int work_factor) {
  std::string hex = to_hex(key.secret().expose().first(seed_bytes));
  Bytes text;
  text.reserve(key_file_bytes_max);  // grown in place: no copy of the seed is left behind
  append(text, key_file_first_line);
  append(text, "\nname ");
  append(text, name);
  append(text, "\nseed ");
  append(text, hex);
  append(text, "\n");
  Bytes out;
  auto sealed = crypto::opening::seal_file_with_passphrase(
      source_of(text),
      [&](ByteView bytes) -> Result<void> {
        append(out, bytes);
        return {};
      },
      passphrase, work_factor, false);
  crypto::wipe(text);
  crypto::wipe({reinterpret_cast<std::uint8_t*>(hex.data()), hex.size()});
  if (!sealed) return local(LocalCode::usage, sealed.error());
  return out;
}

struct AuthorityKey {
  std::string name;
  crypto::SigningKey key;
};

Outcome<AuthorityKey> read_key_file(ByteView file, const crypto::SecretKey& passphrase) {
  auto clear = crypto::opening::open_bytes(file, {{}, &passphrase});
  if (!clear) return Failure(LocalCode::wrong_passphrase, "the key file does not open");
  const auto parse = [&]() -> Outcome<AuthorityKey> {
    std::string_view rest = as_text(*clear);
    const auto take = [&](std::string_view prefix) -> std::optional<std::string_view> {
      const std::size_t end = rest.find('\n');
      if (end == std::string_view::npos || rest.substr(0, prefix.size()) != prefix) return std::nullopt;
      const std::string_view value = rest.substr(prefix.size(), end - prefix.size());
      rest.remove_prefix(end + 1);
      return value;
    };
    const auto first = take(key_file_first_line);
    const auto name = take("name ");
    const auto seed_hex = take("seed ");
    if (!first || !first->empty() || !name || !seed_hex || !rest.empty() || !audit::is_key_name(*name))
      return usage("not an authority key");
    auto seed = from_hex(*seed_hex);
    if (!seed || seed->size() != seed_bytes) return usage("not an authority key");
    AuthorityKey out{std::string(*name), crypto::SigningKey::from_seed(*seed)};
    crypto::wipe(*seed);
    return out;
  };
  auto parsed = parse();
  crypto::wipe(*clear);
  return parsed;
}

// ---- contract facts --------------------------------------------------------------------------------------------

constexpr std::string_view facts_member = "x";  // stands where an invitation names its member

protocol::Invitation as_invitation(const ContractFacts& facts, std::string member, DirectoryNumber number) {
  protocol::Invitation invitation;
  invitation.contract = facts.contract;
  invitation.member = std::move(member);
  invitation.log = facts.log;
  invitation.log_key = facts.log_key;
  invitation.endpoint = facts.endpoint;
  invitation.broker = facts.broker;
  invitation.authorities = facts.authorities;
  invitation.directory = number;
  invitation.witnesses = facts.witnesses;
  return invitation;
}

constexpr std::string_view witness_file = "witnesses.policy";
constexpr std::string_view next_file = "authorities.next";

/// What an invitation says of a policy, held to an invitation of the longest member's. Errors: usage.
Outcome<std::string> witnesses_of(const ContractFacts& facts, std::string_view policy) {
  if (policy.empty()) return std::string();
  auto lines = audit::witness_lines(policy);
  if (!lines) return local(LocalCode::usage, lines.error());
  ContractFacts with = facts;
  with.witnesses = *lines;
  const DirectoryNumber last{std::numeric_limits<std::int64_t>::max()};
  protocol::Invitation longest = as_invitation(with, std::string(64, 'x'), last);
  longest.sign = facts.log_key;  // any key: only its length counts
  if (auto read = protocol::parse_invitation(protocol::to_text(longest)); !read)
    return read.error().code == Errc::over_limit ? usage("the witness policy is too long for an invitation")
                                                 : usage("an invitation cannot carry this witness policy");
  return std::move(*lines);
}

/// The shard a broker begins with.
std::string first_shard(UnixMillis now) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(now.value))));
  return std::to_string(static_cast<int>(date.year())) + "-1";
}

/// The port after the broker's, for its page on this machine; empty where there is none to be told.
std::string health_listen_for(const std::string& endpoint) {
  const std::string digits = endpoint.substr(endpoint.rfind(':') + 1);
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (problem != std::errc() || end != digits.data() + digits.size() || port == 0 || port == UINT16_MAX) return {};
  return "127.0.0.1:" + std::to_string(port + 1);
}

std::string broker_config(const InitRequest& request) {
  std::string text =
      "# Written by `pli init`. Every option, with its unit and what a wrong value costs: broker.example.toml.\n"
      "# Paths are relative to this file. Put leases_copy and outside_checkpoint on another disk, and hand the "
      "start-up\n"
      "# secret over some other way (a systemd credential, a file descriptor): it must not lie on the disk it "
      "protects.\n";
  const auto line = [&](std::string_view name, std::string_view value) {
    text += std::string(name) + " = \"" + std::string(value) + "\"\n";
  };
  const std::string& listen = request.listen.empty() ? request.endpoint : request.listen;
  line("endpoint", listen);
  if (const std::string page = health_listen_for(listen); !page.empty()) line("health_listen", page);
  line("log", request.log);
  line("shard", first_shard(request.now));
  line("data_folder", "data");
  line("key_folder", "keys");
  line("leases", "keys/leases");
  line("leases_copy", "copy/leases");
  line("outside_checkpoint", "copy/checkpoint");
  line("tiles_folder", "tiles");
  line("startup_secret", "../startup/startup.secret");
  if (!request.witness_policy.empty()) {
    text += "\n[witnesses]\n";
    line("policy", witness_file);
  }
  return text;
}

/// What would break a quoted TOML string has no place in an endpoint.
bool is_endpoint(std::string_view text) {
  constexpr std::string_view scheme = "tcp://";
  return text.size() > scheme.size() && text.size() <= 255 && text.substr(0, scheme.size()) == scheme &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

Outcome<void> check_request(const InitRequest& request) {
  if (!protocol::is_token(request.contract.id)) return usage("the contract's id is not a token");
  if (!protocol::is_log_name(request.log)) return usage("the log's name is not <dns>/pli/<département>");
  if (!is_endpoint(request.endpoint)) return usage("the endpoint is not tcp://…");
  if (!request.listen.empty() && !is_endpoint(request.listen)) return usage("the listening endpoint is not tcp://…");
  const std::size_t count = request.authorities.size();
  if (count == 0 || count > protocol::authorities_max || request.threshold == 0 || request.threshold > count)
    return usage("k of n authority keys that cannot be");
  for (auto key = request.authorities.begin(); key != request.authorities.end(); ++key) {
    if (!audit::is_key_name(key->name)) return usage("an authority key's name is not a key name");
    if (key->passphrase.empty()) return usage("an authority key without a passphrase");
    if (std::any_of(request.authorities.begin(), key,
                    [&](const AuthorityKeyRequest& other) { return other.name == key->name; }))
      return usage("two authority keys with one name");
  }
  return {};
}

/// The keys of both, those in both once.
std::vector<audit::VerifierKey> united(const protocol::AuthoritySet& before, const protocol::AuthoritySet& after) {
  std::vector<audit::VerifierKey> out = before.keys;
  for (const audit::VerifierKey& key : after.keys)
    if (std::find(out.begin(), out.end(), key) == out.end()) out.push_back(key);
  return out;
}

std::filesystem::path key_file_name(std::size_t position) {
  return "authority-" + std::to_string(position + 1) + ".age";
}

Bytes entries_file(const protocol::Directory& directory) {
  std::vector<Bytes> entries;
  for (std::size_t i = 0; i < directory.entries().size(); ++i) entries.push_back(directory.entry_bytes(i));
  return protocol::encode_bundle(entries);
}

}  // namespace

Outcome<InitResult> init_contract(const std::filesystem::path& folder, InitRequest request) {
  if (auto checked = check_request(request); !checked) return checked.error();
  InitResult out;
  out.authority = folder / "authority";
  out.broker = folder / "broker";
  out.startup_secret = folder / "startup" / "startup.secret";
  for (const auto& part : {out.authority, out.broker, folder / "startup"})
    if (!is_free(part)) return usage("the folder is not empty");

  auto draft = DirectoryDraft::start(request.contract);
  if (!draft) return draft.error();
  for (const std::string& queue : request.queues)
    if (auto added = draft->add_queue(queue, request.contract.territory, {}); !added) return added.error();

  const crypto::SecretKey startup = crypto::SecretKey::random(crypto::startup_secret_bytes);
  const crypto::SecretKey curve = crypto::SecretKey::random(seed_bytes);
  const crypto::SecretKey log_seed = crypto::SecretKey::random(seed_bytes);
  out.broker_curve.bytes = crypto::x25519_public(curve);
  out.log_key = crypto::SigningKey::from_seed(log_seed.expose()).public_key();
  ContractFacts facts;
  facts.contract = request.contract.id;
  facts.log = request.log;
  facts.log_key = out.log_key;
  facts.endpoint = request.endpoint;
  facts.broker = out.broker_curve;
  facts.authorities.threshold = request.threshold;
  std::vector<crypto::SigningKey> authority_keys;
  for (const AuthorityKeyRequest& wanted : request.authorities) {
    authority_keys.push_back(crypto::SigningKey::generate());
    facts.authorities.keys.push_back({wanted.name, audit::KeyType::ed25519, authority_keys.back().public_key()});
  }
  auto witnesses = witnesses_of(facts, request.witness_policy);
  if (!witnesses) return witnesses.error();

  for (const auto& part : {folder, out.authority, out.authority / "keys", out.authority / "history", out.broker,
                           out.broker / "keys", out.broker / "copy", out.broker / "data", folder / "startup"})
    if (auto made = create_private_folder(part); !made) return store_failure(made.error());
  if (auto kept = write(out.startup_secret, startup.expose()); !kept) return kept.error();
  if (auto kept = write(out.broker / "keys" / "curve.key", as_bytes(crypto::box_key("curve", curve, startup))); !kept)
    return kept.error();
  if (auto kept = write(out.broker / "keys" / "log.key", as_bytes(crypto::box_key("log", log_seed, startup))); !kept)
    return kept.error();
  if (auto kept = write(out.broker / "broker.toml", as_bytes(broker_config(request))); !kept) return kept.error();
  for (std::size_t i = 0; i < request.authorities.size(); ++i) {
    const AuthorityKeyRequest& wanted = request.authorities[i];
    auto file = write_key_file(wanted.name, authority_keys[i], wanted.passphrase, request.work_factor);
    if (!file) return file.error();
    if (auto kept = write(out.authority / "keys" / key_file_name(i), *file); !kept) return kept.error();
  }
  if (!witnesses->empty()) {
    // The broker's own copy names the log it keeps: a policy by which anybody can verify its checkpoints.
    const audit::VerifierKey log{facts.log + "/" + first_shard(request.now), audit::KeyType::ed25519, facts.log_key};
    const std::string policy = "log " + audit::to_text(log) + "\n" + *witnesses;
    if (auto kept = write(out.broker / witness_file, as_bytes(policy)); !kept) return kept.error();
    if (auto kept = write(out.authority / witness_file, as_bytes(*witnesses)); !kept) return kept.error();
  }
  // The file by which open() knows the folder comes last: half a folder is none.
  if (auto kept = write(out.authority / "work.entries", entries_file(draft->directory())); !kept) return kept.error();
  if (auto kept = write(out.authority / "contract.txt", as_bytes(to_text(facts))); !kept) return kept.error();
  return out;
}

std::string to_text(const ContractFacts& facts) {
  ContractFacts bare = facts;
  bare.witnesses.clear();
  return protocol::to_text(as_invitation(bare, std::string(facts_member), DirectoryNumber{1}));
}

Result<ContractFacts> parse_contract_facts(std::string_view text) {
  auto invitation = protocol::parse_invitation(text);
  if (!invitation) return invitation.error();
  if (invitation->member != facts_member || !invitation->witnesses.empty())
    return Error{Errc::invalid_input, "an invitation, not a contract's facts"};
  return ContractFacts{invitation->contract,
                       invitation->log,
                       invitation->log_key,
                       invitation->endpoint,
                       invitation->broker,
                       invitation->authorities,
                       {}};
}

bool PendingVersion::complete() const {
  const auto enough = [&](const protocol::AuthoritySet& set) {
    const auto signs = [&](const audit::VerifierKey& key) {
      return std::find(signed_by.begin(), signed_by.end(), key.name) != signed_by.end();
    };
    return static_cast<std::size_t>(std::count_if(set.keys.begin(), set.keys.end(), signs)) >= set.threshold;
  };
  return enough(before) && enough(protocol::authorities_of(head));
}

Outcome<Authority> Authority::open(const std::filesystem::path& folder) {
  const std::filesystem::path facts_file = folder / "contract.txt";
  auto text = read_file(facts_file, protocol::invitation_bytes_max);
  if (!text && text.error().code != Errc::over_limit) return Failure(LocalCode::file_missing, facts_file.string());
  auto facts = text ? parse_contract_facts(as_text(*text)) : Result<ContractFacts>(text.error());
  if (!facts) return usage(facts_file.string() + " is not what `pli init` wrote: " + facts.error().detail);
  auto policy = read_if_there(folder / witness_file, audit::policy_bytes_max);
  if (!policy) return policy.error();
  if (*policy) {
    auto lines = witnesses_of(*facts, as_text(**policy));
    if (!lines) return lines.error();
    facts->witnesses = std::move(*lines);
  }
  auto bytes = read_file(folder / "work.entries", entries_bytes_max);
  if (!bytes) return store_failure(bytes.error());
  auto bundle = protocol::decode_bundle(*bytes);
  if (!bundle) return store_failure(bundle.error());
  auto entries = protocol::apply_bundle({}, *bundle);
  if (!entries) return store_failure(entries.error());
  auto draft = DirectoryDraft::of(std::move(*entries));
  if (!draft) return Failure(LocalCode::local_store, "work.entries is damaged");
  return Authority(folder, std::move(*facts), std::move(*draft));
}

Outcome<void> Authority::save() {
  std::error_code ignored;
  std::filesystem::remove(folder_ / "pending.note", ignored);
  return write(folder_ / "work.entries", entries_file(draft_.directory()));
}

Outcome<Authority::Last> Authority::last() const {
  auto versions = history();
  if (!versions) return versions.error();
  Last out;
  for (const PublishedVersion& version : *versions) {
    auto note = read_file(version.note, audit::note_bytes_max);
    auto bytes = read_file(version.bundle, entries_bytes_max);
    if (!note) return store_failure(note.error());
    if (!bytes) return store_failure(bytes.error());
    const auto trusted = out.version
                             ? protocol::AuthoritySet{out.version->head().threshold, out.version->head().authorities}
                             : facts_.authorities;
    auto verified = protocol::verify_directory_note(as_text(*note), trusted, out.version ? &*out.version : nullptr);
    if (!verified) return store_failure(verified.error());
    auto bundle = protocol::decode_bundle(*bytes);
    if (!bundle) return store_failure(bundle.error());
    auto entries = protocol::apply_bundle(out.entries, *bundle);
    if (!entries) return store_failure(entries.error());
    out.version = std::move(*verified);
    out.entries = std::move(*entries);
  }
  if (out.version) {
    auto built = protocol::Directory::build(out.entries, *out.version);
    if (!built) return store_failure(built.error());
  }
  return out;
}

Outcome<protocol::AuthoritySet> Authority::authorities_in_force() const {
  auto published = last();
  if (!published) return published.error();
  return published->version ? protocol::authorities_of(published->version->head()) : facts_.authorities;
}

Outcome<protocol::AuthoritySet> Authority::authorities_next() const {
  auto text = read_if_there(folder_ / next_file, protocol::invitation_bytes_max);
  if (!text) return text.error();
  if (!*text) return authorities_in_force();
  auto facts = parse_contract_facts(as_text(**text));
  if (!facts || facts->contract != facts_.contract)
    return Failure(LocalCode::local_store, std::string(next_file) + " is damaged");
  return std::move(facts->authorities);
}

Outcome<audit::VerifierKey> Authority::make_key(const AuthorityKeyRequest& wanted, int work_factor) {
  if (!audit::is_key_name(wanted.name)) return usage("an authority key's name is not a key name");
  for (const auto& known : {authorities_in_force(), authorities_next()}) {
    if (!known) return known.error();
    for (const audit::VerifierKey& key : known->keys)
      if (key.name == wanted.name) return usage("an authority has that name already: " + wanted.name);
  }
  std::size_t position = 0;
  std::error_code failed;
  while (std::filesystem::exists(folder_ / "keys" / key_file_name(position), failed)) ++position;
  const crypto::SigningKey key = crypto::SigningKey::generate();
  auto file = write_key_file(wanted.name, key, wanted.passphrase, work_factor);
  if (!file) return file.error();
  if (auto kept = write(folder_ / "keys" / key_file_name(position), *file); !kept) return kept.error();
  return audit::VerifierKey{wanted.name, audit::KeyType::ed25519, key.public_key()};
}

Outcome<void> Authority::change_authorities(const protocol::AuthoritySet& wanted) {
  ContractFacts with = facts_;
  with.authorities = wanted;
  const std::string text = to_text(with);
  // What an invitation cannot say, nobody could be invited with.
  auto read = parse_contract_facts(text);
  if (!read || !(read->authorities == wanted)) return usage("k of n authorities that cannot be");
  auto before = authorities_in_force();
  if (!before) return before.error();
  for (const audit::VerifierKey& key : wanted.keys)
    for (const audit::VerifierKey& known : before->keys)
      if (key.name == known.name && key != known) return usage("another key under a name in force: " + key.name);
  // With the witnesses beside them, an invitation has to hold them all.
  auto whole = witnesses_of(with, facts_.witnesses);
  if (!whole) return whole.error();
  std::error_code ignored;
  std::filesystem::remove(folder_ / "pending.note", ignored);
  return write(folder_ / next_file, as_bytes(text));
}

Outcome<protocol::Invitation> Authority::invitation(std::string_view member) const {
  const protocol::Member* holder = directory().member(member);
  if (holder == nullptr) return usage("no such member");
  auto published = last();
  if (!published) return published.error();
  const auto stands = [&](const protocol::Entry& entry) {
    return entry.type == protocol::EntryType::member && entry.id == member;
  };
  const bool published_already = std::any_of(published->entries.begin(), published->entries.end(), stands);
  const std::uint64_t number = published->version ? published->version->head().number.value : 0;
  auto out = as_invitation(facts_, std::string(member), DirectoryNumber{published_already ? number : number + 1});
  out.sign = holder->keys.sign;
  // Those of the version it names.
  auto signers = published_already ? authorities_in_force() : authorities_next();
  if (!signers) return signers.error();
  out.authorities = std::move(*signers);
  return out;
}

Outcome<PendingVersion> Authority::prepare(UnixMillis now, UnixMillis not_after) {
  if (not_after <= now || not_after - now > protocol::directory_validity_max)
    return usage("a version is in force for 30 days at most");
  auto published = last();
  if (!published) return published.error();
  // What the broker will do with the bundle is done here first: it would refuse what this refuses.
  const std::vector<Bytes> changed = draft_.changed_since(published->entries);
  auto entries = protocol::apply_bundle(published->entries, changed);
  if (!entries) return local(LocalCode::usage, entries.error());
  auto built = protocol::Directory::build(std::move(*entries));
  if (!built) return local(LocalCode::usage, built.error());
  if ((*built)->root() != directory().root())
    return usage("an entry of the last version is gone from the working copy");

  PendingVersion out;
  out.head.contract = facts_.contract;
  out.head.number = DirectoryNumber{published->version ? published->version->head().number.value + 1 : 1};
  if (published->version) out.head.previous = published->version->digest();
  out.head.not_after = not_after;
  auto signers = authorities_next();
  if (!signers) return signers.error();
  out.before = published->version ? protocol::authorities_of(published->version->head()) : facts_.authorities;
  out.head.threshold = signers->threshold;
  out.head.authorities = std::move(signers->keys);
  out.head.entries = directory().entries().size();
  out.head.root = directory().root();
  out.note = protocol::to_text(out.head);
  out.bundle = protocol::encode_bundle(changed);
  if (out.bundle.size() > protocol::directory_bundle_bytes_max) return usage("more changes than one version carries");
  if (auto kept = write(folder_ / "pending.bundle", out.bundle); !kept) return kept.error();
  if (auto kept = write(folder_ / "pending.note", as_bytes(out.note)); !kept) return kept.error();
  return out;
}

Outcome<std::optional<PendingVersion>> Authority::pending() const {
  auto text = read_if_there(folder_ / "pending.note", audit::note_bytes_max);
  if (!text) return text.error();
  if (!*text) return std::optional<PendingVersion>();
  auto bundle = read_if_there(folder_ / "pending.bundle", protocol::directory_bundle_bytes_max);
  if (!bundle) return bundle.error();
  if (!*bundle) return Failure(LocalCode::local_store, "pending.bundle is missing");
  PendingVersion out;
  out.note = std::string(as_text(**text));
  out.bundle = std::move(**bundle);
  auto before = authorities_in_force();
  if (!before) return before.error();
  out.before = std::move(*before);
  const auto note = audit::parse_note(out.note);
  auto head = protocol::parse_directory_head(note ? note->text : out.note);
  if (!head) return store_failure(head.error());
  out.head = std::move(*head);
  if (note) {
    const auto keys = united(out.before, protocol::authorities_of(out.head));
    auto signers = audit::verify_note(*note, keys);
    if (!signers) return store_failure(signers.error());
    for (const std::size_t signer : *signers) out.signed_by.push_back(keys[signer].name);
  }
  // Stopped between publishing and clearing up: that version is out already.
  auto versions = history();
  if (!versions) return versions.error();
  if (!versions->empty() && versions->back().number >= out.head.number) return std::optional<PendingVersion>();
  return std::optional<PendingVersion>(std::move(out));
}

Outcome<VersionReview> Authority::review() const {
  auto waiting = pending();
  if (!waiting) return waiting.error();
  if (!*waiting) return usage("no version waits for a signature");
  auto published = last();
  if (!published) return published.error();
  const auto unproven = [](const char* words) { return Failure(LocalCode::directory_unproven, words); };
  VersionReview out;
  out.head = (*waiting)->head;
  out.authorities_before = facts_.authorities;
  if (published->version) {
    out.previous = published->version->head();
    out.authorities_before = protocol::authorities_of(*out.previous);
  }
  if (out.head.contract != facts_.contract) return unproven("the note is of another contract");
  if (out.head.number.value != (out.previous ? out.previous->number.value : 0) + 1 ||
      out.head.previous != (published->version ? published->version->digest() : Digest{}))
    return unproven("the note does not follow the last version of the history");
  auto bundle = protocol::decode_bundle((*waiting)->bundle);
  if (!bundle) return local(LocalCode::directory_unproven, bundle.error());
  auto entries = protocol::apply_bundle(published->entries, *bundle);
  if (!entries) return local(LocalCode::directory_unproven, entries.error());
  out.differences = differences(published->entries, *entries);
  auto built = protocol::Directory::build(std::move(*entries));
  if (!built) return local(LocalCode::directory_unproven, built.error());
  if ((*built)->root() != out.head.root || (*built)->entries().size() != out.head.entries)
    return unproven("the note signs other entries than the bundle makes");
  return out;
}

struct Authority::Signer : AuthorityKey {};

Outcome<Authority::Signer> Authority::signer(const std::filesystem::path& key_file, const crypto::SecretKey& passphrase,
                                             const std::vector<audit::VerifierKey>& authorities) {
  auto bytes = read_file(key_file, key_file_bytes_max);
  if (!bytes) return store_failure(bytes.error());
  auto key = read_key_file(*bytes, passphrase);
  if (!key) return key.error();
  const bool known = std::any_of(authorities.begin(), authorities.end(), [&](const audit::VerifierKey& each) {
    return each.name == key->name && each.key == key->key.public_key();
  });
  if (!known) return usage(std::string(not_an_authority));
  return Signer{std::move(*key)};
}

Outcome<PendingVersion> Authority::sign(const std::filesystem::path& key_file, const crypto::SecretKey& passphrase) {
  if (auto reviewed = review(); !reviewed) return reviewed.error();
  auto waiting = pending();
  if (!waiting) return waiting.error();
  if (!*waiting) return usage("no version waits for a signature");
  auto key = signer(key_file, passphrase, united((*waiting)->before, protocol::authorities_of((*waiting)->head)));
  if (!key) return key.error();
  PendingVersion out = std::move(**waiting);
  if (std::find(out.signed_by.begin(), out.signed_by.end(), key->name) != out.signed_by.end())
    return usage("this key has signed already");
  audit::Note note{protocol::to_text(out.head), {}};
  if (!out.signed_by.empty()) {
    auto parsed = audit::parse_note(out.note);
    if (!parsed) return store_failure(parsed.error());
    note = std::move(*parsed);
  }
  audit::sign_note(note, key->name, key->key);
  out.note = audit::to_text(note);
  out.signed_by.push_back(key->name);
  if (auto kept = write(folder_ / "pending.note", as_bytes(out.note)); !kept) return kept.error();
  return out;
}

Outcome<PublishedVersion> Authority::publish() {
  auto waiting = pending();
  if (!waiting) return waiting.error();
  if (!*waiting) return usage("no version waits to be published");
  const PendingVersion& version = **waiting;
  if (!version.complete()) return usage("not enough authorities have signed");
  auto published = last();
  if (!published) return published.error();
  const auto trusted = published->version ? protocol::AuthoritySet{published->version->head().threshold,
                                                                   published->version->head().authorities}
                                          : facts_.authorities;
  auto verified =
      protocol::verify_directory_note(version.note, trusted, published->version ? &*published->version : nullptr);
  if (!verified) return local(LocalCode::usage, verified.error());
  auto bundle = protocol::decode_bundle(version.bundle);
  if (!bundle) return store_failure(bundle.error());
  auto entries = protocol::apply_bundle(published->entries, *bundle);
  if (!entries) return store_failure(entries.error());
  if (auto built = protocol::Directory::build(std::move(*entries), *verified); !built)
    return local(LocalCode::usage, built.error());

  PublishedVersion out;
  out.number = version.head.number;
  out.digest = verified->digest();
  out.not_after = version.head.not_after;
  out.entries = version.head.entries;
  const std::filesystem::path stem = folder_ / "history" / version_stem(out.number);
  out.note = stem.string() + ".note";
  out.bundle = stem.string() + ".bundle";
  if (auto kept = write(out.bundle, version.bundle); !kept) return kept.error();
  if (auto kept = write(out.note, as_bytes(version.note)); !kept) return kept.error();  // Published from here.
  std::error_code ignored;
  std::filesystem::remove(folder_ / "pending.note", ignored);
  std::filesystem::remove(folder_ / "pending.bundle", ignored);
  // The version names them now. Left behind by a stop in between, it asks for those in force.
  std::filesystem::remove(folder_ / next_file, ignored);
  return out;
}

Outcome<SignedSuspension> Authority::suspend(std::string_view member, const std::filesystem::path& key_file,
                                             const crypto::SecretKey& passphrase, UnixMillis now) {
  auto published = last();
  if (!published) return published.error();
  if (!published->version) return usage("nothing is published yet: there are no rights to take away");
  auto in_force = protocol::Directory::build(published->entries, *published->version);
  if (!in_force) return store_failure(in_force.error());
  const protocol::Member* found = (*in_force)->member(member);
  if (found == nullptr) return usage("no such member in the last published version");
  if (found->revoked_at) return usage("this member is revoked already");
  auto key = signer(key_file, passphrase, published->version->head().authorities);
  if (!key) return key.error();

  SignedSuspension out;
  out.suspension = {facts_.contract, found->id, published->version->head().number, now};
  audit::Note note{protocol::to_text(out.suspension), {}};
  audit::sign_note(note, key->name, key->key);
  out.note = audit::to_text(note);
  if (auto made = create_private_folder(folder_ / "suspensions"); !made) return store_failure(made.error());
  out.file = folder_ / "suspensions" / (version_stem(out.suspension.directory) + "-" + found->id + ".note");
  if (auto kept = write(out.file, as_bytes(out.note)); !kept) return kept.error();
  return out;
}

Outcome<protocol::RollbackRequest> Authority::rollback_request(const std::filesystem::path& file) const {
  auto bytes = read_file(file, protocol::order_bytes_max);
  if (!bytes) return local(LocalCode::file_missing, bytes.error());
  auto request = protocol::parse_rollback_request(as_text(*bytes));
  if (!request) {
    const auto note = audit::parse_note(as_text(*bytes));
    auto order = note ? protocol::parse_rollback_order(note->text) : Result<protocol::RollbackOrder>(note.error());
    if (!order) return usage("neither a broker's request nor an order");
    request = protocol::RollbackRequest{*std::move(order), {}};
  }
  if (request->order.contract != facts_.contract) return usage("this request is of another contract");
  if (request->order.log != facts_.log) return usage("this request is of another log");
  return *std::move(request);
}

Outcome<SignedOrder> Authority::order_rollback(const std::filesystem::path& file, const std::filesystem::path& key_file,
                                               const crypto::SecretKey& passphrase, UnixMillis now) {
  auto request = rollback_request(file);
  if (!request) return request.error();
  auto published = last();
  if (!published) return published.error();
  const protocol::AuthoritySet authorities =
      published->version ? protocol::authorities_of(published->version->head()) : facts_.authorities;
  SignedOrder out;
  out.threshold = authorities.threshold;
  out.order = request->order;
  out.file = folder_ / "orders" / (out.order.opens.substr(out.order.log.size() + 1) + ".note");

  // What others have signed: in the file given, or here for the same request.
  audit::Note note;
  for (const std::filesystem::path& there : {file, out.file}) {
    auto text = read_if_there(there, protocol::order_bytes_max);
    if (!text) return text.error();
    auto signed_note = *text ? audit::parse_note(as_text(**text)) : Result<audit::Note>(Error{Errc::not_found, ""});
    if (!signed_note) continue;
    const auto order = protocol::parse_rollback_order(signed_note->text);
    if (!order) return usage("orders/ holds something else under this shard's name");
    out.order.created = order->created;
    if (*order != out.order) return usage("another order stands in orders/ for this shard: remove it if it is void");
    note = std::move(*signed_note);
    break;
  }
  if (note.text.empty()) {
    out.order.created = now;
    note.text = protocol::to_text(out.order);
  } else {
    auto signers = audit::verify_note(note, authorities.keys);
    if (!signers) return usage("the order's signatures are not this contract's authorities'");
    for (const std::size_t signer : *signers) out.signed_by.push_back(authorities.keys[signer].name);
  }
  auto key = signer(key_file, passphrase, authorities.keys);
  if (!key) return key.error();
  if (std::find(out.signed_by.begin(), out.signed_by.end(), key->name) != out.signed_by.end())
    return usage("this key has signed already");
  audit::sign_note(note, key->name, key->key);
  out.signed_by.push_back(key->name);
  out.note = audit::to_text(note);
  if (auto made = create_private_folder(folder_ / "orders"); !made) return store_failure(made.error());
  if (auto kept = write(out.file, as_bytes(out.note)); !kept) return kept.error();
  return out;
}

Outcome<std::vector<PublishedVersion>> Authority::history() const {
  std::vector<PublishedVersion> out;
  for (std::uint64_t n = 1;; ++n) {
    const std::filesystem::path stem = folder_ / "history" / version_stem(DirectoryNumber{n});
    const std::filesystem::path note_path = stem.string() + ".note";
    auto text = read_if_there(note_path, audit::note_bytes_max);
    if (!text) return text.error();
    if (!*text) return out;
    auto note = audit::parse_note(as_text(**text));
    if (!note) return store_failure(note.error());
    auto head = protocol::parse_directory_head(note->text);
    if (!head) return store_failure(head.error());
    if (head->number.value != n) return Failure(LocalCode::local_store, "a version under another's number");
    out.push_back({head->number, protocol::directory_digest(note->text), head->not_after, head->entries, note_path,
                   stem.string() + ".bundle"});
  }
}

std::vector<std::filesystem::path> Authority::key_files() const {
  std::vector<std::filesystem::path> out;
  std::error_code failed;
  for (std::filesystem::directory_iterator it(folder_ / "keys", failed), end; !failed && it != end;
       it.increment(failed))
    if (it->path().extension() == ".age") out.push_back(it->path());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace pli::client
