#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace mimicfleet::coordinator {

// Reads comma-separated values (RFC 4180) row by row: quoted cells may hold commas, line breaks and doubled
// quotes; lines may end with CR LF; empty lines are skipped.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}

  // The next row, or nothing at the end. kBadInput for a quote that is never closed or text after one.
  [[nodiscard]] Result<std::optional<std::vector<std::string>>> next();

  // Where the row that was read last begins, 1-based.
  [[nodiscard]] int line() const { return row_line_; }

 private:
  [[nodiscard]] Result<std::string> quoted_cell();
  [[nodiscard]] std::string plain_cell();
  [[nodiscard]] bool at_line_end() const;
  void skip_line_end();

  std::string_view rest_;
  int line_ = 1;
  int row_line_ = 1;
};

}  // namespace mimicfleet::coordinator
