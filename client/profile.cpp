#include "client/profile.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "base/clock.hpp"
#include "base/file.hpp"
#include "client/client_store.hpp"
#include "crypto/identity_file.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

constexpr std::size_t identity_bytes_max = 64 * 1024;
constexpr std::size_t former_identities_max = 64;

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

/// A folder that was there before us may be open to the whole machine.
Outcome<void> close_to_others(const std::filesystem::path& folder) {
  struct stat facts {};
  if (::stat(folder.c_str(), &facts) != 0) return Failure(LocalCode::local_store, "a profile folder cannot be read");
  if ((facts.st_mode & 0077U) == 0) return {};
  if (::chmod(folder.c_str(), 0700) != 0)
    return Failure(LocalCode::local_store, "others can read the profile's folder, and it is not ours to close");
  return {};
}

}  // namespace

ProfileLock::~ProfileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::filesystem::path Profile::default_folder() {
  if (const char* chosen = std::getenv("PLI_HOME"); chosen != nullptr && *chosen != '\0') return chosen;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "." : home) / ".pli";
}

Profile::Profile(std::filesystem::path folder, std::unique_ptr<ClientStore> store)
    : folder_(std::move(folder)), store_(std::move(store)) {}
Profile::Profile(Profile&&) noexcept = default;
Profile::~Profile() = default;

Outcome<Profile> Profile::open(const std::filesystem::path& folder) {
  for (const auto& part : {folder, folder / "receipts", folder / "evidence", folder / "former"}) {
    if (auto made = create_private_folder(part); !made) return store_failure(made.error());
    if (auto closed = close_to_others(part); !closed) return closed.error();
  }
  auto store = ClientStore::open(folder / "state.db");
  if (!store && store.error().code == Errc::conflict) return local(LocalCode::profile_later, store.error());
  if (!store) return store_failure(store.error());
  return Profile(folder, std::move(*store));
}

bool Profile::has_identity() const {
  std::error_code ignored;
  return std::filesystem::exists(folder_ / "identity.age", ignored);
}

Outcome<void> Profile::write_identity(const crypto::Identity& identity, const crypto::SecretKey& passphrase,
                                      int work_factor) {
  auto held = lock();
  if (!held) return held.error();
  if (has_identity()) return Failure(LocalCode::usage, "the profile has an identity already");
  auto file = crypto::opening::write_identity_file(identity, passphrase, work_factor);
  if (!file) return local(LocalCode::usage, file.error());
  if (auto written = write_file_durably(folder_ / "identity.age", *file, FileMode::owner_only); !written)
    return store_failure(written.error());
  return {};
}

Outcome<void> Profile::replace_identity(const crypto::Identity& identity, const crypto::SecretKey& passphrase,
                                        int work_factor) {
  auto held = lock();
  if (!held) return held.error();
  auto present = read_file(folder_ / "identity.age", identity_bytes_max);
  if (!present) return Failure(LocalCode::usage, "the profile has no identity to replace");
  auto file = crypto::opening::write_identity_file(identity, passphrase, work_factor);
  if (!file) return local(LocalCode::usage, file.error());
  // The copy first: whatever stops us in between, no key is lost.
  std::filesystem::path former;
  std::error_code ignored;
  for (std::size_t n = 1; n <= former_identities_max; ++n) {
    former = folder_ / "former" / ("identity-" + std::to_string(n) + ".age");
    if (!std::filesystem::exists(former, ignored)) break;
  }
  if (std::filesystem::exists(former, ignored))
    return Failure(LocalCode::local_store, "the profile keeps as many former identities as it may");
  if (auto kept = write_file_durably(former, *present, FileMode::owner_only); !kept) return store_failure(kept.error());
  if (auto written = write_file_durably(folder_ / "identity.age", *file, FileMode::owner_only); !written)
    return store_failure(written.error());
  return {};
}

Outcome<Keys> Profile::unlock(const crypto::SecretKey& passphrase) const {
  const auto read = [&](const std::filesystem::path& path) -> Outcome<crypto::Identity> {
    auto file = read_file(path, identity_bytes_max);
    if (!file && file.error().code == Errc::not_found) return Failure(LocalCode::usage, "the profile has no identity");
    if (!file) return store_failure(file.error());
    auto identity = crypto::opening::read_identity_file(*file, passphrase);
    if (!identity) return local(LocalCode::wrong_passphrase, identity.error());
    return std::move(*identity);
  };
  auto current = read(folder_ / "identity.age");
  if (!current) return current.error();
  Keys keys{std::move(*current), {}};
  std::vector<std::filesystem::path> former;
  std::error_code failed;
  for (std::filesystem::directory_iterator it(folder_ / "former", failed), end; !failed && it != end;
       it.increment(failed))
    if (it->path().extension() == ".age") former.push_back(it->path());
  // "identity-9" before "identity-10": by when they were laid aside, the oldest first.
  std::sort(former.begin(), former.end(), [](const auto& a, const auto& b) {
    const std::string left = a.filename();
    const std::string right = b.filename();
    return left.size() != right.size() ? left.size() < right.size() : left < right;
  });
  if (former.size() > former_identities_max) former.resize(former_identities_max);
  for (const auto& path : former)
    if (auto identity = read(path)) keys.former.push_back(std::move(*identity));
  return keys;
}

Outcome<protocol::Invitation> Profile::invitation() const {
  auto text = read_file(folder_ / "invitation.txt", protocol::invitation_bytes_max);
  if (!text) return local(LocalCode::no_invitation, text.error());
  auto invitation = protocol::parse_invitation(as_text(*text));
  if (!invitation) return local(LocalCode::no_invitation, invitation.error());
  return std::move(*invitation);
}

Outcome<void> Profile::accept_invitation(std::string_view text) {
  auto held = lock();
  if (!held) return held.error();
  auto invitation = protocol::parse_invitation(text);
  if (!invitation) return local(LocalCode::no_invitation, invitation.error());
  if (auto present = this->invitation(); present) {
    const bool same = present->contract == invitation->contract && present->log == invitation->log &&
                      present->log_key == invitation->log_key;
    if (!same) return Failure(LocalCode::no_invitation, "this profile belongs to another contract or log");
  }
  if (auto written = write_file_durably(folder_ / "invitation.txt", as_bytes(text), FileMode::owner_only); !written)
    return store_failure(written.error());
  return {};
}

Outcome<std::optional<ProfileLock>> Profile::try_lock() const {
  const int descriptor = ::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return Failure(LocalCode::local_store, "the lock file cannot be opened");
  std::optional<ProfileLock> held(std::in_place, descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return held;
  if (errno == EWOULDBLOCK) return std::optional<ProfileLock>();
  return Failure(LocalCode::local_store, "the lock file cannot be locked");
}

Outcome<ProfileLock> Profile::lock() const {
  auto held = try_lock();
  if (!held) return held.error();
  if (!*held) return Failure(LocalCode::local_store, "another program is working in this profile");
  return std::move(**held);
}

std::filesystem::path Profile::keep_evidence(std::string_view what, std::string_view text) const {
  const std::string stem = std::to_string(SystemClock().now().value) + "-" + std::string(what);
  std::error_code ignored;
  // A lie met again at the next look is one lie: its evidence stands once.
  std::error_code failed;
  for (std::filesystem::directory_iterator it(folder_ / "evidence", failed), end; !failed && it != end;
       it.increment(failed)) {
    if (it->path().filename().string().find("-" + std::string(what)) == std::string::npos) continue;
    const auto there = read_file(it->path(), text.size());
    if (there && as_text(*there) == text) return it->path();
  }
  for (int n = 0; n < 100; ++n) {  // never over an earlier one
    const auto path = folder_ / "evidence" / (n == 0 ? stem + ".txt" : stem + "-" + std::to_string(n) + ".txt");
    if (std::filesystem::exists(path, ignored)) continue;
    if (write_file_durably(path, as_bytes(text), FileMode::owner_only)) return path;
    return {};
  }
  return {};
}

}  // namespace pli::client
