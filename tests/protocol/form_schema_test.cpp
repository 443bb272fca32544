// The forms read a second time, by the code that protoc makes of form.proto: the list of fields Pli writes and reads by
// (form_content.hpp) and the schema handed to others say the same.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

#include "base/file.hpp"
#include "form.pb.h"
#include "protocol/form.hpp"
#include "protocol/form_lists.hpp"
#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

namespace fs = std::filesystem;

const fs::path source(PLI_SOURCE_DIR);

std::string file_text(const fs::path& path) {
  auto bytes = read_file(path, 1 << 20);
  EXPECT_TRUE(bytes) << path;
  return bytes ? std::string(as_text(*bytes)) : std::string();
}

std::string protobuf_of(const Form& form) {
  ByteReader in(form.encode());
  static_cast<void>(in.raw(3));
  return std::string(as_text(in.bytes32()));
}

Bytes content_with(Kind kind, const std::string& protobuf) {
  ByteWriter out;
  out.u8(1);
  out.u16(static_cast<std::uint16_t>(kind));
  out.bytes32(as_bytes(protobuf));
  out.u8(0);
  return out.take();
}

/// What protoc's code makes of these bytes: written again, or a word on why not.
template <class Message>
std::string rewritten(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) return "unreadable";
  if (!message.unknown_fields().empty()) return "holds what the schema does not know";
  return message.SerializeAsString();
}

using Rewrite = std::string (*)(const std::string&);
const std::map<Kind, Rewrite> messages = {
    {Kind::signalement_individuel, rewritten<form::SignalementIndividuel>},
    {Kind::signalement_de_structure, rewritten<form::SignalementDeStructure>},
    {Kind::complement, rewritten<form::Complement>},
    {Kind::retrait, rewritten<form::Retrait>},
    {Kind::rectification, rewritten<form::Rectification>},
    {Kind::proposition_accompagnement, rewritten<form::PropositionAccompagnement>},
    {Kind::demande_de_complement, rewritten<form::DemandeDeComplement>},
    {Kind::retour, rewritten<form::Retour>},
    {Kind::information_nominative, rewritten<form::InformationNominative>},
    {Kind::point_de_situation, rewritten<form::PointDeSituation>},
    {Kind::report_du_retour, rewritten<form::ReportDuRetour>},
    {Kind::transmission, rewritten<form::Transmission>},
    {Kind::orientation_cpraf, rewritten<form::OrientationCpraf>},
    {Kind::agrement, rewritten<form::Agrement>},
    {Kind::inscription, rewritten<form::Inscription>},
    {Kind::decision, rewritten<form::Decision>},
    {Kind::cloture, rewritten<form::Cloture>},
    {Kind::recevabilite, rewritten<form::Recevabilite>},
    {Kind::mise_en_evaluation, rewritten<form::MiseEnEvaluation>},
    {Kind::recusation, rewritten<form::Recusation>},
    {Kind::maintien, rewritten<form::Maintien>},
    {Kind::demande_effacement, rewritten<form::DemandeEffacement>},
    {Kind::information_de_volet, rewritten<form::InformationDeVolet>},
};

TEST(FormSchema, HasAMessageForEachForm) {
  EXPECT_EQ(messages.size(), form_kinds().size());
  for (Kind kind : form_kinds()) EXPECT_TRUE(messages.contains(kind)) << row_of(kind)->name;
}

TEST(FormSchema, ProtocsCodeReadsEachExampleWholeAndWritesTheSameBytes) {
  for (const char* folder : {"forms", "demo"})
    for (const auto& entry : fs::directory_iterator(source / "config" / folder)) {
      if (entry.path().extension() != ".json") continue;
      auto form = Form::from_json(file_text(entry.path()), nullptr, nullptr);
      ASSERT_TRUE(form) << entry.path();
      const std::string sealed = protobuf_of(*form);
      EXPECT_EQ(messages.at(form->kind())(sealed), sealed) << entry.path();
    }
}

TEST(FormSchema, AnExampleIsSealedAsItAlwaysWas) {
  for (const auto& entry : fs::directory_iterator(source / "tests/fuzz/corpus/protocol_form_content")) {
    const fs::path typed = source / "config/forms" / (entry.path().filename().string() + ".json");
    if (!fs::exists(typed)) continue;
    auto form = Form::from_json(file_text(typed), nullptr, nullptr);
    ASSERT_TRUE(form) << typed;
    EXPECT_EQ(as_text(form->encode()), file_text(entry.path())) << typed;
  }
}

/// What Pli reads, protoc's code reads too, whatever a bit was turned into.
TEST(FormSchema, ProtocsCodeReadsWhateverPliReads) {
  auto form = Form::from_json(file_text(source / "config/forms/signalement-individuel-mineur.json"), nullptr, nullptr);
  ASSERT_TRUE(form);
  const std::string sealed = protobuf_of(*form);
  int read = 0;
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string flipped = sealed;
    flipped[bit / 8] = static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ 1U << (bit % 8));
    auto decoded = Form::decode(content_with(form->kind(), flipped));
    if (!decoded) continue;
    ++read;
    EXPECT_EQ(messages.at(form->kind())(flipped), flipped) << bit;
  }
  EXPECT_GT(read, 100);
}

template <std::size_t N>
void expect_list(const std::array<Choice, N>& list, int array_size, bool (*is_valid)(int)) {
  EXPECT_EQ(array_size, static_cast<int>(N) + 1) << list.front().name;
  for (std::size_t i = 0; i < N; ++i) {
    EXPECT_EQ(list[i].number, static_cast<int>(i) + 1) << list[i].name;
    EXPECT_TRUE(is_valid(list[i].number)) << list[i].name;
  }
}

TEST(FormSchema, EachListHasAsManyValuesThereAsHere) {
  expect_list(connaissances, form::Connaissance_ARRAYSIZE, form::Connaissance_IsValid);
  expect_list(frequences, form::Frequence_ARRAYSIZE, form::Frequence_IsValid);
  expect_list(temoins, form::Temoin_ARRAYSIZE, form::Temoin_IsValid);
  expect_list(domaines, form::Domaine_ARRAYSIZE, form::Domaine_IsValid);
  expect_list(urgences, form::SentimentUrgence_ARRAYSIZE, form::SentimentUrgence_IsValid);
  expect_list(categories, form::Categorie_ARRAYSIZE, form::Categorie_IsValid);
  expect_list(tranches_age, form::TrancheAge_ARRAYSIZE, form::TrancheAge_IsValid);
  expect_list(oui_non, form::OuiNon_ARRAYSIZE, form::OuiNon_IsValid);
  expect_list(natures, form::Nature_ARRAYSIZE, form::Nature_IsValid);
  expect_list(liens_municipaux, form::LienMunicipal_ARRAYSIZE, form::LienMunicipal_IsValid);
  expect_list(origines, form::Origine_ARRAYSIZE, form::Origine_IsValid);
  expect_list(demarches, form::Demarche_ARRAYSIZE, form::Demarche_IsValid);
  expect_list(autres_canaux, form::AutreCanal_ARRAYSIZE, form::AutreCanal_IsValid);
  expect_list(fondements, form::Fondement_ARRAYSIZE, form::Fondement_IsValid);
  expect_list(codes_retour, form::CodeRetour_ARRAYSIZE, form::CodeRetour_IsValid);
  expect_list(issues, form::Issue_ARRAYSIZE, form::Issue_IsValid);
  expect_list(besoins, form::Besoin_ARRAYSIZE, form::Besoin_IsValid);
  expect_list(motifs_retrait, form::MotifRetrait_ARRAYSIZE, form::MotifRetrait_IsValid);
  expect_list(motifs_rectification, form::MotifRectification_ARRAYSIZE, form::MotifRectification_IsValid);
  expect_list(demandes, form::Demande_ARRAYSIZE, form::Demande_IsValid);
  expect_list(cas_nominatifs, form::CasNominatif_ARRAYSIZE, form::CasNominatif_IsValid);
  expect_list(themes, form::Theme_ARRAYSIZE, form::Theme_IsValid);
  expect_list(avis_de_recevabilite, form::AvisRecevabilite_ARRAYSIZE, form::AvisRecevabilite_IsValid);
  expect_list(motifs_hors_perimetre, form::MotifHorsPerimetre_ARRAYSIZE, form::MotifHorsPerimetre_IsValid);
  expect_list(instances, form::Instance_ARRAYSIZE, form::Instance_IsValid);
  expect_list(causes_maintien, form::CauseMaintien_ARRAYSIZE, form::CauseMaintien_IsValid);
  expect_list(causes_effacement, form::CauseEffacement_ARRAYSIZE, form::CauseEffacement_IsValid);
  expect_list(motifs_recusation, form::MotifRecusation_ARRAYSIZE, form::MotifRecusation_IsValid);
  expect_list(motifs_report, form::MotifReport_ARRAYSIZE, form::MotifReport_IsValid);
  expect_list(destinations, form::Destination_ARRAYSIZE, form::Destination_IsValid);
  expect_list(motifs_transmission, form::MotifTransmission_ARRAYSIZE, form::MotifTransmission_IsValid);
  expect_list(motifs_orientation, form::MotifOrientation_ARRAYSIZE, form::MotifOrientation_IsValid);
  expect_list(qualites, form::Qualite_ARRAYSIZE, form::Qualite_IsValid);
  expect_list(avis_agrement, form::AvisAgrement_ARRAYSIZE, form::AvisAgrement_IsValid);
  expect_list(motifs_cloture, form::MotifCloture_ARRAYSIZE, form::MotifCloture_IsValid);
  expect_list(volets, form::Volet_ARRAYSIZE, form::Volet_IsValid);
}

}  // namespace
}  // namespace pli::protocol
