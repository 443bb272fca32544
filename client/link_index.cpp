#include "client/link_index.hpp"

#include <algorithm>

namespace pli::client {
namespace {

/// FNV-1a: keys meet by chance now and then, which costs a comparison.
std::uint64_t key_of(char kind, std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  const auto mix = [&hash](char c) { hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U; };
  mix(kind);
  for (char c : text) mix(c);
  return hash;
}

void add_names(std::vector<std::uint64_t>& out, const NameField& field) {
  for (const NamePart& part : field.parts) out.push_back(key_of('n', consonants_of(part.key)));
  if (!field.empty()) out.push_back(key_of('n', consonants_of(field.whole.key)));
}

std::vector<std::uint64_t> distinct(std::vector<std::uint64_t> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

/// Two persons a rule speaks of share one at least, but for a name both misheard and misdated. Day and month in either
/// order, whatever the year; how each part of the name sounds, whichever field it stands in.
std::vector<std::uint64_t> keys_of(const LinkPerson& person) {
  std::vector<std::uint64_t> out;
  if (person.birth != 0) {
    const std::uint32_t day = person.birth % 100;
    const std::uint32_t month = person.birth / 100 % 100;
    out.push_back(key_of('b', std::to_string(std::min(day, month)) + " " + std::to_string(std::max(day, month))));
  }
  add_names(out, person.name.family);
  add_names(out, person.name.given);
  return distinct(std::move(out));
}

std::vector<std::uint64_t> keys_of(const LinkStructure& structure) {
  std::vector<std::uint64_t> out;
  if (!structure.siren.empty()) out.push_back(key_of('s', structure.siren));
  if (!structure.rna.empty()) out.push_back(key_of('r', structure.rna));
  if (!structure.address.empty()) out.push_back(key_of('a', structure.address));
  add_names(out, structure.name_parts);
  return distinct(std::move(out));
}

using Found = std::map<Digest, std::set<LinkReason>>;

std::vector<LinkHint> hints_from(const Found& found) {
  std::vector<LinkHint> out;
  for (const auto& [other, reasons] : found) out.push_back({other, {reasons.begin(), reasons.end()}});
  return out;
}

}  // namespace

CasePair pair_of(const Digest& a, const Digest& b) { return a < b ? CasePair{a, b} : CasePair{b, a}; }

void LinkIndex::index(std::uint32_t entry) {
  const LinkSubjects& subjects = entries_[entry].subjects;
  for (std::size_t i = 0; i < subjects.persons.size(); ++i)
    for (std::uint64_t key : keys_of(subjects.persons[i]))
      persons_.push_back({key, entry, static_cast<std::uint32_t>(i)});
  for (std::size_t i = 0; i < subjects.structures.size(); ++i)
    for (std::uint64_t key : keys_of(subjects.structures[i]))
      structures_.push_back({key, entry, static_cast<std::uint32_t>(i)});
  settled_ = false;
}

void LinkIndex::add(LinkEntry entry) {
  std::vector<std::uint32_t>& of_case = by_case_[entry.case_id];
  for (std::uint32_t place : of_case) {
    if (entries_[place].exchange != entry.exchange) continue;
    const auto of_it = [place](const Block& block) { return block.entry == place; };
    persons_.erase(std::remove_if(persons_.begin(), persons_.end(), of_it), persons_.end());
    structures_.erase(std::remove_if(structures_.begin(), structures_.end(), of_it), structures_.end());
    entries_[place] = std::move(entry);
    index(place);
    return;
  }
  of_case.push_back(static_cast<std::uint32_t>(entries_.size()));
  entries_.push_back(std::move(entry));
  index(of_case.back());
}

void LinkIndex::drop_cases(const std::set<Digest>& cases) {
  std::vector<LinkEntry> kept;
  for (LinkEntry& entry : entries_)
    if (cases.count(entry.case_id) == 0) kept.push_back(std::move(entry));
  *this = LinkIndex();
  for (LinkEntry& entry : kept) add(std::move(entry));
}

std::vector<Digest> LinkIndex::cases() const {
  std::vector<Digest> out;
  for (const auto& [case_id, entries] : by_case_) out.push_back(case_id);
  return out;
}

void LinkIndex::settle() const {
  if (settled_) return;
  std::sort(persons_.begin(), persons_.end());
  std::sort(structures_.begin(), structures_.end());
  settled_ = true;
}

std::vector<LinkHint> LinkIndex::hints_for(const LinkEntry& entry) const {
  settle();
  compared_ = 0;
  Found found;
  const auto look = [&](const auto& subject, const std::vector<Block>& blocks, auto subject_of) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> candidates;
    for (std::uint64_t key : keys_of(subject)) {
      auto at = std::lower_bound(blocks.begin(), blocks.end(), key,
                                 [](const Block& block, std::uint64_t value) { return block.key < value; });
      for (; at != blocks.end() && at->key == key; ++at) candidates.emplace_back(at->entry, at->subject);
    }
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    for (const auto& [at, which] : candidates) {
      const LinkEntry& other = entries_[at];
      if (other.case_id == entry.case_id || other.territory != entry.territory) continue;
      ++compared_;
      if (auto reason = reason_to_link(subject, subject_of(other, which))) found[other.case_id].insert(*reason);
    }
  };
  for (const LinkPerson& person : entry.subjects.persons)
    look(person, persons_,
         [](const LinkEntry& other, std::uint32_t i) -> const LinkPerson& { return other.subjects.persons[i]; });
  for (const LinkStructure& structure : entry.subjects.structures)
    look(structure, structures_,
         [](const LinkEntry& other, std::uint32_t i) -> const LinkStructure& { return other.subjects.structures[i]; });
  return hints_from(found);
}

std::vector<LinkHint> LinkIndex::hints_for_case(const Digest& case_id) const {
  Found found;
  std::size_t compared = 0;
  const auto of_case = by_case_.find(case_id);
  if (of_case == by_case_.end()) return {};
  for (std::uint32_t place : of_case->second) {
    for (const LinkHint& hint : hints_for(entries_[place]))
      found[hint.other].insert(hint.reasons.begin(), hint.reasons.end());
    compared += compared_;
  }
  compared_ = compared;
  return hints_from(found);
}

}  // namespace pli::client
