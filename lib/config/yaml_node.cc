#include "config/yaml_node.h"

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <sstream>
#include <unordered_set>
#include <utility>

#include "base/units.h"

namespace scry::config {
namespace {

Place PlaceOf(const YAML::Mark& mark) {
  if (mark.line < 0 || mark.column < 0) return {};
  return {static_cast<size_t>(mark.line) + 1, static_cast<size_t>(mark.column) + 1};
}

// Thrown through the YAML library by TreeBuilder, caught in ParseYaml.
struct Refusal {
  Place place;
  std::string message;
};

// Builds the tree from the library's events. Its own Node type would resolve aliases and hide
// duplicate keys.
class TreeBuilder final : public YAML::EventHandler {
 public:
  bool finished() const { return finished_; }
  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(YamlNode::Kind::kNothing, mark, "", anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override { RefuseAnchor(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Add(YamlNode::Kind::kText, mark, tag, anchor, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(YamlNode::Kind::kList, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(YamlNode::Kind::kMap, mark, tag, anchor, style);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct OpenNode {
    YamlNode node;
    std::unordered_set<std::string> known_keys;
  };

  [[noreturn]] static void RefuseAnchor(const YAML::Mark& mark) {
    throw Refusal{PlaceOf(mark), "anchors and aliases (&, *) are not read here; write it out"};
  }

  YamlNode Make(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) RefuseAnchor(mark);
    // "?" is a plain value, "!" a quoted one.
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refusal{PlaceOf(mark), "tags (!) are not read here; leave it out"};
    }
    YamlNode node;
    node.kind = kind;
    node.place = PlaceOf(mark);
    return node;
  }

  void Add(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
           YAML::anchor_t anchor, const std::string& text = {}) {
    YamlNode node = Make(kind, mark, tag, anchor);
    node.text = text;
    Attach(std::move(node));
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
    if (open_.size() >= kYamlDepthMax) {
      throw Refusal{PlaceOf(mark), fmt::format("nested deeper than {} levels", kYamlDepthMax)};
    }
    open_.push_back({Make(kind, mark, tag, anchor), {}});
    open_.back().node.flow = style == YAML::EmitterStyle::Flow;
  }

  void Close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    Attach(std::move(node));
  }

  void Attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      finished_ = true;
      return;
    }
    auto& [parent, known_keys] = open_.back();
    if (parent.kind == YamlNode::Kind::kMap && parent.keys.size() == parent.children.size()) {
      if (node.kind != YamlNode::Kind::kText) throw Refusal{node.place, "a key must be text"};
      if (!known_keys.insert(node.text).second) {
        throw Refusal{node.place,
                      fmt::format("key '{}' is here twice", base::Printable(node.text, 60))};
      }
      parent.keys.push_back(std::move(node));
      return;
    }
    // For a missing value the library gives the place of whatever comes next.
    if (parent.kind == YamlNode::Kind::kMap && node.kind == YamlNode::Kind::kNothing) {
      node.place = parent.keys.back().place;
    }
    parent.children.push_back(std::move(node));
  }

  std::vector<OpenNode> open_;
  YamlNode root_;
  bool finished_ = false;
};

// What the library would let pass or turn into something else.
base::Status CheckBytes(std::string_view text, std::string_view file) {
  if (text.size() > kFileBytesMax) {
    return base::Fail(base::ErrorCode::kUsage,
                      fmt::format("{}: larger than {}; this is no configuration of scry",
                                  base::Printable(file), base::FormatSize(kFileBytesMax)));
  }
  Place place;
  bool indenting = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\t' && indenting) {
      return FailAt(file, place, "a tab indents this line; YAML indents with blanks");
    }
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f) {
      return FailAt(file, place, fmt::format("control character 0x{:02x}; save as UTF-8", byte));
    }
    if (c == '\n') {
      place = {place.line + 1, 1};
      indenting = true;
      continue;
    }
    if (c != ' ') indenting = false;
    ++place.column;
  }
  return {};
}

}  // namespace

base::Error FailAt(std::string_view file, Place place, std::string_view message) {
  return base::Fail(base::ErrorCode::kUsage, fmt::format("{}:{}:{}: {}", base::Printable(file),
                                                         place.line, place.column, message));
}

base::Result<YamlNode> ParseYaml(std::string_view text, std::string_view file) {
  SCRY_TRY(CheckBytes(text, file));
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder) || !builder.finished()) return YamlNode{};
    TreeBuilder second;
    if (parser.HandleNextDocument(second)) {
      return FailAt(file, second.TakeRoot().place, "a second document (---); one is read here");
    }
    return builder.TakeRoot();
  } catch (const Refusal& refusal) {
    return FailAt(file, refusal.place, refusal.message);
  } catch (const YAML::Exception& error) {
    return FailAt(file, PlaceOf(error.mark), base::Printable(base::OneLine(error.msg), 200));
  } catch (const std::exception& error) {
    return FailAt(file, {}, base::Printable(base::OneLine(error.what()), 200));
  }
}

}  // namespace scry::config
