// Ctrl-C and SIGTERM as a flag and a pollable descriptor, so that long work ends by cleaning up.
// Made once, by main, before other threads start; read by any thread. Lives as long as the process.
#pragma once

#include "base/result.h"

namespace scry::os {

class InterruptFlag {
 public:
  // Catches SIGINT, SIGTERM and SIGHUP, and ignores SIGPIPE. The third signal ends the process at
  // once: whoever presses Ctrl-C three times no longer wants to wait. Children start in process
  // groups of their own (see subprocess.h), so a terminal's Ctrl-C reaches scry alone. Calling it
  // again gives the same flag.
  static base::Result<InterruptFlag> Install();

  bool Requested() const;
  // The first signal that came, 0 before.
  int signal_number() const;
  // Readable from the first signal on, for ever: poll it, never read it.
  int fd() const;

  // For tests: back to not requested.
  void Clear();

 private:
  InterruptFlag() = default;
};

// SIGPIPE ignored: a closed socket is an error of write, not the end of the process.
void IgnoreBrokenPipes();

}  // namespace scry::os
