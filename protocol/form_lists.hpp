// The closed lists of what people write: how each value is sealed, typed and read. Numbers are fixed for ever, and are
// those of protocol/form.proto; a test compares. An absent value is *inconnu*.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace pli::protocol {

struct Choice {
  int number;
  std::string_view name;    ///< as typed
  std::string_view french;  ///< as read
};
using Choices = std::span<const Choice>;

inline constexpr std::array<Choice, 3> connaissances = {{
    {1, "constate_directement", "constaté directement"},
    {2, "rapporte", "rapporté par un tiers"},
    {3, "document", "connu par un document"},
}};
inline constexpr std::array<Choice, 3> frequences = {{
    {1, "unique", "une seule fois"},
    {2, "repete", "plusieurs fois"},
    {3, "habituel", "habituellement"},
}};
inline constexpr std::array<Choice, 10> temoins = {{
    {1, "agent_municipal", "agent municipal"},
    {2, "elu", "élu"},
    {3, "habitant", "habitant"},
    {4, "commercant", "commerçant"},
    {5, "enseignant", "enseignant ou personnel scolaire"},
    {6, "gardien_ou_bailleur", "gardien ou agent d'un bailleur"},
    {7, "agent_de_transport", "agent d'un transporteur"},
    {8, "benevole_associatif", "bénévole ou salarié d'une association"},
    {9, "proche", "proche de la personne"},
    {10, "autre", "autre"},
}};
inline constexpr std::array<Choice, 4> domaines = {{
    {1, "ruptures", "ruptures"},
    {2, "environnement_personnel", "environnement personnel"},
    {3, "discours", "discours"},
    {4, "frequentations_et_techniques", "fréquentations et techniques"},
}};
inline constexpr std::array<Choice, 2> urgences = {{
    {1, "normale", "normale"},
    {2, "urgente", "urgente"},
}};
inline constexpr std::array<Choice, 4> categories = {{
    {1, "personne_signalee", "personne signalée"},
    {2, "victime_possible", "victime possible"},
    {3, "temoin", "témoin"},
    {4, "proche", "proche"},
}};
inline constexpr std::array<Choice, 6> tranches_age = {{
    {1, "moins_de_13", "moins de 13 ans"},
    {2, "13_17", "de 13 à 17 ans"},
    {3, "18_25", "de 18 à 25 ans"},
    {4, "26_40", "de 26 à 40 ans"},
    {5, "41_60", "de 41 à 60 ans"},
    {6, "plus_de_60", "plus de 60 ans"},
}};
inline constexpr std::array<Choice, 2> oui_non = {{
    {1, "oui", "oui"},
    {2, "non", "non"},
}};
inline constexpr std::array<Choice, 7> natures = {{
    {1, "debit_de_boissons", "débit de boissons"},
    {2, "autre_commerce", "autre commerce"},
    {3, "lieu_de_culte", "lieu de culte"},
    {4, "etablissement_sportif", "établissement sportif"},
    {5, "lieu_culturel_ou_associatif", "lieu culturel ou associatif"},
    {6, "accueil_collectif_de_mineurs", "accueil collectif de mineurs"},
    {7, "ecole_hors_contrat", "école hors contrat"},
}};
inline constexpr std::array<Choice, 4> liens_municipaux = {{
    {1, "subvention", "subvention"},
    {2, "mise_a_disposition_de_locaux", "mise à disposition de locaux"},
    {3, "autorisation", "autorisation"},
    {4, "aucun", "aucun"},
}};
inline constexpr std::array<Choice, 10> origines = {{
    {1, "agent_municipal", "agent municipal"},
    {2, "elu", "élu"},
    {3, "police_municipale", "police municipale"},
    {4, "police_ou_gendarmerie", "police nationale ou gendarmerie"},
    {5, "bailleur", "bailleur"},
    {6, "ecole", "école, collège ou lycée"},
    {7, "transporteur", "transporteur"},
    {8, "association", "association"},
    {9, "habitant", "habitant"},
    {10, "autre_administration", "autre administration"},
}};
inline constexpr std::array<Choice, 8> demarches = {{
    {1, "entretien_avec_la_personne", "entretien avec la personne"},
    {2, "contact_avec_la_famille", "contact avec la famille"},
    {3, "rappel_au_reglement", "rappel au règlement"},
    {4, "courrier", "courrier"},
    {5, "visite_sur_place", "visite sur place"},
    {6, "orientation_service_social", "orientation vers un service social"},
    {7, "saisine_du_bailleur", "saisine du bailleur"},
    {8, "aucune", "aucune"},
}};
inline constexpr std::array<Choice, 3> autres_canaux = {{
    {1, "cnapr", "CNAPR (numéro vert ou formulaire national)"},
    {2, "police", "police ou gendarmerie"},
    {3, "aucun", "aucun"},
}};
inline constexpr std::array<Choice, 4> fondements = {{
    {1, "csi_l132_5", "code de la sécurité intérieure, art. L. 132-5"},
    {2, "csi_l132_13", "code de la sécurité intérieure, art. L. 132-13"},
    {3, "contrat_de_securite_integree", "contrat de sécurité intégrée"},
    {4, "convention_etat_amf", "convention État-AMF du 19 mai 2016"},
}};
inline constexpr std::array<Choice, 2> codes_retour = {{
    {1, "examen_termine", "l'examen de votre signalement est terminé"},
    {2, "examen_termine_contact_prevu",
     "l'examen de votre signalement est terminé ; votre interlocuteur de la préfecture vous appellera"},
}};
inline constexpr std::array<Choice, 9> issues = {{
    {1, "pris_en_compte", "pris en compte"},
    {2, "oriente_cpraf", "orienté vers la CPRAF"},
    {3, "transmis_clir", "transmis à la CLIR"},
    {4, "transmis_au_parquet", "transmis au parquet"},
    {5, "sans_suite", "sans suite"},
    {6, "controle_propose", "contrôle proposé"},
    {7, "suivi", "suivi"},
    {8, "transmis_ged", "transmis au GED"},
    {9, "transmis_a_un_service", "transmis à un service"},
}};
inline constexpr std::array<Choice, 4> volets = {{
    {1, "securite_interieure", "sécurité intérieure"},
    {2, "justice", "justice"},
    {3, "prevention_delinquance", "prévention de la délinquance"},
    {4, "transport", "transport"},
}};

inline constexpr std::array<Choice, 5> motifs_retrait = {{
    {1, "envoi_par_erreur", "envoyé par erreur"},
    {2, "erreur_sur_l_objet", "erreur sur la personne ou la structure"},
    {3, "faits_infirmes", "faits infirmés"},
    {4, "doublon", "déjà signalé par ailleurs"},
    {5, "droit_des_personnes", "exercice des droits de la personne concernée"},
}};
inline constexpr std::array<Choice, 4> motifs_rectification = {{
    {1, "erreur_de_saisie", "erreur de saisie"},
    {2, "identite_erronee", "identité erronée"},
    {3, "faits_infirmes", "faits infirmés"},
    {4, "droit_de_rectification", "exercice du droit de rectification de la personne concernée"},
}};
inline constexpr std::array<Choice, 7> besoins = {{
    {1, "soutien_educatif", "soutien éducatif"},
    {2, "soutien_a_la_parentalite", "soutien à la parentalité"},
    {3, "mediation_familiale", "médiation familiale"},
    {4, "scolarite", "scolarité"},
    {5, "insertion_professionnelle", "insertion professionnelle"},
    {6, "logement", "logement"},
    {7, "acces_aux_droits", "accès aux droits"},
}};
inline constexpr std::array<Choice, 11> demandes = {{
    {1, "identite", "identité de la personne"},
    {2, "residence", "commune de résidence"},
    {3, "date_des_faits", "date des faits"},
    {4, "lieu_des_faits", "lieu des faits"},
    {5, "source_des_faits", "comment les faits sont connus"},
    {6, "faits_nouveaux", "faits nouveaux"},
    {7, "document", "document cité"},
    {8, "demarches", "démarches déjà faites"},
    {9, "identite_de_la_structure", "nom, adresse ou numéro de la structure"},
    {10, "liens_municipaux", "liens de la structure avec la commune"},
    {11, "accord_de_transmission", "votre accord pour transmettre à une autre instance"},
}};
inline constexpr std::array<Choice, 6> cas_nominatifs = {{
    {1, "retour_sur_signalement", "retour sur un signalement du maire"},
    {2, "agent_ou_candidat", "agent de la collectivité, ou candidat à un emploi"},
    {3, "suivi_social", "personne suivie par un service social de la collectivité"},
    {4, "subvention", "subvention demandée ou versée"},
    {5, "pret_de_local", "prêt ou location d'un local communal"},
    {6, "commerce", "commerce ou établissement de la commune"},
}};
inline constexpr std::array<Choice, 7> themes = {{
    {1, "menace", "évolution de la menace"},
    {2, "discours_et_diffusion", "discours et diffusion"},
    {3, "associations_et_sport", "associations et sport"},
    {4, "ecoles", "écoles"},
    {5, "commerces", "commerces et établissements"},
    {6, "prevention_et_accompagnement", "prévention et accompagnement"},
    {7, "dispositif_et_interlocuteurs", "instances, interlocuteurs et moyens"},
}};
inline constexpr std::array<Choice, 3> destinations = {{
    {1, "ged", "GED du département"},
    {2, "clir", "CLIR du département"},
    {3, "autre_departement", "instance d'un autre département"},
}};
inline constexpr std::array<Choice, 5> motifs_transmission = {{
    {1, "concerne_une_personne", "le dossier concerne une personne"},
    {2, "concerne_une_structure", "le dossier concerne une structure"},
    {3, "personne_et_structure", "le dossier concerne une personne et une structure"},
    {4, "residence", "la personne réside dans un autre département"},
    {5, "adresse", "la structure est dans un autre département"},
}};
inline constexpr std::array<Choice, 5> motifs_orientation = {{
    {1, "situation_sans_projet_violent", "situation de rupture sans projet violent"},
    {2, "demande_de_la_personne", "à la demande de la personne"},
    {3, "demande_de_la_famille", "à la demande de la famille"},
    {4, "personne_mineure", "personne mineure"},
    {5, "fin_de_suivi", "suite d'un suivi qui prend fin"},
}};
inline constexpr std::array<Choice, 3> qualites = {{
    {1, "service", "service"},
    {2, "parquet", "parquet"},
    {3, "emetteur", "émetteur du signalement"},
}};
inline constexpr std::array<Choice, 2> avis_agrement = {{
    {1, "accord", "accord"},
    {2, "refus", "refus"},
}};
inline constexpr std::array<Choice, 3> instances = {{
    {1, "ged", "GED"},
    {2, "clir", "CLIR"},
    {3, "cpraf", "CPRAF"},
}};
inline constexpr std::array<Choice, 7> motifs_cloture = {{
    {1, "hors_perimetre", "hors périmètre"},
    {2, "sans_suite", "sans suite"},
    {3, "suivi_termine", "suivi terminé"},
    {4, "accompagnement_termine", "accompagnement terminé"},
    {5, "transmis", "transmis à une autre instance ou à un service"},
    {6, "retire", "retiré par son auteur"},
    {7, "retour_differe", "retour différé"},
}};

inline constexpr std::array<Choice, 3> causes_maintien = {{
    {1, "procedure", "procédure en cours"},
    {2, "recours", "recours"},
    {3, "controle", "contrôle en cours"},
}};
inline constexpr std::array<Choice, 2> causes_effacement = {{
    {1, "droit_des_personnes", "exercice des droits d'une personne"},
    {2, "erreur", "enregistré par erreur"},
}};
inline constexpr std::array<Choice, 2> avis_de_recevabilite = {{
    {1, "recevable", "recevable"},
    {2, "hors_perimetre", "hors périmètre"},
}};
inline constexpr std::array<Choice, 6> motifs_hors_perimetre = {{
    {1, "sans_lien_avec_l_objet", "sans lien avec la radicalisation ou le séparatisme"},
    {2, "delinquance_sans_lien", "relève de la délinquance, sans autre lien"},
    {3, "litige_prive", "litige privé"},
    {4, "faits_insuffisants", "faits insuffisants après demande de complément"},
    {5, "autre_departement", "relève d'un autre département"},
    {6, "deja_traite", "déjà traité dans un autre dossier"},
}};
inline constexpr std::array<Choice, 5> motifs_report = {{
    {1, "attente_d_un_accord", "un accord est attendu"},
    {2, "attente_d_un_complement", "un complément est attendu"},
    {3, "attente_d_une_seance", "une séance est attendue"},
    {4, "protection_d_une_personne", "protection d'une personne"},
    {5, "operation_en_cours", "une opération d'un service est en cours"},
}};
inline constexpr std::array<Choice, 5> motifs_recusation = {{
    {1, "lien_personnel", "lien personnel ou familial"},
    {2, "lien_professionnel", "lien professionnel ou hiérarchique"},
    {3, "lien_avec_la_structure", "lien avec la structure"},
    {4, "auteur_du_signalement", "a participé au signalement"},
    {5, "cite_dans_le_dossier", "est cité dans le dossier"},
}};

[[nodiscard]] constexpr const Choice* find_number(Choices list, int number) {
  for (const Choice& choice : list)
    if (choice.number == number) return &choice;
  return nullptr;
}

[[nodiscard]] constexpr const Choice* find_name(Choices list, std::string_view name) {
  for (const Choice& choice : list)
    if (choice.name == name) return &choice;
  return nullptr;
}

/// Of a value that is in the list: another does not compile where a constant is wanted.
[[nodiscard]] constexpr int number_of(Choices list, std::string_view name) { return find_name(list, name)->number; }

}  // namespace pli::protocol
