// The core fed with whatever the gate may let through: any member or stranger on any connection, any request of any
// order, batch by batch, over jumps of the clock and restarts. What must hold whatever comes: each request is answered
// once and to whom asked it, in a message that fits and decodes; the log only grows, each of its checkpoints is signed
// and extends the one before; no leaf is dated before its predecessor; and at the end the store is whole.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/checkpoint.hpp"
#include "audit/leaf.hpp"
#include "broker/check_store.hpp"
#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"
#include "protocol/vocabulary.hpp"
#include "tests/support/broker_house.hpp"
#include "tests/support/faulty_disk.hpp"

namespace {

using namespace pli;
using namespace pli::testing;
using broker::VerifiedBody;

constexpr std::size_t steps_max = 48;
constexpr std::size_t batch_max = 6;
constexpr std::array<const char*, 3> plain_handling = {"ged-only", "ask-before-transfer", "eyes-only"};

/// The fuzzer's bytes, as choices; zeros once they are spent.
class Choices {
 public:
  explicit Choices(ByteView bytes) : rest_(bytes) {}
  [[nodiscard]] bool spent() const { return rest_.empty(); }
  std::size_t below(std::size_t count) { return count < 2 ? 0 : number(count > 256 ? 2 : 1) % count; }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t out = 0;
    for (; bytes > 0 && !rest_.empty(); --bytes, rest_ = rest_.subspan(1)) out = out << 8 | rest_[0];
    return out;
  }
  /// Small, huge, or about some number that means something.
  std::uint64_t count_near(std::uint64_t meaning) {
    switch (below(4)) {
      case 0: return meaning + below(3) - 1;
      case 1: return number(8);
      case 2: return below(8);
      default: return meaning;
    }
  }
  std::string text(std::size_t max) {
    const std::size_t size = std::min(below(max + 1), rest_.size());
    std::string out(as_text(rest_.first(size)));
    rest_ = rest_.subspan(size);
    return out;
  }
  template <class List>
  const auto& of(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  ByteView rest_;
};

/// Made once; every run starts from the same files.
struct World {
  Department department{[] {
    DepartmentOptions options;
    options.senders = 1;
    options.clir_members = 2;
    return options;
  }()};
  FaultyDisk disk{1};
  BrokerHouse house{department, [this] {
                      broker::StoreOptions options;
                      options.vfs = disk.name();
                      options.background_writeback = false;
                      options.free_bytes = [] { return std::uint64_t{1} << 40; };
                      return options;
                    }()};
  DiskImage start;
  std::vector<std::string> members = department.member_ids();
  std::vector<std::string> queues = {"ged/89", "clir/89", "cpraf/89", "audit/89"};
  std::vector<broker::VerifiedPublish> versions;
  std::vector<broker::VerifiedSuspension> suspensions;

  World() {
    for (const char* member : {"referent.auxerre", "referent.sens", "outil.transport", "ged.1"})
      queues.push_back(department.organisation_queue(member));
    const auto until = department.now() + protocol::directory_validity_max;
    // Rosters stay, so that what is sealed later is sealed right under each of them.
    versions.push_back(department.renew_term(until));
    versions.push_back(department.enrol("referent.nouveau", department.member("referent.sens").organisation,
                                        {protocol::Role::referent}, {}));
    versions.push_back(department.sign_version({}, DirectoryNumber{9}, Digest{}, until, 0));
    for (const char* member : {"ged.3", "referent.auxerre", "auditeur"}) {
      protocol::Suspension suspension;
      suspension.contract = department.directory()->contract()->id;
      suspension.member = member;
      suspension.directory = department.directory()->number();
      suspension.from = department.now();
      suspensions.push_back({department.sign_suspension(suspension, 0)});
    }
    house.close();
    start = disk.image();
  }
};

/// One run's doings and what it has seen.
class Run {
 public:
  Run(World& world, ByteView bytes) : world_(world), house_(world.house), choices_(bytes) {
    house_.close();
    world_.disk.put(world_.start);
    house_.now = world_.department.now();
    open();
  }

  void go() {
    for (std::size_t step = 0; step < steps_max && !choices_.spent(); ++step) switch (choices_.below(16)) {
        case 0: house_.now = house_.now + std::chrono::milliseconds(choices_.number(3) % 3'600'000); break;
        case 1:
          house_.now = house_.now + std::chrono::milliseconds(-static_cast<std::int64_t>(choices_.number(2)));
          break;
        case 2: see(house_.tick(), {}); break;
        case 3:
          house_.close();
          open();
          break;
        case 4: house_.core().forget(peer(), std::nullopt); break;
        default: batch(); break;
      }
    house_.close_core();
    broker::CheckOptions options;
    options.vfs = world_.disk.name();
    options.log = world_.department.log();
    options.signatures = false;
    const auto report = broker::check_store(house_.database(), house_.keys(), options);
    PLI_INVARIANT(report.has_value());
    for (const auto& problem : report->problems)
      std::fprintf(stderr, "%s at %s\n", problem.name.c_str(), problem.where.c_str());
    PLI_INVARIANT(report->problems.empty());
  }

 private:
  void open() {
    PLI_INVARIANT(house_.open().has_value());
    see_checkpoint(house_.core().newest_checkpoint());
  }

  broker::Peer peer() {
    const std::size_t who = choices_.below(world_.members.size() + 1);
    if (who < world_.members.size())
      return world_.department.peer(world_.members[who], static_cast<int>(choices_.below(3)));
    broker::Peer stranger;
    stranger.routing_id = Bytes(5, 9);
    return stranger;
  }
  std::string queue() { return choices_.below(8) == 0 ? choices_.text(40) : choices_.of(world_.queues); }
  std::string shard() {
    switch (choices_.below(3)) {
      case 0: return world_.department.origin();
      case 1: return world_.department.log() + "/2026-" + std::to_string(choices_.below(4));
      default: return "";
    }
  }
  Digest exchange() {
    if (!accepted_.empty() && choices_.below(8) != 0) return choices_.of(accepted_);
    return choices_.below(2) == 0 ? Digest{} : crypto::sha256(as_bytes(choices_.text(4)));
  }

  /// Nothing where the gate would have refused the address.
  std::optional<VerifiedBody> submit() {
    if (!submitted_.empty() && choices_.below(4) == 0) return choices_.of(submitted_).verified();  // sent again
    Draft draft;
    draft.sender = choices_.of(world_.members);
    draft.openable = false;
    draft.kind = choices_.of(protocol::kind_table()).kind;
    draft.queue = choices_.of(world_.queues);
    const auto* row = protocol::row_of(draft.kind);
    if (row->names_case != (choices_.below(8) == 0)) draft.case_id = exchange();
    if (choices_.below(3) == 0) draft.in_reply_to = exchange();
    // Whatever else stands there the gate does not decode.
    if (choices_.below(4) == 0)
      draft.handling = {choices_.of(plain_handling),
                        "no-copy-to:" + world_.department.member(choices_.of(world_.members)).organisation};
    if (const std::string name(protocol::attribute_name(draft.kind)); !name.empty()) {
      static constexpr std::array<std::string_view, 2> days = {"2026-01-20", "2026-12-31"};
      std::span<const std::string_view> values = days;
      if (name == "avis") values = protocol::admissibility_words();
      if (draft.kind == protocol::Kind::agrement) values = protocol::opinion_words();
      if (name == "terme") values = protocol::closing_terms();
      if (draft.kind == protocol::Kind::anomalie) values = protocol::anomaly_codes();
      if (draft.kind == protocol::Kind::maintien) values = protocol::hold_codes();
      if (draft.kind == protocol::Kind::demande_effacement) values = protocol::erasure_codes();
      draft.attributes = {{name, std::string(choices_.of(values))}};
      if (draft.kind == protocol::Kind::agrement && draft.attributes[0].second == "accord" && choices_.below(2) == 0)
        draft.attributes.emplace_back("date", std::string(choices_.of(days)));
    }
    draft.created_at = house_.now + std::chrono::milliseconds(choices_.below(4) == 0 ? choices_.number(4) : 0);
    Sealed sealed = world_.department.seal(draft);
    sealed.address.directory = directory_;
    if (choices_.below(6) == 0) switch (choices_.below(6)) {
        case 0: sealed.address.directory = DirectoryNumber{choices_.count_near(1)}; break;
        case 1: sealed.address.roster = crypto::sha256({}); break;
        case 2: sealed.address.contract = choices_.text(20); break;
        case 3: sealed.address.kind = static_cast<std::uint16_t>(choices_.number(2)); break;
        case 4: sealed.address.queue = choices_.text(40); break;
        default: sealed.address.log = choices_.text(20); break;
      }
    world_.department.commit_and_sign(sealed);
    if (!protocol::decode_address(sealed.envelope.address)) return std::nullopt;
    submitted_.push_back(sealed.clone());
    return sealed.verified();
  }

  std::optional<VerifiedBody> body() {
    const std::uint64_t size = house_.store().tree_size().value;
    switch (choices_.below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return submit();
      case 5:
      case 6:
      case 7: {
        if (!openings_.empty() && choices_.below(4) == 0) return world_.department.open_again(choices_.of(openings_));
        const auto& who = choices_.of(world_.members);
        const UnixMillis when = house_.now + std::chrono::milliseconds(choices_.below(6) == 0 ? choices_.number(4) : 0);
        auto opening = world_.department.open(who, exchange(), when);
        openings_.push_back(world_.department.open_again(opening));
        return opening;
      }
      case 8:
        return protocol::Hello{1, 1, TreeSize{choices_.count_near(size)},
                               choices_.below(2) == 0 ? "" : world_.department.origin()};
      case 9:
        return protocol::List{queue(), QueueNumber{choices_.count_near(accepted_.size())},
                              static_cast<std::uint32_t>(choices_.count_near(64))};
      case 10: return protocol::ListCases{exchange(), static_cast<std::uint32_t>(choices_.count_near(64))};
      case 11: {
        protocol::GetChunk chunk;
        if (!openings_.empty()) chunk.opening = choices_.of(openings_).id;
        chunk.part = choices_.below(2) == 0 ? protocol::PartKind::payload : protocol::PartKind::locked;
        chunk.access = static_cast<std::uint32_t>(choices_.count_near(1));
        chunk.index = static_cast<std::uint32_t>(choices_.count_near(0));
        return chunk;
      }
      case 12: return protocol::Acknowledge{queue(), QueueNumber{choices_.count_near(accepted_.size())}};
      case 13: {
        protocol::Follow follow;
        for (std::size_t n = choices_.below(4); n > 0; --n)
          follow.queues.push_back({queue(), QueueNumber{choices_.count_near(accepted_.size())}});
        follow.credit = static_cast<std::uint32_t>(choices_.count_near(16));
        return follow;
      }
      case 14: return protocol::GetDirectory{DirectoryNumber{choices_.count_near(1)}, choices_.count_near(1)};
      case 15:
        if (choices_.below(2) == 0) return choices_.of(world_.suspensions);
        {
          broker::VerifiedPublish version = choices_.of(world_.versions);
          if (choices_.below(4) == 0) version.changed.push_back(to_bytes(choices_.text(60)));
          return version;
        }
      case 16: return protocol::GetCheckpoint{TreeSize{choices_.count_near(size)}};
      case 17: {
        protocol::Prove prove;
        prove.exchange = exchange();
        if (choices_.below(2) == 0) prove.leaf = LeafIndex{choices_.count_near(size)};
        prove.shard = shard();
        prove.published = choices_.below(2) == 0;
        return prove;
      }
      case 18:
        return protocol::GetRecords{LeafIndex{choices_.count_near(size)},
                                    static_cast<std::uint32_t>(choices_.count_near(64)), shard()};
      default:
        switch (choices_.below(4)) {
          case 0: return protocol::GetHealth{};
          case 1: return protocol::GetShard{shard(), TreeSize{choices_.count_near(size)}};
          case 2: return broker::GateRefusal{{protocol::Code::bad_signature, {}, {}}, "submit", exchange()};
          default: return broker::Unattributed{};
        }
    }
  }

  /// What arrives as it is must be something that decodes; what the gate makes of a message is made by it alone.
  static bool passes_the_wire(const VerifiedBody& body) {
    return std::visit(
        [](const auto& each) {
          using Body = std::decay_t<decltype(each)>;
          if constexpr (std::is_constructible_v<protocol::RequestBody, const Body&>)
            return protocol::decode_request(protocol::encode(protocol::Request{1, each})).has_value();
          else
            return true;
        },
        body);
  }

  void batch() {
    std::vector<broker::VerifiedRequest> requests;
    std::map<std::uint64_t, broker::Peer> expected;
    for (std::size_t n = choices_.below(batch_max) + 1; n > 0; --n) {
      broker::VerifiedRequest request;
      request.peer = peer();
      auto asked = body();
      if (!asked || !passes_the_wire(*asked)) continue;
      request.body = *std::move(asked);
      if (const auto* opening =
              std::get_if<broker::VerifiedOpen>(&request.body))  // the gate lets no other pair through
        if (choices_.below(8) != 0) request.peer = world_.department.peer(opening->request.opener, 0);
      if (const auto* sent = std::get_if<broker::VerifiedSubmit>(&request.body))
        if (choices_.below(8) != 0) request.peer = world_.department.peer(sent->address.sender, 0);
      request.request_id = ++last_request_;
      if (!std::holds_alternative<broker::Unattributed>(request.body)) expected[request.request_id] = request.peer;
      requests.push_back(std::move(request));
    }
    auto outcome = house_.apply(std::move(requests));
    PLI_INVARIANT(outcome.has_value());
    see(*outcome, std::move(expected));
    while (house_.core().behind()) {
      const auto more = house_.core().catch_up(house_.now);
      PLI_INVARIANT(more.has_value());
      for (const broker::Outgoing& out : *more) see_message(out);
      if (more->empty()) break;
    }
  }

  void see(const broker::BatchOutcome& outcome, std::map<std::uint64_t, broker::Peer> expected) {
    if (outcome.new_directory) directory_ = outcome.new_directory->number();
    for (const broker::Outgoing& out : outcome.outgoing) {
      see_message(out);
      if (out.answers) {
        const auto asked = expected.find(out.reply.id);
        PLI_INVARIANT(asked != expected.end() && asked->second == out.peer);
        expected.erase(asked);
      }
      if (const auto* accepted = std::get_if<protocol::Accepted>(&out.reply.body))
        if (std::find(accepted_.begin(), accepted_.end(), accepted->exchange) == accepted_.end())
          accepted_.push_back(accepted->exchange);
    }
    PLI_INVARIANT(expected.empty());
    PLI_INVARIANT(outcome.leaves.empty() || outcome.first_leaf.value == size_);
    for (const std::string& text : outcome.leaves) {
      const auto leaf = audit::decode_leaf(text);
      PLI_INVARIANT(leaf.has_value() && leaf->time >= last_time_);
      last_time_ = leaf->time;
    }
    PLI_INVARIANT(outcome.leaves.empty() != outcome.checkpoint.has_value());
    if (outcome.checkpoint) {
      see_checkpoint(*outcome.checkpoint);
      PLI_INVARIANT(size_ == outcome.first_leaf.value + outcome.leaves.size());
    }
  }

  void see_checkpoint(const std::string& note) {
    const auto checkpoint = audit::verify_checkpoint(note, house_.log_key());
    PLI_INVARIANT(checkpoint.has_value() && checkpoint->size().value >= size_);
    PLI_INVARIANT(checkpoint->size().value > size_ || root_ == Digest{} || root_ == checkpoint->root());
    size_ = checkpoint->size().value;
    root_ = checkpoint->root();
  }

  static void see_message(const broker::Outgoing& out) {
    const Bytes bytes = protocol::encode(out.reply);
    PLI_INVARIANT(bytes.size() <= protocol::message_bytes_max);
    PLI_INVARIANT(protocol::decode_reply(bytes).has_value());
  }

  World& world_;
  BrokerHouse& house_;
  Choices choices_;
  std::vector<Digest> accepted_;
  std::vector<Sealed> submitted_;
  std::vector<broker::VerifiedOpen> openings_;
  std::uint64_t last_request_ = 0;
  std::uint64_t size_ = 0;
  Digest root_{};
  DirectoryNumber directory_{1};
  UnixMillis last_time_{};
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pli::crypto::initialise();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  Run(world, {data, size}).go();
  return 0;
}
