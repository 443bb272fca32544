// pli shell: a sitting. One unlocking, many acts; locks itself when left alone.
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "client/command/passphrase.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"

namespace pli::client::command {
namespace {

constexpr std::size_t line_bytes_max = 16 * 1024;

/// Words of a line; quotes keep spaces together. Nothing when a quote is left open.
std::optional<std::vector<std::string>> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else if (c == '\\' && quote == '"' && i + 1 < line.size())
        word += line[++i];
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return std::nullopt;
  if (in_word) words.push_back(std::move(word));
  return words;
}

enum class Input { line, ended, idle };

/// One line from standard input, at most `idle` long in coming.
Input read_line(std::string& pending, std::string& line, std::chrono::seconds idle) {
  for (;;) {
    if (std::size_t end = pending.find('\n'); end != std::string::npos) {
      line = pending.substr(0, end);
      pending.erase(0, end + 1);
      return Input::line;
    }
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    int ready = ::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(idle).count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return Input::idle;
    char buffer[1024];
    ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got <= 0) {
      if (pending.empty()) return Input::ended;
      pending += '\n';
      continue;
    }
    pending.append(buffer, static_cast<std::size_t>(got));
    if (pending.size() > line_bytes_max) return Input::ended;
  }
}

/// A locked sitting at a terminal takes nothing but the passphrase: typed at a prompt for verbs, even mistyped, it
/// would stand there in clear. What to exit with where it ends instead; nothing once it is open.
std::optional<int> unlock(Sitting& sitting, std::string& pending, int worst) {
  pending.clear();  // typed to the sitting before
  say("Séance verrouillée. Une phrase de passe vide la termine.");
  while (true) {
    auto keys = sitting.keys();
    if (keys) return std::nullopt;
    const Failure& failure = keys.error();
    if (!is(failure, protocol::LocalCode::wrong_passphrase)) return std::max(worst, report(sitting, failure));
    if (failure.detail == empty_passphrase) return worst;
    worst = std::max(worst, report(sitting, failure));
  }
}

int shell(Sitting& sitting, std::chrono::seconds idle) {
  bool terminal = ::isatty(STDIN_FILENO) == 1;
  const bool typed = terminal && passphrase_is_typed(sitting.options().passphrase_file);
  if (auto keys = sitting.keys(); !keys) return report(sitting, keys.error());
  if (terminal)
    say("Séance ouverte. Les verbes de pli sans « pli » ; « fin » pour terminer, « verrouiller » pour une pause.");
  std::string pending;
  std::string line;
  int worst = 0;
  for (;;) {
    if (typed && !sitting.unlocked())
      if (auto ended = unlock(sitting, pending, worst)) return *ended;
    if (terminal) {
      std::fputs(sitting.unlocked() ? "pli> " : "pli (verrouillé)> ", stdout);
      std::fflush(stdout);
    }
    Input input = read_line(pending, line, idle);
    if (input == Input::idle) {
      if (sitting.unlocked()) {
        sitting.lock();
        if (terminal) say("\nSans activité depuis trop longtemps.");
      }
      continue;
    }
    if (input == Input::ended) return worst;
    auto words = words_of(line);
    if (!words) {
      worst = std::max(worst, usage_error(sitting, "il manque un guillemet fermant"));
      continue;
    }
    if (words->empty()) continue;
    if (words->size() == 1 && (words->front() == "fin" || words->front() == "exit" || words->front() == "quit"))
      return worst;
    if (words->size() == 1 && words->front() == "verrouiller") {
      sitting.lock();
      continue;
    }
    worst = std::max(worst, run_words(*words, sitting));
  }
}

}  // namespace

void add_shell(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto idle = std::make_shared<int>(600);
  auto* verb = app.add_subcommand("shell", "Tenir séance : une seule phrase de passe pour plusieurs actes");
  verb->footer("Exemple : pli shell, puis inbox, open 3f9a2c71 --motif evaluation, fin");
  verb->add_option("--idle", *idle, "Secondes sans activité avant verrouillage")->check(CLI::Range(1, 86400));
  verb->callback([&sitting, &verdict, idle] { verdict.exit_code = shell(sitting, std::chrono::seconds(*idle)); });
}

}  // namespace pli::client::command
