#include "job/report_files.h"

#include "os/file.h"
#include "report/json_writer.h"
#include "report/text_writer.h"

namespace scry::job {

base::Status WriteReportFiles(const report::Report& report, const std::string& directory) {
  os::FileSystem& files = os::RealFileSystem();
  SCRY_TRY(files.MakeDirectories(directory).With("write the report to " + directory));
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.json", report::WriteJson(report)));
  report::TextOptions options;
  options.plans = true;
  return os::ReplaceFile(files, directory + "/report.txt", report::WriteText(report, options));
}

}  // namespace scry::job
