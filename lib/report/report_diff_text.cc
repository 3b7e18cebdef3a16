#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/letter_case.h"
#include "base/units.h"
#include "report/report_diff.h"
#include "report/table.h"
#include "report/text_page.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatDuration;
using base::OneLine;

constexpr size_t kColumnsMin = 40;
constexpr size_t kShownMax = 20;
constexpr size_t kDetailIndent = 6;

class Writer {
 public:
  Writer(const ReportDiff& diff, const DiffTextOptions& options)
      : diff_(diff), options_(options), columns_(std::max(options.columns, kColumnsMin)) {}

  std::string Run() {
    WriteVerdict();
    WriteList("NEW", "findings that the older report has not", diff_.fresh, "1;31");
    WriteList("GONE", "findings that only the older report has", diff_.gone, "1;32");
    WriteList("NOT JUDGED", "findings of the older report that may be there still",
              diff_.not_judged, "1;33");
    WriteStill();
    WriteMoved();
    WriteMet("MET NO MORE", "queries that the newer run did not meet", diff_.met_only_before);
    WriteMet("MET FIRST", "queries that the older run did not meet", diff_.met_only_after);
    WriteFacts();
    return std::move(out_);
  }

 private:
  std::string Paint(std::string_view text, std::string_view code) const {
    if (!options_.color) return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
  }
  void Line(std::string_view text) { out_ += std::string(text) + "\n"; }
  void Detail(std::string_view text) {
    for (const std::string& line : Wrap(CleanLine(text), columns_ - kDetailIndent)) {
      Line(std::string(kDetailIndent, ' ') + Paint(line, "2"));
    }
  }
  void Heading(std::string_view title, std::string_view explanation) {
    Line("");
    Line(Paint(title, "1") + "  " + Paint(explanation, "2"));
  }
  void TellRest(size_t count) {
    if (count > kShownMax) {
      Line("  " + Paint(fmt::format("and {} more", base::FormatCount(count - kShownMax)), "2"));
    }
  }

  void WriteVerdict() {
    const std::string now = base::UpperAscii(CleanLine(diff_.after->verdict));
    const std::string_view ink = diff_.after->verdict == "safe"           ? "1;32"
                                 : diff_.after->verdict == "inconclusive" ? "1;33"
                                                                          : "1;31";
    Line(diff_.verdict_changed()
             ? fmt::format("{} -> {}", base::UpperAscii(CleanLine(diff_.before->verdict)),
                           Paint(now, ink))
             : Paint(now, ink) + " as before");
    std::string gating;
    if (diff_.fresh_gating() > 0) {
      gating = fmt::format(" ({} newly gating)", base::FormatCount(diff_.fresh_gating()));
    } else if (!diff_.fresh.empty()) {
      gating = " (none gates)";
    }
    const bool judged = IsJudged(*diff_.after);
    const size_t missing = judged ? diff_.gone.size() : diff_.not_judged.size();
    Line(fmt::format("  {}{}, {} {}, {} still there",
                     Count(diff_.fresh.size(), "new finding", "new findings"), gating,
                     base::FormatCount(missing), judged ? "gone" : "not judged",
                     base::FormatCount(diff_.still.size())));
    if (!judged) Line("  the newer run judged nothing: what it does not find is not gone");
    if (diff_.fresh.empty() && missing == 0 && diff_.moved.empty() && !diff_.verdict_changed()) {
      Line("  nothing changed in what was found");
    }
  }

  static std::string Numbers(const Finding& finding) {
    if (!finding.has_latency) return finding.reasons.empty() ? "" : finding.reasons.front();
    return fmt::format("{} before the change, {} after it ({})",
                       FormatDuration(finding.before.p50_us), FormatDuration(finding.after.p50_us),
                       Factor(finding.factor));
  }

  void WriteFinding(const Finding& finding, std::string_view ink) {
    const std::string kind = CleanLine(finding.type) + (finding.gates ? "" : " (told)");
    const size_t room = columns_ - 2 - std::min(DisplayWidth(kind) + 2, columns_ / 2);
    Line("  " + Paint(kind, ink) + "  " + Shorten(CleanLine(finding.pattern), room));
    const std::string numbers = Numbers(finding);
    if (!numbers.empty()) Detail(numbers);
  }

  void WriteList(std::string_view title, std::string_view explanation,
                 const std::vector<const Finding*>& findings, std::string_view ink) {
    if (findings.empty()) return;
    Heading(title, explanation);
    for (size_t i = 0; i < findings.size() && i < kShownMax; ++i) {
      WriteFinding(*findings[i], findings[i]->gates ? ink : "0");
      Detail(findings[i]->id);
    }
    TellRest(findings.size());
  }

  static std::string Change(const FindingPair& pair) {
    const Finding& before = *pair.before;
    const Finding& after = *pair.after;
    std::string text;
    if (before.has_latency && after.has_latency) {
      text = fmt::format("{} -> {}", Factor(before.factor), Factor(after.factor));
    } else if (before.has_work && after.has_work) {
      text =
          fmt::format("{:.0f} -> {:.0f} blocks", before.work_after.blocks, after.work_after.blocks);
    } else if (before.affected != after.affected) {
      text = fmt::format("{} -> {} calls", base::FormatCount(before.affected),
                         base::FormatCount(after.affected));
    }
    if (pair.gate_changed()) {
      text += std::string(text.empty() ? "" : ", ") + (after.gates ? "gates now" : "gates no more");
    }
    return text;
  }

  void WriteStill() {
    if (diff_.still.empty()) return;
    constexpr std::string_view kTitle = "STILL THERE";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"kind", Align::kLeft, false},
                 {"then -> now", Align::kRight, false}});
    for (size_t i = 0; i < diff_.still.size() && i < kShownMax; ++i) {
      const FindingPair& pair = diff_.still[i];
      table.AddRow({"  " + OneLine(pair.after->pattern), pair.after->type, Change(pair)});
    }
    WriteTable(table, kTitle);
    TellRest(diff_.still.size());
  }

  void WriteTable(const Table& table, std::string_view title) {
    const auto lines = table.Lines(columns_);
    Line("");
    Line(Paint(title, "1") + Paint(std::string_view(lines.front()).substr(title.size()), "2"));
    for (size_t i = 1; i < lines.size(); ++i) Line(lines[i]);
  }

  void WriteMoved() {
    if (diff_.moved.empty()) return;
    constexpr std::string_view kTitle = "OTHER CLASS";
    Table table({{std::string(kTitle), Align::kLeft, true}, {"then -> now", Align::kLeft, false}});
    for (size_t i = 0; i < diff_.moved.size() && i < kShownMax; ++i) {
      const PatternMove& move = diff_.moved[i];
      table.AddRow({"  " + OneLine(move.pattern), move.before + " -> " + move.after});
    }
    WriteTable(table, kTitle);
    TellRest(diff_.moved.size());
  }

  void WriteMet(std::string_view title, std::string_view explanation,
                const std::vector<const PatternLine*>& lines) {
    if (lines.empty()) return;
    Heading(title, explanation);
    for (size_t i = 0; i < lines.size() && i < kShownMax; ++i) {
      Line("  " + Shorten(CleanLine(lines[i]->pattern), columns_ - 2));
    }
    TellRest(lines.size());
  }

  void WriteFacts() {
    if (diff_.facts.empty()) return;
    constexpr std::string_view kTitle = "TESTED";
    Table table({{std::string(kTitle), Align::kLeft, false},
                 {"then", Align::kLeft, false},
                 {"now", Align::kLeft, true}});
    const auto cell = [](const std::string& text) {
      return text.empty() ? std::string("-") : Shorten(CleanLine(text), 40);
    };
    for (const FactChange& fact : diff_.facts) {
      table.AddRow({"  " + fact.name, cell(fact.before), cell(fact.after)});
    }
    WriteTable(table, kTitle);
  }

  const ReportDiff& diff_;
  const DiffTextOptions& options_;
  const size_t columns_;
  std::string out_;
};

}  // namespace

std::string WriteDiffText(const ReportDiff& diff, const DiffTextOptions& options) {
  return Writer(diff, options).Run();
}

}  // namespace scry::report
