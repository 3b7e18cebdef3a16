// Puts the sequences of the lanes where those of the source stood when the capture began, so that
// lanes draw the numbers that production drew. Called once, before a replay. Blocks, but for
// StepFor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "event/source_snapshot.h"
#include "pg/admin.h"

namespace scry::replay {

struct LaneSequence {
  int64_t last_value = 0;
  bool is_called = false;
  int64_t increment = 1;
  int64_t min = 1;
  int64_t max = INT64_MAX;
};

enum class SequenceStep : uint8_t {
  kSame,      // It stands there already.
  kSet,       // To be set.
  kAhead,     // The shadow is newer than the capture: what its rows hold must not be drawn again.
  kMigrated,  // The change under test moved it: that is what is tested.
  kRefused,   // It takes no such value.
};

// What to do with a sequence of a lane. `baseline`: the same one where no migration ran.
SequenceStep StepFor(const event::SequenceState& captured, const LaneSequence& baseline,
                     const LaneSequence& lane);

struct SequenceReport {
  uint64_t set = 0;    // Sequences set on one lane at least.
  uint64_t ahead = 0;  // ... and so on, each sequence once.
  uint64_t migrated = 0;
  uint64_t refused = 0;
  uint64_t missing = 0;     // On no lane, or not on the baseline.
  uint64_t unreadable = 0;  // The capture's role could not read its state.
  std::vector<std::pair<std::string, std::string>> moved;  // Schema and name, of those migrated.

  // For people; nothing for what is as it should be.
  std::vector<std::string> Notes() const;
};

// REQUIRES: lanes that carry scry's marker, the baseline first, with client_encoding UTF8. Fails
// when a lane does not answer; what a single sequence refuses is counted.
base::Result<SequenceReport> SetSequences(const std::vector<pg::AdminSession*>& lanes,
                                          const event::SourceSnapshot& snapshot);

}  // namespace scry::replay
