#include "job/traffic_part.h"

#include "support/catch.h"

namespace scry::job {
namespace {

event::Event Exchange(uint64_t session, base::Micros from, base::Micros to, char status) {
  event::Exchange exchange;
  exchange.session = event::SessionId{session};
  exchange.forwarded_us = from;
  exchange.completed_us = to;
  exchange.status = static_cast<uint8_t>(status);
  return exchange;
}

TEST_CASE("the longest transaction counts its idle time, and the end of its session", "[job]") {
  TransactionScan scan;
  scan.Take(Exchange(1, 100, 200, 'T'));
  scan.Take(Exchange(2, 150, 450, 'I'));
  scan.Take(Exchange(1, 900, 1000, 'I'));
  scan.Take(Exchange(1, 1100, 1150, 'I'));
  TransactionScan copy = scan;
  CHECK(copy.Finish().begin_us == 100);
  CHECK(copy.Finish().end_us == 1000);
  scan.Take(Exchange(3, 2000, 2100, 'E'));
  event::SessionEnd end;
  end.session = event::SessionId{3};
  end.at_us = 5000;
  scan.Take(end);
  CHECK(scan.Finish().begin_us == 2000);
  CHECK(scan.end_us() == 5000);
}

TEST_CASE("a transaction still open ends with the capture", "[job]") {
  TransactionScan scan;
  scan.Take(Exchange(1, 100, 200, 'T'));
  scan.Take(Exchange(2, 300, 700, 'I'));
  CHECK(scan.Finish().end_us == 700);
}

}  // namespace
}  // namespace scry::job
