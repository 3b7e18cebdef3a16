// The SQL of a statement's safe form (safe_form.h has the words for it): other statements that end
// in the same schema, take weaker locks or hold them for a shorter time. Only where that is known
// for sure: what is not understood, a partitioned table or a name that the server would make up
// gets none. Whether it helps is measured (job/split_trial). Pure.
#pragma once

#include <string>
#include <vector>

#include "cause/catalog.h"

namespace scry::cause {

// Each to be run by itself, outside of a transaction, in this order. Empty: there is no such form.
// `sql`: one statement on one line, without comments (event::PlainStatement). The catalogues are
// those before and after the whole migration.
std::vector<std::string> SafeRewrite(const std::string& sql, const Catalog& before,
                                     const Catalog& after);

}  // namespace scry::cause
