#include "broker/witnesses.hpp"

#include <algorithm>

#include "broker/log.hpp"

namespace pli::broker {

using std::chrono::steady_clock;

Witnesses::Witnesses(audit::WitnessPolicy policy, Proofs proofs, const Clock& clock, WitnessTimes times)
    : policy_(std::move(policy)), proofs_(std::move(proofs)), clock_(clock), times_(times) {}

Result<std::unique_ptr<Witnesses>> Witnesses::create(audit::WitnessPolicy policy, Proofs proofs, const Clock& clock,
                                                     WitnessTimes times) {
  std::unique_ptr<Witnesses> out(new Witnesses(std::move(policy), std::move(proofs), clock, times));
  for (const auto& witness : out->policy_.witnesses()) {
    const auto url = parse_witness_url(witness.url);
    if (!url) return Error{Errc::invalid_input, "witness " + witness.name + ": " + url.error().detail};
    out->asked_.push_back(std::make_unique<Asked>(*url, times.line));
    out->asked_.back()->pause = times.pause;
  }
  for (std::size_t i = 0; i < out->asked_.size(); ++i)
    out->asked_[i]->thread = std::thread([self = out.get(), i] { self->run(i); });
  return out;
}

Witnesses::~Witnesses() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  hang_up();
  for (const auto& witness : asked_)
    if (witness->thread.joinable()) witness->thread.join();
}

void Witnesses::set_progress(std::function<void()> progress) {
  const std::lock_guard lock(mutex_);
  progress_ = std::move(progress);
}

void Witnesses::committed(TreeSize size) { committed_ = size.value; }

std::optional<Witnesses::Alarm> Witnesses::compare(const std::string& checkpoint, TreeSize own,
                                                   std::vector<std::string> later) {
  const auto note = audit::parse_note(checkpoint);
  const auto head = note ? audit::parse_tree_head(note->text) : Result<audit::TreeHead>(note.error());
  PLI_INVARIANT(head.has_value());  // it was compared with the tree before
  return compare(Job{0, checkpoint, head->size, own}, std::move(later));
}

std::optional<Witnesses::Alarm> Witnesses::compare_later(std::vector<std::string> later) {
  return compare(Job{}, std::move(later));
}

std::optional<Witnesses::Alarm> Witnesses::compare(const Job& job, std::vector<std::string> later) {
  std::unique_lock lock(mutex_);
  later_ = std::move(later);
  for (const auto& witness : asked_) witness->job = job;
  wake_.notify_all();
  answer_.wait_until(lock, steady_clock::now() + times_.compare, [this] {
    return alarm_ || std::all_of(asked_.begin(), asked_.end(), [](const auto& witness) { return witness->compared; });
  });
  return alarm_;
}

void Witnesses::ask(const std::string& checkpoint, TreeSize size, bool anew) {
  {
    const std::lock_guard lock(mutex_);
    if (anew || checkpoint != checkpoint_)
      for (const auto& witness : asked_) witness->cosigned.reset();
    checkpoint_ = checkpoint;
    ++round_;
    const SteadyTime now = steady_clock::now();
    for (const auto& witness : asked_) {
      witness->pending = 0;
      if (witness->cosigned || now < witness->next_try) continue;
      witness->pending = round_;
      witness->job = Job{round_, checkpoint, size, size};
    }
  }
  wake_.notify_all();
}

Witnesses::Round Witnesses::round() const {
  Round out;
  {
    const std::lock_guard lock(mutex_);
    out.alarm = alarm_;
    out.settled = std::none_of(asked_.begin(), asked_.end(),
                               [&](const auto& witness) { return witness->pending == round_ && round_ != 0; });
    auto note = audit::parse_note(checkpoint_);
    if (!note) return out;
    for (const auto& witness : asked_)
      if (witness->cosigned) note->signatures.push_back(*witness->cosigned);
    out.note = audit::to_text(*note);
  }
  out.quorum = is_quorum(out.note);
  return out;
}

Witnesses::Round Witnesses::gather(const std::string& checkpoint, TreeSize size, std::chrono::milliseconds within) {
  const SteadyTime until = steady_clock::now() + within;
  ask(checkpoint, size, false);
  for (;;) {
    std::uint64_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      seen = answers_;
    }
    Round now = round();
    if (now.quorum || now.settled || now.alarm) return now;
    std::unique_lock lock(mutex_);
    if (!answer_.wait_until(lock, until, [&] { return answers_ != seen; })) return now;
  }
}

void Witnesses::hang_up() {
  for (const auto& witness : asked_) witness->line.hang_up();
}

void Witnesses::keep_quiet() {
  const std::lock_guard lock(mutex_);
  quiet_ = true;
}

/// What everybody else will ask of it.
bool Witnesses::is_quorum(const std::string& checkpoint) const {
  return audit::verify_checkpoint_by(policy_, checkpoint, audit::to_seconds(clock_.now())).has_value();
}

void Witnesses::run(std::size_t which) {
  Asked& witness = *asked_[which];
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return ending_ || witness.job; });
    if (ending_) return;
    const Job job = *std::exchange(witness.job, std::nullopt);
    lock.unlock();
    const audit::VerifierKey& key = policy_.witnesses()[which].key;
    const auto later = find_later(witness, key);
    const auto reply = !later                   ? Result<audit::WitnessReply>(later.error())
                       : job.checkpoint.empty() ? Result<audit::WitnessReply>(audit::StandsAt{})
                                                : talk(witness, key, job);
    lock.lock();
    if (ending_) return;
    if (later && *later && !alarm_)
      alarm_ = Alarm{policy_.witnesses()[which].name, audit::WitnessAlarm::rolled_back, **later};
    take(which, job, reply);
    if (!progress_) continue;
    const auto progress = progress_;
    lock.unlock();
    progress();
    lock.lock();
  }
}

Result<audit::WitnessReply> Witnesses::talk(Asked& witness, const audit::VerifierKey& key, const Job& job) const {
  if (job.round == 0) witness.stands_at = job.size;
  for (int attempt = 0;; ++attempt) {
    if (witness.stands_at > job.size) return Error{Errc::conflict, "the witness has cosigned a later checkpoint"};
    auto proof = proofs_(witness.stands_at, job.size);
    if (!proof) return proof.error();
    const audit::AddCheckpoint request{witness.stands_at, *std::move(proof), job.checkpoint};
    const auto answer = witness.line.add_checkpoint(audit::to_text(request));
    if (!answer) return answer.error();
    // As it is now, not when the round began: a receipt's checkpoint is younger than the one asked for, and whoever
    // holds it can have had it cosigned meanwhile.
    const TreeSize own{std::max(job.own.value, committed_.load())};
    auto reply = audit::read_witness_answer(request, own, *answer, key, audit::to_seconds(clock_.now()));
    if (!reply) return reply;
    if (std::holds_alternative<audit::Cosigned>(*reply)) witness.stands_at = job.size;
    const auto* elsewhere = std::get_if<audit::StandsAt>(&*reply);
    if (elsewhere == nullptr) return reply;
    witness.stands_at = elsewhere->size;
    if (job.round == 0) return reply;  // it was only to be compared
    if (attempt == 1) return Error{Errc::unavailable, "the witness says twice that it stands elsewhere"};
  }
}

Result<std::optional<std::string>> Witnesses::find_later(Asked& witness, const audit::VerifierKey& key) const {
  for (; witness.later_asked < later_.size(); ++witness.later_asked) {
    const audit::AddCheckpoint request{{}, {}, later_[witness.later_asked]};
    const auto answer = witness.line.add_checkpoint(audit::to_text(request));
    if (!answer) return answer.error();
    const auto reply = audit::read_witness_answer(request, {}, *answer, key, audit::to_seconds(clock_.now()));
    // Anything else says that it knows no leaf of it, or does not say what it knows.
    const auto* alarm = reply ? std::get_if<audit::WitnessAlarm>(&*reply) : nullptr;
    if (alarm == nullptr || *alarm != audit::WitnessAlarm::rolled_back) continue;
    const std::string& note = later_[witness.later_asked];
    return std::optional<std::string>(note.substr(0, note.find('\n')));
  }
  return std::optional<std::string>();
}

void Witnesses::take(std::size_t which, const Job& job, const Result<audit::WitnessReply>& reply) {
  Asked& witness = *asked_[which];
  const std::string& name = policy_.witnesses()[which].name;
  if (witness.failing == reply.has_value()) {  // it changed
    witness.failing = !witness.failing;
    if (witness.failing && !quiet_)
      log(LogLevel::warning, "witness does not cosign",
          {{"witness", LocalText{name}}, {"reason", reply.error().code}, {"detail", LocalText{reply.error().detail}}});
    if (!witness.failing && !quiet_) log(LogLevel::info, "witness cosigns again", {{"witness", LocalText{name}}});
  }
  if (reply) {
    witness.pause = times_.pause;
    witness.next_try = {};
    if (const auto* alarm = std::get_if<audit::WitnessAlarm>(&*reply); alarm != nullptr && !alarm_)
      alarm_ = Alarm{name, *alarm, {}};
  } else {
    // One that is ahead of what it was asked is asked again with the next checkpoint.
    const bool ahead = reply.error().code == Errc::conflict;
    witness.next_try = ahead ? SteadyTime{} : steady_clock::now() + witness.pause;
    if (!ahead) witness.pause = std::min(2 * witness.pause, times_.pause_max);
  }
  ++answers_;
  answer_.notify_all();
  if (job.round == 0) {
    witness.compared = true;
    return;
  }
  if (job.round != round_) return;  // of a checkpoint nobody waits for any more
  witness.pending = 0;
  if (const auto* cosigned = reply ? std::get_if<audit::Cosigned>(&*reply) : nullptr) witness.cosigned = cosigned->line;
}

std::string to_text(const Witnesses::Alarm& alarm) {
  if (!alarm.later.empty())
    return "witness " + alarm.name + " has cosigned " + alarm.later + ", a later shard of this log";
  return "witness " + alarm.name +
         (alarm.what == audit::WitnessAlarm::rolled_back
              ? " has cosigned a larger tree of this log than the database holds"
              : " has cosigned a tree of this log that is not the start of the database's");
}

}  // namespace pli::broker
