#include "pg/server_programs.h"

#include "support/catch.h"

using scry::pg::FindPrograms;
using scry::pg::ParseVersionLine;

TEST_CASE("version lines of releases and previews are understood", "[pg]") {
  const auto debian = ParseVersionLine("postgres (PostgreSQL) 15.4 (Debian 15.4-1)");
  REQUIRE(debian);
  CHECK(debian->major == 15);
  CHECK(debian->version == "15.4");
  CHECK(ParseVersionLine("postgres (PostgreSQL) 18beta1")->major == 18);
  CHECK(ParseVersionLine("postgres (PostgreSQL) 19devel")->major == 19);
  CHECK_FALSE(ParseVersionLine(""));
  CHECK_FALSE(ParseVersionLine("postgres (PostgreSQL) "));
  CHECK_FALSE(ParseVersionLine("postgres (PostgreSQL) x"));
}

TEST_CASE("a missing major version is named together with the package to install", "[pg]") {
  const auto missing = FindPrograms(3);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == scry::base::ErrorCode::kNotFound);
  CHECK(missing.error().message.find("install package") != std::string::npos);
  CHECK(missing.error().message.find('\n') == std::string::npos);
}

TEST_CASE("without a wish the newest installation is taken", "[pg]") {
  const auto all = scry::pg::ListPrograms();
  const auto found = FindPrograms(std::nullopt);
  REQUIRE(found.ok() == !all.empty());
  if (found.ok()) {
    for (const auto& programs : all) CHECK(programs.major <= found->major);
  }
}
