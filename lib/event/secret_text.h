// Passwords that stand in SQL: of roles, user mappings, subscriptions, dblink. Pure; takes any
// bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace scry::event {

// `sql` without them, nullopt: it has none that are known. It still runs: a role gets PASSWORD
// NULL, so that nobody logs in with what stands there instead, and others get '***'. Bodies in
// dollar quotes and constants are looked through too; what is put together while it runs is not
// found.
std::optional<std::string> WithoutSecrets(std::string_view sql);

}  // namespace scry::event
