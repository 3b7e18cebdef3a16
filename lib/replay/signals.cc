#include "replay/signals.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/letter_case.h"
#include "replay/message_rewriter.h"
#include "replay/row_rewriter.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;

constexpr std::string_view kCalls[] = {"pg_terminate_backend", "pg_cancel_backend"};

// The first argument of one call. Offsets are those of the text.
struct Argument {
  enum class Kind : uint8_t { kNumber, kParameter, kOwn, kOther };
  Kind kind = Kind::kOther;
  size_t offset = 0;  // Of the digits.
  size_t length = 0;
  uint32_t number = 0;  // The backend, or which parameter.
};

size_t SkipBlanks(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
  return at;
}

Argument ReadArgument(std::string_view text, size_t at) {
  Argument argument;
  at = SkipBlanks(text, at);
  for (const std::string_view own : {"pg_backend_pid()", "pg_catalog.pg_backend_pid()"}) {
    if (base::LowerAscii(text.substr(at, own.size())) != own) continue;
    argument.kind = Argument::Kind::kOwn;
    at += own.size();
  }
  if (argument.kind == Argument::Kind::kOther) {
    const bool parameter = at < text.size() && text[at] == '$';
    argument.offset = at + static_cast<size_t>(parameter);
    const char* const begin = text.data() + std::min(argument.offset, text.size());
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), argument.number);
    if (error != std::errc()) return argument;
    argument.length = static_cast<size_t>(end - begin);
    argument.kind = parameter ? Argument::Kind::kParameter : Argument::Kind::kNumber;
    at = argument.offset + argument.length;
  }
  at = SkipBlanks(text, at);
  // "5::int" is a number as well; "5 + x" is not.
  const bool ends = at < text.size() && (text[at] == ')' || text[at] == ',');
  const bool cast = text.substr(at, 2) == "::";
  if (!ends && !cast) argument.kind = Argument::Kind::kOther;
  return argument;
}

std::vector<Argument> ArgumentsOf(std::string_view text) {
  std::vector<Argument> arguments;
  const std::string lower = base::LowerAscii(text);
  for (const std::string_view call : kCalls) {
    for (size_t at = lower.find(call); at != std::string::npos; at = lower.find(call, at + 1)) {
      const size_t open = SkipBlanks(lower, at + call.size());
      if (open < lower.size() && lower[open] == '(') {
        arguments.push_back(ReadArgument(text, open + 1));
      }
    }
  }
  std::sort(arguments.begin(), arguments.end(),
            [](const Argument& a, const Argument& b) { return a.offset < b.offset; });
  return arguments;
}

std::string MapText(std::string_view text, const BackendOnLane& backend) {
  std::string out;
  size_t done = 0;
  for (const Argument& argument : ArgumentsOf(text)) {
    if (argument.kind != Argument::Kind::kNumber) continue;
    out += text.substr(done, argument.offset - done);
    out += std::to_string(backend(argument.number));
    done = argument.offset + argument.length;
  }
  return out + std::string(text.substr(done));
}

// In text, or as an int4.
std::string MapValue(std::string_view value, const BackendOnLane& backend) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc() && end == value.data() + value.size()) {
    return std::to_string(backend(number));
  }
  if (value.size() != sizeof(uint32_t)) return std::string(value);
  base::ByteReader in(value);
  base::ByteWriter out;
  out.BigU32(backend(in.BigU32()));
  return out.Release();
}

void MapBind(event::FrontendMessage& message, const std::vector<bool>& signalled,
             const BackendOnLane& backend) {
  const std::string payload = message.Payload();
  const auto bind = wire::ParseBind(base::AsBytes(payload));
  if (!bind) return;
  base::ByteWriter values;
  for (size_t i = 0; i < bind->parameters.size(); ++i) {
    const auto& value = bind->parameters[i];
    if (!value) {
      values.BigU32(UINT32_MAX);
    } else if (i < signalled.size() && signalled[i]) {
      AppendSized(values, MapValue(*value, backend));
    } else {
      AppendSized(values, *value);
    }
  }
  const wire::FrontendParts parts = wire::SplitFrontend(message.type, base::AsBytes(payload));
  message = {message.type, std::string(parts.head), values.Release(), std::string(parts.tail)};
}

void MapTextOf(event::FrontendMessage& message, const BackendOnLane& backend) {
  const std::string payload = message.Payload();
  base::ByteWriter out;
  if (message.type == frontend::kQuery) {
    const auto text = wire::ParseQuery(base::AsBytes(payload));
    if (!text) return;
    out.CString(MapText(*text, backend));
  } else {
    const auto parse = wire::ParseParse(base::AsBytes(payload));
    if (!parse) return;
    out.CString(parse->name);
    out.CString(MapText(parse->text, backend));
    out.BigU16(static_cast<uint16_t>(parse->parameter_types.size()));
    for (const uint32_t type : parse->parameter_types) out.BigU32(type);
  }
  message = {message.type, out.Release(), {}, {}};
}

// In any case.
bool MentionsBackends(std::string_view text) {
  constexpr std::string_view kWord = "_backend";
  for (size_t at = text.find('_'); at != std::string_view::npos; at = text.find('_', at + 1)) {
    if (base::StartsWithInAnyCase(text.substr(at), kWord)) return true;
  }
  return false;
}

}  // namespace

Signals SignalsOf(const event::Exchange& exchange, event::FactsCache& facts) {
  Signals signals = Signals::kNone;
  const base::SharedText* before = nullptr;
  bool mentions = false;
  for (const event::Statement& statement : exchange.statements) {
    const bool same = before != nullptr && statement.text.SharesWith(*before);
    before = &statement.text;
    if (!same) mentions = MentionsBackends(statement.text);  // Cheaper than to know the text.
    if (!mentions) continue;
    const std::vector<std::string>& functions =
        facts.Get(statement.text, statement.ordinal).functions;
    const bool calls =
        std::any_of(std::begin(kCalls), std::end(kCalls), [&](std::string_view call) {
          return std::find(functions.begin(), functions.end(), call) != functions.end();
        });
    if (!calls) continue;
    const std::vector<Argument> arguments = ArgumentsOf(statement.text);
    const bool named =
        !arguments.empty() &&
        std::none_of(arguments.begin(), arguments.end(), [](const Argument& argument) {
          return argument.kind == Argument::Kind::kOther;
        });
    signals = std::max(signals, named ? Signals::kNamed : Signals::kChosen);
  }
  return signals;
}

void MapSignals(const event::Exchange& captured, const BackendOnLane& backend,
                std::vector<event::FrontendMessage>& messages) {
  constexpr uint32_t kParametersMax = 65535;
  std::map<size_t, std::vector<bool>> signalled;  // By Bind, then by parameter.
  for (const event::Statement& statement : captured.statements) {
    const std::optional<size_t> bind = CarriersOf(captured.messages, statement.message).bind;
    if (!bind) continue;
    for (const Argument& argument : ArgumentsOf(statement.text)) {
      if (argument.kind != Argument::Kind::kParameter || argument.number == 0 ||
          argument.number > kParametersMax) {
        continue;
      }
      std::vector<bool>& parameters = signalled[*bind];
      parameters.resize(std::max<size_t>(parameters.size(), argument.number), false);
      parameters[argument.number - 1] = true;
    }
  }
  for (event::FrontendMessage& message : messages) {
    if (message.type == frontend::kQuery || message.type == frontend::kParse) {
      MapTextOf(message, backend);
    }
  }
  for (const auto& [bind, parameters] : signalled) {
    const bool there = bind < messages.size() && messages[bind].type == frontend::kBind;
    if (there) MapBind(messages[bind], parameters, backend);
  }
}

}  // namespace scry::replay
