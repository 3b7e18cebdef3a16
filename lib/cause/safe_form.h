// What else a migration's author can write where a statement makes traffic wait: the form of it
// that takes a weaker lock, or holds it for a shorter time. Advice from a table of rules: it was
// not tried, other than a fix. Used by the during act. Pure.
#pragma once

#include <string>
#include <vector>

#include "event/table_work.h"

namespace scry::cause {

struct BlockingForm {
  std::string sql;  // The statement; without its literals, where they are not to be told.
  event::TableWork work;
  bool rewrites = false;
  bool writes = false;       // Rows.
  bool waited = false;       // For its own lock, while others queued behind it.
  bool partitioned = false;  // Its table is: much of what helps elsewhere is refused there.
};

// Sentences and SQL, the most telling first. SQL only where no server of these days refuses it.
std::vector<std::string> SafeForms(const BlockingForm& statement);

}  // namespace scry::cause
