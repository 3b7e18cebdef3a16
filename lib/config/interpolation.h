// ${NAME} in values of the configuration. Used inside config only. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/yaml_node.h"

namespace scry::config {

using Environment = std::map<std::string, std::string, std::less<>>;

// A value as the file has it. Replaced when it is used, not when it is read: a variable that only
// another database needs may be missing.
struct Template {
  std::string text;
  Place place;
};

// Whether every ${ has its name and its }. "$${" stands for "${"; a "$" before anything else is
// itself, since passwords in connection strings are full of them.
base::Status CheckTemplate(const Template& value, std::string_view file);

// REQUIRES nothing: what CheckTemplate refuses fails here as well. An unset or empty variable is an
// error that names it: in CI, a secret nobody set arrives as the empty string. Values are never in
// messages.
base::Result<std::string> Expand(const Template& value, const Environment& environment,
                                 std::string_view file);

}  // namespace scry::config
