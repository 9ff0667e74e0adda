#include "worker/stages/decode_video.h"

#include <filesystem>

#include <fmt/format.h>

#include "common/av/video_writer.h"
#include "common/clock.h"
#include "common/files/atomic_file.h"
#include "worker/models/svd/decode.h"
#include "worker/stages/film_latents.h"
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
  [[nodiscard]] Result<at::Tensor> clip_latents(std::size_t clip);
  [[nodiscard]] std::vector<jobs::FilmClip> clips() const;
  [[nodiscard]] Status save_latents();
  [[nodiscard]] bool is_film() const { return !lease_.spec.segments.empty(); }
  [[nodiscard]] double source_fps() const;
  [[nodiscard]] double fps();
  [[nodiscard]] jobs::OutputRecord record(const jobs::TaskResult& result) const;
  [[nodiscard]] std::vector<jobs::RecordPart> parts() const;

  Services& services_;
  LoadedModels& models_;
  const jobs::LeaseGrant& lease_;
  DecodeInputs& inputs_;
  runner::TaskContext& context_;
  std::int64_t decoded_ = 0;
  std::int32_t written_ = 0;
  double mux_seconds_ = 0;
};

double Decoding::source_fps() const {
  if (is_film() && lease_.spec.segments[0].encode.is_nil()) return lease_.spec.segments[0].saved.fps;
  return lease_.inputs.at(0).made_by.source_fps;
}

double Decoding::fps() {
  if (lease_.spec.parameters.fps > 0) return lease_.spec.parameters.fps;
  if (const double source = source_fps(); source > 0) return source;
  context_.warn(fmt::format("{}: its frame rate is not known; the video has {} frames a second",
                            inputs_.latents[0].name, kFallbackFps));
  return kFallbackFps;
}

// frames: uint8 [n, 3, H, W]
Status Decoding::write(const at::Tensor& frames, av::VideoWriter& writer) {
  const Instant begin = SteadyClock().now();
  const bool keeps_first = lease_.spec.parameters.drop_reference == jobs::DropReference::kNone;
  for (std::int64_t i = 0; i < frames.size(0); ++i, ++decoded_) {
    if (decoded_ == 0 && !keeps_first) continue;  // the reference; a film leaves out later ones by itself
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

// [1, F, 4, h, w]. As in the original a clip of its own is decoded as it was sampled, a film in half
// precision.
Result<at::Tensor> Decoding::clip_latents(std::size_t clip) {
  ASSIGN_OR_RETURN(const Latents latents, read_latents(services_, inputs_.latents[clip], context_));
  const at::Tensor values = to_tensor(latents);
  return is_film() ? values.to(at::kHalf) : values;
}

std::vector<jobs::FilmClip> Decoding::clips() const {
  std::vector<jobs::FilmClip> clips;
  for (const auto& latents : inputs_.latents) clips.push_back({latents.name, latents.frames});
  return clips;
}

Status Decoding::decode() {
  const auto& spec = lease_.spec;
  const jobs::Joining joining(spec.parameters);
  ASSIGN_OR_RETURN(const std::int64_t frames_in_all, joining.film_frames(clips()));
  const int total = static_cast<int>(frames_in_all);
  const av::VideoFormat format{static_cast<int>(inputs_.latents[0].width),
                               static_cast<int>(inputs_.latents[0].height), av::Rational::nearest(fps()),
                               spec.parameters.crf};
  ASSIGN_OR_RETURN(auto writer, av::VideoWriter::create(inputs_.outputs.video_path(), format));
  if (spec.output.save_frames) RETURN_IF_ERROR(inputs_.outputs.clear_frames());

  const Instant begin = SteadyClock().now();
  context_.progress("vae_decode", 0, total);
  FilmLatents film(clips(), joining, [this](std::size_t clip) { return clip_latents(clip); });
  const Status decoded = svd::decode_supply(
      models_.diffusion, [&film](std::int64_t count) { return film.next(count); },
      spec.parameters.decode_chunk_size,
      [&](const at::Tensor& frames) {
        Status status = write(frames, writer);
        context_.progress("vae_decode", static_cast<int>(decoded_), total);
        return status;
      });
  if (decoded.code() == StatusCode::kBadInput) {
    return decoded.prefixed(is_film() ? spec.name : lease_.inputs.at(0).driving.path);
  }
  RETURN_IF_ERROR(decoded);
  context_.add_time("vae_decode", to_seconds(SteadyClock().now() - begin) - mux_seconds_, false);
  runner::StageTimer timer(context_, "mux");
  RETURN_IF_ERROR(writer.finish());
  if (spec.output.save_latents && !is_film()) RETURN_IF_ERROR(save_latents());
  timer.finish();
  context_.add_time("mux", mux_seconds_, false);
  return {};
}

// The latents of the clip in the precision that travelled.
Status Decoding::save_latents() {
  const auto& input = lease_.inputs[0];
  ASSIGN_OR_RETURN(const at::Tensor values, clip_latents(0));
  const auto metadata = saved_metadata({.key = input.artefact.key,
                                        .models = models_.set,
                                        .parameters = lease_.spec.parameters,
                                        .driving = input.driving,
                                        .reference = input.reference,
                                        .numerics = input.artefact.numerics,
                                        .fps = fps(),
                                        .frames = inputs_.latents[0].frames,
                                        .height = inputs_.latents[0].height,
                                        .width = inputs_.latents[0].width,
                                        .half = values.scalar_type() == at::kHalf});
  return write_file_atomically(inputs_.outputs.latents_path(), latents_to_bytes(values, metadata));
}

std::vector<jobs::RecordPart> Decoding::parts() const {
  std::vector<jobs::RecordPart> parts;
  auto input = lease_.inputs.begin();
  for (std::size_t i = 0; i < lease_.spec.segments.size(); ++i) {
    const auto& segment = lease_.spec.segments[i];
    jobs::RecordPart& part = parts.emplace_back();
    part.name = segment.name;
    part.frames = static_cast<std::int32_t>(inputs_.latents[i].frames);
    if (segment.encode.is_nil()) {
      part.latents = segment.saved.key;
      part.saved = segment.saved.file.path;
      continue;
    }
    part.latents = input->artefact.key;
    part.driving = input->driving;
    part.encode_worker = input->made_by_worker;
    part.encode_attempt = input->made_by_attempt;
    ++input;
  }
  return parts;
}

jobs::OutputRecord Decoding::record(const jobs::TaskResult& result) const {
  jobs::OutputRecord record;
  record.program = "mimicfleet " MIMICFLEET_VERSION;
  record.key = lease_.spec.key;
  record.video = *result.video;
  record.parts = parts();
  record.models = models_.set;
  record.parameters = lease_.spec.parameters;
  record.provenance = lease_.spec.provenance;
  record.frames = result.frames;
  record.width = result.width;
  record.height = result.height;
  record.numerics = result.numerics;
  if (!is_film()) {
    const auto& input = lease_.inputs.at(0);
    record.driving = input.driving;
    record.reference = input.reference;
    record.features = input.made_by.features;
    record.unet_evaluations = input.made_by.unet_evaluations;
    record.tiles = input.made_by.tiles;
    record.stages = input.made_by.stages;
    record.warnings = input.made_by.warnings;
    record.encode_worker = input.made_by_worker;
    record.encode_attempt = input.made_by_attempt;
  }
  const auto own_stages = context_.timings();
  const auto own_warnings = context_.warnings();
  record.stages.insert(record.stages.end(), own_stages.begin(), own_stages.end());
  record.warnings.insert(record.warnings.end(), own_warnings.begin(), own_warnings.end());
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
  result.width = static_cast<std::int32_t>(inputs_.latents[0].width);
  result.height = static_cast<std::int32_t>(inputs_.latents[0].height);
  result.numerics = services_.device.numerics;
  RETURN_IF_ERROR(inputs_.outputs.write_record(record(result)));
  return result;
}

}  // namespace

Result<std::unique_ptr<DecodeInputs>> prepare_decode(const Services& services, const jobs::LeaseGrant& lease,
                                                     runner::TaskContext& context) {
  ASSIGN_OR_RETURN(auto outputs, OutputFiles::open(lease.spec.output, services.inputs));
  ASSIGN_OR_RETURN(auto latents, find_latents(services, lease, context));
  return std::make_unique<DecodeInputs>(std::move(outputs), std::move(latents));
}

Result<jobs::TaskResult> run_decode(Services& services, LoadedModels& models, const jobs::LeaseGrant& lease,
                                    DecodeInputs& inputs, runner::TaskContext& context) {
  return Decoding(services, models, lease, inputs, context).run();
}

}  // namespace mimicfleet::stages
