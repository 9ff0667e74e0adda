#include "common/model_files/weights/lora.h"
#include "common/model_files/weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::weights;
  static const ParameterShapes kModel = {{"conv_in.weight", {8, 4, 3, 3}},
                                         {"mid.attn.to_q.weight", {8, 8}},
                                         {"mid.attn.to_out.0.weight", {8, 8}},
                                         {"mid.time.weight", {8, 8, 3, 1, 1}},
                                         {"mid.norm.weight", {8}}};
  auto buffer = std::make_shared<Buffer>();
  buffer->origin = "fuzz";
  buffer->bytes = {data, size};
  const auto set = parse_safetensors(buffer);
  if (!set.ok()) return 0;
  (void)whole_unet_prefix(*set);
  (void)looks_like_lora(*set);
  const auto updates = read_lora(*set, kModel, "fuzz");
  if (!updates.ok()) return 0;
  for (const auto& update : *updates) {
    if (update.down.shape.empty() || !kModel.contains(update.parameter)) __builtin_trap();
  }
  return 0;
}
