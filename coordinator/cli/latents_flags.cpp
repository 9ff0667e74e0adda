#include "coordinator/cli/latents_flags.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace mimicfleet::coordinator {
namespace {

constexpr std::array<std::pair<std::string_view, Mode>, 3> kModes = {
    {{"generate", Mode::kGenerate}, {"encode", Mode::kEncode}, {"decode", Mode::kDecode}}};

Status wrong(const std::string& cause) { return {StatusCode::kInvalidArgument, cause}; }

// Flags that only some modes know must not be dropped in silence.
Status only_in(const CLI::App& command, bool fits, std::string_view where,
               std::span<const char* const> flags) {
  for (const char* flag : flags) {
    if (!fits && command.count(flag) > 0) return wrong(fmt::format("{} is for {}", flag, where));
  }
  return {};
}

Status check_fit(const CLI::App& command, const SubmitRequest& request) {
  const bool sentences = !request.sentences.empty();
  const bool encodes = request.mode == Mode::kEncode;
  const bool films = request.mode == Mode::kDecode || sentences;
  constexpr std::array<const char*, 2> kOfLatents = {"--cache-dir", "--overwrite-cache"};
  constexpr std::array<const char*, 1> kOfEncode = {"--disable-individual-videos"};
  constexpr std::array<const char*, 1> kOfVideos = {"--videos"};
  constexpr std::array<const char*, 2> kOfFilm = {"--output-name", "--experiment-name"};
  constexpr std::array<const char*, 1> kOfSentences = {"--skip-missing"};
  constexpr std::array<const char*, 3> kOfFilms = {"--interp-frames", "--interp-mode",
                                                   "--crossfade-frames"};
  constexpr std::array<const char*, 1> kOfClips = {"--save-latents"};
  constexpr std::array<const char*, 1> kOfBenchmark = {"--benchmark-cache"};
  RETURN_IF_ERROR(
      only_in(command, encodes || films, "--mode encode or decode, and --sentences", kOfLatents));
  RETURN_IF_ERROR(only_in(command, encodes, "--mode encode", kOfEncode));
  RETURN_IF_ERROR(
      only_in(command, (encodes || films) && !sentences, "--mode encode or decode", kOfVideos));
  RETURN_IF_ERROR(only_in(command, films && !sentences, "--mode decode", kOfFilm));
  RETURN_IF_ERROR(only_in(command, sentences, "--sentences", kOfSentences));
  RETURN_IF_ERROR(only_in(command, films, "--mode decode and --sentences", kOfFilms));
  RETURN_IF_ERROR(only_in(command, !encodes && !films, "--mode generate", kOfBenchmark));
  return only_in(command, !encodes && !films,
                 "--mode generate; other modes keep latents below --cache-dir anyway", kOfClips);
}

void add_setting(SubmitRequest& request, const char* setting, const char* text, const char* flag) {
  request.flags.values.push_back({find_setting(setting), text, flag});
}

}  // namespace

void add_latents_flags(CLI::App& command, SubmitRequest& request, LatentsFlags& flags) {
  const char* group = "Latents and films";
  const auto text = [&](const char* flag, std::string& value, const char* help, const char* type) {
    command.add_option(flag, value, help)->type_name(type)->group(group);
  };
  const auto flag = [&](const char* name, bool& value, const char* help) {
    command.add_flag(name, value, help)->group(group);
  };
  text("--mode", flags.mode,
       "generate; encode: keep each clip's latents; decode: join latents into one film with the "
       "VAE alone",
       "MODE");
  command
      .add_option("--videos", request.videos,
                  "encode, decode: only these videos of PATH, in this order")
      ->type_name("NAME")
      ->group(group)
      ->expected(1, -1);
  text("--video-folder,--batch-folder", flags.video_folder, "as PATH", "DIR");
  text("--sentences", request.sentences,
       "films of words: CSV with sentence_id,ref_ids (ids of videos, separated by spaces)", "FILE");
  flag("--skip-missing", request.skip_missing, "go on without sentences whose words are missing");
  text("--cache-dir", request.cache_dir,
       "where latents are kept; default: _latents in the output folder", "DIR");
  flag("--overwrite-cache", request.overwrite_cache, "make kept latents again");
  flag("--disable-individual-videos", flags.disable_individual_videos, "encode: only keep latents");
  flag("--keep-first-frame", flags.keep_first_frame, "as --drop-reference-frames none");
  text("--output-name", request.output_name, "decode: of the film, below the output folder",
       "NAME");
  text("--experiment-name", request.experiment_name,
       "decode: what the film's name begins with; default: latent_concat", "NAME");
  flag("--no-use-float16", flags.no_use_float16, "as --precision fp32");
}

Status complete_latents_flags(const CLI::App& command, const LatentsFlags& flags,
                              SubmitRequest& request) {
  const auto mode = std::find_if(kModes.begin(), kModes.end(),
                                 [&](const auto& known) { return known.first == flags.mode; });
  if (mode == kModes.end())
    return wrong(fmt::format("--mode {}: choose generate, encode or decode", flags.mode));
  request.mode = mode->second;
  request.individual_videos = !flags.disable_individual_videos;
  if (!flags.video_folder.empty()) request.paths.push_back(flags.video_folder);
  if (!request.sentences.empty() && request.mode == Mode::kEncode) {
    return wrong(
        "--sentences makes films of its words; leave --mode encode out, or the --sentences");
  }
  RETURN_IF_ERROR(check_fit(command, request));
  if (flags.keep_first_frame && command.count("--drop-reference-frames") > 0) {
    return wrong("--keep-first-frame and --drop-reference-frames say the same; give one of them");
  }
  if (flags.no_use_float16 && command.count("--precision") > 0) {
    return wrong("--no-use-float16 and --precision say the same; give one of them");
  }
  if (flags.keep_first_frame) add_setting(request, "drop_reference", "none", "--keep-first-frame");
  if (flags.no_use_float16) add_setting(request, "precision", "fp32", "--no-use-float16");
  return {};
}

}  // namespace mimicfleet::coordinator
