#pragma once

#include <map>
#include <string>
#include <string_view>

namespace mimicfleet {

// Names with accents have two spellings: "é" as one character, as most systems write it, or as "e"
// and an accent, as Macs do. People mean the same file.

// The text in the first spelling (Unicode's NFC), for comparing; what is not UTF-8 as it is.
[[nodiscard]] std::string composed(std::string_view text);

// Finds files whose names are written in another spelling than on the disk. Each folder is listed
// once.
class SpelledPaths {
 public:
  // `path` if it leads to something, or to nothing in any spelling; else the path that does.
  [[nodiscard]] std::string find(const std::string& path);

 private:
  using Names = std::map<std::string, std::string, std::less<>>;  // composed -> as on the disk
  [[nodiscard]] const Names& names_in(const std::string& folder);

  std::map<std::string, Names> folders_;
};

}  // namespace mimicfleet
