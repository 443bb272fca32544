#include "client/export_journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"
#include "client/log_watch.hpp"
#include "client/tile_folder.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

namespace fs = std::filesystem;
using protocol::LocalCode;

constexpr std::string_view read_me_file = "LISEZMOI.txt";
constexpr std::size_t records_buffer_bytes = 64 * 1024;

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

/// A file written in one go and durable once finish() has said so; its folder's entry is its owner's to make durable.
class GrowingFile {
 public:
  explicit GrowingFile(const fs::path& path)
      : descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {}
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;
  ~GrowingFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] Outcome<void> add(ByteView bytes) {
    append(buffer_, bytes);
    return buffer_.size() < records_buffer_bytes ? Outcome<void>() : flush();
  }
  [[nodiscard]] Outcome<void> finish() {
    if (auto flushed = flush(); !flushed) return flushed;
    if (::fsync(descriptor_) != 0) return Failure(LocalCode::local_store, "the records could not be made durable");
    return {};
  }

 private:
  [[nodiscard]] Outcome<void> flush() {
    for (ByteView rest = buffer_; !rest.empty();) {
      const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return Failure(LocalCode::local_store, "the records could not be written");
      rest = rest.subspan(static_cast<std::size_t>(written));
    }
    buffer_.clear();
    return {};
  }
  int descriptor_;
  Bytes buffer_;
};

Outcome<void> demand_empty(const fs::path& folder) {
  std::error_code failed;
  if (fs::exists(folder, failed) && !(fs::is_directory(folder, failed) && fs::is_empty(folder, failed)))
    return Failure(LocalCode::usage, "the folder is not empty");
  return {};
}

/// A folder of ours to fill. Leaves as it was found, unless told that it is done, the folder itself.
class MadeFolder {
 public:
  explicit MadeFolder(fs::path folder) : folder_(std::move(folder)) {}
  MadeFolder(const MadeFolder&) = delete;
  MadeFolder& operator=(const MadeFolder&) = delete;
  ~MadeFolder() {
    std::error_code ignored;  // with something in it, it stays
    if (made_) fs::remove(folder_, ignored);
  }
  [[nodiscard]] Outcome<void> make() {
    std::error_code failed;
    made_ = !fs::exists(folder_, failed);
    if (auto made = create_private_folder(folder_); !made) return store_failure(made.error());
    return {};
  }
  void keep() { made_ = false; }

 private:
  fs::path folder_;
  bool made_ = false;
};

/// What an export is made of, in the order in which leaves come.
class ExportWriter {
 public:
  explicit ExportWriter(const ExportOptions& options)
      : files_(options.folder),
        tiles_(files_),
        records_(options.folder / audit::export_records_file),
        after_(std::max(UnixMillis{0}, paris_midnight(options.from))),
        before_(std::max(UnixMillis{0}, paris_midnight(options.to + std::chrono::days(1)))) {}

  Outcome<void> begin() { return records_.add(as_bytes(audit::export_records_first_line)); }

  Outcome<void> add(const protocol::RecordItem& item) {
    const auto leaf = audit::decode_leaf(item.leaf);
    if (!leaf || item.index.value != tiles_.size().value)
      return Failure(LocalCode::receipt_invalid, "a leaf that is none, or not the next");
    if (!from_ && leaf->time >= after_) from_ = item.index;
    if (!to_ && leaf->time >= before_) to_ = item.index;
    if (from_ && !to_) {
      if (auto recorded = add_record(item, *leaf); !recorded) return recorded;
    }
    if (auto hashed = tiles_.append(as_bytes(item.leaf)); !hashed) return store_failure(hashed.error());
    auto full = bundles_.append(as_bytes(item.leaf));
    if (!full) return store_failure(full.error());
    if (*full) return hold(*std::move(*full));
    // The leaf after the bundle held decides whether that one is next to the period.
    return place_held(item.index.value);
  }

  [[nodiscard]] bool is_of_period(const protocol::RecordItem& item) const {
    const auto leaf = audit::decode_leaf(item.leaf);
    return leaf && leaf->time >= after_ && leaf->time < before_;
  }

  Outcome<audit::ExportPeriod> finish(Session& session, const AuditReport& report, const AuditedShard& shard) {
    const std::uint64_t size = tiles_.size().value;
    const audit::ExportPeriod period{from_.value_or(LeafIndex{size}), TreeSize{to_ ? to_->value : size}, after_,
                                     before_};
    if (tiles_.size() != shard.size || tiles_.root() != shard.root)
      return Failure(LocalCode::receipt_invalid, "the leaves are not those of the signed tree");
    from_ = period.from;
    to_ = LeafIndex{period.to.value};
    if (auto placed = place_held(size); !placed) return placed.error();
    auto rest = bundles_.rest();
    if (!rest) return store_failure(rest.error());
    if (*rest) {
      if (auto held = hold(*std::move(*rest)); !held) return held.error();
      if (auto placed = place_held(size); !placed) return placed.error();
    }
    if (auto written = tiles_.finish(); !written) return store_failure(written.error());
    if (auto finished = records_.finish(); !finished) return finished.error();
    const protocol::Invitation& invitation = session.invitation();
    // What closed a shard may not be cosigned yet, or not any more after a rollback: then nobody's word is promised.
    const bool ended = shard.origin != report.shards.back().origin;
    const bool witnessed = !invitation.witnesses.empty() && (!ended || shard.cosigned);
    const WitnessWatch& witnesses = session.log().witnesses();
    // Shown again with the witnesses' lines, where they came after it was first shown.
    const auto& shown = session.log().shown();
    const bool again = shown && shown->head() == audit::TreeHead{shard.origin, shard.size, shard.root};
    const std::string& checkpoint = again ? shown->note() : shard.checkpoint;
    if (witnessed && witnesses.demanded()) {
      const auto read = read_cosignatures(checkpoint, log_verifier(shard.origin, invitation.log_key),
                                          *witnesses.policy(), session.clock().now());
      confirmed_ = read && read->quorum_at;
    }
    period_over_ = session.clock().now() >= before_;
    const std::string policy = "log " + audit::to_text(log_verifier(shard.origin, invitation.log_key)) + "\n" +
                               (witnessed ? invitation.witnesses : "quorum none\n");
    const std::pair<std::string_view, std::string> texts[] = {
        {audit::export_policy_file, policy},
        {audit::export_period_file, audit::to_text(period)},
        {read_me_file, read_me(shard, period, report) + read_me_limits(period)},
        // Last: a folder without one was not finished.
        {audit::export_checkpoint_file, checkpoint},
    };
    for (const auto& [name, text] : texts)
      if (auto placed = files_.place(std::string(name), as_bytes(text)); !placed) return store_failure(placed.error());
    return period;
  }

  [[nodiscard]] bool confirmed() const { return confirmed_; }
  [[nodiscard]] bool period_over() const { return period_over_; }

  void take_back() {
    files_.take_back();
    std::error_code ignored;
    fs::remove(files_.path() / audit::export_records_file, ignored);
    fs::remove_all(files_.path() / "tile", ignored);
  }

 private:
  Outcome<void> add_record(const protocol::RecordItem& item, const audit::Leaf& leaf) {
    audit::ExportRecord record{item.index, std::nullopt};
    if (!item.disclosure.empty()) {
      auto disclosure = audit::decode_disclosure(item.disclosure);
      if (!disclosure) return local(LocalCode::receipt_invalid, disclosure.error());
      record.disclosure = *std::move(disclosure);
    }
    if (auto checked = audit::check_record(record, leaf); !checked)
      return local(LocalCode::receipt_invalid, checked.error());
    return records_.add(audit::encode(record));
  }

  Outcome<void> hold(BundleMaker::Bundle bundle) {
    if (auto placed = place_held(bundle.first.index * audit::tile_width); !placed) return placed;
    held_ = std::move(bundle);
    return {};
  }

  /// `known` leaves have come: whether the bundle held has a leaf of the period or next to it can be told.
  Outcome<void> place_held(std::uint64_t known) {
    if (!held_) return {};
    const std::uint64_t begin = held_->first.index * audit::tile_width;
    const std::uint64_t end = begin + held_->first.width;
    PLI_INVARIANT(known >= end);
    const bool before_it = from_ ? end < from_->value : true;
    const bool after_it = to_ && begin > to_->value;
    if (!before_it && !after_it) {
      auto placed = files_.place(audit::to_path(held_->first), held_->second);
      if (!placed) return store_failure(placed.error());
    }
    held_.reset();
    return {};
  }

  [[nodiscard]] static std::string read_me(const AuditedShard& shard, const audit::ExportPeriod& period,
                                           const AuditReport& report);
  /// What this folder does not show, by when it was made.
  [[nodiscard]] std::string read_me_limits(const audit::ExportPeriod& period) const;

  AppendOnlyFolder files_;
  TileWriter tiles_;
  BundleMaker bundles_;
  GrowingFile records_;
  UnixMillis after_;
  UnixMillis before_;
  std::optional<LeafIndex> from_;
  std::optional<LeafIndex> to_;
  std::optional<BundleMaker::Bundle> held_;
  bool confirmed_ = true;
  bool period_over_ = true;
};

std::string ExportWriter::read_me(const AuditedShard& shard, const audit::ExportPeriod& period,
                                  const AuditReport& report) {
  const std::string count = std::to_string(period.to.value - period.from.value);
  std::string out =
      "EXPORT DU JOURNAL DES ACCÈS DE PLI\n"
      "\n"
      "Journal      " +
      shard.origin +
      "\n"
      "Période      du " +
      french_time(period.after) + " au " + french_time(period.before) +
      " exclu (heure de Paris)\n"
      "Actes        " +
      count +
      (period.from.value == period.to.value
           ? "\n"
           : " : places " + std::to_string(period.from.value) + " à " + std::to_string(period.to.value - 1) + "\n") +
      "Arbre        taille " + std::to_string(shard.size.value) + ", racine " + to_hex(shard.root) +
      "\n"
      "\n"
      "Ce dossier contient qui a fait quoi, quand et pour quel motif. Il ne contient aucun contenu d'échange. Les "
      "notes de\n"
      "motif y sont scellées aux clés des auditeurs. Il porte les identifiants de personnes habilitées : conservez-le "
      "en\n"
      "lieu sûr.\n"
      "\n"
      "checkpoint   point de contrôle signé par le journal\n"
      "policy       clé du journal, telle que l'auditeur la connaît : comparez-la à celle que vous tenez d'ailleurs\n"
      "period       les places et les dates de la période\n"
      "records      ce que l'auditeur a reçu de chaque acte, chaque champ avec la preuve qu'il est celui du journal\n"
      "tile/        empreintes de tout l'arbre, et feuilles de la période\n"
      "\n"
      "Vérifier, sans connexion et sans rien croire de ce dossier :\n"
      "  pli-verify export DOSSIER --policy FICHIER   la clé du journal, ses témoins et leur quorum, que vous tenez "
      "d'ailleurs\n"
      "  pli-verify export DOSSIER --log-key CLÉ      la clé du journal seule : sans les témoins, un second journal "
      "signé de\n"
      "                                               la même clé ne se verrait pas\n"
      "Le format est décrit dans docs/protocol.md, « Export folder » ; les fichiers checkpoint et tile/ sont ceux de "
      "C2SP\n"
      "tlog-tiles, que d'autres logiciels lisent.\n";
  if (report.shards.size() > 1)
    out += "\nLe journal a " + std::to_string(report.shards.size()) +
           " parties, chacune un arbre. Ce dossier ne tient que celle-ci : les actes de la période inscrits dans une "
           "autre\nsont à prendre à part (pli audit export --shard).\n";
  if (!report.clean())
    out += "\nATTENTION : à la lecture, le journal n'était pas intègre : " + std::to_string(report.findings.size()) +
           " constat(s). Voir « pli audit verify ».\n";
  return out;
}

std::string ExportWriter::read_me_limits(const audit::ExportPeriod& period) const {
  std::string out;
  if (!period_over_)
    out += "\nATTENTION : la période n'était pas terminée quand ce dossier a été fait : il s'arrête avant la place " +
           std::to_string(period.to.value) + ".\n";
  if (!confirmed_)
    out +=
        "\nATTENTION : le quorum des témoins n'avait pas confirmé ce point de contrôle : pli-verify le refusera avec\n"
        "--policy. Un export refait quand les témoins répondent le portera.\n";
  return out;
}

}  // namespace

Outcome<ExportOutcome> export_journal(Session& session, const ExportOptions& options, const OnProgress& progress,
                                      std::chrono::milliseconds patience) {
  if (options.to < options.from) return Failure(LocalCode::usage, "the period ends before it begins");
  if (auto empty = demand_empty(options.folder); !empty) return empty.error();
  if (auto checked = session.check_log(); !checked) return checked.error();
  if (!session.log().last()) return Failure(LocalCode::receipt_invalid, "no checkpoint to compare with");
  MadeFolder made(options.folder);
  if (auto there = made.make(); !there) return there.error();
  const std::string origin = options.shard.empty() ? session.log().last()->head().origin : options.shard;
  ExportWriter writer(options);
  const auto failed = [&](Failure failure) {
    writer.take_back();
    return failure;
  };
  if (auto begun = writer.begin(); !begun) return failed(begun.error());
  std::vector<std::pair<std::string, std::uint64_t>> elsewhere;
  const auto on_leaf = [&](const std::string& shard, const protocol::RecordItem& item) -> Outcome<void> {
    if (shard == origin) return writer.add(item);
    if (!writer.is_of_period(item)) return {};
    if (elsewhere.empty() || elsewhere.back().first != shard) elsewhere.emplace_back(shard, 0);
    ++elsewhere.back().second;
    return {};
  };
  auto report = audit_log(session, {}, patience, on_leaf, progress);
  if (!report) return failed(report.error());
  const auto shard = std::find_if(report->shards.begin(), report->shards.end(),
                                  [&](const AuditedShard& audited) { return audited.origin == origin; });
  if (shard == report->shards.end()) return failed(Failure(LocalCode::usage, "the log has no such shard"));
  const AuditedShard exported = *shard;
  auto period = writer.finish(session, *report, exported);
  if (!period) return failed(period.error());
  made.keep();
  const bool confirmed = writer.confirmed();
  const bool over = writer.period_over();
  return ExportOutcome{std::move(*report), *period, exported, std::move(elsewhere), confirmed, over};
}

bool is_foreign_to_tiles(const fs::path& folder) {
  std::error_code failed;
  if (!fs::exists(folder, failed)) return false;
  if (!fs::is_directory(folder, failed)) return true;
  if (fs::exists(folder / audit::export_checkpoint_file, failed)) return false;
  // What was interrupted before its checkpoint has tiles alone, and each file is compared before it is believed.
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed))
    if (it->path().filename() != "tile") return true;
  return bool(failed);
}

Outcome<TilesOutcome> write_tiles(Session& session, const fs::path& folder, const OnProgress& progress) {
  if (auto checked = session.check_log(); !checked) return checked.error();
  if (!session.log().last()) return Failure(LocalCode::receipt_invalid, "no checkpoint to compare with");
  const std::string origin = session.log().last()->head().origin;
  const std::string checkpoint_name(audit::export_checkpoint_file);

  if (is_foreign_to_tiles(folder)) return Failure(LocalCode::usage, "the folder holds something else");
  MadeFolder kept(folder);
  AppendOnlyFolder files(folder);
  TileWriter tiles(files);
  BundleMaker bundles;
  TilesOutcome outcome;
  auto there = files.read(checkpoint_name, protocol::checkpoint_bytes_max);
  if (there) {
    auto known = verify_log_note(as_text(*there), session.invitation().log, session.invitation().log_key);
    if (!known) return known.error();
    if (known->head().origin != origin) return Failure(LocalCode::usage, "the folder holds another shard");
    // What the folder holds is compared with the log like any checkpoint met elsewhere.
    if (auto noted = session.log().note_foreign(as_text(*there), session.clock().now()); !noted) return noted.error();
    if (auto checked = session.check_log(); !checked) return checked.error();
    auto resumed = TileWriter::resume(files, known->size(), known->root());
    if (!resumed) return local(LocalCode::receipt_invalid, resumed.error());
    tiles = *std::move(resumed);
    auto last = BundleMaker::resume(files, known->size());
    if (!last) return local(LocalCode::receipt_invalid, last.error());
    bundles = *std::move(last);
    outcome.before = known->size();
  } else if (there.error().code != Errc::not_found) {
    return store_failure(there.error());
  } else if (auto made = kept.make(); !made) {
    return made.error();
  }

  const audit::VerifiedCheckpoint checkpoint = *session.log().last();
  outcome.size = std::max(checkpoint.size(), outcome.before);
  if (checkpoint.size() <= outcome.before) return outcome;
  const auto failed = [&](Failure failure) {
    files.take_back();
    return failure;
  };
  const auto place = [&](const BundleMaker::Bundle& bundle) {
    return files.place(audit::to_path(bundle.first), bundle.second);
  };
  const auto take = [&](const protocol::RecordItem& item) -> Result<void> {
    if (item.index.value != tiles.size().value) return Error{Errc::authentication_failed, "not the next leaf"};
    if (progress) progress(item.index.value + 1, checkpoint.size().value);
    if (auto hashed = tiles.append(as_bytes(item.leaf)); !hashed) return hashed;
    auto full = bundles.append(as_bytes(item.leaf));
    if (!full) return full.error();
    return *full ? place(**full) : Result<void>();
  };
  std::optional<Error> wrong;
  const auto read = read_items(session, origin, LeafIndex{tiles.size().value}, checkpoint.size(),
                               [&](const protocol::RecordItem& item) -> Outcome<void> {
                                 auto taken = take(item);
                                 if (taken) return {};
                                 wrong = taken.error();
                                 return store_failure(taken.error());
                               });
  const auto settle = [&](const Error& error) -> Outcome<TilesOutcome> {
    files.take_back();
    if (error.code == Errc::authentication_failed) return local(LocalCode::receipt_invalid, error);
    if (error.code != Errc::conflict) return store_failure(error);
    outcome.differing_file = error.detail;
    return outcome;
  };
  if (wrong) return settle(*wrong);
  if (!read) return failed(read.error());
  if (tiles.size() != checkpoint.size() || tiles.root() != checkpoint.root())
    return failed(Failure(LocalCode::receipt_invalid, "the leaves are not those of the signed tree"));
  auto rest = bundles.rest();
  if (!rest) return settle(rest.error());
  if (*rest)
    if (auto placed = place(**rest); !placed) return settle(placed.error());
  if (auto finished = tiles.finish(); !finished) return settle(finished.error());
  const auto written = write_file_durably(folder / checkpoint_name, as_bytes(checkpoint.note()), FileMode::owner_only);
  if (!written) return store_failure(written.error());
  kept.keep();
  return outcome;
}

}  // namespace pli::client
