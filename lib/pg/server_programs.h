// Finds PostgreSQL's own programs (initdb, postgres, pg_basebackup, pg_dump ...) of a major
// version. Used by shadow and by doctor. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace scry::pg {

struct Programs {
  std::string bindir;
  int major = 0;
  std::string version;  // "15.4".

  std::string Path(const std::string& program) const { return bindir + "/" + program; }
};

// Every installation found, newest major first, each folder once: what PATH and pg_config lead to,
// then the folders distributions use, then `extra_folders`.
std::vector<Programs> ListPrograms(const std::vector<std::string>& extra_folders = {});

// The one of `major`, else the newest. The error names the majors found and the package to install.
base::Result<Programs> FindPrograms(std::optional<int> major);

// Folders that hold the server's loadable libraries (shared_preload_libraries), most likely first.
std::vector<std::string> LibraryFolders(const Programs& programs);

// "postgres (PostgreSQL) 15.4 (Debian ...)" to 15 and "15.4"; "17beta1", "18devel" too. Pure.
std::optional<Programs> ParseVersionLine(const std::string& line);

}  // namespace scry::pg
