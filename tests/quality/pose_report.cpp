// pose_report MODELS VIDEO|PNG: what the pose models see in each frame, as JSON on stdout.
// tools/puppet/evaluate compares it with the truth, tools/reference/compare_pack.py gives it to the
// original.
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/quality/detectors.h"

int main(int argc, char** argv) {
  using nlohmann::json;
  if (argc != 3) {
    fmt::print(stderr, "usage: pose_report MODELS VIDEO|PNG\n");
    return 2;
  }
  const auto report = mimicfleet::quality::look_at(argv[1], argv[2]);
  if (!report.ok()) {
    fmt::print(stderr, "pose_report: {}\n", report.status().message());
    return 1;
  }
  json frames = json::array();
  for (const auto& frame : report->frames) {
    json boxes = json::array();
    for (const auto& box : frame.boxes) boxes.push_back({box.x1, box.y1, box.x2, box.y2});
    json points = json::array();
    for (const auto& point : frame.person.points) points.push_back({point.x, point.y});
    frames.push_back({{"boxes", boxes}, {"points", points}, {"scores", frame.person.scores}});
  }
  fmt::print("{}\n",
             json{{"width", report->width}, {"height", report->height}, {"frames", frames}}.dump());
  return 0;
}
