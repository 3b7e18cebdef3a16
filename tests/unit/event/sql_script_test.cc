#include "event/sql_script.h"

#include "event/schema_act.h"
#include "support/catch.h"

namespace scry::event {
namespace {

std::vector<uint32_t> LinesOf(std::string_view text) {
  std::vector<uint32_t> lines;
  for (const ScriptStatement& statement : ReadScript(text)) lines.push_back(statement.line);
  return lines;
}

using Lines = std::vector<uint32_t>;

TEST_CASE("a script's statements stand on the lines of their first words", "[event]") {
  CHECK(LinesOf("BEGIN;\n-- the table; of orders\n\n/* a /* nested */ one\n*/ ALTER TABLE a\n"
                "  ADD b int; SELECT 1;;\nCOMMIT") == Lines{1, 5, 6, 7});
  CHECK(LinesOf("DO $$\nBEGIN\n  PERFORM 1; PERFORM 2;\nEND $$;\nDROP TABLE a;") == Lines{1, 5});
  CHECK(LinesOf("").empty());
  CHECK(LinesOf("-- nothing\n;\n").empty());
}

TEST_CASE("what psql keeps for itself is no SQL", "[event]") {
  CHECK(LinesOf("\\set ON_ERROR_STOP on\n  \\echo it's on\nDROP TABLE a;\n") == Lines{3});
  CHECK(LinesOf("COPY a (b) FROM stdin;\nit's a; row\n\\.\nDROP TABLE a;\n") == Lines{1, 4});
}

TEST_CASE("the header of data may take several lines", "[event]") {
  CHECK(LinesOf("SELECT 1;\n-- of a; b\nCOPY a\n  (b)\n  -- c\nFROM stdin\n;\nit's a;\n\\.\nDROP "
                "TABLE a;\n") == Lines{1, 3, 10});
  CHECK(LinesOf("SELECT 1; COPY a FROM stdin;\nit's\n\\.\nDROP TABLE a;") == Lines{1, 1, 4});
  CHECK(LinesOf("COPY a FROM 'stdin';\nDROP TABLE a;\n") == Lines{1, 2});
}

TEST_CASE("a byte order mark is no part of the first statement", "[event]") {
  const auto marked = ReadScript(
      "\xef\xbb\xbf"
      "DROP TABLE a;\nDROP TABLE b;");
  CHECK(marked == ReadScript("DROP TABLE a;\nDROP TABLE b;"));
  CHECK(marked.size() == 2);
  CHECK(LinesOf("\xef\xbb\xbf\\set x 1\nDROP TABLE a;") == Lines{2});
}

TEST_CASE("a script that is no SQL has no statements, whatever its bytes", "[event]") {
  CHECK(LinesOf("SELECT 'no end").empty());
  CHECK(LinesOf(std::string_view("SELECT 1;\0SELECT 2;", 19)).empty());
  CHECK(LinesOf("/* no end").empty());
  CHECK(LinesOf("\xff\xfe;\n").size() <= 1);
}

TEST_CASE("a script's statement has the fingerprint of what the server is sent", "[event]") {
  const auto all =
      ReadScript("-- once\nUPDATE a SET b = 1\n WHERE c = 'x';\nCREATE INDEX i ON a(b);");
  REQUIRE(all.size() == 2);
  CHECK(all[0].fingerprint == AnalyzeQuery("UPDATE a SET b = $1 WHERE c = $2")[0].fingerprint);
  CHECK(all[1].fingerprint == AnalyzeQuery("create index i on a (b)")[0].fingerprint);
  CHECK(all[1].kind == StatementKind::kDdl);
}

TEST_CASE("a statement says what it does to which names", "[event]") {
  const SchemaAct drop = ActOf("SELECT 1; ALTER TABLE s.orders DROP COLUMN \"Total\"", 1);
  CHECK(drop.known);
  CHECK(drop.drops);
  CHECK(drop.alters);
  CHECK_FALSE(drop.creates);
  CHECK(drop.names.contains("orders"));
  CHECK(drop.names.contains("Total"));
  const SchemaAct index = ActOf("DROP INDEX CONCURRENTLY IF EXISTS app.orders_region", 0);
  CHECK(index.drops);
  CHECK(index.names.contains("orders_region"));
  const SchemaAct rename = ActOf("ALTER TABLE users RENAME COLUMN name TO full_name", 0);
  CHECK(rename.renames);
  CHECK(rename.names.contains("name"));
  CHECK(ActOf("UPDATE orders SET a = 'secret'", 0).writes);
  CHECK_FALSE(ActOf("UPDATE orders SET a = 'secret'", 0).names.contains("secret"));
  CHECK(ActOf("REVOKE SELECT ON orders FROM app", 0).grants);
  CHECK_FALSE(ActOf("DO $$ BEGIN DROP TABLE a; END $$", 0).known);
  CHECK_FALSE(ActOf("no SQL", 0).known);
}

}  // namespace
}  // namespace scry::event
