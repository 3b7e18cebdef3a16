// What a SelectStmt says of the place of its rows: what they are sorted by, in terms of its output,
// and whether it asks for one row by its key. Read off the parse tree by statement_facts. Internal
// to lib/event. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace scry::event {

// StatementFacts::sort_keys.
std::vector<std::string> ReadSortKeys(const nlohmann::json& select);

// `WHERE id = $1`, and whatever else, over one table: by its looks there is but one such row.
bool AsksForOneKey(const nlohmann::json& select);

}  // namespace scry::event
