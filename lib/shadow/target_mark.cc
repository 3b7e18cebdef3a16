#include "shadow/target_mark.h"

#include <fmt/format.h>

#include "pg/admin.h"

namespace scry::shadow {
namespace {

constexpr const char* kCommentPrefix = "replays of scry may write to cluster ";

base::Result<pg::AdminSession> Open(const pg::ConnInfo& target) {
  pg::ConnInfo plain = target;
  plain.Set("options", "");
  return pg::AdminSession::Connect(plain);
}

base::Result<std::string> CommentOf(pg::AdminSession& session) {
  SCRY_TRY_ASSIGN(const pg::Rows rows,
                  session.Exec("SELECT system_identifier FROM pg_catalog.pg_control_system()"));
  const auto cluster = rows.Single();
  if (!cluster) return base::Fail("the server does not tell its system identifier");
  return kCommentPrefix + *cluster;
}

// The comment of the role; empty: it has none, or there is no such role.
base::Result<std::string> StoredComment(pg::AdminSession& session) {
  SCRY_TRY_ASSIGN(
      const pg::Rows rows,
      session.Exec("SELECT pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles "
                   "WHERE NOT rolcanlogin AND rolname = " +
                   session.Quote(kMarkRole)));
  return rows.Single().value_or("");
}

base::Result<bool> RoleExists(pg::AdminSession& session) {
  SCRY_TRY_ASSIGN(const pg::Rows rows,
                  session.Exec("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = " +
                               session.Quote(kMarkRole)));
  return rows.Single().has_value();
}

}  // namespace

base::Status MarkTarget(const pg::ConnInfo& target) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, Open(target));
  SCRY_TRY_ASSIGN(const std::string comment, CommentOf(session));
  SCRY_TRY_ASSIGN(const bool exists, RoleExists(session));
  const std::string create = exists ? "" : fmt::format("CREATE ROLE {} NOLOGIN; ", kMarkRole);
  const auto done = session.Exec(
      fmt::format("{}COMMENT ON ROLE {} IS {}", create, kMarkRole, session.Quote(comment)));
  return done.ok() ? base::Status() : base::Status(done.error()).With("mark " + target.Display());
}

base::Result<bool> UnmarkTarget(const pg::ConnInfo& target) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, Open(target));
  SCRY_TRY_ASSIGN(const bool exists, RoleExists(session));
  if (!exists) return false;
  const auto done = session.Exec(fmt::format("DROP ROLE {}", kMarkRole));
  if (!done.ok()) return base::Status(done.error()).With("unmark " + target.Display()).error();
  return true;
}

base::Result<bool> IsMarkedTarget(const pg::ConnInfo& target) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, Open(target));
  SCRY_TRY_ASSIGN(const std::string stored, StoredComment(session));
  SCRY_TRY_ASSIGN(const std::string wanted, CommentOf(session));
  return stored == wanted;
}

base::Status CheckTargetMark(const pg::ConnInfo& target) {
  SCRY_TRY_ASSIGN(const bool marked, IsMarkedTarget(target));
  if (marked) return {};
  return base::Fail(
      base::ErrorCode::kUsage,
      fmt::format("{} does not carry scry's mark, and the replay would write to it; if it may be "
                  "changed, mark it: scry shadow mark --target CONNINFO; else give --reads-only",
                  target.Display()));
}

}  // namespace scry::shadow
