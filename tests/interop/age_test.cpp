// Debian's `age` and ours, both ways: what one seals the other opens, with keys and with passphrases.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "crypto/age_open.hpp"
#include "crypto/bech32.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_lock.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/identity_file.hpp"

namespace pli::crypto {
namespace {

constexpr std::size_t sizes[] = {0, 1, 65535, 65536, 65537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 77};

Bytes content_of(std::size_t size) {
  Bytes out(size);
  std::uint32_t state = 7;
  for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

using Arguments = std::vector<std::string>;

/// Becomes `age`; only in a child.
[[noreturn]] void become(const Arguments& arguments) {
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  ::_exit(127);
}

int exit_code_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class Age : public ::testing::Test {
 protected:
  Age() {
    std::string name = (std::filesystem::temp_directory_path() / "pli-age-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
    folder_ = name;
    write("key.txt", as_bytes(to_identity_text(secret_) + "\n"));
  }
  ~Age() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, ByteView bytes) const {
    std::ofstream file(path(name), std::ios::binary);
    file << as_text(bytes);
    ASSERT_TRUE(file.flush());
  }
  [[nodiscard]] Bytes read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    EXPECT_TRUE(file) << name;
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  /// Runs a program to its end; its exit code. Standard output goes to the file "stdout".
  [[nodiscard]] int run(const Arguments& arguments) const {
    const std::string out = path("stdout");
    const pid_t child = ::fork();
    if (child == 0) {
      const int file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(file, STDOUT_FILENO);
      become(arguments);
    }
    return exit_code_of(child);
  }

  /// Runs `age` on a terminal of its own, as it wants for passphrases, and answers each question with `answer`.
  [[nodiscard]] int run_on_terminal(const Arguments& arguments, const std::string& answer) const {
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) become(arguments);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    std::string unanswered;
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      pollfd wait{terminal, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) == 0) {
        ADD_FAILURE() << "age did not end; it last said: " << unanswered;
        ::kill(child, SIGKILL);
        break;
      }
      char buffer[4096];
      const ssize_t got = ::read(terminal, buffer, sizeof buffer);
      if (got <= 0) break;  // EIO: the last process on the terminal is gone
      unanswered.append(buffer, static_cast<std::size_t>(got));
      if (unanswered.find("assphrase") != std::string::npos && unanswered.find(": ") != std::string::npos) {
        unanswered.clear();
        EXPECT_EQ(::write(terminal, (answer + "\n").data(), answer.size() + 1),
                  static_cast<ssize_t>(answer.size() + 1));
      }
    }
    const int code = exit_code_of(child);
    ::close(terminal);
    if (code != 0) std::printf("age said: %s\n", unanswered.c_str());
    return code;
  }

  [[nodiscard]] static Source file_source(std::ifstream& file) {
    return [&file](std::span<std::uint8_t> out) -> Result<std::size_t> {
      file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
      if (file.bad()) return Error{Errc::io_error, "read"};
      return static_cast<std::size_t>(file.gcount());
    };
  }
  [[nodiscard]] static Sink file_sink(std::ofstream& file) {
    return [&file](ByteView bytes) -> Result<void> {
      if (!file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()))) {
        return Error{Errc::io_error, "write"};
      }
      return {};
    };
  }

  void seal(const std::string& from, const std::string& to, std::span<const AgePublic> recipients, bool armor) const {
    std::ifstream in(path(from), std::ios::binary);
    std::ofstream out(path(to), std::ios::binary);
    ASSERT_TRUE(seal_file(file_source(in), file_sink(out), recipients, armor));
    ASSERT_TRUE(out.flush());
  }
  /// The plaintext, or a note of the failure.
  [[nodiscard]] Bytes open(const std::string& name, const opening::AgeKeys& keys) const {
    std::ifstream in(path(name), std::ios::binary);
    Bytes out;
    const auto opened = opening::open_file(
        file_source(in),
        [&out](ByteView bytes) -> Result<void> {
          append(out, bytes);
          return {};
        },
        keys);
    EXPECT_TRUE(opened) << opening::name_of(opened.error());
    return out;
  }

  const std::string age_ = PLI_AGE;
  const std::string age_keygen_ = PLI_AGE_KEYGEN;
  SecretKey secret_ = SecretKey::random(32);
  AgePublic recipient_{x25519_public(secret_)};
  opening::AgeKeys keys_{std::span(&secret_, 1), nullptr};
  std::filesystem::path folder_;
};

TEST_F(Age, OpensWhatWeSeal) {
  for (const std::size_t size : sizes) {
    for (const bool armor : {false, true}) {
      SCOPED_TRACE(std::to_string(size) + (armor ? " bytes, armored" : " bytes"));
      write("plain", content_of(size));
      seal("plain", "sealed.age", std::span(&recipient_, 1), armor);
      // Not with -o: age makes no file at all of an empty plaintext.
      ASSERT_EQ(run({age_, "-d", "-i", path("key.txt"), path("sealed.age")}), 0);
      EXPECT_EQ(read("stdout"), content_of(size));
    }
  }
}

TEST_F(Age, SealsWhatWeOpen) {
  for (const std::size_t size : sizes) {
    for (const bool armor : {false, true}) {
      SCOPED_TRACE(std::to_string(size) + (armor ? " bytes, armored" : " bytes"));
      write("plain", content_of(size));
      Arguments arguments = {age_, "-r", to_recipient_text(recipient_), "-o", path("sealed.age")};
      if (armor) arguments.push_back("-a");
      arguments.push_back(path("plain"));
      ASSERT_EQ(run(arguments), 0);
      EXPECT_EQ(open("sealed.age", keys_), content_of(size));
      const auto in_memory = opening::open_bytes(read("sealed.age"), keys_);
      ASSERT_TRUE(in_memory);
      EXPECT_EQ(*in_memory, content_of(size));
    }
  }
}

TEST_F(Age, WritesFilesOfTheSameSizeAsOurs) {
  for (const std::size_t size : sizes) {
    write("plain", content_of(size));
    for (const bool armor : {false, true}) {
      seal("plain", "ours.age", std::span(&recipient_, 1), armor);
      Arguments arguments = {age_, "-r", to_recipient_text(recipient_), "-o", path("theirs.age")};
      if (armor) arguments.push_back("-a");
      arguments.push_back(path("plain"));
      ASSERT_EQ(run(arguments), 0);
      EXPECT_EQ(std::filesystem::file_size(path("ours.age")), std::filesystem::file_size(path("theirs.age"))) << size;
    }
  }
}

TEST_F(Age, FindsItsStanzaAmongThoseOfOthers) {
  std::vector<AgePublic> roster;
  for (int i = 0; i < 15; ++i) roster.push_back(AgePublic{x25519_public(SecretKey::random(32))});
  roster.insert(roster.begin() + 9, recipient_);
  write("plain", content_of(1000));
  seal("plain", "sealed.age", roster, false);
  ASSERT_EQ(run({age_, "-d", "-i", path("key.txt"), "-o", path("opened"), path("sealed.age")}), 0);
  EXPECT_EQ(read("opened"), content_of(1000));

  Arguments arguments = {age_, "-o", path("theirs.age")};
  for (const AgePublic& recipient : roster) {
    arguments.push_back("-r");
    arguments.push_back(to_recipient_text(recipient));
  }
  arguments.push_back(path("plain"));
  ASSERT_EQ(run(arguments), 0);
  EXPECT_EQ(open("theirs.age", keys_), content_of(1000));
}

TEST_F(Age, RefusesOurFileWithAByteChangedAsWeRefuseItsOwn) {
  write("plain", content_of(70000));
  seal("plain", "sealed.age", std::span(&recipient_, 1), false);
  Bytes changed = read("sealed.age");
  changed[changed.size() - 1] ^= 1;
  write("changed.age", changed);
  EXPECT_NE(run({age_, "-d", "-i", path("key.txt"), "-o", path("opened"), path("changed.age")}), 0);
  EXPECT_EQ(opening::open_bytes(changed, keys_).error(), opening::AgeFailure::payload);
}

TEST_F(Age, AgreesWithUsOnKeyTexts) {
  ASSERT_EQ(run({age_keygen_, "-y", path("key.txt")}), 0);
  EXPECT_EQ(as_text(read("stdout")), to_recipient_text(recipient_) + "\n");
  ASSERT_EQ(run({age_keygen_, "-o", path("theirs.txt")}), 0);
  const auto identities = opening::parse_age_identity_file(as_text(read("theirs.txt")));
  ASSERT_TRUE(identities);
  ASSERT_EQ(identities->size(), 1U);
  ASSERT_EQ(run({age_keygen_, "-y", path("theirs.txt")}), 0);
  EXPECT_EQ(as_text(read("stdout")), to_recipient_text({x25519_public(identities->front())}) + "\n");
}

TEST_F(Age, OpensWhatWeSealUnderAPassphrase) {
  const SecretKey passphrase = SecretKey::copy_of(as_bytes("quatre mots pris au hasard"));
  for (const bool armor : {false, true}) {
    write("plain", content_of(100000));
    {
      std::ifstream in(path("plain"), std::ios::binary);
      std::ofstream out(path("sealed.age"), std::ios::binary);
      ASSERT_TRUE(opening::seal_file_with_passphrase(file_source(in), file_sink(out), passphrase, 12, armor));
    }
    ASSERT_EQ(run_on_terminal({age_, "-d", "-o", path("opened"), path("sealed.age")}, "quatre mots pris au hasard"), 0);
    EXPECT_EQ(read("opened"), content_of(100000));
  }
}

TEST_F(Age, SealsUnderAPassphraseWhatWeOpen) {
  const SecretKey passphrase = SecretKey::copy_of(as_bytes("quatre mots pris au hasard"));
  write("plain", content_of(100000));
  ASSERT_EQ(run_on_terminal({age_, "-p", "-o", path("sealed.age"), path("plain")}, "quatre mots pris au hasard"), 0);
  EXPECT_EQ(open("sealed.age", {{}, &passphrase}), content_of(100000));
}

TEST_F(Age, ReadsOurIdentityFileAndOpensWithIt) {
  const SecretKey passphrase = SecretKey::copy_of(as_bytes("quatre mots pris au hasard"));
  const Identity identity = Identity::generate();
  const auto file = opening::write_identity_file(identity, passphrase, 12);
  ASSERT_TRUE(file);
  write("identity.age", *file);
  ASSERT_EQ(run_on_terminal({age_, "-d", "-o", path("opened"), path("identity.age")}, "quatre mots pris au hasard"), 0);
  const auto identities = opening::parse_age_identity_file(as_text(read("opened")));
  ASSERT_TRUE(identities);
  EXPECT_TRUE(same_secret(identities->front().expose(), identity.age_secret().expose()));

  // And as `-i`, still under its passphrase.
  write("plain", content_of(5000));
  seal("plain", "sealed.age", std::span(&identity.public_identity().age, 1), false);
  ASSERT_EQ(run_on_terminal({age_, "-d", "-i", path("identity.age"), "-o", path("text"), path("sealed.age")},
                            "quatre mots pris au hasard"),
            0);
  EXPECT_EQ(read("text"), content_of(5000));
}

TEST_F(Age, OpensALockedHeaderOnceItIsUnlockedAndJoinedToItsPayload) {
  const FileKey file_key = FileKey::random();
  const ReleaseKey release_key = ReleaseKey::random();
  const Bytes payload = seal_payload(file_key, content_of(70000));
  const LockBinding binding{sha256(as_bytes("address")), sha256(payload)};
  const auto header = make_age_header(file_key, std::span(&recipient_, 1));
  ASSERT_TRUE(header);
  const Bytes locked = lock_header(*header, release_key, binding);
  write("locked.age", locked);
  EXPECT_NE(run({age_, "-d", "-i", path("key.txt"), "-o", path("opened"), path("locked.age")}), 0);

  auto joined = opening::unlock_header(locked, release_key, binding);
  ASSERT_TRUE(joined);
  append(*joined, payload);
  write("joined.age", *joined);
  ASSERT_EQ(run({age_, "-d", "-i", path("key.txt"), "-o", path("opened"), path("joined.age")}), 0);
  EXPECT_EQ(read("opened"), content_of(70000));
}

}  // namespace
}  // namespace pli::crypto
