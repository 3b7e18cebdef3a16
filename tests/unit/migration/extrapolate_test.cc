#include "migration/extrapolate.h"

#include "event/statement_facts.h"
#include "support/catch.h"

namespace scry::migration {
namespace {

constexpr uint64_t kMiB = 1ULL << 20;

// A shadow with one table of 100 MiB, in a database of 200 MiB; statements take 100 ms each and
// follow one another.
class Scene {
 public:
  Scene() {
    profile_.database_bytes = 200 * kMiB;
    profile_.table_bytes["orders"] = 100 * kMiB;
    production_.table_bytes["orders"] = 1000 * kMiB;
  }
  Scene& Runs(const std::string& tag, const std::string& text, uint64_t rows = 0,
              bool rewrites = false) {
    StatementProfile& statement = profile_.statements.emplace_back();
    statement.pid = 1;
    statement.tag = tag;
    statement.pattern = event::AnalyzeQuery(text).front().pattern;
    statement.work = event::TableWorkOf(text);
    statement.relations = event::AnalyzeQuery(text).front().relations;
    statement.begin_us = static_cast<Micros>(profile_.statements.size()) * 100'000;
    statement.busy_us = 100'000;
    statement.end_us = statement.begin_us + statement.busy_us;
    statement.rows = rows;
    statement.wal_bytes = 1000;
    statement.locks.push_back({7, "orders", LockMode::kAccessExclusive, 100'000, false});
    if (rewrites) statement.rewrote = {"orders"};
    statement.transaction_end_us = statement.end_us;
    return *this;
  }
  Scene& InOneTransaction() {
    for (StatementProfile& statement : profile_.statements) {
      statement.transaction_end_us = profile_.statements.back().end_us;
      statement.locks.front().held_us = statement.transaction_end_us - statement.begin_us;
    }
    return *this;
  }
  MigrationProfile& profile() { return profile_; }
  ProductionSize& production() { return production_; }
  Extrapolation Run() const { return Extrapolate(profile_, production_); }
  std::optional<Estimate> Only() const { return Run().statements.at(0); }

 private:
  MigrationProfile profile_;
  ProductionSize production_;
};

bool Grows(const std::string& tag, const std::string& pattern) {
  return Scene().Runs(tag, pattern).Only().has_value();
}

TEST_CASE("a rewrite is extrapolated by the bytes of its table", "[migration]") {
  const auto estimate =
      Scene().Runs("ALTER TABLE", "ALTER TABLE orders ALTER id TYPE bigint", 0, true).Only();
  REQUIRE(estimate);
  CHECK(estimate->factor == Approx(10));
  CHECK(estimate->growth == Growth::kLinear);
  CHECK(estimate->duration_us == 1'000'000);
  CHECK(estimate->wal_bytes == 10'000);
}

TEST_CASE("rows are extrapolated with the statement that writes them", "[migration]") {
  const auto estimate = Scene().Runs("UPDATE", "UPDATE orders SET note = $1", 500).Only();
  REQUIRE(estimate);
  CHECK(estimate->rows == 5000);
}

TEST_CASE("an index build grows faster than its table", "[migration]") {
  const auto estimate = Scene().Runs("CREATE INDEX", "CREATE INDEX ON orders (note)").Only();
  REQUIRE(estimate);
  CHECK(estimate->growth == Growth::kSorting);
  CHECK(estimate->duration_us > 1'000'000);
  CHECK(estimate->duration_us < 1'300'000);
  CHECK(estimate->wal_bytes == 10'000);
}

TEST_CASE("what reads every row grows with the table, what changes catalogues does not",
          "[migration]") {
  CHECK(Grows("ALTER TABLE", "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 5)"));
  CHECK(Grows("ALTER TABLE", "ALTER TABLE orders VALIDATE CONSTRAINT c"));
  CHECK(Grows("ALTER TABLE", "ALTER TABLE orders ALTER note SET NOT NULL"));
  CHECK(Grows("ALTER TABLE", "ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES b"));
  CHECK(Grows("ALTER TABLE", "ALTER TABLE orders ADD PRIMARY KEY (id)"));
  CHECK_FALSE(Grows("ALTER TABLE", "ALTER TABLE orders ADD COLUMN vip bool"));
  CHECK_FALSE(Grows("ALTER TABLE", "ALTER TABLE orders ADD CHECK (total > 5) NOT VALID"));
  CHECK_FALSE(Grows("ALTER TABLE", "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_id"));
  CHECK_FALSE(Grows("ALTER TABLE", "ALTER TABLE orders RENAME note TO words"));
  CHECK_FALSE(Grows("TRUNCATE TABLE", "TRUNCATE orders"));
}

TEST_CASE("what is too short to measure, or failed, is not extrapolated", "[migration]") {
  Scene scene;
  scene.Runs("UPDATE", "UPDATE orders SET note = $1", 1);
  scene.profile().statements[0].busy_us = 2000;
  CHECK(scene.Run().empty());
  scene.profile().statements[0].busy_us = 200'000;
  CHECK_FALSE(scene.Run().empty());
  scene.profile().statements[0].sqlstate = "40P01";
  CHECK(scene.Run().empty());
}

TEST_CASE("a shadow of about the size of production has no estimates", "[migration]") {
  Scene scene;
  scene.Runs("UPDATE", "UPDATE orders SET note = $1", 500);
  scene.production().table_bytes["orders"] = 105 * kMiB;
  CHECK(scene.Run().empty());
  scene.production().table_bytes["orders"] = 50 * kMiB;
  CHECK(scene.Run().empty());
}

TEST_CASE("without the table's own size that of the database counts", "[migration]") {
  Scene scene;
  scene.Runs("UPDATE", "UPDATE orders SET note = $1", 500);
  scene.production().table_bytes.clear();
  CHECK(scene.Run().empty());
  scene.production().database_bytes = 1000 * kMiB;
  REQUIRE(scene.Only());
  CHECK(scene.Only()->factor == Approx(5));
}

TEST_CASE("what the migration brings along does not grow with the table", "[migration]") {
  const auto grows = [](const std::string& tag, const std::string& pattern) {
    return Scene().Runs(tag, pattern, 500).Only().has_value();
  };
  CHECK_FALSE(grows("INSERT", "INSERT INTO orders VALUES ($1), ($2)"));
  CHECK_FALSE(grows("COPY", "COPY orders FROM STDIN"));
  CHECK(grows("INSERT", "INSERT INTO orders SELECT * FROM orders"));
  CHECK(grows("DELETE", "DELETE FROM orders WHERE total = $1"));
}

TEST_CASE("an INSERT grows with what it reads", "[migration]") {
  Scene scene;
  scene.Runs("INSERT", "INSERT INTO totals SELECT total FROM orders", 500);
  scene.profile().table_bytes["totals"] = 100 * kMiB;
  scene.production().table_bytes["totals"] = 5000 * kMiB;
  scene.profile().statements[0].locks = {{8, "totals", LockMode::kRowExclusive, 100'000, false},
                                         {7, "orders", LockMode::kAccessShare, 100'000, false}};
  REQUIRE(scene.Only());
  CHECK(scene.Only()->factor == Approx(10));
}

TEST_CASE("where an earlier statement took the locks, the tables named count", "[migration]") {
  Scene scene;
  scene.Runs("UPDATE", "UPDATE public.orders SET note = $1", 500);
  scene.profile().statements[0].locks.clear();
  CHECK(scene.Only());
  scene.profile().statements[0].relations = {"fresh"};
  CHECK_FALSE(scene.Only());
}

TEST_CASE("names that contain words of clauses are no clauses", "[migration]") {
  CHECK_FALSE(Grows("ALTER TABLE", "ALTER TABLE orders ADD COLUMN unique_visitors int"));
  CHECK_FALSE(Grows("ALTER TABLE", "ALTER TABLE orders ADD \" check \" int"));
}

TEST_CASE("a small table of the shadow says nothing of a large one", "[migration]") {
  Scene scene;
  scene.Runs("UPDATE", "UPDATE orders SET note = $1", 500);
  scene.profile().table_bytes["orders"] = 8 * kMiB - 1;
  CHECK(scene.Run().empty());
  scene.profile().table_bytes["orders"] = 8 * kMiB;
  CHECK_FALSE(scene.Run().empty());
}

TEST_CASE("what would grow and is too small to tell is counted", "[migration]") {
  Scene scene;
  scene.Runs("CREATE INDEX", "create index on orders (a)")
      .Runs("CREATE VIEW", "create view v as select 1");
  CHECK(scene.Run().too_small == 0);
  scene.profile().statements[0].busy_us = 1000;
  CHECK(scene.Run().too_small == 1);
  scene.profile().statements[0].busy_us = 100'000;
  scene.profile().table_bytes["orders"] = kMiB;
  CHECK(scene.Run().too_small == 1);
  scene.production().table_bytes["orders"] = kMiB;
  CHECK(scene.Run().too_small == 0);
  // The table of a tool's own.
  Scene own;
  own.Runs("UPDATE", "update orders set version = 2", 1);
  own.profile().table_bytes["orders"] = 32 * 1024;
  own.production() = {500'000 * kMiB, {}};
  CHECK(own.Run().too_small == 0);
}

TEST_CASE("estimates have a bound", "[migration]") {
  Scene scene;
  scene.Runs("UPDATE", "UPDATE orders SET note = $1", ~0ULL);
  scene.profile().statements[0].busy_us = 1LL << 60;
  scene.production().table_bytes["orders"] = ~0ULL;
  const auto estimate = scene.Only();
  REQUIRE(estimate);
  CHECK(estimate->factor <= 1e6);
  CHECK(estimate->rows == 1'000'000'000'000'000'000ULL);
  CHECK(estimate->duration_us > 1LL << 60);
}

TEST_CASE("waits for locks are not extrapolated", "[migration]") {
  Scene scene;
  scene.Runs("UPDATE", "UPDATE orders SET note = $1", 500);
  LockWaitEvent wait;
  wait.pid = 1;
  wait.begin_wall_us = scene.profile().statements[0].begin_us - 10;
  wait.end_wall_us = scene.profile().statements[0].begin_us + 60'000;
  scene.profile().waits = {wait};
  REQUIRE(scene.Only());
  CHECK(scene.Only()->duration_us == 60'000 + 400'000);
}

TEST_CASE("a lock is held for what later statements of its transaction take longer",
          "[migration]") {
  Scene scene;
  scene.Runs("ALTER TABLE", "ALTER TABLE orders ADD COLUMN vip bool")
      .Runs("UPDATE", "UPDATE orders SET vip = $1", 500)
      .InOneTransaction();
  const Extrapolation found = scene.Run();
  CHECK_FALSE(found.statements[0]);
  CHECK(found.held_us[0] == 200'000 + 900'000);
  CHECK(found.held_us[1] == 100'000 + 900'000);
  CHECK(found.added_us == 900'000);
}

}  // namespace
}  // namespace scry::migration
