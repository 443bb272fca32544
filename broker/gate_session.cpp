#include "broker/gate_session.hpp"

namespace pli::broker {

Result<crypto::BoxKey> SessionKeys::shared(std::uint32_t epoch, const crypto::BoxPublic& session) {
  const Name name{epoch, session};
  // A destroyed epoch must not live on here.
  const bool epoch_stands = keys_.public_key(epoch).has_value();
  {
    std::lock_guard lock(mutex_);
    if (!epoch_stands) {
      for (auto it = sessions_.lower_bound({epoch, {}}); it != sessions_.end() && it->first.epoch == epoch;) {
        by_use_.erase(it->second.place);
        it = sessions_.erase(it);
      }
      return Error{Errc::not_found, "release epoch is gone"};
    }
    if (auto known = sessions_.find(name); known != sessions_.end()) {
      by_use_.splice(by_use_.begin(), by_use_, known->second.place);
      return known->second.key.clone();
    }
  }
  auto key = keys_.shared(epoch, session);
  if (!key) return key.error();
  std::lock_guard lock(mutex_);
  if (sessions_.find(name) == sessions_.end()) {
    by_use_.push_front(name);
    sessions_.emplace(name, Session{key->clone(), by_use_.begin()});
    if (sessions_.size() > sessions_max_) {
      sessions_.erase(by_use_.back());
      by_use_.pop_back();
    }
  }
  return key;
}

}  // namespace pli::broker
