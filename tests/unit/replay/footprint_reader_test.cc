#include "replay/footprint_reader.h"

#include <algorithm>
#include <string>
#include <vector>

#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

// public.t (id integer key, a, b), public.child (refers to t), public.log (no key), a view over t,
// one with a function that writes, a table with a trigger that may do anything.
class Session {
 public:
  Session() : reader_(facts_, Catalog()) { reader_.Start({}, trail_); }
  explicit Session(const std::string& options) : reader_(facts_, Catalog()) {
    event::SessionStart start;
    start.parameters = {{"user", "u"}, {"options", options}};
    reader_.Start(start, trail_);
  }

  const ExchangeFacts& Do(const std::vector<std::string>& texts, char status = 'T') {
    event::Exchange exchange;
    exchange.status = static_cast<uint8_t>(status);
    for (const std::string& text : texts) {
      event::Statement statement;
      statement.text = text;
      exchange.statements.push_back(std::move(statement));
    }
    // The BEGIN of what is open was seen.
    trail_.begun |= status != 'I' && !Begins(texts);
    if (status == 'I' && texts.size() == 1 && !Ends(texts)) trail_.begun = false;
    return last_ = reader_.Read(exchange, trail_);
  }
  const ExchangeFacts& DoExtended(const std::string& text,
                                  std::vector<std::optional<std::string_view>> values) {
    Script script;
    event::Exchange exchange = script.Send(1, Extended(text, std::move(values)), {text}, 'T');
    exchange.statements[0].message = 3;  // Execute.
    trail_.begun = true;
    return last_ = reader_.Read(exchange, trail_);
  }
  const ExchangeFacts& Do(const event::Exchange& exchange) {
    return last_ = reader_.Read(exchange, trail_);
  }
  const ExchangeFacts& last() const { return last_; }
  bool Touches(ObjectId object, Mode mode) const {
    return std::any_of(last_.footprint.touches.begin(), last_.footprint.touches.end(),
                       [&](const Access& a) { return a.object == object && a.mode == mode; });
  }
  uint64_t KeyOf(ObjectId object) const {
    for (const Access& access : last_.footprint.touches) {
      if (access.object == object) return access.key;
    }
    return 0;
  }
  bool Unknown() const { return Touches(kEverything, Mode::kDelete); }
  bool Releases(ObjectId object) const {
    return std::any_of(last_.footprint.releases.begin(), last_.footprint.releases.end(),
                       [&](const Access& access) { return access.object == object; });
  }
  Footprint End() const { return FootprintReader::End(trail_); }
  // Does it hold, in its open transaction, what another session's last statement needed?
  bool Holds(const Session& other) const {
    return HeldByOthers(2, other.last_.footprint, {{1, trail_}});
  }
  bool Listens() const { return trail_.listens; }

  static constexpr ObjectId kT = kFirstRelation;
  static constexpr ObjectId kChild = kFirstRelation + 1;
  static constexpr ObjectId kLog = kFirstRelation + 2;
  static constexpr ObjectId kStored = kFirstRelation + 7;

 private:
  static bool Begins(const std::vector<std::string>& texts) {
    return texts.front().starts_with("begin");
  }
  static bool Ends(const std::vector<std::string>& texts) {
    return texts.front().starts_with("commit") || texts.front().starts_with("rollback");
  }
  static RelationCatalog Catalog() {
    RelationCatalog catalog;
    RelationFacts& t = catalog.Put("public", "t");
    t.unique = true;
    t.key_column = "id";
    t.key_position = 1;
    t.guarded = {"id"};
    t.draws = {{"id", {99}}};
    RelationFacts& child = catalog.Put("public", "child");
    child.unique = true;
    child.key_column = "id";
    child.key_position = 1;
    child.meets_otherwise = true;
    child.parents = {t.object};
    t.referring = {child.object};
    catalog.Put("public", "log");
    RelationFacts& view = catalog.Put("public", "v");
    view.reads = {t.object};
    catalog.Put("public", "counted").reading_writes = true;
    catalog.Put("public", "triggered").writing_unknown = true;
    catalog.Put("public", "stamped").calls_functions = true;
    catalog.Put("public", "stored").made_of = {t.object};
    RelationFacts& later = catalog.Put("public", "later");
    later.put_off = {t.object};
    later.put_off_calls = FunctionClass::kReads;
    catalog.PutFunction("touch", FunctionClass::kWrites);
    catalog.PutFunction("look", FunctionClass::kReads);
    catalog.PutFunction("lower", FunctionClass::kHarmless);
    catalog.PutOperator("<!>");
    return catalog;
  }
  event::FactsCache facts_;
  FootprintReader reader_;
  SessionTrail trail_;
  ExchangeFacts last_;
};

#ifdef SCRY_HAVE_PG_QUERY

TEST_CASE("plain reads touch what they name", "[replay]") {
  for (const char* text :
       {"select * from t where a = $1", "with x as (select a from public.t) select * from x",
        "copy t to stdout", "declare c cursor for select * from t", "select lower(b) from t",
        "select * from v", "select 1 where exists (select from \"t\")",
        "explain select * from t"}) {
    INFO(text);
    Session session;
    const ExchangeFacts& facts = session.Do({text});
    CHECK(facts.only_reads);
    CHECK(session.Touches(Session::kT, Mode::kRead));
    CHECK(facts.footprint.touches.size() == 1);
    CHECK(facts.footprint.releases.empty());
  }
}

TEST_CASE("what names nothing touches nothing", "[replay]") {
  for (const char* text :
       {"select 1", "begin", "savepoint a", "set work_mem = '1MB'", "show all",
        "select current_timestamp, current_user", "values (1)", "select * from pg_catalog.pg_class",
        "prepare p as select * from t", "with t as (select 1 as a) select * from t"}) {
    INFO(text);
    Session session;
    CHECK(session.Do({text}).footprint.empty());
  }
}

TEST_CASE("rows are told apart by their key, in every form", "[replay]") {
  Session session;
  session.Do({"update t set a = 1 where id = 5"});
  const uint64_t five = session.KeyOf(Session::kT);
  CHECK(five != 0);
  CHECK(session.Touches(Session::kT, Mode::kUpdate));
  session.Do({"select * from t where id = '5' and a > 3"});
  CHECK(session.KeyOf(Session::kT) == five);
  session.DoExtended("delete from t where id = $1", {"5"});
  CHECK(session.KeyOf(Session::kT) == five);
  session.DoExtended("update t set a = a + $1 where id = $2", {"1", "6"});
  CHECK(session.KeyOf(Session::kT) != five);
  CHECK(session.KeyOf(Session::kT) != 0);
}

TEST_CASE("without one certain key all rows are meant", "[replay]") {
  for (const char* text :
       {"update t set a = 1 where id = 5 or a = 2", "update t set a = 1 where id > 5",
        "update t set a = 1 where a = 5", "update t set id = 6 where id = 5",
        "update t set a = 1 from child where id = 5",
        "select * from t where id = 5 or id in (select id from t)"}) {
    INFO(text);
    Session session;
    session.Do({text});
    CHECK(session.KeyOf(Session::kT) == 0);
  }
}

TEST_CASE("inserts draw from sequences, look up parents and meet on keys", "[replay]") {
  Session session;
  session.Do({"insert into t (a) values (1)"});
  CHECK(session.Touches(Session::kT, Mode::kInsert));
  CHECK(session.Touches(kSequences, Mode::kUpdate));
  session.Do({"insert into t (id, a) values (7, 1)"});
  CHECK_FALSE(session.Touches(kSequences, Mode::kUpdate));
  session.Do({"insert into child values (1, 7)"});
  CHECK(session.Touches(Session::kChild, Mode::kInsert));
  CHECK(session.Touches(Session::kT, Mode::kKeyShare));
  session.Do({"insert into log select a from t"});
  CHECK(session.Touches(Session::kLog, Mode::kAppend));
  CHECK(session.Touches(Session::kT, Mode::kRead));
  session.Do({"delete from t where id = 5"});
  CHECK(session.Touches(Session::kChild, Mode::kRead));
}

TEST_CASE("new rows are told apart by their key where nothing else can make them meet",
          "[replay]") {
  Session session;
  session.Do({"select * from t where id = 5"});
  const uint64_t five = session.KeyOf(Session::kT);
  for (const char* text : {"insert into t (a, id) values (1, 5)", "insert into t values (5, 1)"}) {
    INFO(text);
    session.Do({text});
    CHECK(session.Touches(Session::kT, Mode::kInsert));
    CHECK(session.KeyOf(Session::kT) == five);
  }
  session.DoExtended("insert into t (id) values ($1)", {"5"});
  CHECK(session.KeyOf(Session::kT) == five);
  session.Do({"insert into t values (5, 1), (6, 1)"});
  CHECK(session.last().footprint.touches.size() >= 2);
  CHECK(session.KeyOf(Session::kT) == five);
  for (const char* text :
       {"insert into t (a) values (1)", "insert into t (id) values (default)",
        "insert into t (id) values (5), (default)", "insert into t (id) values (1 + 4)",
        "insert into t select 5", "copy t from stdin"}) {
    INFO(text);
    session.Do({text});
    CHECK(session.Touches(Session::kT, Mode::kInsert));
    CHECK(session.KeyOf(Session::kT) == 0);
  }
  session.Do({"insert into child values (5, 7)"});
  CHECK(session.KeyOf(Session::kChild) == 0);
}

TEST_CASE("queries with a snapshot of their own can be read again", "[replay]") {
  const auto rereadable = [](Session& session, const std::string& text) {
    Script script;
    event::Exchange& query = script.Query(1, text, 'T');
    query.statements[0].outcome.tag = "SELECT 0";
    return session.Do(query).rereadable;
  };
  Session session;
  session.Do({"begin"});
  CHECK(rereadable(session, "select * from t where a = 1"));
  for (const char* text :
       {"select * from t for update", "select touch(1) from t", "select 1", "select * from counted",
        "copy t to stdout", "fetch 1 from c", "update t set a = 1 where id = 5"}) {
    INFO(text);
    CHECK_FALSE(rereadable(session, text));
  }
  session.Do({"commit"}, 'I');
  session.Do({"begin isolation level repeatable read"});
  CHECK_FALSE(rereadable(session, "select * from t where a = 1"));
}

TEST_CASE("several statements read by one snapshot where their transaction has one", "[replay]") {
  const std::vector<std::string> two = {"select * from t", "select * from log"};
  Session session;
  CHECK(session.Do({"select * from t"}, 'I').one_snapshot);
  CHECK_FALSE(session.Do(two, 'I').one_snapshot);
  CHECK(session.Do({"begin", "select * from t"}).one_snapshot);
  CHECK_FALSE(session.Do(two).one_snapshot);
  CHECK(session.Do({"commit"}, 'I').one_snapshot);
  CHECK(session.Do({"begin isolation level repeatable read", two[0], two[1]}).one_snapshot);
  CHECK(session.Do(two).one_snapshot);
  CHECK_FALSE(session.Do({"commit", two[0], two[1]}, 'I').one_snapshot);
}

TEST_CASE("preparing a query takes the snapshot of its transaction", "[replay]") {
  for (const char* level : {"repeatable read", "read committed"}) {
    Session session;
    session.Do({std::string("begin isolation level ") + level});
    const auto prepare = [&](const char* text) {
      wire::Parse parse;
      parse.name = "p";
      parse.text = text;
      Script script;
      return session.Do(script.Send(1, wire::EncodeParse(parse) + wire::EncodeSync(), {}, 'T'));
    };
    CHECK(prepare("set local work_mem = '1MB'").footprint.empty());
    const bool keeps = std::string(level) == "repeatable read";
    CHECK(prepare("select 1").takes_snapshot == keeps);
    CHECK(session.Touches(kEverything, Mode::kRead) == keeps);
    CHECK_FALSE(session.Do({"select * from t"}).takes_snapshot);
  }
}

TEST_CASE("row locks are taken as they are asked for", "[replay]") {
  Session session;
  session.Do({"select * from t where id = 5 for no key update"});
  CHECK(session.Touches(Session::kT, Mode::kUpdate));
  session.Do({"select * from t for update skip locked limit 1"});
  CHECK(session.Touches(Session::kT, Mode::kDelete));
  session.Do({"select * from t for key share"});
  CHECK(session.Touches(Session::kT, Mode::kKeyShare));
}

TEST_CASE("what may do anything touches everything", "[replay]") {
  for (const char* text :
       {"call p()", "do $$ begin end $$", "select touch(1)", "select * from counted",
        "insert into triggered values (1)", "update unheard_of set a = 1", "select 1 <!> 2",
        "this is no sql", "(function call 1574)", "", "execute unheard_of(1)",
        "select unheard_of(1)", "select * from t; this is no sql"}) {
    INFO(text);
    Session session;
    session.Do({text});
    CHECK(session.Unknown());
  }
}

TEST_CASE("what may look at anything reads everything", "[replay]") {
  Session session;
  session.Do({"select look(1)"});
  CHECK(session.Touches(kEverything, Mode::kRead));
  CHECK_FALSE(session.Unknown());
}

TEST_CASE("schema changes and table locks are alone, temporary tables nobody's business",
          "[replay]") {
  for (const char* text :
       {"create table x (a int)", "alter table t add b int", "lock table nowhere",
        "truncate t cascade", "truncate triggered", "create index i on t (a)", "vacuum full",
        "create unique index concurrently i on nowhere (a)", "prepare transaction 'x'",
        "commit prepared 'x'", "drop table t"}) {
    INFO(text);
    Session session;
    CHECK(session.Do({text}).footprint.barrier);
  }
  Session session;
  CHECK(session.Do({"create temp table cart (a int)"}).footprint.empty());
  CHECK(session.Do({"insert into cart values (1)"}).footprint.empty());
  CHECK(session.Do({"truncate cart"}).footprint.empty());
  CHECK(session.Do({"drop table cart"}).footprint.empty());
}

TEST_CASE("what takes whole relations leaves the others alone", "[replay]") {
  for (const char* text :
       {"lock table t in share mode", "lock t", "truncate t", "vacuum (full) t",
        "create index concurrently i on t (a)", "reindex table concurrently t"}) {
    INFO(text);
    Session session;
    const ExchangeFacts& facts = session.Do({text});
    CHECK_FALSE(facts.footprint.barrier);
    CHECK(facts.footprint.touches == std::vector<Access>{{Session::kT, 0, Mode::kTable}});
    CHECK_FALSE(facts.only_reads);
    session.Do({"commit"}, 'I');
    CHECK(session.Releases(Session::kT));
  }
  Session session;
  session.Do({"refresh materialized view stored"}, 'I');
  CHECK(session.Touches(Session::kT, Mode::kRead));
  CHECK(session.Touches(Session::kStored, Mode::kTable));
  CHECK_FALSE(session.last().footprint.barrier);
}

TEST_CASE("upkeep touches nothing", "[replay]") {
  for (const char* text :
       {"vacuum t", "vacuum (analyze) t", "vacuum", "analyze", "analyze t (a)", "checkpoint"}) {
    INFO(text);
    CHECK(Session().Do({text}, 'I').footprint.empty());
  }
}

TEST_CASE("what the traffic itself makes or changes is not known any more", "[replay]") {
  for (const char* text :
       {"create trigger x before insert on t for each row execute function f()",
        "create rule r as on insert to t do also insert into log values (1)",
        "create policy p on t using (a > 0)", "alter table t enable row level security",
        "create unique index i on t (a)", "alter table t add foreign key (a) references other",
        "alter table t alter a set default touch(1)", "alter table other rename to t",
        "create table part partition of t for values in (1)"}) {
    INFO(text);
    Session session;
    CHECK(session.Do({text}, 'I').footprint.barrier);
    session.Do({"update t set a = 1 where id = 5"}, 'I');
    CHECK(session.Unknown());
    session.Do({"select * from v"}, 'I');  // A view over it.
    CHECK(session.Touches(kEverything, Mode::kRead));
  }
  for (const char* text :
       {"alter table t add c int not null default 5", "create index i on t (a)", "truncate t",
        "create view w as select * from t", "create table x as select * from t",
        "alter table t drop c", "comment on table t is 'x'", "alter table log rename to logged"}) {
    INFO(text);
    Session session;
    session.Do({text}, 'I');
    session.Do({"update t set a = 1 where id = 5"}, 'I');
    CHECK_FALSE(session.Unknown());
  }
  Session session;
  session.Do({"select lower(b) from t"}, 'I');
  CHECK_FALSE(session.Unknown());
  session.Do({"create function pg_temp.lower(text) returns text language sql as 'x'"}, 'I');
  session.Do({"create function fresh(text) returns text language sql as 'x'"}, 'I');
  session.Do({"insert into stamped values (1)"}, 'I');
  CHECK_FALSE(session.Unknown());
  session.Do({"create or replace function public.lower(text) returns text language sql as 'x'"},
             'I');
  session.Do({"select lower(b) from t"}, 'I');
  CHECK(session.Unknown());
  session.Do({"insert into stamped values (1)"}, 'I');  // Its trigger may call it.
  CHECK(session.Unknown());
}

TEST_CASE("DDL that failed changed nothing", "[replay]") {
  Session session;
  Script script;
  event::Exchange& exchange = script.Query(1, "create unique index i on t (a)", 'I');
  exchange.statements[0].outcome.status = event::OutcomeStatus::kError;
  session.Do(exchange);
  session.Do({"update t set a = 1 where id = 5"}, 'I');
  CHECK_FALSE(session.Unknown());
}

TEST_CASE("what an error before it kept from running touches nothing and begins nothing",
          "[replay]") {
  Session session;
  event::Exchange exchange;
  exchange.status = 'I';
  for (const char* text : {"select b from t where id = 'x'", "begin", "delete from log"}) {
    event::Statement& statement = exchange.statements.emplace_back();
    statement.text = text;
    statement.outcome.status = exchange.statements.size() == 1 ? event::OutcomeStatus::kError
                                                               : event::OutcomeStatus::kSkipped;
  }
  session.Do(exchange);
  CHECK_FALSE(session.Unknown());
  CHECK(session.Touches(Session::kLog, Mode::kDelete));
  session.Do({"update t set a = 1 where id = 5"}, 'I');
  CHECK_FALSE(session.Unknown());
}

TEST_CASE("a transaction's end lets go of all it changed or locked", "[replay]") {
  Session session;
  session.Do({"begin"});
  session.Do({"update t set a = 1 where id = 5"});
  CHECK_FALSE(session.Releases(Session::kT));
  session.Do({"insert into log values (1)"});
  const ExchangeFacts& end = session.Do({"commit"}, 'I');
  CHECK(end.only_ends);
  CHECK(end.footprint.touches.empty());
  CHECK(session.Releases(Session::kT));
  CHECK(session.Releases(Session::kLog));
  CHECK(session.Do({"commit"}, 'I').footprint.empty());
}

TEST_CASE("a COMMIT looks up what was put off to it", "[replay]") {
  Session session;
  session.Do({"begin"});
  session.Do({"insert into later values (1)"});
  CHECK_FALSE(session.Touches(Session::kT, Mode::kKeyShare));
  session.Do({"set constraints all immediate"});
  CHECK(session.Touches(Session::kT, Mode::kKeyShare));
  session.Do({"commit"}, 'I');
  CHECK(session.Touches(Session::kT, Mode::kKeyShare));
  CHECK(session.Touches(kEverything, Mode::kRead));
  session.Do({"begin"});
  session.Do({"commit"}, 'I');
  CHECK(session.last().footprint.touches.empty());
  session.Do({"begin"});
  session.Do({"insert into later values (1)"});
  session.Do({"rollback"}, 'I');
  CHECK(session.last().footprint.touches.empty());
  session.Do({"insert into later values (1)"}, 'I');
  CHECK(session.Touches(Session::kT, Mode::kKeyShare));
}

TEST_CASE("what changes who may connect is told", "[replay]") {
  Session session;
  const auto changes = [&](const std::string& text) {
    session.Do({text}, 'I');
    return FootprintReader::ChangesLogins(session.last().footprint);
  };
  for (const char* text :
       {"create role r login", "alter role r set search_path = b", "grant a to r",
        "alter database d connection limit 5", "revoke connect on database d from public",
        "drop owned by r", "create user r"}) {
    INFO(text);
    CHECK(changes(text));
    CHECK(session.last().footprint.barrier);
  }
  for (const char* text : {"create table n (a int)", "grant select on t to r", "select 1",
                           "alter table t add column c int"}) {
    INFO(text);
    CHECK_FALSE(changes(text));
  }
  session.Do({"begin"});
  session.Do({"create role r"});
  session.Do({"commit"}, 'I');
  CHECK(FootprintReader::ChangesLogins(session.last().footprint));
}

TEST_CASE("limits of idle time are read wherever a session sets them", "[replay]") {
  const auto limit = [](const std::string& text) {
    Session session;
    return session.Do({text}, 'I').idle_limit_us;
  };
  CHECK(limit("select 1") == 0);
  CHECK(limit("set idle_session_timeout = 0") == 0);
  CHECK(limit("set idle_session_timeout to default") == 0);
  CHECK(limit("set idle_session_timeout to 1500") == 1500 * 1000);
  CHECK(limit("SET LOCAL Idle_In_Transaction_Session_Timeout = '1.5 min'") == 90 * 1000 * 1000);
  CHECK(limit("select set_config('idle_session_timeout', '2s', false)") == 2 * 1000 * 1000);
  Session started("-c idle_in_transaction_session_timeout=30s");
  CHECK(started.Do({"select 1"}, 'I').idle_limit_us == 30 * 1000 * 1000);
  CHECK(started.Do({"set idle_session_timeout = 20"}, 'I').idle_limit_us == 20 * 1000);
  CHECK(started.Do({"set idle_session_timeout = 0"}, 'I').idle_limit_us == 20 * 1000);
}

TEST_CASE("a write that found no row holds none", "[replay]") {
  for (const char* tag : {"UPDATE 0", "UPDATE 1"}) {
    Session session;
    session.Do({"begin"});
    Script script;
    event::Exchange& update = script.Query(1, "update t set a = 1 where id = 5", 'T');
    update.statements[0].outcome.tag = tag;
    session.Do(update);
    CHECK(session.Touches(Session::kT, Mode::kUpdate));
    session.Do({"commit"}, 'I');
    CHECK(session.Releases(Session::kT) == (std::string(tag) == "UPDATE 1"));
  }
}

TEST_CASE("an error lets go at once", "[replay]") {
  Session session;
  session.Do({"begin"});
  session.Do({"update t set a = 1 where id = 5"});
  session.Do({"select nonsense from t"}, 'E');
  CHECK(session.Releases(Session::kT));
  // A lane on which it did not fail still holds them.
  session.Do({"commit"}, 'I');
  CHECK(session.Releases(Session::kT));
  session.Do({"begin"});
  session.Do({"update t set a = 1 where id = 5"});
  session.Do({"savepoint a"});
  session.Do({"select nonsense from t"}, 'E');
  session.Do({"rollback to a"});
  session.Do({"commit"}, 'I');
  CHECK(session.Releases(Session::kT));
}

TEST_CASE("chained and combined commits end a transaction too", "[replay]") {
  Session session;
  session.Do({"begin"});
  session.Do({"update t set a = 1"});
  session.Do({"commit and chain"});
  CHECK(session.Releases(Session::kT));
  session.Do({"update t set a = 1"}, 'I');
  CHECK(session.Releases(Session::kT));
}

TEST_CASE("the isolation of transactions may be set in many ways", "[replay]") {
  const auto takes = [](Session& session) {
    session.Do({"begin"});
    return session.Do({"select * from t"}).takes_snapshot;
  };
  for (const char* options : {R"(-c default_transaction_isolation=repeatable\ read)",
                              "-c work_mem=8MB --default-transaction-isolation=serializable"}) {
    Session session{std::string(options)};
    CHECK(takes(session));
  }
  Session plain(R"(-c default_transaction_isolation=read\ committed -c work_mem=8MB)");
  CHECK_FALSE(takes(plain));
  Session text;
  text.Do({"select set_config('default_transaction_isolation', 'repeatable read', false)"}, 'I');
  CHECK(takes(text));
  Session bound;
  bound.DoExtended("select set_config($1, $2, true)", {"transaction_isolation", "serializable"});
  CHECK(bound.Do({"select * from t"}).takes_snapshot);
  Session other;
  other.Do({"select set_config('app.note', 'serializable', false)"}, 'I');
  CHECK_FALSE(takes(other));
}

TEST_CASE("a snapshot of the whole transaction is taken with its first statement", "[replay]") {
  Session session;
  session.Do({"begin isolation level repeatable read"});
  session.Do({"select * from t"});
  CHECK(session.Touches(kEverything, Mode::kRead));
  session.Do({"select * from t"});
  CHECK_FALSE(session.Touches(kEverything, Mode::kRead));
  session.Do({"commit"}, 'I');
  session.Do({"begin"});
  session.Do({"select * from t"});
  CHECK_FALSE(session.Touches(kEverything, Mode::kRead));
}

TEST_CASE("fetching from a cursor that locks or draws does so", "[replay]") {
  Session session;
  session.Do({"begin"});
  session.Do({"declare c cursor for select * from t for update"});
  session.Do({"fetch 10 from c"});
  CHECK(session.Touches(Session::kT, Mode::kDelete));
  session.Do({"commit"}, 'I');
  session.Do({"begin"});
  session.Do({"declare c cursor for select * from t"});
  CHECK(session.Do({"fetch 10 from c"}).footprint.empty());
}

TEST_CASE("a prepared statement of SQL touches what it was prepared to", "[replay]") {
  Session session;
  session.Do({"prepare p (int) as update t set a = 1 where id = $1"});
  session.Do({"execute p(5)"});
  CHECK(session.Touches(Session::kT, Mode::kDelete));
  CHECK(session.KeyOf(Session::kT) == 0);
}

TEST_CASE("a key written into a prepared statement of SQL is known when it is executed",
          "[replay]") {
  Session session;
  session.Do({"prepare p (int) as select a from t where id = 5 and a > $1"});
  session.Do({"execute p(1)"});
  const uint64_t five = session.KeyOf(Session::kT);
  CHECK(five != 0);
  session.Do({"select a from t where id = 5"});
  CHECK(session.KeyOf(Session::kT) == five);
}

TEST_CASE("advisory locks of a session outlive its transactions", "[replay]") {
  Session session;
  session.Do({"select pg_advisory_lock(1)"}, 'I');
  CHECK(session.Touches(kAdvisoryLocks, Mode::kUpdate));
  session.Do({"select 1"}, 'I');
  CHECK(session.End().releases.size() == 1);
}

TEST_CASE("who goes round locks or gives up at them is told", "[replay]") {
  Session session;
  const ExchangeFacts& take =
      session.Do({"select id from t where a = 1 order by id for update skip locked limit 1"});
  CHECK(take.passes_locks);
  CHECK(take.queues == std::vector<ObjectId>{Session::kT});
  CHECK(take.rows.empty());
  const ExchangeFacts& next = session.Do({"update t set a = 2 where id = 5"});
  CHECK_FALSE(next.passes_locks);
  REQUIRE(next.rows.size() == 1);
  CHECK(next.rows[0].object == Session::kT);
  CHECK(next.rows[0].key == 5);
  session.DoExtended("delete from t where id = $1", {"-7"});
  REQUIRE(session.last().rows.size() == 1);
  CHECK(session.last().rows[0].key == -7);

  const std::string_view row("\0\0\0\7\0\1\0\0\0\1", 10);
  for (const char answer : {'t', 'f', '\1', '\0'}) {
    event::Exchange exchange;
    exchange.status = 'T';
    exchange.statements.resize(1);
    exchange.statements[0].text = "select pg_try_advisory_lock(1)";
    exchange.statements[0].outcome.values = std::string(row) + answer;
    CHECK(session.Do(exchange).passes_locks == (answer == 'f' || answer == '\0'));
  }
}

TEST_CASE("advisory locks let go inside a transaction are free at once", "[replay]") {
  Session session;
  session.Do({"begin"});
  session.Do({"update t set a = 1 where id = 5"});
  const ExchangeFacts& unlock = session.Do({"select pg_advisory_unlock(7)"});
  CHECK(unlock.only_unlocks);
  CHECK(session.Releases(kAdvisoryLocks));
  CHECK_FALSE(session.Releases(Session::kT));
  CHECK_FALSE(session.Do({"select pg_advisory_unlock(id) from t"}).only_unlocks);
  CHECK_FALSE(session.Do({"select pg_advisory_lock(7)"}).only_unlocks);
}

event::Exchange Sent(const std::vector<std::string>& texts, char status) {
  event::Exchange exchange;
  exchange.status = static_cast<uint8_t>(status);
  for (const std::string& text : texts) {
    exchange.statements.emplace_back().text = text;
    exchange.statements.back().outcome.status = event::OutcomeStatus::kDone;
  }
  return exchange;
}

TEST_CASE("a transaction that is not whole in the capture may do anything at any time",
          "[replay]") {
  Session session;
  // Its BEGIN is missing: a lane commits each statement.
  session.Do(Sent({"update t set a = 1 where id = 5"}, 'T'));
  CHECK(session.Unknown());
  CHECK(session.Releases(Session::kT));
  session.Do(Sent({"select a from t where id = 5"}, 'T'));
  CHECK(session.Unknown());
  session.Do(Sent({"commit"}, 'I'));
  session.Do(Sent({"update t set a = 1 where id = 5"}, 'I'));
  CHECK_FALSE(session.Unknown());
  // Its end is missing: a lane leaves it open.
  session.Do(Sent({"begin"}, 'T'));
  session.Do(Sent({"update t set a = 1 where id = 6"}, 'T'));
  CHECK_FALSE(session.Unknown());
  session.Do(Sent({"update t set a = 1 where id = 5"}, 'I'));
  CHECK(session.Unknown());
  CHECK(session.Releases(Session::kT));
}

TEST_CASE("every way to end a transaction lets go of what it held", "[replay]") {
  const std::string change = "update t set a = 1 where id = 5";
  const std::vector<std::vector<event::Exchange>> ways = {
      {Sent({"begin"}, 'T'), Sent({change}, 'T'), Sent({"commit and chain"}, 'T')},
      {Sent({"begin"}, 'T'), Sent({change}, 'T'), Sent({"rollback and chain"}, 'T')},
      {Sent({"begin"}, 'T'), Sent({change}, 'T'), Sent({"end"}, 'I')},
      {Sent({"begin"}, 'T'), Sent({change}, 'T'), Sent({"abort"}, 'I')},
      {Sent({"begin", change, "commit"}, 'I')},               // Of one Query message.
      {Sent({change, "select a from t where id = 5"}, 'I')},  // Without BEGIN: one transaction.
      {Sent({"begin", change}, 'T'), Sent({"commit", "begin"}, 'T')}};
  for (const auto& way : ways) {
    INFO(way.back().statements.front().text.str());
    Session session;
    for (const event::Exchange& exchange : way) session.Do(exchange);
    CHECK(session.Releases(Session::kT));
    CHECK_FALSE(session.Unknown());
  }
}

TEST_CASE("what ends in another session, or inside of a procedure, waits for nobody's guess",
          "[replay]") {
  Session session;
  session.Do(Sent({"begin"}, 'T'));
  session.Do(Sent({"update t set a = 1 where id = 5"}, 'T'));
  // The locks outlive the session: whoever commits it is alone, and so is this.
  CHECK(session.Do(Sent({"prepare transaction 'x'"}, 'I')).footprint.barrier);
  CHECK(session.Releases(Session::kT));
  CHECK(session.Do(Sent({"commit prepared 'x'"}, 'I')).footprint.barrier);
  CHECK(session.Do(Sent({"rollback prepared 'x'"}, 'I')).footprint.barrier);
  // Commits inside, whatever it did.
  session.Do(Sent({"call work()"}, 'I'));
  CHECK(session.Unknown());
  CHECK(session.Releases(kEverything));
  session.Do(Sent({"do $$ begin commit; end $$"}, 'I'));
  CHECK(session.Unknown());
  CHECK(session.Releases(kEverything));
}

TEST_CASE("a text too long to parse is not judged by its first word", "[replay]") {
  std::string bulk = "begin; insert into t values (0)";
  while (bulk.size() < 100 * 1024) bulk += ", (1)";
  Session session;
  session.Do({bulk + "; commit"}, 'I');
  CHECK(session.Unknown());
  CHECK(session.Releases(kEverything));
}

#endif

TEST_CASE("statements prepared before the capture may do anything", "[replay]") {
  Session session;
  session.Do({""});
  CHECK(session.Unknown());
}

TEST_CASE("who needs what an open transaction holds is found", "[replay]") {
  Session holder;
  Session other;
  other.Do({"select * from t where id = 1 for update nowait"}, 'E');
  CHECK_FALSE(holder.Holds(other));
  holder.Do({"begin"});
  holder.Do({"update t set a = 1 where id = 1"});
  CHECK(holder.Holds(other));
  other.Do({"select * from t where id = 2 for update nowait"}, 'E');
  CHECK_FALSE(holder.Holds(other));
  other.Do({"select * from t where id = 1"}, 'I');
  CHECK_FALSE(holder.Holds(other));
  other.Do({"lock table t in access exclusive mode nowait"}, 'E');
  CHECK(holder.Holds(other));
  holder.Do({"commit"}, 'I');
  CHECK_FALSE(holder.Holds(other));
  holder.Do({"begin"});
  holder.Do({"lock table t"});
  other.Do({"update t set a = 2 where id = 2"}, 'E');
  CHECK(holder.Holds(other));
}

TEST_CASE("who needs an advisory lock that a session holds is found", "[replay]") {
  Session holder;
  Session other;
  other.Do({"select pg_advisory_lock(1)"}, 'I');
  CHECK_FALSE(holder.Holds(other));
  holder.Do({"select pg_advisory_lock(1)"}, 'I');
  CHECK(holder.Holds(other));
}

TEST_CASE("a temporary table hides no real one of its name", "[replay]") {
  // It may have gone with its transaction, by ROLLBACK or ON COMMIT DROP.
  Session session;
  session.Do({"create temp table t (id int)"}, 'I');
  session.Do({"select * from t"}, 'I');
  CHECK(session.Touches(Session::kT, Mode::kRead));
  session.Do({"truncate t"}, 'I');
  CHECK(session.Touches(Session::kT, Mode::kTable));
  CHECK(session.Do({"truncate pg_temp.t"}, 'I').footprint.empty());
}

TEST_CASE("a temporary copy reads what it is made from, and leaves it real", "[replay]") {
  for (const char* text :
       {"create temp table x as select a from t", "create temp table x (like t)",
        "select a into temp x from t", "create temp view v2 as select a from t"}) {
    INFO(text);
    Session session;
    const ExchangeFacts& facts = session.Do({text}, 'I');
    CHECK_FALSE(facts.footprint.barrier);
    CHECK(session.Touches(Session::kT, Mode::kRead));
    CHECK_FALSE(session.Unknown());
    session.Do({"update t set a = 1 where id = 5"}, 'I');
    CHECK(session.Touches(Session::kT, Mode::kUpdate));
    session.Do({"select * from v2"}, 'I');
    CHECK(session.Touches(kEverything, Mode::kRead));
  }
  Session session;
  session.Do({"create temp table x as select touch(a) from t for update"}, 'I');
  CHECK(session.Unknown());
  session.Do({"create temp table y as select a from t where id = 5 for update"}, 'T');
  CHECK(session.Touches(Session::kT, Mode::kDelete));
  CHECK(session.Do({"insert into y values (1)"}).footprint.empty());
  CHECK(session.Do({"select a into z from t"}).footprint.barrier);
  session.Do({"create temp table q as execute p(1)"}, 'I');
  CHECK(session.Unknown());
}

TEST_CASE("LISTEN keeps its place among notifications", "[replay]") {
  Session session;
  session.Do({"listen orders"}, 'I');
  CHECK(session.Touches(kNotifications, Mode::kUpdate));
  CHECK_FALSE(session.Unknown());
  CHECK(session.Listens());
}

}  // namespace
}  // namespace scry::replay
