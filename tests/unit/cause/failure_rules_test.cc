#include "cause/failure_rules.h"

#include "support/catch.h"

namespace scry::cause {
namespace {

using event::StatementKind;

std::string MechanismOf(const std::string& sqlstate, const std::string& message = "m",
                        StatementKind kind = StatementKind::kDdl) {
  return WhyFailed({sqlstate, message, "orders", kind}).mechanism;
}
bool Advises(const Failure& failure, const std::string& words) {
  return WhyFailed(failure).sentence.find(words) != std::string::npos;
}

TEST_CASE(
    "why a migration failed is named by its SQLSTATE, and by words where that says too little",
    "[cause]") {
  CHECK(MechanismOf("23502", "column \"a\" of relation \"t\" contains null values") ==
        "rows have no value");
  CHECK(MechanismOf("23505", "could not create unique index \"t_a\"") == "rows are not unique");
  CHECK(MechanismOf("23503") == "rows refer to nothing");
  CHECK(MechanismOf("23514", "check constraint \"c\" of relation \"t\" is violated by some row") ==
        "rows break the constraint");
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
  CHECK(MechanismOf("57014", "canceling statement due to statement timeout") == "timeout");
  CHECK(MechanismOf("57014", "canceling statement due to user request") == "cancelled");
  CHECK(MechanismOf("57014", "canceling statement due to conflict with recovery") ==
        "migration failed");
  CHECK(MechanismOf("53100") == "out of resources");
  CHECK(MechanismOf("42601") == "syntax error");
}

TEST_CASE("what helps a statement that changes the schema is not told to one that writes rows",
          "[cause]") {
  const auto insert = StatementKind::kInsert;
  CHECK(MechanismOf("23502", "null value in column \"a\" of relation \"t\" violates not-null",
                    insert) == "a value is missing");
  CHECK(MechanismOf("23505", "duplicate key value violates unique constraint \"t_pkey\"", insert) ==
        "the key is taken");
  CHECK(MechanismOf("23514", "no partition of relation \"t\" found for row", insert) ==
        "no partition for a row");
  CHECK(MechanismOf("23514", "new row for relation \"t\" violates check constraint \"c\"",
                    insert) == "a row breaks the constraint");
  CHECK(MechanismOf("23514", "partition constraint of relation \"p\" is violated by some row") ==
        "rows outside of the partition");
  CHECK(MechanismOf("23503", "update or delete on table \"t\" violates foreign key constraint",
                    StatementKind::kDelete) == "rows are referred to");
  CHECK(MechanismOf("22012", "division by zero", StatementKind::kUpdate) == "division by zero");
  CHECK(MechanismOf("22023", "value 5 out of bounds for option \"fillfactor\"") ==
        "a parameter is not valid");
  CHECK(MechanismOf("22P02", "m", StatementKind::kUpdate) == "a value is not valid");
  CHECK(MechanismOf("23P01", "conflicting key value", insert) == "rows exclude one another");
  const std::string dangling = "insert or update on table \"t\" violates foreign key constraint";
  CHECK_FALSE(Advises({"23503", dangling, "t", insert}, "NOT VALID"));
  CHECK(Advises({"23503", dangling, "t", StatementKind::kDdl}, "partitioned table PostgreSQL 18"));
  CHECK_FALSE(Advises({"22001", "m", "t", insert}, "new type"));
  CHECK(Advises({"55P03", "canceling statement due to lock timeout", "t", insert}, "lock_timeout"));
  CHECK(Advises({"42601", "syntax error at or near \"TABEL\"", "t"}, "typing error"));
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
