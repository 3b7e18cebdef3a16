// What the migration changed beside a table: has it a say in a statement at all? Policies by role
// and command, triggers and rules by event, settings by what they steer. What a catalogue does not
// tell counts as a yes. Used by the rules. Pure.
#pragma once

#include <string>

#include "cause/evidence.h"

namespace scry::cause {

// Does row security of the relation hold for the role of the statement? Superusers and roles with
// BYPASSRLS pass by, and so does the owner unless it is forced.
bool RowSecurityHolds(const Case& one, const CatalogObject& relation, const Catalog& catalog);
// On either side of the change.
bool PolicyApplies(const Case& one, const Change& policy);
// An UPDATE: are any of these columns, as SQL writes them, in its SET?
bool SetsOneOf(const Case& one, const std::string& columns);
// Does it fire, by the kind of the statement and the columns that it sets?
bool TriggerFires(const Case& one, const Change& trigger);
// It fires before the row is stored, or in its place: it can change what the statement stores.
bool ChangesTheRow(const Change& trigger);
// "after INSERT, UPDATE".
std::string WhenItRuns(const CatalogObject& trigger);
bool RuleApplies(const Case& one, const Change& rule);
// Of every role or of that of the statement.
bool SettingIsHeld(const Case& one, const Change& setting);
// The planner or what it may use goes by it.
bool SteersPlans(const Change& setting);

}  // namespace scry::cause
