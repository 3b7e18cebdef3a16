#include "report/json_members.h"

#include "base/units.h"

namespace scry::report {

base::Error NotOfKind(std::string_view what, std::string_view why) {
  return base::Fail(base::ErrorCode::kCorrupt, fmt::format("this is no {}: {}", what, why));
}

base::Result<nlohmann::json> ParseReport(std::string_view text, std::string_view schema,
                                         std::string_view what) {
  nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return NotOfKind(what, "it is not JSON, or was cut off");
  if (!parsed.is_object()) return NotOfKind(what, "it is no object");
  const auto found = parsed.find("schema");
  if (found == parsed.end() || !found->is_string()) {
    return NotOfKind(what, "it has no \"schema\"");
  }
  const auto name = found->get<std::string>();
  const std::string_view family = schema.substr(0, schema.find('/') + 1);
  if (!name.starts_with(family)) return NotOfKind(what, "its \"schema\" is another one");
  if (name == schema) return parsed;
  return base::Fail(base::ErrorCode::kUnsupported,
                    fmt::format("the report is of version {}; this scry reads {}; use the scry "
                                "that wrote it",
                                base::Printable(name, 40), schema));
}

}  // namespace scry::report
