#include "common/digest.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <openssl/evp.h>
#include <xxhash.h>

namespace mimicfleet {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::size_t kReadBytes = 1 << 20;

int hex_value(char digit) {
  const auto position = kHexDigits.find(digit);
  return position == std::string_view::npos ? -1 : static_cast<int>(position);
}

Status unreadable(const std::string& path, int error) {
  return {StatusCode::kBadInput, path + ": cannot be read: " + std::strerror(error)};
}

}  // namespace

std::string Digest::hex() const {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kHexDigits[byte >> 4]);
    text.push_back(kHexDigits[byte & 15]);
  }
  return text;
}

std::optional<Digest> Digest::from_hex(std::string_view hex) {
  Digest digest;
  if (hex.size() != digest.bytes.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return digest;
}

struct Hasher::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Hasher::Hasher() : context_(std::make_unique<Context>()) {
  CHECK(EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr) == 1);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

Hasher& Hasher::update(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) == 1);
  return *this;
}

Hasher& Hasher::update(std::span<const std::uint8_t> bytes) {
  CHECK(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()) == 1);
  return *this;
}

Digest Hasher::finish() {
  Digest digest;
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(context_->evp, digest.bytes.data(), &size) == 1 &&
        size == digest.bytes.size());
  return digest;
}

Digest sha256(std::string_view bytes) { return Hasher().update(bytes).finish(); }

Result<Digest> sha256_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const auto code = errno == ENOENT ? StatusCode::kNotFound : StatusCode::kBadInput;
    return Status(code, path + ": cannot be opened: " + std::strerror(errno));
  }
  Hasher hasher;
  std::vector<std::uint8_t> buffer(kReadBytes);
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      Status failure = unreadable(path, errno);
      ::close(fd);
      return failure;
    }
    if (got == 0) break;
    hasher.update(std::span(buffer.data(), static_cast<std::size_t>(got)));
  }
  ::close(fd);
  return hasher.finish();
}

std::uint64_t checksum64(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace mimicfleet
