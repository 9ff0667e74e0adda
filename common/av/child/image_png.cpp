#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <png.h>

#include "common/av/child/image_decoders.h"

namespace mimicfleet::av::child {
namespace {

constexpr png_uint_32 kMaxSide = 1'000'000;
constexpr png_alloc_size_t kMaxChunkBytes = 64 << 20;

// libpng reports errors by longjmp, which skips destructors: everything that has one is owned by this object,
// and the functions that are left that way have none of their own.
class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> file) : left_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Result<Image> decode(std::int64_t max_pixels) {
    if (info_ == nullptr) return Status(StatusCode::kResourceExhausted, "does not fit into memory");
    if (!read_header()) return damaged_image(error_.data());
    ASSIGN_OR_RETURN(
        image_, empty_image(png_get_image_width(png_, info_), png_get_image_height(png_, info_), max_pixels));
    if (wide_grey_) wide_.resize(image_.pixels.size() / 3 * 2);
    rows_.resize(static_cast<std::size_t>(image_.height));
    for (int y = 0; y < image_.height; ++y) {
      const auto row = static_cast<std::size_t>(y);
      rows_[row] = wide_grey_ ? wide_.data() + row * static_cast<std::size_t>(image_.width) * 2
                              : image_.pixels.data() + Image::bytes(image_.width, y);
    }
    if (!read_pixels()) return damaged_image(error_.data());
    if (wide_grey_) clip_wide_grey();
    return std::move(image_);
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
    wide_grey_ = depth == 16 && color == PNG_COLOR_TYPE_GRAY;
    if (!wide_grey_) {
      if (depth == 16) png_set_strip_16(png_);
      if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);  // RGBA if it has transparency
      if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png_);
      if ((color & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
      png_set_strip_alpha(png_);
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    const std::size_t pixel_bytes = wide_grey_ ? 2 : 3;
    if (png_get_rowbytes(png_, info_) == pixel_bytes * png_get_image_width(png_, info_)) return true;
    png_error(png_, "rows of an unexpected length");
  }

  bool read_pixels() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows_.data());
    png_read_end(png_, nullptr);
    return true;
  }

  // Pillow reads 16-bit grey as integers and clips them when it makes RGB of them, odd as that looks.
  void clip_wide_grey() {
    for (std::size_t i = 0; i < wide_.size() / 2; ++i) {
      const std::uint8_t value = wide_[2 * i] != 0 ? 255 : wide_[2 * i + 1];
      std::fill_n(image_.pixels.data() + 3 * i, 3, value);
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
  Image image_;
  std::vector<std::uint8_t> wide_;  // 16-bit grey, big-endian, [height, width, 2]
  std::vector<png_bytep> rows_;
  std::array<char, 128> error_{};
};

}  // namespace

Result<Image> decode_png(std::span<const std::uint8_t> file, std::int64_t max_pixels) {
  return PngReader(file).decode(max_pixels);
}

}  // namespace mimicfleet::av::child
