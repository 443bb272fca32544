#include "tests/simulator/simulation.hpp"

#include <algorithm>
#include <ostream>

#include "broker/record_fields.hpp"
#include "crypto/age_open.hpp"
#include "crypto/age_seal.hpp"
#include "crypto/grant.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/random.hpp"
#include "crypto/statement.hpp"
#include "tests/simulator/real_clients.hpp"
#include "tests/support/seeded_random.hpp"

namespace pli::testing {
namespace {

using protocol::Code;
using protocol::Kind;
using protocol::Role;

constexpr std::int64_t second = 1000;
constexpr std::int64_t minute = 60 * second;
constexpr std::int64_t hour = 60 * minute;
constexpr std::int64_t day = 24 * hour;

constexpr std::uint64_t plenty = std::uint64_t{1} << 40;
/// Whoever is not answered asks again after so long, a few times; what is in an outbox, once more in the calm.
constexpr std::int64_t asked_again_after = 20 * second;
constexpr int attempts_max = 4;
/// In the calm: so often an outbox is flushed before somebody was let down.
constexpr int flushes_max = 60;
/// The real clients' files and databases cost as much as everything else.
constexpr std::uint64_t real_clients_every = 16;
/// Who attacks is enrolled, for one commune.
constexpr const char* adversary = "referent.sens";

DepartmentOptions small_department() {
  DepartmentOptions options;
  options.ged_members = 3;
  options.clir_members = 1;
  return options;
}

std::uint64_t hash_on(std::uint64_t digest, std::string_view text) {
  for (const char c : text) digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return digest;
}

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "simulation: %s: %s\n", what, result.error().detail.c_str());
    std::abort();
  }
  return *std::move(result);
}

const char* name_of_body(const protocol::RequestBody& body) {
  static constexpr const char* names[] = {"hello",     "put_chunk",   "submit", "list",      "list_cases", "open",
                                          "get_chunk", "acknowledge", "follow", "directory", "publish",    "checkpoint",
                                          "prove",     "records",     "health", "shard"};
  return names[body.index()];
}
std::string name_of_reply(const protocol::ReplyBody& body) {
  static constexpr const char* names[] = {"refusal",    "hello",  "chunk_stored", "accepted", "items",     "cases",
                                          "opened",     "chunk",  "acknowledged", "pushed",   "directory", "published",
                                          "checkpoint", "proven", "records",      "health",   "shard"};
  if (const auto* refusal = std::get_if<protocol::Refusal>(&body)) return protocol::to_text(*refusal);
  return names[body.index()];
}

}  // namespace

void Tally::add(const Tally& more) {
  steps += more.steps;
  batches += more.batches;
  messages += more.messages;
  crashes += more.crashes;
  cut_in_commit += more.cut_in_commit;
  unsure += more.unsure;
  accepted += more.accepted;
  receipted += more.receipted;
  openings += more.openings;
  read += more.read;
  refusals += more.refusals;
  versions += more.versions;
  shards += more.shards;
}

Simulation::Seeded::Seeded(std::uint64_t seed) {
  static const bool once = [] {
    use_seeded_random();
    return true;
  }();
  (void)once;
  seed_random(seed, 0);
}

Simulation::Simulation(std::uint64_t seed, std::ostream* trace)
    : seed_(seed),
      seeded_(seed),
      trace_(trace),
      department_(small_department()),
      disk_(seed),
      free_bytes_(plenty),
      model_(department_.log(), {}, department_.directory()),
      session_(crypto::BoxPair::generate()) {
  Dice dice(seed, {6});
  latency_ = dice.one_in(2) ? 1 : dice.between(2, 400);
  broker::StoreOptions options;
  options.vfs = disk_.name();
  options.background_writeback = false;
  options.free_bytes = [this] { return free_bytes_; };
  house_ = std::make_unique<BrokerHouse>(department_, std::move(options));
  model_.trust(house_->log_key().key);
  model_.begin_batch(broker_now());
  absorb();
  open_front();
  tick();
}

Simulation::~Simulation() {
  front_.reset();
  house_.reset();
}

Tally Simulation::tally() const {
  Tally out = tally_;
  out.accepted = model_.order().size();
  out.openings = model_.openings();
  out.refusals = model_.refusals();
  out.versions = model_.directory()->number().value;
  out.shards = model_.shards();
  return out;
}

// ---- time and the network -----------------------------------------------------------------------------------------

void Simulation::say(const std::string& line) {
  trace_digest_ = hash_on(trace_digest_, line);
  if (trace_ != nullptr) *trace_ << '[' << time_ - monday_morning.value << "ms] " << line << '\n';
}

void Simulation::at(std::int64_t when, std::function<void()> what) {
  events_.emplace(std::make_pair(std::max(when, time_), ++event_number_), std::move(what));
}

void Simulation::run_until(std::int64_t when) {
  while (!model_.breach() && !events_.empty() && events_.begin()->first.first <= when) {
    auto next = events_.extract(events_.begin());
    time_ = next.key().first;
    next.mapped()();
  }
  time_ = std::max(time_, when);
}

std::int64_t Simulation::delay(Dice& dice) const {
  if (calm_) return 1 + static_cast<std::int64_t>(dice.below(5));
  if (dice.one_in(40)) return dice.between(second, 3 * minute);
  if (dice.one_in(8)) return dice.between(100, 10 * second);
  return dice.between(1, 100);
}

void Simulation::post(std::uint64_t number) {
  Ask& ask = asks_.at(number);
  if (ask.done) return;
  ++ask.attempts;
  fly_to_broker({ask.peer, ask.member, ask.bytes}, number * 64 + static_cast<std::uint64_t>(ask.attempts));
  if (calm_) return;
  if (ask.attempts < attempts_max) at(time_ + asked_again_after, [this, number] { post(number); });
}

void Simulation::fly_to_broker(const Flying& what, std::uint64_t fate) {
  Dice dice(seed_, {1, fate});
  if (!calm_ && captured_.size() < 64) captured_.push_back(what);
  if (parted_.count(what.member) != 0) return;
  if (!calm_ && dice.one_in(10)) return;
  const int copies = !calm_ && dice.one_in(10) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) at(time_ + delay(dice), [this, what] { arrive(what); });
}

void Simulation::fly_to_member(const broker::Peer& peer, protocol::Reply reply) {
  Dice dice(seed_, {2, reply.id, ++fate_});
  const auto bytes = protocol::encode(reply);
  auto decoded = protocol::decode_reply(bytes);
  if (!decoded) return model_.broke("P7", "a reply that no client decodes: " + decoded.error().detail);
  const protocol::Member* member = model_.directory()->member_by_curve(peer.key);
  if (member != nullptr && parted_.count(member->id) != 0) return;
  if (!calm_ && dice.one_in(10)) return;
  const auto shared = std::make_shared<const protocol::Reply>(*std::move(decoded));
  at(time_ + delay(dice), [this, peer, shared] { take_at_member(peer, *shared); });
}

void Simulation::take_at_member(const broker::Peer& peer, const protocol::Reply& reply) {
  const auto found = asks_.find(reply.id);
  if (found == asks_.end() || !(found->second.peer == peer)) return;
  Ask& ask = found->second;
  if (const auto* refusal = std::get_if<protocol::Refusal>(&reply.body)) return refused(found->first, ask, *refusal);
  if (const auto* accepted = std::get_if<protocol::Accepted>(&reply.body)) {
    if (!model_.is_receipted(accepted->exchange)) ++tally_.receipted;
    model_.receipted(accepted->exchange);
  }
  const auto remember = [&](const std::string& note) {
    const auto parsed = audit::parse_note(note);
    const auto head = parsed ? audit::parse_tree_head(parsed->text) : Result<audit::TreeHead>(parsed.error());
    if (!head) return;
    auto& known = known_[ask.member];
    if (known.first != head->origin || known.second < head->size) known = {head->origin, head->size};
  };
  if (const auto* hello = std::get_if<protocol::HelloReply>(&reply.body)) remember(hello->checkpoint);
  if (const auto* shown = std::get_if<protocol::CheckpointReply>(&reply.body)) remember(shown->checkpoint);
  if (const auto* opened = std::get_if<protocol::Opened>(&reply.body); opened != nullptr && !ask.done)
    read_opened(ask, *opened);
  ask.done = true;
  if (publishing_ == found->first) publishing_ = 0;
}

void Simulation::refused(std::uint64_t number, Ask& ask, const protocol::Refusal& refusal) {
  if (ask.done) return;
  const bool later = refusal.code == Code::busy || refusal.code == Code::log_unavailable ||
                     refusal.code == Code::unknown_key ||
                     (ask.kept && (refusal.code == Code::clock_skew || refusal.subject == "annuaire.expire"));
  if (later) return;  // asked again by itself, or by the next flush
  const bool stale = refusal.code == Code::stale_directory || refusal.subject == "directory";
  if (stale && ask.seal_anew) {
    ask.done = true;
    const auto anew = ask.seal_anew;
    return anew();
  }
  if (ask.must_hold)
    model_.broke("P8", ask.member + " sends what he may, and is refused: " + protocol::to_text(refusal));
  ask.done = true;
  if (publishing_ == number) publishing_ = 0;
}

/// As the member would: R from the grant, the header, the file key, the plaintext; and each as it was sealed.
void Simulation::read_opened(Ask& ask, const protocol::Opened& opened) {
  const auto sent = contents_.find(opened.exchange);
  if (sent == contents_.end()) return;
  std::vector<crypto::SecretKey> secrets;
  secrets.push_back(department_.identity(ask.member).age_secret().clone());
  for (const protocol::AccessPart& part : opened.access) {
    const auto seal = protocol::decode_seal(part.seal);
    const auto box = session_.shared_with(part.release_key);
    const Digest address = protocol::address_digest(part.address);
    if (!seal || !box) return model_.broke("P4", "an opening that cannot be read");
    const auto release_key = crypto::opening::open_grant(part.grant, *box);
    if (!release_key || crypto::release_commitment(address, *release_key) != seal->release_commitment)
      return model_.broke("P4", ask.member + " is given another R than was sealed");
    const auto header = crypto::opening::unlock_header(part.locked, *release_key, {address, seal->payload});
    if (!header) return model_.broke("P4", "a locked part that its R does not open");
    const auto file_key = crypto::opening::unwrap_file_key(*header, {secrets, nullptr});
    if (!file_key) continue;  // sealed to a key he has given up since
    const auto padded = crypto::opening::open_payload(*file_key, opened.payload);
    const auto inner = padded ? crypto::unpad(*padded) : Result<Bytes>(Error{Errc::not_found, {}});
    const auto plaintext = inner ? protocol::decode_plaintext(*inner) : Result<protocol::Plaintext>(inner.error());
    if (!plaintext || plaintext->content != sent->second)
      return model_.broke("P2", ask.member + " reads something else than was sent");
    ++tally_.read;
    return;
  }
}

// ---- the broker ---------------------------------------------------------------------------------------------------

void Simulation::arrive(const Flying& what) {
  if (!up()) return;
  ++tally_.messages;
  auto request = protocol::decode_request(what.bytes);
  const std::uint64_t id = protocol::request_id_of(what.bytes);
  asked_[{what.peer, id}] = request ? std::make_shared<const protocol::Request>(*std::move(request)) : nullptr;
  front_->clock.set(broker_now());
  broker::Incoming message;
  message.peer = what.peer;
  message.frames = {what.bytes};
  broker::Verdict verdict = front_->verifier.verify(std::move(message));
  if (verdict.answer) {
    model_.begin_batch(broker_now());
    tell(*verdict.answer, true, 1);
  }
  if (!verdict.to_core) return;
  inbox_.push_back(*std::move(verdict.to_core));
  if (batch_due_) return;
  batch_due_ = true;
  at(std::max(time_ + 1, free_at_), [this, now = incarnation_] {
    if (now == incarnation_) run_batch();
  });
}

void Simulation::run_batch() {
  batch_due_ = false;
  std::vector<broker::VerifiedRequest> batch = std::move(inbox_);
  inbox_.clear();
  ++tally_.batches;
  for (const broker::VerifiedRequest& request : batch)
    if (const auto* cursor = std::get_if<protocol::Acknowledge>(&request.body))
      if (const protocol::Member* member = model_.directory()->member_by_curve(request.peer.key))
        model_.may_move_cursor(member->id, cursor->queue, cursor->number);
  say("batch of " + std::to_string(batch.size()));
  unsure_now_ = broker_now();
  model_.begin_batch(broker_now());
  auto outcome = house_->core().apply(std::move(batch), broker_now());
  if (!outcome) {
    if (!power_is_gone()) model_.broke("P2", "the core stops with a disk that works: " + outcome.error().detail);
    return die(true);
  }
  if (power_is_gone()) {
    // It says the batch stands: what was told of it must be there when the power is back.
    owed_ = std::move(outcome->outgoing);
    return die(true);
  }
  absorb();
  if (cut_before_reply_) {
    cut_before_reply_ = false;
    return die(false);
  }
  free_at_ = time_ + latency_;
  follow_up(*outcome, latency_);
  model_.end_batch();
  while (!model_.breach() && house_->core().behind()) {
    auto more = house_->core().catch_up(broker_now());
    if (!more) return die(false);
    for (const broker::Outgoing& out : *more) tell(out, false, latency_);
  }
}

void Simulation::follow_up(broker::BatchOutcome& outcome, std::int64_t after) {
  for (const broker::Outgoing& out : outcome.outgoing) tell(out, false, after);
  // What the gate has let through by then, it has judged by the version before.
  if (outcome.new_directory)
    at(time_ + after, [this, now = incarnation_, directory = std::move(outcome.new_directory)] {
      if (now == incarnation_ && up()) front_->directory.set(directory);
    });
}

void Simulation::tell(const broker::Outgoing& out, bool by_gate, std::int64_t after) {
  Model::Told told;
  told.key = out.peer.key;
  if (const protocol::Member* member = model_.directory()->member_by_curve(out.peer.key)) told.member = member->id;
  const auto asked = asked_.find({out.peer, out.reply.id});
  const auto request = asked == asked_.end() ? nullptr : asked->second;
  told.request = request == nullptr ? nullptr : &request->body;
  told.reply = &out.reply.body;
  told.by_gate = by_gate;
  told.follow = out.reply.id;
  told.pushed = !out.answers;
  say((told.member.empty() ? "stranger" : told.member) + " is told " + name_of_reply(out.reply.body));
  model_.take_reply(told);
  at(time_ + after, [this, now = incarnation_, peer = out.peer, reply = out.reply] {
    if (now == incarnation_) fly_to_member(peer, reply);
  });
}

void Simulation::tick() {
  unsure_now_ = broker_now();
  model_.begin_batch(broker_now());
  auto outcome = house_->core().tick(broker_now());
  if (!outcome) {
    if (!power_is_gone()) model_.broke("P2", "a tick stops with a disk that works: " + outcome.error().detail);
    return die(true);
  }
  if (power_is_gone()) return die(true);
  absorb();
  follow_up(*outcome, 1);
  const auto release = house_->keys().current_release(broker_now());
  if (release) {
    release_epoch_ = release->epoch;
    release_key_ = release->public_key;
  }
  // Days in which nobody asks anything pass by the hour.
  at(time_ + (time_ + hour < waited_for_ ? hour : minute), [this, now = incarnation_] {
    if (now == incarnation_) tick();
  });
}

/// Takes what the log says since the model last looked, as the store holds it.
void Simulation::absorb() {
  broker::Store& store = house_->store();
  if (model_.shards() == 0 || model_.shards() == store.shard().value) model_.open_shard(store.origin());
  while (!model_.breach() && model_.size() < store.tree_size()) {
    const broker::LeafPlace place{{model_.size().value}, store.shard()};
    const auto row = store.leaf(place);
    if (!row) return model_.broke("P3", "a leaf that the tree counts is not there");
    const auto record = broker::open_record(row->month, broker::record_binding(place), row->record,
                                            house_->keys().record_key(row->month));
    if (!record) return model_.broke("P3", "a leaf without its record");
    model_.take_leaf(audit::encode(row->leaf), *record);
  }
  if (model_.size() != store.tree_size()) model_.broke("P8", "the log has become shorter");
}

void Simulation::die(bool in_batch) {
  if (!up()) return;
  Dice dice(seed_, {3, ++fate_});
  ++tally_.crashes;
  if (in_batch) ++tally_.cut_in_commit;
  const bool process_alone = !power_is_gone() && dice.one_in(4);
  const std::uint64_t left = dice.below(3);
  say(process_alone ? "the process dies" : "the power goes");
  if (process_alone)
    disk_.kill_process();
  else
    disk_.power_cut(left == 0 ? Unsynced::lost : left == 1 ? Unsynced::kept : Unsynced::some);
  cut_armed_ = false;
  disk_.heal();
  front_.reset();
  house_->close();
  inbox_.clear();
  batch_due_ = false;
  ++incarnation_;
  at(time_ + dice.between(20, 15 * second), [this, now = incarnation_] {
    if (now == incarnation_) start();
  });
}

void Simulation::start() {
  house_->now = broker_now();
  const auto opened = house_->open();
  if (!opened) {
    if (!power_is_gone()) return model_.broke("P2", "the store does not open again: " + opened.error().detail);
    say("cut again while it starts");
    disk_.power_cut(Unsynced::some);
    disk_.heal();
    cut_armed_ = false;
    house_->close();
    ++incarnation_;
    at(time_ + second, [this, now = incarnation_] {
      if (now == incarnation_) start();
    });
    return;
  }
  say("up again");
  // Everything the model holds was committed: it stands, leaf by leaf.
  broker::Store& store = house_->store();
  const std::size_t ours = model_.shards() - 1;
  if (store.shard().value < ours) return model_.broke("P2", "a shard is gone");
  const auto root = audit::root_at(model_.size(), store.nodes({ours}));
  if ((store.shard().value == ours && store.tree_size() < model_.size()) || !root || *root != model_.root())
    return model_.broke("P2", "leaves that were committed are gone after the power was cut");
  const TreeSize before = model_.size();
  model_.begin_batch(unsure_now_);
  absorb();
  if (model_.size() != before) ++tally_.unsure;
  if (model_.breach()) return;
  if (house_->core().directory()->number() != model_.directory()->number())
    return model_.broke("P2", "another directory rules after the power was cut");
  const std::vector<broker::Outgoing> owed = std::move(owed_);
  owed_.clear();
  open_front();
  for (const broker::Outgoing& out : owed) tell(out, false, 1);
  model_.check_receipts();
  model_.forget_followers();
  house_->core().published(house_->core().newest_checkpoint());
  if (!model_.breach()) tick();
}

void Simulation::open_front() {
  front_ = std::make_unique<HouseFront>(*house_);
  free_at_ = time_;
}

void Simulation::stop_cleanly() {
  say("stops");
  front_.reset();
  house_->close();
  inbox_.clear();
  batch_due_ = false;
  ++incarnation_;
  if (power_is_gone()) {
    disk_.power_cut(Unsynced::some);
    disk_.heal();
    cut_armed_ = false;
  }
  at(time_ + second, [this, now = incarnation_] {
    if (now == incarnation_) start();
  });
}

void Simulation::close_shard() {
  house_->close_core();
  unsure_now_ = broker_now();
  const auto closed = broker::open_next_shard(house_->store(), house_->keys(), house_->settings(),
                                              house_->store().checkpoint(), broker_now());
  if (!closed && !power_is_gone()) return model_.broke("P2", "a shard does not close: " + closed.error().detail);
  say(closed ? "the shard is closed" : "the shard does not close");
  if (!closed || power_is_gone()) return die(true);
  stop_cleanly();
}

// ---- members ------------------------------------------------------------------------------------------------------

std::uint64_t Simulation::ask_as(const broker::Peer& peer, const std::string& member, protocol::RequestBody body,
                                 bool kept) {
  const std::uint64_t number = ++last_request_;
  Ask ask;
  ask.peer = peer;
  ask.member = member;
  ask.bytes = protocol::encode(protocol::Request{number, body});
  ask.body = std::move(body);
  ask.kept = kept;
  say(member + " asks " + name_of_body(ask.body));
  asks_.emplace(number, std::move(ask));
  post(number);
  return number;
}

std::uint64_t Simulation::ask(const std::string& member, protocol::RequestBody body, bool kept, int connection) {
  return ask_as(department_.peer(member, connection), member, std::move(body), kept);
}

void Simulation::submit(const std::string& member, Sealed sealed, bool kept, bool must_hold,
                        std::function<void()> seal_anew, const Bytes& content) {
  model_.sent(sealed.id, sealed.envelope);
  contents_[sealed.id] = content;
  const auto request = Department::wire_submit(sealed, release_epoch_, release_key_, session_);
  sealed_.insert_or_assign(sealed.id, std::move(sealed));
  const std::uint64_t number = ask(member, request, kept);
  Ask& made = asks_.at(number);
  made.must_hold = must_hold;
  made.seal_anew = std::move(seal_anew);
}

void Simulation::send_draft(Draft draft, bool must_hold) {
  draft.created_at = {time_};
  Sealed sealed = department_.seal(draft);
  submit(
      draft.sender, std::move(sealed), true, must_hold, [this, draft, must_hold] { send_draft(draft, must_hold); },
      draft.content);
}

protocol::Open Simulation::signed_open(const std::string& member, const std::string& signer,
                                       const protocol::ExchangeId& exchange, Dice& dice) const {
  protocol::OpeningRequest request;
  request.log = department_.log();
  request.exchange = exchange;
  request.opener = member;
  request.opener_key = department_.identity(member).public_identity().sign;
  request.directory = model_.directory()->number();
  request.motif = static_cast<std::uint8_t>(dice.one_in(12) ? 0 : 1 + dice.below(8));
  request.session = session_.public_key();
  request.created_at = {time_ - (dice.one_in(10) ? dice.between(0, 10 * minute) : 0)};
  request.nonce = crypto::random_array<16>();
  protocol::Open out;
  out.request = protocol::encode(request);
  out.signature =
      crypto::sign_statement(department_.identity(signer).signing_key(), crypto::StatementName::open, out.request);
  return out;
}

void Simulation::publish(broker::VerifiedPublish version) {
  model_.signed_version(department_.directory());
  protocol::PublishDirectory request;
  request.note = std::move(version.note);
  request.bundle = protocol::encode_bundle(version.changed);
  request.bundle_digest = crypto::sha256(request.bundle);
  request.bundle_size = request.bundle.size();
  publishing_ = ask("operateur", std::move(request), true);
}

std::vector<std::string> Simulation::seated(const std::string& queue) const {
  std::vector<std::string> out;
  for (const protocol::Member* member : model_.directory()->seated(queue)) out.push_back(member->id);
  return out;
}

std::optional<protocol::ExchangeId> Simulation::some_exchange(Dice& dice) const {
  if (model_.order().empty()) return std::nullopt;
  return dice.pick(model_.order());
}

std::optional<protocol::ExchangeId> Simulation::some_case(Dice& dice) const {
  std::vector<protocol::ExchangeId> firsts;
  for (const protocol::ExchangeId& id : model_.order())
    if (model_.cases().count(id) != 0) firsts.push_back(id);
  if (firsts.empty()) return std::nullopt;
  return dice.pick(firsts);
}

void Simulation::perform(const Step& step) {
  run_until(time_ + step.after.count());
  if (model_.breach()) return;
  ++tally_.steps;
  // Numbers and randomness of this step are its own, whichever steps stand before it.
  last_request_ = std::uint64_t{step.index} * 1000;
  seed_random(seed_, step.index);
  say(to_text(step));
  Dice dice(seed_, {4, step.index});
  if (step.act < Act::enrol)
    member_act(step, dice);
  else if (step.act < Act::replay)
    authority_act(step, dice);
  else if (step.act < Act::power_cut)
    hostile_act(step, dice);
  else
    world_act(step, dice);
}

namespace {

/// What a secretariat that knows the road does next; whether somebody has read the case is not looked at.
Kind next_of(const Model::Case& of_case, Act act, Dice& dice) {
  const std::string& at = of_case.state == "complement_demande" ? of_case.resumes : of_case.state;
  if (dice.one_in(8)) return Kind::demande_de_complement;
  if (at == "recu") return Kind::recevabilite;
  if (at == "recevable" || at == "hors_perimetre") return Kind::inscription;
  if (at == "a_l_ordre_du_jour") return Kind::mise_en_evaluation;
  if (at == "en_evaluation") return Kind::decision;
  if (at == "decide") return act == Act::give_answer ? Kind::retour : Kind::report_du_retour;
  return act == Act::give_answer && of_case.answered.value == 0 ? Kind::retour : Kind::cloture;
}

}  // namespace

void Simulation::member_act(const Step& step, Dice& dice) {
  static const std::vector<Kind> of_an_instance{Kind::demande_de_complement, Kind::recevabilite, Kind::inscription,
                                                Kind::mise_en_evaluation,    Kind::decision,     Kind::retour,
                                                Kind::report_du_retour,      Kind::cloture,      Kind::recusation};
  static const std::vector<std::string> communes{"referent.auxerre", "referent.auxerre", "maire.auxerre",
                                                 "referent.avallon", adversary};
  const auto case_of = [&](const protocol::ExchangeId& id) { return model_.cases().at(id); };
  switch (step.act) {
    case Act::report: {
      Draft draft;
      draft.sender = dice.pick(communes);
      if (dice.one_in(4)) {
        draft.kind = Kind::signalement_de_structure;
        draft.queue = "clir/89";
      }
      if (dice.one_in(6)) draft.handling = {"no-copy-to:service-1"};
      draft.content = to_bytes("report " + std::to_string(step.index));
      // Nothing that the authority does here takes this one's rights away.
      send_draft(draft, draft.sender == "referent.auxerre");
      return;
    }
    case Act::supplement: {
      const auto id = some_case(dice);
      if (!id) return;
      Draft draft;
      draft.kind = dice.one_in(4) ? Kind::rectification : dice.one_in(6) ? Kind::retrait : Kind::complement;
      draft.sender = dice.one_in(3) ? dice.pick(communes) : model_.accepted().at(*id).address.sender;
      draft.queue = case_of(*id).queue;
      draft.case_id = *id;
      draft.content = to_bytes("supplement " + std::to_string(step.index));
      return send_draft(draft, false);
    }
    case Act::decide:
    case Act::give_answer: {
      const auto id = some_case(dice);
      if (!id) return;
      Draft draft;
      draft.sender = dice.one_in(5) ? dice.pick(seated(case_of(*id).queue)) : "secretariat";
      draft.kind = dice.one_in(4) ? dice.pick(of_an_instance) : next_of(case_of(*id), step.act, dice);
      const bool outward = draft.kind == Kind::retour || draft.kind == Kind::demande_de_complement;
      draft.queue = outward ? "org/" + case_of(*id).organisation : case_of(*id).queue;
      if (draft.kind == Kind::recevabilite)
        draft.attributes = {{"avis", dice.one_in(3) ? "hors_perimetre" : "recevable"}};
      if (draft.kind == Kind::inscription) draft.attributes = {{"date", "2026-12-03"}};
      if (draft.kind == Kind::cloture) draft.attributes = {{"terme", "ordinaire"}};
      if (draft.kind == Kind::report_du_retour)
        draft.attributes = {{"date", dice.one_in(3) ? "2026-01-01" : "2026-12-31"}};
      draft.case_id = *id;
      draft.content = to_bytes("said of it " + std::to_string(step.index));
      return send_draft(draft, false);
    }
    case Act::share: {
      const auto id = some_exchange(dice);
      if (!id || sealed_.count(*id) == 0) return;
      const Model::Exchange& exchange = model_.accepted().at(*id);
      const auto members = seated(exchange.queue);
      if (exchange.kind == Kind::acces || exchange.queue.rfind("org/", 0) == 0 || members.empty()) return;
      Sealed part = department_.seal_access(dice.pick(members), sealed_.at(*id), {time_});
      const std::string sender = part.address.sender;
      return submit(sender, std::move(part), true, false, {}, {});
    }
    case Act::read: {
      const auto id = some_exchange(dice);
      if (!id) return;
      std::vector<std::string> readers;
      for (const std::string& member : seated(model_.accepted().at(*id).queue))
        if (model_.may_read(member, *id, broker_now())) readers.push_back(member);
      if (readers.empty()) return;
      const std::string member = dice.pick(readers);
      protocol::Open request = signed_open(member, member, *id, dice);
      model_.asked_to_open(protocol::opening_id(request.request), member);
      ask(member, std::move(request));
      return;
    }
    case Act::open_once_more: {
      std::vector<std::uint64_t> earlier;
      for (const auto& [number, made] : asks_)
        if (std::holds_alternative<protocol::Open>(made.body)) earlier.push_back(number);
      if (earlier.empty()) return;
      const Ask& before = asks_.at(dice.pick(earlier));
      ask_as(before.peer, before.member, before.body, false);
      return;
    }
    case Act::look_around: {
      const auto members = department_.directory()->members();
      const std::string member = dice.pick(members)->id;
      const auto& known = known_[member];
      switch (dice.below(8)) {
        case 0:
        case 1: {
          protocol::Hello hello;
          hello.known_origin = known.first;
          hello.known_size = known.second;
          ask(member, hello);
          return;
        }
        case 2: ask(member, protocol::GetCheckpoint{}); return;
        case 3: {
          const auto& seats = department_.member(member).seats;
          if (!seats.empty()) ask(member, protocol::List{dice.pick(seats), {dice.below(6)}, 8});
          return;
        }
        case 4: ask(member, protocol::ListCases{}); return;
        case 5: ask(member, protocol::GetDirectory{}); return;
        case 6: {
          const auto id = some_exchange(dice);
          if (id) ask(member, protocol::Prove{*id, {}, {}, dice.one_in(2)});
          return;
        }
        default: ask(member, protocol::GetHealth{}); return;
      }
    }
    case Act::follow: {
      const std::string queue = dice.one_in(3) ? "clir/89" : "ged/89";
      const auto members = seated(queue);
      if (members.empty()) return;
      ask(dice.pick(members),
          protocol::Follow{{{queue, {dice.below(4)}}}, 1 + static_cast<std::uint32_t>(dice.below(6))});
      return;
    }
    case Act::acknowledge: {
      const std::string queue = dice.one_in(3) ? "clir/89" : "ged/89";
      const auto members = seated(queue);
      if (members.empty()) return;
      ask(dice.pick(members), protocol::Acknowledge{queue, {dice.below(8)}});
      return;
    }
    case Act::audit:
      if (dice.one_in(2))
        ask("auditeur", protocol::GetRecords{{dice.below(model_.size().value + 1)}, 32, {}});
      else
        ask("auditeur", protocol::Prove{{}, LeafIndex{dice.below(model_.size().value + 1)}, {}, false});
      return;
    default: return;
  }
}

void Simulation::authority_act(const Step& step, Dice& dice) {
  if (step.act == Act::suspend) {
    const auto members = model_.directory()->members();
    const std::string member = dice.pick(members)->id;
    if (member == "referent.auxerre" || member == "operateur") return;
    const protocol::Suspension suspension{
        model_.directory()->verified()->head().contract, member, model_.directory()->number(), {time_}};
    protocol::PublishDirectory request;
    request.note = department_.sign_suspension(suspension, dice.below(3));
    ask("operateur", std::move(request));
    return;
  }
  if (publishing_ != 0) return;  // one after another
  // What is signed today must still be publishable when it gets there.
  const std::int64_t left = department_.directory()->verified()->head().not_after.value - broker_now().value;
  if (step.act == Act::renew_term || left < 15 * day)
    return publish(department_.renew_term({broker_now().value + 29 * day}));
  std::vector<std::string> sitting;
  for (const protocol::Member* member : department_.directory()->members())
    if (!member->revoked_at && (member->id.rfind("ged.", 0) == 0 || member->id.rfind("clir.", 0) == 0))
      sitting.push_back(member->id);
  if (sitting.empty() && step.act != Act::enrol) return;
  switch (step.act) {
    case Act::enrol:
      return publish(
          department_.enrol("ged.new" + std::to_string(++enrolled_), "service-new", {Role::membre_ged}, {"ged/89"}));
    case Act::revoke: {
      const std::string member = dice.pick(sitting);
      const bool sits = !department_.member(member).seats.empty();
      const std::string queue = sits ? department_.member(member).seats.front() : "ged/89";
      // An authority dates a revocation after what the log holds already, whatever the broker's clock did: the auditor
      // would name those acts, and those of a version published in that very millisecond, for it to explain.
      publish(
          department_.revoke(member, std::max(broker_now(), model_.last_leaf_time() + std::chrono::milliseconds(1))));
      // Who loses his rights reads on for as long as he is let.
      const auto id = some_exchange(dice);
      for (int i = 0; i < 4; ++i) {
        if (i % 2 == 0 || !id) {
          at(time_ + dice.between(0, 300), [this, member, queue] { ask(member, protocol::List{queue, {}, 8}); });
          continue;
        }
        protocol::Open request = signed_open(member, member, *id, dice);
        model_.asked_to_open(protocol::opening_id(request.request), member);
        at(time_ + dice.between(0, 300), [this, member, request] { ask(member, request); });
      }
      return;
    }
    case Act::reseat: {
      const std::string member = dice.pick(sitting);
      const std::string queue = member.rfind("ged.", 0) == 0 ? "ged/89" : "clir/89";
      const bool sits = !department_.member(member).seats.empty();
      return publish(department_.seat(member, sits ? std::vector<std::string>{} : std::vector<std::string>{queue}));
    }
    case Act::renew_keys: {
      if (dice.one_in(3)) sitting = {"referent.avallon", "maire.auxerre"};
      return publish(department_.renew(dice.pick(sitting)));
    }
    default: return;
  }
}

void Simulation::hostile_act(const Step& step, Dice& dice) {
  broker::Peer stranger = department_.peer(adversary, 7);
  stranger.key.bytes = crypto::random_array<32>();
  const broker::Peer own = department_.peer(adversary, 6);
  const std::uint64_t fate = ++last_request_;
  switch (step.act) {
    case Act::replay: {
      if (captured_.empty()) return;
      Flying what = dice.pick(captured_);
      // The very connection again, as a network would; or one's own.
      if (dice.one_in(2)) {
        what.peer = dice.one_in(4) ? stranger : own;
        what.member = adversary;
      }
      say("replays a message of " + what.member);
      return fly_to_broker(what, fate);
    }
    case Act::garble: {
      if (captured_.empty()) return;
      Flying what = dice.pick(captured_);
      what.peer = dice.one_in(4) ? stranger : own;
      what.member = adversary;
      const std::uint64_t flips = 1 + dice.below(3);
      for (std::uint64_t i = 0; i < flips && !what.bytes.empty(); ++i)
        what.bytes[static_cast<std::size_t>(dice.below(what.bytes.size()))] ^=
            static_cast<std::uint8_t>(1U << dice.below(8));
      if (dice.one_in(4)) what.bytes.resize(static_cast<std::size_t>(dice.below(what.bytes.size() + 1)));
      return fly_to_broker(what, fate);
    }
    case Act::impersonate: {
      if (dice.one_in(2)) {
        const auto id = some_exchange(dice);
        if (!id) return;
        const auto readers = seated(model_.accepted().at(*id).queue);
        if (readers.empty()) return;
        const std::string victim = dice.pick(readers);
        if (victim == adversary) return;  // of an answer to the own commune
        ask_as(own, adversary, signed_open(victim, dice.one_in(2) ? adversary : victim, *id, dice), false);
        return;
      }
      Draft draft;
      draft.sender = "referent.auxerre";
      draft.created_at = {time_};
      Sealed sealed = department_.seal(draft);
      Bytes statement = sealed.envelope.address;
      append(statement, sealed.envelope.seal);
      sealed.envelope.signature = crypto::sign_statement(department_.identity(adversary).signing_key(),
                                                         crypto::StatementName::exchange, statement);
      const auto request = Department::wire_submit(sealed, release_epoch_, release_key_, session_);
      // Under the victim's key it is a stolen connection; under one's own, a lie about who sends.
      ask_as(dice.one_in(2) ? own : department_.peer("referent.auxerre", 6), adversary, request, false);
      return;
    }
    case Act::take: {
      const auto id = some_exchange(dice);
      if (!id) return;
      const auto members = model_.directory()->members();
      const std::string member = dice.pick(members)->id;
      protocol::Open request = signed_open(member, member, *id, dice);
      model_.asked_to_open(protocol::opening_id(request.request), member);
      ask(member, std::move(request));
      return;
    }
    case Act::equivocate: {
      std::vector<const Sealed*> mine;
      for (const protocol::ExchangeId& id : model_.order())
        if (const auto found = sealed_.find(id); found != sealed_.end() && found->second.address.sender == adversary)
          mine.push_back(&found->second);
      Draft draft;
      draft.sender = adversary;
      draft.created_at = {time_};
      draft.content = to_bytes("two things under one name");
      Sealed other = department_.seal(draft);
      if (!mine.empty()) {
        const Sealed& first = *dice.pick(mine);
        if (dice.one_in(2)) {
          other.address.nonce = first.address.nonce;
        } else {
          other.envelope.payload = first.envelope.payload;
          other.seal.payload = first.seal.payload;
          other.seal.payload_size = first.seal.payload_size;
        }
        department_.commit_and_sign(other);
      }
      model_.sent(other.id, other.envelope);
      ask_as(own, adversary, Department::wire_submit(other, release_epoch_, release_key_, session_), false);
      return;
    }
    case Act::pry: {
      const auto id = some_exchange(dice);
      switch (dice.below(5)) {
        case 0: ask_as(own, adversary, protocol::List{dice.one_in(2) ? "ged/89" : "clir/89", {}, 8}, false); return;
        case 1: ask_as(own, adversary, protocol::GetRecords{{0}, 8, {}}, false); return;
        case 2: ask_as(own, adversary, protocol::Follow{{{"ged/89", {0}}}, 8}, false); return;
        case 3: ask_as(own, adversary, protocol::Prove{{}, LeafIndex{0}, {}, false}, false); return;
        default:
          if (id) ask_as(own, adversary, protocol::Prove{*id, {}, {}, false}, false);
          return;
      }
    }
    case Act::forge_directory: {
      const auto& current = *model_.directory();
      auto version =
          department_.sign_version(current.entries(), {current.number().value + 1}, current.verified()->digest(),
                                   {current.verified()->head().not_after.value - 1}, 1);
      protocol::PublishDirectory request;
      request.note = std::move(version.note);
      request.bundle = protocol::encode_bundle(version.changed);
      request.bundle_digest = crypto::sha256(request.bundle);
      request.bundle_size = request.bundle.size();
      ask_as(own, adversary, std::move(request), false);
      return;
    }
    default: return;
  }
}

void Simulation::world_act(const Step& step, Dice& dice) {
  switch (step.act) {
    case Act::power_cut:
      if (up()) die(false);
      return;
    case Act::cut_in_commit: {
      DiskFault fault;
      fault.at = dice.below(14);
      fault.kind = DiskFault::Kind::power_cut;
      fault.done_anyway = dice.one_in(3);
      disk_.fail(fault);
      cut_armed_ = true;
      return;
    }
    case Act::cut_before_reply: cut_before_reply_ = true; return;
    case Act::stop_and_start:
      if (up()) stop_cleanly();
      return;
    case Act::slow_disk: latency_ = dice.one_in(3) ? 1 : dice.between(5, 40 * second); return;
    case Act::full_disk: free_bytes_ = dice.one_in(2) ? 0 : plenty; return;
    case Act::clock_step:
      // What a running broker follows (broker/watched_clock.hpp).
      offset_ += dice.between(-50 * minute, 50 * minute);
      return;
    case Act::clock_leap:
      if (!up()) return;
      stop_cleanly();
      offset_ += dice.between(1, 13) * day;
      return;
    case Act::part_network: {
      const auto members = department_.directory()->members();
      parted_.insert(dice.pick(members)->id);
      return;
    }
    case Act::join_network: parted_.clear(); return;
    case Act::publish_checkpoint:
      if (up()) house_->core().published(house_->core().newest_checkpoint());
      return;
    case Act::close_shard:
      if (up()) close_shard();
      return;
    default: return;
  }
}

void Simulation::settle() {
  if (model_.breach()) return;
  say("calm");
  calm_ = true;
  last_request_ = 1'000'000;
  seed_random(seed_, 1'000'000);
  parted_.clear();
  if (!power_is_gone()) {
    disk_.heal();
    cut_armed_ = false;
  }
  free_bytes_ = plenty;
  latency_ = 1;
  cut_before_reply_ = false;
  run_until(time_ + minute);
  // The broker's clock was right, or is set right; and everybody waits until the log's time has come, before which
  // nothing is opened.
  time_ = waited_for_ = std::max({time_, time_ + offset_, model_.last_leaf_time().value});
  offset_ = 0;
  if (model_.breach()) return;
  if (publishing_ == 0) publish(department_.renew_term({time_ + 29 * day}));
  for (int flush = 0; flush < flushes_max && !model_.breach(); ++flush) {
    std::vector<std::uint64_t> waiting;
    for (const auto& [number, ask] : asks_)
      if (ask.kept && !ask.done) waiting.push_back(number);
    if (waiting.empty()) break;
    for (const std::uint64_t number : waiting) post(number);
    run_until(time_ + 61 * second);
  }
  for (const auto& [number, ask] : asks_)
    if (ask.kept && !ask.done)
      return model_.broke("P8", ask.member + " waits for ever for an answer to " + name_of_body(ask.body));

  // What an honest member may read he is given; who sits in a queue is told all of it.
  std::vector<std::uint64_t> owed;
  Dice dice(seed_, {5});
  for (const auto& [queue, links] : model_.queues())
    for (const std::string& member : seated(queue)) {
      if (!model_.in_force(member, broker_now())) continue;
      owed.push_back(ask(member, protocol::List{queue, {}, 64}));
    }
  for (std::size_t i = 0; i < 3 && !model_.order().empty(); ++i) {
    const protocol::ExchangeId id = dice.pick(model_.order());
    for (const std::string& member : seated(model_.accepted().at(id).queue)) {
      if (model_.accepted().at(id).kind == Kind::acces || !model_.may_read(member, id, broker_now())) continue;
      if (model_.is_taken_back(id) || model_.accepted().at(id).erased) continue;
      protocol::Open request;
      do {
        request = signed_open(member, member, id, dice);
      } while (must(protocol::decode_opening_request(request.request), "opening").motif == 0 ||
               must(protocol::decode_opening_request(request.request), "opening").created_at.value != time_);
      model_.asked_to_open(protocol::opening_id(request.request), member);
      owed.push_back(ask(member, std::move(request)));
      asks_.at(owed.back()).must_hold = true;
      break;
    }
  }
  run_until(time_ + second);
  for (const std::uint64_t number : owed)
    if (!model_.breach() && !asks_.at(number).done)
      return model_.broke("P8", asks_.at(number).member + " is not answered in the calm");
  // All of it outlives the power.
  if (!model_.breach() && up()) {
    disk_.power_cut(Unsynced::lost);
    front_.reset();
    house_->close();
    ++incarnation_;
    start();
  }
  model_.check_receipts();
  if (!model_.breach() && up()) model_.check_erased();
  if (!model_.breach() && up() && seed_ % real_clients_every == 0) look_with_real_clients();
}

void Simulation::look_with_real_clients() {
  house_->now = broker_now();
  house_->core().published(house_->core().newest_checkpoint());
  if (model_.in_force("auditeur", broker_now()))
    if (const auto found = accused_by_auditor(*house_, department_))
      model_.broke("P7", "the auditor accuses: " + *found);
  if (model_.in_force("secretariat", broker_now()))
    if (const auto found = accused_by_member(*house_, department_, "secretariat"))
      model_.broke("P8", "the secretariat's client accuses: " + *found);
}

Outcome simulate(std::uint64_t seed, const Plan& plan, std::ostream* trace) {
  Simulation simulation(seed, trace);
  Outcome out;
  for (const Step& step : plan) {
    if (simulation.breach()) break;
    simulation.perform(step);
  }
  simulation.settle();
  out.breach = simulation.breach();
  out.tally = simulation.tally();
  out.trace_digest = simulation.trace_digest();
  return out;
}

Plan shrink(std::uint64_t seed, Plan plan, std::size_t runs_max) {
  std::size_t runs = 0;
  const auto breaks = [&](const Plan& shorter) {
    ++runs;
    return simulate(seed, shorter).breach.has_value();
  };
  for (std::size_t length = plan.size() / 2; length > 0 && runs < runs_max;) {
    bool shortened = false;
    for (std::size_t from = 0; from < plan.size() && runs < runs_max;) {
      Plan shorter = plan;
      const auto first = shorter.begin() + static_cast<std::ptrdiff_t>(from);
      const auto last = shorter.begin() + static_cast<std::ptrdiff_t>(std::min(from + length, shorter.size()));
      shorter.erase(first, last);
      if (breaks(shorter)) {
        plan = std::move(shorter);
        shortened = true;
      } else {
        from += length;
      }
    }
    if (length > 1)
      length /= 2;
    else if (!shortened)
      break;
  }
  return plan;
}

}  // namespace pli::testing
