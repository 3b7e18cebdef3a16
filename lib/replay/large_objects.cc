#include "replay/large_objects.h"

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

// The same in every version (pg_proc.dat).
constexpr uint32_t kLoCreat = 957;
constexpr uint32_t kLoCreate = 715;

// The one value of a RowList of one row; empty: it is no such list.
std::string_view OnlyValue(std::string_view rows) {
  base::ByteReader in(rows);
  in.BigU32();
  const uint16_t values = in.BigU16();
  const std::string_view value = in.TakeText(in.BigU32());
  return values == 1 && in.AtEnd() ? value : std::string_view();
}

}  // namespace

void KeepObjectNumber(event::Exchange& exchange) {
  if (exchange.messages.size() != 1 || exchange.statements.size() != 1) return;
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
