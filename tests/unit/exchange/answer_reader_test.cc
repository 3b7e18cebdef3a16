#include "exchange/answer_reader.h"

#include <string>
#include <vector>

#include "support/catch.h"
#include "unit/exchange/transcript.h"

namespace scry::exchange {
namespace {

event::FrontendMessage Message(const std::string& encoded) {
  const std::string payload = PayloadOf(encoded);
  const auto type = static_cast<uint8_t>(encoded[0]);
  const wire::FrontendParts parts = wire::SplitFrontend(type, base::AsBytes(payload));
  event::FrontendMessage message;
  message.type = type;
  message.head = parts.head;
  message.values = parts.values;
  message.tail = parts.tail;
  return message;
}

std::string EncodedBind(std::vector<uint16_t> result_formats) {
  wire::Bind bind;
  bind.statement = "s";
  bind.result_formats = std::move(result_formats);
  return wire::EncodeBind(bind);
}

// A lane of replay: one exchange after the other, with what the server says.
struct Lane {
  explicit Lane(uint64_t cells_max = 100) : reader(Options(cells_max)) {}
  static AnswerOptions Options(uint64_t cells_max) {
    AnswerOptions options;
    options.cells_max = cells_max;
    return options;
  }
  void Ask(const std::vector<std::string>& encoded, AnswerDetail detail = AnswerDetail::kFull) {
    std::vector<event::FrontendMessage> messages;
    for (const auto& message : encoded) messages.push_back(Message(message));
    reader.Begin(messages, now_us += 10, detail);
  }
  void Say(uint8_t type, std::string_view payload = {}) {
    reader.OnBackend(type, base::AsBytes(payload), now_us += 10);
  }
  Answers Ready(char status = 'I') {
    Say('Z', std::string_view(&status, 1));
    REQUIRE(!reader.broken());
    REQUIRE(reader.done());
    return reader.Take();
  }
  base::Micros now_us = 0;
  AnswerReader reader;
};

std::string Line(const event::Statement& statement) { return Transcript::Line(statement); }

}  // namespace

TEST_CASE("what an exchange keeps of rows is bounded, digests are not", "[exchange]") {
  AnswerOptions options = Lane::Options(100);
  options.row_bytes_kept = 1000;
  options.held_bytes_max = 500;
  AnswerReader reader(options);
  constexpr size_t kStatements = 200;
  std::vector<event::FrontendMessage> messages = {Message(wire::EncodeQuery("many"))};
  const auto say = [&](uint8_t type, const std::string& payload) {
    reader.OnBackend(type, base::AsBytes(payload), 10);
  };
  for (int round = 0; round < 2; ++round) {
    reader.Begin(messages, 0);
    for (size_t i = 0; i < kStatements; ++i) {
      say('T', ColumnsPayload({"a"}));
      say('D', RowPayload({"x"}));
      say('C', CText("SELECT 1"));
    }
    say('Z', "I");
    const Answers answers = reader.Take();
    REQUIRE(answers.lanes.size() == kStatements);
    size_t bytes = 0;
    for (const event::LaneOutcome& lane : answers.lanes) {
      bytes += lane.rows.size() + lane.cells.size() * sizeof(uint64_t);
    }
    for (const event::Statement& statement : answers.statements) {
      CHECK(statement.outcome.digest_ordered == answers.statements[0].outcome.digest_ordered);
    }
    CHECK(answers.lanes[0].rows_complete);
    CHECK(answers.lanes[0].cells_complete);
    CHECK_FALSE(answers.lanes.back().rows_complete);
    CHECK_FALSE(answers.lanes.back().cells_complete);
    CHECK(bytes >= options.held_bytes_max);
    CHECK(bytes < options.held_bytes_max + 100);
  }
}

TEST_CASE("a lane gets columns and cells for each statement", "[exchange]") {
  Lane lane;
  lane.Ask({wire::EncodeQuery("select a, b from t; select 1")});
  lane.Say('T', ColumnsPayload({"a", "b"}));
  lane.Say('D', RowPayload({"x", "y"}));
  lane.Say('D', RowPayload({"x", "z"}));
  lane.Say('C', CText("SELECT 2"));
  lane.Say('C', CText("SELECT 0"));
  const Answers answers = lane.Ready('T');
  REQUIRE(answers.lanes.size() == 2);
  REQUIRE(answers.lanes[0].columns.size() == 2);
  CHECK(answers.lanes[0].columns[1].name == "b");
  REQUIRE(answers.lanes[0].cells_complete);
  REQUIRE(answers.lanes[0].cells.size() == 4);
  CHECK(answers.lanes[0].cells[0] == answers.lanes[0].cells[2]);
  CHECK(answers.lanes[0].cells[1] != answers.lanes[0].cells[3]);
  CHECK(answers.lanes[0].outcome.status == event::OutcomeStatus::kDone);
  CHECK(answers.lanes[0].transaction_status == 'T');
  CHECK(answers.lanes[1].columns.empty());
  CHECK(answers.lanes[1].cells_complete);
}

TEST_CASE("a Query of many statements holds its text once", "[exchange]") {
  constexpr size_t kStatements = 1000;
  AnswerOptions options;
  const std::string text(options.text_bytes_max / 100, 's');
  const auto run = [&] {
    AnswerReader reader(options);
    reader.Begin({Message(wire::EncodeQuery(text))}, 0);
    const std::string done(CText("SELECT 0"));
    for (size_t i = 0; i < kStatements; ++i) reader.OnBackend('C', base::AsBytes(done), 1);
    reader.OnBackend('Z', base::AsBytes(std::string_view("I")), 1);
    return reader.Take();
  };
  const Answers answers = run();
  CHECK_FALSE(answers.too_large);
  REQUIRE(answers.statements.size() == kStatements);
  CHECK(answers.statements.back().text == text);
  CHECK(answers.statements.back().text.SharesWith(answers.statements.front().text));
  options.text_reads_max = text.size() * (kStatements - 1);
  CHECK(run().too_large);
}

TEST_CASE("lanes that prepare one text hold it once", "[exchange]") {
  const base::TextPool pool;
  const std::string sql = "select 'of many lanes'";
  std::vector<base::SharedText> texts;
  for (int lane = 0; lane < 2; ++lane) {
    AnswerReader reader({}, pool);
    wire::Bind bind;
    bind.statement = "s";
    reader.Begin({Message(wire::EncodeParse({"s", sql, {}})), Message(wire::EncodeBind(bind)),
                  Message(wire::EncodeExecute("")), Message(wire::EncodeSync())},
                 0);
    reader.OnBackend('1', {}, 1);
    reader.OnBackend('2', {}, 1);
    const std::string done(CText("SELECT 0"));
    reader.OnBackend('C', base::AsBytes(done), 1);
    reader.OnBackend('Z', base::AsBytes(std::string_view("I")), 1);
    for (const event::Statement& statement : reader.Take().statements) {
      texts.push_back(statement.text);
    }
  }
  REQUIRE(texts.size() == 2);
  CHECK(texts[0] == sql);
  CHECK(texts[0].SharesWith(texts[1]));
}

TEST_CASE("columns described once are known for every later Execute", "[exchange]") {
  Lane lane;
  lane.Ask({wire::EncodeParse({"s", "select a, b from t", {}}),
            wire::EncodeDescribe(wire::Target::kStatement, "s"), wire::EncodeSync()});
  lane.Say('1');
  lane.Say('t', std::string_view("\0\0", 2));
  lane.Say('T', ColumnsPayload({"a", "b"}));
  CHECK(lane.Ready().statements.empty());
  const auto columns = [&](std::vector<uint16_t> formats) {
    lane.Ask({EncodedBind(std::move(formats)), wire::EncodeExecute(""), wire::EncodeSync()});
    lane.Say('2');
    lane.Say('C', CText("SELECT 0"));
    const Answers answers = lane.Ready();
    REQUIRE(answers.lanes.size() == 1);
    REQUIRE(answers.lanes[0].columns.size() == 2);
    CHECK(answers.statements[0].text == "select a, b from t");
    return answers.lanes[0].columns;
  };
  CHECK(columns({})[1].format == 0);
  CHECK(columns({1})[1].format == 1);
  CHECK(columns({0, 1})[0].format == 0);
  CHECK(columns({0, 1})[1].format == 1);
}

TEST_CASE("counts alone are those of a full look, which may follow in the same portal",
          "[exchange]") {
  // One conversation; whether its second exchange, and the others, are only counted.
  const auto converse = [](bool first, bool second) {
    const auto detail = [](bool counts) {
      return counts ? AnswerDetail::kCounts : AnswerDetail::kFull;
    };
    Lane lane;
    std::vector<Answers> all;
    lane.Ask({wire::EncodeParse({"s", "select a from t", {}}), EncodedBind({}),
              wire::EncodeDescribe(wire::Target::kPortal, ""), wire::EncodeExecute("", 1),
              wire::EncodeSync()},
             detail(first));
    lane.Say('1');
    lane.Say('2');
    lane.Say('T', ColumnsPayload({"a"}));
    lane.Say('D', RowPayload({"x"}));
    lane.Say('s');
    all.push_back(lane.Ready('T'));
    lane.Ask({wire::EncodeExecute(""), wire::EncodeSync()}, detail(second));
    lane.Say('D', RowPayload({"y"}));
    lane.Say('C', CText("SELECT 1"));
    all.push_back(lane.Ready());
    lane.Ask({wire::EncodeQuery("select 1; nonsense")}, detail(first));
    lane.Say('T', ColumnsPayload({"a"}));
    lane.Say('D', RowPayload({"1"}));
    lane.Say('C', CText("SELECT 1"));
    lane.Say('E', std::string_view("SERROR\0C42601\0Msyntax\0\0", 23));
    all.push_back(lane.Ready());
    return all;
  };
  const std::vector<Answers> full = converse(false, false);
  for (const bool second : {false, true}) {
    const std::vector<Answers> counted = converse(true, second);
    REQUIRE(counted.size() == full.size());
    for (size_t i = 0; i < full.size(); ++i) {
      REQUIRE(counted[i].statements.size() == full[i].statements.size());
      CHECK(counted[i].status == full[i].status);
      CHECK(counted[i].committed == full[i].committed);
      for (size_t j = 0; j < full[i].statements.size(); ++j) {
        const event::Outcome& counts = counted[i].statements[j].outcome;
        const event::Outcome& whole = full[i].statements[j].outcome;
        CHECK(counts.status == whole.status);
        CHECK(counts.tag == whole.tag);
        CHECK(counts.rows == whole.rows);
        CHECK(counts.row_bytes == whole.row_bytes);
        CHECK(counts.sqlstate == whole.sqlstate);
        CHECK(counts.elapsed_us == whole.elapsed_us);
      }
    }
    CHECK(counted[0].lanes.empty());
    if (second) continue;
    REQUIRE(counted[1].lanes.size() == 1);
    CHECK(counted[1].lanes[0].columns == full[1].lanes[0].columns);
    CHECK(counted[1].lanes[0].rows == full[1].lanes[0].rows);
    CHECK(counted[1].lanes[0].cells == full[1].lanes[0].cells);
  }
}

TEST_CASE("cells over the limit are left to the digests", "[exchange]") {
  Lane lane(3);
  lane.Ask({wire::EncodeQuery("select")});
  lane.Say('D', RowPayload({"1", "2"}));
  lane.Say('D', RowPayload({"1", "2"}));
  lane.Say('C', CText("SELECT 2"));
  const Answers answers = lane.Ready();
  CHECK(!answers.lanes[0].cells_complete);
  CHECK(answers.lanes[0].cells.empty());
  CHECK(answers.statements[0].outcome.digest_ordered != 0);
}

TEST_CASE("a row in pieces has the digest of the whole row", "[exchange]") {
  const std::string row = RowPayload({std::string(5000, 'x')});
  Lane whole;
  Lane pieces;
  for (Lane* lane : {&whole, &pieces}) {
    lane->Ask({wire::EncodeQuery("select")});
    if (lane == &whole) {
      lane->Say('D', row);
    } else {
      const base::Bytes bytes = base::AsBytes(row);
      const auto length = static_cast<uint32_t>(row.size());
      lane->reader.OnBackendPiece('D', length, 0, bytes.first(100), 15);
      lane->reader.OnBackendPiece('D', length, 100, bytes.subspan(100), 16);
    }
    lane->Say('C', CText("SELECT 1"));
  }
  const auto a = whole.Ready().statements.at(0).outcome;
  const Answers b = pieces.Ready();
  CHECK(a.digest_ordered == b.statements.at(0).outcome.digest_ordered);
  CHECK(a.row_bytes == b.statements.at(0).outcome.row_bytes);
  CHECK(a.rows == 1);
  CHECK(!b.lanes.at(0).cells_complete);
}

TEST_CASE("a lane sends copy data only once the server wants it", "[exchange]") {
  const std::vector<std::string> copy = {wire::EncodeParse({"", "copy t from stdin", {}}),
                                         wire::EncodeBind({}),
                                         wire::EncodeExecute(""),
                                         wire::EncodeSync(),
                                         wire::EncodeCopyData("1\n"),
                                         wire::EncodeCopyDone(),
                                         wire::EncodeSync()};
  Lane lane;
  lane.Ask(copy);
  SECTION("it does") {
    lane.Say('1');
    lane.Say('2');
    CHECK(!lane.reader.wants_copy_data());
    lane.Say('G', std::string_view("\0\0\0", 3));
    CHECK(lane.reader.wants_copy_data());
    lane.Say('C', CText("COPY 1"));
    CHECK(!lane.reader.wants_copy_data());
    const Answers answers = lane.Ready();
    CHECK(answers.messages == 7);
    CHECK(Line(answers.statements.at(0)) == "copy t from stdin#0@2 done COPY 1");
  }
  SECTION("the COPY fails first: the rest is never sent") {
    lane.Say('E', ErrorPayload("ERROR", "42P01", "no table"));
    const Answers answers = lane.Ready();
    CHECK(answers.messages == 4);
    CHECK(answers.failed);
    CHECK(Line(answers.statements.at(0)) == "copy t from stdin#0@2 error 42P01");
  }
  lane.Ask({wire::EncodeQuery("select 1")});
  lane.Say('C', CText("SELECT 1"));
  CHECK(Line(lane.Ready().statements.at(0)) == "select 1#0@0 done SELECT 1");
}

TEST_CASE("the header of a binary COPY is no part of the row that it comes with", "[exchange]") {
  const std::string header("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  const std::string end("\xff\xff", 2);
  const auto outcome = [&](const std::vector<std::string>& data, bool in_pieces) {
    Lane lane;
    lane.Ask({wire::EncodeQuery("copy t to stdout (format binary)")});
    lane.Say('H', std::string_view("\1\0\0", 3));
    for (const std::string& one : data) {
      if (!in_pieces) {
        lane.Say('d', one);
        continue;
      }
      const auto size = static_cast<uint32_t>(one.size());
      const uint32_t cut = size < 20 ? size : 20;
      const base::Bytes bytes = base::AsBytes(one);
      lane.reader.OnBackendPiece('d', size, 0, bytes.first(cut), lane.now_us += 10);
      if (cut < size) {
        lane.reader.OnBackendPiece('d', size, cut, bytes.subspan(cut), lane.now_us += 10);
      }
    }
    lane.Say('c');
    lane.Say('C', CText("COPY 2"));
    return lane.Ready().statements.at(0).outcome;
  };
  const auto before = outcome({header + "row a", "row b", end}, false);
  const auto after = outcome({header + "row b", "row a", end}, false);
  CHECK(before.rows == 3);
  CHECK(before.digest_unordered == after.digest_unordered);
  CHECK(before.digest_ordered != after.digest_ordered);
  CHECK(before.row_bytes == after.row_bytes);
  CHECK(outcome({header + "row b", "row c", end}, false).digest_unordered !=
        before.digest_unordered);
  const auto in_pieces = outcome({header + "row a", "row b", end}, true);
  CHECK(in_pieces.digest_ordered == before.digest_ordered);
  CHECK(in_pieces.rows == 3);
  // A header that is cut, or text that only begins alike, is data.
  for (const std::string& odd : {header.substr(0, 15), std::string("PGCOPY\nrow"), std::string()}) {
    CHECK(outcome({odd}, false).rows == 1);
  }
}

TEST_CASE("a lane ends a COPY that production did not enter", "[exchange]") {
  Lane lane;
  lane.Ask({wire::EncodeParse({"", "copy t from stdin", {}}), wire::EncodeBind({}),
            wire::EncodeExecute(""), wire::EncodeSync()});
  lane.Say('1');
  lane.Say('2');
  lane.Say('G', std::string_view("\0\0\0", 3));
  REQUIRE(lane.reader.wants_copy_data());
  lane.reader.Add('f', base::AsBytes(std::string_view("no data\0", 8)), 5);
  lane.reader.Add('S', {}, 5);
  lane.Say('E', ErrorPayload("ERROR", "57014", "COPY failed"));
  CHECK(Line(lane.Ready().statements.at(0)) == "copy t from stdin#0@2 error 57014");
}

TEST_CASE("the same error lands on the statement that ran on the other lane", "[exchange]") {
  Lane good;
  Lane bad;
  const std::vector<std::string> ask = {
      wire::EncodeParse({"", "select old_name", {}}), wire::EncodeBind({}),
      wire::EncodeDescribe(wire::Target::kPortal, ""), wire::EncodeExecute(""), wire::EncodeSync()};
  good.Ask(ask);
  good.Say('1');
  good.Say('2');
  good.Say('n');
  good.Say('C', CText("SELECT 0"));
  bad.Ask(ask);
  bad.Say('E', ErrorPayload("ERROR", "42703", "no column"));
  const auto a = good.Ready().statements;
  const auto b = bad.Ready().statements;
  REQUIRE(a.size() == 1);
  REQUIRE(b.size() == 1);
  CHECK(a[0].message == b[0].message);
  CHECK(a[0].text == b[0].text);
  CHECK(b[0].outcome.elapsed_us == 20);
}

TEST_CASE("a lane whose connection ends has lost outcomes", "[exchange]") {
  Lane lane;
  lane.Ask({wire::EncodeParse({"", "select 1", {}}), wire::EncodeBind({}), wire::EncodeExecute(""),
            wire::EncodeExecute(""), wire::EncodeSync()});
  lane.Say('1');
  lane.Say('E', ErrorPayload("FATAL", "57P01", "bye"));
  CHECK(lane.reader.fatal());
  const Answers answers = lane.reader.Lose(100);
  CHECK(answers.status == 0);
  CHECK(answers.messages == 5);
  REQUIRE(answers.lanes.size() == 2);
  CHECK(Line(answers.statements[0]) == "select 1#0@2 error 57P01");
  CHECK(Line(answers.statements[1]) == "select 1#0@3 skipped");
  CHECK(answers.lanes[0].transaction_status == 0);
}

TEST_CASE("answers that fit no question break the reader for good", "[exchange]") {
  const auto broken = [](uint8_t type, std::string_view payload) {
    Lane lane;
    lane.Ask({wire::EncodeParse({"", "select 1", {}}), wire::EncodeSync()});
    lane.Say(type, payload);
    lane.Say('1');
    CHECK(!lane.reader.reason().empty());
    return lane.reader.broken();
  };
  CHECK(broken('2', {}));
  CHECK(broken('D', std::string_view("\0\0", 2)));
  CHECK(broken('C', std::string_view("X\0", 2)));
  CHECK(broken('T', std::string_view("\0\0", 2)));
  CHECK(broken('Z', "I"));
  CHECK(broken('c', {}));
  CHECK(broken('d', "x"));
  CHECK(broken('G', std::string_view("\0\0\0", 3)));
  CHECK(broken('V', {}));
  CHECK(broken(0, {}));
}

}  // namespace scry::exchange
