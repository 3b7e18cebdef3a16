// What an INSERT or UPDATE returns of the numbers that it draws from sequences. Read off the parse
// tree by statement_facts. Internal to lib/event. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scry::event {

// nextval() and its like; `name` in lower case.
bool IsSequenceFunction(std::string_view name);

// See StatementFacts::drawn. `type`: of the statement's node.
std::optional<std::vector<std::string>> DrawnOutputs(const std::string& type,
                                                     const nlohmann::json& statement);

}  // namespace scry::event
