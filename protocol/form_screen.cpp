#include <algorithm>
#include <string>

#include "protocol/form_check.hpp"
#include "protocol/form_date.hpp"
#include "protocol/printable.hpp"

// A form as it is read on a screen.

namespace pli::protocol {
namespace {

/// Every line that holds what a sender wrote begins with our own field.label or with "| ", so that no text can pass for
/// one of our headings.
class ScreenWriter {
 public:
  explicit ScreenWriter(std::string& out, std::string margin) : out_(out), margin_(std::move(margin)) {}

  void choice(const Field& field, int& value, Choices list, Need) {
    const Choice* found = find_number(list, value);
    put(field.label, found == nullptr ? unknown_text : found->french);
  }
  void choices(const Field& field, std::vector<int>& values, Choices list, Need) {
    std::string names;
    for (int value : values)
      if (const Choice* found = find_number(list, value))
        names += (names.empty() ? "" : ", ") + std::string(found->french);
    put(field.label, names.empty() ? "non précisé" : names);
  }
  void line(const Field& field, std::string& value, Line, Need) {
    put(field.label, value.empty() ? std::string(unknown_text) : printable(value));
  }
  void text(const Field& field, std::string& value, Need) {
    if (value.empty()) return put(field.label, "rien");
    start_line();
    out_ += field.label;
    out_ += " :\n";
    const std::string shown = printable(value, Newlines::keep);
    for (std::size_t start = 0; start <= shown.size();) {
      const std::size_t end = std::min(shown.find('\n', start), shown.size());
      out_ += margin_ + "  | " + shown.substr(start, end - start) + "\n";
      start = end + 1;
    }
  }
  void date(const Field& field, std::uint32_t& value, When, Need) {
    put(field.label, value == 0 ? std::string(unknown_text) : french_date(value));
  }
  template <class T>
  void object(const Field& field, std::optional<T>& value, Need) {
    if (!value) return;
    heading(field.label);
    ScreenWriter inner(out_, margin_ + "  ");
    visit(inner, *value);
  }
  template <class T>
  void list(const Field& field, std::vector<T>& values, std::size_t) {
    if (values.empty()) return;
    heading(field.label);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string number = std::to_string(i + 1) + ". ";
      ScreenWriter inner(out_, margin_ + "  " + std::string(number.size(), ' '));
      inner.first_margin_ = margin_ + "  " + number;
      visit(inner, values[i]);
    }
  }

 private:
  void heading(std::string_view label) {
    out_ += "\n" + margin_;
    out_ += label;
    out_ += "\n";
  }
  void put(std::string_view label, std::string_view value) {
    start_line();
    out_ += label;
    out_ += " : ";
    out_ += value;
    out_ += "\n";
  }
  void start_line() {
    out_ += first_margin_.empty() ? margin_ : first_margin_;
    first_margin_.clear();
  }
  std::string& out_;
  std::string margin_;
  std::string first_margin_;
};

}  // namespace

std::string to_french_text(Content content) {
  std::string out(row_of(kind_of(content))->french);
  out += "\n";
  ScreenWriter writer(out, "");
  visit(writer, content);
  return out;
}

}  // namespace pli::protocol
