#include "event/predicate.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "event/parse_tree.h"

namespace scry::event {
namespace {

using nlohmann::json;
using tree::Find;
using tree::List;
using tree::Text;

constexpr size_t kTermsMax = 64;

// "hashed SubPlan 1" and "InitPlan 1" are no SQL; what they stand for is a value.
std::string WithoutPlanWords(std::string_view condition) {
  std::string text(condition);
  for (const std::string_view word : {"hashed SubPlan ", "SubPlan ", "InitPlan "}) {
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
      size_t end = at + word.size();
      while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
      text.replace(at, end - at, "true");
    }
  }
  return text;
}

struct Column {
  std::string qualifier;
  std::string name;
  std::string cast;
};

// A column, perhaps cast.
std::optional<Column> ColumnOf(const json& node, int depth = 0) {
  if (depth > 8) return std::nullopt;
  if (const json* cast = Find(node, "TypeCast")) {
    const json* arg = Find(*cast, "arg");
    const json* type = Find(*cast, "typeName");
    if (arg == nullptr || type == nullptr) return std::nullopt;
    auto column = ColumnOf(*arg, depth + 1);
    if (column) column->cast = tree::LastString(List(*type, "names"));
    return column;
  }
  const json* ref = Find(node, "ColumnRef");
  if (ref == nullptr) return std::nullopt;
  const json& fields = List(*ref, "fields");
  Column column;
  for (const json& field : fields) {
    const std::string name = tree::StringOf(field);
    if (name.empty()) return std::nullopt;  // t.*
    column.qualifier = std::exchange(column.name, name);
  }
  if (column.name.empty()) return std::nullopt;
  return column;
}

PredicateTerm TermOf(const Column& column, TermKind kind) {
  PredicateTerm term;
  term.kind = kind;
  term.qualifier = column.qualifier;
  term.column = column.name;
  term.cast = column.cast;
  return term;
}

TermKind KindOf(const std::string& op) {
  if (op == "=") return TermKind::kEqual;
  constexpr std::array<std::string_view, 4> kRanges = {"<", "<=", ">", ">="};
  return std::find(kRanges.begin(), kRanges.end(), op) != kRanges.end() ? TermKind::kRange
                                                                        : TermKind::kOther;
}

void ReadComparison(const json& node, std::vector<PredicateTerm>& terms) {
  const json* left_node = Find(node, "lexpr");
  const json* right_node = Find(node, "rexpr");
  if (left_node == nullptr || right_node == nullptr) return;
  const std::string kind = Text(node, "kind");
  TermKind term_kind = KindOf(tree::LastString(List(node, "name")));
  const bool array = kind == "AEXPR_OP_ANY" || kind == "AEXPR_IN";
  if (array && term_kind != TermKind::kEqual) term_kind = TermKind::kOther;
  if (kind == "AEXPR_BETWEEN") {
    term_kind = TermKind::kRange;
  } else if (kind != "AEXPR_OP" && !array) {
    term_kind = TermKind::kOther;
  }
  const auto left = ColumnOf(*left_node);
  const auto right = array ? std::nullopt : ColumnOf(*right_node);
  const std::pair<const std::optional<Column>*, const std::optional<Column>*> sides[] = {
      {&left, &right}, {&right, &left}};
  for (const auto& [side, other] : sides) {
    if (!*side) continue;
    PredicateTerm term = TermOf(**side, term_kind);
    term.is_array = array;
    if (*other) {
      term.other_qualifier = (**other).qualifier;
      term.other_column = (**other).name;
    }
    terms.push_back(std::move(term));
  }
}

void ReadNode(const json& node, int depth, std::vector<PredicateTerm>& terms) {
  if (depth > tree::kDepthMax || terms.size() >= kTermsMax) return;
  if (const json* logic = Find(node, "BoolExpr")) {
    const std::string op = Text(*logic, "boolop");
    const json& args = List(*logic, "args");
    if (op == "AND_EXPR") {
      for (const json& arg : args) ReadNode(arg, depth + 1, terms);
    } else if (op == "NOT_EXPR" && args.size() == 1) {
      if (const auto column = ColumnOf(args[0]))
        terms.push_back(TermOf(*column, TermKind::kIsFalse));
    }
  } else if (const json* compared = Find(node, "A_Expr")) {
    ReadComparison(*compared, terms);
  } else if (const json* test = Find(node, "NullTest")) {
    const json* arg = Find(*test, "arg");
    const auto column = arg == nullptr ? std::nullopt : ColumnOf(*arg);
    const bool null = Text(*test, "nulltesttype") == "IS_NULL";
    if (column) terms.push_back(TermOf(*column, null ? TermKind::kIsNull : TermKind::kIsNotNull));
  } else if (const auto column = ColumnOf(node)) {
    terms.push_back(TermOf(*column, TermKind::kIsTrue));
  }
}

// The SelectStmt of "SELECT ...".
const json* SelectOf(const std::optional<json>& parsed) {
  if (!parsed) return nullptr;
  const json& statements = List(*parsed, "stmts");
  if (statements.size() != 1) return nullptr;
  const json* statement = Find(statements[0], "stmt");
  return statement == nullptr ? nullptr : Find(*statement, "SelectStmt");
}

}  // namespace

std::vector<PredicateTerm> ReadPredicate(std::string_view condition) {
  std::vector<PredicateTerm> terms;
  if (condition.empty()) return terms;
  const auto parsed = tree::Parse("SELECT 1 WHERE " + WithoutPlanWords(condition));
  const json* select = SelectOf(parsed);
  const json* where = select == nullptr ? nullptr : Find(*select, "whereClause");
  if (where != nullptr) ReadNode(*where, 0, terms);
  if (terms.size() > kTermsMax) terms.resize(kTermsMax);
  return terms;
}

SortKey ReadSortKey(std::string_view text) {
  SortKey key;
  const auto parsed = tree::Parse("SELECT 1 ORDER BY " + WithoutPlanWords(text));
  const json* select = SelectOf(parsed);
  if (select == nullptr) return key;
  const json& clause = List(*select, "sortClause");
  const json* sort = clause.size() == 1 ? Find(clause[0], "SortBy") : nullptr;
  const json* node = sort == nullptr ? nullptr : Find(*sort, "node");
  const auto column = node == nullptr ? std::nullopt : ColumnOf(*node);
  if (!column || !column->cast.empty()) return key;
  key.qualifier = column->qualifier;
  key.column = column->name;
  key.descending = Text(*sort, "sortby_dir") == "SORTBY_DESC";
  const std::string nulls = Text(*sort, "sortby_nulls");
  key.nulls_other = nulls == (key.descending ? "SORTBY_NULLS_LAST" : "SORTBY_NULLS_FIRST");
  return key;
}

}  // namespace scry::event
