#include "config/ignore_editor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/units.h"
#include "compare/ignore_rules.h"
#include "config/schema.h"
#include "config/yaml_node.h"

namespace scry::config {
namespace {

using base::Fail;
using base::Result;
using Kind = YamlNode::Kind;

constexpr size_t kReasonBytesMax = 1000;
constexpr size_t kCommentColumnsMax = 60;

YamlNode TextNode(std::string text) {
  YamlNode node;
  node.kind = Kind::kText;
  node.text = std::move(text);
  return node;
}

void AddEntry(YamlNode& map, const std::string& key, YamlNode value) {
  map.keys.push_back(TextNode(key));
  map.children.push_back(std::move(value));
}

// Whatever stands where.
bool SameContent(const YamlNode& a, const YamlNode& b) {
  const auto same = [](const std::vector<YamlNode>& x, const std::vector<YamlNode>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), SameContent);
  };
  return a.kind == b.kind && a.text == b.text && same(a.keys, b.keys) &&
         same(a.children, b.children);
}

// Its number of keys, where there is no such one.
size_t IndexOf(const YamlNode& map, std::string_view key) {
  size_t i = 0;
  while (i < map.keys.size() && map.keys[i].text != key) ++i;
  return i;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

class Editor {
 public:
  Editor(std::string_view text, std::string_view file, const compare::IgnoreRule& rule,
         std::string_view comment)
      : text_(text), file_(file), rule_(rule), comment_(comment) {
    size_t begin = 0;
    while (begin < text.size()) {
      lines_.push_back(begin);
      const size_t end = text.find('\n', begin);
      begin = end == text.npos ? text.size() : end + 1;
    }
    const size_t first = text.find('\n');
    crlf_ = first != text.npos && first > 0 && text[first - 1] == '\r';
  }

  Result<std::string> Run() {
    SCRY_TRY_ASSIGN(root_, ParseYaml(text_, file_));
    SCRY_TRY_ASSIGN(const Document document, ReadDocument(root_, file_));
    for (const compare::IgnoreRule& known : document.policy.ignore) {
      if (known.finding != rule_.finding || !known.pattern.empty()) continue;
      return Fail(base::ErrorCode::kUsage,
                  fmt::format("{} has a rule for {} already, {}; change that one", known.place,
                              rule_.finding,
                              known.until ? "until " + compare::FormatDate(*known.until)
                                          : std::string("without an end")));
    }
    Plan();
    for (const size_t at : places_) {
      std::string edited = Inserted(at);
      if (Proven(edited)) return edited;
    }
    return Fail(base::ErrorCode::kUsage,
                fmt::format("{} is laid out so that no rule can be added without touching the "
                            "rest; add to policy: ignore: by hand: - {}",
                            base::Printable(file_), FlowRule()));
  }

 private:
  std::string Reason() const { return Quoted(rule_.reason); }
  std::string Until() const { return compare::FormatDate(*rule_.until); }
  std::string FlowRule() const {
    return fmt::format("{{finding: {}, reason: {}, until: {}}}", rule_.finding, Reason(), Until());
  }
  std::vector<std::string> BlockRule(size_t indent) const {
    const std::string lead(indent, ' ');
    return {lead + "- finding: " + rule_.finding +
                (comment_.empty()
                     ? ""
                     : "  # " + base::Printable(base::OneLine(comment_), kCommentColumnsMax)),
            lead + "  reason: " + Reason(), lead + "  until: " + Until()};
  }

  // Decides what is inserted and where it may go, and what the file should hold then.
  void Plan() {
    YamlNode rule;
    rule.kind = Kind::kMap;
    AddEntry(rule, "finding", TextNode(rule_.finding));
    AddEntry(rule, "reason", TextNode(rule_.reason));
    AddEntry(rule, "until", TextNode(Until()));
    expected_ = root_;

    const size_t policy_at = IndexOf(root_, "policy");
    const YamlNode* policy = policy_at < root_.keys.size() ? &root_.children[policy_at] : nullptr;
    const size_t ignore_at = policy != nullptr ? IndexOf(*policy, "ignore") : 0;
    const bool has_ignore = policy != nullptr && ignore_at < policy->keys.size();
    YamlNode list;
    list.kind = Kind::kList;
    list.children.push_back(rule);
    YamlNode with_ignore;
    with_ignore.kind = Kind::kMap;
    AddEntry(with_ignore, "ignore", list);

    // Behind the last line of what is extended, at the latest before what follows it.
    size_t next_line = lines_.size() + 1;
    if (policy_at + 1 < root_.keys.size()) next_line = root_.keys[policy_at + 1].place.line;
    if (has_ignore) {
      YamlNode& into = expected_.children[policy_at].children[ignore_at];
      const YamlNode& ignore = policy->children[ignore_at];
      if (ignore_at + 1 < policy->keys.size()) {
        next_line = policy->keys[ignore_at + 1].place.line;
      }
      Extend(ignore, next_line, FlowRule(), BlockRule(ignore.place.column - 1));
      into.children.insert(ignore.flow ? into.children.begin() : into.children.end(), rule);
    } else if (policy != nullptr) {
      const size_t indent = policy->place.column - 1;
      Extend(*policy, next_line, "ignore: [" + FlowRule() + "]",
             WithKeys({"ignore"}, indent, BlockRule(indent + 2)));
      AddTo(expected_.children[policy_at], "ignore", std::move(list), policy->flow);
    } else {
      const size_t indent = root_.place.column - 1;
      Extend(root_, lines_.size() + 1, "policy: {ignore: [" + FlowRule() + "]}",
             WithKeys({"policy", "ignore"}, indent, BlockRule(indent + 4)));
      AddTo(expected_, "policy", std::move(with_ignore), root_.flow);
    }
  }

  static void AddTo(YamlNode& map, const std::string& key, YamlNode value, bool in_front) {
    map.keys.insert(in_front ? map.keys.begin() : map.keys.end(), TextNode(key));
    map.children.insert(in_front ? map.children.begin() : map.children.end(), std::move(value));
  }

  static std::vector<std::string> WithKeys(const std::vector<std::string>& keys, size_t indent,
                                           std::vector<std::string> lines) {
    std::vector<std::string> all;
    for (size_t i = 0; i < keys.size(); ++i) {
      all.push_back(std::string(indent + 2 * i, ' ') + keys[i] + ":");
    }
    all.insert(all.end(), lines.begin(), lines.end());
    return all;
  }

  // In brackets: right behind the opening one, as that is where nothing can be in the way.
  void Extend(const YamlNode& node, size_t next_line, const std::string& flow,
              const std::vector<std::string>& block) {
    if (node.flow) {
      const size_t line = node.place.line - 1;
      if (line >= lines_.size()) return;
      insertion_ = flow + (node.children.empty() ? "" : ", ");
      places_ = {lines_[line] + node.place.column};
      return;
    }
    const char* end = crlf_ ? "\r\n" : "\n";
    for (const std::string& line : block) insertion_ += line + end;
    size_t last = std::min(next_line - 1, lines_.size());
    const size_t before_next = last;
    while (last > node.place.line && !HasContent(last)) --last;
    places_ = {EndOfLine(last)};
    if (before_next != last) places_.push_back(EndOfLine(before_next));
  }

  // `line` from 1. Comments belong to what follows them; so does the end of the document.
  bool HasContent(size_t line) const {
    const size_t begin = lines_[line - 1];
    const size_t end = line < lines_.size() ? lines_[line] : text_.size();
    std::string_view content = text_.substr(begin, end - begin);
    const size_t first = content.find_first_not_of(" \t\r\n");
    return first != content.npos && content[first] != '#' && !content.starts_with("...");
  }
  size_t EndOfLine(size_t line) const { return line < lines_.size() ? lines_[line] : text_.size(); }

  std::string Inserted(size_t at) const {
    std::string edited(text_.substr(0, at));
    const bool block = insertion_.ends_with('\n');
    if (block && !edited.empty() && edited.back() != '\n') edited += crlf_ ? "\r\n" : "\n";
    edited += insertion_;
    edited += text_.substr(at);
    return edited;
  }

  bool Proven(const std::string& edited) const {
    const auto root = ParseYaml(edited, file_);
    return root.ok() && SameContent(*root, expected_) && ReadDocument(*root, file_).ok();
  }

  const std::string_view text_;
  const std::string_view file_;
  const compare::IgnoreRule& rule_;
  const std::string_view comment_;
  std::vector<size_t> lines_;  // Where each begins.
  bool crlf_ = false;
  YamlNode root_;
  YamlNode expected_;
  std::string insertion_;
  std::vector<size_t> places_;  // The best first.
};

}  // namespace

Result<std::string> AddIgnoreRule(std::string_view text, std::string_view file,
                                  const compare::IgnoreRule& rule, std::string_view comment) {
  SCRY_CHECK(compare::IsFindingId(rule.finding) && rule.until && rule.pattern.empty());
  if (rule.reason.find_first_not_of(' ') == std::string::npos) {
    return Fail(base::ErrorCode::kUsage, "a reason is needed, for those who read the rule later");
  }
  if (rule.reason.size() > kReasonBytesMax || base::Printable(rule.reason) != rule.reason) {
    return Fail(base::ErrorCode::kUsage,
                fmt::format("the reason is no line of text of at most {} bytes", kReasonBytesMax));
  }
  const std::string_view start = text.empty() ? std::string_view("version: 1\n") : text;
  return Editor(start, file, rule, comment).Run();
}

}  // namespace scry::config
