#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include <jerror.h>
#include <jpeglib.h>

#include "common/av/child/color_profile.h"
#include "common/av/child/exif.h"
#include "common/av/child/image_decoders.h"

namespace mimicfleet::av::child {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr int kProfileMarker = JPEG_APP0 + 2;
constexpr unsigned kMaxMarkerBytes = 0xffff;

struct FreeProfile {
  void operator()(JOCTET* profile) const { std::free(profile); }  // that libjpeg took from malloc
};

// Pillow takes CMYK files to be Adobe's, which store inverted values, and converts like this. Also
// those without Adobe's marker, as browsers do.
void cmyk_row_to_rgb(const std::vector<std::uint8_t>& cmyk, std::uint8_t* rgb) {
  for (std::size_t i = 0; i + 3 < cmyk.size(); i += 4) {
    const unsigned black = cmyk[i + 3];  // 255 - K
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const unsigned ink = 255u - cmyk[i + channel];
      const unsigned product = ink * black + 128;
      *rgb++ = static_cast<std::uint8_t>(black - (((product >> 8) + product) >> 8));
    }
  }
}

// libjpeg's errors leave by longjmp; see PngReader.
class JpegReader {
 public:
  explicit JpegReader(std::span<const std::uint8_t> file) : file_(file) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    if (setjmp(jump_) == 0) jpeg_create_decompress(&jpeg_);
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Result<StoredImage> decode(std::int64_t max_pixels) {
    if (!read_header()) return damaged_image(error_.data());
    orientation_ = orientation();
    take_profile();
    ASSIGN_OR_RETURN(image_, empty_image(jpeg_.image_width, jpeg_.image_height, max_pixels));
    cmyk_.resize(jpeg_.num_components == 4 ? std::size_t{jpeg_.image_width} * 4 : 0);
    if (!read_pixels()) return damaged_image(error_.data());
    return StoredImage{.image = std::move(image_),
                       .alpha = {},
                       .exif_orientation = orientation_,
                       .profile = std::move(profile_),
                       .cmyk = cmyk()};
  }

 private:
  // Of the first segment of EXIF that says one; others of the same number hold XMP and the like. To
  // be asked before the end of the pixels, with which libjpeg forgets them.
  [[nodiscard]] int orientation() const {
    constexpr std::string_view kBegin("Exif\0", 5);
    for (const jpeg_marker_struct* marker = jpeg_.marker_list; marker != nullptr;
         marker = marker->next) {
      const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (marker->marker != kExifMarker || !text.starts_with(kBegin)) continue;
      if (const auto found = exif_orientation({marker->data, marker->data_length})) return *found;
    }
    return 1;
  }

  [[nodiscard]] Cmyk cmyk() const {
    if (jpeg_.num_components != 4) return Cmyk::kNo;
    return jpeg_.saw_Adobe_marker != 0 ? Cmyk::kOfAdobe : Cmyk::kUnmarked;
  }

  void take_profile() {
    unsigned size = 0;
    const std::unique_ptr<JOCTET, FreeProfile> bytes(read_profile(size));
    if (bytes) profile_ = other_than_srgb({bytes.get(), size});
  }
  // Null if there is none.
  JOCTET* read_profile(unsigned& size) {
    JOCTET* bytes = nullptr;
    if (setjmp(jump_) != 0) return nullptr;
    return jpeg_read_icc_profile(&jpeg_, &bytes, &size) != 0 ? bytes : nullptr;
  }

  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    jpeg_mem_src(&jpeg_, file_.data(), file_.size());
    jpeg_save_markers(&jpeg_, kExifMarker, kMaxMarkerBytes);
    jpeg_save_markers(&jpeg_, kProfileMarker, kMaxMarkerBytes);
    jpeg_read_header(&jpeg_, TRUE);
    if (jpeg_.num_components != 1 && jpeg_.num_components != 3 && jpeg_.num_components != 4) {
      std::snprintf(error_.data(), error_.size(), "%d components", jpeg_.num_components);
      return false;
    }
    jpeg_.out_color_space = jpeg_.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_.dct_method = JDCT_ISLOW;
    return true;
  }

  bool read_pixels() {
    if (setjmp(jump_) != 0) return false;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      std::uint8_t* rgb = image_.pixels.data() + Image::bytes(image_.width, jpeg_.output_scanline);
      JSAMPROW row = cmyk_.empty() ? rgb : cmyk_.data();
      if (jpeg_read_scanlines(&jpeg_, &row, 1) == 1 && !cmyk_.empty()) cmyk_row_to_rgb(cmyk_, rgb);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  [[noreturn]] static void on_error(j_common_ptr jpeg) {
    auto& self = *static_cast<JpegReader*>(jpeg->client_data);
    std::array<char, JMSG_LENGTH_MAX> message{};
    jpeg->err->format_message(jpeg, message.data());
    std::snprintf(self.error_.data(), self.error_.size(), "%s", message.data());
    std::longjmp(self.jump_, 1);
  }
  // Warnings pass as they do in Pillow, but for the end of the file, which libjpeg would paper over
  // with grey.
  static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) on_error(jpeg);
  }

  std::span<const std::uint8_t> file_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf jump_{};
  int orientation_ = 1;
  std::string profile_;
  Image image_;
  std::vector<std::uint8_t> cmyk_;  // one row, inverted, [width, 4]
  std::array<char, 256> error_{};
};

}  // namespace

Result<StoredImage> decode_jpeg(std::span<const std::uint8_t> file, std::int64_t max_pixels) {
  return JpegReader(file).decode(max_pixels);
}

}  // namespace mimicfleet::av::child
