#include "replay/message_rewriter.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "replay/row_rewriter.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;

bool IsBinary(const std::vector<uint16_t>& formats, size_t index) {
  if (formats.size() == 1) return formats[0] == 1;
  return index < formats.size() && formats[index] == 1;
}

}  // namespace

std::optional<std::vector<event::FrontendMessage>> MessageRewriter::Rewrite(
    const std::vector<event::FrontendMessage>& messages) {
  std::optional<std::vector<event::FrontendMessage>> rewritten;
  for (size_t i = 0; i < messages.size(); ++i) {
    std::optional<event::FrontendMessage> other = RewriteOne(messages[i]);
    if (!other) continue;
    if (!rewritten) rewritten = messages;
    (*rewritten)[i] = std::move(*other);
  }
  return rewritten;
}

std::optional<event::FrontendMessage> MessageRewriter::RewriteOne(
    const event::FrontendMessage& message) {
  switch (message.type) {
    case frontend::kParse:
      return RewriteParse(message);
    case frontend::kBind:
      return RewriteBind(message);
    case frontend::kFunctionCall: {
      base::ByteReader in(message.head);
      if (in.BigU32() >= kFirstUserOid) ++stats_.functions_unknown;
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

// The declared types stand at the end.
std::optional<event::FrontendMessage> MessageRewriter::RewriteParse(
    const event::FrontendMessage& message) const {
  constexpr size_t kOidBytes = 4;
  if (types_.empty()) return std::nullopt;
  const std::string payload = message.Payload();
  const auto parse = wire::ParseParse(base::AsBytes(payload));
  if (!parse) return std::nullopt;
  const size_t types_bytes = parse->parameter_types.size() * kOidBytes;
  base::ByteWriter types;
  bool changed = false;
  for (const uint32_t type : parse->parameter_types) {
    types.BigU32(types_.Map(type));
    changed |= types_.Map(type) != type;
  }
  if (!changed) return std::nullopt;
  event::FrontendMessage other;
  other.type = message.type;
  other.head = payload.substr(0, payload.size() - types_bytes) + types.str();
  return other;
}

std::optional<event::FrontendMessage> MessageRewriter::RewriteBind(
    const event::FrontendMessage& message) const {
  if (types_.empty()) return std::nullopt;
  const std::string payload = message.Payload();
  const auto bind = wire::ParseBind(base::AsBytes(payload));
  if (!bind) return std::nullopt;
  base::ByteWriter values;
  bool changed = false;
  for (size_t i = 0; i < bind->parameters.size(); ++i) {
    const auto& value = bind->parameters[i];
    if (!value) {
      values.BigU32(UINT32_MAX);
      continue;
    }
    std::optional<std::string> other;
    if (IsBinary(bind->formats, i)) other = types_.MapBinary(*value);
    changed |= other.has_value();
    AppendSized(values, other ? std::string_view(*other) : *value);
  }
  if (!changed) return std::nullopt;
  event::FrontendMessage other;
  other.type = message.type;
  const wire::FrontendParts parts = wire::SplitFrontend(message.type, base::AsBytes(payload));
  other.head = parts.head;
  other.values = values.Release();
  other.tail = parts.tail;
  return other;
}

}  // namespace scry::replay
