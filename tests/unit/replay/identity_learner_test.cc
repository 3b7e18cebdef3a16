#include "replay/identity_learner.h"

#include <string>

#include "base/bytes.h"
#include "event/value_equality.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

constexpr uint32_t kTable = 5000;

std::string Rows(const std::vector<std::vector<const char*>>& rows) {
  base::ByteWriter out;
  for (const auto& row : rows) {
    base::ByteWriter cells;
    cells.BigU16(static_cast<uint16_t>(row.size()));
    for (const char* cell : row) {
      if (cell == nullptr) {
        cells.BigU32(UINT32_MAX);
        continue;
      }
      cells.BigU32(static_cast<uint32_t>(std::string(cell).size()));
      cells.Text(cell);
    }
    out.BigU32(static_cast<uint32_t>(cells.size()));
    out.Text(cells.str());
  }
  return out.Release();
}

// Three lanes; the relation t has id (drawn), key (a random text), state (a plain column).
struct Learning {
  Learning() {
    const MappedColumn id{1, ValueKind::kInteger, true, true};
    const MappedColumn key{2, ValueKind::kText, true, false};
    columns.Put("public", "t", "id", id);
    columns.Put("public", "t", "key", key);
    columns.PutSequence("public", "t_id_seq", id);
    MappedColumn xmin{3, ValueKind::kXid, true, false};
    xmin.xmin = true;
    for (size_t lane = 0; lane < 3; ++lane) {
      columns.PutOid(lane, kTable, 1, id);
      columns.PutOid(lane, kTable, 2, key);
      columns.PutOid(lane, kTable, event::kXminNumber, xmin);
    }
    columns.PutKey("t", kTable, {{"id", 1, ValueKind::kInteger}});
    event::SequenceState& state = snapshot.sequences.emplace_back();
    state.schema = "public";
    state.name = "t_id_seq";
    state.last_value = 100;
  }

  uint64_t Learn(const std::string& text, const std::string& tag, const std::string& captured,
                 const std::vector<std::string>& lanes) {
    IdentityLearner learner(columns, sites, &snapshot);
    event::Statement statement;
    statement.text = text;
    statement.outcome.tag = tag;
    statement.outcome.values = captured;
    std::vector<event::LaneOutcome> outcomes(lanes.size());
    std::vector<const event::LaneOutcome*> views;
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      outcomes[lane].columns = described;
      outcomes[lane].rows = lanes[lane];
      outcomes[lane].rows_complete = true;
      views.push_back(&outcomes[lane]);
    }
    IdentityLearner::Note(statement, session);
    if (moved) learner.NoteMoved("public", "t_id_seq");
    if (captured.empty()) return learner.LearnBeside(views, {&maps[0], &maps[1], &maps[2]});
    const CallColumns calls = learner.CallsOf(statement, described, session);
    return learner.Learn(statement, calls, views, {&maps[0], &maps[1], &maps[2]});
  }
  std::string To(size_t lane, DomainId domain, const char* captured) {
    return std::string(maps[lane].ToLane(domain, captured).value);
  }

  std::vector<event::Column> described = {
      {"id", kTable, 1, 20, 0}, {"key", kTable, 2, 25, 0}, {"state", kTable, 3, 25, 0}};
  bool moved = true;
  ColumnCatalog columns;
  event::SitesCache sites;
  event::SourceSnapshot snapshot;
  IdentitySession session;
  IdentityMap maps[3] = {IdentityMap(100), IdentityMap(100), IdentityMap(100)};
};

TEST_CASE("what an INSERT returns of what it made is learned, and nothing else", "[replay]") {
  Learning learning;
  const char* sql = "insert into t (state) values ('a'), ('b') returning *";
  const std::string captured = Rows({{"105", "key-of-production", "a"}, {"106", nullptr, "b"}});
  learning.Learn(sql, "INSERT 0 2", captured,
                 {Rows({{"107", "key-of-baseline", "a"}, {"108", nullptr, "b"}}), captured,
                  Rows({{"107", "key-of-control", "z"}, {"108", nullptr, "b"}})});
  CHECK(learning.To(0, 1, "105") == "107");
  CHECK(learning.To(0, 1, "106") == "108");
  CHECK(learning.To(0, 2, "key-of-production") == "key-of-baseline");
  CHECK(learning.To(2, 2, "key-of-production") == "key-of-control");
  CHECK(learning.maps[1].empty());
}

TEST_CASE("an INSERT with ON CONFLICT made what no two lanes have alike", "[replay]") {
  Learning learning;
  const char* sql =
      "insert into t (state) values ('a'), ('b') on conflict (state) do update set state = "
      "excluded.state returning id, key, state";
  const std::string captured = Rows({{"9", "key-of-production", "a"}, {"10", "of-before", "b"}});
  learning.Learn(sql, "INSERT 0 2", captured,
                 {Rows({{"9", "key-of-baseline", "a"}, {"10", "of-before", "b"}}),
                  Rows({{"9", "key-of-candidate", "a"}, {"10", "of-before", "b"}}),
                  Rows({{"9", "key-of-control", "a"}, {"10", "of-before", "b"}})});
  CHECK(learning.To(0, 2, "key-of-production") == "key-of-baseline");
  CHECK(learning.To(1, 2, "key-of-production") == "key-of-candidate");
  CHECK(learning.To(0, 2, "of-before").empty());
  // Another row on all lanes is a difference; so is one that only UPDATE found.
  const std::string other = Rows({{"9", "another-row", "a"}, {"10", "of-before", "b"}});
  const std::string third = Rows({{"9", "third-row", "a"}, {"10", "of-before", "b"}});
  const auto size = learning.maps[0].size();
  learning.Learn(sql, "INSERT 0 2", Rows({{"9", "a-new-key", "a"}, {"10", "of-before", "b"}}),
                 {other, other, other});
  learning.Learn("update t set state = 'a' returning id, key, state", "UPDATE 2",
                 Rows({{"9", "a-new-key", "a"}, {"10", "of-before", "b"}}), {other, third, other});
  CHECK(learning.maps[0].size() == size);
}

TEST_CASE("a default that only the candidate changed is a difference", "[replay]") {
  Learning learning;
  const char* sql = "insert into t (state) values ('a') returning *";
  const std::string captured = Rows({{"105", "the-default", "a"}});
  learning.Learn(sql, "INSERT 0 1", captured,
                 {captured, Rows({{"1000", "another-default", "a"}}), captured});
  CHECK(learning.To(1, 1, "105") == "1000");  // A sequence may be moved.
  CHECK_FALSE(learning.maps[1].Has(2));
}

TEST_CASE("rows that nobody was told of teach what each lane drew for them", "[replay]") {
  Learning learning;
  const char* sql = "select id, key, state from t";
  const auto learn = [&](const std::string& baseline, const std::string& candidate) {
    learning.Learn(sql, "SELECT 2", "", {baseline, candidate, baseline});
  };
  learn(Rows({{"7", "k", "a"}, {"105", "x", "b"}}), Rows({{"7", "k", "a"}, {"605", "x", "b"}}));
  CHECK(learning.To(1, 1, "105") == "605");
  CHECK_FALSE(learning.maps[1].Has(2));
  CHECK(learning.maps[0].empty());
  learn(Rows({{"106", "k", "a"}}), Rows({{"606", "k", "z"}}));  // Another row.
  learn(Rows({{"9", "k", "a"}}), Rows({{"609", "k", "a"}}));    // It was there before.
  learn(Rows({{"107", "k", "a"}}), Rows({{"8", "k", "a"}}));
  learn(Rows({{"108", nullptr, nullptr}}), Rows({{"608", nullptr, nullptr}}));  // Nothing tells.
  learn(Rows({{"109", "k", "a"}}), Rows({{"609", "k", "a"}, {"610", "k", "a"}}));
  // Which of two is which?
  learn(Rows({{"110", "k", "a"}, {"111", "k", "a"}}), Rows({{"610", "k", "a"}, {"611", "k", "a"}}));
  // The same numbers in another order.
  learn(Rows({{"112", "k", "a"}, {"113", "l", "a"}}), Rows({{"113", "k", "a"}, {"112", "l", "a"}}));
  CHECK(learning.maps[1].size() == 1);
}

TEST_CASE("where nothing moved a sequence, another number is another row", "[replay]") {
  Learning learning;
  learning.moved = false;
  const std::string baseline = Rows({{"105", "k", "a"}});
  learning.Learn("select * from t", "SELECT 1", "",
                 {baseline, Rows({{"106", "k", "a"}}), baseline});
  CHECK(learning.maps[1].empty());
}

TEST_CASE("what the baseline drew itself is learned as production's", "[replay]") {
  Learning learning;
  learning.maps[0].Learn(1, "105", "107");
  const std::string baseline = Rows({{"107", "k", "a"}});
  learning.Learn("select * from t", "SELECT 1", "",
                 {baseline, Rows({{"607", "k", "a"}}), baseline});
  CHECK(learning.To(1, 1, "105") == "607");
}

TEST_CASE("short values made by chance tell nothing", "[replay]") {
  Learning learning;
  learning.Learn("insert into t default values returning *", "INSERT 0 1",
                 Rows({{"105", "t", "a"}}),
                 {Rows({{"105", "f", "a"}}), Rows({{"105", "f", "a"}}), Rows({{"105", "t", "a"}})});
  CHECK(learning.maps[0].empty());
}

TEST_CASE("rows of before the capture are the same ones everywhere", "[replay]") {
  Learning learning;
  const char* sql = "update t set state = 'x' where state = 'y' returning *";
  const auto row = [](const char* id) { return Rows({{id, "k", "x"}}); };
  learning.Learn(sql, "UPDATE 1", row("50"), {row("51"), row("51"), row("51")});
  CHECK(learning.maps[0].empty());
  // Made in the capture, but only the candidate found another.
  learning.Learn(sql, "UPDATE 1", row("105"), {row("105"), row("106"), row("105")});
  CHECK(learning.maps[1].empty());
  learning.Learn(sql, "UPDATE 1", row("105"), {row("107"), row("107"), row("107")});
  CHECK(learning.To(1, 1, "105") == "107");
  learning.Learn("insert into t (id) values (1) on conflict do nothing returning *", "INSERT 0 1",
                 row("52"), {row("53"), row("53"), row("53")});
  CHECK_FALSE(learning.maps[0].ToLane(1, "52").known);
}

TEST_CASE("calls of sequence functions are known by their sequence or the last INSERT",
          "[replay]") {
  Learning learning;
  learning.described = {{"nextval", 0, 0, 20, 0}};
  const auto draw = [&](const char* sql, const char* captured, const char* lane) {
    const std::string row = Rows({{lane}});
    return learning.Learn(sql, "SELECT 1", Rows({{captured}}), {row, row, row});
  };
  CHECK(draw("select nextval('t_id_seq')", "105", "107") == 3);
  CHECK(learning.To(2, 1, "105") == "107");
  CHECK(draw("select nextval('public.t_id_seq'::regclass)", "106", "108") == 3);
  CHECK(draw("select nextval('unknown')", "1", "2") == 0);
  CHECK(draw("select lastval()", "109", "110") == 0);  // Nothing was inserted.
  learning.described = {};
  learning.Learn("insert into t (state) values ('a')", "INSERT 0 1", "", {"", "", ""});
  learning.described = {{"lastval", 0, 0, 20, 0}};
  CHECK(draw("select lastval()", "109", "110") == 3);
  CHECK(learning.To(0, 1, "109") == "110");
  CHECK(draw("select id + 1 from t", "7", "8") == 0);
}

TEST_CASE("answers that do not fit each other teach nothing", "[replay]") {
  Learning learning;
  const char* sql = "insert into t (state) values ('a') returning *";
  const std::string captured = Rows({{"105", "k", "a"}});
  const std::string two = Rows({{"107", "k", "a"}, {"108", "k", "a"}});
  CHECK(learning.Learn(sql, "INSERT 0 1", captured, {two, two, two}) == 0);
  const std::string short_row = Rows({{"107", "k"}});
  CHECK(learning.Learn(sql, "INSERT 0 1", captured, {short_row, short_row, short_row}) == 0);
  const std::string odd = Rows({{"1x", "k", "a"}});
  CHECK(learning.Learn(sql, "INSERT 0 1", captured, {odd, odd, odd}) == 0);
  CHECK(learning.Learn(sql, "INSERT 0 1", "\1\2\3", {two, two, two}) == 0);
}

TEST_CASE("the xmin of rows goes by their key, in whatever order they come", "[replay]") {
  Learning learning;
  const event::Column xmin = {"version", kTable, event::kXminNumber, 28, 0};
  learning.described = {{"id", kTable, 1, 20, 0}, {"state", kTable, 3, 25, 0}, xmin};
  const char* sql = "select id, state, xmin as version from t";
  learning.Learn(sql, "SELECT 3", Rows({{"1", "a", "700"}, {"2", "b", "701"}, {"3", "c", "702"}}),
                 {Rows({{"3", "c", "802"}, {"2", "b", "801"}, {"1", "z", "700"}}),
                  Rows({{"1", "a", "900"}, {"4", "b", "900"}, {"3", "c", "900"}}),
                  Rows({{"1", "a", "700"}, {"2", "b", "701"}})});
  CHECK(learning.To(0, 3, "701") == "801");
  CHECK(learning.To(0, 3, "702") == "802");
  CHECK(learning.To(0, 3, "700").empty());  // As it was.
  CHECK(learning.To(0, 3, "700 1:1") == "700");
  CHECK(learning.To(0, 3, "702 1:3") == "802");
  CHECK(learning.To(1, 3, "700") == "900");
  CHECK(learning.To(1, 3, "701").empty());  // Another row.
  CHECK(learning.To(1, 3, "702") == "900");
  CHECK(learning.maps[2].empty());  // Other rows than production's.

  // What is made in the same statement has another id on each lane.
  learning.Learn("insert into t (state) values ('a'), ('b') returning id, state, xmin",
                 "INSERT 0 2", Rows({{"106", "a", "710"}, {"107", "b", "710"}}),
                 {Rows({{"206", "a", "810"}, {"207", "b", "810"}}),
                  Rows({{"306", "a", "910"}, {"307", "b", "910"}}), ""});
  CHECK(learning.To(0, 3, "710") == "810");
  CHECK(learning.To(1, 3, "710") == "910");
  learning.Learn(sql, "SELECT 1", Rows({{"107", "b", "711"}}),
                 {Rows({{"207", "b", "811"}}), Rows({{"107", "b", "911"}}), ""});
  CHECK(learning.To(0, 3, "711") == "811");
  CHECK(learning.To(1, 3, "711").empty());
}

TEST_CASE("without the key of its row an xmin is known only where there is one", "[replay]") {
  Learning learning;
  learning.described = {{"xmin", kTable, event::kXminNumber, 28, 0}};
  const char* sql = "update t set state = 'a' where state = 'b' returning xmin";
  learning.Learn(sql, "UPDATE 2", Rows({{"700"}, {"700"}}),
                 {Rows({{"800"}, {"800"}}), Rows({{"900"}, {"901"}}), ""});
  CHECK(learning.To(0, 3, "700") == "800");
  CHECK(learning.maps[1].empty());
  learning.Learn("select xmin from t", "SELECT 2", Rows({{"701"}, {"702"}}),
                 {Rows({{"801"}, {"801"}}), "", ""});
  CHECK(learning.To(0, 3, "701").empty());
  // Two rows of the table in one: which id is whose is not said.
  learning.described = {{"id", kTable, 1, 20, 0},
                        {"id", kTable, 1, 20, 0},
                        {"xmin", kTable, event::kXminNumber, 28, 0}};
  learning.Learn("select a.id, b.id, b.xmin from t a, t b", "SELECT 2",
                 Rows({{"1", "2", "703"}, {"2", "1", "704"}}),
                 {Rows({{"1", "2", "803"}, {"2", "1", "804"}}), "", ""});
  CHECK(learning.To(0, 3, "703").empty());
}

TEST_CASE("columns that the migration moved are found by name", "[replay]") {
  Learning learning;
  IdentityLearner learner(learning.columns, learning.sites, nullptr);
  event::Statement statement;
  statement.text = "insert into t (state) values ('a') returning *";
  statement.outcome.tag = "INSERT 0 1";
  statement.outcome.values = Rows({{"105", "k", "a"}});
  event::LaneOutcome baseline;
  baseline.columns = learning.described;
  baseline.rows = statement.outcome.values;
  baseline.rows_complete = true;
  event::LaneOutcome candidate = baseline;
  candidate.columns.insert(candidate.columns.begin(), event::Column{"added", kTable, 9, 23, 0});
  candidate.rows = Rows({{"1", "1000", "k", "a"}});
  CHECK(learner.Learn(statement, {}, {&baseline, &candidate},
                      {&learning.maps[0], &learning.maps[1]}) == 1);
  CHECK(learning.To(1, 1, "105") == "1000");
}

}  // namespace
}  // namespace scry::replay
