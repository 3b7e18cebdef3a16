#include "replay/portal_part.h"

#include <cstdint>
#include <limits>
#include <string_view>

#include "base/bytes.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;

// The name that Bind and Execute begin with. It lies in the head: only Bind has values, behind it.
std::string_view PortalOf(const event::FrontendMessage& message) {
  return std::string_view(message.head).substr(0, message.head.find('\0'));
}

bool IsFirst(const event::Exchange& exchange, size_t message) {
  const std::string_view portal = PortalOf(exchange.messages[message]);
  for (size_t i = message; i-- > 0;) {
    const event::FrontendMessage& before = exchange.messages[i];
    if (before.type != frontend::kBind && before.type != frontend::kExecute) continue;
    if (PortalOf(before) == portal) return before.type == frontend::kBind;
  }
  return false;
}

}  // namespace

std::optional<event::PortalPart> PortalPartOf(const event::Exchange& exchange, size_t message) {
  if (message >= exchange.messages.size()) return std::nullopt;
  const event::FrontendMessage& run = exchange.messages[message];
  if (run.type != frontend::kExecute) return std::nullopt;
  const std::string payload = run.Payload();
  const auto execute = wire::ParseExecute(base::AsBytes(payload));
  if (!execute) return std::nullopt;
  event::PortalPart part;
  constexpr uint32_t kLimitMax = std::numeric_limits<int32_t>::max();  // Negative: no limit.
  part.rows_max = execute->row_limit > kLimitMax ? 0 : execute->row_limit;
  part.first = IsFirst(exchange, message);
  if (part.first && part.rows_max == 0) return std::nullopt;
  part.name = execute->portal;
  return part;
}

}  // namespace scry::replay
