#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/status.h"

// Where the files of a model set are, the way MimicMotion's users have them:
//
//   ROOT/MimicMotion_1-1.pth                          UNet and PoseNet weights
//   ROOT/DWPose/{yolox_l,dw-ll_ucoco_384}.onnx        person detector, pose estimator
//   ROOT/<any>/{unet,vae,image_encoder,scheduler}     Stable Video Diffusion XT, diffusers layout
//   ROOT/defaults.yaml                                optional: parameters that suit these models
//
// Errors name the file, what is expected there and where people get it.
namespace mimicfleet::model_root {

// One folder of the diffusers layout: its config.json and the safetensors files that hold its
// weights.
struct Component {
  std::string config;
  std::vector<std::string> weights;  // one, or all shards in the order of their names

  friend bool operator==(const Component&, const Component&) = default;
};

// Absolute paths of all files that are read, and the root's own defaults.
struct ModelFiles {
  std::string name;  // for people: the root folder's name
  std::string unet_config;
  std::string scheduler_config;
  Component vae;
  Component image_encoder;
  std::string checkpoint;
  std::string detector;
  std::string pose_estimator;
  std::map<std::string, std::string> defaults;

  friend bool operator==(const ModelFiles&, const ModelFiles&) = default;
};

// Finds everything below one folder. kNotFound, kBadInput.
[[nodiscard]] Result<ModelFiles> find_below(const std::string& root);

// As a config names them. Relative paths are tried below each of `folders` in turn.
struct Locations {
  std::string base_model_path;  // a folder, or a hub id that is looked up in the Hugging Face cache
  std::string ckpt_path;
  std::string dwpose;  // empty: DWPose/ beside the checkpoint
  std::vector<std::string> folders = {"."};
};
[[nodiscard]] Result<ModelFiles> find_located(const Locations& locations);

// Content digests of the files, by what each is: what the parts of a model set are named by.
using FileDigests = std::vector<std::pair<std::string, Digest>>;
struct PartDigests {
  FileDigests diffusion;
  FileDigests vae;
  FileDigests clip;
  FileDigests detector;
};
[[nodiscard]] Result<PartDigests> digest_parts(const ModelFiles& files, FileDigestCache& cache);
// The same by a function that gives the digest of the file at a path.
using DigestOf = std::function<Result<Digest>(const std::string& path)>;
[[nodiscard]] Result<PartDigests> digest_parts(const ModelFiles& files, const DigestOf& digest_of);

}  // namespace mimicfleet::model_root
