#include "common/config/list_text.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "common/files/stand_in.h"
#include "common/log.h"
#include "common/wire/utf8.h"

namespace mimicfleet::config {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kShownBytes = 60;
constexpr std::size_t kHeadBytes = 512;

Status bad(const std::string& name, std::string_view cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}; save it as UTF-8", name, cause)};
}

// What is called a list and is something else; empty: nothing known.
std::string_view something_else(std::string_view bytes) {
  if (bytes.starts_with("PK\x03\x04")) {
    return "is an Excel or OpenDocument workbook, or another ZIP archive; save the table as \"CSV "
           "UTF-8\"";
  }
  if (bytes.starts_with("\xd0\xcf\x11\xe0"))
    return "is an Excel workbook; save the table as \"CSV UTF-8\"";
  return why_stand_in(stand_in_of(bytes.substr(0, kHeadBytes)));
}

enum class ByteOrder { kLittle, kBig };

// That of UTF-16: by its mark, else by the zero byte that every Latin letter brings.
std::optional<ByteOrder> utf16_order(std::string_view bytes) {
  if (bytes.starts_with("\xff\xfe")) return ByteOrder::kLittle;
  if (bytes.starts_with("\xfe\xff")) return ByteOrder::kBig;
  if (bytes.size() < 2 || bytes.size() % 2 != 0 || (bytes[0] == 0) == (bytes[1] == 0))
    return std::nullopt;
  return bytes[0] == 0 ? ByteOrder::kBig : ByteOrder::kLittle;
}

std::uint32_t unit_at(std::string_view bytes, std::size_t at, ByteOrder order) {
  const auto first = static_cast<unsigned char>(bytes[at]);
  const auto second = static_cast<unsigned char>(bytes[at + 1]);
  return order == ByteOrder::kLittle ? first | second << 8U : second | first << 8U;
}

void append_utf8(std::string& text, std::uint32_t code) {
  const auto tail = [&](unsigned shift) {
    text += static_cast<char>(0x80U | (code >> shift & 0x3fU));
  };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0U | code >> 6U);
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0U | code >> 12U);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0U | code >> 18U);
    tail(12);
    tail(6);
    tail(0);
  }
}

Result<std::string> from_utf16(std::string_view bytes, ByteOrder order, const std::string& name) {
  constexpr std::uint32_t kMark = 0xfeff;
  if (bytes.size() % 2 != 0) return bad(name, "is cut or damaged UTF-16");
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    std::uint32_t code = unit_at(bytes, at, order);
    if (code == kMark && at == 0) continue;
    if (code >= 0xd800 && code < 0xe000) {  // the first half of a pair
      const bool has_second = code < 0xdc00 && at + 2 < bytes.size();
      const std::uint32_t second = has_second ? unit_at(bytes, at + 2, order) : 0;
      if (second < 0xdc00 || second >= 0xe000) return bad(name, "is cut or damaged UTF-16");
      code = 0x10000 + ((code - 0xd800) << 10U) + (second - 0xdc00);
      at += 2;
    }
    append_utf8(text, code);
  }
  return text;
}

}  // namespace

Result<std::string> list_text(std::string_view bytes, const std::string& name) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (const auto what = something_else(bytes); !what.empty()) {
    return Status(StatusCode::kBadInput, fmt::format("{}: {}", name, what));
  }
  if (bytes.starts_with("\xff\xfe\0\0"sv) || bytes.starts_with("\0\0\xfe\xff"sv)) {
    return bad(name, "is UTF-32");
  }
  std::string text(bytes.starts_with(kMark) ? bytes.substr(kMark.size()) : bytes);
  if (const auto order = utf16_order(bytes)) {
    ASSIGN_OR_RETURN(text, from_utf16(bytes, *order, name));
  }
  if (text.find('\0') != std::string::npos) return bad(name, "is no text: it has zero bytes");
  if (text.find('\n') == std::string::npos) std::replace(text.begin(), text.end(), '\r', '\n');
  return text;
}

Status not_utf8(const std::string& where, std::string_view line) {
  return {StatusCode::kInvalidArgument,
          fmt::format(
              "{}: is not UTF-8 but written in another encoding, such as Latin-1: \"{}\"; save the "
              "file as UTF-8 (in Excel \"CSV UTF-8\")",
              where, log::printable(wire::in_utf8(line.substr(0, kShownBytes))))};
}

Status check_utf8(std::string_view text, const std::string& name) {
  for (int line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (!wire::is_utf8(text.substr(0, end))) {
      return not_utf8(fmt::format("{}: line {}", name, line), text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

}  // namespace mimicfleet::config
