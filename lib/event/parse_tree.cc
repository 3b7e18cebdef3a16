#include "event/parse_tree.h"

#include <algorithm>
#include <utility>

#include "base/letter_case.h"

#ifdef SCRY_HAVE_PG_QUERY
#include <pg_query.h>
#endif

namespace scry::event::tree {

using nlohmann::json;

#ifdef SCRY_HAVE_PG_QUERY
namespace {

// A parse tree as JSON is some 100 times its text: longer texts (bulk INSERT ... VALUES) take the
// textual way, which needs no tree.
constexpr size_t kParseTextMax = 64 * 1024;
// "1+1+1..." nests one level to each operator, at two brackets of JSON. Copies of JSON values and
// libpg_query's normalisation recurse without a limit: 20,000 levels overflow 8 MB of stack.
constexpr int kJsonDepthMax = 2000;

bool NestsTooDeep(const char* text) {
  int depth = 0;
  bool quoted = false;
  for (; *text != '\0'; ++text) {
    if (quoted) {
      if (*text == '\\' && text[1] != '\0') {
        ++text;
      } else if (*text == '"') {
        quoted = false;
      }
      continue;
    }
    quoted = *text == '"';
    if (*text == '{' || *text == '[') ++depth;
    if (*text == '}' || *text == ']') --depth;
    if (depth > kJsonDepthMax) return true;
  }
  return false;
}

}  // namespace

std::optional<json> Parse(const std::string& text) {
  // The parser reads C strings: text with a zero byte is not what the server saw either.
  if (text.size() > kParseTextMax || text.find('\0') != std::string::npos) return std::nullopt;
  PgQueryParseResult result = pg_query_parse(text.c_str());
  std::optional<json> tree;
  if (result.error == nullptr && result.parse_tree != nullptr && !NestsTooDeep(result.parse_tree)) {
    json parsed = json::parse(result.parse_tree, nullptr, false);
    if (!parsed.is_discarded()) tree = std::move(parsed);
  }
  pg_query_free_parse_result(result);
  return tree;
}

#else

std::optional<json> Parse(const std::string& /*text*/) { return std::nullopt; }

#endif  // SCRY_HAVE_PG_QUERY

namespace {

bool IsPlace(const std::string& key) {
  return key == "location" || key == "stmt_len" || key.ends_with("_location");
}

}  // namespace

json WithoutPlaces(const json& node) {
  if (!node.is_structured()) return node;
  json bare = node.is_array() ? json::array() : json::object();
  for (const auto& [key, value] : node.items()) {
    if (node.is_array()) {
      bare.push_back(WithoutPlaces(value));
    } else if (!IsPlace(key)) {
      bare[key] = WithoutPlaces(value);
    }
  }
  return bare;
}

bool Holds(const json& node, const char* type) {
  if (!node.is_structured()) return false;
  if (Find(node, type) != nullptr) return true;
  return std::any_of(node.begin(), node.end(), [&](const json& one) { return Holds(one, type); });
}

const json* Find(const json& node, const char* key) {
  if (!node.is_object()) return nullptr;
  const auto found = node.find(key);
  return found == node.end() ? nullptr : &*found;
}

const json& List(const json& node, const char* key) {
  static const json kNone = json::array();
  const json* list = Find(node, key);
  return list != nullptr && list->is_array() ? *list : kNone;
}

std::string Text(const json& node, const char* key) {
  const json* value = Find(node, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::string StringOf(const json& node) {
  const json* string = Find(node, "String");
  if (string == nullptr) return {};
  // "sval" since 15, "str" before.
  for (const char* key : {"sval", "str"}) {
    if (const json* value = Find(*string, key); value != nullptr && value->is_string()) {
      return value->get<std::string>();
    }
  }
  return {};
}

std::string LastString(const json& list) {
  return list.is_array() && !list.empty() ? StringOf(list.back()) : std::string();
}

bool IsOn(const json& option) {
  const json* value = Find(option, "arg");
  if (value == nullptr) return true;
  // The tree leaves out an integer that is 0, and false.
  if (const json* number = Find(*value, "Integer")) return number->contains("ival");
  if (const json* boolean = Find(*value, "Boolean")) return boolean->contains("boolval");
  const std::string text = base::LowerAscii(StringOf(*value));
  return text == "true" || text == "on";
}

std::string ColumnName(const json& node) {
  const json* column = Find(node, "ColumnRef");
  return column == nullptr ? std::string() : LastString(List(*column, "fields"));
}

std::optional<int64_t> IntegerOf(const json& node) {
  const json* constant = Find(node, "A_Const");
  const json* integer = constant == nullptr ? nullptr : Find(*constant, "ival");
  if (integer == nullptr) return std::nullopt;
  const json number = integer->is_object() ? integer->value("ival", json(0)) : *integer;
  if (!number.is_number_integer()) return std::nullopt;
  return number.get<int64_t>();
}

}  // namespace scry::event::tree
