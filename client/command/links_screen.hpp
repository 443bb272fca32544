// Link hints on the screen of the secretariat, after what it opened (client/link_hints.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/command/sitting.hpp"
#include "client/link_hints.hpp"

namespace pli::client::command {

/// The hints of one verb: read once, however many exchanges it opens, and gone with it.
class VerbLinks {
 public:
  /// Indexes what was opened and gives the hints of its case, without those a person rejected. Nothing for whoever is
  /// no secretariat; what an earlier role left is dropped. Errors: local_store.
  [[nodiscard]] Outcome<std::vector<JudgedHint>> note(const Session& session, const OpenedExchange& opened);

 private:
  std::optional<LinkHints> hints_;
};

/// The other case of a pair.
[[nodiscard]] const Digest& other_than(const JudgedHint& hint, const Digest& case_id);
/// "même nom et même commune ; même adresse": nothing is said of how sure that is.
[[nodiscard]] std::string french(const std::vector<LinkReason>& reasons);
/// "accepted", "rejected"; empty: nobody has decided.
[[nodiscard]] std::string verdict_text(const JudgedHint& hint);
/// Lines below an opened exchange; nothing without a hint.
void say_links(const std::vector<JudgedHint>& hints, const Digest& case_id);
/// A JSON array of objects with the other case, codes of reasons and verdict.
[[nodiscard]] std::string links_json(const std::vector<JudgedHint>& hints, const Digest& case_id);

}  // namespace pli::client::command
