#include "worker/models/nn/gpu_program.h"

#include <algorithm>

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/gpu_sources.h"
#include "worker/models/nn/shared_library.h"

namespace mimicfleet::nn {
namespace {

Status failed(const std::string& what) {
  return {StatusCode::kUnsupported, "GPU kernels: " + what};
}

const char* text_of(std::string_view file) {
  const auto sources = gpu_sources();
  const auto found = std::find_if(sources.begin(), sources.end(),
                                  [&](const GpuSource& source) { return source.name == file; });
  return found == sources.end() ? nullptr : found->text;
}

// What a kernel may include: all headers among the sources.
struct Headers {
  Headers() {
    for (const GpuSource& source : gpu_sources()) {
      if (!source.name.ends_with(".cuh")) continue;
      names.push_back(source.name.data());
      texts.push_back(source.text);
    }
  }
  std::vector<const char*> names;
  std::vector<const char*> texts;
};

using Program = void*;

// The machine code of a source for one kind of GPU.
Result<std::string> machine_code(std::string_view file, std::vector<std::string> options,
                                 const std::string& architecture) {
  // LibTorch's own stub is linked to the compiler of its version and knows where it lies.
  SharedLibrary compiler{"libnvrtc.so.13", "libcaffe2_nvrtc.so"};
  const auto create =
      compiler.function<int(Program*, const char*, const char*, int, const char* const*,
                            const char* const*)>("nvrtcCreateProgram");
  const auto run = compiler.function<int(Program, int, const char* const*)>("nvrtcCompileProgram");
  const auto log_size = compiler.function<int(Program, std::size_t*)>("nvrtcGetProgramLogSize");
  const auto get_log = compiler.function<int(Program, char*)>("nvrtcGetProgramLog");
  const auto code_size = compiler.function<int(Program, std::size_t*)>("nvrtcGetCUBINSize");
  const auto get_code = compiler.function<int(Program, char*)>("nvrtcGetCUBIN");
  const auto destroy = compiler.function<int(Program*)>("nvrtcDestroyProgram");
  if (!compiler.missing().empty()) return failed("no compiler (libnvrtc): " + compiler.missing());
  const std::string name(file);
  const char* source = text_of(file);
  if (source == nullptr) return failed("no source " + name);
  options.push_back("--gpu-architecture=" + architecture);
  std::vector<const char*> texts;
  texts.reserve(options.size());
  for (const auto& option : options) texts.push_back(option.c_str());
  const Headers headers;
  Program program = nullptr;
  if (create(&program, source, name.c_str(), static_cast<int>(headers.names.size()),
             headers.texts.data(), headers.names.data()) != 0) {
    return failed("no program");
  }
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
  if (code.empty()) return failed(name + " does not compile for " + architecture + ": " + log);
  return code;
}

}  // namespace

std::optional<ComputeCapability> compute_capability() {
  constexpr int kMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
  constexpr int kMinor = 76;
  SharedLibrary driver{"libcuda.so.1"};
  const auto current = driver.function<int(int*)>("cuCtxGetDevice");
  const auto attribute = driver.function<int(int*, int, int)>("cuDeviceGetAttribute");
  if (!driver.missing().empty()) return std::nullopt;
  int device = 0;
  ComputeCapability capability{};
  if (current(&device) != 0 || attribute(&capability.major, kMajor, device) != 0 ||
      attribute(&capability.minor, kMinor, device) != 0) {
    return std::nullopt;
  }
  return capability;
}

Result<GpuProgram> GpuProgram::compile(std::string_view file,
                                       const std::vector<std::string>& options,
                                       const std::vector<std::string>& kernels,
                                       bool own_instructions) {
  SharedLibrary driver{"libcuda.so.1"};
  const auto current = driver.function<int(int*)>("cuCtxGetDevice");
  const auto load = driver.function<int(void**, const void*)>("cuModuleLoadData");
  const auto find = driver.function<int(void**, void*, const char*)>("cuModuleGetFunction");
  GpuProgram program;
  program.launch_ = reinterpret_cast<void*>(driver.function<int()>("cuLaunchKernel"));
  program.set_attribute_ = reinterpret_cast<void*>(driver.function<int()>("cuFuncSetAttribute"));
  if (!driver.missing().empty()) return failed("no driver: " + driver.missing());
  int device = 0;
  const auto capability = compute_capability();
  if (!capability || current(&device) != 0) return failed("the thread has no GPU");
  program.device_ = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device));
  const auto architecture =
      fmt::format("sm_{}{}{}", capability->major, capability->minor, own_instructions ? "a" : "");
  ASSIGN_OR_RETURN(const std::string code, machine_code(file, options, architecture));
  void* module = nullptr;
  if (const int error = load(&module, code.data()); error != 0) {
    return failed(fmt::format("the driver does not load {}: error {}", file, error));
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
  using Launch = int(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                     void*, void* const*, void**);
  const int error = reinterpret_cast<Launch*>(launch_)(
      functions_.at(kernel), blocks[0], blocks[1], 1, threads, 1, 1,
      static_cast<unsigned>(shared_bytes), current_stream(device_), arguments.data(), nullptr);
  TORCH_CHECK(error == 0, "the GPU refuses a kernel: error ", error);
}

void GpuProgram::allow_shared_memory(std::size_t kernel, std::size_t bytes) const {
  constexpr int kMaxDynamicSharedSizeBytes = 8;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
  using SetAttribute = int(void*, int, int);
  const int error = reinterpret_cast<SetAttribute*>(set_attribute_)(
      functions_.at(kernel), kMaxDynamicSharedSizeBytes, static_cast<int>(bytes));
  TORCH_CHECK(error == 0, "the GPU refuses ", bytes, " bytes of shared memory: error ", error);
}

TensorMap tensor_map(const at::Tensor& matrix, unsigned box_rows) {
  constexpr int kFloat16 = 6;  // CU_TENSOR_MAP_DATA_TYPE_FLOAT16
  constexpr int kBfloat16 = 9;
  constexpr int kSwizzle128Bytes = 3;
  constexpr int kPromoteTo128Bytes = 2;  // reads of less, in the L2 cache
  using Encode = int(void*, int, std::uint32_t, void*, const std::uint64_t*, const std::uint64_t*,
                     const std::uint32_t*, const std::uint32_t*, int, int, int, int);
  static auto* const kEncode =
      SharedLibrary{"libcuda.so.1"}.function<Encode>("cuTensorMapEncodeTiled");
  TORCH_CHECK(kEncode != nullptr, "the driver knows no cuTensorMapEncodeTiled");
  const std::array sizes = {static_cast<std::uint64_t>(matrix.size(1)),
                            static_cast<std::uint64_t>(matrix.size(0))};
  const std::array strides = {sizes[0] *
                              matrix.element_size()};  // of all dimensions but the innermost
  const std::array<std::uint32_t, 2> box = {kBoxColumns, box_rows};
  const std::array<std::uint32_t, 2> step = {1, 1};
  TensorMap map;
  const int error =
      kEncode(&map, matrix.scalar_type() == at::kHalf ? kFloat16 : kBfloat16, 2, matrix.data_ptr(),
              sizes.data(), strides.data(), box.data(), step.data(),
              /*interleave=*/0, kSwizzle128Bytes, kPromoteTo128Bytes, /*fill=*/0);
  TORCH_CHECK(error == 0, "the GPU's copy engine does not take a matrix: error ", error);
  return map;
}

}  // namespace mimicfleet::nn
