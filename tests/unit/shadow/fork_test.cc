#include "shadow/fork.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "os/directory.h"
#include "shadow/garbage.h"
#include "shadow/marker.h"
#include "shadow/provider.h"
#include "shadow/store.h"
#include "support/catch.h"
#include "support/pg_server.h"

using namespace scry;
using namespace scry::shadow;
using scry::test::ExecOn;

namespace {

template <typename T>
void RequireOk(const base::Result<T>& result) {
  INFO((result.ok() ? "" : result.error().message));
  REQUIRE(result.ok());
}

// A source and a physical shadow of it, made once for a test.
struct Setup {
  test::TempFolder folder;
  test::PgServer source{
      "work_mem = 5MB\nTimeZone = 'Europe/Berlin'\napp.tenant = 'it''s'\n"
      "random_page_cost = 1.25\nlog_statement = all\n"};
  StateDir state;
  ShadowInfo shadow;

  Setup() {
    source.Exec(
        "CREATE TABLE items AS SELECT g AS id, 'item ' || g AS name FROM generate_series(1, 1000) "
        "g");
    source.Exec("CREATE ROLE app LOGIN CONNECTION LIMIT 3");
    source.Exec("ALTER DATABASE postgres CONNECTION LIMIT 50");
    auto opened = StateDir::Open(folder.path() + "/state");
    RequireOk(opened);
    state = *opened;
    ShadowOptions options;
    options.name = {"prod-db", "ci main/1"};
    options.source = source.ConnInfoText();
    auto made = CreateShadow(options, state);
    RequireOk(made);
    shadow = *made;
  }
};

bool IsGone(pid_t pid) { return kill(pid, 0) != 0; }

void WaitUntilGone(pid_t pid) {
  for (int i = 0; i < 3000 && !IsGone(pid); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace

TEST_CASE("forks of a physical shadow are apart from each other, the shadow and the source",
          "[shadow]") {
  Setup setup;
  CHECK(setup.shadow.source.find("postgres") != std::string::npos);
  CHECK(setup.shadow.size_bytes > 1000000);
  auto run = Run::Begin(setup.state);
  RequireOk(run);
  ForkOptions options;
  options.lane = "baseline";
  auto baseline = run->MakeFork(setup.shadow, options);
  RequireOk(baseline);
  options.lane = "candidate/ü";
  auto candidate = run->MakeFork(setup.shadow, options);
  RequireOk(candidate);

  // Each is a copy with the source's settings, and any role may log in.
  for (Fork* fork : {*baseline, *candidate}) {
    CHECK(ExecOn(fork->Info(), "SELECT count(*) FROM items") == "1000");
    CHECK(ExecOn(fork->Info(), "SHOW work_mem") == "5MB");
    CHECK(ExecOn(fork->Info(), "SHOW timezone") == "Europe/Berlin");
    CHECK(ExecOn(fork->Info(), "SHOW app.tenant") == "it's");
    CHECK(ExecOn(fork->Info(), "SHOW random_page_cost") == "1.25");
    CHECK(ExecOn(fork->Info(), "SHOW log_statement") == "none");
    CHECK(ExecOn(fork->Info(), "SHOW listen_addresses").empty());
    CHECK(ExecOn(fork->Info({}, "app"), "SELECT current_user") == "app");
    // Replay may have more sessions open than production had.
    CHECK(ExecOn(fork->Info(), "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'app'") == "-1");
    CHECK(ExecOn(fork->Info(), "SELECT max(datconnlimit) FROM pg_database") == "-1");
    CHECK(fork->CheckAlive().ok());
    CHECK(fork->copied().files > 100);
    CHECK(CheckMarker(fork->Info(), run->nonce()).ok());
  }
  ExecOn((*candidate)->Info(), "DELETE FROM items");
  CHECK(ExecOn((*candidate)->Info(), "SELECT count(*) FROM items") == "0");
  CHECK(ExecOn((*baseline)->Info(), "SELECT count(*) FROM items") == "1000");
  CHECK(setup.source.Exec("SELECT count(*) FROM items") == "1000");

  // The source, a shadow's own server and another run's forks are no targets.
  CHECK_FALSE(CheckMarker((*baseline)->Info(), "other").ok());
  CHECK_FALSE(CheckMarker((*baseline)->Info(), "").ok());
  const auto refused = CheckMarker(setup.source.Info(), run->nonce());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find("is not a scry shadow") != std::string::npos);
  CHECK_FALSE(CheckMarker(setup.source.Info(), "").ok());
  auto kept = OpenShadowServer(setup.state, setup.shadow.name);
  RequireOk(kept);
  CHECK(ExecOn(*kept, "SELECT count(*) FROM items") == "1000");
  CHECK_FALSE(CheckMarker(*kept, run->nonce()).ok());

  // A connected client keeps the shadow from being forked; once gone, its server is stopped for the
  // copy.
  {
    auto client = pg::AdminSession::Connect(*kept);
    RequireOk(client);
    options.lane = "third";
    const auto busy = run->MakeFork(setup.shadow, options);
    REQUIRE_FALSE(busy.ok());
    CHECK(busy.error().message.find("disconnect") != std::string::npos);
    CHECK_FALSE(DestroyShadow(setup.state, setup.shadow.name).ok());
  }
  const auto third = run->MakeFork(setup.shadow, options);
  RequireOk(third);
  CHECK_FALSE(FindServer(setup.shadow.DataDir()));

  // A server that dies is noticed, with a reason.
  const auto found = FindServer(run->folder() + "/baseline/data");
  REQUIRE(found);
  kill(found->pid, SIGKILL);
  for (int i = 0; i < 1000 && (*baseline)->CheckAlive().ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE_FALSE((*baseline)->CheckAlive().ok());

  const std::string sockets = (*candidate)->socket_dir();
  RequireOk(run->Finish());
  CHECK_FALSE(os::Exists(run->folder()));
  CHECK_FALSE(os::Exists(sockets));
  RequireOk(DestroyShadow(setup.state, setup.shadow.name));
  CHECK(ShowShadow(setup.state, setup.shadow.name).error().code == base::ErrorCode::kNotFound);
  CHECK_FALSE(os::Exists(setup.state.DatabaseFolder(setup.shadow.name)));
}

TEST_CASE("a killed run leaves no server behind, and garbage collection removes the rest",
          "[shadow]") {
  Setup setup;
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    auto run = Run::Begin(setup.state);
    if (!run.ok()) _exit(1);
    ForkOptions options;
    options.lane = "baseline";
    const auto made = run->MakeFork(setup.shadow, options);
    if (!made.ok()) _exit(1);
    const std::string text = (*made)->socket_dir();
    if (write(ready[1], text.data(), text.size()) < 0) _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  char buffer[256];
  const ssize_t got = read(ready[0], buffer, sizeof(buffer));
  close(ready[0]);
  REQUIRE(got > 0);
  const std::string sockets(buffer, static_cast<size_t>(got));
  const auto runs = os::ListDirectory(setup.state.RunsFolder());
  REQUIRE((runs.ok() && runs->size() == 1));
  const std::string folder = setup.state.RunsFolder() + "/" + runs->front();
  const auto server = FindServer(folder + "/baseline/data");
  REQUIRE(server);

  // Alive, it is left alone.
  const auto nothing = CollectGarbage(setup.state);
  RequireOk(nothing);
  CHECK(nothing->runs_removed == 0);
  CHECK(os::Exists(folder));

  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  WaitUntilGone(server->pid);
  CHECK(IsGone(server->pid));
  CHECK(os::Exists(sockets));
  // A half-made shadow, as a kill while copying leaves it.
  const std::string half = setup.state.DatabaseFolder(setup.shadow.name) + "/.making-0123";
  REQUIRE(os::MakeDirectories(half + "/data/base", 0700).ok());

  const auto report = CollectGarbage(setup.state);
  RequireOk(report);
  CHECK(report->failures.empty());
  CHECK(report->runs_removed == 1);
  CHECK(report->shadows_removed == 1);
  CHECK_FALSE(os::Exists(folder));
  CHECK_FALSE(os::Exists(sockets));
  CHECK_FALSE(os::Exists(half));
  CHECK(ShowShadow(setup.state, setup.shadow.name).ok());

  // As if the parent-death signal had not been delivered: a run's folder, unlocked, with a live
  // server.
  const std::string orphan = setup.state.RunsFolder() + "/orphan";
  REQUIRE(os::MakeDirectories(orphan + "/lane", setup.state.folder_mode()).ok());
  RequireOk(os::CopyTree(setup.shadow.DataDir(), orphan + "/lane/data"));
  ServerSpec spec;
  spec.programs = setup.source.programs();
  spec.user = setup.state.server_user();
  spec.data_dir = orphan + "/lane/data";
  spec.socket_dir = *MakeSocketDir(setup.state, orphan);
  spec.log_file = orphan + "/lane/server.log";
  spec.superuser = setup.shadow.superuser;
  spec.outlive = true;
  pid_t pid = 0;
  {
    auto outliving = PrivateServer::Start(spec);
    RequireOk(outliving);
    pid = outliving->pid();
  }
  CHECK_FALSE(IsGone(pid));
  const auto second = CollectGarbage(setup.state);
  RequireOk(second);
  CHECK(second->servers_stopped == 1);
  waitpid(pid, nullptr, 0);  // It is still our child here.
  CHECK(IsGone(pid));
  CHECK_FALSE(os::Exists(orphan));
  CHECK_FALSE(os::Exists(spec.socket_dir));
}
