#include "protocol/error_catalogue.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

/// One explanation in both languages. In French, what can be typed stands between « and ».
struct Texts {
  std::string_view cause_fr;
  std::string_view next_fr;
  std::string_view cause_en;
  std::string_view next_en;
};

struct CodeRow {
  Code code;
  std::string_view name;
  Texts texts;
};
constexpr std::array<CodeRow, 18> code_rows = {{
    {Code::unknown_key,
     "UNKNOWN_KEY",
     {"Le serveur ne connaît pas votre clé : votre inscription dans l'annuaire n'est pas encore faite, ou pas "
      "encore publiée.",
      "Appelez l'interlocuteur à la préfecture et lisez-lui l'empreinte de votre carte, que donne « pli identity "
      "card ». Ce qui attend dans votre boîte d'envoi partira après votre inscription.",
      "The key is in no directory entry the broker holds.",
      "Enrol the card and publish the directory version that holds it, then connect again."}},
    {Code::revoked,
     "REVOKED",
     {"Votre accès a été retiré de l'annuaire ou n'est pas en vigueur aujourd'hui, ou votre clé a été remplacée par "
      "une plus récente.",
      "Appelez l'interlocuteur à la préfecture : il vous dira ce qu'il en est et, s'il y a lieu, inscrira une "
      "nouvelle carte.",
      "The directory entry of this key is revoked, expired, not yet valid, or the key has been renewed.",
      "Use the newest identity; otherwise ask the authority to enrol a new card."}},
    {Code::forbidden,
     "FORBIDDEN",
     {"Vos fonctions, telles que l'annuaire les décrit, ne permettent pas cet acte. Le refus est inscrit au "
      "journal.",
      "Si vous pensez y avoir droit, appelez l'interlocuteur à la préfecture et citez la règle indiquée entre "
      "parenthèses.",
      "No rule of the policy allows this act to these roles and relations, or a rule forbids it. The refusal is "
      "in the log.",
      "Look the rule up in docs/protocol.md, \"Policy\", and compare it with the caller's directory entry."}},
    {Code::stale_directory,
     "STALE_DIRECTORY",
     {"La liste des destinataires a changé depuis que votre envoi a été scellé.",
      "Lancez « pli outbox flush » : votre phrase de passe vous sera demandée pour sceller l'envoi de nouveau. "
      "Rien n'est perdu.",
      "The roster the address names, or the release epoch, is no longer the current one.",
      "Fetch the directory, seal again for the current roster, and submit."}},
    {Code::invalid,
     "INVALID",
     {"Le serveur ne peut pas lire une partie de l'envoi.",
      "Mettez le logiciel à jour, puis recommencez. Si l'erreur revient, appelez l'interlocuteur à la préfecture "
      "et citez le mot indiqué entre parenthèses.",
      "A field is malformed, out of its list, or over its limit.",
      "Compare the field with its layout in docs/protocol.md; the same bytes will be refused again."}},
    {Code::bad_signature,
     "BAD_SIGNATURE",
     {"La signature ne correspond pas à l'envoi : il a été modifié en chemin, ou signé avec une autre clé que la "
      "vôtre.",
      "Recommencez depuis ce poste avec votre identité. Si l'erreur revient, n'utilisez plus ce poste et appelez "
      "l'interlocuteur à la préfecture.",
      "The statement's signature does not verify under the sender's current sign key.",
      "Sign the exact bytes sent, in the statement's own domain, with the key the directory names."}},
    {Code::conflict,
     "CONFLICT",
     {"Un autre contenu est déjà enregistré sous la même référence.",
      "Regardez avec « pli outbox list » si votre envoi a déjà son reçu ; sinon, préparez-le de nouveau.",
      "Other bytes already stand under this sender and nonce, this opening, or this directory number.",
      "Do not reuse a nonce or a number; to repeat a submission, send the same bytes."}},
    {Code::too_large,
     "TOO_LARGE",
     {"L'envoi dépasse la taille admise.", "Retirez ou allégez les pièces jointes, puis recommencez.",
      "The message or the exchange is over its limit.",
      "Limits are in docs/protocol.md, \"Limits\"; the exchange limit is in the hello reply."}},
    {Code::busy,
     "BUSY",
     {"Le serveur a trop de demandes à traiter, ou a dû vous en refuser beaucoup en une minute.", "",
      "A quota of this identity, or the gate's own, is used up.", ""}},
    {Code::motif_required,
     "MOTIF_REQUIRED",
     {"On n'ouvre pas un pli sans dire pourquoi.",
      "Choisissez un motif dans la liste (« --motif ») et recommencez. Il sera inscrit au journal.",
      "The opening request carries no motif.", "Send one of the motif codes; it becomes part of the record."}},
    {Code::illegal_transition,
     "ILLEGAL_TRANSITION",
     {"Cette étape n'est pas possible dans l'état actuel du dossier.",
      "Regardez où en est le dossier avec « pli case show », puis choisissez une étape possible.",
      "The case table has no row from this state for this kind.",
      "The subject gives \"from,to\" and what is possible; the table is in protocol/case_life.cpp."}},
    {Code::charter_required,
     "CHARTER_REQUIRED",
     {"Cette information ne peut être donnée que sous une charte de confidentialité en vigueur, signée par le "
      "préfet, le maire et le procureur.",
      "L'autorité du contrat l'inscrit à l'annuaire, puis la publie ; demandez-lui où en est la charte de la commune.",
      "No charter between préfet, maire and procureur is in force.",
      "Publish a directory version with a valid charter entry first."}},
    {Code::agreement_missing,
     "AGREEMENT_MISSING",
     {"Il manque un des deux accords exigés pour cette information nominative, celui d'un service ou celui du "
      "parquet, ou l'un d'eux est un refus.",
      "Le secrétariat lit les avis donnés avec « pli case show » et « pli open », et attend celui qui manque.",
      "Two signed agreements naming the exchange, by distinct persons, roles and organisations, are not both "
      "there.",
      "Wait for the missing `agrement` exchange."}},
    {Code::clock_skew,
     "CLOCK_SKEW",
     {"L'horloge de ce poste et celle du serveur diffèrent de plus de cinq minutes, ou la demande a trop attendu.",
      "Mettez ce poste à l'heure, puis recommencez.",
      "created_at is more than 300 s ahead of the broker, or the opening request is more than 300 s old.",
      "Correct the clock; sign a fresh opening request."}},
    {Code::not_found,
     "NOT_FOUND",
     {"Il n'y a rien sous cette référence, ou rien que vous puissiez voir.",
      "Vérifiez la référence. « pli case list » montre vos dossiers, « pli inbox » ce que vous avez reçu.",
      "Nothing stands there, or nothing the caller may know of; both are answered alike.",
      "Check the id; the broker will not say which of the two it is."}},
    {Code::erased,
     "ERASED",
     {"Ce contenu a été effacé : au terme de sa durée de conservation, ou avant, à la demande de deux personnes.",
      "Plus personne ne peut l'ouvrir. Le journal garde la trace des actes ; pour toute question, appelez "
      "l'interlocuteur à la préfecture.",
      "This exchange was erased, at its term or before it at the request of two persons; its certificate says which.",
      "Nothing brings it back; its leaves still prove what was done."}},
    {Code::log_unavailable,
     "LOG_UNAVAILABLE",
     {"Le serveur ne peut plus écrire son journal. Comme rien ne se fait sans trace, il n'accepte plus aucun acte.",
      "Réessayez plus tard : ce qui attend dans votre boîte d'envoi n'est pas perdu. En cas d'urgence, appelez le "
      "17 ou le 112.",
      "The log's disk is full, failing or gone, so no act is done.",
      "Free or repair the disk and restart the broker."}},
    {Code::stopped,
     "STOPPED",
     {"Le serveur est arrêté, ou en train de s'arrêter.",
      "Réessayez dans quelques minutes : ce qui attend dans votre boîte d'envoi n'est pas perdu. En cas d'urgence, "
      "appelez le 17 ou le 112.",
      "The broker is shutting down, or its store has stopped after a failed sync.",
      "Connect again; if it stays so, read the broker's log and start it again."}},
}};

/// A text of its own for one subject of one code.
struct SubjectRow {
  std::string_view subject;
  Texts texts;
};

constexpr auto forbidden_rows = std::to_array<SubjectRow>({
    {"defaut",
     {"Aucune règle ne vous permet cet acte avec les fonctions que l'annuaire vous donne. Le refus est inscrit au "
      "journal.",
      "Vérifiez la destination et le type d'envoi. Si vous pensez y avoir droit, appelez l'interlocuteur à la "
      "préfecture : il peut corriger l'annuaire.",
      "No rule allows this act; what no rule allows is refused. The refusal is in the log.",
      "Compare the caller's roles, seats and territory with the rules in docs/protocol.md, \"Policy\"."}},
    {"interdit.auteur",
     {"Vous, ou votre organisation, êtes à l'origine de ce dossier : vous ne prenez pas part à son évaluation.",
      "C'est la règle, et non un reproche. Vous suivez le dossier comme expéditeur avec « pli case show », et le "
      "retour vous parviendra.",
      "The author of a case, or a colleague of the same organisation, takes no part in its evaluation.",
      "Another member of the instance must act."}},
    {"interdit.recuse",
     {"Vous vous êtes retiré de ce dossier : il ne peut plus vous être ouvert.",
      "Un autre membre de l'instance doit agir. Si le retrait est une erreur, appelez l'interlocuteur à la "
      "préfecture.",
      "The caller withdrew from this case.", "Another member of the instance must act."}},
    {"interdit.heure",
     {"Ce qui vous est adressé n'est remis qu'à heure fixe, une fois par jour.",
      "Revenez après cette heure : votre liste le montrera.",
      "What waits in a collectivité's queue is shown at a fixed hour of the day.",
      "Wait for the hour (`retour_hour` in the broker's configuration)."}},
    {"interdit.copie",
     {"L'expéditeur a demandé que votre organisation n'ait pas copie de cet envoi.",
      "Un membre d'une autre organisation de l'instance doit agir.",
      "The exchange's `no-copy-to` names the caller's organisation.",
      "A member of another organisation must act; the sender alone can send it again without the condition."}},
    {"interdit.lecteurs",
     {"L'expéditeur a réservé cet envoi à ses premiers destinataires : personne ne peut y être ajouté.",
      "Demandez à l'expéditeur un nouvel envoi s'il faut que d'autres le lisent.",
      "The exchange is `eyes-only`: no access part, no transmission.", "Ask its sender to send it anew."}},
    {"accord.servi",
     {"Cette information nominative a déjà été remise une fois ; chaque accord ne sert qu'une fois.",
      "Le maire l'ouvre jusqu'à sa date. S'il faut la remettre à nouveau, écrivez-en une autre.",
      "The two agreements have served: the information was given to its maire already.",
      "Write a new information, to be agreed to anew."}},
    {"interdit.delai",
     {"Le dernier jour de cette information nominative est passé : elle n'est plus donnée ni ouverte.",
      "S'il le faut encore, le secrétariat de l'instance en écrit une nouvelle, et demande de nouveaux accords.",
      "The information's own date has passed.", "Write a new one, to be agreed to anew."}},
    {"interdit.sans.accord",
     {"L'expéditeur a demandé qu'on le consulte avant toute transmission, et il n'a pas donné son accord.",
      "Demandez-le-lui par une demande de complément (« accord_de_transmission »), et attendez sa réponse.",
      "The exchange is `ask-before-transfer`, and no agreement of its sender's organisation to that stands.",
      "Ask its sender; then do it again."}},
    {"interdit.hors.ged",
     {"L'expéditeur a réservé cet envoi au GED : il ne va nulle part ailleurs.",
      "Adressez-le au GED, ou retirez la condition « ged-only » si elle n'est pas voulue.",
      "A `ged-only` exchange is taken, shown and opened in the GED alone.",
      "Send it to the GED, or without the condition."}},
    {"interdit.auditeur",
     {"Un auditeur contrôle le journal ; il n'envoie rien et n'ouvre aucun contenu.",
      "Utilisez « pli audit list » et « pli audit verify ».",
      "An auditor sends nothing and opens nothing; the role spoils whatever stands beside it.",
      "Use the audit verbs."}},
    {"interdit.operateur",
     {"Un exploitant fait tourner le serveur ; il n'envoie rien et n'ouvre aucun contenu.",
      "Demandez à un membre de l'instance d'agir.",
      "An operator sends nothing and opens nothing; the role spoils whatever stands beside it.",
      "Ask a member of the instance."}},
    {"acces.absent",
     {"Ce pli a été scellé avant votre arrivée dans l'instance : votre clé ne figure pas parmi ses destinataires.",
      "Demandez à un membre qui siégeait déjà de vous en donner l'accès ; l'expéditeur n'a rien à refaire.",
      "The caller sits in the queue, but its key is in no access part of this exchange.",
      "A present member submits an `acces` exchange for the current roster."}},
    {"annuaire.expire",
     {"L'annuaire du serveur est périmé : plus rien n'est échangé avant la publication d'une nouvelle version.",
      "Prévenez l'interlocuteur à la préfecture. Ce qui attend dans votre boîte d'envoi n'est pas perdu. En cas "
      "d'urgence, appelez le 17 ou le 112.",
      "The current directory version is past its not-after date.",
      "Sign and publish a new version; the alarm began ten days before."}},
    {"interdit.avant.contrat",
     {"Le contrat n'est pas encore en vigueur : il ne prend aucun signalement avant son premier jour.",
      "« pli contract show » donne ce jour et qui appeler. L'envoi reste dans votre boîte d'envoi : présentez-le ce "
      "jour-là avec « pli outbox retry ». En cas d'urgence, appelez le 17 ou le 112.",
      "The contract entry starts later; what opens a case is refused until then.",
      "Wait, or publish a contract entry that starts earlier: pli directory contract --starts."}},
    {"interdit.apres.contrat",
     {"Le contrat a pris fin : il ne prend plus de nouveau signalement. Les dossiers ouverts vont à leur terme, avec "
      "leurs compléments, leur retour et leur clôture.",
      "Demandez à l'interlocuteur que donne « pli contract show » quel contrat suit celui-ci. En cas d'urgence, "
      "appelez le 17 ou le 112.",
      "The contract entry has ended; what opens a case is refused, what concerns an open one goes on.",
      "Publish a contract entry that ends later: pli directory contract --ends."}},
    {"interdit.hors.territoire",
     {"Le contrat ne couvre pas ce territoire : celui de l'instance, ou le vôtre.",
      "« pli contract show » donne les communes couvertes et qui appeler. Une personne se signale dans le département "
      "où elle réside, une structure dans celui de son adresse.",
      "The contract's territories cover neither the queue's place nor the sender's.",
      "Use the queue of the right département, or publish a contract entry that covers the commune."}},
    {"interdit.hors.volet",
     {"Le contrat ne comprend pas le volet de cet outil.",
      "Demandez à l'interlocuteur que donne « pli contract show » : les signataires peuvent ajouter le volet.",
      "The contract entry names its volets, and the tool's is not one of them.",
      "Publish a contract entry with the volet: pli directory contract --volet."}},
    {"interdit.hors.registre",
     {"L'annuaire ne permet pas cet acte à cet outil : ni ce type d'envoi, ni cette destination, ou l'outil n'y est "
      "pas "
      "inscrit.",
      "« pli directory show » dit ce qu'il peut déposer et lire. La préfecture peut changer son inscription.",
      "The tool's entry in the directory names neither this kind and queue, or there is no such entry.",
      "Register the tool: pli directory tool, then sign and publish."}},
});

constexpr Texts broken_envelope = {
    "L'envoi est abîmé : une partie ne correspond pas au reste.",
    "Envoyez-le de nouveau. Si l'erreur revient, mettez le logiciel à jour, puis appelez l'interlocuteur à la "
    "préfecture.",
    "The bytes do not decode, or a part is not the one the seal names.",
    "Seal again from the form; never edit sealed bytes."};
constexpr Texts wrong_sender = {"L'envoi ne porte pas le nom de la personne connectée.",
                                "Envoyez avec votre propre identité : chacun signe ce qu'il envoie.",
                                "The sender or its key is not the directory entry of the transport key.",
                                "Sign and connect with the same identity."};
constexpr Texts wrong_place = {
    "L'envoi est adressé à un autre contrat ou à un autre serveur que celui-ci.",
    "Vérifiez que vous utilisez l'invitation de ce département, puis préparez l'envoi de nouveau.",
    "The contract or the log named is not this broker's.", "Use the invitation of this broker's contract."};
constexpr Texts nobody_there = {
    "Personne ne siège actuellement à cette destination, ou la liste des destinataires n'est pas la bonne.",
    "Rien n'a été transmis. Appelez l'interlocuteur à la préfecture pour savoir à qui adresser l'envoi.",
    "The roster is empty or is not one this directory knows.",
    "Fetch the directory; seat somebody in the queue if its roster is empty."};
constexpr Texts newer_software = {
    "Ce type d'envoi, ou l'une de ses options, n'est pas connu du serveur.",
    "Mettez le logiciel à jour. Si l'erreur revient, appelez l'interlocuteur à la préfecture.",
    "The kind, an attribute or the version is not in the broker's closed list.", "Use the same release on both sides."};
constexpr Texts wrong_case = {
    "La référence du dossier ne convient pas à ce type d'envoi.",
    "Un signalement ouvre un dossier nouveau ; tout autre envoi cite le dossier auquel il se rattache. Vérifiez la "
    "référence avec « pli case list ».",
    "This kind must name a case and does not, or opens one and names one.",
    "See the kind table: `opens_case` and `names_case`."};
constexpr Texts wrong_release = {
    "La clé d'ouverture jointe n'est pas celle de cet envoi.",
    "Envoyez-le de nouveau depuis le formulaire. Si l'erreur revient, mettez le logiciel à jour.",
    "The release share does not open to the R the seal commits to, or is not 1 of 1 to the broker.",
    "Box the R of this very seal to the broker's current release key."};
constexpr Texts wrong_motif = {"Ce motif n'est pas dans la liste.",
                               "Choisissez un motif de la liste, que donne « pli open --help ».",
                               "The motif is not in the closed list.", "Send one of the motif codes."};
constexpr Texts wrong_note = {
    "La note n'est pas recevable : celle d'un motif est trop longue ou mal scellée, celle de l'annuaire mal formée.",
    "Raccourcissez la note du motif et recommencez. Pour l'annuaire, préparez de nouveau la version à publier.",
    "The sealed note is not the one the request names or is over its limit; or the directory note does not parse.",
    "Seal the note to the audit queue's keys in its one bucket and sign its digest; or write the version again."};
constexpr Texts wrong_handling = {"Une condition de diffusion n'est pas dans la liste, est répétée, ou il y en a trop.",
                                  "Choisissez parmi les conditions proposées, chacune une seule fois.",
                                  "A handling condition is unknown or repeated, or there are more than eight.",
                                  "Use the closed list of conditions."};
constexpr Texts wrong_destination = {
    "Cette destination n'existe pas, ou ne convient pas à ce type d'envoi.",
    "Une personne est signalée au GED, une structure à la CLIR. Vérifiez la destination et recommencez.",
    "The queue id is malformed or has no directory entry.", "Take queue ids from the directory."};

constexpr Texts wrong_directory = {
    "La version de l'annuaire citée ou présentée ne convient pas.",
    "Reconnectez-vous pour recevoir l'annuaire à jour, puis recommencez.",
    "The directory number is unknown, or the version, its entries or its date do not hold.",
    "Fetch the current version; a new one lasts at most thirty days and changes entries only by the rules."};
constexpr Texts wrong_exchange = {"Ce pli ne s'ouvre pas par lui-même : il donne accès à un autre.",
                                  "Ouvrez le pli auquel il se rattache, que montre « pli case show ».",
                                  "An access part names the exchange to open.",
                                  "Open the exchange its in_reply_to names."};
constexpr Texts wrong_position = {
    "La partie ou le numéro demandé n'existe pas.", "Recommencez l'opération depuis le début.",
    "The access part, chunk index or queue number is beyond what there is.", "Take positions from the last reply."};

constexpr Texts not_erased = {"Cet échange n'est pas effacé : il n'y a pas de certificat d'effacement.",
                              "« pli case list » dit quand un dossier sera effacé. Redemandez le certificat après.",
                              "The exchange stands, so there is no certificate of its erasure.",
                              "Ask again once it is erased."};
constexpr auto invalid_rows = std::to_array<SubjectRow>({
    {"address", broken_envelope},
    {"seal", broken_envelope},
    {"locked", broken_envelope},
    {"payload", broken_envelope},
    {"locked_size", broken_envelope},
    {"payload_size", broken_envelope},
    {"nonce", broken_envelope},
    {"request", broken_envelope},
    {"chunk", broken_envelope},
    {"opening", broken_envelope},
    {"sender", wrong_sender},
    {"sender_key", wrong_sender},
    {"opener", wrong_sender},
    {"opener_key", wrong_sender},
    {"contract", wrong_place},
    {"log", wrong_place},
    {"roster", nobody_there},
    {"recipients", nobody_there},
    {"kind", newer_software},
    {"attributes", newer_software},
    {"version", newer_software},
    {"urgency", newer_software},
    {"case", wrong_case},
    {"in_reply_to", wrong_case},
    {"release", wrong_release},
    {"session", wrong_release},
    {"motif", wrong_motif},
    {"note", wrong_note},
    {"handling", wrong_handling},
    {"queue", wrong_destination},
    {"directory", wrong_directory},
    {"not_after", wrong_directory},
    {"bundle", wrong_directory},
    {"exchange", wrong_exchange},
    {"erasure", not_erased},
    {"access", wrong_position},
    {"index", wrong_position},
    {"number", wrong_position},
});

/// By the second part of "from,to,possible…": what was asked for tells best what must come before.
constexpr Texts finding_too_early = {"On dit si un signalement est recevable après l'avoir lu, et avant la séance.",
                                     "Ouvrez d'abord le dossier avec « pli open », puis recommencez. S'il est déjà "
                                     "inscrit, poursuivez vers la décision.",
                                     "Admissibility is found after an opening by the instance and before the agenda.",
                                     "Open an exchange of the case first, or go on from where it stands."};
constexpr Texts agenda_too_early = {
    "Un dossier est inscrit à une séance après l'avis de recevabilité, et avant la décision.",
    "Enregistrez d'abord l'avis avec « pli case receive ».",
    "A case is put on an agenda once its admissibility is found.", "Submit the finding first."};
constexpr Texts evaluation_too_early = {"Un dossier est mis en évaluation une fois inscrit à une séance.",
                                        "Inscrivez-le d'abord avec « pli case schedule ».",
                                        "A case is taken up by a séance that has it on its agenda.",
                                        "Put it on an agenda first."};
constexpr Texts decision_too_early = {
    "Une décision suit la lecture et l'évaluation du dossier par l'instance, et il n'y en a qu'une.",
    "Regardez avec « pli case show » où en est le dossier. Avant la décision viennent l'avis, l'inscription et "
    "l'évaluation. S'il est déjà décidé, passez au retour.",
    "A decision follows a recorded opening and the evaluation, once.",
    "The subject lists what is possible; the table is in protocol/case_life.cpp."};
constexpr Texts return_too_early = {
    "Un retour suit une décision : ce dossier n'en a pas encore, ou le retour est déjà fait.",
    "Enregistrez d'abord la décision avec « pli case decide ».", "A retour follows a decision, once.",
    "Submit the decision first."};
constexpr Texts closing_too_early = {
    "Un dossier n'est pas clos sans retour à la collectivité, ou sans une date à laquelle le retour reporté sera "
    "réexaminé.",
    "Faites le retour avec « pli case return », ou reportez-le avec « pli case defer ».",
    "No closing without a retour, or a deferral whose day lies ahead.", "Submit one of them first."};
constexpr Texts demand_too_late = {
    "Un complément se demande après la lecture du dossier et avant la décision.",
    "Ouvrez d'abord le dossier avec « pli open ». S'il est décidé, ou si un complément est déjà attendu, il n'y a rien "
    "à demander.",
    "More is asked for after an opening by the instance and before the decision, once at a time.",
    "Open an exchange of the case first."};
constexpr Texts withdrawal_too_late = {
    "Ce signalement a déjà été lu, ou déjà retiré : il ne peut plus être retiré.",
    "Envoyez une rectification avec « pli send » : elle parviendra à ceux qui l'ont lu.",
    "A report is taken back before its first opening, once.", "Send a rectification instead."};
constexpr Texts complement_too_late = {
    "Ce dossier n'accepte plus de complément ni de rectification.",
    "Si un fait nouveau le justifie, faites un nouveau signalement. En cas d'urgence, appelez le 17 ou le 112.",
    "The case has ended; complements and rectifications are no longer taken.", "Open a new case."};
constexpr Texts passed_on_too_early = {
    "On ne transmet que ce que quelqu'un de l'instance a lu, et rien d'un dossier retiré ou effacé.",
    "Ouvrez d'abord le dossier avec « pli open ».", "A case is passed on after an opening by the instance.",
    "Open an exchange of the case first."};
constexpr Texts informed_too_early = {
    "Une information nominative, et l'accord qu'on y donne, viennent après l'avis de recevabilité, dans un dossier lu.",
    "Regardez avec « pli case show » où en est le dossier ; l'avis se donne avec « pli case receive ».",
    "It follows an opening and the finding that the case is in scope or out of it.", "Take these steps first."};
constexpr Texts already_there = {"C'est déjà fait : le dossier en est là.",
                                 "Il n'y a rien à refaire ; « pli case show » dit où en est le dossier.",
                                 "The case stands where this step would lead.", "Nothing is left to do of it."};
constexpr auto transition_rows = std::to_array<SubjectRow>({
    {"transmission", passed_on_too_early},
    {"orientation_cpraf", passed_on_too_early},
    {"information_nominative", informed_too_early},
    {"agrement", informed_too_early},
    {"recevable", finding_too_early},
    {"hors_perimetre", finding_too_early},
    {"a_l_ordre_du_jour", agenda_too_early},
    {"en_evaluation", evaluation_too_early},
    {"decide", decision_too_early},
    {"decision", decision_too_early},
    {"retour_effectue", return_too_early},
    {"retour", return_too_early},
    {"clos", closing_too_early},
    {"complement_demande", demand_too_late},
    {"examen_termine", withdrawal_too_late},
    {"complement", complement_too_late},
    {"recu", complement_too_late},
});

/// What stands between the first two commas of an illegal step's subject.
std::string_view wanted_step(std::string_view subject) {
  const std::size_t first = subject.find(',');
  if (first == std::string_view::npos) return subject;
  const std::string_view rest = subject.substr(first + 1);
  return rest.substr(0, rest.find(','));
}

constexpr Texts withdrawn = {
    "Ce signalement a été retiré par celui qui l'avait envoyé, avant que personne ne l'ait lu.",
    "Il n'y a rien à lire ni à faire.", "The case was taken back by its sender before its first opening.",
    "Nothing opens it."};
constexpr Texts erased_record = {
    "La trace détaillée de cet acte a été effacée au terme du journal ; il ne peut plus être prouvé de nouveau.",
    "Le reçu que vous avez gardé reste valable et se vérifie avec « pli receipt verify ».",
    "The record of this act was dropped with its month's key at the log's term.",
    "A receipt kept by the client still verifies; the leaf stays in the tree."};
constexpr Texts suspended = {
    "Votre accès est suspendu par une autorité du contrat, pour sept jours au plus.",
    "Appelez l'interlocuteur à la préfecture. Ce qui attend dans votre boîte d'envoi n'est pas perdu. En cas "
    "d'urgence, "
    "appelez le 17 ou le 112.",
    "One authority suspended this member; it lapses after seven days unless a version of the directory confirms it.",
    "Ask the authorities; a version that writes the member's entry anew ends it."};
constexpr auto revoked_rows = std::to_array<SubjectRow>({{"suspension", suspended}});
constexpr Texts unreadable_key = {
    "Le serveur n'a plus la clé d'ouverture de ce pli, ou elle est abîmée : il ne peut pas vous l'ouvrir.",
    "Signalez-le au secrétariat et à l'exploitant : ce pli n'est pas arrivé à son terme, et il peut encore être "
    "rétabli.",
    "R stands under a lease that is gone, or does not open under it.",
    "Run pli-broker check; put the right lease file back; nothing is lost while either copy is."};
constexpr auto too_large_rows = std::to_array<SubjectRow>(
    {{"transfers",
      {"Ce dossier est déjà passé par trop d'instances : il ne peut pas être transmis plus loin.",
       "Adressez-vous à l'instance qui l'a reçu la première : elle peut le transmettre elle-même.",
       "The case came through as many transmissions as there may be (`transfers_chain_max`).",
       "Have an instance nearer to the first one transmit it."}}});

constexpr auto erased_rows =
    std::to_array<SubjectRow>({{"journal", erased_record}, {"cle", unreadable_key}, {"retrait", withdrawn}});

struct LocalRow {
  LocalCode code;
  std::string_view name;
  Texts texts;
};
constexpr std::array<LocalRow, 43> local_rows = {{
    {LocalCode::unreachable,
     "unreachable",
     {"Le serveur ne répond pas.",
      "Vérifiez la connexion au réseau. Ce qui est dans la boîte d'envoi (« pli outbox list ») y reste et partira ; "
      "toute autre commande est à refaire. En cas d'urgence, appelez le 17 ou le 112.",
      "The broker did not answer in time.", "Check the network, the endpoint and the broker's health."}},
    {LocalCode::wrong_broker_key,
     "wrong_broker_key",
     {"Le serveur qui répond n'est pas celui de votre invitation.",
      "Ne continuez pas. Appelez l'interlocuteur à la préfecture : soit le serveur a changé de clé, soit quelqu'un "
      "se fait passer pour lui.",
      "The CURVE handshake failed: the broker does not hold the key of the invitation.",
      "Compare the broker's key with the invitation; suspect the network before the file."}},
    {LocalCode::queued,
     "queued",
     {"L'envoi est scellé et gardé sur ce poste, mais le serveur ne l'a pas encore reçu.",
      "Il partira avec « pli outbox flush » dès que le serveur répondra. En cas d'urgence, appelez le 17 ou le "
      "112.",
      "Durable in the outbox; no receipt yet.", "Flush the outbox when the broker answers."}},
    {LocalCode::no_invitation,
     "no_invitation",
     {"Ce poste n'a pas encore d'invitation : il ne sait pas à quel serveur se fier.",
      "Demandez l'invitation à l'interlocuteur à la préfecture, et vérifiez son empreinte de vive voix.",
      "No invitation is stored for this identity.", "Import the invitation after comparing its fingerprint."}},
    {LocalCode::wrong_passphrase,
     "wrong_passphrase",
     {"La phrase de passe n'ouvre pas cette identité, ou le fichier est abîmé.",
      "Réessayez en vérifiant les majuscules et la disposition du clavier. Personne d'autre ne connaît votre phrase "
      "de passe : si elle est perdue, faites inscrire une nouvelle carte par la préfecture.",
      "The identity file does not open under this passphrase.", "Try again, or restore the file from a copy."}},
    {LocalCode::bad_form,
     "bad_form",
     {"Le formulaire n'est pas complet, ou une rubrique ne convient pas. Rien n'a été envoyé.",
      "Corrigez les rubriques indiquées, puis recommencez. « Inconnu » est toujours une réponse possible.",
      "The form does not validate.", "Correct the fields named; every problem found is listed."}},
    {LocalCode::unknown_commune,
     "unknown_commune",
     {"Ce code de commune n'est pas dans la liste de l'Insee. Rien n'a été envoyé.",
      "Vérifiez le code à cinq caractères de la commune de résidence, ou de l'adresse de la structure.",
      "The commune code is not in the INSEE table.", "Use the five-character code of the table."}},
    {LocalCode::missing_dated_fact,
     "missing_dated_fact",
     {"Le signalement ne contient aucun fait daté : une appréciation seule ne peut pas être envoyée.",
      "Ajoutez au moins un fait avec sa date, même approximative, et la façon dont il est connu.",
      "A report needs at least one dated fact.", "Add a fact with a date."}},
    {LocalCode::receipt_invalid,
     "receipt_invalid",
     {"Le reçu présenté ne prouve pas l'enregistrement : il est abîmé, ou ne vient pas de ce journal.",
      "Gardez le fichier et appelez l'interlocuteur à la préfecture. L'envoi reste dans votre boîte d'envoi.",
      "The receipt's disclosure, leaf, proof or checkpoint does not verify under the log's key.",
      "Keep the file as evidence; ask for a fresh proof."}},
    {LocalCode::log_forked,
     "log_forked",
     {"Le journal du serveur contredit ce qu'il avait montré auparavant à ce poste.",
      "N'envoyez plus rien. Prévenez l'auditeur et l'interlocuteur à la préfecture ; ne supprimez rien sur ce "
      "poste, il en garde la preuve.",
      "The checkpoint shown is not consistent with the last one verified.",
      "Keep both signed checkpoints: together they prove the fork."}},
    {LocalCode::log_shrunk,
     "log_shrunk",
     {"Le journal du serveur est plus court qu'auparavant : des actes ont disparu, peut-être après la restauration "
      "d'une ancienne sauvegarde.",
      "Ne supprimez rien sur ce poste. Prévenez l'interlocuteur à la préfecture ; vos envois seront représentés au "
      "serveur une fois la situation réglée.",
      "The checkpoint shown is smaller than the last one verified: the log was rolled back.",
      "Accepting a rollback opens a new shard: `pli-broker rollback-request`, README.md."}},
    {LocalCode::queue_withheld,
     "queue_withheld",
     {"Il manque un pli dans cette file, ou l'ordre des plis a changé : le serveur ne montre pas tout.",
      "Prévenez les autres membres de l'instance et l'auditeur ; comparez vos files.",
      "A queue's number or head does not follow from the one before, or differs from a head gossiped by a sender.",
      "Keep the items received; compare heads with other members."}},
    {LocalCode::queue_reordered,
     "queue_reordered",
     {"L'ordre des plis de cette file a changé : un numéro déjà vu désigne maintenant un autre pli.",
      "Ne supprimez rien sur ce poste. Prévenez les autres membres de l'instance et l'auditeur.",
      "A place of the queue already verified holds another exchange now.",
      "Keep both headers; compare with other members and with the journal."}},
    {LocalCode::queue_hidden,
     "queue_hidden",
     {"Le serveur a caché un pli de cette file en disant qu'il n'était pas adressé à ce poste, sans pouvoir le "
      "prouver.",
      "Prévenez les autres membres de l'instance et l'auditeur, et demandez au secrétariat ce que contient cette "
      "place.",
      "A place shown as not for this member has no proof of its recipients, or this member's key is among them.",
      "Keep the proof; another member or the auditor sees the exchange."}},
    {LocalCode::log_rolled_back,
     "log_rolled_back",
     {"Le serveur a été rétabli à partir d'une sauvegarde : sur ordre signé de l'autorité, un nouveau journal a été "
      "ouvert.",
      "Vos envois que le nouveau journal n'a pas seront présentés de nouveau. Gardez vos reçus ; l'ordre signé est "
      "conservé sur ce poste.",
      "The shard was closed at a smaller size by the authority's signed order, and the next one opened.",
      "What was receipted beyond it is sent again; keep the order and both checkpoints."}},
    {LocalCode::log_stale,
     "log_stale",
     {"Depuis trop longtemps, aucun témoin n'a confirmé le journal du serveur : plus rien n'est scellé.",
      "Prévenez l'interlocuteur à la préfecture. Ce qui est dans la boîte d'envoi y reste et partira ensuite.",
      "No checkpoint cosigned by the policy's quorum is young enough.",
      "Bring the witnesses back; nothing is sealed until a fresh cosigned checkpoint is shown."}},
    {LocalCode::directory_stale,
     "directory_stale",
     {"Le serveur montre à ce poste un annuaire plus ancien que celui que d'autres ont reçu.",
      "Ne scellez plus rien. Prévenez l'interlocuteur à la préfecture et l'auditeur.",
      "An accepted exchange names a directory version newer than the newest one shown.",
      "Fetch the directory again; if it stays so, the broker withholds a version."}},
    {LocalCode::address_mismatch,
     "address_mismatch",
     {"L'adresse inscrite à l'intérieur du pli n'est pas celle du dehors. Le pli a été refusé.",
      "Ne vous fiez pas à ce contenu. Le refus est signalé ; prévenez le secrétariat de l'instance.",
      "The inner address differs from the outer one.", "Refused and reported; ask the sender to send again."}},
    {LocalCode::no_stanza_for_me,
     "no_stanza_for_me",
     {"Ce pli n'a pas été scellé pour votre clé, bien que vous soyez parmi ses destinataires.",
      "Demandez à un membre de l'instance qui peut l'ouvrir de vous en donner l'accès, et prévenez le secrétariat.",
      "The header opens under R but holds no stanza for this age key.",
      "Have a present member re-wrap it; the sender's software did not seal to the roster it named."}},
    {LocalCode::bad_padding,
     "bad_padding",
     {"Le contenu du pli est mal formé. Le pli a été refusé.",
      "Le refus est signalé. Demandez à l'expéditeur de recommencer son envoi.",
      "The plaintext's padding or layout is wrong.", "Refused and reported; ask the sender to send again."}},
    {LocalCode::release_mismatch,
     "release_mismatch",
     {"La clé d'ouverture donnée par le serveur n'est pas celle que l'expéditeur a scellée.",
      "Prévenez l'auditeur : le serveur s'est trompé, ou quelqu'un a voulu changer le contenu.",
      "R does not match the seal's release commitment, or does not unlock the header.",
      "Keep the opening's proof; the broker answered with another R."}},
    {LocalCode::file_key_mismatch,
     "file_key_mismatch",
     {"La clé trouvée dans le pli n'est pas celle que l'expéditeur a signée.",
      "Ne vous fiez pas à ce contenu. Le refus est signalé ; prévenez le secrétariat de l'instance.",
      "The file key does not match the seal's commitment.", "Refused and reported."}},
    {LocalCode::payload_mismatch,
     "payload_mismatch",
     {"Le contenu reçu n'est pas celui que l'expéditeur a signé.",
      "Recommencez l'ouverture une fois. Si l'erreur revient, prévenez l'auditeur : le serveur ne rend pas ce qu'il "
      "a reçu.",
      "The payload or locked part does not have the size and SHA-256 of the seal, or does not decrypt.",
      "Fetch again; if it stays so, the broker's store is damaged or dishonest."}},
    {LocalCode::sender_unproven,
     "sender_unproven",
     {"La signature de l'expéditeur ne se vérifie pas avec l'annuaire.",
      "Ne vous fiez pas à ce pli tant que la préfecture n'a pas confirmé qui l'a envoyé.",
      "The exchange's signature does not verify, or its key is no proven directory entry's.",
      "Fetch the directory again; if it stays so, refuse the exchange."}},
    {LocalCode::directory_unproven,
     "directory_unproven",
     {"L'annuaire présenté n'est pas signé comme il doit l'être, ou il est périmé.",
      "Rien n'a été scellé pour lui. Appelez l'interlocuteur à la préfecture : si les signataires ont changé en votre "
      "absence, il vous donnera une nouvelle invitation.",
      "The directory note, an entry's proof or the not-after date does not verify.",
      "Publish a signed, current version. Whoever missed the version that changed the authorities needs a new "
      "invitation: "
      "`pli directory invitation`."}},
    {LocalCode::queue_unknown,
     "queue_unknown",
     {"L'annuaire ne vous montre pas cette file : elle n'existe pas, ou elle n'est pas de votre territoire.",
      "L'envoi est gardé. Vérifiez la destination ; « pli outbox discard » oublie un envoi qui n'en a pas.",
      "The directory version shown has no entry for this queue.",
      "Take queue ids from the directory; what waits is sealed once a version shows its queue."}},
    {LocalCode::queue_vacant,
     "queue_vacant",
     {"Personne ne siège encore dans l'instance à laquelle cet envoi est destiné : rien ne peut être scellé pour elle.",
      "L'envoi est gardé sous votre seule clé et partira avec « pli outbox flush » dès que quelqu'un y siégera. "
      "Prévenez "
      "l'interlocuteur à la préfecture. En cas d'urgence, appelez le 17 ou le 112.",
      "The queue's roster is empty in the directory version in force.",
      "Enrol a member with a seat in this queue, then sign and publish a version."}},
    {LocalCode::awaits_case,
     "awaits_case",
     {"Cet envoi se rattache à un autre que le serveur n'a pas, ou n'a plus : il l'attend.",
      "Rien n'est perdu : « pli outbox flush » le présentera de nouveau. S'il attend l'envoi d'un autre membre, "
      "celui-ci "
      "doit d'abord représenter le sien.",
      "The broker lacks the case or the step this exchange depends on, most often after an ordered rollback.",
      "Flush again once whoever sent the earlier exchange has sent it again."}},
    {LocalCode::local_store,
     "local_store",
     {"Ce poste ne peut pas lire ou écrire ses propres fichiers.",
      "Vérifiez la place sur le disque et les droits du dossier, puis recommencez. L'envoi n'est pas compté comme "
      "parti.",
      "The client's own store cannot be read or written.", "Check free space and permissions."}},
    {LocalCode::profile_later,
     "profile_later",
     {"Les fichiers de ce poste ont été écrits par une version de pli plus récente que celle-ci. Rien n'a changé.",
      "Installez ici cette version, ou une plus récente, puis recommencez.",
      "A later pli wrote this profile's state.db; it was left as it is.", "Install that version or a later one here."}},
    {LocalCode::no_identity,
     "no_identity",
     {"Il n'y a pas encore d'identité sur ce poste. Rien n'a été envoyé.",
      "Créez-la avec « pli identity new », puis remettez votre carte à la préfecture avec « pli identity card ».",
      "There is no identity in this profile.", "Make one with `pli identity new`, or name another profile (--home)."}},
    {LocalCode::file_missing,
     "file_missing",
     {"Un fichier indiqué n'existe pas, ou n'est pas lisible.",
      "Vérifiez son nom et son dossier, puis recommencez. Rien n'a été envoyé.",
      "A file that was named does not exist, or cannot be read.", "Check its name, its folder and its permissions."}},
    {LocalCode::passphrase_file_open,
     "passphrase_file_open",
     {"Le fichier de la phrase de passe est ouvert à d'autres que vous : il n'a pas été lu.",
      "Fermez-le avec « chmod 600 ». Si d'autres ont pu le lire, changez de phrase de passe.",
      "The passphrase file is not yours alone, so it was not read.",
      "It has to belong to you and be closed to everybody else: chmod 600."}},
    {LocalCode::no_terminal,
     "no_terminal",
     {"Il n'y a pas de terminal pour poser la question, et la réponse n'a pas été donnée autrement.",
      "Donnez la phrase de passe par « --passphrase-file FICHIER » ; pour une confirmation, voyez « --help ».",
      "There is no terminal to ask on, and no option gave the answer.",
      "Use --passphrase-file for a passphrase; --help shows the option that confirms."}},
    {LocalCode::passphrases_differ,
     "passphrases_differ",
     {"Les deux phrases de passe ne sont pas les mêmes. Rien n'a été créé.",
      "Recommencez, en tapant deux fois la même phrase.", "The two passphrases differ; nothing was made.",
      "Start over and type the same one twice."}},
    {LocalCode::passphrase_short,
     "passphrase_short",
     {"Cette phrase de passe est trop courte : il faut 12 caractères, ou 5 mots. Rien n'a été créé.",
      "Choisissez par exemple cinq mots sans rapport entre eux, que vous retiendrez sans les écrire.",
      "The passphrase is shorter than 12 characters and has fewer than 5 words; nothing was made.",
      "Choose five unrelated words, or more characters."}},
    {LocalCode::id_malformed,
     "id_malformed",
     {"Ce numéro n'en est pas un : il faut 8 à 64 caractères, chiffres ou lettres de « a » à « f », en minuscules.",
      "Recopiez-le de « pli inbox » ou de « pli case list ».", "An id is 8 to 64 hexadecimal digits, in lower case.",
      "Copy it out of a list."}},
    {LocalCode::id_ambiguous,
     "id_ambiguous",
     {"Plusieurs numéros commencent ainsi : impossible de savoir lequel est voulu.",
      "Donnez plus de caractères ; « --json » montre les numéros entiers.", "Several ids begin like this.",
      "Give more digits; --json shows whole ids."}},
    {LocalCode::invitation_other_contract,
     "invitation_other_contract",
     {"Cette invitation est d'un autre contrat, ou d'un autre journal, que celle de ce profil. Rien n'a changé.",
      "Gardez un profil pour chaque contrat, avec « --home DOSSIER ». Si le contrat a vraiment été refait, et que la "
      "préfecture vous l'a dit de vive voix, ajoutez « --replace ».",
      "The invitation names another contract, log or log key than this profile's.",
      "Use another profile (--home); --replace when the contract was made anew."}},
    {LocalCode::invitation_other_keys,
     "invitation_other_keys",
     {"Cette invitation répond à une autre carte que celle de ce profil : le serveur ne vous reconnaîtrait pas. Elle "
      "n'a "
      "pas été acceptée.",
      "Demandez à l'interlocuteur à la préfecture celle qui répond à votre carte, dont « pli identity show » donne "
      "l'empreinte ; ou prenez le profil qui a remis la carte, avec « --home DOSSIER ».",
      "The invitation names the key of another card than this profile's; nothing was kept.",
      "Ask for the invitation made from this profile's card, or use the profile that made the card (--home)."}},
    {LocalCode::fingerprint_differs,
     "fingerprint_differs",
     {"L'empreinte donnée n'est pas celle de cette invitation. Elle n'a pas été acceptée.",
      "N'envoyez rien. Appelez l'interlocuteur à la préfecture, à un numéro que vous connaissez déjà, et faites-vous "
      "relire l'empreinte.",
      "The digits given are not this invitation's fingerprint; nothing was kept.",
      "Have the authority read them again; otherwise suspect the file."}},
    {LocalCode::departement_unknown,
     "departement_unknown",
     {"Ce département n'existe pas. Rien n'a été créé.", "Donnez son numéro, par exemple 89, 2a ou 971.",
      "There is no such département; nothing was made.", "Give the number of one, such as 89, 2a or 971."}},
    {LocalCode::usage,
     "usage",
     {"La commande n'est pas complète, ou une option n'existe pas.",
      "Ajoutez « --help » à la commande : un exemple y est donné.", "The command line is wrong.",
      "Run the command with --help."}},
}};

Explanation explain(const Texts& texts, Language language) {
  if (language == Language::french) return {std::string(texts.cause_fr), std::string(texts.next_fr)};
  return {std::string(texts.cause_en), std::string(texts.next_en)};
}

const Texts* find_subject(std::span<const SubjectRow> rows, std::string_view subject) {
  for (const SubjectRow& row : rows)
    if (row.subject == subject) return &row.texts;
  return nullptr;
}

const Texts* specific_texts(const Refusal& refusal) {
  switch (refusal.code) {
    case Code::forbidden: return find_subject(forbidden_rows, refusal.subject);
    case Code::invalid: return find_subject(invalid_rows, refusal.subject);
    case Code::revoked: return find_subject(revoked_rows, refusal.subject);
    case Code::erased: return find_subject(erased_rows, refusal.subject);
    case Code::agreement_missing: return find_subject(forbidden_rows, refusal.subject);
    case Code::too_large: return find_subject(too_large_rows, refusal.subject);
    case Code::illegal_transition: {
      const std::size_t comma = refusal.subject.find(',');
      const std::string_view to = wanted_step(refusal.subject);
      if (comma != std::string::npos && to == std::string_view(refusal.subject).substr(0, comma)) return &already_there;
      return find_subject(transition_rows, to);
    }
    default: return nullptr;
  }
}

std::string busy_next_step(std::uint32_t retry_after_ms, Language language) {
  const std::uint32_t seconds = std::max<std::uint32_t>(1, retry_after_ms / 1000 + (retry_after_ms % 1000 != 0));
  const std::string count = std::to_string(seconds);
  if (language == Language::english) return "Try again in " + count + (seconds == 1 ? " second." : " seconds.");
  return "Réessayez dans " + count + (seconds == 1 ? " seconde" : " secondes") +
         ". Ce qui attend dans votre boîte d'envoi n'est pas perdu.";
}

const CodeRow* row_of(Code code) {
  for (const CodeRow& row : code_rows)
    if (row.code == code) return &row;
  return nullptr;
}

}  // namespace

std::string_view text_of(Code code) {
  const CodeRow* row = row_of(code);
  return row == nullptr ? std::string_view{} : row->name;
}

std::optional<Code> code_of(std::string_view text) {
  for (const CodeRow& row : code_rows)
    if (row.name == text) return row.code;
  return std::nullopt;
}

std::optional<Code> code_of_number(std::uint8_t number) {
  for (const CodeRow& row : code_rows)
    if (static_cast<std::uint8_t>(row.code) == number) return row.code;
  return std::nullopt;
}

bool is_subject(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == ',' || c == '-';
  };
  return !text.empty() && text.size() <= refusal_subject_bytes_max && std::all_of(text.begin(), text.end(), allowed);
}

Explanation explain(const Refusal& refusal, Language language) {
  const CodeRow* row = row_of(refusal.code);
  if (row == nullptr) row = row_of(Code::invalid);  // only a cast makes another code
  const Texts* specific = specific_texts(refusal);
  Explanation out = explain(specific == nullptr ? row->texts : *specific, language);
  if (row->code == Code::busy) out.next_step = busy_next_step(refusal.retry_after_ms, language);
  return out;
}

std::string to_text(const Refusal& refusal) {
  std::string out(text_of(refusal.code));
  if (refusal.code == Code::busy) {
    out += '(' + std::to_string(refusal.retry_after_ms) + ')';
  } else if (is_subject(refusal.subject)) {
    out += '(' + refusal.subject + ')';
  }
  return out;
}

std::string_view text_of(LocalCode code) {
  for (const LocalRow& row : local_rows)
    if (row.code == code) return row.name;
  return {};
}

Explanation explain(LocalCode code, Language language) {
  for (const LocalRow& row : local_rows)
    if (row.code == code) return explain(row.texts, language);
  return explain(local_rows.back().texts, language);  // only a cast makes another code
}

}  // namespace pli::protocol
