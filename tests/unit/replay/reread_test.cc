#include "replay/reread.h"

#include <string>
#include <vector>

#include "base/bytes.h"
#include "event/value_equality.h"
#include "replay/row_rewriter.h"
#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

event::Exchange Asked(const std::string& bytes, const std::string& tag = "SELECT 1",
                      uint64_t rows = 1) {
  Script script;
  event::Exchange exchange = script.Send(1, bytes, {"select 1"});
  exchange.statements[0].outcome.tag = tag;
  exchange.statements[0].outcome.rows = rows;
  exchange.statements[0].outcome.digest_unordered = 5;
  return exchange;
}
std::string Run(const std::string& statement, const std::string& portal) {
  wire::Bind bind;
  bind.statement = statement;
  bind.portal = portal;
  return wire::EncodeBind(bind) + wire::EncodeExecute(portal) + wire::EncodeSync();
}

TEST_CASE("what makes nothing that has a name may be read again", "[replay]") {
  CHECK(MayReread(Asked(wire::EncodeQuery("select 1"))));
  CHECK(MayReread(Asked(Extended("select 1", {}))));
  CHECK(MayReread(Asked(Run("by_id", ""))));
  CHECK_FALSE(MayReread(Asked(Run("by_id", "portal"))));
  wire::Parse parse;
  parse.name = "by_id";
  CHECK_FALSE(MayReread(Asked(wire::EncodeParse(parse) + Run("by_id", ""))));
  event::Exchange two = Asked(wire::EncodeQuery("select 1; select 2"));
  two.statements.push_back(two.statements.front());
  CHECK_FALSE(MayReread(two));
  event::Exchange failed = Asked(wire::EncodeQuery("select 1"));
  failed.statements[0].outcome.status = event::OutcomeStatus::kError;
  CHECK_FALSE(MayReread(failed));
  // Its rows are not in the capture.
  CHECK_FALSE(MayReread(Asked(wire::EncodeQuery("select 1"), "SELECT 1", 0)));
}

TEST_CASE("an answer tells when its snapshot was taken at the latest", "[replay]") {
  event::Exchange exchange = Asked(Extended("select 1", {}));
  exchange.first_answer_us = 50;
  exchange.completed_us = 90;
  CHECK(AnsweredUs(exchange) == 50);
  exchange.messages[1].type = wire::frontend::kFlush;
  CHECK(AnsweredUs(exchange) == 90);
}

TEST_CASE("the baseline read otherwise where rows or values differ and every lane answered",
          "[replay]") {
  const event::Exchange captured = Asked(wire::EncodeQuery("select 1"));
  const auto otherwise = [&](uint64_t rows, uint64_t digest, event::OutcomeStatus status) {
    std::vector<exchange::Answers> answers(2);
    for (exchange::Answers& one : answers) {
      one.status = 'I';
      one.statements = captured.statements;
    }
    answers[0].statements[0].outcome.rows = rows;
    answers[0].statements[0].outcome.digest_unordered = digest;
    answers[1].statements[0].outcome.status = status;
    return ReadOtherwise(captured, answers);
  };
  using event::OutcomeStatus;
  CHECK_FALSE(otherwise(1, 5, OutcomeStatus::kDone));
  CHECK(otherwise(2, 5, OutcomeStatus::kDone));
  CHECK(otherwise(1, 6, OutcomeStatus::kDone));
  CHECK_FALSE(otherwise(1, 6, OutcomeStatus::kError));
  CHECK_FALSE(ReadOtherwise(captured, {}));
}

TEST_CASE("of a row with its xmin, the other values tell what was read", "[replay]") {
  event::Exchange captured = Asked(wire::EncodeQuery("select balance, xmin from t"));
  const auto rows = [](const std::vector<std::vector<std::string>>& values) {
    base::ByteWriter out;
    for (const auto& row : values) {
      base::ByteWriter cells;
      cells.BigU16(static_cast<uint16_t>(row.size()));
      for (const std::string& cell : row) AppendSized(cells, cell);
      AppendSized(out, cells.str());
    }
    return out.Release();
  };
  captured.statements[0].outcome.values = rows({{"5", "700"}, {"6", "701"}});
  const auto otherwise = [&](const std::string& answered, uint32_t table_oid = 5000) {
    std::vector<exchange::Answers> answers(1);
    answers[0].status = 'I';
    answers[0].statements = captured.statements;
    answers[0].statements[0].outcome.digest_unordered = 99;
    event::LaneOutcome& lane = answers[0].lanes.emplace_back();
    lane.columns = {{"balance", 5000, 2, 23, 0}, {"xmin", table_oid, event::kXminNumber, 28, 0}};
    if (table_oid == 0) lane.columns[1].type_oid = 23;
    lane.rows = answered;
    lane.rows_complete = true;
    return ReadOtherwise(captured, answers);
  };
  CHECK_FALSE(otherwise(rows({{"6", "800"}, {"5", "801"}})));
  CHECK(otherwise(rows({{"6", "700"}, {"6", "701"}})));
  CHECK(otherwise(rows({{"5", "800"}, {"6", "801"}}), 0));
}

TEST_CASE("a pattern that never answers as it did is soon left alone", "[replay]") {
  RereadBook book;
  int tries = 0;
  for (; book.Worthwhile(7) && tries < 100; ++tries) book.Note(7, false);
  CHECK(tries < 10);
  CHECK(book.Worthwhile(8));
  for (int i = 0; i < 100; ++i) {
    REQUIRE(book.Worthwhile(8));
    book.Note(8, i % 2 == 0);
  }
}

}  // namespace
}  // namespace scry::replay
