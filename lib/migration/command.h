// Runs the user's migration command against the candidate, in an environment that names the
// candidate and nothing of the source, and holds no token of the CI job. Used by jobs. One thread
// per command.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "os/subprocess.h"
#include "pg/conninfo.h"

namespace scry::migration {

inline constexpr size_t kOutputBytesKept = 64 * 1024;

struct CommandOptions {
  std::vector<std::string> argv;     // What stood behind `--`.
  std::string directory;             // Empty: ours.
  pg::ConnInfo target;               // The candidate: host is a socket folder or an address.
  std::vector<std::string> sources;  // CONNINFOs whose traces are taken out of the environment.
  os::Environment environment;       // The one to start from: os::CurrentEnvironment().
  base::Micros timeout_us = 0;       // 0: none.
  std::stop_token stop;
  int stop_fd = -1;
  int output_fd = -1;  // Where its output is shown live, normally 2; -1: nowhere.
};

struct CommandOutcome {
  os::Finished finished;            // out: the last kOutputBytesKept of stdout and stderr together.
  std::vector<std::string> hidden;  // Names of variables taken out, sorted. Values are secret.
};

// Fails where the command could not be started (kUsage without one, kNotFound for no such program);
// an exit status, a signal and a timeout are values.
base::Result<CommandOutcome> RunCommand(const CommandOptions& options);

// kTimeout, kInterrupted or kMigration for what did not end with status 0, in one line with the
// last thing it said.
base::Status JudgeOutcome(const CommandOptions& options, const CommandOutcome& outcome);

// `base` without PG* variables, addresses of PostgreSQL servers and traces of `sources`, plus
// DATABASE_URL, PGHOST, PGPORT, PGUSER, PGDATABASE and, where there is one, PGPASSWORD. `hidden`
// takes the names. Pure.
os::Environment MigrationEnvironment(const os::Environment& base, const pg::ConnInfo& target,
                                     const std::vector<pg::ConnInfo>& sources,
                                     std::vector<std::string>& hidden);

// Does a variable's value lead to one of `sources`: its address, socket folder, service or
// password? Pure.
bool MentionsSource(std::string_view value, const std::vector<pg::ConnInfo>& sources);

}  // namespace scry::migration
