# scry_module(name SOURCES a.cc ... USES module ... LIBS target ...)
#
# One module of lib/: an OBJECT library scry_<name>. USES names the modules below it; CMake refuses a
# cycle among OBJECT libraries, so the layers of lib/README.md cannot be bent by the build.
set_property(GLOBAL PROPERTY SCRY_MODULES "")
function(scry_module name)
  cmake_parse_arguments(M "" "" "SOURCES;USES;LIBS" ${ARGN})
  add_library(scry_${name} OBJECT ${M_SOURCES})
  target_include_directories(scry_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib)
  target_link_libraries(scry_${name} PRIVATE scry_warnings PUBLIC ${M_LIBS})
  foreach(used IN LISTS M_USES)
    target_link_libraries(scry_${name} PUBLIC scry_${used})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY SCRY_MODULES scry_${name})
endfunction()

# What runs with the sanitizers: the unit and fuzz tests, without the programs.
add_custom_target(scry_sanitized)

# scry_unit_test(module SOURCES a_test.cc ...): one Catch2 binary and one ctest per module.
function(scry_unit_test module)
  cmake_parse_arguments(T "" "" "SOURCES" ${ARGN})
  if(SCRY_SANITIZE AND module STREQUAL job)
    return()
  endif()
  add_executable(${module}_test ${T_SOURCES})
  target_include_directories(${module}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${module}_test PRIVATE
    SCRY_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden")
  # Each runs once after it is built, and what takes its time is the library.
  target_compile_options(${module}_test PRIVATE -O0)
  set(archive scry_below_jobs)
  if(module STREQUAL job)
    set(archive scry)
  endif()
  target_link_libraries(${module}_test PRIVATE ${archive} scry_warnings Catch2::Catch2WithMain)
  add_dependencies(scry_sanitized ${module}_test)
  add_test(NAME unit.${module} COMMAND ${module}_test)
  set_tests_properties(unit.${module} PROPERTIES TIMEOUT 1200 LABELS unit)
endfunction()
