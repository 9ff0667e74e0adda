#include "worker/stages/decode_video.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/clock.h"
#include "common/log.h"
#include "jobs/stages.h"
#include "worker/formats/tensor_bytes.h"
#include "worker/models/svd/decode.h"
#include "worker/stages/concat_latents.h"
#include "worker/stages/finish_video.h"

namespace mimicfleet::stages {
namespace {

constexpr double kFallbackFps = 15;

// One decode on its way through the stages.
class Decoding {
 public:
  Decoding(Services& services, library::LoadedModels& models, const jobs::LeaseGrant& lease,
           DecodeInputs& inputs, runner::TaskContext& context)
      : services_(services), models_(models), lease_(lease), inputs_(inputs), context_(context) {}

  [[nodiscard]] Result<DecodedVideo> run();

 private:
  [[nodiscard]] Result<DecodedVideo> begin();
  [[nodiscard]] Status write(const at::Tensor& frames, DecodedVideo& video);
  [[nodiscard]] Result<at::Tensor> clip_latents(std::size_t clip);
  [[nodiscard]] std::vector<jobs::ConcatClip> clips() const;
  [[nodiscard]] Result<std::string> cached_latents();
  [[nodiscard]] std::vector<std::string> warnings_of_part(std::size_t part,
                                                          const formats::Latents& latents) const;
  void tell_parts();
  [[nodiscard]] bool is_concat() const { return !lease_.spec.segments.empty(); }
  [[nodiscard]] double source_fps() const;
  [[nodiscard]] double fps();

  Services& services_;
  library::LoadedModels& models_;
  const jobs::LeaseGrant& lease_;
  DecodeInputs& inputs_;
  runner::TaskContext& context_;
  std::map<std::size_t, std::vector<std::string>> warnings_of_parts_;  // of a concatenated video
  std::int64_t decoded_ = 0;
  double mux_seconds_ = 0;
};

double Decoding::source_fps() const {
  if (is_concat() && lease_.spec.segments[0].encode.is_nil())
    return lease_.spec.segments[0].saved.fps;
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
Status Decoding::write(const at::Tensor& frames, DecodedVideo& video) {
  const Instant begin = SteadyClock().now();
  const bool keeps_first = lease_.spec.parameters.drop_reference == jobs::DropReference::kNone;
  for (std::int64_t i = 0; i < frames.size(0); ++i, ++decoded_) {
    if (decoded_ == 0 && !keeps_first)
      continue;  // the reference; a concatenated video leaves out later ones by itself
    media::Image image = formats::to_image(frames[i]);
    if (video.saved_frames) RETURN_IF_ERROR(context_.written(video.saved_frames->add(image)));
    const Status written = context_.written(video.writer.write(std::move(image)));
    if (!written.ok()) {
      RETURN_IF_ERROR(context_.check_cancelled());  // which ends the encoder, too
      return written;
    }
    ++video.frames;
  }
  mux_seconds_ += to_seconds(SteadyClock().now() - begin);
  return context_.check_cancelled();
}

// [1, F, 4, h, w]. As in the original a clip of its own is decoded as it was sampled, a
// concatenated video in half precision.
Result<at::Tensor> Decoding::clip_latents(std::size_t clip) {
  ASSIGN_OR_RETURN(const formats::Latents latents,
                   read_latents(services_, inputs_.latents[clip], context_));
  if (is_concat()) warnings_of_parts_[clip] = warnings_of_part(clip, latents);
  const at::Tensor values = formats::to_tensor(latents);
  return is_concat() ? values.to(at::kHalf) : values;
}

// What its encode told, or left beside latents that come out of a file.
std::vector<std::string> Decoding::warnings_of_part(std::size_t part,
                                                    const formats::Latents& latents) const {
  const auto& segments = lease_.spec.segments;
  if (segments[part].encode.is_nil()) return formats::warnings_of(latents.metadata);
  const auto encoded =
      std::count_if(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(part),
                    [](const auto& segment) { return !segment.encode.is_nil(); });
  return lease_.inputs[static_cast<std::size_t>(encoded)].made_by.warnings;
}

// Each warning once, with the names of its parts: a sentence may have a thousand words.
void Decoding::tell_parts() {
  std::vector<std::pair<std::string, std::set<std::string>>> parts_by_text;  // as they first come
  for (const auto& [part, warnings] : warnings_of_parts_) {
    for (const std::string& warning : warnings) {
      auto place = std::find_if(parts_by_text.begin(), parts_by_text.end(),
                                [&](const auto& entry) { return entry.first == warning; });
      if (place == parts_by_text.end()) place = parts_by_text.insert(place, {warning, {}});
      place->second.insert(lease_.spec.segments[part].name);
    }
  }
  for (const auto& [text, parts] : parts_by_text) {
    std::string warning = fmt::format("{}: {}", fmt::join(parts, ", "), text);
    log::warn("{}: {}", log::printable(lease_.spec.name), log::printable(warning));
    context_.warn(std::move(warning));
  }
}

std::vector<jobs::ConcatClip> Decoding::clips() const {
  std::vector<jobs::ConcatClip> clips;
  for (const auto& latents : inputs_.latents) clips.push_back({latents.name, latents.frames});
  return clips;
}

Result<DecodedVideo> Decoding::begin() {
  const media::VideoFormat format{static_cast<int>(inputs_.latents[0].width),
                                  static_cast<int>(inputs_.latents[0].height),
                                  media::Rational::nearest(fps()), lease_.spec.parameters.crf};
  const auto stop = std::make_shared<media::MediaStop>();
  auto on_cancel = context_.on_cancel([stop] { stop->stop(); });
  auto writer = media::VideoWriter::create(inputs_.outputs.video_path(), format, stop);
  RETURN_IF_ERROR(context_.written(writer.status()));
  DecodedVideo video{*std::move(writer), std::move(on_cancel), nullptr, std::nullopt, 0,
                     lease_.models};
  if (lease_.spec.output.save_frames) {
    auto frames = SavedFrames::begin(inputs_.outputs);
    RETURN_IF_ERROR(context_.written(frames.status()));
    video.saved_frames = *std::move(frames);
  }
  return video;
}

Result<DecodedVideo> Decoding::run() {
  const auto& spec = lease_.spec;
  const jobs::Joining joining(spec.parameters);
  ASSIGN_OR_RETURN(const std::int64_t frames_in_all, joining.concat_frames(clips()));
  const int total = static_cast<int>(frames_in_all);
  ASSIGN_OR_RETURN(DecodedVideo video, begin());

  const Instant begin = SteadyClock().now();
  context_.progress(jobs::Stage::kVaeDecode, 0, total);
  ConcatLatents concat(clips(), joining, [this](std::size_t clip) { return clip_latents(clip); });
  const Status decoded = svd::decode_supply(
      models_.diffusion, [&concat](std::int64_t count) { return concat.next(count); },
      spec.parameters.decode_chunk_size,
      [&](const at::Tensor& frames) {
        Status status = write(frames, video);
        context_.progress(jobs::Stage::kVaeDecode, static_cast<int>(decoded_), total);
        return status;
      });
  if (decoded.code() == StatusCode::kBadInput) {
    return decoded.prefixed(is_concat() ? spec.name : lease_.inputs.at(0).driving.path);
  }
  RETURN_IF_ERROR(decoded);
  tell_parts();
  context_.add_time(jobs::Stage::kVaeDecode, to_seconds(SteadyClock().now() - begin) - mux_seconds_,
                    false);
  context_.add_time(jobs::Stage::kMux, mux_seconds_, false);
  if (spec.output.save_latents && !is_concat()) {
    ASSIGN_OR_RETURN(video.latents, cached_latents());
  }
  return video;
}

// The latents of the clip in the precision that travelled, as a file holds them.
Result<std::string> Decoding::cached_latents() {
  const auto& input = lease_.inputs[0];
  ASSIGN_OR_RETURN(const at::Tensor values, clip_latents(0));
  const auto metadata = formats::saved_metadata({.key = input.artefact.key,
                                                 .models = lease_.models,
                                                 .parameters = lease_.spec.parameters,
                                                 .driving = input.driving,
                                                 .reference = input.reference,
                                                 .numerics = input.artefact.numerics,
                                                 .fps = fps(),
                                                 .frames = inputs_.latents[0].frames,
                                                 .height = inputs_.latents[0].height,
                                                 .width = inputs_.latents[0].width,
                                                 .half = values.scalar_type() == at::kHalf,
                                                 .warnings = input.made_by.warnings});
  return formats::latents_to_bytes(values, metadata);
}

}  // namespace

Result<std::unique_ptr<DecodeInputs>> prepare_decode(const Services& services,
                                                     const jobs::LeaseGrant& lease,
                                                     runner::TaskContext& context) {
  auto outputs = OutputFiles::open(lease.spec.output, services.inputs);
  RETURN_IF_ERROR(context.written(outputs.status()));
  ASSIGN_OR_RETURN(auto latents, find_latents(services, lease, context));
  return std::make_unique<DecodeInputs>(*std::move(outputs), std::move(latents));
}

Result<runner::Outcome> run_decode(Services& services, library::LoadedModels& models,
                                   const jobs::LeaseGrant& lease, DecodeInputs& inputs,
                                   runner::TaskContext& context) {
  ASSIGN_OR_RETURN(DecodedVideo decoded, Decoding(services, models, lease, inputs, context).run());
  // std::function copies what it holds.
  const auto video = std::make_shared<DecodedVideo>(std::move(decoded));
  return runner::Outcome{{},
                         [&services, &lease, &inputs, &context, video](jobs::TaskResult& result) {
                           return finish_video(services, lease, inputs, *video, context, result);
                         }};
}

}  // namespace mimicfleet::stages
