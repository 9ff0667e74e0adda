#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A job of words w0, w1, … whose latents are kept, and of films of some of them.
class Films : public ::testing::Test {
 protected:
  JobId submit(std::size_t words, const std::vector<std::vector<std::size_t>>& films) {
    jobs::JobPlan plan;
    plan.models = fleet_.models();
    for (std::size_t i = 0; i < words; ++i) {
      auto& clip = plan.clips.emplace_back();
      clip.output.relative = "w" + std::to_string(i);
      clip.video.digest = sha256(clip.output.relative);
      clip.output.save_video = false;
      clip.keep_latents = jobs::LatentsTarget{"/out", "_latents/" + clip.output.relative, "n"};
      clip.reuse_latents = true;
    }
    for (const auto& parts : films) {
      auto& film = plan.films.emplace_back();
      film.output.relative = "s" + std::to_string(plan.films.size());
      for (const std::size_t word : parts) {
        const std::string name = "w" + std::to_string(word);
        film.parts.push_back({name, name, {}});
      }
    }
    Job job;
    job.id = new_id<JobId>();
    job.number = fleet_.state.next_job_number++;
    job.models = fleet_.models();
    fleet_.input(JobSubmitted{job, *jobs::make_tasks(plan, job.id)});
    return job.id;
  }
  std::string name_of(const TaskAttempt& attempt) const {
    return fleet_.state.tasks.at(attempt.task).spec.name;
  }
  // Finishes what `worker` runs now; an encode with or without a file that keeps its latents.
  void finish(WorkerId worker, bool saves = false) {
    const TaskAttempt attempt = fleet_.lease(worker);
    jobs::TaskCompleted done;
    done.worker = worker;
    done.attempt = attempt;
    const auto& spec = fleet_.state.tasks.at(attempt.task).spec;
    if (spec.kind == TaskKind::kEncodeLatents) {
      done.result.latents = jobs::ArtefactRef{spec.key, sha256(spec.name), 1, numerics_};
      if (saves)
        done.result.saved_latents = jobs::FileRef{"/out/_latents/" + spec.name, sha256("file"), 1};
    }
    fleet_.input(done);
    fleet_.beat(worker);
  }

  Fleet fleet_;
  jobs::NumericsClass numerics_{"", "", "fp32", 0};
};

TEST_F(Films, EveryWordIsEncodedOnceAndAFilmStartsAsSoonAsItsWordsAreThere) {
  const JobId job = submit(3, {{0, 1, 0}, {1, 2}});
  const WorkerId worker = fleet_.join("w");
  std::vector<std::string> order;
  while (!fleet_.job(job).ended) {
    order.push_back(name_of(fleet_.lease(worker)));
    finish(worker);
  }
  EXPECT_THAT(order, ElementsAre("w0", "w1", "s1", "w2", "s2"));
  EXPECT_THAT(fleet_.grants.at(2).lease.inputs, SizeIs(3));
}

TEST_F(Films, LatentsInAFileOutliveTheWorkerThatMadeThem) {
  const JobId job = submit(1, {{0}});
  const WorkerId first = fleet_.join("first");
  finish(first, /*saves=*/true);
  fleet_.input(jobs::WorkerGoodbye{first});
  const WorkerId second = fleet_.join("second");
  EXPECT_EQ(name_of(fleet_.lease(second)), "s1");
  const auto& input = fleet_.grants.back().lease.inputs.at(0);
  EXPECT_THAT(input.holders, IsEmpty());
  EXPECT_EQ(input.saved->path, "/out/_latents/w0");
  finish(second);
  EXPECT_TRUE(fleet_.job(job).ended);
}

TEST_F(Films, LatentsThatNeitherAWorkerNorAFileDeliversAreMadeAgain) {
  submit(1, {{0}});
  const WorkerId worker = fleet_.join("w");
  finish(worker, /*saves=*/true);
  jobs::TaskFailed failed;
  failed.worker = worker;
  failed.attempt = fleet_.lease(worker);
  failed.status = Status(StatusCode::kUnavailable, "nobody has them");
  failed.lost_inputs = {sha256("w0")};
  const Decision decision = fleet_.input(failed);
  EXPECT_EQ(name_of(fleet_.lease(worker)), "w0");
  EXPECT_EQ(fleet_.count_events("inputs_lost"), 1U);
  finish(worker);
  EXPECT_EQ(name_of(fleet_.lease(worker)), "s1");
}

TEST_F(Films, ASingleVideoIsNeverMadeOfTheFileBecauseThatIsHalfPrecision) {
  jobs::JobPlan plan;
  plan.models = fleet_.models();
  plan.clips.emplace_back().output.relative = "a";
  Job job;
  job.id = new_id<JobId>();
  job.models = fleet_.models();
  fleet_.input(JobSubmitted{job, *jobs::make_tasks(plan, job.id)});
  const WorkerId first = fleet_.join("first");
  finish(first, /*saves=*/true);
  fleet_.input(jobs::WorkerGoodbye{first});
  const WorkerId second = fleet_.join("second");
  EXPECT_EQ(fleet_.state.tasks.at(fleet_.lease(second).task).spec.kind, TaskKind::kEncodeLatents);
}

TEST_F(Films, AnEncodeIsToldWhoHoldsWhatItWouldMake) {
  submit(1, {});
  const WorkerId maker = fleet_.join("maker");
  finish(maker);
  submit(1, {});
  const auto& inputs = fleet_.grants.back().lease.inputs;
  ASSERT_THAT(inputs, SizeIs(1));
  EXPECT_EQ(inputs[0].artefact.content, sha256("w0"));
  EXPECT_THAT(inputs[0].holders, ElementsAre("tcp://maker"));
}

TEST_F(Films, WhatAnotherNumericsClassMadeIsNotOffered) {
  submit(1, {});
  const WorkerId maker = fleet_.join("maker");
  numerics_.threads = 7;
  finish(maker);
  submit(1, {});
  EXPECT_THAT(fleet_.grants.back().lease.inputs, IsEmpty());
}

TEST_F(Films, LatentsOfWorkersThatLeftAreForgotten) {
  submit(1, {});
  const WorkerId maker = fleet_.join("maker");
  finish(maker);
  EXPECT_THAT(fleet_.state.made, SizeIs(1));
  fleet_.input(jobs::WorkerGoodbye{maker});
  EXPECT_THAT(fleet_.state.made, IsEmpty());
}

TEST_F(Films, AWordThatFailsEndsOnlyItsFilms) {
  const JobId job = submit(2, {{0}, {1}});
  const WorkerId worker = fleet_.join("w");
  fleet_.fail(worker, fleet_.lease(worker), Status(StatusCode::kBadInput, "nobody to be seen"));
  fleet_.beat(worker);
  finish(worker);
  finish(worker);
  EXPECT_TRUE(fleet_.job(job).ended);
  EXPECT_EQ(fleet_.job(job).counts.done, 2U);
  EXPECT_EQ(fleet_.job(job).counts.failed, 2U);
}

TEST_F(Films, AFilmThatIsFailedWhileItRunsGivesItsLeaseBackAndStaysFailed) {
  const JobId job = submit(1, {{0}, {0}});
  const WorkerId maker = fleet_.join("maker");
  finish(maker);
  const TaskAttempt film = fleet_.lease(maker);
  ASSERT_EQ(fleet_.kind(film), TaskKind::kDecodeVideo);
  // The other film finds the latents gone, and they cannot be made again.
  const WorkerId other = fleet_.join("other");
  fleet_.lose_inputs(other, fleet_.lease(other));
  fleet_.state.holders.clear();
  fleet_.pass(std::chrono::seconds(2));
  fleet_.beat(other);
  ASSERT_EQ(name_of(fleet_.lease(other)), "w0");
  fleet_.fail(other, fleet_.lease(other), Status(StatusCode::kBadInput, "w0.mp4: is no video"));
  EXPECT_EQ(fleet_.task(film.task).state, TaskState::kFailed);
  EXPECT_THAT(fleet_.leases(maker), IsEmpty());
  EXPECT_TRUE(fleet_.job(job).ended);
  jobs::WorkerHeartbeat beat;
  beat.worker = maker;
  beat.state = jobs::WorkerState::kReady;
  beat.running = {{film.task, film.attempt, "vae_decode", 3, 10}};
  EXPECT_THAT(fleet_.input(beat).revoked, ElementsAre(film));
  for (int i = 0; i < 10; ++i) {
    fleet_.pass(std::chrono::seconds(1));
    beat.running.clear();
    fleet_.input(beat);
  }
  EXPECT_EQ(fleet_.task(film.task).state, TaskState::kFailed);
  EXPECT_EQ(fleet_.job(job).counts.failed, 3U);
  EXPECT_EQ(fleet_.job(job).counts.total(), 3U);
  EXPECT_THAT(fleet_.state.ready, IsEmpty());
  EXPECT_THAT(fleet_.state.running, IsEmpty());
}

}  // namespace
}  // namespace mimicfleet::coordinator
