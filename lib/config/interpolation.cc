#include "config/interpolation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace scry::config {
namespace {

bool IsVariableName(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

// Without an environment only the form is checked.
base::Result<std::string> Walk(const Template& value, const Environment* environment,
                               std::string_view file) {
  std::string out;
  std::string_view rest = value.text;
  while (!rest.empty()) {
    if (rest.starts_with("$${")) {
      out += "${";
      rest.remove_prefix(3);
      continue;
    }
    if (!rest.starts_with("${")) {
      out += rest[0];
      rest.remove_prefix(1);
      continue;
    }
    const size_t end = rest.find('}');
    const std::string_view name = end == rest.npos ? "" : rest.substr(2, end - 2);
    if (!IsVariableName(name)) {
      return FailAt(file, value.place, "a variable is written ${NAME}, and the text ${ is $${");
    }
    rest.remove_prefix(end + 1);
    if (environment == nullptr) continue;
    const auto found = environment->find(name);
    if (found == environment->end() || found->second.empty()) {
      return FailAt(file, value.place,
                    fmt::format("environment variable {} is {}; set it", name,
                                found == environment->end() ? "not set" : "empty"));
    }
    out += found->second;
  }
  return out;
}

}  // namespace

base::Status CheckTemplate(const Template& value, std::string_view file) {
  auto walked = Walk(value, nullptr, file);
  if (!walked.ok()) return walked.error();
  return {};
}

base::Result<std::string> Expand(const Template& value, const Environment& environment,
                                 std::string_view file) {
  return Walk(value, &environment, file);
}

}  // namespace scry::config
