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
