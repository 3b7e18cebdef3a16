// A first look through a capture: how much there is, and how many sessions were open at once.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "job/capture_traffic.h"
#include "report/report.h"

namespace scry::job {

struct CaptureSurvey {
  report::CaptureFacts facts;
  uint64_t sessions_at_once = 0;
  // Captures are replayed one after the other: sums, but for the sessions at once.
  void Add(const CaptureSurvey& other);
};

// Of what `open` yields of it.
base::Result<CaptureSurvey> SurveyCapture(const std::string& directory, const OpenTraffic& open);

}  // namespace scry::job
