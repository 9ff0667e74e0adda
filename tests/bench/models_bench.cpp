// Seconds of one call of each model, for work on a model alone: ./dev bench models. Weights and
// sizes are those of the folder MIMICFLEET_BENCH_MODELS (default: the shipped models), the picture
// is MIMICFLEET_BENCH_WIDTH by MIMICFLEET_BENCH_HEIGHT pixels, the threads are OMP_NUM_THREADS.
// MIMICFLEET_BENCH_DEVICE (cuda:0; default: cpu) and MIMICFLEET_BENCH_PRECISION are as the worker's
// flags. With MIMICFLEET_BENCH_TRACES a trace of one call of each is written into that folder; with
// MIMICFLEET_BENCH_OUTPUTS what one call of the UNet and of the VAE's decoder takes and gives, in
// float32. MIMICFLEET_BENCH_CLIP is the video that is decoded; MIMICFLEET_BENCH_POSE_BATCH is how
// many frames the nets of DWPose get at once, if not as many as in the worker.
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <benchmark/benchmark.h>
#include <c10/core/GradMode.h>

#include "common/files/atomic_file.h"
#include "common/files/stable_file.h"
#include "common/media/video.h"
#include "common/model_files/model_root.h"
#include "tests/bench/trace.h"
#include "tests/paths.h"
#include "worker/device/device.h"
#include "worker/formats/tensor_bytes.h"
#include "worker/models/clip/vision_model.h"
#include "worker/models/nn/accelerator.h"
#include "worker/models/pose/draw.h"
#include "worker/models/pose/estimator.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/noise.h"
#include "worker/models/svd/pipeline.h"
#include "worker/models/svd/pose_net.h"
#include "worker/models/svd/unet.h"
#include "worker/onnx/session.h"

namespace mimicfleet {
namespace {

constexpr std::int64_t kTile = 16;  // frames of a UNet call
constexpr std::int64_t kChunk = 8;  // frames that the VAE decodes at once
constexpr int kPoseFrames = 32;     // frames that DWPose gets in a call, on a GPU
constexpr double kTimestep = 1.5;
constexpr double kTimeId = 6;

std::string setting(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

std::int64_t whole_number(const char* name, const std::string& otherwise) {
  return std::stoll(setting(name, otherwise));
}

// The benchmarks' input: the models, loaded once, and noise in the shapes of one clip.
struct Subject {
  std::string root = setting("MIMICFLEET_BENCH_MODELS", source_path("models/puppet"));
  std::int64_t width = whole_number("MIMICFLEET_BENCH_WIDTH", "192");
  std::int64_t height = whole_number("MIMICFLEET_BENCH_HEIGHT", "320");
  model_root::ModelFiles files = model_root::find_below(root).value();
  device::Device device =
      device::open_device(
          setting("MIMICFLEET_BENCH_DEVICE", "cpu"),
          enum_from<jobs::Precision>(setting("MIMICFLEET_BENCH_PRECISION", "auto")).value(),
          at::get_num_threads())
          .value();
  svd::DiffusionModels models =
      svd::load_diffusion_models(files, device.device, device::model_precision(device)).value();

  // The same numbers in any precision and on any device; others for another number of them.
  [[nodiscard]] at::Tensor noise(at::IntArrayRef shape) const {
    const auto count =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    return svd::draw(shape, svd::make_generator(static_cast<std::uint64_t>(count)))
        .to(device.device, models.dtype);
  }
  [[nodiscard]] at::Tensor latents(std::int64_t frames, std::int64_t channels) const {
    return noise({frames, channels, height / models.vae->scale(), width / models.vae->scale()});
  }
  [[nodiscard]] at::Tensor pictures(std::int64_t frames) const {
    return noise({frames, 3, height, width});
  }
};

const Subject& subject() {
  static const Subject instance;
  return instance;
}

void repeat(benchmark::State& state, const std::string& name, const std::function<void()>& call) {
  const c10::NoGradGuard no_grad;
  const auto finished_call = [&] {
    call();
    nn::synchronize(subject().device.device);
  };
  finished_call();  // what is done once, such as choosing kernels, does not count
  for (auto _ : state) finished_call();
  if (const std::string folder = setting("MIMICFLEET_BENCH_TRACES", ""); !folder.empty()) {
    trace(folder + "/" + name + ".json", !subject().device.device.is_cpu(), finished_call);
  }
}

// Into MIMICFLEET_BENCH_OUTPUTS/<name>.safetensors.
void keep_output(const std::string& name, std::map<std::string, at::Tensor> tensors,
                 const std::function<at::Tensor()>& call) {
  const std::string folder = setting("MIMICFLEET_BENCH_OUTPUTS", "");
  if (folder.empty()) return;
  const c10::NoGradGuard no_grad;
  tensors["output"] = call();
  for (auto& [key, tensor] : tensors) tensor = tensor.to(at::kCPU, at::kFloat).contiguous();
  CHECK(write_file_atomically(folder + "/" + name + ".safetensors",
                              formats::tensors_to_bytes(tensors))
            .ok());
}

// One call of the UNet on `clips` clips, of which the last has a pose.
void unet(benchmark::State& state, const std::string& name, std::int64_t clips,
          const svd::Unet& model) {
  svd::UnetInput input;
  input.sample = subject().latents(clips * kTile, 8).unflatten(0, {clips, kTile});
  input.timestep = kTimestep;
  input.context = subject().noise({clips, 1, subject().models.unet->context_channels()});
  input.time_ids = at::full({clips, 3}, kTimeId).to(subject().device.device);
  input.pose_features = subject().latents(kTile, subject().models.unet->base_channels());
  const c10::NoGradGuard no_grad;
  const svd::UnetConstants constants = model.constants(input.context, kTile);  // once a clip
  input.constants = &constants;
  const auto call = [&] { return model(input); };
  repeat(state, name, [&] { benchmark::DoNotOptimize(call()); });
  keep_output(name,
              {{"sample", input.sample},
               {"context", input.context},
               {"pose_features", input.pose_features},
               {"time_ids", input.time_ids},
               {"timestep", at::full({1}, kTimestep)}},
              call);
}

void unet_tile(benchmark::State& state) { unet(state, "unet_tile", 1, *subject().models.unet); }

// Both passes of guidance at once.
void unet_guided_tile(benchmark::State& state) {
  unet(state, "unet_guided_tile", 2, *subject().models.unet);
}

// The same with --fp8, which not every GPU can.
void fp8_guided_tile(benchmark::State& state) {
  if (!subject().device.fp8) return state.SkipWithError("this device has no 8-bit floating point");
  const c10::NoGradGuard no_grad;
  unet(state, "fp8_guided_tile", 2, subject().models.unet->in_fp8());
}

void vae_decode_chunk(benchmark::State& state) {
  const at::Tensor latents = subject().latents(kChunk, 4);
  const auto call = [&] { return subject().models.vae->decode(latents); };
  repeat(state, "vae_decode_chunk", [&] { benchmark::DoNotOptimize(call()); });
  keep_output("vae_decode_chunk", {{"latents", latents}}, call);
}

void vae_encode(benchmark::State& state) {
  const at::Tensor image = subject().pictures(1);
  repeat(state, "vae_encode",
         [&] { benchmark::DoNotOptimize(subject().models.vae->encode_mode(image)); });
}

void clip_embedding(benchmark::State& state) {
  const auto& encoder = *subject().models.image_encoder;
  const at::Tensor image = subject().noise({1, 3, encoder.image_size(), encoder.image_size()});
  repeat(state, "clip_embedding", [&] { benchmark::DoNotOptimize(encoder(image)); });
}

void pose_net_tile(benchmark::State& state) {
  const at::Tensor pictures = subject().pictures(kTile);
  repeat(state, "pose_net_tile",
         [&] { benchmark::DoNotOptimize((*subject().models.pose_net)(pictures)); });
}

// How many frames the nets of DWPose get at once.
std::int64_t pose_batch() {
  const int batch = subject().device.device.is_cpu() ? pose::PoseEstimator::kFramesPerBatch
                                                     : pose::PoseEstimator::kFramesPerGpuBatch;
  return whole_number("MIMICFLEET_BENCH_POSE_BATCH", std::to_string(batch));
}

// One of the nets of DWPose alone, on as many pictures.
void pose_net_batch(benchmark::State& state, const std::string& name, const std::string& path) {
  const at::Device device = subject().device.device;
  auto session = onnx::Session::load(path, device).value();
  const auto& dims = session.inputs().at(0).dims;
  const at::Tensor pictures =
      at::randint(256, {pose_batch(), dims[2], dims[3], dims[1]}, at::kFloat);
  const at::Tensor input = pictures.to(device).permute({0, 3, 1, 2});
  state.counters["frames"] = static_cast<double>(pose_batch());
  repeat(state, name, [&] { benchmark::DoNotOptimize(session.run_batch({input}).value()); });
}

void yolox_batch(benchmark::State& state) {
  pose_net_batch(state, "yolox_batch", subject().files.detector);
}

void rtmpose_batch(benchmark::State& state) {
  pose_net_batch(state, "rtmpose_batch", subject().files.pose_estimator);
}

// The frames of one call through both nets of DWPose; on noise, where nobody is found, the whole
// frame is a person.
void dwpose_batch(benchmark::State& state) {
  const at::Device device = subject().device.device;
  auto estimator =
      pose::PoseEstimator::load(subject().files.detector, subject().files.pose_estimator, device,
                                static_cast<int>(pose_batch()))
          .value();
  const int count = device.is_cpu() ? pose::PoseEstimator::kFramesPerBatch : kPoseFrames;
  const at::Tensor frames = at::randint(256, {count, subject().height, subject().width, 3},
                                        at::TensorOptions().dtype(at::kByte));
  state.counters["frames"] = count;
  repeat(state, "dwpose_batch",
         [&] { benchmark::DoNotOptimize(estimator.estimate(frames).value()); });
}

// Two steps of a clip of one tile with guidance, as a task samples it.
void sampling(benchmark::State& state) {
  svd::ImageConditioning conditioning;
  conditioning.clip_embedding =
      subject().noise({1, 1, subject().models.unet->context_channels()}).to(at::kCPU, at::kFloat);
  conditioning.vae_latent = subject().latents(1, 4).to(at::kCPU, at::kFloat);
  const at::Tensor poses = at::randint(256, {kTile, 3, subject().height, subject().width},
                                       at::TensorOptions().dtype(at::kByte));
  jobs::Sampling parameters;
  parameters.scheduler = jobs::SchedulerKind::kLcm;
  parameters.steps = 2;
  repeat(state, "sampling", [&] {
    benchmark::DoNotOptimize(
        svd::sample_latents(subject().models, conditioning, poses, parameters).value().latents);
  });
}

// Somebody in each of 16 frames, on the CPU: the time that is neither the GPU's nor the video's.
void draw_poses(benchmark::State& state) {
  pose::DrawablePose pose;
  pose.bodies.resize(1);
  pose.hands.resize(2);
  pose.faces.resize(1);
  for (std::size_t i = 0; i < pose::kBodyJoints; ++i)
    pose.bodies[0][i] = {0.3 + 0.02 * static_cast<double>(i), 0.2 + 0.03 * static_cast<double>(i)};
  for (std::size_t i = 0; i < pose::kHandPoints; ++i)
    pose.hands[0][i] = pose.hands[1][i] = {0.6 + 0.01 * static_cast<double>(i), 0.5};
  for (std::size_t i = 0; i < pose::kFacePoints; ++i)
    pose.faces[0][i] = {0.4 + 0.002 * static_cast<double>(i), 0.3};
  pose.body_scores.emplace_back().fill(1);
  pose.hand_scores.assign(2, {});
  for (auto& scores : pose.hand_scores) scores.fill(1);
  pose.face_scores.emplace_back().fill(1);
  const std::vector<pose::DrawablePose> poses(kTile, pose);
  state.counters["frames"] = kTile;
  const auto height = static_cast<int>(subject().height);
  const auto width = static_cast<int>(subject().width);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        pose::draw_poses(poses, height, width, pose::kCanvasShortSide).value());
}

// All frames of the video MIMICFLEET_BENCH_CLIP, on the CPU.
void video_decode(benchmark::State& state) {
  const std::string path =
      setting("MIMICFLEET_BENCH_CLIP", source_path("examples/words/hello.mp4"));
  std::int64_t frames = 0;
  for (auto _ : state) {
    const StableFile file = StableFile::open(path).value();
    auto stream = media::VideoFrames::open(file, {}).value();
    for (frames = 0; stream.next().value(); ++frames) continue;
  }
  state.counters["frames"] = static_cast<double>(frames);
}

BENCHMARK(draw_poses)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(video_decode)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(sampling)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(unet_tile)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(fp8_guided_tile)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(unet_guided_tile)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(vae_decode_chunk)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(vae_encode)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(clip_embedding)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(pose_net_tile)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(yolox_batch)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(rtmpose_batch)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(dwpose_batch)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace mimicfleet

BENCHMARK_MAIN();
