#include "broker/key_ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/file.hpp"
#include "broker/log.hpp"
#include "crypto/boxed_key.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {
namespace {

constexpr std::size_t key_bytes = 32;
constexpr std::size_t key_file_bytes_max = 4096;
constexpr std::size_t lease_file_bytes_max = 16 * 1024 * 1024;
static_assert(erasures_named_max * (32 + 8) / 3 * 4 < lease_file_bytes_max - 1024 * 1024, "read back, with its keys");
constexpr std::uint8_t lease_file_format = 1;
constexpr std::string_view lease_file_name = "leases";
constexpr std::string_view release_prefix = "release-";
constexpr std::string_view key_suffix = ".key";
constexpr std::string_view gone_suffix = ".gone";

struct Month {
  std::int64_t year = 1970;
  std::int64_t month = 1;
};

std::int64_t days_before(const Month& at) {
  // Years begin in March here, so that the leap day is the last of them.
  const std::int64_t year = at.month <= 2 ? at.year - 1 : at.year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (at.month + (at.month > 2 ? -3 : 9)) + 2) / 5;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/// The first moment after this month.
UnixMillis end_of_month(std::uint32_t epoch) {
  const std::int64_t year = epoch / 100;
  const std::int64_t month = epoch % 100;
  return {days_before(month == 12 ? Month{year + 1, 1} : Month{year, month + 1}) * 86'400'000};
}

std::uint32_t month_after(std::uint32_t epoch) { return epoch % 100 == 12 ? epoch + 89 : epoch + 1; }

std::string release_name(std::uint32_t epoch) { return std::string(release_prefix) + std::to_string(epoch); }

std::filesystem::path key_path(const KeyPaths& paths, const std::string& name) {
  return paths.folder / (name + std::string(key_suffix));
}

/// Says that a month's key was destroyed: another one under its number would make sealed shares open to rubbish.
std::filesystem::path gone_path(const KeyPaths& paths, std::uint32_t epoch) {
  return paths.folder / (release_name(epoch) + std::string(gone_suffix));
}

/// The month of "release-YYYYMM" ‖ suffix.
std::optional<std::uint32_t> month_in(const std::string& name, std::string_view suffix) {
  if (!name.starts_with(release_prefix) || !name.ends_with(suffix)) return std::nullopt;
  const std::string digits = name.substr(release_prefix.size(), name.size() - release_prefix.size() - suffix.size());
  std::uint32_t epoch = 0;
  const auto [stopped, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), epoch);
  if (failure != std::errc{} || stopped != digits.data() + digits.size() || digits.size() != 6) return std::nullopt;
  return epoch;
}

/// A pipe in a file's place would keep whoever opens it waiting for ever.
Result<Bytes> read_plain_file(const std::filesystem::path& path, std::size_t bytes_max) {
  std::error_code problem;
  const auto status = std::filesystem::status(path, problem);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    return Error{Errc::corruption, "not a file, where a key should be"};
  return read_file(path, bytes_max);
}

/// The operator's own file, in words for him.
Error named(const std::filesystem::path& path, const Error& error) {
  return {error.code, path.native() + ": " + error.detail};
}

Result<crypto::SecretKey> read_key(const KeyPaths& paths, const std::string& name, const crypto::SecretKey& startup) {
  const std::filesystem::path path = key_path(paths, name);
  Result<Bytes> file = read_plain_file(path, key_file_bytes_max);
  if (!file) return named(path, file.error());
  Result<crypto::SecretKey> secret = crypto::unbox_key(name, as_text(*file), startup);
  if (!secret) return named(path, secret.error());
  if (secret->size() != key_bytes) return named(path, {Errc::corruption, "a key of another length"});
  return secret;
}

Result<void> write_key(const KeyPaths& paths, const std::string& name, const crypto::SecretKey& secret,
                       const crypto::SecretKey& startup) {
  return write_file_durably(key_path(paths, name), as_bytes(crypto::box_key(name, secret, startup)),
                            FileMode::owner_only);
}

Result<void> write_both_copies(const KeyPaths& paths, const LeaseFile& file, const crypto::SecretKey& startup) {
  const std::string boxed = crypto::box_key(lease_file_name, encode(file), startup);
  for (const std::filesystem::path& path : {paths.leases, paths.leases_copy})
    if (auto written = write_file_durably(path, as_bytes(boxed), FileMode::owner_only); !written) return written;
  return {};
}

Result<LeaseFile> read_lease_copy(const std::filesystem::path& path, const crypto::SecretKey& startup) {
  Result<Bytes> file = read_plain_file(path, lease_file_bytes_max);
  if (!file) return named(path, file.error());
  Result<crypto::SecretKey> opened = crypto::unbox_key(lease_file_name, as_text(*file), startup);
  if (!opened) return named(path, opened.error());
  auto leases = decode_lease_file(opened->expose());
  if (!leases) return named(path, leases.error());
  return leases;
}

void add_lease(LeaseFile& file, UnixMillis now) {
  const std::uint32_t id = file.leases.empty() ? 1 : file.leases.back().id + 1;
  file.leases.push_back({id, now, crypto::SecretKey::random(key_bytes)});
}

void add_record_key(LeaseFile& file, UnixMillis now) {
  file.record_keys.push_back({month_of(now), crypto::SecretKey::random(key_bytes)});
}

/// Fills a secret of a size known beforehand: no copy of a key is left behind in ordinary memory.
class SecretWriter {
 public:
  explicit SecretWriter(std::span<std::uint8_t> out) : out_(out) {}
  void raw(ByteView bytes) {
    PLI_INVARIANT(bytes.size() <= out_.size());
    std::copy(bytes.begin(), bytes.end(), out_.begin());
    out_ = out_.subspan(bytes.size());
  }
  void number(std::uint64_t value, std::size_t bytes) {
    while (bytes-- > 0) {
      const std::uint8_t byte = static_cast<std::uint8_t>(value >> (8 * bytes));
      raw({&byte, 1});
    }
  }
  [[nodiscard]] bool full() const { return out_.empty(); }

 private:
  std::span<std::uint8_t> out_;
};

}  // namespace

Result<crypto::SecretKey> read_startup_secret(int fd) {
  crypto::SecretKey secret(crypto::startup_secret_bytes);
  // One byte more than wanted: a longer secret is somebody else's.
  std::size_t got = 0;
  std::uint8_t beyond = 0;
  bool failed = false;
  while (true) {
    std::span<std::uint8_t> rest = secret.expose_for_writing().subspan(got);
    if (rest.empty()) rest = {&beyond, 1};
    const ssize_t count = ::read(fd, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    failed = count < 0;
    if (count <= 0) break;
    got += static_cast<std::size_t>(count);
    if (got > crypto::startup_secret_bytes) break;
  }
  ::close(fd);
  if (failed) return Error{Errc::io_error, "cannot read the start-up secret"};
  if (got != crypto::startup_secret_bytes) return Error{Errc::invalid_input, "the start-up secret is not 32 bytes"};
  return secret;
}

std::uint32_t month_of(UnixMillis time) {
  // Days to civil date: the inverse of days_before, by 400-year eras.
  std::int64_t days = time.value / 86'400'000;
  if (time.value % 86'400'000 < 0) --days;
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t day_of_era = days - era * 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * day_of_year + 2) / 153;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return static_cast<std::uint32_t>(year * 100 + month);
}

crypto::SecretKey encode(const LeaseFile& file) {
  crypto::SecretKey out(1 + 8 + 2 + file.leases.size() * (4 + 8 + key_bytes) + 2 +
                        file.record_keys.size() * (4 + key_bytes) + 4 + file.erased.size() * (32 + 8));
  SecretWriter writer(out.expose_for_writing());
  writer.number(lease_file_format, 1);
  writer.number(file.generation, 8);
  writer.number(file.leases.size(), 2);
  for (const LeaseFile::Lease& lease : file.leases) {
    writer.number(lease.id, 4);
    writer.number(static_cast<std::uint64_t>(lease.made_at.value), 8);
    writer.raw(lease.key.expose());
  }
  writer.number(file.record_keys.size(), 2);
  for (const LeaseFile::RecordKey& key : file.record_keys) {
    writer.number(key.month, 4);
    writer.raw(key.key.expose());
  }
  writer.number(file.erased.size(), 4);
  for (const LeaseFile::Erased& erased : file.erased) {
    writer.raw(erased.exchange);
    writer.number(static_cast<std::uint64_t>(erased.at.value), 8);
  }
  PLI_INVARIANT(writer.full());
  return out;
}

Result<LeaseFile> decode_lease_file(ByteView bytes) {
  const Error damaged{Errc::corruption, "lease file is not one"};
  ByteReader reader(bytes);
  if (reader.u8() != lease_file_format) return damaged;
  LeaseFile file;
  file.generation = reader.u64();
  for (std::size_t count = reader.u16(); count > 0 && reader.ok(); --count) {
    LeaseFile::Lease lease;
    lease.id = reader.u32();
    lease.made_at.value = static_cast<std::int64_t>(reader.u64());
    lease.key = crypto::SecretKey::copy_of(reader.raw(key_bytes));
    if (!file.leases.empty() && lease.id <= file.leases.back().id) return damaged;
    file.leases.push_back(std::move(lease));
  }
  for (std::size_t count = reader.u16(); count > 0 && reader.ok(); --count) {
    LeaseFile::RecordKey key;
    key.month = reader.u32();
    key.key = crypto::SecretKey::copy_of(reader.raw(key_bytes));
    file.record_keys.push_back(std::move(key));
  }
  for (std::size_t count = reader.u32(); count > 0 && reader.ok(); --count) {
    LeaseFile::Erased erased;
    erased.exchange = reader.array<32>();
    erased.at.value = static_cast<std::int64_t>(reader.u64());
    file.erased.push_back(erased);
  }
  if (!reader.at_end()) return damaged;
  return file;
}

Result<void> KeyRing::create(const KeyPaths& paths, const crypto::SecretKey& startup, UnixMillis now) {
  for (const std::filesystem::path& path : {paths.leases, paths.leases_copy})
    if (std::filesystem::exists(path)) return Error{Errc::conflict, "there is a lease file already"};
  LeaseFile file;
  file.generation = 1;
  add_lease(file, now);
  add_record_key(file, now);
  if (auto written = write_both_copies(paths, file, startup); !written) return written;
  return write_key(paths, release_name(month_of(now)), crypto::SecretKey::random(key_bytes), startup);
}

Result<std::unique_ptr<KeyRing>> KeyRing::open(const KeyPaths& paths, crypto::SecretKey startup, UnixMillis now) {
  auto ring = read(paths, std::move(startup));
  if (!ring) return ring.error();
  if (auto ready = (*ring)->prepare(now); !ready) return ready.error();
  return ring;
}

Result<std::unique_ptr<KeyRing>> KeyRing::read(const KeyPaths& paths, crypto::SecretKey startup) {
  std::unique_ptr<KeyRing> ring(new KeyRing());
  ring->paths_ = paths;
  Result<crypto::SecretKey> curve = read_key(paths, "curve", startup);
  if (!curve) return curve.error();
  Result<crypto::SecretKey> log = read_key(paths, "log", startup);
  if (!log) return log.error();
  ring->curve_ = *std::move(curve);
  ring->log_ = crypto::SigningKey::from_seed(log->expose());

  Result<LeaseFile> first = read_lease_copy(paths.leases, startup);
  Result<LeaseFile> second = read_lease_copy(paths.leases_copy, startup);
  if (!first && !second) return first.error().code == Errc::not_found ? second.error() : first.error();
  ring->copies_agree_ = first && second && first->generation == second->generation;
  // Neither is newer: whichever were taken, the other would be overwritten, and R under its keys lost for good.
  if (ring->copies_agree_ && !crypto::same_secret(encode(*first).expose(), encode(*second).expose()))
    return Error{Errc::corruption, "the two copies of the lease file differ under one generation"};
  const bool take_first = first && (!second || first->generation >= second->generation);
  ring->leases_ = take_first ? *std::move(first) : *std::move(second);
  if (ring->leases_.leases.empty()) return Error{Errc::corruption, "lease file without a lease"};

  std::vector<std::uint32_t> epochs;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(paths.folder, problem)) {
    const std::string name = entry.path().filename().string();
    if (const auto gone = month_in(name, gone_suffix)) ring->gone_.insert(*gone);
    if (const auto epoch = month_in(name, key_suffix)) epochs.push_back(*epoch);
  }
  if (problem) return Error{Errc::io_error, "cannot list the key folder"};
  for (const std::uint32_t epoch : epochs) {
    if (ring->gone_.contains(epoch)) continue;  // a crash between the two steps of its end
    Result<crypto::SecretKey> secret = read_key(paths, release_name(epoch), startup);
    // Not passed over: were it this month's, another key would be made in its place, and what was sealed lost with it.
    if (!secret && secret.error().code != Errc::io_error)
      return Error{Errc::conflict, release_name(epoch) + std::string(key_suffix) + " is no release key of this broker"};
    if (!secret) return secret.error();
    ring->release_.emplace(epoch, crypto::BoxPair::from_secret(*std::move(secret)));
  }
  ring->startup_ = std::move(startup);
  ring->share_leases();
  return ring;
}

Result<void> KeyRing::prepare(UnixMillis now) {
  if (!copies_agree_) {
    for (const std::filesystem::path& path : {paths_.leases, paths_.leases_copy}) {
      const auto copy = read_lease_copy(path, startup_);
      if (copy && copy->generation == leases_.generation) continue;
      log(LogLevel::warning, "lease copy replaced by the other: look at its disk",
          {{"path", LocalText{path.native()}},
           {"was", copy                                   ? Word("older")
                   : copy.error().code == Errc::not_found ? Word("missing")
                                                          : Word("damaged")}});
    }
    if (auto mended = write_both_copies(paths_, leases_, startup_); !mended) return mended;
  }
  copies_agree_ = true;
  for (const std::uint32_t epoch : gone_)
    if (auto destroyed = destroy_release(epoch); !destroyed) return destroyed;
  if (auto current = current_release(now); !current) return current.error();
  return {};
}

Result<KeyRing::ReleasePair> KeyRing::current_release(UnixMillis now) {
  // Should the month's number have been used up, a clock that jumped has destroyed its key: the next month's serves.
  std::uint32_t epoch = month_of(now);
  while (gone_.contains(epoch)) epoch = month_after(epoch);
  if (auto key = release_public(epoch)) return ReleasePair{epoch, *key};
  crypto::SecretKey secret = crypto::SecretKey::random(key_bytes);
  // On disk before anybody seals to it.
  if (auto written = write_key(paths_, release_name(epoch), secret, startup_); !written) return written.error();
  // A month whose records have their key had a release key before.
  if (epoch == month_of(now) && record_key(epoch))
    log(LogLevel::warning,
        "release key was lost and is made anew: what was sealed under it is sealed again by its sender",
        {{"path", LocalText{key_path(paths_, release_name(epoch)).native()}}});
  crypto::BoxPair pair = crypto::BoxPair::from_secret(std::move(secret));
  const crypto::BoxPublic key = pair.public_key();
  const std::lock_guard lock(release_mutex_);
  release_.emplace(epoch, std::move(pair));
  return ReleasePair{epoch, key};
}

Result<crypto::BoxKey> KeyRing::release_shared(std::uint32_t epoch, const crypto::BoxPublic& session) const {
  const std::lock_guard lock(release_mutex_);
  const auto found = release_.find(epoch);
  if (found == release_.end()) return Error{Errc::not_found, "release key of that month is gone"};
  return found->second.shared_with(session);
}

std::optional<crypto::BoxPublic> KeyRing::release_public(std::uint32_t epoch) const {
  const std::lock_guard lock(release_mutex_);
  const auto found = release_.find(epoch);
  if (found == release_.end()) return std::nullopt;
  return found->second.public_key();
}

UnixMillis KeyRing::newest_release_ends_at() const {
  const std::lock_guard lock(release_mutex_);
  return release_.empty() ? UnixMillis{} : end_of_month(release_.rbegin()->first) + protocol::lease_life;
}

Result<void> KeyRing::write_leases() {
  ++leases_.generation;
  if (auto written = write_both_copies(paths_, leases_, startup_); !written) return written;
  share_leases();
  return {};
}

void KeyRing::share_leases() {
  auto copy = decode_lease_file(encode(leases_).expose());
  PLI_INVARIANT(copy.has_value());
  auto shared = std::make_shared<const LeaseFile>(*std::move(copy));
  const std::lock_guard lock(shared_mutex_);
  shared_ = std::move(shared);
}

CheckKeys KeyRing::for_checking() const {
  const std::lock_guard lock(shared_mutex_);
  return {shared_, log_.public_key()};
}

Result<KeyRing::LeaseRef> KeyRing::current_lease(UnixMillis now) {
  const auto age = now - leases_.leases.back().made_at;
  // One of the future, from a clock that was wrong, would serve until that future.
  if (age >= protocol::lease_period || age < -protocol::clock_back_max) {
    add_lease(leases_, now);
    if (auto written = write_leases(); !written) {
      leases_.leases.pop_back();
      return written.error();
    }
  }
  const LeaseFile::Lease& newest = leases_.leases.back();
  return LeaseRef{newest.id, newest.key.expose()};
}

std::optional<ByteView> LeaseFile::lease(std::uint32_t id) const {
  for (const Lease& lease : leases)
    if (lease.id == id) return lease.key.expose();
  return std::nullopt;
}

Result<KeyRing::RecordKeyRef> KeyRing::current_record_key(UnixMillis now) {
  const std::uint32_t month = month_of(now);
  if (auto key = record_key(month)) return RecordKeyRef{month, *key};
  add_record_key(leases_, now);
  if (auto written = write_leases(); !written) {
    leases_.record_keys.pop_back();
    return written.error();
  }
  return RecordKeyRef{month, leases_.record_keys.back().key.expose()};
}

std::optional<ByteView> LeaseFile::record_key(std::uint32_t month) const {
  // The newest is asked for most.
  for (auto key = record_keys.rbegin(); key != record_keys.rend(); ++key)
    if (key->month == month) return key->key.expose();
  return std::nullopt;
}

std::uint32_t LeaseFile::oldest_record_month() const {
  // A clock that was wrong may have made them in another order.
  std::uint32_t oldest = UINT32_MAX;
  for (const RecordKey& key : record_keys) oldest = std::min(oldest, key.month);
  return oldest;
}

Result<void> KeyRing::drop_record_keys_before(std::uint32_t month) {
  const auto dropped =
      std::erase_if(leases_.record_keys, [&](const LeaseFile::RecordKey& key) { return key.month < month; });
  if (dropped == 0) return {};
  if (auto written = write_leases(); !written) return written;
  log(LogLevel::info, "record keys destroyed at the journal's term", {{"months", std::uint64_t{dropped}}});
  return {};
}

Result<void> KeyRing::record_erased(const std::vector<Digest>& exchanges, UnixMillis now) {
  const std::vector<LeaseFile::Erased> before = leases_.erased;
  forget_erased();
  if (exchanges.size() > erasure_room()) {
    leases_.erased = before;
    return Error{Errc::over_limit, "the lease file names as many erasures as it holds"};
  }
  for (const Digest& exchange : exchanges) leases_.erased.push_back({exchange, now});
  auto written = write_leases();
  if (!written) leases_.erased = before;
  if (written && erasure_room() == 0)
    log(LogLevel::warning, "lease file is full of erasures: what else is due waits until a lease is destroyed",
        {{"erasures", std::uint64_t{erasures_named_max}}});
  return written;
}

std::size_t KeyRing::erasure_room() const {
  return erasures_named_max - std::min(erasures_named_max, leases_.erased.size());
}

void KeyRing::forget_erased() {
  std::erase_if(leases_.erased, [&](const LeaseFile::Erased& erased) {
    return std::none_of(leases_.leases.begin(), leases_.leases.end(),
                        [&](const LeaseFile::Lease& lease) { return lease.made_at <= erased.at; });
  });
}

Result<void> KeyRing::retire(UnixMillis now, std::uint32_t lease_still_used, const std::set<std::uint32_t>& kept) {
  std::vector<std::uint32_t> spent;
  for (std::size_t i = 0; i + 1 < leases_.leases.size(); ++i) {
    const LeaseFile::Lease& lease = leases_.leases[i];
    // One dated ahead by a wrong clock is as old as the one that replaced it.
    const bool ahead = lease.made_at - now > protocol::clock_back_max;
    const UnixMillis made_at = ahead ? leases_.leases[i + 1].made_at : lease.made_at;
    if (lease.id < lease_still_used && !kept.contains(lease.id) && now - made_at >= protocol::lease_life)
      spent.push_back(lease.id);
  }
  std::erase_if(leases_.leases, [&](const LeaseFile::Lease& lease) {
    return std::find(spent.begin(), spent.end(), lease.id) != spent.end();
  });
  if (!spent.empty()) {
    forget_erased();
    if (auto written = write_leases(); !written) return written;
    log(LogLevel::info, "lease keys destroyed five weeks after they were made",
        {{"leases", std::uint64_t{spent.size()}}});
  }

  std::vector<std::uint32_t> gone;
  {
    const std::lock_guard lock(release_mutex_);
    for (auto pair = release_.begin(); pair != release_.end();) {
      if (now - end_of_month(pair->first) < protocol::lease_life) {
        ++pair;
        continue;
      }
      gone.push_back(pair->first);
      pair = release_.erase(pair);
    }
  }
  for (std::uint32_t epoch : gone) {
    gone_.insert(epoch);
    if (auto written = write_file_durably(gone_path(paths_, epoch), {}, FileMode::owner_only); !written) return written;
    if (auto destroyed = destroy_release(epoch); !destroyed) return destroyed;
  }
  if (!gone.empty())
    log(LogLevel::info, "release keys destroyed five weeks after their month",
        {{"months", std::uint64_t{gone.size()}}});
  return {};
}

Result<void> KeyRing::destroy_release(std::uint32_t epoch) const {
  std::error_code problem;
  std::filesystem::remove(key_path(paths_, release_name(epoch)), problem);
  if (problem) return Error{Errc::io_error, "cannot destroy a release key"};
  return {};
}

}  // namespace pli::broker
