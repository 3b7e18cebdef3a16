#include "report/text_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "report/table.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatCount;
using base::FormatDuration;
using base::OneLine;
using base::Printable;

constexpr size_t kNotJudgedMax = 5;
constexpr size_t kUnfaithfulMax = 5;
constexpr size_t kIgnoredShownMax = 5;
constexpr size_t kThinMax = 5;
constexpr size_t kUnchangedMax = 200;

class CoverageSections {
 public:
  CoverageSections(const Report& report, const TextOptions& options, TextPage& page)
      : report_(report), options_(options), page_(page) {}

  void Run() {
    WriteIgnored();
    WriteNotJudged();
    WriteUnchanged();
    WriteThin();
    WriteUnfaithful();
    WriteNotes();
    WriteTested();
  }

 private:
  // Every rule, also one that hid nothing: nobody may forget what is not looked at.
  void WriteIgnored() {
    if (report_.ignore_rules.empty()) return;
    page_.Heading("IGNORED", "by rules of the policy");
    for (const IgnoreRule& rule : report_.ignore_rules) {
      page_.Wrapped(RuleText(rule), kIndent, Ink::kPlain);
      page_.Detail(RuleFate(rule), rule.again > 0 ? Ink::kYellow : Ink::kDim);
      size_t shown = 0;
      for (const Finding& finding : report_.findings) {
        if (finding.type != "ignored" || finding.ignored_by != rule.place) continue;
        if (++shown > kIgnoredShownMax) break;
        page_.Line(std::string(kDetailIndent, ' ') +
                   Shorten(CleanLine(fmt::format("{}: {}", finding.ignored_type, finding.pattern)),
                           page_.columns() - kDetailIndent));
        if (!finding.reasons.empty()) {
          page_.Wrapped(finding.reasons.front(), kDetailIndent + 2, Ink::kDim);
        } else if (finding.has_latency) {
          page_.Wrapped(fmt::format("{} before, {} after", FormatDuration(finding.before.p50_us),
                                    FormatDuration(finding.after.p50_us)),
                        kDetailIndent + 2, Ink::kDim);
        }
      }
    }
  }

  void WriteNotJudged() {
    if (report_.not_judged.empty()) return;
    constexpr std::string_view kTitle = "NOT JUDGED";
    const size_t count = report_.not_judged.size();
    const size_t shown = std::min(count, kNotJudgedMax);
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"calls", Align::kRight, false},
                 {"time", Align::kRight, false}});
    double rest = 0;
    for (size_t i = 0; i < count; ++i) {
      const NotJudged& item = report_.not_judged[i];
      if (i < shown) {
        table.AddRow({"  " + OneLine(item.pattern), FormatCount(item.calls), Percent(item.share)});
      } else {
        rest += item.share;
      }
    }
    const auto lines = table.Lines(page_.columns());
    page_.TableHeading(lines.front(), kTitle);
    for (size_t i = 0; i < shown; ++i) {
      page_.Line(lines[i + 1]);
      page_.Detail(report_.not_judged[i].why, Ink::kDim);
    }
    if (count > shown) {
      page_.Line("  " + page_.Paint(fmt::format("and {} more with {} of the time",
                                                FormatCount(count - shown), Percent(rest)),
                                    Ink::kDim));
    }
  }

  // "Unchanged" means no more than this: a slowdown from so much on would have been found.
  void WriteUnchanged() {
    std::vector<const PatternLine*> unchanged;
    for (const PatternLine& line : report_.patterns) {
      if (line.type == "unchanged") unchanged.push_back(&line);
    }
    if (unchanged.empty() || !options_.unchanged) return;
    constexpr std::string_view kTitle = "UNCHANGED";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"median", Align::kRight, false},
                 {"would show from", Align::kRight, false},
                 {"calls", Align::kRight, false},
                 {"time", Align::kRight, false}});
    const size_t shown = std::min(unchanged.size(), kUnchangedMax);
    for (size_t i = 0; i < shown; ++i) {
      const PatternLine& line = *unchanged[i];
      table.AddRow({"  " + OneLine(line.pattern),
                    line.pairs > 0 ? FormatDuration(line.median_us) : "-", Factor(line.detectable),
                    FormatCount(line.calls), Percent(line.share)});
    }
    const auto lines = table.Lines(page_.columns());
    page_.TableHeading(lines.front(), kTitle);
    for (size_t i = 1; i < lines.size(); ++i) page_.Line(lines[i]);
    page_.TellRest(unchanged.size(), shown);
  }

  void WriteThin() {
    if (report_.budget.thin.empty()) return;
    constexpr std::string_view kTitle = "THIN";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"chosen", Align::kRight, false},
                 {"captured", Align::kRight, false},
                 {"wanted", Align::kRight, false}});
    const size_t shown = std::min(report_.budget.thin.size(), kThinMax);
    for (size_t i = 0; i < shown; ++i) {
      const ThinPattern& item = report_.budget.thin[i];
      table.AddRow({"  " + OneLine(item.pattern), FormatCount(item.calls),
                    FormatCount(item.available), FormatCount(item.wanted)});
    }
    const auto lines = table.Lines(page_.columns());
    page_.TableHeading(lines.front(), kTitle);
    for (size_t i = 1; i < lines.size(); ++i) page_.Line(lines[i]);
    page_.TellRest(report_.budget.thin.size() + report_.budget.thin_more, shown);
  }

  void WriteUnfaithful() {
    const bool below = report_.tested.fidelity < report_.tested.fidelity_floor;
    if (report_.unfaithful.empty() || (!below && !options_.fidelity)) return;
    constexpr std::string_view kTitle = "UNFAITHFUL";
    Table table({{std::string(kTitle), Align::kLeft, true},
                 {"calls", Align::kRight, false},
                 {"sqlstate", Align::kRight, false},
                 {"rows", Align::kRight, false},
                 {"values", Align::kRight, false}});
    const size_t shown = std::min(report_.unfaithful.size(), kUnfaithfulMax);
    for (size_t i = 0; i < shown; ++i) {
      const Unfaithful& item = report_.unfaithful[i];
      table.AddRow({"  " + OneLine(item.pattern), FormatCount(item.calls),
                    FormatCount(item.lost.sqlstate), FormatCount(item.lost.rows),
                    FormatCount(item.lost.values)});
    }
    const auto lines = table.Lines(page_.columns());
    page_.TableHeading(lines.front(), kTitle);
    for (size_t i = 1; i < lines.size(); ++i) page_.Line(lines[i]);
    page_.TellRest(report_.unfaithful.size(), shown);
  }

  void WriteNotes() {
    if (report_.notes.empty()) return;
    page_.Heading("NOTES");
    for (const std::string& note : report_.notes) page_.Wrapped(note, kIndent, Ink::kPlain, "- ");
  }

  void WriteTested() {
    page_.Heading("TESTED");
    const MigrationFacts& migration = report_.migration;
    if (migration.ran) {
      page_.Fact("change", fmt::format("{} (exit {}, {})", migration.command, migration.exit_status,
                                       FormatDuration(migration.duration_us)));
    }
    page_.Fact("shadow", report_.shadow);
    for (const CaptureFacts& capture : report_.captures)
      page_.Fact("traffic", CaptureText(capture));
    if (report_.budget.budget_us > 0) page_.Fact("budget", BudgetText(report_.budget));
    for (const LaneFacts& lane : report_.lanes) page_.Fact(Printable(lane.name), LaneText(lane));
    const TestedFacts& tested = report_.tested;
    if (tested.statements == 0 && tested.sessions == 0) {
      page_.Fact("replayed", "nothing");
    } else {
      page_.Fact("replayed", ReplayedText(tested));
      if (options_.waits) page_.Fact("waited", WaitsText(tested));
      page_.Fact("compared", ComparedText(tested));
      page_.Fact("self-test", SelfTestText(tested));
      page_.Fact("confirmed", ConfirmedText(tested));
      page_.Fact("fidelity", FidelitySentence(tested));
      if (tested.work_patterns > 0) {
        page_.Fact("work",
                   fmt::format(
                       "counted for {} with {}", Count(tested.work_patterns, "pattern", "patterns"),
                       Count(tested.work_samples, "set of parameters", "sets of parameters")));
      }
    }
    page_.Fact("by",
               fmt::format("scry {}, {}", report_.tool_version, WallSeconds(report_.created_us)));
  }

  const Report& report_;
  const TextOptions& options_;
  TextPage& page_;
};

}  // namespace

void WriteCoverage(const Report& report, const TextOptions& options, TextPage& page) {
  CoverageSections(report, options, page).Run();
}

}  // namespace scry::report
