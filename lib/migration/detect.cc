#include "migration/detect.h"

#include <algorithm>
#include <array>

#include "base/letter_case.h"
#include "base/units.h"
#include "base/wildcard.h"
#include "event/sql_script.h"
#include "event/statement_facts.h"

namespace scry::migration {
namespace {

using event::StatementKind;

// Layout of one tool. `folder`: consecutive parts of the path, "" for any. `name`: '#' stands for
// digits, '*' for any text.
struct Layout {
  const char* tool;
  const char* folder;
  const char* name;
  // Any of these in an added line is the tool's own word; tools that share a layout are told apart
  // by it.
  std::array<const char*, 4> words;
};

constexpr std::array kLayouts = {
    Layout{"rails", "db/migrate", "#_*.rb", {"Migration[", "create_table", "add_", "change_"}},
    Layout{"rails", "db/*_migrate", "#_*.rb", {"Migration[", "create_table", "add_", "change_"}},
    Layout{"rails", "db", "schema.rb", {"create_table", "add_index", "add_foreign_key", "t."}},
    Layout{"rails", "db", "structure.sql", {}},
    Layout{"prisma", "prisma/migrations", "migration.sql", {}},
    Layout{"drizzle", "drizzle", "#_*.sql", {}},
    Layout{"alembic", "versions", "*.py", {"op.", "from alembic", "def upgrade", "down_revision"}},
    Layout{"django", "migrations", "#_*.py", {"migrations.", "operations =", "dependencies ="}},
    Layout{"django", "migrations", "*.py", {"migrations.", "operations =", "dependencies ="}},
    Layout{"node-pg-migrate", "migrations", "#*.js", {"pgm."}},
    Layout{"node-pg-migrate", "migrations", "#*.cjs", {"pgm."}},
    Layout{"node-pg-migrate", "migrations", "#*.ts", {"pgm."}},
    Layout{"knex", "migrations", "#_*.js", {"knex", "exports.up", "exports.down"}},
    Layout{"knex", "migrations", "#_*.cjs", {"knex", "exports.up", "exports.down"}},
    Layout{"knex", "migrations", "#_*.ts", {"knex", "Knex", "function up"}},
    Layout{"knex", "migrations", "#_*.mjs", {"knex", "Knex", "function up"}},
    Layout{"golang-migrate", "", "#_*.up.sql", {}},
    Layout{"golang-migrate", "", "#_*.down.sql", {}},
    Layout{"flyway", "", "V#*__*.sql", {}},
    Layout{"flyway", "", "U#*__*.sql", {}},
    Layout{"flyway", "", "R__*.sql", {}},
    Layout{"flyway", "", "V#*__*.java", {"BaseJavaMigration", "JavaMigration", "execute"}},
    Layout{"liquibase", "", "*changelog*.xml", {"<changeSet", "databaseChangeLog", "<include"}},
    Layout{"liquibase", "", "*changelog*.yaml", {"changeSet", "databaseChangeLog", "include"}},
    Layout{"liquibase", "", "*changelog*.yml", {"changeSet", "databaseChangeLog", "include"}},
    Layout{"liquibase", "", "*changelog*.json", {"changeSet", "databaseChangeLog", "include"}},
    Layout{"liquibase", "changelog", "*.sql", {"changeset ", "liquibase formatted"}},
    Layout{"sqitch", "deploy", "*.sql", {"-- Deploy "}},
    Layout{"sqitch", "", "sqitch.plan", {"%project", "%syntax", "<", "#"}},
    Layout{"sql", "migrations", "*.sql", {}},
    Layout{"sql", "migration", "*.sql", {}},
    Layout{"sql", "migrate", "*.sql", {}}};

// What only a migration of a tool says, wherever it lies.
struct Telling {
  const char* tool;
  const char* extension;
  const char* word;
};

constexpr std::array kTelling = {Telling{"liquibase", ".xml", "<changeSet"},
                                 Telling{"liquibase", ".xml", "<databaseChangeLog"},
                                 Telling{"liquibase", ".yaml", "changeSet:"},
                                 Telling{"liquibase", ".yaml", "databaseChangeLog:"},
                                 Telling{"liquibase", ".yml", "changeSet:"},
                                 Telling{"liquibase", ".yml", "databaseChangeLog:"},
                                 Telling{"liquibase", ".json", "\"changeSet\""},
                                 Telling{"liquibase", ".json", "\"databaseChangeLog\""},
                                 Telling{"rails", ".rb", "ActiveRecord::Migration["},
                                 Telling{"sequel", ".rb", "Sequel.migration"},
                                 Telling{"alembic", ".py", "from alembic import op"},
                                 Telling{"django", ".py", "migrations.Migration"},
                                 Telling{"node-pg-migrate", ".js", "pgm."},
                                 Telling{"node-pg-migrate", ".cjs", "pgm."},
                                 Telling{"node-pg-migrate", ".mjs", "pgm."},
                                 Telling{"node-pg-migrate", ".ts", "pgm."},
                                 Telling{"knex", ".js", "exports.up"},
                                 Telling{"knex", ".cjs", "exports.up"},
                                 Telling{"knex", ".mjs", "function up(knex"},
                                 Telling{"knex", ".ts", "function up(knex"},
                                 Telling{"typeorm", ".ts", "implements MigrationInterface"},
                                 Telling{"typeorm", ".js", "implements MigrationInterface"},
                                 Telling{"sequelize", ".js", "queryInterface."},
                                 Telling{"sequelize", ".cjs", "queryInterface."},
                                 Telling{"sequelize", ".ts", "queryInterface."}};

// Where SQL is for something else.
constexpr std::array<std::string_view, 10> kElsewhere = {
    "test",  "tests",    "spec", "fixtures", "testdata",
    "seeds", "examples", "docs", "vendor",   "node_modules"};

// Folders by which frameworks of all languages call the place of their migrations, and endings of
// what lies beside them: documents, locks, pictures, code of applications.
constexpr std::array<std::string_view, 3> kMigrationFolders = {"migrations", "migration",
                                                               "migrate"};
constexpr std::array<std::string_view, 36> kNoMigrationEndings = {
    ".md",  ".markdown", ".txt",  ".rst",  ".adoc", ".lock", ".snap", ".sum", ".toml",
    ".ini", ".cfg",      ".conf", ".mako", ".mod",  ".log",  ".png",  ".jpg", ".jpeg",
    ".gif", ".svg",      ".pdf",  ".html", ".css",  ".scss", ".tsx",  ".jsx", ".vue",
    ".c",   ".cc",       ".cpp",  ".h",    ".hpp",  ".pyc",  ".d.ts", ".map", ".bak"};

// As TextCache bounds what it analyses, so is here what is parsed at all; behind it words are
// looked for.
constexpr size_t kSqlBytesMax = 1024 * 1024;
constexpr size_t kFragmentLinesMax = 5'000;
constexpr size_t kEvidenceColumns = 90;

std::vector<std::string_view> Parts(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// '#' and '*' take as little as they can, and more where the rest does not fit.
bool NameMatches(std::string_view pattern, std::string_view name) {
  std::vector<bool> fits(name.size() + 1, false);  // That pattern[at..] covers name[i..].
  fits[name.size()] = true;
  for (size_t at = pattern.size(); at-- > 0;) {
    std::vector<bool> now(name.size() + 1, false);
    for (size_t i = name.size() + 1; i-- > 0;) {
      const bool more = i < name.size();
      if (pattern[at] == '*') {
        now[i] = fits[i] || (more && now[i + 1]);
      } else if (pattern[at] == '#') {
        now[i] = more && IsDigit(name[i]) && (fits[i + 1] || now[i + 1]);
      } else {
        now[i] = more && name[i] == pattern[at] && fits[i + 1];
      }
    }
    fits = std::move(now);
  }
  return fits[0];
}

// In any case of letters: "Migrations" of .NET is "migrations" of others.
bool InFolder(const std::vector<std::string_view>& parts, std::string_view folder) {
  if (folder.empty()) return true;
  const std::vector<std::string_view> wanted = Parts(folder);
  const auto end = parts.end() - 1;  // Without the name.
  return std::search(parts.begin(), end, wanted.begin(), wanted.end(),
                     [](std::string_view part, std::string_view pattern) {
                       return NameMatches(pattern, base::LowerAscii(part));
                     }) != end;
}

bool Covers(const std::vector<std::string>& patterns, const std::string& path) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return base::WildcardMatch(pattern, path);
  });
}

bool IsSql(std::string_view path) { return base::LowerAscii(path).ends_with(".sql"); }

bool IsElsewhere(const std::vector<std::string_view>& parts) {
  return std::any_of(parts.begin(), parts.end() - 1, [](std::string_view part) {
    const std::string lower = base::LowerAscii(part);
    return std::find(kElsewhere.begin(), kElsewhere.end(), lower) != kElsewhere.end();
  });
}

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '_' || c == '$';
}

// Where `word` stands by itself: in "epgm." there is no "pgm.".
size_t FindWord(std::string_view text, std::string_view word) {
  for (size_t at = 0; (at = text.find(word, at)) != std::string_view::npos; ++at) {
    const size_t end = at + word.size();
    const bool begins = !IsWordByte(word.front()) || at == 0 || !IsWordByte(text[at - 1]);
    const bool ends = !IsWordByte(word.back()) || end == text.size() || !IsWordByte(text[end]);
    if (begins && ends) return at;
  }
  return std::string_view::npos;
}

// The word at the front of `text`, behind blanks; `text` becomes the rest.
std::string_view TakeWord(std::string_view& text) {
  size_t begin = 0;
  while (begin < text.size() && IsBlank(text[begin])) ++begin;
  size_t end = begin;
  while (end < text.size() && IsWordByte(text[end])) ++end;
  const std::string_view word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

// Where a schema change begins ("alter table", "CREATE  UNIQUE\n INDEX"), in any language.
size_t FindSchemaWords(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kVerbs = {"alter", "create", "drop"};
  static constexpr std::array<std::string_view, 32> kObjects = {
      "table",      "index",    "unique",    "view",     "materialized", "type",    "function",
      "procedure",  "routine",  "trigger",   "sequence", "schema",       "domain",  "extension",
      "policy",     "rule",     "aggregate", "operator", "collation",    "foreign", "publication",
      "statistics", "unlogged", "or",        "temp",     "temporary",    "column",  "constraint",
      "cast",       "server",   "database",  "role"};
  const std::string lower = base::LowerAscii(text);
  size_t first = std::string::npos;
  for (const std::string_view verb : kVerbs) {
    std::string_view rest = lower;
    for (size_t at = 0; (at = FindWord(rest, verb)) != std::string_view::npos;) {
      rest.remove_prefix(at + verb.size());
      std::string_view behind = rest;
      const std::string_view object = TakeWord(behind);
      if (std::find(kObjects.begin(), kObjects.end(), object) == kObjects.end()) continue;
      if (object == "or" && TakeWord(behind) != "replace") continue;
      first = std::min(first, lower.size() - rest.size() - verb.size());
      break;
    }
  }
  return first;
}

// The line where a schema change begins, from there on; empty: none does.
std::string SchemaWords(std::string_view text) {
  const size_t at = FindSchemaWords(text);
  if (at == std::string_view::npos) return {};
  return std::string(text.substr(at, text.find('\n', at) - at));
}

bool IsOneDdl(const std::string& sql) {
  const auto facts = event::AnalyzeQuery(sql);
  return facts.size() == 1 && facts[0].parsed && facts[0].kind == StatementKind::kDdl;
}

// A line that stands inside CREATE TABLE or ALTER TABLE, whose other lines are not new.
std::string LineOfTable(std::string_view fragment) {
  for (size_t lines = 0; !fragment.empty() && lines < kFragmentLinesMax; ++lines) {
    const size_t end = std::min(fragment.find('\n'), fragment.size());
    const std::string line = event::OneLineSql(fragment.substr(0, end));
    fragment.remove_prefix(std::min(end + 1, fragment.size()));
    const size_t begin = line.find_first_not_of(", ");
    if (begin == std::string::npos) continue;
    const std::string part = line.substr(begin, line.find_last_not_of(", ") + 1 - begin);
    if (IsOneDdl("CREATE TABLE t (" + part + ")") || IsOneDdl("ALTER TABLE t " + part)) return part;
  }
  return {};
}

struct SqlChange {
  std::string text;  // What shows it; empty: nothing does.
  bool data_only = false;
};

// The first statement that changes a schema, else what may be one, else the first that changes
// data. Added lines may be pieces of statements, and files of SQL hold commands of psql, variables
// and templates: where something does not parse, or runs text of its own (DO), words decide.
SqlChange ChangeOf(std::string_view sql) {
  std::string_view behind;
  if (sql.size() > kSqlBytesMax) {
    behind = sql.substr(std::min(sql.rfind('\n', kSqlBytesMax) + 1, kSqlBytesMax));
    sql = sql.substr(0, kSqlBytesMax);
  }
  std::vector<event::ScriptPiece> pieces = event::SplitScript(sql);
  const bool split = !pieces.empty();
  if (!split) pieces.push_back({std::string(sql), 1});
  std::string doubtful;
  std::string data;
  for (const event::ScriptPiece& piece : pieces) {
    for (const event::StatementFacts& facts : event::AnalyzeQuery(piece.sql)) {
      if (facts.kind == StatementKind::kDdl) return {facts.pattern, false};
      const bool writes = facts.kind == StatementKind::kInsert ||
                          facts.kind == StatementKind::kUpdate ||
                          facts.kind == StatementKind::kDelete;
      if (writes && data.empty()) data = facts.pattern;
      const bool unknown = !facts.parsed || facts.kind == StatementKind::kOther;
      if (!doubtful.empty() || !unknown) continue;
      doubtful = SchemaWords(split ? event::OneLineSql(piece.sql) : piece.sql);
      if (doubtful.empty() && !facts.parsed) doubtful = LineOfTable(piece.sql);
    }
  }
  if (doubtful.empty()) doubtful = SchemaWords(behind);
  if (!doubtful.empty()) return {doubtful, false};
  return {data, !data.empty()};
}

// All of it parses, so that nothing is a piece of a statement whose rest did not change.
bool IsWholeSql(std::string_view sql) {
  if (sql.size() > kSqlBytesMax) return false;
  const std::vector<event::ScriptPiece> pieces = event::SplitScript(sql);
  return std::all_of(pieces.begin(), pieces.end(),
                     [](const event::ScriptPiece& piece) {
                       const auto facts = event::AnalyzeQuery(piece.sql);
                       return std::all_of(facts.begin(), facts.end(),
                                          [](const auto& one) { return one.parsed; });
                     }) &&
         (!pieces.empty() || event::OneLineSql(sql).empty());
}

// The line of `text` that holds the byte at `place`.
std::string LineAt(std::string_view text, size_t place) {
  const size_t before = text.rfind('\n', place);
  const size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return std::string(text.substr(begin, std::min(text.find('\n', place), text.size()) - begin));
}

// The line with the first of a tool's words.
std::string ToolWord(std::string_view added, const Layout& layout) {
  size_t first = std::string_view::npos;
  for (const char* word : layout.words) {
    if (word != nullptr) first = std::min(first, added.find(word));
  }
  return first == std::string_view::npos ? std::string() : LineAt(added, first);
}

std::string Shown(std::string_view line) {
  return base::Printable(base::OneLine(line), kEvidenceColumns);
}

// A migration by its text alone.
std::optional<Detected> ByWords(const std::string& path, std::string_view added, bool elsewhere) {
  const std::string lower = base::LowerAscii(path);
  for (const Telling& telling : kTelling) {
    if (!lower.ends_with(telling.extension)) continue;
    const size_t found = FindWord(added, telling.word);
    if (found == std::string_view::npos) continue;
    return Detected{path, telling.tool, elsewhere ? Confidence::kLow : Confidence::kMedium,
                    Shown(LineAt(added, found))};
  }
  return std::nullopt;
}

std::vector<const Layout*> LayoutsOf(const std::vector<std::string_view>& parts) {
  std::vector<const Layout*> found;
  if (parts.back() == "__init__.py") return found;  // The folder's, and no migration of it.
  for (const Layout& layout : kLayouts) {
    if (InFolder(parts, layout.folder) && NameMatches(layout.name, parts.back())) {
      found.push_back(&layout);
    }
  }
  return found;
}

// In a folder of migrations, of a tool that is not known: of any language that a migration may be
// written in.
bool InMigrationFolder(const std::vector<std::string_view>& parts) {
  if (std::none_of(kMigrationFolders.begin(), kMigrationFolders.end(),
                   [&](std::string_view folder) { return InFolder(parts, folder); })) {
    return false;
  }
  const std::string name = base::LowerAscii(parts.back());
  const bool lists_others = name == "__init__.py" || name.starts_with("index.");
  if (lists_others || name.starts_with('.') || name.find('.') == std::string::npos) return false;
  if (parts[parts.size() - 2] == "meta" && name.ends_with(".json")) return false;  // Drizzle's.
  return std::none_of(kNoMigrationEndings.begin(), kNoMigrationEndings.end(),
                      [&](std::string_view ending) { return name.ends_with(ending); });
}

// By its text, else by the folder it lies in.
std::optional<Detected> OutsideLayouts(const std::string& path,
                                       const std::vector<std::string_view>& parts,
                                       std::string_view added, const std::string& change) {
  const bool elsewhere = IsElsewhere(parts);
  std::optional<Detected> told = ByWords(path, added, elsewhere);
  if (!InMigrationFolder(parts)) return told;
  const bool both = told.has_value() || !change.empty();
  if (!told) told = Detected{path, "unknown", {}, change.empty() ? "" : Shown(change)};
  told->confidence = elsewhere ? Confidence::kLow : both ? Confidence::kHigh : Confidence::kMedium;
  return told;
}

const char* WithoutText(ChangeKind kind, bool by_rule) {
  if (kind == ChangeKind::kDeleted) return "deleted";
  return by_rule ? "by its path, as configured" : "by its path";
}

}  // namespace

bool NeedsContent(const ChangedFile& file, const DetectRules& rules) {
  const std::vector<std::string_view> parts = Parts(file.path);
  if (parts.empty() || file.kind == ChangeKind::kDeleted || Covers(rules.ignore, file.path)) {
    return false;
  }
  return IsSql(file.path) || Covers(rules.paths, file.path) || !LayoutsOf(parts).empty() ||
         InMigrationFolder(parts);
}

bool MayTell(const ChangedFile& file, const DetectRules& rules) {
  if (file.kind == ChangeKind::kDeleted || Covers(rules.ignore, file.path)) return false;
  const std::string lower = base::LowerAscii(file.path);
  return std::any_of(kTelling.begin(), kTelling.end(),
                     [&](const Telling& telling) { return lower.ends_with(telling.extension); });
}

std::string TellingWordsPattern() {
  std::string pattern;
  for (const Telling& telling : kTelling) {
    std::string word;
    for (const char* c = telling.word; *c != '\0'; ++c) {
      if (std::string_view("\\^.[$()|*+?{").find(*c) != std::string_view::npos) word += '\\';
      word += *c;
    }
    if (pattern.find(word) != std::string::npos) continue;  // Of another extension.
    pattern += (pattern.empty() ? "" : "|") + word;
  }
  return pattern;
}

std::optional<Detected> Detect(const ChangedFile& file, std::string_view added,
                               const DetectRules& rules) {
  const std::vector<std::string_view> parts = Parts(file.path);
  if (parts.empty() || parts.back().empty() || Covers(rules.ignore, file.path)) return std::nullopt;
  Detected detected;
  detected.path = file.path;
  const bool sql = IsSql(file.path);
  SqlChange change = sql ? ChangeOf(added) : SqlChange{SchemaWords(added), false};
  const std::vector<const Layout*> layouts = LayoutsOf(parts);
  const Layout* layout = layouts.empty() ? nullptr : layouts.front();
  for (auto it = layouts.rbegin(); it != layouts.rend(); ++it) {
    const std::string word = ToolWord(added, **it);
    if (word.empty()) continue;
    layout = *it;
    if (change.text.empty()) change.text = word;
  }
  const bool by_rule = Covers(rules.paths, file.path);
  if (layout == nullptr && !by_rule) {
    if (!sql) {
      auto told = OutsideLayouts(file.path, parts, added, change.text);
      if (told && told->evidence.empty()) told->evidence = WithoutText(file.kind, false);
      return told;
    }
    // Data alone, outside of any layout, is a seed or a query.
    if (change.text.empty() || change.data_only) return std::nullopt;
    detected.tool = "sql";
    detected.confidence = IsElsewhere(parts) ? Confidence::kLow : Confidence::kMedium;
    detected.evidence = Shown(change.text);
    return detected;
  }
  detected.tool = layout != nullptr ? layout->tool : "path";
  detected.confidence = change.text.empty() ? Confidence::kMedium : Confidence::kHigh;
  if (layout != nullptr && !by_rule && IsElsewhere(parts)) detected.confidence = Confidence::kLow;
  detected.evidence = change.text.empty() ? WithoutText(file.kind, by_rule) : Shown(change.text);
  return detected;
}

std::optional<Detected> DetectInWhole(const ChangedFile& file, std::string_view added,
                                      std::string_view whole, const DetectRules& rules) {
  const std::vector<std::string_view> parts = Parts(file.path);
  if (parts.empty() || added.empty() || Covers(rules.ignore, file.path)) return std::nullopt;
  const bool elsewhere = IsElsewhere(parts);
  if (!IsSql(file.path)) return ByWords(file.path, whole, elsewhere);
  if (IsWholeSql(added)) return std::nullopt;
  const SqlChange change = ChangeOf(whole);
  if (change.text.empty() || change.data_only) return std::nullopt;
  return Detected{file.path, "sql", elsewhere ? Confidence::kLow : Confidence::kMedium,
                  Shown(change.text)};
}

std::optional<Detected> DetectUnread(const ChangedFile& file, const DetectRules& rules) {
  const std::vector<std::string_view> parts = Parts(file.path);
  if (parts.empty() || !IsSql(file.path) || Covers(rules.ignore, file.path)) return std::nullopt;
  return Detected{file.path, "sql", IsElsewhere(parts) ? Confidence::kLow : Confidence::kMedium,
                  "too large to look at"};
}

const char* Name(Confidence confidence) {
  static constexpr std::array<const char*, 3> kNames = {"low", "medium", "high"};
  return kNames[static_cast<size_t>(confidence)];
}

}  // namespace scry::migration
