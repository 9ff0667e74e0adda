#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/av/image.h"
#include "tests/e2e/fleet_test_base.h"
#include "tests/quality/detectors.h"

// What the shipped models make of characters that their training never saw, through the built
// programs. The bounds lie below what was measured when the models were shipped
// (docs/benchmarks.md), by more than another machine's rounding can cost; tools/puppet/evaluate
// measures the same on more characters.
namespace mimicfleet::quality {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::Gt;
using testing::SizeIs;

constexpr std::array kSubjects = {"held_out_00", "held_out_01"};
constexpr int kFrames = 12;

std::string data(const std::string& file) { return source_path("tests/quality/data/" + file); }
std::string shipped_models() { return source_path("models/puppet"); }

av::Image image(const std::string& path) {
  auto result = av::read_image(path);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? std::move(result).value() : av::Image{};
}

// Column `index` of frames that lie side by side.
av::Image part(const av::Image& strip, int index, int width) {
  av::Image cut{width, strip.height, {}};
  for (int y = 0; y < strip.height; ++y) {
    const auto begin =
        strip.pixels.begin() + (static_cast<std::ptrdiff_t>(y) * strip.width + index * width) * 3;
    cut.pixels.insert(cut.pixels.end(), begin, begin + width * 3);
  }
  return cut;
}

// dB; `counts(i)` chooses among the values.
template <typename Counts>
double psnr(const av::Image& made, const av::Image& truth, Counts counts) {
  double sum = 0;
  double count = 0;
  for (std::size_t i = 0; i < truth.pixels.size(); ++i) {
    if (!counts(i)) continue;
    const double error = (static_cast<double>(made.pixels[i]) - truth.pixels[i]) / 255;
    sum += error * error;
    ++count;
  }
  return -10 * std::log10(std::max(sum / std::max(count, 1.0), 1e-10));
}

// Whether the pixel of value `i` differs from the reference image by more than a tenth of the
// range.
bool moved(const av::Image& truth, const av::Image& still, std::size_t i) {
  constexpr int kTenth = 25;
  const std::size_t pixel = i / 3 * 3;
  for (std::size_t c = pixel; c < pixel + 3; ++c) {
    if (std::abs(int{truth.pixels[c]} - int{still.pixels[c]}) > kTenth) return true;
  }
  return false;
}

struct Figures {
  double whole = 0;          // dB, mean over frames
  double moving_pixels = 0;  // dB on pixels that differ from the reference
  double repeated = 0;       // dB of showing the reference again
};

class QualityTest : public e2e::FleetTest {
 protected:
  QualityTest() { ::setenv("MIMICFLEET_MEDIA", program("media").c_str(), 1); }

  fs::path make_videos(const Words& settings) {
    std::ofstream manifest(scratch_ / "clips.csv");
    manifest << "video,ref_image,output\n";
    for (const std::string name : kSubjects) {
      manifest << fmt::format("{},{},{}\n", data(name + ".mp4"), data(name + ".png"), name);
    }
    manifest.close();
    Words words = {
        "submit",   scratch_ / "clips.csv", "--server",     "embedded",       "--device",     "cpu",
        "--models", shipped_models(),       "--output-dir", scratch_ / "out", "--save-frames"};
    words.insert(words.end(), settings.begin(), settings.end());
    const e2e::Outcome outcome = coordinator(words, e2e::Seconds(900));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return scratch_ / "out" / "_frames";
  }

  // Beside the truth lies the reference image in its size: the trivial answer.
  static Figures compare(const fs::path& frames, const std::string& name) {
    const av::Image strip = image(data(name + "_truth.png"));
    const av::Image still = image(data(name + "_rest.png"));
    Figures mean;
    for (int t = 0; t < kFrames; ++t) {
      const av::Image truth = part(strip, t, still.width);
      const av::Image made = image(frames / name / fmt::format("{:06}.png", t));
      if (made.pixels.size() != truth.pixels.size() || truth.pixels.size() != still.pixels.size()) {
        ADD_FAILURE() << name << ": frame " << t << " has another size than the truth";
        return {};
      }
      const auto all = [](std::size_t) { return true; };
      mean.whole += psnr(made, truth, all) / kFrames;
      mean.repeated += psnr(still, truth, all) / kFrames;
      mean.moving_pixels +=
          psnr(made, truth, [&](std::size_t i) { return moved(truth, still, i); }) / kFrames;
    }
    return mean;
  }
};

TEST_F(QualityTest, GeneratedFramesAreNearerToTheTruthThanTheReferenceImage) {
  const fs::path frames = make_videos({"--steps", "12"});
  for (const std::string name : kSubjects) {
    const Figures figures = compare(frames, name);
    fmt::print("{}: {:.2f} dB, moving pixels {:.2f} dB, repeated reference {:.2f} dB\n", name,
               figures.whole, figures.moving_pixels, figures.repeated);
    EXPECT_THAT(figures.whole, AllOf(Gt(26.0), Gt(figures.repeated + 2.5))) << name;
    EXPECT_THAT(figures.moving_pixels, Gt(19.0)) << name;
  }
}

struct Hits {
  int near = 0;
  int all = 0;
  [[nodiscard]] double share() const { return static_cast<double>(near) / all; }
};

// Counts the visible points `first` … `last` that lie within a twentieth of the box's longer side.
void count(const pose::PersonKeypoints& person, const json& truth, std::size_t frame,
           std::size_t first, std::size_t last, Hits& hits) {
  const auto& box = truth["boxes"][frame];
  const double reach = 0.05 * std::max(box[2].get<double>() - box[0].get<double>(),
                                       box[3].get<double>() - box[1].get<double>());
  for (std::size_t i = first; i <= last; ++i) {
    if (!truth["seen"][frame][i].get<bool>()) continue;
    const auto& point = truth["points"][frame][i];
    const double distance = std::hypot(person.points[i].x - point[0].get<double>(),
                                       person.points[i].y - point[1].get<double>());
    hits.near += distance <= reach ? 1 : 0;
    ++hits.all;
  }
}

TEST_F(QualityTest, TheDetectorsFindOnePersonAndItsBodyAndHands) {
  Hits body;
  Hits hands;
  for (const std::string name : kSubjects) {
    const auto report = look_at(shipped_models(), data(name + ".mp4"));
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_THAT(report->frames, SizeIs(kFrames));
    const json truth = json::parse(bytes(data(name + "_truth.json")));
    for (std::size_t t = 0; t < report->frames.size(); ++t) {
      EXPECT_THAT(report->frames[t].boxes, SizeIs(1)) << name << ", frame " << t;
      count(report->frames[t].person, truth, t, 0, 10, body);
      count(report->frames[t].person, truth, t, 91, 132, hands);
    }
  }
  fmt::print("body {:.3f}, hands {:.3f}\n", body.share(), hands.share());
  EXPECT_THAT(body.share(), Gt(0.96));
  EXPECT_THAT(hands.share(), Gt(0.90));
}

}  // namespace
}  // namespace mimicfleet::quality
