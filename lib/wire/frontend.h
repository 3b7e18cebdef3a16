// Messages of a client: views into a payload, and their encoders. Used by the relay's tracker, by
// replay and by tests. Pure; views point into the payload given. PROTOCOL.md, section "Client".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace scry::wire {

// Type bytes, by their names in the manual.
namespace frontend {
inline constexpr uint8_t kBind = 'B';
inline constexpr uint8_t kClose = 'C';
inline constexpr uint8_t kCopyData = 'd';
inline constexpr uint8_t kCopyDone = 'c';
inline constexpr uint8_t kCopyFail = 'f';
inline constexpr uint8_t kDescribe = 'D';
inline constexpr uint8_t kExecute = 'E';
inline constexpr uint8_t kFlush = 'H';
inline constexpr uint8_t kFunctionCall = 'F';
inline constexpr uint8_t kParse = 'P';
inline constexpr uint8_t kPassword = 'p';  // Also SASL, GSS and SSPI answers.
inline constexpr uint8_t kQuery = 'Q';
inline constexpr uint8_t kSync = 'S';
inline constexpr uint8_t kTerminate = 'X';
}  // namespace frontend

bool IsFrontendType(uint8_t type);

// Names a prepared statement or a portal: what Describe and Close carry.
enum class Target : uint8_t { kStatement = 'S', kPortal = 'P' };

struct Parse {
  std::string_view name;
  std::string_view text;
  std::vector<uint32_t> parameter_types;
};

struct Bind {
  std::string_view portal;
  std::string_view statement;
  std::vector<uint16_t> formats;
  std::vector<std::optional<std::string_view>> parameters;  // nullopt: NULL.
  std::vector<uint16_t> result_formats;
};

struct DescribeOrClose {
  Target target = Target::kStatement;
  std::string_view name;
};

struct Execute {
  std::string_view portal;
  uint32_t row_limit = 0;  // 0: all rows.
};

struct FunctionCall {
  uint32_t function_oid = 0;
  std::vector<uint16_t> formats;
  std::vector<std::optional<std::string_view>> arguments;
  uint16_t result_format = 0;
};

// Each is nullopt where the payload does not have exactly this layout.
std::optional<Parse> ParseParse(base::Bytes payload);
std::optional<Bind> ParseBind(base::Bytes payload);
std::optional<DescribeOrClose> ParseDescribeOrClose(base::Bytes payload);
std::optional<Execute> ParseExecute(base::Bytes payload);
std::optional<std::string_view> ParseQuery(base::Bytes payload);
std::optional<FunctionCall> ParseFunctionCall(base::Bytes payload);
// The reason the client gave.
std::optional<std::string_view> ParseCopyFail(base::Bytes payload);

// The payload in three: what a prepared statement repeats byte for byte, what differs, and the
// rest. head + values + tail is always exactly the payload.
//   Bind: head up to and with the parameter count, values = the parameters, tail = result formats.
//   CopyData: all in values. Everything else, and what is malformed: all in head.
struct FrontendParts {
  std::string_view head;
  std::string_view values;
  std::string_view tail;
};
FrontendParts SplitFrontend(uint8_t type, base::Bytes payload);

// Appends a message whose payload is the parts, one after the other.
template <typename... Parts>
void AppendMessage(std::string& out, uint8_t type, const Parts&... parts) {
  const size_t length = 4 + (size_t{0} + ... + std::string_view(parts).size());
  const char header[5] = {static_cast<char>(type), static_cast<char>(length >> 24 & 0xff),
                          static_cast<char>(length >> 16 & 0xff),
                          static_cast<char>(length >> 8 & 0xff), static_cast<char>(length & 0xff)};
  out.append(header, sizeof(header));
  const auto append = [&out](std::string_view part) {
    if (!part.empty()) out.append(part);
  };
  (append(parts), ...);
}

// Whole messages, with type byte and length.
std::string EncodeQuery(std::string_view text);
std::string EncodeParse(const Parse& parse);
std::string EncodeBind(const Bind& bind);
std::string EncodeDescribe(Target target, std::string_view name);
std::string EncodeClose(Target target, std::string_view name);
std::string EncodeExecute(std::string_view portal, uint32_t row_limit = 0);
std::string EncodeFunctionCall(const FunctionCall& call);
std::string EncodeSync();
std::string EncodeFlush();
std::string EncodeTerminate();
std::string EncodeCopyData(std::string_view data);
std::string EncodeCopyDone();
std::string EncodeCopyFail(std::string_view reason);

}  // namespace scry::wire
