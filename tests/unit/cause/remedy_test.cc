#include "cause/remedy.h"

#include <algorithm>

#include "base/random.h"
#include "unit/cause/scene.h"

namespace scry::cause {
namespace {

// What is proposed for a plan over `orders` (id, region, status, placed, total, "Odd name", gone).
class Advice {
 public:
  explicit Advice(std::vector<CatalogObject> more = {}, std::vector<CatalogObject> before = {}) {
    std::vector<CatalogObject> objects = {Thing("relation", "orders", {}, {}, {{"rows", "25000"}})};
    const std::pair<const char*, const char*> columns[] = {
        {"id", "-1"},     {"region", "4"},       {"status", "20"}, {"placed", "-0.9"},
        {"total", "900"}, {"\"Odd name\"", "2"}, {"gone", "2"},    {"\"order\"", "3"}};
    for (const auto& [name, distinct] : columns) {
      objects.push_back(Thing("column", name, "orders", {}, {{"distinct", distinct}}));
    }
    before.insert(before.end(), objects.begin(), objects.end());
    objects.insert(objects.end(), more.begin(), more.end());
    before_ = CatalogOf(before);
    after_ = CatalogOf(objects);
    changes_ = DiffCatalogs(before_, after_, true);
  }

  std::string pattern;  // Of the statement; empty: not known.
  std::vector<ConstantTerm> constants;
  bool show_values = false;

  std::vector<Remedy> For(const std::string& plan_after, const std::string& plan_before = {},
                          event::StatementKind kind = event::StatementKind::kSelect,
                          std::vector<std::string> relations = {"orders"}) const {
    Evidence evidence;
    evidence.type = "slower";
    evidence.kind = kind;
    evidence.pattern = pattern;
    evidence.constants = constants;
    evidence.show_values = show_values;
    evidence.relations = std::move(relations);
    evidence.before = &before_;
    evidence.after = &after_;
    evidence.changes = &changes_;
    const Plans plans(plan_before, plan_after, evidence);
    return ProposeRemedies(evidence);
  }

  std::vector<std::string> Sql(const std::string& plan_after, const std::string& plan_before = {},
                               event::StatementKind kind = event::StatementKind::kSelect) const {
    std::vector<std::string> sql;
    for (const Remedy& remedy : For(plan_after, plan_before, kind)) {
      sql.insert(sql.end(), remedy.sql.begin(), remedy.sql.end());
    }
    return sql;
  }

 private:
  Catalog before_;
  Catalog after_;
  std::vector<Change> changes_;
};

std::string Scan(const std::string& filter) {
  return R"j({"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "orders",
              "Plan Rows": 10, "Actual Rows": 10, "Actual Loops": 1,
              "Rows Removed by Filter": 24990, "Filter": ")j" +
         filter + "\"}";
}
std::string Sorted(const std::string& keys, const std::string& scan) {
  return R"j({"Node Type": "Sort", "Actual Rows": 10, "Actual Loops": 1, "Sort Key": [)j" + keys +
         "], \"Plans\": [" + scan + "]}";
}

TEST_CASE("equality columns come first, those with the most values before others", "[cause]") {
  const Advice advice;
  CHECK(advice
            .Sql(Scan("((placed >= '2026-01-01'::date) AND (region = 'EU'::text) AND "
                      "((status)::text = 'paid'::text))"))
            .front() ==
        "CREATE INDEX CONCURRENTLY orders_status_region_placed_idx ON orders (status, region, "
        "placed);");
  CHECK(advice.Sql(Sorted("\"total DESC\", \"id\"", Scan("(region = 'EU'::text)"))).front() ==
        "CREATE INDEX CONCURRENTLY orders_region_total_id_idx ON orders (region, total DESC, id);");
  CHECK(advice.Sql(Scan("(gone IS NULL)")).front() ==
        "CREATE INDEX CONCURRENTLY orders_gone_idx ON orders (gone) WHERE gone IS NULL;");
  CHECK(advice.Sql(Scan("(\\\"Odd name\\\" = 1)")).front() ==
        "CREATE INDEX CONCURRENTLY \"orders_Odd name_idx\" ON orders (\"Odd name\");");
}

TEST_CASE("an index that is read for its order alone gives the order", "[cause]") {
  const Advice advice({Thing("index", "orders_placed", "orders", {{"columns", "placed"}})});
  CHECK(advice
            .Sql(R"j({"Node Type": "Index Scan", "Relation Name": "orders", "Alias": "orders",
              "Index Name": "orders_placed", "Plan Rows": 20, "Actual Rows": 20, "Actual Loops": 1,
              "Rows Removed by Filter": 5900, "Filter": "(region = 'EU'::text)"})j")
            .front() ==
        "CREATE INDEX CONCURRENTLY orders_region_placed_idx ON orders (region, placed);");
}

TEST_CASE("columns that are keywords are written in quotes", "[cause]") {
  CHECK(Advice().Sql(Scan("(\\\"order\\\" = 1)")).front() ==
        "CREATE INDEX CONCURRENTLY orders_order_idx ON orders (\"order\");");
  const Advice with_index(
      {Thing("index", "mine", "orders", {{"columns", "\"order\""}, {"method", "btree"}})});
  CHECK(with_index.Sql(Scan("(\\\"order\\\" = 1)")).empty());
}

TEST_CASE("no index is proposed where none can help", "[cause]") {
  const Advice advice;
  CHECK(advice.Sql(Scan("(lower(region) = 'eu'::text)")).empty());
  CHECK(advice.Sql(Scan("((region = 'a'::text) OR (status = 'b'::text))")).empty());
  CHECK(advice.Sql(Scan("((region)::integer = 5)")).empty());
  CHECK(advice.Sql(Scan("(elsewhere = 5)")).empty());  // No column of the table.
  const Advice with_index(
      {Thing("index", "mine", "orders", {{"columns", "region"}, {"method", "btree"}})});
  CHECK(with_index.Sql(Scan("(region = 'EU'::text)")).empty());
}

// Of random conditions: every column of every index is one that the plan compares or sorts by, none
// twice, and no range stands before an equality.
TEST_CASE("columns of proposals are those of the plan, equality before range", "[cause]") {
  const Advice advice;
  const std::vector<std::string> names = {"id", "region", "status", "placed", "total", "gone"};
  base::Random random(20261126);
  for (int round = 0; round < 300; ++round) {
    std::set<std::string> equal;
    std::set<std::string> range;
    std::set<std::string> sort;
    std::string filter;
    for (const std::string& name : names) {
      const uint64_t role = random.Below(4);
      if (role == 0) continue;
      if (role == 3) {
        sort.insert(name);
        continue;
      }
      (role == 1 ? equal : range).insert(name);
      filter += (filter.empty() ? "(" : " AND (") + name + (role == 1 ? " = 1)" : " > 1)");
    }
    std::string keys;
    for (const std::string& name : sort) keys += (keys.empty() ? "\"" : ", \"") + name + "\"";
    const std::string scan = Scan("(" + filter + ")");
    for (const Remedy& remedy : advice.For(keys.empty() ? scan : Sorted(keys, scan))) {
      if (remedy.kind != "index") continue;
      CAPTURE(filter, keys, remedy.sql.front());
      std::set<std::string> seen;
      bool past_equality = false;
      for (const std::string& column : remedy.columns) {
        CHECK(seen.insert(column).second);
        const bool is_equal = equal.contains(column);
        CHECK((is_equal || range.contains(column) || sort.contains(column)));
        CHECK_FALSE((is_equal && past_equality));
        past_equality |= !is_equal;
      }
      CHECK(remedy.steps.size() == 1);
      CHECK(remedy.name.size() <= 63);
    }
  }
}

TEST_CASE("an index that the baseline used is proposed as it was, before all others", "[cause]") {
  const CatalogObject index =
      Thing("index", "orders_region", "orders",
            {{"columns", "region"},
             {"definition",
              "CREATE UNIQUE INDEX orders_region ON public.orders USING btree "
              "(region) WHERE (NOT gone)"}});
  const std::string used =
      R"j({"Node Type": "Index Scan", "Relation Name": "orders", "Alias": "orders",
           "Index Name": "orders_region", "Actual Rows": 10, "Actual Loops": 1})j";
  const Advice dropped({}, {index});
  CHECK(dropped.Sql(Scan("(region = 'EU'::text)"), used).front() ==
        "CREATE UNIQUE INDEX CONCURRENTLY orders_region ON public.orders USING btree (region) "
        "WHERE (NOT gone);");
  // Its name is taken by what replaced it.
  CatalogObject other = index;
  other.facts["columns"] = "status";
  other.facts["definition"] = "CREATE INDEX orders_region ON public.orders USING btree (status)";
  const Advice replaced({other}, {index});
  CHECK(replaced.Sql(Scan("(region = 'EU'::text)"), used)
            .front()
            .starts_with("CREATE UNIQUE INDEX CONCURRENTLY orders_region1 ON public.orders"));
  // Not used: not proposed.
  const auto without = dropped.For(Scan("(status = 'paid'::text)"));
  CHECK(std::none_of(without.begin(), without.end(),
                     [](const Remedy& remedy) { return remedy.kind == "index kept"; }));
}

TEST_CASE("what is made for a trial has a name of its own, and only that is dropped", "[cause]") {
  const Advice advice({Thing("index", "scry_fix", "items"),
                       Thing("relation", "orders_region_idx", {}, {{"kind", "v"}})});
  const auto remedies = advice.For(Scan("(region = 'EU'::text)"));
  REQUIRE(remedies.size() == 1);
  CHECK(remedies[0].name == "orders_region_idx1");
  REQUIRE(remedies[0].steps.size() == 1);
  CHECK(remedies[0].steps[0].apply == "CREATE INDEX scry_fix1 ON orders (region)");
  CHECK(remedies[0].steps[0].undo == "DROP INDEX public.scry_fix1");
}

TEST_CASE("an index of a partitioned table is proposed for all of it", "[cause]") {
  const CatalogObject whole = Thing("relation", "orders", {}, {{"kind", "p"}}, {{"rows", "25000"}});
  const CatalogObject part = Thing("relation", "orders_a", {}, {{"parent", "orders"}});
  const CatalogObject top = Thing(
      "index", "orders_region", "orders",
      {{"columns", "region"},
       {"method", "btree"},
       {"definition", "CREATE INDEX orders_region ON ONLY public.orders USING btree (region)"}});
  const CatalogObject below = Thing(
      "index", "orders_a_region_idx", "orders_a",
      {{"columns", "region"},
       {"definition", "CREATE INDEX orders_a_region_idx ON public.orders_a USING btree (region)"}},
      {{"parent", "orders_region"}});
  const std::string used =
      R"j({"Node Type": "Index Scan", "Relation Name": "orders_a", "Alias": "orders",
           "Index Name": "orders_a_region_idx", "Actual Rows": 10, "Actual Loops": 1})j";
  const Advice dropped({whole, part}, {part, top, below});
  CHECK(dropped.Sql(Scan("(region = 'EU'::text)"), used) ==
        std::vector<std::string>{
            "CREATE INDEX orders_region ON public.orders USING btree (region);"});
  // It is there, as the index of the partitioned table.
  const Advice there({whole, part, top, below});
  CHECK(there.Sql(Scan("(region = 'EU'::text)")).empty());
}

TEST_CASE("an index is there in its direction and operator class alone", "[cause]") {
  const auto with = [](const std::string& keys) {
    return Advice({Thing("index", "mine", "orders",
                         {{"columns", "region, total"},
                          {"method", "btree"},
                          {"definition", "CREATE INDEX mine ON public.orders USING btree (" + keys +
                                             ") INCLUDE (id) WHERE gone"}})})
        .Sql(Sorted("\"total DESC\"", Scan("(region = 'EU'::text)")))
        .front();
  };
  const std::string wanted =
      "CREATE INDEX CONCURRENTLY orders_region_total_idx ON orders (region, total DESC);";
  CHECK(with("region, total") == wanted);
  CHECK(with("region text_pattern_ops, total DESC") == wanted);
  CHECK(with("region, total DESC") ==
        "CREATE INDEX CONCURRENTLY orders_region_idx ON orders (region);");
  // What is read for its order alone keeps it.
  const Advice placed({Thing(
      "index", "orders_placed", "orders",
      {{"columns", "placed"},
       {"definition",
        "CREATE INDEX orders_placed ON public.orders USING btree (placed DESC NULLS LAST)"}})});
  CHECK(placed
            .Sql(R"j({"Node Type": "Index Scan", "Relation Name": "orders", "Alias": "orders",
              "Index Name": "orders_placed", "Plan Rows": 20, "Actual Rows": 20, "Actual Loops": 1,
              "Rows Removed by Filter": 5900, "Filter": "(region = 'EU'::text)"})j")
            .front() ==
        "CREATE INDEX CONCURRENTLY orders_region_placed_idx ON orders (region, placed DESC NULLS "
        "LAST);");
}

TEST_CASE("keys of an index are read as the server prints them", "[cause]") {
  const auto keys = [](const std::string& text) {
    return KeysOf(Thing("index", "i", "t",
                        {{"definition", "CREATE INDEX i ON public.t USING btree (" + text +
                                            ") WITH "
                                            "(fillfactor='90')"}}));
  };
  CHECK(keys("a, COALESCE(b, ')'::text), \"c, d\" DESC") ==
        std::vector<std::string>{"a", "COALESCE(b, ')'::text)", "\"c, d\" DESC"});
  CHECK(ColumnOf("\"c \"\" d\" DESC") == "\"c \"\" d\"");
  CHECK(ColumnOf("placed DESC NULLS LAST") == "placed");
}

TEST_CASE("no relation crowds out another one, nor its statistics", "[cause]") {
  std::vector<CatalogObject> items = {Thing("relation", "items", {}, {}, {{"rows", "90000"}})};
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    items.push_back(Thing("column", name, "items", {}, {{"distinct", "9"}}));
  }
  const Advice advice(items);
  const std::string plan =
      R"j({"Node Type": "Nested Loop", "Actual Rows": 9, "Actual Loops": 1,
           "Join Filter": "(i.d = orders.id)", "Plans": [
           {"Node Type": "Sort", "Actual Rows": 10, "Actual Loops": 1, "Sort Key": ["i.e"],
            "Plans": [{"Node Type": "Seq Scan", "Relation Name": "items", "Alias": "i",
              "Plan Rows": 10, "Actual Rows": 90000, "Actual Loops": 1,
              "Filter": "((a = 1) AND (b = 2) AND (c > 3))"}]}, )j" +
      Scan("(region = 'EU'::text)") + "]}";
  const auto remedies = advice.For(plan, {}, event::StatementKind::kSelect, {"orders", "items"});
  REQUIRE(remedies.size() > 3);
  CHECK(remedies.size() <= kRemediesMax);
  CHECK(remedies[0].table == "items");
  CHECK(std::any_of(remedies.begin(), remedies.begin() + 3,
                    [](const Remedy& one) { return one.table == "orders"; }));
  CHECK(std::any_of(remedies.begin(), remedies.begin() + 3,
                    [](const Remedy& one) { return one.kind == "statistics"; }));
}

TEST_CASE("a statistics object that was dropped comes back in its schema", "[cause]") {
  const Advice dropped(
      {}, {Thing("statistics", "sales.pair", "orders",
                 {{"name", "pair"},
                  {"definition",
                   "CREATE STATISTICS sales.pair (mcv) ON region, status FROM orders"}})});
  const auto remedies = dropped.For(Scan("(region = 'EU'::text)"));
  REQUIRE(!remedies.empty());
  CHECK(remedies[0].sql.front() ==
        "CREATE STATISTICS sales.pair (mcv) ON region, status FROM orders;");
  CHECK(remedies[0].steps[0].apply ==
        "CREATE STATISTICS sales.scry_fix (mcv) ON region, status FROM orders");
  CHECK(remedies[0].steps[0].undo == "DROP STATISTICS sales.scry_fix");
}

TEST_CASE("an index may carry along what else a query reads, if that is little", "[cause]") {
  std::string scan = Scan("(region = 'EU'::text)");
  scan.replace(scan.find("\"Actual Rows\": 10"), 17, "\"Actual Rows\": 400");
  const auto covering = [&](const std::string& pattern, const std::string& type = "int4",
                            const std::string& written = {}, const std::string& plan = {}) {
    Advice advice({Thing("column", "total", "orders", {{"base_type", type}, {"type", written}},
                         {{"width", "8"}}),
                   Thing("type", "mood", {}, {{"labels", "low, high"}})});
    advice.pattern = pattern;
    for (const Remedy& remedy : advice.For(plan.empty() ? scan : plan)) {
      if (!remedy.included.empty()) return remedy.sql.front();
    }
    return std::string();
  };
  const std::string sums = "SELECT sum(total) FROM orders WHERE region = $1";
  const std::string wanted =
      "CREATE INDEX CONCURRENTLY orders_region_covering_idx ON orders (region) INCLUDE (total);";
  CHECK(covering(sums) == wanted);
  CHECK(covering("SELECT o.total FROM orders o WHERE o.region = $1").empty());  // Another alias.
  CHECK(covering(sums, "mood") == wanted);
  CHECK(covering(sums, "varchar", "character varying(20)") == wanted);
  // Values without a limit: one too long for the index would make its write fail.
  CHECK(covering(sums, "varchar", "character varying").empty());
  CHECK(covering(sums, "text").empty());
  CHECK(covering("SELECT * FROM orders WHERE region = $1").empty());
  CHECK(covering("SELECT region FROM orders WHERE region = $1").empty());  // Nothing is left.
  // Few rows are read from few pages.
  CHECK(covering(sums, "int4", {}, Scan("(region = 'EU'::text)")).empty());
}

TEST_CASE("what a query always demands of a column with few values may be a predicate", "[cause]") {
  const auto partial = [](Advice& advice) {
    for (const Remedy& remedy :
         advice.For(Scan("((status = 'open'::text) AND (placed > '2026-01-01'::date))"))) {
      if (!remedy.predicate.empty()) return remedy.sql.front();
    }
    return std::string();
  };
  const std::string wanted =
      "CREATE INDEX CONCURRENTLY orders_placed_idx ON orders (placed) WHERE status = 'open';";
  Advice shown;
  shown.constants = {{"orders", "status", "'open'"}};
  CHECK(partial(shown).empty());  // A value of users.
  shown.show_values = true;
  CHECK(partial(shown) == wanted);
  Advice checked({Thing("constraint", "known", "orders",
                        {{"type", "c"}, {"definition", "CHECK (status IN ('open', 'paid'))"}})});
  checked.constants = shown.constants;
  CHECK(partial(checked) == wanted);
  Advice many({Thing("column", "status", "orders", {}, {{"distinct", "-0.5"}})});
  many.constants = shown.constants;
  many.show_values = true;
  CHECK(partial(many).empty());
}

TEST_CASE("columns of foreign keys that point at what is deleted are proposed", "[cause]") {
  Advice advice({Thing("relation", "items"), Thing("column", "order_id", "items"),
                 Thing("constraint", "fk", "items",
                       {{"type", "f"},
                        {"references", "orders"},
                        {"columns", "order_id"},
                        {"referenced_columns", "id"}})});
  CHECK(advice.Sql({}, {}, event::StatementKind::kDelete) ==
        std::vector<std::string>{
            "CREATE INDEX CONCURRENTLY items_order_id_idx ON items (order_id);"});
  CHECK(advice.Sql({}, {}, event::StatementKind::kSelect).empty());
  // The key stays as it is.
  advice.pattern = "UPDATE orders SET total = $1 WHERE id = $2";
  CHECK(advice.Sql({}, {}, event::StatementKind::kUpdate).empty());
  advice.pattern = "UPDATE orders SET id = $1 WHERE id = $2";
  CHECK(advice.Sql({}, {}, event::StatementKind::kUpdate).size() == 1);
}

TEST_CASE("statistics are proposed where columns are misjudged together", "[cause]") {
  const Advice advice;
  std::string scan = Scan("((region = 'EU'::text) AND (status = 'paid'::text))");
  const auto without = advice.For(scan);
  CHECK(std::none_of(without.begin(), without.end(),
                     [](const Remedy& remedy) { return remedy.kind == "statistics"; }));
  scan.replace(scan.find("\"Actual Rows\": 10"), 17, "\"Actual Rows\": 9000");
  const auto with = advice.For(scan);
  const auto found = std::find_if(with.begin(), with.end(),
                                  [](const Remedy& remedy) { return remedy.kind == "statistics"; });
  REQUIRE(found != with.end());
  CHECK(found->sql.front() ==
        "CREATE STATISTICS public.orders_status_region_stats ON status, region FROM orders;");
}

}  // namespace
}  // namespace scry::cause
