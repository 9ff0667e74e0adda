// An installed bin/coordinator or bin/worker: starts the program of its name in libexec/mimicfleet
// if this system's C library is new enough for it, and says so in one sentence if not, which the
// dynamic linker would tell as "version `GLIBC_2.36' not found". That is why this program has no
// start files and no C++ library, and calls nothing that an old glibc lacks.
#include <unistd.h>

#include <features.h>
#include <gnu/libc-version.h>

namespace {

// Newer than this the libraries of the system on which all was built cannot ask for.
constexpr int kMajor = __GLIBC__;
constexpr int kMinor = __GLIBC_MINOR__;
constexpr const char* kWhere =
    kMajor == 2 && kMinor == 36 ? " (Debian 12, Ubuntu 24.04, Fedora 37 and later have it)" : "";

class Text {
 public:
  Text& operator<<(const char* text) {
    while (*text != '\0' && size_ < sizeof(bytes_) - 1) bytes_[size_++] = *text++;
    bytes_[size_] = '\0';
    return *this;
  }
  Text& operator<<(int number) {
    if (number >= 10) *this << number / 10;
    const char digit[] = {static_cast<char>('0' + number % 10), '\0'};
    return *this << digit;
  }
  [[nodiscard]] const char* text() const { return bytes_; }
  [[nodiscard]] bool full() const { return size_ == sizeof(bytes_) - 1; }
  void cut_last_part() {
    while (size_ > 0 && bytes_[size_ - 1] != '/') --size_;
    bytes_[size_] = '\0';
  }
  [[nodiscard]] const char* last_part() const {
    const char* part = bytes_;
    for (const char* at = bytes_; *at != '\0'; ++at) {
      if (*at == '/') part = at + 1;
    }
    return part;
  }

 private:
  char bytes_[8192] = {};
  unsigned size_ = 0;
};

[[noreturn]] void refuse(const Text& message) {
  const char* text = message.text();
  unsigned size = 0;
  while (text[size] != '\0') ++size;
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, size);
  ::_exit(2);
}

int number(const char*& text) {
  int value = 0;
  while (*text >= '0' && *text <= '9' && value < 1000000) value = value * 10 + (*text++ - '0');
  return value;
}

bool new_enough(const char* version) {
  const int major = number(version);
  if (*version == '.') ++version;
  const int minor = number(version);
  return major > kMajor || (major == kMajor && minor >= kMinor);
}

Text own_path() {
  char bytes[4096] = {};
  Text path;
  if (::readlink("/proc/self/exe", bytes, sizeof(bytes) - 1) <= 0) {
    path << "mimicfleet: /proc is not mounted; mimicfleet needs it\n";
    refuse(path);
  }
  return path << bytes;
}

[[noreturn]] void launch(char** argv, char** environment) {
  const Text self = own_path();
  const char* name = self.last_part();
  if (const char* version = ::gnu_get_libc_version(); !new_enough(version)) {
    Text message;
    message << name << ": this system's C library is glibc " << version << ", and mimicfleet needs "
            << kMajor << "." << kMinor << " or newer" << kWhere
            << ": use a newer system, or a container of one\n";
    refuse(message);
  }
  Text program = self;
  program.cut_last_part();
  program << MIMICFLEET_PROGRAMS "/" << name;
  if (!program.full()) ::execve(program.text(), argv, environment);
  Text message;
  message << name << ": cannot start " << program.text()
          << ": it belongs to this program; unpack or install mimicfleet again\n";
  refuse(message);
}

}  // namespace

extern "C" [[noreturn]] void mimicfleet_start(long* stack) {
  const long count = stack[0];
  char** argv = reinterpret_cast<char**>(stack + 1);
  launch(argv, argv + count + 1);
}

// What the kernel enters: the count of arguments, they and the environment lie on the stack.
asm(".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call mimicfleet_start\n");
