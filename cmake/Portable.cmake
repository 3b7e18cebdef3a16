# SCRY_PORTABLE: what changes its soname from one release of a distribution to the next is linked
# from archives, or compiled from headers. The program then needs libpq and its OpenSSL, libc and libm, of the
# release it was built on or of any newer one.

# scry_link_archive(TARGET NAME): lib<NAME>.a instead of what an imported target links.
function(scry_link_archive target name)
  find_library(SCRY_${name}_ARCHIVE lib${name}.a)
  if(NOT SCRY_${name}_ARCHIVE)
    message(WARNING "no archive of ${name} here: the program will need its shared library")
    return()
  endif()
  get_target_property(aliased ${target} ALIASED_TARGET)
  if(aliased)
    set(target ${aliased})
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    set_target_properties(${target} PROPERTIES INTERFACE_LINK_LIBRARIES ${SCRY_${name}_ARCHIVE})
    return()
  endif()
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${SCRY_${name}_ARCHIVE})
  get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
  foreach(configuration IN LISTS configurations)
    set_target_properties(${target} PROPERTIES
      IMPORTED_LOCATION_${configuration} ${SCRY_${name}_ARCHIVE})
  endforeach()
endfunction()

if(BUILD_SHARED_LIBS)
  message(FATAL_ERROR "SCRY_PORTABLE and BUILD_SHARED_LIBS exclude each other")
endif()
scry_link_archive(PkgConfig::LIBPQXX pqxx)
target_link_libraries(PkgConfig::LIBPQXX INTERFACE PkgConfig::LIBPQ)  # After it, as it calls it.
scry_link_archive(PkgConfig::ZSTD zstd)
scry_link_archive(PkgConfig::XXHASH xxhash)
scry_link_archive(yaml-cpp::yaml-cpp yaml-cpp)
if(SCRY_HAS_PG_QUERY)
  scry_link_archive(PgQuery::PgQuery pg_query)
endif()
# Debian has no archive of fmt: with its headers alone, its library is not needed and left out.
add_compile_definitions(FMT_HEADER_ONLY=1)
add_link_options(-static-libstdc++ -static-libgcc -Wl,--as-needed)
