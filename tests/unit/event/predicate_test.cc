#include "event/predicate.h"

#include <string>

#include "support/catch.h"

namespace scry::event {
namespace {

std::string Shown(std::string_view condition) {
  constexpr const char* kKinds[] = {"=", "<", "null", "not null", "true", "false", "?"};
  std::string text;
  for (const PredicateTerm& term : ReadPredicate(condition)) {
    text += text.empty() ? "" : ", ";
    text += (term.qualifier.empty() ? "" : term.qualifier + ".") + term.column;
    if (!term.cast.empty()) text += "::" + term.cast;
    text += std::string(" ") + kKinds[static_cast<size_t>(term.kind)];
    if (term.is_array) text += " any";
    if (term.joins()) text += " " + term.other_qualifier + "." + term.other_column;
  }
  return text;
}

TEST_CASE("conditions of plans are read term by term", "[event]") {
  CHECK(Shown("((region = 'EU'::text) AND (status = 'paid'::text))") == "region =, status =");
  CHECK(Shown("((email)::text = 'x'::text)") == "email::text =");
  CHECK(Shown("(status = ANY ('{a,b}'::text[]))") == "status = any");
  CHECK(Shown("((o.customer_id = c.id) AND (o.at >= '2026-01-01'::date))") ==
        "o.customer_id = c.id, c.id = o.customer_id, o.at <");
  CHECK(Shown("(gone IS NULL)") == "gone null");
  CHECK(Shown("((gone IS NOT NULL) AND active AND (NOT hidden))") ==
        "gone not null, active true, hidden false");
  CHECK(Shown("(name ~~ 'a%'::text)") == "name ?");
  CHECK(Shown("(id = $1)") == "id =");
  CHECK(Shown("((\"Total 2\" > 5) AND (hashed SubPlan 1))") == "Total 2 <");
  CHECK(Shown("(id = (InitPlan 1).col1)") == "id =");
}

// As PostgreSQL 13, 14 to 16, and 17 and later write them.
TEST_CASE("conditions beside a subplan are read, whatever the server calls the subplan",
          "[event]") {
  for (const char* subplan :
       {"(hashed SubPlan 1)", "(NOT (hashed SubPlan 1))", "(SubPlan 1)",
        "(alternatives: SubPlan 1 or hashed SubPlan 2)",
        "(NOT (alternatives: SubPlan 1 or hashed SubPlan 2))",
        "(ANY (a = (hashed SubPlan 1).col1))", "(NOT (ANY (a = (hashed SubPlan 1).col1)))",
        "(ANY ((a = (SubPlan 1).col1) AND (b = (SubPlan 1).col2)))",
        "(ANY ((a || ')'::text) = (hashed SubPlan 1).col1))", "(ALL (a > (SubPlan 1).col1))",
        "EXISTS(SubPlan 1)", "(NOT EXISTS(SubPlan 1))", "((ANY (a = (SubPlan 1).col1)) OR (b = 2))",
        "(alternatives: EXISTS(SubPlan 1) or hashed SubPlan 2)"}) {
    CAPTURE(subplan);
    CHECK(Shown(std::string("((status = 'open'::text) AND ") + subplan + ")") == "status =");
    CHECK(Shown(std::string("(") + subplan + " AND (total > 5))") == "total <");
  }
  CHECK(Shown("(id = ANY (ARRAY(SubPlan 1)))") == "id = any");
  CHECK(Shown("(id = (SubPlan 1))") == "id =");
  // In quotes they are what they are.
  CHECK(Shown("((\"(ANY (\" = 1) AND (note = '(ANY (x'::text))") == "(ANY ( =, note =");
  CHECK(Shown("((\"SubPlan 1\" = 1) AND (note = 'it''s (ALL ('::text))") == "SubPlan 1 =, note =");
  CHECK(Shown("(ANY (a = 1)").empty());
}

TEST_CASE("what an index on one column does not serve has no term of its own", "[event]") {
  CHECK(Shown("((a = 1) OR (b = 2))").empty());
  CHECK(Shown("(lower(name) = 'x'::text)").empty());
  CHECK(Shown("").empty());
  CHECK(Shown("(((").empty());
  CHECK(Shown("true) ; drop table t; --").empty());
  CHECK(Shown(std::string(5000, '(')).empty());
}

TEST_CASE("sort keys of plans are read", "[event]") {
  CHECK(ReadSortKey("o.created_at DESC") == SortKey{"o", "created_at", true, false});
  CHECK(ReadSortKey("id") == SortKey{"", "id", false, false});
  CHECK(ReadSortKey("id NULLS FIRST") == SortKey{"", "id", false, true});
  CHECK(ReadSortKey("(lower(name))").column.empty());
  CHECK(ReadSortKey(")").column.empty());
}

}  // namespace
}  // namespace scry::event
