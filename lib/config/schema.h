// The keys of scry.yaml: from a tree to a Document. Used inside config only. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "config/yaml_node.h"

namespace scry::config {

// Whether a database or shadow may be called so.
bool IsEntryName(std::string_view name);

// The known word nearest to a mistyped one, or "" where none is near.
std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& known);

base::Result<Document> ReadDocument(const YamlNode& root, std::string_view file);

}  // namespace scry::config
