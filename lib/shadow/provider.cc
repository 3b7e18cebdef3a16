#include "shadow/provider.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/units.h"
#include "os/directory.h"
#include "os/random_name.h"
#include "os/subprocess.h"
#include "os/unique_fd.h"
#include "pg/connection.h"
#include "shadow/making.h"
#include "shadow/server_config.h"

namespace scry::shadow {
namespace {

constexpr base::Micros kRecoveryTimeoutUs = 3600 * 1000000LL;
constexpr int kSettingsDroppedMax = 50;
constexpr uint64_t kFreeSpaceReserve = 64ULL << 20;

// Only what the server as a whole has: a value that the connecting role or database brings along is
// not the one other sessions get. Values in pg_settings are in the setting's base unit, as files
// take them.
constexpr const char* kSettingsQuery =
    "SELECT name, reset_val FROM pg_catalog.pg_settings WHERE source IN "
    "('configuration file', 'command line', 'environment variable', 'global') ORDER BY name";
// Custom settings ("app.tenant") are not in pg_settings. Needs pg_read_all_settings, which is
// optional.
constexpr const char* kFileSettingsQuery =
    "SELECT name, setting FROM pg_catalog.pg_file_settings WHERE applied ORDER BY seqno";

void TakeSettings(const pg::Rows& rows, Settings& settings) {
  for (const auto& row : rows.rows) {
    if (row.size() < 2 || !row[0] || !row[1] || !IsCarried(*row[0])) continue;
    std::erase_if(settings,
                  [&](const auto& setting) { return SameSettingName(setting.first, *row[0]); });
    settings.emplace_back(*row[0], *row[1]);
  }
}

base::Status AskSettings(Making& making, pg::AdminSession& session) {
  const auto from_files = session.Exec(kFileSettingsQuery);
  if (from_files.ok()) {
    TakeSettings(*from_files, making.info.settings);
  } else {
    making.Note(
        "settings only privileged roles may see were not carried over: grant "
        "pg_read_all_settings to the source's role");
  }
  SCRY_TRY_ASSIGN(const pg::Rows rows, session.Exec(kSettingsQuery));
  TakeSettings(rows, making.info.settings);
  return {};
}

base::Status FillData(Making& making) {
  switch (making.options.provider) {
    case ProviderKind::kPhysical:
      return MakePhysical(making);
    case ProviderKind::kDump:
      return MakeDump(making);
    case ProviderKind::kDirectory:
      return MakeFromDirectory(making);
  }
  return base::Fail(base::ErrorCode::kUsage, "unknown provider");
}

// The servers that made it run without fsync; a shadow is kept.
void FlushToDisk(const std::string& folder) {
  const os::UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) syncfs(fd.get());
}

base::Status FinishMaking(Making& making, base::Micros started_us) {
  SCRY_TRY(RemoveSocketDirs(making.state, making.folder));
  ShadowInfo& info = making.info;
  info.name = making.options.name;
  info.provider = making.options.provider;
  info.size_bytes = os::TreeSizeBytes(making.DataDir());
  info.created_us = base::SystemClock().WallUs();
  info.took_us = base::SystemClock().MonotonicUs() - started_us;
  SCRY_TRY(os::StoreText(making.folder + "/shadow.json", ToJson(info), 0600, making.state.self()));
  FlushToDisk(making.folder);
  return {};
}

}  // namespace

base::Result<ShadowInfo> CreateShadow(const ShadowOptions& options, const StateDir& state,
                                      const Control& control) {
  const base::Micros started_us = base::SystemClock().MonotonicUs();
  const std::string target = state.ShadowFolder(options.name);
  const auto exists = [&] {
    return base::Fail(
        base::ErrorCode::kUsage,
        fmt::format("shadow {0} exists already: destroy it first with `scry shadow destroy {0}`",
                    options.name.Text()));
  };
  if (options.name.database.empty() || options.name.shadow.empty()) {
    return base::Fail(base::ErrorCode::kUsage, "a shadow is named DATABASE/SHADOW");
  }
  if (os::Exists(target)) return exists();

  Making making{options, state, control, {}, {}};
  making.folder =
      fmt::format("{}/.making-{}", state.DatabaseFolder(options.name), os::RandomHex(6));
  std::optional<os::FileLock> lock;
  {
    SCRY_TRY_ASSIGN(const os::FileLock gate,
                    os::FileLock::Take(state.GateFile(), os::FileLock::Mode::kShared, 60000000));
    SCRY_TRY(os::MakeDirectories(state.DatabaseFolder(options.name), state.folder_mode()));
    SCRY_TRY(os::MakeNewDirectory(making.folder, state.folder_mode(), state.self()));
    SCRY_TRY_ASSIGN(lock,
                    os::FileLock::TryTake(making.folder + "/lock", os::FileLock::Mode::kExclusive));
  }
  base::Status status = os::MakeNewDirectory(making.DataDir(), 0700, state.server_user());
  if (status.ok()) status = FillData(making);
  if (status.ok()) status = FinishMaking(making, started_us);
  if (status.ok()) {
    status = os::RenamePath(making.folder, target);
    if (!status.ok() && os::Exists(target)) status = exists();
  }
  if (!status.ok()) {
    const base::Status sockets = RemoveSocketDirs(state, making.folder);
    const base::Status removed = os::RemoveTree(making.folder);
    static_cast<void>(sockets);  // The first failure is the one to tell; gc finds the rest.
    static_cast<void>(removed);
    rmdir(state.DatabaseFolder(options.name).c_str());  // Only where it is empty.
    return std::move(status).With("create shadow " + options.name.Text()).error();
  }
  making.info.folder = target;
  return making.info;
}

base::Result<Source> OpenSource(Making& making) {
  const ShadowOptions& options = making.options;
  if (options.source.empty()) {
    return base::Fail(base::ErrorCode::kUsage,
                      "no source is configured: set `source` of the database");
  }
  SCRY_TRY_ASSIGN(const pg::ConnInfo given, pg::ConnInfo::Parse(options.source));
  Source source;
  SCRY_TRY_ASSIGN(source.info, given.WithDefaults());
  if (!options.dbname.empty()) {
    source.info.Set("dbname", options.dbname);
  } else if (!given.Has("dbname") && !given.Has("service")) {
    source.info.Set("dbname", "postgres");
  }
  source.info.Set("application_name", "scry");
  making.info.dbname = source.info.Get("dbname");
  making.info.source = source.info.WithoutPassword().Display();
  making.control.Say("asking the source " + making.info.source);
  SCRY_TRY_ASSIGN(source.session, pg::AdminSession::Connect(source.info));
  pg::AdminSession& session = *source.session;
  // A slip here must fail, not write.
  SCRY_TRY(session.Exec("SET default_transaction_read_only = on"));
  SCRY_TRY_ASSIGN(const pg::Rows version, session.Exec("SHOW server_version_num"));
  const std::string number = version.Single().value_or("0");
  int parsed = 0;
  std::from_chars(number.data(), number.data() + number.size(), parsed);
  source.server_major = pg::MajorVersion(parsed);
  SCRY_TRY(AskSettings(making, session));
  SCRY_TRY_ASSIGN(
      const pg::Rows spaces,
      session.Exec("SELECT pg_catalog.string_agg(spcname || ' in ' || "
                   "pg_catalog.pg_tablespace_location(oid), ', ' ORDER BY spcname) FROM "
                   "pg_catalog.pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')"));
  source.tablespaces = spaces.Single().value_or("");
  return source;
}

std::string ConnInfoForArgv(const pg::ConnInfo& info) { return info.WithoutPassword().Render(); }

os::Environment EnvironmentFor(const pg::ConnInfo& info) {
  os::Environment environment = os::CurrentEnvironment();
  // The connection string holds what they say already; PGHOSTADDR or PGSERVICE would add to it.
  std::erase_if(environment, [](const std::string& entry) {
    return entry.starts_with("PG") && !entry.starts_with("PGSYSCONFDIR=");
  });
  os::SetVariable(environment, "LC_ALL", "C");
  if (info.Has("password")) os::SetVariable(environment, "PGPASSWORD", info.Get("password"));
  if (info.Has("sslpassword"))
    os::SetVariable(environment, "PGSSLPASSWORD", info.Get("sslpassword"));
  return environment;
}

base::Status CheckFreeSpace(const Making& making, uint64_t needed_bytes) {
  SCRY_TRY_ASSIGN(const uint64_t free_bytes, os::DiskFreeBytes(making.folder));
  if (free_bytes >= needed_bytes + kFreeSpaceReserve) return {};
  return base::Fail(
      fmt::format("{} needs about {}, but {} has {} free: make room or choose another "
                  "folder with --state-dir",
                  making.options.name.Text(), base::FormatSize(needed_bytes), making.state.root(),
                  base::FormatSize(free_bytes)));
}

namespace {

ServerConfig ConfigOf(const Making& making) {
  ServerConfig config;
  config.carried = making.info.settings;
  config.cluster_name = "scry shadow";
  config.memory_bytes = MachineMemoryBytes();
  config.small_shared_memory = SharedMemoryIsSmall();
  return config;
}

// The setting named in "invalid value for parameter "TimeZone": ..." or "unrecognized configuration
// parameter "x" in file ...".
std::string ParameterIn(const std::string& text) {
  const std::string mark = "parameter \"";
  const size_t begin = text.find(mark);
  if (begin == std::string::npos) return {};
  const size_t end = text.find('"', begin + mark.size());
  if (end == std::string::npos) return {};
  return text.substr(begin + mark.size(), end - begin - mark.size());
}

// "17 is outside the valid range for parameter ..." and such, without time and severity.
std::string ReasonIn(const std::string& text) {
  const size_t at = text.find("parameter \"");
  const size_t begin = text.rfind('\n', at);
  std::string line = text.substr(begin == std::string::npos ? 0 : begin + 1);
  line = line.substr(0, line.find('\n'));
  const size_t severity = line.find(":  ");
  return base::OneLine(severity == std::string::npos ? line : line.substr(severity + 3));
}

}  // namespace

base::Status DropUnusableSettings(Making& making, const pg::Programs& programs) {
  Settings& settings = making.info.settings;
  const std::vector<std::string> folders = pg::LibraryFolders(programs);
  for (auto& [name, value] : settings) {
    if (name != "shared_preload_libraries" && name != "session_preload_libraries") continue;
    std::vector<std::string> dropped;
    value = UsablePreloadLibraries(value, folders, dropped);
    for (const auto& library : dropped) {
      making.Note(
          fmt::format("library {} of {} is left out: not installed here, or it works on its own",
                      library, name));
    }
  }
  for (int round = 0; round < kSettingsDroppedMax; ++round) {
    SCRY_TRY(WriteServerFiles(making.DataDir(), ComposeSettings(ConfigOf(making)),
                              making.state.server_user()));
    os::Program check;
    check.argv = {programs.Path("postgres"), "-D", making.DataDir(), "-C", "port"};
    check.environment = ServerEnvironment(programs, making.state.server_user());
    check.directory = "/";
    check.run_as = making.state.server_user();
    SCRY_TRY_ASSIGN(const os::Finished finished, os::RunProgram(check, making.control.Limits()));
    if (finished.success()) return {};
    const std::string name = ParameterIn(finished.err);
    const auto found = std::find_if(settings.begin(), settings.end(), [&](const auto& setting) {
      return SameSettingName(setting.first, name);
    });
    if (found == settings.end()) {
      return base::Fail("check the configuration: " + base::OneLine(os::LastLine(finished.err)));
    }
    making.Note(
        fmt::format("setting {} of the source is left out: {}", name, ReasonIn(finished.err)));
    settings.erase(found);
  }
  return base::Fail("too many settings of the source are unknown to the server programs in " +
                    programs.bindir);
}

base::Result<PrivateServer> StartMade(Making& making, const pg::Programs& programs) {
  SCRY_TRY(DropUnusableSettings(making, programs));
  ServerSpec spec;
  spec.programs = programs;
  spec.user = making.state.server_user();
  spec.data_dir = making.DataDir();
  SCRY_TRY_ASSIGN(spec.socket_dir, MakeSocketDir(making.state, making.folder));
  spec.log_file = making.folder + "/server.log";
  spec.superuser = making.info.superuser;
  spec.start_timeout_us = kRecoveryTimeoutUs;
  return PrivateServer::Start(spec, making.control);
}

base::Status VerifyMade(Making& making, const PrivateServer& server) {
  auto connected = pg::AdminSession::Connect(server.Info(making.info.dbname));
  if (!connected.ok()) {
    base::Error error = connected.error();
    if (error.message.find("does not exist") != std::string::npos)
      error.code = base::ErrorCode::kNotFound;
    return base::Status(std::move(error)).With("look into the copy");
  }
  pg::AdminSession& session = *connected;
  SCRY_TRY_ASSIGN(const pg::Rows version, session.Exec("SHOW server_version"));
  making.info.server_version = version.Single().value_or("");
  SCRY_TRY(session.Exec("SELECT count(*) FROM pg_catalog.pg_class"));
  SCRY_TRY_ASSIGN(
      const pg::Rows unlogged,
      session.Exec("SELECT count(*) FROM pg_catalog.pg_class WHERE relpersistence = 'u' AND "
                   "relkind = 'r'"));
  if (making.options.provider == ProviderKind::kPhysical &&
      unlogged.Single().value_or("0") != "0") {
    making.Note(fmt::format("{} unlogged tables are empty: a base backup does not hold them",
                            *unlogged.Single()));
  }
  // Text sorts by the C library's rules of the machine: an index built under others may miss rows.
  if (making.info.server_major >= 15) {
    SCRY_TRY_ASSIGN(
        const pg::Rows collation,
        session.Exec("SELECT datcollversion || ' there, ' || "
                     "pg_catalog.pg_database_collation_actual_version(oid) || ' here' FROM "
                     "pg_catalog.pg_database WHERE datname = pg_catalog.current_database() AND "
                     "datcollversion <> pg_catalog.pg_database_collation_actual_version(oid)"));
    if (collation.Single()) {
      making.Note(
          fmt::format("the version of the collation differs ({}): text indexes may misbehave; "
                      "use provider dump, or the source's operating system",
                      *collation.Single()));
    }
  }
  return {};
}

}  // namespace scry::shadow
