#include "job/load_failures.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::job {
namespace {

using Statements = std::vector<migration::StatementProfile>;

Statements Ran(const std::vector<std::pair<std::string, std::string>>& statements) {
  Statements ran;
  for (const auto& [text, sqlstate] : statements) {
    auto& one = ran.emplace_back();
    one.pattern = text;
    one.fingerprint = event::DigestOf(text);
    one.sqlstate = sqlstate;
    one.begin_us = static_cast<base::Micros>(ran.size() * 10);
  }
  return ran;
}

TEST_CASE("a statement that fails under load alone is a failure whatever the command says",
          "[job]") {
  const Statements idle = Ran({{"a", ""}, {"b", "42701"}, {"c", ""}});
  const Statements load = Ran({{"a", "55P03"}, {"b", "42701"}, {"c", ""}, {"b", "42701"}});
  const auto failures = FailuresUnderLoad(idle, load, {});
  REQUIRE(failures.size() == 2);
  CHECK(failures[0].statement == &load[0]);
  CHECK_FALSE(failures[0].repeated);
  CHECK(failures[1].statement == &load[3]);  // Once was expected.
  CHECK(FailuresUnderLoad(idle, idle, {}).empty());
}

TEST_CASE("what succeeds when the command tries again by itself is no failure", "[job]") {
  const Statements idle = Ran({{"a", ""}, {"b", ""}});
  CHECK(FailuresUnderLoad(idle, Ran({{"a", "55P03"}, {"a", ""}, {"b", ""}}), {}).empty());
  // The same statement twice: one of them was lost.
  const Statements twice = Ran({{"a", ""}, {"a", ""}});
  CHECK(FailuresUnderLoad(twice, Ran({{"a", "40P01"}, {"a", ""}}), {}).size() == 1);
  CHECK(FailuresUnderLoad(twice, Ran({{"a", "40P01"}, {"a", ""}, {"a", ""}}), {}).empty());
  // What follows in a lost transaction fails because of the first one.
  CHECK(FailuresUnderLoad(idle, Ran({{"a", "40P01"}, {"b", "25P02"}}), {}).size() == 1);
}

TEST_CASE("an attempt that was given up counts for what it had done", "[job]") {
  const Statements idle = Ran({{"a", ""}, {"b", ""}});
  const Statements load = Ran({{"a", ""}, {"b", "55P03"}, {"a", "42701"}});
  const auto failures = FailuresUnderLoad(idle, load, {{5, 25}});
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].statement == &load[2]);
  CHECK(failures[0].repeated);
}

}  // namespace
}  // namespace scry::job
