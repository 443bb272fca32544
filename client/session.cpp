#include "client/session.hpp"

#include <algorithm>
#include <thread>

#include "client/client_store.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

/// A version published while we turn its pages makes us start again; one that is always newer is not honest.
constexpr int directory_attempts_max = 4;
constexpr std::size_t directory_pages_max = 8192;

Failure unproven(const char* words) { return {LocalCode::directory_unproven, words}; }
Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

/// A version this profile verified before: its own authorities signed it, or it would not be here.
Outcome<protocol::VerifiedDirectory> verify_again(const std::string& note) {
  auto shape = audit::parse_note(note);
  if (!shape) return store_failure(shape.error());
  auto head = protocol::parse_directory_head(shape->text);
  if (!head) return store_failure(head.error());
  auto verified =
      protocol::verify_directory_note(note, protocol::AuthoritySet{head->threshold, head->authorities}, nullptr);
  if (!verified) return store_failure(verified.error());
  return std::move(*verified);
}

/// Whether a change touches an instance one sits in: who sits there, and which tool posts there. The contract is
/// everybody's.
bool concerns(const DirectoryChange& change, const std::vector<std::string>& seats, const KnownDirectory& older,
              const KnownDirectory& newer) {
  const auto mine = [&](std::string_view queue) { return std::find(seats.begin(), seats.end(), queue) != seats.end(); };
  if (change.type == protocol::EntryType::contrat) return true;
  if (change.type == protocol::EntryType::queue) return mine(change.id);
  for (const KnownDirectory* version : {&older, &newer}) {
    const protocol::Member* member = version->member(change.id);
    if (member != nullptr && std::any_of(member->seats.begin(), member->seats.end(), mine)) return true;
    const protocol::Tool* tool = version->tool(change.id);
    if (tool != nullptr && std::any_of(tool->posts.begin(), tool->posts.end(), mine)) return true;
  }
  return false;
}

/// The pages of one version, put together.
class PageReader {
 public:
  explicit PageReader(const std::vector<ProvenEntry>& known) : known_(known) {}

  /// False when an unchanged entry is none of those we know: then everything has to be asked for.
  [[nodiscard]] bool take(const protocol::DirectoryPage& page, const protocol::DirectoryHead& head) {
    for (const protocol::DirectoryItem& item : page.items) {
      Bytes entry = item.entry;
      if (entry.empty()) {
        const ProvenEntry* same = find_unchanged(item, head);
        if (same == nullptr) return false;
        entry = same->entry;
      }
      entries_.push_back({item.position, std::move(entry), item.proof});
    }
    return true;
  }
  [[nodiscard]] std::vector<ProvenEntry> finish() { return std::move(entries_); }

 private:
  /// Entries keep their order from version to version, so each is looked for after the one before.
  const ProvenEntry* find_unchanged(const protocol::DirectoryItem& item, const protocol::DirectoryHead& head) {
    for (std::size_t i = next_; i < known_.size(); ++i) {
      const Digest hash = audit::leaf_hash(protocol::entry_commitment(known_[i].entry));
      if (audit::verify_inclusion(head.root, TreeSize{head.entries}, LeafIndex{item.position}, hash, item.proof)) {
        next_ = i + 1;
        return &known_[i];
      }
    }
    return nullptr;
  }
  const std::vector<ProvenEntry>& known_;
  std::size_t next_ = 0;
  std::vector<ProvenEntry> entries_;
};

}  // namespace

/// A connection that remembers that it broke, whoever used it.
class Session::Line final : public Connection {
 public:
  explicit Line(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  [[nodiscard]] bool lost() const { return lost_; }

  Outcome<std::uint64_t> post(protocol::RequestBody body) override {
    return noted(connection_->post(std::move(body)), true);
  }
  /// Who takes without waiting merely clears up: nothing there is no loss.
  Outcome<protocol::ReplyBody> take(std::uint64_t request, std::chrono::milliseconds within) override {
    return noted(connection_->take(request, within), within.count() > 0);
  }
  Outcome<std::optional<protocol::Pushed>> take_push(std::chrono::milliseconds within) override {
    return noted(connection_->take_push(within), true);
  }

 private:
  template <class T>
  Outcome<T> noted(Outcome<T> outcome, bool counts) {
    if (!outcome && counts && is(outcome.error(), LocalCode::unreachable)) lost_ = true;
    return outcome;
  }
  std::unique_ptr<Connection> connection_;
  bool lost_ = false;
};

Session::Session(const Profile& profile, const Keys& keys, const Clock& clock, protocol::Invitation invitation,
                 Dial dial)
    : profile_(profile),
      keys_(keys),
      clock_(clock),
      invitation_(std::move(invitation)),
      dial_(std::move(dial)),
      log_(profile, invitation_) {}
Session::~Session() = default;

Connection& Session::connection() { return *line_; }
bool Session::lost() const { return line_->lost(); }

Outcome<std::unique_ptr<Session>> Session::open(const Profile& profile, const Keys& keys, const Clock& clock) {
  return open(profile, keys, clock, [&profile, &keys]() -> Outcome<std::unique_ptr<Connection>> {
    auto invitation = profile.invitation();
    if (!invitation) return invitation.error();
    return dial(invitation->endpoint, invitation->broker, keys.current.curve_secret(),
                keys.current.public_identity().curve);
  });
}

Outcome<std::unique_ptr<Session>> Session::open(const Profile& profile, const Keys& keys, const Clock& clock,
                                                std::unique_ptr<Connection> connection) {
  auto only = std::make_shared<std::unique_ptr<Connection>>(std::move(connection));
  return open(profile, keys, clock, [only]() -> Outcome<std::unique_ptr<Connection>> {
    if (!*only) return Failure(LocalCode::unreachable, "the only connection is lost");
    return std::move(*only);
  });
}

Outcome<std::unique_ptr<Session>> Session::open(const Profile& profile, const Keys& keys, const Clock& clock,
                                                Dial dial) {
  auto invitation = profile.invitation();
  if (!invitation) return invitation.error();
  std::unique_ptr<Session> session(new Session(profile, keys, clock, std::move(*invitation), std::move(dial)));
  if (auto connected = session->reconnect(); !connected) return connected.error();
  return session;
}

Outcome<void> Session::reconnect() {
  auto connection = dial_();
  if (!connection) return connection.error();
  line_ = std::make_unique<Line>(std::move(*connection));
  if (auto loaded = log_.load(clock_.now()); !loaded) return loaded;
  if (auto hello = say_hello(); !hello) return hello;
  if (auto compared = compare_foreign(); !compared) return compared;
  return open_directory();
}

Outcome<void> Session::refresh() {
  if (auto hello = say_hello(); !hello) return hello;
  if (auto compared = compare_foreign(); !compared) return compared;
  return settle_directory();
}

Outcome<void> Session::say_hello() {
  const TreeSize known = log_.known_size();
  auto reply = ask<protocol::HelloReply>(protocol::Hello{protocol::protocol_version, protocol::protocol_version, known,
                                                         log_.last() ? log_.last()->head().origin : std::string()});
  if (!reply) return reply.error();
  if (auto taken = take_checkpoint(reply->checkpoint, known, reply->consistency); !taken) return taken;
  if (reply->member != invitation_.member)
    return Failure(LocalCode::no_invitation, "the broker knows this key under another name than the invitation");
  member_ = reply->member;
  broker_time_ = reply->time;
  exchange_bytes_max_ = std::min<std::uint64_t>(reply->exchange_bytes_max, protocol::exchange_bytes_max);
  announced_ = reply->directory;
  announced_digest_ = reply->directory_digest;
  if (auto used = release_.use(reply->release_epoch, reply->release_key); !used)
    return local(LocalCode::release_mismatch, used.error());
  if (auto kept = profile_.store().set_release_epoch({reply->release_epoch, reply->release_key}); !kept)
    return store_failure(kept.error());
  return {};
}

LogWatch::AskShard Session::shard_asker() {
  return [this](const std::string& origin, TreeSize known) {
    return ask<protocol::ShardReply>(protocol::GetShard{origin, known});
  };
}

Outcome<protocol::AuthoritySet> Session::authorities() const {
  if (directory_) return protocol::authorities_of(directory_->verified().head());
  auto stored = profile_.store().directory();
  if (!stored) return store_failure(stored.error());
  if (!*stored) return invitation_.authorities;
  auto verified = verify_again((*stored)->note);
  if (!verified) return verified.error();
  return protocol::authorities_of(verified->head());
}

Outcome<std::vector<protocol::AuthoritySet>> Session::authorities_known() const {
  auto current = authorities();
  if (!current) return current.error();
  std::vector<protocol::AuthoritySet> out{std::move(*current), invitation_.authorities};
  auto versions = profile_.store().directory_versions();
  if (!versions) return store_failure(versions.error());
  for (const KnownVersion& version : *versions)
    if (auto verified = verify_again(version.note)) {
      auto set = protocol::authorities_of(verified->head());
      if (std::find(out.begin(), out.end(), set) == out.end()) out.push_back(std::move(set));
    }
  return out;
}

Outcome<void> Session::take_checkpoint(std::string_view note, TreeSize from, std::span<const Digest> consistency) {
  if (log_.is_of_this_shard(note)) return log_.advance(note, from, consistency, clock_.now());
  auto trusted = authorities();
  if (!trusted) return trusted.error();
  auto passed = log_.pass_shards(note, shard_asker(), *trusted, clock_.now());
  if (!passed) return passed.error();
  shards_passed_.insert(shards_passed_.end(), passed->begin(), passed->end());
  place_.reset();  // of the tree before
  // From the checkpoint the first leaf was proven under to the newest.
  const TreeSize known = log_.known_size();
  auto reply = ask<protocol::CheckpointReply>(protocol::GetCheckpoint{known});
  if (!reply) return reply.error();
  return log_.advance(reply->checkpoint, known, reply->consistency, clock_.now());
}

Outcome<void> Session::compare_foreign() {
  auto trusted = authorities();
  if (!trusted) return trusted.error();
  auto compared = log_.compare_foreign(
      [&](TreeSize known) { return ask<protocol::CheckpointReply>(protocol::GetCheckpoint{known}); }, shard_asker(),
      *trusted, clock_.now());
  if (!compared) {
    place_.reset();  // perhaps proven by what was just found to be no part of the log
    return compared;
  }
  if (auto settled = profile_.store().settle_receipts(); !settled) return store_failure(settled.error());
  return {};
}

Outcome<void> Session::check_log() {
  const TreeSize known = log_.known_size();
  auto reply = ask<protocol::CheckpointReply>(protocol::GetCheckpoint{known});
  if (!reply) return reply.error();
  if (auto taken = take_checkpoint(reply->checkpoint, known, reply->consistency); !taken) return taken;
  return compare_foreign();
}

Outcome<VerifiedReceipt> Session::verify_proof(const protocol::LeafProof& proof) {
  auto verified = verify_leaf_proof(proof, invitation_.log, invitation_.log_key);
  if (!verified) return verified.error();
  if (auto noted = log_.note_foreign(proof.checkpoint, clock_.now()); !noted) return noted.error();
  return std::move(*verified);
}

Outcome<void> Session::check_directory(const KnownDirectory& directory) const {
  std::vector<crypto::SignPublic> keys = {keys_.current.public_identity().sign};
  for (const crypto::Identity& former : keys_.former) keys.push_back(former.public_identity().sign);
  return directory.check_shows(invitation_.member, keys);
}

Outcome<void> Session::open_directory() {
  auto stored = profile_.store().directory();
  if (!stored) return store_failure(stored.error());
  if (*stored) {
    auto verified = verify_again((*stored)->note);
    if (!verified) return verified.error();
    auto directory = KnownDirectory::build(std::move(*verified), std::move((*stored)->entries));
    if (!directory) return Failure(LocalCode::local_store, "the directory kept in state.db does not verify");
    directory_ = std::make_unique<const KnownDirectory>(std::move(*directory));
    place_ = std::move((*stored)->place);
    return settle_directory();
  }
  return update_directory();
}

Outcome<void> Session::settle_directory() {
  const DirectoryNumber ours = directory_->number();
  const Digest& digest = directory_->verified().digest();
  if (announced_ == ours && announced_digest_ != digest) return unproven("two versions with one number");
  std::optional<ClosedShard> before;
  if (log_.last()) {
    auto known = profile_.store().shard_before(log_.last()->head().origin);
    if (!known) return store_failure(known.error());
    before = std::move(*known);
  }
  // The shard's first leaf names the version in force when it was opened: to go back behind that, or to show another
  // one under its number, takes more than an order.
  if (before && before->directory.number == ours && before->directory.digest != digest)
    return unproven("two versions with one number");
  if (announced_ < ours) {
    const bool ordered = before && before->last && announced_ >= before->directory.number &&
                         (announced_ > before->directory.number || announced_digest_ == before->directory.digest);
    return ordered ? Outcome<void>() : unproven("the broker went back to an earlier version");
  }
  return announced_ == ours && place_ ? Outcome<void>() : update_directory();
}

Outcome<void> Session::update_directory() {
  for (int attempt = 0; attempt < directory_attempts_max; ++attempt) {
    // The last attempt asks for everything, in case the broker takes us to know more than we do.
    const bool whole = attempt + 1 == directory_attempts_max;
    auto fetched = fetch_directory(directory_ && !whole ? directory_->number() : DirectoryNumber{});
    if (!fetched) return fetched.error();
    if (*fetched) return {};
  }
  return unproven("the version changes with every page");
}

Outcome<bool> Session::fetch_directory(DirectoryNumber known) {
  static const std::vector<ProvenEntry> nothing;
  PageReader reader(directory_ && known.value != 0 ? directory_->entries() : nothing);
  std::optional<ProvenVersion> version;
  std::uint64_t after = 0;
  for (std::size_t pages = 0;; ++pages) {
    if (pages == directory_pages_max) return unproven("a version without end");
    auto page = ask<protocol::DirectoryPage>(protocol::GetDirectory{known, after});
    if (!page) return page.error();
    if (!version) {
      auto verified = verify_version(*page);
      if (!verified) return verified.error();
      if (!*verified) return true;  // the one we hold
      version = std::move(**verified);
    } else if (page->note != version->directory.note()) {
      return false;
    }
    if (!reader.take(*page, version->directory.head())) return false;
    if (!page->more) break;
    if (page->next <= after || (!page->items.empty() && page->next <= page->items.back().position))
      return unproven("pages that go back");
    after = page->next;
  }
  auto directory = KnownDirectory::build(std::move(version->directory), reader.finish());
  if (!directory) return directory.error();
  if (auto shown = check_directory(*directory); !shown) return shown.error();
  std::vector<DirectoryChange> changes;
  if (directory_) {
    std::vector<std::string> mine = seats();
    if (const protocol::Member* self = directory->member(invitation_.member))
      mine.insert(mine.end(), self->seats.begin(), self->seats.end());
    for (DirectoryChange& change : changes_between(*directory_, *directory))
      if (concerns(change, mine, *directory_, *directory)) changes.push_back(std::move(change));
  }
  auto kept =
      profile_.store().set_directory(*directory, changes, version->place,
                                     {directory->number(), directory->verified().note(), version->proof, clock_.now()});
  // A later version another program of this profile has just kept: ours was verified, and the next session reads that
  // one.
  if (!kept && kept.error().code != Errc::conflict) return store_failure(kept.error());
  directory_ = std::make_unique<const KnownDirectory>(std::move(*directory));
  place_ = std::move(version->place);
  return true;
}

Outcome<std::optional<Session::ProvenVersion>> Session::verify_version(const protocol::DirectoryPage& page) {
  if (directory_ && page.note == directory_->verified().note()) {
    if (!place_) {  // of an older program, or proven by a log that forked since
      auto place = verify_place(page, directory_->verified());
      if (!place) return place.error();
      if (auto kept = profile_.store().set_directory_place(
              directory_->number(), place->place,
              {directory_->number(), directory_->verified().note(), place->proof, clock_.now()});
          !kept)
        return store_failure(kept.error());
      place_ = std::move(place->place);
    }
    return std::optional<ProvenVersion>();
  }
  const auto trusted = directory_ ? protocol::AuthoritySet{directory_->verified().head().threshold,
                                                           directory_->verified().head().authorities}
                                  : invitation_.authorities;
  const auto* held = directory_ ? &directory_->verified() : nullptr;
  auto verified = protocol::verify_directory_note(page.note, trusted, held);
  // Who missed the version that changed the authorities is told by the authority itself: an invitation later than what
  // is held was compared aloud as the first one was.
  if (!verified && held != nullptr && invitation_.directory > held->head().number)
    verified = protocol::verify_directory_note(page.note, invitation_.authorities, held);
  if (!verified) return local(LocalCode::directory_unproven, verified.error());
  const protocol::DirectoryHead& head = verified->head();
  if (head.contract != invitation_.contract) return unproven("a version of another contract");
  if (head.number < invitation_.directory) return unproven("a version older than the invitation");
  auto place = verify_place(page, *verified);
  if (!place) return place.error();
  return std::optional<ProvenVersion>(
      ProvenVersion{std::move(*verified), std::move(place->place), std::move(place->proof)});
}

/// The version stands in the log, so that nobody else can be shown another one under this number.
Outcome<Session::ProvenPlace> Session::verify_place(const protocol::DirectoryPage& page,
                                                    const protocol::VerifiedDirectory& version) {
  auto proof = verify_proof(page.leaf);
  if (!proof) return Failure(LocalCode::directory_unproven, "the version is not proven in the log");
  if (log_.last() && proof->origin != log_.last()->head().origin)
    return unproven("the version is proven in another shard than the one shown");
  const auto& leaf = proof->receipt.leaf;
  const bool named =
      leaf.directory && leaf.directory->number == version.head().number && leaf.directory->digest == version.digest();
  if (!named) return unproven("the log names another version");
  return ProvenPlace{{proof->origin, proof->receipt.index, proof->size, proof->root}, audit::to_text(proof->receipt)};
}

Outcome<void> Session::check_sealing(std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds pause{100};
  const auto ask_witnesses = [&] { return log_.witnesses().check_sealing(place_, clock_.now()); };
  auto allowed = ask_witnesses();
  for (; !allowed && is(allowed.error(), LocalCode::log_stale) && patience > std::chrono::milliseconds::zero();
       patience -= pause) {
    if (log_.witnesses().standing(clock_.now()) != Standing::fresh) break;  // they are away, not a moment late
    if (auto checked = check_log(); !checked) return checked;
    allowed = ask_witnesses();
    if (!allowed) std::this_thread::sleep_for(pause);
  }
  return allowed;
}

std::vector<std::string> Session::seats() const {
  const protocol::Member* self = directory_ ? directory_->member(invitation_.member) : nullptr;
  return self == nullptr ? std::vector<std::string>() : self->seats;
}

Outcome<protocol::ReplyBody> Session::exchange(protocol::RequestBody body) {
  auto number = line_->post(std::move(body));
  if (!number) return number.error();
  return line_->take(*number, reply_within);
}

Failure Session::wrong_answer(const protocol::ReplyBody& reply) {
  if (const auto* refusal = std::get_if<protocol::Refusal>(&reply)) return Failure(*refusal);
  return {LocalCode::unreachable, "a reply to something else"};
}

Outcome<KnownDirectory> last_directory(const Profile& profile) {
  auto stored = profile.store().directory();
  if (!stored) return store_failure(stored.error());
  if (!*stored) return unproven("no version verified yet");
  auto verified = verify_again((*stored)->note);
  if (!verified) return verified.error();
  return KnownDirectory::build(std::move(*verified), std::move((*stored)->entries));
}

Outcome<std::vector<HistoricVersion>> directory_history(const Profile& profile) {
  auto invitation = profile.invitation();
  if (!invitation) return invitation.error();
  auto versions = profile.store().directory_versions();
  if (!versions) return store_failure(versions.error());
  std::vector<HistoricVersion> out;
  for (const KnownVersion& version : *versions) {
    HistoricVersion row;
    row.number = version.number;
    row.verified_at = version.verified_at;
    const auto note = audit::parse_note(version.note);
    const auto head = note ? protocol::parse_directory_head(note->text) : Result<protocol::DirectoryHead>(note.error());
    if (head) {
      row.digest = protocol::directory_digest(note->text);
      row.not_after = head->not_after;
      row.follows =
          out.empty() || (out.back().number.value + 1 == row.number.value && out.back().digest == head->previous);
    }
    const auto receipt = verify_receipt_text(version.proof, invitation->log, invitation->log_key);
    if (receipt) {
      row.origin = receipt->origin;
      row.leaf = receipt->receipt.index;
      row.size = receipt->size;
      const auto& named = receipt->receipt.leaf.directory;
      row.proven =
          head && head->number == row.number && named && named->number == row.number && named->digest == row.digest;
    }
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace pli::client
