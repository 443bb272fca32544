#include <algorithm>
#include <utility>

#include "protocol/form.hpp"
#include "protocol/form_check.hpp"
#include "protocol/form_date.hpp"
#include "protocol/printable.hpp"

// What a rectification changes, for who may read both contents. Elements of a list are compared by their place.

namespace pli::protocol {
namespace {

struct Value {
  std::string field;
  std::string french;
  std::string shown;
};

/// Every field of a form with its place and what it says.
class Lister {
 public:
  Lister(std::vector<Value>& out, std::string path, std::string label)
      : out_(out), path_(std::move(path)), label_(std::move(label)) {}

  void choice(const Field& field, int& value, Choices list, Need) {
    const Choice* found = find_number(list, value);
    put(field, std::string(found == nullptr ? unknown_text : found->french));
  }
  void choices(const Field& field, std::vector<int>& values, Choices list, Need) {
    std::string names;
    for (int value : values)
      if (const Choice* found = find_number(list, value))
        names += (names.empty() ? "" : ", ") + std::string(found->french);
    put(field, names.empty() ? "rien" : names);
  }
  void line(const Field& field, std::string& value, Line, Need) {
    put(field, value.empty() ? std::string(unknown_text) : value);
  }
  void text(const Field& field, std::string& value, Need) { put(field, value.empty() ? "rien" : value); }
  void date(const Field& field, std::uint32_t& value, When, Need) {
    put(field, value == 0 ? std::string(unknown_text) : french_date(value));
  }
  template <class T>
  void object(const Field& field, std::optional<T>& value, Need) {
    if (value) within(join(path_, field.name), std::string(field.label), *value);
  }
  template <class T>
  void list(const Field& field, std::vector<T>& values, std::size_t) {
    for (std::size_t i = 0; i < values.size(); ++i)
      within(element(join(path_, field.name), i), std::string(field.label) + " " + std::to_string(i + 1), values[i]);
  }

 private:
  void put(const Field& field, std::string shown) {
    out_.push_back({join(path_, field.name), label_ + std::string(field.label), std::move(shown)});
  }
  template <class T>
  void within(std::string path, const std::string& label, T& value) {
    Lister inner(out_, std::move(path), label_ + label + ", ");
    visit(inner, value);
  }
  std::vector<Value>& out_;
  std::string path_;
  std::string label_;
};

std::vector<Value> values_in(Content content) {
  std::vector<Value> out;
  Lister lister(out, "", "");
  visit(lister, content);
  return out;
}

const Value* find(const std::vector<Value>& values, std::string_view field) {
  const auto found =
      std::find_if(values.begin(), values.end(), [field](const Value& value) { return value.field == field; });
  return found == values.end() ? nullptr : &*found;
}

void put_side(std::string& out, std::string_view side, const std::optional<std::string>& value,
              std::string_view without) {
  const std::string shown = value ? printable(*value, Newlines::keep) : std::string(without);
  for (std::size_t start = 0; start <= shown.size();) {
    const std::size_t end = std::min(shown.find('\n', start), shown.size());
    out += "    ";
    out += side;
    out += " | " + shown.substr(start, end - start) + "\n";
    start = end + 1;
  }
}

}  // namespace

std::vector<FormChange> changes_between(Content before, Content after) {
  const std::vector<Value> old_values = values_in(std::move(before));
  const std::vector<Value> new_values = values_in(std::move(after));
  std::vector<FormChange> out;
  for (const Value& value : new_values) {
    const Value* old = find(old_values, value.field);
    if (old == nullptr)
      out.push_back({value.field, value.french, std::nullopt, value.shown});
    else if (old->shown != value.shown)
      out.push_back({value.field, value.french, old->shown, value.shown});
  }
  for (const Value& value : old_values)
    if (find(new_values, value.field) == nullptr) out.push_back({value.field, value.french, value.shown, std::nullopt});
  return out;
}

std::string to_french_text(const std::vector<FormChange>& changes) {
  std::string out = "CE QUI CHANGE\n";
  if (changes.empty()) return out + "  rien\n";
  for (const FormChange& change : changes) {
    out += "  " + change.french + "\n";
    put_side(out, "avant", change.before, "(n'y était pas)");
    put_side(out, "après", change.after, "(retiré)");
  }
  return out;
}

}  // namespace pli::protocol
