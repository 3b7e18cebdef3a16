// Writes the ignore rule for a finding into scry.yaml, as `scry report accept` does. Blocks; one
// thread.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace scry::job {

struct AcceptRequest {
  std::string finding;  // Its id.
  std::string report;   // report.json or its folder; empty: one in this folder, if there is any.
  std::string reason;
  std::string until;   // "2027-01-31".
  std::string config;  // scry.yaml; made if it is not there.
};

struct Accepted {
  std::string config;
  bool made = false;
  std::vector<std::string> findings;  // A slower one with more work is two: each may come alone.
  std::string until;
  bool checked = false;  // Against a report; else the id was only well-formed.
};

// kUsage: a day that is past, a rule that is there, a file that no rule can be added to. kNotFound:
// no such report, or no such finding in it. The file is replaced whole or not at all.
base::Result<Accepted> AcceptFinding(const AcceptRequest& request, base::Micros now_us);

}  // namespace scry::job
