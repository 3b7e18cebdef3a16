// The files of examples/missing-index, inside the binary.
#pragma once

namespace scry::job {

extern const char* const kShopSchemaSql;
extern const char* const kShopDataSql;
extern const char* const kShopStagingSql;
extern const char* const kShopMigrationSql;
extern const char* const kShopFixSql;

}  // namespace scry::job
