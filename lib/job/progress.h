// How a job says what it is doing. Implemented by the command line (a bar on a terminal, plain
// lines elsewhere) and by tests (nothing). Called from the job's own thread only.
#pragma once

#include <string>

namespace scry::job {

class Progress {
 public:
  virtual ~Progress() = default;
  // A step begins: "copy shadow to 2 lanes". The step before is over.
  virtual void Step(const std::string& text) = 0;
  // How far the step is, in [0, 1] (negative: unknown), and with what: "41,200 statements,
  // 3,100/s".
  virtual void Update(double fraction, const std::string& detail) = 0;
  // The step is over: "0.4 s, 58 MB by reflink".
  virtual void Done(const std::string& detail) = 0;
  // A line that stays: a warning. Empty: makes room for output of the user's command.
  virtual void Note(const std::string& text) = 0;
};

class NoProgress final : public Progress {
 public:
  void Step(const std::string&) override {}
  void Update(double, const std::string&) override {}
  void Done(const std::string&) override {}
  void Note(const std::string&) override {}
};

}  // namespace scry::job
