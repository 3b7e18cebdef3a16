#include "migration/server_log.h"

#include <string>

#include "support/catch.h"

namespace scry::migration {
namespace {

constexpr const char* kMark = "scry_watch_0";

ServerLog Read(std::string_view text, size_t chunk = 7) {
  ServerLogReader reader(kMark);
  for (size_t at = 0; at < text.size(); at += chunk) reader.Feed(text.substr(at, chunk));
  return reader.Finish();
}

TEST_CASE("a wait has its begin, its end, who holds the lock and who queues", "[migration]") {
  const ServerLog log = Read(
      "1000.500 [12] 00000 LOG:  process 12 still waiting for AccessShareLock on relation 16384 of "
      "database 5 after 10.250 ms at character 15\n"
      "1000.500 [12] 00000 DETAIL:  Processes holding the lock: 11, 10. Wait queue: 9, 12.\n"
      "1000.500 [12] 00000 CONTEXT:  while locking tuple\n"
      "1001.000 [13] 00000 LOG:  process 13 still waiting for ShareLock on transaction 742 after "
      "10.000 ms\n"
      "1001.000 [13] 00000 DETAIL:  Process holding the lock: 12. Wait queue: 13.\n"
      "1001.000 [13] 00000 CONTEXT:  while updating tuple (0,1) in relation \"odd \"name\"\n"
      "1001.000 [14] 00000 CONTEXT:  while updating tuple (0,1) in relation \"other\"\n"
      "1003.500 [12] 00000 LOG:  process 12 acquired AccessShareLock on relation 16384 of database "
      "5 after 3010.250 ms at character 15\n"
      "1004.000 [13] 55P03 ERROR:  canceling statement due to lock timeout\n");
  REQUIRE(log.waits.size() == 2);
  const LockWaitEvent& first = log.waits[0];
  CHECK(first.pid == 12);
  CHECK(first.mode == LockMode::kAccessShare);
  CHECK(first.relation == 16384);
  CHECK(first.begin_wall_us == 1000'500'000 - 10'250);
  CHECK(first.end_wall_us == 1003'500'000);
  CHECK(first.end == LockWaitEvent::End::kGranted);
  CHECK(first.holders == std::vector<uint32_t>{11, 10});
  CHECK(first.queue == std::vector<uint32_t>{9, 12});
  CHECK(log.waits[1].end == LockWaitEvent::End::kFailed);
  CHECK(log.waits[1].sqlstate == "55P03");
  CHECK(log.waits[1].relation == 0);
  CHECK(log.waits[1].row_of == "odd \"name");
  CHECK(first.row_of.empty());
}

TEST_CASE("a deadlock names its victim and all in the cycle", "[migration]") {
  const ServerLog log = Read(
      "7.1 [5] 40P01 ERROR:  deadlock detected\n"
      "7.1 [5] 40P01 DETAIL:  Process 5 waits for AccessExclusiveLock on relation 1 of database 2; "
      "blocked by process 6.\n"
      "\tProcess 6 waits for AccessShareLock on relation 3 of database 2; blocked by process 5.\n"
      "\tProcess 5: alter table orders\n"
      "\tProcess 9: add column note text\n"
      "\tProcess 5: \n"
      "\tProcess 6: select 1\n"
      "7.1 [5] 40P01 HINT:  See server log for query details.\n");
  REQUIRE(log.deadlocks.size() == 1);
  CHECK(log.deadlocks[0].victim == 5);
  CHECK(log.deadlocks[0].pids == std::vector<uint32_t>{5, 6});
  CHECK(log.deadlocks[0].queries ==
        std::vector<std::string>{"alter table orders\nProcess 9: add column note text\nProcess 5: ",
                                 "select 1"});
}

TEST_CASE("the triggers' lines give locks, rewrites and drops", "[migration]") {
  const ServerLog log = Read(
      "9.0 [5] 00000 LOG:  scry_watch_0 ddl_command_end 9000123|ALTER TABLE|16384:"
      "AccessExclusiveLock,16390:ShareLock,x,7:NoLock\n"
      "9.0 [5] 00000 LOG:  scry_watch_0 table_rewrite 9000124|ALTER TABLE|16384\n"
      "9.0 [5] 00000 LOG:  scry_watch_0 sql_drop 9000125|DROP TABLE|table|t|public.t;"
      "view|f|public.v\n");
  REQUIRE(log.ddl.size() == 3);
  CHECK(log.ddl[0].wall_us == 9000123);
  CHECK(log.ddl[0].locks ==
        std::vector<OidLock>{{16384, LockMode::kAccessExclusive}, {16390, LockMode::kShare}});
  CHECK(log.ddl[1].rewritten == 16384);
  REQUIRE(log.ddl[2].dropped.size() == 2);
  CHECK(log.ddl[2].dropped[0].original);
  CHECK(log.ddl[2].dropped[1].identity == "public.v");
  CHECK_FALSE(log.ddl[2].dropped[1].original);
}

TEST_CASE("the triggers' lines are read in any language of the server", "[migration]") {
  for (const char* severity : {"СООБЩЕНИЕ", "ЗАПИСЬ В ПРОТОКОЛ", "ログ", "LOG"}) {
    const ServerLog log =
        Read(std::string("9.0 [5] 00000 ") + severity +
             ":  scry_watch_0 ddl_command_end 9000123|ALTER TABLE|16384:AccessExclusiveLock\n");
    CHECK(log.ddl.size() == 1);
  }
}

TEST_CASE("temporary files are read in any language of the server", "[migration]") {
  const ServerLog log = Read(
      "1.5 [5] 00000 LOG:  temporary file: path \"base/pgsql_tmp/pgsql_tmp5.0\", size 1048576\n"
      "1.5 [5] 00000 STATEMENT:  select 'pgsql_tmp/pgsql_tmp5.0' order by 1\n"
      "1.6 [5] 00000 LOG:  temporäre Datei: Pfad »pg_tblspc/16385/PG_15_202209061/pgsql_tmp/"
      "pgsql_tmp5.1.fileset/0.0«, Größe 2097152\n"
      "1.7 [6] 00000 LOG:  一時ファイル: パス\"base/pgsql_tmp/pgsql_tmp6.0\"、サイズ3000000\n"
      "1.8 [6] P0001 ERROR:  base/pgsql_tmp/pgsql_tmp6.0 9\n"
      "1.8 [6] 00000 LOG:  temporary file: path \"base/pgsql_tmp/pgsql_tmp6.0\", size\n"
      "1.8 [6] 00000 LOG:  temporary file: path \"base/pgsql_tmp/pgsql_tmp6.0\", size "
      "99999999999999999999\n");
  REQUIRE(log.spills.size() == 3);
  CHECK(log.spills[0].pid == 5);
  CHECK(log.spills[0].wall_us == 1'500'000);
  CHECK(log.spills[0].bytes == 1048576);
  CHECK(log.spills[1].bytes == 2097152);
  CHECK(log.spills[2].bytes == 3000000);
}

TEST_CASE("a parallel worker's temporary file is its leader's, its waits are its own",
          "[migration]") {
  const std::string file =
      " 00000 LOG:  temporary file: path \"base/pgsql_tmp/pgsql_tmp13.0\", size 1048576\n";
  const ServerLog log = Read("1.5 [12,]" + file + "1.5 [13,12]" + file + "1.5 [14]" + file +
                             "2.0 [13,12] 00000 LOG:  process 13 still waiting for "
                             "AccessShareLock on relation 16384 of database 5 after 10.250 ms\n"
                             "2.0 [13,12] 00000 DETAIL:  Process holding the lock: 11. Wait queue: "
                             "13.\n"
                             "9.0 [12,] 00000 LOG:  scry_watch_0 ddl_command_end 9000123|ALTER "
                             "TABLE|16384:AccessExclusiveLock\n");
  REQUIRE(log.spills.size() == 3);
  for (const size_t i : {0U, 1U}) CHECK(log.spills[i].pid == 12);
  CHECK(log.spills[2].pid == 14);
  REQUIRE(log.waits.size() == 1);
  CHECK(log.waits[0].pid == 13);
  CHECK(log.waits[0].holders == std::vector<uint32_t>{11});
  REQUIRE(log.ddl.size() == 1);
  CHECK(log.ddl[0].pid == 12);
  for (const char* nonsense : {"[13,x]", "[13,12,]", "[,12]", "[13,99999999999]", "[13 12]"}) {
    CHECK(Read(std::string("1.5 ") + nonsense + file).spills.empty());
  }
}

TEST_CASE("what statements write into messages is not taken for the server's own lines",
          "[migration]") {
  const ServerLog log = Read(
      "9.0 [5] P0001 ERROR:  1.0 [6] 00000 LOG:  process 6 acquired ShareLock on relation 1 of "
      "database 1 after 9.0 ms\n"
      "9.0 [5] P0001 WARNING:  x\n"
      "\t9.0 [6] 00000 LOG:  process 6 still waiting for ShareLock on relation 1 of database 1 "
      "after 9.0 ms\n"
      "9.0 [5] 00000 LOG:  process 6 still waiting for ShareLock on relation 1 of database 1 after "
      "9.0 ms\n"
      "\tProcess 5 waits for ShareLock on transaction 742; blocked by process 6.\n"
      "9.0 [5] 00000 LOG:  scry_watch_1 ddl_command_end 1|ALTER TABLE|1:ShareLock\n");
  CHECK(log.waits.empty());
  CHECK(log.ddl.empty());
  CHECK(log.deadlocks.empty());
}

TEST_CASE("lines that are cut, too long or nonsense give nothing and do no harm", "[migration]") {
  const std::string line =
      "1000.500 [12] 00000 LOG:  process 12 still waiting for AccessShareLock on relation 16384 of "
      "database 5 after 10.250 ms";
  for (size_t cut = 0; cut < line.size(); ++cut) {
    CHECK(Read(line.substr(0, cut) + "\n\n" + line.substr(cut)).waits.size() <= 1);
  }
  std::string huge = "1.0 [1] 00000 LOG:  scry_watch_0 ddl_command_end 1|X|";
  huge.append(ServerLogReader::kLineBytesMax, '1');
  const ServerLog log = Read(huge + "\n" + line + "\n", 65536);
  CHECK(log.dropped == 1);
  CHECK(log.ddl.empty());
  CHECK(log.waits.size() == 1);
  CHECK(Read("99999999999999999999.0 [1] 00000 LOG:  x\n").ddl.empty());
}

TEST_CASE("modes of locks conflict as the manual's table says", "[migration]") {
  const LockMode all[] = {LockMode::kAccessShare,  LockMode::kRowShare,
                          LockMode::kRowExclusive, LockMode::kShareUpdateExclusive,
                          LockMode::kShare,        LockMode::kShareRowExclusive,
                          LockMode::kExclusive,    LockMode::kAccessExclusive};
  // Row by row, as in table 13.2.
  const char* rows[] = {"       x", "      xx", "    xxxx", "   xxxxx",
                        "  xx xxx", "  xxxxxx", " xxxxxxx", "xxxxxxxx"};
  for (size_t i = 0; i < 8; ++i) {
    for (size_t j = 0; j < 8; ++j) {
      CAPTURE(i, j);
      CHECK(Conflicts(all[i], all[j]) == (rows[i][j] == 'x'));
    }
    CHECK(ParseLockMode(std::string(Name(all[i])) + "Lock") == all[i]);
  }
  CHECK(ParseLockMode("ShareLocks") == LockMode::kNone);
}

}  // namespace
}  // namespace scry::migration
