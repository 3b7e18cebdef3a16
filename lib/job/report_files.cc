#include "job/report_files.h"

#include <unistd.h>

#include "os/file.h"
#include "report/html_writer.h"
#include "report/json_writer.h"
#include "report/markdown_writer.h"
#include "report/text_writer.h"

namespace scry::job {

base::Status MakeReportFolder(const std::string& directory) {
  base::Status made = os::RealFileSystem().MakeDirectories(directory);
  if (made.ok() && access(directory.c_str(), W_OK | X_OK) != 0) {
    made = base::FailErrno("write into it");
  }
  if (made.ok()) return made;
  // A folder that is missing on the way there is no missing report: not kNotFound.
  return base::Fail("cannot leave a report in " + directory + ": " + made.error().message);
}

base::Status WriteReportFiles(const report::Report& report, const std::string& directory) {
  os::FileSystem& files = os::RealFileSystem();
  SCRY_TRY(MakeReportFolder(directory));
  report::TextOptions text;
  text.plans = true;
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.txt", report::WriteText(report, text)));
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.md", report::WriteMarkdown(report, {})));
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.html", report::WriteHtml(report)));
  // Last: where it is, the others are.
  return os::ReplaceFile(files, directory + "/report.json", report::WriteJson(report));
}

}  // namespace scry::job
