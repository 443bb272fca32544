#include "client/link_hints.hpp"

#include <algorithm>

#include "client/client_store.hpp"
#include "protocol/case_life.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

/// The present identity's first, then the newest of the former ones.
std::vector<crypto::SecretKey> link_keys(const Keys& keys) {
  std::vector<crypto::SecretKey> out;
  out.push_back(keys.current.links_key());
  for (auto former = keys.former.rbegin(); former != keys.former.rend(); ++former) out.push_back(former->links_key());
  return out;
}

/// What `open` makes of it under the first key that fits, and whether that is the present one.
template <class T>
struct UnderKey {
  T value;
  bool present = true;
};
template <class Open>
auto open_under(const std::vector<crypto::SecretKey>& keys, Open open) {
  using Opened = std::decay_t<decltype(*open(keys.front()))>;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (auto opened = open(keys[i])) return std::optional(UnderKey<Opened>{std::move(*opened), i == 0});
  return std::optional<UnderKey<Opened>>();
}

bool is_instance(std::string_view queue) {
  for (std::string_view instance : {"ged/", "clir/", "cpraf/"})
    if (queue.substr(0, instance.size()) == instance) return true;
  return false;
}

}  // namespace

bool sees_link_hints(const Session& session) {
  const protocol::Member* self = session.directory().member(session.member_id());
  return self != nullptr && self->roles.has(protocol::Role::secretariat);
}

std::optional<LinkEntry> link_entry_of(const OpenedExchange& opened) {
  const protocol::Address& address = opened.content.address;
  if (!opened.form || !is_instance(address.queue) || opened.case_id == Digest{}) return std::nullopt;
  LinkEntry out;
  out.exchange = opened.exchange;
  out.case_id = opened.case_id;
  out.territory = address.queue.substr(address.queue.find('/') + 1);
  out.subjects = subjects_of(*opened.form);
  if (out.subjects.empty()) return std::nullopt;
  return out;
}

Outcome<LinkHints> LinkHints::load(const Profile& profile, const Keys& keys) {
  const std::vector<crypto::SecretKey> all = link_keys(keys);
  LinkHints out(profile, all.front().clone());
  ClientStore& store = profile.store();
  auto entries = store.link_entries();
  if (!entries) return store_failure(entries.error());
  for (const SealedLinkEntry& row : *entries) {
    auto opened = open_under(
        all, [&](const crypto::SecretKey& key) { return open_link_entry(row.sealed, row.exchange, row.case_id, key); });
    if (!opened) {
      ++out.unreadable_;
      continue;
    }
    if (opened->present)
      out.index_.add(std::move(opened->value));
    else if (auto kept = out.add(opened->value); !kept)
      return kept.error();
  }
  auto decisions = store.link_decisions();
  if (!decisions) return store_failure(decisions.error());
  for (const SealedLinkDecision& row : *decisions) {
    auto opened = open_under(all, [&](const crypto::SecretKey& key) { return open_link_decision(row.sealed, key); });
    if (!opened) {
      ++out.unreadable_;
      continue;
    }
    if (!opened->present)
      if (auto kept = store.reseal_link_decision(row.id, seal_link_decision(opened->value, out.key_)); !kept)
        return store_failure(kept.error());
    out.last_[opened->value.pair] = out.decisions_.size();
    out.decisions_.push_back(std::move(opened->value));
  }
  return out;
}

Outcome<void> LinkHints::add(const LinkEntry& entry) {
  const SealedLinkEntry row{entry.exchange, entry.case_id, seal_link_entry(entry, key_)};
  if (auto kept = profile_->store().put_link_entry(row); !kept) return store_failure(kept.error());
  index_.add(entry);
  return {};
}

JudgedHint LinkHints::judged(const CasePair& pair, std::vector<LinkReason> reasons) const {
  JudgedHint out{pair, std::move(reasons), std::nullopt};
  if (const auto found = last_.find(pair); found != last_.end()) out.decision = decisions_[found->second];
  return out;
}

std::vector<JudgedHint> LinkHints::hints_of(const Digest& case_id) const {
  std::map<CasePair, std::vector<LinkReason>> pairs;
  for (LinkHint& hint : index_.hints_for_case(case_id)) pairs[pair_of(case_id, hint.other)] = std::move(hint.reasons);
  for (const auto& [pair, place] : last_)
    if (pair.first == case_id || pair.second == case_id) pairs.try_emplace(pair);
  std::vector<JudgedHint> out;
  for (auto& [pair, reasons] : pairs) out.push_back(judged(pair, std::move(reasons)));
  return out;
}

std::vector<JudgedHint> LinkHints::all() const {
  std::map<CasePair, std::vector<LinkReason>> pairs;
  for (const Digest& case_id : index_.cases())
    for (LinkHint& hint : index_.hints_for_case(case_id))
      pairs.try_emplace(pair_of(case_id, hint.other), std::move(hint.reasons));
  for (const auto& [pair, place] : last_) pairs.try_emplace(pair);
  std::vector<JudgedHint> out;
  for (auto& [pair, reasons] : pairs) out.push_back(judged(pair, std::move(reasons)));
  return out;
}

Outcome<void> LinkHints::decide(const CasePair& pair, LinkVerdict verdict, const std::string& by, UnixMillis at) {
  if (pair.first == pair.second || !index_.has_case(pair.first) || !index_.has_case(pair.second))
    return Failure(LocalCode::usage, "two cases of the index are needed");
  LinkDecision decision{pair, verdict, at, by, {}};
  for (LinkHint& hint : index_.hints_for_case(pair.first))
    if (hint.other == pair.second) decision.reasons = std::move(hint.reasons);
  if (auto kept = profile_->store().add_link_decision(seal_link_decision(decision, key_)); !kept)
    return store_failure(kept.error());
  last_[pair] = decisions_.size();
  decisions_.push_back(std::move(decision));
  return {};
}

Outcome<void> LinkHints::drop_cases(const std::set<Digest>& cases) {
  const auto goes = [&cases](const LinkDecision& decision) {
    return cases.count(decision.pair.first) != 0 || cases.count(decision.pair.second) != 0;
  };
  ClientStore& store = profile_->store();
  auto rows = store.link_decisions();
  if (!rows) return store_failure(rows.error());
  std::vector<std::int64_t> decided;
  for (const SealedLinkDecision& row : *rows)
    if (auto decision = open_link_decision(row.sealed, key_); decision && goes(*decision)) decided.push_back(row.id);
  if (auto dropped = store.drop_links({cases.begin(), cases.end()}, decided); !dropped)
    return store_failure(dropped.error());
  index_.drop_cases(cases);
  decisions_.erase(std::remove_if(decisions_.begin(), decisions_.end(), goes), decisions_.end());
  last_.clear();
  for (std::size_t i = 0; i < decisions_.size(); ++i) last_[decisions_[i].pair] = i;
  return {};
}

Outcome<void> forget_erased(const Profile& profile, const Keys& keys, const protocol::ExchangeId& exchange) {
  auto case_id = profile.store().indexed_case(exchange);
  if (!case_id) return store_failure(case_id.error());
  if (!*case_id) return {};
  // The whole index, for the decisions that name the case.
  auto hints = LinkHints::load(profile, keys);
  if (!hints) return hints.error();
  return hints->drop_cases({**case_id});
}

Outcome<void> forget_unlisted(const Profile& profile, const Keys& keys, const std::vector<protocol::CaseItem>& listed) {
  auto indexed = profile.store().indexed_cases();
  if (!indexed) return store_failure(indexed.error());
  std::set<Digest> there;
  for (const protocol::CaseItem& item : listed)
    if (item.state != protocol::text_of(protocol::CaseState::efface)) there.insert(item.case_id);
  std::set<Digest> gone;
  for (const Digest& case_id : *indexed)
    if (there.count(case_id) == 0) gone.insert(case_id);
  if (gone.empty()) return {};
  auto hints = LinkHints::load(profile, keys);
  if (!hints) return hints.error();
  return hints->drop_cases(gone);
}

Outcome<void> forget_link_hints(const Profile& profile) {
  if (auto dropped = profile.store().drop_all_links(); !dropped) return store_failure(dropped.error());
  return {};
}

}  // namespace pli::client
