#include "tests/support/lies.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "audit/checkpoint.hpp"
#include "client/auditor.hpp"
#include "client/outbox.hpp"
#include "client/session.hpp"
#include "protocol/form.hpp"

namespace pli::testing {
namespace {

constexpr std::string_view report_json =
    R"({"type": "signalement_individuel", "emetteur": {"service": "Police municipale", "origine": "habitant"},)"
    R"( "personnes": [{"categorie": "personne_signalee", "nom": "Corvelle", "commune": "89024"}],)"
    R"( "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";

template <class T>
T must(client::Outcome<T> outcome) {
  if (!outcome) throw std::logic_error(client::code_text(outcome.error()) + ": " + outcome.error().detail);
  return std::move(*outcome);
}

/// Bends one sort of reply.
template <class Body, class Bend>
std::function<void(const protocol::Request&, protocol::ReplyBody&)> bend_each(Bend bend) {
  return [bend](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* body = std::get_if<Body>(&reply)) bend(*body);
  };
}

}  // namespace

/// Who starts each lie.
struct Liar {
  using Start = void (*)(LyingBroker&);
  struct Row {
    Lie lie;
    Start start;
  };

  static MemoryBroker& broker(LyingBroker& at) { return *at.broker_; }

  /// Another log in the place of ours: it leaves our past before the last leaves and grows by `more` beyond us.
  static void go_another_way(LyingBroker& at, std::size_t more) {
    MemoryBroker other = *at.past_;
    const std::uint64_t size = at.broker_->size().value + more;
    while (other.size().value < size) other.add_noise_leaf();
    *at.broker_ = std::move(other);
  }
  static void sign_as(LyingBroker& at, const std::string& origin, const crypto::SigningKey& key) {
    MemoryBroker* own = at.broker_.get();
    const std::string note = audit::sign_checkpoint({origin, own->size(), own->root()}, key);
    own->bend = bend_each<protocol::HelloReply>([note](protocol::HelloReply& hello) {
      hello.checkpoint = note;
      hello.consistency.clear();
    });
  }
  /// Swaps what two places of a queue show.
  static void swap_places(protocol::QueueItem& one, protocol::QueueItem& other) {
    std::swap(one.exchange, other.exchange);
    std::swap(one.address, other.address);
    std::swap(one.seal, other.seal);
    std::swap(one.signature, other.signature);
  }
  static LeafIndex leaf_of(LyingBroker& at, std::string_view act) {
    for (std::uint64_t i = at.broker_->size().value; i-- > 0;)
      if (const Bytes* found = at.broker_->record(i).find("act"); found != nullptr && as_text(*found) == act)
        return LeafIndex{i};
    throw std::logic_error("no such act in the lying broker's log");
  }
  /// What the client has not seen yet.
  static void send_news(LyingBroker& at) {
    at.send_report("r.bellerive");
    at.send_report("r.clairval");
  }
  /// Shows the newest exchange as hidden, and answers with `proof` whoever asks why.
  static void hide_newest(LyingBroker& at, std::function<protocol::ReplyBody()> proof) {
    const auto hidden = *to_array<32>(*at.broker_->record(leaf_of(at, "submit").value).find("exchange"));
    at.broker_->bend = bend_each<protocol::Items>([hidden](protocol::Items& items) {
      for (protocol::QueueItem& item : items.items)
        if (item.exchange == hidden) item = {item.queue, item.head, item.exchange, {}, {}, {}, {}, {}, false};
    });
    at.broker_->instead =
        [hidden, proof = std::move(proof)](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
      const auto* prove = std::get_if<protocol::Prove>(&request.body);
      if (prove == nullptr || prove->leaf || prove->exchange != hidden) return std::nullopt;
      return proof();
    };
  }
  static void set(audit::Record& record, std::string_view name, ByteView value) {
    for (audit::Field& field : record.fields)
      if (field.name == name) field.value = to_bytes(value);
  }

  static const std::vector<Row>& rows();
};

const std::vector<Liar::Row>& Liar::rows() {
  static const std::vector<Row> all = {
      // ---- the log
      {{"fork", "shows another log than before, larger, signed by the same key", "P7", "ged.un", Gesture::connect,
        "log_forked"},
       [](LyingBroker& at) { go_another_way(at, 2); }},
      {{"fork-same-size", "shows another log than before, of the same size", "P7", "ged.un", Gesture::connect,
        "log_forked"},
       [](LyingBroker& at) { go_another_way(at, 0); }},
      {{"false-consistency", "shows its log grown, with a proof of consistency of another tree", "P7", "ged.un",
        Gesture::connect, "log_forked"},
       [](LyingBroker& at) {
         broker(at).add_noise_leaf();
         broker(at).bend = bend_each<protocol::HelloReply>([](protocol::HelloReply& hello) {
           if (!hello.consistency.empty()) hello.consistency[0][0] ^= 1;
         });
       }},
      {{"shard-without-order", "shows another shard of the log, and no order to close the one before", "P10", "ged.un",
        Gesture::connect, "log_forked"},
       [](LyingBroker& at) { sign_as(at, at.world_.log + "/2026-2", at.world_.log_key); }},
      {{"rewind", "is put back to an earlier state, and says nothing", "P10", "ged.un", Gesture::connect, "log_shrunk"},
       [](LyingBroker& at) { *at.broker_ = *at.past_; }},
      {{"unsigned-checkpoint", "shows a checkpoint signed by another key", "P7", "ged.un", Gesture::connect,
        "receipt_invalid"},
       [](LyingBroker& at) { sign_as(at, broker(at).origin(), crypto::SigningKey::generate()); }},
      {{"another-log", "shows a checkpoint of another département's log", "P7", "ged.un", Gesture::connect,
        "receipt_invalid"},
       [](LyingBroker& at) { sign_as(at, "pli.exemple.fr/pli/21/2026-1", at.world_.log_key); }},
      // ---- the directory
      {{"stale-directory", "shows the directory's version before the one it has shown", "P5", "ged.un",
        Gesture::connect, "directory_unproven"},
       [](LyingBroker& at) {
         broker(at).bend =
             bend_each<protocol::HelloReply>([](protocol::HelloReply& hello) { hello.directory = DirectoryNumber{1}; });
       }},
      {{"two-directories", "has another version under the number it has shown", "P5", "ged.un", Gesture::connect,
        "directory_unproven"},
       [](LyingBroker& at) {
         broker(at).bend =
             bend_each<protocol::HelloReply>([](protocol::HelloReply& hello) { hello.directory_digest[0] ^= 1; });
       }},
      {{"weak-directory", "has a reader enrolled by one authority where two must sign", "P5", "ged.un",
        Gesture::connect, "directory_unproven"},
       [](LyingBroker& at) {
         at.world_.enrol("intrus", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
         const std::string weak = at.world_.sign_version(at.since_, 1).note;
         broker(at).bend = [weak](const protocol::Request&, protocol::ReplyBody& reply) {
           if (auto* hello = std::get_if<protocol::HelloReply>(&reply)) hello->directory = DirectoryNumber{3};
           if (auto* page = std::get_if<protocol::DirectoryPage>(&reply)) page->note = weak;
         };
       }},
      {{"slipped-reader", "adds a reader's key to a queue's entry of a signed version", "P5", "r.clairval",
        Gesture::connect, "directory_unproven"},
       [](LyingBroker& at) {
         at.world_.enrol("ged.quatre", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
         broker(at).publish(at.world_.sign_version(at.since_));
         broker(at).bend = bend_each<protocol::DirectoryPage>([](protocol::DirectoryPage& page) {
           for (protocol::DirectoryItem& item : page.items) {
             auto entry = protocol::decode_entry(item.entry);
             if (!entry || entry->id != "ged/89") continue;
             item.entry.back() ^= 1;
           }
         });
       }},
      {{"unlogged-directory", "shows a version its log does not name", "P7", "ged.un", Gesture::connect,
        "directory_unproven"},
       [](LyingBroker& at) {
         at.world_.enrol("ged.quatre", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
         broker(at).publish(at.world_.sign_version(at.since_));
         MemoryBroker* own = at.broker_.get();
         own->bend = bend_each<protocol::DirectoryPage>(
             [own](protocol::DirectoryPage& page) { page.leaf = own->prove(LeafIndex{0}, {"act"}); });
       }},
      {{"another-name", "takes the member for another one", "P5", "ged.un", Gesture::connect, "no_invitation"},
       [](LyingBroker& at) {
         broker(at).bend =
             bend_each<protocol::HelloReply>([](protocol::HelloReply& hello) { hello.member = "ged.deux"; });
       }},
      // ---- queues
      {{"withhold", "leaves an exchange out of a queue", "P8", "ged.un", Gesture::inbox, "queue_withheld"},
       [](LyingBroker& at) {
         send_news(at);
         broker(at).bend = bend_each<protocol::Items>([](protocol::Items& items) {
           if (items.items.size() > 1) items.items.erase(items.items.begin());
         });
       }},
      {{"withhold-last", "does not show the newest exchange of a queue, and says that the queue ends before it", "P8",
        "ged.un", Gesture::inbox, "queue_withheld"},
       [](LyingBroker& at) {
         broker(at).bend = bend_each<protocol::Items>([](protocol::Items& items) {
           items.items.clear();
           items.head.number = QueueNumber{1};
         });
       }},
      {{"reorder", "shows two exchanges of a queue the other way round", "P8", "ged.un", Gesture::inbox,
        "queue_withheld"},
       [](LyingBroker& at) {
         send_news(at);
         broker(at).bend = bend_each<protocol::Items>([](protocol::Items& items) {
           if (items.items.size() > 1) swap_places(items.items[0], items.items[1]);
         });
       }},
      {{"hide", "says of an exchange that it was not sealed to a member it was sealed to", "P8", "ged.un",
        Gesture::inbox, "queue_hidden"},
       [](LyingBroker& at) {
         send_news(at);
         broker(at).bend = bend_each<protocol::Items>([](protocol::Items& items) {
           if (items.items.empty()) return;
           const protocol::QueueItem& first = items.items[0];
           items.items[0] = {first.queue, first.head, first.exchange, {}, {}, {}, {}, {}, false};
         });
       }},
      {{"false-ours", "hides an exchange as sent by the member's own organisation, and has the log say so", "P8",
        "ged.un", Gesture::inbox, "queue_hidden"},
       [](LyingBroker& at) {
         send_news(at);
         audit::Record false_record = broker(at).record(leaf_of(at, "submit").value);
         set(false_record, "organisation", as_bytes("police-89"));
         MemoryBroker* own = at.broker_.get();
         const LeafIndex leaf = own->add_record(audit::LeafType::collecte, std::move(false_record));
         hide_newest(at, [own, leaf]() -> protocol::ReplyBody {
           return protocol::Proven{own->prove(leaf, {"actor", "organisation", "act", "exchange", "queue", "kind",
                                                     "outcome", "number", "head", "key", "signature"}),
                                   {}};
         });
       }},
      {{"false-author", "hides an exchange as part of a case of the member's organisation, which has none", "P8",
        "ged.un", Gesture::inbox, "queue_hidden"},
       [](LyingBroker& at) {
         send_news(at);
         hide_newest(at, []() -> protocol::ReplyBody {
           return protocol::Refusal{protocol::Code::forbidden, "interdit.auteur", 0};
         });
       }},
      {{"false-place", "proves a place of a queue by the record of another", "P8", "ged.un", Gesture::inbox,
        "queue_withheld"},
       [](LyingBroker& at) {
         send_news(at);
         MemoryBroker* own = at.broker_.get();
         own->bend = bend_each<protocol::Proven>([own](protocol::Proven& proven) {
           proven.proof = own->prove(LeafIndex{proven.proof.index.value - 1},
                                     {"act", "exchange", "queue", "outcome", "number", "head"});
         });
       }},
      // ---- openings
      {{"swap-release-key", "gives a release key that opens nothing", "P4", "ged.un", Gesture::open,
        "release_mismatch"},
       [](LyingBroker& at) {
         broker(at).bend =
             bend_each<protocol::Opened>([](protocol::Opened& opened) { opened.access[0].grant[40] ^= 1; });
       }},
      {{"swap-payload", "gives other content than was sealed", "P5", "ged.un", Gesture::open, "payload_mismatch"},
       [](LyingBroker& at) {
         broker(at).bend = bend_each<protocol::Opened>([](protocol::Opened& opened) { opened.payload[20] ^= 1; });
       }},
      {{"swap-address", "gives another address than was signed", "P5", "ged.un", Gesture::open, "address_mismatch"},
       [](LyingBroker& at) {
         broker(at).bend =
             bend_each<protocol::Opened>([](protocol::Opened& opened) { opened.access[0].address[60] ^= 1; });
       }},
      {{"forged-sender", "gives an exchange its sender did not sign", "P5", "ged.un", Gesture::open, "sender_unproven"},
       [](LyingBroker& at) {
         broker(at).bend =
             bend_each<protocol::Opened>([](protocol::Opened& opened) { opened.access[0].signature[10] ^= 1; });
       }},
      {{"unrecorded-opening", "proves another act in the place of the opening", "P3", "ged.un", Gesture::open,
        "receipt_invalid"},
       [](LyingBroker& at) {
         MemoryBroker* own = at.broker_.get();
         const LeafIndex submission = leaf_of(at, "submit");
         own->bend = bend_each<protocol::Opened>([own, submission](protocol::Opened& opened) {
           opened.proof = own->prove(submission, {"act", "outcome", "exchange"});
         });
       }},
      // ---- receipts
      {{"false-receipt", "gives the receipt of another act", "P2", "r.bellerive", Gesture::send, "receipt_invalid"},
       [](LyingBroker& at) {
         MemoryBroker* own = at.broker_.get();
         const LeafIndex other = leaf_of(at, "submit");
         own->bend = bend_each<protocol::Accepted>([own, other](protocol::Accepted& accepted) {
           accepted.proof = own->prove(other, {"act", "exchange", "outcome"});
         });
       }},
      {{"empty-receipt", "gives a receipt whose path leads to another root", "P2", "r.bellerive", Gesture::send,
        "receipt_invalid"},
       [](LyingBroker& at) {
         broker(at).bend = bend_each<protocol::Accepted>([](protocol::Accepted& accepted) {
           if (!accepted.proof.proof.empty()) accepted.proof.proof[0][0] ^= 1;
         });
       }},
      // ---- the journal
      {{"drop-record", "leaves a record out of the journal", "P7", "auditeur", Gesture::audit, "leaf_missing"},
       [](LyingBroker& at) {
         broker(at).bend = bend_each<protocol::Records>([](protocol::Records& records) {
           if (records.items.size() > 2) records.items.erase(records.items.begin() + 2);
         });
       }},
      {{"edit-record", "shows a record other than its leaf commits to", "P7", "auditeur", Gesture::audit,
        "record_mismatch"},
       [](LyingBroker& at) {
         broker(at).bend = bend_each<protocol::Records>([](protocol::Records& records) {
           if (records.items.size() > 2) std::swap(records.items[1].disclosure, records.items[2].disclosure);
         });
       }},
      {{"edit-field", "shows a field other than its commitment", "P7", "auditeur", Gesture::audit,
        "disclosure_malformed"},
       [](LyingBroker& at) {
         broker(at).bend = bend_each<protocol::Records>([](protocol::Records& records) {
           if (records.items.size() > 2) records.items[2].disclosure.back() ^= 1;
         });
       }},
      {{"one-number-twice", "gave one place of a queue to two exchanges", "P8", "auditeur", Gesture::audit,
        "queue_number_twice"},
       [](LyingBroker& at) {
         audit::Record twice = broker(at).record(leaf_of(at, "submit").value);
         set(twice, "exchange", Bytes(32, 9));
         broker(at).add_record(audit::LeafType::collecte, std::move(twice));
       }},
      {{"invented-act", "records an exchange nobody signed", "P5", "auditeur", Gesture::audit, "statement_forged"},
       [](LyingBroker& at) {
         audit::Record invented = broker(at).record(leaf_of(at, "submit").value);
         set(invented, "exchange", Bytes(32, 9));
         broker(at).add_record(audit::LeafType::collecte, std::move(invented));
       }},
      {{"false-refusal", "refuses a member as the author of a case he did not open", "P8", "auditeur", Gesture::audit,
        "refusal_unfounded"},
       [](LyingBroker& at) {
         audit::Record refusal = audit::new_record();
         for (const auto& [name, value] :
              {std::pair("actor", "ged.un"), std::pair("person", "ged.un"), std::pair("organisation", "police-89"),
               std::pair("act", "prove"), std::pair("outcome", "FORBIDDEN"), std::pair("rule", "interdit.auteur")})
           refusal.add(name, value);
         refusal.add("exchange", *broker(at).record(leaf_of(at, "submit").value).find("exchange"));
         broker(at).add_record(audit::LeafType::refus, std::move(refusal));
       }},
      {{"postdate", "withholds a record as erased at its term, by an erasure dated seven months ahead", "P7",
        "auditeur", Gesture::audit, "time_ahead"},
       [](LyingBroker& at) {
         const std::uint64_t withheld = leaf_of(at, "submit").value;
         audit::Record erasure = audit::new_record();
         erasure.add("act", "erase");
         erasure.add("outcome", "ok");
         erasure.add("range", std::to_string(withheld) + "," + std::to_string(withheld + 1));
         broker(at).leaves_ahead = std::chrono::hours(24 * 220);
         broker(at).add_record(audit::LeafType::effacement, std::move(erasure));
         broker(at).bend = bend_each<protocol::Records>([withheld](protocol::Records& records) {
           for (protocol::RecordItem& item : records.items)
             if (item.index.value == withheld) item.disclosure.clear();
         });
       }},
  };
  return all;
}

std::string_view text_of(Gesture gesture) {
  switch (gesture) {
    case Gesture::connect: return "connect";
    case Gesture::inbox: return "inbox";
    case Gesture::open: return "open";
    case Gesture::send: return "send";
    case Gesture::audit: return "audit";
  }
  return "";
}

std::span<const Lie> lies() {
  static const std::vector<Lie> all = [] {
    std::vector<Lie> out;
    for (const Liar::Row& row : Liar::rows()) out.push_back(row.lie);
    return out;
  }();
  return all;
}

const Lie* find_lie(std::string_view name) {
  const auto all = lies();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Lie& lie) { return lie.name == name; });
  return found == all.end() ? nullptr : &*found;
}

LyingBroker::LyingBroker(const Lie& lie, const Clock& clock, UnixMillis since)
    : lie_(lie), clock_(clock), since_(since), world_(since) {
  people_it(world_);
  broker_ = std::make_unique<MemoryBroker>(world_, clock_, world_.sign_version(since_));
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_->publish(world_.sign_version(since_));
  send_report("r.bellerive");
  send_report("r.bellerive");
  send_report("r.clairval");
  past_ = std::make_unique<MemoryBroker>(*broker_);
  broker_->add_noise_leaf();
}

void LyingBroker::send_report(const std::string& member) {
  ScratchFolder folder;
  const client::Profile profile = world_.profile(folder, member);
  const client::Keys keys = world_.keys(member);
  MemoryBroker* shown = broker_.get();
  auto session = must(client::Session::open(
      profile, keys, clock_, std::make_unique<MemoryConnection>(shown, keys.current.public_identity().curve)));
  auto form = protocol::Form::from_json(report_json, nullptr, nullptr);
  if (!form) throw std::logic_error("the lying broker's report is no form");
  client::Outbox outbox(profile, clock_);
  must(outbox.put(client::draft_of(*form, "ged/89"), keys));
  const client::FlushReport sent = must(outbox.flush(*session));
  if (sent.stopped) throw std::logic_error(client::code_text(*sent.stopped));
}

void LyingBroker::start_lying() {
  for (const Liar::Row& row : Liar::rows())
    if (row.lie.name == lie_.name) return row.start(*this);
  throw std::logic_error("a lie that is not listed");
}

}  // namespace pli::testing
