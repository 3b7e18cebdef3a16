#include "migration/command.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.h"

using namespace scry;
using namespace scry::migration;

namespace {

pg::ConnInfo Parsed(const std::string& text) {
  auto info = pg::ConnInfo::Parse(text);
  REQUIRE(info.ok());
  return *info;
}

pg::ConnInfo Target() { return pg::ConnInfo::Private("/tmp/scry-0123", 5432, "app", "shop"); }

CommandOptions Shell(const std::string& script) {
  CommandOptions options;
  options.argv = {"/bin/sh", "-c", script};
  options.target = Target();
  options.environment = {"PATH=/usr/bin:/bin"};
  return options;
}

}  // namespace

TEST_CASE("nothing of the source's address is left in the environment", "[migration]") {
  const std::vector<pg::ConnInfo> sources = {
      Parsed("postgresql://app:s3cret-pw@db.prod.example:6543/shop"),
      Parsed("host=/run/pg-prod dbname=x"), Parsed("host=localhost port=5499 dbname=y"),
      Parsed("host=db dbname=z")};
  const os::Environment hide = {"PGHOST=x",
                                "PGSERVICEFILE=/x",
                                "PGOPTIONS=-c x=y",
                                "DATABASE_URL=sqlite:x",
                                "PRIMARY_DATABASE_URL=mysql://x",
                                "A=postgres://u@elsewhere/x",
                                "B=jdbc:postgresql://x/y",
                                "C=postgresql+psycopg://x/y",
                                "DB_HOST=db.prod.example",
                                "DB_HOST2=DB.PROD.example:6543",
                                "D=host=db.prod.example user=x",
                                "PASSWORD=s3cret-pw",
                                "E=u:s3cret-pw@x",
                                "F=/run/pg-prod",
                                "G=x?host=%2Frun%2Fpg-prod",
                                "H=localhost:5499",
                                "I=db",
                                "J=x@db/y",
                                "K=[{\"h\":\"db\"}]",
                                "R=host=elsewhere.example user=shop",
                                "S=dbname=shop hostaddr=10.0.0.7",
                                "T=service=shop",
                                "U=Host=elsewhere.example;Username=shop;Password=x"};
  const os::Environment keep = {
      "PATH=/opt/db/bin:/usr/bin", "HOME=/home/db", "L=localhost",      "M=/srv/db/x",
      "N=localhost:5498",          "O=dbx",         "P=mydb",           "EMPTY=",
      "Q=db.prod.example.org",     "V=--host=x",    "W=ghost=x user=y", "X=user=me dbname=x"};
  os::Environment base = hide;
  base.insert(base.end(), keep.begin(), keep.end());
  std::vector<std::string> hidden;
  const os::Environment result = MigrationEnvironment(base, Target(), sources, hidden);
  for (const auto& entry : hide) {
    INFO(entry);
    CHECK(std::find(result.begin(), result.end(), entry) == result.end());
  }
  for (const auto& entry : keep) {
    INFO(entry);
    CHECK(std::find(result.begin(), result.end(), entry) != result.end());
  }
  CHECK(hidden.size() == hide.size());
}

TEST_CASE("the command finds the candidate under the usual names", "[migration]") {
  auto options =
      Shell("echo \"$DATABASE_URL|$PGHOST|$PGPORT|$PGUSER|$PGDATABASE|${PGPASSWORD-none}\"");
  options.environment.push_back("PGPASSWORD=of-the-source");
  const auto outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(outcome->finished.out ==
        "postgresql:///shop?host=%2Ftmp%2Fscry-0123&port=5432&user=app|/tmp/"
        "scry-0123|5432|app|shop|none\n");
  CHECK(outcome->hidden == std::vector<std::string>{"PGPASSWORD"});
  options.target = Parsed("host=127.0.0.1 port=7001 user=app password=p@ss dbname=shop");
  const auto tcp = RunCommand(options);
  REQUIRE(tcp.ok());
  CHECK(tcp->finished.out ==
        "postgresql://app:p%40ss@127.0.0.1:7001/shop|127.0.0.1|7001|app|shop|p@ss\n");
}

TEST_CASE("the command gets nothing that speaks for the CI job", "[migration]") {
  auto options = Shell("env");
  const os::Environment hide = {"ACTIONS_ID_TOKEN_REQUEST_URL=https://x",
                                "ACTIONS_RUNTIME_TOKEN=s3cret",
                                "CI_BUILD_TOKEN=s3cret",
                                "CI_DEPLOY_PASSWORD=s3cret",
                                "CI_JOB_JWT_V2=s3cret",
                                "CI_JOB_TOKEN=s3cret",
                                "CI_REGISTRY_PASSWORD=s3cret",
                                "CI_REPOSITORY_URL=https://gitlab-ci-token:s3cret@x/y.git",
                                "GH_TOKEN=s3cret",
                                "GITHUB_TOKEN=s3cret"};
  const os::Environment keep = {"CI=true",
                                "CI_JOB_ID=7",
                                "CI_COMMIT_BRANCH=x",
                                "APP_TOKEN=own",
                                "CI_VAULT_TOKEN=own",
                                "GITHUB_SHA=0123",
                                "GITHUB_ACTIONS=true"};
  options.environment.insert(options.environment.end(), hide.begin(), hide.end());
  options.environment.insert(options.environment.end(), keep.begin(), keep.end());
  const auto outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(outcome->finished.out.find("s3cret") == std::string::npos);
  CHECK(outcome->finished.out.find("ACTIONS_") == std::string::npos);
  for (const auto& entry : keep) CHECK(outcome->finished.out.find(entry) != std::string::npos);
  REQUIRE(outcome->hidden.size() == hide.size());
  for (size_t i = 0; i < hide.size(); ++i) CHECK(hide[i].starts_with(outcome->hidden[i] + "="));
}

TEST_CASE("a token that is not of the CI job is the command's", "[migration]") {
  auto options = Shell("env");
  options.environment.push_back("GITHUB_TOKEN=own");
  const auto outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(outcome->finished.out.find("GITHUB_TOKEN=own") != std::string::npos);
}

TEST_CASE("output is shown live, kept in order and cut at its front", "[migration]") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  auto options = Shell("echo one; echo two >&2; echo three");
  options.output_fd = ends[1];
  const auto outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(outcome->finished.out == "one\ntwo\nthree\n");
  char buffer[100];
  const ssize_t got = read(ends[0], buffer, sizeof(buffer));
  CHECK(std::string(buffer, static_cast<size_t>(std::max<ssize_t>(0, got))) == "one\ntwo\nthree\n");
  close(ends[0]);
  close(ends[1]);
  const auto large =
      RunCommand(Shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"));
  REQUIRE(large.ok());
  CHECK(large->finished.out.size() == kOutputBytesKept);
  CHECK(large->finished.out.ends_with("line 19999\n"));
  CHECK(large->finished.out_cut);
}

TEST_CASE("how the command ended becomes the right kind of error", "[migration]") {
  auto options = Shell("echo 'ERROR: no such column' >&2; exit 3");
  auto outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(outcome->finished.exit_code == 3);
  auto judged = JudgeOutcome(options, *outcome);
  REQUIRE_FALSE(judged.ok());
  CHECK(judged.error().code == base::ErrorCode::kMigration);
  CHECK(judged.error().message ==
        "migration command /bin/sh exited with status 3: ERROR: no such column");

  options = Shell("kill -9 $$");
  outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(outcome->finished.signal_number == 9);
  CHECK(JudgeOutcome(options, *outcome).error().code == base::ErrorCode::kMigration);

  options = Shell("sleep 1000");
  options.timeout_us = 50000;
  outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(JudgeOutcome(options, *outcome).error().code == base::ErrorCode::kTimeout);

  options = Shell("true");
  outcome = RunCommand(options);
  REQUIRE(outcome.ok());
  CHECK(JudgeOutcome(options, *outcome).ok());

  options.argv = {"no-such-program-anywhere"};
  CHECK(RunCommand(options).error().code == base::ErrorCode::kNotFound);
  options.argv = {};
  CHECK(RunCommand(options).error().code == base::ErrorCode::kUsage);
}
