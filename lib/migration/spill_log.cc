#include "migration/spill_log.h"

#include <chrono>
#include <thread>
#include <utility>

namespace scry::migration {
namespace {

constexpr const char* kSetting = "log_temp_files";
constexpr auto kReloadPatience = std::chrono::seconds(1);
constexpr auto kReloadLook = std::chrono::milliseconds(1);

// A backend hears of new settings only after the postmaster, which begins all later ones.
bool AwaitReload(pg::AdminSession& session, const std::string& value) {
  const auto deadline = std::chrono::steady_clock::now() + kReloadPatience;
  while (true) {
    const auto rows = session.Exec(
        std::string("SELECT setting FROM pg_catalog.pg_settings WHERE name = '") + kSetting + "'");
    if (!rows.ok()) return false;
    if (rows->Single() == value) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kReloadLook);
  }
}

}  // namespace

bool SpillLog::Begin(pg::AdminSession& session) {
  const auto rows = session.Exec(
      std::string("SELECT setting FROM pg_catalog.pg_file_settings WHERE name = '") + kSetting +
      "' AND sourcefile LIKE '%postgresql.auto.conf' ORDER BY seqno DESC LIMIT 1");
  const auto own = session.Exec(
      std::string("SELECT FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS one "
                  "WHERE one LIKE '") +
      kSetting + "=%'");
  if (!rows.ok() || !own.ok() || !own->rows.empty()) return false;
  before_ = rows->Single();
  const std::string value = std::to_string(kSpillLoggedBytes >> 10U);
  if (!session.Exec(std::string("ALTER SYSTEM SET ") + kSetting + " = " + value).ok()) return false;
  begun_ = true;
  if (session.Exec("SELECT pg_catalog.pg_reload_conf()").ok() && AwaitReload(session, value)) {
    return true;
  }
  (void)End(session).ok();
  return false;
}

base::Status SpillLog::End(pg::AdminSession& session) {
  if (!std::exchange(begun_, false)) return {};
  std::string sql = std::string("ALTER SYSTEM ") + (before_ ? "SET " : "RESET ") + kSetting;
  if (before_) sql += " = " + session.Quote(*before_);
  SCRY_TRY(session.Exec(sql));
  SCRY_TRY(session.Exec("SELECT pg_catalog.pg_reload_conf()"));
  return {};
}

}  // namespace scry::migration
