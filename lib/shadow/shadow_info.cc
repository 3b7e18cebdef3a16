#include "shadow/shadow_info.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace scry::shadow {
namespace {

constexpr int kFormat = 1;
using Json = nlohmann::ordered_json;

base::Result<ProviderKind> ProviderNamed(const std::string& name) {
  for (const auto kind : {ProviderKind::kPhysical, ProviderKind::kDump, ProviderKind::kDirectory}) {
    if (name == Name(kind)) return kind;
  }
  return base::Fail(base::ErrorCode::kUnsupported, "unknown provider " + name);
}

ShadowInfo Read(const Json& json) {
  ShadowInfo info;
  info.name = {json.at("database"), json.at("shadow")};
  info.source = json.at("source");
  info.dbname = json.at("dbname");
  info.superuser = json.at("superuser");
  info.server_version = json.at("server_version");
  info.server_major = json.at("server_major");
  info.size_bytes = json.at("size_bytes");
  info.created_us = json.at("created_us");
  info.took_us = json.at("took_us");
  for (const auto& setting : json.at("settings")) {
    info.settings.emplace_back(setting.at(0).get<std::string>(), setting.at(1).get<std::string>());
  }
  for (const auto& note : json.at("notes")) info.notes.push_back(note);
  return info;
}

}  // namespace

const char* Name(ProviderKind provider) {
  switch (provider) {
    case ProviderKind::kPhysical:
      return "physical";
    case ProviderKind::kDump:
      return "dump";
    case ProviderKind::kDirectory:
      return "directory";
  }
  return "unknown";
}

std::string ToJson(const ShadowInfo& info) {
  Json json;
  json["format"] = kFormat;
  json["database"] = info.name.database;
  json["shadow"] = info.name.shadow;
  json["provider"] = Name(info.provider);
  json["source"] = info.source;
  json["dbname"] = info.dbname;
  json["superuser"] = info.superuser;
  json["server_version"] = info.server_version;
  json["server_major"] = info.server_major;
  json["size_bytes"] = info.size_bytes;
  json["created"] = base::FormatWall(info.created_us);
  json["created_us"] = info.created_us;
  json["took_us"] = info.took_us;
  json["settings"] = Json::array();
  for (const auto& [name, value] : info.settings) json["settings"].push_back({name, value});
  json["notes"] = info.notes;
  // Names may be any bytes; a broken one must not cost the shadow.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

base::Result<ShadowInfo> FromJson(std::string_view text, const std::string& where) {
  try {
    const Json json = Json::parse(text);
    const int format = json.at("format");
    if (format > kFormat) {
      return base::Fail(
          base::ErrorCode::kUnsupported,
          fmt::format("{}: made by a newer scry (format {}); update scry", where, format));
    }
    SCRY_TRY_ASSIGN(const ProviderKind provider, ProviderNamed(json.at("provider")));
    ShadowInfo info = Read(json);
    info.provider = provider;
    return info;
  } catch (const std::exception&) {
    return base::Fail(base::ErrorCode::kCorrupt,
                      where + ": not a description of a shadow; destroy it and create it again");
  }
}

}  // namespace scry::shadow
