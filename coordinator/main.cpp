#include "coordinator/cli/command.h"

int main(int argc, char** argv) { return mimicfleet::coordinator::run_program(argc, argv); }
