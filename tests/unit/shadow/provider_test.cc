#include "shadow/provider.h"

#include <string>

#include "os/directory.h"
#include "shadow/fork.h"
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

StateDir OpenState(const test::TempFolder& folder) {
  auto state = StateDir::Open(folder.path() + "/state");
  RequireOk(state);
  return *state;
}

bool NothingLeft(const StateDir& state) {
  const auto names = os::ListDirectory(state.ShadowsFolder());
  return names.ok() && names->empty();
}

}  // namespace

TEST_CASE("a dump carries odd names, roles, ownership and settings over", "[shadow]") {
  const test::TempFolder folder;
  test::PgServer source("work_mem = 6MB\n");
  const std::string dbname = "my \"shop\" ü'\\x";
  source.Exec("CREATE ROLE \"The App's \"\"role\"\"\" LOGIN PASSWORD 'geheim'");
  source.Exec("CREATE ROLE readers NOLOGIN");
  source.Exec("GRANT readers TO \"The App's \"\"role\"\"\"");
  source.Exec("ALTER ROLE readers SET statement_timeout = '7s'");
  source.Exec("CREATE DATABASE \"my \"\"shop\"\" ü'\\x\"");
  source.Exec("ALTER DATABASE \"my \"\"shop\"\" ü'\\x\" SET search_path = \"Odd Schema\", public");
  source.Exec(
      "ALTER ROLE \"The App's \"\"role\"\"\" IN DATABASE \"my \"\"shop\"\" ü'\\x\" SET work_mem = "
      "'9MB'");
  source.Exec("CREATE SCHEMA \"Odd Schema\" AUTHORIZATION \"The App's \"\"role\"\"\"", dbname);
  source.Exec("CREATE TABLE \"T ü\" AS SELECT g AS id FROM generate_series(1, 500) g", dbname);
  source.Exec("GRANT SELECT ON \"T ü\" TO readers", dbname);

  const StateDir state = OpenState(folder);
  ShadowOptions options;
  options.name = {"prod", "dump"};
  options.provider = ProviderKind::kDump;
  options.source = source.ConnInfoText(dbname);
  const auto shadow = CreateShadow(options, state);
  RequireOk(shadow);
  CHECK(shadow->dbname == dbname);

  auto run = Run::Begin(state);
  RequireOk(run);
  ForkOptions lane;
  lane.lane = "candidate";
  const auto fork = run->MakeFork(*shadow, lane);
  RequireOk(fork);
  const pg::ConnInfo info = (*fork)->Info({}, "The App's \"role\"");
  CHECK(ExecOn(info, "SELECT count(*) FROM \"T ü\"") == "500");
  CHECK(ExecOn(info, "SHOW search_path") == "\"Odd Schema\", public");
  CHECK(ExecOn(info, "SHOW work_mem") == "9MB");
  CHECK(ExecOn((*fork)->Info(), "SHOW work_mem") == "6MB");
  CHECK(ExecOn(info,
               "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'Odd Schema'") ==
        "The App's \"role\"");
  CHECK(ExecOn(info,
               "SELECT setconfig[1] FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole "
               "WHERE rolname = 'readers'") == "statement_timeout=7s");
  // Statistics and the visibility map, without which plans differ from the source's.
  CHECK(ExecOn(info,
               "SELECT reltuples::int || ' ' || (relallvisible > 0) FROM pg_class WHERE relname = "
               "'T ü'") == "500 true");
  // No password of the source is kept.
  CHECK(ExecOn((*fork)->Info(), "SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL") ==
        "0");
  CHECK_FALSE(os::Exists(shadow->folder + "/dump"));
  CHECK_FALSE(os::Exists(shadow->folder + "/roles.sql"));
}

TEST_CASE("a stopped data directory is copied, a running or unclean one refused", "[shadow]") {
  const test::TempFolder folder;
  InitOptions init;
  init.superuser = "the boss ü";
  test::PgServer source("work_mem = 7MB\n", init);
  source.Exec("CREATE TABLE items AS SELECT 1 AS id");
  const StateDir state = OpenState(folder);
  ShadowOptions options;
  options.name = {"prod", "dir"};
  options.provider = ProviderKind::kDirectory;
  options.directory = source.data_dir();

  const auto running = CreateShadow(options, state);
  REQUIRE_FALSE(running.ok());
  CHECK(running.error().code == base::ErrorCode::kUsage);
  CHECK(running.error().message.find("stop it first") != std::string::npos);
  CHECK(NothingLeft(state));

  // While it runs it can be dumped: postgres, which initdb makes as well, is replaced.
  options.name.shadow = "dump";
  options.provider = ProviderKind::kDump;
  options.source = source.ConnInfoText();
  const auto dumped = CreateShadow(options, state);
  RequireOk(dumped);
  const auto dumped_info = OpenShadowServer(state, dumped->name);
  RequireOk(dumped_info);
  CHECK(ExecOn(*dumped_info, "SELECT count(*) FROM items") == "1");
  RequireOk(DestroyShadow(state, dumped->name));
  CHECK(NothingLeft(state));
  options.name.shadow = "dir";
  options.provider = ProviderKind::kDirectory;

  source.Stop();
  const auto shadow = CreateShadow(options, state);
  RequireOk(shadow);
  CHECK(shadow->superuser == "the boss ü");
  const auto info = OpenShadowServer(state, shadow->name);
  RequireOk(info);
  CHECK(ExecOn(*info, "SELECT count(*) FROM items") == "1");
  CHECK(ExecOn(*info, "SHOW work_mem") == "7MB");

  // The name is taken now, and the listing shows it.
  CHECK(CreateShadow(options, state).error().code == base::ErrorCode::kUsage);
  const auto listing = ListShadows(state);
  RequireOk(listing);
  REQUIRE(listing->shadows.size() == 1);
  CHECK(listing->shadows[0].name.Text() == "prod/dir");

  // A folder with a tablespace, or that is none of PostgreSQL's, is refused by name.
  options.name.shadow = "other";
  REQUIRE(os::MakeDirectories(source.data_dir() + "/pg_tblspc/16999", 0700).ok());
  const auto spaces = CreateShadow(options, state);
  REQUIRE_FALSE(spaces.ok());
  CHECK(spaces.error().code == base::ErrorCode::kUnsupported);
  options.directory = folder.path();
  CHECK(CreateShadow(options, state).error().code == base::ErrorCode::kUsage);
  options.directory = folder.path() + "/nowhere";
  CHECK(CreateShadow(options, state).error().code == base::ErrorCode::kNotFound);
  RequireOk(DestroyShadow(state, shadow->name, true));
  CHECK(NothingLeft(state));
}

TEST_CASE("a source that does not answer or lacks the database leaves nothing", "[shadow]") {
  const test::TempFolder folder;
  const StateDir state = OpenState(folder);
  ShadowOptions options;
  options.name = {"prod", "x"};
  for (const auto provider : {ProviderKind::kPhysical, ProviderKind::kDump}) {
    options.provider = provider;
    options.source = "host=" + folder.path() + " dbname=shop password=geheim";
    const auto made = CreateShadow(options, state);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().message.find("geheim") == std::string::npos);
    CHECK(NothingLeft(state));
  }
}
