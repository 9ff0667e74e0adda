#include "worker/stages/decode_video.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include "common/av/video_writer.h"
#include "common/clock.h"
#include "common/files/atomic_file.h"
#include "worker/artefacts/fetch.h"
#include "worker/stages/tensor_bytes.h"

namespace mimicfleet::stages {
namespace {

constexpr double kFallbackFps = 15;

// One decode on its way through the stages.
class Decoding {
 public:
  Decoding(Services& services, LoadedModels& models, const jobs::LeaseGrant& lease, DecodeInputs& inputs,
           runner::TaskContext& context)
      : services_(services), models_(models), lease_(lease), inputs_(inputs), context_(context) {}

  [[nodiscard]] Result<jobs::TaskResult> run();

 private:
  [[nodiscard]] Status decode();
  [[nodiscard]] Status write(const at::Tensor& frames, av::VideoWriter& writer);
  [[nodiscard]] Status save_latents() const;
  [[nodiscard]] double fps();
  [[nodiscard]] std::set<std::int64_t> dropped_frames() const;
  [[nodiscard]] jobs::OutputRecord record(const jobs::TaskResult& result) const;

  Services& services_;
  LoadedModels& models_;
  const jobs::LeaseGrant& lease_;
  DecodeInputs& inputs_;
  runner::TaskContext& context_;
  std::int64_t decoded_ = 0;
  std::int32_t written_ = 0;
  double mux_seconds_ = 0;
};

double Decoding::fps() {
  if (lease_.spec.parameters.fps > 0) return lease_.spec.parameters.fps;
  const double source = lease_.inputs.at(0).made_by.source_fps;
  if (source > 0) return source;
  context_.warn(fmt::format("{}: its frame rate is not known; the video has {} frames a second",
                            lease_.inputs.at(0).driving.path, kFallbackFps));
  return kFallbackFps;
}

// Positions among all decoded frames that are references, not part of the film.
std::set<std::int64_t> Decoding::dropped_frames() const {
  std::set<std::int64_t> dropped;
  std::int64_t begin = 0;
  for (const auto& latents : inputs_.latents) {
    const auto drop = lease_.spec.parameters.drop_reference;
    if (drop == jobs::DropReference::kEach || (drop == jobs::DropReference::kFirst && begin == 0)) {
      dropped.insert(begin);
    }
    begin += latents.frames();
  }
  return dropped;
}

// frames: uint8 [n, 3, H, W]
Status Decoding::write(const at::Tensor& frames, av::VideoWriter& writer) {
  const Instant begin = SteadyClock().now();
  const auto dropped = dropped_frames();
  for (std::int64_t i = 0; i < frames.size(0); ++i, ++decoded_) {
    if (dropped.contains(decoded_)) continue;
    av::Image image = to_image(frames[i]);
    if (lease_.spec.output.save_frames) {
      RETURN_IF_ERROR(av::write_png(inputs_.outputs.frame_path(static_cast<std::size_t>(written_)), image));
    }
    RETURN_IF_ERROR(writer.write(std::move(image)));
    ++written_;
  }
  mux_seconds_ += to_seconds(SteadyClock().now() - begin);
  return context_.check_cancelled();
}

Status Decoding::decode() {
  std::vector<at::Tensor> parts;
  for (const auto& latents : inputs_.latents) parts.push_back(to_tensor(latents));
  const at::Tensor latents = parts.size() == 1 ? parts[0] : at::cat(parts, 1);  // [1, F, 4, h, w]
  const auto total = static_cast<int>(latents.size(1));
  const av::VideoFormat format{static_cast<int>(inputs_.latents[0].width()),
                               static_cast<int>(inputs_.latents[0].height()), av::Rational::nearest(fps()),
                               lease_.spec.parameters.crf};
  ASSIGN_OR_RETURN(auto writer, av::VideoWriter::create(inputs_.outputs.video_path(), format));
  if (lease_.spec.output.save_frames) RETURN_IF_ERROR(inputs_.outputs.clear_frames());

  const Instant begin = SteadyClock().now();
  context_.progress("vae_decode", 0, total);
  const Status decoded = svd::decode_latents(
      models_.diffusion, latents, lease_.spec.parameters.decode_chunk_size, [&](const at::Tensor& frames) {
        const Status status = write(frames, writer);
        context_.progress("vae_decode", static_cast<int>(decoded_), total);
        return status;
      });
  if (decoded.code() == StatusCode::kBadInput) return decoded.prefixed(lease_.inputs.at(0).driving.path);
  RETURN_IF_ERROR(decoded);
  context_.add_time("vae_decode", to_seconds(SteadyClock().now() - begin) - mux_seconds_, false);
  runner::StageTimer timer(context_, "mux");
  RETURN_IF_ERROR(writer.finish());
  if (lease_.spec.output.save_latents) RETURN_IF_ERROR(save_latents());
  timer.finish();
  context_.add_time("mux", mux_seconds_, false);
  return {};
}

// The latents of the clip with what the original kept beside them, and the digests of what they were made of.
Status Decoding::save_latents() const {
  if (inputs_.latents.size() != 1) return {};
  const auto& input = lease_.inputs[0];
  const auto& latents = inputs_.latents[0];
  const at::Tensor values = to_tensor(latents);
  const std::string bytes =
      latents_to_bytes(values, {{"format", "mimicfleet.latents.1"},
                                {"video_name", std::filesystem::path(input.driving.path).filename()},
                                {"num_frames", std::to_string(latents.frames())},
                                {"height", std::to_string(latents.height())},
                                {"width", std::to_string(latents.width())},
                                {"fps", fmt::format("{}", lease_.spec.parameters.fps)},
                                {"seed", std::to_string(lease_.spec.parameters.seed)},
                                {"dtype", values.scalar_type() == at::kHalf ? "float16" : "float32"},
                                {"key", input.artefact.key.hex()},
                                {"vae", models_.set.vae.hex()},
                                {"driving", input.driving.digest.hex()},
                                {"reference", input.reference.digest.hex()}});
  return write_file_atomically(inputs_.outputs.latents_path(), bytes);
}

jobs::OutputRecord Decoding::record(const jobs::TaskResult& result) const {
  const auto& input = lease_.inputs.at(0);
  jobs::OutputRecord record;
  record.program = "mimicfleet " MIMICFLEET_VERSION;
  record.key = lease_.spec.key;
  record.video = *result.video;
  record.driving = input.driving;
  record.reference = input.reference;
  record.models = models_.set;
  record.parameters = lease_.spec.parameters;
  record.provenance = lease_.spec.provenance;
  record.features = input.made_by.features;
  record.frames = result.frames;
  record.width = result.width;
  record.height = result.height;
  record.numerics = result.numerics;
  for (const auto& made : lease_.inputs) {
    record.unet_evaluations += made.made_by.unet_evaluations;
    record.tiles += made.made_by.tiles;
    record.stages.insert(record.stages.end(), made.made_by.stages.begin(), made.made_by.stages.end());
    record.warnings.insert(record.warnings.end(), made.made_by.warnings.begin(), made.made_by.warnings.end());
  }
  const auto own_stages = context_.timings();
  const auto own_warnings = context_.warnings();
  record.stages.insert(record.stages.end(), own_stages.begin(), own_stages.end());
  record.warnings.insert(record.warnings.end(), own_warnings.begin(), own_warnings.end());
  record.encode_worker = input.made_by_worker;
  record.encode_attempt = input.made_by_attempt;
  record.decode_worker = services_.worker_name;
  record.decode_attempt = lease_.attempt;
  return record;
}

Result<jobs::TaskResult> Decoding::run() {
  if (const Status failed = decode(); !failed.ok()) {
    if (lease_.spec.output.save_frames) static_cast<void>(inputs_.outputs.clear_frames());
    return failed;
  }
  jobs::TaskResult result;
  std::error_code error;
  const std::string path = inputs_.outputs.video_path();
  ASSIGN_OR_RETURN(const Digest digest, sha256_file(path));
  result.video = jobs::FileRef{inputs_.outputs.video_name(), digest, std::filesystem::file_size(path, error)};
  result.frames = written_;
  result.width = static_cast<std::int32_t>(inputs_.latents[0].width());
  result.height = static_cast<std::int32_t>(inputs_.latents[0].height());
  result.numerics = services_.device.numerics;
  RETURN_IF_ERROR(inputs_.outputs.write_record(record(result)));
  return result;
}

// From this worker's own store, else from whoever holds them.
Result<std::string> latents_bytes(const Services& services, const jobs::TaskInput& input,
                                  runner::TaskContext& context, bool& local) {
  auto own = services.artefacts.read(input.artefact.content);
  if (own.ok()) return own;
  local = false;
  auto fetched =
      artefacts::fetch_artefact(input.artefact, input.holders, [&] { return context.cancelled(); });
  services.metrics.received(fetched.received_bytes);
  services.metrics.holders_refused(fetched.refused_holders);
  context.add_transferred(fetched.received_bytes);
  if (fetched.status.ok()) return std::move(fetched.bytes);
  if (fetched.status.code() == StatusCode::kUnavailable) context.add_lost_input(input.artefact.content);
  return fetched.status;
}

}  // namespace

Result<std::unique_ptr<DecodeInputs>> prepare_decode(const Services& services, const jobs::LeaseGrant& lease,
                                                     runner::TaskContext& context) {
  if (lease.inputs.empty()) return Status(StatusCode::kInternal, "a decode without latents was granted");
  ASSIGN_OR_RETURN(auto outputs, OutputFiles::open(lease.spec.output, services.inputs));
  auto inputs = std::make_unique<DecodeInputs>(std::move(outputs));
  runner::StageTimer timer(context, "transfer");
  bool local = true;
  Status failure;
  for (const auto& input : lease.inputs) {
    auto bytes = latents_bytes(services, input, context, local);
    if (!bytes.ok()) {
      if (bytes.status().code() != StatusCode::kUnavailable) return bytes.status();
      failure = bytes.status();  // go on: all that is lost is told at once
      continue;
    }
    ASSIGN_OR_RETURN(Latents latents,
                     latents_from_bytes(*std::move(bytes), "latents of " + input.driving.path));
    const bool same_size = inputs->latents.empty() || (inputs->latents[0].height() == latents.height() &&
                                                       inputs->latents[0].width() == latents.width());
    if (!same_size) {
      return Status(
          StatusCode::kBadInput,
          fmt::format("{}: its latents have another size than those before it", input.driving.path));
    }
    inputs->latents.push_back(std::move(latents));
  }
  RETURN_IF_ERROR(failure);
  timer.finish(local);
  return inputs;
}

Result<jobs::TaskResult> run_decode(Services& services, LoadedModels& models, const jobs::LeaseGrant& lease,
                                    DecodeInputs& inputs, runner::TaskContext& context) {
  return Decoding(services, models, lease, inputs, context).run();
}

}  // namespace mimicfleet::stages
