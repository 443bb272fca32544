#include "verify/options.hpp"

#include <array>

#include "audit/text_lines.hpp"
#include "audit/tree.hpp"

namespace pli::verify {
namespace {

struct Command {
  std::string_view name;
  std::string_view operands;  ///< as the usage line shows them
  std::size_t operand_count;
  std::string_view about;
  std::string_view example;
};

constexpr std::array<Command, 6> commands = {{
    {"receipt", "FILE", 1, "A receipt (.tlog-proof): the log's signature, the leaf in its tree, the fields disclosed.",
     "pli-verify receipt 3f2a.tlog-proof --policy witnesses.policy --max-age 86400"},
    {"checkpoint", "FILE", 1, "A checkpoint: the log's signature, and its witnesses' with --policy.",
     "pli-verify checkpoint checkpoint --policy witnesses.policy --max-age 86400"},
    {"log", "DIR", 1,
     "A whole log as C2SP tlog-tiles: DIR/checkpoint, DIR/tile/... Every entry, every tile, every leaf's time.",
     "pli-verify log /srv/mirror/2026-1 --log-key broker.example/pli/89/2026-1+d2cf44c7+AYqI4902..."},
    {"consistency", "OLD NEW --tiles DIR", 2,
     "Two checkpoints of one log: the tree of NEW, in DIR/tile/..., begins with the tree of OLD.",
     "pli-verify consistency january.checkpoint checkpoint --tiles /srv/mirror/2026-1 --log-key 8a88e3dd..."},
    {"export", "DIR", 1,
     "A folder made by `pli audit export`: checkpoint, tiles, the leaves of its period and their records.",
     "pli-verify export 2026-03 --policy witnesses.policy"},
    {"evidence", "FILE", 1,
     "Evidence of a fork kept by a client: whether its two notes prove that the log signed two trees.",
     "pli-verify evidence 1795822905831-log-forked.txt --log-key 8a88e3dd..."},
}};

constexpr std::string_view options_text =
    "  --log-key KEY      the log's key: a verifier key (name+id+base64), good for every shard of its log,\n"
    "                     or its 32 bytes in hexadecimal, under which any origin is believed; look at the one\n"
    "                     that is printed\n"
    "  --policy FILE      or a C2SP tlog-policy file: the log's key, its witnesses, their quorum. A log line is\n"
    "                     good for every shard <log>/<year>-<n> of its log\n"
    "  --max-age SECONDS  the policy's quorum is no older\n"
    "  --now MS           the time to judge by, in milliseconds since 1970; the machine's when not given\n"
    "  --json             one JSON object on standard output\n"
    "  --help             this text; after a command, its own\n"
    "  --version          the program's version\n"
    "\n"
    "Exit code: 0 verified; 1 evidence that proves no fork by itself; 2 usage; 4 verification failed;\n"
    "5 a file could not be read, nothing was found out.\n";

const Command* find(std::string_view name) {
  for (const Command& command : commands)
    if (command.name == name) return &command;
  return nullptr;
}

Refusal usage(std::string why) { return {Exit::usage, "command line", std::move(why)}; }

Outcome<std::uint64_t> number(std::string_view option, std::string_view value, std::uint64_t limit) {
  const auto read = audit::parse_decimal(value);
  if (!read || *read >= limit) return usage(std::string(option) + " is not a number it can take");
  return *read;
}

Outcome<void> set(Options& options, std::string_view option, std::string_view value) {
  // Below 2^63 as every time of ours; seconds that are added to nothing need no more.
  constexpr std::uint64_t limit = audit::tree_size_limit;
  if (option == "--max-age" || option == "--now") {
    auto& slot = option == "--now" ? options.now : options.max_age;
    if (slot) return usage(std::string(option) + " is given twice");
    auto read = number(option, value, limit);
    if (!read) return read.error();
    slot = *read;
    return {};
  }
  std::string* const slot = option == "--log-key"  ? &options.log_key
                            : option == "--policy" ? &options.policy
                            : option == "--tiles"  ? &options.tiles
                                                   : nullptr;
  if (slot == nullptr) return usage("unknown option " + quoted_name(option));
  if (!slot->empty()) return usage(std::string(option) + " is given twice");
  if (value.empty()) return usage(std::string(option) + " is empty");
  *slot = value;
  return {};
}

Outcome<void> check(const Options& options) {
  const Command* command = find(options.command);
  if (command == nullptr) {
    if (options.command.empty()) return usage("no command");
    return usage("unknown command " + quoted_name(options.command));
  }
  if (options.operands.size() != command->operand_count)
    return usage(std::string(command->name) + " takes " + std::string(command->operands));
  if (options.log_key.empty() == options.policy.empty()) return usage("whom to trust: one of --log-key and --policy");
  if (options.tiles.empty() != (options.command != "consistency"))
    return usage(options.tiles.empty() ? "consistency needs --tiles" : "--tiles is for consistency");
  if (options.max_age && options.policy.empty()) return usage("--max-age needs the witnesses of a --policy");
  if (options.max_age && options.command == "evidence") return usage("--max-age says nothing of evidence");
  return {};
}

}  // namespace

Outcome<Options> read_options(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--json") {
      options.json = true;
    } else if (word == "--help" || word == "-h") {
      options.help = true;
    } else if (word == "--version") {
      options.version = true;
    } else if (word.size() > 1 && word[0] == '-') {
      const std::size_t equals = word.find('=');
      const bool joined = equals != std::string::npos;
      if (!joined && ++i == arguments.size()) return usage(quoted_name(word) + " has no value");
      const std::string value = joined ? word.substr(equals + 1) : arguments[i];
      if (auto done = set(options, word.substr(0, equals), value); !done) return done.error();
    } else if (options.command.empty()) {
      options.command = word;
    } else {
      options.operands.push_back(word);
    }
  }
  if (options.help || options.version) return options;
  if (auto complete = check(options); !complete) return complete.error();
  return options;
}

std::string help_of(std::string_view command) {
  std::string out;
  const auto add = [&out](const Command& one) {
    out += "pli-verify " + std::string(one.name) + ' ' + std::string(one.operands) +
           " (--log-key KEY | --policy FILE)\n  ";
    out += std::string(one.about) + "\n  " + std::string(one.example) + "\n\n";
  };
  if (const Command* one = find(command)) {
    add(*one);
  } else {
    out += "pli-verify: verifies what a Pli log gave out, offline, with the log's key alone.\n\n";
    for (const Command& each : commands) add(each);
  }
  out += options_text;
  return out;
}

}  // namespace pli::verify
