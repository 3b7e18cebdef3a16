#include "job/report_files.h"

#include "os/file.h"
#include "report/html_writer.h"
#include "report/json_writer.h"
#include "report/markdown_writer.h"
#include "report/text_writer.h"

namespace scry::job {

base::Status WriteReportFiles(const report::Report& report, const std::string& directory) {
  os::FileSystem& files = os::RealFileSystem();
  SCRY_TRY(files.MakeDirectories(directory).With("write the report to " + directory));
  report::TextOptions text;
  text.plans = true;
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.txt", report::WriteText(report, text)));
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.md", report::WriteMarkdown(report, {})));
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.html", report::WriteHtml(report)));
  // Last: where it is, the others are.
  return os::ReplaceFile(files, directory + "/report.json", report::WriteJson(report));
}

}  // namespace scry::job
