#include "shadow/server_config.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "shadow/private_server.h"
#include "shadow/shadow_info.h"
#include "support/catch.h"

using namespace scry::shadow;

namespace {

std::string Last(const Settings& settings, const std::string& name) {
  std::string value = "(absent)";
  for (const auto& setting : settings) {
    if (setting.first == name) value = setting.second;
  }
  return value;
}

}  // namespace

TEST_CASE("limits of idle time stay behind", "[shadow]") {
  for (const char* name :
       {"idle_in_transaction_session_timeout", "IDLE_SESSION_TIMEOUT", "transaction_timeout"}) {
    CHECK_FALSE(IsCarried(name));
  }
  CHECK(IsCarried("statement_timeout"));
  CHECK(IsCarried("lock_timeout"));
}

TEST_CASE("what a rendered configuration says is read back, whatever the values hold", "[shadow]") {
  scry::base::Random random(4);
  const std::string alphabet = "ab'\\ =#\n\r\"$";
  for (int i = 0; i < 2000; ++i) {
    std::string value;
    for (uint64_t n = random.Below(10); n > 0; --n)
      value += alphabet[random.Below(alphabet.size())];
    const Settings settings{{"search_path", value}, {"work_mem", "4MB"}};
    std::string expected = value;
    for (size_t at = 0; (at = expected.find('\r', at)) != std::string::npos;)
      expected.replace(at, 1, "r");
    Settings back = ParseConfigText(RenderConfig(settings));
    REQUIRE(back.size() == 2);
    // The reader of this module knows no \r; the server does.
    CHECK(back[0].second == expected);
    CHECK(back[1].second == "4MB");
  }
}

TEST_CASE("configuration files are read as the server reads them", "[shadow]") {
  const Settings settings = ParseConfigText(
      "# a comment\n  work_mem = 8MB # more\nWORK_MEM 16MB\nsearch_path='a''b'\nbare\ninclude 'x'\n"
      "jit=off\n = 3\n");
  CHECK(settings.size() == 3);
  CHECK(Last(settings, "WORK_MEM") == "16MB");
  CHECK(Last(settings, "search_path") == "a'b");
  CHECK(Last(settings, "jit") == "off");
}

TEST_CASE("nothing that leads to other machines, files or logs is carried over", "[shadow]") {
  for (const char* name : {"listen_addresses",
                           "port",
                           "data_directory",
                           "hba_file",
                           "primary_conninfo",
                           "archive_command",
                           "restore_command",
                           "ssl_cert_file",
                           "log_directory",
                           "log_statement",
                           "unix_socket_directories",
                           "synchronous_standby_names",
                           "dynamic_library_path",
                           "local_preload_libraries",
                           "scry.shadow",
                           "SCRY.shadow",
                           "x.y z",
                           "x.",
                           ".x",
                           "recovery_target_time",
                           "cluster_name",
                           "fsync"}) {
    INFO(name);
    CHECK_FALSE(IsCarried(name));
  }
  for (const char* name :
       {"work_mem", "TimeZone", "timezone", "enable_seqscan", "geqo", "jit_above_cost",
        "app.tenant", "random_page_cost", "standard_conforming_strings"}) {
    INFO(name);
    CHECK(IsCarried(name));
  }
}

TEST_CASE("scry's own settings win over whatever the source had", "[shadow]") {
  ServerConfig config;
  config.carried = {{"listen_addresses", "*"}, {"work_mem", "64MB"},
                    {"shared_buffers", "8GB"}, {"max_connections", "500"},
                    {"scry.shadow", "x"},      {"synchronous_standby_names", "s"},
                    {"max_wal_senders", "5"}};
  config.memory_bytes = 16ULL << 30;
  config.lanes = 2;
  config.marker = "nonce";
  const Settings all = ComposeSettings(config);
  CHECK(Last(all, "listen_addresses").empty());
  CHECK(Last(all, "synchronous_standby_names").empty());
  CHECK(Last(all, "max_wal_senders") == "0");
  CHECK(Last(all, "work_mem") == "64MB");
  CHECK(Last(all, "shared_buffers") == "2097152kB");
  CHECK(Last(all, "max_connections") == "520");
  CHECK(Last(all, "scry.shadow") == "nonce");
  CHECK(Last(all, "full_page_writes") == "on");
  config.marker.clear();
  CHECK(Last(ComposeSettings(config), "scry.shadow") == "(absent)");
}

TEST_CASE("shared_buffers is understood as blocks and with units", "[shadow]") {
  CHECK(ParseBlocks("16384") == 128ULL << 20);
  CHECK(ParseBlocks("128MB") == 128ULL << 20);
  CHECK(ParseBlocks("1.5GB") == 1536ULL << 20);
  CHECK(ParseBlocks("8 kB") == 8192);
  CHECK(ParseBlocks("x") == 0);
  CHECK(ParseBlocks("-1") == 0);
}

TEST_CASE("libraries that are missing or work on their own are not loaded", "[shadow]") {
  std::vector<std::string> dropped;
  CHECK(UsablePreloadLibraries("pg_cron, \"nowhere\", ../../evil", {"/usr/lib"}, dropped).empty());
  CHECK(dropped == std::vector<std::string>{"pg_cron", "nowhere", "../../evil"});
}

TEST_CASE("the server's last word is its last FATAL line with its hint", "[shadow]") {
  CHECK(
      LastServerWord("x LOG:  a\nx FATAL:  out of disk\nx HINT:  make room\nx LOG:  shut down\n") ==
      "out of disk; make room");
  CHECK(LastServerWord("only this\n\n") == "only this");
  CHECK(LastServerWord("").empty());
}

TEST_CASE("a shadow's description survives being written and read", "[shadow]") {
  ShadowInfo info;
  info.name = {"prod \"db\"", "ci/main"};
  info.provider = ProviderKind::kDump;
  info.source = "shop on h as app";
  info.settings = {{"work_mem", "4MB"}, {"search_path", "\"a b\", 'c'"}};
  info.notes = {"one", "zwei ü"};
  info.size_bytes = 1ULL << 40;
  info.server_major = 15;
  const auto back = FromJson(ToJson(info), "here");
  REQUIRE(back.ok());
  CHECK(ToJson(*back) == ToJson(info));
  CHECK(back->name.Text() == "prod \"db\"/ci/main");
}

TEST_CASE("a damaged or newer description is refused with the place it stands in", "[shadow]") {
  ShadowInfo info;
  const std::string good = ToJson(info);
  for (size_t length = 0; length + 2 < good.size(); ++length) {
    const auto result = FromJson(good.substr(0, length), "/x/shadow.json");
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().message.find("/x/shadow.json") != std::string::npos);
  }
  std::string newer = good;
  newer.replace(newer.find("\"format\": 1"), 11, "\"format\": 9");
  CHECK(FromJson(newer, "x").error().code == scry::base::ErrorCode::kUnsupported);
}
