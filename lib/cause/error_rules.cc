// Why statements fail that ran before. The SQLSTATE says what kind of thing is amiss, the message
// names it (in English: a gate's lanes have lc_messages = C), the catalogues say what became of it.
#include <algorithm>

#include "cause/applies.h"
#include "cause/cause.h"

namespace scry::cause {
namespace {

using Type = ChangeType;

std::string LastPart(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

bool Is(const CatalogObject* object, const std::string& name) {
  return object != nullptr && (object->Fact("name") == name || object->name == name ||
                               (!object->Fact("schema").empty() &&
                                object->Fact("schema") + "." + object->Fact("name") == name));
}

const Change* NamedChange(const Case& one, std::string_view kind, Type type,
                          const std::string& name) {
  if (name.empty()) return nullptr;
  return one.FindChange(kind, [&](const Change& change) {
    return change.type == type && Is(type == Type::kAdded ? change.after : change.before, name);
  });
}

// "table", "view" ...
std::string KindWord(const CatalogObject& object) {
  if (object.kind != "relation") return object.kind;
  const std::string kind = object.Fact("kind");
  if (kind == "v") return "view";
  if (kind == "m") return "materialized view";
  return "table";
}

Words Of(const Change& change) {
  const CatalogObject& object = change.before != nullptr ? *change.before : *change.after;
  Words words = {{"object", KindWord(object) + " " + object.label},
                 {"name", object.label},
                 {"kind", KindWord(object)},
                 {"table", object.table}};
  if (change.type == Type::kRenamed) words["to"] = change.after->label;
  return words;
}

std::optional<Words> If(const Change* change) {
  return change == nullptr ? std::nullopt : std::optional<Words>(Of(*change));
}

std::optional<Words> FromTo(const Change* change, const std::string& fact) {
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["from"] = change->Before(fact);
  words["to"] = change->After(fact);
  return words;
}

// --- Names that are gone.

std::optional<Words> ColumnRenamed(const Case& one) {
  return If(NamedChange(one, "column", Type::kRenamed, LastPart(one.NameInMessage())));
}
std::optional<Words> ColumnDropped(const Case& one) {
  return If(NamedChange(one, "column", Type::kDropped, LastPart(one.NameInMessage())));
}
std::optional<Words> SchemaRenamed(const Case& one) {
  const std::string name = one.NameInMessage();
  return If(NamedChange(one, "schema", Type::kRenamed, name.substr(0, name.find('.'))));
}
std::optional<Words> RelationMoved(const Case& one) {
  const Change* change = NamedChange(one, "relation", Type::kRenamed, one.NameInMessage());
  if (change == nullptr || !change->Has("schema")) return std::nullopt;
  Words words = Of(*change);
  words["to"] = change->After("schema");
  return words;
}
std::optional<Words> RelationRenamed(const Case& one) {
  return If(NamedChange(one, "relation", Type::kRenamed, one.NameInMessage()));
}
std::optional<Words> RelationDropped(const Case& one) {
  return If(NamedChange(one, "relation", Type::kDropped, one.NameInMessage()));
}
std::optional<Words> SearchPath(const Case& one) {
  const Change* change =
      one.FindChange("setting", [](const Change& c) { return c.object().label == "search_path"; });
  if (change == nullptr) return std::nullopt;
  const std::string role = change->object().Fact("role");
  if (!role.empty() && role != one.e().role) return std::nullopt;
  Words words = {{"object", "setting search_path"}, {"name", one.NameInMessage()}};
  words["of"] = role.empty() ? "the database" : "role " + role;
  return words;
}
std::optional<Words> FunctionRenamed(const Case& one) {
  const std::string name = LastPart(one.NameInMessage());
  return If(NamedChange(one, "function", Type::kRenamed, name));
}
std::optional<Words> FunctionDropped(const Case& one) {
  const std::string name = LastPart(one.NameInMessage());
  return If(NamedChange(one, "function", Type::kDropped, name));
}
std::optional<Words> SecondFunction(const Case& one) {
  return If(NamedChange(one, "function", Type::kAdded, LastPart(one.NameInMessage())));
}
std::optional<Words> JsonColumn(const Case& one) {
  if (one.e().message.find("json") == std::string::npos) return std::nullopt;
  return If(one.FindTouched("column", [](const Change& c) {
    return c.After("type") == "json" && (c.type == Type::kAdded || c.Has("type"));
  }));
}
std::optional<Words> AmbiguousColumn(const Case& one) {
  return If(NamedChange(one, "column", Type::kAdded, LastPart(one.NameInMessage())));
}

// --- Rights.

const Change* WithoutRight(const Case& one, bool (*fits)(const Change&)) {
  const std::string name = one.NameInMessage();
  for (const char* kind : {"relation", "sequence", "function", "schema"}) {
    const Change* change =
        one.FindChange(kind, [&](const Change& c) { return Is(c.after, name) && fits(c); });
    if (change != nullptr) return change;
  }
  return nullptr;
}
std::optional<Words> OfRole(const Case& one, const Change* change) {
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["role"] = one.e().role.empty() ? "the application" : one.e().role;
  return words;
}
std::optional<Words> CreatedWithoutGrant(const Case& one) {
  return OfRole(one, WithoutRight(one, [](const Change& c) { return c.type == Type::kAdded; }));
}
std::optional<Words> RecreatedWithoutGrant(const Case& one) {
  return OfRole(one, WithoutRight(one, [](const Change& c) {
                  return c.type == Type::kChanged && c.recreated && c.Has("acl");
                }));
}
std::optional<Words> OwnerChanged(const Case& one) {
  const Change* change = WithoutRight(one, [](const Change& c) { return c.Has("owner"); });
  if (change == nullptr || change->Before("owner") != one.e().role) return std::nullopt;
  auto words = OfRole(one, change);
  (*words)["to"] = change->After("owner");
  return words;
}
std::optional<Words> Revoked(const Case& one) {
  return OfRole(one, WithoutRight(one, [](const Change& c) { return c.Has("acl"); }));
}
std::optional<Words> SecurityInvoker(const Case& one) {
  const Change* change = one.FindTouched("relation", [](const Change& c) {
    return c.Has("options") && c.After("options").find("security_invoker") != std::string::npos;
  });
  auto words = OfRole(one, change);
  if (words) (*words)["below"] = one.NameInMessage();
  return words;
}
std::optional<Words> ColumnWithoutGrant(const Case& one) {
  return OfRole(one, one.FindTouched("column", [](const Change& c) { return c.Has("acl"); }));
}
std::optional<Words> RowSecurityWrite(const Case& one) {
  if (one.e().message.find("row-level security") == std::string::npos) return std::nullopt;
  return OfRole(one, one.FindTouched("relation", [](const Change& c) {
    return c.Has("row_security") && c.After("row_security") == "yes";
  }));
}
std::optional<Words> PolicyWrite(const Case& one) {
  if (one.e().message.find("row-level security") == std::string::npos) return std::nullopt;
  return OfRole(one,
                one.FindTouched("policy", [&](const Change& c) { return PolicyApplies(one, c); }));
}

// --- Constraints.

const Change* ColumnOf(const Case& one, bool (*fits)(const Change&)) {
  const std::string name = LastPart(one.NameInMessage());
  const std::string table = one.quoted().size() > 1 ? one.quoted()[1] : std::string();
  return one.FindChange("column", [&](const Change& c) {
    return Is(c.after, name) && fits(c) &&
           (table.empty() || LastPart(c.after->table) == SqlName(table));
  });
}
std::optional<Words> NewNotNullColumn(const Case& one) {
  return If(ColumnOf(one, [](const Change& c) { return c.type == Type::kAdded; }));
}
std::optional<Words> DefaultDropped(const Case& one) {
  return If(ColumnOf(
      one, [](const Change& c) { return c.Has("default") && c.After("default").empty(); }));
}
std::optional<Words> IdentityDropped(const Case& one) {
  return If(ColumnOf(
      one, [](const Change& c) { return c.Has("identity") && c.After("identity").empty(); }));
}
std::optional<Words> BecameNotNull(const Case& one) {
  return If(ColumnOf(one, [](const Change& c) { return c.Has("not_null"); }));
}
std::optional<Words> BecameIdentityAlways(const Case& one) {
  return If(ColumnOf(one, [](const Change& c) {
    return c.After("identity") == "a" && (c.type == Type::kAdded || c.Has("identity"));
  }));
}
std::optional<Words> BecameGenerated(const Case& one) {
  return If(ColumnOf(one, [](const Change& c) {
    return !c.After("generated").empty() && (c.type == Type::kAdded || c.Has("generated"));
  }));
}

// The constraint or index that the message names last.
const Change* NamedLast(const Case& one, std::string_view kind) {
  for (auto name = one.quoted().rbegin(); name != one.quoted().rend(); ++name) {
    const Change* change = one.FindChange(kind, [&](const Change& c) {
      return Is(c.after, *name) && (c.type == Type::kAdded || c.recreated || c.Has("definition"));
    });
    if (change != nullptr) return change;
  }
  return nullptr;
}
std::optional<Words> NewConstraint(const Case& one) {
  const Change* change = NamedLast(one, "constraint");
  auto words = If(change);
  if (words && change->After("valid") == "no") {
    (*words)["unchecked"] = "; the rows that were there were not checked (NOT VALID)";
  }
  if (words) (*words)["references"] = change->After("references");
  return words;
}
std::optional<Words> NewForeignKey(const Case& one) {
  const Change* change = NamedLast(one, "constraint");
  return change != nullptr && change->After("type") == "f" ? NewConstraint(one) : std::nullopt;
}
std::optional<Words> NewUniqueIndex(const Case& one) { return If(NamedLast(one, "index")); }
std::optional<Words> SequenceSetBack(const Case& one) {
  return If(one.FindTouched("sequence", [](const Change& c) {
    return c.type == Type::kChanged && c.before->Number("last") > c.after->Number("last");
  }));
}
std::optional<Words> SequenceMoved(const Case& one) {
  return If(one.FindTouched("sequence", [](const Change& c) {
    return c.type == Type::kChanged && (c.state.contains("last") || !c.facts.empty());
  }));
}
std::optional<Words> PartitionGone(const Case& one) {
  const Change* change = one.FindTouched("relation", [](const Change& c) {
    return !c.Before("parent").empty() && (c.type == Type::kDropped || c.Has("parent"));
  });
  auto words = If(change);
  if (words) {
    (*words)["parent"] = change->Before("parent");
    (*words)["how"] = change->type == Type::kDropped ? "dropped" : "detached";
  }
  return words;
}
std::optional<Words> ConflictIndexGone(const Case& one) {
  return If(one.FindTouched("index", [](const Change& c) {
    return c.type == Type::kDropped && c.Before("unique") == "yes";
  }));
}
std::optional<Words> ConflictIndexPartial(const Case& one) {
  return If(one.FindTouched("index", [](const Change& c) {
    return c.type == Type::kChanged && c.Before("unique") == "yes" &&
           (c.Has("predicate") || c.Has("unique") || c.Has("columns"));
  }));
}
std::optional<Words> ReplicaIdentityGone(const Case& one) {
  if (one.e().message.find("replica identity") == std::string::npos) return std::nullopt;
  const Change* key = one.FindTouched("constraint", [](const Change& c) {
    return c.type == Type::kDropped && c.Before("type") == "p";
  });
  return If(key);
}
std::optional<Words> NotPopulated(const Case& one) {
  return If(one.FindTouched("relation", [](const Change& c) {
    return c.After("kind") == "m" && (c.recreated || c.state.contains("file"));
  }));
}

// --- Types, triggers, the rest.

std::optional<Words> PreparedStatement(const Case& one) {
  if (one.e().message.find("cached plan") == std::string::npos) return std::nullopt;
  const Change* change = one.FindTouched(
      "column", [](const Change& c) { return c.type != Type::kChanged || c.Has("type"); });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["what"] = Describe(*change);
  return words;
}
std::optional<Words> EnumLabels(const Case& one) {
  const Change* change = one.FindChange("type", [](const Change& c) { return c.Has("labels"); });
  if (change == nullptr ||
      one.e().message.find(change->object().Fact("name")) == std::string::npos) {
    return std::nullopt;
  }
  return If(change);
}
std::optional<Words> TypeChanged(const Case& one) {
  return FromTo(one.FindTouched("column", [](const Change& c) { return c.Has("type"); }), "type");
}
std::optional<Words> ColumnCount(const Case& one) {
  const Change* change =
      one.FindTouched("column", [](const Change& c) { return c.type != Type::kChanged; });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["what"] = Describe(*change);
  return words;
}
std::optional<Words> TriggerRuns(const Case& one) {
  return If(one.FindTouched("trigger", [&](const Change& c) {
    return c.type != Type::kDropped && TriggerFires(one, c) &&
           (c.type == Type::kAdded || c.Has("definition") || c.Has("enabled"));
  }));
}
std::optional<Words> RewriteRule(const Case& one) {
  return If(one.FindTouched(
      "rule", [&](const Change& c) { return c.type != Type::kDropped && RuleApplies(one, c); }));
}
// 'domain email does not allow null values'
std::optional<Words> DomainNotNull(const Case& one) {
  return If(one.FindChange("type", [&](const Change& c) {
    return c.Has("not_null") && c.After("not_null") == "yes" &&
           one.e().message.find("domain " + c.after->label + " ") != std::string::npos;
  }));
}
// 'value for domain email violates check constraint "email_check"'
std::optional<Words> DomainCheck(const Case& one) {
  return If(one.FindChange("type", [&](const Change& c) {
    return c.Has("checks") &&
           one.e().message.find("domain " + c.object().label + " ") != std::string::npos;
  }));
}
std::optional<Words> FunctionReplaced(const Case& one) {
  return If(one.FindTouched("function", [](const Change& c) { return c.Has("body"); }));
}
std::optional<Words> Setting(const Case& one) {
  const Change* change =
      one.FindChange("setting", [&](const Change& c) { return SettingIsHeld(one, c); });
  if (change == nullptr || one.e().message.find(change->object().label) == std::string::npos) {
    return std::nullopt;
  }
  return If(change);
}
// The message names something that the migration changed.
std::optional<Words> NamedByError(const Case& one) {
  for (const std::string& name : one.quoted()) {
    for (const Change& change : one.changes()) {
      if (!Is(change.before, name) && !Is(change.after, name)) continue;
      if (change.type == Type::kChanged && change.facts.empty()) continue;
      Words words = Of(change);
      words["what"] = Describe(change);
      return words;
    }
  }
  return std::nullopt;
}

}  // namespace

const std::vector<Rule>& ErrorRules() {
  static const std::vector<Rule> kRules = {
      {"column renamed", "42703", "column {name} was renamed to {to}", ColumnRenamed},
      {"column dropped", "42703", "column {name} was dropped", ColumnDropped},
      {"schema renamed", "42P01 3F000", "schema {name} was renamed to {to}", SchemaRenamed},
      {"relation moved", "42P01", "{object} was moved to schema {to}", RelationMoved},
      {"relation renamed", "42P01", "{object} was renamed to {to}", RelationRenamed},
      {"relation dropped", "42P01", "{object} was dropped", RelationDropped},
      {"search_path", "42P01 42883 3F000",
       "search_path of {of} was changed, and no longer leads to {name}", SearchPath},
      {"function renamed", "42883", "{object} was renamed to {to}", FunctionRenamed},
      {"function dropped", "42883", "{object} was dropped", FunctionDropped},
      {"ambiguous function", "42725",
       "{object} was added, and calls that fit it and an older one are ambiguous", SecondFunction},
      {"json has no equality", "42883",
       "column {name} is of type json, which has no equality: DISTINCT, GROUP BY and UNION over it "
       "fail; jsonb has it",
       JsonColumn},
      {"ambiguous column", "42702",
       "column {name} was added, and queries that use this name without its table are ambiguous",
       AmbiguousColumn},
      {"row security", "42501",
       "row security was enabled on {name}, and no policy lets role {role} write this row",
       RowSecurityWrite},
      {"policy", "42501", "policy {name} on {table} does not let role {role} write this row",
       PolicyWrite},
      {"created without grant", "42501",
       "permission denied for {object}: the migration created it without GRANT to {role}",
       CreatedWithoutGrant},
      {"recreated without grant", "42501",
       "{object} was dropped and created again, and its grants to {role} were not",
       RecreatedWithoutGrant},
      {"owner changed", "42501",
       "{object} was given to owner {to}, and {role} had its rights as the owner", OwnerChanged},
      {"revoked", "42501", "rights on {object} were taken from {role}", Revoked},
      {"security_invoker", "42501",
       "{object} became security_invoker: it reads {below} with the rights of {role}, who has none",
       SecurityInvoker},
      {"column right revoked", "42501", "rights on column {name} were taken from {role}",
       ColumnWithoutGrant},
      {"new NOT NULL column", "23502",
       "column {name} was added as NOT NULL, and statements that leave it out store NULL",
       NewNotNullColumn},
      {"default dropped", "23502",
       "the default of column {name} was dropped, and statements that leave it out store NULL",
       DefaultDropped},
      {"identity dropped", "23502",
       "column {name} is no identity any more, and statements that leave it out store NULL",
       IdentityDropped},
      {"became NOT NULL", "23502", "column {name} became NOT NULL", BecameNotNull},
      {"domain NOT NULL", "23502", "domain {name} became NOT NULL", DomainNotNull},
      {"domain constraint", "23514", "the constraints of domain {name} changed", DomainCheck},
      {"partition gone", "23514",
       "partition {name} was {how}, and {parent} has no place for its rows", PartitionGone},
      {"foreign key", "23503",
       "foreign key {name} was added on {table}: it references {references}", NewForeignKey},
      {"constraint", "23514 23P01 23505 23502", "constraint {name} was added on {table}{unchecked}",
       NewConstraint},
      {"unique index", "23505", "unique index {name} was added on {table}", NewUniqueIndex},
      {"sequence set back", "23505",
       "sequence {name} was set back, and hands out numbers that {table} has already",
       SequenceSetBack},
      {"sequence limit", "2200H", "sequence {name} was set close to its maximum", SequenceMoved},
      {"identity always", "428C9",
       "column {name} became GENERATED ALWAYS AS IDENTITY, which refuses explicit values",
       BecameIdentityAlways},
      {"generated column", "428C9",
       "column {name} became a generated column, which nobody can write", BecameGenerated},
      {"ON CONFLICT index", "42P10",
       "unique index {name} on {table} was dropped, and ON CONFLICT needs it", ConflictIndexGone},
      {"ON CONFLICT index", "42P10",
       "index {name} on {table} is not unique any more, was made partial or is on other columns, "
       "and "
       "ON CONFLICT cannot use it",
       ConflictIndexPartial},
      {"replica identity", "55000",
       "primary key {name} of {table} was dropped; the table is published, and UPDATE and DELETE "
       "need a key that tells subscribers which row",
       ReplicaIdentityGone},
      {"not populated", "55000", "{object} was created again and holds no data: REFRESH it",
       NotPopulated},
      {"prepared statements", "0A000",
       "{what}; statements that were prepared before it fail with 0A000 until re-prepared",
       PreparedStatement},
      {"enum labels", "22P02", "labels of enum type {name} were renamed or removed", EnumLabels},
      {"type change", "22P02 22001 22003 22007 22008 42804 42846 42883 22023 42725",
       "column {name} changed from {from} to {to}", TypeChanged},
      {"number of columns", "42601 42804",
       "{what}, and the statement counts on the columns as they were", ColumnCount},
      {"trigger", "error", "trigger {name} on {table} runs with every such write", TriggerRuns},
      {"rule", "error", "rule {name} on {table} rewrites every such write", RewriteRule},
      {"function replaced", "error", "{object} was replaced by another one", FunctionReplaced},
      {"setting", "error", "setting {name} was changed", Setting},
      {"named by the error", "error", "{what}", NamedByError},
  };
  return kRules;
}

}  // namespace scry::cause
