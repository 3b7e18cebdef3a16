# Every third-party library that scry's own links, once. The packages that carry them are listed in
# scripts/packages.sh. Included by the build, and by find_package(scry) for the programs that embed
# it: there it runs again in each folder that asks, and what is missing is told, not fatal. Who
# includes it has defined scry_find(PACKAGE), and tests SCRY_MISSING afterwards.
set(SCRY_MISSING "")

macro(scry_find_by_pkg_config prefix module)
  if(NOT TARGET PkgConfig::${prefix})
    pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
  endif()
  if(NOT TARGET PkgConfig::${prefix})
    list(APPEND SCRY_MISSING ${module})
  endif()
endmacro()

scry_find(Threads)
scry_find(OpenSSL)
scry_find(PkgConfig)
scry_find(fmt)
scry_find(yaml-cpp)
scry_find(nlohmann_json)
if(PkgConfig_FOUND)
  scry_find_by_pkg_config(LIBPQ libpq)
  scry_find_by_pkg_config(LIBPQXX libpqxx)
  scry_find_by_pkg_config(ZSTD libzstd)
  scry_find_by_pkg_config(XXHASH libxxhash)
endif()

# Debian's libpg_query has no pkg-config file. Without it patterns come from the textual fallback.
find_path(PG_QUERY_INCLUDE_DIR pg_query.h)
find_library(PG_QUERY_LIBRARY pg_query)
if(PG_QUERY_INCLUDE_DIR AND PG_QUERY_LIBRARY)
  set(SCRY_HAS_PG_QUERY ON)
else()
  set(SCRY_HAS_PG_QUERY OFF)
endif()
if(NOT TARGET PgQuery::PgQuery)
  if(SCRY_HAS_PG_QUERY)
    add_library(PgQuery::PgQuery UNKNOWN IMPORTED)
    set_target_properties(PgQuery::PgQuery PROPERTIES
      IMPORTED_LOCATION ${PG_QUERY_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${PG_QUERY_INCLUDE_DIR}
      INTERFACE_COMPILE_DEFINITIONS SCRY_HAVE_PG_QUERY=1)
  else()
    add_library(PgQuery::PgQuery INTERFACE IMPORTED)
  endif()
endif()

# yaml-cpp 0.7 exports the plain target, 0.8 the namespaced one.
if(TARGET yaml-cpp AND NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()
