#include "worker/stages/latents_source.h"

#include <fmt/format.h>

#include "common/files/read_text.h"
#include "worker/artefacts/fetch.h"

namespace mimicfleet::stages {
namespace {

constexpr std::size_t kMaxLatentsBytes = std::size_t{8} << 30;

LatentsSource source_of(const jobs::TaskInput& input, std::string name) {
  LatentsSource source;
  source.name = std::move(name);
  source.content = input.artefact.content;
  source.frames = input.made_by.frames;
  source.height = input.made_by.height;
  source.width = input.made_by.width;
  return source;
}

// A segment whose latents only a file has.
Result<LatentsSource> saved_source(const Services& services, const jobs::Segment& segment) {
  RETURN_IF_ERROR(services.inputs.open_input(segment.saved.file).status());
  LatentsSource source;
  source.name = segment.name;
  source.file = segment.saved.file;
  source.frames = segment.saved.frames;
  source.height = segment.saved.height;
  source.width = segment.saved.width;
  return source;
}

// A segment that was encoded: wherever its latents can be had.
Result<LatentsSource> encoded_source(const Services& services, const jobs::TaskInput& input,
                                     std::string name, bool is_concat, runner::TaskContext& context,
                                     bool& local) {
  LatentsSource source = source_of(input, std::move(name));
  const Status status = fetch_into_store(services, input, context, local);
  if (status.ok()) return source;
  if (is_concat && input.saved && status.code() == StatusCode::kUnavailable &&
      services.inputs.open_input(*input.saved).ok()) {
    source.file = input.saved;
    return source;
  }
  if (status.code() == StatusCode::kUnavailable) context.add_lost_input(input.artefact.content);
  return status;
}

Status check_sizes(const std::vector<LatentsSource>& sources) {
  for (const auto& source : sources) {
    const auto& first = sources.front();
    if (source.height == first.height && source.width == first.width) continue;
    return {StatusCode::kBadInput,
            fmt::format("{} and {} cannot be joined: their sizes are {}x{} and {}x{}", first.name,
                        source.name, first.width, first.height, source.width, source.height)};
  }
  return {};
}

Result<std::string> file_bytes(const Services& services, const jobs::FileRef& file) {
  ASSIGN_OR_RETURN(const StableFile stable, services.inputs.open_input(file));
  ASSIGN_OR_RETURN(std::string bytes, read_text(stable.fd(), file.path, kMaxLatentsBytes));
  RETURN_IF_ERROR(stable.check_unchanged());
  return bytes;
}

}  // namespace

Status fetch_into_store(const Services& services, const jobs::TaskInput& input,
                        runner::TaskContext& context, bool& local) {
  const auto& artefact = input.artefact;
  if (services.artefacts.has(artefact.content)) return {};
  local = false;
  auto fetched =
      artefacts::fetch_artefact(artefact, input.replicas, [&] { return context.cancelled(); });
  services.metrics.artefact_bytes.at({{"direction", "received"}}).add(fetched.received_bytes);
  services.metrics.refused_replicas.add(fetched.refused_replicas);
  context.add_transferred(fetched.received_bytes);
  RETURN_IF_ERROR(fetched.status);
  return context.written(
      services.artefacts.put(artefact.key, artefact.numerics, fetched.bytes).status());
}

Result<std::vector<LatentsSource>> find_latents(const Services& services,
                                                const jobs::LeaseGrant& lease,
                                                runner::TaskContext& context) {
  runner::StageTimer timer(context, jobs::Stage::kTransfer);
  const bool is_concat = !lease.spec.segments.empty();
  const std::size_t count = is_concat ? lease.spec.segments.size() : lease.inputs.size();
  std::vector<LatentsSource> sources;
  bool local = true;
  Status failure;
  auto input = lease.inputs.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const bool from_file = is_concat && lease.spec.segments[i].encode.is_nil();
    if (!from_file && input == lease.inputs.end()) {
      return Status(StatusCode::kInternal, "a decode without its latents was granted");
    }
    auto source =
        from_file ? saved_source(services, lease.spec.segments[i])
                  : encoded_source(services, *input,
                                   is_concat ? lease.spec.segments[i].name : input->driving.path,
                                   is_concat, context, local);
    if (!from_file) ++input;
    if (source.ok()) {
      sources.push_back(*std::move(source));
    } else if (source.status().code() == StatusCode::kUnavailable) {
      failure = source.status();  // go on, so that all lost inputs are reported at once
    } else {
      return source.status();
    }
  }
  RETURN_IF_ERROR(failure);
  if (sources.empty()) return Status(StatusCode::kInternal, "a decode without latents was granted");
  RETURN_IF_ERROR(check_sizes(sources));
  timer.finish(local);
  return sources;
}

Result<formats::Latents> read_latents(const Services& services, const LatentsSource& source,
                                      runner::TaskContext& context) {
  auto bytes =
      source.file ? file_bytes(services, *source.file) : services.artefacts.read(source.content);
  if (!bytes.ok() && !source.file) {
    context.add_lost_input(source.content);
    return Status(StatusCode::kUnavailable, bytes.status().message());
  }
  if (!bytes.ok()) return bytes.status();
  const std::string origin = source.file ? source.file->path : "latents of " + source.name;
  ASSIGN_OR_RETURN(formats::Latents latents,
                   formats::latents_from_bytes(*std::move(bytes), origin));
  if (latents.frames() == source.frames && latents.height() == source.height &&
      latents.width() == source.width) {
    return latents;
  }
  return Status(StatusCode::kBadInput,
                fmt::format("{}: holds {} frames of {}x{}, announced were {} of {}x{}", origin,
                            latents.frames(), latents.width(), latents.height(), source.frames,
                            source.width, source.height));
}

}  // namespace mimicfleet::stages
