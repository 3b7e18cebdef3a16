#include "job/remedy_bench.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "support/catch.h"
#include "support/pg_server.h"

namespace scry::job {
namespace {

using Outcome = RemedyBench::Outcome;
using base::Micros;

constexpr Micros kPatienceUs = 60 * 1000000LL;

cause::Remedy Index(const std::string& made, const std::string& tail) {
  cause::Remedy remedy;
  remedy.kind = "index";
  remedy.made = "public." + made;
  remedy.steps = {{"CREATE INDEX " + made + " ON " + tail, "DROP INDEX public." + made}};
  return remedy;
}

class Bench {
 public:
  Bench() {
    server_.Exec("CREATE TABLE parts (id int, code text) PARTITION BY RANGE (id)");
    server_.Exec("CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (1000)");
    server_.Exec("INSERT INTO parts SELECT i, i FROM generate_series(0, 999) i");
    server_.Exec("CREATE INDEX parts_code_idx ON parts (code)");
    auto bench = RemedyBench::Open(server_.Info(), watch_);
    REQUIRE(bench.ok());
    bench_.emplace(std::move(bench).value());
  }
  Outcome Make(const cause::Remedy& remedy, Micros timeout_us = kPatienceUs) {
    const auto outcome = bench_->Make(remedy, timeout_us);
    REQUIRE(outcome.ok());
    return *outcome;
  }
  std::string Indexes() {
    return server_.Exec(
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN "
        "('i', 'I') AND relnamespace = 'public'::regnamespace");
  }
  RemedyBench& bench() { return *bench_; }
  test::PgServer& server() { return server_; }
  void Stop() { stopped_ = true; }

 private:
  test::PgServer server_;
  std::atomic<bool> stopped_ = false;
  const std::function<bool()> should_stop_ = [this] { return stopped_.load(); };
  const RunWatch watch_{0, should_stop_};
  std::optional<RemedyBench> bench_;
};

TEST_CASE("a remedy that cannot be made takes nothing away", "[job]") {
  Bench bench;
  const std::string before = bench.Indexes();
  REQUIRE(before == "parts_a_code_idx parts_code_idx");
  // Its name is taken.
  const cause::Remedy clash = Index("parts_code_idx", "parts (code)");
  CHECK(bench.Make(clash) == Outcome::kRefused);
  CHECK(bench.bench().Undo(clash).ok());
  CHECK(bench.bench().UndoAll().ok());
  CHECK(bench.Indexes() == before);
  // Its second step fails: the first one is undone.
  cause::Remedy half = Index("scry_fix", "parts (id)");
  half.steps.push_back({"ANALYZE nowhere", ""});
  CHECK(bench.Make(half) == Outcome::kRefused);
  CHECK(bench.Indexes() == before);
}

TEST_CASE("remedies are taken away one by one or all together", "[job]") {
  Bench bench;
  const std::string before = bench.Indexes();
  const cause::Remedy first = Index("scry_fix", "parts (id)");
  const cause::Remedy second = Index("scry_fix1", "parts_a (id, code)");
  CHECK(bench.Make(first) == Outcome::kMade);
  CHECK(bench.Make(second) == Outcome::kMade);
  const RemedyBench::Made made = bench.bench().LookAt(first);
  CHECK(made.indexes == std::set<std::string>{"scry_fix", "parts_a_id_idx"});
  CHECK(made.size_bytes > 0);
  CHECK(made.build_us > 0);
  CHECK(bench.bench().Undo(first).ok());
  CHECK(bench.Indexes() == before + " scry_fix1");
  CHECK(bench.bench().UndoAll().ok());
  CHECK(bench.Indexes() == before);
}

TEST_CASE("what takes too long is told, and what the run ends is broken off", "[job]") {
  Bench bench;
  const std::string before = bench.Indexes();
  cause::Remedy slow = Index("scry_fix", "parts (id)");
  slow.steps.push_back({"SELECT pg_sleep(30)", ""});
  CHECK(bench.Make(slow, 200 * 1000) == Outcome::kTooLong);
  CHECK(bench.Indexes() == before);

  const Micros began_us = base::SystemClock().MonotonicUs();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    bench.Stop();
  });
  CHECK_FALSE(bench.bench().Make(slow, kPatienceUs).ok());
  CHECK(base::SystemClock().MonotonicUs() - began_us < kPatienceUs / 4);
  CHECK(bench.Indexes() == before);
}

}  // namespace
}  // namespace scry::job
