#include "event/drawn_outputs.h"

#include <algorithm>
#include <set>

#include "base/letter_case.h"
#include "event/parse_tree.h"

namespace scry::event {
namespace {

using nlohmann::json;
using Names = std::set<std::string>;

size_t CountCalls(const json& node) {
  if (!node.is_structured()) return 0;
  size_t count = 0;
  if (const json* call = tree::Find(node, "FuncCall")) {
    const std::string name = tree::LastString(tree::List(*call, "funcname"));
    count += IsSequenceFunction(base::LowerAscii(name)) ? 1U : 0U;
  }
  for (const json& one : node) count += CountCalls(one);
  return count;
}

// Values by the columns that they are given to; counts the calls among them.
class Assignments {
 public:
  void Add(const std::string& column, const json& value) {
    const size_t calls = CountCalls(value);
    calls_ += calls;
    if (calls > 0) drawn_.insert(column);
  }
  void AddRow(const json& columns, const json& values, bool targets) {
    for (size_t i = 0; i < std::min(columns.size(), values.size()); ++i) {
      const json* column = tree::Find(columns[i], "ResTarget");
      const json* target = targets ? tree::Find(values[i], "ResTarget") : nullptr;
      const json* value =
          targets ? (target == nullptr ? nullptr : tree::Find(*target, "val")) : &values[i];
      if (column != nullptr && value != nullptr) Add(tree::Text(*column, "name"), *value);
    }
  }
  size_t calls() const { return calls_; }
  const Names& drawn() const { return drawn_; }

 private:
  size_t calls_ = 0;
  Names drawn_;
};

void ReadInsert(const json& insert, Assignments& given) {
  const json* query = tree::Find(insert, "selectStmt");
  const json* select = query == nullptr ? nullptr : tree::Find(*query, "SelectStmt");
  if (select == nullptr) return;
  const json& columns = tree::List(insert, "cols");
  for (const json& row : tree::List(*select, "valuesLists")) {
    const json* list = tree::Find(row, "List");
    if (list != nullptr) given.AddRow(columns, tree::List(*list, "items"), false);
  }
  given.AddRow(columns, tree::List(*select, "targetList"), true);
}

void ReadUpdate(const json& update, Assignments& given) {
  for (const json& item : tree::List(update, "targetList")) {
    const json* target = tree::Find(item, "ResTarget");
    const json* value = target == nullptr ? nullptr : tree::Find(*target, "val");
    if (value != nullptr) given.Add(tree::Text(*target, "name"), *value);
  }
}

bool NamesOneOf(const json& node, const Names& columns) {
  if (!node.is_structured()) return false;
  const json* column = tree::Find(node, "ColumnRef");
  if (column != nullptr) {
    const std::string name = tree::ColumnName(node);
    return name.empty() || columns.contains(name);  // "*" names them all.
  }
  return std::any_of(node.begin(), node.end(),
                     [&](const json& one) { return NamesOneOf(one, columns); });
}

}  // namespace

bool IsSequenceFunction(std::string_view name) {
  return name == "nextval" || name == "currval" || name == "lastval" || name == "setval";
}

std::optional<std::vector<std::string>> DrawnOutputs(const std::string& type,
                                                     const json& statement) {
  Assignments given;
  if (type == "InsertStmt") ReadInsert(statement, given);
  if (type == "UpdateStmt") ReadUpdate(statement, given);
  if (given.calls() == 0 || given.calls() != CountCalls(statement)) return std::nullopt;
  Names outputs;
  for (const json& item : tree::List(statement, "returningList")) {
    const json* target = tree::Find(item, "ResTarget");
    const json* value = target == nullptr ? nullptr : tree::Find(*target, "val");
    if (value == nullptr || !NamesOneOf(*value, given.drawn())) continue;
    const std::string alias = tree::Text(*target, "name");
    const std::string column = tree::ColumnName(*value);
    if (!alias.empty() || !column.empty()) {
      outputs.insert(alias.empty() ? column : alias);
    } else if (tree::Find(*value, "ColumnRef") != nullptr) {
      outputs.insert(given.drawn().begin(), given.drawn().end());
    } else {
      return std::nullopt;  // An expression that nobody named.
    }
  }
  return std::vector<std::string>(outputs.begin(), outputs.end());
}

}  // namespace scry::event
