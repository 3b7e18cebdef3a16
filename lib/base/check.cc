#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace scry::base {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "scry: bug: %s does not hold (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace scry::base
