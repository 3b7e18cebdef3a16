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

void Surveyor::See(const event::Event& event) {
  report::CaptureFacts& facts = survey_.facts;
  facts.duration_us = std::max(facts.duration_us, event::TimeOf(event));
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    facts.statements += exchange->statements.size();
  } else if (std::holds_alternative<event::SessionStart>(event)) {
    ++facts.sessions;
    survey_.sessions_at_once = std::max(survey_.sessions_at_once, ++at_once_);
  } else if (std::holds_alternative<event::SessionEnd>(event)) {
    if (at_once_ > 0) --at_once_;
  } else if (const auto* gap = std::get_if<event::Gap>(&event)) {
    ++facts.gaps;
    facts.gap_exchanges += gap->exchanges;
  }
}

base::Result<bool> SurveyedSource::Read(event::Event& event) {
  auto more = source_.Read(event);
  if (more.ok() && *more) surveyor_.See(event);
  return more;
}

base::Result<CaptureSurvey> SurveyCapture(const std::string& directory, const OpenTraffic& open) {
  SCRY_TRY_ASSIGN(const querylog::LogReader log, querylog::LogReader::Open(directory));
  SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, open(directory));
  SurveyedSource surveyed(*source);
  event::Event event;
  for (;;) {
    SCRY_TRY_ASSIGN(const bool more, surveyed.Read(event));
    if (!more) break;
  }
  CaptureSurvey survey = surveyed.survey();
  survey.facts.name = directory;
  survey.facts.started_us = log.manifest().started_wall_us;
  return survey;
}

}  // namespace scry::job
