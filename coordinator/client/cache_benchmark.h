#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jobs/client_messages.h"
#include "jobs/ledger.h"

namespace mimicfleet::coordinator {

// One pass of `submit --benchmark-cache`: the same clips made with the features made anew (cold),
// or taken from the cache (warm). Seconds are sums over all clips; loading the models is in none of
// them.
struct BenchmarkPass {
  double preprocess_seconds =
      0;                    // decode, detect, prepare the reference image: what the cache can save
  double draw_seconds = 0;  // the pose pictures, which are drawn every time
  double pipeline_seconds = 0;  // CLIP, VAE, PoseNet, UNet
  double total_seconds = 0;     // all of that and writing
  double load_seconds = 0;
  jobs::Ledger ledger;
  std::map<std::string, std::string> outputs;  // clip -> SHA-256 of its MP4
  std::map<std::string, std::string> errors;   // clip -> why it was not made

  // `clip`: the name of the task's clip.
  void add(const std::string& clip, const jobs::TaskInfo& task);

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("preprocess_seconds", self.preprocess_seconds);
    field("draw_seconds", self.draw_seconds);
    field("pipeline_seconds", self.pipeline_seconds);
    field("total_seconds", self.total_seconds);
    field("load_seconds", self.load_seconds);
    field("outputs", self.outputs);
    field("errors", self.errors);
    jobs::Ledger::fields(self.ledger, field);
  }
};

struct CacheBenchmark {
  BenchmarkPass cold;
  BenchmarkPass warm;
  std::map<std::string, double> speed_up;  // cold / warm of preprocess, draw, pipeline, total
  bool same_outputs = false;
  std::vector<std::string> different;  // clips whose MP4s are not equal to the byte

  // Fills what follows from the passes.
  void compare();
  [[nodiscard]] bool complete() const;  // every clip was made in both passes

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("cold", self.cold);
    field("warm", self.warm);
    field("speed_up", self.speed_up);
    field("same_outputs", self.same_outputs);
    field("different", self.different);
  }
};

// Both passes side by side: seconds and speed-ups, hits by kind, what was computed, whether the
// outputs are equal.
[[nodiscard]] std::string benchmark_table(const CacheBenchmark& benchmark);

}  // namespace mimicfleet::coordinator
