#include "job/blocker.h"

#include <optional>
#include <utility>

#include "job/run_watch.h"

namespace scry::job {

using base::Micros;
using base::Result;

namespace {

constexpr Micros kBlockerPollUs = 5 * 1000;

}  // namespace

Result<std::unique_ptr<Blocker>> Blocker::Begin(const pg::ConnInfo& fork,
                                                const std::vector<uint32_t>& tables,
                                                Micros length_us,
                                                const migration::MigrationWatch& watch) {
  SCRY_TRY_ASSIGN(pg::Connection holder, pg::Connection::Connect(fork));
  SCRY_TRY_ASSIGN(pg::AdminSession probe, pg::AdminSession::Connect(fork));
  std::string oids;
  for (const uint32_t oid : tables) oids += (oids.empty() ? "" : ",") + std::to_string(oid);
  SCRY_TRY_ASSIGN(const pg::Rows names,
                  probe.Exec("SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
                             "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                             "WHERE c.relkind IN ('r', 'p') AND c.oid IN (SELECT coalesce("
                             "(SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = o), o) "
                             "FROM unnest(ARRAY[" +
                             oids + "]::pg_catalog.oid[]) o)"));
  SCRY_TRY(holder.QueryValue("BEGIN"));
  SCRY_TRY(holder.QueryValue("SET LOCAL lock_timeout = '2s'"));
  for (const auto& row : names.rows) {
    SCRY_TRY(holder.QueryValue("LOCK TABLE " + probe.QuoteName(row[0].value_or("")) + "." +
                               probe.QuoteName(row[1].value_or("")) + " IN ROW EXCLUSIVE MODE"));
  }
  return std::unique_ptr<Blocker>(
      new Blocker(std::move(holder), std::move(probe), length_us, watch));
}

Blocker::Blocker(pg::Connection holder, pg::AdminSession probe, Micros length_us,
                 const migration::MigrationWatch& watch)
    : holder_(std::move(holder)), probe_(std::move(probe)), length_us_(length_us), watch_(watch) {
  thread_ = std::jthread([this](const std::stop_token& stop) { Hold(stop); });
}

Blocker::~Blocker() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

// Lets go so long after the migration began to wait for it: how long that takes to come does not
// matter then.
void Blocker::Hold(const std::stop_token& stop) {
  const std::string own = std::to_string(holder_.backend_pid());
  while (!stop.stop_requested()) {
    std::string pids;
    for (const uint32_t pid : watch_.BackendPids()) {
      pids += (pids.empty() ? "" : ",") + std::to_string(pid);
    }
    if (!pids.empty()) {
      const auto waits = probe_.Exec(
          "SELECT 1 FROM pg_catalog.pg_stat_get_activity(NULL) WHERE wait_event_type = 'Lock' "
          "AND pid IN (" +
          pids + ") AND " + own + " = ANY (pg_catalog.pg_blocking_pids(pid))");
      if (!waits.ok() || waits->Single()) break;
    }
    (void)SleepUntil(base::SystemClock().MonotonicUs() + kBlockerPollUs, stop);
  }
  (void)SleepUntil(base::SystemClock().MonotonicUs() + length_us_, stop);
  (void)holder_.QueryValue("ROLLBACK").ok();
}

}  // namespace scry::job
