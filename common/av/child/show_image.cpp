#include <algorithm>
#include <utility>

#include "common/av/child/image_decoders.h"
#include "common/av/child/on_white.h"
#include "common/av/child/orientation.h"

namespace mimicfleet::av::child {
namespace {

std::string percent(std::size_t part, std::size_t whole) {
  const std::size_t share = (100 * part + whole / 2) / whole;
  return share == 0 ? "less than 1 %" : std::to_string(share) + " %";
}

void put_on_white(Image& image, const std::vector<std::uint8_t>& alpha) {
  for (std::size_t i = 0; i < alpha.size(); ++i) {
    if (alpha[i] == kOpaque) continue;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      std::uint8_t& value = image.pixels[3 * i + channel];
      value = on_white(value, alpha[i]);
    }
  }
}

void show_alpha(StoredImage& stored, Reading allowed, ReadingNotes& notes) {
  const auto transparent =
      static_cast<std::size_t>(std::count_if(stored.alpha.begin(), stored.alpha.end(),
                                             [](std::uint8_t value) { return value != kOpaque; }));
  if (transparent == 0) return;
  const std::string what =
      percent(transparent, stored.alpha.size()) + " of its pixels are transparent";
  if (!allowed.has(Step::kWhite)) {
    notes.warnings.push_back(what + ": the colours below are used, as the original does");
    return;
  }
  put_on_white(stored.image, stored.alpha);
  notes.done.add(Step::kWhite);
  notes.warnings.push_back(what + ": they are put on white");
}

void turn_upright(StoredImage& stored, Reading allowed, ReadingNotes& notes) {
  const Orientation orientation = orientation_of_exif(stored.exif_orientation);
  if (orientation == Orientation()) return;
  if (!allowed.has(Step::kUpright)) {
    notes.warnings.push_back("its EXIF orientation " + std::to_string(stored.exif_orientation) +
                             " is ignored, as the original does");
    return;
  }
  Image upright{.width = stored.image.width, .height = stored.image.height, .pixels = {}};
  if (orientation.swaps_sides()) std::swap(upright.width, upright.height);
  upright.pixels.resize(stored.image.pixels.size());
  turn(stored.image.pixels.data(), 3 * std::ptrdiff_t{stored.image.width}, orientation, upright);
  stored.image = std::move(upright);
  notes.done.add(Step::kUpright);
}

// What is not done, by the original neither.
void tell_colors(const StoredImage& stored, ReadingNotes& notes) {
  if (stored.cmyk == Cmyk::kOfAdobe) {
    notes.warnings.emplace_back(
        "it is CMYK, converted without its inks' profile: its colours are a guess; save it as RGB");
  } else if (stored.cmyk == Cmyk::kUnmarked) {
    notes.warnings.emplace_back(
        "it is CMYK and does not say whether its values are inverted: they are taken for inverted, "
        "as "
        "browsers "
        "do; save it as RGB if it comes out as a negative");
  } else if (!stored.profile.empty()) {
    notes.warnings.push_back(
        "its colour profile (" + stored.profile +
        ") is ignored: its colours are taken for those of sRGB; convert it to sRGB");
  }
}

}  // namespace

ShownImage show(StoredImage stored, Reading allowed) {
  ReadingNotes notes;
  if (stored.wide_grey && allowed.has(Step::kDeep)) notes.done.add(Step::kDeep);
  if (stored.wide_grey && !allowed.has(Step::kDeep)) {
    notes.warnings.emplace_back("its 16-bit grey is clipped, as the original does");
  }
  show_alpha(stored, allowed, notes);
  turn_upright(stored, allowed, notes);
  tell_colors(stored, notes);
  return {std::move(stored.image), std::move(notes)};
}

}  // namespace mimicfleet::av::child
