#include "replay/large_objects.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/letter_case.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

// The same in every version (pg_proc.dat).
constexpr uint32_t kLoCreat = 957;
constexpr uint32_t kLoCreate = 715;

// Such a SELECT is short, but for the bytes that it may hold.
constexpr size_t kSelectMax = 1024 * 1024;

// The one value of a RowList of one row; empty: it is no such list.
std::string_view OnlyValue(std::string_view rows) {
  base::ByteReader in(rows);
  in.BigU32();
  const uint16_t values = in.BigU16();
  const std::string_view value = in.TakeText(in.BigU32());
  return values == 1 && in.AtEnd() ? value : std::string_view();
}

size_t SkipBlanks(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
  return at;
}

// "SELECT lo_creat(-1)" and the like, asking for `number`. nullopt: something else.
std::optional<std::string> WithNumber(std::string_view text, std::string_view number) {
  const std::string lower = base::LowerAscii(text);
  const auto skip = [&](std::string_view word, size_t at) {
    return std::string_view(lower).substr(at).starts_with(word) ? at + word.size() : at;
  };
  const size_t begin = SkipBlanks(lower, 0);
  const size_t selected = skip("select", begin);
  const size_t named = skip("pg_catalog.", SkipBlanks(lower, selected));
  const size_t open = lower.find('(', named);
  if (selected == begin || open == std::string::npos) return std::nullopt;
  std::string_view name = std::string_view(lower).substr(named, open - named);
  while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back())) != 0) {
    name.remove_suffix(1);
  }
  const auto edited = [&](size_t from, size_t to, const std::string& with) {
    return std::string(text.substr(0, from)) + with + std::string(text.substr(to));
  };
  const std::string wanted(number);
  if (name == "lo_creat") {
    // A parameter would be left over.
    const size_t close = lower.find_first_of("()$", open + 1);
    if (close == std::string::npos || lower[close] != ')') return std::nullopt;
    return edited(named, close + 1, "lo_create(" + wanted + ")");
  }
  if (name != "lo_create" && name != "lo_from_bytea") return std::nullopt;
  const size_t zero = SkipBlanks(lower, open + 1);
  const size_t after = SkipBlanks(lower, zero + 1);
  const bool any = zero < lower.size() && lower[zero] == '0' && after < lower.size() &&
                   (lower[after] == ')' || lower[after] == ',');
  return any ? std::optional(edited(zero, zero + 1, wanted)) : std::nullopt;
}

bool IsNumberText(std::string_view value) {
  // In binary it has four bytes; a number given by a server has more digits.
  return value.size() > sizeof(uint32_t) &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// In SQL, but for a statement that is prepared to be run again.
void KeepNumberOfSelect(event::Exchange& exchange) {
  const event::Statement& statement = exchange.statements.front();
  const bool calls = statement.text.view().find("lo_") != std::string::npos ||
                     statement.text.view().find("LO_") != std::string::npos;
  const std::string_view number = calls ? OnlyValue(statement.outcome.values) : std::string_view();
  if (!IsNumberText(number)) return;
  for (event::FrontendMessage& message : exchange.messages) {
    const std::string payload = message.Payload();
    base::ByteWriter out;
    if (message.type == wire::frontend::kQuery) {
      const auto text = wire::ParseQuery(base::AsBytes(payload));
      const auto other = text ? WithNumber(*text, number) : std::nullopt;
      if (!other) continue;
      out.CString(*other);
    } else if (message.type == wire::frontend::kParse) {
      const auto parse = wire::ParseParse(base::AsBytes(payload));
      const auto other =
          parse && parse->name.empty() ? WithNumber(parse->text, number) : std::nullopt;
      if (!other) continue;
      out.CString(parse->name);
      out.CString(*other);
      out.BigU16(static_cast<uint16_t>(parse->parameter_types.size()));
      for (const uint32_t type : parse->parameter_types) out.BigU32(type);
    } else {
      continue;
    }
    message = {message.type, out.Release(), {}, {}};
  }
}

}  // namespace

void KeepObjectNumber(event::Exchange& exchange) {
  if (exchange.statements.size() != 1) return;
  if (exchange.statements.front().text.size() < kSelectMax) KeepNumberOfSelect(exchange);
  if (exchange.messages.size() != 1) return;
  event::FrontendMessage& message = exchange.messages.front();
  if (message.type != wire::frontend::kFunctionCall) return;
  const std::string payload = message.Payload();
  const auto call = wire::ParseFunctionCall(base::AsBytes(payload));
  const std::string_view number = OnlyValue(exchange.statements.front().outcome.values);
  if (!call || call->function_oid != kLoCreat || number.empty()) return;
  wire::FunctionCall other;
  other.function_oid = kLoCreate;
  other.formats = {call->result_format};
  other.arguments = {number};
  other.result_format = call->result_format;
  constexpr size_t kTypeAndLength = 5;
  message.head = wire::EncodeFunctionCall(other).substr(kTypeAndLength);
  message.values.clear();
  message.tail.clear();
}

}  // namespace scry::replay
