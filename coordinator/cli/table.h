#pragma once

#include <string>
#include <vector>

namespace mimicfleet::coordinator {

// Rows of text under a heading, in columns as wide as they need to be. Control characters are made
// visible.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace mimicfleet::coordinator
