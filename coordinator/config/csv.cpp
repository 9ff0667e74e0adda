#include "coordinator/config/csv.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace mimicfleet::coordinator {
namespace {

constexpr std::array<char, 3> kSeparators = {',', ';', '\t'};

std::string lower_word(std::string_view cell) {
  std::string word;
  for (const char c : cell) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isspace(byte) == 0) word += static_cast<char>(std::tolower(byte));
  }
  return word;
}

std::vector<std::string> first_row(std::string_view text, char separator) {
  auto row = CsvReader(text, separator).next();
  return row.ok() && *row ? std::move(**row) : std::vector<std::string>();
}

char separator_of(std::string_view text, std::span<const std::string_view> columns) {
  char best = kSeparators[0];
  std::size_t most = 1;
  for (const char separator : kSeparators) {
    const auto row = first_row(text, separator);
    const bool names_one = std::any_of(row.begin(), row.end(), [&](const std::string& cell) {
      return std::find(columns.begin(), columns.end(), lower_word(cell)) != columns.end();
    });
    if (names_one) return separator;
    if (row.size() > most) {
      best = separator;
      most = row.size();
    }
  }
  return best;
}

}  // namespace

CsvReader CsvReader::of_table(std::string_view text, std::span<const std::string_view> columns) {
  constexpr std::string_view kSays = "sep=";
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  if (line.size() != kSays.size() + 1 || lower_word(line.substr(0, kSays.size())) != kSays) {
    return CsvReader(text, separator_of(text, columns));
  }
  CsvReader reader(text.substr(line.size()), line.back());
  if (!reader.rest_.empty()) reader.skip_line_end();
  return reader;
}

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
  if (!at_line_end() && rest_.front() != separator_) {
    return Status(StatusCode::kBadInput, "text follows a closing quote");
  }
  return cell;
}

std::string CsvReader::plain_cell() {
  const std::array<char, 2> ends = {separator_, '\n'};
  std::size_t end =
      std::min(rest_.find_first_of(std::string_view(ends.data(), ends.size())), rest_.size());
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
    rest_.remove_prefix(1);  // the separator
  }
  skip_line_end();
  return std::optional(std::move(row));
}

}  // namespace mimicfleet::coordinator
