// What the commands print: results to stdout, diagnostics and progress to stderr. One thread.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "exit_status.h"
#include "job/progress.h"

namespace scry::app {

enum class ColorWhen { kAuto, kAlways, kNever };

// Flags that every command takes.
struct CommonOptions {
  std::string config_path;
  std::string state_dir;
  ColorWhen color = ColorWhen::kAuto;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

// Colour on stdout: asked for, or a terminal without NO_COLOR.
bool WantsColor(const CommonOptions& options, int fd);
// Columns of the terminal on `fd`, or 100 where it is none.
size_t TerminalColumns(int fd);

// Result text. False: nobody takes more. A closed stdout (head, less) is no failure; what could not
// be written for another reason makes OutputFailed() true.
bool PrintResult(std::string_view text);
bool OutputFailed();
// "scry: ..." on stderr.
void PrintError(const base::Error& error);
// What is not as it may seem, and no error.
void PrintNote(std::string_view text);
// The same, and the exit status that goes with it.
ExitStatus Refuse(const base::Error& error);
// A JSON string with its quotes.
std::string JsonString(std::string_view text);

// Steps on stderr: a bar that redraws itself on a terminal, with what is done, its rate and the
// time left, and a line per step when it is over; only the lines elsewhere.
class TerminalProgress final : public job::Progress {
 public:
  explicit TerminalProgress(const CommonOptions& options);
  ~TerminalProgress() override;
  void Step(const std::string& text) override;
  void Update(double fraction, const std::string& detail) override;
  void Done(const std::string& detail) override;
  void Note(const std::string& text) override;

 private:
  void Draw(double fraction, const std::string& detail);
  void Erase();
  void Finish(const std::string& detail);

  const bool quiet_;
  const bool terminal_;
  const bool color_;
  const size_t columns_;
  std::string step_;  // Empty: none is running.
  base::Micros step_started_us_ = 0;
  base::Micros drawn_us_ = 0;
  bool drawn_ = false;
};

}  // namespace scry::app
