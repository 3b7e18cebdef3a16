#include <fmt/format.h>

#include "os/subprocess.h"
#include "shadow/making.h"

namespace scry::shadow {
namespace {

base::Status TakeBackup(Making& making, const Source& source, const pg::Programs& programs) {
  making.control.Say("copying the source with pg_basebackup");
  os::Program backup;
  backup.argv = {programs.Path("pg_basebackup"),
                 "--pgdata=" + making.DataDir(),
                 "--format=plain",
                 "--wal-method=stream",
                 "--checkpoint=fast",
                 "--no-password",
                 "--no-sync",
                 "--dbname=" + ConnInfoForArgv(source.info)};
  if (programs.major >= 13) backup.argv.emplace_back("--no-manifest");
  backup.environment = EnvironmentFor(source.info);
  auto finished = os::RunChecked(backup, making.control.Limits());
  if (finished.ok()) return {};
  base::Error error = finished.error();
  const bool refused = error.message.find("pg_hba.conf") != std::string::npos ||
                       error.message.find("replication") != std::string::npos ||
                       error.message.find("max_wal_senders") != std::string::npos;
  if (refused) {
    error.message +=
        " (a physical copy needs a role with REPLICATION and a pg_hba.conf line for "
        "replication; provider dump needs neither)";
  }
  return error;
}

// A slot or a half-replayed subscription of the source would hold back WAL or complain for ever.
base::Status ForgetReplication(const std::string& data_dir) {
  for (const char* folder : {"pg_replslot", "pg_logical/snapshots", "pg_logical/mappings"}) {
    const std::string path = data_dir + "/" + folder;
    if (!os::IsDirectory(path)) continue;
    SCRY_TRY_ASSIGN(const auto names, os::ListDirectory(path));
    for (const auto& name : names) SCRY_TRY(os::RemoveTree(path + "/" + name));
  }
  return {};
}

}  // namespace

base::Status MakePhysical(Making& making) {
  SCRY_TRY_ASSIGN(Source source, OpenSource(making));
  if (!source.tablespaces.empty()) {
    return base::Fail(
        base::ErrorCode::kUnsupported,
        fmt::format("the source has tablespaces ({}), which a physical copy cannot place: use "
                    "provider dump",
                    source.tablespaces));
  }
  making.info.server_major = source.server_major;
  SCRY_TRY_ASSIGN(const pg::Programs programs, pg::FindPrograms(source.server_major));
  const auto size = source.session->Exec(
      "SELECT pg_catalog.sum(pg_catalog.pg_database_size(oid)) FROM pg_catalog.pg_database");
  if (size.ok() && size->Single()) {
    SCRY_TRY(CheckFreeSpace(making, std::strtoull(size->Single()->c_str(), nullptr, 10)));
  }
  // The copy trusts any role: whom to log in as is asked while there is somebody to ask.
  SCRY_TRY_ASSIGN(const pg::Rows superuser,
                  source.session->Exec("SELECT rolname FROM pg_catalog.pg_roles WHERE rolsuper AND "
                                       "rolcanlogin ORDER BY oid LIMIT 1"));
  if (!superuser.Single()) return base::Fail("the source has no superuser that may log in");
  making.info.superuser = *superuser.Single();
  source.session.reset();

  SCRY_TRY(TakeBackup(making, source, programs));
  SCRY_TRY(ForgetReplication(making.DataDir()));
  SCRY_TRY(os::ChownTree(making.DataDir(), making.state.server_user()));
  making.control.Say("recovering the copy");
  SCRY_TRY_ASSIGN(PrivateServer server, StartMade(making, programs));
  SCRY_TRY(VerifyMade(making, server));
  return server.Stop(PrivateServer::StopMode::kFast, 600 * 1000000LL);
}

}  // namespace scry::shadow
