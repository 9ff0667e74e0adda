#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/av/video.h"
#include "common/digest.h"
#include "tests/paths.h"

namespace mimicfleet::av {

inline const std::string kGoldenPack = source_path("tests/goldens/pack_a/");
inline const std::string kClips = source_path("tests/common/av/data/");
inline const std::string kImages = kClips + "images/";

// One line of data/frames.txt or data/images/pixels.txt.
struct Listed {
  std::string name;
  int width = 0;
  int height = 0;
  int frames = 1;
  std::string sha256;

  friend std::ostream& operator<<(std::ostream& out, const Listed& listed) {
    return out << listed.name;
  }
};

inline std::vector<Listed> read_list(const std::string& path, bool with_frames) {
  std::vector<Listed> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    Listed listed;
    words >> listed.name >> listed.width >> listed.height;
    if (with_frames) words >> listed.frames;
    words >> listed.sha256;
    out.push_back(listed);
  }
  CHECK(!out.empty());
  return out;
}

// A GoogleTest name out of a file name.
template <typename ParamInfo>
std::string test_name(const ParamInfo& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

// All frames, or what went wrong.
inline Result<std::vector<Frame>> read_all(const std::string& path,
                                           const DecodeOptions& options = {}) {
  ASSIGN_OR_RETURN(auto video, VideoFrames::open(path, options));
  std::vector<Frame> frames;
  for (;;) {
    ASSIGN_OR_RETURN(auto frame, video.next());
    if (!frame) return frames;
    frames.push_back(std::move(*frame));
  }
}

}  // namespace mimicfleet::av
