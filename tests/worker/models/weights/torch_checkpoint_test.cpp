#include "worker/models/weights/torch_checkpoint.h"

#include <cstring>

#include <gmock/gmock.h>

#include "tests/worker/models/weights/stored_zip.h"
#include "tests/worker/models/weights/temporary_folder.h"

namespace mimicfleet::weights {
namespace {

using ::testing::HasSubstr;

BufferPtr buffer_of(const std::string& bytes) {
  auto copy = std::make_shared<std::string>(bytes);
  auto buffer = std::make_shared<Buffer>();
  buffer->origin = "test.pth";
  buffer->bytes = {reinterpret_cast<const std::uint8_t*>(copy->data()), copy->size()};
  buffer->owner = copy;
  return buffer;
}

std::string text(const std::string& value) {
  return "X" + std::string(1, static_cast<char>(value.size())) + std::string(3, '\0') + value;
}

// What torch.save writes for torch.zeros(2, 3) in storage "0", with these integers in place of the real ones.
std::string tensor(const std::string& type = "FloatStorage", int elements = 6, int offset = 0,
                   const std::string& shape = "K\2K\3\x86", const std::string& strides = "K\3K\1\x86") {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + type + "\n" + text("0") +
         text("cpu") + "K" + static_cast<char>(elements) + "tQK" + static_cast<char>(offset) + shape +
         strides + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::string pickle_of(const std::string& dict_items) { return "\x80\2}(" + dict_items + "u."; }

std::string archive(const std::string& pickle, std::size_t storage_bytes = 24) {
  return stored_zip(
      {{"m/data.pkl", pickle}, {"m/byteorder", "little"}, {"m/data/0", std::string(storage_bytes, 'x')}});
}

TEST(TorchCheckpoint, ReadsTheGoldenCheckpoint) {
  const auto set = open_torch_checkpoint(golden_pack("models/MimicMotion_1-1.pth"));
  ASSERT_TRUE(set.ok()) << set.status();
  const TensorView& weight = set->tensors.at("unet.conv_in.weight");
  EXPECT_EQ(weight.dtype, DType::kF16);
  EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{32, 8, 3, 3}));
  EXPECT_TRUE(weight.contiguous());
  EXPECT_EQ(set->with_prefix("pose_net.").tensors.at("scale").shape, (std::vector<std::int64_t>{1}));
}

TEST(TorchCheckpoint, NestedDictionariesBecomeNamesWithDots) {
  const auto set = parse_torch_checkpoint(
      buffer_of(archive(pickle_of(text("latents") + tensor() + text("metadata") + "}(" + text("fps") +
                                  "K\x0F" + text("video_name") + text("a.mp4") + "u"))));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->tensors.at("latents").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(set->metadata.at("metadata.fps"), "15");
  EXPECT_EQ(set->metadata.at("metadata.video_name"), "a.mp4");
}

TEST(TorchCheckpoint, AWindowOfAStorageKeepsItsStrides) {
  const auto set = parse_torch_checkpoint(
      buffer_of(archive(pickle_of(text("t") + tensor("FloatStorage", 6, 1, "K\3K\2\x86", "K\1K\3\x86")))));
  ASSERT_FALSE(set.ok()) << "one element beyond the end";
  const auto column = parse_torch_checkpoint(
      buffer_of(archive(pickle_of(text("t") + tensor("FloatStorage", 6, 1, "K\2\x85", "K\3\x85")))));
  ASSERT_TRUE(column.ok()) << column.status();
  EXPECT_EQ(column->tensors.at("t").bytes.size(), 4U * 4);
  EXPECT_FALSE(column->tensors.at("t").contiguous());
}

struct Damage {
  std::string what;
  std::string bytes;
};

class DamagedCheckpoint : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedCheckpoint, IsRefusedWithTheCause) {
  const auto set = parse_torch_checkpoint(buffer_of(GetParam().bytes));
  ASSERT_FALSE(set.ok());
  EXPECT_THAT(set.status().message(), HasSubstr("test.pth"));
  EXPECT_THAT(set.status().message(), HasSubstr(GetParam().what));
}

std::string with(std::string bytes, std::size_t at, char value) {
  bytes[at] = value;
  return bytes;
}

const std::string kGood = archive(pickle_of(text("t") + tensor()));

INSTANTIATE_TEST_SUITE_P(
    Zip, DamagedCheckpoint,
    ::testing::Values(Damage{"since torch 1.6", "\x80\2\x8A\x0Al\xFC\x9C"}, Damage{"too short", "PK\3\4"},
                      Damage{"cut off", kGood.substr(0, kGood.size() - 1)},
                      Damage{"checksum", with(kGood, 50, 'Z')},
                      Damage{"not one of torch.save", stored_zip({{"a", "b"}})},
                      Damage{"is compressed", stored_zip({{"m/data.pkl", "x", 8}})},
                      Damage{"is encrypted", stored_zip({{"m/data.pkl", "x", 0, 1}})},
                      Damage{"is there twice", stored_zip({{"m/data.pkl", "x"}, {"m/data.pkl", "x"}})},
                      Damage{"TorchScript", stored_zip({{"m/data.pkl", "x"}, {"m/constants.pkl", "x"}})},
                      Damage{"big-endian", stored_zip({{"m/data.pkl", "x"}, {"m/byteorder", "big"}})},
                      Damage{"name is too long", stored_zip({{std::string(600, 'n'), "x"}})}));

INSTANTIATE_TEST_SUITE_P(
    Pickle, DamagedCheckpoint,
    ::testing::Values(
        Damage{"wants os.system", archive("\x80\2"
                                          "cos\nsystem\n(" +
                                          text("true") + "tR.")},
        Damage{"wants torch.save", archive("\x80\2"
                                           "ctorch\nsave\n.")},
        Damage{"operation 0x93", archive("\x80\4" + text("os") + text("system") + "\x93.")},
        Damage{"operation 0x69", archive("(i__main__\nX\n.")}, Damage{"protocol", archive("\x80\6.")},
        Damage{"cut off", archive("\x80\2}")}, Damage{"no dictionary", archive("\x80\2K\1.")},
        Damage{"left over", archive("\x80\2}}.")}, Damage{"mark is missing", archive("\x80\2}u.")},
        Damage{"no value", archive("\x80\2}(K\1u.")}, Damage{"no container", archive("\x80\2K\1(K\1K\1u.")},
        Damage{"remembered", archive("\x80\2h\7.")},
        Damage{"string is too long", archive("X\xFF\xFF\xFF\x7F.")},
        Damage{"longer than 64 bits", archive("\x80\2\x8A\x09"
                                              "123456789.")},
        Damage{"key is no name", archive(pickle_of("NK\1"))},
        Damage{"t is there twice", archive(pickle_of(text("t") + tensor() + text("t") + tensor()))},
        Damage{"no function", archive("\x80\2K\1)R.")},
        Damage{"OrderedDict has arguments", archive("\x80\2"
                                                    "ccollections\nOrderedDict\nK\1\x85R.")},
        Damage{"calls a storage", archive("\x80\2"
                                          "ctorch\nFloatStorage\n)R.")},
        Damage{"arguments are damaged", archive("\x80\2"
                                                "ctorch._utils\n_rebuild_tensor_v2\n)R.")},
        Damage{"wants torch.QInt8Storage", archive(pickle_of(text("t") + tensor("QInt8Storage")))},
        Damage{"state of an object", archive("\x80\2K\1K\1b.")}));

INSTANTIATE_TEST_SUITE_P(
    Storage, DamagedCheckpoint,
    ::testing::Values(
        Damage{"another size", archive(pickle_of(text("t") + tensor()), 20)},
        Damage{"another size", archive(pickle_of(text("t") + tensor("FloatStorage", 5)))},
        Damage{"another size", archive(pickle_of(text("t") + tensor("DoubleStorage")))},
        Damage{"storage of t is missing", stored_zip({{"m/data.pkl", pickle_of(text("t") + tensor())}})},
        Damage{"beyond its storage", archive(pickle_of(text("t") + tensor("FloatStorage", 6, 1)))},
        Damage{"lies outside", archive(pickle_of(text("t") + tensor("FloatStorage", 6, 7)))},
        Damage{"strides",
               archive(pickle_of(text("t") + tensor("FloatStorage", 6, 0, "K\2K\3\x86", "K\3\x85")))},
        Damage{"impossible strides",
               archive(pickle_of(text("t") + tensor("FloatStorage", 6, 0, "K\2K\3\x86",
                                                    std::string("J\xFF\xFF\xFF\xFF", 5) + "K\1\x86")))}));

TEST(TorchCheckpoint, DictionariesThatHoldEachOtherManyTimesAreBounded) {
  // Each of seven dictionaries holds the one before 200 times.
  std::string items;
  for (char level = 0; level < 7; ++level) {
    items += std::string("K") + level + "}";
    for (int i = 0; level > 0 && i < 200; ++i) {
      items += std::string("K") + static_cast<char>(i) + "h" + static_cast<char>(level - 1) + "s";
    }
    items += std::string("q") + level;
  }
  const auto set = parse_torch_checkpoint(buffer_of(archive(pickle_of(items))));
  ASSERT_FALSE(set.ok());
  EXPECT_THAT(set.status().message(), HasSubstr("too many items"));
}

TEST(TorchCheckpoint, ADictionaryThatHoldsItselfIsRefused) {
  const auto set = parse_torch_checkpoint(
      buffer_of(archive(std::string("\x80\2}q\0(", 6) + text("a") + std::string("h\0u.", 4))));
  ASSERT_FALSE(set.ok());
  EXPECT_THAT(set.status().message(), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace mimicfleet::weights
