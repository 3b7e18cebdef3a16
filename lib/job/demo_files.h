// The SQL files of the demo's folders in examples, inside the binary.
#pragma once

#include <string_view>

namespace scry::job {

// REQUIRES: `path` is one of those that lib/job/CMakeLists.txt takes in: "index-drop/setup.sql".
const char* DemoFile(std::string_view path);

}  // namespace scry::job
