#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "protocol/form_check.hpp"
#include "protocol/form_date.hpp"
#include "protocol/printable.hpp"

// A form as people type it.

namespace pli::protocol {
namespace {

using Json = nlohmann::ordered_json;

constexpr int json_depth_max = 8;

// ---- reading -----------------------------------------------------------------------------------------------------

/// Takes the fields of one JSON object; what is left at the end nobody asked for.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string path, Problems& problems)
      : object_(object), path_(std::move(path)), problems_(problems) {}

  void choice(const Field& field, int& out, Choices list, Need need) {
    const auto text = take_text(field.name);
    if (!text || (need == Need::optional && *text == unknown_text)) return;
    if (const Choice* found = find_name(list, *text)) {
      out = found->number;
    } else {
      problems_.add(join(path_, field.name), "valeur hors liste ; valeurs possibles : " + values_of(list, need) + ".");
    }
  }

  void choices(const Field& field, std::vector<int>& out, Choices list, Need) {
    const Json* value = take(field.name);
    if (value == nullptr) return;
    const std::string path = join(path_, field.name);
    if (!value->is_array()) {
      problems_.add(path, "une liste [ ] est attendue.");
      return;
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      const Json& item = (*value)[i];
      const Choice* found = item.is_string() ? find_name(list, item.get_ref<const std::string&>()) : nullptr;
      if (found == nullptr) {
        problems_.add(element(path, i),
                      "valeur hors liste ; valeurs possibles : " + values_of(list, Need::required) + ".");
      } else {
        out.push_back(found->number);
      }
      if (i > list.size()) return;  // a long list is refused as such by the checks
    }
  }

  void line(const Field& field, std::string& out, Line line, Need) {
    const auto text = take_text(field.name);
    if (!text || *text == unknown_text) return;
    out = *text;
    if (line != Line::commune && line != Line::departement) return;
    for (char& c : out) {  // Corsica's letter, large in a commune's code and small in a département's
      if (line == Line::commune && (c == 'a' || c == 'b')) c = static_cast<char>(c - 'a' + 'A');
      if (line == Line::departement && (c == 'A' || c == 'B')) c = static_cast<char>(c - 'A' + 'a');
    }
  }

  void text(const Field& field, std::string& out, Need) {
    const auto text = take_text(field.name);
    if (!text) return;
    for (std::size_t i = 0; i < text->size(); ++i)
      if ((*text)[i] != '\r' || i + 1 == text->size() || (*text)[i + 1] != '\n') out += (*text)[i];
  }

  void date(const Field& field, std::uint32_t& out, When, Need) {
    const auto text = take_text(field.name);
    if (!text || *text == unknown_text) return;
    out = parse_date(*text);
    if (out == 0) problems_.add(join(path_, field.name), "une date AAAA-MM-JJ qui existe est attendue, ou inconnu.");
  }

  template <class T>
  void object(const Field& field, std::optional<T>& out, Need) {
    if (const Json* value = take(field.name)) read_object(*value, join(path_, field.name), problems_, out.emplace());
  }

  template <class T>
  void list(const Field& field, std::vector<T>& out, std::size_t limit) {
    const Json* value = take(field.name);
    if (value == nullptr) return;
    const std::string path = join(path_, field.name);
    if (!value->is_array()) {
      problems_.add(path, "une liste [ ] est attendue.");
      return;
    }
    if (value->size() > limit) {
      problems_.add(path, "trop d'éléments : " + std::to_string(limit) + " au plus.");
      return;
    }
    out.resize(value->size());
    for (std::size_t i = 0; i < out.size(); ++i) read_object((*value)[i], element(path, i), problems_, out[i]);
  }

  template <class T>
  static void read_object(const Json& value, const std::string& path, Problems& problems, T& out) {
    if (!value.is_object()) {
      problems.add(path, "un objet { } est attendu.");
      return;
    }
    JsonReader reader(value, path, problems);
    visit(reader, out);
    reader.finish();
  }

  const Json* take(std::string_view name) {
    expected_.push_back(name);
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }

  std::optional<std::string> take_text(std::string_view name) {
    const Json* value = take(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return value->get<std::string>();
    problems_.add(join(path_, name), "un texte entre guillemets est attendu.");
    return std::nullopt;
  }

  /// Names the place of an unknown field, never what was typed there: a misplaced quotation mark turns content into
  /// names.
  void finish() {
    std::size_t position = 0;
    for (auto field = object_.begin(); field != object_.end(); ++field) {
      ++position;
      if (std::find(expected_.begin(), expected_.end(), field.key()) != expected_.end()) continue;
      std::string names;
      for (std::string_view name : expected_) names += (names.empty() ? "" : ", ") + std::string(name);
      problems_.add(join(path_, "(champ " + std::to_string(position) + ")"),
                    "ce champ n'existe pas ici ; champs possibles : " + names + ".");
    }
  }

 private:
  const Json& object_;
  std::string path_;
  Problems& problems_;
  std::vector<std::string_view> expected_;
};

/// Parses, and finds what a parser would let pass: a name given twice, nesting without end. Comments are let pass: an
/// officer begins from a commented blank.
Json parse_json(std::string_view text, Problems& problems) {
  std::vector<std::set<std::string>> names;
  bool twice = false;
  bool deep = false;
  auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start: names.emplace_back(); break;
      case Json::parse_event_t::object_end: names.pop_back(); break;
      case Json::parse_event_t::key:
        if (!names.back().insert(parsed.get<std::string>()).second) twice = true;
        break;
      default: break;
    }
    if (depth > json_depth_max) deep = true;
    return true;
  };
  Json out = Json::parse(text, watch, /*allow_exceptions=*/false, /*ignore_comments=*/true);
  if (out.is_discarded()) {
    problems.add("", "ce n'est pas du JSON lisible ; vérifiez virgules, guillemets et encodage UTF-8.");
  } else if (twice) {
    problems.add("", "un même champ est donné deux fois ; n'en gardez qu'un.");
  } else if (deep) {
    problems.add("", "trop d'objets les uns dans les autres.");
  } else if (!out.is_object()) {
    problems.add("", "un objet { } est attendu.");
  }
  return out;
}

// ---- writing -----------------------------------------------------------------------------------------------------

class JsonWriter {
 public:
  void choice(const Field& field, int& value, Choices list, Need) {
    const Choice* found = find_number(list, value);
    put(field.name, found == nullptr ? unknown_text : found->name);
  }
  void choices(const Field& field, std::vector<int>& values, Choices list, Need) {
    Json names = Json::array();
    for (int value : values)
      if (const Choice* found = find_number(list, value)) names.push_back(std::string(found->name));
    put(field.name, std::move(names));
  }
  void line(const Field& field, std::string& value, Line, Need) {
    put(field.name, value.empty() ? unknown_text : std::string_view(value));
  }
  void text(const Field& field, std::string& value, Need) { put(field.name, value); }
  void date(const Field& field, std::uint32_t& value, When, Need) {
    put(field.name, value == 0 ? std::string(unknown_text) : typed_date(value));
  }
  template <class T>
  void object(const Field& field, std::optional<T>& value, Need) {
    if (value) put(field.name, written(*value));
  }
  template <class T>
  void list(const Field& field, std::vector<T>& values, std::size_t) {
    Json items = Json::array();
    for (T& value : values) items.push_back(written(value));
    put(field.name, std::move(items));
  }
  template <class Value>
  void put(std::string_view name, Value&& value) {
    out_[std::string(name)] = std::forward<Value>(value);
  }
  [[nodiscard]] const Json& json() const { return out_; }

 private:
  template <class T>
  static Json written(T& value) {
    JsonWriter writer;
    visit(writer, value);
    return std::move(writer.out_);
  }
  Json out_ = Json::object();
};

/// JSON whose reading aloud on a terminal is safe: what steers a display is written as \uXXXX. Valid, since such
/// characters stand only inside strings; line feeds between fields are ours.
std::string escape_steering(const std::string& json) {
  static constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  out.reserve(json.size());
  auto unit = [&](unsigned value) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += hex[value >> shift & 15U];
  };
  for (std::string_view rest = json; !rest.empty();) {
    const std::string_view before = rest;
    const auto character = take_character(rest);
    PLI_INVARIANT(character.has_value());  // the JSON library writes only UTF-8
    if (*character == U'\n' || !steers_display(*character)) {
      out += before.substr(0, before.size() - rest.size());
    } else if (*character < 0x10000) {
      unit(static_cast<unsigned>(*character));
    } else {
      unit(0xd800U + ((static_cast<unsigned>(*character) - 0x10000U) >> 10));
      unit(0xdc00U + (static_cast<unsigned>(*character) & 0x3ffU));
    }
  }
  return out;
}

// ---- a blank to begin from ---------------------------------------------------------------------------------------

constexpr std::string_view warning =
    "ni religion, ni origine, ni santé, ni passé judiciaire, ni nom qui n'ait pas son champ";

/// Every field there is, with what it takes in a comment above it. What is obligatory is left empty, and so refused as
/// long as nobody has filled it.
class BlankWriter {
 public:
  BlankWriter(std::string margin, Comments comments) : margin_(std::move(margin)), comments_(comments) {}

  void choice(const Field& field, int&, Choices list, Need need) {
    put(field, need, "l'une de : " + values_of(list, need), empty(need));
  }
  void choices(const Field& field, std::vector<int>&, Choices list, Need need) {
    put(field, need,
        (need == Need::required ? "une ou plusieurs de : " : "aucune ou plusieurs de : ") +
            values_of(list, Need::required),
        "[]");
  }
  void line(const Field& field, std::string&, Line line, Need need) { put(field, need, rule_of(line), empty(need)); }
  void text(const Field& field, std::string&, Need need) {
    put(field, need, std::to_string(free_text_chars_max) + " caractères au plus ; " + std::string(warning), "\"\"");
  }
  void date(const Field& field, std::uint32_t&, When when, Need need) {
    put(field, need, when == When::coming ? "AAAA-MM-JJ, à venir" : "AAAA-MM-JJ", empty(need));
  }
  template <class T>
  void object(const Field& field, std::optional<T>&, Need need) {
    if constexpr (requires { T::kind; }) {
      if (T::kind != Kind::signalement_individuel) {
        if (comments_ == Comments::with)
          lines_.push_back({margin_ + "  // ou \"" + std::string(field.name) + "\": { … }, comme dans pli form show " +
                                std::string(field.name),
                            false});
        return;
      }
      put(field, need, "le contenu corrigé, entier", blank_of<T>(margin_ + "  "));
    } else {
      put(field, need, need == Need::optional ? "retirez tout le bloc s'il ne sert pas" : "",
          blank_of<T>(margin_ + "  "));
    }
  }
  template <class T>
  void list(const Field& field, std::vector<T>&, std::size_t limit) {
    const std::string inner = margin_ + "    ";
    put(field, Need::optional, std::to_string(limit) + " au plus ; [] s'il n'y en a pas",
        "[\n" + inner + blank_of<T>(inner) + "\n" + margin_ + "  ]");
  }

  void put(const Field& field, Need need, const std::string& rule, const std::string& json) {
    if (comments_ == Comments::with) {
      std::string comment = margin_ + "  // " + std::string(field.label);
      if (need == Need::required) comment += " (obligatoire)";
      lines_.push_back({comment + (rule.empty() ? "" : " : " + rule), false});
    }
    lines_.push_back({margin_ + "  \"" + std::string(field.name) + "\": " + json, true});
  }

  [[nodiscard]] std::string written() const {
    std::size_t fields = static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(), [](const Row& line) { return line.is_field; }));
    std::string out = "{\n";
    for (const Row& line : lines_) {
      out += line.text;
      if (line.is_field && --fields != 0) out += ",";
      out += "\n";
    }
    return out + margin_ + "}";
  }

 private:
  struct Row {
    std::string text;
    bool is_field;
  };

  template <class T>
  [[nodiscard]] std::string blank_of(std::string margin) const {
    T blank;
    BlankWriter writer(std::move(margin), comments_);
    visit(writer, blank);
    return writer.written();
  }

  static std::string empty(Need need) {
    return need == Need::required ? "\"\"" : "\"" + std::string(unknown_text) + "\"";
  }

  static std::string rule_of(Line line) {
    switch (line) {
      case Line::any: return std::to_string(line_chars_max) + " caractères au plus";
      case Line::brief: return std::to_string(form_brief_bytes_max) + " octets au plus ; " + std::string(warning);
      case Line::commune: return "code INSEE à cinq caractères";
      case Line::departement: return "« 21 », « 2a », « 971 »";
      case Line::siren: return "neuf chiffres";
      case Line::rna: return "W et neuf chiffres";
      case Line::reference: return "lettres sans accent, chiffres, . _ - /";
      case Line::exchange: return "son numéro entier, 64 caractères";
    }
    return {};
  }

  std::vector<Row> lines_;
  std::string margin_;
  Comments comments_;
};

}  // namespace

std::optional<Content> from_json(std::string_view json, Problems& problems) {
  if (json.size() > form_bytes_max) {
    problems.add("", "formulaire trop long : " + std::to_string(form_bytes_max / 1024) + " Kio au plus.");
    return std::nullopt;
  }
  const Json parsed = parse_json(json, problems);
  if (!problems.empty()) return std::nullopt;
  JsonReader reader(parsed, "", problems);
  const auto type = reader.take_text("type");
  const auto kind = type ? kind_of(*type) : std::nullopt;
  auto content = kind ? content_of(*kind) : std::nullopt;
  if (!content) {
    std::string names;
    for (Kind known : form_kinds()) names += (names.empty() ? "" : ", ") + std::string(row_of(known)->name);
    problems.add("type", "champ obligatoire ; valeurs possibles : " + names + ".");
    return std::nullopt;
  }
  visit(reader, *content);
  reader.finish();
  return content;
}

std::string to_json(Content content) {
  JsonWriter writer;
  writer.put("type", row_of(kind_of(content))->name);
  visit(writer, content);
  return escape_steering(writer.json().dump(2)) + "\n";
}

std::string blank_form(Kind kind, Comments comments) {
  auto content = content_of(kind);
  if (!content) return {};
  const KindRow& row = *row_of(kind);
  BlankWriter writer("", comments);
  std::string out;
  if (comments == Comments::with) {
    out += "// " + std::string(row.french) + " : " + std::string(route_of(kind)) + "\n";
    out += "// Remplissez, puis : " +
           (kind == Kind::information_nominative
                ? "pli case inform NUMERO " + std::string(row.name) + ".json"
                : "pli send " + std::string(row.name) + ".json" + (row.names_case ? " --case NUMERO" : "")) +
           "\n// Partout où vous ne savez pas : inconnu. Ces commentaires peuvent rester.\n";
  }
  writer.put({0, "type", "Type"}, Need::required, "ne le changez pas", "\"" + std::string(row.name) + "\"");
  visit(writer, *content);
  return out + writer.written() + "\n";
}

}  // namespace pli::protocol
