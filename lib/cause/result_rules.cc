// Why statements give another result than before.
#include <algorithm>
#include <cctype>

#include "base/letter_case.h"
#include "base/units.h"
#include "cause/applies.h"
#include "cause/cause.h"

namespace scry::cause {
namespace {

using Type = ChangeType;

Words Of(const Change& change) {
  const CatalogObject& object = change.object();
  return {{"object", object.kind + " " + object.label},
          {"name", object.label},
          {"table", object.table}};
}

std::optional<Words> If(const Change* change) {
  return change == nullptr ? std::nullopt : std::optional<Words>(Of(*change));
}

// Words of the pattern, in lower case: names of columns among them.
bool Mentions(const Case& one, const std::string& name) {
  const std::string& pattern = one.e().pattern;
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  for (size_t at = pattern.find(name); at != std::string::npos; at = pattern.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || !is_word(pattern[at - 1])) &&
        (end >= pattern.size() || !is_word(pattern[end]))) {
      return true;
    }
  }
  return false;
}

bool Returned(const Case& one, const Change& column) {
  const std::string name = column.object().Fact("name");
  const auto& columns = one.e().columns;
  return std::find(columns.begin(), columns.end(), name) != columns.end();
}

// A column that the statement names or returns.
template <typename Fits>
const Change* ColumnOf(const Case& one, Fits fits) {
  const Change* returned =
      one.FindTouched("column", [&](const Change& c) { return fits(c) && Returned(one, c); });
  if (returned != nullptr) return returned;
  return one.FindTouched(
      "column", [&](const Change& c) { return fits(c) && Mentions(one, c.object().Fact("name")); });
}

// The same, of a table before that of a view, which follows it.
template <typename Fits>
const Change* ColumnChange(const Case& one, Fits fits) {
  const Catalog* catalog = one.e().after;
  const Change* of_table = ColumnOf(one, [&](const Change& c) {
    const CatalogObject* relation =
        catalog == nullptr ? nullptr : catalog->Find("relation", c.object().table);
    const std::string kind = relation == nullptr ? std::string() : relation->Fact("kind");
    return fits(c) && (kind == "r" || kind == "p");
  });
  return of_table != nullptr ? of_table : ColumnOf(one, fits);
}

std::optional<Words> NoPolicy(const Case& one) {
  if (one.e().after == nullptr) return std::nullopt;
  const Change* change = one.FindTouched("relation", [&](const Change& c) {
    return c.Has("row_security") && RowSecurityHolds(one, *c.after, *one.e().after);
  });
  if (change == nullptr) return std::nullopt;
  // A policy for another role may be for the role as well, as a member of that one.
  if (!one.e().after->Of("policy", change->after->name).empty()) return std::nullopt;
  Words words = Of(*change);
  words["role"] = one.e().role.empty() ? "the application" : "role " + one.e().role;
  return words;
}
std::optional<Words> PolicyChanged(const Case& one) {
  const Change* change =
      one.FindTouched("policy", [&](const Change& c) { return PolicyApplies(one, c); });
  auto words = If(change);
  if (words) (*words)["what"] = Describe(*change);
  return words;
}
std::optional<Words> RowSecurity(const Case& one) {
  if (one.e().before == nullptr || one.e().after == nullptr) return std::nullopt;
  return If(one.FindTouched("relation", [&](const Change& c) {
    return (c.Has("row_security") || c.Has("forced")) &&
           RowSecurityHolds(one, *c.before, *one.e().before) !=
               RowSecurityHolds(one, *c.after, *one.e().after);
  }));
}
std::optional<Words> NaturalJoin(const Case& one) {
  const std::string pattern = base::LowerAscii(one.e().pattern);
  if (pattern.find("natural ") == std::string::npos) return std::nullopt;
  return If(one.FindTouched("column", [](const Change& c) { return c.type == Type::kAdded; }));
}
std::optional<Words> Partition(const Case& one) {
  const Change* change = one.FindTouched("relation", [](const Change& c) {
    return (c.type == Type::kDropped && !c.Before("parent").empty()) || c.Has("parent") ||
           (c.type == Type::kAdded && !c.After("parent").empty());
  });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  const bool left = !change->Before("parent").empty();
  words["parent"] = left ? change->Before("parent") : change->After("parent");
  words["how"] = !left                            ? "is now part of"
                 : change->type == Type::kDropped ? "was dropped from"
                                                  : "was detached from";
  return words;
}
std::optional<Words> Collation(const Case& one) {
  const auto fits = [](const Change& c) { return c.Has("collation"); };
  const Change* change = ColumnChange(one, fits);
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["from"] = change->Before("collation");
  words["to"] = change->After("collation");
  return words;
}
std::optional<Words> TypeChanged(const Case& one) {
  const Change* change = ColumnChange(one, [](const Change& c) { return c.Has("type"); });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["from"] = change->Before("type");
  words["to"] = change->After("type");
  return words;
}
// One of the relations that the statement touches. REQUIRES: there is an `after`.
bool HasColumnOf(const Case& one, const std::string& type) {
  return std::any_of(one.touched().begin(), one.touched().end(), [&](const std::string& table) {
    const auto columns = one.e().after->Of("column", table);
    return std::any_of(columns.begin(), columns.end(),
                       [&](const CatalogObject* column) { return column->Fact("type") == type; });
  });
}
std::optional<Words> EnumOrder(const Case& one) {
  if (one.e().after == nullptr) return std::nullopt;
  return If(one.FindChange("type", [&](const Change& c) {
    return c.Has("labels") && HasColumnOf(one, c.object().label);
  }));
}
std::optional<Words> ColumnGone(const Case& one) {
  const Change* change = one.FindTouched("column", [](const Change& c) {
    return c.type == Type::kDropped || c.type == Type::kRenamed;
  });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["object"] = "column " + change->before->label;
  words["what"] = Describe(*change);
  return words;
}
// Its text also changes where a column that it reads was renamed.
std::optional<Words> Generated(const Case& one) {
  return If(ColumnChange(one, [&](const Change& c) {
    if (c.before == nullptr || c.after == nullptr || !c.Has("expression")) return false;
    const std::string before = c.Before("expression");
    if (before.empty() || c.After("expression").empty()) return false;
    return std::none_of(one.changes().begin(), one.changes().end(), [&](const Change& other) {
      return other.type == Type::kRenamed && other.kind() == "column" &&
             other.before->table == c.before->table &&
             before.find(SqlName(other.before->Fact("name"))) != std::string::npos;
    });
  }));
}
std::optional<Words> Default(const Case& one) {
  if (!one.Writes()) return std::nullopt;
  const auto fits = [](const Change& c) {
    return c.Has("default") || c.Has("identity") || c.Has("generated");
  };
  const Change* change = ColumnChange(one, fits);
  return If(change != nullptr ? change : one.FindTouched("column", fits));
}
std::optional<Words> Trigger(const Case& one) {
  const Change* change = one.FindTouched(
      "trigger", [&](const Change& c) { return TriggerFires(one, c) && ChangesTheRow(c); });
  auto words = If(change);
  if (words) (*words)["what"] = Describe(*change);
  return words;
}
// It may have written what is read now.
std::optional<Words> OtherTrigger(const Case& one) {
  if (!one.Writes()) return std::nullopt;
  const Change* change = one.FindTouched("trigger", [](const Change&) { return true; });
  auto words = If(change);
  if (!words) return words;
  (*words)["what"] = Describe(*change);
  (*words)["when"] = WhenItRuns(change->object());
  return words;
}
std::optional<Words> RewriteRule(const Case& one) {
  const Change* change =
      one.FindTouched("rule", [&](const Change& c) { return RuleApplies(one, c); });
  auto words = If(change);
  if (!words) return words;
  (*words)["what"] = Describe(*change);
  (*words)["events"] = change->object().Fact("events");
  return words;
}
std::optional<Words> DomainDefault(const Case& one) {
  if (!one.Writes() || one.e().after == nullptr) return std::nullopt;
  const Change* change = one.FindChange("type", [&](const Change& c) {
    return c.Has("default") && HasColumnOf(one, c.object().label);
  });
  return If(change);
}
std::optional<Words> Overload(const Case& one) {
  return If(one.FindTouched("function", [](const Change& c) { return c.type == Type::kAdded; }));
}
std::optional<Words> FunctionReplaced(const Case& one) {
  return If(one.FindTouched("function", [](const Change& c) {
    return c.recreated || c.Has("body") || c.Has("volatility") || c.Has("strict") ||
           c.Has("returns") || c.Has("settings");
  }));
}
std::optional<Words> ViewReplaced(const Case& one) {
  return If(one.FindTouched(
      "relation", [](const Change& c) { return c.type == Type::kChanged && c.Has("definition"); }));
}
std::optional<Words> Emptied(const Case& one) {
  return If(one.FindTouched("relation", [](const Change& c) {
    return c.type == Type::kChanged && c.before->Number("bytes") > 0 &&
           c.after->Number("bytes") == 0;
  }));
}
std::optional<Words> TableReplaced(const Case& one) {
  return If(one.FindTouched(
      "relation", [](const Change& c) { return c.type == Type::kChanged && c.recreated; }));
}
std::optional<Words> RowsWritten(const Case& one) {
  const std::pair<const char*, const char*> kinds[] = {
      {"deleted", "deleted"}, {"updated", "updated"}, {"inserted", "inserted"}};
  for (const auto& [counter, word] : kinds) {
    const Change* change = one.FindTouched("relation", [key = counter](const Change& c) {
      return c.type == Type::kChanged && c.after->Number(key) > c.before->Number(key);
    });
    if (change == nullptr) continue;
    Words words = Of(*change);
    const double count = change->after->Number(counter) - change->before->Number(counter);
    words["count"] = base::FormatCount(static_cast<uint64_t>(count));
    words["rows"] = count == 1 ? "row" : "rows";
    words["did"] = word;
    return words;
  }
  return std::nullopt;
}
std::optional<Words> Refreshed(const Case& one) {
  return If(one.FindTouched("relation", [](const Change& c) {
    return c.type == Type::kChanged && c.After("kind") == "m" && c.state.contains("file");
  }));
}
std::optional<Words> Sequence(const Case& one) {
  return If(one.FindTouched(
      "sequence", [](const Change& c) { return c.state.contains("last") || !c.facts.empty(); }));
}
std::optional<Words> ColumnAdded(const Case& one) {
  const auto fits = [](const Change& c) { return c.type == Type::kAdded; };
  const Change* change = ColumnChange(one, fits);
  return If(change);
}
std::optional<Words> Setting(const Case& one) {
  return If(one.FindChange("setting", [&](const Change& c) {
    // One of the application's own is seen by who asks for it.
    const auto& functions = one.e().functions;
    const bool own = c.object().Fact("name").find('.') != std::string::npos;
    return SettingIsHeld(one, c) && (!own || std::find(functions.begin(), functions.end(),
                                                       "current_setting") != functions.end());
  }));
}
std::optional<Words> Constraint(const Case& one) {
  if (!one.Writes()) return std::nullopt;
  const Change* change = one.FindTouched("constraint", [](const Change&) { return true; });
  auto words = If(change);
  if (words) (*words)["what"] = Describe(*change);
  return words;
}

}  // namespace

const std::vector<Rule>& ResultRules() {
  static const std::vector<Rule> kRules = {
      {"row security without a policy", "different",
       "row security was enabled on {name} without a policy for {role}, which now sees none of its "
       "rows and gets no error",
       NoPolicy},
      {"policy", "different", "{what}, and decides which rows {table} shows", PolicyChanged},
      {"row security", "different", "row security of {name} was switched", RowSecurity},
      {"partition", "different warning", "{name} {how} {parent}, and its rows with it", Partition},
      {"natural join", "different",
       "column {name} was added, and NATURAL JOIN now compares it as well", NaturalJoin},
      {"type change", "different warning",
       "column {name} changed from {from} to {to}: values, comparisons and order follow the new "
       "type",
       TypeChanged},
      {"collation", "different warning",
       "column {name} is now sorted and compared by {to}, not by {from}", Collation},
      {"generated column", "different warning", "column {name} is generated by another expression",
       Generated},
      {"enum labels", "different warning",
       "labels of enum type {name} changed or are in another order, which ORDER BY and < follow",
       EnumOrder},
      {"trigger", "different warning", "{what}: it may change what is stored and returned",
       Trigger},
      {"rule", "different warning", "{what}: it rewrites every {events} of {table}", RewriteRule},
      {"default", "different warning",
       "the default of domain {name} changed, and statements that leave its columns out store "
       "another value",
       DomainDefault},
      {"default", "different warning",
       "the default of column {name} changed, and statements that leave it out store another value",
       Default},
      {"function added", "different warning", "{object} was added, and calls may choose it now",
       Overload},
      {"function replaced", "different warning", "{object} was replaced by another one",
       FunctionReplaced},
      {"view replaced", "different warning", "view {name} has another definition", ViewReplaced},
      {"column gone", "different warning", "{what}", ColumnGone},
      {"refresh", "different warning", "materialized view {name} was refreshed", Refreshed},
      {"emptied", "different warning", "all rows of {name} are gone: it was truncated", Emptied},
      {"table replaced", "different warning", "{name} was dropped and created again",
       TableReplaced},
      {"rows written", "different warning", "the migration {did} {count} {rows} of {name}",
       RowsWritten},
      {"sequence", "different", "sequence {name} was set or altered", Sequence},
      {"constraint", "different warning", "{what}", Constraint},
      {"column added", "different warning", "column {name} was added", ColumnAdded},
      {"trigger", "different warning", "{what}: it runs {when}", OtherTrigger},
      {"setting", "different warning", "setting {name} was changed for new sessions", Setting},
  };
  return kRules;
}

}  // namespace scry::cause
