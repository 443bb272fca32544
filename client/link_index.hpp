// What this profile has opened, by whom and what it concerns, in memory only (link_hints.hpp keeps it sealed). Found by
// candidate keys, so that one opened case is compared with some of ten thousand. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/link_rules.hpp"
#include "protocol/exchange.hpp"

namespace pli::client {

/// What one opened exchange concerns.
struct LinkSubjects {
  std::vector<LinkPerson> persons;
  std::vector<LinkStructure> structures;
  [[nodiscard]] bool empty() const { return persons.empty() && structures.empty(); }
};

struct LinkEntry {
  protocol::ExchangeId exchange{};
  Digest case_id{};
  std::string territory;  ///< département of the instance; hints do not cross it
  LinkSubjects subjects;
};

/// Two cases, the lower id first.
struct CasePair {
  Digest first{};
  Digest second{};
  auto operator<=>(const CasePair&) const = default;
};
[[nodiscard]] CasePair pair_of(const Digest& a, const Digest& b);

/// `other` may concern a person or structure of the case that was asked about.
struct LinkHint {
  Digest other{};
  std::vector<LinkReason> reasons;  ///< each once, the first of the list first
};

class LinkIndex {
 public:
  /// Takes the place of what the same exchange said before.
  void add(LinkEntry entry);
  void drop_cases(const std::set<Digest>& cases);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }  ///< exchanges
  [[nodiscard]] bool has_case(const Digest& case_id) const { return by_case_.count(case_id) != 0; }
  [[nodiscard]] std::vector<Digest> cases() const;
  [[nodiscard]] const std::vector<LinkEntry>& entries() const { return entries_; }

  /// Other cases, by id. What the entry's own case holds is no hint.
  [[nodiscard]] std::vector<LinkHint> hints_for(const LinkEntry& entry) const;
  /// Of everything of one case that is indexed.
  [[nodiscard]] std::vector<LinkHint> hints_for_case(const Digest& case_id) const;
  /// How many subjects the last hints_for() compared.
  [[nodiscard]] std::size_t compared() const { return compared_; }

 private:
  struct Block {
    std::uint64_t key;
    std::uint32_t entry;
    std::uint32_t subject;
    auto operator<=>(const Block&) const = default;
  };
  void index(std::uint32_t entry);
  void settle() const;

  std::vector<LinkEntry> entries_;
  std::map<Digest, std::vector<std::uint32_t>> by_case_;
  mutable std::vector<Block> persons_;     ///< sorted when settled
  mutable std::vector<Block> structures_;  ///< likewise
  mutable bool settled_ = true;
  mutable std::size_t compared_ = 0;
};

}  // namespace pli::client
