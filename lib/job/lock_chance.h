// How likely a migration that waits for its lock only so long gets it, by when captured
// transactions were open. Used by the during act. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "job/traffic_part.h"

namespace scry::job {

// Times are of the capture, which lasts from `begin_us` to `end_us`.
struct LockWish {
  base::Micros begin_us = 0;
  base::Micros end_us = 0;
  base::Micros timeout_us = 0;  // Of one attempt ...
  base::Micros pause_us = 0;    // ... and between two.
  uint64_t attempts = 1;
};

// The share of moments to begin at from which one of the attempts meets no transaction that stays
// open for longer than it waits, in [0, 1]. Whatever begins after an attempt queues behind it.
// Behind the end of the capture it begins anew.
double LockChance(const LockWish& wish, const std::vector<TransactionSpan>& spans);

}  // namespace scry::job
