// What is said of a case that was passed on, and of one that was passed on to us.
#pragma once

#include "client/client_store.hpp"
#include "client/command/screen.hpp"
#include "client/transfer.hpp"

namespace pli::client::command {

/// Where it was passed on to and what is not there yet; where it came from.
void say_transfers(const Sitting& sitting, Session& session, const protocol::CaseItem& item);
/// The same, into the line of a case.
void add_transfers(JsonObject& line, Session& session, const protocol::CaseItem& item);

}  // namespace pli::client::command
