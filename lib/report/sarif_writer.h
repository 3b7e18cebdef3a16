// A report as SARIF 2.1.0, the form in which code scanning takes findings: one result for each, on
// the line of the migration that caused it. Called by `scry report convert`. Pure.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
#pragma once

#include <cstdint>
#include <string>

#include "report/report.h"

namespace scry::report {

struct Sarif {
  std::string text;
  uint64_t results = 0;
  uint64_t without_place = 0;  // Of those: on the first line of the file that stands in for one.
  uint64_t left_out = 0;       // Past what readers take; the worst are in.
};

// `path`: of the file for results of which no line of the migration is known. Code scanning refuses
// a whole file in which one result has no location.
Sarif WriteSarif(const Report& report, const std::string& path);

}  // namespace scry::report
