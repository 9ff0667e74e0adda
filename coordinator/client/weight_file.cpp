#include "coordinator/client/weight_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/files/io.h"
#include "common/files/stand_in.h"
#include "common/log.h"
#include "common/safetensors/adapter_names.h"
#include "common/safetensors/header.h"

namespace mimicfleet::coordinator {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kHeadBytes = 512;

// How files begin that workers read besides safetensors: torch.save's zip archives, whose first entry is a
// pickle, and what it wrote before torch 1.6.
constexpr std::string_view kZip = "PK\x03\x04";
constexpr std::string_view kPickleName = "/data.pkl";
constexpr std::string_view kOldTorch = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";

// What people have in place of weights.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kOthers = {{
    {"<"sv,
     "is a web page, not weights; fetch the file from its download address (on huggingface.co …/resolve/…)"},
    {"{"sv, "is JSON text, not weights; it may be an error that a server sent: fetch the file again"},
    {"GGUF"sv, "is a GGUF file; save the weights as safetensors"},
    {"\x80"sv, "is a pickle that torch.save did not write; save the weights as safetensors"},
    {"\x1f\x8b"sv, "is a gzip archive; unpack it and name the file in it"},
    {"7z\xbc\xaf"sv, "is a 7z archive; unpack it and name the file in it"},
    {"Rar!"sv, "is a RAR archive; unpack it and name the file in it"},
    {"\x89HDF"sv, "is an HDF5 file; save the weights as safetensors"},
}};

Status bad(const std::string& path, std::string_view cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}", path, cause)};
}

// The first bytes of a file.
struct Head {
  std::array<char, kHeadBytes> bytes{};
  std::size_t size = 0;

  [[nodiscard]] std::string_view text() const { return {bytes.data(), size}; }
};

Result<Head> head_of(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  Head head;
  ssize_t got = 0;
  do {
    got = ::pread(fd.get(), head.bytes.data(), head.bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return file_error(path, "cannot be read", errno, StatusCode::kBadInput);
  head.size = static_cast<std::size_t>(got);
  return head;
}

bool is_text(std::string_view head) {
  return std::all_of(head.begin(), head.end(),
                     [](unsigned char c) { return c >= 0x20 || std::isspace(c) != 0; });
}

bool looks_like_safetensors(std::string_view head) {
  return head.size() > safetensors::kLengthBytes && head[safetensors::kLengthBytes] == '{' && !is_text(head);
}

// What torch.save wrote, and what is too short for anything: who reads it says what is wrong with it.
bool is_for_workers(std::string_view head) {
  const bool is_of_torch = head.starts_with(kZip) || head.starts_with(kOldTorch);
  return is_of_torch || (!head.empty() && head.size() <= safetensors::kLengthBytes);
}

Status check_head(const std::string& path, std::string_view head) {
  if (head.empty()) return bad(path, "is empty (0 bytes); fetch it again");
  if (head.starts_with(kZip) && head.find(kPickleName) == std::string_view::npos) {
    return bad(path, "is a ZIP archive that torch.save did not write; unpack it and name the file in it");
  }
  if (is_for_workers(head) || looks_like_safetensors(head)) return {};
  if (const StandIn found = stand_in_of(head); found == StandIn::kLfsPointer) {
    return bad(path, why_stand_in(found));
  }
  std::string_view text = head;
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n\xef\xbb\xbf"), text.size()));
  for (const auto& [start, what] : kOthers) {
    if (text.starts_with(start)) return bad(path, what);
  }
  return is_text(head) ? bad(path, "is text, not weights; fetch the file again") : Status();
}

// The header of safetensors; nothing of what only workers can read.
Result<std::optional<safetensors::Header>> open_weights(const std::string& path) {
  ASSIGN_OR_RETURN(const Head head, head_of(path));
  RETURN_IF_ERROR(check_head(path, head.text()));
  if (is_for_workers(head.text())) return std::optional<safetensors::Header>();
  auto header = safetensors::read_header(path);
  if (header.ok()) return std::optional(std::move(*header));
  return Status(header.status().code(), header.status().message() + "; fetch the file again");
}

bool can_be_added(std::string_view dtype) {
  constexpr std::array<std::string_view, 6> kReal = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"};
  return std::find(kReal.begin(), kReal.end(), dtype) != kReal.end();
}

// Numbers that are quantised otherwise mean nothing without their scales.
Status check_types(const std::string& path, const safetensors::Header& header) {
  for (const auto& [name, tensor] : header.tensors) {
    if (can_be_added(tensor.dtype) || name.ends_with(".alpha")) continue;
    return bad(path,
               fmt::format("{} is of the type {}, which cannot be added to weights; save it as float16 or "
                           "float32",
                           log::printable(name), log::printable(tensor.dtype)));
  }
  return {};
}

std::vector<std::string_view> names_of(const safetensors::Header& header) {
  std::vector<std::string_view> names;
  for (const auto& [name, tensor] : header.tensors) names.push_back(name);
  return names;
}

bool is_whole_unet(const safetensors::Header& header) {
  return header.tensors.contains("conv_in.weight") || header.tensors.contains("unet.conv_in.weight");
}

}  // namespace

Status check_lora_file(const std::string& path) {
  ASSIGN_OR_RETURN(const auto header, open_weights(path));
  if (!header) return {};
  if (header->tensors.empty()) return bad(path, "holds no LoRA, but nothing at all");
  const std::string why = safetensors::why_no_lora(names_of(*header));
  if (!why.empty()) return bad(path, why);
  return check_types(path, *header);
}

Status check_overlay_file(const std::string& path) {
  ASSIGN_OR_RETURN(const auto header, open_weights(path));
  if (!header || is_whole_unet(*header)) return {};
  const auto is_of_lora = [](std::string_view name) { return name.find("lora") != std::string_view::npos; };
  const auto names = names_of(*header);
  return bad(path, std::any_of(names.begin(), names.end(), is_of_lora)
                       ? "is a LoRA and no whole UNet; give it as --lcm-lora-path"
                       : "holds no whole UNet: conv_in.weight is not in it; give a file such as "
                         "AnimateLCM-SVD-xt-1.1.safetensors");
}

}  // namespace mimicfleet::coordinator
