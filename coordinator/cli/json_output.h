#pragma once

#include <cstdint>
#include <string>

#include "common/wire/codec.h"
#include "jobs/client_messages.h"
#include "jobs/ledger.h"

// What --output-mode json prints of a server's messages (docs/cli.md): jobs go by their number,
// points in time are RFC 3339 in UTC, and numbers that readers of JSON would round (above 2^53) are
// text.
namespace mimicfleet::coordinator {

// "2024-05-01T12:00:00.123Z"; empty of 0, which is not known.
[[nodiscard]] std::string rfc3339(std::int64_t wall_ms);

[[nodiscard]] wire::Value job_value(const jobs::JobSummary& job);
[[nodiscard]] wire::Value job_value(const jobs::JobSummary& job, const jobs::Ledger& ledger);
[[nodiscard]] wire::Value task_value(const jobs::TaskInfo& task, std::uint64_t job);
[[nodiscard]] wire::Value event_value(const jobs::Event& event);

// One document, or one line of many.
[[nodiscard]] std::string json_document(const wire::Value& value);
[[nodiscard]] std::string json_line(const wire::Value& value);

}  // namespace mimicfleet::coordinator
