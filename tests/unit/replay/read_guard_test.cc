#include "replay/read_guard.h"

#include <string>

#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

class GuardFixture {
 public:
  GuardFixture() : guard_(facts_, Hidden()) {}

  bool Query(const std::string& sql) {
    Script script;
    return guard_.MayRun(script.Query(1, sql));
  }
  bool May(const event::Exchange& exchange) { return guard_.MayRun(exchange); }
  bool Bytes(const std::string& bytes, const std::vector<std::string>& texts) {
    Script script;
    return guard_.MayRun(script.Send(1, bytes, texts));
  }

 private:
  static HiddenWrites Hidden() {
    HiddenWrites hidden;
    hidden.functions = {"nextval", "set_config", "log_access", "random"};
    hidden.relations = {"audited"};
    hidden.operators = {"<=>"};
    return hidden;
  }
  event::FactsCache facts_;
  ReadGuard guard_;
};

#ifdef SCRY_HAVE_PG_QUERY

TEST_CASE_METHOD(GuardFixture, "what only reads may run", "[replay]") {
  for (const char* sql : {"select 1",
                          "select count(*) from t where a = 'insert'",
                          "table t",
                          "show search_path",
                          "values (1)",
                          "explain select * from t",
                          "explain analyze select * from t",
                          "begin",
                          "start transaction isolation level serializable, read only",
                          "commit",
                          "end",
                          "rollback",
                          "rollback to s",
                          "savepoint s",
                          "set search_path = a, b",
                          "set local work_mem = '1MB'",
                          "set time zone 'UTC'",
                          "set transaction isolation level repeatable read",
                          "reset all",
                          "discard all",
                          "deallocate p",
                          "declare c cursor for select 1",
                          "fetch 10 from c",
                          "close c",
                          "copy t to stdout",
                          "copy (select 1) to stdout with csv",
                          "select 1; select 2"}) {
    CAPTURE(sql);
    CHECK(Query(sql));
  }
}

TEST_CASE_METHOD(GuardFixture, "what was prepared by SQL and only reads may be executed",
                 "[replay]") {
  CHECK_FALSE(Query("execute p"));
  CHECK(Query("prepare p (int, text) as select * from t where a = $1 and b <> 'x as y'"));
  CHECK(Query("PREPARE q AS VALUES (1)"));
  CHECK(Query("execute p (1, 'x')"));
  CHECK(Query("EXECUTE q"));
  CHECK(Query("execute q;"));
  CHECK(Query("prepare r as select 2; execute r"));
  CHECK_FALSE(Query("execute p (nextval('s'), 'x')"));
  CHECK_FALSE(Query("execute p ((select log_access(1)), 'x')"));
  CHECK_FALSE(Query("execute p (1 <=> 2, 'x')"));
  CHECK_FALSE(Query("create table u as execute p (1, 'x')"));
  CHECK_FALSE(Query("execute unheard_of"));
  CHECK_FALSE(Query("execute p; drop table t"));
  // Of another session.
  Script script;
  CHECK_FALSE(May(script.Query(2, "execute p (1, 'x')")));
  for (const char* sql :
       {"prepare w as select nextval('s')", "prepare w as select 1 <=> 2",
        "prepare w as select * from audited", "prepare w as select * from t for update",
        "prepare w as delete from t returning a", "prepare \"w as select 1\" as delete from t",
        "prepare w /* as select 1 */ as delete from t", "prepare w as execute p (1, 'x')",
        "prepare w as with x as (delete from t returning a) select a from x"}) {
    CAPTURE(sql);
    CHECK_FALSE(Query(sql));
    CHECK_FALSE(Query("execute w"));
  }
}

#endif

TEST_CASE_METHOD(GuardFixture, "what writes, or may write, is refused", "[replay]") {
  for (const char* sql : {"insert into t values (1)",
                          "update t set a = 1",
                          "delete from t",
                          "truncate t",
                          "select * from t for update",
                          "select * into u from t",
                          "create table u (a int)",
                          "select nextval('s')",
                          "select pg_catalog.nextval('s')",
                          "select * from audited",
                          "select * from public.audited",
                          "select a <=> b from t",
                          "select Log_Access(1)",
                          "with x as (insert into t values (1) returning a) select * from x",
                          "explain analyze insert into t values (1)",
                          "select 1; drop table t",
                          "copy t from stdin",
                          "copy t to '/tmp/x'",
                          "copy t to program 'sh'",
                          "copy (select 1 as \" to stdout\") to '/tmp/x'",
                          "begin read write",
                          "start transaction read write",
                          "set transaction read write",
                          "set default_transaction_read_only = off",
                          "set session transaction_read_only to off",
                          "SET \"default_transaction_read_only\" = off",
                          "set U&\"default\\005ftransaction_read_only\" = off",
                          "set session characteristics as transaction read write",
                          "set session authorization x",
                          "select set_config('default_transaction_read_only', 'off', false)",
                          "prepare p as insert into t values (1)",
                          "execute p",
                          "commit prepared 'x'",
                          "prepare transaction 'x'",
                          "call p()",
                          "do 'begin end'",
                          "notify c",
                          "vacuum",
                          "lock t",
                          "this is no SQL",
                          "select random()",
                          ""}) {
    CAPTURE(sql);
    CHECK_FALSE(Query(sql));
  }
}

TEST_CASE_METHOD(GuardFixture, "the messages are judged, whatever the capture says of them",
                 "[replay]") {
  CHECK_FALSE(Bytes(wire::EncodeQuery("drop table t"), {"select 1"}));
  CHECK_FALSE(Bytes(Extended("drop table t", {}), {"select 1"}));
  CHECK_FALSE(Bytes(wire::EncodeFunctionCall({}), {"select 1"}));
  CHECK_FALSE(Bytes(wire::EncodeCopyData("1\n") + wire::EncodeCopyDone(), {"select 1"}));
  CHECK_FALSE(Bytes(wire::EncodeBind({}) + wire::EncodeExecute("") + wire::EncodeSync(), {""}));
}

}  // namespace
}  // namespace scry::replay
