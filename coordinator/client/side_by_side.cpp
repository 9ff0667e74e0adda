#include "coordinator/client/side_by_side.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "common/av/video.h"
#include "common/av/video_writer.h"

namespace mimicfleet::coordinator {
namespace {

constexpr int kRows = 7;
constexpr int kColumns = 5;
constexpr int kAdvance = kColumns + 1;
constexpr int kLine = kRows + 3;
constexpr int kMargin = 4;
constexpr int kCrf = 18;
constexpr std::size_t kLettersWanted =
    30;  // in a line, if the panel is wide enough for larger letters

struct Glyph {
  char letter;
  std::array<std::uint8_t, kRows> rows;  // from above; bit 4 is the leftmost dot
};

constexpr Glyph kFont[] = {
    {'A', {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'B', {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e}},
    {'C', {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e}},
    {'D', {0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e}},
    {'E', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f}},
    {'F', {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10}},
    {'G', {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f}},
    {'H', {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}},
    {'I', {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'J', {0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c}},
    {'K', {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11}},
    {'L', {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f}},
    {'M', {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11}},
    {'N', {0x11, 0x11, 0x19, 0x15, 0x13, 0x11, 0x11}},
    {'O', {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}},
    {'P', {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10}},
    {'Q', {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d}},
    {'R', {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11}},
    {'S', {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}},
    {'T', {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}},
    {'U', {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}},
    {'V', {0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04}},
    {'W', {0x11, 0x11, 0x11, 0x15, 0x15, 0x15, 0x0a}},
    {'X', {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11}},
    {'Y', {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04}},
    {'Z', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f}},
    {'0', {0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e}},
    {'1', {0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e}},
    {'2', {0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f}},
    {'3', {0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e}},
    {'4', {0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02}},
    {'5', {0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e}},
    {'6', {0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e}},
    {'7', {0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08}},
    {'8', {0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e}},
    {'9', {0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c}},
    {' ', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}},
    {'.', {0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c}},
    {',', {0x00, 0x00, 0x00, 0x00, 0x0c, 0x04, 0x08}},
    {'=', {0x00, 0x00, 0x1f, 0x00, 0x1f, 0x00, 0x00}},
    {'-', {0x00, 0x00, 0x00, 0x1f, 0x00, 0x00, 0x00}},
    {'_', {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1f}},
    {'+', {0x00, 0x04, 0x04, 0x1f, 0x04, 0x04, 0x00}},
    {':', {0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x0c, 0x00}},
    {'/', {0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x00}},
    {'?', {0x0e, 0x11, 0x01, 0x02, 0x04, 0x00, 0x04}},
};

const Glyph& glyph_of(char letter) {
  const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  const auto* const found = std::find_if(std::begin(kFont), std::end(kFont),
                                         [&](const Glyph& glyph) { return glyph.letter == upper; });
  return found != std::end(kFont) ? *found : std::end(kFont)[-1];
}

void whiten(av::Image& image, int left, int top, int size) {
  for (int y = std::max(top, 0); y < std::min(top + size, image.height); ++y) {
    for (int x = std::max(left, 0); x < std::min(left + size, image.width); ++x) {
      std::fill_n(image.pixels.begin() + (static_cast<std::ptrdiff_t>(y) * image.width + x) * 3, 3,
                  std::uint8_t{255});
    }
  }
}

// The films of all panels, and the picture into which their frames go.
class Film {
 public:
  static Result<Film> open(const std::vector<Panel>& panels) {
    Film film;
    av::DecodeOptions every_frame;
    every_frame.stride_follows_fps = false;
    for (const auto& panel : panels) {
      ASSIGN_OR_RETURN(auto frames, av::VideoFrames::open(panel.video, every_frame));
      const auto& first = film.videos_.empty() ? frames.info() : film.videos_.front().info();
      if (frames.info().width != first.width || frames.info().height != first.height)
        return film.differ(panel);
      film.videos_.push_back(std::move(frames));
    }
    film.draw_labels(panels);
    return film;
  }

  [[nodiscard]] av::VideoFormat format() const {
    return {picture_.width, picture_.height, videos_.front().info().average_fps, kCrf};
  }

  // The next picture, or nothing after the last one.
  Result<std::optional<av::Image>> next(const std::vector<Panel>& panels) {
    std::size_t ended = 0;
    for (std::size_t i = 0; i < videos_.size(); ++i) {
      ASSIGN_OR_RETURN(const auto frame, videos_[i].next());
      frame ? put(frame->image, i) : static_cast<void>(++ended);
    }
    if (ended == 0) return std::optional(picture_);
    if (ended < videos_.size()) return differ(panels.back());
    return std::optional<av::Image>();
  }

 private:
  [[nodiscard]] static Status differ(const Panel& panel) {
    return {StatusCode::kInvalidArgument,
            fmt::format("{}: has another size or length than the videos beside it", panel.video)};
  }

  void draw_labels(const std::vector<Panel>& panels) {
    const auto& info = videos_.front().info();
    const int usable = info.width - 2 * kMargin;
    const int scale = std::max(1, usable / (kAdvance * static_cast<int>(kLettersWanted)));
    const auto letters = static_cast<std::size_t>(std::max(1, usable / (kAdvance * scale)));
    std::vector<std::vector<std::string>> lines;
    std::size_t most = 0;
    for (const auto& panel : panels) {
      auto& of_panel = lines.emplace_back();
      for (const auto& text : panel.label) {
        for (auto& line : wrapped(text, letters)) of_panel.push_back(std::move(line));
      }
      most = std::max(most, of_panel.size());
    }
    header_ = (2 * kMargin + static_cast<int>(most) * kLine * scale + 1) / 2 * 2;
    picture_ = {info.width * static_cast<int>(panels.size()), info.height + header_, {}};
    picture_.pixels.assign(av::Image::bytes(picture_.width, picture_.height), 0);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (std::size_t row = 0; row < lines[i].size(); ++row) {
        draw_text(picture_, static_cast<int>(i) * info.width + kMargin,
                  kMargin + static_cast<int>(row) * kLine * scale, lines[i][row], scale);
      }
    }
  }

  void put(const av::Image& frame, std::size_t panel) {
    const auto bytes = static_cast<std::ptrdiff_t>(frame.width) * 3;
    for (int y = 0; y < frame.height; ++y) {
      const auto* from = frame.pixels.data() + y * bytes;
      auto* to = picture_.pixels.data() +
                 static_cast<std::ptrdiff_t>(y + header_) * picture_.width * 3 +
                 static_cast<std::ptrdiff_t>(panel) * bytes;
      std::copy_n(from, bytes, to);
    }
  }

  std::vector<av::VideoFrames> videos_;
  av::Image picture_;
  int header_ = 0;
};

}  // namespace

void draw_text(av::Image& image, int x, int y, std::string_view text, int scale) {
  for (const char letter : text) {
    const Glyph& glyph = glyph_of(letter);
    for (int row = 0; row < kRows; ++row) {
      for (int column = 0; column < kColumns; ++column) {
        const bool dot =
            (glyph.rows[static_cast<std::size_t>(row)] >> (kColumns - 1 - column) & 1) != 0;
        if (dot) whiten(image, x + column * scale, y + row * scale, scale);
      }
    }
    x += kAdvance * scale;
  }
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  while (text.size() > width) {
    const std::size_t gap = text.substr(0, width).find_last_of(", ");
    const std::size_t length = gap == std::string_view::npos ? width : gap + 1;
    lines.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  if (!text.empty()) lines.emplace_back(text);
  return lines;
}

Status write_side_by_side(const std::string& path, const std::vector<Panel>& panels) {
  ASSIGN_OR_RETURN(Film film, Film::open(panels));
  ASSIGN_OR_RETURN(auto writer, av::VideoWriter::create(path, film.format()));
  for (;;) {
    ASSIGN_OR_RETURN(auto picture, film.next(panels));
    if (!picture) return writer.finish();
    RETURN_IF_ERROR(writer.write(*std::move(picture)));
  }
}

}  // namespace mimicfleet::coordinator
