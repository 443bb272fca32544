#include "broker/gate.hpp"

#include <gtest/gtest.h>

#include "audit/note.hpp"
#include "crypto/hash.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "protocol/suspension.hpp"
#include "tests/broker/front_world.hpp"

namespace pli::broker {
namespace {

using protocol::Code;

class GateChecks : public ::testing::Test {
 protected:
  GateChecks() : GateChecks(protocol::exchange_bytes_max) {}
  explicit GateChecks(std::uint64_t exchange_bytes_max)
      : verifier_(directory_, world_.release_keys(), *spool_, clock_, exchange_bytes_max) {}

  Verdict verify(const crypto::Identity& from, std::vector<Bytes> frames) {
    Incoming message;
    message.peer = {{0, 1, 2, 3, 4}, from.public_identity().curve};
    message.frames = std::move(frames);
    return verifier_.verify(std::move(message));
  }
  Verdict verify(const crypto::Identity& from, protocol::RequestBody body) {
    return verify(from, {protocol::encode(protocol::Request{7, std::move(body)})});
  }
  Verdict submit(const protocol::Envelope& envelope) { return verify(world_.referent, protocol::Submit{envelope}); }

  /// "CODE(subject)" of what the core would record, or what reached it instead.
  static std::string recorded(const Verdict& verdict) {
    if (!verdict.to_core) return verdict.answer ? "answered by the gate" : "nothing";
    const auto* refusal = std::get_if<GateRefusal>(&verdict.to_core->body);
    if (refusal == nullptr) return "reached the core";
    EXPECT_FALSE(verdict.answer) << "answered twice";
    return protocol::to_text(refusal->refusal);
  }
  static const VerifiedSubmit* accepted(const Verdict& verdict) {
    return verdict.to_core ? std::get_if<VerifiedSubmit>(&verdict.to_core->body) : nullptr;
  }

  World world_;
  TestFolder folder_;
  ManualClock clock_{world_time};
  DirectoryInForce directory_{world_.directory};
  std::unique_ptr<Spool> spool_ = Spool::open(folder_.path() / "spool", {}).value();
  Verifier verifier_;
};

TEST_F(GateChecks, AWellMadeSubmitReachesTheCoreWithItsReleaseKeyAndWithoutTheShare) {
  const protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  const Verdict verdict = submit(envelope);
  const VerifiedSubmit* got = accepted(verdict);
  ASSERT_NE(got, nullptr) << recorded(verdict);
  EXPECT_EQ(verdict.to_core->request_id, 7U);
  EXPECT_EQ(got->id, protocol::exchange_id(envelope.address, envelope.seal));
  EXPECT_EQ(got->envelope.payload, envelope.payload);
  EXPECT_EQ(got->envelope.locked, envelope.locked);
  EXPECT_TRUE(got->envelope.release.empty());
  EXPECT_EQ(crypto::release_commitment(protocol::address_digest(envelope.address), got->release_key),
            got->seal.release_commitment);
}

TEST_F(GateChecks, EveryFlippedBitOfAValidSubmitIsRefused) {
  const Bytes valid =
      protocol::encode(protocol::Request{7, protocol::Submit{world_.seal(world_.referent, "a.martin")}});
  ASSERT_NE(accepted(verify(world_.referent, {valid})), nullptr);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < valid.size(); ++i) {
    Bytes flipped = valid;
    flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ (1U << (i % 8)));
    const Verdict verdict = verify(world_.referent, {flipped});
    // The request's own id is the one thing nobody signs; everything else is.
    if (const VerifiedSubmit* got = accepted(verdict)) {
      EXPECT_NE(verdict.to_core->request_id, 7U) << "offset " << i;
      EXPECT_EQ(got->id, accepted(verify(world_.referent, {valid}))->id);
      continue;
    }
    ++refused;
    EXPECT_TRUE(verdict.to_core && (std::holds_alternative<GateRefusal>(verdict.to_core->body) ||
                                    std::holds_alternative<Unattributed>(verdict.to_core->body)))
        << "offset " << i << ": " << recorded(verdict);
  }
  EXPECT_GE(refused, valid.size() - 1);
}

TEST_F(GateChecks, EveryTruncationOfAValidSubmitIsRefused) {
  const Bytes valid =
      protocol::encode(protocol::Request{7, protocol::Submit{world_.seal(world_.referent, "a.martin")}});
  for (std::size_t size = 0; size < valid.size(); ++size) {
    const Verdict verdict = verify(world_.referent, {to_bytes(ByteView(valid).first(size))});
    ASSERT_EQ(accepted(verdict), nullptr) << size;
    ASSERT_TRUE(verdict.to_core.has_value()) << size;
    const bool counted = std::holds_alternative<Unattributed>(verdict.to_core->body);
    const bool refused = std::holds_alternative<GateRefusal>(verdict.to_core->body);
    EXPECT_TRUE(counted || refused) << size;
    EXPECT_EQ(counted, verdict.answer.has_value()) << size << ": what is only counted is answered by the gate";
  }
}

TEST_F(GateChecks, WhatCannotBeDecodedIsAnsweredUnderItsIdAndCounted) {
  const Verdict verdict = verify(world_.referent, {Bytes{0x08, 0x2a, 0xff, 0xff}});
  ASSERT_TRUE(verdict.answer);
  EXPECT_EQ(verdict.answer->reply.id, 42U);
  EXPECT_EQ(protocol::to_text(std::get<protocol::Refusal>(verdict.answer->reply.body)), "INVALID(request)");
  EXPECT_EQ(std::get<Unattributed>(verdict.to_core->body).reason, Unattributed::Reason::undecodable);
  const Bytes hello = protocol::encode(protocol::Request{7, protocol::Hello{}});
  EXPECT_TRUE(std::holds_alternative<Unattributed>(verify(world_.referent, {hello, hello}).to_core->body))
      << "one message is one frame";
}

TEST_F(GateChecks, AMessageOverTheLimitIsRecorded) {
  Incoming message;
  message.peer = {{0, 1, 2, 3, 4}, world_.referent.public_identity().curve};
  message.frames = {Bytes{0x08, 0x2a, 0x22, 0x80, 0x80, 0x04}};
  message.over_limit = true;
  const Verdict verdict = verifier_.verify(std::move(message));
  EXPECT_EQ(recorded(verdict), "TOO_LARGE(request)");
  EXPECT_EQ(verdict.to_core->request_id, 42U);
}

TEST_F(GateChecks, ARevokedARenewedAndAnExpiredKeyHearRevokedAtEachMessage) {
  EXPECT_EQ(recorded(verify(world_.revoked, protocol::Hello{})), "REVOKED");
  EXPECT_EQ(recorded(verify(world_.former, protocol::Hello{})), "REVOKED");
  EXPECT_EQ(recorded(verify(world_.renewed, protocol::Hello{})), "reached the core");
  const Bytes chunk(100);
  EXPECT_EQ(recorded(verify(world_.revoked, protocol::PutChunk{{1}, 100, 0, chunk})), "REVOKED");
  clock_.set(world_.directory->member("a.martin")->not_after);
  EXPECT_EQ(recorded(verify(world_.referent, protocol::Hello{})), "REVOKED");
  const Verdict health = verify(world_.revoked, protocol::GetHealth{});
  EXPECT_EQ(std::get<GateRefusal>(health.to_core->body).act, "health");
}

TEST_F(GateChecks, AKeyThatIsInNoVersionIsAnsweredUnknown) {
  const Verdict verdict = verify(world_.stranger, protocol::Hello{});
  ASSERT_TRUE(verdict.answer);
  EXPECT_EQ(std::get<protocol::Refusal>(verdict.answer->reply.body).code, Code::unknown_key);
  EXPECT_EQ(std::get<Unattributed>(verdict.to_core->body).reason, Unattributed::Reason::unknown_key);
}

TEST_F(GateChecks, AWrongSignatureIsRefusedAndNamesTheExchange) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  World::sign(envelope, world_.other);
  const Verdict verdict = submit(envelope);
  EXPECT_EQ(recorded(verdict), "BAD_SIGNATURE");
  const auto& refusal = std::get<GateRefusal>(verdict.to_core->body);
  EXPECT_EQ(refusal.act, "submit");
  EXPECT_EQ(refusal.object, protocol::exchange_id(envelope.address, envelope.seal));
}

TEST_F(GateChecks, ASignatureOfAnotherStatementIsRefused) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  Bytes both = envelope.address;
  append(both, envelope.seal);
  envelope.signature = crypto::sign_statement(world_.referent.signing_key(), crypto::StatementName::open, both);
  EXPECT_EQ(recorded(submit(envelope)), "BAD_SIGNATURE");
}

TEST_F(GateChecks, AnotherPersonsSenderIsRefused) {
  EXPECT_EQ(recorded(submit(world_.seal(world_.other, "b.bernard"))), "INVALID(sender)");
  EXPECT_EQ(recorded(submit(world_.seal(world_.other, "a.martin"))), "INVALID(sender_key)");
  EXPECT_EQ(recorded(submit(world_.seal(world_.referent, "b.bernard"))), "INVALID(sender)");
  EXPECT_EQ(recorded(verify(world_.renewed, protocol::Submit{world_.seal(world_.former, "f.neuf")})), "REVOKED");
}

TEST_F(GateChecks, AnotherExchangesShareOrPayloadOrHeaderIsRefused) {
  const protocol::Envelope mine = world_.seal(world_.referent, "a.martin");
  const protocol::Envelope other = world_.seal(world_.other, "b.bernard");
  protocol::Envelope mixed = mine;
  mixed.release = other.release;
  EXPECT_EQ(recorded(submit(mixed)), "INVALID(release)");
  mixed = mine;
  mixed.payload = other.payload;
  EXPECT_EQ(recorded(submit(mixed)), "INVALID(payload)");
  mixed = mine;
  mixed.locked = other.locked;
  EXPECT_EQ(recorded(submit(mixed)), "INVALID(locked)");
}

TEST_F(GateChecks, ASealThatPromisesAnotherReleaseKeyIsRefusedThoughSigned) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  auto seal = protocol::decode_seal(envelope.seal).value();
  seal.release_commitment[0] = static_cast<std::uint8_t>(seal.release_commitment[0] ^ 1U);
  envelope.seal = protocol::encode(seal);
  World::sign(envelope, world_.referent);
  EXPECT_EQ(recorded(submit(envelope)), "INVALID(release)");
}

TEST_F(GateChecks, AReleaseOfAnotherShapeIsRefused) {
  const protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  const auto release = protocol::decode_release(envelope.release).value();
  auto with = [&](protocol::Release changed) {
    protocol::Envelope out = envelope;
    out.release = protocol::encode(changed);
    return recorded(submit(out));
  };
  protocol::Release changed = release;
  changed.shares[0].trustee = "autre";
  EXPECT_EQ(with(changed), "INVALID(release)");
  changed = release;
  changed.shares.push_back(changed.shares[0]);
  changed.shares[1].trustee = "autre";
  EXPECT_EQ(with(changed), "INVALID(release)");
  changed.threshold = 2;
  EXPECT_EQ(with(changed), "INVALID(release)");
  changed = release;
  changed.shares[0].session = {};  // a point of low order
  EXPECT_EQ(with(changed), "INVALID(release)");
  changed = release;
  changed.shares[0].epoch = 202609;
  EXPECT_EQ(with(changed), "STALE_DIRECTORY");
}

TEST_F(GateChecks, AGrantIsNoShare) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin");
  auto release = protocol::decode_release(envelope.release).value();
  const auto session = world_.session.shared_with(world_.release.public_key()).value();
  const auto key = crypto::open_share(release.shares[0].box, session).value();
  release.shares[0].box = crypto::box_grant(key, session);
  envelope.release = protocol::encode(release);
  EXPECT_EQ(recorded(submit(envelope)), "INVALID(release)");
}

TEST_F(GateChecks, AStagedPartIsFetchedCheckedAndKeptUntilItIsAccepted) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin", 300'000);
  const Bytes payload = std::exchange(envelope.payload, {});
  EXPECT_EQ(recorded(submit(envelope)), "NOT_FOUND(payload)");
  for (const protocol::PutChunk& chunk : chunks_of(payload)) {
    const Verdict verdict = verify(world_.referent, chunk);
    ASSERT_TRUE(verdict.answer) << recorded(verdict);
    EXPECT_TRUE(std::holds_alternative<protocol::ChunkStored>(verdict.answer->reply.body));
    EXPECT_FALSE(verdict.to_core);
  }
  const Verdict verdict = submit(envelope);
  ASSERT_NE(accepted(verdict), nullptr) << recorded(verdict);
  EXPECT_EQ(accepted(verdict)->envelope.payload, payload);
  EXPECT_EQ(Verifier::staged_bytes_of(*verdict.to_core), payload.size() + envelope.locked.size());
  EXPECT_TRUE(spool_->holds_any(world_.referent.public_identity().curve));
  EXPECT_EQ(recorded(verify(world_.other, protocol::Submit{envelope})), "INVALID(sender)");
}

TEST_F(GateChecks, AStagedPartThatIsNotWhatItsNameSaysIsDropped) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin", 300'000);
  Bytes payload = std::exchange(envelope.payload, {});
  auto chunks = chunks_of(payload);
  chunks[2].bytes[5] = static_cast<std::uint8_t>(chunks[2].bytes[5] ^ 1U);
  for (const protocol::PutChunk& chunk : chunks) (void)verify(world_.referent, chunk);
  EXPECT_EQ(recorded(submit(envelope)), "INVALID(payload)");
  EXPECT_EQ(recorded(submit(envelope)), "NOT_FOUND(payload)");
}

TEST_F(GateChecks, StagedBytesUnderWayAreBounded) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin", 7'000'000);
  const Bytes payload = std::exchange(envelope.payload, {});
  for (const protocol::PutChunk& chunk : chunks_of(payload)) (void)verify(world_.referent, chunk);
  const std::size_t fits = staged_bytes_under_way_max / (payload.size() + envelope.locked.size());
  std::vector<Verdict> held;
  for (std::size_t i = 0; i < fits; ++i) {
    held.push_back(submit(envelope));
    ASSERT_NE(accepted(held.back()), nullptr);
  }
  Verdict refused = submit(envelope);
  ASSERT_TRUE(refused.answer);
  EXPECT_EQ(std::get<protocol::Refusal>(refused.answer->reply.body).code, Code::busy);
  verifier_.give_back(Verifier::staged_bytes_of(*held.back().to_core));
  EXPECT_NE(accepted(submit(envelope)), nullptr);
}

TEST_F(GateChecks, APutChunkThatIsRefusedIsRecordedAndOneOverAQuotaIsBusy) {
  EXPECT_EQ(
      recorded(verify(world_.referent, protocol::PutChunk{{1}, protocol::exchange_bytes_max + 1, 0, Bytes(48 * 1024)})),
      "TOO_LARGE(part_size)");
  for (std::uint8_t i = 0; i < protocol::spool_parts_per_identity_max; ++i)
    (void)verify(world_.referent, protocol::PutChunk{{i}, 1, 0, Bytes(1)});
  const Verdict over = verify(world_.referent, protocol::PutChunk{{99}, 1, 0, Bytes(1)});
  ASSERT_TRUE(over.answer);
  EXPECT_EQ(std::get<protocol::Refusal>(over.answer->reply.body).code, Code::busy);
  EXPECT_FALSE(over.to_core);
}

class SmallExchanges : public GateChecks {
 protected:
  SmallExchanges() : GateChecks(4096) {}
};

TEST_F(SmallExchanges, AnExchangeOneByteOverTheLimitIsTooLarge) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin", 600);
  auto seal = protocol::decode_seal(envelope.seal).value();
  auto with_payload = [&](std::size_t size) {
    envelope.payload = Bytes(size, 1);
    seal.payload_size = size;
    seal.payload = crypto::sha256(envelope.payload);
    envelope.seal = protocol::encode(seal);
    World::sign(envelope, world_.referent);
    return recorded(submit(envelope));
  };
  EXPECT_EQ(with_payload(4096 - seal.locked_size), "reached the core");
  EXPECT_EQ(with_payload(4097 - seal.locked_size), "TOO_LARGE(payload_size)");
  EXPECT_EQ(recorded(verify(world_.auditeur, protocol::PutChunk{{1}, 4097, 0, Bytes(4097)})), "TOO_LARGE(part_size)");
  EXPECT_EQ(recorded(verify(world_.operateur, protocol::PutChunk{{1}, 4097, 0, Bytes(4097)})), "answered by the gate")
      << "a directory's bundle has a limit of its own";
}

TEST_F(GateChecks, WhatRidesInsideOneByteOverTheLimitIsTooLarge) {
  protocol::Envelope envelope = world_.seal(world_.referent, "a.martin", 600);
  envelope.payload = Bytes(protocol::inline_bytes_max - envelope.locked.size() + 1);
  EXPECT_EQ(recorded(submit(envelope)), "TOO_LARGE(payload)");
}

TEST_F(GateChecks, AnOpeningReachesTheCoreWithItsSession) {
  const auto request = world_.opening_request({9});
  const Verdict verdict = verify(world_.ged, world_.opening(request, world_.ged));
  const auto* open = std::get_if<VerifiedOpen>(&verdict.to_core->body);
  ASSERT_NE(open, nullptr) << recorded(verdict);
  EXPECT_EQ(open->id, protocol::opening_id(open->bytes));
  EXPECT_EQ(open->request, request);
  EXPECT_EQ(open->release_epoch, world_epoch);
  EXPECT_EQ(open->release_key, world_.release.public_key());
  const auto client_side = world_.session.shared_with(world_.release.public_key()).value();
  EXPECT_TRUE(crypto::same_secret(open->session.expose(), client_side.expose()));
}

TEST_F(GateChecks, AnOpeningIsRefusedForEachOfItsFaults) {
  auto refused = [&](protocol::OpeningRequest request, const crypto::Identity& signer, Bytes note = {}) {
    return recorded(verify(world_.ged, world_.opening(request, signer, std::move(note))));
  };
  const auto good = world_.opening_request({9});
  auto bad = good;
  bad.motif = 0;
  EXPECT_EQ(refused(bad, world_.ged), "MOTIF_REQUIRED");
  bad = good;
  bad.motif = 200;
  EXPECT_EQ(refused(bad, world_.ged), "INVALID(motif)");
  bad = good;
  bad.opener = "a.martin";
  EXPECT_EQ(refused(bad, world_.ged), "INVALID(opener)");
  bad = good;
  bad.opener_key = world_.referent.public_identity().sign;
  EXPECT_EQ(refused(bad, world_.referent), "INVALID(opener_key)");
  EXPECT_EQ(refused(good, world_.referent), "BAD_SIGNATURE");
  EXPECT_EQ(refused(good, world_.ged, Bytes(10)), "INVALID(note)");
  bad = good;
  bad.note = crypto::sha256(Bytes(10));
  EXPECT_EQ(refused(bad, world_.ged), "INVALID(note)");
  EXPECT_EQ(refused(bad, world_.ged, Bytes(10)), "reached the core");
  bad = good;
  bad.session = {};
  EXPECT_EQ(refused(bad, world_.ged), "INVALID(session)");
}

TEST_F(GateChecks, InTheFirstMomentsOfAMonthTheLastMonthsKeyStillServes) {
  clock_.set(UnixMillis{1'796'083'200'000});  // 1 December 2026
  const Verdict verdict = verify(world_.ged, world_.opening(world_.opening_request({9}), world_.ged));
  const auto* open = std::get_if<VerifiedOpen>(&verdict.to_core->body);
  ASSERT_NE(open, nullptr) << recorded(verdict);
  EXPECT_EQ(open->release_epoch, world_epoch);
}

TEST_F(GateChecks, ADirectoryVersionNeedsItsAuthorities) {
  std::vector<protocol::Entry> entries = world_.entries;
  entries[0] = protocol::write_member(*world_.directory->member("a.martin"), crypto::random_array<16>());
  const auto next = protocol::Directory::build(entries).value();
  const protocol::DirectoryHead head = world_.next_head(*next);
  protocol::PublishDirectory publish;
  publish.note = world_.sign_note(head, world_.authority);
  publish.bundle = protocol::encode_bundle({protocol::encode(entries[0])});
  publish.bundle_digest = crypto::sha256(publish.bundle);
  publish.bundle_size = publish.bundle.size();

  const Verdict good = verify(world_.operateur, publish);
  ASSERT_TRUE(std::holds_alternative<VerifiedPublish>(good.to_core->body)) << recorded(good);
  EXPECT_EQ(std::get<VerifiedPublish>(good.to_core->body).changed.size(), 1U);

  EXPECT_EQ(recorded(verify(world_.referent, publish)), "reached the core");
  EXPECT_EQ(recorded(verify(world_.auditeur, publish)), "FORBIDDEN(interdit.auditeur)");
  auto bad = publish;
  bad.note = world_.sign_note(head, crypto::SigningKey::generate());
  EXPECT_EQ(recorded(verify(world_.operateur, bad)), "BAD_SIGNATURE");
  bad = publish;
  auto stale = head;
  stale.number = {1};
  stale.previous = {};
  bad.note = world_.sign_note(stale, world_.authority);
  EXPECT_EQ(recorded(verify(world_.operateur, bad)), "CONFLICT");
  bad = publish;
  bad.note = "pli-directory/1\n";
  EXPECT_EQ(recorded(verify(world_.operateur, bad)), "INVALID(note)");
  bad = publish;
  bad.bundle.back() = static_cast<std::uint8_t>(bad.bundle.back() ^ 1U);
  EXPECT_EQ(recorded(verify(world_.operateur, bad)), "INVALID(bundle)");
  bad = publish;
  bad.bundle = {1, 2, 3};
  bad.bundle_digest = crypto::sha256(bad.bundle);
  bad.bundle_size = 3;
  EXPECT_EQ(recorded(verify(world_.operateur, bad)), "INVALID(bundle)");
}

TEST_F(GateChecks, ASuspensionNeedsOneAuthorityAndNoBundle) {
  const protocol::DirectoryHead& head = world_.directory->verified()->head();
  const auto signed_by = [&](const crypto::SigningKey& key) {
    audit::Note note{protocol::to_text(protocol::Suspension{head.contract, "ged.1", head.number, clock_.now()}), {}};
    audit::sign_note(note, head.authorities[0].name, key);
    protocol::PublishDirectory request;
    request.note = audit::to_text(note);
    return request;
  };
  const Verdict good = verify(world_.referent, signed_by(world_.authority));
  EXPECT_TRUE(std::holds_alternative<VerifiedSuspension>(good.to_core->body)) << recorded(good);
  EXPECT_EQ(recorded(verify(world_.referent, signed_by(crypto::SigningKey::generate()))), "BAD_SIGNATURE");
  auto bad = signed_by(world_.authority);
  bad.bundle = {1};
  bad.bundle_size = 1;
  EXPECT_EQ(recorded(verify(world_.referent, bad)), "INVALID(bundle)");
  bad = signed_by(world_.authority);
  bad.note = "pli-suspension/1\n";
  EXPECT_EQ(recorded(verify(world_.referent, bad)), "INVALID(note)");
  bad.note = signed_by(world_.authority).note + std::string(protocol::suspension_bytes_max, 'x');
  EXPECT_EQ(recorded(verify(world_.referent, bad)), "TOO_LARGE(note)");
  EXPECT_EQ(recorded(verify(world_.auditeur, signed_by(world_.authority))), "FORBIDDEN(interdit.auditeur)");
}

TEST_F(GateChecks, AStagedBundleIsFetched) {
  const auto next = protocol::Directory::build(world_.entries).value();
  const Bytes bundle = protocol::encode_bundle({protocol::encode(world_.entries[0])});
  for (const protocol::PutChunk& chunk : chunks_of(bundle)) (void)verify(world_.operateur, chunk);
  protocol::PublishDirectory publish;
  publish.note = world_.sign_note(world_.next_head(*next), world_.authority);
  publish.bundle_digest = crypto::sha256(bundle);
  publish.bundle_size = bundle.size();
  EXPECT_EQ(recorded(verify(world_.operateur, publish)), "reached the core");
}

TEST(SessionKeys, ComputeEachSessionOnceAndForgetTheLeastUsed) {
  World world;
  int computed = 0;
  bool epoch_stands = true;
  ReleaseKeys keys = world.release_keys();
  const auto shared = keys.shared;
  const auto public_key = keys.public_key;
  keys.shared = [&](std::uint32_t epoch, const crypto::BoxPublic& session) {
    ++computed;
    return shared(epoch, session);
  };
  keys.public_key = [&](std::uint32_t epoch) { return epoch_stands ? public_key(epoch) : std::nullopt; };
  SessionKeys sessions(keys, 2);
  const auto one = crypto::BoxPair::generate();
  const auto two = crypto::BoxPair::generate();
  const auto three = crypto::BoxPair::generate();
  const auto first = sessions.shared(world_epoch, one.public_key()).value();
  for (int i = 0; i < 3; ++i) {
    const auto again = sessions.shared(world_epoch, one.public_key()).value();
    EXPECT_TRUE(crypto::same_secret(first.expose(), again.expose()));
  }
  EXPECT_EQ(computed, 1);
  (void)sessions.shared(world_epoch, two.public_key());
  (void)sessions.shared(world_epoch, one.public_key());
  (void)sessions.shared(world_epoch, three.public_key());  // two was used least recently
  EXPECT_EQ(computed, 3);
  (void)sessions.shared(world_epoch, one.public_key());
  EXPECT_EQ(computed, 3);
  (void)sessions.shared(world_epoch, two.public_key());
  EXPECT_EQ(computed, 4);
  EXPECT_EQ(sessions.shared(world_epoch, {}).error().code, Errc::invalid_input);
  epoch_stands = false;
  EXPECT_EQ(sessions.shared(world_epoch, two.public_key()).error().code, Errc::not_found)
      << "a destroyed epoch lives on nowhere";
}

TEST(Gate, KeepsTheOrderOfEachIdentityAndServesThemInTurn) {
  World world;
  TestFolder folder;
  ManualClock clock(world_time);
  DirectoryInForce directory(world.directory);
  auto spool = Spool::open(folder.path() / "spool", {}).value();
  Verifier verifier(directory, world.release_keys(), *spool, clock, protocol::exchange_bytes_max);
  std::mutex mutex;
  std::map<crypto::CurvePublic, std::vector<std::uint64_t>> seen;
  std::size_t total = 0;
  constexpr std::uint64_t each = 500;
  {
    GateSinks sinks;
    sinks.to_core = [&](std::vector<VerifiedRequest> requests) {
      std::lock_guard lock(mutex);
      for (const VerifiedRequest& request : requests) seen[request.peer.key].push_back(request.request_id);
      total += requests.size();
    };
    sinks.answer = [](const std::vector<Outgoing>&) { ADD_FAILURE() << "nothing here is answered by the gate"; };
    Gate gate(verifier, std::move(sinks), 4);
    const std::vector<const crypto::Identity*> people = {&world.referent, &world.other, &world.ged};
    for (std::uint64_t id = 1; id <= each; ++id) {
      std::vector<Incoming> messages;
      for (const crypto::Identity* who : people) {
        Incoming message;
        message.peer = {{0, 0, 0, 0, 1}, who->public_identity().curve};
        message.frames = {protocol::encode(protocol::Request{id, protocol::Hello{}})};
        messages.push_back(std::move(message));
      }
      gate.push(std::move(messages));
    }
    gate.finish();
    EXPECT_EQ(total, each * people.size()) << "finish() leaves nothing behind";
  }
  for (const auto& [key, ids] : seen) {
    ASSERT_EQ(ids.size(), each);
    for (std::size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(ids[i], i + 1);
  }
}

}  // namespace
}  // namespace pli::broker
