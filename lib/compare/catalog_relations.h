// The names of PostgreSQL's own tables and views, which differ between lanes as a migration is
// meant to change them. Pure.
#pragma once

#include <string_view>

namespace scry::compare {

// `name`: as a statement writes it, with or without its schema. pg_search_documents, a table of an
// application, is none.
bool IsCatalogRelation(std::string_view name);

}  // namespace scry::compare
