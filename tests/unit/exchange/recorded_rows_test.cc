// Which rows a capture holds: those whose values later statements may carry, see
// event::Outcome::values.
#include <string>
#include <vector>

#include "support/catch.h"
#include "unit/exchange/transcript.h"

namespace scry::exchange {
namespace {

std::string ValuesOf(const Session& session, size_t exchange = 0, size_t statement = 0) {
  const auto exchanges = session.Exchanges();
  REQUIRE(exchanges.size() > exchange);
  REQUIRE(exchanges[exchange].statements.size() > statement);
  return exchanges[exchange].statements[statement].outcome.values;
}

std::string RowList(const std::vector<std::vector<std::string>>& rows) {
  base::ByteWriter out;
  for (const auto& row : rows) {
    const std::string payload = RowPayload(row);
    out.BigU32(static_cast<uint32_t>(payload.size()));
    out.Text(payload);
  }
  return out.Release();
}

// One simple Query whose rows and tag these are; the values kept of it.
std::string KeptOf(const std::vector<std::vector<std::string>>& rows, std::string_view tag,
                   TrackerLimits limits = {}, const std::string& text = "a statement") {
  Session session(limits);
  session.Query(text);
  for (const auto& row : rows) session.Row(row);
  session.Done(tag);
  session.Ready('I');
  return ValuesOf(session);
}

}  // namespace

TEST_CASE("rows of RETURNING are recorded as they came", "[exchange]") {
  const std::vector<std::vector<std::string>> rows = {{"17", "new"}, {"18", ""}};
  for (const char* tag : {"INSERT 0 2", "UPDATE 2", "DELETE 2", "MERGE 2"}) {
    CAPTURE(tag);
    CHECK(KeptOf(rows, tag) == RowList(rows));
  }
}

TEST_CASE("rows of RETURNING are recorded in the extended protocol", "[exchange]") {
  Session session;
  session.Run("insert into t default values returning id");
  session.Sync();
  session.ParseOk();
  session.BindOk();
  session.Row({"17"});
  session.Done("INSERT 0 1");
  session.Ready('I');
  CHECK(ValuesOf(session) == RowList({{"17"}}));
}

TEST_CASE("each statement of a batch has its own recorded rows", "[exchange]") {
  Session session;
  session.Query("insert ...; select ...; insert ...");
  session.Row({"1"});
  session.Done("INSERT 0 1");
  session.Row({"a", "b"});
  session.Done("SELECT 1");
  session.Row({"2"});
  session.Done("INSERT 0 1");
  session.Ready('I');
  CHECK(ValuesOf(session, 0, 0) == RowList({{"1"}}));
  CHECK(ValuesOf(session, 0, 1).empty());
  CHECK(ValuesOf(session, 0, 2) == RowList({{"2"}}));
}

TEST_CASE("of SELECT one short row of one value is recorded and nothing else", "[exchange]") {
  CHECK(KeptOf({{"42"}}, "SELECT 1") == RowList({{"42"}}));
  CHECK(KeptOf({{"42", "43"}}, "SELECT 1").empty());
  CHECK(KeptOf({{"42"}, {"43"}}, "SELECT 2").empty());
  CHECK(KeptOf({{std::string(200, 'x')}}, "SELECT 1").empty());
  CHECK(KeptOf({}, "SELECT 0").empty());
}

TEST_CASE("rows that show their xmin are recorded", "[exchange]") {
  TrackerLimits limits;
  limits.row_bytes_kept = 30;
  const std::vector<std::vector<std::string>> rows = {{"700"}, {"701"}, {"702"}};
  const auto run = [&](const std::string& text, uint32_t table_oid, int16_t number) {
    Session session(limits);
    session.Query(text);
    session.Server('T', ColumnPayload("version", table_oid, number, 28));
    for (const auto& row : rows) session.Row(row);
    session.Done("SELECT 3");
    session.Ready('I');
    return ValuesOf(session);
  };
  CHECK(run("select xmin as version from t", 5000, -2) == RowList(rows));
  CHECK(run("select xmax as version from t, xmin", 5000, -4).empty());
  CHECK(run("select version from xmins", 0, -2).empty());
  CHECK(run("select version from a_view", 5000, -2).empty());  // More than most may keep.

  // Described when it was prepared.
  Session session;
  session.Parse("s", "select xmin as version from t");
  session.DescribeStatement("s");
  session.Sync();
  session.ParseOk();
  session.Server('t', std::string_view("\0\0", 2));
  session.Server('T', ColumnPayload("version", 5000, -2, 28));
  session.Ready('I');
  session.Bind("", "s");
  session.Execute("");
  session.Sync();
  session.BindOk();
  for (const auto& row : rows) session.Row(row);
  session.Done("SELECT 3");
  session.Ready('I');
  CHECK(ValuesOf(session, session.Exchanges().size() - 1) == RowList(rows));
}

TEST_CASE("rows over the limit are not recorded at all", "[exchange]") {
  TrackerLimits limits;
  limits.row_bytes_kept = 100;
  const std::vector<std::string> row = {std::string(50, 'x')};  // 60 bytes in a RowList.
  CHECK(KeptOf({row}, "INSERT 0 1", limits) == RowList({row}));
  CHECK(KeptOf({row, row}, "INSERT 0 2", limits).empty());
  limits.row_bytes_kept = 0;
  CHECK(KeptOf({row}, "INSERT 0 1", limits).empty());
}

TEST_CASE("what a batch returns has a limit of its own", "[exchange]") {
  TrackerLimits limits;
  limits.row_bytes_kept = 100;
  limits.returned_bytes_kept = 200;
  const std::vector<std::string> row = {std::string(50, 'x')};  // 60 bytes in a RowList.
  const std::string batch = "insert into t select ... Returning id";
  CHECK(KeptOf({row, row, row}, "INSERT 0 3", limits, batch) == RowList({row, row, row}));
  CHECK(KeptOf({row, row, row, row}, "INSERT 0 4", limits, batch).empty());
  // And no other statement of the session.
  Session session(limits);
  session.Query(batch + "; select ..; insert ..");
  for (int i = 0; i < 2; ++i) session.Row(row);
  session.Done("INSERT 0 2");
  session.Ready('I');
  session.Query("insert without");
  for (int i = 0; i < 2; ++i) session.Row(row);
  session.Done("INSERT 0 2");
  session.Ready('I');
  CHECK(ValuesOf(session, 0, 0) == RowList({row, row}));
  CHECK(ValuesOf(session, 1, 0).empty());
}

TEST_CASE("recorded rows of one exchange have a limit together", "[exchange]") {
  AnswerOptions options;
  options.row_bytes_kept = 100;
  options.values_bytes_max = 150;
  AnswerReader reader(options);
  reader.Add('Q', base::AsBytes(CText("three inserts")), 1);
  const std::string row = RowPayload({std::string(50, 'x')});
  for (int i = 0; i < 3; ++i) {
    reader.OnBackend('D', base::AsBytes(row), 2);
    reader.OnBackend('C', base::AsBytes(CText("INSERT 0 1")), 3);
  }
  reader.OnBackend('Z', base::AsBytes(std::string_view("I")), 4);
  const Answers answers = reader.Take();
  REQUIRE(answers.statements.size() == 3);
  CHECK_FALSE(answers.statements[0].outcome.values.empty());
  CHECK_FALSE(answers.statements[1].outcome.values.empty());
  CHECK(answers.statements[2].outcome.values.empty());
  CHECK_FALSE(answers.too_large);
}

TEST_CASE("rows that fail or that COPY sends are not recorded", "[exchange]") {
  Session session;
  session.Query("insert ... returning 1 / (2 - id)");
  session.Row({"1"});
  session.Error("22012");
  session.Ready('I');
  CHECK(ValuesOf(session, 0).empty());

  session.Run("insert ... returning 1, where the commit fails");
  session.Sync();
  session.ParseOk();
  session.BindOk();
  session.Row({"1"});
  session.Done("INSERT 0 1");
  session.Error("23503");
  session.Ready('I');
  CHECK(ValuesOf(session, 1).empty());

  session.Query("copy t to stdout");
  session.CopyOut();
  session.Server('d', "17\n");
  session.Server('c');
  session.Done("COPY 1");
  session.Ready('I');
  CHECK(ValuesOf(session, 2).empty());
}

TEST_CASE("a row that came in pieces is not recorded", "[exchange]") {
  Session session;
  session.Query("insert ... returning big");
  const std::string row = RowPayload({std::string(40, 'x')});
  session.tracker.OnBackendPiece('D', static_cast<uint32_t>(row.size()), 0,
                                 base::AsBytes(std::string_view(row).substr(0, 20)),
                                 session.Tick());
  session.tracker.OnBackendPiece('D', static_cast<uint32_t>(row.size()), 20,
                                 base::AsBytes(std::string_view(row).substr(20)), session.Tick());
  session.Done("INSERT 0 1");
  session.Ready('I');
  CHECK(ValuesOf(session).empty());
}

}  // namespace scry::exchange
