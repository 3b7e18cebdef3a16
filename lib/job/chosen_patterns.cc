#include "job/chosen_patterns.h"

namespace scry::job {

void RepeatTo(std::vector<replay::Sample>& samples, size_t count) {
  const size_t drawn = samples.size();
  samples.reserve(count);
  while (samples.size() < count) samples.push_back(samples[samples.size() - drawn]);
  samples.resize(count);
}

}  // namespace scry::job
