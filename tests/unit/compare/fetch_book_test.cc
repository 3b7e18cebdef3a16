#include "compare/fetch_book.h"

#include <string>
#include <utility>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/verdict.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

using event::CursorAct;
using event::StatementKind;

const std::vector<event::Column> kIdName = {Col("id", 23, 1), Col("name", 25, 2)};
constexpr uint64_t kQuery = 7;
constexpr uint64_t kFetch = 8;

event::StatementFacts QueryOf(std::vector<std::string> sort_keys) {
  event::StatementFacts facts = sort_keys.empty() ? Facts() : Ordered(std::move(sort_keys));
  facts.fingerprint = kQuery;
  return facts;
}

event::StatementFacts Cursor(CursorAct act, uint64_t rows = 0, bool onwards = true) {
  event::StatementFacts facts = Facts(kFetch, "fetch ? from c");
  facts.cursor.act = act;
  facts.cursor.name = "c";
  facts.cursor.rows = rows;
  facts.cursor.onwards = onwards;
  if (act == CursorAct::kClose) facts.kind = StatementKind::kSession;
  return facts;
}

event::StatementFacts Commit() {
  event::StatementFacts facts = Facts(9, "commit");
  facts.kind = StatementKind::kCommit;
  return facts;
}

// A session that fetches, and what the table makes of it.
class Fetcher {
 public:
  explicit Fetcher(FetchLimits limits = {}) : table({}, limits) {}

  void Declare(const event::StatementFacts& query, bool holds = false) {
    event::StatementFacts facts = query;
    facts.kind = StatementKind::kSession;
    facts.pattern = "declare c cursor for " + query.pattern;
    facts.cursor.act = CursorAct::kDeclare;
    facts.cursor.name = "c";
    facts.cursor.holds = holds;
    Put(PairOf(Command("DECLARE CURSOR"), Command("DECLARE CURSOR")), facts);
  }
  void Fetch(uint64_t rows, const Rows& baseline, const Rows& candidate) {
    Put(PairOf(Answer(kIdName, baseline), Answer(kIdName, candidate)),
        Cursor(CursorAct::kFetch, rows));
  }
  // `rows`: the limit of an Execute.
  void Execute(uint32_t rows, const Rows& baseline, const Rows& candidate,
               const event::StatementFacts& query, bool first = false) {
    event::StatementPair pair = PairOf(Answer(kIdName, baseline), Answer(kIdName, candidate));
    for (event::LaneOutcome& lane : pair.lanes) {
      if (rows == 0 || lane.outcome.rows < rows) continue;
      lane.outcome.status = event::OutcomeStatus::kSuspended;
      lane.outcome.tag.clear();
    }
    pair.captured = pair.lanes[0].outcome;
    pair.portal = event::PortalPart{"", rows, first};
    Put(std::move(pair), query);
  }
  void Close() {
    Put(PairOf(Command("CLOSE CURSOR"), Command("CLOSE CURSOR")), Cursor(CursorAct::kClose));
  }
  void End() { Put(PairOf(Command("COMMIT"), Command("COMMIT")), Commit(), 'I'); }

  void Put(event::StatementPair pair, const event::StatementFacts& facts, char status = 'T') {
    pair.exchange = ++exchange;
    pair.session = event::SessionId{session};
    for (event::LaneOutcome& lane : pair.lanes) {
      lane.transaction_status = static_cast<uint8_t>(status);
    }
    if (control) {
      pair.lanes.push_back(pair.lanes.front());
    }
    table.Put(pair, facts);
  }

  // Of the worst difference of a pattern; kNone: it has none that weighs.
  DifferenceKind Worst(uint64_t fingerprint = kQuery) const {
    const PatternStats* stats = table.Find(fingerprint);
    if (stats == nullptr) return DifferenceKind::kNone;
    for (const auto& [kind, counts] : stats->differences) {
      if (counts.weights.sum() > 0) return kind;
    }
    return DifferenceKind::kNone;
  }
  uint64_t Excused(Excuse excuse) const {
    const auto found = table.totals().excuses.find(excuse);
    return found == table.totals().excuses.end() ? 0 : found->second;
  }
  bool Gates() const { return Judge(table, {}, {}).result == VerdictResult::kRegressions; }

  PatternTable table;
  uint64_t session = 1;
  uint64_t exchange = 0;
  bool control = false;
};

const Rows kOne = {{"1", "a"}, {"2", "b"}};
const Rows kTwo = {{"3", "c"}, {"4", "d"}};

TEST_CASE("a cursor fetched to its end may give its rows in any order", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({}));
  fetcher.Fetch(2, kOne, kTwo);
  fetcher.Fetch(2, kTwo, kOne);
  fetcher.Fetch(2, {}, {});
  fetcher.Close();
  fetcher.End();
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
  CHECK(fetcher.Worst(kFetch) == DifferenceKind::kNone);
  CHECK(fetcher.table.totals().excuses.empty());
  CHECK(fetcher.table.totals().compared == fetcher.table.totals().statements);
  CHECK_FALSE(fetcher.Gates());
}

TEST_CASE("another value in a cursor fetched to its end is told once, of its query", "[compare]") {
  Fetcher fetcher;
  fetcher.control = GENERATE(false, true);
  fetcher.Declare(QueryOf({}));
  fetcher.Fetch(2, kOne, kTwo);
  fetcher.Fetch(2, kTwo, {{"1", "a"}, {"2", "other"}});
  fetcher.Fetch(2, {}, {});
  CHECK(fetcher.Worst() == DifferenceKind::kValues);
  CHECK(fetcher.Worst(kFetch) == DifferenceKind::kNone);
  const PatternStats* stats = fetcher.table.Find(kQuery);
  REQUIRE(stats != nullptr);
  CHECK(stats->differences.at(DifferenceKind::kValues).count == 1);
  CHECK(stats->differences.at(DifferenceKind::kValues).example.exchange == 1);
  CHECK(stats->compared == 1);
  fetcher.End();
  CHECK(fetcher.Gates());
}

TEST_CASE("rows that are missing from a whole are counted over all its parts", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({}));
  fetcher.Fetch(2, kOne, kOne);
  fetcher.Fetch(2, kTwo, {{"3", "c"}});
  fetcher.Fetch(2, {}, {});
  fetcher.Close();
  REQUIRE(fetcher.Worst() == DifferenceKind::kRows);
  const Example& example =
      fetcher.table.Find(kQuery)->differences.at(DifferenceKind::kRows).example;
  CHECK(example.detail == "3 rows returned instead of 4");
  CHECK(example.baseline_rows == 4);
  CHECK(example.candidate_rows == 3);
}

TEST_CASE("a cursor fetched in part is as LIMIT: other rows need an order to be wrong",
          "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({}));
  fetcher.Fetch(2, kOne, kTwo);
  SECTION("closed") { fetcher.Close(); }
  SECTION("the transaction ends") { fetcher.End(); }
  SECTION("the capture ends") { fetcher.table.EndSessions(); }
  SECTION("it is declared anew") { fetcher.Declare(QueryOf({})); }
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
  CHECK(fetcher.Excused(Excuse::kLimitUnordered) == 1);
}

TEST_CASE("the same key with other values is wrong in a part as well", "[compare]") {
  Fetcher fetcher;
  event::StatementFacts query = QueryOf({});
  query.relations = {"t"};
  fetcher.Declare(query);
  fetcher.Fetch(2, kOne, {{"1", "a"}, {"2", "other"}});
  fetcher.Close();
  CHECK(fetcher.Worst() == DifferenceKind::kValues);
}

TEST_CASE("a total order holds in every part", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({"id"}));
  fetcher.Fetch(2, kOne, kTwo);
  SECTION("fetched in part") {
    fetcher.Close();
    CHECK(fetcher.Worst() == DifferenceKind::kValues);
  }
  SECTION("fetched to its end") {
    fetcher.Fetch(2, kTwo, kOne);
    fetcher.Fetch(2, {}, {});
    CHECK(fetcher.Worst() == DifferenceKind::kOrder);
  }
}

TEST_CASE("ties may lie on either side of where a part ends", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({"name"}));
  fetcher.Fetch(2, {{"1", "a"}, {"2", "b"}}, {{"1", "a"}, {"3", "b"}});
  SECTION("to the end") {
    fetcher.Fetch(2, {{"3", "b"}, {"4", "c"}}, {{"2", "b"}, {"4", "c"}});
    fetcher.Fetch(2, {}, {});
    CHECK(fetcher.table.totals().excuses.empty());
  }
  SECTION("in part") {
    fetcher.Close();
    CHECK(fetcher.Excused(Excuse::kTiesAtLimit) == 1);
  }
  SECTION("but not behind rows that came later") {
    fetcher.Fetch(2, {{"4", "c"}, {"5", "d"}}, {{"4", "c"}, {"5", "d"}});
    fetcher.Close();
    CHECK(fetcher.Worst() == DifferenceKind::kValues);
    return;
  }
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
}

TEST_CASE("what a MOVE leaves out is as behind an OFFSET", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({"name"}));
  fetcher.Put(PairOf(Command("MOVE 1"), Command("MOVE 1")), Cursor(CursorAct::kMove, 1));
  fetcher.Fetch(2, {{"1", "a"}, {"3", "b"}}, {{"2", "a"}, {"3", "b"}});
  fetcher.Fetch(2, {}, {});
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
  CHECK(fetcher.Excused(Excuse::kTiesAtLimit) == 1);
}

TEST_CASE("rows fetched backwards are judged by themselves", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({"id"}));
  fetcher.Fetch(2, kOne, kOne);
  const Rows back = {{"1", "a"}};
  const Rows other = {{"1", "z"}};
  fetcher.Put(PairOf(Answer(kIdName, back), Answer(kIdName, other)),
              Cursor(CursorAct::kFetch, 0, /*onwards=*/false));
  CHECK(fetcher.Worst() == DifferenceKind::kValues);
}

TEST_CASE("a cursor that nobody declared is put together all the same", "[compare]") {
  Fetcher fetcher;
  fetcher.Fetch(2, kOne, kTwo);
  fetcher.Fetch(2, kTwo, kOne);
  SECTION("equal") {
    fetcher.Fetch(2, {}, {});
    CHECK(fetcher.Worst(kFetch) == DifferenceKind::kNone);
  }
  SECTION("another row") {
    fetcher.Fetch(2, {{"5", "e"}}, {{"6", "f"}});
    CHECK(fetcher.Worst(kFetch) == DifferenceKind::kValues);
    CHECK(fetcher.table.Find(kFetch)->compared == 1);
  }
}

TEST_CASE("a cursor WITH HOLD outlives its transaction", "[compare]") {
  Fetcher fetcher;
  const bool holds = GENERATE(false, true);
  fetcher.Declare(QueryOf({}), holds);
  fetcher.Fetch(2, kOne, kTwo);
  fetcher.End();
  CHECK(fetcher.Excused(Excuse::kLimitUnordered) == (holds ? 0 : 1));
  if (!holds) return;
  fetcher.Fetch(2, kTwo, kOne);
  fetcher.Fetch(2, {}, {});
  CHECK(fetcher.Excused(Excuse::kLimitUnordered) == 0);
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
}

TEST_CASE("a portal executed to its end may give its rows in any order", "[compare]") {
  Fetcher fetcher;
  const auto query = QueryOf({});
  fetcher.Execute(2, kOne, kTwo, query, /*first=*/true);
  CHECK(fetcher.table.Find(kQuery)->compared == 0);
  SECTION("the same rows") {
    fetcher.Execute(2, kTwo, kOne, query);
    fetcher.Execute(2, {}, {}, query);
    CHECK(fetcher.Worst() == DifferenceKind::kNone);
    CHECK_FALSE(fetcher.Gates());
  }
  SECTION("the rest at once") {
    fetcher.Execute(0, kTwo, kOne, query);
    CHECK(fetcher.Worst() == DifferenceKind::kNone);
  }
  SECTION("another row") {
    fetcher.Execute(2, kTwo, {{"1", "a"}, {"2", "other"}}, query);
    fetcher.Execute(2, {}, {}, query);
    CHECK(fetcher.Worst() == DifferenceKind::kValues);
    CHECK(fetcher.Gates());
  }
  CHECK(fetcher.table.Find(kQuery)->compared == 1);
}

TEST_CASE("a portal bound anew, or whose transaction is over, was executed in part", "[compare]") {
  Fetcher fetcher;
  const auto query = QueryOf({});
  fetcher.Execute(2, kOne, kTwo, query, /*first=*/true);
  SECTION("bound anew") { fetcher.Execute(2, {}, {}, query, /*first=*/true); }
  SECTION("another exchange without a transaction") {
    fetcher.Put(PairOf(Command("LISTEN"), Command("LISTEN")), Facts(5), 'I');
    fetcher.Put(PairOf(Command("LISTEN"), Command("LISTEN")), Facts(5), 'I');
  }
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
  CHECK(fetcher.Excused(Excuse::kLimitUnordered) == 1);
}

TEST_CASE("of a query without order that is asked for one row there is but one", "[compare]") {
  Fetcher fetcher;
  fetcher.Execute(1, {{"1", "a"}}, {{"1", "other"}}, QueryOf({}), /*first=*/true);
  fetcher.End();
  CHECK(fetcher.Worst() == DifferenceKind::kValues);
}

TEST_CASE("a part that fails is judged by itself, and ends the whole", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({}));
  fetcher.Fetch(2, kOne, kTwo);
  fetcher.Put(PairOf(Answer(kIdName, kTwo), Failure("22012")), Cursor(CursorAct::kFetch, 2));
  CHECK(fetcher.Worst(kFetch) == DifferenceKind::kError);
  CHECK(fetcher.Excused(Excuse::kLimitUnordered) == 1);
}

TEST_CASE("sessions do not share cursors", "[compare]") {
  Fetcher fetcher;
  for (const uint64_t session : {1U, 2U}) {
    fetcher.session = session;
    fetcher.Declare(QueryOf({}));
  }
  fetcher.Fetch(4, kOne, kTwo);
  fetcher.session = 1;
  fetcher.Fetch(4, kTwo, kOne);
  CHECK(fetcher.table.Find(kQuery)->differences.at(DifferenceKind::kValues).count == 2);
}

TEST_CASE("production is held against the whole as well", "[compare]") {
  Fetcher fetcher;
  fetcher.Declare(QueryOf({}));
  for (const auto& [lanes, captured] : {std::pair(kOne, kTwo), std::pair(kTwo, kOne)}) {
    event::StatementPair pair = PairOf(Answer(kIdName, lanes), Answer(kIdName, lanes));
    pair.captured = Answer(kIdName, captured).outcome;
    fetcher.Put(std::move(pair), Cursor(CursorAct::kFetch, 2));
  }
  fetcher.Fetch(2, {}, {});
  CHECK(fetcher.table.totals().fidelity.lost_in_all() == 0);
  CHECK(fetcher.table.totals().fidelity.judged == 2);  // The DECLARE and the whole.
}

TEST_CASE("what is open is bounded, and what is over the bounds is told", "[compare]") {
  FetchLimits limits;
  limits.cursors_per_session = 1;
  Fetcher fetcher(limits);
  fetcher.Declare(QueryOf({}));
  fetcher.Execute(2, kOne, kTwo, QueryOf({}), /*first=*/true);
  CHECK(fetcher.table.totals().parts_alone == 1);
  CHECK(fetcher.Worst() == DifferenceKind::kValues);
}

TEST_CASE("of a whole with too many values the digests are compared", "[compare]") {
  FetchLimits limits;
  limits.bytes_per_cursor = 16;
  const bool same = GENERATE(true, false);
  Fetcher fetcher(limits);
  fetcher.Declare(QueryOf({}));
  fetcher.Fetch(2, kOne, kTwo);
  fetcher.Fetch(2, kTwo, same ? kOne : Rows{{"1", "a"}, {"2", "z"}});
  fetcher.Fetch(2, {}, {});
  CHECK(fetcher.Worst() == (same ? DifferenceKind::kNone : DifferenceKind::kValues));
}

TEST_CASE("numbers of another scale are equal in every part, however many there are", "[compare]") {
  const std::vector<event::Column> price = {Col("price", 1700)};
  FetchLimits limits;
  limits.bytes_per_cursor = 16;
  Fetcher fetcher(limits);
  fetcher.Declare(QueryOf({}));
  for (int i = 0; i < 3; ++i) {
    fetcher.Put(PairOf(Kept(price, {{"1.50"}, {"2.50"}}), Kept(price, {{"1.5000"}, {"2.5000"}})),
                Cursor(CursorAct::kFetch, 2));
  }
  fetcher.Put(PairOf(Answer(price, {}), Answer(price, {})), Cursor(CursorAct::kFetch, 2));
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
  CHECK(fetcher.Excused(Excuse::kEqualByValue) == 1);
}

TEST_CASE("a column that came with the migration is told once of a cursor", "[compare]") {
  const std::vector<event::Column> grown = {Col("id", 23, 1), Col("name", 25, 2),
                                            Col("new", 25, 3)};
  Fetcher fetcher;
  fetcher.Declare(QueryOf({}));
  fetcher.Put(PairOf(Answer(kIdName, kOne), Answer(grown, {{"3", "c", "x"}, {"4", "d", "x"}})),
              Cursor(CursorAct::kFetch, 2));
  fetcher.Put(PairOf(Answer(kIdName, kTwo), Answer(grown, {{"1", "a", "x"}, {"2", "b", "x"}})),
              Cursor(CursorAct::kFetch, 2));
  fetcher.Put(PairOf(Answer(kIdName, {}), Answer(grown, {})), Cursor(CursorAct::kFetch, 2));
  CHECK(fetcher.Worst() == DifferenceKind::kNone);
  CHECK(fetcher.table.Find(kQuery)->differences.at(DifferenceKind::kColumnsAdded).count == 1);
}

TEST_CASE("nothing of what has ended is kept", "[compare]") {
  FetchBook book;
  std::vector<FetchedWhole> ended;
  event::StatementPair pair = PairOf(Answer(kIdName, kOne), Answer(kIdName, kTwo));
  for (int i = 0; i < 3; ++i) {
    pair.session = event::SessionId{static_cast<uint64_t>(i + 1)};
    CHECK(book.Add(pair, Cursor(CursorAct::kFetch, 2), ended) == FetchBook::Part::kOfPortal);
  }
  CHECK(book.open() == 3);
  CHECK(book.bytes() > 0);
  book.EndAll(ended);
  CHECK(ended.size() == 3);
  CHECK(book.open() == 0);
  CHECK(book.bytes() == 0);
}

}  // namespace
}  // namespace scry::compare
