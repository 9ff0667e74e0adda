#include <sys/resource.h>

#include <algorithm>
#include <fstream>

#include <ATen/ops/full.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "common/files/read_text.h"
#include "common/media/video.h"
#include "jobs/record_json.h"
#include "tests/worker/models/golden.h"
#include "tests/worker/stages/executor_test_base.h"
#include "worker/formats/tensor_bytes.h"

namespace mimicfleet::stages {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ConcatTest : public StageExecutorTest {
 protected:
  // An encode whose latents are kept as _latents/NAME.safetensors.
  jobs::LeaseGrant keeping(const std::string& name) const {
    jobs::LeaseGrant lease = encode(kPack + "videos/" + name + ".mp4");
    lease.spec.parameters.max_pose_frames = 6;
    lease.spec.cache_latents =
        jobs::CachedLatentsTarget{folder_.path(), "_latents/" + name + ".safetensors", "0123"};
    lease.spec.key = jobs::latents_key(lease.spec.video.digest, lease.spec.reference.digest,
                                       lease.models, lease.spec.parameters);
    return lease;
  }
  jobs::LeaseGrant concat(const std::string& name) const {
    jobs::LeaseGrant lease = encode();
    lease.spec.kind = jobs::TaskKind::kDecodeVideo;
    lease.spec.output.relative = lease.spec.name = name;
    return lease;
  }
  static void add_encoded(jobs::LeaseGrant& concat, const jobs::LeaseGrant& encode,
                          const jobs::TaskResult& made) {
    concat.spec.segments.push_back({encode.spec.video.path, encode.spec.id, {}});
    jobs::TaskInput input;
    input.artefact = made.latents.value();
    input.saved = made.cached_latents;
    input.made_by = made;
    input.driving = encode.spec.video;
    concat.inputs.push_back(input);
  }
  static void add_file(jobs::LeaseGrant& concat, const std::string& path,
                       const jobs::TaskResult& made) {
    jobs::CachedLatents saved;
    saved.file = file_ref(path);
    saved.frames = made.frames;
    saved.width = made.width;
    saved.height = made.height;
    concat.spec.segments.push_back({path, {}, saved});
  }
  // A file of latents [1, frames, 4, 24, 16] that nobody encoded.
  void put_latents(const std::string& name, int frames, std::uint64_t value,
                   const formats::LatentsMetadata& metadata = {}) const {
    const at::Tensor latents =
        at::full({1, frames, 4, 24, 16}, static_cast<double>(value) / 10, at::kHalf);
    std::ofstream(folder_.path(name), std::ios::binary)
        << formats::latents_to_bytes(latents, metadata);
  }
  // What an encode would tell of such a file.
  static jobs::TaskResult made_of(std::int32_t frames) {
    jobs::TaskResult made;
    made.frames = frames;
    made.width = 128;
    made.height = 192;
    return made;
  }
};

TEST_F(ConcatTest, IsTheSameToTheByteOutOfTheStoreAndOutOfFiles) {
  std::vector<jobs::LeaseGrant> encodes = {keeping("a"), keeping("b")};
  std::vector<jobs::TaskResult> made;
  for (const auto& lease : encodes) {
    const auto result = run(lease);
    ASSERT_TRUE(result.ok()) << result.status();
    made.push_back(*result);
  }
  ASSERT_TRUE(made[0].cached_latents);
  EXPECT_EQ(made[0].cached_latents->digest,
            sha256_file(folder_.path("_latents/a.safetensors")).value());
  jobs::LeaseGrant held = concat("held");
  jobs::LeaseGrant files = concat("files");
  jobs::LeaseGrant lost = concat("lost");
  for (const std::size_t i : {0, 1, 0}) {
    add_encoded(held, encodes[i], made[i]);
    add_file(files, made[i].cached_latents->path, made[i]);
    add_encoded(lost, encodes[i], made[i]);
    lost.inputs.back().artefact.content = sha256("nobody has this");
  }
  std::vector<Digest> videos;
  for (auto* lease : {&held, &files, &lost}) {
    lease->spec.parameters.interp_frames = 3;
    const auto result = run(*lease);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->frames, 3 * 6 + 2 * 3 - 1);
    EXPECT_EQ(media::count_frames(folder_.path(result->video->path)).value_or(0), result->frames);
    videos.push_back(result->video->digest);
  }
  EXPECT_EQ(videos[1], videos[0]);
  EXPECT_EQ(videos[2], videos[0]);
  const auto record = jobs::read_record(*read_text(folder_.path("held.json"), 1 << 20));
  ASSERT_TRUE(record.ok()) << record.status();
  ASSERT_THAT(record->parts, SizeIs(3));
  EXPECT_THAT(record->parts[1].name, HasSubstr("b.mp4"));
  EXPECT_EQ(record->parts[1].frames, 6);
  EXPECT_EQ(record->parts[1].driving, encodes[1].spec.video);
  EXPECT_TRUE(record->driving.path.empty());
}

TEST_F(ConcatTest, KeptLatentsAreTheOriginalsInHalfPrecision) {
  constexpr double kBound = 1e-2;  // from the video, see docs/models.md
  const Golden golden("concat");
  jobs::LeaseGrant lease = concat("film");
  lease.spec.output.save_frames = true;
  lease.spec.parameters.drop_reference = jobs::DropReference::kNone;
  lease.spec.parameters.interp_frames = 3;
  lease.spec.parameters.decode_chunk_size = std::stoi(golden.metadata("decode_chunk_size"));
  for (const std::string name : {"a", "b"}) {
    jobs::LeaseGrant clip = keeping(name);
    auto& parameters = clip.spec.parameters;
    parameters.steps = std::stoi(golden.metadata("steps"));
    parameters.max_pose_frames = std::stoi(golden.metadata("max_pose_frames"));
    parameters.motion_fps = 15;
    const auto made = run(clip);
    ASSERT_TRUE(made.ok()) << made.status();
    const std::string path = folder_.path("_latents/" + name + ".safetensors");
    const auto kept = formats::latents_from_bytes(*read_text(path, 1 << 20), path);
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(kept->tensor.dtype, weights::DType::kF16);
    const std::string expected = name == "a" ? "video0" : "video1";
    EXPECT_TRUE(
        golden.is_near(expected + ".latents_f16_values", formats::to_tensor(*kept), kBound));
    for (const char* field : {"num_frames", "height", "width", "fps", "seed"}) {
      EXPECT_THAT(golden.metadata(expected + ".metadata"),
                  HasSubstr(fmt::format("\"{}\": {}", field, kept->metadata.at(field))));
    }
    EXPECT_EQ(kept->metadata.at("video_name"), name + ".mp4");
    jobs::LeaseGrant single = decode(clip, *made);  // of what was sampled, not of what is kept
    single.spec.output.relative = name;
    single.spec.output.save_frames = true;
    single.spec.parameters.decode_chunk_size = lease.spec.parameters.decode_chunk_size;
    ASSERT_TRUE(run(single).ok());
    expect_golden_frames(golden, expected + ".individual_frame0_u8",
                         read_pictures({folder_.path("_frames/" + name + "/000000.png")}));
    add_encoded(lease, clip, *made);
  }
  const auto result = run(lease);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->frames, std::stoi(golden.metadata("frame_count_keep_on_interp3")));
  const at::Tensor& index = golden["frames_interp3_index"];
  std::vector<std::string> pictures;
  for (std::int64_t i = 0; i < index.numel(); ++i) {
    pictures.push_back(
        folder_.path(fmt::format("_frames/film/{:06}.png", index[i].item<std::int64_t>())));
  }
  expect_golden_frames(golden, "frames_interp3_keep_u8", read_pictures(pictures),
                       "sampled here: ", kSentenceFromVideo);
}

TEST_F(ConcatTest, AnEncodeThatMayBeReusedTakesWhatTheStoreHas) {
  jobs::LeaseGrant lease = keeping("a");
  lease.spec.parameters.seed = 1234;
  lease.spec.key = sha256("an encode of its own");
  lease.spec.reuse_latents = true;
  const auto first = run(lease);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(warm("denoise"));
  fs::remove(folder_.path("_latents/a.safetensors"));
  const auto second = run(lease);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(warm("denoise"));
  EXPECT_EQ(second->latents->content, first->latents->content);
  EXPECT_EQ(second->source_fps, first->source_fps);
  EXPECT_EQ(second->cached_latents, first->cached_latents);
  lease.spec.reuse_latents = false;
  ASSERT_TRUE(run(lease).ok());
  EXPECT_FALSE(warm("denoise"));
}

TEST_F(ConcatTest, WhatIsToldOfItsPartsIsToldOfItWithTheirNames) {
  put_latents("a.safetensors", 4, 1, {{"warnings", "nobody is found\nthe motion is too fast"}});
  put_latents("b.safetensors", 4, 2);
  put_latents("c.safetensors", 4, 3, {{"warnings", "nobody is found"}});
  jobs::LeaseGrant lease = concat("film");
  for (const std::string name : {"a", "b", "c", "a"}) {
    add_file(lease, folder_.path(name + ".safetensors"), made_of(4));
    lease.spec.segments.back().name = name;
  }
  jobs::LeaseGrant clip = keeping("a");
  clip.spec.warnings = {"driving video: is interlaced"};
  auto made = run(clip);
  ASSERT_TRUE(made.ok()) << made.status();
  made->warnings = context_->warnings();
  add_encoded(lease, clip, *made);
  lease.spec.segments.back().name = "d";
  ASSERT_TRUE(run(lease).ok());
  const std::vector<std::string> expected = {"a, c: nobody is found", "a: the motion is too fast",
                                             "d: driving video: is interlaced"};
  EXPECT_EQ(context_->warnings(), expected);
  const auto record = jobs::read_record(*read_text(folder_.path("film.json"), 1 << 20));
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->warnings, expected);
}

TEST_F(ConcatTest, KeptLatentsKeepWhatIsToldOfThem) {
  jobs::LeaseGrant clip = keeping("a");
  clip.spec.warnings = {"driving video: is interlaced", "the motion is too fast"};
  auto made = run(clip);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto warnings = [&](const std::string& path) {
    return formats::warnings_of(
        formats::latents_from_bytes(*read_text(folder_.path(path), 1 << 20), path)->metadata);
  };
  EXPECT_EQ(warnings("_latents/a.safetensors"), clip.spec.warnings);
  made->warnings = context_->warnings();
  jobs::LeaseGrant single = decode(clip, *made);
  single.spec.output.save_latents = true;
  ASSERT_TRUE(run(single).ok());
  EXPECT_EQ(warnings("_latents/words/a.safetensors"), clip.spec.warnings);
}

TEST_F(ConcatTest, LatentsThatChangedOrAreOfAnotherSizeAreRefused) {
  put_latents("a.safetensors", 4, 1);
  jobs::TaskResult made = made_of(4);
  jobs::LeaseGrant lease = concat("film");
  add_file(lease, folder_.path("a.safetensors"), made);
  made.width = 192;
  add_file(lease, folder_.path("a.safetensors"), made);
  EXPECT_THAT(run(lease).status().message(),
              AllOf(HasSubstr("cannot be joined"), HasSubstr("128x192 and 192x192")));
  lease.spec.segments.pop_back();
  put_latents("a.safetensors", 4, 2);
  EXPECT_EQ(run(lease).status().code(), StatusCode::kInputChanged);
}

TEST_F(ConcatTest, AClipThatIsTooShortForItsCrossFadesIsNamed) {
  put_latents("a.safetensors", 4, 1);
  const jobs::TaskResult made = made_of(4);
  jobs::LeaseGrant lease = concat("film");
  for (int i = 0; i < 3; ++i) add_file(lease, folder_.path("a.safetensors"), made);
  lease.spec.parameters.crossfade_frames = 3;
  const Status status = run(lease).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr(folder_.path("a.safetensors") + ": its 4 frames are too few for "
                                                              "--crossfade-frames 3 at both ends"),
                    HasSubstr("give at most 2")));
}

TEST_F(ConcatTest, ATargetOfAnotherFolderIsRefusedBeforeAnythingIsComputed) {
  jobs::LeaseGrant lease = keeping("a");
  lease.spec.cache_latents->nonce = "another";
  EXPECT_EQ(run(lease).status().code(), StatusCode::kFailedPrecondition);
  lease = keeping("a");
  lease.spec.cache_latents->relative = "../a.safetensors";
  EXPECT_EQ(run(lease).status().code(), StatusCode::kInvalidArgument);
}

constexpr double kMiB = 1024 * 1024;

// What this process has allocated and not given back, whatever the allocator keeps beyond it.
double allocated_mib() {
  const auto info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd) / kMiB;
}

// The most memory that the process had since its start.
double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

TEST_F(ConcatTest, OfFiftyClipsTakesNoMoreMemoryThanOneOfFive) {
  constexpr int kFrames = 6;  // of a clip: 0.42 MiB of pixels, four times that as they are decoded
  const jobs::TaskResult made = made_of(kFrames);
  std::vector<double> allocated;
  std::vector<double> peaks;
  for (const int clips : {5, 50}) {
    jobs::LeaseGrant lease = concat(fmt::format("film{}", clips));
    for (int i = 0; i < clips; ++i) {
      const std::string name = fmt::format("clip{}.safetensors", i);
      put_latents(name, kFrames, static_cast<std::uint64_t>(i % 10));
      add_file(lease, folder_.path(name), made);
    }
    allocated.push_back(0);
    on_progress_ = [&](const auto&) {
      allocated.back() = std::max(allocated.back(), allocated_mib());
    };
    const auto result = run(lease);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->frames, clips * kFrames - 1);
    peaks.push_back(peak_mib());
  }
  std::printf(
      "5 clips: %.1f MiB allocated at most, peak %.1f MiB; 50 clips: %.1f and %.1f, ratio %.3f\n",
      allocated[0], peaks[0], allocated[1], peaks[1], peaks[1] / peaks[0]);
  EXPECT_GT(allocated[0], 1);
  EXPECT_LT(allocated[1] - allocated[0], 8)
      << "the pixels of all frames are 21 MiB, as numbers 84 MiB";
}

}  // namespace
}  // namespace mimicfleet::stages
