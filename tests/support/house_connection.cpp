#include "tests/support/house_connection.hpp"

#include <stdexcept>

#include "protocol/card.hpp"
#include "tests/support/house_front.hpp"
#include "tests/support/small_world.hpp"

namespace pli::testing {

HouseConnection::HouseConnection(BrokerHouse& house, const Department& department, std::string member)
    : house_(house), peer_(department.peer(member)), front_(std::make_unique<HouseFront>(house)) {}
HouseConnection::~HouseConnection() = default;

client::Outcome<std::uint64_t> HouseConnection::post(protocol::RequestBody body) {
  const protocol::Request request{++last_, std::move(body)};
  front_->clock.set(house_.now);
  broker::Incoming message;
  message.peer = peer_;
  message.frames = {protocol::encode(request)};
  broker::Verdict verdict = front_->verifier.verify(std::move(message));
  std::vector<protocol::Reply> replies;
  if (verdict.answer) replies.push_back(std::move(verdict.answer->reply));
  if (verdict.to_core) {
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(*std::move(verdict.to_core));
    auto outcome = house_.apply(std::move(batch));
    if (!outcome) throw std::logic_error("the core is dead: " + outcome.error().detail);
    for (broker::Outgoing& out : outcome->outgoing)
      if (out.answers) replies.push_back(std::move(out.reply));
    if (outcome->new_directory) front_->directory.set(std::move(outcome->new_directory));
    house_.core().published(house_.core().newest_checkpoint());
  }
  for (const protocol::Reply& reply : replies) {
    auto back = protocol::decode_reply(protocol::encode(reply));
    if (!back) throw std::logic_error("a reply the client would not decode: " + back.error().detail);
    replies_.emplace(back->id, std::move(back->body));
  }
  return request.id;
}

client::Outcome<protocol::ReplyBody> HouseConnection::take(std::uint64_t request, std::chrono::milliseconds) {
  const auto found = replies_.find(request);
  if (found == replies_.end()) return client::Failure(protocol::LocalCode::unreachable, "the broker gave no answer");
  protocol::ReplyBody body = std::move(found->second);
  replies_.erase(found);
  return body;
}

client::Outcome<std::optional<protocol::Pushed>> HouseConnection::take_push(std::chrono::milliseconds) {
  return std::optional<protocol::Pushed>();
}

client::Keys keys_of(const Department& department, const std::string& member) {
  return {crypto::Identity::from_seed(department.identity(member).seed().clone()), {}};
}

client::Outcome<client::Profile> enrolled_profile(const std::filesystem::path& folder, BrokerHouse& house,
                                                  const Department& department, const std::string& member) {
  auto profile = client::Profile::open(folder);
  if (!profile) return profile.error();
  constexpr int quick_work_factor = 2;
  if (auto written = profile->write_identity(keys_of(department, member).current, passphrase(), quick_work_factor);
      !written)
    return written.error();
  protocol::Invitation invitation;
  invitation.contract = house.core().directory()->verified()->head().contract;
  invitation.member = member;
  invitation.log = department.log();
  invitation.log_key = house.log_key().key;
  invitation.endpoint = "tcp://127.0.0.1:9";
  invitation.authorities = department.authorities();
  invitation.directory = DirectoryNumber{1};
  if (auto accepted = profile->accept_invitation(protocol::to_text(invitation)); !accepted) return accepted.error();
  return profile;
}

}  // namespace pli::testing
