#include "shadow/state_dir.h"

#include <set>
#include <string>

#include "os/directory.h"
#include "support/catch.h"
#include "support/pg_server.h"

using namespace scry;
using scry::shadow::EncodeName;

TEST_CASE("names from configuration become plain folder names, and different ones differ",
          "[shadow]") {
  CHECK(EncodeName("ci-main_2.x") == "ci-main_2.x");
  CHECK(EncodeName("..") == "%2E.");
  CHECK(EncodeName(".hidden") == "%2Ehidden");
  CHECK(EncodeName("a/../b") == "a%2F..%2Fb");
  CHECK(EncodeName("") == "%");
  CHECK(EncodeName(std::string("a\0b", 3)) == "a%00b");
  std::set<std::string> seen;
  for (int c = 0; c < 256; ++c) {
    for (const std::string prefix : {"", "x"}) {
      const std::string name = EncodeName(prefix + static_cast<char>(c));
      CHECK(name.find('/') == std::string::npos);
      CHECK(name[0] != '.');
      CHECK(seen.insert(name).second);
    }
  }
  const std::string long_a(5000, '\xff');
  CHECK(EncodeName(long_a).size() < 200);
  CHECK(EncodeName(long_a) != EncodeName(long_a + "x"));
}

TEST_CASE("only folders that look like ours are removed with a socket list", "[shadow]") {
  const test::TempFolder folder;
  const auto state = shadow::StateDir::Open(folder.path() + "/state");
  REQUIRE(state.ok());
  const std::string home = folder.path() + "/run";
  const std::string victim = folder.path() + "/victim";
  REQUIRE(os::MakeDirectories(home, 0700).ok());
  REQUIRE(os::MakeDirectories(victim, 0700).ok());
  const auto sockets = shadow::MakeSocketDir(*state, home);
  REQUIRE(sockets.ok());
  CHECK(shadow::IsSocketDirName(*sockets));
  CHECK(sockets->size() + sizeof("/.s.PGSQL.65535.lock") < 107);
  auto list = os::LoadText(home + "/sockets");
  REQUIRE(list.ok());
  REQUIRE(os::StoreText(home + "/sockets", *list + victim + "\n/tmp/scry-../../etc\n\n/\n", 0600,
                        os::CurrentUser())
              .ok());
  CHECK(shadow::RemoveSocketDirs(*state, home).ok());
  CHECK_FALSE(os::Exists(*sockets));
  CHECK(os::Exists(victim));
}
