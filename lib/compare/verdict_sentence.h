// From findings to the verdict's result, its sentence and its notes. Pure.
#pragma once

#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

// Sets result and sentence of a verdict whose findings and counts are complete.
void Conclude(const PatternTable& table, const Policy& policy, const RunFacts& run,
              Verdict& verdict);

}  // namespace scry::compare
