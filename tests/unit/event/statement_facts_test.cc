#include "event/statement_facts.h"

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::event {
namespace {

using Names = std::vector<std::string>;

StatementFacts One(std::string_view text) {
  auto all = AnalyzeQuery(text);
  INFO(text);
  REQUIRE(all.size() == 1);
  return std::move(all.front());
}

bool SamePattern(std::string_view a, std::string_view b) {
  return One(a).fingerprint == One(b).fingerprint;
}

// Whether libpg_query is there: without it only the textual promises hold.
bool HasParser() { return One("select 1").parsed; }

TEST_CASE("literals, case, blanks and comments do not change the fingerprint", "[event]") {
  if (!HasParser()) return;
  const char* base = "SELECT id FROM orders WHERE region = 'dach' AND total > 5 LIMIT 20";
  for (const char* same :
       {"SELECT id FROM orders WHERE region = 'east' AND total > 7 LIMIT 20",
        "select id from orders where region = '' and total > -1.5e9 limit 1",
        "select  id\nfrom orders -- why\n where /* x */ region = 'a''b' and total > 0 limit 5;",
        "SELECT id FROM orders WHERE region = $1 AND total > $2 LIMIT $3",
        "SELECT id FROM orders WHERE region = E'\\'' AND total > 5 LIMIT 20",
        "SELECT id FROM orders WHERE region = $$x$$ AND total > 5 LIMIT 20"}) {
    INFO(same);
    CHECK(SamePattern(base, same));
  }
  for (const char* other :
       {"SELECT id FROM orders WHERE region = 'dach' AND total < 5 LIMIT 20",
        "SELECT id FROM order_items WHERE region = 'dach' AND total > 5 LIMIT 20",
        "SELECT id FROM orders WHERE region = 'dach' OR total > 5 LIMIT 20",
        "SELECT id FROM orders WHERE region = 'dach' AND total > 5",
        "SELECT total FROM orders WHERE region = 'dach' AND total > 5 LIMIT 20"}) {
    INFO(other);
    CHECK_FALSE(SamePattern(base, other));
  }
}

TEST_CASE("the pattern is one line with parameters for constants", "[event]") {
  if (!HasParser()) return;
  CHECK(One("select  *\n from t -- secret\n where a = 'secret' and b = 42;").pattern ==
        "select * from t where a = $1 and b = $2");
  CHECK(One("select * from t where a = $1 and b = 'x'").pattern ==
        "select * from t where a = $1 and b = $2");
  CHECK(One("select \"Odd  Name\" from t").pattern == "select \"Odd  Name\" from t");
  CHECK(One("insert into t values (1, 'a', null)").pattern == "insert into t values ($1, $2, $3)");
}

TEST_CASE("no constant of a parsed statement stays in its pattern", "[event]") {
  base::Random random(3);
  const std::vector<std::string> forms = {
      "select * from t where a = '@'",
      "select '@' as x",
      "update t set a = '@' where b in ('@', '@')",
      "insert into t (a) values ('@'), ('@') on conflict do nothing",
      "delete from t where a like '@%'",
      "select case when a = '@' then '@' else b end from t",
      "with w as (select '@'::text as a) select * from w where a <> E'@'",
      "select $q$@$q$"};
  for (int round = 0; round < 200; ++round) {
    std::string text = forms[random.Below(forms.size())];
    const std::string secret = "hunter" + std::to_string(random.Next());
    for (size_t at = text.find('@'); at != std::string::npos; at = text.find('@')) {
      text.replace(at, 1, secret);
    }
    INFO(text);
    CHECK(One(text).pattern.find("hunter") == std::string::npos);
    // Also where the parser gives up.
    CHECK(One("selekt " + text).pattern.find("hunter") == std::string::npos);
  }
}

TEST_CASE("a query string yields its statements in order, empty ones left out", "[event]") {
  if (!HasParser()) return;
  const auto all = AnalyzeQuery("BEGIN; UPDATE t SET a = 1;; SELECT 'x;y' ; COMMIT;");
  REQUIRE(all.size() == 4);
  CHECK(all[0].kind == StatementKind::kBegin);
  CHECK(all[1].kind == StatementKind::kUpdate);
  CHECK(all[1].pattern == "UPDATE t SET a = $1");
  CHECK(all[2].kind == StatementKind::kSelect);
  CHECK(all[2].pattern == "SELECT $1");
  CHECK(all[3].kind == StatementKind::kCommit);
  CHECK(all[1].fingerprint == One("UPDATE t SET a = 2").fingerprint);
  // Multi-byte text in front must not shift the pieces.
  const auto wide = AnalyzeQuery("select 'äöü€'; select a from t");
  REQUIRE(wide.size() == 2);
  CHECK(wide[1].pattern == "select a from t");
}

TEST_CASE("there is always a statement", "[event]") {
  for (const char* text : {"", " ", ";", ";;;", "-- nothing", "/* nothing */", "/* open"}) {
    INFO(text);
    CHECK(AnalyzeQuery(text).size() == 1);
  }
}

TEST_CASE("each kind of statement is known, and whether it writes", "[event]") {
  if (!HasParser()) return;
  struct Case {
    const char* text;
    StatementKind kind;
    bool writes;
  };
  const std::vector<Case> cases = {
      {"SELECT 1", StatementKind::kSelect, false},
      {"VALUES (1)", StatementKind::kSelect, false},
      {"TABLE t", StatementKind::kSelect, false},
      {"SHOW work_mem", StatementKind::kSelect, false},
      {"SELECT * FROM t FOR UPDATE", StatementKind::kSelect, true},
      {"SELECT * FROM t FOR KEY SHARE", StatementKind::kSelect, true},
      {"SELECT * INTO u FROM t", StatementKind::kSelect, true},
      {"WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", StatementKind::kSelect, true},
      {"EXPLAIN DELETE FROM t", StatementKind::kSelect, false},
      {"EXPLAIN ANALYZE DELETE FROM t", StatementKind::kSelect, true},
      {"EXPLAIN (ANALYZE, BUFFERS) SELECT 1", StatementKind::kSelect, false},
      {"INSERT INTO t VALUES (1)", StatementKind::kInsert, true},
      {"UPDATE t SET a = 1", StatementKind::kUpdate, true},
      {"DELETE FROM t", StatementKind::kDelete, true},
      {"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", StatementKind::kMerge, true},
      {"COPY t FROM STDIN", StatementKind::kCopyIn, true},
      {"COPY t TO STDOUT", StatementKind::kCopyOut, false},
      {"COPY (SELECT 1) TO STDOUT", StatementKind::kCopyOut, false},
      {"BEGIN", StatementKind::kBegin, false},
      {"START TRANSACTION ISOLATION LEVEL SERIALIZABLE", StatementKind::kBegin, false},
      {"COMMIT", StatementKind::kCommit, false},
      {"END", StatementKind::kCommit, false},
      {"PREPARE TRANSACTION 'x'", StatementKind::kCommit, true},
      {"COMMIT PREPARED 'x'", StatementKind::kCommit, true},
      {"ROLLBACK", StatementKind::kRollback, false},
      {"ABORT", StatementKind::kRollback, false},
      {"ROLLBACK PREPARED 'x'", StatementKind::kRollback, true},
      {"SAVEPOINT a", StatementKind::kSavepoint, false},
      {"RELEASE a", StatementKind::kSavepoint, false},
      {"ROLLBACK TO a", StatementKind::kSavepoint, false},
      {"SET search_path = x", StatementKind::kSession, false},
      {"SET LOCAL work_mem = '1MB'", StatementKind::kSession, false},
      {"RESET ALL", StatementKind::kSession, false},
      {"DISCARD ALL", StatementKind::kSession, false},
      {"PREPARE p AS DELETE FROM t", StatementKind::kSession, false},
      {"DEALLOCATE p", StatementKind::kSession, false},
      {"LISTEN c", StatementKind::kSession, false},
      {"DECLARE c CURSOR FOR SELECT 1", StatementKind::kSession, false},
      {"FETCH 5 FROM c", StatementKind::kSelect, false},
      {"CLOSE c", StatementKind::kSession, false},
      {"CREATE TABLE t (a int)", StatementKind::kDdl, true},
      {"CREATE INDEX CONCURRENTLY i ON t (a)", StatementKind::kDdl, true},
      {"ALTER TABLE t ADD COLUMN b int", StatementKind::kDdl, true},
      {"ALTER TABLE t RENAME COLUMN a TO b", StatementKind::kDdl, true},
      {"DROP TABLE t", StatementKind::kDdl, true},
      {"TRUNCATE t", StatementKind::kDdl, true},
      {"GRANT SELECT ON t TO r", StatementKind::kDdl, true},
      {"REFRESH MATERIALIZED VIEW v", StatementKind::kDdl, true},
      {"DO $$ BEGIN END $$", StatementKind::kOther, true},
      {"CALL p()", StatementKind::kOther, true},
      {"LOCK TABLE t", StatementKind::kOther, true},
      {"NOTIFY c", StatementKind::kOther, true},
      {"EXECUTE p", StatementKind::kOther, true},
      {"VACUUM t", StatementKind::kOther, true},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const StatementFacts facts = One(c.text);
    CHECK(facts.parsed);
    CHECK(int{static_cast<uint8_t>(facts.kind)} == int{static_cast<uint8_t>(c.kind)});
    CHECK(facts.writes == c.writes);
  }
}

TEST_CASE("order, limit and sort keys are those of the top level", "[event]") {
  if (!HasParser()) return;
  struct Case {
    const char* text;
    bool ordered;
    bool limited;
    Names keys;
  };
  const std::vector<Case> cases = {
      {"SELECT a FROM t", false, false, {}},
      {"SELECT a FROM t ORDER BY a", true, false, {"a"}},
      {"SELECT a, b FROM t ORDER BY 2, a DESC", true, false, {"#2", "a"}},
      {"SELECT t.a FROM t ORDER BY t.a LIMIT 5", true, true, {"#1"}},
      {"SELECT b.id, b.name FROM b JOIN a ON a.id = b.a ORDER BY a.name", true, false, {""}},
      {"SELECT b.* FROM b JOIN a ON a.id = b.a ORDER BY a.at, b.at", true, false, {"", "at"}},
      {"SELECT * FROM b JOIN a ON a.id = b.a ORDER BY a.at", true, false, {"at"}},
      {"SELECT * FROM t x ORDER BY t.a", true, false, {"a"}},
      {"SELECT b.id, a.name AS who FROM b JOIN a ON a.id = b.a ORDER BY a.name",
       true,
       false,
       {"#2"}},
      {"SELECT u.id AS u_id, u.name AS u_name FROM u ORDER BY u.name, s.u.id",
       true,
       false,
       {"#2", "#1"}},
      {"SELECT b.*, a.name AS who FROM b JOIN a ON a.id = b.a ORDER BY a.name",
       true,
       false,
       {"who"}},
      {"SELECT u.name AS u_name FROM u ORDER BY name", true, false, {"#1"}},
      {"SELECT u.name AS u_name, b.x AS name FROM u, b ORDER BY name", true, false, {"name"}},
      {"SELECT a::date FROM t ORDER BY a", true, false, {"a"}},
      {"SELECT count(*) FROM t GROUP BY b ORDER BY count", true, false, {"count"}},
      {"SELECT a FROM t OFFSET 3", false, true, {}},
      {"SELECT a FROM t FETCH FIRST 2 ROWS ONLY", false, true, {}},
      {"SELECT a FROM t LIMIT $1", false, true, {}},
      {"SELECT a FROM t ORDER BY lower(a), b", true, false, {"", "b"}},
      {"SELECT a FROM t ORDER BY a COLLATE \"C\"", true, false, {""}},
      {"SELECT b AS a FROM t ORDER BY a", true, false, {"a"}},
      {"SELECT b AS a FROM t ORDER BY t.a", true, false, {""}},
      {"SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 5) s", false, false, {}},
      {"SELECT a FROM t WHERE b IN (SELECT b FROM u ORDER BY b LIMIT 1)", false, false, {}},
      {"SELECT a FROM t UNION ALL SELECT a FROM u ORDER BY a LIMIT 3", true, true, {"a"}},
      {"(SELECT a FROM t ORDER BY a LIMIT 1) UNION ALL SELECT a FROM u", false, false, {}},
      {"SELECT array_agg(a ORDER BY a) FROM t", false, false, {}},
      {"WITH w AS (SELECT a FROM t ORDER BY a LIMIT 1) SELECT a FROM w", false, false, {}},
      {"DELETE FROM t USING (SELECT a FROM u ORDER BY a LIMIT 1) s", false, false, {}},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const StatementFacts facts = One(c.text);
    CHECK(facts.ordered == c.ordered);
    CHECK(facts.limited == c.limited);
    CHECK(facts.sort_keys == c.keys);
  }
}

TEST_CASE("who asks for the row of an id asks for one", "[event]") {
  if (!HasParser()) return;
  for (const char* text :
       {"select name from t where id = $1 limit 1", "select name from t where 5 = t.id",
        "select name from s.t x where deleted is null and x.uuid = $1::uuid limit $2"}) {
    INFO(text);
    CHECK(One(text).one_key);
  }
  for (const char* text :
       {"select name from t where id > $1 limit 1", "select name from t where id = $1 or x limit 1",
        "select name from t join u on t.id = u.t where id = $1 limit 1",
        "select name from t where not (id = $1)", "select name from t where id = other",
        "select name from t where owner_id = $1 limit 1", "select name from t limit 1"}) {
    INFO(text);
    CHECK_FALSE(One(text).one_key);
  }
}

TEST_CASE("an OFFSET at the top level skips rows", "[event]") {
  if (!HasParser()) return;
  CHECK(One("select id from t order by id limit 5 offset 10").skips);
  CHECK_FALSE(One("select id from t order by id limit 5").skips);
  CHECK_FALSE(One("select id from (select id from t offset 5) x order by id limit 5").skips);
}

TEST_CASE("what is done with which cursor is told", "[event]") {
  if (!HasParser()) return;
  const CursorUse declared = One("declare \"C\" no scroll cursor for select 1").cursor;
  CHECK(declared.act == CursorAct::kDeclare);
  CHECK(declared.name == "C");
  CHECK_FALSE(declared.holds);
  CHECK(One("declare c cursor with hold for select 1").cursor.holds);
  for (const auto& [text, rows] : std::vector<std::pair<const char*, uint64_t>>{
           {"fetch c", 1},
           {"fetch next from C", 1},
           {"fetch 10 from c", 10},
           {"fetch forward 10 in c", 10},
           {"fetch all from c", CursorUse::kAllRows},
           {"fetch forward all from c", CursorUse::kAllRows}}) {
    INFO(text);
    const CursorUse fetch = One(text).cursor;
    CHECK(fetch.act == CursorAct::kFetch);
    CHECK(fetch.name == "c");
    CHECK(fetch.onwards);
    CHECK(fetch.rows == rows);
  }
  for (const char* text :
       {"fetch prior from c", "fetch backward 5 from c", "fetch backward all from c",
        "fetch first from c", "fetch last from c", "fetch absolute 7 from c",
        "fetch relative 2 from c", "fetch forward 0 from c", "fetch -3 from c"}) {
    INFO(text);
    CHECK(One(text).cursor.act == CursorAct::kFetch);
    CHECK_FALSE(One(text).cursor.onwards);
  }
  CHECK(One("move 5 in c").cursor.act == CursorAct::kMove);
  CHECK(One("move 5 in c").cursor.rows == 5);
  CHECK(One("close c").cursor.name == "c");
  CHECK(One("close all").cursor.act == CursorAct::kClose);
  CHECK(One("close all").cursor.name.empty());
  CHECK(One("select 1").cursor.act == CursorAct::kNone);
}

TEST_CASE("a LIMIT that cut nothing left nothing out", "[event]") {
  const StatementFacts ten = One("select id from t where k = 1 limit 10");
  CHECK(ten.limit == 10U);
  CHECK(LeavesOut(ten, 10));
  CHECK_FALSE(LeavesOut(ten, 9));
  CHECK(LeavesOut(One("select id from t limit 10 offset 5"), 3));
  CHECK_FALSE(LeavesOut(One("select id from t limit 10 offset 0"), 3));
  CHECK_FALSE(LeavesOut(One("select id from t fetch first 10 rows only"), 9));
  CHECK(LeavesOut(One("select id from t limit $1"), 3));
  CHECK_FALSE(One("select id from t limit all").limited);
  CHECK_FALSE(One("select id from t limit null").limited);
  CHECK_FALSE(LeavesOut(One("select id from t"), 3));
  for (const char* one :
       {"select sum(total) from orders limit 1",
        "select coalesce(round(avg(x), 2), 0), max(y) from t limit 1",
        "select count(*) from t where k in (select g from u group by g) limit 1"}) {
    CAPTURE(one);
    CHECK_FALSE(LeavesOut(One(one), 1));
  }
  for (const char* several :
       {"select sum(x) from t group by k limit 1", "select sum(x) over () from t limit 1",
        "select unnest(array_agg(x)) from t limit 1", "select x from t limit 1",
        "select sum(x) from t union select 1 limit 1",
        "select (select sum(x) from t) from u limit 1"}) {
    CAPTURE(several);
    CHECK(LeavesOut(One(several), 1));
  }
}

TEST_CASE("rows chosen below the top level are left to chance where they tie", "[event]") {
  for (const char* picks :
       {"select distinct on (k) k, v from t order by k",
        "select * from t, lateral (select day, v from d order by day desc limit 1) x, u",
        "select * from t join lateral (select v from d order by day limit 1) x on true",
        "select * from t where id in (select t_id from u order by day limit 10)",
        "with x as (select a from t limit 5) select * from x",
        "select * from (select *, row_number() over (order by day) n from t) x where n = 1",
        "(select a, b from t order by a limit 1) union all select c, d from u",
        "update t set v = 1 where id in (select t_id from u order by day limit 5) returning id"}) {
    CAPTURE(picks);
    CHECK(One(picks).picks);
  }
  for (const char* ranks :
       {"select id, row_number() over (order by day) from t",
        "select id, lag(v) over w from t window w as (order by day)",
        "select id, sum(v) over (order by day rows unbounded preceding) from t",
        "select id, (select v from u where u.t = t.id order by day limit 1) from t",
        "select k, any_value(v) from t group by k"}) {
    CAPTURE(ranks);
    CHECK(One(ranks).ranks);
    CHECK_FALSE(One(ranks).picks);
  }
  for (const char* sure :
       {"select id from t order by day limit 5", "select distinct k, v from t",
        "select distinct on (k) k, v from t order by k, v",
        "select distinct on (k) * from t order by k, id",
        "select * from t where exists (select v from u limit 1)",
        "select * from t where day = (select day from d order by day desc limit 1)",
        "select * from t where id in (select id from t order by day, id limit 10)",
        "select * from t where user_id = (select id from users where email = $1 limit 1)",
        "select id, rank() over (order by day) from t",
        "select id, sum(v) over (order by day) from t",
        "select * from t where v > (select avg(v) from t limit 1)",
        "insert into t (a) values (1) returning id"}) {
    CAPTURE(sure);
    CHECK_FALSE(One(sure).picks);
    CHECK_FALSE(One(sure).ranks);
  }
  CHECK(One("select k, array_agg(v) from t group by k order by k").gathers);
  CHECK(One("select array(select v from t)").gathers);
  CHECK_FALSE(One("select k, array_agg(v order by v) from t group by k").gathers);
  CHECK_FALSE(One("select k, string_agg(distinct v, ',') from t group by k").gathers);
  CHECK_FALSE(One("select string_agg(v, ',') from (select v from t order by v) x").gathers);
}

TEST_CASE("which outputs rank or gather is told by their place or name", "[event]") {
  const auto chosen = [](const char* text) { return One(text).chosen; };
  CHECK(chosen("select k, sum(v), row_number() over (order by sum(v)) from t group by k") ==
        Names{"#3"});
  CHECK(chosen("select k, sum(v), json_agg(t) from t group by k") == Names{"#3"});
  CHECK(chosen("select *, row_number() over (order by day) n, 1 from t") == Names{"n"});
  CHECK(chosen("select *, lag(v) over (order by day) from t") == Names{"lag"});
  CHECK(chosen("select array(select v from u), sum(v), any_value(w) from t") == Names{"#1", "#3"});
  CHECK(chosen("select 1, 2 union all select 3, (select v from u order by day limit 1)") ==
        Names{"#2"});
  CHECK(chosen("select k, sum(v) from t group by k") == Names{});
  for (const char* unknown :
       {"select *, 1 + row_number() over (order by day) from t",
        "select k from t group by k having array_agg(v) = $1",
        "select x from (select array_agg(v) x from t) y",
        "select * from t union all select *, row_number() over (order by day) n from u",
        "insert into t (a) select array_agg(v) from u returning a"}) {
    CAPTURE(unknown);
    CHECK_FALSE(chosen(unknown));
  }
  // Rows of one table in the order of their ids are tied nowhere.
  for (const char* sure : {"select id, total * qty, row_number() over (order by id) n from o",
                           "select id, lag(v) over (partition by k order by day, id) from o"}) {
    CAPTURE(sure);
    CHECK_FALSE(One(sure).ranks);
  }
  for (const char* tied : {"select row_number() over (order by a.id) from o a join p on true",
                           "select k, row_number() over (order by id) from o group by k, id"}) {
    CAPTURE(tied);
    CHECK(One(tied).ranks);
  }
}

TEST_CASE("what is sorted stays so through names and nesting", "[event]") {
  for (const char* sorted :
       {"with s as (select * from t order by id) select json_agg(s) from s",
        "with s as (select * from t order by id) select json_agg(x) from (select * from s) x",
        "select json_agg(y) from (select row_to_json(x) y from (select * from t order by id) x) z",
        "with s as (select * from t order by id), r as (select a from s) "
        "select (select json_agg(r) from r)",
        "with s as (select * from t order by id) insert into u (a) select json_agg(s) from s"}) {
    CAPTURE(sorted);
    CHECK_FALSE(One(sorted).gathers);
  }
  for (const char* unsorted :
       {"with s as (select * from t) select json_agg(s) from s",
        "with s as (select * from t order by id) select json_agg(s) from public.s",
        "with s as (select * from t order by id) select json_agg(x) from (select * from s, u) x",
        "select json_agg(x) from (select a from (select * from t order by a) y group by a) x",
        "with recursive s as (select 1 a union all select a + 1 from s where a < 9) "
        "select json_agg(s) from s",
        "select json_agg(s) from (with s as (select 1 order by 1) select * from t) x, s",
        "with s as (select * from s) select json_agg(s) from s"}) {
    CAPTURE(unsorted);
    CHECK(One(unsorted).gathers);
  }
}

TEST_CASE("one table, joins, and tables that stand in a statement twice", "[event]") {
  CHECK(One("select id from t where k in (select k from u)").one_table);
  CHECK_FALSE(One("select * from t join u on true").one_table);
  CHECK_FALSE(One("select * from t, generate_series(1, 2)").one_table);
  CHECK_FALSE(One("with t as (select 1) select * from t").one_table);
  CHECK(One("select * from t a join t b on true").repeats);
  CHECK_FALSE(One("select * from t a join u b on true").repeats);
}

TEST_CASE("what a statement returns of the numbers it draws", "[event]") {
  const auto drawn = [](const char* text) { return One(text).drawn; };
  CHECK(drawn("insert into o (id, total) values (nextval('s'), $1) returning id, total, tax") ==
        Names{"id"});
  CHECK(drawn("insert into o (id, total) values (nextval('s'), 1), (nextval('s'), 2) "
              "returning id as o_id, 'x' || id as code, tax") == Names{"code", "o_id"});
  CHECK(drawn("insert into o (total, id) select v, nextval('s') from t returning *") ==
        Names{"id"});
  CHECK(drawn("insert into o (id, total) values (nextval('s'), 1) returning total") == Names{});
  CHECK(drawn("update o set v = nextval('s'), w = 1 returning w, v") == Names{"v"});
  for (const char* unknown :
       {"insert into o (total) values (1) returning id", "select nextval('s')",
        "insert into o values (nextval('s'), 1) returning id",
        "insert into o (id) values (nextval('s')) returning id::text || 'x'",
        "insert into o (id) values (nextval('s')) returning currval('s'), id",
        "insert into o (id) select x from (select nextval('s') x) y returning id"}) {
    CAPTURE(unknown);
    CHECK_FALSE(drawn(unknown));
  }
}

TEST_CASE("a cursor is ordered and limited as its query is", "[event]") {
  if (!HasParser()) return;
  const StatementFacts facts =
      One("declare c cursor for select id, name from t order by name limit 5 offset 2");
  CHECK(facts.ordered);
  CHECK(facts.limited);
  CHECK(facts.skips);
  CHECK(facts.sort_keys == Names{"name"});
  CHECK(facts.relations == Names{"t"});
  CHECK(SamePattern("declare c1 cursor for select id from t",
                    "declare c2 cursor for select id from t"));
}

TEST_CASE("who does not wait for locks is told, wherever it says so", "[event]") {
  if (!HasParser()) return;
  const StatementFacts skips =
      One("UPDATE t SET a = 1 WHERE id IN (SELECT id FROM t FOR UPDATE SKIP LOCKED LIMIT 1)");
  CHECK(skips.skips_locked);
  CHECK_FALSE(skips.nowait);
  CHECK(DependsOnLocks(skips));
  for (const char* text : {"SELECT a FROM t FOR SHARE NOWAIT", "LOCK TABLE t NOWAIT"}) {
    INFO(text);
    CHECK(One(text).nowait);
    CHECK_FALSE(One(text).skips_locked);
    CHECK(DependsOnLocks(One(text)));
  }
  CHECK(DependsOnLocks(One("SELECT pg_try_advisory_xact_lock(1)")));
  CHECK(DependsOnLocks(One("SELECT pg_terminate_backend(17)")));
  for (const char* text : {"SELECT a FROM t FOR UPDATE", "LOCK TABLE t",
                           "SELECT pg_advisory_lock(1)", "SELECT 'skip locked'"}) {
    INFO(text);
    CHECK_FALSE(DependsOnLocks(One(text)));
  }
}

TEST_CASE("functions are named wherever they stand, in lower case, once", "[event]") {
  if (!HasParser()) return;
  CHECK(One("SELECT NOW(), random(), pg_catalog.now() FROM generate_series(1, 3)").functions ==
        Names{"generate_series", "now", "random"});
  CHECK(One("INSERT INTO t VALUES (nextval('s'), gen_random_uuid())").functions ==
        Names{"gen_random_uuid", "nextval"});
  CHECK(One("SELECT current_timestamp, current_date, localtime(0)").functions ==
        Names{"current_date", "current_timestamp", "localtime"});
  CHECK(One("SELECT a FROM t WHERE b = (SELECT max(b) FROM u)").functions == Names{"max"});
  CHECK(One("SELECT a FROM t").functions.empty());
}

TEST_CASE("relations are named as written, wherever they stand, once", "[event]") {
  if (!HasParser()) return;
  CHECK(One("SELECT * FROM b JOIN s.a ON true JOIN b x ON true").relations == Names{"b", "s.a"});
  CHECK(One("UPDATE t SET a = 1 FROM u WHERE t.i = u.i").relations == Names{"t", "u"});
  CHECK(One("INSERT INTO t SELECT * FROM u WHERE EXISTS (SELECT 1 FROM v)").relations ==
        Names{"t", "u", "v"});
  CHECK(One("DELETE FROM ONLY t USING u").relations == Names{"t", "u"});
  CHECK(One("COPY t (a) TO STDOUT").relations == Names{"t"});
  CHECK(One("TRUNCATE a, b").relations == Names{"a", "b"});
  CHECK(One("ALTER TABLE t ADD COLUMN x int").relations == Names{"t"});
  CHECK(One("CREATE INDEX i ON s.t (a)").relations == Names{"s.t"});
  CHECK(One("CREATE POLICY p ON t USING (a > 0)").relations == Names{"t"});
  CHECK(One("SELECT * FROM \"Odd Name\"").relations == Names{"Odd Name"});
}

TEST_CASE("what a statement makes is told apart from what it reads", "[event]") {
  if (!HasParser()) return;
  for (const char* text :
       {"CREATE TEMP TABLE x AS SELECT a FROM orders", "CREATE TEMPORARY VIEW x AS TABLE orders",
        "SELECT * INTO TEMP x FROM orders", "CREATE TEMP TABLE x (LIKE orders)",
        "CREATE TABLE x AS SELECT a FROM orders", "CREATE OR REPLACE VIEW x AS TABLE orders"}) {
    INFO(text);
    const StatementFacts facts = One(text);
    CHECK(facts.relations == Names{"orders", "x"});
    CHECK(facts.makes == "x");
    CHECK(facts.makes_temporary == (std::string_view(text).find("TEMP") != std::string_view::npos));
  }
  CHECK(One("CREATE TABLE pg_temp.x (a int)").makes_temporary);
  CHECK(One("CREATE UNLOGGED TABLE s.x (a int)").makes == "s.x");
  CHECK(One("ALTER TABLE x ADD a int").makes.empty());
}

TEST_CASE("text the parser refuses still has a stable pattern without its constants", "[event]") {
  const StatementFacts facts = One("SELEKT  * FROM t\n WHERE a = 'x' AND b = 12.5e3 -- c");
  CHECK_FALSE(facts.parsed);
  CHECK(facts.pattern == "SELEKT * FROM t WHERE a = ? AND b = ?");
  CHECK(facts.kind == StatementKind::kOther);
  CHECK(facts.writes);
  CHECK(facts.fingerprint == One("SELEKT * FROM t WHERE a = 'other' AND b = 7").fingerprint);
  CHECK(facts.fingerprint != One("SELEKT * FROM u WHERE a = 'other' AND b = 7").fingerprint);
  CHECK(One("SELEKT t1.c2 FROM x").pattern == "SELEKT t1.c2 FROM x");
  CHECK(One("SELEKT $tag$ 'a' $tag$, E'\\'', \"q'q\"").pattern == "SELEKT ?, E?, \"q'q\"");
  CHECK(One("SELECT FROM WHERE").kind == StatementKind::kSelect);
  CHECK(One("SELECT FROM WHERE").writes);
}

TEST_CASE("a text with a zero byte is not cut at it", "[event]") {
  using namespace std::string_view_literals;
  const StatementFacts facts = One("select 1\0 from t"sv);
  CHECK_FALSE(facts.parsed);
  CHECK(facts.pattern.find("from t") != std::string::npos);
}

TEST_CASE("a huge text is taken whole and its pattern is cut at a character", "[event]") {
  std::string text = "INSERT INTO t VALUES ";
  for (int i = 0; i < 60000; ++i) text += "(1,'x'),";
  text += "(2,'y')";
  const StatementFacts facts = One(text);
  CHECK(facts.kind == StatementKind::kInsert);
  CHECK(facts.writes);
  CHECK(facts.pattern.size() < 20000);
  std::string wide = "SELEKT ";
  for (int i = 0; i < 20000; ++i) wide += "\"ä\",";
  const std::string pattern = One(wide).pattern;
  CHECK(pattern.ends_with("…"));
  CHECK(pattern.size() < 20000);
}

TEST_CASE("no nesting, however deep, breaks the analysis", "[event]") {
  const auto repeated = [](const char* piece, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += piece;
    return out;
  };
  for (const int depth : {100, 1000, 9000, 30000, 125000}) {
    INFO(depth);
    CHECK(One("SELECT 1" + repeated("+1", depth)).kind == StatementKind::kSelect);
    CHECK(One("SELECT " + repeated("(", depth) + "1" + repeated(")", depth)).kind ==
          StatementKind::kSelect);
    CHECK(One("SELECT " + repeated("NOT ", depth / 2) + "true").kind == StatementKind::kSelect);
    CHECK(One("SELECT " + repeated("- ", depth) + "a").kind == StatementKind::kSelect);
    CHECK(One("SELECT a" + repeated("[1]", depth)).kind == StatementKind::kSelect);
    CHECK(One("SELECT a" + repeated("::b", depth)).kind == StatementKind::kSelect);
    CHECK(One("SELECT 1" + repeated(" UNION SELECT 1", depth / 4)).kind == StatementKind::kSelect);
    CHECK(One("SELECT a WHERE a" + repeated(" AND a", depth / 2)).kind == StatementKind::kSelect);
    CHECK(One("SELECT a WHERE a" + repeated("||a", depth)).kind == StatementKind::kSelect);
  }
}

TEST_CASE("any bytes are analysed", "[event]") {
  base::Random random(11);
  const std::vector<std::string> pieces = {
      "select ", "from t ", "where ", "'",        "\"", "$$", "$a$", "/*",
      "*/",      "--",      "\n",     ";",        "(",  ")",  "1e",  "$1",
      "E'",      "\\",      "\xff",   "\xe2\x82", "::", "[",  "]",   "update t set ",
      "null",    "\t"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint64_t i = random.Below(12); i > 0; --i) text += pieces[random.Below(pieces.size())];
    const auto all = AnalyzeQuery(text);
    CHECK_FALSE(all.empty());
    if (text.find('"') == std::string::npos) {  // A quoted name may hold a line break.
      for (const StatementFacts& facts : all) {
        CHECK(facts.pattern.find('\n') == std::string::npos);
      }
    }
    CHECK(AnalyzeQuery(text).front().fingerprint == all.front().fingerprint);
  }
}

TEST_CASE("a fingerprint is 16 hex digits", "[event]") {
  CHECK(FingerprintText(0) == "0000000000000000");
  CHECK(FingerprintText(0xf3a9) == "000000000000f3a9");
  CHECK(FingerprintText(UINT64_MAX) == "ffffffffffffffff");
}

TEST_CASE("the cache answers as the analysis does, however small it is", "[event]") {
  base::Random random(5);
  FactsCache cache(3);
  for (int round = 0; round < 500; ++round) {
    const std::string text = "select a" + std::to_string(random.Below(8)) + " from t; select 2";
    const auto fresh = AnalyzeQuery(text);
    const auto& cached = cache.GetAll(text);
    REQUIRE(cached.size() == fresh.size());
    for (size_t i = 0; i < fresh.size(); ++i) CHECK(cached[i].pattern == fresh[i].pattern);
  }
}

TEST_CASE("the cache forgets the least recently used text", "[event]") {
  FactsCache cache(2);
  const auto* a = &cache.GetAll("select 1");
  cache.GetAll("select 1, 2");
  CHECK(&cache.GetAll("select 1") == a);  // Still there, and now the most recent.
  cache.GetAll("select 1, 2, 3");         // Pushes out the second.
  CHECK(&cache.GetAll("select 1") == a);
  CHECK(cache.GetAll("select 1, 2").size() == 1);
}

TEST_CASE("an ordinal past the end means the last statement", "[event]") {
  if (!HasParser()) return;
  FactsCache cache;
  CHECK(cache.Get("begin; select 1", 0).kind == StatementKind::kBegin);
  CHECK(cache.Get("begin; select 1", 1).kind == StatementKind::kSelect);
  CHECK(cache.Get("begin; select 1", 7).kind == StatementKind::kSelect);
}

}  // namespace
}  // namespace scry::event

TEST_CASE("patterns of utility statements show no values", "[event]") {
  using scry::event::AnalyzeQuery;
  for (const char* text :
       {"execute by_email('secret@example.com')", "notify orders, 'secret'",
        "set application_name = 'secret'", "create role r password 'secret'",
        "declare c cursor for select 1 where 'secret' = 'secret'", "copy t to '/secret'"}) {
    INFO(text);
    CHECK(AnalyzeQuery(text).front().pattern.find("secret") == std::string::npos);
  }
}
