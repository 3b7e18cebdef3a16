#include "shadow/fork.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "os/random_name.h"
#include "os/socket.h"
#include "pg/admin.h"
#include "shadow/marker.h"
#include "shadow/server_config.h"
#include "shadow/store.h"

namespace scry::shadow {
namespace {

constexpr base::Micros kForkStartTimeoutUs = 600 * 1000000LL;
constexpr int64_t kGateWaitUs = 60 * 1000000LL;
constexpr uint64_t kFreeSpaceReserve = 64ULL << 20;

}  // namespace

pg::ConnInfo Fork::Info(const std::string& dbname, const std::string& user) const {
  return server_.Info(dbname.empty() ? dbname_ : dbname, user);
}

Run::Run(StateDir state, std::string id, std::string folder, os::FileLock lock)
    : state_(std::move(state)),
      id_(std::move(id)),
      folder_(std::move(folder)),
      nonce_(os::RandomHex(16)),
      lock_(std::move(lock)) {}

Run::~Run() {
  const base::Status ignored = Finish();
  static_cast<void>(ignored);  // Whoever wants to know calls Finish(); the next gc finds the rest.
}

base::Result<Run> Run::Begin(const StateDir& state) {
  const std::string id = os::UniqueName();
  const std::string folder = state.RunsFolder() + "/" + id;
  SCRY_TRY_ASSIGN(const os::FileLock gate,
                  os::FileLock::Take(state.GateFile(), os::FileLock::Mode::kShared, kGateWaitUs));
  SCRY_TRY(os::MakeNewDirectory(folder, state.folder_mode(), state.self()));
  SCRY_TRY_ASSIGN(auto lock,
                  os::FileLock::TryTake(folder + "/lock", os::FileLock::Mode::kExclusive));
  if (!lock) return base::Fail("begin a run: " + folder + " is locked by somebody else");
  Run run(state, id, folder, std::move(*lock));
  const std::string text = fmt::format("{{\"pid\": {}, \"started\": \"{}\"}}\n", getpid(),
                                       base::FormatWall(base::SystemClock().WallUs()));
  SCRY_TRY(os::StoreText(folder + "/run.json", text, 0600, state.self()));
  return run;
}

std::string Run::LaneFolder(const std::string& lane) const {
  return folder_ + "/" + EncodeName(lane);
}

base::Result<Fork*> Run::MakeFork(const ShadowInfo& shadow, const ForkOptions& options,
                                  const Control& control) {
  if (!lock_) return base::Fail("make a fork: the run is finished");
  const base::Micros started_us = base::SystemClock().MonotonicUs();
  const std::string lane_folder = LaneFolder(options.lane);
  SCRY_TRY(os::MakeNewDirectory(lane_folder, state_.folder_mode(), state_.self()));
  auto fork = StartLane(shadow, options, lane_folder, control);
  if (!fork.ok()) {
    const base::Status ignored = os::RemoveTree(lane_folder);
    static_cast<void>(ignored);  // The failure to start is the one to tell.
    return std::move(fork)
        .With(fmt::format("fork {} of shadow {}", options.lane, shadow.name.Text()))
        .error();
  }
  (*fork)->took_us_ = base::SystemClock().MonotonicUs() - started_us;
  forks_.push_back(std::move(*fork));
  return forks_.back().get();
}

namespace {

// A free port may be taken by somebody else before the server has it: then another one is tried.
base::Result<PrivateServer> StartWithPort(ServerSpec spec, bool loopback, const Control& control) {
  constexpr int kPortTries = 5;
  for (int tries = 1; loopback; ++tries) {
    {
      SCRY_TRY_ASSIGN(const os::Listener probe, os::Listen({"127.0.0.1", 0}));
      spec.loopback_port = probe.address.port;
    }
    auto server = PrivateServer::Start(spec, control);
    if (server.ok() || tries == kPortTries || control.cancelled()) return server;
    if (server.error().message.find("could not create any TCP/IP sockets") == std::string::npos) {
      return server;
    }
  }
  return PrivateServer::Start(spec, control);
}

// How many sessions of a role or a database there may be at once says nothing of replay, which may
// have more of them open than production had.
base::Status LiftConnectionLimits(const pg::ConnInfo& info) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::ConnectToWrite(info));
  SCRY_TRY_ASSIGN(
      const pg::Rows limited,
      session.Exec("SELECT pg_catalog.format('ALTER ROLE %I CONNECTION LIMIT -1', rolname) "
                   "FROM pg_catalog.pg_roles WHERE rolconnlimit > 0 UNION ALL "
                   "SELECT pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT -1', datname) "
                   "FROM pg_catalog.pg_database WHERE datconnlimit > 0"));
  for (const auto& row : limited.rows) SCRY_TRY(session.Exec(row.at(0).value_or("")));
  return {};
}

}  // namespace

base::Result<pg::ConnInfo> Fork::OpenLoopback(const std::string& dbname,
                                              const std::string& user) const {
  constexpr size_t kPasswordBytes = 16;
  const std::string role = user.empty() ? superuser() : user;
  const std::string password = os::RandomHex(kPasswordBytes);
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::ConnectToWrite(Info()));
  // Not into the fork's log, and of a kind that pg_hba.conf takes on every version.
  const auto done = session.Exec(
      "SET log_statement = none; SET log_min_duration_statement = -1; "
      "SET log_min_error_statement = panic; SET password_encryption = 'scram-sha-256'; "
      "ALTER ROLE " +
      session.QuoteName(role) + " PASSWORD " + session.Quote(password) + " VALID UNTIL 'infinity'");
  if (!done.ok()) {
    return base::Status(done.error())
        .With("let role " + base::Printable(role) + " connect to the " + lane_)
        .error();
  }
  return server_.LoopbackInfo(dbname.empty() ? dbname_ : dbname, role, password);
}

base::Result<std::unique_ptr<Fork>> Run::StartLane(const ShadowInfo& shadow,
                                                   const ForkOptions& options,
                                                   const std::string& lane_folder,
                                                   const Control& control) {
  ServerSpec spec;
  SCRY_TRY_ASSIGN(spec.programs, pg::FindPrograms(shadow.server_major));
  spec.data_dir = lane_folder + "/data";
  os::CopyStats copied;
  {
    SCRY_TRY_ASSIGN(const os::FileLock hold, HoldStoppedShadow(state_, shadow));
    control.Say(fmt::format("forking {} for {}", shadow.name.Text(), options.lane));
    os::CopyOptions copy;
    copy.leave_out = {"postmaster.pid", "postmaster.opts"};
    copy.cancelled = [&] { return control.cancelled(); };
    auto done = os::CopyTree(shadow.DataDir(), spec.data_dir, copy);
    if (!done.ok()) {
      base::Error error = done.error();
      const auto free_bytes = os::DiskFreeBytes(folder_);
      if (free_bytes.ok() && *free_bytes < kFreeSpaceReserve) {
        error.message += fmt::format("; the fork needs about {}: make room in {}",
                                     base::FormatSize(shadow.size_bytes), state_.root());
      }
      return error;
    }
    copied = *done;
    if (copied.links > 0) {
      return base::Fail(base::ErrorCode::kCorrupt,
                        fmt::format("{} holds symbolic links, which no shadow does; a fork would "
                                    "write where they lead: make the shadow again",
                                    shadow.DataDir()));
    }
  }
  ServerConfig config;
  config.carried = shadow.settings;
  config.extra = options.extra;
  config.marker = nonce_;
  config.cluster_name = "scry " + options.lane;
  config.lanes = options.lanes;
  config.connections_min = options.connections_min;
  config.memory_bytes = MachineMemoryBytes();
  config.small_shared_memory = SharedMemoryIsSmall();
  SCRY_TRY(WriteServerFiles(spec.data_dir, ComposeSettings(config), state_.server_user(),
                            options.loopback));
  SCRY_TRY_ASSIGN(spec.socket_dir, MakeSocketDir(state_, folder_));
  spec.user = state_.server_user();
  spec.log_file = lane_folder + "/server.log";
  spec.superuser = shadow.superuser;
  spec.start_timeout_us = kForkStartTimeoutUs;
  SCRY_TRY_ASSIGN(PrivateServer server, StartWithPort(spec, options.loopback, control));
  SCRY_TRY(CheckMarker(server.Info(shadow.dbname), nonce_));
  SCRY_TRY(LiftConnectionLimits(server.Info(shadow.dbname)));
  std::unique_ptr<Fork> fork(new Fork(options.lane, shadow.dbname, std::move(server)));
  fork->copied_ = copied;
  return fork;
}

base::Status Run::Keep() {
  SCRY_TRY(os::StoreText(folder_ + "/kept", "", 0600, state_.self()));
  kept_ = true;
  return {};
}

base::Status Run::Finish() {
  if (!lock_) return {};
  base::Status first;
  const auto note = [&](base::Status status) {
    if (first.ok() && !status.ok()) first = std::move(status);
  };
  for (const auto& fork : forks_) {
    // A kept folder is looked at later: leave it as a clean stop does.
    const auto mode = kept_ ? PrivateServer::StopMode::kFast : PrivateServer::StopMode::kImmediate;
    note(fork->server_.Stop(mode));
  }
  std::vector<std::string> lanes;
  for (const auto& fork : forks_) lanes.push_back(LaneFolder(fork->lane()));
  forks_.clear();
  note(RemoveSocketDirs(state_, folder_));
  if (!kept_) {
    // The lock file may be removed first: without the gate another process would take the rest for
    // garbage and remove it at the same time.
    const auto gate =
        os::FileLock::Take(state_.GateFile(), os::FileLock::Mode::kShared, kGateWaitUs);
    note(os::RemoveTrees(lanes));
    note(os::RemoveTree(folder_));
  }
  lock_.reset();
  return first;
}

}  // namespace scry::shadow
