// A PostgreSQL server of scry's own: on a Unix socket in a folder only its user may enter, without
// TCP, any role trusted. Used for shadows, forks and tests. One thread at a time.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "os/subprocess.h"
#include "os/user.h"
#include "pg/conninfo.h"
#include "pg/server_programs.h"

namespace scry::shadow {

// How long work is watched and ended from outside.
struct Control {
  std::function<void(std::string_view step)> progress;  // "copying the source", for a person.
  std::stop_token stop;
  int stop_fd = -1;  // Readable: stop (os::InterruptFlag).

  void Say(std::string_view step) const {
    if (progress) progress(step);
  }
  bool cancelled() const;
  os::RunLimits Limits() const;
};

inline constexpr int kPrivatePort = 5432;  // In the socket's name only.

struct ServerSpec {
  pg::Programs programs;
  os::User user;           // Runs the server and owns data_dir.
  std::string data_dir;    // Exists, with configuration files written.
  std::string socket_dir;  // Exists, 0700, owned by `user`.
  std::string log_file;    // Appended to.
  std::string superuser;
  // Also listens on 127.0.0.1 there, for programs that know no Unix sockets; 0: it does not. The
  // address takes passwords only: see WriteServerFiles.
  int loopback_port = 0;
  bool outlive = false;  // Lives on after scry (`scry shadow url`); otherwise it dies with scry.
  base::Micros start_timeout_us = 120 * 1000000LL;
};

struct InitOptions {
  std::string superuser = "postgres";
  std::string encoding = "UTF8";
  std::string lc_collate = "C";
  std::string lc_ctype = "C";
};
// initdb in `data_dir`, which exists, is empty and belongs to `user`.
base::Status InitDatabase(const pg::Programs& programs, const os::User& user,
                          const std::string& data_dir, const InitOptions& options);

class PrivateServer {
 public:
  enum class StopMode : uint8_t {
    kFast,       // Clients are cut off, data is written: the directory may be copied afterwards.
    kImmediate,  // Nothing is written. For what is thrown away.
  };

  // Starts it and waits until it accepts connections; recovery counts. The error has the server's
  // last word.
  static base::Result<PrivateServer> Start(const ServerSpec& spec, const Control& control = {});
  PrivateServer(PrivateServer&&) noexcept = default;
  PrivateServer& operator=(PrivateServer&&) noexcept = default;
  ~PrivateServer();  // Stops it at once (kImmediate), unless it outlives us.

  pg::ConnInfo Info(const std::string& dbname, const std::string& user = {}) const;
  // The loopback address. REQUIRES: spec().loopback_port is not 0.
  pg::ConnInfo LoopbackInfo(const std::string& dbname, const std::string& user,
                            const std::string& password) const;
  const ServerSpec& spec() const { return spec_; }
  const std::string& superuser() const { return spec_.superuser; }
  pid_t pid() const { return child_.pid(); }
  // The error says how it ended, with the last line of its log.
  base::Status CheckAlive();
  base::Status Stop(StopMode mode, base::Micros timeout_us = 60 * 1000000LL);

 private:
  PrivateServer(ServerSpec spec, os::ChildProcess child)
      : spec_(std::move(spec)), child_(std::move(child)) {}
  ServerSpec spec_;
  os::ChildProcess child_;
  bool running_ = true;
};

// A server found by its data directory, started by whomever.
struct FoundServer {
  pid_t pid = 0;
  int port = 0;
  std::string socket_dir;
};
// nullopt: postmaster.pid is missing, or its process is gone or works elsewhere.
std::optional<FoundServer> FindServer(const std::string& data_dir);
// Stops it, SIGKILL after the time ran out. Nothing running is success.
base::Status StopFoundServer(const std::string& data_dir, PrivateServer::StopMode mode,
                             base::Micros timeout_us = 30 * 1000000LL);

// One SQL command on a stopped data directory (single-user mode), one value back. For what must be
// known before anyone can connect. The value may hold no double quote: encode it.
base::Result<std::string> SingleUserValue(const pg::Programs& programs, const os::User& user,
                                          const std::string& data_dir, const std::string& sql);

// The environment of PostgreSQL's programs: nothing of ours but where things are, and how much
// memory a backend keeps for its next query.
os::Environment ServerEnvironment(const pg::Programs& programs, const os::User& user);

// What the server said last that tells why it ended: the last FATAL or PANIC, else the last line.
std::string LastServerWord(std::string_view log);

}  // namespace scry::shadow
