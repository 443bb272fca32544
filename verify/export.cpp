#include "verify/export.hpp"

#include <algorithm>

namespace pli::verify {
namespace {

const std::string entries = "entries";
const std::string records_file(audit::export_records_file);
const std::string period_file(audit::export_period_file);
const std::string policy_file(audit::export_policy_file);

/// The folder says whom to trust; nothing comes of it but a comparison with whom we do trust.
Outcome<void> compare_policy(const Folder& folder, const Trust& trust, const std::string& origin, Report& report) {
  const auto text = folder.read(policy_file, audit::policy_bytes_max);
  if (!text) return text.error();
  const auto theirs = audit::WitnessPolicy::parse(as_text(*text));
  if (!theirs) return refuse(policy_file, theirs.error());
  const auto sorted = [](std::vector<audit::VerifierKey> keys) {
    std::sort(keys.begin(), keys.end());
    return keys;
  };
  const std::vector<audit::VerifierKey> known = theirs->log_keys_for(origin);
  for (const audit::VerifierKey& key : trust.log_keys(origin))
    if (key.name == origin && std::find(known.begin(), known.end(), key) == known.end())
      return Refusal{Exit::failed, policy_file, "it names another key for this log"};
  const bool same_witnesses =
      trust.policy() && sorted(theirs->witness_keys()) == sorted(trust.policy()->witness_keys());
  report.say("policy", !trust.policy()  ? "names the log's key; its witnesses were not asked"
                       : same_witnesses ? "names the log and the witnesses you trust"
                                        : "names other witnesses than those you trust, which were the ones asked");
  return {};
}

/// The period's leaves, one after another, and the records beside them.
class PeriodReader {
 public:
  PeriodReader(const audit::ExportPeriod& period, audit::ExportRecords records)
      : period_(period), records_(std::move(records)) {}

  Outcome<void> take(std::uint64_t index, ByteView entry) {
    const bool inside = index >= period_.from.value && index < period_.to.value;
    auto leaf = (inside ? tally_ : around_).take(index, entry);
    if (!leaf) return refuse(entries, leaf.error());
    const std::string place = "leaf " + std::to_string(index);
    if (auto timely = audit::check_leaf_time(period_, LeafIndex{index}, *leaf); !timely)
      return refuse("period", at(place, timely.error()));
    return inside ? take_record(place, *leaf) : Outcome<void>();
  }

  Outcome<void> finish() {
    const auto none = records_.next();
    if (!none) return refuse(records_file, none.error());
    return {};
  }

  void tell(Report& report) const {
    report.count("records.shown", shown_);
    report.count("records.erased", erased_);
    tally_.tell(report);
  }

 private:
  Outcome<void> take_record(const std::string& place, const audit::Leaf& leaf) {
    const auto record = records_.next();
    if (!record) return refuse(records_file, at(place, record.error()));
    if (auto same = audit::check_record(**record, leaf); !same) return refuse(records_file, at(place, same.error()));
    ++((*record)->disclosure ? shown_ : erased_);
    return {};
  }

  audit::ExportPeriod period_;
  audit::ExportRecords records_;
  Tally tally_;   ///< of the period
  Tally around_;  ///< of the leaves next to it that the folder shows
  std::uint64_t shown_ = 0;
  std::uint64_t erased_ = 0;
};

Outcome<void> read_bundle(const audit::BundleReader& read, audit::CheckedTiles& tiles, const audit::BundleId& bundle,
                          PeriodReader& reader) {
  const std::string place = to_path(bundle);
  const auto bytes = read(bundle);
  if (!bytes) return refuse(entries, at(place, bytes.error()));
  const auto leaves = audit::decode_bundle(*bytes, bundle.width);
  if (!leaves) return refuse(entries, at(place, leaves.error()));
  const auto tile = tiles.read({0, bundle.index, bundle.width});
  if (!tile) return refuse("tiles", at(place, tile.error()));
  std::vector<Digest> hashes;
  for (const ByteView leaf : *leaves) hashes.push_back(audit::leaf_hash(leaf));
  if (auto same = audit::check_leaves(hashes, *tile); !same) return refuse(entries, at(place, same.error()));
  for (std::size_t i = 0; i < leaves->size(); ++i)
    if (auto taken = reader.take(bundle.index * audit::tile_width + i, (*leaves)[i]); !taken) return taken;
  return {};
}

}  // namespace

Outcome<void> verify_export(const Folder& folder, const audit::VerifiedCheckpoint& checkpoint, const Trust& trust,
                            Report& report) {
  if (auto same = compare_policy(folder, trust, checkpoint.head().origin, report); !same) return same;
  const auto text = folder.read(period_file, audit::export_period_bytes_max);
  if (!text) return text.error();
  const auto period = audit::parse_export_period(as_text(*text));
  if (!period) return refuse(period_file, period.error());
  const std::uint64_t from = period->from.value;
  const std::uint64_t to = period->to.value;
  const std::uint64_t size = checkpoint.size().value;
  if (to > size) return Refusal{Exit::failed, period_file, "it ends beyond the checkpoint"};
  report.count("period.from", from);
  report.count("period.to", to);
  report.say("period.after", utc(period->after));
  report.say("period.before", utc(period->before));

  auto tiles = open_tiles(folder, checkpoint);
  if (!tiles) return tiles.error();
  if (auto checked = check_tiles(checkpoint, *tiles, 0); !checked) return checked;

  auto source = folder.stream(records_file);
  if (!source) return source.error();
  auto records = audit::ExportRecords::open(*period, *std::move(source));
  if (!records) return refuse(records_file, records.error());
  PeriodReader reader(*period, *std::move(records));

  // From the bundle of the leaf before to that of the leaf after, so that an end of the period shows where it is there.
  bool before_shown = false;
  bool after_shown = false;
  const std::uint64_t first = from == 0 ? 0 : (from - 1) / audit::tile_width;
  const std::uint64_t end = std::min(to / audit::tile_width + 1, audit::bundle_count(checkpoint.size()));
  const audit::BundleReader read = folder.bundles();
  for (std::uint64_t index = first; index < end; ++index) {
    const audit::BundleId bundle = audit::bundle_of(checkpoint.size(), index);
    const std::uint64_t begins = index * audit::tile_width;
    const std::uint64_t ends = begins + bundle.width;
    const bool needed = begins < to && ends > from;
    if (!needed && !folder.has(bundle)) continue;
    if (auto done = read_bundle(read, *tiles, bundle, reader); !done) return done;
    before_shown = before_shown || begins < from;
    after_shown = after_shown || ends > to;
  }
  if (auto finished = reader.finish(); !finished) return finished;
  report.say("period.first", from == 0      ? "the log begins with it"
                             : before_shown ? "the leaf before it is earlier"
                                            : "the leaf before it is not shown");
  report.say("period.last", to == size    ? "the tree of this checkpoint ends with it"
                            : after_shown ? "the leaf after it is later"
                                          : "the leaf after it is not shown");
  reader.tell(report);
  return {};
}

}  // namespace pli::verify
