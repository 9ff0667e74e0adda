#include "coordinator/client/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;

jobs::TaskInfo running(jobs::TaskKind kind, const std::string& stage, int step, int steps) {
  jobs::TaskInfo task;
  task.spec.kind = kind;
  task.spec.name = "clips/a";
  task.state = jobs::TaskState::kRunning;
  task.worker = "worker-0";
  task.attempt = 1;
  task.progress.stage = stage;
  task.progress.step = step;
  task.progress.steps = steps;
  return task;
}

JobView view_of(std::uint32_t videos_done, std::uint32_t videos_total, std::uint32_t tasks_done) {
  JobView view;
  view.summary.videos.done = videos_done;
  view.summary.videos.waiting = videos_total - videos_done;
  view.summary.tasks.done = tasks_done;
  view.summary.tasks.ready = 2 * videos_total - tasks_done;
  return view;
}

TEST(Progress, CountsFinishedEncodesAndStepsOfWhatRuns) {
  EXPECT_EQ(fraction_done(view_of(0, 4, 0)), 0);
  EXPECT_EQ(fraction_done(view_of(4, 4, 8)), 1);
  EXPECT_NEAR(fraction_done(view_of(2, 4, 4)), 0.5, 1e-9);
  EXPECT_NEAR(fraction_done(view_of(0, 4, 4)), 0.8, 1e-9);
  JobView view = view_of(0, 1, 0);
  double before = -1;
  for (int step = 0; step <= 4; ++step) {
    view.running = {running(jobs::TaskKind::kEncodeLatents, "denoise", step, 4)};
    EXPECT_THAT(before, Lt(fraction_done(view)));
    before = fraction_done(view);
  }
  EXPECT_NEAR(before, 0.8, 1e-9);
}

TEST(Progress, FailedAndCancelledVideosAreOver) {
  JobView view = view_of(1, 1, 2);
  view.summary.videos.failed = 1;
  view.summary.videos.cancelled = 2;
  EXPECT_EQ(fraction_done(view), 1);
}

TEST(Progress, OfFilmsCountsEncodesAndFilmsApart) {
  JobView view;  // ten words, of which four films are joined
  view.summary.videos.waiting = 4;
  view.summary.tasks.waiting = 14;
  EXPECT_EQ(fraction_done(view), 0);
  view.summary.tasks.done = 5;
  view.summary.tasks.waiting = 9;
  EXPECT_NEAR(fraction_done(view), 0.4, 1e-9) << "half of the words";
  view.summary.videos = {};
  view.summary.videos.done = 1;
  view.summary.videos.waiting = 3;
  view.summary.tasks.done = 11;
  view.summary.tasks.waiting = 3;
  EXPECT_NEAR(fraction_done(view), 0.85, 1e-9) << "all words and one film";
}

TEST(Progress, OfFilmsOfLatentsThatAreThereCountsFilmsAlone) {
  JobView view;
  view.summary.videos.done = view.summary.tasks.done = 1;
  view.summary.videos.waiting = view.summary.tasks.waiting = 3;
  EXPECT_NEAR(fraction_done(view), 0.25, 1e-9);
}

TEST(Progress, WhereNothingIsLearnedYetTheTimeLeftIsNotGuessedBeforeTheFirstVideo) {
  TimeLeft nothing_known;
  EXPECT_THAT(progress_line(view_of(0, 4, 2), 60, 0, &nothing_known), Not(HasSubstr(" left")));
  EXPECT_EQ(progress_line(view_of(2, 4, 4), 60, 0, &nothing_known),
            "2/4 videos; 1:00, 2.0 videos/min, 1:00 left");
}

TEST(Progress, WhatIsLearnedIsShownInsteadOfTheGuess) {
  TimeLeft left;
  JobView view = view_of(0, 2, 0);
  Instant now{};
  view.running = {running(jobs::TaskKind::kEncodeLatents, "queued", 0, 100)};
  left.see(view, now);
  for (int second = 0; second <= 25; ++second, now += std::chrono::seconds(1)) {
    view.running = {running(jobs::TaskKind::kEncodeLatents, "denoise", second, 100)};
    left.see(view, now);
  }
  // 75 s of this encode and 100 of the next one, and a quarter as much for each decode.
  EXPECT_THAT(progress_line(view, 25, 0, &left), HasSubstr("3:45 left"));
}

TEST(Progress, ShowsRateAndTimeLeftOfWhatIsDoneSinceItIsWatched) {
  const auto lines = progress_lines(view_of(2, 4, 4), 60, 0, 120);
  EXPECT_EQ(lines.at(0),
            "[############............]  50 %  2/4 videos  1:00, 2.0 videos/min, 1:00 left");
  const auto later = progress_lines(view_of(2, 4, 4), 60, 0.25, 120);
  EXPECT_THAT(later.at(0), HasSubstr("1.0 videos/min, 2:00 left"));
  EXPECT_THAT(progress_lines(view_of(0, 4, 0), 5, 0, 120).at(0), HasSubstr("0/4 videos  0:05"));
}

TEST(Progress, TheBarGivesWayToTheTimeLeft) {
  JobView view = view_of(2, 4, 4);
  view.summary.videos.failed = 1;
  for (const std::size_t columns : {64U, 80U, 120U}) {
    EXPECT_THAT(progress_lines(view, 60, 0, columns).at(0), ::testing::EndsWith(" left"))
        << columns;
  }
}

TEST(Progress, ListsWhatRunsAndWhatIsWaitedFor) {
  JobView view = view_of(0, 9, 0);
  view.running = {running(jobs::TaskKind::kEncodeLatents, "denoise", 3, 25)};
  EXPECT_EQ(progress_lines(view, 1, 0, 120).at(1),
            "  clips/a  encode_latents on worker-0, denoise 3/25");
  view.running.resize(9, view.running[0]);
  const auto many = progress_lines(view, 1, 0, 120);
  ASSERT_THAT(many, SizeIs(6));
  EXPECT_EQ(many[5], "  … 5 more");
  view.running.clear();
  view.waits_for = "no worker is there";
  EXPECT_EQ(progress_lines(view, 1, 0, 120).at(1), "  no worker is there");
}

TEST(Progress, TheLineOfALogSaysWhatIsWaitedFor) {
  JobView view = view_of(0, 9, 0);
  view.waits_for = "no worker is there";
  EXPECT_EQ(progress_line(view, 30, 0), "0/9 videos; 0:30; no worker is there");
  view.running = {running(jobs::TaskKind::kEncodeLatents, "denoise", 3, 25)};
  EXPECT_THAT(progress_line(view, 30, 0), Not(HasSubstr("no worker")));
}

TEST(Progress, WhileNobodyCanDoWhatIsLeftThereIsNoRateAndNoTimeLeft) {
  JobView view = view_of(1, 9, 1);
  EXPECT_THAT(progress_line(view, 30, 0), HasSubstr(" left"));
  view.waits_for = "no worker can take it";
  view.stuck = true;
  EXPECT_EQ(progress_line(view, 30, 0), "1/9 videos; 0:30; no worker can take it");
  EXPECT_THAT(progress_lines(view, 30, 0, 120).at(0), HasSubstr("1/9 videos  0:30"));
  EXPECT_THAT(progress_lines(view, 30, 0, 120).at(0), Not(HasSubstr("left")));
}

TEST(Progress, LinesFitTheTerminalAndStayUtf8) {
  JobView view = view_of(0, 1, 0);
  view.running = {running(jobs::TaskKind::kEncodeLatents, "denoise", 3, 25)};
  view.running[0].spec.name = std::string(10, 'a') + "\xc3\xa9" + std::string(100, 'b');
  for (std::size_t columns = 3; columns < 40; ++columns) {
    for (const auto& line : progress_lines(view, 1, 0, columns)) {
      EXPECT_THAT(line.size(), Lt(columns));
      EXPECT_NE(static_cast<unsigned char>(line.back()), 0xc3);
    }
  }
}

TEST(Progress, TimesAreReadable) {
  EXPECT_EQ(clock_text(0.4), "0:00");
  EXPECT_EQ(clock_text(185), "3:05");
  EXPECT_EQ(clock_text(3723), "1:02:03");
  EXPECT_EQ(clock_text(1e300), "?");
}

TEST(ProgressDisplay, OnAFileItWritesNoControlCharacters) {
  std::FILE* file = std::tmpfile();
  {
    ProgressDisplay display(file, false);
    display.note("reading");
    display.show(view_of(0, 4, 0), Instant{});
  }
  EXPECT_EQ(std::ftell(file), 0);
  std::fclose(file);
}

TEST(ProgressDisplay, AnotherJobHasAClockOfItsOwn) {
  std::FILE* file = std::tmpfile();
  {
    ProgressDisplay display(file, true);
    JobView view = view_of(0, 4, 0);
    view.summary.number = 1;
    display.show(view, Instant{});
    display.show(view, Instant{} + std::chrono::seconds(600));
    view.summary.number = 2;
    display.show(view, Instant{} + std::chrono::seconds(601));
    display.show(view, Instant{} + std::chrono::seconds(606));
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  EXPECT_THAT(text, AllOf(HasSubstr("10:00"), HasSubstr("0:05"), Not(HasSubstr("10:06"))));
}

}  // namespace
}  // namespace mimicfleet::coordinator
