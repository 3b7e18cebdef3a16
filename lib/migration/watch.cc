#include "migration/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "event/statement_facts.h"
#include "os/file.h"
#include "os/random_name.h"

namespace scry::migration {
namespace {

using base::Micros;
using base::Result;
using base::Status;

constexpr size_t kSeenMax = 100 * 1000;
constexpr size_t kLocksSeenMax = 20 * 1000;
constexpr size_t kBackendsMax = 1000;
// So many looks are free; after them only one in so long for row work, which takes no table locks
// that matter: a loop of 100,000 INSERTs must not pay for 100,000 looks.
constexpr uint64_t kLooksFree = 1000;
constexpr Micros kLookEveryUs = 20 * 1000;
// The client waits for its answer meanwhile: one failure may be a busy moment, many are too dear.
constexpr uint64_t kSideFailuresMax = 5;
// The size of the database is looked at where a statement may have changed it: it ran for a while,
// wrote, or let files go, which takes neither. That reads a folder, so of a database of 100,000
// files only so often.
constexpr Micros kSizeAfterUs = 5 * 1000;
constexpr uint64_t kSizeAfterWalBytes = 64 << 10;
constexpr Micros kSizeFreeUs = 100 * 1000;
constexpr Micros kSizeShare = 20;
constexpr auto kSampleEvery = std::chrono::milliseconds(20);
constexpr size_t kLogBytesMax = 256ULL << 20;
constexpr size_t kLogPiece = 1 << 20;

// What goes with its table or column is not told by itself, though something else that goes may
// lead to it as well: the rule of a view, the default of a column, a policy. One message per event;
// the function must never fail the command, nor be seen by its client (client_min_messages) or by
// its settings (search_path).
constexpr const char* kFunctionSql = R"(
CREATE FUNCTION pg_catalog.{0}() RETURNS event_trigger LANGUAGE plpgsql
SET search_path = pg_catalog SET client_min_messages = error AS $scry$
DECLARE
  what text;
BEGIN
  IF TG_EVENT = 'table_rewrite' THEN
    what := pg_event_trigger_table_rewrite_oid()::text;
  ELSIF TG_EVENT = 'sql_drop' THEN
    WITH gone AS (SELECT * FROM pg_event_trigger_dropped_objects())
    SELECT string_agg(object_type || '|' ||
                      CASE WHEN original OR NOT normal THEN 't' ELSE 'f' END || '|' ||
                      translate(object_identity, E';|\n\r\t', '     '), ';')
      INTO what FROM gone
     WHERE object_type NOT IN ('rule', 'default value', 'policy') OR NOT EXISTS (
             SELECT FROM gone parent
              WHERE parent.classid = 'pg_class'::regclass
                AND (parent.address_names = gone.address_names[1:2]
                     OR gone.object_type = 'default value'
                        AND parent.address_names = gone.address_names));
  ELSE
    SELECT string_agg(relation || ':' || mode, ',') INTO what FROM pg_lock_status()
     WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= 16384;
  END IF;
  RAISE LOG '{0} % %|%|%', TG_EVENT, trunc(extract(epoch FROM clock_timestamp()) * 1000000), TG_TAG,
            coalesce(what, '');
EXCEPTION WHEN OTHERS THEN
  NULL;
END $scry$)";

std::vector<OidLock> LocksOf(const std::string& text) {
  std::vector<OidLock> locks;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view one = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    const size_t colon = one.find(':');
    uint32_t oid = 0;
    if (colon == std::string_view::npos) continue;
    std::from_chars(one.data(), one.data() + colon, oid);
    locks.push_back({oid, ParseLockMode(one.substr(colon + 1))});
  }
  return locks;
}

uint64_t NumberOf(const std::optional<std::string>& text) {
  uint64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

// Gives up files: at once, or at the end of a transaction those of what was done in it.
bool FreesFiles(std::string_view tag) {
  constexpr std::array<std::string_view, 7> kTags = {"DROP",   "TRUNCATE", "COMMIT", "ROLLBACK",
                                                     "VACUUM", "REINDEX",  "CLUSTER"};
  return std::any_of(kTags.begin(), kTags.end(),
                     [&](std::string_view known) { return tag.starts_with(known); });
}

}  // namespace

MigrationWatch::MigrationWatch(const WatchTarget& target)
    : target_(target), name_("scry_watch_" + os::RandomHex(8)) {}

MigrationWatch::~MigrationWatch() { StopThreads(); }

Result<std::unique_ptr<MigrationWatch>> MigrationWatch::Begin(const WatchTarget& target) {
  std::unique_ptr<MigrationWatch> watch(new MigrationWatch(target));
  SCRY_TRY(watch->Open());
  return watch;
}

Status MigrationWatch::Open() {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::ConnectToWrite(target_.admin));
  SCRY_TRY_ASSIGN(pg::AdminSession side, pg::AdminSession::Connect(target_.admin));
  session_ = std::make_unique<pg::AdminSession>(std::move(session));
  side_ = std::make_unique<pg::AdminSession>(std::move(side));
  SCRY_TRY(side_->Exec("SET statement_timeout = '2s'"));
  SCRY_TRY_ASSIGN(auto log, os::RealFileSystem().OpenForRead(target_.log_file));
  SCRY_TRY_ASSIGN(log_begin_, log->SizeBytes());
  if (!InstallTriggers()) SCRY_TRY(RemoveTriggers());
  spills_logged_ = spill_log_.Begin(*session_);
  SCRY_TRY_ASSIGN(before_, ReadCatalogState(*session_));
  size_lsn_ = before_.wal_lsn;
  return StartThreads();
}

bool MigrationWatch::InstallTriggers() {
  // Roles and databases may have settings of their own; none may change what is made here.
  if (!session_->Exec(fmt::format(kFunctionSql, name_)).ok()) return false;
  function_ = true;
  const std::pair<const char*, const char*> kinds[] = {
      {"end", "ddl_command_end"}, {"drop", "sql_drop"}, {"rewrite", "table_rewrite"}};
  for (const auto& [suffix, event] : kinds) {
    const std::string trigger = name_ + "_" + suffix;
    const auto made = session_->Exec(fmt::format(
        "CREATE EVENT TRIGGER {} ON {} EXECUTE FUNCTION pg_catalog.{}()", trigger, event, name_));
    if (!made.ok()) return false;
    triggers_.push_back(trigger);
    // A migration may load data with session_replication_role = replica, as pg_restore does.
    if (!session_->Exec("ALTER EVENT TRIGGER " + trigger + " ENABLE ALWAYS").ok()) return false;
  }
  std::string adopt = fmt::format("ALTER EXTENSION plpgsql ADD FUNCTION pg_catalog.{}()", name_);
  for (const std::string& trigger : triggers_) {
    adopt += "; ALTER EXTENSION plpgsql ADD EVENT TRIGGER " + trigger;
  }
  return session_->Exec(adopt).ok();
}

Status MigrationWatch::RemoveTriggers() {
  for (const std::string& trigger : std::exchange(triggers_, {})) {
    // Not a member where installing broke off, or where the migration dropped the extension.
    (void)session_->Exec("ALTER EXTENSION plpgsql DROP EVENT TRIGGER " + trigger).ok();
    SCRY_TRY(session_->Exec("DROP EVENT TRIGGER IF EXISTS " + trigger));
  }
  if (std::exchange(function_, false)) {
    const std::string function = "FUNCTION pg_catalog." + name_ + "()";
    (void)session_->Exec("ALTER EXTENSION plpgsql DROP " + function).ok();
    SCRY_TRY(session_->Exec("DROP FUNCTION IF EXISTS pg_catalog." + name_ + "()"));
  }
  return {};
}

Status MigrationWatch::StartThreads() {
  capture::RelayOptions options;
  options.upstream_host = target_.loopback.Get("host");
  const uint64_t port = NumberOf(target_.loopback.Get("port"));
  options.upstream_port = static_cast<uint16_t>(port);
  options.tell_first = true;
  options.settings = target_.settings;
  const base::Clock& clock = base::SystemClock();
  SCRY_TRY_ASSIGN(relay_, capture::Relay::Open(options, *this, clock));
  seen_.wall_offset_us = clock.WallUs() - clock.MonotonicUs();
  command_target_ = target_.loopback;
  command_target_.Set("host", relay_->address().host)
      .Set("port", std::to_string(relay_->address().port));
  relay_thread_ =
      std::thread([this] { relay_status_ = relay_->Run([this] { return stop_.load(); }); });
  sampler_thread_ = std::thread([this] { Sample(); });
  return {};
}

void MigrationWatch::StopThreads() {
  stop_ = true;
  if (relay_thread_.joinable()) relay_thread_.join();
  if (sampler_thread_.joinable()) sampler_thread_.join();
}

std::string MigrationWatch::LastSqlstate() const {
  const std::lock_guard lock(mutex_);
  return last_sqlstate_;
}

void MigrationWatch::ForgetSqlstate() {
  const std::lock_guard lock(mutex_);
  last_sqlstate_.clear();
}

std::vector<uint32_t> MigrationWatch::BackendPids() const {
  const std::lock_guard lock(mutex_);
  return backend_pids_;
}

bool MigrationWatch::SawStatement() const {
  const std::lock_guard lock(mutex_);
  return !seen_.statements.empty() || seen_.statements_more > 0;
}

void MigrationWatch::Put(event::Event event) {
  if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    const std::lock_guard lock(mutex_);
    pids_[static_cast<uint64_t>(start->session)] = start->backend_pid;
    if (backend_pids_.size() < kBackendsMax) backend_pids_.push_back(start->backend_pid);
  } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    pids_.erase(static_cast<uint64_t>(end->session));
    values_.erase(static_cast<uint64_t>(end->session));
  } else if (auto* exchange = std::get_if<event::Exchange>(&event)) {
    TakeExchange(std::move(*exchange));
  } else if (const auto* gap = std::get_if<event::Gap>(&event)) {
    const std::lock_guard lock(mutex_);
    seen_.statements_more += gap->exchanges;
  }
}

void MigrationWatch::TakeExchange(event::Exchange exchange) {
  const auto known = pids_.find(static_cast<uint64_t>(exchange.session));
  if (known == pids_.end()) return;
  const bool open = exchange.status == 'T' || exchange.status == 'E';
  Micros took_us = 0;
  bool row_work = true;
  bool frees = false;
  auto values = values_[known->first].Take(exchange);
  ++exchanges_;
  {
    const std::lock_guard lock(mutex_);
    Micros at_us = relay_->started_us() + exchange.forwarded_us;
    for (size_t i = 0; i < exchange.statements.size(); ++i) {
      event::Statement& statement = exchange.statements[i];
      const std::string& sqlstate = statement.outcome.sqlstate;
      if (!sqlstate.empty() && sqlstate != "25P02") last_sqlstate_ = sqlstate;
      if (seen_.statements.size() >= kSeenMax) {
        ++seen_.statements_more;
        continue;
      }
      row_work = row_work && (RowsWritten(statement.outcome.tag) > 0 ||
                              statement.outcome.tag.starts_with("SELECT"));
      frees = frees || FreesFiles(statement.outcome.tag);
      SeenStatement& seen = seen_.statements.emplace_back();
      seen.pid = known->second;
      seen.exchange = exchanges_;
      seen.begin_us = at_us;
      const Micros elapsed_us = std::max<Micros>(statement.outcome.elapsed_us, 0);
      at_us += elapsed_us;
      took_us += elapsed_us;
      seen.end_us = at_us;
      seen.open_after = open;
      seen.values = std::move(values[i]);
      seen.statement = std::move(statement);
    }
  }
  const Micros now = base::SystemClock().MonotonicUs();
  if (row_work && looks_ >= kLooksFree && now - looked_us_ < kLookEveryUs) return;
  looked_us_ = now;
  ++looks_;
  LookAside(known->second, open, took_us, frees);
}

// On the relay's thread, while the client waits for its answer: nothing can have changed.
void MigrationWatch::LookAside(uint32_t pid, bool open, Micros took_us, bool frees) {
  SeenSizes sizes;
  sizes.pid = pid;
  const std::optional<std::string> locks = LookAtServer(pid, open, sizes);
  if (sizes.lsn) {
    LookAtSize(took_us, frees, sizes);
  } else {
    ++looks_failed_;
    sizes.missed = true;
  }
  const std::lock_guard lock(mutex_);
  const Micros at_us = seen_.statements.empty() ? 0 : seen_.statements.back().end_us;
  sizes.at_us = at_us;
  if (seen_.sizes.size() < kSeenMax) seen_.sizes.push_back(sizes);
  if (locks && seen_.locks.size() < kLocksSeenMax) {
    seen_.locks.push_back({pid, at_us, at_us, LocksOf(*locks)});
  }
}

// The locks that an open transaction holds. Without an LSN in `sizes` it failed.
std::optional<std::string> MigrationWatch::LookAtServer(uint32_t pid, bool open, SeenSizes& sizes) {
  if (!side_) return std::nullopt;
  std::string sql = "SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn";
  if (open) {
    sql += fmt::format(
        ", (SELECT pg_catalog.string_agg(relation || ':' || mode, ',') "
        "FROM pg_catalog.pg_lock_status() WHERE pid = {} AND locktype = 'relation' AND granted "
        "AND relation >= 16384)",
        pid);
  }
  const auto rows = side_->Exec(sql);
  if (!rows.ok()) {
    if (++side_failed_ >= kSideFailuresMax) side_.reset();
    return std::nullopt;
  }
  if (rows->rows.empty() || rows->rows[0].empty()) return std::nullopt;
  sizes.lsn = NumberOf(rows->rows[0][0]);
  return rows->rows[0].size() > 1 ? rows->rows[0][1] : std::nullopt;
}

// REQUIRES: `sizes` has its LSN.
void MigrationWatch::LookAtSize(Micros took_us, bool frees, SeenSizes& sizes) {
  const uint64_t wrote_bytes = *sizes.lsn - std::min(size_lsn_, *sizes.lsn);
  if (took_us < kSizeAfterUs && wrote_bytes < kSizeAfterWalBytes && !frees) return;
  const base::Clock& clock = base::SystemClock();
  const Micros begin_us = clock.MonotonicUs();
  sizes.missed = size_us_ > kSizeFreeUs + (begin_us - relay_->started_us()) / kSizeShare;
  if (sizes.missed) return;
  const auto rows = side_->Exec(
      "SELECT pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database "
      "WHERE datname = pg_catalog.current_database()");
  size_us_ += clock.MonotonicUs() - begin_us;
  size_lsn_ = *sizes.lsn;
  sizes.missed = !rows.ok() || !rows->Single();
  if (!sizes.missed) sizes.database_bytes = NumberOf(rows->Single());
}

// Statements that no trigger fires for and that hold no transaction open: CREATE INDEX
// CONCURRENTLY, VACUUM FULL. Those that end between two samples are left to the catalogs.
void MigrationWatch::Sample() {
  auto session = pg::AdminSession::Connect(target_.admin);
  if (!session.ok() || !session->Exec("SET statement_timeout = '2s'").ok()) {
    ++looks_failed_;
    return;
  }
  while (!stop_) {
    std::this_thread::sleep_for(kSampleEvery);
    std::string pids;
    for (const uint32_t pid : BackendPids())
      pids += (pids.empty() ? "" : ",") + std::to_string(pid);
    if (pids.empty()) continue;
    const Micros asked_us = base::SystemClock().MonotonicUs();
    const auto rows = session->Exec(
        "SELECT pid, pg_catalog.string_agg(relation || ':' || mode, ',') "
        "FROM pg_catalog.pg_lock_status() WHERE locktype = 'relation' AND granted "
        "AND relation >= 16384 AND pid IN (" +
        pids + ") GROUP BY pid");
    const Micros at_us = base::SystemClock().MonotonicUs();
    if (!rows.ok()) {
      ++looks_failed_;
      continue;
    }
    const std::lock_guard lock(mutex_);
    for (const auto& row : rows->rows) {
      if (row.size() != 2 || !row[1] || seen_.locks.size() >= kLocksSeenMax) continue;
      const auto pid = static_cast<uint32_t>(NumberOf(row[0]));
      seen_.locks.push_back({pid, asked_us, at_us, LocksOf(*row[1])});
    }
  }
}

Result<ServerLog> MigrationWatch::ReadLog() {
  ServerLogReader reader(name_);
  SCRY_TRY_ASSIGN(auto log, os::RealFileSystem().OpenForRead(target_.log_file));
  for (uint64_t at = log_begin_; at < log_begin_ + kLogBytesMax;) {
    SCRY_TRY_ASSIGN(const std::string piece, log->ReadAt(at, kLogPiece));
    if (piece.empty()) break;
    reader.Feed(piece);
    at += piece.size();
    log_cut_ = at >= log_begin_ + kLogBytesMax;
  }
  return reader.Finish();
}

Result<MigrationProfile> MigrationWatch::End() {
  StopThreads();
  const bool triggers = !triggers_.empty();
  SCRY_TRY(RemoveTriggers());
  SCRY_TRY(spill_log_.End(*session_));
  SCRY_TRY(relay_status_);
  SCRY_TRY_ASSIGN(const CatalogState after, ReadCatalogState(*session_));
  SCRY_TRY_ASSIGN(ServerLog log, ReadLog());
  Seen seen;
  {
    const std::lock_guard lock(mutex_);
    seen = std::move(seen_);
  }
  MigrationProfile profile = BuildProfile(std::move(seen), std::move(log), before_, after);
  profile.triggers = triggers;
  profile.gaps.events_lost = profile.gaps.events_lost && triggers;
  profile.gaps.looks_failed = looks_failed_;
  profile.gaps.log_cut = log_cut_;
  profile.spills_known = spills_logged_ && !log_cut_ && profile.gaps.log_dropped == 0;
  return profile;
}

}  // namespace scry::migration
