#pragma once

#include <filesystem>
#include <string>

#include "tests/common/files/temporary_folder.h"

namespace mimicfleet {

// Writes a file and the folders that it needs.
inline void put(const TemporaryFolder& folder, const std::string& name, std::string_view content) {
  std::filesystem::create_directories(std::filesystem::path(folder / name).parent_path());
  folder.write(name, content);
}

// A model root whose files have the right beginnings and nothing behind them.
inline void put_models(const TemporaryFolder& folder, const std::string& prefix = "") {
  const std::string tensors("\x02\0\0\0\0\0\0\0{}", 10);
  put(folder, prefix + "MimicMotion_1-1.pth", "PK\x03\x04 weights");
  put(folder, prefix + "DWPose/yolox_l.onnx", "\x08\x08 detector");
  put(folder, prefix + "DWPose/dw-ll_ucoco_384.onnx", "\x08\x08 poses");
  put(folder, prefix + "svd/unet/config.json", "{}");
  put(folder, prefix + "svd/scheduler/scheduler_config.json", "{}");
  put(folder, prefix + "svd/vae/config.json", "{\"vae\": 1}");
  put(folder, prefix + "svd/vae/diffusion_pytorch_model.fp16.safetensors", tensors);
  put(folder, prefix + "svd/image_encoder/config.json", "{\"clip\": 1}");
  put(folder, prefix + "svd/image_encoder/model.safetensors", tensors);
}

}  // namespace mimicfleet
