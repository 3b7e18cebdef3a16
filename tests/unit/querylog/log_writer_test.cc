#include "querylog/log_writer.h"

#include <chrono>
#include <map>
#include <thread>

#include "support/catch.h"
#include "unit/querylog/capture_fixture.h"

namespace scry::querylog {
namespace {

using event::GapReason;
using event::SessionId;
using test::CaptureFixture;
using test::Count;
using test::Dump;
using test::Events;

// Until `done`, or for so long that a test which needs it has failed anyway.
template <typename Done>
bool WaitFor(Done done) {
  for (int i = 0; i < 20000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

TEST_CASE_METHOD(CaptureFixture, "what is put is what is read, in its order", "[querylog]") {
  options_.block_bytes = 4000;
  options_.segment_bytes = 20000;
  Events events = test::RandomEvents(11, 500);
  Write(events);
  CHECK(Dump(Read()) == Dump(events));
  CHECK(write_stats_.events == events.size());
  CHECK(write_stats_.segments > 2);
  CHECK(write_stats_.last_error.empty());
}

TEST_CASE_METHOD(CaptureFixture, "a clean end seals every segment and states the totals",
                 "[querylog]") {
  options_.segment_bytes = 3000;
  options_.block_bytes = 1000;
  Write(test::SmallExchanges(300));
  uint64_t bytes = 0;
  for (const auto& [path, content] : disk_.Contents()) {
    CHECK(path.find(".open") == std::string::npos);
    CHECK(path.find(".tmp") == std::string::npos);
    if (path.find(".scryseg") != std::string::npos) bytes += content.size();
  }
  const VerifyReport report = Verify();
  CHECK(report.ok());
  CHECK(report.notes.empty());
  CHECK(report.manifest.sealed);
  CHECK(report.manifest.totals.exchanges == 300);
  CHECK(report.manifest.totals.stored_bytes == bytes);
  CHECK(report.manifest.totals.segments == write_stats_.segments);
  CHECK(write_stats_.bytes_written == bytes);
}

TEST_CASE_METHOD(CaptureFixture, "a capture without events is whole", "[querylog]") {
  Write({});
  CHECK(Read().empty());
  CHECK(Verify().ok());
}

TEST_CASE_METHOD(CaptureFixture, "a directory that holds a capture is refused", "[querylog]") {
  Write({});
  auto second = LogWriter::Create("capture", facts_, options_);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == base::ErrorCode::kUsage);
  CHECK(second.error().message ==
        "capture already holds a capture: choose another directory or remove it first");
}

TEST_CASE_METHOD(CaptureFixture, "a capture id is drawn when none is given", "[querylog]") {
  facts_.capture_id.clear();
  const auto writer = Create();
  CHECK(ParseCaptureId(writer->manifest().capture_id).has_value());
}

TEST_CASE_METHOD(CaptureFixture, "events reach the file without more events and without a close",
                 "[querylog]") {
  options_.flush_us = 1000;
  const auto writer = Create();
  for (const auto& event : test::SmallExchanges(3)) writer->Put(event);
  REQUIRE(WaitFor([&] { return writer->stats().events == 3; }));
  // A reader beside the writer sees them, and that the end is missing.
  const Events events = Read();
  REQUIRE(events.size() == 4);
  CHECK(std::get<event::Gap>(events[3]).reason == GapReason::kTorn);
  CHECK(writer->Close().ok());
  CHECK(Read().size() == 3);
}

TEST_CASE_METHOD(CaptureFixture, "a full queue loses exchanges into gaps that add up, per session",
                 "[querylog]") {
  options_.queue_bytes = 20000;
  options_.block_bytes = 1;  // The writer is slow: one block per event.
  options_.compression_level = 12;
  std::map<SessionId, uint64_t> put;
  auto writer = Create();
  for (const auto& event : test::SmallExchanges(20000, 5)) {
    ++put[event::SessionOf(event)];
    writer->Put(event);
  }
  REQUIRE(writer->Close().ok());
  const Events events = Read();
  std::map<SessionId, uint64_t> got;
  std::map<SessionId, uint64_t> next_index;
  for (const auto& event : events) {
    const SessionId session = event::SessionOf(event);
    if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
      // The gap stands between the exchanges it parts.
      REQUIRE(exchange->index == next_index[session]);
      ++got[session];
      ++next_index[session];
    } else if (const auto* gap = std::get_if<event::Gap>(&event)) {
      CHECK(gap->reason == GapReason::kQueueFull);
      CHECK(gap->bytes > 0);
      got[session] += gap->exchanges;
      next_index[session] += gap->exchanges;
    }
  }
  CHECK(got == put);
  CHECK(Count(events).lost > 0);
  CHECK(writer->stats().exchanges_lost == Count(events).lost);
  CHECK(Verify().ok());
}

TEST_CASE_METHOD(CaptureFixture,
                 "a full disk that gets space again loses nothing the queue can hold",
                 "[querylog]") {
  options_.flush_us = 1000;
  auto writer = Create();
  const Events events = test::SmallExchanges(200);
  for (size_t i = 0; i < 100; ++i) writer->Put(events[i]);
  REQUIRE(WaitFor([&] { return writer->stats().events == 100; }));
  disk_.SetSpace(40);
  for (size_t i = 100; i < 150; ++i) writer->Put(events[i]);
  REQUIRE(WaitFor([&] { return writer->stats().failing; }));
  CHECK(writer->stats().last_error == "write capture/000001.scryseg.open: No space left on device");
  for (size_t i = 150; i < 200; ++i) writer->Put(events[i]);
  disk_.SetSpace(scry::test::FakeFiles::kUnlimited);
  REQUIRE(WaitFor([&] { return writer->stats().events == 200; }));
  CHECK_FALSE(writer->stats().failing);
  REQUIRE(writer->Close().ok());
  CHECK(Dump(Read()) == Dump(events));
  CHECK(Verify().ok());
}

TEST_CASE_METHOD(
    CaptureFixture,
    "a disk full for longer than the queue lasts leaves a gap \"write failed\" that adds up",
    "[querylog]") {
  options_.flush_us = 1000;
  options_.queue_bytes = 20000;
  disk_.SetSpace(2000);
  auto writer = Create();
  writer->Put(test::SmallExchange(9, 0, 1));
  disk_.SetSpace(0);
  writer->Put(test::SmallExchange(9, 1, 2));
  REQUIRE(WaitFor([&] { return writer->stats().failing; }));
  const Events events = test::SmallExchanges(1000);
  for (const auto& event : events) writer->Put(event);
  CHECK(writer->stats().exchanges_lost > 0);
  disk_.SetSpace(scry::test::FakeFiles::kUnlimited);
  // The gap is recorded without waiting for more traffic.
  REQUIRE(WaitFor([&] { return writer->stats().gaps > 0; }));
  REQUIRE(writer->Close().ok());
  const Events read = Read();
  CHECK(Count(read).exchanges + Count(read).lost == 1002);
  for (const auto& event : read) {
    if (const auto* gap = std::get_if<event::Gap>(&event)) {
      CHECK(gap->reason == GapReason::kWriteFailed);
    }
  }
  CHECK(Verify().ok());
}

TEST_CASE_METHOD(CaptureFixture, "a disk that stays full is told by Close, with counts that add up",
                 "[querylog]") {
  options_.block_bytes = 1000;
  disk_.SetSpace(3000);
  auto writer = Create();
  for (const auto& event : test::SmallExchanges(1000)) writer->Put(event);
  const auto closed = writer->Close();
  REQUIRE_FALSE(closed.ok());
  const auto stats = writer->stats();
  CHECK(stats.exchanges + stats.exchanges_lost == 1000);
  CHECK(closed.error().message.find(std::to_string(stats.exchanges_lost) +
                                    " exchanges were lost; what was written can be read: ") !=
        std::string::npos);
  const Events events = Read();
  REQUIRE(events.size() == stats.exchanges + 1);
  CHECK(std::get<event::Gap>(events.back()).reason == GapReason::kTorn);
  const VerifyReport report = Verify();
  CHECK(report.ok());
  CHECK_FALSE(report.manifest.sealed);
}

TEST_CASE_METHOD(CaptureFixture,
                 "a segment that cannot be cut back is left, and the next one goes on",
                 "[querylog]") {
  options_.flush_us = 1000;
  auto writer = Create();
  writer->Put(test::SmallExchange(1, 0, 1));
  REQUIRE(WaitFor([&] { return writer->stats().events == 1; }));
  disk_.FailTruncates(true);
  disk_.SetSpace(50);
  writer->Put(test::SmallExchange(1, 1, 2));
  REQUIRE(WaitFor([&] { return writer->stats().failing; }));
  disk_.SetSpace(scry::test::FakeFiles::kUnlimited);
  REQUIRE(WaitFor([&] { return writer->stats().events == 2; }));
  REQUIRE(writer->Close().ok());
  const Events events = Read();
  CHECK(Count(events).exchanges == 2);
  CHECK(Count(events).gaps >= 1);  // The torn end of the first segment.
  CHECK(disk_.Has("capture/000001.scryseg.open"));
}

TEST_CASE_METHOD(CaptureFixture, "a failing fsync is told and loses nothing that was written",
                 "[querylog]") {
  options_.flush_us = 1000;
  options_.sync_us = 1000;
  auto writer = Create();
  disk_.FailSyncs(true);
  for (const auto& event : test::SmallExchanges(5)) writer->Put(event);
  REQUIRE(WaitFor([&] { return !writer->stats().last_error.empty(); }));
  CHECK_FALSE(writer->Close().ok());
  CHECK(Count(Read()).exchanges == 5);
}

TEST_CASE_METHOD(CaptureFixture, "an exchange over the limit of a block becomes a gap of one",
                 "[querylog]") {
  auto huge = std::get<event::Exchange>(test::SmallExchange(4, 0, 50));
  huge.messages[0].values = std::string(kEventBytesMax, 'x');
  Write({huge, test::SmallExchange(4, 1, 60)});
  const Events events = Read();
  REQUIRE(events.size() == 2);
  const auto& gap = std::get<event::Gap>(events[0]);
  CHECK(gap.reason == GapReason::kTooLarge);
  CHECK(gap.exchanges == 1);
  CHECK(gap.session == SessionId{4});
  CHECK(gap.bytes == huge.messages[0].size() + 5);
}

TEST_CASE("starts and ends of sessions survive a full queue, gaps are merged", "[querylog]") {
  LossLedger ledger;
  event::SessionStart start;
  start.session = SessionId{2};
  start.client = "unix";
  ledger.Add(start, GapReason::kQueueFull);
  ledger.Add(test::SmallExchange(2, 0, 100), GapReason::kQueueFull);
  ledger.Add(event::Gap{SessionId{2}, 110, 120, GapReason::kTooLarge, 4, 1000},
             GapReason::kQueueFull);
  ledger.Add(event::SessionEnd{SessionId{2}, 130, event::EndReason::kTerminate, 5},
             GapReason::kQueueFull);
  CHECK(ledger.exchanges() == 5);
  const auto events = ledger.Take();
  REQUIRE(events.size() == 3);
  CHECK(std::holds_alternative<event::SessionStart>(events[0]));
  CHECK(Dump(events[1]) ==
        "gap session=2 from=93 to=120 reason=\"queue full\" exchanges=5 bytes=1014");
  CHECK(std::holds_alternative<event::SessionEnd>(events[2]));
  CHECK(ledger.empty());
  CHECK(ledger.exchanges() == 0);
}

}  // namespace
}  // namespace scry::querylog
