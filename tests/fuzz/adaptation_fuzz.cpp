// A file that is given as a LoRA, as clients look into it before anything runs: of torch or
// safetensors, against a checkpoint's UNet and without one.
#include <sys/mman.h>
#include <unistd.h>

#include "common/files/unique_fd.h"
#include "common/weights/lora.h"
#include "common/weights/open.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mimicfleet::weights;
  static const ParameterShapes kModel = {{"mid.attn.to_q.weight", {8, 8}},
                                         {"mid_attn.to_q.weight", {8, 8}}};
  const mimicfleet::UniqueFd fd(::memfd_create("fuzz", MFD_CLOEXEC));
  if (::write(fd.get(), data, size) != static_cast<ssize_t>(size)) return 0;
  const auto set = open_weights(fd.get(), "fuzz", Sums::kSkip);
  if (!set.ok()) return 0;
  (void)whole_unet_prefix(*set);
  (void)check_lora(*set, &kModel, "fuzz").ok();
  (void)check_lora(*set, nullptr, "fuzz").ok();
  return 0;
}
