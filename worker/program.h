#pragma once

#include "worker/stages/executor.h"

namespace mimicfleet::worker {

// The program `worker`: works until it is asked to leave. The exit code. `seams` are for tests.
[[nodiscard]] int run_program(int argc, char** argv, stages::ExecutorSeams seams = {});

}  // namespace mimicfleet::worker
