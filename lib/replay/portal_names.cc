#include "replay/portal_names.h"

#include <cctype>
#include <optional>

#include "base/bytes.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;

constexpr std::string_view kFront = "<unnamed portal ";
constexpr size_t kDigitsMax = 10;
constexpr size_t kNamesMax = 4096;  // Of one transaction.

// The name that stands at the front; empty: none.
std::string_view NameAt(std::string_view text) {
  if (!text.starts_with(kFront)) return {};
  size_t at = kFront.size();
  while (at < text.size() && at < kFront.size() + kDigitsMax &&
         std::isdigit(static_cast<unsigned char>(text[at])) != 0) {
    ++at;
  }
  const bool whole = at > kFront.size() && at < text.size() && text[at] == '>';
  return whole ? text.substr(0, at + 1) : std::string_view();
}

bool IsName(std::string_view text) { return !text.empty() && NameAt(text) == text; }

// Values one after the other; nullopt: NULL, or there are no more.
class Values {
 public:
  explicit Values(std::string_view bytes) : in_(bytes) {}
  bool more() const { return in_.left() > 0; }
  bool ok() const { return in_.ok(); }
  std::optional<std::string_view> Next() {
    const auto size = static_cast<int32_t>(in_.BigU32());
    if (size < 0 || !in_.ok()) return std::nullopt;
    return in_.TakeText(static_cast<size_t>(size));
  }

 private:
  base::ByteReader in_;
};

// The next row of a RowList, behind its number of columns.
std::optional<std::string_view> NextRow(base::ByteReader& rows) {
  const uint32_t size = rows.BigU32();
  const std::string_view row = rows.TakeText(size);
  if (!rows.ok() || row.size() < 2) return std::nullopt;
  return row.substr(2);
}

}  // namespace

bool PortalNames::AreIn(std::string_view rows) {
  return rows.find(kFront) != std::string_view::npos;
}

void PortalNames::Learn(std::string_view captured_rows, std::string_view lane_rows) {
  if (!AreIn(captured_rows)) return;
  base::ByteReader captured(captured_rows);
  base::ByteReader lane(lane_rows);
  while (captured.left() > 0 && lane.left() > 0) {
    const auto then = NextRow(captured);
    const auto now = NextRow(lane);
    if (!then || !now) return;
    Values captured_values(*then);
    Values lane_values(*now);
    while (captured_values.more() && lane_values.more()) {
      const auto was = captured_values.Next();
      const auto is = lane_values.Next();
      if (!was || !is || !IsName(*was) || !IsName(*is)) continue;
      if (*was == *is) {
        names_.erase(std::string(*was));
      } else if (names_.size() < kNamesMax) {
        names_[std::string(*was)] = *is;
      }
    }
  }
}

// In SQL a name stands in quotes; elsewhere it is all there is.
std::string PortalNames::Replace(std::string_view text, bool quoted) const {
  std::string replaced;
  for (size_t at = 0; at < text.size();) {
    const size_t found = text.find(kFront, at);
    if (found == std::string_view::npos) {
      replaced += text.substr(at);
      break;
    }
    replaced += text.substr(at, found - at);
    at = found;
    const std::string_view name = NameAt(text.substr(at));
    const auto known = name.empty() ? names_.end() : names_.find(name);
    const char before = found == 0 ? '\0' : text[found - 1];
    const bool fits = !quoted || before == '"' || before == '\'';
    if (known != names_.end() && fits) {
      replaced += known->second;
      at += name.size();
    } else {
      replaced += text[at++];
    }
  }
  return replaced;
}

std::string PortalNames::ReplaceValues(std::string_view values) const {
  base::ByteWriter out;
  for (Values in(values); in.more();) {
    const auto value = in.Next();
    if (!in.ok()) return std::string(values);
    if (!value) {
      out.BigU32(UINT32_MAX);
      continue;
    }
    const auto known = names_.find(*value);
    const std::string_view sent = known == names_.end() ? *value : std::string_view(known->second);
    out.BigU32(static_cast<uint32_t>(sent.size()));
    out.Text(sent);
  }
  return out.Release();
}

void PortalNames::Rewrite(std::vector<event::FrontendMessage>& messages) const {
  if (names_.empty()) return;
  for (event::FrontendMessage& message : messages) {
    std::string& part = message.type == frontend::kBind ? message.values : message.head;
    if (part.find(kFront) == std::string::npos) continue;
    switch (message.type) {
      case frontend::kQuery:
      case frontend::kParse:
        part = Replace(part, true);
        break;
      case frontend::kDescribe:
      case frontend::kClose:
      case frontend::kExecute:
        part = Replace(part, false);
        break;
      case frontend::kBind:
        part = ReplaceValues(part);
        break;
      default:
        break;
    }
  }
}

}  // namespace scry::replay
