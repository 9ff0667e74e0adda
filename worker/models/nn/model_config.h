#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/wire/codec.h"

namespace mimicfleet::nn {

// A model's config.json. Getters return kUnsupported naming the file, the key, its value and what
// is possible.
class ModelConfig {
 public:
  [[nodiscard]] static Result<ModelConfig> read(const std::string& path);

  [[nodiscard]] Result<std::int64_t> integer(std::string_view key, std::int64_t min,
                                             std::int64_t max) const;
  [[nodiscard]] Result<double> number(std::string_view key, double min, double max) const;

  // A list of exactly `size` integers; one integer stands for a list of that many (diffusers'
  // habit).
  [[nodiscard]] Result<std::vector<std::int64_t>> integers(std::string_view key, std::size_t size,
                                                           std::int64_t min,
                                                           std::int64_t max) const;
  [[nodiscard]] Result<std::vector<std::string>> strings(std::string_view key) const;
  [[nodiscard]] Result<bool> flag(std::string_view key,
                                  bool otherwise) const;  // `otherwise`: it is not there
  [[nodiscard]] Result<std::string> text(std::string_view key) const;

  // The key, if it is there at all, has to have this value.
  [[nodiscard]] Status expect(std::string_view key, const wire::Value& only) const;

  // kUnsupported: `path: key is value; supported: possible`.
  [[nodiscard]] Status unsupported(std::string_view key, std::string_view possible) const;

 private:
  ModelConfig(std::string path, wire::Value document)
      : path_(std::move(path)), document_(std::move(document)) {}

  std::string path_;
  wire::Value document_;
};

}  // namespace mimicfleet::nn
