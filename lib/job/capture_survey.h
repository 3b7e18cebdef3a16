// How much a capture holds, and how many sessions were open at once. Found out in a look through it
// before anything else, or on the way, while it is replayed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "event/event.h"
#include "event/event_source.h"
#include "job/capture_traffic.h"
#include "report/report.h"

namespace scry::job {

struct CaptureSurvey {
  report::CaptureFacts facts;
  uint64_t sessions_at_once = 0;
  // Captures are replayed one after the other: sums, but for the sessions at once.
  void Add(const CaptureSurvey& other);
};

// Counts what passes.
class Surveyor {
 public:
  void See(const event::Event& event);
  // But for the name and the start. Complete at the end.
  const CaptureSurvey& survey() const { return survey_; }

 private:
  CaptureSurvey survey_;
  uint64_t at_once_ = 0;
};

// A source that counts what it yields.
class SurveyedSource final : public event::EventSource {
 public:
  // `source` outlives it.
  explicit SurveyedSource(event::EventSource& source) : source_(source) {}
  base::Result<bool> Read(event::Event& event) override;
  double ShareRead() const override { return source_.ShareRead(); }
  const CaptureSurvey& survey() const { return surveyor_.survey(); }

 private:
  event::EventSource& source_;
  Surveyor surveyor_;
};

// Of what `open` yields of it.
base::Result<CaptureSurvey> SurveyCapture(const std::string& directory, const OpenTraffic& open);

}  // namespace scry::job
