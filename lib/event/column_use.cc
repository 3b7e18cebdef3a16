#include "event/column_use.h"

#include <algorithm>
#include <set>
#include <utility>

#include "event/parse_tree.h"

namespace scry::event {
namespace {

using nlohmann::json;

class Walk {
 public:
  void Into(const json& node, int depth = 0) {
    if (depth > tree::kDepthMax) use_.any = true;
    if (use_.any) return;
    if (node.is_array()) {
      for (const json& item : node) Into(item, depth + 1);
      return;
    }
    if (!node.is_object()) return;
    for (const auto& [key, value] : node.items()) {
      if (key == "ColumnRef") {
        Column(tree::List(value, "fields"));
        continue;
      }
      if (key == "RangeVar") Source(value);
      if (key == "JoinExpr") Join(value);
      Into(value, depth + 1);
    }
  }

  ColumnUse Take() {
    // The name of a relation stands for its whole row.
    use_.any |= std::any_of(use_.columns.begin(), use_.columns.end(), [&](const auto& one) {
      return one.qualifier.empty() && sources_.contains(one.column);
    });
    return std::move(use_);
  }

 private:
  void Column(const json& fields) {
    NamedColumn named;
    for (const json& field : fields) {
      named.qualifier = std::exchange(named.column, tree::StringOf(field));
    }
    use_.any |= named.column.empty();  // "*".
    Add(std::move(named));
  }
  void Source(const json& range) {
    const json* alias = tree::Find(range, "alias");
    sources_.insert(alias == nullptr ? tree::Text(range, "relname")
                                     : tree::Text(*alias, "aliasname"));
  }
  void Join(const json& join) {
    const json* natural = tree::Find(join, "isNatural");
    use_.any |= natural != nullptr && natural->is_boolean() && natural->get<bool>();
    for (const json& column : tree::List(join, "usingClause")) {
      Add({"", tree::StringOf(column)});
    }
  }
  void Add(NamedColumn named) {
    if (std::find(use_.columns.begin(), use_.columns.end(), named) == use_.columns.end()) {
      use_.columns.push_back(std::move(named));
    }
  }

  ColumnUse use_;
  std::set<std::string> sources_;
};

}  // namespace

ColumnUse ReadColumnUse(const std::string& text) {
  const auto parsed = tree::Parse(text);
  if (!parsed || tree::List(*parsed, "stmts").size() != 1) return {true, {}};
  Walk walk;
  walk.Into(*parsed);
  return walk.Take();
}

}  // namespace scry::event
