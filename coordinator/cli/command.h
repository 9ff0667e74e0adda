#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "common/wire/codec.h"

namespace mimicfleet::coordinator {

// The command that the user chose: set while the line is parsed, run afterwards.
using Chosen = std::function<int()>;

// Flags that most commands have.
struct CommonFlags {
  std::string server;
  std::string output_mode = "human";
  [[nodiscard]] bool json() const { return output_mode == "json"; }
};
void add_server_flag(CLI::App& command, CommonFlags& flags);
void add_output_flag(CLI::App& command, CommonFlags& flags, const char* group = "Options");

// Each adds its commands to the program.
void add_submit(CLI::App& app, Chosen& chosen);  // submit, plan
void add_compare(CLI::App& app, Chosen& chosen);
void add_serve(CLI::App& app, Chosen& chosen);
void add_job(CLI::App& app, Chosen& chosen);
void add_task(CLI::App& app, Chosen& chosen);
void add_worker(CLI::App& app, Chosen& chosen);
void add_verify(CLI::App& app, Chosen& chosen);

// The whole program.
[[nodiscard]] int run_program(int argc, char** argv);

}  // namespace mimicfleet::coordinator
