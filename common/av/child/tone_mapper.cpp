#include "common/av/child/tone_mapper.h"

#include <algorithm>
#include <cmath>

extern "C" {
#include <libavutil/mastering_display_metadata.h>
}

namespace mimicfleet::av::child {
namespace {

constexpr double kWhite = 203;         // cd/m2 of HDR that are white on a normal screen
constexpr double kBrightest = 10'000;  // that PQ has
constexpr double kGamma = 2.4;         // of a normal screen (BT.1886)
constexpr std::size_t kCodes = 65536;

// SMPTE ST 2084.
constexpr double kM1 = 2610.0 / 16384;
constexpr double kM2 = 2523.0 / 4096 * 128;
constexpr double kC1 = 3424.0 / 4096;
constexpr double kC2 = 2413.0 / 4096 * 32;
constexpr double kC3 = 2392.0 / 4096 * 32;

double pq_light(double code) {  // cd/m2
  const double power = std::pow(code, 1 / kM2);
  return kBrightest * std::pow(std::max(power - kC1, 0.0) / (kC2 - kC3 * power), 1 / kM1);
}

double pq_code(double light) {
  const double power = std::pow(light / kBrightest, kM1);
  return std::pow((kC1 + kC2 * power) / (1 + kC3 * power), kM2);
}

// ARIB STD-B67: light of the scene, 0 to 1.
double hlg_light(double code) {
  constexpr double kA = 0.17883277;
  constexpr double kB = 1 - 4 * kA;
  const double c = 0.5 - kA * std::log(4 * kA);
  return code <= 0.5 ? code * code / 3 : (std::exp((code - c) / kA) + kB) / 12;
}

// BT.2390's curve for a source of this peak: cd/m2 to cd/m2, white at most.
double bend(double light, double peak) {
  if (peak <= kWhite) return std::min(light, kWhite);
  const double source = pq_code(peak);
  const double white = pq_code(kWhite) / source;
  const double knee = 1.5 * white - 0.5;
  const double code = std::min(pq_code(light) / source, 1.0);
  if (code < knee) return light;
  const double t = (code - knee) / (1 - knee);
  const double t2 = t * t;
  const double t3 = t2 * t;
  const double bent =
      (2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) + (-2 * t3 + 3 * t2) * white;
  return std::min(pq_light(bent * source), kWhite);
}

std::size_t step_of(float light, std::size_t steps) {
  return static_cast<std::size_t>(
      std::sqrt(std::clamp(light, 0.0F, 1.0F)) * static_cast<float>(steps) + 0.5F);
}

}  // namespace

Transfer transfer_of(const AVCodecParameters& stream, const AVFrame* frame) {
  int transfer = frame == nullptr ? AVCOL_TRC_UNSPECIFIED : as_number(frame->color_trc);
  if (transfer == AVCOL_TRC_UNSPECIFIED) transfer = as_number(stream.color_trc);
  if (transfer == AVCOL_TRC_SMPTE2084) return Transfer::kPq;
  return transfer == AVCOL_TRC_ARIB_STD_B67 ? Transfer::kHlg : Transfer::kNormal;
}

double peak_of(const AVFrame& frame) {
  const AVFrameSideData* light = av_frame_get_side_data(&frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
  if (light != nullptr && light->size >= sizeof(AVContentLightMetadata)) {
    const auto brightest = reinterpret_cast<const AVContentLightMetadata*>(light->data)->MaxCLL;
    if (brightest > 0) return brightest;
  }
  const AVFrameSideData* display =
      av_frame_get_side_data(&frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
  if (display == nullptr || display->size < sizeof(AVMasteringDisplayMetadata)) return 0;
  const auto& metadata = *reinterpret_cast<const AVMasteringDisplayMetadata*>(display->data);
  if (metadata.has_luminance == 0 || metadata.max_luminance.den <= 0) return 0;
  return std::max(av_q2d(metadata.max_luminance), 0.0);
}

ToneMapper::ToneMapper(Transfer transfer, double peak, bool wide)
    : is_hlg_(transfer == Transfer::kHlg), wide_(wide) {
  // An HLG picture is what a screen of the usual peak shows of it.
  peak = is_hlg_ || !(peak > 0) ? kUsualPeak : std::clamp(peak, kWhite, kBrightest);
  light_of_code_.resize(kCodes);
  for (std::size_t i = 0; i < kCodes; ++i) {
    const double code = static_cast<double>(i) / (kCodes - 1);
    const double light = is_hlg_ ? hlg_light(code) : std::min(pq_light(code) / peak, 1.0);
    light_of_code_[i] = static_cast<float>(light);
  }
  gain_.resize(kSteps + 1);
  code_of_light_.resize(kSteps + 1);
  for (std::size_t i = 0; i <= kSteps; ++i) {
    const double root = static_cast<double>(std::max<std::size_t>(i, 1)) / kSteps;
    const double light = root * root * peak;
    gain_[i] = static_cast<float>(bend(light, peak) / light * peak / kWhite);
    code_of_light_[i] = static_cast<std::uint8_t>(
        std::lround(255 * std::pow(static_cast<double>(i) / kSteps, 2 / kGamma)));
  }
}

ToneMapper::Light ToneMapper::light_of(const std::uint16_t* code) const {
  Light light = {light_of_code_[code[0]], light_of_code_[code[1]], light_of_code_[code[2]]};
  if (!is_hlg_) return light;
  // From the scene to the screen (BT.2100, system gamma 1.2).
  const float luma = 0.2627F * light[0] + 0.678F * light[1] + 0.0593F * light[2];
  const float gain = luma > 0 ? std::pow(luma, 0.2F) : 0;
  for (float& channel : light) channel = std::min(channel * gain, 1.0F);
  return light;
}

void ToneMapper::show(Light light, std::uint8_t* rgb) const {
  const float gain = gain_[step_of(std::max({light[0], light[1], light[2]}), kSteps)];
  for (float& channel : light) channel *= gain;
  const auto [r, g, b] = light;
  if (wide_) {  // BT.2020 to BT.709
    light = {1.660491F * r - 0.587641F * g - 0.072850F * b,
             -0.124550F * r + 1.132900F * g - 0.008349F * b,
             -0.018151F * r - 0.100579F * g + 1.118730F * b};
  }
  for (std::size_t channel = 0; channel < 3; ++channel) {
    rgb[channel] = code_of_light_[step_of(light[channel], kSteps)];
  }
}

void ToneMapper::map(const AVFrame& hdr, AVFrame& sdr) const {
  for (int y = 0; y < sdr.height; ++y) {
    const auto* in =
        reinterpret_cast<const std::uint16_t*>(hdr.data[0] + std::ptrdiff_t{y} * hdr.linesize[0]);
    std::uint8_t* out = sdr.data[0] + std::ptrdiff_t{y} * sdr.linesize[0];
    for (int x = 0; x < sdr.width; ++x, in += 3, out += 3) show(light_of(in), out);
  }
}

}  // namespace mimicfleet::av::child
