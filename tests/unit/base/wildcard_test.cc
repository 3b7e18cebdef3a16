#include "base/wildcard.h"

#include <string>

#include "support/catch.h"

namespace scry::base {
namespace {

TEST_CASE("a wildcard covers the whole text", "[base]") {
  CHECK(WildcardMatch("select * from t%", "SELECT a FROM t WHERE b = $1"));
  CHECK(WildcardMatch("*", ""));
  CHECK(WildcardMatch("a?c", "abc"));
  CHECK(WildcardMatch("%b%d", "abcbd"));
  CHECK_FALSE(WildcardMatch("a", "ab"));
  CHECK_FALSE(WildcardMatch("a?", "a"));
  CHECK_FALSE(WildcardMatch("", "a"));
  CHECK(WildcardMatch("", ""));
  // Would take for ever if each wildcard were tried with each place.
  CHECK_FALSE(WildcardMatch("*a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace scry::base
