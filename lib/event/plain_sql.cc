#include "event/plain_sql.h"

#include <map>
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

// By place in the text: which parameter stands there.
void FindParameters(const json& node, std::map<size_t, size_t>& found) {
  if (const json* parameter = tree::Find(node, "ParamRef")) {
    found.emplace(SizeAt(*parameter, "location", 0), SizeAt(*parameter, "number", 0));
    return;
  }
  if (!node.is_structured()) return;
  for (const json& child : node) FindParameters(child, found);
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

std::optional<std::string> WithLiterals(const std::string& sql,
                                        const std::vector<std::string>& literals) {
  const std::optional<json> parsed = tree::Parse(sql);
  if (!parsed) return std::nullopt;
  std::map<size_t, size_t> parameters;
  FindParameters(*parsed, parameters);
  std::string text;
  size_t done = 0;
  for (const auto& [place, number] : parameters) {
    const std::string name = "$" + std::to_string(number);
    const bool there = place >= done && sql.compare(place, name.size(), name) == 0;
    if (!there || number == 0 || number > literals.size()) return std::nullopt;
    text += sql.substr(done, place - done) + literals[number - 1];
    done = place + name.size();
  }
  text += sql.substr(done);
  if (!tree::Parse(text)) return std::nullopt;
  return text;
}

}  // namespace scry::event
