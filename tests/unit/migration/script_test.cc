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
      one.pid = 7;
      one.exchange = exchange_;
      one.statement.text = text;
      one.statement.ordinal = i;
      one.statement.outcome.status = event::OutcomeStatus::kDone;
      one.open_after = open;
    }
    return *this;
  }
  SeenStatement& Last() { return seen_.statements.back(); }
  std::vector<std::string> Script() const {
    std::vector<std::string> script;
    for (const RecordedStatement& one : ScriptOf(seen_)) script.push_back(one.sql);
    return script;
  }

 private:
  Seen seen_;
  uint64_t exchange_ = 0;
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
  CHECK(Session().Sends("alter table t add a int; select 1;", false, 2).Script() ==
        Sql{"BEGIN", "alter table t add a int", "select 1", "COMMIT"});
  CHECK(Session().Sends("begin; select 1; commit", false, 3).Script() ==
        Sql{"begin", "select 1", "commit"});
  CHECK(Session().Sends("begin", true).Sends("select 1; select 2", true, 2).Sends("end").Script() ==
        Sql{"begin", "select 1", "select 2", "end"});
  CHECK(Session().Sends("select 1; begin; select 2; commit", false, 4).Script().empty());
}

TEST_CASE("what would not do the same again is no script", "[migration]") {
  for (const char* sql :
       {"copy t from stdin", "rollback", "savepoint a", "select $1", "commit and chain",
        "prepare transaction 'a'", "not sql", "select 'one'\n'string'"}) {
    CAPTURE(sql);
    CHECK(Session().Sends("select 0").Sends(sql).Script().empty());
  }
  Session failed;
  failed.Sends("select 1").Last().statement.outcome.sqlstate = "42P01";
  CHECK(failed.Script().empty());
  Session two;
  two.Sends("select 1").Sends("select 2").Last().pid = 8;
  CHECK(two.Script().empty());
  CHECK(Session().Sends("begin", true).Script().empty());
}

}  // namespace
}  // namespace scry::migration
