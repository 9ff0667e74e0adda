#include "tests/parity/figures.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>

namespace mimicfleet::parity {
namespace {

// A line in the file that ./dev parity names. Tests run side by side: each line is appended by one
// write.
void note(const std::string& line) {
  const char* path = std::getenv("MIMICFLEET_PARITY_FIGURES");
  if (path == nullptr) return;
  const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || ::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    ADD_FAILURE() << path << ": a figure cannot be written there";
  }
  if (file >= 0) ::close(file);
}

}  // namespace

::testing::AssertionResult within_bound(const Figure& figure) {
  note(fmt::format("figure\t{}\t{}\t{}\t{}\t{}\n", figure.file, figure.part, figure.measure,
                   figure.largest, figure.bound));
  const bool is_within = figure.largest <= figure.bound;  // not so if it is no number
  return (is_within ? ::testing::AssertionSuccess() : ::testing::AssertionFailure())
         << figure.file << ": " << figure.part << ": " << figure.measure << ": " << figure.largest
         << ", the bound is " << figure.bound;
}

void note_use(const std::string& file, const std::string& part) {
  note(fmt::format("use\t{}\t{}\n", file, part));
}

}  // namespace mimicfleet::parity
