// kill -9 at a thousand points and more (P2, P3, P8): a child works on the true disk and kills itself at, or in the
// middle of, one call after the other; its parent holds what had left it and looks at what it left behind.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <random>

#include "tests/crash/scripted_broker.hpp"
#include "tests/support/kill_point.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::testing {
namespace {

Bytes encode(const Held& held) {
  ByteWriter out;
  const auto places = [&](const auto& map) {
    out.u32(static_cast<std::uint32_t>(map.size()));
    for (const auto& [id, leaf] : map) {
      out.raw(ByteView(id));
      out.u64(leaf.value);
    }
  };
  const auto texts = [&](const auto& map) {
    out.u32(static_cast<std::uint32_t>(map.size()));
    for (const auto& [number, text] : map) {
      out.u64(number);
      out.u32(static_cast<std::uint32_t>(text.size()));
      out.raw(as_bytes(text));
    }
  };
  places(held.receipts);
  places(held.openings);
  texts(held.checkpoints);
  texts(held.leaves);
  out.u64(held.directory.value);
  out.u64(held.acknowledged.value);
  return Bytes(out.bytes().begin(), out.bytes().end());
}

Held decode(ByteView bytes) {
  Held held;
  ByteReader in(bytes);
  const auto places = [&](auto& map) {
    for (std::uint32_t left = in.u32(); left > 0; --left) {
      const auto id = to_array<32>(in.raw(32)).value();
      map[id] = {in.u64()};
    }
  };
  const auto texts = [&](auto& map) {
    for (std::uint32_t left = in.u32(); left > 0; --left) {
      const std::uint64_t number = in.u64();
      const std::uint32_t size = in.u32();
      map[number] = std::string(as_text(in.raw(size)));
    }
  };
  places(held.receipts);
  places(held.openings);
  texts(held.checkpoints);
  texts(held.leaves);
  held.directory = {in.u64()};
  held.acknowledged = {in.u64()};
  EXPECT_TRUE(in.at_end());
  return held;
}

struct OnAKillingDisk {
  KillPoint kill_;
};

class KillPoints : protected OnAKillingDisk, public ScriptedBroker {
 protected:
  struct Point {
    std::uint64_t call = 0;
    std::size_t bytes = 0;
  };

  KillPoints() : ScriptedBroker(KillPoint::name()) {
    house_.close();
    copy_database(house_.database(), base());
  }
  std::filesystem::path base() const { return house_.folder() / "base" / "pli.db"; }

  void begin_again() {
    house_.close();
    copy_database(base(), house_.database());
    held_ = found_;
    resending_ = false;
  }

  /// In the child, what left goes to the parent at once.
  void left() override {
    if (pipe_ < 0) return;
    ByteWriter out;
    const Bytes held = encode(held_);
    out.u32(static_cast<std::uint32_t>(held.size()));
    out.raw(held);
    const ByteView frame = out.bytes();
    for (std::size_t done = 0; done < frame.size();) {
      const ::ssize_t sent = ::write(pipe_, frame.data() + done, frame.size() - done);
      if (sent <= 0) ::_exit(4);
      done += static_cast<std::size_t>(sent);
    }
  }

  /// The child's end, as waitpid() gives it; what had left it is in `held_`.
  int work_and_die(const Point& point) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    const ::pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      pipe_ = ends[1];
      kill_.kill_at(point.call, point.bytes);
      const bool done = run_script();
      ::_exit(done && !HasFailure() ? 0 : 3);
    }
    ::close(ends[1]);
    Bytes got;
    std::uint8_t part[16'384];
    for (::ssize_t size; (size = ::read(ends[0], part, sizeof part)) > 0;) got.insert(got.end(), part, part + size);
    ::close(ends[0]);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    // The last whole one: what was on its way when the child died never arrived.
    for (std::size_t at = 0; at + 4 <= got.size();) {
      ByteReader head(ByteView(got).subspan(at, 4));
      const std::size_t size = head.u32();
      if (at + 4 + size > got.size()) break;
      held_ = decode(ByteView(got).subspan(at + 4, size));
      at += 4 + size;
    }
    return status;
  }

  int pipe_ = -1;
};

/// PLI_KILL_POINTS=n adds points drawn by the seed until there are n.
TEST_F(KillPoints, P2P3P8NoPointOfAThousandLosesDoublesOrUnrecordsWhatLeftTheBroker) {
  const auto started = std::chrono::steady_clock::now();
  begin_again();
  kill_.kill_at(UINT64_MAX, 0);
  ASSERT_TRUE(run_script());
  const std::vector<std::size_t> calls = kill_.calls();
  ASSERT_GT(calls.size(), 60U);

  std::vector<Point> points;
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    const std::size_t size = calls[call];
    points.push_back({call, size});
    if (size < 16) continue;
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, size / 4, size / 2, size - 1})
      points.push_back({call, bytes});
  }
  const char* wanted = std::getenv("PLI_KILL_POINTS");
  const std::size_t count = wanted == nullptr ? points.size() : std::strtoull(wanted, nullptr, 10);
  std::mt19937_64 random(seed());
  if (points_stride > 1) {
    std::vector<Point> some;
    for (std::size_t i = 0; i < points.size(); i += points_stride) some.push_back(points[i]);
    points = std::move(some);
  }
  while (points.size() < count / points_stride) {
    const std::uint64_t call = random() % calls.size();
    points.push_back({call, random() % (calls[call] + 1)});
  }

  std::size_t turn = 0;
  for (const Point& point : points) {
    SCOPED_TRACE("killed at call " + std::to_string(point.call) + ", after " + std::to_string(point.bytes) + " of " +
                 std::to_string(calls[point.call]) + " bytes, seed " + std::to_string(seed()));
    begin_again();
    const int status = work_and_die(point);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    kill_.kill_at(UINT64_MAX, 0);
    expect_nothing_lost();
    if (HasFatalFailure()) break;
    if (++turn % 8 == 0) expect_all_is_taken_once();
  }
  const auto took = std::chrono::steady_clock::now() - started;
  std::cout << points.size() << " kills at " << calls.size() << " calls in "
            << std::chrono::duration_cast<std::chrono::seconds>(took).count() << " s\n";
  RecordProperty("kills", static_cast<int>(points.size()));
  EXPECT_GE(points.size(), 1000U / points_stride);
}

}  // namespace
}  // namespace pli::testing
