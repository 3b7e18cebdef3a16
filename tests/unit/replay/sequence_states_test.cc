#include "replay/sequence_states.h"

#include <cstdint>
#include <string>

#include "support/catch.h"
#include "support/pg_server.h"

namespace scry::replay {
namespace {

event::SequenceState Captured(int64_t last_value, bool is_called = true, int64_t increment = 1) {
  event::SequenceState state;
  state.last_value = last_value;
  state.is_called = is_called;
  state.increment = increment;
  return state;
}
LaneSequence At(int64_t last_value, bool is_called = true, int64_t increment = 1) {
  LaneSequence lane;
  lane.last_value = last_value;
  lane.is_called = is_called;
  lane.increment = increment;
  lane.min = INT64_MIN;
  return lane;
}

TEST_CASE("a sequence goes forward to where the source's stood, and never back", "[replay]") {
  CHECK(StepFor(Captured(100), At(90), At(90)) == SequenceStep::kSet);
  CHECK(StepFor(Captured(100), At(100), At(100)) == SequenceStep::kSame);
  CHECK(StepFor(Captured(100), At(101), At(101)) == SequenceStep::kAhead);
  // 1 before it was ever called comes before 1 that was drawn.
  CHECK(StepFor(Captured(1, true), At(1, false), At(1, false)) == SequenceStep::kSet);
  CHECK(StepFor(Captured(1, false), At(1, true), At(1, true)) == SequenceStep::kAhead);
}

TEST_CASE("a descending sequence is ahead when it is lower", "[replay]") {
  CHECK(StepFor(Captured(-100, true, -1), At(-90, true, -1), At(-90, true, -1)) ==
        SequenceStep::kSet);
  CHECK(StepFor(Captured(-100, true, -1), At(-101, true, -1), At(-101, true, -1)) ==
        SequenceStep::kAhead);
  CHECK(StepFor(Captured(INT64_MIN, true, -1), At(INT64_MAX, true, -1), At(INT64_MAX, true, -1)) ==
        SequenceStep::kSet);
}

TEST_CASE("what the migration did to a sequence is what is tested", "[replay]") {
  CHECK(StepFor(Captured(100), At(90), At(1000000)) == SequenceStep::kMigrated);
  CHECK(StepFor(Captured(100), At(90), At(1, false)) == SequenceStep::kMigrated);
  CHECK(StepFor(Captured(100), At(90), At(90, true, -1)) == SequenceStep::kMigrated);
  // It drew some, and is behind the source all the same.
  CHECK(StepFor(Captured(100), At(90), At(92)) == SequenceStep::kSet);
}

TEST_CASE("a state that a sequence does not take is refused", "[replay]") {
  LaneSequence narrow = At(5);
  narrow.max = 10;
  CHECK(StepFor(Captured(11), narrow, narrow) == SequenceStep::kRefused);
}

TEST_CASE("sequences are found by any name, on every lane", "[replay]") {
  test::PgServer server;
  server.Exec(R"sql(CREATE DATABASE a)sql");
  server.Exec(R"sql(
    CREATE SCHEMA "S p a.c""e'";
    CREATE SEQUENCE "S p a.c""e'"."se.q""'é" INCREMENT -3 CACHE 20;
    CREATE SEQUENCE plain;
    CREATE SEQUENCE moved;
    SELECT setval('moved', 5000);
    CREATE SEQUENCE lane_only)sql",
              "a");
  server.Exec("CREATE DATABASE b TEMPLATE a");
  event::SourceSnapshot snapshot;
  const auto add = [&](const char* schema, const char* name, std::optional<int64_t> last_value,
                       int64_t increment) {
    event::SequenceState& state = snapshot.sequences.emplace_back();
    state.schema = schema;
    state.name = name;
    state.last_value = last_value;
    state.is_called = true;
    state.increment = increment;
  };
  add("S p a.c\"e'", "se.q\"'é", -31, -3);
  add("public", "plain", 77, 1);
  add("public", "moved", 10, 1);
  add("public", "source_only", 10, 1);
  add("public", "hidden", std::nullopt, 1);

  auto a = pg::AdminSession::Connect(server.Info("a"));
  auto b = pg::AdminSession::Connect(server.Info("b"));
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  const auto report = SetSequences({&*a, &*b}, snapshot);
  REQUIRE(report.ok());
  CHECK(report->set == 2);
  CHECK(report->ahead == 1);
  CHECK(report->missing == 1);
  CHECK(report->unreadable == 1);
  CHECK(report->refused == 0);
  CHECK(report->Notes().size() == 4);
  for (const char* lane : {"a", "b"}) {
    CHECK(server.Exec(R"sql(SELECT nextval('"S p a.c""e''"."se.q""''é"'))sql", lane) == "-34");
    CHECK(server.Exec("SELECT nextval('plain')", lane) == "78");
    CHECK(server.Exec("SELECT nextval('moved')", lane) == "5001");
    CHECK(server.Exec("SELECT nextval('lane_only')", lane) == "1");
  }
}

}  // namespace
}  // namespace scry::replay
