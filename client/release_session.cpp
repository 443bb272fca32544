#include "client/release_session.hpp"

#include "crypto/grant.hpp"

namespace pli::client {
namespace {

constexpr const char* only_trustee = "broker";

}  // namespace

Result<void> ReleaseSession::use(std::uint32_t epoch, const crypto::BoxPublic& broker) {
  if (auto shared = shared_with(broker); !shared) return shared.error();
  current_ = {epoch, broker};
  return {};
}

protocol::Release ReleaseSession::share(const crypto::ReleaseKey& release_key) const {
  PLI_INVARIANT(current_.has_value());
  const auto found = shared_.find(current_->second);
  PLI_INVARIANT(found != shared_.end());
  protocol::Release release;
  release.threshold = 1;
  release.shares.push_back(
      {only_trustee, current_->first, pair_.public_key(), crypto::box_share(release_key, found->second)});
  return release;
}

Result<crypto::ReleaseKey> ReleaseSession::open_grant(const crypto::BoxPublic& broker,
                                                      const crypto::BoxedRelease& grant) {
  auto shared = shared_with(broker);
  if (!shared) return shared.error();
  return crypto::opening::open_grant(grant, **shared);
}

Result<const crypto::BoxKey*> ReleaseSession::shared_with(const crypto::BoxPublic& broker) {
  auto found = shared_.find(broker);
  if (found == shared_.end()) {
    // One for each month a roster's exchanges were released in; a broker that shows ever new keys gets no memory for
    // it.
    if (shared_.size() >= keys_max) return Error{Errc::over_limit, "release keys of one session"};
    auto key = pair_.shared_with(broker);
    if (!key) return key.error();
    found = shared_.emplace(broker, std::move(*key)).first;
  }
  return &found->second;
}

}  // namespace pli::client
