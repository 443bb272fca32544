// Link hints (« rapprochements »): which cases the secretariat has opened may concern one person or one structure
// (domain.md, 24; design §10). On the members' side, after opening; the broker and the communes learn nothing of it.
// The index lies sealed in the member's own state.db and is in memory while a verb needs it. A machine gives a reason,
// a person decides; nothing is merged, and a decision can be taken back.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "client/link_record.hpp"
#include "client/open_exchange.hpp"
#include "client/session.hpp"

namespace pli::client {

/// Whether this member may see hints: its own entry in the directory says secretariat.
[[nodiscard]] bool sees_link_hints(const Session& session);

/// What an opened exchange adds to the index: nothing where it concerns nobody, or was not sent to an instance.
[[nodiscard]] std::optional<LinkEntry> link_entry_of(const OpenedExchange& opened);

struct JudgedHint {
  CasePair pair;
  std::vector<LinkReason> reasons;       ///< none: a person linked what no rule speaks of
  std::optional<LinkDecision> decision;  ///< the last one
};

/// Everything in memory. Not thread-safe; `profile` must outlive it.
class LinkHints {
 public:
  /// Reads and opens what state.db holds. What a former identity sealed is sealed anew under the present one.
  /// Errors: local_store.
  [[nodiscard]] static Outcome<LinkHints> load(const Profile& profile, const Keys& keys);

  /// Durable before it returns. Errors: local_store.
  [[nodiscard]] Outcome<void> add(const LinkEntry& entry);
  /// Of the other cases, by id; each with what was decided of it.
  [[nodiscard]] std::vector<JudgedHint> hints_of(const Digest& case_id) const;
  /// Every pair, each once; what was decided without a hint too.
  [[nodiscard]] std::vector<JudgedHint> all() const;
  /// What is decided again takes the place of what was decided before, which stays on record. Errors: usage (one of the
  /// cases is not in the index, or both are one), local_store.
  [[nodiscard]] Outcome<void> decide(const CasePair& pair, LinkVerdict verdict, const std::string& by, UnixMillis at);
  /// Every decision, oldest first, those since replaced too.
  [[nodiscard]] const std::vector<LinkDecision>& decisions() const { return decisions_; }
  /// What is indexed of them, and what was decided, all or none. Errors: local_store.
  [[nodiscard]] Outcome<void> drop_cases(const std::set<Digest>& cases);

  [[nodiscard]] const LinkIndex& index() const { return index_; }
  /// Records no key here opens: sealed under an identity that could not be unlocked, or damaged.
  [[nodiscard]] std::size_t unreadable() const { return unreadable_; }

 private:
  LinkHints(const Profile& profile, crypto::SecretKey key) : profile_(&profile), key_(std::move(key)) {}
  [[nodiscard]] JudgedHint judged(const CasePair& pair, std::vector<LinkReason> reasons) const;

  const Profile* profile_;
  crypto::SecretKey key_;
  LinkIndex index_;
  std::vector<LinkDecision> decisions_;
  std::map<CasePair, std::size_t> last_;  ///< place in decisions_
  std::size_t unreadable_ = 0;
};

/// An exchange is erased: the case it belongs to leaves the index, with what was decided of it. Does nothing where the
/// index holds nothing of it. Errors: local_store.
[[nodiscard]] Outcome<void> forget_erased(const Profile& profile, const Keys& keys,
                                          const protocol::ExchangeId& exchange);
/// The same for every indexed case that the broker does not list any more, or lists as erased: what was lost in a
/// rollback comes back with its next opening. Errors: local_store.
[[nodiscard]] Outcome<void> forget_unlisted(const Profile& profile, const Keys& keys,
                                            const std::vector<protocol::CaseItem>& listed);
/// For a member that is no secretariat any more. Errors: local_store.
[[nodiscard]] Outcome<void> forget_link_hints(const Profile& profile);

}  // namespace pli::client
