// A file that is called a model: its outermost fields are stepped over without leaving it.
#include "common/model_files/onnx_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(mimicfleet::model_root::check_onnx_frames({data, size}).ok());
  return 0;
}
