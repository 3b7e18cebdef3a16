# cmake --install, and the packages of CPack: the program with its manual and completions, and for programs that
# embed scry its headers and archive.
include(CMakePackageConfigHelpers)

install(TARGETS scry_cli RUNTIME COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/told/scry.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
  COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/told/scry.bash RENAME scry
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
# Debian's zsh looks for those of packages in a folder of its own. PackagingByFormat.cmake chooses.
install(FILES ${PROJECT_BINARY_DIR}/told/_scry
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT zsh)
install(FILES ${PROJECT_BINARY_DIR}/told/_scry
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT zsh-debian EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_BINARY_DIR}/told/scry.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
# Without what running them leaves there.
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program
  PATTERN __pycache__ EXCLUDE PATTERN node_modules EXCLUDE PATTERN report EXCLUDE
  PATTERN capture EXCLUDE)

# find_package(scry): the target scry::scry, and what it links. A shared library goes with the
# program, which needs it.
install(TARGETS scry EXPORT scry
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT program NAMELINK_COMPONENT library)
install(DIRECTORY lib/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/scry COMPONENT library
  FILES_MATCHING PATTERN "*.h")
set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/scry)
install(EXPORT scry NAMESPACE scry:: FILE scry-targets.cmake DESTINATION ${config_folder}
  COMPONENT library)
configure_package_config_file(cmake/scry-config.cmake.in ${PROJECT_BINARY_DIR}/scry-config.cmake
  INSTALL_DESTINATION ${config_folder} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scry-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES cmake/Dependencies.cmake ${PROJECT_BINARY_DIR}/scry-config.cmake
  ${PROJECT_BINARY_DIR}/scry-config-version.cmake DESTINATION ${config_folder} COMPONENT library)

set(CPACK_PACKAGE_NAME scry)
set(CPACK_PACKAGE_VENDOR "The scry authors")
set(CPACK_PACKAGE_CONTACT "The scry authors <scry-db@users.noreply.github.com>")
set(CPACK_PACKAGE_HOMEPAGE_URL "https://github.com/scry-db/scry")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "test PostgreSQL schema changes with captured traffic")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_FILE_NAME scry-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_COMPONENTS_ALL program zsh)
set(CPACK_STRIP_FILES ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/PackagingByFormat.cmake)
# What the program links is found by dpkg-shlibdeps. The servers of forks are programs that it runs:
# for reading captures and reports there need be none, and `scry doctor` names the remedy.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "postgresql, postgresql-client")
set(CPACK_DEBIAN_PACKAGE_SECTION database)
# A package links the libraries of one release of a distribution: its file says which, and its
# version is higher on a newer one, so that an upgrade of the distribution upgrades it.
cmake_host_system_information(RESULT SYSTEM_ID QUERY DISTRIB_ID)
cmake_host_system_information(RESULT SYSTEM_VERSION QUERY DISTRIB_VERSION_ID)
cmake_host_system_information(RESULT SYSTEM_SUITE QUERY DISTRIB_VERSION_CODENAME)
string(REPLACE debian deb SYSTEM_ID "${SYSTEM_ID}")
set(CPACK_DEBIAN_PACKAGE_RELEASE "1+${SYSTEM_ID}${SYSTEM_VERSION}")
find_program(DPKG dpkg)
if(DPKG)
  execute_process(COMMAND ${DPKG} --print-architecture OUTPUT_VARIABLE architecture
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(CPACK_DEBIAN_FILE_NAME "scry_${PROJECT_VERSION}_${SYSTEM_SUITE}_${architecture}.deb")
else()
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
endif()
include(CPack)
