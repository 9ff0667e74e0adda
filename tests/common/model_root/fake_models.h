#pragma once

#include <filesystem>
#include <string>

#include "tests/common/files/temporary_folder.h"
#include "tests/common/weights/stored_zip.h"

namespace mimicfleet {

// Writes a file and the folders that it needs.
inline void put(const TemporaryFolder& folder, const std::string& name, std::string_view content) {
  std::filesystem::create_directories(std::filesystem::path(folder / name).parent_path());
  folder.write(name, content);
}

// An archive of torch.save with a UNet of one weight, to_q.weight of [2, 3]; `note` makes it
// another file.
inline std::string fake_checkpoint(const std::string& note = "") {
  using namespace std::string_literals;
  const auto text = [](const std::string& value) {
    return "X" + std::string(1, static_cast<char>(value.size())) + std::string(3, '\0') + value;
  };
  const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") +
                             "ctorch\nFloatStorage\n" + text("0") + text("cpu") +
                             "K\6tQK\0K\2K\3\x86K\3K\1\x86\x89"s +
                             "ccollections\nOrderedDict\n)RtR";
  return weights::stored_zip({{"m/data.pkl", "\x80\2}(" + text("unet.to_q.weight") + tensor + "u."},
                              {"m/data/0", std::string(24, '\0')},
                              {"m/note", note}});
}

// A LoRA for that UNet.
inline std::string fake_lora() {
  const std::string header =
      R"({"unet.to_q.lora_A.weight":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]},)"
      R"("unet.to_q.lora_B.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[12,20]}})";
  return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header +
         std::string(20, '\0');
}

// An ONNX model of an empty graph and its description.
inline std::string fake_graph(const std::string& note) {
  return "\x08\x08\x32" + std::string(1, static_cast<char>(note.size())) + note +
         std::string("\x3a\0", 2);
}

// A model root whose files are whole and hold next to nothing.
inline void put_models(const TemporaryFolder& folder, const std::string& prefix = "") {
  const std::string tensors("\x02\0\0\0\0\0\0\0{}", 10);
  put(folder, prefix + "MimicMotion_1-1.pth", fake_checkpoint());
  put(folder, prefix + "DWPose/yolox_l.onnx", fake_graph("detector"));
  put(folder, prefix + "DWPose/dw-ll_ucoco_384.onnx", fake_graph("poses"));
  put(folder, prefix + "svd/unet/config.json", "{}");
  put(folder, prefix + "svd/scheduler/scheduler_config.json", "{}");
  put(folder, prefix + "svd/vae/config.json", "{\"vae\": 1}");
  put(folder, prefix + "svd/vae/diffusion_pytorch_model.fp16.safetensors", tensors);
  put(folder, prefix + "svd/image_encoder/config.json", "{\"clip\": 1}");
  put(folder, prefix + "svd/image_encoder/model.safetensors", tensors);
}

}  // namespace mimicfleet
