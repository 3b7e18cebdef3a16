#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/units.h"
#include "os/directory.h"
#include "os/subprocess.h"
#include "shadow/making.h"

namespace scry::shadow {
namespace {

constexpr size_t kRoleErrorsNoted = 5;
constexpr size_t kRolesBytesMax = 64 * 1024 * 1024;

// Enough to be quick, few enough for a source that has other work.
std::string Jobs() {
  return std::to_string(std::clamp(std::thread::hardware_concurrency(), 1U, 4U));
}

base::Status RunStep(const Making& making, os::Program program, const pg::ConnInfo& info) {
  program.environment = EnvironmentFor(info);
  const auto finished = os::RunChecked(program, making.control.Limits());
  if (!finished.ok()) return finished.error();
  return {};
}

base::Status DumpSource(Making& making, const Source& source, const pg::Programs& programs) {
  making.control.Say("dumping the source with pg_dump");
  os::Program roles;
  // Passwords would need a superuser, and nobody logs in to a shadow with one.
  roles.argv = {programs.Path("pg_dumpall"),
                "--roles-only",
                "--no-role-passwords",
                "--no-password",
                "--database=" + making.info.dbname,
                "--file=" + making.folder + "/roles.sql",
                "--dbname=" + ConnInfoForArgv(source.info)};
  SCRY_TRY(RunStep(making, roles, source.info));
  os::Program dump;
  dump.argv = {programs.Path("pg_dump"),
               "--format=directory",
               "--jobs=" + Jobs(),
               "--no-password",
               "--no-subscriptions",
               "--no-sync",
               "--file=" + making.folder + "/dump",
               "--dbname=" + ConnInfoForArgv(source.info)};
  return RunStep(making, dump, source.info);
}

// A role of our own for the work, so that every role of the source, its postgres too, comes as it
// is.
base::Result<std::string> FreeRoleName(pg::AdminSession& session) {
  for (int i = 0; i < 100; ++i) {
    std::string name = i == 0 ? "scry_admin" : fmt::format("scry_admin_{}", i);
    SCRY_TRY_ASSIGN(
        const pg::Rows taken,
        session.Exec("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = " + session.Quote(name)));
    if (taken.rows.empty()) return name;
  }
  return base::Fail("no role name is free for scry in the source");
}

base::Result<InitOptions> AskLocale(pg::AdminSession& session) {
  SCRY_TRY_ASSIGN(
      const pg::Rows rows,
      session.Exec("SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype FROM "
                   "pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"));
  InitOptions options;
  if (rows.rows.empty() || rows.rows[0].size() < 3)
    return base::Fail("the source does not tell its locale");
  const auto& row = rows.rows[0];
  options.encoding = row[0].value_or("UTF8");
  options.lc_collate = row[1].value_or("C");
  options.lc_ctype = row[2].value_or("C");
  return options;
}

// pg_dumpall of PostgreSQL 16 and newer names the grantor of each membership, normally the
// bootstrap superuser. Here that is a role of ours, and the source's may grant nothing without
// ADMIN OPTION, so the memberships would be lost: they are granted by us instead.
std::string WithoutGrantors(const std::string& sql) {
  constexpr std::string_view kClause = " GRANTED BY ";
  std::string out;
  size_t at = 0;
  while (at < sql.size()) {
    const size_t end = std::min(sql.find('\n', at), sql.size());
    const std::string_view line = std::string_view(sql).substr(at, end - at);
    const size_t clause = line.starts_with("GRANT ") ? line.rfind(kClause) : std::string::npos;
    if (clause != std::string::npos && line.ends_with(';')) {
      out.append(line.substr(0, clause)).append(";\n");
    } else {
      out.append(line).append("\n");
    }
    at = end + 1;
  }
  return out;
}

base::Status RestoreRoles(Making& making, const PrivateServer& server,
                          const pg::Programs& programs) {
  const std::string file = making.folder + "/roles.sql";
  SCRY_TRY_ASSIGN(const std::string sql, os::LoadText(file, kRolesBytesMax));
  SCRY_TRY(os::StoreText(file, WithoutGrantors(sql), 0600, server.spec().user));
  os::Program psql;
  const pg::ConnInfo info = server.Info("template1");
  psql.argv = {programs.Path("psql"),
               "--no-psqlrc",
               "--quiet",
               "--no-password",
               "--file=" + making.folder + "/roles.sql",
               "--dbname=" + info.Render()};
  psql.environment = EnvironmentFor(info);
  // Some grants of hosted services name roles that only exist there: worth a note, not a failure.
  // What a table really needs is missed by the strict restore that follows.
  size_t errors = 0;
  psql.err.on_line = [&](std::string_view line) {
    if (line.find("ERROR:") == std::string_view::npos || ++errors > kRoleErrorsNoted) return;
    making.Note("role: " + base::OneLine(line.substr(line.find("ERROR:"))));
  };
  SCRY_TRY(os::RunChecked(psql, making.control.Limits()));
  if (errors > kRoleErrorsNoted)
    making.Note(fmt::format("{} more errors with roles", errors - kRoleErrorsNoted));
  return {};
}

base::Status RestoreDatabase(Making& making, const PrivateServer& server,
                             const pg::Programs& programs) {
  const pg::ConnInfo info = server.Info("template1");
  if (making.info.dbname == "postgres") {
    SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::ConnectToWrite(info));
    SCRY_TRY(session.Exec("DROP DATABASE postgres"));
  }
  os::Program restore;
  restore.argv = {programs.Path("pg_restore"),
                  "--create",
                  "--exit-on-error",
                  "--jobs=" + Jobs(),
                  "--no-password",
                  "--no-subscriptions",
                  "--no-tablespaces",
                  "--dbname=" + info.Render(),
                  making.folder + "/dump"};
  return RunStep(making, restore, info);
}

}  // namespace

base::Status MakeDump(Making& making) {
  SCRY_TRY_ASSIGN(Source source, OpenSource(making));
  making.info.server_major = source.server_major;
  if (making.info.dbname == "template0" || making.info.dbname == "template1") {
    return base::Fail(base::ErrorCode::kUnsupported,
                      "a template database cannot be restored from a dump");
  }
  SCRY_TRY_ASSIGN(const pg::Programs programs, pg::FindPrograms(source.server_major));
  const auto size =
      source.session->Exec("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())");
  if (size.ok() && size->Single()) {
    SCRY_TRY(CheckFreeSpace(making, std::strtoull(size->Single()->c_str(), nullptr, 10)));
  }
  SCRY_TRY_ASSIGN(InitOptions init, AskLocale(*source.session));
  SCRY_TRY_ASSIGN(init.superuser, FreeRoleName(*source.session));
  making.info.superuser = init.superuser;
  source.session.reset();
  if (!source.tablespaces.empty()) {
    making.Note("tables of tablespaces (" + source.tablespaces + ") are in the default one");
  }
  making.Note(
      "restored from a dump: tables are without the bloat and physical order of the source");

  SCRY_TRY(DumpSource(making, source, programs));
  making.control.Say("restoring the dump");
  SCRY_TRY(InitDatabase(programs, making.state.server_user(), making.DataDir(), init));
  SCRY_TRY_ASSIGN(PrivateServer server, StartMade(making, programs));
  SCRY_TRY(RestoreRoles(making, server, programs));
  SCRY_TRY(RestoreDatabase(making, server, programs));
  SCRY_TRY(os::RemoveTree(making.folder + "/dump"));
  SCRY_TRY(os::RemoveTree(making.folder + "/roles.sql"));
  making.control.Say("gathering statistics");
  {
    SCRY_TRY_ASSIGN(pg::AdminSession session,
                    pg::AdminSession::ConnectToWrite(server.Info(making.info.dbname)));
    // Without it 8 of 19 plans differed from the source's, with it none: the visibility map counts,
    // too.
    SCRY_TRY(session.Exec("VACUUM (ANALYZE)"));
  }
  SCRY_TRY(VerifyMade(making, server));
  return server.Stop(PrivateServer::StopMode::kFast, 600 * 1000000LL);
}

}  // namespace scry::shadow
