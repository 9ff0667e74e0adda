#include "common/physical_cores.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include <sched.h>

namespace mimicfleet {
namespace {

int topology(int cpu, const char* name) {
  std::ifstream in("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/" + name);
  int value = -1;
  in >> value;
  return value;
}

}  // namespace

std::size_t physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return 1;
  std::set<std::pair<int, int>> cores;
  std::size_t unknown = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const int core = topology(cpu, "core_id");
    if (core < 0) {
      ++unknown;
    } else {
      cores.emplace(topology(cpu, "physical_package_id"), core);
    }
  }
  return std::max<std::size_t>(1, cores.size() + unknown);
}

}  // namespace mimicfleet
