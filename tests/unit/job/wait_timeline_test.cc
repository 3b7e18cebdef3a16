#include "job/wait_timeline.h"

#include "support/catch.h"

namespace scry::job {
namespace {

using base::Micros;

constexpr Micros kSecond = 1'000'000;

TEST_CASE("a query counts in every second that it waits in, and its wait grows", "[job]") {
  const WaitTimeline timeline =
      MakeWaitTimeline({{7, 101'500'000, 103'200'000}}, 100 * kSecond, 105 * kSecond);
  CHECK(timeline.step_us == kSecond);
  CHECK(timeline.steps ==
        std::vector<report::WaitStep>{
            {0, 0}, {1, 500'000}, {1, 1'500'000}, {1, 1'700'000}, {0, 0}, {0, 0}});
}

TEST_CASE("two waits of one query in one second are one blocked query", "[job]") {
  const WaitTimeline timeline = MakeWaitTimeline(
      {{1, 600'000, 700'000}, {1, 100'000, 300'000}, {2, 0, 50'000}}, 0, kSecond / 2);
  REQUIRE(timeline.steps.size() == 1);
  CHECK(timeline.steps[0] == report::WaitStep{2, 300'000});
}

TEST_CASE("what lies outside the run is cut off, not counted elsewhere", "[job]") {
  const WaitTimeline timeline = MakeWaitTimeline({{1, 8 * kSecond, 11 * kSecond},
                                                  {2, 12 * kSecond, 90 * kSecond},
                                                  {3, 2 * kSecond, 3 * kSecond}},
                                                 10 * kSecond, 12 * kSecond);
  CHECK(timeline.steps == std::vector<report::WaitStep>{{1, kSecond}, {0, 0}, {1, kSecond}});
}

TEST_CASE("a long run has wider steps and loses nothing", "[job]") {
  const Micros length = 3600 * kSecond;
  const WaitTimeline timeline = MakeWaitTimeline({{1, length - kSecond, length}}, 0, length);
  CHECK(timeline.steps.size() <= kTimelineStepsMax);
  CHECK(timeline.step_us % kSecond == 0);
  uint64_t blocked = 0;
  for (const report::WaitStep& step : timeline.steps) blocked += step.blocked;
  CHECK(blocked == 1);
}

TEST_CASE("no waits, or no time, give a timeline of zeros", "[job]") {
  CHECK(MakeWaitTimeline({}, 5 * kSecond, 2 * kSecond).steps.size() == 1);
  CHECK(MakeWaitTimeline({}, 0, 3 * kSecond).steps.size() == 4);
}

}  // namespace
}  // namespace scry::job
