// The configuration files of a private server: which settings of the source are carried over, and
// what scry sets itself. Used by providers and forks. Pure, but for WriteServerFiles and
// MachineMemoryBytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "os/user.h"

namespace scry::shadow {

using Settings = std::vector<std::pair<std::string, std::string>>;

// Does a setting of the source change what its queries do or how they are planned, and is it safe
// on a private copy? Nothing that names other machines, files, users or log targets, nor limits of
// how long a session may be idle: a lane that waits for another is not.
bool IsCarried(std::string_view name);
// Names of settings are compared without regard to case.
bool SameSettingName(std::string_view a, std::string_view b);

// "name = value" lines of a postgresql.conf; the last of equal names wins. Includes are not
// followed.
Settings ParseConfigText(std::string_view text);
// 'it''s', with backslashes and line breaks safe.
std::string QuoteSetting(std::string_view value);

struct ServerConfig {
  Settings carried;           // Of the source; filtered by IsCarried.
  Settings extra;             // Of the caller; neither filtered nor overruled, but by the marker.
  std::string marker;         // scry.shadow; empty: none.
  std::string cluster_name;   // Shown in process titles.
  int lanes = 1;              // Servers that share this machine's memory.
  int connections_min = 0;    // max_connections is at least this.
  uint64_t memory_bytes = 0;  // Of the machine.
  bool small_shared_memory = false;  // /dev/shm too small for parallel queries, as in containers.
};
// Settings in the order they are written; scry's own come last and win.
Settings ComposeSettings(const ServerConfig& config);
std::string RenderConfig(const Settings& settings);
// Bytes of shared_buffers as written ("16384" blocks, "128MB"); 0: not understood.
uint64_t ParseBlocks(std::string_view text);

// postgresql.conf, pg_hba.conf, pg_ident.conf and an empty postgresql.auto.conf in a data
// directory, replacing what is there, links included. Files that would make the server a standby or
// let it connect to something are removed.
// pg_hba.conf trusts everybody on the Unix socket, whose folder is closed to other users. With
// `loopback`, 127.0.0.1 is open as well, to roles with a password (SCRAM): any user of the machine
// can reach that address.
base::Status WriteServerFiles(const std::string& data_dir, const Settings& settings,
                              const os::User& owner, bool loopback = false);

// Of `wanted` ("a, b"), what is found in `folders` and does no work of its own accord (pg_cron
// would run production's jobs). `dropped` takes the rest.
std::string UsablePreloadLibraries(std::string_view wanted, const std::vector<std::string>& folders,
                                   std::vector<std::string>& dropped);

uint64_t MachineMemoryBytes();  // Of the container where it is less.
bool SharedMemoryIsSmall();

}  // namespace scry::shadow
