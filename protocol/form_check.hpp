// What is wrong with a form, in French, field by field, without quoting what was typed. Internal to the forms.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/form.hpp"
#include "protocol/form_content.hpp"

namespace pli::protocol {

inline constexpr std::string_view unknown_text = "inconnu";

class Problems {
 public:
  /// The first of a field stays: "missing" after "not a text" would only confuse.
  void add(LocalCode code, std::string field, std::string french) {
    if (fields_.insert(field).second) list_.push_back({code, std::move(field), std::move(french)});
  }
  void add(std::string field, std::string french) { add(LocalCode::bad_form, std::move(field), std::move(french)); }
  [[nodiscard]] bool empty() const { return list_.empty(); }
  [[nodiscard]] std::vector<FormProblem> take() { return std::move(list_); }

 private:
  std::set<std::string> fields_;
  std::vector<FormProblem> list_;
};

[[nodiscard]] std::string join(std::string_view path, std::string_view name);  ///< "faits[0]", "date" → "faits[0].date"
[[nodiscard]] std::string element(std::string_view path, std::size_t position);  ///< "faits", 0 → "faits[0]"
[[nodiscard]] std::string values_of(Choices list, Need need);                    ///< "unique, repete, inconnu"

/// The fields read from this JSON text. What could not be read is among `problems`; nothing when no type is given.
[[nodiscard]] std::optional<Content> from_json(std::string_view json, Problems& problems);

struct CheckOptions {
  Form::KnownCommune is_known_commune = nullptr;  ///< null: any well-formed code
  void* context = nullptr;
  std::optional<UnixMillis> now = std::nullopt;  ///< none: only the calendar is checked
  bool typed = false;                            ///< by one of our users, who is there to correct it
};
void check(Content& content, const CheckOptions& options, Problems& problems);

}  // namespace pli::protocol
