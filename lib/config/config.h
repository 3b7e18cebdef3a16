// scry.yaml: found, read, validated and turned into the options of the modules below. Called by
// apps/scry and job at the start of a command. Its keys stand in schema.cc; a sample is
// examples/missing-index/scry.yaml. Every error is one line with file, line and column.
// Thread rule: a plain value; const calls from any thread. Errors are kUsage (the file) or
// kNotFound (a name the file does not know).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "compare/policy.h"
#include "config/interpolation.h"
#include "shadow/options.h"

namespace scry::config {

struct ShadowEntry {
  Place place;
  shadow::ProviderKind provider = shadow::ProviderKind::kPhysical;
  std::optional<Template> source;  // Else the database's.
  std::optional<Template> directory;
  std::optional<Template> dbname;
};

struct DatabaseEntry {
  Place place;
  std::optional<Template> source;
  std::vector<Template> captures;
  uint64_t production_bytes = 0;  // 0: not told.
  std::map<std::string, ShadowEntry, std::less<>> shadows;
};

// Wildcards over paths of the repository: what is a migration, and what is none.
struct MigrationPaths {
  std::vector<std::string> paths;
  std::vector<std::string> ignore;
};

// The file as it stands: checked, nothing replaced.
struct Document {
  std::map<std::string, DatabaseEntry, std::less<>> databases;
  compare::Policy policy;
  MigrationPaths migrations;
};

// What becomes of a source that names a variable which is not set.
enum class Unset : uint8_t { kError, kTold };

struct DatabaseOptions {
  std::string name;
  std::string source;                 // CONNINFO; empty: the file gives none, or see below.
  std::string source_unset;           // With Unset::kTold: which of its variables is not set.
  std::vector<std::string> captures;  // Folders.
  uint64_t production_bytes = 0;      // Of the production database; 0: not told.
};

// A source: of a database, or of a shadow that has one of its own.
struct NamedSource {
  std::string name;    // "shop", "shop/ci".
  std::string source;  // CONNINFO; empty: see below.
  std::string unset;   // Which of its variables is not set, as an error message.
};

class Config {
 public:
  Config(std::string file, Document document, Environment environment)
      : file_(std::move(file)),
        document_(std::move(document)),
        environment_(std::move(environment)) {}

  const std::string& file() const { return file_; }
  const compare::Policy& policy() const { return document_.policy; }
  const MigrationPaths& migrations() const { return document_.migrations; }
  // In alphabetical order.
  std::vector<std::string> DatabaseNames() const;
  std::vector<std::string> ShadowNames() const;  // "prod-db/ci-main"

  // Relative folders in the file are relative to the file's own, and come back joined to it.
  // Variables are replaced here, and only those of the entry asked for.
  base::Result<DatabaseOptions> FindDatabase(std::string_view name,
                                             Unset unset = Unset::kError) const;
  base::Result<shadow::ShadowOptions> FindShadow(std::string_view name) const;
  // All that the file names, in the order of their names.
  std::vector<NamedSource> Sources() const;

 private:
  std::string InFileFolder(std::string path) const;

  std::string file_;
  Document document_;
  Environment environment_;
};

// "prod-db/ci-main" in two. Names are letters, digits, '.', '_' and '-', as they become folders.
base::Result<shadow::ShadowName> ParseShadowName(std::string_view text);

// The nearest scry.yaml, from `directory` up to the repository's root (where .git is) or /.
std::optional<std::string> FindFile(const std::string& directory);

// `environment` is what ${NAME} may name, usually the process's own.
base::Result<Config> Parse(std::string_view text, std::string_view file, Environment environment);
base::Result<Config> Load(const std::string& file, Environment environment);
// FindFile, then Load; kUsage where there is none.
base::Result<Config> LoadNearest(const std::string& directory, Environment environment);

}  // namespace scry::config
