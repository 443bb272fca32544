#include <algorithm>

#include "audit/text_lines.hpp"
#include "base/file.hpp"
#include "client/command/audit_verbs.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/motif_note.hpp"
#include "client/record_filter.hpp"
#include "protocol/opening_request.hpp"
#include "protocol/printable.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::client::command {
namespace {

using protocol::LocalCode;

struct FieldWords {
  std::string_view name;
  const char* french;
};
constexpr FieldWords field_words[] = {
    {"actor", "Membre"},
    {"person", "Personne"},
    {"role", "Rôle"},
    {"organisation", "Organisation"},
    {"act", "Demande"},
    {"exchange", "Échange"},
    {"case", "Dossier"},
    {"reply_to", "En réponse à"},
    {"queue", "File"},
    {"kind", "Nature"},
    {"motif", "Motif"},
    {"code", "Anomalie constatée"},
    {"note", "Note du motif"},
    {"recipients", "Destinataires (empreinte)"},
    {"outcome", "Issue"},
    {"rule", "Règle appliquée"},
    {"directory", "Version de l'annuaire"},
    {"number", "Numéro dans la file"},
    {"head", "Chaîne de la file"},
    {"range", "Places lues ou effacées (fin exclue)"},
    {"shard", "Partie du journal"},
    {"count", "Nombre"},
    {"key", "Clé de signature"},
    {"member", "Membre suspendu"},
    {"statement", "Demande signée"},
    {"terms", "Durées de conservation"},
    {"erased", "Effacé du serveur"},
    {"backups", "Effacé de toute sauvegarde"},
    {"shown", "Montré à sa collectivité"},
    {"signature", "Signature"},
};

struct VerbWords {
  std::string_view name;
  const char* french;
};
constexpr VerbWords verb_words[] = {
    {"submit", "envoyer un échange"},
    {"open", "ouvrir un échange"},
    {"get_chunk", "recevoir la suite d'un échange ouvert"},
    {"put_chunk", "déposer une partie d'un envoi"},
    {"list", "lister une file"},
    {"list_cases", "lister ses dossiers"},
    {"acknowledge", "marquer comme pris en compte"},
    {"follow", "suivre des files"},
    {"hello", "se connecter"},
    {"directory", "recevoir l'annuaire"},
    {"publish_directory", "publier une version de l'annuaire ou une suspension"},
    {"checkpoint", "recevoir le point de contrôle du journal"},
    {"prove", "recevoir la preuve d'un acte"},
    {"records", "lire le journal"},
    {"health", "demander l'état du serveur"},
    {"shard", "demander la fin d'une partie du journal"},
    {"erase", "effacer des valeurs à leur terme"},
    {"erase_exchange", "effacer un échange"},
    {"terms", "fixer les durées de conservation"},
    {"message", "un message illisible"},
    {"init", "mise en place du serveur"},
    {"input", "entrées venues d'inconnus"},
};

const char* label_of(std::string_view field) {
  for (const FieldWords& words : field_words)
    if (words.name == field) return words.french;
  return nullptr;
}

/// What a value means, behind the value itself; empty where it says everything.
std::string meaning_of(std::string_view field, std::string_view value, const KnownDirectory& directory) {
  if (field == "actor" || field == "member") {
    const protocol::Member* member = directory.member(value);
    return member == nullptr ? "absent de l'annuaire que vous tenez" : protocol::printable(member->label);
  }
  if (field == "act") {
    for (const VerbWords& words : verb_words)
      if (words.name == value) return words.french;
  } else if (field == "kind") {
    const auto kind = protocol::kind_of(value);
    if (kind) return std::string(protocol::row_of(*kind)->french);
  } else if (field == "motif") {
    const auto motif = protocol::motif_of(value);
    if (motif) return std::string(protocol::french(*motif));
  } else if (field == "erased" || field == "backups" || field == "shown") {
    if (const auto at = audit::parse_decimal(value); at && *at <= INT64_MAX)
      return french_time({static_cast<std::int64_t>(*at)});
  } else if (field == "outcome") {
    if (value == "ok") return "fait";
    const auto code = protocol::code_of(value);
    if (code) return protocol::explain(protocol::Refusal{*code, "", 0}, protocol::Language::french).cause;
  }
  return {};
}

/// A signed opening request, as far as the record does not say it already.
std::string words_of_statement(ByteView statement) {
  const auto request = protocol::decode_opening_request(statement);
  if (!request) return {};
  return "ouverture demandée le " + french_time(request->created_at) + ", annuaire n° " +
         std::to_string(request->directory.value) + ", par " + protocol::printable(request->opener);
}

/// What is proven, and how it is said.
struct Proof {
  VerifiedReceipt receipt;
  std::vector<std::string> shown;  ///< fields disclosed, in the record's order
  std::size_t hidden = 0;
  std::optional<MotifNote> note;
};

std::string value_of(const audit::DisclosedField& field, const audit::Disclosure& record) {
  const audit::Field& shown = field.opening->field;
  if (shown.name == "note") return std::to_string(shown.value.size()) + " octets scellés aux auditeurs";
  // Its bytes are in the proof, and with --json.
  if (shown.name == "statement") return std::to_string(shown.value.size()) + " octets signés";
  return protocol::printable(shown_value(record, shown.name));
}

void print_json(const Proof& proof, const std::filesystem::path& out_file) {
  const audit::Receipt& receipt = proof.receipt.receipt;
  JsonObject out;
  out.boolean("verified", true).text("origin", proof.receipt.origin);
  out.number("leaf", static_cast<std::int64_t>(receipt.index.value)).text("act", audit::text_of(receipt.leaf.type));
  out.text("time", iso_time(receipt.leaf.time))
      .number("tree_size", static_cast<std::int64_t>(proof.receipt.size.value));
  if (receipt.leaf.directory) {
    out.number("directory_number", static_cast<std::int64_t>(receipt.leaf.directory->number.value));
    out.text("directory_digest", to_hex(receipt.leaf.directory->digest));
  }
  if (receipt.leaf.statement) out.text("leaf_statement", *receipt.leaf.statement);
  for (const std::string& field : proof.shown) out.text("field_" + field, shown_value(receipt.record, field));
  out.number("hidden_fields", static_cast<std::int64_t>(proof.hidden));
  if (proof.note) {
    out.text("note_state", text_of(proof.note->state));
    if (proof.note->state == NoteState::opened) out.text("note", proof.note->text);
  }
  if (!out_file.empty()) out.text("receipt", out_file.string());
  out.print();
}

void print_page(const Proof& proof, const KnownDirectory& directory, const std::filesystem::path& out_file) {
  const audit::Receipt& receipt = proof.receipt.receipt;
  const auto line = [](const std::string& label, const std::string& value) {
    constexpr std::size_t width = 26;
    const std::size_t used = protocol::count_characters(label).value_or(label.size());
    say("  " + label + std::string(used < width ? width - used : 1, ' ') + value);
  };
  say("Place " + std::to_string(receipt.index.value) + " du journal " + proof.receipt.origin);
  line("Date", french_time(receipt.leaf.time) + " (heure de Paris), " + iso_time(receipt.leaf.time));
  line("Acte", std::string(audit::text_of(receipt.leaf.type)) + " : " + french(receipt.leaf.type));
  if (receipt.leaf.directory)
    line("Annuaire publié", "n° " + std::to_string(receipt.leaf.directory->number.value) + ", empreinte " +
                                to_hex(receipt.leaf.directory->digest));
  if (receipt.leaf.statement) line("Déclaration en clair", protocol::printable(*receipt.leaf.statement));
  for (const audit::DisclosedField& field : receipt.record.fields) {
    if (!field.opening) continue;
    const audit::Field& shown = field.opening->field;
    const char* label = label_of(shown.name);
    const std::string value = value_of(field, receipt.record);
    std::string meaning = meaning_of(shown.name, as_text(shown.value), directory);
    if (shown.name == "statement") meaning = words_of_statement(shown.value);
    line(label == nullptr ? protocol::printable(shown.name) : label, value + (meaning.empty() ? "" : " : " + meaning));
    if (shown.name == "note" && proof.note) {
      if (proof.note->state == NoteState::opened)
        line("", "| " + protocol::printable(proof.note->text));
      else
        line("", std::string(french(proof.note->state)));
    }
  }
  if (proof.hidden != 0)
    line("Champs non divulgués", std::to_string(proof.hidden) + ", chacun derrière son engagement");
  say("Vérifié : chaque champ montré est celui que le journal a scellé à cette place d'un arbre de " +
      std::to_string(proof.receipt.size.value) + " feuilles, signé, cohérent avec ce que ce poste connaît.");
  if (!out_file.empty())
    say("Preuve écrite dans " + protocol::printable(out_file.string()) +
        " : « pli receipt verify » la vérifie sans "
        "connexion.");
}

/// The disclosure reduced to what was asked for; or what is wrong with what was asked.
std::string choose_fields(Proof& proof, std::vector<std::string> wanted) {
  audit::Disclosure& record = proof.receipt.receipt.record;
  for (std::string& name : wanted) {
    std::string lower;
    for (char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    name = lower;
    if (record.find(name) != nullptr) continue;
    std::string there;
    for (const audit::DisclosedField& field : record.fields)
      if (field.opening) there += (there.empty() ? "" : ", ") + protocol::printable(field.opening->field.name);
    return "--field : cet acte n'a pas de champ « " + protocol::printable(name) + " » ; il a : " + there;
  }
  if (!wanted.empty()) show_only(record, wanted);
  for (const audit::DisclosedField& field : record.fields) {
    if (field.opening)
      proof.shown.push_back(field.opening->field.name);
    else
      ++proof.hidden;
  }
  return {};
}

}  // namespace

int audit_show(Sitting& sitting, const ShowOptions& options) {
  const auto place = typed_shard_place(options.place);
  if (!place)
    return usage_error(sitting,
                       "une place du journal s'écrit comme dans la première colonne de « pli audit list » : 1204, ou "
                       "2026-1/1204 quand le journal a plusieurs parties");
  if (!place->shard.empty() && !options.shard.empty())
    return usage_error(sitting, "la place nomme déjà sa partie du journal : --shard est de trop");
  std::error_code failed;
  if (!options.out.empty() && std::filesystem::exists(options.out, failed))
    return usage_error(sitting, "--out : ce fichier existe déjà, rien n'est remplacé");
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  if (!(*session)->log().last()) return usage_error(sitting, "le journal n'a encore montré aucun point de contrôle");
  auto receipt =
      prove_record(**session, place->index, origin_of(**session, place->shard.empty() ? options.shard : place->shard));
  if (!receipt) return report_to_auditor(sitting, receipt.error());
  Proof proof{std::move(*receipt), {}, 0, std::nullopt};
  if (const std::string wrong = choose_fields(proof, options.fields); !wrong.empty())
    return usage_error(sitting, wrong);
  if (const Bytes* sealed = proof.receipt.receipt.record.find("note"))
    proof.note = open_motif_note(*sealed, (*session)->keys());
  if (!options.out.empty()) {
    const std::string text = audit::to_text(proof.receipt.receipt);
    if (auto written = write_file_durably(options.out, as_bytes(text), FileMode::owner_only); !written)
      return report_file(sitting, options.out, written.error(), LocalCode::local_store);
  }
  if (sitting.json())
    print_json(proof, options.out);
  else
    print_page(proof, (*session)->directory(), options.out);
  return 0;
}

}  // namespace pli::client::command
