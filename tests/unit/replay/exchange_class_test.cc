#include "replay/exchange_class.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::replay {
namespace {

class Session {
 public:
  // Class of one exchange after those before.
  OrderClass Do(const std::vector<std::string>& texts, char status) {
    event::Exchange exchange;
    exchange.status = static_cast<uint8_t>(status);
    for (const std::string& text : texts) {
      event::Statement statement;
      statement.text = text;
      exchange.statements.push_back(std::move(statement));
    }
    last_ = classifier_.Classify(exchange, trail_);
    return last_.order_class;
  }
  bool only_ends() const { return last_.only_ends; }
  OrderClass End() const { return ExchangeClassifier::ClassifyEnd(trail_); }

 private:
  event::FactsCache facts_;
  ExchangeClassifier classifier_{
      facts_, HiddenWrites{{"nextval", "pg_advisory_lock", "touch"}, {"counted"}, {"<!>"}}};
  TransactionTrail trail_;
  ExchangeClass last_;
};

#ifdef SCRY_HAVE_PG_QUERY

TEST_CASE("plain reads are readers", "[replay]") {
  for (const char* text :
       {"select 1", "select * from t where a = $1", "with x as (select 1) select * from x",
        "copy t to stdout", "values (1)", "show all", "explain update t set a = 1", "set role app",
        "prepare p as select * from t", "declare c cursor for select * from t"}) {
    INFO(text);
    Session session;
    CHECK(session.Do({text}, 'T') == OrderClass::kReader);
  }
}

TEST_CASE("what writes, locks or draws is a writer however it is said", "[replay]") {
  for (const char* text : {"insert into t values (1)",
                           "update t set a = 1",
                           "delete from t",
                           "truncate t",
                           "copy t from stdin",
                           "create table x (a int)",
                           "select nextval('s')",
                           "select pg_catalog.nextval('s')",
                           "select * from (select \"nextval\"('s')) x",
                           "select 1 where touch(1)",
                           "select * from t for update",
                           "with x as (select * from t for share) select * from x",
                           "with x as (delete from t returning a) select * from x",
                           "select * from t where a in (select b from u for no key update)",
                           "select a into x from t",
                           "execute p(1)",
                           "call p()",
                           "do $$ begin end $$",
                           "lock table t",
                           "select pg_advisory_lock(1)",
                           "explain analyze update t set a = 1",
                           "copy (insert into t values (1) returning a) to stdout",
                           "select * from counted",
                           "select * from public.counted c",
                           "select 1 <!> 2",
                           "notify x",
                           "vacuum t",
                           "create table x as select 1",
                           "refresh materialized view m",
                           "prepare transaction 'x'",
                           "commit prepared 'x'",
                           "this is no sql",
                           "(function call 1574)",
                           "",
                           "declare c cursor for select nextval('s')",
                           "select * from t; this is no sql"}) {
    INFO(text);
    Session session;
    const OrderClass found = session.Do({text}, 'T');
    CHECK((found == OrderClass::kWriter || found == OrderClass::kCommit));
  }
}

TEST_CASE("transaction control alone waits for nothing", "[replay]") {
  Session session;
  CHECK(session.Do({"begin"}, 'T') == OrderClass::kFree);
  CHECK(session.Do({"begin isolation level serializable read only"}, 'T') == OrderClass::kFree);
  CHECK(session.Do({"savepoint a"}, 'T') == OrderClass::kFree);
  CHECK(session.Do({"rollback to a"}, 'T') == OrderClass::kFree);
  CHECK(session.Do({"commit"}, 'I') == OrderClass::kFree);
  CHECK(session.Do({}, 'I') == OrderClass::kFree);
  CHECK(session.End() == OrderClass::kFree);
}

TEST_CASE("the end of a transaction that wrote is a commit, however it ends", "[replay]") {
  for (const char* text : {"commit", "rollback", "end", "abort", "prepare transaction 'x'"}) {
    INFO(text);
    Session session;
    session.Do({"begin"}, 'T');
    CHECK(session.Do({"update t set a = 1"}, 'T') == OrderClass::kWriter);
    CHECK(session.Do({"select 1"}, 'T') == OrderClass::kReader);
    CHECK(session.Do({text}, 'I') == OrderClass::kCommit);
    CHECK(session.only_ends());
    CHECK(session.Do({"select 1"}, 'I') == OrderClass::kReader);
  }
}

TEST_CASE("a commit counts although the next transaction is open already", "[replay]") {
  Session session;
  session.Do({"begin"}, 'T');
  session.Do({"update t set a = 1"}, 'T');
  CHECK(session.Do({"commit and chain"}, 'T') == OrderClass::kCommit);
  CHECK(session.Do({"commit"}, 'I') == OrderClass::kFree);
  session.Do({"begin"}, 'T');
  session.Do({"update t set a = 1"}, 'T');
  CHECK(session.Do({"commit", "begin"}, 'T') == OrderClass::kCommit);
  CHECK_FALSE(session.only_ends());
}

TEST_CASE("a single write outside of a transaction is a commit", "[replay]") {
  Session session;
  CHECK(session.Do({"insert into t values (1)"}, 'I') == OrderClass::kCommit);
  CHECK_FALSE(session.only_ends());
  CHECK(session.Do({"select 1", "insert into t values (1)"}, 'I') == OrderClass::kCommit);
}

TEST_CASE("a failed transaction that wrote ends as a commit", "[replay]") {
  Session session;
  session.Do({"begin"}, 'T');
  CHECK(session.Do({"insert into t values (1)"}, 'E') == OrderClass::kWriter);
  CHECK(session.Do({"rollback"}, 'I') == OrderClass::kCommit);
}

TEST_CASE("fetching from a cursor that draws or locks writes", "[replay]") {
  Session session;
  session.Do({"begin"}, 'T');
  session.Do({"declare c cursor for select * from t for update"}, 'T');
  CHECK(session.Do({"fetch 10 from c"}, 'T') == OrderClass::kWriter);
  session.Do({"commit"}, 'I');
  session.Do({"begin"}, 'T');
  session.Do({"declare c cursor for select * from t"}, 'T');
  CHECK(session.Do({"fetch 10 from c"}, 'T') == OrderClass::kReader);
}

TEST_CASE("a text too long to parse is not judged by its first word", "[replay]") {
  std::string bulk = "begin; insert into t values (0)";
  while (bulk.size() < 100 * 1024) bulk += ", (1)";
  Session session;
  CHECK(session.Do({bulk + "; commit"}, 'I') == OrderClass::kCommit);
  Session other;
  CHECK(other.Do({"commit; " + bulk}, 'T') == OrderClass::kWriter);
  CHECK_FALSE(other.only_ends());
}

TEST_CASE("the end of a session that wrote keeps its place", "[replay]") {
  Session session;
  session.Do({"select pg_advisory_lock(1)"}, 'I');
  session.Do({"select 1"}, 'I');
  CHECK(session.End() == OrderClass::kCommit);
}

#endif

TEST_CASE("statements prepared before the capture are writers", "[replay]") {
  Session session;
  CHECK(session.Do({""}, 'T') == OrderClass::kWriter);
  CHECK(session.Do({""}, 'I') == OrderClass::kCommit);
}

}  // namespace
}  // namespace scry::replay
