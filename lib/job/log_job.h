// What a capture holds, told: info, top, cat and verify. Memory is bounded by the number of
// patterns, not by the capture. Results are text or JSON for stdout.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace scry::job {

struct LogRequest {
  std::vector<std::string> directories;
  std::optional<uint64_t> session;      // Only this one.
  std::optional<base::Micros> from_us;  // Since the capture's start.
  std::optional<base::Micros> to_us;
  uint64_t limit = 20;  // Patterns of top; 0: all.
  bool json = false;
  bool color = false;
  bool show_values = true;  // cat: constants and parameters, as the capture holds them.
  size_t columns = 100;
};

base::Result<std::string> LogInfo(const LogRequest& request);
base::Result<std::string> LogTop(const LogRequest& request);
// Streams to `print`, which is called many times and says whether to go on.
base::Status LogCat(const LogRequest& request,
                    const std::function<bool(const std::string&)>& print);

struct VerifyOutcome {
  std::string text;
  bool sound = false;  // Nothing is missing and everything adds up.
};
base::Result<VerifyOutcome> LogVerify(const LogRequest& request);

}  // namespace scry::job
