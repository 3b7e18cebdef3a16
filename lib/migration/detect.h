// Whether a changed file is a migration: by where it is and how it is named, and by what its added
// lines say. Knows the layouts of common tools; anything else is found by the name of its folder or
// by its SQL. Called by `scry ci detect-migrations`. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scry::migration {

enum class ChangeKind : uint8_t { kAdded, kModified, kDeleted, kRenamed };

struct ChangedFile {
  std::string path;  // From the root of the repository, with slashes.
  ChangeKind kind = ChangeKind::kModified;
};

enum class Confidence : uint8_t {
  kLow,     // SQL that changes a schema, in a place for tests, seeds or documents.
  kMedium,  // The place or the SQL says so.
  kHigh,    // Both.
};

struct DetectRules {
  // Wildcards over whole paths ("services/*/db/*.sql"). What is ignored is never a migration.
  std::vector<std::string> paths;
  std::vector<std::string> ignore;
};

struct Detected {
  std::string path;
  std::string tool;  // "alembic", "django" ...; "sql": plain files; "path": as the rules say;
                     // "unknown": in a folder of migrations, of whatever tool.
  Confidence confidence = Confidence::kMedium;
  std::string evidence;  // "ALTER TABLE orders ADD COLUMN region text", "by its path".
};

// Whether the added lines have to be looked at to decide; else Detect() does without them, unless
// MayTell().
bool NeedsContent(const ChangedFile& file, const DetectRules& rules);

// A file in a language of migrations, wherever it lies: it is one if it holds a word of
// TellingWordsPattern() and lines were added. These are most files of many repositories, so let the
// search be one for many.
bool MayTell(const ChangedFile& file, const DetectRules& rules);
std::string TellingWordsPattern();  // POSIX, extended: as in `git grep -E`.

// nullopt: no migration. `added`: the added lines, without their '+'.
std::optional<Detected> Detect(const ChangedFile& file, std::string_view added,
                               const DetectRules& rules);

// Where Detect() found nothing in the added lines: they may be pieces of statements, and a tool's
// own word may stand in lines that did not change. `whole`: the file as it stands.
std::optional<Detected> DetectInWhole(const ChangedFile& file, std::string_view added,
                                      std::string_view whole, const DetectRules& rules);

// Where there were too many added lines to look at.
std::optional<Detected> DetectUnread(const ChangedFile& file, const DetectRules& rules);

const char* Name(Confidence confidence);  // "low", "medium", "high".

}  // namespace scry::migration
