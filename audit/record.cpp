#include "audit/record.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "crypto/random.hpp"

namespace pli::audit {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t salt_bytes = 16;
constexpr std::size_t name_bytes_max = 32;

bool is_field(const Field& field) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !field.name.empty() && field.name.size() <= name_bytes_max &&
         std::all_of(field.name.begin(), field.name.end(), allowed) && field.value.size() <= record_value_bytes_max;
}

bool is_record(const Record& record) {
  if (record.fields.size() > record_fields_max) return false;
  for (auto field = record.fields.begin(); field != record.fields.end(); ++field) {
    if (!is_field(*field)) return false;
    if (std::any_of(record.fields.begin(), field, [&](const Field& other) { return other.name == field->name; }))
      return false;
  }
  return true;
}

/// The salts of all fields, one after another.
Bytes salts_of(const Record& record) { return crypto::expand_seed(record.seed, salt_bytes * record.fields.size()); }

ByteArray<salt_bytes> salt_at(ByteView salts, std::size_t index) {
  ByteArray<salt_bytes> salt{};
  std::copy_n(salts.begin() + static_cast<std::ptrdiff_t>(salt_bytes * index), salt_bytes, salt.begin());
  return salt;
}

std::vector<Digest> commitments_of(const Record& record, ByteView salts) {
  std::vector<Digest> commitments;
  commitments.reserve(record.fields.size());
  for (std::size_t i = 0; i < record.fields.size(); ++i)
    commitments.push_back(field_commitment(salt_at(salts, i), record.fields[i]));
  return commitments;
}

void write_field(ByteWriter& writer, const Field& field) {
  writer.string8(field.name);
  writer.bytes32(field.value);
}

/// Fails the reader on a field that is not one.
Field read_field(ByteReader& reader) {
  Field field;
  field.name = reader.string8();
  const ByteView value = reader.bytes32();
  if (value.size() <= record_value_bytes_max)
    field.value = to_bytes(value);
  else
    reader.fail();
  if (!is_field(field)) reader.fail();
  return field;
}

}  // namespace

const Bytes* Record::find(std::string_view name) const {
  for (const Field& field : fields)
    if (field.name == name) return &field.value;
  return nullptr;
}

const Bytes* Disclosure::find(std::string_view name) const {
  for (const DisclosedField& field : fields)
    if (field.opening && field.opening->field.name == name) return &field.opening->field.value;
  return nullptr;
}

Record new_record() {
  Record record;
  record.seed = crypto::random_array<32>();
  return record;
}

Bytes encode(const Record& record) {
  PLI_INVARIANT(is_record(record));
  ByteWriter writer;
  writer.u8(format);
  writer.raw(record.seed);
  writer.u16(static_cast<std::uint16_t>(record.fields.size()));
  for (const Field& field : record.fields) write_field(writer, field);
  return writer.take();
}

Result<Record> decode_record(ByteView bytes) {
  const Error malformed{Errc::invalid_input, "malformed record"};
  ByteReader reader(bytes);
  if (reader.u8() != format) return malformed;
  Record record;
  record.seed = reader.array<32>();
  const std::size_t count = reader.u16();
  if (count > record_fields_max) return malformed;
  record.fields.reserve(count);
  for (std::size_t i = 0; i < count && reader.ok(); ++i) record.fields.push_back(read_field(reader));
  if (!reader.at_end() || !is_record(record)) return malformed;
  return record;
}

Digest field_commitment(const ByteArray<16>& salt, const Field& field) {
  static constexpr ByteArray<1> zero = {0x00};
  return crypto::sha256(
      {as_bytes("pli-field/1"), ByteView(salt), as_bytes(field.name), ByteView(zero), ByteView(field.value)});
}

std::vector<Digest> field_commitments(const Record& record) {
  PLI_INVARIANT(is_record(record));
  return commitments_of(record, salts_of(record));
}

Digest record_digest(std::span<const Digest> commitments) {
  PLI_INVARIANT(commitments.size() <= record_fields_max);
  const ByteArray<2> count = {0, static_cast<std::uint8_t>(commitments.size())};
  crypto::Sha256 hash;
  hash.update(as_bytes("pli-record/1"));
  hash.update(count);
  for (const Digest& commitment : commitments) hash.update(commitment);
  return hash.finish();
}

Digest record_digest(const Record& record) { return record_digest(field_commitments(record)); }

Digest record_digest(const Disclosure& disclosure) {
  std::vector<Digest> commitments;
  commitments.reserve(disclosure.fields.size());
  for (const DisclosedField& field : disclosure.fields) commitments.push_back(field.commitment);
  return record_digest(commitments);
}

Disclosure disclose(const Record& record, std::span<const Digest> commitments,
                    const std::vector<std::string_view>& shown) {
  PLI_INVARIANT(is_record(record) && commitments.size() == record.fields.size());
  const Bytes salts = salts_of(record);
  Disclosure disclosure;
  disclosure.fields.resize(record.fields.size());
  for (std::size_t i = 0; i < record.fields.size(); ++i) {
    disclosure.fields[i].commitment = commitments[i];
    if (std::find(shown.begin(), shown.end(), record.fields[i].name) != shown.end())
      disclosure.fields[i].opening = DisclosedField::Opening{salt_at(salts, i), record.fields[i]};
  }
  return disclosure;
}

Disclosure disclose(const Record& record, const std::vector<std::string_view>& shown) {
  return disclose(record, field_commitments(record), shown);
}

Disclosure disclose_all(const Record& record) {
  std::vector<std::string_view> names;
  names.reserve(record.fields.size());
  for (const Field& field : record.fields) names.push_back(field.name);
  return disclose(record, names);
}

Bytes encode(const Disclosure& disclosure) {
  PLI_INVARIANT(disclosure.fields.size() <= record_fields_max);
  ByteWriter writer;
  writer.u8(format);
  writer.u16(static_cast<std::uint16_t>(disclosure.fields.size()));
  for (const DisclosedField& field : disclosure.fields) {
    writer.raw(field.commitment);
    writer.u8(field.opening ? 1 : 0);
    if (!field.opening) continue;
    writer.raw(field.opening->salt);
    write_field(writer, field.opening->field);
  }
  return writer.take();
}

Result<Disclosure> decode_disclosure(ByteView bytes) {
  const Error malformed{Errc::invalid_input, "malformed disclosure"};
  ByteReader reader(bytes);
  if (reader.u8() != format) return malformed;
  const std::size_t count = reader.u16();
  if (count > record_fields_max) return malformed;
  Disclosure disclosure;
  disclosure.fields.resize(count);
  for (DisclosedField& field : disclosure.fields) {
    field.commitment = reader.array<32>();
    const std::uint8_t shown = reader.u8();
    if (!reader.ok() || shown > 1) return malformed;
    if (shown == 0) continue;
    DisclosedField::Opening opening;
    opening.salt = reader.array<salt_bytes>();
    opening.field = read_field(reader);
    field.opening = std::move(opening);
  }
  if (!reader.at_end()) return malformed;
  if (auto opened = verify_openings(disclosure); !opened) return opened.error();
  return disclosure;
}

Result<void> verify_openings(const Disclosure& disclosure) {
  const Error malformed{Errc::invalid_input, "malformed disclosure"};
  if (disclosure.fields.size() > record_fields_max) return malformed;
  for (auto field = disclosure.fields.begin(); field != disclosure.fields.end(); ++field) {
    if (!field->opening) continue;
    if (!is_field(field->opening->field)) return malformed;
    // A name shown twice would let each reader believe another value.
    const auto same_name = [&](const DisclosedField& other) {
      return other.opening && other.opening->field.name == field->opening->field.name;
    };
    if (std::any_of(disclosure.fields.begin(), field, same_name)) return malformed;
    if (field_commitment(field->opening->salt, field->opening->field) != field->commitment)
      return Error{Errc::authentication_failed, "a shown field is not the one committed to"};
  }
  return {};
}

}  // namespace pli::audit
