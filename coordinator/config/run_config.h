#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "coordinator/config/settings.h"

namespace mimicfleet::coordinator {

// A file of the schema of the original's configs/test.yaml:
//
//   base_model_path: stabilityai/stable-video-diffusion-img2vid-xt-1-1   # a folder or a hub id
//   ckpt_path: models/MimicMotion_1-1.pth
//   batch:
//     video_folder: videos
//   test_case:
//     - ref_video_path: videos/a.mp4
//       ref_image_path: ref.png
//       num_inference_steps: 25        # and every other setting
//
// Settings may also stand at the top; those of a test case win over them.
struct RunConfig {
  struct Case {
    std::string video;
    std::string reference;
    std::vector<SettingValue> values;
  };
  std::string path;
  std::string base_model_path;
  std::string ckpt_path;
  std::string video_folder;
  std::vector<SettingValue> values;  // at the top
  std::vector<Case> cases;

  // The layer of `cases[index]`, or of the top alone when there are no cases.
  [[nodiscard]] SettingLayer layer(std::size_t index) const;
};

// kInvalidArgument or kBadInput with file, line and cause; an unknown key with the nearest known
// one.
[[nodiscard]] Result<RunConfig> parse_run_config(std::string_view text, const std::string& path);
[[nodiscard]] Result<RunConfig> read_run_config(const std::string& path);

}  // namespace mimicfleet::coordinator
