#include "job/blame.h"

#include <string>

#include "support/catch.h"

namespace scry::job {
namespace {

using base::Micros;
using migration::LockMode;
using migration::LockWaitEvent;

constexpr uint32_t kOrders = 20000;
constexpr uint32_t kMigration = 100;
constexpr Micros kSecond = 1'000'000;

// A migration of one backend and traffic of others, in seconds of one clock.
class Scene {
 public:
  Scene() : book_(facts_) {}

  Scene& Migrates(const std::string& text, Micros begin, Micros end, Micros transaction_end,
                  LockMode mode = LockMode::kNone) {
    migration::StatementProfile& statement = profile_.statements.emplace_back();
    statement.pid = kMigration;
    statement.pattern = text;
    statement.relations = event::AnalyzeQuery(text).front().relations;
    statement.fingerprint = event::DigestOf(text);
    statement.begin_us = begin * kSecond;
    statement.end_us = end * kSecond;
    statement.transaction_end_us = transaction_end * kSecond;
    if (mode != LockMode::kNone) statement.locks.push_back({kOrders, "orders", mode, 0, false});
    return *this;
  }
  Scene& Query(uint32_t pid, const std::string& text, Micros begin, Micros end,
               const std::string& sqlstate = {}, const std::string& message = {}) {
    event::StatementPair pair;
    pair.session = event::SessionId{pid};
    pair.exchange = exchanges_++;
    pair.text = text;
    pair.started_us = begin * kSecond;
    event::LaneOutcome& lane = pair.lanes.emplace_back();
    lane.backend_pid = pid;
    lane.outcome.status =
        sqlstate.empty() ? event::OutcomeStatus::kDone : event::OutcomeStatus::kError;
    lane.outcome.sqlstate = sqlstate;
    lane.outcome.message = message;
    lane.outcome.elapsed_us = (end - begin) * kSecond;
    book_.Put(pair);
    return *this;
  }
  Scene& Waits(uint32_t pid, LockMode mode, Micros begin, Micros end, std::vector<uint32_t> holders,
               std::vector<uint32_t> queue, uint32_t relation = kOrders) {
    LockWaitEvent& wait = profile_.waits.emplace_back();
    wait.pid = pid;
    wait.mode = mode;
    wait.relation = relation;
    if (relation != 0) wait.target = "relation " + std::to_string(relation) + " of database 5";
    wait.name = relation == kOrders ? "orders" : "";
    wait.begin_wall_us = begin * kSecond;
    wait.end_wall_us = end * kSecond;
    wait.end = LockWaitEvent::End::kGranted;
    wait.holders = std::move(holders);
    wait.queue = std::move(queue);
    return *this;
  }
  // The last of the migration's statements and of the waits.
  Scene& Writes(uint64_t rows) {
    profile_.statements.back().rows = rows;
    return *this;
  }
  Scene& AlsoLocks(uint32_t relation, const std::string& name, LockMode mode) {
    profile_.statements.back().locks.push_back({relation, name, mode, 0, false});
    return *this;
  }
  Scene& Fails() {
    profile_.waits.back().end = LockWaitEvent::End::kFailed;
    return *this;
  }
  Scene& For(const std::string& target) {
    profile_.waits.back().target = target;
    return *this;
  }
  Scene& WithText(const std::string& text) {
    profile_.statements.back().text = text;
    return *this;
  }
  Scene& ForRowOf(const std::string& table) {
    profile_.waits.back().row_of = table;
    return *this;
  }
  Scene& Deadlocks(uint32_t victim, Micros at, std::vector<uint32_t> pids,
                   std::vector<std::string> queries = {}) {
    profile_.deadlocks.push_back({victim, at * kSecond, std::move(pids), std::move(queries)});
    return *this;
  }
  // Of the traffic.
  Scene& Makes(const std::string& text) {
    event::StatementPair pair;
    pair.text = text;
    pair.captured.tag = "CREATE TABLE";
    pair.lanes.emplace_back();
    book_.Put(pair);
    return *this;
  }
  // The sessions from this one on send what others had sent before.
  Scene& Repeats(uint64_t first) {
    book_.CountRepeats([first](uint64_t session) { return session >= first; });
    return *this;
  }
  Blame Run(const SupposedHold& supposed = {}) const { return RunAllowing({supposed, 0}); }
  Blame RunAllowing(const Allowance& allowance) const {
    RunSpan span;
    if (!profile_.statements.empty()) {
      span = {profile_.statements.front().begin_us, profile_.statements.back().end_us};
    }
    return BlameMigration(profile_, book_, span, allowance);
  }

 private:
  event::FactsCache facts_;
  SlowBook book_;
  migration::MigrationProfile profile_;
  uint64_t exchanges_ = 0;
};

TEST_CASE("whoever queues behind a waiting migration waits because of it", "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 5, 5, LockMode::kAccessExclusive)
      .Waits(kMigration, LockMode::kAccessExclusive, 1, 4, {7}, {kMigration})
      .Query(1, "select 1", 2, 5)
      .Waits(1, LockMode::kAccessShare, 2, 5, {7}, {kMigration, 1})
      .Query(7, "select 2", 0, 4);
  const Blame blame = scene.Run();
  REQUIRE(blame.statements.size() == 1);
  CHECK(blame.statements[0].pattern == "alter");
  CHECK(blame.statements[0].waited_us == 3 * kSecond);
  CHECK(blame.statements[0].mode == "AccessExclusive");
  CHECK(blame.blocked == 1);
  CHECK(blame.wait_us_max == 3 * kSecond);
  CHECK(blame.last_end_us == 5 * kSecond);
}

TEST_CASE("waits behind a supposed transaction do not count, what comes before and after it does",
          "[job]") {
  constexpr uint32_t kSupposed = 50;
  const SupposedHold hold{kSupposed, 3 * kSecond};
  Scene slow;
  slow.Migrates("create index", 1, 5, 5, LockMode::kShare)
      .Waits(kMigration, LockMode::kShare, 1, 3, {kSupposed}, {kMigration})
      .Query(1, "update orders set a = 1", 2, 5)
      .Waits(1, LockMode::kRowExclusive, 2, 5, {kSupposed}, {kMigration, 1});
  CHECK(slow.Run().wait_us_max == 3 * kSecond);
  REQUIRE(slow.Run(hold).statements.size() == 1);
  // It came a second after the queue began: so late it would have come without the hold as well.
  CHECK(slow.Run(hold).statements[0].WaitMaxUs() == 1 * kSecond);
  CHECK(slow.Run(hold).statements[0].waited_us == 0);
  // Of another transaction's hold everything counts.
  CHECK(slow.Run({kSupposed + 1, 3 * kSecond}).wait_us_max == 3 * kSecond);

  Scene instant;  // The server takes a second to wake the queue up.
  instant.Migrates("alter", 1, 3, 3, LockMode::kAccessExclusive)
      .Waits(kMigration, LockMode::kAccessExclusive, 1, 3, {kSupposed}, {kMigration})
      .Query(1, "select 1", 2, 4)
      .Waits(1, LockMode::kAccessShare, 2, 4, {kSupposed}, {kMigration, 1});
  CHECK(instant.Run().blocked == 1);
  CHECK(instant.Run(hold).statements.empty());

  Scene early;  // Rows that it holds already.
  early.Migrates("update orders set b = 1", 0, 0, 4)
      .Writes(5)
      .Migrates("alter", 2, 4, 4, LockMode::kAccessExclusive)
      .Waits(kMigration, LockMode::kAccessExclusive, 2, 4, {kSupposed, 7}, {kMigration})
      .Query(1, "update orders set a = 1", 1, 4)
      .Waits(1, LockMode::kShare, 1, 4, {kMigration}, {1}, 0);
  REQUIRE(early.Run(hold).statements.size() == 2);
  CHECK(early.Run(hold).statements[0].WaitMaxUs() == 2 * kSecond);  // From 1 to 2 and 3 to 4.
  CHECK(early.Run(hold).statements[1].waited_us == kSecond);        // For another one.
}

TEST_CASE("whoever stands before the migration in the queue, or waits for others, does not",
          "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 5, 5, LockMode::kAccessExclusive)
      .Query(1, "select 1", 0, 3)
      .Waits(1, LockMode::kAccessShare, 0, 3, {7}, {1, kMigration})
      .Query(2, "update t set a = 1", 2, 4)
      .Waits(2, LockMode::kShare, 2, 4, {3}, {2}, 0);
  CHECK(scene.Run().statements.empty());
}

TEST_CASE("waits for those who wait for the migration are its doing too", "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 9, 9, LockMode::kAccessExclusive)
      .Query(3, "select 3", 4, 9)
      .Waits(3, LockMode::kShare, 4, 9, {2}, {3}, 0)
      .Query(2, "select 2", 3, 9)
      .Waits(2, LockMode::kShare, 3, 9, {1}, {2}, 0)
      .Query(1, "select 1", 2, 9)
      .Waits(1, LockMode::kRowExclusive, 2, 9, {kMigration}, {1});
  const Blame blame = scene.Run();
  REQUIRE(blame.statements.size() == 1);
  CHECK(blame.blocked == 3);
  CHECK(blame.piled_up == 3);
  CHECK(blame.stall_us == (7 + 6 + 5) * kSecond);
}

TEST_CASE("the statement that took the lock is blamed, not the one that runs", "[job]") {
  Scene scene;
  scene.Migrates("create index", 1, 2, 9, LockMode::kShare)
      .Migrates("update", 2, 9, 9)
      .Query(1, "insert into orders values (1)", 5, 9)
      .Waits(1, LockMode::kRowExclusive, 5, 9, {kMigration}, {1})
      .Query(2, "update orders set a = 1", 5, 9)
      .Waits(2, LockMode::kShare, 5, 9, {kMigration}, {2}, 0);
  const Blame blame = scene.Run();
  REQUIRE(blame.statements.size() == 2);
  for (const auto& statement : blame.statements) {
    CHECK((statement.pattern == "create index") == (statement.mode == "Share"));
  }
}

TEST_CASE("a query that waits for two statements is one query", "[job]") {
  Scene scene;
  scene.Migrates("alter a", 1, 3, 3, LockMode::kAccessExclusive)
      .Migrates("alter b", 4, 6, 6, LockMode::kAccessExclusive)
      .Query(1, "select 1", 2, 6)
      .Waits(1, LockMode::kAccessShare, 2, 3, {kMigration}, {1})
      .Waits(1, LockMode::kAccessShare, 4, 6, {kMigration}, {1});
  const Blame blame = scene.Run();
  REQUIRE(blame.statements.size() == 2);
  CHECK(blame.statements[0].Blocked() + blame.statements[1].Blocked() == 2);
  CHECK(blame.blocked == 1);
  CHECK(blame.stall_us == 3 * kSecond);
}

TEST_CASE("waits too short to count are in no sum", "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 3, 3, LockMode::kAccessExclusive)
      .Query(1, "select 1", 2, 3)
      .Waits(1, LockMode::kAccessShare, 2, 2, {kMigration}, {1});
  const Blame blame = scene.Run();
  CHECK(blame.statements.empty());
  CHECK(blame.stall_us == 0);
}

TEST_CASE("a wait for a row is put down to the statement that wrote to its table", "[job]") {
  for (const std::string table : {"orders", "customers", "elsewhere", ""}) {
    Scene scene;
    scene.Migrates("update shop.orders set a = $1", 1, 2, 9)
        .Writes(5)
        .Migrates("update customers set a = $1", 2, 3, 9)
        .Writes(5)
        .Migrates("select pg_sleep($1)", 3, 9, 9)
        .Query(1, "update orders set b = 1", 4, 9)
        .Waits(1, LockMode::kShare, 4, 9, {kMigration}, {1}, 0)
        .ForRowOf(table);
    const Blame blame = scene.Run();
    REQUIRE(blame.statements.size() == 1);
    CHECK((blame.statements[0].pattern == "update shop.orders set a = $1") == (table == "orders"));
    CHECK(blame.statements[0].pattern.starts_with("update"));
  }
}

TEST_CASE("a wait for room in a table is one for what was written to it, not for the table",
          "[job]") {
  for (const char* target :
       {"extension of relation 20000 of database 5", "page 7 of relation 20000 of database 5",
        "tuple (7,1) of relation 20000 of database 5"}) {
    INFO(target);
    Scene scene;
    scene.Migrates("update orders set note = ''", 1, 5, 5, LockMode::kRowExclusive)
        .Writes(40000)
        .Waits(kMigration, LockMode::kExclusive, 1, 2, {7}, {kMigration})
        .For(target)
        .Query(1, "update orders set total = 1", 2, 5)
        .Waits(1, LockMode::kExclusive, 2, 3, {kMigration}, {1})
        .For(target)
        .Waits(1, LockMode::kShare, 3, 5, {kMigration}, {1}, 0)
        .ForRowOf("orders");
    const Blame blame = scene.Run();
    REQUIRE(blame.statements.size() == 1);
    CHECK(blame.statements[0].mode.empty());
    CHECK(blame.statements[0].relation.empty());
    CHECK(blame.blocked == 1);
  }
}

TEST_CASE("a wait for a row is put down to code that locked its table, whatever wrote later",
          "[job]") {
  // Code, whose rows nobody counts; and a foreign key, which locks the row that it points to.
  for (const LockMode mode : {LockMode::kRowExclusive, LockMode::kRowShare}) {
    Scene scene;
    scene.Migrates("do $$ begin end $$", 1, 2, 9, mode)
        .Migrates("insert into audit values ($1)", 2, 3, 9)
        .Writes(1)
        .Migrates("select pg_sleep($1)", 3, 9, 9)
        .Query(1, "update orders set b = 1", 4, 9)
        .Waits(1, LockMode::kShare, 4, 9, {kMigration}, {1}, 0)
        .ForRowOf("orders");
    const Blame blame = scene.Run();
    REQUIRE(blame.statements.size() == 1);
    CHECK(blame.statements[0].pattern == "do $$ begin end $$");
    CHECK(blame.statements[0].mode.empty());
    CHECK(blame.statements[0].other_lock.empty());
  }
}

TEST_CASE("a wait for an advisory lock is put down to who asked for it, and is not one for rows",
          "[job]") {
  Scene scene;
  scene.Migrates("select f($1)", 1, 2, 2)
      .WithText("select pg_advisory_lock(42)")
      .Migrates("update orders set a = $1", 2, 3, 9, LockMode::kRowExclusive)
      .Writes(5)
      .Query(1, "select pg_advisory_lock(42)", 4, 9)
      .Waits(1, LockMode::kExclusive, 4, 9, {kMigration}, {1}, 0)
      .For("advisory lock [5,0,42,1]");
  const Blame blame = scene.Run();
  REQUIRE(blame.statements.size() == 1);
  CHECK(blame.statements[0].pattern == "select f($1)");
  CHECK(blame.statements[0].other_lock == "an advisory lock");
}

TEST_CASE("a wait for a table whose lock nobody saw is not one for rows", "[job]") {
  Scene scene;
  scene.Migrates("do $$ begin end $$", 1, 9, 9)
      .Query(1, "select 1", 4, 9)
      .Waits(1, LockMode::kAccessShare, 4, 9, {kMigration}, {1});
  const Blame blame = scene.Run();
  REQUIRE(blame.statements.size() == 1);
  CHECK(blame.statements[0].mode.empty());
  CHECK(blame.statements[0].other_lock == "a lock on orders");
}

TEST_CASE("of several locks the one that most waited for is told", "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 9, 9, LockMode::kShareRowExclusive)
      .AlsoLocks(kOrders + 1, "items", LockMode::kShareRowExclusive)
      .Query(1, "update items set a = 1", 2, 9)
      .Waits(1, LockMode::kRowExclusive, 2, 9, {kMigration}, {1}, kOrders + 1)
      .Query(2, "update orders set a = 1", 8, 9)
      .Waits(2, LockMode::kRowExclusive, 8, 9, {kMigration}, {2});
  const Blame blame = scene.Run();
  REQUIRE(blame.statements.size() == 1);
  CHECK(blame.statements[0].relation == "items");
}

TEST_CASE("a deadlock names its parties and counts its victim as failed", "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 9, 9, LockMode::kAccessExclusive)
      .Query(1, "update orders set a = 1", 3, 5, "40P01")
      .Deadlocks(1, 5, {1, kMigration})
      .Deadlocks(2, 5, {2, 3});
  Blame blame = scene.Run();
  REQUIRE(blame.deadlocks.size() == 1);
  CHECK(blame.deadlocks[0].victim == "update orders set a = $1");
  CHECK(blame.deadlocks[0].others == std::vector<std::string>{"migration"});
  CHECK(blame.failed == 1);

  Scene other;
  other.Migrates("alter", 1, 5, 5)
      .Query(1, "select 1", 3, 6)
      .Deadlocks(kMigration, 5, {kMigration, 1});
  blame = other.Run();
  REQUIRE(blame.statements.size() == 1);
  CHECK(blame.statements[0].failed_with == "40P01");
  CHECK(blame.deadlocks[0].victim == "migration");
}

TEST_CASE("a deadlock that production would not come to fails nobody", "[job]") {
  const Allowance early{{}, 2 * kSecond};
  Scene scene;
  scene.Migrates("alter", 1, 9, 9, LockMode::kAccessExclusive)
      .Query(1, "update orders set a = 1", 3, 5, "40P01")
      .Waits(1, LockMode::kRowExclusive, 4, 5, {kMigration}, {})
      .Fails()
      .Deadlocks(1, 5, {1, kMigration});
  CHECK(scene.Run().failed == 1);
  Blame blame = scene.RunAllowing(early);
  CHECK(blame.failed == 0);
  CHECK(blame.blocked == 1);
  CHECK(blame.wait_us_max == 3 * kSecond);  // What it had waited, and as long as the timeout.
  CHECK(blame.deadlocks.size() == 1);

  Scene other;
  other.Migrates("alter", 1, 5, 5)
      .Query(1, "select 1", 3, 6)
      .Deadlocks(kMigration, 5, {kMigration, 1});
  blame = other.RunAllowing(early);
  REQUIRE(blame.statements.size() == 1);
  CHECK(blame.statements[0].failed_with.empty());

  // A query's own limit ends its wait there as well.
  Scene impatient;
  impatient.Migrates("alter", 1, 9, 9, LockMode::kAccessExclusive)
      .Query(1, "update orders set a = 1", 3, 5, "55P03")
      .Waits(1, LockMode::kRowExclusive, 4, 5, {kMigration}, {})
      .Fails();
  CHECK(impatient.RunAllowing(early).failed == 1);
}

TEST_CASE("a party of a deadlock that waited for a moment only is named by the log", "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 5, 5)
      .Deadlocks(kMigration, 5, {kMigration, 1}, {"alter", "update customers set tier = 1"});
  CHECK(scene.Run().deadlocks.at(0).others ==
        std::vector<std::string>{"update customers set tier = $1"});
}

TEST_CASE("waits of whoever is no traffic are nobody's loss", "[job]") {
  Scene scene;
  scene.Migrates("alter", 1, 5, 5, LockMode::kAccessExclusive)
      .Waits(55, LockMode::kShareUpdateExclusive, 2, 5, {kMigration}, {55});
  CHECK(scene.Run().statements.empty());
}

TEST_CASE("a statement prepared before its table changed fails for what changed it", "[job]") {
  const std::string stale = "cached plan must not change result type";
  Scene scene;
  scene.Migrates("alter orders", 1, 2, 2, LockMode::kAccessExclusive)
      .Migrates("alter others", 3, 4, 4)
      .Query(1, "select * from public.orders", 5, 5, "0A000", stale)
      .Query(1, "select * from public.orders", 6, 6, "0A000", stale)
      .Query(2, "select * from public.orders", 6, 6, "0A000", stale)
      .Query(3, "select * from public.orders", 6, 6, "0A000", "something else");
  const Blame blame = scene.Run();
  REQUIRE(blame.stale.size() == 1);
  CHECK(blame.stale[0].failed == 3);
  CHECK(blame.stale[0].sessions == 2);
  CHECK(blame.stale[0].statement == "alter orders");
  CHECK(blame.statements.empty());
}

TEST_CASE("what is gone while the migration runs is put down to what took it away", "[job]") {
  const std::string gone = "relation \"v\" does not exist";
  Scene scene;
  scene.Migrates("DROP VIEW v", 1, 2, 2, LockMode::kAccessExclusive)
      .Migrates("CREATE VIEW v AS SELECT 1", 8, 9, 9)
      .Query(1, "select * from v where a = 1", 3, 3, "42P01", gone)
      .Query(2, "select * from v where a = 2", 4, 4, "42P01", gone)
      .Query(3, "insert into w values (1)", 5, 5, "23505")
      .Query(4, "select * from v where a = 3", 9, 10);
  const Blame blame = scene.Run();
  REQUIRE(blame.meanwhile.size() == 1);
  CHECK(blame.meanwhile[0].failed == 2);
  CHECK(blame.meanwhile[0].sqlstate == "42P01");
  CHECK(blame.meanwhile[0].message == gone);
  CHECK(blame.meanwhile[0].statement == "DROP VIEW v");
}

TEST_CASE("what fails before the migration, or for want of what traffic makes, is not its doing",
          "[job]") {
  Scene scene;
  scene.Migrates("DROP VIEW v", 2, 3, 3, LockMode::kAccessExclusive)
      .Query(1, "select * from odd", 1, 1, "42P01")
      .Query(1, "select * from odd", 3, 3, "42P01")
      .Makes("CREATE TABLE made (a int)")
      .Query(2, "select * from public.made", 3, 3, "42P01")
      .Query(3, "DROP TABLE other", 3, 3, "42P01")
      .Query(4, "select * from later", 4, 4, "42P01")
      .Query(4, "select * from later", 8, 8)
      .Makes("CREATE TABLE later AS SELECT 1")
      .Query(5, "select * from of_before_the_part", 4, 4, "42P01");
  CHECK(scene.Run().meanwhile.empty());
}

TEST_CASE("what fails when the traffic comes round again is not the migration's doing", "[job]") {
  Scene scene;
  scene.Migrates("DROP VIEW v", 2, 3, 3, LockMode::kAccessExclusive)
      .Query(1, "select * from month", 3, 3)
      .Repeats(2)
      .Query(2, "select * from month", 4, 4, "42P01");
  CHECK(scene.Run().meanwhile.empty());
}

}  // namespace
}  // namespace scry::job
