#pragma once

#include <map>
#include <string>

#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::coordinator {

// Whether results can get the names that they are to have. To be asked before anything is made for them.
class OutputNames {
 public:
  // Folders of results, which need not exist yet: how long their names may be.
  OutputNames(const std::string& videos, const std::string& latents);

  // kInvalidArgument for a name or path that is too long with what is put behind it: the video's and record's
  // suffix, with `latents` also that of latents. `subject` is for the message.
  [[nodiscard]] Status check_length(const std::string& subject, const std::string& relative,
                                    bool latents) const;

 private:
  std::string videos_;
  std::string latents_;
  std::size_t limit_;  // bytes of one name
};

// The driving videos of a run, so that none is replaced by a result.
class DrivingVideos {
 public:
  void add(const std::string& path);

  // kInvalidArgument if the video of `output` would be made over one of them.
  [[nodiscard]] Status check_replaces_none(const jobs::OutputTarget& output) const;

 private:
  std::map<std::string, std::string> paths_;  // without links -> as given
};

}  // namespace mimicfleet::coordinator
