#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A viewer shows some files otherwise than the original reads them; what a viewer shows is what is
// used.
namespace mimicfleet::av {

// What makes the difference. Each has a version of its own, so that a change of one of them makes
// nothing anew that needed only others.
enum class Step : std::uint32_t {
  kUpright,      // an image's EXIF orientation; a display matrix that mirrors
  kSquare,       // pixels that are not square, resampled
  kDeep,         // 16-bit grey scaled; the original clips it
  kWhite,        // what is transparent lies on white; the original shows the colour below
  kTones,        // HDR (PQ, HLG) brought to the tones of a normal screen
  kProgressive,  // interlaced frames made whole
  kTurned,  // what the frames themselves say about their orientation, in place of the container
};

// A set of steps: those that may be done, or those that are.
class Reading {
 public:
  [[nodiscard]] static Reading original() { return {}; }
  [[nodiscard]] static Reading viewer();  // whatever the file needs

  [[nodiscard]] bool has(Step step) const { return (steps_ & bit(step)) != 0; }
  [[nodiscard]] bool empty() const { return steps_ == 0; }
  void add(Step step) { steps_ |= bit(step); }

  // "upright.1 square.1"; empty: as the original reads it.
  [[nodiscard]] std::string text() const;
  // Nothing if it names a step or version that this program does not know.
  [[nodiscard]] static std::optional<Reading> parse(std::string_view text);

  friend bool operator==(const Reading&, const Reading&) = default;

 private:
  [[nodiscard]] static std::uint32_t bit(Step step) {
    return std::uint32_t{1} << static_cast<std::uint32_t>(step);
  }
  std::uint32_t steps_ = 0;
};

// What came of a reading.
struct ReadingNotes {
  Reading done;
  std::vector<std::string> warnings;  // what was lost or guessed, for people; the file is not named

  friend bool operator==(const ReadingNotes&, const ReadingNotes&) = default;
};

}  // namespace mimicfleet::av
