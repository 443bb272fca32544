#include "tests/simulator/model.hpp"

#include <algorithm>

#include "audit/inclusion.hpp"
#include "audit/proof_file.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"
#include "protocol/opening_request.hpp"
#include "protocol/suspension.hpp"

namespace pli::testing {
namespace {

using protocol::Kind;
using protocol::Role;

std::string text_of(const audit::Record& record, std::string_view name) {
  const Bytes* value = record.find(name);
  return value == nullptr ? std::string() : std::string(as_text(*value));
}
Digest digest_of(const audit::Record& record, std::string_view name) {
  const Bytes* value = record.find(name);
  const auto digest = value == nullptr ? std::nullopt : to_array<32>(*value);
  return digest.value_or(Digest{});
}
std::string brief(const Digest& digest) { return to_hex(digest).substr(0, 8); }
std::string said(const broker::LeafPlace& place) {
  return "leaf " + std::to_string(place.index.value) + " of shard " + std::to_string(place.shard.value);
}
bool sits(const protocol::Member& member, const std::string& queue) {
  return std::find(member.seats.begin(), member.seats.end(), queue) != member.seats.end();
}
bool has_any(const protocol::Member& member, std::initializer_list<Role> roles) {
  return std::any_of(roles.begin(), roles.end(), [&](Role role) { return member.roles.has(role); });
}
bool is_instance(const std::string& queue) { return queue.rfind("org/", 0) != 0; }

}  // namespace

void Model::broke(const char* promise, std::string what) {
  if (!breach_) breach_ = Breach{promise, std::move(what)};
}

void Model::sent(const protocol::ExchangeId& id, const protocol::Envelope& envelope) {
  auto address = protocol::decode_address(envelope.address);
  const auto seal = protocol::decode_seal(envelope.seal);
  if (address && seal) sent_[id] = {*std::move(address), *seal};
}

// ---- rights, as design §4 to §6 and §10 give them -------------------------------------------------------------------

bool Model::expired(const View& view, UnixMillis now) { return now >= view.directory->verified()->head().not_after; }

const protocol::Member* Model::in_force(const View& view, const std::string& member, UnixMillis now) {
  const protocol::Member* found = view.directory->member(member);
  if (found == nullptr || found->revoked_at || now < found->not_before || now >= found->not_after) return nullptr;
  const auto suspended = view.suspended.find(member);
  if (suspended != view.suspended.end() && now < suspended->second.lapses_at) return nullptr;
  return found;
}

bool Model::may_read(const View& view, const std::string& id, const protocol::ExchangeId& exchange,
                     UnixMillis now) const {
  const protocol::Member* member = in_force(view, id, now);
  const auto found = accepted_.find(exchange);
  if (member == nullptr || found == accepted_.end() || expired(view, now)) return false;
  const Exchange& what = found->second;
  if (!sits(*member, what.queue)) return false;
  bool listed = what.readers.count(member->keys.age) != 0;
  for (const crypto::AgePublic& key : member->former_age) listed = listed || what.readers.count(key) != 0;
  if (!listed) return false;
  if (has_any(*member, {Role::auditeur, Role::operateur})) return false;
  for (const std::string& condition : what.address.handling)
    if (condition == "no-copy-to:" + member->organisation) return false;
  if (!is_instance(what.queue))
    return (what.kind == Kind::retour || what.kind == Kind::demande_de_complement) &&
           what.queue == "org/" + member->organisation && has_any(*member, {Role::referent, Role::maire, Role::outil});
  if (what.case_id) {
    const Case& of_case = cases_.at(*what.case_id);
    if (of_case.organisation == member->organisation || of_case.person == member->person) return false;
    if (what.kind != Kind::recusation && view.recused.contains({*what.case_id, member->person})) return false;
  }
  const Role own = what.queue.rfind("ged/", 0) == 0    ? Role::membre_ged
                   : what.queue.rfind("clir/", 0) == 0 ? Role::membre_clir
                                                       : Role::membre_cpraf;
  return has_any(*member, {own, Role::secretariat, Role::parquet, Role::service}) && what.kind != Kind::retour;
}

bool Model::in_some_view(const std::function<bool(const View&)>& holds) const {
  return std::any_of(views_.begin(), views_.end(), holds);
}

/// Whether this sender may send this, and whether it is its turn.
void Model::check_step(const protocol::Member& sender, const Exchange& exchange, Case* of_case) {
  const auto wrong = [&](const char* why) {
    broke("P6", "accepted of " + sender.id + ", exchange " + brief(exchange.id) + ": " + why);
  };
  const std::string& queue = exchange.queue;
  switch (exchange.kind) {
    case Kind::signalement_individuel:
    case Kind::signalement_de_structure:
      if (!has_any(sender, {Role::referent, Role::maire})) wrong("only a commune reports");
      if (queue != (exchange.kind == Kind::signalement_individuel ? "ged/89" : "clir/89")) wrong("not where it goes");
      return;
    case Kind::complement:
    case Kind::rectification:
    case Kind::retrait:
      if (of_case == nullptr || sender.organisation != of_case->organisation) return wrong("no party of the case");
      if (!has_any(sender, {Role::referent, Role::maire, Role::outil})) wrong("not a sender's role");
      if (queue != of_case->queue) wrong("not the case's instance");
      return senders_step(exchange.kind, *of_case, wrong);
    case Kind::recusation:
      if (of_case == nullptr || !sits(sender, of_case->queue) || queue != of_case->queue)
        return wrong("not of the instance");
      if (sender.organisation == of_case->organisation) wrong("an author recuses");
      if (of_case->state == "retire") wrong("of a case taken back");
      if (views_.back().recused.contains({*exchange.case_id, sender.person})) wrong("recused twice");
      views_.push_back(views_.back());
      views_.back().recused.insert({*exchange.case_id, sender.person});
      return;
    case Kind::demande_de_complement:
    case Kind::retour:
    case Kind::recevabilite:
    case Kind::inscription:
    case Kind::mise_en_evaluation:
    case Kind::decision:
    case Kind::report_du_retour:
    case Kind::cloture: {
      if (of_case == nullptr || !sits(sender, of_case->queue)) return wrong("not of the instance");
      if (!sender.roles.has(Role::secretariat)) wrong("only the secretariat leads a case");
      if (sender.organisation == of_case->organisation) wrong("an author leads his own case");
      if (views_.back().recused.contains({*exchange.case_id, sender.person})) wrong("by who has recused");
      const bool outward = exchange.kind == Kind::retour || exchange.kind == Kind::demande_de_complement;
      if (queue != (outward ? "org/" + of_case->organisation : of_case->queue)) wrong("to somebody else");
      if (!of_case->opened) wrong("before anybody read the case");
      return instances_step(exchange, *of_case, wrong);
    }
    case Kind::acces: {
      const auto original = accepted_.find(exchange.address.in_reply_to);
      if (original == accepted_.end()) return wrong("access to what is not there");
      if (original->second.queue != queue) wrong("access from another queue");
      bool listed = original->second.readers.count(sender.keys.age) != 0;
      for (const crypto::AgePublic& key : sender.former_age)
        listed = listed || original->second.readers.count(key) != 0;
      if (!listed || !sits(sender, queue)) wrong("access given by who has none");
      return;
    }
    default: return wrong("a kind that nobody here may send");
  }
}

void Model::senders_step(protocol::Kind kind, Case& of_case, const Wrong& wrong) {
  if (of_case.state == "retire") return wrong("of a case taken back");
  if (kind == Kind::retrait) {
    if (of_case.opened || of_case.state != "recu") wrong("taken back after it was read");
    of_case.state = "retire";
    return;
  }
  const bool awaited = of_case.state == "complement_demande";
  if (!awaited && of_case.answered.value != 0 && now_ >= of_case.answered + std::chrono::hours(30 * 24))
    wrong("the case was answered long ago");
  if (awaited && kind == Kind::complement) of_case.state = of_case.resumes;
}

void Model::instances_step(const Exchange& exchange, Case& of_case, const Wrong& wrong) {
  static const std::set<std::string> examined{"recu", "recevable", "hors_perimetre", "a_l_ordre_du_jour",
                                              "en_evaluation"};
  const std::string said = exchange.address.attributes.empty() ? "" : exchange.address.attributes.front().second;
  const std::string from = of_case.state == "complement_demande" ? of_case.resumes : of_case.state;
  const auto from_one_of = [&](const std::set<std::string>& places) {
    if (!places.contains(from)) wrong("out of turn");
  };
  switch (exchange.kind) {
    case Kind::demande_de_complement:
      if (!examined.contains(of_case.state)) wrong("asked out of turn");
      of_case.resumes = of_case.state;
      of_case.state = "complement_demande";
      return;
    case Kind::recevabilite:
      from_one_of({"recu", "recevable", "hors_perimetre"});
      of_case.state = said;
      return;
    case Kind::inscription:
      from_one_of({"recevable", "hors_perimetre", "a_l_ordre_du_jour", "en_evaluation"});
      of_case.state = from == "en_evaluation" ? from : "a_l_ordre_du_jour";
      return;
    case Kind::mise_en_evaluation:
      from_one_of({"a_l_ordre_du_jour"});
      of_case.state = "en_evaluation";
      return;
    case Kind::decision:
      from_one_of({"en_evaluation"});
      of_case.state = "decide";
      return;
    case Kind::retour:
      if (of_case.answered.value != 0) wrong("answered twice");
      if (of_case.state != "decide" && of_case.state != "clos") wrong("answered out of turn");
      if (of_case.state == "decide") of_case.state = "retour_effectue";
      of_case.answered = now_;
      return;
    case Kind::report_du_retour:
      if (of_case.state != "decide" && of_case.state != "clos") wrong("deferred out of turn");
      if (of_case.answered.value != 0) wrong("deferred after the answer");
      of_case.review = protocol::day_of(said).value_or(UnixMillis{});
      if (of_case.review <= now_) wrong("deferred to a day that is past");
      return;
    default:  // cloture
      if (of_case.state != "retour_effectue" && (of_case.state != "decide" || of_case.review <= now_))
        wrong("closed without a retour or a review ahead");
      of_case.state = "clos";
  }
}

bool Model::is_taken_back(const protocol::ExchangeId& id) const {
  const auto found = accepted_.find(id);
  return found != accepted_.end() && found->second.case_id && found->second.kind != Kind::retrait &&
         cases_.at(*found->second.case_id).state == "retire";
}

// ---- the log ------------------------------------------------------------------------------------------------------

void Model::begin_batch(UnixMillis now) {
  now_ = now;
  if (views_.size() > 1) views_.erase(views_.begin(), views_.end() - 1);
  refused_.clear();
  reading_leaves_.clear();
}

void Model::open_shard(std::string origin) { shards_.push_back({std::move(origin), {}, {}}); }

void Model::take_leaf(const std::string& text, const audit::Record& record) {
  Shard& shard = shards_.back();
  const broker::LeafPlace place{{shard.tree.size().value}, {shards_.size() - 1}};
  shard.tree.append(as_bytes(text));
  shard.leaves.push_back(text);
  const auto leaf = audit::decode_leaf(text);
  if (!leaf) return broke("P7", said(place) + " does not decode");
  if (leaf->record != audit::record_digest(record)) return broke("P3", said(place) + " commits to another record");
  if (leaf->time < last_leaf_time_) broke("P7", said(place) + " is dated before the one it follows");
  last_leaf_time_ = leaf->time;
  const std::string act = text_of(record, "act");
  const std::string outcome = text_of(record, "outcome");
  if (leaf->type == audit::LeafType::refus) {
    ++refusals_;
    refused_.push_back({text_of(record, "actor"), outcome});
    return;
  }
  if (outcome != "ok") return;
  if (leaf->type == audit::LeafType::habilitation) return take_directory(*leaf, record);
  if (leaf->type == audit::LeafType::verification) ++reading_leaves_[text_of(record, "actor")];
  if (act == "submit") return take_submit(record, place);
  if (act == "open") return take_open(record, place);
  if (act == "erase_exchange") return take_erasure(record, place);
}

/// No term comes in the time that a simulation takes: what goes was taken back.
void Model::take_erasure(const audit::Record& record, const broker::LeafPlace& place) {
  const auto found = accepted_.find(digest_of(record, "exchange"));
  if (found == accepted_.end()) return broke("P9", said(place) + " erases what is not there");
  Exchange& exchange = found->second;
  if (exchange.erased) broke("P9", "exchange " + brief(exchange.id) + " is erased twice");
  if (!exchange.case_id || cases_.at(*exchange.case_id).state != "retire")
    broke("P9", "exchange " + brief(exchange.id) + " is erased before its time");
  exchange.erased = true;
  // Of what is erased nobody knows the payload any more: whoever kept it may sign it anew.
  payloads_.erase(sent_.at(exchange.id).seal.payload);
}

void Model::check_erased() {
  for (const auto& [id, exchange] : accepted_)
    if (exchange.case_id && !exchange.erased && cases_.at(*exchange.case_id).state == "retire")
      return broke("P9", "exchange " + brief(id) + " was taken back and is kept");
}

void Model::take_directory(const audit::Leaf& leaf, const audit::Record& record) {
  View next = views_.back();
  if (leaf.directory) {
    if (leaf.directory->number == next.directory->number()) return;  // the first leaf of a shard names it again
    const auto version = versions_.find(leaf.directory->number.value);
    if (version == versions_.end() || version->second->verified()->digest() != leaf.directory->digest)
      return broke("P5", "a directory version that the authority never signed");
    if (leaf.directory->number.value != next.directory->number().value + 1)
      return broke("P6", "directory version " + std::to_string(leaf.directory->number.value) + " out of order");
    for (auto it = next.suspended.begin(); it != next.suspended.end();) {
      const auto bytes = [&](const protocol::Directory& directory) {
        const auto at = directory.position_of(protocol::EntryType::member, it->first);
        return at ? directory.entry_bytes(*at) : Bytes{};
      };
      it = bytes(*next.directory) != bytes(*version->second) ? next.suspended.erase(it) : std::next(it);
    }
    next.directory = version->second;
  } else {
    const auto note = audit::parse_note(text_of(record, "statement"));
    const auto suspension = note ? protocol::parse_suspension(note->text) : Result<protocol::Suspension>(note.error());
    if (!suspension || suspension->directory != next.directory->number())
      return broke("P5", "a suspension that is none of this version");
    next.suspended[suspension->member] = {suspension->directory, suspension->lapses_at()};
  }
  views_.push_back(std::move(next));
}

void Model::take_submit(const audit::Record& record, const broker::LeafPlace& place) {
  const protocol::ExchangeId id = digest_of(record, "exchange");
  const auto sent = sent_.find(id);
  if (sent == sent_.end()) return broke("P5", said(place) + " accepts an exchange that nobody made");
  const protocol::Address& address = sent->second.address;
  if (accepted_.count(id) != 0) return broke("P8", "exchange " + brief(id) + " is accepted twice");
  if (!nonces_.insert({address.sender, address.nonce}).second)
    broke("P8", "two exchanges of " + address.sender + " under one nonce");
  const std::string actor = text_of(record, "actor");
  if (actor != address.sender) return broke("P5", "exchange " + brief(id) + " is taken from " + actor);

  Exchange exchange;
  exchange.id = id;
  exchange.address = address;
  exchange.queue = address.queue;
  exchange.leaf = place;
  if (const protocol::KindRow* row = protocol::row_of_number(address.kind)) exchange.kind = row->kind;
  const View& view = views_.back();
  const protocol::Member* sender = in_force(view, actor, now_);
  if (sender == nullptr) return broke("P6", "accepted of " + actor + ", who has no rights any more");
  if (sender->keys.sign != address.sender_key) broke("P6", "accepted under a key that " + actor + " gave up");
  if (expired(view, now_)) broke("P6", "accepted under a directory past its term");
  const protocol::Queue* queue = view.directory->queue(address.queue);
  if (queue == nullptr) return broke("P6", "accepted into a queue that is not there");
  if (protocol::roster_digest(*queue) != address.roster || digest_of(record, "recipients") != address.roster)
    broke("P6", "exchange " + brief(id) + " was sealed to another roster than today's");
  exchange.readers.insert(queue->keys.begin(), queue->keys.end());

  const bool opens_case =
      exchange.kind == Kind::signalement_individuel || exchange.kind == Kind::signalement_de_structure;
  if (opens_case) {
    exchange.case_id = id;
    Case& opened = cases_[id];
    opened.queue = address.queue;
    opened.person = sender->person;
    opened.organisation = sender->organisation;
  } else if (address.case_id != Digest{}) {
    exchange.case_id = address.case_id;
  }
  const auto of_case = exchange.case_id ? cases_.find(*exchange.case_id) : cases_.end();
  check_step(*sender, exchange, of_case == cases_.end() ? nullptr : &of_case->second);
  if (exchange.kind == Kind::acces) {
    if (const auto original = accepted_.find(address.in_reply_to); original != accepted_.end()) {
      original->second.readers.insert(queue->keys.begin(), queue->keys.end());
      ++original->second.parts;
    }
  } else if (!payloads_.insert(sent->second.seal.payload).second) {
    broke("P8", "one payload belongs to two exchanges");
  }

  // The chain, number by number.
  auto& heads = heads_[address.queue];
  if (heads.empty()) heads.push_back(audit::queue_start(log_, address.queue));
  exchange.head = audit::queue_next(heads.back(), id);
  const std::string number = text_of(record, "number");
  if (number != std::to_string(exchange.head.number.value))
    broke("P8", address.queue + " goes from " + std::to_string(heads.back().number.value) + " to " + number);
  if (digest_of(record, "head") != exchange.head.head) broke("P8", address.queue + ": a link that does not follow");
  heads.push_back(exchange.head);
  links_[address.queue].push_back(id);
  accepted_.emplace(id, std::move(exchange));
  order_.push_back(id);
}

void Model::take_open(const audit::Record& record, const broker::LeafPlace& place) {
  const Bytes* statement = record.find("statement");
  const auto request = statement == nullptr ? Result<protocol::OpeningRequest>(Error{Errc::not_found, {}})
                                            : protocol::decode_opening_request(*statement);
  if (!request) return broke("P3", said(place) + " records an opening without what was signed");
  const Digest id = protocol::opening_id(*statement);
  const std::string actor = text_of(record, "actor");
  const auto made_by = signed_openings_.find(id);
  if (made_by == signed_openings_.end() || made_by->second != actor || request->opener != actor)
    return broke("P5", said(place) + " records an opening that " + actor + " never asked for");
  if (digest_of(record, "exchange") != request->exchange) broke("P3", said(place) + " names another exchange");
  // By the log's time, which is all that an auditor has to judge by.
  if (!openings_.emplace(id, Opening{place, actor, request->exchange, last_leaf_time_}).second)
    broke("P3", "one opening request of " + actor + " is recorded twice");
  if (request->created_at > last_leaf_time_ + protocol::clock_skew_max ||
      request->created_at < last_leaf_time_ - protocol::opening_age_max)
    broke("P3", said(place) + " records an opening that was asked for at another time");
  if (text_of(record, "motif").empty()) broke("P4", said(place) + " records an opening without a motif");
  if (!may_read(views_.back(), actor, request->exchange, now_))
    return broke("P6", actor + " is let into exchange " + brief(request->exchange));
  const Exchange& exchange = accepted_.at(request->exchange);
  if (exchange.kind == Kind::acces) broke("P6", actor + " opens an access part by itself");
  if (is_taken_back(request->exchange)) broke("P6", actor + " opens what was taken back");
  if (exchange.case_id) {
    Case& of_case = cases_.at(*exchange.case_id);
    const protocol::Member* member = in_force(views_.back(), actor, now_);
    static const std::set<Kind> of_its_party{Kind::signalement_individuel, Kind::signalement_de_structure,
                                             Kind::information_de_volet, Kind::complement, Kind::rectification};
    if (sits(*member, of_case.queue) && of_its_party.contains(exchange.kind)) of_case.opened = true;
  }
}

// ---- replies ------------------------------------------------------------------------------------------------------

std::optional<std::pair<std::size_t, audit::TreeHead>> Model::checkpoint(std::string_view text) {
  std::string note(text);
  if (const auto known = verified_notes_.find(note); known != verified_notes_.end()) return known->second;
  const auto parsed = audit::parse_note(note);
  const auto head = parsed ? audit::parse_tree_head(parsed->text) : Result<audit::TreeHead>(parsed.error());
  if (!head) {
    broke("P7", "a checkpoint that is none");
    return std::nullopt;
  }
  if (!audit::verify_checkpoint(note, {head->origin, audit::KeyType::ed25519, log_key_})) {
    broke("P7", "a checkpoint that the log's key did not sign");
    return std::nullopt;
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].origin != head->origin) continue;
    const audit::MemoryTree& tree = shards_[i].tree;
    const auto root = head->size > tree.size() ? Result<Digest>(Error{Errc::not_found, {}})
                                               : audit::root_at(head->size, tree.source());
    if (!root || *root != head->root) {
      broke("P8", "a checkpoint of " + std::to_string(head->size.value) + " leaves is no prefix of the log");
      return std::nullopt;
    }
    return verified_notes_.emplace(std::move(note), std::make_pair(i, *head)).first->second;
  }
  broke("P7", "a checkpoint of a shard that is not there");
  return std::nullopt;
}

void Model::check_checkpoint(std::string_view note, TreeSize known, std::string_view known_origin,
                             const std::vector<Digest>& consistency) {
  const auto shown = checkpoint(note);
  if (!shown) return;
  const auto& [shard, head] = *shown;
  if (!known_origin.empty() && known_origin != head.origin) return;
  if (known > head.size || known.value == 0) return;
  const auto older = audit::root_at(known, shards_[shard].tree.source());
  if (!older) return;
  if (!audit::verify_consistency(known, *older, head.size, head.root, consistency))
    broke("P7", "no proof that " + std::to_string(head.size.value) + " leaves extend " + std::to_string(known.value));
}

std::optional<broker::LeafPlace> Model::check_proof(const protocol::LeafProof& proof) {
  const auto shown = checkpoint(proof.checkpoint);
  if (!shown) return std::nullopt;
  const auto& [shard, head] = *shown;
  const Shard& in = shards_[shard];
  if (proof.index.value >= in.leaves.size() || in.leaves[proof.index.value] != proof.leaf) {
    broke("P2", "leaf " + std::to_string(proof.index.value) + " as it is shown is not the log's");
    return std::nullopt;
  }
  if (!audit::verify_inclusion(head.root, head.size, proof.index, audit::leaf_hash(as_bytes(proof.leaf)), proof.proof))
    broke("P7", "leaf " + std::to_string(proof.index.value) + " is not proven under its checkpoint");
  const auto disclosed = audit::decode_disclosure(proof.disclosure);
  const auto leaf = audit::decode_leaf(proof.leaf);
  if (!disclosed || !leaf || audit::record_digest(*disclosed) != leaf->record)
    broke("P7", "what is disclosed of leaf " + std::to_string(proof.index.value) + " is not its record");
  return broker::LeafPlace{proof.index, {shard}};
}

void Model::check_items(const Told& told, const std::string& queue, const std::vector<protocol::QueueItem>& items,
                        std::uint64_t& after) {
  const std::string whom = told.member + " is shown " + queue;
  if (!in_some_view([&](const View& view) {
        const protocol::Member* member = in_force(view, told.member, now_);
        return member != nullptr && sits(*member, queue) && !expired(view, now_);
      }))
    return broke("P6", whom + " and holds no seat there");
  const auto& links = links_[queue];
  for (const protocol::QueueItem& item : items) {
    if (item.head.number.value != after + 1)
      return broke("P8",
                   whom + ": number " + std::to_string(item.head.number.value) + " after " + std::to_string(after));
    ++after;
    if (after > links.size() || links[after - 1] != item.exchange)
      return broke("P8", whom + ": number " + std::to_string(after) + " is another exchange");
    const Exchange& exchange = accepted_.at(item.exchange);
    if (exchange.head != item.head) return broke("P8", whom + ": the chain differs at " + std::to_string(after));
    const bool some = in_some_view([&](const View& view) { return may_read(view, told.member, item.exchange, now_); });
    const bool all = !in_some_view([&](const View& view) { return !may_read(view, told.member, item.exchange, now_); });
    if (item.visible && !some) return broke("P6", whom + ": number " + std::to_string(after) + " is not for him");
    if (item.visible && exchange.erased) return broke("P9", whom + ": number " + std::to_string(after) + " is erased");
    // An access part can be added while the batch runs: then both answers were right in their turn.
    if (!item.visible && all && exchange.parts == 1 && !exchange.erased)
      return broke("P8", whom + ": number " + std::to_string(after) + " is withheld");
    if (!item.visible && (!item.address.empty() || !item.seal.empty()))
      return broke("P6", whom + ": a hidden header tells what it heads");
  }
}

void Model::check_opened(const Told& told, const protocol::Opened& opened) {
  const auto* asked = told.request == nullptr ? nullptr : std::get_if<protocol::Open>(told.request);
  if (asked == nullptr) return broke("P3", "an opening answers what was none");
  const auto recorded = openings_.find(protocol::opening_id(asked->request));
  if (recorded == openings_.end()) return broke("P3", told.member + " is given R and nothing is recorded of it");
  const Opening& opening = recorded->second;
  if (opening.opener != told.member) return broke("P5", told.member + " is given what " + opening.opener + " opened");
  const auto place = check_proof(opened.proof);
  if (place && *place != opening.leaf) return broke("P3", "an opening is proven by the leaf of something else");
  if (opened.exchange != opening.exchange) return broke("P6", told.member + " is given another exchange");
  if (std::max(now_, last_leaf_time_) - opening.at > protocol::opening_replay_window)
    broke("P3", told.member + " is given R again, long after it was recorded");
  if (!in_some_view([&](const View& view) { return may_read(view, told.member, opened.exchange, now_); }))
    return broke("P6", told.member + " is given R of " + brief(opened.exchange));
  for (const protocol::AccessPart& part : opened.access) {
    const auto through = accepted_.find(part.exchange);
    if (through == accepted_.end()) return broke("P6", "a way in that nobody made");
    // Each part by its own roster: the original's are all readers, which it was at first.
    const auto sent = sent_.find(part.exchange);
    bool listed = false;
    for (const auto& [number, version] : versions_) {
      const protocol::Queue* queue = version->queue(sent->second.address.queue);
      if (queue == nullptr || protocol::roster_digest(*queue) != sent->second.address.roster) continue;
      const protocol::Member* member = views_.back().directory->member(told.member);
      listed = listed || std::count(queue->keys.begin(), queue->keys.end(), member->keys.age) != 0;
      for (const crypto::AgePublic& key : member->former_age)
        listed = listed || std::count(queue->keys.begin(), queue->keys.end(), key) != 0;
    }
    if (!listed) return broke("P6", told.member + " is given R of a part whose roster does not name him");
  }
}

void Model::check_cases(const Told& told, const protocol::Cases& cases) {
  for (const protocol::CaseItem& item : cases.items) {
    const auto found = cases_.find(item.case_id);
    if (found == cases_.end()) return broke("P5", told.member + " is shown a case that is not there");
    const Case& of_case = found->second;
    const bool some = in_some_view([&](const View& view) {
      const protocol::Member* member = in_force(view, told.member, now_);
      if (member == nullptr || expired(view, now_)) return false;
      if (item.commune)
        return member->organisation == of_case.organisation &&
               has_any(*member, {Role::referent, Role::maire, Role::outil});
      return may_read(view, told.member, item.case_id, now_);
    });
    if (!some) return broke("P6", told.member + " is shown case " + brief(item.case_id));
  }
}

void Model::take_reply(const Told& told) {
  if (const auto* refusal = std::get_if<protocol::Refusal>(told.reply)) {
    if (told.member.empty() || refusal->code == protocol::Code::busy) return;
    if (told.by_gate) {
      // What no one can be said to have meant is counted; anything else is on record.
      // Whom the newest version enrols, the gate may not know yet.
      if (told.request != nullptr && refusal->code != protocol::Code::unknown_key)
        broke("P3", "the gate refuses " + told.member + " and nothing is recorded");
      return;
    }
    for (RefusalLeaf& leaf : refused_) {
      if (leaf.matched || leaf.actor != told.member || leaf.outcome != protocol::text_of(refusal->code)) continue;
      leaf.matched = true;
      return;
    }
    return broke("P3", told.member + " is refused (" + protocol::to_text(*refusal) + ") and nothing is recorded");
  }
  if (told.member.empty()) return broke("P6", "a stranger is answered");
  if (told.by_gate && !std::holds_alternative<protocol::ChunkStored>(*told.reply))
    return broke("P3", "the gate answers " + told.member + " by itself");
  if (!in_some_view([&](const View& view) {
        const protocol::Member* member = in_force(view, told.member, now_);
        return member != nullptr && member->keys.curve == told.key;
      }))
    return broke("P6", told.member + " is answered and has no rights any more");

  if (const auto* accepted = std::get_if<protocol::Accepted>(told.reply)) {
    const auto found = accepted_.find(accepted->exchange);
    if (found == accepted_.end()) return broke("P3", "a receipt for what the log does not hold");
    if (found->second.address.sender != told.member) return broke("P6", told.member + " is receipted for another's");
    const auto place = check_proof(accepted->proof);
    if (place && *place != found->second.leaf) broke("P2", "a receipt under the leaf of something else");
  } else if (const auto* opened = std::get_if<protocol::Opened>(told.reply)) {
    check_opened(told, *opened);
  } else if (const auto* items = std::get_if<protocol::Items>(told.reply)) {
    const auto* asked = std::get_if<protocol::List>(told.request);
    if (asked == nullptr) return broke("P6", "a list answers what was none");
    std::uint64_t after = asked->after.value;
    check_items(told, asked->queue, items->items, after);
    if (!items->more && asked->after <= items->head.number && after != items->head.number.value)
      broke("P8", told.member + " is not told of the end of " + asked->queue);
    Cursor& cursor = cursors_[std::make_pair(told.member, asked->queue)];
    if (items->acknowledged.value < cursor.least || items->acknowledged.value > cursor.most)
      broke("P8", told.member + " is told another cursor than he set");
    cursor.least = items->acknowledged.value;
  } else if (const auto* pushed = std::get_if<protocol::Pushed>(told.reply)) {
    const auto* asked = told.request == nullptr ? nullptr : std::get_if<protocol::Follow>(told.request);
    if (asked == nullptr) return broke("P6", "headers are pushed to who does not follow");
    auto [follow, fresh] = follows_.try_emplace(told.follow);
    // The answer to a follow begins it anew, however often the network brings it.
    if (fresh || !told.pushed)
      for (const protocol::FollowFrom& from : asked->queues) follow->second[from.queue] = from.after.value;
    std::map<std::string, std::vector<protocol::QueueItem>> by_queue;
    for (const protocol::QueueItem& item : pushed->items) by_queue[item.queue].push_back(item);
    for (const auto& [queue, some] : by_queue) {
      if (follow->second.count(queue) == 0) return broke("P6", "a queue is pushed that was not followed");
      check_items(told, queue, some, follow->second[queue]);
    }
  } else if (const auto* acknowledged = std::get_if<protocol::Acknowledged>(told.reply)) {
    const auto* asked = std::get_if<protocol::Acknowledge>(told.request);
    if (asked == nullptr) return broke("P8", "a cursor answers what set none");
    Cursor& cursor = cursors_[std::make_pair(told.member, asked->queue)];
    const std::uint64_t number = acknowledged->number.value;
    if (number < std::max(cursor.least, asked->number.value) || number > cursor.most)
      broke("P8", "the cursor of " + told.member + " went back, or on by itself");
    cursor.least = number;
  } else if (const auto* hello = std::get_if<protocol::HelloReply>(told.reply)) {
    const auto* asked = std::get_if<protocol::Hello>(told.request);
    if (asked != nullptr)
      check_checkpoint(hello->checkpoint, asked->known_size, asked->known_origin, hello->consistency);
  } else if (const auto* shown = std::get_if<protocol::CheckpointReply>(told.reply)) {
    const auto* asked = std::get_if<protocol::GetCheckpoint>(told.request);
    if (asked != nullptr) check_checkpoint(shown->checkpoint, asked->known_size, {}, shown->consistency);
  } else if (const auto* proven = std::get_if<protocol::Proven>(told.reply)) {
    (void)check_proof(proven->proof);
  } else if (const auto* published = std::get_if<protocol::Published>(told.reply)) {
    (void)check_proof(published->proof);
  } else if (const auto* cases = std::get_if<protocol::Cases>(told.reply)) {
    check_cases(told, *cases);
  } else if (const auto* page = std::get_if<protocol::DirectoryPage>(told.reply)) {
    (void)check_proof(page->leaf);
    const protocol::Member* member = views_.back().directory->member(told.member);
    const bool commune = has_any(*member, {Role::referent, Role::maire, Role::outil});
    for (const protocol::DirectoryItem& item : page->items) {
      const auto entry = protocol::decode_entry(item.entry);
      if (!entry || entry->type != protocol::EntryType::member) continue;
      const auto whose = protocol::read_member(*entry);
      // A commune knows its own and the secretariat: never who sits in an instance (design §4).
      if (commune && whose && has_any(*whose, {Role::membre_ged, Role::membre_clir, Role::membre_cpraf}))
        broke("P6", told.member + " is shown who sits in an instance");
    }
  } else if (const auto* records = std::get_if<protocol::Records>(told.reply)) {
    const protocol::Member* member = views_.back().directory->member(told.member);
    if (!member->roles.has(Role::auditeur)) return broke("P6", told.member + " is shown the journal");
    const auto* asked = std::get_if<protocol::GetRecords>(told.request);
    const auto in = std::find_if(shards_.begin(), shards_.end(), [&](const Shard& shard) {
      return asked->shard.empty() ? &shard == &shards_.back() : shard.origin == asked->shard;
    });
    bool others = false;
    for (const protocol::RecordItem& item : records->items) {
      if (in == shards_.end() || item.index.value >= in->leaves.size() || in->leaves[item.index.value] != item.leaf)
        return broke("P7", "the journal shows another leaf " + std::to_string(item.index.value));
      others = others || item.leaf.find("pli-leaf/1 verification") != 0;
    }
    if (others && reading_leaves_[told.member] == 0) broke("P3", told.member + " reads the journal unrecorded");
  }
}

void Model::end_batch() {
  for (const RefusalLeaf& leaf : refused_)
    if (!leaf.matched && !leaf.actor.empty())
      broke("P3", leaf.actor + " is recorded as refused and was told something else");
}

void Model::may_move_cursor(const std::string& member, const std::string& queue, QueueNumber number) {
  Cursor& cursor = cursors_[std::make_pair(member, queue)];
  cursor.most = std::max(cursor.most, number.value);
}

void Model::receipted(const protocol::ExchangeId& id) { receipted_.insert(id); }

void Model::check_receipts() {
  for (const protocol::ExchangeId& id : receipted_)
    if (accepted_.count(id) == 0) broke("P2", "exchange " + brief(id) + " was receipted and is gone");
}

}  // namespace pli::testing
