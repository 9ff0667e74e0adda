#include "common/av/record.h"

#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::av {
namespace {

using ::testing::HasSubstr;
using Task = RecordOrder::Task;

const StreamInfo kInfo{.video = {.width = 4,
                                 .height = 2,
                                 .rotation = 90,
                                 .average_fps = {30000, 1001},
                                 .declared_frames = 7,
                                 .declared_seconds = 0.5,
                                 .container = "mp4",
                                 .codec = "h264"},
                       .stride = 3};

RecordHeader info() { return {.type = RecordType::kInfo, .payload_bytes = kInfoPayloadBytes}; }
RecordHeader frame(std::uint64_t index) {
  return {.type = RecordType::kFrame, .width = 4, .height = 2, .index = index, .payload_bytes = 24};
}
RecordHeader end(std::uint64_t count) { return {.type = RecordType::kEnd, .index = count}; }

RecordOrder after_info() {
  RecordOrder order(Task::kDecode, 8, 100);
  CHECK(order.accept(info()).ok());
  order.accept(kInfo);
  return order;
}

TEST(Record, InfoSurvivesTheWay) {
  const auto back = decode_info(encode_info(kInfo), {});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->video.width, 4);
  EXPECT_EQ(back->video.rotation, 90);
  EXPECT_EQ(back->video.average_fps, kInfo.video.average_fps);
  EXPECT_EQ(back->video.declared_frames, 7);
  EXPECT_EQ(back->video.declared_seconds, 0.5);
  EXPECT_EQ(back->video.container, "mp4");
  EXPECT_EQ(back->video.codec, "h264");
  EXPECT_EQ(back->stride, 3);
}

Result<ReadingNotes> notes_from(std::string_view bytes) {
  return decode_notes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

TEST(Record, NotesSurviveTheWay) {
  ReadingNotes notes;
  EXPECT_EQ(notes_from(encode_notes(notes)).value(), notes);
  notes.done.add(Step::kTones);
  notes.warnings = {"it is HDR", "and more"};
  EXPECT_EQ(notes_from(encode_notes(notes)).value(), notes);
  notes.warnings.assign(100, std::string(100, 'x'));
  EXPECT_LE(encode_notes(notes).size(), kMaxNotesBytes);
}

TEST(Record, NotesAreNotBelieved) {
  EXPECT_THAT(notes_from("rotten.1").status().message(), HasSubstr("notes"));
  EXPECT_EQ(notes_from("tones.1\nred \x1b[31m").value().warnings,
            std::vector<std::string>{"red ?[31m"});
}

TEST(Record, FailureSurvivesTheWayAsOneLine) {
  const std::string bytes = encode_failure({StatusCode::kBadInput, "is\nodd"});
  const Status status =
      decode_failure({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  EXPECT_EQ(status, Status(StatusCode::kBadInput, "is?odd"));
}

TEST(Record, AFailureWithoutACodeIsAFaultOfTheWriter) {
  for (const std::string_view bytes : {"", "\n", "ok\nfine", "bad_input", "no_such_code\nx"}) {
    EXPECT_EQ(
        decode_failure({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}).code(),
        StatusCode::kInternal);
  }
}

TEST(Record, ImplausibleInfoIsRefused) {
  const auto refused = [](auto change) {
    StreamInfo wrong = kInfo;
    change(wrong);
    return !decode_info(encode_info(wrong), {.max_pixels = 8}).ok();
  };
  EXPECT_FALSE(refused([](StreamInfo&) {}));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.width = 0; }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.height = 3; }));  // 12 pixels
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.height = -2; }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.width = std::numeric_limits<int>::max(); }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.rotation = 45; }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.average_fps.denominator = 0; }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.declared_frames = -1; }));
  EXPECT_TRUE(refused(
      [](StreamInfo& i) { i.video.declared_seconds = std::numeric_limits<double>::quiet_NaN(); }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.codec = ""; }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.video.codec = "h\x1b[2J"; }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.stride = 0; }));
  EXPECT_TRUE(refused([](StreamInfo& i) { i.stride = kMaxStride + 1; }));
}

TEST(Record, AWrongMagicOrTypeIsRefused) {
  std::array<std::uint8_t, sizeof(RecordHeader)> bytes;
  RecordHeader header = frame(0);
  header.magic = 1;
  std::memcpy(bytes.data(), &header, sizeof(header));
  EXPECT_THAT(decode_header(bytes).status().message(), HasSubstr("magic"));
  header = frame(0);
  header.type = static_cast<RecordType>(9);
  std::memcpy(bytes.data(), &header, sizeof(header));
  EXPECT_THAT(decode_header(bytes).status().message(), HasSubstr("type"));
}

TEST(RecordOrder, AcceptsAWholeVideo) {
  RecordOrder order = after_info();
  EXPECT_TRUE(order.accept(frame(0)).ok());
  EXPECT_TRUE(order.accept(frame(3)).ok());
  EXPECT_TRUE(order.accept(frame(6)).ok());
  EXPECT_TRUE(order.accept(end(7)).ok());
}

TEST(RecordOrder, RefusesFramesThatWereNotAskedFor) {
  EXPECT_FALSE(after_info().accept(frame(1)).ok());
  RecordHeader other = frame(0);
  other.width = 2;
  other.height = 4;
  EXPECT_FALSE(after_info().accept(other).ok());
  other = frame(0);
  other.payload_bytes = 1u << 30;
  EXPECT_FALSE(after_info().accept(other).ok());
  EXPECT_FALSE(RecordOrder(Task::kDecode, 8, 100).accept(frame(0)).ok());  // before any info
  EXPECT_FALSE(RecordOrder(Task::kProbe, 8, 100).accept(frame(0)).ok());
  EXPECT_FALSE(RecordOrder(Task::kEncode, 8, 100).accept(frame(0)).ok());
}

TEST(RecordOrder, RefusesAnEndThatDoesNotFitTheFrames) {
  EXPECT_FALSE(after_info().accept(end(0)).ok());  // no frames is a failure, never an end
  EXPECT_FALSE(after_info().accept(end(7)).ok());
  EXPECT_FALSE(after_info().accept(end(101)).ok());
  RecordOrder order = after_info();
  ASSERT_TRUE(order.accept(frame(0)).ok());
  EXPECT_FALSE(order.accept(end(4)).ok());  // frame 3 is missing
}

TEST(RecordOrder, RefusesAnythingAfterTheEnd) {
  RecordOrder order = after_info();
  ASSERT_TRUE(order.accept(frame(0)).ok());
  ASSERT_TRUE(order.accept(end(1)).ok());
  EXPECT_FALSE(order.accept(end(1)).ok());
  EXPECT_FALSE(order.accept(info()).ok());
}

TEST(RecordOrder, RefusesInfoTwiceAndWhereNoneBelongs) {
  EXPECT_FALSE(after_info().accept(info()).ok());
  EXPECT_FALSE(RecordOrder(Task::kImage, 8, 1).accept(info()).ok());
}

TEST(RecordOrder, TakesNotesOnceBeforeTheFrames) {
  const RecordHeader notes{.type = RecordType::kNotes, .payload_bytes = 10};
  RecordOrder order = after_info();
  EXPECT_TRUE(order.accept(notes).ok());
  EXPECT_FALSE(order.accept(notes).ok());
  RecordOrder without = after_info();
  ASSERT_TRUE(without.accept(frame(0)).ok());
  EXPECT_FALSE(without.accept(notes).ok());
  EXPECT_FALSE(RecordOrder(Task::kDecode, 8, 100).accept(notes).ok());  // before the info
  EXPECT_TRUE(RecordOrder(Task::kImage, 8, 1).accept(notes).ok());
  EXPECT_FALSE(RecordOrder(Task::kEncode, 8, 1).accept(notes).ok());
  const RecordHeader huge{.type = RecordType::kNotes, .payload_bytes = kMaxNotesBytes + 1};
  EXPECT_FALSE(after_info().accept(huge).ok());
}

TEST(RecordOrder, TakesSomeNotesBeforeLaterFrames) {
  const RecordHeader notes{.type = RecordType::kNotes, .payload_bytes = 10};
  RecordOrder order = after_info();
  ASSERT_TRUE(order.accept(notes).ok());
  ASSERT_TRUE(order.accept(frame(0)).ok());
  for (int i = 0; i < kMaxLateNotes; ++i) EXPECT_TRUE(order.accept(notes).ok());
  EXPECT_FALSE(order.accept(notes).ok());
  RecordOrder image(Task::kImage, 8, 1);
  ASSERT_TRUE(image.accept(notes).ok());
  ASSERT_TRUE(image.accept(frame(0)).ok());
  EXPECT_FALSE(image.accept(notes).ok());
}

TEST(RecordOrder, LimitsAnImage) {
  RecordHeader image = frame(0);
  EXPECT_TRUE(RecordOrder(Task::kImage, 8, 1).accept(image).ok());
  EXPECT_FALSE(RecordOrder(Task::kImage, 7, 1).accept(image).ok());
  EXPECT_FALSE(RecordOrder(Task::kImage, 8, 1).accept(end(1)).ok());  // without one
  image.width = image.height = 0xffffffff;
  image.payload_bytes = 3;
  EXPECT_FALSE(RecordOrder(Task::kImage, 8, 1).accept(image).ok());
}

}  // namespace
}  // namespace mimicfleet::av
