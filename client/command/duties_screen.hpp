// What is owed, on the screen: the list of late cases, what the inbox says first, a contract's report.
#pragma once

#include <string>
#include <vector>

#include "client/case_duties.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"

namespace pli::client::command {

/// The cases the broker lists and what is owed in them, on all this profile received; `proven`: with the leaf of each
/// act that begins or ends something, else by the broker's word. `code`: the worst of what was said on the way, of
/// alarms.
struct SeenDuties {
  std::vector<CaseDuties> cases;
  std::vector<KnownAct> acts;
  int code = 0;
};
enum class Proofs { none, of_what_is_late, all };
[[nodiscard]] Outcome<SeenDuties> look_at_duties(Sitting& sitting, Session& session, Proofs proofs);

/// `pli case list --late`.
[[nodiscard]] int list_late(Sitting& sitting);
/// Before the inbox: urgent cases that nobody has opened and a second person is called for. Nothing for whoever sits in
/// no instance. The worst exit code.
[[nodiscard]] int show_escalated(Sitting& sitting, Session& session);
/// Below a case: each duty on a line.
void say_duties(const CaseDuties& duties, const KnownDirectory& directory, UnixMillis now);
/// `pli contract report`; days as typed, empty = open.
[[nodiscard]] int contract_report(Sitting& sitting, const std::string& from, const std::string& to, bool all);

/// "28/11/2026": the last day on which it is kept.
[[nodiscard]] std::string last_day(const protocol::Deadline& deadline);
/// "28/11/2026 21:17 (2026-1/1204)"; "sans date" where nobody told when.
[[nodiscard]] std::string moment_text(const protocol::Moment& moment);
/// Of one duty: "duty", "standing", its times and places.
void put_duty(JsonObject& out, const protocol::Deadline& deadline, UnixMillis now);

}  // namespace pli::client::command
