#include "worker/formats/latents_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/formats/array_bytes.h"

namespace mimicfleet::formats {
namespace {

using ::testing::HasSubstr;
using weights::DType;

TEST(LatentsBytes, TensorAndStringsComeBack) {
  std::vector<float> values(2 * 4 * 3 * 5);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 3;
  const std::string bytes =
      latents_to_bytes(DType::kF32, 2, 3, 5, raw_bytes(values), {{"seed", "42"}});
  EXPECT_EQ(bytes, latents_to_bytes(DType::kF32, 2, 3, 5, raw_bytes(values), {{"seed", "42"}}));
  const auto latents = latents_from_bytes(bytes, "x.safetensors");
  ASSERT_TRUE(latents.ok()) << latents.status();
  EXPECT_EQ(latents->frames(), 2);
  EXPECT_EQ(latents->height(), 24);
  EXPECT_EQ(latents->width(), 40);
  EXPECT_EQ(latents->metadata.at("seed"), "42");
  EXPECT_THAT(latents->tensor.bytes, ::testing::ElementsAreArray(raw_bytes(values)));
}

TEST(LatentsBytes, OtherDocumentsAreRefusedByName) {
  const std::vector<float> values(8);
  const auto document = [&](const char* name, std::vector<std::int64_t> shape) {
    return weights::safetensors_bytes({{name, DType::kF32, std::move(shape), raw_bytes(values)}},
                                      {});
  };
  for (const std::string& bytes :
       {std::string("no safetensors"), document("other", {1, 1, 4, 1, 2}),
        document("latents", {1, 4, 1, 2}), document("latents", {2, 1, 4, 1, 1}),
        document("latents", {1, 1, 8, 1, 1})}) {
    const auto latents = latents_from_bytes(bytes, "x.safetensors");
    ASSERT_FALSE(latents.ok());
    EXPECT_EQ(latents.status().code(), StatusCode::kBadInput);
    EXPECT_THAT(latents.status().message(), HasSubstr("x.safetensors"));
  }
}

}  // namespace
}  // namespace mimicfleet::formats
