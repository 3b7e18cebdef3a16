#include "cause/failure_rules.h"

#include "support/catch.h"

namespace scry::cause {
namespace {

std::string MechanismOf(const std::string& sqlstate, const std::string& message = "m") {
  return WhyFailed({sqlstate, message, "orders"}).mechanism;
}

TEST_CASE(
    "why a migration failed is named by its SQLSTATE, and by words where that says too little",
    "[cause]") {
  CHECK(MechanismOf("23502") == "rows have no value");
  CHECK(MechanismOf("23505") == "rows are not unique");
  CHECK(MechanismOf("23503") == "rows refer to nothing");
  CHECK(MechanismOf("23514") == "rows break the constraint");
  CHECK(MechanismOf("23514",
                    "updated partition constraint for default partition \"events_rest\" would be "
                    "violated by some row") == "rows in the default partition");
  CHECK(MechanismOf("23P01") == "rows exclude one another");
  CHECK(MechanismOf("22001") == "values do not fit");
  CHECK(MechanismOf("22P02") == "values cannot be converted");
  CHECK(MechanismOf("42804", "column \"a\" cannot be cast automatically to type integer") ==
        "no automatic cast");
  CHECK(MechanismOf("0A000", "cannot alter type of a column used by a view or rule") ==
        "a view uses the column");
  CHECK(MechanismOf("0A000", "extension \"x\" is not available") == "extension not installed");
  CHECK(MechanismOf("58P01", "could not open extension control file") == "extension not installed");
  CHECK(MechanismOf("2BP01") == "other objects depend on it");
  CHECK(MechanismOf("42501") == "no right to do it");
  CHECK(MechanismOf("42P07") == "it is there already");
  CHECK(MechanismOf("42703") == "it is not there");
  CHECK(MechanismOf("25001") == "not in a transaction");
  CHECK(MechanismOf("55P04") == "new enum label used at once");
  CHECK(MechanismOf("55P03") == "lock not available");
  CHECK(MechanismOf("40P01") == "deadlock");
  CHECK(MechanismOf("57014") == "timeout");
  CHECK(MechanismOf("53100") == "out of resources");
  CHECK(MechanismOf("42601") == "syntax error");
}

TEST_CASE("a failure without a rule says what the server said", "[cause]") {
  const Cause cause = WhyFailed({"XX000", "cache lookup failed\nfor relation 7", ""});
  CHECK(cause.mechanism == "migration failed");
  CHECK(cause.sentence == "cache lookup failed for relation 7 (XX000)");
  CHECK(WhyFailed({"0A000", "something new", ""}).mechanism == "migration failed");
}

TEST_CASE("the sentence of a failure ends with what to do", "[cause]") {
  const Cause cause = WhyFailed({"55P04", "unsafe use of new value \"lost\"", "orders"});
  CHECK(cause.object == "orders");
  CHECK(cause.sentence.starts_with("unsafe use of new value \"lost\" (55P04): a new enum label"));
}

}  // namespace
}  // namespace scry::cause
