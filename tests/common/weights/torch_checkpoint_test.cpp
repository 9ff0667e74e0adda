#include "common/weights/torch_checkpoint.h"

#include <cstring>

#include <gmock/gmock.h>

#include "tests/common/weights/stored_zip.h"
#include "tests/common/weights/temporary_folder.h"

namespace mimicfleet::weights {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

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

// What torch.save writes for torch.zeros(2, 3) in storage "0", with these integers in place of the
// real ones.
std::string tensor(const std::string& type = "FloatStorage", int elements = 6, int offset = 0,
                   const std::string& shape = "K\2K\3\x86",
                   const std::string& strides = "K\3K\1\x86") {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + type + "\n" +
         text("0") + text("cpu") + "K" + static_cast<char>(elements) + "tQK" +
         static_cast<char>(offset) + shape + strides + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::string pickle_of(const std::string& dict_items) { return "\x80\2}(" + dict_items + "u."; }

std::string archive(const std::string& pickle, std::size_t storage_bytes = 24) {
  return stored_zip({{"m/data.pkl", pickle},
                     {"m/byteorder", "little"},
                     {"m/data/0", std::string(storage_bytes, 'x')}});
}

TEST(TorchCheckpoint, ReadsTheGoldenCheckpoint) {
  const auto set = open_torch_checkpoint(golden_pack("models/MimicMotion_1-1.pth"));
  ASSERT_TRUE(set.ok()) << set.status();
  const TensorView& weight = set->tensors.at("unet.conv_in.weight");
  EXPECT_EQ(weight.dtype, DType::kF16);
  EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{32, 8, 3, 3}));
  EXPECT_TRUE(weight.contiguous());
  EXPECT_EQ(set->with_prefix("pose_net.").tensors.at("scale").shape,
            (std::vector<std::int64_t>{1}));
}

TEST(TorchCheckpoint, NestedDictionariesBecomeNamesWithDots) {
  const auto set = parse_torch_checkpoint(buffer_of(
      archive(pickle_of(text("latents") + tensor() + text("metadata") + "}(" + text("fps") +
                        "K\x0F" + text("video_name") + text("a.mp4") + "u"))));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->tensors.at("latents").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(set->metadata.at("metadata.fps"), "15");
  EXPECT_EQ(set->metadata.at("metadata.video_name"), "a.mp4");
}

TEST(TorchCheckpoint, AWindowOfAStorageKeepsItsStrides) {
  const auto set = parse_torch_checkpoint(buffer_of(
      archive(pickle_of(text("t") + tensor("FloatStorage", 6, 1, "K\3K\2\x86", "K\1K\3\x86")))));
  ASSERT_FALSE(set.ok()) << "one element beyond the end";
  const auto column = parse_torch_checkpoint(buffer_of(
      archive(pickle_of(text("t") + tensor("FloatStorage", 6, 1, "K\2\x85", "K\3\x85")))));
  ASSERT_TRUE(column.ok()) << column.status();
  EXPECT_EQ(column->tensors.at("t").bytes.size(), 4U * 4);
  EXPECT_FALSE(column->tensors.at("t").contiguous());
}

// A tensor of a type without a storage class of its own.
std::string untyped(const std::string& type,
                    const std::string& storage = "ctorch.storage\nUntypedStorage\n") {
  return "ctorch._utils\n_rebuild_tensor_v3\n((" + text("storage") + storage + text("0") +
         text("cpu") + "K\6tQK\0K\2K\3\x86K\3K\1\x86\x89"s + "ccollections\nOrderedDict\n)R" +
         "ctorch\n" + type + "\ntR";
}

TEST(TorchCheckpoint, ReadsFloatsOfEightBits) {
  for (const auto& [name, dtype] :
       {std::pair("float8_e4m3fn", DType::kF8E4M3), {"float8_e5m2", DType::kF8E5M2}}) {
    const auto set =
        parse_torch_checkpoint(buffer_of(archive(pickle_of(text("t") + untyped(name)), 6)));
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ(set->tensors.at("t").dtype, dtype);
    EXPECT_EQ(set->tensors.at("t").shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(set->tensors.at("t").bytes.size(), 6U);
  }
}

// What torch.save wrote before 1.6 (torch/serialization.py, _legacy_save) for {"t": torch.zeros(2,
// 3)}.
struct OldCheckpoint {
  std::string protocol = "\x80\2M\xE9\3.";
  std::string machine =
      "\x80\2}(" + text("protocol_version") + "M\xE9\3" + text("little_endian") + "\x88u.";
  std::string tensors = pickle_of(text("t") + old_tensor("N"));
  std::string keys = "\x80\2](" + text("0") + "e.";
  std::string storages = "\6" + std::string(7, '\0') + std::string(24, 'x');

  static std::string old_tensor(const std::string& view) {
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" +
           text("0") + text("cpu") + "K\6" + view + "tQK\0K\2K\3\x86K\3K\1\x86\x89"s +
           "ccollections\nOrderedDict\n)RtR";
  }
  [[nodiscard]] std::string bytes() const {
    return "\x80\2\x8A\x0Al\xFC\x9C\x46\xF9 j\xA8P\x19." + protocol + machine + tensors + keys +
           storages;
  }
  [[nodiscard]] std::string error() const {
    const auto set = parse_torch_checkpoint(buffer_of(bytes()));
    return set.ok() ? "" : set.status().message();
  }
};

TEST(TorchCheckpoint, ReadsWhatWasSavedBeforeTorch16) {
  const OldCheckpoint old;
  EXPECT_TRUE(looks_like_old_checkpoint(buffer_of(old.bytes())->bytes));
  const auto set = parse_torch_checkpoint(buffer_of(old.bytes()));
  ASSERT_TRUE(set.ok()) << set.status();
  const TensorView& tensor = set->tensors.at("t");
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(std::string(tensor.bytes.begin(), tensor.bytes.end()), std::string(24, 'x'));
}

// Strings, globals and the memo of protocol 4, each pickle in a frame.
TEST(TorchCheckpoint, ReadsEveryProtocolOfBeforeTorch16) {
  OldCheckpoint old;
  std::string three = old.bytes();
  three[1] = '\3';
  EXPECT_TRUE(parse_torch_checkpoint(buffer_of(three)).ok());

  const auto framed = [](const std::string& pickle) {
    return "\x80\4\x95" + std::string(1, static_cast<char>(pickle.size())) + std::string(7, '\0') +
           pickle;
  };
  const auto short_text = [](const std::string& value) {
    return "\x8c" + std::string(1, static_cast<char>(value.size())) + value + "\x94";
  };
  const std::string tensor =
      short_text("torch._utils") + short_text("_rebuild_tensor_v2") + "\x93\x94((" +
      short_text("storage") + short_text("torch") + short_text("FloatStorage") + "\x93\x94" +
      short_text("0") + short_text("cpu") + "K\6Nt\x94QK\0K\2K\3\x86\x94"s + "K\3K\1\x86\x94\x89" +
      short_text("collections") + short_text("OrderedDict") + "\x93\x94)R\x94t\x94R\x94";
  const std::string four =
      framed("\x8A\x0Al\xFC\x9C\x46\xF9 j\xA8P\x19.") + "\x80\4M\xE9\3." +
      framed("}\x94(" + short_text("protocol_version") + "M\xE9\3" + short_text("little_endian") +
             "\x88u.") +
      framed("}\x94(" + short_text("a") + tensor + short_text("b") + "h\x10u.") +
      framed("]\x94" + short_text("0") + "a.") + old.storages;
  EXPECT_TRUE(looks_like_old_checkpoint(buffer_of(four)->bytes));
  const auto set = parse_torch_checkpoint(buffer_of(four));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->tensors.at("a").shape, (std::vector<std::int64_t>{2, 3}));
}

TEST(TorchCheckpoint, SumsMayBeLeftToWhoeverReadsTheNumbers) {
  std::string damaged = archive(pickle_of(text("t") + tensor()));
  damaged[damaged.find("xxxx")] = 'y';
  EXPECT_THAT(parse_torch_checkpoint(buffer_of(damaged)).status().message(), HasSubstr("checksum"));
  EXPECT_TRUE(parse_torch_checkpoint(buffer_of(damaged), Sums::kSkip).ok());
  damaged.resize(damaged.size() / 2);
  EXPECT_THAT(parse_torch_checkpoint(buffer_of(damaged), Sums::kSkip).status().message(),
              HasSubstr("cut off"));
}

TEST(TorchCheckpoint, DamagedFilesOfBeforeTorch16AreRefusedWithTheCause) {
  const auto error = [](auto&& damage) {
    OldCheckpoint old;
    damage(old);
    return old.error();
  };
  EXPECT_THAT(error([](auto& old) { old.protocol = "\x80\2M\xE8\3."; }),
              HasSubstr("save it with a newer torch"));
  EXPECT_THAT(error([](auto& old) { old.machine = "\x80\2}(" + text("little_endian") + "\x89u."; }),
              HasSubstr("save it with a newer torch"));
  EXPECT_THAT(error([](auto& old) {
                old.tensors = pickle_of(text("t") + OldCheckpoint::old_tensor("K\1"));
              }),
              HasSubstr("is a view of another"));
  EXPECT_THAT(error([](auto& old) { old.keys = "\x80\2](" + text("1") + "e."; }),
              HasSubstr("of which no tensor is made"));
  EXPECT_THAT(error([](auto& old) {
                old.keys = "\x80\2](" + text("0") + text("0") + "e.";
                old.storages += old.storages;
              }),
              HasSubstr("a storage twice"));
  EXPECT_THAT(error([](auto& old) { old.keys = "\x80\2]."; }),
              HasSubstr("the storage of t is missing"));
  EXPECT_THAT(error([](auto& old) { old.storages.pop_back(); }),
              HasSubstr("cut off; fetch the file again"));
  EXPECT_THAT(error([](auto& old) { old.storages.resize(5); }), HasSubstr("cut off"));
  EXPECT_THAT(error([](auto& old) { old.storages[7] = '\xFF'; }), HasSubstr("cut off"));
  EXPECT_THAT(error([](auto& old) { old.storages[0] = '\5'; }),
              HasSubstr("another size than announced"));
  EXPECT_THAT(error([](auto& old) { old.tensors = "cos\nsystem\n(" + text("true") + "tR."; }),
              HasSubstr("wants os.system"));
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
    ::testing::Values(
        Damage{"not what torch.save writes", "\x80\2\x8A\x0Al\xFC\x9C"},
        Damage{"too short", "PK\3\4"}, Damage{"cut off", kGood.substr(0, kGood.size() - 1)},
        Damage{"checksum", with(kGood, 50, 'Z')},
        Damage{"is a ZIP archive that torch.save did not write; unpack it",
               stored_zip({{"a", "b"}})},
        Damage{"is compressed, which torch.save never does; unpack it and name the file in it",
               stored_zip({{"m/data.pkl", "x", 8}})},
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
        Damage{"wants os.system, which no state dict needs and which is not run here; save only "
               "the tensors",
               archive("\x80\4" + text("os") + text("system") + "\x93.")},
        Damage{"a name is no text", archive("\x80\4K\1K\2\x93.")},
        Damage{"operation 0x8b is not allowed; save it with torch.save's default protocol",
               archive("\x80\2\x8b.")},
        Damage{"nothing to remember", archive("\x80\4\x94.")},
        Damage{"too many values", archive("\x80\4}" + std::string((1 << 20) + 1, '\x94') + ".")},
        Damage{"operation 0x69", archive("(i__main__\nX\n.")},
        Damage{"its pickle protocol 6 is too new; save it", archive("\x80\6.")},
        Damage{"cut off; fetch the file again", archive("\x80\2}")},
        Damage{"no dictionary", archive("\x80\2K\1.")}, Damage{"left over", archive("\x80\2}}.")},
        Damage{"mark is missing", archive("\x80\2}u.")},
        Damage{"no value", archive("\x80\2}(K\1u.")},
        Damage{"no container", archive("\x80\2K\1(K\1K\1u.")},
        Damage{"remembered", archive("\x80\2h\7.")},
        Damage{"string is too long", archive("X\xFF\xFF\xFF\x7F.")},
        Damage{"longer than 64 bits", archive("\x80\2\x8A\x09"
                                              "123456789.")},
        Damage{"key is no name", archive(pickle_of("NK\1"))},
        Damage{"t is there twice", archive(pickle_of(text("t") + tensor() + text("t") + tensor()))},
        Damage{"no function", archive("\x80\2K\1)R.")},
        Damage{"OrderedDict has arguments", archive("\x80\2"
                                                    "ccollections\nOrderedDict\nK\1\x85R.")},
        Damage{"a type that is not read", archive(pickle_of(text("t") + untyped("FloatStorage")))},
        Damage{"arguments are damaged",
               archive(pickle_of(text("t") + untyped("float8_e5m2", "ctorch\nFloatStorage\n")))},
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
        Damage{"storage of t is missing",
               stored_zip({{"m/data.pkl", pickle_of(text("t") + tensor())}})},
        Damage{"beyond its storage", archive(pickle_of(text("t") + tensor("FloatStorage", 6, 1)))},
        Damage{"lies outside", archive(pickle_of(text("t") + tensor("FloatStorage", 6, 7)))},
        Damage{"strides", archive(pickle_of(text("t") + tensor("FloatStorage", 6, 0, "K\2K\3\x86",
                                                               "K\3\x85")))},
        Damage{"impossible strides",
               archive(pickle_of(text("t") +
                                 tensor("FloatStorage", 6, 0, "K\2K\3\x86",
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
