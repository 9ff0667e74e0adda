#include "worker/models/svd/noise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>

namespace mimicfleet::svd {

at::Generator make_generator(std::uint64_t seed) { return at::detail::createCPUGenerator(seed); }

at::Tensor draw(at::IntArrayRef sizes, const at::Generator& generator) {
  return at::randn(sizes, generator, at::TensorOptions().dtype(at::kFloat));
}

at::Tensor draw_image_noise(std::int64_t height, std::int64_t width,
                            const at::Generator& generator) {
  return draw({1, 3, height, width}, generator);
}

at::Tensor draw_initial_latents(std::int64_t frames, std::int64_t tile, std::int64_t height,
                                std::int64_t width, const at::Generator& generator) {
  const at::Tensor noise = draw({1, tile, 4, height, width}, generator);
  return noise.repeat({1, frames / tile + 1, 1, 1, 1}).narrow(1, 0, frames);
}

}  // namespace mimicfleet::svd
