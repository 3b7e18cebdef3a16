#include "event/sort_keys.h"

#include <algorithm>
#include <optional>

#include "event/parse_tree.h"
#include "event/row_choice.h"

namespace scry::event {
namespace {

using nlohmann::json;
using Fields = std::vector<std::string>;  // "t", "a" of t.a.

Fields FieldsOf(const json& node) {
  const json* column = tree::Find(node, "ColumnRef");
  if (column == nullptr) return {};
  Fields fields;
  for (const json& field : tree::List(*column, "fields")) fields.push_back(tree::StringOf(field));
  return fields;
}

// As far as they say it: t.a and a may be the same column, t.a and u.a are not.
bool MayBeOne(const Fields& a, const Fields& b) {
  const size_t shared = std::min(a.size(), b.size());
  return shared > 0 && std::equal(a.end() - static_cast<std::ptrdiff_t>(shared), a.end(),
                                  b.end() - static_cast<std::ptrdiff_t>(shared));
}

struct Output {
  std::string name;  // Of its alias, or of its column; empty: another expression.
  Fields column;     // It is a plain column.
  bool star = false;
  std::string star_of;  // "t" of t.*; empty: of all that stands in FROM.
};

class SortedSelect {
 public:
  explicit SortedSelect(const json& select) : one_table_(ReadsOneTable(select)) {
    for (const json& item : tree::List(select, "targetList")) {
      const json* target = tree::Find(item, "ResTarget");
      const json* value = target == nullptr ? nullptr : tree::Find(*target, "val");
      Output output;
      if (value != nullptr) Read(*target, *value, output);
      outputs_.push_back(std::move(output));
    }
  }

  std::string KeyOf(const json& node) const {
    if (node.contains("A_Const")) {
      const auto position = tree::IntegerOf(node);
      return position ? "#" + std::to_string(*position) : std::string();
    }
    const Fields key = FieldsOf(node);
    if (key.empty() || key.back().empty()) return {};
    // "ORDER BY x" means the output column x if there is one; "ORDER BY t.x" never does.
    const bool qualified = key.size() > 1;
    const bool by_name = !qualified && (outputs_.empty() || Names(key.back()));
    if (by_name) return key.back();
    bool starred = false;  // Nobody knows how many columns stand before.
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const Output& output = outputs_[i];
      if (MayBeOne(output.column, key)) {
        return starred ? output.name : "#" + std::to_string(i + 1);
      }
      starred = starred || output.star;
    }
    // A cast keeps its column's name, which nothing here tells.
    return !qualified || ShownByStar(key) ? key.back() : std::string();
  }

 private:
  static void Read(const json& target, const json& value, Output& output) {
    const json* column = tree::Find(value, "ColumnRef");
    output.star = column != nullptr && tree::Holds(*column, "A_Star");
    Fields fields = FieldsOf(value);
    if (output.star) {
      if (fields.size() > 1) output.star_of = fields[fields.size() - 2];
      return;
    }
    output.name = tree::Text(target, "name");
    if (output.name.empty() && !fields.empty()) output.name = fields.back();
    output.column = std::move(fields);
  }
  bool Names(const std::string& name) const {
    return std::any_of(outputs_.begin(), outputs_.end(),
                       [&](const Output& output) { return output.name == name; });
  }
  // Another output of its name may stand beside it, but not in its place.
  bool ShownByStar(const Fields& key) const {
    const std::string& table = key[key.size() - 2];
    return std::any_of(outputs_.begin(), outputs_.end(), [&](const Output& output) {
      return output.star && (one_table_ || output.star_of.empty() || output.star_of == table);
    });
  }

  const bool one_table_;
  std::vector<Output> outputs_;
};

bool IsKey(const json& node) {
  const std::string column = tree::ColumnName(node);
  return column == "id" || column == "uuid";
}

bool IsGiven(const json& node) {
  if (const json* cast = tree::Find(node, "TypeCast")) {
    const json* argument = tree::Find(*cast, "arg");
    return argument != nullptr && IsGiven(*argument);
  }
  return node.contains("ParamRef") || node.contains("A_Const");
}

bool IsOneKey(const json& condition) {
  if (const json* both = tree::Find(condition, "BoolExpr")) {
    const json& parts = tree::List(*both, "args");
    return tree::Text(*both, "boolop") == "AND_EXPR" &&
           std::any_of(parts.begin(), parts.end(), IsOneKey);
  }
  const json* equal = tree::Find(condition, "A_Expr");
  if (equal == nullptr || tree::Text(*equal, "kind") != "AEXPR_OP") return false;
  const json* left = tree::Find(*equal, "lexpr");
  const json* right = tree::Find(*equal, "rexpr");
  if (tree::LastString(tree::List(*equal, "name")) != "=" || left == nullptr || right == nullptr) {
    return false;
  }
  return (IsKey(*left) && IsGiven(*right)) || (IsKey(*right) && IsGiven(*left));
}

}  // namespace

std::vector<std::string> ReadSortKeys(const json& select) {
  std::vector<std::string> keys;
  const json& sort = tree::List(select, "sortClause");
  if (sort.empty()) return keys;
  const SortedSelect sorted(select);
  for (const json& item : sort) {
    const json* by = tree::Find(item, "SortBy");
    const json* node = by == nullptr ? nullptr : tree::Find(*by, "node");
    keys.push_back(node == nullptr ? std::string() : sorted.KeyOf(*node));
  }
  return keys;
}

bool AsksForOneKey(const json& select) {
  const json* where = tree::Find(select, "whereClause");
  return where != nullptr && ReadsOneTable(select) && IsOneKey(*where);
}

}  // namespace scry::event
