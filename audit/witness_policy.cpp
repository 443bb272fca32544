#include "audit/witness_policy.hpp"

#include <algorithm>
#include <span>

#include "audit/shard_name.hpp"
#include "audit/text_lines.hpp"

namespace pli::audit {
namespace {

constexpr std::string_view none = "none";

bool is_policy_byte(char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  return byte == '\t' || byte == '\n' || (byte >= 0x20 && byte != 0x7F);
}

/// What stands between runs of spaces and tabs.
std::vector<std::string_view> fields_of(std::string_view line) {
  constexpr std::string_view white = " \t";
  std::vector<std::string_view> fields;
  for (std::size_t begin = line.find_first_not_of(white); begin != std::string_view::npos;
       begin = line.find_first_not_of(white, begin)) {
    const std::size_t end = std::min(line.find_first_of(white, begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return fields;
}

}  // namespace

class PolicyParser {
 public:
  using Fields = std::span<const std::string_view>;

  Result<WitnessPolicy> parse(std::string_view text) {
    if (text.size() > policy_bytes_max) return Error{Errc::over_limit, "policy too long"};
    if (!std::all_of(text.begin(), text.end(), is_policy_byte))
      return Error{Errc::invalid_input, "policy with a forbidden byte"};
    while (!text.empty()) {
      ++line_;
      const auto line = take_line(text);
      if (!line) return refuse("does not end in a line feed");
      const std::vector<std::string_view> fields = fields_of(*line);
      if (fields.empty() || fields.front().front() == '#') continue;
      if (auto read = read_line(fields); !read) return read.error();
    }
    if (!has_quorum_) return Error{Errc::invalid_input, "policy without a quorum"};
    return std::move(policy_);
  }

 private:
  Error refuse(const std::string& why, Errc code = Errc::invalid_input) const {
    return Error{code, "policy line " + std::to_string(line_) + ": " + why};
  }

  Result<void> read_line(Fields fields) {
    for (const std::string_view field : fields)
      if (field.size() > policy_field_bytes_max) return refuse("field too long", Errc::over_limit);
    const std::string_view verb = fields.front();
    fields = fields.subspan(1);
    if (verb == "log") return read_log(fields);
    if (verb == "witness") return read_witness(fields);
    if (verb == "group") return read_group(fields);
    if (verb == "quorum") return read_quorum(fields);
    return refuse("unknown word");
  }

  Result<VerifierKey> read_key(std::string_view text, KeyType type) const {
    Result<VerifierKey> key = parse_verifier_key(text);
    if (!key) return refuse(key.error().detail);
    if (key->type != type) return refuse("a key of the wrong type");
    return key;
  }

  Result<void> read_log(Fields fields) {
    if (fields.empty() || fields.size() > 2) return refuse("log <vkey> [<url>]");
    if (policy_.logs_.size() == policy_logs_max) return refuse("too many logs", Errc::over_limit);
    Result<VerifierKey> key = read_key(fields[0], KeyType::ed25519);
    if (!key) return key.error();
    for (const auto& log : policy_.logs_)
      if (log.key.key == key->key) return refuse("the key of another log");
    policy_.logs_.push_back({*std::move(key), std::string(fields.size() == 2 ? fields[1] : "")});
    return {};
  }

  Result<void> read_witness(Fields fields) {
    if (fields.size() < 2 || fields.size() > 3) return refuse("witness <name> <vkey> [<url>]");
    if (policy_.witnesses_.size() == policy_witnesses_max) return refuse("too many witnesses", Errc::over_limit);
    if (auto fresh = check_new_name(fields[0]); !fresh) return fresh;
    Result<VerifierKey> key = read_key(fields[1], KeyType::cosignature);
    if (!key) return key.error();
    for (const auto& witness : policy_.witnesses_)
      if (witness.key.key == key->key) return refuse("the key of another witness");
    WitnessPolicy::Signer signer;
    signer.name = fields[0];
    signer.witness = policy_.witnesses_.size();
    policy_.signers_.push_back(std::move(signer));
    policy_.witnesses_.push_back(
        {std::string(fields[0]), *std::move(key), std::string(fields.size() == 3 ? fields[2] : "")});
    return {};
  }

  Result<void> read_group(Fields fields) {
    if (fields.size() < 3) return refuse("group <name> <k | any | all> <name>...");
    if (policy_.signers_.size() - policy_.witnesses_.size() == policy_groups_max)
      return refuse("too many groups", Errc::over_limit);
    if (auto fresh = check_new_name(fields[0]); !fresh) return fresh;
    const Fields names = fields.subspan(2);
    const Result<std::size_t> threshold = read_threshold(fields[1], names.size());
    if (!threshold) return threshold.error();
    WitnessPolicy::Signer group;
    group.name = fields[0];
    group.threshold = *threshold;
    for (const std::string_view name : names) {
      const Result<std::size_t> member = find(name);
      if (!member) return member.error();
      // Else a witness could count twice towards one quorum.
      if (policy_.signers_[*member].is_member) return refuse("a member of two groups, or twice of one");
      policy_.signers_[*member].is_member = true;
      group.members.push_back(*member);
    }
    policy_.signers_.push_back(std::move(group));
    return {};
  }

  Result<std::size_t> read_threshold(std::string_view text, std::size_t members) const {
    if (text == "any") return std::size_t{1};
    if (text == "all") return members;
    const auto threshold = parse_decimal(text);
    if (!threshold || *threshold == 0 || *threshold > members) return refuse("k is none of 1 to n, any, all");
    return static_cast<std::size_t>(*threshold);
  }

  Result<void> read_quorum(Fields fields) {
    if (fields.size() != 1) return refuse("quorum <name | none>");
    if (has_quorum_) return refuse("a second quorum");
    has_quorum_ = true;
    if (fields[0] == none) return {};
    const Result<std::size_t> signer = find(fields[0]);
    if (!signer) return signer.error();
    policy_.quorum_ = *signer;
    return {};
  }

  Result<void> check_new_name(std::string_view name) const {
    if (name == none) return refuse("the name none is taken");
    if (find(name)) return refuse("a name defined twice");
    return {};
  }

  Result<std::size_t> find(std::string_view name) const {
    const auto& signers = policy_.signers_;
    const auto found = std::find_if(signers.begin(), signers.end(), [&](const auto& s) { return s.name == name; });
    if (found == signers.end()) return refuse("a name that is not defined above");
    return static_cast<std::size_t>(found - signers.begin());
  }

  WitnessPolicy policy_;
  std::size_t line_ = 0;
  bool has_quorum_ = false;
};

Result<WitnessPolicy> WitnessPolicy::parse(std::string_view text) { return PolicyParser().parse(text); }

std::vector<VerifierKey> WitnessPolicy::log_keys() const {
  std::vector<VerifierKey> keys;
  for (const Log& log : logs_) keys.push_back(log.key);
  return keys;
}

std::vector<VerifierKey> WitnessPolicy::log_keys_for(std::string_view origin) const {
  std::vector<VerifierKey> keys;
  for (const Log& log : logs_)
    if (auto key = log_key_for(log.key, origin)) keys.push_back(*std::move(key));
  return keys;
}

std::vector<VerifierKey> WitnessPolicy::witness_keys() const {
  std::vector<VerifierKey> keys;
  for (const Witness& witness : witnesses_) keys.push_back(witness.key);
  return keys;
}

bool WitnessPolicy::is_satisfied_by(const WitnessNames& cosigned) const {
  if (!quorum_) return true;
  // Members stand before their group: one pass in the file's order.
  std::vector<bool> satisfied;
  for (const Signer& signer : signers_) {
    if (signer.witness) {
      satisfied.push_back(cosigned.find(signer.name) != cosigned.end());
      continue;
    }
    const auto reached = std::count_if(signer.members.begin(), signer.members.end(),
                                       [&](std::size_t member) { return satisfied[member]; });
    satisfied.push_back(static_cast<std::size_t>(reached) >= signer.threshold);
  }
  return satisfied[*quorum_];
}

Result<std::string> witness_lines(std::string_view policy_text) {
  if (auto policy = WitnessPolicy::parse(policy_text); !policy) return policy.error();
  std::string out;
  while (const auto line = take_line(policy_text)) {
    const std::vector<std::string_view> fields = fields_of(*line);
    if (fields.empty() || fields.front().front() == '#' || fields.front() == "log") continue;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i != 0) out += ' ';
      out += fields[i];
    }
    out += '\n';
  }
  return out;
}

std::optional<UnixSeconds> quorum_time(const WitnessPolicy& policy, const std::vector<Cosigner>& cosigners) {
  if (!policy.demands_witnesses()) return std::nullopt;
  std::vector<Cosigner> newest_first = cosigners;
  std::sort(newest_first.begin(), newest_first.end(),
            [](const Cosigner& a, const Cosigner& b) { return a.time > b.time; });
  WitnessNames names;
  for (const Cosigner& cosigner : newest_first) {
    names.insert(policy.witnesses()[cosigner.witness].name);
    if (policy.is_satisfied_by(names)) return cosigner.time;
  }
  return std::nullopt;
}

Result<CosignedCheckpoint> verify_checkpoint_by(const WitnessPolicy& policy, std::string_view note, UnixSeconds now) {
  const Result<Note> parsed = parse_note(note);
  if (!parsed) return parsed.error();
  // All the policy's logs, so that a bad line of any refuses the note, this one's by the name it signs under.
  std::vector<VerifierKey> logs = policy.log_keys();
  std::string_view text = parsed->text;
  for (VerifierKey& key : logs)
    if (auto named = log_key_for(key, take_line(text).value_or(std::string_view()))) key = *std::move(named);
  const auto signers = verify_note(*parsed, logs);
  if (!signers) return signers.error();
  const Result<TreeHead> head = parse_tree_head(parsed->text);
  if (!head) return head.error();
  const auto log = std::find_if(signers->begin(), signers->end(),
                                [&](std::size_t signer) { return logs[signer].name == head->origin; });
  if (log == signers->end()) return Error{Errc::authentication_failed, "checkpoint of another log than its signer's"};
  Result<CosignedCheckpoint> checkpoint = verify_cosigned_checkpoint(note, logs[*log], policy.witness_keys(), now);
  if (!checkpoint) return checkpoint;
  WitnessNames names;
  for (const Cosigner& cosigner : checkpoint->cosigners()) names.insert(policy.witnesses()[cosigner.witness].name);
  if (!policy.is_satisfied_by(names))
    return Error{Errc::authentication_failed, "checkpoint without the witnesses the policy demands"};
  return checkpoint;
}

}  // namespace pli::audit
