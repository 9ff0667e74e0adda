#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include <png.h>

#include "common/av/child/color_profile.h"
#include "common/av/child/exif.h"
#include "common/av/child/image_decoders.h"

namespace mimicfleet::av::child {
namespace {

constexpr png_uint_32 kMaxSide = 1'000'000;
constexpr png_alloc_size_t kMaxChunkBytes = 64 << 20;
constexpr unsigned kDeepest = 65535;

// libpng reports errors by longjmp, which skips destructors: everything that has one is owned by
// this object, and the functions that are left that way have none of their own.
class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> file) : left_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Result<StoredImage> decode(std::int64_t max_pixels, bool scale_grey) {
    if (info_ == nullptr) return Status(StatusCode::kResourceExhausted, "does not fit into memory");
    if (!read_header()) return damaged_image(error_.data());
    StoredImage out;
    ASSIGN_OR_RETURN(out.image, empty_image(png_get_image_width(png_, info_),
                                            png_get_image_height(png_, info_), max_pixels));
    lay_out_rows(out);
    if (!read_pixels()) return damaged_image(error_.data());
    if (wide_grey_) take_wide_grey(out, scale_grey);
    if (has_alpha_ && !wide_grey_) take_rgba(out);
    out.exif_orientation = orientation();
    out.profile = profile();
    return out;
  }

 private:
  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, on_read);
    png_set_user_limits(png_, kMaxSide, kMaxSide);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_read_info(png_, info_);
    const int depth = png_get_bit_depth(png_, info_);
    const int color = png_get_color_type(png_, info_);
    const bool has_transparent_color = png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    has_alpha_ = (color & PNG_COLOR_MASK_ALPHA) != 0 || has_transparent_color;
    wide_grey_ = depth == 16 && color == PNG_COLOR_TYPE_GRAY;
    if (!wide_grey_) {
      if (depth == 16) png_set_strip_16(png_);
      if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
      if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png_);
      if ((color & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
    }
    if (has_transparent_color) png_set_tRNS_to_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    pixel_bytes_ = wide_grey_ ? (has_alpha_ ? 4 : 2) : (has_alpha_ ? 4 : 3);
    if (png_get_rowbytes(png_, info_) == pixel_bytes_ * png_get_image_width(png_, info_))
      return true;
    png_error(png_, "rows of an unexpected length");
  }

  // RGB goes into the image itself, all else through a buffer.
  void lay_out_rows(StoredImage& out) {
    const std::size_t row_bytes = static_cast<std::size_t>(out.image.width) * pixel_bytes_;
    const bool is_rgb = pixel_bytes_ == 3;
    if (!is_rgb) raw_.resize(row_bytes * static_cast<std::size_t>(out.image.height));
    std::uint8_t* row = is_rgb ? out.image.pixels.data() : raw_.data();
    rows_.resize(static_cast<std::size_t>(out.image.height));
    for (png_bytep& place : rows_) {
      place = row;
      row += row_bytes;
    }
  }

  bool read_pixels() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows_.data());
    png_read_end(png_, info_);
    return true;
  }

  // May stand before or after the pixels: in its own chunk, or in text that programs used before
  // there was one. The first of these that says it wins, as in Pillow.
  [[nodiscard]] int orientation() const {
    png_uint_32 size = 0;
    png_bytep bytes = nullptr;
    std::optional<int> found;
    if (png_get_eXIf_1(png_, info_, &size, &bytes) != 0) found = exif_orientation({bytes, size});
    if (!found) found = raw_profile_orientation(text("Raw profile type exif"));
    if (!found) found = xmp_orientation(text("XML:com.adobe.xmp"));
    return found.value_or(1);
  }

  // Of the text with this name; empty if there is none.
  [[nodiscard]] std::string_view text(std::string_view name) const {
    png_textp texts = nullptr;
    const int count = png_get_text(png_, info_, &texts, nullptr);
    for (int i = 0; i < count; ++i) {
      if (texts[i].key == nullptr || texts[i].text == nullptr || texts[i].key != name) continue;
      return {texts[i].text, std::max(texts[i].text_length, texts[i].itxt_length)};
    }
    return {};
  }

  [[nodiscard]] std::string profile() const {
    png_charp name = nullptr;
    int compression = 0;
    png_bytep bytes = nullptr;
    png_uint_32 size = 0;
    if (png_get_iCCP(png_, info_, &name, &compression, &bytes, &size) == 0) return "";
    return other_than_srgb({bytes, size});
  }

  // Pillow reads 16-bit grey as integers and clips them when it makes RGB of them, odd as that
  // looks.
  void take_wide_grey(StoredImage& out, bool scale) const {
    out.wide_grey = true;
    const std::size_t pixels = raw_.size() / pixel_bytes_;
    if (has_alpha_) out.alpha.resize(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      const std::uint8_t* raw = raw_.data() + i * pixel_bytes_;
      const unsigned wide = unsigned{raw[0]} << 8 | raw[1];
      const unsigned value = scale ? (wide * 255 + kDeepest / 2) / kDeepest : std::min(wide, 255U);
      std::fill_n(out.image.pixels.data() + 3 * i, 3, static_cast<std::uint8_t>(value));
      if (has_alpha_) out.alpha[i] = raw[2];
    }
  }

  void take_rgba(StoredImage& out) const {
    const std::size_t pixels = raw_.size() / 4;
    out.alpha.resize(pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      std::copy_n(raw_.data() + 4 * i, 3, out.image.pixels.data() + 3 * i);
      out.alpha[i] = raw_[4 * i + 3];
    }
  }

  static void on_read(png_structp png, png_bytep out, std::size_t size) {
    auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > self.left_.size()) png_error(png, "it ends too early");
    std::copy_n(self.left_.begin(), size, out);
    self.left_ = self.left_.subspan(size);
  }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self.error_.data(), self.error_.size(), "%s", message);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}

  std::span<const std::uint8_t> left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  bool wide_grey_ = false;
  bool has_alpha_ = false;
  std::size_t pixel_bytes_ = 3;
  std::vector<std::uint8_t> raw_;  // RGBA, or 16-bit grey with or without alpha, big-endian
  std::vector<png_bytep> rows_;
  std::array<char, 128> error_{};
};

}  // namespace

Result<StoredImage> decode_png(std::span<const std::uint8_t> file, std::int64_t max_pixels,
                               bool scale_grey) {
  return PngReader(file).decode(max_pixels, scale_grey);
}

}  // namespace mimicfleet::av::child
