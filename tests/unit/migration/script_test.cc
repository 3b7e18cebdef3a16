#include "migration/script.h"

#include <string>
#include <vector>

#include "migration/profile.h"
#include "support/catch.h"

namespace scry::migration {
namespace {

// Statements of one session; each exchange is a list of texts, one message each.
class Session {
 public:
  Session& Sends(const std::string& text, bool open = false, uint32_t statements = 1) {
    ++exchange_;
    for (uint32_t i = 0; i < statements; ++i) {
      SeenStatement& one = seen_.statements.emplace_back();
      one.pid = pid_;
      one.begin_us = clock_us_ += 10;
      one.end_us = clock_us_ += 10;
      one.exchange = exchange_;
      one.statement.text = text;
      one.statement.ordinal = i;
      one.statement.outcome.status = event::OutcomeStatus::kDone;
      one.open_after = open;
    }
    return *this;
  }
  // Another backend from here on.
  Session& As(uint32_t pid) {
    pid_ = pid;
    return *this;
  }
  Session& Fails(const std::string& text, bool open = false) {
    Sends(text, open).Last().statement.outcome.sqlstate = "42P01";
    Last().statement.outcome.status = event::OutcomeStatus::kError;
    return *this;
  }
  Session& Binds(const std::string& text, Literals values, bool open = false) {
    Sends(text, open).Last().values = std::move(values);
    return *this;
  }
  SeenStatement& Last() { return seen_.statements.back(); }
  std::vector<std::string> Script() const {
    std::vector<std::string> script;
    for (const RecordedStatement& one : ScriptOf(seen_).statements) script.push_back(one.sql);
    return script;
  }
  std::string Why() const { return ScriptOf(seen_).why_none; }

 private:
  Seen seen_;
  uint64_t exchange_ = 0;
  uint32_t pid_ = 7;
  Micros clock_us_ = 0;
};

using Sql = std::vector<std::string>;

TEST_CASE("a migration's statements are a script, without comments", "[migration]") {
  Session session;
  session.Sends("begin;", true)
      .Sends("create table t (\n a int -- the first\n);", true)
      .Sends("/* b */ create index on t (a) where a <> 'x  y';", true)
      .Sends("COMMIT")
      .Sends("do $$ begin null; -- not this\n end $$");
  CHECK(session.Script() == Sql{"begin", "create table t ( a int )",
                                "create index on t (a) where a <> 'x  y'", "COMMIT",
                                "do $$ begin null; -- not this\n end $$"});
}

TEST_CASE("several statements of one message are a transaction", "[migration]") {
  CHECK(Session().Sends("alter table t add a int; drop table u;", false, 2).Script() ==
        Sql{"BEGIN", "alter table t add a int", "drop table u", "COMMIT"});
  CHECK(Session().Sends("alter table t add a int; select 1;", false, 2).Script() ==
        Sql{"alter table t add a int"});
  CHECK(Session().Sends("begin; drop table u; commit", false, 3).Script() ==
        Sql{"begin", "drop table u", "commit"});
  CHECK(Session()
            .Sends("begin", true)
            .Sends("delete from t; delete from u", true, 2)
            .Sends("end")
            .Script() == Sql{"begin", "delete from t", "delete from u", "end"});
  CHECK(Session().Sends("delete from t; begin; delete from u; commit", false, 4).Script().empty());
}

TEST_CASE("what was rolled back or failed left nothing", "[migration]") {
  Session session;
  session.Sends("begin", true).Sends("drop table u", true).Sends("rollback");
  session.Sends("begin", true).Fails("drop table v", true).Sends("commit");
  session.Last().statement.outcome.tag = "ROLLBACK";
  session.Fails("drop table w").Sends("delete from t; rollback", false, 2);
  session.Sends("begin", true).Sends("drop table x", true).Fails("commit");
  session.Sends("drop table y").Sends("begin", true).Sends("drop table z", true);
  CHECK(session.Script() == Sql{"drop table y"});
  CHECK(Session().Sends("begin", true).Script().empty());
  CHECK_FALSE(
      Session().Sends("delete from t").Fails("create index concurrently on t (a)").Why().empty());
}

TEST_CASE("savepoints are gone when the transaction is over", "[migration]") {
  Session session;
  session.Sends("begin", true)
      .Sends("savepoint a", true)
      .Sends("drop table u", true)
      .Sends("release savepoint A", true)
      .Sends("savepoint b", true)
      .Sends("drop table v", true)
      .Fails("drop table w", true)
      .Sends("rollback to b", true)
      .Sends("drop table x", true)
      .Sends("commit");
  CHECK(session.Script() == Sql{"begin", "drop table u", "drop table x", "commit"});
  CHECK_FALSE(Session()
                  .Sends("begin", true)
                  .Sends("delete from t", true)
                  .Sends("release c", true)
                  .Sends("commit")
                  .Why()
                  .empty());
}

TEST_CASE("what only reads is no part of a migration", "[migration]") {
  Session session;
  session.Sends("select pg_catalog.version()")
      .Sends("show standard_conforming_strings")
      .Sends("select pg_try_advisory_lock(42)")
      .Sends("begin", true)
      .Sends(
          "select relname from pg_catalog.pg_class c join pg_namespace n on true where relname = "
          "$1",
          true)
      .Sends("commit")
      .Sends("begin", true)
      .Sends("select version_num from alembic_version", true)
      .Sends("alter table t add a int", true)
      .Sends("select pg_sleep(1)", true)
      .Sends("select own()", true)
      .Sends("select app.replace('a')", true)
      .Sends("select a from t for update", true)
      .Sends("commit");
  CHECK(session.Script() == Sql{"begin", "alter table t add a int", "select pg_sleep(1)",
                                "select own()", "select app.replace('a')",
                                "select a from t for update", "commit"});
  Session slow;
  slow.Sends("delete from t").Sends("select count(*) from t").Last().end_us += 1'000'000;
  CHECK(slow.Script() == Sql{"delete from t", "select count(*) from t"});
}

TEST_CASE("parameters are literals in a script", "[migration]") {
  Session session;
  session.Binds("insert into v (version, s) values ($1, $2), ($2, '$1')", {"'2024'", "(1::int)"});
  CHECK(session.Script() ==
        Sql{"insert into v (version, s) values ('2024', (1::int)), ((1::int), '$1')"});
  CHECK(Session().Binds("delete from v where a = $2", {"1"}).Script().empty());
  CHECK(Session().Sends("delete from v where a = $1").Why().find("parameters") !=
        std::string::npos);
}

TEST_CASE("sessions that write one after the other are one script", "[migration]") {
  // As Flyway does: one holds its lock and writes the history, another one migrates.
  Session flyway;
  flyway.As(7)
      .Sends("set extra_float_digits = 3")
      .Sends("begin", true)
      .Sends("select pg_try_advisory_xact_lock(1)", true)
      .As(8)
      .Sends("set extra_float_digits = 3")
      .Sends("begin", true)
      .Sends("alter table t add a int", true)
      .Sends("commit")
      .As(7)
      .Sends("insert into history values (1)", true)
      .Sends("commit")
      .As(9)
      .Sends("set x.y = 'idle'");
  CHECK(flyway.Script() == Sql{"set extra_float_digits = 3", "set extra_float_digits = 3", "begin",
                               "alter table t add a int", "commit", "begin",
                               "insert into history values (1)", "commit"});
  Session other = flyway;
  other.As(8).Sends("set search_path = b");
  CHECK(other.Why().find("settings") != std::string::npos);
  Session both;
  both.Sends("begin", true)
      .Sends("delete from t", true)
      .As(8)
      .Sends("delete from u")
      .As(7)
      .Sends("commit");
  CHECK(both.Why().find("at a time") != std::string::npos);
}

TEST_CASE("what would not do the same again is no script", "[migration]") {
  for (const char* sql : {"copy t from stdin", "delete from t where a = $1", "commit and chain",
                          "prepare transaction 'a'", "not sql", "select own('one'\n'string')"}) {
    CAPTURE(sql);
    const Session session = Session().Sends("delete from t").Sends(sql);
    CHECK(session.Script().empty());
    CHECK_FALSE(session.Why().empty());
  }
  Session lost;
  lost.Sends("delete from t").Last().statement.outcome.status = event::OutcomeStatus::kLost;
  CHECK(lost.Why().find("lost") != std::string::npos);
}

}  // namespace
}  // namespace scry::migration
