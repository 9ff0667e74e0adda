#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/av/child/libav.h"

namespace mimicfleet::av::child {

enum class Transfer { kNormal, kPq, kHlg };  // kNormal: of SDR, or unknown

// What the frame's tag says, or where it has none, that of its stream.
[[nodiscard]] Transfer transfer_of(const AVCodecParameters& stream, const AVFrame* frame);

// Brightest spot that the metadata of an HDR frame promise, in cd/m2; 0: they do not say.
[[nodiscard]] double peak_of(const AVFrame& frame);

// HDR to the tones of a normal screen: its white, 203 cd/m2 of HDR (ITU-R BT.2408), is 255. What is
// brighter than that is bent down (the curve of BT.2390), what is darker than about 90 cd/m2 stays,
// colours that BT.709 lacks are clipped.
class ToneMapper {
 public:
  // `peak`: in cd/m2; 0: 1000. `wide`: the primaries are BT.2020's.
  ToneMapper(Transfer transfer, double peak, bool wide);

  // RGB48 of full range into RGB24 of the same size.
  void map(const AVFrame& hdr, AVFrame& sdr) const;

  static constexpr double kUsualPeak = 1000;

 private:
  static constexpr std::size_t kSteps = 4096;  // of square roots of light, from 0 to the peak's
  using Light = std::array<float, 3>;          // 1 is the peak

  [[nodiscard]] Light light_of(const std::uint16_t* code) const;
  void show(Light light, std::uint8_t* rgb) const;

  bool is_hlg_;
  bool wide_;
  std::vector<float> light_of_code_;         // [65536]
  std::vector<float> gain_;                  // by the brightest channel [kSteps + 1]
  std::vector<std::uint8_t> code_of_light_;  // 1 is white [kSteps + 1]
};

}  // namespace mimicfleet::av::child
