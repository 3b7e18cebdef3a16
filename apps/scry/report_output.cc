#include "report_output.h"

#include <unistd.h>

#include <algorithm>

#include "report/json_writer.h"
#include "report/load_json.h"
#include "report/load_text.h"
#include "report/text_writer.h"

namespace scry::app {
namespace {

constexpr size_t kReportColumnsMax = 100;
constexpr size_t kLoadColumnsMax = 140;

}  // namespace

void PrintReport(const CommonOptions& common, const report::Report& report, bool plans) {
  if (common.json) {
    PrintResult(report::WriteJson(report));
    return;
  }
  report::TextOptions options;
  options.color = WantsColor(common, STDOUT_FILENO);
  options.columns = std::min(TerminalColumns(STDOUT_FILENO), kReportColumnsMax);
  options.plans = plans || common.verbose;
  options.fidelity = options.waits = options.unchanged = common.verbose;
  PrintResult(report::WriteText(report, options));
}

void PrintLoadReport(const CommonOptions& common, const report::LoadReport& report, size_t top) {
  if (common.json) {
    PrintResult(report::WriteLoadJson(report));
    return;
  }
  report::LoadTextOptions options;
  options.color = WantsColor(common, STDOUT_FILENO);
  options.columns = std::min(TerminalColumns(STDOUT_FILENO), kLoadColumnsMax);
  options.top = top;
  PrintResult(report::WriteLoadText(report, options));
}

}  // namespace scry::app
