// How a shadow is made. Filled from scry.yaml. Plain values.
#pragma once

#include <cstdint>
#include <string>

namespace scry::shadow {

enum class ProviderKind : uint8_t {
  kPhysical,   // pg_basebackup of the source.
  kDump,       // pg_dumpall --roles-only, pg_dump and pg_restore of the source.
  kDirectory,  // A copy of a stopped data directory.
};

// "prod-db/ci-main".
struct ShadowName {
  std::string database;
  std::string shadow;
  std::string Text() const { return database + "/" + shadow; }
};

struct ShadowOptions {
  ShadowName name;
  ProviderKind provider = ProviderKind::kPhysical;
  std::string source;     // CONNINFO of the source, for kPhysical and kDump.
  std::string directory;  // Data directory, for kDirectory.
  std::string dbname;     // Database inside the cluster that traffic and migration use by default.
                          // Empty: the source CONNINFO's, else "postgres".
};

}  // namespace scry::shadow
