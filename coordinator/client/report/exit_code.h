#pragma once

#include <string>

#include "common/status.h"
#include "coordinator/client/run/interrupts.h"

namespace mimicfleet::coordinator {

// What the program ends with (docs/cli.md).
inline constexpr int kAllDone = 0;
inline constexpr int kSomeFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;

// Of a request that could not be carried out at all.
[[nodiscard]] int exit_code_of(const Status& status);

// Writes `error: …` to stderr and gives the code.
int report(const Status& status);

// As report(), for what has told the error on stdout itself.
int report_on_stderr(const Status& status);

// From now on errors are JSON documents on stdout, too: {"error": …, "code": …, "exit_code": …}.
void errors_as_json();

// Such a document, if errors are to be so.
void print_error_document(const std::string& message, StatusCode code, int exit_code);

}  // namespace mimicfleet::coordinator
