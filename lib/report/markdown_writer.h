// A report as GitHub-flavoured Markdown, for pull requests and job summaries: the verdict and what
// was tested first, findings in tables, the rest folded away. What comes from outside is inert: no
// mention, link, image or HTML gets through. Called by `scry report convert`. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "report/report.h"

namespace scry::report {

// By which a comment is found again, to be edited instead of added to.
inline constexpr std::string_view kCommentMarker = "<!-- scry report v1";

struct MarkdownOptions {
  // GitHub refuses comments over 65,536. The worst findings come first; the rest is counted.
  size_t bytes_max = 60'000;
  // Put into the marker, to tell the comments of several runs on one pull request apart.
  std::string name;
};

// Never longer than bytes_max, as long as that is at least 4,000.
std::string WriteMarkdown(const Report& report, const MarkdownOptions& options);

// For tables and headings.
std::string MarkdownText(std::string_view text);
// `code` in back-quotes, whatever it holds; not for tables.
std::string MarkdownCode(std::string_view text);
// The same in a table, where a bar would end the cell and is the one thing that back-quotes do not
// hold; elsewhere its backslash would be shown.
std::string MarkdownCodeCell(std::string_view text);

}  // namespace scry::report
