#include "client/link_record.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "crypto/secret_box.hpp"

namespace pli::client {
namespace {

using Json = nlohmann::json;

constexpr std::uint8_t record_version = 1;
constexpr std::size_t subjects_max = 255;
constexpr std::string_view entry_bound = "pli-link/1";
constexpr std::string_view decision_bound = "pli-link-decision/1";
constexpr std::string_view indexed_category = "personne_signalee";
constexpr std::string_view unknown_text = "inconnu";

Error damaged() { return {Errc::corruption, "a record of link hints"}; }

// ---- what a form says -----------------------------------------------------------------------------------------------

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return {};
  auto text = found->get<std::string>();
  return text == unknown_text ? std::string() : text;
}

std::uint32_t date_in(const Json& object, const char* name) {
  std::uint32_t out = 0;
  for (char c : text_in(object, name))
    if (c >= '0' && c <= '9' && out < std::numeric_limits<std::uint32_t>::max() / 10 - 9)
      out = out * 10 + static_cast<std::uint32_t>(c - '0');
  return out;
}

/// The content a rectification carries: the one member of it that is an object.
const Json& corrected_in(const Json& rectification) {
  if (rectification.is_object())
    for (const Json& member : rectification)
      if (member.is_object()) return member;
  static const Json nothing;
  return nothing;
}

// ---- layout ---------------------------------------------------------------------------------------------------------

void write_text(ByteWriter& out, std::string_view text) {
  out.bytes16(as_bytes(text.substr(0, std::min(text.size(), link_text_bytes_max))));
}
std::string read_text(ByteReader& in) {
  const ByteView got = in.bytes16();
  if (got.size() > link_text_bytes_max) in.fail();
  return std::string(as_text(got));
}

Bytes padded(Bytes bytes) {
  bytes.resize((bytes.size() / link_record_bucket_bytes + 1) * link_record_bucket_bytes);
  return bytes;
}
bool has_bucket_size(ByteView bytes) { return bytes.size() % link_record_bucket_bytes == 0; }
/// Nothing but the padding of padded() is left.
bool ends_well(const ByteReader& in) {
  return in.ok() && in.rest().size() >= 1 && in.rest().size() <= link_record_bucket_bytes &&
         std::all_of(in.rest().begin(), in.rest().end(), [](std::uint8_t byte) { return byte == 0; });
}

Bytes bound_to(const protocol::ExchangeId& exchange, const Digest& case_id) {
  Bytes out = to_bytes(entry_bound);
  append(out, exchange);
  append(out, case_id);
  return out;
}

Bytes seal(Bytes plaintext, ByteView bound, const crypto::SecretKey& key) {
  Bytes sealed = crypto::seal_box(plaintext, {bound}, key.expose());
  crypto::wipe(plaintext);
  return sealed;
}

}  // namespace

LinkSubjects subjects_of(const protocol::Form& form) {
  LinkSubjects out;
  const Json json = Json::parse(form.to_json(), nullptr, false);
  const Json& content = form.kind() == protocol::Kind::rectification ? corrected_in(json) : json;
  if (!content.is_object()) return out;
  if (const auto persons = content.find("personnes"); persons != content.end() && persons->is_array())
    for (const Json& person : *persons) {
      if (!person.is_object() || text_in(person, "categorie") != indexed_category) continue;
      LinkPerson one = link_person(text_in(person, "nom"), text_in(person, "prenoms"),
                                   date_in(person, "date_naissance"), text_in(person, "commune"));
      const bool named = !one.name.family.empty() || !one.name.given.empty();
      if (named && out.persons.size() < subjects_max) out.persons.push_back(std::move(one));
    }
  if (const auto structure = content.find("structure"); structure != content.end() && structure->is_object()) {
    LinkStructure one =
        link_structure(text_in(*structure, "nom"), text_in(*structure, "adresse"), text_in(*structure, "commune"),
                       text_in(*structure, "siren"), text_in(*structure, "rna"));
    if (!one.name.empty() || !one.address.empty() || !one.siren.empty() || !one.rna.empty())
      out.structures.push_back(std::move(one));
  }
  return out;
}

Bytes encode_link_entry(const LinkEntry& entry) {
  ByteWriter out;
  out.u8(record_version);
  write_text(out, entry.territory);
  PLI_INVARIANT(entry.subjects.persons.size() <= subjects_max && entry.subjects.structures.size() <= subjects_max);
  out.u8(static_cast<std::uint8_t>(entry.subjects.persons.size()));
  for (const LinkPerson& person : entry.subjects.persons) {
    write_text(out, person.family);
    write_text(out, person.given);
    out.u32(person.birth);
    write_text(out, person.commune);
  }
  out.u8(static_cast<std::uint8_t>(entry.subjects.structures.size()));
  for (const LinkStructure& structure : entry.subjects.structures) {
    write_text(out, structure.name);
    write_text(out, structure.address);
    write_text(out, structure.commune);
    write_text(out, structure.siren);
    write_text(out, structure.rna);
  }
  return padded(out.take());
}

Result<LinkEntry> decode_link_entry(ByteView bytes) {
  ByteReader in(bytes);
  if (!has_bucket_size(bytes) || in.u8() != record_version) return damaged();
  LinkEntry out;
  out.territory = read_text(in);
  for (std::uint8_t left = in.u8(); left > 0 && in.ok(); --left) {
    LinkPerson& person = out.subjects.persons.emplace_back();
    person.family = read_text(in);
    person.given = read_text(in);
    person.birth = in.u32();
    person.commune = read_text(in);
    person.name = person_name(person.family, person.given);
  }
  for (std::uint8_t left = in.u8(); left > 0 && in.ok(); --left) {
    LinkStructure& structure = out.subjects.structures.emplace_back();
    structure.name = read_text(in);
    structure.address = read_text(in);
    structure.commune = read_text(in);
    structure.siren = read_text(in);
    structure.rna = read_text(in);
    structure.name_parts = name_field(structure.name);
  }
  if (!ends_well(in)) return damaged();
  return out;
}

Bytes encode_link_decision(const LinkDecision& decision) {
  ByteWriter out;
  out.u8(record_version);
  out.raw(decision.pair.first);
  out.raw(decision.pair.second);
  out.u8(static_cast<std::uint8_t>(decision.verdict));
  out.u64(static_cast<std::uint64_t>(decision.decided_at.value));
  write_text(out, decision.decided_by);
  PLI_INVARIANT(decision.reasons.size() <= subjects_max);
  out.u8(static_cast<std::uint8_t>(decision.reasons.size()));
  for (LinkReason reason : decision.reasons) out.u8(static_cast<std::uint8_t>(reason));
  return padded(out.take());
}

Result<LinkDecision> decode_link_decision(ByteView bytes) {
  ByteReader in(bytes);
  if (!has_bucket_size(bytes) || in.u8() != record_version) return damaged();
  LinkDecision out;
  out.pair.first = in.array<32>();
  out.pair.second = in.array<32>();
  const std::uint8_t verdict = in.u8();
  if (verdict != static_cast<std::uint8_t>(LinkVerdict::accepted) &&
      verdict != static_cast<std::uint8_t>(LinkVerdict::rejected))
    return damaged();
  out.verdict = static_cast<LinkVerdict>(verdict);
  const std::uint64_t at = in.u64();
  if (at >> 63 != 0) return damaged();
  out.decided_at = UnixMillis{static_cast<std::int64_t>(at)};
  out.decided_by = read_text(in);
  for (std::uint8_t left = in.u8(); left > 0 && in.ok(); --left) {
    const auto reason = link_reason_of(in.u8());
    if (!reason) return damaged();
    out.reasons.push_back(*reason);
  }
  if (!ends_well(in)) return damaged();
  return out;
}

Bytes seal_link_entry(const LinkEntry& entry, const crypto::SecretKey& key) {
  return seal(encode_link_entry(entry), bound_to(entry.exchange, entry.case_id), key);
}

Result<LinkEntry> open_link_entry(ByteView sealed, const protocol::ExchangeId& exchange, const Digest& case_id,
                                  const crypto::SecretKey& key) {
  const Bytes bound = bound_to(exchange, case_id);
  auto plaintext = crypto::open_box(sealed, {bound}, key.expose());
  if (!plaintext) return plaintext.error();
  auto entry = decode_link_entry(*plaintext);
  crypto::wipe(*plaintext);
  if (!entry) return entry.error();
  entry->exchange = exchange;
  entry->case_id = case_id;
  return entry;
}

Bytes seal_link_decision(const LinkDecision& decision, const crypto::SecretKey& key) {
  return seal(encode_link_decision(decision), as_bytes(decision_bound), key);
}

Result<LinkDecision> open_link_decision(ByteView sealed, const crypto::SecretKey& key) {
  auto plaintext = crypto::open_box(sealed, {as_bytes(decision_bound)}, key.expose());
  if (!plaintext) return plaintext.error();
  auto decision = decode_link_decision(*plaintext);
  crypto::wipe(*plaintext);
  return decision;
}

}  // namespace pli::client
