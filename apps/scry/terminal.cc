#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/units.h"
#include "command.h"

namespace scry::app {
namespace {

constexpr base::Micros kRedrawUs = 100000;
constexpr size_t kBarColumns = 20;
constexpr size_t kBarColumnsNarrow = 8;
// Of a step's name; on a terminal of 80 columns what was done has the same room as its name.
constexpr size_t kStepColumns = 38;
constexpr size_t kStepColumnsNarrow = 33;
constexpr size_t kNarrow = 90;
// Before that a rate says little about the time left.
constexpr base::Micros kEstimateAfterUs = 1000 * 1000;
constexpr double kEstimateShareMin = 0.02;

bool output_failed = false;

void ToStderr(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string Bar(double fraction, size_t columns) {
  const double clamped = std::clamp(fraction, 0.0, 1.0);
  const auto full = static_cast<size_t>(clamped * static_cast<double>(columns));
  std::string bar;
  for (size_t i = 0; i < columns; ++i) bar += i < full ? "━" : "─";
  return bar;
}

size_t StepColumns(size_t columns) { return columns < kNarrow ? kStepColumnsNarrow : kStepColumns; }

// "4 s left, "; empty while it cannot be told.
std::string TimeLeft(double fraction, base::Micros elapsed_us) {
  if (fraction < kEstimateShareMin || fraction > 1 || elapsed_us < kEstimateAfterUs) return {};
  const double left_s = static_cast<double>(elapsed_us) / 1e6 * (1 - fraction) / fraction;
  const auto seconds = static_cast<int64_t>(left_s + 0.5);
  if (seconds < 100) return fmt::format("{} s left, ", seconds);
  return fmt::format("{} min left, ", (seconds + 30) / 60);
}

}  // namespace

bool WantsColor(const CommonOptions& options, int fd) {
  if (options.color == ColorWhen::kAlways) return true;
  if (options.color == ColorWhen::kNever) return false;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  if (term != nullptr && std::string_view(term) == "dumb") return false;
  return isatty(fd) == 1;
}

size_t TerminalColumns(int fd) {
  winsize size{};
  if (isatty(fd) == 1 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 100;
}

bool PrintResult(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return true;
  }
  if (errno != EPIPE && !output_failed) {
    PrintError(base::FailErrno("write to stdout"));
    output_failed = true;
  }
  return false;
}

bool OutputFailed() { return output_failed; }

void PrintError(const base::Error& error) { ToStderr(fmt::format("scry: {}\n", error.message)); }
void PrintNote(std::string_view text) { ToStderr(fmt::format("scry: {}\n", text)); }

ExitStatus Refuse(const base::Error& error) {
  // Ctrl-C reaches the programs that scry runs as well: what they then say of their end is nobody's
  // failure.
  if (error.code != base::ErrorCode::kInterrupted && Interrupted()) {
    return Refuse(base::Fail(base::ErrorCode::kInterrupted, "interrupted"));
  }
  PrintError(error);
  return StatusOf(error);
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

TerminalProgress::TerminalProgress(const CommonOptions& options)
    : quiet_(options.quiet),
      terminal_(isatty(STDERR_FILENO) == 1),
      color_(WantsColor(options, STDERR_FILENO)),
      columns_(TerminalColumns(STDERR_FILENO)) {}

TerminalProgress::~TerminalProgress() { Erase(); }

void TerminalProgress::Step(const std::string& text) {
  if (!step_.empty()) Finish("");
  step_ = text;
  step_started_us_ = base::SystemClock().MonotonicUs();
  drawn_us_ = 0;
  Draw(-1, "");
}

void TerminalProgress::Update(double fraction, const std::string& detail) {
  const base::Micros now = base::SystemClock().MonotonicUs();
  if (now - drawn_us_ < kRedrawUs) return;
  Draw(fraction, detail);
}

void TerminalProgress::Done(const std::string& detail) { Finish(detail); }

void TerminalProgress::Note(const std::string& text) {
  if (quiet_) return;
  Erase();
  if (text.empty()) return;  // Only makes room: somebody else is about to write.
  ToStderr(text + "\n");
}

void TerminalProgress::Draw(double fraction, const std::string& detail) {
  if (quiet_ || !terminal_ || step_.empty()) return;
  Erase();
  drawn_us_ = base::SystemClock().MonotonicUs();
  const size_t room = StepColumns(columns_);
  std::string line = fmt::format("  {:<{}} ", base::Printable(step_, room), room);
  if (fraction >= 0) {
    const size_t bar = columns_ < kNarrow ? kBarColumnsNarrow : kBarColumns;
    line += Bar(fraction, bar) + fmt::format(" {:3.0f}% ", fraction * 100);
    line += TimeLeft(fraction, drawn_us_ - step_started_us_);
  }
  line = base::Printable(line + detail, columns_ - 1);
  ToStderr(color_ ? "\x1b[2m" + line + "\x1b[0m" : line);
  drawn_ = true;
}

void TerminalProgress::Erase() {
  if (drawn_) ToStderr("\r\x1b[K");
  drawn_ = false;
}

void TerminalProgress::Finish(const std::string& detail) {
  if (step_.empty()) return;
  Erase();
  if (!quiet_) {
    const base::Micros took = base::SystemClock().MonotonicUs() - step_started_us_;
    const std::string mark = color_ ? "\x1b[32m✓\x1b[0m" : "✓";
    const size_t room = StepColumns(columns_);
    std::string line = fmt::format("{:<{}} {:>9}{}{}", base::Printable(step_, room), room,
                                   base::FormatDuration(took), detail.empty() ? "" : "  ", detail);
    if (terminal_) line = base::Printable(line, std::max<size_t>(columns_, 3) - 2);
    ToStderr(fmt::format("{} {}\n", mark, line));
  }
  step_.clear();
}

}  // namespace scry::app
