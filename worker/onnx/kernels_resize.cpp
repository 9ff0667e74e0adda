// Resize and Upsample. Interpolation is separable: along each axis an output element is a weighted
// sum of input elements, so that the axes are resized one after the other (semantics:
// onnx/reference/ops/op_resize.py).
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "worker/models/nn/float_kernels.h"
#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {
namespace {

struct Request {
  std::string mode;
  std::string coordinates;
  std::string nearest;
  double cubic_a = -0.75;
  bool antialias = false;
  bool exclude_outside = false;
  double outside_value = 0;
};

struct ResizedAxis {
  std::int64_t axis;
  std::int64_t from;
  std::int64_t to;
  double scale;
  double roi_start = 0;
  double roi_end = 1;
};

// Where in the input the output element lies; nothing if it lies outside of tf_crop_and_resize's
// region.
std::optional<double> source_position(const Request& request, const ResizedAxis& axis,
                                      std::int64_t index) {
  const auto x = static_cast<double>(index);
  const auto last = static_cast<double>(axis.from - 1);
  const double width = axis.scale * static_cast<double>(axis.from);
  if (request.coordinates == "align_corners") return width == 1 ? 0 : x * last / (width - 1);
  if (request.coordinates == "asymmetric") return x / axis.scale;
  if (request.coordinates == "pytorch_half_pixel" && width == 1) return -0.5;
  if (request.coordinates != "tf_crop_and_resize") return (x + 0.5) / axis.scale - 0.5;
  const double roi = axis.roi_end - axis.roi_start;
  const double inside = width == 1 ? roi * last / 2 : x * roi * last / (width - 1);
  const double position = inside + axis.roi_start * last;
  if (position < 0 || position > last) return std::nullopt;
  return position;
}

double cubic(double distance, double a) {
  const double x = std::abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// Weights of the neighbours first, first + 1, … of an output element.
struct Neighbours {
  std::int64_t first;
  std::vector<double> weights;
};

Neighbours neighbours_of(const Request& request, double position, double scale) {
  // The left neighbour is strictly left of the position, so that ratio is in (0, 1].
  const auto base = static_cast<std::int64_t>(std::ceil(position)) - 1;
  const double ratio = position - static_cast<double>(base);
  if (request.mode == "nearest") {
    const bool right = ratio == 1 || request.nearest == "ceil" ||
                       (request.nearest == "round_prefer_floor" && ratio > 0.5) ||
                       (request.nearest == "round_prefer_ceil" && ratio >= 0.5);
    return {base + (right ? 1 : 0), {1}};
  }
  // Antialiasing widens the kernel when the image shrinks.
  const double narrowing = request.antialias ? std::min(scale, 1.0) : 1.0;
  const double radius = request.mode == "cubic" ? 2 : 1;
  const auto start = static_cast<std::int64_t>(std::floor(-radius / narrowing)) + 1;
  Neighbours result{base + start, {}};
  double sum = 0;
  for (std::int64_t i = start; i <= 1 - start; ++i) {
    const double distance = (static_cast<double>(i) - ratio) * narrowing;
    result.weights.push_back(request.mode == "cubic" ? cubic(distance, request.cubic_a)
                                                     : std::max(0.0, 1 - std::abs(distance)));
    sum += result.weights.back();
  }
  if (request.antialias) {
    for (double& weight : result.weights) weight /= sum;
  }
  return result;
}

struct AxisWeights {
  at::Tensor matrix;  // [to, from]
  Ints outside;       // output elements that get outside_value
};

AxisWeights axis_weights(const Request& request, const ResizedAxis& axis) {
  std::vector<float> matrix(static_cast<std::size_t>(axis.to * axis.from), 0.0F);
  Ints outside;
  for (std::int64_t row = 0; row < axis.to; ++row) {
    const auto position = source_position(request, axis, row);
    if (!position) {
      outside.push_back(row);
      continue;
    }
    Neighbours near = neighbours_of(request, *position, axis.scale);
    double sum = 0;
    const auto end = near.first + static_cast<std::int64_t>(near.weights.size());
    for (std::int64_t i = near.first; i < end; ++i) {
      if (i >= 0 && i < axis.from) sum += near.weights[i - near.first];
    }
    for (std::int64_t i = near.first; i < end; ++i) {
      double weight = near.weights[i - near.first];
      if (request.exclude_outside) weight = i < 0 || i >= axis.from ? 0 : weight / sum;
      matrix[row * axis.from + std::clamp<std::int64_t>(i, 0, axis.from - 1)] +=
          static_cast<float>(weight);
    }
  }
  return {at::tensor(matrix, at::kFloat).view({axis.to, axis.from}), outside};
}

at::Tensor along_axis(const at::Tensor& x, const Request& request, const ResizedAxis& axis) {
  const AxisWeights weights = axis_weights(request, axis);
  at::Tensor result;
  if (request.mode == "nearest") {
    result = x.index_select(axis.axis, weights.matrix.argmax(1).to(x.device()));
  } else {
    const at::Tensor matrix = weights.matrix.to(x.options()).t();
    result = at::matmul(x.movedim(axis.axis, -1), matrix).movedim(-1, axis.axis);
  }
  if (weights.outside.empty()) return result;
  return result.index_fill(axis.axis, at::tensor(weights.outside, at::kLong).to(x.device()),
                           request.outside_value);
}

Result<Request> request_of(const OpCall& call, bool upsample) {
  Request request;
  request.mode = call.text("mode", "nearest");
  const bool old = upsample || call.opset < 11;
  request.coordinates =
      old ? "asymmetric" : call.text("coordinate_transformation_mode", "half_pixel");
  request.nearest = old ? "floor" : call.text("nearest_mode", "round_prefer_floor");
  request.cubic_a = call.number("cubic_coeff_a", -0.75);
  request.antialias = call.integer("antialias", 0) != 0;
  request.exclude_outside = call.integer("exclude_outside", 0) != 0;
  request.outside_value = call.number("extrapolation_value", 0);
  constexpr std::array kModes = {"nearest", "linear", "cubic"};
  constexpr std::array kCoordinates = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                       "asymmetric", "tf_crop_and_resize"};
  constexpr std::array kNearest = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  const auto knows = [](const auto& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!knows(kModes, request.mode))
    return not_implemented("mode '" + printable(request.mode) + "'");
  if (!knows(kCoordinates, request.coordinates)) {
    return not_implemented("coordinate mode '" + printable(request.coordinates) + "'");
  }
  if (!knows(kNearest, request.nearest))
    return not_implemented("nearest mode '" + printable(request.nearest) + "'");
  return request;
}

// The new lengths from scales or sizes, whichever is given (for all axes or those named).
Result<std::vector<ResizedAxis>> resized_axes(const OpCall& call, const std::vector<double>& scales,
                                              const Ints& sizes) {
  const at::Tensor& x = call.inputs[0];
  ASSIGN_OR_RETURN(Ints axes, normal_axes(call.integers("axes"), x.dim()));
  if (axes.empty()) {
    for (std::int64_t axis = 0; axis < x.dim(); ++axis) axes.push_back(axis);
  }
  if (axes.size() != (sizes.empty() ? scales.size() : sizes.size()))
    return bad_node("sizes that do not fit");
  std::vector<ResizedAxis> result;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t from = x.size(axes[i]);
    const auto length = static_cast<double>(from);
    if (from == 0) return bad_node("an axis without elements");
    // With items stacked along axis 0 the graph's sizes are those of one item: 1.
    const bool items = call.batch > 1 && axes[i] == 0;
    double scale = items ? 1 : sizes.empty() ? scales[i] : static_cast<double>(sizes[i]) / length;
    if (!(scale > 0 && scale * length <= static_cast<double>(kMostElements)))
      return bad_node("sizes that are not possible");
    const auto to = items           ? from
                    : sizes.empty() ? static_cast<std::int64_t>(length * scale)
                                    : sizes[i];
    result.push_back({axes[i], from, to, scale});
  }
  return result;
}

Status keep_aspect_ratio(const OpCall& call, std::vector<ResizedAxis>& axes) {
  const std::string policy = call.text("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") return {};
  if (policy != "not_larger" && policy != "not_smaller") {
    return not_implemented("keep_aspect_ratio_policy '" + printable(policy) + "'");
  }
  const auto smaller = [](const ResizedAxis& a, const ResizedAxis& b) { return a.scale < b.scale; };
  const double scale = policy == "not_larger"
                           ? std::min_element(axes.begin(), axes.end(), smaller)->scale
                           : std::max_element(axes.begin(), axes.end(), smaller)->scale;
  for (ResizedAxis& axis : axes) {
    axis.scale = scale;
    axis.to = std::llround(scale * static_cast<double>(axis.from));
  }
  return {};
}

// Planes repeated a whole number of times, which is what detectors use.
bool repeats_planes(const at::Tensor& x, const Request& request,
                    const std::vector<ResizedAxis>& axes) {
  const bool floor = request.coordinates == "asymmetric" && request.nearest == "floor";
  return request.mode == "nearest" && floor && x.dim() == 4 && x.is_floating_point() &&
         std::all_of(axes.begin(), axes.end(), [](const ResizedAxis& axis) {
           return axis.axis < 2 ? axis.to == axis.from : axis.to % axis.from == 0;
         });
}

Result<Tensors> resized(const OpCall& call, const Request& request,
                        const std::vector<ResizedAxis>& axes) {
  at::Tensor x = call.inputs[0];
  Ints shape = x.sizes().vec();
  for (const ResizedAxis& axis : axes) {
    shape[axis.axis] = axis.to;
    RETURN_IF_ERROR(check_shape({axis.to, axis.from}));
  }
  RETURN_IF_ERROR(check_shape(shape));
  if (repeats_planes(x, request, axes)) {
    const std::int64_t factor = shape[2] / x.size(2);
    if (shape[3] == factor * x.size(3)) {
      if (auto repeated = nn::gpu_repeat_pixels(x, factor)) return one(*std::move(repeated));
    }
    return one(at::upsample_nearest2d(x, {shape[2], shape[3]}));
  }
  for (const ResizedAxis& axis : axes) {
    const bool whole =
        axis.to == axis.from && axis.scale == 1 && axis.roi_start == 0 && axis.roi_end == 1;
    if (!whole) x = along_axis(x, request, axis);
  }
  return one(x);
}

Result<Tensors> resize(OpCall& call) {
  ASSIGN_OR_RETURN(const Request request, request_of(call, /*upsample=*/false));
  // Up to operator set 10: x, scales; since then x, roi, scales, sizes, of which an empty one is
  // absent.
  const std::size_t scales_input = call.opset < 11 ? 1 : 2;
  const auto scales =
      call.has(scales_input) ? call.read_numbers(scales_input) : std::vector<double>{};
  const Ints sizes = call.has(3) ? call.read_ints(3) : Ints{};
  if (scales.empty() == sizes.empty()) return bad_node("needs either scales or sizes");
  ASSIGN_OR_RETURN(std::vector<ResizedAxis> axes, resized_axes(call, scales, sizes));
  if (!sizes.empty()) RETURN_IF_ERROR(keep_aspect_ratio(call, axes));
  if (request.coordinates == "tf_crop_and_resize") {
    const auto roi = call.has(1) ? call.read_numbers(1) : std::vector<double>{};
    if (roi.size() != 2 * axes.size()) return bad_node("a region that does not fit");
    for (std::size_t i = 0; i < axes.size(); ++i) {
      axes[i].roi_start = roi[i];
      axes[i].roi_end = roi[axes.size() + i];
    }
  }
  return resized(call, request, axes);
}

Result<Tensors> upsample(OpCall& call) {
  ASSIGN_OR_RETURN(const Request request, request_of(call, /*upsample=*/true));
  const auto attribute = call.numbers("scales");
  const auto scales =
      call.has(1) ? call.read_numbers(1) : std::vector<double>(attribute.begin(), attribute.end());
  ASSIGN_OR_RETURN(const std::vector<ResizedAxis> axes, resized_axes(call, scales, {}));
  return resized(call, request, axes);
}

// Axis 0 keeps its length, which is checked for every operator, and so does every item.
bool stacks_resize(const OpCall& call, const std::vector<bool>& stacked) {
  return stacked[0] && call.text("coordinate_transformation_mode", "") != "tf_crop_and_resize" &&
         call.text("keep_aspect_ratio_policy", "stretch") == "stretch";
}

constexpr std::array kResizeOperators = {
    Operator{
        "Resize", resize, 1, 4,
        "antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i "
        "extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s",
        stacks_resize, host({1, 2, 3})},
    Operator{"Upsample", upsample, 1, 2, "mode:s scales:F", stacks_resize, host({1})},
};

}  // namespace

std::span<const Operator> resize_operators() { return kResizeOperators; }

}  // namespace mimicfleet::onnx
