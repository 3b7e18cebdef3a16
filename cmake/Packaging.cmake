# cmake --install, and the packages of CPack: the program with its manual and completions, and for programs that
# embed scry its headers and archive.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS scry_cli RUNTIME COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/told/scry.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
  COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/told/scry.bash RENAME scry
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/told/_scry
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/told/scry.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
# Without what running them leaves there.
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program
  PATTERN __pycache__ EXCLUDE PATTERN node_modules EXCLUDE PATTERN report EXCLUDE
  PATTERN capture EXCLUDE)

# find_package(scry): the target scry::scry, and what it links.
install(TARGETS scry EXPORT scry
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(DIRECTORY lib/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/scry COMPONENT library
  FILES_MATCHING PATTERN "*.h")
set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/scry)
install(EXPORT scry NAMESPACE scry:: FILE scry-targets.cmake DESTINATION ${config_folder}
  COMPONENT library)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scry-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES cmake/scry-config.cmake cmake/Dependencies.cmake
  ${PROJECT_BINARY_DIR}/scry-config-version.cmake DESTINATION ${config_folder} COMPONENT library)

set(CPACK_PACKAGE_NAME scry)
set(CPACK_PACKAGE_VENDOR "The scry authors")
set(CPACK_PACKAGE_CONTACT "https://github.com/scry-db/scry")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "test PostgreSQL schema changes with captured traffic")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_FILE_NAME scry-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_COMPONENTS_ALL program)
set(CPACK_STRIP_FILES ON)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/PackagingByFormat.cmake)
# What the program links is found by dpkg-shlibdeps; the servers of forks are programs that it runs.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "postgresql | postgresql-15 | postgresql-16 | postgresql-17")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "postgresql-client")
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
include(CPack)
