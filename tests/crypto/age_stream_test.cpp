// Payloads: every size, every cut, every order; in memory, in a stream, and piece by piece.
#include <fstream>

#include "tests/crypto/age_support.hpp"

namespace pli::crypto {
namespace {

constexpr std::size_t chunk = age_chunk_bytes;
constexpr std::size_t sealed_chunk = age_chunk_bytes + age_tag_bytes;

std::size_t sealed_size(std::size_t plaintext) {
  return 200 + plaintext + 16 * (std::max<std::size_t>(1, (plaintext + chunk - 1) / chunk) - 1);
}

/// Sizes around every border: chunks, batches of chunks, and what a source may hand out.
std::vector<std::size_t> border_sizes() {
  std::vector<std::size_t> out = {0, 1, 2, 15, 16, 17};
  for (const std::size_t chunks : {1U, 2U, 3U, 4U, 5U, 15U, 16U, 17U, 30U, 31U, 32U, 33U, 47U, 48U}) {
    for (const std::size_t size : {chunks * chunk - 1, chunks * chunk, chunks * chunk + 1}) out.push_back(size);
  }
  return out;
}

TEST(AgeFile, RoundTripsAroundEveryBorder) {
  const AgePair pair;
  const Bytes all = counted_bytes(48 * chunk + 1);
  for (const std::size_t size : border_sizes()) {
    SCOPED_TRACE(size);
    const ByteView plaintext = ByteView(all).first(size);
    const Bytes file = sealed_file(plaintext, pair.recipients());
    EXPECT_EQ(file.size(), sealed_size(size));
    const Streamed streamed = stream_open(file, pair.keys());
    EXPECT_EQ(streamed.outcome, "success");
    EXPECT_TRUE(equal(streamed.released, plaintext));
    const auto opened = opening::open_bytes(file, pair.keys());
    ASSERT_TRUE(opened) << outcome_of(opened);
    EXPECT_TRUE(equal(*opened, plaintext));
    const auto in_memory = seal_bytes(plaintext, pair.recipients());
    EXPECT_EQ(in_memory->size(), file.size());
    EXPECT_TRUE(equal(stream_open(*in_memory, pair.keys()).released, plaintext));
  }
}

TEST(AgeFile, DoesNotDependOnHowItsSourceHandsOutBytes) {
  Seeded random;
  const AgePair pair;
  for (int round = 0; round < 12; ++round) {
    const Bytes plaintext = random.bytes(random.below(20 * chunk));
    const std::size_t step = 1 + random.below(200000);
    SCOPED_TRACE(std::to_string(plaintext.size()) + " bytes in steps of " + std::to_string(step));
    Bytes file;
    ASSERT_TRUE(seal_file(memory_source(plaintext, step), memory_sink(file), pair.recipients(), round % 2 == 1));
    const Streamed streamed = stream_open(file, pair.keys(), step);
    EXPECT_EQ(streamed.outcome, "success");
    EXPECT_EQ(streamed.released, plaintext);
  }
}

TEST(PayloadSealer, WritesWhatOpensHoweverItIsFed) {
  Seeded random;
  for (int round = 0; round < 30; ++round) {
    const Bytes plaintext = random.bytes(random.below(4) == 0 ? random.below(4) * chunk : random.below(5 * chunk));
    const FileKey file_key = FileKey::random();
    PayloadSealer sealer(file_key);
    Bytes payload;
    for (ByteView rest = plaintext; !rest.empty();) {
      const std::size_t size = std::min(rest.size(), random.below(3) == 0 ? chunk : random.below(2 * chunk));
      sealer.update(rest.first(size), payload);
      rest = rest.subspan(size);
    }
    sealer.finish(payload);
    EXPECT_EQ(payload.size(), 16 + sealed_size(plaintext.size()) - 200 + 16);
    const auto opened = opening::open_payload(file_key, payload);
    ASSERT_TRUE(opened) << plaintext.size();
    EXPECT_EQ(*opened, plaintext);
    EXPECT_EQ(*opening::open_payload(file_key, seal_payload(file_key, plaintext)), plaintext);
  }
}

TEST(PayloadSealer, HoldsAFullChunkBackUntilItKnowsWhetherMoreFollows) {
  PayloadSealer sealer(test_file_key());
  Bytes out;
  sealer.update(counted_bytes(chunk), out);
  EXPECT_TRUE(out.empty());
  sealer.update(Bytes(1), out);
  EXPECT_EQ(out.size(), 16 + sealed_chunk);
  sealer.finish(out);
  EXPECT_EQ(out.size(), 16 + sealed_chunk + 1 + 16);
}

TEST(PayloadSealerDeathTest, FinishesOnce) {
  EXPECT_DEATH(
      {
        PayloadSealer sealer(test_file_key());
        Bytes out;
        sealer.finish(out);
        sealer.finish(out);
      },
      "broken invariant");
}

/// A sealed file of `chunks` whole chunks, cut into header with nonce and chunks, to be put together wrongly.
class AgePayload : public ::testing::Test {
 protected:
  static constexpr std::size_t chunks = 20;  // more than one batch
  static constexpr std::size_t head_bytes = 184;

  ByteView head() const { return ByteView(file_).first(head_bytes); }
  ByteView piece(std::size_t i) const { return ByteView(file_).subspan(head_bytes + i * sealed_chunk, sealed_chunk); }

  Bytes joined(const std::vector<std::size_t>& order) const {
    Bytes out = to_bytes(head());
    for (const std::size_t i : order) append(out, piece(i));
    return out;
  }
  static std::vector<std::size_t> in_order(std::size_t count = chunks) {
    std::vector<std::size_t> out(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = i;
    return out;
  }
  /// Fails as payload, in memory as a whole and in the stream after exactly the first `good` chunks.
  void expect_failure_after(std::size_t good, const Bytes& file) const {
    const Streamed streamed = stream_open(file, pair_.keys());
    EXPECT_EQ(streamed.outcome, "payload failure");
    EXPECT_EQ(streamed.released.size(), good * chunk);
    EXPECT_TRUE(equal(streamed.released, ByteView(plaintext_).first(std::min(good * chunk, plaintext_.size()))));
    const auto opened = opening::open_bytes(file, pair_.keys());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error(), opening::AgeFailure::payload);
  }

  AgePair pair_;
  Bytes plaintext_ = counted_bytes(chunks * chunk);
  Bytes file_ = sealed_file(plaintext_, pair_.recipients());
};

TEST_F(AgePayload, IsWholeToBeginWith) {
  EXPECT_EQ(joined(in_order()), file_);
  EXPECT_EQ(stream_open(file_, pair_.keys()).released, plaintext_);
}

TEST_F(AgePayload, ReleasesTheChunksBeforeAFlippedBitAndNoneFromThere) {
  Seeded random;
  for (std::size_t i = 0; i < chunks; ++i) {
    SCOPED_TRACE(i);
    Bytes changed = file_;
    const std::size_t bit = random.below(sealed_chunk * 8);
    std::uint8_t& byte = changed[head_bytes + i * sealed_chunk + bit / 8];
    byte = static_cast<std::uint8_t>(byte ^ 1U << bit % 8);
    expect_failure_after(i, changed);
  }
}

TEST_F(AgePayload, RefusesAChangedNonce) {
  for (std::size_t bit = 0; bit < 128; ++bit) {
    Bytes changed = joined(in_order(1));
    std::uint8_t& byte = changed[head_bytes - 16 + bit / 8];
    byte = static_cast<std::uint8_t>(byte ^ 1U << bit % 8);
    expect_failure_after(0, changed);
  }
}

TEST_F(AgePayload, RefusesACutAtEveryChunkAndBesideIt) {
  for (std::size_t i = 0; i < chunks; ++i) {
    SCOPED_TRACE(i);
    const Bytes cut = joined(in_order(i));
    expect_failure_after(i, cut);
    for (const std::size_t more :
         {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{17}, sealed_chunk - 1}) {
      Bytes longer = cut;
      append(longer, piece(i).first(more));
      expect_failure_after(i, longer);
    }
  }
}

TEST_F(AgePayload, RefusesChunksLeftOutSwappedOrDoubled) {
  for (std::size_t i = 0; i + 1 < chunks; ++i) {
    SCOPED_TRACE(i);
    auto without = in_order();
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    expect_failure_after(i, joined(without));
    auto swapped = in_order();
    std::swap(swapped[i], swapped[i + 1]);
    expect_failure_after(i, joined(swapped));
    auto doubled = in_order();
    doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), i);
    expect_failure_after(i + 1, joined(doubled));
  }
}

TEST_F(AgePayload, RefusesAnythingAfterItsLastChunk) {
  for (const std::size_t more : {std::size_t{1}, std::size_t{16}, sealed_chunk}) {
    Bytes longer = file_;
    append(longer, piece(0).first(more));
    expect_failure_after(chunks, longer);
  }
  auto doubled = in_order();
  doubled.push_back(chunks - 1);
  expect_failure_after(chunks, joined(doubled));
}

TEST_F(AgePayload, RefusesAnEmptyLastChunkUnlessItIsTheOnlyOne) {
  // A whole file of 0 bytes is one empty chunk; the same after a full chunk is malleability.
  const Bytes empty = *seal_bytes({}, pair_.recipients());
  EXPECT_EQ(stream_open(empty, pair_.keys()).outcome, "success");
  for (const std::size_t full : {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{17}}) {
    const FileKey file_key = FileKey::random();
    const Bytes longer = seal_payload(file_key, ByteView(plaintext_).first(full * chunk + 1));
    Bytes payload = to_bytes(ByteView(longer).first(16 + full * sealed_chunk));
    payload.insert(payload.end(), 16, 0);
    const auto opened = opening::open_payload(file_key, payload);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error(), opening::AgeFailure::payload);
  }
}

TEST_F(AgePayload, OfAnotherFileDoesNotOpen) {
  const Bytes other = sealed_file(plaintext_, pair_.recipients());
  Bytes mixed = to_bytes(ByteView(file_).first(head_bytes - 16));
  append(mixed, ByteView(other).subspan(head_bytes - 16));
  expect_failure_after(0, mixed);
}

TEST(OpenPayload, NamesAMissingNonceAHeaderFailure) {
  for (std::size_t size = 0; size < 16; ++size) {
    EXPECT_EQ(opening::open_payload(test_file_key(), Bytes(size)).error(), opening::AgeFailure::header);
  }
  EXPECT_EQ(opening::open_payload(test_file_key(), Bytes(16)).error(), opening::AgeFailure::payload);
  EXPECT_EQ(opening::open_payload(test_file_key(), Bytes(31)).error(), opening::AgeFailure::payload);
}

/// Fails at its `after`-th call, and says so if it is asked again.
Source failing_source(ByteView bytes, int after) {
  return [source = memory_source(bytes, 50000), after](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    if (after-- <= 0) return Error{Errc::io_error, "the disk of the test"};
    return source(out);
  };
}
Sink failing_sink(int after) {
  return [after](ByteView) mutable -> Result<void> {
    if (after-- <= 0) return Error{Errc::io_error, "the disk of the test"};
    return {};
  };
}

TEST(AgeFile, PassesOnTheFailuresOfItsSourceAndItsSink) {
  const AgePair pair;
  const Bytes plaintext = counted_bytes(40 * chunk);
  for (const bool armor : {false, true}) {
    const Bytes file = sealed_file(plaintext, pair.recipients(), armor);
    for (const int after : {0, 1, 2, 3, 30}) {
      Bytes out;
      const auto sealed = seal_file(failing_source(plaintext, after), memory_sink(out), pair.recipients(), armor);
      ASSERT_FALSE(sealed) << after;
      EXPECT_EQ(sealed.error().code, Errc::io_error);
      const auto opened = opening::open_file(failing_source(file, after), memory_sink(out), pair.keys());
      ASSERT_FALSE(opened) << after;
      EXPECT_EQ(opened.error(), opening::AgeFailure::input);
    }
    for (const int after : {0, 1, 2}) {
      const auto sealed = seal_file(memory_source(plaintext), failing_sink(after), pair.recipients(), armor);
      ASSERT_FALSE(sealed) << after;
      EXPECT_EQ(sealed.error().code, Errc::io_error);
      const auto opened = opening::open_file(memory_source(file), failing_sink(after), pair.keys());
      ASSERT_FALSE(opened) << after;
      EXPECT_EQ(opened.error(), opening::AgeFailure::output);
    }
  }
}

TEST(AgeFile, AsksItsSourceNoMoreOnceItHasSaidTheEnd) {
  const AgePair pair;
  const auto ending_once = [](ByteView bytes) -> Source {
    return [source = memory_source(bytes), ended = false](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
      EXPECT_FALSE(ended);
      const auto got = source(out);
      ended = *got == 0;
      return got;
    };
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, 16 * chunk, 17 * chunk}) {
    for (const bool armor : {false, true}) {
      Bytes file;
      ASSERT_TRUE(seal_file(ending_once(counted_bytes(size)), memory_sink(file), pair.recipients(), armor));
      Bytes out;
      ASSERT_TRUE(opening::open_file(ending_once(file), memory_sink(out), pair.keys()));
      EXPECT_EQ(out, counted_bytes(size));
    }
  }
}

TEST(AgeFile, IsSealedAndOpenedUnderAPassphrase) {
  const SecretKey passphrase = SecretKey::copy_of(as_bytes("quatre mots pris au hasard"));
  const SecretKey wrong = SecretKey::copy_of(as_bytes("quatre mots pris au hasarD"));
  const Bytes plaintext = counted_bytes(17 * chunk);
  for (const bool armor : {false, true}) {
    Bytes file;
    ASSERT_TRUE(opening::seal_file_with_passphrase(memory_source(plaintext), memory_sink(file), passphrase, 2, armor));
    EXPECT_EQ(stream_open(file, {{}, &passphrase}).released, plaintext);
    EXPECT_EQ(stream_open(file, {{}, &wrong}).outcome, "no match");
    EXPECT_EQ(stream_open(file, AgePair().keys()).outcome, "no match");
  }
}

TEST(AgeFile, TakesNoEmptyPassphraseAndNoWorkFactorItWouldNotRead) {
  const SecretKey passphrase = SecretKey::copy_of(as_bytes("x"));
  Bytes out;
  const auto code = [&](const SecretKey& with, int work_factor) {
    const auto sealed =
        opening::seal_file_with_passphrase(memory_source({}), memory_sink(out), with, work_factor, false);
    return sealed ? std::optional<Errc>() : sealed.error().code;
  };
  EXPECT_EQ(code(SecretKey(), 2), Errc::invalid_input);
  EXPECT_EQ(code(passphrase, 0), Errc::invalid_input);
  EXPECT_EQ(code(passphrase, -1), Errc::invalid_input);
  EXPECT_EQ(code(passphrase, 21), Errc::invalid_input);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(code(passphrase, 1), std::nullopt);
}

std::size_t peak_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6));
  }
  ADD_FAILURE() << "no VmHWM";
  return 0;
}

TEST(AgeFile, IsStreamedInBoundedMemory) {
  const AgePair pair;
  std::size_t left = 96U << 20;
  const Source zeros = [&left](std::span<std::uint8_t> out) -> Result<std::size_t> {
    const std::size_t size = std::min(out.size(), left);
    std::fill_n(out.begin(), size, std::uint8_t{0});
    left -= size;
    return size;
  };
  std::size_t sealed = 0;
  const Sink count = [&sealed](ByteView bytes) -> Result<void> {
    sealed += bytes.size();
    return {};
  };
  ASSERT_TRUE(seal_file(memory_source(Bytes(1)), count, pair.recipients(), true));  // libraries and thread stacks
  const std::size_t before = peak_kib();
  ASSERT_TRUE(seal_file(zeros, count, pair.recipients(), false));
  EXPECT_GT(sealed, 96U << 20);
  EXPECT_LT(peak_kib() - before, 16U << 10) << "KiB more than before";

  Bytes file = sealed_file(counted_bytes(64 * chunk), pair.recipients());
  std::size_t released = 0;
  const std::size_t before_opening = peak_kib();
  ASSERT_TRUE(opening::open_file(
      memory_source(file),
      [&](ByteView bytes) -> Result<void> {
        released += bytes.size();
        return {};
      },
      pair.keys()));
  EXPECT_EQ(released, 64 * chunk);
  EXPECT_LT(peak_kib() - before_opening, 16U << 10);
}

}  // namespace
}  // namespace pli::crypto
