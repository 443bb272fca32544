#include "verify/commands.hpp"

#include <algorithm>

#include "audit/evidence.hpp"
#include "audit/proof_file.hpp"
#include "base/version.hpp"
#include "verify/export.hpp"

namespace pli::verify {
namespace {

const std::string checkpoint_name(audit::export_checkpoint_file);

/// What a command that succeeded has shown: one line, and its exit code.
struct Shown {
  std::string line;
  Exit exit = Exit::verified;
};

Outcome<Shown> receipt(const Options& options, const Trust& trust, Report& report) {
  const auto text = read_named(options.operands[0], audit::proof_file_bytes_max);
  if (!text) return text.error();
  const auto receipt = audit::parse_receipt(as_text(*text));
  if (!receipt) return refuse("receipt", receipt.error());
  const auto checkpoint = check_checkpoint(trust, checkpoint_name, receipt->checkpoint, report);
  if (!checkpoint) return checkpoint.error();
  if (record_digest(receipt->record) != receipt->leaf.record)
    return Refusal{Exit::failed, "record", "the record is not the one of the leaf"};
  const std::string leaf = encode(receipt->leaf);
  const Digest hash = audit::leaf_hash(as_bytes(leaf));
  if (auto included = audit::verify_inclusion(*checkpoint, receipt->index, hash, receipt->proof); !included)
    return refuse("inclusion", included.error());

  report.count("leaf.index", receipt->index.value);
  report.say("leaf.type", text_of(receipt->leaf.type));
  report.say("leaf.time", utc(receipt->leaf.time));
  if (receipt->leaf.directory) report.count("leaf.directory", receipt->leaf.directory->number.value);
  if (receipt->leaf.statement) report.say("leaf.statement", *receipt->leaf.statement);
  std::size_t hidden = 0;
  for (const audit::DisclosedField& field : receipt->record.fields) {
    if (field.opening)
      report.bytes("field." + field.opening->field.name, field.opening->field.value);
    else
      ++hidden;
  }
  report.count("fields.hidden", hidden);
  return Shown{"verified: the log's signature, the leaf in its tree, the fields shown"};
}

Outcome<Shown> checkpoint(const Options& options, const Trust& trust, Report& report) {
  const auto note = read_named(options.operands[0], audit::note_bytes_max);
  if (!note) return note.error();
  if (auto checked = check_checkpoint(trust, checkpoint_name, as_text(*note), report); !checked) return checked.error();
  const bool witnessed = trust.policy() != nullptr && trust.policy()->demands_witnesses();
  return Shown{witnessed ? "verified: the log's signature, and its witnesses' quorum"
                         : "verified: the log's signature; no witness was asked"};
}

/// The checkpoint of a folder.
Outcome<audit::VerifiedCheckpoint> checkpoint_of(const Folder& folder, const Trust& trust, Report& report) {
  const auto note = folder.read(checkpoint_name, audit::note_bytes_max);
  if (!note && !folder.has(checkpoint_name) && !folder.has("tile"))
    return Refusal{Exit::local, "folder", "neither a log's tiles nor an export: no checkpoint and no tile/"};
  if (!note) return note.error();
  return check_checkpoint(trust, checkpoint_name, as_text(*note), report);
}

Outcome<Shown> log(const Options& options, const Trust& trust, const Progress& progress, Report& report) {
  const auto folder = Folder::open(options.operands[0]);
  if (!folder) return folder.error();
  const auto top = checkpoint_of(*folder, trust, report);
  if (!top) return top.error();
  if (auto whole = verify_whole_log(*folder, *top, progress, report); !whole) return whole.error();
  return Shown{"verified: every leaf and every tile of the log"};
}

Outcome<Shown> consistency(const Options& options, const Trust& trust, Report& report) {
  std::vector<audit::VerifiedCheckpoint> both;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto note = read_named(options.operands[i], audit::note_bytes_max);
    if (!note) return note.error();
    const auto checked = check_checkpoint(trust, i == 0 ? "old" : "new", as_text(*note), report);
    if (!checked) return checked.error();
    both.push_back(*checked);
  }
  const audit::TreeHead& older = both[0].head();
  const audit::TreeHead& newer = both[1].head();
  if (older.origin != newer.origin) return Refusal{Exit::failed, "origins", "checkpoints of two logs"};
  if (older.size > newer.size) return Refusal{Exit::failed, "sizes", "the old checkpoint is of a larger tree"};
  const auto folder = Folder::open(options.tiles);
  if (!folder) return folder.error();
  auto tiles = open_tiles(*folder, both[1]);
  if (!tiles) return tiles.error();
  const auto proof = audit::consistency_proof(older.size, newer.size, tiles->source());
  if (!proof) return refuse("tiles", proof.error());
  if (auto same = audit::verify_consistency(older.size, older.root, newer.size, newer.root, *proof); !same)
    return refuse("consistency", same.error());
  return Shown{"verified: the tree of the new checkpoint begins with that of the old one"};
}

Outcome<Shown> exported(const Options& options, const Trust& trust, Report& report) {
  const auto folder = Folder::open(options.operands[0]);
  if (!folder) return folder.error();
  const auto top = checkpoint_of(*folder, trust, report);
  if (!top) return top.error();
  if (auto whole = verify_export(*folder, *top, trust, report); !whole) return whole.error();
  return Shown{"verified: every tile of the log, every leaf of the period, every record that is shown"};
}

/// The option by which the caller said whom to trust, to be given again.
std::string whom(const Options& options) {
  const auto printed = [](const std::string& value) {
    std::string out = value;
    for (char& c : out)
      if (c < 0x20 || c > 0x7E) c = '?';
    return out;
  };
  return options.policy.empty() ? "--log-key " + printed(options.log_key) : "--policy " + printed(options.policy);
}

Outcome<Shown> evidence(const Options& options, const Trust& trust, Report& report) {
  const auto text = read_named(options.operands[0], audit::evidence_bytes_max);
  if (!text) return text.error();
  const auto evidence = audit::parse_evidence(as_text(*text));
  if (!evidence) return refuse("evidence", evidence.error());
  const auto first = check_signature(trust, "first", evidence->first);
  if (!first) return first.error();
  const auto second = check_signature(trust, "second", evidence->second);
  if (!second) return second.error();
  for (const auto& [name, checkpoint] : {std::pair("first", &*first), std::pair("second", &*second)}) {
    report.say(std::string(name) + ".origin", checkpoint->head().origin);
    report.count(std::string(name) + ".size", checkpoint->size().value);
    report.say(std::string(name) + ".root", to_hex(checkpoint->root()));
  }
  const auto open = [&report](std::string_view what, std::string_view next) {
    report.say("proven", "the log's key signed both notes");
    report.say("not.proven", what);
    report.say("next", next);
    return Shown{"not proven: these two notes alone show no fork", Exit::not_proven};
  };
  switch (compare(first->head(), second->head())) {
    case audit::Finding::two_trees: return Shown{"proven: the log signed two trees of one size"};
    case audit::Finding::same_tree: return open("anything against the log: both notes are of one tree", "none");
    case audit::Finding::shrunk:
      return open(
          "that the smaller tree was shown after the larger one: notes bear no time, only who kept them knows; "
          "nor that the larger one does not extend it",
          "save the notes as SECOND and FIRST: pli-verify consistency SECOND FIRST --tiles DIR " + whom(options) +
              ", DIR the tiles of FIRST");
    case audit::Finding::grown:
      return open("that the larger tree does not extend the smaller one: the log may yet show how",
                  "save the notes as FIRST and SECOND: pli-verify consistency FIRST SECOND --tiles DIR " +
                      whom(options) + ", DIR the tiles of SECOND");
    case audit::Finding::two_shards:
      return open("anything of one tree: the notes are of two shards of the log",
                  "ask for the order that closed the first shard");
  }
  return Refusal{Exit::failed, "evidence", "unknown finding"};
}

Outcome<Shown> obey(const Options& options, const Clock& clock, const Progress& progress, Report& report) {
  const auto trust = read_trust(options, clock);
  if (!trust) return trust.error();
  if (options.command == "receipt") return receipt(options, *trust, report);
  if (options.command == "checkpoint") return checkpoint(options, *trust, report);
  if (options.command == "log") return log(options, *trust, options.json ? Progress() : progress, report);
  if (options.command == "consistency") return consistency(options, *trust, report);
  if (options.command == "export") return exported(options, *trust, report);
  return evidence(options, *trust, report);
}

Ended refused(std::string_view command, bool json, const Refusal& refusal, const Report& report) {
  if (json) return {refusal.exit, report.as_json(command, refusal.exit, &refusal), ""};
  const std::string line = refusal.check + ": " + refusal.why;
  if (refusal.exit == Exit::failed) return {refusal.exit, report.for_people("FAILED: " + line), ""};
  const std::string hint = refusal.exit == Exit::usage ? "pli-verify --help says how\n" : "";
  return {refusal.exit, "", "pli-verify: " + line + '\n' + hint};
}

}  // namespace

Ended run(const std::vector<std::string>& arguments, const Clock& clock, const Progress& progress) {
  Report report;
  const auto options = read_options(arguments);
  if (!options) {
    const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    return refused("", json, options.error(), report);
  }
  if (options->help) return {Exit::verified, help_of(options->command), ""};
  if (options->version) return {Exit::verified, version_line("pli-verify") + "\n", ""};
  const auto shown = obey(*options, clock, progress, report);
  if (!shown) return refused(options->command, options->json, shown.error(), report);
  if (options->json) return {shown->exit, report.as_json(options->command, shown->exit, nullptr), ""};
  return {shown->exit, report.for_people(shown->line), ""};
}

}  // namespace pli::verify
