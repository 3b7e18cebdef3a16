#include "job/demo_shop.h"

#include <atomic>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "job/shop_traffic.h"
#include "os/directory.h"
#include "os/random_name.h"
#include "pg/admin.h"
#include "pg/connection.h"
#include "pg/server_programs.h"

namespace scry::job {
namespace {

using base::Result;
using base::Status;

constexpr uint32_t kSessions = 6;
constexpr uint32_t kFeatureRounds = 30;

constexpr const char* kServerSettings =
    "shared_buffers = 64MB\nfsync = off\nmax_wal_senders = 4\nwal_level = replica\n"
    "max_wal_size = 4GB\n";
constexpr const char* kServerHba = "local all all trust\nlocal replication all trust\n";

class LibpqShopConnection final : public ShopConnection {
 public:
  explicit LibpqShopConnection(pg::Connection connection) : connection_(std::move(connection)) {}
  Status Exec(std::string_view sql) override {
    const auto done = connection_.QueryValue(std::string(sql));
    if (!done.ok()) return done.error();
    return {};
  }
  Status Prepare(std::string_view name, std::string_view sql) override {
    return connection_.Prepare(std::string(name), std::string(sql));
  }
  Result<std::string> ExecPrepared(std::string_view name,
                                   const std::vector<std::string>& params) override {
    SCRY_TRY_ASSIGN(const std::optional<std::string> value,
                    connection_.QueryPrepared(std::string(name), params));
    return value.value_or("");
  }

 private:
  pg::Connection connection_;
};

}  // namespace

Result<DemoFolder> DemoFolder::Make() {
  const std::string path = "/tmp/scry-demo-" + os::RandomHex(4);
  SCRY_TRY(os::MakeNewDirectory(path, 0755, os::CurrentUser()));
  return DemoFolder(path);
}

DemoFolder::~DemoFolder() {
  if (!path_.empty()) (void)os::RemoveTree(path_).ok();
}

Result<DemoServer> DemoServer::Start(const DemoFolder& folder, const std::string& name,
                                     const shadow::StateDir& state,
                                     const shadow::Control& control) {
  const os::User& user = state.server_user();
  const std::string home = folder.In(name);
  shadow::ServerSpec spec;
  SCRY_TRY_ASSIGN(spec.programs, pg::FindPrograms(std::nullopt));
  spec.user = user;
  spec.data_dir = home + "/data";
  spec.socket_dir = home + "/s";
  spec.log_file = home + "/server.log";
  spec.superuser = "postgres";
  SCRY_TRY(os::MakeNewDirectory(home, 0755, user));
  SCRY_TRY(os::MakeNewDirectory(spec.data_dir, 0700, user));
  SCRY_TRY(os::MakeNewDirectory(spec.socket_dir, 0700, user));
  SCRY_TRY(shadow::InitDatabase(spec.programs, user, spec.data_dir, {}));
  SCRY_TRY(os::StoreText(spec.data_dir + "/postgresql.conf", kServerSettings, 0600, user));
  SCRY_TRY(os::StoreText(spec.data_dir + "/pg_hba.conf", kServerHba, 0600, user));
  SCRY_TRY_ASSIGN(shadow::PrivateServer server, shadow::PrivateServer::Start(spec, control));
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(server.Info("postgres")));
  SCRY_TRY_ASSIGN(const pg::Rows made, session.Exec("CREATE DATABASE shop"));
  return DemoServer(std::move(server));
}

Status DemoServer::Run(const char* sql) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(Info()));
  const auto done = session.Exec(sql);
  if (!done.ok()) return done.error();
  return {};
}

Result<CaptureSummary> CaptureClients(
    const pg::ConnInfo& upstream, const std::string& directory,
    const std::function<Status(const pg::ConnInfo& proxy)>& clients) {
  std::atomic<bool> over = false;
  std::promise<pg::ConnInfo> listening;
  std::future<pg::ConnInfo> proxy = listening.get_future();
  Result<CaptureSummary> summary = base::Fail("the capture did not run");
  std::jthread relay([&] {
    bool told = false;
    CaptureRequest request;
    request.upstream = upstream.Render();
    request.directory = directory;
    request.on_listening = [&](const std::string& host, uint16_t port) {
      pg::ConnInfo info = upstream;
      info.Set("host", host).Set("port", std::to_string(port)).Set("sslmode", "disable");
      told = true;
      listening.set_value(std::move(info));
    };
    NoProgress quiet;
    summary = RunCapture(request, quiet, [&] { return over.load(); });
    if (!told) listening.set_value(pg::ConnInfo());  // It failed before it listened.
  });
  const pg::ConnInfo info = proxy.get();
  const Status ran = info.pairs().empty() ? Status() : clients(info);
  over = true;
  relay.join();
  SCRY_TRY(ran);
  return summary;
}

Status RunShopSessions(const pg::ConnInfo& proxy) {
  std::vector<std::future<Status>> sessions;
  for (uint32_t i = 0; i < kSessions; ++i) {
    sessions.push_back(std::async(std::launch::async, [&proxy, i]() -> Status {
      SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(proxy));
      LibpqShopConnection shop(std::move(connection));
      ShopTrafficOptions options;
      options.session = i;
      options.sessions = kSessions;
      return RunShopTraffic(shop, options);
    }));
  }
  Status first;
  for (auto& session : sessions) {
    Status status = session.get();
    if (first.ok()) first = std::move(status);
  }
  return first;
}

Status RunFeatureSession(const pg::ConnInfo& proxy) {
  SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(proxy));
  LibpqShopConnection shop(std::move(connection));
  return RunFeatureTraffic(shop, kFeatureRounds, /*seed=*/1);
}

}  // namespace scry::job
