#include "compare/taint_book.h"

#include <algorithm>

#include "base/random.h"
#include "compare/verdict.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

using event::StatementKind;

const std::vector<event::Column> kId = {Col("id", 23, 1)};
const std::vector<event::Column> kIdName = {Col("id", 23, 1), Col("name", 25, 2)};

event::StatementFacts Write(uint64_t fingerprint, std::string pattern,
                            std::vector<std::string> relations,
                            StatementKind kind = StatementKind::kInsert) {
  event::StatementFacts facts = Facts(fingerprint, std::move(pattern));
  facts.relations = std::move(relations);
  facts.kind = kind;
  facts.writes = true;
  return facts;
}

event::StatementFacts Read(uint64_t fingerprint, std::vector<std::string> relations) {
  event::StatementFacts facts = Facts(fingerprint, "select " + std::to_string(fingerprint));
  facts.relations = std::move(relations);
  return facts;
}

event::StatementPair In(event::StatementPair pair, char before, char after, uint64_t session = 1) {
  pair.lanes[0].transaction_status = static_cast<uint8_t>(before);
  pair.lanes[1].transaction_status = static_cast<uint8_t>(after);
  pair.session = event::SessionId{session};
  return pair;
}

event::StatementPair Idle(event::StatementPair pair) { return In(std::move(pair), 'I', 'I'); }

const auto kInsertOrders = Write(1, "INSERT INTO orders (id) VALUES ($1)", {"orders"});
const auto kInsertItems = Write(2, "INSERT INTO items (order_id) VALUES ($1)", {"items"});

event::StatementPair LostInsert() {
  return Idle(PairOf(Command("INSERT 0 1"), Failure("42703", "column \"x\" does not exist")));
}
event::StatementPair MissingRow() {
  return Idle(PairOf(Answer(kId, {{"1"}, {"2"}}), Answer(kId, {{"1"}})));
}

const Finding* FindPattern(const Verdict& verdict, uint64_t fingerprint) {
  const auto found =
      std::find_if(verdict.findings.begin(), verdict.findings.end(),
                   [&](const Finding& finding) { return finding.fingerprint == fingerprint; });
  return found == verdict.findings.end() ? nullptr : &*found;
}

TEST_CASE("the relation that a statement writes is read from its pattern", "[compare]") {
  CHECK(WrittenRelation(kInsertOrders) == "orders");
  CHECK(WrittenRelation(Write(1, "UPDATE ONLY shop.orders SET a = $1", {"shop.orders"},
                              StatementKind::kUpdate)) == "orders");
  CHECK(WrittenRelation(Write(1, "DELETE FROM \"Orders\" WHERE id = $1", {"Orders"},
                              StatementKind::kDelete)) == "Orders");
  CHECK(WrittenRelation(Write(1, "copy orders(id) from stdin", {"orders"},
                              StatementKind::kCopyIn)) == "orders");
  CHECK(WrittenRelation(Write(1, "WITH x AS (SELECT) INSERT INTO orders SELECT", {"orders"}))
            .empty());
  CHECK(WrittenRelation(Read(1, {"orders"})).empty());
  CHECK(WrittenRelation(Write(1, "", {})).empty());
}

TEST_CASE("later differences on a tainted relation are folded under the first cause", "[compare]") {
  PatternTable table;
  table.Put(LostInsert(), kInsertOrders);
  for (int i = 0; i < 3; ++i) table.Put(MissingRow(), Read(3, {"public.orders"}));
  table.Put(MissingRow(), Read(4, {"other"}));
  const Verdict verdict = Judge(table, {}, {});
  CHECK(verdict.result == VerdictResult::kRegressions);
  CHECK(verdict.sentence == "1 query breaks, 1 returns something else");
  CHECK(FindPattern(verdict, 3) == nullptr);
  CHECK(FindPattern(verdict, 4) != nullptr);
  const Finding* cause = FindPattern(verdict, 1);
  REQUIRE(cause != nullptr);
  CHECK(cause->reasons[1] ==
        "3 statements of 1 pattern that read or write the same rows later and differ follow from "
        "it");
  CHECK(cause->reasons[2] == "follows: select 3 (3 calls)");
}

TEST_CASE("what came before the cause, and what rows cannot explain, stands alone", "[compare]") {
  PatternTable table;
  table.Put(MissingRow(), Read(3, {"orders"}));
  table.Put(LostInsert(), kInsertOrders);
  table.Put(Idle(PairOf(Answer(kId, {{"1"}}), Failure("42703"))), Read(4, {"orders"}));
  table.Put(Idle(PairOf(Answer(kIdName, {{"1", "a"}}), Answer(kId, {{"1"}}))), Read(5, {"orders"}));
  const Verdict verdict = Judge(table, {}, {});
  for (const uint64_t pattern : {1U, 3U, 4U, 5U}) {
    CAPTURE(pattern);
    CHECK(FindPattern(verdict, pattern) != nullptr);
  }
}

TEST_CASE("nothing is folded under a cause that does not gate", "[compare]") {
  PatternTable table;
  table.Put(LostInsert(), kInsertOrders);
  table.Put(MissingRow(), Read(3, {"orders"}));
  Policy policy;
  policy.gate.error = false;
  const Verdict verdict = Judge(table, policy, {});
  CHECK(verdict.result == VerdictResult::kRegressions);
  REQUIRE(FindPattern(verdict, 3) != nullptr);
  CHECK(FindPattern(verdict, 3)->gates);
}

TEST_CASE("a transaction that only the candidate lost taints all it wrote", "[compare]") {
  PatternTable table;
  table.Put(In(PairOf(Command("INSERT 0 1"), Command("INSERT 0 1")), 'T', 'T'), kInsertOrders);
  table.Put(In(PairOf(Command("UPDATE 1"), Failure("42703")), 'T', 'E'),
            Write(6, "UPDATE stock SET n = $1", {"stock"}, StatementKind::kUpdate));
  auto rest = In(PairOf(Command("UPDATE 1"), Failure("25P02")), 'T', 'E');
  rest.counterfactual = true;
  table.Put(rest, Write(7, "UPDATE more SET n = $1", {"more"}, StatementKind::kUpdate));
  auto commit = Facts(8, "COMMIT");
  commit.kind = StatementKind::kCommit;
  table.Put(Idle(PairOf(Command("COMMIT"), Command("ROLLBACK"))), commit);
  // In another session: the parent row is missing.
  table.Put(In(PairOf(Command("INSERT 0 1"), Failure("23503")), 'I', 'I', 2), kInsertItems);
  table.Put(MissingRow(), Read(3, {"orders"}));
  const Verdict verdict = Judge(table, {}, {});
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].fingerprint == 6);
  const auto& reasons = verdict.findings[0].reasons;
  CHECK(std::count(reasons.begin(), reasons.end(),
                   "2 statements after it in the same transactions not weighed") == 1);
}

TEST_CASE("a transaction rolled back on both lanes taints nothing", "[compare]") {
  TaintBook book;
  const auto put = [&](const event::StatementPair& pair, const event::StatementFacts& facts) {
    return book.Add(pair, facts, JudgePair(pair, facts)).cause;
  };
  put(In(PairOf(Command("UPDATE 1"), Command("UPDATE 2")), 'T', 'T'),
      Write(1, "UPDATE orders SET a = $1", {"orders"}, StatementKind::kUpdate));
  CHECK(put(In(MissingRow(), 'T', 'T'), Read(3, {"orders"})) == 1);     // Its own session sees it.
  CHECK(put(In(MissingRow(), 'I', 'I', 2), Read(3, {"orders"})) == 0);  // Others do not yet.
  auto rollback = Facts(8, "ROLLBACK");
  rollback.kind = StatementKind::kRollback;
  put(Idle(PairOf(Command("ROLLBACK"), Command("ROLLBACK"))), rollback);
  CHECK(put(MissingRow(), Read(3, {"orders"})) == 0);
}

TEST_CASE("writes hand a taint on to what they write", "[compare]") {
  TaintBook book;
  const auto put = [&](const event::StatementPair& pair, const event::StatementFacts& facts) {
    return book.Add(pair, facts, JudgePair(pair, facts)).cause;
  };
  put(LostInsert(), kInsertOrders);
  put(Idle(PairOf(Command("INSERT 0 1"), Command("INSERT 0 1"))),
      Write(5, "INSERT INTO totals SELECT count(*) FROM orders", {"orders", "totals"}));
  CHECK(put(MissingRow(), Read(3, {"totals"})) == 1);
}

TEST_CASE("folding never changes the verdict", "[compare]") {
  base::Random random(31);
  for (int round = 0; round < 300; ++round) {
    PatternTable table;
    bool gates = false;
    for (int i = 0; i < 40; ++i) {
      const uint64_t pattern = 1 + random.Below(6);
      const bool write = pattern <= 3;
      const std::string relation = "t" + std::to_string(random.Below(2));
      event::StatementPair pair = Idle(PairOf(Command("UPDATE 1"), Command("UPDATE 1")));
      if (!write) pair = Idle(PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})));
      const bool differs = random.Below(8) == 0;
      if (differs && write) pair.lanes[1] = Command("UPDATE 2");
      if (differs && !write) pair.lanes[1] = Answer(kId, {});
      if (differs && random.Below(3) == 0) pair.lanes[1] = Failure("23505");
      gates = gates || differs;
      pair.lanes[1].transaction_status = 'I';
      table.Put(pair, write ? Write(pattern, "UPDATE " + relation + " SET a", {relation},
                                    StatementKind::kUpdate)
                            : Read(pattern, {relation}));
    }
    CHECK((Judge(table, {}, {}).result == VerdictResult::kRegressions) == gates);
  }
}

}  // namespace
}  // namespace scry::compare
