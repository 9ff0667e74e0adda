#include "common/config/yaml.h"

#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "common/config/list_text.h"
#include "common/files/read_text.h"

namespace mimicfleet::config {
namespace {

// Leaves yaml-cpp's parser from inside an event.
struct Refused {
  int line;
  std::string cause;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  YamlNode root;

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw Refused{mark.line + 1, "anchors and aliases are not supported: write the value out"};
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, anchor, YamlNode::Kind::kNull, {});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // Plain (unquoted) empty scalars and ~ are what YAML calls null.
    const bool plain = tag == "?" || tag.empty();
    const bool null =
        plain && (value.empty() || value == "~" || value == "null" || value == "Null");
    add(mark, anchor, null ? YamlNode::Kind::kNull : YamlNode::Kind::kScalar, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, anchor, YamlNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    std::optional<std::string> key;  // of the member whose value comes next
  };

  void count(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) OnAlias(mark, anchor);
    if (++nodes_ > limits_.nodes) {
      throw Refused{mark.line + 1, fmt::format("has more than {} values", limits_.nodes)};
    }
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind,
           const std::string& value) {
    count(mark, anchor);
    if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().key) {
      if (kind != YamlNode::Kind::kScalar) throw Refused{mark.line + 1, "a key must be text"};
      if (open_.back().node.find(value) != nullptr) {
        throw Refused{mark.line + 1, fmt::format("key '{}' is there twice", value)};
      }
      open_.back().key = value;
      return;
    }
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    if (kind == YamlNode::Kind::kScalar) node.scalar = value;
    place(std::move(node));
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, YamlNode::Kind kind) {
    count(mark, anchor);
    if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().key) {
      throw Refused{mark.line + 1, "a key must be text"};
    }
    if (open_.size() >= limits_.depth) {
      throw Refused{mark.line + 1, fmt::format("is nested deeper than {} levels", limits_.depth)};
    }
    Open next;
    next.node.kind = kind;
    next.node.line = mark.line + 1;
    open_.push_back(std::move(next));
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    place(std::move(node));
  }

  void place(YamlNode node) {
    if (open_.empty()) {
      root = std::move(node);
    } else if (auto& parent = open_.back(); parent.node.kind == YamlNode::Kind::kMap) {
      parent.node.members.push_back({std::move(*parent.key), std::move(node)});
      parent.key.reset();
    } else {
      parent.node.items.push_back(std::move(node));
    }
  }

  const YamlLimits& limits_;
  std::vector<Open> open_;
  std::size_t nodes_ = 0;
};

Status refusal(std::string_view name, int line, std::string_view cause) {
  return {StatusCode::kBadInput, fmt::format("{}: line {}: {}", name, line, cause)};
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view name) const {
  for (const auto& [key, value] : members) {
    if (key == name) return &value;
  }
  return nullptr;
}

Result<YamlNode> parse_yaml(std::string_view bytes, std::string_view name,
                            const YamlLimits& limits) {
  if (bytes.size() > limits.bytes) {
    return Status(StatusCode::kBadInput,
                  fmt::format("{}: is larger than {} bytes", name, limits.bytes));
  }
  ASSIGN_OR_RETURN(const std::string text, list_text(bytes, std::string(name)));
  RETURN_IF_ERROR(check_utf8(text, std::string(name)));
  TreeBuilder builder(limits);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    TreeBuilder second(limits);
    if (parser.HandleNextDocument(second))
      return refusal(name, second.root.line, "a second document starts");
  } catch (const Refused& refused) {
    return refusal(name, refused.line, refused.cause);
  } catch (const YAML::Exception& error) {
    return refusal(name, error.mark.is_null() ? 1 : error.mark.line + 1,
                   fmt::format("is no YAML: {}", error.msg));
  } catch (const std::exception& error) {
    return refusal(name, 1, error.what());
  }
  return std::move(builder.root);
}

Result<YamlNode> read_yaml(const std::string& path, const YamlLimits& limits) {
  ASSIGN_OR_RETURN(const std::string text, read_text(path, limits.bytes));
  return parse_yaml(text, path, limits);
}

}  // namespace mimicfleet::config
