#include "pg/startup.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

using scry::pg::ConnInfo;
using scry::pg::EscapeOption;
using scry::pg::PlanStartup;
using scry::pg::SplitOptions;
using Arguments = std::vector<std::string>;

TEST_CASE("escaped options are split by the server's rule into what they were", "[pg]") {
  scry::base::Random random(3);
  const std::string alphabet = "ab\\ \t\n\v'\"=,$";
  for (int i = 0; i < 5000; ++i) {
    Arguments arguments;
    std::string options;
    for (uint64_t n = random.Below(4); n > 0; --n) {
      std::string argument = "x";
      for (uint64_t k = random.Below(8); k > 0; --k)
        argument += alphabet[random.Below(alphabet.size())];
      options += (options.empty() ? "" : " ") + EscapeOption(argument);
      arguments.push_back(argument);
    }
    CHECK(SplitOptions(options) == arguments);
  }
}

TEST_CASE("captured startup parameters arrive with the same meaning", "[pg]") {
  const ConnInfo lane = ConnInfo::Private("/tmp/lane", 5432, "postgres", "postgres");
  const auto plan = PlanStartup(lane, {{"user", "app"},
                                       {"database", "my shop"},
                                       {"options", "-c geqo=off"},
                                       {"application_name", "web 1"},
                                       {"client_encoding", "LATIN1"},
                                       {"DateStyle", "German, DMY"},
                                       {"search_path", "a b,\"c\\d\""},
                                       {"_pq_.x", "1"}});
  CHECK(plan.dropped.empty());
  CHECK(plan.info.Get("host") == "/tmp/lane");
  CHECK(plan.info.Get("user") == "app");
  CHECK(plan.info.Get("dbname") == "my shop");
  CHECK(plan.info.Get("application_name") == "web 1");
  CHECK(plan.info.Get("client_encoding") == "LATIN1");
  CHECK(SplitOptions(plan.info.Get("options")) == Arguments{"-c", "geqo=off", "-c",
                                                            "DateStyle=German, DMY", "-c",
                                                            "search_path=a b,\"c\\d\""});
}

TEST_CASE("a session without a database goes to the one named like its user", "[pg]") {
  const ConnInfo lane = ConnInfo::Private("/tmp/lane", 5432, "postgres", "shop");
  CHECK(PlanStartup(lane, {{"user", "app"}}).info.Get("dbname") == "app");
}

TEST_CASE("a pinned database is where all sessions go", "[pg]") {
  const auto lane = ConnInfo::Parse("host=/tmp dbname=copy")->PinDatabase();
  CHECK(PlanStartup(lane, {{"user", "app"}, {"database", "shop"}}).info.Get("dbname") == "copy");
  CHECK(PlanStartup(lane, {{"user", "app"}}).info.Get("dbname") == "copy");
}

TEST_CASE("values that libpq would replace by its own go through options", "[pg]") {
  const ConnInfo lane = ConnInfo::Private("/tmp/lane", 5432, "postgres", "shop");
  const auto plan = PlanStartup(lane, {{"user", "app"}, {"application_name", ""}});
  CHECK_FALSE(plan.info.Has("application_name"));
  CHECK(SplitOptions(plan.info.Get("options")) == Arguments{"-c", "application_name="});
}

TEST_CASE("what cannot be passed on is named, not lost", "[pg]") {
  const ConnInfo lane = ConnInfo::Private("/tmp/lane", 5432, "postgres", "shop");
  const auto plan = PlanStartup(lane, {{"user", "app"}, {"a=b", "1"}, {"replication", "database"}});
  REQUIRE(plan.dropped.size() == 2);
  CHECK(plan.dropped[0].starts_with("a=b:"));
  CHECK(plan.dropped[1].starts_with("replication:"));
}
