// hello, checkpoint, health: who am I, what does the log say, how are you.
#include "broker/core_state.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::Code;

namespace {

/// A member who reconnects all day is one line an hour in the journal.
constexpr std::chrono::milliseconds connection_recorded_every = std::chrono::hours(1);

}  // namespace

Outcome CoreState::hello(Batch& batch, const Caller& caller, const protocol::Hello& request, Asked& asked) {
  const protocol::Decision decision = decide(Act::connect, caller.member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  if (request.version_min > protocol::protocol_version || request.version_max < protocol::protocol_version)
    return deny(Code::invalid, "version");
  const auto release = keys_.current_release(batch.now);
  if (!release) return deny(Code::log_unavailable);

  Conduct& conduct = conduct_[caller.peer.key];
  if (!conduct.connection_recorded || batch.now - *conduct.connection_recorded >= connection_recorded_every) {
    conduct.connection_recorded = batch.now;
    log(batch, audit::LeafType::connexion,
        make_record(&caller.member, asked, {"ok", decision.rule, directory_->number(), {}, {}, {}}));
  }

  protocol::HelloReply reply;
  reply.member = caller.member.id;
  reply.time = batch.now;
  reply.directory = directory_->number();
  reply.directory_digest = directory_->verified()->digest();
  reply.release_epoch = release->epoch;
  reply.release_key = release->public_key;
  reply.exchange_bytes_max = settings_.exchange_bytes_max;
  // A size of another shard says nothing of this one's tree.
  const bool same = request.known_origin.empty() || request.known_origin == origin_;
  return Answer{std::move(reply), {}, same ? request.known_size : TreeSize{}, {}, {}};
}

Outcome CoreState::get_checkpoint(Batch& /*batch*/, const Caller& caller, const protocol::GetCheckpoint& request,
                                  Asked& /*asked*/) {
  const protocol::Decision decision = decide(Act::connect, caller.member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  return Answer{protocol::CheckpointReply{}, {}, request.known_size, {}, {}};
}

Outcome CoreState::get_health(Batch& batch, const Caller& caller, Asked& /*asked*/) {
  const protocol::Decision decision = decide(Act::read_health, caller.member, {}, {});
  if (!decision) return deny(Code::forbidden, decision.rule);
  return Answer{health(batch.now), {}, {}, {}, {}};
}

}  // namespace pli::broker
