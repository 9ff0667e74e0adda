#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/av/prober.h"
#include "common/digest.h"
#include "common/status.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {

// What media files say of themselves, looked at once: it is remembered by their content, in a text
// file that several processes append to, one line an entry with a checksum. A damaged or torn line,
// or one of another version of the program, is passed over; an unusable file is as good as none.
class MediaLooks {
 public:
  // `store`: path of the memory; empty: this process only.
  explicit MediaLooks(std::string store = {});

  // Codes as av::Prober (kInternal and kResourceExhausted: not the file's fault); what cannot be
  // read is not remembered.
  [[nodiscard]] Result<av::Looked> video(const jobs::FileRef& file);
  [[nodiscard]] Result<av::Looked> image(const jobs::FileRef& file);

 private:
  using Key = std::pair<bool, Digest>;  // whether it is an image, and its content
  void load();
  [[nodiscard]] Result<av::Looked> look(const jobs::FileRef& file, bool is_image);
  void keep(const Key& key, const av::Looked& looked) const;

  std::string store_;
  std::map<Key, av::Looked> known_;
  av::Prober prober_;
};

// Says in the clip how its inputs are read, as its settings want it, and what is lost or guessed by
// that. A file that cannot be looked at is left as it is; the Status is that of the look.
struct LookedInputs {
  Status video;
  Status reference;
};
LookedInputs look_at_inputs(jobs::ClipPlan& clip, MediaLooks& looks);
Status look_at_video(jobs::ClipPlan& clip, MediaLooks& looks);  // at this input alone

// The warnings of these clips, each text once, with the first clip that it is about and how many
// more.
[[nodiscard]] std::vector<std::string> input_warnings(
    const std::vector<const jobs::ClipPlan*>& clips);

}  // namespace mimicfleet::coordinator
