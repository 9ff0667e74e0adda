#include "worker/stage_series.h"

namespace mimicfleet::worker {
namespace {

// One picture through one net, or a look at the cache: milliseconds on a GPU, seconds on a CPU.
const std::vector<double> kSmall = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                    0.25,  0.5,    1,     2.5,  5,     10};
// Decoding and poses: a third of a second on a GPU, a minute on a CPU.
const std::vector<double> kPerClip = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                      2.5,  5,     10,   25,  60,   120, 300};
// Files and bytes.
const std::vector<double> kTransfer = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60};
const std::vector<double> kLoad = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300};
// Steps of at most a half from 2 to 60 s, where a clip on a GPU lies (docs/benchmarks.md: 3.8, 7.5
// and 47 s).
const std::vector<double> kSampling = {0.1, 0.25, 0.5, 1,  2,  3,  4,  5,   6,   7,   8,
                                       10,  14,   20,  28, 40, 50, 60, 120, 300, 600, 1800};
const std::vector<double> kDecoding = {0.05, 0.1, 0.25, 0.5, 0.75, 1,  1.5, 2,
                                       3,    5,   10,   20,  40,   60, 120, 300};

}  // namespace

const std::vector<StageSeries>& stage_series() {
  static const std::vector<StageSeries> series = {
      {"transfer", true, false, kTransfer},  // warm: the store had the latents
      {"load", true, false, kLoad},          // warm: the models were there
      {"preprocess", true, true, kPerClip},  //
      {"clip", true, true, kSmall},          //
      {"vae_encode", true, true, kSmall},    //
      {"draw", false, false, kSmall},        //
      {"pose_net", false, false, kSmall},    //
      {"denoise", true, false, kSampling},   // warm: somebody made the same latents before
      {"vae_decode", false, false, kDecoding},
      {"mux", false, false, kPerClip},
  };
  return series;
}

}  // namespace mimicfleet::worker
