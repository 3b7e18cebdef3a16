#include "job/report_job.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/units.h"
#include "os/file.h"
#include "report/json_reader.h"
#include "report/load_json.h"

namespace scry::job {
namespace {

constexpr uint64_t kReportBytesMax = 256 * 1024 * 1024;

}  // namespace

base::Result<AnyReport> ReadAnyReport(const std::string& path) {
  struct stat info {};
  std::string file = path;
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) file += "/report.json";
  if (stat(file.c_str(), &info) != 0) {
    return base::Fail(
        base::ErrorCode::kNotFound,
        fmt::format(
            "no report at {}; 'scry ci test-migration --report DIR' leaves one, and so does "
            "'scry replay --report DIR'",
            base::Printable(file)));
  }
  SCRY_TRY_ASSIGN(const std::string text,
                  os::ReadWholeFile(os::RealFileSystem(), file, kReportBytesMax));
  if (report::IsLoadJson(text)) {
    SCRY_TRY_ASSIGN(report::LoadReport load, report::ReadLoadJson(text).With(file));
    return AnyReport(std::move(load));
  }
  SCRY_TRY_ASSIGN(report::Report report, report::ReadJson(text).With(file));
  return AnyReport(std::move(report));
}

base::Result<report::Report> ReadVerdictReport(const std::string& path,
                                               const std::string& command) {
  SCRY_TRY_ASSIGN(AnyReport report, ReadAnyReport(path));
  if (auto* verdict = std::get_if<report::Report>(&report)) return std::move(*verdict);
  return base::Fail(base::ErrorCode::kUsage,
                    fmt::format("{} is a load report, which has no verdict for 'scry report {}'; "
                                "'scry report show' prints it as text, and with --json as JSON",
                                base::Printable(path), command));
}

base::Result<report::LoadReport> MergeReportFiles(const std::vector<std::string>& paths) {
  std::vector<report::LoadReport> loads;
  for (const std::string& path : paths) {
    SCRY_TRY_ASSIGN(AnyReport report, ReadAnyReport(path));
    auto* load = std::get_if<report::LoadReport>(&report);
    if (load == nullptr) {
      return base::Fail(base::ErrorCode::kUsage,
                        base::Printable(path) +
                            " holds a verdict, and verdicts do not add up; merge takes reports of "
                            "'scry replay --target'");
    }
    loads.push_back(std::move(*load));
  }
  return report::MergeLoadReports(loads);
}

base::Status WriteLoadReport(const report::LoadReport& report, const std::string& file) {
  return os::ReplaceFile(os::RealFileSystem(), file, report::WriteLoadJson(report));
}

}  // namespace scry::job
