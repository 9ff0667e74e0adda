#pragma once

#include <string>
#include <string_view>

#include "common/status.h"
#include "common/wire/codec.h"
#include "jobs/record.h"

// Structs as JSON whose numbers survive every reader: jq and JavaScript read a number as a double,
// which rounds whole numbers above 2^53.
namespace mimicfleet::jobs {

// The same value with such numbers as text; tags of features are so always, in 16 hexadecimal
// digits.
[[nodiscard]] wire::Value with_exact_numbers(const wire::Value& value);

// A record's file.
[[nodiscard]] std::string record_text(const OutputRecord& record);

// kBadInput. Reads what older versions wrote, too: tags and seeds as numbers.
[[nodiscard]] Result<OutputRecord> read_record(std::string_view text);

}  // namespace mimicfleet::jobs
