#include <set>

#include "unit/cause/scene.h"

namespace scry::cause {
namespace {

using event::StatementKind;

struct Expected {
  std::string mechanism;
  std::string sentence;
  Scene scene;
};

CatalogObject Orders(Facts facts = {}, Facts state = {}, const std::string& identity = {}) {
  return Thing("relation", "orders", {}, std::move(facts), std::move(state), identity);
}
CatalogObject Column(const std::string& name, Facts facts = {}, Facts state = {},
                     const std::string& identity = {}) {
  return Thing("column", name, "orders", std::move(facts), std::move(state), identity);
}

Scene Error(const std::string& sqlstate, const std::string& message,
            std::vector<CatalogObject> before, std::vector<CatalogObject> after) {
  Scene scene;
  scene.sqlstate = sqlstate;
  scene.message = message;
  scene.before.insert(scene.before.end(), before.begin(), before.end());
  scene.after.insert(scene.after.end(), after.begin(), after.end());
  return scene;
}
Scene Write(Scene scene, StatementKind kind = StatementKind::kInsert) {
  scene.kind = kind;
  return scene;
}
Scene Result(std::vector<CatalogObject> before, std::vector<CatalogObject> after) {
  Scene scene = Error({}, {}, std::move(before), std::move(after));
  scene.type = "different";
  return scene;
}
// Without the relation that every scene has.
Scene Bare(Scene scene) {
  scene.before.erase(scene.before.begin());
  scene.after.erase(scene.after.begin());
  return scene;
}
Scene Work(std::vector<CatalogObject> before, std::vector<CatalogObject> after,
           const std::string& plan_before, const std::string& plan_after) {
  Scene scene = Result(std::move(before), std::move(after));
  scene.type = "slower";
  scene.plan_before = plan_before;
  scene.plan_after = plan_after;
  return scene;
}

const std::string kSeqScan =
    R"j({"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "orders", "Plan Rows": 5000,
        "Actual Rows": 5000, "Actual Loops": 1, "Rows Removed by Filter": 20000,
        "Filter": "((region = 'EU'::text) AND (status = 'paid'::text))",
    "Shared Hit Blocks" : 200
})j";
// Filters nothing.
const std::string kWideScan =
    R"j({"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "orders", "Plan Rows": 5000,
        "Actual Rows": 5000, "Actual Loops": 1, "Shared Hit Blocks": 900})j";
const std::string kIndexScan =
    R"j({"Node Type": "Index Scan", "Relation Name": "orders", "Alias": "orders",
        "Index Name": "orders_region", "Plan Rows": 5000, "Actual Rows": 5000, "Actual Loops": 1,
        "Index Cond": "(region = 'EU'::text)", "Shared Hit Blocks": 50
})j";
const std::string kIndexOnly =
    R"j({"Node Type": "Index Only Scan", "Relation Name": "orders", "Alias": "orders",
        "Index Name": "orders_region", "Plan Rows": 5000, "Actual Rows": 5000, "Actual Loops": 1,
        "Heap Fetches": 0, "Shared Hit Blocks": 50})j";
const std::string kFetches =
    R"j({"Node Type": "Index Only Scan", "Relation Name": "orders", "Alias": "orders",
        "Index Name": "orders_region", "Plan Rows": 5000, "Actual Rows": 5000, "Actual Loops": 1,
        "Heap Fetches": 5000, "Shared Hit Blocks": 5050})j";
const std::string kMisjudged =
    R"j({"Node Type": "Index Scan", "Relation Name": "orders", "Alias": "orders",
        "Index Name": "orders_pkey", "Plan Rows": 1, "Actual Rows": 133000, "Actual Loops": 1,
        "Shared Hit Blocks": 900})j";

CatalogObject Index(const std::string& name, Facts facts = {}, const std::string& identity = {}) {
  facts.try_emplace("columns", "region");
  return Thing("index", name, "orders", std::move(facts), {}, identity);
}
CatalogObject Check(const std::string& name, Facts facts = {}) {
  return Thing("constraint", name, "orders", std::move(facts));
}
CatalogObject Setting(const std::string& name, const std::string& value) {
  const std::string steers = name == "work_mem" ? "yes" : "no";
  return Thing("setting", name, {}, {{"value", value}, {"role", "app"}, {"steers_plans", steers}});
}

std::vector<Expected> Errors() {
  const auto gone = [](const std::string& name) {
    return "column \"" + name + "\" does not exist";
  };
  return {
      {"column renamed", "column orders.total was renamed to orders.amount",
       Error("42703", gone("total"), {Column("total", {}, {}, "1.2")},
             {Column("amount", {}, {}, "1.2")})},
      {"column dropped", "column orders.note was dropped",
       Error("42703", "column o.note does not exist", {Column("note")}, {})},
      {"schema renamed", "schema shipping was renamed to freight",
       Error("42P01", "relation \"shipping.parcels\" does not exist",
             {Thing("schema", "shipping", {}, {}, {}, "7")},
             {Thing("schema", "freight", {}, {}, {}, "7")})},
      {"relation moved", "table parcels was moved to schema archive",
       Error("42P01", "relation \"parcels\" does not exist",
             {Thing("relation", "parcels", {}, {{"schema", "public"}}, {}, "8")},
             {Thing("relation", "archive.parcels", {}, {{"schema", "archive"}, {"name", "parcels"}},
                    {}, "8")})},
      {"relation renamed", "table parcels was renamed to packages",
       Error("42P01", "relation \"parcels\" does not exist",
             {Thing("relation", "parcels", {}, {}, {}, "8")},
             {Thing("relation", "packages", {}, {}, {}, "8")})},
      {"relation dropped", "view parcels was dropped",
       Error("42P01", "relation \"parcels\" does not exist",
             {Thing("relation", "parcels", {}, {{"kind", "v"}})}, {})},
      {"search_path", "search_path of role app was changed, and no longer leads to parcels",
       Error("42P01", "relation \"parcels\" does not exist", {Setting("search_path", "a")},
             {Setting("search_path", "b")})},
      {"function renamed", "function tax(int) was renamed to vat(int)",
       Error("42883", "function tax(integer) does not exist",
             {Thing("function", "tax(int)", {}, {}, {}, "9")},
             {Thing("function", "vat(int)", {}, {}, {}, "9")})},
      {"function dropped", "function tax(int) was dropped",
       Error("42883", "function tax(integer) does not exist", {Thing("function", "tax(int)")}, {})},
      {"ambiguous function",
       "function tax(bigint) was added, and calls that fit it and an older one are ambiguous",
       Error("42725", "function tax(unknown) is not unique", {},
             {Thing("function", "tax(bigint)")})},
      {"json has no equality",
       "column orders.extra is of type json, which has no equality: DISTINCT, GROUP BY and UNION "
       "over it fail; jsonb has it",
       Error("42883", "could not identify an equality operator for type json", {},
             {Column("extra", {{"type", "json"}})})},
      {"ambiguous column",
       "column orders.status was added, and queries that use this name without its table are "
       "ambiguous",
       Error("42702", "column reference \"status\" is ambiguous", {}, {Column("status")})},
      {"row security",
       "row security was enabled on orders, and no policy lets role app write this row",
       Bare(Error("42501", "new row violates row-level security policy for table \"orders\"",
                  {Orders(), Orders({{"row_security", "no"}})},
                  {Orders(), Orders({{"row_security", "yes"}})}))},
      {"policy", "policy own_rows on orders does not let role app write this row",
       Error("42501", "new row violates row-level security policy for table \"orders\"", {},
             {Thing("policy", "own_rows", "orders")})},
      {"created without grant",
       "permission denied for sequence tickets_id_seq: the migration created it without GRANT to "
       "app",
       Error("42501", "permission denied for sequence tickets_id_seq", {},
             {Thing("sequence", "tickets_id_seq")})},
      {"recreated without grant",
       "view directory was dropped and created again, and its grants to app were not",
       Error("42501", "permission denied for view directory",
             {Thing("relation", "directory", {}, {{"kind", "v"}, {"acl", "app=r"}}, {}, "5")},
             {Thing("relation", "directory", {}, {{"kind", "v"}}, {}, "6")})},
      {"owner changed", "table orders was given to owner boss, and app had its rights as the owner",
       Bare(Error("42501", "permission denied for table orders",
                  {Orders(), Orders({{"owner", "app"}})},
                  {Orders(), Orders({{"owner", "boss"}})}))},
      {"revoked", "rights on table orders were taken from app",
       Bare(Error("42501", "permission denied for table orders",
                  {Orders(), Orders({{"acl", "app=r"}})}, {Orders(), Orders()}))},
      {"security_invoker",
       "table orders became security_invoker: it reads customers with the rights of app, who has "
       "none",
       Bare(Error("42501", "permission denied for table customers", {Orders(), Orders()},
                  {Orders(), Orders({{"options", "security_invoker=on"}})}))},
      {"column right revoked", "rights on column orders.total were taken from app",
       Error("42501", "permission denied for table orders", {Column("total", {{"acl", "app=r"}})},
             {Column("total")})},
      {"new NOT NULL column",
       "column orders.region was added as NOT NULL, and statements that leave it out store NULL",
       Error("23502", "null value in column \"region\" of relation \"orders\" violates", {},
             {Column("region", {{"not_null", "yes"}})})},
      {"default dropped",
       "the default of column orders.region was dropped, and statements that leave it out store "
       "NULL",
       Error("23502", "null value in column \"region\" of relation \"orders\" violates",
             {Column("region", {{"default", "1"}})}, {Column("region", {{"default", ""}})})},
      {"identity dropped",
       "column orders.id is no identity any more, and statements that leave it out store NULL",
       Error("23502", "null value in column \"id\" of relation \"orders\" violates",
             {Column("id", {{"identity", "d"}})}, {Column("id", {{"identity", ""}})})},
      {"became NOT NULL", "column orders.note became NOT NULL",
       Error("23502", "null value in column \"note\" of relation \"orders\" violates",
             {Column("note", {{"not_null", "no"}})}, {Column("note", {{"not_null", "yes"}})})},
      {"partition gone", "partition orders was detached, and sales has no place for its rows",
       Bare(Error("23514", "no partition of relation \"sales\" found for row",
                  {Orders(), Orders({{"parent", "sales"}})}, {Orders(), Orders()}))},
      {"foreign key", "foreign key orders_fk was added on orders: it references customers",
       Error("23503", "violates foreign key constraint \"orders_fk\" on table \"orders\"", {},
             {Check("orders_fk", {{"type", "f"}, {"references", "customers"}})})},
      {"constraint",
       "constraint positive was added on orders; the rows that were there were not checked (NOT "
       "VALID)",
       Error("23514", "new row for relation \"orders\" violates check constraint \"positive\"", {},
             {Check("positive", {{"type", "c"}, {"valid", "no"}})})},
      {"unique index", "unique index orders_email was added on orders",
       Error("23505", "duplicate key value violates unique constraint \"orders_email\"", {},
             {Index("orders_email")})},
      {"sequence set back",
       "sequence orders_id_seq was set back, and hands out numbers that orders has already",
       Error("23505", "duplicate key value violates unique constraint \"orders_pkey\"",
             {Thing("sequence", "orders_id_seq", "orders", {}, {{"last", "900"}})},
             {Thing("sequence", "orders_id_seq", "orders", {}, {{"last", "5"}})})},
      {"sequence limit", "sequence orders_id_seq was set close to its maximum",
       Error("2200H", "nextval: reached maximum value of sequence \"orders_id_seq\"",
             {Thing("sequence", "orders_id_seq", "orders", {}, {{"last", "5"}})},
             {Thing("sequence", "orders_id_seq", "orders", {}, {{"last", "2147483646"}})})},
      {"identity always",
       "column orders.id became GENERATED ALWAYS AS IDENTITY, which refuses explicit values",
       Error("428C9", "cannot insert a non-DEFAULT value into column \"id\"",
             {Column("id", {{"identity", "d"}})}, {Column("id", {{"identity", "a"}})})},
      {"generated column", "column orders.tax became a generated column, which nobody can write",
       Error("428C9", "cannot insert a non-DEFAULT value into column \"tax\"",
             {Column("tax", {{"generated", ""}})}, {Column("tax", {{"generated", "s"}})})},
      {"ON CONFLICT index",
       "unique index orders_email on orders was dropped, and ON CONFLICT needs it",
       Error("42P10", "there is no unique or exclusion constraint matching",
             {Index("orders_email", {{"unique", "yes"}})}, {})},
      {"ON CONFLICT index",
       "index orders_email on orders is not unique any more, was made partial or is on other "
       "columns, and ON CONFLICT cannot use it",
       Error("42P10", "there is no unique or exclusion constraint matching",
             {Index("orders_email", {{"unique", "yes"}})},
             {Index("orders_email", {{"unique", "yes"}, {"predicate", "x"}})})},
      {"replica identity",
       "primary key orders_pkey of orders was dropped; the table is published, and UPDATE and "
       "DELETE need a key that tells subscribers which row",
       Error("55000", "cannot update table \"orders\" because it does not have a replica identity",
             {Check("orders_pkey", {{"type", "p"}})}, {})},
      {"not populated", "materialized view orders was created again and holds no data: REFRESH it",
       Bare(Error("55000", "materialized view \"orders\" has not been populated",
                  {Orders(), Orders({{"kind", "m"}}, {}, "1")},
                  {Orders(), Orders({{"kind", "m"}}, {}, "2")}))},
      {"prepared statements",
       "column orders.region was added; statements that were prepared before it fail with 0A000 "
       "until re-prepared",
       Error("0A000", "cached plan must not change result type", {}, {Column("region")})},
      {"enum labels", "labels of enum type order_status were renamed or removed",
       Error("22P02", "invalid input value for enum order_status: …",
             {Thing("type", "order_status", {}, {{"labels", "new, paid"}})},
             {Thing("type", "order_status", {}, {{"labels", "new, settled"}})})},
      {"type change", "column orders.code changed from text to integer",
       Error("22P02", "invalid input syntax for type integer: …",
             {Column("code", {{"type", "text"}})}, {Column("code", {{"type", "integer"}})})},
      {"number of columns",
       "column orders.note was dropped, and the statement counts on the columns as they were",
       Error("42601", "INSERT has more expressions than target columns", {Column("note")}, {})},
      {"trigger", "trigger audit on orders runs with every such write",
       Write(Error("P0001", "no", {}, {Thing("trigger", "audit", "orders")}))},
      {"rule", "rule keep on orders rewrites every such write",
       Write(Error("0A000", "cannot perform INSERT RETURNING on relation \"orders\"", {},
                   {Thing("rule", "keep", "orders")}))},
      {"domain NOT NULL", "domain email became NOT NULL",
       Write(Error("23502", "domain email does not allow null values",
                   {Thing("type", "email", {}, {{"not_null", "no"}})},
                   {Thing("type", "email", {}, {{"not_null", "yes"}})}))},
      {"domain constraint", "the constraints of domain email changed",
       Write(Error("23514", "value for domain email violates check constraint \"email_check\"",
                   {Thing("type", "email", {}, {{"checks", ""}})},
                   {Thing("type", "email", {}, {{"checks", "CHECK (VALUE <> ''::text)"}})}))},
      {"function replaced", "function tax(int) was replaced by another one",
       [] {
         Scene scene = Error("22012", "division by zero",
                             {Thing("function", "tax(int)", {}, {{"body", "1"}})},
                             {Thing("function", "tax(int)", {}, {{"body", "2"}})});
         scene.functions = {"tax"};
         return scene;
       }()},
      {"setting", "setting statement_timeout was changed",
       Error("57014", "canceling statement due to statement_timeout", {},
             {Setting("statement_timeout", "1ms")})},
      {"named by the error", "extension citext was dropped",
       Error("42704", "type \"citext\" does not exist", {Thing("extension", "citext")}, {})},
  };
}

std::vector<Expected> Results() {
  const auto both = [](CatalogObject before, CatalogObject after) {
    return Bare(Result({Orders(), std::move(before)}, {Orders(), std::move(after)}));
  };
  Scene natural = Result({}, {Column("note")});
  natural.pattern = "SELECT * FROM orders NATURAL JOIN items";
  Scene mentions = Result({}, {Column("region")});
  Scene overload = Result({}, {Thing("function", "tax(bigint)")});
  overload.functions = {"tax"};
  Scene replaced = Result({Thing("function", "tax(int)", {}, {{"body", "1"}})},
                          {Thing("function", "tax(int)", {}, {{"body", "2"}})});
  replaced.functions = {"tax"};
  Scene returned = Result({Column("total", {{"type", "numeric(12,2)"}})},
                          {Column("total", {{"type", "numeric(12,1)"}})});
  returned.pattern = "SELECT * FROM orders";
  returned.columns = {"total"};
  const auto tax = [](const std::string& expression) {
    return Column("tax", {{"generated", "s"}, {"expression", expression}});
  };
  Scene generated = Result({tax("(total * 2)")}, {tax("(total * 3)")});
  generated.columns = {"tax"};
  return {
      {"row security without a policy",
       "row security was enabled on orders without a policy for role app, which now sees none of "
       "its rows and gets no error",
       both(Orders({{"row_security", "no"}}), Orders({{"row_security", "yes"}}))},
      {"policy", "policy mine on orders was added, and decides which rows orders shows",
       Result({}, {Thing("policy", "mine", "orders")})},
      {"row security", "row security of orders was switched",
       both(Orders({{"row_security", "yes"}}), Orders({{"row_security", "no"}}))},
      {"partition", "orders was detached from sales, and its rows with it",
       both(Orders({{"parent", "sales"}}), Orders({{"parent", ""}}))},
      {"natural join", "column orders.note was added, and NATURAL JOIN now compares it as well",
       natural},
      {"type change",
       "column orders.total changed from numeric(12,2) to numeric(12,1): values, comparisons and "
       "order follow the new type",
       returned},
      {"collation", "column orders.region is now sorted and compared by de-x-icu, not by C",
       Result({Column("region", {{"collation", "C"}})},
              {Column("region", {{"collation", "de-x-icu"}})})},
      {"generated column", "column orders.tax is generated by another expression", generated},
      {"enum labels",
       "labels of enum type status changed or are in another order, which ORDER BY and < follow",
       Result({Thing("type", "status", {}, {{"labels", "a, b"}}),
               Column("state", {{"type", "status"}})},
              {Thing("type", "status", {}, {{"labels", "b, a"}}),
               Column("state", {{"type", "status"}})})},
      {"trigger", "trigger audit on orders was added: it may change what is stored and returned",
       Write(Result({}, {Thing("trigger", "audit", "orders")}))},
      {"rule", "rule keep on orders was added: it rewrites every UPDATE of orders",
       Write(Result({}, {Thing("rule", "keep", "orders", {{"events", "UPDATE"}})}),
             event::StatementKind::kUpdate)},
      {"default",
       "the default of domain email changed, and statements that leave its columns out store "
       "another value",
       Write(Result({Thing("type", "email", {}, {{"default", "'a'"}}),
                     Column("address", {{"type", "email"}})},
                    {Thing("type", "email", {}, {{"default", "'b'"}}),
                     Column("address", {{"type", "email"}})}))},
      {"trigger", "trigger audit on orders was added: it runs after DELETE",
       Write(Result({}, {Thing("trigger", "audit", "orders",
                               {{"timing", "AFTER"}, {"events", "DELETE"}})}))},
      {"default",
       "the default of column orders.region changed, and statements that leave it out store "
       "another value",
       Write(
           Result({Column("region", {{"default", "1"}})}, {Column("region", {{"default", "2"}})}))},
      {"function added", "function tax(bigint) was added, and calls may choose it now", overload},
      {"function replaced", "function tax(int) was replaced by another one", replaced},
      {"view replaced", "view orders has another definition",
       both(Orders({{"definition", "1"}}), Orders({{"definition", "2"}}))},
      {"column gone", "column orders.note was dropped", Result({Column("note")}, {})},
      {"refresh", "materialized view orders was refreshed",
       both(Orders({{"kind", "m"}}, {{"file", "1"}}), Orders({{"kind", "m"}}, {{"file", "2"}}))},
      {"emptied", "all rows of orders are gone: it was truncated",
       both(Orders({}, {{"bytes", "8192"}}), Orders({}, {{"bytes", "0"}}))},
      {"table replaced", "orders was dropped and created again",
       both(Orders({}, {}, "1"), Orders({}, {}, "2"))},
      {"rows written", "the migration deleted 1,200 rows of orders",
       both(Orders({}, {{"deleted", "10"}}), Orders({}, {{"deleted", "1210"}}))},
      {"sequence", "sequence orders_id_seq was set or altered",
       Result({Thing("sequence", "orders_id_seq", "orders", {}, {{"last", "1"}})},
              {Thing("sequence", "orders_id_seq", "orders", {}, {{"last", "9"}})})},
      {"constraint", "constraint positive on orders was added",
       Write(Result({}, {Check("positive")}))},
      {"column added", "column orders.region was added", mentions},
      {"setting", "setting timezone was changed for new sessions",
       Result({}, {Setting("timezone", "UTC")})},
  };
}

std::vector<Expected> WorkCases() {
  const std::vector<CatalogObject> with_index = {Index("orders_region")};
  const auto tables = [](Facts before, Facts after, const std::string& plan_before,
                         const std::string& plan_after) {
    return Bare(Work({Orders(), Orders({}, std::move(before))},
                     {Orders(), Orders({}, std::move(after))}, plan_before, plan_after));
  };
  const std::string scan = "Seq Scan on orders reads 25,000 rows to keep 5,000";
  Scene parents = Work({},
                       {Thing("constraint", "fk", "items",
                              {{"type", "f"}, {"references", "orders"}, {"columns", "order_id"}})},
                       {}, {});
  parents.kind = StatementKind::kDelete;
  Scene parents_index = parents;
  parents_index.before.push_back(parents.after.back());
  parents_index.before.push_back(Thing("index", "items_order", "items", {{"columns", "order_id"}}));
  Scene function = Work({Thing("function", "tax(int)", {}, {{"volatility", "s"}})},
                        {Thing("function", "tax(int)", {}, {{"volatility", "v"}})}, {}, {});
  function.functions = {"tax"};
  Scene join =
      Work({}, {}, {}, R"j({"Node Type": "Nested Loop", "Actual Rows": 1, "Actual Loops": 1,
    "Plans": [{"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "orders",
               "Parent Relationship": "Inner",
               "Actual Rows": 90, "Actual Loops": 50, "Shared Hit Blocks": 9}]})j");
  join.type = "new-slow";
  return {
      {"index dropped", scan + " because index orders_region (region) was dropped",
       Work(with_index, {}, kIndexScan, kSeqScan)},
      {"index invalid", scan + " because index orders_region is invalid: it was left half built",
       Work(with_index, {Index("orders_region", {{"valid", "no"}})}, kIndexScan, kSeqScan)},
      {"index made partial",
       scan + " because index orders_region was made partial, and the query does not say what its "
              "WHERE needs",
       Work(with_index, {Index("orders_region", {{"predicate", "x"}})}, kIndexScan, kSeqScan)},
      {"type change",
       scan + " because column orders.region changed from text to citext, and index orders_region "
              "does not serve the comparison any more",
       Work({Column("region", {{"type", "text"}})}, {Column("region", {{"type", "citext"}})},
            kIndexScan, kSeqScan)},
      {"index replaced",
       scan + " because index orders_region was replaced by one that does not serve the query",
       Work(with_index, {Index("orders_region", {{"method", "hash"}})}, kIndexScan, kSeqScan)},
      {"visibility map",
       "index-only scan of orders became 5,000 heap fetches: the rewrite emptied the visibility "
       "map; VACUUM restores it",
       tables({{"file", "1"}}, {{"file", "2"}}, kIndexOnly, kFetches)},
      {"statistics deleted",
       "statistics of column orders.region were deleted by the type change: estimate 1 row, actual "
       "133,000; ANALYZE brings them back",
       Work({Column("region", {{"type", "a"}}, {{"statistics", "yes"}})},
            {Column("region", {{"type", "b"}}, {{"statistics", "no"}})}, kMisjudged, kMisjudged)},
      {"extended statistics",
       "statistics object city_zip on orders was dropped: estimate 1 row, actual 133,000",
       Work({Thing("statistics", "city_zip", "orders")}, {}, kMisjudged, kMisjudged)},
      {"foreign key without index",
       "foreign key fk was added: each such write to orders looks for its rows in items, and no "
       "index covers items (order_id)",
       parents},
      {"foreign key without index",
       "index items_order was dropped: each such write to orders looks for its rows in items by "
       "foreign key fk, and no index covers items (order_id)",
       parents_index},
      {"trigger", "trigger audit on orders runs with every such write",
       Write(Work({}, {Thing("trigger", "audit", "orders")}, {}, {}))},
      {"rule", "rule keep on orders rewrites every such write",
       Write(Work({}, {Thing("rule", "keep", "orders")}, {}, {}))},
      {"policy", "policy mine on orders adds its condition to every query of orders",
       Work({}, {Thing("policy", "mine", "orders")}, {}, {})},
      {"view replaced", "view orders has another definition",
       Bare(Work({Orders(), Orders({{"definition", "1"}})},
                 {Orders(), Orders({{"definition", "2"}})}, {}, {}))},
      {"function replaced", "function tax(int) was replaced by another one", function},
      {"index added",
       "index orders_region on orders was added: every such write maintains it, and changes of "
       "(region) cannot stay within their page",
       Write(Work({}, with_index, {}, {}), StatementKind::kUpdate)},
      {"stale statistics",
       "most rows of orders were written without ANALYZE: estimate 1 row, actual 133,000",
       tables({{"rows", "100"}, {"updated", "0"}}, {{"rows", "100"}, {"updated", "90"}}, kMisjudged,
              kMisjudged)},
      {"no index", scan + " because no index covers (region, status)",
       Work({}, with_index, kSeqScan, kSeqScan)},
      {"no index for the order",
       "a sort reads 25,000 rows of orders to keep 10 because no index has them in the order of "
       "(placed DESC)",
       Work({}, {}, {}, R"j({"Node Type": "Sort", "Sort Key": ["placed DESC"], "Actual Rows": 10,
         "Actual Loops": 1, "Plans": [{"Node Type": "Seq Scan", "Relation Name": "orders",
         "Alias": "orders", "Actual Rows": 25000, "Actual Loops": 1}]})j")},
      {"no index for the join",
       "Seq Scan on orders yields 4,500 rows in 50 loops: no index finds the rows of orders to "
       "join",
       join},
      {"table grew",
       "orders grew from 4.00 MB to 9.00 MB: old versions of the rows that were rewritten still "
       "take "
       "their room",
       tables({{"bytes", "4000000"}, {"updated", "3"}},
              {{"bytes", "9000000"}, {"updated", "25003"}}, kIndexScan, kWideScan)},
      {"table grew", "orders grew from 4.00 MB to 9.00 MB: it has 25,000 rows more",
       tables({{"bytes", "4000000"}, {"inserted", "5"}},
              {{"bytes", "9000000"}, {"inserted", "25005"}}, kIndexScan, kWideScan)},
      {"table grew",
       "orders grew from 4.00 MB to 9.00 MB: it was written anew, and its rows are wider",
       tables({{"bytes", "4000000"}, {"file", "1"}}, {{"bytes", "9000000"}, {"file", "2"}},
              kIndexScan, kWideScan)},
      {"table grew", "orders grew from 4.00 MB to 9.00 MB",
       tables({{"bytes", "4000000"}}, {{"bytes", "9000000"}}, kIndexScan, kWideScan)},
      {"partitions", "orders joined or left the partitions that the query reads",
       Bare(Work({Orders(), Orders({{"parent", "sales"}})}, {Orders(), Orders({{"parent", ""}})},
                 {}, {}))},
      {"setting", "setting work_mem was changed for new sessions",
       Work({}, {Setting("work_mem", "64kB")}, {}, {})},
      {"type change", "column orders.note changed from text to xml",
       Work({Column("note", {{"type", "text"}})}, {Column("note", {{"type", "xml"}})}, {}, {})},
      {"spills", "Sort yields 9 rows and spills to disk",
       Work({}, {}, {}, R"j({"Node Type": "Sort", "Actual Rows": 9, "Actual Loops": 1,
                            "Temp Written Blocks": 40})j")},
      {"another plan",
       "the plan changed: before, Index Scan using orders_region on orders yields 5,000 rows; now, "
       "Seq Scan on orders yields 5,000 rows",
       Work({}, {}, kIndexScan,
            R"j({"Node Type": "Seq Scan", "Relation Name": "orders", "Alias": "orders",
                "Actual Rows": 5000, "Actual Loops": 1})j")},
  };
}

// Every rule of the table is reached by its own example, and says what it should.
void CheckAll(const std::vector<Expected>& all, const std::vector<Rule>& rules) {
  std::multiset<std::string> reached;
  for (const Expected& expected : all) {
    CAPTURE(expected.mechanism, expected.sentence);
    const std::optional<Cause> cause = expected.scene.Find();
    REQUIRE(cause.has_value());
    CHECK(cause->mechanism == expected.mechanism);
    CHECK(cause->sentence == expected.sentence);
    reached.insert(cause->mechanism);
  }
  std::multiset<std::string> wanted;
  for (const Rule& rule : rules) wanted.insert(std::string(rule.mechanism));
  CHECK(reached == wanted);
}

TEST_CASE("each rule for errors names its cause", "[cause]") { CheckAll(Errors(), ErrorRules()); }

TEST_CASE("a policy for another role may be for a member of it", "[cause]") {
  const auto policy = Thing("policy", "own", "orders", {{"roles", "staff"}});
  const auto cause = Result({Orders({{"row_security", "no"}}), policy},
                            {Orders({{"row_security", "yes"}}), policy})
                         .Find();
  REQUIRE(cause.has_value());
  CHECK(cause->mechanism == "row security");
}

std::string MechanismOf(const Scene& scene) {
  const auto cause = scene.Find();
  return cause ? cause->mechanism : std::string();
}

TEST_CASE("a policy counts where it has a say", "[cause]") {
  const auto scene = [](Facts relation, Facts policy, const Facts& role) {
    const CatalogObject orders = Orders(std::move(relation));
    const CatalogObject app = Thing("role", "app", {}, role);
    return Bare(
        Result({orders, app}, {orders, app, Thing("policy", "p", "orders", std::move(policy))}));
  };
  const Facts on = {{"row_security", "yes"}};
  const Facts staff = {{"roles", "staff, admin"}};
  CHECK(MechanismOf(scene(on, {{"roles", "public"}, {"command", "r"}}, {})) == "policy");
  CHECK(MechanismOf(scene(on, staff, {{"member_of", "staff"}})) == "policy");
  CHECK(MechanismOf(scene(on, staff, {})) != "policy");
  CHECK(MechanismOf(scene(on, {{"command", "a"}}, {})) != "policy");
  CHECK(MechanismOf(scene({{"row_security", "no"}}, {}, {})) != "policy");
  CHECK(MechanismOf(scene(on, {}, {{"passes_by", "yes"}})) != "policy");
  Facts owned = {{"row_security", "yes"}, {"owner", "app"}, {"forced", "no"}};
  CHECK(MechanismOf(scene(owned, {}, {})) != "policy");
  owned["forced"] = "yes";
  CHECK(MechanismOf(scene(owned, {}, {})) == "policy");
}

TEST_CASE("a trigger counts where it fires", "[cause]") {
  const auto scene = [](Facts trigger, event::StatementKind kind) {
    Scene made = Write(Error("P0001", "no", {}, {Thing("trigger", "t", "orders", trigger)}), kind);
    made.pattern = "UPDATE orders SET total = $1";
    return made;
  };
  using event::StatementKind;
  CHECK(MechanismOf(scene({{"events", "INSERT, UPDATE"}}, StatementKind::kInsert)) == "trigger");
  CHECK(MechanismOf(scene({{"events", "DELETE"}}, StatementKind::kInsert)) != "trigger");
  const Facts disabled = {{"events", "UPDATE"}, {"enabled", "D"}};
  CHECK(MechanismOf(scene(disabled, StatementKind::kUpdate)) != "trigger");
  const Facts of_total = {{"events", "UPDATE"}, {"columns", "region, total"}};
  CHECK(MechanismOf(scene(of_total, StatementKind::kUpdate)) == "trigger");
  const Facts of_region = {{"events", "UPDATE"}, {"columns", "region"}};
  CHECK(MechanismOf(scene(of_region, StatementKind::kUpdate)) != "trigger");
  // What comes after the row does not change it: the default does.
  Scene other =
      Write(Result({Column("region", {{"default", "1"}})},
                   {Column("region", {{"default", "2"}}),
                    Thing("trigger", "t", "orders", {{"timing", "AFTER"}, {"events", "INSERT"}})}));
  CHECK(MechanismOf(other) == "default");
}

TEST_CASE("a setting counts where it steers something", "[cause]") {
  CHECK(MechanismOf(Work({}, {Setting("app.version", "42")}, {}, {})).empty());
  Scene result = Result({}, {Setting("app.version", "42")});
  CHECK(MechanismOf(result) != "setting");
  result.functions = {"current_setting"};
  CHECK(MechanismOf(result) == "setting");
}

TEST_CASE("each rule for results names its cause", "[cause]") {
  CheckAll(Results(), ResultRules());
}
TEST_CASE("each rule for work names its cause", "[cause]") { CheckAll(WorkCases(), WorkRules()); }

TEST_CASE("without a change no rule speaks of one", "[cause]") {
  for (const auto& list : {Errors(), Results(), WorkCases()}) {
    for (const Expected& expected : list) {
      Scene scene = expected.scene;
      scene.before = scene.after;
      scene.plan_before = scene.plan_after;
      const std::optional<Cause> cause = scene.Find();
      CAPTURE(expected.mechanism, expected.sentence);
      // What plans alone show stays true.
      const std::set<std::string> from_plans = {"no index", "no index for the order",
                                                "no index for the join", "spills"};
      CHECK((!cause || from_plans.contains(cause->mechanism)));
    }
  }
}

TEST_CASE("workers of a parallel scan are no join", "[cause]") {
  const std::string scan = R"j({"Node Type": "Seq Scan", "Relation Name": "orders",
      "Alias": "orders", "Parallel Aware": true, "Parent Relationship": "Outer",
      "Actual Rows": 90, "Actual Loops": 3, "Shared Hit Blocks": 9})j";
  const auto mechanism = [](const std::string& plan) {
    Scene scene = Work({}, {}, {}, plan);
    scene.type = "new-slow";
    const auto cause = scene.Find();
    return cause ? cause->mechanism : std::string();
  };
  CHECK(mechanism(R"j({"Node Type": "Gather", "Actual Rows": 270, "Actual Loops": 1, "Plans": [)j" +
                  scan + "]}")
            .empty());
  // The outer side of a nested loop runs once in each worker.
  CHECK(mechanism(R"j({"Node Type": "Nested Loop", "Actual Rows": 1, "Actual Loops": 3,
                      "Plans": [)j" +
                  scan + "]}")
            .empty());
  std::string sub_plan = scan;
  sub_plan.replace(sub_plan.find("Outer"), 5, "SubPlan");
  CHECK(mechanism(R"j({"Node Type": "Result", "Actual Rows": 1, "Actual Loops": 1, "Plans": [)j" +
                  sub_plan + "]}") == "no index for the join");
}

// Of a table in partitions, plans name the partitions' indexes.
TEST_CASE("an index of a partitioned table is told, and not those of its partitions", "[cause]") {
  const CatalogObject whole = Thing("relation", "orders", {}, {{"kind", "p"}});
  const CatalogObject part = Thing("relation", "orders_a", {}, {{"parent", "orders"}});
  const CatalogObject top = Index("orders_region");
  const CatalogObject below = Thing("index", "orders_a_region_idx", "orders_a",
                                    {{"columns", "region"}}, {{"parent", "orders_region"}});
  std::string used = kIndexScan;
  used.replace(used.find("\"orders\""), 8, "\"orders_a\"");
  used.replace(used.find("orders_region"), 13, "orders_a_region_idx");
  std::string scan = kSeqScan;
  scan.replace(scan.find("\"orders\""), 8, "\"orders_a\"");
  const auto dropped = Work({whole, part, top, below}, {whole, part}, used, scan).Find();
  REQUIRE(dropped.has_value());
  CHECK(dropped->object == "index orders_region");
  const auto added =
      Write(Work({whole, part}, {whole, part, top, below}, {}, {}), StatementKind::kUpdate).Find();
  REQUIRE(added.has_value());
  CHECK(added->object == "index orders_region");
}

TEST_CASE("a foreign key of a table in partitions is covered by the index of each", "[cause]") {
  const auto covered = [](const std::vector<CatalogObject>& indexes) {
    const auto key = [](const std::string& table) {
      return Thing("constraint", "fk", table,
                   {{"type", "f"}, {"references", "orders"}, {"columns", "order_id"}});
    };
    Scene scene = Write(Work({Thing("relation", "items", {}, {{"kind", "p"}}),
                              Thing("relation", "items_a", {}, {{"parent", "items"}})},
                             {Thing("relation", "items", {}, {{"kind", "p"}}),
                              Thing("relation", "items_a", {}, {{"parent", "items"}}), key("items"),
                              key("items_a")},
                             {}, {}),
                        StatementKind::kDelete);
    scene.after.insert(scene.after.end(), indexes.begin(), indexes.end());
    const auto cause = scene.Find();
    return !cause || cause->mechanism != "foreign key without index";
  };
  const auto index = [](const std::string& table) {
    return Thing("index", table + "_order_id_idx", table, {{"columns", "order_id"}});
  };
  CHECK_FALSE(covered({}));
  CHECK(covered({index("items_a")}));
  CHECK(covered({index("items"), index("items_a")}));
}

TEST_CASE("an UPDATE looks for rows that refer to it only where it changes their key", "[cause]") {
  const CatalogObject fk = Thing("constraint", "fk", "items",
                                 {{"type", "f"},
                                  {"references", "orders"},
                                  {"columns", "order_id"},
                                  {"referenced_columns", "id, \"order\""}});
  const auto blamed = [&](const std::string& pattern, const std::vector<CatalogObject>& more = {},
                          double triggers_after = 0) {
    Scene scene = Write(Work(more, more, {}, {}), StatementKind::kUpdate);
    scene.after.push_back(fk);
    scene.pattern = pattern;
    scene.triggers_before = 0;
    scene.triggers_after = triggers_after;
    return MechanismOf(scene) == "foreign key without index";
  };
  CHECK(blamed("UPDATE orders SET id = $1 WHERE id = $2"));
  CHECK(blamed("UPDATE orders SET touched = $1, \"order\" = $2"));
  CHECK_FALSE(blamed("UPDATE orders SET touched = $1 WHERE id = $2"));
  // What else its triggers do is no work of the key.
  CHECK_FALSE(blamed("UPDATE orders SET touched = $1", {}, 40));
  const auto trigger = [](const std::string& timing) {
    return Thing("trigger", "t", "orders", {{"timing", timing}, {"events", "INSERT, UPDATE"}});
  };
  CHECK(blamed("UPDATE orders SET touched = $1", {trigger("BEFORE")}, 40));
  CHECK_FALSE(blamed("UPDATE orders SET touched = $1", {trigger("BEFORE")}));
  CHECK_FALSE(blamed("UPDATE orders SET touched = $1", {trigger("AFTER")}, 40));
  const CatalogObject generated = Column("id", {{"generated", "s"}});
  CHECK(blamed("UPDATE orders SET touched = $1", {generated}, 40));
}

TEST_CASE("a table that grew has old versions of rows, more rows or wider ones", "[cause]") {
  const auto why = [](Facts before, Facts after, const Facts& options = {}) {
    before["bytes"] = "4000000";
    after["bytes"] = "9000000";
    const auto cause =
        Bare(Work({Orders(), Orders({}, std::move(before))},
                  {Orders(), Orders(options, std::move(after))}, kIndexScan, kWideScan))
            .Find();
    REQUIRE(cause.has_value());
    CHECK(cause->mechanism == "table grew");
    const size_t colon = cause->sentence.find(": ");
    return colon == std::string::npos ? std::string() : cause->sentence.substr(colon + 2);
  };
  const std::string old_versions =
      "old versions of the rows that were rewritten still take their room";
  CHECK(why({}, {{"updated", "900"}}) == old_versions);
  CHECK(why({}, {{"deleted", "900"}, {"inserted", "900"}}) == old_versions);
  CHECK(why({}, {{"updated", "10"}, {"inserted", "900"}}) == "it has 900 rows more");
  CHECK(why({{"inserted", "7"}}, {{"deleted", "100"}, {"inserted", "1007"}}) ==
        "it has 900 rows more");
  // Counters do not say which of the rows are in the new file.
  CHECK(why({{"file", "1"}}, {{"file", "2"}, {"inserted", "900"}}).empty());
  CHECK(why({{"file", "1"}}, {{"file", "2"}, {"updated", "900"}}).empty());
  CHECK(why({{"file", "1"}}, {{"file", "2"}}) == "it was written anew, and its rows are wider");
  CHECK(why({{"file", "1"}}, {{"file", "2"}}, {{"options", "fillfactor=40"}}).empty());
}

TEST_CASE("another table of the same name says nothing of the rows of the old one", "[cause]") {
  const auto cause =
      Bare(Work({Orders(), Orders({}, {{"bytes", "4000000"}}, "1")},
                {Orders(), Orders({}, {{"bytes", "9000000"}, {"inserted", "900"}}, "2")},
                kIndexScan, kWideScan))
          .Find();
  REQUIRE(cause.has_value());
  CHECK(cause->sentence == "orders grew from 4.00 MB to 9.00 MB");
}

TEST_CASE("an expression that only follows a renamed column is no other one", "[cause]") {
  const auto tax = [](const std::string& expression) {
    return Column("tax", {{"generated", "s"}, {"expression", expression}});
  };
  Scene scene = Result({tax("(total * 2)"), Column("total", {}, {}, "1.2")},
                       {tax("(amount * 2)"), Column("amount", {}, {}, "1.2")});
  scene.columns = {"tax"};
  CHECK(MechanismOf(scene) == "column gone");
}

TEST_CASE("where no rule fits, what differs is said and nothing is guessed", "[cause]") {
  Scene scene = Result({Column("a"), Column("b", {{"acl", "x"}})}, {Column("a"), Column("b")});
  scene.type = "slower";
  const auto cause = scene.Find();
  REQUIRE(cause.has_value());
  CHECK(cause->mechanism == "differs");
  CHECK(cause->sentence == "no rule names the cause; what differs: column orders.b changed (acl)");
  scene.relations = {"elsewhere"};
  CHECK_FALSE(scene.Find().has_value());
}

TEST_CASE("after VACUUM (ANALYZE) lost statistics are no cause any more", "[cause]") {
  for (const Expected& expected : WorkCases()) {
    if (expected.mechanism != "statistics deleted" && expected.mechanism != "visibility map" &&
        expected.mechanism != "stale statistics") {
      continue;
    }
    Scene scene = expected.scene;
    scene.settled = true;
    const auto cause = scene.Find();
    CHECK((!cause || cause->mechanism != expected.mechanism));
  }
}

}  // namespace
}  // namespace scry::cause
