#include "worker/program.h"

int main(int argc, char** argv) { return mimicfleet::worker::run_program(argc, argv); }
