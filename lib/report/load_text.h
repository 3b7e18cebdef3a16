// A load report for people: what ran, how late it was, what failed, and a table of the patterns,
// capture beside replay. Called by `scry replay` and `scry report show`. Pure.
#pragma once

#include <cstddef>
#include <string>

#include "report/load_report.h"

namespace scry::report {

struct LoadTextOptions {
  bool color = false;
  size_t columns = 100;  // No line is wider, but for words that cannot be broken.
  size_t top = 20;       // Patterns shown; further ones are counted. 0: all.
};

std::string WriteLoadText(const LoadReport& report, const LoadTextOptions& options);

}  // namespace scry::report
