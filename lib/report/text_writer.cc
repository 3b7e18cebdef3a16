#include "report/text_writer.h"

#include <string>

#include "base/letter_case.h"
#include "report/table.h"
#include "report/text_page.h"
#include "report/text_sections.h"

namespace scry::report {
namespace {

void WriteVerdict(const Report& report, TextPage& page) {
  const std::string word = CleanLine(base::UpperAscii(report.verdict));
  Ink ink = Ink::kRed;
  if (report.verdict == "safe") ink = Ink::kGreen;
  if (report.verdict == "inconclusive") ink = Ink::kYellow;
  const size_t hang = DisplayWidth(word) + 2;
  const size_t room =
      page.columns() > hang + kColumnsMin / 2 ? page.columns() - hang : kColumnsMin / 2;
  const auto lines = Wrap(CleanLine(report.sentence), room);
  page.Line(page.Paint(word, ink) + (lines.empty() ? "" : "  " + lines.front()));
  for (size_t i = 1; i < lines.size(); ++i) page.Line(std::string(hang, ' ') + lines[i]);
}

void WriteNextSteps(const Report& report, TextPage& page) {
  if (report.next_steps.empty()) return;
  page.Heading("NEXT");
  for (const NextStep& step : report.next_steps) {
    page.Wrapped(step.why, kIndent, Ink::kDim);
    // A command is for copying: it is never broken or cut.
    page.Line(std::string(kDetailIndent, ' ') + CleanLine(step.command));
  }
}

}  // namespace

std::string WriteText(const Report& report, const TextOptions& options) {
  TextPage page(options);
  WriteVerdict(report, page);
  WriteMigrationOutput(report, page);
  WriteCauses(report, page);
  WriteFindings(report, options, page);
  WriteMigration(report, page);
  WriteFixes(report, page);
  WriteCoverage(report, options, page);
  WriteNextSteps(report, page);
  return page.Take();
}

}  // namespace scry::report
