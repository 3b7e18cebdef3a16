// Captures of every format version ever released stay readable, and the page that rules the format
// cannot change unnoticed.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "querylog/frame.h"
#include "querylog/log_reader.h"
#include "querylog/log_writer.h"
#include "querylog/snapshot.h"
#include "querylog/verify.h"
#include "support/catch.h"
#include "unit/querylog/events.h"

namespace scry::querylog {
namespace {

using test::Events;

std::string FileText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// One event of each kind and outcomes of each status, then some of the random ones.
Events GoldenEvents() {
  Events events;
  event::SessionStart start;
  start.session = event::SessionId{1};
  start.at_us = 1500;
  start.parameters = {{"user", "app"}, {"database", "shop"}};
  start.settings = {{"server_version", "15.14"}, {"TimeZone", "UTC"}};
  start.client = "127.0.0.1:53412";
  start.backend_pid = 4711;
  events.emplace_back(start);
  for (uint64_t i = 0; i < 6; ++i) {
    auto exchange = std::get<event::Exchange>(
        test::SmallExchange(1, i, static_cast<base::Micros>(2000 + 10 * i)));
    auto& outcome = exchange.statements[0].outcome;
    outcome.status = event::OutcomeStatus{static_cast<uint8_t>(i)};
    if (outcome.status == event::OutcomeStatus::kError) {
      outcome.sqlstate = "42P01";
      outcome.message = "relation \"x\" does not exist";
    }
    if (i == 0) {
      outcome.values = std::string(
          "\0\0\0\10\0\1\0\0\0\2"
          "17",
          12);
      exchange.notices = {"00000", "42P07"};
      exchange.parameter_changes = {{"TimeZone", "Europe/Paris"}};
    }
    events.emplace_back(exchange);
  }
  event::Notification notification;
  notification.session = event::SessionId{1};
  notification.at_us = 2100;
  notification.channel = "orders";
  notification.payload = "17";
  notification.payload_bytes = 2;
  notification.payload_digest = event::DigestOf("17");
  notification.pid = 4712;
  events.emplace_back(notification);
  for (const auto& event : test::PreparedStream(5, 2, true)) events.push_back(event);
  events.emplace_back(event::Cancel{event::SessionId{1}, 1001000});
  events.emplace_back(
      event::Gap{event::SessionId{2}, 1001000, 1002000, event::GapReason::kQueueFull, 3, 120});
  events.emplace_back(
      event::SessionEnd{event::SessionId{1}, 1003000, event::EndReason::kTerminate, 6});
  for (const auto& event : test::RandomEvents(77, 24)) {
    if (EventBytes(event) < 1500) events.push_back(event);
  }
  return events;
}

// SCRY_WRITE_GOLDEN=<empty directory> writes the files of a new format version there.
void WriteGolden(const std::string& directory) {
  Manifest manifest;
  manifest.scry_version = "0.1.0";
  manifest.capture_id = "5c7900112233445566778899aabbccdd";
  manifest.started_wall_us = 1795180625123456;
  manifest.server_version = "15.14";
  manifest.facts = {{"database", "shop"}};
  WriteOptions options;
  options.block_bytes = 1500;
  options.segment_bytes = 2500;
  auto writer = LogWriter::Create(directory, manifest, options);
  REQUIRE(writer.ok());
  for (const auto& event : GoldenEvents()) (*writer)->Put(event);
  REQUIRE((*writer)->Close().ok());
  REQUIRE(WriteSnapshot(os::RealFileSystem(), directory, test::SmallSnapshot()).ok());
  std::ofstream(directory + "/events.txt", std::ios::binary) << test::Dump(GoldenEvents());
}

void CheckGolden(const std::string& directory) {
  INFO(directory);
  auto reader = LogReader::Open(directory);
  REQUIRE(reader.ok());
  CHECK(reader->manifest().server_version == "15.14");
  CHECK(reader->manifest().sealed);
  Events events;
  for (;;) {
    auto next = reader->Next();
    REQUIRE(next.ok());
    if (!next->has_value()) break;
    events.push_back(std::move(**next));
  }
  CHECK(test::Dump(events) == FileText(directory + "/events.txt"));
  const auto report = VerifyCapture(directory);
  REQUIRE(report.ok());
  CHECK(report->ok());
}

TEST_CASE("the capture of format version 1 reads as its readable twin says", "[querylog]") {
  CheckGolden(SCRY_GOLDEN_DIR "/querylog/version-1");
  auto reader = LogReader::Open(SCRY_GOLDEN_DIR "/querylog/version-1");
  REQUIRE(reader.ok());
  const auto snapshot = reader->Snapshot();
  REQUIRE(snapshot.ok());
  CHECK_FALSE(snapshot->has_value());
}

TEST_CASE("the capture of format version 2 reads as its readable twin says", "[querylog]") {
  if (const char* directory = std::getenv("SCRY_WRITE_GOLDEN")) WriteGolden(directory);
  const std::string directory = SCRY_GOLDEN_DIR "/querylog/version-2";
  CheckGolden(directory);
  auto reader = LogReader::Open(directory);
  REQUIRE(reader.ok());
  const auto snapshot = reader->Snapshot();
  REQUIRE(snapshot.ok());
  REQUIRE(snapshot->has_value());
  CHECK(**snapshot == test::SmallSnapshot());
}

TEST_CASE("FORMAT.md does not change without a look at the version", "[querylog]") {
  // The checksum of FORMAT.md as it was when kFormatVersion was last decided on.
  struct Decision {
    uint32_t version;
    uint64_t page;
  };
  constexpr Decision kDecision = {2, 0xe7778fb6177a13d2ULL};
  const uint64_t page = Checksum(FileText(SCRY_FORMAT_PAGE), 0);
  INFO(
      "FORMAT.md changed: its checksum is now 0x"
      << std::hex << page
      << ". If written bytes changed: raise kFormatVersion in format.h and FORMAT.md, keep reading "
         "the old version, and add tests/golden/querylog/version-N (SCRY_WRITE_GOLDEN writes it). "
         "If only words changed: nothing of that. Then record version and checksum here.");
  CHECK(kDecision.version == kFormatVersion);
  CHECK(kDecision.page == page);
}

}  // namespace
}  // namespace scry::querylog
