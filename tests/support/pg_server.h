// A throw-away PostgreSQL server that plays the source in tests: a temporary folder, a Unix socket,
// any role and replication trusted. Runs as `postgres` or `nobody` under root.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pg/admin.h"
#include "shadow/private_server.h"
#include "shadow/state_dir.h"

namespace scry::test {

// A folder below /tmp that vanishes with this object. Others may pass through it.
class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class PgServer {
 public:
  // REQUIREs (Catch2) that everything works. `config` is appended to postgresql.conf.
  explicit PgServer(const std::string& config = {}, const shadow::InitOptions& init = {});

  pg::ConnInfo Info(const std::string& dbname = "postgres") const { return server_->Info(dbname); }
  std::string ConnInfoText(const std::string& dbname = "postgres") const {
    return Info(dbname).Render();
  }
  // The single value of the last command, "" for none or NULL.
  std::string Exec(const std::string& sql, const std::string& dbname = "postgres");
  std::string data_dir() const { return folder_.path() + "/data"; }
  const shadow::PrivateServer& server() const { return *server_; }
  const pg::Programs& programs() const { return programs_; }
  void Stop();

 private:
  TempFolder folder_;
  pg::Programs programs_;
  std::optional<shadow::PrivateServer> server_;
};

// REQUIREs that the command works on any server.
std::string ExecOn(const pg::ConnInfo& info, const std::string& sql);

}  // namespace scry::test
