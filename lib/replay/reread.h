// Reads whose answer tells what they had seen. Whether a snapshot saw a commit that was under way
// at the same time, the capture's stamps do not tell; the captured answer often does. Such a read
// is replayed before all those commits, and once more behind each of them as long as the baseline
// answers otherwise than production did. All lanes do as the baseline does.
// Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "exchange/answer_reader.h"

namespace scry::replay {

// To be asked as it stands it must be one statement that was answered, and name nothing that it
// made: no named portal, no statement that it prepares.
bool MayReread(const event::Exchange& exchange);
// Its snapshot was taken before.
base::Micros AnsweredUs(const event::Exchange& exchange);
// All lanes answered it, the baseline otherwise than production did. REQUIRES: MayReread.
bool ReadOtherwise(const event::Exchange& exchange, const std::vector<exchange::Answers>& answers);

// Patterns that always answer otherwise (a clock, rows in no order) are not worth the time.
class RereadBook {
 public:
  bool Worthwhile(uint64_t fingerprint) const;
  // `found`: in the end it answered as production did.
  void Note(uint64_t fingerprint, bool found);

 private:
  static constexpr size_t kPatternsMax = 64 * 1024;
  struct Counts {
    uint32_t found = 0;
    uint32_t failed = 0;
  };
  std::unordered_map<uint64_t, Counts> counts_;
};

}  // namespace scry::replay
