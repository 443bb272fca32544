// How far a broker, a file or a busy day can push a client: each limit is reached, and one above it is refused by its
// code.
#include "protocol/limits.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "client/auditor.hpp"
#include "client/authority.hpp"
#include "client/receipts.hpp"
#include "client/release_session.hpp"
#include "client/seal_exchange.hpp"
#include "client/upload_part.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using client::OutboxState;

class ClientLimits : public Sitting {
 protected:
  /// Answers the first so many requests of one verb with this refusal, and the rest as the broker does.
  template <class Verb>
  void refuse_first(std::size_t times, protocol::Refusal refusal) {
    broker_.instead = [times, refusal](const protocol::Request& request) mutable -> std::optional<protocol::ReplyBody> {
      if (!std::holds_alternative<Verb>(request.body) || times == 0) return std::nullopt;
      --times;
      return refusal;
    };
  }
  client::OutboxItem put(Desk& desk) {
    auto item = client::Outbox(desk.profile, clock_).put(client::draft_of(report(), "ged/89"), desk.keys);
    EXPECT_TRUE(item.has_value()) << why(item);
    return *item;
  }
  OutboxState state_after_flush(Desk& desk, std::int64_t id) {
    client::Outbox outbox(desk.profile, clock_);
    auto flushed = outbox.flush(*desk.session);
    EXPECT_TRUE(flushed.has_value()) << why(flushed);
    return (*outbox.find(id))->state;
  }
};

// ---- what a broker can make a client do --------------------------------------------------------------------------

TEST_F(ClientLimits, ABusyBrokerIsAskedTwentyTimesMoreAndNotOnceMoreThanThat) {
  for (const int times : {client::busy_waits_max, client::busy_waits_max + 1}) {
    auto desk = connected("r.bellerive");
    const auto item = put(*desk);
    broker_.submits = 0;
    refuse_first<protocol::Submit>(static_cast<std::size_t>(times), {Code::busy, {}, 1});
    const bool is_sent = state_after_flush(*desk, item.id) == OutboxState::receipted;
    EXPECT_EQ(is_sent, times == client::busy_waits_max);
    EXPECT_EQ(broker_.submits, static_cast<std::size_t>(client::busy_waits_max) + 1);
    broker_.instead = {};
  }
}

TEST_F(ClientLimits, ABrokerTooBusyForAChunkIsAskedAsOften) {
  Bytes part(3 * protocol::chunk_bytes_max);
  crypto::random_bytes(part);
  for (const int times : {client::busy_waits_max, client::busy_waits_max + 1}) {
    auto desk = connected("r.bellerive");
    refuse_first<protocol::PutChunk>(static_cast<std::size_t>(times), {Code::busy, {}, 1});
    const auto uploaded = client::upload_part(*desk->session, part, {});
    if (times == client::busy_waits_max)
      EXPECT_TRUE(uploaded.has_value()) << why(uploaded);
    else
      EXPECT_FAILS_WITH(uploaded, Code::busy);
    broker_.instead = {};
    broker_.forget_staged();
  }
}

TEST_F(ClientLimits, NoMoreThanEightChunksOfAPartAreUnderWayWhateverCreditTheBrokerGives) {
  Bytes part(20 * protocol::chunk_bytes_max);
  crypto::random_bytes(part);
  auto desk = connected("r.bellerive");
  std::size_t under_way = 0;
  std::size_t most = 0;
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* stored = std::get_if<protocol::ChunkStored>(&reply)) stored->credit = UINT32_MAX;
  };
  // Counts what is posted and not yet taken.
  class Counting final : public client::Connection {
   public:
    Counting(MemoryBroker*& broker, crypto::CurvePublic peer, std::size_t& under_way, std::size_t& most)
        : inner_(broker, peer), under_way_(under_way), most_(most) {}
    Outcome<std::uint64_t> post(protocol::RequestBody body) override {
      most_ = std::max(most_, ++under_way_);
      return inner_.post(std::move(body));
    }
    Outcome<protocol::ReplyBody> take(std::uint64_t request, std::chrono::milliseconds within) override {
      --under_way_;
      return inner_.take(request, within);
    }
    Outcome<std::optional<protocol::Pushed>> take_push(std::chrono::milliseconds within) override {
      return inner_.take_push(within);
    }

   private:
    MemoryConnection inner_;
    std::size_t& under_way_;
    std::size_t& most_;
  };
  auto session = client::Session::open(
      desk->profile, desk->keys, clock_,
      std::make_unique<Counting>(shown_, desk->keys.current.public_identity().curve, under_way, most));
  ASSERT_TRUE(session.has_value()) << why(session);
  const auto uploaded = client::upload_part(**session, part, {});
  ASSERT_TRUE(uploaded.has_value()) << why(uploaded);
  EXPECT_EQ(most, protocol::chunk_credit);
}

TEST_F(ClientLimits, AFormIsSealedAgainThreeTimesAndThenWaits) {
  for (const std::size_t times : {std::size_t{3}, std::size_t{4}}) {
    auto desk = connected("r.bellerive");
    const auto item = put(*desk);
    refuse_first<protocol::Submit>(times, {Code::stale_directory, {}, 0});
    EXPECT_EQ(state_after_flush(*desk, item.id), times == 3 ? OutboxState::receipted : OutboxState::queued);
    broker_.instead = {};
  }
}

TEST_F(ClientLimits, SixteenWaysInAreLookedAtForOneThatOpens) {
  // A seventeenth does not decode (protocol/codec_wire.cpp).
  const auto id = somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* opened = std::get_if<protocol::Opened>(&reply))
      opened->access.resize(protocol::access_parts_max, opened->access.front());
  };
  const auto opened = client::open_exchange(*desk->session, id, {});
  EXPECT_TRUE(opened.has_value()) << why(opened);
}

TEST_F(ClientLimits, ADirectoryIsTurnedThroughEightThousandOneHundredAndNinetyTwoPagesAndNoMore) {
  broker_.entries_a_page = 1000;
  for (const std::size_t pages : {std::size_t{8192}, std::size_t{8193}}) {
    // All of it comes with the last page; those before hold nothing.
    std::optional<protocol::DirectoryPage> whole;
    std::size_t turned = 0;
    broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
      auto* page = std::get_if<protocol::DirectoryPage>(&reply);
      if (page == nullptr) return;
      if (!whole) whole = *page;
      *page = *whole;
      if (++turned == pages) return;
      page->items.clear();
      page->more = true;
      page->next = turned;
    };
    auto desk = this->desk("ged.un");
    const auto done = connect(*desk);
    if (pages == 8192)
      EXPECT_TRUE(done.has_value()) << why(done);
    else
      EXPECT_FAILS_WITH(done, LocalCode::directory_unproven);
    EXPECT_EQ(turned, std::size_t{8192});
  }
}

TEST_F(ClientLimits, AVersionThatChangesUnderOnesHandsIsBegunFourTimes) {
  for (const int changes : {3, 4}) {
    int left = changes;
    broker_.bend = [&](const protocol::Request& request, protocol::ReplyBody& reply) {
      const auto* asked = std::get_if<protocol::GetDirectory>(&request.body);
      auto* page = std::get_if<protocol::DirectoryPage>(&reply);
      if (page == nullptr || asked->after_position == 0 || left == 0) return;
      --left;
      page->note += "—";
    };
    auto desk = this->desk("ged.un");
    const auto done = connect(*desk);
    if (changes == 3)
      EXPECT_TRUE(done.has_value()) << why(done);
    else
      EXPECT_FAILS_WITH(done, LocalCode::directory_unproven);
    EXPECT_EQ(left, 0);
  }
}

TEST_F(ClientLimits, ASessionKnowsSixtyFourReleaseKeysOfItsBroker) {
  client::ReleaseSession session;
  const auto use = [&] {
    const auto used = session.use(1, crypto::BoxPair::generate().public_key());
    return used ? "" : name_of(used.error().code);
  };
  const crypto::BoxPublic first = crypto::BoxPair::generate().public_key();
  ASSERT_TRUE(session.use(1, first));
  for (std::size_t i = 1; i < client::ReleaseSession::keys_max; ++i) EXPECT_STREQ(use(), "");
  EXPECT_STREQ(use(), "over_limit");
  EXPECT_TRUE(session.use(1, first)) << "known";
}

TEST_F(ClientLimits, AnAuditKeepsAThousandFindings) {
  auto desk = connected("auditeur");
  const auto findings_of = [&](std::size_t records) {
    client::LogAuditor auditor(world_.log, desk->session->directory());
    protocol::RecordItem unreadable;
    unreadable.leaf = "no leaf";
    for (std::size_t i = 0; i < records; ++i) {
      unreadable.index = {i};
      auditor.add(unreadable);
    }
    const auto checkpoint = audit::verify_checkpoint(
        broker_.checkpoint(), {broker_.origin(), audit::KeyType::ed25519, world_.log_key.public_key()});
    EXPECT_TRUE(checkpoint.has_value());
    return auditor.finish(*checkpoint).findings.size();
  };
  // One for each record, and what finish() has to say of the whole.
  const std::size_t of_the_whole = findings_of(1) - 1;
  EXPECT_EQ(findings_of(client::LogAuditor::findings_max - of_the_whole), client::LogAuditor::findings_max);
  EXPECT_EQ(findings_of(client::LogAuditor::findings_max + 1), client::LogAuditor::findings_max);
}

// ---- what is sealed ----------------------------------------------------------------------------------------------

class SealLimits : public ClientLimits {
 protected:
  Outcome<client::SealedExchange> seal(const client::Draft& draft, std::size_t heads = 0) {
    const client::SealContext context{desk_->keys.current,
                                      invitation_,
                                      desk_->session->directory(),
                                      release_,
                                      {},
                                      std::vector<protocol::GossipHead>(heads, {"ged/89", {{1}, Digest{}}}),
                                      clock_.now()};
    return client::seal_exchange(draft, context);
  }
  std::unique_ptr<Desk> desk_ = connected("r.bellerive");
  protocol::Invitation invitation_ = world_.invitation("r.bellerive");
  client::ReleaseSession release_ = [] {
    client::ReleaseSession out;
    EXPECT_TRUE(out.use(1, crypto::BoxPair::generate().public_key()));
    return out;
  }();
};

TEST_F(SealLimits, EightConditionsAreSealedAndNineAreRefused) {
  client::Draft draft = client::draft_of(report(), "ged/89");
  for (std::size_t i = 0; i < protocol::handling_max; ++i) draft.handling.push_back("no-copy-to:" + std::to_string(i));
  const auto sealed = seal(draft);
  ASSERT_TRUE(sealed.has_value()) << why(sealed);
  EXPECT_EQ(sealed->address.handling.size(), protocol::handling_max);
  draft.handling.emplace_back("ged-only");
  EXPECT_FAILS_WITH(seal(draft), LocalCode::bad_form);
}

TEST_F(SealLimits, AnExchangeHasTwoAttributesAndNotThree) {
  client::Draft draft;
  draft.kind = protocol::Kind::agrement;
  draft.queue = "ged/89";
  draft.case_id = Digest{1};
  draft.in_reply_to = Digest{1};
  draft.attributes = {{"avis", "accord"}, {"date", "2026-03-12"}};
  static_assert(protocol::attributes_max == 2);
  const auto sealed = seal(draft);
  ASSERT_TRUE(sealed.has_value()) << why(sealed);
  draft.attributes.emplace_back("date", "2026-03-12");
  EXPECT_FAILS_WITH(seal(draft), LocalCode::bad_form);
}

TEST_F(SealLimits, ContentMayFillAnExchangeAndNoLongerOneIsPadded) {
  client::Draft draft = client::draft_of(report(), "ged/89");
  draft.content = Bytes(protocol::exchange_bytes_max + 1);
  EXPECT_FAILS_WITH(seal(draft), LocalCode::bad_form);
  draft.content.pop_back();
  EXPECT_FAILS_WITH(seal(draft), LocalCode::bad_form) << "what surrounds it would not fit";
  // The largest bucket that fits with header and tags (docs/protocol.md, padding).
  draft.content = Bytes(protocol::exchange_bytes_max * 7 / 8);
  EXPECT_TRUE(seal(draft).has_value());
}

TEST_F(SealLimits, ThirtyTwoHeadsAreToldAndTheRestLeftOut) {
  const client::Draft draft = client::draft_of(report(), "ged/89");
  const auto size_with = [&](std::size_t heads) {
    const auto sealed = seal(draft, heads);
    EXPECT_TRUE(sealed.has_value()) << why(sealed);
    return sealed->seal.payload_size;
  };
  // Buckets hide small differences, so a great many tell whether they went in.
  EXPECT_GT(size_with(protocol::gossip_heads_max), size_with(0));
  EXPECT_EQ(size_with(protocol::gossip_heads_max + 1), size_with(protocol::gossip_heads_max));
  EXPECT_EQ(size_with(100 * protocol::gossip_heads_max), size_with(protocol::gossip_heads_max));
}

// ---- files -------------------------------------------------------------------------------------------------------

TEST_F(ClientLimits, AReceiptOfTheLimitIsReadAndALargerOneIsNot) {
  const ScratchFolder folder;
  const auto file = folder.path() / "recu.tlog-proof";
  const auto read = [&](std::size_t bytes) {
    EXPECT_TRUE(write_file_durably(file, Bytes(bytes, 'x'), FileMode::owner_only));
    return client::verify_receipt_file(file, world_.log, world_.log_key.public_key());
  };
  EXPECT_FAILS_WITH(read(protocol::receipt_bytes_max), LocalCode::receipt_invalid);  // read, and found to be none
  EXPECT_FAILS_WITH(read(protocol::receipt_bytes_max + 1), LocalCode::local_store);
}

class ProfileLimits : public ::testing::Test {
 protected:
  ProfileLimits() {
    crypto::initialise();
    EXPECT_TRUE(profile_.write_identity(crypto::Identity::generate(), passphrase(), 1).has_value());
  }
  ScratchFolder folder_;
  client::Profile profile_ = *client::Profile::open(folder_.path() / "profil");
};

TEST_F(ProfileLimits, SixtyFourFormerIdentitiesAreKeptAndNoneIsEverOverwritten) {
  constexpr std::size_t former_identities_max = 64;
  std::vector<crypto::PublicIdentity> held;
  for (std::size_t i = 0; i < former_identities_max; ++i) {
    held.push_back(profile_.unlock(passphrase())->current.public_identity());
    const auto replaced = profile_.replace_identity(crypto::Identity::generate(), passphrase(), 1);
    ASSERT_TRUE(replaced.has_value()) << i;
  }
  held.push_back(profile_.unlock(passphrase())->current.public_identity());
  EXPECT_FAILS_WITH(profile_.replace_identity(crypto::Identity::generate(), passphrase(), 1), LocalCode::local_store);

  const auto keys = profile_.unlock(passphrase());
  ASSERT_TRUE(keys.has_value());
  EXPECT_EQ(keys->current.public_identity(), held.back()) << "refused before anything was written";
  EXPECT_EQ(keys->former.size(), former_identities_max);
  for (std::size_t i = 0; i < former_identities_max; ++i) {
    const bool is_kept = std::any_of(keys->former.begin(), keys->former.end(), [&](const crypto::Identity& former) {
      return former.public_identity() == held[i];
    });
    EXPECT_TRUE(is_kept) << i;
  }
}

TEST_F(ProfileLimits, AnIdentityFileOfItsLimitIsReadAndALargerOneIsNot) {
  const auto unlock_with = [&](std::size_t bytes) {
    EXPECT_TRUE(write_file_durably(profile_.folder() / "identity.age", Bytes(bytes, 'x'), FileMode::owner_only));
    return profile_.unlock(passphrase());
  };
  EXPECT_FAILS_WITH(unlock_with(64 * 1024), LocalCode::wrong_passphrase);  // read, and not opened
  EXPECT_FAILS_WITH(unlock_with(64 * 1024 + 1), LocalCode::local_store);
}

class ContractLimits : public ::testing::Test {
 protected:
  ContractLimits() { crypto::initialise(); }
  static Outcome<client::InitResult> init(const std::filesystem::path& folder, std::size_t authorities) {
    client::InitRequest request;
    request.contract.id = "csi-89";
    request.contract.title = "Contrat de sécurité intégrée";
    request.contract.parties = {"Préfecture", "Bellerive"};
    request.contract.territory = "89";
    request.contract.starts = spring;
    request.contract.ends = spring + std::chrono::hours(24 * 365);
    request.log = "pli.exemple.fr/pli/89";
    request.endpoint = "tcp://pli.exemple.fr:7789";
    request.threshold = 2;
    for (std::size_t i = 0; i < authorities; ++i)
      request.authorities.push_back(
          {"exemple.fr/" + std::to_string(i), crypto::SecretKey::copy_of(as_bytes("phrase"))});
    request.work_factor = 1;
    request.queues = {"ged/89"};
    request.now = spring;
    return client::init_contract(folder, std::move(request));
  }
  ScratchFolder folder_;
};

TEST_F(ContractLimits, SixteenAuthoritiesMayHoldItAndNotSeventeen) {
  EXPECT_TRUE(init(folder_.path() / "seize", protocol::authorities_max).has_value());
  EXPECT_FAILS_WITH(init(folder_.path() / "dix-sept", protocol::authorities_max + 1), LocalCode::usage);
}

TEST_F(ContractLimits, AnAuthoritysKeyFileOfItsLimitIsReadAndALargerOneIsNot) {
  const auto made = init(folder_.path() / "csi", 2);
  ASSERT_TRUE(made.has_value());
  auto authority = client::Authority::open(made->authority);
  ASSERT_TRUE(authority.has_value());
  ASSERT_TRUE(authority->prepare(spring, spring + protocol::directory_validity_max).has_value());
  const auto key_file = authority->key_files()[0];
  const auto sign_with = [&](std::size_t bytes) {
    EXPECT_TRUE(write_file_durably(key_file, Bytes(bytes, 'x'), FileMode::owner_only));
    return authority->sign(key_file, crypto::SecretKey::copy_of(as_bytes("phrase")));
  };
  EXPECT_FAILS_WITH(sign_with(64 * 1024), LocalCode::wrong_passphrase);  // read, and not opened
  EXPECT_FAILS_WITH(sign_with(64 * 1024 + 1), LocalCode::local_store);
}

}  // namespace
}  // namespace pli::testing
