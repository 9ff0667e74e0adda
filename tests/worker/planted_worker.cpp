// A worker whose GPU fails: whenever the file that MIMICFLEET_PLANT_GPU_FAULT names is there, once.
#include <cstdio>
#include <cstdlib>

#include "tests/worker/planted_fault.h"
#include "worker/program.h"

int main(int argc, char** argv) {
  const char* plant = std::getenv("MIMICFLEET_PLANT_GPU_FAULT");
  mimicfleet::stages::ExecutorSeams seams;
  seams.before_part = [plant](at::Device device) {
    if (plant != nullptr && std::remove(plant) == 0) mimicfleet::fail_in_a_kernel(device);
  };
  return mimicfleet::worker::run_program(argc, argv, std::move(seams));
}
