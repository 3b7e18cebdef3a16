// Roles that the candidate lets in no more, though the other lanes do. Called by Judge(). Pure.
#pragma once

#include <vector>

#include "compare/connect_tally.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

// One finding for each role and SQLSTATE. What a server is out of (connections, memory, time) gates
// only where the candidate is so more often than the others.
std::vector<Finding> JudgeConnects(const ConnectTally& tally, const Policy& policy);

// It is about sessions, not about a query.
bool IsAboutConnecting(const Finding& finding);

}  // namespace scry::compare
