// The parts of the HTML report, from lib/report/html.
#pragma once

#include <string_view>

namespace scry::report {

extern const std::string_view kPageCss;
extern const std::string_view kPageJs;

}  // namespace scry::report
