#include "tests/attack/house_connection.hpp"

#include <stdexcept>

#include "protocol/limits.hpp"

namespace pli::testing {

struct HouseConnection::Front {
  explicit Front(BrokerHouse& house)
      : clock(house.now),
        directory(house.core().directory()),
        spool(broker::Spool::open(house.folder() / "spool", {}).value()),
        verifier(directory,
                 {[&house](std::uint32_t month, const crypto::BoxPublic& key) {
                    return house.keys().release_shared(month, key);
                  },
                  [&house](std::uint32_t month) { return house.keys().release_public(month); }},
                 *spool, clock, protocol::exchange_bytes_max) {}
  ManualClock clock;
  broker::DirectoryInForce directory;
  std::unique_ptr<broker::Spool> spool;
  broker::Verifier verifier;
};

HouseConnection::HouseConnection(BrokerHouse& house, const Department& department, std::string member)
    : house_(house), peer_(department.peer(member)), front_(std::make_unique<Front>(house)) {}
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

}  // namespace pli::testing
