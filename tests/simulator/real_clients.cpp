#include "tests/simulator/real_clients.hpp"

#include <algorithm>

#include "client/auditor.hpp"
#include "client/inbox.hpp"
#include "client/session.hpp"
#include "tests/support/house_connection.hpp"
#include "tests/support/small_world.hpp"

namespace pli::testing {
namespace {

/// The time of a client whose clock leapt with the broker's: a leaf dated ahead of the reader's is a true finding.
UnixMillis time_of(BrokerHouse& house) {
  const std::uint64_t size = house.store().tree_size().value;
  const auto newest = size == 0 ? std::nullopt : house.store().leaf({{size - 1}, house.store().shard()});
  return newest ? std::max(house.now, newest->leaf.time) : house.now;
}

/// A person's client: a profile in a folder of its own, and a session with the house.
class Client {
 public:
  Client(BrokerHouse& house, const Department& department, const std::string& member)
      : clock_(time_of(house)), keys_(keys_of(department, member)) {
    open(house, department, member);
  }
  [[nodiscard]] const std::optional<std::string>& failure() const { return failure_; }
  [[nodiscard]] client::Session& session() { return *session_; }
  void fail(const char* where, const client::Failure& failure) {
    failure_ = std::string(where) + ": " + client::code_text(failure) + " " + failure.detail;
  }

 private:
  void open(BrokerHouse& house, const Department& department, const std::string& member) {
    auto profile = enrolled_profile(folder_.path(), house, department, member);
    if (!profile) return fail("profile", profile.error());
    profile_.emplace(*std::move(profile));
    auto session =
        client::Session::open(*profile_, keys_, clock_, std::make_unique<HouseConnection>(house, department, member));
    if (!session) return fail("session", session.error());
    session_ = *std::move(session);
  }
  ManualClock clock_;
  ScratchFolder folder_;
  client::Keys keys_;
  std::optional<client::Profile> profile_;
  std::unique_ptr<client::Session> session_;
  std::optional<std::string> failure_;
};

}  // namespace

std::optional<std::string> accused_by_auditor(BrokerHouse& house, const Department& department) {
  Client auditor(house, department, "auditeur");
  if (auditor.failure()) return auditor.failure();
  const auto report = client::audit_log(auditor.session(), {}, std::chrono::milliseconds(0));
  if (!report) {
    auditor.fail("audit", report.error());
    return auditor.failure();
  }
  if (report->findings.empty()) return std::nullopt;
  const client::Finding& first = report->findings.front();
  return "leaf " + (first.leaf ? std::to_string(first.leaf->value) : "?") + " of " + first.shard + ": " +
         std::string(client::text_of(first.problem)) + " (" + first.subject + ")";
}

std::optional<std::string> accused_by_member(BrokerHouse& house, const Department& department,
                                             const std::string& member) {
  Client reader(house, department, member);
  if (reader.failure()) return reader.failure();
  if (const auto items = client::Inbox(reader.session()).refresh(); !items) reader.fail("inbox", items.error());
  return reader.failure();
}

}  // namespace pli::testing
