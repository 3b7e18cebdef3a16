#include "migration/log_settings.h"

#include <string>

#include "migration/server_log.h"

namespace scry::migration {

std::vector<std::string> LogSettingNames() {
  std::vector<std::string> names;
  for (const auto& [name, value] : LogSettings()) names.push_back(name);
  return names;
}

base::Status ForgetSettings(pg::AdminSession& session, const std::vector<std::string>& names) {
  std::string quoted;
  for (const std::string& name : names) {
    quoted += (quoted.empty() ? "" : ", ") + session.Quote(name);
  }
  SCRY_TRY_ASSIGN(
      const pg::Rows rows,
      session.Exec("SELECT coalesce(r.rolname, ''), coalesce(d.datname, ''), n.name"
                   " FROM pg_catalog.pg_db_role_setting s"
                   " LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole"
                   " LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,"
                   " LATERAL (SELECT pg_catalog.lower(pg_catalog.split_part(x, '=', 1)) AS name"
                   " FROM pg_catalog.unnest(s.setconfig) x) n WHERE n.name IN (" +
                   quoted + ")"));
  for (const auto& row : rows.rows) {
    const std::string role = row[0].value_or("");
    const std::string database = row[1].value_or("");
    std::string sql = "ALTER DATABASE " + session.QuoteName(database);
    if (!role.empty() || database.empty()) {
      sql = "ALTER ROLE " + (role.empty() ? "ALL" : session.QuoteName(role));
      if (!database.empty()) sql += " IN DATABASE " + session.QuoteName(database);
    }
    SCRY_TRY(session.Exec(sql + " RESET " + row[2].value_or("")));
  }
  return {};
}

}  // namespace scry::migration
