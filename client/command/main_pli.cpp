// pli: what members, auditors, authorities and tools type.
#include "client/command/program.hpp"

int main(int argc, char** argv) { return pli::client::command::run_program(argc, argv); }
