#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace mimicfleet::coordinator {

// Reads comma-separated values (RFC 4180) row by row: quoted cells may hold commas, line breaks and
// doubled quotes; lines may end with CR LF; empty lines are skipped.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text, char separator = ',')
      : rest_(text), separator_(separator) {}

  // Of a table whose first row names its columns, as spreadsheets of all countries write it. Its
  // cells are separated by what a first line `sep=;` says; else by the first of comma, semicolon
  // and tab that makes a cell of the first row one of `columns` (in any case); else by the one of
  // them that is there most often.
  [[nodiscard]] static CsvReader of_table(std::string_view text,
                                          std::span<const std::string_view> columns);

  // The next row, or nothing at the end. kBadInput for a quote that is never closed or text after
  // one.
  [[nodiscard]] Result<std::optional<std::vector<std::string>>> next();

  // Where the row that was read last begins, 1-based.
  [[nodiscard]] int line() const { return row_line_; }

 private:
  [[nodiscard]] Result<std::string> quoted_cell();
  [[nodiscard]] std::string plain_cell();
  [[nodiscard]] bool at_line_end() const;
  void skip_line_end();

  std::string_view rest_;
  char separator_;
  int line_ = 1;
  int row_line_ = 1;
};

}  // namespace mimicfleet::coordinator
