#include "job/lock_chance.h"

#include <algorithm>

namespace scry::job {
namespace {

using base::Micros;

constexpr int kMoments = 2000;
// More would be a matter of hours.
constexpr uint64_t kAttemptsMax = 1000;

// From when to when an attempt would begin in vain; apart from each other, in ascending order.
std::vector<TransactionSpan> InVain(const LockWish& wish, std::vector<TransactionSpan> spans) {
  for (TransactionSpan& span : spans) span.end_us -= wish.timeout_us;
  std::erase_if(spans, [](const TransactionSpan& span) { return span.length_us() <= 0; });
  std::sort(spans.begin(), spans.end(),
            [](const auto& a, const auto& b) { return a.begin_us < b.begin_us; });
  std::vector<TransactionSpan> joined;
  for (const TransactionSpan& span : spans) {
    if (joined.empty() || span.begin_us > joined.back().end_us) {
      joined.push_back(span);
    } else {
      joined.back().end_us = std::max(joined.back().end_us, span.end_us);
    }
  }
  return joined;
}

}  // namespace

double LockChance(const LockWish& wish, const std::vector<TransactionSpan>& spans) {
  const Micros length_us = wish.end_us - wish.begin_us;
  if (length_us <= 0) return 1;
  const std::vector<TransactionSpan> in_vain = InVain(wish, spans);
  const auto succeeds = [&](Micros at_us) {
    const auto after = std::upper_bound(
        in_vain.begin(), in_vain.end(), at_us,
        [](Micros moment, const TransactionSpan& span) { return moment < span.begin_us; });
    return after == in_vain.begin() || at_us >= (after - 1)->end_us;
  };
  int lucky = 0;
  for (int i = 0; i < kMoments; ++i) {
    const Micros first_us = length_us / kMoments * i + length_us % kMoments * i / kMoments;
    for (uint64_t attempt = 0; attempt < std::min(wish.attempts, kAttemptsMax); ++attempt) {
      const Micros later_us =
          static_cast<Micros>(attempt) * (wish.timeout_us + wish.pause_us) % length_us;
      if (!succeeds(wish.begin_us + (first_us + later_us) % length_us)) continue;
      ++lucky;
      break;
    }
  }
  return static_cast<double>(lucky) / kMoments;
}

}  // namespace scry::job
