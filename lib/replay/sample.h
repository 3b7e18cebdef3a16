// One execution out of a capture, complete, so that it can be run again by itself. A plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "replay/session_settings.h"

namespace scry::replay {

// PostgreSQL plans a prepared statement with its parameters this often before it thinks about a
// generic plan.
inline constexpr uint64_t kCustomPlans = 5;

struct Sample {
  uint64_t fingerprint = 0;
  event::SessionStart session;  // Whose role and settings it ran with.
  std::string text;
  std::string tag;  // What the server answered when it was captured.
  // Of the extended protocol: the messages that run it, complete with its Parse. Empty: simple
  // query.
  std::vector<event::FrontendMessage> messages;
  std::vector<SettingStatement> settings;  // What the session had set when it ran.
  // Executions of the same prepared statement before this one; 0 in a simple query.
  uint64_t executed_before = 0;
  base::Micros elapsed_us = 0;  // When captured.

  // Run so often by its name that the server could choose the generic plan.
  bool accustomed() const { return !messages.empty() && executed_before >= kCustomPlans; }
};

size_t WeightBytes(const Sample& sample);
// Of samples of one pattern, at least one: the place of the first that is planned as most are.
size_t UsualOf(const std::vector<Sample>& samples);

}  // namespace scry::replay
