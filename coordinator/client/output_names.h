#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::coordinator {

// Whether results can get the names that they are to have. To be asked before anything is made for
// them.
class OutputNames {
 public:
  static constexpr std::string_view kShorterVideo =
      "shorten the video's name, or give it an output in a manifest";

  // Folders of results, which need not exist yet: how long their names may be.
  OutputNames(const std::string& videos, const std::string& latents);

  // kInvalidArgument for a name or path that is too long with what is put behind it: the video's
  // and record's suffix, with `latents` also that of latents. `subject` and `remedy` are for the
  // message.
  [[nodiscard]] Status check_length(const std::string& subject, const std::string& relative,
                                    bool latents, std::string_view remedy = kShorterVideo) const;

 private:
  std::string videos_;
  std::string latents_;
  std::size_t limit_;  // bytes of one name
};

// The files that a run reads, so that none is replaced by a result.
class RunInputs {
 public:
  // `what` it is, for people; lives as long as this. An empty path is none.
  void add(const std::string& path, std::string_view what);

  // kInvalidArgument if the video of `output`, or its record, would be made over one of them.
  [[nodiscard]] Status check_replaces_none(const jobs::OutputTarget& output) const;

 private:
  struct Input {
    std::string path;  // as given
    std::string_view what;
  };
  std::map<std::string, Input> inputs_;  // by path without links
};

// kFailedPrecondition naming what stands in the place of an output or on the way to it: a folder
// where a file is to be, a file where a folder is to be.
[[nodiscard]] Status check_outputs_free(const jobs::OutputTarget& output,
                                        const std::optional<jobs::LatentsTarget>& kept);

}  // namespace mimicfleet::coordinator
