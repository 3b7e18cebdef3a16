// Forks: throw-away copies of a shadow, each with a server of its own, that live as long as one
// run. Used by jobs. One thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/directory.h"
#include "pg/conninfo.h"
#include "shadow/private_server.h"
#include "shadow/shadow_info.h"
#include "shadow/state_dir.h"

namespace scry::shadow {

struct ForkOptions {
  std::string lane;         // "baseline", "candidate": the folder's name.
  int lanes = 2;            // Servers of this run, which share the machine's memory.
  int connections_min = 0;  // The server takes at least as many.
  bool loopback = false;    // Also reachable on 127.0.0.1, with a password: Fork::OpenLoopback.
  Settings extra;           // Beyond what the shadow carries over; wins over it.
};

class Fork {
 public:
  const std::string& lane() const { return lane_; }
  // The default database as `user` (empty: a superuser); any role may log in.
  pg::ConnInfo Info(const std::string& dbname = {}, const std::string& user = {}) const;
  // Gives `user` a password made for this call and answers how to connect with it over TCP, for
  // programs that know no Unix sockets. REQUIRES: made with ForkOptions::loopback.
  base::Result<pg::ConnInfo> OpenLoopback(const std::string& dbname, const std::string& user) const;
  const std::string& superuser() const { return server_.superuser(); }
  const std::string& socket_dir() const { return server_.spec().socket_dir; }
  const os::CopyStats& copied() const { return copied_; }
  base::Micros took_us() const { return took_us_; }
  const std::string& log_file() const { return server_.spec().log_file; }
  // The error says how the server ended.
  base::Status CheckAlive() { return server_.CheckAlive(); }

 private:
  friend class Run;
  Fork(std::string lane, std::string dbname, PrivateServer server)
      : lane_(std::move(lane)), dbname_(std::move(dbname)), server_(std::move(server)) {}
  std::string lane_;
  std::string dbname_;
  PrivateServer server_;
  os::CopyStats copied_;
  base::Micros took_us_ = 0;
};

class Run {
 public:
  // Makes the run's folder and holds its lock: while it is held, garbage collection leaves it
  // alone.
  static base::Result<Run> Begin(const StateDir& state);
  Run(Run&&) noexcept = default;
  Run& operator=(Run&&) = delete;
  ~Run();  // Finish().

  // Copies the shadow's data, starts a server on it and checks its marker. Owned by the run.
  // Nothing is left of a fork that failed.
  base::Result<Fork*> MakeFork(const ShadowInfo& shadow, const ForkOptions& options,
                               const Control& control = {});

  const std::string& id() const { return id_; }
  const std::string& folder() const { return folder_; }
  // What CheckMarker expects of this run's forks.
  const std::string& nonce() const { return nonce_; }
  const std::vector<std::unique_ptr<Fork>>& forks() const { return forks_; }

  // Finish() stops the servers but leaves the folders, for a person to look at; so does garbage
  // collection unless it is told otherwise.
  base::Status Keep();
  // Stops the servers and removes everything. The second call does nothing. Reports the first
  // failure.
  base::Status Finish();

 private:
  Run(StateDir state, std::string id, std::string folder, os::FileLock lock);
  std::string LaneFolder(const std::string& lane) const;
  base::Result<std::unique_ptr<Fork>> StartLane(const ShadowInfo& shadow,
                                                const ForkOptions& options,
                                                const std::string& lane_folder,
                                                const Control& control);

  StateDir state_;
  std::string id_;
  std::string folder_;
  std::string nonce_;
  std::optional<os::FileLock> lock_;  // Empty: finished or moved from.
  std::vector<std::unique_ptr<Fork>> forks_;
  bool kept_ = false;
};

}  // namespace scry::shadow
