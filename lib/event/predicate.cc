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

// Past the end of what is quoted at `at`; two quotes in a row are quoted text again.
size_t SkipQuoted(std::string_view text, size_t at) {
  const size_t end = text.find(text[at], at + 1);
  return end == std::string_view::npos ? text.size() : end + 1;
}

// Past the parenthesis that closes the one at `open`; npos: none does.
size_t SkipParentheses(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t at = open; at < text.size();) {
    if (text[at] == '\'' || text[at] == '"') {
      at = SkipQuoted(text, at);
      continue;
    }
    if (text[at] == '(') ++depth;
    if (text[at] == ')' && --depth == 0) return at + 1;
    ++at;
  }
  return std::string_view::npos;
}

// How long the test of a subplan's rows is that begins at `at`: "(ANY (a = (SubPlan 1).col1))",
// "EXISTS(SubPlan 1)" of PostgreSQL 17 and later, "(alternatives: SubPlan 1 or hashed SubPlan 2)"
// of PostgreSQL 13. 0: none does.
size_t SubplanTestAt(std::string_view text, size_t at) {
  constexpr std::array<std::string_view, 5> kTests = {
      "(ANY (", "(ALL (", "(alternatives: ", "EXISTS(SubPlan ", "ARRAY(SubPlan "};
  const std::string_view rest = text.substr(at);
  if (std::none_of(kTests.begin(), kTests.end(),
                   [&](std::string_view test) { return rest.starts_with(test); })) {
    return 0;
  }
  const size_t end = SkipParentheses(rest, rest.find('('));
  return end == std::string_view::npos ? 0 : end;
}

// How long the name of a plan is that begins at `at`: "hashed SubPlan 1", "InitPlan 1". 0: none
// does.
size_t PlanNameAt(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  for (const std::string_view word : {"hashed SubPlan ", "SubPlan ", "InitPlan "}) {
    if (!rest.starts_with(word)) continue;
    const size_t end = rest.find_first_not_of("0123456789", word.size());
    return end == std::string_view::npos ? rest.size() : end;
  }
  return 0;
}

// What EXPLAIN says of subplans is no SQL. Names of plans stand for a value, tests of their rows
// for a condition that no index serves.
std::string WithoutPlanWords(std::string_view condition) {
  std::string text;
  for (size_t at = 0; at < condition.size();) {
    size_t length = 1;
    if (condition[at] == '\'' || condition[at] == '"') {
      length = SkipQuoted(condition, at) - at;
    } else if (const size_t test = SubplanTestAt(condition, at); test > 0) {
      text += "(true)";
      at += test;
      continue;
    } else if (const size_t name = PlanNameAt(condition, at); name > 0) {
      text += "true";
      at += name;
      continue;
    }
    text += condition.substr(at, length);
    at += length;
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
