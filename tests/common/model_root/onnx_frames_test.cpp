#include "common/model_root/onnx_frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::model_root {
namespace {

using namespace std::string_literals;

std::string error(const std::string& bytes) {
  return check_onnx_frames({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})
      .message();
}

TEST(OnnxFrames, FieldsOfEveryKindAreSteppedOver) {
  const std::string graph = "\x3a\3abc";
  EXPECT_EQ(error(graph), "");
  EXPECT_EQ(error("\x08\x88\1"s + graph + "\x32\0"s), "");               // a number, a text
  EXPECT_EQ(error("\x09"s + "12345678" + "\x0d" + "1234" + graph), "");  // fixed sizes
  EXPECT_EQ(error("\x3a\x80\1"s + std::string(128, 'g')), "");           // a length of two bytes
}

TEST(OnnxFrames, WhatDoesNotEndWithAFieldIsCut) {
  EXPECT_EQ(error("\x3a\4abc"), "it is cut off");
  EXPECT_EQ(error("\x3a\3abc\x0d\0"s), "it is cut off");
  EXPECT_EQ(error("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), "it is cut off");
  for (const std::string& bytes : {"\x3a"s, "\x3a\3abc\x08"s, "\x80"s})
    EXPECT_EQ(error(bytes), "it is cut off");
  for (const std::string& bytes : {std::string(11, '\x80'), "\x3b\0"s}) {
    EXPECT_EQ(error(bytes), "its fields are damaged");
  }
  EXPECT_EQ(error(""), "it has no graph");
  EXPECT_EQ(error("\x08\x08"), "it has no graph");
}

TEST(OnnxFrames, FieldsAreBounded) {
  std::string bytes = "\x3a\0"s;
  for (int i = 0; i < 100'000; ++i) bytes += "\x08\1";
  EXPECT_EQ(error(bytes), "its fields are damaged");
}

}  // namespace
}  // namespace mimicfleet::model_root
