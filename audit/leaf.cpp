#include "audit/leaf.hpp"

#include <algorithm>
#include <array>

#include "audit/text_lines.hpp"

namespace pli::audit {
namespace {

struct TypeName {
  LeafType type;
  std::string_view text;
};
constexpr std::array<TypeName, 14> type_names = {{
    {LeafType::collecte, "collecte"},
    {LeafType::modification, "modification"},
    {LeafType::consultation, "consultation"},
    {LeafType::communication, "communication"},
    {LeafType::transfert, "transfert"},
    {LeafType::interconnexion, "interconnexion"},
    {LeafType::effacement, "effacement"},
    {LeafType::refus, "refus"},
    {LeafType::connexion, "connexion"},
    {LeafType::habilitation, "habilitation"},
    {LeafType::exportation, "export"},
    {LeafType::agrement, "agrement"},
    {LeafType::verification, "verification"},
    {LeafType::registre, "registre"},
}};

constexpr std::string_view type_prefix = "pli-leaf/1 ";
constexpr std::string_view time_prefix = "time ";
constexpr std::string_view record_prefix = "record ";
constexpr std::string_view directory_prefix = "directory ";
constexpr std::string_view statement_prefix = "statement ";

std::optional<Digest> parse_digest(std::string_view hex) {
  const auto bytes = from_hex(hex);
  return bytes ? to_array<32>(*bytes) : std::nullopt;
}

}  // namespace

std::string_view text_of(LeafType type) {
  for (const TypeName& name : type_names)
    if (name.type == type) return name.text;
  return {};
}

std::optional<LeafType> leaf_type_of(std::string_view text) {
  for (const TypeName& name : type_names)
    if (name.text == text) return name.type;
  return std::nullopt;
}

bool is_encodable(const Leaf& leaf) {
  if (text_of(leaf.type).empty() || leaf.time.value < 0) return false;
  if (leaf.directory && leaf.directory->number.value == 0) return false;
  if (!leaf.statement) return true;
  const std::string& text = *leaf.statement;
  return !text.empty() && text.size() <= leaf_statement_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7E; });
}

std::string encode(const Leaf& leaf) {
  PLI_INVARIANT(is_encodable(leaf));
  std::string out;
  out.reserve(256);
  out += type_prefix;
  out += text_of(leaf.type);
  out += '\n';
  out += time_prefix;
  out += std::to_string(leaf.time.value);
  out += '\n';
  out += record_prefix;
  out += to_hex(leaf.record);
  out += '\n';
  if (leaf.directory) {
    out += directory_prefix;
    out += std::to_string(leaf.directory->number.value);
    out += ' ';
    out += to_hex(leaf.directory->digest);
    out += '\n';
  }
  if (leaf.statement) {
    out += statement_prefix;
    out += *leaf.statement;
    out += '\n';
  }
  PLI_INVARIANT(out.size() <= leaf_bytes_max);
  return out;
}

Result<Leaf> decode_leaf(std::string_view bytes) {
  const Error malformed{Errc::invalid_input, "malformed leaf"};
  if (bytes.size() > leaf_bytes_max) return malformed;
  auto type_line = take_line(bytes);
  auto time_line = take_line(bytes);
  auto record_line = take_line(bytes);
  if (!type_line || !time_line || !record_line) return malformed;
  if (!take_prefix(*type_line, type_prefix) || !take_prefix(*time_line, time_prefix) ||
      !take_prefix(*record_line, record_prefix))
    return malformed;
  const auto type = leaf_type_of(*type_line);
  const auto time = parse_decimal(*time_line);
  const auto record = parse_digest(*record_line);
  if (!type || !time || !record) return malformed;
  Leaf leaf;
  leaf.type = *type;
  leaf.time = UnixMillis{static_cast<std::int64_t>(*time)};  // negative from 2^63, and refused below
  leaf.record = *record;

  // Either line may be missing, none may stand twice or before its turn.
  if (bytes.substr(0, directory_prefix.size()) == directory_prefix) {
    auto line = take_line(bytes);
    if (!line || !take_prefix(*line, directory_prefix)) return malformed;
    const std::size_t space = line->find(' ');
    if (space == std::string_view::npos) return malformed;
    const auto number = parse_decimal(line->substr(0, space));
    const auto digest = parse_digest(line->substr(space + 1));
    if (!number || !digest) return malformed;
    leaf.directory = DirectoryReference{DirectoryNumber{*number}, *digest};
  }
  if (bytes.substr(0, statement_prefix.size()) == statement_prefix) {
    auto line = take_line(bytes);
    if (!line || !take_prefix(*line, statement_prefix)) return malformed;
    leaf.statement = std::string(*line);
  }
  if (!bytes.empty() || !is_encodable(leaf)) return malformed;
  return leaf;
}

}  // namespace pli::audit
