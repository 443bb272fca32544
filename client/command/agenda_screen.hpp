// The days of an instance, for whoever inscribes a case or reads its agenda.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/command/sitting.hpp"
#include "client/known_directory.hpp"
#include "protocol/wire.hpp"

namespace pli::client::command {

/// The day an inscription names: as typed, with a warning where the calendar has no séance then; else the next séance
/// of the case's instance after today, which is said. Nothing where there is no calendar to take it from.
[[nodiscard]] std::optional<std::string> seance_for(const Sitting& sitting, const KnownDirectory& directory,
                                                    const protocol::CaseItem& item, const std::string& typed);
inline constexpr std::string_view no_seance_words =
    "aucun calendrier de séances n'est fixé pour cette instance : indiquez le jour avec --date, ou demandez à la "
    "préfecture de le fixer (pli directory seances)";

/// The instances this member sits in, or the one typed where he does. Empty, with the reason said: exit code 2.
[[nodiscard]] std::vector<std::string> instances_of(const Sitting& sitting, const Session& session,
                                                    const std::string& typed);

}  // namespace pli::client::command
