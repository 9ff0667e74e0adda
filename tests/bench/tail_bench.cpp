// What one clip waits for outside the models: `./dev bench tail`. On the CPU, without models.
//   tail          from the last chunk of frames, of which one comes every 120 ms as from a GPU, to
//   the end of
//                 the file: the encoder's last frames, index, disk, digest
//   first_frames  from a video's opening until its first 32 frames are there; all_frames: until all
//   are
//   ..._spare     the same with processes that wait, as a worker on a GPU has them
// MIMICFLEET_BENCH_WIDTH, _HEIGHT, _CHUNK_MS and _CLIP set size, pace and video.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "common/av/media_child.h"
#include "common/av/video_writer.h"
#include "common/digest.h"
#include "tests/paths.h"
#include "worker/stages/frame_stream.h"

namespace mimicfleet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kFrames = 72;
constexpr std::size_t kChunk = 8;
constexpr std::size_t kFirst = 32;
constexpr std::size_t kBudget = 256 << 20;

std::string setting(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A value between -1 and 1 that looks like chance.
double chance(std::uint64_t number) {
  number = (number ^ (number >> 31)) * 0x9e3779b97f4a7c15U;
  number = (number ^ (number >> 29)) * 0xbf58476d1ce4e5b9U;
  return static_cast<double>(number >> 40) / (1 << 23) - 1;
}

struct Spots {
  double size, amplitude, pace;
};
constexpr std::array kSpots = {Spots{64, 40, 0.05}, Spots{9, 16, 0.11}};
constexpr double kGrain = 2.5;

// Spots of two sizes that change slowly, and grain: as models with random weights paint.
av::Image painted(int width, int height, std::size_t time) {
  av::Image image{width, height, std::vector<std::uint8_t>(av::Image::bytes(width, height))};
  const auto wave = [time](const Spots& spots, int place, double shift) {
    return std::sin(place / spots.size + spots.pace * static_cast<double>(time) + shift);
  };
  std::vector<std::array<double, 3 * kSpots.size()>> across(static_cast<std::size_t>(width));
  for (int x = 0; x < width; ++x) {
    for (std::size_t i = 0; i < across[0].size(); ++i) {
      across[static_cast<std::size_t>(x)][i] = wave(kSpots[i / 3], x, static_cast<double>(i % 3));
    }
  }
  std::uint64_t number = std::uint64_t{time} << 40;
  auto* pixel = image.pixels.data();
  for (int y = 0; y < height; ++y) {
    const std::array down = {kSpots[0].amplitude * wave(kSpots[0], -y, 1),
                             kSpots[1].amplitude * wave(kSpots[1], -y, 1)};
    for (const auto& waves : across) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const double value = 128 + kGrain * chance(++number) + down[0] * waves[channel] +
                             down[1] * waves[3 + channel];
        *pixel++ = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
  return image;
}

void tail(benchmark::State& state) {
  const int width = std::stoi(setting("MIMICFLEET_BENCH_WIDTH", "576"));
  const int height = std::stoi(setting("MIMICFLEET_BENCH_HEIGHT", "1024"));
  const std::chrono::milliseconds pace(std::stoi(setting("MIMICFLEET_BENCH_CHUNK_MS", "120")));
  std::vector<av::Image> frames;
  for (std::size_t i = 0; i < kFrames; ++i) frames.push_back(painted(width, height, i));
  const std::string path =
      (std::filesystem::temp_directory_path() / "mimicfleet_tail_bench.mp4").string();
  for (auto _ : state) {
    auto writer = av::VideoWriter::create(path, {.width = width, .height = height}).value();
    double in_write = 0;
    auto last_chunk = Clock::now();
    const auto begin = Clock::now() + pace;  // the first chunk is computed while the encoder starts
    for (std::size_t i = 0; i < frames.size(); ++i) {
      if (i % kChunk == 0) {
        std::this_thread::sleep_until(begin + static_cast<int>(i / kChunk) * pace);
        last_chunk = Clock::now();
      }
      const auto before = Clock::now();
      if (!writer.write(frames[i]).ok()) return state.SkipWithError("a frame cannot be written");
      in_write += seconds_since(before);
    }
    const auto flush = Clock::now();
    if (!writer.finish().ok()) return state.SkipWithError("the video cannot be ended");
    const auto written = Clock::now();
    benchmark::DoNotOptimize(sha256_file(path).value());
    state.SetIterationTime(seconds_since(last_chunk));
    state.counters["write_ms"] = 1000 * in_write;
    state.counters["finish_ms"] = 1000 * std::chrono::duration<double>(written - flush).count();
    state.counters["digest_ms"] = 1000 * seconds_since(written);
    state.counters["bytes"] = static_cast<double>(std::filesystem::file_size(path));
  }
  std::filesystem::remove(path);
}

std::string clip() {
  return setting("MIMICFLEET_BENCH_CLIP", source_path("tools/bench/data/portrait.mp4"));
}

void decode(benchmark::State& state, std::size_t most) {
  const std::string path = clip();
  std::size_t count = 0;
  for (auto _ : state) {
    auto stream = stages::FrameStream::open(StableFile::open(path).value(), 1, kBudget).value();
    for (count = 0; count < most;) {
      const auto frames = stream->next(kFirst, [] { return false; }).value();
      if (frames.empty()) break;
      count += frames.size();
    }
  }
  state.counters["frames"] = static_cast<double>(count);
}

void first_frames(benchmark::State& state) { decode(state, kFirst); }
void all_frames(benchmark::State& state) { decode(state, std::size_t{1} << 30); }

void first_frames_spare(benchmark::State& state) {
  av::keep_spare_media(3);
  benchmark::DoNotOptimize(
      av::count_frames(clip()).value());  // by one of them: now the others are ready, too
  decode(state, kFirst);
  av::keep_spare_media(0);
}

BENCHMARK(tail)->Unit(benchmark::kMillisecond)->UseManualTime()->Iterations(3);
BENCHMARK(first_frames)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(first_frames_spare)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(all_frames)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace mimicfleet

BENCHMARK_MAIN();
