#include "report/wait_chart.h"

#include <limits>

#include "report/table.h"
#include "support/catch.h"
#include "unit/report/samples.h"

namespace scry::report {
namespace {

TEST_CASE("the chart shows each second from before the migration to after the last wait",
          "[report]") {
  const auto lines = WaitChart(Blocked(), 80);
  REQUIRE(lines.size() == 9);
  CHECK(lines[0] == "  second  migration  blocked  longest wait");
  CHECK(lines[1] == "       8                   0             -");
  CHECK(lines[2] == "       9  runs            38        700 ms  ▇▇▇▇▇▇▇");
  CHECK(lines[6] ==
        "      13  runs           203        3.48 s  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇");
  CHECK(lines[7] == "      14  runs            12        3.48 s  ▇▇");
}

TEST_CASE("the chart fits its width, however long the run was", "[report]") {
  DuringFacts during = Blocked();
  during.span_us = 110'000'000;
  during.timeline.resize(120, {1'234'567, 99'000'000});
  for (const size_t columns : {60U, 80U, 100U, 200U}) {
    const auto lines = WaitChart(during, columns);
    CHECK(lines.size() <= 26);
    for (const std::string& line : lines) CHECK(DisplayWidth(line) <= columns);
  }
}

TEST_CASE("without a timeline there is no chart", "[report]") {
  CHECK(WaitChart({}, 80).empty());
  DuringFacts during = Blocked();
  during.migration_at_us = std::numeric_limits<Micros>::max();
  CHECK(WaitChart(during, 80).empty());
  during = Blocked();
  during.timeline.clear();
  CHECK(WaitChart(during, 80).empty());
}

}  // namespace
}  // namespace scry::report
