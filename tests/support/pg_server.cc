#include "support/pg_server.h"

#include "os/directory.h"
#include "os/random_name.h"
#include "shadow/server_config.h"
#include "support/catch.h"

namespace scry::test {

TempFolder::TempFolder() : path_("/tmp/scry-test-" + os::RandomHex(4)) {
  const auto made = os::MakeNewDirectory(path_, 0755, os::CurrentUser());
  INFO((made.ok() ? "" : made.error().message));
  REQUIRE(made.ok());
}

TempFolder::~TempFolder() {
  const auto removed = os::RemoveTree(path_);
  CHECK(removed.ok());
}

PgServer::PgServer(const std::string& config, const shadow::InitOptions& init) {
  const auto state = shadow::StateDir::Open(folder_.path() + "/state");
  REQUIRE(state.ok());
  const os::User user = state->server_user();
  const auto programs = pg::FindPrograms(std::nullopt);
  REQUIRE(programs.ok());
  programs_ = *programs;
  const std::string sockets = folder_.path() + "/s";
  REQUIRE(os::MakeNewDirectory(data_dir(), 0700, user).ok());
  REQUIRE(os::MakeNewDirectory(sockets, 0700, user).ok());
  const auto made = shadow::InitDatabase(programs_, user, data_dir(), init);
  INFO((made.ok() ? "" : made.error().message));
  REQUIRE(made.ok());
  const std::string settings =
      "shared_buffers = 16MB\nfsync = off\nmax_wal_senders = 4\nwal_level = replica\n" + config;
  REQUIRE(os::StoreText(data_dir() + "/postgresql.conf", settings, 0600, user).ok());
  REQUIRE(os::StoreText(data_dir() + "/pg_hba.conf",
                        "local all all trust\nlocal replication all trust\n", 0600, user)
              .ok());
  shadow::ServerSpec spec;
  spec.programs = programs_;
  spec.user = user;
  spec.data_dir = data_dir();
  spec.socket_dir = sockets;
  spec.log_file = folder_.path() + "/server.log";
  spec.superuser = init.superuser;
  auto started = shadow::PrivateServer::Start(spec);
  INFO((started.ok() ? "" : started.error().message));
  REQUIRE(started.ok());
  server_.emplace(std::move(*started));
}

std::string PgServer::Exec(const std::string& sql, const std::string& dbname) {
  return ExecOn(Info(dbname), sql);
}

void PgServer::Stop() { REQUIRE(server_->Stop(shadow::PrivateServer::StopMode::kFast).ok()); }

std::string ExecOn(const pg::ConnInfo& info, const std::string& sql) {
  auto session = pg::AdminSession::Connect(info);
  INFO((session.ok() ? "" : session.error().message));
  REQUIRE(session.ok());
  const auto rows = session->Exec(sql);
  INFO(sql << ": " << (rows.ok() ? "" : rows.error().message));
  REQUIRE(rows.ok());
  return rows->Single().value_or("");
}

}  // namespace scry::test
