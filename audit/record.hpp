// What an auditor reads: an ordered list of fields, each committed by its own salt, so that each party is shown
// only what it may see and a shown field proves itself (design §8). Layouts: docs/protocol.md, "Records".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pli::audit {

inline constexpr std::size_t record_fields_max = 48;
inline constexpr std::size_t record_value_bytes_max = 64 * 1024;

struct Field {
  std::string name;  ///< [a-z_]{1,32}, each once
  Bytes value;
  bool operator==(const Field&) const = default;
};

/// A record as the broker keeps it: fields and the one seed all salts come from.
/// salt_i = bytes [16·i, 16·i+16) of the ChaCha20 keystream under the seed.
struct Record {
  ByteArray<32> seed{};
  std::vector<Field> fields;
  void add(std::string name, ByteView value) { fields.push_back({std::move(name), to_bytes(value)}); }
  void add(std::string name, std::string_view value) { fields.push_back({std::move(name), to_bytes(value)}); }
  [[nodiscard]] const Bytes* find(std::string_view name) const;
  bool operator==(const Record&) const = default;
};

[[nodiscard]] Record new_record();  ///< A fresh random seed, no field yet.
/// u8 1 ‖ seed ‖ u16 count ‖ count × (u8 name length ‖ name ‖ u32 value length ‖ value).
/// Like every function here that takes a Record: a malformed or repeated name, a value or a count over its maximum
/// is our mistake and terminates.
[[nodiscard]] Bytes encode(const Record& record);
/// Errors: invalid_input. Whatever decodes encodes to the same bytes.
[[nodiscard]] Result<Record> decode_record(ByteView bytes);

/// SHA-256("pli-field/1" ‖ salt16 ‖ name ‖ 0x00 ‖ value).
[[nodiscard]] Digest field_commitment(const ByteArray<16>& salt, const Field& field);
/// The commitments of all fields, in their order: most of a record's cost. Whoever needs both the digest and a
/// disclosure makes them once and passes them to both.
[[nodiscard]] std::vector<Digest> field_commitments(const Record& record);
/// SHA-256("pli-record/1" ‖ u16 count ‖ commitments): what a leaf carries.
[[nodiscard]] Digest record_digest(std::span<const Digest> commitments);
[[nodiscard]] Digest record_digest(const Record& record);

/// A record with some fields shown and the rest hidden behind their commitments.
struct DisclosedField {
  Digest commitment{};
  struct Opening {
    ByteArray<16> salt{};
    Field field;
    bool operator==(const Opening&) const = default;
  };
  std::optional<Opening> opening;
  bool operator==(const DisclosedField&) const = default;
};
struct Disclosure {
  std::vector<DisclosedField> fields;
  [[nodiscard]] const Bytes* find(std::string_view name) const;  ///< A shown field's value.
  bool operator==(const Disclosure&) const = default;
};

/// Shows the named fields (those the record has), hides the others.
[[nodiscard]] Disclosure disclose(const Record& record, const std::vector<std::string_view>& shown);
/// The same when field_commitments(record) are at hand.
[[nodiscard]] Disclosure disclose(const Record& record, std::span<const Digest> commitments,
                                  const std::vector<std::string_view>& shown);
[[nodiscard]] Disclosure disclose_all(const Record& record);
/// u8 1 ‖ u16 count ‖ count × (commitment ‖ u8 shown), followed where shown is 1 by
/// (salt16 ‖ u8 name length ‖ name ‖ u32 value length ‖ value). Nothing of a hidden field but its commitment.
[[nodiscard]] Bytes encode(const Disclosure& disclosure);
/// Every shown field is checked against its commitment. Errors: invalid_input, authentication_failed.
[[nodiscard]] Result<Disclosure> decode_disclosure(ByteView bytes);
/// The check decode_disclosure ends with, for a disclosure that came another way. Errors: as above.
[[nodiscard]] Result<void> verify_openings(const Disclosure& disclosure);
[[nodiscard]] Digest record_digest(const Disclosure& disclosure);

}  // namespace pli::audit
