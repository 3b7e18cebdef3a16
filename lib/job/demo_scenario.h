// The scenarios of `scry demo` as data: SQL files, traffic and texts. Told by the demo job, which
// has the one way that they all go: a shop, its shadow and its captures; a migration that looks
// harmless and is found out; what mends it; all figures side by side.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scry::job {

enum class DemoClients : uint8_t {
  kShopDay,     // Six sessions as fast as they can.
  kFeature,     // The tests of a new feature, on staging.
  kSettlement,  // The back office at night.
  kRushHour,    // Seconds at the pace of a busy shop.
};

// What somebody looks at in production and draws a wrong conclusion from. The first row's second
// column must be 0, else the story is not true.
struct DemoLook {
  const char* title;
  const char* sql;
};

struct DemoCapture {
  const char* file;  // "production.cap".
  const char* step;
  DemoClients clients;
  const char* staging = nullptr;   // On a server of its own with this data; nullptr: production.
  const DemoLook* look = nullptr;  // After it.
};

// A migration that is put through the gate again.
struct DemoAttempt {
  const char* title;
  const char* why;
  const char* file;   // As DemoFile() has it; nullptr: migration.sql and what scry proposed for it.
  const char* label;  // Of its column in the last table.
};

struct DemoScenario {
  const char* name;
  const char* intro;
  const char* setup;  // SQL file on top of the shop's; nullptr: none.
  const char* setup_title;
  const char* setup_why;
  std::vector<DemoCapture> captures;
  const char* migration_title;
  const char* migration_why;
  // The migration under live traffic is the point; else it is left out.
  bool during;
  std::vector<DemoAttempt> attempts;
  const char* before_label;  // Of the last table's first column.
  const char* table_note;

  std::string FileOf(std::string_view file) const;  // "index-drop/migration.sql".
};

// nullptr: there is none of that name.
const DemoScenario* FindDemoScenario(std::string_view name);
// In the order in which they are told; the first is the default.
std::vector<std::string> DemoScenarioNames();

}  // namespace scry::job
