#include "querylog/log_reader.h"

#include <set>

#include "support/catch.h"
#include "unit/querylog/capture_fixture.h"

namespace scry::querylog {
namespace {

using event::GapReason;
using test::CaptureFixture;
using test::Count;
using test::Dump;
using test::Events;

GapReason ReasonOf(const event::Event& event) {
  const auto* gap = std::get_if<event::Gap>(&event);
  REQUIRE(gap != nullptr);
  return gap->reason;
}

TEST_CASE("a directory without a capture is not found, and the line says what to do",
          "[querylog]") {
  scry::test::FakeFiles disk;
  ReadOptions options;
  options.files = &disk;
  const auto reader = LogReader::Open("nowhere", options);
  REQUIRE_FALSE(reader.ok());
  CHECK(reader.error().code == base::ErrorCode::kNotFound);
  CHECK(reader.error().message ==
        "no capture in nowhere: it has no manifest.json; name the directory given to scry capture "
        "-o");
}

TEST_CASE_METHOD(CaptureFixture, "a killed writer leaves a prefix, whatever the byte",
                 "[querylog]") {
  // The disk freezes at each byte in turn: what is then on it must read as a prefix of what was
  // put, whole blocks only, and the reader must say that the end is missing.
  options_.block_bytes = 600;
  options_.segment_bytes = 1500;
  const Events events = test::SmallExchanges(60);
  Write(events);
  uint64_t total = 0;
  for (const auto& [path, bytes] : disk_.Contents()) total += bytes.size();
  size_t seen_max = 0;
  // Steps of a few bytes: each costs a writer thread.
  for (uint64_t crash = 0; crash < total; crash += 7) {
    scry::test::FakeFiles disk;
    options_.files = &disk;
    auto writer = LogWriter::Create("capture", facts_, options_);
    REQUIRE(writer.ok());
    disk.CrashAfter(crash);
    for (const auto& event : events) (*writer)->Put(event);
    const bool closed = (*writer)->Close().ok();
    ReadOptions options;
    options.files = &disk;
    auto reader = LogReader::Open("capture", options);
    REQUIRE(reader.ok());
    Events read;
    bool torn = false;
    for (;;) {
      auto next = reader->Next();
      REQUIRE(next.ok());
      if (!next->has_value()) break;
      if (std::holds_alternative<event::Gap>(**next)) {
        torn = true;
      } else {
        REQUIRE_FALSE(torn);
        read.push_back(std::move(**next));
      }
    }
    INFO("crash after " << crash << " of " << total);
    REQUIRE(read.size() <= events.size());
    REQUIRE(Dump(read) ==
            Dump(Events(events.begin(), events.begin() + static_cast<ptrdiff_t>(read.size()))));
    REQUIRE(read.size() >= seen_max);
    REQUIRE(read.size() == (*writer)->stats().events);
    REQUIRE((closed || !reader->manifest().sealed));
    seen_max = read.size();
  }
  CHECK(seen_max == events.size());
}

TEST_CASE_METHOD(CaptureFixture, "a missing segment is a gap in its place", "[querylog]") {
  options_.block_bytes = 500;
  options_.segment_bytes = 1500;
  Write(test::SmallExchanges(100));
  REQUIRE(write_stats_.segments >= 4);
  REQUIRE(disk_.Remove("capture/000002.scryseg").ok());
  const Events events = Read();
  CHECK(Count(events).gaps == 1);
  CHECK(read_stats_.corrupt_blocks == 1);
  CHECK_FALSE(Verify().ok());
}

TEST_CASE_METHOD(CaptureFixture, "missing last segments are a torn tail", "[querylog]") {
  options_.block_bytes = 500;
  options_.segment_bytes = 1500;
  Write(test::SmallExchanges(100));
  const auto last = SegmentFileName(static_cast<uint32_t>(write_stats_.segments), false);
  REQUIRE(disk_.Remove("capture/" + last).ok());
  const Events events = Read();
  CHECK(ReasonOf(events.back()) == GapReason::kTorn);
  CHECK_FALSE(Verify().ok());
}

TEST_CASE_METHOD(CaptureFixture, "a segment of another capture is not mixed in", "[querylog]") {
  Write(test::SmallExchanges(10));
  const std::string foreign = disk_.Get("capture/000001.scryseg");
  scry::test::FakeFiles other;
  options_.files = &other;
  facts_.capture_id = "ffffffffffffffffffffffffffffffff";
  auto writer = LogWriter::Create("capture", facts_, options_);
  REQUIRE(writer.ok());
  (*writer)->Put(test::SmallExchange(1, 0, 5));
  REQUIRE((*writer)->Close().ok());
  other.Set("capture/000001.scryseg", foreign);
  ReadOptions options;
  options.files = &other;
  auto reader = LogReader::Open("capture", options);
  REQUIRE(reader.ok());
  const auto first = reader->Next();
  REQUIRE(first.ok());
  CHECK(ReasonOf(**first) == GapReason::kCorrupt);
  const auto second = reader->Next();
  REQUIRE(second.ok());
  CHECK_FALSE(second->has_value());
}

TEST_CASE_METHOD(CaptureFixture, "a segment with a damaged header is still read", "[querylog]") {
  Write(test::SmallExchanges(10));
  std::string bytes = disk_.Get("capture/000001.scryseg");
  for (size_t i = 0; i < kSegmentHeaderBytes; ++i) bytes[i] = '?';
  disk_.Set("capture/000001.scryseg", bytes);
  const Events events = Read();
  REQUIRE(events.size() == 11);
  CHECK(ReasonOf(events[0]) == GapReason::kCorrupt);
}

TEST_CASE_METHOD(CaptureFixture, "a newer segment is an error that names file and versions",
                 "[querylog]") {
  Write(test::SmallExchanges(10));
  std::string bytes = disk_.Get("capture/000001.scryseg");
  const auto id = ParseCaptureId(facts_.capture_id);
  bytes.replace(0, kSegmentHeaderBytes, EncodeSegmentHeader({3, 1, *id}));
  disk_.Set("capture/000001.scryseg", bytes);
  ReadOptions options;
  options.files = &disk_;
  auto reader = LogReader::Open("capture", options);
  REQUIRE(reader.ok());
  const auto next = reader->Next();
  REQUIRE_FALSE(next.ok());
  CHECK(next.error().code == base::ErrorCode::kUnsupported);
  CHECK(
      next.error().message ==
      "capture/000001.scryseg: the segment has format version 3, this scry reads up to version 2; "
      "read it with the scry that wrote it or a newer one");
}

TEST_CASE_METHOD(CaptureFixture, "sessions and times limit what is read", "[querylog]") {
  options_.block_bytes = 500;
  Write(test::SmallExchanges(300));
  ReadOptions options;
  options.sessions = std::set<event::SessionId>{event::SessionId{2}};
  CHECK(Read(options).size() == 100);
  options.from_us = 10000;
  options.to_us = 20000;
  const Events events = Read(options);
  CHECK(events.size() == 34);
  for (const auto& event : events) {
    CHECK(event::SessionOf(event) == event::SessionId{2});
    CHECK(event::TimeOf(event) >= 10000);
    CHECK(event::TimeOf(event) <= 20000);
  }
  CHECK(read_stats_.skipped_blocks > 0);
}

TEST_CASE_METHOD(CaptureFixture, "starts alone are those that reading everything finds",
                 "[querylog]") {
  options_.block_bytes = 2000;
  Write(test::RandomEvents(7, 400));
  const auto is_start = [](const event::Event& event) {
    return std::holds_alternative<event::SessionStart>(event);
  };
  Events starts;
  for (event::Event& event : Read()) {
    if (is_start(event)) starts.push_back(std::move(event));
  }
  REQUIRE(starts.size() > 10);
  ReadOptions options;
  options.only_starts = true;
  CHECK(test::Dump(Read(options)) == test::Dump(starts));

  // What is damaged may have held some.
  std::string bytes = disk_.Get("capture/000001.scryseg");
  bytes[kSegmentHeaderBytes + kBlockHeaderBytes + 3] ^= 1;
  disk_.Set("capture/000001.scryseg", bytes);
  const Events damaged = Read(options);
  REQUIRE_FALSE(damaged.empty());
  CHECK(ReasonOf(damaged.front()) == GapReason::kCorrupt);
}

TEST_CASE_METHOD(CaptureFixture, "verify names sums that differ from the manifest", "[querylog]") {
  Write(test::SmallExchanges(10));
  Manifest manifest = Verify().manifest;
  manifest.totals.exchanges = 12;
  disk_.Set("capture/manifest.json", EncodeManifest(manifest));
  const VerifyReport report = Verify();
  CHECK(report.problems == std::vector<std::string>{"exchanges: 10 found, the manifest says 12"});
}

TEST_CASE_METHOD(CaptureFixture, "verify notices a changed byte anywhere in a capture's segments",
                 "[querylog]") {
  options_.block_bytes = 500;
  Write(test::SmallExchanges(20));
  const std::string bytes = disk_.Get("capture/000001.scryseg");
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    disk_.Set("capture/000001.scryseg", bad);
    REQUIRE_FALSE(Verify().ok());
  }
}

}  // namespace
}  // namespace scry::querylog
