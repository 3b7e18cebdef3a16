// A command as a shell would read it back: for reports and for steps to copy. Pure.
#pragma once

#include <string>
#include <vector>

namespace scry::job {

std::string CommandText(const std::vector<std::string>& argv);

}  // namespace scry::job
