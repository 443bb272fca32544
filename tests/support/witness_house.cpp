#include "tests/support/witness_house.hpp"

#include <cstdio>
#include <cstdlib>

#include "witness/witness_key.hpp"

namespace pli::testing {
namespace {

template <class T>
T take(Result<T> result, const char* what) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "witness house: %s: %s\n", what, result.error().detail.c_str());
  std::abort();
}

std::string lines_of(const std::vector<audit::VerifierKey>& logs) {
  std::string out;
  for (const audit::VerifierKey& log : logs) out += witness::log_line(log);
  return out;
}

/// The last bit of the signature in "— name base64" LF.
std::string with_a_bit_changed(const std::string& line) {
  audit::Note note = take(audit::parse_note("a\n\n" + line), "its own line");
  note.signatures.front().signature.back() ^= 0x01;
  return audit::to_text(note).substr(3);
}

}  // namespace

UnixMillis WitnessHouse::HouseClock::now() const {
  const UnixMillis set{now_};
  return set.value != 0 ? set : SystemClock().now();
}

WitnessHouse::WitnessHouse(const std::vector<audit::VerifierKey>& logs, std::string name)
    : WitnessHouse(lines_of(logs), std::move(name)) {}

WitnessHouse::WitnessHouse(const std::string& logs, std::string name)
    : logs_(logs), key_(take(witness::create_witness_key(folder_.path(), name), "key")) {
  if (!witness::WitnessStore::create(folder_.path())) std::abort();
  start();
}

WitnessHouse::~WitnessHouse() { stop(); }

std::string WitnessHouse::every_shard(std::string_view log_name, const crypto::SignPublic& key) {
  return witness::log_key_line(log_name, key);
}

void WitnessHouse::behave(Conduct conduct) {
  const std::lock_guard lock(mutex_);
  conduct_ = conduct;
  changed_.notify_all();
}

void WitnessHouse::claim_size(TreeSize size) {
  const std::lock_guard lock(mutex_);
  claimed_ = size;
}

std::optional<std::string> WitnessHouse::checkpoint(std::string_view origin) const {
  return desk_ ? desk_->checkpoint(audit::monitoring_path(origin)) : std::nullopt;
}

void WitnessHouse::start() {
  if (server_) return;
  stopping_ = false;
  desk_ = std::make_unique<witness::Desk>(take(witness::WitnessStore::open(folder_.path(), key_), "store"),
                                          take(witness::WatchedLogs::parse(logs_), "logs"),
                                          take(witness::load_witness(folder_.path()), "key"), clock_,
                                          [this](witness::DeskEvent event) {
                                            if (event == witness::DeskEvent::evidence_kept) ++evidence_kept_;
                                          });
  witness::ServerSettings settings;
  settings.port = port_;
  server_ =
      take(witness::WitnessServer::start(settings, {[this](std::string_view body) { return answer(body); },
                                                    [this](std::string_view path) { return desk_->checkpoint(path); }}),
           "server");
  port_ = server_->port();
  url_ = server_->url();
}

void WitnessHouse::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  server_.reset();
  desk_.reset();
}

audit::WitnessAnswer WitnessHouse::answer(std::string_view body) {
  ++asked_;
  const std::string text_type(audit::note_lines_content_type);
  std::unique_lock lock(mutex_);
  const Conduct conduct = conduct_;
  if (conduct == Conduct::ahead)
    return {409, std::string(audit::tlog_size_content_type), std::to_string(claimed_.value) + '\n'};
  if (conduct == Conduct::saw_another) return {422, text_type, "another tree\n"};
  if (conduct == Conduct::failing) return {500, text_type, "failing\n"};
  lock.unlock();

  audit::WitnessAnswer decided = desk_->add_checkpoint(body);
  if (decided.status != 200) return decided;
  if (conduct == Conduct::forging) decided.body = with_a_bit_changed(decided.body);
  if (conduct == Conduct::signing_less) decided.body = "\n";
  if (conduct == Conduct::silent) {
    lock.lock();
    changed_.wait(lock, [this] { return stopping_ || conduct_ != Conduct::silent; });
  }
  return decided;
}

}  // namespace pli::testing
