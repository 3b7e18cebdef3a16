#include "migration/bound_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace scry::migration {
namespace {

enum class Form : uint8_t { kText, kBoolean, kInteger, kBytes };

// Types that the server has under a fixed number.
struct Type {
  uint32_t oid;
  const char* name;
  std::optional<Form> binary;  // nullopt: its binary form is not read here.
};

constexpr Type kTypes[] = {{16, "boolean", Form::kBoolean},
                           {17, "bytea", Form::kBytes},
                           {20, "bigint", Form::kInteger},
                           {21, "smallint", Form::kInteger},
                           {23, "integer", Form::kInteger},
                           {25, "text", Form::kText},
                           {114, "json", Form::kText},
                           {700, "real", {}},
                           {701, "double precision", {}},
                           {1043, "varchar", Form::kText},
                           {1082, "date", {}},
                           {1083, "time", {}},
                           {1114, "timestamp", {}},
                           {1184, "timestamptz", {}},
                           {1700, "numeric", {}},
                           {2950, "uuid", {}},
                           {3802, "jsonb", {}}};

std::string Quoted(std::string_view value) {
  std::string quoted = value.find('\\') == std::string_view::npos ? "'" : "E'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted + "'";
}

int64_t IntegerOf(std::string_view bytes) {
  int64_t value = static_cast<signed char>(bytes.front());
  for (const char c : bytes.substr(1)) value = value * 256 + static_cast<unsigned char>(c);
  return value;
}

std::optional<std::string> TextOf(Form form, std::string_view bytes) {
  switch (form) {
    case Form::kText:
      return std::string(bytes);
    case Form::kBoolean:
      if (bytes.size() != 1) return std::nullopt;
      return bytes.front() == 0 ? "f" : "t";
    case Form::kInteger:
      if (bytes.size() != 2 && bytes.size() != 4 && bytes.size() != 8) return std::nullopt;
      return std::to_string(IntegerOf(bytes));
    case Form::kBytes: {
      std::string hex = "\\x";
      for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
      return hex;
    }
  }
  return std::nullopt;
}

std::optional<std::string> LiteralOf(uint32_t oid, bool binary, std::string_view value) {
  // The server finds its type, as it does for a literal.
  if (oid == 0) return binary ? std::nullopt : std::optional(Quoted(value));
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const Type& one) { return one.oid == oid; });
  if (type == std::end(kTypes) || (binary && !type->binary)) return std::nullopt;
  const auto text = binary ? TextOf(*type->binary, value) : std::optional<std::string>(value);
  if (!text) return std::nullopt;
  return fmt::format("({}::{})", Quoted(*text), type->name);
}

}  // namespace

std::vector<std::optional<Literals>> BoundValues::Take(const event::Exchange& exchange) {
  std::vector<std::optional<Literals>> taken(exchange.statements.size());
  for (size_t i = 0; i < exchange.messages.size(); ++i) {
    const event::FrontendMessage& message = exchange.messages[i];
    const std::string payload = message.Payload();
    const base::Bytes bytes = base::AsBytes(payload);
    if (message.type == wire::frontend::kParse) {
      if (const auto parse = wire::ParseParse(bytes)) TakeParse(*parse);
    } else if (message.type == wire::frontend::kBind) {
      if (const auto bind = wire::ParseBind(bytes)) TakeBind(*bind);
    } else if (message.type == wire::frontend::kExecute) {
      const auto execute = wire::ParseExecute(bytes);
      const auto known = execute ? literals_.find(std::string(execute->portal)) : literals_.end();
      if (known == literals_.end()) continue;
      for (size_t at = 0; at < taken.size(); ++at) {
        if (exchange.statements[at].message == i) taken[at] = known->second;
      }
    }
  }
  return taken;
}

void BoundValues::TakeParse(const wire::Parse& parse) {
  if (types_.size() >= kNamesMax) types_.clear();
  types_[std::string(parse.name)] = parse.parameter_types;
}

void BoundValues::TakeBind(const wire::Bind& bind) {
  if (literals_.size() >= kNamesMax) literals_.clear();
  std::optional<Literals> literals = LiteralsOf(bind);
  if (literals) {
    for (const std::string& literal : *literals) bytes_ += literal.size();
    if (bytes_ > kBytesMax) literals.reset();
  }
  literals_[std::string(bind.portal)] = std::move(literals);
}

std::optional<Literals> BoundValues::LiteralsOf(const wire::Bind& bind) const {
  const auto types = types_.find(std::string(bind.statement));
  if (types == types_.end()) return std::nullopt;
  Literals literals;
  for (size_t i = 0; i < bind.parameters.size(); ++i) {
    const uint32_t oid = i < types->second.size() ? types->second[i] : 0;
    const size_t format = bind.formats.size() == 1 ? 0 : i;
    const bool binary = format < bind.formats.size() && bind.formats[format] == 1;
    const auto literal = bind.parameters[i] ? LiteralOf(oid, binary, *bind.parameters[i])
                                            : std::optional<std::string>("NULL");
    if (!literal) return std::nullopt;
    literals.push_back(*literal);
  }
  return literals;
}

}  // namespace scry::migration
