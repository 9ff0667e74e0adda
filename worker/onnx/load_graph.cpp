#include "worker/onnx/load_graph.h"

#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <unordered_map>
#include <utility>

#include <onnx/onnx_pb.h>

#include "common/files/io.h"
#include "worker/onnx/proto_tensor.h"

namespace mimicfleet::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TypeProto;
using ::onnx::ValueInfoProto;

Status bad(std::string why) { return {StatusCode::kBadInput, std::move(why)}; }
Status unsupported(std::string why) { return {StatusCode::kUnsupported, std::move(why)}; }

bool is_default_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

Result<AttributeValue> take_attribute(AttributeProto& proto, const LoadLimits& limits) {
  switch (proto.type()) {
    case AttributeProto::INT:
      return AttributeValue(std::int64_t{proto.i()});
    case AttributeProto::FLOAT:
      return AttributeValue(proto.f());
    case AttributeProto::STRING:
      return AttributeValue(std::move(*proto.mutable_s()));
    case AttributeProto::INTS:
      return AttributeValue(std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end()));
    case AttributeProto::FLOATS:
      return AttributeValue(std::vector<float>(proto.floats().begin(), proto.floats().end()));
    case AttributeProto::STRINGS:
      return AttributeValue(
          std::vector<std::string>(proto.strings().begin(), proto.strings().end()));
    case AttributeProto::TENSOR: {
      ASSIGN_OR_RETURN(TensorData tensor, take_tensor(*proto.mutable_t(), limits.rank));
      return AttributeValue(std::move(tensor));
    }
    case AttributeProto::UNDEFINED:
      return bad("has no type");
    default:
      return unsupported("is of the kind " + AttributeProto::AttributeType_Name(proto.type()) +
                         ", which is not implemented");
  }
}

// Turns one GraphProto into a Graph, in the order of the file.
class Builder {
 public:
  Builder(Graph& graph, const LoadLimits& limits) : graph_(graph), limits_(limits) {}

  Status build(GraphProto& proto) {
    if (proto.sparse_initializer_size() > 0) return unsupported("holds sparse tensors");
    if (proto.node_size() > limits_.nodes) {
      return bad("has " + std::to_string(proto.node_size()) + " nodes, more than " +
                 std::to_string(limits_.nodes));
    }
    for (auto& tensor : *proto.mutable_initializer()) RETURN_IF_ERROR(add_constant(tensor));
    for (const auto& input : proto.input()) RETURN_IF_ERROR(add_input(input));
    graph_.nodes.reserve(static_cast<std::size_t>(proto.node_size()));
    for (auto& node : *proto.mutable_node()) RETURN_IF_ERROR(add_node(node));
    for (const auto& output : proto.output()) {
      const auto found = ids_.find(output.name());
      if (found == ids_.end())
        return bad("output '" + printable(output.name()) + "' is never computed");
      graph_.outputs.push_back(found->second);
    }
    if (graph_.outputs.empty()) return bad("has no output");
    return {};
  }

 private:
  Result<ValueId> define(const std::string& name) {
    const auto [entry, is_new] =
        ids_.emplace(name, static_cast<ValueId>(graph_.value_names.size()));
    if (!is_new) return bad("value '" + printable(name) + "' is defined twice");
    graph_.value_names.push_back(name);
    return entry->second;
  }

  Status add_constant(::onnx::TensorProto& proto) {
    const std::string what = "tensor '" + printable(proto.name()) + "'";
    if (proto.name().empty()) return bad("a tensor has no name");
    ASSIGN_OR_RETURN(const ValueId id, define(proto.name()));
    auto tensor = take_tensor(proto, limits_.rank);
    if (!tensor.ok()) return tensor.status().prefixed(what);
    graph_.constants.emplace(id, std::move(tensor).value());
    return {};
  }

  Status add_input(const ValueInfoProto& proto) {
    const auto known = ids_.find(proto.name());
    // Old files list their weights among the inputs, too.
    if (known != ids_.end() && graph_.constants.contains(known->second)) return {};
    const std::string what = "input '" + printable(proto.name()) + "'";
    if (proto.type().value_case() != TypeProto::kTensorType)
      return unsupported(what + " is no tensor");
    const auto& type = proto.type().tensor_type();
    GraphInput input;
    auto data_type = data_type_from(type.elem_type());
    if (!data_type.ok()) return data_type.status().prefixed(what);
    input.type = *data_type;
    if (type.shape().dim_size() > limits_.rank) return bad(what + " has too many dimensions");
    for (const auto& dim : type.shape().dim()) {
      input.dims.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
    }
    ASSIGN_OR_RETURN(input.value, define(proto.name()));
    graph_.inputs.push_back(std::move(input));
    return {};
  }

  Status add_node(NodeProto& proto) {
    Node node;
    node.name = proto.name().empty() && proto.output_size() > 0 ? proto.output(0) : proto.name();
    node.op = proto.op_type();
    const std::string what = "node '" + printable(node.name) + "' (" + printable(node.op) +
                             ", opset " + std::to_string(graph_.opset) + ")";
    if (!is_default_domain(proto.domain())) {
      return unsupported(what + ": operator '" + printable(proto.domain()) + "." +
                         printable(node.op) + "' is not implemented");
    }
    if (proto.input_size() > limits_.edges_per_node ||
        proto.output_size() > limits_.edges_per_node) {
      return bad(what + " has too many inputs or outputs");
    }
    for (const auto& name : proto.input()) {
      const auto found = ids_.find(name);
      if (!name.empty() && found == ids_.end()) {
        return bad(what + " uses '" + printable(name) + "' before anything computes it");
      }
      node.inputs.push_back(name.empty() ? kAbsent : found->second);
    }
    for (auto& attribute : *proto.mutable_attribute()) {
      RETURN_IF_ERROR(add_attribute(attribute, node).prefixed(what));
    }
    for (const auto& name : proto.output()) {
      if (name.empty()) {
        node.outputs.push_back(kAbsent);
        continue;
      }
      ASSIGN_OR_RETURN(const ValueId id, define(name));
      node.outputs.push_back(id);
    }
    graph_.nodes.push_back(std::move(node));
    return {};
  }

  Status add_attribute(AttributeProto& proto, Node& node) {
    const std::string what = "attribute '" + printable(proto.name()) + "'";
    auto value = take_attribute(proto, limits_);
    if (!value.ok()) return value.status().prefixed(what);
    if (!node.attributes.emplace(proto.name(), std::move(value).value()).second) {
      return bad(what + " is given twice");
    }
    return {};
  }

  Graph& graph_;
  const LoadLimits& limits_;
  std::unordered_map<std::string, ValueId> ids_;
};

Result<int> opset_of(const ModelProto& model) {
  for (const auto& opset : model.opset_import()) {
    if (!is_default_domain(opset.domain())) continue;
    if (opset.version() < kOldestOpset || opset.version() > kNewestOpset) {
      return unsupported("uses operator set " + std::to_string(opset.version()) +
                         "; export it with one from " + std::to_string(kOldestOpset) + " to " +
                         std::to_string(kNewestOpset));
    }
    return static_cast<int>(opset.version());
  }
  return bad("names no operator set; is it an ONNX model?");
}

Status build_graph(std::string_view bytes, const LoadLimits& limits, Graph& graph) {
  if (bytes.size() > static_cast<std::uint64_t>(limits.file_bytes)) {
    return bad("is larger than " + std::to_string(limits.file_bytes) + " bytes");
  }
  ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return bad("is damaged or not an ONNX model");
  }
  ASSIGN_OR_RETURN(graph.opset, opset_of(model));
  if (model.functions_size() > 0) return unsupported("defines functions of its own");
  return Builder(graph, limits).build(*model.mutable_graph());
}

}  // namespace

Result<Graph> parse_graph(std::string_view bytes, const std::string& file,
                          const LoadLimits& limits) {
  Graph graph;
  graph.file = file;
  try {
    RETURN_IF_ERROR(build_graph(bytes, limits, graph).prefixed(file));
  } catch (const std::exception& error) {  // what protobuf throws for a failed invariant
    return Status(StatusCode::kBadInput,
                  file + ": is not an ONNX model: " + printable(error.what()));
  }
  return graph;
}

Result<Graph> load_graph(const std::string& path, const LoadLimits& limits) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  struct stat facts {};
  if (fstat(fd.get(), &facts) != 0) return file_error(path, "read", errno);
  if (facts.st_size > limits.file_bytes) {
    return Status(StatusCode::kBadInput, path + ": is larger than " +
                                             std::to_string(limits.file_bytes) +
                                             " bytes; no ONNX model is");
  }
  std::string bytes(static_cast<std::size_t>(facts.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(path, "read", errno);
    if (got == 0)
      return Status(StatusCode::kInputChanged, path + ": became shorter while it was read");
    done += static_cast<std::size_t>(got);
  }
  return parse_graph(bytes, path, limits);
}

Result<TensorData> parse_tensor(std::string_view bytes, const std::string& file,
                                const LoadLimits& limits) {
  ::onnx::TensorProto proto;
  if (bytes.size() > static_cast<std::uint64_t>(limits.file_bytes) ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Status(StatusCode::kBadInput, file + ": is not an ONNX tensor");
  }
  auto tensor = take_tensor(proto, limits.rank);
  if (!tensor.ok()) return tensor.status().prefixed(file);
  return tensor;
}

}  // namespace mimicfleet::onnx
