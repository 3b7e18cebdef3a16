#include "migration/profile.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.h"

namespace scry::migration {
namespace {

constexpr uint32_t kOrders = 20000;

// A migration as the relay sees it: one backend, statements one after the other, a second each.
class Seeing {
 public:
  Seeing() {
    before_.relations[kOrders].name = "orders";
    before_.relations[kOrders].kind = 'r';
    before_.relations[kOrders].filenode = 1;
    after_ = before_;
  }
  // `open`: its transaction goes on. `joined`: in one message with the statement before.
  Seeing& Statement(const std::string& text, const std::string& tag, bool open = false,
                    bool joined = false) {
    SeenStatement& seen = seen_.statements.emplace_back();
    seen.pid = 7;
    exchange_ += joined ? 0 : 1;
    ordinal_ = joined ? ordinal_ + 1 : 0;
    seen.statement.ordinal = ordinal_;
    seen.exchange = exchange_;
    seen.statement.text = text;
    seen.statement.outcome.tag = tag;
    seen.begin_us = now_us_;
    now_us_ += 1'000'000;
    seen.end_us = now_us_;
    seen.open_after = open;
    return *this;
  }
  Seeing& Triggered(Micros at_us, const std::string& tag, LockMode mode,
                    uint32_t relation = kOrders) {
    DdlEvent event;
    event.pid = 7;
    event.wall_us = at_us;
    event.tag = tag;
    event.locks = {{relation, mode}};
    log_.ddl.push_back(event);
    return *this;
  }
  Seeing& Looked(LockMode mode) {
    seen_.locks.push_back({7, now_us_, now_us_, {{kOrders, mode}, {99, LockMode::kShare}}});
    return *this;
  }
  // The answers to its last exchange, which took so long, came together at its end.
  Seeing& HeldBack(Micros took_us) {
    auto& all = seen_.statements;
    const uint64_t exchange = all.back().exchange;
    const auto first = std::find_if(all.begin(), all.end(),
                                    [&](const auto& one) { return one.exchange == exchange; });
    now_us_ = first->begin_us + took_us;
    first->end_us = now_us_;
    for (auto one = first + 1; one != all.end(); ++one) one->begin_us = one->end_us = now_us_;
    return *this;
  }
  // `asked_us`: the sample took from then on; -1: no time.
  Seeing& Sampled(Micros at_us, std::vector<OidLock> locks, Micros asked_us = -1) {
    seen_.locks.push_back({7, asked_us < 0 ? at_us : asked_us, at_us, std::move(locks)});
    return *this;
  }
  Seeing& NotSized() {
    SeenSizes& seen = seen_.sizes.emplace_back();
    seen.pid = 7;
    seen.at_us = now_us_;
    seen.missed = true;
    return *this;
  }
  // `bytes`: of the database; -1: not looked at, -2: missed.
  Seeing& Sized(uint64_t lsn, int64_t bytes) {
    SeenSizes& seen = seen_.sizes.emplace_back();
    seen.pid = 7;
    seen.at_us = now_us_;
    seen.lsn = lsn;
    seen.missed = bytes == -2;
    if (bytes >= 0) seen.database_bytes = static_cast<uint64_t>(bytes);
    return *this;
  }
  Seeing& Spilled(uint64_t bytes, uint32_t pid = 7) {
    log_.spills.push_back({pid, now_us_ - 1000, bytes});
    return *this;
  }
  Seeing& Rewritten(uint32_t relation = kOrders) {
    ++after_.relations.at(relation).filenode;
    return *this;
  }
  // A relation that was there before, or one that is made.
  Seeing& Has(uint32_t oid, const std::string& name, char kind = 'r', uint32_t table = 0) {
    Makes(oid, name, kind, table);
    before_.relations[oid] = after_.relations[oid];
    return *this;
  }
  Seeing& Makes(uint32_t oid, const std::string& name, char kind = 'r', uint32_t table = 0) {
    RelationState& made = after_.relations[oid];
    made.name = name;
    made.kind = kind;
    made.table = table;
    made.filenode = oid;
    return *this;
  }
  Seeing& HasFunction(const std::string& name, const std::string& source = "") {
    before_.functions[name] = source;
    return *this;
  }
  Seeing& Partitioned() {
    before_.relations[kOrders].kind = 'p';
    return *this;
  }
  MigrationProfile Build() { return BuildProfile(seen_, log_, before_, after_); }

 private:
  Seen seen_;
  ServerLog log_;
  CatalogState before_;
  CatalogState after_;
  uint64_t exchange_ = 0;
  uint32_t ordinal_ = 0;
  Micros now_us_ = 0;
};

TEST_CASE("a lock tells whether it is on a table in partitions", "[migration]") {
  for (const bool partitioned : {false, true}) {
    Seeing seeing;
    if (partitioned) seeing.Partitioned();
    seeing.Statement("create index on orders (c)", "CREATE INDEX", true).Looked(LockMode::kShare);
    const MigrationProfile profile = seeing.Build();
    REQUIRE(profile.statements.at(0).locks.size() == 1);
    CHECK(profile.statements[0].locks[0].partitioned == partitioned);
  }
}

TEST_CASE("a lock belongs to the statement that took it and lasts as long as its transaction",
          "[migration]") {
  Seeing seeing;
  seeing.Statement("begin", "BEGIN", true)
      .Statement("alter table orders add c int", "ALTER TABLE", true)
      .Triggered(1'500'000, "ALTER TABLE", LockMode::kAccessExclusive)
      .Looked(LockMode::kAccessExclusive)
      .Statement("update orders set c = 1", "UPDATE 10", true)
      .Looked(LockMode::kAccessExclusive)
      .Statement("commit", "COMMIT");
  const MigrationProfile profile = seeing.Build();
  REQUIRE(profile.statements.size() == 4);
  REQUIRE(profile.statements[1].locks.size() == 1);
  CHECK(profile.statements[1].locks[0].held_us == 3'000'000);
  CHECK(profile.statements[2].locks.empty());
  CHECK(profile.statements[2].rows == 10);
  CHECK(profile.Strongest(kOrders) == LockMode::kAccessExclusive);
  CHECK(profile.Strongest(99) == LockMode::kNone);
}

TEST_CASE("what is written goes to the statement that ended before it was seen", "[migration]") {
  Seeing seeing;
  seeing.Statement("create index on orders (c)", "CREATE INDEX")
      .Sized(1000, 5000)
      .Spilled(70)
      .Spilled(30)
      .Spilled(9, 8)
      .Statement("alter table orders add c int", "ALTER TABLE")
      .Sized(1010, -1)
      .Statement("drop table old", "DROP TABLE")
      .Sized(1500, 2000)
      .Statement("create index on orders (d)", "CREATE INDEX")
      .Sized(1600, -2)
      .Statement("create index on orders (e)", "CREATE INDEX")
      .Sized(1700, 9000)
      .Statement("create index on orders (f)", "CREATE INDEX")
      .Sized(1700, 9500);
  const auto statements = seeing.Build().statements;
  REQUIRE(statements.size() == 6);
  const std::optional<int64_t> grown[] = {5000, 0, -3000, std::nullopt, std::nullopt, 500};
  const uint64_t wal[] = {1000, 10, 490, 100, 100, 0};
  for (size_t i = 0; i < statements.size(); ++i) {
    CAPTURE(i);
    CHECK(statements[i].disk_bytes == grown[i]);
    CHECK(statements[i].wal_bytes == wal[i]);
    CHECK(statements[i].temp_bytes == (i == 0 ? 100 : 0));
  }
}

TEST_CASE("a statement that needs a stronger lock than the transaction has is told",
          "[migration]") {
  Seeing seeing;
  seeing.Statement("begin", "BEGIN", true)
      .Statement("create index on orders (c)", "CREATE INDEX", true)
      .Looked(LockMode::kShare)
      .Statement("alter table orders drop c", "ALTER TABLE", true)
      .Looked(LockMode::kAccessExclusive)
      .Statement("commit", "COMMIT");
  const MigrationProfile profile = seeing.Build();
  CHECK(profile.statements[1].locks.at(0).mode == LockMode::kShare);
  CHECK(profile.statements[2].locks.at(0).mode == LockMode::kAccessExclusive);
}

TEST_CASE("events of statements sent together go by their tags, not by the clock", "[migration]") {
  Seeing seeing;
  const std::string text = "select 1; alter table orders add c int; create index on orders (c)";
  seeing.Statement(text, "SELECT 1").Statement(text, "ALTER TABLE", false, true);
  seeing.Statement(text, "CREATE INDEX", false, true)
      .Triggered(100, "ALTER TABLE", LockMode::kAccessExclusive)
      .Triggered(200, "CREATE INDEX", LockMode::kAccessExclusive);
  const MigrationProfile profile = seeing.Build();
  REQUIRE(profile.statements.size() == 3);
  CHECK(profile.statements[0].locks.empty());
  CHECK(profile.statements[1].locks.size() == 1);
  CHECK(profile.statements[2].locks.empty());
}

constexpr OidLock kWritten{kOrders, LockMode::kRowExclusive};
constexpr OidLock kAltered{kOrders, LockMode::kAccessExclusive};

TEST_CASE("DDL that was sent along with row work before it has its own locks and time",
          "[migration]") {
  const std::string text = "delete from orders where id < 9; alter table orders add check (id > 0)";
  for (const bool triggers : {true, false}) {
    Seeing seeing;
    seeing.Statement(text, "DELETE 8")
        .Statement(text, "ALTER TABLE", false, true)
        .HeldBack(1'000'000)
        .Sampled(100'000, {kWritten})
        .Sampled(300'000, {kWritten, kAltered})
        .Sampled(320'000, {kWritten, kAltered})
        .Sized(1000, 5000);
    if (triggers) seeing.Triggered(900'000, "ALTER TABLE", LockMode::kAccessExclusive);
    const auto statements = seeing.Build().statements;
    REQUIRE(statements.size() == 2);
    for (const TakenLock& lock : statements[0].locks) CHECK(lock.mode == LockMode::kRowExclusive);
    CHECK(statements[0].busy_us == 300'000);
    REQUIRE(statements[1].locks.size() == 1);
    CHECK(statements[1].locks[0].mode == LockMode::kAccessExclusive);
    CHECK(statements[1].locks[0].held_us == 700'000);
    CHECK(statements[1].busy_us == 700'000);
    // Only the sum is known.
    CHECK(statements[0].wal_bytes == 0);
    CHECK(statements[1].wal_bytes == 1000);
    CHECK(statements[1].disk_bytes == 5000);
  }
}

TEST_CASE("DDL too quick to be sampled began when its trigger fired, where answers came together",
          "[migration]") {
  const std::string text =
      "update orders set a = 1; set x = 1; alter table orders add b int; select 1";
  Seeing seeing;
  seeing.Statement(text, "UPDATE 8")
      .Statement(text, "SET", false, true)
      .Statement(text, "ALTER TABLE", false, true)
      .Statement(text, "SELECT 1", false, true)
      .HeldBack(1'000'000)
      .Sampled(100'000, {kWritten})
      .Triggered(950'000, "ALTER TABLE", LockMode::kAccessExclusive)
      .Sized(1000, 5000);
  const auto statements = seeing.Build().statements;
  REQUIRE(statements.size() == 4);
  CHECK(statements[0].busy_us == 950'000);
  CHECK(statements[1].busy_us == 0);
  CHECK(statements[2].busy_us == 0);
  CHECK(statements[3].busy_us == 50'000);
  REQUIRE(statements[2].locks.size() == 1);
  CHECK(statements[2].locks[0].held_us == 50'000);
  for (const size_t i : {1U, 3U}) CHECK(statements[i].locks.empty());
  CHECK(statements[0].wal_bytes == 1000);
}

TEST_CASE("of several DDL statements behind row work each has the locks that it took",
          "[migration]") {
  constexpr uint32_t kCustomers = 30000;
  const std::string text =
      "delete from orders; create index on customers (a); update orders set a = 1; "
      "alter table orders add b int";
  const OidLock indexed{kCustomers, LockMode::kShare};
  Seeing seeing;
  seeing.Has(kCustomers, "customers")
      .Statement(text, "DELETE 8")
      .Statement(text, "CREATE INDEX", false, true)
      .Statement(text, "UPDATE 8", false, true)
      .Statement(text, "ALTER TABLE", false, true)
      .HeldBack(1'000'000)
      .Sampled(100'000, {kWritten})
      .Sampled(200'000, {kWritten, indexed})
      .Sampled(500'000, {kWritten, indexed})
      .Sampled(700'000, {kWritten, indexed, kAltered})
      .Triggered(400'000, "CREATE INDEX", LockMode::kShare, kCustomers)
      .Triggered(900'000, "ALTER TABLE", LockMode::kAccessExclusive);
  const auto statements = seeing.Build().statements;
  REQUIRE(statements.size() == 4);
  const Micros busy_us[] = {200'000, 200'000, 300'000, 300'000};
  for (size_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    CHECK(statements[i].busy_us == busy_us[i]);
    for (const TakenLock& lock : statements[i].locks) CHECK(StopsTraffic(lock) == (i % 2 == 1));
  }
  CHECK(statements[1].locks.at(0).held_us == 800'000);
  CHECK(statements[3].locks.at(0).held_us == 300'000);
}

TEST_CASE("a lock that the transaction had before is not of DDL behind row work", "[migration]") {
  const std::string text = "update orders set a = 1; alter table others add b int";
  Seeing seeing;
  seeing.Has(30000, "others")
      .Statement("begin", "BEGIN", true)
      .Statement("alter table orders add a int", "ALTER TABLE", true)
      .Triggered(1'500'000, "ALTER TABLE", LockMode::kAccessExclusive)
      .Statement(text, "UPDATE 8", true)
      .Statement(text, "ALTER TABLE", true, true)
      .HeldBack(1'000'000)
      .Sampled(2'100'000, {kWritten, kAltered})
      .Triggered(2'900'000, "ALTER TABLE", LockMode::kAccessExclusive, 30000)
      .Looked(LockMode::kAccessExclusive)
      .Statement("commit", "COMMIT");
  const auto statements = seeing.Build().statements;
  REQUIRE(statements.size() == 5);
  CHECK(statements[1].locks.size() == 1);
  CHECK(statements[2].locks.empty());
  CHECK(statements[2].busy_us == 900'000);
  REQUIRE(statements[3].locks.size() == 1);
  CHECK(statements[3].locks[0].name == "others");
}

TEST_CASE(
    "a sample that was answered in a later transaction blames nobody for an earlier one's lock",
    "[migration]") {
  constexpr uint32_t kOthers = 30000;
  Seeing seeing;
  seeing.Has(kOthers, "others")
      .Statement("alter table orders add a int", "ALTER TABLE")
      .Statement("vacuum full others", "VACUUM")
      .Sampled(1'400'000, {kAltered}, 900'000)
      .Sampled(1'900'000, {{kOthers, LockMode::kAccessExclusive}}, 1'000'000)
      .Sampled(2'500'000, {kAltered}, 2'100'000);
  const auto statements = seeing.Build().statements;
  REQUIRE(statements.size() == 2);
  CHECK(statements[0].locks.empty());
  REQUIRE(statements[1].locks.size() == 1);
  CHECK(statements[1].locks[0].name == "others");
}

TEST_CASE("what row work takes without DDL behind it stays its own", "[migration]") {
  const std::string text = "update orders set a = 1; select 1";
  Seeing seeing;
  seeing.Statement(text, "UPDATE 8")
      .Statement(text, "SELECT 1", false, true)
      .HeldBack(1'000'000)
      .Sampled(500'000, {kAltered});
  const auto statements = seeing.Build().statements;
  CHECK(statements.at(0).locks.size() == 1);  // By a trigger of the table.
  CHECK(statements[0].busy_us == 1'000'000);
}

TEST_CASE("BEGIN and SET that were sent along with DDL have neither its locks nor its time",
          "[migration]") {
  for (const std::string first : {"begin", "set lock_timeout = '5s'"}) {
    const std::string text = first + "; alter table orders add check (id > 0)";
    Seeing seeing;
    seeing.Statement(text, first == "begin" ? "BEGIN" : "SET", true)
        .Statement(text, "ALTER TABLE", true, true)
        .HeldBack(1'000'000)
        .Sampled(500'000, {kAltered})
        .Looked(LockMode::kAccessExclusive)
        .Sized(1000, 5000)
        .Statement("commit", "COMMIT");
    const auto statements = seeing.Build().statements;
    REQUIRE(statements.size() == 3);
    CHECK(statements[0].locks.empty());
    CHECK(statements[0].busy_us == 0);
    CHECK(statements[0].wal_bytes == 0);
    REQUIRE(statements[1].locks.size() == 1);
    CHECK(statements[1].locks[0].held_us == 2'000'000);
    CHECK(statements[1].wal_bytes == 1000);
  }
}

TEST_CASE("what a failed look left out is told to nobody", "[migration]") {
  Seeing seeing;
  seeing.Statement("create index on orders (c)", "CREATE INDEX")
      .Sized(1000, 5000)
      .Statement("create index on orders (d)", "CREATE INDEX")
      .NotSized()
      .Statement("comment on table orders is ''", "COMMENT")
      .Sized(2000, -1)
      .Statement("create index on orders (e)", "CREATE INDEX")
      .Sized(2500, 9000)
      .Statement("create index on orders (f)", "CREATE INDEX")
      .Sized(2700, 9500);
  const auto statements = seeing.Build().statements;
  REQUIRE(statements.size() == 5);
  const std::optional<int64_t> grown[] = {5000, std::nullopt, 0, std::nullopt, 500};
  const uint64_t wal[] = {1000, 0, 0, 500, 200};
  for (size_t i = 0; i < statements.size(); ++i) {
    CAPTURE(i);
    CHECK(statements[i].disk_bytes == grown[i]);
    CHECK(statements[i].wal_bytes == wal[i]);
  }
}

TEST_CASE("DDL that code runs is not put down to a statement behind it", "[migration]") {
  Seeing seeing;
  const std::string text =
      "do $$ begin execute 'alter table orders add a int'; end $$; select 1; "
      "alter table others add c int";
  seeing.Statement(text, "DO").Statement(text, "SELECT 1", false, true);
  seeing.Statement(text, "ALTER TABLE", false, true)
      .Triggered(100, "ALTER TABLE", LockMode::kAccessExclusive)
      .Triggered(200, "ALTER TABLE", LockMode::kShare);
  const MigrationProfile profile = seeing.Build();
  REQUIRE(profile.statements.size() == 3);
  REQUIRE(profile.statements[0].locks.size() == 1);
  CHECK(profile.statements[0].locks[0].mode == LockMode::kAccessExclusive);
  CHECK(profile.statements[1].locks.empty());
  CHECK(profile.statements[2].locks.empty());
  CHECK_FALSE(profile.gaps.events_lost);
}

TEST_CASE("DDL whose triggers were not heard of is a gap", "[migration]") {
  CHECK(Seeing().Statement("alter table orders add a int", "ALTER TABLE").Build().gaps.events_lost);
  CHECK_FALSE(Seeing().Statement("update orders set a = 1", "UPDATE 1").Build().gaps.events_lost);
}

TEST_CASE("what a statement does to rows is read where its pattern does not parse", "[migration]") {
  const std::string text =
      "create table fresh (id int); alter table orders add constraint c check (total >= 0)";
  Seeing seeing;
  seeing.Statement(text, "CREATE TABLE").Statement(text, "ALTER TABLE", false, true);
  const MigrationProfile profile = seeing.Build();
  REQUIRE(profile.statements.size() == 2);
  CHECK(profile.statements[1].pattern.find("(total >= ?)") != std::string::npos);
  CHECK_FALSE(profile.statements[0].work.checks_rows);
  CHECK(profile.statements[1].work.checks_rows);
  CHECK(profile.statements[1].relations == std::vector<std::string>{"orders"});
}

TEST_CASE("a new file that no trigger told of is the doing of who can make one", "[migration]") {
  Seeing seeing;
  seeing.Statement("analyze orders", "ANALYZE")
      .Statement("vacuum full orders", "VACUUM")
      .Rewritten();
  const MigrationProfile profile = seeing.Build();
  CHECK(profile.statements[0].rewrote.empty());
  CHECK(profile.statements[1].rewrote == std::vector<std::string>{"orders"});
  REQUIRE(profile.statements[1].locks.size() == 1);
  CHECK(profile.statements[1].locks[0].implied);
}

TEST_CASE("what swaps no file is not told to, and whoever does so is told each time",
          "[migration]") {
  Seeing seeing;
  seeing.Statement("vacuum analyze orders", "VACUUM")
      .Statement("drop index orders_status", "DROP INDEX")
      .Triggered(1'500'000, "DROP INDEX", LockMode::kAccessExclusive)
      .Statement("vacuum (full) orders", "VACUUM")
      .Statement("truncate public.orders", "TRUNCATE TABLE")
      .Rewritten();
  const MigrationProfile profile = seeing.Build();
  for (const size_t i : {0U, 1U}) CHECK(profile.statements[i].rewrote.empty());
  CHECK(profile.statements[0].locks.empty());
  for (const size_t i : {2U, 3U}) {
    CHECK(profile.statements[i].rewrote == std::vector<std::string>{"orders"});
    CHECK(profile.statements[i].locks.size() == 1);
  }
}

TEST_CASE("a materialized view is rewritten by whoever refreshes it", "[migration]") {
  Seeing seeing;
  seeing.Has(30000, "sales", 'm')
      .Statement("refresh materialized view sales", "REFRESH MATERIALIZED VIEW")
      .Triggered(500'000, "REFRESH MATERIALIZED VIEW", LockMode::kAccessExclusive, 30000)
      .Statement("vacuum analyze sales", "VACUUM")
      .Rewritten(30000);
  const MigrationProfile profile = seeing.Build();
  CHECK(profile.statements[0].rewrote == std::vector<std::string>{"sales"});
  CHECK(profile.statements[1].rewrote.empty());
  CHECK(profile.statements[1].locks.empty());
}

TEST_CASE("a new file that nothing names is put down to code that may have made it",
          "[migration]") {
  const std::pair<std::string, std::string> codes[] = {
      {"do $$ begin call x(); end $$", "DO"},
      {"do $$ begin execute 'truncate ORDERS'; end $$", "DO"},
      {"select clean_up()", "SELECT 1"},
      {"call x()", "CALL"}};
  for (const auto& [code, tag] : codes) {
    Seeing seeing;
    seeing.HasFunction("clean_up")
        .Statement("select set_config('search_path', '', false)", "SELECT 1")
        .Statement("alter table orders add a int", "ALTER TABLE")
        .Triggered(1'500'000, "ALTER TABLE", LockMode::kAccessExclusive)
        .Statement(code, tag)
        .Rewritten();
    const MigrationProfile profile = seeing.Build();
    CHECK(profile.statements.at(1).rewrote.empty());
    CHECK(profile.statements.at(2).rewrote == std::vector<std::string>{"orders"});
    REQUIRE(profile.statements[2].locks.size() == 1);
    CHECK(profile.statements[2].locks[0].mode == LockMode::kAccessExclusive);
    CHECK(profile.statements[2].locks[0].implied);
  }
  for (const std::string code : {"do $$ begin execute 'truncate ORDERS'; end $$",
                                 "do $$ begin perform clean_up(); end $$"}) {
    Seeing seeing;
    seeing.HasFunction("clean_up", "begin truncate orders; end")
        .Statement("do $$ begin null; end $$", "DO")
        .Statement(code, "DO")
        .Statement("vacuum full others", "VACUUM")
        .Rewritten();
    CHECK(seeing.Build().statements.at(1).rewrote == std::vector<std::string>{"orders"});
  }
}

TEST_CASE("TRUNCATE ... CASCADE holds what it takes along", "[migration]") {
  Seeing seeing;
  seeing.Has(30000, "customers")
      .Statement("select 1", "SELECT 1")
      .Statement("truncate customers cascade", "TRUNCATE TABLE")
      .Rewritten()
      .Rewritten(30000);
  const MigrationProfile profile = seeing.Build();
  CHECK(profile.statements[1].rewrote == std::vector<std::string>{"customers", "orders"});
  CHECK(profile.statements[1].locks.size() == 2);
}

TEST_CASE("REINDEX holds its index alone and its table against writes", "[migration]") {
  for (const std::string text :
       {"reindex index orders_pkey", "reindex table orders", "reindex schema public",
        "do $$ begin execute 'reindex'; end $$"}) {
    Seeing seeing;
    seeing.Has(30000, "orders_pkey", 'i', kOrders)
        .Statement(text, text.starts_with("do") ? "DO" : "REINDEX")
        .Rewritten(30000);
    const MigrationProfile profile = seeing.Build();
    const StatementProfile& reindex = profile.statements.at(0);
    CHECK(reindex.rewrote.empty());
    REQUIRE(reindex.locks.size() == 2);
    CHECK(reindex.locks[0].name == "orders_pkey");
    CHECK(reindex.locks[0].mode == LockMode::kAccessExclusive);
    CHECK(reindex.locks[1].name == "orders");
    CHECK(reindex.locks[1].mode == LockMode::kShare);
  }
  // With its table it has a new file too.
  Seeing seeing;
  seeing.Has(30000, "orders_pkey", 'i', kOrders).Rewritten().Rewritten(30000);
  seeing.Statement("vacuum full orders", "VACUUM");
  CHECK(seeing.Build().statements.at(0).locks.size() == 1);
}

TEST_CASE("a relation that the migration made is locked once others can see it", "[migration]") {
  constexpr uint32_t kNew = 30000;
  for (const std::string name : {"orders", "orders_2"}) {
    Seeing seeing;
    seeing.Makes(kNew, name)
        .Statement("create table made (id int)", "CREATE TABLE")
        .Triggered(500'000, "CREATE TABLE", LockMode::kAccessExclusive, kNew)
        .Statement("alter table made add a int", "ALTER TABLE")
        .Triggered(1'500'000, "ALTER TABLE", LockMode::kAccessExclusive, kNew)
        .Statement("create index on orders (total)", "CREATE INDEX")
        .Triggered(2'500'000, "CREATE INDEX", LockMode::kShare, kNew);
    const MigrationProfile profile = seeing.Build();
    CHECK(profile.statements.at(0).locks.empty());
    REQUIRE(profile.statements.at(2).locks.size() == 1);
    const TakenLock& lock = profile.statements[2].locks[0];
    CHECK(lock.name == name);
    CHECK(lock.made);
    // Traffic that was captured before can only know it by a name that was there.
    CHECK(lock.apart == (name != "orders"));
    CHECK(StopsTraffic(lock) == (name == "orders"));
  }
}

TEST_CASE("an index built concurrently holds its table though it has let it go when it ends",
          "[migration]") {
  Seeing seeing;
  seeing.Statement("create index concurrently on public.orders (c)", "CREATE INDEX")
      .Statement("create index on orders (d)", "CREATE INDEX")
      .Triggered(1'500'000, "CREATE INDEX", LockMode::kShare)
      .Statement("create index on others (d)", "CREATE INDEX");
  const MigrationProfile profile = seeing.Build();
  REQUIRE(profile.statements.at(0).locks.size() == 1);
  CHECK(profile.statements[0].locks[0].mode == LockMode::kShareUpdateExclusive);
  CHECK(profile.statements[0].locks[0].implied);
  CHECK(profile.statements[0].locks[0].held_us == 1'000'000);
  REQUIRE(profile.statements[1].locks.size() == 1);
  CHECK(profile.statements[1].locks[0].mode == LockMode::kShare);
  CHECK(profile.statements[2].locks.empty());
}

TEST_CASE("an index built concurrently holds the table that it is on, not all of the name",
          "[migration]") {
  constexpr uint32_t kTenants[] = {30000, 30001, 30002};
  Seeing seeing;
  for (const uint32_t tenant : kTenants) {
    seeing.Has(tenant, "tenant" + std::to_string(tenant) + ".orders");
  }
  seeing.Makes(40000, "tenant30000.orders_pkey", 'i', 30000)
      .Makes(40001, "tenant30001.orders_c", 'i', 30001)
      .Makes(40002, "tenant30002.orders_c", 'i', 30002)
      .Statement("create index concurrently orders_c on orders (c)", "CREATE INDEX")
      .Statement("create index concurrently orders_c on orders (c)", "CREATE INDEX")
      .Statement("create index concurrently on tenant30000.orders (d)", "CREATE INDEX")
      .Statement("create index concurrently on others (d)", "CREATE INDEX");
  const auto statements = seeing.Build().statements;
  REQUIRE(statements.size() == 4);
  const uint32_t held[] = {30001, 30002, 30000};
  for (size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    REQUIRE(statements[i].locks.size() == 1);
    CHECK(statements[i].locks[0].relation == held[i]);
    CHECK(statements[i].locks[0].mode == LockMode::kShareUpdateExclusive);
    CHECK(statements[i].locks[0].implied);
  }
  CHECK(statements[3].locks.empty());

  // One that left no index.
  Seeing none;
  none.Has(30000, "tenant30000.orders")
      .Statement("create index concurrently on orders (c)", "CREATE INDEX");
  CHECK(none.Build().statements.at(0).locks.size() == 2);
}

TEST_CASE("rows that a statement answers with are not rows that it writes", "[migration]") {
  Seeing seeing;
  seeing.Statement("execute by_name('x')", "SELECT 13")
      .Statement("execute add_one", "INSERT 0 1")
      .Statement("create table copy_2 as select * from orders", "SELECT 7");
  const MigrationProfile profile = seeing.Build();
  CHECK(profile.statements.at(0).rows == 0);
  CHECK(profile.statements.at(1).rows == 1);
  CHECK(profile.statements.at(2).rows == 7);
}

TEST_CASE("a loop of equal row work is one entry with its sums", "[migration]") {
  Seeing seeing;
  for (int i = 0; i < 1000; ++i) {
    seeing.Statement("insert into orders values (" + std::to_string(i) + ")", "INSERT 0 2");
  }
  const MigrationProfile profile = seeing.Build();
  REQUIRE(profile.statements.size() == 1);
  CHECK(profile.statements[0].calls == 1000);
  CHECK(profile.statements[0].rows == 2000);
  CHECK(profile.statements[0].busy_us == 1000 * 1'000'000LL);
}

TEST_CASE("what nobody can place is left out, not guessed", "[migration]") {
  Seeing seeing;
  seeing.Triggered(5, "ALTER TABLE", LockMode::kShare).Looked(LockMode::kShare).Rewritten();
  const MigrationProfile profile = seeing.Build();
  CHECK(profile.statements.empty());
  CHECK(profile.change.rewritten.size() == 1);
}

}  // namespace
}  // namespace scry::migration
