#include "worker/stages/finish_video.h"

#include "common/files/stable_file.h"
#include "jobs/stages.h"

namespace mimicfleet::stages {
namespace {

std::vector<jobs::RecordPart> parts_of(const jobs::LeaseGrant& lease, const DecodeInputs& inputs) {
  std::vector<jobs::RecordPart> parts;
  auto input = lease.inputs.begin();
  for (std::size_t i = 0; i < lease.spec.segments.size(); ++i) {
    const auto& segment = lease.spec.segments[i];
    jobs::RecordPart& part = parts.emplace_back();
    part.name = segment.name;
    part.frames = static_cast<std::int32_t>(inputs.latents[i].frames);
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

// What the encode of a clip left to be told.
void tell_encode(const jobs::TaskInput& input, jobs::OutputRecord& record) {
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

jobs::OutputRecord record_of(const Services& services, const jobs::LeaseGrant& lease,
                             const DecodeInputs& inputs, const jobs::ModelSet& models,
                             const runner::TaskContext& context, const jobs::TaskResult& result) {
  jobs::OutputRecord record;
  record.program = "mimicfleet " MIMICFLEET_VERSION;
  record.key = lease.spec.key;
  record.video = *result.video;
  record.parts = parts_of(lease, inputs);
  record.models = models;
  record.parameters = lease.spec.parameters;
  record.provenance = lease.spec.provenance;
  record.frames = result.frames;
  record.width = result.width;
  record.height = result.height;
  record.numerics = result.numerics;
  if (lease.spec.segments.empty()) tell_encode(lease.inputs.at(0), record);
  const auto own_stages = context.timings();
  const auto own_warnings = context.warnings();
  record.stages.insert(record.stages.end(), own_stages.begin(), own_stages.end());
  record.warnings.insert(record.warnings.end(), own_warnings.begin(), own_warnings.end());
  record.decode_worker = services.config.name;
  record.decode_attempt = lease.attempt;
  return record;
}

}  // namespace

Status finish_video(const Services& services, const jobs::LeaseGrant& lease,
                    const DecodeInputs& inputs, DecodedVideo& video, runner::TaskContext& context,
                    jobs::TaskResult& result) {
  RETURN_IF_ERROR(context.check_cancelled());
  const Permit permit = [&context] { return context.hold_lease(); };
  const OutputFiles& outputs = inputs.outputs;
  runner::StageTimer timer(context, jobs::Stage::kMux);
  if (video.saved_frames) RETURN_IF_ERROR(context.written(video.saved_frames->finish(permit)));
  if (video.latents) {
    RETURN_IF_ERROR(
        context.written(write_file_atomically(outputs.latents_path(), *video.latents, permit)));
  }
  RETURN_IF_ERROR(context.written(video.writer.finish(permit)));
  timer.finish();
  ASSIGN_OR_RETURN(const StableFile file, StableFile::open(outputs.video_path()));
  result.video = jobs::FileRef{outputs.video_name(), file.digest(), file.identity().size};
  result.frames = video.frames;
  result.width = static_cast<std::int32_t>(inputs.latents[0].width);
  result.height = static_cast<std::int32_t>(inputs.latents[0].height);
  result.numerics = services.device.numerics;
  return context.written(outputs.write_record(
      record_of(services, lease, inputs, video.models, context, result), permit));
}

}  // namespace mimicfleet::stages
