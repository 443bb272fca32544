#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"
#include "protocol/wire.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using test::Seeded;

// ---- random messages ---------------------------------------------------------------------------------------------

Bytes bytes_of(Seeded& random, std::size_t size) {
  Bytes out(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>(random.below(256));
  return out;
}

std::uint64_t any_u64(Seeded& random) {
  // Small and huge alike, since variable-length integers differ in every length.
  const std::uint64_t wide =
      (static_cast<std::uint64_t>(random.below(std::size_t{1} << 32)) << 32) | random.below(std::size_t{1} << 32);
  return wide >> random.below(64);
}

std::uint64_t number(Seeded& random) { return any_u64(random) >> 1; }

std::uint32_t small(Seeded& random) { return static_cast<std::uint32_t>(any_u64(random)); }

UnixMillis time(Seeded& random) { return {static_cast<std::int64_t>(number(random))}; }

std::string queue(Seeded& random) {
  static const std::vector<std::string> some = {"ged/89",
                                                "clir/2a",
                                                "cpraf/971",
                                                "org/210890240",
                                                "person/m.durand",
                                                "audit/89",
                                                "person/" + std::string(64, 'x')};
  return some[random.below(some.size())];
}

std::string ascii(Seeded& random, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>('!' + random.below(94));
  return out;
}

std::vector<Digest> digests(Seeded& random) {
  std::vector<Digest> out(random.below(proof_digests_max + 1));
  for (Digest& digest : out) digest = random.array<32>();
  return out;
}

LeafProof leaf_proof(Seeded& random) {
  return {ascii(random, random.below(audit::leaf_bytes_max)),
          bytes_of(random, random.below(2000)),
          {number(random)},
          digests(random),
          ascii(random, random.below(700))};
}

audit::QueueHead head(Seeded& random) { return {{number(random)}, random.array<32>()}; }

QueueItem queue_item(Seeded& random) {
  QueueItem item;
  item.queue = queue(random);
  item.head = head(random);
  item.exchange = random.array<32>();
  item.visible = random.below(4) != 0;
  if (item.visible) {
    item.address = bytes_of(random, 1 + random.below(300));
    item.seal = bytes_of(random, seal_bytes);
    item.signature = random.array<64>();
  }
  item.accepted_at = time(random);
  item.leaf = {number(random)};
  return item;
}

std::vector<QueueItem> queue_items(Seeded& random) {
  std::vector<QueueItem> out(random.below(list_items_max + 1));
  for (QueueItem& item : out) item = queue_item(random);
  return out;
}

AccessPart access_part(Seeded& random) {
  AccessPart part;
  part.exchange = random.array<32>();
  part.address = bytes_of(random, random.below(300));
  part.seal = bytes_of(random, seal_bytes);
  part.signature = random.array<64>();
  part.locked = bytes_of(random, random.below(1000));
  part.release_epoch = small(random);
  part.release_key.bytes = random.array<32>();
  part.grant = random.array<73>();
  return part;
}

std::string state(Seeded& random, bool commune) {
  if (commune) return std::string(text_of(static_cast<CommuneView>(1 + random.below(4))));
  return std::string(text_of(static_cast<CaseState>(random.below(12))));
}

/// One maker for each verb, in the order of RequestBody.
std::string origin(Seeded& r) {
  return r.below(2) == 0 ? "" : "pli.example/pli/89/2026-" + std::to_string(1 + r.below(9));
}

std::vector<std::function<RequestBody(Seeded&)>> request_makers() {
  return {
      [](Seeded& r) -> RequestBody {
        return Hello{small(r), small(r), {number(r)}};
      },
      [](Seeded& r) -> RequestBody {
        return PutChunk{r.array<32>(), number(r), small(r), bytes_of(r, r.below(3000))};
      },
      [](Seeded& r) -> RequestBody {
        Submit body;
        body.envelope = {bytes_of(r, r.below(400)), bytes_of(r, seal_bytes),    r.array<64>(),
                         bytes_of(r, r.below(900)), bytes_of(r, r.below(3000)), bytes_of(r, r.below(150))};
        return body;
      },
      [](Seeded& r) -> RequestBody {
        return List{
            r.below(3) == 0 ? "" : queue(r), {number(r)}, static_cast<std::uint32_t>(r.below(list_items_max + 1))};
      },
      [](Seeded& r) -> RequestBody {
        return ListCases{r.array<32>(), static_cast<std::uint32_t>(r.below(list_items_max + 1))};
      },
      [](Seeded& r) -> RequestBody {
        return Open{bytes_of(r, r.below(opening_bytes_max + 1)), r.array<64>(), bytes_of(r, r.below(2000))};
      },
      [](Seeded& r) -> RequestBody {
        return GetChunk{r.array<32>(), r.below(2) == 0 ? PartKind::payload : PartKind::locked, small(r), small(r)};
      },
      [](Seeded& r) -> RequestBody {
        return Acknowledge{queue(r), {number(r)}};
      },
      [](Seeded& r) -> RequestBody {
        Follow body;
        body.queues.resize(r.below(follow_queues_max + 1));
        for (FollowFrom& from : body.queues) from = {queue(r), {number(r)}};
        body.credit = static_cast<std::uint32_t>(r.below(follow_credit_max + 1));
        return body;
      },
      [](Seeded& r) -> RequestBody {
        return GetDirectory{{number(r)}, number(r)};
      },
      [](Seeded& r) -> RequestBody {
        return PublishDirectory{ascii(r, r.below(2000)), bytes_of(r, r.below(3000)), r.array<32>(),
                                r.below(directory_bundle_bytes_max + 1)};
      },
      [](Seeded& r) -> RequestBody { return GetCheckpoint{{number(r)}}; },
      [](Seeded& r) -> RequestBody {
        Prove body;
        body.published = r.below(2) == 0;
        if (r.below(2) == 0) {
          body.exchange = r.array<32>();
          body.erasure = r.below(2) == 0;
        } else {
          body.leaf = LeafIndex{number(r)};
          body.shard = origin(r);
        }
        return body;
      },
      [](Seeded& r) -> RequestBody {
        return GetRecords{{number(r)}, static_cast<std::uint32_t>(r.below(records_items_max + 1)), origin(r)};
      },
      [](Seeded&) -> RequestBody { return GetHealth{}; },
      [](Seeded& r) -> RequestBody {
        return GetShard{"pli.example/pli/89/2026-1", {number(r)}};
      },
  };
}

std::string subject(Seeded& r, std::size_t size) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789._,-";
  std::string out(size, ' ');
  for (char& c : out) c = allowed[r.below(allowed.size())];
  return out;
}

/// One maker for each reply, in the order of ReplyBody.
std::vector<std::function<ReplyBody(Seeded&)>> reply_makers() {
  return {
      [](Seeded& r) -> ReplyBody {
        return Refusal{static_cast<Code>(1 + r.below(static_cast<std::size_t>(Code::stopped))),
                       subject(r, r.below(refusal_subject_bytes_max + 1)), small(r)};
      },
      [](Seeded& r) -> ReplyBody {
        HelloReply body;
        body.version = small(r);
        body.member = "m.durand";
        body.time = time(r);
        body.directory = {number(r)};
        body.directory_digest = r.array<32>();
        body.checkpoint = ascii(r, r.below(700));
        body.consistency = digests(r);
        body.release_epoch = small(r);
        body.release_key.bytes = r.array<32>();
        body.exchange_bytes_max = number(r);
        return body;
      },
      [](Seeded& r) -> ReplyBody {
        return ChunkStored{number(r), small(r), r.below(2) == 0};
      },
      [](Seeded& r) -> ReplyBody {
        return Accepted{r.array<32>(), leaf_proof(r), r.below(2) == 0};
      },
      [](Seeded& r) -> ReplyBody {
        return Items{queue_items(r), r.below(2) == 0, {number(r)}, head(r)};
      },
      [](Seeded& r) -> ReplyBody {
        Cases body;
        body.items.resize(r.below(list_items_max + 1));
        for (CaseItem& item : body.items) {
          item.case_id = r.array<32>();
          item.kind = static_cast<std::uint16_t>(kind_table()[r.below(kind_table().size())].kind);
          item.queue = queue(r);
          item.commune = r.below(2) == 0;
          item.state = state(r, item.commune);
          item.opened_at = time(r);
          item.updated_at = time(r);
          item.exchanges = small(r);
          item.term = time(r);
          item.noticed = r.below(2) == 0;
          item.held = !item.commune && r.below(2) == 0;
          item.read = !item.commune && r.below(2) == 0;
          item.urgency = static_cast<std::uint8_t>(r.below(2));
          if (item.commune) continue;
          item.answered_at = time(r);
          if (r.below(2) == 0) {
            item.origin = r.array<32>();
            item.origin_queue = queue(r);
          }
          item.transmitted.resize(r.below(4));
          for (Transmitted& passed : item.transmitted) passed = {queue(r), r.array<32>(), time(r)};
        }
        body.more = r.below(2) == 0;
        if (body.more) body.next = r.array<32>();
        return body;
      },
      [](Seeded& r) -> ReplyBody {
        Opened body;
        body.exchange = r.array<32>();
        body.access.resize(r.below(access_parts_max + 1));
        for (AccessPart& part : body.access) part = access_part(r);
        body.payload = bytes_of(r, r.below(3000));
        body.proof = leaf_proof(r);
        if (r.below(2) == 0) body.header = {bytes_of(r, r.below(300)), bytes_of(r, seal_bytes), r.array<64>(), time(r)};
        return body;
      },
      [](Seeded& r) -> ReplyBody {
        return Chunk{small(r), number(r), bytes_of(r, r.below(chunk_bytes_max + 1))};
      },
      [](Seeded& r) -> ReplyBody { return Acknowledged{{number(r)}}; },
      [](Seeded& r) -> ReplyBody { return Pushed{queue_items(r)}; },
      [](Seeded& r) -> ReplyBody {
        DirectoryPage body;
        body.note = ascii(r, r.below(2000));
        body.items.resize(r.below(20));
        for (DirectoryItem& item : body.items) item = {number(r), bytes_of(r, r.below(600)), digests(r)};
        body.more = r.below(2) == 0;
        body.leaf = leaf_proof(r);
        if (body.more) body.next = number(r);
        return body;
      },
      [](Seeded& r) -> ReplyBody {
        return Published{{number(r)}, leaf_proof(r)};
      },
      [](Seeded& r) -> ReplyBody {
        return CheckpointReply{ascii(r, r.below(700)), digests(r)};
      },
      [](Seeded& r) -> ReplyBody {
        Proven body{leaf_proof(r)};
        body.roster.resize(r.below(20));
        for (crypto::AgePublic& key : body.roster) key.bytes = r.array<32>();
        return body;
      },
      [](Seeded& r) -> ReplyBody {
        Records body;
        body.items.resize(r.below(20));
        for (RecordItem& item : body.items) item = {{number(r)}, ascii(r, r.below(500)), bytes_of(r, r.below(1500))};
        body.size = {number(r)};
        return body;
      },
      [](Seeded& r) -> ReplyBody {
        return Health{"LOG_UNAVAILABLE", number(r), number(r), {number(r)}, time(r),
                      time(r),           number(r), time(r),   time(r),     r.below(2) == 0 ? "" : "record.digest",
                      number(r)};
      },
      [](Seeded& r) -> ReplyBody {
        return ShardReply{ascii(r, r.below(700)), ascii(r, r.below(700)), digests(r), leaf_proof(r),
                          ascii(r, r.below(2000))};
      },
  };
}

// ---- round trips -------------------------------------------------------------------------------------------------

TEST(WireRequest, EveryVerbComesBackAsItWentWhateverItHolds) {
  Seeded random;
  const auto makers = request_makers();
  ASSERT_EQ(makers.size(), std::variant_size_v<RequestBody>);
  for (std::size_t verb = 0; verb < makers.size(); ++verb)
    for (int turn = 0; turn < 200; ++turn) {
      const Request request{any_u64(random), makers[verb](random)};
      ASSERT_EQ(request.body.index(), verb);
      const Bytes bytes = encode(request);
      if (bytes.size() > message_bytes_max) continue;
      const auto back = decode_request(bytes);
      ASSERT_TRUE(back) << "verb " << verb << ": " << back.error().detail;
      EXPECT_EQ(*back, request) << "verb " << verb;
      EXPECT_EQ(encode(*back), bytes) << "verb " << verb;
      EXPECT_EQ(request_id_of(bytes), request.id);
    }
}

TEST(WireReply, EveryReplyComesBackAsItWentWhateverItHolds) {
  Seeded random;
  const auto makers = reply_makers();
  ASSERT_EQ(makers.size(), std::variant_size_v<ReplyBody>);
  for (std::size_t verb = 0; verb < makers.size(); ++verb) {
    int compared = 0;
    for (int turn = 0; turn < 200; ++turn) {
      const Reply reply{any_u64(random), makers[verb](random)};
      ASSERT_EQ(reply.body.index(), verb);
      const Bytes bytes = encode(reply);
      if (bytes.size() > message_bytes_max) continue;
      ++compared;
      const auto back = decode_reply(bytes);
      ASSERT_TRUE(back) << "reply " << verb << ": " << back.error().detail;
      EXPECT_EQ(*back, reply) << "reply " << verb;
      EXPECT_EQ(encode(*back), bytes) << "reply " << verb;
    }
    EXPECT_GT(compared, 20) << "reply " << verb;
  }
}

TEST(WireRequest, ZeroIsACarriedValueNotAMissingOne) {
  const Request request{0, Hello{0, 0, {0}}};
  const auto back = decode_request(encode(request));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, request);
}

TEST(WireRequest, IsRefusedWhereverItIsCut) {
  Seeded random;
  for (const auto& make : request_makers()) {
    Bytes bytes;
    do {
      bytes = encode(Request{7, make(random)});
    } while (bytes.size() > 6000);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode_request(ByteView(bytes).first(size))) << "cut to " << size << " of " << bytes.size();
  }
}

TEST(WireReply, IsRefusedWhereverItIsCut) {
  Seeded random;
  for (const auto& make : reply_makers()) {
    Bytes bytes;
    do {
      bytes = encode(Reply{7, make(random)});
    } while (bytes.size() > 12000);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode_reply(ByteView(bytes).first(size))) << "cut to " << size << " of " << bytes.size();
  }
}

TEST(WireRequest, AFlippedBitOfASubmitIsRefusedOrShowsInWhatIsRead) {
  Seeded random;
  Submit body;
  body.envelope = {bytes_of(random, 200), bytes_of(random, seal_bytes), random.array<64>(),
                   bytes_of(random, 300), bytes_of(random, 500),        bytes_of(random, 116)};
  const Request request{4711, body};
  const Bytes good = encode(request);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes flipped = good;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << (bit % 8));
    const auto other = decode_request(flipped);
    if (other) {
      EXPECT_NE(*other, request) << "bit " << bit;
    }
  }
}

TEST(WireRequest, AnyByteAfterTheMessageIsRefused) {
  Seeded random;
  for (const auto& make : request_makers()) {
    Bytes bytes;
    do {
      bytes = encode(Request{7, make(random)});
    } while (bytes.size() > 6000);
    for (unsigned byte = 0; byte < 256; ++byte) {
      Bytes longer = bytes;
      longer.push_back(static_cast<std::uint8_t>(byte));
      EXPECT_FALSE(decode_request(longer)) << byte;
    }
  }
}

// ---- strictness --------------------------------------------------------------------------------------------------

/// A length-delimited protobuf field.
Bytes field(std::uint32_t number, ByteView content) {
  Bytes out;
  auto varint = [&](std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
    out.push_back(static_cast<std::uint8_t>(value));
  };
  varint(number << 3 | 2U);
  varint(content.size());
  append(out, content);
  return out;
}

Bytes joined(const std::vector<Bytes>& parts) {
  Bytes out;
  for (const Bytes& part : parts) append(out, part);
  return out;
}

const Bytes id_seven = {0x08, 0x07};

TEST(WireRequest, HasExactlyOneVerb) {
  const Bytes health = field(16, {});
  const Bytes hello = field(2, {});
  EXPECT_TRUE(decode_request(joined({id_seven, health})));
  EXPECT_TRUE(decode_request(health)) << "an id of zero may be left out";
  EXPECT_FALSE(decode_request(id_seven));
  EXPECT_FALSE(decode_request({}));
  EXPECT_FALSE(decode_request(joined({id_seven, health, health})));
  EXPECT_FALSE(decode_request(joined({id_seven, hello, health})));
  EXPECT_FALSE(decode_request(joined({id_seven, id_seven, health})));
}

TEST(WireRequest, AVerbThatDoesNotExistIsRefused) {
  for (std::uint32_t verb : {18U, 19U, 100U, 20000U})
    EXPECT_FALSE(decode_request(joined({id_seven, field(verb, {})}))) << verb;
  for (std::uint32_t verb : {19U, 20U, 100U, 20000U})
    EXPECT_FALSE(decode_reply(joined({id_seven, field(verb, {})}))) << verb;
}

TEST(WireRequest, AFieldThatIsNotInTheSchemaIsRefusedAtEveryDepth) {
  const Bytes stranger = field(99, as_bytes("x"));
  // In the message, in a verb, in a list inside a verb.
  EXPECT_FALSE(decode_request(joined({id_seven, field(16, {}), stranger})));
  EXPECT_FALSE(decode_request(joined({id_seven, field(16, stranger)})));
  const Bytes from = field(1, as_bytes("ged/89"));
  EXPECT_TRUE(decode_request(field(10, field(1, from))));
  EXPECT_FALSE(decode_request(field(10, field(1, joined({from, stranger})))));
}

TEST(WireReply, AFieldThatIsNotInTheSchemaIsRefusedInEveryReply) {
  Seeded random;
  const Bytes stranger = field(99, as_bytes("x"));
  const auto makers = reply_makers();
  for (std::size_t reply = 0; reply < makers.size(); ++reply) {
    Bytes bytes;
    do {
      bytes = encode(Reply{1, makers[reply](random)});
    } while (bytes.size() > 12000);
    // The body is one field after the id (two bytes): its content, with one more field.
    ByteReader reader(bytes);
    static_cast<void>(reader.raw(2));
    std::size_t header = 2;
    while ((bytes[header] & 0x80) != 0) ++header;  // tag
    ++header;
    while ((bytes[header] & 0x80) != 0) ++header;  // length
    ++header;
    Bytes content(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
    const auto number = static_cast<std::uint32_t>(reply + 2);
    EXPECT_TRUE(decode_reply(joined({{0x08, 0x01}, field(number, content)}))) << reply;
    append(content, stranger);
    EXPECT_FALSE(decode_reply(joined({{0x08, 0x01}, field(number, content)}))) << reply;
  }
}

template <class Body>
Errc error_of(const Body& body) {
  auto decoded = decode_request(encode(Request{1, body}));
  EXPECT_FALSE(decoded);
  return decoded ? Errc::corruption : decoded.error().code;
}

template <class Body>
Errc reply_error_of(const Body& body) {
  auto decoded = decode_reply(encode(Reply{1, body}));
  EXPECT_FALSE(decoded);
  return decoded ? Errc::corruption : decoded.error().code;
}

Submit some_submit() {
  Submit body;
  body.envelope.address = Bytes(200, 1);
  body.envelope.seal = Bytes(seal_bytes, 2);
  body.envelope.payload = Bytes(1000, 3);
  return body;
}

TEST(WireLimits, AMessageOfTheLimitIsReadAndOneByteMoreIsOverLimit) {
  PublishDirectory body;
  body.bundle = Bytes(inline_bytes_max, 1);
  const std::size_t rest = encode(Request{1, body}).size();
  body.note = std::string(message_bytes_max - rest - 1, 'x');  // the length of a long note takes one byte more
  Bytes bytes = encode(Request{1, body});
  ASSERT_EQ(bytes.size(), message_bytes_max);
  EXPECT_TRUE(decode_request(bytes));
  body.note += 'x';
  bytes = encode(Request{1, body});
  ASSERT_EQ(bytes.size(), message_bytes_max + 1);
  const auto over = decode_request(bytes);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, Errc::over_limit);
  EXPECT_EQ(request_id_of(bytes), 1U) << "the refusal must find its asker";
  const auto reply = decode_reply(Bytes(message_bytes_max + 1, 0));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::over_limit);
}

TEST(WireLimits, WhatRidesInsideASubmitMayFillItsLimitAndNotPassIt) {
  Submit body = some_submit();
  body.envelope.locked = Bytes(1000, 1);
  body.envelope.payload = Bytes(inline_bytes_max - 1000, 1);
  EXPECT_TRUE(decode_request(encode(Request{1, body})));
  body.envelope.payload.push_back(1);
  EXPECT_EQ(error_of(body), Errc::over_limit);
  body = some_submit();
  body.envelope.address = Bytes(address_bytes_max, 1);
  EXPECT_TRUE(decode_request(encode(Request{1, body})));
  body.envelope.address.push_back(1);
  EXPECT_EQ(error_of(body), Errc::over_limit);
  body = some_submit();
  body.envelope.release = Bytes(4096, 1);
  EXPECT_EQ(error_of(body), Errc::over_limit);
}

TEST(WireLimits, ASealIsOfItsOneSize) {
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, seal_bytes - 1, seal_bytes + 1, 2 * seal_bytes}) {
    Submit body = some_submit();
    body.envelope.seal = Bytes(size, 1);
    EXPECT_EQ(error_of(body), Errc::invalid_input) << size;
  }
}

TEST(WireLimits, KeysDigestsAndSignaturesAreOfTheirOneSize) {
  // Protobuf carries any length: each fixed field one byte short, one byte long, and absent.
  struct Fixed {
    std::uint32_t verb;
    std::uint32_t number;
    std::size_t size;
    Bytes others;
  };
  const Bytes request = field(1, as_bytes("request"));
  const std::vector<Fixed> requests = {
      {3, 1, 32, {}},                              // put_chunk.part
      {4, 3, 64, field(2, Bytes(seal_bytes, 1))},  // submit.signature
      {6, 1, 32, {}},                              // list_cases.after
      {7, 2, 64, request},                         // open.signature
      {8, 1, 32, {0x10, 0x01}},                    // get_chunk.opening, with part = payload
      {12, 3, 32, {}},                             // publish_directory.bundle_digest
      {14, 1, 32, {}},                             // prove.exchange
  };
  for (const Fixed& fixed : requests) {
    auto with = [&](std::size_t size) {
      return field(fixed.verb, joined({fixed.others, field(fixed.number, Bytes(size, 1))}));
    };
    EXPECT_TRUE(decode_request(with(fixed.size))) << fixed.verb;
    for (std::size_t size : {std::size_t{0}, fixed.size - 1, fixed.size + 1}) {
      const auto wrong = decode_request(with(size));
      ASSERT_FALSE(wrong) << fixed.verb << " with " << size;
      EXPECT_EQ(wrong.error().code, Errc::invalid_input);
    }
    EXPECT_FALSE(decode_request(field(fixed.verb, fixed.others))) << fixed.verb << " without it";
  }
}

TEST(WireLimits, ChunksNotesAndOpeningRequestsStopAtTheirLimits) {
  PutChunk chunk;
  chunk.bytes = Bytes(chunk_bytes_max, 1);
  EXPECT_TRUE(decode_request(encode(Request{1, chunk})));
  chunk.bytes.push_back(1);
  EXPECT_EQ(error_of(chunk), Errc::over_limit);
  Open open;
  open.request = Bytes(opening_bytes_max + 1, 1);
  EXPECT_EQ(error_of(open), Errc::over_limit);
  open.request = Bytes(10, 1);
  open.note = Bytes(sealed_note_bytes_max + 1, 1);
  EXPECT_EQ(error_of(open), Errc::over_limit);
  PublishDirectory publish;
  publish.bundle = Bytes(inline_bytes_max + 1, 1);
  EXPECT_EQ(error_of(publish), Errc::over_limit);
  publish.bundle.clear();
  publish.bundle_size = directory_bundle_bytes_max + 1;
  EXPECT_EQ(error_of(publish), Errc::over_limit);
}

TEST(WireLimits, CountsStopAtTheirLimits) {
  EXPECT_EQ(error_of(List{"ged/89", {}, list_items_max + 1}), Errc::over_limit);
  EXPECT_EQ(error_of(ListCases{{}, list_items_max + 1}), Errc::over_limit);
  EXPECT_EQ(error_of(GetRecords{{}, records_items_max + 1}), Errc::over_limit);
  Follow follow;
  follow.queues.assign(follow_queues_max + 1, {"ged/89", {}});
  EXPECT_EQ(error_of(follow), Errc::over_limit);
  follow.queues.resize(1);
  follow.credit = follow_credit_max + 1;
  EXPECT_EQ(error_of(follow), Errc::over_limit);

  Seeded random;
  Pushed pushed;
  QueueItem item = queue_item(random);
  item.visible = false;
  item.address.clear();
  item.seal.clear();
  item.signature = {};
  pushed.items.assign(list_items_max + 1, item);
  EXPECT_EQ(reply_error_of(pushed), Errc::over_limit);
  EXPECT_EQ(reply_error_of(Items{pushed.items, false, {}, {}}), Errc::over_limit);
  CheckpointReply checkpoint;
  checkpoint.consistency.resize(proof_digests_max + 1);
  EXPECT_EQ(reply_error_of(checkpoint), Errc::over_limit);
  checkpoint.consistency.clear();
  checkpoint.checkpoint = std::string(checkpoint_bytes_max + 1, 'x');
  EXPECT_EQ(reply_error_of(checkpoint), Errc::over_limit);
  Records records;
  records.items.resize(records_items_max + 1);
  EXPECT_EQ(reply_error_of(records), Errc::over_limit);
  Opened opened;
  AccessPart part;
  part.seal = Bytes(seal_bytes, 1);
  opened.access.assign(access_parts_max + 1, part);
  EXPECT_EQ(reply_error_of(opened), Errc::over_limit);
  Accepted accepted;
  accepted.proof.leaf = std::string(audit::leaf_bytes_max + 1, 'x');
  EXPECT_EQ(reply_error_of(accepted), Errc::over_limit);
}

TEST(WireLimits, AnHostileCountOfEmptyItemsIsRefusedByItsCount) {
  // Two bytes an item: 64 KiB of them is the most a message can make a reader allocate.
  Bytes items;
  while (items.size() + 8 < message_bytes_max) append(items, field(1, {}));
  for (std::uint32_t reply : {6U, 7U, 11U, 16U}) EXPECT_FALSE(decode_reply(field(reply, items))) << reply;
  EXPECT_FALSE(decode_request(field(10, items)));
}

TEST(WireLimits, ALengthPastTheEndIsRefusedNotBelieved) {
  for (Bytes hostile : {Bytes{0x22, 0xff, 0xff, 0xff, 0xff, 0x0f}, Bytes{0x22, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00},
                        Bytes{0x22, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
                        Bytes{0x22, 0x06, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x07}, Bytes{0x23}, Bytes{0x24}, Bytes{0x00},
                        Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}) {
    EXPECT_FALSE(decode_request(hostile));
    EXPECT_FALSE(decode_reply(hostile));
  }
}

TEST(WireLists, OnlyKnownValuesAreRead) {
  for (std::uint8_t part : {std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{127}}) {
    const Bytes body = joined({field(1, Bytes(32, 1)), {0x10, part}});
    EXPECT_FALSE(decode_request(field(8, body))) << int{part};
  }
  EXPECT_EQ(reply_error_of(Refusal{static_cast<Code>(0), "", 0}), Errc::invalid_input);
  EXPECT_EQ(reply_error_of(Refusal{static_cast<Code>(200), "", 0}), Errc::invalid_input);

  EXPECT_FALSE(decode_request(encode(Request{1, Prove{{}, LeafIndex{1}, {}, false, true}}))) << "an exchange is erased";

  Cases cases;
  cases.items = {{{}, static_cast<std::uint16_t>(Kind::decision), "ged/89", "recu", {}, {}, 1, true}};
  EXPECT_TRUE(decode_reply(encode(Reply{1, cases})));
  auto wrong = [&](auto change) {
    Cases other = cases;
    change(other.items[0]);
    return reply_error_of(other);
  };
  EXPECT_EQ(wrong([](CaseItem& item) { item.kind = 0; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) { item.kind = 9999; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) { item.state = "decide"; }), Errc::invalid_input)
      << "a commune is never told this";
  EXPECT_EQ(wrong([](CaseItem& item) { item.state = "perdu"; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) { item.queue = "ged"; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) {
              item.commune = item.held = true;
              item.state = "recu";
            }),
            Errc::invalid_input)
      << "a collectivité is not told";
  EXPECT_EQ(wrong([](CaseItem& item) { item.read = true; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) { item.answered_at = {1}; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) { item.origin[0] = 1; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) { item.transmitted = {{"clir/89", {}, {}}}; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) {
              item.commune = false;
              item.transmitted = {{"clir", {}, {}}};
            }),
            Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) {
              item.commune = false;
              item.origin_queue = "ged/89";
            }),
            Errc::invalid_input)
      << "of no case";
  EXPECT_EQ(wrong([](CaseItem& item) { item.urgency = 2; }), Errc::invalid_input);
  EXPECT_EQ(wrong([](CaseItem& item) {
              item.commune = false;
              item.state = "examen_termine";
            }),
            Errc::invalid_input);
}

TEST(WireLists, TheAuthorsHeaderTravelsOnlyWhereHisOwnPartDoesNot) {
  Seeded random;
  Opened opened;
  opened.exchange = random.array<32>();
  opened.access = {access_part(random)};
  opened.header = {Bytes(address_bytes_max, 1), Bytes(seal_bytes, 1), random.array<64>(), {1}};
  EXPECT_TRUE(decode_reply(encode(Reply{1, opened})));
  Opened beside = opened;
  beside.access[0].exchange = opened.exchange;
  EXPECT_EQ(reply_error_of(beside), Errc::invalid_input);
  Opened short_seal = opened;
  short_seal.header->seal.pop_back();
  EXPECT_EQ(reply_error_of(short_seal), Errc::invalid_input);
  opened.header->address.push_back(1);
  EXPECT_EQ(reply_error_of(opened), Errc::over_limit);
}

TEST(WireLists, AQueueIdIsWellFormedWhereverItStands) {
  for (const char* id : {"", "ged", "ged/", "/89", "GED/89", "sante/89", "ged/89\n", "ged/8 9", "ged/\x1b[2J"}) {
    EXPECT_EQ(error_of(Acknowledge{id, {}}), Errc::invalid_input) << id;
    Follow follow;
    follow.queues = {{id, {}}};
    EXPECT_EQ(error_of(follow), Errc::invalid_input) << id;
  }
  EXPECT_EQ(error_of(List{"GED/89", {}, 1}), Errc::invalid_input);
  EXPECT_EQ(error_of(Acknowledge{"person/" + std::string(65, 'x'), {}}), Errc::over_limit);
}

TEST(WireLists, WhatIsShownOfARefusalCannotSteerATerminal) {
  for (const char* subject : {"release\n", "a b", "\x1b[31m", "d\xc3\xa9p\xc3\xb4t", "\x7f"})
    EXPECT_EQ(reply_error_of(Refusal{Code::invalid, subject, 0}), Errc::invalid_input) << subject;
  EXPECT_EQ(reply_error_of(Refusal{Code::invalid, std::string(refusal_subject_bytes_max + 1, 'x'), 0}),
            Errc::over_limit);
  HelloReply hello;
  hello.member = "m.durand\n";
  EXPECT_EQ(reply_error_of(hello), Errc::invalid_input);
  EXPECT_EQ(reply_error_of(Health{"ok\x1b", 0, 0, {}, {}, {}, 0, {}, {}, {}}), Errc::invalid_input);
}

TEST(WireLimits, NoNumberUsesItsHighestBit) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  const auto page = [](std::uint64_t n) { return DirectoryPage{"", {{n, {}, {}}}, false, {}}; };
  const auto item = [](std::uint64_t number, std::uint64_t leaf) {
    QueueItem out;
    out.queue = "ged/89";
    out.head.number = {number};
    out.visible = false;
    out.leaf = {leaf};
    return out;
  };
  const auto proof = [](std::uint64_t n) { return LeafProof{"", {}, {n}, {}, ""}; };
  const auto hello = [](std::uint64_t directory, std::uint64_t bytes_max) {
    HelloReply out;
    out.member = "m.durand";
    out.directory = {directory};
    out.exchange_bytes_max = bytes_max;
    return out;
  };
  const auto requests = [&](std::uint64_t n) {
    return std::vector<RequestBody>{Hello{1, 1, {n}},
                                    PutChunk{{}, n, 0, {}},
                                    List{"ged/89", {n}, 1},
                                    Acknowledge{"ged/89", {n}},
                                    Follow{{{"ged/89", {n}}}, 1},
                                    GetDirectory{{n}, 0},
                                    GetDirectory{{}, n},
                                    GetCheckpoint{{n}},
                                    GetRecords{{n}, 1},
                                    GetShard{"log/2026-1", {n}},
                                    Prove{{}, LeafIndex{n}}};
  };
  const auto replies = [&](std::uint64_t n) {
    return std::vector<ReplyBody>{hello(n, 0),
                                  hello(0, n),
                                  ChunkStored{n, 0, false},
                                  Accepted{{}, proof(n), false},
                                  Items{{item(n, 0)}, false, {}, {}},
                                  Items{{item(0, n)}, false, {}, {}},
                                  Items{{}, false, {n}, {}},
                                  Items{{}, false, {}, {{n}, {}}},
                                  Chunk{0, n, {}},
                                  Acknowledged{{n}},
                                  Pushed{{item(n, 0)}},
                                  page(n),
                                  Published{{n}, {}},
                                  Proven{proof(n)},
                                  Records{{{{n}, "", {}}}, {}},
                                  Records{{}, {n}},
                                  Health{"ok", n, 0, {}, {}, {}, 0, {}, {}, {}},
                                  Health{"ok", 0, n, {}, {}, {}, 0, {}, {}, {}},
                                  Health{"ok", 0, 0, {n}, {}, {}, 0, {}, {}, {}},
                                  Health{"ok", 0, 0, {}, {}, {}, n, {}, {}, {}},
                                  Health{"ok", 0, 0, {}, {}, {}, 0, {}, {}, {}, n},
                                  ShardReply{"", "", {}, proof(n), ""}};
  };
  for (std::size_t i = 0; i < requests(most).size(); ++i) {
    EXPECT_TRUE(decode_request(encode(Request{1, requests(most)[i]}))) << i;
    EXPECT_EQ(error_of(requests(most + 1)[i]), Errc::invalid_input) << i;
  }
  for (std::size_t i = 0; i < replies(most).size(); ++i) {
    EXPECT_TRUE(decode_reply(encode(Reply{1, replies(most)[i]}))) << i;
    EXPECT_EQ(reply_error_of(replies(most + 1)[i]), Errc::invalid_input) << i;
  }
}

TEST(WireLists, AProofIsOfAnExchangeOrOfALeafAndAShardIsNamedOfLeavesOnly) {
  Prove of_leaf;
  of_leaf.leaf = LeafIndex{7};
  of_leaf.shard = "pli.example/pli/89/2026-1";
  EXPECT_TRUE(decode_request(encode(Request{1, of_leaf})));
  Prove of_exchange;
  of_exchange.shard = of_leaf.shard;
  EXPECT_EQ(error_of(of_exchange), Errc::invalid_input);
}

TEST(WireLists, AnOriginIsAKeyName) {
  for (const char* name : {"Log/2026-1", "log 2026", "log/\n", "log+1"}) {
    EXPECT_EQ(error_of(GetShard{name, {}}), Errc::invalid_input) << name;
    EXPECT_EQ(error_of(GetRecords{{}, 1, name}), Errc::invalid_input) << name;
    EXPECT_EQ(error_of(Hello{1, 1, {}, name}), Errc::invalid_input) << name;
  }
  EXPECT_TRUE(decode_request(encode(Request{1, GetShard{std::string(audit::key_name_bytes_max, 'x'), {}}})));
  EXPECT_EQ(error_of(GetShard{std::string(audit::key_name_bytes_max + 1, 'x'), {}}), Errc::over_limit);
}

TEST(WireLists, ATimeBeyondWhatCountsIsRefused) {
  Health health;
  health.state = "ok";
  health.started_at = {-1};
  EXPECT_EQ(reply_error_of(health), Errc::invalid_input);
}

TEST(WireReply, AnItemOffTheRosterCarriesNoAddressEvenIfOneIsSet) {
  Seeded random;
  QueueItem item = queue_item(random);
  item.visible = false;
  item.address = Bytes(100, 1);
  item.seal = Bytes(seal_bytes, 1);
  item.signature = random.array<64>();
  const auto back = decode_reply(encode(Reply{1, Pushed{{item}}}));
  ASSERT_TRUE(back);
  const QueueItem& read = std::get<Pushed>(back->body).items.at(0);
  EXPECT_TRUE(read.address.empty());
  EXPECT_TRUE(read.seal.empty());
  EXPECT_EQ(read.signature, crypto::Signature{});
  EXPECT_EQ(read.exchange, item.exchange);
  EXPECT_EQ(read.head, item.head);
}

TEST(WireRequestId, IsReadFromWhatDoesNotDecode) {
  Bytes bytes = encode(Request{123456789, some_submit()});
  EXPECT_EQ(request_id_of(ByteView(bytes).first(20)), 123456789U);
  EXPECT_EQ(request_id_of({}), 0U);
  EXPECT_EQ(request_id_of(Bytes{0x08}), 0U);
  EXPECT_EQ(request_id_of(Bytes(20, 0xff)), 0U);
  EXPECT_EQ(request_id_of(as_bytes("GET / HTTP/1.1")), 0U);
}

}  // namespace
}  // namespace pli::protocol
