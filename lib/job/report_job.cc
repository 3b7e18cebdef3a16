#include "job/report_job.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/units.h"
#include "os/file.h"
#include "report/json_reader.h"

namespace scry::job {
namespace {

constexpr uint64_t kReportBytesMax = 256 * 1024 * 1024;

}  // namespace

base::Result<report::Report> ReadReport(const std::string& path) {
  struct stat info {};
  std::string file = path;
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) file += "/report.json";
  if (stat(file.c_str(), &info) != 0) {
    return base::Fail(
        base::ErrorCode::kNotFound,
        fmt::format("no report at {}; 'scry ci test-migration --report DIR' leaves one",
                    base::Printable(file)));
  }
  SCRY_TRY_ASSIGN(const std::string text,
                  os::ReadWholeFile(os::RealFileSystem(), file, kReportBytesMax));
  return report::ReadJson(text).With(file);
}

}  // namespace scry::job
