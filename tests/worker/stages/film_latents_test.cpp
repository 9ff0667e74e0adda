#include "worker/stages/film_latents.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/models/svd/decode.h"

namespace mimicfleet::stages {
namespace {

using jobs::FilmClip;
using jobs::Joining;
using ::testing::ElementsAre;

// A clip whose frames are all first, first + 1, …
at::Tensor clip(int frames, double first) {
  at::Tensor values = at::arange(first, first + frames, at::kFloat).view({1, frames, 1, 1, 1});
  return values.expand({1, frames, 4, 2, 2}).to(at::kHalf).contiguous();
}

Joining joining(int interp, int crossfade, jobs::DropReference drop = jobs::DropReference::kFirst) {
  jobs::Parameters parameters;
  parameters.interp_frames = interp;
  parameters.crossfade_frames = crossfade;
  parameters.drop_reference = drop;
  return Joining(parameters);
}

std::vector<FilmClip> clips_of(const std::vector<at::Tensor>& latents) {
  std::vector<FilmClip> clips;
  for (const auto& frames : latents)
    clips.push_back({std::to_string(clips.size()), frames.size(1)});
  return clips;
}

// All of a film, read `count` frames at a time.
at::Tensor read(const std::vector<at::Tensor>& clips, const Joining& how, std::int64_t count = 5) {
  FilmLatents film(clips_of(clips), how,
                   [&](std::size_t i) -> Result<at::Tensor> { return clips[i]; });
  std::vector<at::Tensor> parts;
  for (;;) {
    const auto part = film.next(count);
    EXPECT_TRUE(part.ok()) << part.status();
    if (!part.ok() || !part->defined()) break;
    parts.push_back(*part);
  }
  return at::cat(parts, 1);
}

std::vector<float> first_values(const at::Tensor& film) {
  const at::Tensor values =
      film.select(4, 0).select(3, 0).select(2, 0)[0].to(at::kFloat).contiguous();
  return {values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel()};
}

TEST(FilmLatents, AreTheOriginalsToTheBit) {
  const Golden golden("concat");
  const std::vector<at::Tensor> clips = {golden["video0.latents_f16_values"].to(at::kHalf),
                                         golden["video1.latents_f16_values"].to(at::kHalf)};
  EXPECT_TRUE(golden.is_equal("concat", read(clips, joining(0, 0)).to(at::kFloat)));
  EXPECT_TRUE(golden.is_equal("concat_interp3", read(clips, joining(3, 0)).to(at::kFloat)));
}

TEST(FilmLatents, DecodedTheyAreTheOriginalsFrames) {
  const Golden golden("concat");
  const std::vector<at::Tensor> clips = {golden["video0.latents_f16_values"].to(at::kHalf),
                                         golden["video1.latents_f16_values"].to(at::kHalf)};
  for (const std::string name : {"frames_interp0", "frames_interp3"}) {
    FilmLatents film(clips_of(clips), joining(name.ends_with('3') ? 3 : 0, 0),
                     [&](std::size_t i) -> Result<at::Tensor> { return clips[i]; });
    std::vector<at::Tensor> chunks;
    const Status decoded = svd::decode_supply(
        golden_models(), [&](std::int64_t count) { return film.next(count); },
        std::stoi(golden.metadata("decode_chunk_size")),
        [&](const at::Tensor& frames) {
          chunks.push_back(frames);
          return Status();
        });
    ASSERT_TRUE(decoded.ok()) << decoded;
    const at::Tensor frames = at::cat(chunks);
    EXPECT_EQ(frames.size(0), std::stoi(golden.metadata("frame_count_keep_on_" + name.substr(7))));
    expect_golden_frames(golden, name + "_keep_u8", frames.index_select(0, golden[name + "_index"]),
                         "of the original's latents: ");
  }
}

TEST(FilmLatents, AreTheSameInPiecesOfAnySize) {
  const std::vector<at::Tensor> clips = {clip(3, 0), clip(4, 10), clip(2, 20)};
  const at::Tensor whole = read(clips, joining(2, 0), 100);
  EXPECT_EQ(whole.size(1), 13);
  for (const int count : {1, 2, 3, 8})
    EXPECT_TRUE(read(clips, joining(2, 0), count).equal(whole)) << count;
}

TEST(FilmLatents, InterpolatedFramesDivideTheWayEvenly) {
  EXPECT_THAT(first_values(read({clip(2, 0), clip(2, 5)}, joining(3, 0))),
              ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST(FilmLatents, ReferencesOfLaterClipsAreLeftOutBeforeJoining) {
  EXPECT_THAT(
      first_values(read({clip(2, 0), clip(3, 4)}, joining(1, 0, jobs::DropReference::kEach))),
      ElementsAre(0, 1, 3, 5, 6));
}

TEST(FilmLatents, ACrossFadeMakesTheEndOfOneClipAndTheBeginningOfTheNextOne) {
  // 2 of 0 1 2 3 meet 2 of 10 11 12: 2 -> 10 by a third, 3 -> 11 by two thirds.
  const auto values = first_values(read({clip(4, 0), clip(3, 10), clip(4, 20)}, joining(0, 1), 2));
  EXPECT_THAT(values, ElementsAre(0, 1, 2, 6.5, 11, 16, 21, 22, 23));
  const auto two = first_values(read({clip(4, 0), clip(3, 10)}, joining(0, 2)));
  ASSERT_EQ(two.size(), 5U);
  EXPECT_NEAR(two[2], 2 + 8.0 / 3, 0.01);
  EXPECT_NEAR(two[3], 3 + 16.0 / 3, 0.01);
  EXPECT_EQ(two[4], 12);
}

TEST(FilmLatents, TheirNumberIsKnownBefore) {
  for (const auto& how :
       {joining(0, 0), joining(3, 0), joining(0, 2), joining(2, 0, jobs::DropReference::kEach)}) {
    const std::vector<at::Tensor> clips = {clip(5, 0), clip(6, 9), clip(7, 20)};
    EXPECT_EQ(how.film_frames(clips_of(clips)).value_or(0), read(clips, how).size(1));
  }
}

TEST(FilmLatents, AClipThatIsTooShortForItsCrossFadesIsNamedBeforeAnyIsRead) {
  const std::vector<FilmClip> clips = {{"a", 8}, {"b", 5}, {"c", 8}};
  bool loaded = false;
  FilmLatents film(clips, joining(0, 3), [&](std::size_t i) -> Result<at::Tensor> {
    loaded = true;
    return clip(static_cast<int>(clips[i].frames), 0);
  });
  const Status status = film.next(8).status();
  EXPECT_EQ(status.message(),
            "b: its 5 frames are too few for --crossfade-frames 3 at both ends; give at most 2");
  EXPECT_FALSE(loaded);
}

TEST(FilmLatents, AClipThatCannotBeReadEndsTheFilm) {
  FilmLatents film({{"a", 4}, {"b", 4}}, joining(0, 0), [](std::size_t i) -> Result<at::Tensor> {
    if (i == 1) return Status(StatusCode::kUnavailable, "gone");
    return clip(4, 0);
  });
  EXPECT_EQ(film.next(4)->size(1), 4);
  EXPECT_EQ(film.next(4).status().message(), "gone");
}

TEST(Blend, SlerpKeepsTheLengthAndTurnsEvenly) {
  const at::Tensor x = at::zeros({1, 1, 4, 1, 1});
  const at::Tensor y = at::zeros({1, 1, 4, 1, 1});
  x[0][0][0] = 2;
  y[0][0][1] = 2;
  for (const double alpha : {0.0, 0.25, 0.5, 1.0}) {
    const at::Tensor frame = blend(x, y, alpha, jobs::InterpMode::kSlerp);
    EXPECT_NEAR(at::linalg_vector_norm(frame).item<double>(), 2, 1e-5);
    EXPECT_NEAR(frame[0][0][1][0][0].item<double>(), 2 * std::sin(alpha * M_PI / 2), 1e-5);
  }
  EXPECT_NEAR(at::linalg_vector_norm(blend(x, y, 0.5, jobs::InterpMode::kLinear)).item<double>(),
              std::sqrt(2), 1e-5);
}

TEST(Blend, SlerpOfFramesThatPointTheSameOrTheOppositeWayIsFinite) {
  const at::Tensor x = at::full({1, 1, 4, 1, 1}, 3.0).to(at::kHalf);
  EXPECT_TRUE(blend(x, x, 0.5, jobs::InterpMode::kSlerp).equal(x));
  EXPECT_TRUE(blend(x, -x, 0.5, jobs::InterpMode::kSlerp).eq(0).all().item<bool>());
  EXPECT_TRUE(blend(x * 0, x, 0.5, jobs::InterpMode::kSlerp).eq(1.5).all().item<bool>());
}

}  // namespace
}  // namespace mimicfleet::stages
