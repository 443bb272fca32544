#include "client/rectification.hpp"

#include <utility>

namespace pli::client {
namespace {

Digest case_of(const OpenedExchange& opened) {
  const Digest& named = opened.content.address.case_id;
  return named == Digest{} ? opened.exchange : named;
}

}  // namespace

Outcome<Corrected> open_corrected(Session& session, const OpenedExchange& rectification, const OpenOptions& options) {
  if (!rectification.form || rectification.form->kind() != protocol::Kind::rectification)
    return Failure(protocol::LocalCode::bad_form, "it corrects nothing");
  auto before = open_exchange(session, *rectification.form->named_exchange(), options);
  if (!before) return before.error();
  if (!before->form || case_of(*before) != case_of(rectification))
    return Failure(protocol::LocalCode::bad_form, "what it names is no form of its case");
  auto changes = rectification.form->changes_from(*before->form);
  if (!changes) return Failure(protocol::LocalCode::bad_form, "what it names is no form of the type it gives");
  return Corrected{std::move(*before), std::move(*changes)};
}

}  // namespace pli::client
