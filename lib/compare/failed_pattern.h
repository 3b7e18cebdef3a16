// Queries of one pattern that failed beside the migration and not in the capture, and the finding
// that they are. Shared by open_sessions and meanwhile, which judge two kinds of them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

struct FailedPattern {
  uint64_t fingerprint = 0;
  std::string pattern;
  std::string sqlstate;
  std::string message;
  uint64_t failed = 0;
  std::string statement;  // Of the migration: since it they failed; empty: that is not known.
};

// `id_prefix`: the pattern may have findings of other kinds, too. `statements_replayed`: of all the
// traffic that ran beside the migration.
Finding FindingOf(const FailedPattern& failed, std::string_view id_prefix, std::string reason,
                  uint64_t statements_replayed, const Policy& policy);

}  // namespace scry::compare
