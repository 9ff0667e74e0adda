#include "common/weights/something_else.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "common/files/stand_in.h"
#include "common/safetensors/header.h"

namespace mimicfleet::weights {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kHeadBytes = 512;

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kOthers = {{
    {"<"sv,
     "is a web page, not weights; fetch the file from its download address (on huggingface.co "
     "…/resolve/…)"},
    {"{"sv,
     "is JSON text, not weights; it may be an error that a server sent: fetch the file again"},
    {"GGUF"sv, "is a GGUF file; save the weights as safetensors"},
    {"\x80"sv, "is a pickle that torch.save did not write; save the weights as safetensors"},
    {"\x1f\x8b"sv, "is a gzip archive; unpack it and name the file in it"},
    {"7z\xbc\xaf"sv, "is a 7z archive; unpack it and name the file in it"},
    {"Rar!"sv, "is a RAR archive; unpack it and name the file in it"},
    {"\x89HDF"sv, "is an HDF5 file; save the weights as safetensors"},
}};
// Of a tar archive, whose first record has the name of its first file at the beginning. So did
// torch.save's first files.
constexpr std::size_t kTarAt = 257;
constexpr std::string_view kTar = "ustar";

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(),
                     [](unsigned char c) { return c >= 0x20 || std::isspace(c) != 0; });
}

bool looks_like_safetensors(std::string_view head) {
  return head.size() > safetensors::kLengthBytes && head[safetensors::kLengthBytes] == '{' &&
         !is_text(head);
}

}  // namespace

std::string_view something_else(std::span<const std::uint8_t> file) {
  const std::string_view head(reinterpret_cast<const char*>(file.data()),
                              std::min(file.size(), kHeadBytes));
  if (head.empty()) return "is empty (0 bytes); fetch it again";
  if (looks_like_safetensors(head)) return "";
  if (head.size() > kTarAt && head.substr(kTarAt).starts_with(kTar)) {
    return "is a tar archive; unpack it and name the file in it, or, if torch.save wrote it, load "
           "it with "
           "torch.load and save the weights as safetensors";
  }
  if (stand_in_of(head) == StandIn::kLfsPointer) return why_stand_in(StandIn::kLfsPointer);
  std::string_view text = head;
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n\xef\xbb\xbf"), text.size()));
  for (const auto& [start, what] : kOthers) {
    if (text.starts_with(start)) return what;
  }
  return is_text(head) ? "is text, not weights; fetch the file again" : "";
}

}  // namespace mimicfleet::weights
