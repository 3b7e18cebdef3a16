// Which CPUs processes run on. Used by replay, so that what is compared runs in the same place.
#pragma once

#include <cstdint>
#include <vector>

namespace scry::os {

// Those this process may use, in ascending order. Never empty.
std::vector<int> UsableCpus();

// From now on the process runs on this CPU alone. False: there is no such process, or no right to.
bool PinToCpu(uint32_t pid, int cpu);

}  // namespace scry::os
