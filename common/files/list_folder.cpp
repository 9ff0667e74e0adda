#include "common/files/list_folder.h"

#include <system_error>

#include "common/files/io.h"

namespace mimicfleet {

Result<std::vector<std::filesystem::directory_entry>> list_folder(const std::string& folder) {
  std::vector<std::filesystem::directory_entry> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    entries.push_back(*entry);
  }
  if (error == std::errc::permission_denied) {
    return Status(StatusCode::kFailedPrecondition,
                  folder + ": cannot be listed: " + error.message() +
                      "; give this user the right or move it elsewhere");
  }
  if (error)
    return file_error(folder, "cannot be listed", error.value(), StatusCode::kFailedPrecondition);
  return entries;
}

}  // namespace mimicfleet
