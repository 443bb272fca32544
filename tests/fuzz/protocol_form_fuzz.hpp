// What the forms' fuzzers ask of every form that was read, whoever wrote it.
#pragma once

#include "protocol/form.hpp"
#include "protocol/printable.hpp"

namespace pli::protocol {

inline void expect_harmless(std::string_view text) {
  while (!text.empty()) {
    const auto character = take_character(text);
    PLI_INVARIANT(character && (*character == U'\n' || !steers_display(*character)));
  }
}

inline void expect_showable(const Form& form) {
  expect_harmless(form.to_french_text());
  expect_harmless(form.to_json());
  static_cast<void>(form.commune());
  static_cast<void>(form.urgency());
}

}  // namespace pli::protocol
