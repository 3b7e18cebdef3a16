// How sessions' connections went on each lane, added up per role and SQLSTATE. Filled by
// PatternTable, read by Judge(). Pure; bounded; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "event/lane_pair.h"

namespace scry::compare {

class ConnectTally {
 public:
  void Put(const event::ConnectPair& pair);

  struct Refusals {
    uint64_t candidate = 0;  // Sessions that only the candidate refused.
    uint64_t others = 0;     // Sessions that the baseline or the control refused.
    std::string message;     // The candidate's, of the first; what libpq puts in front left out.
  };
  struct Role {
    uint64_t sessions = 0;
    std::map<std::string, Refusals> refusals;  // By SQLSTATE; empty: no answer in time.
  };
  const std::map<std::string, Role>& roles() const { return roles_; }

 private:
  std::map<std::string, Role> roles_;
};

}  // namespace scry::compare
