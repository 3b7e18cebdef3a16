#include "compare/taint_book.h"

#include <algorithm>
#include <map>

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

const std::string kBrokenKey =
    "insert or update on table \"items\" violates foreign key constraint \"items_order_id_fkey\"";

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
  CHECK(WrittenRelation(Write(1, "INSERT INTO Orders (a) VALUES ($1)", {"orders"})) == "orders");
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
  CHECK(cause->reasons[1] == "3 later differences in 1 pattern follow from it");
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

TEST_CASE("nothing is folded under a cause that a rule hides", "[compare]") {
  PatternTable table;
  table.Put(LostInsert(), kInsertOrders);
  table.Put(MissingRow(), Read(3, {"orders"}));
  Policy policy;
  policy.ignore = {{"", "broken-0000000000000001", "accepted", std::nullopt, "scry.yaml:1"}};
  const Verdict verdict = Judge(table, policy, {});
  CHECK(verdict.result == VerdictResult::kRegressions);
  REQUIRE(FindPattern(verdict, 3) != nullptr);
  CHECK(FindPattern(verdict, 3)->gates);
  CHECK(FindPattern(verdict, 1)->type == FindingClass::kIgnored);
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
  table.Put(In(PairOf(Command("INSERT 0 1"), Failure("23503", kBrokenKey)), 'I', 'I', 2),
            kInsertItems);
  table.Put(MissingRow(), Read(3, {"orders"}));
  const Verdict verdict = Judge(table, {}, {});
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].fingerprint == 6);
  const auto& reasons = verdict.findings[0].reasons;
  CHECK(std::count(reasons.begin(), reasons.end(),
                   "2 statements that followed in the same transactions not weighed") == 1);
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

TEST_CASE("a broken foreign key follows from the relation in its name, and from no other",
          "[compare]") {
  TaintBook book;
  const auto put = [&](const event::StatementPair& pair, const event::StatementFacts& facts) {
    return book.Add(pair, facts, JudgePair(pair, facts)).cause;
  };
  const auto broken = [](const std::string& message) {
    return Idle(PairOf(Command("INSERT 0 1"), Failure("23503", message)));
  };
  put(LostInsert(), kInsertOrders);
  const std::string insert = "insert or update on table \"items\" violates foreign key constraint ";
  CHECK(put(broken(insert + "\"items_product_id_fkey\""), kInsertItems) == 0);
  CHECK(put(broken(insert + "\"items_order_id_fkey\""), Write(5, "INSERT INTO lines", {})) == 1);
  const auto erase = Write(6, "DELETE FROM people", {"people"}, StatementKind::kDelete);
  const std::string remove =
      "update or delete on table \"people\" violates foreign key constraint \"k\" on table ";
  CHECK(put(broken(remove + "\"carts\""), erase) == 0);
  CHECK(put(broken(remove + "\"orders\""),
            Write(7, "DELETE FROM clients", {"clients"}, StatementKind::kDelete)) == 1);
  CHECK(put(broken("it failed"), Write(8, "INSERT INTO x", {"x"})) == 0);
}

TEST_CASE("a finding that stands beside what is folded shows its own example", "[compare]") {
  PatternTable table;
  const auto update = Write(5, "UPDATE orders SET a = $1", {"orders"}, StatementKind::kUpdate);
  table.Put(LostInsert(), kInsertOrders);
  table.Put(Idle(PairOf(Command("UPDATE 1"), Failure("23505"))), update);
  table.Put(Idle(PairOf(Command("UPDATE 1"), Failure("42703", "column \"b\" does not exist"))),
            update);
  const Verdict verdict = Judge(table, {}, {});
  const Finding* finding = FindPattern(verdict, 5);
  REQUIRE(finding != nullptr);
  CHECK(finding->sqlstate == "42703");
  CHECK(finding->affected == 1);
}

// One pair of a random history: writes and reads of a few relations by one session, in which
// the candidate and, more rarely, the control lane go their own ways.
void PutRandom(base::Random& random, uint64_t relations, std::vector<PatternTable*> tables) {
  const uint64_t pattern = 1 + random.Below(6);
  const bool write = pattern <= 3;
  const std::string relation = "t" + std::to_string(random.Below(relations));
  const auto same = [&] { return write ? Command("UPDATE 1") : Answer(kIdName, {{"1", "a"}}); };
  event::StatementPair pair = Idle(PairOf(same(), same()));
  pair.lanes.push_back(same());
  for (const size_t lane : {size_t{1}, size_t{2}}) {
    if (random.Below(lane == 1 ? 3 : 15) != 0) continue;
    const uint64_t way = random.Below(4);
    pair.lanes[lane] = write ? Command("UPDATE 2") : Answer(kIdName, {});
    if (way == 0) pair.lanes[lane] = Failure("23505");
    if (way == 1 && !write) pair.lanes[lane] = Answer(kIdName, {{"1", "b"}});
    if (way == 2 && !write) pair.lanes[lane] = Answer(kIdName, {{"2", "a"}});
  }
  for (event::LaneOutcome& lane : pair.lanes) lane.transaction_status = 'I';
  const auto facts =
      write ? Write(pattern, "UPDATE " + relation + " SET a", {relation}, StatementKind::kUpdate)
            : Read(pattern, {relation});
  for (PatternTable* table : tables) table->Put(pair, facts);
}

TEST_CASE("folding never changes the verdict", "[compare]") {
  base::Random random(31);
  PatternTableLimits none;
  none.causes = 0;
  uint64_t folded = 0;
  std::map<VerdictResult, uint64_t> results;
  for (int round = 0; round < 2000; ++round) {
    PatternTable table;
    PatternTable alone(none);
    const bool few = round % 2 == 0;
    const uint64_t pairs = 2 + random.Below(few ? 8 : 100);
    for (uint64_t i = 0; i < pairs; ++i) PutRandom(random, few ? 1 : 2, {&table, &alone});
    Policy policy;
    policy.gate.error = random.Below(2) == 0;
    policy.gate.result = random.Below(4) != 0;
    if (random.Below(2) == 0) {
      const std::string hidden = event::FingerprintText(1 + random.Below(few ? 3 : 8));
      policy.ignore = {{hidden, "", "accepted", std::nullopt, "scry.yaml:1"}};
    }
    const Verdict with = Judge(table, policy, {});
    const Verdict without = Judge(alone, policy, {});
    CHECK(with.result == without.result);
    ++results[with.result];
    folded += with.sentence != without.sentence ? 1U : 0U;
  }
  CHECK(folded > 100);
  CHECK(results[VerdictResult::kRegressions] > 100);
  CHECK(results[VerdictResult::kSafe] > 100);
}

}  // namespace
}  // namespace scry::compare
