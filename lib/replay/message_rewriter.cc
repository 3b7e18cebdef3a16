#include "replay/message_rewriter.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "replay/copy_data.h"
#include "replay/row_rewriter.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;
using Messages = std::vector<event::FrontendMessage>;

bool IsBinary(const std::vector<uint16_t>& formats, size_t index) {
  if (formats.size() == 1) return formats[0] == 1;
  return index < formats.size() && formats[index] == 1;
}

// The payload of the Parse that a Bind refers to; empty: not known, or no type of it is narrow.
std::string DeclarationOf(const Messages& messages, size_t bind, std::string_view name,
                          const NarrowStatements& narrow) {
  for (size_t i = bind; i-- > 0;) {
    if (messages[i].type != frontend::kParse) continue;
    std::string payload = messages[i].Payload();
    const auto parse = wire::ParseParse(base::AsBytes(payload));
    if (parse && parse->name == name) return payload;
  }
  const auto known = narrow.find(std::string(name));
  return known == narrow.end() ? std::string() : known->second;
}

// Of the statement that is prepared beside a client's.
constexpr std::string_view kWider = "scry_wider";

event::FrontendMessage OnWider(uint8_t type) {
  return {type, "S" + std::string(kWider) + std::string(1, '\0'), {}, {}};
}

}  // namespace

Carriers CarriersOf(const Messages& messages, size_t run) {
  Carriers carriers;
  if (run >= messages.size()) return carriers;
  if (messages[run].type == frontend::kQuery) carriers.text = run;
  if (messages[run].type != frontend::kExecute) return carriers;
  const std::string run_payload = messages[run].Payload();
  const auto execute = wire::ParseExecute(base::AsBytes(run_payload));
  std::optional<std::string> statement;
  for (size_t i = run; execute && i-- > 0;) {
    if (!statement && messages[i].type == frontend::kBind) {
      const std::string payload = messages[i].Payload();
      const auto bind = wire::ParseBind(base::AsBytes(payload));
      if (!bind || bind->portal != execute->portal) continue;
      carriers.bind = i;
      statement = bind->statement;
    } else if (statement && messages[i].type == frontend::kParse) {
      const std::string payload = messages[i].Payload();
      const auto parse = wire::ParseParse(base::AsBytes(payload));
      if (!parse || parse->name != *statement) continue;
      carriers.text = i;
      break;
    }
  }
  return carriers;
}

bool CallsUnknownFunction(const event::FrontendMessage& message) {
  if (message.type != frontend::kFunctionCall) return false;
  base::ByteReader in(message.head);
  return in.BigU32() >= kFirstUserOid;
}

void NoteNarrow(const event::Exchange& exchange, NarrowStatements& statements) {
  constexpr size_t kStatementsMax = 1024;
  constexpr size_t kBytesMax = 64 * 1024;
  for (const event::FrontendMessage& message : exchange.messages) {
    if (message.type != frontend::kParse) continue;
    std::string payload = message.Payload();
    const auto parse = wire::ParseParse(base::AsBytes(payload));
    if (!parse) continue;
    const bool narrow = std::any_of(parse->parameter_types.begin(), parse->parameter_types.end(),
                                    [](uint32_t type) { return WiderType(type) != 0; });
    std::string name(parse->name);
    if (!narrow || payload.size() > kBytesMax) {
      statements.erase(name);
    } else if (statements.size() < kStatementsMax || statements.contains(name)) {
      statements[std::move(name)] = std::move(payload);
    }
  }
}

std::optional<Messages> MessageRewriter::Rewrite(const event::Exchange& exchange,
                                                 const NarrowStatements& narrow) {
  places_ = Places();
  if (!values_.empty()) FindPlaces(exchange);
  FindCopies(exchange);
  const Messages& messages = exchange.messages;
  Messages out;
  size_t done = 0;  // Of `messages`, in `out`.
  for (size_t i = 0; i < messages.size(); ++i) {
    Messages others;
    std::optional<event::FrontendMessage> other;
    if (messages[i].type == frontend::kQuery) other = RewriteQuery(messages[i], i);
    if (messages[i].type == frontend::kParse) other = RewriteParse(messages[i], i);
    if (messages[i].type == frontend::kBind) others = RewriteBind(exchange, i, narrow);
    size_t end = i + 1;  // Of what `others` replaces.
    if (const auto copy = places_.copies.find(i); copy != places_.copies.end()) {
      others = RewriteCopy(messages, i, copy->second);
      end = copy->second.end;
    }
    if (other) others.push_back(std::move(*other));
    if (others.empty()) continue;
    const auto at = [&](size_t index) {
      return messages.begin() + static_cast<std::ptrdiff_t>(index);
    };
    out.insert(out.end(), at(done), at(i));
    std::move(others.begin(), others.end(), std::back_inserter(out));
    done = end;
    i = end - 1;
  }
  if (done == 0) return std::nullopt;
  out.insert(out.end(), messages.begin() + static_cast<std::ptrdiff_t>(done), messages.end());
  return out;
}

void MessageRewriter::FindPlaces(const event::Exchange& exchange) {
  for (const event::Statement& statement : exchange.statements) {
    if (statement.text.empty()) continue;
    const event::StatementSites& sites = sites_.Get(statement.text, statement.ordinal);
    if (sites.sites.empty() && sites.unresolved.empty()) continue;
    const Carriers carriers = CarriersOf(exchange.messages, statement.message);
    const Asking asking{exchange, statement, sites.sites, carriers};
    for (const event::ValueSite& site : sites.sites) AddSite(site, asking);
    for (const event::ValueSite& site : sites.unresolved) AddSite(site, asking);
  }
}

// The values of the primary key that the statement asks for beside an xmin. nullopt: not all of
// them are said.
std::optional<std::vector<std::string>> MessageRewriter::KeyBeside(
    const event::ValueSite& site, const std::vector<KeyColumn>& key, const Asking& asking) {
  std::string payload;
  std::optional<wire::Bind> bind;
  if (asking.carriers.bind) {
    payload = asking.exchange.messages[*asking.carriers.bind].Payload();
    bind = wire::ParseBind(base::AsBytes(payload));
  }
  std::vector<std::string> values;
  for (const KeyColumn& column : key) {
    // A conjunct is of the one relation of its statement.
    const auto found =
        std::find_if(asking.sites.begin(), asking.sites.end(), [&](const event::ValueSite& other) {
          return other.conjunct && other.column == column.name && other.relation == site.relation;
        });
    if (found == asking.sites.end()) return std::nullopt;
    std::optional<std::string> value;
    if (found->parameter == 0) {
      const auto literal =
          event::LiteralValue(asking.statement.text.view().substr(found->offset, found->length));
      if (literal) value = ReadValue(column.kind, *literal, false);
    } else if (const auto index = static_cast<size_t>(found->parameter) - 1;
               bind && index < bind->parameters.size() && bind->parameters[index]) {
      value = ReadValue(column.kind, *bind->parameters[index], IsBinary(bind->formats, index));
    }
    if (!value) return std::nullopt;
    values.push_back(std::move(*value));
  }
  return values;
}

void MessageRewriter::AddSite(const event::ValueSite& site, const Asking& asking) {
  const auto& [text, bind] = asking.carriers;
  const ColumnCatalog::Named named = columns_.Find(site);
  if (named.column == nullptr || !values_.Has(named.column->domain)) return;
  if (named.ambiguous) {
    ++stats_.values_ambiguous;
    return;
  }
  std::optional<std::vector<std::string>> key;
  if (named.column->xmin && !named.key->empty()) {
    key = KeyBeside(site, *named.key, asking);
  }
  if (site.parameter > 0 && bind) {
    places_.parameters[*bind].push_back(
        {static_cast<size_t>(site.parameter) - 1, named.column, site.array, std::move(key)});
  } else if (site.parameter == 0 && text) {
    places_.texts[*text][site.offset] = {site.offset, site.length, named.column, site.array,
                                         std::move(key)};
  }
}

// The statements take the data of the exchange in their order.
void MessageRewriter::FindCopies(const event::Exchange& exchange) {
  const Messages& messages = exchange.messages;
  const auto is_data = [](const event::FrontendMessage& message) {
    return message.type == frontend::kCopyData;
  };
  const auto is_end = [](const event::FrontendMessage& message) {
    return message.type == frontend::kCopyDone || message.type == frontend::kCopyFail;
  };
  if (std::none_of(messages.begin(), messages.end(), is_data)) return;  // Nearly always.
  size_t at = 0;
  for (const event::Statement& statement : exchange.statements) {
    if (statement.text.empty()) continue;
    const event::StatementSites& sites = sites_.Get(statement.text, statement.ordinal);
    if (!sites.copy_in) continue;
    while (at < messages.size() && !is_data(messages[at]) && !is_end(messages[at])) ++at;
    const size_t begin = at;
    while (at < messages.size() && is_data(messages[at])) ++at;
    if (at > begin && at < messages.size() && is_end(messages[at])) {
      places_.copies[begin] = {at, *sites.copy_in,
                               columns_.FindCopied(sites.writes.front(), sites.insert->columns)};
    }
    while (at < messages.size() && !is_end(messages[at])) ++at;
    if (at < messages.size()) ++at;
  }
}

std::optional<std::string> MessageRewriter::ToLane(
    const MappedColumn& column, const std::string& captured,
    const std::optional<std::vector<std::string>>& key) {
  if (key) {
    const IdentityMap::Found row = values_.ToLane(column.domain, RowVersion(captured, *key));
    if (row.known && row.value == captured) return std::nullopt;
    if (row.known) {
      ++stats_.values_sent;
      return std::string(row.value);
    }
  }
  const IdentityMap::Found found = values_.ToLane(column.domain, captured);
  stats_.values_ambiguous += found.ambiguous ? 1U : 0U;
  if (!found.known) return std::nullopt;
  ++stats_.values_sent;
  return std::string(found.value);
}

std::optional<std::string> MessageRewriter::RewriteText(std::string_view text, size_t index) {
  const auto places = places_.texts.find(index);
  if (places == places_.texts.end()) return std::nullopt;
  std::string out;
  size_t done = 0;
  for (const auto& [offset, site] : places->second) {
    if (offset < done || offset + site.length > text.size()) continue;
    const auto literal = event::LiteralValue(text.substr(offset, site.length));
    if (!literal) continue;
    const MappedColumn& column = *site.column;
    const MapText map = [&](const std::string& value) { return ToLane(column, value, site.key); };
    std::optional<std::string> other;
    if (site.array) {
      const auto array = MapArray(column.kind, *literal, false, map);
      if (array) other = WriteLiteral(ValueKind::kText, *array);
    } else if (const auto value = ReadValue(column.kind, *literal, false)) {
      const auto mapped = map(*value);
      // A number in quotes stays in quotes.
      const bool bare = std::string_view("0123456789+-").find(text[offset]) != std::string::npos;
      const bool number = column.kind == ValueKind::kInteger || column.kind == ValueKind::kXid;
      if (mapped) other = WriteLiteral(number && !bare ? ValueKind::kText : column.kind, *mapped);
    }
    if (!other) continue;
    out += text.substr(done, offset - done);
    out += *other;
    done = offset + site.length;
  }
  if (done == 0) return std::nullopt;
  return out + std::string(text.substr(done));
}

std::optional<event::FrontendMessage> MessageRewriter::RewriteQuery(
    const event::FrontendMessage& message, size_t index) {
  if (!places_.texts.contains(index)) return std::nullopt;
  const std::string payload = message.Payload();
  const auto text = wire::ParseQuery(base::AsBytes(payload));
  const auto other_text = text ? RewriteText(*text, index) : std::nullopt;
  if (!other_text) return std::nullopt;
  base::ByteWriter out;
  out.CString(*other_text);
  event::FrontendMessage other;
  other.type = message.type;
  other.head = out.Release();
  return other;
}

std::optional<event::FrontendMessage> MessageRewriter::RewriteParse(
    const event::FrontendMessage& message, size_t index) {
  if (types_.empty() && !places_.texts.contains(index)) return std::nullopt;
  const std::string payload = message.Payload();
  const auto parse = wire::ParseParse(base::AsBytes(payload));
  if (!parse) return std::nullopt;
  const auto other_text = RewriteText(parse->text, index);
  bool changed = other_text.has_value();
  base::ByteWriter out;
  out.CString(parse->name);
  out.CString(other_text ? std::string_view(*other_text) : parse->text);
  out.BigU16(static_cast<uint16_t>(parse->parameter_types.size()));
  for (const uint32_t type : parse->parameter_types) {
    out.BigU32(types_.Map(type));
    changed |= types_.Map(type) != type;
  }
  if (!changed) return std::nullopt;
  event::FrontendMessage other;
  other.type = message.type;
  other.head = out.Release();
  return other;
}

MessageRewriter::Parameter MessageRewriter::MapParameter(std::string_view value, bool binary,
                                                         uint32_t declared,
                                                         const ParameterSite& site) {
  Parameter parameter;
  const ValueKind kind = site.column->kind;
  const MapText map = [&](const std::string& text) -> std::optional<std::string> {
    auto other = ToLane(*site.column, text, site.key);
    const bool fits = !other || FitsType(declared, *other);
    // No wider integer compares with an xid.
    if (!fits && kind == ValueKind::kXid) return std::nullopt;
    parameter.wide |= !fits;
    return other;
  };
  parameter.other =
      site.array ? MapArray(kind, value, binary, map) : MapValue(kind, value, binary, map);
  if (parameter.wide && binary) {
    const MapText again = [&](const std::string& text) -> std::optional<std::string> {
      const IdentityMap::Found found = values_.ToLane(site.column->domain, text);
      return found.known ? std::optional(std::string(found.value)) : std::nullopt;
    };
    parameter.other = site.array ? WidenArray(value, again) : WidenValue(value, again);
  }
  return parameter;
}

// What all sites of the parameter agree on.
MessageRewriter::Parameter MessageRewriter::ParameterOf(std::string_view value, bool binary,
                                                        uint32_t declared, size_t index,
                                                        const std::vector<ParameterSite>& sites) {
  Parameter result;
  std::optional<DomainId> domain;
  for (const ParameterSite& site : sites) {
    if (site.index != index || domain == site.column->domain) continue;
    Parameter one = MapParameter(value, binary, declared, site);
    if (domain && one.other != result.other) {
      ++stats_.values_ambiguous;
      return {};
    }
    domain = site.column->domain;
    result = std::move(one);
  }
  return result;
}

Messages MessageRewriter::RewriteCopy(const Messages& messages, size_t begin,
                                      const CopyPlace& place) {
  constexpr size_t kPieceBytes = size_t{64} << 10;  // Rows may be cut anywhere.
  const bool binary = place.shape.format == event::CopyShape::Format::kBinary;
  std::string data;
  for (size_t i = begin; i < place.end; ++i) data += messages[i].values;
  const auto other = RewriteCopyData(
      place.shape, data, [&](size_t index, std::string_view value) -> std::optional<std::string> {
        const MappedColumn* column = index < place.columns.size() ? place.columns[index] : nullptr;
        std::optional<std::string> mapped;
        if (column != nullptr && values_.Has(column->domain)) {
          mapped = MapValue(column->kind, value, binary,
                            [&](const std::string& text) { return ToLane(*column, text); });
        }
        return mapped || !binary ? mapped : types_.MapBinary(value);
      });
  Messages out;
  for (size_t at = 0; other && at < other->size(); at += kPieceBytes) {
    out.push_back({frontend::kCopyData, {}, other->substr(at, kPieceBytes), {}});
  }
  return out;
}

// Of its own name, which no client uses: the client's statement stays as it is.
event::FrontendMessage MessageRewriter::WiderParse(const wire::Parse& parse,
                                                   const std::vector<bool>& wide) const {
  base::ByteWriter out;
  out.CString(kWider);
  out.CString(parse.text);
  out.BigU16(static_cast<uint16_t>(parse.parameter_types.size()));
  for (size_t i = 0; i < parse.parameter_types.size(); ++i) {
    const uint32_t type = parse.parameter_types[i];
    out.BigU32(i < wide.size() && wide[i] ? WiderType(type) : types_.Map(type));
  }
  return {frontend::kParse, out.Release(), {}, {}};
}

Messages MessageRewriter::RewriteBind(const event::Exchange& exchange, size_t index,
                                      const NarrowStatements& narrow) {
  const event::FrontendMessage& message = exchange.messages[index];
  const auto places = places_.parameters.find(index);
  const bool mapped = places != places_.parameters.end();
  if (types_.empty() && !mapped) return {};
  const std::string payload = message.Payload();
  const auto bind = wire::ParseBind(base::AsBytes(payload));
  if (!bind) return {};
  const std::string declaration =
      mapped ? DeclarationOf(exchange.messages, index, bind->statement, narrow) : std::string();
  const auto parse = wire::ParseParse(base::AsBytes(declaration));
  base::ByteWriter values;
  bool changed = false;
  std::vector<bool> wide(bind->parameters.size(), false);
  for (size_t i = 0; i < bind->parameters.size(); ++i) {
    const auto& value = bind->parameters[i];
    if (!value) {
      values.BigU32(UINT32_MAX);
      continue;
    }
    const bool binary = IsBinary(bind->formats, i);
    const bool known = parse && i < parse->parameter_types.size();
    Parameter parameter;
    if (mapped) {
      parameter =
          ParameterOf(*value, binary, known ? parse->parameter_types[i] : 0, i, places->second);
    }
    if (!parameter.other && binary) parameter.other = types_.MapBinary(*value);
    wide[i] = parameter.wide && parameter.other;
    changed |= parameter.other.has_value();
    AppendSized(values, parameter.other ? std::string_view(*parameter.other) : *value);
  }
  if (!changed) return {};
  const wire::FrontendParts parts = wire::SplitFrontend(message.type, base::AsBytes(payload));
  event::FrontendMessage other{message.type, std::string(parts.head), values.Release(),
                               std::string(parts.tail)};
  if (std::find(wide.begin(), wide.end(), true) == wide.end()) return {std::move(other)};
  base::ByteWriter head;
  head.CString(bind->portal);
  head.CString(kWider);
  head.Text(parts.head.substr(bind->portal.size() + bind->statement.size() + 2));
  other.head = head.Release();
  // Described, since a client that described its own statement does not ask again.
  return {WiderParse(*parse, wide), OnWider(frontend::kDescribe), std::move(other),
          OnWider(frontend::kClose)};
}

}  // namespace scry::replay
