// The `pli` program as a function, so that the shell runs the same verbs without another unlocking.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace pli::client::command {

class Sitting;

/// What a verb's callback leaves behind: its exit code (client/failure.hpp, ExitClass).
struct Verdict {
  int exit_code = 0;
};

/// Parses and runs one command line; everything is caught here, and only here.
[[nodiscard]] int run_program(int argc, char** argv);
/// The same inside a sitting: `words` without the program's name. Global options stay those of the sitting.
[[nodiscard]] int run_words(const std::vector<std::string>& words, Sitting& sitting);

// Each adds its verbs to `app`; callbacks write `verdict`.
void add_init(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_identity(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_contract(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_directory(CLI::App& app, Sitting& sitting, Verdict& verdict);
/// The verbs of `directory` that concern the contract and the tools of its other volets.
void add_directory_contract(CLI::App& group, Sitting& sitting, Verdict& verdict);
/// Of `directory`: when an instance sits.
void add_directory_seances(CLI::App& group, Sitting& sitting, Verdict& verdict);
void add_form(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_send(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_outbox(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_receipt(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_inbox(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_open(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_ack(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_case(CLI::App& app, Sitting& sitting, Verdict& verdict);
/// The verbs of `case` that concern link hints.
void add_case_links(CLI::App& group, Sitting& sitting, Verdict& verdict);
void add_case_answer(CLI::App& group, Sitting& sitting, Verdict& verdict);
/// Those that agree to a nominative information and give it.
void add_case_nominative(CLI::App& group, Sitting& sitting, Verdict& verdict);
/// Of `case`: what stands on which séance, and its relevé.
void add_case_agenda(CLI::App& group, Sitting& sitting, Verdict& verdict);
void add_case_minutes(CLI::App& group, Sitting& sitting, Verdict& verdict);
/// Those that pass a case on.
void add_case_transfer(CLI::App& group, Sitting& sitting, Verdict& verdict);
/// Of `contract`: what was kept.
void add_contract_report(CLI::App& group, Sitting& sitting, Verdict& verdict);
void add_audit(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_age(CLI::App& app, Sitting& sitting, Verdict& verdict);
void add_shell(CLI::App& app, Sitting& sitting, Verdict& verdict);

}  // namespace pli::client::command
