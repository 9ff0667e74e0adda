#include <cstdlib>
#include <fstream>
#include <future>
#include <map>
#include <set>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/file_identity.h"
#include "common/files/read_text.h"
#include "common/media/video.h"
#include "jobs/abilities.h"
#include "jobs/record_json.h"
#include "tests/common/media/image_bytes.h"
#include "tests/worker/stages/executor_test_base.h"
#include "worker/formats/latents_bytes.h"

namespace mimicfleet::stages {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(StageExecutorTest, AClipBecomesAVideoWithItsRecordFramesAndLatents) {
  auto lease = encode();
  lease.spec.output.save_latents = lease.spec.output.save_frames = true;
  lease.models.checkpoint = "/where/the/client/named/it.pth";  // and not what this worker calls it
  const auto encoded = run(lease);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->frames, 14);
  EXPECT_EQ(encoded->width, 128);
  EXPECT_EQ(encoded->height, 192);
  EXPECT_NEAR(encoded->source_fps, 30000.0 / 1001 / 2, 1e-9);
  EXPECT_THAT(encoded->stages, SizeIs(7));
  EXPECT_EQ(encoded->tiles, 3);
  EXPECT_EQ(encoded->unet_evaluations, 2 * 3);

  const auto decoded = run(decode(lease, *encoded));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->frames, 13);
  EXPECT_EQ(decoded->video->path, "words/a.mp4");
  EXPECT_EQ(media::count_frames(folder_.path("words/a.mp4")).value_or(0), 13);
  EXPECT_TRUE(fs::exists(folder_.path("_frames/words/a/000012.png")));
  EXPECT_FALSE(fs::exists(folder_.path("_frames/words/a/000013.png")));

  const auto record = jobs::read_record(*read_text(folder_.path("words/a.json"), 1 << 20));
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->video.digest, sha256_file(folder_.path("words/a.mp4")).value());
  EXPECT_EQ(record->frames, 13);
  EXPECT_EQ(record->tiles, 3);
  EXPECT_EQ(record->unet_evaluations, 2 * 3);
  EXPECT_EQ(record->models.checkpoint, lease.models.checkpoint);
  EXPECT_EQ(record->encode_worker, "encoder");
  EXPECT_EQ(record->decode_worker, "tester");
  EXPECT_EQ(record->decode_attempt, 2);
  EXPECT_EQ(record->numerics, worker_->ready.numerics);

  const std::string saved = *read_text(folder_.path("_latents/words/a.safetensors"), 1 << 20);
  const auto latents = formats::latents_from_bytes(saved, "saved");
  ASSERT_TRUE(latents.ok()) << latents.status();
  EXPECT_EQ(latents->frames(), 14);
  EXPECT_EQ(latents->metadata.at("video_name"), "a.mp4");
  EXPECT_EQ(latents->metadata.at("checkpoint"), lease.models.checkpoint);
}

// A PNG of the picture turned by a quarter against the clock, with the EXIF orientation that turns
// it back.
void write_lying(const std::string& path, const media::Image& upright) {
  media::Image lying{upright.height, upright.width,
                     std::vector<std::uint8_t>(upright.pixels.size())};
  for (int y = 0; y < lying.height; ++y) {
    for (int x = 0; x < lying.width; ++x) {
      const auto from = media::Image::bytes(upright.width, x) + 3 * (upright.width - 1 - y);
      const auto to = media::Image::bytes(lying.width, y) + 3 * x;
      std::copy_n(upright.pixels.begin() + static_cast<std::ptrdiff_t>(from), 3,
                  lying.pixels.begin() + static_cast<std::ptrdiff_t>(to));
    }
  }
  CHECK(media::write_png(path, lying).ok());
  std::string png = *read_text(path, 1 << 24);
  png.insert(33, media::png_chunk("eXIf", media::exif(6, false)));  // after the header
  std::ofstream(path, std::ios::binary) << png;
}

TEST_F(StageExecutorTest, AnImageThatLiesOnItsSideIsUsedAsTheOneThatStands) {
  auto lease = encode();
  const auto standing = run(lease);
  ASSERT_TRUE(standing.ok()) << standing.status();
  write_lying(folder_.path("lying.png"), media::read_image(lease.spec.reference.path).value());
  lease.spec.reference = file_ref(folder_.path("lying.png"));
  lease.spec.reference.reading = "upright.1";
  const auto lying = run(lease);
  ASSERT_TRUE(lying.ok()) << lying.status();
  EXPECT_EQ(lying->latents->content, standing->latents->content);
}

TEST_F(StageExecutorTest, WhatWasLostInReadingIsToldAndAnUnknownReadingIsRefused) {
  auto lease = encode();
  // 21x17, on its side.
  lease.spec.reference = file_ref(source_path("tests/common/media/data/images/turned.jpg"));
  lease.spec.reference.reading = "upright.1";
  lease.spec.key = jobs::latents_key(lease.spec.video.digest, jobs::as_read(lease.spec.reference),
                                     lease.models, lease.spec.parameters);
  lease.spec.warnings = {"driving video: it is HDR"};
  // How each is read the tests of the reader say; in a picture this small nobody is found.
  EXPECT_THAT(run(lease).status().message(), HasSubstr("nobody is found in this reference image"));
  EXPECT_THAT(context_->warnings(), Contains("driving video: it is HDR"));
  lease.spec.reference.reading = "";
  EXPECT_THAT(run(lease).status().message(), HasSubstr("nobody is found in this reference image"));
  lease.spec.reference.reading = "upright.99";
  EXPECT_THAT(run(lease).status().message(), HasSubstr("this worker's version cannot"));
}

TEST_F(StageExecutorTest, WhatComesUpWithinTheVideoIsToldEachTime) {
  auto lease = encode(source_path("tests/common/media/data/shown/person_interlaced_late.ts"));
  const auto told = Contains(
      "driving video: from frame 6 on it is interlaced, which is left as it is: convert it "
      "with ffmpeg -vf bwdif");
  ASSERT_TRUE(run(lease).ok());
  EXPECT_THAT(context_->warnings(), told);
  const auto again = run(lease);  // key points out of the cache
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(warm("preprocess"));
  EXPECT_THAT(context_->warnings(), told);
}

TEST_F(StageExecutorTest, TheSecondTimeFeaturesComeOutOfTheCacheAndTheLatentsAreTheSame) {
  auto lease = encode(kPack + "videos/b.mp4");
  const auto first = run(lease);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(warm("preprocess"));
  fs::copy(kPack + "videos/b.mp4", folder_.path("copied.mp4"));
  lease.spec.video.path = folder_.path("copied.mp4");
  const auto second = run(lease);
  ASSERT_TRUE(second.ok()) << second.status();
  for (const char* stage : {"load", "preprocess", "clip", "vae_encode"})
    EXPECT_TRUE(warm(stage)) << stage;
  EXPECT_EQ(second->latents->content, first->latents->content);
}

TEST_F(StageExecutorTest, ThePolicyOfTheTaskDecidesWhatIsTakenFromTheCacheAndBitsAreTheSame) {
  using enum jobs::FeatureOutcome;
  auto lease = encode(kPack + "videos/b.mp4");
  ASSERT_TRUE(run(lease).ok());
  std::vector<std::vector<jobs::FeatureOutcome>>
      outcomes;  // keypoints, reference image and key points, CLIP, VAE
  std::set<Digest> latents;
  for (const auto& policy :
       {jobs::FeaturePolicy{}, jobs::FeaturePolicy{true, false, false},
        jobs::FeaturePolicy{true, true, true}, jobs::FeaturePolicy{false, false, true}}) {
    lease.spec.features = policy;
    const auto result = run(lease);
    ASSERT_TRUE(result.ok()) << result.status();
    latents.insert(result->latents->content);
    outcomes.emplace_back();
    for (const auto& use : context_->features()) outcomes.back().push_back(use.outcome);
  }
  // Key points and image, CLIP's embedding and the VAE's latent, the reference's key points.
  EXPECT_THAT(outcomes, ElementsAre(ElementsAre(kHit, kHit, kHit, kHit, kHit),
                                    ElementsAre(kHit, kHit, kUnasked, kUnasked, kHit),
                                    ElementsAre(kUnasked, kUnasked, kUnasked, kUnasked, kUnasked),
                                    ElementsAre(kUnasked, kUnasked, kUnasked, kUnasked, kUnasked)));
  for (const auto& use : context_->features()) EXPECT_FALSE(use.kept) << to_string(use.kind);
  EXPECT_THAT(latents, SizeIs(1)) << "warm or cold, the latents are the same to the bit";
}

TEST_F(StageExecutorTest, AWarmEncodeDecodesAndComputesNoFeatureAndTellsWhatItSaved) {
  const auto lease = encode(kPack + "videos/b.mp4");
  ASSERT_TRUE(run(lease).ok());
  const auto result = run(lease);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(context_->calls().empty());
  for (const auto& timing : result->stages) {
    const bool cached =
        timing.stage == "preprocess" || timing.stage == "clip" || timing.stage == "vae_encode";
    EXPECT_EQ(timing.saved_seconds > 0, cached) << timing.stage;
  }
}

TEST_F(StageExecutorTest, TheSequenceIsCutToTheLengthThatWasAskedFor) {
  auto lease = encode();
  lease.spec.parameters.max_pose_frames = 5;
  const auto result = run(lease);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->frames, 5);
}

TEST_F(StageExecutorTest, OnlyTheFramesThatWereAskedForAreLookedAtAndAreTheSameAsOfTheWholeVideo) {
  int looked_at = 0;
  on_progress_ = [&](const jobs::TaskProgress& progress) {
    if (progress.stage == "preprocess")
      looked_at = std::max(looked_at, static_cast<int>(progress.step));
  };
  auto lease = encode(kPack + "videos/b.mp4");
  lease.spec.parameters.sample_stride = 1;  // nobody else's key points
  lease.spec.parameters.max_pose_frames = 5;
  const auto cold = run(lease);
  ASSERT_TRUE(cold.ok()) << cold.status();
  EXPECT_EQ(looked_at, 4);
  looked_at = 0;
  const auto warm = run(lease);
  ASSERT_TRUE(warm.ok()) << warm.status();
  EXPECT_EQ(looked_at, 0);
  EXPECT_EQ(warm->latents->content, cold->latents->content);
  auto whole = lease;
  whole.spec.parameters.max_pose_frames = 0;
  const auto all = run(whole);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_GT(all->frames, 5);
  EXPECT_EQ(looked_at, all->frames - 1) << "what is known of some frames is not taken for all";
  const auto cut = run(lease);
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->latents->content, cold->latents->content) << "out of the key points of all frames";
  EXPECT_THAT(context_->warnings(), IsEmpty())
      << "the later frames, which show several persons, are not used";
}

TEST_F(StageExecutorTest, AFitOverAllFramesLooksAtAllFrames) {
  int looked_at = 0;
  on_progress_ = [&](const jobs::TaskProgress& progress) {
    if (progress.stage == "preprocess")
      looked_at = std::max(looked_at, static_cast<int>(progress.step));
  };
  auto lease = encode();
  lease.spec.parameters.retarget = jobs::Retarget::kRescale;
  lease.spec.parameters.max_pose_frames = 5;
  lease.spec.features.use = false;
  const auto result = run(lease);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(looked_at, 13);
  EXPECT_EQ(result->frames, 5);
}

TEST_F(StageExecutorTest, ALoraChangesTheLatentsAndIsNotSeenByTheNextTask) {
  auto lease = encode();
  const auto plain = run(lease);
  ASSERT_TRUE(plain.ok()) << plain.status();
  auto adapted = lease;
  adapted.spec.parameters.loras = {{file_ref(kPack + "models/lcm_lora/lora_peft.safetensors"), 1}};
  adapted.spec.key = jobs::latents_key(lease.spec.video.digest, lease.spec.reference.digest,
                                       lease.models, adapted.spec.parameters);
  const auto fused = run(adapted);
  ASSERT_TRUE(fused.ok()) << fused.status();
  EXPECT_FALSE(warm("load"));
  EXPECT_NE(fused->latents->content, plain->latents->content);
  const auto again = run(lease);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->latents->content, plain->latents->content);
  EXPECT_TRUE(run(adapted).ok());
  EXPECT_TRUE(warm("load"));
}

TEST_F(StageExecutorTest, WithoutGuidanceTheUnetRunsHalfAsOften) {
  auto lease = encode();
  const auto guided = run(lease);
  lease.spec.parameters.guidance_scale = 1;
  const auto single = run(lease);
  ASSERT_TRUE(guided.ok() && single.ok());
  EXPECT_EQ(single->unet_evaluations * 2, guided->unet_evaluations);
  EXPECT_EQ(single->tiles, guided->tiles);
}

TEST_F(StageExecutorTest, EightBitsAreRefusedByADeviceThatCannot) {
  if (!worker_->ready.numerics.device.starts_with("cpu")) GTEST_SKIP();
  EXPECT_EQ(worker_->ready.abilities, jobs::known_abilities(/*fp8=*/false));
  auto lease = encode();
  lease.spec.parameters.fp8 = true;
  const auto refused = run(lease);
  EXPECT_EQ(refused.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.status().message(),
              HasSubstr("cannot do it: it takes a GPU of compute capability 8.9"));
}

TEST_F(StageExecutorTest, AGuidanceIntervalSavesThePassesOfTheStepsOutsideIt) {
  auto lease = encode();
  lease.spec.parameters.steps = 4;
  lease.spec.parameters.guidance_interval = {0.2, 0.8};
  const auto sampled = run(lease);
  ASSERT_TRUE(sampled.ok()) << sampled.status();
  EXPECT_EQ(sampled->unet_evaluations, (1 + 2 + 2 + 1) * sampled->tiles);
}

TEST_F(StageExecutorTest, InputsThatCannotBeUsedAreNamedAndNotRetryable) {
  std::ofstream(folder_.path("text.mp4")) << "this is a text, not a video\n";
  std::ofstream(folder_.path("empty.mp4"));
  for (const char* name : {"text.mp4", "empty.mp4"}) {
    const auto result = run(encode(folder_.path(name)));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), StatusCode::kBadInput) << result.status();
    EXPECT_THAT(result.status().message(), HasSubstr(name));
  }
  fs::copy(kPack + "videos/a.mp4", folder_.path("changing.mp4"));
  const auto lease = encode(folder_.path("changing.mp4"));
  std::ofstream(folder_.path("changing.mp4"), std::ios::app) << "more";
  EXPECT_EQ(run(lease).status().code(), StatusCode::kInputChanged);
  auto image = encode();
  image.spec.reference = file_ref(kPack + "config.yaml");
  EXPECT_THAT(run(image).status().message(), HasSubstr("config.yaml"));
}

TEST_F(StageExecutorTest, WhatIsToldOfThePosesIsToldAgainWhereTheLatentsAreReused) {
  auto lease = encode();
  const auto made = run(lease);
  ASSERT_TRUE(made.ok()) << made.status();
  const std::vector<std::string> told = {
      "several persons are found in 2 of 13 frames of the driving video, first in frame 10; cut "
      "the video to "
      "the "
      "one who is meant"};
  EXPECT_EQ(context_->warnings(), told);
  lease.spec.reuse_latents = true;
  const auto reused = run(lease);
  ASSERT_TRUE(reused.ok()) << reused.status();
  EXPECT_TRUE(warm("denoise"));
  EXPECT_EQ(context_->warnings(), told);
}

TEST_F(StageExecutorTest, ModelsThatTheWorkerDoesNotHaveAreRefused) {
  auto lease = encode();
  lease.spec.model_set = sha256("other models");
  EXPECT_EQ(run(lease).status().code(), StatusCode::kNotFound);
}

TEST_F(StageExecutorTest, SamplingStopsAtTheNextStepWhenItIsCancelled) {
  auto lease = encode();
  lease.spec.parameters.steps = 50;
  int last_step = 0;
  on_progress_ = [&](const jobs::TaskProgress& progress) {
    if (progress.stage != "denoise") return;
    last_step = progress.step;
    if (progress.step == 1) context_->cancel();
  };
  EXPECT_EQ(run(lease).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(last_step, 1);
}

// Not when it is over: a clip may be many minutes of sampling.
TEST_F(StageExecutorTest, RunsOfTheUNetAreCountedWhileItSamples) {
  const auto counted = [] {
    const std::string text = worker_->registry.text();
    const std::string name = "\nmimicfleet_unet_evaluations_total ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  };
  auto lease = encode();
  lease.spec.parameters.steps = 3;
  const int before = counted();
  std::vector<int> seen;
  on_progress_ = [&](const jobs::TaskProgress& progress) {
    if (progress.stage == "denoise") seen.push_back(counted() - before);
  };
  const auto encoded = run(lease);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  const int step = 2 * encoded->tiles;  // two passes
  EXPECT_THAT(seen, ElementsAre(0, step, 2 * step, 3 * step));
  EXPECT_EQ(counted() - before, encoded->unet_evaluations);
}

TEST_F(StageExecutorTest, ADecodeThatIsCancelledLeavesNoFile) {
  auto lease = encode();
  lease.spec.output.save_frames = true;
  const auto encoded = run(lease);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  on_progress_ = [&](const jobs::TaskProgress& progress) {
    if (progress.stage == "vae_decode" && progress.step == 0) context_->cancel();
  };
  EXPECT_EQ(run(decode(lease, *encoded)).status().code(), StatusCode::kCancelled);
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
    EXPECT_TRUE(entry.is_directory() || entry.path().filename() == "nonce") << entry.path();
  }
}

// An attempt at the decode of a clip that another attempt has made since, with all that can be
// asked for.
class ZombieTest : public StageExecutorTest {
 protected:
  ZombieTest() {
    auto lease = encode();
    lease.spec.output.save_latents = lease.spec.output.save_frames = true;
    const auto encoded = run(lease);
    EXPECT_TRUE(encoded.ok()) << encoded.status();
    lease_ = decode(lease, *encoded);
    zombie_ = lease_;
    zombie_.attempt = 1;
    zombie_.spec.parameters.crf = 40;  // so that it would make other bytes
  }
  void let_the_winner_win() {
    const auto done = run(lease_);
    ASSERT_TRUE(done.ok()) << done.status();
    won_ = all_files();
    // What the other attempt still has there is its own.
    std::erase_if(won_, [](const auto& file) {
      return file.first.find("/.mimicfleet-") != std::string::npos;
    });
    ASSERT_GE(won_.size(), 13U + 4U);
  }
  // All below the output folder, by name.
  [[nodiscard]] std::map<std::string, FileIdentity> all_files() const {
    std::map<std::string, FileIdentity> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.is_regular_file()) files[entry.path()] = identity_of(entry.path().string()).value();
    }
    return files;
  }

  jobs::LeaseGrant lease_;
  jobs::LeaseGrant zombie_;
  std::map<std::string, FileIdentity> won_;
};

TEST_F(ZombieTest, WhileItDecodesItTouchesNothingOfTheWinners) {
  bool won = false;
  on_progress_ = [&](const jobs::TaskProgress& progress) {
    if (progress.stage != "vae_decode" || progress.step == 0 || std::exchange(won, true)) return;
    auto own = std::move(context_);
    let_the_winner_win();
    context_ = std::move(own);
    context_->cancel();
  };
  EXPECT_EQ(run(zombie_).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(all_files(), won_);
}

TEST_F(ZombieTest, WhatItHasMadeAppearsNowhereOnceItsLeaseIsGivenAway) {
  runner::TaskContext context({zombie_.spec.id, 1}, [](const auto&) {});
  context.confirm_lease(Instant::min());  // nothing is heard of the coordinator
  const auto prepared = worker_->executor.prepare(zombie_, context);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  auto computed = worker_->executor.run(zombie_, **prepared, context);
  ASSERT_TRUE(computed.ok()) << computed.status();
  auto ended = std::async(std::launch::async, [&] { return computed->finish(computed->result); });
  let_the_winner_win();
  context.cancel();
  EXPECT_EQ(ended.get().code(), StatusCode::kCancelled);
  computed->finish = nullptr;
  EXPECT_EQ(all_files(), won_);
}

TEST_F(ZombieTest, AnAttemptWhoseCoordinatorComesBackEndsAsAnyOther) {
  runner::TaskContext context({lease_.spec.id, 2}, [](const auto&) {});
  context.confirm_lease(Instant::min());
  const auto prepared = worker_->executor.prepare(lease_, context);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  auto computed = worker_->executor.run(lease_, **prepared, context);
  ASSERT_TRUE(computed.ok()) << computed.status();
  auto ended = std::async(std::launch::async, [&] { return computed->finish(computed->result); });
  context.confirm_lease(Instant::max());
  const Status status = ended.get();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(computed->result.video->size_bytes, fs::file_size(folder_.path("words/a.mp4")));
  EXPECT_TRUE(fs::exists(folder_.path("_frames/words/a/000012.png")));
}

TEST_F(ZombieTest, LatentsThatAreKeptAreNotReplacedEither) {
  auto lease = encode();
  lease.spec.cache_latents =
      jobs::CachedLatentsTarget{folder_.path(), "_latents/b.safetensors", "0123"};
  ASSERT_TRUE(run(lease).ok());
  const auto before = all_files();
  runner::TaskContext context({lease.spec.id, 1}, [](const auto&) {});
  context.confirm_lease(Instant::min());
  const auto prepared = worker_->executor.prepare(lease, context);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  ASSERT_TRUE(worker_->executor.begin(lease, **prepared, context).ok());
  auto computed = worker_->executor.run(lease, **prepared, context);
  ASSERT_TRUE(computed.ok() && computed->finish) << computed.status();
  auto ended = std::async(std::launch::async, [&] { return computed->finish(computed->result); });
  context.cancel();
  EXPECT_EQ(ended.get().code(), StatusCode::kCancelled);
  EXPECT_EQ(all_files(), before);
}

TEST_F(StageExecutorTest, FewerFramesThanAnEarlierRunsReplaceThemAll) {
  auto lease = encode();
  lease.spec.output.save_frames = true;
  fs::create_directories(folder_.path("_frames/words/a"));
  for (const char* name : {"000000.png", "000099.png", "mine.png"}) {
    std::ofstream(folder_.path("_frames/words/a/") + name) << "old";
  }
  const auto encoded = run(lease);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  ASSERT_TRUE(run(decode(lease, *encoded)).ok());
  EXPECT_GT(fs::file_size(folder_.path("_frames/words/a/000000.png")), 3U);
  EXPECT_FALSE(fs::exists(folder_.path("_frames/words/a/000099.png")));
  EXPECT_TRUE(fs::exists(folder_.path("_frames/words/a/mine.png")));
}

// A program in place of `media` that does something first.
class MediaThat {
 public:
  explicit MediaThat(const std::string& shell_command) {
    const fs::path here = fs::canonical("/proc/self/exe").parent_path();
    const std::string found = fs::exists(here / "media") ? here / "media" : here / "../bin/media";
    const std::string program = folder_.path("media");
    std::ofstream(program) << "#!/bin/sh\n" << shell_command << "\nexec '" << found << "' \"$@\"\n";
    fs::permissions(program, fs::perms::owner_all);
    ::setenv("MIMICFLEET_MEDIA", program.c_str(), 1);
  }
  ~MediaThat() { ::unsetenv("MIMICFLEET_MEDIA"); }

 private:
  TemporaryFolder folder_;
};

TEST_F(StageExecutorTest, AReferenceImageThatIsReplacedWhileItIsReadIsNotUsed) {
  const std::string reference = folder_.path("ref.png");
  fs::copy(kPack + "ref.png", reference);
  fs::copy(kPack + "ref.png", folder_.path("other.png"));
  auto lease = encode();
  lease.spec.reference = file_ref(reference);
  lease.spec.features.use = false;
  const MediaThat replaces("mv -f '" + folder_.path("other.png") + "' '" + reference + "'");
  const auto result = run(lease);
  EXPECT_EQ(result.status().code(), StatusCode::kInputChanged) << result.status();
  EXPECT_THAT(result.status().message(), HasSubstr("ref.png: was replaced"));
}

TEST_F(StageExecutorTest, AnAttemptThatIsCancelledDoesNotWaitForADecoderThatHangs) {
  auto lease = encode();
  lease.spec.features.use = false;
  const MediaThat hangs("exec sleep 600");
  runner::TaskContext context({lease.spec.id, 1}, [](const auto&) {});
  auto prepared = std::async(std::launch::async,
                             [&] { return worker_->executor.prepare(lease, context).status(); });
  context.cancel();
  EXPECT_FALSE(prepared.get().ok());
}

TEST_F(StageExecutorTest, AReferenceInTheCacheThatCannotBeUnderstoodIsMadeAgain) {
  const auto lease = encode();
  const auto made = run(lease);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto key = jobs::feature_keys(lease.spec.video.digest, lease.spec.reference.digest,
                                      lease.models, lease.spec.parameters)
                       .reference_image;
  Worker worker({}, [&](const std::string& features) {
    const auto cache =
        cache::FeatureCache::open({features}, {"cpu", worker_->ready.numerics.name()}, nullptr);
    ASSERT_TRUE(cache.ok()) << cache.status();
    ASSERT_TRUE((*cache)->put(jobs::FeatureKind::kReferenceImage, key, {"no tensors at all", 1}));
  });
  const auto again = run(lease, worker.executor);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->latents->content, made->latents->content);
  EXPECT_THAT(context_->features(),
              ::testing::Contains(
                  ::testing::Field(&jobs::FeatureUse::outcome, jobs::FeatureOutcome::kDamaged)));
}

TEST_F(StageExecutorTest, AnOutputFolderThatIsNotSharedIsRefusedBeforeAnythingIsComputed) {
  auto lease = encode();
  const auto encoded = run(lease);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  auto elsewhere = decode(lease, *encoded);
  elsewhere.spec.output.nonce = "another";
  EXPECT_EQ(run(elsewhere).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(StageExecutorTest, LatentsThatNobodyHasAreReportedAsLost) {
  auto lease = encode();
  jobs::TaskResult made;
  made.latents = jobs::ArtefactRef{lease.spec.key, sha256("gone"), 100, {}};
  EXPECT_EQ(run(decode(lease, made)).status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(context_->lost_inputs(), ElementsAre(sha256("gone")));
}

}  // namespace
}  // namespace mimicfleet::stages
