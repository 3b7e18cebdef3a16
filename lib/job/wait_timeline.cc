#include "job/wait_timeline.h"

#include <algorithm>
#include <map>

namespace scry::job {

using base::Micros;

namespace {

// The smallest of 1, 2, 5, 10, 20 ... seconds with which the whole fits.
Micros StepFor(Micros length_us) {
  Micros step_us = kTimelineStepUs;
  for (size_t round = 0; length_us / step_us >= static_cast<Micros>(kTimelineStepsMax); ++round) {
    step_us = round % 3 == 1 ? step_us / 2 * 5 : step_us * 2;
  }
  return step_us;
}

// Of one query: its waits follow each other.
void AddQuery(const std::vector<QueryWait>& waits, Micros from_us, WaitTimeline& timeline) {
  Micros waited_us = 0;
  size_t counted = timeline.steps.size();  // The last step that counts this query; none yet.
  for (const QueryWait& wait : waits) {
    Micros at_us = std::max<Micros>(wait.begin_us - from_us, 0);
    const Micros end_us = std::min(wait.end_us - from_us,
                                   timeline.step_us * static_cast<Micros>(timeline.steps.size()));
    while (at_us < end_us) {
      const auto index = static_cast<size_t>(at_us / timeline.step_us);
      const Micros until_us = std::min(end_us, static_cast<Micros>(index + 1) * timeline.step_us);
      waited_us += until_us - at_us;
      report::WaitStep& step = timeline.steps[index];
      if (counted != index) ++step.blocked;
      counted = index;
      step.wait_us_max = std::max(step.wait_us_max, waited_us);
      at_us = until_us;
    }
  }
}

}  // namespace

WaitTimeline MakeWaitTimeline(const std::vector<QueryWait>& waits, Micros from_us,
                              Micros until_us) {
  const Micros length_us = std::max<Micros>(until_us - from_us, 0);
  WaitTimeline timeline;
  timeline.step_us = StepFor(length_us);
  timeline.steps.resize(static_cast<size_t>(length_us / timeline.step_us) + 1);
  std::map<size_t, std::vector<QueryWait>> by_query;
  for (const QueryWait& wait : waits) by_query[wait.query].push_back(wait);
  for (auto& [query, own] : by_query) {
    std::sort(own.begin(), own.end(),
              [](const QueryWait& a, const QueryWait& b) { return a.begin_us < b.begin_us; });
    AddQuery(own, from_us, timeline);
  }
  return timeline;
}

}  // namespace scry::job
