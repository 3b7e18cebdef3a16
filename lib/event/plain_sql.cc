#include "event/plain_sql.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "event/parse_tree.h"
#include "event/statement_facts.h"

namespace scry::event {
namespace {

using nlohmann::json;

size_t SizeAt(const json& node, const char* key, size_t otherwise) {
  const json* value = tree::Find(node, key);
  return value != nullptr && value->is_number_unsigned() ? value->get<size_t>() : otherwise;
}

// The parser reads the one as it reads the other.
bool IsSame(const std::string& sql, const json& statement) {
  const std::optional<json> parsed = tree::Parse(sql);
  if (!parsed) return false;
  const json& statements = tree::List(*parsed, "stmts");
  const json* alone = statements.size() == 1 ? tree::Find(statements[0], "stmt") : nullptr;
  return alone != nullptr && tree::WithoutPlaces(*alone) == tree::WithoutPlaces(statement);
}

}  // namespace

std::vector<PlainStatement> PlainStatementsOf(const std::string& text) {
  std::vector<PlainStatement> plain;
  const std::optional<json> parsed = tree::Parse(text);
  if (!parsed) return plain;
  for (const json& one : tree::List(*parsed, "stmts")) {
    const json* statement = tree::Find(one, "stmt");
    const size_t at = SizeAt(one, "stmt_location", 0);
    if (statement == nullptr || at > text.size()) return {};
    const size_t length = SizeAt(one, "stmt_len", text.size() - at);
    std::string sql = OneLineSql(std::string_view(text).substr(at, length));
    if (!IsSame(sql, *statement)) return {};
    plain.push_back({std::move(sql), tree::Holds(*statement, "ParamRef")});
  }
  return plain;
}

}  // namespace scry::event
