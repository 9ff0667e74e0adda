#include "common/weights/safetensors.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>

#include "tests/common/weights/temporary_folder.h"

namespace mimicfleet::weights {
namespace {

using ::testing::HasSubstr;

BufferPtr buffer_of(const std::string& bytes) {
  auto copy = std::make_shared<std::string>(bytes);
  auto buffer = std::make_shared<Buffer>();
  buffer->origin = "test.safetensors";
  buffer->bytes = {reinterpret_cast<const std::uint8_t*>(copy->data()), copy->size()};
  buffer->owner = copy;
  return buffer;
}

std::string file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, '\1');
}

TEST(Safetensors, ReadsTheGoldenTensorsWithTheirShapes) {
  const auto set = open_safetensors(golden_pack("goldens/unet.safetensors"));
  ASSERT_TRUE(set.ok()) << set.status();
  const TensorView& sample = set->tensors.at("sample");
  EXPECT_EQ(sample.dtype, DType::kF32);
  EXPECT_EQ(sample.shape, (std::vector<std::int64_t>{1, 4, 8, 16, 8}));
  EXPECT_EQ(sample.bytes.size(), 4U * 4 * 8 * 16 * 8);
}

TEST(Safetensors, WhatIsWrittenReadsBackAndIsTheSameEveryTime) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> halves = {0, 0x3C, 0, 0x40};
  const std::vector<std::uint8_t> bytes = {7};
  const auto write = [&](const std::string& path) {
    return write_safetensors(path,
                             {{"b", DType::kU8, {1}, bytes},
                              {"latents", DType::kF16, {1, 2}, halves},
                              {"empty", DType::kF32, {0, 3}, {}}},
                             {{"video_name", "a\xFF.mp4"}});
  };
  ASSERT_TRUE(write(folder.file("1.safetensors")).ok());
  ASSERT_TRUE(write(folder.file("2.safetensors")).ok());
  const auto first = open_safetensors(folder.file("1.safetensors"));
  const auto second = map_file(folder.file("2.safetensors"));
  ASSERT_TRUE(first.ok()) << first.status();
  const TensorView& latents = first->tensors.at("latents");
  EXPECT_TRUE(std::equal(latents.bytes.begin(), latents.bytes.end(), halves.begin(), halves.end()));
  EXPECT_EQ(first->tensors.at("b").bytes[0], 7);
  EXPECT_EQ(first->metadata.at("video_name"), "a\xEF\xBF\xBD.mp4")
      << "bytes that are no text are replaced";
  EXPECT_TRUE(std::equal(latents.buffer->bytes.begin(), latents.buffer->bytes.end(),
                         (*second)->bytes.begin(), (*second)->bytes.end()));
}

TEST(Safetensors, AFolderThatIsNotThereIsNamedWhenWriting) {
  const Status status = write_safetensors("/nonexistent/latents.safetensors", {}, {});
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nonexistent/latents.safetensors"));
}

struct Damage {
  std::string what;
  std::string bytes;
};

class DamagedSafetensors : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedSafetensors, IsRefusedWithTheCause) {
  const auto set = parse_safetensors(buffer_of(GetParam().bytes));
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.status().code(), StatusCode::kBadInput);
  EXPECT_THAT(set.status().message(), HasSubstr("test.safetensors"));
  EXPECT_THAT(set.status().message(), HasSubstr(GetParam().what));
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

INSTANTIATE_TEST_SUITE_P(
    Safetensors, DamagedSafetensors,
    ::testing::Values(
        Damage{"only 3 bytes", "abc"}, Damage{"header would be", std::string(8, '\xFF') + "{}"},
        Damage{"header would be", file_of("{}", 0).substr(0, 9)},
        Damage{"begin with {", file_of(" {}", 0)}, Damage{"begin with {", file_of("[]", 0)},
        Damage{"JSON", file_of("{\"w\":", 0)}, Damage{"JSON", file_of("{} x", 0)},
        Damage{"JSON", file_of("{\"\xFF\":{}}", 0)}, Damage{"no dtype", file_of(R"({"w":{}})", 0)},
        Damage{"no valid data_offsets", file_of(one("F32", "[1]", "[0]"), 4)},
        Damage{"w is of the type F4, which is not read; save it as float16",
               file_of(one("F4", "[1]", "[0,4]"), 4)},
        Damage{"outside the file", file_of(one("F32", "[2]", "[0,8]"), 4)},
        Damage{"outside the file", file_of(one("F32", "[1]", "[4,0]"), 4)},
        Damage{"does not fit its shape", file_of(one("F32", "[2]", "[0,4]"), 4)},
        Damage{"longer or shorter", file_of(one("F32", "[1]", "[0,4]"), 5)},
        Damage{"gaps", file_of(one("F32", "[1]", "[1,5]"), 5)},
        Damage{"too large", file_of(one("F32", "[4611686018427387904,4]", "[0,4]"), 4)},
        Damage{"too large", file_of(one("F64", "[2305843009213693952]", "[0,4]"), 4)},
        Damage{"no valid shape", file_of(one("F32", "[18446744073709551615]", "[0,4]"), 4)},
        Damage{"array is too long", file_of(one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4)},
        Damage{"no valid data_offsets", file_of(one("F32", "[1]", "[0,4,4]"), 4)},
        Damage{"no valid shape", file_of(one("F32", "[-1]", "[0,4]"), 4)},
        Damage{"no valid shape", file_of(one("F32", "[1.5]", "[0,4]"), 4)},
        Damage{"no dtype",
               file_of(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4],"kind":1}})", 0)},
        Damage{"'dtype' appears twice", file_of(R"({"w":{"dtype":"F32","dtype":"F32"}})", 0)},
        Damage{"'w' appears twice", file_of(R"({"w":{},"w":{}})", 0)},
        Damage{"'__metadata__' appears twice",
               file_of(R"({"__metadata__":{},"__metadata__":{}})", 0)},
        Damage{"'a' appears twice", file_of(R"({"__metadata__":{"a":"1","a":"2"}})", 0)},
        Damage{"something else than strings", file_of(R"({"__metadata__":{"a":{}}})", 0)},
        Damage{"w has no dtype", file_of(R"({"w":[1]})", 0)},
        Damage{"w has no dtype", file_of(R"({"w":null})", 0)},
        Damage{"longer than", file_of("{\"" + std::string(600, 'n') + "\":{}}", 0)},
        Damage{"overlap", file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                  R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                                  3)}));

TEST(MapFile, SaysWhatIsWrongWithThePath) {
  EXPECT_EQ(map_file("/nonexistent").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(map_file("/dev/null").status().message(), HasSubstr("is a device, not a file"));
}

TEST(UnusableValues, AreFoundWhereverTheyAre) {
  std::vector<float> values(5000, 1.0F);
  const TensorView view{
      DType::kF32,
      {5000},
      {1},
      {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float)},
      nullptr};
  EXPECT_FALSE(has_unusable_values(view, true));
  values[4999] = -65520.0F;
  EXPECT_FALSE(has_unusable_values(view, false));
  EXPECT_TRUE(has_unusable_values(view, true)) << "rounds to infinity in half precision";
  values[4999] = -INFINITY;
  EXPECT_TRUE(has_unusable_values(view, false));
  values[4999] = 0;
  values[0] = NAN;
  EXPECT_TRUE(has_unusable_values(view, false));
}

}  // namespace
}  // namespace mimicfleet::weights
