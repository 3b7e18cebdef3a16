// Why the migration itself failed, and what its author can do: by the SQLSTATE of the statement
// that failed, from a table of rules. Used by the test-migration job. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cause/cause.h"
#include "event/statement_facts.h"

namespace scry::cause {

// What the server said of one statement.
struct Failure {
  std::string sqlstate;
  std::string message;  // Its primary message.
  std::string object;   // "table orders": what the statement is about; empty: not known.
  event::StatementKind kind = event::StatementKind::kOther;  // Of the statement.
};

struct FailureRule {
  std::string_view sqlstates;  // Separated by blanks; two letters: the whole class.
  std::string_view words;      // That the message has as well; empty: whatever it says.
  std::string_view mechanism;
  std::string_view hint;
  // Of statements that change the schema: to rows that these find the server says the same as to
  // rows that a statement writes, and what helps is not the same.
  bool of_schema = false;
};

// The first that fits is taken: those that ask for more come before those of the same SQLSTATE that
// ask for less.
const std::vector<FailureRule>& FailureRules();

// Where no rule fits it says what the server said, and no more.
Cause WhyFailed(const Failure& failure);

}  // namespace scry::cause
