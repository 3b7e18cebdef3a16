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

struct RecordedScript {
  // In order; BEGIN and COMMIT too, also where one message was a transaction by itself.
  std::vector<RecordedStatement> statements;
  std::string why_none;  // In words that end a sentence. Empty: there is one.
};

// What is left of what it sent, in one session: without what was rolled back, savepoints, what only
// reads catalogues or was read in no time, and advisory locks, which keep other migrations out.
// Parameters are literals. There is none where that would not do the same: where it brought data
// with COPY, two of its sessions wrote at a time, or it is too much to keep.
RecordedScript ScriptOf(const Seen& seen);

}  // namespace scry::migration
