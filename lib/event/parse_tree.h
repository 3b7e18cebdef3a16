// The parse tree of libpg_query, as JSON: what statement_facts and value_sites read their answers
// from. Internal to lib/event, and for what rewrites statements in lib/cause. Pure. Without
// libpg_query no text parses.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace scry::event::tree {

// Walks of a tree give up below this depth: text can nest as deep as its writer likes.
constexpr int kDepthMax = 512;

// The whole tree of a query string: {"stmts": [..]}. Nothing for text that does not parse, that is
// too long or that nests too deep.
std::optional<nlohmann::json> Parse(const std::string& text);

// A tree without the places of its nodes in the text: equal for two ways to write one statement.
nlohmann::json WithoutPlaces(const nlohmann::json& node);
// Is a node of this type anywhere in the tree?
bool Holds(const nlohmann::json& node, const char* type);

// The member `key` of an object, or nullptr.
const nlohmann::json* Find(const nlohmann::json& node, const char* key);
// The elements of a list member; an empty list if there is none.
const nlohmann::json& List(const nlohmann::json& node, const char* key);
// A string member; empty if there is none.
std::string Text(const nlohmann::json& node, const char* key);
// The value of a String node.
std::string StringOf(const nlohmann::json& node);
std::string LastString(const nlohmann::json& list);
// Is the option of this DefElem on, as the server reads it?
bool IsOn(const nlohmann::json& option);
// "b" of the ColumnRef a.b; empty for any other node.
std::string ColumnName(const nlohmann::json& node);
// The value of an A_Const that is an integer.
std::optional<int64_t> IntegerOf(const nlohmann::json& node);

}  // namespace scry::event::tree
