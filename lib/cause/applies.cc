#include "cause/applies.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/letter_case.h"
#include "event/value_sites.h"

namespace scry::cause {
namespace {

using event::StatementKind;

bool Says(const Case& one, std::string_view words) {
  return base::LowerAscii(one.e().pattern).find(words) != std::string::npos;
}

// What a statement does to rows, in the letters of pg_policy.polcmd.
std::string CommandsOf(const Case& one) {
  // WHERE and RETURNING read.
  switch (one.e().kind) {
    case StatementKind::kInsert:
      return std::string("a") + (Says(one, "on conflict") ? "rw" : "") +
             (Says(one, "returning") || Says(one, "select ") ? "r" : "");
    case StatementKind::kUpdate:
      return "rw";
    case StatementKind::kDelete:
      return "rd";
    case StatementKind::kCopyIn:
      return "a";
    case StatementKind::kMerge:
      return "rawd";
    default:
      return "r";
  }
}

// Of triggers and rules.
bool HasEvent(const Case& one, const std::string& events) {
  if (events.empty()) return true;
  const std::string commands = CommandsOf(one);
  const auto does = [&](char command, const char* event) {
    return commands.find(command) != std::string::npos && events.find(event) != std::string::npos;
  };
  return does('a', "INSERT") || does('w', "UPDATE") || does('d', "DELETE");
}

bool IsEnabled(const CatalogObject& object) {
  const std::string enabled = object.Fact("enabled");
  return enabled != "D" && enabled != "R";
}

template <typename Holds>
bool OnEitherSide(const Change& change, Holds holds) {
  return (change.before != nullptr && holds(*change.before)) ||
         (change.after != nullptr && holds(*change.after));
}

bool IsFor(const Case& one, const CatalogObject& policy, const CatalogObject* role) {
  const std::string command = policy.Fact("command");
  if (!command.empty() && command != "*" && CommandsOf(one).find(command) == std::string::npos) {
    return false;
  }
  const auto roles = SplitList(policy.Fact("roles"));
  if (roles.empty() || role == nullptr) return true;
  auto own = SplitList(role->Fact("member_of"));
  own.insert(own.end(), {"public", one.e().role});
  return std::any_of(roles.begin(), roles.end(), [&](const std::string& name) {
    return std::find(own.begin(), own.end(), name) != own.end();
  });
}

bool PolicyAppliesIn(const Case& one, const CatalogObject* policy, const Catalog* catalog) {
  if (policy == nullptr || catalog == nullptr) return false;
  const CatalogObject* relation = catalog->Find("relation", policy->table);
  if (relation != nullptr && !RowSecurityHolds(one, *relation, *catalog)) return false;
  return IsFor(one, *policy, catalog->Find("role", one.e().role));
}

}  // namespace

bool RowSecurityHolds(const Case& one, const CatalogObject& relation, const Catalog& catalog) {
  if (relation.Fact("row_security") == "no") return false;
  const CatalogObject* role = catalog.Find("role", one.e().role);
  if (role == nullptr) return true;
  if (role->Fact("passes_by") == "yes") return false;
  const auto groups = SplitList(role->Fact("member_of"));
  const std::string owner = relation.Fact("owner");
  const bool owns =
      owner == one.e().role || std::find(groups.begin(), groups.end(), owner) != groups.end();
  return !owns || relation.Fact("forced") == "yes";
}

bool PolicyApplies(const Case& one, const Change& policy) {
  return PolicyAppliesIn(one, policy.before, one.e().before) ||
         PolicyAppliesIn(one, policy.after, one.e().after);
}

bool SetsOneOf(const Case& one, const std::string& columns) {
  const auto sites = event::FindValueSites(one.e().pattern);
  if (columns.empty() || sites.empty() || sites.front().set_columns.empty()) return true;
  const auto& set = sites.front().set_columns;
  const auto listed = SplitList(columns);
  return std::any_of(listed.begin(), listed.end(), [&](const std::string& column) {
    return std::any_of(set.begin(), set.end(), [&](const std::string& name) {
      return SqlName(name) == column || "\"" + name + "\"" == column;  // Keywords are quoted too.
    });
  });
}

bool TriggerFires(const Case& one, const Change& trigger) {
  return one.Writes() && OnEitherSide(trigger, [&](const CatalogObject& object) {
           if (!IsEnabled(object) || !HasEvent(one, object.Fact("events"))) return false;
           // Those of UPDATE OF fire for their columns alone; those of several events may fire for
           // another one.
           return object.Fact("events") != "UPDATE" || SetsOneOf(one, object.Fact("columns"));
         });
}

bool ChangesTheRow(const Change& trigger) {
  return OnEitherSide(trigger,
                      [](const CatalogObject& object) { return object.Fact("timing") != "AFTER"; });
}

std::string WhenItRuns(const CatalogObject& trigger) {
  const std::string timing = base::LowerAscii(trigger.Fact("timing"));
  return timing + (timing.empty() ? "" : " ") + trigger.Fact("events");
}

bool RuleApplies(const Case& one, const Change& rule) {
  return one.Writes() && OnEitherSide(rule, [&](const CatalogObject& object) {
           return IsEnabled(object) && HasEvent(one, object.Fact("events"));
         });
}

bool SettingIsHeld(const Case& one, const Change& setting) {
  const std::string role = setting.object().Fact("role");
  return role.empty() || role == one.e().role;
}

bool SteersPlans(const Change& setting) { return setting.object().Fact("steers_plans") == "yes"; }

}  // namespace scry::cause
