// Images that a viewer shows otherwise than Pillow reads them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/av/image.h"
#include "tests/common/av/clips.h"
#include "tests/common/av/image_bytes.h"
#include "tests/common/av/pictures.h"
#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::av {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShownImage : public ::testing::Test {
 protected:
  ReadImage read(const std::string& bytes, Reading reading = Reading::viewer()) {
    auto image = read_image_as(folder_.write("image", bytes), reading);
    if (image.ok()) return *std::move(image);
    ADD_FAILURE() << image.status();
    return {};
  }
  Color color_of(const std::string& bytes, int x = 0, Reading reading = Reading::viewer()) {
    const ReadImage image = read(bytes, reading);
    return image.image.width > x ? color_at(image.image, x, 0) : Color{-1, -1, -1};
  }

  TemporaryFolder folder_;
};

// ---- EXIF orientation

// Where the standard (EXIF 2.32, table 6) puts a stored point: the 0th row and column of the
// picture.
Image by_exif(int orientation, const Image& in) {
  const bool swaps = orientation >= 5;
  Image out{
      .width = swaps ? in.height : in.width, .height = swaps ? in.width : in.height, .pixels = {}};
  out.pixels.resize(in.pixels.size());
  for (int row = 0; row < in.height; ++row) {
    for (int column = 0; column < in.width; ++column) {
      const int right = in.width - 1 - column;
      const int bottom = in.height - 1 - row;
      int x = column;
      int y = row;
      switch (orientation) {
        case 2:
          x = right;
          break;  // row 0 is the top, column 0 the right side
        case 3:
          x = right;
          y = bottom;
          break;  // bottom, right
        case 4:
          y = bottom;
          break;  // bottom, left
        case 5:
          x = row;
          y = column;
          break;  // left side, top
        case 6:
          x = bottom;
          y = column;
          break;  // right side, top
        case 7:
          x = bottom;
          y = right;
          break;  // right side, bottom
        case 8:
          x = row;
          y = right;
          break;  // left side, bottom
        default:
          break;
      }
      std::copy_n(in.pixels.data() + Image::bytes(in.width, row) + 3 * column, 3,
                  out.pixels.data() + Image::bytes(out.width, y) + 3 * x);
    }
  }
  return out;
}

class Oriented : public ShownImage, public ::testing::WithParamInterface<int> {
 protected:
  void expect_upright(const std::string& bytes, const Image& stored) {
    const ReadImage shown = read(bytes);
    EXPECT_TRUE(shown.image == by_exif(GetParam(), stored));
    EXPECT_EQ(shown.notes.done.text(), GetParam() == 1 ? "" : "upright.1");
    EXPECT_THAT(shown.notes.warnings, IsEmpty());
    const ReadImage original = read(bytes, Reading::original());
    EXPECT_TRUE(original.image == stored);
    EXPECT_EQ(original.notes.warnings.size(), GetParam() == 1 ? 0u : 1u);
  }
};

TEST_P(Oriented, AJpegStandsUpright) {
  const std::string plain = read_file(kImages + "chroma_444.jpg");
  const Image stored = read_image(kImages + "chroma_444.jpg").value();
  for (const bool little : {false, true})
    expect_upright(jpeg_with_exif(plain, exif(GetParam(), little)), stored);
  expect_upright(jpeg_with_exif(plain, exif(GetParam(), true, 4)), stored);
  // Another segment of the same number comes first.
  std::string with_xmp = jpeg_with_exif(plain, exif(GetParam(), false));
  with_xmp.insert(2, "\xff\xe1\0\x08http:/"s);
  expect_upright(with_xmp, stored);
  // An EXIF segment that says nothing comes first.
  expect_upright(jpeg_with_exif(jpeg_with_exif(plain, exif(GetParam(), false)), ""), stored);
}

TEST_P(Oriented, APngStandsUpright) {
  std::string png = read_file(kImages + "rgb.png");
  const Image stored = read_image(kImages + "rgb.png").value();
  const std::string chunk = png_chunk("eXIf", exif(GetParam(), true));
  std::string early = png;
  expect_upright(early.insert(33, chunk), stored);  // after the header
  expect_upright(png.insert(png.size() - 12, png_chunk("eXIf", exif(GetParam(), false))), stored);
}

TEST_P(Oriented, APngStandsUprightThatSaysItInText) {
  const std::string png = read_file(kImages + "rgb.png");
  const Image stored = read_image(kImages + "rgb.png").value();
  const auto with = [&png](const std::string& chunks) {
    return png.substr(0, 33) + chunks + png.substr(33);
  };
  const std::string digit = std::to_string(GetParam());
  const std::string kept = raw_profile("Exif\0\0"s + exif(GetParam(), true));
  const std::string key = "Raw profile type exif\0"s;
  expect_upright(with(png_chunk("tEXt", key + kept)), stored);
  expect_upright(with(png_chunk("zTXt", key + "\0"s + deflated(kept))), stored);
  expect_upright(with(png_chunk("tEXt", key + raw_profile(exif(GetParam(), false)))), stored);
  const std::string xmp = "XML:com.adobe.xmp\0\0\0\0\0"s;
  expect_upright(
      with(png_chunk("iTXt", xmp + "<tiff:Orientation>" + digit + "</tiff:Orientation>")), stored);
  const std::string attribute = "<rdf:Description tiff:Orientation=\"" + digit + "\"/>";
  const std::string late = png_chunk("iTXt", xmp + attribute);
  expect_upright(png.substr(0, png.size() - 12) + late + png.substr(png.size() - 12), stored);
  // The chunk that is made for it comes before the older one, and that before XMP.
  const std::string own = png_chunk("eXIf", exif(GetParam(), true));
  const std::string other = png_chunk("tEXt", key + raw_profile(exif(3, true)));
  expect_upright(with(other + own), stored);
  expect_upright(
      with(png_chunk("iTXt", xmp + "<tiff:Orientation>3<") + png_chunk("tEXt", key + kept)),
      stored);
  // One that says nothing is passed over.
  expect_upright(with(png_chunk("eXIf", exif(9, true)) + png_chunk("tEXt", key + kept)), stored);
}

TEST_P(Oriented, AWebpStandsUpright) {
  const std::string plain = read_file(kImages + "lossy.webp");
  const Image stored = read_image(kImages + "lossy.webp").value();
  for (const bool little : {false, true}) {
    expect_upright(webp_with_exif(plain, exif(GetParam(), little), 21, 17), stored);
  }
  expect_upright(webp_with_exif(plain, "Exif\0\0"s + exif(GetParam(), true), 21, 17), stored);
}

INSTANTIATE_TEST_SUITE_P(Exif, Oriented, ::testing::Range(1, 9));

TEST_F(ShownImage, AnOrientationThatIsNoneIsPassedOver) {
  const std::string plain = read_file(kImages + "chroma_444.jpg");
  const Image stored = read_image(kImages + "chroma_444.jpg").value();
  for (const std::string& metadata :
       {exif(0, true), exif(9, false), exif(65535, true), ""s, "MM"s, "II*\0\xff\xff\xff\xff"s,
        "JUNK"s, exif(6, true).substr(0, 20), "II*\0\x08\0\0\0\xff\xff"s}) {
    const ReadImage shown = read(jpeg_with_exif(plain, metadata));
    EXPECT_TRUE(shown.image == stored);
    EXPECT_TRUE(shown.notes == ReadingNotes());
  }
}

TEST_F(ShownImage, TextThatIsNoOrientationIsPassedOver) {
  const auto with = [](const std::string& chunk) {
    return Png{.width = 2, .height = 1, .color_type = 2, .rows = {"abcdef"}, .chunks = chunk}
        .bytes();
  };
  const std::string key = "Raw profile type exif\0"s;
  const std::string xmp = "XML:com.adobe.xmp\0\0\0\0\0"s;
  for (const std::string& chunk :
       {png_chunk("tEXt", key), png_chunk("tEXt", key + "\nexif\n 4"),
        png_chunk("tEXt", key + "\n\n\nxy"),
        png_chunk("tEXt", key + raw_profile(exif(6, true)).substr(0, 40)),
        png_chunk("tEXt", "Comment\0"s + raw_profile(exif(6, true))),
        png_chunk("iTXt", xmp + "<tiff:Orientation>66<"),
        png_chunk("iTXt", xmp + "<tiff:Orientation>9<"),
        png_chunk("iTXt", xmp + "tiff:Orientation"),
        png_chunk("iTXt", xmp + "tiff:Orientation=\"6")}) {
    const ReadImage shown = read(with(chunk));
    EXPECT_EQ(shown.image.width, 2);
    EXPECT_TRUE(shown.notes == ReadingNotes());
  }
}

// ---- colours that are taken for others

const std::vector<std::vector<double>> kSrgb = {
    {0.4360, 0.2225, 0.0139}, {0.3851, 0.7169, 0.0971}, {0.1431, 0.0606, 0.7141}};
const std::vector<std::vector<double>> kP3 = {
    {0.5151, 0.2412, -0.0011}, {0.2920, 0.6922, 0.0419}, {0.1571, 0.0666, 0.7841}};

// A picture in each format with this profile.
std::vector<std::string> with_profile(const std::string& profile) {
  const std::string png = read_file(kImages + "rgb.png");
  const std::string chunk = png_chunk("iCCP", "a\0\0"s + deflated(profile));
  const std::string jpeg = read_file(kImages + "chroma_444.jpg");
  const std::string half = profile.substr(0, profile.size() / 2);
  const std::string name = "ICC_PROFILE\0"s;
  return {png.substr(0, 33) + chunk + png.substr(33),
          jpeg.substr(0, 2) + jpeg_segment('\xe2', name + "\1\1" + profile) + jpeg.substr(2),
          jpeg.substr(0, 2) + jpeg_segment('\xe2', name + "\1\2" + half) +
              jpeg_segment('\xe2', name + "\2\2" + profile.substr(half.size())) + jpeg.substr(2),
          extended_webp(read_file(kImages + "lossy.webp"), 21, 17, '\x20',
                        riff_chunk("ICCP", profile), "")};
}

TEST_F(ShownImage, AProfileThatIsIgnoredIsTold) {
  for (const std::string& bytes : with_profile(icc("Display P3", kP3, 2.2))) {
    const ReadImage shown = read(bytes);
    EXPECT_THAT(shown.notes.warnings,
                ElementsAre(AllOf(HasSubstr("(Display P3)"), HasSubstr("sRGB"))));
    EXPECT_EQ(shown.notes.done.text(), "");
  }
  const auto told = [&](const std::string& profile) {
    return read(with_profile(profile)[1]).notes.warnings;
  };
  EXPECT_THAT(told(icc("", kP3, 2.2)), ElementsAre(HasSubstr("(without a name)")));
  EXPECT_THAT(told(icc("Linear", kSrgb, 1)), ElementsAre(HasSubstr("(Linear)")));
  EXPECT_THAT(told(icc("Grey", {}, 1)), ElementsAre(HasSubstr("(Grey)")));
}

TEST_F(ShownImage, AProfileOfSrgbIsNone) {
  for (const std::string& bytes : with_profile(icc("of a camera", kSrgb, 2.2))) {
    EXPECT_TRUE(read(bytes).notes == ReadingNotes());
  }
  for (const std::string& profile :
       {icc("Grey", {}, 2.2), icc("P3", kP3, 2.2).substr(0, 30), "nonsense"s}) {
    EXPECT_TRUE(read(with_profile(profile)[1]).notes == ReadingNotes());
  }
}

TEST_F(ShownImage, CmykIsAGuessThatIsTold) {
  const std::string adobe = read_file(kImages + "cmyk.jpg");
  EXPECT_THAT(read(adobe).notes.warnings,
              ElementsAre(AllOf(HasSubstr("CMYK"), HasSubstr("guess"))));
  std::string unmarked = adobe;
  const std::size_t marker = unmarked.find(
      "\xff\xee\0\x0e"
      "Adobe"s);
  ASSERT_NE(marker, std::string::npos);
  unmarked.erase(marker, 16);
  const ReadImage shown = read(unmarked);
  EXPECT_THAT(shown.notes.warnings, ElementsAre(HasSubstr("taken for inverted, as browsers do")));
  EXPECT_EQ(shown.notes.done.text(), "");
  EXPECT_TRUE(shown.image == read(adobe).image);
}

// ---- deeper than 8 bits

TEST_F(ShownImage, SixteenBitGreyIsScaled) {
  const std::string png = Png{
      .width = 4,
      .height = 1,
      .depth = 16,
      .rows = {"\0\0"s + "\x01\0"s + "\x80\x80"s +
               "\xff\xff"s}}.bytes();
  const ReadImage shown = read(png);
  EXPECT_EQ(color_at(shown.image, 0, 0), (Color{0, 0, 0}));
  EXPECT_EQ(color_at(shown.image, 1, 0), (Color{1, 1, 1}));
  EXPECT_EQ(color_at(shown.image, 2, 0), (Color{128, 128, 128}));
  EXPECT_EQ(color_at(shown.image, 3, 0), (Color{255, 255, 255}));
  EXPECT_EQ(shown.notes.done.text(), "deep.1");
  EXPECT_THAT(shown.notes.warnings, IsEmpty());
  const ReadImage clipped = read(png, Reading::original());
  EXPECT_EQ(color_at(clipped.image, 2, 0), (Color{255, 255, 255}));
  EXPECT_THAT(clipped.notes.warnings, ElementsAre(HasSubstr("16-bit grey")));
}

TEST_F(ShownImage, SixteenBitGreyWithATransparentShadeLiesOnWhite) {
  const std::string png = Png{.width = 2,
                              .height = 1,
                              .depth = 16,
                              .rows = {"\x12\x34"s + "\x12\x35"s},
                              .chunks = png_chunk("tRNS", "\x12\x34")}
                              .bytes();
  EXPECT_EQ(color_of(png, 0), (Color{255, 255, 255}));
  EXPECT_EQ(color_of(png, 1), (Color{0x12, 0x12, 0x12}));
  EXPECT_EQ(read(png).notes.done.text(), "deep.1 white.1");
}

TEST_F(ShownImage, OtherDepthsAreScaledAsTheyEverWere) {
  for (const char* name :
       {"rgb_16bit.png", "grey_4bit.png", "black_and_white.png", "palette_2bit.png", "grey.jpg",
        "rgb.png", "lossy.webp", "animation.webp", "progressive.jpg"}) {
    const auto shown = read_image_as(kImages + name, Reading::viewer());
    ASSERT_TRUE(shown.ok()) << shown.status();
    EXPECT_TRUE(shown->image == read_image(kImages + name).value()) << name;
    EXPECT_TRUE(shown->notes == ReadingNotes()) << name;
  }
}

// ---- alpha

TEST_F(ShownImage, ColourHiddenUnderAlphaIsWhite) {
  const std::string magenta = "\xff\0\xff"s;
  const std::string png = Png{
      .width = 3,
      .height = 1,
      .color_type = 6,
      .rows = {magenta + "\0"s + magenta + "\x80"s + magenta +
               "\xff"s}}.bytes();
  const ReadImage shown = read(png);
  EXPECT_EQ(color_at(shown.image, 0, 0), (Color{255, 255, 255}));
  EXPECT_EQ(color_at(shown.image, 1, 0), (Color{255, 127, 255}));
  EXPECT_EQ(color_at(shown.image, 2, 0), (Color{255, 0, 255}));
  EXPECT_EQ(shown.notes.done.text(), "white.1");
  EXPECT_THAT(shown.notes.warnings, ElementsAre(AllOf(HasSubstr("67 %"), HasSubstr("white"))));
  EXPECT_EQ(color_of(png, 0, Reading::original()), (Color{255, 0, 255}));
}

TEST_F(ShownImage, EveryWayToBeTransparentLiesOnWhite) {
  const auto one = [](int depth, int color_type, const std::string& row,
                      const std::string& chunks = "") {
    return Png{.width = 1,
               .height = 1,
               .depth = depth,
               .color_type = color_type,
               .rows = {row},
               .chunks = chunks}
        .bytes();
  };
  const Color white{255, 255, 255};
  EXPECT_EQ(color_of(one(8, 4, "\x40\0"s)), white);
  EXPECT_EQ(color_of(one(16, 4, "\x40\x40\0\0"s)), white);
  EXPECT_EQ(color_of(one(16, 6, "\x40\x40\x40\x40\x40\x40\0\0"s)), white);
  EXPECT_EQ(color_of(one(8, 0, "\x40"s, png_chunk("tRNS", "\0\x40"s))), white);
  EXPECT_EQ(color_of(one(1, 0, "\x80"s, png_chunk("tRNS", "\0\x01"s))), white);
  EXPECT_EQ(color_of(one(2, 0, "\x40"s, png_chunk("tRNS", "\0\x01"s))), white);
  EXPECT_EQ(color_of(one(8, 2, "abc"s, png_chunk("tRNS", "\0a\0b\0c"s))), white);
  EXPECT_EQ(color_of(one(16, 2, "aAbBcC"s, png_chunk("tRNS", "aAbBcC"s))), white);
  EXPECT_EQ(color_of(one(16, 2, "aAbBcC"s, png_chunk("tRNS", "aAbBcD"s))), (Color{'a', 'b', 'c'}));
  EXPECT_EQ(color_of(one(8, 3, "\0"s, png_chunk("PLTE", "abc") + png_chunk("tRNS", "\0"s))), white);
  EXPECT_EQ(
      color_of(one(1, 3, "\x80"s, png_chunk("PLTE", "abcdef") + png_chunk("tRNS", "\xff\0"s))),
      white);
}

TEST_F(ShownImage, AlphaThatHidesNothingChangesNothing) {
  const std::string png =
      Png{.width = 1, .height = 1, .color_type = 6, .rows = {"abc\xff"s}}.bytes();
  const ReadImage shown = read(png);
  EXPECT_EQ(color_at(shown.image, 0, 0), (Color{'a', 'b', 'c'}));
  EXPECT_TRUE(shown.notes == ReadingNotes());
}

TEST_F(ShownImage, AWebpWithAlphaLiesOnWhite) {
  const auto shown = read_image_as(kImages + "lossless_alpha.webp", Reading::viewer());
  const Image stored = read_image(kImages + "lossless_alpha.webp").value();
  const auto png = read_image_as(kImages + "rgba.png", Reading::viewer());  // the same pixels
  ASSERT_TRUE(shown.ok() && png.ok());
  EXPECT_EQ(shown->notes.done.text(), "white.1");
  EXPECT_FALSE(shown->image == stored);
  EXPECT_TRUE(shown->image == png->image);
}

TEST_F(ShownImage, OrientationAndAlphaGoTogether) {
  const std::string png = Png{.width = 2,
                              .height = 1,
                              .color_type = 6,
                              .rows = {"abc\0"s + "def\xff"s},
                              .chunks = png_chunk("eXIf", exif(6, false))}
                              .bytes();
  const ReadImage shown = read(png);
  ASSERT_EQ(shown.image.height, 2);
  EXPECT_EQ(color_at(shown.image, 0, 0), (Color{255, 255, 255}));
  EXPECT_EQ(color_at(shown.image, 0, 1), (Color{'d', 'e', 'f'}));
  EXPECT_EQ(shown.notes.done.text(), "upright.1 white.1");
}

}  // namespace
}  // namespace mimicfleet::av
