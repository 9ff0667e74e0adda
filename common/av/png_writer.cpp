#include <csetjmp>
#include <vector>

#include <png.h>

#include "common/av/image.h"
#include "common/files/atomic_file.h"

namespace mimicfleet::av {
namespace {

// Fixed, so that the bytes depend on nothing but the pixels and zlib.
constexpr int kCompression = 4;

void append(png_structp png, png_bytep bytes, std::size_t size) {
  auto& out = *static_cast<std::vector<std::uint8_t>*>(png_get_io_ptr(png));
  out.insert(out.end(), bytes, bytes + size);
}

// libpng reports errors by longjmp: no object with a destructor may live in the frame that it
// leaves.
bool encode(const Image& image, png_structp png, png_infop info, std::vector<std::uint8_t>& out) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, &out, append, nullptr);
  png_set_compression_level(png, kCompression);
  png_set_filter(png, 0, PNG_FILTER_SUB | PNG_FILTER_UP);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < image.height; ++y) {
    png_write_row(png, image.pixels.data() + Image::bytes(image.width, y));
  }
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

Status write_png(const std::string& path, const Image& image) {
  CHECK(image.width > 0 && image.height > 0);
  CHECK(image.pixels.size() == Image::bytes(image.width, image.height));
  std::vector<std::uint8_t> bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  const bool encoded = info != nullptr && encode(image, png, info, bytes);
  png_destroy_write_struct(&png, &info);
  if (!encoded)
    return {StatusCode::kResourceExhausted, path + ": cannot be encoded as PNG: out of memory"};

  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  RETURN_IF_ERROR(file.write(bytes));
  return file.commit();
}

}  // namespace mimicfleet::av
