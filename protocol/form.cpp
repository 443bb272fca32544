#include "protocol/form.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/exchange.hpp"
#include "protocol/form_check.hpp"
#include "protocol/form_content.hpp"
#include "protocol/form_date.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

namespace pli::protocol {
namespace {

constexpr std::uint8_t content_version = 1;

template <std::size_t... I>
constexpr auto kinds_of(std::index_sequence<I...>) {
  return std::array<Kind, sizeof...(I)>{std::variant_alternative_t<I, Content>::kind...};
}
constexpr auto kinds_with_form = kinds_of(std::make_index_sequence<std::variant_size_v<Content>>());

// Sealed content: u8 1 ‖ u16 kind ‖ u32-prefixed protobuf ‖ u8 n ‖ n × (string8 name ‖ string8 type ‖ u32-prefixed).

constexpr std::size_t protobuf_at = 1 + 2 + 4;

Bytes to_content(const Content& content) {
  ByteWriter out;
  out.u8(content_version);
  out.u16(static_cast<std::uint16_t>(kind_of(content)));
  out.bytes32(to_protobuf(content));
  out.u8(0);
  return out.take();
}

/// Of bytes we made or checked ourselves.
Content reread(Kind kind, const Bytes& bytes) {
  ByteReader in(bytes);
  static_cast<void>(in.raw(1 + 2));
  auto content = from_protobuf(kind, in.bytes32());
  PLI_INVARIANT(content.has_value());
  return *std::move(content);
}

/// A name that is one file in whatever folder it is written to, on any system, and that no shell takes for an option.
bool is_attachment_name(std::string_view name) {
  static constexpr std::string_view forbidden = "/\\<>:\"|?*";
  if (name.empty() || name.size() > attachment_name_bytes_max) return false;
  if (name.front() == '.' || name.front() == '-' || name.front() == ' ') return false;
  if (name.back() == '.' || name.back() == ' ') return false;
  for (std::string_view rest = name; !rest.empty();) {
    const auto character = take_character(rest);
    if (!character || steers_display(*character)) return false;
    if (*character < 0x80 && forbidden.find(static_cast<char>(*character)) != std::string_view::npos) return false;
  }
  return true;
}

bool is_media_type(std::string_view text) {
  if (text.size() > media_type_bytes_max) return false;
  const std::size_t slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == text.size()) return false;
  return std::all_of(text.begin(), text.end(), [slash, &text](const char& c) {
    if (c == '/') return &c == text.data() + slash;
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '+' || c == '-';
  });
}

Result<void> check_attachment(const std::vector<Attachment>& present, const Attachment& attachment) {
  if (present.size() >= attachments_max) return Error{Errc::over_limit, "attachments_max"};
  if (!is_attachment_name(attachment.name)) return Error{Errc::invalid_input, "attachment name"};
  if (!is_media_type(attachment.media_type)) return Error{Errc::invalid_input, "attachment media type"};
  for (const Attachment& other : present)
    if (other.name == attachment.name) return Error{Errc::invalid_input, "attachment name given twice"};
  return {};
}

/// Whether content of this size, with all that surrounds it at its largest, still makes an exchange.
bool fits_exchange(Kind kind, std::size_t content_bytes) {
  constexpr std::size_t age_nonce = 16;
  constexpr std::size_t age_chunk = 64 * 1024;
  constexpr std::size_t age_tag = 16;
  const std::size_t around =
      4 + address_bytes_max + 4 + 2 + checkpoint_bytes_max + 1 + gossip_heads_max * (1 + 71 + 8 + 32);
  const std::size_t padded = bucket_for(kind, content_bytes + around);
  return locked_bytes_max + age_nonce + padded + (padded / age_chunk + 1) * age_tag <= exchange_bytes_max;
}

Result<Bytes> made(Content content) {
  Problems problems;
  CheckOptions options;
  options.typed = true;
  check(content, options, problems);
  if (!problems.empty()) return Error{Errc::invalid_input, "form field " + problems.take().front().field};
  return to_content(content);
}

/// The values of one field, by its name.
class ListFinder {
 public:
  explicit ListFinder(std::string_view name) : name_(name) {}
  void choice(const Field& field, int&, Choices list, Need) { look(field, list); }
  void choices(const Field& field, std::vector<int>&, Choices list, Need) { look(field, list); }
  void line(const Field&, std::string&, Line, Need) {}
  void text(const Field&, std::string&, Need) {}
  void date(const Field&, std::uint32_t&, When, Need) {}
  template <class T>
  void object(const Field&, std::optional<T>&, Need) {}
  template <class T>
  void list(const Field&, std::vector<T>&, std::size_t) {}
  [[nodiscard]] Choices found() const { return found_; }

 private:
  void look(const Field& field, Choices list) {
    if (field.name == name_) found_ = list;
  }
  std::string_view name_;
  Choices found_;
};

/// Calls `use` with the content a rectification carries.
template <class Use>
void with_corrected(const Rectification& form, Use use) {
  if (form.individuel) use(*form.individuel);
  if (form.de_structure) use(*form.de_structure);
  if (form.complement) use(*form.complement);
  if (form.accompagnement) use(*form.accompagnement);
  if (form.de_volet) use(*form.de_volet);
}

/// What a form says once corrected: a rectification's content, or the form itself.
Content effective(const Content& content) {
  Content out = content;
  if (const auto* rectification = std::get_if<Rectification>(&content))
    with_corrected(*rectification, [&out](const auto& corrected) { out = corrected; });
  return out;
}

/// The commune a form is about: the residence of the person it is about, else an address, else its own field.
template <class T>
std::string commune_of(const T& form) {
  if constexpr (requires { form.persons; })
    for (const Person& person : form.persons)
      if (person.category == number_of(categories, "personne_signalee")) {
        if (!person.commune.empty()) return person.commune;
        break;
      }
  if constexpr (requires { form.structure; })
    if (form.structure && !form.structure->commune.empty()) return form.structure->commune;
  if constexpr (requires { form.commune; }) return form.commune;
  return {};
}

template <class T>
bool is_urgent(const T& form) {
  if constexpr (requires { form.appraisal; })
    return form.appraisal && form.appraisal->urgency == number_of(urgences, "urgente");
  return false;
}

}  // namespace

std::span<const Kind> form_kinds() { return kinds_with_form; }

std::optional<Content> content_of(Kind kind) {
  std::optional<Content> out;
  const auto try_one = [&]<class T>(T form) {
    if (T::kind == kind) out = std::move(form);
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) { (try_one(std::variant_alternative_t<I, Content>{}), ...); }
  (std::make_index_sequence<std::variant_size_v<Content>>());
  return out;
}

Result<Form, std::vector<FormProblem>> Form::from_json(std::string_view json, KnownCommune is_known_commune,
                                                       void* context, std::optional<UnixMillis> now) {
  Problems problems;
  auto content = protocol::from_json(json, problems);
  if (content) check(*content, {is_known_commune, context, now, true}, problems);
  if (!problems.empty()) return problems.take();
  return Form(kind_of(*content), to_content(*content), {});
}

Result<Form> Form::retour(std::string_view code) {
  Retour form;
  if (const Choice* found = find_name(codes_retour, code)) form.code = found->number;
  auto bytes = made(std::move(form));
  if (!bytes) return bytes.error();
  return Form(Kind::retour, *std::move(bytes), {});
}

Result<Form> Form::decision(std::string_view outcome, std::string_view reason) {
  Decision form;
  if (const Choice* found = find_name(issues, outcome)) form.outcome = found->number;
  form.reason = reason;
  auto bytes = made(std::move(form));
  if (!bytes) return bytes.error();
  return Form(Kind::decision, *std::move(bytes), {});
}

Result<Form> Form::decode(ByteView bytes) {
  const Error wrong{Errc::invalid_input, "form"};
  if (bytes.size() > exchange_bytes_max) return wrong;
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  const KindRow* row = row_of_number(in.u16());
  const ByteView protobuf = in.bytes32();
  const std::uint8_t count = in.u8();
  if (!in.ok() || count > attachments_max) return wrong;
  if (version != content_version) return Error{Errc::invalid_input, "form of another version"};
  if (row == nullptr || !content_of(row->kind)) return Error{Errc::invalid_input, "form of an unknown kind"};
  std::vector<Attachment> attachments;
  for (std::uint8_t i = 0; i < count; ++i) {
    Attachment attachment;
    attachment.name = in.string8();
    attachment.media_type = in.string8();
    attachment.bytes = to_bytes(in.bytes32());
    if (!in.ok()) return wrong;
    if (auto checked = check_attachment(attachments, attachment); !checked)
      return Error{Errc::invalid_input, checked.error().detail};
    attachments.push_back(std::move(attachment));
  }
  if (!in.at_end()) return wrong;

  if (protobuf.size() > form_bytes_max) return Error{Errc::invalid_input, "form too large"};
  auto content = from_protobuf(row->kind, protobuf);
  if (!content) return Error{Errc::invalid_input, "form of a newer program, or damaged"};
  Problems problems;
  check(*content, {}, problems);
  if (!problems.empty()) return Error{Errc::invalid_input, "form field " + problems.take().front().field};
  return Form(row->kind, to_bytes(bytes), std::move(attachments));
}

std::string Form::to_json() const { return protocol::to_json(reread(kind_, bytes_)); }

std::string Form::to_french_text() const {
  std::string out = protocol::to_french_text(reread(kind_, bytes_));
  if (attachments_.empty()) return out;
  out += "\nPièces jointes\n";
  for (const Attachment& attachment : attachments_)
    out += "  " + printable(attachment.name) + " (" + printable(attachment.media_type) + ", " +
           std::to_string(attachment.bytes.size()) + " octets)\n";
  return out;
}

std::string Form::commune() const {
  return std::visit([](const auto& form) { return commune_of(form); }, effective(reread(kind_, bytes_)));
}

Urgency Form::urgency() const {
  const bool urgent = std::visit([](const auto& form) { return is_urgent(form); }, effective(reread(kind_, bytes_)));
  return urgent ? Urgency::urgente : Urgency::normale;
}

std::optional<Digest> Form::named_exchange() const {
  return std::visit(
      [](const auto& form) -> std::optional<Digest> {
        if constexpr (requires { form.exchange; })
          if (const auto bytes = from_hex(form.exchange)) return to_array<sizeof(Digest)>(*bytes);
        return std::nullopt;
      },
      reread(kind_, bytes_));
}

namespace {

/// Closed with nothing to follow: kept less long (docs/decisions/0014).
bool is_short(int motif) {
  return motif == number_of(motifs_cloture, "hors_perimetre") || motif == number_of(motifs_cloture, "sans_suite") ||
         motif == number_of(motifs_cloture, "retire");
}

}  // namespace

std::vector<std::pair<std::string, std::string>> Form::attributes() const {
  const Content content = reread(kind_, bytes_);
  std::string value;
  if (const auto* form = std::get_if<Recevabilite>(&content))
    value = find_number(avis_de_recevabilite, form->answer)->name;
  else if (const auto* inscription = std::get_if<Inscription>(&content))
    value = typed_date(inscription->sitting);
  else if (const auto* deferral = std::get_if<ReportDuRetour>(&content))
    value = typed_date(deferral->review);
  else if (const auto* hold = std::get_if<Maintien>(&content))
    value = find_number(causes_maintien, hold->cause)->name;
  else if (const auto* erasure = std::get_if<DemandeEffacement>(&content))
    value = find_number(causes_effacement, erasure->cause)->name;
  else if (const auto* information = std::get_if<InformationNominative>(&content))
    value = typed_date(information->until);
  else if (const auto* agreement = std::get_if<Agrement>(&content))
    value = find_number(avis_agrement, agreement->answer)->name;
  else if (const auto* closing = std::get_if<Cloture>(&content))
    value = is_short(closing->motif) ? "court" : "ordinaire";
  if (value.empty()) return {};
  std::vector<std::pair<std::string, std::string>> out = {{std::string(attribute_name(kind_)), value}};
  if (const auto* agreement = std::get_if<Agrement>(&content); agreement != nullptr && agreement->until != 0)
    out.emplace_back("date", typed_date(agreement->until));
  return out;
}

std::optional<std::vector<FormChange>> Form::changes_from(const Form& before) const {
  if (kind_ != Kind::rectification) return std::nullopt;
  const Content after = effective(reread(kind_, bytes_));
  const Content first = effective(reread(before.kind_, before.bytes_));
  if (kind_of(after) != kind_of(first)) return std::nullopt;
  return changes_between(first, after);
}

Result<void> Form::attach(Attachment attachment) {
  if (auto checked = check_attachment(attachments_, attachment); !checked) return checked.error();
  ByteWriter more;
  more.string8(attachment.name);
  more.string8(attachment.media_type);
  if (attachment.bytes.size() > exchange_bytes_max ||
      !fits_exchange(kind_, bytes_.size() + more.bytes().size() + 4 + attachment.bytes.size()))
    return Error{Errc::over_limit, "exchange_bytes_max"};
  more.bytes32(attachment.bytes);
  ByteReader in(bytes_);
  static_cast<void>(in.raw(1 + 2));
  const std::size_t count_at = protobuf_at + in.bytes32().size();
  ++bytes_[count_at];
  append(bytes_, more.bytes());
  attachments_.push_back(std::move(attachment));
  return {};
}

std::string_view route_of(Kind kind) {
  const auto content = content_of(kind);
  return content ? std::visit([](const auto& form) { return form.route; }, *content) : std::string_view{};
}

std::vector<std::string_view> choices_of(Kind kind, std::string_view field) {
  std::vector<std::string_view> out;
  auto content = content_of(kind);
  if (!content) return out;
  ListFinder finder(field);
  visit(finder, *content);
  for (const Choice& choice : finder.found()) out.push_back(choice.name);
  return out;
}

std::string_view french_choice(Kind kind, std::string_view field, std::string_view name) {
  auto content = content_of(kind);
  if (!content) return {};
  ListFinder finder(field);
  visit(finder, *content);
  for (const Choice& choice : finder.found())
    if (choice.name == name) return choice.french;
  return {};
}

std::vector<std::string_view> retour_codes() { return choices_of(Kind::retour, "code"); }
std::vector<std::string_view> decision_outcomes() { return choices_of(Kind::decision, "issue"); }

}  // namespace pli::protocol
