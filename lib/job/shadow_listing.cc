#include "job/shadow_listing.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.h"
#include "report/table.h"

namespace scry::job {

std::string ShadowListText(const shadow::ShadowListing& listing, size_t columns_max) {
  if (listing.shadows.empty())
    return "no shadows; make one with: scry shadow create DATABASE/SHADOW\n";
  using report::Align;
  report::Table table({{"shadow"},
                       {"provider"},
                       {"server"},
                       {"size", Align::kRight},
                       {"made"},
                       {"source", Align::kLeft, true}});
  for (const shadow::ShadowInfo& info : listing.shadows) {
    table.AddRow({info.name.Text(), shadow::Name(info.provider), info.server_version.substr(0, 12),
                  base::FormatSize(info.size_bytes),
                  base::FormatWall(info.created_us).substr(0, 16), info.source});
  }
  std::string text;
  for (const std::string& line : table.Lines(columns_max)) text += line + "\n";
  return text;
}

std::string ShadowListJson(const shadow::ShadowListing& listing) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const shadow::ShadowInfo& info : listing.shadows) {
    nlohmann::ordered_json one =
        nlohmann::ordered_json::parse(shadow::ToJson(info), nullptr, /*allow_exceptions=*/false);
    if (!one.is_discarded()) list.push_back(std::move(one));
  }
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string ShadowText(const shadow::ShadowInfo& info) {
  std::string text = info.name.Text() + "\n";
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<10} {}\n", name, base::Printable(value));
  };
  line("provider", shadow::Name(info.provider));
  line("source", info.source);
  line("database", info.dbname);
  line("server", "PostgreSQL " + info.server_version);
  line("size", base::FormatSize(info.size_bytes));
  line("made", fmt::format("{}, in {}", base::FormatWall(info.created_us),
                           base::FormatDuration(info.took_us)));
  line("folder", info.folder);
  for (const auto& [name, value] : info.settings) line("setting", name + " = " + value);
  for (const std::string& note : info.notes) line("note", note);
  return text;
}

}  // namespace scry::job
