#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace mimicfleet::device {

// The CUDA driver's own interface: asking it first keeps LibTorch from throwing where there is no
// GPU.
class CudaDriver {
 public:
  CudaDriver();

  // How many GPUs it shows to this process; 0 if no driver is there or it does not start.
  [[nodiscard]] int count() const { return count_; }
  // Why there is no GPU, and what to do about it.
  [[nodiscard]] std::string why_none() const;

  // Of a GPU below count().
  [[nodiscard]] std::uint64_t total_bytes(int index) const;  // 0: not known
  [[nodiscard]] std::string name(int index) const;
  [[nodiscard]] std::string pci_address(int index) const;  // "0000:1b:00.0"; empty: not known

 private:
  bool installed_ = false;
  int count_ = 0;
  int (*get_)(int*, int) = nullptr;
  int (*get_total_)(std::size_t*, int) = nullptr;
  int (*get_name_)(char*, int, int) = nullptr;
  int (*get_pci_)(char*, int, int) = nullptr;
};

}  // namespace mimicfleet::device
