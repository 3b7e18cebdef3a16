#include "pg/conninfo.h"

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

using scry::pg::ConnInfo;

namespace {

ConnInfo Parsed(const std::string& text) {
  auto info = ConnInfo::Parse(text);
  REQUIRE(info.ok());
  return *info;
}

// Text with the characters that quoting has to survive.
std::string Hostile(scry::base::Random& random) {
  const std::string alphabet = "ab'\\ =\"\t\n%&?/:@#é;$";
  std::string text = "x";
  for (uint64_t i = random.Below(12); i > 0; --i)
    text.push_back(alphabet[random.Below(alphabet.size())]);
  return text;
}

}  // namespace

TEST_CASE("a URL, key=value pairs and a bare database name are all read", "[pg]") {
  const ConnInfo url = Parsed("postgresql://app:s3cret@db.example:6543/shop?sslmode=require");
  CHECK(url.Get("host") == "db.example");
  CHECK(url.Get("port") == "6543");
  CHECK(url.Get("user") == "app");
  CHECK(url.Get("password") == "s3cret");
  CHECK(url.Get("sslmode") == "require");
  CHECK(Parsed("host=/tmp dbname='my shop'").Get("dbname") == "my shop");
  CHECK(Parsed("shop").Get("dbname") == "shop");
  CHECK(Parsed("").pairs().empty());
}

TEST_CASE("rendering and parsing give back the same values, whatever they hold", "[pg]") {
  scry::base::Random random(1);
  for (int i = 0; i < 2000; ++i) {
    ConnInfo info;
    info.Set("host", Hostile(random)).Set("user", Hostile(random)).Set("dbname", Hostile(random));
    if (i % 2 == 0) info.Set("password", Hostile(random));
    const ConnInfo back = Parsed(info.Render());
    for (const auto& [keyword, value] : info.pairs()) CHECK(back.Get(keyword) == value);
    CHECK(back.pairs().size() == info.pairs().size());
  }
}

TEST_CASE("a rendered URL is read back by libpq to the same values", "[pg]") {
  scry::base::Random random(2);
  for (int i = 0; i < 1000; ++i) {
    ConnInfo info;
    info.Set("host", i % 2 == 0 ? "/tmp/s " + std::to_string(i) : "db.example");
    info.Set("port", "5433").Set("user", Hostile(random)).Set("dbname", Hostile(random));
    info.Set("password", Hostile(random));
    const ConnInfo back = Parsed(info.RenderUrl());
    for (const auto& [keyword, value] : info.pairs()) CHECK(back.Get(keyword) == value);
  }
}

TEST_CASE("a socket URL has the form other programs expect", "[pg]") {
  const ConnInfo info = ConnInfo::Private("/tmp/x", 5432, "app", "shop");
  CHECK(info.RenderUrl() == "postgresql:///shop?host=%2Ftmp%2Fx&port=5432&user=app");
  CHECK(Parsed("host=::1 port=1 user=u password=p dbname=d").RenderUrl() ==
        "postgresql://u:p@[::1]:1/d");
}

TEST_CASE("a password never reaches what is shown", "[pg]") {
  const ConnInfo info = Parsed("postgresql://app:s3cret@h/d?sslpassword=s3cret2");
  CHECK(info.WithoutPassword().Render().find("s3cret") == std::string::npos);
  CHECK(info.Display().find("s3cret") == std::string::npos);
  CHECK(info.Display() == "d on h as app");
  for (const char* broken : {"host=h password=s3cret nonsense", "host=h password='s3cret",
                             "postgresql://app:s3cret@h/d?bad=s3cret",
                             "postgresql://app:s3cret%zz@h/d", "s3cret=1 host=h"}) {
    const auto result = ConnInfo::Parse(broken);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == scry::base::ErrorCode::kUsage);
    CHECK(result.error().message.find("s3cret") == std::string::npos);
  }
}

TEST_CASE("a zero byte is refused, not a silent end of the string", "[pg]") {
  CHECK_FALSE(ConnInfo::Parse(std::string("host=a\0b", 8)).ok());
}

TEST_CASE("an empty value removes the keyword", "[pg]") {
  ConnInfo info = Parsed("host=a port=1");
  info.Set("host", "");
  CHECK_FALSE(info.Has("host"));
  CHECK(info.pairs().size() == 1);
}

TEST_CASE("a service is looked up, and what stands beside it wins", "[pg]") {
  const std::string path = "/tmp/scry-test-service-" + std::to_string(getpid());
  {
    std::ofstream file(path);
    file << "# comment\n[other]\nhost=wrong\n[prod db]\nhost = "
            "db.example\nport=6543\n\nuser=app\n[last]\nhost=x\n";
  }
  setenv("PGSERVICEFILE", path.c_str(), 1);
  setenv("PGUSER", "from-environment", 1);
  const auto full = Parsed("service='prod db' port=7000").WithDefaults();
  const auto missing = Parsed("service=nowhere").WithDefaults();
  const auto plain = Parsed("host=h").WithDefaults();
  unsetenv("PGSERVICEFILE");
  unsetenv("PGUSER");
  unlink(path.c_str());
  REQUIRE(full.ok());
  CHECK(full->Get("host") == "db.example");
  CHECK(full->Get("port") == "7000");
  CHECK(full->Get("user") == "app");
  CHECK(full->Get("dbname") == "app");
  CHECK_FALSE(full->Has("service"));
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == scry::base::ErrorCode::kNotFound);
  REQUIRE(plain.ok());
  CHECK(plain->Get("user") == "from-environment");
  CHECK(plain->Get("port") == "5432");
}
