// What people and tools write: typed, validated before sealing, JSON in and out, protobuf inside (protocol/form.proto).
// Facts apart from appraisals; closed lists; *unknown* always allowed; no field that domain.md forbids.
// The broker never sees a form.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "protocol/error_catalogue.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

struct FormProblem {
  LocalCode code = LocalCode::bad_form;  ///< bad_form, unknown_commune, missing_dated_fact
  std::string field;                     ///< "faits[0].date": our own names only
  std::string french;                    ///< what is wrong and what to do, without quoting what was typed
  bool operator==(const FormProblem&) const = default;
};

struct Attachment {
  std::string name;  ///< file name without folder
  std::string media_type;
  Bytes bytes;
  bool operator==(const Attachment&) const = default;
};

/// One field that a rectification changes. No value: the field's part is not there at all.
struct FormChange {
  std::string field;   ///< "personnes[0].nom"
  std::string french;  ///< "Personnes 1, Nom"
  std::optional<std::string> before;
  std::optional<std::string> after;
  bool operator==(const FormChange&) const = default;
};
/// For the screen, what a sender wrote made safe to show.
[[nodiscard]] std::string to_french_text(const std::vector<FormChange>& changes);

/// One form, kept as its protobuf bytes.
class Form {
 public:
  /// Reads a JSON form ("type": "signalement_individuel", …), comments allowed. Unknown fields and values outside a
  /// closed list are refused; every problem found is reported, not only the first. `is_known_commune` answers for INSEE
  /// codes. With `now`, no date may lie after the latest day it is then anywhere (UTC+14); without, only the calendar
  /// is checked. A field that does not exist is named by its place ("faits[0].(champ 3)"), never by what was typed.
  /// Error: the list of problems, never empty.
  using KnownCommune = bool (*)(void* context, std::string_view code);  ///< null = any well-formed code
  [[nodiscard]] static Result<Form, std::vector<FormProblem>> from_json(std::string_view json,
                                                                        KnownCommune is_known_commune, void* context,
                                                                        std::optional<UnixMillis> now = std::nullopt);
  /// A retour: one closed code, no free text.
  [[nodiscard]] static Result<Form> retour(std::string_view code);
  /// A decision: a closed outcome and a short reason, sealed to the instance.
  [[nodiscard]] static Result<Form> decision(std::string_view outcome, std::string_view reason);
  /// Content as it was sealed; held to the same rules as what is typed, but for communes (their table changes) and
  /// for control characters, which are only kept off the screen. A field or value this version does not know is
  /// refused: a form shown without a part of it would mislead. Errors: invalid_input. Safe on hostile input.
  [[nodiscard]] static Result<Form> decode(ByteView content);

  [[nodiscard]] const Bytes& encode() const { return bytes_; }
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::string to_json() const;         ///< canonical order, field names as typed; attachments apart
  [[nodiscard]] std::string to_french_text() const;  ///< for the screen: facts, then appraisals, apart
  [[nodiscard]] std::string commune()
      const;  ///< INSEE code that routes it: residence or address, "2A004"; may be empty
  [[nodiscard]] Urgency urgency() const;
  /// The exchange it is about, as its author named it: the address's in-reply-to says the same. None: it names none.
  [[nodiscard]] std::optional<Digest> named_exchange() const;
  /// What its kind says in clear beside the address (vocabulary.hpp, attribute_name): the address says the same.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> attributes() const;
  /// What this rectification changes in `before`: the exchange it names, or an earlier rectification of it. Nothing
  /// when this is no rectification of a form of that type.
  [[nodiscard]] std::optional<std::vector<FormChange>> changes_from(const Form& before) const;
  [[nodiscard]] const std::vector<Attachment>& attachments() const { return attachments_; }
  /// Errors: over_limit (attachments_max, exchange_bytes_max), invalid_input (name, also one given twice; media type).
  [[nodiscard]] Result<void> attach(Attachment attachment);
  bool operator==(const Form&) const = default;

 private:
  Form(Kind kind, Bytes bytes, std::vector<Attachment> attachments)
      : kind_(kind), bytes_(std::move(bytes)), attachments_(std::move(attachments)) {}
  Kind kind_;
  Bytes bytes_;
  std::vector<Attachment> attachments_;
};

/// Every kind that has a form.
[[nodiscard]] std::span<const Kind> form_kinds();
/// From whom to whom such a form goes, in French. Empty: the kind has no form.
[[nodiscard]] std::string_view route_of(Kind kind);

/// A form to fill, in JSON: every field, what is obligatory left empty, and with comments that say what each takes.
/// Empty: the kind has no form.
enum class Comments { with, without };
[[nodiscard]] std::string blank_form(Kind kind, Comments comments);

/// The closed lists, for help texts and tests.
/// Those of one field of a form, empty when it is no closed list there.
[[nodiscard]] std::vector<std::string_view> choices_of(Kind kind, std::string_view field);
/// One of those as people read it; empty when there is no such choice.
[[nodiscard]] std::string_view french_choice(Kind kind, std::string_view field, std::string_view choice);
[[nodiscard]] std::vector<std::string_view> retour_codes();
[[nodiscard]] std::vector<std::string_view> decision_outcomes();

}  // namespace pli::protocol
