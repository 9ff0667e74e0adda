#include "coordinator/config/csv.h"

#include <algorithm>

namespace mimicfleet::coordinator {

bool CsvReader::at_line_end() const {
  return rest_.empty() || rest_.front() == '\n' || rest_.starts_with("\r\n");
}

void CsvReader::skip_line_end() {
  if (rest_.empty()) return;
  rest_.remove_prefix(rest_.front() == '\r' ? 2 : 1);
  ++line_;
}

Result<std::string> CsvReader::quoted_cell() {
  std::string cell;
  rest_.remove_prefix(1);
  for (;;) {
    const std::size_t quote = rest_.find('"');
    if (quote == std::string_view::npos) {
      return Status(StatusCode::kBadInput, "a quote is opened and never closed");
    }
    const auto piece = rest_.substr(0, quote);
    cell += piece;
    line_ += static_cast<int>(std::count(piece.begin(), piece.end(), '\n'));
    rest_.remove_prefix(quote + 1);
    if (!rest_.starts_with('"')) break;
    cell += '"';
    rest_.remove_prefix(1);
  }
  if (!at_line_end() && rest_.front() != ',') {
    return Status(StatusCode::kBadInput, "text follows a closing quote");
  }
  return cell;
}

std::string CsvReader::plain_cell() {
  std::size_t end = std::min(rest_.find_first_of(",\n"), rest_.size());
  if (end > 0 && end < rest_.size() && rest_[end] == '\n' && rest_[end - 1] == '\r') --end;
  std::string cell(rest_.substr(0, end));
  rest_.remove_prefix(end);
  return cell;
}

Result<std::optional<std::vector<std::string>>> CsvReader::next() {
  while (!rest_.empty() && at_line_end()) skip_line_end();
  if (rest_.empty()) return std::optional<std::vector<std::string>>();
  row_line_ = line_;
  std::vector<std::string> row;
  for (;;) {
    if (rest_.starts_with('"')) {
      ASSIGN_OR_RETURN(std::string cell, quoted_cell());
      row.push_back(std::move(cell));
    } else {
      row.push_back(plain_cell());
    }
    if (at_line_end()) break;
    rest_.remove_prefix(1);  // the comma
  }
  skip_line_end();
  return std::optional(std::move(row));
}

}  // namespace mimicfleet::coordinator
