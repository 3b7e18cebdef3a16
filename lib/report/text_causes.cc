#include "report/text_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/units.h"
#include "report/finding_origin.h"
#include "report/table.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatCount;
using base::FormatDuration;

constexpr size_t kCausesMax = 10;
constexpr size_t kCausePatternsMax = 3;

class CauseSections {
 public:
  CauseSections(const Report& report, TextPage& page) : report_(report), page_(page) {}

  // Cause first: what one of them did to several patterns is told once.
  void WriteCauses() {
    if (report_.causes.empty()) return;
    const bool failed = report_.migration.ran && report_.migration.exit_status != 0;
    page_.Heading(failed ? "CAUSE" : "CAUSES", failed
                                                   ? "of the failure, from what the server answered"
                                                   : "from plans and catalogues of both lanes");
    const size_t shown = std::min(report_.causes.size(), kCausesMax);
    for (size_t i = 0; i < shown; ++i) {
      const Cause& cause = report_.causes[i];
      page_.Wrapped(cause.sentence, kIndent, Ink::kPlain, "- ");
      TellStatement(cause);
      TellPatterns(cause.findings);
    }
    page_.TellRest(report_.causes.size(), shown);
  }

  void WriteFixes() {
    if (report_.fixes.empty()) return;
    const bool split = std::any_of(report_.fixes.begin(), report_.fixes.end(),
                                   [](const Fix& fix) { return fix.waits.has_value(); });
    page_.Heading("FIX",
                  split ? "tried on forks and measured" : "applied to the candidate and measured");
    std::vector<std::string> told;  // Advice, once.
    for (const Fix& fix : report_.fixes) {
      // For copying: never broken or cut.
      for (const std::string& sql : SqlLines(fix)) page_.Line("  " + base::Printable(sql));
      TellPatterns(fix.findings);
      page_.Detail(fix.sentence);
      if (fix.waits) page_.Detail(FixWaitsText(*fix.waits));
      std::string numbers;
      if (fix.us_before > 0 || fix.blocks_before > 0) {
        numbers = "before " + Measured(fix.us_before, fix.blocks_before) + ", ";
      }
      numbers += fmt::format("after {}, with the fix {}", Measured(fix.us_after, fix.blocks_after),
                             Measured(fix.us_fixed, fix.blocks_fixed));
      if (!fix.waits) page_.Detail(numbers);
      if (fix.size_bytes > 0) {
        page_.Detail(fmt::format("{}, built in {}", base::FormatSize(fix.size_bytes),
                                 FormatDuration(fix.build_us)));
      }
      for (const WriteCost& cost : fix.writes) WriteCostOf(cost);
      for (const std::string& advice : fix.advice) {
        if (std::find(told.begin(), told.end(), advice) != told.end()) continue;
        told.push_back(advice);
        page_.Detail(advice, Ink::kDim);
      }
    }
  }

 private:
  void TellStatement(const Cause& cause) {
    if (cause.statement.empty()) return;
    const MigrationStatement* statement = StatementOf(report_, cause);
    if (statement == nullptr) {
      page_.Detail("by: " +
                   Shorten(CleanLine(cause.statement), page_.columns() - kDetailIndent - 4));
      return;
    }
    const std::string by = fmt::format("by statement {}: ", *cause.statement_index + 1);
    page_.Line(std::string(kDetailIndent, ' ') +
               Shorten(by + CleanLine(cause.statement), page_.columns() - kDetailIndent));
    // For opening: never broken or cut.
    if (!statement->file.empty()) {
      page_.Line(std::string(kDetailIndent, ' ') + CleanLine("in " + PlaceText(*statement)));
    }
  }

  void WriteCostOf(const WriteCost& cost) {
    std::string text =
        fmt::format("costs per call: WAL {} to {}",
                    base::FormatSize(static_cast<uint64_t>(std::max(0.0, cost.without.wal_bytes))),
                    base::FormatSize(static_cast<uint64_t>(std::max(0.0, cost.with.wal_bytes))));
    text += fmt::format(", blocks {:.0f} to {:.0f}", cost.without.blocks, cost.with.blocks);
    if (cost.us_with > 0) {
      text +=
          fmt::format(", {} to {}", FormatDuration(cost.us_without), FormatDuration(cost.us_with));
    }
    page_.Detail(text, Ink::kDim);
    page_.Line(std::string(kDetailIndent + 2, ' ') +
               page_.Paint(Shorten(CleanLine(cost.pattern), page_.columns() - kDetailIndent - 2),
                           Ink::kDim));
  }

  static std::string Measured(double us, double blocks) {
    std::string text = us > 0 ? FormatDuration(us) : std::string();
    if (blocks > 0) {
      text += fmt::format("{}{}", text.empty() ? "" : " and ",
                          Count(static_cast<uint64_t>(std::round(blocks)), "block", "blocks"));
    }
    return text.empty() ? "-" : text;
  }

  const Finding* ById(const std::string& id) const {
    const auto found = std::find_if(report_.findings.begin(), report_.findings.end(),
                                    [&](const Finding& finding) { return finding.id == id; });
    return found == report_.findings.end() ? nullptr : &*found;
  }

  // The first of the findings that a cause or a fix is of.
  void TellPatterns(const std::vector<std::string>& ids) {
    const size_t shown = std::min(ids.size(), kCausePatternsMax);
    for (size_t i = 0; i < shown; ++i) {
      const Finding* finding = ById(ids[i]);
      if (finding == nullptr) continue;
      const std::string line = CleanLine(finding->type + ": " + finding->pattern);
      page_.Line(std::string(kDetailIndent, ' ') +
                 page_.Paint(Shorten(line, page_.columns() - kDetailIndent), Ink::kDim));
    }
    if (ids.size() <= shown) return;
    page_.Detail(fmt::format("and {} more", FormatCount(ids.size() - shown)), Ink::kDim);
  }

  const Report& report_;
  TextPage& page_;
};

}  // namespace

void WriteCauses(const Report& report, TextPage& page) {
  CauseSections(report, page).WriteCauses();
}
void WriteFixes(const Report& report, TextPage& page) { CauseSections(report, page).WriteFixes(); }

}  // namespace scry::report
