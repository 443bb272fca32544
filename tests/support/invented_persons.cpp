#include "tests/support/invented_persons.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <string_view>

namespace pli::testing {
namespace {

using Names = std::vector<std::string_view>;

struct Origin {
  std::uint64_t weight;
  Names families, men, women;
};

const std::vector<Origin>& origins() {
  static const std::vector<Origin> list = {
      {44,
       {"Martin",    "Bernard",  "Thomas",   "Petit",     "Robert",         "Richard",   "Durand",
        "Dubois",    "Moreau",   "Laurent",  "Simon",     "Michel",         "Lefèvre",   "Leroy",
        "Roux",      "David",    "Bertrand", "Morel",     "Fournier",       "Girard",    "Bonnet",
        "Dupont",    "Lambert",  "Fontaine", "Rousseau",  "Vincent",        "Müller",    "Faure",
        "André",     "Mercier",  "Blanc",    "Guérin",    "Boyer",          "Garnier",   "Chevalier",
        "François",  "Legrand",  "Gauthier", "Perrin",    "Robin",          "Clément",   "Morin",
        "Nicolas",   "Henry",    "Roussel",  "Mathieu",   "Gautier",        "Masson",    "Marchand",
        "Duval",     "Denis",    "Dumont",   "Marie",     "Lemaire",        "Noël",      "Meyer",
        "Dufour",    "Meunier",  "Brun",     "Blanchard", "Giraud",         "Joly",      "Rivière",
        "Lucas",     "Brunet",   "Gaillard", "Barbier",   "Arnaud",         "Martinez",  "Gérard",
        "Roche",     "Renard",   "Schmitt",  "Roy",       "Colin",          "Vidal",     "Caron",
        "Picard",    "Philippe", "Aubert",   "Renaud",    "de La Fontaine", "Dupuis",    "Leclercq",
        "Bourgeois", "Pierre",   "Benoît",   "Rey",       "Lacroix",        "Delacroix", "Du Bois",
        "d'Aubigny", "Chauvet",  "Quentin",  "Jacquet",   "Maréchal",       "Héraud",    "Thévenot",
        "Vasseur"},
       {"Lucas",     "Hugo",     "Louis",   "Gabriel", "Raphaël",       "Jules",    "Arthur",    "Théo",
        "Nathan",    "Mathis",   "Thomas",  "Maxime",  "Antoine",       "Kévin",    "Alexandre", "Nicolas",
        "Julien",    "Quentin",  "Clément", "Romain",  "Jean-Baptiste", "Pierre",   "Paul",      "Jean-Pierre",
        "Guillaume", "François", "Michaël", "Jérôme",  "Sébastien",     "Frédéric", "Xavier",    "Benoît",
        "Loïc",      "Rémi",     "Cédric",  "Damien",  "Florian",       "Philippe", "Stéphane",  "Éric"},
       {"Emma",      "Jade",    "Louise",    "Alice",    "Chloé",        "Inès",        "Léa",       "Manon",
        "Camille",   "Sarah",   "Zoé",       "Clara",    "Marie",        "Mathilde",    "Élodie",    "Aurélie",
        "Anaïs",     "Pauline", "Océane",    "Laëtitia", "Marie-Claire", "Anne-Sophie", "Sophie",    "Céline",
        "Stéphanie", "Hélène",  "Véronique", "Noémie",   "Agathe",       "Joséphine",   "Charlotte", "Margaux",
        "Éléonore",  "Justine", "Audrey",    "Gaëlle",   "Lucie",        "Émilie"}},
      {26,
       {"Benali",     "Ben Salah", "Bouazza",     "El Amrani", "Belkacem", "Cherif",      "Haddad",  "Mansouri",
        "Saïdi",      "Bensaïd",   "Boudjemaa",   "Khelifi",   "Ziani",    "Amara",       "Hamdi",   "El Idrissi",
        "Benjelloun", "Bouchareb", "Chaoui",      "Dahmani",   "Ferhat",   "Guerroudj",   "Hachemi", "Kaddour",
        "Lahlou",     "Meziane",   "Naceri",      "Ouali",     "Rahmani",  "Slimani",     "Taleb",   "Yahiaoui",
        "Zerrouki",   "Aït Ali",   "Ben Youssef", "Bouzid",    "Djebbar",  "El Khattabi", "Ghezali", "Jaziri",
        "Mokhtari",   "Toumi",     "Zidane",      "Brahimi"},
       {"Mohamed", "Mehdi",  "Yassine",    "Karim",        "Rachid",        "Bilal",   "Amine",  "Ilyès",
        "Sofiane", "Walid",  "Abdelkader", "Youssef",      "Hicham",        "Nordine", "Khalid", "Samir",
        "Mourad",  "Farid",  "Anis",       "Rayan",        "Mohamed Amine", "Hakim",   "Nabil",  "Tarik",
        "Oussama", "Ismaël", "Zakaria",    "Abderrahmane", "Djamel",        "Redouane"},
       {"Fatima",       "Khadija", "Aïcha", "Samira", "Nadia", "Leïla", "Yasmine",  "Sabrina", "Meriem", "Zineb",
        "Fatima-Zohra", "Hanane",  "Souad", "Nour",   "Amel",  "Imane", "Ghizlane", "Kenza",   "Lamia",  "Rachida"}},
      {6,
       {"Le Goff", "Le Bihan", "Guivarc'h", "Kerdoncuff", "Quéméner", "Le Guen", "Riou", "Tanguy", "Caradec",
        "Le Floc'h", "Kervella", "Morvan", "Prigent", "Abgrall", "Le Gall", "L'Hostis", "Kermarrec", "Corre"},
       {"Yann", "Erwan", "Gwenaël", "Ronan", "Malo", "Ewen", "Tanguy", "Goulven", "Maël", "Briac"},
       {"Nolwenn", "Gwenaëlle", "Rozenn", "Soizic", "Enora", "Maëlle", "Katell", "Bleuenn", "Annaïg"}},
      {8,
       {"da Silva", "Ferreira", "dos Santos", "Pereira", "Oliveira", "Gonçalves", "Rodrigues", "Fernandes", "Lopes",
        "Marques", "de Sousa", "Almeida", "Ribeiro", "Pinto", "Carvalho", "Teixeira", "Magalhães", "Conceição"},
       {"João", "José", "António", "Manuel", "Rui", "Tiago", "Diogo", "Luís", "Nuno", "Vítor"},
       {"Maria", "Ana", "Sónia", "Catarina", "Inês", "Fátima", "Cristina", "Patrícia", "Lúcia"}},
      {8,
       {"Yılmaz", "Kaya", "Demir", "Şahin", "Çelik", "Yıldız", "Öztürk", "Aydın", "Özdemir", "Arslan", "Doğan", "Kılıç",
        "Çetin", "Koç", "Kurt", "Aksoy", "Karataş", "Güneş"},
       {"Mehmet", "Mustafa", "Emre", "Hüseyin", "İbrahim", "Murat", "Ömer", "Yusuf", "Hakan", "Serkan", "Burak"},
       {"Fatma", "Ayşe", "Emine", "Zeynep", "Elif", "Gülsüm", "Özlem", "Esra", "Sevgi", "Hatice"}},
      {4,
       {"Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Võ", "Đặng", "Bùi", "Đỗ"},
       {"Văn Minh", "Đức", "Quang", "Tuấn", "Thành", "Hùng", "Anh Tuấn", "Bảo"},
       {"Thị Hoa", "Thị Lan", "Phương", "Hương", "Thảo", "Ngọc", "Thu Hà", "Mai"}},
      {9,
       {"Diallo", "Traoré", "Coulibaly", "Diarra", "Keïta", "N'Diaye", "Sow", "Cissé", "Camara", "Konaté", "Sissoko",
        "Touré", "Bâ", "Fofana", "Dembélé", "Sylla", "Kouyaté", "M'Baye"},
       {"Moussa", "Ibrahima", "Mamadou", "Ousmane", "Cheikh", "Boubacar", "Abdoulaye", "Seydou", "Amadou", "Modibo"},
       {"Aminata", "Fatoumata", "Mariam", "Awa", "Kadiatou", "Djénéba", "Oumou", "Rokia", "Assa"}},
  };
  return list;
}

constexpr std::size_t communes = 60;

class Inventor {
 public:
  Inventor(std::uint64_t seed, std::size_t first) : random_(seed), next_(first) {}

  std::vector<InventedPerson> originals(std::size_t count) {
    std::vector<InventedPerson> out;
    while (out.size() < count) {
      const std::uint64_t fate = below(100);
      InventedPerson person = somebody();
      if (!out.empty() && fate < 19) {
        const InventedPerson other = known_birth(out);
        if (fate < 12) {  // a brother or a sister
          person.family = other.family;
          person.commune = other.commune;
          person.birth = date((other.birth / 10000) + 1 + static_cast<std::uint32_t>(below(6)));
        } else if (fate < 15) {  // a twin
          person.family = other.family;
          person.commune = other.commune;
          person.birth = other.birth;
          while (person.given == other.given) person.given = given_name(origin());
        } else {  // a namesake born another day
          person.birth = date(known_year());
          person.family = other.family;
          person.given = other.given;
          if (chance(40)) person.commune = other.commune;
        }
      }
      out.push_back(std::move(person));
    }
    return out;
  }

  /// The same person, reported by somebody else.
  InventedPerson again(InventedPerson person) {
    const std::uint64_t fate = below(100);
    const int slips = fate < 15 ? 0 : fate < 70 ? 1 : 2;
    for (int i = 0; i < slips; ++i) misspell(person);
    if (chance(30)) person.family = upper(person.family);
    if (chance(15)) person.commune = commune();
    misdate(person.birth);
    return person;
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  template <class List>
  const auto& one_of(const List& list) {
    return list[static_cast<std::size_t>(below(std::size(list)))];
  }
  /// Names at the front of a list are the more frequent ones.
  std::string_view frequent_of(const Names& list) {
    return list[static_cast<std::size_t>(std::min(below(list.size()), below(list.size())))];
  }

  const Origin& origin() {
    std::uint64_t all = 0;
    for (const Origin& each : origins()) all += each.weight;
    std::uint64_t at = below(all);
    for (const Origin& each : origins()) {
      if (at < each.weight) return each;
      at -= each.weight;
    }
    return origins().front();
  }
  std::string given_name(const Origin& from) {
    std::string out(frequent_of(chance(50) ? from.men : from.women));
    if (chance(8)) out += " " + std::string(frequent_of(chance(50) ? from.men : from.women));
    return out;
  }
  std::string commune() {
    const std::string number = std::to_string(1 + std::min({below(communes), below(communes), below(communes)}));
    return "89" + std::string(3 - number.size(), '0') + number;
  }
  std::uint32_t date(std::uint32_t year) {
    constexpr std::array<std::uint32_t, 12> days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const auto month = static_cast<std::uint32_t>(below(12));
    return year * 10000 + (month + 1) * 100 + 1 + static_cast<std::uint32_t>(below(days[month]));
  }
  /// Two reports in three concern minors.
  std::uint32_t known_year() { return static_cast<std::uint32_t>(chance(65) ? 2006 + below(10) : 1955 + below(51)); }
  InventedPerson somebody() {
    InventedPerson out;
    const Origin& from = origin();
    out.family = frequent_of(from.families);
    if (chance(4)) out.family += "-" + std::string(frequent_of(origins().front().families));
    out.given = given_name(chance(80) ? from : origins().front());
    out.birth = chance(8) ? 0 : date(known_year());
    if (!chance(3)) out.commune = commune();
    out.who = next_++;
    return out;
  }
  InventedPerson known_birth(const std::vector<InventedPerson>& among) {
    for (int i = 0; i < 20; ++i)
      if (const InventedPerson& person = one_of(among); person.birth != 0) return person;
    return somebody();
  }

  // ---- how a report differs from the one before ---------------------------------------------------------------------

  static std::string upper(std::string text) {
    for (char& c : text)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
  }
  static bool replace_all(std::string& text, std::string_view from, std::string_view to) {
    bool done = false;
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
      done = true;
    }
    return done;
  }
  static bool lose_accents(std::string& text) {
    static constexpr std::pair<std::string_view, std::string_view> plain[] = {
        {"é", "e"}, {"è", "e"}, {"ê", "e"}, {"ë", "e"}, {"É", "E"}, {"ï", "i"}, {"î", "i"}, {"í", "i"}, {"ı", "i"},
        {"İ", "I"}, {"ô", "o"}, {"ö", "o"}, {"Ö", "O"}, {"ó", "o"}, {"ü", "u"}, {"û", "u"}, {"ú", "u"}, {"â", "a"},
        {"ã", "a"}, {"á", "a"}, {"à", "a"}, {"ç", "c"}, {"Ç", "C"}, {"ş", "s"}, {"Ş", "S"}, {"ğ", "g"}, {"ễ", "e"},
        {"ầ", "a"}, {"ạ", "a"}, {"ỳ", "y"}, {"õ", "o"}, {"Đ", "D"}, {"ặ", "a"}, {"ù", "u"}, {"ỗ", "o"}, {"ă", "a"},
        {"ứ", "u"}, {"ấ", "a"}, {"ư", "u"}, {"ơ", "o"}, {"ị", "i"}, {"ả", "a"}, {"ọ", "o"}, {"ò", "o"}, {"ñ", "n"}};
    bool done = false;
    for (const auto& [from, to] : plain) done = replace_all(text, from, to) || done;
    return done;
  }
  static bool lose_accents_of(InventedPerson& person) {
    const bool of_family = lose_accents(person.family);
    return lose_accents(person.given) || of_family;
  }
  bool lose_particle(std::string& text) {
    for (std::string_view particle :
         {"de La ", "Le ", "El ", "Ben ", "da ", "dos ", "de ", "Du ", "Aït ", "d'", "L'"}) {
      if (text.substr(0, particle.size()) != particle) continue;
      // Left out, or grown together with the name.
      const bool grows = particle.back() == ' ' && particle != "dos " && particle != "da " && chance(50);
      if (!grows) {
        text.erase(0, particle.size());
        return true;
      }
      return replace_all(text, " ", "");
    }
    return false;
  }
  bool part_hyphen(std::string& text) { return replace_all(text, "-", chance(70) ? " " : ""); }
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z'); }
  /// A place inside the name where a plain letter stands, or npos.
  std::size_t letter_in(const std::string& text) {
    if (text.size() < 4) return std::string::npos;
    for (int i = 0; i < 20; ++i) {
      const std::size_t at = 1 + static_cast<std::size_t>(below(text.size() - 1));
      if (is_letter(text[at]) && is_letter(text[at - 1])) return at;
    }
    return std::string::npos;
  }
  bool double_letter(std::string& text) {
    for (std::size_t i = 1; i < text.size(); ++i)
      if (is_letter(text[i]) && text[i] == text[i - 1] && chance(70)) {
        text.erase(i, 1);
        return true;
      }
    const std::size_t at = letter_in(text);
    if (at == std::string::npos) return false;
    text.insert(at, 1, text[at]);
    return true;
  }
  bool lose_letter(std::string& text) {
    const std::size_t at = letter_in(text);
    if (at == std::string::npos) return false;
    text.erase(at, 1);
    return true;
  }
  bool exchange_letters(std::string& text) {
    const std::size_t at = letter_in(text);
    if (at == std::string::npos || text[at] == text[at - 1]) return false;
    std::swap(text[at], text[at - 1]);
    return true;
  }
  bool by_ear(std::string& text) {
    static constexpr std::pair<std::string_view, std::string_view> heard[] = {
        {"ph", "f"},  {"Ph", "F"},   {"th", "t"},  {"Th", "T"},  {"ou", "u"}, {"Ou", "W"}, {"W", "Ou"},   {"ch", "sh"},
        {"Ch", "Sh"}, {"y", "i"},    {"Y", "I"},   {"eau", "o"}, {"au", "o"}, {"ss", "c"}, {"c", "k"},    {"C", "K"},
        {"K", "C"},   {"k", "c"},    {"kh", "k"},  {"Kh", "K"},  {"dj", "j"}, {"Dj", "J"}, {"z", "s"},    {"Z", "S"},
        {"ai", "é"},  {"ain", "in"}, {"an", "en"}, {"en", "an"}, {"qu", "k"}, {"Qu", "K"}, {"gh", "g"},   {"Gh", "G"},
        {"h", ""},    {"ed", "ad"},  {"er", "ir"}, {"ss", "s"},  {"s", "ss"}, {"ne", "n"}, {"in", "ine"}, {"x", "ks"},
        {"gu", "g"},  {"oi", "oua"}, {"t", ""},    {"é", "er"},  {"ee", "i"}, {"ill", "y"}};
    for (int i = 0; i < 40; ++i) {
      const auto& [from, to] = one_of(heard);
      const std::size_t at = text.find(from);
      if (at == std::string::npos) continue;
      // A letter that is not heard is one at the end.
      if (to.empty() && from == "t" && at + 1 != text.size()) continue;
      text.replace(at, from.size(), to);
      return true;
    }
    return false;
  }
  bool second_given_name(std::string& text) {
    const std::size_t space = text.find(' ');
    if (space == std::string::npos) {
      text += " " + std::string(frequent_of(chance(50) ? origins().front().men : origins().front().women));
      return true;
    }
    text.erase(space);
    return true;
  }

  void misspell(InventedPerson& person) {
    for (int i = 0; i < 50; ++i) {
      std::string& field = chance(60) ? person.family : person.given;
      bool done = false;
      switch (below(12)) {
        case 0:
        case 1: done = lose_accents_of(person); break;
        case 2:
          std::swap(person.family, person.given);
          done = true;
          break;
        case 3: done = lose_particle(person.family); break;
        case 4: done = part_hyphen(field); break;
        case 5:
        case 6: done = double_letter(field); break;
        case 7: done = lose_letter(field); break;
        case 8:
        case 9:
        case 10: done = by_ear(field); break;
        case 11: done = chance(50) ? second_given_name(person.given) : exchange_letters(field); break;
        default: break;
      }
      if (done) return;
    }
  }

  void misdate(std::uint32_t& birth) {
    if (birth == 0) return;
    const std::uint32_t year = birth / 10000;
    const std::uint32_t month = birth / 100 % 100;
    const std::uint32_t day = birth % 100;
    const std::uint64_t fate = below(100);
    if (fate < 62) return;
    if (fate < 74) {
      birth = 0;
    } else if (fate < 84) {
      if (day <= 12) birth = year * 10000 + day * 100 + month;
    } else if (fate < 92) {
      birth = (chance(50) ? year + 1 : year - 1) * 10000 + month * 100 + day;
    } else {  // one digit of the day
      const std::uint32_t other = day / 10 * 10 + static_cast<std::uint32_t>(below(10));
      if (other >= 1 && other <= 28) birth = year * 10000 + month * 100 + other;
    }
  }

  std::mt19937_64 random_;
  std::size_t next_;
};

}  // namespace

std::vector<InventedPerson> invent_persons(std::uint64_t seed, std::size_t count, std::size_t duplicates,
                                           std::size_t first) {
  Inventor inventor(seed, first);
  std::vector<InventedPerson> out = inventor.originals(count - duplicates);
  // Each of the first so many is reported once more; then all are shuffled.
  for (std::size_t i = 0; i < duplicates; ++i) out.push_back(inventor.again(out[i]));
  for (std::size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[static_cast<std::size_t>(inventor.below(i))]);
  return out;
}

}  // namespace pli::testing
