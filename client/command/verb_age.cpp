// pli seal / pli unseal: plain age v1 files, interchangeable with `age -r`, `age -p` and `age -d -i`. No profile
// needed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>

#include "base/file.hpp"
#include "client/command/passphrase.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "crypto/age_open.hpp"
#include "crypto/bech32.hpp"
#include "crypto/identity_file.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using crypto::opening::AgeFailure;
using protocol::Language;
using protocol::LocalCode;

constexpr std::size_t identity_file_bytes_max = 64 * 1024;

/// Standard input and output, or files; output goes to a temporary name until all is well.
class Streams {
 public:
  ~Streams() {
    if (in_ > STDIN_FILENO) ::close(in_);
    if (out_ > STDOUT_FILENO) ::close(out_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }
  [[nodiscard]] Result<void> open(const std::string& input, const std::string& output) {
    if (!input.empty() && input != "-") {
      in_ = ::open(input.c_str(), O_RDONLY | O_CLOEXEC);
      if (in_ < 0) return Error{Errc::not_found, "input cannot be opened"};
      struct stat info {};
      if (::fstat(in_, &info) == 0 && S_ISREG(info.st_mode)) total_ = static_cast<std::uint64_t>(info.st_size);
    }
    if (output.empty() || output == "-") return {};
    output_ = output;
    std::string name = output + ".new." + std::to_string(::getpid());
    out_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out_ < 0) return Error{Errc::io_error, "output cannot be created"};
    temporary_ = std::move(name);
    return {};
  }
  [[nodiscard]] crypto::Source source(ProgressBar& bar) {
    return [this, &bar](std::span<std::uint8_t> into) -> Result<std::size_t> {
      for (;;) {
        ssize_t got = ::read(in_, into.data(), into.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{Errc::io_error, "read"};
        done_ += static_cast<std::uint64_t>(got);
        bar.show(done_, total_);
        return static_cast<std::size_t>(got);
      }
    };
  }
  [[nodiscard]] crypto::Sink sink() {
    return [this](ByteView bytes) -> Result<void> {
      while (!bytes.empty()) {
        ssize_t put = ::write(out_, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return Error{Errc::io_error, "write"};
        bytes = bytes.subspan(static_cast<std::size_t>(put));
      }
      return {};
    };
  }
  [[nodiscard]] Result<void> finish() {
    if (temporary_.empty()) return {};
    if (::fsync(out_) != 0 || ::rename(temporary_.c_str(), output_.c_str()) != 0)
      return Error{Errc::io_error, "output"};
    temporary_.clear();
    return {};
  }

 private:
  int in_ = STDIN_FILENO;
  int out_ = STDOUT_FILENO;
  std::string output_;
  std::string temporary_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
};

int failed(const Sitting& sitting, LocalCode code, std::string words) {
  return report(sitting, Failure(code, std::move(words)), Language::english);
}

struct AgeOptions {
  std::vector<std::string> recipients;
  std::vector<fs::path> identities;
  bool armor = false;
  int work_factor = crypto::opening::scrypt_work_factor_default;
  std::string input, output;
};

int opened_badly(const Sitting& sitting, const AgeOptions& options, const Error& error) {
  if (error.code == Errc::not_found)
    return report_file(sitting, options.input, error, LocalCode::local_store, Language::english);
  return report(sitting, local(LocalCode::local_store, error), Language::english);
}

int seal(Sitting& sitting, const AgeOptions& options) {
  std::vector<crypto::AgePublic> recipients;
  for (const std::string& text : options.recipients) {
    auto key = crypto::parse_recipient(text);
    if (!key) return failed(sitting, LocalCode::usage, "not an age recipient: age1 and 58 characters");
    recipients.push_back(*key);
  }
  bool by_passphrase = sitting.options().passphrase_file.has_value();
  if (recipients.empty() != by_passphrase)
    return failed(sitting, LocalCode::usage, "name recipients with -r, or one --passphrase-file, not both");
  Streams streams;
  if (auto opened = streams.open(options.input, options.output); !opened)
    return opened_badly(sitting, options, opened.error());
  ProgressBar bar("seal");
  Result<void> done;
  if (by_passphrase) {
    auto passphrase = read_passphrase(sitting.options().passphrase_file, "");
    if (!passphrase) return report(sitting, passphrase.error(), Language::english);
    done = crypto::opening::seal_file_with_passphrase(streams.source(bar), streams.sink(), *passphrase,
                                                      options.work_factor, options.armor);
  } else {
    done = crypto::seal_file(streams.source(bar), streams.sink(), recipients, options.armor);
  }
  if (done) done = streams.finish();
  if (!done)
    return report(sitting,
                  local(done.error().code == Errc::io_error ? LocalCode::local_store : LocalCode::usage, done.error()),
                  Language::english);
  return 0;
}

int unseal(Sitting& sitting, const AgeOptions& options) {
  std::vector<crypto::SecretKey> identities;
  std::optional<crypto::SecretKey> passphrase;
  if (sitting.options().passphrase_file) {
    auto read = read_passphrase(sitting.options().passphrase_file, "");
    if (!read) return report(sitting, read.error(), Language::english);
    passphrase = std::move(*read);
  }
  for (const fs::path& path : options.identities) {
    auto bytes = read_file(path, identity_file_bytes_max);
    if (!bytes) return report_file(sitting, path, bytes.error(), LocalCode::local_store, Language::english);
    if (as_text(*bytes).rfind("age-encryption.org/", 0) == 0) {  // an identity of ours, under its passphrase
      if (!passphrase) {
        auto asked = read_passphrase(std::nullopt, "Passphrase of the identity: ");
        if (!asked) return report(sitting, asked.error(), Language::english);
        passphrase = std::move(*asked);
      }
      auto identity = crypto::opening::read_identity_file(*bytes, *passphrase);
      if (!identity) return failed(sitting, LocalCode::wrong_passphrase, "");
      identities.push_back(identity->age_secret().clone());
    } else {
      auto found = crypto::opening::parse_age_identity_file(as_text(*bytes));
      crypto::wipe(*bytes);
      if (!found) return failed(sitting, LocalCode::usage, "no AGE-SECRET-KEY in the identity file");
      for (crypto::SecretKey& secret : *found) identities.push_back(std::move(secret));
    }
  }
  if (identities.empty() && !passphrase)
    return failed(sitting, LocalCode::usage, "name an identity file with -i, or a --passphrase-file");
  Streams streams;
  if (auto opened = streams.open(options.input, options.output); !opened)
    return opened_badly(sitting, options, opened.error());
  ProgressBar bar("unseal");
  auto done = crypto::opening::open_file(streams.source(bar), streams.sink(),
                                         {identities, passphrase ? &*passphrase : nullptr});
  if (!done) {
    if (done.error() == AgeFailure::output || done.error() == AgeFailure::input || done.error() == AgeFailure::memory)
      return failed(sitting, LocalCode::local_store, "reading, writing or memory failed");
    std::string words = std::string("age: ") + crypto::opening::name_of(done.error());
    if (sitting.json())
      JsonObject().text("error", "age").text("cause", words).print();
    else
      warn("Error: " + words +
           (done.error() == AgeFailure::no_match ? ": none of these identities opens the file" : ""));
    return static_cast<int>(ExitClass::verification_failed);
  }
  if (auto finished = streams.finish(); !finished)
    return report(sitting, local(LocalCode::local_store, finished.error()), Language::english);
  return 0;
}

}  // namespace

void add_age(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto sealing = std::make_shared<AgeOptions>();
  auto* verb = app.add_subcommand("seal", "Seal a plain file as age v1 does (standard input to standard output)");
  verb->footer(
      "Example: pli seal -r age1… < plain > sealed.age     (opens with: age -d -i key.txt sealed.age)\n"
      "With --passphrase-file instead of -r, under a passphrase (scrypt), as age -p.");
  verb->add_option("-r,--recipient", sealing->recipients, "age recipient; may be given several times")
      ->allow_extra_args(false);
  verb->add_flag("-a,--armor", sealing->armor, "PEM form, for text channels");
  verb->add_option("-o,--output", sealing->output, "Output file (default: standard output)");
  verb->add_option("--work-factor", sealing->work_factor, "scrypt work factor (18)")->check(CLI::Range(1, 20));
  verb->add_option("input", sealing->input, "Input file (default: standard input)");
  verb->callback([&sitting, &verdict, sealing] { verdict.exit_code = seal(sitting, *sealing); });

  auto opening = std::make_shared<AgeOptions>();
  verb = app.add_subcommand("unseal", "Open a plain age v1 file, armored or not (standard input to standard output)");
  verb->footer("Example: pli unseal -i key.txt < sealed.age > plain");
  verb->add_option("-i,--identity", opening->identities,
                   "age identity file, or one of pli's; may be given several times")
      ->allow_extra_args(false);
  verb->add_option("-o,--output", opening->output, "Output file (default: standard output)");
  verb->add_option("input", opening->input, "Input file (default: standard input)");
  verb->callback([&sitting, &verdict, opening] { verdict.exit_code = unseal(sitting, *opening); });
}

}  // namespace pli::client::command
