#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace mimicfleet::config {

// A list or configuration that people write or export, without its byte order mark and with lines
// that end with a line feed: UTF-16 (Excel's "Unicode text") becomes UTF-8, the lone carriage
// returns of old Macs line feeds. Other bytes stay as they are: they may be file names. kBadInput
// naming the file and the remedy for damaged UTF-16, UTF-32, workbooks, web pages, pointers of Git
// LFS and what else has zero bytes.
[[nodiscard]] Result<std::string> list_text(std::string_view bytes, const std::string& name);

// kInvalidArgument with list and line if it is not UTF-8.
[[nodiscard]] Status check_utf8(std::string_view text, const std::string& name);

// The same of one line.
[[nodiscard]] Status not_utf8(const std::string& where, std::string_view line);

}  // namespace mimicfleet::config
