#include "event/value_sites.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "event/statement_facts.h"
#include "support/catch.h"

namespace scry::event {
namespace {

using Names = std::vector<std::string>;

bool HasParser() { return AnalyzeQuery("select 1").front().parsed; }

StatementSites One(std::string_view text) {
  std::vector<StatementSites> all = FindValueSites(text);
  INFO(text);
  REQUIRE(all.size() == 1);
  return std::move(all.front());
}

std::string Describe(std::string_view text, const ValueSite& site) {
  std::string relation = site.relation;
  for (const std::string& name : site.candidates) relation += (relation.empty() ? "" : "|") + name;
  return fmt::format("{}.{}{}{}{}{}", relation, site.column,
                     site.role == ValueSite::Role::kStored ? ":=" : "=",
                     site.parameter > 0 ? fmt::format("${}", site.parameter)
                                        : std::string(text.substr(site.offset, site.length)),
                     site.array ? "[]" : "", site.conjunct ? "!" : "");
}

// "t.a=5!": the column, the value as it stands in the text, and ! for a conjunct.
Names Sites(std::string_view text) {
  Names sites;
  for (const StatementSites& statement : FindValueSites(text)) {
    for (const ValueSite& site : statement.sites) sites.push_back(Describe(text, site));
  }
  std::sort(sites.begin(), sites.end());
  return sites;
}

Names Unresolved(std::string_view text) {
  Names sites;
  for (const ValueSite& site : One(text).unresolved) sites.push_back(Describe(text, site));
  return sites;
}

TEST_CASE("comparisons name the column of a value", "[sites]") {
  if (!HasParser()) return;
  struct Case {
    const char* text;
    Names sites;
  };
  const std::vector<Case> cases = {
      {"select * from t where id = 5", {"t.id=5!"}},
      {"select * from t where id = -5", {"t.id=-5!"}},
      {"select * from t where id = - 5", {"t.id=- 5!"}},
      {"select * from t where 5 = id", {"t.id=5!"}},
      {"select * from s.t x where x.id = $1", {"s.t.id=$1!"}},
      {"select * from s.t where s.t.id = $1", {"s.t.id=$1!"}},
      {"select * from s.t where t.id = $1", {"s.t.id=$1!"}},
      {"select * from t where id = '5'::bigint", {"t.id='5'!"}},
      {"select * from t where id = bigint '5'", {"t.id='5'!"}},
      {"select * from t where id = cast($1 as uuid)", {"t.id=$1!"}},
      {"select * from t where id = $1::text::uuid", {"t.id=$1!"}},
      {"select * from t where id::text = $1", {"t.id=$1"}},
      {"select * from t where id = E'a\\'b'", {"t.id=E'a\\'b'!"}},
      {"select * from t where id = $x$a'b$x$", {"t.id=$x$a'b$x$!"}},
      {"select * from t where id = 1.5e3 and b = 'it''s'", {"t.b='it''s'!", "t.id=1.5e3!"}},
      {"select * from t where id in (1, '2', $3)", {"t.id=$3", "t.id='2'", "t.id=1"}},
      {"select * from t where id not in (1)", {"t.id=1"}},
      {"select * from t where id = any($1)", {"t.id=$1[]"}},
      {"select * from t where id = any($1::int[])", {"t.id=$1[]"}},
      {"select * from t where id = any(array[1, $2])", {"t.id=$2", "t.id=1"}},
      {"select * from t where id <> all('{1,2}')", {"t.id='{1,2}'[]"}},
      {"select * from t where (a, b) = (1, $2)", {"t.a=1!", "t.b=$2!"}},
      {"select * from t where (a, b) in ((1, 2), (3, 4))", {"t.a=1", "t.a=3", "t.b=2", "t.b=4"}},
      {"select * from t where id > 5 order by id limit 10 offset 3", {"t.id=5"}},
      {"select * from t where id between 5 and $1", {"t.id=$1", "t.id=5"}},
      {"select * from t where id is not distinct from 5", {"t.id=5"}},
      {"select * from t where id = 5 or id = 6", {"t.id=5", "t.id=6"}},
      {"select * from t where not id = 5", {"t.id=5"}},
      {"select * from t where id + 1 = 5 and name like 'a%' and x = now()", {}},
      {"select * from t where f(id) = 5 and id = f(6)", {}},
      {"select case when id = 5 then 1 end from t", {"t.id=5"}},
      {"select id from t group by id having id = 5", {"t.id=5"}},
      {"select * from t where done = true and note = null", {"t.done=true!", "t.note=null!"}},
      {"select * from \"My T\" where \"Id\" = 5", {"My T.Id=5!"}},
      {"select * from t where id = 'a'\n'b'", {}},
      {"select * from t where id = b'101' or id = U&'x'", {}},
      {"select 1 from t where id = $1 -- 'x'\n and /* 5 */ b = 6", {"t.b=6!", "t.id=$1!"}},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    CHECK(Sites(one.text) == one.sites);
    CHECK(One(one.text).known);
  }
}

TEST_CASE("names are resolved by scope", "[sites]") {
  if (!HasParser()) return;
  struct Case {
    const char* text;
    Names sites;
  };
  const std::vector<Case> cases = {
      {"select * from a x join b y on x.id = y.a_id and y.k = 7 where x.id = 5",
       {"a.id=5", "b.k=7"}},
      {"select * from a, b where b.id = 5", {"b.id=5"}},
      {"select * from a where exists (select 1 from b where b.a_id = a.id and a.n = 3 and b.k = 2)",
       {"a.n=3", "b.k=2!"}},
      {"select * from a t where t.id = 1 and exists (select 1 from b t where t.id = 2)",
       {"a.id=1!", "b.id=2!"}},
      {"with c as (select * from a where id = 5) select * from c where c.id = 6", {"a.id=5!"}},
      {"with a as (select 1 id) select * from a where a.id = 6", {}},
      {"with a as (select 1 id) select * from s.a where a.id = 6", {"s.a.id=6!"}},
      {"with recursive a as (select 1 id union all select id + 1 from a where a.id < 3) "
       "select * from a",
       {}},
      {"with a as (select * from a where id = 3) select * from a", {"a.id=3!"}},
      {"select * from (select * from a where id = 5) q where q.id = 6", {"a.id=5!"}},
      {"select * from a x (k, l) where x.id = 6", {}},
      {"select * from (a join b on a.id = 3) j where j.id = 6", {"a.id=3"}},
      {"select * from a, lateral (select * from b where b.x = 1 and a.y = 2) q",
       {"a.y=2", "b.x=1!"}},
      {"select * from a where a.id = 1 union all select * from b where b.id = 2",
       {"a.id=1!", "b.id=2!"}},
      {"select * from a where a.id = 1 union select * from a where a.id = 2", {"a.id=1", "a.id=2"}},
      {"select * from generate_series(1, 5) g (id) where g.id = 3", {}},
      {"select * from a tablesample system (5) where id = 3", {"a.id=3!"}},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    CHECK(Sites(one.text) == one.sites);
  }
  CHECK(Unresolved("select * from a, s.b x where id = 5") == Names{"a|s.b.id=5"});
  CHECK(Unresolved("select * from a where exists (select 1 from b where k = 5)") ==
        Names{"b|a.k=5"});
  CHECK(Unresolved("select * from a, f() x where id = 5").empty());
}

TEST_CASE("writes name the column of what they store", "[sites]") {
  if (!HasParser()) return;
  struct Case {
    const char* text;
    Names sites;
  };
  const std::vector<Case> cases = {
      {"insert into t values (1, default, '5'::bigint)", {"t.#1:=1", "t.#3:='5'"}},
      {"insert into t (b, a) values ($1, 'x'), (2, f(3))", {"t.a:='x'", "t.b:=$1", "t.b:=2"}},
      {"insert into t (a, b) select $1, 5 where not exists (select 1 from t where a = 6)",
       {"t.a:=$1", "t.a=6", "t.b:=5"}},
      {"insert into t select x.*, 5 from x", {}},
      {"insert into t as q (a) values (1) on conflict (a) do update set b = 5, c = excluded.c "
       "where q.b = 3 and excluded.b = 4 returning a = 9",
       {"t.a:=1", "t.a=9", "t.b:=5", "t.b=3", "t.b=4"}},
      {"insert into t default values", {}},
      {"insert into t (a[1], b.c) values (1, 2)", {}},
      {"update t set a = $1, b = b + 1 where id = $2", {"t.a:=$1", "t.id=$2!"}},
      {"update s.t x set (a, b) = (1, $2) where x.id = 3", {"s.t.a:=1", "s.t.b:=$2", "s.t.id=3!"}},
      {"update t set a = 1 from u where u.id = 5 and t.id = 6", {"t.a:=1", "t.id=6", "u.id=5"}},
      {"update t set a = (select 1 from t where t.k = 3) where t.id = 4", {"t.id=4", "t.k=3"}},
      {"update t set a[1] = 5, b.c = 6 where id = 7", {"t.id=7!"}},
      {"delete from only t where id = 4", {"t.id=4!"}},
      {"delete from t using u where t.id = u.id and u.k = 3", {"u.k=3"}},
      {"merge into t using u on t.id = u.id and t.k = 4 when matched then update set a = 1 "
       "when not matched then insert (a, b) values (2, $1)",
       {"t.a:=1", "t.a:=2", "t.b:=$1", "t.k=4"}},
      {"with i as (insert into t (a) values (1) returning id) select * from u where u.id = 2",
       {"t.a:=1", "u.id=2!"}},
      {"explain select * from t where id = 5", {"t.id=5!"}},
      {"declare c cursor for select * from t where id = 5", {"t.id=5!"}},
      {"prepare p as update t set a = 3 where id = $1", {"t.a:=3", "t.id=$1!"}},
      {"create table n as select * from t where id = 5", {"t.id=5!"}},
      {"select * into n from t where id = 5", {"t.id=5!"}},
      {"copy (select * from t where id = 5) to stdout", {"t.id=5!"}},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    CHECK(Sites(one.text) == one.sites);
  }
}

TEST_CASE("relations that are read, written and locked", "[sites]") {
  if (!HasParser()) return;
  const StatementSites insert =
      One("with c as (delete from d where x = 1 returning *) "
          "insert into s.t (a, b) select c.a, u.b from c, u join v on true where u.id in "
          "(select id from w)");
  CHECK(insert.known);
  CHECK(insert.writes == Names{"d", "s.t"});
  CHECK(insert.reads == Names{"u", "v", "w"});
  CHECK(insert.insert->columns == Names{"a", "b"});
  CHECK(insert.insert->values_rows == 0);

  const StatementSites values =
      One("insert into t (a, b) values (1, default), (2, 3) on conflict do nothing");
  CHECK(values.insert->values_rows == 2);
  CHECK(values.insert->on_conflict);
  CHECK(values.insert->defaults == Names{"b"});
  CHECK(values.sites.back().row == 1);
  CHECK(One("insert into t default values").insert->values_rows == 1);

  const StatementSites update = One("update t set (a, b) = (1, 2), c = 3 where id = 4");
  CHECK(update.set_columns == Names{"a", "b", "c"});
  CHECK(update.writes == Names{"t"});
  CHECK(update.reads.empty());

  const StatementSites copy = One("copy t (a, b) from stdin");
  CHECK(copy.known);
  CHECK(copy.writes == Names{"t"});
  CHECK(copy.insert->columns == Names{"a", "b"});
  CHECK(One("copy t to stdout").reads == Names{"t"});

  CHECK_FALSE(One("select * into n from t").known);
  CHECK_FALSE(One("create table n as select * from t").known);
  CHECK_FALSE(One("truncate t").known);
  CHECK_FALSE(One("execute p(5)").known);
}

Names Locks(std::string_view text) {
  Names locks;
  for (const LockedRelation& lock : One(text).row_locks) {
    locks.push_back(fmt::format("{}:{}", lock.relation, static_cast<int>(lock.strength)));
  }
  return locks;
}

TEST_CASE("row locks, with their strength", "[sites]") {
  if (!HasParser()) return;
  CHECK(Locks("select * from t") == Names{});
  CHECK(Locks("select * from t for update") == Names{"t:3"});
  CHECK(Locks("select * from t for no key update skip locked") == Names{"t:2"});
  CHECK(Locks("select * from t x, u for share of x") == Names{"t:1"});
  CHECK(Locks("select * from t, u for key share") == Names{"t:0", "u:0"});
  CHECK(Locks("select * from t for share for update of t") == Names{"t:3"});
  CHECK(Locks("select * from (select * from t) q for update") == Names{"t:3"});
  CHECK(Locks("with c as (select * from t) select * from c, u for update") == Names{"u:3"});
  CHECK(Locks("select * from t where id in (select id from u for update)") == Names{"u:3"});
  CHECK(Locks("update q set s = 1 where id = (select id from q for update skip locked limit 1)") ==
        Names{"q:3"});
}

TEST_CASE("calls of sequence functions", "[sites]") {
  if (!HasParser()) return;
  const StatementSites sites =
      One("select 1, nextval('s.q'::regclass) as id, lastval(), currval($1)");
  REQUIRE(sites.sequence_calls.size() == 3);
  CHECK(sites.sequence_calls[0].column == 1);
  CHECK(sites.sequence_calls[0].function == "nextval");
  CHECK(sites.sequence_calls[0].sequence == "s.q");
  CHECK(sites.sequence_calls[1].function == "lastval");
  CHECK(sites.sequence_calls[2].sequence.empty());
}

TEST_CASE("the shape of what a client sends to COPY is known", "[sites]") {
  if (!HasParser()) return;
  const auto shape = [](const std::string& text) { return FindValueSites(text).front().copy_in; };
  using Format = CopyShape::Format;
  CHECK_FALSE(shape("copy t to stdout"));
  CHECK_FALSE(shape("copy t from '/tmp/x'"));
  CHECK_FALSE(shape("copy t from program 'x'"));
  CHECK_FALSE(shape("insert into t values (1)"));
  const auto text = shape("copy s.t (b, a) from stdin");
  REQUIRE(text);
  CHECK(text->format == Format::kText);
  CHECK(text->delimiter == '\t');
  CHECK_FALSE(text->header);
  CHECK(shape("copy t from stdin (delimiter 'X')")->delimiter == 'X');
  CHECK(shape("copy t from stdin with binary")->format == Format::kBinary);
  const auto csv = shape("copy t from stdin with (format csv, header, quote '''', freeze off)");
  REQUIRE(csv);
  CHECK(csv->format == Format::kCsv);
  CHECK(csv->delimiter == ',');
  CHECK(csv->quote == '\'');
  CHECK(csv->escape == '\'');
  CHECK(csv->header);
  CHECK(shape("copy t from stdin csv header escape '\\'")->escape == '\\');
  CHECK(shape("copy t from stdin (format csv, header match)")->header);
  for (const std::string off : {"off", "false", "0"}) {
    CHECK_FALSE(shape("copy t from stdin (format csv, header " + off + ")")->header);
  }
}

TEST_CASE("statements of one text keep their order and their offsets", "[sites]") {
  if (!HasParser()) return;
  const std::string text =
      "select 'ä'; update t set a = 5 where id = 'ö';; select * from t where b=7";
  CHECK(FindValueSites(text).size() == 3);
  CHECK(Sites(text) == Names{"t.a:=5", "t.b=7!", "t.id='ö'!"});
  CHECK(FindValueSites(text).size() == AnalyzeQuery(text).size());
}

TEST_CASE("literals are read as the server reads them", "[sites]") {
  CHECK(LiteralValue("5") == "5");
  CHECK(LiteralValue("- 5") == "-5");
  CHECK(LiteralValue("1.5E3") == "1.5e3");
  CHECK(LiteralValue("'it''s'") == "it's");
  CHECK(LiteralValue("''") == "");
  CHECK(LiteralValue("E'a\\'b\\n\\x41\\101\\u00e4\\\\'") == "a'b\nAAä\\");
  CHECK(LiteralValue("$$a$$") == "a");
  CHECK(LiteralValue("$x$a$$b$x$") == "a$$b");
  CHECK(LiteralValue("TRUE") == "true");
  CHECK_FALSE(LiteralValue("NULL"));
  for (const char* none : {"", "'", "'a", "x", "$", "$1", "$a", "'a' ", "E'", "E'\\", "-", "--",
                           ".", "5 6", "$$", "$$$", "e'\\'"}) {
    INFO(none);
    CHECK_FALSE(LiteralValue(none));
  }
}

TEST_CASE("hostile text never breaks the search for sites", "[sites]") {
  const std::vector<std::string> texts = {
      "",
      ";",
      "selec 1",
      std::string("select 1\0 from t", 16),
      "select * from t where id = 'open",
      "select * from t where \xff = \xfe",
      "select * from t where id = " + std::string(3000, '(') + "5" + std::string(3000, ')'),
      "select * from t where id = 1" + std::string(20000, '+') + "1",
      std::string(100 * 1024, 'x'),
  };
  for (const std::string& text : texts) CHECK_FALSE(FindValueSites(text).empty());

  std::string deep = "select * from t where id = 1";
  for (int i = 0; i < 600; ++i) deep = "select * from (" + deep + ") q" + std::to_string(i);
  CHECK_FALSE(FindValueSites(deep).front().known);
  CHECK(FindValueSites(deep).front().sites.empty());

  const std::string seed =
      "with c as (insert into t (a) values (1, E'x\\'', $2) returning id) "
      "select * from u join v on (u.a, v.b) = (1, -2) where c.id = any('{1}') for update";
  base::Random random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string text = seed;
    for (int change = 0; change < 3; ++change) {
      text[random.Below(text.size())] = static_cast<char>(random.Below(256));
    }
    for (const StatementSites& statement : FindValueSites(text)) {
      for (const ValueSite& site : statement.sites) {
        CHECK(site.offset + site.length <= text.size());
      }
    }
  }
}

TEST_CASE("the cache of sites forgets the least recently used", "[sites]") {
  SitesCache cache(2);
  const std::string first = "select * from t where id = 1";
  const bool known = cache.GetAll(first).front().known;
  CHECK(known == HasParser());
  CHECK(cache.Get("select 2; select 3", 9).known == known);
  CHECK(cache.GetAll(first).front().sites.size() == (known ? 1u : 0u));
  CHECK(cache.GetAll("select 4").size() == 1);
  CHECK(cache.GetAll(first).size() == 1);
}

}  // namespace
}  // namespace scry::event
