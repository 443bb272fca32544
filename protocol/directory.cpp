#include "protocol/directory.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "audit/inclusion.hpp"
#include "audit/text_lines.hpp"
#include "crypto/hash.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t attribute_name_bytes_max = 32;
constexpr std::size_t line_bytes_max = 200;  // labels, titles, parties: what people read on one line
constexpr std::size_t commune_code_bytes = 5;

Error invalid(const char* what) { return {Errc::invalid_input, what}; }

bool is_attribute_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= attribute_name_bytes_max && std::all_of(name.begin(), name.end(), allowed);
}

bool is_entry_id(EntryType type, std::string_view id) {
  return type == EntryType::queue ? queue_kind_of(id).has_value() : is_token(id);
}

bool fits_signed(std::uint64_t value) { return value >> 63 == 0; }

std::optional<UnixMillis> parse_millis(std::string_view text) {
  const auto value = audit::parse_decimal(text);
  if (!value || !fits_signed(*value)) return std::nullopt;
  return UnixMillis{static_cast<std::int64_t>(*value)};
}

std::optional<Digest> parse_digest(std::string_view hex) {
  const auto bytes = from_hex(hex);
  return bytes ? to_array<32>(*bytes) : std::nullopt;
}

/// Reads the attributes of one entry by name. Attributes it is not asked for are skipped: a newer authority
/// may write more than this reader knows. After a first failure `ok()` stays false, so that a reader checks
/// once.
class AttributeReader {
 public:
  explicit AttributeReader(const Entry& entry) : entry_(entry) {}

  /// The one value, or nothing; twice is a failure.
  const Bytes* optional(std::string_view name) {
    const Bytes* found = nullptr;
    for (const auto& [each, value] : entry_.attributes) {
      if (each != name) continue;
      if (found != nullptr) ok_ = false;
      found = &value;
    }
    return found;
  }
  const Bytes& required(std::string_view name) {
    static const Bytes nothing;
    const Bytes* found = optional(name);
    if (found == nullptr) ok_ = false;
    return found == nullptr ? nothing : *found;
  }
  std::string text(std::string_view name, bool (*accept)(std::string_view)) {
    std::string value(as_text(required(name)));
    if (!accept(value)) ok_ = false;
    return value;
  }
  /// Every value of that name, none twice.
  std::vector<std::string> texts(std::string_view name, bool (*accept)(std::string_view)) {
    std::vector<std::string> values = entry_.texts(name);
    if (!std::all_of(values.begin(), values.end(), accept)) ok_ = false;
    std::vector<std::string> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) ok_ = false;
    return values;
  }
  UnixMillis millis(std::string_view name) { return millis_of(required(name)); }
  std::optional<UnixMillis> optional_millis(std::string_view name) {
    const Bytes* value = optional(name);
    if (value == nullptr) return std::nullopt;
    return millis_of(*value);
  }
  template <class Key>
  Key key(std::string_view name) {
    return key_of<Key>(required(name));
  }
  template <class Key>
  std::vector<Key> keys(std::string_view name) {
    std::vector<Key> out;
    for (const auto& [each, value] : entry_.attributes)
      if (each == name) out.push_back(key_of<Key>(value));
    return out;
  }
  std::optional<Day> optional_day(std::string_view name) {
    const Bytes* value = optional(name);
    if (value == nullptr) return std::nullopt;
    return day_in(as_text(*value));
  }
  std::vector<Day> days(std::string_view name) {
    std::vector<Day> out;
    for (const std::string& text : entry_.texts(name)) out.push_back(day_in(text));
    return out;
  }
  void fail() { ok_ = false; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  Day day_in(std::string_view text) {
    const auto day = parse_day(text);
    if (!day) ok_ = false;
    return day.value_or(Day{});
  }
  UnixMillis millis_of(const Bytes& value) {
    const auto time = parse_millis(as_text(value));
    if (!time) ok_ = false;
    return time.value_or(UnixMillis{});
  }
  template <class Key>
  Key key_of(const Bytes& value) {
    const auto bytes = to_array<32>(value);
    if (!bytes) ok_ = false;
    return Key{bytes.value_or(ByteArray<32>{})};
  }

  const Entry& entry_;
  bool ok_ = true;
};

bool is_queue_id(std::string_view text) { return queue_kind_of(text).has_value(); }
bool is_line(std::string_view text) { return is_plain_text(text, line_bytes_max); }
bool is_role(std::string_view text) { return role_of(text).has_value(); }
bool is_volet(std::string_view text) { return volet_of(text).has_value(); }
bool is_kind(std::string_view text) { return kind_of(text).has_value(); }

bool is_commune_of(std::string_view commune, std::string_view departement) {
  return commune.size() > departement.size() && departement.size() < commune_code_bytes &&
         commune.substr(0, departement.size()) == departement;
}

/// "name days", one space, days without leading zero.
bool is_engagement(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || !is_token(text.substr(0, space))) return false;
  const auto days = audit::parse_decimal(text.substr(space + 1));
  return days && *days >= 1 && *days <= engagement_days_max;
}

/// Nothing where none is set. What is half set, or stands on a queue that has no séances, fails the reader: it would
/// otherwise pass for an instance without a calendar.
std::optional<SeanceCalendar> read_seances(AttributeReader& in, QueueKind kind) {
  const auto from = in.optional_day("seance-from");
  const Bytes* every = in.optional("seance-every");
  SeanceCalendar calendar;
  calendar.added = in.days("seance-added");
  calendar.struck = in.days("seance-struck");
  if (!from && every == nullptr && calendar.added.empty() && calendar.struck.empty()) return std::nullopt;
  const auto days = every == nullptr ? std::nullopt : audit::parse_decimal(as_text(*every));
  if (!from || !days || *days > seance_cadence_days_max || !has_seances(kind)) {
    in.fail();
    return std::nullopt;
  }
  calendar.first = *from;
  calendar.every_days = static_cast<std::uint32_t>(*days);
  if (!flaw_of(calendar).empty()) in.fail();
  return calendar;
}

/// Closed lists and counts, alike for an entry that arrived as bytes and for one made here. What passes can be encoded.
Result<void> check_shape(const Entry& entry) {
  if (text_of(entry.type).empty()) return invalid("type");
  if (!is_entry_id(entry.type, entry.id)) return invalid("id");
  if (entry.attributes.size() > entry_attributes_max) return Error{Errc::over_limit, "attributes"};
  for (const auto& [name, value] : entry.attributes) {
    if (!is_attribute_name(name)) return invalid("attributes");
    if (value.size() > UINT16_MAX) return Error{Errc::over_limit, "attributes"};
  }
  return {};
}

bool by_type_and_id(const Entry& a, const Entry& b) { return std::tie(a.type, a.id) < std::tie(b.type, b.id); }
bool same_place(const Entry& a, const Entry& b) { return a.type == b.type && a.id == b.id; }

template <class Key>
void add_all(std::vector<ByteArray<32>>& out, const std::vector<Key>& keys) {
  for (const Key& key : keys) out.push_back(key.bytes);
}

/// Every public key of a member, present and former, whatever its use: one key has one use and one holder.
std::vector<ByteArray<32>> all_keys(const Member& member) {
  std::vector<ByteArray<32>> keys = {member.keys.curve.bytes, member.keys.sign.bytes, member.keys.age.bytes};
  add_all(keys, member.former_curve);
  add_all(keys, member.former_sign);
  add_all(keys, member.former_age);
  return keys;
}

bool distinct(std::vector<ByteArray<32>> keys) {
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
}

/// Every key `before` held with the same use is still held by `after`, presently or formerly.
bool keeps_keys(const Member& before, const Member& after) {
  const auto holds = [](const auto& key, const auto& now, const auto& former) {
    return key == now || std::find(former.begin(), former.end(), key) != former.end();
  };
  const auto keeps = [&](const auto& old_key, const auto& old_former, const auto& now, const auto& former) {
    return holds(old_key, now, former) &&
           std::all_of(old_former.begin(), old_former.end(), [&](const auto& key) { return holds(key, now, former); });
  };
  return keeps(before.keys.curve, before.former_curve, after.keys.curve, after.former_curve) &&
         keeps(before.keys.sign, before.former_sign, after.keys.sign, after.former_sign) &&
         keeps(before.keys.age, before.former_age, after.keys.age, after.former_age);
}

bool same_authorities(const AuthoritySet& trusted, const DirectoryHead& head) {
  if (trusted.threshold != head.threshold) return false;
  std::vector<audit::VerifierKey> before = trusted.keys;
  std::vector<audit::VerifierKey> after = head.authorities;
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  return before == after;
}

Result<void> verify_threshold(const audit::Note& note, std::size_t threshold,
                              const std::vector<audit::VerifierKey>& keys) {
  const Result<std::vector<std::size_t>> signers = audit::verify_note(note, keys);
  if (!signers) return signers.error();
  if (signers->size() < threshold) return Error{Errc::authentication_failed, "directory signed by too few authorities"};
  return {};
}

std::optional<std::string_view> take_value(std::string_view& rest, std::string_view name) {
  auto line = audit::take_line(rest);
  if (!line || !audit::take_prefix(*line, name) || !audit::take_prefix(*line, " ")) return std::nullopt;
  return *line;
}

void put_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ' ';
  out += value;
  out += '\n';
}

}  // namespace

std::string_view text_of(EntryType type) {
  switch (type) {
    case EntryType::contrat: return "contrat";
    case EntryType::queue: return "queue";
    case EntryType::member: return "member";
    case EntryType::charte: return "charte";
    case EntryType::policy: return "policy";
    case EntryType::outil: return "outil";
  }
  return {};
}

const Bytes* Entry::find(std::string_view name) const {
  for (const auto& [each, value] : attributes)
    if (each == name) return &value;
  return nullptr;
}

std::string Entry::text(std::string_view name) const {
  const Bytes* value = find(name);
  return value == nullptr ? std::string() : std::string(as_text(*value));
}

std::vector<std::string> Entry::texts(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [each, value] : attributes)
    if (each == name) out.emplace_back(as_text(value));
  return out;
}

Bytes encode(const Entry& entry) {
  PLI_INVARIANT(entry.attributes.size() <= UINT16_MAX);
  ByteWriter out;
  out.u8(format);
  out.raw(entry.salt);
  out.u8(static_cast<std::uint8_t>(entry.type));
  out.string8(entry.id);
  out.u16(static_cast<std::uint16_t>(entry.attributes.size()));
  for (const auto& [name, value] : entry.attributes) {
    out.string8(name);
    out.bytes16(value);
  }
  return out.take();
}

Result<Entry> decode_entry(ByteView bytes) {
  if (bytes.size() > entry_bytes_max) return Error{Errc::over_limit, "entry"};
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  Entry entry;
  entry.salt = in.array<16>();
  entry.type = static_cast<EntryType>(in.u8());
  entry.id = in.string8();
  const std::size_t count = in.u16();
  if (!in.ok() || version != format) return invalid("entry");
  if (count > entry_attributes_max) return Error{Errc::over_limit, "attributes"};
  entry.attributes.reserve(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    std::string name = in.string8();
    entry.attributes.emplace_back(std::move(name), to_bytes(in.bytes16()));
  }
  if (!in.at_end()) return invalid("entry");
  if (auto checked = check_shape(entry); !checked) return checked.error();
  return entry;
}

Digest entry_commitment(ByteView entry_bytes) { return crypto::sha256({as_bytes("pli-entry/1"), entry_bytes}); }

std::string to_text(const DirectoryHead& head) {
  std::string out = "pli-directory/1\n";
  put_line(out, "contract", head.contract);
  put_line(out, "number", std::to_string(head.number.value));
  put_line(out, "previous", to_hex(head.previous));
  put_line(out, "not-after", std::to_string(head.not_after.value));
  put_line(out, "threshold", std::to_string(head.threshold));
  for (const audit::VerifierKey& key : head.authorities) put_line(out, "authority", audit::to_text(key));
  put_line(out, "entries", std::to_string(head.entries));
  put_line(out, "root", to_hex(head.root));
  return out;
}

Result<DirectoryHead> parse_directory_head(std::string_view note_text) {
  std::string_view rest = note_text;
  const auto first = audit::take_line(rest);
  if (!first || *first != "pli-directory/1") return invalid("directory");
  const auto contract = take_value(rest, "contract");
  const auto number_text = take_value(rest, "number");
  const auto previous_text = take_value(rest, "previous");
  const auto not_after_text = take_value(rest, "not-after");
  const auto threshold_text = take_value(rest, "threshold");
  if (!contract || !number_text || !previous_text || !not_after_text || !threshold_text) return invalid("directory");
  DirectoryHead head;
  while (rest.substr(0, 10) == "authority ") {
    const auto text = take_value(rest, "authority");
    if (!text || head.authorities.size() == authorities_max) return invalid("authority");
    Result<audit::VerifierKey> key = audit::parse_verifier_key(*text);
    if (!key) return invalid("authority");
    head.authorities.push_back(*std::move(key));
  }
  const auto entries_text = take_value(rest, "entries");
  const auto root_text = take_value(rest, "root");
  if (!entries_text || !root_text || !rest.empty()) return invalid("directory");

  const auto number = audit::parse_decimal(*number_text);
  const auto previous = parse_digest(*previous_text);
  const auto not_after = parse_millis(*not_after_text);
  const auto threshold = audit::parse_decimal(*threshold_text);
  const auto entries = audit::parse_decimal(*entries_text);
  const auto root = parse_digest(*root_text);
  if (!is_token(*contract)) return invalid("contract");
  if (!number || *number == 0 || !fits_signed(*number)) return invalid("number");
  if (!previous || (*number == 1) != (*previous == Digest{})) return invalid("previous");
  if (!not_after) return invalid("not-after");
  head.threshold = static_cast<std::size_t>(threshold.value_or(0));
  if (!is_usable(authorities_of(head))) return invalid("authority");
  if (!entries) return invalid("entries");
  if (*entries > directory_entries_max) return Error{Errc::over_limit, "entries"};
  if (!root) return invalid("root");
  head.contract = *contract;
  head.number.value = *number;
  head.previous = *previous;
  head.not_after = *not_after;
  head.entries = *entries;
  head.root = *root;
  return head;
}

bool is_usable(const AuthoritySet& authorities) {
  const auto& [threshold, keys] = authorities;
  if (keys.empty() || keys.size() > authorities_max || threshold == 0 || threshold > keys.size()) return false;
  for (auto key = keys.begin(); key != keys.end(); ++key) {
    if (key->type != audit::KeyType::ed25519) return false;
    // The same key under two names would count once, and two of them would never be k.
    if (std::any_of(keys.begin(), key, [&](const audit::VerifierKey& other) { return other.key == key->key; }))
      return false;
  }
  return true;
}

AuthoritySet authorities_of(const DirectoryHead& head) { return {head.threshold, head.authorities}; }

Digest directory_digest(std::string_view note_text) { return crypto::sha256(as_bytes(note_text)); }

Result<VerifiedDirectory> verify_directory_note(std::string_view note, const AuthoritySet& trusted,
                                                const VerifiedDirectory* previous) {
  if (!is_usable(trusted)) return invalid("trusted authorities");
  const Result<audit::Note> parsed = audit::parse_note(note);
  if (!parsed) return parsed.error();
  Result<DirectoryHead> head = parse_directory_head(parsed->text);
  if (!head) return head.error();
  if (auto signed_by = verify_threshold(*parsed, trusted.threshold, trusted.keys); !signed_by) return signed_by.error();
  if (!same_authorities(trusted, *head)) {
    // Who comes in must hold the keys it is listed with, and enough of them to go on.
    if (auto signed_by = verify_threshold(*parsed, head->threshold, head->authorities); !signed_by)
      return signed_by.error();
  }
  if (previous != nullptr) {
    const DirectoryHead& before = previous->head();
    if (head->contract != before.contract) return Error{Errc::conflict, "directory of another contract"};
    if (head->number <= before.number) return Error{Errc::conflict, "directory not newer than the one held"};
    if (head->number.value == before.number.value + 1 && head->previous != previous->digest())
      return Error{Errc::conflict, "directory does not follow the one held"};
  }
  VerifiedDirectory verified;
  verified.digest_ = directory_digest(parsed->text);
  verified.head_ = *std::move(head);
  verified.note_ = note;
  return verified;
}

Result<Entry> verify_entry(const VerifiedDirectory& directory, std::uint64_t position, ByteView entry,
                           std::span<const Digest> proof) {
  const DirectoryHead& head = directory.head();
  const Digest leaf = audit::leaf_hash(entry_commitment(entry));
  if (auto shown = audit::verify_inclusion(head.root, TreeSize{head.entries}, LeafIndex{position}, leaf, proof); !shown)
    return shown.error();
  return decode_entry(entry);
}

Result<Member> read_member(const Entry& entry) {
  if (entry.type != EntryType::member || !is_token(entry.id)) return invalid("not a member entry");
  AttributeReader in(entry);
  Member member;
  member.id = entry.id;
  member.person = in.text("person", is_token);
  member.organisation = in.text("organisation", is_token);
  for (const std::string& text : in.texts("role", is_role))
    if (const auto role = role_of(text)) member.roles.add(*role);
  member.territory = in.text("territory", is_territory);
  member.seats = in.texts("seat", is_queue_id);
  member.label = in.text("label", is_line);
  member.not_before = in.millis("not-before");
  member.not_after = in.millis("not-after");
  member.keys.curve = in.key<crypto::CurvePublic>("curve");
  member.keys.sign = in.key<crypto::SignPublic>("sign");
  member.keys.age = in.key<crypto::AgePublic>("age");
  member.former_curve = in.keys<crypto::CurvePublic>("former-curve");
  member.former_sign = in.keys<crypto::SignPublic>("former-sign");
  member.former_age = in.keys<crypto::AgePublic>("former-age");
  member.revoked_at = in.optional_millis("revoked");
  if (!in.ok()) return invalid("member entry with a missing, repeated or malformed attribute");

  if (member.roles.empty()) return invalid("member without a role");
  if (member.not_after <= member.not_before) return invalid("member never valid");
  if (!crypto::is_usable_x25519(member.keys.curve.bytes) || !crypto::is_usable_x25519(member.keys.age.bytes))
    return invalid("member with a key nobody can seal to");
  if (!distinct(all_keys(member))) return invalid("member with one key in two places");
  // Whoever checks takes no part (design §4): an auditor is nothing else, sits with auditors only, and they
  // alone read what is sealed to the audit queue.
  const bool auditor = member.roles.has(Role::auditeur);
  Roles auditor_alone;
  auditor_alone.add(Role::auditeur);
  if (auditor && member.roles != auditor_alone) return invalid("auditor with another role");
  for (const std::string& seat : member.seats)
    if ((queue_kind_of(seat) == QueueKind::audit) != auditor)
      return invalid("an audit queue seats auditors, and auditors sit nowhere else");
  return member;
}

Entry write_member(const Member& member, const ByteArray<16>& salt) {
  Entry entry{salt, EntryType::member, member.id, {}};
  entry.add("person", member.person);
  entry.add("organisation", member.organisation);
  for (std::size_t i = 0; i < role_count; ++i)
    if (member.roles.has(static_cast<Role>(i))) entry.add("role", text_of(static_cast<Role>(i)));
  entry.add("territory", member.territory);
  for (const std::string& seat : member.seats) entry.add("seat", seat);
  entry.add("label", member.label);
  entry.add("not-before", std::to_string(member.not_before.value));
  entry.add("not-after", std::to_string(member.not_after.value));
  entry.add("curve", member.keys.curve.bytes);
  entry.add("sign", member.keys.sign.bytes);
  entry.add("age", member.keys.age.bytes);
  for (const auto& key : member.former_curve) entry.add("former-curve", key.bytes);
  for (const auto& key : member.former_sign) entry.add("former-sign", key.bytes);
  for (const auto& key : member.former_age) entry.add("former-age", key.bytes);
  if (member.revoked_at) entry.add("revoked", std::to_string(member.revoked_at->value));
  return entry;
}

Result<Queue> read_queue(const Entry& entry) {
  const auto kind = queue_kind_of(entry.id);
  if (entry.type != EntryType::queue || !kind) return invalid("not a queue entry");
  AttributeReader in(entry);
  Queue queue;
  queue.id = entry.id;
  queue.kind = *kind;
  queue.territory = in.text("territory", is_territory);
  if (*kind == QueueKind::org)
    queue.organisation = in.text("organisation", is_token);
  else if (in.optional("organisation") != nullptr)
    in.fail();
  queue.seances = read_seances(in, *kind);
  queue.keys = in.keys<crypto::AgePublic>("key");
  if (!in.ok()) return invalid("queue entry with a missing, repeated or malformed attribute");
  if (queue.keys.size() > recipients_max) return Error{Errc::over_limit, "queue with too many keys"};
  // Strictly ascending, so that one roster has one spelling and one digest.
  if (std::adjacent_find(queue.keys.begin(), queue.keys.end(), [](const auto& a, const auto& b) { return a >= b; }) !=
      queue.keys.end())
    return invalid("queue keys not sorted and distinct");
  if (!std::all_of(queue.keys.begin(), queue.keys.end(),
                   [](const crypto::AgePublic& key) { return crypto::is_usable_x25519(key.bytes); }))
    return invalid("queue with a key nobody can seal to");
  return queue;
}

Entry write_queue(const Queue& queue, const ByteArray<16>& salt) {
  Entry entry{salt, EntryType::queue, queue.id, {}};
  entry.add("territory", queue.territory);
  if (!queue.organisation.empty()) entry.add("organisation", queue.organisation);
  if (queue.seances) {
    entry.add("seance-from", iso_day(queue.seances->first));
    entry.add("seance-every", std::to_string(queue.seances->every_days));
    for (const Day day : queue.seances->added) entry.add("seance-added", iso_day(day));
    for (const Day day : queue.seances->struck) entry.add("seance-struck", iso_day(day));
  }
  for (const crypto::AgePublic& key : queue.keys) entry.add("key", key.bytes);
  return entry;
}

Digest roster_digest(const Queue& queue) {
  PLI_INVARIANT(queue.keys.size() <= UINT16_MAX);
  ByteWriter out;
  out.raw(as_bytes("pli-roster/1"));
  out.string8(queue.id);
  out.u16(static_cast<std::uint16_t>(queue.keys.size()));
  for (const crypto::AgePublic& key : queue.keys) out.raw(key.bytes);
  return crypto::sha256(out.bytes());
}

Result<Contract> read_contract(const Entry& entry) {
  if (entry.type != EntryType::contrat || !is_token(entry.id)) return invalid("not a contract entry");
  AttributeReader in(entry);
  Contract contract;
  contract.id = entry.id;
  contract.title = in.text("title", is_line);
  contract.parties = in.texts("party", is_line);
  std::vector<std::string> places = in.texts("territory", is_territory);
  if (places.empty()) in.fail();
  contract.starts = in.millis("starts");
  contract.ends = in.millis("ends");
  contract.engagements = in.texts("engagement", is_engagement);
  for (const std::string& text : in.texts("volet", is_volet))
    if (const auto volet = volet_of(text)) contract.volets.push_back(*volet);
  contract.referents = in.texts("referent", is_line);
  if (!in.ok()) return invalid("contract entry with a missing, repeated or malformed attribute");
  contract.territory = std::move(places.front());
  contract.communes.assign(std::make_move_iterator(places.begin() + 1), std::make_move_iterator(places.end()));
  if (!std::all_of(contract.communes.begin(), contract.communes.end(),
                   [&](const std::string& commune) { return is_commune_of(commune, contract.territory); }))
    return invalid("contract limited to what is no commune of its département");
  const auto& volets = contract.volets;
  if (!volets.empty() && std::find(volets.begin(), volets.end(), Volet::radicalisation_separatisme) == volets.end())
    return invalid("contract without the volet that Pli is for");
  if (contract.parties.size() > contract_parties_max || contract.communes.size() > contract_communes_max ||
      contract.engagements.size() > contract_engagements_max || contract.referents.size() > contract_referents_max)
    return Error{Errc::over_limit, "contract"};
  if (contract.ends <= contract.starts) return invalid("contract ends before it starts");
  return contract;
}

Entry write_contract(const Contract& contract, const ByteArray<16>& salt) {
  Entry entry{salt, EntryType::contrat, contract.id, {}};
  entry.add("title", contract.title);
  for (const std::string& party : contract.parties) entry.add("party", party);
  entry.add("territory", contract.territory);
  // Under the same name: software that knows no communes refuses the entry rather than take it for the whole.
  for (const std::string& commune : contract.communes) entry.add("territory", commune);
  entry.add("starts", std::to_string(contract.starts.value));
  entry.add("ends", std::to_string(contract.ends.value));
  for (const std::string& engagement : contract.engagements) entry.add("engagement", engagement);
  for (const Volet volet : contract.volets) entry.add("volet", text_of(volet));
  for (const std::string& referent : contract.referents) entry.add("referent", referent);
  return entry;
}

Result<Tool> read_tool(const Entry& entry) {
  if (entry.type != EntryType::outil || !is_token(entry.id)) return invalid("not a tool entry");
  AttributeReader in(entry);
  Tool tool;
  tool.id = entry.id;
  const auto volet = volet_of(in.text("volet", is_volet));
  for (const std::string& text : in.texts("kind", is_kind))
    if (const auto kind = kind_of(text)) tool.kinds.push_back(*kind);
  tool.posts = in.texts("post", is_queue_id);
  tool.reads = in.texts("read", is_queue_id);
  if (!in.ok()) return invalid("tool entry with a missing, repeated or malformed attribute");
  if (tool.posts.size() > tool_queues_max || tool.reads.size() > tool_queues_max)
    return Error{Errc::over_limit, "tool with too many queues"};
  tool.volet = *volet;
  return tool;
}

Entry write_tool(const Tool& tool, const ByteArray<16>& salt) {
  Entry entry{salt, EntryType::outil, tool.id, {}};
  entry.add("volet", text_of(tool.volet));
  for (const Kind kind : tool.kinds) entry.add("kind", row_of(kind)->name);
  for (const std::string& queue : tool.posts) entry.add("post", queue);
  for (const std::string& queue : tool.reads) entry.add("read", queue);
  return entry;
}

Result<Charter> read_charter(const Entry& entry) {
  if (entry.type != EntryType::charte || !is_token(entry.id)) return invalid("not a charter entry");
  AttributeReader in(entry);
  Charter charter;
  charter.id = entry.id;
  charter.territory = in.text("territory", is_territory);
  charter.parties = in.texts("party", is_line);
  charter.not_before = in.millis("not-before");
  charter.not_after = in.millis("not-after");
  if (!in.ok()) return invalid("charter entry with a missing, repeated or malformed attribute");
  if (charter.parties.size() < charter_parties_min) return invalid("charter with too few signatories");
  if (charter.parties.size() > charter_parties_max) return Error{Errc::over_limit, "charter"};
  if (charter.not_after <= charter.not_before) return invalid("charter never in force");
  return charter;
}

Entry write_charter(const Charter& charter, const ByteArray<16>& salt) {
  Entry entry{salt, EntryType::charte, charter.id, {}};
  entry.add("territory", charter.territory);
  for (const std::string& party : charter.parties) entry.add("party", party);
  entry.add("not-before", std::to_string(charter.not_before.value));
  entry.add("not-after", std::to_string(charter.not_after.value));
  return entry;
}

Result<std::shared_ptr<const Directory>> Directory::build(std::vector<Entry> entries) {
  if (entries.size() > directory_entries_max) return Error{Errc::over_limit, "too many directory entries"};
  std::shared_ptr<Directory> built(new Directory());
  Directory& directory = *built;
  directory.entries_ = std::move(entries);
  std::sort(directory.entries_.begin(), directory.entries_.end(), by_type_and_id);
  if (std::adjacent_find(directory.entries_.begin(), directory.entries_.end(), same_place) != directory.entries_.end())
    return Error{Errc::conflict, "two entries of one type and id"};

  std::vector<ByteArray<32>> keys;
  directory.encoded_.reserve(directory.entries_.size());
  for (const Entry& entry : directory.entries_) {
    if (auto checked = check_shape(entry); !checked) return checked.error();
    directory.encoded_.push_back(encode(entry));
    if (directory.encoded_.back().size() > entry_bytes_max) return Error{Errc::over_limit, "entry"};
    directory.tree_.append(entry_commitment(directory.encoded_.back()));
    if (entry.type == EntryType::contrat) {
      if (directory.contract_) return Error{Errc::conflict, "two contracts in one directory"};
      Result<Contract> contract = read_contract(entry);
      if (!contract) return contract.error();
      directory.contract_ = *std::move(contract);
    } else if (entry.type == EntryType::queue) {
      Result<Queue> queue = read_queue(entry);
      if (!queue) return queue.error();
      directory.queues_.emplace_hint(directory.queues_.end(), entry.id, *std::move(queue));
    } else if (entry.type == EntryType::member) {
      Result<Member> member = read_member(entry);
      if (!member) return member.error();
      const std::vector<ByteArray<32>> held = all_keys(*member);
      keys.insert(keys.end(), held.begin(), held.end());
      directory.by_curve_.emplace(member->keys.curve, entry.id);
      directory.by_sign_.emplace(member->keys.sign, entry.id);
      for (const auto& key : member->former_curve) directory.by_curve_.emplace(key, entry.id);
      for (const auto& key : member->former_sign) directory.by_sign_.emplace(key, entry.id);
      directory.members_.emplace_hint(directory.members_.end(), entry.id, *std::move(member));
    } else if (entry.type == EntryType::outil) {
      Result<Tool> tool = read_tool(entry);
      if (!tool) return tool.error();
      directory.tools_.emplace_hint(directory.tools_.end(), entry.id, *std::move(tool));
    } else if (entry.type == EntryType::charte) {
      Result<Charter> charter = read_charter(entry);
      if (!charter) return charter.error();
      directory.charters_.emplace_hint(directory.charters_.end(), entry.id, *std::move(charter));
    }
  }
  // read_member saw to it that no member repeats a key of its own.
  if (!distinct(std::move(keys))) return Error{Errc::conflict, "one public key in two entries"};

  for (const auto& [id, queue] : directory.queues_) directory.seated_[id];
  for (const auto& [id, member] : directory.members_) {
    for (const std::string& seat : member.seats) {
      const auto queue = directory.seated_.find(seat);
      if (queue == directory.seated_.end()) return invalid("a seat in a queue that has no entry");
      if (!member.revoked_at) queue->second.push_back(&member);
    }
  }
  for (const auto& [id, queue] : directory.queues_) {
    std::vector<crypto::AgePublic> roster;
    for (const Member* member : directory.seated_.find(id)->second) roster.push_back(member->keys.age);
    std::sort(roster.begin(), roster.end());
    if (roster != queue.keys) return invalid("a queue's keys are not those of the members seated there");
  }
  for (const auto& [id, tool] : directory.tools_) {
    const Member* member = directory.member(id);
    if (member == nullptr || !member->roles.has(Role::outil)) return invalid("a tool's entry without its member");
    const auto stands = [&](const std::string& queue) {
      return directory.queues_.find(queue) != directory.queues_.end();
    };
    if (!std::all_of(tool.posts.begin(), tool.posts.end(), stands) ||
        !std::all_of(tool.reads.begin(), tool.reads.end(), stands))
      return invalid("a tool of a queue that has no entry");
    // What it sits in and may not read would come to it as places hidden without a reason it could check.
    for (const std::string& seat : member->seats)
      if (std::find(tool.reads.begin(), tool.reads.end(), seat) == tool.reads.end())
        return invalid("a tool sits in a queue that it may not read");
  }
  return std::shared_ptr<const Directory>(std::move(built));
}

Result<std::shared_ptr<const Directory>> Directory::build(std::vector<Entry> entries, VerifiedDirectory verified) {
  Result<std::shared_ptr<const Directory>> built = build(std::move(entries));
  if (!built) return built;
  const DirectoryHead& head = verified.head();
  if ((*built)->entries_.size() != head.entries || (*built)->root() != head.root)
    return Error{Errc::authentication_failed, "entries are not those the authorities signed"};
  if (!(*built)->contract_ || (*built)->contract_->id != head.contract)
    return invalid("the contract's own entry is missing or another's");
  for (const audit::VerifierKey& authority : head.authorities)
    if ((*built)->by_sign_.count(authority.key) != 0) return Error{Errc::conflict, "an authority key is a member key"};
  // Nobody else holds it yet: it is ours until it is returned.
  std::const_pointer_cast<Directory>(*built)->verified_ = std::move(verified);
  return built;
}

Result<std::vector<Digest>> Directory::prove(std::size_t position) const {
  return audit::inclusion_proof(LeafIndex{position}, tree_.size(), tree_.source());
}

DirectoryNumber Directory::number() const { return verified_ ? verified_->head().number : DirectoryNumber{}; }

const Member* Directory::member(std::string_view id) const {
  const auto found = members_.find(id);
  return found == members_.end() ? nullptr : &found->second;
}

const Member* Directory::member_by_curve(const crypto::CurvePublic& key) const {
  const auto found = by_curve_.find(key);
  return found == by_curve_.end() ? nullptr : member(found->second);
}

const Member* Directory::member_by_sign(const crypto::SignPublic& key) const {
  const auto found = by_sign_.find(key);
  return found == by_sign_.end() ? nullptr : member(found->second);
}

const Queue* Directory::queue(std::string_view id) const {
  const auto found = queues_.find(id);
  return found == queues_.end() ? nullptr : &found->second;
}

const Contract* Directory::contract() const { return contract_ ? &*contract_ : nullptr; }

const Tool* Directory::tool(std::string_view id) const {
  const auto found = tools_.find(id);
  return found == tools_.end() ? nullptr : &found->second;
}

const Charter* Directory::charter(std::string_view id) const {
  const auto found = charters_.find(id);
  return found == charters_.end() ? nullptr : &found->second;
}

std::vector<const Charter*> Directory::charters() const {
  std::vector<const Charter*> out;
  out.reserve(charters_.size());
  for (const auto& [id, charter] : charters_) out.push_back(&charter);
  return out;
}

std::vector<const Member*> Directory::members() const {
  std::vector<const Member*> out;
  out.reserve(members_.size());
  for (const auto& [id, member] : members_) out.push_back(&member);
  return out;
}

std::vector<const Queue*> Directory::queues() const {
  std::vector<const Queue*> out;
  out.reserve(queues_.size());
  for (const auto& [id, queue] : queues_) out.push_back(&queue);
  return out;
}

std::vector<const Member*> Directory::seated(std::string_view queue_id) const {
  const auto found = seated_.find(queue_id);
  return found == seated_.end() ? std::vector<const Member*>{} : found->second;
}

std::optional<std::size_t> Directory::position_of(EntryType type, std::string_view id) const {
  const auto before = [](const Entry& entry, const std::pair<EntryType, std::string_view>& wanted) {
    return std::pair<EntryType, std::string_view>(entry.type, entry.id) < wanted;
  };
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), std::pair(type, id), before);
  if (found == entries_.end() || found->type != type || found->id != id) return std::nullopt;
  return static_cast<std::size_t>(found - entries_.begin());
}

Bytes encode_bundle(const std::vector<Bytes>& entries) {
  PLI_INVARIANT(entries.size() <= UINT32_MAX);
  ByteWriter out;
  out.u32(static_cast<std::uint32_t>(entries.size()));
  for (const Bytes& entry : entries) out.bytes32(entry);
  return out.take();
}

Result<std::vector<Bytes>> decode_bundle(ByteView bytes) {
  if (bytes.size() > directory_bundle_bytes_max) return Error{Errc::over_limit, "bundle"};
  ByteReader in(bytes);
  const std::size_t count = in.u32();
  if (!in.ok()) return invalid("bundle");
  if (count > directory_entries_max) return Error{Errc::over_limit, "bundle"};
  std::vector<Bytes> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView entry = in.bytes32();
    if (!in.ok()) return invalid("bundle");
    if (entry.size() > entry_bytes_max) return Error{Errc::over_limit, "entry"};
    entries.push_back(to_bytes(entry));
  }
  if (!in.at_end()) return invalid("bundle");
  return entries;
}

Result<std::vector<Entry>> apply_bundle(const std::vector<Entry>& current, const std::vector<Bytes>& changed) {
  std::map<std::pair<EntryType, std::string>, Entry> replacing;
  for (const Bytes& bytes : changed) {
    Result<Entry> entry = decode_entry(bytes);
    if (!entry) return entry.error();
    std::pair<EntryType, std::string> place(entry->type, entry->id);
    if (!replacing.emplace(std::move(place), *std::move(entry)).second) return invalid("one entry twice in a bundle");
  }
  std::vector<Entry> out;
  out.reserve(current.size() + replacing.size());
  for (const Entry& entry : current) {
    auto replacement = replacing.extract({entry.type, entry.id});
    if (replacement.empty()) {
      out.push_back(entry);
      continue;
    }
    if (entry.type == EntryType::member) {
      const Result<Member> before = read_member(entry);
      const Result<Member> after = read_member(replacement.mapped());
      if (!before) return before.error();
      if (!after) return after.error();
      if (before->person != after->person) return invalid("a member entry cannot pass to another person");
      // A key let go could be enrolled again under another name, and its old acts would change hands.
      if (!keeps_keys(*before, *after)) return invalid("a member entry lets go of a key");
      if (before->revoked_at && before->revoked_at != after->revoked_at) return invalid("a revocation is final");
    }
    out.push_back(std::move(replacement.mapped()));
  }
  for (auto& [place, entry] : replacing) out.push_back(std::move(entry));
  if (out.size() > directory_entries_max) return Error{Errc::over_limit, "too many directory entries"};
  return out;
}

}  // namespace pli::protocol
