#include "worker/models/nn/gpu_program.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/shared_library.h"

namespace mimicfleet::nn {
namespace {

Status failed(const std::string& what) { return {StatusCode::kUnsupported, "GPU kernels: " + what}; }

using Program = void*;

// The machine code of `source` for one kind of GPU.
Result<std::string> machine_code(const std::string& source, std::vector<std::string> options,
                                 const std::string& architecture) {
  // LibTorch's own stub is linked to the compiler of its version and knows where it lies.
  SharedLibrary compiler{"libnvrtc.so.13", "libcaffe2_nvrtc.so"};
  const auto create =
      compiler.function<int(Program*, const char*, const char*, int, const char* const*, const char* const*)>(
          "nvrtcCreateProgram");
  const auto run = compiler.function<int(Program, int, const char* const*)>("nvrtcCompileProgram");
  const auto log_size = compiler.function<int(Program, std::size_t*)>("nvrtcGetProgramLogSize");
  const auto get_log = compiler.function<int(Program, char*)>("nvrtcGetProgramLog");
  const auto code_size = compiler.function<int(Program, std::size_t*)>("nvrtcGetCUBINSize");
  const auto get_code = compiler.function<int(Program, char*)>("nvrtcGetCUBIN");
  const auto destroy = compiler.function<int(Program*)>("nvrtcDestroyProgram");
  if (!compiler.missing().empty()) return failed("no compiler (libnvrtc): " + compiler.missing());
  options.push_back("--gpu-architecture=" + architecture);
  std::vector<const char*> texts;
  texts.reserve(options.size());
  for (const auto& option : options) texts.push_back(option.c_str());
  Program program = nullptr;
  if (create(&program, source.c_str(), "kernels.cu", 0, nullptr, nullptr) != 0) return failed("no program");
  std::string code;
  std::string log;
  std::size_t size = 0;
  const bool compiled = run(program, static_cast<int>(texts.size()), texts.data()) == 0;
  if (compiled && code_size(program, &size) == 0) {
    code.resize(size);
    if (get_code(program, code.data()) != 0) code.clear();
  } else if (log_size(program, &size) == 0) {
    log.resize(size);
    get_log(program, log.data());
  }
  destroy(&program);
  if (code.empty()) return failed("they do not compile for " + architecture + ": " + log);
  return code;
}

}  // namespace

Result<GpuProgram> GpuProgram::compile(const std::string& source, const std::vector<std::string>& options,
                                       const std::vector<std::string>& kernels) {
  constexpr int kMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
  constexpr int kMinor = 76;
  SharedLibrary driver{"libcuda.so.1"};
  const auto current = driver.function<int(int*)>("cuCtxGetDevice");
  const auto attribute = driver.function<int(int*, int, int)>("cuDeviceGetAttribute");
  const auto load = driver.function<int(void**, const void*)>("cuModuleLoadData");
  const auto find = driver.function<int(void**, void*, const char*)>("cuModuleGetFunction");
  GpuProgram program;
  program.launch_ = reinterpret_cast<void*>(driver.function<int()>("cuLaunchKernel"));
  if (!driver.missing().empty()) return failed("no driver: " + driver.missing());
  int device = 0;
  int major = 0;
  int minor = 0;
  if (current(&device) != 0 || attribute(&major, kMajor, device) != 0 ||
      attribute(&minor, kMinor, device) != 0) {
    return failed("the thread has no GPU");
  }
  program.device_ = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device));
  ASSIGN_OR_RETURN(const std::string code,
                   machine_code(source, options, fmt::format("sm_{}{}", major, minor)));
  void* module = nullptr;
  if (const int error = load(&module, code.data()); error != 0) {
    return failed(fmt::format("the driver does not load them: error {}", error));
  }
  for (const auto& kernel : kernels) {
    void* function = nullptr;
    if (find(&function, module, kernel.c_str()) != 0) return failed("no kernel " + kernel);
    program.functions_.push_back(function);
  }
  return program;
}

void GpuProgram::launch(std::size_t kernel, std::array<unsigned, 2> blocks, unsigned threads,
                        std::size_t shared_bytes, std::span<void* const> arguments) const {
  using Launch = int(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                     void* const*, void**);
  const int error = reinterpret_cast<Launch*>(launch_)(functions_.at(kernel), blocks[0], blocks[1], 1,
                                                       threads, 1, 1, static_cast<unsigned>(shared_bytes),
                                                       current_stream(device_), arguments.data(), nullptr);
  TORCH_CHECK(error == 0, "the GPU refuses a kernel: error ", error);
}

}  // namespace mimicfleet::nn
