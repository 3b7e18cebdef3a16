#include "job/blocker.h"

#include <string>
#include <utility>

#include "job/run_watch.h"

namespace scry::job {

using base::Micros;
using base::Result;

namespace {

constexpr Micros kBlockerPollUs = 5 * 1000;

struct Holdable {
  std::string name;  // Quoted, with its schema.
  bool is_table = false;
};

Result<std::vector<Holdable>> HoldableOf(const std::vector<uint32_t>& relations,
                                         pg::AdminSession& session) {
  std::string oids;
  for (const uint32_t oid : relations) oids += (oids.empty() ? "" : ",") + std::to_string(oid);
  SCRY_TRY_ASSIGN(
      const pg::Rows rows,
      session.Exec(
          "SELECT n.nspname, c.relname, c.relkind IN ('r', 'p') FROM pg_catalog.pg_class c "
          "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
          "WHERE c.relkind IN ('r', 'p', 'm', 'v') AND c.oid IN (SELECT coalesce("
          "(SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = o), o) "
          "FROM unnest(ARRAY[" +
          oids + "]::pg_catalog.oid[]) o) ORDER BY c.oid"));
  std::vector<Holdable> found;
  for (const auto& row : rows.rows) {
    found.push_back(
        {session.QuoteName(row[0].value_or("")) + "." + session.QuoteName(row[1].value_or("")),
         row[2].value_or("") == "t"});
  }
  return found;
}

// As a query that reads it does, with the tables below. To prepare one is enough for its locks, and
// runs nothing: behind a view may be a table of another server. False: there is no reading it.
Result<bool> HoldAsReader(const std::string& view, pg::Connection& holder) {
  SCRY_TRY(holder.QueryValue("SAVEPOINT held"));
  if (holder.QueryValue("PREPARE held AS SELECT 1 FROM " + view).ok()) {
    SCRY_TRY(holder.QueryValue("DEALLOCATE held"));
    return true;
  }
  SCRY_TRY(holder.QueryValue("ROLLBACK TO SAVEPOINT held"));
  return false;
}

}  // namespace

Result<std::unique_ptr<Blocker>> Blocker::Begin(const pg::ConnInfo& fork,
                                                const std::vector<uint32_t>& relations,
                                                Micros length_us,
                                                const migration::MigrationWatch& watch) {
  SCRY_TRY_ASSIGN(pg::Connection holder, pg::Connection::Connect(fork));
  SCRY_TRY_ASSIGN(pg::AdminSession probe, pg::AdminSession::Connect(fork));
  SCRY_TRY_ASSIGN(const std::vector<Holdable> holdable, HoldableOf(relations, probe));
  SCRY_TRY(holder.QueryValue("BEGIN"));
  SCRY_TRY(holder.QueryValue("SET LOCAL lock_timeout = '2s'"));
  bool holds = false;
  for (const Holdable& one : holdable) {
    if (one.is_table) {
      SCRY_TRY(holder.QueryValue("LOCK TABLE " + one.name + " IN ROW EXCLUSIVE MODE"));
      holds = true;
    } else {
      SCRY_TRY_ASSIGN(const bool read, HoldAsReader(one.name, holder));
      holds = holds || read;
    }
  }
  if (!holds) return std::unique_ptr<Blocker>();
  return std::unique_ptr<Blocker>(
      new Blocker(std::move(holder), std::move(probe), length_us, watch));
}

Blocker::Blocker(pg::Connection holder, pg::AdminSession probe, Micros length_us,
                 const migration::MigrationWatch& watch)
    : holder_(std::move(holder)), probe_(std::move(probe)), length_us_(length_us), watch_(watch) {
  thread_ = std::jthread([this](const std::stop_token& stop) { Hold(stop); });
}

Micros Blocker::End() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  return ended_us_;
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
  ended_us_ = base::SystemClock().MonotonicUs();
}

}  // namespace scry::job
