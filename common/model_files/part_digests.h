#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/digest.h"

namespace mimicfleet::model_root {

// Content digests of the files of a model root, by what each is: what the parts of a model set are
// named by.
using FileDigests = std::vector<std::pair<std::string, Digest>>;
struct PartDigests {
  FileDigests diffusion;
  FileDigests vae;
  FileDigests clip;
  FileDigests detector;
  // What goes with them, and names nothing.
  std::string name;        // display only: the root folder's name
  std::string checkpoint;  // absolute path of the UNet's weights
  std::map<std::string, std::string> defaults;
};

}  // namespace mimicfleet::model_root
