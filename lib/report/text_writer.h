// A report for people, on a terminal or in a CI log: the verdict first, then what is broken,
// different, slower and new, then what was not judged, what was tested and what to do next. Called
// by `scry ci test-migration`, `scry replay` and `scry report show`. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "report/report.h"

namespace scry::report {

struct TextOptions {
  bool color = false;
  size_t columns = 100;                  // No line is wider, but for words that cannot be broken.
  bool plans = false;                    // Whole plans, not only the sentence about them.
  bool fidelity = false;                 // Patterns that lost fidelity, also above the floor.
  bool waits = false;                    // What the replay waited for.
  bool unchanged = false;                // Patterns that did not change, and what would have shown.
  size_t findings_per_section_max = 20;  // Further ones are counted; the JSON has them all.
};

std::string WriteText(const Report& report, const TextOptions& options);

}  // namespace scry::report
