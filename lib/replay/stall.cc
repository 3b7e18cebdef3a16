#include "replay/stall.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace scry::replay {
namespace {

constexpr const char* kLimit = "SET statement_timeout = '5s'";
constexpr const char* kCancelled = "57014";

template <typename T>
T Number(const std::optional<std::string>& text) {
  T number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace

base::Result<StallProbe> StallProbe::Open(const std::vector<pg::ConnInfo>& lanes) {
  std::vector<Probe> probes;
  for (const pg::ConnInfo& lane : lanes) {
    SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(lane));
    const auto sharing = std::count_if(lanes.begin(), lanes.end(), [&](const pg::ConnInfo& other) {
      return other.Get("host") == lane.Get("host") && other.Get("port") == lane.Get("port");
    });
    probes.push_back(Probe{std::move(session), lane, static_cast<size_t>(sharing)});
  }
  return StallProbe(std::move(probes));
}

// What is replayed may hold any lock, also on what a probe reads.
base::Status StallProbe::LimitTime() {
  if (std::exchange(limited_, true)) return {};
  for (Probe& probe : probes_) SCRY_TRY(Ask(probe, kLimit));
  return {};
}

// Traffic that ends backends may have ended this one.
base::Result<pg::Rows> StallProbe::Ask(Probe& probe, const std::string& sql) {
  auto rows = probe.session.Exec(sql);
  if (rows.ok() || rows.error().sqlstate == kCancelled) return rows;
  SCRY_TRY_ASSIGN(probe.session, pg::AdminSession::Connect(probe.info));
  SCRY_TRY(probe.session.Exec(kLimit));
  return probe.session.Exec(sql);
}

base::Result<std::set<uint32_t>> StallProbe::SnapshotHolders(size_t lane) {
  SCRY_TRY(LimitTime());
  SCRY_TRY_ASSIGN(const pg::Rows rows, Ask(probes_[lane],
                                           "SELECT pid FROM pg_catalog.pg_stat_get_activity(NULL) "
                                           "WHERE backend_xmin IS NOT NULL"));
  std::set<uint32_t> pids;
  for (const auto& row : rows.rows) pids.insert(Number<uint32_t>(row[0]));
  return pids;
}

base::Result<std::vector<LockWait>> StallProbe::LockWaits() {
  std::vector<LockWait> waits;
  SCRY_TRY(LimitTime());
  for (size_t lane = 0; lane < probes_.size(); ++lane) {
    // The function, not the view over it, which also reads tables that can be locked.
    auto rows = Ask(probes_[lane],
                    "SELECT pid, unnest(CASE WHEN wait_event_type = 'Lock' "
                    "THEN pg_catalog.pg_blocking_pids(pid) "
                    "ELSE pg_catalog.pg_safe_snapshot_blocking_pids(pid) END) "
                    "FROM pg_catalog.pg_stat_get_activity(NULL) "
                    "WHERE wait_event_type = 'Lock' OR wait_event = 'SafeSnapshot'");
    if (!rows.ok()) {
      if (rows.error().sqlstate == kCancelled) continue;  // Timed out: nothing is known.
      return rows.error();
    }
    for (const auto& row : rows->rows) {
      if (row.size() != 2) continue;
      waits.push_back(LockWait{lane, Number<uint32_t>(row[0]), Number<uint32_t>(row[1])});
    }
  }
  return waits;
}

// Databases and roles may have their own limits.
base::Result<std::string> StallProbe::PatientOptions(size_t lane) {
  SCRY_TRY_ASSIGN(
      const pg::Rows rows,
      probes_[lane].session.Exec(
          "SELECT s.name FROM pg_catalog.pg_settings s WHERE s.name IN "
          "('idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout') "
          "AND (s.reset_val <> '0' OR EXISTS (SELECT FROM pg_catalog.pg_db_role_setting, "
          "pg_catalog.unnest(setconfig) AS one WHERE one LIKE s.name || '=%')) ORDER BY 1"));
  std::string options;
  for (const auto& row : rows.rows) options += "-c " + row.at(0).value_or("") + "=0 ";
  return options;
}

base::Result<size_t> StallProbe::RoomForSessions() {
  size_t room = SIZE_MAX;
  for (Probe& probe : probes_) {
    // Reserved ones stay free for whoever looks into a stuck server; a few are in use by ourselves.
    SCRY_TRY_ASSIGN(
        const pg::Rows rows,
        probe.session.Exec("SELECT sum(setting::int * CASE name WHEN 'max_connections' THEN 1 "
                           "ELSE -1 END) - (SELECT count(*) FROM pg_catalog.pg_stat_activity "
                           "WHERE backend_type = 'client backend') "
                           "FROM pg_catalog.pg_settings WHERE name IN ('max_connections', "
                           "'superuser_reserved_connections', 'reserved_connections')"));
    const auto free = static_cast<size_t>(std::max(1, Number<int>(rows.Single())));
    room = std::min(room, std::max<size_t>(1, free / probe.lanes_on_server));
  }
  return room;
}

}  // namespace scry::replay
