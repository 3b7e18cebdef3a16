#include "job/demo_shop.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "job/shop_traffic.h"
#include "os/directory.h"
#include "pg/connection.h"
#include "pg/server_programs.h"

namespace scry::job {
namespace {

using base::Micros;
using base::Result;
using base::Status;

constexpr uint32_t kSessions = 6;
constexpr uint32_t kFeatureRounds = 30;
constexpr uint32_t kSettledDays = 20;

// The rush hour: long enough for a queue to form behind a lock and to drain, and so that two cores
// are busy for a fifth of the time with it.
constexpr Micros kRushUs = 6 * 1000 * 1000;
constexpr uint32_t kRushSessions = 8;
constexpr Micros kRushPauseUs = 250 * 1000;  // Of one session, between two visits.
constexpr uint32_t kRushArrivals = 72;       // Short visits, spread evenly.
constexpr Micros kRushPollUs = 20 * 1000;

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

template <typename Run>
Status WithConnection(const pg::ConnInfo& proxy, Run run) {
  SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(proxy));
  LibpqShopConnection shop(std::move(connection));
  return run(shop);
}

// Waits for all.
Status FirstFailure(std::vector<std::future<Status>>& sessions) {
  Status first;
  for (auto& session : sessions) {
    Status status = session.get();
    if (first.ok()) first = std::move(status);
  }
  return first;
}

Micros Now() { return base::SystemClock().MonotonicUs(); }

// Its sessions run on threads of their own; the caller's thread shows how far they are.
class RushHour {
 public:
  explicit RushHour(const pg::ConnInfo& proxy) : proxy_(proxy), started_us_(Now()) {}

  Status Run(Progress& progress, const std::function<bool()>& should_stop) {
    std::vector<std::future<Status>> sessions;
    for (uint32_t i = 0; i < kRushSessions; ++i) {
      sessions.push_back(std::async(std::launch::async, [this, i] { return Stay(i); }));
    }
    for (uint32_t i = 0; i < kRushArrivals; ++i) {
      sessions.push_back(std::async(std::launch::async, [this, i] { return Come(i); }));
    }
    bool interrupted = false;
    while (!interrupted && Now() < started_us_ + kRushUs) {
      std::this_thread::sleep_for(std::chrono::microseconds(kRushPollUs));
      const auto elapsed_us = static_cast<double>(Now() - started_us_);
      progress.Update(elapsed_us / static_cast<double>(kRushUs),
                      fmt::format("{} visits, {:.0f}/s", visits_.load(),
                                  static_cast<double>(visits_.load()) * 1e6 / elapsed_us));
      interrupted = should_stop();
    }
    over_ = true;
    const Status failed = FirstFailure(sessions);
    if (interrupted) return base::Fail(base::ErrorCode::kInterrupted, "interrupted");
    return failed;
  }

 private:
  ShopTrafficOptions OptionsOf(uint32_t session) const {
    ShopTrafficOptions options;
    options.session = session;
    options.sessions = kRushSessions + kRushArrivals;
    return options;
  }
  // False: it is over before.
  bool SleepUntil(Micros at_us) const {
    while (!over_ && Now() < at_us) {
      std::this_thread::sleep_for(
          std::chrono::microseconds(std::clamp<Micros>(at_us - Now(), 1, kRushPollUs)));
    }
    return !over_;
  }
  Status Stay(uint32_t number) {
    // They do not visit in step.
    Micros next_us = started_us_ + kRushPauseUs * number / kRushSessions;
    if (!SleepUntil(next_us)) return {};
    return WithConnection(proxy_, [&](ShopConnection& shop) {
      ShopTrafficOptions options = OptionsOf(number);
      options.visits = kRushUs / kRushPauseUs;
      options.between = [&] {
        ++visits_;
        next_us += kRushPauseUs;
        return SleepUntil(next_us);
      };
      return RunShopTraffic(shop, options);
    });
  }
  Status Come(uint32_t number) {
    if (!SleepUntil(started_us_ + kRushUs * number / kRushArrivals)) return {};
    ++visits_;
    return WithConnection(proxy_, [&](ShopConnection& shop) {
      return RunShortVisit(shop, OptionsOf(kRushSessions + number));
    });
  }

  const pg::ConnInfo& proxy_;
  const Micros started_us_;
  std::atomic<bool> over_ = false;
  std::atomic<uint64_t> visits_ = 0;
};

}  // namespace

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

Result<pg::Rows> DemoServer::Query(const char* sql) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(Info()));
  return session.Exec(sql);
}

Status DemoServer::Run(const char* sql) {
  const auto done = Query(sql);
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
    sessions.push_back(std::async(std::launch::async, [&proxy, i] {
      return WithConnection(proxy, [&](ShopConnection& shop) {
        ShopTrafficOptions options;
        options.session = i;
        options.sessions = kSessions;
        return RunShopTraffic(shop, options);
      });
    }));
  }
  return FirstFailure(sessions);
}

Status RunFeatureSession(const pg::ConnInfo& proxy) {
  return WithConnection(proxy, [](ShopConnection& shop) {
    return RunFeatureTraffic(shop, kFeatureRounds, /*seed=*/1);
  });
}

Status RunSettlementSession(const pg::ConnInfo& proxy) {
  return WithConnection(proxy,
                        [](ShopConnection& shop) { return RunSettlement(shop, kSettledDays); });
}

Status RunRushHour(const pg::ConnInfo& proxy, Progress& progress,
                   const std::function<bool()>& should_stop) {
  RushHour rush(proxy);
  return rush.Run(progress, should_stop);
}

}  // namespace scry::job
