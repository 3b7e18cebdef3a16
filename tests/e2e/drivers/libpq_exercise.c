// Does with libpq what applications do with it, against the database that PG* names. Exits 1 with a
// line on stderr where something does not go as it should.
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

static void Fail(const char* what, const char* why) {
  fprintf(stderr, "libpq_exercise: %s: %s\n", what, why);
  exit(1);
}

static PGconn* Connect(void) {
  PGconn* conn = PQconnectdb("application_name=exercise");
  if (PQstatus(conn) != CONNECTION_OK) Fail("connect", PQerrorMessage(conn));
  return conn;
}

// Checks and clears it.
static void Expect(PGconn* conn, PGresult* result, ExecStatusType wanted, const char* what) {
  const ExecStatusType got = PQresultStatus(result);
  if (got != wanted) {
    fprintf(stderr, "%s instead of %s\n", PQresStatus(got), PQresStatus(wanted));
    Fail(what, PQerrorMessage(conn));
  }
  PQclear(result);
}

static void Run(PGconn* conn, const char* sql, ExecStatusType wanted) {
  Expect(conn, PQexec(conn, sql), wanted, sql);
}

static void Parameters(PGconn* conn) {
  const uint32_t id = htonl(7);
  const uint32_t amount = htonl(5);
  const char* values[2] = {(const char*)&id, (const char*)&amount};
  const int lengths[2] = {4, 4};
  const int formats[2] = {1, 1};
  for (int format = 0; format < 2; ++format) {
    Expect(conn,
           PQexecParams(conn, "select * from items where id = $1::int and amount > $2::int", 2, NULL,
                        values, lengths, formats, format),
           PGRES_TUPLES_OK, "parameters");
  }
  Expect(conn, PQprepare(conn, "by_id", "select name, price, raw from items where id = $1::int", 1, NULL),
         PGRES_COMMAND_OK, "prepare");
  Expect(conn, PQdescribePrepared(conn, "by_id"), PGRES_COMMAND_OK, "describe");
  for (int i = 1; i < 12; ++i) {
    const uint32_t number = htonl((uint32_t)i);
    const char* one[1] = {(const char*)&number};
    Expect(conn, PQexecPrepared(conn, "by_id", 1, one, lengths, formats, i % 2), PGRES_TUPLES_OK,
           "execute");
  }
  const char* nothing[1] = {NULL};
  Expect(conn, PQexecPrepared(conn, "by_id", 1, nothing, NULL, NULL, 0), PGRES_TUPLES_OK, "null");
  Run(conn, "deallocate by_id", PGRES_COMMAND_OK);
  Expect(conn, PQexecPrepared(conn, "by_id", 1, nothing, NULL, NULL, 0), PGRES_FATAL_ERROR, "gone");
  // The number of parameters is wrong.
  Expect(conn, PQexecParams(conn, "select $1::int + $2::int", 1, NULL, nothing, NULL, NULL, 0),
         PGRES_FATAL_ERROR, "too few parameters");
}

static void Send(PGconn* conn, const char* sql, const char* value) {
  const char* values[1] = {value};
  if (!PQsendQueryParams(conn, sql, value != NULL, NULL, values, NULL, NULL, 0)) {
    Fail("send", PQerrorMessage(conn));
  }
}

// Results up to and with `syncs` synchronisation points.
static void Drain(PGconn* conn, int syncs) {
  while (syncs > 0) {
    PGresult* result = PQgetResult(conn);
    if (result == NULL) continue;  // The end of one query.
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) --syncs;
    PQclear(result);
  }
}

static void Pipelines(PGconn* conn) {
  if (!PQenterPipelineMode(conn)) Fail("pipeline", PQerrorMessage(conn));
  for (int i = 1; i <= 20; ++i) {
    char number[16];
    snprintf(number, sizeof(number), "%d", i);
    Send(conn, "insert into events (item, kind) values ($1, 'piped') returning id", number);
  }
  PQpipelineSync(conn);
  Send(conn, "insert into events (item) values ($1)", "1");
  Send(conn, "insert into events (item) values ($1)", "-1");  // No such item.
  Send(conn, "insert into events (item) values ($1)", "2");   // Not run.
  PQpipelineSync(conn);
  Send(conn, "begin", NULL);
  Send(conn, "update items set amount = amount + 1 where id = $1", "3");
  Send(conn, "select amount from items where id = $1", "3");
  Send(conn, "commit", NULL);
  PQpipelineSync(conn);
  Drain(conn, 3);
  // A query before the one before is answered, with Flush instead of Sync.
  Send(conn, "select count(*) from events where kind = $1", "piped");
  PQsendFlushRequest(conn);
  PQflush(conn);
  PQclear(PQgetResult(conn));
  PQclear(PQgetResult(conn));
  Send(conn, "select max(id) from events where id > $1", "0");
  PQpipelineSync(conn);
  Drain(conn, 1);
  if (!PQexitPipelineMode(conn)) Fail("end of pipeline", PQerrorMessage(conn));
}

static void SingleRows(PGconn* conn) {
  if (!PQsendQuery(conn, "select id, name from items order by id")) {
    Fail("single rows", PQerrorMessage(conn));
  }
  PQsetSingleRowMode(conn);
  for (PGresult* result; (result = PQgetResult(conn)) != NULL;) PQclear(result);
  if (!PQsendQuery(conn, "select 1; select 2; select 1 / 0; select 3")) {
    Fail("several", PQerrorMessage(conn));
  }
  for (PGresult* result; (result = PQgetResult(conn)) != NULL;) PQclear(result);
}

static void Put(PGconn* conn, const char* data) {
  if (PQputCopyData(conn, data, (int)strlen(data)) != 1) Fail("copy", PQerrorMessage(conn));
}

static void EndCopy(PGconn* conn, const char* error, ExecStatusType wanted) {
  if (PQputCopyEnd(conn, error) != 1) Fail("end of copy", PQerrorMessage(conn));
  Expect(conn, PQgetResult(conn), wanted, "copy");
  while (PQgetResult(conn) != NULL) continue;
}

static void Copies(PGconn* conn) {
  Run(conn, "copy events (item, kind) from stdin", PGRES_COPY_IN);
  for (int i = 0; i < 1000; ++i) Put(conn, "4\tcopied\n");
  EndCopy(conn, NULL, PGRES_COMMAND_OK);
  Run(conn, "copy events (item, kind) from stdin", PGRES_COPY_IN);
  Put(conn, "5\thalf\n");
  EndCopy(conn, "the application changed its mind", PGRES_FATAL_ERROR);
  Run(conn, "copy events (item, kind) from stdin", PGRES_COPY_IN);
  Put(conn, "no number\tx\n");
  EndCopy(conn, NULL, PGRES_FATAL_ERROR);
  Expect(conn, PQexecParams(conn, "copy events (item) from stdin", 0, NULL, NULL, NULL, NULL, 0),
         PGRES_COPY_IN, "copy of the extended protocol");
  Put(conn, "6\n");
  EndCopy(conn, NULL, PGRES_COMMAND_OK);
  const char* out[] = {"copy (select id, item, kind from events order by id) to stdout",
                       "copy (select id, price from items order by id) to stdout (format binary)"};
  for (int i = 0; i < 2; ++i) {
    Run(conn, out[i], PGRES_COPY_OUT);
    for (char* row = NULL; PQgetCopyData(conn, &row, 0) > 0;) PQfreemem(row);
    while (PQgetResult(conn) != NULL) continue;
  }
}

static void LargeObjects(PGconn* conn) {
  Run(conn, "begin", PGRES_COMMAND_OK);
  const Oid object = lo_creat(conn, INV_READ | INV_WRITE);
  if (object == InvalidOid) Fail("lo_creat", PQerrorMessage(conn));
  const int handle = lo_open(conn, object, INV_READ | INV_WRITE);
  char data[5000];
  memset(data, 'l', sizeof(data));
  if (lo_write(conn, handle, data, sizeof(data)) != (int)sizeof(data)) {
    Fail("lo_write", PQerrorMessage(conn));
  }
  lo_lseek64(conn, handle, 100, SEEK_SET);
  lo_read(conn, handle, data, 1000);
  lo_tell64(conn, handle);
  lo_truncate64(conn, handle, 2000);
  lo_close(conn, handle);
  Run(conn, "commit", PGRES_COMMAND_OK);
  char read_again[64];
  snprintf(read_again, sizeof(read_again), "select length(lo_get(%u))", object);
  Run(conn, read_again, PGRES_TUPLES_OK);
  lo_unlink(conn, object);
}

static void Cursors(PGconn* conn) {
  Run(conn, "begin", PGRES_COMMAND_OK);
  Run(conn, "declare c binary scroll cursor with hold for select id, price from items order by id",
      PGRES_COMMAND_OK);
  Run(conn, "fetch 50 from c", PGRES_TUPLES_OK);
  Run(conn, "fetch backward 10 from c", PGRES_TUPLES_OK);
  Run(conn, "commit", PGRES_COMMAND_OK);
  Run(conn, "fetch all from c", PGRES_TUPLES_OK);
  Expect(conn, PQdescribePortal(conn, "c"), PGRES_COMMAND_OK, "describe portal");
  Run(conn, "close c", PGRES_COMMAND_OK);
  Run(conn, "begin; savepoint a; insert into events (item) values (8)", PGRES_COMMAND_OK);
  Run(conn, "insert into events (item) values (-8)", PGRES_FATAL_ERROR);
  Run(conn, "select 1", PGRES_FATAL_ERROR);
  Run(conn, "rollback to a", PGRES_COMMAND_OK);
  Run(conn, "insert into events (item) values (9)", PGRES_COMMAND_OK);
  Run(conn, "commit", PGRES_COMMAND_OK);
}

static void Cancels(PGconn* conn) {
  char why[256];
  if (!PQsendQuery(conn, "select pg_sleep(60)")) Fail("sleep", PQerrorMessage(conn));
  PQflush(conn);
  const struct timespec while_it_runs = {0, 300 * 1000 * 1000};
  nanosleep(&while_it_runs, NULL);
  PGcancel* cancel = PQgetCancel(conn);
  if (!PQcancel(cancel, why, sizeof(why))) Fail("cancel", why);
  PQfreeCancel(cancel);
  Expect(conn, PQgetResult(conn), PGRES_FATAL_ERROR, "cancelled");
  while (PQgetResult(conn) != NULL) continue;
}

static void Notifications(PGconn* conn, PGconn* listener) {
  Run(listener, "listen chatter", PGRES_COMMAND_OK);
  for (int i = 0; i < 20; ++i) Run(conn, "notify chatter, 'hello'", PGRES_COMMAND_OK);
  for (int told = 0; told < 20;) {
    PQconsumeInput(listener);
    for (PGnotify* one; (one = PQnotifies(listener)) != NULL; ++told) PQfreemem(one);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(PQsocket(listener), &set);
    if (told < 20 && select(PQsocket(listener) + 1, &set, NULL, NULL, NULL) < 0) {
      Fail("select", "failed");
    }
  }
  Run(listener, "unlisten *", PGRES_COMMAND_OK);
}

int main(void) {
  PGconn* conn = Connect();
  PGconn* listener = Connect();
  Parameters(conn);
  Pipelines(conn);
  SingleRows(conn);
  Copies(conn);
  LargeObjects(conn);
  Cursors(conn);
  Cancels(conn);
  Notifications(conn, listener);
  Run(conn, "select count(*), sum(item), max(id) from events", PGRES_TUPLES_OK);
  PQfinish(listener);
  PQfinish(conn);
  return 0;
}
