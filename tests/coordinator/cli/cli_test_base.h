#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/client/summary.h"
#include "tests/common/model_root/fake_models.h"
#include "tests/e2e/process.h"

namespace mimicfleet::coordinator {

// Runs build/bin/coordinator in a scratch folder with a home of its own, made-up models, two real
// clips and a real image. Workers are the fake ones of fake_worker.cpp.
class CommandLine : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  CommandLine();

  [[nodiscard]] std::unique_ptr<e2e::Process> start(Words words);
  [[nodiscard]] e2e::Outcome run(Words words) { return start(std::move(words))->wait(); }

  // `submit videos/ …` with models, image and output folder.
  [[nodiscard]] Words submit(Words more = {}) const;
  [[nodiscard]] RunSummary run_json(Words words);
  // The content of a file in the scratch folder; empty if there is none.
  [[nodiscard]] std::string read(const std::string& name) const;
  // True once the run's event log tells of so many committed tasks.
  [[nodiscard]] bool committed(std::size_t tasks) const;
  // "name: state" of every clip.
  [[nodiscard]] static Words states(const RunSummary& summary);

  TemporaryFolder folder_;
  e2e::Surroundings surroundings_;
};

}  // namespace mimicfleet::coordinator
