// The demo's stage: private servers that play production and staging, and the shop's clients. Used
// by the demo job. One thread, but for the clients, which run on threads of their own inside a
// call.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "job/capture_job.h"
#include "job/demo_folder.h"
#include "job/progress.h"
#include "pg/admin.h"
#include "pg/conninfo.h"
#include "shadow/private_server.h"
#include "shadow/state_dir.h"

namespace scry::job {

// A server with database "shop", owned by its superuser, the application's role being shop_app.
class DemoServer {
 public:
  static base::Result<DemoServer> Start(const DemoFolder& folder, const std::string& name,
                                        const shadow::StateDir& state,
                                        const shadow::Control& control);
  base::Status Run(const char* sql);
  base::Result<pg::Rows> Query(const char* sql);
  pg::ConnInfo Info() const { return server_.Info("shop"); }
  pg::ConnInfo AppInfo() const { return server_.Info("shop", "shop_app"); }

 private:
  explicit DemoServer(shadow::PrivateServer server) : server_(std::move(server)) {}
  shadow::PrivateServer server_;
};

// Captures into `directory` what `clients` does through the proxy; its argument is how to reach it.
base::Result<CaptureSummary> CaptureClients(
    const pg::ConnInfo& upstream, const std::string& directory,
    const std::function<base::Status(const pg::ConnInfo& proxy)>& clients);

// The application's day: six sessions at once.
base::Status RunShopSessions(const pg::ConnInfo& proxy);
// The feature's own tests: one session.
base::Status RunFeatureSession(const pg::ConnInfo& proxy);
// The back office at night: one session.
base::Status RunSettlementSession(const pg::ConnInfo& proxy);
// Some seconds at the pace of a busy shop: eight sessions that stay, and customers who come and go.
// kInterrupted where it should stop.
base::Status RunRushHour(const pg::ConnInfo& proxy, Progress& progress,
                         const std::function<bool()>& should_stop);

}  // namespace scry::job
