// Reports in the forms that CI systems read: annotations of GitHub, code quality of GitLab, JUnit
// and OpenMetrics text. Called by `scry report convert`. Pure.
#pragma once

#include <string>

#include "report/report.h"

namespace scry::report {

// Workflow commands, one line each: the nine worst findings that gate as errors, the ten worst
// others as warnings, each on its line of the migration where that is known, and what was left out
// as a count. The verdict is the last: a notice, or the error that the migration failed. GitHub
// keeps ten of a kind of each step and drops the rest in silence; the tenth error is the step's
// own.
std::string WriteGithubAnnotations(const Report& report);

// `path`: of the file for findings of which no line of the migration is known. Fingerprints are the
// finding's id: no numbers, so that the same finding is the same in every run. A migration that
// failed is an issue as well.
std::string WriteGitlabCodeQuality(const Report& report, const std::string& path);

// One test case per pattern: failed by what gates, skipped where nothing can be said. A verdict
// that no pattern explains (a migration that failed, too unfaithful a replay) is a case of its own.
std::string WriteJunit(const Report& report);

// Gauges of the verdict, of the findings by class, of the migration's locks, WAL and of who waited
// for it, of latency and work per finding. Ends with # EOF.
std::string WriteOpenMetrics(const Report& report);

}  // namespace scry::report
