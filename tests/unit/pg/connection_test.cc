#include "pg/connection.h"

#include <poll.h>
#include <stdlib.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "pg/admin.h"
#include "pg/startup.h"
#include "support/catch.h"
#include "support/pg_server.h"

using namespace scry;
using namespace scry::pg;

namespace {

Connection Connected(const ConnInfo& info) {
  auto connection = Connection::Connect(info);
  INFO((connection.ok() ? "" : connection.error().message));
  REQUIRE(connection.ok());
  return std::move(*connection);
}

std::string Show(Connection& connection, const std::string& name) {
  const auto value = connection.QueryValue("SHOW " + name);
  INFO((value.ok() ? "" : value.error().message));
  REQUIRE(value.ok());
  return value->value_or("(null)");
}

// Opens all at once, as an event loop does.
void OpenTogether(const ConnInfo& info, size_t count) {
  std::vector<Connection> connections;
  std::vector<ConnectState> states(count, ConnectState::kWriting);
  for (size_t i = 0; i < count; ++i) {
    auto started = Connection::StartConnect(info);
    REQUIRE(started.ok());
    connections.push_back(std::move(*started));
  }
  for (size_t ready = 0; ready < count;) {
    std::vector<pollfd> fds;
    for (size_t i = 0; i < count; ++i) {
      const bool reading = states[i] == ConnectState::kReading;
      const bool done = states[i] == ConnectState::kReady;
      fds.push_back(
          {done ? -1 : connections[i].socket(), static_cast<short>(reading ? POLLIN : POLLOUT), 0});
    }
    REQUIRE(poll(fds.data(), fds.size(), 30000) > 0);
    for (size_t i = 0; i < count; ++i) {
      if (fds[i].revents == 0) continue;
      const auto state = connections[i].Poll();
      REQUIRE(state.ok());
      states[i] = *state;
      if (*state == ConnectState::kReady) ++ready;
    }
  }
  for (auto& connection : connections) CHECK(connection.backend_pid() != 0);
}

void Send(Connection& connection, const std::string& sql) {
  base::ByteWriter query;
  query.U8('Q');
  query.BigU32(static_cast<uint32_t>(4 + sql.size() + 1));
  query.CString(sql);
  const auto sent = connection.WriteSome(base::AsBytes(query.str()));
  REQUIRE(sent.ok());
  CHECK(sent->bytes == query.size());
}

std::string ReadUntilReady(Connection& connection) {
  std::string answer;
  std::array<uint8_t, 7> buffer;  // Small: frames arrive in pieces.
  while (!answer.ends_with(std::string("Z\0\0\0\5I", 6))) {
    const auto got = connection.ReadSome(buffer);
    REQUIRE(got.ok());
    REQUIRE(got->state != IoState::kClosed);
    if (got->state == IoState::kWouldBlock) {
      pollfd fd{connection.socket(), POLLIN, 0};
      REQUIRE(poll(&fd, 1, 30000) == 1);
      continue;
    }
    answer.append(reinterpret_cast<const char*>(buffer.data()), got->bytes);
  }
  return answer;
}

void CheckRaw(const ConnInfo& info) {
  Connection connection = Connected(info);
  std::array<uint8_t, 1> one{};
  CHECK_FALSE(connection.ReadSome(one).ok());  // Still libpq's.
  REQUIRE(connection.BeginRaw().ok());
  CHECK(connection.ReadSome(one)->state == IoState::kWouldBlock);  // A clean start: nothing waits.
  Send(connection, "SELECT 42");
  const std::string answer = ReadUntilReady(connection);
  CHECK(answer[0] == 'T');
  CHECK(answer.find("42") != std::string::npos);
  CHECK(answer.find("SELECT 1") != std::string::npos);
  CHECK_FALSE(connection.QueryValue("SELECT 1").ok());  // No longer libpq's.
}

// The socket stays, without what libpq held beside it.
void CheckDropped(const ConnInfo& info) {
  Connection connection = Connected(info);
  const uint32_t pid = connection.backend_pid();
  const int version = connection.server_version();
  REQUIRE(connection.BeginRaw().ok());
  connection.DropLibpq();
  connection.DropLibpq();
  CHECK(connection.backend_pid() == pid);
  CHECK(connection.server_version() == version);
  CHECK(connection.ParameterStatus("server_version").empty());
  CHECK_FALSE(connection.QueryValue("SELECT 1").ok());
  Send(connection, "SELECT pg_backend_pid()");
  CHECK(ReadUntilReady(connection).find(std::to_string(pid)) != std::string::npos);
  Send(connection, "SELECT pg_sleep(600)");
  Connection other = Connected(info);
  const std::string runs =
      "SELECT count(*) FROM pg_stat_activity WHERE query ~ '600' AND state = 'active' AND pid = " +
      std::to_string(pid);
  while (other.QueryValue(runs)->value() == "0") std::this_thread::yield();
  CHECK(connection.Cancel().ok());
  CHECK(ReadUntilReady(connection).find("57014") != std::string::npos);
  // Leaving, it says so: a session without a word counts as abandoned.
  const std::string abandoned =
      "SELECT sessions_abandoned FROM pg_stat_database WHERE datname = current_database()";
  const auto before = other.server_version() >= 140000 ? other.QueryValue(abandoned)->value() : "";
  {
    const Connection moved = std::move(connection);  // And ends.
  }
  const std::string there =
      "SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(pid);
  while (other.QueryValue(there)->value() != "0") std::this_thread::yield();
  if (other.server_version() < 140000) return;
  CHECK(other.QueryValue(abandoned)->value() == before);
}

void CheckStartup(const ConnInfo& info) {
  const std::string path = "\"a b\", \"c\\d\", \"tab\tx\", \"e'f\"";
  const StartupPlan plan = PlanStartup(info, {{"user", "app"},
                                              {"database", "postgres"},
                                              {"options", "-c work_mem=1MB -c geqo=off"},
                                              {"application_name", ""},
                                              {"client_encoding", "LATIN1"},
                                              {"DateStyle", "German, DMY"},
                                              {"search_path", path},
                                              {"work_mem", "3MB"},
                                              {"app.tenant", " two words \\ "}});
  Connection connection = Connected(plan.info);
  CHECK(connection.QueryValue("SELECT current_user")->value() == "app");
  CHECK(Show(connection, "search_path") == path);
  CHECK(Show(connection, "work_mem") ==
        "3MB");  // The packet wins over the options, as it does on a server.
  CHECK(Show(connection, "geqo") == "off");
  CHECK(Show(connection, "app.tenant") == " two words \\ ");
  CHECK(Show(connection, "application_name").empty());
  CHECK(connection.ParameterStatus("client_encoding") == "LATIN1");
  CHECK(connection.ParameterStatus("DateStyle") == "German, DMY");
}

void CheckRefusals(const ConnInfo& info) {
  ConnInfo nobody = info;
  nobody.Set("user", "no such role");
  const auto refused = Connection::Connect(nobody);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find("no such role") != std::string::npos);
  CHECK(refused.error().message.find('\n') == std::string::npos);
  CHECK(refused.error().message.ends_with("does not exist"));
  CHECK(refused.error().sqlstate == "28000");
  CHECK(Ping(info) == PingState::kAccepting);
  CHECK(Ping(ConnInfo::Private("/tmp/no-such-folder", 5432, "a", "b")) == PingState::kNoResponse);

  // A variable of the shell must not lead a lane to another server.
  setenv("PGHOSTADDR", "127.0.0.1", 1);
  const auto led = Connection::Connect(info);
  unsetenv("PGHOSTADDR");
  REQUIRE_FALSE(led.ok());
  CHECK(led.error().message.find("PGHOSTADDR") != std::string::npos);
}

void CheckCancel(const ConnInfo& info) {
  Connection connection = Connected(info);
  const std::string pid = std::to_string(connection.backend_pid());
  std::thread canceller([&] {
    auto watcher = AdminSession::Connect(info);
    if (!watcher.ok()) return;
    for (int i = 0; i < 3000; ++i) {
      const auto rows = watcher->Exec("SELECT 1 FROM pg_stat_activity WHERE pid = " + pid +
                                      " AND state = 'active' AND wait_event = 'PgSleep'");
      if (rows.ok() && !rows->rows.empty()) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const auto cancelled = connection.Cancel();
    static_cast<void>(cancelled);  // Seen by the query below.
  });
  const auto result = connection.QueryValue("SELECT pg_sleep(300)");
  canceller.join();
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().sqlstate == "57014");
}

void CheckAdmin(const ConnInfo& info) {
  auto session = AdminSession::Connect(info);
  REQUIRE(session.ok());
  const auto rows = session->Exec(
      "SELECT 1 AS a, NULL::text AS b, 'x' || chr(10) AS \"C d\" UNION ALL "
      "SELECT 2, '', 'y' ORDER BY 1");
  REQUIRE(rows.ok());
  CHECK(rows->columns == std::vector<std::string>{"a", "b", "C d"});
  REQUIRE(rows->rows.size() == 2);
  CHECK_FALSE(rows->rows[0][1].has_value());
  CHECK(rows->rows[1][1] == "");
  CHECK(rows->rows[0][2] == "x\n");
  CHECK(session->Exec("SELECT nope").error().sqlstate == "42703");
  CHECK(session->Exec("SELECT 1").ok());               // An error does not end the session.
  CHECK(session->Exec("CREATE DATABASE other").ok());  // Nothing is wrapped in a transaction.
  CHECK(session->Exec("VACUUM").ok());
  for (const std::string text : {"it's", "a\"b", "back\\slash", "ü", ""}) {
    CHECK(session->Exec("SELECT " + session->Quote(text))->Single() == text);
    if (!text.empty()) {
      CHECK(session->Exec("SELECT 1 AS " + session->QuoteName(text))->columns[0] == text);
    }
  }
}

}  // namespace

TEST_CASE("connections to a real server do what their headers promise", "[pg]") {
  test::PgServer server;
  const ConnInfo info = server.Info();
  server.Exec("CREATE ROLE app LOGIN");
  OpenTogether(info, 40);
  CheckRaw(info);
  CheckDropped(info);
  CheckStartup(info);
  CheckRefusals(info);
  CheckCancel(info);
  CheckAdmin(info);
  CHECK(MajorVersion(Connected(info).server_version()) == server.programs().major);
}
