// Decides what of a second run of chosen statements may be measured: writes that still do the work
// they did when captured. The replay has been there before: a DELETE finds its rows gone, and that
// it is fast says nothing. Used by the confirmation of slower patterns. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>

#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

class SameWork {
 public:
  // `pair`: run again; its `captured` has the tag of the capture. False: leave it out. Once many of
  // a pattern's writes did other work, all further ones are: those few that seem to do the same (a
  // DELETE of nothing, then and now) do not stand for the pattern.
  bool Keeps(const event::StatementPair& pair, const event::StatementFacts& facts);

 private:
  struct Counts {
    uint64_t seen = 0;
    uint64_t other = 0;
  };
  std::map<uint64_t, Counts> counts_;  // By fingerprint; as many as patterns are run again.
};

}  // namespace scry::compare
