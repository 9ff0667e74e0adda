// Preloaded, it makes the system's C library say another version.
#include <cstdlib>

extern "C" const char* gnu_get_libc_version() { return std::getenv("STAND_IN_GLIBC"); }
