#include "event/row_choice.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/letter_case.h"
#include "event/parse_tree.h"

namespace scry::event {
namespace {

using nlohmann::json;

template <size_t N>
bool In(const std::array<std::string_view, N>& sorted, std::string_view word) {
  return std::binary_search(sorted.begin(), sorted.end(), word);
}

// All sorted. Aggregates give one row; of those that gather, the order of rows is seen.
constexpr std::array<std::string_view, 8> kGathering = {
    "array_agg",        "json_agg",  "json_object_agg", "jsonb_agg",
    "jsonb_object_agg", "range_agg", "string_agg",      "xmlagg"};
constexpr std::array<std::string_view, 17> kFolding = {
    "any_value",  "avg",         "bit_and", "bit_or",  "bit_xor", "bool_and",
    "bool_or",    "count",       "every",   "max",     "min",     "stddev",
    "stddev_pop", "stddev_samp", "sum",     "var_pop", "variance"};
// Rows tied in the order of their window get the same of these.
constexpr std::array<std::string_view, 4> kTieSafe = {"cume_dist", "dense_rank", "percent_rank",
                                                      "rank"};
// May stand round an aggregate and give one value for one.
constexpr std::array<std::string_view, 13> kScalars = {
    "abs",   "ceil",  "ceiling", "date_part", "date_trunc", "floor", "length",
    "lower", "round", "to_char", "to_json",   "trunc",      "upper"};
static_assert(std::is_sorted(kGathering.begin(), kGathering.end()));
static_assert(std::is_sorted(kFolding.begin(), kFolding.end()));
static_assert(std::is_sorted(kTieSafe.begin(), kTieSafe.end()));
static_assert(std::is_sorted(kScalars.begin(), kScalars.end()));

std::string CalledName(const json& call) {
  return base::LowerAscii(tree::LastString(tree::List(call, "funcname")));
}

const json* SelectOf(const json& node, const char* key) {
  const json* query = tree::Find(node, key);
  return query == nullptr ? nullptr : tree::Find(*query, "SelectStmt");
}

// The WITH clauses round a place in a statement, and what of FROM comes sorted by them.
class WithScope {
 public:
  // While it lives, `node`'s own clause is one of those.
  class Enter {
   public:
    Enter(WithScope& scope, const json& node) : scope_(scope), clause_(tree::Find(node, kClause)) {
      if (clause_ != nullptr) scope_.clauses_.push_back(clause_);
    }
    ~Enter() {
      if (clause_ != nullptr) scope_.clauses_.pop_back();
    }
    Enter(const Enter&) = delete;
    Enter& operator=(const Enter&) = delete;

   private:
    WithScope& scope_;
    const json* clause_;
  };

  // Of the select's own FROM, without joins.
  bool ReadsSorted(const json& select, int depth = 0) {
    const json& from = tree::List(select, "fromClause");
    return std::any_of(from.begin(), from.end(),
                       [&](const json& item) { return ComesSorted(item, depth + 1); });
  }

 private:
  static constexpr const char* kClause = "withClause";

  bool ComesSorted(const json& item, int depth) {
    const json* nested = tree::Find(item, "RangeSubselect");
    const json* named = tree::Find(item, "RangeVar");
    const json* query = nullptr;
    if (nested != nullptr) query = SelectOf(*nested, "subquery");
    if (named != nullptr) query = Named(*named);
    return query != nullptr && IsSorted(*query, depth);
  }
  // By its own ORDER BY, or as it hands the rows of a sorted one on.
  bool IsSorted(const json& select, int depth) {
    if (depth > kNestedMax) return false;
    if (!tree::List(select, "sortClause").empty()) return true;
    const bool hands_on = tree::List(select, "fromClause").size() == 1 &&
                          tree::List(select, "groupClause").empty() &&
                          tree::List(select, "distinctClause").empty();
    if (!hands_on) return false;
    const Enter own(*this, select);
    return ReadsSorted(select, depth);
  }
  const json* Named(const json& relation) const {
    if (!tree::Text(relation, "schemaname").empty()) return nullptr;
    const std::string name = tree::Text(relation, "relname");
    for (auto clause = clauses_.rbegin(); clause != clauses_.rend(); ++clause) {
      for (const json& item : tree::List(**clause, "ctes")) {
        const json* query = tree::Find(item, "CommonTableExpr");
        if (query != nullptr && tree::Text(*query, "ctename") == name) {
          return SelectOf(*query, "ctequery");
        }
      }
    }
    return nullptr;
  }

  static constexpr int kNestedMax = 16;  // A query of WITH RECURSIVE reads itself.
  std::vector<const json*> clauses_;     // The innermost one last.
};

bool HasDistinctOn(const json& select) {
  const json& distinct = tree::List(select, "distinctClause");
  return !distinct.empty() && distinct.front().is_object() && !distinct.front().empty();
}

std::set<std::string> SortColumns(const json& clause) {
  std::set<std::string> keys;
  for (const json& item : clause) {
    const json* sort = tree::Find(item, "SortBy");
    const json* node = sort == nullptr ? nullptr : tree::Find(*sort, "node");
    if (node != nullptr) keys.insert(tree::ColumnName(*node));
  }
  keys.erase(std::string());
  return keys;
}

bool HoldsId(const std::set<std::string>& keys) {
  return keys.contains("id") || keys.contains("uuid");
}

bool SortsById(const json& window) {
  return HoldsId(SortColumns(tree::List(window, "orderClause")));
}

// The name of an output column; empty where the server makes one up.
std::string OutputName(const json& item) {
  const json* target = tree::Find(item, "ResTarget");
  if (target == nullptr) return {};
  std::string alias = tree::Text(*target, "name");
  if (!alias.empty()) return alias;
  const json* value = tree::Find(*target, "val");
  const json* call = value == nullptr ? nullptr : tree::Find(*value, "FuncCall");
  return call == nullptr ? std::string() : tree::LastString(tree::List(*call, "funcname"));
}

// Rows tied in its order are equal in all that it gives, as far as its text tells.
bool SettlesTies(const json& select) {
  std::set<std::string> keys = SortColumns(tree::List(select, "sortClause"));
  if (ReadsOneTable(select) && HoldsId(keys)) return true;
  if (HasDistinctOn(select)) {
    for (const json& item : tree::List(select, "distinctClause")) {
      keys.insert(tree::ColumnName(item));
    }
    keys.erase(std::string());
  }
  const json& targets = tree::List(select, "targetList");
  return std::all_of(targets.begin(), targets.end(), [&](const json& item) {
    const json* target = tree::Find(item, "ResTarget");
    const json* value = target == nullptr ? nullptr : tree::Find(*target, "val");
    if (value == nullptr) return false;
    return tree::Find(*value, "A_Const") != nullptr || keys.contains(tree::ColumnName(*value)) ||
           keys.contains(tree::Text(*target, "name"));
  });
}

bool LimitPicks(const json& select) {
  return ReadRowLimit(select).limited && !GivesOneRow(select) && !SettlesTies(select);
}

// What a query leaves to chance by its own LIMIT is told elsewhere.
class ChoiceWalk {
 public:
  // `outputs`: values of the list are values of the statement.
  void Select(const json& select, bool outputs, bool own_limit, int depth) {
    if (depth > tree::kDepthMax) return;
    if ((own_limit && LimitPicks(select)) || (HasDistinctOn(select) && !SettlesTies(select))) {
      Mark();
    }
    const WithScope::Enter own(with_, select);
    const bool sorted_before = sorted_;
    sorted_ = with_.ReadsSorted(select);
    const bool one_row_each_before = one_row_each_;
    one_row_each_ = ReadsOneTable(select) && tree::List(select, "groupClause").empty();
    for (const auto& [key, value] : select.items()) {
      if (key == "larg" || key == "rarg") {
        by_name_ = by_name_ && !outputs;  // Only the first of several lists names the columns.
        Select(value, outputs, /*own_limit=*/true, depth + 1);
      } else if (outputs && key == "targetList") {
        Targets(value, depth + 1);
      } else {
        Into(value, depth + 1);
      }
    }
    sorted_ = sorted_before;
    one_row_each_ = one_row_each_before;
  }

  void Into(const json& node, int depth) {
    if (depth > tree::kDepthMax) return;
    if (node.is_array()) {
      for (const json& item : node) Into(item, depth + 1);
      return;
    }
    if (!node.is_object()) return;
    const WithScope::Enter own(with_, node);
    for (const auto& [key, value] : node.items()) {
      if (key == "SelectStmt") {
        Select(value, /*outputs=*/false, /*own_limit=*/true, depth + 1);
      } else if (key == "SubLink") {
        SubLink(value, depth + 1);
      } else {
        if (key == "FuncCall") Call(value);
        Into(value, depth + 1);
      }
    }
  }

  const RowChoice& choice() const { return choice_; }

 private:
  void Mark() {
    (in_targets_ ? choice_.ranks : choice_.picks) = true;
    if (in_targets_) NoteOutput();
  }

  void Gather() {
    choice_.gathers = true;
    NoteOutput();
  }

  void NoteOutput() {
    if (output_.empty()) choice_.outputs.reset();
    if (choice_.outputs) choice_.outputs->push_back(output_);
  }

  void Targets(const json& targets, int depth) {
    in_targets_ = true;
    bool starred = false;  // Nobody knows how many columns stand before.
    for (size_t i = 0; i < targets.size(); ++i) {
      output_ = starred ? (by_name_ ? OutputName(targets[i]) : std::string())
                        : "#" + std::to_string(i + 1);
      Into(targets[i], depth);
      starred = starred || tree::Holds(targets[i], "A_Star");
    }
    output_.clear();
    in_targets_ = false;
  }

  void SubLink(const json& link, int depth) {
    if (const json* test = tree::Find(link, "testexpr")) Into(*test, depth);
    const json* select = SelectOf(link, "subselect");
    if (select == nullptr) return;
    const std::string type = tree::Text(link, "subLinkType");
    const bool ordered = !tree::List(*select, "sortClause").empty();
    if (type == "ARRAY_SUBLINK" && !ordered) Gather();
    // Any row will do for EXISTS, and who asks for one value without ORDER BY knows that there is
    // but one.
    const bool own_limit = type != "EXISTS_SUBLINK" && (type != "EXPR_SUBLINK" || ordered);
    Select(*select, /*outputs=*/false, own_limit, depth);
  }

  void Call(const json& call) {
    constexpr int64_t kFrameOfRows = 0x4;  // FRAMEOPTION_ROWS of the server's parsenodes.h.
    const std::string name = CalledName(call);
    if (const json* over = tree::Find(call, "over")) {
      const bool of_peers = In(kFolding, name) && tree::Text(*over, "name").empty() &&
                            (over->value("frameOptions", int64_t{0}) & kFrameOfRows) == 0;
      const bool settled = one_row_each_ && SortsById(*over);
      if (!In(kTieSafe, name) && !of_peers && !settled) Mark();
      return;
    }
    if (name == "any_value") Mark();
    // DISTINCT sorts what it takes in.
    const bool distinct = call.value("agg_distinct", false);
    if (In(kGathering, name) && tree::List(call, "agg_order").empty() && !sorted_ && !distinct) {
      Gather();
    }
  }

  RowChoice choice_;
  WithScope with_;
  bool in_targets_ = false;
  std::string output_;         // As in StatementFacts::chosen. Empty: none, or not known.
  bool by_name_ = true;        // Outputs are called as their targets are.
  bool sorted_ = false;        // What the select reads.
  bool one_row_each_ = false;  // The select makes its rows of one table's, each of one.
};

// Looks for one aggregate at least, and for nothing that makes several rows of one.
class OneRowWalk {
 public:
  void Into(const json& node, int depth = 0) {
    if (depth > tree::kDepthMax) several_ = true;
    if (several_) return;
    if (node.is_array()) {
      for (const json& item : node) Into(item, depth + 1);
      return;
    }
    if (!node.is_object()) return;
    for (const auto& [key, value] : node.items()) {
      if (key == "SubLink") continue;  // One value.
      if (key == "FuncCall" && Folds(value)) continue;
      Into(value, depth + 1);
    }
  }
  bool one_row() const { return aggregates_ && !several_; }

 private:
  bool Folds(const json& call) {
    const std::string name = CalledName(call);
    const bool aggregates = (In(kFolding, name) || In(kGathering, name)) && !call.contains("over");
    aggregates_ = aggregates_ || aggregates;
    several_ = several_ || (!aggregates && !In(kScalars, name));
    return aggregates;
  }
  bool aggregates_ = false;
  bool several_ = false;
};

}  // namespace

RowChoice ReadRowChoice(const json& statement, bool select) {
  ChoiceWalk walk;
  if (select) {
    walk.Select(statement, /*outputs=*/true, /*own_limit=*/false, 0);
  } else {
    walk.Into(statement, 0);
  }
  return walk.choice();
}

RowLimit ReadRowLimit(const json& select) {
  RowLimit limit;
  if (const json* count = tree::Find(select, "limitCount"); count != nullptr) {
    const json* constant = tree::Find(*count, "A_Const");
    const bool all = constant != nullptr && constant->value("isnull", false);
    const auto rows = tree::IntegerOf(*count);
    limit.limited = !all;
    if (rows && *rows >= 0) limit.rows = static_cast<uint64_t>(*rows);
  }
  if (const json* offset = tree::Find(select, "limitOffset"); offset != nullptr) {
    limit.skips = tree::IntegerOf(*offset) != 0;
    limit.limited = limit.limited || limit.skips;
  }
  return limit;
}

bool GivesOneRow(const json& select) {
  if (!tree::List(select, "groupClause").empty() || !tree::List(select, "valuesLists").empty() ||
      select.contains("larg")) {
    return false;
  }
  OneRowWalk walk;
  walk.Into(tree::List(select, "targetList"));
  return walk.one_row();
}

bool ReadsOneTable(const json& select) {
  const json& from = tree::List(select, "fromClause");
  return from.size() == 1 && tree::Find(from.front(), "RangeVar") != nullptr &&
         !select.contains("withClause");
}

}  // namespace scry::event
