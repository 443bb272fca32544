#include "broker/broker.hpp"

#include <algorithm>

#include "broker/log.hpp"
#include "protocol/policy.hpp"

namespace pli::broker {
namespace {

using std::chrono::steady_clock;

using namespace std::chrono_literals;

constexpr std::size_t strays_in_batch_max = 64;
// Followers who are behind are read for no faster than the transport takes it.
constexpr std::size_t catch_up_waiting_max = 256;
constexpr auto catch_up_pause = 1ms;
// What the operator's page shows of the core is this old at most while there is work; a tick tells it otherwise.
constexpr auto tell_between = 1s;
constexpr const char* health_unavailable = "LOG_UNAVAILABLE";
constexpr const char* health_rolled_back = "ROLLED_BACK";
constexpr const char* health_damaged = "DAMAGED";
/// Beside the invariants of the self-audit: a row or a file of the store that is not what the core left there.
constexpr const char* damage_of_the_store = "store";
constexpr const char* health_unpublished = "CHECKPOINT_NOT_PUBLISHED";
constexpr const char* health_unwitnessed = "WITNESSES_MISSING";

bool is_answered_by_core(const VerifiedBody& body) { return !std::holds_alternative<Unattributed>(body); }

}  // namespace

// ---- start and end -----------------------------------------------------------------------------------------------

Result<std::unique_ptr<Broker>> Broker::start(BrokerSettings settings, Core& core, ReleaseKeys keys,
                                              Publication publication, const crypto::SecretKey& curve_secret,
                                              const Clock& clock) {
  auto ended = WakeFd::create();
  if (!ended) return ended.error();
  std::unique_ptr<Broker> broker(new Broker(std::move(settings), core, clock, *std::move(ended)));
  if (auto opened = broker->open(std::move(keys), std::move(publication), curve_secret); !opened) return opened.error();
  return broker;
}

Broker::Broker(BrokerSettings settings, Core& core, const Clock& clock, WakeFd ended)
    : settings_(std::move(settings)), core_(core), clock_(clock), started_at_(clock.now()), ended_(std::move(ended)) {}

Result<void> Broker::open(ReleaseKeys keys, Publication publication, const crypto::SecretKey& curve_secret) {
  auto ticked = core_.tick(clock_.now());
  if (!ticked) return ticked.error();
  const std::string newest = core_.newest_checkpoint();
  if (newest != publication.outside.newest().note) {
    if (auto written = publication.outside.write(newest); !written) return written.error();
  }
  if (publication.is_immediate()) {
    core_.published(newest);
    published_at_ = clock_.now();
  } else if (publication.last_published) {
    core_.published(*publication.last_published);
  }

  auto spool = Spool::open(settings_.spool, settings_.spool_limits);
  if (!spool) return spool.error();
  spool_ = *std::move(spool);
  directory_ = std::make_unique<DirectoryInForce>(core_.directory());
  verifier_ = std::make_unique<Verifier>(*directory_, std::move(keys), *spool_, clock_, settings_.exchange_bytes_max);

  TransportSinks sinks;
  sinks.received = [this](std::vector<Incoming> messages) { gate_->push(std::move(messages)); };
  sinks.gone = [this](const Peer& peer, std::optional<std::uint64_t> follow) { inbox_.give(Gone{peer, follow}); };
  sinks.stray = [this](Unattributed::Reason reason) { count_stray(reason); };
  sinks.failed = [this] { end(Ending::transport_failed); };
  auto transport = Transport::open(settings_.transport, curve_secret, *directory_, std::move(sinks));
  if (!transport) return transport.error();
  transport_ = *std::move(transport);
  if (auto tested = transport_->self_test(settings_.self_test); !tested) return tested.error();

  std::optional<EndedShardsSettings> ended = std::move(publication.ended);
  publisher_ = make_publisher(std::move(publication), newest);
  if (ended) ended_shards_ = make_ended(*std::move(ended));
  GateSinks gate_sinks;
  gate_sinks.to_core = [this](std::vector<VerifiedRequest> requests) {
    inbox_.give_all(
        std::vector<Event>(std::make_move_iterator(requests.begin()), std::make_move_iterator(requests.end())));
  };
  gate_sinks.answer = [this](std::vector<Outgoing> answers) { transport_->send(std::move(answers)); };
  gate_ = std::make_unique<Gate>(*verifier_, std::move(gate_sinks), settings_.threads);
  tell();
  thread_ = std::thread([this] { run(); });
  transport_->serve();
  return {};
}

std::unique_ptr<Publisher> Broker::make_publisher(Publication publication, std::string newest) {
  PublisherSinks sinks;
  sinks.published = [this](std::string checkpoint) { inbox_.give(Published{std::move(checkpoint)}); };
  sinks.stopped = [this](PublisherStop why, std::string detail) {
    end(why == PublisherStop::rolled_back ? Ending::rolled_back : Ending::tiles_differ, std::move(detail));
  };
  return std::make_unique<Publisher>(std::move(publication), std::move(newest), settings_.publisher, std::move(sinks));
}

std::unique_ptr<EndedShards> Broker::make_ended(EndedShardsSettings settings) {
  EndedShardsSinks sinks;
  sinks.confirmed = [this](std::string closed) { inbox_.give(Confirmed{std::move(closed)}); };
  sinks.stopped = [this](std::string detail) { end(Ending::rolled_back, std::move(detail)); };
  return std::make_unique<EndedShards>(std::move(settings), clock_, std::move(sinks));
}

Broker::~Broker() { stop(); }

std::string Broker::ending_detail() const {
  const std::lock_guard lock(ending_mutex_);
  return ending_detail_;
}

void Broker::stop() {
  if (transport_) transport_->stop_receiving();
  if (gate_) gate_->finish();
  if (ended_shards_) ended_shards_->finish();
  inbox_.close();
  if (thread_.joinable()) thread_.join();
  if (publisher_) publisher_->finish();
  if (transport_) transport_->finish();
}

void Broker::end(Ending why) {
  Ending none = Ending::none;
  if (ending_.compare_exchange_strong(none, why)) ended_.ring();
}

void Broker::end(Ending why, std::string detail) {
  {
    const std::lock_guard lock(ending_mutex_);
    if (ending_detail_.empty()) ending_detail_ = std::move(detail);
  }
  end(why);
}

void Broker::count_stray(Unattributed::Reason reason) {
  // However many come, one event waits for the core and none is lost.
  if (strays_[static_cast<std::size_t>(reason)].fetch_add(1) == 0) inbox_.give(Strays{});
}

// ---- the core's thread -------------------------------------------------------------------------------------------

void Broker::run() {
  SteadyTime next_tick = steady_clock::now() + settings_.tick;
  SteadyTime next_tell = steady_clock::now();
  for (;;) {
    SteadyTime deadline = next_tick;
    if (log_failed_ && ending_ == Ending::none)
      deadline = std::min(deadline, log_failed_at_ + settings_.log_unavailable);
    if (!log_failed_ && core_.behind())
      deadline = steady_clock::now() + (transport_->waiting() < catch_up_waiting_max ? 0ms : catch_up_pause);
    std::vector<Event> events = inbox_.take(protocol::batch_requests_max, deadline);
    if (events.empty() && inbox_.finished()) return;

    std::vector<VerifiedRequest> batch;
    batch.reserve(events.size());
    std::vector<Gone> gone;
    for (Event& event : events) {
      if (auto* request = std::get_if<VerifiedRequest>(&event)) {
        batch.push_back(std::move(*request));
      } else if (auto* left = std::get_if<Gone>(&event)) {
        gone.push_back(std::move(*left));
      } else if (auto* published = std::get_if<Published>(&event)) {
        if (!log_failed_) core_.published(published->checkpoint);
        published_at_ = clock_.now();
      } else if (auto* confirmed = std::get_if<Confirmed>(&event)) {
        if (!log_failed_)
          if (auto kept = core_.confirm_ended(confirmed->closed); !kept) fail(kept.error());
      } else if (auto* damaged = std::get_if<Damaged>(&event)) {
        stop_for(damaged->problem);
      } else {
        add_strays(batch);
      }
    }
    if (!batch.empty()) apply(std::move(batch));
    if (!log_failed_)
      for (const Gone& left : gone) core_.forget(left.peer, left.follow);
    if (!log_failed_ && core_.behind() && transport_->waiting() < catch_up_waiting_max) {
      if (auto pushes = core_.catch_up(clock_.now()))
        transport_->send(*std::move(pushes));
      else
        fail(pushes.error());
    }

    const SteadyTime now = steady_clock::now();
    if (now >= next_tick) {
      next_tick = now + settings_.tick;
      spool_->expire(now);
      if (!log_failed_) {
        if (auto outcome = core_.tick(clock_.now()))
          hand_out(*std::move(outcome), {});
        else
          fail(outcome.error());
      }
    }
    if (now >= next_tell) {
      next_tell = now + tell_between;
      tell();
    }
    if (log_failed_ && now >= log_failed_at_ + settings_.log_unavailable)
      end(damage_.empty() ? Ending::log_unavailable : Ending::damaged);
  }
}

void Broker::add_strays(std::vector<VerifiedRequest>& batch) {
  for (const auto reason : {Unattributed::Reason::undecodable, Unattributed::Reason::unknown_key}) {
    std::atomic<std::uint64_t>& count = strays_[static_cast<std::size_t>(reason)];
    const std::uint64_t taken = std::min<std::uint64_t>(count, strays_in_batch_max);
    for (std::uint64_t i = 0; i < taken; ++i) batch.push_back({{}, 0, Unattributed{reason}});
    // Who finds none counted before it gives the next event; the rest waits for the next batch here.
    if (count.fetch_sub(taken) > taken) inbox_.give(Strays{});
  }
}

void Broker::apply(std::vector<VerifiedRequest> batch) {
  std::vector<Asked> asked;
  std::vector<Staged> staged;
  std::uint64_t staged_bytes = 0;
  const SteadyTime begun = steady_clock::now();
  const std::size_t requests = batch.size();
  asked.reserve(requests);
  std::vector<crypto::CurvePublic> askers;
  askers.reserve(requests);
  for (const VerifiedRequest& request : batch) {
    askers.push_back(request.peer.key);
    if (is_answered_by_core(request.body))
      asked.push_back({request.peer, request.request_id, std::holds_alternative<protocol::GetHealth>(request.body)});
    staged_bytes += Verifier::staged_bytes_of(request);
    const auto* submit = std::get_if<VerifiedSubmit>(&request.body);
    if (submit != nullptr && spool_->holds_any(request.peer.key))
      staged.push_back({request.peer.key, request.request_id, submit->seal.locked, submit->seal.payload});
  }
  if (log_failed_) {
    refuse_all(asked);
  } else if (auto outcome = core_.apply(std::move(batch), clock_.now())) {
    // Durable from here, so answers may leave.
    hand_out(*std::move(outcome), staged);
  } else {
    fail(outcome.error());
    refuse_all(asked);
  }
  verifier_->give_back(staged_bytes);
  gate_->answered(askers);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - begun);
  const std::lock_guard lock(vitals_mutex_);
  vitals_.batch_requests.add(requests, batch_request_bounds);
  vitals_.batch_micros.add(static_cast<std::uint64_t>(took.count()), batch_micros_bounds);
}

void Broker::hand_out(BatchOutcome outcome, const std::vector<Staged>& staged) {
  std::vector<const Staged*> accepted;
  std::uint64_t receipts = 0;
  std::uint64_t openings = 0;
  std::uint64_t refusals = 0;
  for (Outgoing& message : outcome.outgoing) {
    receipts += std::holds_alternative<protocol::Accepted>(message.reply.body) ? 1 : 0;
    openings += std::holds_alternative<protocol::Opened>(message.reply.body) ? 1 : 0;
    refusals += std::holds_alternative<protocol::Refusal>(message.reply.body) ? 1 : 0;
    if (auto* health = std::get_if<protocol::Health>(&message.reply.body)) complete_health(*health);
    if (staged.empty() || !std::holds_alternative<protocol::Accepted>(message.reply.body)) continue;
    for (const Staged& parts : staged)
      if (parts.request == message.reply.id && parts.owner == message.peer.key) accepted.push_back(&parts);
  }
  {
    const std::lock_guard lock(vitals_mutex_);
    vitals_.accepted += receipts;
    vitals_.opened += openings;
    vitals_.refused += refusals;
  }
  if (outcome.new_directory) {
    // Before the answers leave: who hears that a version stands is judged by it from then on.
    log(LogLevel::info, "directory accepted", {{"number", outcome.new_directory->number().value}});
    directory_->set(std::move(outcome.new_directory));
  }
  for (const ExchangeNumber number : outcome.damaged)
    log(LogLevel::error, "release key damaged", {{"exchange_number", number.value}});
  if (outcome.erased != 0) log(LogLevel::info, "exchanges erased", {{"count", outcome.erased}});
  // Before the receipts leave: a witness may hear of their checkpoint from others first.
  if (outcome.checkpoint)
    publisher_->offer(*std::move(outcome.checkpoint), {outcome.first_leaf, std::move(outcome.leaves)});
  transport_->send(std::move(outcome.outgoing));
  for (const Staged* parts : accepted) {
    spool_->drop(parts->owner, parts->locked);
    spool_->drop(parts->owner, parts->payload);
  }
}

void Broker::complete_health(protocol::Health& health) const {
  if (health.started_at.value == 0) health.started_at = started_at_;
  health.swept_at.value = swept_at_;
  health.published_at = published_at_;
  if (ending_ == Ending::rolled_back && health.state != health_unavailable) health.state = health_rolled_back;
  if (health.state != "ok") return;
  switch (publisher_->state()) {
    case Publishing::going_on: break;
    case Publishing::not_written: health.state = health_unpublished; break;
    case Publishing::witnesses_missing: health.state = health_unwitnessed; break;
  }
}

void Broker::fail(const Error& error) {
  log_failed_ = true;
  log_failed_at_ = steady_clock::now();
  if (error.code == Errc::corruption && damage_.empty()) damage_ = damage_of_the_store;
  log(LogLevel::error, "log unavailable", {{"reason", error.code}, {"detail", LocalText{error.detail}}});
  tell();
}

void Broker::stop_for(const StoreProblem& problem) {
  // Where it stands is our own numbering: a row, and nothing of what it holds.
  log(LogLevel::error, "store damaged", {{"invariant", LocalText{problem.name}}, {"where", LocalText{problem.where}}});
  if (damage_.empty()) damage_ = problem.name;
  if (!log_failed_) fail({Errc::corruption, "the self-audit found a broken invariant"});
}

void Broker::refuse_all(const std::vector<Asked>& asked) {
  std::vector<Outgoing> answers;
  answers.reserve(asked.size());
  for (const Asked& ask : asked) {
    protocol::Reply reply{ask.request, protocol::Refusal{protocol::Code::log_unavailable, "", 0}};
    if (ask.health) reply.body = health_of_the_process(ask.peer.key);
    answers.push_back({ask.peer, std::move(reply), true});
  }
  transport_->send(std::move(answers));
}

protocol::ReplyBody Broker::health_of_the_process(const crypto::CurvePublic& asker) const {
  // A refusal would have to be recorded (P3), which cannot be done now: who may not ask is answered like everybody.
  const protocol::Refusal unavailable{protocol::Code::log_unavailable, "", 0};
  const auto directory = directory_->get();
  const protocol::Member* member = directory->member_by_curve(asker);
  if (member == nullptr || member->keys.curve != asker || !member->valid_at(clock_.now())) return unavailable;
  protocol::Question question;
  question.act = protocol::Act::read_health;
  question.roles = member->roles;
  if (!protocol::decide(question)) return unavailable;
  return own_health();
}

protocol::Health Broker::own_health() const {
  protocol::Health health;
  health.state = damage_.empty() ? health_unavailable : health_damaged;
  health.damage = damage_;
  health.swept_at.value = swept_at_;
  health.started_at = started_at_;
  health.published_at = published_at_;
  health.directory = directory_->get()->number();
  return health;
}

void Broker::tell() {
  protocol::Health health = log_failed_ ? own_health() : core_.health(clock_.now());
  if (!log_failed_) complete_health(health);
  const std::lock_guard lock(vitals_mutex_);
  const bool first = vitals_.told_at.value == 0;
  if (first ? health.state != "ok" : vitals_.state != health.state)
    log(health.state == "ok" ? LogLevel::info : LogLevel::warning, "health changed",
        {{"state", LocalText{health.state}}, {"disk_free_bytes", health.free_disk_bytes}});
  vitals_.state = health.state;
  vitals_.damage = health.damage;
  vitals_.told_at = clock_.now();
  vitals_.started_at = health.started_at;
  vitals_.published_at = health.published_at;
  vitals_.directory = health.directory.value;
  if (log_failed_) return;  // the rest stays as it was known last
  vitals_.leaves = health.tree_size;
  vitals_.exchanges = health.exchanges;
  vitals_.terms_noticed = health.terms_noticed;
  vitals_.directory_not_after = health.directory_not_after;
}

Vitals Broker::vitals() const {
  const TransportCounts counts = transport_->counts();
  const std::lock_guard lock(vitals_mutex_);
  Vitals out = vitals_;
  out.swept_at.value = swept_at_;
  const auto directory = directory_->get();
  if (const protocol::Contract* contract = directory->contract())
    out.delays = protocol::delays_of(contract->engagements);
  out.connections = counts.connections;
  out.under_way = counts.under_way;
  out.handshakes_refused = counts.handshakes_refused;
  out.turned_away = counts.turned_away;
  out.endless = counts.endless;
  return out;
}

}  // namespace pli::broker
