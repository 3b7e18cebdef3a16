#include "os/random_name.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <time.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace scry::os {

std::string RandomHex(size_t bytes) {
  std::vector<uint8_t> raw(bytes);
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t got = getrandom(raw.data() + filled, bytes - filled, 0);
    // The kernel never refuses these sizes; a guessable nonce would be worse than an abort.
    SCRY_CHECK(got > 0 || errno == EINTR);
    if (got > 0) filled += static_cast<size_t>(got);
  }
  std::string text;
  text.reserve(2 * bytes);
  for (const uint8_t byte : raw) text += fmt::format("{:02x}", byte);
  return text;
}

std::string UniqueName() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  return fmt::format("{:04}{:02}{:02}-{:02}{:02}{:02}-{}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, RandomHex(3));
}

}  // namespace scry::os
