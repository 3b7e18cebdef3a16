#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace scry::base {

Error FailErrno(std::string_view what) {
  const int saved = errno;
  return Fail(std::string(what) + ": " + std::generic_category().message(saved));
}

}  // namespace scry::base
