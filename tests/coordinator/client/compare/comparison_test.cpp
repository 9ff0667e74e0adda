#include "coordinator/client/compare/comparison.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/read_text.h"
#include "common/json/json.h"
#include "common/media/video_writer.h"
#include "common/wire/codec.h"
#include "jobs/record_json.h"
#include "tests/coordinator/client/clip.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Two variants of two clips, as workers would have left them.
class Comparing : public ::testing::Test {
 protected:
  Comparing() {
    variants_.resize(2);
    variants_[0].name = "full";
    variants_[1].name = "fast";
    for (const char* clip : {"x/a", "b"}) add("full", clip, 25, 2, 10, 100);
    for (const char* clip : {"x/a", "b"}) add("fast", clip, 4, 1, 1, 110);
  }

  // A clip of two tiles.
  void add(const std::string& variant, const std::string& clip, int steps, double guidance,
           double seconds, std::uint8_t grey) {
    PlannedClip planned;
    planned.plan = clip_in(folder_.path(), variant + "/" + clip);
    planned.plan.parameters.steps = steps;
    planned.plan.parameters.guidance_scale = guidance;
    auto record = finish_clip(folder_, planned.plan, "to be replaced");
    record.stages = {{"load", 100, false}, {"denoise", seconds, false}};
    record.unet_evaluations = static_cast<std::int64_t>(steps) * 2 * (guidance > 1 ? 2 : 1);
    record.tiles = 2;
    put(folder_, planned.plan.output.relative + ".json", jobs::record_text(record));
    auto writer = media::VideoWriter::create(folder_ / (planned.plan.output.relative + ".mp4"),
                                             {64, 64, {15, 1}, 0});
    media::Image frame{64, 64, std::vector<std::uint8_t>(media::Image::bytes(64, 64), grey)};
    EXPECT_TRUE(writer.ok() && writer->write(std::move(frame)).ok() && writer->finish().ok());
    plan_.clips.push_back(std::move(planned));
  }

  Result<ComparisonReport> report(const QualityGates& gates = {}) {
    return compare_outputs(plan_, variants_, folder_.path(), gates);
  }

  TemporaryFolder folder_;
  RunPlan plan_;
  std::vector<Variant> variants_;
};

TEST_F(Comparing, EveryVariantIsHeldAgainstTheFirst) {
  const auto made = report();
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_THAT(made->variants, SizeIs(2));
  const auto& full = made->variants[0];
  const auto& fast = made->variants[1];
  EXPECT_EQ(full.psnr_db, 100);
  EXPECT_EQ(full.ssim, 1);
  EXPECT_NEAR(fast.psnr_db, 28.1, 1.2);  // of a difference of 10, which 8-bit YUV may make 9
  EXPECT_LT(fast.ssim, 1);
  EXPECT_EQ(full.sampling_seconds, 20);
  EXPECT_EQ(fast.sampling_ratio, 10);
  EXPECT_EQ(full.unet_evaluations, 200);
  EXPECT_EQ(full.unet_evaluations_per_tile, 50);
  EXPECT_EQ(fast.unet_evaluations_per_tile, 4);
  const wire::Value told = wire::to_value(fast);
  EXPECT_EQ(json::to_text(*told.find("steps")), "4");
  EXPECT_EQ(json::to_text(*told.find("scheduler")), "\"euler\"");
  EXPECT_EQ(json::to_text(*told.find("guidance_interval")), "\"0:1\"");
  EXPECT_EQ(told.find("crf"), nullptr);
  EXPECT_EQ(fast.clips.at(0).name, "x/a");
  EXPECT_THAT(made->warnings, SizeIs(0));
  EXPECT_TRUE(made->passed());
}

TEST_F(Comparing, AGateThatOneVariantMissesIsMissed) {
  EXPECT_TRUE(report({20, 0.9})->passed());
  EXPECT_FALSE(report({40, -1})->passed());
  EXPECT_FALSE(report({0, 0.9999})->passed());
}

TEST_F(Comparing, TimesOfDifferentMachinesAreWarnedOf) {
  auto record = *jobs::read_record(*read_text(folder_ / "fast/b.json", 1 << 20));
  record.numerics.threads = 64;
  put(folder_, "fast/b.json", jobs::record_text(record));
  EXPECT_THAT(report()->warnings, ElementsAre(HasSubstr("their seconds do not compare")));
}

TEST_F(Comparing, SideBySideConcatenatedVideosAreMadeOfTheFirstClips) {
  auto made = report();
  ASSERT_TRUE(made.ok()) << made.status();
  const Status written = make_side_by_side(*made, 1);
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_THAT(made->side_by_side, ElementsAre("_compare/x/a.mp4"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "_compare/x/a.mp4"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
