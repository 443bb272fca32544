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
  static_cast<void>(form.named_exchange());
  for (const auto& [name, value] : form.attributes()) PLI_INVARIANT(is_attribute(form.kind(), name, value));
  if (const auto changes = form.changes_from(form)) PLI_INVARIANT(changes->empty());
}

}  // namespace pli::protocol
