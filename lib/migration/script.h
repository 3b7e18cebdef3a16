// What a migration sent, as a script that does the same again: only where that is known for sure.
// Used to try other forms of it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "event/statement_facts.h"

namespace scry::migration {

struct Seen;

struct RecordedStatement {
  std::string sql;           // On one line, without comments and semicolon.
  uint64_t fingerprint = 0;  // As StatementProfile has it.
  event::StatementKind kind = event::StatementKind::kOther;
};

// All of its statements, in order; BEGIN and COMMIT too, also where one message was a transaction
// by itself. Empty where they were not plain SQL of one session: with parameters or the data of
// COPY, with errors, ROLLBACK or savepoints, or too much to keep.
std::vector<RecordedStatement> ScriptOf(const Seen& seen);

}  // namespace scry::migration
