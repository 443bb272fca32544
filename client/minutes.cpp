#include "client/minutes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/age_seal.hpp"
#include "crypto/secret.hpp"
#include "protocol/case_life.hpp"
#include "protocol/printable.hpp"

namespace pli::client {
namespace {

using protocol::CaseState;
using protocol::Kind;

std::string_view name_of(std::uint16_t kind) {
  const protocol::KindRow* row = protocol::row_of_number(kind);
  return row == nullptr ? std::string_view("?") : row->name;
}
std::string_view french_of(std::uint16_t kind) {
  const protocol::KindRow* row = protocol::row_of_number(kind);
  return row == nullptr ? std::string_view("?") : row->french;
}

nlohmann::json fields_of(const protocol::Form& form) { return nlohmann::json::parse(form.to_json(), nullptr, false); }

std::string text_in(const nlohmann::json& fields, const char* name) {
  const auto found = fields.is_object() ? fields.find(name) : fields.end();
  return fields.is_object() && found != fields.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string minute(UnixMillis time) {
  const std::string whole = french_time(time);
  return whole.substr(0, whole.rfind(':'));
}

std::string behind_margin(std::string_view text) {
  const std::string shown = protocol::printable(text, protocol::Newlines::keep);
  std::string out;
  for (std::size_t start = 0; start <= shown.size();) {
    const std::size_t end = std::min(shown.find('\n', start), shown.size());
    out += "     | " + shown.substr(start, end - start) + "\n";
    start = end + 1;
  }
  return out;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + protocol::printable(name);
  return out;
}

std::string_view outcome_of(const MinutesCase& each) {
  if (each.moved_to) return "put_off";
  if (each.decided) return "decided";
  return each.taken_up ? "taken_up" : "none";
}

std::string came_to(const MinutesCase& each, Day seance) {
  std::string out;
  if (each.taken_up)
    out += "   Pris en évaluation à la séance du " +
           (*each.taken_up == seance ? std::string("jour") : french_day(*each.taken_up)) + "\n";
  if (each.moved_to) return out + "   Reporté à la séance du " + french_day(*each.moved_to) + "\n";
  if (!each.decided) return out + "   Pas de décision enregistrée\n";
  out += "   Décision, enregistrée le " + minute(each.decided->accepted_at) + " : " +
         std::string(protocol::french_choice(Kind::decision, "issue", each.decided->outcome)) + "\n";
  return out + "   Motif\n" + behind_margin(each.decided->reason);
}

std::string retour_line(const MinutesCase& each) {
  const std::string to = each.answered_to.empty() ? "à la collectivité" : "à " + each.answered_to + " qui a transmis";
  switch (each.answered) {
    case Answered::nothing_due: return "";
    case Answered::due: return "   Retour " + to + " : à faire\n";
    case Answered::put_off:
      return "   Retour " + to + " : reporté" +
             (each.review ? ", réexamen le " + french_day(*each.review) : std::string()) + "\n";
    case Answered::given:
      return "   Retour " + to + " : fait" +
             (each.shown_at.value != 0 ? ", lisible depuis le " + minute(each.shown_at) : std::string()) + "\n";
  }
  return "";
}

std::string for_people(const Minutes& minutes) {
  std::string out = "RELEVÉ DE DÉCISIONS\n";
  out += "Contrat   " + protocol::printable(minutes.contract) + "\n";
  out += "Instance  " + minutes.instance + "\n";
  out += "Séance    du " + french_day(minutes.seance) + "\n";
  out += "Établi    le " + minute(minutes.drawn_at) + " par " + protocol::printable(minutes.drawn_by) +
         ", d'après l'annuaire n° " + std::to_string(minutes.directory.value) + "\n";
  out += "Présents  (à compléter : Pli ne les connaît pas)\n";
  if (minutes.recused_himself) out += "Les dossiers dont l'auteur de ce relevé s'est récusé n'y figurent pas.\n";
  std::size_t number = 0;
  for (const MinutesCase& each : minutes.cases) {
    out += "\n" + std::to_string(++number) + ". Dossier " + to_hex(ByteView(each.case_id).first(4)) + ", " +
           std::string(french_of(each.kind)) + (each.urgent ? ", URGENT" : "") + ", reçu le " + minute(each.opened_at) +
           "\n";
    out += came_to(each, minutes.seance);
    if (!each.transmitted_to.empty()) out += "   Transmis à : " + joined(each.transmitted_to) + "\n";
    out += retour_line(each);
    if (!each.recused.empty())
      out += "   Récusations : " + std::to_string(each.recused.size()) + " (" + joined(each.recused) + ")\n";
  }
  return out;
}

std::string for_programs(const Minutes& minutes) {
  const auto day = [](const std::optional<Day>& each) {
    return each ? nlohmann::ordered_json(iso_day(*each)) : nlohmann::ordered_json();
  };
  const auto time = [](UnixMillis at) {
    return at.value != 0 ? nlohmann::ordered_json(at.value) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json out = {{"format", minutes_format},
                                {"contract", minutes.contract},
                                {"instance", minutes.instance},
                                {"seance", iso_day(minutes.seance)},
                                {"directory", minutes.directory.value},
                                {"drawn_at", minutes.drawn_at.value},
                                {"drawn_by", minutes.drawn_by},
                                {"recused_himself", minutes.recused_himself},
                                {"present", nullptr},
                                {"cases", nlohmann::ordered_json::array()}};
  for (const MinutesCase& each : minutes.cases) {
    nlohmann::ordered_json one = {{"case", to_hex(each.case_id)},
                                  {"kind", name_of(each.kind)},
                                  {"urgent", each.urgent},
                                  {"received_at", time(each.opened_at)},
                                  {"outcome", outcome_of(each)},
                                  {"taken_up_on", day(each.taken_up)},
                                  {"moved_to", day(each.moved_to)},
                                  {"decision", nullptr},
                                  {"retour", text_of(each.answered)},
                                  {"retour_shown_at", time(each.shown_at)},
                                  {"review_on", day(each.review)},
                                  {"answered_to", each.answered_to},
                                  {"transmitted_to", each.transmitted_to},
                                  {"recused", each.recused.size()},
                                  {"recused_members", each.recused}};
    if (each.decided)
      one["decision"] = {{"outcome", each.decided->outcome},
                         {"reason", protocol::printable(each.decided->reason, protocol::Newlines::keep)},
                         {"accepted_at", time(each.decided->accepted_at)}};
    out["cases"].push_back(std::move(one));
  }
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::optional<SealedDecision> read_decision(const protocol::Form& form, UnixMillis accepted_at) {
  if (form.kind() != Kind::decision) return std::nullopt;
  const nlohmann::json fields = fields_of(form);
  return SealedDecision{text_in(fields, "issue"), text_in(fields, "motif"), accepted_at};
}

std::optional<Day> read_evaluation(const protocol::Form& form) {
  if (form.kind() != Kind::mise_en_evaluation) return std::nullopt;
  return parse_day(text_in(fields_of(form), "seance"));
}

std::string_view text_of(Answered answered) {
  switch (answered) {
    case Answered::nothing_due: return "nothing_due";
    case Answered::due: return "due";
    case Answered::put_off: return "put_off";
    case Answered::given: return "given";
  }
  return {};
}

MinutesCase minutes_of(const protocol::CaseItem& item, const CaseCourse& course, Day seance,
                       const KnownDirectory& directory) {
  MinutesCase out;
  out.case_id = item.case_id;
  out.kind = item.kind;
  out.urgent = item.urgency == static_cast<std::uint8_t>(protocol::Urgency::urgente);
  out.opened_at = item.opened_at;
  for (const std::string& id : course.recused) {
    const protocol::Member* member = directory.member(id);
    out.recused.push_back(member == nullptr || member->label.empty() ? id : member->label);
  }
  if (course.seance() != seance) {
    out.moved_to = course.seance();
    return out;  // what came of it since is for the relevé of that one
  }
  out.answered_to = item.origin_queue;
  for (const protocol::Transmitted& each : item.transmitted) out.transmitted_to.push_back(each.queue);
  const auto state = protocol::case_state_of(item.state).value_or(CaseState::none);
  if (state == CaseState::retour_effectue || item.answered_at.value != 0) {
    out.answered = Answered::given;
    out.shown_at = item.answered_at;
  } else if (course.review) {
    out.answered = Answered::put_off;
    out.review = course.review;
  } else if (state == CaseState::decide || state == CaseState::clos) {
    out.answered = Answered::due;
  }
  return out;
}

void set_taken_up(MinutesCase& each, std::optional<Day> on, Day seance) {
  if (on && each.moved_to && *on > seance) return;
  each.taken_up = on;
}

std::string to_text(const Minutes& minutes) { return for_people(minutes) + "\n" + for_programs(minutes); }

std::vector<crypto::AgePublic> secretariat_keys(const KnownDirectory& directory, std::string_view instance,
                                                UnixMillis now, std::span<const std::string> recused,
                                                std::span<const std::string> authors) {
  const auto withdrew = [&](const protocol::Member& member) {
    return std::any_of(recused.begin(), recused.end(), [&](const std::string& id) {
      const protocol::Member* other = directory.member(id);
      return id == member.id || (other != nullptr && other->person == member.person);
    });
  };
  std::vector<crypto::AgePublic> out;
  for (const protocol::Member* member : directory.members()) {
    const bool seated = std::find(member->seats.begin(), member->seats.end(), instance) != member->seats.end();
    const bool author = std::find(authors.begin(), authors.end(), member->organisation) != authors.end();
    if (seated && member->roles.has(protocol::Role::secretariat) && member->valid_at(now) && !author &&
        !withdrew(*member))
      out.push_back(member->keys.age);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Outcome<Bytes> seal_minutes(const Minutes& minutes, std::span<const crypto::AgePublic> recipients) {
  std::string text = to_text(minutes);
  auto sealed = crypto::seal_bytes(as_bytes(text), recipients);
  crypto::wipe(std::span<std::uint8_t>(reinterpret_cast<std::uint8_t*>(text.data()), text.size()));
  if (!sealed) return local(protocol::LocalCode::directory_unproven, sealed.error());
  return *std::move(sealed);
}

}  // namespace pli::client
