#include "job/doctor_job.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "base/units.h"
#include "event/statement_facts.h"
#include "job/demo_shop.h"
#include "os/directory.h"
#include "os/random_name.h"
#include "pg/admin.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/server_programs.h"
#include "shadow/state_dir.h"

namespace scry::job {
namespace {

using base::FormatCount;
using base::FormatSize;

constexpr uint64_t kDiskWantedBytes = 5ULL * 1000 * 1000 * 1000;
constexpr rlim_t kFilesWanted = 4096;  // A connection per session and lane, and the servers' own.
constexpr uint64_t kSharedMemoryWantedBytes = 256ULL * 1000 * 1000;
constexpr uint64_t kProcessesWanted = 1024;  // A backend per session and lane.
constexpr uint64_t kSegmentsWanted = 16;     // Every server takes one.
constexpr std::array<const char*, 7> kServerPrograms = {
    "postgres", "initdb", "pg_basebackup", "pg_controldata", "pg_dump", "pg_restore", "psql"};

// What the role of a source may do; nothing is written.
constexpr const char* kSourceSql = R"(
SELECT current_setting('server_version_num'),
       current_user,
       r.rolsuper, r.rolsuper OR r.rolreplication,
       current_setting('wal_level'), current_setting('max_wal_senders'),
       (SELECT count(*) FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema'
           AND n.nspname NOT LIKE 'pg\_%'
           AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')),
       (SELECT count(*) FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT LIKE 'pg\_%'
           AND CASE WHEN c.relkind = 'S'  -- In this order: it fails for what is no sequence.
                    THEN NOT pg_catalog.has_sequence_privilege(c.oid, 'SELECT') END),
       pg_catalog.pg_is_in_recovery()
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)";

constexpr uint64_t kNoLimit = UINT64_MAX;

// nullopt: no such file, or "max".
std::optional<uint64_t> NumberIn(const std::string& path) {
  const auto text = os::LoadText(path);
  uint64_t number = 0;
  if (!text.ok()) return std::nullopt;
  const auto end = std::from_chars(text->data(), text->data() + text->size(), number);
  return end.ec == std::errc() ? std::optional<uint64_t>(number) : std::nullopt;
}

// Of this user or of its container, whichever ends first.
uint64_t ProcessesMost() {
  uint64_t most = kNoLimit;
  const auto limit = [&](uint64_t number) { most = std::min(most, number); };
  rlimit processes{};
  if (getrlimit(RLIMIT_NPROC, &processes) == 0 && processes.rlim_cur != RLIM_INFINITY) {
    limit(processes.rlim_cur);
  }
  if (const auto number = NumberIn("/proc/sys/kernel/threads-max")) limit(*number);
  // "0::/path" for control groups of version 2, "8:pids:/path" for version 1.
  const auto groups = os::LoadText("/proc/self/cgroup");
  if (!groups.ok()) return most;
  std::istringstream lines(*groups);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && controllers != "pids") continue;
    const std::string root = controllers.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    if (const auto number = NumberIn(root + line.substr(second + 1) + "/pids.max")) limit(*number);
  }
  return most;
}

class Doctor {
 public:
  Doctor(const DoctorRequest& request, const std::function<void(const Check&)>& told)
      : request_(request), told_(told) {}

  std::vector<Check> Run() {
    Programs();
    Parser();
    State();
    Limits();
    if (have_programs_ && state_) PrivateServer();
    Configuration();
    for (const DoctorSource& source : request_.sources) Source(source);
    return std::move(checks_);
  }

 private:
  void Tell(std::string name, Health health, std::string detail, std::string remedy = {}) {
    checks_.push_back({std::move(name), health, std::move(detail), std::move(remedy)});
    told_(checks_.back());
  }

  void Programs() {
    const std::vector<pg::Programs> found = pg::ListPrograms();
    if (found.empty()) {
      Tell("PostgreSQL programs", Health::kBroken, "none found",
           "apt install postgresql, or put the folder of initdb on the PATH");
      return;
    }
    have_programs_ = true;
    for (const pg::Programs& programs : found) {
      majors_.push_back(programs.major);
      std::string missing;
      for (const char* program : kServerPrograms) {
        if (access(programs.Path(program).c_str(), X_OK) == 0) continue;
        missing += (missing.empty() ? "" : ", ") + std::string(program);
      }
      Tell(fmt::format("PostgreSQL {}", programs.major),
           missing.empty() ? Health::kGood : Health::kPoor,
           fmt::format("{} in {}{}", programs.version, programs.bindir,
                       missing.empty() ? "" : ", without " + missing),
           missing.empty() ? "" : fmt::format("apt install postgresql-{}", programs.major));
    }
  }

  void Parser() {
    const bool parsed = event::AnalyzeQuery("SELECT 1")[0].parsed;
    Tell("SQL parser", parsed ? Health::kGood : Health::kPoor,
         parsed ? "libpg_query" : "this build has none: patterns come from the text",
         parsed ? "" : "build scry with libpg-query-dev installed");
  }

  void State() {
    auto state = shadow::StateDir::Open(request_.state_dir);
    if (!state.ok()) {
      Tell("state folder", Health::kBroken, state.error().message,
           "name another one with --state-dir or SCRY_STATE_DIR");
      return;
    }
    state_.emplace(std::move(*state));
    const auto free = os::DiskFreeBytes(state_->root());
    const bool enough = free.ok() && *free >= kDiskWantedBytes;
    Tell("state folder", enough ? Health::kGood : Health::kPoor,
         fmt::format("{}, {} free{}", state_->root(), free.ok() ? FormatSize(*free) : "?",
                     state_->self().uid == 0
                         ? fmt::format("; servers run as {}", state_->server_user().name)
                         : ""),
         enough ? "" : "a shadow and the forks of a run need four times the database's size");
    Cloning();
  }

  void Cloning() {
    const std::string from = state_->root() + "/.doctor-" + os::RandomHex(6);
    const std::string to = from + "-copy";
    bool shared = false;
    const auto tried = [&]() -> base::Status {
      SCRY_TRY(os::MakeNewDirectory(from, 0700, state_->self()));
      SCRY_TRY(os::StoreText(from + "/file", std::string(64 * 1024, 'x'), 0600, state_->self()));
      SCRY_TRY_ASSIGN(const os::CopyStats stats, os::CopyTree(from, to));
      shared = stats.reflinked > 0;
      return {};
    }();
    (void)os::RemoveTree(from).ok();
    (void)os::RemoveTree(to).ok();
    if (!tried.ok()) {
      Tell("cloning files", Health::kBroken, tried.error().message,
           "let this user write to the state folder");
      return;
    }
    Tell(
        "cloning files", shared ? Health::kGood : Health::kPoor,
        shared ? "forks share their blocks with the shadow" : "not here: every fork is a full copy",
        shared ? "" : "put the state folder on XFS, Btrfs or ZFS 2.2 for forks in no time");
  }

  void Limits() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    const bool enough = files.rlim_max == RLIM_INFINITY || files.rlim_max >= kFilesWanted;
    Tell("open files", enough ? Health::kGood : Health::kPoor,
         files.rlim_max == RLIM_INFINITY ? "no limit"
                                         : fmt::format("up to {}", FormatCount(files.rlim_max)),
         enough ? "" : "ulimit -n 65536: a replay has a connection per session and lane");
    const auto memory = os::DiskFreeBytes("/dev/shm");
    const bool room = memory.ok() && *memory >= kSharedMemoryWantedBytes;
    Tell("shared memory", room ? Health::kGood : Health::kPoor,
         memory.ok() ? FormatSize(*memory) + " free in /dev/shm" : "no /dev/shm",
         room ? "" : "docker run --shm-size=1g: parallel queries of the forks need it");
    Processes();
    Segments();
  }

  void Processes() {
    const uint64_t most = ProcessesMost();
    const bool enough = most >= kProcessesWanted;
    Tell("processes", enough ? Health::kGood : Health::kPoor,
         most == kNoLimit ? "no limit" : fmt::format("up to {}", FormatCount(most)),
         enough ? ""
                : "ulimit -u 4096, or docker run --pids-limit=4096: a replay has a backend per "
                  "session and lane");
  }

  // Servers use no semaphores of System V on Linux, but a segment each; those of killed servers
  // stay.
  void Segments() {
    const std::optional<uint64_t> most = NumberIn("/proc/sys/kernel/shmmni");
    const auto listed = os::LoadText("/proc/sysvipc/shm");
    if (!most || !listed.ok()) return;
    const auto lines = static_cast<uint64_t>(std::count(listed->begin(), listed->end(), '\n'));
    const uint64_t used = lines == 0 ? 0 : lines - 1;  // The first is a heading.
    const bool enough = used + kSegmentsWanted <= *most;
    Tell("memory segments", enough ? Health::kGood : Health::kPoor,
         fmt::format("{} of {} in use", FormatCount(used), FormatCount(*most)),
         enough ? "" : "ipcrm those that ipcs -m shows without a process, or raise kernel.shmmni");
  }

  void PrivateServer() {
    auto folder = DemoFolder::Make();
    if (!folder.ok()) {
      Tell("private server", Health::kBroken, folder.error().message,
           "make $TMPDIR or /tmp writable");
      return;
    }
    const base::Micros began_us = base::SystemClock().MonotonicUs();
    const auto started = [&]() -> base::Status {
      SCRY_TRY_ASSIGN(const shadow::StateDir state, shadow::StateDir::Open(folder->In("state")));
      shadow::Control control;
      control.stop_fd = request_.stop_fd;
      SCRY_TRY_ASSIGN(DemoServer server, DemoServer::Start(*folder, "doctor", state, control));
      return server.Run("SELECT 1");
    }();
    Tell("private server", started.ok() ? Health::kGood : Health::kBroken,
         started.ok()
             ? fmt::format("made, started and stopped in {}",
                           base::FormatDuration(base::SystemClock().MonotonicUs() - began_us))
             : started.error().message,
         started.ok() ? "" : "forks cannot run until this works");
  }

  void Configuration() {
    if (request_.config.empty()) {
      Tell("configuration", Health::kPoor, "no scry.yaml here or above",
           "examples/missing-index/scry.yaml is one to begin with");
      return;
    }
    Tell("configuration", Health::kGood,
         fmt::format("{}, {} database{}", request_.config, request_.databases,
                     request_.databases == 1 ? "" : "s"));
  }

  void Source(const DoctorSource& source) {
    const std::string name = "source " + source.name;
    if (!source.problem.empty()) {
      Tell(name, Health::kPoor, source.problem);
      return;
    }
    const auto facts = Ask(source.source);
    if (!facts.ok()) {
      Tell(name, Health::kBroken, facts.error().message,
           "look at the address, pg_hba.conf and the password (PGPASSWORD, ~/.pgpass)");
      return;
    }
    const auto& row = *facts;
    const auto at = [&](size_t i) { return i < row.size() ? row[i].value_or("") : std::string(); };
    const int major = std::atoi(at(0).c_str()) / 10000;
    Health health = Health::kGood;
    std::string lacks;
    std::string remedy;
    const auto lack = [&](Health how, const std::string& what, const std::string& mend) {
      health = std::max(health, how);
      lacks += (lacks.empty() ? "; " : ", ") + what;
      remedy += (remedy.empty() ? "" : "; ") + mend;
    };
    const std::string role = base::Printable(at(1), 63);
    if (source.physical) {
      if (std::find(majors_.begin(), majors_.end(), major) == majors_.end()) {
        lack(Health::kBroken, fmt::format("no programs of PostgreSQL {} here", major),
             fmt::format("apt install postgresql-{}", major));
      }
      if (at(3) != "t") {
        lack(Health::kBroken, role + " may not replicate", "ALTER ROLE ... REPLICATION");
      }
      if (at(4) == "minimal" || at(5) == "0") {
        lack(Health::kBroken, "wal_level or max_wal_senders forbids a base backup",
             "wal_level = replica and max_wal_senders = 2");
      }
      if (health == Health::kGood) {
        // Its own lines of pg_hba.conf, and no pooler in between.
        if (const base::Status tried = TryReplication(source.source); !tried.ok()) {
          lack(Health::kBroken, "no replication connection: " + tried.error().message,
               fmt::format("a line 'host replication {} ADDRESS scram-sha-256' in pg_hba.conf, and "
                           "the server itself as the address, no pooler",
                           role));
        }
      }
    }
    if (source.dump && at(6) != "0") {
      lack(Health::kBroken, fmt::format("{} may not read {} tables", role, at(6)),
           "GRANT pg_read_all_data (14 and later), or SELECT on them");
    }
    if (at(7) != "0") {
      lack(Health::kPoor, fmt::format("{} may not read {} sequences", role, at(7)),
           "GRANT SELECT on them: lanes then begin with the same ids");
    }
    Tell(name, health,
         fmt::format("PostgreSQL {} as {}{}{}{}", major, role, at(2) == "t" ? ", superuser" : "",
                     at(8) == "t" ? ", a replica" : "", lacks),
         remedy);
  }

  static base::Result<std::vector<std::optional<std::string>>> Ask(const std::string& source) {
    SCRY_TRY_ASSIGN(const pg::ConnInfo parsed, pg::ConnInfo::Parse(source));
    SCRY_TRY_ASSIGN(const pg::ConnInfo info, parsed.WithDefaults());
    SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(info));
    SCRY_TRY_ASSIGN(const pg::Rows rows, session.Exec(kSourceSql));
    if (rows.rows.empty()) return base::Fail("the server told nothing of this role");
    return rows.rows[0];
  }

  // What pg_basebackup asks first.
  static base::Status TryReplication(const std::string& source) {
    SCRY_TRY_ASSIGN(const pg::ConnInfo parsed, pg::ConnInfo::Parse(source));
    SCRY_TRY_ASSIGN(pg::ConnInfo info, parsed.WithDefaults());
    info.Set("replication", "true");
    SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(info));
    SCRY_TRY_ASSIGN(const auto system, connection.QueryValue("IDENTIFY_SYSTEM"));
    if (!system) return base::Fail("the server did not identify itself");
    return {};
  }

  const DoctorRequest& request_;
  const std::function<void(const Check&)>& told_;
  std::vector<Check> checks_;
  std::optional<shadow::StateDir> state_;
  bool have_programs_ = false;
  std::vector<int> majors_;
};

}  // namespace

std::vector<Check> Examine(const DoctorRequest& request,
                           const std::function<void(const Check&)>& told) {
  return Doctor(request, told).Run();
}

const char* Name(Health health) {
  static constexpr std::array<const char*, 3> kNames = {"good", "poor", "broken"};
  return kNames[static_cast<size_t>(health)];
}

std::string ChecksJson(const std::vector<Check>& checks) {
  using nlohmann::ordered_json;
  ordered_json list = ordered_json::array();
  Health worst = Health::kGood;
  for (const Check& check : checks) {
    worst = std::max(worst, check.health);
    list.push_back({{"name", check.name},
                    {"health", Name(check.health)},
                    {"detail", check.detail},
                    {"remedy", check.remedy}});
  }
  const ordered_json json = {
      {"schema", "scry.doctor/1"}, {"health", Name(worst)}, {"checks", list}};
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace scry::job
