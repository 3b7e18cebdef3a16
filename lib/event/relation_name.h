// Relations as facts and catalogs write them, "schema.name" or "name" without quotes. Pure.
#pragma once

#include <string_view>

namespace scry::event {

// "log" of "audit.log". Of a table whose own name has a dot, and that stands without its schema, it
// is the end of the name: who compares two of them asks this of both.
inline std::string_view BareName(std::string_view relation) {
  const size_t dot = relation.find('.');
  return dot == std::string_view::npos ? relation : relation.substr(dot + 1);
}

}  // namespace scry::event
