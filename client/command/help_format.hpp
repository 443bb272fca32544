// Help pages: French words around what officers, members and auditors type; CLI11's own English for operators' verbs.
#pragma once

#include "protocol/error_catalogue.hpp"

namespace CLI {
class App;
}

namespace pli::client::command {

/// Headings and labels in French, for `app` and the verbs added to it from here on.
void speak_french(CLI::App& app);
/// CLI11's own words again, for one verb and those below it.
void speak_english(CLI::App& app);
/// Gives the verbs below `app` their heading; once they are all there.
void title_verbs(CLI::App& app, protocol::Language language);

}  // namespace pli::client::command
