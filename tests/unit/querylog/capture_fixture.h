// Verbs for tests that write and read whole captures on a disk in memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "querylog/log_reader.h"
#include "querylog/log_writer.h"
#include "querylog/verify.h"
#include "support/catch.h"
#include "support/fake_files.h"
#include "unit/querylog/events.h"

namespace scry::querylog::test {

class CaptureFixture {
 public:
  CaptureFixture() {
    options_.files = &disk_;
    options_.retry_us = 1000;
    facts_.scry_version = "0.1.0";
    facts_.capture_id = "000102030405060708090a0b0c0d0e0f";
    facts_.started_wall_us = 1795180625123456;
  }

  std::unique_ptr<LogWriter> Create() {
    auto writer = LogWriter::Create("capture", facts_, options_);
    REQUIRE(writer.ok());
    return std::move(writer).value();
  }
  void Write(const Events& events) {
    auto writer = Create();
    for (const auto& event : events) writer->Put(event);
    const auto closed = writer->Close();
    REQUIRE(closed.ok());
    write_stats_ = writer->stats();
  }
  Events Read(ReadOptions options = {}) {
    options.files = &disk_;
    auto reader = LogReader::Open("capture", options);
    REQUIRE(reader.ok());
    Events events;
    for (;;) {
      auto next = reader->Next();
      REQUIRE(next.ok());
      if (!next->has_value()) break;
      events.push_back(std::move(**next));
    }
    auto again = reader->Next();
    REQUIRE(again.ok());
    REQUIRE_FALSE(again->has_value());
    read_stats_ = reader->stats();
    return events;
  }
  VerifyReport Verify() {
    auto report = VerifyCapture("capture", &disk_);
    REQUIRE(report.ok());
    return std::move(report).value();
  }

  scry::test::FakeFiles disk_;
  WriteOptions options_;
  Manifest facts_;
  WriteStats write_stats_;
  ReadStats read_stats_;
};

inline Events SmallExchanges(size_t count, uint64_t sessions = 3) {
  Events events;
  for (uint64_t i = 0; i < count; ++i) {
    events.push_back(
        SmallExchange(i % sessions + 1, i / sessions, static_cast<base::Micros>(100 * i)));
  }
  return events;
}

struct Counted {
  uint64_t exchanges = 0;
  uint64_t lost = 0;
  uint64_t gaps = 0;
};
inline Counted Count(const Events& events) {
  Counted counted;
  for (const auto& event : events) {
    if (std::holds_alternative<event::Exchange>(event)) ++counted.exchanges;
    if (const auto* gap = std::get_if<event::Gap>(&event)) {
      counted.lost += gap->exchanges;
      ++counted.gaps;
    }
  }
  return counted;
}

}  // namespace scry::querylog::test
