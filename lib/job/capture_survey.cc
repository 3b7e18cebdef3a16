#include "job/capture_survey.h"

#include <algorithm>
#include <memory>

#include "querylog/log_reader.h"

namespace scry::job {

void CaptureSurvey::Add(const CaptureSurvey& other) {
  facts.sessions += other.facts.sessions;
  facts.statements += other.facts.statements;
  facts.gaps += other.facts.gaps;
  facts.gap_exchanges += other.facts.gap_exchanges;
  facts.duration_us += other.facts.duration_us;
  sessions_at_once = std::max(sessions_at_once, other.sessions_at_once);
}

base::Result<CaptureSurvey> SurveyCapture(const std::string& directory, const OpenTraffic& open) {
  SCRY_TRY_ASSIGN(const querylog::LogReader log, querylog::LogReader::Open(directory));
  SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, open(directory));
  CaptureSurvey survey;
  survey.facts.name = directory;
  survey.facts.started_us = log.manifest().started_wall_us;
  uint64_t at_once = 0;
  for (;;) {
    SCRY_TRY_ASSIGN(const std::optional<event::Event> event, source->Next());
    if (!event) return survey;
    survey.facts.duration_us = std::max(survey.facts.duration_us, event::TimeOf(*event));
    if (const auto* exchange = std::get_if<event::Exchange>(&*event)) {
      survey.facts.statements += exchange->statements.size();
    } else if (std::holds_alternative<event::SessionStart>(*event)) {
      ++survey.facts.sessions;
      survey.sessions_at_once = std::max(survey.sessions_at_once, ++at_once);
    } else if (std::holds_alternative<event::SessionEnd>(*event)) {
      if (at_once > 0) --at_once;
    } else if (const auto* gap = std::get_if<event::Gap>(&*event)) {
      ++survey.facts.gaps;
      survey.facts.gap_exchanges += gap->exchanges;
    }
  }
}

}  // namespace scry::job
