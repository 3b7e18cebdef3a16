// Limits of the tracker, and the promise that nothing is lost silently, over many random sessions.
#include <algorithm>
#include <string>

#include "base/random.h"
#include "exchange/exchange_tracker.h"
#include "support/catch.h"
#include "unit/exchange/transcript.h"

namespace scry::exchange {
namespace {

using event::GapReason;

TrackerLimits SmallLimits() {
  TrackerLimits limits;
  limits.exchange_bytes_max = 20000;
  limits.in_flight_bytes_max = 80000;
  limits.statements_max = 20;
  return limits;
}

void PieceByPiece(Session& t, uint8_t type, const std::string& payload, size_t step) {
  for (size_t at = 0; at < payload.size(); at += step) {
    const size_t count = std::min(step, payload.size() - at);
    t.tracker.OnFrontendPiece(type, static_cast<uint32_t>(payload.size()),
                              static_cast<uint32_t>(at), base::AsBytes(payload).subspan(at, count),
                              t.Tick());
  }
}

void CheckGoesOn(Session& t) {
  t.Query("select 1");
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"Q I; select 1#0@0 done SELECT 1"});
  const auto gaps = t.Gaps();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].reason == GapReason::kTooLarge);
  CHECK(gaps[0].exchanges == 1);
  CHECK(gaps[0].from_us > 0);
  CHECK(gaps[0].to_us > gaps[0].from_us);
  CHECK(t.Exchanges()[0].index == 1);
}

}  // namespace

TEST_CASE("an exchange over the limit is a gap with its bytes, and the next is recorded",
          "[exchange]") {
  Session t(SmallLimits());
  SECTION("a long query") {
    t.Query(std::string(30000, 'x'));
    t.Done("SELECT 1");
    t.Ready('I');
    CHECK(t.Gaps().at(0).bytes == 30001);
    CHECK(t.clock.acknowledged == 1);
    CheckGoesOn(t);
  }
  SECTION("much copy data") {
    t.Query("copy t from stdin");
    t.CopyIn();
    for (int i = 0; i < 1000; ++i) t.CopyData(std::string(100, 'x'));
    t.CopyDone();
    t.Done("COPY 1000");
    t.Ready('I');
    CHECK(t.Gaps().at(0).bytes == 100000 + 18);
    CheckGoesOn(t);
  }
  SECTION("many messages, each answered at once") {
    for (int i = 0; i < 500; ++i) {
      t.Run("select 1");
      t.RanOk("SELECT 1");
    }
    t.Sync();
    t.Ready('I');
    CheckGoesOn(t);
  }
  SECTION("many statements of one query") {
    t.Query("call many()");
    for (int i = 0; i < 30; ++i) t.Done("SELECT 1");
    t.Ready('I');
    CheckGoesOn(t);
  }
  SECTION("a message in pieces") {
    PieceByPiece(t, 'Q', std::string(50000, 'x') + '\0', 7000);
    t.Done("SELECT 1");
    t.Ready('I');
    CHECK(t.Gaps().at(0).bytes == 50001);
    CheckGoesOn(t);
  }
  SECTION("skipped after an error") {
    for (int i = 0; i < 200; ++i) t.Run("select 1");
    t.Sync();
    t.Error("42601");
    t.Ready('I');
    CheckGoesOn(t);
  }
}

TEST_CASE("a large exchange cut off is counted, also when all of it was answered", "[exchange]") {
  Session t(SmallLimits());
  for (int i = 0; i < 500; ++i) {
    t.Run("select 1");
    t.RanOk("SELECT 1");
  }
  t.Close();
  CHECK(t.Accounted() == 1);
  CHECK(t.list.All<event::SessionEnd>().at(0).exchanges == 1);
}

TEST_CASE("a message in pieces under the limit is recorded whole", "[exchange]") {
  Session t;
  const std::string text(100000, 'x');
  PieceByPiece(t, 'Q', CText(text), 30000);
  t.Done("SELECT 1");
  t.Ready('I');
  REQUIRE(t.Exchanges().size() == 1);
  CHECK(t.Exchanges()[0].statements[0].text == text);
  CHECK(t.Exchanges()[0].messages[0].head == CText(text));
  // Its stamp is that of its first byte: four ticks of the start, then this one.
  CHECK(t.Exchanges()[0].forwarded_us == 50);
}

TEST_CASE("messages without an answer do not grow without bound", "[exchange]") {
  TrackerLimits limits = SmallLimits();
  limits.messages_max = 1000;
  Session t(limits);
  for (int i = 0; i < 5000; ++i) t.CloseStatement("nobody");
  CHECK(t.tracker.phase() == ExchangeTracker::Phase::kQuiet);
  t.Close();
  CHECK(t.Accounted() == 1);
}

namespace {

// A server that answers what it is asked, with errors and COPY, some time later.
class RandomSession {
 public:
  explicit RandomSession(uint64_t seed) : random_(seed), t_(SmallLimits()) {}

  void Run() {
    const uint64_t exchanges = 1 + random_.Below(12);
    for (uint64_t i = 0; i < exchanges; ++i) {
      if (random_.Below(2) == 0) {
        AskSimple();
      } else {
        AskExtended();
      }
      while (!answers_.empty() && random_.Below(3) != 0) AnswerOne();
    }
    asked_ = exchanges;
    if (random_.Below(4) != 0) {
      while (!answers_.empty()) AnswerOne();
    }
    t_.Close();
    cut_off_ = static_cast<uint64_t>(
        std::count_if(answers_.begin(), answers_.end(), [](const auto& a) { return a[0] == 'Z'; }));
  }
  Session& transcript() { return t_; }
  uint64_t cut_off() const { return cut_off_; }
  uint64_t asked() const { return asked_; }
  uint64_t statements() const { return statements_; }

 private:
  void Say(char type, const std::string& payload = {}) {
    if (random_.Below(6) == 0) answers_.push_back("N" + ErrorPayload("NOTICE", "00000", "n"));
    answers_.push_back(type + payload);
  }
  void AnswerOne() {
    const std::string answer = answers_.front();
    answers_.erase(answers_.begin());
    t_.Server(static_cast<uint8_t>(answer[0]), std::string_view(answer).substr(1));
  }
  void SayRows() {
    Say('T', ColumnsPayload({"a"}));
    for (uint64_t i = random_.Below(4); i > 0; --i) Say('D', RowPayload({"x"}));
  }
  void SayError() { Say('E', ErrorPayload("ERROR", "22012", "failed")); }

  void AskSimple() {
    const bool large = random_.Below(10) == 0;
    t_.Query(large ? std::string(30000, 'q') : "select 1; select 2");
    if (random_.Below(8) == 0) {
      Say('I');
      Count(1);
    } else {
      for (uint64_t i = 1 + random_.Below(3); i > 0; --i) {
        SayRows();
        Say('C', CText("SELECT 1"));
        Count(1);
      }
      if (random_.Below(3) == 0) {
        SayError();
        Count(1);
      }
    }
    Say('Z', "I");
  }
  void AskExtended() {
    bool failed = false;
    for (uint64_t i = random_.Below(5); i > 0; --i) {
      // 0: nothing fails; 1 to 4: that step does.
      const uint64_t fails = random_.Below(10);
      t_.Parse("", "select " + std::to_string(i));
      Answer('1', fails == 1, failed);
      t_.Bind("", "");
      Answer('2', fails == 2, failed);
      if (random_.Below(2) == 0) {
        t_.DescribePortal("");
        Answer('n', fails == 3, failed);
      }
      t_.Execute("");
      Count(1);
      if (!failed && fails != 4) Say('D', RowPayload({"y"}));
      Answer('C', fails == 4, failed);
      if (random_.Below(4) == 0) t_.Flush();
    }
    t_.Sync();
    Say('Z', "I");
  }
  void Answer(char type, bool fails, bool& failed) {
    if (failed) return;
    if (fails) {
      SayError();
      failed = true;
    } else {
      Say(type, type == 'C' ? CText("SELECT 1") : std::string());
    }
  }
  void Count(uint64_t statements) { statements_ += statements; }

  base::Random random_;
  Session t_;
  std::vector<std::string> answers_;
  uint64_t asked_ = 0;
  uint64_t cut_off_ = 0;
  uint64_t statements_ = 0;
};

}  // namespace

TEST_CASE("exchanges recorded and in gaps are those answered and those cut off", "[exchange]") {
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    RandomSession session(seed);
    session.Run();
    Session& t = session.transcript();
    INFO("seed " << seed << " " << t.tracker.reason());
    REQUIRE(t.tracker.reason().empty());
    REQUIRE(t.ready_seen + session.cut_off() == session.asked());
    REQUIRE(t.Accounted() == session.asked());
    REQUIRE(t.list.All<event::SessionEnd>().at(0).exchanges == session.asked());
    if (session.cut_off() == 0 && t.Gaps().empty()) {
      uint64_t statements = 0;
      for (const auto& exchange : t.Exchanges()) statements += exchange.statements.size();
      REQUIRE(statements == session.statements());
    }
    for (const auto& exchange : t.Exchanges()) {
      REQUIRE(exchange.forwarded_us <= exchange.first_answer_us);
      REQUIRE(exchange.first_answer_us <= exchange.completed_us);
      base::Micros sum = 0;
      for (const auto& statement : exchange.statements) {
        REQUIRE(statement.message < exchange.messages.size());
        sum += statement.outcome.elapsed_us;
      }
      REQUIRE(sum <= exchange.completed_us - exchange.forwarded_us);
    }
  }
}

TEST_CASE("random messages never break the sums", "[exchange]") {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    base::Random random(seed);
    Session t(SmallLimits());
    const std::string asked = "PBDECQSFHdcfX";
    const std::string answered = "123tTnDCIsEZNGHdcV";
    uint64_t asks = 0;
    for (uint64_t i = random.Below(60); i > 0; --i) {
      std::string payload(random.Below(6), '\0');
      for (char& c : payload) c = static_cast<char>(random.Below(3) == 0 ? 'P' : 0);
      if (random.Below(2) == 0) {
        const char type = asked[random.Below(asked.size())];
        if (type == 'S' || type == 'Q' || type == 'F') ++asks;
        t.Client(static_cast<uint8_t>(type), payload);
      } else {
        const char type = answered[random.Below(answered.size())];
        if (type == 'Z') {
          t.Ready('I');
        } else {
          t.Server(static_cast<uint8_t>(type), payload);
        }
      }
    }
    t.Close();
    INFO("seed " << seed);
    const auto ends = t.list.All<event::SessionEnd>();
    REQUIRE(ends.size() == 1);
    REQUIRE(t.Accounted() == ends[0].exchanges);
    // One may be open at the end without having asked for ReadyForQuery.
    REQUIRE(t.Accounted() <= asks + t.ready_seen + 1);
    uint64_t index = 0;
    for (const auto& exchange : t.Exchanges()) {
      REQUIRE(exchange.index >= index);
      index = exchange.index + 1;
    }
  }
}

}  // namespace scry::exchange
