#include "coordinator/config/sentences.h"

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "common/config/list_text.h"
#include "common/config/nearest.h"
#include "common/log.h"
#include "coordinator/config/csv.h"
#include "coordinator/config/error_at.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::string_view kId = "sentence_id";
constexpr std::string_view kWords = "ref_ids";
constexpr std::array<std::string_view, 2> kColumns = {kId, kWords};

std::vector<std::string> split(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

// Rows of a CSV file whose header has both columns.
class SentenceReader {
 public:
  explicit SentenceReader(const std::string& name) : name_(name) {}

  [[nodiscard]] Status take(const std::vector<std::string>& row, int line) {
    const std::string where = fmt::format("{}: line {}", name_, line);
    if (std::all_of(row.begin(), row.end(), [](const auto& cell) { return split(cell).empty(); }))
      return {};
    if (columns_ == 0) return take_header(row, where);
    if (row.size() != columns_) {
      return error_at(where, fmt::format("has {} cells, the header {}", row.size(), columns_));
    }
    Sentence sentence{row[id_], split(row[words_]), where};
    const auto words_of_id = split(sentence.id);
    if (words_of_id.size() != 1) return error_at(where, "the sentence_id must be one word");
    sentence.id = words_of_id[0];
    RETURN_IF_ERROR(check(sentence));
    sentences_.push_back(std::move(sentence));
    return {};
  }

  [[nodiscard]] std::vector<Sentence> finish() { return std::move(sentences_); }

 private:
  [[nodiscard]] Status take_header(const std::vector<std::string>& row, const std::string& where) {
    const auto is_called = [](const std::string& cell, std::string_view column) {
      const auto words = split(cell);
      return words.size() == 1 && words[0] == column;
    };
    const auto place = [&](std::string_view column) {
      const auto found = std::find_if(
          row.begin(), row.end(), [&](const std::string& cell) { return is_called(cell, column); });
      return static_cast<std::size_t>(found - row.begin());
    };
    for (const auto column : kColumns) {
      const auto count = std::count_if(
          row.begin(), row.end(), [&](const std::string& cell) { return is_called(cell, column); });
      if (count > 1) return error_at(where, fmt::format("the column '{}' is there twice", column));
    }
    id_ = place(kId);
    words_ = place(kWords);
    columns_ = row.size();
    if (id_ < columns_ && words_ < columns_) return {};
    return error_at(
        where,
        fmt::format("the first line must name the columns, sentence_id and ref_ids among them{}",
                    meant(row)));
  }

  // Which cell of a header is most likely meant as a column that is missing.
  [[nodiscard]] std::string meant(const std::vector<std::string>& row) const {
    std::vector<std::string> missing;
    if (id_ == columns_) missing.emplace_back(kId);
    if (words_ == columns_) missing.emplace_back(kWords);
    for (const auto& cell : row) {
      const auto near = config::nearest(cell, missing);
      if (near)
        return fmt::format("; '{}' is none: did you mean '{}'?", log::printable(cell), *near);
    }
    return "";
  }

  [[nodiscard]] Status check(const Sentence& sentence) {
    const std::string id = log::printable(sentence.id);
    if (!jobs::is_safe_relative(sentence.id)) {
      return error_at(sentence.where,
                      fmt::format("the sentence_id '{}' cannot be a file's name", id));
    }
    if (sentence.words.empty())
      return error_at(sentence.where, fmt::format("{} has no words (ref_ids)", id));
    if (sentence.words.size() > kMaxWords) {
      return error_at(sentence.where, fmt::format("{} has more than {} words", id, kMaxWords));
    }
    if (sentences_.size() == kMaxSentences) {
      return error_at(name_, fmt::format("lists more than {} sentences: split it", kMaxSentences));
    }
    const auto [place, inserted] = lines_.emplace(sentence.id, sentence.where);
    if (inserted) return {};
    return error_at(sentence.where,
                    fmt::format("the sentence_id {} is there already ({})", id, place->second));
  }

  const std::string& name_;
  std::size_t columns_ = 0;
  std::size_t id_ = 0;
  std::size_t words_ = 0;
  std::vector<Sentence> sentences_;
  std::map<std::string, std::string> lines_;  // id -> where
};

}  // namespace

Result<std::vector<Sentence>> parse_sentences(std::string_view bytes, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string text, config::list_text(bytes, name));
  RETURN_IF_ERROR(config::check_utf8(text, name));
  auto csv = CsvReader::of_table(text, kColumns);
  SentenceReader reader(name);
  for (;;) {
    const auto row = csv.next();
    if (!row.ok()) return row.status().prefixed(fmt::format("{}: line {}", name, csv.line()));
    if (!*row) break;
    RETURN_IF_ERROR(reader.take(**row, csv.line()));
  }
  auto sentences = reader.finish();
  if (sentences.empty()) return error_at(name, "lists no sentences");
  return sentences;
}

}  // namespace mimicfleet::coordinator
