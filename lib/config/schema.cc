#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "base/units.h"
#include "compare/ignore_rules.h"

namespace scry::config {
namespace {

using base::Result;
using base::Status;
using Kind = YamlNode::Kind;

constexpr size_t kNameBytesMax = 63;
constexpr size_t kWordShownMax = 60;

std::string Shown(std::string_view word) { return base::Printable(word, kWordShownMax); }

std::string Joined(const std::vector<std::string_view>& words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

// "unknown key 'sorce'; did you mean 'source'?"
std::string Unknown(std::string_view what, std::string_view word,
                    const std::vector<std::string_view>& known) {
  const std::string_view nearest = Nearest(word, known);
  if (!nearest.empty()) {
    return fmt::format("unknown {} '{}'; did you mean '{}'?", what, Shown(word), nearest);
  }
  return fmt::format("unknown {} '{}'; known here: {}", what, Shown(word), Joined(known));
}

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kNothing:
      return "nothing";
    case Kind::kText:
      return "text";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "something";
}

// Reads values of one file and says where they stand. The first error ends the reading.
class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  base::Error At(const YamlNode& node, std::string_view message) const {
    return FailAt(file_, node.place, message);
  }

  Status Expect(const YamlNode& node, Kind kind, std::string_view key,
                std::string_view wanted) const {
    if (node.kind == kind) return {};
    return At(node, fmt::format("'{}' wants {}, not {}", Shown(key), wanted, NameOf(node.kind)));
  }

  // Calls take(key, value) for each entry, all of whose keys are known.
  template <typename Take>
  Status Map(const YamlNode& node, std::string_view key, const std::vector<std::string_view>& known,
             Take take) const {
    SCRY_TRY(Expect(node, Kind::kMap, key, fmt::format("a map of {}", Joined(known))));
    for (size_t i = 0; i < node.children.size(); ++i) {
      const std::string_view name = node.keys[i].text;
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        return At(node.keys[i], Unknown("key", name, known));
      }
      SCRY_TRY(take(name, node.children[i]));
    }
    return {};
  }

  // The same for entries the user names.
  template <typename Take>
  Status NamedMap(const YamlNode& node, std::string_view key, Take take) const {
    SCRY_TRY(Expect(node, Kind::kMap, key, "a map of names"));
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (!IsEntryName(node.keys[i].text)) {
        return At(node.keys[i],
                  fmt::format("'{}' cannot be a name; use up to {} letters, digits, '.', '_', '-'",
                              Shown(node.keys[i].text), kNameBytesMax));
      }
      SCRY_TRY(take(node.keys[i], node.children[i]));
    }
    return {};
  }

  template <typename Take>
  Status List(const YamlNode& node, std::string_view key, Take take) const {
    SCRY_TRY(Expect(node, Kind::kList, key, "a list"));
    for (const YamlNode& child : node.children) SCRY_TRY(take(child));
    return {};
  }

  Result<std::string> Text(const YamlNode& node, std::string_view key) const {
    SCRY_TRY(Expect(node, Kind::kText, key, "text"));
    if (node.text.find_first_not_of(" \t\n") == std::string::npos) {
      return At(node, fmt::format("'{}' is empty", Shown(key)));
    }
    return node.text;
  }

  Result<Template> TemplateText(const YamlNode& node, std::string_view key) const {
    Template value;
    SCRY_TRY_ASSIGN(value.text, Text(node, key));
    value.place = node.place;
    SCRY_TRY(CheckTemplate(value, file_));
    return value;
  }

  Result<double> Number(const YamlNode& node, std::string_view key, double low, double high) const {
    std::string text;
    SCRY_TRY_ASSIGN(text, Text(node, key));
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || rest != end || !std::isfinite(number) || number < low ||
        number > high) {
      return At(node, fmt::format("'{}' wants a number from {} to {}, not '{}'", key, low, high,
                                  Shown(text)));
    }
    return number;
  }

  Result<uint64_t> Count(const YamlNode& node, std::string_view key) const {
    constexpr uint64_t kCountMax = 1000000;
    std::string text;
    SCRY_TRY_ASSIGN(text, Text(node, key));
    uint64_t count = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc() || rest != end || count < 1 || count > kCountMax) {
      return At(node, fmt::format("'{}' wants a whole number from 1 to {}, not '{}'", key,
                                  kCountMax, Shown(text)));
    }
    return count;
  }

  template <typename T>
  Result<T> Unit(const YamlNode& node, std::string_view key,
                 Result<T> (*parse)(std::string_view)) const {
    std::string text;
    SCRY_TRY_ASSIGN(text, Text(node, key));
    auto parsed = parse(text);
    if (!parsed.ok()) return At(node, fmt::format("'{}': {}", key, parsed.error().message));
    return std::move(parsed).value();
  }

  std::string_view file() const { return file_; }
  // "scry.yaml:28", whatever folder it is in.
  std::string PlaceOf(const YamlNode& node) const {
    const size_t slash = file_.rfind('/');
    const std::string_view name = slash == file_.npos ? file_ : file_.substr(slash + 1);
    return fmt::format("{}:{}", base::Printable(name), node.place.line);
  }

 private:
  std::string_view file_;
};

Result<shadow::ProviderKind> ReadProvider(const Reader& reader, const YamlNode& node) {
  std::string text;
  SCRY_TRY_ASSIGN(text, reader.Text(node, "provider"));
  if (text == "physical") return shadow::ProviderKind::kPhysical;
  if (text == "dump") return shadow::ProviderKind::kDump;
  if (text == "directory") return shadow::ProviderKind::kDirectory;
  for (const char* planned : {"standby", "logical", "template", "external"}) {
    if (text != planned) continue;
    return reader.At(node, fmt::format("provider '{}' is not built yet; use physical, dump or "
                                       "directory",
                                       text));
  }
  return reader.At(node, Unknown("provider", text, {"physical", "dump", "directory"}));
}

Result<ShadowEntry> ReadShadow(const Reader& reader, const YamlNode& name, const YamlNode& node) {
  ShadowEntry entry;
  entry.place = name.place;
  bool named = false;
  SCRY_TRY(reader.Map(node, name.text, {"provider", "directory", "source", "dbname"},
                      [&](std::string_view key, const YamlNode& value) -> Status {
                        if (key == "provider") {
                          named = true;
                          SCRY_TRY_ASSIGN(entry.provider, ReadProvider(reader, value));
                          return {};
                        }
                        auto& field = key == "directory" ? entry.directory
                                      : key == "source"  ? entry.source
                                                         : entry.dbname;
                        SCRY_TRY_ASSIGN(field, reader.TemplateText(value, key));
                        return {};
                      }));
  if (!named) {
    return reader.At(name, fmt::format("shadow '{}' has no provider; add provider: physical, dump "
                                       "or directory",
                                       name.text));
  }
  const bool from_directory = entry.provider == shadow::ProviderKind::kDirectory;
  if (from_directory && !entry.directory) {
    return reader.At(name, fmt::format("shadow '{}' is made from a directory and names none; add "
                                       "directory: PGDATA of a stopped server",
                                       name.text));
  }
  if (from_directory && entry.source) {
    return reader.At(name,
                     fmt::format("shadow '{}' is made from a directory, so its source is never "
                                 "read; take one of them away",
                                 name.text));
  }
  if (!from_directory && entry.directory) {
    return reader.At(name, fmt::format("shadow '{}' has a directory, which is for provider: "
                                       "directory only; take one of them away",
                                       name.text));
  }
  return entry;
}

Result<DatabaseEntry> ReadDatabase(const Reader& reader, const YamlNode& name,
                                   const YamlNode& node) {
  DatabaseEntry entry;
  entry.place = name.place;
  SCRY_TRY(reader.Map(
      node, name.text, {"source", "captures", "production_size", "shadows"},
      [&](std::string_view key, const YamlNode& value) -> Status {
        if (key == "source") {
          SCRY_TRY_ASSIGN(entry.source, reader.TemplateText(value, key));
          return {};
        }
        if (key == "production_size") {
          SCRY_TRY_ASSIGN(entry.production_bytes, reader.Unit(value, key, base::ParseSize));
          return {};
        }
        if (key == "captures") {
          return reader.List(value, key, [&](const YamlNode& folder) -> Status {
            SCRY_TRY_ASSIGN(entry.captures.emplace_back(), reader.TemplateText(folder, key));
            return {};
          });
        }
        return reader.NamedMap(
            value, key, [&](const YamlNode& shadow, const YamlNode& shadow_node) -> Status {
              SCRY_TRY_ASSIGN(entry.shadows[shadow.text], ReadShadow(reader, shadow, shadow_node));
              return {};
            });
      }));
  for (const auto& [shadow_name, shadow] : entry.shadows) {
    if (shadow.provider == shadow::ProviderKind::kDirectory || shadow.source || entry.source) {
      continue;
    }
    return FailAt(reader.file(), shadow.place,
                  fmt::format("shadow '{}' has no source to copy; add source: to it or to '{}'",
                              shadow_name, name.text));
  }
  return entry;
}

Result<compare::LatencyPolicy> ReadLatency(const Reader& reader, const YamlNode& node) {
  compare::LatencyPolicy latency;
  SCRY_TRY(reader.Map(
      node, "latency",
      {"min_ratio", "min_delta", "confidence", "min_share", "min_pairs", "min_tail_ratio",
       "min_tail_pairs"},
      [&](std::string_view key, const YamlNode& value) -> Status {
        if (key == "min_ratio") {
          SCRY_TRY_ASSIGN(latency.min_ratio, reader.Number(value, key, 1, 1000));
        } else if (key == "min_delta") {
          SCRY_TRY_ASSIGN(latency.min_delta_us, reader.Unit(value, key, base::ParseDuration));
        } else if (key == "confidence") {
          SCRY_TRY_ASSIGN(latency.confidence, reader.Number(value, key, 0.5, 0.999999));
        } else if (key == "min_share") {
          SCRY_TRY_ASSIGN(latency.min_share, reader.Unit(value, key, base::ParseShare));
        } else if (key == "min_pairs") {
          SCRY_TRY_ASSIGN(latency.min_pairs, reader.Count(value, key));
        } else if (key == "min_tail_ratio") {
          SCRY_TRY_ASSIGN(latency.min_tail_ratio, reader.Number(value, key, 1, 1000));
        } else {
          SCRY_TRY_ASSIGN(latency.min_tail_pairs, reader.Count(value, key));
        }
        return {};
      }));
  return latency;
}

Result<compare::NewPatternPolicy> ReadNew(const Reader& reader, const YamlNode& node) {
  compare::NewPatternPolicy fresh;
  SCRY_TRY(reader.Map(node, "new", {"min_ratio", "min_delta", "min_samples"},
                      [&](std::string_view key, const YamlNode& value) -> Status {
                        if (key == "min_ratio") {
                          SCRY_TRY_ASSIGN(fresh.min_ratio, reader.Number(value, key, 1, 1000));
                        } else if (key == "min_delta") {
                          SCRY_TRY_ASSIGN(fresh.min_delta_us,
                                          reader.Unit(value, key, base::ParseDuration));
                        } else {
                          SCRY_TRY_ASSIGN(fresh.min_samples, reader.Count(value, key));
                        }
                        return {};
                      }));
  return fresh;
}

Result<compare::WorkPolicy> ReadWork(const Reader& reader, const YamlNode& node) {
  compare::WorkPolicy work;
  SCRY_TRY(
      reader.Map(node, "work", {"min_ratio", "min_blocks", "min_wal", "min_share"},
                 [&](std::string_view key, const YamlNode& value) -> Status {
                   if (key == "min_ratio") {
                     SCRY_TRY_ASSIGN(work.min_ratio, reader.Number(value, key, 1, 1000));
                   } else if (key == "min_blocks") {
                     SCRY_TRY_ASSIGN(work.min_blocks, reader.Count(value, key));
                   } else if (key == "min_wal") {
                     SCRY_TRY_ASSIGN(work.min_wal_bytes, reader.Unit(value, key, base::ParseSize));
                   } else {
                     SCRY_TRY_ASSIGN(work.min_share, reader.Unit(value, key, base::ParseShare));
                   }
                   return {};
                 }));
  return work;
}

Result<compare::LockPolicy> ReadLock(const Reader& reader, const YamlNode& node) {
  compare::LockPolicy lock;
  SCRY_TRY(reader.Map(node, "lock", {"max_wait", "max_blocked"},
                      [&](std::string_view key, const YamlNode& value) -> Status {
                        if (key == "max_wait") {
                          SCRY_TRY_ASSIGN(lock.max_wait_us,
                                          reader.Unit(value, key, base::ParseDuration));
                        } else {
                          SCRY_TRY_ASSIGN(lock.max_blocked, reader.Count(value, key));
                        }
                        return {};
                      }));
  return lock;
}

// What is not listed does not gate.
Result<compare::GatePolicy> ReadGate(const Reader& reader, const YamlNode& node) {
  compare::GatePolicy gate{false, false, false, false, false, false, false};
  const std::pair<std::string_view, bool*> words[] = {
      {"error", &gate.error}, {"result", &gate.result}, {"latency", &gate.latency},
      {"work", &gate.work},   {"budget", &gate.budget}, {"transient", &gate.transient},
      {"lock", &gate.lock}};
  std::vector<std::string_view> known;
  for (const auto& [word, flag] : words) known.push_back(word);
  SCRY_TRY(reader.List(node, "gate", [&](const YamlNode& item) -> Status {
    std::string text;
    SCRY_TRY_ASSIGN(text, reader.Text(item, "gate"));
    for (const auto& [word, flag] : words) {
      if (text != word) continue;
      *flag = true;
      return {};
    }
    return reader.At(item, Unknown("gate", text, known));
  }));
  return gate;
}

Result<std::chrono::year_month_day> ReadDate(const Reader& reader, const YamlNode& node) {
  std::string text;
  SCRY_TRY_ASSIGN(text, reader.Text(node, "until"));
  if (const auto date = compare::ParseDate(text)) return *date;
  return reader.At(node, fmt::format("'{}' is no date; write 2027-01-31", Shown(text)));
}

Result<compare::Budget> ReadBudget(const Reader& reader, const YamlNode& node) {
  compare::Budget budget;
  bool limited = false;
  SCRY_TRY(reader.Map(node, "budgets", {"pattern", "table", "p99"},
                      [&](std::string_view key, const YamlNode& value) -> Status {
                        if (key == "p99") {
                          limited = true;
                          SCRY_TRY_ASSIGN(budget.p99_us,
                                          reader.Unit(value, key, base::ParseDuration));
                          if (budget.p99_us > 0) return {};
                          return reader.At(value, "'p99' wants more than nothing");
                        }
                        auto& field = key == "pattern" ? budget.pattern : budget.table;
                        SCRY_TRY_ASSIGN(field, reader.Text(value, key));
                        return {};
                      }));
  if (budget.pattern.empty() == budget.table.empty()) {
    return reader.At(node, budget.table.empty()
                               ? "this budget is for nothing; add a pattern or a table"
                               : "a budget is for a pattern or a table; take one of them away");
  }
  if (!limited) return reader.At(node, "this budget has no p99; add one, as in p99: 50ms");
  budget.place = reader.PlaceOf(node);
  return budget;
}

Result<compare::IgnoreRule> ReadIgnore(const Reader& reader, const YamlNode& node) {
  compare::IgnoreRule rule;
  rule.place = reader.PlaceOf(node);
  const std::vector<std::string_view> words(std::begin(compare::kIgnoreWords),
                                            std::end(compare::kIgnoreWords));
  SCRY_TRY(reader.Map(node, "ignore", {"pattern", "finding", "reason", "until"},
                      [&](std::string_view key, const YamlNode& value) -> Status {
                        if (key == "until") {
                          SCRY_TRY_ASSIGN(rule.until, ReadDate(reader, value));
                          return {};
                        }
                        auto& field = key == "pattern"   ? rule.pattern
                                      : key == "finding" ? rule.finding
                                                         : rule.reason;
                        SCRY_TRY_ASSIGN(field, reader.Text(value, key));
                        const bool known =
                            std::find(words.begin(), words.end(), field) != words.end() ||
                            compare::IsFindingId(field);
                        if (key == "finding" && !known) {
                          return reader.At(value, Unknown("finding", field, words));
                        }
                        return {};
                      }));
  if (rule.pattern.empty() && !compare::IsFindingId(rule.finding)) {
    return reader.At(node, "this ignore rule has no pattern and no id of a finding; add one");
  }
  if (rule.reason.empty()) return reader.At(node, "this ignore rule has no reason; add one");
  return rule;
}

Status ReadPolicy(const Reader& reader, const YamlNode& node, Document& document) {
  compare::Policy& policy = document.policy;
  return reader.Map(
      node, "policy",
      {"latency", "new", "work", "lock", "gate", "fidelity_floor", "budgets", "ignore"},
      [&](std::string_view key, const YamlNode& value) -> Status {
        if (key == "latency") {
          SCRY_TRY_ASSIGN(policy.latency, ReadLatency(reader, value));
        } else if (key == "new") {
          SCRY_TRY_ASSIGN(policy.new_pattern, ReadNew(reader, value));
        } else if (key == "work") {
          SCRY_TRY_ASSIGN(policy.work, ReadWork(reader, value));
        } else if (key == "lock") {
          SCRY_TRY_ASSIGN(policy.lock, ReadLock(reader, value));
        } else if (key == "gate") {
          SCRY_TRY_ASSIGN(policy.gate, ReadGate(reader, value));
        } else if (key == "fidelity_floor") {
          SCRY_TRY_ASSIGN(policy.fidelity_floor, reader.Unit(value, key, base::ParseShare));
        } else if (key == "budgets") {
          return reader.List(value, key, [&](const YamlNode& budget) -> Status {
            SCRY_TRY_ASSIGN(policy.budgets.emplace_back(), ReadBudget(reader, budget));
            return {};
          });
        } else {
          return reader.List(value, key, [&](const YamlNode& rule) -> Status {
            SCRY_TRY_ASSIGN(policy.ignore.emplace_back(), ReadIgnore(reader, rule));
            return {};
          });
        }
        return {};
      });
}

Status ReadMigrations(const Reader& reader, const YamlNode& node, MigrationPaths& migrations) {
  return reader.Map(node, "migrations", {"paths", "ignore"},
                    [&](std::string_view key, const YamlNode& value) -> Status {
                      auto& list = key == "paths" ? migrations.paths : migrations.ignore;
                      return reader.List(value, key, [&](const YamlNode& path) -> Status {
                        SCRY_TRY_ASSIGN(list.emplace_back(), reader.Text(path, key));
                        return {};
                      });
                    });
}

Status ReadVersion(const Reader& reader, const YamlNode& node) {
  uint64_t version = 0;
  SCRY_TRY_ASSIGN(version, reader.Count(node, "version"));
  if (version == 1) return {};
  return reader.At(node, fmt::format("version {} is newer than this scry reads (1); get a newer "
                                     "scry",
                                     version));
}

}  // namespace

bool IsEntryName(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name[0] == '.' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view nearest;
  // A third of the word may be wrong; past that a guess confuses more than it helps.
  size_t best = std::max<size_t>(1, std::min<size_t>(word.size(), kNameBytesMax) / 3) + 1;
  for (const std::string_view candidate : known) {
    if (word.size() > candidate.size() + best || candidate.size() > word.size() + best) continue;
    const size_t distance = EditDistance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

Result<Document> ReadDocument(const YamlNode& root, std::string_view file) {
  const Reader reader(file);
  if (root.kind == Kind::kNothing) return reader.At(root, "empty; it starts with version: 1");
  if (root.kind != Kind::kMap) {
    return reader.At(root,
                     fmt::format("wants version:, databases:, policy: and migrations:, not {}",
                                 NameOf(root.kind)));
  }
  Document document;
  bool versioned = false;
  SCRY_TRY(reader.Map(root, "scry.yaml", {"version", "databases", "policy", "migrations"},
                      [&](std::string_view key, const YamlNode& value) -> Status {
                        if (key == "version") {
                          versioned = true;
                          return ReadVersion(reader, value);
                        }
                        if (key == "policy") return ReadPolicy(reader, value, document);
                        if (key == "migrations") {
                          return ReadMigrations(reader, value, document.migrations);
                        }
                        return reader.NamedMap(
                            value, key, [&](const YamlNode& name, const YamlNode& node) -> Status {
                              SCRY_TRY_ASSIGN(document.databases[name.text],
                                              ReadDatabase(reader, name, node));
                              return {};
                            });
                      }));
  if (!versioned) return reader.At(root, "no version; add version: 1");
  return document;
}

}  // namespace scry::config
