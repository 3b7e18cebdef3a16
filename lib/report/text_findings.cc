#include "report/text_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "report/row_sample_text.h"
#include "report/table.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatCount;
using base::FormatDuration;
using base::OneLine;
using base::Printable;

constexpr size_t kFasterMax = 5;
// Where a line has room for it; below, the query needs the columns.
constexpr size_t kBarsFromColumns = 90;
constexpr size_t kBarColumns = 8;
constexpr const char* kBarTitle = "1x 1000x";  // Its axis: three powers of ten in eight columns.

// How many times slower or faster, on a logarithmic scale: 1.2x, 12x and 1200x are told apart at a
// glance. Anything but 1x shows.
std::string FactorBar(double factor) {
  static constexpr std::array kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (!(factor > 0) || !std::isfinite(factor)) return {};
  const double powers = std::min(std::fabs(std::log10(factor)), 3.0);
  auto eighths = static_cast<size_t>(std::lround(powers / 3 * kBarColumns * 8));
  if (powers > 0) eighths = std::max<size_t>(eighths, 1);
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

class FindingSections {
 public:
  FindingSections(const Report& report, const TextOptions& options, TextPage& page)
      : report_(report), options_(options), page_(page) {}

  void Run() {
    WriteSentences("broken", "BROKEN", "ran before the change, fail after it");
    WriteSentences("different", "DIFFERENT", "other results than before the change");
    WriteSentences("blocked", "BLOCKS", "statements of the migration that queries waited for");
    WriteSpeeds("slower", "SLOWER", "before", options_.findings_per_section_max);
    WriteSpeeds("new-slow", "NEW AND SLOW", "captured", options_.findings_per_section_max);
    WriteSentences("over-budget", "OVER BUDGET", "slower on the candidate than the policy allows");
    WriteSentences("more-work", "MORE WORK", "for the same parameters, whatever the clock says");
    WriteSentences("transient", "TRANSIENT", "only in the first minutes after it");
    WriteSentences("warning", "WARNINGS", "told, not gating");
    WriteSpeeds("new", "NEW", "captured", options_.findings_per_section_max);
    WriteSpeeds("faster", "FASTER", "before", kFasterMax);
  }

 private:
  // Findings that are told in words.
  void WriteSentences(std::string_view type, std::string_view title, std::string_view explanation) {
    const auto findings = OfType(type);
    if (findings.empty()) return;
    page_.Heading(title, explanation);
    const size_t shown = std::min(findings.size(), options_.findings_per_section_max);
    for (size_t i = 0; i < shown; ++i) {
      const Finding& finding = *findings[i];
      page_.Line("  " + Shorten(CleanLine(finding.pattern), page_.columns() - kIndent));
      for (const std::string& reason : finding.reasons) page_.Detail(reason);
      for (const std::string& advice : finding.advice) page_.Detail("advice, not tried: " + advice);
      if (finding.has_latency) {
        page_.Detail(fmt::format("p95 {} before, {} after", FormatDuration(finding.before.p95_us),
                                 FormatDuration(finding.after.p95_us)));
      }
      if (type != "warning" && type != "transient") TellGate(finding);
      WriteRows(finding.rows);
      WritePlan(finding);
      WriteExample(finding);
    }
    page_.TellRest(findings.size(), shown);
  }

  // Findings that are told in numbers: a table, with details under each row.
  void WriteSpeeds(std::string_view type, std::string_view title, std::string_view before,
                   size_t shown_max) {
    const auto findings = OfType(type);
    if (findings.empty()) return;
    const size_t shown = std::min(findings.size(), shown_max);
    const bool bars = page_.columns() >= kBarsFromColumns;
    std::vector<TableColumn> columns = {{std::string(title), Align::kLeft, true},
                                        {std::string(before), Align::kRight, false},
                                        {"after", Align::kRight, false},
                                        {"factor", Align::kRight, false}};
    if (bars) columns.push_back({kBarTitle, Align::kLeft, false});
    columns.push_back({"calls", Align::kRight, false});
    columns.push_back({"time", Align::kRight, false});
    Table table(std::move(columns));
    for (size_t i = 0; i < shown; ++i) {
      const Finding& finding = *findings[i];
      const auto number = [&](std::string text) {
        return finding.has_latency ? std::move(text) : std::string("-");
      };
      std::vector<std::string> cells = {
          "  " + OneLine(finding.pattern), number(FormatDuration(finding.before.p50_us)),
          number(FormatDuration(finding.after.p50_us)), number(Factor(finding.factor))};
      if (bars) cells.push_back(finding.has_latency ? FactorBar(finding.factor) : "");
      cells.push_back(FormatCount(finding.calls));
      cells.push_back(Percent(finding.share));
      table.AddRow(std::move(cells));
    }
    const auto lines = table.Lines(page_.columns());
    page_.TableHeading(lines.front(), title);
    for (size_t i = 0; i < shown; ++i) {
      const Finding& finding = *findings[i];
      page_.Line(lines[i + 1]);
      for (const std::string& reason : finding.reasons) page_.Detail(reason);
      const bool spread = type == "slower" || type == "new-slow";
      if (spread && finding.has_latency) page_.Detail(SpreadSentence(finding), Ink::kDim);
      if (spread) TellGate(finding);
      WritePlan(finding);
      WriteExample(finding);
    }
    page_.TellRest(findings.size(), shown);
  }

  static std::string SpreadSentence(const Finding& finding) {
    std::string text = fmt::format("p95 {} to {}", FormatDuration(finding.before.p95_us),
                                   FormatDuration(finding.after.p95_us));
    if (finding.factor_high > 0) {
      text += fmt::format("; with 99 % confidence {} to {}", Factor(finding.factor_low),
                          Factor(finding.factor_high));
    }
    if (finding.confirmed && finding.again_pairs > 0) {
      text += "; seen again in " + Count(finding.again_pairs, "more pair", "more pairs");
    } else if (finding.confirmed) {
      text += "; seen again in a second run";
    }
    return text;
  }

  std::vector<const Finding*> OfType(std::string_view type) const {
    std::vector<const Finding*> found;
    for (const Finding& finding : report_.findings) {
      if (finding.type == type) found.push_back(&finding);
    }
    return found;
  }

  // The id of what gates; why another finding is told and does not gate, where its reasons do not
  // say so.
  void TellGate(const Finding& finding) {
    if (finding.gates) {
      // As 'scry report accept' takes it.
      page_.Detail(finding.id, Ink::kDim);
      return;
    }
    const bool told =
        std::any_of(finding.reasons.begin(), finding.reasons.end(),
                    [](const std::string& why) { return why.starts_with("does not gate"); });
    if (!told) page_.Detail("does not gate: the policy says so", Ink::kDim);
  }

  void WriteExample(const Finding& finding) {
    if (!finding.example.empty()) page_.Detail("example: " + finding.example, Ink::kDim);
  }

  void WriteRows(const RowSample& sample) {
    if (sample.rows.empty()) return;
    for (const std::string& line : RowSampleLines(sample, page_.columns() - kDetailIndent)) {
      page_.Line(std::string(kDetailIndent, ' ') + line);
    }
  }

  void WritePlan(const Finding& finding) {
    if (!finding.plan.sentence.empty()) page_.Detail(finding.plan.sentence);
    if (!options_.plans) return;
    const std::pair<const char*, const std::vector<std::string>*> sides[] = {
        {"plan before", &finding.plan.baseline}, {"plan after", &finding.plan.candidate}};
    for (const auto& [title, lines] : sides) {
      if (lines->empty()) continue;
      page_.Detail(title, Ink::kDim);
      for (const std::string& line : *lines) {
        page_.Line(std::string(kDetailIndent + 2, ' ') +
                   Shorten(Printable(line), page_.columns() - kDetailIndent - 2));
      }
    }
  }

  const Report& report_;
  const TextOptions& options_;
  TextPage& page_;
};

}  // namespace

void WriteFindings(const Report& report, const TextOptions& options, TextPage& page) {
  FindingSections(report, options, page).Run();
}

}  // namespace scry::report
