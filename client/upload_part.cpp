#include "client/upload_part.hpp"

#include <algorithm>
#include <deque>
#include <thread>

#include "crypto/hash.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;
using std::chrono::milliseconds;

/// What a broker may make us wait for one BUSY.
constexpr milliseconds busy_wait_max{5000};
/// The second round is for a broker that lost what it had (restart); a third would not help.
constexpr int rounds_max = 2;

struct InFlight {
  std::uint64_t number = 0;
  std::uint32_t index = 0;
};

/// One part on its way.
class Upload {
 public:
  Upload(Session& session, ByteView part, const std::function<void(std::uint64_t)>& progress)
      : session_(session), part_(part), progress_(progress), digest_(crypto::sha256(part)) {
    count_ = static_cast<std::uint32_t>((part.size() + protocol::chunk_bytes_max - 1) / protocol::chunk_bytes_max);
  }
  ~Upload() {
    for (const InFlight& each : flying_)
      static_cast<void>(session_.connection().take(each.number, milliseconds::zero()));
  }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  Outcome<void> run() {
    if (count_ == 0) return Failure(LocalCode::usage, "an empty part");
    // The first chunk tells how much the broker holds from an earlier attempt.
    if (auto sent = post(0); !sent) return sent;
    if (auto taken = take_all(); !taken) return taken;
    for (int round = 0; round < rounds_max && !complete_; ++round) {
      const auto held = static_cast<std::uint32_t>(received_ / protocol::chunk_bytes_max);
      const std::uint32_t first = round == 0 ? std::clamp<std::uint32_t>(held, 1, count_) : 0;
      for (std::uint32_t index = first; index < count_ && !complete_; ++index) {
        while (flying_.size() >= std::clamp<std::size_t>(credit_, 1, protocol::chunk_credit))
          if (auto taken = take_one(); !taken) return taken;
        if (auto sent = post(index); !sent) return sent;
      }
      if (auto taken = take_all(); !taken) return taken;
    }
    if (!complete_) return Failure(LocalCode::unreachable, "the broker does not complete the part");
    return {};
  }

 private:
  Outcome<void> post(std::uint32_t index) {
    const std::size_t from = std::size_t{index} * protocol::chunk_bytes_max;
    const ByteView chunk = part_.subspan(from, std::min(protocol::chunk_bytes_max, part_.size() - from));
    auto number = session_.connection().post(protocol::PutChunk{digest_, part_.size(), index, to_bytes(chunk)});
    if (!number) return number.error();
    flying_.push_back({*number, index});
    return {};
  }
  Outcome<void> take_all() {
    while (!flying_.empty())
      if (auto taken = take_one(); !taken) return taken;
    return {};
  }
  Outcome<void> take_one() {
    const InFlight first = flying_.front();
    flying_.pop_front();
    auto reply = session_.connection().take(first.number, reply_within);
    if (!reply) return reply.error();
    if (const auto* stored = std::get_if<protocol::ChunkStored>(&*reply)) {
      received_ = std::max(received_, stored->received_bytes);
      credit_ = stored->credit;
      complete_ = complete_ || stored->complete;
      if (progress_) progress_(complete_ ? part_.size() : std::min<std::uint64_t>(received_, part_.size()));
      return {};
    }
    const auto* refusal = std::get_if<protocol::Refusal>(&*reply);
    if (refusal == nullptr) return Failure(LocalCode::unreachable, "a reply to something else");
    if (refusal->code != protocol::Code::busy || ++busy_ > busy_waits_max) return Failure(*refusal);
    std::this_thread::sleep_for(std::min(milliseconds(refusal->retry_after_ms), busy_wait_max));
    return post(first.index);
  }

  Session& session_;
  ByteView part_;
  const std::function<void(std::uint64_t)>& progress_;
  Digest digest_;
  std::uint32_t count_ = 0;
  std::deque<InFlight> flying_;
  std::uint64_t received_ = 0;
  std::size_t credit_ = 1;
  bool complete_ = false;
  int busy_ = 0;
};

}  // namespace

Outcome<void> upload_part(Session& session, ByteView part, const std::function<void(std::uint64_t)>& progress) {
  return Upload(session, part, progress).run();
}

Outcome<protocol::Published> publish_directory(Session& session, const std::string& note, const Bytes& bundle) {
  protocol::PublishDirectory request;
  request.note = note;
  request.bundle_digest = crypto::sha256(bundle);
  request.bundle_size = bundle.size();
  if (note.size() + bundle.size() <= protocol::inline_bytes_max) {
    request.bundle = bundle;
  } else if (auto staged = upload_part(session, bundle); !staged) {
    return staged.error();
  }
  auto published = session.ask<protocol::Published>(std::move(request));
  if (!published) return published.error();
  auto proof = session.verify_proof(published->proof);
  if (!proof) return proof.error();
  auto shape = audit::parse_note(note);
  if (!shape) return local(LocalCode::usage, shape.error());
  const audit::Leaf& leaf = proof->receipt.leaf;
  if (!leaf.directory || leaf.directory->number != published->number ||
      leaf.directory->digest != protocol::directory_digest(shape->text))
    return Failure(LocalCode::receipt_invalid, "the log names another version");
  return std::move(*published);
}

Outcome<protocol::Published> publish_suspension(Session& session, const std::string& note) {
  protocol::PublishDirectory request;
  request.note = note;
  auto published = session.ask<protocol::Published>(std::move(request));
  if (!published) return published.error();
  auto proof = session.verify_proof(published->proof);
  if (!proof) return proof.error();
  const Bytes* recorded = proof->receipt.record.find("statement");
  if (proof->receipt.leaf.type != audit::LeafType::habilitation || recorded == nullptr || as_text(*recorded) != note)
    return Failure(LocalCode::receipt_invalid, "the log holds something else than this suspension");
  return std::move(*published);
}

}  // namespace pli::client
