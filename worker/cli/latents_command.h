#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace mimicfleet::worker {

// Adds `worker latents import`; when it is called, `chosen` becomes what is to be done instead of
// working, and gives the exit code.
void add_latents_command(CLI::App& app, std::function<int()>& chosen);

}  // namespace mimicfleet::worker
