#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet {

// Opens the regular file `relative` below the folder `root_fd`, for reading. No component may be a
// symbolic link, "." or ".."; the path may not be absolute, empty or hold a NUL: kInvalidArgument.
// Otherwise as open_for_reading().
[[nodiscard]] Result<UniqueFd> open_beneath(int root_fd, std::string_view relative);

// The folders below which a worker may open what a job names. They are opened once; what stands
// above them may hold symbolic links, as the operator chose it, what lies below may not.
class Roots {
 public:
  // kNotFound or kFailedPrecondition, naming the folder.
  [[nodiscard]] static Result<Roots> open(const std::vector<std::string>& folders);

  // `path` is absolute and begins with the name of a root, as it was given. kFailedPrecondition if
  // it is below none.
  [[nodiscard]] Result<UniqueFd> open_file(const std::string& path) const;
  [[nodiscard]] bool contain(std::string_view path) const;

 private:
  struct Root {
    std::string name;  // ends with '/'
    UniqueFd fd;
  };
  [[nodiscard]] const Root* find(std::string_view path) const;

  std::vector<Root> roots_;
};

}  // namespace mimicfleet
