#include "event/value_sites.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/letter_case.h"
#include "event/parse_tree.h"
#include "event/relation_name.h"
#include "event/sql_literal.h"

namespace scry::event {
namespace {

using nlohmann::json;
using tree::Find;
using tree::List;
using tree::Text;

// Sites kept per statement: a text of 64 kB holds no more values than this.
constexpr size_t kSitesMax = 32 * 1024;

// What a name in FROM stands for.
struct Source {
  std::string name;      // As columns are qualified with.
  std::string schema;    // If it may be written in front.
  std::string relation;  // Empty: no table (a subquery, a CTE, a function, renamed columns).
};

// The sources one level of a query sees; its subqueries see them too.
struct Scope {
  const Scope* outer = nullptr;
  std::vector<Source> sources;
};

// The names that WITH gave, so far and outside.
struct Ctes {
  const Ctes* outer = nullptr;
  std::set<std::string> names;
  bool Has(const std::string& name) const {
    return names.contains(name) || (outer != nullptr && outer->Has(name));
  }
};

std::string NameOf(const json& range_var) {
  const std::string name = Text(range_var, "relname");
  const std::string schema = Text(range_var, "schemaname");
  return schema.empty() ? name : schema + "." + name;
}

int IntOf(const json& node, const char* key) {
  const json* value = Find(node, key);
  return value != nullptr && value->is_number_integer() ? value->get<int>() : 0;
}

bool IsTrue(const json& node, const char* key) {
  const json* value = Find(node, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

// The type of a one-member object, {"SelectStmt": {..}}, and what is in it.
std::pair<std::string, const json*> Typed(const json& node) {
  if (!node.is_object() || node.size() != 1) return {std::string(), nullptr};
  return {node.begin().key(), &node.begin().value()};
}

bool IsComparison(const std::string& name) {
  constexpr std::array<std::string_view, 7> kOperators = {"=", "<>", "!=", "<", ">", "<=", ">="};
  return std::find(kOperators.begin(), kOperators.end(), name) != kOperators.end();
}

// Reads one statement. Each function takes a node of the grammar; what has none of its own is
// walked as an expression.
class SiteWalk {
 public:
  SiteWalk(std::string_view text, StatementSites& out) : text_(text), out_(out) {}

  void Run(const json& statement) {
    const auto [type, node] = Typed(statement);
    if (node == nullptr) return;
    top_ = node;
    const Ctes no_ctes;
    out_.known = Statement(type, *node, nullptr, no_ctes, std::nullopt);
    if (!out_.known) Inside(*node, no_ctes, 0);
    out_.known &= !into_;
    if (!whole_ || sites_ >= kSitesMax) {
      out_ = StatementSites();
      return;
    }
    Finish();
  }

 private:
  using Lock = std::optional<RowLock>;

  // False: not a statement with values.
  bool Statement(const std::string& type, const json& node, const Scope* outer, const Ctes& ctes,
                 Lock lock) {
    if (type == "SelectStmt") {
      into_ |= Find(node, "intoClause") != nullptr;
      Select(node, outer, ctes, lock);
    } else if (type == "InsertStmt") {
      Insert(node, outer, ctes);
    } else if (type == "UpdateStmt" || type == "DeleteStmt") {
      Change(node, outer, ctes);
    } else if (type == "MergeStmt") {
      Merge(node, outer, ctes);
    } else if (type == "CopyStmt") {
      Copy(node, ctes);
    } else {
      return false;
    }
    return true;
  }

  // The statements inside of another: EXPLAIN, DECLARE, PREPARE, CREATE TABLE AS.
  void Inside(const json& node, const Ctes& ctes, int depth) {
    if (++depth > tree::kDepthMax) whole_ = false;
    if (!whole_ || !node.is_structured()) return;
    for (const auto& [key, value] : node.items()) {
      if (!value.is_structured()) continue;
      if (!node.is_object() || !Statement(key, value, nullptr, ctes, std::nullopt)) {
        Inside(value, ctes, depth);
      }
    }
  }

  // --- Names.

  Ctes With(const json& node, const Scope* outer, const Ctes& before) {
    Ctes ctes;
    ctes.outer = &before;
    const json* with = Find(node, "withClause");
    if (with == nullptr) return ctes;
    const bool recursive = IsTrue(*with, "recursive");
    const json& list = List(*with, "ctes");
    for (const json& item : list) {
      if (const json* cte = Find(item, "CommonTableExpr"); cte != nullptr && recursive) {
        ctes.names.insert(Text(*cte, "ctename"));
      }
    }
    for (const json& item : list) {
      const json* cte = Find(item, "CommonTableExpr");
      if (cte == nullptr) continue;
      if (const json* query = Find(*cte, "ctequery")) {
        const auto [type, inner] = Typed(*query);
        if (inner != nullptr) Nested(type, *inner, outer, ctes, std::nullopt);
      }
      ctes.names.insert(Text(*cte, "ctename"));
    }
    return ctes;
  }

  // A statement one level deeper.
  void Nested(const std::string& type, const json& node, const Scope* outer, const Ctes& ctes,
              Lock lock) {
    if (++depth_ > tree::kDepthMax) whole_ = false;
    if (whole_) (void)Statement(type, node, outer, ctes, lock);
    --depth_;
  }

  // What the target of a write is called in its statement.
  Source Target(const json& node) {
    const json* range_var = Find(node, "relation");
    if (range_var == nullptr) return {};
    const std::string name = NameOf(*range_var);
    out_.writes.push_back(name);
    ++mentions_[Text(*range_var, "relname")];
    return Named(*range_var, name);
  }

  static Source Named(const json& range_var, const std::string& relation) {
    const json* alias = Find(range_var, "alias");
    if (alias == nullptr) {
      return {Text(range_var, "relname"), Text(range_var, "schemaname"), relation};
    }
    // "t AS x (a, b)" gives the columns other names.
    return {Text(*alias, "aliasname"), {}, List(*alias, "colnames").empty() ? relation : ""};
  }

  // --- FROM.

  struct From {
    std::vector<const json*> conditions;  // Of joins, and calls: they see the whole list.
    std::vector<const json*> laterals;
    std::set<std::string> locked_names;  // FOR UPDATE OF ...; empty: all.
    Lock lock;
  };

  void AddFrom(const json& item, const Scope* outer, const Ctes& ctes, From& from, Scope& scope) {
    if (++depth_ > tree::kDepthMax) whole_ = false;
    const auto [type, node] = Typed(item);
    if (node != nullptr && whole_) {
      if (type == "RangeVar") {
        AddTable(*node, ctes, from, scope);
      } else if (type == "JoinExpr") {
        AddJoin(*node, outer, ctes, from, scope);
      } else if (type == "RangeSubselect") {
        AddSubselect(*node, outer, ctes, from, scope);
      } else if (type == "RangeTableSample") {
        if (const json* relation = Find(*node, "relation")) {
          AddFrom(*relation, outer, ctes, from, scope);
        }
      } else {  // Functions and their like.
        from.conditions.push_back(node);
        scope.sources.push_back({AliasOf(*node), {}, {}});
      }
    }
    --depth_;
  }

  static std::string AliasOf(const json& node) {
    const json* alias = Find(node, "alias");
    return alias == nullptr ? std::string() : Text(*alias, "aliasname");
  }

  void AddTable(const json& node, const Ctes& ctes, From& from, Scope& scope) {
    const std::string name = NameOf(node);
    const bool is_cte = Text(node, "schemaname").empty() && ctes.Has(name);
    Source source = Named(node, is_cte ? std::string() : name);
    if (!is_cte) {
      out_.reads.push_back(name);
      ++mentions_[Text(node, "relname")];
      if (IsLocked(from, source.name)) out_.row_locks.push_back({name, *from.lock});
    }
    scope.sources.push_back(std::move(source));
  }

  static bool IsLocked(const From& from, const std::string& name) {
    return from.lock && (from.locked_names.empty() || from.locked_names.contains(name));
  }

  void AddJoin(const json& node, const Scope* outer, const Ctes& ctes, From& from, Scope& scope) {
    const std::string alias = AliasOf(node);
    const size_t before = scope.sources.size();
    for (const char* side : {"larg", "rarg"}) {
      if (const json* arm = Find(node, side)) AddFrom(*arm, outer, ctes, from, scope);
    }
    if (const json* condition = Find(node, "quals")) {
      if (alias.empty()) {
        from.conditions.push_back(condition);
      } else {
        Scope inner{
            outer,
            {scope.sources.begin() + static_cast<std::ptrdiff_t>(before), scope.sources.end()}};
        Expression(*condition, inner, ctes);
      }
    }
    // "(a JOIN b ...) AS x" hides a and b.
    if (alias.empty()) return;
    scope.sources.resize(before);
    scope.sources.push_back({alias, {}, {}});
  }

  void AddSubselect(const json& node, const Scope* outer, const Ctes& ctes, From& from,
                    Scope& scope) {
    const json* query = Find(node, "subquery");
    const std::string alias = AliasOf(node);
    if (query != nullptr) {
      const auto [type, inner] = Typed(*query);
      // A lock reaches into subqueries, but not into those of WITH.
      const Lock lock = IsLocked(from, alias) ? from.lock : std::nullopt;
      if (IsTrue(node, "lateral")) {
        from.laterals.push_back(query);
        lateral_locks_[query] = lock;
      } else if (inner != nullptr) {
        Nested(type, *inner, outer, ctes, lock);
      }
    }
    scope.sources.push_back({alias, {}, {}});
  }

  // Fills `scope` from a FROM list, then reads what sees all of it.
  void ReadFrom(const json& list, From from, const Ctes& ctes, Scope& scope) {
    for (const json& item : list) AddFrom(item, scope.outer, ctes, from, scope);
    for (const json* condition : from.conditions) Expression(*condition, scope, ctes);
    for (const json* query : from.laterals) {
      const auto [type, inner] = Typed(*query);
      if (inner != nullptr) Nested(type, *inner, &scope, ctes, lateral_locks_[query]);
    }
  }

  // --- Statements.

  static Lock StrengthOf(const json& clause) {
    const std::string strength = Text(clause, "strength");
    if (strength == "LCS_FORKEYSHARE") return RowLock::kKeyShare;
    if (strength == "LCS_FORSHARE") return RowLock::kShare;
    if (strength == "LCS_FORNOKEYUPDATE") return RowLock::kNoKeyUpdate;
    if (strength == "LCS_FORUPDATE") return RowLock::kUpdate;
    return std::nullopt;
  }

  // The strongest lock that the clauses ask for, and for whom.
  static From LocksOf(const json& node, Lock inherited) {
    From from;
    from.lock = inherited;
    bool all = inherited.has_value();
    for (const json& item : List(node, "lockingClause")) {
      const json* clause = Find(item, "LockingClause");
      const Lock strength = clause == nullptr ? std::nullopt : StrengthOf(*clause);
      if (!strength) continue;
      from.lock = std::max(from.lock.value_or(*strength), *strength);
      const json& relations = List(*clause, "lockedRels");
      all |= relations.empty();
      for (const json& relation : relations) {
        const json* range_var = Find(relation, "RangeVar");
        if (range_var != nullptr) from.locked_names.insert(Text(*range_var, "relname"));
      }
    }
    if (all) from.locked_names.clear();
    return from;
  }

  void Select(const json& node, const Scope* outer, const Ctes& before, Lock lock) {
    const Ctes ctes = With(node, outer, before);
    for (const char* arm : {"larg", "rarg"}) {  // Of UNION and its like: SelectStmts themselves.
      if (const json* side = Find(node, arm)) Nested("SelectStmt", *side, outer, ctes, lock);
    }
    Scope scope{outer, {}};
    ReadFrom(List(node, "fromClause"), LocksOf(node, lock), ctes, scope);
    Where(node, scope, ctes, scope.sources.size() == 1);
    const json& targets = List(node, "targetList");
    for (const json& target : targets) Expression(target, scope, ctes);
    for (const char* key :
         {"valuesLists", "groupClause", "distinctClause", "sortClause", "windowClause"}) {
      for (const json& item : List(node, key)) Expression(item, scope, ctes);
    }
    // LIMIT and OFFSET are no sites, but may hold a subquery.
    for (const char* key : {"havingClause", "limitCount", "limitOffset"}) {
      if (const json* clause = Find(node, key)) Expression(*clause, scope, ctes);
    }
    if (&node == top_) SequenceCalls(targets);
  }

  void Where(const json& node, const Scope& scope, const Ctes& ctes, bool alone) {
    const json* where = Find(node, "whereClause");
    if (where == nullptr) return;
    const json* both = Find(*where, "BoolExpr");
    if (both == nullptr || Text(*both, "boolop") != "AND_EXPR") {
      Condition(*where, scope, ctes, alone);
      return;
    }
    for (const json& one : List(*both, "args")) Condition(one, scope, ctes, alone);
  }

  void Condition(const json& node, const Scope& scope, const Ctes& ctes, bool alone) {
    conjunct_ = alone;
    Expression(node, scope, ctes);
    conjunct_ = false;
  }

  void Insert(const json& node, const Scope* outer, const Ctes& before) {
    const Ctes ctes = With(node, outer, before);
    Scope scope{outer, {Target(node)}};
    const std::string relation = Find(node, "relation") == nullptr ? "" : out_.writes.back();
    Place place{relation, {}};
    InsertShape shape;
    for (const json& column : List(node, "cols")) {
      const json* target = Find(column, "ResTarget");
      if (target == nullptr) continue;
      shape.columns.push_back(Name(*target));
      place.columns.push_back(List(*target, "indirection").empty() ? Name(*target) : "");
    }
    if (const json* source = Find(node, "selectStmt")) {
      InsertSource(*source, place, ctes, outer, shape);
    } else {
      shape.values_rows = 1;  // DEFAULT VALUES.
    }
    if (const json* conflict = Find(node, "onConflictClause")) {
      shape.on_conflict = true;
      scope.sources.push_back({"excluded", {}, relation});
      SetList(List(*conflict, "targetList"), relation, scope, ctes);
      Where(*conflict, scope, ctes, false);
      if (const json* infer = Find(*conflict, "infer")) Expression(*infer, scope, ctes);
      scope.sources.pop_back();
    }
    for (const json& target : List(node, "returningList")) Expression(target, scope, ctes);
    if (&node == top_) out_.insert = std::move(shape);
  }

  static std::string Name(const json& target) { return Text(target, "name"); }

  // Where the rows of an INSERT go. No name: a part of a column, "a[1]" or "a.b".
  struct Place {
    std::string relation;
    std::vector<std::string> columns;
    std::string ColumnAt(size_t position) const {
      if (columns.empty()) return "#" + std::to_string(position + 1);
      return position < columns.size() ? columns[position] : std::string();
    }
  };

  void InsertSource(const json& source, const Place& place, const Ctes& ctes, const Scope* outer,
                    InsertShape& shape) {
    const json* select = Find(source, "SelectStmt");
    if (select == nullptr) return;
    const json& rows = List(*select, "valuesLists");
    uint32_t row = 0;
    for (const json& list : rows) {
      if (const json* items = Find(list, "List")) {
        StoreRow(List(*items, "items"), place, row, shape);
      }
      ++row;
    }
    shape.values_rows = row;
    if (rows.empty() && Text(*select, "op") == "SETOP_NONE") StoreTargets(*select, place);
    Nested("SelectStmt", *select, outer, ctes, std::nullopt);
  }

  void StoreRow(const json& values, const Place& place, uint32_t row, InsertShape& shape) {
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string column = place.ColumnAt(i);
      if (Find(values[i], "SetToDefault") != nullptr) {
        const bool known =
            std::find(shape.defaults.begin(), shape.defaults.end(), column) != shape.defaults.end();
        if (!known) shape.defaults.push_back(column);
      } else {
        Store(values[i], place.relation, column, row);
      }
    }
  }

  // INSERT INTO t (a, b) SELECT $1, 'x' ...: the constants among its columns.
  void StoreTargets(const json& select, const Place& place) {
    size_t position = 0;
    for (const json& item : List(select, "targetList")) {
      const json* target = Find(item, "ResTarget");
      const json* value = target == nullptr ? nullptr : Find(*target, "val");
      if (value == nullptr || IsStar(*value)) return;
      Store(*value, place.relation, place.ColumnAt(position++), 0);
    }
  }

  static bool IsStar(const json& value) {
    const json* column = Find(value, "ColumnRef");
    if (column == nullptr) return false;
    const json& fields = List(*column, "fields");
    return !fields.empty() && Find(fields.back(), "A_Star") != nullptr;
  }

  // UPDATE and DELETE.
  void Change(const json& node, const Scope* outer, const Ctes& before) {
    const Ctes ctes = With(node, outer, before);
    Scope scope{outer, {Target(node)}};
    const std::string relation = scope.sources.front().relation;
    for (const char* key : {"fromClause", "usingClause"}) {
      const json& list = List(node, key);
      if (!list.empty()) ReadFrom(list, From(), ctes, scope);
    }
    SetList(List(node, "targetList"), relation, scope, ctes);
    Where(node, scope, ctes, scope.sources.size() == 1);
    for (const json& target : List(node, "returningList")) Expression(target, scope, ctes);
  }

  void SetList(const json& list, const std::string& relation, const Scope& scope,
               const Ctes& ctes) {
    for (const json& item : list) {
      const json* target = Find(item, "ResTarget");
      const json* value = target == nullptr ? nullptr : Find(*target, "val");
      if (value == nullptr) continue;
      out_.set_columns.push_back(Name(*target));
      if (const json* part = Find(*value, "MultiAssignRef")) {
        SetPart(*part, relation, Name(*target), scope, ctes);
        continue;
      }
      if (List(*target, "indirection").empty()) Store(*value, relation, Name(*target), 0);
      Expression(*value, scope, ctes);
    }
  }

  // (a, b) = (1, 2): each column has the whole right side, and its place in it.
  void SetPart(const json& part, const std::string& relation, const std::string& column,
               const Scope& scope, const Ctes& ctes) {
    const json* source = Find(part, "source");
    if (source == nullptr) return;
    const auto place = static_cast<size_t>(std::max(IntOf(part, "colno"), 1) - 1);
    if (const json* row = Find(*source, "RowExpr")) {
      const json& values = List(*row, "args");
      if (place < values.size()) Store(values[place], relation, column, 0);
    }
    if (place == 0) Expression(*source, scope, ctes);
  }

  void Merge(const json& node, const Scope* outer, const Ctes& before) {
    const Ctes ctes = With(node, outer, before);
    Scope scope{outer, {Target(node)}};
    const std::string relation = Find(node, "relation") == nullptr ? "" : out_.writes.back();
    if (const json* source = Find(node, "sourceRelation")) {
      From from;
      AddFrom(*source, outer, ctes, from, scope);
      for (const json* condition : from.conditions) Expression(*condition, scope, ctes);
    }
    if (const json* condition = Find(node, "joinCondition")) Expression(*condition, scope, ctes);
    for (const json& item : List(node, "mergeWhenClauses")) {
      if (const json* when = Find(item, "MergeWhenClause")) MergeWhen(*when, relation, scope, ctes);
    }
    for (const json& target : List(node, "returningList")) Expression(target, scope, ctes);
  }

  void MergeWhen(const json& when, const std::string& relation, const Scope& scope,
                 const Ctes& ctes) {
    if (const json* condition = Find(when, "condition")) Expression(*condition, scope, ctes);
    if (Text(when, "commandType") != "CMD_INSERT") {
      SetList(List(when, "targetList"), relation, scope, ctes);
      return;
    }
    Place place{relation, {}};
    InsertShape shape;
    for (const json& item : List(when, "targetList")) {
      const json* target = Find(item, "ResTarget");
      if (target == nullptr) continue;
      place.columns.push_back(List(*target, "indirection").empty() ? Name(*target) : "");
    }
    StoreRow(List(when, "values"), place, 0, shape);
    for (const json& value : List(when, "values")) Expression(value, scope, ctes);
  }

  void Copy(const json& node, const Ctes& ctes) {
    const json* range_var = Find(node, "relation");
    if (const json* query = Find(node, "query")) {
      const auto [type, inner] = Typed(*query);
      if (inner != nullptr) Nested(type, *inner, nullptr, ctes, std::nullopt);
    }
    if (range_var == nullptr) return;
    if (!IsTrue(node, "is_from")) {
      out_.reads.push_back(NameOf(*range_var));
      return;
    }
    out_.writes.push_back(NameOf(*range_var));
    if (&node != top_) return;
    InsertShape shape;
    for (const json& column : List(node, "attlist")) {
      shape.columns.push_back(tree::StringOf(column));
    }
    out_.insert = std::move(shape);
    if (Text(node, "filename").empty()) out_.copy_in = ShapeOf(node);
    if (const json* where = Find(node, "whereClause")) {
      Expression(*where, Scope{nullptr, {Named(*range_var, out_.writes.back())}}, ctes);
    }
  }

  static CopyShape ShapeOf(const json& copy) {
    CopyShape shape;
    std::optional<char> delimiter;
    std::optional<char> escape;
    for (const json& item : List(copy, "options")) {
      const json* option = Find(item, "DefElem");
      if (option == nullptr) continue;
      const std::string name = Text(*option, "defname");
      const json* argument = Find(*option, "arg");
      const std::string value = argument == nullptr ? "" : tree::StringOf(*argument);
      if (name == "format") {
        if (value == "csv") shape.format = CopyShape::Format::kCsv;
        if (value == "binary") shape.format = CopyShape::Format::kBinary;
      } else if (name == "header") {
        shape.header = tree::IsOn(*option) || base::LowerAscii(value) == "match";
      } else if (value.size() == 1) {
        if (name == "delimiter") delimiter = value[0];
        if (name == "quote") shape.quote = value[0];
        if (name == "escape") escape = value[0];
      }
    }
    const bool csv = shape.format == CopyShape::Format::kCsv;
    shape.delimiter = delimiter.value_or(csv ? ',' : '\t');
    shape.escape = escape.value_or(shape.quote);
    return shape;
  }

  void SequenceCalls(const json& targets) {
    for (size_t i = 0; i < targets.size(); ++i) {
      const json* target = Find(targets[i], "ResTarget");
      const json* value = target == nullptr ? nullptr : Find(*target, "val");
      if (value == nullptr || IsStar(*value)) return;  // Places behind "*" are not known.
      const json* call = Find(Uncast(*value), "FuncCall");
      if (call == nullptr) continue;
      const std::string function = tree::LastString(List(*call, "funcname"));
      if (function != "nextval" && function != "currval" && function != "lastval") continue;
      SequenceCall found{i, function, {}};
      const json& args = List(*call, "args");
      if (const json* constant = args.empty() ? nullptr : Find(Uncast(args[0]), "A_Const")) {
        const auto at = static_cast<size_t>(std::max(IntOf(*constant, "location"), 0));
        found.sequence =
            LiteralValue(text_.substr(std::min(at, text_.size()), LiteralLength(text_, at)))
                .value_or("");
      }
      out_.sequence_calls.push_back(std::move(found));
    }
  }

  // --- Expressions.

  void Expression(const json& node, const Scope& scope, const Ctes& ctes) {
    if (++depth_ > tree::kDepthMax) whole_ = false;
    const bool conjunct = std::exchange(conjunct_, false);
    if (whole_ && node.is_object()) {
      for (const auto& [key, value] : node.items()) {
        if (!value.is_structured()) continue;
        if (key == "A_Expr") Compare(value, scope, conjunct);
        if (Statement(key, value, &scope, ctes, std::nullopt)) continue;
        Expression(value, scope, ctes);
      }
    } else if (whole_ && node.is_array()) {
      for (const auto& value : node) {
        if (value.is_structured()) Expression(value, scope, ctes);
      }
    }
    --depth_;
  }

  // Casts say of what type a value is, not of which column.
  static const json& Uncast(const json& node) {
    const json* inner = &node;
    for (int i = 0; i < tree::kDepthMax; ++i) {
      const json* cast = Find(*inner, "TypeCast");
      const json* next = cast == nullptr ? nullptr : Find(*cast, "arg");
      if (next == nullptr) break;
      inner = next;
    }
    return *inner;
  }

  struct Comparison {
    bool equal = false;
    bool conjunct = false;
    bool array = false;
  };

  void Compare(const json& node, const Scope& scope, bool conjunct) {
    const std::string kind = Text(node, "kind");
    const json* left = Find(node, "lexpr");
    const json* right = Find(node, "rexpr");
    if (left == nullptr || right == nullptr) return;
    const std::string name = tree::LastString(List(node, "name"));
    Comparison comparison;
    comparison.conjunct = conjunct && kind == "AEXPR_OP" && name == "=";
    comparison.array = kind == "AEXPR_OP_ANY" || kind == "AEXPR_OP_ALL";
    if (kind == "AEXPR_IN" || kind == "AEXPR_BETWEEN" || kind == "AEXPR_NOT_BETWEEN" ||
        kind == "AEXPR_BETWEEN_SYM" || kind == "AEXPR_NOT_BETWEEN_SYM") {
      const json* list = right->is_array() ? right : nullptr;
      if (const json* items = Find(*right, "List")) list = &List(*items, "items");
      if (list == nullptr) return;
      for (const json& item : *list) Pair(*left, item, scope, comparison);
      return;
    }
    const bool plain = kind == "AEXPR_OP" || comparison.array;
    if (plain ? !IsComparison(name) : kind != "AEXPR_DISTINCT" && kind != "AEXPR_NOT_DISTINCT") {
      return;
    }
    Pair(*left, *right, scope, comparison);
    if (!comparison.array) Pair(*right, *left, scope, comparison);
  }

  // `column` against `value`, where they are such; rows pairwise.
  void Pair(const json& column, const json& value, const Scope& scope, Comparison comparison) {
    const json* columns = Find(column, "RowExpr");
    const json* values = Find(value, "RowExpr");
    if (columns != nullptr && values != nullptr) {
      const json& left = List(*columns, "args");
      const json& right = List(*values, "args");
      for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
        if (Find(left[i], "RowExpr") == nullptr) Pair(left[i], right[i], scope, comparison);
      }
      return;
    }
    const json& bare = Uncast(column);
    const json* reference = Find(bare, "ColumnRef");
    if (reference == nullptr) return;
    comparison.conjunct &= &bare == &column;
    const json& constant = Uncast(value);
    const json* array = Find(constant, "A_ArrayExpr");
    if (array == nullptr) {
      AddCompared(*reference, constant, scope, comparison);
      return;
    }
    if (!comparison.array) return;
    comparison.array = false;
    for (const json& element : List(*array, "elements")) {
      AddCompared(*reference, Uncast(element), scope, comparison);
    }
  }

  void AddCompared(const json& reference, const json& constant, const Scope& scope,
                   Comparison comparison) {
    ValueSite site;
    site.role = ValueSite::Role::kCompared;
    site.array = comparison.array;
    site.conjunct = comparison.conjunct;
    if (ReadValue(constant, site) && Resolve(reference, scope, site)) Put(std::move(site));
  }

  void Store(const json& value, const std::string& relation, const std::string& column,
             uint32_t row) {
    ValueSite site;
    site.role = ValueSite::Role::kStored;
    site.relation = relation;
    site.column = column;
    site.row = row;
    if (!relation.empty() && !column.empty() && ReadValue(Uncast(value), site)) {
      Put(std::move(site));
    }
  }

  bool ReadValue(const json& node, ValueSite& site) const {
    if (const json* parameter = Find(node, "ParamRef")) {
      site.parameter = IntOf(*parameter, "number");
      return site.parameter > 0;
    }
    const json* constant = Find(node, "A_Const");
    const int location = constant == nullptr ? -1 : IntOf(*constant, "location");
    if (location <= 0) return false;
    site.offset = static_cast<size_t>(location);
    site.length = LiteralLength(text_, site.offset);
    return site.length > 0;
  }

  // Whose column it is. An unqualified one may be of any source that is in sight, and of none else
  // if all of them are tables.
  static bool Resolve(const json& reference, const Scope& scope, ValueSite& site) {
    std::vector<std::string> names;
    for (const json& field : List(reference, "fields")) names.push_back(tree::StringOf(field));
    if (names.empty() || names.size() > 3 || names.back().empty()) return false;
    site.column = names.back();
    if (names.size() == 1) return ResolveBare(scope, site);
    const std::string schema = names.size() == 3 ? names[0] : std::string();
    const std::string& qualifier = names[names.size() - 2];
    for (const Scope* level = &scope; level != nullptr; level = level->outer) {
      const auto matches = [&](const Source& source) {
        return source.name == qualifier && (schema.empty() || source.schema == schema);
      };
      const auto found = std::find_if(level->sources.begin(), level->sources.end(), matches);
      if (found == level->sources.end()) continue;
      site.relation = found->relation;
      site.conjunct &= level == &scope;
      const bool once = std::count_if(level->sources.begin(), level->sources.end(), matches) == 1;
      return once && !site.relation.empty();
    }
    return false;
  }

  static bool ResolveBare(const Scope& scope, ValueSite& site) {
    for (const Scope* level = &scope; level != nullptr; level = level->outer) {
      for (const Source& source : level->sources) {
        if (source.relation.empty()) return false;
        site.candidates.push_back(source.relation);
      }
    }
    if (site.candidates.size() != 1) return !site.candidates.empty();
    site.relation = std::move(site.candidates.front());
    site.candidates.clear();
    return true;
  }

  void Put(ValueSite site) {
    if (++sites_ >= kSitesMax) return;
    site.conjunct &= !site.relation.empty();
    (site.relation.empty() ? out_.unresolved : out_.sites).push_back(std::move(site));
  }

  // What is known only at the end.
  void Finish() {
    for (ValueSite& site : out_.sites) {
      site.conjunct &= mentions_[std::string(BareName(site.relation))] == 1;
    }
    for (std::vector<std::string>* names : {&out_.reads, &out_.writes, &out_.set_columns}) {
      std::sort(names->begin(), names->end());
      names->erase(std::unique(names->begin(), names->end()), names->end());
    }
  }

  const std::string_view text_;
  StatementSites& out_;
  const json* top_ = nullptr;
  std::map<std::string, int> mentions_;  // Of relations, by name without schema.
  std::map<const json*, Lock> lateral_locks_;
  size_t sites_ = 0;
  int depth_ = 0;
  bool conjunct_ = false;  // The next expression is a part of the top-level AND.
  bool into_ = false;      // SELECT INTO makes a table.
  bool whole_ = true;      // Nothing was too deep to be read.
};

}  // namespace

std::vector<StatementSites> FindValueSites(std::string_view text) {
  std::vector<StatementSites> all;
  const std::optional<json> parsed = tree::Parse(std::string(text));
  if (parsed) {
    for (const json& raw : List(*parsed, "stmts")) {
      StatementSites& sites = all.emplace_back();
      if (const json* statement = Find(raw, "stmt")) SiteWalk(text, sites).Run(*statement);
    }
  }
  if (all.empty()) all.emplace_back();
  return all;
}

namespace {

constexpr size_t kCacheBytesMax = 64u << 20;

size_t Weight(std::string_view text, const std::vector<StatementSites>& all) {
  size_t weight = text.size();
  for (const StatementSites& sites : all) {
    weight += sizeof(sites) + (sites.sites.size() + sites.unresolved.size()) * sizeof(ValueSite);
  }
  return weight;
}

}  // namespace

SitesCache::SitesCache(size_t texts_max)
    : TextCache(&FindValueSites, texts_max, &Weight, kCacheBytesMax) {}

}  // namespace scry::event
