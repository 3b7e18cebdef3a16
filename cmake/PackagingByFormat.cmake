# Read by cpack before it makes a package, once for each format. An archive unpacks into one folder; in
# a .deb that folder would stand before /usr.
if(CPACK_GENERATOR STREQUAL "TGZ")
  set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
elseif(CPACK_GENERATOR STREQUAL "DEB")
  list(TRANSFORM CPACK_COMPONENTS_ALL REPLACE "^zsh$" zsh-debian)
endif()
