#include "common/safetensors/header.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::safetensors {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kJson =
    R"({"__metadata__":{"seed":"42"},"latents":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}})";

std::string file_of(const std::string& json, std::size_t data_bytes) {
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(json.size() >> (8 * i) & 0xff);
  return length + json + std::string(data_bytes, 'x');
}

TEST(SafetensorsHeader, OfAFileIsReadWithoutItsNumbers) {
  const TemporaryFolder folder;
  put(folder, "a.safetensors", file_of(kJson, 4));
  const auto header = read_header(folder / "a.safetensors");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata.at("seed"), "42");
  EXPECT_EQ(header->tensors.at("latents").dtype, "F16");
  EXPECT_THAT(header->tensors.at("latents").shape, ElementsAre(1, 2));
  EXPECT_EQ(header->data_offset, 8 + kJson.size());
}

TEST(SafetensorsHeader, FilesThatAreCutOrLongerOrSomethingElseAreRefusedByName) {
  const TemporaryFolder folder;
  const std::string whole = file_of(kJson, 4);
  for (const auto& [content, cause] : std::vector<std::pair<std::string, std::string>>{
           {whole.substr(0, whole.size() - 1), "lies outside"},
           {whole + "x", "longer or shorter"},
           {whole.substr(0, 20), "header would be"},
           {"abc", "ends too early"},
           {file_of("[1]", 0), "does not begin with {"}}) {
    put(folder, "a.safetensors", content);
    const auto header = read_header(folder / "a.safetensors");
    EXPECT_EQ(header.status().code(), StatusCode::kBadInput);
    EXPECT_THAT(header.status().message(), AllOf(HasSubstr("a.safetensors"), HasSubstr(cause)));
  }
  EXPECT_EQ(read_header(folder / "none").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace mimicfleet::safetensors
