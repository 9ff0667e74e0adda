#include "common/files/stand_in.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace mimicfleet {
namespace {

bool begins_with(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(),
                    [](char a, unsigned char b) { return a == std::tolower(b); });
}

bool is_web_page(std::string_view head) {
  constexpr std::array<std::string_view, 4> kBegins = {"<!doctype html", "<html", "<head", "<body"};
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n\xef\xbb\xbf"), head.size()));
  if (begins_with(head, "<?xml")) return head.find("<html") != std::string_view::npos;
  return std::any_of(kBegins.begin(), kBegins.end(),
                     [head](std::string_view begin) { return begins_with(head, begin); });
}

}  // namespace

StandIn stand_in_of(std::string_view head) {
  if (head.starts_with("version https://git-lfs")) return StandIn::kLfsPointer;
  return is_web_page(head) ? StandIn::kWebPage : StandIn::kNone;
}

std::string_view why_stand_in(StandIn stand_in) {
  switch (stand_in) {
    case StandIn::kLfsPointer:
      return "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`";
    case StandIn::kWebPage:
      return "is a web page, not the file itself; download it again, from the address of the file";
    case StandIn::kNone:
      break;
  }
  return "";
}

}  // namespace mimicfleet
