#include "broker/record_fields.hpp"

#include <algorithm>
#include <array>

#include "crypto/secret_box.hpp"

namespace pli::broker {
namespace {

constexpr std::uint8_t packed_format = 1;
constexpr std::uint8_t disclosed_format = 2;
constexpr std::uint8_t long_value = 255;

/// Positions are stored: a new name goes to the end, wherever in a record its field stands.
constexpr std::array<std::string_view, 35> names = {
    "actor",      "person", "role",   "organisation", "act",        "exchange",  "case",   "reply_to",  "queue",
    "kind",       "motif",  "code",   "note",         "recipients", "outcome",   "rule",   "directory", "number",
    "head",       "range",  "count",  "key",          "statement",  "signature", "member", "handling",  "shard",
    "statistics", "terms",  "erased", "backups",      "shown",      "urgency",   "date",   "created"};

/// From 1; 0 for a name that is not in the list.
std::size_t position_of(std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? 0 : static_cast<std::size_t>(found - names.begin()) + 1;
}

std::string_view name_at(std::size_t position) {
  return position >= 1 && position <= names.size() ? names[position - 1] : std::string_view{};
}

std::string joined(const protocol::Roles& roles) {
  std::string out;
  for (std::size_t i = 0; i < protocol::role_count; ++i) {
    const auto role = static_cast<protocol::Role>(i);
    if (!roles.has(role)) continue;
    if (!out.empty()) out += ',';
    out += protocol::text_of(role);
  }
  return out;
}

}  // namespace

audit::Record make_record(const protocol::Member* actor, const Asked& asked, const Decided& decided) {
  audit::Record record = audit::new_record();
  record.fields.reserve(names.size());
  const auto text = [&](const char* name, std::string_view value) {
    if (!value.empty()) record.add(name, value);
  };
  const auto bytes = [&](const char* name, ByteView value) {
    if (!value.empty()) record.add(name, value);
  };
  const auto digest = [&](const char* name, const std::optional<Digest>& value) {
    if (value) record.add(name, ByteView(*value));
  };
  if (actor != nullptr) {
    text("actor", actor->id);
    text("person", actor->person);
    text("role", joined(actor->roles));
    text("organisation", actor->organisation);
  }
  text("act", asked.act);
  digest("exchange", asked.exchange);
  digest("case", asked.case_id);
  digest("reply_to", asked.reply_to);
  text("queue", asked.queue);
  text("kind", asked.kind);
  text("motif", asked.motif);
  text("code", asked.code);
  text("urgency", asked.urgency);
  text("date", asked.date);
  if (asked.created_at) text("created", std::to_string(asked.created_at->value));
  bytes("note", asked.note);
  text("handling", asked.handling);
  digest("recipients", asked.recipients);
  text("outcome", decided.outcome);
  text("rule", decided.rule);
  if (decided.directory.value != 0) text("directory", std::to_string(decided.directory.value));
  if (decided.head) {
    text("number", std::to_string(decided.head->number.value));
    bytes("head", decided.head->head);
  }
  text("shard", asked.shard);
  text("range", decided.range);
  if (decided.count) text("count", std::to_string(*decided.count));
  if (asked.key) bytes("key", asked.key->bytes);
  text("member", asked.member);
  bytes("statement", asked.statement);
  text("statistics", asked.statistics);
  text("terms", asked.terms);
  if (asked.erased_at) text("erased", std::to_string(asked.erased_at->value));
  if (asked.backups_at) text("backups", std::to_string(asked.backups_at->value));
  if (asked.shown_at) text("shown", std::to_string(asked.shown_at->value));
  if (asked.signature != nullptr) bytes("signature", *asked.signature);
  return record;
}

const std::vector<std::string_view>& shown_to(Shown party) {
  static const std::vector<std::string_view> sender = {
      "actor",    "person",  "role", "organisation", "act",     "exchange",  "case",
      "reply_to", "queue",   "kind", "code",         "urgency", "date",      "created",
      "handling", "outcome", "rule", "directory",    "key",     "signature", "shown"};
  static const std::vector<std::string_view> queue_member = {"act",     "exchange",  "case",   "queue", "kind",
                                                             "outcome", "directory", "number", "head"};
  static const std::vector<std::string_view> hidden = {"act",        "exchange", "queue", "outcome",
                                                       "recipients", "number",   "head"};
  static const std::vector<std::string_view> hidden_by_condition = {"act",     "exchange",   "queue",  "handling",
                                                                    "outcome", "recipients", "number", "head"};
  static const std::vector<std::string_view> hidden_by_kind = {"act",     "exchange",   "queue",  "kind",
                                                               "outcome", "recipients", "number", "head"};
  static const std::vector<std::string_view> hidden_from_sender = {
      "actor", "person",    "role",   "organisation", "act",        "exchange", "case",     "reply_to",
      "queue", "kind",      "code",   "urgency",      "date",       "created",  "handling", "outcome",
      "rule",  "directory", "number", "head",         "recipients", "key",      "signature"};
  // The note can be as large as a message: its commitment is enough for who wrote it.
  static const std::vector<std::string_view> opener = {
      "actor", "person", "role",       "organisation", "act",  "exchange",  "case", "reply_to",  "queue",
      "kind",  "motif",  "recipients", "outcome",      "rule", "directory", "key",  "statement", "signature"};
  static const std::vector<std::string_view> directory_holder = {"act", "outcome", "directory", "member", "statement"};
  static const std::vector<std::string_view> erasure = {"act", "exchange", "outcome", "rule", "erased", "backups"};
  switch (party) {
    case Shown::sender: return sender;
    case Shown::queue_member: return queue_member;
    case Shown::hidden: return hidden;
    case Shown::hidden_by_condition: return hidden_by_condition;
    case Shown::hidden_by_kind: return hidden_by_kind;
    case Shown::hidden_from_sender: return hidden_from_sender;
    case Shown::opener: return opener;
    case Shown::directory_holder: return directory_holder;
    case Shown::erasure: return erasure;
  }
  return directory_holder;
}

Bytes pack(const audit::Record& record) {
  PLI_INVARIANT(record.fields.size() <= UINT8_MAX);
  ByteWriter out;
  out.u8(packed_format);
  out.raw(record.seed);
  out.u8(static_cast<std::uint8_t>(record.fields.size()));
  for (const audit::Field& field : record.fields) {
    const std::size_t position = position_of(field.name);
    out.u8(static_cast<std::uint8_t>(position));
    if (position == 0) out.string8(field.name);
    if (field.value.size() < long_value) {
      out.u8(static_cast<std::uint8_t>(field.value.size()));
    } else {
      out.u8(long_value);
      out.u32(static_cast<std::uint32_t>(field.value.size()));
    }
    out.raw(field.value);
  }
  return out.take();
}

Result<audit::Record> unpack(ByteView packed) {
  const Error damaged{Errc::corruption, "stored record does not unpack"};
  ByteReader in(packed);
  if (in.u8() != packed_format) return damaged;
  audit::Record record;
  record.seed = in.array<32>();
  const std::size_t count = in.u8();
  if (count > audit::record_fields_max) return damaged;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    audit::Field field;
    const std::size_t position = in.u8();
    field.name = position == 0 ? in.string8() : std::string(name_at(position));
    std::size_t length = in.u8();
    if (length == long_value) length = in.u32();
    field.value = to_bytes(in.raw(length));
    if (field.name.empty() || field.value.size() > audit::record_value_bytes_max) return damaged;
    record.fields.push_back(std::move(field));
  }
  if (!in.at_end()) return damaged;
  return record;
}

Bytes pack(const audit::Disclosure& disclosure) {
  ByteWriter out;
  out.u8(disclosed_format);
  out.raw(audit::encode(disclosure));
  return out.take();
}

std::optional<audit::Disclosure> unpack_disclosure(ByteView packed) {
  if (packed.empty() || packed.front() != disclosed_format) return std::nullopt;
  auto disclosure = audit::decode_disclosure(packed.subspan(1));
  if (!disclosure) return std::nullopt;
  return *std::move(disclosure);
}

Result<audit::Record> open_record(std::uint32_t month, ByteView bound, ByteView stored,
                                  const std::optional<ByteView>& key) {
  if (month == record_in_clear) {
    auto record = unpack(stored);
    if (record && !is_kept_in_clear(*record)) return Error{Errc::corruption, "a record in clear that may not be"};
    return record;
  }
  if (!key) return Error{Errc::not_found, "record key"};
  const auto packed = crypto::open_box(stored, {bound}, *key);
  if (!packed) return packed.error();
  return unpack(*packed);
}

bool is_kept_in_clear(const audit::Record& record) {
  const Bytes* act = record.find("act");
  if (act == nullptr || record.find("actor") != nullptr) return false;
  const std::string_view name = as_text(*act);
  return name == act_erase || name == act_erase_exchange || name == act_terms || name == act_statistics ||
         name == act_init;
}

Bytes record_binding(const LeafPlace& place) {
  ByteWriter out;
  out.raw(as_bytes("pli-record/1"));
  out.u64(leaf_key(place));
  return out.take();
}

}  // namespace pli::broker
