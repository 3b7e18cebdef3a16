#include "report/load_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "report/table.h"

namespace scry::report {
namespace {

using base::FormatCount;
using base::FormatDuration;

constexpr size_t kColumnsMin = 40;
constexpr size_t kLabelWidth = 10;
constexpr size_t kColumnsForAll = 96;  // Fewer leave no room for the pattern.
constexpr size_t kErrorsShown = 8;

std::string Count(uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", FormatCount(count), count == 1 ? one : many);
}

// Milliseconds in few columns: "0.042", "3.41", "128", "12,345".
std::string Millis(Micros value_us) {
  const double ms = static_cast<double>(value_us) / 1000;
  if (ms < 0.995) return fmt::format("{:.3f}", ms);
  if (ms < 9.995) return fmt::format("{:.2f}", ms);
  if (ms < 99.95) return fmt::format("{:.1f}", ms);
  return FormatCount(static_cast<uint64_t>(std::llround(ms)));
}

std::string Speed(double speed) {
  if (speed <= 0) return "as fast as possible";
  return speed == 1 ? "as captured" : fmt::format("{:g} times as fast as captured", speed);
}

std::string Sync(const std::string& sync) {
  if (sync == "commit") return "each waits for the commits it had seen";
  if (sync == "time") return "each exchange at its own time";
  return "in order inside each session only";
}

class Writer {
 public:
  Writer(const LoadReport& report, const LoadTextOptions& options)
      : report_(report), options_(options), columns_(std::max(options.columns, kColumnsMin)) {}

  std::string Run() {
    WriteTitle();
    WriteTotals();
    WritePatterns();
    for (const std::string& note : report_.notes) {
      Blank();
      Labelled("note", note);
    }
    return std::move(out_);
  }

 private:
  std::string Bold(const std::string& text) const {
    return options_.color ? "\x1b[1m" + text + "\x1b[0m" : text;
  }
  void Line(std::string_view text) {
    out_ += text;
    out_ += '\n';
  }
  void Blank() {
    if (!out_.ends_with("\n\n")) out_ += '\n';
  }
  // "  label     text", further lines under the text.
  void Labelled(std::string_view label, std::string_view text) {
    const std::string clean = base::Printable(base::OneLine(text));
    std::string_view lead = label;
    for (const std::string& line : Wrap(clean, columns_ - kLabelWidth - 2)) {
      Line(fmt::format("  {:<{}}{}", lead, kLabelWidth, line));
      lead = "";
    }
  }

  void WriteTitle() {
    std::string title = fmt::format("LOAD  {}", base::Printable(report_.target));
    if (!report_.server_version.empty()) {
      title += fmt::format(" (PostgreSQL {})", base::Printable(report_.server_version));
    }
    Line(Bold(title));
    Blank();
  }

  void WriteTotals() {
    const LoadTotals& totals = report_.totals;
    Labelled("replayed", fmt::format("{} of {} in {}: {:.0f}/s",
                                     Count(totals.statements, "statement", "statements"),
                                     Count(totals.sessions, "session", "sessions"),
                                     FormatDuration(totals.duration_us), LoadRate(totals)));
    for (const CaptureFacts& capture : report_.captures) {
      const double seconds = static_cast<double>(std::max<Micros>(capture.duration_us, 1)) / 1e6;
      Labelled("capture", fmt::format("{}: {} of {} in {}: {:.0f}/s", capture.name,
                                      Count(capture.statements, "statement", "statements"),
                                      Count(capture.sessions, "session", "sessions"),
                                      FormatDuration(capture.duration_us),
                                      static_cast<double>(capture.statements) / seconds));
    }
    WritePace();
    WriteLag();
    WriteErrors();
    WriteLeftOut();
  }

  void WritePace() {
    std::string pace =
        fmt::format("{}; {}", Speed(report_.settings.speed), Sync(report_.settings.sync));
    if (report_.settings.connect_speed >= 0) {
      pace += fmt::format("; connections {}", Speed(report_.settings.connect_speed));
    }
    if (report_.settings.multiply > 1) {
      pace += fmt::format("; every session {} times", FormatCount(report_.settings.multiply));
    }
    Labelled("pace", pace);
    if (report_.settings.pipeline > 1) {
      Labelled(
          "pipeline",
          fmt::format("up to {} exchanges of a session at the server at once: it runs one after "
                      "the other and waits for no client; answers read together share their time",
                      report_.settings.pipeline));
    }
    std::string only;
    for (const std::string& filter : report_.settings.filters) {
      only += (only.empty() ? "" : ", ") + filter;
    }
    for (const std::string& shard : report_.shards) {
      only += (only.empty() ? "shard " : ", shard ") + shard;
    }
    if (!only.empty()) Labelled("only", only);
  }

  void WriteLag() {
    const LoadTotals& totals = report_.totals;
    if (totals.lag.count() > 0) {
      Labelled("lag", fmt::format("p50 {}, p99 {}, at most {} behind schedule",
                                  FormatDuration(totals.lag.Quantile(0.5)),
                                  FormatDuration(totals.lag.Quantile(0.99)),
                                  FormatDuration(totals.lag.max())));
    }
    Labelled("waits",
             fmt::format("order {}, scry itself {}, server slower than in the capture {}; "
                         "added up over all sessions",
                         FormatDuration(totals.order_wait_us), FormatDuration(totals.tool_wait_us),
                         FormatDuration(totals.server_wait_us)));
  }

  void WriteErrors() {
    std::vector<std::pair<std::string, LoadErrors>> errors(report_.errors.begin(),
                                                           report_.errors.end());
    std::sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) {
      if (a.second.fresh != b.second.fresh) return a.second.fresh > b.second.fresh;
      return a.first < b.first;
    });
    std::vector<std::string> fresh;
    uint64_t expected = 0;
    for (const auto& [state, counts] : errors) {
      expected += counts.expected;
      if (counts.fresh > 0)
        fresh.push_back(fmt::format("{} of {}", FormatCount(counts.fresh), state));
    }
    const size_t more = fresh.size() > kErrorsShown ? fresh.size() - kErrorsShown : 0;
    fresh.resize(fresh.size() - more);
    std::string text = fresh.empty() ? "none that were not in the capture"
                                     : fmt::format("new: {}", fmt::join(fresh, ", "));
    if (more > 0) text += fmt::format(" and {} further kinds", more);
    if (expected > 0) text += fmt::format("; as in the capture: {}", FormatCount(expected));
    Labelled("errors", text);
  }

  void WriteLeftOut() {
    const LoadTotals& totals = report_.totals;
    for (const auto& [reason, count] : report_.excluded) {
      Labelled("left out", Count(count, "session", "sessions") + ": " + reason);
    }
    if (totals.exchanges_refused > 0) {
      Labelled("left out", Count(totals.exchanges_refused, "exchange", "exchanges") +
                               " not known to only read");
    }
    if (totals.gaps > 0) {
      Labelled("missing", Count(totals.gap_exchanges, "exchange", "exchanges") +
                              " known to be missing from the capture");
    }
    if (totals.stalls_released > 0) {
      Labelled("order", Count(totals.stalls_released, "wait", "waits") +
                            " had to be broken up: sessions stood still behind each other's locks");
    }
    if (totals.cancelled > 0) {
      Labelled("cancelled", Count(totals.cancelled, "exchange", "exchanges") + " that never ended");
    }
  }

  void WritePatterns() {
    if (report_.patterns.empty()) return;
    const bool errors = std::any_of(report_.patterns.begin(), report_.patterns.end(),
                                    [](const auto& one) { return one.errors.fresh > 0; });
    std::vector<TableColumn> columns = {{"time", Align::kRight}, {"calls", Align::kRight}};
    for (int side = 0; side < 2; ++side) {
      for (const auto& [title, quantile] : Quantiles()) columns.push_back({title, Align::kRight});
      columns.push_back({"max", Align::kRight});
    }
    if (errors) columns.push_back({"errors", Align::kRight});
    columns.push_back({"pattern", Align::kLeft, true});
    Table table(columns, 2);
    double total = 0;
    for (const LoadPattern& one : report_.patterns) {
      total += static_cast<double>(one.replayed.total());
    }
    const size_t shown = options_.top == 0 ? report_.patterns.size()
                                           : std::min(options_.top, report_.patterns.size());
    for (size_t i = 0; i < shown; ++i) table.AddRow(Row(report_.patterns[i], total, errors));
    const std::vector<std::string> lines = table.Lines(columns_);
    Blank();
    Line(Bold(SidesOver(lines.front())));
    for (const std::string& line : lines) Line(line);
    if (shown < report_.patterns.size()) {
      Line(fmt::format("  and {} (--top 0: all)", Count(report_.patterns.size() - shown,
                                                        "further pattern", "further patterns")));
    }
  }

  // Says above the titles which four columns are whose.
  static std::string SidesOver(const std::string& titles) {
    const size_t first = titles.find("max");
    const size_t second = titles.find("max", first + 1);
    std::string line(titles.size(), ' ');
    const auto put = [&](size_t title, std::string_view text) {
      if (title == std::string::npos) return;
      const size_t end = title + 3;
      if (end >= text.size()) line.replace(end - text.size(), text.size(), text);
    };
    put(first, "capture, ms");
    put(second, "replay, ms");
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
  }

  std::vector<std::pair<const char*, double>> Quantiles() const {
    if (columns_ < kColumnsForAll) return {{"p50", 0.5}, {"p99", 0.99}};
    return {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}};
  }

  std::vector<std::string> Row(const LoadPattern& one, double total, bool errors) const {
    const double share = total > 0 ? static_cast<double>(one.replayed.total()) / total * 100 : 0;
    std::vector<std::string> row = {fmt::format("{:.0f}%", share), FormatCount(one.calls)};
    for (const base::Histogram* side : {&one.captured, &one.replayed}) {
      for (const auto& [title, quantile] : Quantiles()) {
        row.push_back(side->count() == 0 ? "-" : Millis(side->Quantile(quantile)));
      }
      row.push_back(side->count() == 0 ? "-" : Millis(side->max()));
    }
    if (errors) row.push_back(one.errors.fresh == 0 ? "" : FormatCount(one.errors.fresh));
    row.push_back(base::OneLine(one.pattern));
    return row;
  }

  const LoadReport& report_;
  const LoadTextOptions& options_;
  const size_t columns_;
  std::string out_;
};

}  // namespace

std::string WriteLoadText(const LoadReport& report, const LoadTextOptions& options) {
  return Writer(report, options).Run();
}

}  // namespace scry::report
