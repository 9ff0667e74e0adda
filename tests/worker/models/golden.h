#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/models/svd/pipeline.h"

namespace mimicfleet {

// A file below tests/goldens/pack_a.
[[nodiscard]] std::string golden_path(const std::string& name);

// The tensors of goldens/NAME.safetensors, which the original Python code made; see tests/goldens/README.md.
class Golden {
 public:
  explicit Golden(const std::string& name);

  [[nodiscard]] const at::Tensor& operator[](const std::string& tensor) const;
  [[nodiscard]] bool has(const std::string& tensor) const { return tensors_.contains(tensor); }
  [[nodiscard]] const std::string& metadata(const std::string& key) const { return metadata_.at(key); }

 private:
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

// The largest difference, as a part of the largest expected number. Infinite if shapes differ.
[[nodiscard]] double relative_difference(const at::Tensor& actual, const at::Tensor& expected);

// The bound on every module in float32 on a CPU.
inline constexpr double kModuleBound = 1e-4;

// The golden pack's models, loaded once a test binary, in float32 on the CPU.
[[nodiscard]] const svd::DiffusionModels& golden_models();
[[nodiscard]] const model_root::ModelFiles& golden_model_files();

// PNG files as [N, 3, H, W] uint8.
[[nodiscard]] at::Tensor read_pictures(const std::vector<std::string>& paths);

}  // namespace mimicfleet
